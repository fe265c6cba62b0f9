#include "cli/serve/memory.h"

#include "cli/message.h"
#include "cli/serve/http.h"
#include "cli/serve/json_numbers.h"
#include "cli/serve/layers.h"
#include "vgg/explain.h"

/* Bytes of a pixel while it is decoded: of a progressive JPEG four coefficients of two bytes, and
 * up to four samples. */
#define PIXEL_BYTES 12
/* A value of JSON, read: a number in a list, or a text of a few letters in an object. */
#define JSON_VALUE_BYTES 160

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t weights_of(const vgg_serve_version *version) {
    const vgg_network *network = vgg_model_network(version->model);
    size_t bytes = 0;
    for (size_t i = 0; i < vgg_network_tensor_count(network); i++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        if (vgg_network_tensor(network, i, &info, NULL) == VGG_OK)
            bytes += info.count * sizeof(float);
    }
    return bytes;
}

/* Explaining a picture with the method and layer that take most. */
static size_t explaining_of(const vgg_serve_server *server, const vgg_serve_version *version) {
    vgg_explain_options options;
    size_t most = 0;
    vgg_explain_options_init(&options, sizeof options);
    options.shared_threads = server->models.computing.threads;
    options.exact = server->models.computing.exact;
    options.precision = server->models.computing.precision;
    options.device = server->models.computing.device;
    options.layer = 0; /* gradients go down to the lowest */
    for (int method = VGG_EXPLAIN_GRADCAM; method <= VGG_EXPLAIN_OCCLUSION; method++) {
        size_t bytes = 0;
        options.method = (vgg_explain_method)method;
        if (vgg_explainer_memory(version->model, &options, &bytes, NULL) == VGG_OK && bytes > most)
            most = bytes;
    }
    return most;
}

/* What a thread takes that makes numbers, texts and values of the JSON of one request. */
static size_t json_of(const vgg_serve_server *server, const vgg_serve_version *version) {
    const vgg_serve_limits *limits = &server->limits;
    size_t numbers = (limits->max_pictures + 1) * version->input;
    if (numbers > limits->max_body / 2) /* a digit and a comma at least */
        numbers = limits->max_body / 2;
    /* The array grows to twice its size while the old one is there, and pictures have copies. */
    size_t arrays = 3 * numbers + limits->max_pictures * version->input;
    return arrays * sizeof(float) + limits->max_body + VGG_SERVE_JSON_VALUES * JSON_VALUE_BYTES;
}

void vgg_serve_memory_say(const vgg_serve_server *server, const vgg_serve_work_options *work) {
    size_t weights = 0, computing = 0, layers = 0, queues = 0, explaining = 0, json = 0, index = 0;
    char texts[10][VGG_CLI_TEXT_SIZE];
    for (size_t i = 0; i < server->models.count; i++) {
        const vgg_serve_version *version = server->models.entries[i].version;
        weights += weights_of(version);
        computing += vgg_predictor_memory(version->predictor);
        layers +=
            vgg_serve_layers_memory(&server->models.computing, version, server->limits.max_body);
        queues += work->queue * version->input * sizeof(float);
        explaining = larger(explaining, explaining_of(server, version));
        json = larger(json, work->readers * json_of(server, version));
    }
    /* While it is opened anew the old one is there. */
    if (server->catalogue.index != NULL)
        index = 2 * vgg_index_memory(server->catalogue.index->opened);
    /* Beside readers one thread explains, and one may search. */
    size_t threads = work->readers + 1 + (index > 0 ? 1 : 0);
    size_t reading = threads * work->max_pixels * PIXEL_BYTES;
    size_t clients =
        server->limits.max_bodies + server->limits.connections * VGG_SERVE_CONNECTION_MEMORY;
    size_t all =
        weights + computing + layers + explaining + index + queues + reading + json + clients;
    vgg_cli_complain("serve",
                     "memory: limits of %s in all: weights %s, batches %s, layers that are asked "
                     "for %s, explaining %s, index %s, queues %s, pictures that are read %s, JSON "
                     "%s, requests %s",
                     vgg_cli_bytes_text(texts[0], all), vgg_cli_bytes_text(texts[1], weights),
                     vgg_cli_bytes_text(texts[2], computing), vgg_cli_bytes_text(texts[3], layers),
                     vgg_cli_bytes_text(texts[4], explaining), vgg_cli_bytes_text(texts[5], index),
                     vgg_cli_bytes_text(texts[6], queues), vgg_cli_bytes_text(texts[7], reading),
                     vgg_cli_bytes_text(texts[8], json), vgg_cli_bytes_text(texts[9], clients));
}
