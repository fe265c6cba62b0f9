/* The first picture of a TIFF. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <tiffio.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/decode.h"

/* What libtiff takes beside rows: its own state, the codecs', and directories. */
#define LIBTIFF_MEMORY ((size_t)1 << 20)

typedef struct tiff_reader {
    const vgg_source *source;
    size_t at;
    bool beyond; /* something was looked for behind the end */
    char reason[256];
    vgg_error *error;
} tiff_reader;

/* ---- the file, in memory ---- */

static tmsize_t on_read(thandle_t handle, void *to, tmsize_t count) {
    tiff_reader *tiff = (tiff_reader *)handle;
    size_t left = tiff->source->size - vgg_size_min(tiff->at, tiff->source->size);
    size_t got = vgg_size_min(left, (size_t)count);
    tiff->beyond = tiff->beyond || got < (size_t)count;
    memcpy(to, tiff->source->bytes + tiff->source->size - left, got);
    tiff->at += got;
    return (tmsize_t)got;
}

static tmsize_t on_write(thandle_t handle, void *from, tmsize_t count) {
    (void)handle;
    (void)from;
    (void)count;
    return 0;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
    tiff_reader *tiff = (tiff_reader *)handle;
    toff_t base = whence == SEEK_SET   ? 0
                  : whence == SEEK_CUR ? (toff_t)tiff->at
                                       : (toff_t)tiff->source->size;
    tiff->at = (size_t)(base + offset);
    return tiff->at;
}

static int on_close(thandle_t handle) {
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle) {
    return ((tiff_reader *)handle)->source->size;
}

/* The bytes are there as they are; libtiff looks into them and copies nothing. */
static int on_map(thandle_t handle, void **base, toff_t *size) {
    const vgg_source *source = ((tiff_reader *)handle)->source;
    *base = (void *)source->bytes;
    *size = source->size;
    return 1;
}

static void on_unmap(thandle_t handle, void *base, toff_t size) {
    (void)handle;
    (void)base;
    (void)size;
}

/* The first thing that is wrong is what counts. */
static int on_error(TIFF *codec, void *user, const char *module, const char *format, va_list ap) {
    tiff_reader *tiff = user;
    (void)codec;
    (void)module;
    if (tiff->reason[0] == '\0')
        vsnprintf(tiff->reason, sizeof tiff->reason, format, ap);
    return 1;
}

/* libtiff goes on without what lies beyond the end, such as the colours, as if nothing had been
 * said of it. Other warnings leave the picture whole. */
static int on_warning(TIFF *codec, void *user, const char *module, const char *format, va_list ap) {
    static const char beyond[] = "IO error";
    return strncmp(format, beyond, sizeof beyond - 1) == 0
               ? on_error(codec, user, module, format, ap)
               : 1;
}

/* ---- decoding ---- */

static vgg_status fail_tiff(const tiff_reader *tiff, vgg_status status) {
    return vgg_fail(tiff->error, status, "%s: cannot decode this TIFF: %s", tiff->source->name,
                    tiff->reason[0] != '\0' ? tiff->reason : "its bytes are damaged");
}

/* What libtiff takes for the rows that it decodes at once. */
static size_t block_bytes(TIFF *codec) {
    tmsize_t bytes = TIFFIsTiled(codec) ? TIFFTileSize(codec) : TIFFStripSize(codec);
    return bytes > 0 ? (size_t)bytes : 0;
}

static vgg_status check_memory(const tiff_reader *tiff, TIFF *codec, const vgg_image *image) {
    size_t limit = vgg_source_decoder_limit(tiff->source), wanted;
    if (!vgg_size_mul(image->width * image->height, sizeof(uint32_t), &wanted) ||
        !vgg_size_add(wanted, block_bytes(codec), &wanted) || wanted > limit)
        return vgg_fail(tiff->error, VGG_ERROR_UNSUPPORTED,
                        "%s: this TIFF of %zu x %zu pixels takes more than the limit of %zu bytes "
                        "to decode for a file of its size",
                        tiff->source->name, image->width, image->height, limit);
    size_t needed = wanted + LIBTIFF_MEMORY;
    return vgg_memory_fits(needed) ? VGG_OK
                                   : vgg_fail_memory(tiff->error, tiff->source->name, needed);
}

