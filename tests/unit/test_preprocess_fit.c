/* How pictures come to the input's size, and figures that are said one by one. */
#include "image_golden.h"

static vgg_preprocess preset(const char *name, size_t channels, size_t side) {
    vgg_preprocess preprocess = {.struct_size = sizeof preprocess};
    vgg_error error = {0};
    assert_ok(vgg_preprocess_preset(name, channels, side, side, &preprocess, &error), error);
    return preprocess;
}

typedef struct fit_case {
    const char *name;
    vgg_fit fit;
    size_t resize;
} fit_case;

/* Against Pillow: each sample, to the bit. */
static void assert_fit(const fit_case *fit, vgg_filter filter, const char *way,
                       const vgg_image *image, size_t width, size_t height) {
    char file[96];
    snprintf(file, sizeof file, "fit_%s_%s_%s_%zux%zu.ppm", fit->name, vgg_filter_name(filter), way,
             width, height);
    vgg_image expected = golden_picture(file);
    vgg_preprocess p;
    vgg_preprocess_init(&p, sizeof p);
    p.width = width;
    p.height = height;
    p.fit = fit->fit;
    p.resize = fit->resize;
    p.filter = filter;
    float *found = malloc(3 * width * height * sizeof *found);
    assert_non_null(found);
    vgg_error error = {0};
    assert_ok(vgg_preprocess_image(&p, image, found, &error), error);
    for (size_t i = 0; i < 3 * width * height; i++) {
        size_t place = i % (width * height), channel = i / (width * height);
        if (found[i] != (float)expected.pixels[3 * place + channel])
            fail_msg("%s: sample %zu is %g, expected %d", file, i, (double)found[i],
                     expected.pixels[3 * place + channel]);
    }
    free(found);
    vgg_image_free(&expected);
}

static void fits_are_pillows(void **state) {
    (void)state;
    static const fit_case fits[] = {
        {"squash", VGG_FIT_SQUASH, 0}, {"short", VGG_FIT_SQUASH, 20}, {"pad", VGG_FIT_PAD, 0}};
    static const size_t sizes[][2] = {{16, 16}, {21, 12}, {11, 30}};
    vgg_image lying = golden_picture("resize_rgb.ppm");
    vgg_image upright = {.width = lying.height, .height = lying.width, .channels = 3};
    upright.pixels = malloc(3 * lying.width * lying.height);
    assert_non_null(upright.pixels);
    /* Turned to the left: the last column becomes the first row. */
    for (size_t i = 0; i < lying.width * lying.height; i++) {
        size_t x = lying.width - 1 - i / upright.width, y = i % upright.width;
        memcpy(upright.pixels + 3 * i, lying.pixels + 3 * (y * lying.width + x), 3);
    }
    for (size_t i = 0; i < 3; i++) {
        for (size_t s = 0; s < 3; s++) {
            for (int f = VGG_FILTER_BILINEAR; f <= VGG_FILTER_BICUBIC; f++) {
                assert_fit(&fits[i], (vgg_filter)f, "lying", &lying, sizes[s][0], sizes[s][1]);
                assert_fit(&fits[i], (vgg_filter)f, "upright", &upright, sizes[s][0], sizes[s][1]);
            }
        }
    }
    vgg_image_free(&upright);
    vgg_image_free(&lying);
}

