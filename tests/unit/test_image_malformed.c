/* Files that are no pictures, or damaged ones: each gets a status and a message that says so. */
#include "image_golden.h"

/* The bytes are copied to a block of their own size, so that a sanitizer sees any read beyond it.
 */
static void assert_refused(const void *bytes, size_t size, vgg_status status, const char *part) {
    unsigned char *copy = malloc(size == 0 ? 1 : size);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    vgg_image image = {.width = 77};
    vgg_error error = {0};
    vgg_status found = vgg_image_decode(copy, size, "x.jpg", &image, &error);
    free(copy);
    if (found != status)
        fail_msg("status %d with \"%s\", expected %d with \"%s\"", found, error.message, status,
                 part);
    assert_int_equal(error.status, status);
    assert_contains(error.message, "x.jpg: ");
    assert_contains(error.message, part);
    assert_int_equal(image.width, 77); /* untouched */
}

typedef struct refusal {
    const char *bytes;
    size_t size;
    vgg_status status;
    const char *part;
} refusal;

#define BYTES(text) text, sizeof text - 1

static void assert_all_refused(const refusal *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_refused(cases[i].bytes, cases[i].size, cases[i].status, cases[i].part);
    }
}

#define ASSERT_ALL_REFUSED(cases) assert_all_refused(cases, sizeof cases / sizeof cases[0])

