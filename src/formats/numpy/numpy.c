/* NumPy's files: .npz, a zip archive with an .npy file for each tensor, and .npy with a pickled
 * dict of arrays. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/containers/archive.h"
#include "formats/numpy/numpy.h"
#include "formats/sniff.h"

#define TENSORS_MOST 4096
#define NAME_MOST 256
#define DEPTH_MOST 4

/* Adds the tensor of that name, which is copied. */
static vgg_status add_tensor(vgg_tensor_source *source, const char *name,
                             const vgg_pickle_array *array, vgg_error *error) {
    if (source->tensor_count == TENSORS_MOST)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: has more than %d arrays", source->path,
                        TENSORS_MOST);
    vgg_stored_tensor *grown =
        vgg_realloc(source->tensors, (source->tensor_count + 1) * sizeof *grown);
    if (grown == NULL)
        return vgg_fail_memory(error, "the list of tensors", source->tensor_count);
    source->tensors = grown;
    vgg_stored_tensor *tensor = &grown[source->tensor_count];
    *tensor = (vgg_stored_tensor){.name = vgg_text_copy(name)};
    if (tensor->name == NULL)
        return vgg_fail_memory(error, "a tensor's name", strlen(name));
    source->tensor_count++;
    /* Listed before it has a type, so that it is freed. */
    tensor->type = array->type;
    return vgg_array_take(source, array, tensor, error);
}

/* ---- a pickled dict ---- */

static vgg_status add_value(vgg_tensor_source *source, const vgg_pickle *pickle, const char *name,
                            const vgg_pickle_value *value, size_t depth, vgg_error *error);

/* "conv1_1.weights" of a dict in a dict. */
static vgg_status add_dict(vgg_tensor_source *source, const vgg_pickle *pickle, const char *name,
                           const vgg_pickle_value *dict, size_t depth, vgg_error *error) {
    vgg_status status = VGG_OK;
    const vgg_pickle_value *key, *value;
    for (uint32_t cell = dict->items.first;
         status == VGG_OK && vgg_pickle_next_entry(pickle, &cell, &key, &value);) {
        char inner[NAME_MOST];
        if (key->kind != VGG_PICKLE_TEXT || key->text.length + strlen(name) + 2 > sizeof inner ||
            memchr(key->text.bytes, '\0', key->text.length) != NULL)
            continue;
        snprintf(inner, sizeof inner, "%s%s%.*s", name, *name != '\0' ? "." : "",
                 (int)key->text.length, key->text.bytes);
        status = add_value(source, pickle, inner, value, depth + 1, error);
    }
    return status;
}

/* A layer's weight and bias as a list of two. */
static vgg_status add_list(vgg_tensor_source *source, const vgg_pickle *pickle, const char *name,
                           const vgg_pickle_value *list, size_t depth, vgg_error *error) {
    static const char *const fields[] = {"weight", "bias"};
    const vgg_pickle_value *items[3];
    size_t count = vgg_pickle_items(pickle, list, items, 3);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && count <= 2 && i < count; i++) {
        char inner[NAME_MOST];
        int length = snprintf(inner, sizeof inner, "%s.%s", name, fields[i]);
        if (length > 0 && (size_t)length < sizeof inner)
            status = add_value(source, pickle, inner, items[i], depth + 1, error);
    }
    return status;
}

static vgg_status add_value(vgg_tensor_source *source, const vgg_pickle *pickle, const char *name,
                            const vgg_pickle_value *value, size_t depth, vgg_error *error) {
    vgg_pickle_array array;
    if (depth > DEPTH_MOST)
        return VGG_OK;
    if (vgg_pickle_array_read(pickle, value, &array) && array.type != NULL)
        return add_tensor(source, name, &array, error);
    if (value->kind == VGG_PICKLE_DICT)
        return add_dict(source, pickle, name, value, depth, error);
    if (value->kind == VGG_PICKLE_LIST || value->kind == VGG_PICKLE_TUPLE)
        return add_list(source, pickle, name, value, depth, error);
    return VGG_OK;
}

/* The one value of an array of objects. */
static vgg_status add_objects(vgg_tensor_source *source, const char *record,
                              const vgg_pickle_array *objects, vgg_error *error) {
    const vgg_pickle_input input = {
        .path = source->path, .record = record, .bytes = objects->bytes, .size = objects->length};
    vgg_pickle pickle = {0};
    vgg_pickle_array array;
    const vgg_pickle_value *value = NULL;
    vgg_status status = vgg_pickle_read(&input, &pickle, error);
    if (status == VGG_OK) {
        value = &pickle.values[pickle.root];
        if (vgg_pickle_array_read(&pickle, value, &array) && array.type == NULL &&
            vgg_pickle_items(&pickle, array.objects, &value, 1) != 1)
            value = NULL;
    }
    if (status == VGG_OK && (value == NULL || value->kind != VGG_PICKLE_DICT))
        status =
            vgg_fail(error, VGG_ERROR_FORMAT,
                     "%s: holds objects that are no dict, which gives arrays names", source->path);
    if (status == VGG_OK)
        status = add_dict(source, &pickle, "", value, 0, error);
    vgg_pickle_free(&pickle);
    return status;
}

/* ---- files ---- */

static vgg_status add_record(vgg_tensor_source *source, vgg_archive *archive, size_t record,
                             vgg_error *error) {
    const char *path = vgg_archive_name(archive, record);
    size_t length = strlen(path), tail = strlen(".npy");
    if (length <= tail || length >= NAME_MOST || strcmp(path + length - tail, ".npy") != 0)
        return VGG_OK;
    char name[NAME_MOST];
    memcpy(name, path, length - tail);
    name[length - tail] = '\0';
    const unsigned char *bytes;
    size_t size;
    vgg_pickle_array array;
    vgg_status status = vgg_archive_use(archive, record, &bytes, &size, error);
    if (status == VGG_OK)
        status = vgg_npy_read(path, bytes, size, &array, error);
    if (status != VGG_OK) {
        vgg_error_prefix(error, "%s", source->path);
        return status;
    }
    return array.type != NULL ? add_tensor(source, name, &array, error)
                              : add_objects(source, path, &array, error);
}

static vgg_status load_npz(vgg_tensor_source *source, vgg_error *error) {
    vgg_archive *archive = NULL;
    vgg_status status = vgg_archive_open(&source->storage, source->path, &archive, error);
    size_t count = status == VGG_OK ? vgg_archive_count(archive) : 0;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        status = add_record(source, archive, i, error);
    }
    vgg_archive_close(archive);
    return status;
}

static vgg_status load_npy(vgg_tensor_source *source, vgg_error *error) {
    vgg_pickle_array array;
    vgg_status status =
        vgg_npy_read(source->path, source->storage.map, source->storage.size, &array, error);
    if (status == VGG_OK && array.type != NULL)
        status = vgg_fail(error, VGG_ERROR_FORMAT,
                          "%s: holds a single array, expected a dict of them (or an .npz file), "
                          "which gives them names",
                          source->path);
    return status == VGG_OK ? add_objects(source, NULL, &array, error) : status;
}

static vgg_status load(vgg_tensor_source *source, vgg_error *error) {
    bool zip = vgg_is_zip(source->storage.map, source->storage.size);
    vgg_status status = zip ? load_npz(source, error) : load_npy(source, error);
    if (status == VGG_OK && source->tensor_count == 0)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: has no arrays of numbers", source->path);
    return status == VGG_OK ? vgg_numpy_arrange(source, error) : status;
}

const vgg_format vgg_format_numpy = {
    .name = "numpy", .endings = ".npz .npy", .sniff = vgg_numpy_sniff, .load = load};
