/* What the references of Winograd's convolutions read: inputs, gradients and weights by their
 * places. */
#ifndef VGG_KERNELS_REF_WINOGRAD_H
#define VGG_KERNELS_REF_WINOGRAD_H

#include "kernels/ref/ref.h"

/* Outputs on a side of the largest tile. */
#define VGG_WINOGRAD_MOST 4

/* A tile of outputs: its image, and the row and column that it begins with. */
typedef struct vgg_tile {
    size_t image, top, left;
} vgg_tile;

/* x at a row and column of the picture, which may have wrapped around below 0; 0 beyond it. */
static inline double vgg_winograd_input(const vgg_winograd_task *task, size_t n, size_t c,
                                        size_t row, size_t column) {
    const vgg_conv_shape *shape = &task->shape;
    size_t height = vgg_conv_in_height(shape), width = vgg_conv_in_width(shape);
    if (row >= height || column >= width)
        return 0;
    if (task->spread != NULL)
        return (double)vgg_spread_value(task->x, task->x_bf16, task->spread, n, c, row, column,
                                        shape->inputs, shape->height, shape->width);
    size_t pixel = row * width + column;
    size_t at = shape->plain ? (n * shape->inputs + c) * height * width + pixel
                             : vgg_blocked_at(n, c, pixel, shape->inputs, height * width);
    return (double)vgg_map_value(task->x, task->x_bf16, at);
}

/* dy at a row and column of the picture; 0 beyond it. */
static inline double vgg_winograd_gradient(const vgg_winograd_weights_task *task, size_t n,
                                           size_t k, size_t row, size_t column) {
    const vgg_conv_shape *shape = &task->shape;
    if (row >= shape->height || column >= shape->width)
        return 0;
    if (task->spread != NULL)
        return (double)vgg_spread_value(task->dy, task->dy_bf16, task->spread, n, k, row, column,
                                        shape->outputs, shape->height, shape->width);
    size_t at = vgg_blocked_at(n, k, row * shape->width + column, shape->outputs,
                               shape->height * shape->width);
    return (double)vgg_map_value(task->dy, task->dy_bf16, at);
}

/* The gradient of the bias of channel k. */
static inline double vgg_winograd_bias_gradient(const vgg_winograd_weights_task *task, size_t k) {
    double sum = 0;
    for (size_t n = 0; n < task->shape.images; n++) {
        for (size_t row = 0; row < task->shape.height; row++) {
            for (size_t column = 0; column < task->shape.width; column++) {
                sum += vgg_winograd_gradient(task, n, k, row, column);
            }
        }
    }
    return sum;
}

static inline void vgg_winograd_write_gradient(const vgg_winograd_weights_task *task, float *to,
                                               double value) {
    *to = task->accumulate ? *to + (float)value : (float)value;
}

static inline double vgg_winograd_weight(const vgg_winograd_task *task, size_t k, size_t c,
                                         size_t tap) {
    size_t taps = task->shape.kernel * task->shape.kernel;
    size_t at = task->turned ? (c * task->shape.outputs + k) * taps + taps - 1 - tap
                             : (k * task->shape.inputs + c) * taps + tap;
    return vgg_weight_value(task->element, task->weights, at);
}

/* With bias, batch norm and ReLU, rounded where another kernel might carry on from memory. */
static inline float vgg_winograd_finished(const vgg_winograd_task *task, size_t k, double sum) {
    double bias = task->bias == NULL ? 0 : (double)task->bias[k];
    double value = (double)(float)(sum + bias);
    if (task->scale != NULL)
        value = value * (double)task->scale[k] + (double)task->shift[k];
    return (float)(task->relu && value < 0 ? 0 : value);
}

/* y[row][column]: what a tile puts out of channel k before bias and all that follows. */
void vgg_winograd_rounded_tile(const vgg_winograd_task *task, const vgg_tile *at, size_t k,
                               double y[VGG_WINOGRAD_MOST][VGG_WINOGRAD_MOST]);

/* The nine gradients of the weights between two channels. */
void vgg_winograd_bf16_weights(const vgg_winograd_weights_task *task, size_t k, size_t c,
                               double taps[9]);

/* Writes what a unit with tiles of 1 does: the channels first_k .. last_k - 1 of a part, which is
 * rows of some images, each value by `write`. */
typedef void vgg_direct_write(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                              size_t column);

static inline void vgg_direct_write_part(const vgg_winograd_task *task, size_t part, size_t first_k,
                                         size_t last_k, vgg_direct_write *write) {
    const vgg_direct_cut *cut = &task->partition.direct;
    size_t side = task->pool ? 2 : 1, width = task->shape.width / side;
    size_t image = part / cut->row_parts * cut->images;
    size_t first = part % cut->row_parts * cut->rows / side;
    size_t last = vgg_size_min(first + cut->rows / side, task->shape.height / side);
    for (size_t n = image; n < vgg_size_min(image + cut->images, task->shape.images); n++) {
        for (size_t k = first_k; k < last_k; k++) {
            for (size_t row = first; row < last; row++) {
                for (size_t column = 0; column < width; column++) {
                    write(task, n, k, row, column);
                }
            }
        }
    }
}

#endif
