/* The picture formats: each has a function that tells whether bytes are its own (sniff.c) and one
 * that decodes them. */
#ifndef VGG_IMAGE_DECODE_H
#define VGG_IMAGE_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "vgg/image.h"

/* An encoded picture in memory, what messages call it, the short side down to which a decoder that
 * can may reduce it (0: not at all), and the pixels that it may have. */
typedef struct vgg_source {
    const unsigned char *bytes;
    size_t size;
    const char *name;
    size_t least, max_pixels;
    const vgg_preprocess *preprocess; /* which alone is going to read the picture, so that what it
                                       * does not read may be anything; NULL: all is wanted */
    vgg_warning_callback *warn;
    void *warn_user;
} vgg_source;

/* Decodes the whole picture. *orientation becomes its EXIF orientation, 1..8. On failure nothing is
 * left to be freed. */
typedef vgg_status vgg_decoder(const vgg_source *source, vgg_image *image, unsigned *orientation,
                               vgg_error *error);

vgg_decoder vgg_jpeg_decode, vgg_png_decode, vgg_webp_decode, vgg_pnm_decode, vgg_bmp_decode,
    vgg_gif_decode, vgg_tiff_decode, vgg_heif_decode;

/* The decoder for these bytes, told by the first of them; a message that says what they are instead
 * when there is none. */
vgg_status vgg_image_sniff(const vgg_source *source, vgg_decoder **decoder, vgg_error *error);

/* Refuses a size that a header states: 0, or beyond the limits of vgg/image.h. `format` is the name
 * of the format. */
vgg_status vgg_source_check_size(const vgg_source *source, const char *format, uint64_t width,
                                 uint64_t height, vgg_error *error);

/* The memory that a decoder may take for this source beside the picture that comes out. */
size_t vgg_source_decoder_limit(const vgg_source *source);

/* vgg_image_make whose messages begin with the source's name. */
vgg_status vgg_source_make_image(const vgg_source *source, vgg_image *image, size_t width,
                                 size_t height, size_t channels, vgg_error *error);

/* The orientation, 1..8, in an EXIF block: a TIFF file, perhaps after the six bytes "Exif\0\0".
 * 1 (upright) when it says nothing or is damaged. */
unsigned vgg_exif_orientation(const unsigned char *bytes, size_t size);

/* One sample of 8 bits with opacity `alpha` laid over white. */
static inline uint8_t vgg_over_white(unsigned sample, unsigned alpha) {
    return (uint8_t)((sample * alpha + 255 * (255 - alpha) + 127) / 255);
}

#endif
