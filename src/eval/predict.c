/* Predictors, and classifying one picture. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "eval/many.h"
#include "eval/predictor.h"
#include "vgg/loss.h"

/* Where the options do not say: no more than the linear layers of a VGG need to be read once for
 * many pictures. */
#define DEFAULT_BATCH 32

void vgg_predictor_options_init(vgg_predictor_options *options, size_t size) {
    const vgg_predictor_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- making ---- */

/* Bytes of predicting batches of so many pictures. */
static vgg_status count_memory(const vgg_predictor *predictor, size_t batch, size_t *bytes,
                               vgg_error *error) {
    vgg_plan_options planning = predictor->planning;
    planning.batch = batch;
    vgg_status status =
        vgg_plan_memory(vgg_model_network(predictor->model), &planning, bytes, error);
    size_t row, rows;
    if (status == VGG_OK &&
        (!vgg_size_add(predictor->input, predictor->classes, &row) ||
         !vgg_size_mul(row, VGG_MANY_WINDOW * sizeof(float), &row) ||
         !vgg_size_mul(row, batch, &rows) || !vgg_size_add(*bytes, rows, bytes)))
        status = vgg_fail_memory(error, "a predictor", SIZE_MAX);
    return status;
}

/* Half as many pictures at once as long as they take more than half of the memory that is left. */
static vgg_status choose_batch(vgg_predictor *predictor, vgg_error *error) {
    size_t most = vgg_memory_available() / 2;
    predictor->batch = DEFAULT_BATCH;
    for (;;) {
        vgg_status status = count_memory(predictor, predictor->batch, &predictor->memory, error);
        if (status != VGG_OK || predictor->batch == 1 || predictor->memory <= most)
            return status;
        predictor->batch /= 2;
    }
}

/* Makes the plan for `batch` pictures in place of the one that there is. The algorithms stay the
 * same, and so do the bits. */
static vgg_status make_plan(vgg_predictor *predictor, size_t batch, vgg_error *error) {
    vgg_plan_free(predictor->plan);
    predictor->plan = NULL;
    predictor->planning.batch = batch;
    return vgg_plan_create(vgg_model_network(predictor->model), &predictor->planning,
                           &predictor->plan, error);
}

/* With a batch that was asked for, its plan is made at once, so that what cannot be is said at
 * once. Otherwise the plan is one for a single picture until there are several. */
static vgg_status plan(vgg_predictor *predictor, const vgg_predictor_options *options,
                       vgg_error *error) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(predictor->model);
    vgg_plan_options *planning = &predictor->planning;
    vgg_plan_options_init(planning, sizeof *planning);
    planning->shared_threads = predictor->threads;
    planning->exact = options->exact;
    planning->precision = options->precision;
    planning->device = options->device;
    planning->height = preprocess->height;
    planning->width = preprocess->width;
    planning->tuned_batch = options->tuned_batch != 0 ? options->tuned_batch
                            : options->batch != 0     ? options->batch
                                                      : DEFAULT_BATCH;
    predictor->batch = options->batch;
    vgg_status status = options->batch == 0
                            ? choose_batch(predictor, error)
                            : count_memory(predictor, options->batch, &predictor->memory, error);
    if (status == VGG_OK)
        status = make_plan(predictor, options->batch == 0 ? 1 : options->batch, error);
    return status;
}

vgg_status vgg_predictor_read_options(const vgg_model *model, const vgg_predictor_options *given,
                                      vgg_predictor_options *options, vgg_error *error) {
    vgg_predictor_options_init(options, sizeof *options);
    vgg_status status =
        vgg_options_read(options, sizeof *options, given, "vgg_predictor_options", error);
    if (status == VGG_OK)
        status = vgg_protocol_check(options->protocol, error);
    if (status == VGG_OK && vgg_model_preprocess(model) == NULL)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "the model does not say how its input is preprocessed; name a preset "
                          "(torchvision, caffe, paper, unit or signed) when loading it");
    return status;
}

