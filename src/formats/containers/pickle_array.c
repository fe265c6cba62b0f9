#include "formats/containers/pickle_array.h"

#include <string.h>

#include "base/memory.h"

const vgg_element_type *vgg_numpy_type(const char *text, size_t length) {
    static const struct {
        const char *theirs, *ours;
    } types[] = {
        {"f2", "F16"}, {"f4", "F32"}, {"f8", "F64"}, {"i1", "I8"},  {"i2", "I16"}, {"i4", "I32"},
        {"i8", "I64"}, {"u1", "U8"},  {"u2", "U16"}, {"u4", "U32"}, {"u8", "U64"}, {"b1", "BOOL"},
    };
    if (length == 3 && (text[0] == '<' || text[0] == '=' || text[0] == '|')) {
        text++;
        length--;
    }
    for (size_t i = 0; length == 2 && i < sizeof types / sizeof *types; i++) {
        if (memcmp(text, types[i].theirs, 2) == 0)
            return vgg_element_type_named(types[i].ours);
    }
    return NULL;
}

/* The type of a numpy.dtype; false for one that cannot be read. Its state begins with a version and
 * the order of bytes. */
static bool read_type(const vgg_pickle *pickle, const vgg_pickle_value *dtype,
                      const vgg_element_type **type) {
    const vgg_pickle_value *parts[4], *state[2];
    if (dtype->kind != VGG_PICKLE_DTYPE)
        return false;
    size_t count = vgg_pickle_items(pickle, dtype, parts, 4);
    if (count == 0 || parts[0]->kind != VGG_PICKLE_TEXT || parts[0]->text.length == 0)
        return false;
    const vgg_pickle_value *last = parts[count - 1];
    bool big = last->kind == VGG_PICKLE_TUPLE && vgg_pickle_items(pickle, last, state, 2) == 2 &&
               vgg_pickle_is_text(state[1], ">");
    *type = vgg_numpy_type(parts[0]->text.bytes, parts[0]->text.length);
    if (*type == NULL)
        return parts[0]->text.bytes[0] == 'O';
    return !big;
}

static bool read_shape(const vgg_pickle *pickle, const vgg_pickle_value *shape,
                       vgg_pickle_array *array) {
    const vgg_pickle_value *sizes[VGG_STORED_DIMENSIONS + 1];
    if (shape->kind != VGG_PICKLE_TUPLE)
        return false;
    array->dimensions = vgg_pickle_items(pickle, shape, sizes, VGG_STORED_DIMENSIONS + 1);
    array->count = 1;
    if (array->dimensions > VGG_STORED_DIMENSIONS)
        return false;
    for (size_t i = 0; i < array->dimensions; i++) {
        if (sizes[i]->kind != VGG_PICKLE_INTEGER || sizes[i]->integer < 0)
            return false;
        array->shape[i] = (size_t)sizes[i]->integer;
        if (!vgg_size_mul(array->count, array->shape[i], &array->count))
            return false;
    }
    return true;
}

static bool read_bytes(const vgg_pickle *pickle, const vgg_pickle_value *value,
                       vgg_pickle_array *array) {
    const vgg_pickle_value *text = value;
    array->letters = value->kind == VGG_PICKLE_BYTES;
    if (array->letters && vgg_pickle_items(pickle, value, &text, 1) != 1)
        return false;
    if (text->kind != VGG_PICKLE_TEXT)
        return false;
    array->bytes = (const unsigned char *)text->text.bytes;
    array->length = text->text.length;
    size_t expected;
    return vgg_size_mul(array->count, array->type->bytes, &expected) &&
           (array->letters ? array->length >= expected : array->length == expected);
}

bool vgg_pickle_array_read(const vgg_pickle *pickle, const vgg_pickle_value *value,
                           vgg_pickle_array *array) {
    /* The state of an array: (version, shape, dtype, Fortran's order, values). */
    enum { SHAPE = 1, DTYPE, ORDER, VALUES, PARTS };
    const vgg_pickle_value *parts[PARTS];
    *array = (vgg_pickle_array){0};
    if (value->kind != VGG_PICKLE_ARRAY)
        return false;
    size_t found = vgg_pickle_items(pickle, value, parts, PARTS);
    if (value->global != NULL) { /* the arguments of _frombuffer: (values, dtype, shape, order) */
        if (found != 4)
            return false;
        const vgg_pickle_value *values = parts[0], *dtype = parts[1], *shape = parts[2];
        array->columns = vgg_pickle_is_text(parts[3], "F");
        parts[SHAPE] = shape;
        parts[DTYPE] = dtype;
        parts[VALUES] = values;
    } else if (found == PARTS) {
        array->columns = parts[ORDER]->kind == VGG_PICKLE_BOOL && parts[ORDER]->integer != 0;
    } else {
        return false;
    }
    if (!read_shape(pickle, parts[SHAPE], array) || !read_type(pickle, parts[DTYPE], &array->type))
        return false;
    if (array->type != NULL)
        return read_bytes(pickle, parts[VALUES], array);
    array->objects = parts[VALUES];
    return array->objects->kind == VGG_PICKLE_LIST;
}

bool vgg_pickle_array_spell(const vgg_pickle_array *array, unsigned char *to) {
    size_t expected = array->count * array->type->bytes, done = 0;
    const unsigned char *at = array->bytes, *end = at + array->length;
    while (at < end && done < expected) {
        if (*at < 0x80) {
            to[done++] = *at++;
        } else if ((*at == 0xc2 || *at == 0xc3) && end - at >= 2 && (at[1] & 0xc0) == 0x80) {
            to[done++] = (unsigned char)((*at << 6) | (at[1] & 0x3f));
            at += 2;
        } else {
            return false;
        }
    }
    return at == end && done == expected;
}
