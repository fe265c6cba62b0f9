/* Activations in blocks of channels, as kernels.h describes them. */
#ifndef VGG_KERNELS_BLOCKS_H
#define VGG_KERNELS_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#define VGG_BLOCK 16

static inline size_t vgg_blocks(size_t channels) {
    return (channels + VGG_BLOCK - 1) / VGG_BLOCK;
}

/* Floats of a blocked activation. */
static inline size_t vgg_blocked_size(size_t images, size_t channels, size_t pixels) {
    return images * vgg_blocks(channels) * pixels * VGG_BLOCK;
}

/* Which of each 2x2 window a max-pool took, for a block of channels at one place: bit c says the
 * column and the row within the window for channel c. */
typedef struct vgg_choice {
    uint16_t columns, rows;
} vgg_choice;

#endif
