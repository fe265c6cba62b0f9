#include "nn/network.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "nn/architecture.h"

/* Side of torchvision's average pool. */
#define AVERAGE_SIDE 7

void vgg_network_options_init(vgg_network_options *options, size_t size) {
    const vgg_network_options defaults = {.struct_size = size,
                                          .arch = "D",
                                          .layout = VGG_LAYOUT_PAPER,
                                          .classes = 1000,
                                          .channels = 3,
                                          .height = 224,
                                          .width = 224,
                                          .dropout = 0.5};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- building ---- */

/* A network while its layers are appended. */
typedef struct layer_builder {
    vgg_network *network;
    size_t feature, classifier; /* next index in torchvision's two Sequential modules */
} layer_builder;

static size_t tensors_of(vgg_layer_type type) {
    if (type == VGG_LAYER_BATCH_NORM)
        return 4;
    return type == VGG_LAYER_CONVOLUTION || type == VGG_LAYER_LINEAR ? 2 : 0;
}

static vgg_layer *add_layer(layer_builder *to, vgg_layer_type type) {
    vgg_network *network = to->network;
    vgg_layer *layer = &network->layers[network->layer_count++];
    *layer = (vgg_layer){
        .type = type, .first_tensor = network->tensor_count, .tensors = tensors_of(type)};
    network->tensor_count += layer->tensors;
    return layer;
}

static vgg_layer *add_feature(layer_builder *to, vgg_layer_type type) {
    vgg_layer *layer = add_layer(to, type);
    snprintf(layer->name, sizeof layer->name, "features.%zu", to->feature++);
    return layer;
}

static vgg_layer *add_classifier(layer_builder *to, vgg_layer_type type) {
    vgg_layer *layer = add_layer(to, type);
    snprintf(layer->name, sizeof layer->name, "classifier.%zu", to->classifier++);
    layer->flattens = true;
    return layer;
}

static void add_convolution(layer_builder *to, const vgg_arch_token *token) {
    vgg_layer *layer = add_feature(to, VGG_LAYER_CONVOLUTION);
    layer->kernel = token->kernel;
    layer->output.channels = token->channels;
    if (to->network->options.batch_norm)
        add_feature(to, VGG_LAYER_BATCH_NORM);
    add_feature(to, VGG_LAYER_RELU);
}

static void add_linear(layer_builder *to, size_t features) {
    add_classifier(to, VGG_LAYER_LINEAR)->output.channels = features;
}

static void add_dropout(layer_builder *to) {
    add_classifier(to, VGG_LAYER_DROPOUT)->dropout = to->network->options.dropout;
}

static void add_layers(layer_builder *to, const vgg_arch_list *list) {
    const vgg_network_options *options = &to->network->options;
    for (size_t i = 0; i < list->token_count; i++) {
        if (list->tokens[i].type == VGG_LAYER_CONVOLUTION)
            add_convolution(to, &list->tokens[i]);
        else
            add_feature(to, list->tokens[i].type);
    }
    if (options->layout == VGG_LAYOUT_TORCHVISION) {
        vgg_layer *layer = add_layer(to, VGG_LAYER_AVERAGE_POOL);
        snprintf(layer->name, sizeof layer->name, "avgpool");
    }
    for (size_t i = 0; i < list->hidden_count; i++) {
        add_linear(to, list->hidden[i]);
        if (options->layout == VGG_LAYOUT_PAPER)
            add_dropout(to);
        add_classifier(to, VGG_LAYER_RELU);
        if (options->layout == VGG_LAYOUT_TORCHVISION)
            add_dropout(to);
    }
    add_linear(to, options->classes);
}

/* Counts what add_layers may append at most. */
static size_t most_layers(const vgg_arch_list *list) {
    return 3 * list->token_count + 3 * list->hidden_count + 2;
}

/* ---- shapes ---- */

/* The extent that leaves a layer; a linear layer's own width is in layer->output.channels. */
static vgg_extent output_extent(const vgg_layer *layer, vgg_extent in) {
    switch (layer->type) {
    case VGG_LAYER_CONVOLUTION:
        return (vgg_extent){layer->output.channels, in.height, in.width};
    case VGG_LAYER_MAX_POOL:
        return (vgg_extent){in.channels, in.height / 2, in.width / 2};
    case VGG_LAYER_AVERAGE_POOL:
        return (vgg_extent){in.channels, AVERAGE_SIDE, AVERAGE_SIDE};
    case VGG_LAYER_LINEAR:
        return (vgg_extent){layer->output.channels, 1, 1};
    case VGG_LAYER_BATCH_NORM:
    case VGG_LAYER_RELU:
    case VGG_LAYER_LOCAL_RESPONSE_NORM:
    case VGG_LAYER_DROPOUT:
        break;
    }
    return in;
}

static size_t count_pools(const vgg_network *network) {
    size_t pools = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        pools += network->layers[i].type == VGG_LAYER_MAX_POOL;
    }
    return pools;
}

