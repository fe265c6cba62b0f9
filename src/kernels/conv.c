/* Direct convolution: forward, and, with turned filters, backward to the input.
 *
 * A unit copies its input rows into a patch with a border of zeros, which stays in the second-level
 * cache, and then has no edges to care about; a map that is one register tile needs no patch. A
 * register tile holds PIXELS neighbouring outputs of
 * one row times VECTORS vectors of output channels; each step of the reduction loads the weights of
 * one input channel and tap and multiplies them with one broadcast value per pixel. */
#include <string.h>

#include "kernels/conv_patch.h"
#include "kernels/int8_numbers.h"
#include "kernels/maps.h"

/* Registers: VECTORS * PIXELS accumulators, VECTORS weights and one broadcast value. */
#if VGG_LANES == 16
#define TILE_PIXELS 14
#define TILE_BLOCKS 2
#elif VGG_LANES == 8
#define TILE_PIXELS 6
#define TILE_BLOCKS 1
#else
#define TILE_PIXELS 2
#define TILE_BLOCKS 1
#endif

/* Weights that are gone from the caches of a core before they are read again; and rows of a map of
 * which few enough pixels share them that fetching pays. */
#define LARGE_WEIGHTS ((size_t)1 << 19)
#define MOST_FETCHING_ROWS 8

/* What a tile needs to know besides its place. */
typedef struct tile_setting {
    const vgg_conv_forward_task *task;
    const input_patch *patch;
    size_t kernel;
    size_t outer;        /* planes of channel blocks, 1 for plain input */
    size_t inputs;       /* real input channels */
    size_t weight_block; /* floats between the weights of two output blocks */
    size_t output_block; /* floats between two output blocks of what a tile writes */
    size_t shares;       /* into which the fetching of the next blocks' weights is cut; 0: none */
    size_t share;        /* the one of the row at hand; shares: none */
    bool direct;         /* that is y; else it waits to be pooled or rounded */
} tile_setting;

/* Fetches the weights of a channel and tap of the blocks that come next. */
VGG_INLINE void fetch_next(const tile_setting *setting, int blocks, const float *w) {
    VGG_UNROLL
    for (int block = 0; block < blocks; block++) {
        __builtin_prefetch(w + (size_t)(blocks + block) * setting->weight_block, 0, 2);
    }
}

/* Adds what one plane contributes to a tile: a channel block, or all channels of a plain input. x:
 * the patch at the tile's first pixel and first tap; w: packed weights of the plane. */
VGG_INLINE void add_plane(const tile_setting *setting, int pixels, int blocks, size_t step,
                          const float *x, const float *w, size_t channels,
                          vf sums[TILE_BLOCKS * BLOCK_VECTORS][TILE_PIXELS]) {
    const input_patch *patch = setting->patch;
    size_t row = patch->width * step;
    size_t channel = step == 1 ? patch->rows * row : 1;
    for (size_t tap_row = 0; tap_row < setting->kernel; tap_row++) {
        for (size_t tap = 0; tap < setting->kernel; tap++) {
            const float *at = x + tap_row * row + tap * step;
            bool fetches = setting->shares > 0 &&
                           (tap_row * setting->kernel + tap) % setting->shares == setting->share;
            for (size_t c = 0; c < channels; c++) {
                if (fetches)
                    fetch_next(setting, blocks, w + c * VGG_BLOCK);
                vf weight[TILE_BLOCKS * BLOCK_VECTORS];
                VGG_UNROLL
                for (int v = 0; v < blocks * BLOCK_VECTORS; v++) {
                    weight[v] = vf_load(w + (size_t)(v / BLOCK_VECTORS) * setting->weight_block +
                                        c * VGG_BLOCK + v % BLOCK_VECTORS * VGG_LANES);
                }
                VGG_UNROLL
                for (int p = 0; p < pixels; p++) {
                    vf value = vf_splat(at[c * channel + (size_t)p * step]);
                    VGG_UNROLL
                    for (int v = 0; v < blocks * BLOCK_VECTORS; v++) {
                        sums[v][p] += weight[v] * value;
                    }
                }
            }
            w += (step == 1 ? channels : VGG_BLOCK) * VGG_BLOCK;
        }
    }
}

