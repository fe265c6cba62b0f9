/* Batch normalisation, its ReLU and a 2x2 max-pool behind it, as their definitions one after the
 * other. */
#include <math.h>

#include "kernels/ref/ref.h"

void vgg_batch_norm_pool_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_batch_norm_pool_sums_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_batch_norm_pool_backward_ref(void *argument, size_t begin, size_t end, size_t worker);

/* A place in x, and its window's in y. */
typedef struct place {
    size_t channel, at, window, which;
    bool pooled; /* whether a window holds it */
} place;

static place place_of(const vgg_batch_norm_task *task, size_t unit, size_t pixel, size_t c) {
    size_t height = task->pixels / task->width, width = task->width;
    size_t row = pixel / width, column = pixel % width;
    size_t windows = (height / 2) * (width / 2);
    return (place){.channel = unit % vgg_blocks(task->channels) * VGG_BLOCK + c,
                   .at = (unit * task->pixels + pixel) * VGG_BLOCK + c,
                   .window = (unit * windows + row / 2 * (width / 2) + column / 2) * VGG_BLOCK + c,
                   .which = row % 2 * 2 + column % 2,
                   .pooled = row / 2 < height / 2 && column / 2 < width / 2};
}

static double input_at(const vgg_batch_norm_task *task, const place *p) {
    return (double)vgg_map_value(task->x, task->x_bf16, p->at);
}

static double normalised(const vgg_batch_norm_task *task, const place *p) {
    return input_at(task, p) * (double)task->scale[p->channel] + (double)task->shift[p->channel];
}

static void pool_window(const vgg_batch_norm_task *task, size_t unit, size_t row, size_t column,
                        size_t c) {
    float best = 0;
    size_t which = 0, window = 0;
    for (size_t i = 0; i < 4; i++) {
        place p = place_of(task, unit, (row + i / 2) * task->width + column + i % 2, c);
        double value = normalised(task, &p);
        float y = (float)(task->relu && value < 0 ? 0 : value);
        window = p.window;
        if (i > 0 && !(y > best || isnan(y)))
            continue;
        best = y;
        which = i;
    }
    vgg_map_write(task->y, task->y_bf16, window, best);
    if (task->chosen != NULL)
        vgg_choice_set(task->chosen, window, which);
}

void vgg_batch_norm_pool_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t row = 0; row + 2 <= task->pixels / task->width; row += 2) {
            for (size_t column = 0; column + 2 <= task->width; column += 2) {
                for (size_t c = 0; c < VGG_BLOCK; c++) {
                    pool_window(task, unit, row, column, c);
                }
            }
        }
    }
}

/* The gradient of the normalised value. */
static double gradient_of(const vgg_batch_norm_task *task, const place *p) {
    bool counts = p->pooled && vgg_choice_is(task->chosen, p->window, p->which) &&
                  (!task->relu || normalised(task, p) > 0);
    return counts ? (double)vgg_map_value(task->dy, task->dy_bf16, p->window) : 0;
}

void vgg_batch_norm_pool_sums_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t c = 0; c < VGG_BLOCK; c++) {
            double total = 0, product = 0;
            for (size_t pixel = 0; pixel < task->pixels; pixel++) {
                place p = place_of(task, unit, pixel, c);
                double dy = gradient_of(task, &p);
                total += dy;
                product += dy * (input_at(task, &p) - (double)task->mean[p.channel]);
            }
            task->sums[unit * 2 * VGG_BLOCK + c] = (float)total;
            task->sums[(unit * 2 + 1) * VGG_BLOCK + c] = (float)product;
        }
    }
}

void vgg_batch_norm_pool_backward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t pixel = 0; pixel < task->pixels; pixel++) {
            for (size_t c = 0; c < VGG_BLOCK; c++) {
                place p = place_of(task, unit, pixel, c);
                double distance = input_at(task, &p) - (double)task->mean[p.channel];
                double dx = gradient_of(task, &p) * (double)task->from_dy[p.channel] +
                            distance * (double)task->from_x[p.channel] +
                            (double)task->constant[p.channel];
                vgg_map_write(task->dx, task->dx_bf16, p.at, (float)dx);
            }
        }
    }
}
