/* Batch normalisation as an op: kernels that sum per image and channel block, what is made of the
 * sums per channel, and kernels that use it. */
#include "nn/definition.h"
#include "nn/ops.h"

/* A tensor of a batch norm layer. */
static const float *values_of(const vgg_plan *plan, size_t layer, size_t which) {
    return plan->network->tensors[plan->network->layers[layer].first_tensor + which].values;
}

/* The same for training to move. */
static float *moved_values(const vgg_plan *plan, size_t layer, size_t which) {
    return plan->training->tensors[plan->training->layers[layer].first_tensor + which].owned;
}

static vgg_batch_norm_task task_of(const vgg_plan *plan, const vgg_planned_op *op) {
    float *constants = plan->constants;
    return (vgg_batch_norm_task){.images = vgg_op_images(plan, op),
                                 .channels = op->graph.in.channels,
                                 .pixels = vgg_extent_pixels(op->graph.in),
                                 .width = op->graph.in.width,
                                 .chosen = vgg_plan_buffer(plan, op->chosen),
                                 .x = vgg_plan_floats(plan, op->x),
                                 .scale = constants + op->scale,
                                 .shift = constants + op->shift,
                                 .relu = op->graph.relu,
                                 .stream = vgg_plan_streams(plan, op->x),
                                 .y = vgg_plan_floats(plan, op->y),
                                 .sums = constants + op->sums,
                                 .mean = constants + op->mean,
                                 .dy = vgg_plan_floats(plan, op->dy),
                                 .from_dy = constants + op->from_dy,
                                 .from_x = constants + op->from_x,
                                 .constant = constants + op->constant,
                                 .dx = vgg_plan_floats(plan, op->dx),
                                 .x_bf16 = vgg_plan_numbers(plan, op->x),
                                 .dy_bf16 = vgg_plan_numbers(plan, op->dy),
                                 .y_bf16 = vgg_plan_numbers(plan, op->y),
                                 .dx_bf16 = vgg_plan_numbers(plan, op->dx)};
}

/* What follows from a batch norm layer's tensors; it may be the one folded into an op. */
static vgg_norm_channels_task channels_task(const vgg_plan *plan, const vgg_planned_op *op,
                                            size_t layer) {
    return (vgg_norm_channels_task){.channels = plan->network->layers[layer].output.channels,
                                    .epsilon = VGG_BATCH_NORM_EPSILON,
                                    .momentum = plan->options.norm_momentum,
                                    .gamma = values_of(plan, layer, VGG_TENSOR_WEIGHT),
                                    .beta = values_of(plan, layer, VGG_TENSOR_BIAS),
                                    .running_mean = values_of(plan, layer, VGG_TENSOR_MEAN),
                                    .running_variance = values_of(plan, layer, VGG_TENSOR_VARIANCE),
                                    .scale = plan->constants + op->scale,
                                    .shift = plan->constants + op->shift};
}

static vgg_norm_channels_task norm_channels_task(const vgg_plan *plan, const vgg_planned_op *op) {
    float *constants = plan->constants;
    vgg_norm_channels_task task = channels_task(plan, op, op->graph.layer);
    task.images = vgg_op_images(plan, op);
    task.pixels = vgg_extent_pixels(op->graph.in);
    task.sums = constants + op->sums;
    task.mean = constants + op->mean;
    task.inverse = constants + op->inverse;
    task.batch_statistics = vgg_op_uses_batch(plan, op);
    task.accumulate = vgg_plan_accumulates(plan);
    task.from_dy = constants + op->from_dy;
    task.from_x = constants + op->from_x;
    task.constant = constants + op->constant;
    return task;
}

static void run_channels(const vgg_plan *plan, vgg_work *kernel, vgg_norm_channels_task *task) {
    vgg_threads_run(plan->threads, vgg_blocks(task->channels), kernel, task);
}

static size_t units_of(const vgg_batch_norm_task *task) {
    return task->images * vgg_blocks(task->channels);
}

void vgg_op_norm_forward(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_batch_norm_task task = task_of(plan, op);
    vgg_norm_channels_task channels = norm_channels_task(plan, op);
    const vgg_kernels *kernels = plan->kernels;
    if (channels.batch_statistics) {
        channels.moved_mean = moved_values(plan, op->graph.layer, VGG_TENSOR_MEAN);
        channels.moved_variance = moved_values(plan, op->graph.layer, VGG_TENSOR_VARIANCE);
        vgg_threads_run(plan->threads, units_of(&task), kernels->batch_norm_statistics, &task);
        run_channels(plan, kernels->batch_norm_batch, &channels);
    } else {
        run_channels(plan, kernels->batch_norm_running, &channels);
    }
    vgg_threads_run(plan->threads, units_of(&task),
                    op->graph.pool ? kernels->batch_norm_pool : kernels->batch_norm, &task);
}

void vgg_op_norm_backward(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_batch_norm_task task = task_of(plan, op);
    vgg_norm_channels_task channels = norm_channels_task(plan, op);
    const vgg_kernels *kernels = plan->kernels;
    vgg_work *sums = op->graph.pool ? kernels->batch_norm_pool_sums : kernels->batch_norm_sums;
    vgg_work *backward =
        op->graph.pool ? kernels->batch_norm_pool_backward : kernels->batch_norm_backward;
    if (op->graph.trains) {
        channels.dgamma = vgg_op_gradient(plan, op, VGG_TENSOR_WEIGHT);
        channels.dbeta = vgg_op_gradient(plan, op, VGG_TENSOR_BIAS);
        vgg_threads_run(plan->threads, units_of(&task), sums, &task);
    }
    run_channels(plan, kernels->batch_norm_gradients, &channels);
    if (op->graph.need_dx)
        vgg_threads_run(plan->threads, units_of(&task), backward, &task);
}

void vgg_op_fold_norm(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_norm_channels_task task = channels_task(plan, op, op->graph.folded);
    run_channels(plan, plan->kernels->batch_norm_running, &task);
}
