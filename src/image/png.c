#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "image/decode.h"

typedef struct png_reader {
    png_structp codec;
    png_infop info;
    const vgg_source *source;
    size_t at;                     /* bytes read so far */
    size_t width, height, samples; /* per pixel: 1 grey or palette index, 2, 3, 4 */
    bool palette;
    int colour_count;
    uint8_t colours[256][3]; /* of the palette, transparency laid over white */
    uint8_t *row;            /* one as libpng gives it: width x samples */
    vgg_image image;
    bool out_of_memory; /* libpng goes on without some chunks then */
    vgg_status status;
    vgg_error *error;
} png_reader;

/* libpng takes as much for some chunks as their header says, whatever the limits that it was given;
 * it passes over those that it gets no memory for. */
static png_voidp take(png_structp codec, png_alloc_size_t bytes) {
    png_reader *reader = png_get_mem_ptr(codec);
    if (bytes > VGG_LIMIT_PNG_CHUNK_BYTES)
        return NULL;
    void *block = vgg_malloc(bytes);
    reader->out_of_memory = reader->out_of_memory || block == NULL;
    return block;
}

static void give_back(png_structp codec, png_voidp block) {
    (void)codec;
    vgg_free(block);
}

static vgg_status fail_memory(png_reader *reader) {
    return vgg_fail_memory(reader->error, reader->source->name, reader->source->size);
}

static void on_error(png_structp codec, png_const_charp text) {
    png_reader *reader = png_get_error_ptr(codec);
    reader->status = reader->out_of_memory
                         ? fail_memory(reader)
                         : vgg_fail(reader->error, VGG_ERROR_FORMAT,
                                    "%s: cannot decode this PNG: %s", reader->source->name, text);
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
    png_set_chunk_malloc_max(codec, VGG_LIMIT_PNG_CHUNK_BYTES);
    png_set_chunk_cache_max(codec, VGG_LIMIT_PNG_CHUNKS);
    png_set_keep_unknown_chunks(codec, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_set_keep_unknown_chunks(codec, PNG_HANDLE_CHUNK_NEVER, ignored, (int)(sizeof ignored / 5));
}

/* Where a good file has its size, so that the message has both sides even when libpng would stop at
 * one of them. What libpng finds is what counts, and is checked again. */
static vgg_status check_header(const vgg_source *source, vgg_error *error) {
    const unsigned char *b = source->bytes;
    if (source->size < 8 || png_sig_cmp(b, 0, 8) != 0 || source->size < 24 ||
        memcmp(b + 12, "IHDR", 4) != 0)
        return VGG_OK; /* libpng says what is wrong */
    return vgg_source_check_size(source, "PNG", png_get_uint_32(b + 16), png_get_uint_32(b + 20),
                                 error);
}

/* The size that libpng found, before memory is taken for rows. */
static vgg_status check_size(png_reader *reader) {
    const vgg_source *source = reader->source;
    size_t width = png_get_image_width(reader->codec, reader->info);
    size_t height = png_get_image_height(reader->codec, reader->info);
    vgg_status status = vgg_source_check_size(source, "PNG", width, height, reader->error);
    if (status != VGG_OK)
        return status;
    size_t row = png_get_rowbytes(reader->codec, reader->info);
    if (row * height / VGG_LIMIT_DEFLATE_RATIO <= source->size)
        return VGG_OK;
    return vgg_fail(reader->error, VGG_ERROR_FORMAT,
                    "%s: this PNG is cut short: its %zu bytes cannot hold the %zu x %zu pixels "
                    "that its header says",
                    source->name, source->size, width, height);
}

static void read_palette(png_reader *reader) {
    png_colorp colours = NULL;
    png_bytep alphas = NULL;
    int alpha_count = 0;
    png_get_PLTE(reader->codec, reader->info, &colours, &reader->colour_count);
    png_get_tRNS(reader->codec, reader->info, &alphas, &alpha_count, NULL);
    for (int i = 0; i < reader->colour_count; i++) {
        unsigned alpha = i < alpha_count ? alphas[i] : 255;
        reader->colours[i][0] = vgg_over_white(colours[i].red, alpha);
        reader->colours[i][1] = vgg_over_white(colours[i].green, alpha);
        reader->colours[i][2] = vgg_over_white(colours[i].blue, alpha);
    }
}

/* Asks libpng for 8 bits per sample, one byte per palette index, and an alpha channel where there
 * is transparency. */
static vgg_status choose_samples(png_reader *reader) {
    png_structp codec = reader->codec;
    png_byte type = png_get_color_type(codec, reader->info);
    reader->palette = type == PNG_COLOR_TYPE_PALETTE;
    if (reader->palette) {
        read_palette(reader);
        png_set_packing(codec);
    } else {
        png_set_expand(codec);
        png_set_scale_16(codec);
    }
    png_read_update_info(codec, reader->info);
    reader->width = png_get_image_width(codec, reader->info);
    reader->height = png_get_image_height(codec, reader->info);
    reader->samples = png_get_channels(codec, reader->info);
    if (png_get_rowbytes(codec, reader->info) != reader->width * reader->samples)
        png_error(codec, "a row has an unexpected length");
    size_t channels = reader->palette || reader->samples > 2 ? 3 : 1;
    return vgg_source_make_image(reader->source, &reader->image, reader->width, reader->height,
                                 channels, reader->error);
}

/* The pixels of a row that a pass holds: `count` from column `first`, each `step` columns from the
 * last. */
typedef struct stride {
    size_t first, step, count;
} stride;

static vgg_status look_up(png_reader *reader, size_t y, stride columns) {
    uint8_t *to = reader->image.pixels + 3 * (y * reader->width + columns.first);
    for (size_t i = 0; i < columns.count; i++, to += 3 * columns.step) {
        if (reader->row[i] >= reader->colour_count)
            return vgg_fail(reader->error, VGG_ERROR_FORMAT,
                            "%s: the pixel at column %zu, row %zu of this PNG has colour %d of a "
                            "palette of %d",
                            reader->source->name, columns.first + i * columns.step, y,
                            reader->row[i], reader->colour_count);
        memcpy(to, reader->colours[reader->row[i]], 3);
    }
    return VGG_OK;
}

/* Grey or RGB, with transparency laid over white where there is some. */
static void put_samples(png_reader *reader, size_t y, stride columns) {
    size_t channels = reader->image.channels, samples = reader->samples;
    const uint8_t *from = reader->row;
    uint8_t *to = reader->image.pixels + channels * (y * reader->width + columns.first);
    for (size_t i = 0; i < columns.count; i++, from += samples, to += channels * columns.step) {
        for (size_t c = 0; c < channels; c++) {
            to[c] = samples == channels ? from[c] : vgg_over_white(from[c], from[channels]);
        }
    }
}

static vgg_status read_row(png_reader *reader, size_t y, stride columns) {
    if (reader->samples == reader->image.channels && columns.step == 1) {
        size_t bytes = reader->width * reader->samples;
        png_read_row(reader->codec, reader->image.pixels + y * bytes, NULL);
        return VGG_OK;
    }
    png_read_row(reader->codec, reader->row, NULL);
    if (reader->palette)
        return look_up(reader, y, columns);
    put_samples(reader, y, columns);
    return VGG_OK;
}

static vgg_status read_plain(png_reader *reader) {
    vgg_status status = VGG_OK;
    for (size_t y = 0; status == VGG_OK && y < reader->height; y++) {
        status = read_row(reader, y, (stride){0, 1, reader->width});
    }
    return status;
}

/* Each of Adam7's passes is a small picture of its own, whose pixels are put in their places here:
 * libpng would want the whole picture with its transparency in memory. */
static vgg_status read_interlaced(png_reader *reader) {
    vgg_status status = VGG_OK;
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++) {
        size_t y = (size_t)PNG_PASS_START_ROW(pass), down = (size_t)PNG_PASS_ROW_OFFSET(pass);
        stride columns = {.first = (size_t)PNG_PASS_START_COL(pass),
                          .step = (size_t)PNG_PASS_COL_OFFSET(pass)};
        if (reader->width > columns.first)
            columns.count = (reader->width - columns.first + columns.step - 1) / columns.step;
        if (columns.count == 0)
            continue;
        for (; status == VGG_OK && y < reader->height; y += down) {
            status = read_row(reader, y, columns);
        }
    }
    return status;
}

