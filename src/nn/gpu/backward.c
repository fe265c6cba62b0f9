/* One op of any kind on a GPU, backward. */
#include "nn/gpu/gpu.h"
#include "nn/ops.h"

static size_t groups_of(const vgg_plan *plan, vgg_extent extent) {
    return plan->count * vgg_extent_pixels(extent) * VGG_GPU_GROUPS(extent.channels);
}

/* The places of the images that did not come become zero, where a sum over images sees them. */
static void clear_rest(vgg_plan *plan, size_t buffer, vgg_extent extent) {
    gpu_state *state = vgg_gpu_state(plan);
    size_t image = vgg_extent_pixels(extent) * vgg_gpu_lanes(extent.channels) *
                   vgg_gpu_element_bytes(state->element);
    char *map = vgg_plan_buffer(plan, buffer);
    if (plan->count < plan->options.batch)
        vgg_gpu_note(state, state->calls->clear(state->gpu, map + plan->count * image,
                                                (plan->options.batch - plan->count) * image));
}

/* dy *= derivative of the ReLU; what dropout let pass was also rescaled by it. Guided: dy below 0
 * becomes 0 before. */
static void mask(vgg_plan *plan, const vgg_planned_op *op) {
    bool norm = op->graph.kind == VGG_OP_BATCH_NORM && op->graph.relu;
    vgg_gpu_relu_task task = {.groups = groups_of(plan, op->graph.out),
                              .from = vgg_plan_buffer(plan, op->dy),
                              .y = vgg_plan_buffer(plan, op->y),
                              .to = vgg_plan_buffer(plan, op->dy),
                              .element = vgg_gpu_state(plan)->element,
                              .factor = vgg_gpu_dropout_of(plan, op).kept};
    if (plan->options.guided && (op->mask || norm))
        vgg_gpu_launch(plan, vgg_gpu_kernel_relu, &task, task.groups);
    if (op->mask && op->graph.kind != VGG_OP_MAX_POOL)
        vgg_gpu_launch(plan, vgg_gpu_kernel_relu_backward, &task, task.groups);
}

static void give_input(vgg_plan *plan, const vgg_planned_op *op) {
    const gpu_state *state = vgg_gpu_state(plan);
    const vgg_gpu_plain_task task = {.images = plan->count,
                                     .channels = op->graph.in.channels,
                                     .pixels = vgg_extent_pixels(op->graph.in),
                                     .plain = vgg_plan_buffer(plan, state->staging),
                                     .map = vgg_plan_buffer(plan, op->dy),
                                     .element = state->element,
                                     .factor = 1 / plan->loss_scale.factor};
    vgg_gpu_launch(plan, vgg_gpu_kernel_give_plain, &task, groups_of(plan, op->graph.in));
}

/* ---- convolutions ---- */

static void run_conv(vgg_plan *plan, const vgg_planned_op *op, vgg_gpu_pass pass, void *w,
                     void *x) {
    const vgg_gpu_conv_task task = {.x = x,
                                    .w = w,
                                    .y = vgg_plan_buffer(plan, op->dy),
                                    .workspace = vgg_plan_buffer(plan, op->back_scratch)};
    vgg_gpu_run_conv(plan, op, pass, &task);
}

static void filter_gradient(vgg_plan *plan, const vgg_planned_op *op) {
    const gpu_state *state = vgg_gpu_state(plan);
    void *sums = vgg_plan_buffer(plan, op->partial);
    vgg_extent out = op->graph.out;
    bool add = vgg_plan_accumulates(plan);
    clear_rest(plan, op->x, op->graph.in);
    clear_rest(plan, op->dy, out);
    run_conv(plan, op, VGG_GPU_FILTER, sums, vgg_plan_buffer(plan, op->x));
    const vgg_gpu_unpack_filter_task task = {
        .outputs = out.channels,
        .inputs = op->graph.in.channels,
        .points = op->graph.kernel * op->graph.kernel,
        .from = sums,
        .element = vgg_gpu_op_of(plan, op)->convs[VGG_GPU_FILTER]->needs.narrow ? state->element
                                                                                : VGG_GPU_FLOAT32,
        .to = vgg_op_gradient(plan, op, VGG_TENSOR_WEIGHT),
        .factor = 1 / plan->loss_scale.factor,
        .add = add};
    vgg_gpu_launch(plan, vgg_gpu_kernel_unpack_filter, &task,
                   task.outputs * task.inputs * task.points);
    vgg_gpu_channel_sums(plan, vgg_plan_buffer(plan, op->dy), plan->count * vgg_extent_pixels(out),
                         out.channels, vgg_op_gradient(plan, op, VGG_TENSOR_BIAS), task.factor,
                         add);
}

static void convolution(vgg_plan *plan, const vgg_planned_op *op) {
    if (op->graph.trains)
        filter_gradient(plan, op);
    if (op->graph.need_dx)
        run_conv(plan, op, VGG_GPU_DATA, plan->constants + op->packed,
                 vgg_plan_buffer(plan, op->dx));
}

/* ---- linear layers ---- */

static void run_product(vgg_plan *plan, const vgg_planned_op *op, vgg_gpu_product *product,
                        vgg_gpu_product_task task) {
    gpu_state *state = vgg_gpu_state(plan);
    task.workspace = vgg_plan_buffer(plan, op->back_scratch);
    vgg_gpu_note(state, state->calls->product_run(state->gpu, product, &task));
}

