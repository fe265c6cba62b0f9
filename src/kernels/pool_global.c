/* Pools of one window: the average and the maximum of each channel of blocked activations. */
#include <string.h>

#include "kernels/tier.h"

/* Sums over this many pixels are added up on their own, and then as a second level. */
#define CHUNK_PIXELS 256

static size_t pixels_of(const vgg_pool_task *task) {
    return task->height * task->width;
}

/* ---- average ---- */

void VGG_TIERED(global_average)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(global_average)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    size_t pixels = pixels_of(task);
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t v = 0; v < VGG_BLOCK; v += VGG_LANES) {
            const float *x = task->x + unit * pixels * VGG_BLOCK + v;
            vf total = {0};
            for (size_t from = 0; from < pixels; from += CHUNK_PIXELS) {
                vf sum = {0};
                for (size_t p = from; p < vgg_size_min(from + CHUNK_PIXELS, pixels); p++) {
                    sum += vf_load(x + p * VGG_BLOCK);
                }
                total += sum;
            }
            vf_store(task->y + unit * VGG_BLOCK + v, total / vf_splat((float)pixels));
        }
    }
}

void VGG_TIERED(global_average_backward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(global_average_backward)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    size_t pixels = pixels_of(task);
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t v = 0; v < VGG_BLOCK; v += VGG_LANES) {
            float *dx = task->dx + unit * pixels * VGG_BLOCK + v;
            vf share = vf_load(task->dy + unit * VGG_BLOCK + v) / vf_splat((float)pixels);
            for (size_t p = 0; p < pixels; p++) {
                vf_store(dx + p * VGG_BLOCK, share);
            }
        }
    }
}

/* ---- maximum ---- */

void VGG_TIERED(global_max)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(global_max)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    size_t pixels = pixels_of(task);
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t v = 0; v < VGG_BLOCK; v += VGG_LANES) {
            const float *x = task->x + unit * pixels * VGG_BLOCK + v;
            vf best = vf_load(x);
            for (size_t p = 1; p < pixels; p++) {
                vf value = vf_load(x + p * VGG_BLOCK);
                best = vf_either(vf_takes_over(value, best), best, value);
            }
            vf_store(task->y + unit * VGG_BLOCK + v, best);
        }
    }
}

/* Whether a value is what a maximum took, which may be NaN. */
static bool is_taken(float value, float best) {
    bool below = value<best, above = value> best, number = !(value != value);
    return number ? !below && !above && !(best != best) : best != best;
}

void VGG_TIERED(global_max_backward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(global_max_backward)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_pool_task *task = argument;
    size_t plane = pixels_of(task) * VGG_BLOCK;
    for (size_t unit = begin; unit < end; unit++) {
        const float *x = task->x + unit * plane, *y = task->y + unit * VGG_BLOCK;
        float *dx = task->dx + unit * plane;
        memset(dx, 0, plane * sizeof *dx);
        for (size_t c = 0; c < VGG_BLOCK; c++) {
            size_t at = c;
            while (at < plane && !is_taken(x[at], y[c])) {
                at += VGG_BLOCK;
            }
            if (at < plane)
                dx[at] = task->dy[unit * VGG_BLOCK + c];
        }
    }
}
