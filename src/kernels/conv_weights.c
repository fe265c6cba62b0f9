/* Direct convolution: the gradient of the weights. A unit has the patch of its input as conv.c has,
 * and a register tile is 16 output channels of several input channels, or of the taps of a plain
 * one, summed over pixels. */
#include "kernels/conv_patch.h"
#include "kernels/maps.h"

/* Input channels in a register tile of the weights' gradient. */
#if VGG_LANES == 16
#define TILE_CHANNELS 16
#elif VGG_LANES == 8
#define TILE_CHANNELS 4
#else
#define TILE_CHANNELS 2
#endif

/* sums[c][16 k] += over rows of (x[c] at the tap) * dy; x: patch at the tap, dy: the rows. */
VGG_INLINE void add_channels(const float *x, size_t x_row, const float *dy, size_t rows,
                             size_t width, float *sums) {
    vf tile_sums[TILE_CHANNELS][BLOCK_VECTORS];
    VGG_UNROLL
    for (int c = 0; c < TILE_CHANNELS; c++) {
        VGG_UNROLL
        for (int v = 0; v < BLOCK_VECTORS; v++) {
            tile_sums[c][v] = (vf){0};
        }
    }
    for (size_t row = 0; row < rows; row++) {
        for (size_t p = 0; p < width; p++) {
            const float *from = x + row * x_row + p * VGG_BLOCK;
            vf gradient[BLOCK_VECTORS];
            VGG_UNROLL
            for (int v = 0; v < BLOCK_VECTORS; v++) {
                gradient[v] = vf_load(dy + (row * width + p) * VGG_BLOCK + v * VGG_LANES);
            }
            VGG_UNROLL
            for (int c = 0; c < TILE_CHANNELS; c++) {
                VGG_UNROLL
                for (int v = 0; v < BLOCK_VECTORS; v++) {
                    tile_sums[c][v] += gradient[v] * from[c];
                }
            }
        }
    }
    VGG_UNROLL
    for (int c = 0; c < TILE_CHANNELS; c++) {
        VGG_UNROLL
        for (int v = 0; v < BLOCK_VECTORS; v++) {
            float *to = sums + c * VGG_BLOCK + v * VGG_LANES;
            vf_store(to, vf_load(to) + tile_sums[c][v]);
        }
    }
}

/* sums[tap][16 k] += for the taps of one plain channel, one vector of k at a time. */
VGG_INLINE void add_taps(const float *x, size_t x_row, const float *dy, size_t rows, size_t width,
                         int kernel, float *sums) {
    for (int v = 0; v < BLOCK_VECTORS; v++) {
        vf tap_sums[9];
        VGG_UNROLL
        for (int tap = 0; tap < kernel * kernel; tap++) {
            tap_sums[tap] = (vf){0};
        }
        for (size_t row = 0; row < rows; row++) {
            for (size_t p = 0; p < width; p++) {
                vf gradient = vf_load(dy + (row * width + p) * VGG_BLOCK + v * VGG_LANES);
                VGG_UNROLL
                for (int tap = 0; tap < kernel * kernel; tap++) {
                    tap_sums[tap] +=
                        gradient *
                        x[(row + (size_t)(tap / kernel)) * x_row + p + (size_t)(tap % kernel)];
                }
            }
        }
        VGG_UNROLL
        for (int tap = 0; tap < kernel * kernel; tap++) {
            float *to = sums + tap * VGG_BLOCK + v * VGG_LANES;
            vf_store(to, vf_load(to) + tap_sums[tap]);
        }
    }
}

static void add_bias(const float *dy, size_t pixels, float *sums) {
    for (int v = 0; v < BLOCK_VECTORS; v++) {
        vf sum = {0};
        for (size_t p = 0; p < pixels; p++) {
            sum += vf_load(dy + p * VGG_BLOCK + v * VGG_LANES);
        }
        float *to = sums + v * VGG_LANES;
        vf_store(to, vf_load(to) + sum);
    }
}

