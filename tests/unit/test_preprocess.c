/* From a picture to the input of a network: presets, the centre view and the random ones. */
#include "image_golden.h"

#include <math.h>

static vgg_preprocess preset(const char *name, size_t channels, size_t side) {
    vgg_preprocess preprocess = {.struct_size = sizeof preprocess};
    vgg_error error = {0};
    assert_ok(vgg_preprocess_preset(name, channels, side, side, &preprocess, &error), error);
    return preprocess;
}

static void presets_have_their_figures(void **state) {
    (void)state;
    vgg_preprocess p = preset("torchvision", 3, 224);
    assert_string_equal(p.name, "torchvision");
    assert_int_equal(p.resize, 256);
    assert_int_equal(p.filter, VGG_FILTER_BILINEAR);
    assert_true(p.mean[0] == 0.485 && p.deviation[2] == 0.225 && p.scale == 1.0 / 255 && !p.bgr);
    p = preset("caffe", 3, 32);
    assert_int_equal(p.resize, 37);
    assert_true(p.bgr && p.mean[0] == 103.939 && p.mean[2] == 123.68 && p.scale == 1);
    p = preset("paper", 3, 28);
    assert_int_equal(p.resize, 32);
    assert_true(!p.bgr && p.mean[0] == 123.68 && p.deviation[1] == 1);
    p = preset("torchvision", 1, 28);
    assert_true(fabs(p.mean[0] - (0.485 + 0.456 + 0.406) / 3) < 1e-12);
    assert_true(fabs(p.deviation[0] - (0.229 + 0.224 + 0.225) / 3) < 1e-12);
    p = preset("unit", 3, 1);
    assert_int_equal(p.resize, 1);
    vgg_error error = {0};
    assert_ok(vgg_preprocess_preset("unit", 3, 448, 112, &p, &error), error);
    assert_int_equal(p.resize, 128);
    assert_int_equal(p.height, 448);
    assert_int_equal(p.width, 112);
}

static void unusable_figures_are_named(void **state) {
    (void)state;
    vgg_preprocess p = {.struct_size = sizeof p}, kept;
    vgg_error error = {0};
    assert_int_equal(vgg_preprocess_preset("keras", 3, 224, 224, &p, &error), VGG_ERROR_NOT_FOUND);
    assert_contains(error.message, "\"keras\"");
    assert_contains(error.message,
                    "torchvision, caffe, paper, unit, signed, cifar10, cifar100, mnist and clip");
    assert_int_equal(vgg_preprocess_preset("unit", 2, 224, 224, &p, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "channels is 2");
    kept = preset("torchvision", 3, 224);
#define ASSERT_UNUSABLE(field, value, part)                                                        \
    do {                                                                                           \
        p = kept;                                                                                  \
        p.field = (value);                                                                         \
        assert_int_equal(vgg_preprocess_check(&p, &error), VGG_ERROR_ARGUMENT);                    \
        assert_contains(error.message, part);                                                      \
    } while (0)
    ASSERT_UNUSABLE(width, 0, "width is 0");
    ASSERT_UNUSABLE(height, 30001, "height is 30001, expected 1 to 30000");
    ASSERT_UNUSABLE(resize, 30001, "resize is 30001");
    ASSERT_UNUSABLE(filter, (vgg_filter)9, "filter is number 9");
    ASSERT_UNUSABLE(side_count, VGG_PREPROCESS_SIDES + 1, "17 sides, expected up to 16");
    ASSERT_UNUSABLE(side_count, 1, "a side is 0, expected 1 to 30000");
    ASSERT_UNUSABLE(scale, (double)INFINITY, "scale is inf");
    ASSERT_UNUSABLE(mean[1], (double)NAN, "mean[1] is");
    ASSERT_UNUSABLE(deviation[2], 0.0, "deviation[2] is 0");
#undef ASSERT_UNUSABLE
    assert_int_equal(vgg_preprocess_check(&kept, &error), VGG_OK);
}

static void inputs_equal_the_goldens(void **state) {
    (void)state;
    static const char *const names[] = {"torchvision", "caffe",    "paper", "unit", "signed",
                                        "cifar10",     "cifar100", "mnist", "clip"};
    vgg_image image = golden_picture("resize_rgb.ppm");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[64];
        snprintf(file, sizeof file, "input_%s.f32", names[i]);
        size_t size;
        unsigned char *bytes = golden_bytes(file, &size);
        float expected[3 * 16 * 16], found[3 * 16 * 16];
        assert_int_equal(size, sizeof expected);
        memcpy(expected, bytes, sizeof expected);
        free(bytes);
        vgg_preprocess p = preset(names[i], 3, 16);
        vgg_error error = {0};
        assert_ok(vgg_preprocess_image(&p, &image, found, &error), error);
        for (size_t k = 0; k < 3 * 16 * 16; k++) {
            if (fabsf(found[k] - expected[k]) > 1e-6f * fmaxf(1, fabsf(expected[k])))
                fail_msg("%s: input %zu is %g, expected %g", file, k, (double)found[k],
                         (double)expected[k]);
        }
    }
    vgg_image_free(&image);
}

