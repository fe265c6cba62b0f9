#include "kernels/ref/ref.h"

/* x[n][c][row][column], 0 outside of the picture. */
static double input_at(const vgg_conv_shape *shape, const float *x, size_t n, size_t c,
                       ptrdiff_t row, ptrdiff_t column) {
    size_t height = vgg_conv_in_height(shape), width = vgg_conv_in_width(shape);
    if (row < 0 || column < 0 || row >= (ptrdiff_t)height || column >= (ptrdiff_t)width)
        return 0;
    size_t pixels = height * width, pixel = (size_t)row * width + (size_t)column;
    if (shape->plain)
        return x[(n * shape->inputs + c) * pixels + pixel];
    return x[vgg_blocked_at(n, c, pixel, shape->inputs, pixels)];
}

static double packed_at(const vgg_conv_shape *shape, const float *packed, size_t k, size_t c,
                        size_t tap) {
    size_t taps = shape->kernel * shape->kernel, inner = VGG_BLOCK;
    size_t outer = vgg_blocks(shape->inputs);
    if (shape->plain) {
        inner = shape->inputs;
        outer = 1;
    }
    size_t row = (((k / VGG_BLOCK) * outer + c / inner) * taps + tap) * inner + c % inner;
    return packed[row * VGG_BLOCK + k % VGG_BLOCK];
}

/* y[n][k][row][column] = sum over c, r, s of w[k][c][r][s] x[n][c][row + r - 1][column + s - 1] */
static float output_value(const vgg_conv_forward_task *task, size_t n, size_t k, size_t row,
                          size_t column) {
    const vgg_conv_shape *shape = &task->shape;
    if (k >= shape->outputs)
        return 0;
    ptrdiff_t border = (ptrdiff_t)vgg_conv_border(shape);
    double sum = 0;
    for (size_t c = 0; c < shape->inputs; c++) {
        for (size_t r = 0; r < shape->kernel; r++) {
            for (size_t s = 0; s < shape->kernel; s++) {
                sum += packed_at(shape, task->packed, k, c, r * shape->kernel + s) *
                       input_at(shape, task->x, n, c, (ptrdiff_t)(row + r) - border,
                                (ptrdiff_t)(column + s) - border);
            }
        }
    }
    /* Rounded where another kernel might carry on from memory. */
    double value = (double)(float)(sum + (task->bias == NULL ? 0 : (double)task->bias[k]));
    if (task->scale != NULL)
        value = value * (double)task->scale[k] + (double)task->shift[k];
    return (float)(task->relu && value < 0 ? 0 : value);
}

static float pooled_value(const vgg_conv_forward_task *task, size_t n, size_t k, size_t row,
                          size_t column) {
    if (!task->pool)
        return output_value(task, n, k, row, column);
    float best = output_value(task, n, k, 2 * row, 2 * column);
    for (size_t i = 1; i < 4; i++) {
        float value = output_value(task, n, k, 2 * row + i / 2, 2 * column + i % 2);
        if (value > best || value != value)
            best = value;
    }
    return best;
}

/* Also those beyond the channels. */
static void write_value(const vgg_conv_forward_task *task, size_t n, size_t k, size_t pixel,
                        size_t pixels, float value) {
    if (task->y_numbers == NULL) {
        if (k < vgg_blocks(task->shape.outputs) * VGG_BLOCK)
            vgg_map_write(task->y, task->y_bf16,
                          vgg_blocked_at(n, k, pixel, task->shape.outputs, pixels), value);
        return;
    }
    float least = -(float)task->y_form.zero, number = value * task->y_form.factor;
    number = number > least ? number : least; /* NaN becomes the least */
    number = fminf(number, (float)(VGG_INT8_UNSIGNED_MOST - task->y_form.zero));
    size_t plane = n * vgg_int8_chunks(task->shape.outputs) + k / VGG_INT8_CHUNK;
    task->y_numbers[(plane * pixels + pixel) * VGG_INT8_CHUNK + k % VGG_INT8_CHUNK] =
        (uint8_t)((int)rintf(number) + task->y_form.zero);
}

void vgg_conv_forward_ref(void *argument, size_t begin, size_t end, size_t worker);

