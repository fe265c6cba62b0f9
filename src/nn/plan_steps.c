/* Running one step, forward and backward: fills in the argument struct of a kernel and hands it to
 * the threads. Nothing here takes memory. */
#include "base/random.h"
#include "nn/definition.h"
#include "nn/plan.h"

_Static_assert(VGG_LRN_SIZE == 2 * VGG_LRN_REACH + 1, "the kernels' window is the network's");

static void run(const vgg_plan *plan, size_t units, vgg_work *kernel, void *task) {
    vgg_threads_run(plan->threads, units, kernel, task);
}

static size_t pixels_of(vgg_extent extent) {
    return extent.height * extent.width;
}

static size_t features_of(vgg_extent extent) {
    return extent.channels * pixels_of(extent);
}

static float *gradient_of(const vgg_plan *plan, const vgg_step *step, size_t which) {
    size_t tensor = plan->network->layers[step->layer].first_tensor + which;
    return plan->gradients_of + plan->gradient_offsets[tensor];
}

static const vgg_tensor *tensor_of(const vgg_plan *plan, const vgg_step *step, size_t which) {
    return &plan->network->tensors[plan->network->layers[step->layer].first_tensor + which];
}

/* ---- convolution ---- */

static vgg_winograd_task forward_task(const vgg_plan *plan, const vgg_step *step, size_t images) {
    bool folded = step->folded != SIZE_MAX;
    return (vgg_winograd_task){.shape = vgg_step_conv_shape(step, plan->network, images),
                               .x = vgg_plan_buffer(plan, step->x),
                               .filters = plan->constants + step->packed,
                               .bias = plan->constants + step->bias,
                               .scale = folded ? plan->constants + step->scale : NULL,
                               .shift = folded ? plan->constants + step->shift : NULL,
                               .relu = step->relu,
                               .pool = step->pool,
                               .chosen = vgg_plan_buffer(plan, step->chosen),
                               .stream = vgg_plan_streams(plan, step->y),
                               .y = vgg_plan_buffer(plan, step->y),
                               .scratch = vgg_plan_buffer(plan, step->scratch)};
}

/* Where the gradient of a convolution's input is put in blocks: in dx, or, when dx is the caller's
 * and plain, in a buffer before it. */
static float *blocked_dx(const vgg_plan *plan, const vgg_step *step) {
    bool callers = step->blocked_dx != VGG_NO_BUFFER;
    return vgg_plan_buffer(plan, callers ? step->blocked_dx : step->dx);
}

static vgg_winograd_task turned_task(const vgg_plan *plan, const vgg_step *step, size_t images) {
    return (vgg_winograd_task){.shape = vgg_step_turned_shape(step, plan->network, images),
                               .x = vgg_plan_buffer(plan, step->dy),
                               .turned = true,
                               .spread = vgg_plan_buffer(plan, step->chosen),
                               .gate = step->gate ? vgg_plan_buffer(plan, step->x) : NULL,
                               .filters = plan->constants + step->packed_turned,
                               .stream = vgg_plan_streams(plan, step->dx),
                               .y = blocked_dx(plan, step),
                               .scratch = vgg_plan_buffer(plan, step->back_scratch)};
}

vgg_winograd_task vgg_step_winograd_task(const vgg_plan *plan, const vgg_step *step, bool turned,
                                         size_t images) {
    vgg_winograd_task task =
        turned ? turned_task(plan, step, images) : forward_task(plan, step, images);
    task.partition = vgg_winograd_partition_of(&task.shape, turned ? step->back_tile : step->tile,
                                               plan->options.threads);
    vgg_numbers weights = vgg_tensor_numbers(tensor_of(plan, step, VGG_TENSOR_WEIGHT));
    task.weights = weights.at;
    task.element = weights.element;
    return task;
}

static void winograd(vgg_plan *plan, const vgg_step *step, bool turned) {
    vgg_winograd_task task = vgg_step_winograd_task(plan, step, turned, plan->count);
    run(plan, task.partition.units,
        vgg_winograd_kernels_of(plan->kernels, task.partition.tile)->forward, &task);
}

