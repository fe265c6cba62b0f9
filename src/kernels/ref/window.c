#include "kernels/ref/ref.h"

void vgg_window_inputs_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_window_linear_ref(void *argument, size_t begin, size_t end, size_t worker);

/* The definition needs nothing transformed. */
void vgg_window_inputs_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)argument;
    (void)begin;
    (void)end;
    (void)worker;
}

/* sum over c, i, j of x[n][c][row + i][column + j] w[o][c][i][j] */
static double window_sum(const vgg_window_task *task, size_t n, size_t row, size_t column,
                         size_t o) {
    double sum = 0;
    for (size_t c = 0; c < task->channels; c++) {
        for (size_t tap = 0; tap < VGG_WINDOW * VGG_WINDOW; tap++) {
            size_t pixel = (row + tap / VGG_WINDOW) * task->width + column + tap % VGG_WINDOW;
            size_t weight = (o * task->channels + c) * VGG_WINDOW * VGG_WINDOW + tap;
            sum +=
                (double)task
                    ->x[vgg_blocked_at(n, c, pixel, task->channels, task->height * task->width)] *
                vgg_weight_value(task->element, task->weights, weight);
        }
    }
    return sum;
}

void vgg_window_linear_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_window_task *task = argument;
    size_t rows = task->height - VGG_WINDOW + 1, columns = task->width - VGG_WINDOW + 1;
    for (size_t o = begin * VGG_WINOGRAD_GROUP;
         o < vgg_size_min(end * VGG_WINOGRAD_GROUP, task->outputs); o++) {
        for (size_t place = 0; place < task->images * rows * columns; place++) {
            size_t n = place / (rows * columns), at = place % (rows * columns);
            double sum = window_sum(task, n, at / columns, at % columns, o);
            sum =
                sum * (task->scales != NULL ? (double)task->scales[o] : 1) + (double)task->bias[o];
            task->y[place * task->outputs + o] = (float)(task->relu && sum < 0 ? 0 : sum);
        }
    }
}
