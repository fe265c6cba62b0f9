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

static double normalised(const vgg_batch_norm_task *task, const place *p) {
    return (double)task->x[p->at] * (double)task->scale[p->channel] +
           (double)task->shift[p->channel];
}

void vgg_batch_norm_pool_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t pixel = 0; pixel < task->pixels; pixel++) {
            for (size_t c = 0; c < VGG_BLOCK; c++) {
                place p = place_of(task, unit, pixel, c);
                double value = normalised(task, &p);
                float y = (float)(task->relu && value < 0 ? 0 : value);
                if (!p.pooled || (p.which > 0 && !(y > task->y[p.window] || isnan(y))))
                    continue;
                task->y[p.window] = y;
                if (task->chosen != NULL)
                    vgg_choice_set(task->chosen, p.window, p.which);
            }
        }
    }
}

/* The gradient of the normalised value. */
static double gradient_of(const vgg_batch_norm_task *task, const place *p) {
    bool counts = p->pooled && vgg_choice_is(task->chosen, p->window, p->which) &&
                  (!task->relu || normalised(task, p) > 0);
    return counts ? (double)task->dy[p->window] : 0;
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
                product += dy * ((double)task->x[p.at] - (double)task->mean[p.channel]);
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
                double distance = (double)task->x[p.at] - (double)task->mean[p.channel];
                task->dx[p.at] = (float)(gradient_of(task, &p) * (double)task->from_dy[p.channel] +
                                         distance * (double)task->from_x[p.channel] +
                                         (double)task->constant[p.channel]);
            }
        }
    }
}
