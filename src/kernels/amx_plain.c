/* The first layer's convolution with operands of bfloat16 by AMX: 3x3 taps of few plain channels.
 *
 * A row of an operand is all that an output reads, so that a product of two registers is the whole
 * sum. It is made once for a row of outputs: a line has for each column of the input, with its
 * border, the values of all channels in the three rows that taps reach, and the row of the operand
 * that belongs to place x begins with column x and ends with column x + 2, so that neighbours share
 * memory.
 *
 * Each operand is two numbers of bfloat16, rounded and what rounding left, and a sum that of three
 * products, all but that of the two rests: pictures are smooth, and a first layer may enlarge small
 * differences of neighbours many times, as one that whitens does. */
#include <string.h>

#include "kernels/amx_output.h"
#include "kernels/winograd_words.h"

#define ROWS 2 /* of the output that are made together, for a max-pool */
#define TAPS 3 /* in a row or a column */
#define ITEM sizeof(uint16_t)
#define PARTS 2                                  /* of a number: rounded, and what rounding left */
#define FILTER_BYTES ((size_t)PARTS * AMX_BYTES) /* of a block */

/* What rounding to bfloat16 leaves. */
VGG_INLINE vf rest_of(vf value) {
    return value - (vf)vf_bf16(value);
}

/* ---- filters ---- */

VGG_INLINE void gather(const vgg_winograd_task *task, size_t first_k, float (*taps)[GROUP]) {
    size_t channels = task->shape.inputs, column = vgg_plain_column(channels);
    size_t bytes = vgg_element_bytes(task->element), count = channels * VGG_MOST_TAPS;
    size_t end = vgg_size_min(first_k + GROUP, task->shape.outputs);
    for (size_t k = first_k; k < end; k++) {
        float values[VGG_PLAIN_CHANNELS * VGG_MOST_TAPS];
        vgg_elements_to_float(
            task->element, (const unsigned char *)task->weights + k * count * bytes, count, values);
        for (size_t i = 0; i < count; i++) {
            taps[i % TAPS * column + i / TAPS][k - first_k] = values[i];
        }
    }
}

void VGG_TIERED(plain_filters)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(plain_filters)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_task *task = argument;
    for (size_t group = begin; group < end; group++) {
        float taps[2 * AMX_ROWS][GROUP] = {{0}};
        gather(task, group * GROUP, taps);
        word *to = (word *)task->filters + group * BLOCKS * (FILTER_BYTES / sizeof *to);
        for (size_t k = 0; k < GROUP; k += VGG_LANES, to += FILTER_BYTES / sizeof *to) {
            for (size_t pair = 0; pair < AMX_ROWS; pair++) {
                vf even = vf_load(&taps[2 * pair][k]), odd = vf_load(&taps[2 * pair + 1][k]);
                word *row = to + pair * (AMX_ROW_BYTES / sizeof *row);
                operand_store(row, operand_of(even, odd));
                operand_store(row + AMX_BYTES / sizeof *row,
                              operand_of(rest_of(even), rest_of(odd)));
            }
        }
    }
}

/* ---- lines ---- */

/* VGG_LANES values of a row of a picture from a column on, which may have wrapped around below 0;
 * zeros beyond it. */
VGG_INLINE vf load_columns(const float *row, size_t column, size_t width) {
    if (column + VGG_LANES <= width && column < width)
        return vf_load(row + column);
    unsigned lanes = 0;
    for (unsigned i = 0; i < VGG_LANES; i++) {
        lanes |= (column + i < width ? 1u : 0u) << i;
    }
    size_t first = column < width ? column : 0;
    return (vf)_mm512_maskz_expandloadu_ps((__mmask16)lanes, row + first);
}

/* The line of row y of an image's output, and behind it that of the rests, so many bytes on. */
static void fill_line(const vgg_winograd_task *task, size_t image, size_t y, char *line,
                      size_t rests) {
    const vgg_conv_shape *shape = &task->shape;
    size_t height = vgg_conv_in_height(shape), width = vgg_conv_in_width(shape);
    size_t border = vgg_conv_border(shape), column = vgg_plain_column(shape->inputs);
    const float *plane = task->x + image * shape->inputs * height * width;
    for (size_t x = 0; x < task->partition.direct.plane; x += VGG_LANES) {
        vf values[VGG_LANES] = {{0}};
        for (size_t i = 0; i < shape->inputs * TAPS; i++) {
            size_t row = y + i % TAPS - border; /* may wrap around */
            if (row < height)
                values[i] =
                    load_columns(plane + (i / TAPS * height + row) * width, x - border, width);
        }
        vf_transpose(values);
        VGG_UNROLL
        for (size_t i = 0; i < VGG_LANES; i++) {
            /* What is beyond the column is zero, and the next one's. */
            char *to = line + (x + i) * column * ITEM;
            vf_bf16_store(to, values[i]);
            vf_bf16_store(to + rests, rest_of(values[i]));
        }
    }
}

