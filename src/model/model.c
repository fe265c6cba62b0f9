#include "model/model.h"
#include "model/description.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "nn/network.h"

static vgg_status check_preprocess(const vgg_network_options *network,
                                   const vgg_preprocess *preprocess, vgg_error *error) {
    vgg_status status = vgg_preprocess_check(preprocess, error);
    if (status != VGG_OK)
        return status;
    if (preprocess->channels != network->channels || preprocess->height != network->height ||
        preprocess->width != network->width)
        return vgg_fail(error, VGG_ERROR_SHAPE,
                        "the preprocessing gives inputs of %zux%zux%zu, expected %zux%zux%zu, "
                        "which the network takes",
                        preprocess->channels, preprocess->height, preprocess->width,
                        network->channels, network->height, network->width);
    if (memchr(preprocess->name, '\0', sizeof preprocess->name) == NULL ||
        !vgg_utf8_valid(preprocess->name))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the name of the preprocessing is not a short UTF-8 text");
    return VGG_OK;
}

static vgg_status check_names(const char *const *names, size_t count, vgg_error *error) {
    for (size_t i = 0; i < count; i++) {
        if (names[i] == NULL)
            return vgg_fail(error, VGG_ERROR_ARGUMENT, "class %zu has no name, expected %zu names",
                            i, count);
        if (!vgg_utf8_valid(names[i]))
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "the name of class %zu, \"%.80s\", is not UTF-8 text", i, names[i]);
    }
    return VGG_OK;
}

/* No reader would take the file of a network without a convolution for a VGG. */
static vgg_status check_convolutions(const vgg_network *network, vgg_error *error) {
    for (size_t i = 0; i < network->layer_count; i++) {
        if (network->layers[i].type == VGG_LAYER_CONVOLUTION)
            return VGG_OK;
    }
    return vgg_fail(error, VGG_ERROR_ARGUMENT,
                    "architecture \"%s\" has no convolution, expected one at least",
                    vgg_network_describe(network)->arch);
}

vgg_status vgg_model_create(vgg_network *network, const vgg_preprocess *preprocess,
                            const char *const *class_names, vgg_model **model, vgg_error *error) {
    const vgg_network_options *options = vgg_network_describe(network);
    vgg_preprocess own;
    vgg_preprocess_init(&own, sizeof own);
    vgg_status status = vgg_options_read(&own, sizeof own, preprocess, "vgg_preprocess", error);
    if (status == VGG_OK && preprocess != NULL)
        status = check_preprocess(options, &own, error);
    if (status == VGG_OK && class_names != NULL)
        status = check_names(class_names, options->classes, error);
    if (status == VGG_OK)
        status = check_convolutions(network, error);
    if (status != VGG_OK)
        return status;
    vgg_model *made = vgg_calloc(1, sizeof *made);
    if (made == NULL)
        return vgg_fail_memory(error, "a model", sizeof *made);
    if (class_names != NULL && !vgg_labels_copy(&made->labels, class_names, options->classes)) {
        vgg_free(made);
        return vgg_fail_memory(error, "the class names", options->classes * sizeof(char *));
    }
    made->preprocess_origin = preprocess != NULL ? VGG_ORIGIN_TOLD : VGG_ORIGIN_UNKNOWN;
    made->preprocess = own;
    made->output = VGG_OUTPUT_SOFTMAX;
    made->temperature = 1;
    made->network = network;
    *model = made;
    return VGG_OK;
}

void vgg_model_free(vgg_model *model) {
    if (model == NULL)
        return;
    vgg_network_free(model->network);
    vgg_storage_free(&model->storage);
    vgg_labels_free(&model->labels);
    vgg_notes_free(&model->notes);
    vgg_free(model->assumed);
    vgg_remarks_free(&model->remarks);
    vgg_free(model);
}

const vgg_network *vgg_model_network(const vgg_model *model) {
    return model->network;
}

vgg_network *vgg_model_mutable_network(vgg_model *model) {
    return model->network;
}

const vgg_preprocess *vgg_model_preprocess(const vgg_model *model) {
    return model->preprocess_origin != VGG_ORIGIN_UNKNOWN ? &model->preprocess : NULL;
}

vgg_origin vgg_model_preprocess_origin(const vgg_model *model) {
    return model->preprocess_origin;
}

bool vgg_model_has_classifier(const vgg_model *model) {
    return !model->network->headless;
}

const char *const *vgg_model_class_names(const vgg_model *model) {
    return (const char *const *)model->labels.names;
}

const char *vgg_model_note(const vgg_model *model, const char *key) {
    return vgg_notes_find(&model->notes, key);
}

vgg_status vgg_model_set_note(vgg_model *model, const char *key, const char *value,
                              vgg_error *error) {
    if (key == NULL || value == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a note has no %s",
                        key == NULL ? "key" : "value");
    if (vgg_description_reserves(key))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the note \"%.80s\" cannot be set: \"format\" and keys that begin with "
                        "\"vgg.\" belong to the model file itself",
                        key);
    if (!vgg_utf8_valid(key) || !vgg_utf8_valid(value))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "the note \"%.80s\" is not UTF-8 text", key);
    if (!vgg_notes_set(&model->notes, key, value))
        return vgg_fail_memory(error, "a note", strlen(key) + strlen(value));
    return VGG_OK;
}

static const char *const output_names[] = {
    [VGG_OUTPUT_SOFTMAX] = "softmax",
    [VGG_OUTPUT_SIGMOID] = "sigmoid",
};
#define OUTPUTS (sizeof output_names / sizeof *output_names)

const char *vgg_output_name(vgg_output output) {
    return (size_t)output < OUTPUTS ? output_names[output] : NULL;
}

vgg_output vgg_output_named(const char *name) {
    size_t found = vgg_text_find(name, output_names, OUTPUTS);
    return found < OUTPUTS ? (vgg_output)found : VGG_OUTPUT_UNSAID;
}

vgg_output vgg_model_output(const vgg_model *model) {
    return model->output;
}

vgg_status vgg_model_set_output(vgg_model *model, vgg_output output, vgg_error *error) {
    if (vgg_output_name(output) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "output %d, expected softmax or sigmoid",
                        (int)output);
    model->output = output;
    return VGG_OK;
}

double vgg_model_temperature(const vgg_model *model) {
    return model->temperature;
}

vgg_status vgg_model_set_temperature(vgg_model *model, double temperature, vgg_error *error) {
    if (!(temperature > 0) || !isfinite(temperature))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "temperature %g, expected a number above 0",
                        temperature);
    model->temperature = temperature;
    return VGG_OK;
}

vgg_status vgg_model_set_sides(vgg_model *model, const size_t *sides, size_t count,
                               vgg_error *error) {
    vgg_preprocess own = model->preprocess;
    if (model->preprocess_origin == VGG_ORIGIN_UNKNOWN)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "sides of a model without preprocessing");
    own.side_count = count;
    for (size_t i = 0; i < vgg_size_min(count, VGG_PREPROCESS_SIDES); i++) {
        own.sides[i] = sides[i];
    }
    vgg_status status = vgg_preprocess_check(&own, error);
    if (status == VGG_OK)
        model->preprocess = own;
    return status;
}

const char *vgg_model_remark(const vgg_model *model, size_t remark) {
    return remark < model->remarks.count ? model->remarks.lines[remark] : NULL;
}

const char *vgg_model_assumed(const vgg_model *model) {
    return model->assumed;
}

bool vgg_model_softmax(const vgg_model *model) {
    return model->softmax;
}

const char *vgg_model_format(const vgg_model *model) {
    return model->format == NULL ? NULL : model->format->name;
}
