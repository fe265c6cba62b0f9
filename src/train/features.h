/* What the frozen layers give for the pictures of a training, computed once and kept in a file of
 * its run.
 *
 * The file has a record of floats for each picture of the training part (in their order; twice
 * where pictures are mirrored at random, each time one of the two images), one for each of the
 * validation part, a sum for each record, and a foot. It comes to be under its name when it is
 * complete. Its foot has a sum over all that the records follow from: whoever finds another one
 * computes them again. */
#ifndef VGG_TRAIN_FEATURES_H
#define VGG_TRAIN_FEATURES_H

#include "vgg/plan.h"
#include "vgg/train.h"

/* The sum of a record that is none: its picture could not be read. */
#define VGG_FEATURES_UNREADABLE UINT64_C(0)

/* The pictures of one part of the data. */
typedef struct vgg_cached_part {
    const vgg_dataset *dataset; /* or NULL */
    size_t passes;              /* over its pictures: 2 when both mirror images are kept */
    size_t values;              /* floats of a record */
    size_t first;               /* the number of its first record */
    size_t offset;              /* of that in the file, in bytes */
} vgg_cached_part;

typedef struct vgg_features {
    bool wanted, ready;
    vgg_augment both; /* shows one mirror image of each picture in epoch 0 and the other in 1 */
    vgg_cached_part train, validation;
    size_t records, bytes; /* of the file */
    char *path;
    int file;       /* while it is ready */
    uint64_t *sums; /* of the records */
} vgg_features;

/* The last bytes of the file. */
typedef struct vgg_features_foot {
    char name[16];
    uint64_t origin;               /* a sum over what the records follow from */
    uint64_t records, bytes, sums; /* the last: a sum over the sums */
} vgg_features_foot;

#define VGG_FEATURES_NAME "vgg features 1"

/* The sum of a record. */
uint64_t vgg_features_sum(const float *values, size_t count);
/* How many records a part has. */
size_t vgg_cached_part_records(const vgg_cached_part *part);

#endif
