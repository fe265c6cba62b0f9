/* Vectors of channels as whole numbers from 0 to 255, as vgg_int8_numbers says. */
#ifndef VGG_KERNELS_INT8_NUMBERS_H
#define VGG_KERNELS_INT8_NUMBERS_H

#include "kernels/tier.h"

#if VGG_LANES == 4 && defined(__SSE2__)
#include <emmintrin.h>
#endif

/* What a value is limited to before it is rounded, and the zero. */
typedef struct number_range {
    vf least, most;
    int zero;
} number_range;

VGG_INLINE number_range range_of(const vgg_int8_numbers *numbers) {
    return (number_range){.least = vf_splat(-(float)numbers->zero),
                          .most = vf_splat((float)(VGG_INT8_UNSIGNED_MOST - numbers->zero)),
                          .zero = numbers->zero};
}

/* The greater one; the second where the first is NaN. */
VGG_INLINE vf vf_max(vf a, vf b) {
#if VGG_LANES == 16
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif VGG_LANES == 8
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE__)
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
#else
    for (int i = 0; i < VGG_LANES; i++) {
        a[i] = a[i] > b[i] ? a[i] : b[i];
    }
    return a;
#endif
}

/* Stores a vector of channels that were multiplied by the factor, and are at least the least. */
VGG_INLINE void put_numbers(const number_range *range, uint8_t *to, vf value) {
    typedef uint8_t bytes __attribute__((vector_size(VGG_LANES)));
#if VGG_LANES == 16
    __m512i wide = _mm512_cvtps_epi32(_mm512_min_ps((__m512)value, (__m512)range->most));
    bytes numbers =
        (bytes)_mm512_cvtepi32_epi8(_mm512_add_epi32(wide, _mm512_set1_epi32(range->zero)));
#elif VGG_LANES == 8
    __m256i wide = _mm256_cvtps_epi32(_mm256_min_ps((__m256)value, (__m256)range->most));
    wide = _mm256_add_epi32(wide, _mm256_set1_epi32(range->zero));
    __m128i halves =
        _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    int64_t packed = _mm_cvtsi128_si64(_mm_packus_epi16(halves, halves));
    bytes numbers;
    memcpy(&numbers, &packed, sizeof numbers);
#elif defined(__SSE2__)
    __m128i wide = _mm_cvtps_epi32(_mm_min_ps((__m128)value, (__m128)range->most));
    wide = _mm_add_epi32(wide, _mm_set1_epi32(range->zero));
    __m128i halves = _mm_packs_epi32(wide, wide);
    int packed = _mm_cvtsi128_si32(_mm_packus_epi16(halves, halves));
    bytes numbers;
    memcpy(&numbers, &packed, sizeof numbers);
#else
    bytes numbers;
    for (int i = 0; i < VGG_LANES; i++) {
        float most = value[i] < range->most[i] ? value[i] : range->most[i];
        numbers[i] = (uint8_t)((int)__builtin_rintf(most) + range->zero);
    }
#endif
    memcpy(to, &numbers, sizeof numbers);
}

#endif
