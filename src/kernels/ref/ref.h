/* The specification of every kernel: what the argument structs of kernels.h mean, written from the
 * definitions, one value at a time, in double. */
#ifndef VGG_KERNELS_REF_REF_H
#define VGG_KERNELS_REF_REF_H

#include "kernels/kernels.h"

/* Where the value of (image, channel, pixel) lies in a blocked activation. */
static inline size_t vgg_blocked_at(size_t image, size_t channel, size_t pixel, size_t channels,
                                    size_t pixels) {
    return ((image * vgg_blocks(channels) + channel / VGG_BLOCK) * pixels + pixel) * VGG_BLOCK +
           channel % VGG_BLOCK;
}

#endif
