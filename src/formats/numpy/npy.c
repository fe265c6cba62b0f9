/* One array: a magic number, a version, the length of a header, the header, which is the text of a
 * Python dict, and the values (numpy/lib/format.py). */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/numpy/numpy.h"

#define MAGIC_BYTES 6
#define HEADER_MOST 4096

static vgg_status fail_header(const char *name, const char *what, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: the header of its array %s", name, what);
}

/* The text behind "'key':"; NULL when the header has no such key. */
static const char *value_of(const char *header, const char *key) {
    const char *at = strstr(header, key);
    if (at == NULL)
        return NULL;
    at += strlen(key);
    at += strspn(at, " ");
    if (*at++ != ':')
        return NULL;
    return at + strspn(at, " ");
}

static vgg_status read_type(const char *name, const char *header, vgg_npy *npy, vgg_error *error) {
    const char *at = value_of(header, "'descr'");
    if (at == NULL || *at != '\'')
        return fail_header(name, "has no 'descr' of one type", error);
    size_t length = strcspn(++at, "'");
    if (length >= sizeof npy->type)
        return fail_header(name, "has a 'descr' of more than 23 letters", error);
    memcpy(npy->type, at, length);
    return VGG_OK;
}

static vgg_status read_shape(const char *name, const char *header, vgg_npy *npy, vgg_error *error) {
    const char *at = value_of(header, "'shape'");
    if (at == NULL || *at++ != '(')
        return fail_header(name, "has no 'shape'", error);
    npy->count = 1;
    for (at += strspn(at, " "); *at != ')'; at += strspn(at, ", ")) {
        size_t digits = strspn(at, "0123456789");
        if (digits == 0 || digits > 18 || npy->dimensions == VGG_STORED_DIMENSIONS)
            return fail_header(name, "has no shape of at most 8 sizes", error);
        size_t size = strtoull(at, NULL, 10);
        npy->shape[npy->dimensions++] = size;
        if (!vgg_size_mul(npy->count, size, &npy->count))
            return fail_header(name, "gives it more values than memory has addresses", error);
        at += digits;
    }
    return VGG_OK;
}

static vgg_status read_header(const char *name, const char *header, vgg_npy *npy,
                              vgg_error *error) {
    const char *order = value_of(header, "'fortran_order'");
    vgg_status status = read_type(name, header, npy, error);
    if (status == VGG_OK)
        status = read_shape(name, header, npy, error);
    if (status == VGG_OK && order == NULL)
        status = fail_header(name, "has no 'fortran_order'", error);
    npy->columns = status == VGG_OK && strncmp(order, "True", 4) == 0;
    return status;
}

vgg_status vgg_npy_open(const char *name, const unsigned char *bytes, size_t size, vgg_npy *npy,
                        vgg_error *error) {
    *npy = (vgg_npy){0};
    char header[HEADER_MOST + 1];
    if (size < MAGIC_BYTES + 2 || memcmp(bytes, "\x93NUMPY", MAGIC_BYTES) != 0)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is no array of NumPy", name);
    size_t width = bytes[MAGIC_BYTES] == 1 ? 2 : 4, start = MAGIC_BYTES + 2 + width;
    if (size < start)
        return fail_header(name, "is cut off", error);
    size_t length = bytes[MAGIC_BYTES + 2] + 256u * bytes[MAGIC_BYTES + 3];
    if (width == 4)
        length += (size_t)bytes[MAGIC_BYTES + 4] << 16 | (size_t)bytes[MAGIC_BYTES + 5] << 24;
    if (length > HEADER_MOST || length > size - start)
        return fail_header(name, "is cut off, or of more than 4096 bytes", error);
    memcpy(header, bytes + start, length);
    header[length] = '\0';
    npy->bytes = bytes + start + length;
    npy->length = size - start - length;
    return read_header(name, header, npy, error);
}

/* An array of objects keeps its type NULL. */
static vgg_status take_type(const char *name, const vgg_npy *npy, vgg_pickle_array *array,
                            vgg_error *error) {
    if (strcmp(npy->type, "|O") == 0)
        return VGG_OK;
    array->type = vgg_numpy_type(npy->type, strlen(npy->type));
    if (array->type == NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: its array has values of type '%s', expected little-endian numbers "
                        "of at most 8 bytes",
                        name, npy->type);
    size_t expected;
    if (!vgg_size_mul(array->count, array->type->bytes, &expected) || expected != array->length)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: has %zu bytes of values, expected %zu values of %zu bytes", name,
                        array->length, array->count, array->type->bytes);
    return VGG_OK;
}

vgg_status vgg_npy_read(const char *name, const unsigned char *bytes, size_t size,
                        vgg_pickle_array *array, vgg_error *error) {
    vgg_npy npy;
    *array = (vgg_pickle_array){0};
    vgg_status status = vgg_npy_open(name, bytes, size, &npy, error);
    if (status != VGG_OK)
        return status;
    array->columns = npy.columns;
    array->dimensions = npy.dimensions;
    memcpy(array->shape, npy.shape, sizeof npy.shape);
    array->count = npy.count;
    array->bytes = npy.bytes;
    array->length = npy.length;
    return take_type(name, &npy, array, error);
}
