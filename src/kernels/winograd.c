/* Convolution by F(4x4, 3x3). The 36 products of a tile are 36 small matrix products over the
 * channels, each of [tiles][channels] by [channels][32 output channels], which run from registers.
 */
#include <string.h>

#include "kernels/tier.h"

#define POINTS VGG_WINOGRAD_POINTS
#define GROUP VGG_WINOGRAD_GROUP
#define BLOCK_VECTORS (VGG_BLOCK / VGG_LANES)
#define GROUP_VECTORS (GROUP / VGG_LANES)
#define SIDE 6 /* of an input tile: 4 outputs and a border */

/* A register tile of the products: vectors of output channels times tiles. */
#define TILE_VECTORS 2
#if VGG_LANES == 16
#define TILE_TILES 14
#else
#define TILE_TILES 6
#endif

/* Interpolation points 0, +-P, +-Q, infinity, and what the transforms make of them. */
#define P 0.625f
#define Q 1.5f
#define P2 (P * P)
#define Q2 (Q * Q)

/* ---- transforms in one dimension
 * ---------------------------------------------------------------------- */

/* B^T d: rows are the products of (x - point) over all points but one. */
VGG_INLINE void transform_input(const vf d[SIDE], vf out[SIDE]) {
    vf even_p = d[4] - Q2 * d[2], odd_p = P * (d[3] - Q2 * d[1]);
    vf even_q = d[4] - P2 * d[2], odd_q = Q * (d[3] - P2 * d[1]);
    out[0] = (P2 * Q2) * d[0] - (P2 + Q2) * d[2] + d[4];
    out[1] = even_p + odd_p;
    out[2] = even_p - odd_p;
    out[3] = even_q + odd_q;
    out[4] = even_q - odd_q;
    out[5] = (P2 * Q2) * d[1] - (P2 + Q2) * d[3] + d[5];
}

/* G g: the filter's polynomial at each point, over the product of (point - other points). */
VGG_INLINE void transform_filter(const vf g[3], vf out[SIDE]) {
    const float at_zero = 1.0f / (P2 * Q2);
    const float at_p = 1.0f / (2 * P2 * (P2 - Q2)), at_q = 1.0f / (2 * Q2 * (Q2 - P2));
    vf even_p = at_p * g[0] + (at_p * P2) * g[2], odd_p = (at_p * P) * g[1];
    vf even_q = at_q * g[0] + (at_q * Q2) * g[2], odd_q = (at_q * Q) * g[1];
    out[0] = at_zero * g[0];
    out[1] = even_p + odd_p;
    out[2] = even_p - odd_p;
    out[3] = even_q + odd_q;
    out[4] = even_q - odd_q;
    out[5] = g[2];
}

/* A^T m: the powers 0 to 3 of the points. */
VGG_INLINE void transform_output(const vf m[SIDE], vf out[VGG_WINOGRAD_TILE]) {
    vf even_p = m[1] + m[2], odd_p = m[1] - m[2], even_q = m[3] + m[4], odd_q = m[3] - m[4];
    out[0] = m[0] + even_p + even_q;
    out[1] = P * odd_p + Q * odd_q;
    out[2] = P2 * even_p + Q2 * even_q;
    out[3] = (P2 * P) * odd_p + (Q2 * Q) * odd_q + m[5];
}

/* ---- filters
 * ------------------------------------------------------------------------------------------ */

/* Input channels whose filters are brought into vectors at once. */
#define FILTER_CHANNELS 8

/* to[c * 9 + tap][GROUP] from the weights; zero beyond K. */
static void gather_filters(const vgg_winograd_task *task, size_t first_k, size_t c, size_t channels,
                           float to[FILTER_CHANNELS * 9][GROUP]) {
    size_t outputs = vgg_size_min(GROUP, task->shape.outputs - first_k);
    if (outputs < GROUP)
        memset(to, 0, channels * 9 * sizeof *to);
    for (size_t k = 0; k < outputs && !task->turned; k++) {
        const float *from = task->weights + ((first_k + k) * task->shape.inputs + c) * 9;
        for (size_t i = 0; i < channels * 9; i++)
            to[i][k] = from[i];
    }
    for (size_t i = 0; i < channels && task->turned; i++) {
        const float *from = task->weights + ((c + i) * task->shape.outputs + first_k) * 9;
        for (size_t k = 0; k < outputs; k++)
            for (size_t tap = 0; tap < 9; tap++)
                to[i * 9 + tap][k] = from[k * 9 + 8 - tap];
    }
}