/* `count` values of dy from `at` on: where they are numbers of bfloat16, as floats in `to`. */
static const float *gradient_rows(const vgg_conv_weights_task *task, size_t at, size_t count,
                                  float *to) {
    if (task->dy_bf16 == NULL)
        return task->dy + at;
    for (size_t i = 0; i < count; i += VGG_LANES) {
        vf_store(to + i, map_load(NULL, task->dy_bf16, at + i));
    }
    return to;
}

/* Adds what `rows` rows of one image contribute. x: the patch at the first row, dy: at the same. */
static void add_rows(const input_patch *patch, const float *x, const float *dy, size_t rows,
                     size_t width, size_t kernel, float *sums) {
    size_t x_row = patch->width * patch->step;
    if (patch->step == 1) {
        if (kernel == 3)
            add_taps(x, x_row, dy, rows, width, 3, sums);
        else
            add_taps(x, x_row, dy, rows, width, 1, sums);
        return;
    }
    for (size_t tap = 0; tap < kernel * kernel; tap++) {
        for (size_t c = 0; c < VGG_BLOCK; c += TILE_CHANNELS) {
            add_channels(x + tap / kernel * x_row + tap % kernel * VGG_BLOCK + c, x_row, dy, rows,
                         width, sums + (tap * VGG_BLOCK + c) * VGG_BLOCK);
        }
    }
}

static void weights_unit(const vgg_conv_weights_task *task, size_t unit, size_t worker) {
    const vgg_conv_shape *shape = &task->shape;
    size_t step = shape->plain ? 1 : VGG_BLOCK, around = shape->kernel - 1;
    size_t in_height = vgg_conv_in_height(shape), in_width = vgg_conv_in_width(shape);
    size_t planes = shape->plain ? shape->inputs : vgg_blocks(shape->inputs);
    size_t out_blocks = vgg_blocks(shape->outputs), pixels = shape->height * shape->width;
    size_t c = unit % planes, k = unit / planes % out_blocks, group = unit / planes / out_blocks;

    size_t part = shape->kernel * shape->kernel * step * VGG_BLOCK;
    float *sums = task->partial + unit * part;
    float *bias_sums = task->bias_partial + (group * out_blocks + k) * VGG_BLOCK;
    memset(sums, 0, part * sizeof *sums);
    if (c == 0)
        memset(bias_sums, 0, VGG_BLOCK * sizeof *bias_sums);

    input_patch patch = {.data = task->scratch + worker * vgg_conv_weights_scratch(shape),
                         .planes = 1,
                         .rows = shape->height + around,
                         .width = shape->width + around,
                         .step = step};
    float *floats = patch.data + vgg_conv_weights_patch(shape);
    size_t chunk = vgg_size_max(VGG_CONV_CHUNK / shape->width, 1);
    for (size_t n = shape->images * group / task->groups;
         n < shape->images * (group + 1) / task->groups; n++) {
        fill_patch(&patch, task->x + (n * planes + c) * in_height * in_width * step, 0, in_height,
                   in_width, vgg_conv_border(shape));
        size_t plane = (n * out_blocks + k) * pixels;
        for (size_t row = 0; row < shape->height; row += chunk) {
            size_t rows = vgg_size_min(chunk, shape->height - row);
            const float *dy_row = gradient_rows(task, (plane + row * shape->width) * VGG_BLOCK,
                                                rows * shape->width * VGG_BLOCK, floats);
            add_rows(&patch, patch.data + row * patch.width * step, dy_row, rows, shape->width,
                     shape->kernel, sums);
            if (c == 0)
                add_bias(dy_row, rows * shape->width, bias_sums);
        }
    }
}

void VGG_TIERED(conv_weights)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(conv_weights)(void *argument, size_t begin, size_t end, size_t worker) {
    for (size_t unit = begin; unit < end; unit++) {
        weights_unit(argument, unit, worker);
    }
}
