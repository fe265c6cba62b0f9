/* Weight formats behind one small interface. A format knows its files by their first bytes and
 * turns one into named tensors and metadata; what the tensors mean is read off their names and
 * shapes elsewhere (names.h, recognise.h). A new format is one source file and one row in
 * formats.c. */
#ifndef VGG_FORMATS_FORMAT_H
#define VGG_FORMATS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "formats/elements.h"
#include "formats/notes.h"
#include "vgg/status.h"

#define VGG_STORED_DIMENSIONS 8
#define VGG_SHAPE_TEXT 192 /* eight sizes of twenty digits and the crosses between them */

typedef struct vgg_stored_tensor {
    char *name;
    const vgg_element_type *type;
    size_t dimensions, shape[VGG_STORED_DIMENSIONS];
    size_t count;               /* of values; 1 for a scalar */
    const unsigned char *bytes; /* row-major, little-endian, at any alignment; not owned */
} vgg_stored_tensor;

/* What every format comes down to. Start with {0}. */
typedef struct vgg_tensor_source {
    char *path;
    const unsigned char *map; /* the file, which the bytes of the tensors lie in */
    size_t size;
    vgg_stored_tensor *tensors;
    size_t tensor_count;
    vgg_notes metadata;
} vgg_tensor_source;

typedef struct vgg_format {
    const char *name;
    /* Whether the file's first bytes look like this format's; size is the whole file's. */
    bool (*sniff)(const unsigned char *bytes, size_t size);
    /* Fills in tensors and metadata from map; what it leaves there on failure the caller frees. */
    vgg_status (*load)(vgg_tensor_source *source, vgg_error *error);
    /* Writes tensors and metadata, whole or not at all. */
    vgg_status (*save)(const vgg_tensor_source *source, const char *path, vgg_error *error);
} vgg_format;

extern const vgg_format vgg_format_safetensors;

/* Maps the file, finds its format and loads it. A file of another kind is named for what it is. The
 * caller frees *source whatever the outcome. */
vgg_status vgg_tensor_source_open(const char *path, vgg_tensor_source *source, vgg_error *error);
void vgg_tensor_source_free(vgg_tensor_source *source);

/* Makes room for `count` tensors, all {0}. */
vgg_status vgg_tensor_source_reserve(vgg_tensor_source *source, size_t count, vgg_error *error);

/* Writes "64x3x3x3", or "scalar" without dimensions; returns buffer. */
const char *vgg_shape_text(char buffer[VGG_SHAPE_TEXT], const size_t *shape, size_t dimensions);

#endif
