/* Convolutions, forward and backward. */
#include "base/clock.h"
#include "nn/ops.h"

/* How a layer that is directly in int8 takes its input. */
static vgg_int8_numbers numbers_of(const vgg_plan *plan, size_t layer) {
    return (vgg_int8_numbers){.factor = plan->network->layers[layer].int8->factors[0],
                              .zero = vgg_network_int8_zero(plan->network, layer)};
}

static vgg_winograd_task forward_task(const vgg_plan *plan, const vgg_planned_op *op,
                                      size_t images) {
    bool folded = op->graph.folded != VGG_NO_LAYER;
    return (vgg_winograd_task){.shape = vgg_op_conv_shape(op, images),
                               .x = vgg_plan_floats(plan, op->x),
                               .x_bf16 = vgg_plan_numbers(plan, op->x),
                               .filters = plan->constants + op->packed,
                               .bias = plan->constants + op->bias,
                               .scale = folded ? plan->constants + op->scale : NULL,
                               .shift = folded ? plan->constants + op->shift : NULL,
                               .relu = op->graph.relu,
                               .pool = op->graph.pool,
                               .chosen = vgg_plan_buffer(plan, op->chosen),
                               .stream = vgg_plan_streams(plan, op->y),
                               .y = vgg_plan_floats(plan, op->y),
                               .y_bf16 = vgg_plan_numbers(plan, op->y),
                               .scratch = vgg_plan_buffer(plan, op->scratch)};
}

/* Where the gradient of a convolution's input is put in blocks: in dx, or, when dx is the caller's
 * and plain, in a buffer before it. */
static size_t blocked_dx(const vgg_planned_op *op) {
    return op->blocked_dx != VGG_NO_BUFFER ? op->blocked_dx : op->dx;
}

static vgg_winograd_task turned_task(const vgg_plan *plan, const vgg_planned_op *op,
                                     size_t images) {
    return (vgg_winograd_task){.shape = vgg_op_turned_shape(op, images),
                               .x = vgg_plan_floats(plan, op->dy),
                               .x_bf16 = vgg_plan_numbers(plan, op->dy),
                               .turned = true,
                               .spread = vgg_plan_buffer(plan, op->chosen),
                               .gate = op->gate ? vgg_plan_floats(plan, op->x) : NULL,
                               .gate_bf16 = op->gate ? vgg_plan_numbers(plan, op->x) : NULL,
                               .filters = plan->constants + op->packed_turned,
                               .stream = vgg_plan_streams(plan, op->dx),
                               .y = vgg_plan_floats(plan, blocked_dx(op)),
                               .y_bf16 = vgg_plan_numbers(plan, blocked_dx(op)),
                               .scratch = vgg_plan_buffer(plan, op->back_scratch)};
}

static vgg_winograd_task winograd_task(const vgg_plan *plan, const vgg_planned_op *op, bool turned,
                                       size_t images) {
    vgg_winograd_task task =
        turned ? turned_task(plan, op, images) : forward_task(plan, op, images);
    task.partition = turned ? vgg_op_turned_partition(plan, op, &task.shape)
                            : vgg_op_partition(plan, op, &task.shape);
    vgg_numbers weights = vgg_tensor_numbers(vgg_plan_tensor(plan, op, VGG_TENSOR_WEIGHT));
    const vgg_int8 *int8 = plan->network->layers[op->graph.layer].int8;
    if (op->int8) {
        task.factors = int8->factors;
        task.scales = int8->weights;
        task.offset = plan->kernels->int8_offset;
    }
    if (op->int8 && op->tile == 1)
        task.numbers = numbers_of(plan, op->graph.layer);
    if (op->x_numbers)
        task.x_numbers = vgg_plan_buffer(plan, op->x);
    if (op->y_numbers != VGG_NO_LAYER) {
        task.y_numbers = vgg_plan_buffer(plan, op->y);
        task.y_form = numbers_of(plan, op->y_numbers);
    }
    task.weights = weights.at;
    task.element = weights.element;
    return task;
}

