/* A number that stands for a model. */
#include <string.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/memory.h"
#include "nn/network.h"
#include "vgg/model.h"

/* Adds the values of a tensor, which may be stored in another type. */
static vgg_status add_tensor(const vgg_network *network, size_t tensor, vgg_checksum *all,
                             vgg_error *error) {
    vgg_tensor_info info = {.struct_size = sizeof info};
    vgg_status status = vgg_network_tensor(network, tensor, &info, error);
    const float *values = vgg_network_values(network, tensor);
    float *copy = NULL;
    if (status == VGG_OK && values == NULL) {
        copy = vgg_malloc(info.count * sizeof *copy);
        status = copy == NULL ? vgg_fail_memory(error, "a tensor", info.count * sizeof *copy)
                              : vgg_network_copy_values(network, tensor, copy, info.count, error);
    }
    if (status == VGG_OK)
        vgg_checksum_add(all, values != NULL ? values : copy, info.count * sizeof *values);
    vgg_free(copy);
    return status;
}

/* Adds by what scales a layer is computed in int8; nothing for one that is not. */
static void add_int8(const vgg_network *network, size_t layer, vgg_checksum *all) {
    const vgg_int8 *int8 = network->layers[layer].int8;
    if (int8 == NULL)
        return;
    size_t points = vgg_int8_points(int8->tile);
    const uint64_t place[] = {layer, int8->tile};
    vgg_checksum_add(all, place, sizeof place);
    vgg_checksum_add(all, int8->inputs, points * sizeof *int8->inputs);
    vgg_checksum_add(all, int8->weights,
                     points * network->layers[layer].output.channels * sizeof *int8->weights);
}

vgg_status vgg_model_fingerprint(const vgg_model *model, uint64_t *sum, vgg_error *error) {
    const vgg_network *network = vgg_model_network(model);
    char *text = NULL;
    vgg_status status = vgg_model_describe(model, &text, error);
    if (status != VGG_OK)
        return status;
    vgg_checksum all;
    vgg_checksum_begin(&all);
    vgg_checksum_add(&all, text, strlen(text));
    vgg_string_free(text);
    for (size_t t = 0; status == VGG_OK && t < vgg_network_tensor_count(network); t++) {
        status = add_tensor(network, t, &all, error);
    }
    for (size_t i = 0; status == VGG_OK && i < network->layer_count; i++) {
        add_int8(network, i, &all);
    }
    *sum = vgg_checksum_end(&all);
    return status;
}
