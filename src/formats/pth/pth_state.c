/* From the pickle of a PyTorch file to tensors. torch/_utils.py, _rebuild_tensor_v2, says what the
 * arguments of a tensor are: storage, offset, sizes and strides, all counted in values. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/pth/pth.h"

/* Where programs keep the state dict beside other things, the likeliest first. */
static const char *const wrappers[] = {"state_dict", "model_state_dict", "model",
                                       "net",        "state_dict_ema",   "model_ema"};
#define WRAPPERS_DEEP 3

/* A tensor as the pickle describes it. */
typedef struct view {
    vgg_pth_storage storage;
    const vgg_element_type *type;
    size_t offset, dimensions;
    size_t shape[VGG_STORED_DIMENSIONS], strides[VGG_STORED_DIMENSIONS];
    size_t count;
} view;

static bool read_size(const vgg_pickle_value *value, size_t *size) {
    if (value->kind != VGG_PICKLE_INTEGER || value->integer < 0)
        return false;
    *size = (size_t)value->integer;
    return true;
}

vgg_status vgg_pth_storage_read(const vgg_tensor_source *source, const vgg_pickle *pickle,
                                const vgg_pickle_value *value, vgg_pth_storage *storage,
                                vgg_error *error) {
    /* ("storage", type, key, location, count), and in old files None or a view of it */
    const vgg_pickle_value *parts[6], *part[3];
    size_t count = vgg_pickle_items(pickle, value, parts, 6);
    if (count < 5 || parts[1]->kind != VGG_PICKLE_GLOBAL ||
        parts[1]->global->role != VGG_PICKLE_IS_TYPE || parts[2]->kind != VGG_PICKLE_TEXT ||
        !read_size(parts[4], &storage->count))
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its pickle describes a storage wrongly, expected a type, a key, a "
                        "place and a count of values",
                        source->path);
    storage->type = vgg_element_type_named(parts[1]->global->type);
    storage->key = parts[2]->text.bytes;
    storage->key_length = parts[2]->text.length;
    storage->first = 0;
    storage->view = storage->count;
    size_t bytes;
    if (!vgg_size_mul(storage->count, storage->type->bytes, &bytes))
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its pickle gives a storage %zu values, more than memory has addresses",
                        source->path, storage->count);
    if (count < 6 || parts[5]->kind == VGG_PICKLE_NONE)
        return VGG_OK;
    if (parts[5]->kind != VGG_PICKLE_TUPLE || vgg_pickle_items(pickle, parts[5], part, 3) != 3 ||
        !read_size(part[1], &storage->first) || !read_size(part[2], &storage->view) ||
        storage->first > storage->count || storage->view > storage->count - storage->first)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its pickle describes a part of a storage that the storage does not "
                        "have",
                        source->path);
    return VGG_OK;
}

/* ---- one tensor ---- */

static vgg_status fail_tensor(const vgg_tensor_source *source, const vgg_stored_tensor *tensor,
                              const char *what, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT, "tensor \"%s\" of %s: %s", tensor->name, source->path,
                    what);
}

static vgg_status read_shape(const vgg_tensor_source *source, const vgg_pickle *pickle,
                             const vgg_pickle_value *sizes, const vgg_pickle_value *strides,
                             const vgg_stored_tensor *tensor, view *v, vgg_error *error) {
    const vgg_pickle_value *shape[VGG_STORED_DIMENSIONS + 1], *steps[VGG_STORED_DIMENSIONS + 1];
    if (sizes->kind != VGG_PICKLE_TUPLE || strides->kind != VGG_PICKLE_TUPLE)
        return fail_tensor(source, tensor, "its sizes and strides are no tuples", error);
    v->dimensions = vgg_pickle_items(pickle, sizes, shape, VGG_STORED_DIMENSIONS + 1);
    if (v->dimensions > VGG_STORED_DIMENSIONS)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%s\" of %s has more than %d dimensions", tensor->name,
                        source->path, VGG_STORED_DIMENSIONS);
    if (vgg_pickle_items(pickle, strides, steps, VGG_STORED_DIMENSIONS + 1) != v->dimensions)
        return fail_tensor(source, tensor, "it has not as many strides as sizes", error);
    v->count = 1;
    for (size_t i = 0; i < v->dimensions; i++) {
        if (!read_size(shape[i], &v->shape[i]) || !read_size(steps[i], &v->strides[i]))
            return fail_tensor(source, tensor, "a size or stride is not a whole number from 0",
                               error);
        if (!vgg_size_mul(v->count, v->shape[i], &v->count))
            return fail_tensor(source, tensor, "it has more values than memory has addresses",
                               error);
    }
    return VGG_OK;
}

/* The storage may hold bytes in place of values. */
static size_t values_in_view(const view *v) {
    return v->storage.view * v->storage.type->bytes / v->type->bytes;
}

