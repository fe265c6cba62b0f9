/* What a GPU does to weights and their gradients between two steps. */
#include <math.h>

#include "base/error.h"
#include "nn/gpu/gpu.h"

float *vgg_gpu_gradient_place(const vgg_plan *plan, size_t tensor) {
    size_t offset = plan->gradient_offsets[tensor];
    return offset == SIZE_MAX ? NULL : plan->gradients_of + offset;
}

const float *vgg_gpu_gradient(const vgg_plan *plan, size_t tensor) {
    gpu_state *state = vgg_gpu_state(plan);
    const float *from = vgg_gpu_gradient_place(plan, tensor);
    if (from == NULL)
        return NULL;
    if (state->gradient == NULL)
        state->gradient = vgg_aligned_alloc(plan->gradient_count * sizeof *state->gradient);
    if (state->gradient == NULL)
        return NULL;
    float *to = state->gradient + plan->gradient_offsets[tensor];
    size_t bytes = plan->network->tensors[tensor].info.count * sizeof *to;
    return state->calls->download(state->gpu, to, from, bytes) == VGG_GPU_OK ? to : NULL;
}

/* Deferred: of what the gradients of a linear layer are made. */
static double largest_deferred(vgg_plan *plan, const vgg_planned_op *op) {
    const vgg_buffer *rows = &plan->buffers[op->dy];
    vgg_gpu_element element = vgg_gpu_state(plan)->element;
    if (op->graph.kind != VGG_OP_LINEAR || !op->graph.trains)
        return 0;
    return vgg_gpu_largest(plan, plan->arena + rows->offset, element,
                           plan->done * rows->row / vgg_gpu_element_bytes(element));
}

/* float16 alone has too little room for gradients that others hold. */
vgg_status vgg_gpu_check_gradients(vgg_plan *plan, bool *finite, vgg_error *error) {
    double most = 0;
    *finite = true;
    if (vgg_gpu_state(plan)->element != VGG_GPU_FLOAT16)
        return VGG_OK;
    for (size_t t = 0; t < plan->network->tensor_count; t++) {
        const float *gradient = vgg_gpu_gradient_place(plan, t);
        if (gradient != NULL)
            most = fmax(most, vgg_gpu_largest(plan, gradient, VGG_GPU_FLOAT32,
                                              plan->network->tensors[t].info.count));
    }
    for (size_t s = 0; plan->options.defer_linear && s < plan->op_count; s++) {
        most = fmax(most, largest_deferred(plan, &plan->ops[s]));
    }
    *finite = !isinf(most);
    return vgg_gpu_tell(plan, error);
}

void vgg_gpu_sgd(vgg_plan *plan, const vgg_sgd_task *task) {
    const vgg_gpu_sgd_task own = {.count = task->count,
                                  .values = task->values,
                                  .velocity = task->velocity,
                                  .gradient = task->gradient,
                                  .rate = task->rate,
                                  .momentum = task->momentum,
                                  .decay = task->decay,
                                  .nesterov = task->nesterov};
    vgg_gpu_update(plan, GPU_SGD, &own, own.count);
}

void vgg_gpu_adamw(vgg_plan *plan, const vgg_adamw_task *task) {
    const vgg_gpu_adamw_task own = {.count = task->count,
                                    .values = task->values,
                                    .mean = task->mean,
                                    .square = task->square,
                                    .gradient = task->gradient,
                                    .keep = task->keep,
                                    .beta1 = task->beta1,
                                    .rest1 = task->rest1,
                                    .beta2 = task->beta2,
                                    .rest2 = task->rest2,
                                    .step = task->step,
                                    .root = task->root,
                                    .epsilon = task->epsilon};
    vgg_gpu_update(plan, GPU_ADAMW, &own, own.count);
}

void vgg_gpu_blend(vgg_plan *plan, const vgg_blend_task *task) {
    const vgg_gpu_blend_task own = {.count = task->count,
                                    .kept = task->kept,
                                    .values = task->values,
                                    .keep = task->keep,
                                    .take = task->take,
                                    .back = task->back};
    vgg_gpu_update(plan, GPU_BLEND, &own, own.count);
}

