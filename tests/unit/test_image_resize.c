/* Resize against Pillow's results, and conversion, cut-outs and mirroring. */
#include "image_golden.h"

#include "image/picture.h"

/* The last two lose so many rows that these go first. */
static const size_t golden_sizes[][2] = {{12, 7}, {61, 40}, {37, 10}, {9, 23}, {1, 1},
                                         {5, 90}, {36, 24}, {34, 12}, {61, 9}};

static void resize_equals_pillow(void **state) {
    (void)state;
    static const char *const filters[] = {"bilinear", "bicubic"};
    static const char *const kinds[] = {"grey", "rgb"};
    for (int filter = 0; filter < 2; filter++) {
        for (int kind = 0; kind < 2; kind++) {
            for (size_t i = 0; i < sizeof golden_sizes / sizeof golden_sizes[0]; i++) {
                const char *ending = kind == 0 ? "pgm" : "ppm";
                size_t width = golden_sizes[i][0], height = golden_sizes[i][1];
                char source[64], result[64];
                snprintf(source, sizeof source, "resize_%s.%s", kinds[kind], ending);
                snprintf(result, sizeof result, "resize_%s_%s_%zux%zu.%s", kinds[kind],
                         filters[filter], width, height, ending);
                vgg_image image = golden_picture(source), expected = golden_picture(result);
                vgg_image found = {0};
                vgg_error error = {0};
                assert_ok(
                    vgg_image_resize(&image, width, height, (vgg_filter)filter, &found, &error),
                    error);
                assert_same_picture(result, &found, &expected, 0);
                vgg_image_free(&found);
                vgg_image_free(&expected);
                vgg_image_free(&image);
            }
        }
    }
}

static void a_part_of_a_resize_is_cut_out_of_it(void **state) {
    (void)state;
    vgg_image image = golden_picture("resize_rgb.ppm");
    vgg_error error = {0};
    for (size_t i = 0; i < sizeof golden_sizes / sizeof golden_sizes[0]; i++) {
        size_t width = golden_sizes[i][0], height = golden_sizes[i][1];
        vgg_image whole = {0}, expected = {0}, found = {0};
        const vgg_part part = {width / 3, height / 4, (width + 1) / 2, (height + 2) / 3};
        assert_ok(vgg_image_resize(&image, width, height, VGG_FILTER_BICUBIC, &whole, &error),
                  error);
        assert_ok(vgg_image_crop(&whole, (ptrdiff_t)part.x, (ptrdiff_t)part.y, part.width,
                                 part.height, &expected, &error),
                  error);
        assert_ok(
            vgg_image_resize_part(&image, width, height, VGG_FILTER_BICUBIC, &part, &found, &error),
            error);
        assert_same_picture("part", &found, &expected, 0);
        vgg_image_free(&found);
        vgg_image_free(&expected);
        vgg_image_free(&whole);
    }
    vgg_image_free(&image);
}

static void resize_to_the_same_size_is_a_copy(void **state) {
    (void)state;
    vgg_image image = golden_picture("resize_rgb.ppm"), found = {0};
    vgg_error error = {0};
    assert_ok(vgg_image_resize(&image, 37, 23, VGG_FILTER_BICUBIC, &found, &error), error);
    assert_same_picture("same size", &found, &image, 0);
    assert_ptr_not_equal(found.pixels, image.pixels);
    vgg_image_free(&found);
    vgg_image_free(&image);
}

/* A plain surface stays plain, right up to the edges and at the ends of the range. */
static void plain_surfaces_stay_plain(void **state) {
    (void)state;
    static const uint8_t levels[] = {0, 1, 127, 254, 255};
    uint8_t pixels[31 * 17];
    vgg_image image = {.width = 31, .height = 17, .channels = 1, .pixels = pixels};
    for (size_t level = 0; level < sizeof levels; level++) {
        for (int filter = 0; filter < 2; filter++) {
            memset(pixels, levels[level], sizeof pixels);
            vgg_image found = {0};
            vgg_error error = {0};
            assert_ok(vgg_image_resize(&image, 600, 5, (vgg_filter)filter, &found, &error), error);
            for (size_t i = 0; i < 600 * 5; i++) {
                assert_int_equal(found.pixels[i], levels[level]);
            }
            vgg_image_free(&found);
        }
    }
}

