/* Types, shapes, attributes and texts of HDF5 files. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/containers/hdf5_parts.h"

/* ---- types and shapes ---- */

enum { CLASS_FLOAT = 1, CLASS_STRING = 3, CLASS_VARIABLE = 9 };

/* IV.A.2.d: bit fields and properties of the floating-point numbers of IEEE 754, little-endian with
 * an implied leading bit. */
static const struct {
    const char *name;
    unsigned char size, sign, exponent_at, exponent, mantissa;
    unsigned bias;
} floats[] = {
    {"F16", 2, 15, 10, 5, 10, 15},
    {"F32", 4, 31, 23, 8, 23, 127},
    {"F64", 8, 63, 52, 11, 52, 1023},
    {"BF16", 2, 15, 7, 8, 7, 127},
};

static const vgg_element_type *find_float(const unsigned char *bytes) {
    const unsigned char *p = bytes + 8;
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        if ((bytes[1] & 0x71u) == 0x20 && bytes[2] == floats[i].sign &&
            vgg_hdf5_number(bytes + 4, 4) == floats[i].size && vgg_hdf5_number(p, 2) == 0 &&
            vgg_hdf5_number(p + 2, 2) == 8u * floats[i].size && p[4] == floats[i].exponent_at &&
            p[5] == floats[i].exponent && p[6] == 0 && p[7] == floats[i].mantissa &&
            vgg_hdf5_number(p + 8, 4) == floats[i].bias)
            return vgg_element_type_named(floats[i].name);
    }
    return NULL;
}

bool vgg_hdf5_read_datatype(const unsigned char *bytes, size_t size, vgg_hdf5_array *array) {
    if (size < 8)
        return false;
    unsigned kind = bytes[0] & 0x0fu;
    array->item = (size_t)vgg_hdf5_number(bytes + 4, 4);
    if (kind == CLASS_FLOAT) {
        if (size < 20)
            return false;
        array->type = find_float(bytes);
    }
    array->variable = kind == CLASS_VARIABLE && (bytes[1] & 0x0fu) == 1;
    array->text = array->variable || kind == CLASS_STRING;
    return array->item > 0 && (!array->variable || array->item == 16);
}

/* IV.A.2.b */
bool vgg_hdf5_read_dataspace(const unsigned char *bytes, size_t size, vgg_hdf5_array *array) {
    enum { KIND_NULL = 2 };
    if (size < 4 || bytes[0] < 1 || bytes[0] > 2)
        return false;
    size_t at = bytes[0] == 1 ? 8 : 4;
    array->dimensions = bytes[1];
    array->count = bytes[0] == 2 && bytes[3] == KIND_NULL ? 0 : 1;
    if (array->dimensions > VGG_STORED_DIMENSIONS || size < at + 8 * array->dimensions)
        return false;
    for (size_t i = 0; i < array->dimensions; i++) {
        array->shape[i] = (size_t)vgg_hdf5_number(bytes + at + 8 * i, 8);
        if (!vgg_size_mul(array->count, array->shape[i], &array->count))
            return false;
    }
    return true;
}

/* ---- attributes ---- */

typedef struct attribute_search {
    vgg_hdf5 *file;
    const char *name;
    vgg_hdf5_array *array;
    bool *found;
} attribute_search;

/* IV.A.2.m: name, type, shape and values follow a few numbers. In version 1 each of the first three
 * is filled up to a multiple of 8 bytes. */
