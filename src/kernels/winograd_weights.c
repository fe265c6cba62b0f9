/* Gradients of convolution weights by F(3x3, 4x4) or F(3x3, 2x2). The transformed input and
 * gradient of some tiles make a matrix product at each of 36 or 16 points, of [input
 * channels][tiles] by [tiles][output channels], which run from registers. */
#include <string.h>

#include "kernels/bias_gradient.h"
#include "kernels/winograd_gradient.h"
#include "kernels/winograd_input.h"

/* A register tile of the products: input channels times vectors of output channels. The channels
 * are parts of a block: 8 + 8, 6 + 5 + 5 or 4 times 4. */
#define TILE_VECTORS 2
#if VGG_LANES == 16
#define BLOCK_PARTS 2
#elif VGG_LANES == 8
#define BLOCK_PARTS 3
#else
#define BLOCK_PARTS 4
#endif
#define TILE_CHANNELS ((VGG_BLOCK + BLOCK_PARTS - 1) / BLOCK_PARTS)

#define TAPS 9
/* Pairs of channels of two blocks. */
#define SQUARE (VGG_BLOCK * VGG_BLOCK)

/* ---- what a unit owns ---- */

typedef struct share {
    size_t group, first_tile, tiles;
    size_t first_c, c_blocks, first_k, k_blocks; /* in blocks */
} share;

static share share_of(const vgg_winograd_weights_task *task, size_t unit) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    size_t c = unit % cut->c_units * cut->c_blocks;
    size_t k = unit / cut->c_units % cut->k_units * cut->k_blocks;
    size_t group = unit / cut->c_units / cut->k_units;
    size_t all = task->shape.images * cut->tile_rows * cut->tile_columns;
    size_t begin = all * group / cut->groups, end = all * (group + 1) / cut->groups;
    return (share){.group = group,
                   .first_tile = begin,
                   .tiles = end - begin,
                   .first_c = c,
                   .c_blocks = vgg_size_min(cut->c_blocks, vgg_blocks(task->shape.inputs) - c),
                   .first_k = k,
                   .k_blocks = vgg_size_min(cut->k_blocks, vgg_blocks(task->shape.outputs) - k)};
}

/* ---- transforms ---- */

/* Stores a row of the points of a vector of the tiles of a word: to[column * point_stride]. */
VGG_INLINE void put_row(vf out[WORD_TILES][LINE], word *to, size_t point_stride) {
    VGG_UNROLL
    for (int column = 0; column < LINE; column++) {
        vf values[WORD_TILES];
        VGG_UNROLL
        for (int t = 0; t < WORD_TILES; t++) {
            values[t] = out[t][column];
        }
        put_tiles(to + (size_t)column * point_stride, values);
    }
}

/* Transforms the rows of a vector of the tiles of a word: to[point * point_stride]. A tile beyond
 * the last one is zero. */
VGG_INLINE void put_input(vf half[WORD_TILES][LINE][SIDE], word *to, size_t point_stride) {
    VGG_UNROLL
    for (int row = 0; row < LINE; row++) {
        vf out[WORD_TILES][LINE];
        VGG_UNROLL
        for (int t = 0; t < WORD_TILES; t++) {
            transform_input(half[t][row], out[t]);
        }
        put_row(out, to + (size_t)(row * LINE) * point_stride, point_stride);
    }
}

VGG_INLINE void put_gradient(vf half[WORD_TILES][LINE][TILE], word *to, size_t point_stride) {
    VGG_UNROLL
    for (int row = 0; row < LINE; row++) {
        vf out[WORD_TILES][LINE];
        VGG_UNROLL
        for (int t = 0; t < WORD_TILES; t++) {
            transform_gradient(half[t][row], out[t]);
        }
        put_row(out, to + (size_t)(row * LINE) * point_stride, point_stride);
    }
}

