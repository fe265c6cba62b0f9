/* One op of any kind on a GPU, forward. */
#include "nn/gpu/gpu.h"
#include "nn/ops.h"

static size_t groups_of(const vgg_plan *plan, const vgg_planned_op *op, vgg_extent extent) {
    return vgg_op_images(plan, op) * vgg_extent_pixels(extent) * VGG_GPU_GROUPS(extent.channels);
}

static void take_input(vgg_plan *plan, const vgg_planned_op *op) {
    const vgg_gpu_plain_task task = {.images = plan->count,
                                     .channels = op->graph.in.channels,
                                     .pixels = vgg_extent_pixels(op->graph.in),
                                     .plain = vgg_plan_buffer(plan, op->x),
                                     .map = vgg_plan_buffer(plan, op->y),
                                     .element = vgg_gpu_op_of(plan, op)->element,
                                     .factor = 1};
    vgg_gpu_launch(plan, vgg_gpu_kernel_take_plain, &task, groups_of(plan, op, op->graph.in));
}

static void convolution(vgg_plan *plan, const vgg_planned_op *op) {
    const vgg_gpu_conv_task task = {.x = vgg_plan_buffer(plan, op->x),
                                    .w = plan->constants + op->packed,
                                    .y = vgg_plan_buffer(plan, op->y),
                                    .bias = plan->constants + op->bias,
                                    .workspace = vgg_plan_buffer(plan, op->scratch)};
    vgg_gpu_run_conv(plan, op, VGG_GPU_FORWARD, &task);
}

static void *linear_weights(vgg_plan *plan, const vgg_planned_op *op) {
    return vgg_gpu_op_of(plan, op)->packs
               ? plan->constants + op->packed
               : vgg_gpu_tensor(plan, op->graph.layer, VGG_TENSOR_WEIGHT);
}

static void linear(vgg_plan *plan, const vgg_planned_op *op) {
    gpu_state *state = vgg_gpu_state(plan);
    const gpu_op *own = vgg_gpu_op_of(plan, op);
    float *sums = vgg_plan_buffer(plan, op->scratch);
    const vgg_gpu_product_task product = {.a = vgg_plan_buffer(plan, op->x),
                                          .b = linear_weights(plan, op),
                                          .c = sums,
                                          .factor = 1,
                                          .workspace = sums + plan->options.batch *
                                                                  op->graph.places * own->columns};
    vgg_gpu_note(state, state->calls->product_run(state->gpu, own->forward, &product));
    const vgg_gpu_bias_rows_task task = {.images = vgg_op_images(plan, op),
                                         .columns = op->graph.out.channels,
                                         .sums = sums,
                                         .sums_element = VGG_GPU_FLOAT32,
                                         .bias =
                                             vgg_gpu_tensor(plan, op->graph.layer, VGG_TENSOR_BIAS),
                                         .relu = op->graph.relu,
                                         .dropout = vgg_gpu_dropout_of(plan, op),
                                         .to = vgg_plan_buffer(plan, op->y),
                                         .element = own->element};
    vgg_gpu_launch(plan, vgg_gpu_kernel_bias_rows, &task, groups_of(plan, op, op->graph.out));
}

static void flatten(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_gpu_flatten_task task = vgg_gpu_flatten_task_of(plan, op);
    task.from = vgg_plan_buffer(plan, op->x);
    task.to = vgg_plan_buffer(plan, op->y);
    vgg_gpu_launch(plan, vgg_gpu_kernel_flatten, &task, groups_of(plan, op, op->graph.out));
}

static void relu(vgg_plan *plan, const vgg_planned_op *op) {
    const vgg_gpu_relu_task task = {.groups = groups_of(plan, op, op->graph.out),
                                    .from = vgg_plan_buffer(plan, op->x),
                                    .to = vgg_plan_buffer(plan, op->y),
                                    .element = vgg_gpu_state(plan)->element};
    vgg_gpu_launch(plan, vgg_gpu_kernel_relu, &task, task.groups);
}

