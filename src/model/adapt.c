/* A model that begins with what another has learnt. */
#include "base/memory.h"
#include "model/model.h"
#include "nn/network.h"

static size_t last_layer(const vgg_network *network) {
    size_t last = 0;
    for (size_t l = 0; l < network->layer_count; l++) {
        last = network->layers[l].tensors > 0 ? l : last;
    }
    return last;
}

/* Copies a layer's values, which have the same shapes. */
static vgg_status copy_layer(const vgg_network *from, size_t from_layer, vgg_network *to,
                             size_t to_layer, vgg_error *error) {
    const vgg_layer *source = &from->layers[from_layer], *target = &to->layers[to_layer];
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < target->tensors; i++) {
        status = vgg_network_take_values(to, target->first_tensor + i, from,
                                         source->first_tensor + i, error);
    }
    return status;
}

vgg_status vgg_model_adapt(const vgg_model *model, const char *const *class_names, size_t classes,
                           uint64_t seed, vgg_model **adapted, vgg_error *error) {
    const vgg_network *from = vgg_model_network(model);
    vgg_network_options options = *vgg_network_describe(from);
    vgg_network *network = NULL;
    options.classes = classes;
    vgg_status status = vgg_network_create(&options, &network, error);
    if (status == VGG_OK)
        status = vgg_network_initialise(network, "kaiming", seed, error);
    for (size_t l = 0; status == VGG_OK && l < last_layer(network); l++) {
        status = copy_layer(from, l, network, l, error);
    }
    if (status == VGG_OK)
        status =
            vgg_model_create(network, vgg_model_preprocess(model), class_names, adapted, error);
    if (status == VGG_OK)
        (*adapted)->preprocess.side_count = 0;
    else
        vgg_network_free(network);
    return status;
}

/* ---- the paper's first weights ---- */

/* What A gives to the deeper networks (Simonyan & Zisserman, section 3.1). */
#define FIRST_CONVOLUTIONS 4
#define LAST_LINEAR 3

static size_t count_layers(const vgg_network *network, vgg_layer_type type) {
    size_t count = 0;
    for (size_t l = 0; l < network->layer_count; l++) {
        count += network->layers[l].type == type;
    }
    return count;
}

/* The layer that is number `number` of its type; there is one. */
static size_t layer_of_type(const vgg_network *network, vgg_layer_type type, size_t number) {
    size_t layer = 0;
    for (size_t l = 0, found = 0; l < network->layer_count && found <= number; l++) {
        if (network->layers[l].type == type) {
            found++;
            layer = l;
        }
    }
    return layer;
}

static bool same_shapes(const vgg_network *one, const vgg_layer *left, const vgg_network *other,
                        const vgg_layer *right) {
    bool same = left->tensors == right->tensors;
    for (size_t i = 0; same && i < left->tensors; i++) {
        const vgg_tensor_info *a = &one->tensors[left->first_tensor + i].info;
        const vgg_tensor_info *b = &other->tensors[right->first_tensor + i].info;
        same = a->dimensions == b->dimensions;
        for (size_t d = 0; same && d < a->dimensions; d++) {
            same = a->shape[d] == b->shape[d];
        }
    }
    return same;
}

static vgg_status take_layer(vgg_network *network, size_t to, const vgg_network *from, size_t at,
                             size_t *taken, vgg_error *error) {
    if (!same_shapes(network, &network->layers[to], from, &from->layers[at]))
        return VGG_OK;
    ++*taken;
    return copy_layer(from, at, network, to, error);
}

vgg_status vgg_network_take_ends(vgg_network *network, const vgg_network *from, size_t *taken,
                                 vgg_error *error) {
    const vgg_layer_type convolution = VGG_LAYER_CONVOLUTION, linear = VGG_LAYER_LINEAR;
    size_t first =
        vgg_size_min(count_layers(network, convolution), count_layers(from, convolution));
    size_t own = count_layers(network, linear), theirs = count_layers(from, linear);
    vgg_status status = VGG_OK;
    *taken = 0;
    for (size_t i = 0; status == VGG_OK && i < vgg_size_min(first, FIRST_CONVOLUTIONS); i++) {
        status = take_layer(network, layer_of_type(network, convolution, i), from,
                            layer_of_type(from, convolution, i), taken, error);
    }
    size_t last = vgg_size_min(vgg_size_min(own, theirs), LAST_LINEAR);
    for (size_t i = 1; status == VGG_OK && i <= last; i++) {
        status = take_layer(network, layer_of_type(network, linear, own - i), from,
                            layer_of_type(from, linear, theirs - i), taken, error);
    }
    return status;
}