static void convolution_forward(vgg_plan *plan, const vgg_step *step) {
    if (step->tile > 0) {
        winograd(plan, step, false);
        return;
    }
    bool folded = step->folded != SIZE_MAX;
    vgg_conv_shape shape = vgg_step_conv_shape(step, plan->network, plan->count);
    vgg_conv_forward_task task = {.shape = shape,
                                  .partition = vgg_conv_forward_partition(&shape),
                                  .x = vgg_plan_buffer(plan, step->x),
                                  .packed = plan->constants + step->packed,
                                  .bias = plan->constants + step->bias,
                                  .scale = folded ? plan->constants + step->scale : NULL,
                                  .shift = folded ? plan->constants + step->shift : NULL,
                                  .relu = step->relu,
                                  .stream = vgg_plan_streams(plan, step->y),
                                  .pool = step->pool,
                                  .y = vgg_plan_buffer(plan, step->y),
                                  .scratch = vgg_plan_buffer(plan, step->scratch)};
    run(plan, task.partition.units, plan->kernels->conv_forward, &task);
}

static void winograd_weights(vgg_plan *plan, const vgg_step *step) {
    vgg_conv_shape shape = vgg_step_conv_shape(step, plan->network, plan->count);
    vgg_winograd_weights_partition cut =
        vgg_winograd_weights_partition_of(&shape, step->weights_tile);
    const vgg_winograd_kernels *kernels = vgg_winograd_kernels_of(plan->kernels, cut.tile);
    float *sums = vgg_plan_buffer(plan, step->partial);
    vgg_winograd_weights_task task = {.shape = shape,
                                      .partition = cut,
                                      .x = vgg_plan_buffer(plan, step->x),
                                      .dy = vgg_plan_buffer(plan, step->dy),
                                      .spread = vgg_plan_buffer(plan, step->chosen),
                                      .sums = sums,
                                      .bias_sums = sums + cut.sums,
                                      .dweights = gradient_of(plan, step, VGG_TENSOR_WEIGHT),
                                      .dbias = gradient_of(plan, step, VGG_TENSOR_BIAS),
                                      .accumulate = vgg_plan_accumulates(plan),
                                      .scratch = vgg_plan_buffer(plan, step->back_scratch)};
    run(plan, cut.units, kernels->weights, &task);
    if (cut.groups > 1)
        run(plan, vgg_winograd_weights_finish_units(&shape), kernels->weights_finish, &task);
}

static void convolution_weights(vgg_plan *plan, const vgg_step *step) {
    if (step->weights_tile > 0) {
        winograd_weights(plan, step);
        return;
    }
    vgg_conv_shape shape = vgg_step_conv_shape(step, plan->network, plan->count);
    float *partial = vgg_plan_buffer(plan, step->partial);
    size_t groups = vgg_conv_weights_groups(&shape);
    vgg_conv_weights_task task = {.shape = shape,
                                  .groups = groups,
                                  .units = vgg_conv_weights_units(&shape),
                                  .x = vgg_plan_buffer(plan, step->x),
                                  .dy = vgg_plan_buffer(plan, step->dy),
                                  .partial = partial,
                                  .bias_partial =
                                      partial + groups * vgg_conv_weights_partial(&shape),
                                  .scratch = vgg_plan_buffer(plan, step->back_scratch)};
    run(plan, task.units, plan->kernels->conv_weights, &task);
    vgg_conv_reduce_task reduce = {.shape = shape,
                                   .groups = groups,
                                   .partial = task.partial,
                                   .bias_partial = task.bias_partial,
                                   .dweights = gradient_of(plan, step, VGG_TENSOR_WEIGHT),
                                   .dbias = gradient_of(plan, step, VGG_TENSOR_BIAS),
                                   .accumulate = vgg_plan_accumulates(plan)};
    run(plan, vgg_blocks(shape.outputs), vgg_conv_reduce, &reduce);
}

/* Values between plain (N, C, H, W) and blocked. */
static void move(vgg_plan *plan, vgg_extent extent, vgg_work *kernel, const float *from,
                 float *to) {
    vgg_block_task task = {.images = plan->count,
                           .channels = extent.channels,
                           .pixels = pixels_of(extent),
                           .x = from,
                           .y = to};
    run(plan, plan->count * vgg_blocks(extent.channels), kernel, &task);
}

