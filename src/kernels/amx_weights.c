/* The gradient of the weights of a convolution with operands of bfloat16 by AMX.
 *
 * A register of sums is 16 output channels times 16 input channels of a tap. Its operands are the
 * gradient, [16 output channels][32 places], and pairs of places of the input, [16 pairs][16 input
 * channels][2]. A tap is a distance between places of the patch, of which a unit has two copies:
 * pairs that begin with even places, and with odd ones. Both operands count through the places of
 * the patch; where the gradient has none it is zero. */
#include <string.h>

#include "kernels/amx_weights_across.h"
#include "kernels/bias_gradient.h"

#define STEP (2 * AMX_ROWS)            /* places of a register */
#define SQUARE (VGG_BLOCK * VGG_BLOCK) /* sums of one */

/* What a unit works on: its channel blocks and its parts of the batch. */
typedef struct share {
    size_t first_k, k_blocks, first_c, c_blocks;
    size_t group, begin, end;
} share;

static share share_of(const vgg_winograd_weights_task *task, size_t unit) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    size_t c = unit % cut->c_units, k = unit / cut->c_units % cut->k_units;
    share own = {.first_k = k * cut->k_blocks,
                 .first_c = c * cut->c_blocks,
                 .group = unit / cut->c_units / cut->k_units};
    own.k_blocks = vgg_size_min(cut->k_blocks, vgg_blocks(task->shape.outputs) - own.first_k);
    own.c_blocks = vgg_size_min(cut->c_blocks, vgg_blocks(task->shape.inputs) - own.first_c);
    own.begin = cut->direct.parts * own.group / cut->groups;
    own.end = cut->direct.parts * (own.group + 1) / cut->groups;
    return own;
}

/* ---- input ---- */

/* Where the next place goes, in pairs with the one before it. */
typedef struct pair_writer {
    char *even, *odd; /* pairs that begin with an even place, and with an odd one */
    size_t place;
    __m256i last;
} pair_writer;

/* The first place of all is the second of no pair, and is put at the end of the even ones, which
 * are written last. */
VGG_INLINE void put_place(pair_writer *to, __m256i value) {
    char *at = to->place % 2 == 1 ? to->even : to->odd - AMX_ROW_BYTES;
    _mm512_store_si512(at + to->place / 2 * AMX_ROW_BYTES, paired_numbers(to->last, value));
    to->last = value;
    to->place++;
}

static void put_zeros(pair_writer *to, size_t count) {
    for (size_t i = 0; i < count; i++) {
        put_place(to, _mm256_setzero_si256());
    }
}

/* Both copies of a block of input channels. */
static void fill_input(const vgg_winograd_weights_task *task, const batch_part *part, size_t block,
                       float *copies) {
    const vgg_conv_shape *shape = &task->shape;
    const vgg_direct_cut *cut = &task->partition.direct;
    batch_maps maps = {.values = task->x,
                       .numbers = task->x_bf16,
                       .height = vgg_conv_in_height(shape),
                       .width = vgg_conv_in_width(shape)};
    size_t border = vgg_conv_border(shape), blocks = vgg_blocks(shape->inputs);
    pair_writer to = {.even = (char *)copies,
                      .odd = (char *)copies + cut->plane / 2 * AMX_ROW_BYTES};
    for (size_t row = 0; row < part->flat_rows + shape->kernel - 1; row++) {
        patch_row at = patch_row_of(part, cut, row);
        map_row from = map_row_at(&maps, at.image * blocks + block, at.y - border);
        put_zeros(&to, cut->width - from.places);
        for (size_t place = 0; place < from.places; place++) {
            put_place(&to, map_number(&from, false, place));
        }
    }
    put_zeros(&to, cut->plane - to.place);
}

/* ---- gradient ---- */

/* Places of a block of output channels until they fill a register. */
typedef struct register_writer {
    __m256i places[STEP];
    size_t count;
    char *to;
} register_writer;

static void put_register(register_writer *w) {
    vf pairs[VGG_LANES];
    VGG_UNROLL
    for (int pair = 0; pair < VGG_LANES; pair++) {
        pairs[pair] = (vf)paired_numbers(w->places[2 * pair], w->places[2 * pair + 1]);
    }
    vf_transpose(pairs);
    memcpy(w->to, pairs, sizeof pairs);
    w->to += AMX_BYTES;
    w->count = 0;
}

