/* What a network sees of a picture, as a picture. */
#ifndef VGG_CLI_SEEN_PICTURE_H
#define VGG_CLI_SEEN_PICTURE_H

#include <stddef.h>

#include "vgg/image.h"

/* Draws it in three channels, `times` as large as the network's input: the same preprocessing for
 * an input of that size, so that it is sharp. The caller frees the picture. */
vgg_status vgg_cli_seen_draw(const vgg_preprocess *preprocess, const vgg_image *given, size_t times,
                             vgg_image *image, vgg_error *error);

/* The times that make its shorter side so many pixels at least. */
size_t vgg_cli_seen_times(const vgg_preprocess *preprocess, size_t least);

#endif
