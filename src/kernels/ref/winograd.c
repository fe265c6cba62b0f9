/* The reference of F(4x4, 3x3) and F(2x2, 3x3) is the convolution that they compute: the transforms
 * have nothing to do. With operands of bfloat16 or int8 it is winograd_rounded.c, whose roundings
 * they decide.
 */
#include "kernels/ref/winograd.h"

vgg_work vgg_winograd2_filters_ref, vgg_winograd4_filters_ref;
vgg_work vgg_winograd2_forward_ref, vgg_winograd4_forward_ref;
vgg_work vgg_winograd2_bf16_filters_ref, vgg_winograd4_bf16_filters_ref;
vgg_work vgg_winograd2_bf16_forward_ref, vgg_winograd4_bf16_forward_ref;
vgg_work vgg_winograd2_whole_filters_ref, vgg_winograd2_whole_forward_ref;
vgg_work vgg_winograd2_whole_bf16_filters_ref, vgg_winograd2_whole_bf16_forward_ref;
vgg_work vgg_winograd2_int8_forward_ref, vgg_winograd4_int8_forward_ref;

void vgg_winograd2_filters_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)argument;
    (void)begin;
    (void)end;
    (void)worker;
}

void vgg_winograd4_filters_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd2_filters_ref(argument, begin, end, worker);
}

static double convolution(const vgg_winograd_task *task, size_t n, size_t k, size_t row,
                          size_t column) {
    size_t border = vgg_conv_border(&task->shape);
    double sum = 0;
    for (size_t c = 0; c < task->shape.inputs; c++) {
        for (size_t tap = 0; tap < 9; tap++) {
            size_t y = row + tap / 3 - border, x = column + tap % 3 - border;
            sum += vgg_winograd_weight(task, k, c, tap) * vgg_winograd_input(task, n, c, y, x);
        }
    }
    return sum;
}

/* y[row][column]: what lies in the picture of a tile's outputs of channel k. */
static void tile_values(const vgg_winograd_task *task, const vgg_tile *at, size_t k,
                        float y[VGG_WINOGRAD_MOST][VGG_WINOGRAD_MOST]) {
    size_t rows = vgg_size_min(task->partition.tile, task->shape.height - at->top);
    size_t columns = vgg_size_min(task->partition.tile, task->shape.width - at->left);
    double sums[VGG_WINOGRAD_MOST][VGG_WINOGRAD_MOST] = {{0}};
    bool exists = k < task->shape.outputs;
    bool rounded = task->partition.bf16 || task->partition.int8;
    if (exists && rounded)
        vgg_winograd_rounded_tile(task, at, k, sums);
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++) {
            if (exists && !rounded)
                sums[row][column] =
                    convolution(task, at->image, k, at->top + row, at->left + column);
            y[row][column] = exists ? vgg_winograd_finished(task, k, sums[row][column]) : 0;
        }
    }
}

/* The greatest value of a window, and which it is. */
static float pooled_value(float y[VGG_WINOGRAD_MOST][VGG_WINOGRAD_MOST], size_t row, size_t column,
                          size_t *which) {
    float best = y[2 * row][2 * column];
    *which = 0;
    for (size_t i = 1; i < 4; i++) {
        float value = y[2 * row + i / 2][2 * column + i % 2];
        if (!(value > best || value != value))
            continue;
        best = value;
        *which = i;
    }
    return best;
}

/* Value `at` of y, at a row and column of a tile of it. */
static void write_value(const vgg_winograd_task *task,
                        float y[VGG_WINOGRAD_MOST][VGG_WINOGRAD_MOST], size_t row, size_t column,
                        size_t at) {
    size_t which;
    if (task->pool) {
        vgg_map_write(task->y, task->y_bf16, at, pooled_value(y, row, column, &which));
        if (task->chosen != NULL)
            vgg_choice_set(task->chosen, at, which);
        return;
    }
    bool gated = task->gate != NULL || task->gate_bf16 != NULL;
    bool open = !gated || vgg_map_value(task->gate, task->gate_bf16, at) > 0;
    vgg_map_write(task->y, task->y_bf16, at, open ? y[row][column] : 0);
}

/* Channels first_k .. last_k - 1 of what one tile of an image puts out. */
static void write_tile(const vgg_winograd_task *task, size_t n, size_t tile, size_t first_k,
                       size_t last_k) {
    const vgg_winograd_partition *cut = &task->partition;
    size_t divisor = task->pool ? 2 : 1, side = cut->tile / divisor;
    size_t height = task->shape.height / divisor, width = task->shape.width / divisor;
    size_t top = tile / cut->tile_columns * side, left = tile % cut->tile_columns * side;
    const vgg_tile at = {.image = n, .top = top * divisor, .left = left * divisor};
    for (size_t k = first_k; k < last_k; k++) {
        float y[VGG_WINOGRAD_MOST][VGG_WINOGRAD_MOST];
        tile_values(task, &at, k, y);
        for (size_t row = 0; row < side && top + row < height; row++) {
            for (size_t column = 0; column < side && left + column < width; column++) {
                size_t pixel = (top + row) * width + left + column;
                write_value(task, y, row, column,
                            vgg_blocked_at(n, k, pixel, task->shape.outputs, height * width));
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

/* What a task's partition says. */
void vgg_winograd2_bf16_filters_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd2_filters_ref(argument, begin, end, worker);
}

void vgg_winograd4_bf16_filters_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd4_filters_ref(argument, begin, end, worker);
}

void vgg_winograd2_whole_filters_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd2_filters_ref(argument, begin, end, worker);
}

void vgg_winograd2_whole_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd2_forward_ref(argument, begin, end, worker);
}

void vgg_winograd2_whole_bf16_filters_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd2_filters_ref(argument, begin, end, worker);
}

void vgg_winograd2_whole_bf16_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd2_forward_ref(argument, begin, end, worker);
}

void vgg_winograd2_bf16_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd2_forward_ref(argument, begin, end, worker);
}

void vgg_winograd4_bf16_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd4_forward_ref(argument, begin, end, worker);
}

void vgg_winograd2_int8_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd2_forward_ref(argument, begin, end, worker);
}

void vgg_winograd4_int8_forward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    vgg_winograd4_forward_ref(argument, begin, end, worker);
}
