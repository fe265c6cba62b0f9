/* Bodies of batch normalisation. Sums over positions are taken in short runs of float32, which are
 * added in double: one order for any number of threads. */
#ifndef VGG_CUDA_BODIES_NORM_H
#define VGG_CUDA_BODIES_NORM_H

#include "cuda/bodies.h"

/* Positions of a run. */
#define VGG_BODY_RUN 64

/* ---- over positions ---- */

/* The lanes and the positions of a unit. */
typedef struct vgg_body_chunk {
    size_t groups, group, number, begin, end;
} vgg_body_chunk;

VGG_BODY vgg_body_chunk vgg_body_chunk_of(const vgg_gpu_norm_task *task, size_t unit) {
    vgg_body_chunk chunk;
    chunk.groups = VGG_GPU_GROUPS(task->channels);
    chunk.group = unit % chunk.groups;
    chunk.number = unit / chunk.groups;
    chunk.begin = task->positions * chunk.number / task->chunks;
    chunk.end = task->positions * (chunk.number + 1) / task->chunks;
    return chunk;
}

/* The two figures of a chunk, to sums (chunks, 2, lanes). */
VGG_BODY void vgg_body_give_figures(const vgg_gpu_norm_task *task, const vgg_body_chunk *chunk,
                                    const float *first, const float *second) {
    size_t at = 2 * chunk->number * chunk->groups + chunk->group;
    vgg_store8(task->sums, VGG_GPU_FLOAT32, at, first);
    vgg_store8(task->sums, VGG_GPU_FLOAT32, at + chunk->groups, second);
}

/* first += a run's sums, and so on. */
VGG_BODY void vgg_body_add_run(double *first, double *second, const float *a, const float *b) {
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        first[i] += (double)a[i];
        second[i] += (double)b[i];
    }
}

VGG_BODY size_t vgg_body_run_end(const vgg_body_chunk *chunk, size_t begin) {
    return begin + VGG_BODY_RUN < chunk->end ? begin + VGG_BODY_RUN : chunk->end;
}

/* With distances d from the chunk's first value, of n values: the mean is that plus sum d / n, and
 * the sum of squared distances from it sum d^2 - (sum d)^2 / n. */
VGG_BODY void vgg_body_norm_statistics(const vgg_gpu_norm_task *task, size_t unit) {
    vgg_body_chunk chunk = vgg_body_chunk_of(task, unit);
    double sums[VGG_GPU_LANES] = {0}, squares[VGG_GPU_LANES] = {0};
    float origin[VGG_GPU_LANES] = {0}, values[VGG_GPU_LANES];
    double count = chunk.end > chunk.begin ? (double)(chunk.end - chunk.begin) : 1;
    if (chunk.begin < chunk.end)
        vgg_load8(task->x, task->element, chunk.begin * chunk.groups + chunk.group, origin);
    for (size_t at = chunk.begin, end; at < chunk.end; at = end) {
        float run[VGG_GPU_LANES] = {0}, run_squares[VGG_GPU_LANES] = {0};
        end = vgg_body_run_end(&chunk, at);
        for (size_t p = at; p < end; p++) {
            vgg_load8(task->x, task->element, p * chunk.groups + chunk.group, values);
            VGG_UNROLL
            for (size_t i = 0; i < VGG_GPU_LANES; i++) {
                float distance = values[i] - origin[i];
                run[i] += distance;
                run_squares[i] = fmaf(distance, distance, run_squares[i]);
            }
        }
        vgg_body_add_run(sums, squares, run, run_squares);
    }
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        double square = squares[i] - sums[i] * sums[i] / count;
        values[i] = (float)(square < 0 ? 0 : square);
        origin[i] = (float)((double)origin[i] + sums[i] / count);
    }
    vgg_body_give_figures(task, &chunk, origin, values);
}

/* x * scale + shift, the same bits wherever it decides on a ReLU. */
VGG_BODY float vgg_body_normalised(float x, float scale, float shift) {
    return fmaf(x, scale, shift);
}