static void winograd(vgg_plan *plan, const vgg_planned_op *op, bool turned) {
    vgg_winograd_task task = winograd_task(plan, op, turned, plan->count);
    vgg_threads_run(plan->threads, task.partition.units,
                    vgg_winograd_kernels_for(plan->kernels, &task.partition)->forward, &task);
}

void vgg_op_convolution_forward(vgg_plan *plan, const vgg_planned_op *op) {
    if (op->tile > 0) {
        winograd(plan, op, false);
        return;
    }
    bool folded = op->graph.folded != VGG_NO_LAYER;
    vgg_conv_shape shape = vgg_op_conv_shape(op, plan->count);
    vgg_conv_forward_task task = {.shape = shape,
                                  .partition = vgg_conv_forward_partition(&shape),
                                  .x = vgg_plan_buffer(plan, op->x),
                                  .packed = plan->constants + op->packed,
                                  .bias = plan->constants + op->bias,
                                  .scale = folded ? plan->constants + op->scale : NULL,
                                  .shift = folded ? plan->constants + op->shift : NULL,
                                  .relu = op->graph.relu,
                                  .stream = vgg_plan_streams(plan, op->y),
                                  .pool = op->graph.pool,
                                  .y = vgg_plan_floats(plan, op->y),
                                  .y_bf16 = vgg_plan_numbers(plan, op->y),
                                  .scratch = vgg_plan_buffer(plan, op->scratch)};
    if (op->y_numbers != VGG_NO_LAYER) {
        task.y_numbers = vgg_plan_buffer(plan, op->y);
        task.y_form = numbers_of(plan, op->y_numbers);
    }
    vgg_threads_run(plan->threads, task.partition.units, plan->kernels->conv_forward, &task);
}

static void winograd_weights(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_conv_shape shape = vgg_op_conv_shape(op, plan->count);
    vgg_winograd_weights_partition cut = vgg_op_weights_partition(plan, op, &shape);
    const vgg_winograd_kernels *kernels = vgg_winograd_weights_kernels_for(plan->kernels, &cut);
    float *sums = vgg_plan_buffer(plan, op->partial);
    vgg_winograd_weights_task task = {.shape = shape,
                                      .partition = cut,
                                      .x = vgg_plan_floats(plan, op->x),
                                      .dy = vgg_plan_floats(plan, op->dy),
                                      .x_bf16 = vgg_plan_numbers(plan, op->x),
                                      .dy_bf16 = vgg_plan_numbers(plan, op->dy),
                                      .spread = vgg_plan_buffer(plan, op->chosen),
                                      .sums = sums,
                                      .bias_sums = sums + cut.sums,
                                      .dweights = vgg_op_gradient(plan, op, VGG_TENSOR_WEIGHT),
                                      .dbias = vgg_op_gradient(plan, op, VGG_TENSOR_BIAS),
                                      .accumulate = vgg_plan_accumulates(plan),
                                      .scratch = vgg_plan_buffer(plan, op->back_scratch)};
    vgg_threads_run(plan->threads, cut.units, kernels->weights, &task);
    if (cut.groups > 1)
        vgg_threads_run(plan->threads, vgg_winograd_weights_finish_units(&shape),
                        kernels->weights_finish, &task);
}

static void convolution_weights(vgg_plan *plan, const vgg_planned_op *op) {
    if (op->weights_tile > 0) {
        winograd_weights(plan, op);
        return;
    }
    vgg_conv_shape shape = vgg_op_conv_shape(op, plan->count);
    float *partial = vgg_plan_buffer(plan, op->partial);
    size_t groups = vgg_conv_weights_groups(&shape);
    vgg_conv_weights_task task = {.shape = shape,
                                  .groups = groups,
                                  .units = vgg_conv_weights_units(&shape),
                                  .x = vgg_plan_buffer(plan, op->x),
                                  .dy = vgg_plan_floats(plan, op->dy),
                                  .dy_bf16 = vgg_plan_numbers(plan, op->dy),
                                  .partial = partial,
                                  .bias_partial =
                                      partial + groups * vgg_conv_weights_partial(&shape),
                                  .scratch = vgg_plan_buffer(plan, op->back_scratch)};
    vgg_threads_run(plan->threads, task.units, plan->kernels->conv_weights, &task);
    vgg_conv_reduce_task reduce = {.shape = shape,
                                   .groups = groups,
                                   .partial = task.partial,
                                   .bias_partial = task.bias_partial,
                                   .dweights = vgg_op_gradient(plan, op, VGG_TENSOR_WEIGHT),
                                   .dbias = vgg_op_gradient(plan, op, VGG_TENSOR_BIAS),
                                   .accumulate = vgg_plan_accumulates(plan)};
    vgg_threads_run(plan->threads, vgg_blocks(shape.outputs), plan->kernels->conv_reduce, &reduce);
}

