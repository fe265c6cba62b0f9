/* The formats that this library was built without (cmake/parts.cmake). */
#include "base/error.h"
#include "image/decode.h"
#include "image/encode.h"

#if !VGG_WITH_JPEG || !VGG_WITH_PNG || !VGG_WITH_WEBP || !VGG_WITH_GIF || !VGG_WITH_TIFF ||        \
    !VGG_WITH_HEIF
static vgg_status refuse(const char *name, const char *what, const char *option, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: is %s; this libvgg was built without %s",
                    name, what, option);
}
#endif

#if !VGG_WITH_JPEG
vgg_status vgg_jpeg_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                           vgg_error *error) {
    (void)image;
    (void)orientation;
    return refuse(source->name, "a JPEG picture", "VGG_WITH_JPEG", error);
}

vgg_status vgg_jpeg_encode(const vgg_image *image, unsigned quality, vgg_sink *sink,
                           vgg_error *error) {
    (void)image;
    (void)quality;
    return refuse(sink->name, "to become a JPEG picture", "VGG_WITH_JPEG", error);
}
#endif

#if !VGG_WITH_PNG
vgg_status vgg_png_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                          vgg_error *error) {
    (void)image;
    (void)orientation;
    return refuse(source->name, "a PNG picture", "VGG_WITH_PNG", error);
}

vgg_status vgg_png_encode(const vgg_image *image, vgg_sink *sink, vgg_error *error) {
    (void)image;
    return refuse(sink->name, "to become a PNG picture", "VGG_WITH_PNG", error);
}
#endif

#if !VGG_WITH_WEBP
vgg_status vgg_webp_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                           vgg_error *error) {
    (void)image;
    (void)orientation;
    return refuse(source->name, "a WebP picture", "VGG_WITH_WEBP", error);
}
#endif

#if !VGG_WITH_GIF
vgg_status vgg_gif_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                          vgg_error *error) {
    (void)image;
    (void)orientation;
    return refuse(source->name, "a GIF picture", "VGG_WITH_GIF", error);
}
#endif

#if !VGG_WITH_TIFF
vgg_status vgg_tiff_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                           vgg_error *error) {
    (void)image;
    (void)orientation;
    return refuse(source->name, "a TIFF picture", "VGG_WITH_TIFF", error);
}
#endif

#if !VGG_WITH_HEIF
vgg_status vgg_heif_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                           vgg_error *error) {
    (void)image;
    (void)orientation;
    return refuse(source->name, "a HEIF picture (HEIC or AVIF)", "VGG_WITH_HEIF", error);
}
#endif
