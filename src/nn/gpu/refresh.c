/* The constants of a plan on a GPU: the network's values, and what convolutions and products want
 * of them. */
#include "nn/gpu/gpu.h"
#include "nn/ops.h"

static void pack_convolution(vgg_plan *plan, const vgg_planned_op *op) {
    bool folded = op->graph.folded != VGG_NO_LAYER;
    vgg_gpu_conv_shape shape = vgg_gpu_shape_of(plan, op, VGG_GPU_FORWARD);
    size_t points = shape.kernel * shape.kernel;
    const float *scale = folded ? plan->constants + op->scale : NULL;
    const vgg_gpu_pack_filter_task filter = {
        .outputs = op->graph.out.channels,
        .inputs = op->graph.in.channels,
        .points = points,
        .from = vgg_gpu_tensor(plan, op->graph.layer, VGG_TENSOR_WEIGHT),
        .scale = scale,
        .to = plan->constants + op->packed,
        .element = vgg_gpu_state(plan)->element};
    const vgg_gpu_pack_bias_task bias = {.outputs = op->graph.out.channels,
                                         .from =
                                             vgg_gpu_tensor(plan, op->graph.layer, VGG_TENSOR_BIAS),
                                         .scale = scale,
                                         .shift = folded ? plan->constants + op->shift : NULL,
                                         .to = plan->constants + op->bias};
    vgg_gpu_launch(plan, vgg_gpu_kernel_pack_filter, &filter,
                   shape.outputs * points * shape.inputs / VGG_GPU_LANES);
    vgg_gpu_launch(plan, vgg_gpu_kernel_pack_bias, &bias, shape.outputs);
}

static void pack_linear(vgg_plan *plan, const vgg_planned_op *op) {
    if (!vgg_gpu_op_of(plan, op)->packs)
        return;
    const vgg_gpu_pack_rows_task task = {
        .rows = op->graph.out.channels,
        .columns = op->graph.in.channels,
        .from = vgg_gpu_tensor(plan, op->graph.layer, VGG_TENSOR_WEIGHT),
        .to = plan->constants + op->packed,
        .element = vgg_gpu_state(plan)->element};
    vgg_gpu_launch(plan, vgg_gpu_kernel_pack_rows, &task, task.rows * VGG_GPU_GROUPS(task.columns));
}

vgg_status vgg_gpu_refresh(vgg_plan *plan, bool values, vgg_error *error) {
    vgg_gpu_mirror(plan, plan->network);
    for (size_t s = 0; s < plan->op_count; s++) {
        const vgg_planned_op *op = &plan->ops[s];
        bool folded = op->graph.folded != VGG_NO_LAYER;
        if (folded)
            vgg_gpu_fold_norm(plan, op);
        if (op->graph.kind == VGG_OP_CONVOLUTION && (values || folded))
            pack_convolution(plan, op);
        if (op->graph.kind == VGG_OP_LINEAR && values)
            pack_linear(plan, op);
    }
    return vgg_gpu_tell(plan, error);
}