/* u[point * point_stride] of one vector of output channels; g: 9 taps, GROUP floats apart. */
VGG_INLINE void filter_vector(const float *g, float *u, size_t point_stride) {
    vf half[SIDE][3];
    for (int column = 0; column < 3; column++) {
        vf taps[3], out[SIDE];
        for (int row = 0; row < 3; row++)
            taps[row] = vf_load(g + (row * 3 + column) * GROUP);
        transform_filter(taps, out);
        for (int row = 0; row < SIDE; row++)
            half[row][column] = out[row];
    }
    for (int row = 0; row < SIDE; row++) {
        vf out[SIDE];
        transform_filter(half[row], out);
        for (int column = 0; column < SIDE; column++)
            vf_store(u + (size_t)(row * SIDE + column) * point_stride, out[column]);
    }
}

/* u: [36][filter_point], a point of which begins with [C][32], for the output channels from first_k
 * on. */
static void make_filters(const vgg_winograd_task *task, size_t first_k, float *u) {
    size_t inputs = task->shape.inputs;
    float taps[FILTER_CHANNELS * 9][GROUP];
    for (size_t c = 0; c < inputs; c += FILTER_CHANNELS) {
        size_t channels = vgg_size_min(FILTER_CHANNELS, inputs - c);
        gather_filters(task, first_k, c, channels, taps);
        for (size_t i = 0; i < channels; i++)
            for (int v = 0; v < GROUP_VECTORS; v++)
                filter_vector(taps[i * 9] + v * VGG_LANES, u + (c + i) * GROUP + v * VGG_LANES,
                              task->partition.filter_point);
    }
}

void VGG_TIERED(winograd_filters)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(winograd_filters)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_task *task = argument;
    for (size_t group = begin; group < end; group++)
        make_filters(task, group * GROUP,
                     task->filters + group * POINTS * task->partition.filter_point);
}

/* ---- input
 * ---------------------------------------------------------------------------------------------- */

/* Copies a tile whose border reaches out of the picture, with zeros there. */
static void copy_border_tile(const vgg_conv_shape *shape, const float *plane, ptrdiff_t top,
                             ptrdiff_t left, float to[SIDE][SIDE][VGG_BLOCK]) {
    memset(to, 0, SIDE * sizeof *to);
    for (ptrdiff_t row = 0; row < SIDE; row++)
        for (ptrdiff_t column = 0; column < SIDE; column++) {
            ptrdiff_t y = top + row, x = left + column;
            if (y >= 0 && x >= 0 && y < (ptrdiff_t)shape->height && x < (ptrdiff_t)shape->width)
                memcpy(to[row][column], plane + ((size_t)y * shape->width + (size_t)x) * VGG_BLOCK,
                       sizeof to[row][column]);
        }
}

/* d: a tile of one channel block, row_stride floats from row to row; v[point * point_stride]. */
VGG_INLINE void input_block(const float *d, size_t row_stride, float *v, size_t point_stride) {
    for (int part = 0; part < BLOCK_VECTORS; part++) {
        vf half[SIDE][SIDE];
        VGG_UNROLL
        for (int column = 0; column < SIDE; column++) {
            vf values[SIDE], out[SIDE];
            VGG_UNROLL
            for (int row = 0; row < SIDE; row++)
                values[row] =
                    vf_load(d + (size_t)row * row_stride + column * VGG_BLOCK + part * VGG_LANES);
            transform_input(values, out);
            VGG_UNROLL
            for (int row = 0; row < SIDE; row++)
                half[row][column] = out[row];
        }
        VGG_UNROLL
        for (int row = 0; row < SIDE; row++) {
            vf out[SIDE];
            transform_input(half[row], out);
            VGG_UNROLL
            for (int column = 0; column < SIDE; column++)
                vf_store(v + (size_t)(row * SIDE + column) * point_stride + part * VGG_LANES,
                         out[column]);
        }
    }
}

