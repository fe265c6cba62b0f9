/* Pools of 2x2 and adaptive average pooling of blocked activations. */
#include <string.h>

#include "kernels/choice.h"

/* Where the planes of a unit begin. */
static const float *in_plane(const vgg_pool_task *task, const float *x, size_t unit) {
    return x + unit * task->height * task->width * VGG_BLOCK;
}

static size_t out_plane(const vgg_pool_task *task, size_t unit) {
    return unit * task->out_height * task->out_width * VGG_BLOCK;
}

/* ---- max ---- */

void VGG_TIERED(max_pool)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(max_pool)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    size_t in_row = task->width * VGG_BLOCK, out_row = task->out_width * VGG_BLOCK;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t row = 0; row < task->out_height; row++) {
            const float *top = in_plane(task, task->x, unit) + 2 * row * in_row;
            size_t to = out_plane(task, unit) + row * out_row;
            if (task->chosen == NULL)
                pool_row(top, top + in_row, task->out_width, task->y + to, NULL);
            else
                pool_row(top, top + in_row, task->out_width, task->y + to,
                         task->chosen + to / VGG_BLOCK);
        }
    }
}

/* y: where not NULL, dy counts only where it is positive. */
VGG_INLINE void scatter_row(const float *dy, const float *y, const vgg_choice *chosen, size_t width,
                            float *top, float *bottom) {
    for (size_t column = 0; column < width; column++) {
        for (int v = 0; v < BLOCK_VECTORS; v++) {
            size_t from = column * VGG_BLOCK + (size_t)v * VGG_LANES;
            size_t to = from + column * VGG_BLOCK;
            vf gradient = vf_load(dy + from);
            if (y != NULL)
                gradient = vf_where_positive(vf_load(y + from), gradient);
            const vgg_choice *choice = &chosen[column];
            vf_store(top + to, unpool(gradient, choice, v, 0, 0));
            vf_store(top + to + VGG_BLOCK, unpool(gradient, choice, v, 0, 1));
            vf_store(bottom + to, unpool(gradient, choice, v, 1, 0));
            vf_store(bottom + to + VGG_BLOCK, unpool(gradient, choice, v, 1, 1));
        }
    }
}

void VGG_TIERED(max_pool_backward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(max_pool_backward)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    size_t in_row = task->width * VGG_BLOCK, out_row = task->out_width * VGG_BLOCK;
    size_t covered = 2 * task->out_width * VGG_BLOCK; /* what an odd width leaves out is zero */
    for (size_t unit = begin; unit < end; unit++) {
        float *plane = task->dx + unit * task->height * in_row;
        for (size_t row = 0; row < task->out_height; row++) {
            float *top = plane + 2 * row * in_row;
            size_t from = out_plane(task, unit) + row * out_row;
            const vgg_choice *chosen = task->chosen + from / VGG_BLOCK;
            if (task->relu)
                scatter_row(task->dy + from, task->y + from, chosen, task->out_width, top,
                            top + in_row);
            else
                scatter_row(task->dy + from, NULL, chosen, task->out_width, top, top + in_row);
            memset(top + covered, 0, (in_row - covered) * sizeof *top);
            memset(top + in_row + covered, 0, (in_row - covered) * sizeof *top);
        }
        size_t rows = 2 * task->out_height;
        memset(plane + rows * in_row, 0, (task->height - rows) * in_row * sizeof *plane);
    }
}

/* ---- average of 2x2 ---- */

void VGG_TIERED(average_pool_2x2)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(average_pool_2x2)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    size_t row_floats = task->width * VGG_BLOCK;
    for (size_t unit = begin; unit < end; unit++) {
        float *y = task->y + out_plane(task, unit);
        for (size_t row = 0; row < task->out_height; row++) {
            const float *top = in_plane(task, task->x, unit) + 2 * row * row_floats;
            for (size_t i = 0; i < task->out_width * VGG_BLOCK; i += VGG_LANES) {
                const float *a = top + i / VGG_BLOCK * VGG_BLOCK + i, *c = a + row_floats;
                vf upper = vf_load(a) + vf_load(a + VGG_BLOCK);
                vf lower = vf_load(c) + vf_load(c + VGG_BLOCK);
                vf_store(y + row * task->out_width * VGG_BLOCK + i,
                         (upper + lower) * vf_splat(0.25F));
            }
        }
    }
}

