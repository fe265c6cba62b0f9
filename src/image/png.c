#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "base/error.h"
#include "image/decode.h"
#include "image/picture.h"

/* The most that one chunk beside the pixels may unfold to: palettes and EXIF blocks are far
 * smaller. */
enum { CHUNK_LIMIT = 8 << 20, CHUNKS_KEPT = 16 };

typedef struct png_reader {
    png_structp codec;
    png_infop info;
    const vgg_source *source;
    size_t at;                     /* bytes read so far */
    size_t width, height, samples; /* per pixel: 1 grey or palette index, 2, 3, 4 */
    bool palette;
    uint8_t *pixels;  /* height x width x samples */
    png_bytepp lines; /* where each row of them begins */
    vgg_image image;
    vgg_status status;
    vgg_error *error;
} png_reader;

static void on_error(png_structp codec, png_const_charp text) {
    png_reader *reader = png_get_error_ptr(codec);
    reader->status = vgg_fail(reader->error, VGG_ERROR_FORMAT, "%s: cannot decode this PNG: %s",
                              reader->source->name, text);
    png_longjmp(codec, 1);
}

static void on_warning(png_structp codec, png_const_charp text) {
    (void)codec;
    (void)text;
}

static void on_read(png_structp codec, png_bytep to, size_t count) {
    png_reader *reader = png_get_io_ptr(codec);
    const vgg_source *source = reader->source;
    if (count > source->size - reader->at) {
        reader->status = vgg_fail(reader->error, VGG_ERROR_FORMAT,
                                  "%s: this PNG is cut short: its %zu bytes end before the picture "
                                  "does",
                                  source->name, source->size);
        png_longjmp(codec, 1);
    }
    memcpy(to, source->bytes + reader->at, count);
    reader->at += count;
}

