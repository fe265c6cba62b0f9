#include "kernels/ref/ref.h"

void vgg_relu_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_relu_backward_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_bf16_ref(void *argument, size_t begin, size_t end, size_t worker);
void vgg_sgd_ref(void *argument, size_t begin, size_t end, size_t worker);

void vgg_relu_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_relu_forward_task *task = argument;
    for (size_t i = begin * VGG_CHUNK; i < vgg_size_min(end * VGG_CHUNK, task->count); i++) {
        task->y[i] = task->x[i] < 0 ? 0 : task->x[i];
    }
}

void vgg_relu_backward_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_relu_task *task = argument;
    for (size_t i = begin * VGG_CHUNK; i < vgg_size_min(end * VGG_CHUNK, task->count); i++) {
        task->dy[i] = task->y[i] > 0 ? task->dy[i] * task->factor : 0;
    }
}

void vgg_bf16_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_bf16_task *task = argument;
    for (size_t i = begin * VGG_CHUNK; i < vgg_size_min(end * VGG_CHUNK, task->count); i++) {
        task->y[i] = vgg_bf16_of(task->x[i]);
    }
}

void vgg_sgd_ref(void *argument, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vgg_sgd_task *task = argument;
    for (size_t i = begin * VGG_CHUNK; i < vgg_size_min(end * VGG_CHUNK, task->count); i++) {
        double gradient = (double)task->gradient[i] + (double)task->decay * (double)task->values[i];
        double velocity = (double)task->momentum * (double)task->velocity[i] + gradient;
        task->velocity[i] = (float)velocity;
        double step = task->nesterov ? gradient + (double)task->momentum * velocity : velocity;
        task->values[i] = (float)((double)task->values[i] - (double)task->rate * step);
    }
}
