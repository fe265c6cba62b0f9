#include "model/names.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

vgg_status vgg_names_read(const vgg_tensor_source *source, vgg_named_tensors *names,
                          vgg_error *error) {
    names->items = vgg_calloc(vgg_size_max(source->tensor_count, 1), sizeof *names->items);
    if (names->items == NULL)
        return vgg_fail_memory(error, "the names of tensors",
                               source->tensor_count * sizeof *names->items);
    names->count = source->tensor_count;
    for (size_t i = 0; i < names->count; i++) {
        vgg_named_tensor *item = &names->items[i];
        item->stored = &source->tensors[i];
        int length = snprintf(item->name, sizeof item->name, "%s", item->stored->name);
        if (length < 0 || (size_t)length >= sizeof item->name)
            item->name[0] = '\0';
    }
    return VGG_OK;
}

void vgg_names_free(vgg_named_tensors *names) {
    vgg_free(names->items);
    *names = (vgg_named_tensors){0};
}

vgg_named_tensor *vgg_names_find(const vgg_named_tensors *names, const char *name) {
    for (size_t i = 0; i < names->count; i++) {
        if (!names->items[i].used && strcmp(names->items[i].name, name) == 0)
            return &names->items[i];
    }
    return NULL;
}

static void name_module(vgg_named_tensors *names, const vgg_module *module,
                        const vgg_network *network, const vgg_layer *layer) {
    for (size_t role = 0; role < layer->tensors; role++) {
        size_t tensor = module->tensors[role];
        if (tensor != VGG_NO_TENSOR)
            memcpy(names->items[tensor].name,
                   network->tensors[layer->first_tensor + role].info.name, VGG_TENSOR_NAME);
    }
}

void vgg_names_by_order(vgg_named_tensors *names, const vgg_modules *modules,
                        const vgg_network *network) {
    /* What the network has no place for must not have the name of what it has. */
    for (size_t i = 0; i < modules->count; i++) {
        for (size_t role = 0; role < VGG_MODULE_TENSORS; role++) {
            if (modules->items[i].tensors[role] != VGG_NO_TENSOR)
                names->items[modules->items[i].tensors[role]].name[0] = '\0';
        }
    }
    size_t ranks[VGG_LAYER_GLOBAL_MAX_POOL + 1] = {0};
    for (size_t i = 0; i < network->layer_count; i++) {
        const vgg_layer *layer = &network->layers[i];
        if (layer->tensors == 0)
            continue;
        const vgg_module *module = vgg_modules_nth(modules, layer->type, ranks[layer->type]++);
        if (module != NULL)
            name_module(names, module, network, layer);
    }
}
