/* The encoding of protocol buffers (protobuf.dev/programming-guides/encoding) without any message's
 * description: numbers to the base of 128, and fields. */
#ifndef VGG_FORMATS_CONTAINERS_WIRE_H
#define VGG_FORMATS_CONTAINERS_WIRE_H

#include <stddef.h>
#include <stdint.h>

/* How the value of a field is stored; the others of the encoding are used by nobody. */
enum { VGG_WIRE_VARINT = 0, VGG_WIRE_64 = 1, VGG_WIRE_BYTES = 2, VGG_WIRE_32 = 5 };

/* Reads a base-128 number at *at, and moves *at behind it; NULL is left there when it does not end
 * before `end` or within ten bytes. */
uint64_t vgg_wire_varint(const unsigned char **at, const unsigned char *end);

/* Writes such a number into at most ten bytes; returns how many. */
#define VGG_WIRE_MOST 10
size_t vgg_wire_put_varint(unsigned char *to, uint64_t value);

typedef struct vgg_wire_field {
    uint32_t number;
    unsigned wire;
    uint64_t length;                        /* of the value */
    const unsigned char *key, *value, *end; /* value: behind the length of VGG_WIRE_BYTES */
} vgg_wire_field;

/* What is wrong with a field. */
typedef enum vgg_wire_fault {
    VGG_WIRE_GOOD = 0,
    VGG_WIRE_NO_KEY,    /* its key is no number of a field */
    VGG_WIRE_NO_NUMBER, /* its value or length does not end within ten bytes */
    VGG_WIRE_NO_TYPE,   /* its wire type is none of the four */
    VGG_WIRE_TOO_LONG,  /* its value reaches beyond the end */
} vgg_wire_fault;

/* Reads the field at `at`, which is before `end`. What comes before the fault is set. */
vgg_wire_fault vgg_wire_read(const unsigned char *at, const unsigned char *end,
                             vgg_wire_field *field);

#endif
