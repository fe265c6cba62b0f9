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
/* The same in lines of cache. */
#define LINE_FLOATS (VGG_ALIGNMENT / (int)sizeof(float))
#define TILE_LINES (TILE_WIDTH / LINE_FLOATS)

/* Inputs per partial dot product: a chunk of the rows of a register tile stays in the first-level
 * cache, and the partial products are added in order. */
#define CHUNK_INPUTS 1024
/* Images from which on tiles of weights are fetched for the next chunk: TILE_OUTPUTS tiles of them;
 * and outputs for which a tile of them is copied once. */
#define MANY_IMAGES ((TILE_OUTPUTS - 1) * TILE_IMAGES + 1)
#define MANY_OUTPUTS 64
/* Tiles of rows from which on it pays to copy the terms that they share. */
#define GATHER_PIECES 5
/* Outputs per pass of the backward pass to the input. */
#define CHUNK_OUTPUTS 64

/* ---- forward: y = x w^T + b ---- */

/* Dot products of a tile: `count` numbers of rows of x and of the weights. */
typedef struct dots {
    const float *x; /* rows x_stride apart, vectors of a row VGG_LANES * x_step */
    size_t x_stride, x_step;
    const void *w; /* the first number is w[first]; rows w_stride apart */
    size_t first, w_stride;
    size_t count;
    int fetches;     /* rows of which is fetched what will be wanted: it lies */
    ptrdiff_t ahead; /* bytes behind what is multiplied */
} dots;

/* y[image][output] += x[image] . w[output] */
VGG_INLINE void dot_tile(const dots *d, int images, int outputs, vgg_element element, float *y,
                         size_t y_stride) {
    vf sums[TILE_IMAGES][TILE_OUTPUTS];
    VGG_UNROLL
    for (int n = 0; n < images; n++) {
        VGG_UNROLL
        for (int o = 0; o < outputs; o++) {
            sums[n][o] = (vf){0};
        }
    }
    size_t i = 0;
    size_t size = vgg_element_bytes(element);
    for (; i + VGG_LANES <= d->count; i += VGG_LANES) {
        vf weight[TILE_OUTPUTS];
        VGG_UNROLL
        for (int o = 0; o < d->fetches; o++) {
            vf_fetch((const char *)d->w + (d->first + (size_t)o * d->w_stride + i) * size +
                     d->ahead);
        }
        VGG_UNROLL
        for (int o = 0; o < outputs; o++) {
            weight[o] = vf_load_element(element, d->w, d->first + (size_t)o * d->w_stride + i);
        }
        VGG_UNROLL
        for (int n = 0; n < images; n++) {
            vf value = vf_load(d->x + (size_t)n * d->x_stride + i * d->x_step);
            VGG_UNROLL
            for (int o = 0; o < outputs; o++) {
                sums[n][o] += value * weight[o];
            }
        }
    }
    size_t rest = d->count - i;
    if (rest > 0)
        for (int n = 0; n < images; n++) {
            for (int o = 0; o < outputs; o++) {
                sums[n][o] +=
                    vf_load_some(VGG_ELEMENT_FLOAT32, d->x, (size_t)n * d->x_stride + i * d->x_step,
                                 rest) *
                    vf_load_some(element, d->w, d->first + (size_t)o * d->w_stride + i, rest);
            }
        }
    VGG_UNROLL
    for (int n = 0; n < images; n++) {
        float found[TILE_OUTPUTS];
        if (outputs == TILE_OUTPUTS)
            vf_sum4(sums[n], found);
        else
            found[0] = vf_sum(sums[n][0]);
        for (int o = 0; o < outputs; o++) {
            y[(size_t)n * y_stride + (size_t)o] += found[o];
        }
    }
}

/* A chunk of all images' inputs against some outputs. */
typedef struct dot_chunk {
    const vgg_linear_task *task;
    size_t begin, end;  /* outputs */
    size_t from, count; /* inputs */
    size_t next;        /* the weight that the next chunk begins with */
} dot_chunk;

/* Some images from n on against all outputs of a chunk, in tiles of several and single ones, each
 * of which fetches what its place will want in the next chunk. */
