/* The convolution whose few outputs are a plain picture, as the gradient of one is. Lanes are input
 * channels, whose products each output adds up in the end: with output channels in the lanes, most
 * of them would be empty. */
#include <string.h>

#include "kernels/tier.h"

/* Neighbouring outputs of a row, whose sums are in registers. */
#if VGG_LANES == 16
#define PIXELS 8
#else
#define PIXELS 4
#endif
/* Columns of the input that they see at most. */
#define SEEN (PIXELS + 2)

/* SEEN columns of a row of a block, from `first` on: where they lie, or, where some are outside of
 * the row, a copy with zeros there. */
static const float *seen_columns(const float *row, ptrdiff_t first, size_t width,
                                 float copy[SEEN * VGG_BLOCK]) {
    if (first >= 0 && (size_t)first + SEEN <= width)
        return row + first * VGG_BLOCK;
    memset(copy, 0, SEEN * VGG_BLOCK * sizeof *copy);
    for (ptrdiff_t i = 0; i < SEEN; i++) {
        if (first + i >= 0 && first + i < (ptrdiff_t)width)
            memcpy(copy + i * VGG_BLOCK, row + (first + i) * VGG_BLOCK, VGG_BLOCK * sizeof *copy);
    }
    return copy;
}

/* Adds what a row of a block contributes. x: what the outputs see of it, w: its taps. */
VGG_INLINE void add_row(int outputs, const float *x, const float *w, size_t taps,
                        vf sums[VGG_PICTURE_CHANNELS][PIXELS]) {
    for (size_t tap = 0; tap < taps; tap++) {
        VGG_UNROLL
        for (int part = 0; part < VGG_BLOCK; part += VGG_LANES) {
            vf weights[VGG_PICTURE_CHANNELS];
            VGG_UNROLL
            for (int k = 0; k < outputs; k++) {
                weights[k] = vf_load(w + k * VGG_BLOCK + part);
            }
            VGG_UNROLL
            for (int p = 0; p < PIXELS; p++) {
                vf value = vf_load(x + p * VGG_BLOCK + part);
                VGG_UNROLL
                for (int k = 0; k < outputs; k++) {
                    sums[k][p] += weights[k] * value;
                }
            }
        }
        x += VGG_BLOCK;
        w += outputs * VGG_BLOCK;
    }
}

/* The outputs of a row from `column` on. x, y: the image. */
VGG_INLINE void some_outputs(const vgg_conv_picture_task *task, int outputs, const float *x,
                             size_t row, size_t column, float *y) {
    const vgg_conv_shape *shape = &task->shape;
    size_t height = vgg_conv_in_height(shape), width = vgg_conv_in_width(shape);
    size_t border = vgg_conv_border(shape), kernel = shape->kernel;
    vf sums[VGG_PICTURE_CHANNELS][PIXELS] = {{{0}}};
    for (size_t i = 0; i < vgg_blocks(shape->inputs) * kernel; i++) {
        size_t from = row + i % kernel - border; /* wraps around above the picture */
        float copy[SEEN * VGG_BLOCK];
        if (from >= height)
            continue;
        const float *line = x + (i / kernel * height + from) * width * VGG_BLOCK;
        line = seen_columns(line, (ptrdiff_t)column - (ptrdiff_t)border, width, copy);
        add_row(outputs, line, task->packed + i * kernel * (size_t)outputs * VGG_BLOCK, kernel,
                sums);
    }
    size_t count = vgg_size_min(PIXELS, shape->width - column);
    for (size_t k = 0; k < (size_t)outputs; k++) {
        float found[PIXELS];
        VGG_UNROLL
        for (int p = 0; p < PIXELS; p += 4) {
            vf_sum4(&sums[k][p], found + p);
        }
        memcpy(y + (k * shape->height + row) * shape->width + column, found, count * sizeof *found);
    }
}

void VGG_TIERED(conv_picture)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(conv_picture)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_conv_picture_task *task = argument;
    const vgg_conv_shape *shape = &task->shape;
    size_t pixels = vgg_conv_in_height(shape) * vgg_conv_in_width(shape);
    for (size_t unit = begin; unit < end; unit++) {
        size_t image = unit / shape->height, row = unit % shape->height;
        const float *x = task->x + vgg_blocked_size(image, shape->inputs, pixels);
        float *y = task->y + image * shape->outputs * shape->height * shape->width;
        for (size_t column = 0; column < shape->width; column += PIXELS) {
            if (shape->outputs == 1)
                some_outputs(task, 1, x, row, column, y);
            else if (shape->outputs == 2)
                some_outputs(task, 2, x, row, column, y);
            else
                some_outputs(task, VGG_PICTURE_CHANNELS, x, row, column, y);
        }
    }
}