/* A grey picture whose sample at (x, y) tells its place. */
static vgg_image ramp(size_t width, size_t height) {
    vgg_image image = {.width = width, .height = height, .channels = 1};
    image.pixels = malloc(width * height);
    assert_non_null(image.pixels);
    for (size_t i = 0; i < width * height; i++) {
        image.pixels[i] = (uint8_t)(1 + i % width + 16 * (i / width));
    }
    return image;
}

/* Samples as they are, no resize. */
static vgg_preprocess plain(size_t channels, size_t width, size_t height) {
    vgg_preprocess p = {.struct_size = sizeof p,
                        .channels = channels,
                        .width = width,
                        .height = height,
                        .scale = 1};
    for (size_t c = 0; c < 3; c++) {
        p.deviation[c] = 1;
    }
    return p;
}

static void assert_centre(size_t side, size_t cut, float first) {
    vgg_image image = ramp(side, 1);
    vgg_preprocess p = plain(1, cut, 1);
    float input[16];
    vgg_error error = {0};
    assert_ok(vgg_preprocess_image(&p, &image, input, &error), error);
    assert_true(input[0] == first);
    vgg_image_free(&image);
}

/* torchvision's CenterCrop: round(difference / 2), half to even; padding is rounded down. Samples
 * count from 1; black is 0. */
static void centre_is_torchvisions(void **state) {
    (void)state;
    assert_centre(8, 8, 1);
    assert_centre(9, 8, 1);  /* 0.5 -> 0 */
    assert_centre(10, 8, 2); /* 1 */
    assert_centre(11, 8, 3); /* 1.5 -> 2 */
    assert_centre(13, 8, 3); /* 2.5 -> 2 */
    assert_centre(15, 8, 5); /* 3.5 -> 4 */
    assert_centre(7, 8, 1);  /* nothing before, one black after */
    assert_centre(6, 8, 0);
    vgg_image image = ramp(5, 1);
    vgg_preprocess p = plain(1, 8, 1);
    float input[8];
    vgg_error error = {0};
    assert_ok(vgg_preprocess_image(&p, &image, input, &error), error);
    const float expected[] = {0, 1, 2, 3, 4, 5, 0, 0};
    assert_memory_equal(input, expected, sizeof expected);
    vgg_image_free(&image);
}

static void pictures_take_the_channels_of_the_input(void **state) {
    (void)state;
    vgg_image grey = ramp(4, 4);
    vgg_preprocess p = plain(3, 4, 4);
    p.bgr = true;
    float input[48];
    vgg_error error = {0};
    assert_ok(vgg_preprocess_image(&p, &grey, input, &error), error);
    for (size_t i = 0; i < 48; i++) {
        assert_true(input[i] == (float)grey.pixels[i % 16]);
    }
    uint8_t rgb[] = {10, 20, 30};
    vgg_image pixel = {.width = 1, .height = 1, .channels = 3, .pixels = rgb};
    p = plain(3, 1, 1);
    p.bgr = true;
    p.mean[0] = 1;
    assert_ok(vgg_preprocess_normalise(&p, &pixel, input, &error), error);
    assert_true(input[0] == 29 && input[1] == 20 && input[2] == 10);
    p.channels = 1;
    assert_ok(vgg_preprocess_image(&p, &pixel, input, &error), error);
    assert_true(input[0] == 17); /* luma 18 */
    assert_int_equal(vgg_preprocess_normalise(&p, &pixel, input, &error), VGG_ERROR_SHAPE);
    assert_contains(error.message, "1 x 1 with 3 channels, expected 1 x 1 with 1");
    vgg_image_free(&grey);
}

