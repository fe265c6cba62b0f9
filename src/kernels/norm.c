/* Batch normalisation and local response normalisation of blocked activations. */
#include "kernels/tier.h"

/* Sums over this many pixels are added up on their own, and then as a second level. */
#define CHUNK_PIXELS 256

/* ---- batch normalisation ---- */

static size_t block_of(const vgg_batch_norm_task *task, size_t unit) {
    return unit % vgg_blocks(task->channels) * VGG_BLOCK;
}

static const float *pixels_of(const vgg_batch_norm_task *task, const float *x, size_t unit) {
    return x + unit * task->pixels * VGG_BLOCK;
}

/* sums[0] += sum of x - origin, sums[1] += sum of its squares. */
VGG_INLINE void add_distances(const float *x, size_t pixels, vf origin, vf sums[2]) {
    vf distances[2] = {{0}, {0}}, squares[2] = {{0}, {0}};
    size_t p = 0;
    for (; p + 2 <= pixels; p += 2) {
        VGG_UNROLL
        for (size_t i = 0; i < 2; i++) {
            vf distance = vf_load(x + (p + i) * VGG_BLOCK) - origin;
            distances[i] += distance;
            squares[i] += distance * distance;
        }
    }
    if (p < pixels) {
        vf distance = vf_load(x + p * VGG_BLOCK) - origin;
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
static void statistics_of(const float *x, size_t pixels, float *mean_out, float *square_out) {
    vf first[2] = {{0}, {0}}, sums[2] = {{0}, {0}}, count = vf_splat((float)pixels);
    size_t least = vgg_size_min(CHUNK_PIXELS, pixels);
    vf origin = vf_load(x);
    add_distances(x, least, origin, first);
    origin += first[0] / vf_splat((float)least);
    for (size_t from = 0; from < pixels; from += CHUNK_PIXELS) {
        add_distances(x + from * VGG_BLOCK, vgg_size_min(CHUNK_PIXELS, pixels - from), origin,
                      sums);
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
            statistics_of(pixels_of(task, task->x, unit) + v * VGG_LANES, task->pixels, sums,
                          sums + VGG_BLOCK);
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
            const float *x = pixels_of(task, task->x, unit) + v * VGG_LANES;
            float *y = task->y + (x - task->x);
            for (size_t p = 0; p < task->pixels; p++) {
                vf value = normalised(vf_load(x + p * VGG_BLOCK), scale, shift);
                vf_put(task->stream, y + p * VGG_BLOCK, task->relu ? vf_relu(value) : value);
            }
        }
    }
    vf_put_end(task->stream);
}

/* dy, or 0 where the ReLU that follows let nothing pass. */
VGG_INLINE vf passed(const vgg_batch_norm_task *task, vf x, vf dy, vf scale, vf shift) {
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
            const float *x = pixels_of(task, task->x, unit) + v * VGG_LANES;
            const float *dy = task->dy + (x - task->x);
            for (size_t from = 0; from < task->pixels; from += CHUNK_PIXELS) {
                vf chunk_total = {0}, chunk_product = {0};
                for (size_t p = from; p < vgg_size_min(from + CHUNK_PIXELS, task->pixels); p++) {
                    vf value = vf_load(x + p * VGG_BLOCK);
                    vf gradient = passed(task, value, vf_load(dy + p * VGG_BLOCK), scale, shift);
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
            const float *x = pixels_of(task, task->x, unit) + v * VGG_LANES;
            const float *dy = task->dy + (x - task->x);
            float *dx = task->dx + (x - task->x);
            for (size_t p = 0; p < task->pixels; p++) {
                vf value = vf_load(x + p * VGG_BLOCK);
                vf gradient = passed(task, value, vf_load(dy + p * VGG_BLOCK), scale, shift);
                vf_store(dx + p * VGG_BLOCK,
                         gradient * from_dy + ((value - mean) * from_x + constant));
            }
        }
    }
}

/* ---- local response normalisation ---- */

/* Channels of a block with those that its windows reach on either side, as an array. */
#define REACHED (VGG_BLOCK + 4 * VGG_LRN_REACH)

/* values[i] = channel first - 2 * reach + i of the pixel; 0 outside of the blocks. x: channel 0. */
static void gather(const float *x, size_t pixels, ptrdiff_t blocks, ptrdiff_t first,
                   float values[REACHED]) {
    for (ptrdiff_t i = 0; i < REACHED; i++) {
        ptrdiff_t channel = first - 2 * VGG_LRN_REACH + i;
        bool inside = channel >= 0 && channel < blocks * VGG_BLOCK;
        values[i] = inside ? x[(size_t)(channel / VGG_BLOCK) * pixels * VGG_BLOCK +
                               (size_t)(channel % VGG_BLOCK)]
                           : 0;
    }
}

/* sums[i] = over the window around value i + reach. */
static void window_sums(const float *values, size_t count, float *sums) {
    for (size_t i = 0; i < count; i++) {
        float sum = 0;
        for (size_t j = 0; j <= 2 * VGG_LRN_REACH; j++) {
            sum += values[i + j];
        }
        sums[i] = sum;
    }
}

/* base^-VGG_LRN_POWER */
static inline float power(float base) {
    float root = __builtin_sqrtf(base);
    return 1.0f / (root * __builtin_sqrtf(root));
}

/* For the channels first - reach ... of a gathered pixel: base = k + alpha * sum of squares. */
static void bases(const vgg_lrn_task *task, const float values[REACHED], float base[REACHED]) {
    float squares[REACHED];
    for (size_t i = 0; i < REACHED; i++) {
        squares[i] = values[i] * values[i];
    }
    window_sums(squares, REACHED - 2 * VGG_LRN_REACH, base);
    for (size_t i = 0; i < REACHED - 2 * VGG_LRN_REACH; i++) {
        base[i] = (float)task->k + (float)task->alpha * base[i];
    }
}

static void lrn_pixel(const vgg_lrn_task *task, size_t at) {
    size_t pixels = task->height * task->width, blocks = vgg_blocks(task->channels);
    for (size_t block = 0; block < blocks; block++) {
        float values[REACHED], base[REACHED];
        gather(task->x + at, pixels, (ptrdiff_t)blocks, (ptrdiff_t)(block * VGG_BLOCK), values);
        bases(task, values, base);
        float *to = task->y + at + block * pixels * VGG_BLOCK;
        for (size_t i = 0; i < VGG_BLOCK; i++) {
            to[i] = values[i + 2 * VGG_LRN_REACH] * power(base[i + VGG_LRN_REACH]);
        }
    }
}

/* dx[j] = dy[j] base[j]^-b - 2 alpha b x[j] * sum over the window of dy[i] x[i] base[i]^(-b-1) */
static void lrn_backward_pixel(const vgg_lrn_task *task, size_t at) {
    size_t pixels = task->height * task->width, blocks = vgg_blocks(task->channels);
    float factor = (float)(2 * task->alpha * VGG_LRN_POWER);
    for (size_t block = 0; block < blocks; block++) {
        float values[REACHED], gradients[REACHED], base[REACHED], terms[REACHED], sums[VGG_BLOCK];
        ptrdiff_t first = (ptrdiff_t)(block * VGG_BLOCK);
        gather(task->x + at, pixels, (ptrdiff_t)blocks, first, values);
        gather(task->dy + at, pixels, (ptrdiff_t)blocks, first, gradients);
        bases(task, values, base);
        for (size_t i = 0; i < VGG_BLOCK + 2 * VGG_LRN_REACH; i++) {
            terms[i] =
                gradients[i + VGG_LRN_REACH] * values[i + VGG_LRN_REACH] * power(base[i]) / base[i];
        }
        window_sums(terms, VGG_BLOCK, sums);
        float *to = task->dx + at + block * pixels * VGG_BLOCK;
        for (size_t i = 0; i < VGG_BLOCK; i++) {
            to[i] = gradients[i + 2 * VGG_LRN_REACH] * power(base[i + VGG_LRN_REACH]) -
                    factor * values[i + 2 * VGG_LRN_REACH] * sums[i];
        }
    }
}

/* The first value, channel 0, of pixel p in row `unit % height` of image `unit / height`. */
static size_t lrn_offset(const vgg_lrn_task *task, size_t unit, size_t p) {
    size_t image = unit / task->height, row = unit % task->height;
    size_t pixels = task->height * task->width;
    return (image * vgg_blocks(task->channels) * pixels + row * task->width + p) * VGG_BLOCK;
}

void VGG_TIERED(lrn)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(lrn)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_lrn_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t p = 0; p < task->width; p++) {
            lrn_pixel(task, lrn_offset(task, unit, p));
        }
    }
}

void VGG_TIERED(lrn_backward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(lrn_backward)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_lrn_task *task = argument;
    for (size_t unit = begin; unit < end; unit++) {
        for (size_t p = 0; p < task->width; p++) {
            lrn_backward_pixel(task, lrn_offset(task, unit, p));
        }
    }
}
