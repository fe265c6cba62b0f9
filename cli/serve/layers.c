#include "cli/serve/layers.h"

#include <stdlib.h>
#include <string.h>

/* Pictures at once: what layers give is larger than logits by far. */
#define BATCH_MOST 8

static size_t batch_of(const vgg_serve_computing *computing) {
    return computing->batch < BATCH_MOST ? computing->batch : BATCH_MOST;
}

/* ---- the extractor ---- */

static bool fits(const vgg_serve_version *version, const vgg_serve_job *job) {
    bool same = version->extractor != NULL && version->tap_count == job->tap_count;
    for (size_t t = 0; same && t < job->tap_count; t++) {
        same = version->taps[t].layer == job->taps[t].layer;
    }
    return same;
}

/* Makes the version's extractor one of the layers that the job asks for. */
static vgg_status obtain(const vgg_serve_computing *computing, vgg_serve_version *version,
                         const vgg_serve_job *job, vgg_error *error) {
    vgg_extractor_options options;
    if (fits(version, job))
        return VGG_OK;
    vgg_extractor_free(version->extractor);
    version->extractor = NULL;
    memcpy(version->taps, job->taps, sizeof version->taps);
    version->tap_count = job->tap_count;
    vgg_extractor_options_init(&options, sizeof options);
    options.taps = version->taps;
    options.tap_count = version->tap_count;
    options.batch = batch_of(computing);
    options.tuned_batch = VGG_SERVE_TUNED_BATCH;
    options.shared_threads = computing->threads;
    options.exact = computing->exact;
    options.precision = computing->precision;
    options.device = computing->device;
    return vgg_extractor_create(version->model, &options, &version->extractor, error);
}

/* ---- computing ---- */

static bool keep_values(void *user, const vgg_extract_result *result) {
    const vgg_serve_batch *together = user;
    vgg_serve_picture *picture = together->pictures[result->number];
    if (picture->status != VGG_OK)
        return true;
    if (result->error != NULL) {
        vgg_serve_picture_fail(picture, result->error);
        return true;
    }
    picture->layers = malloc(picture->job->tap_values * sizeof *picture->layers);
    if (picture->layers == NULL) {
        picture->status = VGG_ERROR_MEMORY;
        return true;
    }
    float *to = picture->layers;
    for (size_t t = 0; t < picture->job->tap_count; t++) {
        vgg_tap_info info = {.struct_size = sizeof info};
        vgg_extractor_tap(together->version->extractor, t, &info, NULL);
        memcpy(to, result->values[t], info.values * sizeof *to);
        to += info.values;
    }
    return true;
}

void vgg_serve_layers_compute(const vgg_serve_computing *computing, vgg_serve_batch *together) {
    vgg_serve_version *version = together->version;
    vgg_error error;
    vgg_status status = obtain(computing, version, together->job, &error);
    if (status == VGG_OK)
        status = vgg_extract_inputs(version->extractor, together->inputs, together->count,
                                    keep_values, together, &error);
    for (size_t i = 0; status != VGG_OK && i < together->count; i++) {
        vgg_serve_picture *picture = together->pictures[i];
        if (picture->layers == NULL && picture->status == VGG_OK)
            vgg_serve_picture_fail(picture, &error);
    }
}

/* ---- memory ---- */

size_t vgg_serve_layers_memory(const vgg_serve_computing *computing,
                               const vgg_serve_version *version, size_t most) {
    const vgg_network *network = vgg_model_network(version->model);
    size_t count = vgg_network_layer_count(network), plan = 0, values = 0;
    vgg_tap *taps = calloc(count, sizeof *taps);
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    for (size_t i = 0; taps != NULL && i < count; i++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        vgg_network_layer(network, i, &info, NULL);
        taps[i].layer = i;
        values += vgg_serve_layer_values(&info);
    }
    options.taps = taps;
    options.tap_count = taps != NULL ? count : 0;
    options.ends_at_taps = taps != NULL;
    options.batch = batch_of(computing);
    options.tuned_batch = VGG_SERVE_TUNED_BATCH;
    options.shared_threads = computing->threads;
    options.exact = computing->exact;
    options.precision = computing->precision;
    options.device = computing->device;
    vgg_plan_memory(network, &options, &plan, NULL);
    free(taps);
    size_t picture = values * sizeof(float) < most ? values * sizeof(float) : most;
    return plan + options.batch * (picture + version->input * sizeof(float));
}