/* The sums of all planes, each summed on its own in registers first: adding up two levels of short
 * sums instead of one long one keeps the rounding error small. */
VGG_INLINE void accumulate(const tile_setting *setting, int pixels, int blocks, size_t step,
                           const float *x, const float *w,
                           vf totals[TILE_BLOCKS * BLOCK_VECTORS][TILE_PIXELS]) {
    size_t inner = step == 1 ? setting->inputs : VGG_BLOCK;
    size_t plane = step == 1 ? 0 : setting->patch->rows * setting->patch->width * step;
    size_t taps = setting->kernel * setting->kernel, planes = step == 1 ? 1 : setting->outer;
    VGG_UNROLL
    for (int v = 0; v < blocks * BLOCK_VECTORS; v++) {
        VGG_UNROLL
        for (int p = 0; p < pixels; p++) {
            totals[v][p] = (vf){0};
        }
    }
    for (size_t outer = 0; outer < planes; outer++) {
        vf sums[TILE_BLOCKS * BLOCK_VECTORS][TILE_PIXELS];
        VGG_UNROLL
        for (int v = 0; v < blocks * BLOCK_VECTORS; v++) {
            VGG_UNROLL
            for (int p = 0; p < pixels; p++) {
                sums[v][p] = (vf){0};
            }
        }
        add_plane(setting, pixels, blocks, step, x + outer * plane,
                  w + outer * taps * inner * VGG_BLOCK,
                  vgg_size_min(inner, setting->inputs - outer * inner), sums);
        VGG_UNROLL
        for (int v = 0; v < blocks * BLOCK_VECTORS; v++) {
            VGG_UNROLL
            for (int p = 0; p < pixels; p++) {
                totals[v][p] += sums[v][p];
            }
        }
    }
}

/* y: neighbouring outputs of a vector of output channels, of which `channel` is the first. */
VGG_INLINE void put_outputs(const tile_setting *setting, int pixels, const vf *sums, size_t channel,
                            float *y) {
    const vgg_conv_forward_task *task = setting->task;
    vf bias = task->bias == NULL ? (vf){0} : vf_load(task->bias + channel);
    vf scale = task->scale == NULL ? vf_splat(1) : vf_load(task->scale + channel);
    vf shift = task->scale == NULL ? (vf){0} : vf_load(task->shift + channel);
    VGG_UNROLL
    for (int p = 0; p < pixels; p++) {
        vf value = sums[p] + bias;
        if (task->scale != NULL)
            value = value * scale + shift;
        vf_put(task->stream && setting->direct, y + p * VGG_BLOCK,
               task->relu ? vf_relu(value) : value);
    }
}

/* k: the first output channel of the tile, y: its first output value. */
VGG_INLINE void tile(const tile_setting *setting, int pixels, int blocks, size_t step,
                     const float *x, const float *w, size_t k, float *y) {
    vf sums[TILE_BLOCKS * BLOCK_VECTORS][TILE_PIXELS];
    accumulate(setting, pixels, blocks, step, x, w, sums);
    VGG_UNROLL
    for (int v = 0; v < blocks * BLOCK_VECTORS; v++) {
        put_outputs(setting, pixels, sums[v], k + (size_t)v * VGG_LANES,
                    y + (size_t)(v / BLOCK_VECTORS) * setting->output_block +
                        v % BLOCK_VECTORS * VGG_LANES);
    }
}

/* A tile of a width known only at run time. */
VGG_INLINE void tile_of(size_t pixels, const tile_setting *setting, int blocks, size_t step,
                        const float *x, const float *w, size_t k, float *y) {
#define WIDTH(n)                                                                                   \
    case n:                                                                                        \
        tile(setting, n, blocks, step, x, w, k, y);                                                \
        break;
    switch (pixels) {
        WIDTH(1)
        WIDTH(2)
#if TILE_PIXELS >= 6
        WIDTH(3)
        WIDTH(4)
        WIDTH(5)
        WIDTH(6)
#endif
#if TILE_PIXELS >= 14
        WIDTH(7)
        WIDTH(8)
        WIDTH(9)
        WIDTH(10)
        WIDTH(11)
        WIDTH(12)
        WIDTH(13)
        WIDTH(14)
#endif
    }
#undef WIDTH
}

/* Two rows of a tile that will be pooled, or one that will be rounded. */
typedef float pool_window[2][TILE_PIXELS][VGG_BLOCK];