VGG_INLINE void put_gradient(register_writer *w, __m256i value) {
    w->places[w->count++] = value;
    if (w->count == STEP)
        put_register(w);
}

/* A row of the gradient and the zeros behind it; returns the sum. */
VGG_INLINE vf put_places(register_writer *w, const map_row *from, bool spread, size_t width) {
    vf sum = {0};
    for (size_t place = 0; place < from->places; place++) {
        sum += map_value(from, spread, place);
        put_gradient(w, map_number(from, spread, place));
    }
    for (size_t place = from->places; place < width; place++) {
        put_gradient(w, _mm256_setzero_si256());
    }
    return sum;
}

/* A block of output channels; returns the number of registers. Adds its values to bias. */
static size_t fill_gradient(const vgg_winograd_weights_task *task, const batch_part *part,
                            size_t block, float *registers, float *bias) {
    const vgg_conv_shape *shape = &task->shape;
    const vgg_direct_cut *cut = &task->partition.direct;
    size_t blocks = vgg_blocks(shape->outputs);
    batch_maps maps = {task->dy, task->dy_bf16, task->spread, shape->height, shape->width};
    register_writer to = {.to = (char *)registers};
    for (size_t row = 0; row < part->flat_rows; row++) {
        patch_row at = patch_row_of(part, cut, row);
        map_row from = map_row_at(&maps, at.image * blocks + block, at.y);
        vf sum = task->spread != NULL ? put_places(&to, &from, true, cut->width)
                                      : put_places(&to, &from, false, cut->width);
        vf_store(bias, vf_load(bias) + sum);
    }
    while (to.count > 0) {
        put_gradient(&to, _mm256_setzero_si256());
    }
    return (size_t)(to.to - (char *)registers) / AMX_BYTES;
}

/* ---- products ---- */

/* One step of the products of some taps: x[tap] is where their pairs begin. */
#define TAP(tap, pairs)                                                                            \
    AMX_LOAD(pairs, x[tap], AMX_ROW_BYTES);                                                        \
    AMX_BF16(tap, 5, pairs);                                                                       \
    x[tap] += AMX_BYTES;

/* sums[taps][16][16] += the products of one, four or five taps. */
VGG_INLINE void multiply(const char *d, const char **x, size_t taps, size_t steps, float *sums) {
    AMX_LOAD(0, sums, AMX_ROW_BYTES);
    if (taps > 1) {
        AMX_LOAD(1, sums + SQUARE, AMX_ROW_BYTES);
        AMX_LOAD(2, sums + 2 * SQUARE, AMX_ROW_BYTES);
        AMX_LOAD(3, sums + 3 * SQUARE, AMX_ROW_BYTES);
    }
    if (taps > 4)
        AMX_LOAD(4, sums + 4 * SQUARE, AMX_ROW_BYTES);
    for (size_t step = 0; step < steps; step++, d += AMX_BYTES) {
        AMX_LOAD(5, d, AMX_ROW_BYTES);
        TAP(0, 6)
        if (taps > 1) {
            TAP(1, 7)
            TAP(2, 6)
            TAP(3, 7)
        }
        if (taps > 4) {
            TAP(4, 6)
        }
    }
    AMX_STORE(0, sums, AMX_ROW_BYTES);
    if (taps > 1) {
        AMX_STORE(1, sums + SQUARE, AMX_ROW_BYTES);
        AMX_STORE(2, sums + 2 * SQUARE, AMX_ROW_BYTES);
        AMX_STORE(3, sums + 3 * SQUARE, AMX_ROW_BYTES);
    }
    if (taps > 4)
        AMX_STORE(4, sums + 4 * SQUARE, AMX_ROW_BYTES);
}

/* All taps of two blocks: d is one's registers, x the other's copies. */
static void multiply_square(const vgg_winograd_weights_task *task, const float *d, const float *x,
                            size_t steps, float *sums) {
    const vgg_direct_cut *cut = &task->partition.direct;
    const char *taps[VGG_MOST_TAPS];
    size_t kernel = task->shape.kernel;
    for (size_t tap = 0; tap < kernel * kernel; tap++) {
        size_t away = tap / kernel * cut->width + tap % kernel;
        const char *copy = (const char *)x + (away % 2) * (cut->plane / 2) * AMX_ROW_BYTES;
        taps[tap] = copy + away / 2 * AMX_ROW_BYTES;
    }
    if (kernel == 1) {
        multiply((const char *)d, taps, 1, steps, sums);
        return;
    }
    multiply((const char *)d, taps, 5, steps, sums);
    multiply((const char *)d, taps + 5, 4, steps, sums + 5 * SQUARE);
}