/* dy where the ReLU let the value pass. */
VGG_BODY float vgg_body_passed(const vgg_gpu_norm_task *task, float dy, float x, float scale,
                               float shift) {
    return task->relu && !(vgg_body_normalised(x, scale, shift) > 0) ? 0 : dy;
}

VGG_BODY void vgg_body_norm_sums(const vgg_gpu_norm_task *task, size_t unit) {
    vgg_body_chunk chunk = vgg_body_chunk_of(task, unit);
    double sums[VGG_GPU_LANES] = {0}, products[VGG_GPU_LANES] = {0};
    float scale[VGG_GPU_LANES], shift[VGG_GPU_LANES], mean[VGG_GPU_LANES];
    float x[VGG_GPU_LANES], dy[VGG_GPU_LANES];
    vgg_load8(task->scale, VGG_GPU_FLOAT32, chunk.group, scale);
    vgg_load8(task->shift, VGG_GPU_FLOAT32, chunk.group, shift);
    vgg_load8(task->mean, VGG_GPU_FLOAT32, chunk.group, mean);
    for (size_t at = chunk.begin, end; at < chunk.end; at = end) {
        float run[VGG_GPU_LANES] = {0}, run_products[VGG_GPU_LANES] = {0};
        end = vgg_body_run_end(&chunk, at);
        for (size_t p = at; p < end; p++) {
            vgg_load8(task->x, task->element, p * chunk.groups + chunk.group, x);
            vgg_load8(task->dy, task->element, p * chunk.groups + chunk.group, dy);
            VGG_UNROLL
            for (size_t i = 0; i < VGG_GPU_LANES; i++) {
                float passed = vgg_body_passed(task, dy[i], x[i], scale[i], shift[i]);
                run[i] += passed;
                run_products[i] = fmaf(passed, x[i] - mean[i], run_products[i]);
            }
        }
        vgg_body_add_run(sums, products, run, run_products);
    }
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        x[i] = (float)sums[i];
        dy[i] = (float)products[i];
    }
    vgg_body_give_figures(task, &chunk, x, dy);
}

/* ---- value by value ---- */

VGG_BODY void vgg_body_norm_apply(const vgg_gpu_norm_task *task, size_t unit) {
    size_t group = unit % VGG_GPU_GROUPS(task->channels);
    float x[VGG_GPU_LANES], scale[VGG_GPU_LANES], shift[VGG_GPU_LANES];
    vgg_load8(task->x, task->element, unit, x);
    vgg_load8(task->scale, VGG_GPU_FLOAT32, group, scale);
    vgg_load8(task->shift, VGG_GPU_FLOAT32, group, shift);
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        float y = vgg_body_normalised(x[i], scale[i], shift[i]);
        x[i] = task->relu && y < 0 ? 0 : y;
    }
    vgg_store8(task->to, task->element, unit, x);
}

VGG_BODY void vgg_body_norm_backward(const vgg_gpu_norm_task *task, size_t unit) {
    size_t group = unit % VGG_GPU_GROUPS(task->channels);
    float x[VGG_GPU_LANES], dy[VGG_GPU_LANES], scale[VGG_GPU_LANES], shift[VGG_GPU_LANES];
    float mean[VGG_GPU_LANES], from_dy[VGG_GPU_LANES], from_x[VGG_GPU_LANES];
    float constant[VGG_GPU_LANES];
    vgg_load8(task->x, task->element, unit, x);
    vgg_load8(task->dy, task->element, unit, dy);
    vgg_load8(task->scale, VGG_GPU_FLOAT32, group, scale);
    vgg_load8(task->shift, VGG_GPU_FLOAT32, group, shift);
    vgg_load8(task->mean, VGG_GPU_FLOAT32, group, mean);
    vgg_load8(task->from_dy, VGG_GPU_FLOAT32, group, from_dy);
    vgg_load8(task->from_x, VGG_GPU_FLOAT32, group, from_x);
    vgg_load8(task->constant, VGG_GPU_FLOAT32, group, constant);
    VGG_UNROLL
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        float passed = vgg_body_passed(task, dy[i], x[i], scale[i], shift[i]);
        float sum = fmaf(x[i] - mean[i], from_x[i], constant[i]);
        dy[i] = group * VGG_GPU_LANES + i < task->channels ? fmaf(passed, from_dy[i], sum) : 0;
    }
    vgg_store8(task->to, task->element, unit, dy);
}

