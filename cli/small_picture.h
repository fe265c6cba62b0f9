/* Pictures that are made small for looking at. */
#ifndef VGG_CLI_SMALL_PICTURE_H
#define VGG_CLI_SMALL_PICTURE_H

#include <stddef.h>

#include "vgg/image.h"

/* Makes the picture smaller where its long side has more pixels than `most`. After an error there
 * is none. */
vgg_status vgg_cli_shrink(vgg_image *image, size_t most, vgg_error *error);

#endif
