/* The constants of a plan: packed weights, and figures per channel that follow from the network's
 * values. They are made anew when those have changed. */
#include <string.h>

#include "base/error.h"
#include "nn/plan.h"

static vgg_status check_values(const vgg_network *network, vgg_error *error) {
    for (size_t i = 0; i < network->tensor_count; i++) {
        if (vgg_tensor_numbers(&network->tensors[i]).at == NULL)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "tensor %s has no values: initialise the network or load a model",
                            network->tensors[i].info.name);
    }
    return VGG_OK;
}

static void pack(vgg_plan *plan, vgg_conv_shape shape, bool turned, vgg_numbers weights,
                 size_t packed) {
    vgg_conv_pack_task task = {.shape = shape,
                               .turned = turned,
                               .weights = weights.at,
                               .element = weights.element,
                               .packed = plan->constants + packed};
    vgg_threads_run(plan->threads, vgg_blocks(shape.outputs), vgg_conv_pack, &task);
}

static void store_filters(vgg_plan *plan, const vgg_step *step, bool turned) {
    vgg_winograd_task task = vgg_step_winograd_task(plan, step, turned, 1);
    if (task.partition.stored)
        vgg_threads_run(
            plan->threads, (task.shape.outputs + VGG_WINOGRAD_GROUP - 1) / VGG_WINOGRAD_GROUP,
            vgg_winograd_kernels_of(plan->kernels, task.partition.tile)->filters, &task);
}

vgg_status vgg_plan_refresh(vgg_plan *plan, vgg_error *error) {
    const vgg_network *network = plan->network;
    if (plan->fresh && plan->version == network->version)
        return VGG_OK;
    vgg_status status = check_values(network, error);
    if (status != VGG_OK)
        return status;
    for (size_t s = 0; s < plan->step_count; s++) {
        const vgg_step *step = &plan->steps[s];
        if (step->kind != VGG_STEP_CONVOLUTION)
            continue;
        const vgg_tensor *tensors = network->tensors + network->layers[step->layer].first_tensor;
        vgg_numbers weights = vgg_tensor_numbers(&tensors[VGG_TENSOR_WEIGHT]);
        if (step->tile > 0)
            store_filters(plan, step, false);
        else
            pack(plan, vgg_step_conv_shape(step, network, 1), false, weights, step->packed);
        if (plan->gradients && step->need_dx && step->back_tile > 0)
            store_filters(plan, step, true);
        else if (plan->gradients && step->need_dx)
            pack(plan, vgg_step_turned_shape(step, network, 1), true, weights, step->packed_turned);
        memcpy(plan->constants + step->bias, tensors[VGG_TENSOR_BIAS].values,
               step->out.channels * sizeof(float));
        if (step->folded != SIZE_MAX)
            vgg_batch_norm_from_running(plan, step->folded, plan->constants + step->scale,
                                        plan->constants + step->shift);
    }
    plan->version = network->version;
    plan->fresh = true;
    return VGG_OK;
}
