/* The gradient of the first layer's weights with operands of bfloat16 by AMX: 3x3 taps of few plain
 * channels.
 *
 * A register of sums is 16 taps of channels times 16 output channels. One operand is the input as
 * each of those taps sees it, [16 taps of channels][32 places], which lies so in the picture's rows
 * already; the other one is pairs of places of the gradient, [16 pairs][16 output channels][2]. A
 * row of places is filled up with places whose gradient is zero. A unit does a group of images,
 * some rows of one at a time. */
#include <string.h>

#include "kernels/amx_places.h"
#include "kernels/bias_gradient.h"

#define STEP VGG_PLAIN_STEP            /* places of a register */
#define SQUARE (VGG_BLOCK * VGG_BLOCK) /* sums of one */
#define TAPS 3                         /* in a row or a column */
#define ITEM sizeof(uint16_t)

/* Some rows of an image's output. */
typedef struct strip {
    size_t image, first, rows;
} strip;

static size_t seen_rows(const vgg_conv_shape *shape) {
    return shape->inputs * VGG_MOST_TAPS;
}

/* ---- input ---- */

/* A line: a row of the picture between zeros. */
static void fill_line(const float *row, size_t border, size_t width, size_t numbers, char *line) {
    memset(line, 0, numbers * ITEM);
    if (row == NULL)
        return;
    size_t column = 0;
    for (; column + VGG_LANES <= width; column += VGG_LANES) {
        vf_bf16_store(line + (border + column) * ITEM, vf_load(row + column));
    }
    char last[VGG_LANES * ITEM];
    vf_bf16_store(last, vf_load_some(VGG_ELEMENT_FLOAT32, row, column, width - column));
    memcpy(line + (border + column) * ITEM, last, (width - column) * ITEM);
}

/* The lines of all channels that the rows of a strip see, [inputs][rows + 2][numbers]. */
static void fill_lines(const vgg_winograd_weights_task *task, const strip *at, char *lines) {
    const vgg_conv_shape *shape = &task->shape;
    size_t height = vgg_conv_in_height(shape), width = vgg_conv_in_width(shape);
    size_t border = vgg_conv_border(shape), numbers = task->partition.direct.plane;
    for (size_t c = 0; c < shape->inputs; c++) {
        const float *plane = task->x + (at->image * shape->inputs + c) * height * width;
        for (size_t row = 0; row < at->rows + TAPS - 1; row++, lines += numbers * ITEM) {
            size_t y = at->first + row - border; /* may wrap around */
            fill_line(y < height ? plane + y * width : NULL, border, width, numbers, lines);
        }
    }
}

/* What all taps see of a strip, [steps][halves][16][32], whose rows beyond the last tap are zero.
 */
static void spread_lines(const vgg_winograd_weights_task *task, const strip *at, const char *lines,
                         char *to) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    size_t line = cut->direct.plane * ITEM, plane = (at->rows + TAPS - 1) * line;
    size_t halves = vgg_plain_halves(task->shape.inputs);
    for (size_t row = 0; row < at->rows; row++) {
        for (size_t place = 0; place < cut->direct.width; place += STEP, to += halves * AMX_BYTES) {
            const char *from = lines + row * line + place * ITEM;
            for (size_t i = 0; i < seen_rows(&task->shape); i++) {
                size_t tap = i % VGG_MOST_TAPS;
                memcpy(to + i * AMX_ROW_BYTES,
                       from + i / VGG_MOST_TAPS * plane + tap / TAPS * line + tap % TAPS * ITEM,
                       AMX_ROW_BYTES);
            }
        }
    }
}

/* ---- gradient ---- */

/* The pairs of a row's places, and zeros; returns the sum. */
VGG_INLINE vf put_pairs(const map_row *from, bool spread, size_t places, char *to) {
    vf sum = {0};
    size_t pair = 0;
    for (; 2 * pair + 2 <= from->places; pair++) {
        sum += map_value(from, spread, 2 * pair);
        sum += map_value(from, spread, 2 * pair + 1);
        __m512i both = paired_numbers(map_number(from, spread, 2 * pair),
                                      map_number(from, spread, 2 * pair + 1));
        _mm512_store_si512(to + pair * AMX_ROW_BYTES, both);
    }
    if (2 * pair < from->places) {
        sum += map_value(from, spread, 2 * pair);
        __m512i last = paired_numbers(map_number(from, spread, 2 * pair), _mm256_setzero_si256());
        _mm512_store_si512(to + pair * AMX_ROW_BYTES, last);
        pair++;
    }
    memset(to + pair * AMX_ROW_BYTES, 0, (places / 2 - pair) * AMX_ROW_BYTES);
    return sum;
}

/* Those of a block of output channels of a strip, [steps][16][16][2]; adds its values to bias. */
static void fill_gradient(const vgg_winograd_weights_task *task, const strip *at, size_t block,
                          char *to, float *bias) {
    const vgg_conv_shape *shape = &task->shape;
    size_t places = task->partition.direct.width;
    size_t plane = at->image * vgg_blocks(shape->outputs) + block;
    batch_maps maps = {task->dy, task->dy_bf16, task->spread, shape->height, shape->width};
    for (size_t row = 0; row < at->rows; row++, to += places / 2 * AMX_ROW_BYTES) {
        map_row from = map_row_at(&maps, plane, at->first + row);
        vf sum = task->spread != NULL ? put_pairs(&from, true, places, to)
                                      : put_pairs(&from, false, places, to);
        vf_store(bias, vf_load(bias) + sum);
    }
}

/* ---- products ---- */

