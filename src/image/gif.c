/* The first picture of a GIF. */
#include <stdbool.h>
#include <string.h>

#include <gif_lib.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "image/decode.h"
#include "image/palette.h"

/* A code of at most 12 bits stands for at most 4,096 pixels. */
#define LZW_RATIO ((size_t)2731)
/* What giflib takes: its tables, the palettes, and a block of an extension. */
#define GIFLIB_MEMORY ((size_t)1 << 17)

typedef struct gif_reader {
    const vgg_source *source;
    size_t at;
    bool ended; /* more was asked for than there is */
    GifFileType *codec;
    int transparent; /* the colour that is; -1 */
    vgg_palette palette;
    size_t width, height; /* of the whole, in which the first picture may be a part */
    vgg_error *error;
} gif_reader;

static int on_read(GifFileType *codec, GifByteType *to, int count) {
    gif_reader *gif = codec->UserData;
    size_t left = gif->source->size - gif->at, got = vgg_size_min(left, (size_t)count);
    memcpy(to, gif->source->bytes + gif->at, got);
    gif->at += got;
    gif->ended = gif->ended || got < (size_t)count;
    return (int)got;
}

static vgg_status fail_gif(const gif_reader *gif, int code) {
    const vgg_source *source = gif->source;
    const char *text = GifErrorString(code);
    if (code == D_GIF_ERR_NOT_ENOUGH_MEM)
        return vgg_fail_memory(gif->error, source->name, GIFLIB_MEMORY);
    if (gif->ended)
        return vgg_fail(gif->error, VGG_ERROR_FORMAT,
                        "%s: this GIF is cut short: its %zu bytes end before the picture does",
                        source->name, source->size);
    return vgg_fail(gif->error, VGG_ERROR_FORMAT, "%s: cannot decode this GIF: %s", source->name,
                    text != NULL ? text : "damaged");
}

/* The block before a picture that says which of its colours is transparent. */
static vgg_status read_extension(gif_reader *gif) {
    enum { CONTROL_BYTES = 4, HAS_TRANSPARENT = 1 };
    int code;
    GifByteType *block;
    int result = DGifGetExtension(gif->codec, &code, &block);
    while (result == GIF_OK && block != NULL) {
        if (code == GRAPHICS_EXT_FUNC_CODE && block[0] == CONTROL_BYTES)
            gif->transparent = (block[1] & HAS_TRANSPARENT) != 0 ? block[4] : -1;
        result = DGifGetExtensionNext(gif->codec, &block);
    }
    return result == GIF_OK ? VGG_OK : fail_gif(gif, gif->codec->Error);
}

/* Up to the pixels of the first picture. */
static vgg_status find_picture(gif_reader *gif) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    vgg_status status = VGG_OK;
    while (status == VGG_OK && type != IMAGE_DESC_RECORD_TYPE) {
        if (DGifGetRecordType(gif->codec, &type) != GIF_OK)
            return fail_gif(gif, gif->codec->Error);
        if (type == EXTENSION_RECORD_TYPE)
            status = read_extension(gif);
        else if (type != IMAGE_DESC_RECORD_TYPE)
            return vgg_fail(gif->error, VGG_ERROR_FORMAT, "%s: this GIF holds no picture",
                            gif->source->name);
    }
    if (status == VGG_OK && DGifGetImageDesc(gif->codec) != GIF_OK)
        return fail_gif(gif, gif->codec->Error);
    return status;
}

/* Refuses what a few bytes say of a whole that nearly none of them fill. */
static vgg_status check_whole(const gif_reader *gif) {
    size_t pixels = gif->width * gif->height;
    if (pixels <= VGG_LIMIT_GIF_WHOLE_PIXELS || pixels / LZW_RATIO <= gif->source->size)
        return VGG_OK;
    return vgg_fail(gif->error, VGG_ERROR_UNSUPPORTED,
                    "%s: this GIF says %zu x %zu pixels around a picture of %d x %d, more than the "
                    "limit of %zu for a file of %zu bytes",
                    gif->source->name, gif->width, gif->height, gif->codec->Image.Width,
                    gif->codec->Image.Height, VGG_LIMIT_GIF_WHOLE_PIXELS, gif->source->size);
}

