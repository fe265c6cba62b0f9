/* Bodies of the pools that are no max-pools, of LRN, and of what dense views need. */
#ifndef VGG_CUDA_BODIES_POOL_H
#define VGG_CUDA_BODIES_POOL_H

#include "cuda/bodies.h"

/* ---- averages ---- */

/* A group of a map: lanes group * VGG_GPU_LANES, ... of an image's pixel. */
typedef struct vgg_body_place {
    size_t image, row, column, group;
} vgg_body_place;

VGG_BODY vgg_body_place vgg_body_place_of(size_t unit, size_t channels, size_t height,
                                          size_t width) {
    vgg_body_place place;
    size_t groups = VGG_GPU_GROUPS(channels), pixel = unit / groups;
    place.group = unit % groups;
    place.column = pixel % width;
    place.row = pixel / width % height;
    place.image = pixel / width / height;
    return place;
}

/* The number of a group in the map before the pool, and in that behind it. */
VGG_BODY size_t vgg_body_inner(const vgg_gpu_pool_task *task, const vgg_body_place *place,
                               size_t row, size_t column) {
    size_t pixel = (place->image * task->height + row) * task->width + column;
    return pixel * VGG_GPU_GROUPS(task->channels) + place->group;
}

VGG_BODY size_t vgg_body_outer(const vgg_gpu_pool_task *task, const vgg_body_place *place,
                               size_t row, size_t column) {
    size_t pixel = (place->image * task->out_height + row) * task->out_width + column;
    return pixel * VGG_GPU_GROUPS(task->channels) + place->group;
}

/* sums += factor * group number `at`. */
VGG_BODY void vgg_body_add_group(const void *from, vgg_gpu_element element, size_t at, float factor,
                                 float *sums) {
    float values[VGG_GPU_LANES];
    vgg_load8(from, element, at, values);
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        sums[i] += factor * values[i];
    }
}

/* The mean of the rows and columns of x from begin to end - 1. */
VGG_BODY void vgg_body_mean(const vgg_gpu_pool_task *task, const vgg_body_place *place,
                            size_t row_begin, size_t row_end, size_t column_begin,
                            size_t column_end, size_t unit) {
    float sums[VGG_GPU_LANES] = {0};
    float count = (float)((row_end - row_begin) * (column_end - column_begin));
    for (size_t row = row_begin; row < row_end; row++) {
        for (size_t column = column_begin; column < column_end; column++) {
            vgg_body_add_group(task->x, task->element, vgg_body_inner(task, place, row, column), 1,
                               sums);
        }
    }
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        sums[i] /= count;
    }
    vgg_store8(task->to, task->element, unit, sums);
}

VGG_BODY void vgg_body_average_pool_2x2(const vgg_gpu_pool_task *task, size_t unit) {
    vgg_body_place place =
        vgg_body_place_of(unit, task->channels, task->out_height, task->out_width);
    vgg_body_mean(task, &place, 2 * place.row, 2 * place.row + 2, 2 * place.column,
                  2 * place.column + 2, unit);
}

VGG_BODY void vgg_body_average_pool_2x2_backward(const vgg_gpu_pool_task *task, size_t unit) {
    vgg_body_place place = vgg_body_place_of(unit, task->channels, task->height, task->width);
    float sums[VGG_GPU_LANES] = {0};
    if (place.row / 2 < task->out_height && place.column / 2 < task->out_width)
        vgg_body_add_group(task->dy, task->element,
                           vgg_body_outer(task, &place, place.row / 2, place.column / 2), 0.25f,
                           sums);
    vgg_store8(task->to, task->element, unit, sums);
}

/* Window i of `out` over `in` values: floor(i in / out) to ceil((i + 1) in / out). */
VGG_BODY size_t vgg_body_window_begin(size_t i, size_t in, size_t out) {
    return i * in / out;
}

VGG_BODY size_t vgg_body_window_end(size_t i, size_t in, size_t out) {
    return ((i + 1) * in + out - 1) / out;
}

VGG_BODY void vgg_body_average_pool(const vgg_gpu_pool_task *task, size_t unit) {
    vgg_body_place place =
        vgg_body_place_of(unit, task->channels, task->out_height, task->out_width);
    vgg_body_mean(task, &place, vgg_body_window_begin(place.row, task->height, task->out_height),
                  vgg_body_window_end(place.row, task->height, task->out_height),
                  vgg_body_window_begin(place.column, task->width, task->out_width),
                  vgg_body_window_end(place.column, task->width, task->out_width), unit);
}

/* Windows first, ..., end - 1 of `out` hold value `at` of `in`: those that begin at or before it
 * and end behind it. */
VGG_BODY void vgg_body_windows_of(size_t at, size_t in, size_t out, size_t *first, size_t *end) {
    *first = at * out / in;
    *end = ((at + 1) * out - 1) / in + 1;
    *end = *end < out ? *end : out;
}

