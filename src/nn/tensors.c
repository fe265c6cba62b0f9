/* Looking at a network and its tensors, and giving them values. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/random.h"
#include "base/text.h"
#include "nn/network.h"

const char *vgg_layer_type_name(vgg_layer_type type) {
    static const char *const names[] = {"Conv2d",
                                        "BatchNorm2d",
                                        "ReLU",
                                        "MaxPool2d",
                                        "LocalResponseNorm",
                                        "AdaptiveAvgPool2d",
                                        "Linear",
                                        "Dropout",
                                        "AvgPool2d",
                                        "AdaptiveAvgPool2d",
                                        "AdaptiveMaxPool2d"};
    size_t index = (size_t)type;
    return index < sizeof names / sizeof *names ? names[index] : "Unknown";
}

size_t vgg_network_layer_count(const vgg_network *network) {
    return network->layer_count;
}

static size_t learnable_values(const vgg_network *network, const vgg_layer *layer) {
    size_t count = 0;
    for (size_t i = 0; i < layer->tensors; i++) {
        const vgg_tensor_info *info = &network->tensors[layer->first_tensor + i].info;
        count += info->learnable ? info->count : 0;
    }
    return count;
}

static size_t multiply_adds(const vgg_network *network, const vgg_layer *layer) {
    if (layer->type != VGG_LAYER_CONVOLUTION && layer->type != VGG_LAYER_LINEAR)
        return 0;
    return network->tensors[layer->first_tensor].info.count * layer->output.height *
           layer->output.width;
}

vgg_status vgg_network_layer(const vgg_network *network, size_t index, vgg_layer_info *info,
                             vgg_error *error) {
    if (index >= network->layer_count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "layer %zu of a network with %zu", index,
                        network->layer_count);
    const vgg_layer *layer = &network->layers[index];
    vgg_layer_info found = {
        .type = layer->type,
        .kernel = vgg_layer_halves(layer) ? 2 : layer->kernel,
        .padding = layer->valid ? 0 : layer->kernel / 2,
        .dropout = layer->dropout,
        .dimensions = layer->flattens ? 1 : 3,
        .output = {layer->output.channels, layer->output.height, layer->output.width},
        .parameters = learnable_values(network, layer),
        .multiply_adds = multiply_adds(network, layer),
        .first_tensor = layer->first_tensor,
        .tensors = layer->tensors};
    memcpy(found.name, layer->name, sizeof found.name);
    memcpy(found.paper_name, layer->paper_name, sizeof found.paper_name);
    return vgg_result_write(info, &found, sizeof found, "vgg_layer_info", error);
}

/* ---- what is trained ---- */

vgg_status vgg_network_set_trained(vgg_network *network, size_t layer, bool trained,
                                   vgg_error *error) {
    if (layer >= network->layer_count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "layer %zu of a network with %zu", layer,
                        network->layer_count);
    network->layers[layer].frozen = !trained;
    return VGG_OK;
}

bool vgg_network_trained(const vgg_network *network, size_t layer) {
    return layer < network->layer_count && !network->layers[layer].frozen;
}

vgg_status vgg_network_freeze(vgg_network *network, size_t blocks, vgg_error *error) {
    size_t found = 0;
    for (size_t l = 0; l < network->layer_count; l++) {
        found += vgg_layer_halves(&network->layers[l]);
    }
    if (blocks > found)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu blocks to freeze, expected 0 to %zu",
                        blocks, found);
    size_t passed = 0;
    for (size_t l = 0; l < network->layer_count; l++) {
        network->layers[l].frozen = passed < blocks;
        passed += vgg_layer_halves(&network->layers[l]);
    }
    return VGG_OK;
}

size_t vgg_network_parameters(const vgg_network *network) {
    size_t count = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        count += learnable_values(network, &network->layers[i]);
    }
    return count;
}

size_t vgg_network_multiply_adds(const vgg_network *network) {
    size_t count = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        count += multiply_adds(network, &network->layers[i]);
    }
    return count;
}

size_t vgg_network_tensor_count(const vgg_network *network) {
    return network->tensor_count;
}

static vgg_status check_tensor(const vgg_network *network, size_t tensor, vgg_error *error) {
    if (tensor < network->tensor_count)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT, "tensor %zu of a network with %zu", tensor,
                    network->tensor_count);
}

vgg_status vgg_network_tensor(const vgg_network *network, size_t tensor, vgg_tensor_info *info,
                              vgg_error *error) {
    vgg_status status = check_tensor(network, tensor, error);
    if (status != VGG_OK)
        return status;
    const vgg_tensor_info *own = &network->tensors[tensor].info;
    return vgg_result_write(info, own, sizeof *own, "vgg_tensor_info", error);
}

size_t vgg_network_find_tensor(const vgg_network *network, const char *name) {
    size_t tensor = 0;
    while (tensor < network->tensor_count &&
           strcmp(network->tensors[tensor].info.name, name) != 0) {
        tensor++;
    }
    return tensor;
}

/* ---- values ---- */

