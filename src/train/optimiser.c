#include "train/optimiser.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "nn/plan.h"

struct vgg_optimiser {
    vgg_network *network, *velocity;
    vgg_plan *plan;
    double momentum, weight_decay;
};

static vgg_status check(double momentum, double weight_decay, vgg_error *error) {
    if (!(momentum >= 0 && momentum < 1))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "momentum %g, expected 0 or more and less than 1", momentum);
    if (!(weight_decay >= 0 && isfinite(weight_decay)))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "weight decay %g, expected 0 or more",
                        weight_decay);
    return VGG_OK;
}

/* Values of their own, zeros where there were none, for the layers of `network` that `trained` does
 * not freeze. */
static vgg_status own_values(vgg_network *network, const vgg_network *trained, vgg_error *error) {
    for (size_t l = 0; l < network->layer_count; l++) {
        const vgg_layer *layer = &network->layers[l];
        size_t count = trained->layers[l].frozen ? 0 : layer->tensors;
        for (size_t i = layer->first_tensor; i < layer->first_tensor + count; i++) {
            if (vgg_network_own(network, i) == NULL)
                return vgg_fail_memory(error, network->tensors[i].info.name,
                                       network->tensors[i].info.count * sizeof(float));
        }
    }
    return VGG_OK;
}

vgg_status vgg_optimiser_create(vgg_network *network, vgg_plan *plan, double momentum,
                                double weight_decay, vgg_optimiser **out, vgg_error *error) {
    vgg_status status = check(momentum, weight_decay, error);
    if (status != VGG_OK)
        return status;
    if (!plan->gradients)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the optimiser's plan was made without gradients");
    vgg_optimiser *optimiser = calloc(1, sizeof *optimiser);
    if (optimiser == NULL)
        return vgg_fail_memory(error, "an optimiser", sizeof *optimiser);
    *optimiser = (vgg_optimiser){
        .network = network, .plan = plan, .momentum = momentum, .weight_decay = weight_decay};
    status = vgg_network_create(vgg_network_describe(network), &optimiser->velocity, error);
    if (status == VGG_OK)
        status = own_values(optimiser->velocity, network, error);
    if (status == VGG_OK)
        status = own_values(network, network, error);
    if (status != VGG_OK) {
        vgg_optimiser_free(optimiser);
        return status;
    }
    *out = optimiser;
    return VGG_OK;
}

void vgg_optimiser_free(vgg_optimiser *optimiser) {
    if (optimiser == NULL)
        return;
    vgg_network_free(optimiser->velocity);
    free(optimiser);
}

vgg_network *vgg_optimiser_velocity(const vgg_optimiser *optimiser) {
    return optimiser->velocity;
}

static void update_stored(const vgg_optimiser *optimiser, vgg_sgd_rates rates) {
    const vgg_network *network = optimiser->network;
    for (size_t i = 0; i < network->tensor_count; i++) {
        const vgg_tensor_info *info = &network->tensors[i].info;
        const float *gradient = vgg_plan_gradient(optimiser->plan, i);
        if (gradient == NULL)
            continue;
        vgg_sgd_task task = {.count = info->count,
                             .values = network->tensors[i].owned,
                             .velocity = optimiser->velocity->tensors[i].owned,
                             .gradient = gradient,
                             .rate = rates.rate,
                             .momentum = rates.momentum,
                             .decay = rates.decay};
        vgg_threads_run(optimiser->plan->threads, vgg_chunks(task.count),
                        optimiser->plan->kernels->sgd, &task);
    }
}

vgg_status vgg_optimiser_step(vgg_optimiser *optimiser, double rate, vgg_error *error) {
    vgg_plan *plan = optimiser->plan;
    bool deferred = plan->options.defer_linear;
    if (!(rate >= 0 && isfinite(rate)))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "learning rate %g, expected 0 or more", rate);
    if (deferred && plan->passes == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a step of a plan with defer_linear needs a backward pass of its own");
    vgg_sgd_rates rates = {.rate = (float)rate,
                           .momentum = (float)optimiser->momentum,
                           .decay = (float)optimiser->weight_decay};
    update_stored(optimiser, rates);
    if (deferred)
        vgg_plan_update_linear(plan, optimiser->velocity, rates);
    vgg_plan_begin_step(plan);
    optimiser->network->version++;
    return VGG_OK;
}
