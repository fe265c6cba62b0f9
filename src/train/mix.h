/* Pictures of a batch mixed with one another: mixup and cutmix. */
#ifndef VGG_TRAIN_MIX_H
#define VGG_TRAIN_MIX_H

#include "base/threads.h"
#include "vgg/train.h"

/* A batch, and what becomes of it. */
typedef struct vgg_mix_task {
    double mixup, cutmix; /* as in vgg_train_options */
    uint64_t seed, epoch;
    size_t channels, height, width;
    const vgg_batch *batch;
    float *inputs;  /* of all pictures, mixed */
    size_t *others; /* the classes of what was mixed in */
    float *shares;  /* of the picture itself */
} vgg_mix_task;

/* A vgg_work over the pictures of a vgg_mix_task. */
void vgg_mix_pictures(void *task, size_t begin, size_t end, size_t worker);

#endif