/* ---- products ---- */

/* sums[block][places][16] of one block of outputs, or both. */
VGG_INLINE void multiply_line(const char *line, size_t rests, size_t stride, const char *filters,
                              size_t places, bool both, char *sums, size_t apart) {
    AMX_LOAD(2, filters, AMX_ROW_BYTES);
    AMX_LOAD(3, filters + AMX_BYTES, AMX_ROW_BYTES);
    if (both) {
        AMX_LOAD(4, filters + FILTER_BYTES, AMX_ROW_BYTES);
        AMX_LOAD(5, filters + FILTER_BYTES + AMX_BYTES, AMX_ROW_BYTES);
    }
    for (size_t place = 0; place < places; place += AMX_ROWS, sums += AMX_BYTES) {
        AMX_LOAD(6, line + place * stride, stride);
        AMX_LOAD(7, line + place * stride + rests, stride);
        AMX_ZERO(0);
        AMX_BF16(0, 6, 2);
        AMX_BF16(0, 7, 2);
        AMX_BF16(0, 6, 3);
        AMX_STORE(0, sums, AMX_ROW_BYTES);
        if (both) {
            AMX_ZERO(1);
            AMX_BF16(1, 6, 4);
            AMX_BF16(1, 7, 4);
            AMX_BF16(1, 6, 5);
            AMX_STORE(1, sums + apart, AMX_ROW_BYTES);
        }
    }
}

/* ---- units ---- */

/* Some rows of an output, and the sums of a group of channels. */
static void run_rows(const vgg_winograd_task *task, const batch_part *part, size_t first,
                     size_t rows, float *scratch) {
    const vgg_direct_cut *cut = &task->partition.direct;
    size_t stride = vgg_plain_column(task->shape.inputs) * ITEM;
    size_t line = vgg_plain_line(&task->shape, cut), block = ROWS * cut->width * VGG_BLOCK;
    size_t rests = line * sizeof(float);
    float *sums = scratch + ROWS * PARTS * line;
    for (size_t row = 0; row < rows; row++) {
        fill_line(task, part->image, part->first_row + first + row,
                  (char *)(scratch + row * PARTS * line), rests);
    }
    amx_barrier();
    size_t blocks = vgg_blocks(task->shape.outputs);
    for (size_t b = 0; b < blocks; b += BLOCKS) {
        const char *filters = (const char *)task->filters + b * FILTER_BYTES;
        bool both = b + 1 < blocks;
        for (size_t row = 0; row < rows; row++) {
            const char *from = (const char *)(scratch + row * PARTS * line);
            char *to = (char *)(sums + row * cut->width * VGG_BLOCK);
            if (both)
                multiply_line(from, rests, stride, filters, cut->width, true, to,
                              block * sizeof(float));
            else
                multiply_line(from, rests, stride, filters, cut->width, false, to, 0);
        }
        store_block(task, part, b, first, rows, sums);
        if (both)
            store_block(task, part, b + 1, first, rows, sums + block);
    }
}

/* The rows of operands are as long as three columns, and there are as many pairs of filters. */
static void begin_lines(size_t channels) {
    amx_config config = amx_full();
    size_t words = TAPS * vgg_plain_column(channels) * ITEM / sizeof(word);
    config.row_bytes[6] = config.row_bytes[7] = (uint16_t)(words * sizeof(word));
    config.rows[2] = config.rows[3] = config.rows[4] = config.rows[5] = (uint8_t)words;
    amx_configure(&config);
}

void VGG_TIERED(plain_forward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(plain_forward)(void *argument, size_t begin, size_t end, size_t worker) {
    const vgg_winograd_task *task = argument;
    begin_lines(task->shape.inputs);
    for (size_t unit = begin; unit < end; unit++) {
        batch_part part = part_of(&task->shape, &task->partition.direct, unit);
        for (size_t row = 0; row < part.rows; row += ROWS) {
            run_rows(task, &part, row, vgg_size_min(ROWS, part.rows - row),
                     task->scratch + worker * task->partition.scratch);
        }
    }
    amx_end();
    vf_put_end(task->stream);
}
