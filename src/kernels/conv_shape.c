/* What is the same for every tier of the convolution: how it is cut into units, and how weights are
 * packed. */
#include <string.h>

#include "kernels/shared.h"

/* A unit's input rows should stay in half of a small second-level cache, beside the weights. */
#define PATCH_FLOATS (96 * 1024)
/* Units an image should at least be cut into, so that up to this many threads share the work. */
#define UNITS_PER_IMAGE 8
/* Rows that are never cut: a unit of fewer would copy as much border as content. */
#define LEAST_ROWS 6
/* Fewer output blocks than this per unit would not pay for copying the input rows again. */
#define LEAST_BLOCKS 4

/* Input channels as they lie in a patch: whole blocks, or the plain channels. */
static size_t patch_channels(const vgg_conv_shape *shape) {
    return shape->plain ? shape->inputs : vgg_blocks(shape->inputs) * VGG_BLOCK;
}

vgg_conv_partition vgg_conv_forward_partition(const vgg_conv_shape *shape) {
    size_t border = shape->kernel - 1;
    size_t row = patch_channels(shape) * (shape->width + border);
    size_t rows = PATCH_FLOATS / row > border ? PATCH_FLOATS / row - border : 1;
    rows = vgg_size_min(rows, (shape->height + UNITS_PER_IMAGE - 1) / UNITS_PER_IMAGE + LEAST_ROWS);
    rows = vgg_size_min(rows, shape->height);
    vgg_conv_partition partition = {.row_units = (shape->height + rows - 1) / rows};
    partition.rows =
        vgg_round_up((shape->height + partition.row_units - 1) / partition.row_units, 2);
    partition.rows = vgg_size_min(partition.rows, shape->height);
    partition.row_units = (shape->height + partition.rows - 1) / partition.rows;

    size_t blocks = vgg_blocks(shape->outputs);
    size_t cuts = (UNITS_PER_IMAGE + partition.row_units - 1) / partition.row_units;
    partition.blocks = vgg_size_max((blocks + cuts - 1) / cuts, vgg_size_min(LEAST_BLOCKS, blocks));
    partition.blocks = vgg_size_min(vgg_round_up(partition.blocks, 2), blocks);
    partition.block_units = (blocks + partition.blocks - 1) / partition.blocks;
    partition.units = shape->images * partition.row_units * partition.block_units;
    partition.scratch = vgg_round_up(row * (partition.rows + border), VGG_BLOCK);
    return partition;
}

size_t vgg_conv_packed_size(const vgg_conv_shape *shape) {
    return vgg_blocks(shape->outputs) * VGG_BLOCK * patch_channels(shape) * shape->kernel *
           shape->kernel;
}

/* Where weight (k, c, tap) lies in the packed tensor. */
static size_t packed_index(const vgg_conv_shape *shape, size_t k, size_t c, size_t tap) {
    size_t taps = shape->kernel * shape->kernel;
    size_t inner = shape->plain ? shape->inputs : VGG_BLOCK;
    size_t outer = shape->plain ? 1 : vgg_blocks(shape->inputs);
    size_t index = (k / VGG_BLOCK) * outer + c / inner;
    return ((index * taps + tap) * inner + c % inner) * VGG_BLOCK + k % VGG_BLOCK;
}

/* The taps of one pair of channels, in the order of the shape's convolution. */
static void read_taps(const vgg_conv_pack_task *task, size_t k, size_t c,
                      float taps[VGG_MOST_TAPS]) {
    const vgg_conv_shape *shape = &task->shape;
    size_t count = shape->kernel * shape->kernel;
    size_t pair = task->turned ? c * shape->outputs + k : k * shape->inputs + c;
    float from[VGG_MOST_TAPS];
    vgg_elements_to_float(task->element,
                          (const unsigned char *)task->weights +
                              pair * count * vgg_element_bytes(task->element),
                          count, from);
    for (size_t tap = 0; tap < count; tap++) {
        taps[tap] = from[task->turned ? count - 1 - tap : tap];
    }
}

void vgg_conv_pack(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_conv_pack_task *task = argument;
    const vgg_conv_shape *shape = &task->shape;
    size_t taps = shape->kernel * shape->kernel;
    size_t block = vgg_conv_packed_size(shape) / vgg_blocks(shape->outputs);
    memset(task->packed + begin * block, 0, (end - begin) * block * sizeof *task->packed);
    size_t last = vgg_size_min(end * VGG_BLOCK, shape->outputs);
    for (size_t k = begin * VGG_BLOCK; k < last; k++) {
        for (size_t c = 0; c < shape->inputs; c++) {
            float from[VGG_MOST_TAPS];
            read_taps(task, k, c, from);
            float *to = task->packed + packed_index(shape, k, c, 0);
            size_t tap_stride = packed_index(shape, k, c, 1) - packed_index(shape, k, c, 0);
            for (size_t tap = 0; tap < taps; tap++) {
                to[tap * tap_stride] = from[tap];
            }
        }
    }
}

