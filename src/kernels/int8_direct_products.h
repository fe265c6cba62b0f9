/* The products of the convolution with int8 and tiles of 1: [places][channels] by [channels][32
 * output channels] for each tap, from registers. Numbers of the input are unsigned bytes, those of
 * filters signed. */
#ifndef VGG_KERNELS_INT8_DIRECT_PRODUCTS_H
#define VGG_KERNELS_INT8_DIRECT_PRODUCTS_H

#include "kernels/direct_parts.h"
#include "kernels/int8_words.h"

#if defined(VGG_INT8_AMX)

#include "kernels/amx.h"

#define AMX_PRODUCT AMX_UNSIGNED_INT8
/* Chunks of 64 input channels whose filters stay in the first-level cache while all places of a
 * strip are multiplied with them. */
#define CHUNKS_AT_ONCE 2
#include "kernels/amx_direct.h"

#define MULTIPLY_BEGIN amx_begin()
#define MULTIPLY_END amx_end()
#define MULTIPLY_BARRIER amx_barrier()

#else

#define STEP 32
#define MULTIPLY_BEGIN ((void)0)
#define MULTIPLY_END ((void)0)
#define MULTIPLY_BARRIER ((void)0)

/* A register tile of the products: vectors of output channels times places. */
#define TILE_VECTORS 2
#if VGG_LANES == 16
#define TILE_PLACES 12
#else
#define TILE_PLACES 4
#endif

#define PIECE_WORDS 256 /* of a block's filters for a chunk and tap */
#define CHUNK_WORDS (VGG_INT8_CHUNK / WORD_CHANNELS)

/* sum += a * b of unsigned and signed bytes. Without an instruction for them, even and odd bytes
 * are multiplied as 16 bits. */
VGG_INLINE sum_vector multiply_bytes(sum_vector sum, operand a, operand b) {
#if defined(VGG_INT8_UNSIGNED)
    return (sum_vector)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#else
    typedef int16_t halves __attribute__((vector_size(VGG_LANES * 4)));
    operand even = a & 0x00ff00ffu, odd = a >> 8 & 0x00ff00ffu;
    halves low = (halves)((halves)b << 8) >> 8, high = (halves)b >> 8;
#if VGG_LANES == 16
    sum += (sum_vector)_mm512_madd_epi16((__m512i)even, (__m512i)low);
    return sum + (sum_vector)_mm512_madd_epi16((__m512i)odd, (__m512i)high);
#elif VGG_LANES == 8
    sum += (sum_vector)_mm256_madd_epi16((__m256i)even, (__m256i)low);
    return sum + (sum_vector)_mm256_madd_epi16((__m256i)odd, (__m256i)high);
#elif defined(__SSE2__)
    sum += (sum_vector)_mm_madd_epi16((__m128i)even, (__m128i)low);
    return sum + (sum_vector)_mm_madd_epi16((__m128i)odd, (__m128i)high);
#else
    for (int half = 0; half < 2; half++) {
        sum += (sum_vector)(even >> 16 * half & 0xffffu) *
               (((sum_vector)low << (16 - 16 * half)) >> 16);
        sum += (sum_vector)(odd >> 16 * half & 0xffffu) *
               (((sum_vector)high << (16 - 16 * half)) >> 16);
    }
    return sum;
#endif
#endif
}

/* Where output channel k of a group lies in the filters of a chunk and tap. */
VGG_INLINE size_t filter_at(size_t k) {
    return k / VGG_BLOCK * PIECE_WORDS + k % VGG_BLOCK;
}

/* One word's share of multiply_tile. */
VGG_INLINE void multiply_word(int places, const char *x, const word *w, size_t k,
                              sum_vector sums[TILE_PLACES][TILE_VECTORS]) {
    operand filter[TILE_VECTORS];
    VGG_UNROLL
    for (int v = 0; v < TILE_VECTORS; v++) {
        filter[v] = operand_load(w + filter_at(k + (size_t)v * VGG_LANES));
    }
    VGG_UNROLL
    for (int p = 0; p < places; p++) {
        word four;
        memcpy(&four, x + p * PLACE_BYTES, sizeof four);
        operand value = operand_splat(four);
        VGG_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++) {
            sums[p][v] = multiply_bytes(sums[p][v], value, filter[v]);
        }
    }
}

/* Sums of some places and output channels from k on, over all input channels and taps. */
VGG_INLINE void multiply_tile(int places, const distances *d, const char *x, const word *w,
                              size_t k, char *to) {
    sum_vector sums[TILE_PLACES][TILE_VECTORS];
    VGG_UNROLL
    for (int p = 0; p < places; p++) {
        VGG_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++) {
            sums[p][v] = (sum_vector){0};
        }
    }
    for (size_t chunk = 0; chunk < d->chunks; chunk++, x += d->plane) {
        size_t words = vgg_size_min(CHUNK_WORDS, d->words - chunk * CHUNK_WORDS);
        for (size_t tap = 0; tap < d->taps; tap++, w += BLOCKS * PIECE_WORDS) {
            for (size_t c = 0; c < words; c++) {
                multiply_word(places, x + d->away[tap] + c * WORD_CHANNELS, w + c * VGG_BLOCK, k,
                              sums);
            }
        }
    }
    VGG_UNROLL
    for (int p = 0; p < places; p++) {
        VGG_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++) {
            size_t channel = k + (size_t)v * VGG_LANES;
            memcpy(to + channel / VGG_BLOCK * d->sums + p * PLACE_BYTES +
                       channel % VGG_BLOCK * sizeof(int32_t),
                   &sums[p][v], sizeof sums[p][v]);
        }
    }
}

/* The same for any number of places up to TILE_PLACES. */
VGG_INLINE void multiply_some(size_t places, const distances *d, const char *x, const word *w,
                              size_t k, char *to) {
#define PLACES(n)                                                                                  \
    case n:                                                                                        \
        multiply_tile(n, d, x, w, k, to);                                                          \
        break;
    switch (places) {
        PLACES(1)
        PLACES(2)
        PLACES(3)
        PLACES(4)
#if TILE_PLACES >= 12
        PLACES(5)
        PLACES(6)
        PLACES(7)
        PLACES(8)
        PLACES(9)
        PLACES(10)
        PLACES(11)
        PLACES(12)
#endif
    }
#undef PLACES
}

/* The products of `places` from x on with the filters w of a group, of which `single` has one block
 * alone. */
static void multiply_strip(const distances *d, const char *w, const char *x, size_t places,
                           bool single, char *sums) {
    size_t pieces = (places + TILE_PLACES - 1) / TILE_PLACES;
    size_t channels =
        single && TILE_VECTORS * VGG_LANES <= VGG_BLOCK ? VGG_BLOCK : VGG_WINOGRAD_GROUP;
    for (size_t piece = 0; piece < pieces; piece++) {
        size_t begin = places * piece / pieces, end = places * (piece + 1) / pieces;
        for (size_t k = 0; k < channels; k += TILE_VECTORS * VGG_LANES) {
            multiply_some(end - begin, d, x + begin * PLACE_BYTES, (const word *)(const void *)w, k,
                          sums + begin * PLACE_BYTES);
        }
    }
}

#endif
#endif
