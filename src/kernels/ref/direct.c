/* The reference of the convolution with operands of bfloat16 and no transforms, and of its gradient
 * of weights: the sums that they compute, of the same operands, in double. */
#include "kernels/ref/winograd.h"

static double rounded(double value) {
    uint16_t number = vgg_bf16_of((float)value);
    return vgg_weight_value(VGG_ELEMENT_BFLOAT16, &number, 0);
}

static size_t taps_of(const vgg_conv_shape *shape) {
    return shape->kernel * shape->kernel;
}

/* ---- forward ---- */

/* Of plain input: operands are rounded and what rounding left, whose own product is left out. */
static double plain_product(double w, double x) {
    double w_rest = rounded(w - rounded(w)), x_rest = rounded(x - rounded(x));
    return rounded(w) * rounded(x) + rounded(w) * x_rest + w_rest * rounded(x);
}

static double convolution(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                          size_t column) {
    size_t border = vgg_conv_border(&task->shape), kernel = task->shape.kernel;
    double sum = 0;
    for (size_t c = 0; c < task->shape.inputs; c++) {
        for (size_t tap = 0; tap < taps_of(&task->shape); tap++) {
            size_t y = row + tap / kernel - border, x = column + tap % kernel - border;
            double weight = vgg_winograd_weight(task, k, c, tap);
            double value = vgg_winograd_input(task, n, c, y, x);
            sum +=
                task->shape.plain ? plain_product(weight, value) : rounded(weight) * rounded(value);
        }
    }
    return sum;
}

static float value_of(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                      size_t column) {
    if (k >= task->shape.outputs)
        return 0;
    return vgg_winograd_finished(task, k, convolution(task, n, k, row, column));
}

static float pooled_value(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                          size_t column, size_t *which) {
    float best = value_of(task, n, k, 2 * row, 2 * column);
    *which = 0;
    for (size_t i = 1; i < 4; i++) {
        float value = value_of(task, n, k, 2 * row + i / 2, 2 * column + i % 2);
        if (!(value > best || value != value))
            continue;
        best = value;
        *which = i;
    }
    return best;
}

static void write_value(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                        size_t column) {
    size_t side = task->pool ? 2 : 1, which = 0;
    size_t height = task->shape.height / side, width = task->shape.width / side;
    size_t at = vgg_blocked_at(n, k, row * width + column, task->shape.outputs, height * width);
    if (!task->pool) {
        bool gated = task->gate != NULL || task->gate_bf16 != NULL;
        bool open = !gated || vgg_map_value(task->gate, task->gate_bf16, at) > 0;
        vgg_map_write(task->y, task->y_bf16, at, open ? value_of(task, n, k, row, column) : 0);
        return;
    }
    vgg_map_write(task->y, task->y_bf16, at, pooled_value(task, n, k, row, column, &which));
    if (task->chosen != NULL)
        vgg_choice_set(task->chosen, at, which);
}

vgg_work vgg_direct_filters_ref, vgg_direct_forward_ref;

/* ref reads the weights. */
void vgg_direct_filters_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)argument;
    (void)begin;
    (void)end;
    (void)worker;
}

vgg_work vgg_plain_filters_ref, vgg_plain_forward_ref;

void vgg_plain_filters_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_direct_filters_ref(argument, begin, end, worker);
}

void vgg_plain_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_direct_forward_ref(argument, begin, end, worker);
}

void vgg_direct_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_task *task = argument;
    const vgg_winograd_partition *cut = &task->partition;
    size_t lanes = vgg_blocks(task->shape.outputs) * VGG_BLOCK;
    for (size_t unit = begin; unit < end; unit++) {
        size_t k = unit % cut->group_units * cut->groups * VGG_WINOGRAD_GROUP;
        size_t last_k = vgg_size_min(k + cut->groups * VGG_WINOGRAD_GROUP, lanes);
        vgg_direct_write_part(task, unit / cut->group_units, k, last_k, write_value);
    }
}

/* ---- gradients of weights ---- */

static double weight_gradient(const vgg_winograd_weights_task *task, size_t k, size_t c,
                              size_t tap) {
    const vgg_conv_shape *shape = &task->shape;
    const vgg_winograd_task input = {.shape = *shape, .x = task->x, .x_bf16 = task->x_bf16};
    size_t border = vgg_conv_border(shape);
    double sum = 0;
    for (size_t n = 0; n < shape->images; n++) {
        for (size_t row = 0; row < shape->height; row++) {
            for (size_t column = 0; column < shape->width; column++) {
                size_t y = row + tap / shape->kernel - border;
                size_t x = column + tap % shape->kernel - border;
                if (y >= vgg_conv_in_height(shape) || x >= vgg_conv_in_width(shape))
                    continue; /* above and to the left it wrapped around */
                sum += rounded(vgg_winograd_gradient(task, n, k, row, column)) *
                       rounded(vgg_winograd_input(&input, n, c, y, x));
            }
        }
    }
    return sum;
}

/* Of some blocks of output and input channels. */
static void write_blocks(const vgg_winograd_weights_task *task, size_t first_k, size_t k_blocks,
                         size_t first_c, size_t c_blocks) {
    const vgg_conv_shape *shape = &task->shape;
    size_t end_k = vgg_size_min((first_k + k_blocks) * VGG_BLOCK, shape->outputs);
    size_t end_c = vgg_size_min((first_c + c_blocks) * VGG_BLOCK, shape->inputs);
    for (size_t k = first_k * VGG_BLOCK; k < end_k; k++) {
        for (size_t c = first_c * VGG_BLOCK; c < end_c; c++) {
            float *to = task->dweights + (k * shape->inputs + c) * taps_of(shape);
            for (size_t tap = 0; tap < taps_of(shape); tap++) {
                vgg_winograd_write_gradient(task, to + tap, weight_gradient(task, k, c, tap));
            }
        }
        if (first_c == 0)
            vgg_winograd_write_gradient(task, &task->dbias[k], vgg_winograd_bias_gradient(task, k));
    }
}

vgg_work vgg_direct_weights_ref, vgg_direct_weights_finish_ref;

/* The units of a single group, or those that add the groups, make it from all images. */
void vgg_direct_weights_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_weights_task *task = argument;
    const vgg_winograd_weights_partition *cut = &task->partition;
    for (size_t unit = begin; cut->groups == 1 && unit < end; unit++) {
        write_blocks(task, unit / cut->c_units * cut->k_blocks, cut->k_blocks,
                     unit % cut->c_units * cut->c_blocks, cut->c_blocks);
    }
}

void vgg_direct_weights_finish_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_weights_task *task = argument;
    size_t c_blocks = vgg_blocks(task->shape.inputs);
    for (size_t unit = begin; unit < end; unit++) {
        write_blocks(task, unit / c_blocks, 1, unit % c_blocks, 1);
    }
}

vgg_work vgg_plain_weights_ref, vgg_plain_weights_finish_ref;

void vgg_plain_weights_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_direct_weights_ref(argument, begin, end, worker);
}

void vgg_plain_weights_finish_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_direct_weights_finish_ref(argument, begin, end, worker);
}
