/* The step of SGD for linear layers whose gradients are not stored. */
#include "nn/plan.h"

/* Arranges the rows of all images of the step in panels of `width` columns. */
static const float *arrange(vgg_plan *plan, size_t rows, size_t columns, size_t width,
                            size_t panels) {
    const vgg_buffer *from = &plan->buffers[rows];
    vgg_panel_task task = {.rows = plan->done,
                           .columns = columns,
                           .width = width,
                           .from = (const float *)(const void *)(plan->arena + from->offset),
                           .to = vgg_plan_buffer(plan, panels)};
    vgg_threads_run(plan->threads, vgg_panel_count(columns, width), vgg_panels, &task);
    return task.to;
}

static void update(vgg_plan *plan, const vgg_step *step, const vgg_network *velocity,
                   vgg_sgd_rates rates) {
    size_t first = plan->network->layers[step->layer].first_tensor;
    const vgg_tensor *values = plan->network->tensors + first;
    const vgg_tensor *velocities = velocity->tensors + first;
    vgg_linear_update_task task = {
        .images = plan->done,
        .inputs = step->in.channels,
        .outputs = step->out.channels,
        .x_panels = arrange(plan, step->x, step->in.channels, VGG_LINEAR_X, plan->x_panels),
        .dy_panels = arrange(plan, step->dy, step->out.channels, VGG_LINEAR_DY, plan->dy_panels),
        .weights = values[VGG_TENSOR_WEIGHT].owned,
        .weights_velocity = velocities[VGG_TENSOR_WEIGHT].owned,
        .bias = values[VGG_TENSOR_BIAS].owned,
        .bias_velocity = velocities[VGG_TENSOR_BIAS].owned,
        .rate = rates.rate,
        .momentum = rates.momentum,
        .decay = rates.decay};
    vgg_threads_run(plan->threads, (task.outputs + VGG_LINEAR_UPDATE - 1) / VGG_LINEAR_UPDATE,
                    plan->kernels->linear_update, &task);
}

void vgg_plan_update_linear(vgg_plan *plan, const vgg_network *velocity, vgg_sgd_rates rates) {
    for (size_t s = 0; s < plan->step_count; s++) {
        vgg_step *step = &plan->steps[s];
        if (step->kind != VGG_STEP_LINEAR || !vgg_plan_trains(plan, step))
            continue;
        double begun = vgg_plan_now();
        update(plan, step, velocity, rates);
        step->weights_seconds = vgg_plan_now() - begun;
    }
}
