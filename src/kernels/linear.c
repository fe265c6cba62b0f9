/* Linear layers, straight from row-major weights (outputs, inputs): every product of the three
 * passes runs along rows, so that nothing is transposed or packed. */
#include <string.h>

#include "kernels/tier.h"

/* Register tiles, outputs x images of dot products, and rows x vectors of sums. */
#define TILE_OUTPUTS 4
#if VGG_LANES == 16
#define TILE_IMAGES 6
#define TILE_ROWS 4
#else
#define TILE_IMAGES 2
#define TILE_ROWS 2
#endif
#define TILE_VECTORS 4
#define TILE_WIDTH (TILE_VECTORS * VGG_LANES)

/* Inputs per partial dot product: a chunk of every image's row stays in the second-level cache, and
 * the partial products are added in order. */
#define CHUNK_INPUTS 2048
/* How far ahead weights are fetched: one core alone otherwise waits for memory a tenth longer. */
#define PREFETCH_BYTES 2048
/* Outputs per pass of the backward pass to the input. */
#define CHUNK_OUTPUTS 64

/* ---- forward: y = x w^T + b
 * --------------------------------------------------------------------------- */

/* y[image][output] += x[image] . w[output] over `count` inputs, where the first weight is w[first];
 * strides are in numbers. */
VGG_INLINE void dot_tile(int images, int outputs, vgg_element element, const float *x,
                         size_t x_stride, const void *w, size_t first, size_t w_stride,
                         size_t count, float *y, size_t y_stride) {
    vf sums[TILE_IMAGES][TILE_OUTPUTS];
    VGG_UNROLL
    for (int n = 0; n < images; n++)
        VGG_UNROLL
    for (int o = 0; o < outputs; o++)
        sums[n][o] = (vf){0};
    size_t i = 0;
    size_t size = element == VGG_ELEMENT_FLOAT32 ? sizeof(float) : sizeof(uint16_t);
    for (; i + VGG_LANES <= count; i += VGG_LANES) {
        vf weight[TILE_OUTPUTS];
        VGG_UNROLL
        for (int o = 0; o < outputs; o++)
            __builtin_prefetch((const char *)w + (first + (size_t)o * w_stride + i) * size +
                               PREFETCH_BYTES);
        VGG_UNROLL
        for (int o = 0; o < outputs; o++)
            weight[o] = vf_load_element(element, w, first + (size_t)o * w_stride + i);
        VGG_UNROLL
        for (int n = 0; n < images; n++) {
            vf value = vf_load(x + (size_t)n * x_stride + i);
            VGG_UNROLL
            for (int o = 0; o < outputs; o++)
                sums[n][o] += value * weight[o];
        }
    }
    if (i < count)
        for (int n = 0; n < images; n++)
            for (int o = 0; o < outputs; o++)
                sums[n][o] +=
                    vf_load_some(VGG_ELEMENT_FLOAT32, x, (size_t)n * x_stride + i, count - i) *
                    vf_load_some(element, w, first + (size_t)o * w_stride + i, count - i);
    for (int n = 0; n < images; n++)
        for (int o = 0; o < outputs; o++)
            y[(size_t)n * y_stride + (size_t)o] += vf_sum(sums[n][o]);
}

/* All images against `outputs` neighbouring outputs. */
VGG_INLINE void dot_images(const vgg_linear_task *task, vgg_element element, int outputs,
                           size_t output, size_t from, size_t count) {
    size_t inputs = task->inputs, first = output * inputs + from;
    const float *x = task->x + from;
    float *y = task->y + output;
    size_t n = 0;
    for (; n + TILE_IMAGES <= task->images; n += TILE_IMAGES)
        dot_tile(TILE_IMAGES, outputs, element, x + n * inputs, inputs, task->weights, first,
                 inputs, count, y + n * task->outputs, task->outputs);
    for (; n < task->images; n++)
        dot_tile(1, outputs, element, x + n * inputs, inputs, task->weights, first, inputs, count,
                 y + n * task->outputs, task->outputs);
}

