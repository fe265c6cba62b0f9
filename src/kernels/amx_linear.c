/* Linear layers with operands of bfloat16 by AMX.
 *
 * A register of sums is 16 outputs times 16 images. One operand is rows of the weights, straight
 * from where they lie, whatever they are stored in; the other one is the input, which is rounded
 * and brought into pairs once for all outputs. A unit rounds some runs of its weights at a time,
 * and multiplies them with all images while they are in the first-level cache. */
#include <string.h>

#include "kernels/amx.h"

#define HALVES (VGG_LINEAR_OUTPUTS / AMX_ROWS) /* registers of outputs of a unit */
#define RUN_BYTES (HALVES * AMX_BYTES)         /* of its weights of a run */
#define RUNS 16                                /* that are rounded at once */
#define GROUPS 8                               /* of images whose sums wait meanwhile */

/* ---- input ---- */

/* Two vectors of neighbours, rounded. */
VGG_INLINE void round_pair(vf low, vf high, void *to) {
    __m512bh both = _mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
    memcpy(to, &both, sizeof both);
}

VGG_INLINE void round_run(vgg_element element, const void *from, size_t index, size_t count,
                          void *to) {
    if (count >= VGG_LINEAR_RUN && element == VGG_ELEMENT_BFLOAT16) {
        memcpy(to, (const uint16_t *)from + index, AMX_ROW_BYTES);
        return;
    }
    if (count >= VGG_LINEAR_RUN) {
        round_pair(vf_load_element(element, from, index),
                   vf_load_element(element, from, index + VGG_LANES), to);
        return;
    }
    size_t low = vgg_size_min(count, VGG_LANES);
    vf first = vf_load_some(element, from, index, low), second = {0};
    if (low < count)
        second = vf_load_some(element, from, index + low, count - low);
    round_pair(first, second, to);
}

void VGG_TIERED(linear_bf16_operands)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(linear_bf16_operands)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_linear_task *task = argument;
    size_t groups = vgg_linear_groups(task->images);
    for (size_t piece = begin * groups; piece < end * groups; piece++) {
        size_t first = piece / groups * VGG_LINEAR_RUN, image = piece % groups * AMX_ROWS;
        size_t images = vgg_size_min(AMX_ROWS, task->images - image);
        vf rows[AMX_ROWS] = {{0}};
        for (size_t n = 0; n < images; n++) {
            round_run(VGG_ELEMENT_FLOAT32, task->x, (image + n) * task->inputs + first,
                      task->inputs - first, &rows[n]);
        }
        vf_transpose(rows);
        memcpy(task->operands + piece * VGG_LINEAR_PIECE, rows, sizeof rows);
    }
}

/* ---- weights ---- */

/* Fetches a run of a row, `row` weights from the first. */
VGG_INLINE void fetch_run(const vgg_linear_task *task, size_t bytes, size_t row, size_t run) {
    const char *from = (const char *)task->weights + (row + run * VGG_LINEAR_RUN) * bytes;
    for (size_t line = 0; line < VGG_LINEAR_RUN * bytes; line += VGG_ALIGNMENT) {
        vf_fetch(from + line);
    }
}

/* Some runs of the weights of a unit from an input on, [runs][32 outputs][32 inputs], and those of
 * the same rows from input `next` on fetched: here of the upper half of them, and while these are
 * multiplied of the lower one, so that memory is read all the time. */
VGG_INLINE void round_rows(const vgg_linear_task *task, vgg_element element, size_t first_o,
                           size_t first_i, size_t runs, size_t next, char *to) {
    size_t inputs = task->inputs,
           outputs = vgg_size_min(VGG_LINEAR_OUTPUTS, task->outputs - first_o);
    size_t bytes = vgg_element_bytes(element);
    for (size_t o = 0; o < outputs; o++) {
        size_t row = (first_o + o) * inputs;
        for (size_t run = 0; run < runs; run++) {
            if (o < AMX_ROWS)
                fetch_run(task, bytes, row + next, run);
            size_t i = first_i + run * VGG_LINEAR_RUN;
            round_run(element, task->weights, row + i, inputs - i,
                      to + run * RUN_BYTES + o * AMX_ROW_BYTES);
        }
    }
}

static void round_weights(const vgg_linear_task *task, size_t first_o, size_t first_i, size_t runs,
                          size_t next, char *to) {
    if (task->element == VGG_ELEMENT_FLOAT16)
        round_rows(task, VGG_ELEMENT_FLOAT16, first_o, first_i, runs, next, to);
    else if (task->element == VGG_ELEMENT_BFLOAT16)
        round_rows(task, VGG_ELEMENT_BFLOAT16, first_o, first_i, runs, next, to);
    else if (task->element == VGG_ELEMENT_INT8)
        round_rows(task, VGG_ELEMENT_INT8, first_o, first_i, runs, next, to);
    else
        round_rows(task, VGG_ELEMENT_FLOAT32, first_o, first_i, runs, next, to);
}

/* ---- products ---- */

/* The sums of a group of images. */
typedef char group_sums[HALVES][AMX_BYTES];

/* Adds the products of some runs, of one group of images or two; `first`: writes them. x: pieces
 * x_step bytes apart. The lower rows of as many runs from weight `*next` on are fetched; NULL:
 * none.
 */
