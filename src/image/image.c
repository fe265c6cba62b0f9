#include "vgg/image.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/picture.h"

void vgg_image_free(vgg_image *image) {
    if (image == NULL)
        return;
    vgg_free(image->pixels);
    *image = (vgg_image){0};
}

vgg_status vgg_image_check_size(const char *what, size_t width, size_t height, vgg_error *error) {
    if (width == 0 || height == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s of %zu x %zu pixels was asked for, expected at least 1 x 1", what,
                        width, height);
    if (width > VGG_IMAGE_MAX_SIDE || height > VGG_IMAGE_MAX_SIDE ||
        width * height > VGG_IMAGE_MAX_PIXELS)
        return vgg_fail(
            error, VGG_ERROR_ARGUMENT,
            "%s of %zu x %zu pixels was asked for, expected at most %d on a side and %d "
            "in all",
            what, width, height, VGG_IMAGE_MAX_SIDE, VGG_IMAGE_MAX_PIXELS);
    return VGG_OK;
}

vgg_status vgg_image_make(vgg_image *image, size_t width, size_t height, size_t channels,
                          vgg_error *error) {
    vgg_status status = vgg_image_check_size("a picture", width, height, error);
    if (status != VGG_OK)
        return status;
    size_t bytes = width * height * channels;
    uint8_t *pixels = vgg_malloc(bytes);
    if (pixels == NULL)
        return vgg_fail_memory(error, "a picture", bytes);
    *image = (vgg_image){.width = width, .height = height, .channels = channels, .pixels = pixels};
    return VGG_OK;
}

vgg_status vgg_image_check(const vgg_image *image, vgg_error *error) {
    if (image == NULL || image->pixels == NULL || image->width == 0 || image->height == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "the picture is empty");
    if (image->channels != 1 && image->channels != 3)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "the picture has %zu channels, expected 1 or 3",
                        image->channels);
    return VGG_OK;
}

/* The weights are 0.299, 0.587 and 0.114 in units of 1/65536, which is how Pillow rounds. */
static void to_grey(const uint8_t *rgb, uint8_t *grey, size_t count) {
    for (size_t i = 0; i < count; i++) {
        unsigned luma = rgb[3 * i] * 19595u + rgb[3 * i + 1] * 38470u + rgb[3 * i + 2] * 7471u;
        grey[i] = (uint8_t)((luma + 0x8000) >> 16);
    }
}

vgg_status vgg_image_convert(const vgg_image *image, size_t channels, vgg_image *out,
                             vgg_error *error) {
    vgg_status status = vgg_image_check(image, error);
    if (status != VGG_OK)
        return status;
    if (channels != 1 && channels != 3)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a picture with %zu channels was asked for, expected 1 or 3", channels);
    vgg_image result;
    status = vgg_image_make(&result, image->width, image->height, channels, error);
    if (status != VGG_OK)
        return status;
    size_t count = image->width * image->height;
    if (channels == image->channels)
        memcpy(result.pixels, image->pixels, count * channels);
    else if (channels == 1)
        to_grey(image->pixels, result.pixels, count);
    else
        for (size_t i = 0; i < count; i++) {
            memset(result.pixels + 3 * i, image->pixels[i], 3);
        }
    *out = result;
    return VGG_OK;
}

/* What a window start..start+length-1 shares with 0..available-1: `count` places, the first of them
 * at `from` of what is available and at `to` of the window. */
typedef struct overlap {
    size_t from, to, count;
} overlap;

static overlap overlap_of(ptrdiff_t start, size_t length, size_t available) {
    if (start >= (ptrdiff_t)available || start <= -(ptrdiff_t)length)
        return (overlap){0};
    overlap shared = {.from = start > 0 ? (size_t)start : 0, .to = start < 0 ? (size_t)-start : 0};
    shared.count = vgg_size_min(length - shared.to, available - shared.from);
    return shared;
}

