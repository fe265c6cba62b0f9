/* Bodies of what an optimiser does to weights and their gradients. */
#ifndef VGG_CUDA_BODIES_LEARN_H
#define VGG_CUDA_BODIES_LEARN_H

#include "cuda/bodies.h"

VGG_BODY void vgg_body_sgd(const vgg_gpu_sgd_task *task, size_t unit) {
    float gradient = fmaf(task->decay, task->values[unit], task->gradient[unit]);
    float velocity = fmaf(task->momentum, task->velocity[unit], gradient);
    float step = task->nesterov ? fmaf(task->momentum, velocity, gradient) : velocity;
    task->velocity[unit] = velocity;
    task->values[unit] = fmaf(-task->rate, step, task->values[unit]);
}

VGG_BODY void vgg_body_adamw(const vgg_gpu_adamw_task *task, size_t unit) {
    float gradient = task->gradient[unit];
    float mean = fmaf(task->beta1, task->mean[unit], task->rest1 * gradient);
    float square = fmaf(task->beta2, task->square[unit], task->rest2 * gradient * gradient);
    float size = fmaf(sqrtf(square), task->root, task->epsilon);
    task->mean[unit] = mean;
    task->square[unit] = square;
    task->values[unit] = fmaf(task->keep, task->values[unit], -(task->step * mean / size));
}

VGG_BODY void vgg_body_blend(const vgg_gpu_blend_task *task, size_t unit) {
    float kept = fmaf(task->keep, task->kept[unit], task->take * task->values[unit]);
    task->kept[unit] = kept;
    if (task->back)
        task->values[unit] = kept;
}

/* The task that a value is of, by halves. */
VGG_BODY size_t vgg_body_find(const vgg_gpu_many_task *task, size_t unit) {
    size_t low = 0, high = task->count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (unit < task->ends[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Its number in that. */
VGG_BODY size_t vgg_body_within(const vgg_gpu_many_task *task, size_t found, size_t unit) {
    return found > 0 ? unit - task->ends[found - 1] : unit;
}

VGG_BODY void vgg_body_sgd_many(const vgg_gpu_many_task *task, size_t unit) {
    size_t found = vgg_body_find(task, unit);
    vgg_body_sgd((const vgg_gpu_sgd_task *)task->tasks + found, vgg_body_within(task, found, unit));
}

VGG_BODY void vgg_body_adamw_many(const vgg_gpu_many_task *task, size_t unit) {
    size_t found = vgg_body_find(task, unit);
    vgg_body_adamw((const vgg_gpu_adamw_task *)task->tasks + found,
                   vgg_body_within(task, found, unit));
}

VGG_BODY void vgg_body_blend_many(const vgg_gpu_many_task *task, size_t unit) {
    size_t found = vgg_body_find(task, unit);
    vgg_body_blend((const vgg_gpu_blend_task *)task->tasks + found,
                   vgg_body_within(task, found, unit));
}

VGG_BODY void vgg_body_scale(const vgg_gpu_array_task *task, size_t unit) {
    task->to[unit] *= task->factor;
}

VGG_BODY void vgg_body_add(const vgg_gpu_array_task *task, size_t unit) {
    task->to[unit] += task->from[unit];
}

VGG_BODY void vgg_body_square_sums(const vgg_gpu_squares_task *task, size_t unit) {
    size_t end = (unit + 1) * VGG_GPU_SQUARES;
    double sum = 0;
    end = end < task->count ? end : task->count;
    for (size_t i = unit * VGG_GPU_SQUARES; i < end; i++) {
        double value = (double)task->from[i];
        sum += value * value;
    }
    task->to[unit] = sum;
}

#endif
