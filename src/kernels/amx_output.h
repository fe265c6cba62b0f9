/* What sums of a convolution by AMX go through before they are stored. */
#ifndef VGG_KERNELS_AMX_OUTPUT_H
#define VGG_KERNELS_AMX_OUTPUT_H

#include "kernels/amx_places.h"

/* What a block of output channels goes through, and its planes of an image. */
typedef struct block_output {
    vf bias, scale, shift;
    bool norm, relu, stream;
    float *y;
    uint16_t *y_bf16;
    const float *gate;
    const uint16_t *gate_bf16;
    vgg_choice *chosen;
} block_output;

static inline block_output output_of(const vgg_winograd_task *task, size_t block) {
    size_t channel = block * VGG_BLOCK;
    bool norm = task->scale != NULL;
    return (block_output){.bias = task->bias == NULL ? (vf){0} : vf_load(task->bias + channel),
                          .scale = norm ? vf_load(task->scale + channel) : vf_splat(1),
                          .shift = norm ? vf_load(task->shift + channel) : (vf){0},
                          .norm = norm,
                          .relu = task->relu,
                          .stream = task->stream};
}

VGG_INLINE vf finish(const block_output *o, const float *sums) {
    vf value = vf_load(sums) + o->bias;
    if (o->norm)
        value = value * o->scale + o->shift;
    return o->relu ? vf_relu(value) : value;
}

/* To the planes, of so many values each, of number `plane`. */
static inline void move_output(const vgg_winograd_task *task, block_output *o, size_t plane,
                               size_t values) {
    size_t at = plane * values;
    o->y = task->y == NULL ? NULL : task->y + at * VGG_BLOCK;
    o->y_bf16 = task->y_bf16 == NULL ? NULL : task->y_bf16 + at * VGG_BLOCK;
    o->gate = task->gate == NULL ? NULL : task->gate + at * VGG_BLOCK;
    o->gate_bf16 = task->gate_bf16 == NULL ? NULL : task->gate_bf16 + at * VGG_BLOCK;
    o->chosen = task->chosen == NULL ? NULL : task->chosen + at;
}

/* A row of `width` places whose sums are `apart` floats from each other, to y from `at` on. */
static inline void store_row(const block_output *o, const float *sums, size_t apart, size_t width,
                             size_t at) {
    for (size_t i = 0; i < width; i++) {
        vf value = finish(o, sums + i * apart);
        size_t to = (at + i) * VGG_BLOCK;
        if (o->gate != NULL || o->gate_bf16 != NULL)
            value = vf_where_positive(map_load(o->gate, o->gate_bf16, to), value);
        map_put(o->stream, o->y, o->y_bf16, to, value);
    }
}

/* Two rows, the second `row` floats behind the first, after 2x2 max-pooling. */
static inline void store_windows(const block_output *o, const float *sums, size_t apart, size_t row,
                                 size_t windows, size_t at) {
    for (size_t i = 0; i < windows; i++) {
        const float *top = sums + 2 * i * apart, *bottom = top + row;
        vf a = finish(o, top), b = finish(o, top + apart);
        vf c = finish(o, bottom), d = finish(o, bottom + apart);
        vf best =
            o->chosen != NULL ? choose(a, b, c, d, 0, o->chosen + at + i) : vf_pool(a, b, c, d);
        map_put(o->stream, o->y, o->y_bf16, (at + i) * VGG_BLOCK, best);
    }
}

/* Stores a block's sums of `rows` rows of the patch from `first` on, of those that are rows of the
 * output. */
static inline void store_block(const vgg_winograd_task *task, const batch_part *part, size_t block,
                               size_t first, size_t rows, const float *sums) {
    const vgg_conv_shape *shape = &task->shape;
    const vgg_direct_cut *cut = &task->partition.direct;
    size_t side = task->pool ? 2 : 1, height = shape->height / side, width = shape->width / side;
    size_t step = cut->width * VGG_BLOCK;
    block_output o = output_of(task, block);
    for (size_t row = 0; row < rows; row += side) {
        patch_row at = patch_row_of(part, cut, first + row);
        if (part->images > 1 && at.y >= height * side)
            row += cut->period - at.y - side; /* on to the next image */
        if (at.y / side >= height)
            continue;
        move_output(task, &o, at.image * vgg_blocks(shape->outputs) + block, height * width);
        if (task->pool)
            store_windows(&o, sums + row * step, VGG_BLOCK, step, width, at.y / side * width);
        else
            store_row(&o, sums + row * step, VGG_BLOCK, width, at.y * width);
    }
}

#endif
