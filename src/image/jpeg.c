#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "image/decode.h"
#include "image/picture.h"

/* The decoder reads up to this many bytes ahead of the bits that it decodes, and data may end with
 * a few zeros of their own. */
enum { READ_AHEAD = 16 };

/* Whether the decoder can make pixels of a part alone, to the same bits. */
#if defined(LIBJPEG_TURBO_VERSION_NUMBER) && LIBJPEG_TURBO_VERSION_NUMBER >= 2001000
#define PARTS 1
#else
#define PARTS 0
#endif

typedef struct jpeg_reader {
    struct jpeg_decompress_struct codec;
    struct jpeg_error_mgr handlers;
    struct jpeg_progress_mgr progress;
    jmp_buf escape; /* libjpeg's handlers must not return after an error */
    const vgg_source *source;
    size_t scan_limit;
    size_t at;       /* bytes read when a row or a scan was last done */
    bool end_missed; /* the bytes ended before the end marker came */
    vgg_image image;
    vgg_status status;
    vgg_error *error;
} jpeg_reader;

static vgg_status fail_short(const jpeg_reader *reader) {
    return vgg_fail(
        reader->error, VGG_ERROR_FORMAT,
        "%s: this JPEG is cut short: the data of its %zu bytes end before the picture does",
        reader->source->name, reader->source->size);
}

static void on_error(j_common_ptr codec) {
    jpeg_reader *reader = codec->client_data;
    const vgg_source *source = reader->source;
    char text[JMSG_LENGTH_MAX];
    codec->err->format_message(codec, text);
    if (codec->err->msg_code == JERR_OUT_OF_MEMORY)
        reader->status = vgg_fail_memory(reader->error, source->name, source->size);
    else if (codec->err->msg_code == JERR_NO_BACKING_STORE) /* what it wants beyond its limit */
        reader->status = vgg_fail(reader->error, VGG_ERROR_UNSUPPORTED,
                                  "%s: this JPEG takes more than the limit of %ld bytes to decode",
                                  source->name, codec->mem->max_memory_to_use);
    else if (reader->end_missed)
        reader->status = fail_short(reader);
    else
        reader->status = vgg_fail(reader->error, VGG_ERROR_FORMAT,
                                  "%s: cannot decode this JPEG: %s", source->name, text);
    longjmp(reader->escape, 1);
}

/* libjpeg calls it a warning when it fills in what is missing or damaged with grey. A picture that
 * is not there must not look like one that is. */
static void on_message(j_common_ptr codec, int level) {
    if (level >= 0)
        return;
    jpeg_reader *reader = codec->client_data;
    switch (codec->err->msg_code) {
    case JWRN_JPEG_EOF: /* no harm when all rows came before */
        reader->end_missed = true;
        break;
    case JWRN_HIT_MARKER:
        reader->status = fail_short(reader);
        longjmp(reader->escape, 1);
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
        on_error(codec);
        break;
    default: /* stray bytes between segments and the like leave the picture whole */
        break;
    }
}

static void on_output(j_common_ptr codec) {
    (void)codec;
}

static void note_place(jpeg_reader *reader) {
    if (!jpeg_input_complete(&reader->codec))
        reader->at = reader->source->size - reader->codec.src->bytes_in_buffer;
}

static void on_progress(j_common_ptr codec) {
    jpeg_reader *reader = codec->client_data;
    note_place(reader);
    if ((size_t)reader->codec.input_scan_number <= reader->scan_limit)
        return;
    reader->status =
        vgg_fail(reader->error, VGG_ERROR_UNSUPPORTED, "%s: this JPEG has more than %zu scans",
                 reader->source->name, reader->scan_limit);
    longjmp(reader->escape, 1);
}

/* The samples of Adobe's CMYK files are upside down: 255 is no ink. Every decoder in use takes all
 * four-component files for Adobe's, Pillow among them, whose rounding this is. */
static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, size_t width) {
    for (size_t x = 0; x < width; x++, cmyk += 4, rgb += 3) {
        unsigned key = cmyk[3];
        for (int c = 0; c < 3; c++) {
            unsigned ink = (255u - cmyk[c]) * key + 128;
            rgb[c] = (uint8_t)(key - (((ink >> 8) + ink) >> 8));
        }
    }
}

static vgg_status choose_colours(jpeg_reader *reader) {
    switch (reader->codec.jpeg_color_space) {
    case JCS_GRAYSCALE:
        reader->codec.out_color_space = JCS_GRAYSCALE;
        return VGG_OK;
    case JCS_YCbCr:
    case JCS_RGB:
        reader->codec.out_color_space = JCS_RGB;
        return VGG_OK;
    case JCS_CMYK:
    case JCS_YCCK:
        reader->codec.out_color_space = JCS_CMYK;
        return VGG_OK;
    default:
        return vgg_fail(reader->error, VGG_ERROR_UNSUPPORTED,
                        "%s: this JPEG has %d components, expected 1, 3 or 4", reader->source->name,
                        reader->codec.num_components);
    }
}