static vgg_status read_size(const tiff_reader *tiff, TIFF *codec, vgg_image *image,
                            unsigned *orientation) {
    uint32_t width = 0, height = 0;
    uint16_t photometric = PHOTOMETRIC_RGB, upright = ORIENTATION_TOPLEFT;
    TIFFGetField(codec, TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(codec, TIFFTAG_IMAGELENGTH, &height);
    TIFFGetField(codec, TIFFTAG_PHOTOMETRIC, &photometric);
    TIFFGetFieldDefaulted(codec, TIFFTAG_ORIENTATION, &upright);
    bool grey = photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE;
    *orientation = upright >= 1 && upright <= 8 ? upright : 1;
    *image = (vgg_image){.width = width, .height = height, .channels = grey ? 1 : 3};
    return vgg_source_check_size(tiff->source, "TIFF", width, height, tiff->error);
}

/* libtiff's pixels have their colours multiplied with their opacity already. */
static void lay_over_white(const uint32_t *raster, const vgg_image *image) {
    size_t count = image->width * image->height;
    for (size_t i = 0; i < count; i++) {
        const unsigned samples[3] = {TIFFGetR(raster[i]), TIFFGetG(raster[i]), TIFFGetB(raster[i])};
        unsigned white = 255 - TIFFGetA(raster[i]);
        for (size_t c = 0; c < image->channels; c++) {
            unsigned sum = samples[c] + white;
            image->pixels[i * image->channels + c] = (uint8_t)(sum < 255 ? sum : 255);
        }
    }
}

/* Every row is asked for in the order of the file, which is turned upright later. */
static bool read_raster(tiff_reader *tiff, TIFF *codec, const vgg_image *image, uint32_t *raster) {
    TIFFRGBAImage whole;
    char reason[1024] = "";
    if (!TIFFRGBAImageOK(codec, reason) || !TIFFRGBAImageBegin(&whole, codec, 1, reason)) {
        if (tiff->reason[0] == '\0')
            snprintf(tiff->reason, sizeof tiff->reason, "%.*s", (int)sizeof tiff->reason - 1,
                     reason);
        return false;
    }
    whole.orientation = whole.req_orientation = ORIENTATION_TOPLEFT;
    bool read = TIFFRGBAImageGet(&whole, raster, (uint32_t)image->width, (uint32_t)image->height);
    TIFFRGBAImageEnd(&whole);
    return read && tiff->reason[0] == '\0';
}

static vgg_status read_picture(tiff_reader *tiff, TIFF *codec, vgg_image *image,
                               unsigned *orientation) {
    vgg_image found;
    char reason[1024] = "";
    vgg_status status = read_size(tiff, codec, &found, orientation);
    if (status == VGG_OK && !TIFFRGBAImageOK(codec, reason))
        return vgg_fail(tiff->error, VGG_ERROR_UNSUPPORTED, "%s: cannot decode this TIFF: %s",
                        tiff->source->name, reason);
    if (status == VGG_OK)
        status = check_memory(tiff, codec, &found);
    if (status == VGG_OK)
        status = vgg_source_make_image(tiff->source, image, found.width, found.height,
                                       found.channels, tiff->error);
    if (status != VGG_OK)
        return status;
    uint32_t *raster = vgg_malloc(found.width * found.height * sizeof *raster);
    if (raster == NULL)
        return vgg_fail_memory(tiff->error, tiff->source->name,
                               found.width * found.height * sizeof *raster);
    if (read_raster(tiff, codec, image, raster))
        lay_over_white(raster, image);
    else
        status = fail_tiff(tiff, VGG_ERROR_FORMAT);
    vgg_free(raster);
    return status;
}

static vgg_status decode_once(const vgg_source *source, vgg_image *image, unsigned *orientation,
                              vgg_error *error) {
    tiff_reader tiff = {.source = source, .error = error};
    if (!vgg_memory_fits(LIBTIFF_MEMORY))
        return vgg_fail_memory(error, source->name, LIBTIFF_MEMORY);
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (options == NULL)
        return vgg_fail_memory(error, source->name, LIBTIFF_MEMORY);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)vgg_source_decoder_limit(source));
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, &tiff);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, &tiff);
    TIFF *codec = TIFFClientOpenExt(source->name, "r", (thandle_t)&tiff, on_read, on_write, on_seek,
                                    on_close, on_size, on_map, on_unmap, options);
    TIFFOpenOptionsFree(options);
    if (codec == NULL)
        return fail_tiff(&tiff, VGG_ERROR_FORMAT);
    vgg_status status = read_picture(&tiff, codec, image, orientation);
    TIFFClose(codec);
    if (status != VGG_OK)
        vgg_image_free(image);
    return status;
}

/* When libtiff runs out of memory it says so in words only. So it is called when the memory is
 * there, and damage is believed at the second time: other threads may have taken it in between. */
vgg_status vgg_tiff_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                           vgg_error *error) {
    vgg_image result = {0};
    vgg_status status = decode_once(source, &result, orientation, error);
    if (status == VGG_ERROR_FORMAT)
        status = decode_once(source, &result, orientation, error);
    if (status == VGG_OK)
        *image = result;
    return status;
}
