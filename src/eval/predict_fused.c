/* Several networks in one predictor. */
#include <string.h>

#include "base/error.h"
#include "eval/predictor.h"

static vgg_status check_classes(const vgg_predictor *predictor, const vgg_model *model,
                                vgg_error *error) {
    size_t classes = vgg_network_describe(vgg_model_network(model))->classes;
    const char *const *own = vgg_model_class_names(predictor->model);
    const char *const *theirs = vgg_model_class_names(model);
    if (vgg_model_output(model) != vgg_model_output(predictor->model))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "one model is for several labels per picture, another for one: their "
                        "probabilities have no mean");
    if (classes != predictor->classes)
        return vgg_fail(error, VGG_ERROR_SHAPE,
                        "one model has %zu classes, another %zu: their probabilities have no mean",
                        predictor->classes, classes);
    for (size_t c = 0; own != NULL && theirs != NULL && c < classes; c++) {
        if (strcmp(own[c], theirs[c]) != 0)
            return vgg_fail(error, VGG_ERROR_SHAPE,
                            "class %zu of one model is \"%s\", of another \"%s\": their "
                            "probabilities have no mean",
                            c, own[c], theirs[c]);
    }
    return VGG_OK;
}

/* The first network in a viewer, if it is not in one. */
static vgg_status move_first(vgg_predictor *predictor, vgg_error *error) {
    if (predictor->viewers != NULL)
        return VGG_OK;
    vgg_status status =
        vgg_predictor_add_viewer(predictor, predictor->model, &predictor->options, error);
    if (status != VGG_OK)
        return status;
    vgg_plan_free(predictor->plan);
    predictor->plan = NULL;
    return VGG_OK;
}

vgg_status vgg_predictor_add(vgg_predictor *predictor, const vgg_model *model,
                             const vgg_predictor_options *given, vgg_error *error) {
    vgg_predictor_options options;
    vgg_status status = vgg_predictor_read_options(model, given, &options, error);
    if (status == VGG_OK)
        status = check_classes(predictor, model, error);
    if (status == VGG_OK)
        status = move_first(predictor, error);
    if (status == VGG_OK)
        status = vgg_predictor_add_viewer(predictor, model, &options, error);
    return status;
}
