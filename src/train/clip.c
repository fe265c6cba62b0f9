/* Gradients that are too long made shorter. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/device.h"
#include "train/optimiser.h"

/* torch.nn.utils.clip_grad_norm_ adds this to the norm that it divides by. */
#define NORM_ADDED 1e-6

size_t vgg_clip_sums(const vgg_network *network) {
    size_t most = 0;
    for (size_t i = 0; i < network->tensor_count; i++) {
        most = vgg_size_max(most, vgg_chunks(network->tensors[i].info.count));
    }
    return most;
}

/* Where the gradient of a tensor that is trained is, and NULL of another. */
static float *gradient_of(const vgg_optimiser *optimiser, size_t tensor) {
    vgg_plan *plan = optimiser->plan;
    return optimiser->rules[tensor].fixed ? NULL : plan->device->gradient_place(plan, tensor);
}

static double squared_norm(const vgg_optimiser *optimiser) {
    vgg_plan *plan = optimiser->plan;
    double total = 0;
    for (size_t t = 0; t < optimiser->network->tensor_count; t++) {
        const float *gradient = gradient_of(optimiser, t);
        size_t count = optimiser->network->tensors[t].info.count;
        size_t chunks = gradient == NULL ? 0 : vgg_chunks(count);
        if (chunks > 0)
            plan->device->square_sums(plan, gradient, count, optimiser->sums);
        for (size_t chunk = 0; chunk < chunks; chunk++) {
            total += optimiser->sums[chunk];
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
        float *gradient = gradient_of(optimiser, t);
        if (gradient != NULL)
            optimiser->plan->device->scale(optimiser->plan, gradient,
                                           optimiser->network->tensors[t].info.count,
                                           (float)factor);
    }
    return VGG_OK;
}
