/* Class names in what stands beside the weights. */
#ifndef VGG_MODEL_BESIDE_NAMES_H
#define VGG_MODEL_BESIDE_NAMES_H

#include <jansson.h>

#include "formats/remarks.h"
#include "model/labels.h"
#include "vgg/status.h"

/* The value under the first of the keys (NULL at the end) that the object or an object in it has,
 * the outer before the inner, and that fits; NULL when there is none. *key is the one. */
typedef bool vgg_beside_fits(const json_t *value);
json_t *vgg_beside_find(json_t *object, const char *const *keys, size_t depth,
                        vgg_beside_fits *fits, const char **key);

/* Names from a dict of names and numbers, of numbers and names, or from a list. *key is where they
 * were found; labels stay empty when there are none. What looks like names and is none is remarked.
 */
vgg_status vgg_beside_names(json_t *object, const char *place, vgg_remarks *remarks,
                            vgg_labels *labels, const char **key, vgg_error *error);

#endif
