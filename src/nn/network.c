#include "nn/network.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "nn/architecture.h"
#include "nn/structure.h"

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
                                          .dropout = 0.5,
                                          .padding = VGG_PADDING_SAME};
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

static vgg_layer *add_named(layer_builder *to, vgg_layer_type type, const char *name) {
    vgg_layer *layer = add_layer(to, type);
    snprintf(layer->name, sizeof layer->name, "%s", name);
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

static void add_of_structure(layer_builder *to, const vgg_structure_layer *from) {
    vgg_layer *layer;
    if (from->flat)
        layer = add_classifier(to, from->type);
    else if (from->type == VGG_LAYER_AVERAGE_POOL || from->type == VGG_LAYER_GLOBAL_AVERAGE_POOL)
        layer = add_named(to, from->type, "avgpool");
    else if (from->type == VGG_LAYER_GLOBAL_MAX_POOL)
        layer = add_named(to, from->type, "maxpool");
    else
        layer = add_feature(to, from->type);
    layer->output.channels = from->outputs;
    layer->kernel = from->kernel;
    layer->valid = from->valid;
    layer->dropout = from->dropout;
}

/* ---- shapes ---- */

/* What a convolution without padding leaves of a side; 0 when it has no place there. */
static size_t without_edges(const vgg_layer *layer, size_t side) {
    size_t edges = layer->valid ? layer->kernel - 1 : 0;
    return side > edges ? side - edges : 0;
}

/* The extent that leaves a layer; a linear layer's own width is in layer->output.channels. */
static vgg_extent output_extent(const vgg_layer *layer, vgg_extent in) {
    switch (layer->type) {
    case VGG_LAYER_CONVOLUTION:
        return (vgg_extent){layer->output.channels, without_edges(layer, in.height),
                            without_edges(layer, in.width)};
    case VGG_LAYER_MAX_POOL:
    case VGG_LAYER_AVERAGE_POOL_2X2:
        return (vgg_extent){in.channels, in.height / 2, in.width / 2};
    case VGG_LAYER_AVERAGE_POOL:
        return (vgg_extent){in.channels, AVERAGE_SIDE, AVERAGE_SIDE};
    case VGG_LAYER_GLOBAL_AVERAGE_POOL:
    case VGG_LAYER_GLOBAL_MAX_POOL:
        return (vgg_extent){in.channels, 1, 1};
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

/* The least side of an input that leaves something behind every layer of pictures, going back from
 * a side of 1, which the pools of fixed size are content with. */
static size_t least_side(const vgg_network *network) {
    size_t side = 1;
    for (size_t i = network->layer_count; i-- > 0;) {
        const vgg_layer *layer = &network->layers[i];
        if (side > SIZE_MAX / 4)
            return SIZE_MAX;
        if (vgg_layer_halves(layer))
            side *= 2;
        else if (layer->valid)
            side += layer->kernel - 1;
    }
    return side;
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

static vgg_status fail_features(const vgg_network *network, const vgg_layer *layer, size_t height,
                                size_t width, size_t features, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_SHAPE,
                    "input %zux%zu gives %s %zu features, expected %zu, those of an input of "
                    "%zux%zu",
                    height, width, layer->name, features, layer->input.channels,
                    network->options.height, network->options.width);
}

static vgg_status fail_small(const vgg_network *network, const vgg_layer *layer, size_t height,
                             size_t width, vgg_extent in, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_SHAPE,
                    "input %zux%zu is too small: %s has %zux%zu to %s, and \"%s\" needs a side of "
                    "at least %zu",
                    height, width, layer->name, in.height, in.width,
                    layer->type == VGG_LAYER_CONVOLUTION ? "convolve without padding" : "pool",
                    network->options.arch, least_side(network));
}

vgg_extent vgg_network_map_at(const vgg_network *network, size_t layer) {
    const vgg_network_options *options = &network->options;
    if (layer > 0)
        return network->layers[layer - 1].output;
    return (vgg_extent){options->channels, options->height, options->width};
}

/* What goes into a layer of a dense network, of which `in` is what comes. */
static vgg_status place_window(const vgg_network *network, size_t number, size_t height,
                               size_t width, vgg_extent *in, vgg_error *error) {
    const vgg_layer *layer = &network->layers[number];
    vgg_extent window = vgg_network_map_at(network, number);
    if (in->height < window.height || in->width < window.width)
        return vgg_fail(error, VGG_ERROR_SHAPE,
                        "input %zux%zu is too small: it leaves %s a map of %zux%zu, expected at "
                        "least the %zux%zu of an input of %zux%zu",
                        height, width, layer->name, in->height, in->width, window.height,
                        window.width, network->options.height, network->options.width);
    *in = layer->input;
    return VGG_OK;
}

static vgg_status check_average(const vgg_network *network, const vgg_layer *layer,
                                vgg_error *error) {
    if (layer->input.height == AVERAGE_SIDE && layer->input.width == AVERAGE_SIDE)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "the layout torchvision with an input of %zux%zu cannot be evaluated densely: "
                    "%s makes %dx%d of a map of %zux%zu, so that the linear layers are no "
                    "convolutions of it",
                    network->options.height, network->options.width, layer->name, AVERAGE_SIDE,
                    AVERAGE_SIDE, layer->input.height, layer->input.width);
}

vgg_status vgg_network_extents(const vgg_network *network, size_t layers, size_t height,
                               size_t width, bool dense, vgg_extent *extents, vgg_error *error) {
    extents[0] = (vgg_extent){network->options.channels, height, width};
    for (size_t i = 0; i < layers; i++) {
        const vgg_layer *layer = &network->layers[i];
        bool average = layer->type == VGG_LAYER_AVERAGE_POOL;
        vgg_extent in = extents[i];
        vgg_status status = VGG_OK;
        if (dense && average)
            status = check_average(network, layer, error);
        else if (dense && layer->flattens)
            status = place_window(network, i, height, width, &in, error);
        else if (layer->flattens)
            status = flatten(&in, error);
        if (status != VGG_OK)
            return status;
        if (layer->flattens && layer->tensors > 0 && layer->input.channels != 0 &&
            in.channels != layer->input.channels)
            return fail_features(network, layer, height, width, in.channels, error);
        extents[i + 1] = dense && average ? in : output_extent(layer, in);
        if (extents[i + 1].height == 0 || extents[i + 1].width == 0)
            return fail_small(network, layer, height, width, in, error);
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

static vgg_status check_size(const vgg_network_options *options, vgg_error *error) {
    if (options->height == 0 || options->width == 0 || options->height > 65536 ||
        options->width > 65536)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "input %zux%zu, expected sides of 1 to 65536",
                        options->height, options->width);
    return VGG_OK;
}

static vgg_status check_channels(size_t channels, vgg_error *error) {
    if (channels != 1 && channels != 3)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu input channels, expected 1 or 3", channels);
    return VGG_OK;
}

static vgg_status check_options(const vgg_network_options *options, vgg_error *error) {
    if (options->arch == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "no architecture given");
    if (vgg_layout_name(options->layout) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "layout %d, expected paper, torchvision, global or global-max",
                        (int)options->layout);
    if (vgg_padding_name(options->padding) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "padding %d, expected same or valid",
                        (int)options->padding);
    if (options->classes == 0 || options->classes > VGG_MOST_CLASSES)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu classes, expected 1 to %d",
                        options->classes, VGG_MOST_CLASSES);
    if (!(options->dropout >= 0 && options->dropout < 1))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "dropout %g, expected a probability of 0 or more and less than 1",
                        options->dropout);
    vgg_status status = check_channels(options->channels, error);
    return status == VGG_OK ? check_size(options, error) : status;
}