static vgg_status set_up(vgg_predictor *predictor, const vgg_predictor_options *options,
                         vgg_error *error) {
    predictor->protocol = options->protocol;
    predictor->options = *options;
    predictor->options.scales = NULL; /* the caller's */
    vgg_status status = vgg_threads_obtain(options->shared_threads, options->threads,
                                           &predictor->threads, &predictor->own_threads, error);
    if (status == VGG_OK)
        status = vgg_viewer_wanted(predictor->model, options)
                     ? vgg_predictor_add_viewer(predictor, predictor->model, options, error)
                     : plan(predictor, options, error);
    if (status == VGG_OK)
        status = vgg_predictor_reserve(predictor, 1, error);
    return status;
}

vgg_status vgg_predictor_create(const vgg_model *model, const vgg_predictor_options *given,
                                vgg_predictor **out, vgg_error *error) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(model);
    vgg_predictor_options options;
    vgg_status status = vgg_predictor_read_options(model, given, &options, error);
    if (status != VGG_OK)
        return status;
    vgg_predictor *predictor = vgg_calloc(1, sizeof *predictor);
    if (predictor == NULL)
        return vgg_fail_memory(error, "a predictor", sizeof *predictor);
    predictor->model = model;
    predictor->input = preprocess->channels * preprocess->height * preprocess->width;
    predictor->classes = vgg_network_describe(vgg_model_network(model))->classes;
    status = set_up(predictor, &options, error);
    if (status != VGG_OK) {
        vgg_predictor_free(predictor);
        return status;
    }
    *out = predictor;
    return VGG_OK;
}

void vgg_predictor_free(vgg_predictor *predictor) {
    if (predictor == NULL)
        return;
    vgg_plan_free(predictor->plan);
    vgg_predictor_free_viewers(predictor);
    vgg_threads_free(predictor->own_threads);
    vgg_free(predictor->inputs);
    vgg_free(predictor->logits);
    vgg_free(predictor->probabilities);
    vgg_free(predictor->room.logits);
    vgg_free(predictor);
}

size_t vgg_predictor_batch(const vgg_predictor *predictor) {
    return predictor->batch;
}

size_t vgg_predictor_memory(const vgg_predictor *predictor) {
    return predictor->memory;
}

vgg_status vgg_predictor_reserve(vgg_predictor *predictor, size_t pictures, vgg_error *error) {
    if (pictures <= predictor->capacity)
        return VGG_OK;
    vgg_free(predictor->inputs);
    vgg_free(predictor->logits);
    vgg_free(predictor->probabilities);
    vgg_free(predictor->room.logits);
    predictor->capacity = 0;
    predictor->room =
        (vgg_protocol_room){.input = predictor->input,
                            .width = predictor->planning.width,
                            .classes = predictor->classes,
                            .temperature = vgg_model_temperature(predictor->model),
                            .each = vgg_model_output(predictor->model) == VGG_OUTPUT_SIGMOID};
    bool batches = predictor->viewers == NULL;
    bool second = batches && predictor->protocol != VGG_PROTOCOL_CENTER;
    if (second)
        predictor->room.logits = vgg_aligned_alloc(pictures * predictor->classes * sizeof(float));
    predictor->inputs =
        vgg_aligned_alloc(batches ? pictures * predictor->input * sizeof(float) : 1);
    predictor->logits = vgg_aligned_alloc(pictures * predictor->classes * sizeof(float));
    predictor->probabilities = vgg_aligned_alloc(predictor->classes * sizeof(float));
    if (predictor->inputs == NULL || predictor->logits == NULL ||
        predictor->probabilities == NULL || (second && predictor->room.logits == NULL))
        return vgg_fail_memory(
            error, "a predictor",
            (pictures * (predictor->input + predictor->classes) + predictor->classes) *
                sizeof(float));
    predictor->capacity = pictures;
    return VGG_OK;
}

vgg_status vgg_predictor_plan_batches(vgg_predictor *predictor, vgg_error *error) {
    if (predictor->viewers != NULL)
        return VGG_OK;
    if (predictor->plan != NULL && predictor->planning.batch == predictor->batch)
        return VGG_OK;
    return make_plan(predictor, predictor->batch, error);
}

