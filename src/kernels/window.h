/* How the transformed numbers of vgg_window_task lie in memory. */
#ifndef VGG_KERNELS_WINDOW_H
#define VGG_KERNELS_WINDOW_H

#include "kernels/kernels.h"

/* Input channels whose filters are made at once: for 32 outputs they take half of a second-level
 * cache. */
#define VGG_WINDOW_CHANNELS 32
/* Floats between two points of the filters of a group. Here and below it is a little more than what
 * lies there: what is a power of two apart shares places of a cache. */
#define VGG_WINDOW_FILTER_POINT ((size_t)(VGG_WINDOW_CHANNELS + 1) * VGG_WINOGRAD_GROUP)

/* Floats between two tiles of a point of the transformed input. */
static inline size_t vgg_window_row(size_t channels) {
    return (vgg_blocks(channels) + 1) * VGG_BLOCK;
}

/* Floats between two points of the products of a group. */
static inline size_t vgg_window_product_point(size_t tiles) {
    return tiles * VGG_WINOGRAD_GROUP + VGG_BLOCK;
}

#endif
