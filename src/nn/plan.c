#include "nn/plan.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "nn/definition.h"
#include "nn/device_find.h"

void vgg_plan_options_init(vgg_plan_options *options, size_t size) {
    const vgg_plan_options defaults = {
        .struct_size = size, .batch = 1, .norm_momentum = VGG_BATCH_NORM_MOMENTUM};
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
    options->defer_linear = options->defer_linear && options->gradients && options->tap_count == 0;
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
    if (!(options->norm_momentum >= 0 && options->norm_momentum <= 1))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "momentum %g of batch normalisation, expected 0 to 1",
                        options->norm_momentum);
    if (options->mode != VGG_MODE_EVAL && options->mode != VGG_MODE_TRAIN)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "mode %d, expected eval or train",
                        (int)options->mode);
    if (options->tap_count > 0 && options->mode == VGG_MODE_TRAIN)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a plan with taps is for eval, not for training");
    if (options->ends_at_taps && (options->tap_count == 0 || options->softmax))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a plan that ends at its taps has %s, expected %s",
                        options->softmax ? "no logits to take probabilities of" : "none",
                        options->softmax ? "softmax to be off" : "at least one");
    if (options->dense && (options->gradients || options->tap_count > 0))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a plan with gradients or taps cannot be dense: it has one place for each "
                        "image");
    if (options->softmax && options->gradients)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a plan with gradients gives logits, not the probabilities of softmax");
    return VGG_OK;
}

static vgg_status check_device(const vgg_plan_options *options, vgg_device_kind device,
                               vgg_error *error) {
    const char *name = vgg_precision_name(options->precision);
    if (name == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "precision %d, expected f32, bf16, tf32 or f16",
                        (int)options->precision);
    bool processor =
        options->precision == VGG_PRECISION_F32 || options->precision == VGG_PRECISION_BF16;
    if (device == VGG_DEVICE_CPU && !processor)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "precision %s is for a GPU, expected f32 or bf16 on the processor", name);
    if (device != VGG_DEVICE_CPU && options->exact)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "a plan that is exact is for the processor, not for %s",
                        vgg_device_name(device));
    if (options->precision != VGG_PRECISION_F32 && options->exact)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a plan that is exact is for f32, not %s", name);
    return VGG_OK;
}

static vgg_status read_options(const vgg_plan_options *given, vgg_plan_options *options,
                               vgg_error *error) {
    vgg_plan_options_init(options, sizeof *options);
    return vgg_options_read(options, sizeof *options, given, "vgg_plan_options", error);
}

/* A network without a classifier ends before the pool that stands for one. */
static vgg_status check_end(const vgg_plan *plan, vgg_error *error) {
    const vgg_network *network = plan->network;
    size_t own = network->layer_count - (network->headless ? 2 : 0);
    if (vgg_plan_layers(plan) <= own)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "the network has no classifier: its file holds convolutions and no linear "
                    "layer, and its last layer is %s",
                    network->layers[own - 1].name);
}

/* Turns the network into ops and buffers. */
static vgg_status compile_graph(vgg_plan *plan, vgg_error *error) {
    const vgg_plan_options *options = &plan->options;
    vgg_status status = vgg_plan_take_taps(plan, error);
    if (status == VGG_OK)
        status = check_end(plan, error);
    if (status != VGG_OK)
        return status;
    vgg_graph_purpose purpose = {.height = options->height,
                                 .width = options->width,
                                 .drops = options->mode == VGG_MODE_TRAIN,
                                 .gradients = plan->options.gradients,
                                 .input_gradient = options->input_gradient,
                                 .layers = vgg_plan_layers(plan),
                                 .tapped = plan->tapped,
                                 .average_pools = options->average_pools,
                                 .dense = options->dense};
    vgg_graph graph;
    status = vgg_graph_make(plan->network, purpose, &graph, error);
    if (status == VGG_OK)
        status = plan->device->compile(plan, &graph, error);
    vgg_free(graph.ops);
    return status;
}

