/* PBM, PGM and PPM, plain (P1 P2 P3) and raw (P4 P5 P6), after the Netpbm manual's pages on them.
 */
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "image/decode.h"

typedef struct pnm_reader {
    const vgg_source *source;
    size_t at;     /* the next byte */
    unsigned kind; /* 1..6 */
    uint32_t maxval;
    size_t width, height, channels;
    vgg_error *error;
} pnm_reader;

static bool is_space(unsigned char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(unsigned char c) {
    return c >= '0' && c <= '9';
}

/* Passes over white space and comments, which run from '#' to the end of the line. */
static void skip_space(pnm_reader *reader) {
    const vgg_source *source = reader->source;
    bool comment = false;
    for (; reader->at < source->size; reader->at++) {
        unsigned char c = source->bytes[reader->at];
        if (comment)
            comment = c != '\n' && c != '\r';
        else if (c == '#')
            comment = true;
        else if (!is_space(c))
            return;
    }
}

static vgg_status fail_short(const pnm_reader *reader, const char *what) {
    return vgg_fail(reader->error, VGG_ERROR_FORMAT,
                    "%s: this PNM (P%u) is cut short: it ends at byte %zu, in %s",
                    reader->source->name, reader->kind, reader->source->size, what);
}

/* Reads a decimal number from 0 to `most`; `what` names it in messages. */
static vgg_status read_number(pnm_reader *reader, const char *what, uint32_t most,
                              uint32_t *value) {
    const vgg_source *source = reader->source;
    skip_space(reader);
    if (reader->at == source->size)
        return fail_short(reader, what);
    size_t begin = reader->at;
    uint64_t number = 0;
    for (; reader->at < source->size && is_digit(source->bytes[reader->at]); reader->at++) {
        if (number <= UINT32_MAX)
            number = number * 10 + (source->bytes[reader->at] - '0');
    }
    bool ended = reader->at == source->size || is_space(source->bytes[reader->at]) ||
                 source->bytes[reader->at] == '#';
    if (reader->at == begin || !ended)
        return vgg_fail(reader->error, VGG_ERROR_FORMAT,
                        "%s: %s of this PNM (P%u) at byte %zu has the character '%c', expected a "
                        "decimal number",
                        source->name, what, reader->kind, reader->at, source->bytes[reader->at]);
    if (number > most)
        return vgg_fail(reader->error, VGG_ERROR_FORMAT,
                        "%s: %s of this PNM (P%u) at byte %zu is %llu or more, expected at most %u",
                        source->name, what, reader->kind, begin, (unsigned long long)number, most);
    *value = (uint32_t)number;
    return VGG_OK;
}

static vgg_status read_header(pnm_reader *reader) {
    uint32_t width = 0, height = 0;
    reader->kind = reader->source->bytes[1] - '0';
    reader->channels = reader->kind == 3 || reader->kind == 6 ? 3 : 1;
    reader->maxval = 1;
    reader->at = 2;
    vgg_status status = read_number(reader, "the width", UINT32_MAX, &width);
    if (status == VGG_OK)
        status = read_number(reader, "the height", UINT32_MAX, &height);
    if (status == VGG_OK && reader->kind != 1 && reader->kind != 4)
        status = read_number(reader, "the maximum value", 65535, &reader->maxval);
    if (status != VGG_OK)
        return status;
    if (reader->maxval == 0)
        return vgg_fail(reader->error, VGG_ERROR_FORMAT,
                        "%s: the maximum value of this PNM (P%u) is 0, expected 1 to 65535",
                        reader->source->name, reader->kind);
    reader->width = width;
    reader->height = height;
    return vgg_source_check_size(reader->source, "PNM", width, height, reader->error);
}

/* The sample in 0..255, rounded. */
static uint8_t to_sample(const pnm_reader *reader, uint32_t value) {
    return (uint8_t)((value * 510 + reader->maxval) / (2 * reader->maxval));
}

static vgg_status read_plain(pnm_reader *reader, uint8_t *pixels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t value = 0;
        vgg_status status = read_number(reader, "a sample", reader->maxval, &value);
        if (status != VGG_OK)
            return status;
        pixels[i] = to_sample(reader, value);
    }
    return VGG_OK;
}

