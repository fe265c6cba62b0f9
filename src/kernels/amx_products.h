/* The products of Winograd's convolutions with int8 by AMX: as in winograd_products.h, and the same
 * sums, which are exact. */
#ifndef VGG_KERNELS_AMX_PRODUCTS_H
#define VGG_KERNELS_AMX_PRODUCTS_H

#include "kernels/amx.h"
#include "kernels/winograd_words.h"

#define STEP (2 * AMX_ROWS)       /* tiles that are multiplied together */
#define CHUNK (AMX_ROW_BYTES / 4) /* words of a register's row */
#define HALF (GROUP / 2)          /* output channels of a register */

/* Registers 4 and 5 hold whole chunks of the input and the filters, 6 and 7 what is left of the
 * channels. */
VGG_INLINE void multiply_begin(size_t channels) {
    size_t rest = (channels + WORD_CHANNELS - 1) / WORD_CHANNELS % CHUNK;
    amx_config config = amx_full();
    if (rest > 0) {
        config.row_bytes[6] = (uint16_t)(4 * rest);
        config.rows[7] = (uint8_t)rest;
    }
    amx_configure(&config);
}

VGG_INLINE void multiply_end(void) {
    amx_end();
}

/* sums[32][32] += a chunk's products, in registers a and b; v: 32 tiles, u: words of 32 channels.
 */
#define MULTIPLY_CHUNK(a, b)                                                                       \
    AMX_LOAD(a, v, 4 * row);                                                                       \
    AMX_LOAD(b, u, 4 * GROUP);                                                                     \
    AMX_UNSIGNED_INT8(0, a, b);                                                                    \
    AMX_LOAD(b, u + HALF, 4 * GROUP);                                                              \
    AMX_UNSIGNED_INT8(1, a, b);                                                                    \
    AMX_LOAD(a, v + AMX_ROWS * row, 4 * row);                                                      \
    AMX_UNSIGNED_INT8(3, a, b);                                                                    \
    AMX_LOAD(b, u, 4 * GROUP);                                                                     \
    AMX_UNSIGNED_INT8(2, a, b)

static void multiply_32(const word *v, size_t row, const word *u, size_t words,
                        int32_t sums[STEP][GROUP]) {
    AMX_ZERO(0);
    AMX_ZERO(1);
    AMX_ZERO(2);
    AMX_ZERO(3);
    for (; words >= CHUNK; words -= CHUNK, v += CHUNK, u += CHUNK * GROUP) {
        MULTIPLY_CHUNK(4, 5);
    }
    if (words > 0) {
        MULTIPLY_CHUNK(6, 7);
    }
    AMX_STORE(0, sums, 4 * GROUP);
    AMX_STORE(1, &sums[0][HALF], 4 * GROUP);
    AMX_STORE(2, sums[AMX_ROWS], 4 * GROUP);
    AMX_STORE(3, &sums[AMX_ROWS][HALF], 4 * GROUP);
}

/* m[tile][32] of some tiles. */
static void store_sums(size_t tiles, int32_t sums[STEP][GROUP], const word *begins, float *m) {
    const word *scales = begins + GROUP;
    for (size_t k = 0; k < GROUP; k += VGG_LANES) {
        sum_vector begin = sum_begin(begins + k);
        for (size_t t = 0; t < tiles; t++) {
            sum_vector sum;
            memcpy(&sum, &sums[t][k], sizeof sum);
            vf_store(m + t * GROUP + k, sum_end(sum + begin, scales + k));
        }
    }
}

/* Of tiles that are no multiple of 32, the products of the memory behind are made, too, and left
 * out: it is the next point's, or that of the products. */
static void multiply(size_t tiles, const word *v, size_t row, const word *u, size_t channels,
                     bool add, float *m) {
    (void)add;
    size_t words = (channels + WORD_CHANNELS - 1) / WORD_CHANNELS;
    _Alignas(64) int32_t sums[STEP][GROUP];
    for (size_t t = 0; t < tiles; t += STEP) {
        amx_barrier();
        multiply_32(v + t * row, row, u, words, sums);
        store_sums(vgg_size_min(STEP, tiles - t), sums, u + words * GROUP, m + t * GROUP);
    }
}

#endif
