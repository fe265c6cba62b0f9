/* Lists of class names. */
#ifndef VGG_MODEL_LABELS_H
#define VGG_MODEL_LABELS_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/status.h"

/* Start with {0}: no names are known. */
typedef struct vgg_labels {
    char **names;
    size_t count;
} vgg_labels;

/* Copies the names; false when memory ran out. */
bool vgg_labels_copy(vgg_labels *labels, const char *const *names, size_t count);
void vgg_labels_free(vgg_labels *labels);

/* "imagenet" for the names of ILSVRC 2012, or a UTF-8 text file with a name per line (line ends of
 * Windows and blank lines at the end are fine) that must have `classes` of them. */
vgg_status vgg_labels_read(const char *path, size_t classes, vgg_labels *labels, vgg_error *error);

#endif
