/* A linear layer that sees windows of 7x7, at every place of a map: kernels.h says by which
 * transforms. Filters are made from the weights as they lie in files, some channels at a time, so
 * that they stay in the second-level cache for the products of all tiles. */
#include "kernels/window.h"

#include <string.h>

#include "kernels/winograd_gather.h"
#include "kernels/winograd_points.h"
#include "kernels/winograd_products.h"

#define TILE VGG_WINDOW_TILE
#define TAPS (VGG_WINDOW * VGG_WINDOW)
#define SIDE (TILE + VGG_WINDOW - 1) /* of an input tile */
#define LOW 6                        /* points of the taps 0 to 3 */
#define HIGH 5                       /* and of the taps 4 to 6 */
#define EDGE (LOW + HIGH)
#define POINTS VGG_WINDOW_POINTS
/* Channels whose weights are brought into vectors at once: they stay in the first-level cache. */
#define GATHERED 4

/* ---- transforms in one dimension ---- */

/* The taps 0 to 3 have the interpolation points 0, +-P, +-Q and infinity; the others, which see the
 * input from number 4 on, 0, +-P, Q and infinity. */
VGG_INLINE void transform_input(const vf d[SIDE], vf out[EDGE]) {
    input_at_points(d, out);
    const vf *e = d + 4;
    out[LOW] = e[3] - Q * e[2] - P2 * e[1] + (P2 * Q) * e[0];
    out[LOW + 1] = e[3] + (P - Q) * e[2] - (P * Q) * e[1];
    out[LOW + 2] = e[3] - (P + Q) * e[2] + (P * Q) * e[1];
    out[LOW + 3] = e[3] - P2 * e[1];
    out[LOW + 4] = e[4] - Q * e[3] - P2 * e[2] + (P2 * Q) * e[1];
}

/* The polynomial of the taps at each point, over the product of (point - other points). */
VGG_INLINE void transform_filter(const vf g[VGG_WINDOW], vf out[EDGE]) {
    const float at_zero = 1.0f / (P2 * Q2);
    const float at_p = 1.0f / (2 * P2 * (P2 - Q2)), at_q = 1.0f / (2 * Q2 * (Q2 - P2));
    vf even_p = at_p * g[0] + (at_p * P2) * g[2],
       odd_p = (at_p * P) * g[1] + (at_p * P2 * P) * g[3];
    vf even_q = at_q * g[0] + (at_q * Q2) * g[2],
       odd_q = (at_q * Q) * g[1] + (at_q * Q2 * Q) * g[3];
    out[0] = at_zero * g[0];
    out[1] = even_p + odd_p;
    out[2] = even_p - odd_p;
    out[3] = even_q + odd_q;
    out[4] = even_q - odd_q;
    out[5] = g[3];
    const float plus = 1.0f / (2 * P2 * (P - Q)), minus = -1.0f / (2 * P2 * (P + Q));
    const float high = 1.0f / (Q * (Q2 - P2));
    vf even = g[4] + P2 * g[6], odd = P * g[5];
    out[LOW] = (1.0f / (P2 * Q)) * g[4];
    out[LOW + 1] = plus * (even + odd);
    out[LOW + 2] = minus * (even - odd);
    out[LOW + 3] = high * g[4] + (high * Q) * g[5] + (high * Q2) * g[6];
    out[LOW + 4] = g[6];
}

/* The powers 0 to 2 of the points of both. */
VGG_INLINE void transform_output(const vf m[EDGE], vf out[TILE]) {
    const vf *h = m + LOW;
    vf even_p = m[1] + m[2], odd_p = m[1] - m[2], even_q = m[3] + m[4], odd_q = m[3] - m[4];
    out[0] = (m[0] + even_p + even_q) + (h[0] + (h[1] + h[2]) + h[3]);
    out[1] = (P * odd_p + Q * odd_q) + (P * (h[1] - h[2]) + Q * h[3]);
    out[2] = (P2 * even_p + Q2 * even_q + m[5]) + (P2 * (h[1] + h[2]) + Q2 * h[3] + h[4]);
}

/* ---- input ---- */

/* Where a tile lies: in which image, and from which row and column on. */
typedef struct tile_place {
    size_t image, row, column;
} tile_place;

static tile_place place_of(const vgg_window_task *task, size_t tile) {
    size_t columns = (task->width - VGG_WINDOW + TILE) / TILE;
    size_t each = vgg_window_tiles(task->height, task->width), number = tile % each;
    return (tile_place){
        .image = tile / each, .row = number / columns * TILE, .column = number % columns * TILE};
}

/* v[point * point_stride] of one vector of channels of a tile, whose first value is at `from` and
 * of which rows x columns lie in the map. */