enum { CUT = 8 };

static void augmented(const vgg_image *image, vgg_augment augment, uint64_t seed, uint64_t epoch,
                      uint64_t index, float input[CUT * CUT]) {
    vgg_preprocess p = plain(1, CUT, CUT);
    vgg_error error = {0};
    assert_ok(vgg_preprocess_augmented(&p, &augment, image, seed, epoch, index, input, &error),
              error);
}

static void without_chance_it_is_the_centre_view(void **state) {
    (void)state;
    vgg_image image = ramp(13, 11);
    vgg_preprocess p = plain(1, CUT, CUT);
    float centre[CUT * CUT], found[CUT * CUT];
    vgg_error error = {0};
    assert_ok(vgg_preprocess_image(&p, &image, centre, &error), error);
    augmented(&image, (vgg_augment){.struct_size = sizeof(vgg_augment)}, 1, 2, 3, found);
    assert_memory_equal(found, centre, sizeof centre);
    vgg_image_free(&image);
}

/* Every view is a window of the picture or its mirror image, and all of the places occur. */
static void views_are_windows_of_the_picture(void **state) {
    (void)state;
    vgg_image image = ramp(10, 9);
    bool seen[2][2][3] = {{{false}}};
    size_t flips = 0;
    for (uint64_t index = 0; index < 400; index++) {
        float found[CUT * CUT];
        augmented(&image,
                  (vgg_augment){.struct_size = sizeof(vgg_augment), .crop = true, .flip = true}, 7,
                  1, index, found);
        bool flipped = found[0] > found[1];
        int corner = (int)found[flipped ? CUT - 1 : 0] - 1;
        int x = corner % 16, y = corner / 16;
        assert_true(x <= 2 && y <= 1);
        for (int i = 0; i < CUT * CUT; i++) {
            int column = flipped ? CUT - 1 - i % CUT : i % CUT;
            assert_true(found[i] == (float)image.pixels[(y + i / CUT) * 10 + x + column]);
        }
        seen[flipped][y][x] = true;
        flips += flipped;
    }
    for (size_t i = 0; i < 12; i++) {
        assert_true(seen[i / 6][i / 3 % 2][i % 3]);
    }
    assert_in_range(flips, 160, 240);
    vgg_image_free(&image);
}

/* A picture of the size of the cut-out moves by up to 1/8 of it, here one pixel each way. */
static void a_picture_without_choice_gets_a_black_margin(void **state) {
    (void)state;
    vgg_image image = ramp(CUT, CUT);
    bool seen[3][3] = {{false}};
    for (uint64_t index = 0; index < 200; index++) {
        float found[CUT * CUT];
        augmented(&image, (vgg_augment){.struct_size = sizeof(vgg_augment), .crop = true}, 3, 0,
                  index, found);
        int middle = (int)found[3 * CUT + 3] - 1;
        int x = middle % 16 - 3, y = middle / 16 - 3;
        assert_in_range(x + 1, 0, 2);
        assert_in_range(y + 1, 0, 2);
        for (int i = 0; i < CUT * CUT; i++) {
            int column = i % CUT + x, row = i / CUT + y;
            bool inside = column >= 0 && column < CUT && row >= 0 && row < CUT;
            assert_true(found[i] == (inside ? (float)image.pixels[row * CUT + column] : 0.0f));
        }
        seen[y + 1][x + 1] = true;
    }
    for (size_t i = 0; i < 9; i++) {
        assert_true(seen[i / 3][i % 3]);
    }
    vgg_image_free(&image);
}