VGG_BODY void vgg_body_average_pool_backward(const vgg_gpu_pool_task *task, size_t unit) {
    vgg_body_place place = vgg_body_place_of(unit, task->channels, task->height, task->width);
    float sums[VGG_GPU_LANES] = {0};
    size_t row, rows, column_first, columns;
    vgg_body_windows_of(place.row, task->height, task->out_height, &row, &rows);
    vgg_body_windows_of(place.column, task->width, task->out_width, &column_first, &columns);
    for (; row < rows; row++) {
        size_t high = vgg_body_window_end(row, task->height, task->out_height) -
                      vgg_body_window_begin(row, task->height, task->out_height);
        for (size_t column = column_first; column < columns; column++) {
            size_t wide = vgg_body_window_end(column, task->width, task->out_width) -
                          vgg_body_window_begin(column, task->width, task->out_width);
            vgg_body_add_group(task->dy, task->element, vgg_body_outer(task, &place, row, column),
                               1 / (float)(high * wide), sums);
        }
    }
    vgg_store8(task->to, task->element, unit, sums);
}

/* ---- over the whole map ---- */

VGG_BODY void vgg_body_global_average(const vgg_gpu_pool_task *task, size_t unit) {
    vgg_body_place place = vgg_body_place_of(unit, task->channels, 1, 1);
    vgg_body_mean(task, &place, 0, task->height, 0, task->width, unit);
}

VGG_BODY void vgg_body_global_average_backward(const vgg_gpu_pool_task *task, size_t unit) {
    vgg_body_place place = vgg_body_place_of(unit, task->channels, task->height, task->width);
    float sums[VGG_GPU_LANES] = {0};
    vgg_body_add_group(task->dy, task->element,
                       place.image * VGG_GPU_GROUPS(task->channels) + place.group,
                       1 / (float)(task->height * task->width), sums);
    vgg_store8(task->to, task->element, unit, sums);
}

/* What is not a number is greatest. */
VGG_BODY void vgg_body_global_max(const vgg_gpu_pool_task *task, size_t unit) {
    vgg_body_place place = vgg_body_place_of(unit, task->channels, 1, 1);
    float best[VGG_GPU_LANES], values[VGG_GPU_LANES];
    vgg_load8(task->x, task->element, vgg_body_inner(task, &place, 0, 0), best);
    for (size_t pixel = 1; pixel < task->height * task->width; pixel++) {
        vgg_load8(task->x, task->element, vgg_body_inner(task, &place, 0, pixel), values);
        VGG_UNROLL
        for (size_t i = 0; i < VGG_GPU_LANES; i++) {
            bool more = values[i] > best[i] || values[i] != values[i];
            best[i] = more && best[i] == best[i] ? values[i] : best[i];
        }
    }
    vgg_store8(task->to, task->element, unit, best);
}

VGG_BODY bool vgg_body_same(float a, float b) {
    return a == b || (a != a && b != b);
}

VGG_BODY void vgg_body_global_max_backward(const vgg_gpu_pool_task *task, size_t unit) {
    vgg_body_place place = vgg_body_place_of(unit, task->channels, task->height, task->width);
    size_t outer = place.image * VGG_GPU_GROUPS(task->channels) + place.group;
    size_t own = place.row * task->width + place.column;
    float y[VGG_GPU_LANES], dy[VGG_GPU_LANES], values[VGG_GPU_LANES];
    bool takes[VGG_GPU_LANES], any = false;
    vgg_load8(task->y, task->element, outer, y);
    vgg_load8(task->dy, task->element, outer, dy);
    vgg_load8(task->x, task->element, unit, values);
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        takes[i] = vgg_body_same(values[i], y[i]);
        any = any || takes[i];
    }
    /* Unless a pixel before has the same. */
    for (size_t pixel = 0; any && pixel < own; pixel++) {
        vgg_load8(task->x, task->element, vgg_body_inner(task, &place, 0, pixel), values);
        VGG_UNROLL
        for (size_t i = 0; i < VGG_GPU_LANES; i++) {
            takes[i] = takes[i] && !vgg_body_same(values[i], y[i]);
        }
    }
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        values[i] = takes[i] ? dy[i] : 0;
    }
    vgg_store8(task->to, task->element, unit, values);
}

/* ---- local response normalisation ---- */

/* Channels on either side of one that its base sees: VGG_LRN_REACH of kernels/kernels.h. */
#define VGG_BODY_REACH 2
/* Channels of a group with those that its gradients see on either side. */
#define VGG_BODY_AROUND (VGG_GPU_LANES + 4 * VGG_BODY_REACH)

