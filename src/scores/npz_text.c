#include "scores/npz_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/elements.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

/* The other way. A zero within is passed over. */
static void add_point(vgg_text *text, uint32_t point) {
    unsigned char b[4];
    size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (point > VGG_NPY_ESCAPED + 0x7f && point <= VGG_NPY_ESCAPED + 0xff) {
        b[0] = (unsigned char)(point - VGG_NPY_ESCAPED);
        length = 1;
    } else if (length == 1) {
        b[0] = (unsigned char)point;
    } else {
        for (size_t i = length; i-- > 1; point >>= 6) {
            b[i] = (unsigned char)(0x80u | (point & 0x3fu));
        }
        b[0] = (unsigned char)(0xf00u >> length | point);
    }
    if (b[0] != 0)
        vgg_text_add_bytes(text, (const char *)b, length);
}

void vgg_npz_texts_free(vgg_npz_texts *texts) {
    vgg_text_free(&texts->data);
    vgg_free(texts->at);
    *texts = (vgg_npz_texts){0};
}

static void add_letters(vgg_text *text, const unsigned char *bytes, size_t width, bool wide) {
    for (size_t i = 0; i < width; i += wide ? 4 : 1) {
        uint32_t point = bytes[i];
        if (wide)
            memcpy(&point, bytes + i, sizeof point);
        if (wide)
            add_point(text, point > 0x10ffff ? 0xfffd : point);
        else if (point != 0)
            vgg_text_add_bytes(text, (const char *)bytes + i, 1);
    }
}

/* A whole number of any type; false for a fraction and below 0. */
static bool add_number(vgg_text *text, const char *type, const unsigned char *bytes, size_t width) {
    uint64_t bits = 0;
    memcpy(&bits, bytes, width);
    char kind = type[strcspn(type, "fiub")];
    if (kind == 'f') {
        double number = NAN;
        float narrow;
        if (width == 8)
            memcpy(&number, bytes, sizeof number);
        if (width == 4) {
            memcpy(&narrow, bytes, sizeof narrow);
            number = (double)narrow;
        }
        vgg_text_add(text, "%.0f", number);
        return number >= 0 && number < 1e9 && floor(number) >= number;
    }
    vgg_text_add(text, "%llu", (unsigned long long)bits);
    return kind != 'i' || (bits >> (8 * width - 1) & 1) == 0;
}

/* Bytes of an element; 0 for one that is neither a text nor a number. */
static size_t width_of(const char *type) {
    const vgg_element_type *number = vgg_numpy_type(type, strlen(type));
    if (number != NULL)
        return number->bytes;
    if (type[0] == '>' || (type[1] != 'U' && type[1] != 'S'))
        return 0;
    size_t letters = strtoull(type + 2, NULL, 10);
    return letters > 1000000 ? 0 : letters * (type[1] == 'U' ? 4 : 1);
}

static vgg_status check_texts(const char *path, const char *name, const vgg_npy *npy, size_t width,
                              vgg_error *error) {
    size_t bytes;
    if (npy->dimensions != 1 || width == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its array \"%s\" of %zu dimensions has type '%s', expected a list of "
                        "whole numbers or texts",
                        path, name, npy->dimensions, npy->type);
    if (!vgg_size_mul(npy->count, width, &bytes) || bytes != npy->length)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its array \"%s\" has %zu bytes, expected %zu values of %zu", path,
                        name, npy->length, npy->count, width);
    return VGG_OK;
}

vgg_status vgg_npz_texts_read(const char *path, const char *name, const vgg_npy *npy,
                              vgg_npz_texts *texts, vgg_error *error) {
    size_t width = width_of(npy->type);
    bool letters = npy->type[1] == 'U' || npy->type[1] == 'S', fine = true;
    vgg_status status = check_texts(path, name, npy, width, error);
    if (status != VGG_OK)
        return status;
    texts->at = vgg_calloc(npy->count + 1, sizeof *texts->at);
    for (size_t i = 0; texts->at != NULL && fine && i < npy->count; i++) {
        const unsigned char *from = npy->bytes + i * width;
        texts->at[i] = texts->data.length;
        if (letters)
            add_letters(&texts->data, from, width, npy->type[1] == 'U');
        else
            fine = add_number(&texts->data, npy->type, from, width);
        vgg_text_add_bytes(&texts->data, "", 1);
        texts->count = i + 1;
    }
    if (texts->at == NULL || texts->data.failed)
        return vgg_fail_memory(error, "the texts of an array", npy->length);
    if (!fine)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: element %zu of its array \"%s\" is no whole number from 0", path,
                        texts->count - 1, name);
    return VGG_OK;
}