/* The view follows from seed, epoch and index: the same again for the same three, and a change of
 * any one of them changes the run of views. */
static void views_follow_from_three_numbers(void **state) {
    (void)state;
    vgg_image image = ramp(14, 14);
    vgg_augment augment = {.struct_size = sizeof augment, .crop = true, .flip = true};
    size_t differences[3] = {0};
    for (uint64_t i = 0; i < 50; i++) {
        float first[CUT * CUT], again[CUT * CUT];
        augmented(&image, augment, 5, 6, i, first);
        augmented(&image, augment, 5, 6, i, again);
        assert_memory_equal(first, again, sizeof first);
        augmented(&image, augment, 4, 6, i, again);
        differences[0] += memcmp(first, again, sizeof first) != 0;
        augmented(&image, augment, 5, 7, i, again);
        differences[1] += memcmp(first, again, sizeof first) != 0;
        augmented(&image, augment, 5, 6, i + 1, again);
        differences[2] += memcmp(first, again, sizeof first) != 0;
    }
    for (size_t i = 0; i < 3; i++) {
        assert_true(differences[i] > 40);
    }
    vgg_image_free(&image);
}

static void augmenting_refuses_what_preprocessing_refuses(void **state) {
    (void)state;
    vgg_image image = ramp(8, 8), empty = {0};
    vgg_preprocess p = plain(1, CUT, CUT);
    vgg_augment augment = {.struct_size = sizeof augment, .crop = true};
    float input[CUT * CUT];
    vgg_error error = {0};
    assert_int_equal(vgg_preprocess_augmented(&p, &augment, &empty, 0, 0, 0, input, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "empty");
    p.deviation[0] = 0;
    assert_int_equal(vgg_preprocess_augmented(&p, &augment, &image, 0, 0, 0, input, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "deviation[0] is 0");
    assert_int_equal(vgg_preprocess_image(&p, &image, input, &error), VGG_ERROR_ARGUMENT);
    vgg_image_free(&image);
}

/* 1 x 5000 pixels become 256 x 1280000, of which the cut-out has 224 rows: the same as those of the
 * 117 rows around the middle, which become 29952. */
static void narrow_pictures_are_resized_where_the_cut_out_is(void **state) {
    (void)state;
    enum { HEIGHT = 5000, FIRST = 2441, ROWS = 117, SIDE = 224, TOP = 639888 - FIRST * 256 };
    static uint8_t pixels[HEIGHT];
    static float input[SIDE * SIDE];
    for (size_t y = 0; y < HEIGHT; y++) {
        pixels[y] = (uint8_t)(y * 73 % 251);
    }
    vgg_image narrow = {1, HEIGHT, 1, pixels}, middle = {1, ROWS, 1, pixels + FIRST};
    vgg_image resized = {0}, cut = {0};
    vgg_preprocess p = preset("unit", 1, SIDE);
    vgg_error error = {0};
    assert_ok(vgg_preprocess_image(&p, &narrow, input, &error), error);
    assert_ok(vgg_image_resize(&middle, 256, ROWS * 256, p.filter, &resized, &error), error);
    assert_ok(vgg_image_crop(&resized, 16, TOP, SIDE, SIDE, &cut, &error), error);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
        assert_true(fabsf(input[i] * 255 - cut.pixels[i]) < 1e-3f);
    }
    vgg_image_free(&cut);
    vgg_image_free(&resized);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets_have_their_figures),
        cmocka_unit_test(unusable_figures_are_named),
        cmocka_unit_test(inputs_equal_the_goldens),
        cmocka_unit_test(centre_is_torchvisions),
        cmocka_unit_test(pictures_take_the_channels_of_the_input),
        cmocka_unit_test(without_chance_it_is_the_centre_view),
        cmocka_unit_test(views_are_windows_of_the_picture),
        cmocka_unit_test(a_picture_without_choice_gets_a_black_margin),
        cmocka_unit_test(views_follow_from_three_numbers),
        cmocka_unit_test(augmenting_refuses_what_preprocessing_refuses),
        cmocka_unit_test(narrow_pictures_are_resized_where_the_cut_out_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
