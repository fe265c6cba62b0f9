/* Classifying many pictures in batches. */
#include "base/error.h"
#include "base/memory.h"
#include "eval/many.h"
#include "eval/predictor.h"

typedef struct predicting {
    vgg_predictor *predictor;
    vgg_predict_callback *result;
    void *user;
    size_t top;
    vgg_prediction *best; /* `top` of them */
} predicting;

static vgg_status prepare(void *context, const vgg_image *image, float *input, vgg_error *error) {
    const predicting *p = context;
    return vgg_preprocess_image(vgg_model_preprocess(p->predictor->model), image, input, error);
}

static vgg_status reserve(void *context, size_t pictures, float **inputs, vgg_error *error) {
    const predicting *p = context;
    vgg_status status = VGG_OK;
    if (pictures > 1 || p->predictor->plan == NULL)
        status = vgg_predictor_plan_batches(p->predictor, error);
    if (status == VGG_OK)
        status = vgg_predictor_reserve(p->predictor, pictures, error);
    *inputs = p->predictor->inputs;
    return status;
}

static vgg_status compute(void *context, float *inputs, size_t count, vgg_error *error) {
    const predicting *p = context;
    return vgg_predictor_forward(p->predictor, inputs, count, error);
}

/* ---- views of one picture after another ---- */

static vgg_status make_views(void *context, const vgg_image *image, void **made, vgg_error *error) {
    const predicting *p = context;
    vgg_scaled *scaled = NULL;
    vgg_status status = vgg_predictor_scale(p->predictor, image, &scaled, error);
    *made = scaled;
    return status;
}

static vgg_status compute_views(void *context, const void *made, vgg_error *error) {
    const predicting *p = context;
    return vgg_predictor_view(p->predictor, made, error);
}

static void free_views(void *context, void *made) {
    const predicting *p = context;
    vgg_predictor_scaled_free(p->predictor, made);
}

/* ---- both ---- */

static bool hand_out(void *context, const vgg_many_picture *picture, size_t row) {
    const predicting *p = context;
    vgg_predict_result result = {.struct_size = sizeof result,
                                 .number = picture->number,
                                 .name = picture->name,
                                 .user = picture->user,
                                 .error = picture->error};
    vgg_error why;
    const float *logits = p->predictor->logits + row * p->predictor->classes;
    if (result.error == NULL &&
        vgg_predictor_rank(p->predictor, logits, p->top, p->best, &result.found, &why) != VGG_OK)
        result.error = &why;
    if (result.error == NULL) {
        result.best = p->best;
        result.logits = logits;
        result.warning = picture->warning;
    }
    return p->result(p->user, &result);
}

vgg_status vgg_predict_many(vgg_predictor *predictor, vgg_next_picture *next, size_t top,
                            vgg_predict_callback *result, void *user, vgg_error *error) {
    predicting all = {.predictor = predictor,
                      .result = result,
                      .user = user,
                      .top = vgg_size_min(top, predictor->classes)};
    const vgg_many_work work = {
        .threads = predictor->threads,
        .batch = predictor->batch,
        .input = predictor->input,
        .context = &all,
        .prepare = prepare,
        .preprocess = predictor->viewers == NULL ? vgg_model_preprocess(predictor->model) : NULL,
        .reserve = reserve,
        .compute = compute,
        .hand_out = hand_out,
        .window = VGG_VIEW_WINDOW,
        .make = predictor->viewers != NULL ? make_views : NULL,
        .compute_made = compute_views,
        .free_made = free_views};
    all.best = vgg_calloc(vgg_size_max(all.top, 1), sizeof *all.best);
    vgg_status status = VGG_OK;
    if (all.best == NULL)
        status = vgg_fail_memory(error, "predictions", all.top * sizeof *all.best);
    if (status == VGG_OK)
        status = vgg_many_run(&work, next, user, error);
    vgg_free(all.best);
    return status;
}
