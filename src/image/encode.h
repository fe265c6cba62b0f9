/* Encoders of pictures: each writes a whole file of its format to a sink. */
#ifndef VGG_IMAGE_ENCODE_H
#define VGG_IMAGE_ENCODE_H

#include "base/sink.h"
#include "vgg/image.h"

vgg_status vgg_png_encode(const vgg_image *image, vgg_sink *sink, vgg_error *error);
/* quality: 1 to 100, libjpeg's. Colours are halved in both directions. */
vgg_status vgg_jpeg_encode(const vgg_image *image, unsigned quality, vgg_sink *sink,
                           vgg_error *error);

#endif