static vgg_status see_attribute(void *context, const vgg_hdf5_message *m, vgg_error *error) {
    attribute_search *search = context;
    enum { TYPE_OR_SHAPE_SHARED = 0x03 };
    if (m->type != VGG_HDF5_ATTRIBUTE || (m->flags & VGG_HDF5_SHARED) || *search->found)
        return VGG_OK;
    unsigned version = m->size >= 8 ? m->bytes[0] : 0;
    if (version < 1 || version > 3)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has a broken attribute", search->file->path);
    size_t round = version == 1 ? 8 : 1, at = version == 3 ? 9 : 8;
    size_t name = (size_t)vgg_hdf5_number(m->bytes + 2, 2);
    size_t type = (size_t)vgg_hdf5_number(m->bytes + 4, 2);
    size_t space = (size_t)vgg_hdf5_number(m->bytes + 6, 2);
    size_t type_at = at + vgg_round_up(name, round);
    size_t space_at = type_at + vgg_round_up(type, round);
    size_t values_at = space_at + vgg_round_up(space, round), length = strlen(search->name);
    if (values_at > m->size)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has a broken attribute", search->file->path);
    if (name != length + 1 || memcmp(m->bytes + at, search->name, name) != 0 ||
        (version > 1 && (m->bytes[1] & TYPE_OR_SHAPE_SHARED)))
        return VGG_OK;
    vgg_hdf5_array *array = search->array;
    size_t bytes;
    *array = (vgg_hdf5_array){.bytes = m->bytes + values_at};
    if (!vgg_hdf5_read_datatype(m->bytes + type_at, type, array) ||
        !vgg_hdf5_read_dataspace(m->bytes + space_at, space, array) ||
        !vgg_size_mul(array->count, array->item, &bytes) || bytes > m->size - values_at)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: its attribute \"%s\" is broken",
                        search->file->path, search->name);
    *search->found = true;
    return VGG_OK;
}

vgg_status vgg_hdf5_attribute(vgg_hdf5 *file, uint64_t address, const char *name, bool *found,
                              vgg_hdf5_array *array, vgg_error *error) {
    *found = false;
    attribute_search search = {.file = file, .name = name, .array = array, .found = found};
    return vgg_hdf5_messages(file, address, see_attribute, &search, error);
}

/* ---- texts ---- */

/* III.E: the global heap's collections keep objects one behind the other, each with a number. NULL
 * when there is none of the number. */
static const unsigned char *find_in_collection(const vgg_hdf5 *file, uint64_t collection,
                                               uint64_t number, uint64_t *size) {
    const unsigned char *head = vgg_hdf5_part(file, collection, 16);
    if (head == NULL || memcmp(head, "GCOL", 4) != 0)
        return NULL;
    uint64_t length = vgg_hdf5_number(head + 8, 8), at = 16;
    if (vgg_hdf5_part(file, collection, length) == NULL)
        return NULL;
    while (length > at && length - at >= 16) {
        uint64_t found = vgg_hdf5_number(head + at, 2);
        *size = vgg_hdf5_number(head + at + 8, 8);
        at += 16;
        if (found == 0 || *size > length - at)
            return NULL;
        if (found == number)
            return head + at;
        at += (*size + 7) / 8 * 8;
    }
    return NULL;
}

vgg_status vgg_hdf5_text(vgg_hdf5 *file, const vgg_hdf5_array *array, size_t index, char **text,
                         vgg_error *error) {
    const unsigned char *bytes = array->bytes + index * array->item;
    uint64_t size = array->item;
    vgg_status status = vgg_hdf5_count_part(file, error);
    if (status != VGG_OK)
        return status;
    if (array->variable) {
        uint64_t length = vgg_hdf5_number(bytes, 4), room = 0;
        bytes = find_in_collection(file, vgg_hdf5_number(bytes + 4, 8),
                                   vgg_hdf5_number(bytes + 12, 4), &room);
        size = length < room ? length : room;
        if (bytes == NULL)
            return vgg_fail(error, VGG_ERROR_FORMAT, "%s: lacks the text of an attribute",
                            file->path);
    }
    *text = vgg_malloc((size_t)size + 1);
    if (*text == NULL)
        return vgg_fail_memory(error, "a text", (size_t)size);
    memcpy(*text, bytes, (size_t)size);
    (*text)[size] = '\0';
    return VGG_OK;
}
