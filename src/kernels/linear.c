/* Linear layers, straight from row-major weights (outputs, inputs): every product of the three
 * passes runs along rows, so that nothing is transposed or packed. */
#include <string.h>

#include "kernels/tier.h"

/* Register tiles, outputs x images of dot products, and rows x vectors of sums. */
#define TILE_OUTPUTS 4
#if VGG_LANES == 16
#define TILE_IMAGES 6
#define TILE_ROWS 6
#else
#define TILE_IMAGES 2
#define TILE_ROWS 2
#endif
#define TILE_VECTORS 4
#define TILE_WIDTH (TILE_VECTORS * VGG_LANES)

/* Inputs per partial dot product: a chunk of the rows of a register tile stays in the first-level
 * cache, and the partial products are added in order. */
#define CHUNK_INPUTS 1024
/* How far ahead weights are fetched: one core alone otherwise waits for memory a tenth longer. */
#define PREFETCH_BYTES 2048
/* Tiles of rows from which on it pays to copy the terms that they share. */
#define GATHER_PIECES 5
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
    size_t size = vgg_element_bytes(element);
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
    VGG_UNROLL
    for (int n = 0; n < images; n++) {
        float found[TILE_OUTPUTS];
        if (outputs == TILE_OUTPUTS)
            vf_sum4(sums[n], found);
        else
            found[0] = vf_sum(sums[n][0]);
        for (int o = 0; o < outputs; o++)
            y[(size_t)n * y_stride + (size_t)o] += found[o];
    }
}

/* Some images against all outputs of a chunk of their inputs, in tiles of several and single ones.
 */
VGG_INLINE void dot_images(const vgg_linear_task *task, int images, vgg_element element, size_t n,
                           size_t begin, size_t end, size_t from, size_t count) {
    size_t inputs = task->inputs;
    const float *x = task->x + n * inputs + from;
    float *y = task->y + n * task->outputs;
    size_t o = begin;
    for (; o + TILE_OUTPUTS <= end; o += TILE_OUTPUTS)
        dot_tile(images, TILE_OUTPUTS, element, x, inputs, task->weights, o * inputs + from, inputs,
                 count, y + o, task->outputs);
    for (; o < end; o++)
        dot_tile(images, 1, element, x, inputs, task->weights, o * inputs + from, inputs, count,
                 y + o, task->outputs);
}

/* A chunk of all images' inputs against some outputs. */
VGG_INLINE void dot_chunk(const vgg_linear_task *task, vgg_element element, size_t begin,
                          size_t end, size_t from, size_t count) {
#define IMAGES(most)                                                                               \
    case most:                                                                                     \
        dot_images(task, most, element, n, begin, end, from, count);                               \
        break;
    size_t pieces = (task->images + TILE_IMAGES - 1) / TILE_IMAGES;
    for (size_t piece = 0; piece < pieces; piece++) {
        size_t n = task->images * piece / pieces;
        switch (task->images * (piece + 1) / pieces - n) {
            IMAGES(1)
            IMAGES(2)
#if TILE_IMAGES == 6
            IMAGES(3)
            IMAGES(4)
            IMAGES(5)
            IMAGES(6)
#endif
        }
    }
#undef IMAGES
}

/* The sums of some outputs begin with the bias, but with 0 where they are multiplied in the end. */
static void begin_outputs(const vgg_linear_task *task, size_t begin, size_t end) {
    for (size_t n = 0; n < task->images; n++) {
        float *y = task->y + n * task->outputs + begin;
        if (task->scales != NULL)
            memset(y, 0, (end - begin) * sizeof *y);
        else
            memcpy(y, task->bias + begin, (end - begin) * sizeof *y);
    }
}

static void end_outputs(const vgg_linear_task *task, size_t begin, size_t end) {
    if (task->scales == NULL && !task->relu)
        return;
    for (size_t n = 0; n < task->images; n++)
        for (size_t o = begin; o < end; o++) {
            float *y = task->y + n * task->outputs + o;
            if (task->scales != NULL)
                *y = *y * task->scales[o] + task->bias[o];
            *y = task->relu && *y < 0 ? 0 : *y;
        }
}

static void forward_outputs(const vgg_linear_task *task, size_t begin, size_t end) {
    begin_outputs(task, begin, end);
    for (size_t from = 0; from < task->inputs; from += CHUNK_INPUTS) {
        size_t count = vgg_size_min(CHUNK_INPUTS, task->inputs - from);
        if (task->element == VGG_ELEMENT_FLOAT16)
            dot_chunk(task, VGG_ELEMENT_FLOAT16, begin, end, from, count);
        else if (task->element == VGG_ELEMENT_BFLOAT16)
            dot_chunk(task, VGG_ELEMENT_BFLOAT16, begin, end, from, count);
        else if (task->element == VGG_ELEMENT_INT8)
            dot_chunk(task, VGG_ELEMENT_INT8, begin, end, from, count);
        else
            dot_chunk(task, VGG_ELEMENT_FLOAT32, begin, end, from, count);
    }
    end_outputs(task, begin, end);
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

/* fetch: the terms of the next columns, which lie in as many rows and are not foreseen. */
VGG_INLINE void add_rows(const row_sums *s, int rows, bool fetch) {
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
        for (int v = 0; fetch && v < TILE_WIDTH; v += VGG_ALIGNMENT / (int)sizeof(float))
            __builtin_prefetch(s->terms + t * s->terms_stride + TILE_WIDTH + v);
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

/* The same for any number of rows up to TILE_ROWS. */
static void add_some_rows(const row_sums *s, size_t rows, bool fetch) {
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        fetch ? add_rows(s, n, true) : add_rows(s, n, false);                                      \
        break;
    switch (rows) {
        ROWS(1)
        ROWS(2)
#if TILE_ROWS == 6
        ROWS(3)
        ROWS(4)
        ROWS(5)
        ROWS(6)
#endif
    }
#undef ROWS
}

/* Terms next to each other, for several tiles of rows: lines of rows that are a power of two apart
 * share a few places of the first-level cache. */
static void gather_terms(row_sums *s, float terms[CHUNK_OUTPUTS][TILE_WIDTH]) {
    for (size_t t = 0; t < s->count; t++) {
        const float *from = s->terms + t * s->terms_stride;
        for (size_t v = 0; v < TILE_WIDTH; v += VGG_ALIGNMENT / sizeof(float))
            __builtin_prefetch(from + TILE_WIDTH + v);
        memcpy(terms[t], from, sizeof terms[t]);
    }
    s->terms = terms[0];
    s->terms_stride = TILE_WIDTH;
}

static void add_row_sums(row_sums s, size_t rows, size_t width) {
    float terms[CHUNK_OUTPUTS][TILE_WIDTH];
    size_t column = 0, pieces = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (; column + TILE_WIDTH <= width; column += TILE_WIDTH) {
        row_sums tile = s;
        bool gathered = pieces >= GATHER_PIECES && s.count <= CHUNK_OUTPUTS;
        if (gathered)
            gather_terms(&tile, terms);
        for (size_t piece = 0; piece < pieces; piece++) {
            size_t begin = rows * piece / pieces, end = rows * (piece + 1) / pieces;
            tile.factor = s.factor + begin * s.factor_stride;
            tile.sums = s.sums + begin * s.sums_stride;
            add_some_rows(&tile, end - begin, piece == 0 && !gathered);
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