static vgg_status read_pixels(png_reader *reader) {
    reader->row = vgg_malloc(reader->width * reader->samples);
    if (reader->row == NULL)
        return fail_memory(reader);
    bool plain = png_get_interlace_type(reader->codec, reader->info) == PNG_INTERLACE_NONE;
    vgg_status status = plain ? read_plain(reader) : read_interlaced(reader);
    if (status == VGG_OK)
        png_read_end(reader->codec, reader->info);
    return status;
}

/* Apart from vgg_png_decode, so that nothing the long jump must not lose lives in this frame. */
static vgg_status read_picture(png_reader *reader, unsigned *orientation) {
    if (setjmp(png_jmpbuf(reader->codec)) != 0)
        return reader->status;
    guard(reader->codec);
    png_set_read_fn(reader->codec, reader, on_read);
    png_read_info(reader->codec, reader->info);
    vgg_status status = check_size(reader);
    if (status == VGG_OK)
        status = choose_samples(reader);
    if (status == VGG_OK)
        status = read_pixels(reader);
    if (status == VGG_OK && reader->out_of_memory)
        status = fail_memory(reader);
    if (status != VGG_OK)
        return status;
    png_uint_32 size = 0;
    png_bytep exif = NULL;
    if (png_get_eXIf_1(reader->codec, reader->info, &size, &exif) != 0)
        *orientation = vgg_exif_orientation(exif, size);
    return VGG_OK;
}

vgg_status vgg_png_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                          vgg_error *error) {
    vgg_status status = check_header(source, error);
    if (status != VGG_OK)
        return status;
    png_reader reader = {.source = source, .error = error};
    reader.codec = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning,
                                            &reader, take, give_back);
    reader.info = reader.codec == NULL ? NULL : png_create_info_struct(reader.codec);
    status = reader.info == NULL ? vgg_fail_memory(error, "the PNG decoder", sizeof reader)
                                 : read_picture(&reader, orientation);
    png_destroy_read_struct(&reader.codec, &reader.info, NULL);
    vgg_free(reader.row);
    if (status != VGG_OK) {
        vgg_image_free(&reader.image);
        return status;
    }
    *image = reader.image;
    return VGG_OK;
}
