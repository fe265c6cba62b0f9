/* A GPU as a device. */
#include "base/error.h"
#include "nn/device.h"

static vgg_status compile(vgg_plan *plan, const vgg_graph *graph, vgg_error *error) {
    (void)plan, (void)graph;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "this version makes no plans for a GPU");
}

static void close_nothing(vgg_plan *plan) {
    (void)plan;
}

static void give_back_nothing(vgg_plan *plan, void *memory) {
    (void)plan, (void)memory;
}

const vgg_device_row vgg_device_gpu = {
    .name = "cuda", .compile = compile, .close = close_nothing, .give_back = give_back_nothing};