/* (features, 1, 1), or an error when the product does not fit. */
static vgg_status flatten(vgg_extent *extent, vgg_error *error) {
    size_t features;
    if (!vgg_size_mul(extent->channels, extent->height, &features) ||
        !vgg_size_mul(features, extent->width, &features))
        return vgg_fail(error, VGG_ERROR_SHAPE, "flattening %zux%zux%zu has too many features",
                        extent->channels, extent->height, extent->width);
    *extent = (vgg_extent){features, 1, 1};
    return VGG_OK;
}

vgg_status vgg_network_extents(const vgg_network *network, size_t height, size_t width,
                               vgg_extent *extents, vgg_error *error) {
    extents[0] = (vgg_extent){network->options.channels, height, width};
    for (size_t i = 0; i < network->layer_count; i++) {
        const vgg_layer *layer = &network->layers[i];
        vgg_extent in = extents[i];
        if (layer->flattens && flatten(&in, error) != VGG_OK)
            return VGG_ERROR_SHAPE;
        if (layer->type == VGG_LAYER_LINEAR && layer->input.channels != 0 &&
            in.channels != layer->input.channels)
            return vgg_fail(
                error, VGG_ERROR_SHAPE,
                "input %zux%zu gives %s %zu features, expected %zu, those of an input of "
                "%zux%zu",
                height, width, layer->name, in.channels, layer->input.channels,
                network->options.height, network->options.width);
        extents[i + 1] = output_extent(layer, in);
        if (extents[i + 1].height == 0 || extents[i + 1].width == 0)
            return vgg_fail(
                error, VGG_ERROR_SHAPE,
                "input %zux%zu is too small: %s has %zux%zu to pool, and the %zu pools of "
                "\"%s\" need a side of at least %zu",
                height, width, layer->name, in.height, in.width, count_pools(network),
                network->options.arch, (size_t)1 << vgg_size_min(count_pools(network), 62));
    }
    return VGG_OK;
}

/* ---- tensors ---- */

static vgg_status add_tensor(vgg_network *network, const vgg_layer *layer, size_t which,
                             const char *role, size_t dimensions, const size_t *shape,
                             bool learnable, vgg_error *error) {
    vgg_tensor_info *info = &network->tensors[layer->first_tensor + which].info;
    *info = (vgg_tensor_info){
        .struct_size = sizeof *info, .dimensions = dimensions, .count = 1, .learnable = learnable};
    snprintf(info->name, sizeof info->name, "%s.%s", layer->name, role);
    size_t bytes;
    for (size_t i = 0; i < dimensions; i++) {
        info->shape[i] = shape[i];
        if (!vgg_size_mul(info->count, shape[i], &info->count) ||
            !vgg_size_mul(info->count, 4 * sizeof(double), &bytes))
            return vgg_fail(error, VGG_ERROR_SHAPE, "tensor %s has too many values", info->name);
    }
    return VGG_OK;
}

static vgg_status add_tensors(vgg_network *network, const vgg_layer *layer, vgg_error *error) {
    size_t in = layer->input.channels, out = layer->output.channels;
    size_t convolution[] = {out, in, layer->kernel, layer->kernel}, linear[] = {out, in};
    vgg_status status = VGG_OK;
    if (layer->type == VGG_LAYER_CONVOLUTION)
        status =
            add_tensor(network, layer, VGG_TENSOR_WEIGHT, "weight", 4, convolution, true, error);
    else if (layer->type == VGG_LAYER_LINEAR)
        status = add_tensor(network, layer, VGG_TENSOR_WEIGHT, "weight", 2, linear, true, error);
    else if (layer->type == VGG_LAYER_BATCH_NORM)
        status = add_tensor(network, layer, VGG_TENSOR_WEIGHT, "weight", 1, &out, true, error);
    if (status == VGG_OK && layer->tensors >= 2)
        status = add_tensor(network, layer, VGG_TENSOR_BIAS, "bias", 1, &out, true, error);
    if (status == VGG_OK && layer->tensors == 4) {
        status = add_tensor(network, layer, VGG_TENSOR_MEAN, "running_mean", 1, &out, false, error);
        if (status == VGG_OK)
            status = add_tensor(network, layer, VGG_TENSOR_VARIANCE, "running_var", 1, &out, false,
                                error);
    }
    return status;
}

