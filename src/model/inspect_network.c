/* The tensors of the recognised network and those of the file, side by side. */

#include "base/error.h"
#include "base/memory.h"
#include "model/bind.h"
#include "model/inspect.h"
#include "model/int8_scales.h"
#include "nn/network.h"

static const char *stored_name(const vgg_stored_tensor *stored) {
    return stored->stored_as != NULL ? stored->stored_as : stored->name;
}

static void add_wrong_shape(vgg_inspection *in, const vgg_tensor_info *info,
                            const vgg_stored_tensor *stored) {
    char found[VGG_SHAPE_TEXT], expected[VGG_SHAPE_TEXT];
    vgg_inspection_add(in, VGG_PROBLEM_SHAPE, stored_name(stored), 0,
                       "\"%.80s\" has shape %s, expected %s", stored_name(stored),
                       vgg_shape_text(found, stored->shape, stored->dimensions),
                       vgg_shape_text(expected, info->shape, info->dimensions));
}

static void add_missing(vgg_inspection *in, const vgg_tensor_info *info) {
    char shape[VGG_SHAPE_TEXT];
    vgg_inspection_add(in, VGG_PROBLEM_MISSING, info->name, 0, "\"%s\" of shape %s is missing",
                       info->name, vgg_shape_text(shape, info->shape, info->dimensions));
}

static void add_wrong_type(vgg_inspection *in, const vgg_stored_tensor *stored,
                           const char *expected) {
    vgg_inspection_add(in, VGG_PROBLEM_TYPE, stored_name(stored), 0,
                       "\"%.80s\" has type %s, expected %s", stored_name(stored),
                       stored->type->name, expected);
}

/* Whether the file has the tensor as the network needs it. */
static bool check_tensor(vgg_inspection *in, const vgg_tensor_info *info,
                         const vgg_stored_tensor *stored) {
    bool fits = vgg_bind_fits(info, stored);
    bool weight = vgg_bind_takes_type(info, stored, in->loading.description.int8);
    if (!fits)
        add_wrong_shape(in, info, stored);
    if (!weight)
        add_wrong_type(in, stored, "F32, F16, BF16 or F64");
    return fits && weight;
}

/* The same for the scale of weights of int8; what is not finite is found when it is measured. */
static bool check_scale(vgg_inspection *in, const vgg_tensor_info *weight,
                        vgg_named_tensor *found) {
    vgg_tensor_info info = vgg_bind_scale_info(weight);
    const vgg_stored_tensor *scale = vgg_bind_scale(weight, &in->loading.names, found);
    if (scale == NULL) {
        add_missing(in, &info);
        return false;
    }
    bool fits = vgg_bind_fits(&info, scale), floats = scale->type->element == VGG_ELEMENT_FLOAT32;
    if (!fits)
        add_wrong_shape(in, &info, scale);
    if (!floats)
        add_wrong_type(in, scale, "F32");
    if (!fits || !floats)
        found->scale = NULL;
    return fits && floats;
}

static void add_unused(vgg_inspection *in) {
    const vgg_loading *l = &in->loading;
    for (size_t i = 0; i < l->names.count; i++) {
        const vgg_named_tensor *tensor = &l->names.items[i];
        if (tensor->used || vgg_bind_passes_over(tensor->name))
            in->tensors[i].name = tensor->name;
        else
            vgg_inspection_add(in, VGG_PROBLEM_UNUSED, stored_name(tensor->stored), 0,
                               "\"%.80s\" does not belong to the network",
                               stored_name(tensor->stored));
    }
}

/* Scales of convolutions for int8, for vgg_inspection_network. */
static vgg_status take_scales(vgg_inspection *in, vgg_error *error) {
    vgg_loading *l = &in->loading;
    vgg_bind_int8 told = {.convolutions = l->description.int8_convolutions};
    vgg_error reason;
    vgg_int8_scales_mark(l->network, &l->names, told);
    vgg_status status = vgg_int8_scales_take(l->network, &l->names, l->path, told, &reason);
    if (status == VGG_ERROR_MEMORY)
        return vgg_fail(error, status, "%s", reason.message);
    if (status != VGG_OK)
        vgg_inspection_add(in, VGG_PROBLEM_METADATA, NULL, 0, "%s", reason.message);
    return VGG_OK;
}

vgg_status vgg_inspect_network(vgg_inspection *in, vgg_error *error) {
    vgg_loading *l = &in->loading;
    const vgg_network *network = l->network;
    in->matches = vgg_calloc(network->tensor_count + 1, sizeof *in->matches);
    if (in->matches == NULL)
        return vgg_fail_memory(error, "a list of tensors",
                               network->tensor_count * sizeof *in->matches);
    for (size_t i = 0; i < network->tensor_count; i++) {
        const vgg_tensor_info *info = &network->tensors[i].info;
        vgg_named_tensor *found = vgg_names_find(&l->names, info->name);
        in->matches[i] = VGG_NOT_STORED;
        if (found == NULL) {
            add_missing(in, info);
            continue;
        }
        found->used = true;
        bool fits = check_tensor(in, info, found->stored);
        if (fits && found->stored->type->element == VGG_ELEMENT_INT8)
            fits = check_scale(in, info, found);
        if (fits)
            in->matches[i] = (size_t)(found - l->names.items);
    }
    vgg_status status = take_scales(in, error);
    add_unused(in);
    return status;
}
