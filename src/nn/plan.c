#include "nn/plan.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "vgg/loss.h"

void vgg_plan_options_init(vgg_plan_options *options, size_t size) {
    const vgg_plan_options defaults = {.struct_size = size, .batch = 1};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- making ---- */

/* Fills in what an option of 0 stands for. */
static void complete_options(const vgg_network *network, vgg_plan_options *options) {
    if (options->height == 0)
        options->height = network->options.height;
    if (options->width == 0)
        options->width = network->options.width;
    options->threads = vgg_threads_obtained(options->shared_threads, options->threads);
    if (options->tuned_batch == 0)
        options->tuned_batch = options->batch;
    if (options->micro_batches == 0)
        options->micro_batches = 1;
    if (options->mode == VGG_MODE_TRAIN || options->input_gradient)
        options->gradients = true;
    options->defer_linear = options->defer_linear && options->gradients;
}

static vgg_status check_options(const vgg_plan_options *options, vgg_error *error) {
    if (options->batch == 0 || options->batch > 65536)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "batch of %zu, expected 1 to 65536",
                        options->batch);
    if (options->tuned_batch > 65536)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a plan tuned for %zu images, expected 1 to 65536", options->tuned_batch);
    if (options->micro_batches > 65536)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu micro-batches, expected 1 to 65536",
                        options->micro_batches);
    if (options->height > 65536 || options->width > 65536)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "input %zux%zu, expected sides of 1 to 65536",
                        options->height, options->width);
    if (options->threads > VGG_THREADS_MAX)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu threads, expected 1 to %d",
                        options->threads, VGG_THREADS_MAX);
    if (options->mode != VGG_MODE_EVAL && options->mode != VGG_MODE_TRAIN)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "mode %d, expected eval or train",
                        (int)options->mode);
    if (options->softmax && options->gradients)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a plan with gradients gives logits, not the probabilities of softmax");
    return VGG_OK;
}

/* A plan with its steps, but without memory for running them. */
static vgg_status compile(vgg_network *network, const vgg_plan_options *given, vgg_plan **out,
                          vgg_error *error) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_plan_options", error);
    complete_options(network, &options);
    if (status == VGG_OK)
        status = check_options(&options, error);
    if (status != VGG_OK)
        return status;
    vgg_plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return vgg_fail_memory(error, "a plan", sizeof *plan);
    plan->network = network;
    plan->options = options;
    plan->mode = options.mode;
    plan->gradients = options.gradients;
    status = vgg_kernels_get(&plan->kernels, error);
    if (status == VGG_OK)
        status = vgg_plan_compile(plan, error);
    if (status != VGG_OK) {
        vgg_plan_free(plan);
        return status;
    }
    *out = plan;
    return VGG_OK;
}

static size_t constant_bytes(const vgg_plan *plan) {
    return plan->constant_count * sizeof(float);
}

static size_t gradient_bytes(const vgg_plan *plan) {
    return plan->gradient_count * sizeof(float);
}

static size_t total_bytes(const vgg_plan *plan) {
    return plan->arena_bytes + constant_bytes(plan) + gradient_bytes(plan);
}

static vgg_status fail_memory(const vgg_plan *plan, size_t available, vgg_error *error) {
    char total[VGG_SIZE_TEXT], arena[VGG_SIZE_TEXT], constants[VGG_SIZE_TEXT];
    char gradients[VGG_SIZE_TEXT], left[VGG_SIZE_TEXT];
    return vgg_fail(
        error, VGG_ERROR_MEMORY,
        "out of memory: %zux%zux%zu in batches of %zu needs %s (activations %s, packed "
        "weights %s, gradients %s) and %s are left; %s needs less",
        plan->network->options.channels, plan->options.height, plan->options.width,
        plan->options.batch, vgg_size_text(total, total_bytes(plan)),
        vgg_size_text(arena, plan->arena_bytes), vgg_size_text(constants, constant_bytes(plan)),
        vgg_size_text(gradients, gradient_bytes(plan)), vgg_size_text(left, available),
        plan->gradients ? "a smaller batch, micro-batch or input" : "a smaller batch or input");
}