VGG_INLINE void multiply(const vgg_linear_task *task, const size_t *next, const char *w,
                         const char *x, size_t x_step, size_t runs, bool first, bool two,
                         group_sums *sums) {
    AMX_ZERO(0);
    AMX_ZERO(1);
    AMX_ZERO(2);
    AMX_ZERO(3);
    if (!first) {
        AMX_LOAD(0, sums[0][0], AMX_ROW_BYTES);
        AMX_LOAD(1, sums[0][1], AMX_ROW_BYTES);
        if (two) {
            AMX_LOAD(2, sums[1][0], AMX_ROW_BYTES);
            AMX_LOAD(3, sums[1][1], AMX_ROW_BYTES);
        }
    }
    size_t bytes = vgg_element_bytes(task->element);
    for (size_t run = 0; run < runs; run++, w += RUN_BYTES, x += x_step) {
        for (size_t o = AMX_ROWS; next != NULL && o < VGG_LINEAR_OUTPUTS; o++) {
            fetch_run(task, bytes, *next + o * task->inputs, run);
        }
        AMX_LOAD(4, w, AMX_ROW_BYTES);
        AMX_LOAD(6, x, AMX_ROW_BYTES);
        AMX_BF16(0, 4, 6);
        AMX_LOAD(5, w + AMX_BYTES, AMX_ROW_BYTES);
        AMX_BF16(1, 5, 6);
        if (two) {
            AMX_LOAD(7, x + AMX_BYTES, AMX_ROW_BYTES);
            AMX_BF16(2, 4, 7);
            AMX_BF16(3, 5, 7);
        }
    }
    AMX_STORE(0, sums[0][0], AMX_ROW_BYTES);
    AMX_STORE(1, sums[0][1], AMX_ROW_BYTES);
    if (two) {
        AMX_STORE(2, sums[1][0], AMX_ROW_BYTES);
        AMX_STORE(3, sums[1][1], AMX_ROW_BYTES);
    }
}

/* ---- output ---- */

/* y of a group of images and a register of outputs. */
static void store_sums(const vgg_linear_task *task, size_t image, size_t output, const char *sums) {
    if (output >= task->outputs)
        return;
    size_t count = vgg_size_min(AMX_ROWS, task->outputs - output);
    vf rows[AMX_ROWS], bias = vf_load_some(VGG_ELEMENT_FLOAT32, task->bias, output, count);
    vf scale = vf_splat(1);
    if (task->scales != NULL)
        scale = vf_load_some(VGG_ELEMENT_FLOAT32, task->scales, output, count);
    memcpy(rows, sums, sizeof rows);
    vf_transpose(rows);
    __mmask16 lanes = (__mmask16)((1u << count) - 1);
    for (size_t n = image; n < vgg_size_min(image + AMX_ROWS, task->images); n++) {
        vf value = rows[n - image] * scale + bias;
        value = task->relu ? vf_relu(value) : value;
        _mm512_mask_storeu_ps(task->y + n * task->outputs + output, lanes, (__m512)value);
    }
}

/* ---- units ---- */

/* Some groups of images from one on, for the outputs of a unit. */
static void run_groups(const vgg_linear_task *task, size_t first_o, size_t group, size_t count) {
    _Alignas(VGG_ALIGNMENT) char w[RUNS * RUN_BYTES];
    _Alignas(VGG_ALIGNMENT) group_sums sums[GROUPS];
    size_t all = vgg_linear_runs(task->inputs), groups = vgg_linear_groups(task->images);
    size_t piece = VGG_LINEAR_PIECE * sizeof(float);
    memset(w, 0, sizeof w);
    for (size_t run = 0; run < all; run += RUNS) {
        size_t runs = vgg_size_min(RUNS, all - run), next = run + RUNS;
        size_t input = next < all ? next * VGG_LINEAR_RUN : VGG_LINEAR_OUTPUTS * task->inputs;
        size_t fetched = first_o * task->inputs + input;
        round_weights(task, first_o, run * VGG_LINEAR_RUN, runs, input, w);
        amx_barrier();
        const char *x = (const char *)task->operands + (run * groups + group) * piece;
        for (size_t g = 0; g < count; g += 2, x += 2 * piece) {
            const size_t *ahead = g == 0 ? &fetched : NULL;
            if (g + 1 < count)
                multiply(task, ahead, w, x, groups * piece, runs, run == 0, true, sums + g);
            else
                multiply(task, ahead, w, x, groups * piece, runs, run == 0, false, sums + g);
        }
    }
    for (size_t g = 0; g < count; g++) {
        for (size_t half = 0; half < HALVES; half++) {
            store_sums(task, (group + g) * AMX_ROWS, first_o + half * AMX_ROWS, sums[g][half]);
        }
    }
}

void VGG_TIERED(linear_bf16_forward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(linear_bf16_forward)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_linear_task *task = argument;
    size_t groups = vgg_linear_groups(task->images);
    amx_begin();
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t group = 0; group < groups; group += GROUPS) {
            run_groups(task, unit * VGG_LINEAR_OUTPUTS, group,
                       vgg_size_min(GROUPS, groups - group));
        }
    }
    amx_end();
}
