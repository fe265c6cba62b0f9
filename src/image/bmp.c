/* BMP: a header of 12 to 124 bytes, a palette or masks, and rows from bottom to top, after
 * Microsoft's pages on BITMAPCOREHEADER to BITMAPV5HEADER and "Bitmap Compression". */
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "image/decode.h"
#include "image/palette.h"

enum { FILE_HEADER = 14, CORE_HEADER = 12, INFO_HEADER = 40, MASKS_AT = 40, MASKED_HEADER = 52 };
enum { PLAIN = 0, RLE8 = 1, RLE4 = 2, MASKS = 3, ALPHA_MASKS = 6 };

/* One colour of pixels of 16 or 32 bits. */
typedef struct bmp_mask {
    uint32_t mask, most; /* the bits, and the value of all of them, which is 255 */
    unsigned shift;
} bmp_mask;

typedef struct bmp_reader {
    const vgg_source *source;
    size_t width, height;
    bool top_down;
    unsigned bits, compression;
    size_t data; /* where the pixels begin */
    vgg_palette palette;
    bmp_mask masks[4]; /* red, green, blue, opacity */
    bool opacity;      /* is to be looked at: some pixel has some */
    vgg_error *error;
} bmp_reader;

static uint32_t read_u16(const unsigned char *at) {
    return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t read_u32(const unsigned char *at) {
    return read_u16(at) | read_u16(at + 2) << 16;
}

static vgg_status fail_short(const bmp_reader *bmp, const char *what) {
    return vgg_fail(bmp->error, VGG_ERROR_FORMAT,
                    "%s: this BMP is cut short: its %zu bytes end before %s", bmp->source->name,
                    bmp->source->size, what);
}

/* ---- the header ---- */

static vgg_status check_kind(const bmp_reader *bmp) {
    static const unsigned char depths[] = {1, 4, 8, 16, 24, 32};
    unsigned bits = bmp->bits, compression = bmp->compression;
    bool known = memchr(depths, (int)bits, sizeof depths) != NULL && bits <= 32;
    if (known && (compression == PLAIN || (compression == RLE8 && bits == 8) ||
                  (compression == RLE4 && bits == 4) ||
                  ((compression == MASKS || compression == ALPHA_MASKS) && bits % 16 == 0)))
        return VGG_OK;
    return vgg_fail(bmp->error, VGG_ERROR_UNSUPPORTED,
                    "%s: this BMP has %u bits a pixel in compression %u, which no usual one has",
                    bmp->source->name, bits, compression);
}

static void set_mask(bmp_mask *colour, uint32_t mask) {
    *colour = (bmp_mask){.mask = mask};
    while (mask != 0 && (mask & 1) == 0) {
        mask >>= 1;
        colour->shift++;
    }
    colour->most = mask;
}

/* Masks stand in the header or right behind it; without them pixels have 5 or 8 bits a colour. */
static vgg_status read_masks(bmp_reader *bmp, size_t header) {
    static const uint32_t usual[2][3] = {{0x7c00, 0x3e0, 0x1f}, {0xff0000, 0xff00, 0xff}};
    const unsigned char *at = bmp->source->bytes + FILE_HEADER + MASKS_AT;
    bool given = bmp->compression != PLAIN;
    bool alpha = given && (bmp->compression == ALPHA_MASKS || header > MASKED_HEADER);
    size_t count = alpha ? 4 : 3;
    if (given && bmp->source->size < FILE_HEADER + MASKS_AT + 4 * count)
        return fail_short(bmp, "its masks do");
    for (size_t i = 0; i < count; i++) {
        set_mask(&bmp->masks[i], given ? read_u32(at + 4 * i) : usual[bmp->bits == 32][i]);
    }
    bmp->opacity = alpha && bmp->masks[3].mask != 0;
    return VGG_OK;
}

/* The colours stand between the header and the pixels, blue first, with a spare byte each unless
 * the header is the oldest. */
static vgg_status read_palette(bmp_reader *bmp, size_t header, uint32_t used) {
    const vgg_source *source = bmp->source;
    size_t entry = header == CORE_HEADER ? 3 : 4, at = FILE_HEADER + header;
    size_t count = used == 0 ? (size_t)1 << bmp->bits : used;
    if (count > VGG_PALETTE_COLOURS)
        return vgg_fail(bmp->error, VGG_ERROR_FORMAT,
                        "%s: this BMP has a palette of %zu colours, expected at most %d",
                        source->name, count, VGG_PALETTE_COLOURS);
    if (source->size < at + entry * count)
        return fail_short(bmp, "its palette does");
    bmp->palette.count = count;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *colour = source->bytes + at + entry * i;
        bmp->palette.colours[i][0] = colour[2];
        bmp->palette.colours[i][1] = colour[1];
        bmp->palette.colours[i][2] = colour[0];
    }
    return VGG_OK;
}

