/* What the methods of explaining share. */
#include <string.h>

#include "base/error.h"
#include "eval/explainer.h"
#include "vgg/loss.h"

vgg_plan_options vgg_explain_planning(const vgg_explainer *explainer, size_t batch) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = batch;
    options.height = explainer->preprocess->height;
    options.width = explainer->preprocess->width;
    options.shared_threads = explainer->threads;
    options.exact = explainer->options.exact;
    options.precision = explainer->options.precision;
    options.device = explainer->options.device;
    return options;
}

vgg_status vgg_explain_go_on(const vgg_explainer *explainer, vgg_error *error) {
    const vgg_explain_options *options = &explainer->options;
    if (options->go_on != NULL && !options->go_on(options->user))
        return vgg_fail(error, VGG_ERROR_STOPPED, "stopped by the caller");
    return VGG_OK;
}

void vgg_explain_begin(vgg_explainer *explainer, size_t count, size_t index) {
    memset(explainer->logits_gradient, 0, count * explainer->classes * sizeof(float));
    for (size_t n = 0; n < count; n++) {
        explainer->logits_gradient[n * explainer->classes + index] = 1;
    }
}

vgg_status vgg_explain_gradients(vgg_explainer *explainer, size_t count, size_t index,
                                 vgg_error *error) {
    vgg_status status = vgg_explain_go_on(explainer, error);
    if (status == VGG_OK)
        status =
            vgg_plan_forward(explainer->plan, explainer->inputs, count, explainer->logits, error);
    if (status != VGG_OK)
        return status;
    vgg_explain_begin(explainer, count, index);
    return vgg_plan_backward(explainer->plan, explainer->logits_gradient, explainer->gradients,
                             error);
}

vgg_status vgg_explain_watch(vgg_explainer *explainer, size_t count, vgg_error *error) {
    vgg_status status = vgg_explain_go_on(explainer, error);
    if (status == VGG_OK && explainer->watching == NULL) {
        vgg_plan_options options = vgg_explain_planning(explainer, VGG_EXPLAIN_BATCH);
        status = vgg_plan_create(vgg_model_network(explainer->model), &options,
                                 &explainer->watching, error);
    }
    if (status == VGG_OK)
        status = vgg_plan_forward(explainer->watching, explainer->inputs, count, explainer->logits,
                                  error);
    return status;
}

double vgg_explain_probability(const vgg_explainer *explainer, float *logits, size_t index) {
    double temperature = vgg_model_temperature(explainer->model);
    for (size_t c = 0; c < explainer->classes; c++) {
        logits[c] = (float)((double)logits[c] / temperature);
    }
    if (vgg_model_output(explainer->model) == VGG_OUTPUT_SIGMOID)
        vgg_sigmoid(logits, explainer->classes, logits);
    else
        vgg_softmax(logits, 1, explainer->classes, logits);
    return (double)logits[index];
}
