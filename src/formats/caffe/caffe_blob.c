/* The values of a layer of a Caffe model (BlobProto): packed numbers, which are used where they
 * lie, or others that are put together once. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/caffe/caffe.h"
#include "formats/containers/protobuf.h"

vgg_status vgg_caffe_fail(const vgg_tensor_source *source, const vgg_caffe_layer *layer,
                          vgg_error *error, const char *format, ...) {
    char what[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: layer \"%.80s\" (%.40s) %s", source->path,
                    layer->name, layer->type, what);
}

static vgg_status read_shape(const vgg_tensor_source *source, const vgg_caffe_layer *layer,
                             size_t index, vgg_stored_tensor *tensor, vgg_error *error) {
    const Vgg__Caffe__Blob *blob = layer->blobs[index];
    const int64_t old[4] = {blob->num, blob->channels, blob->height, blob->width};
    const int64_t *sizes = blob->shape != NULL ? blob->shape->dim : old;
    size_t count = blob->shape != NULL ? blob->shape->n_dim : 4;
    if (count > VGG_STORED_DIMENSIONS)
        return vgg_caffe_fail(source, layer, error,
                              "has a blob %zu of %zu dimensions, expected at most %d", index, count,
                              VGG_STORED_DIMENSIONS);
    tensor->dimensions = count;
    tensor->count = 1;
    for (size_t i = 0; i < count; i++) {
        if (sizes[i] <= 0 || !vgg_size_mul(tensor->count, (size_t)sizes[i], &tensor->count))
            return vgg_caffe_fail(source, layer, error,
                                  "has a blob %zu whose size %zu is %lld, expected a size that "
                                  "memory can have",
                                  index, i, (long long)sizes[i]);
        tensor->shape[i] = (size_t)sizes[i];
    }
    return VGG_OK;
}

/* Puts values that are in several pieces, or not packed, one behind the other. */
static vgg_status join_pieces(vgg_tensor_source *source, const ProtobufCBinaryData *pieces,
                              size_t count, size_t total, size_t width, vgg_stored_tensor *tensor,
                              vgg_error *error) {
    void *memory;
    vgg_status status = vgg_tensor_source_memory(source, total, "a blob in pieces", &memory, error);
    if (status != VGG_OK)
        return status;
    unsigned char *to = memory;
    tensor->bytes = to;
    for (size_t i = 0; i < count; i++) {
        vgg_protobuf_run run = vgg_protobuf_numbers(source->storage.map, &pieces[i]);
        if (run.width == 0) {
            memcpy(to, run.at, run.size);
            to += run.size;
            vgg_storage_drop(&source->storage, run.at, run.size);
            continue;
        }
        for (size_t done = 0; done < run.size; done += width, to += width, run.at += run.step) {
            memcpy(to, run.at, width);
        }
    }
    return VGG_OK;
}

static vgg_status fail_size(const vgg_tensor_source *source, const vgg_caffe_layer *layer,
                            size_t index, const vgg_stored_tensor *tensor, size_t found,
                            vgg_error *error) {
    char shape[VGG_SHAPE_TEXT];
    vgg_shape_text(shape, tensor->shape, tensor->dimensions);
    if (tensor->bytes == NULL)
        return vgg_caffe_fail(source, layer, error,
                              "has a blob %zu without values, expected %zu for its shape %s", index,
                              tensor->count, shape);
    return vgg_caffe_fail(source, layer, error,
                          "has a blob %zu of %zu bytes of values at byte %zu, expected %zu values "
                          "of %zu bytes for its shape %s",
                          index, found, (size_t)(tensor->bytes - source->storage.map),
                          tensor->count, tensor->type->bytes, shape);
}

vgg_status vgg_caffe_blob(vgg_tensor_source *source, const vgg_caffe_layer *layer, size_t index,
                          vgg_stored_tensor *tensor, vgg_error *error) {
    *tensor = (vgg_stored_tensor){0};
    if (index >= layer->blob_count)
        return vgg_caffe_fail(source, layer, error, "has %zu blobs, expected more than %zu",
                              layer->blob_count, index);
    vgg_status status = read_shape(source, layer, index, tensor, error);
    if (status != VGG_OK)
        return status;
    const Vgg__Caffe__Blob *blob = layer->blobs[index];
    bool doubles = blob->n_double_data > 0;
    const ProtobufCBinaryData *pieces = doubles ? blob->double_data : blob->data;
    size_t count = doubles ? blob->n_double_data : blob->n_data, total = 0, expected;
    tensor->type = vgg_element_type_named(doubles ? "F64" : "F32");
    bool packed = true;
    for (size_t i = count; i-- > 0;) {
        vgg_protobuf_run run = vgg_protobuf_numbers(source->storage.map, &pieces[i]);
        tensor->bytes = run.at;
        total += run.size;
        packed = packed && run.width == 0;
        if (run.width != 0 && run.width != tensor->type->bytes)
            return vgg_caffe_fail(source, layer, error,
                                  "has a blob %zu with numbers of %zu bytes at byte %zu, expected "
                                  "%zu bytes",
                                  index, run.width, (size_t)(run.at - source->storage.map),
                                  tensor->type->bytes);
    }
    if (!vgg_size_mul(tensor->count, tensor->type->bytes, &expected) || total != expected)
        return fail_size(source, layer, index, tensor, total, error);
    if (packed && count == 1)
        return VGG_OK;
    return join_pieces(source, pieces, count, total, tensor->type->bytes, tensor, error);
}

vgg_status vgg_caffe_vector(vgg_tensor_source *source, const vgg_caffe_layer *layer, size_t index,
                            size_t count, vgg_stored_tensor *tensor, vgg_error *error) {
    vgg_status status = vgg_caffe_blob(source, layer, index, tensor, error);
    if (status != VGG_OK)
        return status;
    char shape[VGG_SHAPE_TEXT];
    if (tensor->count != count)
        return vgg_caffe_fail(source, layer, error,
                              "has a blob %zu of shape %s, expected %zu values", index,
                              vgg_shape_text(shape, tensor->shape, tensor->dimensions), count);
    tensor->dimensions = 1;
    tensor->shape[0] = count;
    return VGG_OK;
}

static vgg_status name_blob(vgg_stored_tensor *tensor, const char *layer, size_t index,
                            vgg_error *error) {
    vgg_text name = {0};
    vgg_text_add(&name, "%s[%zu]", layer, index);
    tensor->name = vgg_text_take(&name);
    return tensor->name != NULL ? VGG_OK : vgg_fail_memory(error, "a tensor's name", strlen(layer));
}

vgg_status vgg_caffe_read_tensors(vgg_tensor_source *source, const vgg_caffe_layer *layers,
                                  size_t count, vgg_error *error) {
    size_t blobs = 0;
    for (size_t i = 0; i < count; i++) {
        blobs += layers[i].blob_count;
    }
    vgg_status status = vgg_tensor_source_reserve(source, blobs, error);
    source->tensor_count = 0;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        for (size_t blob = 0; status == VGG_OK && blob < layers[i].blob_count; blob++) {
            vgg_stored_tensor *tensor = &source->tensors[source->tensor_count];
            status = vgg_caffe_blob(source, &layers[i], blob, tensor, error);
            if (status == VGG_OK)
                status = name_blob(tensor, layers[i].name, blob, error);
            source->tensor_count += status == VGG_OK;
        }
    }
    return status;
}
