#include "image/palette.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"

static bool is_grey(const vgg_palette *palette) {
    for (size_t i = 0; i < palette->count; i++) {
        const uint8_t *colour = palette->colours[i];
        if (colour[0] != colour[1] || colour[1] != colour[2])
            return false;
    }
    return true;
}

static vgg_status check_numbers(const vgg_palette *palette, const vgg_source *source,
                                const char *format, const vgg_image *image, vgg_error *error) {
    size_t count = image->width * image->height;
    for (size_t i = 0; i < count; i++) {
        if (image->pixels[i] >= palette->count)
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: the pixel at column %zu, row %zu of this %s has colour %d of a "
                            "palette of %zu",
                            source->name, i % image->width, i / image->width, format,
                            image->pixels[i], palette->count);
    }
    return VGG_OK;
}

vgg_status vgg_palette_apply(const vgg_palette *palette, const vgg_source *source,
                             const char *format, vgg_image *image, vgg_error *error) {
    size_t count = image->width * image->height;
    vgg_status status = check_numbers(palette, source, format, image, error);
    if (status != VGG_OK)
        return status;
    if (is_grey(palette)) {
        for (size_t i = 0; i < count; i++) {
            image->pixels[i] = palette->colours[image->pixels[i]][0];
        }
        return VGG_OK;
    }
    vgg_image coloured;
    status = vgg_source_make_image(source, &coloured, image->width, image->height, 3, error);
    if (status != VGG_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        memcpy(coloured.pixels + 3 * i, palette->colours[image->pixels[i]], 3);
    }
    vgg_image_free(image);
    *image = coloured;
    return VGG_OK;
}
