/* Taking the tensors of the state dict, or of the network that was pickled whole, that was chosen.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/array_tensor.h"
#include "formats/pth/pth_module.h"

#define FEW_VALUES 4

/* ---- what is a tensor ---- */

/* How many sizes there are; 0 for a tensor of few values, such as a mean that is 3x1x1. */
static size_t count_dimensions(const vgg_pickle *pickle, const vgg_pickle_value *tuple) {
    const vgg_pickle_value *sizes[VGG_STORED_DIMENSIONS];
    size_t count = vgg_pickle_items(pickle, tuple, sizes, VGG_STORED_DIMENSIONS), size;
    size_t values = 1;
    for (size_t i = 0; i < count && values <= FEW_VALUES; i++) {
        if (vgg_pth_read_size(sizes[i], &size) && !vgg_size_mul(values, size, &values))
            values = SIZE_MAX;
    }
    return values > FEW_VALUES ? count : 0;
}

/* The dimensions of a tensor or array; false for another value. */
bool vgg_pth_is_tensor(const vgg_pickle *pickle, const vgg_pickle_value *value,
                       size_t *dimensions) {
    enum { SIZES = 2 };
    const vgg_pickle_value *parts[SIZES + 1];
    vgg_pickle_array array;
    if (value->kind == VGG_PICKLE_ARRAY) {
        bool numbers = vgg_pickle_array_read(pickle, value, &array) && array.type != NULL;
        *dimensions = array.count > FEW_VALUES ? array.dimensions : 0;
        return numbers;
    }
    *dimensions = 0;
    if (value->kind != VGG_PICKLE_TENSOR)
        return false;
    if (vgg_pickle_items(pickle, value, parts, SIZES + 1) > SIZES &&
        parts[SIZES]->kind == VGG_PICKLE_TUPLE)
        *dimensions = count_dimensions(pickle, parts[SIZES]);
    return true;
}

/* ---- those of a dict ---- */

static vgg_status take_name(const vgg_tensor_source *source, const vgg_pickle_value *key,
                            vgg_stored_tensor *tensor, vgg_error *error) {
    if (memchr(key->text.bytes, '\0', key->text.length) != NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: the name of a tensor has a zero in it",
                        source->path);
    tensor->name = vgg_malloc(key->text.length + 1);
    if (tensor->name == NULL)
        return vgg_fail_memory(error, "a tensor's name", key->text.length);
    memcpy(tensor->name, key->text.bytes, key->text.length);
    tensor->name[key->text.length] = '\0';
    return VGG_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static vgg_status check_names(const vgg_tensor_source *source, vgg_error *error) {
    const char **names = vgg_calloc(source->tensor_count + 1, sizeof *names);
    if (names == NULL)
        return vgg_fail_memory(error, "the names of tensors", source->tensor_count);
    for (size_t i = 0; i < source->tensor_count; i++) {
        names[i] = source->tensors[i].name;
    }
    qsort(names, source->tensor_count, sizeof *names, compare_names);
    vgg_status status = VGG_OK;
    for (size_t i = 1; status == VGG_OK && i < source->tensor_count; i++) {
        if (strcmp(names[i - 1], names[i]) == 0)
            status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: has two tensors \"%.80s\"",
                              source->path, names[i]);
    }
    vgg_free(names);
    return status;
}

static vgg_status take_entry(vgg_tensor_source *source, const vgg_pickle *pickle,
                             const vgg_pickle_value *key, const vgg_pickle_value *value,
                             const vgg_pth_storages *storages, vgg_stored_tensor *tensor,
                             vgg_error *error) {
    vgg_pickle_array array;
    vgg_status status = take_name(source, key, tensor, error);
    if (status != VGG_OK)
        return status;
    if (value->kind == VGG_PICKLE_TENSOR)
        return vgg_pth_take_tensor(source, pickle, value, storages, tensor, error);
    vgg_pickle_array_read(pickle, value, &array);
    return vgg_array_take(source, &array, tensor, error);
}

static vgg_status reserve(vgg_tensor_source *source, size_t tensors, vgg_error *error) {
    if (tensors > VGG_PTH_TENSORS_MAX)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: has %zu tensors, expected at most %d",
                        source->path, tensors, VGG_PTH_TENSORS_MAX);
    return vgg_tensor_source_reserve(source, tensors, error);
}

vgg_status vgg_pth_take_dict(vgg_tensor_source *source, const vgg_pickle *pickle,
                             const vgg_pickle_value *dict, size_t tensors,
                             const vgg_pth_storages *storages, vgg_error *error) {
    vgg_status status = reserve(source, tensors, error);
    const vgg_pickle_value *key, *value;
    size_t number = 0, dimensions;
    for (uint32_t cell = dict->items.first;
         status == VGG_OK && vgg_pickle_next_entry(pickle, &cell, &key, &value);) {
        if (key->kind == VGG_PICKLE_TEXT && vgg_pth_is_tensor(pickle, value, &dimensions))
            status =
                take_entry(source, pickle, key, value, storages, &source->tensors[number++], error);
    }
    return status == VGG_OK ? check_names(source, error) : status;
}

/* ---- those of a whole network ---- */

typedef struct taking {
    vgg_tensor_source *source;
    const vgg_pickle *pickle;
    const vgg_pth_storages *storages;
    size_t capacity;
} taking;

static vgg_status take_of_module(void *context, const char *name, const vgg_pickle_value *value,
                                 vgg_error *error) {
    taking *at = context;
    size_t dimensions, number = at->source->tensor_count;
    if (!vgg_pth_is_tensor(at->pickle, value, &dimensions) || number == at->capacity)
        return VGG_OK;
    vgg_stored_tensor *tensor = &at->source->tensors[number];
    at->source->tensor_count++;
    tensor->name = vgg_text_copy(name);
    if (tensor->name == NULL)
        return vgg_fail_memory(error, "a tensor's name", strlen(name));
    return vgg_pth_take_tensor(at->source, at->pickle, value, at->storages, tensor, error);
}

vgg_status vgg_pth_take_module(vgg_tensor_source *source, const vgg_pickle *pickle,
                               const vgg_pickle_value *module, size_t tensors,
                               const vgg_pth_storages *storages, vgg_error *error) {
    taking at = {source, pickle, storages, tensors};
    const vgg_pth_visitor visitor = {.context = &at, .tensor = take_of_module};
    vgg_status status = reserve(source, tensors, error);
    if (status != VGG_OK)
        return status;
    source->tensor_count = 0;
    status = vgg_pth_visit_module(source, pickle, module, &visitor, error);
    if (status == VGG_OK)
        status = check_names(source, error);
    if (status != VGG_OK)
        return status;
    vgg_error reason = {0};
    status = vgg_pth_list_modules(source, pickle, module, &reason);
    if (status != VGG_ERROR_UNSUPPORTED)
        return status == VGG_OK ? VGG_OK : vgg_fail(error, status, "%s", reason.message);
    source->refusal = reason;
    return VGG_OK;
}
