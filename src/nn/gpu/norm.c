/* Batch normalisation on a GPU, and sums over maps. */
#include "nn/definition.h"
#include "nn/gpu/gpu.h"
#include "nn/ops.h"

/* ---- sums ---- */

/* Fewer positions than that are no chunk of their own. */
#define LEAST_CHUNK 32

static size_t chunks_of(size_t positions, size_t channels) {
    size_t most = vgg_size_max(VGG_GPU_SUM_UNITS / VGG_GPU_GROUPS(channels), 1);
    return vgg_size_min(vgg_size_max(positions / LEAST_CHUNK, 1), most);
}

static size_t gathered(size_t rows) {
    return (rows + VGG_GPU_GATHER - 1) / VGG_GPU_GATHER;
}

size_t vgg_gpu_sums_floats(size_t positions, size_t channels) {
    size_t rows = chunks_of(positions, channels), all = rows;
    while (rows > 1) {
        rows = gathered(rows);
        all += rows;
    }
    return all * vgg_gpu_lanes(channels);
}

void vgg_gpu_channel_sums(vgg_plan *plan, const void *map, size_t positions, size_t channels,
                          float *to, float factor, bool add) {
    const gpu_state *state = vgg_gpu_state(plan);
    size_t lanes = vgg_gpu_lanes(channels), rows = chunks_of(positions, channels);
    float *sums = vgg_plan_buffer(plan, state->sums);
    const vgg_gpu_sums_task task = {.positions = positions,
                                    .lanes = lanes,
                                    .chunks = rows,
                                    .from = map,
                                    .element = state->element,
                                    .to = sums};
    vgg_gpu_launch(plan, vgg_gpu_kernel_sums, &task, rows * lanes / VGG_GPU_LANES);
    while (rows > 1) {
        const vgg_gpu_gather_task gather = {
            .rows = rows, .width = lanes, .from = sums, .to = sums + rows * lanes};
        sums += rows * lanes;
        rows = gathered(rows);
        vgg_gpu_launch(plan, vgg_gpu_kernel_gather, &gather, rows * lanes);
    }
    const vgg_gpu_finish_task finish = {
        .count = channels, .from = sums, .to = to, .factor = factor, .add = add};
    vgg_gpu_launch(plan, vgg_gpu_kernel_finish, &finish, channels);
}

/* ---- batch normalisation ---- */

static size_t positions_of(const vgg_plan *plan, const vgg_planned_op *op) {
    return vgg_op_images(plan, op) * vgg_extent_pixels(op->graph.in);
}

static size_t norm_chunks(size_t positions) {
    return vgg_size_min(vgg_size_max(positions / LEAST_CHUNK, 1), VGG_GPU_CHUNKS);
}

static vgg_gpu_norm_task task_of(const vgg_plan *plan, const vgg_planned_op *op) {
    const float *constants = plan->constants;
    size_t positions = positions_of(plan, op);
    return (vgg_gpu_norm_task){.positions = positions,
                               .channels = op->graph.in.channels,
                               .chunks = norm_chunks(positions),
                               .x = vgg_plan_buffer(plan, op->x),
                               .dy = vgg_plan_buffer(plan, op->dy),
                               .element = vgg_gpu_state(plan)->element,
                               .relu = op->graph.relu,
                               .scale = constants + op->scale,
                               .shift = constants + op->shift,
                               .mean = constants + op->mean,
                               .from_dy = constants + op->from_dy,
                               .from_x = constants + op->from_x,
                               .constant = constants + op->constant,
                               .sums = vgg_plan_buffer(plan, vgg_gpu_state(plan)->sums)};
}