/* The values of a pixel from `reach` channels before a group on, zero where there is none. */
VGG_BODY void vgg_body_around(const vgg_gpu_lrn_task *task, const void *from, size_t pixel,
                              size_t group, size_t reach, float *values) {
    size_t lanes = VGG_GPU_GROUPS(task->channels) * VGG_GPU_LANES;
    for (size_t i = 0; i < VGG_GPU_LANES + 2 * reach; i++) {
        size_t channel = group * VGG_GPU_LANES + i; /* + reach */
        bool there = channel >= reach && channel - reach < task->channels;
        values[i] = there ? vgg_load(from, task->element, pixel * lanes + channel - reach) : 0;
    }
}

/* k + alpha times the sum of squares around value `at`. */
VGG_BODY float vgg_body_lrn_base(const vgg_gpu_lrn_task *task, const float *values, size_t at) {
    float squares = 0;
    VGG_UNROLL
    for (size_t i = 0; i <= 2 * VGG_BODY_REACH; i++) {
        float value = values[at + i - VGG_BODY_REACH];
        squares += value * value;
    }
    return task->k + task->alpha * squares;
}

/* base^(-3/4) */
VGG_BODY float vgg_body_lrn_power(float base) {
    float root = sqrtf(base);
    return 1 / (root * sqrtf(root));
}

VGG_BODY void vgg_body_lrn(const vgg_gpu_lrn_task *task, size_t unit) {
    size_t groups = VGG_GPU_GROUPS(task->channels);
    float x[VGG_BODY_AROUND], y[VGG_GPU_LANES];
    vgg_body_around(task, task->x, unit / groups, unit % groups, VGG_BODY_REACH, x);
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        size_t at = i + VGG_BODY_REACH;
        y[i] = x[at] * vgg_body_lrn_power(vgg_body_lrn_base(task, x, at));
    }
    vgg_store8(task->to, task->element, unit, y);
}

/* dx_c = dy_c b_c^(-3/4) - 3/2 alpha x_c sum over j around c of dy_j x_j b_j^(-7/4), with the bases
 * b. */
VGG_BODY void vgg_body_lrn_backward(const vgg_gpu_lrn_task *task, size_t unit) {
    size_t groups = VGG_GPU_GROUPS(task->channels), pixel = unit / groups, group = unit % groups;
    const size_t reach = VGG_BODY_REACH;
    float x[VGG_BODY_AROUND], dy[VGG_BODY_AROUND], terms[VGG_BODY_AROUND];
    float powers[VGG_BODY_AROUND], dx[VGG_GPU_LANES];
    vgg_body_around(task, task->x, pixel, group, 2 * reach, x);
    vgg_body_around(task, task->dy, pixel, group, reach, dy);
    for (size_t i = 0; i < VGG_GPU_LANES + 2 * reach; i++) {
        float base = vgg_body_lrn_base(task, x, i + reach);
        powers[i] = vgg_body_lrn_power(base);
        terms[i] = dy[i] * x[i + reach] * powers[i] / base;
    }
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        float sum = 0;
        for (size_t j = 0; j <= 2 * reach; j++) {
            sum += terms[i + j];
        }
        dx[i] = dy[i + reach] * powers[i + reach] - 1.5f * task->alpha * x[i + 2 * reach] * sum;
    }
    vgg_store8(task->to, task->element, unit, dx);
}

/* ---- dense views ---- */

VGG_BODY void vgg_body_windows(const vgg_gpu_windows_task *task, size_t unit) {
    size_t taps = task->window_height * task->window_width, features = task->channels * taps;
    size_t groups = VGG_GPU_GROUPS(features), row = unit / groups;
    size_t columns = task->width - task->window_width + 1;
    size_t rows = task->height - task->window_height + 1;
    size_t lanes = VGG_GPU_GROUPS(task->channels) * VGG_GPU_LANES;
    size_t image = row / (rows * columns), place = row % (rows * columns);
    float values[VGG_GPU_LANES];
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        size_t feature = unit % groups * VGG_GPU_LANES + i, tap = feature % taps;
        size_t y = place / columns + tap / task->window_width;
        size_t x = place % columns + tap % task->window_width;
        size_t pixel = (image * task->height + y) * task->width + x;
        values[i] = feature < features
                        ? vgg_load(task->x, task->element, pixel * lanes + feature / taps)
                        : 0;
    }
    vgg_store8(task->y, task->element, unit, values);
}

VGG_BODY void vgg_body_row_means(const vgg_gpu_row_means_task *task, size_t unit) {
    size_t groups = VGG_GPU_GROUPS(task->columns), image = unit / groups;
    float sums[VGG_GPU_LANES] = {0};
    for (size_t row = 0; row < task->rows; row++) {
        vgg_body_add_group(task->x, task->element,
                           (image * task->rows + row) * groups + unit % groups, 1, sums);
    }
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        sums[i] /= (float)task->rows;
    }
    vgg_store8(task->y, task->element, unit, sums);
}

#endif
