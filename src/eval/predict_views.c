/* Predictors that compute views of one picture after another, with one network or several. */
#include "base/error.h"
#include "base/memory.h"
#include "eval/predictor.h"

static void count_memory(vgg_predictor *predictor) {
    predictor->batch = 1;
    predictor->memory = 0;
    for (size_t i = 0; i < predictor->viewer_count; i++) {
        predictor->memory += predictor->viewers[i]->memory;
    }
}

/* Room for one more viewer. */
static vgg_status make_place(vgg_predictor *predictor, vgg_error *error) {
    size_t bytes = (predictor->viewer_count + 1) * sizeof *predictor->viewers;
    vgg_viewer **grown = vgg_realloc(predictor->viewers, bytes);
    if (grown == NULL)
        return vgg_fail_memory(error, "the networks of a predictor", bytes);
    predictor->viewers = grown;
    return VGG_OK;
}

vgg_status vgg_predictor_add_viewer(vgg_predictor *predictor, const vgg_model *model,
                                    const vgg_predictor_options *options, vgg_error *error) {
    bool each = vgg_model_output(model) == VGG_OUTPUT_SIGMOID;
    vgg_viewer *viewer = NULL;
    vgg_status status = VGG_OK;
    if (predictor->mean.yes == NULL)
        status = vgg_posterior_make(&predictor->mean, predictor->classes, each, error);
    if (status == VGG_OK)
        status = vgg_viewer_create(model, options, predictor->threads, &viewer, error);
    if (status == VGG_OK)
        status = make_place(predictor, error);
    if (status != VGG_OK) {
        vgg_viewer_free(viewer);
        return status;
    }
    predictor->viewers[predictor->viewer_count++] = viewer;
    count_memory(predictor);
    return VGG_OK;
}

void vgg_predictor_free_viewers(vgg_predictor *predictor) {
    for (size_t i = 0; i < predictor->viewer_count; i++) {
        vgg_viewer_free(predictor->viewers[i]);
    }
    vgg_free(predictor->viewers);
    vgg_posterior_free(&predictor->mean);
    predictor->viewers = NULL;
    predictor->viewer_count = 0;
}

/* ---- pictures ---- */

vgg_status vgg_predictor_scale(const vgg_predictor *predictor, const vgg_image *image,
                               vgg_scaled **scaled, vgg_error *error) {
    size_t count = predictor->viewer_count;
    vgg_scaled *made = vgg_calloc(count, sizeof *made);
    if (made == NULL)
        return vgg_fail_memory(error, "a picture at several scales", count * sizeof *made);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        status = vgg_viewer_scale(predictor->viewers[i], image, &made[i], error);
    }
    if (status != VGG_OK) {
        vgg_predictor_scaled_free(predictor, made);
        return status;
    }
    *scaled = made;
    return VGG_OK;
}

void vgg_predictor_scaled_free(const vgg_predictor *predictor, vgg_scaled *scaled) {
    for (size_t i = 0; scaled != NULL && i < predictor->viewer_count; i++) {
        vgg_scaled_free(&scaled[i]);
    }
    vgg_free(scaled);
}

vgg_status vgg_predictor_view(vgg_predictor *predictor, const vgg_scaled *scaled,
                              vgg_error *error) {
    vgg_posterior_clear(&predictor->mean);
    for (size_t i = 0; i < predictor->viewer_count; i++) {
        vgg_status status = vgg_viewer_view(predictor->viewers[i], &scaled[i], error);
        if (status != VGG_OK)
            return status;
        vgg_posterior_join(&predictor->mean, &predictor->viewers[i]->mean);
    }
    vgg_posterior_logits(&predictor->mean, predictor->logits);
    return VGG_OK;
}
