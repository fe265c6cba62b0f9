/* Running a plan. */
#include "base/error.h"
#include "nn/device.h"
#include "nn/ops.h"
#include "vgg/loss.h"

static bool moves_statistics(const vgg_plan *plan) {
    bool moves = false;
    for (size_t s = 0; s < plan->op_count; s++) {
        moves = moves || vgg_op_uses_batch(plan, &plan->ops[s]);
    }
    return moves;
}

/* Batch statistics of a single value per channel have no variance. */
static vgg_status check_statistics(const vgg_plan *plan, size_t count, vgg_error *error) {
    for (size_t s = 0; count == 1 && s < plan->op_count; s++) {
        const vgg_planned_op *op = &plan->ops[s];
        if (vgg_op_uses_batch(plan, op) && op->graph.in.height * op->graph.in.width == 1)
            return vgg_fail(
                error, VGG_ERROR_SHAPE,
                "%s sees one value per channel in a batch of 1, expected at least two to "
                "take a variance of",
                plan->network->layers[op->graph.layer].name);
    }
    return VGG_OK;
}

void vgg_plan_begin_part(vgg_plan *plan, size_t first) {
    plan->passes = 0;
    plan->done = 0;
    plan->first = first;
    plan->ready = false;
}

void vgg_plan_begin_step(vgg_plan *plan) {
    vgg_plan_begin_part(plan, 0);
}

/* A step of one pass begins with it; one of several is begun by the caller. */
static vgg_status continue_step(vgg_plan *plan, vgg_error *error) {
    if (plan->options.micro_batches == 1)
        vgg_plan_begin_part(plan, plan->first);
    if (plan->passes == plan->options.micro_batches)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the %zu micro-batches of this step are done; expected "
                        "vgg_optimiser_step or vgg_plan_begin_step",
                        plan->passes);
    return VGG_OK;
}

static vgg_status check_values(const vgg_network *network, vgg_error *error) {
    for (size_t i = 0; i < network->tensor_count; i++) {
        if (vgg_tensor_numbers(&network->tensors[i]).at == NULL)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "tensor %s has no values: initialise the network or load a model",
                            network->tensors[i].info.name);
    }
    return VGG_OK;
}

/* Makes the constants anew when the network's values have changed. */
static vgg_status refresh(vgg_plan *plan, vgg_error *error) {
    const vgg_network *network = plan->network;
    bool values = !plan->fresh || plan->version != network->version;
    bool statistics = values || plan->statistics != network->statistics;
    if (!statistics)
        return VGG_OK;
    vgg_status status = values ? check_values(network, error) : VGG_OK;
    if (status == VGG_OK && network->kept != plan)
        status = vgg_network_settle(network, error);
    if (status == VGG_OK)
        status = plan->device->refresh(plan, values, error);
    if (status != VGG_OK)
        return status;
    plan->version = network->version;
    plan->statistics = network->statistics;
    plan->fresh = true;
    return VGG_OK;
}

/* Before the ops of a forward pass run. */
static vgg_status prepare(vgg_plan *plan, size_t count, vgg_error *error) {
    if (count == 0 || count > plan->options.batch)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu images for a plan of 1 to %zu", count,
                        plan->options.batch);
    vgg_status status = refresh(plan, error);
    if (status == VGG_OK)
        status = continue_step(plan, error);
    plan->count = count;
    return status;
}

vgg_status vgg_plan_forward_to(vgg_plan *plan, size_t end, const float *inputs, size_t count,
                               float *values, vgg_error *error) {
    vgg_status status = prepare(plan, count, error);
    if (status != VGG_OK)
        return status;
    plan->ready = false;
    const vgg_forward_pass pass = {.end = end, .values = inputs, .reached = values};
    return plan->device->forward(plan, &pass, error);
}