VGG_INLINE void dot_images(const dot_chunk *chunk, int images, vgg_element element, size_t n) {
    const vgg_linear_task *task = chunk->task;
    size_t inputs = task->inputs;
    float *y = task->y + n * task->outputs;
    ptrdiff_t ahead = (ptrdiff_t)chunk->next - (ptrdiff_t)(chunk->begin * inputs + chunk->from);
    dots d = {.x = task->x + n * inputs + chunk->from,
              .x_stride = inputs,
              .x_step = 1,
              .w = task->weights,
              .w_stride = inputs,
              .count = chunk->count,
              .ahead = ahead * (ptrdiff_t)vgg_element_bytes(element)};
    size_t o = chunk->begin;
    for (; o + TILE_OUTPUTS <= chunk->end; o += TILE_OUTPUTS) {
        d.first = o * inputs + chunk->from;
        d.fetches = TILE_OUTPUTS;
        dot_tile(&d, images, TILE_OUTPUTS, element, y + o, task->outputs);
    }
    for (; o < chunk->end; o++) {
        d.first = o * inputs + chunk->from;
        d.fetches = 1;
        dot_tile(&d, images, 1, element, y + o, task->outputs);
    }
}

/* A row as vectors `apart` from each other. */
VGG_INLINE void copy_row(const float *from, size_t count, float *to, size_t apart) {
    size_t i = 0;
    for (; i + VGG_LANES <= count; i += VGG_LANES, to += apart) {
        vf_store(to, vf_load(from + i));
    }
    memcpy(to, from + i, (count - i) * sizeof *to);
}

/* The same where others before and after work with the same weights. The inputs are copied, so that
 * they are one run through the first-level cache; and each tile fetches one row of those that its
 * place will want in the next chunk, so that memory never waits for the multiplications. */
VGG_INLINE void dot_many(const dot_chunk *chunk, int images, vgg_element element, size_t n,
                         size_t piece) {
    const vgg_linear_task *task = chunk->task;
    size_t inputs = task->inputs;
    ptrdiff_t size = (ptrdiff_t)vgg_element_bytes(element);
    _Alignas(VGG_ALIGNMENT) float x[CHUNK_INPUTS * TILE_IMAGES];
    for (int r = 0; r < images; r++) {
        copy_row(task->x + (n + (size_t)r) * inputs + chunk->from, chunk->count, x + r * VGG_LANES,
                 (size_t)images * VGG_LANES);
    }
    float *y = task->y + n * task->outputs;
    dots d = {.x = x,
              .x_stride = VGG_LANES,
              .x_step = (size_t)images,
              .w = task->weights,
              .w_stride = inputs,
              .count = chunk->count,
              .fetches = 1};
    size_t next = chunk->next + piece % TILE_OUTPUTS * inputs;
    size_t o = chunk->begin;
    for (; o + TILE_OUTPUTS <= chunk->end; o += TILE_OUTPUTS) {
        d.first = o * inputs + chunk->from;
        d.ahead = ((ptrdiff_t)(next + (o - chunk->begin) * inputs) - (ptrdiff_t)d.first) * size;
        dot_tile(&d, images, TILE_OUTPUTS, element, y + o, task->outputs);
    }
    for (; o < chunk->end; o++) {
        d.first = o * inputs + chunk->from;
        d.ahead =
            ((ptrdiff_t)(chunk->next + (o - chunk->begin) * inputs) - (ptrdiff_t)d.first) * size;
        dot_tile(&d, images, 1, element, y + o, task->outputs);
    }
}

