/* The constants of a plan on the processor: packed weights, and figures per channel that follow
 * from the network's values. */
#include <string.h>

#include "base/error.h"
#include "nn/cpu.h"
#include "nn/ops.h"

/* Whether a linear layer's weights are narrow where the plan was made for floats: to train them, or
 * to carry a gradient back through them. */
static bool became_narrow(const vgg_plan *plan, const vgg_planned_op *op) {
    return op->graph.kind == VGG_OP_LINEAR &&
           vgg_plan_tensor(plan, op, VGG_TENSOR_WEIGHT)->narrow.at != NULL &&
           (plan->training != NULL || (op->graph.need_dx && op->widened == VGG_NO_CONSTANTS));
}

/* Whether a convolution is no longer to be done as it was when the plan was made. */
static bool changed_int8(const vgg_plan *plan, const vgg_planned_op *op) {
    if (op->graph.kind != VGG_OP_CONVOLUTION || plan->options.exact || plan->options.gradients)
        return false;
    const vgg_int8 *int8 = plan->network->layers[op->graph.layer].int8;
    return op->int8 != (int8 != NULL) || (op->int8 && op->tile != int8->tile);
}

static vgg_status check_widths(const vgg_plan *plan, vgg_error *error) {
    for (size_t s = 0; s < plan->op_count; s++) {
        const vgg_planned_op *op = &plan->ops[s];
        if (changed_int8(plan, op))
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "layer %s was calibrated, or its scales forgotten, after this plan was "
                            "made, which needs it as it was",
                            plan->network->layers[op->graph.layer].name);
        if (became_narrow(plan, op))
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "tensor %s was stored in fewer bits after this plan was made, which "
                            "needs its floats",
                            vgg_plan_tensor(plan, op, VGG_TENSOR_WEIGHT)->info.name);
    }
    return VGG_OK;
}

/* Weights that became narrow since the plan was made are used as they are. */
static void make_linear(vgg_plan *plan, const vgg_planned_op *op) {
    const vgg_tensor *weight = vgg_plan_tensor(plan, op, VGG_TENSOR_WEIGHT);
    if (op->widened != VGG_NO_CONSTANTS && weight->narrow.at != NULL)
        vgg_tensor_widen(weight, plan->constants + op->widened);
    if (op->rounded == VGG_NO_CONSTANTS || weight->narrow.at != NULL)
        return;
    vgg_bf16_task task = {.count = weight->info.count,
                          .x = weight->values,
                          .y = (uint16_t *)(void *)(plan->constants + op->rounded)};
    vgg_threads_run(plan->threads, vgg_chunks(task.count), plan->kernels->bf16, &task);
}

/* What an op's kernels want of its layer's weights and biases. */
static void make_constants(vgg_plan *plan, const vgg_planned_op *op) {
    switch (op->graph.kind) {
    case VGG_OP_CONVOLUTION:
        vgg_op_pack(plan, op, false);
        if (op->graph.need_dx)
            vgg_op_pack(plan, op, true);
        memcpy(plan->constants + op->bias, vgg_plan_tensor(plan, op, VGG_TENSOR_BIAS)->values,
               op->graph.out.channels * sizeof(float));
        break;
    case VGG_OP_LINEAR:
        make_linear(plan, op);
        break;
    default:
        break;
    }
}

vgg_status vgg_cpu_refresh(vgg_plan *plan, bool values, vgg_error *error) {
    vgg_status status = values ? check_widths(plan, error) : VGG_OK;
    if (status != VGG_OK)
        return status;
    for (size_t s = 0; s < plan->op_count; s++) {
        const vgg_planned_op *op = &plan->ops[s];
        if (values)
            make_constants(plan, op);
        if (op->graph.folded != VGG_NO_LAYER)
            vgg_op_fold_norm(plan, op);
    }
    return VGG_OK;
}