/* What follows from a batch norm layer's tensors; it may be the one folded into an op. */
static vgg_gpu_norm_channels_task channels_task(vgg_plan *plan, const vgg_planned_op *op,
                                                size_t layer) {
    return (vgg_gpu_norm_channels_task){
        .channels = plan->network->layers[layer].output.channels,
        .epsilon = VGG_BATCH_NORM_EPSILON,
        .momentum = plan->options.norm_momentum,
        .gamma = vgg_gpu_tensor(plan, layer, VGG_TENSOR_WEIGHT),
        .beta = vgg_gpu_tensor(plan, layer, VGG_TENSOR_BIAS),
        .running_mean = vgg_gpu_tensor(plan, layer, VGG_TENSOR_MEAN),
        .running_variance = vgg_gpu_tensor(plan, layer, VGG_TENSOR_VARIANCE),
        .scale = plan->constants + op->scale,
        .shift = plan->constants + op->shift};
}

static vgg_gpu_norm_channels_task own_channels_task(vgg_plan *plan, const vgg_planned_op *op) {
    float *constants = plan->constants;
    vgg_gpu_norm_channels_task task = channels_task(plan, op, op->graph.layer);
    task.positions = positions_of(plan, op);
    task.chunks = norm_chunks(task.positions);
    task.sums = vgg_plan_buffer(plan, vgg_gpu_state(plan)->sums);
    task.mean = constants + op->mean;
    task.inverse = constants + op->inverse;
    task.batch_statistics = vgg_op_uses_batch(plan, op);
    task.add = vgg_plan_accumulates(plan);
    task.gradient_factor = 1 / plan->loss_scale.factor;
    task.from_dy = constants + op->from_dy;
    task.from_x = constants + op->from_x;
    task.constant = constants + op->constant;
    return task;
}

static size_t chunk_units(const vgg_gpu_norm_task *task) {
    return task->chunks * VGG_GPU_GROUPS(task->channels);
}

static size_t map_units(const vgg_gpu_norm_task *task) {
    return task->positions * VGG_GPU_GROUPS(task->channels);
}

void vgg_gpu_norm_forward(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_gpu_norm_task task = task_of(plan, op);
    vgg_gpu_norm_channels_task channels = own_channels_task(plan, op);
    task.to = vgg_plan_buffer(plan, op->y);
    if (channels.batch_statistics) {
        size_t first = plan->network->layers[op->graph.layer].first_tensor;
        channels.moved_mean = vgg_gpu_place(plan, plan->training, first + VGG_TENSOR_MEAN);
        channels.moved_variance = vgg_gpu_place(plan, plan->training, first + VGG_TENSOR_VARIANCE);
        vgg_gpu_launch(plan, vgg_gpu_kernel_norm_statistics, &task, chunk_units(&task));
        vgg_gpu_launch(plan, vgg_gpu_kernel_norm_batch, &channels, channels.channels);
    } else {
        vgg_gpu_launch(plan, vgg_gpu_kernel_norm_running, &channels, channels.channels);
    }
    vgg_gpu_launch(plan, vgg_gpu_kernel_norm_apply, &task, map_units(&task));
}

void vgg_gpu_norm_backward(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_gpu_norm_task task = task_of(plan, op);
    vgg_gpu_norm_channels_task channels = own_channels_task(plan, op);
    task.to = vgg_plan_buffer(plan, op->dx);
    if (op->graph.trains) {
        channels.dgamma = vgg_op_gradient(plan, op, VGG_TENSOR_WEIGHT);
        channels.dbeta = vgg_op_gradient(plan, op, VGG_TENSOR_BIAS);
        vgg_gpu_launch(plan, vgg_gpu_kernel_norm_sums, &task, chunk_units(&task));
    }
    vgg_gpu_launch(plan, vgg_gpu_kernel_norm_gradients, &channels, channels.channels);
    if (op->graph.need_dx)
        vgg_gpu_launch(plan, vgg_gpu_kernel_norm_backward, &task, map_units(&task));
}

void vgg_gpu_fold_norm(vgg_plan *plan, const vgg_planned_op *op) {
    vgg_gpu_norm_channels_task task = channels_task(plan, op, op->graph.folded);
    vgg_gpu_launch(plan, vgg_gpu_kernel_norm_running, &task, task.channels);
}