static void transform_vector(const float *from, size_t width, size_t rows, size_t columns, float *v,
                             size_t point_stride) {
    vf half[EDGE][SIDE];
    for (size_t column = 0; column < SIDE; column++) {
        vf values[SIDE], out[EDGE];
        for (size_t row = 0; row < SIDE; row++) {
            bool inside = row < rows && column < columns;
            values[row] = inside ? vf_load(from + (row * width + column) * VGG_BLOCK) : (vf){0};
        }
        transform_input(values, out);
        for (int row = 0; row < EDGE; row++) {
            half[row][column] = out[row];
        }
    }
    for (size_t row = 0; row < EDGE; row++) {
        vf out[EDGE];
        transform_input(half[row], out);
        for (size_t column = 0; column < EDGE; column++) {
            vf_store(v + (row * EDGE + column) * point_stride, out[column]);
        }
    }
}

void VGG_TIERED(window_inputs)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(window_inputs)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_window_task *task = argument;
    size_t tiles = task->images * vgg_window_tiles(task->height, task->width);
    size_t row = vgg_window_row(task->channels), blocks = vgg_blocks(task->channels);
    for (size_t block = begin; block < end; block++) {
        for (size_t t = 0; t < tiles; t++) {
            tile_place at = place_of(task, t);
            size_t plane = (at.image * blocks + block) * task->height + at.row;
            const float *from = task->x + (plane * task->width + at.column) * VGG_BLOCK;
            float *to = task->v + t * row + block * VGG_BLOCK;
            for (size_t lane = 0; lane < VGG_BLOCK; lane += VGG_LANES) {
                transform_vector(from + lane, task->width, task->height - at.row,
                                 task->width - at.column, to + lane, tiles * row);
            }
        }
    }
}

/* ---- filters ---- */

/* taps[c * TAPS + tap][GROUP] of some channels from c on; zero beyond the outputs. */
static void gather(const vgg_window_task *task, size_t first_k, size_t c, size_t channels,
                   float (*taps)[GROUP]) {
#define GATHER(type)                                                                               \
    case type:                                                                                     \
        transpose(type, task->weights, first, row, rows, channels *TAPS, to);                      \
        break;
    size_t row = task->channels * TAPS;
    for (size_t k = 0; k < GROUP; k += VGG_LANES) {
        size_t left = task->outputs > first_k + k ? task->outputs - first_k - k : 0;
        size_t rows = vgg_size_min(left, VGG_LANES), first = (first_k + k) * row + c * TAPS;
        float(*to)[GROUP] = (void *)(taps[0] + k);
        switch (task->element) {
            GATHER(VGG_ELEMENT_FLOAT16)
            GATHER(VGG_ELEMENT_BFLOAT16)
            GATHER(VGG_ELEMENT_INT8)
        default:
            transpose(VGG_ELEMENT_FLOAT32, task->weights, first, row, rows, channels * TAPS, to);
        }
    }
#undef GATHER
}

/* u[point * VGG_WINDOW_FILTER_POINT] of one vector of outputs; g: the taps, GROUP floats apart. */
static void filter_points(const float *g, float *u) {
    vf half[EDGE][VGG_WINDOW];
    for (size_t column = 0; column < VGG_WINDOW; column++) {
        vf taps[VGG_WINDOW], out[EDGE];
        VGG_UNROLL
        for (size_t row = 0; row < VGG_WINDOW; row++) {
            taps[row] = vf_load(g + (row * VGG_WINDOW + column) * GROUP);
        }
        transform_filter(taps, out);
        VGG_UNROLL
        for (size_t row = 0; row < EDGE; row++) {
            half[row][column] = out[row];
        }
    }
    for (size_t row = 0; row < EDGE; row++) {
        vf out[EDGE];
        transform_filter(half[row], out);
        VGG_UNROLL
        for (size_t column = 0; column < EDGE; column++) {
            vf_store(u + (row * EDGE + column) * VGG_WINDOW_FILTER_POINT, out[column]);
        }
    }
}

/* u[POINTS][VGG_WINDOW_FILTER_POINT], a point of which begins with [channels][GROUP]. */
static void make_filters(const vgg_window_task *task, size_t first_k, size_t first_c,
                         size_t channels, float *u) {
    float taps[GATHERED * TAPS][GROUP];
    for (size_t c = 0; c < channels; c += GATHERED) {
        size_t some = vgg_size_min(GATHERED, channels - c);
        gather(task, first_k, first_c + c, some, taps);
        for (size_t i = 0; i < some; i++) {
            for (size_t k = 0; k < GROUP; k += VGG_LANES) {
                filter_points(taps[i * TAPS] + k, u + (c + i) * GROUP + k);
            }
        }
    }
}

/* Fetches the share of `point` of the weights that make_filters reads next. */
static void fetch_weights(const vgg_window_task *task, size_t first_k, size_t c, size_t point) {
    if (first_k + GROUP > task->outputs)
        return;
    size_t filter = TAPS * vgg_element_bytes(task->element);
    size_t bytes = vgg_size_min(VGG_WINDOW_CHANNELS, task->channels - c) * filter;
    for (size_t k = GROUP * point / POINTS; k < GROUP * (point + 1) / POINTS; k++) {
        const char *from =
            (const char *)task->weights + ((first_k + k) * task->channels + c) * filter;
        for (size_t at = 0; at < bytes; at += 64) {
            __builtin_prefetch(from + at, 0, 2);
        }
    }
}

