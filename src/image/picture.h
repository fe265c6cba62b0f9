/* What every part of this folder needs to make and check pictures. */
#ifndef VGG_IMAGE_PICTURE_H
#define VGG_IMAGE_PICTURE_H

#include <stddef.h>
#include <stdint.h>

#include "vgg/image.h"

/* Takes memory for a picture within the limits of vgg/image.h, pixels not cleared. */
vgg_status vgg_image_make(vgg_image *image, size_t width, size_t height, size_t channels,
                          vgg_error *error);

/* VGG_ERROR_ARGUMENT unless the picture has pixels, sides from 1 and 1 or 3 channels. */
vgg_status vgg_image_check(const vgg_image *image, vgg_error *error);

/* VGG_ERROR_ARGUMENT unless a picture of this size may be made. `what` begins the message. */
vgg_status vgg_image_check_size(const char *what, size_t width, size_t height, vgg_error *error);

/* Turns a picture with this EXIF orientation (1..8) upright, in place of the old pixels. */
vgg_status vgg_image_orient(vgg_image *image, unsigned orientation, vgg_error *error);

/* The column (row) of the picture where a cut-out of `cut` from the middle of `side` begins;
 * negative when the picture is the smaller one. */
ptrdiff_t vgg_centre_offset(size_t side, size_t cut);

/* The picture in the number of channels and with the short side of `preprocess`. *out is a copy
 * when something had to be done, else {0} and *view is the picture itself. */
vgg_status vgg_preprocess_resized(const vgg_preprocess *preprocess, const vgg_image *image,
                                  vgg_image *out, const vgg_image **view, vgg_error *error);

#endif
