/* Max-pooling in registers: which of a 2x2 window was taken, and back. Included per tier. */
#ifndef VGG_KERNELS_CHOICE_H
#define VGG_KERNELS_CHOICE_H

#include "kernels/tier.h"

VGG_INLINE vf_bits vf_either_bits(vf_bits second, vf_bits a, vf_bits b) {
    return (vf_bits)((b & second) | (a & ~second));
}

/* The bits of vector `part` of a block, to and from where the block's 16 are kept. */
VGG_INLINE void store_bits(vf_bits bits, int part, uint16_t *to) {
#if VGG_LANES == 16
    (void)part;
    *to = bits;
#elif VGG_LANES == 8
    unsigned found = (unsigned)_mm256_movemask_ps((__m256)bits) << 8 * part;
    *to = (uint16_t)(part == 0 ? found : *to | found);
#else
    unsigned found = 0;
    for (int i = 0; i < VGG_LANES; i++) {
        found |= ((unsigned)bits[i] & 1) << (VGG_LANES * part + i);
    }
    *to = (uint16_t)(part == 0 ? found : *to | found);
#endif
}

VGG_INLINE vf_bits load_bits(uint16_t from, int part) {
#if VGG_LANES == 16
    (void)part;
    return from;
#else
#if VGG_LANES == 8
    const vf_truth lane = {1, 2, 4, 8, 16, 32, 64, 128};
#else
    const vf_truth lane = {1, 2, 4, 8};
#endif
    return (((int32_t)(from >> VGG_LANES * part) - (vf_truth){0}) & lane) != 0;
#endif
}

/* The greatest of a window's values a b / c d, and where it was: for vector `part` of a block, of
 * which part 0 comes first. */
VGG_INLINE vf choose(vf a, vf b, vf c, vf d, int part, vgg_choice *to) {
    vf_bits top = vf_takes_over(b, a), bottom = vf_takes_over(d, c);
    vf upper = vf_either(top, a, b), lower = vf_either(bottom, c, d);
    vf_bits rows = vf_takes_over(lower, upper);
    store_bits(vf_either_bits(rows, top, bottom), part, &to->columns);
    store_bits(rows, part, &to->rows);
    return vf_either(rows, upper, lower);
}

/* A row of windows; chosen: which of the four was taken, or NULL. */
VGG_INLINE void pool_row(const float *top, const float *bottom, size_t width, float *y,
                         vgg_choice *chosen) {
    for (size_t column = 0; column < width; column++) {
        for (int v = 0; v < BLOCK_VECTORS; v++) {
            const float *a = top + 2 * column * VGG_BLOCK + v * VGG_LANES;
            const float *c = bottom + 2 * column * VGG_BLOCK + v * VGG_LANES;
            vgg_choice unused;
            vf best = choose(vf_load(a), vf_load(a + VGG_BLOCK), vf_load(c), vf_load(c + VGG_BLOCK),
                             v, chosen == NULL ? &unused : &chosen[column]);
            vf_store(y + column * VGG_BLOCK + v * VGG_LANES, best);
        }
    }
}

/* dy where the window's value in a row and column was taken, and 0 elsewhere. */
VGG_INLINE vf unpool(vf dy, const vgg_choice *from, int part, int row, int column) {
    uint16_t columns = column ? from->columns : (uint16_t)~from->columns;
    uint16_t rows = row ? from->rows : (uint16_t)~from->rows;
    vf_bits taken = load_bits(columns & rows, part);
#if VGG_LANES == 16
    return (vf)_mm512_maskz_mov_ps(taken, (__m512)dy);
#else
    return (vf)((vf_truth)dy & taken);
#endif
}

#endif
