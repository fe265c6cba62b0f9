/* The convolution with whole numbers of 8 bits and no transforms.
 *
 * A unit brings its input rows into a patch, [channels / 64][places][64], where a tap is the
 * distance to another place: numbers are copied, and floats rounded. The sums of some rows of
 * places wait in memory, [block of 16 output channels][places][16], until they are stored with all
 * that follows them, as floats or as the numbers that the next such layer reads. Compiled without
 * fused multiply-adds, so that every tier has the same bits. */
#include <string.h>

#include "kernels/int8_direct_products.h"
#include "kernels/int8_numbers.h"

/* ---- the patch ---- */

#define CHUNK_BLOCKS (VGG_INT8_CHUNK / VGG_BLOCK)

/* `width` places of a row of floats; there are no more than `blocks` in the chunk. */
static void round_row(const vgg_winograd_task *task, const float *from, size_t plane, size_t width,
                      size_t blocks, uint8_t *to) {
    const number_range range = range_of(&task->numbers);
    vf factor = vf_splat(task->numbers.factor);
    for (size_t block = 0; block < blocks; block++, from += plane) {
        for (size_t i = 0; i < width * BLOCK_VECTORS; i++) {
            vf value = vf_max(vf_load(from + i * VGG_LANES) * factor, range.least);
            put_numbers(&range,
                        to + i / BLOCK_VECTORS * PLACE_BYTES + block * VGG_BLOCK +
                            i % BLOCK_VECTORS * VGG_LANES,
                        value);
        }
    }
    size_t rest = (CHUNK_BLOCKS - blocks) * VGG_BLOCK;
    for (size_t i = 0; rest > 0 && i < width; i++) {
        memset(to + i * PLACE_BYTES + blocks * VGG_BLOCK, task->numbers.zero, rest);
    }
}

static void fill_row(const vgg_winograd_task *task, size_t image, size_t chunk, size_t y,
                     uint8_t *to) {
    const vgg_conv_shape *shape = &task->shape;
    size_t height = vgg_conv_in_height(shape), width = vgg_conv_in_width(shape);
    size_t border = vgg_conv_border(shape), blocks = vgg_blocks(shape->inputs);
    if (y >= height) {
        memset(to, task->numbers.zero, (border + width) * PLACE_BYTES);
        return;
    }
    memset(to, task->numbers.zero, border * PLACE_BYTES);
    to += border * PLACE_BYTES;
    if (task->x_numbers != NULL) {
        size_t plane = image * vgg_int8_chunks(shape->inputs) + chunk;
        memcpy(to, task->x_numbers + (plane * height + y) * width * PLACE_BYTES,
               width * PLACE_BYTES);
        return;
    }
    size_t first = chunk * CHUNK_BLOCKS, plane = height * width * VGG_BLOCK;
    round_row(task, task->x + (image * blocks + first) * plane + y * width * VGG_BLOCK, plane,
              width, vgg_size_min(CHUNK_BLOCKS, blocks - first), to);
}

static void fill_patch(const vgg_winograd_task *task, const batch_part *part, uint8_t *patch) {
    const vgg_direct_cut *cut = &task->partition.direct;
    size_t border = vgg_conv_border(&task->shape), rows = part->flat_rows + task->shape.kernel - 1;
    for (size_t chunk = 0; chunk < vgg_int8_chunks(task->shape.inputs); chunk++) {
        uint8_t *to = patch + chunk * cut->plane * PLACE_BYTES;
        for (size_t row = 0; row < rows; row++) {
            patch_row at = patch_row_of(part, cut, row);
            fill_row(task, at.image, chunk, at.y - border, to + row * cut->width * PLACE_BYTES);
        }
        size_t filled = rows * cut->width;
        memset(to + filled * PLACE_BYTES, task->numbers.zero, (cut->plane - filled) * PLACE_BYTES);
    }
}

/* ---- what sums go through ---- */

/* Of a block of output channels, and where its planes of an image are. */
typedef struct block_output {
    sum_vector begin[BLOCK_VECTORS];
    vf scale[BLOCK_VECTORS], shift[BLOCK_VECTORS];
    bool finite; /* all these are, so that no value is NaN */
    bool relu, stream;
    vf factor; /* of numbers */
    number_range range;
    float *y;
    uint8_t *numbers; /* of y, from the block's first channel on; NULL: y */
    size_t rest;      /* bytes behind the block that are to be the zero */
} block_output;