static void direct_backward(vgg_plan *plan, const vgg_step *step) {
    vgg_conv_shape shape = vgg_step_turned_shape(step, plan->network, plan->count);
    vgg_conv_forward_task task = {.shape = shape,
                                  .partition = vgg_conv_forward_partition(&shape),
                                  .x = vgg_plan_buffer(plan, step->dy),
                                  .packed = plan->constants + step->packed_turned,
                                  .y = blocked_dx(plan, step),
                                  .scratch = vgg_plan_buffer(plan, step->back_scratch)};
    run(plan, task.partition.units, plan->kernels->conv_forward, &task);
}

static void convolution_backward(vgg_plan *plan, vgg_step *step) {
    double begun = vgg_plan_now();
    if (vgg_plan_trains(plan, step))
        convolution_weights(plan, step);
    step->weights_seconds = vgg_plan_now() - begun;
    float *dx = vgg_plan_buffer(plan, step->dx);
    if (!step->need_dx || dx == NULL)
        return;
    if (step->back_tile > 0)
        winograd(plan, step, true);
    else
        direct_backward(plan, step);
    if (step->blocked_dx != VGG_NO_BUFFER)
        move(plan, step->in, vgg_unblock, blocked_dx(plan, step), dx);
}

/* ---- pools and LRN ---- */

static vgg_pool_task pool_task(const vgg_plan *plan, const vgg_step *step) {
    return (vgg_pool_task){.images = plan->count,
                           .channels = step->in.channels,
                           .height = step->in.height,
                           .width = step->in.width,
                           .out_height = step->out.height,
                           .out_width = step->out.width,
                           .x = vgg_plan_buffer(plan, step->x),
                           .y = vgg_plan_buffer(plan, step->y),
                           .chosen = vgg_plan_buffer(plan, step->chosen),
                           .dy = vgg_plan_buffer(plan, step->dy),
                           .relu = step->mask,
                           .dx = vgg_plan_buffer(plan, step->dx)};
}

static void pool(const vgg_plan *plan, const vgg_step *step, vgg_work *kernel) {
    vgg_pool_task task = pool_task(plan, step);
    run(plan, task.images * vgg_blocks(task.channels), kernel, &task);
}

static void lrn(const vgg_plan *plan, const vgg_step *step, vgg_work *kernel) {
    vgg_lrn_task task = {.images = plan->count,
                         .channels = step->in.channels,
                         .height = step->in.height,
                         .width = step->in.width,
                         .k = VGG_LRN_K,
                         .alpha = VGG_LRN_ALPHA,
                         .x = vgg_plan_buffer(plan, step->x),
                         .y = vgg_plan_buffer(plan, step->y),
                         .dy = vgg_plan_buffer(plan, step->dy),
                         .dx = vgg_plan_buffer(plan, step->dx)};
    run(plan, task.images * task.height, kernel, &task);
}

/* ---- linear ---- */

static vgg_linear_task linear_task(const vgg_plan *plan, const vgg_step *step) {
    vgg_numbers weights = vgg_tensor_numbers(tensor_of(plan, step, VGG_TENSOR_WEIGHT));
    return (vgg_linear_task){.images = plan->count,
                             .inputs = features_of(step->in),
                             .outputs = step->out.channels,
                             .x = vgg_plan_buffer(plan, step->x),
                             .weights = weights.at,
                             .element = weights.element,
                             .scales = weights.scales,
                             .bias = tensor_of(plan, step, VGG_TENSOR_BIAS)->values,
                             .relu = step->relu,
                             .y = vgg_plan_buffer(plan, step->y)};
}

static size_t linear_units(size_t count, size_t per_unit) {
    return (count + per_unit - 1) / per_unit;
}

static bool drops(const vgg_plan *plan, const vgg_step *step) {
    return plan->mode == VGG_MODE_TRAIN && step->dropout > 0;
}

static void linear_forward(vgg_plan *plan, const vgg_step *step) {
    vgg_linear_task task = linear_task(plan, step);
    run(plan, linear_units(task.outputs, VGG_LINEAR_OUTPUTS), plan->kernels->linear_forward, &task);
    if (!drops(plan, step))
        return;
    vgg_dropout_task dropout = {
        .count = task.images * task.outputs,
        .first = (uint64_t)(plan->first + plan->done) * task.outputs,
        .y = task.y,
        .probability = step->dropout,
        .seed = vgg_random_u64(plan->dropout_seed, plan->dropout_step, step->layer),
        .stream = step->layer};
    run(plan, vgg_chunks(dropout.count), vgg_dropout, &dropout);
}

