/* Stochastic gradient descent with momentum and weight decay, plain or Nesterov's. */
#include "nn/device.h"
#include "train/optimiser.h"

static const vgg_setting numbers[] = {
    {"momentum", offsetof(vgg_optimiser_options, momentum), 0.9, VGG_RANGE_FRACTION},
    {"weight decay", offsetof(vgg_optimiser_options, weight_decay), 5e-4, VGG_RANGE_NOT_NEGATIVE},
};

/* Of the row's copies. */
enum { VELOCITY = 0 };

static vgg_sgd_rates rates_of(const vgg_optimiser *optimiser, double rate, double decay) {
    return (vgg_sgd_rates){.rate = (float)rate,
                           .momentum = (float)optimiser->options.momentum,
                           .decay = (float)(optimiser->options.weight_decay * decay),
                           .nesterov = optimiser->options.kind == VGG_OPTIMISER_NESTEROV};
}

static void update(const vgg_optimiser *optimiser, size_t tensor, const float *gradient,
                   double rate) {
    vgg_plan *plan = optimiser->plan;
    vgg_sgd_rates rates = rates_of(optimiser, rate, optimiser->rules[tensor].decay);
    vgg_sgd_task task = {.count = optimiser->network->tensors[tensor].info.count,
                         .values = plan->device->place(plan, optimiser->network, tensor),
                         .velocity = plan->device->place(plan, optimiser->copies[VELOCITY], tensor),
                         .gradient = gradient,
                         .rate = rates.rate,
                         .momentum = rates.momentum,
                         .decay = rates.decay,
                         .nesterov = rates.nesterov};
    plan->device->sgd(plan, &task);
}

static void update_deferred(const vgg_optimiser *optimiser, double rate) {
    vgg_plan *plan = optimiser->plan;
    plan->device->update_linear(plan, optimiser->copies[VELOCITY], rates_of(optimiser, rate, 1));
}

const vgg_optimiser_row vgg_optimiser_sgd = {
    .name = "sgd",
    .numbers = {numbers, sizeof numbers / sizeof *numbers},
    .copies = {"velocity"},
    .update = update,
    .update_deferred = update_deferred,
};

const vgg_optimiser_row vgg_optimiser_nesterov = {
    .name = "nesterov",
    .numbers = {numbers, sizeof numbers / sizeof *numbers},
    .copies = {"velocity"},
    .update = update,
    .update_deferred = update_deferred,
};
