/* Batch normalisation, per channel: what is made of the sums of all images, in double and in the
 * order of the images, the same for every tier. */
#include <math.h>

#include "kernels/shared.h"

/* The figure `which` (0 or 1) of the channels of a block in an image. */
static const float *sums_at(const vgg_norm_channels_task *task, size_t image, size_t block,
                            size_t which) {
    return task->sums + ((image * vgg_blocks(task->channels) + block) * 2 + which) * VGG_BLOCK;
}

static size_t end_of(const vgg_norm_channels_task *task, size_t block) {
    return vgg_size_min((block + 1) * VGG_BLOCK, task->channels);
}

/* ---- forward ---- */

static void use_running(const vgg_norm_channels_task *task, size_t c) {
    double mean = (double)task->running_mean[c];
    double deviation = sqrt((double)task->running_variance[c] + task->epsilon);
    double factor = (double)task->gamma[c] / deviation;
    task->scale[c] = (float)factor;
    task->shift[c] = (float)((double)task->beta[c] - mean * factor);
    if (task->mean == NULL)
        return;
    task->mean[c] = (float)mean;
    task->inverse[c] = (float)(1 / deviation);
}

void vgg_batch_norm_running(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_norm_channels_task *task = argument;
    for (size_t block = begin; block < end; block++) {
        for (size_t c = block * VGG_BLOCK; c < end_of(task, block); c++) {
            use_running(task, c);
        }
    }
}

/* Mean and sum of squared distances over all images, from those of each (Chan, Golub, LeVeque
 * 1983), of the channels of a block. */
static void combine(const vgg_norm_channels_task *task, size_t block, double mean[VGG_BLOCK],
                    double square[VGG_BLOCK]) {
    for (size_t i = 0; i < VGG_BLOCK; i++) {
        mean[i] = square[i] = 0;
    }
    for (size_t n = 0; n < task->images; n++) {
        for (size_t i = 0; i < VGG_BLOCK; i++) {
            mean[i] += (double)sums_at(task, n, block, 0)[i] / (double)task->images;
        }
    }
    for (size_t n = 0; n < task->images; n++) {
        for (size_t i = 0; i < VGG_BLOCK; i++) {
            double distance = (double)sums_at(task, n, block, 0)[i] - mean[i];
            square[i] +=
                (double)sums_at(task, n, block, 1)[i] + (double)task->pixels * distance * distance;
        }
    }
}

static void move(float *running, double momentum, double value) {
    *running = (float)((1 - momentum) * (double)*running + momentum * value);
}

/* square: the sum of squared distances from the mean. */
static void use_batch(const vgg_norm_channels_task *task, size_t c, double mean, double square) {
    double count = (double)(task->images * task->pixels);
    double inverse = 1 / sqrt(square / count + task->epsilon);
    double factor = (double)task->gamma[c] * inverse;
    task->mean[c] = (float)mean;
    task->inverse[c] = (float)inverse;
    task->scale[c] = (float)factor;
    task->shift[c] = (float)((double)task->beta[c] - mean * factor);
    move(&task->moved_mean[c], task->momentum, mean);
    move(&task->moved_variance[c], task->momentum, square / (count - 1));
}

void vgg_batch_norm_batch(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_norm_channels_task *task = argument;
    for (size_t block = begin; block < end; block++) {
        double means[VGG_BLOCK], squares[VGG_BLOCK];
        combine(task, block, means, squares);
        for (size_t c = block * VGG_BLOCK; c < end_of(task, block); c++) {
            use_batch(task, c, means[c % VGG_BLOCK], squares[c % VGG_BLOCK]);
        }
    }
}

/* ---- backward ---- */

/* The sums of dy and dy (x - mean) over all images of the channels of a block. */
static void add_images(const vgg_norm_channels_task *task, size_t block, double totals[VGG_BLOCK],
                       double products[VGG_BLOCK]) {
    for (size_t n = 0; n < task->images; n++) {
        for (size_t i = 0; i < VGG_BLOCK; i++) {
            totals[i] += (double)sums_at(task, n, block, 0)[i];
            products[i] += (double)sums_at(task, n, block, 1)[i];
        }
    }
}

/* With M values per channel, deviation s and g = gamma / s, and sums over those values:
 *   dbeta = sum dy;  dgamma = sum dy (x - mean) / s
 *   dx = g dy - g (sum dy) / M - g (x - mean) / s^2 (sum dy (x - mean)) / M
 * (Ioffe & Szegedy 2015). With running statistics only the first term of dx is left. */
static void use_sums(const vgg_norm_channels_task *task, size_t c, double total, double product) {
    double count = (double)(task->images * task->pixels);
    double inverse = (double)task->inverse[c], factor = (double)task->scale[c];
    if (task->dgamma != NULL) {
        task->dbeta[c] = (float)total + (task->accumulate ? task->dbeta[c] : 0);
        task->dgamma[c] = (float)(product * inverse) + (task->accumulate ? task->dgamma[c] : 0);
    }
    task->from_dy[c] = (float)factor;
    task->from_x[c] =
        task->batch_statistics ? (float)(-factor * inverse * inverse * product / count) : 0;
    task->constant[c] = task->batch_statistics ? (float)(-factor * total / count) : 0;
}

void vgg_batch_norm_gradients(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_norm_channels_task *task = argument;
    for (size_t block = begin; block < end; block++) {
        double totals[VGG_BLOCK] = {0}, products[VGG_BLOCK] = {0};
        if (task->dgamma != NULL)
            add_images(task, block, totals, products);
        for (size_t c = block * VGG_BLOCK; c < end_of(task, block); c++) {
            use_sums(task, c, totals[c % VGG_BLOCK], products[c % VGG_BLOCK]);
        }
    }
}
