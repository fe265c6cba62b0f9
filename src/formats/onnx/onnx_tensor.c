/* The values of an ONNX tensor (TensorProto in github.com/onnx/onnx, onnx/onnx.proto): in the file,
 * as bytes or as packed numbers, or in another file of the same folder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/containers/protobuf.h"
#include "formats/containers/wire.h"
#include "formats/onnx/onnx.h"

/* TensorProto.data_location */
enum { IN_ANOTHER_FILE = 1 };

static vgg_status fail_tensor(const vgg_onnx *onnx, const Vgg__Onnx__Tensor *stored,
                              vgg_status status, const char *what, vgg_error *error) {
    return vgg_fail(error, status, "tensor \"%.80s\" of %s: %s", vgg_onnx_text(stored->name),
                    onnx->source->path, what);
}

static vgg_status read_type(const vgg_onnx *onnx, const Vgg__Onnx__Tensor *stored,
                            vgg_stored_tensor *tensor, vgg_error *error) {
    const char *name = stored->data_type == VGG_ONNX_FLOAT      ? "F32"
                       : stored->data_type == VGG_ONNX_FLOAT16  ? "F16"
                       : stored->data_type == VGG_ONNX_BFLOAT16 ? "BF16"
                       : stored->data_type == VGG_ONNX_DOUBLE   ? "F64"
                                                                : NULL;
    if (name == NULL)
        return vgg_fail(
            error, VGG_ERROR_UNSUPPORTED,
            "tensor \"%.80s\" of %s has data_type %d, expected 1 (float), 10 (float16), "
            "11 (double) or 16 (bfloat16)",
            vgg_onnx_text(stored->name), onnx->source->path, (int)stored->data_type);
    tensor->type = vgg_element_type_named(name);
    return VGG_OK;
}

static vgg_status read_shape(const vgg_onnx *onnx, const Vgg__Onnx__Tensor *stored,
                             vgg_stored_tensor *tensor, vgg_error *error) {
    if (stored->n_dims > VGG_STORED_DIMENSIONS)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%.80s\" of %s has %zu dimensions, expected at most %d",
                        vgg_onnx_text(stored->name), onnx->source->path, stored->n_dims,
                        VGG_STORED_DIMENSIONS);
    tensor->dimensions = stored->n_dims;
    tensor->count = 1;
    for (size_t i = 0; i < stored->n_dims; i++) {
        if (stored->dims[i] < 0 ||
            !vgg_size_mul(tensor->count, (size_t)stored->dims[i], &tensor->count))
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "tensor \"%.80s\" of %s: dimension %zu is %lld, expected a size",
                            vgg_onnx_text(stored->name), onnx->source->path, i,
                            (long long)stored->dims[i]);
        tensor->shape[i] = (size_t)stored->dims[i];
    }
    if (tensor->count == 0)
        return fail_tensor(onnx, stored, VGG_ERROR_SHAPE, "has no values", error);
    return VGG_OK;
}

/* That the values have as many bytes as the shape says. */
static vgg_status check_bytes(const vgg_onnx *onnx, const Vgg__Onnx__Tensor *stored,
                              const vgg_stored_tensor *tensor, const char *field, size_t found,
                              vgg_error *error) {
    size_t expected;
    if (vgg_size_mul(tensor->count, tensor->type->bytes, &expected) && found == expected)
        return VGG_OK;
    char shape[VGG_SHAPE_TEXT];
    return vgg_fail(
        error, VGG_ERROR_FORMAT,
        "tensor \"%.80s\" of %s: %s has %zu bytes, expected %zu values of %zu bytes for "
        "%s of shape %s",
        vgg_onnx_text(stored->name), onnx->source->path, field, found, tensor->count,
        tensor->type->bytes, tensor->type->name,
        vgg_shape_text(shape, tensor->shape, tensor->dimensions));
}

/* ---- in the file ---- */

/* Values in one piece stay where they are; several pieces are put together. */
static vgg_status join_pieces(vgg_onnx *onnx, const Vgg__Onnx__Tensor *stored, const char *field,
                              size_t count, const ProtobufCBinaryData *pieces,
                              vgg_stored_tensor *tensor, vgg_error *error) {
    const unsigned char *map = onnx->source->storage.map;
    size_t total = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        tensor->bytes = vgg_protobuf_bytes(map, &pieces[i], &size);
        total += size;
    }
    vgg_status status = check_bytes(onnx, stored, tensor, field, total, error);
    if (status != VGG_OK || count <= 1)
        return status;
    void *memory;
    status = vgg_tensor_source_memory(onnx->source, total, "a tensor in pieces", &memory, error);
    if (status != VGG_OK)
        return status;
    tensor->bytes = memory;
    for (size_t i = 0, done = 0; i < count; i++, done += size) {
        const unsigned char *piece = vgg_protobuf_bytes(map, &pieces[i], &size);
        memcpy((unsigned char *)memory + done, piece, size);
        vgg_storage_drop(&onnx->source->storage, piece, size);
    }
    return VGG_OK;
}

