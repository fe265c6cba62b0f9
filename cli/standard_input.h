/* Standard input, read whole. */
#ifndef VGG_CLI_STANDARD_INPUT_H
#define VGG_CLI_STANDARD_INPUT_H

#include <stddef.h>

#include "vgg/image.h"

/* What messages call it. */
#define VGG_CLI_STANDARD_INPUT "standard input"

/* Reads standard input to its end into *bytes, which the caller frees, and *size. One of
 * 2 GiB or more, the limit of vgg_image_load, is VGG_ERROR_UNSUPPORTED. */
vgg_status vgg_cli_read_standard_input(unsigned char **bytes, size_t *size, vgg_error *error);

/* Reads the picture of the file, or with - that on standard input, for vgg_image_free. */
vgg_status vgg_cli_load_image(const char *path, vgg_image *image, vgg_error *error);

#endif
