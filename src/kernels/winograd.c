/* Convolution by F(4x4, 3x3) or F(2x2, 3x3). The products of a tile at each of its 36 or 16 points
 * are small matrix products over the channels, each of [tiles][channels] by [channels][32 output
 * channels], which run from registers. */
#include <string.h>

#include "kernels/choice.h"
#include "kernels/maps.h"
#include "kernels/winograd_input.h"
#include "kernels/winograd_products.h"
#include "kernels/winograd_transforms.h"

/* ---- input ---- */

/* v[point * point_stride] of one vector of a tile whose columns are transformed already. */
VGG_INLINE void input_rows(vf half[LINE][SIDE], const float *factors, word *v,
                           size_t point_stride) {
    VGG_UNROLL
    for (int row = 0; row < LINE; row++) {
        vf out[LINE];
        transform_input(half[row], out);
        VGG_UNROLL
        for (int column = 0; column < LINE; column++) {
            int point = row * LINE + column;
            put_channels(v + (size_t)point * point_stride, out[column], factors, point);
        }
    }
}

/* v[point * point_stride] of 16 channels each, in words, of the tile (tile_row, tile_column) of a
 * channel block of an image. */
static void transform_tile(const vgg_winograd_task *task, size_t image, size_t block,
                           size_t tile_row, size_t tile_column, word *v, size_t point_stride) {
    bool numbers = HAS_NUMBERS(task->x_bf16);
    const void *map = numbers ? (const void *)task->x_bf16 : task->x;
    input_tile tile =
        input_tile_at(&task->shape, map, numbers, image, block, tile_row, tile_column);
    for (int part = 0; part < BLOCK_VECTORS; part++) {
        vf half[LINE][SIDE];
        input_half(&tile, part, half);
        input_rows(half, task->factors, v + part * VECTOR_WORDS, point_stride);
    }
}

/* ---- input that a max-pool's gradient is ---- */

/* Rows and columns of windows that a tile touches: its second row and column begin a window. */
#define WINDOWS (TILE / 2 + 2)

/* All vectors of a tile from the gradients d of windows and what they chose, from the second
 * column of windows on. */
VGG_INLINE void spread_block(const void *const d[WINDOWS], bool numbers,
                             const vgg_choice *const chosen[WINDOWS], int begin, int end,
                             const float *factors, word *v, size_t point_stride) {
    for (int part = 0; part < BLOCK_VECTORS; part++) {
        vf half[LINE][SIDE];
        VGG_UNROLL
        for (int column = 0; column < SIDE; column++) {
            vf values[SIDE], out[LINE] = {{0}};
            int at = (column + 1) / 2 - 1;
            if (column >= begin && column < end) {
                VGG_UNROLL
                for (int row = 0; row < SIDE; row++) {
                    int window = (row + 1) / 2;
                    values[row] =
                        unpool(load_at(d[window], numbers, at * VGG_BLOCK + part * VGG_LANES),
                               &chosen[window][at], part, (row + 1) % 2, (column + 1) % 2);
                }
                transform_input(values, out);
            }
            VGG_UNROLL
            for (int row = 0; row < LINE; row++) {
                half[row][column] = out[row];
            }
        }
        input_rows(half, factors, v + part * VECTOR_WORDS, point_stride);
    }
}

/* transform_tile for a task with `spread`. */
static void transform_spread_tile(const vgg_winograd_task *task, size_t image, size_t block,
                                  size_t tile_row, size_t tile_column, word *v,
                                  size_t point_stride) {
    static const float zeros[WINDOWS * VGG_BLOCK];
    static const vgg_choice none[WINDOWS];
    size_t height = task->shape.height / 2, width = task->shape.width / 2; /* in windows */
    size_t plane = (image * vgg_blocks(task->shape.inputs) + block) * height * width;
    size_t top = tile_row * (TILE / 2), left = tile_column * (TILE / 2);
    bool numbers = HAS_NUMBERS(task->x_bf16);
    const void *map = numbers ? (const void *)task->x_bf16 : task->x;
    const void *rows[WINDOWS];
    const vgg_choice *chosen[WINDOWS];
    for (size_t row = 0; row < WINDOWS; row++) {
        size_t y = top + row; /* one more than the window's */
        bool inside = y > 0 && y <= height;
        size_t at = inside ? plane + (y - 1) * width + left : 0;
        rows[row] = inside ? map_at(map, numbers, (ptrdiff_t)(at * VGG_BLOCK)) : zeros + VGG_BLOCK;
        chosen[row] = inside ? task->spread + at : none + 1;
    }
    int begin = left == 0;
    int end = (int)vgg_size_min(SIDE, 2 * (width - left) + 1);
    if (WHOLE)
        spread_block(rows, numbers, chosen, 1, 1 + TILE, task->factors, v, point_stride);
    else if (begin == 0 && end == SIDE)
        spread_block(rows, numbers, chosen, 0, SIDE, task->factors, v, point_stride);
    else
        spread_block(rows, numbers, chosen, begin, end, task->factors, v, point_stride);
}

