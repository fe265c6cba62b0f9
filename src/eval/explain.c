/* Explainers: making them, and what all methods share. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "base/threads.h"
#include "eval/explainer.h"

static const char *const methods[] = {
    [VGG_EXPLAIN_GRADCAM] = "gradcam",       [VGG_EXPLAIN_GRADCAM_PP] = "gradcam++",
    [VGG_EXPLAIN_LAYERCAM] = "layercam",     [VGG_EXPLAIN_GUIDED] = "guided",
    [VGG_EXPLAIN_SMOOTHGRAD] = "smoothgrad", [VGG_EXPLAIN_INTEGRATED] = "integrated",
    [VGG_EXPLAIN_OCCLUSION] = "occlusion"};
#define METHODS (sizeof methods / sizeof *methods)
#define SAMPLES_MOST 1000

const char *vgg_explain_method_name(vgg_explain_method method) {
    return (size_t)method < METHODS ? methods[method] : NULL;
}

vgg_explain_method vgg_explain_method_named(const char *name) {
    size_t found = vgg_text_find(name, methods, METHODS);
    return found < METHODS ? (vgg_explain_method)found : VGG_EXPLAIN_GRADCAM;
}

void vgg_explain_options_init(vgg_explain_options *options, size_t size) {
    const vgg_explain_options defaults = {
        .struct_size = size, .layer = VGG_EXPLAIN_USUAL, .noise = 0.15};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- options ---- */

/* What stands behind the last convolution, with its normalisation and ReLU. */
static size_t usual_layer(const vgg_network *network) {
    size_t found = 0, count = vgg_network_layer_count(network);
    for (size_t i = 0; i < count; i++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        vgg_network_layer(network, i, &info, NULL);
        bool behind = (info.type == VGG_LAYER_BATCH_NORM || info.type == VGG_LAYER_RELU) &&
                      info.dimensions == 3 && found + 1 == i;
        if (info.type == VGG_LAYER_CONVOLUTION || behind)
            found = i;
    }
    return found;
}

static vgg_status check_layer(vgg_explainer *explainer, vgg_error *error) {
    const vgg_network *network = vgg_model_network(explainer->model);
    vgg_explain_options *options = &explainer->options;
    if (options->layer == VGG_EXPLAIN_USUAL)
        options->layer = usual_layer(network);
    vgg_layer_info info = {.struct_size = sizeof info};
    vgg_status status = vgg_network_layer(network, options->layer, &info, error);
    if (status == VGG_OK && info.dimensions != 3)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "%s sees rows of features, which have no places in the picture; expected "
                          "a layer of maps",
                          info.name);
    return status;
}

static vgg_status check_options(vgg_explainer *explainer, vgg_error *error) {
    vgg_explain_options *options = &explainer->options;
    const vgg_preprocess *p = explainer->preprocess;
    size_t side = vgg_size_min(p->height, p->width);
    if (vgg_explain_method_name(options->method) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "method %d, expected 0 to %zu",
                        (int)options->method, METHODS - 1);
    if (options->samples > SAMPLES_MOST)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu samples, expected up to %d",
                        options->samples, SAMPLES_MOST);
    if (!(options->noise >= 0 && options->noise <= 10))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "noise of %g, expected 0 to 10", options->noise);
    if (options->samples == 0)
        options->samples = options->method == VGG_EXPLAIN_INTEGRATED ? 50 : 25;
    if (options->window == 0)
        options->window = vgg_size_max(side / 6, 1);
    if (options->stride == 0)
        options->stride = vgg_size_max(options->window / 3, 1);
    if (options->window > side || options->stride > options->window)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a square of %zu pixels that moves by %zu, expected up to %zu, by no more "
                        "than its side",
                        options->window, options->stride, side);
    return check_layer(explainer, error);
}

static bool sees_layer(const vgg_explainer *explainer) {
    return explainer->options.method <= VGG_EXPLAIN_LAYERCAM;
}

static bool sees_input(const vgg_explainer *explainer) {
    return explainer->options.method >= VGG_EXPLAIN_GUIDED &&
           explainer->options.method <= VGG_EXPLAIN_INTEGRATED;
}

/* ---- making ---- */

/* Without gradients of tensors, which a plan with a tap does not have. The tap is filled in. */
static vgg_plan_options plan_of(const vgg_explainer *explainer, vgg_tap *tap) {
    const vgg_explain_options *options = &explainer->options;
    size_t layers = vgg_network_layer_count(vgg_model_network(explainer->model));
    bool many = options->method > VGG_EXPLAIN_GUIDED;
    vgg_plan_options plan = vgg_explain_planning(explainer, many ? VGG_EXPLAIN_BATCH : 1);
    tap->layer = sees_layer(explainer) ? options->layer : layers - 1;
    plan.taps = tap;
    plan.tap_count = 1;
    plan.gradients = sees_layer(explainer);
    plan.input_gradient = sees_input(explainer);
    plan.guided = options->method == VGG_EXPLAIN_GUIDED;
    return plan;
}

