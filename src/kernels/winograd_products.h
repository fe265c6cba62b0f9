/* The products of Winograd's convolutions at one of their points: small matrix products over the
 * channels, each of [tiles][channels] by [channels][32 output channels], which run from registers.
 */
#ifndef VGG_KERNELS_WINOGRAD_PRODUCTS_H
#define VGG_KERNELS_WINOGRAD_PRODUCTS_H

#include "kernels/winograd_words.h"

#if defined(VGG_INT8_AMX)
#include "kernels/amx_products.h"
#elif defined(VGG_BF16_AMX)
#include "kernels/amx_bf16_products.h"
#else

/* A register tile of the products: vectors of output channels times tiles. */
#define TILE_VECTORS 2
#if VGG_LANES == 16
#define TILE_TILES 14
#else
#define TILE_TILES 6
#endif

/* Words of a line of cache. */
#define LINE_WORDS 16
/* Words from the filters that are multiplied to those that are fetched. */
#define FILTERS_AHEAD 4096

/* One word's share of multiply_tile. */
VGG_INLINE void multiply_word(int tiles, const word *v, size_t row, const word *u,
                              sum_vector sums[TILE_TILES][TILE_VECTORS]) {
    operand filter[TILE_VECTORS];
    VGG_UNROLL
    for (int k = 0; k < TILE_VECTORS; k++) {
        filter[k] = operand_load(u + k * VGG_LANES);
    }
    VGG_UNROLL
    for (int t = 0; t < tiles; t++) {
        operand value = operand_splat(v[(size_t)t * row]);
        VGG_UNROLL
        for (int k = 0; k < TILE_VECTORS; k++) {
            sums[t][k] = multiply_add(sums[t][k], value, filter[k]);
        }
    }
}

/* m[tile][32] = sum over c of v[tile][c] u[c][32], for some tiles and two vectors; or, when `add`,
 * that sum is added to m. `words` of channels. When `ahead`, filters behind these are fetched.
 * Behind the filters of int8 is what their sums begin with, and then what they are times. */
VGG_INLINE void multiply_tile(int tiles, const word *v, size_t row, const word *u, size_t words,
                              bool add, bool ahead, float *m) {
    const word *begins = u + words * GROUP, *scales = begins + GROUP;
    sum_vector sums[TILE_TILES][TILE_VECTORS];
    VGG_UNROLL
    for (int t = 0; t < tiles; t++) {
        VGG_UNROLL
        for (int k = 0; k < TILE_VECTORS; k++) {
            sums[t][k] = sum_begin(begins + k * VGG_LANES);
        }
    }
    for (size_t begin = 0; begin < words; begin += LINE_WORDS) {
        /* The rows of the next piece, whose many streams the processor does not foresee. */
        VGG_UNROLL
        for (int t = 0; t < tiles; t++) {
            __builtin_prefetch(v + (size_t)(tiles + t) * row + begin);
        }
        size_t end = vgg_size_min(begin + LINE_WORDS, words);
        for (size_t c = begin; c < end; c++) {
            const char *next = (const char *)(u + c * GROUP + FILTERS_AHEAD);
            for (size_t line = 0; ahead && line < TILE_VECTORS * VGG_LANES; line += LINE_WORDS) {
                vf_fetch(next + line * sizeof *u);
            }
            multiply_word(tiles, v + c, row, u + c * GROUP, sums);
        }
    }
    VGG_UNROLL
    for (int t = 0; t < tiles; t++) {
        VGG_UNROLL
        for (int k = 0; k < TILE_VECTORS; k++) {
            float *to = m + t * GROUP + k * VGG_LANES;
            vf value = sum_end(sums[t][k], scales + k * VGG_LANES);
            vf_store(to, add ? vf_load(to) + value : value);
        }
    }
}

/* The same for any number of tiles up to TILE_TILES. */
VGG_INLINE void multiply_some(size_t tiles, const word *v, size_t row, const word *u, size_t words,
                              bool add, bool ahead, float *m) {
#define TILES(n)                                                                                   \
    case n:                                                                                        \
        multiply_tile(n, v, row, u, words, add, ahead, m);                                         \
        break;
    switch (tiles) {
        TILES(1)
        TILES(2)
        TILES(3)
        TILES(4)
        TILES(5)
        TILES(6)
#if TILE_TILES >= 14
        TILES(7)
        TILES(8)
        TILES(9)
        TILES(10)
        TILES(11)
        TILES(12)
        TILES(13)
        TILES(14)
#endif
    }
#undef TILES
}

/* The matrix product of a point: all tiles of a unit, some input channels, all 32 output channels.
 */
VGG_INLINE void multiply_point(size_t tiles, const word *v, size_t row, const word *u,
                               size_t channels, bool add, bool ahead, float *m) {
    size_t words = (channels + WORD_CHANNELS - 1) / WORD_CHANNELS;
    size_t pieces = (tiles + TILE_TILES - 1) / TILE_TILES;
    for (size_t piece = 0; piece < pieces; piece++) {
        size_t begin = tiles * piece / pieces, end = tiles * (piece + 1) / pieces;
        for (size_t k = 0; k < GROUP; k += TILE_VECTORS * VGG_LANES) {
            multiply_some(end - begin, v + begin * row, row, u + k, words, add, ahead,
                          m + begin * GROUP + k);
        }
    }
}

static void multiply(size_t tiles, const word *v, size_t row, const word *u, size_t channels,
                     bool add, float *m) {
    multiply_point(tiles, v, row, u, channels, add, false, m);
}

/* Around the calls of multiply, for so many channels. */
VGG_INLINE void multiply_begin(size_t channels) {
    (void)channels;
}

VGG_INLINE void multiply_end(void) {}

#endif
#endif