/* A chunk of all images' inputs against some outputs. */
VGG_INLINE void dot_chunk(const vgg_linear_task *task, vgg_element element, size_t begin,
                          size_t end, size_t from, size_t count) {
    size_t o = begin;
    for (; o + TILE_OUTPUTS <= end; o += TILE_OUTPUTS)
        dot_images(task, element, TILE_OUTPUTS, o, from, count);
    for (; o < end; o++)
        dot_images(task, element, 1, o, from, count);
}

static void forward_outputs(const vgg_linear_task *task, size_t begin, size_t end) {
    for (size_t n = 0; n < task->images; n++)
        memcpy(task->y + n * task->outputs + begin, task->bias + begin,
               (end - begin) * sizeof *task->y);
    for (size_t from = 0; from < task->inputs; from += CHUNK_INPUTS) {
        size_t count = vgg_size_min(CHUNK_INPUTS, task->inputs - from);
        if (task->element == VGG_ELEMENT_FLOAT16)
            dot_chunk(task, VGG_ELEMENT_FLOAT16, begin, end, from, count);
        else if (task->element == VGG_ELEMENT_BFLOAT16)
            dot_chunk(task, VGG_ELEMENT_BFLOAT16, begin, end, from, count);
        else
            dot_chunk(task, VGG_ELEMENT_FLOAT32, begin, end, from, count);
    }
    if (task->relu)
        for (size_t n = 0; n < task->images; n++)
            for (size_t o = begin; o < end; o++) {
                float *y = task->y + n * task->outputs + o;
                *y = *y < 0 ? 0 : *y;
            }
}

void VGG_TIERED(linear_forward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(linear_forward)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_linear_task *task = argument;
    /* All chunks of a few rows of weights after each other are long runs through memory; but where
     * there are several images, a chunk of them stays in the cache for all rows of a unit. */
    size_t step = task->images == 1 ? TILE_OUTPUTS : VGG_LINEAR_OUTPUTS;
    size_t last = vgg_size_min(end * VGG_LINEAR_OUTPUTS, task->outputs);
    for (size_t o = begin * VGG_LINEAR_OUTPUTS; o < last; o += step)
        forward_outputs(task, o, vgg_size_min(o + step, last));
}

/* ---- sums of rows, for both backward passes
 * ------------------------------------------------------------- */

/* sums[r][0..width) += over t of factor[t * factor_step + r * factor_stride] * terms[t *
 * terms_stride ..]. dx is rows = images, terms = rows of w; dweights is rows = outputs, terms =
 * rows of x. */
typedef struct row_sums {
    const float *factor;
    size_t factor_step, factor_stride;
    const float *terms;
    size_t terms_stride, count;
    float *sums;
    size_t sums_stride;
} row_sums;

VGG_INLINE void add_rows(const row_sums *s, int rows) {
    vf sums[TILE_ROWS][TILE_VECTORS];
    VGG_UNROLL
    for (int r = 0; r < rows; r++)
        VGG_UNROLL
    for (int v = 0; v < TILE_VECTORS; v++)
        sums[r][v] = vf_load(s->sums + (size_t)r * s->sums_stride + v * VGG_LANES);
    for (size_t t = 0; t < s->count; t++) {
        vf term[TILE_VECTORS];
        VGG_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
            term[v] = vf_load(s->terms + t * s->terms_stride + v * VGG_LANES);
        VGG_UNROLL
        for (int r = 0; r < rows; r++) {
            vf factor = vf_splat(s->factor[t * s->factor_step + (size_t)r * s->factor_stride]);
            VGG_UNROLL
            for (int v = 0; v < TILE_VECTORS; v++)
                sums[r][v] += factor * term[v];
        }
    }
    VGG_UNROLL
    for (int r = 0; r < rows; r++)
        VGG_UNROLL
    for (int v = 0; v < TILE_VECTORS; v++)
        vf_store(s->sums + (size_t)r * s->sums_stride + v * VGG_LANES, sums[r][v]);
}