/* 16-bit floats as int32_data: each a base-128 number with the float's bits. */
static vgg_status read_halves(vgg_onnx *onnx, const Vgg__Onnx__Tensor *stored,
                              vgg_stored_tensor *tensor, vgg_error *error) {
    void *memory;
    if (tensor->count > onnx->source->storage.size)
        return check_bytes(onnx, stored, tensor, "int32_data", 0, error);
    vgg_status status = vgg_tensor_source_memory(onnx->source, 2 * tensor->count,
                                                 "a tensor in int32_data", &memory, error);
    if (status != VGG_OK)
        return status;
    uint16_t *halves = memory;
    size_t found = 0, size;
    for (size_t i = 0; i < stored->n_int32_data; i++) {
        const unsigned char *at =
            vgg_protobuf_bytes(onnx->source->storage.map, &stored->int32_data[i], &size);
        for (const unsigned char *end = at + size; at < end; found++) {
            uint64_t value = vgg_wire_varint(&at, end);
            if (at == NULL || value > UINT16_MAX)
                return fail_tensor(onnx, stored, VGG_ERROR_FORMAT,
                                   "int32_data has a number beyond 16 bits", error);
            if (found < tensor->count)
                halves[found] = (uint16_t)value;
        }
    }
    tensor->bytes = memory;
    return check_bytes(onnx, stored, tensor, "int32_data", 2 * found, error);
}

static vgg_status read_here(vgg_onnx *onnx, const Vgg__Onnx__Tensor *stored,
                            vgg_stored_tensor *tensor, vgg_error *error) {
    if (stored->n_raw_data > 0)
        /* Not a packed field: the last one counts. */
        return join_pieces(onnx, stored, "raw_data", 1, &stored->raw_data[stored->n_raw_data - 1],
                           tensor, error);
    switch (stored->data_type) {
    case VGG_ONNX_FLOAT:
        return join_pieces(onnx, stored, "float_data", stored->n_float_data, stored->float_data,
                           tensor, error);
    case VGG_ONNX_DOUBLE:
        return join_pieces(onnx, stored, "double_data", stored->n_double_data, stored->double_data,
                           tensor, error);
    default:
        return read_halves(onnx, stored, tensor, error);
    }
}

/* ---- in another file ---- */

static const char *external_entry(const Vgg__Onnx__Tensor *stored, const char *key) {
    for (size_t i = 0; i < stored->n_external_data; i++) {
        if (strcmp(vgg_onnx_text(stored->external_data[i]->key), key) == 0)
            return vgg_onnx_text(stored->external_data[i]->value);
    }
    return NULL;
}

/* A whole number from 0 in decimal digits, or `fallback` for an entry that is not there. */
static bool external_size(const Vgg__Onnx__Tensor *stored, const char *key, size_t fallback,
                          size_t *size) {
    const char *text = external_entry(stored, key);
    *size = fallback;
    if (text == NULL)
        return true;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 19 || text[digits] != '\0')
        return false;
    *size = strtoull(text, NULL, 10);
    return true;
}

/* Whether the path stays in its folder as far as its words say. */
static bool is_inside(const char *location) {
    if (location[0] == '/' || location[0] == '\0')
        return false;
    while (*location != '\0') {
        size_t length = strcspn(location, "/");
        if (length == 2 && strncmp(location, "..", 2) == 0)
            return false;
        location += length;
        location += *location == '/';
    }
    return true;
}

/* The path without links; freed by the caller, NULL when there is none. */
static char *real_path(const char *path) {
    char *found = path != NULL ? realpath(path, NULL) : NULL;
    char *copy = found != NULL ? vgg_text_copy(found) : NULL;
    free(found); /* the C library's */
    return copy;
}

/* The model's folder and the file in it, links resolved; both are freed by the caller. */
static void resolve(const char *model, const char *location, char **folder, char **file) {
    const char *slash = strrchr(model, '/');
    vgg_text text = {0};
    vgg_text_add(&text, "%.*s", slash == NULL ? 1 : (int)(slash - model) + 1,
                 slash == NULL ? "." : model);
    char *name = vgg_text_take(&text);
    char *joined = name != NULL ? vgg_path_join(name, location) : NULL;
    *folder = real_path(name);
    *file = real_path(joined);
    vgg_free(name);
    vgg_free(joined);
}

