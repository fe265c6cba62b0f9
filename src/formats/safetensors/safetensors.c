/* Reading safetensors: a 64-bit header length, a JSON object that gives each tensor its type, shape
 * and place, and the values, which fill the rest of the file without holes or overlaps
 * (github.com/huggingface/safetensors, README.md, "Format"). Nothing in the file is believed before
 * it was checked against the file's size. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/format.h"
#include "formats/safetensors/safetensors.h"

/* Where a tensor lies, in bytes from the end of the header. */
typedef struct span {
    size_t begin, end, tensor;
} span;

/* The first eight bytes, which the caller knows to be there. */
static uint64_t header_length(const unsigned char *bytes) {
    uint64_t length;
    memcpy(&length, bytes, sizeof length);
    return length;
}

/* The eighth byte, the highest of the length, tells a safetensors file from a text that happens to
 * have a brace in the right place. */
static bool sniff(const unsigned char *bytes, size_t size) {
    return size > VGG_SAFETENSORS_PREFIX && bytes[VGG_SAFETENSORS_PREFIX] == '{' &&
           (bytes[7] == 0 || bytes[7] >= 0x80);
}

#define FOUND_TEXT 64

/* What a JSON value is, for messages. */
static const char *found_text(char buffer[FOUND_TEXT], const json_t *value) {
    if (json_is_integer(value))
        snprintf(buffer, FOUND_TEXT, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(buffer, FOUND_TEXT, "%g", json_real_value(value));
    else
        snprintf(buffer, FOUND_TEXT, "%s",
                 value == NULL            ? "nothing"
                 : json_is_string(value)  ? "a string"
                 : json_is_object(value)  ? "an object"
                 : json_is_array(value)   ? "an array"
                 : json_is_boolean(value) ? "true or false"
                                          : "null");
    return buffer;
}

static vgg_status fail_entry(const vgg_tensor_source *source, const char *name, const char *what,
                             const json_t *found, const char *expected, vgg_error *error) {
    char text[FOUND_TEXT];
    return vgg_fail(error, VGG_ERROR_FORMAT, "tensor \"%s\" of %s: %s is %s, expected %s", name,
                    source->path, what, found_text(text, found), expected);
}

static bool read_size(const json_t *value, size_t *size) {
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *size = (size_t)json_integer_value(value);
    return true;
}

static vgg_status read_type(const vgg_tensor_source *source, vgg_stored_tensor *tensor,
                            const json_t *entry, vgg_error *error) {
    const json_t *type = json_object_get(entry, "dtype");
    if (!json_is_string(type))
        return fail_entry(source, tensor->name, "\"dtype\"", type, "a string such as \"F32\"",
                          error);
    tensor->type = vgg_element_type_named(json_string_value(type));
    if (tensor->type == NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%s\" of %s: \"dtype\" is \"%s\", expected F32, F16, BF16 or F64",
                        tensor->name, source->path, json_string_value(type));
    return VGG_OK;
}

static vgg_status read_shape(const vgg_tensor_source *source, vgg_stored_tensor *tensor,
                             const json_t *entry, vgg_error *error) {
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return fail_entry(source, tensor->name, "\"shape\"", shape, "an array of sizes", error);
    tensor->dimensions = json_array_size(shape);
    if (tensor->dimensions > VGG_STORED_DIMENSIONS)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "tensor \"%s\" of %s: \"shape\" has %zu sizes, expected at most %d",
                        tensor->name, source->path, tensor->dimensions, VGG_STORED_DIMENSIONS);
    tensor->count = 1;
    for (size_t i = 0; i < tensor->dimensions; i++) {
        char what[48];
        snprintf(what, sizeof what, "size %zu of \"shape\"", i);
        const json_t *size = json_array_get(shape, i);
        if (!read_size(size, &tensor->shape[i]))
            return fail_entry(source, tensor->name, what, size, "a whole number from 0", error);
        if (!vgg_size_mul(tensor->count, tensor->shape[i], &tensor->count)) {
            char text[VGG_SHAPE_TEXT];
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "tensor \"%s\" of %s: \"shape\" is %s..., more values than memory has "
                            "addresses",
                            tensor->name, source->path, vgg_shape_text(text, tensor->shape, i + 1));
        }
    }
    return VGG_OK;
}