/* Has the decoder transform fewer of each block's coefficients. libjpeg has scales between, but
 * computes them more slowly than the whole picture. */
static void reduce(jpeg_reader *reader) {
    j_decompress_ptr codec = &reader->codec;
    size_t least = reader->source->least;
    size_t side = vgg_size_min(codec->image_width, codec->image_height);
    while (least > 0 && codec->scale_denom < 8 && side / (2 * codec->scale_denom) >= least) {
        codec->scale_denom *= 2;
    }
}

/* A block of 8 x 8 samples takes at least one bit, that of its first coefficient, unless the coding
 * is arithmetic. */
static vgg_status check_blocks(const jpeg_reader *reader) {
    const struct jpeg_decompress_struct *codec = &reader->codec;
    size_t blocks = 0;
    for (int c = 0; c < codec->num_components; c++) {
        const jpeg_component_info *component = &codec->comp_info[c];
        blocks += (size_t)component->width_in_blocks * component->height_in_blocks;
    }
    return codec->arith_code || blocks / 8 <= reader->source->size ? VGG_OK : fail_short(reader);
}

static vgg_status set_limits(jpeg_reader *reader) {
    j_decompress_ptr codec = &reader->codec;
    vgg_status status = vgg_source_check_size(reader->source, "JPEG", codec->image_width,
                                              codec->image_height, reader->error);
    if (status != VGG_OK)
        return status;
    size_t pixels = (size_t)codec->image_width * codec->image_height;
    reader->scan_limit =
        vgg_size_min(VGG_LIMIT_JPEG_SCANS,
                     vgg_size_max(VGG_LIMIT_JPEG_SCANNED / pixels, VGG_LIMIT_JPEG_SCANS_LEAST));
    codec->mem->max_memory_to_use = (long)vgg_source_decoder_limit(reader->source);
    return check_blocks(reader);
}

