/* What the processor does to weights and their gradients between two steps. Units are chunks of
 * VGG_CHUNK values. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "nn/cpu.h"

/* A network's values lie where the host and the processor both see them. */
vgg_status vgg_cpu_adopt(vgg_plan *plan, vgg_network *copy, vgg_error *error) {
    (void)plan, (void)copy, (void)error;
    return VGG_OK;
}

void vgg_cpu_forget(vgg_plan *plan, vgg_network *copy) {
    (void)plan, (void)copy;
}

vgg_status vgg_cpu_fetch(vgg_plan *plan, const vgg_network *network, vgg_error *error) {
    (void)plan, (void)network, (void)error;
    return VGG_OK;
}

float *vgg_cpu_place(vgg_plan *plan, const vgg_network *network, size_t tensor) {
    (void)plan;
    return network->tensors[tensor].owned;
}

float *vgg_cpu_gradient_place(const vgg_plan *plan, size_t tensor) {
    size_t offset = plan->gradient_offsets[tensor];
    return offset == SIZE_MAX ? NULL : plan->gradients_of + offset;
}

const float *vgg_cpu_gradient(const vgg_plan *plan, size_t tensor) {
    return vgg_cpu_gradient_place(plan, tensor);
}

void vgg_cpu_sgd(vgg_plan *plan, const vgg_sgd_task *task) {
    vgg_sgd_task copy = *task;
    vgg_threads_run(plan->threads, vgg_chunks(copy.count), plan->kernels->sgd, &copy);
}

static void adamw_chunks(void *context, size_t begin, size_t end, size_t worker) {
    const vgg_adamw_task *task = context;
    (void)worker;
    float *restrict values = task->values, *restrict mean = task->mean;
    float *restrict square = task->square;
    const float *restrict gradient = task->gradient;
    size_t last = vgg_size_min(end * VGG_CHUNK, task->count);
    for (size_t i = begin * VGG_CHUNK; i < last; i++) {
        float g = gradient[i];
        mean[i] = task->beta1 * mean[i] + task->rest1 * g;
        square[i] = task->beta2 * square[i] + task->rest2 * g * g;
        float size = sqrtf(square[i]) * task->root + task->epsilon;
        values[i] = task->keep * values[i] - task->step * mean[i] / size;
    }
}

void vgg_cpu_adamw(vgg_plan *plan, const vgg_adamw_task *task) {
    vgg_adamw_task copy = *task;
    vgg_threads_run(plan->threads, vgg_chunks(copy.count), adamw_chunks, &copy);
}

static void blend_chunks(void *context, size_t begin, size_t end, size_t worker) {
    const vgg_blend_task *task = context;
    (void)worker;
    size_t last = vgg_size_min(end * VGG_CHUNK, task->count);
    for (size_t i = begin * VGG_CHUNK; i < last; i++) {
        task->kept[i] = task->keep * task->kept[i] + task->take * task->values[i];
        if (task->back)
            task->values[i] = task->kept[i];
    }
}

void vgg_cpu_blend(vgg_plan *plan, const vgg_blend_task *task) {
    vgg_blend_task copy = *task;
    vgg_threads_run(plan->threads, vgg_chunks(copy.count), blend_chunks, &copy);
}

/* Each chunk has a sum of its own, so that no sum depends on who adds. */
typedef struct squares_task {
    size_t count;
    const float *values;
    double *sums;
} squares_task;

static void square_chunks(void *context, size_t begin, size_t end, size_t worker) {
    const squares_task *task = context;
    (void)worker;
    for (size_t chunk = begin; chunk < end; chunk++) {
        size_t last = vgg_size_min((chunk + 1) * VGG_CHUNK, task->count);
        double sum = 0;
        for (size_t i = chunk * VGG_CHUNK; i < last; i++) {
            sum += (double)task->values[i] * (double)task->values[i];
        }
        task->sums[chunk] = sum;
    }
}

void vgg_cpu_square_sums(vgg_plan *plan, const float *values, size_t count, double *sums) {
    squares_task task = {count, values, sums};
    vgg_threads_run(plan->threads, vgg_chunks(count), square_chunks, &task);
}

typedef struct scale_task {
    size_t count;
    float *values;
    float factor;
} scale_task;

static void scale_chunks(void *context, size_t begin, size_t end, size_t worker) {
    const scale_task *task = context;
    (void)worker;
    size_t last = vgg_size_min(end * VGG_CHUNK, task->count);
    for (size_t i = begin * VGG_CHUNK; i < last; i++) {
        task->values[i] *= task->factor;
    }
}

void vgg_cpu_scale(vgg_plan *plan, float *values, size_t count, float factor) {
    scale_task task = {count, values, factor};
    vgg_threads_run(plan->threads, vgg_chunks(count), scale_chunks, &task);
}

typedef struct add_task {
    size_t count;
    const float *from;
    float *to;
} add_task;

static void add_chunks(void *context, size_t begin, size_t end, size_t worker) {
    const add_task *task = context;
    (void)worker;
    size_t last = vgg_size_min(end * VGG_CHUNK, task->count);
    for (size_t i = begin * VGG_CHUNK; i < last; i++) {
        task->to[i] += task->from[i];
    }
}

void vgg_cpu_add(vgg_plan *plan, const float *from, float *to, size_t count) {
    add_task task = {count, from, to};
    vgg_threads_run(plan->threads, vgg_chunks(count), add_chunks, &task);
}

void vgg_cpu_copy(vgg_plan *plan, const float *from, float *to, size_t count) {
    (void)plan;
    memcpy(to, from, count * sizeof *to);
}
