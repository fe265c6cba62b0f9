#include <string.h>

#include <webp/decode.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/decode.h"

static vgg_status fail_webp(const vgg_source *source, VP8StatusCode code, vgg_error *error) {
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return vgg_fail_memory(error, source->name, source->size);
    if (code == VP8_STATUS_NOT_ENOUGH_DATA || code == VP8_STATUS_SUSPENDED)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: this WebP is cut short: its %zu bytes end before the picture does",
                        source->name, source->size);
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: cannot decode this WebP: %s", source->name,
                    code == VP8_STATUS_UNSUPPORTED_FEATURE ? "it uses an unknown feature"
                                                           : "its bytes are damaged");
}

static vgg_status check_features(const vgg_source *source, WebPBitstreamFeatures *features,
                                 vgg_error *error) {
    VP8StatusCode code = WebPGetFeatures(source->bytes, source->size, features);
    if (code != VP8_STATUS_OK)
        return fail_webp(source, code, error);
    if (features->has_animation)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: is an animated WebP; expected a still picture", source->name);
    return vgg_source_check_size(source, "WebP", (uint64_t)features->width,
                                 (uint64_t)features->height, error);
}

/* What libwebp asks malloc for, without a bound of its own: the whole picture at 32 bits when it is
 * lossless, the plane of opacities and a copy of it otherwise, and some rows and tables. */
static size_t memory_wanted(const WebPBitstreamFeatures *features) {
    enum { LOSSLESS = 2, ROW_BYTES = 256, TABLES = 1 << 18 };
    size_t pixels = (size_t)features->width * (size_t)features->height;
    size_t planes = features->format == LOSSLESS ? 4 : features->has_alpha ? 2 : 0;
    return planes * pixels + (size_t)ROW_BYTES * (size_t)features->width + TABLES;
}

static vgg_status check_memory(const vgg_source *source, const WebPBitstreamFeatures *features,
                               vgg_error *error) {
    size_t wanted = memory_wanted(features), limit = vgg_source_decoder_limit(source);
    if (wanted <= limit)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: this WebP of %d x %d pixels takes %zu bytes to decode, more than the "
                    "limit of %zu for a file of its size",
                    source->name, features->width, features->height, wanted, limit);
}

/* RIFF: chunks of a name, a size with the low byte first, and content filled up to an even size.
 * The first one, VP8X, says whether there is EXIF. */
static unsigned read_orientation(const vgg_source *source) {
    enum { HEADER = 12, CHUNK = 8, EXIF_FLAG = 8 };
    const unsigned char *b = source->bytes;
    if (source->size < HEADER + CHUNK + 1 || memcmp(b + HEADER, "VP8X", 4) != 0 ||
        (b[HEADER + CHUNK] & EXIF_FLAG) == 0)
        return 1;
    for (size_t at = HEADER; source->size - at >= CHUNK;) {
        size_t size =
            b[at + 4] | (size_t)b[at + 5] << 8 | (size_t)b[at + 6] << 16 | (size_t)b[at + 7] << 24;
        size_t left = source->size - at - CHUNK;
        if (size > left)
            return 1;
        if (memcmp(b + at, "EXIF", 4) == 0)
            return vgg_exif_orientation(b + at + CHUNK, size);
        at += CHUNK + vgg_size_min(size + size % 2, left);
    }
    return 1;
}

/* Decodes into the picture's pixels, which have room for rows of `stride` bytes. */
static VP8StatusCode decode_once(const vgg_source *source, WEBP_CSP_MODE mode,
                                 const vgg_image *image, size_t stride) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return VP8_STATUS_UNSUPPORTED_FEATURE;
    config.output.colorspace = mode;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image->pixels;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = stride * image->height;
    VP8StatusCode code = WebPDecode(source->bytes, source->size, &config);
    WebPFreeDecBuffer(&config.output);
    return code;
}

/* When libwebp 1.2 runs out of memory it calls the bytes damaged, in places, or frees what it never
 * had. So it is called when the memory is there, and damage is believed at the second time: other
 * threads may have taken the memory in between. */
static vgg_status decode(const vgg_source *source, const WebPBitstreamFeatures *features,
                         WEBP_CSP_MODE mode, const vgg_image *image, size_t samples,
                         vgg_error *error) {
    size_t wanted = memory_wanted(features);
    VP8StatusCode code = VP8_STATUS_SUSPENDED;
    for (int attempt = 0; attempt < 2 && code != VP8_STATUS_OK; attempt++) {
        if (!vgg_memory_fits(wanted))
            return vgg_fail_memory(error, source->name, wanted);
        code = decode_once(source, mode, image, image->width * samples);
    }
    return code == VP8_STATUS_OK ? VGG_OK : fail_webp(source, code, error);
}

static vgg_status decode_opaque(const vgg_source *source, const WebPBitstreamFeatures *features,
                                vgg_image *image, vgg_error *error) {
    vgg_status status = vgg_source_make_image(source, image, image->width, image->height, 3, error);
    return status == VGG_OK ? decode(source, features, MODE_RGB, image, 3, error) : status;
}

/* The colours over white take the place of what was decoded, pixel by pixel from the first. */
static vgg_status decode_transparent(const vgg_source *source,
                                     const WebPBitstreamFeatures *features, vgg_image *image,
                                     vgg_error *error) {
    size_t count = image->width * image->height;
    uint8_t *samples = vgg_malloc(4 * count);
    if (samples == NULL)
        return vgg_fail_memory(error, source->name, 4 * count);
    image->pixels = samples;
    vgg_status status = decode(source, features, MODE_RGBA, image, 4, error);
    if (status != VGG_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        unsigned alpha = samples[4 * i + 3];
        for (size_t c = 0; c < 3; c++) {
            samples[3 * i + c] = vgg_over_white(samples[4 * i + c], alpha);
        }
    }
    uint8_t *shorter = vgg_realloc(samples, 3 * count);
    image->pixels = shorter != NULL ? shorter : samples;
    return VGG_OK;
}

vgg_status vgg_webp_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                           vgg_error *error) {
    WebPBitstreamFeatures features;
    vgg_status status = check_features(source, &features, error);
    if (status == VGG_OK)
        status = check_memory(source, &features, error);
    if (status != VGG_OK)
        return status;
    vgg_image result = {
        .width = (size_t)features.width, .height = (size_t)features.height, .channels = 3};
    status = features.has_alpha ? decode_transparent(source, &features, &result, error)
                                : decode_opaque(source, &features, &result, error);
    if (status != VGG_OK) {
        vgg_image_free(&result);
        return status;
    }
    *orientation = read_orientation(source);
    *image = result;
    return VGG_OK;
}
