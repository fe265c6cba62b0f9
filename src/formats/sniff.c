#include "formats/sniff.h"

#include <string.h>

#include "formats/containers/hdf5.h"
#include "formats/containers/wire.h"

/* ---- PyTorch ---- */

bool vgg_is_zip(const unsigned char *bytes, size_t size) {
    return size >= 4 && memcmp(bytes, "PK\x03\x04", 4) == 0;
}

/* A pickle of protocol 2 or later says which. */
static bool is_pickle(const unsigned char *bytes, size_t size) {
    return size >= 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5;
}

bool vgg_pth_sniff(const unsigned char *bytes, size_t size) {
    return vgg_is_zip(bytes, size) || is_pickle(bytes, size);
}

/* ---- Keras ---- */

/* The name of the first record of a zip archive, which says whose it is. */
static bool first_record(const unsigned char *bytes, size_t size, const char **name,
                         size_t *length) {
    enum { LENGTH_AT = 26, NAME_AT = 30 };
    if (size < NAME_AT || !vgg_is_zip(bytes, size))
        return false;
    *name = (const char *)bytes + NAME_AT;
    *length = bytes[LENGTH_AT] + 256u * bytes[LENGTH_AT + 1];
    return *length <= size - NAME_AT;
}

bool vgg_keras_is_archive(const unsigned char *bytes, size_t size) {
    static const char *const names[] = {"metadata.json", "config.json", "model.weights.h5"};
    const char *name;
    size_t length;
    bool is = false, zip = first_record(bytes, size, &name, &length);
    for (size_t i = 0; zip && i < sizeof names / sizeof *names; i++) {
        is = is || (length == strlen(names[i]) && memcmp(name, names[i], length) == 0);
    }
    return is;
}

bool vgg_keras_sniff(const unsigned char *bytes, size_t size) {
    return vgg_hdf5_sniff(bytes, size) || vgg_keras_is_archive(bytes, size);
}

/* ---- NumPy ---- */

bool vgg_numpy_sniff(const unsigned char *bytes, size_t size) {
    const char *name;
    size_t length, tail = strlen(".npy");
    if (size >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0)
        return true;
    return first_record(bytes, size, &name, &length) && length > tail &&
           memcmp(name + length - tail, ".npy", tail) == 0;
}

/* ---- ONNX ---- */

/* Field 1 of a model is ir_version, a small number, and writers put fields in the order of their
 * numbers: producer_name to doc_string (2 to 6), graph (7) or opset_import (8) comes next. */
bool vgg_onnx_sniff(const unsigned char *bytes, size_t size) {
    static const unsigned char next[] = {0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42};
    return size >= 3 && bytes[0] == 0x08 && bytes[1] > 0 && bytes[1] < 0x20 &&
           memchr(next, bytes[2], sizeof next) != NULL;
}

/* ---- Caffe ---- */

/* Fields of NetParameter. */
enum { NET_NAME = 1, NET_OLD_LAYER = 2, NET_LAYER = 100 };
/* LayerTypes of V1LayerParameter, and far more layers than any VGG has. */
enum { OLD_TYPES = 40, MOST_LAYERS = 4096 };

static bool is_printable(const unsigned char *bytes, const unsigned char *end) {
    for (; bytes < end; bytes++) {
        if (*bytes < 0x20 || *bytes == 0x7f)
            return false;
    }
    return true;
}

/* Whether bytes begin as a layer does. Writers put fields in the order of their numbers: texts, the
 * type among them, come before blobs and parameters. */
static bool is_layer(const unsigned char *at, const unsigned char *end, bool old) {
    const uint32_t type_field = old ? 5 : 2, last_text = 4;
    while (at < end) {
        vgg_wire_field f;
        if (vgg_wire_read(at, end, &f) != VGG_WIRE_GOOD)
            return false;
        at = f.end;
        /* The oldest kind of layer is a message within the first field. */
        if (old && f.number == 1)
            return f.wire == VGG_WIRE_BYTES;
        if (f.number == type_field)
            return old ? f.wire == VGG_WIRE_VARINT && vgg_wire_varint(&f.value, end) < OLD_TYPES
                       : f.wire == VGG_WIRE_BYTES && f.value < at && is_printable(f.value, at);
        if (f.number > last_text || f.wire != VGG_WIRE_BYTES || !is_printable(f.value, at))
            return false;
    }
    return false;
}

/* A Caffe model has a field of number 1 with a length, the network's name, or none; then what it
 * takes (3 to 8) and its layers. An ONNX model begins with a field 1 that is a number. */
bool vgg_caffe_sniff(const unsigned char *bytes, size_t size) {
    const unsigned char *at = bytes, *end = bytes + size;
    for (size_t i = 0; i < MOST_LAYERS && at < end; i++) {
        vgg_wire_field f;
        vgg_wire_fault fault = vgg_wire_read(at, end, &f);
        /* The file may end in its first layer. */
        if (fault != VGG_WIRE_GOOD && fault != VGG_WIRE_TOO_LONG)
            return false;
        at = fault == VGG_WIRE_GOOD ? f.end : end;
        if (f.number == NET_OLD_LAYER || f.number == NET_LAYER)
            return f.wire == VGG_WIRE_BYTES && is_layer(f.value, at, f.number == NET_OLD_LAYER);
        bool named = f.number == NET_NAME && i == 0;
        if (named ? f.wire != VGG_WIRE_BYTES || !is_printable(f.value, at)
                  : f.number < 3 || f.number > 8)
            return false;
    }
    return false;
}

/* ---- Darknet ---- */

uint32_t vgg_darknet_number(const unsigned char *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* A tagged object whose version is the text "V 1": its first numbers could be a version. */
static bool is_torch7(const unsigned char *bytes, size_t size) {
    static const unsigned char start[] = {4, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 'V', ' ', '1'};
    return size >= sizeof start && memcmp(bytes, start, sizeof start) == 0;
}

/* There is nothing but a version to go by: 0.1 and later. */
bool vgg_darknet_sniff(const unsigned char *bytes, size_t size) {
    if (size < VGG_DARKNET_VERSION_BYTES || is_torch7(bytes, size))
        return false;
    uint32_t major = vgg_darknet_number(bytes), minor = vgg_darknet_number(bytes + 4);
    return major <= 10 && minor <= 10 && vgg_darknet_number(bytes + 8) <= 100 && major + minor > 0;
}
