#include "model/bind.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/int8_scales.h"

/* Names in a list, of which a message shows the first few. */
#define NAMES_SHOWN 3

/* Values that are converted before their pages are given back. */
#define VALUES_AT_ONCE ((size_t)4 << 20)

typedef struct shown_names {
    vgg_text text;
    size_t count;
} shown_names;

static void show_name(shown_names *shown, const char *name) {
    if (shown->count < NAMES_SHOWN)
        vgg_text_add(&shown->text, "%s\"%.80s\"", shown->count == 0 ? "" : ", ", name);
    shown->count++;
}

/* Fails when any name was shown; frees the list. */
static vgg_status finish_names(shown_names *shown, const char *path, const char *what,
                               const vgg_network *network, vgg_error *error) {
    if (shown->count == 0)
        return VGG_OK;
    if (shown->count > NAMES_SHOWN)
        vgg_text_add(&shown->text, " and %zu more", shown->count - NAMES_SHOWN);
    char *list = vgg_text_take(&shown->text);
    if (list == NULL)
        return vgg_fail_memory(error, "a list of names", shown->count);
    vgg_fail(error, VGG_ERROR_FORMAT, "%s: %s architecture %.100s%s: %s", path, what,
             network->options.arch, network->options.batch_norm ? " with batch normalisation" : "",
             list);
    vgg_free(list);
    return VGG_ERROR_FORMAT;
}

bool vgg_bind_fits(const vgg_tensor_info *info, const vgg_stored_tensor *stored) {
    if (info->dimensions == 2 && stored->dimensions == 4)
        return stored->shape[0] == info->shape[0] && stored->count == info->count;
    return stored->dimensions == info->dimensions &&
           memcmp(stored->shape, info->shape, info->dimensions * sizeof *info->shape) == 0;
}

bool vgg_bind_takes_type(const vgg_tensor_info *info, const vgg_stored_tensor *stored, bool int8) {
    return vgg_element_is_weight(stored->type->element) ||
           (int8 && info->dimensions == 2 && stored->type->element == VGG_ELEMENT_INT8);
}

static vgg_status check_shape(const vgg_tensor_info *info, const vgg_stored_tensor *stored,
                              const char *path, vgg_error *error) {
    if (vgg_bind_fits(info, stored))
        return VGG_OK;
    char found[VGG_SHAPE_TEXT], expected[VGG_SHAPE_TEXT];
    return vgg_fail(error, VGG_ERROR_SHAPE, "tensor \"%s\" of %s has shape %s, expected %s",
                    stored->name, path, vgg_shape_text(found, stored->shape, stored->dimensions),
                    vgg_shape_text(expected, info->shape, info->dimensions));
}

static vgg_status check_tensor(const vgg_tensor_info *info, const vgg_stored_tensor *stored,
                               const char *path, bool int8, vgg_error *error) {
    vgg_status status = check_shape(info, stored, path, error);
    if (status == VGG_OK && !vgg_bind_takes_type(info, stored, int8))
        status = vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                          "tensor \"%s\" of %s has type %s, expected F32, F16, BF16 or F64",
                          stored->name, path, stored->type->name);
    return status;
}

/* ---- weights of int8 ---- */

vgg_tensor_info vgg_bind_scale_info(const vgg_tensor_info *weight) {
    vgg_tensor_info scale = {
        .struct_size = sizeof scale, .dimensions = 1, .count = weight->shape[0]};
    scale.shape[0] = weight->shape[0];
    snprintf(scale.name, sizeof scale.name, "%.*s_scale", VGG_TENSOR_NAME - 8, weight->name);
    return scale;
}

const vgg_stored_tensor *vgg_bind_scale(const vgg_tensor_info *info, vgg_named_tensors *names,
                                        vgg_named_tensor *weight) {
    vgg_tensor_info scale = vgg_bind_scale_info(info);
    vgg_named_tensor *found = vgg_names_find(names, scale.name);
    if (found == NULL)
        return NULL;
    found->used = true;
    weight->scale = found->stored;
    return found->stored;
}

/* The number of the first scale that is not finite or below 0, or count when all are good. */
static size_t wrong_scale(const vgg_stored_tensor *scale) {
    for (size_t i = 0; i < scale->count; i++) {
        float value;
        memcpy(&value, scale->bytes + i * sizeof value, sizeof value);
        if (!isfinite(value) || value < 0)
            return i;
    }
    return scale->count;
}

