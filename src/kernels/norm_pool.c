/* Batch normalisation with its ReLU and a 2x2 max-pool behind it: what is normalised is never
 * stored, nor is the gradient of it. */
#include "kernels/choice.h"
#include "kernels/maps.h"

/* One vector of channels of an image: its numbers, and rows of values `width` pixels long, of which
 * the max-pool makes rows of `windows`. */
typedef struct norm_plane {
    const vgg_batch_norm_task *task;
    int part; /* of the block */
    vf scale, shift;
    size_t height, width;        /* of x */
    size_t window_rows, windows; /* of y */
    size_t channel;              /* the first */
    size_t first, pooled;        /* its place in x, and in y and dy, in floats */
} norm_plane;

static norm_plane plane_of(const vgg_batch_norm_task *task, size_t unit, int part) {
    size_t height = task->pixels / task->width, width = task->width;
    size_t lane = (size_t)part * VGG_LANES;
    size_t channel = unit % vgg_blocks(task->channels) * VGG_BLOCK + lane;
    return (norm_plane){.task = task,
                        .part = part,
                        .scale = vf_load(task->scale + channel),
                        .shift = vf_load(task->shift + channel),
                        .height = height,
                        .width = width,
                        .window_rows = height / 2,
                        .windows = width / 2,
                        .channel = channel,
                        .first = unit * task->pixels * VGG_BLOCK + lane,
                        .pooled = unit * (height / 2) * (width / 2) * VGG_BLOCK + lane};
}

/* As in batch_norm, so that the backward pass sees the sign that the forward pass saw. */
VGG_INLINE vf normalised(const norm_plane *p, vf x) {
    return x * p->scale + p->shift;
}

/* The input at a place in x. */
VGG_INLINE vf input_at(const norm_plane *p, size_t at) {
    return map_load(p->task->x, p->task->x_bf16, at);
}

VGG_INLINE vf activated(const norm_plane *p, size_t at) {
    vf value = normalised(p, input_at(p, at));
    return p->task->relu ? vf_relu(value) : value;
}

/* ---- forward ---- */

static void pool_plane(const norm_plane *p) {
    for (size_t row = 0; row < p->window_rows; row++) {
        for (size_t column = 0; column < p->windows; column++) {
            size_t x = p->first + (2 * row * p->width + 2 * column) * VGG_BLOCK;
            size_t below = x + p->width * VGG_BLOCK;
            size_t at = p->pooled + (row * p->windows + column) * VGG_BLOCK;
            vgg_choice unused, *chosen = p->task->chosen;
            vf best = choose(activated(p, x), activated(p, x + VGG_BLOCK), activated(p, below),
                             activated(p, below + VGG_BLOCK), p->part,
                             chosen == NULL ? &unused : chosen + at / VGG_BLOCK);
            map_put(false, p->task->y, p->task->y_bf16, at, best);
        }
    }
}

void VGG_TIERED(batch_norm_pool)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(batch_norm_pool)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    for (size_t unit = begin; unit < end; unit++) {
        for (int part = 0; part < BLOCK_VECTORS; part++) {
            norm_plane plane = plane_of(argument, unit, part);
            pool_plane(&plane);
        }
    }
}

/* ---- backward ---- */

/* The gradient of what was normalised, at a row and column of the window whose values are at `at`;
 * x: the value there. */
VGG_INLINE vf window_gradient(const norm_plane *p, size_t at, int row, int column, vf x) {
    const vgg_batch_norm_task *task = p->task;
    vf dy = map_load(task->dy, task->dy_bf16, at);
    dy = unpool(dy, &task->chosen[at / VGG_BLOCK], p->part, row, column);
    return task->relu ? vf_where_positive(normalised(p, x), dy) : dy;
}