const float *vgg_network_values(const vgg_network *network, size_t tensor) {
    if (tensor >= network->tensor_count || vgg_network_settle(network, NULL) != VGG_OK)
        return NULL;
    return network->tensors[tensor].values;
}

void vgg_tensor_widen(const vgg_tensor *tensor, float *values) {
    vgg_numbers numbers = vgg_tensor_numbers(tensor);
    if (numbers.at == NULL)
        memset(values, 0, tensor->info.count * sizeof *values);
    else
        vgg_elements_to_float(numbers.element, numbers.at, tensor->info.count, values);
    for (size_t o = 0; numbers.scales != NULL && o < tensor->info.shape[0]; o++) {
        for (size_t i = 0; i < tensor->info.shape[1]; i++) {
            values[o * tensor->info.shape[1] + i] *= numbers.scales[o];
        }
    }
}

float *vgg_network_own(vgg_network *network, size_t index) {
    if (vgg_network_settle(network, NULL) != VGG_OK)
        return NULL;
    vgg_tensor *tensor = &network->tensors[index];
    if (tensor->owned == NULL || tensor->narrow.at != NULL) {
        float *values = vgg_aligned_alloc(tensor->info.count * sizeof *values);
        if (values == NULL)
            return NULL;
        vgg_tensor_widen(tensor, values);
        vgg_free(tensor->owned);
        tensor->owned = values;
        tensor->values = values;
        tensor->narrow = (vgg_numbers){0};
    }
    return tensor->owned;
}

void vgg_network_borrow(vgg_network *network, size_t index, const float *values) {
    vgg_tensor *tensor = &network->tensors[index];
    vgg_free(tensor->owned);
    tensor->owned = NULL;
    tensor->values = values;
    tensor->narrow = (vgg_numbers){0};
    network->version++;
}

void vgg_network_borrow_narrow(vgg_network *network, size_t index, vgg_numbers numbers) {
    vgg_network_borrow(network, index, NULL);
    network->tensors[index].narrow = numbers;
}

const char *vgg_network_dtype(const vgg_network *network, size_t index) {
    if (index >= network->tensor_count)
        return NULL;
    vgg_numbers numbers = vgg_tensor_numbers(&network->tensors[index]);
    return numbers.at == NULL ? NULL : vgg_element_name(numbers.element);
}

vgg_status vgg_network_copy_values(const vgg_network *network, size_t index, float *values,
                                   size_t count, vgg_error *error) {
    vgg_status status = check_tensor(network, index, error);
    if (status != VGG_OK)
        return status;
    status = vgg_network_settle(network, error);
    if (status != VGG_OK)
        return status;
    const vgg_tensor *tensor = &network->tensors[index];
    if (vgg_tensor_numbers(tensor).at == NULL || count != tensor->info.count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "tensor %s has %zu values, asked for %zu",
                        tensor->info.name,
                        vgg_tensor_numbers(tensor).at == NULL ? 0 : tensor->info.count, count);
    vgg_tensor_widen(tensor, values);
    return VGG_OK;
}

static vgg_status fail_tensor_memory(const vgg_tensor_info *info, vgg_error *error) {
    return vgg_fail_memory(error, info->name, info->count * sizeof(float));
}

vgg_status vgg_network_set_values(vgg_network *network, size_t tensor, const float *values,
                                  size_t count, vgg_error *error) {
    vgg_status status = check_tensor(network, tensor, error);
    if (status != VGG_OK)
        return status;
    const vgg_tensor_info *info = &network->tensors[tensor].info;
    if (count != info->count)
        return vgg_fail(error, VGG_ERROR_SHAPE, "tensor %s is given %zu values, expected %zu",
                        info->name, count, info->count);
    float *to = vgg_network_own(network, tensor);
    if (to == NULL)
        return fail_tensor_memory(info, error);
    memcpy(to, values, count * sizeof *to);
    vgg_network_forget_all_int8(network);
    network->version++;
    return VGG_OK;
}

vgg_status vgg_network_take_values(vgg_network *network, size_t tensor, const vgg_network *from,
                                   size_t from_tensor, vgg_error *error) {
    const vgg_tensor_info *info = &network->tensors[tensor].info;
    float *to = vgg_network_own(network, tensor);
    if (to == NULL)
        return fail_tensor_memory(info, error);
    network->version++;
    return vgg_network_copy_values(from, from_tensor, to, info->count, error);
}

/* ---- initialisation ---- */

typedef struct init_scheme {
    const char *name;
    bool uniform;
    /* Deviation of a normal, or bound of a uniform distribution, for a weight of that layer. */
    double (*spread)(const vgg_layer *layer);
    bool identity; /* the first filters of a convolution pass a channel on as it is */
} init_scheme;

static double fan_in(const vgg_layer *layer) {
    double taps =
        layer->type == VGG_LAYER_CONVOLUTION ? (double)(layer->kernel * layer->kernel) : 1;
    return (double)layer->input.channels * taps;
}

static double fan_out(const vgg_layer *layer) {
    double taps =
        layer->type == VGG_LAYER_CONVOLUTION ? (double)(layer->kernel * layer->kernel) : 1;
    return (double)layer->output.channels * taps;
}