static void other_files_are_named(void **state) {
    (void)state;
    static const refusal cases[] = {
        {BYTES(""), VGG_ERROR_FORMAT, "is empty (0 bytes)"},
        {BYTES("8BPS\0\1"), VGG_ERROR_UNSUPPORTED,
         "is a Photoshop picture; expected JPEG, PNG, WebP, GIF, TIFF"},
        {BYTES("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), VGG_ERROR_UNSUPPORTED,
         "an SVG drawing"},
        {BYTES("<?xml version=\"1.0\"?>\n<svg/>"), VGG_ERROR_UNSUPPORTED, "an SVG drawing"},
        {BYTES("\xef\xbb\xbf \n<!DOCTYPE HTML><title>404"), VGG_ERROR_UNSUPPORTED, "an HTML page"},
        {BYTES("<HTML><body>"), VGG_ERROR_UNSUPPORTED, "an HTML page"},
        {BYTES("%PDF-1.4"), VGG_ERROR_UNSUPPORTED, "a PDF document"},
        {BYTES("PK\3\4"), VGG_ERROR_UNSUPPORTED, "a ZIP archive"},
        {BYTES("P7\nWIDTH 1\n"), VGG_ERROR_UNSUPPORTED, "a PAM picture"},
        {BYTES("hello"), VGG_ERROR_FORMAT, "begins with the bytes 68 65 6c 6c 6f"},
        {BYTES("RIFF\44\0\0\0WAVEfmt "), VGG_ERROR_FORMAT, "begins with the bytes 52 49 46 46"},
        {BYTES("P6x"), VGG_ERROR_FORMAT, "is not a picture"},
        {BYTES("\0"), VGG_ERROR_FORMAT, "begins with the bytes 00"},
    };
    ASSERT_ALL_REFUSED(cases);
}

static void damaged_bmp_gif_and_tiff(void **state) {
    (void)state;
#define BMP(width, height, bits, packed)                                                           \
    "BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0" width "\0\0\0" height "\0\0\0\1\0" bits "\0" packed   \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    static const refusal cases[] = {
        {BYTES("BM\x46\0\0\0"), VGG_ERROR_FORMAT, "this BMP is cut short: its 6 bytes end before"},
        {BYTES(BMP("\2", "\2", "\x18", "\0")), VGG_ERROR_FORMAT, "before the picture does"},
        {BYTES(BMP("\2", "\2", "\x18", "\0") "123456\0\0123456\0"), VGG_ERROR_FORMAT,
         "before the picture does"},
        {BYTES(BMP("\2", "\2", "\x18", "\1") "123456\0\0123456\0\0"), VGG_ERROR_UNSUPPORTED,
         "24 bits a pixel in compression 1"},
        {BYTES(BMP("\2", "\2", "\7", "\0")), VGG_ERROR_UNSUPPORTED, "7 bits a pixel"},
        {BYTES(BMP("\0", "\2", "\x18", "\0")), VGG_ERROR_FORMAT, "says 0 x 2 pixels"},
        {BYTES(BMP("\2", "\2", "\1", "\0") "1234"), VGG_ERROR_FORMAT, "before its palette does"},
        {BYTES("BM\0\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0        "), VGG_ERROR_FORMAT,
         "header of 7 bytes"},
        {BYTES("GIF89a\1\0\1\0"), VGG_ERROR_FORMAT, "this GIF is cut short"},
        {BYTES("GIF89a\1\0\1\0\0\0\0;"), VGG_ERROR_FORMAT, "holds no picture"},
        {BYTES("GIF89a\1\0\1\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2"), VGG_ERROR_UNSUPPORTED,
         "says 65535 x 65535 pixels"},
        {BYTES("II*\0\10\0\0\0"), VGG_ERROR_FORMAT, "cannot decode this TIFF: "},
        {BYTES("MM\0*\0\0\0\10"), VGG_ERROR_FORMAT, "cannot decode this TIFF: "},
    };
    ASSERT_ALL_REFUSED(cases);
}

/* Every beginning of a file is refused, and nothing is read behind it. */
static void bmp_gif_and_tiff_cut_anywhere(void **state) {
    (void)state;
    static const char *const names[] = {"bmp_rle8.bmp", "bmp_565.bmp",      "gif_interlaced.gif",
                                        "tiff_fax.tif", "tiff_palette.tif", "tiff_alpha.tif"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t size;
        unsigned char *bytes = golden_bytes(names[i], &size);
        size_t refusals = 0;
        for (size_t length = 0; length < size; length++) {
            unsigned char *cut = malloc(length + 1);
            assert_non_null(cut);
            memcpy(cut, bytes, length);
            vgg_image image = {0};
            vgg_error error = {0};
            vgg_status found = vgg_image_decode(cut, length, names[i], &image, &error);
            assert_true(found == VGG_OK ? image.pixels != NULL : error.message[0] != '\0');
            refusals += found != VGG_OK;
            vgg_image_free(&image);
            free(cut);
        }
        assert_true(refusals + 40 > size); /* what stands behind the pixels is not needed */
        free(bytes);
    }
}

static void damaged_pnm(void **state) {
    (void)state;
    static const refusal cases[] = {
        {BYTES("P5"), VGG_ERROR_FORMAT, "cut short: it ends at byte 2, in the width"},
        {BYTES("P5 12"), VGG_ERROR_FORMAT, "in the height"},
        {BYTES("P5 2 2 # comment without end"), VGG_ERROR_FORMAT, "in the maximum value"},
        {BYTES("P5 two 2 255 "), VGG_ERROR_FORMAT,
         "the width of this PNM (P5) at byte 3 has the character 't', expected a decimal number"},
        {BYTES("P5 -2 2 255 "), VGG_ERROR_FORMAT, "has the character '-'"},
        {BYTES("P5 2x 2 255 "), VGG_ERROR_FORMAT, "has the character 'x'"},
        {BYTES("P5 0 2 255 "), VGG_ERROR_FORMAT, "says 0 x 2 pixels"},
        {BYTES("P6 60000 50000 255 "), VGG_ERROR_UNSUPPORTED, "says 60000 x 50000 pixels"},
        {BYTES("P6 20000 20000 255 "), VGG_ERROR_UNSUPPORTED, "says 20000 x 20000 pixels"},
        {BYTES("P6 99999999999999999999999 1 255 "), VGG_ERROR_FORMAT, "expected at most"},
        {BYTES("P5 2 2 0 abcd"), VGG_ERROR_FORMAT, "the maximum value of this PNM (P5) is 0"},
        {BYTES("P5 2 2 65536 abcd"), VGG_ERROR_FORMAT, "is 65536 or more, expected at most 65535"},
        {BYTES("P5 2 2 255 abc"), VGG_ERROR_FORMAT, "3 bytes of pixels, expected 4 for 2 x 2"},
        {BYTES("P5 2 2 255"), VGG_ERROR_FORMAT, "0 bytes of pixels, expected 4"},
        {BYTES("P6 2 1 256 abcdefghijk"), VGG_ERROR_FORMAT, "11 bytes of pixels, expected 12"},
        {BYTES("P4 9 2 abc"), VGG_ERROR_FORMAT, "3 bytes of pixels, expected 4 for 9 x 2"},
        {BYTES("P5 2 1 9 \1\12"), VGG_ERROR_FORMAT, "sample 1 of this PNM (P5) is 10, expected at"},
        {BYTES("P2 2 1 9 1 10"), VGG_ERROR_FORMAT, "a sample of this PNM (P2) at byte 11 is 10"},
        {BYTES("P2 2 1 9 1 1.5"), VGG_ERROR_FORMAT, "has the character '.'"},
        {BYTES("P3 2 1 9 1 2 3 4 5"), VGG_ERROR_FORMAT, "cut short"},
        {BYTES("P2 30000 6000 9 1 2 3"), VGG_ERROR_FORMAT, "cut short"},
        {BYTES("P1 2 2 1012"), VGG_ERROR_FORMAT, "at byte 10 is '2', expected 0 or 1"},
        {BYTES("P1 2 2 10 1"), VGG_ERROR_FORMAT, "cut short"},
    };
    ASSERT_ALL_REFUSED(cases);
}

/* ---- PNG ---- */

static uint32_t crc(const unsigned char *bytes, size_t size) {
    uint32_t value = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        value ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
        }
    }
    return ~value;
}