VGG_INLINE void dot_pieces(const dot_chunk *chunk, vgg_element element, bool many) {
#define IMAGES(most)                                                                               \
    case most:                                                                                     \
        if (many)                                                                                  \
            dot_many(chunk, most, element, n, piece);                                              \
        else                                                                                       \
            dot_images(chunk, most, element, n);                                                   \
        break;
    size_t images = chunk->task->images, pieces = (images + TILE_IMAGES - 1) / TILE_IMAGES;
    for (size_t piece = 0; piece < pieces; piece++) {
        size_t n = images * piece / pieces;
        switch (images * (piece + 1) / pieces - n) {
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

VGG_INLINE void dot_all(const dot_chunk *chunk, bool many) {
    vgg_element element = chunk->task->element;
    if (element == VGG_ELEMENT_FLOAT16)
        dot_pieces(chunk, VGG_ELEMENT_FLOAT16, many);
    else if (element == VGG_ELEMENT_BFLOAT16)
        dot_pieces(chunk, VGG_ELEMENT_BFLOAT16, many);
    else if (element == VGG_ELEMENT_INT8)
        dot_pieces(chunk, VGG_ELEMENT_INT8, many);
    else
        dot_pieces(chunk, VGG_ELEMENT_FLOAT32, many);
}

/* Functions of their own: together they would want more registers for addresses than there are. */
static __attribute__((noinline)) void dot_few_images(const dot_chunk *chunk) {
    dot_all(chunk, false);
}

static __attribute__((noinline)) void dot_many_images(const dot_chunk *chunk) {
    dot_all(chunk, true);
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
    for (size_t n = 0; n < task->images; n++) {
        for (size_t o = begin; o < end; o++) {
            float *y = task->y + n * task->outputs + o;
            if (task->scales != NULL)
                *y = *y * task->scales[o] + task->bias[o];
            *y = task->relu && *y < 0 ? 0 : *y;
        }
    }
}

static void forward_outputs(const vgg_linear_task *task, size_t begin, size_t end) {
    begin_outputs(task, begin, end);
    for (size_t from = 0; from < task->inputs; from += CHUNK_INPUTS) {
        size_t to = vgg_size_min(from + CHUNK_INPUTS, task->inputs);
        dot_chunk chunk = {.task = task,
                           .begin = begin,
                           .end = end,
                           .from = from,
                           .count = to - from,
                           .next = to < task->inputs ? begin * task->inputs + to
                                                     : end % task->outputs * task->inputs};
        if (task->images >= MANY_IMAGES)
            dot_many_images(&chunk);
        else
            dot_few_images(&chunk);
    }
    end_outputs(task, begin, end);
}

void VGG_TIERED(linear_forward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(linear_forward)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_linear_task *task = argument;
    /* All chunks of a few rows of weights after each other are long runs through memory; but where
     * there are several images, a chunk of them stays in the cache for all rows of a unit, or of
     * neighbouring ones. */
    size_t step = task->images == 1             ? TILE_OUTPUTS
                  : task->images >= MANY_IMAGES ? MANY_OUTPUTS
                                                : VGG_LINEAR_OUTPUTS;
    size_t last = vgg_size_min(end * VGG_LINEAR_OUTPUTS, task->outputs);
    for (size_t o = begin * VGG_LINEAR_OUTPUTS; o < last; o += step) {
        forward_outputs(task, o, vgg_size_min(o + step, last));
    }
}

/* ---- sums of rows, for both backward passes ---- */

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
    const float *fetched; /* terms that will be wanted, fetched_stride apart */
    size_t fetched_stride;
} row_sums;

/* Fetches `lines` lines of cache per term: those of the next columns lie in as many rows and are
 * not foreseen. */
VGG_INLINE void add_rows(const row_sums *s, int rows, int lines) {
    vf sums[TILE_ROWS][TILE_VECTORS];
    VGG_UNROLL
    for (int r = 0; r < rows; r++) {
        VGG_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++) {
            sums[r][v] = vf_load(s->sums + (size_t)r * s->sums_stride + v * VGG_LANES);
        }
    }
    for (size_t t = 0; t < s->count; t++) {
        vf term[TILE_VECTORS];
        VGG_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++) {
            term[v] = vf_load(s->terms + t * s->terms_stride + v * VGG_LANES);
        }
        VGG_UNROLL
        for (int line = 0; line < lines; line++) {
            __builtin_prefetch(s->fetched + t * s->fetched_stride + line * LINE_FLOATS);
        }
        VGG_UNROLL
        for (int r = 0; r < rows; r++) {
            vf factor = vf_splat(s->factor[t * s->factor_step + (size_t)r * s->factor_stride]);
            VGG_UNROLL
            for (int v = 0; v < TILE_VECTORS; v++) {
                sums[r][v] += factor * term[v];
            }
        }
    }
    VGG_UNROLL
    for (int r = 0; r < rows; r++) {
        VGG_UNROLL
        for (int v = 0; v < TILE_VECTORS; v++) {
            vf_store(s->sums + (size_t)r * s->sums_stride + v * VGG_LANES, sums[r][v]);
        }
    }
}