/* Each row of windows is summed up on its own, and then added as a second level. */
static void sum_plane(const norm_plane *p, vf mean, vf *total, vf *product) {
    for (size_t row = 0; row < p->window_rows; row++) {
        vf row_total = {0}, row_product = {0};
        for (size_t column = 0; column < p->windows; column++) {
            size_t x = p->first + (2 * row * p->width + 2 * column) * VGG_BLOCK;
            size_t at = p->pooled + (row * p->windows + column) * VGG_BLOCK;
            VGG_UNROLL
            for (int i = 0; i < 4; i++) {
                size_t pixel = (size_t)(i / 2) * p->width + (size_t)(i % 2);
                vf value = input_at(p, x + pixel * VGG_BLOCK);
                vf gradient = window_gradient(p, at, i / 2, i % 2, value);
                row_total += gradient;
                row_product += gradient * (value - mean);
            }
        }
        *total += row_total;
        *product += row_product;
    }
}

void VGG_TIERED(batch_norm_pool_sums)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(batch_norm_pool_sums)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (int part = 0; part < BLOCK_VECTORS; part++) {
            norm_plane plane = plane_of(task, unit, part);
            vf total = {0}, product = {0};
            sum_plane(&plane, vf_load(task->mean + plane.channel), &total, &product);
            float *sums = task->sums + unit * 2 * VGG_BLOCK + part * VGG_LANES;
            vf_store(sums, total);
            vf_store(sums + VGG_BLOCK, product);
        }
    }
}

/* What the gradient of an input is made of, besides that of the output. */
typedef struct norm_terms {
    vf mean, from_dy, from_x, constant;
} norm_terms;

VGG_INLINE vf input_gradient(const norm_terms *terms, vf x, vf dy) {
    return dy * terms->from_dy + ((x - terms->mean) * terms->from_x + terms->constant);
}

/* Row `row` of windows, of which this is row 0 or 1. */
VGG_INLINE void spread_row(const norm_plane *p, const norm_terms *terms, size_t row, int inner) {
    size_t begin = p->first + (2 * row + (size_t)inner) * p->width * VGG_BLOCK;
    for (size_t column = 0; column < p->windows; column++) {
        size_t at = p->pooled + (row * p->windows + column) * VGG_BLOCK;
        VGG_UNROLL
        for (int i = 0; i < 2; i++) {
            size_t pixel = begin + (2 * column + (size_t)i) * VGG_BLOCK;
            vf value = input_at(p, pixel);
            vf dy = window_gradient(p, at, inner, i, value);
            map_put(p->task->stream, p->task->dx, p->task->dx_bf16, pixel,
                    input_gradient(terms, value, dy));
        }
    }
}

/* Pixels that no window holds. */
static void finish_row(const norm_plane *p, const norm_terms *terms, size_t row, size_t column) {
    size_t begin = p->first + row * p->width * VGG_BLOCK;
    for (; column < p->width; column++) {
        size_t at = begin + column * VGG_BLOCK;
        map_put(false, p->task->dx, p->task->dx_bf16, at,
                input_gradient(terms, input_at(p, at), (vf){0}));
    }
}

static void spread_plane(const norm_plane *p, const norm_terms *terms) {
    for (size_t row = 0; row < p->window_rows; row++) {
        spread_row(p, terms, row, 0);
        spread_row(p, terms, row, 1);
    }
    for (size_t row = 0; row < p->height; row++) {
        finish_row(p, terms, row, row < 2 * p->window_rows ? 2 * p->windows : 0);
    }
}

void VGG_TIERED(batch_norm_pool_backward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(batch_norm_pool_backward)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (int part = 0; part < BLOCK_VECTORS; part++) {
            norm_plane plane = plane_of(task, unit, part);
            norm_terms terms = {.mean = vf_load(task->mean + plane.channel),
                                .from_dy = vf_load(task->from_dy + plane.channel),
                                .from_x = vf_load(task->from_x + plane.channel),
                                .constant = vf_load(task->constant + plane.channel)};
            spread_plane(&plane, &terms);
        }
    }
    vf_put_end(task->stream);
}