/* The word of x from tile `first` on, of which `tiles` are there; block: of the shape. */
static void input_word(const vgg_winograd_weights_task *task, size_t block, size_t first,
                       size_t tiles, word *to) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    bool numbers = HAS_NUMBERS(task->x_bf16);
    const void *map = numbers ? (const void *)task->x_bf16 : task->x;
    input_tile tile[WORD_TILES];
    for (size_t t = 0; t < tiles; t++) {
        tile_place place = place_of(cut, first + t);
        tile[t] =
            input_tile_at(&task->shape, map, numbers, place.image, block, place.row, place.column);
    }
    for (int part = 0; part < BLOCK_VECTORS; part++) {
        vf half[WORD_TILES][LINE][SIDE];
        for (size_t t = 0; t < WORD_TILES; t++) {
            if (t < tiles)
                input_half(&tile[t], part, half[t]);
            else
                memset(half[t], 0, sizeof half[t]);
        }
        put_input(half, to + part * VGG_LANES, cut->input_point);
    }
}

/* The same of dy, whose values are added to sum[16]. */
VGG_INLINE void gradient_word(const vgg_winograd_weights_task *task, bool spread, size_t block,
                              size_t first, size_t tiles, word *to, vf sum[BLOCK_VECTORS]) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    gradient_rows tile[WORD_TILES];
    for (size_t t = 0; t < tiles; t++) {
        tile_place place = place_of(cut, first + t);
        tile[t] = spread ? windows_at(task, place, block) : gradient_at(task, place, block);
    }
    for (int part = 0; part < BLOCK_VECTORS; part++) {
        vf half[WORD_TILES][LINE][TILE];
        for (size_t t = 0; t < WORD_TILES; t++) {
            if (t < tiles)
                gradient_half(&tile[t], spread, part, half[t], &sum[part]);
            else
                memset(half[t], 0, sizeof half[t]);
        }
        put_gradient(half, to + part * VGG_LANES, cut->gradient_point);
    }
}

/* Transforms `tiles` tiles of the unit from `first` on: v[POINTS][input_point], a point of which
 * begins with [c_blocks][cut->words][16], and d[POINTS][gradient_point] alike; adds dy's values to
 * bias[k_blocks][16]. */
static void transform(const vgg_winograd_weights_task *task, const share *own, size_t first,
                      size_t tiles, word *v, word *d, float *bias) {
    size_t block = task->partition.words * VGG_BLOCK;
    for (size_t c = 0; c < own->c_blocks; c++) {
        word *to = v + c * block;
        for (size_t t = 0; t < tiles; t += WORD_TILES, to += VGG_BLOCK) {
            size_t some = vgg_size_min(WORD_TILES, tiles - t);
            input_word(task, own->first_c + c, first + t, some, to);
        }
    }
    for (size_t k = 0; k < own->k_blocks; k++) {
        word *to = d + k * block;
        vf sum[BLOCK_VECTORS] = {{0}};
        for (size_t t = 0; t < tiles; t += WORD_TILES, to += VGG_BLOCK) {
            size_t some = vgg_size_min(WORD_TILES, tiles - t);
            if (task->spread != NULL)
                gradient_word(task, true, own->first_k + k, first + t, some, to, sum);
            else
                gradient_word(task, false, own->first_k + k, first + t, some, to, sum);
        }
        for (int part = 0; part < BLOCK_VECTORS; part++) {
            float *total = bias + k * VGG_BLOCK + part * VGG_LANES;
            vf_store(total, vf_load(total) + sum[part]);
        }
    }
}

/* ---- products ---- */

/* Where vector i of neighbouring blocks lies, which are `block` floats apart. */
VGG_INLINE size_t vector_at(int i, size_t block) {
    return (size_t)(i / BLOCK_VECTORS) * block + (size_t)(i % BLOCK_VECTORS) * VGG_LANES;
}

/* sums[c][k] = sum over tiles of v[tile][c] d[tile][k], or, when `add`, that sum is added, for some
 * channels c of a block and some vectors of k. v: [words][16], of one or two tiles each; d: the
 * same, blocks d_block words apart; sums: [16][16], blocks sum_block floats apart. */
