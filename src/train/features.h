/* What the frozen layers give for the pictures of a training, computed once and kept in a file of
 * its run.
 *
 * The file (base/records.h) has a record for each picture of the training part (in their order;
 * twice where pictures are mirrored at random, each time one of the two images) and one for each of
 * the validation part. */
#ifndef VGG_TRAIN_FEATURES_H
#define VGG_TRAIN_FEATURES_H

#include "base/records.h"
#include "vgg/train.h"

/* The pictures of one part of the data. */
typedef struct vgg_cached_part {
    const vgg_dataset *dataset; /* or NULL */
    size_t passes;              /* over its pictures: 2 when both mirror images are kept */
    size_t values;              /* floats of a record */
    size_t first;               /* the number of its first record */
    size_t offset;              /* of that in the file, in bytes */
} vgg_cached_part;

typedef struct vgg_features {
    bool wanted;
    vgg_augment both; /* shows one mirror image of each picture in epoch 0 and the other in 1 */
    vgg_cached_part train, validation;
    vgg_records file;
} vgg_features;

#endif
