#include "formats/containers/wire.h"

uint64_t vgg_wire_varint(const unsigned char **at, const unsigned char *end) {
    uint64_t value = 0;
    const unsigned char *c = *at;
    for (unsigned shift = 0; shift < 70 && c < end; shift += 7, c++) {
        value |= (uint64_t)(*c & 0x7f) << shift;
        if (*c < 0x80) {
            *at = c + 1;
            return value;
        }
    }
    *at = NULL;
    return 0;
}

size_t vgg_wire_put_varint(unsigned char *to, uint64_t value) {
    size_t count = 0;
    for (; value >= 0x80; value >>= 7) {
        to[count++] = (unsigned char)(value | 0x80);
    }
    to[count++] = (unsigned char)value;
    return count;
}

vgg_wire_fault vgg_wire_read(const unsigned char *at, const unsigned char *end, vgg_wire_field *f) {
    *f = (vgg_wire_field){.key = at, .value = at, .end = at};
    uint64_t key = vgg_wire_varint(&at, end);
    if (at == NULL || key >> 3 == 0 || key >> 3 > 0x1fffffff)
        return VGG_WIRE_NO_KEY;
    f->number = (uint32_t)(key >> 3);
    f->wire = (unsigned)(key & 7);
    f->value = at;
    f->length = f->wire == VGG_WIRE_64 ? 8 : 4;
    if (f->wire == VGG_WIRE_VARINT || f->wire == VGG_WIRE_BYTES) {
        f->length = vgg_wire_varint(&at, end);
        if (at == NULL)
            return VGG_WIRE_NO_NUMBER;
        if (f->wire == VGG_WIRE_VARINT)
            f->length = (uint64_t)(at - f->value);
        else
            f->value = at;
    } else if (f->wire != VGG_WIRE_64 && f->wire != VGG_WIRE_32) {
        return VGG_WIRE_NO_TYPE;
    }
    if (f->length > (uint64_t)(end - f->value))
        return VGG_WIRE_TOO_LONG;
    f->end = f->value + f->length;
    return VGG_WIRE_GOOD;
}
