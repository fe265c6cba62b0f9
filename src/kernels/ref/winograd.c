/* The reference of F(4x4, 3x3) and F(2x2, 3x3) is the convolution that they compute: the transforms
 * have nothing to do. */
#include "kernels/ref/ref.h"

vgg_work vgg_winograd2_filters_ref, vgg_winograd4_filters_ref;
vgg_work vgg_winograd2_forward_ref, vgg_winograd4_forward_ref;

void vgg_winograd2_filters_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)argument;
    (void)begin;
    (void)end;
    (void)worker;
}

void vgg_winograd4_filters_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd2_filters_ref(argument, begin, end, worker);
}

static double input_value(const vgg_winograd_task *task, size_t n, size_t c, size_t row,
                          size_t column) {
    const vgg_conv_shape *shape = &task->shape;
    if (task->spread != NULL)
        return (double)vgg_spread_value(task->x, task->spread, n, c, row, column, shape->inputs,
                                        shape->height, shape->width);
    size_t width = vgg_conv_in_width(shape), pixels = vgg_conv_in_height(shape) * width;
    return (double)task->x[vgg_blocked_at(n, c, row * width + column, shape->inputs, pixels)];
}

static double convolution(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                          size_t column) {
    const vgg_conv_shape *shape = &task->shape;
    size_t border = vgg_conv_border(shape);
    double sum = 0;
    for (size_t c = 0; c < shape->inputs; c++) {
        for (size_t tap = 0; tap < 9; tap++) {
            size_t y = row + tap / 3 - border,
                   x = column + tap % 3 - border; /* or wrapped around */
            if (y >= vgg_conv_in_height(shape) || x >= vgg_conv_in_width(shape))
                continue;
            size_t weight = task->turned ? (c * shape->outputs + k) * 9 + 8 - tap
                                         : (k * shape->inputs + c) * 9 + tap;
            sum += vgg_weight_value(task->element, task->weights, weight) *
                   input_value(task, n, c, y, x);
        }
    }
    return sum;
}

/* With bias, batch norm and ReLU, rounded where another kernel might carry on from memory. */
static float output_value(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                          size_t column) {
    if (k >= task->shape.outputs)
        return 0;
    double bias = task->bias == NULL ? 0 : (double)task->bias[k];
    double value = (double)(float)(convolution(task, n, k, row, column) + bias);
    if (task->scale != NULL)
        value = value * (double)task->scale[k] + (double)task->shift[k];
    return (float)(task->relu && value < 0 ? 0 : value);
}

/* The greatest value of a window, and which it is. */
static float pooled_value(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                          size_t column, size_t *which) {
    float best = output_value(task, n, k, 2 * row, 2 * column);
    *which = 0;
    for (size_t i = 1; i < 4; i++) {
        float value = output_value(task, n, k, 2 * row + i / 2, 2 * column + i % 2);
        if (!(value > best || value != value))
            continue;
        best = value;
        *which = i;
    }
    return best;
}

/* Value `at` of y, at a row and column of it. */
static void write_value(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                        size_t column, size_t at) {
    size_t which;
    if (task->pool) {
        task->y[at] = pooled_value(task, n, k, row, column, &which);
        if (task->chosen != NULL)
            vgg_choice_set(task->chosen, at, which);
        return;
    }
    bool open = task->gate == NULL || task->gate[at] > 0;
    task->y[at] = open ? output_value(task, n, k, row, column) : 0;
}

/* Channels first_k .. last_k - 1 of what one tile of an image puts out. */
static void write_tile(const vgg_winograd_task *task, size_t n, size_t tile, size_t first_k,
                       size_t last_k) {
    const vgg_winograd_partition *cut = &task->partition;
    size_t divisor = task->pool ? 2 : 1, side = cut->tile / divisor;
    size_t height = task->shape.height / divisor, width = task->shape.width / divisor;
    size_t top = tile / cut->tile_columns * side, left = tile % cut->tile_columns * side;
    for (size_t k = first_k; k < last_k; k++) {
        for (size_t row = top; row < vgg_size_min(top + side, height); row++) {
            for (size_t column = left; column < vgg_size_min(left + side, width); column++) {
                write_value(task, n, k, row, column,
                            vgg_blocked_at(n, k, row * width + column, task->shape.outputs,
                                           height * width));
            }
        }
    }
}

static void forward(const vgg_winograd_task *task, size_t begin, size_t end) {
    const vgg_winograd_partition *cut = &task->partition;
    size_t all = cut->tile_rows * cut->tile_columns;
    size_t lanes = vgg_blocks(task->shape.outputs) * VGG_BLOCK;
    for (size_t unit = begin; unit < end; unit++) {
        size_t first = unit / cut->group_units * cut->tiles;
        size_t last = vgg_size_min(first + cut->tiles, task->shape.images * all);
        size_t k = unit % cut->group_units * cut->groups * VGG_WINOGRAD_GROUP;
        size_t last_k = vgg_size_min(k + cut->groups * VGG_WINOGRAD_GROUP, lanes);
        for (size_t tile = first; tile < last; tile++) {
            write_tile(task, tile / all, tile % all, k, last_k);
        }
    }
}

void vgg_winograd2_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    forward(argument, begin, end);
}

void vgg_winograd4_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    forward(argument, begin, end);
}