static void weight_gradient(vgg_plan *plan, const vgg_planned_op *op) {
    const vgg_op *graph = &op->graph;
    bool add = vgg_plan_accumulates(plan);
    clear_rest(plan, op->x, graph->in);
    clear_rest(plan, op->dy, graph->out);
    const vgg_gpu_product_task task = {.a = vgg_plan_buffer(plan, op->dy),
                                       .b = vgg_plan_buffer(plan, op->x),
                                       .c = vgg_op_gradient(plan, op, VGG_TENSOR_WEIGHT),
                                       .factor = 1 / plan->loss_scale.factor,
                                       .keep = add ? 1 : 0};
    run_product(plan, op, vgg_gpu_op_of(plan, op)->weights, task);
    vgg_gpu_channel_sums(plan, task.a, plan->count, graph->out.channels,
                         vgg_op_gradient(plan, op, VGG_TENSOR_BIAS), task.factor, add);
}

static void linear(vgg_plan *plan, const vgg_planned_op *op) {
    const gpu_op *own = vgg_gpu_op_of(plan, op);
    if (op->graph.trains && !plan->options.defer_linear)
        weight_gradient(plan, op);
    if (!op->graph.need_dx)
        return;
    const vgg_gpu_product_task task = {
        .a = vgg_plan_buffer(plan, op->dy),
        .b = own->packs ? (const void *)(plan->constants + op->packed)
                        : vgg_gpu_tensor(plan, op->graph.layer, VGG_TENSOR_WEIGHT),
        .c = vgg_plan_buffer(plan, op->dx),
        .factor = 1};
    run_product(plan, op, own->data, task);
}

/* ---- others ---- */

static void pool(vgg_plan *plan, const vgg_planned_op *op, vgg_gpu_kernel kernel) {
    bool sees_y = op->mask || op->graph.kind == VGG_OP_GLOBAL_MAX;
    vgg_gpu_pool_task task = vgg_gpu_pool_task_of(plan, op);
    task.y = sees_y ? vgg_plan_buffer(plan, op->y) : NULL;
    task.dy = vgg_plan_buffer(plan, op->dy);
    task.to = vgg_plan_buffer(plan, op->dx);
    if (op->graph.need_dx)
        vgg_gpu_launch(plan, kernel, &task, groups_of(plan, op->graph.in));
}

static void lrn(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_gpu_lrn_task task = vgg_gpu_lrn_task_of(plan, op);
    task.dy = vgg_plan_buffer(plan, op->dy);
    task.to = vgg_plan_buffer(plan, op->dx);
    if (op->graph.need_dx)
        vgg_gpu_launch(plan, vgg_gpu_kernel_lrn_backward, &task, groups_of(plan, op->graph.in));
}

static void unflatten(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_gpu_flatten_task task = vgg_gpu_flatten_task_of(plan, op);
    task.from = vgg_plan_buffer(plan, op->dy);
    task.to = vgg_plan_buffer(plan, op->dx);
    if (op->graph.need_dx)
        vgg_gpu_launch(plan, vgg_gpu_kernel_unflatten, &task, groups_of(plan, op->graph.in));
}

static void dropout(vgg_plan *plan, const vgg_planned_op *op) {
    const vgg_gpu_dropout_task task = vgg_gpu_dropout_task_of(plan, op, op->dy, op->dy);
    vgg_gpu_launch(plan, vgg_gpu_kernel_dropout, &task, groups_of(plan, op->graph.out));
}

void vgg_gpu_backward_op(vgg_plan *plan, vgg_planned_op *op) {
    mask(plan, op);
    switch (op->graph.kind) {
    case VGG_OP_BLOCK:
        give_input(plan, op);
        break;
    case VGG_OP_CONVOLUTION:
        convolution(plan, op);
        break;
    case VGG_OP_BATCH_NORM:
        vgg_gpu_norm_backward(plan, op);
        break;
    case VGG_OP_RELU:
        break; /* the mask was all, and dx is dy */
    case VGG_OP_DROPOUT:
        dropout(plan, op);
        break;
    case VGG_OP_MAX_POOL:
        pool(plan, op, vgg_gpu_kernel_max_pool_backward);
        break;
    case VGG_OP_LRN:
        lrn(plan, op);
        break;
    case VGG_OP_AVERAGE_POOL_2X2:
        pool(plan, op, vgg_gpu_kernel_average_pool_2x2_backward);
        break;
    case VGG_OP_AVERAGE_POOL:
        pool(plan, op, vgg_gpu_kernel_average_pool_backward);
        break;
    case VGG_OP_GLOBAL_AVERAGE:
        pool(plan, op, vgg_gpu_kernel_global_average_backward);
        break;
    case VGG_OP_GLOBAL_MAX:
        pool(plan, op, vgg_gpu_kernel_global_max_backward);
        break;
    case VGG_OP_FLATTEN:
        unflatten(plan, op);
        break;
    case VGG_OP_LINEAR:
        linear(plan, op);
        break;
    case VGG_OP_WINDOWS:
    case VGG_OP_MEAN:
        break; /* in no plan with gradients */
    }
}
