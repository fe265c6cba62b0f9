/* Gradients that are too long made shorter. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/plan.h"
#include "train/optimiser.h"

/* torch.nn.utils.clip_grad_norm_ adds this to the norm that it divides by. */
#define NORM_ADDED 1e-6

/* A tensor's gradient in chunks, each with a sum of its own, so that no sum depends on who adds. */
typedef struct clip_task {
    size_t count;
    float *gradient;
    double *sums;
    float factor;
} clip_task;

size_t vgg_clip_sums(const vgg_network *network) {
    size_t most = 0;
    for (size_t i = 0; i < network->tensor_count; i++) {
        most = vgg_size_max(most, vgg_chunks(network->tensors[i].info.count));
    }
    return most;
}

static void sum_chunks(void *context, size_t begin, size_t end, size_t worker) {
    const clip_task *task = context;
    (void)worker;
    for (size_t chunk = begin; chunk < end; chunk++) {
        size_t last = vgg_size_min((chunk + 1) * VGG_CHUNK, task->count);
        double sum = 0;
        for (size_t i = chunk * VGG_CHUNK; i < last; i++) {
            sum += (double)task->gradient[i] * (double)task->gradient[i];
        }
        task->sums[chunk] = sum;
    }
}

static void scale_chunks(void *context, size_t begin, size_t end, size_t worker) {
    const clip_task *task = context;
    (void)worker;
    size_t last = vgg_size_min(end * VGG_CHUNK, task->count);
    for (size_t i = begin * VGG_CHUNK; i < last; i++) {
        task->gradient[i] *= task->factor;
    }
}

/* The task of a tensor that is trained; its count is 0 for another. */
static clip_task task_of(const vgg_optimiser *optimiser, size_t tensor) {
    vgg_plan *plan = optimiser->plan;
    bool trained = plan->gradient_offsets[tensor] != SIZE_MAX && !optimiser->rules[tensor].fixed;
    clip_task task = {.sums = optimiser->sums};
    if (trained) {
        task.count = optimiser->network->tensors[tensor].info.count;
        task.gradient = plan->gradients_of + plan->gradient_offsets[tensor];
    }
    return task;
}

static double squared_norm(const vgg_optimiser *optimiser) {
    double total = 0;
    for (size_t t = 0; t < optimiser->network->tensor_count; t++) {
        clip_task task = task_of(optimiser, t);
        size_t chunks = vgg_chunks(task.count);
        vgg_threads_run(optimiser->plan->threads, chunks, sum_chunks, &task);
        for (size_t chunk = 0; chunk < chunks; chunk++) {
            total += task.sums[chunk];
        }
    }
    return total;
}

vgg_status vgg_clip_gradients(const vgg_optimiser *optimiser, vgg_error *error) {
    double norm = sqrt(squared_norm(optimiser));
    if (!isfinite(norm))
        return vgg_fail(error, VGG_ERROR_NUMERIC,
                        "the gradients are not finite at step %llu; a lower rate, batch norm or "
                        "another initialisation may help",
                        (unsigned long long)optimiser->steps + 1);
    double factor = optimiser->options.clip / (norm + NORM_ADDED);
    for (size_t t = 0; t < optimiser->network->tensor_count && factor < 1; t++) {
        clip_task task = task_of(optimiser, t);
        task.factor = (float)factor;
        vgg_threads_run(optimiser->plan->threads, vgg_chunks(task.count), scale_chunks, &task);
    }
    return VGG_OK;
}