static vgg_status read_header(bmp_reader *bmp) {
    const unsigned char *b = bmp->source->bytes, *info = b + FILE_HEADER;
    if (bmp->source->size < FILE_HEADER + CORE_HEADER)
        return fail_short(bmp, "its header does");
    size_t header = read_u32(info);
    uint32_t used = 0, height;
    bmp->data = read_u32(b + 10);
    if (header != CORE_HEADER && (header < 16 || header > 124))
        return vgg_fail(bmp->error, VGG_ERROR_FORMAT,
                        "%s: this BMP has a header of %zu bytes, expected 12 or 16 to 124",
                        bmp->source->name, header);
    if (bmp->source->size < FILE_HEADER + header)
        return fail_short(bmp, "its header does");
    bool core = header == CORE_HEADER;
    bmp->width = core ? read_u16(info + 4) : read_u32(info + 4);
    height = core ? read_u16(info + 6) : read_u32(info + 8);
    bmp->bits = read_u16(info + (core ? 10 : 14));
    if (header >= INFO_HEADER) {
        bmp->compression = read_u32(info + 16);
        used = read_u32(info + 32);
    }
    bmp->top_down = !core && height > INT32_MAX;
    bmp->height = bmp->top_down ? (uint32_t)-height : height;
    vgg_status status =
        vgg_source_check_size(bmp->source, "BMP", bmp->width, bmp->height, bmp->error);
    if (status == VGG_OK)
        status = check_kind(bmp);
    if (status == VGG_OK && bmp->bits <= 8)
        return read_palette(bmp, header, used);
    return status == VGG_OK && bmp->bits != 24 ? read_masks(bmp, header) : status;
}

/* ---- pixels ---- */

static size_t row_bytes(const bmp_reader *bmp) {
    return (bmp->width * bmp->bits + 31) / 32 * 4;
}

/* Before memory is taken: rows that are not packed are all there, and packed ones, of which two
 * bytes hold at most 255 pixels, could be. */
static vgg_status check_data(const bmp_reader *bmp) {
    size_t size = bmp->source->size, pixels = bmp->width * bmp->height;
    bool packed = bmp->compression == RLE8 || bmp->compression == RLE4;
    size_t needed = packed ? pixels / VGG_LIMIT_DEFLATE_RATIO : row_bytes(bmp) * bmp->height;
    return bmp->data <= size && needed <= size - bmp->data ? VGG_OK
                                                           : fail_short(bmp, "the picture does");
}

/* Row y of the picture, from the top, in the order of the file. */
static size_t place_of(const bmp_reader *bmp, size_t y) {
    return bmp->top_down ? y : bmp->height - 1 - y;
}

static void unpack_indices(const bmp_reader *bmp, const unsigned char *from, uint8_t *indices) {
    for (size_t x = 0; x < bmp->width; x++) {
        size_t bit = x * bmp->bits;
        indices[x] = (uint8_t)((unsigned)from[bit / 8] >> (8 - bmp->bits - bit % 8) &
                               ((1u << bmp->bits) - 1));
    }
}

static unsigned sample_of(const bmp_mask *colour, uint32_t pixel) {
    return colour->most == 0 ? 0
                             : (unsigned)((uint64_t)((pixel & colour->mask) >> colour->shift) *
                                          255 / colour->most);
}

static uint32_t pixel_of(const bmp_reader *bmp, const unsigned char *row, size_t x) {
    return bmp->bits == 16 ? read_u16(row + 2 * x) : read_u32(row + 4 * x);
}

static void unpack_masked(const bmp_reader *bmp, const unsigned char *from, uint8_t *to) {
    for (size_t x = 0; x < bmp->width; x++, to += 3) {
        uint32_t pixel = pixel_of(bmp, from, x);
        unsigned alpha = bmp->opacity ? sample_of(&bmp->masks[3], pixel) : 255;
        for (int c = 0; c < 3; c++) {
            to[c] = vgg_over_white(sample_of(&bmp->masks[c], pixel), alpha);
        }
    }
}

/* Programs that know no opacity leave it at 0 everywhere. */
static bool has_opacity(const bmp_reader *bmp) {
    for (size_t y = 0; y < bmp->height; y++) {
        const unsigned char *row = bmp->source->bytes + bmp->data + y * row_bytes(bmp);
        for (size_t x = 0; x < bmp->width; x++) {
            if ((pixel_of(bmp, row, x) & bmp->masks[3].mask) != 0)
                return true;
        }
    }
    return false;
}