static double kaiming(const vgg_layer *layer) {
    return layer->type == VGG_LAYER_LINEAR ? 0.01 : sqrt(2.0 / fan_out(layer));
}

static double glorot(const vgg_layer *layer) {
    return sqrt(6.0 / (fan_in(layer) + fan_out(layer)));
}

static double paper(const vgg_layer *layer) {
    (void)layer;
    return 0.1;
}

static const init_scheme schemes[] = {
    {"kaiming", false, kaiming, false},
    {"glorot", true, glorot, false},
    {"paper", false, paper, false},
    {"dirac", false, kaiming, true},
};

static const init_scheme *find_scheme(const char *name) {
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (strcmp(schemes[i].name, name) == 0)
            return &schemes[i];
    }
    return NULL;
}

/* Filter o has a 1 in the middle of channel o, as far as there are channels and filters. */
static void fill_identity(const vgg_layer *layer, float *values) {
    size_t taps = layer->kernel * layer->kernel, channels = layer->input.channels;
    size_t filters = vgg_size_min(channels, layer->output.channels);
    for (size_t o = 0; o < filters; o++) {
        float *filter = values + o * channels * taps;
        memset(filter, 0, channels * taps * sizeof *filter);
        filter[o * taps + taps / 2] = 1;
    }
}

static void fill_weight(const vgg_layer *layer, const init_scheme *scheme, uint64_t seed,
                        uint64_t stream, float *values, size_t count) {
    double spread = scheme->spread(layer);
    for (size_t i = 0; i < count; i++) {
        double draw = scheme->uniform ? 2 * vgg_random_unit(seed, stream, i) - 1
                                      : vgg_random_normal(seed, stream, i);
        values[i] = (float)(draw * spread);
    }
    if (scheme->identity && layer->type == VGG_LAYER_CONVOLUTION)
        fill_identity(layer, values);
}

static void fill(float *values, size_t count, float value) {
    for (size_t i = 0; i < count; i++) {
        values[i] = value;
    }
}

static vgg_status initialise_layer(vgg_network *network, const vgg_layer *layer,
                                   const init_scheme *scheme, uint64_t seed, vgg_error *error) {
    for (size_t i = 0; i < layer->tensors; i++) {
        size_t tensor = layer->first_tensor + i;
        size_t count = network->tensors[tensor].info.count;
        float *values = vgg_network_own(network, tensor);
        if (values == NULL)
            return fail_tensor_memory(&network->tensors[tensor].info, error);
        if (i == VGG_TENSOR_WEIGHT && layer->type != VGG_LAYER_BATCH_NORM)
            fill_weight(layer, scheme, seed, tensor, values, count);
        else
            fill(values, count, i == VGG_TENSOR_WEIGHT || i == VGG_TENSOR_VARIANCE ? 1.0f : 0.0f);
    }
    return VGG_OK;
}

/* Says so before memory is taken when all tensors together would not fit. */
static vgg_status check_memory(const vgg_network *network, vgg_error *error) {
    size_t values = 0, available = vgg_memory_available();
    for (size_t i = 0; i < network->tensor_count; i++) {
        values += network->tensors[i].owned == NULL ? network->tensors[i].info.count : 0;
    }
    if (values <= available / sizeof(float))
        return VGG_OK;
    char needed[VGG_SIZE_TEXT], left[VGG_SIZE_TEXT];
    return vgg_fail(error, VGG_ERROR_MEMORY,
                    "out of memory: the weights of \"%s\" need %s and %s are left",
                    network->options.arch, vgg_size_text(needed, values * sizeof(float)),
                    vgg_size_text(left, available));
}

vgg_status vgg_network_initialise(vgg_network *network, const char *name, uint64_t seed,
                                  vgg_error *error) {
    const init_scheme *scheme = find_scheme(name);
    if (scheme == NULL)
        return vgg_fail(error, VGG_ERROR_NOT_FOUND,
                        "initialisation \"%s\", expected kaiming, glorot, paper or dirac", name);
    vgg_status status = check_memory(network, error);
    vgg_network_forget_all_int8(network);
    for (size_t i = 0; status == VGG_OK && i < network->layer_count; i++) {
        status = initialise_layer(network, &network->layers[i], scheme, seed, error);
    }
    network->version++;
    return status;
}

/* ---- shapes ---- */

vgg_status vgg_flatten_shape(const size_t *shape, size_t dimensions, size_t start_dim, size_t *out,
                             size_t *out_dimensions, vgg_error *error) {
    if (start_dim >= dimensions)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "flatten from dimension %zu of %zu, expected 0 to %zu", start_dim,
                        dimensions, dimensions == 0 ? 0 : dimensions - 1);
    size_t product = 1;
    for (size_t i = start_dim; i < dimensions; i++) {
        if (!vgg_size_mul(product, shape[i], &product))
            return vgg_fail(error, VGG_ERROR_SHAPE, "flattening from dimension %zu overflows",
                            start_dim);
    }
    memcpy(out, shape, start_dim * sizeof *out);
    out[start_dim] = product;
    *out_dimensions = start_dim + 1;
    return VGG_OK;
}