/* sums[halves][16][16] += the products of some steps. */
VGG_INLINE void multiply(const char *x, const char *d, size_t steps, bool both, float *sums) {
    AMX_LOAD(0, sums, AMX_ROW_BYTES);
    if (both)
        AMX_LOAD(1, sums + SQUARE, AMX_ROW_BYTES);
    for (size_t step = 0; step < steps; step++, d += AMX_BYTES) {
        AMX_LOAD(6, d, AMX_ROW_BYTES);
        AMX_LOAD(4, x, AMX_ROW_BYTES);
        AMX_BF16(0, 4, 6);
        x += AMX_BYTES;
        if (both) {
            AMX_LOAD(5, x, AMX_ROW_BYTES);
            AMX_BF16(1, 5, 6);
            x += AMX_BYTES;
        }
    }
    AMX_STORE(0, sums, AMX_ROW_BYTES);
    if (both)
        AMX_STORE(1, sums + SQUARE, AMX_ROW_BYTES);
}

/* ---- results ---- */

/* dweights of a block of output channels from sums[taps of channels][16 k]. */
static void write_block(const vgg_winograd_weights_task *task, const float *sums, size_t block) {
    size_t count = seen_rows(&task->shape), first = block * VGG_BLOCK;
    size_t end = vgg_size_min(first + VGG_BLOCK, task->shape.outputs);
    for (size_t k = first; k < end; k++) {
        for (size_t i = 0; i < count; i++) {
            float *to = task->dweights + k * count + i, sum = sums[i * VGG_BLOCK + k - first];
            *to = task->accumulate ? *to + sum : sum;
        }
    }
}

/* Where a worker's operands, sums and bias sums begin. */
typedef struct memory {
    char *lines, *x, *d;
    float *sums, *bias;
} memory;

static memory memory_of(const vgg_winograd_weights_task *task, size_t worker) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    float *x = task->scratch + worker * cut->scratch;
    memory m = {.x = (char *)x,
                .d = (char *)(x + cut->input_point),
                .sums = x + cut->input_point + cut->gradient_point};
    m.bias = m.sums + cut->k_blocks * cut->sum_point;
    m.lines = (char *)(m.bias + cut->k_blocks * VGG_BLOCK);
    return m;
}

static void add_strip(const vgg_winograd_weights_task *task, const strip *at, const memory *m) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    size_t steps = at->rows * cut->direct.width / STEP;
    bool both = vgg_plain_halves(task->shape.inputs) > 1;
    fill_lines(task, at, m->lines);
    spread_lines(task, at, m->lines, m->x);
    for (size_t k = 0; k < cut->k_blocks; k++) {
        fill_gradient(task, at, k, m->d, m->bias + k * VGG_BLOCK);
        amx_barrier();
        if (both)
            multiply(m->x, m->d, steps, true, m->sums + k * cut->sum_point);
        else
            multiply(m->x, m->d, steps, false, m->sums + k * cut->sum_point);
    }
}

static void write_unit(const vgg_winograd_weights_task *task, size_t group, const memory *m) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    size_t sums = cut->k_blocks * cut->sum_point, bias = cut->k_blocks * VGG_BLOCK;
    if (cut->groups > 1) {
        memcpy(task->sums + group * sums, m->sums, sums * sizeof *m->sums);
        memcpy(task->bias_sums + group * bias, m->bias, bias * sizeof *m->bias);
        return;
    }
    for (size_t k = 0; k < cut->k_blocks; k++) {
        write_block(task, m->sums + k * cut->sum_point, k);
        write_bias_gradient(task, m->bias + k * VGG_BLOCK, 0, k);
    }
}

static void run_unit(const vgg_winograd_weights_task *task, size_t group, const memory *m) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    const vgg_conv_shape *shape = &task->shape;
    memset(m->x, 0, cut->input_point * sizeof(float));
    memset(m->sums, 0, cut->k_blocks * (cut->sum_point + VGG_BLOCK) * sizeof(float));
    size_t begin = shape->images * group / cut->groups;
    for (size_t n = begin; n < shape->images * (group + 1) / cut->groups; n++) {
        for (size_t row = 0; row < shape->height; row += cut->direct.rows) {
            size_t rows = vgg_size_min(cut->direct.rows, shape->height - row);
            add_strip(task, &(strip){n, row, rows}, m);
        }
    }
    write_unit(task, group, m);
}

void VGG_TIERED(plain_weights)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(plain_weights)(void *argument, size_t begin, size_t end, size_t worker) {
    const vgg_winograd_weights_task *task = argument;
    memory m = memory_of(task, worker);
    amx_begin();
    for (size_t group = begin; group < end; group++) {
        run_unit(task, group, &m);
    }
    amx_end();
}

void VGG_TIERED(plain_weights_finish)(void *argument, size_t begin, size_t end, size_t worker);

/* Adds the groups' sums in order. */
void VGG_TIERED(plain_weights_finish)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_weights_task *task = argument;
    const vgg_winograd_weights_partition *cut = &task->partition;
    for (size_t k = begin; k < end; k++) {
        float total[2 * SQUARE] = {0};
        for (size_t group = 0; group < cut->groups; group++) {
            const float *from = task->sums + (group * cut->k_blocks + k) * cut->sum_point;
            for (size_t i = 0; i < cut->sum_point; i += VGG_LANES) {
                vf_store(total + i, vf_load(total + i) + vf_load(from + i));
            }
        }
        write_block(task, total, k);
        write_bias_gradient(task, task->bias_sums + k * VGG_BLOCK, cut->k_blocks * VGG_BLOCK, k);
    }
}