void VGG_TIERED(average_pool_2x2_backward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(average_pool_2x2_backward)(void *argument, size_t begin, size_t end,
                                           size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    size_t row_floats = task->width * VGG_BLOCK, plane = task->height * row_floats;
    for (size_t unit = begin; unit < end; unit++) {
        const float *dy = task->dy + out_plane(task, unit);
        float *dx = task->dx + unit * plane;
        memset(dx, 0, plane * sizeof *dx); /* what an odd size leaves out */
        for (size_t row = 0; row < 2 * task->out_height; row++) {
            for (size_t i = 0; i < 2 * task->out_width * VGG_BLOCK; i += VGG_LANES) {
                size_t from = row / 2 * task->out_width * VGG_BLOCK +
                              i / (2 * VGG_BLOCK) * VGG_BLOCK + i % VGG_BLOCK;
                vf_store(dx + row * row_floats + i, vf_load(dy + from) * vf_splat(0.25F));
            }
        }
    }
}

/* ---- average ---- */

/* PyTorch's adaptive window i of `out` over `in` values. */
static size_t window_begin(size_t i, size_t in, size_t out) {
    return i * in / out;
}

static size_t window_end(size_t i, size_t in, size_t out) {
    return ((i + 1) * in + out - 1) / out;
}

static void average_window(const float *x, size_t row_floats, size_t rows, size_t columns,
                           float *y) {
    float sums[VGG_BLOCK] = {0};
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++) {
            for (size_t c = 0; c < VGG_BLOCK; c++) {
                sums[c] += x[row * row_floats + column * VGG_BLOCK + c];
            }
        }
    }
    for (size_t c = 0; c < VGG_BLOCK; c++) {
        y[c] = sums[c] / (float)(rows * columns);
    }
}

static void spread_window(const float *dy, size_t row_floats, size_t rows, size_t columns,
                          float *dx) {
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++) {
            for (size_t c = 0; c < VGG_BLOCK; c++) {
                dx[row * row_floats + column * VGG_BLOCK + c] += dy[c] / (float)(rows * columns);
            }
        }
    }
}

/* Calls average_window or spread_window for every window of a unit. */
static void each_window(const vgg_pool_task *task, size_t unit, bool backward) {
    size_t row_floats = task->width * VGG_BLOCK;
    for (size_t i = 0; i < task->out_height; i++) {
        for (size_t j = 0; j < task->out_width; j++) {
            size_t top = window_begin(i, task->height, task->out_height);
            size_t left = window_begin(j, task->width, task->out_width);
            size_t rows = window_end(i, task->height, task->out_height) - top;
            size_t columns = window_end(j, task->width, task->out_width) - left;
            size_t in = unit * task->height * row_floats + top * row_floats + left * VGG_BLOCK;
            size_t out = out_plane(task, unit) + (i * task->out_width + j) * VGG_BLOCK;
            if (backward)
                spread_window(task->dy + out, row_floats, rows, columns, task->dx + in);
            else
                average_window(task->x + in, row_floats, rows, columns, task->y + out);
        }
    }
}

void VGG_TIERED(average_pool)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(average_pool)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    for (size_t unit = begin; unit < end; unit++) {
        each_window(argument, unit, false);
    }
}

void VGG_TIERED(average_pool_backward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(average_pool_backward)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    size_t plane = task->height * task->width * VGG_BLOCK;
    for (size_t unit = begin; unit < end; unit++) {
        memset(task->dx + unit * plane, 0, plane * sizeof *task->dx);
        each_window(task, unit, true);
    }
}
