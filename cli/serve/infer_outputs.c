/* Which tensors a client asks for. */
#include <stdio.h>
#include <string.h>

#include "cli/serve/infer.h"

#define OUTPUTS_MOST (VGG_SERVE_OUTPUTS + VGG_SERVE_TAPS_MOST)
/* Bytes of a number of a layer in JSON. */
#define NUMBER_TEXT 20
/* Bytes that it takes until it is sent: the float, and its places in streams that grow to the
 * double; in JSON an object and its place in an array, too. */
#define BINARY_MEMORY 16
#define NUMBER_MEMORY 96

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

/* What a layer gives: the job has one more tap. */
static bool add_layer(vgg_serve_request *request, const char *name, vgg_serve_output *output) {
    vgg_serve_job *job = &request->job;
    const vgg_network *network = vgg_model_network(job->version->model);
    vgg_layer_info info = {.struct_size = sizeof info};
    vgg_tap tap;
    vgg_error error;
    if (vgg_network_find_layer(network, name, &tap.layer, &error) != VGG_OK) {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                       "there is no output %.64s, expected probabilities, logits, label or one of "
                       "the layers that /v2/models/%s lists",
                       name, job->model->name);
        return false;
    }
    for (size_t t = 0; t < job->tap_count; t++) {
        if (job->taps[t].layer == tap.layer)
            return fail(request, "an output is asked for twice");
    }
    if (job->tap_count == VGG_SERVE_TAPS_MOST) {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                       "more than %d layers are asked for, expected at most so many",
                       VGG_SERVE_TAPS_MOST);
        return false;
    }
    vgg_network_layer(network, tap.layer, &info, NULL);
    output->kind = VGG_SERVE_LAYER;
    output->dimensions = info.dimensions;
    memcpy(output->shape, info.output, sizeof output->shape);
    output->values = vgg_serve_layer_values(&info);
    output->begin = job->tap_values;
    job->tap_values += output->values;
    job->taps[job->tap_count++] = tap;
    return true;
}

/* Which output it is that is asked for. */
static bool find_output(vgg_serve_request *request, const char *name, vgg_serve_output *output) {
    const struct vgg_serve_infer *infer = request->infer;
    if (name == NULL)
        return fail(request, "an output has no name");
    snprintf(output->name, sizeof output->name, "%s", name);
    for (int i = 0; i < VGG_SERVE_OUTPUTS; i++) {
        if (strcmp(name, vgg_serve_output_names[i]) != 0)
            continue;
        output->kind = (vgg_serve_output_kind)i;
        for (size_t j = 0; j < infer->count; j++) {
            if (infer->outputs[j].kind == output->kind)
                return fail(request, "an output is asked for twice");
        }
        request->job.wants_logits = true;
        request->job.top = request->job.top > 1 ? request->job.top : 1;
        return true;
    }
    return add_layer(request, name, output);
}

static bool read_output(vgg_serve_request *request, json_t *given, bool binary) {
    struct vgg_serve_infer *infer = request->infer;
    vgg_serve_output *output = &infer->outputs[infer->count];
    json_t *parameters = json_object_get(given, "parameters");
    json_t *classification = json_object_get(parameters, "classification");
    *output = (vgg_serve_output){.binary = binary};
    if (!find_output(request, json_string_value(json_object_get(given, "name")), output))
        return false;
    if (classification != NULL) {
        json_int_t classes =
            json_is_integer(classification) ? json_integer_value(classification) : 0;
        if (classes < 1 || output->kind > VGG_SERVE_LOGITS)
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
    if (!read_flag(request, json_object_get(root, "parameters"), "binary_data_output", &binary))
        return false;
    if (outputs != NULL && (!json_is_array(outputs) || count > OUTPUTS_MOST))
        return fail(request, "\"outputs\": expected an array of probabilities, logits, label and "
                             "layers");
    for (size_t i = 0; i < count; i++) {
        if (!read_output(request, json_array_get(outputs, i), binary))
            return false;
    }
    for (int kind = 0; count == 0 && kind < VGG_SERVE_OUTPUTS; kind++) {
        vgg_serve_output *output = &infer->outputs[infer->count];
        *output = (vgg_serve_output){.binary = binary};
        find_output(request, vgg_serve_output_names[kind], output);
        infer->count++;
    }
    return true;
}

bool vgg_serve_infer_count_layers(vgg_serve_request *request) {
    const struct vgg_serve_infer *infer = request->infer;
    const vgg_serve_limits *limits = &request->server->limits;
    size_t answer = 0, memory = 0;
    for (size_t i = 0; i < infer->count; i++) {
        size_t values = infer->outputs[i].values * request->job.count;
        bool binary = infer->outputs[i].binary;
        answer += values * (binary ? sizeof(float) : NUMBER_TEXT);
        memory += values * (binary ? BINARY_MEMORY : NUMBER_MEMORY);
    }
    bool short_enough = answer <= limits->max_body;
    if (short_enough && memory <= limits->max_bodies)
        return vgg_serve_request_reserve(request, memory);
    vgg_serve_fail(request, MHD_HTTP_CONTENT_TOO_LARGE,
                   "what the layers give takes %zu bytes, expected at most %zu; ask for fewer "
                   "pictures or layers, or for binary tensors",
                   short_enough ? memory : answer,
                   short_enough ? limits->max_bodies : limits->max_body);
    return false;
}
