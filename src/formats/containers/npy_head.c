/* Version 1.0 of numpy.lib.format. */
#include "formats/containers/npy_head.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

void vgg_npy_head_write(unsigned char head[VGG_NPY_HEAD], const char *type, const size_t *shape,
                        size_t dimensions) {
    char text[VGG_NPY_HEAD], sizes[4 * 24] = "";
    size_t length = 0;
    for (size_t d = 0; d < dimensions; d++) {
        length += (size_t)snprintf(sizes + length, sizeof sizes - length, "%s%zu",
                                   d > 0 ? ", " : "", shape[d]);
    }
    int written =
        snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%s%s), }",
                 type, sizes, dimensions == 1 ? "," : "");
    const unsigned char begin[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, VGG_NPY_HEAD - 10, 0};
    memset(head, ' ', VGG_NPY_HEAD);
    memcpy(head, begin, sizeof begin);
    memcpy(head + sizeof begin, text, (size_t)written);
    head[VGG_NPY_HEAD - 1] = '\n';
}

/* Bytes of the UTF-8 sequence that begins there, and its code point; 0 when it is none. */
static size_t sequence(const unsigned char *bytes, uint32_t *point) {
    size_t length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    char copy[5] = "";
    *point = length == 1 ? bytes[0] : bytes[0] & (0xffu >> (length + 1));
    for (size_t i = 0; i < length; i++) {
        copy[i] = (char)bytes[i];
        if (i > 0)
            *point = *point << 6 | (bytes[i] & 0x3fu);
        if (bytes[i] == 0)
            return 0;
    }
    return vgg_utf8_valid(copy) ? length : 0;
}

/* The next code point of a text that has not ended; *text is behind it then. */
static uint32_t next_point(const char **text) {
    const unsigned char *bytes = (const unsigned char *)*text;
    uint32_t point;
    size_t length = sequence(bytes, &point);
    *text += length > 0 ? length : 1;
    return length > 0 ? point : VGG_NPY_ESCAPED + bytes[0];
}

size_t vgg_npy_points(const char *text) {
    size_t count = 0;
    while (*text != '\0') {
        next_point(&text);
        count++;
    }
    return count;
}

void vgg_npy_text_type(char type[VGG_NPY_TYPE], size_t points) {
    snprintf(type, VGG_NPY_TYPE, "<U%zu", points);
}

void vgg_npy_put_text(void *element, const char *text, size_t points) {
    unsigned char *to = element;
    memset(to, 0, points * sizeof(uint32_t));
    for (size_t p = 0; p < points && *text != '\0'; p++) {
        uint32_t point = next_point(&text);
        memcpy(to + p * sizeof point, &point, sizeof point);
    }
}
