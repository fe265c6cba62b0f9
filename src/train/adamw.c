/* AdamW (Loshchilov & Hutter 2019) as PyTorch defines it. */
#include <math.h>

#include "base/memory.h"
#include "nn/plan.h"
#include "train/optimiser.h"

static const vgg_setting numbers[] = {
    {"beta2", offsetof(vgg_optimiser_options, beta2), 0.999, VGG_RANGE_FRACTION},
    {"epsilon", offsetof(vgg_optimiser_options, epsilon), 1e-8, VGG_RANGE_POSITIVE},
};

/* Of the row's copies. */
enum { MEAN = 0, SQUARE = 1 };

typedef struct adamw_task {
    size_t count;
    float *values, *mean, *square;
    const float *gradient;
    float keep, beta1, rest1, beta2, rest2, step, root, epsilon;
} adamw_task;

static void update_chunks(void *context, size_t begin, size_t end, size_t worker) {
    const adamw_task *task = context;
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

static void update(const vgg_optimiser *optimiser, size_t tensor, const float *gradient,
                   double rate) {
    const vgg_optimiser_options *options = &optimiser->options;
    double decay = options->weight_decay * optimiser->rules[tensor].decay;
    double step = (double)optimiser->steps + 1;
    adamw_task task = {.count = optimiser->network->tensors[tensor].info.count,
                       .values = optimiser->network->tensors[tensor].owned,
                       .mean = optimiser->copies[MEAN]->tensors[tensor].owned,
                       .square = optimiser->copies[SQUARE]->tensors[tensor].owned,
                       .gradient = gradient,
                       .keep = (float)(1 - rate * decay),
                       .beta1 = (float)options->momentum,
                       .rest1 = (float)(1 - options->momentum),
                       .beta2 = (float)options->beta2,
                       .rest2 = (float)(1 - options->beta2),
                       .step = (float)(rate / (1 - pow(options->momentum, step))),
                       .root = (float)(1 / sqrt(1 - pow(options->beta2, step))),
                       .epsilon = (float)options->epsilon};
    vgg_threads_run(optimiser->plan->threads, vgg_chunks(task.count), update_chunks, &task);
}

const vgg_optimiser_row vgg_optimiser_adamw = {
    .name = "adamw",
    .numbers = {numbers, sizeof numbers / sizeof *numbers},
    .copies = {"mean", "square"},
    .update = update,
    .normalises = true,
};
