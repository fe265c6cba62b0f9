#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "image/decode.h"
#include "image/picture.h"

vgg_status vgg_source_check_size(const vgg_source *source, const char *format, uint64_t width,
                                 uint64_t height, vgg_error *error) {
    unsigned long long w = width, h = height;
    if (w == 0 || h == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: the %s header says %llu x %llu pixels, expected at least 1 x 1",
                        source->name, format, w, h);
    if (w > VGG_IMAGE_MAX_SIDE || h > VGG_IMAGE_MAX_SIDE || w * h > source->max_pixels)
        return vgg_fail(
            error, VGG_ERROR_UNSUPPORTED,
            "%s: the %s header says %llu x %llu pixels, more than the limits of %d on a "
            "side and %zu in all",
            source->name, format, w, h, VGG_IMAGE_MAX_SIDE, source->max_pixels);
    return VGG_OK;
}

size_t vgg_source_decoder_limit(const vgg_source *source) {
    size_t most = VGG_LIMIT_DECODER_BYTES;
    if (source->size < most / VGG_LIMIT_DECODER_RATIO)
        most = source->size * VGG_LIMIT_DECODER_RATIO + VGG_LIMIT_DECODER_SLACK;
    return vgg_size_min(most, VGG_LIMIT_DECODER_BYTES);
}

vgg_status vgg_source_make_image(const vgg_source *source, vgg_image *image, size_t width,
                                 size_t height, size_t channels, vgg_error *error) {
    vgg_status status = vgg_image_make(image, width, height, channels, error);
    if (status != VGG_OK)
        vgg_error_prefix(error, "%s", source->name);
    return status;
}
