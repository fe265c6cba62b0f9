/* One instruction tier: the vector type and the names that a kernel source is compiled with.
 *
 * Each family (conv.c, linear.c, ...) is compiled once per tier, with VGG_TIER set to portable,
 * avx2 or avx512 and the compiler flags of that tier; amx, which has them all from avx512, has some
 * more sources. What it exports is named by VGG_TIERED:
 * conv_forward_avx2 and so on. Products and sums are contracted to fused multiply-adds where the
 * tier has them. */
#ifndef VGG_KERNELS_TIER_H
#define VGG_KERNELS_TIER_H

#include <string.h>

#include "base/elements.h"
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

/* Vectors of a block of channels. */
#define BLOCK_VECTORS (VGG_BLOCK / VGG_LANES)

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

/* Stores a whole vector; with `stream`, past the caches where vectors are as long as their lines:
 * nobody reads it soon, and its old value need not be read from memory first. */
VGG_INLINE void vf_put(bool stream, float *to, vf value) {
#if VGG_LANES == 16
    if (stream) {
        _mm512_stream_ps(to, (__m512)value);
        return;
    }
#else
    (void)stream;
#endif
    vf_store(to, value);
}

/* After the last vf_put of a kernel: other threads see what was stored. */
VGG_INLINE void vf_put_end(bool stream) {
#if VGG_LANES == 16
    if (stream)
        _mm_sfence();
#else
    (void)stream;
#endif
}

/* Bits of as many floats. */
typedef uint32_t vf_words __attribute__((vector_size(VGG_LANES * 4)));

/* Rounded to bfloat16, to nearest even, in the upper halves; a denormal becomes a zero, a NaN stays
 * one. The lower halves are zero. */
VGG_INLINE vf_words vf_bf16(vf value) {
    vf_words bits = (vf_words)value;
    vf_words rounded = bits + 0x7fffu + (bits >> 16 & 1u);
    vf_words small = (vf_words)((bits & 0x7f800000u) == 0);
    vf_words nan = (vf_words)((bits & 0x7fffffffu) > 0x7f800000u);
    rounded = (rounded & ~small) | (bits & small & 0x80000000u);
    rounded = (rounded & ~nan) | ((bits | 0x400000u) & nan);
    return rounded & 0xffff0000u;
}

/* Stores so many numbers of 16 bits, the first one in the first bytes. GCC 12 makes two halves of a
 * conversion of 16 lanes. */
VGG_INLINE void vf_bf16_store(void *to, vf value) {
    typedef uint16_t halves __attribute__((vector_size(VGG_LANES * 2)));
#if defined(__AVX512BF16__)
    halves numbers = (halves)_mm512_cvtneps_pbh((__m512)value);
#elif VGG_LANES == 16
    halves numbers = (halves)_mm512_cvtepi32_epi16((__m512i)(vf_bf16(value) >> 16));
#else
    halves numbers = __builtin_convertvector(vf_bf16(value) >> 16, halves);
#endif
    memcpy(to, &numbers, sizeof numbers);
}

/* So many numbers of 16 bits, as words. */
VGG_INLINE vf_words vf_load_words(const void *from) {
#if VGG_LANES == 16
    return (vf_words)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
#elif VGG_LANES == 8
    return (vf_words)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from));
#else
    typedef uint16_t halves __attribute__((vector_size(VGG_LANES * 2)));
    halves bits;
    memcpy(&bits, from, sizeof bits);
    return __builtin_convertvector(bits, vf_words);
#endif
}

VGG_INLINE vf vf_load_int8(const int8_t *from) {
#if VGG_LANES == 16
    __m128i numbers = _mm_loadu_si128((const __m128i *)(const void *)from);
    return (vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(numbers));
#elif VGG_LANES == 8
    __m128i numbers = _mm_loadl_epi64((const __m128i *)(const void *)from);
    return (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(numbers));
#else
    vf value;
    for (int i = 0; i < VGG_LANES; i++) {
        value[i] = (float)from[i];
    }
    return value;
#endif
}

/* Numbers of a weight type or int8, from[index] on, as floats. */
VGG_INLINE vf vf_load_element(vgg_element element, const void *from, size_t index) {
    if (element == VGG_ELEMENT_FLOAT32)
        return vf_load((const float *)from + index);
    if (element == VGG_ELEMENT_INT8)
        return vf_load_int8((const int8_t *)from + index);
    const uint16_t *numbers = (const uint16_t *)from + index;
    if (element == VGG_ELEMENT_BFLOAT16)
        return (vf)(vf_load_words(numbers) << 16);
#if VGG_LANES == 16
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)numbers));
#elif VGG_LANES == 8
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)numbers));
#else
    float values[VGG_LANES];
    vgg_elements_to_float(element, (const unsigned char *)numbers, VGG_LANES, values);
    return vf_load(values);
