/* Classifying pictures one after another. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "vgg/loss.h"
#include "vgg/plan.h"
#include "vgg/predict.h"

struct vgg_predictor {
    const vgg_model *model;
    vgg_plan *plan;
    size_t classes;
    float *input, *logits, *probabilities;
};

void vgg_predictor_options_init(vgg_predictor_options *options, size_t size) {
    const vgg_predictor_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

static vgg_status create_plan(vgg_predictor *predictor, const vgg_preprocess *preprocess,
                              const vgg_predictor_options *given, vgg_error *error) {
    vgg_predictor_options own;
    vgg_predictor_options_init(&own, sizeof own);
    vgg_status status = vgg_options_read(&own, sizeof own, given, "vgg_predictor_options", error);
    if (status != VGG_OK)
        return status;
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.threads = own.threads;
    options.exact = own.exact;
    options.height = preprocess->height;
    options.width = preprocess->width;
    return vgg_plan_create((vgg_network *)vgg_model_network(predictor->model), &options,
                           &predictor->plan, error);
}

static vgg_status allocate(vgg_predictor *predictor, const vgg_preprocess *preprocess,
                           vgg_error *error) {
    size_t input = preprocess->channels * preprocess->height * preprocess->width;
    predictor->input = vgg_aligned_alloc(input * sizeof(float));
    predictor->logits = vgg_aligned_alloc(predictor->classes * sizeof(float));
    predictor->probabilities = vgg_aligned_alloc(predictor->classes * sizeof(float));
    if (predictor->input == NULL || predictor->logits == NULL || predictor->probabilities == NULL)
        return vgg_fail_memory(error, "a predictor",
                               (input + 2 * predictor->classes) * sizeof(float));
    return VGG_OK;
}

vgg_status vgg_predictor_create(const vgg_model *model, const vgg_predictor_options *options,
                                vgg_predictor **out, vgg_error *error) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(model);
    if (preprocess == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the model does not say how its input is preprocessed; name a preset "
                        "(torchvision, caffe, paper, unit or signed) when loading it");
    vgg_predictor *predictor = calloc(1, sizeof *predictor);
    if (predictor == NULL)
        return vgg_fail_memory(error, "a predictor", sizeof *predictor);
    predictor->model = model;
    predictor->classes = vgg_network_describe(vgg_model_network(model))->classes;
    vgg_status status = create_plan(predictor, preprocess, options, error);
    if (status == VGG_OK)
        status = allocate(predictor, preprocess, error);
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
    free(predictor->input);
    free(predictor->logits);
    free(predictor->probabilities);
    free(predictor);
}

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

static void rank(const vgg_predictor *predictor, size_t top, vgg_prediction *best, size_t *found) {
    const char *const *names = vgg_model_class_names(predictor->model);
    vgg_softmax(predictor->logits, 1, predictor->classes, predictor->probabilities);
    *found = 0;
    while (*found < top) {
        size_t c = next_best(predictor->logits, predictor->classes,
                             *found == 0 ? NULL : &best[*found - 1]);
        if (c == predictor->classes)
            return;
        best[(*found)++] = (vgg_prediction){.index = c,
                                            .label = names == NULL ? NULL : names[c],
                                            .probability = (double)predictor->probabilities[c],
                                            .logit = (double)predictor->logits[c]};
    }
}

/* Weights that are NaN or infinite, or so large that they overflow, leave nothing to rank. */
static vgg_status check_finite(const vgg_predictor *predictor, vgg_error *error) {
    for (size_t c = 0; c < predictor->classes; c++) {
        if (!isfinite(predictor->logits[c]))
            return vgg_fail(error, VGG_ERROR_NUMERIC,
                            "the model's result for class %zu is not a finite number; its weights "
                            "may be damaged",
                            c);
    }
    return VGG_OK;
}

vgg_status vgg_predict_image(vgg_predictor *predictor, const vgg_image *image, size_t top,
                             vgg_prediction *best, size_t *found, vgg_error *error) {
    vgg_status status = vgg_preprocess_image(vgg_model_preprocess(predictor->model), image,
                                             predictor->input, error);
    if (status == VGG_OK)
        status = vgg_plan_forward(predictor->plan, predictor->input, 1, predictor->logits, error);
    if (status == VGG_OK)
        status = check_finite(predictor, error);
    if (status == VGG_OK)
        rank(predictor, vgg_size_min(top, predictor->classes), best, found);
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