/* One column, for the rest of a width that is no multiple of TILE_WIDTH. */
static void add_column(const row_sums *s, size_t rows) {
    for (size_t r = 0; r < rows; r++) {
        float sum = s->sums[r * s->sums_stride];
        for (size_t t = 0; t < s->count; t++) {
            sum += s->factor[t * s->factor_step + r * s->factor_stride] *
                   s->terms[t * s->terms_stride];
        }
        s->sums[r * s->sums_stride] = sum;
    }
}

/* The same for any number of rows up to TILE_ROWS. */
static void add_some_rows(const row_sums *s, size_t rows, size_t lines) {
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        if (lines == 0)                                                                            \
            add_rows(s, n, 0);                                                                     \
        else if (lines == 1)                                                                       \
            add_rows(s, n, 1);                                                                     \
        else                                                                                       \
            add_rows(s, n, TILE_LINES);                                                            \
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
        memcpy(terms[t], s->terms + t * s->terms_stride, sizeof terms[t]);
    }
    s->terms = terms[0];
    s->terms_stride = TILE_WIDTH;
}

/* next: the terms that the next call begins with. */
static void add_row_sums(row_sums s, size_t rows, size_t width, const float *next) {
    _Alignas(VGG_ALIGNMENT) float terms[CHUNK_OUTPUTS][TILE_WIDTH];
    size_t column = 0, pieces = (rows + TILE_ROWS - 1) / TILE_ROWS;
    bool gathered = pieces >= GATHER_PIECES && s.count <= CHUNK_OUTPUTS;
    for (; column + TILE_WIDTH <= width; column += TILE_WIDTH) {
        const float *fetched = column + 2 * TILE_WIDTH <= width ? s.terms + TILE_WIDTH : next;
        row_sums tile = s;
        tile.fetched_stride = s.terms_stride;
        if (gathered)
            gather_terms(&tile, terms);
        for (size_t piece = 0; piece < pieces; piece++) {
            size_t begin = rows * piece / pieces, end = rows * (piece + 1) / pieces;
            size_t first = piece == 0 ? TILE_LINES : 0; /* not gathered: all with the first rows */
            tile.factor = s.factor + begin * s.factor_stride;
            tile.sums = s.sums + begin * s.sums_stride;
            tile.fetched = fetched + (gathered ? piece % TILE_LINES * LINE_FLOATS : 0);
            add_some_rows(&tile, end - begin, gathered ? 1 : first);
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

/* ---- backward: dx = dy w ---- */

void VGG_TIERED(linear_input)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(linear_input)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_linear_task *task = argument;
    size_t first = begin * VGG_LINEAR_INPUTS;
    size_t last = vgg_size_min(end * VGG_LINEAR_INPUTS, task->inputs);
    for (size_t i = first; i < last; i += VGG_LINEAR_INPUTS) {
        size_t width = vgg_size_min(VGG_LINEAR_INPUTS, last - i);
        for (size_t n = 0; n < task->images; n++) {
            memset(task->dx + n * task->inputs + i, 0, width * sizeof *task->dx);
        }
        for (size_t o = 0; o < task->outputs; o += CHUNK_OUTPUTS) {
            row_sums s = {.factor = task->dy + o,
                          .factor_step = 1,
                          .factor_stride = task->outputs,
                          .terms = (const float *)task->weights + o * task->inputs + i,
                          .terms_stride = task->inputs,
                          .count = vgg_size_min(CHUNK_OUTPUTS, task->outputs - o),
                          .sums = task->dx + i,
                          .sums_stride = task->inputs};
            bool more = o + CHUNK_OUTPUTS < task->outputs;
            add_row_sums(s, task->images, width,
                         more ? s.terms + CHUNK_OUTPUTS * task->inputs : s.terms);
        }
    }
}

/* ---- backward: dw = dy^T x, db = sums of dy ---- */

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
        add_row_sums(s, outputs, task->inputs, s.terms);
        for (size_t k = o; k < o + outputs; k++) {
            float sum = task->accumulate ? task->dbias[k] : 0;
            for (size_t n = 0; n < task->images; n++) {
                sum += task->dy[n * task->outputs + k];
            }
            task->dbias[k] = sum;
        }
    }
}
