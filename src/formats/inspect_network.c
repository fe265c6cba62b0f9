/* The tensors of the recognised network and those of the file, side by side. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "formats/bind.h"
#include "formats/inspect.h"
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

/* Whether the file has the tensor as the network needs it. */
static bool check_tensor(vgg_inspection *in, const vgg_tensor_info *info,
                         const vgg_stored_tensor *stored) {
    bool fits = vgg_bind_fits(info, stored), weight = vgg_element_is_weight(stored->type->element);
    if (!fits)
        add_wrong_shape(in, info, stored);
    if (!weight)
        vgg_inspection_add(in, VGG_PROBLEM_TYPE, stored_name(stored), 0,
                           "\"%.80s\" has type %s, expected F32, F16, BF16 or F64",
                           stored_name(stored), stored->type->name);
    return fits && weight;
}

static void add_unused(vgg_inspection *in) {
    const vgg_loading *l = &in->loading;
    for (size_t i = 0; i < l->names.count; i++) {
        const vgg_named_tensor *tensor = &l->names.items[i];
        if (tensor->used)
            in->tensors[i].name = tensor->name;
        else if (vgg_bind_passes_over(tensor->name))
            in->tensors[i].name = tensor->name;
        else
            vgg_inspection_add(in, VGG_PROBLEM_UNUSED, stored_name(tensor->stored), 0,
                               "\"%.80s\" does not belong to the network",
                               stored_name(tensor->stored));
    }
}

vgg_status vgg_inspect_network(vgg_inspection *in, vgg_error *error) {
    vgg_loading *l = &in->loading;
    const vgg_network *network = l->network;
    in->matches = calloc(network->tensor_count + 1, sizeof *in->matches);
    if (in->matches == NULL)
        return vgg_fail_memory(error, "a list of tensors",
                               network->tensor_count * sizeof *in->matches);
    for (size_t i = 0; i < network->tensor_count; i++) {
        const vgg_tensor_info *info = &network->tensors[i].info;
        vgg_named_tensor *found = vgg_names_find(&l->names, info->name);
        in->matches[i] = VGG_NOT_STORED;
        if (found == NULL) {
            char shape[VGG_SHAPE_TEXT];
            vgg_inspection_add(in, VGG_PROBLEM_MISSING, info->name, 0,
                               "\"%s\" of shape %s is missing", info->name,
                               vgg_shape_text(shape, info->shape, info->dimensions));
            continue;
        }
        found->used = true;
        if (check_tensor(in, info, found->stored))
            in->matches[i] = (size_t)(found - l->names.items);
    }
    add_unused(in);
    return VGG_OK;
}