/* ---- input of a unit ---- */

/* The half of the last chunk of products by AMX that no block of channels fills. */
static void clear_half(const vgg_winograd_task *task, size_t tiles, word *v) {
#if defined(VGG_BF16_AMX)
    size_t blocks = vgg_blocks(task->shape.inputs), row = task->partition.row;
    for (size_t t = 0; blocks % 2 != 0 && t < POINTS * tiles; t++) {
        memset(v + t * row + blocks * BLOCK_WORDS, 0, BLOCK_WORDS * sizeof *v);
    }
#else
    (void)task;
    (void)tiles;
    (void)v;
#endif
}

/* v: [POINTS][tiles][row], of `tiles` tiles from `first` on, counted through all images. */
static void transform_tiles(const vgg_winograd_task *task, size_t first, size_t tiles, word *v) {
    const vgg_winograd_partition *cut = &task->partition;
    size_t per_image = cut->tile_rows * cut->tile_columns;
    for (size_t block = 0; block < vgg_blocks(task->shape.inputs); block++) {
        for (size_t t = 0; t < tiles; t++) {
            size_t image = (first + t) / per_image, tile = (first + t) % per_image;
            size_t row = tile / cut->tile_columns, column = tile % cut->tile_columns;
            word *to = v + t * cut->row + block * BLOCK_WORDS;
            if (task->spread != NULL)
                transform_spread_tile(task, image, block, row, column, to, tiles * cut->row);
            else
                transform_tile(task, image, block, row, column, to, tiles * cut->row);
        }
    }
    clear_half(task, tiles, v);
}

/* ---- output ---- */

/* Bias, batch norm and ReLU of one vector of output channels. */
typedef struct epilogue {
    vf bias, scale, shift;
    bool norm, relu;
} epilogue;

static epilogue epilogue_of(const vgg_winograd_task *task, size_t channel) {
    bool norm = task->scale != NULL;
    return (epilogue){.bias = task->bias == NULL ? (vf){0} : vf_load(task->bias + channel),
                      .scale = norm ? vf_load(task->scale + channel) : vf_splat(1),
                      .shift = norm ? vf_load(task->shift + channel) : (vf){0},
                      .norm = norm,
                      .relu = task->relu};
}

VGG_INLINE vf finish(const epilogue *e, vf value) {
    value += e->bias;
    if (e->norm)
        value = value * e->scale + e->shift;
    return e->relu ? vf_relu(value) : value;
}

/* Where a vector of output channels of an image goes: the planes at it; gate and chosen may be
 * NULL.
 */
typedef struct output_planes {
    float *y;
    uint16_t *y_bf16; /* in place of y; else NULL */
    const float *gate;
    const uint16_t *gate_bf16; /* in place of gate; else NULL */
    vgg_choice *chosen;
    int part; /* of the block */
    bool stream;
} output_planes;

VGG_INLINE void put(const output_planes *to, size_t at, vf value) {
    map_put(to->stream, to->y, HAS_NUMBERS(to->y_bf16) ? to->y_bf16 : NULL, at, value);
}

/* Stores two rows of a tile: all of them when `full`, else what lies in the picture. */
VGG_INLINE void store_rows(const vgg_conv_shape *shape, bool full, size_t top, size_t left,
                           vf y[2][TILE], const output_planes *to) {
    VGG_UNROLL
    for (size_t row = 0; row < 2; row++) {
        VGG_UNROLL
        for (size_t column = 0; column < TILE; column++) {
            if (!full && (top + row >= shape->height || left + column >= shape->width))
                continue;
            size_t at = ((top + row) * shape->width + left + column) * VGG_BLOCK;
            vf value = y[row][column];
            if (HAS_NUMBERS(to->gate_bf16))
                value = vf_where_positive(map_load(NULL, to->gate_bf16, at), value);
            else if (to->gate != NULL)
                value = vf_where_positive(vf_load(to->gate + at), value);
            put(to, at, value);
        }
    }
}

/* The same after 2x2 max-pooling, for whose windows the tile is aligned. */
VGG_INLINE void store_windows(const vgg_conv_shape *shape, bool full, size_t top, size_t left,
                              vf y[2][TILE], const output_planes *to) {
    size_t width = shape->width / 2;
    if (!full && top / 2 >= shape->height / 2)
        return;
    VGG_UNROLL
    for (size_t column = 0; column < TILE / 2; column++) {
        if (!full && left / 2 + column >= width)
            continue;
        const vf *upper = &y[0][2 * column], *lower = &y[1][2 * column];
        size_t at = top / 2 * width + left / 2 + column;
        vf best = to->chosen != NULL
                      ? choose(upper[0], upper[1], lower[0], lower[1], to->part, to->chosen + at)
                      : vf_pool(upper[0], upper[1], lower[0], lower[1]);
        put(to, at * VGG_BLOCK, best);
    }
}

