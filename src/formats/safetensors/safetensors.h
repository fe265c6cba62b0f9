/* What the reader and the writer of safetensors share. */
#ifndef VGG_FORMATS_SAFETENSORS_SAFETENSORS_H
#define VGG_FORMATS_SAFETENSORS_SAFETENSORS_H

#include "formats/format.h"

enum {
    VGG_SAFETENSORS_PREFIX = 8,             /* bytes that hold the header's length */
    VGG_SAFETENSORS_HEADER_MAX = 100000000, /* bytes; the reference implementation's limit */
    VGG_SAFETENSORS_TENSORS_MAX = 100000,
    VGG_SAFETENSORS_METADATA_MAX = 10000,
};

/* Tensors are laid out in the order of the list. The header is padded so that the values begin at a
 * multiple of 8 bytes. */
vgg_status vgg_safetensors_save(const vgg_saving *saving, vgg_error *error);

#endif