/* One column, for the rest of a width that is no multiple of TILE_WIDTH. */
static void add_column(const row_sums *s, size_t rows) {
    for (size_t r = 0; r < rows; r++) {
        float sum = s->sums[r * s->sums_stride];
        for (size_t t = 0; t < s->count; t++)
            sum += s->factor[t * s->factor_step + r * s->factor_stride] *
                   s->terms[t * s->terms_stride];
        s->sums[r * s->sums_stride] = sum;
    }
}

static void add_row_sums(row_sums s, size_t rows, size_t width) {
    size_t column = 0;
    for (; column + TILE_WIDTH <= width; column += TILE_WIDTH) {
        row_sums tile = s;
        size_t r = 0;
        for (; r + TILE_ROWS <= rows; r += TILE_ROWS) {
            add_rows(&tile, TILE_ROWS);
            tile.factor += TILE_ROWS * s.factor_stride;
            tile.sums += TILE_ROWS * s.sums_stride;
        }
        for (; r < rows; r++) {
            add_rows(&tile, 1);
            tile.factor += s.factor_stride;
            tile.sums += s.sums_stride;
        }
        s.terms += TILE_WIDTH;
        s.sums += TILE_WIDTH;
    }
    for (; column < width; column++) {
        add_column(&s, rows);
        s.terms++;
        s.sums++;
    }
}

/* ---- backward: dx = dy w
 * --------------------------------------------------------------------------------- */

void VGG_TIERED(linear_input)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(linear_input)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_linear_task *task = argument;
    size_t first = begin * VGG_LINEAR_INPUTS;
    size_t last = vgg_size_min(end * VGG_LINEAR_INPUTS, task->inputs);
    for (size_t i = first; i < last; i += VGG_LINEAR_INPUTS) {
        size_t width = vgg_size_min(VGG_LINEAR_INPUTS, last - i);
        for (size_t n = 0; n < task->images; n++)
            memset(task->dx + n * task->inputs + i, 0, width * sizeof *task->dx);
        for (size_t o = 0; o < task->outputs; o += CHUNK_OUTPUTS) {
            row_sums s = {.factor = task->dy + o,
                          .factor_step = 1,
                          .factor_stride = task->outputs,
                          .terms = (const float *)task->weights + o * task->inputs + i,
                          .terms_stride = task->inputs,
                          .count = vgg_size_min(CHUNK_OUTPUTS, task->outputs - o),
                          .sums = task->dx + i,
                          .sums_stride = task->inputs};
            add_row_sums(s, task->images, width);
        }
    }
}

/* ---- backward: dw = dy^T x, db = sums of dy
 * ---------------------------------------------------------------- */

void VGG_TIERED(linear_weights)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(linear_weights)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_linear_task *task = argument;
    size_t last = vgg_size_min(end * VGG_LINEAR_OUTPUTS, task->outputs);
    for (size_t o = begin * VGG_LINEAR_OUTPUTS; o < last; o += VGG_LINEAR_OUTPUTS) {
        size_t outputs = vgg_size_min(VGG_LINEAR_OUTPUTS, last - o);
        if (!task->accumulate)
            memset(task->dweights + o * task->inputs, 0,
                   outputs * task->inputs * sizeof *task->dweights);
        row_sums s = {.factor = task->dy + o,
                      .factor_step = task->outputs,
                      .factor_stride = 1,
                      .terms = task->x,
                      .terms_stride = task->inputs,
                      .count = task->images,
                      .sums = task->dweights + o * task->inputs,
                      .sums_stride = task->inputs};
        add_row_sums(s, outputs, task->inputs);
        for (size_t k = o; k < o + outputs; k++) {
            float sum = task->accumulate ? task->dbias[k] : 0;
            for (size_t n = 0; n < task->images; n++)
                sum += task->dy[n * task->outputs + k];
            task->dbias[k] = sum;
        }
    }
}
