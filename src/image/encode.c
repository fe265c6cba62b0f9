/* Writing pictures, to a file or through a function. */
#include "image/encode.h"

#include "base/error.h"
#include "image/picture.h"

static vgg_status check(const vgg_image *image, vgg_image_format format, unsigned quality,
                        vgg_error *error) {
    vgg_status status = vgg_image_check(image, error);
    const char *what = format == VGG_IMAGE_JPEG ? "a JPEG" : "a PNG";
    if (status == VGG_OK)
        status = vgg_image_check_size(what, image->width, image->height, error);
    if (status != VGG_OK)
        return status;
    if (format != VGG_IMAGE_PNG && format != VGG_IMAGE_JPEG)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "picture format %d, expected PNG or JPEG",
                        (int)format);
    if (format == VGG_IMAGE_JPEG && (quality < 1 || quality > 100))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "JPEG quality %u, expected 1 to 100", quality);
    return VGG_OK;
}

vgg_status vgg_image_encode(const vgg_image *image, vgg_image_format format, unsigned quality,
                            vgg_write_callback *write, void *user, vgg_error *error) {
    vgg_status status = check(image, format, quality, error);
    if (status != VGG_OK)
        return status;
    vgg_sink sink;
    vgg_sink_open_callback(&sink, "the encoded picture", write, user);
    status = format == VGG_IMAGE_PNG ? vgg_png_encode(image, &sink, error)
                                     : vgg_jpeg_encode(image, quality, &sink, error);
    return vgg_sink_close(&sink, status, error);
}

vgg_status vgg_image_save_png(const vgg_image *image, const char *path, vgg_error *error) {
    vgg_status status = check(image, VGG_IMAGE_PNG, 0, error);
    if (status != VGG_OK)
        return status;
    vgg_sink sink;
    status = vgg_sink_open_file(&sink, path, error);
    if (status != VGG_OK)
        return status;
    return vgg_sink_close(&sink, vgg_png_encode(image, &sink, error), error);
}