vgg_status vgg_predictor_forward(vgg_predictor *predictor, float *inputs, size_t count,
                                 vgg_error *error) {
    predictor->room.mirrored = inputs;
    return vgg_protocol_forward(predictor->plan, predictor->protocol, &predictor->room, inputs,
                                count, predictor->logits, error);
}

/* ---- ranking ---- */

/* The class of highest logit among those that come after `last` in the order of rank. */
static size_t next_best(const float *logits, size_t classes, const vgg_prediction *last) {
    size_t best = classes;
    for (size_t c = 0; c < classes; c++) {
        bool taken = last != NULL && ((double)logits[c] > last->logit ||
                                      ((double)logits[c] >= last->logit && c <= last->index));
        if (!taken && (best == classes || logits[c] > logits[best]))
            best = c;
    }
    return best;
}

static void rank(const vgg_predictor *predictor, const float *logits, size_t top,
                 vgg_prediction *best, size_t *found) {
    const char *const *names = vgg_model_class_names(predictor->model);
    if (vgg_model_output(predictor->model) == VGG_OUTPUT_SIGMOID)
        vgg_sigmoid(logits, predictor->classes, predictor->probabilities);
    else
        vgg_softmax(logits, 1, predictor->classes, predictor->probabilities);
    *found = 0;
    while (*found < top) {
        size_t c = next_best(logits, predictor->classes, *found == 0 ? NULL : &best[*found - 1]);
        if (c == predictor->classes)
            return;
        best[(*found)++] = (vgg_prediction){.index = c,
                                            .label = names == NULL ? NULL : names[c],
                                            .probability = (double)predictor->probabilities[c],
                                            .logit = (double)logits[c]};
    }
}

/* Weights that are NaN or infinite, or so large that they overflow, leave nothing to rank. */
vgg_status vgg_predictor_rank(const vgg_predictor *predictor, const float *logits, size_t top,
                              vgg_prediction *best, size_t *found, vgg_error *error) {
    for (size_t c = 0; c < predictor->classes; c++) {
        if (!isfinite(logits[c]))
            return vgg_fail(error, VGG_ERROR_NUMERIC,
                            "the model's result for class %zu is not a finite number; its weights "
                            "may be damaged",
                            c);
    }
    rank(predictor, logits, vgg_size_min(top, predictor->classes), best, found);
    return VGG_OK;
}

/* ---- one picture ---- */

static vgg_status compute_views(vgg_predictor *predictor, const vgg_image *image,
                                vgg_error *error) {
    vgg_scaled *scaled = NULL;
    vgg_status status = vgg_predictor_scale(predictor, image, &scaled, error);
    if (status == VGG_OK)
        status = vgg_predictor_view(predictor, scaled, error);
    vgg_predictor_scaled_free(predictor, scaled);
    return status;
}

static vgg_status compute(vgg_predictor *predictor, const vgg_image *image, vgg_error *error) {
    if (predictor->viewers != NULL)
        return compute_views(predictor, image, error);
    vgg_status status = VGG_OK;
    if (predictor->plan == NULL) /* memory ran out for the one for batches */
        status = make_plan(predictor, 1, error);
    if (status == VGG_OK)
        status = vgg_predictor_reserve(predictor, 1, error);
    if (status == VGG_OK)
        status = vgg_preprocess_image(vgg_model_preprocess(predictor->model), image,
                                      predictor->inputs, error);
    if (status == VGG_OK)
        status = vgg_predictor_forward(predictor, predictor->inputs, 1, error);
    return status;
}

vgg_status vgg_predict_image(vgg_predictor *predictor, const vgg_image *image, size_t top,
                             vgg_prediction *best, size_t *found, vgg_error *error) {
    vgg_status status = compute(predictor, image, error);
    if (status == VGG_OK)
        status = vgg_predictor_rank(predictor, predictor->logits, top, best, found, error);
    return status;
}

vgg_status vgg_predict_file(vgg_predictor *predictor, const char *path, size_t top,
                            vgg_prediction *best, size_t *found, vgg_error *error) {
    vgg_image image = {0};
    vgg_status status = vgg_image_load(path, &image, error);
    if (status != VGG_OK)
        return status;
    status = vgg_predict_image(predictor, &image, top, best, found, error);
    vgg_image_free(&image);
    return status;
}