/* ---- per channel, in double ---- */

/* Figure `which` (0 or 1) of a channel in a chunk. */
VGG_BODY double vgg_body_figure(const vgg_gpu_norm_channels_task *task, size_t chunk, size_t which,
                                size_t channel) {
    size_t lanes = VGG_GPU_GROUPS(task->channels) * VGG_GPU_LANES;
    return (double)task->sums[(2 * chunk + which) * lanes + channel];
}

/* Positions of a chunk. */
VGG_BODY double vgg_body_chunk_count(const vgg_gpu_norm_channels_task *task, size_t chunk) {
    return (double)(task->positions * (chunk + 1) / task->chunks -
                    task->positions * chunk / task->chunks);
}

VGG_BODY float vgg_body_moved(float running, double momentum, double value) {
    return (float)((1 - momentum) * (double)running + momentum * value);
}

/* Chan, Golub, LeVeque 1983. */
VGG_BODY void vgg_body_norm_batch(const vgg_gpu_norm_channels_task *task, size_t unit) {
    double count = (double)task->positions, mean = 0, square = 0;
    for (size_t chunk = 0; chunk < task->chunks; chunk++) {
        mean += vgg_body_figure(task, chunk, 0, unit) * vgg_body_chunk_count(task, chunk);
    }
    mean /= count;
    for (size_t chunk = 0; chunk < task->chunks; chunk++) {
        double distance = vgg_body_figure(task, chunk, 0, unit) - mean;
        square += vgg_body_figure(task, chunk, 1, unit) +
                  vgg_body_chunk_count(task, chunk) * distance * distance;
    }
    double inverse = 1 / sqrt(square / count + task->epsilon);
    double factor = (double)task->gamma[unit] * inverse;
    task->mean[unit] = (float)mean;
    task->inverse[unit] = (float)inverse;
    task->scale[unit] = (float)factor;
    task->shift[unit] = (float)((double)task->beta[unit] - mean * factor);
    task->moved_mean[unit] = vgg_body_moved(task->moved_mean[unit], task->momentum, mean);
    task->moved_variance[unit] =
        vgg_body_moved(task->moved_variance[unit], task->momentum, square / (count - 1));
}

VGG_BODY void vgg_body_norm_running(const vgg_gpu_norm_channels_task *task, size_t unit) {
    double mean = (double)task->running_mean[unit];
    double deviation = sqrt((double)task->running_variance[unit] + task->epsilon);
    double factor = (double)task->gamma[unit] / deviation;
    task->scale[unit] = (float)factor;
    task->shift[unit] = (float)((double)task->beta[unit] - mean * factor);
    if (task->mean != NULL)
        task->mean[unit] = (float)mean;
    if (task->inverse != NULL)
        task->inverse[unit] = (float)(1 / deviation);
}

VGG_BODY void vgg_body_give_gradient(float *to, size_t unit, double gradient, int add) {
    if (to != NULL)
        to[unit] = (float)gradient + (add ? to[unit] : 0);
}

/* kernels/norm_channels.c has the formulas. */
VGG_BODY void vgg_body_norm_gradients(const vgg_gpu_norm_channels_task *task, size_t unit) {
    double count = (double)task->positions, sum = 0, product = 0;
    double inverse = (double)task->inverse[unit], factor = (double)task->scale[unit];
    double times = (double)task->gradient_factor;
    for (size_t chunk = 0; chunk < task->chunks; chunk++) {
        sum += vgg_body_figure(task, chunk, 0, unit);
        product += vgg_body_figure(task, chunk, 1, unit);
    }
    vgg_body_give_gradient(task->dbeta, unit, times * sum, task->add);
    vgg_body_give_gradient(task->dgamma, unit, times * product * inverse, task->add);
    bool batch = task->batch_statistics != 0;
    task->from_dy[unit] = (float)factor;
    task->from_x[unit] = batch ? (float)(-factor * inverse * inverse * product / count) : 0;
    task->constant[unit] = batch ? (float)(-factor * sum / count) : 0;
}

#endif
