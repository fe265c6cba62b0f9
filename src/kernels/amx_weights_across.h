/* The operands and products of the gradient of weights by AMX for small maps of many images: as in
 * amx_across.c, the 32 places of a register are one place of the maps of 32 images, and taps that
 * see no map are left out. Of the input there is one copy. */
#ifndef VGG_KERNELS_AMX_WEIGHTS_ACROSS_H
#define VGG_KERNELS_AMX_WEIGHTS_ACROSS_H

#include "kernels/amx_across.h"
#include "kernels/amx_places.h"

#define ACROSS_STEP (2 * AMX_ROWS) /* images of a register */

/* A place of a row of a map, or zero beyond it. */
VGG_INLINE __m256i number_or_zero(const map_row *row, bool spread, size_t place) {
    return place < row->places ? map_number(row, spread, place) : _mm256_setzero_si256();
}

/* Row y of a block of image n of a part, or none. */
VGG_INLINE map_row image_row(const batch_maps *maps, const batch_part *part, size_t n,
                             size_t blocks, size_t block, size_t y) {
    if (n >= part->images)
        return (map_row){0};
    return map_row_at(maps, (part->image + n) * blocks + block, y);
}

/* A block of input channels, [steps][places][16 pairs of images][16][2]. */
static void fill_input_across(const vgg_winograd_weights_task *task, const batch_part *part,
                              size_t block, float *to) {
    const vgg_conv_shape *shape = &task->shape;
    size_t width = vgg_conv_in_width(shape), height = vgg_conv_in_height(shape);
    size_t blocks = vgg_blocks(shape->inputs);
    batch_maps maps = {task->x, task->x_bf16, NULL, height, width};
    for (size_t n = 0; n < vgg_round_up(part->images, ACROSS_STEP); n += 2) {
        size_t step = n / ACROSS_STEP, pair = n % ACROSS_STEP / 2;
        char *at = (char *)to + step * height * width * AMX_BYTES + pair * AMX_ROW_BYTES;
        for (size_t y = 0; y < height; y++) {
            map_row even = image_row(&maps, part, n, blocks, block, y);
            map_row odd = image_row(&maps, part, n + 1, blocks, block, y);
            for (size_t x = 0; x < width; x++, at += AMX_BYTES) {
                _mm512_store_si512(at, paired_numbers(number_or_zero(&even, false, x),
                                                      number_or_zero(&odd, false, x)));
            }
        }
    }
}

/* The registers of a row of 32 images; returns the sum. */
VGG_INLINE vf put_images(const map_row rows[ACROSS_STEP], bool spread, size_t width, char *to) {
    vf sum = {0};
    for (size_t x = 0; x < width; x++, to += AMX_BYTES) {
        vf pairs[AMX_ROWS];
        for (size_t n = 0; n < ACROSS_STEP && x < rows[n].places; n++) {
            sum += map_value(&rows[n], spread, x);
        }
        VGG_UNROLL
        for (size_t pair = 0; pair < AMX_ROWS; pair++) {
            pairs[pair] = (vf)paired_numbers(number_or_zero(&rows[2 * pair], spread, x),
                                             number_or_zero(&rows[2 * pair + 1], spread, x));
        }
        vf_transpose(pairs);
        memcpy(to, pairs, sizeof pairs);
    }
    return sum;
}

/* A block of output channels, [steps][places][16][32 images]. Adds its values to bias. */
static void fill_gradient_across(const vgg_winograd_weights_task *task, const batch_part *part,
                                 size_t block, float *registers, float *bias) {
    const vgg_conv_shape *shape = &task->shape;
    size_t blocks = vgg_blocks(shape->outputs);
    batch_maps maps = {task->dy, task->dy_bf16, task->spread, shape->height, shape->width};
    char *to = (char *)registers;
    for (size_t first = 0; first < part->images; first += ACROSS_STEP) {
        for (size_t y = 0; y < shape->height; y++, to += shape->width * AMX_BYTES) {
            map_row rows[ACROSS_STEP];
            for (size_t n = 0; n < ACROSS_STEP; n++) {
                rows[n] = image_row(&maps, part, first + n, blocks, block, y);
            }
            vf sum = task->spread != NULL ? put_images(rows, true, shape->width, to)
                                          : put_images(rows, false, shape->width, to);
            vf_store(bias, vf_load(bias) + sum);
        }
    }
}

/* Where each tap of a place of the output sees the map, in bytes; SIZE_MAX: nowhere. */
typedef struct across_taps {
    size_t at[VGG_ACROSS_PIXELS][VGG_MOST_TAPS];
} across_taps;

static void find_taps(const vgg_conv_shape *shape, across_taps *taps) {
    size_t border = vgg_conv_border(shape), width = vgg_conv_in_width(shape);
    for (size_t place = 0; place < shape->height * shape->width; place++) {
        for (size_t tap = 0; tap < VGG_MOST_TAPS; tap++) {
            size_t y = place / shape->width + tap / shape->kernel - border;
            size_t x = place % shape->width + tap % shape->kernel - border;
            bool seen = y < vgg_conv_in_height(shape) && x < width; /* or it wrapped around */
            taps->at[place][tap] = seen ? (y * width + x) * AMX_BYTES : SIZE_MAX;
        }
    }
}

#define ACROSS_TAP(tap, pairs)                                                                     \
    if (at[tap] != SIZE_MAX) {                                                                     \
        AMX_LOAD(pairs, x + at[tap], AMX_ROW_BYTES);                                               \
        AMX_BF16(tap, 5, pairs);                                                                   \
    }

/* sums[taps][16][16] += the products of four or five taps from `first` on. */
VGG_INLINE void multiply_across(const vgg_conv_shape *shape, const across_taps *taps, size_t first,
                                bool five, const char *d, const char *x, size_t steps,
                                float *sums) {
    size_t square = VGG_BLOCK * VGG_BLOCK;
    AMX_LOAD(0, sums, AMX_ROW_BYTES);
    AMX_LOAD(1, sums + square, AMX_ROW_BYTES);
    AMX_LOAD(2, sums + 2 * square, AMX_ROW_BYTES);
    AMX_LOAD(3, sums + 3 * square, AMX_ROW_BYTES);
    if (five)
        AMX_LOAD(4, sums + 4 * square, AMX_ROW_BYTES);
    size_t in_bytes = vgg_conv_in_height(shape) * vgg_conv_in_width(shape) * AMX_BYTES;
    for (size_t step = 0; step < steps; step++, x += in_bytes) {
        for (size_t place = 0; place < shape->height * shape->width; place++, d += AMX_BYTES) {
            const size_t *at = taps->at[place] + first;
            AMX_LOAD(5, d, AMX_ROW_BYTES);
            ACROSS_TAP(0, 6)
            ACROSS_TAP(1, 7)
            ACROSS_TAP(2, 6)
            ACROSS_TAP(3, 7)
            if (five) {
                ACROSS_TAP(4, 6)
            }
        }
    }
    AMX_STORE(0, sums, AMX_ROW_BYTES);
    AMX_STORE(1, sums + square, AMX_ROW_BYTES);
    AMX_STORE(2, sums + 2 * square, AMX_ROW_BYTES);
    AMX_STORE(3, sums + 3 * square, AMX_ROW_BYTES);
    if (five)
        AMX_STORE(4, sums + 4 * square, AMX_ROW_BYTES);
}

#endif