/* ---- creating ---- */

static vgg_status check_options(const vgg_network_options *options, vgg_error *error) {
    if (options->arch == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "no architecture given");
    if (options->layout != VGG_LAYOUT_PAPER && options->layout != VGG_LAYOUT_TORCHVISION)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "layout %d, expected paper or torchvision",
                        (int)options->layout);
    if (options->channels != 1 && options->channels != 3)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu input channels, expected 1 or 3",
                        options->channels);
    if (options->classes == 0 || options->classes > 1000000)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu classes, expected 1 to 1000000",
                        options->classes);
    if (options->height == 0 || options->width == 0 || options->height > 65536 ||
        options->width > 65536)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "input %zux%zu, expected sides of 1 to 65536",
                        options->height, options->width);
    if (!(options->dropout >= 0 && options->dropout < 1))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "dropout %g, expected a probability of 0 or more and less than 1",
                        options->dropout);
    return VGG_OK;
}

/* Lays out the layers of `list` in a network whose options are set. */
static vgg_status build(vgg_network *network, const vgg_arch_list *list, vgg_error *error) {
    network->layers = vgg_calloc(most_layers(list), sizeof *network->layers);
    vgg_extent *extents = vgg_calloc(most_layers(list) + 1, sizeof *extents);
    if (network->layers == NULL || extents == NULL) {
        vgg_free(extents);
        return vgg_fail_memory(error, "the layers", most_layers(list) * sizeof *network->layers);
    }
    layer_builder begun = {.network = network};
    add_layers(&begun, list);
    network->tensors = vgg_calloc(network->tensor_count, sizeof *network->tensors);
    vgg_status status = VGG_OK;
    if (network->tensors == NULL)
        status = vgg_fail_memory(error, "the tensors", network->tensor_count);
    if (status == VGG_OK)
        status = vgg_network_extents(network, network->options.height, network->options.width,
                                     extents, error);
    for (size_t i = 0; status == VGG_OK && i < network->layer_count; i++) {
        vgg_layer *layer = &network->layers[i];
        layer->input = extents[i];
        layer->output = extents[i + 1];
        if (layer->flattens)
            status = flatten(&layer->input, error);
        if (status == VGG_OK)
            status = add_tensors(network, layer, error);
    }
    vgg_free(extents);
    return status;
}

vgg_status vgg_network_create(const vgg_network_options *given, vgg_network **out,
                              vgg_error *error) {
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_network_options", error);
    options.struct_size = sizeof options;
    if (options.layout == VGG_LAYOUT_UNSAID)
        options.layout = VGG_LAYOUT_PAPER;
    if (status == VGG_OK)
        status = check_options(&options, error);
    vgg_arch_list list;
    if (status == VGG_OK)
        status = vgg_arch_parse(options.arch, &list, error);
    if (status != VGG_OK)
        return status;
    vgg_network *network = vgg_calloc(1, sizeof *network);
    const vgg_architecture *row = vgg_arch_find(options.arch);
    char *arch = vgg_text_copy(row != NULL ? row->name : options.arch);
    if (network == NULL || arch == NULL) {
        vgg_free(network);
        vgg_free(arch);
        status = vgg_fail_memory(error, "a network", sizeof *network);
    } else {
        options.arch = arch;
        network->options = options;
        status = build(network, &list, error);
        if (status != VGG_OK)
            vgg_network_free(network);
    }
    vgg_free(list.tokens);
    vgg_free(list.hidden);
    if (status == VGG_OK)
        *out = network;
    return status;
}

void vgg_network_free(vgg_network *network) {
    if (network == NULL)
        return;
    for (size_t i = 0; network->tensors != NULL && i < network->tensor_count; i++) {
        vgg_free(network->tensors[i].owned);
    }
    vgg_free(network->tensors);
    vgg_free(network->layers);
    vgg_free((char *)(uintptr_t)network->options.arch);
    vgg_free(network);
}

const vgg_network_options *vgg_network_describe(const vgg_network *network) {
    return &network->options;
}