/* A picture that sticks out makes the whole larger. */
static vgg_status check_size(gif_reader *gif) {
    const GifImageDesc *part = &gif->codec->Image;
    gif->width = vgg_size_max((size_t)gif->codec->SWidth, (size_t)part->Left + (size_t)part->Width);
    gif->height =
        vgg_size_max((size_t)gif->codec->SHeight, (size_t)part->Top + (size_t)part->Height);
    vgg_status status =
        vgg_source_check_size(gif->source, "GIF", gif->width, gif->height, gif->error);
    size_t pixels = (size_t)part->Width * (size_t)part->Height;
    if (status == VGG_OK && pixels / LZW_RATIO > gif->source->size) {
        gif->ended = true;
        status = fail_gif(gif, D_GIF_ERR_READ_FAILED);
    }
    return status == VGG_OK ? check_whole(gif) : status;
}

/* The picture's own colours or those of the file; without either numbers are greys. What is
 * transparent becomes white. */
static void take_palette(gif_reader *gif) {
    const ColorMapObject *map = gif->codec->Image.ColorMap;
    map = map != NULL ? map : gif->codec->SColorMap;
    gif->palette.count = map != NULL ? (size_t)map->ColorCount : VGG_PALETTE_COLOURS;
    for (size_t i = 0; i < gif->palette.count; i++) {
        uint8_t *colour = gif->palette.colours[i];
        memset(colour, (int)i, 3);
        if (map != NULL) {
            colour[0] = map->Colors[i].Red;
            colour[1] = map->Colors[i].Green;
            colour[2] = map->Colors[i].Blue;
        }
    }
    if (gif->transparent >= (int)gif->palette.count) {
        memset(gif->palette.colours[gif->palette.count], 0,
               3 * ((size_t)gif->transparent + 1 - gif->palette.count));
        gif->palette.count = (size_t)gif->transparent + 1;
    }
    if (gif->transparent >= 0)
        memset(gif->palette.colours[gif->transparent], 255, 3);
}

/* Interlaced rows come in four passes: every eighth, those between, and so on. */
static vgg_status read_rows(gif_reader *gif, uint8_t *indices) {
    static const size_t firsts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
    const GifImageDesc *part = &gif->codec->Image;
    size_t passes = part->Interlace ? 4 : 1, height = (size_t)part->Height;
    for (size_t pass = 0; pass < passes; pass++) {
        size_t step = part->Interlace ? steps[pass] : 1;
        for (size_t y = part->Interlace ? firsts[pass] : 0; y < height; y += step) {
            uint8_t *row = indices + ((size_t)part->Top + y) * gif->width + (size_t)part->Left;
            if (DGifGetLine(gif->codec, row, part->Width) != GIF_OK)
                return fail_gif(gif, gif->codec->Error);
        }
    }
    return VGG_OK;
}

/* Around a picture that is smaller than the whole is the transparent colour, or colour 0. */
static vgg_status read_picture(gif_reader *gif, vgg_image *image) {
    vgg_status status = find_picture(gif);
    if (status == VGG_OK)
        status = check_size(gif);
    if (status == VGG_OK)
        status = vgg_source_make_image(gif->source, image, gif->width, gif->height, 1, gif->error);
    if (status != VGG_OK)
        return status;
    take_palette(gif);
    memset(image->pixels, gif->transparent >= 0 ? gif->transparent : 0, gif->width * gif->height);
    status = read_rows(gif, image->pixels);
    return status == VGG_OK
               ? vgg_palette_apply(&gif->palette, gif->source, "GIF", image, gif->error)
               : status;
}

static vgg_status decode_once(const vgg_source *source, vgg_image *image, vgg_error *error) {
    gif_reader gif = {.source = source, .transparent = -1, .error = error};
    int code = 0;
    if (!vgg_memory_fits(GIFLIB_MEMORY))
        return vgg_fail_memory(error, source->name, GIFLIB_MEMORY);
    gif.codec = DGifOpen(&gif, on_read, &code);
    if (gif.codec == NULL)
        return fail_gif(&gif, code);
    vgg_status status = read_picture(&gif, image);
    DGifCloseFile(gif.codec, &code);
    if (status != VGG_OK)
        vgg_image_free(image);
    return status;
}

/* When giflib runs out of memory it calls the bytes damaged, in places. So it is called when the
 * memory is there, and damage is believed at the second time: other threads may have taken it in
 * between. */
vgg_status vgg_gif_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                          vgg_error *error) {
    vgg_image result = {0};
    vgg_status status = decode_once(source, &result, error);
    if (status == VGG_ERROR_FORMAT)
        status = decode_once(source, &result, error);
    *orientation = 1;
    if (status == VGG_OK)
        *image = result;
    return status;
}
