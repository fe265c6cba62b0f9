#include <math.h>

#include "kernels/ref/ref.h"

void vgg_batch_norm_statistics_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_batch_norm_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_batch_norm_sums_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_batch_norm_backward_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_lrn_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_lrn_backward_ref(void *argument, size_t begin, size_t end, size_t worker);

/* ---- batch normalisation ---- */

static double input_at(const vgg_batch_norm_task *task, size_t at) {
    return (double)vgg_map_value(task->x, task->x_bf16, at);
}

void vgg_batch_norm_statistics_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t c = 0; c < VGG_BLOCK; c++) {
            size_t first = unit * task->pixels * VGG_BLOCK + c;
            double mean = 0, square = 0;
            for (size_t p = 0; p < task->pixels; p++) {
                mean += input_at(task, first + p * VGG_BLOCK) / (double)task->pixels;
            }
            for (size_t p = 0; p < task->pixels; p++) {
                square += pow(input_at(task, first + p * VGG_BLOCK) - mean, 2);
            }
            task->sums[unit * 2 * VGG_BLOCK + c] = (float)mean;
            task->sums[(unit * 2 + 1) * VGG_BLOCK + c] = (float)square;
        }
    }
}

/* Channel number of lane c of a unit. */
static size_t channel_of(const vgg_batch_norm_task *task, size_t unit, size_t c) {
    return unit % vgg_blocks(task->channels) * VGG_BLOCK + c;
}

static double normalised(const vgg_batch_norm_task *task, size_t at, size_t channel) {
    return input_at(task, at) * (double)task->scale[channel] + (double)task->shift[channel];
}

void vgg_batch_norm_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t p = 0; p < task->pixels; p++) {
            for (size_t c = 0; c < VGG_BLOCK; c++) {
                size_t at = (unit * task->pixels + p) * VGG_BLOCK + c;
                double value = normalised(task, at, channel_of(task, unit, c));
                vgg_map_write(task->y, task->y_bf16, at,
                              (float)(task->relu && value < 0 ? 0 : value));
            }
        }
    }
}

/* dy where the ReLU let the value pass. */
static double passed(const vgg_batch_norm_task *task, size_t at, size_t channel) {
    bool blocked = task->relu && !(normalised(task, at, channel) > 0);
    return blocked ? 0 : (double)vgg_map_value(task->dy, task->dy_bf16, at);
}

void vgg_batch_norm_sums_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t c = 0; c < VGG_BLOCK; c++) {
            size_t channel = channel_of(task, unit, c);
            double total = 0, product = 0;
            for (size_t p = 0; p < task->pixels; p++) {
                size_t at = (unit * task->pixels + p) * VGG_BLOCK + c;
                double dy = passed(task, at, channel);
                total += dy;
                product += dy * (input_at(task, at) - (double)task->mean[channel]);
            }
            task->sums[unit * 2 * VGG_BLOCK + c] = (float)total;
            task->sums[(unit * 2 + 1) * VGG_BLOCK + c] = (float)product;
        }
    }
}

void vgg_batch_norm_backward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t p = 0; p < task->pixels; p++) {
            for (size_t c = 0; c < VGG_BLOCK; c++) {
                size_t channel = channel_of(task, unit, c);
                size_t at = (unit * task->pixels + p) * VGG_BLOCK + c;
                double distance = input_at(task, at) - (double)task->mean[channel];
                double dx = passed(task, at, channel) * (double)task->from_dy[channel] +
                            distance * (double)task->from_x[channel] +
                            (double)task->constant[channel];
                vgg_map_write(task->dx, task->dx_bf16, at, (float)dx);
            }
        }
    }
}

/* ---- local response normalisation ---- */

static double value_at(const vgg_lrn_task *task, const float *x, size_t n, ptrdiff_t c,
                       size_t pixel) {
    if (c < 0 || c >= (ptrdiff_t)task->channels)
        return 0;
    return (
        double)x[vgg_blocked_at(n, (size_t)c, pixel, task->channels, task->height * task->width)];
}

static double base_at(const vgg_lrn_task *task, size_t n, ptrdiff_t c, size_t pixel) {
    double squares = 0;
    for (ptrdiff_t i = c - VGG_LRN_REACH; i <= c + VGG_LRN_REACH; i++) {
        squares += pow(value_at(task, task->x, n, i, pixel), 2);
    }
    return task->k + task->alpha * squares;
}

void vgg_lrn_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_lrn_task *task = argument;
    size_t lanes = vgg_blocks(task->channels) * VGG_BLOCK, pixels = task->height * task->width;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t column = 0; column < task->width; column++) {
            for (size_t c = 0; c < lanes; c++) {
                size_t n = unit / task->height;
                size_t pixel = unit % task->height * task->width + column;
                double value = value_at(task, task->x, n, (ptrdiff_t)c, pixel) *
                               pow(base_at(task, n, (ptrdiff_t)c, pixel), -VGG_LRN_POWER);
                task->y[vgg_blocked_at(n, c, pixel, task->channels, pixels)] = (float)value;
            }
        }
    }
}

static double lrn_gradient(const vgg_lrn_task *task, size_t n, ptrdiff_t c, size_t pixel) {
    double direct =
        value_at(task, task->dy, n, c, pixel) * pow(base_at(task, n, c, pixel), -VGG_LRN_POWER);
    double sum = 0;
    for (ptrdiff_t i = c - VGG_LRN_REACH; i <= c + VGG_LRN_REACH; i++) {
        sum += value_at(task, task->dy, n, i, pixel) * value_at(task, task->x, n, i, pixel) *
               pow(base_at(task, n, i, pixel), -VGG_LRN_POWER - 1);
    }
    return direct - 2 * task->alpha * VGG_LRN_POWER * value_at(task, task->x, n, c, pixel) * sum;
}

void vgg_lrn_backward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_lrn_task *task = argument;
    size_t lanes = vgg_blocks(task->channels) * VGG_BLOCK, pixels = task->height * task->width;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t column = 0; column < task->width; column++) {
            for (size_t c = 0; c < lanes; c++) {
                size_t n = unit / task->height;
                size_t pixel = unit % task->height * task->width + column;
                task->dx[vgg_blocked_at(n, c, pixel, task->channels, pixels)] =
                    c < task->channels ? (float)lrn_gradient(task, n, (ptrdiff_t)c, pixel) : 0;
            }
        }
    }
}