/* A plan with its ops, but without memory for running them. */
static vgg_status compile(const vgg_network *network, vgg_plan_options options,
                          const vgg_tap_viewer *viewer, vgg_plan **out, vgg_error *error) {
    vgg_device_found device;
    /* `auto` takes what can be exact. */
    bool exact = options.exact && options.device == VGG_DEVICE_AUTO;
    vgg_device_kind asked = exact ? VGG_DEVICE_CPU : options.device;
    complete_options(network, &options);
    vgg_status status = check_options(&options, error);
    if (status == VGG_OK)
        status = vgg_device_choose(asked, &device, error);
    if (status == VGG_OK)
        status = check_device(&options, device.kind, error);
    if (status != VGG_OK)
        return status;
    vgg_plan *plan = vgg_calloc(1, sizeof *plan);
    if (plan == NULL)
        return vgg_fail_memory(error, "a plan", sizeof *plan);
    plan->device = device.row;
    plan->calls = device.calls;
    plan->network = network;
    plan->options = options;
    plan->mode = options.mode;
    plan->viewer = device.kind == VGG_DEVICE_CPU ? viewer : NULL;
    status = compile_graph(plan, error);
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
    return vgg_fail(error, VGG_ERROR_MEMORY,
                    "out of memory: %zux%zux%zu in batches of %zu needs %s (activations %s, packed "
                    "weights %s, gradients %s) and %s are left; %s needs less",
                    plan->network->options.channels, plan->options.height, plan->options.width,
                    plan->options.batch, vgg_size_text(total, total_bytes(plan)),
                    vgg_size_text(arena, plan->arena_bytes),
                    vgg_size_text(constants, constant_bytes(plan)),
                    vgg_size_text(gradients, gradient_bytes(plan)), vgg_size_text(left, available),
                    plan->options.gradients ? "a smaller batch, micro-batch or input"
                                            : "a smaller batch or input");
}

static vgg_status take_memory(vgg_plan *plan, vgg_error *error) {
    const vgg_device_row *device = plan->device;
    size_t available = device->available(plan);
    if (total_bytes(plan) > available)
        return fail_memory(plan, available, error);
    plan->arena = device->take(plan, plan->arena_bytes);
    plan->constants = device->take(plan, constant_bytes(plan));
    plan->gradients_of = device->take(plan, gradient_bytes(plan));
    if (plan->arena == NULL || plan->constants == NULL || plan->gradients_of == NULL)
        return fail_memory(plan, available, error);
    /* Lanes beyond the last channel are read, and must be zero. */
    device->clear(plan, plan->constants, constant_bytes(plan));
    device->clear(plan, plan->gradients_of, gradient_bytes(plan));
    return VGG_OK;
}

/* Training writes running statistics, so they cannot stay in a mapped file, and weights as floats.
 */
static vgg_status own_values(vgg_network *network, vgg_error *error) {
    for (size_t i = 0; i < network->tensor_count; i++) {
        const vgg_tensor *tensor = &network->tensors[i];
        bool statistics = !tensor->info.learnable && tensor->values != NULL;
        if (!statistics && tensor->narrow.at == NULL)
            continue;
        if (vgg_network_own(network, i) == NULL)
            return vgg_fail_memory(error, tensor->info.name, tensor->info.count * sizeof(float));
    }
    return VGG_OK;
}

/* Memory for running a plan, which is freed where there is none. training: the network again for a
 * plan that trains it, else NULL. */
static vgg_status furnish(vgg_plan *plan, vgg_network *training, vgg_error *error) {
    plan->training = training;
    vgg_status status = take_memory(plan, error);
    if (status == VGG_OK)
        status = plan->device->open(plan, error);
    if (status == VGG_OK && training != NULL)
        status = own_values(training, error);
    if (status != VGG_OK)
        vgg_plan_free(plan);
    return status;
}

