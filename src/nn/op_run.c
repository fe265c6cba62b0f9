/* Running one op of any kind, forward and backward. */
#include "nn/definition.h"
#include "nn/ops.h"

_Static_assert(VGG_LRN_SIZE == 2 * VGG_LRN_REACH + 1, "the kernels' window is the network's");

/* ---- pools and LRN ---- */

static vgg_pool_task pool_task(const vgg_plan *plan, const vgg_planned_op *op) {
    return (vgg_pool_task){.images = plan->count,
                           .channels = op->graph.in.channels,
                           .height = op->graph.in.height,
                           .width = op->graph.in.width,
                           .out_height = op->graph.out.height,
                           .out_width = op->graph.out.width,
                           .x = vgg_plan_buffer(plan, op->x),
                           .y = vgg_plan_buffer(plan, op->y),
                           .chosen = vgg_plan_buffer(plan, op->chosen),
                           .dy = vgg_plan_buffer(plan, op->dy),
                           .relu = op->mask,
                           .dx = vgg_plan_buffer(plan, op->dx)};
}

static void pool(const vgg_plan *plan, const vgg_planned_op *op, vgg_work *kernel) {
    vgg_pool_task task = pool_task(plan, op);
    vgg_threads_run(plan->threads, task.images * vgg_blocks(task.channels), kernel, &task);
}

static void lrn(const vgg_plan *plan, const vgg_planned_op *op, vgg_work *kernel) {
    vgg_lrn_task task = {.images = plan->count,
                         .channels = op->graph.in.channels,
                         .height = op->graph.in.height,
                         .width = op->graph.in.width,
                         .k = VGG_LRN_K,
                         .alpha = VGG_LRN_ALPHA,
                         .x = vgg_plan_buffer(plan, op->x),
                         .y = vgg_plan_buffer(plan, op->y),
                         .dy = vgg_plan_buffer(plan, op->dy),
                         .dx = vgg_plan_buffer(plan, op->dx)};
    vgg_threads_run(plan->threads, task.images * task.height, kernel, &task);
}

/* ---- all ---- */

void vgg_op_forward(vgg_plan *plan, const vgg_planned_op *op) {
    const float *x = vgg_plan_buffer(plan, op->x);
    float *y = vgg_plan_buffer(plan, op->y);
    switch (op->graph.kind) {
    case VGG_OP_BLOCK:
        vgg_op_move(plan, op, op->graph.in, plan->kernels->block, x, y);
        break;
    case VGG_OP_CONVOLUTION:
        vgg_op_convolution_forward(plan, op);
        break;
    case VGG_OP_BATCH_NORM:
        vgg_op_norm_forward(plan, op);
        break;
    case VGG_OP_RELU:
        vgg_op_relu_forward(plan, op);
        break;
    case VGG_OP_DROPOUT:
        vgg_op_drop(plan, op, vgg_op_outputs(op), x, y);
        break;
    case VGG_OP_MAX_POOL:
        if (!op->pool_viewed)
            pool(plan, op, plan->kernels->max_pool);
        break;
    case VGG_OP_LRN:
        lrn(plan, op, plan->kernels->lrn);
        break;
    case VGG_OP_AVERAGE_POOL_2X2:
        pool(plan, op, plan->kernels->average_pool_2x2);
        break;
    case VGG_OP_AVERAGE_POOL:
        pool(plan, op, plan->kernels->average_pool);
        break;
    case VGG_OP_GLOBAL_AVERAGE:
        pool(plan, op, plan->kernels->global_average);
        break;
    case VGG_OP_GLOBAL_MAX:
        pool(plan, op, plan->kernels->global_max);
        break;
    case VGG_OP_FLATTEN:
        vgg_op_move(plan, op, op->graph.in, plan->kernels->unblock, x, y);
        break;
    case VGG_OP_WINDOWS:
        vgg_op_windows(plan, op);
        break;
    case VGG_OP_LINEAR:
        vgg_op_linear_forward(plan, op);
        break;
    case VGG_OP_MEAN:
        vgg_op_mean(plan, op);
        break;
    }
}

void vgg_op_backward(vgg_plan *plan, vgg_planned_op *op) {
    if (plan->options.guided)
        vgg_op_guide(plan, op);
    if (op->mask && op->graph.kind != VGG_OP_MAX_POOL)
        vgg_op_mask(plan, op);
    float *dy = vgg_plan_buffer(plan, op->dy);
    float *dx = vgg_plan_buffer(plan, op->dx);
    /* The first op may be asked for the gradient of the caller's input, or not. */
    bool wanted = op->graph.need_dx && dx != NULL;
    switch (op->graph.kind) {
    case VGG_OP_BLOCK:
        if (wanted)
            vgg_op_move(plan, op, op->graph.in, plan->kernels->unblock, dy, dx);
        break;
    case VGG_OP_CONVOLUTION:
        vgg_op_convolution_backward(plan, op);
        break;
    case VGG_OP_BATCH_NORM:
        vgg_op_norm_backward(plan, op);
        break;
    case VGG_OP_RELU:
        break; /* the mask was all, and dx is dy */
    case VGG_OP_DROPOUT:
        vgg_op_drop(plan, op, vgg_op_outputs(op), dy, dx);
        break;
    case VGG_OP_MAX_POOL:
        if (!op->pool_viewed)
            pool(plan, op, plan->kernels->max_pool_backward);
        break;
    case VGG_OP_LRN:
        lrn(plan, op, plan->kernels->lrn_backward);
        break;
    case VGG_OP_AVERAGE_POOL_2X2:
        pool(plan, op, plan->kernels->average_pool_2x2_backward);
        break;
    case VGG_OP_AVERAGE_POOL:
        pool(plan, op, plan->kernels->average_pool_backward);
        break;
    case VGG_OP_GLOBAL_AVERAGE:
        pool(plan, op, plan->kernels->global_average_backward);
        break;
    case VGG_OP_GLOBAL_MAX:
        pool(plan, op, plan->kernels->global_max_backward);
        break;
    case VGG_OP_FLATTEN:
        if (wanted)
            vgg_op_move(plan, op, op->graph.in, plan->kernels->block, dy, dx);
        break;
    case VGG_OP_LINEAR:
        vgg_op_linear_backward(plan, op);
        break;
    case VGG_OP_WINDOWS:
    case VGG_OP_MEAN:
        break; /* in no plan with gradients */
    }
}