void vgg_gpu_square_sums(vgg_plan *plan, const float *values, size_t count, double *sums) {
    gpu_state *state = vgg_gpu_state(plan);
    size_t chunks = (count + VGG_GPU_SQUARES - 1) / VGG_GPU_SQUARES;
    if (chunks > state->square_count) {
        state->calls->give_back(state->gpu, state->square_sums);
        state->square_sums = state->calls->take(state->gpu, chunks * sizeof *sums);
        state->square_count = state->square_sums != NULL ? chunks : 0;
    }
    if (state->square_sums == NULL) {
        vgg_gpu_note(state, VGG_GPU_NO_MEMORY);
        return;
    }
    const vgg_gpu_squares_task task = {.count = count, .from = values, .to = state->square_sums};
    vgg_gpu_launch(plan, vgg_gpu_kernel_square_sums, &task, chunks);
    if (state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->download(state->gpu, sums, state->square_sums,
                                                   chunks * sizeof *sums));
}

void vgg_gpu_scale(vgg_plan *plan, float *values, size_t count, float factor) {
    const vgg_gpu_array_task task = {.count = count, .to = values, .factor = factor};
    vgg_gpu_launch(plan, vgg_gpu_kernel_scale, &task, count);
}

void vgg_gpu_add(vgg_plan *plan, const float *from, float *to, size_t count) {
    const vgg_gpu_array_task task = {.count = count, .from = from, .to = to};
    vgg_gpu_launch(plan, vgg_gpu_kernel_add, &task, count);
}

void vgg_gpu_copy(vgg_plan *plan, const float *from, float *to, size_t count) {
    gpu_state *state = vgg_gpu_state(plan);
    if (state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->copy(state->gpu, to, from, count * sizeof *to));
}

/* ---- deferred linear layers ---- */

/* The rows of images that did not come in this step become zero: the product has room for all. */
static const void *rows_of(vgg_plan *plan, size_t buffer) {
    gpu_state *state = vgg_gpu_state(plan);
    const vgg_buffer *b = &plan->buffers[buffer];
    char *rows = plan->arena + b->offset;
    size_t most = vgg_plan_step_images(plan);
    if (plan->done < most && state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->clear(state->gpu, rows + plan->done * b->row,
                                                (most - plan->done) * b->row));
    return rows;
}

static void update_tensor(vgg_plan *plan, const vgg_network *velocity, size_t tensor,
                          const float *gradient, vgg_sgd_rates rates) {
    const vgg_sgd_task task = {.count = plan->network->tensors[tensor].info.count,
                               .values = vgg_gpu_place(plan, plan->training, tensor),
                               .velocity = vgg_gpu_place(plan, velocity, tensor),
                               .gradient = gradient,
                               .rate = rates.rate,
                               .momentum = rates.momentum,
                               .decay = rates.decay,
                               .nesterov = rates.nesterov};
    vgg_gpu_sgd(plan, &task);
}

static void update(vgg_plan *plan, const vgg_planned_op *op, const vgg_network *velocity,
                   vgg_sgd_rates rates) {
    gpu_state *state = vgg_gpu_state(plan);
    size_t first = plan->network->layers[op->graph.layer].first_tensor;
    size_t weights = op->graph.in.channels * op->graph.out.channels;
    float *gradient = vgg_plan_buffer(plan, state->update), *bias = gradient + weights;
    size_t floats = plan->buffers[state->update].bytes / sizeof *gradient;
    const vgg_gpu_product_task product = {.a = rows_of(plan, op->dy),
                                          .b = rows_of(plan, op->x),
                                          .c = gradient,
                                          .factor = 1 / plan->loss_scale.factor,
                                          .workspace = gradient + floats -
                                                       state->update_workspace / sizeof *gradient};
    if (state->result == VGG_GPU_OK)
        vgg_gpu_note(
            state, state->calls->product_run(state->gpu, state->updates[op - plan->ops], &product));
    vgg_gpu_channel_sums(plan, product.a, plan->done, op->graph.out.channels, bias, product.factor,
                         false);
    update_tensor(plan, velocity, first + VGG_TENSOR_WEIGHT, gradient, rates);
    update_tensor(plan, velocity, first + VGG_TENSOR_BIAS, bias, rates);
    vgg_gpu_finish_updates(plan); /* the next layer's gradient takes the place of this one's */
}

void vgg_gpu_update_linear(vgg_plan *plan, const vgg_network *velocity, vgg_sgd_rates rates) {
    for (size_t s = 0; s < plan->op_count; s++) {
        const vgg_planned_op *op = &plan->ops[s];
        if (op->graph.kind == VGG_OP_LINEAR && op->graph.trains)
            update(plan, op, velocity, rates);
    }
}