static vgg_status check_reach(const vgg_tensor_source *source, const vgg_stored_tensor *tensor,
                              const view *v, vgg_error *error) {
    size_t last = v->offset, step;
    bool fits = true;
    for (size_t i = 0; i < v->dimensions && v->count > 0; i++) {
        fits = fits && vgg_size_mul(v->shape[i] - 1, v->strides[i], &step) &&
               vgg_size_add(last, step, &last);
    }
    size_t available = values_in_view(v);
    if (fits && (v->count > 0 ? last < available : last <= available))
        return VGG_OK;
    char text[VGG_SHAPE_TEXT];
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "tensor \"%s\" of %s: its shape %s from value %zu on reaches beyond its "
                    "storage of %zu values",
                    tensor->name, source->path, vgg_shape_text(text, v->shape, v->dimensions),
                    v->offset, available);
}

static vgg_status read_view(const vgg_tensor_source *source, const vgg_pickle *pickle,
                            const vgg_pickle_value *value, const vgg_stored_tensor *tensor, view *v,
                            vgg_error *error) {
    const vgg_pickle_value *parts[7];
    size_t count = vgg_pickle_items(pickle, value, parts, 7);
    bool typed = value->global->role == VGG_PICKLE_MAKES_TENSOR_V3;
    if (count < (typed ? 7 : 4) || parts[0]->kind != VGG_PICKLE_STORAGE ||
        !read_size(parts[1], &v->offset))
        return fail_tensor(source, tensor,
                           "it is not described by a storage, an offset, sizes "
                           "and strides",
                           error);
    vgg_status status = vgg_pth_storage_read(source, pickle, parts[0], &v->storage, error);
    if (status == VGG_OK)
        status = read_shape(source, pickle, parts[2], parts[3], tensor, v, error);
    if (status != VGG_OK)
        return status;
    v->type = v->storage.type;
    if (typed) {
        if (parts[6]->kind != VGG_PICKLE_GLOBAL || parts[6]->global->role != VGG_PICKLE_IS_TYPE)
            return fail_tensor(source, tensor, "its type is no type", error);
        v->type = vgg_element_type_named(parts[6]->global->type);
    }
    return check_reach(source, tensor, v, error);
}

static bool is_contiguous(const view *v) {
    size_t expected = 1;
    for (size_t i = v->dimensions; i-- > 0;) {
        if (v->shape[i] != 1 && v->strides[i] != expected)
            return false;
        expected *= v->shape[i];
    }
    return true;
}

/* Inlined with a width that is a number, so that each copy is one move. */
static inline void copy_values(unsigned char *to, const unsigned char *from, size_t count,
                               size_t stride, size_t width) {
    for (size_t i = 0; i < count; i++) {
        memcpy(to + i * width, from + i * stride * width, width);
    }
}

static void copy_run(unsigned char *to, const unsigned char *from, size_t count, size_t stride,
                     size_t width) {
    switch (width) {
    case 1:
        copy_values(to, from, count, stride, 1);
        break;
    case 2:
        copy_values(to, from, count, stride, 2);
        break;
    case 4:
        copy_values(to, from, count, stride, 4);
        break;
    default:
        copy_values(to, from, count, stride, 8);
        break;
    }
}

/* Row-major values of a tensor that lies otherwise: transposed, expanded, a part of a larger one.
 */
static void gather(const view *v, const unsigned char *from, unsigned char *to) {
    size_t width = v->type->bytes, last = v->dimensions - 1, run = v->shape[last];
    size_t at[VGG_STORED_DIMENSIONS] = {0};
    for (size_t done = 0; done < v->count; done += run) {
        size_t place = 0;
        for (size_t i = 0; i < last; i++) {
            place += at[i] * v->strides[i];
        }
        copy_run(to + done * width, from + place * width, run, v->strides[last], width);
        for (size_t i = last; i-- > 0 && ++at[i] == v->shape[i];) {
            at[i] = 0;
        }
    }
}

static vgg_status take_tensor(vgg_tensor_source *source, const vgg_pickle *pickle,
                              const vgg_pickle_value *value, const vgg_pth_storages *storages,
                              vgg_stored_tensor *tensor, vgg_error *error) {
    view v = {0};
    const unsigned char *bytes;
    vgg_status status = read_view(source, pickle, value, tensor, &v, error);
    if (status == VGG_OK)
        status = storages->find(storages->context, &v.storage, &bytes, error);
    if (status != VGG_OK)
        return status;
    tensor->type = v.type;
    tensor->dimensions = v.dimensions;
    memcpy(tensor->shape, v.shape, sizeof tensor->shape);
    tensor->count = v.count;
    tensor->bytes = bytes + v.storage.first * v.storage.type->bytes + v.offset * v.type->bytes;
    if (v.count == 0 || is_contiguous(&v))
        return VGG_OK;
    size_t needed;
    void *memory;
    if (!vgg_size_mul(v.count, v.type->bytes, &needed))
        return fail_tensor(source, tensor, "it has more values than memory has addresses", error);
    status = vgg_tensor_source_memory(source, needed, tensor->name, &memory, error);
    if (status != VGG_OK)
        return status;
    gather(&v, tensor->bytes, memory);
    tensor->bytes = memory;
    return VGG_OK;
}

