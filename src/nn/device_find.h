/* Finding the row of a device. */
#ifndef VGG_NN_DEVICE_FIND_H
#define VGG_NN_DEVICE_FIND_H

#include "nn/device.h"

typedef struct vgg_device_found {
    vgg_device_kind kind; /* VGG_DEVICE_CPU or VGG_DEVICE_CUDA */
    const vgg_device_row *row;
    const struct vgg_gpu_calls *calls; /* of a GPU */
    vgg_error missing;                 /* for VGG_DEVICE_AUTO, when it is the processor: why */
} vgg_device_found;

/* The device for a plan. VGG_ERROR_UNSUPPORTED, saying in one line what is missing. */
vgg_status vgg_device_choose(vgg_device_kind kind, vgg_device_found *found, vgg_error *error);

/* Makes VGG_DEVICE_AUTO what it stands for; fails as vgg_device_choose does. */
vgg_status vgg_device_settle(vgg_device_kind *kind, vgg_error *error);

/* The tier that rounds as `tier` does in that precision: what amx makes in float32 has the bits of
 * avx512. */
const char *vgg_tier_rounding(const char *tier, vgg_precision precision);

#endif
