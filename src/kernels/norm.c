/* Batch normalisation of blocked activations. */
#include "kernels/maps.h"

/* Sums over this many pixels are added up on their own, and then as a second level. */
#define CHUNK_PIXELS 256

static size_t block_of(const vgg_batch_norm_task *task, size_t unit) {
    return unit % vgg_blocks(task->channels) * VGG_BLOCK;
}

/* Where vector v of a unit begins in its maps. */
static size_t first_of(const vgg_batch_norm_task *task, size_t unit, int v) {
    return unit * task->pixels * VGG_BLOCK + (size_t)v * VGG_LANES;
}

/* The input `pixel` pixels behind `first`. */
VGG_INLINE vf input_at(const vgg_batch_norm_task *task, size_t first, size_t pixel) {
    return map_load(task->x, task->x_bf16, first + pixel * VGG_BLOCK);
}

/* sums[0] += sum of x - origin, sums[1] += sum of its squares. */
VGG_INLINE void add_distances(const vgg_batch_norm_task *task, size_t first, size_t pixels,
                              vf origin, vf sums[2]) {
    vf distances[2] = {{0}, {0}}, squares[2] = {{0}, {0}};
    size_t p = 0;
    for (; p + 2 <= pixels; p += 2) {
        VGG_UNROLL
        for (size_t i = 0; i < 2; i++) {
            vf distance = input_at(task, first, p + i) - origin;
            distances[i] += distance;
            squares[i] += distance * distance;
        }
    }
    if (p < pixels) {
        vf distance = input_at(task, first, p) - origin;
        distances[0] += distance;
        squares[0] += distance * distance;
    }
    sums[0] += distances[0] + distances[1];
    sums[1] += squares[0] + squares[1];
}

/* The mean of each channel, and the sum of squared distances from it, in one pass: distances are
 * taken from the mean of the first chunk, since E[x^2] - E[x]^2 loses the digits of a mean that is
 * large beside the deviation, and the first chunk's mean is at most sqrt(pixels / CHUNK_PIXELS)
 * deviations away. */
static void statistics_of(const vgg_batch_norm_task *task, size_t first, float *mean_out,
                          float *square_out) {
    size_t pixels = task->pixels, least = vgg_size_min(CHUNK_PIXELS, pixels);
    vf begun[2] = {{0}, {0}}, sums[2] = {{0}, {0}}, count = vf_splat((float)pixels);
    vf origin = input_at(task, first, 0);
    add_distances(task, first, least, origin, begun);
    origin += begun[0] / vf_splat((float)least);
    for (size_t from = 0; from < pixels; from += CHUNK_PIXELS) {
        add_distances(task, first + from * VGG_BLOCK, vgg_size_min(CHUNK_PIXELS, pixels - from),
                      origin, sums);
    }
    vf distance = sums[0] / count;
    vf_store(mean_out, origin + distance);
    vf_store(square_out, sums[1] - sums[0] * distance);
}

void VGG_TIERED(batch_norm_statistics)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(batch_norm_statistics)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (int v = 0; v < BLOCK_VECTORS; v++) {
            float *sums = task->sums + unit * 2 * VGG_BLOCK + v * VGG_LANES;
            statistics_of(task, first_of(task, unit, v), sums, sums + VGG_BLOCK);
        }
    }
}

/* Shared by both passes, so that the backward pass sees the sign that the forward pass saw. */
VGG_INLINE vf normalised(vf x, vf scale, vf shift) {
    return x * scale + shift;
}

void VGG_TIERED(batch_norm)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(batch_norm)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (int v = 0; v < BLOCK_VECTORS; v++) {
            size_t channel = block_of(task, unit) + (size_t)v * VGG_LANES;
            vf scale = vf_load(task->scale + channel), shift = vf_load(task->shift + channel);
            size_t first = first_of(task, unit, v);
            for (size_t p = 0; p < task->pixels; p++) {
                vf value = normalised(input_at(task, first, p), scale, shift);
                map_put(task->stream, task->y, task->y_bf16, first + p * VGG_BLOCK,
                        task->relu ? vf_relu(value) : value);
            }
        }
    }
    vf_put_end(task->stream);
}

/* dy, or 0 where the ReLU that follows let nothing pass; x: the input there. */
VGG_INLINE vf passed(const vgg_batch_norm_task *task, size_t first, size_t pixel, vf x, vf scale,
                     vf shift) {
    vf dy = map_load(task->dy, task->dy_bf16, first + pixel * VGG_BLOCK);
    return task->relu ? vf_where_positive(normalised(x, scale, shift), dy) : dy;
}

void VGG_TIERED(batch_norm_sums)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(batch_norm_sums)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (int v = 0; v < BLOCK_VECTORS; v++) {
            size_t channel = block_of(task, unit) + (size_t)v * VGG_LANES;
            vf scale = vf_load(task->scale + channel), shift = vf_load(task->shift + channel);
            vf mean = vf_load(task->mean + channel), total = {0}, product = {0};
            size_t first = first_of(task, unit, v);
            for (size_t from = 0; from < task->pixels; from += CHUNK_PIXELS) {
                vf chunk_total = {0}, chunk_product = {0};
                for (size_t p = from; p < vgg_size_min(from + CHUNK_PIXELS, task->pixels); p++) {
                    vf value = input_at(task, first, p);
                    vf gradient = passed(task, first, p, value, scale, shift);
                    chunk_total += gradient;
                    chunk_product += gradient * (value - mean);
                }
                total += chunk_total;
                product += chunk_product;
            }
            float *sums = task->sums + unit * 2 * VGG_BLOCK + v * VGG_LANES;
            vf_store(sums, total);
            vf_store(sums + VGG_BLOCK, product);
        }
    }
}

void VGG_TIERED(batch_norm_backward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(batch_norm_backward)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_batch_norm_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (int v = 0; v < BLOCK_VECTORS; v++) {
            size_t channel = block_of(task, unit) + (size_t)v * VGG_LANES;
            vf scale = vf_load(task->scale + channel), shift = vf_load(task->shift + channel);
            vf mean = vf_load(task->mean + channel), constant = vf_load(task->constant + channel);
            vf from_dy = vf_load(task->from_dy + channel), from_x = vf_load(task->from_x + channel);
            size_t first = first_of(task, unit, v);
            for (size_t p = 0; p < task->pixels; p++) {
                vf value = input_at(task, first, p);
                vf gradient = passed(task, first, p, value, scale, shift);
                map_put(false, task->dx, task->dx_bf16, first + p * VGG_BLOCK,
                        gradient * from_dy + ((value - mean) * from_x + constant));
            }
        }
    }
}
