/* Linear layers, forward and backward, with the dropout behind them, and at every place of a map.
 */
#include "base/clock.h"
#include "nn/ops.h"

/* The numbers of an op's weights that its forward pass reads. */
static vgg_numbers weights_of(const vgg_plan *plan, const vgg_planned_op *op) {
    vgg_numbers weights = vgg_tensor_numbers(vgg_plan_tensor(plan, op, VGG_TENSOR_WEIGHT));
    if (op->rounded != VGG_NO_CONSTANTS && weights.element == VGG_ELEMENT_FLOAT32)
        return (vgg_numbers){.at = plan->constants + op->rounded, .element = VGG_ELEMENT_BFLOAT16};
    return weights;
}

static vgg_linear_task linear_task(const vgg_plan *plan, const vgg_planned_op *op) {
    vgg_numbers weights = weights_of(plan, op);
    return (vgg_linear_task){.images = vgg_op_images(plan, op),
                             .inputs = op->graph.in.channels,
                             .outputs = op->graph.out.channels,
                             .x = vgg_plan_buffer(plan, op->x),
                             .weights = weights.at,
                             .element = weights.element,
                             .scales = weights.scales,
                             .bias = vgg_plan_tensor(plan, op, VGG_TENSOR_BIAS)->values,
                             .relu = op->graph.relu,
                             .y = vgg_plan_buffer(plan, op->y),
                             .operands = vgg_plan_buffer(plan, op->transformed)};
}

static size_t linear_units(size_t count, size_t per_unit) {
    return (count + per_unit - 1) / per_unit;
}

/* By Winograd's transforms, at every place of a map. */
static void see_windows(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_numbers weights = weights_of(plan, op);
    vgg_window_task task = {.images = plan->count,
                            .channels = op->map.channels,
                            .height = op->map.height,
                            .width = op->map.width,
                            .outputs = op->graph.out.channels,
                            .x = vgg_plan_buffer(plan, op->x),
                            .weights = weights.at,
                            .element = weights.element,
                            .scales = weights.scales,
                            .bias = vgg_plan_tensor(plan, op, VGG_TENSOR_BIAS)->values,
                            .relu = op->graph.relu,
                            .y = vgg_plan_buffer(plan, op->y),
                            .v = vgg_plan_buffer(plan, op->transformed),
                            .scratch = vgg_plan_buffer(plan, op->scratch)};
    vgg_threads_run(plan->threads, vgg_blocks(task.channels), plan->kernels->window_inputs, &task);
    vgg_threads_run(plan->threads, linear_units(task.outputs, VGG_WINOGRAD_GROUP),
                    plan->kernels->window_linear, &task);
}

void vgg_op_linear_forward(vgg_plan *plan, const vgg_planned_op *op) {
    if (op->windowed) {
        see_windows(plan, op);
        return;
    }
    vgg_linear_task task = linear_task(plan, op);
    vgg_work *forward = plan->kernels->linear_forward;
    if (task.operands != NULL) {
        vgg_threads_run(plan->threads, vgg_linear_runs(task.inputs),
                        plan->kernels->bf16_linear.operands, &task);
        forward = plan->kernels->bf16_linear.forward;
    }
    vgg_threads_run(plan->threads, linear_units(task.outputs, VGG_LINEAR_OUTPUTS), forward, &task);
    vgg_op_drop(plan, op, task.outputs, task.y, task.y);
}

void vgg_op_linear_backward(vgg_plan *plan, vgg_planned_op *op) {
    vgg_linear_task task = linear_task(plan, op);
    task.dy = vgg_plan_buffer(plan, op->dy);
    task.dx = vgg_plan_buffer(plan, op->dx);
    if (task.element != VGG_ELEMENT_FLOAT32) {
        task.weights = plan->constants + op->widened;
        task.element = VGG_ELEMENT_FLOAT32;
        task.scales = NULL;
    }
    if (op->graph.trains && !plan->options.defer_linear) {
        task.dweights = vgg_op_gradient(plan, op, VGG_TENSOR_WEIGHT);
        task.dbias = vgg_op_gradient(plan, op, VGG_TENSOR_BIAS);
        task.accumulate = vgg_plan_accumulates(plan);
        double begun = vgg_clock_seconds();
        vgg_threads_run(plan->threads, linear_units(task.outputs, VGG_LINEAR_OUTPUTS),
                        plan->kernels->linear_weights, &task);
        op->weights_seconds = vgg_clock_seconds() - begun;
    }
    if (op->graph.need_dx && task.dx != NULL)
        vgg_threads_run(plan->threads, linear_units(task.inputs, VGG_LINEAR_INPUTS),
                        plan->kernels->linear_input, &task);
}

void vgg_op_windows(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_windows_task task = {.images = plan->count,
                             .channels = op->graph.in.channels,
                             .height = op->graph.in.height,
                             .width = op->graph.in.width,
                             .window_height = op->graph.window.height,
                             .window_width = op->graph.window.width,
                             .x = vgg_plan_buffer(plan, op->x),
                             .y = vgg_plan_buffer(plan, op->y)};
    vgg_threads_run(plan->threads, vgg_op_images(plan, op), plan->kernels->windows, &task);
}

void vgg_op_mean(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_row_means_task task = {.images = plan->count,
                               .rows = op->graph.places,
                               .columns = op->graph.in.channels,
                               .x = vgg_plan_buffer(plan, op->x),
                               .y = vgg_plan_buffer(plan, op->y)};
    vgg_threads_run(plan->threads, linear_units(task.columns, VGG_MEAN_COLUMNS),
                    plan->kernels->row_means, &task);
}
