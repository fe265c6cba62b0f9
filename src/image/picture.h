/* What every part of this folder needs to make and check pictures. */
#ifndef VGG_IMAGE_PICTURE_H
#define VGG_IMAGE_PICTURE_H

#include <stddef.h>

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

/* A rectangle within a picture. */
typedef struct vgg_part {
    size_t x, y, width, height;
} vgg_part;

/* A part of what vgg_image_resize makes, the same bits, without making the rest; only the part is
 * held to the limits of vgg/image.h. */
vgg_status vgg_image_resize_part(const vgg_image *image, size_t width, size_t height,
                                 vgg_filter filter, const vgg_part *part, vgg_image *out,
                                 vgg_error *error);

/* The part of the picture that this reads. */
vgg_part vgg_image_resize_reads(const vgg_image *image, size_t width, size_t height,
                                vgg_filter filter, const vgg_part *part);

/* The size that vgg_image_resize_short gives a picture. */
void vgg_image_short_size(const vgg_image *image, size_t side, size_t *width, size_t *height);

/* The column (row) of a picture resized as `preprocess` says where a cut-out of `cut` from the
 * middle of `side` begins; negative when the picture is the smaller one. */
ptrdiff_t vgg_preprocess_offset(const vgg_preprocess *preprocess, size_t side, size_t cut);

/* vgg_preprocess_check of a struct that is our own. */
vgg_status vgg_preprocess_check_figures(const vgg_preprocess *preprocess, vgg_error *error);

/* Reads the caller's preprocessing into our own and checks it. What follows takes one that is. */
vgg_status vgg_preprocess_read(vgg_preprocess *own, const vgg_preprocess *given, vgg_error *error);

/* Checks the picture, and tells its size after the resize of `preprocess`. */
vgg_status vgg_preprocess_size(const vgg_preprocess *preprocess, const vgg_image *image,
                               size_t *width, size_t *height, vgg_error *error);

/* The cut-out at column x, row y of the picture in the number of channels and with the short side
 * of `preprocess`; the picture, which vgg_preprocess_size has checked, has at least a pixel in it.
 */
vgg_status vgg_preprocess_cut(const vgg_preprocess *preprocess, const vgg_image *image, ptrdiff_t x,
                              ptrdiff_t y, vgg_image *cut, vgg_error *error);

/* The part of the picture that vgg_preprocess_image reads; the whole where it makes a copy in
 * another number of channels first, or refuses the picture. */
vgg_part vgg_preprocess_reads(const vgg_preprocess *preprocess, const vgg_image *image);

/* Turns a picture that has the size of the cut-out and the right channels into floats. */
vgg_status vgg_preprocess_fill(const vgg_preprocess *preprocess, const vgg_image *image,
                               float *input, vgg_error *error);

#endif
