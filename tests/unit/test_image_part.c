/* Decoding and preprocessing at once, which makes no pixels that the input does not show: the same
 * bits as one after the other, and what is wrong is seen all the same. */
#include "image_golden.h"

#include "jpegs.h"

#define SIDE_MOST 40
#define PICTURES 400
#define DAMAGED 600

static const jpeg_kind kinds[] = {
    {"4:2:0", 3, 2, 2, false, 0},
    {"4:2:0, restarts", 3, 2, 2, false, 3},
    {"4:2:0, progressive", 3, 2, 2, true, 0},
    {"4:2:2", 3, 2, 1, false, 0},
    {"4:4:0", 3, 1, 2, false, 0},
    {"4:1:1", 3, 4, 1, false, 0},
    {"4:1:0", 3, 4, 2, false, 0},
    {"4:4:4", 3, 1, 1, false, 0},
    {"4:4:4, progressive", 3, 1, 1, true, 0},
    {"grey", 1, 1, 1, false, 0},
    {"CMYK", 4, 1, 1, false, 0},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static uint32_t state = 1;

/* As many rounds, or a tenth under valgrind and the sanitizers. */
static size_t rounds(size_t most) {
    return getenv("VGG_TEST_QUICK") != NULL ? most / 10 : most;
}

/* A whole number from `least` to `most`. */
static size_t draw(size_t least, size_t most) {
    state = state * 1664525u + 1013904223u;
    return least + (state >> 8) % (most - least + 1);
}

static vgg_preprocess draw_preprocess(size_t channels) {
    vgg_preprocess preprocess;
    vgg_preprocess_init(&preprocess, sizeof preprocess);
    preprocess.channels = channels;
    preprocess.width = draw(1, SIDE_MOST);
    preprocess.height = draw(1, SIDE_MOST);
    preprocess.fit = (vgg_fit)draw(VGG_FIT_CROP, VGG_FIT_PAD);
    preprocess.filter = (vgg_filter)draw(VGG_FILTER_BILINEAR, VGG_FILTER_BICUBIC);
    if (preprocess.fit != VGG_FIT_PAD && draw(0, 3) > 0)
        preprocess.resize = draw(1, 2 * SIDE_MOST);
    return preprocess;
}

static void compare(const char *name, const unsigned char *bytes, size_t size,
                    const vgg_preprocess *preprocess) {
    static float expected[3 * SIDE_MOST * SIDE_MOST], found[3 * SIDE_MOST * SIDE_MOST];
    vgg_image image = {0};
    vgg_error error = {0}, at_once = {0};
    vgg_status status = vgg_image_decode(bytes, size, name, &image, &error);
    bool decoded = status == VGG_OK;
    if (decoded)
        status = vgg_preprocess_image(preprocess, &image, expected, &error);
    assert_int_equal(vgg_preprocess_encoded(preprocess, bytes, size, name, NULL, found, &at_once),
                     status);
    if (!decoded)
        assert_string_equal(at_once.message, error.message);
    else if (status != VGG_OK)
        assert_non_null(strstr(at_once.message, error.message));
    size_t count = preprocess->channels * preprocess->width * preprocess->height;
    if (status == VGG_OK && memcmp(expected, found, count * sizeof *found) != 0)
        fail_msg("%s, %zu x %zu, to %zu x %zu: other bits", name, image.width, image.height,
                 preprocess->width, preprocess->height);
    vgg_image_free(&image);
}

static void parts_have_the_bits_of_the_whole(void **unused) {
    (void)unused;
    for (size_t k = 0; k < KINDS; k++) {
        for (size_t i = 0; i < rounds(PICTURES); i++) {
            unsigned long size = 0;
            unsigned char *bytes = make_jpeg(&kinds[k], draw(1, 150), draw(1, 150), &size);
            vgg_preprocess preprocess = draw_preprocess(draw(0, 4) == 0 ? 1 : 3);
            compare(kinds[k].name, bytes, size, &preprocess);
            free(bytes);
        }
    }
}

static void other_pictures_have_them_too(void **unused) {
    (void)unused;
    const char *const names[] = {"exif1.jpg", "exif2.jpg", "exif5.jpg",
                                 "exif6.jpg", "exif8.jpg", "bmp_rgb.bmp"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t size = 0;
        unsigned char *bytes = golden_bytes(names[i], &size);
        for (size_t times = 0; times < 20; times++) {
            vgg_preprocess preprocess = draw_preprocess(3);
            compare(names[i], bytes, size, &preprocess);
        }
        free(bytes);
    }
}

static void damage_is_seen_all_the_same(void **unused) {
    (void)unused;
    for (size_t k = 0; k < KINDS; k++) {
        unsigned long size = 0;
        unsigned char *bytes = make_jpeg(&kinds[k], 90, 150, &size);
        unsigned char *damaged = malloc(size);
        assert_non_null(damaged);
        for (size_t i = 0; i < rounds(DAMAGED); i++) {
            vgg_preprocess preprocess = draw_preprocess(3);
            memcpy(damaged, bytes, size);
            size_t left = i % 3 == 0 ? draw(1, size) : size;
            if (i % 3 != 0)
                damaged[draw(2, size - 1)] = (unsigned char)draw(0, 255);
            compare(kinds[k].name, damaged, left, &preprocess);
        }
        free(damaged);
        free(bytes);
    }
}

static void a_picture_of_another_size_is_named(void **unused) {
    (void)unused;
    unsigned long size = 0;
    unsigned char *bytes = make_jpeg(&kinds[0], 20, 30, &size);
    vgg_preprocess preprocess = draw_preprocess(3);
    preprocess.fit = VGG_FIT_NONE;
    preprocess.resize = 0;
    preprocess.width = preprocess.height = 20;
    float input[3 * 20 * 20];
    vgg_error error = {0};
    assert_int_equal(vgg_preprocess_encoded(&preprocess, bytes, size, "x.jpg", NULL, input, &error),
                     VGG_ERROR_SHAPE);
    assert_contains(error.message, "x.jpg: the picture is 20 x 30, expected 20 x 20");
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_have_the_bits_of_the_whole),
        cmocka_unit_test(other_pictures_have_them_too),
        cmocka_unit_test(damage_is_seen_all_the_same),
        cmocka_unit_test(a_picture_of_another_size_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
