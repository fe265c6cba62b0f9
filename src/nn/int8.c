#include "nn/int8.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "kernels/kernels.h"
#include "nn/network.h"
#include "vgg/calibrate.h"

bool vgg_network_can_int8(const vgg_network *network, size_t layer) {
    const vgg_layer *l = &network->layers[layer];
    return layer > 0 && l->type == VGG_LAYER_CONVOLUTION && l->kernel == 3 &&
           l->input.channels >= VGG_BLOCK && l->output.channels >= VGG_BLOCK &&
           l->input.channels <= VGG_INT8_CHANNELS;
}

size_t vgg_int8_points(size_t tile) {
    return tile == 1 ? 1 : vgg_winograd_points(tile);
}

bool vgg_network_can_int8_by(const vgg_network *network, size_t layer, size_t tile) {
    return vgg_network_can_int8(network, layer) &&
           (tile > 1 || network->layers[layer].input.channels <= VGG_INT8_DIRECT_CHANNELS);
}

int vgg_network_int8_zero(const vgg_network *network, size_t layer) {
    while (layer-- > 0) {
        switch (network->layers[layer].type) {
        case VGG_LAYER_RELU:
            return 0;
        case VGG_LAYER_MAX_POOL:
        case VGG_LAYER_LOCAL_RESPONSE_NORM:
        case VGG_LAYER_AVERAGE_POOL:
        case VGG_LAYER_AVERAGE_POOL_2X2:
        case VGG_LAYER_DROPOUT:
            break; /* signs stay */
        default:
            return VGG_INT8_MIDDLE;
        }
    }
    return VGG_INT8_MIDDLE;
}

void vgg_network_forget_int8(vgg_network *network, size_t layer) {
    vgg_int8 *int8 = network->layers[layer].int8;
    if (int8 == NULL)
        return;
    vgg_free(int8->inputs);
    vgg_free(int8);
    network->layers[layer].int8 = NULL;
    network->version++;
}

void vgg_network_forget_all_int8(vgg_network *network) {
    for (size_t i = 0; i < network->layer_count; i++) {
        vgg_network_forget_int8(network, i);
    }
}

static vgg_status check_scales(const char *layer, const char *of, const float *scales, size_t count,
                               vgg_error *error) {
    for (size_t i = 0; i < count; i++) {
        if (!(scales[i] > 0) || !isfinite(scales[i]) || !isfinite(1 / scales[i]))
            return vgg_fail(error, VGG_ERROR_NUMERIC,
                            "scale %zu of the %s of %s is %g, expected a finite number above 0", i,
                            of, layer, (double)scales[i]);
    }
    return VGG_OK;
}

/* What the product of two numbers is worth has to be a number, too. */
static vgg_status check_products(const char *layer, const float *inputs, size_t points,
                                 const float *weights, size_t outputs, vgg_error *error) {
    for (size_t i = 0; i < outputs * points; i++) {
        float product = inputs[i % points] * weights[i];
        if (!isfinite(product))
            return vgg_fail(error, VGG_ERROR_NUMERIC,
                            "scale %zu of the input of %s times scale %zu of its weights is %g, "
                            "expected a finite number",
                            i % points, layer, i, (double)product);
    }
    return VGG_OK;
}

vgg_status vgg_network_take_int8(vgg_network *network, size_t layer, size_t tile,
                                 const float *inputs, const float *weights, vgg_error *error) {
    vgg_layer *l = &network->layers[layer];
    size_t points = vgg_int8_points(tile), scales = points * l->output.channels;
    if (!vgg_network_can_int8_by(network, layer, tile))
        return vgg_fail(error, VGG_ERROR_NUMERIC,
                        "the sums of %zu input channels of %s do not fit in 32 bits directly",
                        l->input.channels, l->name);
    vgg_status status = check_scales(l->name, "input", inputs, points, error);
    if (status == VGG_OK)
        status = check_scales(l->name, "weights", weights, scales, error);
    if (status == VGG_OK)
        status = check_products(l->name, inputs, points, weights, l->output.channels, error);
    if (status != VGG_OK)
        return status;
    vgg_int8 *int8 = vgg_calloc(1, sizeof *int8);
    float *block = vgg_aligned_alloc((2 * points + scales) * sizeof *block);
    if (int8 == NULL || block == NULL) {
        vgg_free(int8);
        vgg_free(block);
        return vgg_fail_memory(error, "scales", (2 * points + scales) * sizeof *block);
    }
    *int8 = (vgg_int8){
        .tile = tile, .inputs = block, .factors = block + points, .weights = block + 2 * points};
    memcpy(int8->inputs, inputs, points * sizeof *inputs);
    memcpy(int8->weights, weights, scales * sizeof *weights);
    for (size_t i = 0; i < points; i++) {
        int8->factors[i] = 1 / inputs[i];
    }
    vgg_network_forget_int8(network, layer);
    l->int8 = int8;
    network->version++;
    return VGG_OK;
}

vgg_status vgg_network_int8(const vgg_network *network, size_t layer, vgg_int8_info *info,
                            vgg_error *error) {
    if (layer >= network->layer_count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "layer %zu of a network with %zu", layer,
                        network->layer_count);
    const vgg_int8 *int8 = network->layers[layer].int8;
    vgg_int8_info found = {.struct_size = sizeof found};
    if (int8 != NULL) {
        found.tile = int8->tile;
        found.error = (double)int8->figures[0];
        found.cost = (double)int8->figures[1];
    }
    return vgg_result_write(info, &found, sizeof found, "vgg_int8_info", error);
}