/* Lays out the layers of a structure in a network whose options are set. */
static vgg_status build(vgg_network *network, const vgg_structure *structure, vgg_error *error) {
    network->layers = vgg_calloc(structure->count, sizeof *network->layers);
    vgg_extent *extents = vgg_calloc(structure->count + 1, sizeof *extents);
    if (network->layers == NULL || extents == NULL) {
        vgg_free(extents);
        return vgg_fail_memory(error, "the layers", structure->count * sizeof *network->layers);
    }
    layer_builder begun = {.network = network};
    for (size_t i = 0; i < structure->count; i++) {
        add_of_structure(&begun, &structure->layers[i]);
    }
    vgg_network_name_layers(network);
    network->tensors = vgg_calloc(network->tensor_count, sizeof *network->tensors);
    vgg_status status = VGG_OK;
    if (network->tensors == NULL)
        status = vgg_fail_memory(error, "the tensors", network->tensor_count);
    if (status == VGG_OK)
        status = vgg_network_extents(network, network->layer_count, network->options.height,
                                     network->options.width, false, extents, error);
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

/* options->arch becomes the network's, or is freed. */
static vgg_status create(const vgg_structure *structure, const vgg_network_options *options,
                         vgg_network **out, vgg_error *error) {
    vgg_network *network = vgg_calloc(1, sizeof *network);
    if (network == NULL || options->arch == NULL) {
        vgg_free((char *)(uintptr_t)options->arch);
        vgg_free(network);
        return vgg_fail_memory(error, "a network", sizeof *network);
    }
    network->options = *options;
    vgg_status status = build(network, structure, error);
    if (status == VGG_OK)
        *out = network;
    else
        vgg_network_free(network);
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
    if (options.padding == VGG_PADDING_UNSAID)
        options.padding = VGG_PADDING_SAME;
    if (status == VGG_OK)
        status = check_options(&options, error);
    if (status != VGG_OK)
        return status;
    vgg_structure structure;
    status = vgg_structure_read(&options, &structure, error);
    if (status == VGG_OK) {
        const vgg_architecture *row = vgg_arch_find(options.arch);
        options.arch = vgg_text_copy(row != NULL ? row->name : options.arch);
        status = create(&structure, &options, out, error);
    }
    vgg_structure_free(&structure);
    return status;
}

vgg_status vgg_network_create_inner(const vgg_structure *structure, size_t channels, size_t height,
                                    size_t width, vgg_network **out, vgg_error *error) {
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.channels = channels;
    options.height = height;
    options.width = width;
    vgg_status status = check_size(&options, error);
    if (status == VGG_OK)
        status = vgg_structure_check(structure, error);
    if (status == VGG_OK)
        status = vgg_structure_write(structure, &options, error);
    return status == VGG_OK ? create(structure, &options, out, error) : status;
}

vgg_status vgg_network_create_from(const vgg_structure *structure, size_t channels, size_t height,
                                   size_t width, vgg_network **out, vgg_error *error) {
    vgg_status status = check_channels(channels, error);
    return status == VGG_OK
               ? vgg_network_create_inner(structure, channels, height, width, out, error)
               : status;
}

void vgg_network_free(vgg_network *network) {
    if (network == NULL)
        return;
    for (size_t i = 0; network->tensors != NULL && i < network->tensor_count; i++) {
        vgg_free(network->tensors[i].owned);
    }
    vgg_free(network->tensors);
    for (size_t i = 0; network->layers != NULL && i < network->layer_count; i++) {
        vgg_network_forget_int8(network, i);
    }
    vgg_free(network->layers);
    vgg_free((char *)(uintptr_t)network->options.arch);
    vgg_free(network);
}

const vgg_network_options *vgg_network_describe(const vgg_network *network) {
    return &network->options;
}
