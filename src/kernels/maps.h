/* Blocked maps that are of floats or, where there are some, of numbers of bfloat16: vectors of
 * them, as floats, counted in values. */
#ifndef VGG_KERNELS_MAPS_H
#define VGG_KERNELS_MAPS_H

#include "kernels/tier.h"

VGG_INLINE vf map_load(const float *values, const uint16_t *numbers, size_t at) {
    return numbers != NULL ? vf_load_element(VGG_ELEMENT_BFLOAT16, numbers, at)
                           : vf_load(values + at);
}

/* As vf_put does; a line has two vectors of numbers. */
VGG_INLINE void map_put(bool stream, float *values, uint16_t *numbers, size_t at, vf value) {
    if (numbers == NULL) {
        vf_put(stream, values + at, value);
        return;
    }
#if VGG_LANES == 16
    if (stream) {
        __m256i rounded;
        vf_bf16_store(&rounded, value);
        _mm256_stream_si256((__m256i *)(void *)(numbers + at), rounded);
        return;
    }
#endif
    vf_bf16_store(numbers + at, value);
}

#endif