/* ---- results ---- */

/* Writes the first `count` of some neighbouring gradients, or adds them. */
VGG_INLINE void write_some(float *to, vf value, size_t count, bool accumulate) {
    __mmask16 lanes = (__mmask16)((1u << vgg_size_min(count, VGG_LANES)) - 1);
    if (accumulate)
        value += (vf)_mm512_maskz_loadu_ps(lanes, to);
    _mm512_mask_storeu_ps(to, lanes, (__m512)value);
}

/* dweights of two blocks of channels from their sums [taps][16 k][16 c]: as [16 c][taps][16 k], and
 * then a row of it for each output channel. */
static void write_square(const vgg_winograd_weights_task *task, const float *sums, size_t k_block,
                         size_t c_block) {
    const vgg_conv_shape *shape = &task->shape;
    size_t taps = shape->kernel * shape->kernel, c = c_block * VGG_BLOCK;
    size_t count = vgg_size_min(VGG_BLOCK, shape->inputs - c) * taps;
    size_t first = k_block * VGG_BLOCK, end = vgg_size_min(first + VGG_BLOCK, shape->outputs);
    vf values[VGG_BLOCK * VGG_MOST_TAPS];
    for (size_t tap = 0; tap < taps; tap++) {
        vf rows[VGG_LANES];
        memcpy(rows, sums + tap * SQUARE, sizeof rows);
        vf_transpose(rows);
        for (size_t i = 0; i < VGG_BLOCK; i++) {
            values[i * taps + tap] = rows[i];
        }
    }
    for (size_t i = 0; i < count; i += VGG_LANES) {
        vf rows[VGG_LANES];
        memcpy(rows, values + i, sizeof rows);
        vf_transpose(rows);
        for (size_t k = first; k < end; k++) {
            write_some(task->dweights + (k * shape->inputs + c) * taps + i, rows[k - first],
                       count - i, task->accumulate);
        }
    }
}

/* Floats of the sums of a unit, [k_blocks][c_blocks][taps][16 k][16 c]. */
static size_t unit_sums(const vgg_winograd_weights_task *task) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    return cut->k_blocks * cut->c_blocks * SQUARE * task->shape.kernel * task->shape.kernel;
}

/* What a unit's sums become: gradients, or, where it has not all parts, its share of them. */
static void write_unit(const vgg_winograd_weights_task *task, size_t unit, const share *own,
                       const float *sums, const float *bias) {
    size_t square = SQUARE * task->shape.kernel * task->shape.kernel;
    size_t squares = own->k_blocks * own->c_blocks, blocks = vgg_blocks(task->shape.outputs);
    if (task->partition.groups > 1) {
        memcpy(task->sums + unit * unit_sums(task), sums, squares * square * sizeof *sums);
        if (own->first_c == 0)
            memcpy(task->bias_sums + (own->group * blocks + own->first_k) * VGG_BLOCK, bias,
                   own->k_blocks * VGG_BLOCK * sizeof *bias);
        return;
    }
    for (size_t i = 0; i < squares; i++) {
        write_square(task, sums + i * square, own->first_k + i / own->c_blocks,
                     own->first_c + i % own->c_blocks);
    }
    for (size_t k = 0; own->first_c == 0 && k < own->k_blocks; k++) {
        write_bias_gradient(task, bias + k * VGG_BLOCK, 0, own->first_k + k);
    }
}

/* ---- units ---- */

/* The operands of a part, and its products added to the sums. */
static void add_part(const vgg_winograd_weights_task *task, const share *own, size_t index,
                     float *scratch, float *sums, float *bias) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    batch_part part = part_of(&task->shape, &cut->direct, index);
    float *x = scratch, *d = scratch + cut->c_blocks * cut->input_point;
    size_t square = SQUARE * task->shape.kernel * task->shape.kernel, steps = 0;
    for (size_t c = 0; c < own->c_blocks; c++) {
        fill_input(task, &part, own->first_c + c, x + c * cut->input_point);
    }
    for (size_t k = 0; k < own->k_blocks; k++) {
        steps = fill_gradient(task, &part, own->first_k + k, d + k * cut->gradient_point,
                              bias + k * VGG_BLOCK);
    }
    amx_barrier();
    for (size_t c = 0; c < own->c_blocks; c++) {
        for (size_t k = 0; k < own->k_blocks; k++) {
            multiply_square(task, d + k * cut->gradient_point, x + c * cut->input_point, steps,
                            sums + (k * own->c_blocks + c) * square);
        }
    }
}