static vgg_status make_plan(vgg_explainer *explainer, vgg_error *error) {
    vgg_tap tap;
    const vgg_plan_options plan = plan_of(explainer, &tap);
    explainer->batch = plan.batch;
    vgg_status status =
        vgg_plan_create(vgg_model_network(explainer->model), &plan, &explainer->plan, error);
    explainer->tap.struct_size = sizeof explainer->tap;
    if (status == VGG_OK)
        status = vgg_plan_tap(explainer->plan, 0, &explainer->tap, error);
    return status;
}

static vgg_status make_room(vgg_explainer *explainer, vgg_error *error) {
    size_t inputs = VGG_EXPLAIN_BATCH * explainer->input * sizeof(float);
    size_t logits = VGG_EXPLAIN_BATCH * explainer->classes * sizeof(float);
    explainer->original = vgg_aligned_alloc(explainer->input * sizeof(float));
    explainer->inputs = vgg_aligned_alloc(inputs);
    explainer->gradients = vgg_aligned_alloc(inputs);
    explainer->logits = vgg_aligned_alloc(logits);
    explainer->logits_gradient = vgg_aligned_alloc(logits);
    explainer->values = vgg_aligned_alloc(explainer->tap.values * sizeof(float));
    explainer->value_gradients = vgg_aligned_alloc(explainer->tap.values * sizeof(float));
    if (explainer->original == NULL || explainer->inputs == NULL || explainer->gradients == NULL ||
        explainer->logits == NULL || explainer->logits_gradient == NULL ||
        explainer->values == NULL || explainer->value_gradients == NULL)
        return vgg_fail_memory(error, "an explainer", 2 * (inputs + logits));
    return VGG_OK;
}

/* What is known of it by model and options. */
static vgg_status begin(vgg_explainer *explainer, const vgg_model *model,
                        const vgg_explain_options *given, vgg_error *error) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(model);
    if (preprocess == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the model does not say how its input is preprocessed; name a preset "
                        "(torchvision, caffe, paper, unit or signed) when loading it");
    vgg_explain_options *options = &explainer->options;
    explainer->model = model;
    explainer->preprocess = preprocess;
    explainer->pixels = preprocess->height * preprocess->width;
    explainer->input = preprocess->channels * explainer->pixels;
    explainer->classes = vgg_network_describe(vgg_model_network(model))->classes;
    vgg_explain_options_init(options, sizeof *options);
    vgg_status status =
        vgg_options_read(options, sizeof *options, given, "vgg_explain_options", error);
    return status == VGG_OK ? check_options(explainer, error) : status;
}

static vgg_status set_up(vgg_explainer *explainer, const vgg_model *model,
                         const vgg_explain_options *given, vgg_error *error) {
    const vgg_explain_options *options = &explainer->options;
    vgg_status status = begin(explainer, model, given, error);
    if (status == VGG_OK)
        status = vgg_threads_obtain(options->shared_threads, options->threads, &explainer->threads,
                                    &explainer->own_threads, error);
    if (status == VGG_OK)
        status = make_plan(explainer, error);
    if (status == VGG_OK)
        status = make_room(explainer, error);
    return status;
}

vgg_status vgg_explainer_create(const vgg_model *model, const vgg_explain_options *options,
                                vgg_explainer **out, vgg_error *error) {
    vgg_explainer *explainer = vgg_calloc(1, sizeof *explainer);
    if (explainer == NULL)
        return vgg_fail_memory(error, "an explainer", sizeof *explainer);
    vgg_status status = set_up(explainer, model, options, error);
    if (status != VGG_OK) {
        vgg_explainer_free(explainer);
        return status;
    }
    *out = explainer;
    return VGG_OK;
}

vgg_status vgg_explainer_memory(const vgg_model *model, const vgg_explain_options *options,
                                size_t *bytes, vgg_error *error) {
    vgg_explainer explainer = {0};
    vgg_layer_info layer = {.struct_size = sizeof layer};
    vgg_tap tap;
    size_t values = 1, watching = 0;
    vgg_status status = begin(&explainer, model, options, error);
    if (status != VGG_OK)
        return status;
    const vgg_network *network = vgg_model_network(model);
    explainer.threads = explainer.options.shared_threads;
    vgg_plan_options plan = plan_of(&explainer, &tap);
    plan.threads = explainer.options.threads;
    status = vgg_network_layer(network, tap.layer, &layer, error);
    for (size_t i = 0; i < layer.dimensions; i++) {
        values *= layer.output[i];
    }
    if (status == VGG_OK)
        status = vgg_plan_memory(network, &plan, bytes, error);
    vgg_plan_options second = vgg_explain_planning(&explainer, VGG_EXPLAIN_BATCH);
    second.threads = explainer.options.threads;
    if (status == VGG_OK && explainer.options.method == VGG_EXPLAIN_OCCLUSION)
        status = vgg_plan_memory(network, &second, &watching, error);
    size_t batch = VGG_EXPLAIN_BATCH * (explainer.input + explainer.classes);
    if (status != VGG_OK)
        return status;
    *bytes += watching + (2 * batch + explainer.input + 2 * values) * sizeof(float) +
              (explainer.input + explainer.pixels) * sizeof(double);
    return VGG_OK;
}