/* ---- to a picture ---- */

size_t vgg_conv_picture_packed_size(const vgg_conv_shape *shape) {
    return vgg_blocks(shape->inputs) * VGG_BLOCK * shape->kernel * shape->kernel * shape->outputs;
}

void vgg_conv_picture_pack(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_conv_pack_task *task = argument;
    const vgg_conv_shape *shape = &task->shape;
    size_t count = shape->kernel * shape->kernel, block = count * shape->outputs * VGG_BLOCK;
    memset(task->packed + begin * block, 0, (end - begin) * block * sizeof *task->packed);
    for (size_t c = begin * VGG_BLOCK; c < vgg_size_min(end * VGG_BLOCK, shape->inputs); c++) {
        for (size_t k = 0; k < shape->outputs; k++) {
            float taps[VGG_MOST_TAPS];
            float *to = task->packed + c / VGG_BLOCK * block + k * VGG_BLOCK + c % VGG_BLOCK;
            read_taps(task, k, c, taps);
            for (size_t tap = 0; tap < count; tap++) {
                to[tap * shape->outputs * VGG_BLOCK] = taps[tap];
            }
        }
    }
}

/* ---- gradients of the weights ---- */

/* Units that a batch should at least be cut into. */
#define WEIGHT_UNITS 32

static size_t weight_pairs(const vgg_conv_shape *shape) {
    return vgg_blocks(shape->outputs) * (shape->plain ? shape->inputs : vgg_blocks(shape->inputs));
}

size_t vgg_conv_weights_groups(const vgg_conv_shape *shape) {
    size_t pairs = weight_pairs(shape);
    return vgg_size_min((WEIGHT_UNITS + pairs - 1) / pairs, shape->images);
}

size_t vgg_conv_weights_units(const vgg_conv_shape *shape) {
    return vgg_conv_weights_groups(shape) * weight_pairs(shape);
}

size_t vgg_conv_weights_patch(const vgg_conv_shape *shape) {
    size_t border = shape->kernel - 1;
    size_t channels = shape->plain ? 1 : VGG_BLOCK;
    return vgg_round_up((shape->height + border) * (shape->width + border) * channels, VGG_BLOCK);
}

size_t vgg_conv_weights_scratch(const vgg_conv_shape *shape) {
    return vgg_conv_weights_patch(shape) + vgg_size_max(VGG_CONV_CHUNK, shape->width) * VGG_BLOCK;
}

size_t vgg_conv_weights_partial(const vgg_conv_shape *shape) {
    return vgg_conv_packed_size(shape);
}

/* Where the gradient of weight (k, c, tap) lies in a group's part. */
static size_t partial_index(const vgg_conv_shape *shape, size_t k, size_t c, size_t tap) {
    if (!shape->plain)
        return packed_index(shape, k, c, tap);
    size_t taps = shape->kernel * shape->kernel;
    return (((k / VGG_BLOCK) * shape->inputs + c) * taps + tap) * VGG_BLOCK + k % VGG_BLOCK;
}

void vgg_conv_reduce(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_conv_reduce_task *task = argument;
    const vgg_conv_shape *shape = &task->shape;
    size_t taps = shape->kernel * shape->kernel;
    size_t part = vgg_conv_weights_partial(shape);
    size_t bias_part = vgg_blocks(shape->outputs) * VGG_BLOCK;
    for (size_t k = begin * VGG_BLOCK; k < vgg_size_min(end * VGG_BLOCK, shape->outputs); k++) {
        float bias = task->accumulate ? task->dbias[k] : 0;
        for (size_t group = 0; group < task->groups; group++) {
            bias += task->bias_partial[group * bias_part + k];
        }
        task->dbias[k] = bias;
        for (size_t c = 0; c < shape->inputs; c++) {
            for (size_t tap = 0; tap < taps; tap++) {
                const float *from = task->partial + partial_index(shape, k, c, tap);
                float *to = task->dweights + (k * shape->inputs + c) * taps + tap;
                float sum = task->accumulate ? *to : 0;
                for (size_t group = 0; group < task->groups; group++) {
                    sum += from[group * part];
                }
                *to = sum;
            }
        }
    }
}
