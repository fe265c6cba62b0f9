/* Pictures whose pixels are numbers of colours. */
#ifndef VGG_IMAGE_PALETTE_H
#define VGG_IMAGE_PALETTE_H

#include "image/decode.h"

#define VGG_PALETTE_COLOURS 256

typedef struct vgg_palette {
    uint8_t colours[VGG_PALETTE_COLOURS][3];
    size_t count;
} vgg_palette;

/* Looks up a picture of one channel, whose samples are numbers: it becomes grey where the whole
 * palette is, else RGB. A number that has no colour is damage. On failure the picture is as it was.
 */
vgg_status vgg_palette_apply(const vgg_palette *palette, const vgg_source *source,
                             const char *format, vgg_image *image, vgg_error *error);

#endif
