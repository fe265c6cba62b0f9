/* The primary picture of a HEIF file: HEIC and AVIF. */
#include <stdbool.h>
#include <string.h>

#include <libheif/heif.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/decode.h"

/* What libheif and the decoders behind it take for a pixel: planes of 16 bits, pictures that others
 * are predicted from, and the result. */
enum { PIXEL_MEMORY = 24 };
#define LIBHEIF_MEMORY ((size_t)16 << 20)

static vgg_status fail_heif(const vgg_source *source, struct heif_error why, vgg_error *error) {
    const char *text = why.message != NULL ? why.message : "damaged";
    if (why.code == heif_error_Memory_allocation_error)
        return vgg_fail_memory(error, source->name, LIBHEIF_MEMORY);
    bool unknown = why.code == heif_error_Unsupported_filetype ||
                   why.code == heif_error_Unsupported_feature ||
                   why.code == heif_error_Decoder_plugin_error;
    return vgg_fail(error, unknown ? VGG_ERROR_UNSUPPORTED : VGG_ERROR_FORMAT,
                    "%s: cannot decode this HEIF: %s", source->name, text);
}

static vgg_status check_memory(const vgg_source *source, size_t width, size_t height,
                               vgg_error *error) {
    size_t wanted = width * height * PIXEL_MEMORY + LIBHEIF_MEMORY;
    size_t limit = vgg_source_decoder_limit(source);
    if (wanted > limit)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: this HEIF of %zu x %zu pixels takes %zu bytes to decode, more than "
                        "the limit of %zu for a file of its size",
                        source->name, width, height, wanted, limit);
    return vgg_memory_fits(wanted) ? VGG_OK : vgg_fail_memory(error, source->name, wanted);
}

/* Rows of RGB, or of RGBA laid over white. */
static vgg_status copy_pixels(const vgg_source *source, const struct heif_image *decoded,
                              bool alpha, vgg_image *image, vgg_error *error) {
    int stride = 0;
    const uint8_t *from = heif_image_get_plane_readonly(decoded, heif_channel_interleaved, &stride);
    int width = heif_image_get_width(decoded, heif_channel_interleaved);
    int height = heif_image_get_height(decoded, heif_channel_interleaved);
    if (from == NULL || width <= 0 || height <= 0)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: cannot decode this HEIF: it has no pixels",
                        source->name);
    vgg_status status =
        vgg_source_make_image(source, image, (size_t)width, (size_t)height, 3, error);
    for (size_t y = 0; status == VGG_OK && y < image->height; y++) {
        const uint8_t *row = from + y * (size_t)stride;
        uint8_t *to = image->pixels + 3 * y * image->width;
        for (size_t x = 0; x < image->width; x++, to += 3) {
            const uint8_t *pixel = row + (alpha ? 4 : 3) * x;
            for (size_t c = 0; c < 3; c++) {
                to[c] = vgg_over_white(pixel[c], alpha ? pixel[3] : 255);
            }
        }
    }
    return status;
}

static vgg_status decode_primary(const vgg_source *source, struct heif_context *context,
                                 vgg_image *image, vgg_error *error) {
    struct heif_image_handle *handle = NULL;
    struct heif_image *decoded = NULL;
    struct heif_error why = heif_context_get_primary_image_handle(context, &handle);
    if (why.code != heif_error_Ok)
        return fail_heif(source, why, error);
    size_t width = (size_t)heif_image_handle_get_width(handle);
    size_t height = (size_t)heif_image_handle_get_height(handle);
    bool alpha = heif_image_handle_has_alpha_channel(handle);
    vgg_status status = vgg_source_check_size(source, "HEIF", width, height, error);
    if (status == VGG_OK)
        status = check_memory(source, width, height, error);
    if (status == VGG_OK) {
        why = heif_decode_image(handle, &decoded, heif_colorspace_RGB,
                                alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB,
                                NULL);
        status = why.code == heif_error_Ok ? copy_pixels(source, decoded, alpha, image, error)
                                           : fail_heif(source, why, error);
    }
    if (decoded != NULL)
        heif_image_release(decoded);
    heif_image_handle_release(handle);
    return status;
}

/* libheif turns the picture upright itself. */
vgg_status vgg_heif_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                           vgg_error *error) {
    if (!vgg_memory_fits(LIBHEIF_MEMORY))
        return vgg_fail_memory(error, source->name, LIBHEIF_MEMORY);
    struct heif_context *context = heif_context_alloc();
    if (context == NULL)
        return vgg_fail_memory(error, source->name, LIBHEIF_MEMORY);
    heif_context_set_maximum_image_size_limit(context, VGG_IMAGE_MAX_SIDE);
    struct heif_error why =
        heif_context_read_from_memory_without_copy(context, source->bytes, source->size, NULL);
    vgg_image result = {0};
    vgg_status status = why.code == heif_error_Ok ? decode_primary(source, context, &result, error)
                                                  : fail_heif(source, why, error);
    heif_context_free(context);
    if (status != VGG_OK) {
        vgg_image_free(&result);
        return status;
    }
    *orientation = 1;
    *image = result;
    return VGG_OK;
}