/* ---- output ---- */

/* A linear layer's end for some of a vector of outputs. */
typedef struct epilogue {
    vf bias, scale;
    bool scaled, relu;
    size_t count;
} epilogue;

static epilogue epilogue_of(const vgg_window_task *task, size_t output) {
    size_t count = vgg_size_min(VGG_LANES, task->outputs - output);
    bool scaled = task->scales != NULL;
    return (epilogue){
        .bias = vf_load_some(VGG_ELEMENT_FLOAT32, task->bias, output, count),
        .scale = scaled ? vf_load_some(VGG_ELEMENT_FLOAT32, task->scales, output, count) : (vf){0},
        .scaled = scaled,
        .relu = task->relu,
        .count = count};
}

static void store(const epilogue *e, vf value, float *y) {
    value = e->scaled ? value * e->scale + e->bias : value + e->bias;
    if (e->relu)
        value = vf_relu(value);
    if (e->count == VGG_LANES) {
        vf_store(y, value);
        return;
    }
    float values[VGG_LANES];
    vf_store(values, value);
    memcpy(y, values, e->count * sizeof *y);
}

/* m[point * point_stride]: one vector of the products of a tile, whose first place has the outputs
 * at y, and rows x columns of which are places of the map. */
static void output_vector(const float *m, size_t point_stride, const epilogue *e, size_t rows,
                          size_t columns, float *y, size_t row_stride, size_t place_stride) {
    vf half[TILE][EDGE];
    for (size_t column = 0; column < EDGE; column++) {
        vf products[EDGE], out[TILE];
        for (size_t row = 0; row < EDGE; row++) {
            products[row] = vf_load(m + (row * EDGE + column) * point_stride);
        }
        transform_output(products, out);
        for (size_t row = 0; row < TILE; row++) {
            half[row][column] = out[row];
        }
    }
    for (size_t row = 0; row < vgg_size_min(TILE, rows); row++) {
        vf out[TILE];
        transform_output(half[row], out);
        for (size_t column = 0; column < vgg_size_min(TILE, columns); column++) {
            store(e, out[column], y + row * row_stride + column * place_stride);
        }
    }
}

/* m: [POINTS][vgg_window_product_point], the products [tiles][GROUP] of the outputs from first_k.
 */
static void output_tiles(const vgg_window_task *task, size_t first_k, size_t tiles,
                         const float *m) {
    size_t rows = task->height - VGG_WINDOW + 1, columns = task->width - VGG_WINDOW + 1;
    for (size_t k = 0; k < GROUP && first_k + k < task->outputs; k += VGG_LANES) {
        epilogue e = epilogue_of(task, first_k + k);
        for (size_t t = 0; t < tiles; t++) {
            tile_place at = place_of(task, t);
            size_t place = (at.image * rows + at.row) * columns + at.column;
            output_vector(m + t * GROUP + k, vgg_window_product_point(tiles), &e, rows - at.row,
                          columns - at.column, task->y + place * task->outputs + first_k + k,
                          columns * task->outputs, task->outputs);
        }
    }
}

/* ---- units ---- */

/* The products of the outputs from first_k on. */
static void multiply_group(const vgg_window_task *task, size_t first_k, size_t tiles, float *m,
                           float *u) {
    size_t row = vgg_window_row(task->channels), point_floats = vgg_window_product_point(tiles);
    for (size_t c = 0; c < task->channels; c += VGG_WINDOW_CHANNELS) {
        size_t channels = vgg_size_min(VGG_WINDOW_CHANNELS, task->channels - c);
        size_t next = c + channels < task->channels ? c + channels : 0;
        make_filters(task, first_k, c, channels, u);
        for (size_t point = 0; point < POINTS; point++) {
            fetch_weights(task, next == 0 ? first_k + GROUP : first_k, next, point);
            multiply(tiles, task->v + point * tiles * row + c, row,
                     u + point * VGG_WINDOW_FILTER_POINT, channels, c > 0,
                     m + point * point_floats);
        }
    }
}

void VGG_TIERED(window_linear)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(window_linear)(void *argument, size_t begin, size_t end, size_t worker) {
    const vgg_window_task *task = argument;
    size_t tiles = task->images * vgg_window_tiles(task->height, task->width);
    float *m = task->scratch + worker * vgg_window_scratch(tiles);
    float *u = m + POINTS * vgg_window_product_point(tiles);
    for (size_t group = begin; group < end; group++) {
        multiply_group(task, group * GROUP, tiles, m, u);
        output_tiles(task, group * GROUP, tiles, m);
    }
}
