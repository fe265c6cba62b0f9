/* Words of four whole numbers of 8 bits, and exact sums of their products; see winograd_words.h. */
#ifndef VGG_KERNELS_INT8_WORDS_H
#define VGG_KERNELS_INT8_WORDS_H

#include "kernels/tier.h"

#if VGG_LANES == 4 && defined(__SSE2__)
#include <emmintrin.h>
#endif

#define WORD_CHANNELS 4
typedef uint32_t word;
typedef vf_words operand;
typedef int32_t sum_vector __attribute__((vector_size(VGG_LANES * 4)));

/* Whether the tier's instruction takes unsigned bytes of the input, as its table says by
 * int8_offset: whatever else the compiler may use. */
#if defined(VGG_INT8_UNSIGNED)
#define UNSIGNED_INPUT 1
#else
#define UNSIGNED_INPUT 0
#endif

VGG_INLINE operand operand_load(const word *from) {
    operand value;
    memcpy(&value, from, sizeof value);
    return value;
}

VGG_INLINE operand operand_splat(word value) {
    return value - (operand){0};
}

/* Without such an instruction: no sum of two products of bytes leaves 16 bits where each is
 * 127 x 127 at most, so that vpmaddubsw, which takes a magnitude and a signed byte, never saturates
 * here. With SSE2, the even and the odd bytes are multiplied as 16 bits. */
VGG_INLINE sum_vector multiply_add(sum_vector sum, operand a, operand b) {
#if defined(VGG_INT8_UNSIGNED)
    return (sum_vector)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif VGG_LANES == 16
    __m512i low = _mm512_madd_epi16(_mm512_srai_epi16(_mm512_slli_epi16((__m512i)a, 8), 8),
                                    _mm512_srai_epi16(_mm512_slli_epi16((__m512i)b, 8), 8));
    __m512i high =
        _mm512_madd_epi16(_mm512_srai_epi16((__m512i)a, 8), _mm512_srai_epi16((__m512i)b, 8));
    return sum + (sum_vector)low + (sum_vector)high;
#elif VGG_LANES == 8
    __m256i magnitude = _mm256_abs_epi8((__m256i)b);
    __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8((__m256i)a, (__m256i)b));
    return sum + (sum_vector)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#elif defined(__SSE2__)
    __m128i low = _mm_madd_epi16(_mm_srai_epi16(_mm_slli_epi16((__m128i)a, 8), 8),
                                 _mm_srai_epi16(_mm_slli_epi16((__m128i)b, 8), 8));
    __m128i high = _mm_madd_epi16(_mm_srai_epi16((__m128i)a, 8), _mm_srai_epi16((__m128i)b, 8));
    return sum + (sum_vector)low + (sum_vector)high;
#else
    for (int byte = 0; byte < 4; byte++) {
        sum +=
            ((sum_vector)(a << (24 - 8 * byte)) >> 24) * ((sum_vector)(b << (24 - 8 * byte)) >> 24);
    }
    return sum;
#endif
}

/* What the sums of as many outputs begin with: minus what the offset of the input adds. */
VGG_INLINE sum_vector sum_begin(const word *begins) {
    sum_vector value;
    memcpy(&value, begins, sizeof value);
    return value;
}

/* Times what a number is worth, of as many outputs. */
VGG_INLINE vf sum_end(sum_vector value, const word *scales) {
    vf factors;
    memcpy(&factors, scales, sizeof factors);
    return __builtin_convertvector(value, vf) * factors;
}

/* Rounds a vector of channels to whole numbers, to nearest even, and stores them as bytes. What is
 * beyond 127 becomes 127, and NaN 0. */
VGG_INLINE void put_channels(word *to, vf value, const float *factors, int point) {
    typedef int8_t bytes __attribute__((vector_size(VGG_LANES)));
    vf scaled = value * factors[point];
#if VGG_LANES == 16
    __mmask16 ordered = _mm512_cmp_ps_mask((__m512)scaled, (__m512)scaled, _CMP_ORD_Q);
    /* The smaller magnitude of both, with the sign of the first. */
    __m512 most = _mm512_range_ps((__m512)scaled, _mm512_set1_ps(VGG_INT8_MOST), 2);
    bytes numbers = (bytes)_mm512_cvtepi32_epi8(_mm512_maskz_cvtps_epi32(ordered, most));
#elif VGG_LANES == 8
    __m256 ordered = _mm256_cmp_ps((__m256)scaled, (__m256)scaled, _CMP_ORD_Q);
    __m256 most = _mm256_min_ps((__m256)scaled, _mm256_set1_ps(VGG_INT8_MOST));
    most = _mm256_and_ps(_mm256_max_ps(most, _mm256_set1_ps(-VGG_INT8_MOST)), ordered);
    __m256i wide = _mm256_cvtps_epi32(most);
    __m128i halves =
        _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    int64_t packed = _mm_cvtsi128_si64(_mm_packs_epi16(halves, halves));
    bytes numbers;
    memcpy(&numbers, &packed, sizeof numbers);
#elif defined(__SSE2__)
    __m128 ordered = _mm_cmpord_ps((__m128)scaled, (__m128)scaled);
    __m128 most = _mm_min_ps((__m128)scaled, _mm_set1_ps(VGG_INT8_MOST));
    __m128i wide =
        _mm_cvtps_epi32(_mm_and_ps(_mm_max_ps(most, _mm_set1_ps(-VGG_INT8_MOST)), ordered));
    __m128i halves = _mm_packs_epi32(wide, wide);
    int packed = _mm_cvtsi128_si32(_mm_packs_epi16(halves, halves));
    bytes numbers;
    memcpy(&numbers, &packed, sizeof numbers);
#else
    bytes numbers;
    for (int i = 0; i < VGG_LANES; i++) {
        float most = scaled[i] < VGG_INT8_MOST ? scaled[i] : VGG_INT8_MOST;
        most = most > -VGG_INT8_MOST ? most : -VGG_INT8_MOST;
        numbers[i] = (int8_t)(scaled[i] == scaled[i] ? __builtin_rintf(most) : 0);
    }
#endif
#if UNSIGNED_INPUT
    numbers ^= (int8_t)-128;
#endif
    memcpy(to, &numbers, sizeof numbers);
}

#endif