/* ---- the state dict ---- */

/* Walks over a dict: true with the next key and value. */
static bool next_entry(const vgg_pickle *pickle, uint32_t *cell, const vgg_pickle_value **key,
                       const vgg_pickle_value **value) {
    if (*cell == VGG_PICKLE_END)
        return false;
    const vgg_pickle_cell *first = &pickle->cells[*cell], *second = &pickle->cells[first->next];
    *key = &pickle->values[first->value];
    *value = &pickle->values[second->value];
    *cell = second->next;
    return true;
}

static bool is_tensor_entry(const vgg_pickle_value *key, const vgg_pickle_value *value) {
    return key->kind == VGG_PICKLE_TEXT && value->kind == VGG_PICKLE_TENSOR;
}

static size_t count_tensors(const vgg_pickle *pickle, const vgg_pickle_value *dict) {
    const vgg_pickle_value *key, *value;
    size_t count = 0;
    for (uint32_t cell = dict->items.first; next_entry(pickle, &cell, &key, &value);) {
        count += is_tensor_entry(key, value);
    }
    return count;
}

/* The dict under that key; NULL when there is none. */
static const vgg_pickle_value *find_dict(const vgg_pickle *pickle, const vgg_pickle_value *dict,
                                         const char *name) {
    const vgg_pickle_value *key, *value, *found = NULL;
    for (uint32_t cell = dict->items.first; next_entry(pickle, &cell, &key, &value);) {
        if (value->kind == VGG_PICKLE_DICT && vgg_pickle_is_text(key, name))
            found = value;
    }
    return found;
}

/* Goes into wrappers until there are tensors; NULL when there are none. */
static const vgg_pickle_value *find_state(const vgg_pickle *pickle, const vgg_pickle_value *dict,
                                          size_t depth) {
    for (size_t i = 0; depth < WRAPPERS_DEEP && i < sizeof wrappers / sizeof *wrappers; i++) {
        const vgg_pickle_value *inner = find_dict(pickle, dict, wrappers[i]);
        const vgg_pickle_value *found = inner ? find_state(pickle, inner, depth + 1) : NULL;
        if (found != NULL)
            return found;
    }
    return count_tensors(pickle, dict) > 0 ? dict : NULL;
}

static vgg_status fail_no_state(const vgg_tensor_source *source, const vgg_pickle *pickle,
                                const vgg_pickle_value *root, vgg_error *error) {
    if (root->kind != VGG_PICKLE_DICT)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: holds %s, expected a state dict, which gives tensors names",
                        source->path,
                        root->kind == VGG_PICKLE_TENSOR  ? "a single tensor"
                        : root->kind == VGG_PICKLE_LIST  ? "a list"
                        : root->kind == VGG_PICKLE_TUPLE ? "a tuple"
                                                         : "a single value");
    vgg_text text = {0};
    const vgg_pickle_value *key, *value;
    size_t shown = 0;
    for (uint32_t cell = root->items.first; shown < 4 && next_entry(pickle, &cell, &key, &value);) {
        if (key->kind == VGG_PICKLE_TEXT)
            vgg_text_add(&text, "%s\"%.*s\"", shown++ == 0 ? "" : ", ",
                         (int)vgg_size_min(key->text.length, 40), key->text.bytes);
    }
    char *keys = vgg_text_take(&text);
    vgg_fail(
        error, VGG_ERROR_FORMAT,
        "%s: its dict has no tensors, nor does a dict under \"state_dict\" or \"model\" in it; "
        "its keys begin with %s",
        source->path, keys == NULL || *keys == '\0' ? "nothing" : keys);
    vgg_free(keys);
    return VGG_ERROR_FORMAT;
}

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

vgg_status vgg_pth_take_tensors(vgg_tensor_source *source, const vgg_pickle *pickle,
                                const vgg_pth_storages *storages, vgg_error *error) {
    const vgg_pickle_value *root = &pickle->values[pickle->root], *key, *value;
    const vgg_pickle_value *state =
        root->kind == VGG_PICKLE_DICT ? find_state(pickle, root, 0) : NULL;
    if (state == NULL)
        return fail_no_state(source, pickle, root, error);
    size_t count = count_tensors(pickle, state), number = 0;
    if (count > VGG_PTH_TENSORS_MAX)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: has %zu tensors, expected at most %d",
                        source->path, count, VGG_PTH_TENSORS_MAX);
    vgg_status status = vgg_tensor_source_reserve(source, count, error);
    for (uint32_t cell = state->items.first;
         status == VGG_OK && next_entry(pickle, &cell, &key, &value);) {
        if (!is_tensor_entry(key, value))
            continue;
        vgg_stored_tensor *tensor = &source->tensors[number++];
        status = take_name(source, key, tensor, error);
        if (status == VGG_OK)
            status = take_tensor(source, pickle, value, storages, tensor, error);
    }
    return status == VGG_OK ? check_names(source, error) : status;
}
