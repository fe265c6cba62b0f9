/* Setting a share of each class aside for validation. */
#ifndef VGG_DATA_SPLIT_H
#define VGG_DATA_SPLIT_H

#include "data/dataset.h"

typedef enum vgg_split_rule {
    VGG_SPLIT_NONE,
    VGG_SPLIT_NAMES, /* by a hash of seed, class and name of each picture */
    VGG_SPLIT_ORDER, /* by the places of the pictures in their class, where there is no test part:
                      * that of libvgg 0.1.0 */
} vgg_split_rule;

typedef struct vgg_split {
    vgg_split_rule rule;
    double share;
    uint64_t seed;
    bool test_validates; /* a test part is the part to validate with where there is no other */
    const char *below; /* eight hexadecimal digits for each class: pictures with a smaller hash are
                        * set aside; NULL: so many as the share says */
} vgg_split;

/* Reads what vgg_dataset_parts.split says, into which `below` points. */
vgg_status vgg_split_read(const char *text, vgg_split *split, vgg_error *error);

/* What a split is remembered by. */
typedef struct vgg_split_result {
    char *record; /* what reads as this split; freed by the caller */
    size_t known; /* pictures at bounds of classes that are there */
} vgg_split_result;

/* Moves pictures of parts->train into a new parts->validation, which stays NULL when there are
 * none to be moved. */
vgg_status vgg_parts_split(vgg_parts *parts, const vgg_split *split, vgg_split_result *result,
                           vgg_error *error);

#endif