VGG_INLINE void multiply_tile(int channels, int vectors, size_t words, const word *v, const word *d,
                              size_t d_block, bool add, float *sums, size_t sum_block) {
    vf totals[TILE_CHANNELS][TILE_VECTORS];
    VGG_UNROLL
    for (int c = 0; c < channels; c++) {
        VGG_UNROLL
        for (int k = 0; k < vectors; k++) {
            __builtin_prefetch(sums + c * VGG_BLOCK + vector_at(k, sum_block), 1);
            totals[c][k] = (vf){0};
        }
    }
    for (size_t t = 0; t < words; t++) {
        operand gradient[TILE_VECTORS];
        __builtin_prefetch(v + (words + t) * VGG_BLOCK);
        VGG_UNROLL
        for (int k = 0; k < vectors; k++) {
            gradient[k] = operand_load(d + t * VGG_BLOCK + vector_at(k, d_block));
        }
        VGG_UNROLL
        for (int c = 0; c < channels; c++) {
            operand value = operand_splat(v[t * VGG_BLOCK + (size_t)c]);
            VGG_UNROLL
            for (int k = 0; k < vectors; k++) {
                totals[c][k] = multiply_add(totals[c][k], value, gradient[k]);
            }
        }
    }
    VGG_UNROLL
    for (int c = 0; c < channels; c++) {
        VGG_UNROLL
        for (int k = 0; k < vectors; k++) {
            float *to = sums + c * VGG_BLOCK + vector_at(k, sum_block);
            vf_store(to, add ? vf_load(to) + totals[c][k] : totals[c][k]);
        }
    }
}

/* A block of input channels with some vectors of output channels. */
VGG_INLINE void multiply_block(int vectors, size_t words, const word *v, const word *d,
                               size_t d_block, bool add, float *sums, size_t sum_block) {
    VGG_UNROLL
    for (int part = 0; part < BLOCK_PARTS; part++) {
        int begin = (VGG_BLOCK * part + BLOCK_PARTS - 1) / BLOCK_PARTS;
        int end = (VGG_BLOCK * (part + 1) + BLOCK_PARTS - 1) / BLOCK_PARTS;
        multiply_tile(end - begin, vectors, words, v + begin, d, d_block, add,
                      sums + begin * VGG_BLOCK, sum_block);
    }
}

/* All products of some words of tiles. sums: [POINTS][sum_point], a point of which begins with
 * [k_blocks][c_blocks * 16][16]. */
static void multiply(const vgg_winograd_weights_task *task, const share *own, size_t words,
                     const word *v, const word *d, bool add, float *sums) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    size_t block = cut->words * VGG_BLOCK;
    size_t sum_block = own->c_blocks * SQUARE;
    int vectors = (int)own->k_blocks * BLOCK_VECTORS;
    for (size_t point = 0; point < POINTS; point++) {
        for (int k = 0; k < vectors; k += TILE_VECTORS) {
            for (size_t c = 0; c < own->c_blocks; c++) {
                const word *from = v + point * cut->input_point + c * block;
                const word *gradient = d + point * cut->gradient_point + vector_at(k, block);
                float *to = sums + point * cut->sum_point + c * SQUARE + vector_at(k, sum_block);
                if (vectors - k >= TILE_VECTORS)
                    multiply_block(TILE_VECTORS, words, from, gradient, block, add, to, sum_block);
                else
                    multiply_block(1, words, from, gradient, block, add, to, sum_block);
            }
        }
    }
}

/* ---- gradients ---- */