static vgg_status take_memory(vgg_plan *plan, vgg_error *error) {
    size_t available = vgg_memory_available();
    if (total_bytes(plan) > available)
        return fail_memory(plan, available, error);
    plan->arena = vgg_aligned_alloc(plan->arena_bytes);
    plan->constants = vgg_aligned_alloc(constant_bytes(plan));
    plan->gradients_of = vgg_aligned_alloc(gradient_bytes(plan));
    if (plan->arena == NULL || plan->constants == NULL || plan->gradients_of == NULL)
        return fail_memory(plan, available, error);
    /* Lanes beyond the last channel are read, and must be zero. */
    memset(plan->constants, 0, constant_bytes(plan));
    memset(plan->gradients_of, 0, gradient_bytes(plan));
    return VGG_OK;
}

/* Running statistics are written in train mode, so they cannot stay in a mapped file, and backward
 * passes read floats only. */
static vgg_status own_values(vgg_plan *plan, vgg_error *error) {
    vgg_network *network = plan->network;
    for (size_t i = 0; plan->gradients && i < network->tensor_count; i++) {
        const vgg_tensor *tensor = &network->tensors[i];
        bool statistics = !tensor->info.trained && tensor->values != NULL;
        if (!statistics && tensor->narrow.at == NULL)
            continue;
        if (vgg_network_own(network, i) == NULL)
            return vgg_fail_memory(error, tensor->info.name, tensor->info.count * sizeof(float));
    }
    return VGG_OK;
}

vgg_status vgg_plan_create(vgg_network *network, const vgg_plan_options *options, vgg_plan **out,
                           vgg_error *error) {
    vgg_plan *plan = NULL;
    vgg_status status = compile(network, options, &plan, error);
    if (status != VGG_OK)
        return status;
    status = take_memory(plan, error);
    if (status == VGG_OK)
        status = vgg_threads_obtain(plan->options.shared_threads, plan->options.threads,
                                    &plan->threads, &plan->own_threads, error);
    if (status == VGG_OK)
        status = own_values(plan, error);
    if (status != VGG_OK) {
        vgg_plan_free(plan);
        return status;
    }
    *out = plan;
    return VGG_OK;
}

void vgg_plan_free(vgg_plan *plan) {
    if (plan == NULL)
        return;
    vgg_threads_free(plan->own_threads);
    free(plan->steps);
    free(plan->buffers);
    free(plan->caller);
    free(plan->gradient_offsets);
    free(plan->arena);
    free(plan->constants);
    free(plan->gradients_of);
    free(plan);
}

vgg_status vgg_plan_memory(vgg_network *network, const vgg_plan_options *options, size_t *bytes,
                           vgg_error *error) {
    vgg_plan *plan = NULL;
    vgg_status status = compile(network, options, &plan, error);
    if (status != VGG_OK)
        return status;
    *bytes = total_bytes(plan);
    vgg_plan_free(plan);
    return VGG_OK;
}

/* ---- using ---- */

vgg_status vgg_plan_set_mode(vgg_plan *plan, vgg_mode mode, vgg_error *error) {
    if (mode == VGG_MODE_TRAIN && !plan->gradients)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "this plan was made for eval without gradients and cannot train");
    plan->mode = mode;
    return VGG_OK;
}

vgg_mode vgg_plan_mode(const vgg_plan *plan) {
    return plan->mode;
}

void vgg_plan_set_dropout(vgg_plan *plan, uint64_t seed, uint64_t step) {
    plan->dropout_seed = seed;
    plan->dropout_step = step;
}

const char *vgg_cpu_tier(void) {
    const vgg_kernels *kernels;
    return vgg_kernels_get(&kernels, NULL) == VGG_OK ? kernels->tier : "none";
}