#endif
}

/* The first `count` of them, and zeros; nothing beyond is read. */
VGG_INLINE vf vf_load_some(vgg_element element, const void *from, size_t index, size_t count) {
#if VGG_LANES == 16
    if (element == VGG_ELEMENT_FLOAT32) {
        __mmask16 lanes = (__mmask16)((1u << count) - 1);
        return (vf)_mm512_maskz_loadu_ps(lanes, (const float *)from + index);
    }
#endif
    size_t bytes = vgg_element_bytes(element);
    unsigned char copy[VGG_LANES * 4] = {0};
    memcpy(copy, (const unsigned char *)from + index * bytes, count * bytes);
    return vf_load_element(element, copy, 0);
}

/* Fetches a line that will be read once, from memory into the second-level cache: on the way into
 * the first one only some ten lines at a time can be, on the way into this one several times as
 * many. */
VGG_INLINE void vf_fetch(const void *from) {
    __builtin_prefetch(from, 0, 2);
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
    for (int i = 0; i < VGG_LANES; i++) {
        value[i] = value[i] < 0 ? 0 : value[i];
    }
    return value;
#endif
}

/* Integers as wide as a vector's floats: all ones where something is true. */
typedef int32_t vf_truth __attribute__((vector_size(VGG_LANES * 4)));

/* What comparisons of a tier give: a bit per lane. */
#if VGG_LANES == 16
typedef __mmask16 vf_bits;
#else
typedef vf_truth vf_bits;
#endif

/* `value` where `sign` > 0, else 0. */
VGG_INLINE vf vf_where_positive(vf sign, vf value) {
    vf_truth mask = sign > (vf){0};
    return (vf)((vf_truth)value & mask);
}

/* `b` where `second`, else `a`. */
VGG_INLINE vf vf_either(vf_bits second, vf a, vf b) {
#if VGG_LANES == 16
    return (vf)_mm512_mask_mov_ps((__m512)a, second, (__m512)b);
#elif VGG_LANES == 8
    return (vf)_mm256_blendv_ps((__m256)a, (__m256)b, (__m256)second);
#else
    return (vf)(((vf_truth)b & second) | ((vf_truth)a & ~second));
#endif
}

/* Where a later value of a max-pool's window takes over from the best so far, as in PyTorch: only
 * where it is greater, or NaN. */
VGG_INLINE vf_bits vf_takes_over(vf later, vf best) {
#if VGG_LANES == 16
    return _mm512_cmp_ps_mask((__m512)later, (__m512)best, _CMP_GT_OQ) |
           _mm512_cmp_ps_mask((__m512)later, (__m512)later, _CMP_UNORD_Q);
#else
    return (later > best) | (later != later);
#endif
}

/* The greatest in a window of max-pooling, as in vgg_pool_task. */
VGG_INLINE vf vf_pool(vf top_left, vf top_right, vf bottom_left, vf bottom_right) {
    vf top = vf_either(vf_takes_over(top_right, top_left), top_left, top_right);
    vf left = vf_either(vf_takes_over(bottom_left, top), top, bottom_left);
    return vf_either(vf_takes_over(bottom_right, left), left, bottom_right);
}

VGG_INLINE vf vf_sqrt(vf value) {
#if VGG_LANES == 16
    return (vf)_mm512_sqrt_ps((__m512)value);
#elif VGG_LANES == 8
    return (vf)_mm256_sqrt_ps((__m256)value);
#elif defined(__SSE__)
    return (vf)_mm_sqrt_ps((__m128)value);
#else
    for (int i = 0; i < VGG_LANES; i++) {
        value[i] = __builtin_sqrtf(value[i]);
    }
    return value;
#endif
}

/* Parts of two vectors, 128 bits of both at a time: single lanes or pairs of them interleaved, or
 * every other quarter. */
#if VGG_LANES == 16
#define VGG_LOW_LANES(a, b)                                                                        \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define VGG_HIGH_LANES(a, b)                                                                       \
    __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define VGG_LOW_PAIRS(a, b)                                                                        \
    __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define VGG_HIGH_PAIRS(a, b)                                                                       \
    __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define VGG_EVEN_QUARTERS(a, b)                                                                    \
    __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define VGG_ODD_QUARTERS(a, b)                                                                     \
    __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
#elif VGG_LANES == 8
#define VGG_LOW_LANES(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define VGG_HIGH_LANES(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define VGG_LOW_PAIRS(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define VGG_HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define VGG_EVEN_QUARTERS(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define VGG_ODD_QUARTERS(a, b) __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#else
#define VGG_LOW_LANES(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define VGG_HIGH_LANES(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define VGG_LOW_PAIRS(a, b) __builtin_shufflevector(a, b, 0, 1, 4, 5)
#define VGG_HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 2, 3, 6, 7)
#endif

