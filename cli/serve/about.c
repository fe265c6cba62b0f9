#include "cli/serve/about.h"

#include <jansson.h>
#include <stdio.h>

#include "cli/json.h"
#include "cli/serve/infer.h"

/* ---- health ---- */

void vgg_serve_is_live(vgg_serve_request *request) {
    vgg_serve_answer_json(request, MHD_HTTP_OK, json_pack("{s:b}", "live", 1));
}

void vgg_serve_is_ready(vgg_serve_request *request) {
    bool ready = !atomic_load(&request->server->draining);
    vgg_serve_answer_json(request, ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                          json_pack("{s:b}", "ready", ready));
}

void vgg_serve_health(vgg_serve_request *request) {
    bool draining = atomic_load(&request->server->draining);
    vgg_serve_answer_json(request, draining ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK,
                          json_pack("{s:s}", "status", draining ? "stopping" : "ok"));
}

/* ---- metadata ---- */

void vgg_serve_about_server(vgg_serve_request *request) {
    vgg_serve_answer_json(request, MHD_HTTP_OK,
                          json_pack("{s:s, s:s, s:[s, s]}", "name", "vgg", "version", vgg_version(),
                                    "extensions", "binary_tensor_data", "classification"));
}

static json_t *tensor(const char *name, const char *datatype, json_t *shape) {
    return json_pack("{s:s, s:s, s:o}", "name", name, "datatype", datatype, "shape", shape);
}

/* What any layer gives can be asked for by its name. */
static json_t *layers_of(const vgg_network *network) {
    json_t *layers = json_array();
    for (size_t i = 0; i < vgg_network_layer_count(network); i++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        vgg_network_layer(network, i, &info, NULL);
        json_t *shape = json_pack("[i]", -1);
        for (size_t d = 0; d < info.dimensions; d++) {
            shape = vgg_cli_json_appended(shape, json_integer((json_int_t)info.output[d]));
        }
        json_t *layer = tensor(info.name, "FP32", shape);
        if (layer != NULL && info.paper_name[0] != '\0' &&
            json_object_set_new(layer, "paper_name", json_string(info.paper_name)) != 0) {
            json_decref(layer);
            layer = NULL;
        }
        layers = vgg_cli_json_appended(layers, layer);
    }
    return layers;
}

/* The pictures that can be searched with the model; null: none can. */
static json_t *index_of(vgg_serve_server *server, const vgg_serve_model *model) {
    vgg_serve_index *index = vgg_serve_index_acquire(&server->catalogue);
    json_t *found = json_null();
    if (index != NULL && index->model == model)
        found = json_pack("{s:I}", "pictures", (json_int_t)index->pictures);
    vgg_serve_index_release(index);
    return found;
}

/* Beside what the protocol asks for: the names of the classes, and how the model came to be as far
 * as its notes say. */
static json_t *describe(vgg_serve_server *server, vgg_serve_model *model) {
    vgg_serve_version *version = vgg_serve_version_acquire(model);
    json_int_t classes = (json_int_t)version->classes;
    const char *const *names = vgg_model_class_names(version->model);
    const char *arch = vgg_network_describe(vgg_model_network(version->model))->arch;
    char number[32];
    snprintf(number, sizeof number, "%zu", version->number);
    json_t *labels = names != NULL ? json_array() : json_null();
    for (size_t i = 0; names != NULL && i < version->classes; i++) {
        labels = vgg_cli_json_appended(labels, vgg_cli_json_text(names[i]));
    }
    json_t *inputs =
        json_pack("[o, o]", tensor(VGG_SERVE_IMAGE, "BYTES", json_pack("[i]", -1)),
                  tensor(VGG_SERVE_INPUT, "FP32",
                         json_pack("[i, I, I, I]", -1, (json_int_t)version->channels,
                                   (json_int_t)version->height, (json_int_t)version->width)));
    json_t *outputs =
        json_pack("[o, o, o]", tensor("probabilities", "FP32", json_pack("[i, I]", -1, classes)),
                  tensor("logits", "FP32", json_pack("[i, I]", -1, classes)),
                  tensor("label", "BYTES", json_pack("[i]", -1)));
    json_t *parameters = json_pack(
        "{s:o, s:b, s:o, s:o, s:o}", "labels", labels, "multi_label",
        vgg_model_output(version->model) == VGG_OUTPUT_SIGMOID, "arch", vgg_cli_json_text(arch),
        "layers", layers_of(vgg_model_network(version->model)), "index", index_of(server, model));
    json_t *object = json_pack("{s:s, s:[s], s:s, s:o, s:o, s:o}", "name", model->name, "versions",
                               number, "platform", "vgg", "inputs", inputs, "outputs", outputs,
                               "parameters", parameters);
    vgg_serve_version_release(version);
    return object;
}

void vgg_serve_about_model(vgg_serve_request *request) {
    vgg_serve_answer_json(request, MHD_HTTP_OK, describe(request->server, request->job.model));
}

void vgg_serve_about_models(vgg_serve_request *request) {
    vgg_serve_models *models = &request->server->models;
    json_t *list = json_array();
    for (size_t i = 0; i < models->count; i++) {
        list = vgg_cli_json_appended(list, describe(request->server, &models->entries[i]));
    }
    vgg_serve_answer_json(request, MHD_HTTP_OK, list);
}