/* m[point * point_stride]: one vector of the products of a tile, all of which lies in the picture
 * when `full`. */
VGG_INLINE void output_vector(const vgg_winograd_task *task, bool full, const float *m,
                              size_t point_stride, const epilogue *e, size_t top, size_t left,
                              const output_planes *to) {
    vf half[TILE][LINE];
    VGG_UNROLL
    for (int column = 0; column < LINE; column++) {
        vf products[LINE], out[TILE];
        VGG_UNROLL
        for (int row = 0; row < LINE; row++) {
            products[row] = vf_load(m + (size_t)(row * LINE + column) * point_stride);
        }
        transform_output(products, out);
        VGG_UNROLL
        for (int row = 0; row < TILE; row++) {
            half[row][column] = out[row];
        }
    }
    VGG_UNROLL
    for (size_t row = 0; row < TILE; row += 2) {
        vf y[2][TILE];
        VGG_UNROLL
        for (size_t i = 0; i < 2; i++) {
            transform_output(half[row + i], y[i]);
            VGG_UNROLL
            for (int column = 0; column < TILE; column++) {
                y[i][column] = finish(e, y[i][column]);
            }
        }
        if (task->pool)
            store_windows(&task->shape, full, top + row, left, y, to);
        else
            store_rows(&task->shape, full, top + row, left, y, to);
    }
}

/* first: the plane's first pixel, counted through all planes. */
static output_planes planes_at(const vgg_winograd_task *task, size_t first, size_t channel) {
    size_t lane = channel % VGG_BLOCK, at = first * VGG_BLOCK + lane;
    return (output_planes){.y = task->y == NULL ? NULL : task->y + at,
                           .y_bf16 = task->y_bf16 == NULL ? NULL : task->y_bf16 + at,
                           .gate = task->gate == NULL ? NULL : task->gate + at,
                           .gate_bf16 = task->gate_bf16 == NULL ? NULL : task->gate_bf16 + at,
                           .chosen = task->chosen == NULL ? NULL : task->chosen + first,
                           .part = (int)(lane / VGG_LANES),
                           .stream = task->stream};
}

/* m: [POINTS][product_point], the products [32] with the output channels from first_k on, of tiles
 * from `first` on, counted through all images. */
static void output_tiles(const vgg_winograd_task *task, size_t first, size_t tiles, size_t first_k,
                         const float *m) {
    const vgg_winograd_partition *cut = &task->partition;
    const vgg_conv_shape *shape = &task->shape;
    size_t per_image = cut->tile_rows * cut->tile_columns;
    size_t lanes = vgg_blocks(shape->outputs) * VGG_BLOCK;
    size_t pixels =
        task->pool ? (shape->height / 2) * (shape->width / 2) : shape->height * shape->width;
    for (size_t k = 0; k < GROUP && first_k + k < lanes; k += VGG_LANES) {
        size_t channel = first_k + k;
        epilogue e = epilogue_of(task, channel);
        for (size_t t = 0; t < tiles; t++) {
            size_t image = (first + t) / per_image, tile = (first + t) % per_image;
            output_planes to = planes_at(
                task, (image * lanes / VGG_BLOCK + channel / VGG_BLOCK) * pixels, channel);
            size_t top = tile / cut->tile_columns * TILE, left = tile % cut->tile_columns * TILE;
            const float *from = m + t * GROUP + k;
            if (top + TILE <= shape->height && left + TILE <= shape->width)
                output_vector(task, true, from, cut->product_point, &e, top, left, &to);
            else
                output_vector(task, false, from, cut->product_point, &e, top, left, &to);
        }
    }
}

/* ---- units ---- */

/* Whether stored filters can be fetched ahead: float32's, and those that AMX multiplies. */
#if WORD_CHANNELS == 1 || defined(VGG_BF16_AMX)
#define FETCHES_FILTERS 1
#else
#define FETCHES_FILTERS 0
#endif

/* What a unit works on: its tiles, counted through all images, and its scratch. */
typedef struct unit_state {
    size_t first, tiles;
    word *v;  /* transformed input [POINTS][tiles][row] */
    float *m; /* products of a group [POINTS][product_point] */
    word *u;  /* filters of a group [POINTS][filter_point], where they are not stored */
} unit_state;

#if FETCHES_FILTERS
/* multiply of stored filters, those behind which are fetched: a function of its own, so that the
 * other one has nothing to skip. */
