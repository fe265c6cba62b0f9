#include <math.h>

#include "kernels/ref/ref.h"

void vgg_average_pool_2x2_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_average_pool_2x2_backward_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_global_average_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_global_average_backward_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_global_max_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_global_max_backward_ref(void *argument, size_t begin, size_t end, size_t worker);

/* ---- averages ---- */

/* The mean of `rows` x `columns` values of a unit's plane from (row, column) on. */
static float mean_of(const vgg_pool_task *task, size_t unit, size_t row, size_t column, size_t rows,
                     size_t columns, size_t c) {
    double sum = 0;
    for (size_t i = 0; i < rows * columns; i++) {
        size_t y = row + i / columns, x = column + i % columns;
        sum += (double)task->x[((unit * task->height + y) * task->width + x) * VGG_BLOCK + c];
    }
    return (float)(sum / (double)(rows * columns));
}

/* Forward for windows of `rows` x `columns` that lie side by side. */
static void averages(const vgg_pool_task *task, size_t unit, size_t rows, size_t columns) {
    for (size_t row = 0; row < task->out_height; row++) {
        for (size_t column = 0; column < task->out_width; column++) {
            for (size_t c = 0; c < VGG_BLOCK; c++) {
                size_t at = (unit * task->out_height + row) * task->out_width + column;
                task->y[at * VGG_BLOCK + c] =
                    mean_of(task, unit, row * rows, column * columns, rows, columns, c);
            }
        }
    }
}

/* Backward for the same. */
static void shares(const vgg_pool_task *task, size_t unit, size_t rows, size_t columns) {
    for (size_t row = 0; row < task->height; row++) {
        for (size_t column = 0; column < task->width; column++) {
            bool inside = row / rows < task->out_height && column / columns < task->out_width;
            size_t at = (unit * task->out_height + row / rows) * task->out_width + column / columns;
            for (size_t c = 0; c < VGG_BLOCK; c++) {
                double share =
                    inside ? (double)task->dy[at * VGG_BLOCK + c] / (double)(rows * columns) : 0;
                task->dx[((unit * task->height + row) * task->width + column) * VGG_BLOCK + c] =
                    (float)share;
            }
        }
    }
}

void vgg_average_pool_2x2_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    for (size_t unit = begin; unit < end; unit++) {
        averages(argument, unit, 2, 2);
    }
}

void vgg_average_pool_2x2_backward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    for (size_t unit = begin; unit < end; unit++) {
        shares(argument, unit, 2, 2);
    }
}

void vgg_global_average_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        averages(task, unit, task->height, task->width);
    }
}

void vgg_global_average_backward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        shares(task, unit, task->height, task->width);
    }
}

/* ---- maximum ---- */

/* The pixel that the maximum of a channel takes: the first of the greatest, or a NaN. */
static size_t greatest(const vgg_pool_task *task, size_t unit, size_t c) {
    size_t pixels = task->height * task->width, best = 0;
    const float *x = task->x + unit * pixels * VGG_BLOCK + c;
    for (size_t p = 1; p < pixels && !isnan(x[best * VGG_BLOCK]); p++) {
        if (x[p * VGG_BLOCK] > x[best * VGG_BLOCK] || isnan(x[p * VGG_BLOCK]))
            best = p;
    }
    return best;
}

void vgg_global_max_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    size_t pixels = task->height * task->width;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t c = 0; c < VGG_BLOCK; c++) {
            size_t at = unit * pixels + greatest(task, unit, c);
            task->y[unit * VGG_BLOCK + c] = task->x[at * VGG_BLOCK + c];
        }
    }
}

void vgg_global_max_backward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    size_t pixels = task->height * task->width;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t i = 0; i < pixels * VGG_BLOCK; i++) {
            bool takes = greatest(task, unit, i % VGG_BLOCK) == i / VGG_BLOCK;
            task->dx[unit * pixels * VGG_BLOCK + i] =
                takes ? task->dy[unit * VGG_BLOCK + i % VGG_BLOCK] : 0;
        }
    }
}