static vgg_status read_header(jpeg_reader *reader, unsigned *orientation) {
    j_decompress_ptr codec = &reader->codec;
    jpeg_mem_src(codec, reader->source->bytes, (unsigned long)reader->source->size);
    jpeg_save_markers(codec, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(codec, TRUE);
    vgg_status status = set_limits(reader);
    if (status == VGG_OK)
        status = choose_colours(reader);
    if (status == VGG_OK)
        reduce(reader);
    jpeg_saved_marker_ptr marker = codec->marker_list;
    while (marker != NULL &&
           (marker->data_length < 6 || memcmp(marker->data, "Exif\0\0", 6) != 0)) {
        marker = marker->next;
    }
    if (marker != NULL)
        *orientation = vgg_exif_orientation(marker->data, marker->data_length);
    return status;
}

/* Whether all scans came that make the coefficients what they were. */
static bool has_all_scans(const struct jpeg_decompress_struct *codec) {
    for (int c = 0; c < codec->num_components; c++) {
        if (codec->comp_info[c].quant_table == NULL) /* set when its first scan begins */
            return false;
        for (int k = 0; codec->coef_bits != NULL && k < DCTSIZE2; k++) {
            if (codec->coef_bits[c][k] != 0) /* bits that are still to come; -1: all */
                return false;
        }
    }
    return true;
}

/* Some cameras and programs leave the end marker out, or write zeros or data of their own in its
 * place. All rows are there when all scans are, which is asked before this, and when they were not
 * decoded out of zeros that stand for the rest of a file. */
static vgg_status check_end(const jpeg_reader *reader) {
    const vgg_source *source = reader->source;
    size_t zeros = source->size;
    while (zeros > 0 && source->bytes[zeros - 1] == 0) {
        zeros--;
    }
    if (!reader->end_missed)
        return VGG_OK;
    if (reader->at > zeros + READ_AHEAD)
        return fail_short(reader);
    vgg_warn(source->warn, source->warn_user,
             "%.400s: this JPEG has no end marker; all its rows are there", source->name);
    return VGG_OK;
}

/* ---- rows ---- */

/* What of the picture is wanted. A part of a picture that is to be turned is that of another. */
static vgg_part wanted_part(const jpeg_reader *reader, unsigned orientation) {
    const vgg_image *image = &reader->image;
    const vgg_preprocess *preprocess = reader->source->preprocess;
    if (PARTS && preprocess != NULL && orientation == 1)
        return vgg_preprocess_reads(preprocess, image);
    return (vgg_part){.width = image->width, .height = image->height};
}

#if PARTS
/* Columns are made in multiples of so many, which the decoder is fastest with: cut elsewhere, a
 * picture may take longer than all of it. */
enum { TOGETHER = 32 };

/* Has the decoder make these columns of pixels, and those around them whose colours they take, and
 * returns the first that it makes. */
static size_t choose_columns(j_decompress_ptr codec, size_t first, size_t count) {
    size_t margin = (size_t)codec->max_h_samp_factor * DCTSIZE, width = codec->output_width;
    size_t end = (first + count + margin + TOGETHER - 1) / TOGETHER * TOGETHER;
    JDIMENSION begin = 0;
    if (first > margin)
        begin = (JDIMENSION)((first - margin) / TOGETHER * TOGETHER);
    JDIMENSION made = (JDIMENSION)(end < width ? end : width) - begin;
    if (made < width)
        jpeg_crop_scanline(codec, &begin, &made);
    return begin;
}

/* Makes no pixels of the rows before this one. What they are coded in is decoded all the same, so
 * that damage there is seen; but never up to the end at once, where the rest would be left unread.
 */
static void skip_to(j_decompress_ptr codec, size_t row) {
    if (row > codec->output_scanline)
        jpeg_skip_scanlines(codec, (JDIMENSION)row - codec->output_scanline);
}
#else
static size_t choose_columns(j_decompress_ptr codec, size_t first, size_t count) {
    (void)codec, (void)first, (void)count;
    return 0;
}

static void skip_to(j_decompress_ptr codec, size_t row) {
    (void)codec, (void)row;
}
#endif

/* Decodes the part of the picture, and perhaps more. */
static void decode_part(jpeg_reader *reader, const vgg_part *part) {
    j_decompress_ptr codec = &reader->codec;
    vgg_image *image = &reader->image;
    size_t last = image->height - 1;
    size_t begin = choose_columns(codec, part->x, part->width);
    JSAMPARRAY inks = NULL;
    if (codec->out_color_space == JCS_CMYK)
        inks =
            codec->mem->alloc_sarray((j_common_ptr)codec, JPOOL_IMAGE, 4 * codec->output_width, 1);
    skip_to(codec, vgg_size_min(part->y, last));
    while (codec->output_scanline <= last) {
        if (codec->output_scanline >= part->y + part->height)
            skip_to(codec, last);
        size_t place = codec->output_scanline * image->width + begin;
        JSAMPROW row = image->pixels + place * image->channels;
        jpeg_read_scanlines(codec, inks != NULL ? inks : &row, 1);
        if (inks != NULL)
            cmyk_to_rgb(inks[0], row, codec->output_width);
    }
    note_place(reader);
}

static vgg_status read_rows(jpeg_reader *reader, unsigned orientation) {
    j_decompress_ptr codec = &reader->codec;
    jpeg_start_decompress(codec);
    if (reader->end_missed && !has_all_scans(codec)) /* several are read by now, a single one not */
        return fail_short(reader);
    size_t channels = codec->out_color_space == JCS_GRAYSCALE ? 1 : 3;
    vgg_status status = vgg_source_make_image(reader->source, &reader->image, codec->output_width,
                                              codec->output_height, channels, reader->error);
    if (status != VGG_OK)
        return status;
    const vgg_part part = wanted_part(reader, orientation);
    decode_part(reader, &part);
    jpeg_finish_decompress(codec); /* which frees what is known of scans and components */
    return check_end(reader);
}

/* Apart from vgg_jpeg_decode, so that nothing the long jump must not lose lives in this frame. */
static vgg_status read_picture(jpeg_reader *reader, unsigned *orientation) {
    if (setjmp(reader->escape) != 0)
        return reader->status;
    jpeg_create_decompress(&reader->codec);
    reader->codec.client_data = reader;
    reader->codec.progress = &reader->progress;
    vgg_status status = read_header(reader, orientation);
    return status == VGG_OK ? read_rows(reader, *orientation) : status;
}

vgg_status vgg_jpeg_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                           vgg_error *error) {
    jpeg_reader reader = {.source = source, .error = error};
    reader.codec.err = jpeg_std_error(&reader.handlers);
    reader.codec.client_data = &reader;
    reader.handlers.error_exit = on_error;
    reader.handlers.emit_message = on_message;
    reader.handlers.output_message = on_output;
    reader.progress.progress_monitor = on_progress;
    vgg_status status = read_picture(&reader, orientation);
    jpeg_destroy_decompress(&reader.codec);
    if (status != VGG_OK) {
        vgg_image_free(&reader.image);
        return status;
    }
    *image = reader.image;
    return VGG_OK;
}