/* A unit with the last channels does those beyond, too. */
void vgg_conv_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_conv_forward_task *task = argument;
    const vgg_conv_shape *shape = &task->shape;
    const vgg_conv_partition *cut = &task->partition;
    size_t side = task->pool ? 2 : 1, height = shape->height / side, width = shape->width / side;
    for (size_t unit = begin; unit < end; unit++) {
        size_t n = unit / cut->block_units / cut->row_units;
        size_t first_row = unit / cut->block_units % cut->row_units * cut->rows / side;
        size_t first_k = unit % cut->block_units * cut->blocks * VGG_BLOCK;
        size_t last_row = vgg_size_min(first_row + cut->rows / side, height);
        size_t last_k = first_k + cut->blocks * VGG_BLOCK;
        if (last_k >= shape->outputs)
            last_k = vgg_int8_chunks(shape->outputs) * VGG_INT8_CHUNK;
        for (size_t k = first_k; k < last_k; k++) {
            for (size_t row = first_row; row < last_row; row++) {
                for (size_t column = 0; column < width; column++) {
                    write_value(task, n, k, row * width + column, height * width,
                                pooled_value(task, n, k, row, column));
                }
            }
        }
    }
}

/* dw[k][c][r][s] = sum over n, row, column of dy[n][k][row][column] x[n][c][row + r - 1][...] */
static double weight_gradient(const vgg_conv_weights_task *task, size_t group, size_t k, size_t c,
                              size_t tap) {
    const vgg_conv_shape *shape = &task->shape;
    ptrdiff_t border = (ptrdiff_t)vgg_conv_border(shape);
    double sum = 0;
    for (size_t n = shape->images * group / task->groups;
         n < shape->images * (group + 1) / task->groups; n++) {
        for (size_t row = 0; row < shape->height; row++) {
            for (size_t column = 0; column < shape->width; column++) {
                size_t pixel = row * shape->width + column;
                size_t at =
                    vgg_blocked_at(n, k, pixel, shape->outputs, shape->height * shape->width);
                sum +=
                    (double)vgg_map_value(task->dy, task->dy_bf16, at) *
                    input_at(shape, task->x, n, c, (ptrdiff_t)(row + tap / shape->kernel) - border,
                             (ptrdiff_t)(column + tap % shape->kernel) - border);
            }
        }
    }
    return sum;
}

static double bias_gradient(const vgg_conv_weights_task *task, size_t group, size_t k) {
    const vgg_conv_shape *shape = &task->shape;
    size_t pixels = shape->height * shape->width;
    double sum = 0;
    for (size_t n = shape->images * group / task->groups;
         n < shape->images * (group + 1) / task->groups; n++) {
        for (size_t pixel = 0; pixel < pixels; pixel++) {
            size_t at = vgg_blocked_at(n, k, pixel, shape->outputs, pixels);
            sum += (double)vgg_map_value(task->dy, task->dy_bf16, at);
        }
    }
    return sum;
}

void vgg_conv_weights_ref(void *argument, size_t begin, size_t end, size_t worker);

void vgg_conv_weights_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_conv_weights_task *task = argument;
    const vgg_conv_shape *shape = &task->shape;
    size_t taps = shape->kernel * shape->kernel;
    size_t inner = shape->plain ? 1 : VGG_BLOCK;
    size_t planes = shape->plain ? shape->inputs : vgg_blocks(shape->inputs);
    size_t blocks = vgg_blocks(shape->outputs);
    for (size_t unit = begin; unit < end; unit++) {
        size_t plane = unit % planes, block = unit / planes % blocks;
        size_t group = unit / planes / blocks;
        float *to = task->partial + unit * taps * inner * VGG_BLOCK;
        for (size_t tap = 0; tap < taps; tap++) {
            for (size_t i = 0; i < inner; i++) {
                for (size_t j = 0; j < VGG_BLOCK; j++) {
                    size_t c = plane * inner + i, k = block * VGG_BLOCK + j;
                    bool real = c < shape->inputs && k < shape->outputs;
                    to[(tap * inner + i) * VGG_BLOCK + j] =
                        real ? (float)weight_gradient(task, group, k, c, tap) : 0;
                }
            }
        }
        for (size_t j = 0; plane == 0 && j < VGG_BLOCK; j++) {
            size_t k = block * VGG_BLOCK + j;
            task->bias_partial[group * blocks * VGG_BLOCK + k] =
                k < shape->outputs ? (float)bias_gradient(task, group, k) : 0;
        }
    }
}
