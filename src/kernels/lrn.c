/* Local response normalisation of blocked activations. */
#include "kernels/tier.h"

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