/* The greatest of the four values of a column of windows, from channel v on. */
VGG_INLINE vf pooled(const pool_window *window, size_t column, int v) {
    const float *top = (*window)[0][2 * column] + v, *bottom = (*window)[1][2 * column] + v;
    return vf_pool(vf_load(top), vf_load(top + VGG_BLOCK), vf_load(bottom),
                   vf_load(bottom + VGG_BLOCK));
}

/* What waits of a column, pooled or not, from channel v on. */
VGG_INLINE vf waiting(const vgg_conv_forward_task *task, const pool_window *window, size_t column,
                      int v) {
    return task->pool ? pooled(window, column, v) : vf_load((*window)[0][column] + v);
}

/* at: the place in y of the first of `width` values, plane: values between two output blocks. */
static void map_windows(const vgg_conv_forward_task *task, const pool_window *windows, int blocks,
                        size_t width, size_t plane, size_t at) {
    for (int block = 0; block < blocks; block++) {
        for (size_t column = 0; column < width; column++) {
            for (int v = 0; v < VGG_BLOCK; v += VGG_LANES) {
                map_put(task->stream, task->y, task->y_bf16,
                        at + (size_t)block * plane + column * VGG_BLOCK + (size_t)v,
                        waiting(task, &windows[block], column, v));
            }
        }
    }
}

/* The same of what becomes whole numbers; k: the first block, y: the first value's place
 * in a plane. */
static void number_tile(const vgg_conv_forward_task *task, const pool_window *windows, size_t image,
                        size_t k, int blocks, size_t width, size_t y) {
    const number_range range = range_of(&task->y_form);
    size_t side = task->pool ? 2 : 1;
    size_t plane = (task->shape.height / side) * (task->shape.width / side);
    size_t chunk = image * vgg_int8_chunks(task->shape.outputs);
    vf factor = vf_splat(task->y_form.factor);
    size_t chunk_blocks = VGG_INT8_CHUNK / VGG_BLOCK, all = vgg_blocks(task->shape.outputs);
    for (size_t block = k; block < k + (size_t)blocks; block++) {
        const pool_window *from = &windows[block - k];
        uint8_t *to = task->y_numbers +
                      ((chunk + block / chunk_blocks) * plane + y) * VGG_INT8_CHUNK +
                      block % chunk_blocks * VGG_BLOCK;
        size_t rest = block + 1 < all ? 0 : (chunk_blocks - 1 - block % chunk_blocks) * VGG_BLOCK;
        for (size_t column = 0; column < width; column++, to += VGG_INT8_CHUNK) {
            for (int v = 0; v < VGG_BLOCK; v += VGG_LANES) {
                vf value = waiting(task, from, column, v);
                put_numbers(&range, to + v, vf_max(value * factor, range.least));
            }
            memset(to + VGG_BLOCK, range.zero, rest);
        }
    }
}

/* What waits in windows is put out; at: the first value's place in a plane of `plane` pixels. */
static void finish_tile(const tile_setting *setting, const pool_window *windows, size_t image,
                        size_t k, int blocks, size_t width, size_t at, size_t plane) {
    const vgg_conv_forward_task *task = setting->task;
    size_t first = (image * vgg_blocks(task->shape.outputs) + k) * plane;
    if (task->y_numbers != NULL)
        number_tile(task, windows, image, k, blocks, width, at);
    else if (!setting->direct)
        map_windows(task, windows, blocks, width, plane * VGG_BLOCK, (first + at) * VGG_BLOCK);
}

/* All rows of a unit for `blocks` neighbouring output blocks; k is the first of them. With a pool,
 * the tiles of two rows are computed one after the other. */
