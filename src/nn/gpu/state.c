/* What a plan keeps of a GPU: opened with it, closed with it, and what became of its calls. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "nn/gpu/gpu.h"

static void choose_precision(gpu_state *state, vgg_precision precision) {
    static const vgg_gpu_precision precisions[] = {[VGG_PRECISION_F32] = VGG_GPU_F32,
                                                   [VGG_PRECISION_BF16] = VGG_GPU_BF16,
                                                   [VGG_PRECISION_TF32] = VGG_GPU_TF32,
                                                   [VGG_PRECISION_F16] = VGG_GPU_F16};
    static const vgg_gpu_element elements[] = {[VGG_GPU_F32] = VGG_GPU_FLOAT32,
                                               [VGG_GPU_TF32] = VGG_GPU_FLOAT32,
                                               [VGG_GPU_BF16] = VGG_GPU_BFLOAT16,
                                               [VGG_GPU_F16] = VGG_GPU_FLOAT16};
    state->precision = precisions[precision];
    state->element = elements[state->precision];
}

vgg_status vgg_gpu_open_state(vgg_plan *plan, size_t ops, vgg_error *error) {
    gpu_state *state = vgg_calloc(1, sizeof *state);
    if (state == NULL)
        return vgg_fail_memory(error, "a plan for a GPU", sizeof *state);
    plan->state = state;
    state->calls = plan->calls;
    state->staging = state->sums = state->update = VGG_NO_BUFFER;
    choose_precision(state, plan->options.precision);
    plan->loss_scale = vgg_loss_scale_of(state->precision == VGG_GPU_F16);
    state->ops = vgg_calloc(ops, sizeof *state->ops);
    state->updates = vgg_calloc(ops, sizeof(vgg_gpu_product *));
    state->values = vgg_calloc(plan->network->tensor_count, sizeof *state->values);
    state->own.network = plan->network;
    state->own.at = vgg_calloc(plan->network->tensor_count, sizeof *state->own.at);
    if (state->ops == NULL || state->updates == NULL || state->values == NULL ||
        state->own.at == NULL)
        return vgg_fail_memory(error, "a plan for a GPU", ops * sizeof *state->ops);
    char said[sizeof state->said] = "";
    vgg_gpu_result result = vgg_gpu_pool_take(state->calls, &state->opened, said, sizeof said);
    if (result == VGG_GPU_NO_MEMORY)
        return vgg_fail(error, VGG_ERROR_MEMORY, "out of memory: the GPU cannot be opened");
    if (result != VGG_GPU_OK)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "the GPU cannot be used: %s", said);
    state->gpu = state->opened->gpu;
    return VGG_OK;
}

static void free_op(gpu_state *state, size_t s) {
    gpu_op *op = &state->ops[s];
    vgg_gpu_product *const products[] = {op->forward, op->data, op->weights, state->updates[s]};
    for (size_t i = 0; i < sizeof op->convs / sizeof *op->convs; i++) {
        if (op->convs[i] != NULL)
            vgg_gpu_give_back_conv(state->opened, op->convs[i]);
    }
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        if (products[i] != NULL)
            state->calls->product_free(state->gpu, products[i]);
    }
}

static void free_times(gpu_state *state, gpu_times *times, size_t ops) {
    for (size_t i = 0; times->moments != NULL && i <= ops; i++) {
        if (times->moments[i] != NULL)
            state->calls->moment_free(state->gpu, times->moments[i]);
    }
    vgg_free(times->moments);
}

/* What lives on the device, before its memory is given back. Whether all that was asked went well.
 */
static bool free_on_device(vgg_plan *plan) {
    gpu_state *state = vgg_gpu_state(plan);
    bool sound = state->calls->wait(state->gpu) == VGG_GPU_OK;
    sound = vgg_gpu_free_inputs(state) && sound;
    for (size_t i = 0; i < GPU_RECORDS; i++) {
        if (state->records[i].record != NULL)
            state->calls->record_free(state->gpu, state->records[i].record);
    }
    for (size_t s = 0; s < plan->op_count; s++) {
        free_op(state, s);
    }
    free_times(state, &state->forward, plan->op_count);
    free_times(state, &state->backward, plan->op_count);
    state->calls->give_back(state->gpu, state->square_sums);
    state->calls->give_back(state->gpu, state->updates_waiting.on_device);
    return sound;
}

void vgg_gpu_close(vgg_plan *plan) {
    gpu_state *state = vgg_gpu_state(plan);
    if (state == NULL)
        return;
    if (state->gpu != NULL) {
        bool sound = free_on_device(plan);
        vgg_gpu_free_mirrors(plan);
        /* The plan gives back what is left when the device is closed. */
        void *const blocks[] = {plan->arena, plan->constants, plan->gradients_of};
        for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
            state->calls->give_back(state->gpu, blocks[i]);
        }
        plan->arena = NULL;
        plan->constants = plan->gradients_of = NULL;
        vgg_gpu_pool_give_back(state->opened, sound);
    }
    vgg_free(state->ops);
    vgg_free(state->updates);
    vgg_free(state->values);
    vgg_free(state->own.at);
    vgg_free(state->gradient);
    vgg_free(state);
    plan->state = NULL;
}