/* Batch statistics of a single value per channel have no variance. */
static vgg_status check_statistics(const vgg_plan *plan, size_t count, vgg_error *error) {
    if (plan->mode != VGG_MODE_TRAIN || count > 1)
        return VGG_OK;
    for (size_t s = 0; s < plan->step_count; s++) {
        const vgg_step *step = &plan->steps[s];
        if (step->kind == VGG_STEP_BATCH_NORM && vgg_plan_trains(plan, step) &&
            step->in.height * step->in.width == 1)
            return vgg_fail(
                error, VGG_ERROR_SHAPE,
                "%s sees one value per channel in a batch of 1, expected at least two to "
                "take a variance of",
                plan->network->layers[step->layer].name);
    }
    return VGG_OK;
}

double vgg_plan_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void vgg_plan_begin_part(vgg_plan *plan, size_t first) {
    plan->passes = 0;
    plan->done = 0;
    plan->first = first;
    plan->ready = false;
}

void vgg_plan_begin_step(vgg_plan *plan) {
    vgg_plan_begin_part(plan, 0);
}

/* A step of one pass begins with it; one of several is begun by the caller. */
static vgg_status continue_step(vgg_plan *plan, vgg_error *error) {
    if (plan->options.micro_batches == 1)
        vgg_plan_begin_part(plan, plan->first);
    if (plan->passes == plan->options.micro_batches)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the %zu micro-batches of this step are done; expected "
                        "vgg_optimiser_step or vgg_plan_begin_step",
                        plan->passes);
    return VGG_OK;
}

vgg_status vgg_plan_forward(vgg_plan *plan, const float *inputs, size_t count, float *logits,
                            vgg_error *error) {
    if (count == 0 || count > plan->options.batch)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu images for a plan of 1 to %zu", count,
                        plan->options.batch);
    vgg_status status = check_statistics(plan, count, error);
    if (status == VGG_OK)
        status = vgg_plan_refresh(plan, error);
    if (status == VGG_OK)
        status = continue_step(plan, error);
    if (status != VGG_OK)
        return status;
    plan->count = count;
    plan->ready = plan->gradients;
    plan->caller[plan->input] = (void *)(uintptr_t)inputs;
    plan->caller[plan->logits] = logits;
    double begun = vgg_plan_now();
    for (size_t s = 0; s < plan->step_count; s++) {
        vgg_step_forward(plan, &plan->steps[s]);
        double ended = vgg_plan_now();
        plan->steps[s].seconds = ended - begun;
        begun = ended;
    }
    if (plan->options.softmax)
        vgg_softmax(logits, count, plan->network->options.classes, logits);
    return VGG_OK;
}

vgg_status vgg_plan_backward(vgg_plan *plan, const float *logits_gradient, float *input_gradient,
                             vgg_error *error) {
    if (!plan->gradients)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "this plan was made without gradients");
    if (!plan->ready)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a backward pass needs a forward pass of its own before it");
    if (input_gradient != NULL && !plan->options.input_gradient)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "this plan was made without the gradient of the input");
    plan->caller[plan->logits_gradient] = (void *)(uintptr_t)logits_gradient;
    plan->caller[plan->input_gradient] = input_gradient;
    if (plan->options.defer_linear && plan->buffers[plan->kept_gradient].row > 0)
        memcpy(vgg_plan_buffer(plan, plan->kept_gradient), logits_gradient,
               plan->count * plan->buffers[plan->kept_gradient].row);
    /* Gradients overwrite the activations that are no longer needed. */
    plan->ready = false;
    double begun = vgg_plan_now();
    for (size_t s = plan->step_count; s-- > plan->lowest_step;) {
        vgg_step *step = &plan->steps[s];
        step->weights_seconds = 0;
        vgg_step_backward(plan, step);
        double ended = vgg_plan_now();
        step->data_seconds = ended - begun - step->weights_seconds;
        begun = ended;
    }
    plan->passes++;
    plan->done += plan->count;
    return VGG_OK;
}

const float *vgg_plan_gradient(const vgg_plan *plan, size_t tensor) {
    if (!plan->gradients || tensor >= plan->network->tensor_count ||
        plan->gradient_offsets[tensor] == SIZE_MAX)
        return NULL;
    return plan->gradients_of + plan->gradient_offsets[tensor];
}

/* ---- looking at it ---- */

size_t vgg_plan_step_count(const vgg_plan *plan) {
    return plan->step_count;
}