static void short_side_sets_the_long_one(void **state) {
    (void)state;
    static const size_t cases[][5] = {
        /* width, height, side -> width, height */
        {500, 375, 256, 341, 256}, {375, 500, 256, 256, 341}, {8, 8, 3, 3, 3},
        {3, 2, 2, 3, 2},           {7, 3, 4, 9, 4},           {1, 100, 2, 2, 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        vgg_image image = {.width = cases[i][0], .height = cases[i][1], .channels = 1};
        image.pixels = calloc(image.width, image.height);
        assert_non_null(image.pixels);
        vgg_image found = {0};
        vgg_error error = {0};
        assert_ok(vgg_image_resize_short(&image, cases[i][2], VGG_FILTER_BILINEAR, &found, &error),
                  error);
        assert_int_equal(found.width, cases[i][3]);
        assert_int_equal(found.height, cases[i][4]);
        vgg_image_free(&found);
        vgg_image_free(&image);
    }
}

static void impossible_sizes_are_refused(void **state) {
    (void)state;
    uint8_t pixels[300] = {0};
    vgg_image image = {.width = 300, .height = 1, .channels = 1, .pixels = pixels}, out = {0};
    vgg_error error = {0};
    assert_int_equal(vgg_image_resize(&image, 0, 5, VGG_FILTER_BILINEAR, &out, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "0 x 5");
    assert_int_equal(vgg_image_resize(&image, 20000, 20000, VGG_FILTER_BILINEAR, &out, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "20000 x 20000");
    assert_int_equal(vgg_image_resize_short(&image, 256, VGG_FILTER_BILINEAR, &out, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "76800 x 256");
    assert_int_equal(vgg_image_resize(&image, 5, 5, (vgg_filter)7, &out, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "number 7");
    assert_int_equal(vgg_image_crop(&image, 0, 0, 0, 1, &out, &error), VGG_ERROR_ARGUMENT);
    image.channels = 4;
    assert_int_equal(vgg_image_resize(&image, 5, 5, VGG_FILTER_BILINEAR, &out, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "4 channels");
    assert_null(out.pixels);
}

static void grey_from_colour_equals_pillow(void **state) {
    (void)state;
    vgg_image image = golden_picture("resize_rgb.ppm"),
              expected = golden_picture("convert_grey.pgm");
    vgg_image grey = {0}, colour = {0};
    vgg_error error = {0};
    assert_ok(vgg_image_convert(&image, 1, &grey, &error), error);
    assert_same_picture("grey", &grey, &expected, 0);
    assert_ok(vgg_image_convert(&grey, 3, &colour, &error), error);
    assert_int_equal(colour.channels, 3);
    for (size_t i = 0; i < 37 * 23 * 3; i++) {
        assert_int_equal(colour.pixels[i], grey.pixels[i / 3]);
    }
    assert_int_equal(vgg_image_convert(&image, 2, &colour, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "2 channels");
    vgg_image_free(&image);
    vgg_image_free(&expected);
    vgg_image_free(&grey);
    vgg_image_free(&colour);
}

/* The cut-out, sample by sample, from the definition. */
static void assert_crop(const vgg_image *image, ptrdiff_t x, ptrdiff_t y, size_t width,
                        size_t height) {
    vgg_image cut = {0};
    vgg_error error = {0};
    assert_ok(vgg_image_crop(image, x, y, width, height, &cut, &error), error);
    assert_int_equal(cut.width, width);
    assert_int_equal(cut.height, height);
    for (size_t row = 0; row < height; row++) {
        for (size_t i = 0; i < width * 3; i++) {
            ptrdiff_t from_x = x + (ptrdiff_t)(i / 3), from_y = y + (ptrdiff_t)row;
            bool inside = from_x >= 0 && from_y >= 0 && from_x < (ptrdiff_t)image->width &&
                          from_y < (ptrdiff_t)image->height;
            int expected = 0;
            if (inside)
                expected =
                    image->pixels[((size_t)from_y * image->width + (size_t)from_x) * 3 + i % 3];
            assert_int_equal(cut.pixels[row * width * 3 + i], expected);
        }
    }
    vgg_image_free(&cut);
}

static void crop_is_black_outside(void **state) {
    (void)state;
    vgg_image image = golden_picture("resize_rgb.ppm"); /* 37 x 23 */
    static const ptrdiff_t places[][4] = {
        {0, 0, 37, 23}, {5, 6, 7, 8},  {-3, -4, 10, 10}, {30, 20, 20, 9}, {-5, -5, 50, 40},
        {37, 0, 4, 4},  {-4, 0, 4, 4}, {0, 23, 3, 3},    {36, 22, 1, 1},  {0, -9, 3, 9}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        assert_crop(&image, places[i][0], places[i][1], (size_t)places[i][2], (size_t)places[i][3]);
    }
    vgg_image cut = {0};
    vgg_error error = {0};
    assert_ok(vgg_image_crop(&image, PTRDIFF_MAX, PTRDIFF_MIN, 2, 2, &cut, &error), error);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(cut.pixels[i], 0);
    }
    vgg_image_free(&cut);
    vgg_image_free(&image);
}

static void flip_mirrors_left_and_right(void **state) {
    (void)state;
    vgg_image image = golden_picture("resize_rgb.ppm"), kept = golden_picture("resize_rgb.ppm");
    vgg_image_flip(&image);
    for (size_t y = 0; y < 23; y++) {
        for (size_t x = 0; x < 37; x++) {
            assert_memory_equal(image.pixels + (y * 37 + x) * 3,
                                kept.pixels + (y * 37 + 36 - x) * 3, 3);
        }
    }
    vgg_image_flip(&image);
    assert_same_picture("flipped twice", &image, &kept, 0);
    vgg_image_free(&image);
    vgg_image_free(&kept);
}

/* Rows are resized many at a time where there are many. */
static void rows_do_not_depend_on_each_other(void **state) {
    (void)state;
    uint32_t random = 1;
    for (size_t round = 0; round < 60; round++) {
        size_t channels = round % 2 == 0 ? 3 : 1, height = 1 + round * 2;
        size_t width = 1 + (round * 37) % 150, target = 1 + (round * 53) % 110;
        vgg_filter filter = round % 3 == 0 ? VGG_FILTER_BICUBIC : VGG_FILTER_BILINEAR;
        size_t pitch = width * channels, made = target * channels;
        uint8_t *pixels = malloc(height * pitch);
        assert_non_null(pixels);
        for (size_t i = 0; i < height * pitch; i++) {
            random = random * 1664525u + 1013904223u;
            pixels[i] = (uint8_t)(random >> 31 == 0 ? 0 : random >> 23);
        }
        vgg_image all = {width, height, channels, pixels}, whole = {0}, alone = {0};
        vgg_error error = {0};
        assert_ok(vgg_image_resize(&all, target, height, filter, &whole, &error), error);
        for (size_t y = 0; y < height; y++) {
            const vgg_image row = {width, 1, channels, pixels + y * pitch};
            assert_ok(vgg_image_resize(&row, target, 1, filter, &alone, &error), error);
            assert_memory_equal(alone.pixels, whole.pixels + y * made, made);
            vgg_image_free(&alone);
        }
        vgg_image_free(&whole);
        free(pixels);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize_equals_pillow),
        cmocka_unit_test(a_part_of_a_resize_is_cut_out_of_it),
        cmocka_unit_test(resize_to_the_same_size_is_a_copy),
        cmocka_unit_test(rows_do_not_depend_on_each_other),
        cmocka_unit_test(plain_surfaces_stay_plain),
        cmocka_unit_test(short_side_sets_the_long_one),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(grey_from_colour_equals_pillow),
        cmocka_unit_test(crop_is_black_outside),
        cmocka_unit_test(flip_mirrors_left_and_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
