/* One instruction tier: the vector type and the names that a kernel source is compiled with.
 *
 * Each family (conv.c, linear.c, ...) is compiled once per tier, with VGG_TIER set to portable,
 * avx2 or avx512 and the compiler flags of that tier. What it exports is named by VGG_TIERED:
 * conv_forward_avx2 and so on. Products and sums are contracted to fused multiply-adds where the
 * tier has them. */
#ifndef VGG_KERNELS_TIER_H
#define VGG_KERNELS_TIER_H

#include "kernels/kernels.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#define VGG_LANES 16
#elif defined(__AVX2__)
#include <immintrin.h>
#define VGG_LANES 8
#else
#define VGG_LANES 4
#if defined(__SSE__)
#include <xmmintrin.h>
#endif
#endif

#define VGG_PASTE2(name, tier) vgg_##name##_##tier
#define VGG_PASTE(name, tier) VGG_PASTE2(name, tier)
#define VGG_TIERED(name) VGG_PASTE(name, VGG_TIER)

#define VGG_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define VGG_UNROLL _Pragma("clang loop unroll(full)")
#else
#define VGG_UNROLL _Pragma("GCC unroll 32")
#endif

/* VGG_LANES floats in a register, and the same at any address. */
typedef float vf __attribute__((vector_size(VGG_LANES * 4)));
typedef float vf_any __attribute__((vector_size(VGG_LANES * 4), aligned(4), may_alias));

VGG_INLINE vf vf_load(const float *from) {
    return *(const vf_any *)from;
}

VGG_INLINE void vf_store(float *to, vf value) {
    *(vf_any *)to = value;
}

VGG_INLINE vf vf_splat(float value) {
    return value - (vf){0};
}

/* max(value, 0); a NaN stays a NaN. */
VGG_INLINE vf vf_relu(vf value) {
#if VGG_LANES == 16
    return (vf)_mm512_max_ps(_mm512_setzero_ps(), (__m512)value);
#elif VGG_LANES == 8
    return (vf)_mm256_max_ps(_mm256_setzero_ps(), (__m256)value);
#elif defined(__SSE__)
    return (vf)_mm_max_ps(_mm_setzero_ps(), (__m128)value);
#else
    for (int i = 0; i < VGG_LANES; i++)
        value[i] = value[i] < 0 ? 0 : value[i];
    return value;
#endif
}

/* `value` where `sign` > 0, else 0. */
VGG_INLINE vf vf_where_positive(vf sign, vf value) {
    typedef int32_t vi __attribute__((vector_size(VGG_LANES * 4)));
    vi mask = sign > (vf){0};
    return (vf)((vi)value & mask);
}

VGG_INLINE vf vf_sqrt(vf value) {
#if VGG_LANES == 16
    return (vf)_mm512_sqrt_ps((__m512)value);
#elif VGG_LANES == 8
    return (vf)_mm256_sqrt_ps((__m256)value);
#elif defined(__SSE__)
    return (vf)_mm_sqrt_ps((__m128)value);
#else
    for (int i = 0; i < VGG_LANES; i++)
        value[i] = __builtin_sqrtf(value[i]);
    return value;
#endif
}

/* The sum of the lanes, halves added pairwise. */
VGG_INLINE float vf_sum(vf value) {
    float lanes[VGG_LANES];
    vf_store(lanes, value);
    for (int half = VGG_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

#endif
