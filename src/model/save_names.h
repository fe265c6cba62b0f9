/* Writing a network's values under the names that another file has for them. */
#ifndef VGG_MODEL_SAVE_NAMES_H
#define VGG_MODEL_SAVE_NAMES_H

#include "formats/format.h"

/* Opens the file at `path`, whose layers must be those of the network in the same order, and gives
 * `to`, which is {0}, its names and shapes in its order with the network's values; what stands
 * beside its layers, such as num_batches_tracked, keeps its own values. Both must live until they
 * are written, and are freed by the caller whatever the outcome. */
vgg_status vgg_save_names(const vgg_network *network, const char *path, vgg_tensor_source *theirs,
                          vgg_tensor_source *to, vgg_error *error);

#endif