static vgg_status create(const vgg_network *network, vgg_network *training,
                         const vgg_plan_options *options, const vgg_tap_viewer *viewer,
                         vgg_plan **out, vgg_error *error) {
    vgg_plan *plan = NULL;
    vgg_status status = compile(network, *options, viewer, &plan, error);
    if (status == VGG_OK)
        status = furnish(plan, training, error);
    if (status == VGG_OK)
        *out = plan;
    return status;
}

vgg_status vgg_plan_create(const vgg_network *network, const vgg_plan_options *given,
                           vgg_plan **plan, vgg_error *error) {
    return vgg_plan_create_viewed(network, given, NULL, plan, error);
}

vgg_status vgg_plan_create_viewed(const vgg_network *network, const vgg_plan_options *given,
                                  const vgg_tap_viewer *viewer, vgg_plan **plan, vgg_error *error) {
    vgg_plan_options options;
    vgg_status status = read_options(given, &options, error);
    if (status == VGG_OK && options.mode == VGG_MODE_TRAIN)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "a plan for VGG_MODE_TRAIN changes its network: expected "
                          "vgg_plan_create_training");
    return status == VGG_OK ? create(network, NULL, &options, viewer, plan, error) : status;
}

vgg_status vgg_plan_create_training(vgg_network *network, const vgg_plan_options *given,
                                    vgg_plan **plan, vgg_error *error) {
    vgg_plan_options options;
    vgg_status status = read_options(given, &options, error);
    options.mode = VGG_MODE_TRAIN;
    if (status == VGG_OK)
        status = create(network, network, &options, NULL, plan, error);
    if (status == VGG_OK)
        vgg_network_forget_all_int8(network);
    return status;
}

void vgg_plan_free(vgg_plan *plan) {
    if (plan == NULL)
        return;
    plan->device->close(plan);
    plan->device->give_back(plan, plan->arena);
    plan->device->give_back(plan, plan->constants);
    plan->device->give_back(plan, plan->gradients_of);
    vgg_free(plan->ops);
    vgg_free(plan->buffers);
    vgg_free(plan->caller);
    vgg_free(plan->gradient_offsets);
    vgg_free(plan->tapped);
    vgg_free(plan->taps);
    vgg_free(plan->tap_ops);
    vgg_free(plan);
}

/* A plan that is only looked at. */
static vgg_status sketch(const vgg_network *network, const vgg_plan_options *given, vgg_plan **plan,
                         vgg_error *error) {
    vgg_plan_options options;
    vgg_status status = read_options(given, &options, error);
    return status == VGG_OK ? compile(network, options, NULL, plan, error) : status;
}

vgg_status vgg_plan_measure_frozen(const vgg_network *network, const vgg_plan_options *options,
                                   size_t *values, vgg_error *error) {
    vgg_plan *plan = NULL;
    vgg_status status = sketch(network, options, &plan, error);
    if (status != VGG_OK)
        return status;
    size_t frozen = vgg_plan_frozen_ops(plan);
    *values = frozen > 0 ? vgg_plan_values_at(plan, frozen) : 0;
    vgg_plan_free(plan);
    return VGG_OK;
}

vgg_status vgg_plan_memory(const vgg_network *network, const vgg_plan_options *given, size_t *bytes,
                           vgg_error *error) {
    vgg_plan *plan = NULL;
    vgg_status status = sketch(network, given, &plan, error);
    if (status != VGG_OK)
        return status;
    *bytes = total_bytes(plan);
    vgg_plan_free(plan);
    return VGG_OK;
}

/* ---- using ---- */

vgg_status vgg_plan_set_mode(vgg_plan *plan, vgg_mode mode, vgg_error *error) {
    if (mode == VGG_MODE_TRAIN && plan->training == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "this plan was made for eval and cannot train: expected "
                        "vgg_plan_create_training");
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
