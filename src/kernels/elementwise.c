/* Kernels that treat every value alike. */
#include "kernels/tier.h"

void VGG_TIERED(relu)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(relu)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_relu_forward_task *task = argument;
    size_t i = begin * VGG_CHUNK, last = vgg_size_min(end * VGG_CHUNK, task->count);
    for (; i + VGG_LANES <= last; i += VGG_LANES) {
        vf_store(task->y + i, vf_relu(vf_load(task->x + i)));
    }
    for (; i < last; i++) {
        task->y[i] = task->x[i] <= 0 ? 0 : task->x[i];
    }
}

void VGG_TIERED(relu_backward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(relu_backward)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_relu_task *task = argument;
    const float *y = task->y;
    float *dy = task->dy, factor = task->factor;
    size_t i = begin * VGG_CHUNK, last = vgg_size_min(end * VGG_CHUNK, task->count);
    for (; i + VGG_LANES <= last; i += VGG_LANES) {
        vf_store(dy + i, vf_where_positive(vf_load(y + i), vf_load(dy + i) * factor));
    }
    for (; i < last; i++) {
        dy[i] = y[i] > 0 ? dy[i] * factor : 0;
    }
}

void VGG_TIERED(bf16)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(bf16)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_bf16_task *task = argument;
    size_t i = begin * VGG_CHUNK, last = vgg_size_min(end * VGG_CHUNK, task->count);
    for (; i + VGG_LANES <= last; i += VGG_LANES) {
        vf_bf16_store(task->y + i, vf_load(task->x + i));
    }
    if (i < last) {
        uint16_t rest[VGG_LANES];
        vf_bf16_store(rest, vf_load_some(VGG_ELEMENT_FLOAT32, task->x, i, last - i));
        memcpy(task->y + i, rest, (last - i) * sizeof *rest);
    }
}

void VGG_TIERED(sgd)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(sgd)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_sgd_task *task = argument;
    const float *restrict from = task->gradient;
    float *restrict values = task->values, *restrict velocities = task->velocity;
    float rate = task->rate, momentum = task->momentum, decay = task->decay;
    size_t last = vgg_size_min(end * VGG_CHUNK, task->count);
    if (task->nesterov) {
        for (size_t i = begin * VGG_CHUNK; i < last; i++) {
            float gradient = from[i] + decay * values[i];
            float velocity = momentum * velocities[i] + gradient;
            velocities[i] = velocity;
            values[i] -= rate * (gradient + momentum * velocity);
        }
        return;
    }
    for (size_t i = begin * VGG_CHUNK; i < last; i++) {
        float gradient = from[i] + decay * values[i];
        float velocity = momentum * velocities[i] + gradient;
        velocities[i] = velocity;
        values[i] -= rate * velocity;
    }
}