static void a_picture_that_is_not_fitted_has_the_size(void **state) {
    (void)state;
    vgg_image image = golden_picture("resize_rgb.ppm");
    vgg_preprocess p;
    vgg_preprocess_init(&p, sizeof p);
    p.width = 37;
    p.height = 23;
    p.fit = VGG_FIT_NONE;
    float input[3 * 37 * 23];
    vgg_error error = {0};
    assert_ok(vgg_preprocess_image(&p, &image, input, &error), error);
    assert_true(input[1] == (float)image.pixels[3]);
    p.width = 36;
    assert_int_equal(vgg_preprocess_image(&p, &image, input, &error), VGG_ERROR_SHAPE);
    assert_contains(error.message, "the picture is 37 x 23, expected 36 x 23");
    p.resize = 30;
    assert_int_equal(vgg_preprocess_check(&p, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "with the fit none there is no short side to resize to");
    vgg_image_free(&image);
}

/* A line of pixels is fitted in as one. */
static void a_fitted_picture_keeps_a_pixel(void **state) {
    (void)state;
    vgg_image image;
    vgg_error error = {0};
    const vgg_image dot = {.width = 1, .height = 1, .channels = 1, .pixels = (uint8_t[]){200}};
    assert_ok(vgg_image_resize(&dot, 1000, 1, VGG_FILTER_BILINEAR, &image, &error), error);
    vgg_preprocess p;
    vgg_preprocess_init(&p, sizeof p);
    p.channels = 1;
    p.width = p.height = 8;
    p.fit = VGG_FIT_PAD;
    float input[64];
    assert_ok(vgg_preprocess_image(&p, &image, input, &error), error);
    for (size_t i = 0; i < 64; i++) {
        assert_true(input[i] == (i / 8 == 4 ? 200 : 0));
    }
    vgg_image_free(&image);
}

static void changes_are_of_colours(void **state) {
    (void)state;
    vgg_preprocess p = preset("torchvision", 3, 32);
    vgg_preprocess_changes changes;
    vgg_preprocess_changes_init(&changes, sizeof changes);
    vgg_error error = {0};
    assert_ok(vgg_preprocess_change(&p, &changes, &error), error);
    assert_string_equal(p.name, "torchvision");
    changes.parts = VGG_PREPROCESS_ORDER;
    changes.bgr = true;
    assert_ok(vgg_preprocess_change(&p, &changes, &error), error);
    assert_string_equal(p.name, "custom");
    assert_true(p.bgr && p.mean[0] == 0.406 && p.mean[2] == 0.485 && p.deviation[0] == 0.225);
    changes.parts = VGG_PREPROCESS_MEAN | VGG_PREPROCESS_DEVIATION;
    changes.mean_count = 3;
    changes.mean[0] = 0.1; /* of red */
    changes.mean[1] = 0.2;
    changes.mean[2] = 0.3;
    changes.deviation_count = 1;
    changes.deviation[0] = 0.5;
    assert_ok(vgg_preprocess_change(&p, &changes, &error), error);
    assert_true(p.bgr && p.mean[0] == 0.3 && p.mean[2] == 0.1);
    assert_true(p.deviation[0] == 0.5 && p.deviation[2] == 0.5 && p.scale == 1.0 / 255);
}

static void a_new_fit_has_a_usual_short_side(void **state) {
    (void)state;
    vgg_preprocess p = preset("unit", 3, 224);
    vgg_preprocess_changes changes;
    vgg_preprocess_changes_init(&changes, sizeof changes);
    vgg_error error = {0};
    changes.parts = VGG_PREPROCESS_FIT;
    changes.fit = VGG_FIT_SQUASH;
    assert_ok(vgg_preprocess_change(&p, &changes, &error), error);
    assert_true(p.fit == VGG_FIT_SQUASH && p.resize == 0);
    assert_string_equal(p.name, "unit");
    changes.fit = VGG_FIT_CROP;
    assert_ok(vgg_preprocess_change(&p, &changes, &error), error);
    assert_int_equal(p.resize, 256);
    changes.parts = VGG_PREPROCESS_RESIZE | VGG_PREPROCESS_FILTER;
    changes.resize = 232;
    changes.filter = VGG_FILTER_BICUBIC;
    assert_ok(vgg_preprocess_change(&p, &changes, &error), error);
    assert_true(p.resize == 232 && p.filter == VGG_FILTER_BICUBIC && p.fit == VGG_FIT_CROP);
}

static void changes_that_cannot_be_meant_are_refused(void **state) {
    (void)state;
    const vgg_preprocess before = preset("unit", 3, 32);
    vgg_preprocess p = before;
    vgg_preprocess_changes changes;
    vgg_preprocess_changes_init(&changes, sizeof changes);
    vgg_error error = {0};
    changes.parts = VGG_PREPROCESS_MEAN;
    changes.mean_count = 1;
    changes.mean[0] = 123.68;
    assert_int_equal(vgg_preprocess_change(&p, &changes, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "a mean of 123.68 lies beyond the samples, which are 0 to 1");
    changes.parts |= VGG_PREPROCESS_SCALE;
    changes.scale = 1;
    assert_ok(vgg_preprocess_change(&p, &changes, &error), error);
    p = before;
    changes.mean_count = 2;
    assert_int_equal(vgg_preprocess_change(&p, &changes, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "found 2 figures for the mean, expected 1 or 3");
    changes.parts = VGG_PREPROCESS_FIT;
    changes.fit = (vgg_fit)7;
    assert_int_equal(vgg_preprocess_change(&p, &changes, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "fit is number 7");
    changes.parts = 1u << 20;
    assert_int_equal(vgg_preprocess_change(&p, &changes, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "parts to change are 0x100000");
    assert_memory_equal(&p, &before, sizeof p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_are_pillows),
        cmocka_unit_test(a_picture_that_is_not_fitted_has_the_size),
        cmocka_unit_test(a_fitted_picture_keeps_a_pixel),
        cmocka_unit_test(changes_are_of_colours),
        cmocka_unit_test(a_new_fit_has_a_usual_short_side),
        cmocka_unit_test(changes_that_cannot_be_meant_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
