/* Decoding: every kind of picture against the pixels that it must give. */
#include "image_golden.h"

#include <unistd.h>

#include "image/decode.h"

/* `tolerance` is 0 where the format leaves no choice; a JPEG library of another version may round
 * otherwise. */
static void assert_decodes(const char *name, const char *file, const char *expected_file,
                           int tolerance) {
    size_t size;
    unsigned char *bytes = golden_bytes(file, &size);
    vgg_error error = {0};
    vgg_image found = {0};
    assert_ok(vgg_image_decode(bytes, size, name, &found, &error), error);
    vgg_image expected = golden_picture(expected_file);
    assert_same_picture(name, &found, &expected, tolerance);
    vgg_image_free(&found);
    vgg_image_free(&expected);
    assert_null(found.pixels);
    free(bytes);
}

static void assert_all_decode(const char *const *names, const char *ending, const char *expected,
                              int tolerance) {
    for (; *names != NULL; names++) {
        char file[64], result[64];
        snprintf(file, sizeof file, "%s.%s", *names, ending);
        snprintf(result, sizeof result, "%s.%s", *names, expected);
        assert_decodes(*names, file, result, tolerance);
    }
}

static void png_of_every_kind(void **state) {
    (void)state;
    static const char *const grey[] = {"grey1",
                                       "grey2",
                                       "grey4",
                                       "grey8",
                                       "grey16",
                                       "grey4_transparent",
                                       "grey16_transparent",
                                       "grey_alpha8",
                                       "grey_alpha16",
                                       "grey1_interlaced",
                                       NULL};
    static const char *const colour[] = {"rgb8",
                                         "rgb16",
                                         "rgb8_transparent",
                                         "rgba8",
                                         "rgba16",
                                         "rgb8_interlaced",
                                         "rgba8_interlaced",
                                         "one_pixel",
                                         "palette1",
                                         "palette2",
                                         "palette4",
                                         "palette8",
                                         "palette4_transparent",
                                         "palette8_interlaced",
                                         "exif6_png",
                                         NULL};
    assert_all_decode(grey, "png", "pgm", 0);
    assert_all_decode(colour, "png", "ppm", 0);
}

static void jpeg_of_every_kind(void **state) {
    (void)state;
    static const char *const names[] = {"jpeg_420",  "jpeg_444",  "jpeg_progressive",
                                        "jpeg_cmyk", "jpeg_ycck", NULL};
    assert_all_decode(names, "jpg", "ppm", 2);
    assert_decodes("jpeg_grey", "jpeg_grey.jpg", "jpeg_grey.pgm", 2);
}

static void jpeg_turned_upright(void **state) {
    (void)state;
    static const char *const names[] = {"exif1", "exif2", "exif3", "exif4", "exif5",
                                        "exif6", "exif7", "exif8", NULL};
    assert_all_decode(names, "jpg", "ppm", 2);
}

static void webp_of_every_kind(void **state) {
    (void)state;
    static const char *const exact[] = {"webp_lossless", "webp_alpha", "webp_exif8", NULL};
    static const char *const lossy[] = {"webp_lossy", "webp_lossy_alpha", NULL};
    assert_all_decode(exact, "webp", "ppm", 0);
    assert_all_decode(lossy, "webp", "ppm", 2);
}

static void assert_pnm(const char *bytes, size_t size, size_t width, size_t height, size_t channels,
                       const uint8_t *pixels) {
    vgg_error error = {0};
    vgg_image found = {0};
    assert_ok(vgg_image_decode(bytes, size, "x.pnm", &found, &error), error);
    assert_int_equal(found.width, width);
    assert_int_equal(found.height, height);
    assert_int_equal(found.channels, channels);
    assert_memory_equal(found.pixels, pixels, width * height * channels);
    vgg_image_free(&found);
}

#define PNM(text) text, sizeof text - 1

