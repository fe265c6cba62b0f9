/* Storing the weights of linear layers in 16 or 8 bits. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/network.h"

/* The weights of linear layers are nearly all of a VGG's memory and are read once per batch. Those
 * of convolutions would save a tenth more, and no time, for twice the error. */
static bool pays(const vgg_tensor_info *info) {
    return info->dimensions == 2;
}

/* values: (outputs, inputs). The scales lie behind the numbers in one block of memory, at `scales`
 * bytes. */
static vgg_status fill_int8(const vgg_tensor_info *info, const float *values, void *block,
                            size_t scales, vgg_error *error) {
    size_t outputs = info->shape[0], inputs = info->shape[1];
    for (size_t o = 0; o < outputs; o++) {
        float scale =
            vgg_elements_to_int8(values + o * inputs, inputs, (signed char *)block + o * inputs);
        if (!isfinite(scale))
            return vgg_fail(error, VGG_ERROR_NUMERIC,
                            "tensor %s cannot be stored as I8: row %zu has a weight that is not a "
                            "finite number",
                            info->name, o);
        ((float *)(void *)((char *)block + scales))[o] = scale;
    }
    return VGG_OK;
}

static vgg_status narrow(vgg_network *network, size_t index, vgg_element element,
                         vgg_error *error) {
    vgg_tensor *tensor = &network->tensors[index];
    const vgg_tensor_info *info = &tensor->info;
    bool int8 = element == VGG_ELEMENT_INT8;
    size_t scales = vgg_round_up(info->count * vgg_element_bytes(element), VGG_ALIGNMENT);
    float *values = vgg_network_own(network, index);
    void *block = vgg_aligned_alloc(scales + (int8 ? info->shape[0] * sizeof(float) : 0));
    if (values == NULL || block == NULL) {
        vgg_free(block);
        return vgg_fail_memory(error, info->name, info->count * sizeof *values);
    }
    vgg_status status = VGG_OK;
    if (int8)
        status = fill_int8(info, values, block, scales, error);
    else
        vgg_elements_from_float(element, values, info->count, block);
    if (status != VGG_OK) {
        vgg_free(block);
        return status;
    }
    const float *at = int8 ? (const float *)(void *)((char *)block + scales) : NULL;
    vgg_network_borrow_narrow(network, index, (vgg_numbers){block, element, at});
    tensor->owned = block;
    return VGG_OK;
}

static bool is_stored(const vgg_element_type *type) {
    return type != NULL && type->element != VGG_ELEMENT_FLOAT64 &&
           (type->element == VGG_ELEMENT_INT8 || vgg_element_is_weight(type->element));
}

/* Whether the tensor's values are to be stored anew. */
static bool changes(const vgg_tensor *tensor, vgg_element element) {
    vgg_numbers numbers = vgg_tensor_numbers(tensor);
    bool widens = element == VGG_ELEMENT_FLOAT32;
    return numbers.at != NULL && numbers.element != element && (widens || pays(&tensor->info));
}

static vgg_status store(vgg_network *network, size_t index, vgg_element element, vgg_error *error) {
    const vgg_tensor_info *info = &network->tensors[index].info;
    if (element != VGG_ELEMENT_FLOAT32)
        return narrow(network, index, element, error);
    if (vgg_network_own(network, index) == NULL)
        return vgg_fail_memory(error, info->name, info->count * sizeof(float));
    return VGG_OK;
}

static size_t float_bytes(const vgg_network *network, size_t index) {
    return network->tensors[index].info.count * sizeof(float);
}

static vgg_status store_all(vgg_network *network, vgg_element element,
                            vgg_progress_callback *progress, void *user, vgg_error *error) {
    size_t done = 0, total = 0;
    for (size_t i = 0; i < network->tensor_count; i++) {
        total += changes(&network->tensors[i], element) ? float_bytes(network, i) : 0;
    }
    for (size_t i = 0; i < network->tensor_count; i++) {
        if (!changes(&network->tensors[i], element))
            continue;
        if (progress != NULL && !progress(user, done, total))
            return vgg_fail(error, VGG_ERROR_STOPPED,
                            "storing weights: stopped after %zu of %zu bytes, as was asked", done,
                            total);
        vgg_status status = store(network, i, element, error);
        if (status != VGG_OK)
            return status;
        done += float_bytes(network, i);
    }
    return VGG_OK;
}

/* The type that weights can be stored as; NULL, with the error, when there is none of that name. */
static const vgg_element_type *stored_type(const char *dtype, vgg_error *error) {
    const vgg_element_type *type = vgg_element_type_named(dtype);
    if (is_stored(type))
        return type;
    vgg_fail(error, VGG_ERROR_ARGUMENT,
             "weights cannot be stored as \"%.80s\", expected F32, F16, BF16 or I8", dtype);
    return NULL;
}

vgg_status vgg_network_set_tensor_dtype(vgg_network *network, size_t tensor, const char *dtype,
                                        vgg_error *error) {
    const vgg_element_type *type = stored_type(dtype, error);
    if (type == NULL)
        return VGG_ERROR_ARGUMENT;
    if (tensor >= network->tensor_count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "tensor %zu of a network with %zu", tensor,
                        network->tensor_count);
    const vgg_tensor_info *info = &network->tensors[tensor].info;
    if (type->element == VGG_ELEMENT_INT8 && !pays(info))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor %s cannot be stored as I8, only the weights of linear layers",
                        info->name);
    vgg_numbers numbers = vgg_tensor_numbers(&network->tensors[tensor]);
    if (numbers.at == NULL || numbers.element == type->element)
        return VGG_OK;
    network->version++;
    vgg_status status = store(network, tensor, type->element, error);
    if (status == VGG_OK && type->element != VGG_ELEMENT_INT8)
        vgg_network_forget_all_int8(network);
    return status;
}

vgg_status vgg_network_set_dtype_told(vgg_network *network, const char *dtype,
                                      vgg_progress_callback *progress, void *user,
                                      vgg_error *error) {
    const vgg_element_type *type = stored_type(dtype, error);
    if (type == NULL)
        return VGG_ERROR_ARGUMENT;
    vgg_status status = store_all(network, type->element, progress, user, error);
    if (status == VGG_OK && type->element != VGG_ELEMENT_INT8)
        vgg_network_forget_all_int8(network);
    network->version++; /* some tensors may have changed */
    return status;
}

vgg_status vgg_network_set_dtype(vgg_network *network, const char *dtype, vgg_error *error) {
    return vgg_network_set_dtype_told(network, dtype, NULL, NULL, error);
}
