/* What a picture may take: small files that say they are large, and memory that runs out. */
#include "allocations.h"
#include "image_golden.h"

#define MEGABYTE ((size_t)1 << 20)

/* A file put together piece by piece. */
typedef struct made {
    unsigned char bytes[4096];
    size_t size;
} made;

static void put(made *file, const void *bytes, size_t size) {
    assert_true(size <= sizeof file->bytes - file->size);
    memcpy(file->bytes + file->size, bytes, size);
    file->size += size;
}

static void put_number(made *file, uint32_t value, size_t width) {
    for (size_t i = width; i-- > 0;) {
        put(file, &(unsigned char){(unsigned char)(value >> (8 * i))}, 1);
    }
}

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

static void put_chunk(made *file, const char *type, const void *content, size_t size) {
    put_number(file, (uint32_t)size, 4);
    size_t begin = file->size;
    put(file, type, 4);
    put(file, content, size);
    put_number(file, crc(file->bytes + begin, size + 4), 4);
}

/* With a chunk before the header, which libpng lets pass. */
static made late_png(uint32_t width, uint32_t height, int depth, int colour, int interlaced) {
    made file = {0}, header = {0};
    put(&file, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(&file, "vgGt", "ahead", 5);
    put_number(&header, width, 4);
    put_number(&header, height, 4);
    put(&header,
        (unsigned char[]){(unsigned char)depth, (unsigned char)colour, 0, 0,
                          (unsigned char)interlaced},
        5);
    put_chunk(&file, "IHDR", header.bytes, header.size);
    put_chunk(&file, "IDAT", "\x78\x9c\x03\0\0\0\0\1", 8);
    return file;
}

/* A header of a JPEG; `kind` is the last byte of its frame marker. */
static made jpeg_header(int kind, uint32_t width, uint32_t height) {
    made file = {0};
    put(&file, "\xff\xd8\xff\xdb\0\x43\0", 7);
    for (int i = 0; i < 64; i++) {
        put(&file, "\1", 1);
    }
    put(&file, (unsigned char[]){0xff, (unsigned char)kind, 0, 11, 8}, 5);
    put_number(&file, height, 2);
    put_number(&file, width, 2);
    put(&file, "\1\1\x11\0", 4);
    return file;
}

/* The memory that decoding, which must fail like this, takes at the most. */
static size_t refused(const made *file, vgg_status status, const char *part) {
    vgg_image image = {0};
    vgg_error error = {0};
    allocations_begin(0, false);
    vgg_status found = vgg_image_decode(file->bytes, file->size, "x", &image, &error);
    allocations used = allocations_end();
    if (found != status)
        fail_msg("%s with \"%s\", expected %s with \"%s\"", vgg_status_name(found), error.message,
                 vgg_status_name(status), part);
    assert_contains(error.message, part);
    return used.peak;
}

static void png_sizes_are_those_that_libpng_finds(void **state) {
    (void)state;
    made file = late_png(0x7fffffff, 0x7fffffff, 1, 0, 0);
    assert_true(refused(&file, VGG_ERROR_UNSUPPORTED, "says 2147483647 x 2147483647") < MEGABYTE);
    file = late_png(30001, 1, 8, 2, 0);
    assert_true(refused(&file, VGG_ERROR_UNSUPPORTED, "says 30001 x 1 pixels") < MEGABYTE);
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        file = late_png(14000, 14000, 16, 6, interlaced);
        assert_true(refused(&file, VGG_ERROR_FORMAT, "is cut short") < MEGABYTE);
    }
    file = late_png(3, 3, 8, 2, 0);
    assert_true(refused(&file, VGG_ERROR_FORMAT, "Not enough image data") < MEGABYTE);
}

/* An EXIF block of 2 GB, which libpng 1.6.39 takes memory for at once. */
static void png_chunks_cannot_claim_more_than_their_limit(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = golden_bytes("exif6_png.png", &size);
    made file = {0};
    put(&file, bytes, size);
    free(bytes);
    unsigned char *type = memmem(file.bytes, file.size, "eXIf", 4);
    assert_non_null(type);
    memcpy(type - 4, "\x7e\0\0\x1a", 4);
    assert_true(refused(&file, VGG_ERROR_FORMAT, "is cut short") < MEGABYTE);
}

static void jpegs_cannot_claim_more_than_a_block_per_bit(void **state) {
    (void)state;
    static const int kinds[] = {0xc0, 0xc1, 0xc2};
    for (size_t i = 0; i < 3; i++) {
        made file = jpeg_header(kinds[i], 14000, 14000);
        put(&file, "\xff\xda\0\10\1\1\0\0\x3f\0", 10);
        assert_true(refused(&file, VGG_ERROR_FORMAT, "is cut short") < MEGABYTE);
    }
}

