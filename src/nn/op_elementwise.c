/* What treats every value alike: ReLU and its derivative, and dropout. */
#include <string.h>

#include "base/random.h"
#include "nn/ops.h"

size_t vgg_op_outputs(const vgg_planned_op *op) {
    return op->rows ? op->graph.out.channels
                    : vgg_blocked_size(1, op->graph.out.channels, vgg_extent_pixels(op->graph.out));
}

void vgg_op_relu_forward(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_relu_forward_task task = {.count = vgg_op_images(plan, op) * vgg_op_outputs(op),
                                  .x = vgg_plan_buffer(plan, op->x),
                                  .y = vgg_plan_buffer(plan, op->y)};
    vgg_threads_run(plan->threads, vgg_chunks(task.count), plan->kernels->relu, &task);
}

void vgg_op_mask(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_relu_task task = {.count = vgg_op_images(plan, op) * vgg_op_outputs(op),
                          .y = vgg_plan_buffer(plan, op->y),
                          .dy = vgg_plan_buffer(plan, op->dy),
                          .factor =
                              vgg_op_drops(plan, op) ? (float)(1 / (1 - op->graph.dropout)) : 1};
    vgg_threads_run(plan->threads, vgg_chunks(task.count), plan->kernels->relu_backward, &task);
}

void vgg_op_guide(vgg_plan *plan, const vgg_planned_op *op) {
    if (!op->mask && !(op->graph.kind == VGG_OP_BATCH_NORM && op->graph.relu))
        return;
    float *dy = vgg_plan_buffer(plan, op->dy);
    vgg_relu_forward_task task = {.count = plan->count * vgg_op_outputs(op), .x = dy, .y = dy};
    vgg_threads_run(plan->threads, vgg_chunks(task.count), plan->kernels->relu, &task);
}

void vgg_op_drop(vgg_plan *plan, const vgg_planned_op *op, size_t values, const float *x,
                 float *y) {
    vgg_dropout_task task = {
        .count = vgg_op_images(plan, op) * values,
        .first = (uint64_t)(plan->first + plan->done) * values,
        .x = x,
        .y = y,
        .probability = op->graph.dropout,
        .seed = vgg_random_u64(plan->dropout_seed, plan->dropout_step, op->graph.layer),
        .stream = op->graph.layer};
    if (vgg_op_drops(plan, op))
        vgg_threads_run(plan->threads, vgg_chunks(task.count), plan->kernels->dropout, &task);
    else if (x != y)
        memcpy(y, x, task.count * sizeof *y);
}