/* Transforms the tile (tile_row, tile_column) of one channel block of an image. */
static void input_tile(const vgg_winograd_task *task, size_t image, size_t block, size_t tile_row,
                       size_t tile_column, float *v, size_t point_stride) {
    const vgg_conv_shape *shape = &task->shape;
    const float *plane = task->x + (image * vgg_blocks(shape->inputs) + block) * shape->height *
                                       shape->width * VGG_BLOCK;
    ptrdiff_t top = (ptrdiff_t)(tile_row * VGG_WINOGRAD_TILE) - 1;
    ptrdiff_t left = (ptrdiff_t)(tile_column * VGG_WINOGRAD_TILE) - 1;
    if (top >= 0 && left >= 0 && top + SIDE <= (ptrdiff_t)shape->height &&
        left + SIDE <= (ptrdiff_t)shape->width) {
        input_block(plane + ((size_t)top * shape->width + (size_t)left) * VGG_BLOCK,
                    shape->width * VGG_BLOCK, v, point_stride);
    } else {
        float tile[SIDE][SIDE][VGG_BLOCK];
        copy_border_tile(shape, plane, top, left, tile);
        input_block(tile[0][0], SIDE * VGG_BLOCK, v, point_stride);
    }
}

void VGG_TIERED(winograd_inputs)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(winograd_inputs)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_task *task = argument;
    const vgg_winograd_partition *cut = &task->partition;
    size_t blocks = vgg_blocks(task->shape.inputs);
    size_t tiles = task->images * cut->tile_rows * cut->tile_columns;
    for (size_t unit = begin; unit < end; unit++) {
        size_t block = unit % blocks, tile_row = unit / blocks % cut->tile_rows;
        size_t image = unit / blocks / cut->tile_rows;
        for (size_t column = 0; column < cut->tile_columns; column++) {
            size_t tile = (image * cut->tile_rows + tile_row) * cut->tile_columns + column;
            input_tile(task, task->first_image + image, block, tile_row, column,
                       task->inputs + tile * cut->row + block * VGG_BLOCK, tiles * cut->row);
        }
    }
}

/* ---- products
 * --------------------------------------------------------------------------------------------- */

/* m[tile][32] = sum over c of v[tile][c] u[c][32], for some tiles and two vectors. */
VGG_INLINE void multiply_tile(int tiles, const float *v, size_t row, const float *u, size_t inputs,
                              float *m) {
    vf sums[TILE_TILES][TILE_VECTORS];
    VGG_UNROLL
    for (int t = 0; t < tiles; t++)
        VGG_UNROLL
    for (int k = 0; k < TILE_VECTORS; k++)
        sums[t][k] = (vf){0};
    for (size_t c = 0; c < inputs; c++) {
        vf filter[TILE_VECTORS];
        VGG_UNROLL
        for (int k = 0; k < TILE_VECTORS; k++)
            filter[k] = vf_load(u + c * GROUP + k * VGG_LANES);
        VGG_UNROLL
        for (int t = 0; t < tiles; t++) {
            vf value = vf_splat(v[(size_t)t * row + c]);
            VGG_UNROLL
            for (int k = 0; k < TILE_VECTORS; k++)
                sums[t][k] += value * filter[k];
        }
    }
    VGG_UNROLL
    for (int t = 0; t < tiles; t++)
        VGG_UNROLL
    for (int k = 0; k < TILE_VECTORS; k++)
        vf_store(m + t * GROUP + k * VGG_LANES, sums[t][k]);
}

/* The same for any number of tiles up to TILE_TILES. */
VGG_INLINE void multiply_some(size_t tiles, const float *v, size_t row, const float *u,
                              size_t inputs, float *m) {
#define TILES(n)                                                                                   \
    case n:                                                                                        \
        multiply_tile(n, v, row, u, inputs, m);                                                    \
        break;
    switch (tiles) {
        TILES(1)
        TILES(2)
        TILES(3)
        TILES(4)
        TILES(5)
        TILES(6)
#if TILE_TILES >= 14
        TILES(7)
        TILES(8)
        TILES(9)
        TILES(10)
        TILES(11)
        TILES(12)
        TILES(13)
        TILES(14)
#endif
    }
#undef TILES
}

