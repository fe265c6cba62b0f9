/* The reference of F(3x3, 4x4) and F(3x3, 2x2) is the gradient that they compute: the units of a
 * single group, or those that add the groups, make it from all tiles. With operands of
 * bfloat16 it is winograd_rounded.c, whose roundings the transforms decide. */
#include "kernels/ref/winograd.h"

/* dw[k][c][r][s] = sum over n, row, column of dy[n][k][row][column] x[n][c][row + r - 1][...] */
static double weight_gradient(const vgg_winograd_weights_task *task, size_t k, size_t c,
                              size_t tap) {
    const vgg_conv_shape *shape = &task->shape;
    size_t in_height = vgg_conv_in_height(shape), in_width = vgg_conv_in_width(shape);
    size_t border = vgg_conv_border(shape);
    double sum = 0;
    for (size_t n = 0; n < shape->images; n++) {
        for (size_t row = 0; row < shape->height; row++) {
            for (size_t column = 0; column < shape->width; column++) {
                size_t y = row + tap / 3 - border, x = column + tap % 3 - border;
                if (y >= in_height || x >= in_width) /* above and to the left it wrapped around */
                    continue;
                size_t at =
                    vgg_blocked_at(n, c, y * in_width + x, shape->inputs, in_height * in_width);
                sum += vgg_winograd_gradient(task, n, k, row, column) * (double)task->x[at];
            }
        }
    }
    return sum;
}

/* The gradients of some blocks of output and input channels. */
static void write_blocks(const vgg_winograd_weights_task *task, size_t first_k, size_t k_blocks,
                         size_t first_c, size_t c_blocks) {
    const vgg_conv_shape *shape = &task->shape;
    size_t end_k = vgg_size_min((first_k + k_blocks) * VGG_BLOCK, shape->outputs);
    size_t end_c = vgg_size_min((first_c + c_blocks) * VGG_BLOCK, shape->inputs);
    for (size_t k = first_k * VGG_BLOCK; k < end_k; k++) {
        for (size_t c = first_c * VGG_BLOCK; c < end_c; c++) {
            double taps[9];
            if (task->partition.bf16)
                vgg_winograd_bf16_weights(task, k, c, taps);
            for (size_t tap = 0; tap < 9; tap++) {
                double value = task->partition.bf16 ? taps[tap] : weight_gradient(task, k, c, tap);
                vgg_winograd_write_gradient(
                    task, &task->dweights[(k * shape->inputs + c) * 9 + tap], value);
            }
        }
        if (first_c == 0)
            vgg_winograd_write_gradient(task, &task->dbias[k], vgg_winograd_bias_gradient(task, k));
    }
}

static void sum(const vgg_winograd_weights_task *task, size_t begin, size_t end) {
    const vgg_winograd_weights_partition *cut = &task->partition;
    for (size_t unit = begin; cut->groups == 1 && unit < end; unit++) {
        write_blocks(task, unit / cut->c_units * cut->k_blocks, cut->k_blocks,
                     unit % cut->c_units * cut->c_blocks, cut->c_blocks);
    }
}

static void finish(const vgg_winograd_weights_task *task, size_t begin, size_t end) {
    size_t c_blocks = vgg_blocks(task->shape.inputs);
    for (size_t unit = begin; unit < end; unit++) {
        write_blocks(task, unit / c_blocks, 1, unit % c_blocks, 1);
    }
}

vgg_work vgg_winograd2_weights_ref, vgg_winograd2_weights_finish_ref;
vgg_work vgg_winograd4_weights_ref, vgg_winograd4_weights_finish_ref;
vgg_work vgg_winograd2_bf16_weights_ref, vgg_winograd2_bf16_weights_finish_ref;
vgg_work vgg_winograd4_bf16_weights_ref, vgg_winograd4_bf16_weights_finish_ref;
vgg_work vgg_winograd2_whole_weights_ref, vgg_winograd2_whole_weights_finish_ref;
vgg_work vgg_winograd2_whole_bf16_weights_ref, vgg_winograd2_whole_bf16_weights_finish_ref;

void vgg_winograd2_weights_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    sum(argument, begin, end);
}

void vgg_winograd4_weights_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    sum(argument, begin, end);
}

void vgg_winograd2_weights_finish_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    finish(argument, begin, end);
}

void vgg_winograd4_weights_finish_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    finish(argument, begin, end);
}

/* What a task's partition says. */
void vgg_winograd2_bf16_weights_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd2_weights_ref(argument, begin, end, worker);
}

void vgg_winograd4_bf16_weights_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd4_weights_ref(argument, begin, end, worker);
}

void vgg_winograd2_bf16_weights_finish_ref(void *argument, size_t begin, size_t end,
                                           size_t worker) {
    vgg_winograd2_weights_finish_ref(argument, begin, end, worker);
}

void vgg_winograd4_bf16_weights_finish_ref(void *argument, size_t begin, size_t end,
                                           size_t worker) {
    vgg_winograd4_weights_finish_ref(argument, begin, end, worker);
}

void vgg_winograd2_whole_weights_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd2_weights_ref(argument, begin, end, worker);
}

void vgg_winograd2_whole_weights_finish_ref(void *argument, size_t begin, size_t end,
                                            size_t worker) {
    vgg_winograd2_weights_finish_ref(argument, begin, end, worker);
}

void vgg_winograd2_whole_bf16_weights_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd2_weights_ref(argument, begin, end, worker);
}

void vgg_winograd2_whole_bf16_weights_finish_ref(void *argument, size_t begin, size_t end,
                                                 size_t worker) {
    vgg_winograd2_weights_finish_ref(argument, begin, end, worker);
}
