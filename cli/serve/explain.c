#include "cli/serve/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/heat_picture.h"
#include "vgg/explain.h"

/* The largest number that a class may be asked for by. */
#define CLASS_MOST 9999999

/* ---- what is asked for ---- */

static bool ask(vgg_serve_request *request, const char *key, const char *value) {
    if (strcmp(key, "model") == 0) {
        vgg_serve_ask_model(request, value);
    } else if (strcmp(key, "class") == 0) {
        vgg_serve_ask_number(request, key, value, 0, CLASS_MOST, &request->explained);
    } else if (strcmp(key, "method") == 0) {
        request->method_of = vgg_explain_method_named(value);
        if (strcmp(vgg_explain_method_name(request->method_of), value) != 0)
            vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                           "method: found \"%.20s\", expected one of vgg explain --help", value);
    } else if (strcmp(key, "layer") == 0) {
        /* What is cut off is no layer's name, and is refused as one. */
        snprintf(request->layer, sizeof request->layer, "%s", value);
    } else if (strcmp(key, "heat") == 0) {
        bool heat;
        vgg_serve_ask_flag(request, key, value, &heat);
        request->plain = !heat;
    } else {
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST,
                       "unknown parameter %.64s, expected model, class, method, layer or heat",
                       key);
    }
    return request->status == 0;
}

static enum MHD_Result read_parameter(void *user, enum MHD_ValueKind kind, const char *key,
                                      const char *value) {
    (void)kind;
    return ask(user, key, value != NULL ? value : "") ? MHD_YES : MHD_NO;
}

void vgg_serve_explain_begin(vgg_serve_request *request) {
    request->job.model = &request->server->models.entries[0];
    request->job.lane = VGG_SERVE_EXPLAINING;
    request->explained = VGG_EXPLAIN_USUAL;
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, read_parameter, request);
}

/* ---- the answer ---- */

static bool goes_on(void *user) {
    const vgg_serve_request *request = user;
    return vgg_serve_work_goes_on(request->server->work, &request->job);
}

/* Fills in the map, and what it is about. */
static vgg_status find_map(vgg_serve_request *request, const vgg_image *image, float *map,
                           vgg_explanation *found, vgg_error *error) {
    const vgg_network *network = vgg_model_network(request->job.version->model);
    vgg_explain_options options;
    vgg_explainer *explainer = NULL;
    vgg_status status = VGG_OK;
    vgg_explain_options_init(&options, sizeof options);
    if (request->layer[0] != '\0')
        status = vgg_network_find_layer(network, request->layer, &options.layer, error);
    options.method = request->method_of;
    options.shared_threads = request->server->models.computing.threads;
    options.exact = request->server->models.computing.exact;
    options.precision = request->server->models.computing.precision;
    options.device = request->server->models.computing.device;
    options.go_on = goes_on;
    options.user = request;
    if (status == VGG_OK)
        status = vgg_explainer_create(request->job.version->model, &options, &explainer, error);
    if (status == VGG_OK)
        status = vgg_explain_image(explainer, image, request->explained, map, found, error);
    vgg_explainer_free(explainer);
    return status;
}

static vgg_status explain(vgg_serve_request *request, const vgg_image *image, float *map,
                          vgg_error *error) {
    vgg_explanation found = {.struct_size = sizeof found};
    vgg_image picture = {0};
    vgg_status status = VGG_OK;
    if (!request->plain)
        status = find_map(request, image, map, &found, error);
    const vgg_cli_heat heat = {.preprocess = vgg_model_preprocess(request->job.version->model),
                               .image = image,
                               .map = map,
                               .most = found.most,
                               .blank = request->plain || found.blank};
    if (status == VGG_OK)
        status = vgg_cli_heat_draw(&heat, &picture, error);
    if (status == VGG_OK)
        status = vgg_serve_answer_picture(request, &picture, VGG_IMAGE_PNG, error);
    vgg_image_free(&picture);
    return status;
}

static void read_and_explain(vgg_serve_request *request) {
    const vgg_serve_version *version = request->job.version;
    vgg_decode_options how;
    vgg_image image = {0};
    vgg_error error = {.status = VGG_ERROR_MEMORY, .message = "out of memory for a map"};
    vgg_decode_options_init(&how, sizeof how);
    how.max_pixels = request->server->limits.max_pixels;
    float *map = calloc(version->height * version->width, sizeof *map);
    vgg_status status = VGG_ERROR_MEMORY;
    if (map != NULL)
        status =
            vgg_image_decode_with(request->body, request->body_size, "-", &how, &image, &error);
    if (status == VGG_OK)
        status = explain(request, &image, map, &error);
    if (status != VGG_OK)
        vgg_serve_fail(request, vgg_serve_code_of(status), "%s", error.message);
    vgg_image_free(&image);
    free(map);
}

bool vgg_serve_explain_prepare(vgg_serve_job *job) {
    vgg_serve_request *request = (vgg_serve_request *)job;
    size_t classes = job->version->classes;
    if (request->body_size == 0)
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "the request is empty, expected a picture");
    else if (request->explained != VGG_EXPLAIN_USUAL && request->explained >= classes)
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "class: found %zu, expected 0 to %zu",
                       request->explained, classes - 1);
    else if (request->layer[0] != '\0' && request->method_of > VGG_EXPLAIN_LAYERCAM)
        vgg_serve_fail(request, MHD_HTTP_BAD_REQUEST, "layer: %s looks at none",
                       vgg_explain_method_name(request->method_of));
    else
        read_and_explain(request);
    return false;
}

void vgg_serve_explain_finish(vgg_serve_job *job) {
    vgg_serve_request *request = (vgg_serve_request *)job;
    if (job->outcome == VGG_SERVE_FULL)
        vgg_serve_fail(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                       "another picture is being explained; come back later");
    else
        vgg_serve_fail_job(request);
    vgg_serve_reply(request);
}