/* One of the 36 matrix products: all tiles of a unit, all 32 output channels. */
static void multiply(size_t tiles, const float *v, size_t row, const float *u, size_t inputs,
                     float *m) {
    size_t pieces = (tiles + TILE_TILES - 1) / TILE_TILES;
    for (size_t piece = 0; piece < pieces; piece++) {
        size_t begin = tiles * piece / pieces, end = tiles * (piece + 1) / pieces;
        for (size_t k = 0; k < GROUP; k += TILE_VECTORS * VGG_LANES)
            multiply_some(end - begin, v + begin * row, row, u + k, inputs, m + begin * GROUP + k);
    }
}

/* ---- output
 * ------------------------------------------------------------------------------------------------
 */

/* Bias, batch norm and ReLU of one vector of output channels. */
typedef struct epilogue {
    vf bias, scale, shift;
    bool norm, relu;
} epilogue;

static epilogue epilogue_of(const vgg_winograd_task *task, size_t channel) {
    bool norm = task->scale != NULL;
    return (epilogue){.bias = task->bias == NULL ? (vf){0} : vf_load(task->bias + channel),
                      .scale = norm ? vf_load(task->scale + channel) : vf_splat(1),
                      .shift = norm ? vf_load(task->shift + channel) : (vf){0},
                      .norm = norm,
                      .relu = task->relu};
}

VGG_INLINE vf finish(const epilogue *e, vf value) {
    value += e->bias;
    if (e->norm)
        value = value * e->scale + e->shift;
    return e->relu ? vf_relu(value) : value;
}

/* The greater of two; a NaN of either stays. */
VGG_INLINE vf greater(vf a, vf b) {
    typedef int32_t vi __attribute__((vector_size(VGG_LANES * 4)));
    vi take = (a > b) | (a != a);
    return (vf)(((vi)a & take) | ((vi)b & ~take));
}

/* Stores the part of a 4x4 tile that lies in the picture. plane: the output's, at the vector. */
VGG_INLINE void store_tile(const vgg_conv_shape *shape, size_t top, size_t left,
                           vf y[VGG_WINOGRAD_TILE][VGG_WINOGRAD_TILE], float *plane) {
    size_t rows = vgg_size_min(VGG_WINOGRAD_TILE, shape->height - top);
    size_t columns = vgg_size_min(VGG_WINOGRAD_TILE, shape->width - left);
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < columns; column++)
            vf_store(plane + ((top + row) * shape->width + left + column) * VGG_BLOCK,
                     y[row][column]);
}

/* The same after 2x2 max-pooling, for whose windows the tile is aligned. */
VGG_INLINE void store_pooled(const vgg_conv_shape *shape, size_t top, size_t left,
                             vf y[VGG_WINOGRAD_TILE][VGG_WINOGRAD_TILE], float *plane) {
    size_t height = shape->height / 2, width = shape->width / 2;
    for (size_t row = 0; row < 2 && top / 2 + row < height; row++)
        for (size_t column = 0; column < 2 && left / 2 + column < width; column++) {
            vf best = greater(greater(y[2 * row][2 * column], y[2 * row][2 * column + 1]),
                              greater(y[2 * row + 1][2 * column], y[2 * row + 1][2 * column + 1]));
            vf_store(plane + ((top / 2 + row) * width + left / 2 + column) * VGG_BLOCK, best);
        }
}

/* m[point * point_stride]: one vector of the products of a tile. */
VGG_INLINE void output_vector(const vgg_winograd_task *task, const float *m, size_t point_stride,
                              const epilogue *e, size_t top, size_t left, float *plane) {
    vf half[VGG_WINOGRAD_TILE][SIDE], y[VGG_WINOGRAD_TILE][VGG_WINOGRAD_TILE];
    VGG_UNROLL
    for (int column = 0; column < SIDE; column++) {
        vf products[SIDE], out[VGG_WINOGRAD_TILE];
        VGG_UNROLL
        for (int row = 0; row < SIDE; row++)
            products[row] = vf_load(m + (size_t)(row * SIDE + column) * point_stride);
        transform_output(products, out);
        VGG_UNROLL
        for (int row = 0; row < VGG_WINOGRAD_TILE; row++)
            half[row][column] = out[row];
    }
    VGG_UNROLL
    for (int row = 0; row < VGG_WINOGRAD_TILE; row++) {
        transform_output(half[row], y[row]);
        VGG_UNROLL
        for (int column = 0; column < VGG_WINOGRAD_TILE; column++)
            y[row][column] = finish(e, y[row][column]);
    }
    if (task->pool)
        store_pooled(&task->shape, top, left, y, plane);
    else
        store_tile(&task->shape, top, left, y, plane);
}

