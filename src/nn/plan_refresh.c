/* The constants of a plan: packed weights, and figures per channel that follow from the network's
 * values. They are made anew when those have changed. */
#include <string.h>

#include "base/error.h"
#include "nn/ops.h"

static vgg_status check_values(const vgg_network *network, vgg_error *error) {
    for (size_t i = 0; i < network->tensor_count; i++) {
        if (vgg_tensor_numbers(&network->tensors[i]).at == NULL)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "tensor %s has no values: initialise the network or load a model",
                            network->tensors[i].info.name);
    }
    return VGG_OK;
}

/* What an op's kernels want of its layer's weights and biases. */
static void make_constants(vgg_plan *plan, const vgg_cpu_op *op) {
    vgg_op_pack(plan, op, false);
    if (op->graph.need_dx)
        vgg_op_pack(plan, op, true);
    memcpy(plan->constants + op->bias, vgg_plan_tensor(plan, op, VGG_TENSOR_BIAS)->values,
           op->graph.out.channels * sizeof(float));
}

vgg_status vgg_plan_refresh(vgg_plan *plan, vgg_error *error) {
    const vgg_network *network = plan->network;
    if (plan->fresh && plan->version == network->version)
        return VGG_OK;
    vgg_status status = check_values(network, error);
    if (status != VGG_OK)
        return status;
    for (size_t s = 0; s < plan->op_count; s++) {
        const vgg_cpu_op *op = &plan->ops[s];
        if (op->graph.kind != VGG_OP_CONVOLUTION)
            continue;
        make_constants(plan, op);
        if (op->graph.folded != VGG_NO_LAYER)
            vgg_op_fold_norm(plan, op);
    }
    plan->version = network->version;
    plan->fresh = true;
    return VGG_OK;
}
