/* Between plain and blocked activations, panels, and dropout: kernels that only move or drop values
 * and are the same for every tier. */
#include <string.h>

#include "base/random.h"
#include "kernels/shared.h"

void vgg_block(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_block_task *task = argument;
    size_t blocks = vgg_blocks(task->channels);
    for (size_t unit = begin; unit < end; unit++) {
        size_t image = unit / blocks, first = unit % blocks * VGG_BLOCK;
        size_t channels = vgg_size_min(VGG_BLOCK, task->channels - first);
        const float *from = task->x + (image * task->channels + first) * task->pixels;
        float *to = task->y + unit * task->pixels * VGG_BLOCK;
        for (size_t p = 0; p < task->pixels; p++) {
            for (size_t c = 0; c < VGG_BLOCK; c++) {
                to[p * VGG_BLOCK + c] = c < channels ? from[c * task->pixels + p] : 0;
            }
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
        for (size_t c = 0; c < channels; c++) {
            for (size_t p = 0; p < task->pixels; p++) {
                to[c * task->pixels + p] = from[p * VGG_BLOCK + c];
            }
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