static bool is_finite(const vf *values) {
    bool finite = true;
    for (size_t v = 0; v < BLOCK_VECTORS; v++) {
        for (size_t i = 0; i < VGG_LANES; i++) {
            finite = finite && values[v][i] - values[v][i] == 0;
        }
    }
    return finite;
}

static block_output output_of(const vgg_winograd_task *task, size_t block) {
    const int32_t *ends = (const int32_t *)(const void *)task->filters +
                          (block / BLOCKS + 1) * task->partition.filter_point -
                          2 * VGG_WINOGRAD_GROUP + block % BLOCKS * VGG_BLOCK;
    block_output o = {.relu = task->relu,
                      .stream = task->stream,
                      .factor = vf_splat(task->y_form.factor),
                      .range = range_of(&task->y_form)};
    for (size_t v = 0; v < BLOCK_VECTORS; v++) {
        size_t channel = block * VGG_BLOCK + v * VGG_LANES;
        memcpy(&o.begin[v], ends + v * VGG_LANES, sizeof o.begin[v]);
        memcpy(&o.scale[v], ends + VGG_WINOGRAD_GROUP + v * VGG_LANES, sizeof o.scale[v]);
        o.shift[v] = task->bias == NULL ? (vf){0} : vf_load(task->bias + channel);
        if (task->scale == NULL)
            continue;
        vf scale = vf_load(task->scale + channel);
        o.scale[v] *= scale;
        o.shift[v] = o.shift[v] * scale + vf_load(task->shift + channel);
    }
    o.finite = is_finite(o.scale) && is_finite(o.shift);
    if (block + 1 == vgg_blocks(task->shape.outputs))
        o.rest = VGG_INT8_CHUNK - (block % CHUNK_BLOCKS + 1) * VGG_BLOCK;
    return o;
}

VGG_INLINE vf scaled(const block_output *o, const int32_t *sums, size_t v) {
    sum_vector sum;
    memcpy(&sum, sums + v * VGG_LANES, sizeof sum);
    return __builtin_convertvector(sum + o->begin[v], vf) * o->scale[v] + o->shift[v];
}

/* The greatest of a window, whose second row is `row` sums behind the first. */
VGG_INLINE vf pooled(const block_output *o, bool finite, const int32_t *top, size_t row, size_t v) {
    const int32_t *bottom = top + row;
    vf a = scaled(o, top, v), b = scaled(o, top + VGG_BLOCK, v);
    vf c = scaled(o, bottom, v), d = scaled(o, bottom + VGG_BLOCK, v);
    return finite ? vf_max(d, vf_max(c, vf_max(b, a))) : vf_pool(a, b, c, d);
}

VGG_INLINE void put_place(const block_output *o, bool numbers, size_t at, size_t v, vf value) {
    if (numbers)
        put_numbers(&o->range, o->numbers + at * PLACE_BYTES + v * VGG_LANES,
                    vf_max(value * o->factor, o->range.least));
    else
        vf_put(o->stream, o->y + at * VGG_BLOCK + v * VGG_LANES, o->relu ? vf_relu(value) : value);
}

/* A row of `width` places from `at` on, as numbers or as floats. */
VGG_INLINE void put_row(const block_output *o, bool numbers, const int32_t *sums, size_t width,
                        size_t at) {
    for (size_t i = 0; i < width; i++) {
        for (size_t v = 0; v < BLOCK_VECTORS; v++) {
            put_place(o, numbers, at + i, v, scaled(o, sums + i * VGG_BLOCK, v));
        }
    }
}

/* Two rows after 2x2 max-pooling. */
VGG_INLINE void put_windows(const block_output *o, bool numbers, bool finite, const int32_t *sums,
                            size_t row, size_t width, size_t at) {
    for (size_t i = 0; i < width; i++) {
        for (size_t v = 0; v < BLOCK_VECTORS; v++) {
            put_place(o, numbers, at + i, v, pooled(o, finite, sums + 2 * i * VGG_BLOCK, row, v));
        }
    }
}

