#include "cli/serve/memory.h"

#include "cli/message.h"
#include "cli/serve/http.h"
#include "cli/serve/layers.h"

/* Bytes of a pixel while it is decoded: of a progressive JPEG four coefficients of two bytes, and
 * up to four samples. */
#define PIXEL_BYTES 12

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

void vgg_serve_memory_say(const vgg_serve_server *server, const vgg_serve_work_options *work) {
    size_t weights = 0, computing = 0, layers = 0, queues = 0;
    char texts[7][VGG_CLI_TEXT_SIZE];
    for (size_t i = 0; i < server->models.count; i++) {
        const vgg_serve_version *version = server->models.entries[i].version;
        weights += weights_of(version);
        computing += vgg_predictor_memory(version->predictor);
        layers +=
            vgg_serve_layers_memory(&server->models.computing, version, server->limits.max_body);
        queues += work->queue * version->input * sizeof(float);
    }
    size_t reading = work->readers * work->max_pixels * PIXEL_BYTES;
    size_t clients =
        server->limits.max_bodies + server->limits.connections * VGG_SERVE_CONNECTION_MEMORY;
    vgg_cli_complain(
        "serve",
        "memory: limits of %s in all: weights %s, batches %s, layers that are asked "
        "for %s, queues %s, pictures that are read %s, requests %s; explaining a picture takes its "
        "own",
        vgg_cli_bytes_text(texts[0], weights + computing + layers + queues + reading + clients),
        vgg_cli_bytes_text(texts[1], weights), vgg_cli_bytes_text(texts[2], computing),
        vgg_cli_bytes_text(texts[3], layers), vgg_cli_bytes_text(texts[4], queues),
        vgg_cli_bytes_text(texts[5], reading), vgg_cli_bytes_text(texts[6], clients));
}
