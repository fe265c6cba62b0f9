#include "image/decode.h"

#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/memory.h"
#include "image/picture.h"

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
    vgg_free(bytes);
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
