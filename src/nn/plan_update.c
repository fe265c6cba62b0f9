/* The step of SGD for linear layers whose gradients are not stored. */
#include "base/clock.h"
#include "nn/cpu.h"

/* Arranges the rows of all images of the step in panels of `width` columns. */
static const float *arrange(vgg_plan *plan, size_t rows, size_t columns, size_t width,
                            size_t panels) {
    const vgg_buffer *from = &plan->buffers[rows];
    vgg_panel_task task = {.rows = plan->done,
                           .columns = columns,
                           .width = width,
                           .from = (const float *)(const void *)(plan->arena + from->offset),
                           .to = vgg_plan_buffer(plan, panels)};
    vgg_threads_run(plan->threads, vgg_panel_count(columns, width), plan->kernels->panels, &task);
    return task.to;
}

static void update(vgg_plan *plan, const vgg_planned_op *op, const vgg_network *velocity,
                   vgg_sgd_rates rates) {
    size_t first = plan->network->layers[op->graph.layer].first_tensor;
    const vgg_tensor *values = plan->training->tensors + first;
    const vgg_tensor *velocities = velocity->tensors + first;
    vgg_linear_update_task task = {
        .images = plan->done,
        .inputs = op->graph.in.channels,
        .outputs = op->graph.out.channels,
        .x_panels = arrange(plan, op->x, op->graph.in.channels, VGG_LINEAR_X, plan->x_panels),
        .dy_panels = arrange(plan, op->dy, op->graph.out.channels, VGG_LINEAR_DY, plan->dy_panels),
        .weights = values[VGG_TENSOR_WEIGHT].owned,
        .weights_velocity = velocities[VGG_TENSOR_WEIGHT].owned,
        .bias = values[VGG_TENSOR_BIAS].owned,
        .bias_velocity = velocities[VGG_TENSOR_BIAS].owned,
        .rate = rates.rate,
        .momentum = rates.momentum,
        .decay = rates.decay,
        .nesterov = rates.nesterov};
    vgg_threads_run(plan->threads, (task.outputs + VGG_LINEAR_UPDATE - 1) / VGG_LINEAR_UPDATE,
                    plan->kernels->linear_update, &task);
}

void vgg_cpu_update_linear(vgg_plan *plan, const vgg_network *velocity, vgg_sgd_rates rates) {
    for (size_t s = 0; s < plan->op_count; s++) {
        vgg_planned_op *op = &plan->ops[s];
        if (op->graph.kind != VGG_OP_LINEAR || !op->graph.trains)
            continue;
        double begun = vgg_clock_seconds();
        update(plan, op, velocity, rates);
        op->weights_seconds = vgg_clock_seconds() - begun;
    }
}