static vgg_status check_scale(const vgg_tensor_info *weight, const vgg_stored_tensor *scale,
                              const char *path, vgg_error *error) {
    vgg_tensor_info info = vgg_bind_scale_info(weight);
    vgg_status status = check_shape(&info, scale, path, error);
    if (status != VGG_OK)
        return status;
    if (scale->type->element != VGG_ELEMENT_FLOAT32)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%s\" of %s has type %s, expected F32", scale->name, path,
                        scale->type->name);
    size_t wrong = wrong_scale(scale);
    if (wrong == scale->count)
        return VGG_OK;
    float value;
    memcpy(&value, scale->bytes + wrong * sizeof value, sizeof value);
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "tensor \"%s\" of %s: scale %zu is %g, expected a finite number from 0",
                    scale->name, path, wrong, (double)value);
}

/* Scales that are not aligned are copied. */
static vgg_status take_int8(vgg_network *network, size_t tensor, const vgg_stored_tensor *stored,
                            const vgg_stored_tensor *scale, vgg_error *error) {
    vgg_numbers numbers = {stored->bytes, VGG_ELEMENT_INT8,
                           (const float *)(const void *)scale->bytes};
    if ((uintptr_t)scale->bytes % _Alignof(float) == 0) {
        vgg_network_borrow_narrow(network, tensor, numbers);
        return VGG_OK;
    }
    float *scales = vgg_aligned_alloc(scale->count * sizeof *scales);
    if (scales == NULL)
        return vgg_fail_memory(error, scale->name, scale->count * sizeof *scales);
    memcpy(scales, scale->bytes, scale->count * sizeof *scales);
    numbers.scales = scales;
    vgg_network_borrow_narrow(network, tensor, numbers);
    network->tensors[tensor].owned = scales;
    return VGG_OK;
}

/* ---- all tensors ---- */

static vgg_status take_values(vgg_network *network, size_t tensor, const vgg_named_tensor *match,
                              const vgg_storage *storage, vgg_error *error) {
    const vgg_stored_tensor *stored = match->stored;
    if (match->scale != NULL)
        return take_int8(network, tensor, stored, match->scale, error);
    if (stored->type->element == VGG_ELEMENT_FLOAT32 &&
        (uintptr_t)stored->bytes % _Alignof(float) == 0) {
        vgg_network_borrow(network, tensor, (const float *)(const void *)stored->bytes);
        return VGG_OK;
    }
    bool halves = stored->type->element == VGG_ELEMENT_FLOAT16 ||
                  stored->type->element == VGG_ELEMENT_BFLOAT16;
    bool weight = network->tensors[tensor].info.dimensions >= 2;
    if (halves && weight && (uintptr_t)stored->bytes % _Alignof(uint16_t) == 0) {
        vgg_network_borrow_narrow(network, tensor,
                                  (vgg_numbers){stored->bytes, stored->type->element, NULL});
        return VGG_OK;
    }
    float *values = vgg_network_own(network, tensor);
    if (values == NULL)
        return vgg_fail_memory(error, stored->name, stored->count * sizeof *values);
    for (size_t done = 0, step; done < stored->count; done += step) {
        step = vgg_size_min(stored->count - done, VALUES_AT_ONCE);
        const unsigned char *from = stored->bytes + done * stored->type->bytes;
        vgg_elements_to_float(stored->type->element, from, step, values + done);
        vgg_storage_drop(storage, stored->bytes, (done + step) * stored->type->bytes);
        vgg_status status = vgg_meter_add(storage->meter, step * stored->type->bytes, error);
        if (status != VGG_OK)
            return status;
    }
    network->version++;
    return VGG_OK;
}