static void dropout(vgg_plan *plan, const vgg_planned_op *op) {
    const vgg_gpu_dropout_task task = vgg_gpu_dropout_task_of(plan, op, op->x, op->y);
    vgg_gpu_launch(plan, vgg_gpu_kernel_dropout, &task, groups_of(plan, op, op->graph.out));
}

static void pool(vgg_plan *plan, const vgg_planned_op *op, vgg_gpu_kernel kernel) {
    vgg_gpu_pool_task task = vgg_gpu_pool_task_of(plan, op);
    task.to = vgg_plan_buffer(plan, op->y);
    vgg_gpu_launch(plan, kernel, &task, groups_of(plan, op, op->graph.out));
}

static void lrn(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_gpu_lrn_task task = vgg_gpu_lrn_task_of(plan, op);
    task.to = vgg_plan_buffer(plan, op->y);
    vgg_gpu_launch(plan, vgg_gpu_kernel_lrn, &task, groups_of(plan, op, op->graph.out));
}

static void windows(vgg_plan *plan, const vgg_planned_op *op) {
    const vgg_gpu_windows_task task = {.images = plan->count,
                                       .channels = op->graph.in.channels,
                                       .height = op->graph.in.height,
                                       .width = op->graph.in.width,
                                       .window_height = op->graph.window.height,
                                       .window_width = op->graph.window.width,
                                       .x = vgg_plan_buffer(plan, op->x),
                                       .y = vgg_plan_buffer(plan, op->y),
                                       .element = vgg_gpu_state(plan)->element};
    vgg_gpu_launch(plan, vgg_gpu_kernel_windows, &task, groups_of(plan, op, op->graph.out));
}

static void row_means(vgg_plan *plan, const vgg_planned_op *op) {
    const vgg_gpu_row_means_task task = {.images = plan->count,
                                         .rows = op->graph.places,
                                         .columns = op->graph.in.channels,
                                         .x = vgg_plan_buffer(plan, op->x),
                                         .y = vgg_plan_buffer(plan, op->y),
                                         .element = vgg_gpu_state(plan)->element};
    vgg_gpu_launch(plan, vgg_gpu_kernel_row_means, &task,
                   plan->count * VGG_GPU_GROUPS(task.columns));
}

void vgg_gpu_forward_op(vgg_plan *plan, vgg_planned_op *op) {
    switch (op->graph.kind) {
    case VGG_OP_BLOCK:
        take_input(plan, op);
        break;
    case VGG_OP_CONVOLUTION:
        convolution(plan, op);
        break;
    case VGG_OP_BATCH_NORM:
        vgg_gpu_norm_forward(plan, op);
        break;
    case VGG_OP_RELU:
        relu(plan, op);
        break;
    case VGG_OP_DROPOUT:
        dropout(plan, op);
        break;
    case VGG_OP_MAX_POOL:
        pool(plan, op, vgg_gpu_kernel_max_pool);
        break;
    case VGG_OP_LRN:
        lrn(plan, op);
        break;
    case VGG_OP_AVERAGE_POOL_2X2:
        pool(plan, op, vgg_gpu_kernel_average_pool_2x2);
        break;
    case VGG_OP_AVERAGE_POOL:
        pool(plan, op, vgg_gpu_kernel_average_pool);
        break;
    case VGG_OP_GLOBAL_AVERAGE:
        pool(plan, op, vgg_gpu_kernel_global_average);
        break;
    case VGG_OP_GLOBAL_MAX:
        pool(plan, op, vgg_gpu_kernel_global_max);
        break;
    case VGG_OP_FLATTEN:
        flatten(plan, op);
        break;
    case VGG_OP_WINDOWS:
        windows(plan, op);
        break;
    case VGG_OP_LINEAR:
        linear(plan, op);
        break;
    case VGG_OP_MEAN:
        row_means(plan, op);
        break;
    }
}
