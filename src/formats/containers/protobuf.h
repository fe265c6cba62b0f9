/* Protocol buffers from files that are not to be believed, read with protobuf-c but without a copy
 * of the weights: fields of type `bytes` stay where they are, in the map, and the message holds
 * only their places. Packed numbers that a .proto file declares as bytes are read in place too. */
#ifndef VGG_FORMATS_CONTAINERS_PROTOBUF_H
#define VGG_FORMATS_CONTAINERS_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#include "vgg/status.h"

/* A message and all that hangs on it. All memory for it together may have the file's size and 64 MB
 * more. */
typedef struct vgg_protobuf {
    ProtobufCMessage *message;
    ProtobufCAllocator allocator;
    size_t left; /* bytes that may still be taken */
} vgg_protobuf;

/* Reads a message of the kind that `descriptor` gives; fields that it does not declare are passed
 * over. `unpacked`: numbers of fixed width that the .proto file declares as bytes may also come
 * each with a key of its own, and are read with vgg_protobuf_numbers. *protobuf must stay where it
 * is until it is freed, whatever the outcome. */
vgg_status vgg_protobuf_read(vgg_protobuf *protobuf, const ProtobufCMessageDescriptor *descriptor,
                             const unsigned char *map, size_t size, const char *path, bool unpacked,
                             vgg_error *error);
void vgg_protobuf_free(vgg_protobuf *protobuf);

/* Where the value of a field of type `bytes` lies in the map. */
const unsigned char *vgg_protobuf_bytes(const unsigned char *map, const ProtobufCBinaryData *bytes,
                                        size_t *size);

/* Numbers in the map. width: bytes of each when they are not packed, and lie `step` bytes apart
 * from `at` on; else 0. size: of all numbers without what is between them. */
typedef struct vgg_protobuf_run {
    const unsigned char *at;
    size_t size, width, step;
} vgg_protobuf_run;

/* The same for numbers of a message that was read with `unpacked`. */
vgg_protobuf_run vgg_protobuf_numbers(const unsigned char *map, const ProtobufCBinaryData *bytes);

#endif
