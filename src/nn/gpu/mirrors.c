/* Values of networks in the device's memory: of the plan's own, and of the copies that an optimiser
 * keeps. Host and device take turns: whoever moved values last has the right ones. */
#include "base/error.h"
#include "nn/gpu/gpu.h"

static bool has_values(const vgg_tensor *tensor) {
    return vgg_tensor_numbers(tensor).at != NULL;
}

/* Narrow numbers become floats on the way. */
static void upload(gpu_state *state, const vgg_tensor *tensor, float *to) {
    size_t bytes = tensor->info.count * sizeof *to;
    if (tensor->values != NULL) {
        vgg_gpu_note(state, state->calls->upload(state->gpu, to, tensor->values, bytes));
        return;
    }
    float *wide = vgg_aligned_alloc(bytes);
    if (wide == NULL) {
        vgg_gpu_note(state, VGG_GPU_NO_MEMORY);
        return;
    }
    vgg_tensor_widen(tensor, wide);
    vgg_gpu_note(state, state->calls->upload(state->gpu, to, wide, bytes));
    vgg_gpu_note(state, state->calls->wait(state->gpu));
    vgg_free(wide);
}

static void note_versions(gpu_mirror *mirror) {
    mirror->version = mirror->network->version;
    mirror->statistics = mirror->network->statistics;
}

static bool is_current(const gpu_mirror *mirror) {
    return mirror->filled && mirror->version == mirror->network->version &&
           mirror->statistics == mirror->network->statistics;
}

static void fill(gpu_state *state, gpu_mirror *mirror) {
    for (size_t t = 0; t < mirror->network->tensor_count; t++) {
        const vgg_tensor *tensor = &mirror->network->tensors[t];
        if (mirror->at[t] != NULL && has_values(tensor))
            upload(state, tensor, mirror->at[t]);
    }
    mirror->filled = true;
    note_versions(mirror);
}

static gpu_mirror *find(gpu_state *state, const vgg_network *network) {
    gpu_mirror *mirror = state->own.network == network ? &state->own : state->copies;
    while (mirror != NULL && mirror->network != network) {
        mirror = mirror->next;
    }
    return mirror;
}

/* Whether the device has moved the values since the host had them. */
static bool is_ahead(const vgg_plan *plan, const gpu_mirror *mirror) {
    return mirror->network->ahead && mirror->network->kept == plan;
}

gpu_mirror *vgg_gpu_mirror(vgg_plan *plan, const vgg_network *network) {
    gpu_state *state = vgg_gpu_state(plan);
    gpu_mirror *mirror = find(state, network);
    if (mirror == NULL)
        return NULL;
    if (is_ahead(plan, mirror))
        note_versions(mirror);
    else if (!is_current(mirror))
        fill(state, mirror);
    return mirror;
}

static vgg_status take(gpu_state *state, gpu_mirror *mirror, vgg_error *error) {
    const vgg_network *network = mirror->network;
    mirror->at = vgg_calloc(network->tensor_count, sizeof *mirror->at);
    if (mirror->at == NULL)
        return vgg_fail_memory(error, "values on a GPU", network->tensor_count * sizeof(float *));
    for (size_t t = 0; t < network->tensor_count; t++) {
        size_t bytes = network->tensors[t].info.count * sizeof(float);
        if (!has_values(&network->tensors[t]))
            continue;
        mirror->at[t] = state->calls->take(state->gpu, bytes);
        if (mirror->at[t] == NULL)
            return vgg_fail_memory(error, "what an optimiser keeps on the GPU", bytes);
    }
    return VGG_OK;
}

static void free_mirror(gpu_state *state, gpu_mirror *mirror) {
    for (size_t t = 0; mirror->at != NULL && t < mirror->network->tensor_count; t++) {
        state->calls->give_back(state->gpu, mirror->at[t]);
    }
    mirror->trained->kept = NULL;
    mirror->trained->ahead = false;
    vgg_free(mirror->at);
    vgg_free(mirror);
}

vgg_status vgg_gpu_adopt(vgg_plan *plan, vgg_network *network, vgg_error *error) {
    gpu_state *state = vgg_gpu_state(plan);
    gpu_mirror *mirror = vgg_calloc(1, sizeof *mirror);
    if (mirror == NULL)
        return vgg_fail_memory(error, "values on a GPU", sizeof *mirror);
    mirror->network = mirror->trained = network;
    vgg_status status = take(state, mirror, error);
    if (status != VGG_OK) {
        free_mirror(state, mirror);
        return status;
    }
    network->kept = plan;
    mirror->next = state->copies;
    state->copies = mirror;
    return VGG_OK;
}

void vgg_gpu_forget(vgg_plan *plan, vgg_network *network) {
    gpu_state *state = vgg_gpu_state(plan);
    for (gpu_mirror **at = &state->copies; *at != NULL; at = &(*at)->next) {
        gpu_mirror *mirror = *at;
        if (mirror->network != network)
            continue;
        *at = mirror->next;
        free_mirror(state, mirror);
        return;
    }
}

static void fetch_last(vgg_network *network) {
    if (vgg_network_settle(network, NULL) != VGG_OK)
        network->lost = true;
}

void vgg_gpu_free_mirrors(vgg_plan *plan) {
    gpu_state *state = vgg_gpu_state(plan);
    vgg_network *trained = state->own.trained;
    if (trained != NULL && trained->kept == plan) {
        fetch_last(trained);
        trained->kept = NULL;
        trained->ahead = false;
    }
    while (state->copies != NULL) {
        gpu_mirror *mirror = state->copies;
        fetch_last(mirror->trained);
        state->copies = mirror->next;
        free_mirror(state, mirror);
    }
}

vgg_status vgg_gpu_fetch(vgg_plan *plan, const vgg_network *network, vgg_error *error) {
    gpu_state *state = vgg_gpu_state(plan);
    gpu_mirror *mirror = find(state, network);
    if (mirror == NULL || !is_ahead(plan, mirror))
        return VGG_OK;
    for (size_t t = 0; t < network->tensor_count; t++) {
        const vgg_tensor *tensor = &network->tensors[t];
        if (mirror->at[t] != NULL && tensor->owned != NULL)
            vgg_gpu_note(state, state->calls->download(state->gpu, tensor->owned, mirror->at[t],
                                                       tensor->info.count * sizeof(float)));
    }
    vgg_status status = vgg_gpu_tell(plan, error);
    if (status != VGG_OK)
        return status;
    mirror->trained->ahead = false;
    note_versions(mirror);
    return VGG_OK;
}

float *vgg_gpu_place(vgg_plan *plan, const vgg_network *network, size_t tensor) {
    gpu_mirror *mirror = vgg_gpu_mirror(plan, network);
    if (mirror == NULL || mirror->trained == NULL || network->tensors[tensor].owned == NULL)
        return NULL;
    mirror->trained->kept = plan;
    mirror->trained->ahead = true;
    return mirror->at[tensor];
}

float *vgg_gpu_tensor(vgg_plan *plan, size_t layer, size_t which) {
    return vgg_gpu_state(plan)->own.at[plan->network->layers[layer].first_tensor + which];
}
