/* The numbers that the products of Winograd's convolutions are made of, in words of 32 bits.
 *
 * Normally a word is a float. With VGG_BF16 it is two neighbours rounded to bfloat16, the even one
 * in its low half, and their two products are added to a sum as `vdpbf16ps` adds them: the odd
 * one's first, then the even one's, each rounded to nearest even as a fused multiply-add would, and
 * denormals counted as zero. Neighbours are input channels, or, for the gradient of weights, tiles:
 * what the sum runs over. A product of two such numbers has 16 bits and
 * is a float exactly, so that a multiplication and an addition give the same bits: every tier has
 * the same sums, but where VGG_BF16_AMX multiplies matrices (amx_bf16_products.h).
 *
 * With VGG_INT8 it is four neighbouring channels as whole numbers from -127 to 127, the first one
 * in its lowest byte, and sums are of 32 bits, which are exact. Where the processor multiplies
 * unsigned by signed bytes, 128 is added to those of the input: int8_offset of the table, for which
 * the sums do not start at 0. What numbers become rounded is float again when they leave the sums.
 */
#ifndef VGG_KERNELS_WINOGRAD_WORDS_H
#define VGG_KERNELS_WINOGRAD_WORDS_H

#include "kernels/tier.h"

#if defined(VGG_INT8)

#include "kernels/int8_words.h"

#elif defined(VGG_BF16)

#define WORD_CHANNELS 2
#define WORD_TILES 2
typedef uint32_t word;
typedef vf_words operand;
typedef vf sum_vector;

VGG_INLINE operand operand_load(const word *from) {
    operand value;
    memcpy(&value, from, sizeof value);
    return value;
}

VGG_INLINE operand operand_splat(word value) {
    return value - (operand){0};
}

VGG_INLINE vf multiply_add(vf sum, operand a, operand b) {
#if defined(__AVX512BF16__)
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    const word odd = 0xffff0000u;
    sum += (vf)(a & odd) * (vf)(b & odd);
    sum += (vf)(a << 16) * (vf)(b << 16);
    return sum;
#endif
}

/* Two vectors in a vector of words, the even numbers in the low halves. */
VGG_INLINE operand operand_of(vf even, vf odd) {
#if defined(__AVX512BF16__)
    const __m512i places =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
    return (operand)_mm512_permutexvar_epi16(places, both);
#else
    return vf_bf16(even) >> 16 | vf_bf16(odd);
#endif
}

VGG_INLINE void operand_store(word *to, operand value) {
    memcpy(to, &value, sizeof value);
}

/* Stores a vector of channels, half as many words. */
VGG_INLINE void put_channels(word *to, vf value, const float *factors, int point) {
    (void)factors;
    (void)point;
    vf_bf16_store(to, value);
}

/* Stores a vector of words from one of each tile. */
VGG_INLINE void put_tiles(word *to, const vf values[WORD_TILES]) {
    operand_store(to, operand_of(values[0], values[1]));
}

#else

#define WORD_CHANNELS 1
#define WORD_TILES 1
typedef float word;
typedef vf operand;
typedef vf sum_vector;

VGG_INLINE operand operand_load(const word *from) {
    return vf_load(from);
}

VGG_INLINE operand operand_splat(word value) {
    return vf_splat(value);
}

VGG_INLINE vf multiply_add(vf sum, operand a, operand b) {
    return sum + a * b;
}

VGG_INLINE void put_channels(word *to, vf value, const float *factors, int point) {
    (void)factors;
    (void)point;
    vf_store(to, value);
}

VGG_INLINE void put_tiles(word *to, const vf values[WORD_TILES]) {
    vf_store(to, values[0]);
}

#endif

#define GROUP VGG_WINOGRAD_GROUP
#define GROUP_VECTORS (GROUP / VGG_LANES)

#if !defined(VGG_INT8)

VGG_INLINE sum_vector sum_begin(const word *begins) {
    (void)begins;
    return (sum_vector){0};
}

VGG_INLINE vf sum_end(sum_vector value, const word *scales) {
    (void)scales;
    return value;
}

#endif

#define VECTOR_WORDS (VGG_LANES / WORD_CHANNELS)
#define BLOCK_WORDS (VGG_BLOCK / WORD_CHANNELS)

#endif