/* Rows of samples as they are. */
static void read_colours(bmp_reader *bmp, uint8_t *pixels) {
    bmp->opacity = bmp->opacity && has_opacity(bmp);
    for (size_t y = 0; y < bmp->height; y++) {
        const unsigned char *from =
            bmp->source->bytes + bmp->data + place_of(bmp, y) * row_bytes(bmp);
        uint8_t *to = pixels + 3 * y * bmp->width;
        if (bmp->bits != 24) {
            unpack_masked(bmp, from, to);
            continue;
        }
        for (size_t x = 0; x < bmp->width; x++) {
            to[3 * x] = from[3 * x + 2];
            to[3 * x + 1] = from[3 * x + 1];
            to[3 * x + 2] = from[3 * x];
        }
    }
}

/* ---- packed pixels ---- */

typedef struct rle_place {
    size_t at;   /* the next byte */
    size_t x, y; /* the next pixel, rows in the order of the file */
} rle_place;

/* Pixels beyond the end of a row are dropped. */
static void put_index(const bmp_reader *bmp, rle_place *place, unsigned index, uint8_t *indices) {
    if (place->x < bmp->width && place->y < bmp->height)
        indices[place_of(bmp, place->y) * bmp->width + place->x++] = (uint8_t)index;
}

/* Index i of a run or a row of single pixels that begins at `from`. */
static unsigned packed_index(const bmp_reader *bmp, const unsigned char *from, size_t i) {
    if (bmp->bits == 8)
        return from[i];
    return i % 2 == 0 ? from[i / 2] >> 4 : from[i / 2] & 15;
}

/* `count` pixels one by one, filled up to whole words. */
static vgg_status put_single(const bmp_reader *bmp, rle_place *place, size_t count,
                             uint8_t *indices) {
    size_t bytes = bmp->bits == 8 ? count : (count + 1) / 2;
    bytes += bytes % 2;
    if (bmp->source->size - place->at < bytes)
        return fail_short(bmp, "the picture does");
    for (size_t i = 0; i < count; i++) {
        put_index(bmp, place, packed_index(bmp, bmp->source->bytes + place->at, i), indices);
    }
    place->at += bytes;
    return VGG_OK;
}

/* What is passed over has colour 0. */
static vgg_status read_packed(const bmp_reader *bmp, uint8_t *indices) {
    const vgg_source *source = bmp->source;
    rle_place place = {.at = bmp->data};
    enum { END_OF_ROW = 0, END = 1, MOVE = 2 };
    memset(indices, 0, bmp->width * bmp->height);
    while (place.y < bmp->height) {
        if (source->size - place.at < 2)
            return fail_short(bmp, "the picture does");
        unsigned count = source->bytes[place.at], value = source->bytes[place.at + 1];
        place.at += 2;
        if (count > 0) {
            const unsigned char both[2] = {(unsigned char)value, (unsigned char)value};
            for (size_t i = 0; i < count; i++) {
                put_index(bmp, &place, packed_index(bmp, both, i % 2), indices);
            }
        } else if (value == END) {
            return VGG_OK;
        } else if (value == END_OF_ROW) {
            place.x = 0;
            place.y++;
        } else if (value == MOVE) {
            if (source->size - place.at < 2)
                return fail_short(bmp, "the picture does");
            place.x += source->bytes[place.at];
            place.y += source->bytes[place.at + 1];
            place.at += 2;
        } else {
            vgg_status status = put_single(bmp, &place, value, indices);
            if (status != VGG_OK)
                return status;
        }
    }
    return VGG_OK;
}

static vgg_status read_indices(bmp_reader *bmp, uint8_t *indices) {
    if (bmp->compression != PLAIN)
        return read_packed(bmp, indices);
    for (size_t y = 0; y < bmp->height; y++) {
        unpack_indices(bmp, bmp->source->bytes + bmp->data + place_of(bmp, y) * row_bytes(bmp),
                       indices + y * bmp->width);
    }
    return VGG_OK;
}

vgg_status vgg_bmp_decode(const vgg_source *source, vgg_image *image, unsigned *orientation,
                          vgg_error *error) {
    bmp_reader bmp = {.source = source, .error = error};
    vgg_image result = {0};
    vgg_status status = read_header(&bmp);
    if (status == VGG_OK)
        status = check_data(&bmp);
    if (status == VGG_OK)
        status = vgg_source_make_image(source, &result, bmp.width, bmp.height,
                                       bmp.bits <= 8 ? 1 : 3, error);
    if (status == VGG_OK && bmp.bits > 8)
        read_colours(&bmp, result.pixels);
    else if (status == VGG_OK)
        status = read_indices(&bmp, result.pixels);
    if (status == VGG_OK && bmp.bits <= 8)
        status = vgg_palette_apply(&bmp.palette, source, "BMP", &result, error);
    if (status != VGG_OK) {
        vgg_image_free(&result);
        return status;
    }
    *orientation = 1;
    *image = result;
    return VGG_OK;
}
