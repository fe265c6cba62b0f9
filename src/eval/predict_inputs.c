/* Classifying inputs that somebody else has preprocessed. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/predictor.h"

typedef struct handing {
    vgg_predict_callback *result;
    void *user;
    size_t top;
    vgg_prediction *best; /* `top` of them */
} handing;

/* Hands out the result of input `number`, whose logits these are. */
static vgg_status hand_out(const vgg_predictor *predictor, const handing *to, size_t number,
                           const float *logits, vgg_error *error) {
    vgg_error why;
    vgg_predict_result result = {.struct_size = sizeof result, .number = number};
    if (vgg_predictor_rank(predictor, logits, to->top, to->best, &result.found, &why) == VGG_OK) {
        result.best = to->best;
        result.logits = logits;
    } else {
        result.error = &why;
    }
    if (to->result(to->user, &result))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_STOPPED, "stopped after %zu inputs", number + 1);
}

vgg_status vgg_predict_inputs(vgg_predictor *predictor, const float *const *inputs, size_t count,
                              size_t top, vgg_predict_callback *result, void *user,
                              vgg_error *error) {
    handing to = {.result = result, .user = user, .top = vgg_size_min(top, predictor->classes)};
    if (predictor->viewers != NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "inputs have one view, and this predictor has several of a picture, or "
                        "several networks");
    vgg_status status = vgg_predictor_plan_batches(predictor, error);
    if (status == VGG_OK)
        status = vgg_predictor_reserve(predictor, vgg_size_min(count, predictor->batch), error);
    if (status == VGG_OK) {
        to.best = vgg_calloc(vgg_size_max(to.top, 1), sizeof *to.best);
        if (to.best == NULL)
            status = vgg_fail_memory(error, "predictions", to.top * sizeof *to.best);
    }
    for (size_t done = 0; status == VGG_OK && done < count;) {
        size_t batch = vgg_size_min(count - done, predictor->batch);
        for (size_t i = 0; i < batch; i++) {
            memcpy(predictor->inputs + i * predictor->input, inputs[done + i],
                   predictor->input * sizeof(float));
        }
        status = vgg_predictor_forward(predictor, predictor->inputs, batch, error);
        for (size_t i = 0; status == VGG_OK && i < batch; i++) {
            status = hand_out(predictor, &to, done + i, predictor->logits + i * predictor->classes,
                              error);
        }
        done += batch;
    }
    vgg_free(to.best);
    return status;
}
