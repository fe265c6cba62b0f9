#include "image/decode.h"

#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/options.h"
#include "image/picture.h"

void vgg_decode_options_init(vgg_decode_options *options, size_t size) {
    const vgg_decode_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

static vgg_status make_source(const void *bytes, size_t size, const char *name,
                              const vgg_decode_options *options, vgg_source *source,
                              vgg_error *error) {
    vgg_decode_options how;
    vgg_decode_options_init(&how, sizeof how);
    vgg_status status = vgg_options_read(&how, sizeof how, options, "vgg_decode_options", error);
    if (status != VGG_OK)
        return status;
    *source = (vgg_source){.bytes = bytes,
                           .size = size,
                           .name = name,
                           .least = how.least,
                           .max_pixels = how.max_pixels > 0 && how.max_pixels < VGG_IMAGE_MAX_PIXELS
                                             ? how.max_pixels
                                             : VGG_IMAGE_MAX_PIXELS,
                           .warn = how.warn,
                           .warn_user = how.warn_user};
    return VGG_OK;
}

static vgg_status decode(const vgg_source *source, vgg_image *image, vgg_error *error) {
    vgg_decoder *decoder = NULL;
    vgg_status status = vgg_image_sniff(source, &decoder, error);
    if (status != VGG_OK)
        return status;
    vgg_image picture = {0};
    unsigned orientation = 1;
    status = decoder(source, &picture, &orientation, error);
    if (status != VGG_OK)
        return status;
    status = vgg_image_orient(&picture, orientation, error);
    if (status != VGG_OK) {
        vgg_error_prefix(error, "%s", source->name);
        vgg_image_free(&picture);
        return status;
    }
    *image = picture;
    return VGG_OK;
}

vgg_status vgg_image_decode_with(const void *bytes, size_t size, const char *name,
                                 const vgg_decode_options *options, vgg_image *image,
                                 vgg_error *error) {
    vgg_source source;
    vgg_status status = make_source(bytes, size, name, options, &source, error);
    return status == VGG_OK ? decode(&source, image, error) : status;
}

vgg_status vgg_preprocess_encoded(const vgg_preprocess *preprocess, const void *bytes, size_t size,
                                  const char *name, const vgg_decode_options *options, float *input,
                                  vgg_error *error) {
    vgg_preprocess own;
    vgg_source source;
    vgg_image image = {0};
    vgg_status status = vgg_preprocess_read(&own, preprocess, error);
    if (status == VGG_OK)
        status = make_source(bytes, size, name, options, &source, error);
    if (status != VGG_OK)
        return status;
    source.preprocess = &own;
    status = decode(&source, &image, error);
    if (status != VGG_OK)
        return status;
    status = vgg_preprocess_image(&own, &image, input, error);
    if (status != VGG_OK)
        vgg_error_prefix(error, "%s", name);
    vgg_image_free(&image);
    return status;
}

static vgg_decode_options reduced_to(size_t least) {
    vgg_decode_options how;
    vgg_decode_options_init(&how, sizeof how);
    how.least = least;
    return how;
}

vgg_status vgg_image_decode_reduced(const void *bytes, size_t size, const char *name, size_t least,
                                    vgg_image *image, vgg_error *error) {
    const vgg_decode_options how = reduced_to(least);
    return vgg_image_decode_with(bytes, size, name, &how, image, error);
}

vgg_status vgg_image_decode(const void *bytes, size_t size, const char *name, vgg_image *image,
                            vgg_error *error) {
    return vgg_image_decode_with(bytes, size, name, NULL, image, error);
}

vgg_status vgg_image_load_with(const char *path, const vgg_decode_options *options,
                               vgg_image *image, vgg_error *error) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    vgg_status status = vgg_file_read(path, VGG_LIMIT_PICTURE_BYTES, &bytes, &size, error);
    if (status != VGG_OK)
        return status;
    status = vgg_image_decode_with(bytes, size, path, options, image, error);
    vgg_free(bytes);
    return status;
}

vgg_status vgg_preprocess_file(const vgg_preprocess *preprocess, const char *path,
                               const vgg_decode_options *options, float *input, vgg_error *error) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    vgg_status status = vgg_file_read(path, VGG_LIMIT_PICTURE_BYTES, &bytes, &size, error);
    if (status != VGG_OK)
        return status;
    status = vgg_preprocess_encoded(preprocess, bytes, size, path, options, input, error);
    vgg_free(bytes);
    return status;
}

vgg_status vgg_image_load_reduced(const char *path, size_t least, vgg_image *image,
                                  vgg_error *error) {
    const vgg_decode_options how = reduced_to(least);
    return vgg_image_load_with(path, &how, image, error);
}

vgg_status vgg_image_load(const char *path, vgg_image *image, vgg_error *error) {
    return vgg_image_load_with(path, NULL, image, error);
}

typedef struct ending {
    const char *ending;
    const char *option; /* of the build, that its format needs; NULL: none */
    bool there;         /* ... and has */
} ending;

static const ending endings[] = {
    {".jpg", "VGG_WITH_JPEG", VGG_WITH_JPEG},
    {".jpeg", "VGG_WITH_JPEG", VGG_WITH_JPEG},
    {".jpe", "VGG_WITH_JPEG", VGG_WITH_JPEG},
    {".jfif", "VGG_WITH_JPEG", VGG_WITH_JPEG},
    {".png", "VGG_WITH_PNG", VGG_WITH_PNG},
    {".webp", "VGG_WITH_WEBP", VGG_WITH_WEBP},
    {".pnm", NULL, true},
    {".pbm", NULL, true},
    {".pgm", NULL, true},
    {".ppm", NULL, true},
    {".bmp", NULL, true},
    {".dib", NULL, true},
    {".gif", "VGG_WITH_GIF", VGG_WITH_GIF},
    {".tif", "VGG_WITH_TIFF", VGG_WITH_TIFF},
    {".tiff", "VGG_WITH_TIFF", VGG_WITH_TIFF},
    {".heic", "VGG_WITH_HEIF", VGG_WITH_HEIF},
    {".heif", "VGG_WITH_HEIF", VGG_WITH_HEIF},
    {".avif", "VGG_WITH_HEIF", VGG_WITH_HEIF},
};

static const ending *ending_of(const char *name) {
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof *endings; i++) {
        if (strcasecmp(dot, endings[i].ending) == 0)
            return &endings[i];
    }
    return NULL;
}

bool vgg_image_name_is_picture(const char *name) {
    const ending *found = ending_of(name);
    return found != NULL && found->there;
}

const char *vgg_image_name_missing(const char *name) {
    const ending *found = ending_of(name);
    return found != NULL && !found->there ? found->option : NULL;
}
