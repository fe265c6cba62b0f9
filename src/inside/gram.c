/* Gram matrices are products of the kind that linear layers make. */
#include "inside/gram.h"

static size_t units(size_t count, size_t per_unit) {
    return (count + per_unit - 1) / per_unit;
}

void vgg_gram(const vgg_gram_task *task, const float *values, float *gram) {
    vgg_linear_task product = {.images = task->channels,
                               .inputs = task->places,
                               .outputs = task->channels,
                               .x = values,
                               .weights = values,
                               .element = VGG_ELEMENT_FLOAT32,
                               .bias = task->zeros,
                               .y = gram};
    vgg_threads_run(task->threads, units(task->channels, VGG_LINEAR_OUTPUTS),
                    task->kernels->linear_forward, &product);
}

void vgg_gram_gradient(const vgg_gram_task *task, const float *matrix, const float *values,
                       float *gradient) {
    vgg_linear_task product = {.images = task->channels,
                               .inputs = task->places,
                               .outputs = task->channels,
                               .weights = values,
                               .element = VGG_ELEMENT_FLOAT32,
                               .dy = matrix,
                               .dx = gradient};
    vgg_threads_run(task->threads, units(task->places, VGG_LINEAR_INPUTS),
                    task->kernels->linear_input, &product);
}