static void pnm_of_every_kind(void **state) {
    (void)state;
    const uint8_t bits[] = {0, 255, 0, 255, 0, 0};
    assert_pnm(PNM("P1\n# a bitmap\n3 2\n101\n0 1 1\n"), 3, 2, 1, bits);
    assert_pnm(PNM("P4 3 2 \xa0\x60"), 3, 2, 1, bits);
    const uint8_t grey[] = {0, 128, 255};
    assert_pnm(PNM("P2 3 1 # width, height\n4\n0 2#half\n4"), 3, 1, 1, grey);
    assert_pnm(PNM("P5\r3\t1 4 \0\2\4"), 3, 1, 1, grey);
    const uint8_t wide[] = {0, 128, 255, 1, 127, 255};
    assert_pnm(PNM("P3 2 1 65535 0 32768 65535 257 32767 65535"), 2, 1, 3, wide);
    assert_pnm(PNM("P6 2 1 65535\n\0\0\x80\0\xff\xff\1\1\x7f\xff\xff\xff"), 2, 1, 3, wide);
    assert_pnm(PNM("P6#c\n1 1 255\n123 and more"), 1, 1, 3, (const uint8_t *)"123");
    assert_pnm(PNM("P5 2 1 1000 \1\xf4\3\xe8"), 2, 1, 1, (const uint8_t *)"\x80\xff");
}

static void orientation_is_read_from_both_byte_orders(void **state) {
    (void)state;
    unsigned char little[] = "Exif\0\0II*\0\10\0\0\0\2\0\0\1\3\0\1\0\0\0\1\0\0\0"
                             "\x12\1\3\0\1\0\0\0\6\0\0\0";
    unsigned char big[] = "MM\0*\0\0\0\10\0\1\1\x12\0\3\0\0\0\1\0\10\0\0";
    assert_int_equal(vgg_exif_orientation(little, sizeof little), 6);
    assert_int_equal(vgg_exif_orientation(little + 6, sizeof little - 6), 6);
    assert_int_equal(vgg_exif_orientation(big, sizeof big), 8);
}

/* Whatever is wrong with the block, the picture stays as it is. */
static void damaged_exif_means_upright(void **state) {
    (void)state;
    const unsigned char good[] = "MM\0*\0\0\0\10\0\1\1\x12\0\3\0\0\0\1\0\6\0\0";
    enum { SIZE = sizeof good - 1 };
    static const struct {
        size_t at;
        unsigned char value;
    } damages[] = {{0, 'X'}, {3, 43}, {4, 0xff}, {7, 21}, {7, 22}, {7, 255}, {8 + 1, 0},
                   {11, 0},  {13, 4}, {17, 2},   {19, 0}, {19, 9}, {18, 1}};
    assert_int_equal(vgg_exif_orientation(good, SIZE), 6);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        unsigned char *bad = malloc(SIZE); /* exact, so that a sanitizer sees a read beyond it */
        assert_non_null(bad);
        memcpy(bad, good, SIZE);
        bad[damages[i].at] = damages[i].value;
        assert_int_equal(vgg_exif_orientation(bad, SIZE), 1);
        free(bad);
    }
    for (size_t size = 0; size < 20; size++) {
        unsigned char *cut = malloc(size + 1);
        assert_non_null(cut);
        memcpy(cut, good, size);
        assert_int_equal(vgg_exif_orientation(cut, size), 1);
        free(cut);
    }
    /* A folder that starts at itself: its count and entries are bytes of the header. */
    unsigned char loop[] = "II*\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff";
    assert_int_equal(vgg_exif_orientation(loop, sizeof loop - 1), 1);
}