static __attribute__((noinline)) void multiply_ahead(size_t tiles, const word *v, size_t row,
                                                     const word *u, size_t channels, float *m) {
    multiply_point(tiles, v, row, u, channels, false, true, m);
}
#endif

/* The products of one group of output channels with stored filters. */
static void multiply_stored(const vgg_winograd_task *task, const unit_state *unit, size_t group) {
    const vgg_winograd_partition *cut = &task->partition;
    const word *u = (const word *)task->filters + group * POINTS * cut->filter_point;
    for (size_t point = 0; point < POINTS; point++) {
        const word *v = unit->v + point * unit->tiles * cut->row;
        const word *filters = u + point * cut->filter_point;
        float *m = unit->m + point * cut->product_point;
#if FETCHES_FILTERS
        if (cut->ahead) {
            multiply_ahead(unit->tiles, v, cut->row, filters, task->shape.inputs, m);
            continue;
        }
#endif
        multiply(unit->tiles, v, cut->row, filters, task->shape.inputs, false, m);
    }
}

/* Filters of int8 are always stored. */
#if !defined(VGG_INT8)

/* Fetches the share of `point` of the weights that make_filters reads next, so that it will not
 * wait for memory: of the group from first_k on, the input channels c to c + channels. */
static void fetch_weights(const vgg_winograd_task *task, size_t first_k, size_t c, size_t channels,
                          size_t point) {
    const vgg_conv_shape *shape = &task->shape;
    if (first_k + GROUP > shape->outputs)
        return;
    size_t filter = 9 * vgg_element_bytes(task->element);
    size_t rows = task->turned ? channels : GROUP, columns = task->turned ? GROUP : channels;
    size_t row = (task->turned ? shape->outputs : shape->inputs) * filter;
    const char *from = (const char *)task->weights +
                       (task->turned ? c * row + first_k * filter : first_k * row + c * filter);
    for (size_t i = rows * point / POINTS; i < rows * (point + 1) / POINTS; i++) {
        for (size_t at = 0; at < columns * filter; at += 64) {
            __builtin_prefetch(from + i * row + at, 0, 2);
        }
    }
}

/* The same with filters made here, for some input channels at a time, so that they stay in the
 * second-level cache until they have been used. */
static void multiply_made(const vgg_winograd_task *task, const unit_state *unit, size_t group) {
    const vgg_winograd_partition *cut = &task->partition;
    size_t inputs = task->shape.inputs;
    for (size_t c = 0; c < inputs; c += cut->channels) {
        size_t channels = vgg_size_min(cut->channels, inputs - c);
        VGG_TILED(make_filters)(task, group * GROUP, c, channels, false, unit->u);
        size_t next = c + channels < inputs ? c + channels : 0;
        size_t next_k = (next == 0 ? group + 1 : group) * GROUP;
        for (size_t point = 0; point < POINTS; point++) {
            fetch_weights(task, next_k, next, vgg_size_min(cut->channels, inputs - next), point);
            multiply(unit->tiles, unit->v + point * unit->tiles * cut->row + c / WORD_CHANNELS,
                     cut->row, unit->u + point * cut->filter_point, channels, c > 0,
                     unit->m + point * cut->product_point);
        }
    }
}

#endif

/* The products of one group of output channels. */
static void multiply_group(const vgg_winograd_task *task, const unit_state *unit, size_t group) {
#if !defined(VGG_INT8)
    if (!task->partition.stored) {
        multiply_made(task, unit, group);
        return;
    }
#endif
    multiply_stored(task, unit, group);
}

static void run_unit(const vgg_winograd_task *task, size_t index, float *scratch) {
    const vgg_winograd_partition *cut = &task->partition;
    size_t all = task->shape.images * cut->tile_rows * cut->tile_columns;
    size_t groups = (task->shape.outputs + GROUP - 1) / GROUP;
    unit_state unit = {.first = index / cut->group_units * cut->tiles, .v = (word *)scratch};
    unit.tiles = vgg_size_min(cut->tiles, all - unit.first);
    unit.m = scratch + POINTS * cut->tiles * cut->row;
    unit.u = (word *)unit.m + POINTS * cut->product_point;
    transform_tiles(task, unit.first, unit.tiles, unit.v);
    size_t begin = index % cut->group_units * cut->groups;
    for (size_t group = begin; group < vgg_size_min(begin + cut->groups, groups); group++) {
        multiply_group(task, &unit, group);
        output_tiles(task, unit.first, unit.tiles, group * GROUP, unit.m);
    }
}

void VGG_TILED(forward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TILED(forward)(void *argument, size_t begin, size_t end, size_t worker) {
    const vgg_winograd_task *task = argument;
    multiply_begin(task->shape.inputs);
    for (size_t unit = begin; unit < end; unit++) {
        run_unit(task, unit, task->scratch + worker * task->partition.scratch);
    }
    multiply_end();
    vf_put_end(task->stream);
}
