/* JPEGs decoded at a reduced size: how large they stay, how little that changes, and who asks for
 * it. */
#include "data_files.h"

#include "base/memory.h"
#include "jpegs.h"

/* What vgg/image.h says of a picture that is halved afterwards. */
#define MEAN_DIFFERENCE 2.0

static const jpeg_kind kinds[] = {
    {"4:2:0", 3, 2, 2, false, 0},
    {"4:4:4, progressive", 3, 1, 1, true, 0},
    {"4:2:0, progressive", 3, 2, 2, true, 0},
    {"grey", 1, 1, 1, false, 0},
    {"CMYK", 4, 1, 1, false, 0},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static vgg_image decode(const unsigned char *bytes, size_t size, size_t least) {
    vgg_image image = {0};
    vgg_error error = {0};
    assert_ok(vgg_image_decode_reduced(bytes, size, "x.jpg", least, &image, &error), error);
    return image;
}

static vgg_image resized(const vgg_image *image, size_t width, size_t height) {
    vgg_image result = {0};
    vgg_error error = {0};
    assert_ok(vgg_image_resize(image, width, height, VGG_FILTER_BILINEAR, &result, &error), error);
    return result;
}

static double mean_difference(const vgg_image *a, const vgg_image *b) {
    size_t count = a->width * a->height * a->channels;
    assert_int_equal(count, b->width * b->height * b->channels);
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += abs(a->pixels[i] - b->pixels[i]);
    }
    return sum / (double)count;
}

static void sizes_are_halved_while_they_suffice(void **state) {
    (void)state;
    const struct {
        size_t least, divisor;
    } cases[] = {{0, 1},   {30000, 1}, {402, 1}, {401, 1}, {201, 1}, {200, 2},
                 {101, 2}, {100, 4},   {51, 4},  {50, 8},  {25, 8},  {1, 8}};
    for (size_t k = 0; k < KINDS; k++) {
        unsigned long size = 0;
        unsigned char *bytes = make_jpeg(&kinds[k], 401, 535, &size);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            vgg_image image = decode(bytes, size, cases[i].least);
            size_t divisor = cases[i].divisor;
            assert_int_equal(image.width, (401 + divisor - 1) / divisor);
            assert_int_equal(image.height, (535 + divisor - 1) / divisor);
            assert_int_equal(image.channels, kinds[k].components == 1 ? 1 : 3);
            vgg_image_free(&image);
        }
        free(bytes);
    }
}

static void reduced_pictures_hardly_differ(void **state) {
    (void)state;
    const size_t sizes[][2] = {{400, 536}, {640, 480}, {1000, 1336}};
    for (size_t k = 0; k < KINDS; k++) {
        for (size_t s = 0; s < 3; s++) {
            size_t width = sizes[s][0], height = sizes[s][1];
            unsigned long size = 0;
            unsigned char *bytes = make_jpeg(&kinds[k], width, height, &size);
            vgg_image whole = decode(bytes, size, 0);
            for (size_t divisor = 2; divisor <= 8; divisor *= 2) {
                /* The largest resize that this reduction serves. */
                size_t w = width / divisor / 2, h = height / divisor / 2;
                vgg_image image = decode(bytes, size, 2 * vgg_size_min(w, h));
                assert_true(image.width < whole.width);
                vgg_image expected = resized(&whole, w, h), found = resized(&image, w, h);
                double difference = mean_difference(&found, &expected);
                if (difference >= MEAN_DIFFERENCE)
                    fail_msg("%s, %zu x %zu at 1/%zu: differs by %.2f on average", kinds[k].name,
                             width, height, divisor, difference);
                vgg_image_free(&expected);
                vgg_image_free(&found);
                vgg_image_free(&image);
            }
            vgg_image_free(&whole);
            free(bytes);
        }
    }
}

static void other_formats_stay_whole(void **state) {
    (void)state;
    write_picture("other/x.png", 64, 3, 77);
    vgg_image image = {0};
    vgg_error error = {0};
    assert_ok(vgg_image_load_reduced(at("other/x.png"), 1, &image, &error), error);
    assert_int_equal(image.width, 64);
    vgg_image_free(&image);
}