static void guard(png_structp codec) {
    static const png_byte ignored[] = "tEXt\0zTXt\0iTXt\0iCCP\0sPLT\0pCAL\0hIST\0bKGD";
    png_set_user_limits(codec, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_malloc_max(codec, CHUNK_LIMIT);
    png_set_chunk_cache_max(codec, CHUNKS_KEPT);
    png_set_keep_unknown_chunks(codec, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_set_keep_unknown_chunks(codec, PNG_HANDLE_CHUNK_NEVER, ignored, (int)(sizeof ignored / 5));
}

/* The size stands at a fixed place, so it is checked before libpng sees the file, with both sides
 * in the message. */
static vgg_status check_header(const vgg_source *source, vgg_error *error) {
    const unsigned char *b = source->bytes;
    if (source->size < 8 || png_sig_cmp(b, 0, 8) != 0 || source->size < 24 ||
        memcmp(b + 12, "IHDR", 4) != 0)
        return VGG_OK; /* libpng says what is wrong */
    return vgg_source_check_size(source, "PNG", png_get_uint_32(b + 16), png_get_uint_32(b + 20),
                                 error);
}

/* Asks libpng for 8 bits per sample, one byte per palette index, and an alpha channel where there
 * is transparency. */
static void choose_samples(png_reader *reader) {
    png_structp codec = reader->codec;
    png_byte type = png_get_color_type(codec, reader->info);
    reader->palette = type == PNG_COLOR_TYPE_PALETTE;
    if (reader->palette) {
        png_set_packing(codec);
    } else {
        png_set_expand(codec);
        png_set_scale_16(codec);
    }
    png_set_interlace_handling(codec);
    png_read_update_info(codec, reader->info);
    reader->width = png_get_image_width(codec, reader->info);
    reader->height = png_get_image_height(codec, reader->info);
    reader->samples = png_get_channels(codec, reader->info);
}

static vgg_status read_pixels(png_reader *reader) {
    size_t stride = reader->width * reader->samples;
    if (png_get_rowbytes(reader->codec, reader->info) != stride)
        png_error(reader->codec, "a row has an unexpected length");
    reader->pixels = malloc(stride * reader->height);
    reader->lines = malloc(reader->height * sizeof *reader->lines);
    if (reader->pixels == NULL || reader->lines == NULL)
        return vgg_fail_memory(reader->error, reader->source->name, stride * reader->height);
    for (size_t y = 0; y < reader->height; y++) {
        reader->lines[y] = reader->pixels + y * stride;
    }
    png_read_image(reader->codec, reader->lines);
    png_read_end(reader->codec, reader->info);
    return VGG_OK;
}

/* Colours of the palette, transparency laid over white; rgb has room for 256. */
static int read_palette(png_reader *reader, uint8_t rgb[256][3]) {
    png_colorp colours = NULL;
    png_bytep alphas = NULL;
    int count = 0, alpha_count = 0;
    png_get_PLTE(reader->codec, reader->info, &colours, &count);
    png_get_tRNS(reader->codec, reader->info, &alphas, &alpha_count, NULL);
    for (int i = 0; i < count; i++) {
        unsigned alpha = i < alpha_count ? alphas[i] : 255;
        rgb[i][0] = vgg_over_white(colours[i].red, alpha);
        rgb[i][1] = vgg_over_white(colours[i].green, alpha);
        rgb[i][2] = vgg_over_white(colours[i].blue, alpha);
    }
    return count;
}

static vgg_status look_up(png_reader *reader) {
    uint8_t rgb[256][3];
    int count = read_palette(reader, rgb);
    size_t pixels = reader->width * reader->height;
    for (size_t i = 0; i < pixels; i++) {
        if (reader->pixels[i] >= count)
            return vgg_fail(reader->error, VGG_ERROR_FORMAT,
                            "%s: the pixel at column %zu, row %zu of this PNG has colour %d of a "
                            "palette of %d",
                            reader->source->name, i % reader->width, i / reader->width,
                            reader->pixels[i], count);
        memcpy(reader->image.pixels + 3 * i, rgb[reader->pixels[i]], 3);
    }
    return VGG_OK;
}

static void lay_over_white(png_reader *reader) {
    size_t colours = reader->samples - 1, count = reader->width * reader->height;
    const uint8_t *from = reader->pixels;
    uint8_t *to = reader->image.pixels;
    for (size_t i = 0; i < count; i++, from += colours + 1, to += colours) {
        for (size_t c = 0; c < colours; c++) {
            to[c] = vgg_over_white(from[c], from[colours]);
        }
    }
}

/* Turns what libpng gave into grey or RGB. */
static vgg_status finish(png_reader *reader) {
    if (!reader->palette && (reader->samples == 1 || reader->samples == 3)) {
        reader->image = (vgg_image){.width = reader->width,
                                    .height = reader->height,
                                    .channels = reader->samples,
                                    .pixels = reader->pixels};
        reader->pixels = NULL;
        return VGG_OK;
    }
    size_t channels = reader->palette ? 3 : reader->samples - 1;
    vgg_status status = vgg_source_make_image(reader->source, &reader->image, reader->width,
                                              reader->height, channels, reader->error);
    if (status != VGG_OK)
        return status;
    if (reader->palette)
        return look_up(reader);
    lay_over_white(reader);
    return VGG_OK;
}

/* Apart from vgg_png_decode, so that nothing the long jump must not lose lives in this frame. */
static vgg_status read_picture(png_reader *reader, unsigned *orientation) {
    if (setjmp(png_jmpbuf(reader->codec)) != 0)
        return reader->status;
    guard(reader->codec);
    png_set_read_fn(reader->codec, reader, on_read);
    png_read_info(reader->codec, reader->info);
    choose_samples(reader);
    vgg_status status = read_pixels(reader);
    if (status != VGG_OK)
        return status;
    png_uint_32 size = 0;
    png_bytep exif = NULL;
    if (png_get_eXIf_1(reader->codec, reader->info, &size, &exif) != 0)
        *orientation = vgg_exif_orientation(exif, size);
    return finish(reader);
}

vgg_status vgg_png_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                          vgg_error *error) {
    vgg_status status = check_header(source, error);
    if (status != VGG_OK)
        return status;
    png_reader reader = {.source = source, .error = error};
    reader.codec = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
    reader.info = reader.codec == NULL ? NULL : png_create_info_struct(reader.codec);
    status = reader.info == NULL ? vgg_fail_memory(error, "the PNG decoder", sizeof reader)
                                 : read_picture(&reader, orientation);
    png_destroy_read_struct(&reader.codec, &reader.info, NULL);
    free(reader.lines);
    free(reader.pixels);
    if (status != VGG_OK) {
        vgg_image_free(&reader.image);
        return status;
    }
    *image = reader.image;
    return VGG_OK;
}