void vgg_explainer_free(vgg_explainer *explainer) {
    if (explainer == NULL)
        return;
    vgg_plan_free(explainer->plan);
    vgg_plan_free(explainer->watching);
    vgg_threads_free(explainer->own_threads);
    vgg_free(explainer->original);
    vgg_free(explainer->inputs);
    vgg_free(explainer->gradients);
    vgg_free(explainer->logits);
    vgg_free(explainer->logits_gradient);
    vgg_free(explainer->values);
    vgg_free(explainer->value_gradients);
    vgg_free(explainer);
}

/* ---- explaining ---- */

/* The picture itself; the plan may go backward from there. */
static vgg_status look_at(vgg_explainer *explainer, const vgg_image *image, size_t index,
                          vgg_explanation *found, vgg_error *error) {
    vgg_status status =
        vgg_preprocess_image(explainer->preprocess, image, explainer->original, error);
    if (status == VGG_OK)
        status = vgg_explain_go_on(explainer, error);
    if (status == VGG_OK)
        status = vgg_plan_forward_taps(explainer->plan, explainer->original, 1, &explainer->values,
                                       explainer->logits, error);
    if (status != VGG_OK)
        return status;
    found->index = index == VGG_EXPLAIN_USUAL ? 0 : index;
    for (size_t c = 0; c < explainer->classes; c++) {
        if (!isfinite(explainer->logits[c]))
            return vgg_fail(error, VGG_ERROR_NUMERIC,
                            "the model's result for class %zu is not a finite number; its weights "
                            "may be damaged",
                            c);
        if (index == VGG_EXPLAIN_USUAL && explainer->logits[c] > explainer->logits[found->index])
            found->index = c;
    }
    found->logit = (double)explainer->logits[found->index];
    found->probability = vgg_explain_probability(explainer, explainer->logits, found->index);
    return VGG_OK;
}

static vgg_status make_map(vgg_explainer *explainer, size_t index, float *map, vgg_error *error) {
    switch (explainer->options.method) {
    case VGG_EXPLAIN_GRADCAM:
    case VGG_EXPLAIN_GRADCAM_PP:
    case VGG_EXPLAIN_LAYERCAM:
        return vgg_explain_cam(explainer, index, map, error);
    case VGG_EXPLAIN_GUIDED:
        return vgg_explain_guided(explainer, index, map, error);
    case VGG_EXPLAIN_SMOOTHGRAD:
        return vgg_explain_smooth(explainer, index, map, error);
    case VGG_EXPLAIN_INTEGRATED:
        return vgg_explain_integrated(explainer, index, map, error);
    case VGG_EXPLAIN_OCCLUSION:
        break;
    }
    return vgg_explain_occlusion(explainer, index, map, error);
}

/* By how much the sum of integrated gradients misses what they are to sum up to. */
static vgg_status find_gap(vgg_explainer *explainer, const float *map, vgg_explanation *found,
                           vgg_error *error) {
    double sum = 0;
    for (size_t i = 0; i < explainer->pixels; i++) {
        sum += (double)map[i];
    }
    memset(explainer->inputs, 0, explainer->input * sizeof(float));
    vgg_status status = vgg_explain_go_on(explainer, error);
    if (status == VGG_OK)
        status = vgg_plan_forward(explainer->plan, explainer->inputs, 1, explainer->logits, error);
    double difference = found->logit - (double)explainer->logits[found->index];
    found->gap = fabs(sum - difference) / fmax(fabs(difference), 1e-12);
    return status;
}

vgg_status vgg_explain_image(vgg_explainer *explainer, const vgg_image *image, size_t index,
                             float *map, vgg_explanation *explanation, vgg_error *error) {
    vgg_explanation found = {.struct_size = sizeof found};
    if (index != VGG_EXPLAIN_USUAL && index >= explainer->classes)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "class %zu of a model with %zu", index,
                        explainer->classes);
    vgg_status status = look_at(explainer, image, index, &found, error);
    if (status == VGG_OK)
        status = make_map(explainer, found.index, map, error);
    if (status == VGG_OK && explainer->options.method == VGG_EXPLAIN_INTEGRATED)
        status = find_gap(explainer, map, &found, error);
    if (status != VGG_OK)
        return status;
    found.least = found.most = (double)map[0];
    for (size_t i = 0; i < explainer->pixels; i++) {
        found.least = fmin(found.least, (double)map[i]);
        found.most = fmax(found.most, (double)map[i]);
    }
    found.blank = !(found.most > 0);
    return vgg_result_write(explanation, &found, sizeof found, "vgg_explanation", error);
}
