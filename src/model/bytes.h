/* What a caller says of where a weight file is, as the readers take it. */
#ifndef VGG_MODEL_BYTES_H
#define VGG_MODEL_BYTES_H

#include "formats/storage.h"

vgg_bytes vgg_bytes_of_file(const char *path);

/* VGG_ERROR_ARGUMENT when there are no bytes. name may be NULL. */
vgg_status vgg_bytes_in_memory(const void *bytes, size_t size, const char *name, vgg_bytes *input,
                               vgg_error *error);

/* Copies the caller's struct, which may be shorter or longer than ours, into *own, which must
 * outlive *input. VGG_ERROR_ARGUMENT when there is no function to read with. */
vgg_status vgg_bytes_of_reader(const vgg_reader *given, vgg_reader *own, vgg_bytes *input,
                               vgg_error *error);

#endif
