#include <stdlib.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "base/error.h"
#include "image/decode.h"
#include "image/picture.h"

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

static unsigned read_orientation(const vgg_source *source) {
    WebPData data = {.bytes = source->bytes, .size = source->size};
    WebPDemuxer *demuxer = WebPDemux(&data);
    if (demuxer == NULL)
        return 1;
    unsigned orientation = 1;
    WebPChunkIterator chunk = {0};
    if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk))
        orientation = vgg_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
    WebPDemuxDelete(demuxer);
    return orientation;
}

/* Decodes into pixels, which has room for all of width x height x samples. */
static VP8StatusCode decode_into(const vgg_source *source, WEBP_CSP_MODE mode, uint8_t *pixels,
                                 size_t stride, size_t size) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return VP8_STATUS_UNSUPPORTED_FEATURE;
    config.output.colorspace = mode;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = size;
    VP8StatusCode code = WebPDecode(source->bytes, source->size, &config);
    WebPFreeDecBuffer(&config.output);
    return code;
}

static vgg_status decode_opaque(const vgg_source *source, vgg_image *image, vgg_error *error) {
    size_t stride = image->width * 3;
    VP8StatusCode code =
        decode_into(source, MODE_RGB, image->pixels, stride, stride * image->height);
    return code == VP8_STATUS_OK ? VGG_OK : fail_webp(source, code, error);
}

static vgg_status decode_transparent(const vgg_source *source, vgg_image *image, vgg_error *error) {
    size_t count = image->width * image->height;
    uint8_t *rgba = malloc(4 * count);
    if (rgba == NULL)
        return vgg_fail_memory(error, source->name, 4 * count);
    VP8StatusCode code = decode_into(source, MODE_RGBA, rgba, 4 * image->width, 4 * count);
    for (size_t i = 0; code == VP8_STATUS_OK && i < count; i++) {
        for (size_t c = 0; c < 3; c++) {
            image->pixels[3 * i + c] = vgg_over_white(rgba[4 * i + c], rgba[4 * i + 3]);
        }
    }
    free(rgba);
    return code == VP8_STATUS_OK ? VGG_OK : fail_webp(source, code, error);
}

vgg_status vgg_webp_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                           vgg_error *error) {
    WebPBitstreamFeatures features;
    vgg_status status = check_features(source, &features, error);
    vgg_image result = {0};
    if (status == VGG_OK)
        status = vgg_source_make_image(source, &result, (size_t)features.width,
                                       (size_t)features.height, 3, error);
    if (status != VGG_OK)
        return status;
    status = features.has_alpha ? decode_transparent(source, &result, error)
                                : decode_opaque(source, &result, error);
    if (status != VGG_OK) {
        vgg_image_free(&result);
        return status;
    }
    *orientation = read_orientation(source);
    *image = result;
    return VGG_OK;
}