static void a_reduced_jpeg_cut_short_is_refused(void **state) {
    (void)state;
    unsigned long size = 0;
    unsigned char *bytes = make_jpeg(&kinds[0], 401, 535, &size);
    vgg_image image = {0};
    vgg_error error = {0};
    assert_int_equal(vgg_image_decode_reduced(bytes, size / 2, "x.jpg", 10, &image, &error),
                     VGG_ERROR_FORMAT);
    assert_contains(error.message, "x.jpg: this JPEG is cut short");
    free(bytes);
}

/* ---- who asks for it ---- */

#define SIDE ((size_t)56) /* resized to 64: a half of 256 x 300 serves, a quarter does not */
#define INPUT (3 * SIDE * SIDE)

static vgg_dataset *open_jpegs(void) {
    for (size_t i = 0; i < 2; i++) {
        unsigned long size = 0;
        unsigned char *bytes = make_jpeg(&kinds[i], 256, 300, &size);
        write_bytes(i == 0 ? "jpegs/a/0.jpg" : "jpegs/b/1.jpg", bytes, size);
        free(bytes);
    }
    vgg_dataset *dataset = NULL;
    vgg_error error = {0};
    assert_ok(vgg_dataset_open(at("jpegs"), NULL, &dataset, NULL, &error), error);
    return dataset;
}

static void load_first(const vgg_dataset *dataset, const vgg_preprocess *preprocess,
                       const vgg_augment *augment, float *input) {
    vgg_loader_options options;
    vgg_loader_options_init(&options, sizeof options);
    options.augment = augment;
    options.seed = 3;
    vgg_loader *loader = NULL;
    vgg_error error = {0};
    const vgg_batch *batch;
    assert_ok(vgg_loader_create(dataset, preprocess, &options, &loader, &error), error);
    assert_ok(vgg_loader_start(loader, 1, 0, &error), error);
    assert_ok(vgg_loader_next(loader, &batch, &error), error);
    assert_int_equal(batch->count, 2);
    memcpy(input, batch->inputs, INPUT * sizeof *input);
    vgg_loader_free(loader);
}

static void random_views_are_reduced_and_centre_views_are_not(void **state) {
    (void)state;
    vgg_dataset *dataset = open_jpegs();
    vgg_preprocess preprocess = {.struct_size = sizeof preprocess};
    vgg_error error = {0};
    assert_ok(vgg_preprocess_preset("unit", 3, SIDE, SIDE, &preprocess, &error), error);
    assert_int_equal(preprocess.resize, 64);
    vgg_augment augment = {.struct_size = sizeof augment, .crop = true, .flip = true};
    vgg_image half = {0}, whole = {0};
    assert_ok(vgg_dataset_read_reduced(dataset, 0, 128, &half, &error), error);
    assert_ok(vgg_dataset_read(dataset, 0, &whole, &error), error);
    assert_int_equal(half.width, 128);
    assert_int_equal(whole.width, 256);
    float *found = malloc(INPUT * sizeof *found), *expected = malloc(INPUT * sizeof *expected);
    assert_true(found != NULL && expected != NULL);
    load_first(dataset, &preprocess, &augment, found);
    assert_ok(vgg_preprocess_augmented(&preprocess, &augment, &half, 3, 1, 0, expected, &error),
              error);
    assert_memory_equal(found, expected, INPUT * sizeof *found);
    load_first(dataset, &preprocess, NULL, found);
    assert_ok(vgg_preprocess_image(&preprocess, &whole, expected, &error), error);
    assert_memory_equal(found, expected, INPUT * sizeof *found);
    free(found);
    free(expected);
    vgg_image_free(&half);
    vgg_image_free(&whole);
    vgg_dataset_free(dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_halved_while_they_suffice),
        cmocka_unit_test(reduced_pictures_hardly_differ),
        cmocka_unit_test(other_formats_stay_whole),
        cmocka_unit_test(a_reduced_jpeg_cut_short_is_refused),
        cmocka_unit_test(random_views_are_reduced_and_centre_views_are_not),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