static uint32_t big_endian(const unsigned char *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Gives every chunk the checksum that it needs, so that a decoder looks at what stands inside. */
static void seal(unsigned char *png, size_t size) {
    for (size_t at = 8; at + 12 <= size;) {
        size_t length = big_endian(png + at);
        if (length > size - at - 12)
            return;
        uint32_t sum = crc(png + at + 4, length + 4);
        for (size_t i = 0; i < 4; i++) {
            png[at + 8 + length + i] = (unsigned char)(sum >> (24 - 8 * i));
        }
        at += length + 12;
    }
}

static size_t find(const unsigned char *bytes, size_t size, const char *what) {
    const unsigned char *found = memmem(bytes, size, what, strlen(what));
    assert_non_null(found);
    return (size_t)(found - bytes);
}

/* The golden file with `count` bytes at `at` bytes behind `marker` overwritten. */
static void assert_patched_refused(const char *name, const char *marker, size_t at,
                                   const char *patch, size_t count, vgg_status status,
                                   const char *part) {
    size_t size;
    unsigned char *bytes = golden_bytes(name, &size);
    memcpy(bytes + find(bytes, size, marker) + strlen(marker) + at, patch, count);
    seal(bytes, size);
    assert_refused(bytes, size, status, part);
    free(bytes);
}

static void damaged_png(void **state) {
    (void)state;
    static const struct {
        const char *name, *marker;
        size_t at;
        const char *patch;
        size_t count;
        vgg_status status;
        const char *part;
    } cases[] = {
        {"rgb8.png", "IHDR", 0, BYTES("\0\0\xea\x60\0\0\xea\x60"), VGG_ERROR_UNSUPPORTED,
         "the PNG header says 60000 x 60000 pixels, more than the limits of 30000"},
        {"rgb8.png", "IHDR", 0, BYTES("\xff\xff\xff\xff"), VGG_ERROR_UNSUPPORTED, "4294967295 x 9"},
        {"rgb8.png", "IHDR", 0, BYTES("\0\0\0\0"), VGG_ERROR_FORMAT, "says 0 x 9 pixels"},
        {"rgb8.png", "IHDR", 4, BYTES("\0\0\0\0"), VGG_ERROR_FORMAT, "says 13 x 0 pixels"},
        {"rgb8.png", "IHDR", 8, BYTES("\7"), VGG_ERROR_FORMAT, "Invalid IHDR"},
        {"rgb8.png", "IHDR", 9, BYTES("\5"), VGG_ERROR_FORMAT, "Invalid IHDR"},
        {"rgb8.png", "IHDR", 12, BYTES("\7"), VGG_ERROR_FORMAT, "Invalid IHDR"},
        {"rgb8.png", "IHDR", 4, BYTES("\0\0\0\x0a"), VGG_ERROR_FORMAT, "Not enough image data"},
        {"rgb8.png", "IDAT", 0, BYTES("\xff\xff"), VGG_ERROR_FORMAT, "cannot decode this PNG"},
        {"rgb8.png", "IDAT", 2, BYTES("\x07\xff\xff\xff"), VGG_ERROR_FORMAT,
         "cannot decode this PNG: IDAT"},
        {"rgb8.png", "\x89PNG", 0, BYTES("\n"), VGG_ERROR_FORMAT, "cannot decode this PNG"},
        {"palette4.png", "IHDR", 9, BYTES("\2"), VGG_ERROR_FORMAT, "Invalid IHDR"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_patched_refused(cases[i].name, cases[i].marker, cases[i].at, cases[i].patch,
                               cases[i].count, cases[i].status, cases[i].part);
    }
}

static void wrong_png_checksum(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = golden_bytes("rgb8.png", &size);
    bytes[size - 13] ^= 1; /* the last byte of IDAT's checksum, before the 12 of IEND */
    assert_refused(bytes, size, VGG_ERROR_FORMAT, "CRC error");
    free(bytes);
}

/* The palette loses its last colour, and the pixels that have it point nowhere. */
static void palette_index_out_of_range(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = golden_bytes("palette2.png", &size);
    size_t at = find(bytes, size, "PLTE") - 4;
    assert_int_equal(big_endian(bytes + at), 9);
    bytes[at + 3] = 6;
    memmove(bytes + at + 14, bytes + at + 17, size - at - 17);
    seal(bytes, size - 3);
    assert_refused(bytes, size - 3, VGG_ERROR_FORMAT, "has colour 2 of a palette of 2");
    free(bytes);
}

/* A text that unfolds to much more than itself is not unfolded, and hinders nothing. */
static void png_texts_are_passed_over(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = golden_bytes("rgb8.png", &size);
    /* length 23, the type, a keyword, its end, the method, data that no zlib accepts, room for a
     * checksum; behind IHDR, which ends at byte 33 */
    static const unsigned char text[] = "\0\0\0\x17zTXtbomb\0\0not a zlib streamCRC";
    size_t inserted = sizeof text;
    memmove(bytes + 33 + inserted, bytes + 33, size - 33);
    memcpy(bytes + 33, text, sizeof text);
    size += inserted;
    seal(bytes, size);
    vgg_error error = {0};
    vgg_image image = {0}, expected = golden_picture("rgb8.ppm");
    assert_ok(vgg_image_decode(bytes, size, "x.png", &image, &error), error);
    assert_same_picture("rgb8 with a text", &image, &expected, 0);
    vgg_image_free(&image);
    vgg_image_free(&expected);
    free(bytes);
}

/* ---- JPEG and WebP ---- */

static void damaged_jpeg(void **state) {
    (void)state;
    static const refusal cases[] = {
        {BYTES("\xff\xd8"), VGG_ERROR_FORMAT, "cut short"},
        {BYTES("\xff\xd8\xff\xd9"), VGG_ERROR_FORMAT, "no image"},
        {BYTES("\xff\xd8GARBAGE"), VGG_ERROR_FORMAT, "this JPEG"},
        {BYTES("\xff\xd8\xff\xe1\0\1"), VGG_ERROR_FORMAT, "this JPEG"},
    };
    ASSERT_ALL_REFUSED(cases);
    assert_patched_refused("jpeg_444.jpg", "\xff\xc0", 2, BYTES("\14"), VGG_ERROR_FORMAT,
                           "precision 12");
    assert_patched_refused("jpeg_444.jpg", "\xff\xc0", 3, BYTES("\xea\x60\xea\x60"),
                           VGG_ERROR_UNSUPPORTED, "the JPEG header says 60000 x 60000 pixels");
    assert_patched_refused("jpeg_444.jpg", "\xff\xc0", 5, BYTES("\0\0"), VGG_ERROR_FORMAT,
                           "Empty JPEG image");
    assert_patched_refused("jpeg_444.jpg", "\xff\xc0", 7, BYTES("\2"), VGG_ERROR_FORMAT,
                           "cannot decode this JPEG: Bogus marker length");
    assert_patched_refused("jpeg_444.jpg", "\xff\xda", 3, BYTES("\x77"), VGG_ERROR_FORMAT,
                           "cannot decode this JPEG: Invalid component ID");
    assert_patched_refused("jpeg_444.jpg", "\xff\xc0", 8, BYTES("\1\x51"), VGG_ERROR_FORMAT,
                           "cannot decode this JPEG");
}

/* Real pictures have stray bytes between their segments. */
static void stray_bytes_in_a_jpeg_do_no_harm(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = golden_bytes("jpeg_444.jpg", &size);
    size_t at = find(bytes, size, "\xff\xdb");
    memmove(bytes + at + 3, bytes + at, size - at);
    memcpy(bytes + at, "abc", 3);
    vgg_error error = {0};
    vgg_image image = {0}, expected = golden_picture("jpeg_444.ppm");
    assert_ok(vgg_image_decode(bytes, size + 3, "x.jpg", &image, &error), error);
    assert_same_picture("jpeg_444 with stray bytes", &image, &expected, 2);
    vgg_image_free(&image);
    vgg_image_free(&expected);
    free(bytes);
}

static void damaged_webp(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = golden_bytes("animated.webp", &size);
    assert_refused(bytes, size, VGG_ERROR_UNSUPPORTED, "is an animated WebP");
    free(bytes);
    assert_patched_refused("webp_lossless.webp", "VP8L", 4, BYTES("\0"), VGG_ERROR_FORMAT,
                           "cannot decode this WebP");
    assert_patched_refused("webp_lossy.webp", "VP8 ", 7, BYTES("\0\0\0"), VGG_ERROR_FORMAT,
                           "cannot decode this WebP");
    assert_refused(BYTES("RIFF\4\0\0\0WEBP"), VGG_ERROR_FORMAT, "cannot decode this WebP");
}

/* ---- every format ---- */

/* No beginning of a file may pass for the whole, whatever its length; but a JPEG that lacks its end
 * marker only, of two bytes, has all its pixels. */
static void every_truncation_is_refused(void **state) {
    (void)state;
    static const char *const names[] = {"rgb8.png",        "palette8_interlaced.png",
                                        "jpeg_420.jpg",    "jpeg_progressive.jpg",
                                        "webp_lossy.webp", "webp_lossless.webp"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t size;
        unsigned char *bytes = golden_bytes(names[i], &size);
        size_t marker = strstr(names[i], ".jpg") != NULL ? 2 : 0;
        for (size_t kept = 0; kept < size - marker; kept++) {
            unsigned char *cut = malloc(kept + 1);
            assert_non_null(cut);
            memcpy(cut, bytes, kept);
            vgg_image image = {0};
            vgg_error error = {0};
            if (vgg_image_decode(cut, kept, "x", &image, &error) == VGG_OK)
                fail_msg("%s: decodes from %zu of its %zu bytes", names[i], kept, size);
            assert_contains(error.message, "x: ");
            free(cut);
        }
        free(bytes);
    }
}

/* What stands in place of the end marker: nothing, half of it, zeros, or data of a program's own.
 */
static void jpeg_without_its_end_marker(void **state) {
    (void)state;
    static const char *const names[] = {"jpeg_420", "jpeg_progressive", "jpeg_grey", "jpeg_cmyk"};
    static const struct {
        const char *bytes;
        size_t size;
    } ends[] = {{BYTES("")}, {BYTES("\xff")}, {BYTES("\0\0")}, {BYTES("END OF PICTURE 2048\n")}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char file[64], golden[64];
        snprintf(file, sizeof file, "%s.jpg", names[i]);
        snprintf(golden, sizeof golden, "%s.%s", names[i], i == 2 ? "pgm" : "ppm");
        size_t size;
        unsigned char *bytes = golden_bytes(file, &size);
        vgg_image expected = golden_picture(golden);
        for (size_t e = 0; e < sizeof ends / sizeof ends[0]; e++) {
            vgg_image image = {0};
            vgg_error error = {0};
            memcpy(bytes + size - 2, ends[e].bytes, ends[e].size);
            assert_ok(vgg_image_decode(bytes, size - 2 + ends[e].size, "x.jpg", &image, &error),
                      error);
            assert_same_picture(file, &image, &expected, 2);
            vgg_image_free(&image);
        }
        memset(bytes + size - 2, 0, 4096);
        vgg_image image = {0};
        vgg_error error = {0};
        assert_ok(vgg_image_decode(bytes, size + 4094, "x.jpg", &image, &error), error);
        assert_same_picture(file, &image, &expected, 2);
        vgg_image_free(&image);
        vgg_image_free(&expected);
        free(bytes);
    }
}

/* The second half of the file, as when a download stopped or a disk was full: zeros decode to
 * something, but not to the picture. */
static void jpeg_with_zeros_for_rows(void **state) {
    (void)state;
    static const char *const names[] = {"jpeg_420.jpg", "jpeg_progressive.jpg", "jpeg_grey.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t size;
        unsigned char *bytes = golden_bytes(names[i], &size);
        for (size_t kept = size * 3 / 4; kept < size - 24; kept++) {
            unsigned char saved[4096];
            memcpy(saved, bytes + kept, size - kept);
            memset(bytes + kept, 0, 65536);
            vgg_image image = {0};
            vgg_error error = {0};
            if (vgg_image_decode(bytes, kept + 65536, "x", &image, &error) == VGG_OK)
                fail_msg("%s: decodes with zeros from byte %zu of %zu", names[i], kept, size);
            assert_int_equal(error.status, VGG_ERROR_FORMAT);
            memcpy(bytes + kept, saved, size - kept);
        }
        free(bytes);
    }
}

static void truncations_are_called_so(void **state) {
    (void)state;
    static const char *const names[] = {"rgb8.png", "jpeg_420.jpg", "webp_lossy.webp"};
    for (size_t i = 0; i < 3; i++) {
        size_t size;
        unsigned char *bytes = golden_bytes(names[i], &size);
        assert_refused(bytes, size * 3 / 4, VGG_ERROR_FORMAT, "is cut short");
        free(bytes);
    }
}

/* Each byte changed in turn: an error with a message or a picture, and nothing worse. */
static void changed_bytes_do_no_harm(void **state) {
    (void)state;
    static const char *const names[] = {
        "rgb8_interlaced.png", "palette4_transparent.png", "grey16_transparent.png", "exif7.jpg",
        "jpeg_ycck.jpg",       "webp_exif8.webp",          "webp_lossy_alpha.webp"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t size;
        unsigned char *bytes = golden_bytes(names[i], &size);
        for (size_t at = 0; at < size; at++) {
            unsigned char kept = bytes[at];
            bytes[at] ^= (unsigned char)(1 + at % 255);
            vgg_image image = {0};
            vgg_error error = {0};
            if (vgg_image_decode(bytes, size, "x", &image, &error) == VGG_OK)
                assert_non_null(image.pixels);
            else
                assert_true(strlen(error.message) > 10);
            vgg_image_free(&image);
            bytes[at] = kept;
        }
        free(bytes);
    }
}

static void files_that_cannot_be_read(void **state) {
    (void)state;
    vgg_image image = {0};
    vgg_error error = {0};
    assert_int_equal(vgg_image_load("/no/such/file.jpg", &image, &error), VGG_ERROR_NOT_FOUND);
    assert_contains(error.message, "/no/such/file.jpg: cannot open");
    assert_int_equal(vgg_image_load(VGG_TEST_DATA, &image, &error), VGG_ERROR_IO);
    assert_contains(error.message, "is a folder");
    assert_int_equal(vgg_image_load("/no/such/file.jpg", &image, NULL), VGG_ERROR_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_files_are_named),
        cmocka_unit_test(damaged_bmp_gif_and_tiff),
        cmocka_unit_test(bmp_gif_and_tiff_cut_anywhere),
        cmocka_unit_test(damaged_pnm),
        cmocka_unit_test(damaged_png),
        cmocka_unit_test(wrong_png_checksum),
        cmocka_unit_test(palette_index_out_of_range),
        cmocka_unit_test(png_texts_are_passed_over),
        cmocka_unit_test(damaged_jpeg),
        cmocka_unit_test(stray_bytes_in_a_jpeg_do_no_harm),
        cmocka_unit_test(damaged_webp),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(jpeg_without_its_end_marker),
        cmocka_unit_test(jpeg_with_zeros_for_rows),
        cmocka_unit_test(truncations_are_called_so),
        cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(files_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
