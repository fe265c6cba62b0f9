/* Asking a GPU, and what became of it. */
#include <stdio.h>

#include "base/error.h"
#include "nn/gpu/gpu.h"

void vgg_gpu_note(gpu_state *state, vgg_gpu_result result) {
    if (result == VGG_GPU_OK || state->result != VGG_GPU_OK)
        return;
    state->result = result;
    snprintf(state->said, sizeof state->said, "%s",
             state->gpu != NULL ? state->calls->said(state->gpu) : "it was not opened");
}

vgg_status vgg_gpu_tell(vgg_plan *plan, vgg_error *error) {
    gpu_state *state = vgg_gpu_state(plan);
    vgg_gpu_result result = state->result;
    state->result = VGG_GPU_OK;
    if (result == VGG_GPU_OK)
        return VGG_OK;
    if (result == VGG_GPU_NO_MEMORY)
        return vgg_fail(error, VGG_ERROR_MEMORY,
                        "out of memory: the GPU has not enough left; a smaller batch needs less");
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "the GPU failed: %s", state->said);
}

void vgg_gpu_launch(vgg_plan *plan, vgg_gpu_kernel kernel, const void *task, size_t units) {
    gpu_state *state = vgg_gpu_state(plan);
    if (units > 0 && state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->launch(state->gpu, kernel, task, units));
}

void vgg_gpu_run_conv(vgg_plan *plan, const vgg_planned_op *op, vgg_gpu_pass pass,
                      const vgg_gpu_conv_task *task) {
    gpu_state *state = vgg_gpu_state(plan);
    const gpu_conv *conv = vgg_gpu_op_of(plan, op)->convs[pass];
    if (state->result == VGG_GPU_OK)
        vgg_gpu_note(state, state->calls->conv_run(state->gpu, conv->conv, task));
}
