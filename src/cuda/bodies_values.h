/* Bodies of the kernels that treat every value alike, of max-pools, and of sums. */
#ifndef VGG_CUDA_BODIES_VALUES_H
#define VGG_CUDA_BODIES_VALUES_H

#include "cuda/bodies.h"

/* ---- dropout ---- */

/* base/random.h has the same for the processor. */
VGG_BODY uint64_t vgg_body_mix(uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

VGG_BODY uint64_t vgg_body_random(uint64_t seed, uint64_t stream, uint64_t counter) {
    uint64_t key = vgg_body_mix(seed + 0x9e3779b97f4a7c15u * (stream + 1));
    return vgg_body_mix(key + 0x9e3779b97f4a7c15u * (counter + 1));
}

VGG_BODY float vgg_body_dropped(const vgg_gpu_dropout *dropout, uint64_t counted, float value) {
    uint64_t number = vgg_body_random(dropout->seed, dropout->stream, dropout->first + counted);
    return number >> 11 < dropout->bound ? 0 : value * dropout->kept;
}

VGG_BODY void vgg_body_dropout(const vgg_gpu_dropout_task *task, size_t unit) {
    size_t groups = VGG_GPU_GROUPS(task->channels), place = unit / groups;
    size_t first = unit % groups * VGG_GPU_LANES;
    size_t image = place / task->pixels, pixel = place % task->pixels;
    float values[VGG_GPU_LANES];
    vgg_load8(task->from, task->element, unit, values);
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        uint64_t counted = vgg_body_counted(task->dropout.blocked, image, pixel, first + i,
                                            task->channels, task->pixels);
        values[i] =
            first + i < task->channels ? vgg_body_dropped(&task->dropout, counted, values[i]) : 0;
    }
    vgg_store8(task->to, task->element, unit, values);
}

VGG_BODY void vgg_body_bias_rows(const vgg_gpu_bias_rows_task *task, size_t unit) {
    size_t groups = VGG_GPU_GROUPS(task->columns), image = unit / groups;
    size_t first = unit % groups * VGG_GPU_LANES;
    float values[VGG_GPU_LANES];
    vgg_load8(task->sums, task->sums_element, unit, values);
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        size_t column = first + i;
        float value = column < task->columns ? values[i] + task->bias[column] : 0;
        value = task->relu && value < 0 ? 0 : value;
        if (task->dropout.bound > 0)
            value =
                vgg_body_dropped(&task->dropout, (uint64_t)image * task->columns + column, value);
        values[i] = value;
    }
    vgg_store8(task->to, task->element, unit, values);
}

/* ---- ReLU ---- */

VGG_BODY void vgg_body_relu(const vgg_gpu_relu_task *task, size_t unit) {
    float values[VGG_GPU_LANES];
    vgg_load8(task->from, task->element, unit, values);
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        values[i] = values[i] < 0 ? 0 : values[i];
    }
    vgg_store8(task->to, task->element, unit, values);
}

VGG_BODY void vgg_body_relu_backward(const vgg_gpu_relu_task *task, size_t unit) {
    float values[VGG_GPU_LANES], y[VGG_GPU_LANES];
    vgg_load8(task->from, task->element, unit, values);
    vgg_load8(task->y, task->element, unit, y);
    for (size_t i = 0; i < VGG_GPU_LANES; i++) {
        values[i] = y[i] > 0 ? values[i] * task->factor : 0;
    }
    vgg_store8(task->to, task->element, unit, values);
}

/* ---- max-pool ---- */