static bool ends_with(const char *text, const char *ending) {
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

bool vgg_bind_passes_over(const char *name) {
    return ends_with(name, ".num_batches_tracked");
}

/* How many times the layers before the first linear one, which is *first, halve the side of the
 * input, and with how many channels they end; false where they do something else with it. */
static bool halvings(const vgg_network *network, size_t *first, size_t *pools, size_t *channels) {
    *channels = network->options.channels;
    *pools = 0;
    for (*first = 0; *first < network->layer_count; ++*first) {
        const vgg_layer *layer = &network->layers[*first];
        if (layer->type == VGG_LAYER_LINEAR)
            return *pools <= 16;
        bool cuts = layer->type == VGG_LAYER_CONVOLUTION && layer->kernel == 3 && layer->valid;
        if (cuts || layer->type == VGG_LAYER_GLOBAL_AVERAGE_POOL ||
            layer->type == VGG_LAYER_GLOBAL_MAX_POOL)
            return false;
        if (layer->type == VGG_LAYER_CONVOLUTION)
            *channels = layer->output.channels;
        *pools += layer->type == VGG_LAYER_MAX_POOL || layer->type == VGG_LAYER_AVERAGE_POOL_2X2;
    }
    return false;
}

/* Says of a first linear layer with another number of inputs for which input it would be, in the
 * layout that does not average to 7x7, where there is one. */
static void hint_at_input(const vgg_network *network, const vgg_tensor_info *info,
                          const vgg_stored_tensor *stored, vgg_error *error) {
    size_t first, pools, channels;
    if (error == NULL || stored->dimensions != 2 || stored->shape[0] != info->shape[0] ||
        !halvings(network, &first, &pools, &channels) ||
        info != &network->tensors[network->layers[first].first_tensor].info)
        return;
    size_t side = (size_t)llround(sqrt((double)stored->shape[1] / (double)channels));
    if (side == 0 || side > 4096 || side * side * channels != stored->shape[1])
        return;
    vgg_error before = *error;
    vgg_fail(error, before.status,
             "%s; the layout paper has that with an input of %zux%zu (here it is %s with %zux%zu)",
             before.message, side << pools, side << pools, vgg_layout_name(network->options.layout),
             network->options.height, network->options.width);
}

/* Checks a stored tensor and finds its scale, if it needs one. A missing scale is shown. */
static vgg_status match_tensor(const vgg_tensor_info *info, vgg_named_tensors *names,
                               const char *path, bool int8, vgg_named_tensor *found,
                               shown_names *missing, vgg_error *error) {
    found->used = true;
    vgg_status status = check_tensor(info, found->stored, path, int8, error);
    if (status != VGG_OK || found->stored->type->element != VGG_ELEMENT_INT8)
        return status;
    const vgg_stored_tensor *scale = vgg_bind_scale(info, names, found);
    if (scale != NULL)
        return check_scale(info, scale, path, error);
    show_name(missing, vgg_bind_scale_info(info).name);
    return VGG_OK;
}

/* Finds the stored tensor of every tensor of the network: matches[i] for tensor i. */
static vgg_status match_tensors(const vgg_network *network, vgg_named_tensors *names,
                                const char *path, bool int8, const vgg_named_tensor **matches,
                                vgg_error *error) {
    shown_names missing = {0};
    for (size_t i = 0; i < network->tensor_count; i++) {
        const vgg_tensor_info *info = &network->tensors[i].info;
        vgg_named_tensor *found = vgg_names_find(names, info->name);
        if (found == NULL) {
            show_name(&missing, info->name);
            continue;
        }
        vgg_status status = match_tensor(info, names, path, int8, found, &missing, error);
        if (status != VGG_OK) {
            vgg_text_free(&missing.text);
            if (status == VGG_ERROR_SHAPE)
                hint_at_input(network, info, found->stored, error);
            return status;
        }
        matches[i] = found;
    }
    return finish_names(&missing, path, "lacks tensors of", network, error);
}

static vgg_status check_unused(const vgg_network *network, const vgg_named_tensors *names,
                               const char *path, vgg_error *error) {
    shown_names unused = {0};
    for (size_t i = 0; i < names->count; i++) {
        if (!names->items[i].used && !vgg_bind_passes_over(names->items[i].name))
            show_name(&unused, names->items[i].stored->name);
    }
    return finish_names(&unused, path, "has tensors that do not belong to", network, error);
}

vgg_status vgg_bind_tensors(vgg_network *network, vgg_named_tensors *names,
                            const vgg_tensor_source *source, vgg_bind_int8 told, vgg_error *error) {
    const vgg_named_tensor **matches = vgg_calloc(network->tensor_count + 1, sizeof *matches);
    if (matches == NULL)
        return vgg_fail_memory(error, "a list of tensors", network->tensor_count * sizeof *matches);
    vgg_status status = match_tensors(network, names, source->path, told.linear, matches, error);
    vgg_int8_scales_mark(network, names, told);
    if (status == VGG_OK)
        status = check_unused(network, names, source->path, error);
    for (size_t i = 0; status == VGG_OK && i < network->tensor_count; i++) {
        status = take_values(network, i, matches[i], &source->storage, error);
    }
    vgg_free(matches);
    return status == VGG_OK ? vgg_int8_scales_take(network, names, source->path, told, error)
                            : status;
}