/* The same across images. */
static void add_across(const vgg_winograd_weights_task *task, const share *own, size_t index,
                       float *scratch, float *sums, float *bias) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    const vgg_conv_shape *shape = &task->shape;
    batch_part part = part_of(shape, &cut->direct, index);
    float *x = scratch, *d = scratch + cut->c_blocks * cut->input_point;
    size_t steps = (part.images + ACROSS_STEP - 1) / ACROSS_STEP;
    across_taps taps;
    find_taps(shape, &taps);
    for (size_t c = 0; c < own->c_blocks; c++) {
        fill_input_across(task, &part, own->first_c + c, x + c * cut->input_point);
    }
    for (size_t k = 0; k < own->k_blocks; k++) {
        fill_gradient_across(task, &part, own->first_k + k, d + k * cut->gradient_point,
                             bias + k * VGG_BLOCK);
    }
    amx_barrier();
    for (size_t i = 0; i < own->c_blocks * own->k_blocks; i++, sums += SQUARE * VGG_MOST_TAPS) {
        const char *from = (const char *)(x + i % own->c_blocks * cut->input_point);
        const char *gradient = (const char *)(d + i / own->c_blocks * cut->gradient_point);
        multiply_across(shape, &taps, 0, true, gradient, from, steps, sums);
        multiply_across(shape, &taps, 5, false, gradient, from, steps, sums + 5 * SQUARE);
    }
}

void VGG_TIERED(direct_weights)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(direct_weights)(void *argument, size_t begin, size_t end, size_t worker) {
    const vgg_winograd_weights_task *task = argument;
    const vgg_winograd_weights_partition *cut = &task->partition;
    float *scratch = task->scratch + worker * cut->scratch;
    float *bias = scratch + cut->c_blocks * cut->input_point + cut->k_blocks * cut->gradient_point;
    float *sums = bias + cut->k_blocks * VGG_BLOCK;
    amx_begin();
    for (size_t unit = begin; unit < end; unit++) {
        share own = share_of(task, unit);
        memset(bias, 0, own.k_blocks * VGG_BLOCK * sizeof *bias);
        memset(sums, 0, unit_sums(task) * sizeof *sums);
        for (size_t part = own.begin; part < own.end; part++) {
            if (cut->direct.across)
                add_across(task, &own, part, scratch, sums, bias);
            else
                add_part(task, &own, part, scratch, sums, bias);
        }
        write_unit(task, unit, &own, sums, bias);
    }
    amx_end();
}

void VGG_TIERED(direct_weights_finish)(void *argument, size_t begin, size_t end, size_t worker);

/* Adds the groups' sums in order. */
void VGG_TIERED(direct_weights_finish)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_weights_task *task = argument;
    const vgg_winograd_weights_partition *cut = &task->partition;
    size_t c_blocks = vgg_blocks(task->shape.inputs), k_blocks = vgg_blocks(task->shape.outputs);
    size_t square = SQUARE * task->shape.kernel * task->shape.kernel;
    for (size_t index = begin; index < end; index++) {
        size_t c = index % c_blocks, k = index / c_blocks;
        size_t owner = k / cut->k_blocks * cut->c_units + c / cut->c_blocks;
        share own = share_of(task, owner);
        size_t place = (k - own.first_k) * own.c_blocks + c - own.first_c;
        float total[SQUARE * VGG_MOST_TAPS];
        memcpy(total, task->sums + owner * unit_sums(task) + place * square,
               square * sizeof *total);
        for (size_t group = 1; group < cut->groups; group++) {
            size_t unit = group * cut->k_units * cut->c_units + owner;
            const float *from = task->sums + unit * unit_sums(task) + place * square;
            for (size_t i = 0; i < square; i += VGG_LANES) {
                vf_store(total + i, vf_load(total + i) + vf_load(from + i));
            }
        }
        write_square(task, total, k, c);
        if (c == 0)
            write_bias_gradient(task, task->bias_sums + k * VGG_BLOCK, k_blocks * VGG_BLOCK, k);
    }
}