static vgg_status map_external(vgg_onnx *onnx, const Vgg__Onnx__Tensor *stored,
                               const char *location, vgg_mapped_file *file, vgg_error *error) {
    char *folder, *path;
    resolve(onnx->source->path, location, &folder, &path);
    int reason = errno;
    vgg_status status;
    size_t length = folder != NULL ? strlen(folder) : 0;
    if (folder == NULL || path == NULL)
        status =
            vgg_fail(error, reason == ENOENT ? VGG_ERROR_NOT_FOUND : VGG_ERROR_IO,
                     "tensor \"%.80s\" of %s: cannot open its values' file \"%.200s\": %s",
                     vgg_onnx_text(stored->name), onnx->source->path, location, strerror(reason));
    else if (strncmp(path, folder, length) != 0 || (length > 1 && path[length] != '/'))
        status =
            vgg_fail(error, VGG_ERROR_FORMAT,
                     "tensor \"%.80s\" of %s: its values' file \"%.200s\" is a link that leaves "
                     "the model's folder",
                     vgg_onnx_text(stored->name), onnx->source->path, location);
    else {
        status = vgg_storage_map(&onnx->source->storage, path, file, error);
        if (status != VGG_OK)
            vgg_error_prefix(error, "tensor \"%.80s\" of %s", vgg_onnx_text(stored->name),
                             onnx->source->path);
    }
    vgg_free(folder);
    vgg_free(path);
    return status;
}

static vgg_status open_external(vgg_onnx *onnx, const Vgg__Onnx__Tensor *stored,
                                const char *location, vgg_mapped_file *file, vgg_error *error) {
    for (size_t i = 0; i < onnx->external_count; i++) {
        if (strcmp(onnx->externals[i].location, location) == 0) {
            *file = onnx->externals[i].file;
            return VGG_OK;
        }
    }
    vgg_onnx_external *externals =
        vgg_realloc(onnx->externals, (onnx->external_count + 1) * sizeof *externals);
    if (externals == NULL)
        return vgg_fail_memory(error, "a list of files", sizeof *externals);
    onnx->externals = externals;
    vgg_status status = map_external(onnx, stored, location, file, error);
    if (status != VGG_OK)
        return status;
    vgg_onnx_external *opened = &externals[onnx->external_count];
    *opened = (vgg_onnx_external){vgg_text_copy(location), *file};
    if (opened->location == NULL)
        return vgg_fail_memory(error, "a file's name", strlen(location));
    onnx->external_count++;
    return VGG_OK;
}

static vgg_status read_external(vgg_onnx *onnx, const Vgg__Onnx__Tensor *stored,
                                vgg_stored_tensor *tensor, vgg_error *error) {
    const char *location = external_entry(stored, "location");
    size_t offset, length, expected;
    vgg_bytes_kind kind = onnx->source->storage.kind;
    if (kind != VGG_BYTES_FILE && kind != VGG_BYTES_COPY)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%.80s\" of %s: its values are in the file \"%.200s\" beside the "
                        "model's, which a model that is not read from a file has not: load it by "
                        "its path",
                        vgg_onnx_text(stored->name), onnx->source->path, vgg_onnx_text(location));
    if (location == NULL || !is_inside(location))
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "tensor \"%.80s\" of %s: its values are in \"%.200s\", expected a file in "
                        "the model's folder",
                        vgg_onnx_text(stored->name), onnx->source->path, vgg_onnx_text(location));
    vgg_mapped_file file;
    vgg_status status = open_external(onnx, stored, location, &file, error);
    if (status != VGG_OK)
        return status;
    if (!vgg_size_mul(tensor->count, tensor->type->bytes, &expected))
        expected = SIZE_MAX;
    if (!external_size(stored, "offset", 0, &offset) ||
        !external_size(stored, "length", expected, &length))
        return fail_tensor(onnx, stored, VGG_ERROR_FORMAT,
                           "\"offset\" or \"length\" of its external_data is no whole number",
                           error);
    status = check_bytes(onnx, stored, tensor, "external_data", length, error);
    if (status != VGG_OK)
        return status;
    if (offset > file.size || length > file.size - offset)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "tensor \"%.80s\" of %s: its %zu bytes from byte %zu on do not fit into "
                        "\"%.200s\", which has %zu bytes",
                        vgg_onnx_text(stored->name), onnx->source->path, length, offset, location,
                        file.size);
    tensor->bytes = file.map != NULL ? file.map + offset : NULL;
    return VGG_OK;
}

vgg_status vgg_onnx_tensor(vgg_onnx *onnx, const Vgg__Onnx__Tensor *stored,
                           vgg_stored_tensor *tensor, vgg_error *error) {
    *tensor = (vgg_stored_tensor){.name = stored->name};
    vgg_status status = read_type(onnx, stored, tensor, error);
    if (status == VGG_OK)
        status = read_shape(onnx, stored, tensor, error);
    if (status != VGG_OK)
        return status;
    return stored->data_location == IN_ANOTHER_FILE ? read_external(onnx, stored, tensor, error)
                                                    : read_here(onnx, stored, tensor, error);
}

void vgg_onnx_free(vgg_onnx *onnx) {
    for (size_t i = 0; i < onnx->external_count; i++) {
        vgg_free(onnx->externals[i].location);
    }
    vgg_free(onnx->externals);
    *onnx = (vgg_onnx){0};
}
