#include "model/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

static const char data_parallel[] = "module.";

static const struct {
    const char *theirs, *ours;
} timm_modules[] = {
    {"pre_logits.fc1.", "classifier.0."},
    {"pre_logits.fc2.", "classifier.3."},
    {"head.fc.", "classifier.6."},
};

static bool begins_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool all_begin_with(const vgg_tensor_source *source, const char *prefix) {
    for (size_t i = 0; i < source->tensor_count; i++) {
        if (!begins_with(source->tensors[i].name, prefix))
            return false;
    }
    return true;
}

static void translate(const char *name, char ours[VGG_TENSOR_NAME]) {
    const char *prefix = "";
    for (size_t i = 0; i < sizeof timm_modules / sizeof *timm_modules; i++) {
        if (begins_with(name, timm_modules[i].theirs)) {
            prefix = timm_modules[i].ours;
            name += strlen(timm_modules[i].theirs);
            break;
        }
    }
    int length = snprintf(ours, VGG_TENSOR_NAME, "%s%s", prefix, name);
    if (length < 0 || length >= VGG_TENSOR_NAME)
        ours[0] = '\0';
}

vgg_status vgg_names_read(const vgg_tensor_source *source, vgg_named_tensors *names,
                          vgg_error *error) {
    names->items = vgg_calloc(vgg_size_max(source->tensor_count, 1), sizeof *names->items);
    if (names->items == NULL)
        return vgg_fail_memory(error, "the names of tensors",
                               source->tensor_count * sizeof *names->items);
    names->count = source->tensor_count;
    size_t skip = all_begin_with(source, data_parallel) ? strlen(data_parallel) : 0;
    for (size_t i = 0; i < names->count; i++) {
        names->items[i].stored = &source->tensors[i];
        translate(source->tensors[i].name + skip, names->items[i].name);
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

bool vgg_name_split(const char *name, const char *module, size_t *index, const char **field) {
    size_t length = strlen(module);
    if (strncmp(name, module, length) != 0 || name[length] != '.')
        return false;
    const char *digit = name + length + 1;
    if (digit[0] == '0' && digit[1] != '.')
        return false;
    size_t value = 0, digits = 0;
    for (; digit[digits] >= '0' && digit[digits] <= '9'; digits++) {
        if (digits == 6)
            return false;
        value = 10 * value + (size_t)(digit[digits] - '0');
    }
    if (digits == 0 || digit[digits] != '.')
        return false;
    *index = value;
    *field = digit + digits + 1;
    return true;
}

static int compare_sizes(const void *a, const void *b) {
    const size_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The indices of the classifier's weights in the list, ascending; returns how many. */
static size_t linear_indices(const vgg_named_tensors *names, size_t *indices) {
    size_t count = 0;
    for (size_t i = 0; i < names->count; i++) {
        const char *field;
        if (vgg_name_split(names->items[i].name, "classifier", &indices[count], &field) &&
            strcmp(field, "weight") == 0)
            count++;
    }
    qsort(indices, count, sizeof *indices, compare_sizes);
    return count;
}

/* Names the network's linear layer of that rank; false beyond the last one. */
static bool linear_name(const vgg_network *network, size_t rank, char name[VGG_LAYER_NAME]) {
    for (size_t i = 0; i < vgg_network_layer_count(network); i++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        if (vgg_network_layer(network, i, &info, NULL) != VGG_OK || info.type != VGG_LAYER_LINEAR ||
            rank-- > 0)
            continue;
        snprintf(name, VGG_LAYER_NAME, "%s", info.name);
        return true;
    }
    return false;
}

static void rename_linear(vgg_named_tensor *tensor, const vgg_network *network,
                          const size_t *indices, size_t count) {
    size_t index;
    const char *field;
    if (!vgg_name_split(tensor->name, "classifier", &index, &field))
        return;
    const size_t *found = bsearch(&index, indices, count, sizeof *indices, compare_sizes);
    char layer[VGG_LAYER_NAME], name[VGG_TENSOR_NAME];
    if (found == NULL || !linear_name(network, (size_t)(found - indices), layer))
        return;
    int length = snprintf(name, sizeof name, "%s.%s", layer, field);
    if (length > 0 && (size_t)length < sizeof name)
        memcpy(tensor->name, name, sizeof name);
}

vgg_status vgg_names_shift_classifier(vgg_named_tensors *names, const vgg_network *network,
                                      vgg_error *error) {
    size_t *indices = vgg_calloc(names->count + 1, sizeof *indices);
    if (indices == NULL)
        return vgg_fail_memory(error, "the list of linear layers", names->count * sizeof *indices);
    size_t count = linear_indices(names, indices);
    char name[VGG_LAYER_NAME];
    bool as_many =
        count > 0 && linear_name(network, count - 1, name) && !linear_name(network, count, name);
    if (as_many)
        for (size_t i = 0; i < names->count; i++) {
            rename_linear(&names->items[i], network, indices, count);
        }
    vgg_free(indices);
    return VGG_OK;
}