vgg_status vgg_image_crop(const vgg_image *image, ptrdiff_t x, ptrdiff_t y, size_t width,
                          size_t height, vgg_image *out, vgg_error *error) {
    vgg_status status = vgg_image_check(image, error);
    if (status != VGG_OK)
        return status;
    vgg_image result;
    status = vgg_image_make(&result, width, height, image->channels, error);
    if (status != VGG_OK)
        return status;
    overlap columns = overlap_of(x, width, image->width);
    overlap rows = overlap_of(y, height, image->height);
    size_t channels = image->channels;
    if (columns.count < width || rows.count < height)
        memset(result.pixels, 0, width * height * channels);
    for (size_t row = 0; columns.count > 0 && row < rows.count; row++) {
        memcpy(result.pixels + ((rows.to + row) * width + columns.to) * channels,
               image->pixels + ((rows.from + row) * image->width + columns.from) * channels,
               columns.count * channels);
    }
    *out = result;
    return VGG_OK;
}

void vgg_image_flip(vgg_image *image) {
    size_t channels = image->channels;
    for (size_t y = 0; y < image->height; y++) {
        uint8_t *left = image->pixels + y * image->width * channels;
        uint8_t *right = left + (image->width - 1) * channels;
        for (; left < right; left += channels, right -= channels) {
            for (size_t c = 0; c < channels; c++) {
                uint8_t kept = left[c];
                left[c] = right[c];
                right[c] = kept;
            }
        }
    }
}

/* Copies with the rows and columns of the source walked through in another order: `across` and
 * `down` are the bytes from a sample's place in the source to its right and lower neighbour in the
 * result. */
static void walk(const uint8_t *source, ptrdiff_t across, ptrdiff_t down, vgg_image *out) {
    uint8_t *pixel = out->pixels;
    for (size_t y = 0; y < out->height; y++) {
        const uint8_t *from = source + (ptrdiff_t)y * down;
        for (size_t x = 0; x < out->width; x++, from += across) {
            for (size_t c = 0; c < out->channels; c++) {
                *pixel++ = from[c];
            }
        }
    }
}

vgg_status vgg_image_orient(vgg_image *image, unsigned orientation, vgg_error *error) {
    if (orientation < 2 || orientation > 8)
        return VGG_OK;
    /* Which picture corner the first stored pixel is, as the EXIF standard (2.32, tag 0x0112) has
     * it: 5 to 8 store columns as rows. */
    bool swapped = orientation >= 5;
    bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    vgg_image upright;
    vgg_status status =
        vgg_image_make(&upright, swapped ? image->height : image->width,
                       swapped ? image->width : image->height, image->channels, error);
    if (status != VGG_OK)
        return status;
    ptrdiff_t column = (ptrdiff_t)image->channels;
    ptrdiff_t row = (ptrdiff_t)(image->width * image->channels);
    const uint8_t *first = image->pixels;
    if (from_right) {
        first += row - column;
        column = -column;
    }
    if (from_bottom) {
        first += (ptrdiff_t)(image->height - 1) * row;
        row = -row;
    }
    walk(first, swapped ? row : column, swapped ? column : row, &upright);
    vgg_image_free(image);
    *image = upright;
    return VGG_OK;
}

const char *vgg_fit_name(vgg_fit fit) {
    static const char *const names[] = {[VGG_FIT_CROP] = "crop",
                                        [VGG_FIT_SQUASH] = "squash",
                                        [VGG_FIT_PAD] = "pad",
                                        [VGG_FIT_NONE] = "none"};
    return (size_t)fit < sizeof names / sizeof names[0] ? names[fit] : NULL;
}

const char *vgg_filter_name(vgg_filter filter) {
    static const char *const names[] = {
        [VGG_FILTER_BILINEAR] = "bilinear", [VGG_FILTER_BICUBIC] = "bicubic"};
    return (size_t)filter < sizeof names / sizeof names[0] ? names[filter] : NULL;
}