static void bmp_gif_and_tiff_of_every_kind(void **state) {
    (void)state;
    static const char *const colour_bmps[] = {"bmp_rgb",  "bmp_palette", "bmp_rle8",
                                              "bmp_rle4", "bmp_555",     "bmp_565",
                                              "bmp_32",   "bmp_core",    NULL};
    static const char *const grey_bmps[] = {"bmp_grey", "bmp_bits", NULL};
    static const char *const colour_gifs[] = {"gif_palette", "gif_interlaced", "gif_animated",
                                              "gif_transparent", NULL};
    static const char *const grey_gifs[] = {"gif_grey", NULL};
    static const char *const colour_tiffs[] = {"tiff_rgb",   "tiff_palette",      "tiff_deflate",
                                               "tiff_alpha", "tiff_orientation6", NULL};
    static const char *const grey_tiffs[] = {"tiff_grey", "tiff_bits", "tiff_fax", NULL};
    assert_all_decode(colour_bmps, "bmp", "ppm", 0);
    assert_all_decode(grey_bmps, "bmp", "pgm", 0);
    assert_all_decode(colour_gifs, "gif", "ppm", 0);
    assert_all_decode(grey_gifs, "gif", "pgm", 0);
    assert_all_decode(colour_tiffs, "tif", "ppm", 0);
    assert_all_decode(grey_tiffs, "tif", "pgm", 0);
}

static void endings_of_pictures(void **state) {
    (void)state;
    static const char *const yes[] = {"a.jpg", "b/c.JPEG", "x.jpe", ".png",  "a.b.WebP",
                                      "a.pnm", "a.pbm",    "a.pgm", "a.PPM", "a.jfif",
                                      "a.BMP", "a.dib",    "a.gif", "a.tif", "a.TIFF"};
    static const char *const no[] = {"a.giff", "jpg", "a.jpg.txt", "", "a.", "a.jpgx", "a.cr2"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        assert_true(vgg_image_name_is_picture(yes[i]));
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        assert_null(vgg_image_name_missing(no[i]));
        assert_false(vgg_image_name_is_picture(no[i]));
    }
}

static void saved_png_loads_again(void **state) {
    (void)state;
    char folder[] = "/tmp/vgg-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.png", folder);
    static const char *const names[] = {"resize_rgb.ppm", "resize_grey.pgm"};
    for (size_t i = 0; i < 2; i++) {
        vgg_image image = golden_picture(names[i]), again = {0};
        vgg_error error = {0};
        assert_ok(vgg_image_save_png(&image, path, &error), error);
        assert_ok(vgg_image_load(path, &again, &error), error);
        assert_same_picture(names[i], &again, &image, 0);
        vgg_image_free(&again);
        vgg_image_free(&image);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* and nothing else was left in it */
}

static void save_says_what_is_wrong(void **state) {
    (void)state;
    vgg_image image = golden_picture("resize_grey.pgm"), empty = {0};
    vgg_error error = {0};
    assert_int_equal(vgg_image_save_png(&image, "/nowhere/at/all.png", &error),
                     VGG_ERROR_NOT_FOUND);
    assert_contains(error.message, "/nowhere/at/all.png");
    assert_int_equal(vgg_image_save_png(&empty, "x.png", &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "empty");
    vgg_image_free(&image);
}

/* A dash is a name like any other. */
static void dash_is_no_standard_input(void **state) {
    (void)state;
    vgg_image image = {0};
    vgg_error error = {0};
    assert_int_equal(vgg_image_load("-", &image, &error), VGG_ERROR_NOT_FOUND);
    assert_string_equal(error.message, "-: cannot open: No such file or directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_of_every_kind),
        cmocka_unit_test(jpeg_of_every_kind),
        cmocka_unit_test(jpeg_turned_upright),
        cmocka_unit_test(webp_of_every_kind),
        cmocka_unit_test(pnm_of_every_kind),
        cmocka_unit_test(orientation_is_read_from_both_byte_orders),
        cmocka_unit_test(damaged_exif_means_upright),
        cmocka_unit_test(bmp_gif_and_tiff_of_every_kind),
        cmocka_unit_test(endings_of_pictures),
        cmocka_unit_test(saved_png_loads_again),
        cmocka_unit_test(save_says_what_is_wrong),
        cmocka_unit_test(dash_is_no_standard_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
