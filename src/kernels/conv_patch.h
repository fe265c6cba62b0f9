/* What a unit of the direct convolution copies its input into: rows with a border of zeros, so that
 * it has no edges to care about. */
#ifndef VGG_KERNELS_CONV_PATCH_H
#define VGG_KERNELS_CONV_PATCH_H

#include <string.h>

#include "kernels/tier.h"

/* Input rows with a border of zeros: [planes][rows][width][step], where a plane is a channel block
 * and step 16, or a plain channel and step 1. */
typedef struct input_patch {
    float *data;
    size_t planes, rows, width, step;
} input_patch;

static inline void fill_row(float *to, const float *from, size_t border, size_t width,
                            size_t step) {
    memset(to, 0, border * step * sizeof *to);
    memcpy(to + border * step, from, width * step * sizeof *to);
    memset(to + (border + width) * step, 0, border * step * sizeof *to);
}

/* x: the planes (H, W, step) of one image; the patch begins at input row first_row - border. */
static inline void fill_patch(const input_patch *patch, const float *x, size_t first_row,
                              size_t height, size_t width, size_t border) {
    size_t row_floats = patch->width * patch->step;
    for (size_t plane = 0; plane < patch->planes; plane++) {
        for (size_t row = 0; row < patch->rows; row++) {
            float *to = patch->data + (plane * patch->rows + row) * row_floats;
            size_t from_row = first_row + row; /* counted from -border */
            if (from_row < border || from_row - border >= height)
                memset(to, 0, row_floats * sizeof *to);
            else
                fill_row(to, x + (plane * height + from_row - border) * width * patch->step, border,
                         width, patch->step);
        }
    }
}

#endif
