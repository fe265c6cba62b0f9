/* Which tensors a client asks for. */
#include <string.h>

#include "cli/serve/infer.h"

static bool fail(vgg_serve_request *request, const char *what) {
    vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "%s", what);
    return false;
}

/* A parameter that is true or false; *value stays as it is where there is none. */
static bool read_flag(vgg_serve_request *request, json_t *parameters, const char *name,
                      bool *value) {
    json_t *given = json_object_get(parameters, name);
    if (given == NULL)
        return true;
    if (!json_is_boolean(given)) {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "%s: expected true or false", name);
        return false;
    }
    *value = json_is_true(given);
    return true;
}

static bool find_kind(const char *name, vgg_serve_output_kind *kind) {
    for (int i = 0; name != NULL && i < VGG_SERVE_OUTPUTS; i++) {
        if (strcmp(name, vgg_serve_output_names[i]) == 0) {
            *kind = (vgg_serve_output_kind)i;
            return true;
        }
    }
    return false;
}

static bool read_output(vgg_serve_request *request, json_t *given, bool binary) {
    struct vgg_serve_infer *infer = request->infer;
    vgg_serve_output *output = &infer->outputs[infer->count];
    const char *name = json_string_value(json_object_get(given, "name"));
    json_t *parameters = json_object_get(given, "parameters");
    json_t *classification = json_object_get(parameters, "classification");
    *output = (vgg_serve_output){.binary = binary};
    if (!find_kind(name, &output->kind)) {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                       "there is no output %.64s, expected probabilities, logits or label",
                       name != NULL ? name : "without a name");
        return false;
    }
    for (size_t i = 0; i < infer->count; i++) {
        if (infer->outputs[i].kind == output->kind)
            return fail(request, "an output is asked for twice");
    }
    if (classification != NULL) {
        json_int_t classes =
            json_is_integer(classification) ? json_integer_value(classification) : 0;
        if (classes < 1 || output->kind == VGG_SERVE_LABEL)
            return fail(request, "classification: expected a whole number from 1 on, for "
                                 "probabilities or logits");
        size_t most = request->job.version->classes;
        output->classification = (size_t)classes < most ? (size_t)classes : most;
        if (output->classification > request->job.top)
            request->job.top = output->classification;
    }
    infer->count++;
    return read_flag(request, parameters, "binary_data", &output->binary);
}

bool vgg_serve_infer_read_outputs(vgg_serve_request *request, json_t *root) {
    struct vgg_serve_infer *infer = request->infer;
    json_t *outputs = json_object_get(root, "outputs");
    size_t count = json_array_size(outputs);
    bool binary = false;
    request->job.top = 1;
    if (!read_flag(request, json_object_get(root, "parameters"), "binary_data_output", &binary))
        return false;
    if (outputs != NULL && (!json_is_array(outputs) || count > VGG_SERVE_OUTPUTS))
        return fail(request, "\"outputs\": expected an array of probabilities, logits and label");
    for (size_t i = 0; i < count; i++) {
        if (!read_output(request, json_array_get(outputs, i), binary))
            return false;
    }
    for (int kind = 0; count == 0 && kind < VGG_SERVE_OUTPUTS; kind++) {
        infer->outputs[infer->count++] =
            (vgg_serve_output){.kind = (vgg_serve_output_kind)kind, .binary = binary};
    }
    return true;
}
