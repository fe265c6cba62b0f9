/* Weights as they lie in files, a row for each output, brought into vectors of outputs. */
#ifndef VGG_KERNELS_WINOGRAD_GATHER_H
#define VGG_KERNELS_WINOGRAD_GATHER_H

#include "kernels/winograd_words.h"

/* taps[i][k] = from[k * stride + i] for i < count and k < rows, and 0 for the k beyond. Nothing
 * beyond from[k * stride + count - 1] is read. */
VGG_INLINE void transpose_part(vgg_element element, const void *from, size_t first, size_t stride,
                               size_t rows, size_t count, float (*taps)[GROUP]) {
    vf lines[VGG_LANES];
    for (size_t k = 0; k < VGG_LANES; k++) {
        lines[k] = k < rows ? vf_load_some(element, from, first + k * stride, count) : (vf){0};
    }
    vf_transpose(lines);
    for (size_t i = 0; i < count; i++) {
        vf_store(taps[i], lines[i]);
    }
}

/* The same for any count, from `first` on. */
VGG_INLINE void transpose(vgg_element element, const void *from, size_t first, size_t stride,
                          size_t rows, size_t count, float (*taps)[GROUP]) {
    size_t i = 0;
    for (; rows == VGG_LANES && i + VGG_LANES <= count; i += VGG_LANES) {
        vf lines[VGG_LANES];
        VGG_UNROLL
        for (size_t k = 0; k < VGG_LANES; k++) {
            lines[k] = vf_load_element(element, from, first + k * stride + i);
        }
        vf_transpose(lines);
        VGG_UNROLL
        for (size_t k = 0; k < VGG_LANES; k++) {
            vf_store(taps[i + k], lines[k]);
        }
    }
    for (; i < count; i += VGG_LANES) {
        transpose_part(element, from, first + i, stride, rows, vgg_size_min(VGG_LANES, count - i),
                       taps + i);
    }
}

#endif
