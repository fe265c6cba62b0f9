/* Kernels that treat every value alike. */
#include "kernels/tier.h"

void VGG_TIERED(relu_backward)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(relu_backward)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_relu_task *task = argument;
    size_t last = vgg_size_min(end * VGG_CHUNK, task->count);
    for (size_t i = begin * VGG_CHUNK; i < last; i++)
        task->dy[i] = task->y[i] > 0 ? task->dy[i] * task->factor : 0;
}

void VGG_TIERED(sgd)(void *argument, size_t begin, size_t end, size_t worker);

void VGG_TIERED(sgd)(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_sgd_task *task = argument;
    size_t last = vgg_size_min(end * VGG_CHUNK, task->count);
    for (size_t i = begin * VGG_CHUNK; i < last; i++) {
        float gradient = task->gradient[i] + task->decay * task->values[i];
        float velocity = task->momentum * task->velocity[i] + gradient;
        task->velocity[i] = velocity;
        task->values[i] -= task->rate * velocity;
    }
}