static vgg_status read_offsets(const vgg_tensor_source *source, const vgg_stored_tensor *tensor,
                               const json_t *entry, span *place, vgg_error *error) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (!json_is_array(offsets) || json_array_size(offsets) != 2)
        return fail_entry(source, tensor->name, "\"data_offsets\"", offsets,
                          "an array of two byte numbers", error);
    for (size_t i = 0; i < 2; i++) {
        const json_t *offset = json_array_get(offsets, i);
        if (!read_size(offset, i == 0 ? &place->begin : &place->end))
            return fail_entry(source, tensor->name,
                              i == 0 ? "the first of \"data_offsets\""
                                     : "the second of \"data_offsets\"",
                              offset, "a whole number from 0", error);
    }
    if (place->begin > place->end)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "tensor \"%s\" of %s: \"data_offsets\" run backwards, from %zu to %zu",
                        tensor->name, source->path, place->begin, place->end);
    size_t bytes;
    if (!vgg_size_mul(tensor->count, tensor->type->bytes, &bytes) ||
        bytes != place->end - place->begin) {
        char shape[VGG_SHAPE_TEXT];
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "tensor \"%s\" of %s: \"data_offsets\" give it %zu bytes, expected %zu "
                        "values of %zu bytes for %s of shape %s",
                        tensor->name, source->path, place->end - place->begin, tensor->count,
                        tensor->type->bytes, tensor->type->name,
                        vgg_shape_text(shape, tensor->shape, tensor->dimensions));
    }
    return VGG_OK;
}

static vgg_status read_tensor(vgg_tensor_source *source, size_t number, const char *name,
                              const json_t *entry, span *place, vgg_error *error) {
    vgg_stored_tensor *tensor = &source->tensors[number];
    tensor->name = vgg_text_copy(name);
    if (tensor->name == NULL)
        return vgg_fail_memory(error, "a tensor's name", strlen(name));
    if (!json_is_object(entry))
        return fail_entry(source, name, "its entry", entry,
                          "an object with \"dtype\", \"shape\" and \"data_offsets\"", error);
    place->tensor = number;
    vgg_status status = read_type(source, tensor, entry, error);
    if (status == VGG_OK)
        status = read_shape(source, tensor, entry, error);
    if (status == VGG_OK)
        status = read_offsets(source, tensor, entry, place, error);
    return status;
}

static vgg_status read_metadata(vgg_tensor_source *source, json_t *metadata, vgg_error *error) {
    char text[FOUND_TEXT];
    if (!json_is_object(metadata))
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: \"__metadata__\" is %s, expected an object of strings", source->path,
                        found_text(text, metadata));
    if (json_object_size(metadata) > VGG_SAFETENSORS_METADATA_MAX)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: \"__metadata__\" has %zu keys, expected at most %d", source->path,
                        json_object_size(metadata), VGG_SAFETENSORS_METADATA_MAX);
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value))
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: \"%s\" of \"__metadata__\" is %s, expected a string", source->path,
                            key, found_text(text, value));
        if (!vgg_notes_set(&source->metadata, key, json_string_value(value)))
            return vgg_fail_memory(error, "the metadata", json_string_length(value));
    }
    return VGG_OK;
}

