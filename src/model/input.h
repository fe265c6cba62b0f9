/* What a caller says of where a weight file is, as the readers take it. */
#ifndef VGG_MODEL_INPUT_H
#define VGG_MODEL_INPUT_H

#include "formats/storage.h"

vgg_input vgg_input_file(const char *path);

/* VGG_ERROR_ARGUMENT when there are no bytes. name may be NULL. */
vgg_status vgg_input_memory(const void *bytes, size_t size, const char *name, vgg_input *input,
                            vgg_error *error);

/* Copies the caller's struct, which may be shorter or longer than ours, into *own, which must
 * outlive *input. VGG_ERROR_ARGUMENT when there is no function to read with. */
vgg_status vgg_input_reader(const vgg_reader *given, vgg_reader *own, vgg_input *input,
                            vgg_error *error);

#endif