/* taps[9][VGG_LANES] of one vector of output channels from sums[point * stride]. */
VGG_INLINE void filter_gradient(const float *sums, size_t stride, float *taps) {
    vf half[3][LINE];
    VGG_UNROLL
    for (int column = 0; column < LINE; column++) {
        vf values[LINE], out[3];
        VGG_UNROLL
        for (int row = 0; row < LINE; row++) {
            values[row] = vf_load(sums + (size_t)(row * LINE + column) * stride);
        }
        transform_sums(values, out);
        VGG_UNROLL
        for (int row = 0; row < 3; row++) {
            half[row][column] = out[row];
        }
    }
    VGG_UNROLL
    for (int row = 0; row < 3; row++) {
        vf out[3];
        transform_sums(half[row], out);
        VGG_UNROLL
        for (int column = 0; column < 3; column++) {
            vf_store(taps + (row * 3 + column) * VGG_LANES, out[column]);
        }
    }
}

/* to[i] = or += from[i] for the first `count` of a vector. */
VGG_INLINE void write_some(float *to, vf from, size_t count, bool accumulate) {
    if (count >= VGG_LANES) {
        vf_store(to, accumulate ? vf_load(to) + from : from);
        return;
    }
    float values[VGG_LANES];
    vf_store(values, from);
    for (size_t i = 0; i < count; i++) {
        to[i] = accumulate ? to[i] + values[i] : values[i];
    }
}

/* Writes `count` neighbouring gradients of each of `rows` output channels, which are `stride`
 * floats apart, from taps[count][VGG_LANES]. */
static void write_rows(const float *taps, size_t count, size_t rows, bool accumulate, float *to,
                       size_t stride) {
    for (size_t i = 0; i < count; i += VGG_LANES) {
        vf lines[VGG_LANES];
        VGG_UNROLL
        for (size_t k = 0; k < VGG_LANES; k++) {
            lines[k] = vf_load(taps + (i + k) * VGG_LANES);
        }
        vf_transpose(lines);
        for (size_t k = 0; k < rows; k++) {
            write_some(to + k * stride + i, lines[k], count - i, accumulate);
        }
    }
}

/* taps[16 / VGG_LANES][16 c][9][VGG_LANES] of a block of output and a block of input channels;
 * sums: theirs, [16 c][16 k] in each point. */
static void square_taps(const vgg_winograd_weights_task *task, const float *sums, float *taps) {
    for (size_t k = 0; k < VGG_BLOCK; k += VGG_LANES) {
        for (size_t c = 0; c < VGG_BLOCK; c++) {
            filter_gradient(sums + c * VGG_BLOCK + k, task->partition.sum_point,
                            taps + (k * VGG_BLOCK + c * VGG_LANES) * TAPS);
        }
    }
}

/* dweights of two such blocks from their taps. */
static void write_square(const vgg_winograd_weights_task *task, const float *taps, size_t k_block,
                         size_t c_block) {
    const vgg_conv_shape *shape = &task->shape;
    size_t c = c_block * VGG_BLOCK, count = vgg_size_min(VGG_BLOCK, shape->inputs - c) * TAPS;
    size_t first = k_block * VGG_BLOCK, end = vgg_size_min(first + VGG_BLOCK, shape->outputs);
    for (size_t k = first; k < end; k += VGG_LANES) {
        write_rows(taps + (k - first) * VGG_BLOCK * TAPS, count, vgg_size_min(VGG_LANES, end - k),
                   task->accumulate, task->dweights + (k * shape->inputs + c) * TAPS,
                   shape->inputs * TAPS);
    }
}

/* ---- units ---- */

/* Floats of the taps of a unit, [k_blocks][c_blocks][SQUARE * TAPS]. */
static size_t unit_taps(const vgg_winograd_weights_partition *cut) {
    return cut->k_blocks * cut->c_blocks * SQUARE * TAPS;
}

/* What a unit's sums become: gradients, or, where it has not all tiles, its part of them. */
static void write_unit(const vgg_winograd_weights_task *task, size_t unit, const share *own,
                       const float *sums) {
    for (size_t square = 0; square < own->k_blocks * own->c_blocks; square++) {
        const float *from = sums + square * SQUARE;
        if (task->partition.groups > 1) {
            square_taps(task, from,
                        task->sums + unit * unit_taps(&task->partition) + square * SQUARE * TAPS);
            continue;
        }
        float taps[SQUARE * TAPS];
        square_taps(task, from, taps);
        write_square(task, taps, own->first_k + square / own->c_blocks,
                     own->first_c + square % own->c_blocks);
    }
}

