/* Protocol buffers' encoding (protobuf.dev/programming-guides/encoding): a message is a list of
 * fields, each a key, its number times eight plus a wire type, and a value. Before protobuf-c sees
 * a message, an outline of it is made, in which fields of type `bytes` have given way to the places
 * of their values, and fields that nobody asks for are left out. */
#include "formats/containers/protobuf.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/containers/wire.h"

/* Messages within messages; deeper ones are not in any format here. */
#define MOST_DEPTH 16
#define SPARE_BYTES ((size_t)64 << 20)
/* Lengths of messages in an outline are known only afterwards: they take five bytes each, which
 * hold numbers below 2^35. */
#define LENGTH_BYTES 5

/* Where the value of a field lies, or those of several fields that hold a number each, one behind
 * the other, with a key before each: their widths and how far they are apart. */
typedef struct place {
    uint64_t offset, size;
    uint32_t width, step; /* 0 and 0: all bytes are the value */
} place;

typedef struct outline {
    const unsigned char *map;
    size_t size;
    const char *path;
    bool unpacked;
    vgg_text text;
    size_t most; /* bytes of the text */
} outline;

static vgg_status fail_at(const outline *o, const unsigned char *at,
                          const ProtobufCMessageDescriptor *message, const char *what,
                          vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: goes wrong at byte %zu, in %s: %s", o->path,
                    (size_t)(at - o->map), message->short_name, what);
}

/* A length that leads beyond the message, which at the outermost level is the file. */
static vgg_status fail_length(const outline *o, const vgg_wire_field *f, const unsigned char *end,
                              const ProtobufCMessageDescriptor *message, vgg_error *error) {
    uint64_t length = f->length;
    if (end == o->map + o->size && length <= SIZE_MAX - o->size)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: is truncated at byte %zu, expected %zu bytes: field %u of %s at byte "
                        "%zu has %zu bytes",
                        o->path, o->size, (size_t)(f->value - o->map) + (size_t)length, f->number,
                        message->short_name, (size_t)(f->key - o->map), (size_t)length);
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: goes wrong at byte %zu: field %u of %s has %llu bytes, but %zu are left",
                    o->path, (size_t)(f->key - o->map), f->number, message->short_name,
                    (unsigned long long)length, (size_t)(end - f->value));
}

/* Reads the field at `at`, which is before `end`. */
static vgg_status read_field(const outline *o, const unsigned char *at, const unsigned char *end,
                             const ProtobufCMessageDescriptor *message, vgg_wire_field *f,
                             vgg_error *error) {
    switch (vgg_wire_read(at, end, f)) {
    case VGG_WIRE_NO_KEY:
        return fail_at(o, f->key, message, "expected the number of a field", error);
    case VGG_WIRE_NO_NUMBER:
        return fail_at(o, f->value, message, "expected a number of at most ten bytes", error);
    case VGG_WIRE_NO_TYPE:
        return fail_at(o, f->key, message, "expected a number, a length or 4 or 8 bytes", error);
    case VGG_WIRE_TOO_LONG:
        return fail_length(o, f, end, message, error);
    default:
        return VGG_OK;
    }
}

static vgg_status add(outline *o, const unsigned char *bytes, size_t count, vgg_error *error) {
    if (count > o->most - o->text.length)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its description needs more memory than a file of %zu bytes can need",
                        o->path, o->size);
    vgg_text_add_bytes(&o->text, (const char *)bytes, count);
    return o->text.failed ? vgg_fail_memory(error, "the outline of a file", o->text.length + count)
                          : VGG_OK;
}

/* Moves the field's end behind the last of the fields that follow with the same key, which is a
 * number of fixed width as this one is. */
static place take_run(const outline *o, vgg_wire_field *f, const unsigned char *end) {
    size_t key = (size_t)(f->value - f->key), width = (size_t)(f->end - f->value), count = 1;
    while ((size_t)(end - f->end) >= key + width && memcmp(f->end, f->key, key) == 0) {
        f->end += key + width;
        count++;
    }
    return (place){(uint64_t)(f->value - o->map), count * width, (uint32_t)width,
                   (uint32_t)(key + width)};
}

static vgg_status add_place(outline *o, const vgg_wire_field *f, place where, vgg_error *error) {
    unsigned char key[VGG_WIRE_MOST + 1 + sizeof where];
    size_t used = vgg_wire_put_varint(key, (uint64_t)f->number << 3 | VGG_WIRE_BYTES);
    key[used] = sizeof where;
    memcpy(key + used + 1, &where, sizeof where);
    return add(o, key, used + 1 + sizeof where, error);
}

static vgg_status add_message(outline *o, const unsigned char *at, const unsigned char *end,
                              const ProtobufCMessageDescriptor *message, size_t depth,
                              vgg_error *error);

