/* Plugins for a GPU that go wrong, as VGG_TEST_PLUGIN says: "older" is one of another version;
 * "no-gpu" has a driver, and no GPU; any other has one that can be opened, and nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/gpu/calls.h"

struct vgg_gpu {
    int nothing;
};

static vgg_gpu only;

static int is(const char *word) {
    const char *wanted = getenv("VGG_TEST_PLUGIN");
    return wanted != NULL && strcmp(wanted, word) == 0;
}

static vgg_gpu_result open_gpu(vgg_gpu **gpu, char *said, size_t size) {
    *gpu = &only;
    if (!is("no-gpu"))
        return VGG_GPU_OK;
    snprintf(said, size, "cudaGetDeviceCount: no CUDA-capable device is detected");
    return VGG_GPU_FAILED;
}

static void close_gpu(vgg_gpu *gpu) {
    (void)gpu;
}

static const char *name(const vgg_gpu *gpu) {
    (void)gpu;
    return "a GPU of tests";
}

const vgg_gpu_calls *vgg_cuda_plugin(void);

const vgg_gpu_calls *vgg_cuda_plugin(void) {
    static const vgg_gpu_calls older = {.version = "0 0.1.0"};
    static const vgg_gpu_calls calls = {
        .version = VGG_GPU_CALLS_VERSION, .open = open_gpu, .close = close_gpu, .name = name};
    return is("older") ? &older : &calls;
}
