#include <math.h>

#include "kernels/ref/ref.h"

void vgg_max_pool_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_max_pool_backward_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_average_pool_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_average_pool_backward_ref(void *argument, size_t begin, size_t end, size_t worker);

/* A value of the plane of a unit, before (in) and after (out) pooling. */
static size_t in_at(const vgg_pool_task *task, size_t unit, size_t row, size_t column, size_t c) {
    return ((unit * task->height + row) * task->width + column) * VGG_BLOCK + c;
}

static size_t out_at(const vgg_pool_task *task, size_t unit, size_t row, size_t column, size_t c) {
    return ((unit * task->out_height + row) * task->out_width + column) * VGG_BLOCK + c;
}

void vgg_max_pool_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t row = 0; row < task->out_height; row++) {
            for (size_t column = 0; column < task->out_width; column++) {
                for (size_t c = 0; c < VGG_BLOCK; c++) {
                    float best = task->x[in_at(task, unit, 2 * row, 2 * column, c)];
                    uint8_t which = 0;
                    for (uint8_t i = 1; i < 4; i++) {
                        float x =
                            task->x[in_at(task, unit, 2 * row + i / 2, 2 * column + i % 2, c)];
                        if (x > best || isnan(x)) {
                            best = x;
                            which = i;
                        }
                    }
                    task->y[out_at(task, unit, row, column, c)] = best;
                    if (task->chosen != NULL)
                        vgg_choice_set(task->chosen, out_at(task, unit, row, column, c), which);
                }
            }
        }
    }
}

void vgg_max_pool_backward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t row = 0; row < task->height; row++) {
            for (size_t column = 0; column < task->width; column++) {
                for (size_t c = 0; c < VGG_BLOCK; c++) {
                    float gradient = 0;
                    if (row / 2 < task->out_height && column / 2 < task->out_width) {
                        size_t out = out_at(task, unit, row / 2, column / 2, c);
                        bool counts = !task->relu || task->y[out] > 0;
                        if (counts && vgg_choice_is(task->chosen, out, row % 2 * 2 + column % 2))
                            gradient = task->dy[out];
                    }
                    task->dx[in_at(task, unit, row, column, c)] = gradient;
                }
            }
        }
    }
}

/* Whether value `at` of `in` lies in window i of `out`, and how many values the window has. */
static bool in_window(size_t at, size_t i, size_t in, size_t out, size_t *count) {
    size_t begin = (size_t)floor((double)i * (double)in / (double)out);
    size_t end = (size_t)ceil((double)(i + 1) * (double)in / (double)out);
    *count = end - begin;
    return at >= begin && at < end;
}

/* Forward sums every window, backward spreads dy over it. */
static void each_window(const vgg_pool_task *task, size_t unit, bool backward) {
    for (size_t i = 0; i < task->out_height; i++) {
        for (size_t j = 0; j < task->out_width; j++) {
            for (size_t c = 0; c < VGG_BLOCK; c++) {
                double sum = 0;
                for (size_t row = 0; row < task->height; row++) {
                    for (size_t column = 0; column < task->width; column++) {
                        size_t rows, columns;
                        if (!in_window(row, i, task->height, task->out_height, &rows) ||
                            !in_window(column, j, task->width, task->out_width, &columns))
                            continue;
                        size_t in = in_at(task, unit, row, column, c);
                        double share = 1.0 / (double)(rows * columns);
                        if (backward)
                            task->dx[in] +=
                                (float)(share * (double)task->dy[out_at(task, unit, i, j, c)]);
                        else
                            sum += share * (double)task->x[in];
                    }
                }
                if (!backward)
                    task->y[out_at(task, unit, i, j, c)] = (float)sum;
            }
        }
    }
}

void vgg_average_pool_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    for (size_t unit = begin; unit < end; unit++) {
        each_window(argument, unit, false);
    }
}

void vgg_average_pool_backward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t i = 0; i < task->height * task->width * VGG_BLOCK; i++) {
            task->dx[in_at(task, unit, 0, 0, 0) + i] = 0;
        }
        each_window(task, unit, true);
    }
}
