#include "image/decode.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/memory.h"
#include "image/picture.h"

vgg_status vgg_source_check_size(const vgg_source *source, const char *format, uint64_t width,
                                 uint64_t height, vgg_error *error) {
    unsigned long long w = width, h = height;
    if (w == 0 || h == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: the %s header says %llu x %llu pixels, expected at least 1 x 1",
                        source->name, format, w, h);
    if (w > VGG_IMAGE_MAX_SIDE || h > VGG_IMAGE_MAX_SIDE || w * h > VGG_IMAGE_MAX_PIXELS)
        return vgg_fail(
            error, VGG_ERROR_UNSUPPORTED,
            "%s: the %s header says %llu x %llu pixels, more than the limits of %d on a "
            "side and %d in all",
            source->name, format, w, h, VGG_IMAGE_MAX_SIDE, VGG_IMAGE_MAX_PIXELS);
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

vgg_status vgg_image_decode_reduced(const void *bytes, size_t size, const char *name, size_t least,
                                    vgg_image *image, vgg_error *error) {
    vgg_source source = {.bytes = bytes, .size = size, .name = name, .least = least};
    vgg_decoder *decoder = NULL;
    vgg_status status = vgg_image_sniff(&source, &decoder, error);
    if (status != VGG_OK)
        return status;
    vgg_image picture = {0};
    unsigned orientation = 1;
    status = decoder(&source, &picture, &orientation, error);
    if (status != VGG_OK)
        return status;
    status = vgg_image_orient(&picture, orientation, error);
    if (status != VGG_OK) {
        vgg_error_prefix(error, "%s", name);
        vgg_image_free(&picture);
        return status;
    }
    *image = picture;
    return VGG_OK;
}

vgg_status vgg_image_decode(const void *bytes, size_t size, const char *name, vgg_image *image,
                            vgg_error *error) {
    return vgg_image_decode_reduced(bytes, size, name, 0, image, error);
}

vgg_status vgg_image_load_reduced(const char *path, size_t least, vgg_image *image,
                                  vgg_error *error) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    vgg_status status = vgg_file_read(path, VGG_LIMIT_PICTURE_BYTES, &bytes, &size, error);
    if (status != VGG_OK)
        return status;
    status = vgg_image_decode_reduced(bytes, size, path, least, image, error);
    free(bytes);
    return status;
}

vgg_status vgg_image_load(const char *path, vgg_image *image, vgg_error *error) {
    return vgg_image_load_reduced(path, 0, image, error);
}

bool vgg_image_name_is_picture(const char *name) {
    static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".png", ".webp",
                                          ".pnm", ".pbm",  ".pgm", ".ppm"};
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending != NULL && i < sizeof endings / sizeof endings[0]; i++) {
        if (strcasecmp(ending, endings[i]) == 0)
            return true;
    }
    return false;
}