/* m: [36][product_point], the products [32] of tiles first ... of the images from first_image on,
 * with the output channels from first_k on. */
static void output_tiles(const vgg_winograd_task *task, size_t first_image, size_t first,
                         size_t tiles, size_t first_k, const float *m) {
    const vgg_winograd_partition *cut = &task->partition;
    const vgg_conv_shape *shape = &task->shape;
    size_t per_image = cut->tile_rows * cut->tile_columns;
    size_t lanes = vgg_blocks(shape->outputs) * VGG_BLOCK;
    size_t pixels =
        task->pool ? (shape->height / 2) * (shape->width / 2) : shape->height * shape->width;
    for (size_t k = 0; k < GROUP && first_k + k < lanes; k += VGG_LANES) {
        size_t channel = first_k + k;
        epilogue e = epilogue_of(task, channel);
        for (size_t t = 0; t < tiles; t++) {
            size_t image = first_image + (first + t) / per_image, tile = (first + t) % per_image;
            float *plane = task->y + (image * lanes + channel / VGG_BLOCK * VGG_BLOCK) * pixels +
                           channel % VGG_BLOCK;
            output_vector(task, m + t * GROUP + k, cut->product_point, &e,
                          tile / cut->tile_columns * VGG_WINOGRAD_TILE,
                          tile % cut->tile_columns * VGG_WINOGRAD_TILE, plane);
        }
    }
}

/* ---- units
 * ---------------------------------------------------------------------------------------------------
 */

/* Some tiles of one image, from input to all output channels, with stored filters. */
static void fused_unit(const vgg_winograd_task *task, size_t unit, float *scratch) {
    const vgg_winograd_partition *cut = &task->partition;
    const vgg_conv_shape *shape = &task->shape;
    size_t all = cut->tile_rows * cut->tile_columns;
    size_t per_image = (all + cut->tiles - 1) / cut->tiles;
    size_t image = unit / per_image, first = unit % per_image * cut->tiles;
    size_t tiles = vgg_size_min(cut->tiles, all - first);
    float *v = scratch, *m = scratch + POINTS * cut->tiles * cut->row;
    for (size_t block = 0; block < vgg_blocks(shape->inputs); block++)
        for (size_t t = 0; t < tiles; t++)
            input_tile(task, image, block, (first + t) / cut->tile_columns,
                       (first + t) % cut->tile_columns, v + t * cut->row + block * VGG_BLOCK,
                       tiles * cut->row);
    for (size_t k = 0; k < shape->outputs; k += GROUP) {
        const float *u = task->filters + k / GROUP * POINTS * cut->filter_point;
        for (size_t point = 0; point < POINTS; point++)
            multiply(tiles, v + point * tiles * cut->row, cut->row, u + point * cut->filter_point,
                     shape->inputs, m + point * cut->product_point);
        output_tiles(task, image, first, tiles, k, m);
    }
}

/* One group of output channels for all tiles of the pass, with filters made here. */
static void group_unit(const vgg_winograd_task *task, size_t unit, float *scratch) {
    const vgg_winograd_partition *cut = &task->partition;
    size_t inputs = task->shape.inputs;
    size_t all = task->images * cut->tile_rows * cut->tile_columns;
    float *u = scratch, *m = scratch + POINTS * cut->filter_point;
    make_filters(task, unit * GROUP, u);
    for (size_t first = 0; first < all; first += cut->tiles) {
        size_t tiles = vgg_size_min(cut->tiles, all - first);
        for (size_t point = 0; point < POINTS; point++)
            multiply(tiles, task->inputs + (point * all + first) * cut->row, cut->row,
                     u + point * cut->filter_point, inputs, m + point * cut->product_point);
        output_tiles(task, task->first_image, first, tiles, unit * GROUP, m);
    }
}

void VGG_TIERED(winograd)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(winograd)(void *argument, size_t begin, size_t end, size_t worker) {
    const vgg_winograd_task *task = argument;
    float *scratch = task->scratch + worker * task->partition.scratch;
    for (size_t unit = begin; unit < end; unit++) {
        if (task->partition.fused)
            fused_unit(task, unit, scratch);
        else
            group_unit(task, unit, scratch);
    }
}
