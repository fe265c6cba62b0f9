#include "kernels/ref/ref.h"

/* One output: the sum over c, r, s of w[k][c][r][s] x[n][c][row + r - border][column + s - border].
 */
static float output_value(const vgg_conv_picture_task *task, size_t n, size_t k, size_t row,
                          size_t column) {
    const vgg_conv_shape *shape = &task->shape;
    size_t height = vgg_conv_in_height(shape), width = vgg_conv_in_width(shape);
    size_t border = vgg_conv_border(shape), taps = shape->kernel * shape->kernel;
    double sum = 0;
    for (size_t c = 0; c < shape->inputs; c++) {
        for (size_t tap = 0; tap < taps; tap++) {
            size_t y = row + tap / shape->kernel - border,
                   x = column + tap % shape->kernel - border;
            if (y >= height || x >= width)
                continue;
            size_t at = (c / VGG_BLOCK * taps + tap) * shape->outputs + k;
            sum +=
                (double)task->packed[at * VGG_BLOCK + c % VGG_BLOCK] *
                (double)task->x[vgg_blocked_at(n, c, y * width + x, shape->inputs, height * width)];
        }
    }
    return (float)sum;
}

void vgg_conv_picture_ref(void *argument, size_t begin, size_t end, size_t worker);

void vgg_conv_picture_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_conv_picture_task *task = argument;
    const vgg_conv_shape *shape = &task->shape;
    for (size_t unit = begin; unit < end; unit++) {
        size_t n = unit / shape->height, row = unit % shape->height;
        for (size_t k = 0; k < shape->outputs; k++) {
            float *y = task->y + ((n * shape->outputs + k) * shape->height + row) * shape->width;
            for (size_t column = 0; column < shape->width; column++) {
                y[column] = output_value(task, n, k, row, column);
            }
        }
    }
}
