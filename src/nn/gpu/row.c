/* A GPU as a device. */
#include "nn/gpu/gpu.h"

static size_t available(const vgg_plan *plan) {
    const gpu_state *state = vgg_gpu_state(plan);
    return state->calls->left(state->gpu);
}

static void *take(vgg_plan *plan, size_t bytes) {
    const gpu_state *state = vgg_gpu_state(plan);
    return state->calls->take(state->gpu, bytes > 0 ? bytes : 1);
}

/* After the state is closed, nothing of the plan is left on the device. */
static void give_back(vgg_plan *plan, void *memory) {
    const gpu_state *state = vgg_gpu_state(plan);
    if (state != NULL && state->gpu != NULL)
        state->calls->give_back(state->gpu, memory);
}

static void clear(vgg_plan *plan, void *memory, size_t bytes) {
    gpu_state *state = vgg_gpu_state(plan);
    if (bytes > 0)
        vgg_gpu_note(state, state->calls->clear(state->gpu, memory, bytes));
}

/* Where the values of the plan's network lie is known when the constants have their memory. */
static vgg_status open_plan(vgg_plan *plan, vgg_error *error) {
    gpu_state *state = vgg_gpu_state(plan);
    state->own.trained = plan->training;
    for (size_t t = 0; t < plan->network->tensor_count; t++) {
        if (state->values[t] != VGG_NO_CONSTANTS)
            state->own.at[t] = plan->constants + state->values[t];
    }
    return vgg_gpu_tell(plan, error);
}

const vgg_device_row vgg_device_gpu = {
    .name = "cuda",
    .lanes = VGG_GPU_LANES,
    .compile = vgg_gpu_compile,
    .available = available,
    .take = take,
    .give_back = give_back,
    .clear = clear,
    .open = open_plan,
    .close = vgg_gpu_close,
    .refresh = vgg_gpu_refresh,
    .forward = vgg_gpu_forward,
    .backward = vgg_gpu_backward,
    .find_blown = vgg_gpu_find_blown,
    .algorithm = vgg_gpu_algorithm,
    .know_times = vgg_gpu_know_times,
    .adopt = vgg_gpu_adopt,
    .forget = vgg_gpu_forget,
    .fetch = vgg_gpu_fetch,
    .place = vgg_gpu_place,
    .gradient_place = vgg_gpu_gradient_place,
    .gradient = vgg_gpu_gradient,
    .check_gradients = vgg_gpu_check_gradients,
    .sgd = vgg_gpu_sgd,
    .adamw = vgg_gpu_adamw,
    .blend = vgg_gpu_blend,
    .finish_updates = vgg_gpu_finish_updates,
    .square_sums = vgg_gpu_square_sums,
    .scale = vgg_gpu_scale,
    .add = vgg_gpu_add,
    .copy = vgg_gpu_copy,
    .update_linear = vgg_gpu_update_linear,
};