static vgg_status forward(vgg_plan *plan, size_t first, const float *values, size_t count,
                          float *const *taps, float *logits, vgg_error *error) {
    bool ends = plan->options.ends_at_taps;
    if (ends == (logits != NULL))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a plan that %s has %s logits",
                        ends ? "ends at its taps" : "runs the whole network",
                        ends ? "no" : "memory for its");
    vgg_status status = check_statistics(plan, count, error);
    if (status == VGG_OK)
        status = prepare(plan, count, error);
    if (status != VGG_OK)
        return status;
    const vgg_forward_pass pass = {
        .first = first, .end = plan->op_count, .values = values, .taps = taps, .logits = logits};
    status = plan->device->forward(plan, &pass, error);
    plan->ready = status == VGG_OK && plan->options.gradients;
    if (status != VGG_OK)
        return status;
    if (moves_statistics(plan)) {
        plan->training->statistics++;
        vgg_network_forget_all_int8(plan->training);
    }
    if (plan->options.softmax)
        vgg_softmax(logits, count, plan->network->options.classes, logits);
    return VGG_OK;
}

vgg_status vgg_plan_forward_from(vgg_plan *plan, size_t first, const float *values, size_t count,
                                 float *logits, vgg_error *error) {
    return forward(plan, first, values, count, NULL, logits, error);
}

vgg_status vgg_plan_forward_taps(vgg_plan *plan, const float *inputs, size_t count,
                                 float *const *values, float *logits, vgg_error *error) {
    return forward(plan, 0, inputs, count, values, logits, error);
}

vgg_status vgg_plan_forward(vgg_plan *plan, const float *inputs, size_t count, float *logits,
                            vgg_error *error) {
    return vgg_plan_forward_from(plan, 0, inputs, count, logits, error);
}

/* What a backward pass needs whatever it begins with. */
static vgg_status check_backward(const vgg_plan *plan, const float *input_gradient,
                                 vgg_error *error) {
    if (!plan->options.gradients)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "this plan was made without gradients");
    if (!plan->ready)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a backward pass needs a forward pass of its own before it");
    if (input_gradient != NULL && !plan->options.input_gradient)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "this plan was made without the gradient of the input");
    return VGG_OK;
}

vgg_status vgg_plan_backward(vgg_plan *plan, const float *logits_gradient, float *input_gradient,
                             vgg_error *error) {
    if (plan->options.tap_count > 0)
        return vgg_plan_backward_taps(plan, logits_gradient, NULL, NULL, input_gradient, error);
    vgg_status status = check_backward(plan, input_gradient, error);
    if (status != VGG_OK)
        return status;
    /* Gradients overwrite the activations that are no longer needed. */
    plan->ready = false;
    const vgg_tap_pass pass = {.logits_gradient = logits_gradient,
                               .input_gradient = input_gradient};
    if (plan->lowest < plan->op_count)
        status = plan->device->backward(plan, &pass, plan->op_count - 1, plan->lowest, error);
    if (status != VGG_OK)
        return status;
    plan->passes++;
    plan->done += plan->count;
    return VGG_OK;
}

vgg_status vgg_plan_backward_taps(vgg_plan *plan, const float *logits_gradient,
                                  const float *const *given, float *const *wanted,
                                  float *input_gradient, vgg_error *error) {
    vgg_status status = check_backward(plan, input_gradient, error);
    const vgg_tap_pass pass = {logits_gradient, given, wanted, input_gradient};
    size_t first = 0, end = 0;
    if (status == VGG_OK)
        status = vgg_plan_find_reach(plan, &pass, &first, &end, error);
    if (status != VGG_OK)
        return status;
    plan->ready = false;
    return plan->device->backward(plan, &pass, first, end, error);
}

vgg_blown vgg_plan_find_blown(vgg_plan *plan, size_t first, const float *values, size_t count,
                              float *logits) {
    const vgg_forward_pass pass = {
        .first = first, .end = plan->op_count, .values = values, .logits = logits};
    plan->count = count;
    plan->ready = false;
    return plan->device->find_blown(plan, &pass);
}

const float *vgg_plan_gradient(const vgg_plan *plan, size_t tensor) {
    if (!plan->options.gradients || tensor >= plan->network->tensor_count)
        return NULL;
    return plan->device->gradient(plan, tensor);
}
