/* Running a plan. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
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
        const vgg_cpu_op *op = &plan->ops[s];
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

/* Before the ops of a forward pass run. */
static vgg_status prepare(vgg_plan *plan, size_t count, vgg_error *error) {
    if (count == 0 || count > plan->options.batch)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu images for a plan of 1 to %zu", count,
                        plan->options.batch);
    vgg_status status = vgg_plan_refresh(plan, error);
    if (status == VGG_OK)
        status = continue_step(plan, error);
    plan->count = count;
    return status;
}

/* taps: as in vgg_plan_forward_taps. */
static void run_ops(vgg_plan *plan, size_t first, size_t end, float *const *taps) {
    double begun = vgg_clock_seconds();
    for (size_t s = first; s < end; s++) {
        vgg_op_forward(plan, &plan->ops[s]);
        vgg_plan_give_taps(plan, s, taps);
        double ended = vgg_clock_seconds();
        plan->ops[s].seconds = ended - begun;
        begun = ended;
    }
}

vgg_status vgg_plan_forward_to(vgg_plan *plan, size_t end, const float *inputs, size_t count,
                               float *values, vgg_error *error) {
    vgg_status status = prepare(plan, count, error);
    if (status != VGG_OK)
        return status;
    plan->ready = false;
    vgg_plan_take_values(plan, 0, inputs);
    run_ops(plan, 0, end, NULL);
    memcpy(values, vgg_plan_buffer(plan, plan->ops[end].x),
           count * vgg_plan_values_at(plan, end) * sizeof *values);
    return VGG_OK;
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
    plan->ready = plan->options.gradients;
    vgg_plan_take_values(plan, first, values);
    if (!ends)
        plan->caller[plan->logits] = logits;
    run_ops(plan, first, plan->op_count, taps);
    if (moves_statistics(plan))
        plan->training->statistics++;
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

static void backward_op(vgg_plan *plan, vgg_cpu_op *op) {
    double begun = vgg_clock_seconds();
    op->weights_seconds = 0;
    vgg_op_backward(plan, op);
    op->data_seconds = vgg_clock_seconds() - begun - op->weights_seconds;
}

vgg_status vgg_plan_backward(vgg_plan *plan, const float *logits_gradient, float *input_gradient,
                             vgg_error *error) {
    if (plan->options.tap_count > 0)
        return vgg_plan_backward_taps(plan, logits_gradient, NULL, NULL, input_gradient, error);
    vgg_status status = check_backward(plan, input_gradient, error);
    if (status != VGG_OK)
        return status;
    plan->caller[plan->logits_gradient] = (void *)(uintptr_t)logits_gradient;
    plan->caller[plan->input_gradient] = input_gradient;
    if (plan->options.defer_linear && plan->buffers[plan->kept_gradient].row > 0)
        memcpy(vgg_plan_buffer(plan, plan->kept_gradient), logits_gradient,
               plan->count * plan->buffers[plan->kept_gradient].row);
    /* Gradients overwrite the activations that are no longer needed. */
    plan->ready = false;
    for (size_t s = plan->op_count; s-- > plan->lowest;) {
        backward_op(plan, &plan->ops[s]);
    }
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
    plan->caller[plan->input_gradient] = input_gradient;
    plan->ready = false;
    if (logits_gradient != NULL)
        vgg_plan_start_gradient(plan, logits_gradient);
    bool started = logits_gradient != NULL;
    for (size_t s = first + 1; s-- > end;) {
        started = vgg_plan_take_gradients(plan, s, given, started);
        vgg_plan_give_gradients(plan, s, wanted);
        if (s > end || input_gradient != NULL)
            backward_op(plan, &plan->ops[s]);
    }
    return VGG_OK;
}

const float *vgg_plan_gradient(const vgg_plan *plan, size_t tensor) {
    if (!plan->options.gradients || tensor >= plan->network->tensor_count ||
        plan->gradient_offsets[tensor] == SIZE_MAX)
        return NULL;
    return plan->gradients_of + plan->gradient_offsets[tensor];
}