/* The digits of a plain bitmap need no space between them; 1 is black. */
static vgg_status read_plain_bits(pnm_reader *reader, uint8_t *pixels, size_t count) {
    const vgg_source *source = reader->source;
    for (size_t i = 0; i < count; i++) {
        skip_space(reader);
        if (reader->at == source->size)
            return fail_short(reader, "the pixels");
        unsigned char c = source->bytes[reader->at++];
        if (c != '0' && c != '1')
            return vgg_fail(reader->error, VGG_ERROR_FORMAT,
                            "%s: a pixel of this PNM (P1) at byte %zu is '%c', expected 0 or 1",
                            source->name, reader->at - 1, c);
        pixels[i] = c == '1' ? 0 : 255;
    }
    return VGG_OK;
}

/* Rows of bits, the highest first, each row filled up to whole bytes. */
static void read_raw_bits(const pnm_reader *reader, const unsigned char *from, uint8_t *pixels) {
    size_t stride = (reader->width + 7) / 8;
    for (size_t y = 0; y < reader->height; y++) {
        for (size_t x = 0; x < reader->width; x++) {
            unsigned bit = from[y * stride + x / 8] >> (7 - x % 8) & 1;
            pixels[y * reader->width + x] = bit == 1 ? 0 : 255;
        }
    }
}

/* Samples of one byte, or of two with the high one first when maxval needs them. */
static vgg_status read_raw_samples(const pnm_reader *reader, const unsigned char *from,
                                   uint8_t *pixels, size_t count) {
    bool wide = reader->maxval > 255;
    if (reader->maxval == 255) {
        memcpy(pixels, from, count);
        return VGG_OK;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t value = wide ? (uint32_t)from[2 * i] << 8 | from[2 * i + 1] : from[i];
        if (value > reader->maxval)
            return vgg_fail(reader->error, VGG_ERROR_FORMAT,
                            "%s: sample %zu of this PNM (P%u) is %u, expected at most %u",
                            reader->source->name, i, reader->kind, value, reader->maxval);
        pixels[i] = to_sample(reader, value);
    }
    return VGG_OK;
}

/* A single white space stands between the header and raw samples. Their number is checked before
 * memory is taken. */
static vgg_status check_raw_size(pnm_reader *reader) {
    const vgg_source *source = reader->source;
    size_t row = reader->width * reader->channels;
    if (reader->kind == 4)
        row = (reader->width + 7) / 8;
    else if (reader->maxval > 255)
        row *= 2;
    size_t expected = row * reader->height;
    if (reader->at < source->size)
        reader->at++;
    size_t found = source->size - reader->at;
    if (found >= expected)
        return VGG_OK;
    return vgg_fail(reader->error, VGG_ERROR_FORMAT,
                    "%s: this PNM (P%u) is cut short: %zu bytes of pixels, expected %zu for %zu x "
                    "%zu",
                    source->name, reader->kind, found, expected, reader->width, reader->height);
}

/* A plain sample takes at least one byte: a header alone cannot claim a large picture. */
static vgg_status check_plain_size(const pnm_reader *reader) {
    size_t count = reader->width * reader->height * reader->channels;
    return reader->source->size - reader->at >= count ? VGG_OK : fail_short(reader, "the pixels");
}

static vgg_status read_pixels(pnm_reader *reader, uint8_t *pixels) {
    size_t count = reader->width * reader->height * reader->channels;
    const unsigned char *raw = reader->source->bytes + reader->at;
    switch (reader->kind) {
    case 1:
        return read_plain_bits(reader, pixels, count);
    case 2:
    case 3:
        return read_plain(reader, pixels, count);
    case 4:
        read_raw_bits(reader, raw, pixels);
        return VGG_OK;
    default:
        return read_raw_samples(reader, raw, pixels, count);
    }
}

vgg_status vgg_pnm_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                          vgg_error *error) {
    pnm_reader reader = {.source = source, .error = error};
    vgg_status status = read_header(&reader);
    if (status == VGG_OK)
        status = reader.kind >= 4 ? check_raw_size(&reader) : check_plain_size(&reader);
    vgg_image result = {0};
    if (status == VGG_OK)
        status = vgg_source_make_image(source, &result, reader.width, reader.height,
                                       reader.channels, error);
    if (status != VGG_OK)
        return status;
    status = read_pixels(&reader, result.pixels);
    if (status != VGG_OK) {
        vgg_image_free(&result);
        return status;
    }
    *orientation = 1;
    *image = result;
    return VGG_OK;
}