static int compare_spans(const void *a, const void *b) {
    const span *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* The tensors in the order of their bytes must follow each other from `start`, the end of the
 * header, to the end of the file. */
static vgg_status place_tensors(vgg_tensor_source *source, span *spans, size_t start,
                                vgg_error *error) {
    size_t reached = 0, available = source->storage.size - start;
    qsort(spans, source->tensor_count, sizeof *spans, compare_spans);
    for (size_t i = 0; i < source->tensor_count; i++) {
        const span *place = &spans[i];
        vgg_stored_tensor *tensor = &source->tensors[place->tensor];
        if (place->begin < reached)
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "tensor \"%s\" of %s: begins at byte %zu of the data, inside of tensor "
                            "\"%s\", which ends at byte %zu",
                            tensor->name, source->path, place->begin,
                            source->tensors[spans[i - 1].tensor].name, reached);
        if (place->begin > reached)
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: bytes %zu to %zu of the data, before tensor \"%s\", belong to no "
                            "tensor",
                            source->path, reached, place->begin, tensor->name);
        reached = place->end;
        tensor->bytes = source->storage.map + start + (place->begin < available ? place->begin : 0);
    }
    if (reached > available)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is truncated at byte %zu, expected %zu bytes",
                        source->path, source->storage.size, start + reached);
    if (reached < available)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: has %zu bytes, expected %zu: %zu bytes follow the last tensor",
                        source->path, source->storage.size, start + reached, available - reached);
    return VGG_OK;
}

static vgg_status read_header(vgg_tensor_source *source, json_t *header, size_t start, span *spans,
                              vgg_error *error) {
    const char *name;
    json_t *entry;
    size_t number = 0;
    json_object_foreach(header, name, entry) {
        vgg_status status;
        if (strcmp(name, "__metadata__") == 0) {
            status = read_metadata(source, entry, error);
        } else {
            status = read_tensor(source, number, name, entry, &spans[number], error);
            number++;
        }
        if (status != VGG_OK)
            return status;
    }
    return place_tensors(source, spans, start, error);
}

static vgg_status read_tensors(vgg_tensor_source *source, json_t *header, size_t start,
                               vgg_error *error) {
    size_t count = json_object_size(header);
    if (json_object_get(header, "__metadata__") != NULL)
        count--;
    if (count > VGG_SAFETENSORS_TENSORS_MAX)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: has %zu tensors, expected at most %d",
                        source->path, count, VGG_SAFETENSORS_TENSORS_MAX);
    vgg_status status = vgg_tensor_source_reserve(source, count, error);
    if (status != VGG_OK)
        return status;
    span *spans = vgg_calloc(count + 1, sizeof *spans);
    if (spans == NULL)
        return vgg_fail_memory(error, "the list of tensors", count * sizeof *spans);
    status = read_header(source, header, start, spans, error);
    vgg_free(spans);
    return status;
}

static vgg_status fail_json(const vgg_tensor_source *source, const vgg_json_fault *fault,
                            vgg_error *error) {
    if (fault->memory)
        return vgg_fail_memory(error, "the header of a safetensors file", source->storage.size);
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: its header goes wrong at byte %zu: %s",
                    source->path, VGG_SAFETENSORS_PREFIX + fault->byte, fault->what);
}

static vgg_status load(vgg_tensor_source *source, vgg_error *error) {
    uint64_t length = header_length(source->storage.map);
    if (length > VGG_SAFETENSORS_HEADER_MAX)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its first 8 bytes give the header %llu bytes, expected at most %d",
                        source->path, (unsigned long long)length, VGG_SAFETENSORS_HEADER_MAX);
    size_t start = VGG_SAFETENSORS_PREFIX + (size_t)length;
    if (start > source->storage.size)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: is truncated at byte %zu, expected %zu bytes of header alone",
                        source->path, source->storage.size, start);
    vgg_json_fault fault;
    json_t *header = vgg_json_read((const char *)source->storage.map + VGG_SAFETENSORS_PREFIX,
                                   (size_t)length, &fault);
    if (header == NULL)
        return fail_json(source, &fault, error);
    vgg_status status;
    if (json_is_object(header))
        status = read_tensors(source, header, start, error);
    else
        status =
            vgg_fail(error, VGG_ERROR_FORMAT, "%s: its header is not a JSON object", source->path);
    json_decref(header);
    return status;
}

const vgg_format vgg_format_safetensors = {
    .name = "safetensors",
    .endings = ".safetensors",
    .sniff = sniff,
    .load = load,
    .save = vgg_safetensors_save,
    .int8 = true,
};