/* Arithmetic coding has no least number of bits, so that only the limit holds. */
static void jpeg_coefficients_have_a_limit(void **state) {
    (void)state;
    made file = jpeg_header(0xca, 14000, 14000);
    put(&file, "\xff\xda\0\10\1\1\0\0\0\0\0\0\0\xff\xd9", 15);
    assert_true(refused(&file, VGG_ERROR_UNSUPPORTED, "takes more than the limit") < MEGABYTE);
}

static void jpeg_scans_have_a_limit(void **state) {
    (void)state;
    for (size_t scans = 99; scans < 102; scans++) {
        made file = jpeg_header(0xc2, 16, 8);
        put(&file, "\xff\xc4\0\x14\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
        put(&file, "\xff\xda\0\10\1\1\0\0\0\0\x3f", 11);
        for (size_t i = 1; i < scans; i++) { /* the same bits again, which libjpeg lets pass */
            put(&file, "\xff\xda\0\10\1\1\0\0\0\0\x3f", 11);
        }
        put(&file, "\xff\xd9", 2);
        vgg_image image = {0};
        vgg_error error = {0};
        vgg_status status = vgg_image_decode(file.bytes, file.size, "x", &image, &error);
        assert_int_equal(status, scans <= 100 ? VGG_OK : VGG_ERROR_UNSUPPORTED);
        if (status != VGG_OK)
            assert_contains(error.message, "has more than 100 scans");
        vgg_image_free(&image);
    }
}

static void lossless_webps_have_a_limit(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = golden_bytes("webp_lossless.webp", &size);
    made file = {0};
    put(&file, bytes, size);
    free(bytes);
    unsigned char *at = memmem(file.bytes, file.size, "VP8L", 4);
    assert_non_null(at);
    uint32_t bits = (14000 - 1) | (14000 - 1) << 14;
    for (size_t i = 0; i < 4; i++) {
        at[9 + i] = (unsigned char)(bits >> (8 * i));
    }
    assert_true(refused(&file, VGG_ERROR_UNSUPPORTED, "takes 787846144 bytes") < MEGABYTE);
}

/* A picture of one pixel within a whole of 8,000 x 20,000, in 33 bytes; in one of 4,000 x 4,000 it
 * is read. */
static void a_gif_of_few_bytes_has_no_huge_surroundings(void **state) {
    (void)state;
    for (int huge = 0; huge < 2; huge++) {
        made file = {0};
        vgg_image image = {0};
        vgg_error error = {0};
        put(&file, huge ? "GIF87a\x40\x1f\x20\x4e\x80\0\0" : "GIF87a\xa0\x0f\xa0\x0f\x80\0\0", 13);
        put(&file, "\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;", 22);
        if (huge) {
            assert_true(refused(&file, VGG_ERROR_UNSUPPORTED,
                                "says 8000 x 20000 pixels around a picture of 1 x 1") < MEGABYTE);
            continue;
        }
        assert_ok(vgg_image_decode(file.bytes, file.size, "x", &image, &error), error);
        assert_int_equal(image.width, 4000);
        vgg_image_free(&image);
    }
}

/* ---- memory that runs out ---- */

static const char *const files[] = {
    "jpeg_420.jpg",
    "jpeg_progressive.jpg",
    "jpeg_cmyk.jpg",
    "exif6.jpg",
    "rgb8.png",
    "rgba16.png",
    "rgba8_interlaced.png",
    "exif6_png.png",
    "palette4_transparent.png",
    "grey16_transparent.png",
    "resize_rgb.ppm",
    "bmp_rgb.bmp",
    "bmp_rle8.bmp",
    "gif_interlaced.gif",
    "gif_transparent.gif",
};

/* libwebp and libtiff crash when one allocation fails and smaller ones do not. */
static const char *const crashing[] = {
    "tiff_palette.tif",      "tiff_alpha.tif",  "tiff_fax.tif",
    "tiff_deflate.tif",      "webp_lossy.webp", "webp_lossless.webp",
    "webp_lossy_alpha.webp", "webp_exif8.webp", "webp_alpha.webp",
};

static vgg_image decoded(const char *name) {
    size_t size;
    unsigned char *bytes = golden_bytes(name, &size);
    vgg_image image = {0};
    vgg_error error;
    assert_ok(vgg_image_decode(bytes, size, name, &image, &error), error);
    free(bytes);
    return image;
}

/* Decodes after `begin` was called with n; tells what was allocated. A picture that comes out all
 * the same must be the right one. */
static allocations decode_failing(const char *name, void begin(size_t n), size_t n,
                                  const vgg_image *expected) {
    size_t size;
    unsigned char *bytes = golden_bytes(name, &size);
    vgg_image image = {0};
    vgg_error error = {0};
    begin(n);
    vgg_status status = vgg_image_decode(bytes, size, name, &image, &error);
    allocations used = allocations_end();
    free(bytes);
    if (status == VGG_OK)
        assert_same_picture(name, &image, expected, 0);
    else if (status != VGG_ERROR_MEMORY)
        fail_msg("%s, %zu: %s: %s", name, n, vgg_status_name(status), error.message);
    else
        assert_contains(error.message, "out of memory");
    assert_true(status == VGG_OK || used.failed);
    vgg_image_free(&image);
    return used;
}

static void begin_one(size_t n) {
    allocations_begin(n, false);
}

static void begin_lasting(size_t n) {
    allocations_begin(n, true);
}

static void failing_allocations_are_called_so(void **state) {
    (void)state;
    for (size_t i = 0; allocations_work() && i < sizeof files / sizeof files[0]; i++) {
        vgg_image expected = decoded(files[i]);
        size_t n = 1;
        while (decode_failing(files[i], begin_one, n, &expected).failed &&
               decode_failing(files[i], begin_lasting, n, &expected).failed) {
            n++;
        }
        assert_true(n > 1);
        vgg_image_free(&expected);
    }
}

static bool take_nothing(void *user, const void *bytes, size_t size) {
    (void)user, (void)bytes, (void)size;
    return true;
}

/* Writing a picture into memory has nothing else that could fail; libjpeg may do with less. */
static void failing_allocations_of_writing_are_called_so(void **state) {
    (void)state;
    static uint8_t pixels[64 * 64 * 3];
    const vgg_image image = {.pixels = pixels, .width = 64, .height = 64, .channels = 3};
    const vgg_image_format formats[] = {VGG_IMAGE_PNG, VGG_IMAGE_JPEG};
    for (size_t i = 0; allocations_work() && i < 4; i++) {
        allocations used = {.failed = true};
        for (size_t n = 1; used.failed; n++) {
            vgg_error error = {0};
            allocations_begin(n, i % 2 == 1);
            vgg_status status =
                vgg_image_encode(&image, formats[i / 2], 85, take_nothing, NULL, &error);
            used = allocations_end();
            assert_true(status == VGG_OK || (status == VGG_ERROR_MEMORY && used.failed));
            assert_true(used.failed || n > 1);
        }
    }
}

/* A limit of the caller's, which a header passes or not; none can be above that of vgg/image.h. */
static void pixels_have_the_callers_limit(void **state) {
    (void)state;
    static const struct {
        size_t most;
        const char *says;
    } cases[] = {{99999, "100 x 1000 pixels, more than the limits of 30000 on a side and 99999"},
                 {100000, "is cut short"},
                 {0, "is cut short"}};
    for (size_t i = 0; i < 3; i++) {
        vgg_decode_options options;
        vgg_image image = {0};
        vgg_error error = {0};
        vgg_decode_options_init(&options, sizeof options);
        options.max_pixels = cases[i].most;
        assert_int_not_equal(
            vgg_image_decode_with("P6 100 1000 255 ", 16, "x", &options, &image, &error), VGG_OK);
        assert_contains(error.message, cases[i].says);
    }
    made file = late_png(20000, 20000, 8, 2, 0);
    vgg_decode_options options;
    vgg_image image = {0};
    vgg_error error = {0};
    vgg_decode_options_init(&options, sizeof options);
    options.max_pixels = (size_t)-1;
    assert_int_equal(vgg_image_decode_with(file.bytes, file.size, "x", &options, &image, &error),
                     VGG_ERROR_UNSUPPORTED);
}

/* Memory that is too little, from nothing to enough. */
static void too_little_memory_is_called_so(void **state) {
    (void)state;
    for (size_t i = 0; allocations_work() && i < sizeof crashing / sizeof crashing[0]; i++) {
        vgg_image expected = decoded(crashing[i]);
        size_t room = 0;
        while (decode_failing(crashing[i], allocations_begin_within, room, &expected).failed) {
            room += 1024;
        }
        assert_true(room > 0);
        vgg_image_free(&expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_sizes_are_those_that_libpng_finds),
        cmocka_unit_test(png_chunks_cannot_claim_more_than_their_limit),
        cmocka_unit_test(jpegs_cannot_claim_more_than_a_block_per_bit),
        cmocka_unit_test(jpeg_coefficients_have_a_limit),
        cmocka_unit_test(jpeg_scans_have_a_limit),
        cmocka_unit_test(lossless_webps_have_a_limit),
        cmocka_unit_test(a_gif_of_few_bytes_has_no_huge_surroundings),
        cmocka_unit_test(pixels_have_the_callers_limit),
        cmocka_unit_test(failing_allocations_are_called_so),
        cmocka_unit_test(failing_allocations_of_writing_are_called_so),
        cmocka_unit_test(too_little_memory_is_called_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