/* rows[i][k] becomes rows[k][i]: 4x4 blocks are transposed within their 128 bits, then the blocks
 * are brought to their places. Shuffles across 128 bits cost twice as much as those within. */
VGG_INLINE void vf_transpose(vf rows[VGG_LANES]) {
    vf blocks[VGG_LANES];
    VGG_UNROLL
    for (int i = 0; i < VGG_LANES; i += 4) {
        vf low01 = VGG_LOW_LANES(rows[i], rows[i + 1]);
        vf high01 = VGG_HIGH_LANES(rows[i], rows[i + 1]);
        vf low23 = VGG_LOW_LANES(rows[i + 2], rows[i + 3]);
        vf high23 = VGG_HIGH_LANES(rows[i + 2], rows[i + 3]);
        blocks[i] = VGG_LOW_PAIRS(low01, low23);
        blocks[i + 1] = VGG_HIGH_PAIRS(low01, low23);
        blocks[i + 2] = VGG_LOW_PAIRS(high01, high23);
        blocks[i + 3] = VGG_HIGH_PAIRS(high01, high23);
    }
#if VGG_LANES > 4
    /* The bit of a block's row number that counts `apart` rows of blocks becomes a bit of its
     * place within a vector. */
    VGG_UNROLL
    for (int apart = 4; apart < VGG_LANES; apart *= 2) {
        VGG_UNROLL
        for (int pair = 0; pair < VGG_LANES / 2; pair++) {
            int i = pair / apart * 2 * apart + pair % apart;
            vf even = VGG_EVEN_QUARTERS(blocks[i], blocks[i + apart]);
            blocks[i + apart] = VGG_ODD_QUARTERS(blocks[i], blocks[i + apart]);
            blocks[i] = even;
        }
    }
#endif
    VGG_UNROLL
    for (int i = 0; i < VGG_LANES; i++) {
        rows[i] = blocks[i];
    }
}

/* The sum of the lanes, halves added pairwise. */
VGG_INLINE float vf_sum(vf value) {
    float lanes[VGG_LANES];
    vf_store(lanes, value);
    for (int half = VGG_LANES / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            lanes[i] += lanes[i + half];
        }
    }
    return lanes[0];
}

/* The sums of four vectors, each added up as by vf_sum. */
VGG_INLINE void vf_sum4(const vf v[4], float sums[4]) {
#if VGG_LANES == 16
    vf half[2];
    VGG_UNROLL
    for (int i = 0; i < 2; i++) {
        half[i] = __builtin_shufflevector(v[2 * i], v[2 * i + 1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17,
                                          18, 19, 20, 21, 22, 23) +
                  __builtin_shufflevector(v[2 * i], v[2 * i + 1], 8, 9, 10, 11, 12, 13, 14, 15, 24,
                                          25, 26, 27, 28, 29, 30, 31);
    }
    vf all = __builtin_shufflevector(half[0], half[1], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24,
                                     25, 26, 27) +
             __builtin_shufflevector(half[0], half[1], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23,
                                     28, 29, 30, 31);
    all += __builtin_shufflevector(all, all, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    all += __builtin_shufflevector(all, all, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    all = __builtin_shufflevector(all, all, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
#elif VGG_LANES == 8
    vf half[2];
    VGG_UNROLL
    for (int i = 0; i < 2; i++) {
        half[i] = __builtin_shufflevector(v[2 * i], v[2 * i + 1], 0, 1, 2, 3, 8, 9, 10, 11) +
                  __builtin_shufflevector(v[2 * i], v[2 * i + 1], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    vf all = __builtin_shufflevector(half[0], half[1], 0, 1, 4, 5, 8, 9, 12, 13) +
             __builtin_shufflevector(half[0], half[1], 2, 3, 6, 7, 10, 11, 14, 15);
    all += __builtin_shufflevector(all, all, 1, 0, 3, 2, 5, 4, 7, 6);
    all = __builtin_shufflevector(all, all, 0, 2, 4, 6, 0, 2, 4, 6);
#else
    vf half[2];
    VGG_UNROLL
    for (int i = 0; i < 2; i++) {
        half[i] = __builtin_shufflevector(v[2 * i], v[2 * i + 1], 0, 1, 4, 5) +
                  __builtin_shufflevector(v[2 * i], v[2 * i + 1], 2, 3, 6, 7);
    }
    vf all = __builtin_shufflevector(half[0], half[1], 0, 2, 4, 6) +
             __builtin_shufflevector(half[0], half[1], 1, 3, 5, 7);
#endif
    memcpy(sums, &all, 4 * sizeof *sums);
}

#endif