/* The same of its sums of dy, [k_blocks][16], which the units with the first input channels write.
 */
static void write_unit_bias(const vgg_winograd_weights_task *task, const share *own,
                            const float *bias) {
    size_t blocks = vgg_blocks(task->shape.outputs);
    if (task->partition.groups > 1) {
        memcpy(task->bias_sums + (own->group * blocks + own->first_k) * VGG_BLOCK, bias,
               own->k_blocks * VGG_BLOCK * sizeof *bias);
        return;
    }
    for (size_t k = 0; k < own->k_blocks; k++) {
        write_bias_gradient(task, bias + k * VGG_BLOCK, 0, own->first_k + k);
    }
}

/* Adds the taps of all groups for two blocks of channels, `first` being those of the first group.
 */
static void add_groups(const vgg_winograd_weights_task *task, const float *first,
                       float taps[SQUARE * TAPS]) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    size_t stride = cut->k_units * cut->c_units * unit_taps(cut);
    memcpy(taps, first, SQUARE * TAPS * sizeof *taps);
    for (size_t group = 1; group < cut->groups; group++) {
        const float *from = first + group * stride;
        for (size_t i = 0; i < SQUARE * TAPS; i += VGG_LANES) {
            __builtin_prefetch(from + stride + i);
            vf_store(taps + i, vf_load(taps + i) + vf_load(from + i));
        }
    }
}

/* The sums go on from piece to piece of the tiles. */
static void weights_unit(const vgg_winograd_weights_task *task, size_t unit, float *scratch) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    share own = share_of(task, unit);
    word *v = (word *)scratch, *d = v + POINTS * cut->input_point;
    float *bias = scratch + POINTS * (cut->input_point + cut->gradient_point);
    float *sums = bias + cut->k_blocks * VGG_BLOCK;
    memset(bias, 0, own.k_blocks * VGG_BLOCK * sizeof *bias);
    size_t words = (own.tiles + WORD_TILES - 1) / WORD_TILES;
    size_t pieces = (words + cut->words - 1) / cut->words;
    for (size_t piece = 0; piece < pieces; piece++) {
        size_t begin = words * piece / pieces, end = words * (piece + 1) / pieces;
        size_t first = begin * WORD_TILES,
               tiles = vgg_size_min(end * WORD_TILES, own.tiles) - first;
        transform(task, &own, own.first_tile + first, tiles, v, d, bias);
        multiply(task, &own, end - begin, v, d, piece > 0, sums);
    }
    write_unit(task, unit, &own, sums);
    if (own.first_c == 0)
        write_unit_bias(task, &own, bias);
}

void VGG_TILED(weights)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TILED(weights)(void *argument, size_t begin, size_t end, size_t worker) {
    const vgg_winograd_weights_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        weights_unit(task, unit, task->scratch + worker * task->partition.scratch);
    }
}

void VGG_TILED(weights_finish)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TILED(weights_finish)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_weights_task *task = argument;
    const vgg_winograd_weights_partition *cut = &task->partition;
    size_t c_blocks = vgg_blocks(task->shape.inputs), k_blocks = vgg_blocks(task->shape.outputs);
    for (size_t unit = begin; unit < end; unit++) {
        size_t c = unit % c_blocks, k = unit / c_blocks;
        size_t owner = k / cut->k_blocks * cut->c_units + c / cut->c_blocks;
        share own = share_of(task, owner);
        size_t square = (k - own.first_k) * own.c_blocks + c - own.first_c;
        float taps[SQUARE * TAPS];
        add_groups(task, task->sums + owner * unit_taps(cut) + square * SQUARE * TAPS, taps);
        write_square(task, taps, k, c);
        if (c == 0)
            write_bias_gradient(task, task->bias_sums + k * VGG_BLOCK, k_blocks * VGG_BLOCK, k);
    }
}
