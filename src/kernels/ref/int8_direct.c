/* The reference of the convolution with int8 and tiles of 1: the numbers and sums that
 * vgg_winograd_task speaks of, one by one. */
#include "kernels/ref/winograd.h"

static float limited(const vgg_int8_numbers *numbers, float value) {
    float least = -(float)numbers->zero;
    value = value > least ? value : least; /* NaN becomes the least */
    return fminf(value, (float)(VGG_INT8_UNSIGNED_MOST - numbers->zero));
}

/* A number of the input less its zero, of a row and column which may lie outside. */
static int64_t input_number(const vgg_winograd_task *task, size_t n, size_t c, size_t row,
                            size_t column) {
    size_t height = vgg_conv_in_height(&task->shape), width = vgg_conv_in_width(&task->shape);
    if (row >= height || column >= width)
        return 0;
    size_t plane = n * vgg_int8_chunks(task->shape.inputs) + c / VGG_INT8_CHUNK;
    size_t at = (plane * height + row) * width + column;
    if (task->x_numbers != NULL)
        return (int64_t)task->x_numbers[at * VGG_INT8_CHUNK + c % VGG_INT8_CHUNK] -
               task->numbers.zero;
    float value = (float)vgg_winograd_input(task, n, c, row, column) * task->numbers.factor;
    return (int64_t)rintf(limited(&task->numbers, value));
}

static int64_t weight_number(const vgg_winograd_task *task, size_t k, size_t c, size_t tap) {
    float value = (float)vgg_winograd_weight(task, k, c, tap) / task->scales[k];
    if (isnan(value))
        return 0;
    return (int64_t)rintf(fminf(fmaxf(value, -VGG_INT8_MOST), VGG_INT8_MOST));
}

/* Of one output, scaled and shifted. */
static float scaled_sum(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                        size_t column) {
    size_t border = vgg_conv_border(&task->shape), kernel = task->shape.kernel;
    int64_t sum = 0;
    for (size_t c = 0; c < task->shape.inputs; c++) {
        for (size_t tap = 0; tap < kernel * kernel; tap++) {
            int64_t number = input_number(task, n, c, row + tap / kernel - border,
                                          column + tap % kernel - border);
            if (number != 0)
                sum += number * weight_number(task, k, c, tap);
        }
    }
    volatile float scale = task->scales[k] / task->numbers.factor;
    volatile float shift = task->bias == NULL ? 0 : task->bias[k];
    if (task->scale != NULL) {
        scale = scale * task->scale[k];
        shift = shift * task->scale[k];
        shift = shift + task->shift[k];
    }
    volatile float product = (float)sum * scale;
    return product + shift;
}

static float value_of(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                      size_t column) {
    if (k >= task->shape.outputs)
        return 0;
    float value = scaled_sum(task, n, k, row, column);
    return task->relu && value < 0 ? 0 : value;
}

static float pooled_value(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                          size_t column) {
    float best = value_of(task, n, k, 2 * row, 2 * column);
    for (size_t i = 1; i < 4; i++) {
        float value = value_of(task, n, k, 2 * row + i / 2, 2 * column + i % 2);
        best = value > best || value != value ? value : best;
    }
    return best;
}

static void write_value(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                        size_t column) {
    size_t side = task->pool ? 2 : 1;
    size_t height = task->shape.height / side, width = task->shape.width / side;
    float value =
        task->pool ? pooled_value(task, n, k, row, column) : value_of(task, n, k, row, column);
    size_t pixel = row * width + column;
    if (task->y_numbers == NULL) {
        if (k < vgg_blocks(task->shape.outputs) * VGG_BLOCK)
            task->y[vgg_blocked_at(n, k, pixel, task->shape.outputs, height * width)] = value;
        return;
    }
    size_t plane = n * vgg_int8_chunks(task->shape.outputs) + k / VGG_INT8_CHUNK;
    task->y_numbers[(plane * height * width + pixel) * VGG_INT8_CHUNK + k % VGG_INT8_CHUNK] =
        (uint8_t)((int)rintf(limited(&task->y_form, value * task->y_form.factor)) +
                  task->y_form.zero);
}

vgg_work vgg_int8_direct_forward_ref;

/* It reads the weights. A unit with the last channels does those beyond, too. */
void vgg_int8_direct_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_winograd_task *task = argument;
    const vgg_winograd_partition *cut = &task->partition;
    for (size_t unit = begin; unit < end; unit++) {
        size_t group = unit % cut->group_units * cut->groups;
        size_t k = group * VGG_WINOGRAD_GROUP, last = k + cut->groups * VGG_WINOGRAD_GROUP;
        if (last >= task->shape.outputs)
            last = vgg_int8_chunks(task->shape.outputs) * VGG_INT8_CHUNK;
        vgg_direct_write_part(task, unit / cut->group_units, k, last, write_value);
    }
}
