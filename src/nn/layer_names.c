/* Layers by the paper's counting: conv5_3, relu5_3, pool5, fc7. */
#include <stdio.h>
#include <strings.h>

#include "base/error.h"
#include "nn/network.h"

/* What has been counted so far. */
typedef struct counter {
    size_t block, convolution; /* of the last convolution; 0: none yet */
    size_t pools;
    size_t linear; /* of the last linear layer; 0: none yet */
} counter;

/* Of a layer that stands behind a convolution or a linear layer, "relu5_3" or "relu7". */
static void name_behind(vgg_layer *layer, const char *kind, const counter *at) {
    if (at->linear > 0)
        snprintf(layer->paper_name, sizeof layer->paper_name, "%s%zu", kind, at->linear);
    else if (at->convolution > 0 && at->block == at->pools + 1)
        snprintf(layer->paper_name, sizeof layer->paper_name, "%s%zu_%zu", kind, at->block,
                 at->convolution);
}

static void name_convolution(vgg_layer *layer, counter *at) {
    at->convolution = at->block == at->pools + 1 ? at->convolution + 1 : 1;
    at->block = at->pools + 1;
    name_behind(layer, "conv", at);
}

static void name_linear(vgg_layer *layer, counter *at) {
    at->linear = at->linear > 0 ? at->linear + 1 : at->block + 1;
    name_behind(layer, "fc", at);
}

static void name_pool(vgg_layer *layer, counter *at) {
    at->pools++;
    snprintf(layer->paper_name, sizeof layer->paper_name, "pool%zu", at->pools);
}

static void name_layer(vgg_layer *layer, counter *at) {
    switch (layer->type) {
    case VGG_LAYER_CONVOLUTION:
        name_convolution(layer, at);
        break;
    case VGG_LAYER_LINEAR:
        name_linear(layer, at);
        break;
    case VGG_LAYER_MAX_POOL:
    case VGG_LAYER_AVERAGE_POOL_2X2:
        name_pool(layer, at);
        break;
    case VGG_LAYER_BATCH_NORM:
        name_behind(layer, "bn", at);
        break;
    case VGG_LAYER_RELU:
        name_behind(layer, "relu", at);
        break;
    case VGG_LAYER_DROPOUT:
        name_behind(layer, "drop", at);
        break;
    case VGG_LAYER_LOCAL_RESPONSE_NORM:
        name_behind(layer, "lrn", at);
        break;
    case VGG_LAYER_AVERAGE_POOL:
    case VGG_LAYER_GLOBAL_AVERAGE_POOL:
    case VGG_LAYER_GLOBAL_MAX_POOL:
        break;
    }
}

/* Whether a layer before number `layer` has its name; the second ReLU behind a convolution has
 * none. */
static bool is_taken(const vgg_network *network, size_t layer) {
    for (size_t i = 0; i < layer; i++) {
        if (strcasecmp(network->layers[i].paper_name, network->layers[layer].paper_name) == 0)
            return true;
    }
    return false;
}

void vgg_network_name_layers(vgg_network *network) {
    counter at = {0};
    for (size_t i = 0; i < network->layer_count; i++) {
        name_layer(&network->layers[i], &at);
        if (is_taken(network, i))
            network->layers[i].paper_name[0] = '\0';
    }
}

/* The last layer of a type that has a name by the paper's counting; NULL: there is none. */
static const char *last_named(const vgg_network *network, vgg_layer_type type) {
    for (size_t i = network->layer_count; i-- > 0;) {
        const vgg_layer *layer = &network->layers[i];
        if (layer->type == type && layer->paper_name[0] != '\0')
            return layer->paper_name;
    }
    return NULL;
}

vgg_status vgg_network_find_layer(const vgg_network *network, const char *name, size_t *layer,
                                  vgg_error *error) {
    if (strcasecmp(name, "logits") == 0) {
        *layer = network->layer_count - 1;
        return VGG_OK;
    }
    for (size_t i = 0; i < network->layer_count; i++) {
        const vgg_layer *at = &network->layers[i];
        if (strcasecmp(name, at->name) == 0 ||
            (at->paper_name[0] != '\0' && strcasecmp(name, at->paper_name) == 0)) {
            *layer = i;
            return VGG_OK;
        }
    }
    const char *convolution = last_named(network, VGG_LAYER_CONVOLUTION);
    const char *linear = last_named(network, VGG_LAYER_LINEAR);
    return vgg_fail(error, VGG_ERROR_NOT_FOUND,
                    "no layer %.64s: the last ones are %s%s%s, and %s by torchvision's names", name,
                    convolution != NULL ? convolution : "",
                    convolution != NULL && linear != NULL ? " and " : "",
                    linear != NULL ? linear : "", network->layers[network->layer_count - 1].name);
}
