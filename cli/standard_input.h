/* Standard input, read whole. */
#ifndef VGG_CLI_STANDARD_INPUT_H
#define VGG_CLI_STANDARD_INPUT_H

#include <stddef.h>

#include "vgg/image.h"

/* What messages call it. */
#define VGG_CLI_STANDARD_INPUT "standard input"

/* Reads the picture of the file, or with - that on standard input, for vgg_image_free. */
vgg_status vgg_cli_load_image(const char *path, vgg_image *image, vgg_error *error);

#endif