/* A row of the output of an image, or of it after max-pooling; `step` sums are between two rows. */
static void store_output(const block_output *o, bool pool, const int32_t *sums, size_t step,
                         size_t width, size_t at) {
    bool numbers = o->numbers != NULL;
    if (pool && !o->finite)
        put_windows(o, numbers, false, sums, step, width, at);
    else if (pool && numbers)
        put_windows(o, true, true, sums, step, width, at);
    else if (pool)
        put_windows(o, false, true, sums, step, width, at);
    else if (numbers)
        put_row(o, true, sums, width, at);
    else
        put_row(o, false, sums, width, at);
    for (size_t i = 0; numbers && o->rest > 0 && i < width; i++) {
        memset(o->numbers + (at + i) * PLACE_BYTES + VGG_BLOCK, o->range.zero, o->rest);
    }
}

/* Stores a block's sums of `rows` rows of the patch from `first` on, of those that are rows of the
 * output. */
static void store_block(const vgg_winograd_task *task, const batch_part *part, size_t block,
                        size_t first, size_t rows, const int32_t *sums) {
    const vgg_conv_shape *shape = &task->shape;
    const vgg_direct_cut *cut = &task->partition.direct;
    size_t side = task->pool ? 2 : 1, height = shape->height / side, width = shape->width / side;
    size_t step = cut->width * VGG_BLOCK, pixels = height * width;
    block_output o = output_of(task, block);
    for (size_t row = 0; row < rows; row += side) {
        patch_row at = patch_row_of(part, cut, first + row);
        if (part->images > 1 && at.y >= height * side)
            row += cut->period - at.y - side; /* on to the next image */
        if (at.y / side >= height)
            continue;
        size_t plane = at.image * vgg_blocks(shape->outputs) + block;
        size_t chunk = at.image * vgg_int8_chunks(shape->outputs) + block / CHUNK_BLOCKS;
        if (task->y_numbers != NULL)
            o.numbers =
                task->y_numbers + chunk * pixels * PLACE_BYTES + block % CHUNK_BLOCKS * VGG_BLOCK;
        else
            o.y = task->y + plane * pixels * VGG_BLOCK;
        store_output(&o, task->pool, sums + row * step, step, width, at.y / side * width);
    }
}

/* ---- units ---- */

static void run_unit(const vgg_winograd_task *task, size_t index, float *scratch) {
    const vgg_conv_shape *shape = &task->shape;
    const vgg_winograd_partition *partition = &task->partition;
    const vgg_direct_cut *cut = &partition->direct;
    batch_part part = part_of(shape, cut, index / partition->group_units);
    size_t chunks = vgg_int8_chunks(shape->inputs);
    float *sums = scratch + chunks * cut->plane * (PLACE_BYTES / sizeof(float));
    size_t strip = vgg_size_min(cut->strip, part.flat_rows);
    size_t block = vgg_round_up(strip * cut->width, STEP) * VGG_BLOCK;
    distances d = distances_of(shape, cut, block);
    d.chunks = chunks;
    d.words = (shape->inputs + WORD_CHANNELS - 1) / WORD_CHANNELS;
    d.group = partition->filter_point * sizeof(float);
    fill_patch(task, &part, (uint8_t *)scratch);
    size_t blocks = vgg_blocks(shape->outputs), groups = (blocks + BLOCKS - 1) / BLOCKS;
    size_t begin = index % partition->group_units * partition->groups;
    for (size_t group = begin; group < vgg_size_min(begin + partition->groups, groups); group++) {
        for (size_t row = 0; row < part.flat_rows; row += strip) {
            size_t rows = vgg_size_min(strip, part.flat_rows - row);
            MULTIPLY_BARRIER;
            multiply_strip(&d, (const char *)task->filters + group * d.group,
                           (const char *)scratch + row * d.row,
                           (rows - 1) * cut->width + shape->width, BLOCKS * group + 1 == blocks,
                           (char *)sums);
            for (size_t b = 0; b < BLOCKS && BLOCKS * group + b < blocks; b++) {
                store_block(task, &part, BLOCKS * group + b, row, rows,
                            (const int32_t *)(const void *)(sums + b * block));
            }
        }
    }
}

void VGG_TIERED(int8_direct_forward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(int8_direct_forward)(void *argument, size_t begin, size_t end, size_t worker) {
    const vgg_winograd_task *task = argument;
    MULTIPLY_BEGIN;
    for (size_t unit = begin; unit < end; unit++) {
        run_unit(task, unit, task->scratch + worker * task->partition.scratch);
    }
    MULTIPLY_END;
    vf_put_end(task->stream && task->y_numbers == NULL);
}