static void linear_backward(vgg_plan *plan, vgg_step *step) {
    vgg_linear_task task = linear_task(plan, step);
    task.dy = vgg_plan_buffer(plan, step->dy);
    task.dx = vgg_plan_buffer(plan, step->dx);
    if (vgg_plan_trains(plan, step) && !plan->options.defer_linear) {
        task.dweights = gradient_of(plan, step, VGG_TENSOR_WEIGHT);
        task.dbias = gradient_of(plan, step, VGG_TENSOR_BIAS);
        task.accumulate = vgg_plan_accumulates(plan);
        double begun = vgg_plan_now();
        run(plan, linear_units(task.outputs, VGG_LINEAR_OUTPUTS), plan->kernels->linear_weights,
            &task);
        step->weights_seconds = vgg_plan_now() - begun;
    }
    if (step->need_dx && task.dx != NULL)
        run(plan, linear_units(task.inputs, VGG_LINEAR_INPUTS), plan->kernels->linear_input, &task);
}

/* ---- all ---- */

void vgg_step_forward(vgg_plan *plan, const vgg_step *step) {
    const float *x = vgg_plan_buffer(plan, step->x);
    float *y = vgg_plan_buffer(plan, step->y);
    switch (step->kind) {
    case VGG_STEP_BLOCK:
        move(plan, step->in, vgg_block_forward, x, y);
        break;
    case VGG_STEP_CONVOLUTION:
        convolution_forward(plan, step);
        break;
    case VGG_STEP_BATCH_NORM:
        vgg_batch_norm_forward(plan, step);
        break;
    case VGG_STEP_MAX_POOL:
        pool(plan, step, plan->kernels->max_pool);
        break;
    case VGG_STEP_LRN:
        lrn(plan, step, plan->kernels->lrn);
        break;
    case VGG_STEP_AVERAGE_POOL:
        pool(plan, step, plan->kernels->average_pool);
        break;
    case VGG_STEP_FLATTEN:
        move(plan, step->in, vgg_unblock, x, y);
        break;
    case VGG_STEP_LINEAR:
        linear_forward(plan, step);
        break;
    }
}

/* dy *= derivative of the ReLU; what dropout let pass was also rescaled by it. */
static void mask(vgg_plan *plan, const vgg_step *step) {
    size_t values = step->kind == VGG_STEP_LINEAR
                        ? plan->count * step->out.channels
                        : vgg_blocked_size(plan->count, step->out.channels, pixels_of(step->out));
    vgg_relu_task task = {.count = values,
                          .y = vgg_plan_buffer(plan, step->y),
                          .dy = vgg_plan_buffer(plan, step->dy),
                          .factor = drops(plan, step) ? (float)(1 / (1 - step->dropout)) : 1};
    run(plan, vgg_chunks(values), plan->kernels->relu_backward, &task);
}

void vgg_step_backward(vgg_plan *plan, vgg_step *step) {
    if (step->mask && step->kind != VGG_STEP_MAX_POOL)
        mask(plan, step);
    const float *dy = vgg_plan_buffer(plan, step->dy);
    float *dx = vgg_plan_buffer(plan, step->dx);
    /* The last step may be asked for the gradient of the caller's input, or not. */
    bool wanted = step->need_dx && dx != NULL;
    switch (step->kind) {
    case VGG_STEP_BLOCK:
        if (wanted)
            move(plan, step->in, vgg_unblock, dy, dx);
        break;
    case VGG_STEP_CONVOLUTION:
        convolution_backward(plan, step);
        break;
    case VGG_STEP_BATCH_NORM:
        vgg_batch_norm_backward(plan, step);
        break;
    case VGG_STEP_MAX_POOL:
        pool(plan, step, plan->kernels->max_pool_backward);
        break;
    case VGG_STEP_LRN:
        lrn(plan, step, plan->kernels->lrn_backward);
        break;
    case VGG_STEP_AVERAGE_POOL:
        pool(plan, step, plan->kernels->average_pool_backward);
        break;
    case VGG_STEP_FLATTEN:
        if (wanted)
            move(plan, step->in, vgg_block_forward, dy, dx);
        break;
    case VGG_STEP_LINEAR:
        linear_backward(plan, step);
        break;
    }
}