static void direct_backward(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_conv_shape shape = vgg_op_turned_shape(op, plan->count);
    vgg_conv_forward_task task = {.shape = shape,
                                  .partition = vgg_conv_forward_partition(&shape),
                                  .x = vgg_plan_buffer(plan, op->dy),
                                  .packed = plan->constants + op->packed_turned,
                                  .y = vgg_plan_floats(plan, blocked_dx(op)),
                                  .scratch = vgg_plan_buffer(plan, op->back_scratch)};
    vgg_threads_run(plan->threads, task.partition.units, plan->kernels->conv_forward, &task);
}

/* Straight into the caller's plain gradient. */
static void picture_backward(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_conv_picture_task task = {.shape = vgg_op_turned_shape(op, plan->count),
                                  .x = vgg_plan_buffer(plan, op->dy),
                                  .packed = plan->constants + op->packed_turned,
                                  .y = vgg_plan_buffer(plan, op->dx)};
    vgg_threads_run(plan->threads, task.shape.images * task.shape.height,
                    plan->kernels->conv_picture, &task);
}

void vgg_op_convolution_backward(vgg_plan *plan, vgg_planned_op *op) {
    double begun = vgg_clock_seconds();
    if (op->graph.trains)
        convolution_weights(plan, op);
    op->weights_seconds = vgg_clock_seconds() - begun;
    void *dx = vgg_plan_buffer(plan, op->dx);
    if (!op->graph.need_dx || dx == NULL)
        return;
    if (op->to_picture)
        picture_backward(plan, op);
    else if (op->back_tile > 0)
        winograd(plan, op, true);
    else
        direct_backward(plan, op);
    if (op->blocked_dx != VGG_NO_BUFFER)
        vgg_op_move(plan, op, op->graph.in, plan->kernels->unblock,
                    vgg_plan_floats(plan, blocked_dx(op)), dx);
}

/* Packs weights as the direct convolutions have them. */
static void pack(vgg_plan *plan, const vgg_planned_op *op, bool turned) {
    vgg_numbers weights = vgg_tensor_numbers(vgg_plan_tensor(plan, op, VGG_TENSOR_WEIGHT));
    vgg_conv_pack_task task = {
        .shape = turned ? vgg_op_turned_shape(op, 1) : vgg_op_conv_shape(op, 1),
        .turned = turned,
        .weights = weights.at,
        .element = weights.element,
        .packed = plan->constants + (turned ? op->packed_turned : op->packed)};
    if (turned && op->to_picture)
        vgg_threads_run(plan->threads, vgg_blocks(task.shape.inputs),
                        plan->kernels->conv_picture_pack, &task);
    else
        vgg_threads_run(plan->threads, vgg_blocks(task.shape.outputs), plan->kernels->conv_pack,
                        &task);
}

static void store_filters(vgg_plan *plan, const vgg_planned_op *op, bool turned) {
    vgg_winograd_task task = winograd_task(plan, op, turned, 1);
    if (task.partition.stored)
        vgg_threads_run(plan->threads,
                        (task.shape.outputs + VGG_WINOGRAD_GROUP - 1) / VGG_WINOGRAD_GROUP,
                        vgg_winograd_kernels_for(plan->kernels, &task.partition)->filters, &task);
}

void vgg_op_pack(vgg_plan *plan, const vgg_planned_op *op, bool turned) {
    if ((turned ? op->back_tile : op->tile) > 0)
        store_filters(plan, op, turned);
    else
        pack(plan, op, turned);
}
