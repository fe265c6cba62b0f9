/* From the description of a tensor in a pickle to the tensor. torch/_utils.py, _rebuild_tensor_v2,
 * says what the arguments of a tensor are: storage, offset, sizes and strides, all counted in
 * values. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/pth/pth_series.h"

/* A tensor as the pickle describes it. */
typedef struct view {
    vgg_pth_storage storage;
    const vgg_element_type *type;
    size_t offset, dimensions;
    size_t shape[VGG_STORED_DIMENSIONS], strides[VGG_STORED_DIMENSIONS];
    size_t count;
    const unsigned char *values; /* of a storage that the pickle holds itself; else NULL */
} view;

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
        if (!vgg_pth_read_size(shape[i], &v->shape[i]) ||
            !vgg_pth_read_size(steps[i], &v->strides[i]))
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

/* What torch.storage._load_from_bytes is given holds the values itself. */
static vgg_status read_storage(const vgg_tensor_source *source, const vgg_pickle *pickle,
                               const vgg_pickle_value *value, view *v, vgg_error *error) {
    if (value->global == NULL)
        return vgg_pth_storage_read(source, pickle, value, &v->storage, error);
    const vgg_pickle_value *series;
    if (vgg_pickle_items(pickle, value, &series, 1) != 1 || series->kind != VGG_PICKLE_TEXT)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: its pickle calls torch.storage._load_from_bytes with what is no "
                        "series of bytes; expected a file of torch.save",
                        source->path);
    return vgg_pth_series_storage(source, (const unsigned char *)series->text.bytes,
                                  series->text.length, &v->storage, &v->values, error);
}

static vgg_status read_view(const vgg_tensor_source *source, const vgg_pickle *pickle,
                            const vgg_pickle_value *value, const vgg_stored_tensor *tensor, view *v,
                            vgg_error *error) {
    const vgg_pickle_value *parts[7];
    size_t count = vgg_pickle_items(pickle, value, parts, 7);
    bool typed = value->global->role == VGG_PICKLE_MAKES_TENSOR_V3;
    if (count < (typed ? 7 : 4) || parts[0]->kind != VGG_PICKLE_STORAGE ||
        !vgg_pth_read_size(parts[1], &v->offset))
        return fail_tensor(source, tensor,
                           "it is not described by a storage, an offset, sizes "
                           "and strides",
                           error);
    vgg_status status = read_storage(source, pickle, parts[0], v, error);
    if (status == VGG_OK)
        status = read_shape(source, pickle, parts[2], parts[3], tensor, v, error);
    if (status != VGG_OK)
        return status;
    v->type = v->storage.type;
    if (typed) {
        if (!vgg_pth_is_type(parts[6]))
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

static vgg_status find_values(const vgg_tensor_source *source, const view *v,
                              const vgg_pth_storages *storages, const vgg_stored_tensor *tensor,
                              const unsigned char **bytes, vgg_error *error) {
    *bytes = v->values;
    if (v->values != NULL)
        return VGG_OK;
    if (storages == NULL)
        return fail_tensor(source, tensor, "its storage is not in the file", error);
    return storages->find(storages->context, &v->storage, bytes, error);
}

vgg_status vgg_pth_take_tensor(vgg_tensor_source *source, const vgg_pickle *pickle,
                               const vgg_pickle_value *value, const vgg_pth_storages *storages,
                               vgg_stored_tensor *tensor, vgg_error *error) {
    view v = {0};
    const unsigned char *bytes;
    vgg_status status = read_view(source, pickle, value, tensor, &v, error);
    if (status == VGG_OK)
        status = find_values(source, &v, storages, tensor, &bytes, error);
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
