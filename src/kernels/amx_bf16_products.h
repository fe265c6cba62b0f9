/* The products of Winograd's convolutions with bfloat16 by AMX: as in winograd_products.h, but
 * chunk by chunk of 32 channels, each of which is added as tdpbf16ps adds it. Beyond the channels
 * the input's last chunk is zero, as the filters' is. */
#ifndef VGG_KERNELS_AMX_BF16_PRODUCTS_H
#define VGG_KERNELS_AMX_BF16_PRODUCTS_H

#include "kernels/amx.h"
#include "kernels/winograd_words.h"

#define STEP (2 * AMX_ROWS)       /* tiles that are multiplied together */
#define CHUNK (AMX_ROW_BYTES / 4) /* words of a register's row */
#define HALF (GROUP / 2)          /* output channels of a register */
#define LINE_WORDS 16             /* of a line of cache */
/* Words from the filters that are multiplied to those that are fetched: eight chunks. */
#define FILTERS_AHEAD (8 * CHUNK * GROUP)

/* Fetches a chunk of tiles. */
VGG_INLINE void fetch_next(const word *v, size_t row, bool wide) {
    VGG_UNROLL
    for (size_t t = 0; t < AMX_ROWS; t++) {
        __builtin_prefetch(v + t * row);
        if (wide)
            __builtin_prefetch(v + (AMX_ROWS + t) * row);
    }
}

/* Fetches a chunk of filters. */
VGG_INLINE void fetch_filters(const word *u) {
    VGG_UNROLL
    for (size_t at = 0; at < CHUNK * GROUP; at += LINE_WORDS) {
        vf_fetch(u + at);
    }
}

/* m[32 tiles, or 16 unless wide][32] = v u of some chunks. All of a chunk is loaded before it is
 * multiplied, which is faster than as it is needed, and the next tiles are fetched, and, when
 * `ahead`, filters behind these. */
VGG_INLINE void multiply_step(const word *v, size_t row, const word *u, size_t words, bool wide,
                              bool ahead, float *m) {
    AMX_ZERO(0);
    AMX_ZERO(1);
    AMX_ZERO(2);
    AMX_ZERO(3);
    for (size_t c = 0; c < words; c += CHUNK, v += CHUNK, u += CHUNK * GROUP) {
        AMX_LOAD(4, v, 4 * row);
        if (wide)
            AMX_LOAD(5, v + AMX_ROWS * row, 4 * row);
        AMX_LOAD(6, u, 4 * GROUP);
        AMX_LOAD(7, u + HALF, 4 * GROUP);
        fetch_next(v + STEP * row, row, wide);
        if (ahead)
            fetch_filters(u + FILTERS_AHEAD);
        AMX_BF16(0, 4, 6);
        AMX_BF16(1, 4, 7);
        if (wide) {
            AMX_BF16(2, 5, 6);
            AMX_BF16(3, 5, 7);
        }
    }
    AMX_STORE(0, m, 4 * GROUP);
    AMX_STORE(1, m + HALF, 4 * GROUP);
    if (wide) {
        AMX_STORE(2, m + AMX_ROWS * GROUP, 4 * GROUP);
        AMX_STORE(3, m + AMX_ROWS * GROUP + HALF, 4 * GROUP);
    }
}

/* Around the calls of multiply, for so many channels. */
VGG_INLINE void multiply_begin(size_t channels) {
    (void)channels;
    amx_begin();
}

VGG_INLINE void multiply_end(void) {
    amx_end();
}

/* All channels at once, since filters of bfloat16 are stored: nothing is added to m. Of tiles that
 * are no multiple of 16, the products of the memory behind are made, too, and left out: it is the
 * next point's, or that of the products. When `ahead`, the first tiles fetch filters for all. */
VGG_INLINE void multiply_point(size_t tiles, const word *v, size_t row, const word *u,
                               size_t channels, bool add, bool ahead, float *m) {
    (void)add;
    size_t words = vgg_round_up((channels + WORD_CHANNELS - 1) / WORD_CHANNELS, CHUNK), t = 0;
    amx_barrier();
    if (ahead && STEP <= tiles) {
        multiply_step(v, row, u, words, true, true, m);
        t = STEP;
    }
    for (; t + STEP <= tiles; t += STEP) {
        multiply_step(v + t * row, row, u, words, true, false, m + t * GROUP);
    }
    if (t == tiles)
        return;
    _Alignas(64) float sums[STEP * GROUP];
    if (tiles - t > AMX_ROWS)
        multiply_step(v + t * row, row, u, words, true, ahead && t == 0, sums);
    else
        multiply_step(v + t * row, row, u, words, false, ahead && t == 0, sums);
    amx_barrier();
    memcpy(m + t * GROUP, sums, (tiles - t) * GROUP * sizeof *m);
}

static void multiply(size_t tiles, const word *v, size_t row, const word *u, size_t channels,
                     bool add, float *m) {
    multiply_point(tiles, v, row, u, channels, add, false, m);
}

#endif