VGG_BODY void vgg_body_max_pool(const vgg_gpu_pool_task *task, size_t unit) {
    size_t groups = VGG_GPU_GROUPS(task->channels), place = unit / groups;
    size_t column = place % task->out_width, row = place / task->out_width % task->out_height;
    size_t image = place / task->out_width / task->out_height;
    float best[VGG_GPU_LANES], x[VGG_GPU_LANES];
    uint8_t which[VGG_GPU_LANES];
    for (int part = 0; part < 4; part++) {
        size_t from = (image * task->height + 2 * row + (size_t)part / 2) * task->width;
        from = (from + 2 * column + (size_t)part % 2) * groups + unit % groups;
        vgg_load8(task->x, task->element, from, x);
        for (size_t i = 0; i < VGG_GPU_LANES; i++) {
            bool more = part == 0 || x[i] > best[i] || x[i] != x[i];
            best[i] = more ? x[i] : best[i];
            which[i] = more ? (uint8_t)part : which[i];
        }
    }
    vgg_store8(task->to, task->element, unit, best);
    if (task->chosen != NULL)
        memcpy(task->chosen + unit * VGG_GPU_LANES, which, sizeof which);
}

VGG_BODY void vgg_body_max_pool_backward(const vgg_gpu_pool_task *task, size_t unit) {
    size_t groups = VGG_GPU_GROUPS(task->channels), place = unit / groups;
    size_t column = place % task->width, row = place / task->width % task->height;
    size_t image = place / task->width / task->height;
    float values[VGG_GPU_LANES] = {0}, dy[VGG_GPU_LANES], y[VGG_GPU_LANES];
    if (row / 2 < task->out_height && column / 2 < task->out_width) {
        size_t from = (image * task->out_height + row / 2) * task->out_width + column / 2;
        from = from * groups + unit % groups;
        uint8_t which[VGG_GPU_LANES], part = (uint8_t)(row % 2 * 2 + column % 2);
        memcpy(which, task->chosen + from * VGG_GPU_LANES, sizeof which);
        vgg_load8(task->dy, task->element, from, dy);
        if (task->y != NULL)
            vgg_load8(task->y, task->element, from, y);
        for (size_t i = 0; i < VGG_GPU_LANES; i++) {
            bool counts = which[i] == part && (task->y == NULL || y[i] > 0);
            values[i] = counts ? dy[i] : 0;
        }
    }
    vgg_store8(task->to, task->element, unit, values);
}

/* ---- sums ---- */

VGG_BODY void vgg_body_largest(const vgg_gpu_largest_task *task, size_t unit) {
    size_t end = (unit + 1) * VGG_GPU_SQUARES;
    float most = 0;
    end = end < task->count ? end : task->count;
    for (size_t i = unit * VGG_GPU_SQUARES; i < end; i++) {
        float size = fabsf(vgg_load(task->from, task->element, i));
        if (size > most || size != size)
            most = size == size ? size : INFINITY;
    }
    task->to[unit] = most;
}

VGG_BODY void vgg_body_sums(const vgg_gpu_sums_task *task, size_t unit) {
    size_t groups = task->lanes / VGG_GPU_LANES, chunk = unit / groups;
    size_t begin = task->positions * chunk / task->chunks;
    size_t end = task->positions * (chunk + 1) / task->chunks;
    float sums[VGG_GPU_LANES] = {0}, values[VGG_GPU_LANES];
    for (size_t at = begin; at < end; at++) {
        vgg_load8(task->from, task->element, at * groups + unit % groups, values);
        for (size_t i = 0; i < VGG_GPU_LANES; i++) {
            sums[i] += values[i];
        }
    }
    vgg_store8(task->to, VGG_GPU_FLOAT32, unit, sums);
}

VGG_BODY void vgg_body_gather(const vgg_gpu_gather_task *task, size_t unit) {
    size_t column = unit % task->width, begin = unit / task->width * VGG_GPU_GATHER;
    size_t end = begin + VGG_GPU_GATHER;
    float sum = 0;
    end = end < task->rows ? end : task->rows;
    for (size_t row = begin; row < end; row++) {
        sum += task->from[row * task->width + column];
    }
    task->to[unit] = sum;
}

VGG_BODY void vgg_body_finish(const vgg_gpu_finish_task *task, size_t unit) {
    float value = task->factor * task->from[unit];
    task->to[unit] = task->add ? task->to[unit] + value : value;
}

#endif