VGG_INLINE void forward_blocks(const vgg_conv_forward_task *task, tile_setting *setting,
                               size_t image, size_t first_row, size_t rows, size_t k, int blocks,
                               size_t step) {
    pool_window windows[TILE_BLOCKS];
    size_t side = task->pool ? 2 : 1;
    size_t width = task->shape.width / side, height = task->shape.height / side;
    size_t tiles = (width + TILE_PIXELS / side - 1) / (TILE_PIXELS / side);
    const float *w = task->packed + k * setting->weight_block;
    size_t plane = (image * vgg_blocks(task->shape.outputs) + k) * height * width;
    for (size_t row = first_row / side; row < (first_row + rows) / side; row++) {
        for (size_t i = 0; i < tiles; i++) {
            size_t begin = width * i / tiles, end = width * (i + 1) / tiles;
            float *to =
                task->y == NULL ? NULL : task->y + (plane + row * width + begin) * VGG_BLOCK;
            for (size_t r = 0; r < side; r++) {
                size_t patch_row = row * side + r - first_row;
                setting->share = patch_row == 0 ? setting->shares : patch_row - 1;
                const float *x = setting->patch->data +
                                 (patch_row * setting->patch->width + begin * side) * step;
                tile_of((end - begin) * side, setting, blocks, step, x, w, k * VGG_BLOCK,
                        setting->direct ? to : windows[0][r][0]);
            }
            finish_tile(setting, (const pool_window *)windows, image, k, blocks, end - begin,
                        row * width + begin, height * width);
        }
    }
}

#include "kernels/conv_map.h"

/* The first row of a small map reads the weights of its blocks from memory, the others from the
 * second-level cache: these fetch those of the next blocks meanwhile. */
static size_t fetching_rows(const vgg_conv_shape *shape, size_t rows) {
    size_t weights = shape->inputs * shape->outputs * shape->kernel * shape->kernel;
    return shape->plain || weights < LARGE_WEIGHTS || rows > MOST_FETCHING_ROWS ? 0 : rows - 1;
}

VGG_INLINE void forward_unit(const vgg_conv_forward_task *task, size_t unit, size_t worker,
                             size_t step) {
    const vgg_conv_shape *shape = &task->shape;
    const vgg_conv_partition *partition = &task->partition;
    size_t border = vgg_conv_border(shape), around = shape->kernel - 1;
    size_t in_height = vgg_conv_in_height(shape), in_width = vgg_conv_in_width(shape);
    size_t block_unit = unit % partition->block_units;
    size_t row_unit = unit / partition->block_units % partition->row_units;
    size_t image = unit / partition->block_units / partition->row_units;
    size_t first_row = row_unit * partition->rows;
    size_t rows = vgg_size_min(partition->rows, shape->height - first_row);
    size_t planes = step == 1 ? shape->inputs : vgg_blocks(shape->inputs);
    size_t k = block_unit * partition->blocks;
    size_t end = vgg_size_min(k + partition->blocks, vgg_blocks(shape->outputs));

    input_patch patch = {.data = task->scratch + worker * partition->scratch,
                         .planes = planes,
                         .rows = rows + around,
                         .width = shape->width + around,
                         .step = step};
    size_t inner = step == 1 ? shape->inputs : VGG_BLOCK;
    tile_setting setting = {.task = task,
                            .patch = &patch,
                            .kernel = shape->kernel,
                            .outer = step == 1 ? 1 : planes,
                            .inputs = shape->inputs,
                            .weight_block = (step == 1 ? 1 : planes) * inner * shape->kernel *
                                            shape->kernel * VGG_BLOCK,
                            .shares = fetching_rows(shape, rows),
                            .direct =
                                !task->pool && task->y_numbers == NULL && task->y_bf16 == NULL};
    setting.output_block = setting.direct ? shape->height * shape->width * VGG_BLOCK
                                          : sizeof(pool_window) / sizeof(float);
    const float *x = task->x + image * planes * in_height * in_width * step;
    if (step == VGG_BLOCK && rows == shape->height && map_blocks(&setting, x, image, k, end))
        return;
    fill_patch(&patch, x, first_row, in_height, in_width, border);
    for (; k + TILE_BLOCKS <= end; k += TILE_BLOCKS) {
        forward_blocks(task, &setting, image, first_row, rows, k, TILE_BLOCKS, step);
    }
    for (; k < end; k++) {
        forward_blocks(task, &setting, image, first_row, rows, k, 1, step);
    }
}

void VGG_TIERED(conv_forward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(conv_forward)(void *argument, size_t begin, size_t end, size_t worker) {
    const vgg_conv_forward_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        if (task->shape.plain)
            forward_unit(task, unit, worker, 1);
        else
            forward_unit(task, unit, worker, VGG_BLOCK);
    }
    vf_put_end(task->stream);
}