/* The message behind a key and its length, which is filled in afterwards. */
static vgg_status add_inner(outline *o, const vgg_wire_field *f,
                            const ProtobufCMessageDescriptor *message, size_t depth,
                            vgg_error *error) {
    unsigned char key[VGG_WIRE_MOST + LENGTH_BYTES] = {0};
    size_t used = vgg_wire_put_varint(key, (uint64_t)f->number << 3 | VGG_WIRE_BYTES);
    vgg_status status = add(o, key, used + LENGTH_BYTES, error);
    size_t begin = o->text.length;
    if (status == VGG_OK)
        status = add_message(o, f->value, f->end, message, depth + 1, error);
    if (status != VGG_OK)
        return status;
    size_t length = o->text.length - begin;
    for (size_t i = 0; i < LENGTH_BYTES; i++, length >>= 7) {
        o->text.data[begin - LENGTH_BYTES + i] =
            (char)((length & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
    }
    return VGG_OK;
}

static vgg_status add_message(outline *o, const unsigned char *at, const unsigned char *end,
                              const ProtobufCMessageDescriptor *message, size_t depth,
                              vgg_error *error) {
    if (depth > MOST_DEPTH)
        return fail_at(o, at, message, "more messages within each other than expected", error);
    vgg_status status = VGG_OK;
    while (status == VGG_OK && at < end) {
        vgg_wire_field f;
        status = read_field(o, at, end, message, &f, error);
        if (status != VGG_OK)
            return status;
        const ProtobufCFieldDescriptor *known =
            protobuf_c_message_descriptor_get_field(message, f.number);
        place where = {(uint64_t)(f.value - o->map), (uint64_t)(f.end - f.value), 0, 0};
        bool number = f.wire == VGG_WIRE_32 || f.wire == VGG_WIRE_64;
        bool run = o->unpacked && number && known != NULL && known->type == PROTOBUF_C_TYPE_BYTES;
        if (run)
            where = take_run(o, &f, end);
        at = f.end;
        if (known == NULL)
            continue;
        bool whole = known->type == PROTOBUF_C_TYPE_BYTES || known->type == PROTOBUF_C_TYPE_MESSAGE;
        if (whole && !run && f.wire != VGG_WIRE_BYTES)
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "%s: goes wrong at byte %zu: \"%s\" of %s has wire type %u, expected "
                            "%d (a length)",
                            o->path, (size_t)(f.key - o->map), known->name, message->short_name,
                            f.wire, VGG_WIRE_BYTES);
        if (known->type == PROTOBUF_C_TYPE_BYTES)
            status = add_place(o, &f, where, error);
        else if (known->type == PROTOBUF_C_TYPE_MESSAGE)
            status = add_inner(o, &f, known->descriptor, depth, error);
        else
            status = add(o, f.key, (size_t)(f.end - f.key), error);
    }
    return status;
}

/* ---- memory for protobuf-c ---- */

static void *take(void *context, size_t bytes) {
    vgg_protobuf *protobuf = context;
    if (bytes > protobuf->left)
        return NULL;
    protobuf->left -= bytes;
    return vgg_malloc(bytes);
}

static void give_back(void *context, void *memory) {
    (void)context;
    vgg_free(memory);
}

vgg_status vgg_protobuf_read(vgg_protobuf *protobuf, const ProtobufCMessageDescriptor *descriptor,
                             const unsigned char *map, size_t size, const char *path, bool unpacked,
                             vgg_error *error) {
    *protobuf = (vgg_protobuf){.allocator = {take, give_back, protobuf}, .left = SPARE_BYTES};
    if (!vgg_size_add(size, SPARE_BYTES, &protobuf->left))
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has %zu bytes, too many", path, size);
    outline o = {
        .map = map, .size = size, .path = path, .unpacked = unpacked, .most = protobuf->left};
    vgg_status status = add_message(&o, map, map + size, descriptor, 0, error);
    if (status == VGG_OK) {
        protobuf->left -= o.text.length;
        protobuf->message = protobuf_c_message_unpack(
            descriptor, &protobuf->allocator, o.text.length,
            (const unsigned char *)(o.text.data != NULL ? o.text.data : ""));
        if (protobuf->message == NULL)
            status =
                vgg_fail(error, VGG_ERROR_FORMAT,
                         "%s: is no valid %s: one of its fields has another type than expected, "
                         "or it needs more memory than a file of %zu bytes can need",
                         path, descriptor->short_name, size);
    }
    vgg_text_free(&o.text);
    return status;
}

void vgg_protobuf_free(vgg_protobuf *protobuf) {
    if (protobuf->message != NULL)
        protobuf_c_message_free_unpacked(protobuf->message, &protobuf->allocator);
    protobuf->message = NULL;
}

const unsigned char *vgg_protobuf_bytes(const unsigned char *map, const ProtobufCBinaryData *bytes,
                                        size_t *size) {
    vgg_protobuf_run run = vgg_protobuf_numbers(map, bytes);
    *size = run.size;
    return run.at;
}

vgg_protobuf_run vgg_protobuf_numbers(const unsigned char *map, const ProtobufCBinaryData *bytes) {
    place where;
    memcpy(&where, bytes->data, sizeof where);
    return (vgg_protobuf_run){map + where.offset, (size_t)where.size, where.width, where.step};
}