static const char *convolution_name(size_t tile) {
    return tile == 0 ? "direct" : tile == 2 ? "winograd2" : "winograd";
}

static const char *pooled_name(size_t tile) {
    return tile == 0 ? "direct+pool" : tile == 2 ? "winograd2+pool" : "winograd+pool";
}

static const char *algorithm_of(const vgg_step *step) {
    static const char *const names[] = {[VGG_STEP_BLOCK] = "block",
                                        [VGG_STEP_BATCH_NORM] = "batch-norm",
                                        [VGG_STEP_MAX_POOL] = "max-pool",
                                        [VGG_STEP_LRN] = "lrn",
                                        [VGG_STEP_AVERAGE_POOL] = "average-pool",
                                        [VGG_STEP_FLATTEN] = "flatten",
                                        [VGG_STEP_LINEAR] = "linear"};
    if (step->kind == VGG_STEP_CONVOLUTION && step->pool)
        return pooled_name(step->tile);
    if (step->kind == VGG_STEP_CONVOLUTION)
        return convolution_name(step->tile);
    if (step->kind == VGG_STEP_BATCH_NORM && step->pool)
        return "norm+pool";
    return names[step->kind];
}

static const char *data_algorithm_of(const vgg_plan *plan, const vgg_step *step) {
    if (!plan->gradients || !step->need_dx)
        return NULL;
    if (step->kind == VGG_STEP_CONVOLUTION)
        return convolution_name(step->back_tile);
    return algorithm_of(step);
}

static const char *weights_algorithm_of(const vgg_plan *plan, const vgg_step *step) {
    if (!vgg_plan_trains(plan, step))
        return NULL;
    if (step->kind == VGG_STEP_CONVOLUTION)
        return convolution_name(step->weights_tile);
    if (step->kind == VGG_STEP_LINEAR)
        return plan->options.defer_linear ? "linear+update" : "linear";
    return NULL;
}

static size_t values_in(vgg_extent extent) {
    return extent.channels * extent.height * extent.width;
}

static void describe_products(const vgg_plan *plan, const vgg_step *step, vgg_step_info *info) {
    const vgg_tensor *weight =
        &plan->network->tensors[plan->network->layers[step->layer].first_tensor];
    size_t weights = weight->info.count;
    vgg_numbers numbers = vgg_tensor_numbers(weight);
    info->weight_bytes = weights * vgg_element_bytes(numbers.element) +
                         (numbers.scales != NULL ? weight->info.shape[0] * sizeof(float) : 0);
    if (step->kind == VGG_STEP_LINEAR) {
        info->multiply_adds = weights;
        info->products = weights * plan->options.batch;
        info->cost = (double)info->products;
        return;
    }
    vgg_conv_shape shape = vgg_step_conv_shape(step, plan->network, plan->options.batch);
    info->multiply_adds = weights * step->in.height * step->in.width;
    info->products = vgg_conv_products(&shape, step->tile);
    info->cost = vgg_conv_cost(&shape, step->tile);
}

vgg_status vgg_plan_step(const vgg_plan *plan, size_t index, vgg_step_info *info,
                         vgg_error *error) {
    if (index >= plan->step_count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "step %zu of a plan with %zu", index,
                        plan->step_count);
    const vgg_step *step = &plan->steps[index];
    const vgg_layer *layer = &plan->network->layers[step->layer];
    *info = (vgg_step_info){.algorithm = algorithm_of(step),
                            .seconds = step->seconds,
                            .backward_data = data_algorithm_of(plan, step),
                            .backward_weights = weights_algorithm_of(plan, step),
                            .backward_data_seconds = step->data_seconds,
                            .backward_weights_seconds = step->weights_seconds};
    if (step->kind != VGG_STEP_BLOCK && step->kind != VGG_STEP_FLATTEN)
        memcpy(info->name, layer->name, sizeof info->name);
    if (step->kind == VGG_STEP_CONVOLUTION || step->kind == VGG_STEP_LINEAR)
        describe_products(plan, step, info);
    info->bytes = info->weight_bytes + plan->options.batch * sizeof(float) *
                                           (values_in(step->in) + values_in(step->out));
    return VGG_OK;
}
