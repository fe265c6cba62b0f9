/* AdamW (Loshchilov & Hutter 2019) as PyTorch defines it. */
#include <math.h>

#include "nn/device.h"
#include "train/optimiser.h"

static const vgg_setting numbers[] = {
    {"beta2", offsetof(vgg_optimiser_options, beta2), 0.999, VGG_RANGE_FRACTION},
    {"epsilon", offsetof(vgg_optimiser_options, epsilon), 1e-8, VGG_RANGE_POSITIVE},
};

/* Of the row's copies. */
enum { MEAN = 0, SQUARE = 1 };

static void update(const vgg_optimiser *optimiser, size_t tensor, const float *gradient,
                   double rate) {
    const vgg_optimiser_options *options = &optimiser->options;
    double decay = options->weight_decay * optimiser->rules[tensor].decay;
    double step = (double)optimiser->steps + 1;
    vgg_plan *plan = optimiser->plan;
    vgg_adamw_task task = {.count = optimiser->network->tensors[tensor].info.count,
                           .values = plan->device->place(plan, optimiser->network, tensor),
                           .mean = plan->device->place(plan, optimiser->copies[MEAN], tensor),
                           .square = plan->device->place(plan, optimiser->copies[SQUARE], tensor),
                           .gradient = gradient,
                           .keep = (float)(1 - rate * decay),
                           .beta1 = (float)options->momentum,
                           .rest1 = (float)(1 - options->momentum),
                           .beta2 = (float)options->beta2,
                           .rest2 = (float)(1 - options->beta2),
                           .step = (float)(rate / (1 - pow(options->momentum, step))),
                           .root = (float)(1 / sqrt(1 - pow(options->beta2, step))),
                           .epsilon = (float)options->epsilon};
    plan->device->adamw(plan, &task);
}

const vgg_optimiser_row vgg_optimiser_adamw = {
    .name = "adamw",
    .numbers = {numbers, sizeof numbers / sizeof *numbers},
    .copies = {"mean", "square"},
    .update = update,
    .normalises = true,
};
