/* Between plain and blocked activations, panels, and dropout: kernels that only move or drop values
 * and are the same for every tier. */
#include <string.h>

#include "base/random.h"
#include "kernels/shared.h"

/* Pixels whose channels are moved together, so that both forms of them stay in the first cache:
 * planes are often a power of two apart and share cache sets. */
#define PIXELS 64

static void block_pixels(const float *restrict from, size_t plane, size_t channels, size_t pixels,
                         float *restrict to) {
    for (size_t c = 0; c < channels; c++) {
        for (size_t p = 0; p < pixels; p++) {
            to[p * VGG_BLOCK + c] = from[c * plane + p];
        }
    }
}

static void unblock_pixels(const float *restrict from, size_t plane, size_t channels, size_t pixels,
                           float *restrict to) {
    for (size_t c = 0; c < channels; c++) {
        for (size_t p = 0; p < pixels; p++) {
            to[c * plane + p] = from[p * VGG_BLOCK + c];
        }
    }
}

void vgg_block(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_block_task *task = argument;
    size_t blocks = vgg_blocks(task->channels);
    for (size_t unit = begin; unit < end; unit++) {
        size_t image = unit / blocks, first = unit % blocks * VGG_BLOCK;
        size_t channels = vgg_size_min(VGG_BLOCK, task->channels - first);
        const float *from = task->x + (image * task->channels + first) * task->pixels;
        float *to = task->y + unit * task->pixels * VGG_BLOCK;
        if (channels < VGG_BLOCK)
            memset(to, 0, task->pixels * VGG_BLOCK * sizeof *to);
        for (size_t p = 0; p < task->pixels; p += PIXELS) {
            block_pixels(from + p, task->pixels, channels, vgg_size_min(PIXELS, task->pixels - p),
                         to + p * VGG_BLOCK);
        }
    }
}

void vgg_unblock(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_block_task *task = argument;
    size_t blocks = vgg_blocks(task->channels);
    for (size_t unit = begin; unit < end; unit++) {
        size_t image = unit / blocks, first = unit % blocks * VGG_BLOCK;
        size_t channels = vgg_size_min(VGG_BLOCK, task->channels - first);
        const float *from = task->x + unit * task->pixels * VGG_BLOCK;
        float *to = task->y + (image * task->channels + first) * task->pixels;
        for (size_t p = 0; p < task->pixels; p += PIXELS) {
            unblock_pixels(from + p * VGG_BLOCK, task->pixels, channels,
                           vgg_size_min(PIXELS, task->pixels - p), to + p);
        }
    }
}

void vgg_panels(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_panel_task *task = argument;
    for (size_t panel = begin; panel < end; panel++) {
        size_t first = panel * task->width;
        size_t count = vgg_size_min(task->width, task->columns - first);
        for (size_t row = 0; row < task->rows; row++) {
            float *to = task->to + (panel * task->rows + row) * task->width;
            memcpy(to, task->from + row * task->columns + first, count * sizeof *to);
            memset(to + count, 0, (task->width - count) * sizeof *to);
        }
    }
}

void vgg_dropout(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_dropout_task *task = argument;
    size_t last = vgg_size_min(end * VGG_CHUNK, task->count);
    float factor = (float)(1.0 / (1.0 - task->probability));
    for (size_t i = begin * VGG_CHUNK; i < last; i++) {
        bool kept = vgg_random_unit(task->seed, task->stream, task->first + i) >= task->probability;
        task->y[i] = kept ? task->x[i] * factor : 0;
    }
}
