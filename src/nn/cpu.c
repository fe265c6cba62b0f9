/* The processor as a device. */
#include "nn/cpu.h"

#include <string.h>

#include "base/memory.h"

static size_t available(const vgg_plan *plan) {
    (void)plan;
    return vgg_memory_available();
}

static void *take(vgg_plan *plan, size_t bytes) {
    (void)plan;
    return vgg_aligned_alloc(bytes);
}

static void give_back(vgg_plan *plan, void *memory) {
    (void)plan;
    vgg_free(memory);
}

static void clear(vgg_plan *plan, void *memory, size_t bytes) {
    (void)plan;
    memset(memory, 0, bytes);
}

/* Whether any op multiplies what is narrower than float32. */
static bool is_narrow(const vgg_plan *plan) {
    bool narrow = vgg_plan_is_bf16(plan);
    for (size_t i = 0; i < plan->op_count; i++) {
        narrow = narrow || plan->ops[i].int8;
    }
    return narrow;
}

static vgg_status open_plan(vgg_plan *plan, vgg_error *error) {
    vgg_status status = is_narrow(plan) ? vgg_kernels_permit(plan->kernels, error) : VGG_OK;
    if (status == VGG_OK)
        status = vgg_threads_obtain(plan->options.shared_threads, plan->options.threads,
                                    &plan->threads, &plan->own_threads, error);
    return status;
}

static void close_threads(vgg_plan *plan) {
    vgg_threads_free(plan->own_threads);
}

/* plan_info.c knows the processor's. */
static const char *algorithm(const vgg_plan *plan, const vgg_planned_op *op) {
    (void)plan, (void)op;
    return NULL;
}

/* They are known when a pass is over. */
static void know_times(const vgg_plan *plan) {
    (void)plan;
}

const vgg_device_row vgg_device_cpu = {
    .name = "cpu",
    .lanes = VGG_BLOCK,
    .compile = vgg_cpu_compile,
    .available = available,
    .take = take,
    .give_back = give_back,
    .clear = clear,
    .open = open_plan,
    .close = close_threads,
    .refresh = vgg_cpu_refresh,
    .forward = vgg_cpu_forward,
    .backward = vgg_cpu_backward,
    .find_blown = vgg_cpu_find_blown,
    .know_times = know_times,
    .algorithm = algorithm,
    .adopt = vgg_cpu_adopt,
    .forget = vgg_cpu_forget,
    .fetch = vgg_cpu_fetch,
    .place = vgg_cpu_place,
    .gradient_place = vgg_cpu_gradient_place,
    .gradient = vgg_cpu_gradient,
    .sgd = vgg_cpu_sgd,
    .adamw = vgg_cpu_adamw,
    .blend = vgg_cpu_blend,
    .square_sums = vgg_cpu_square_sums,
    .scale = vgg_cpu_scale,
    .add = vgg_cpu_add,
    .copy = vgg_cpu_copy,
    .update_linear = vgg_cpu_update_linear,
};
