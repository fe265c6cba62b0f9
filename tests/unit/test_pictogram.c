/* Pictograms: repeatable, different from one another, written as a data set that opens. */
#include "data_files.h"

static vgg_image draw(size_t class_index, size_t size, uint64_t seed, uint64_t index) {
    vgg_image image = {0};
    vgg_error error;
    assert_ok(vgg_pictogram_draw(class_index, size, seed, index, &image, &error), error);
    assert_true(image.width == size && image.height == size && image.channels == 3);
    return image;
}

static void a_picture_is_a_function_of_its_numbers(void **state) {
    (void)state;
    vgg_image first = draw(3, 32, 7, 5);
    const uint64_t numbers[][3] = {{3, 7, 5}, {4, 7, 5}, {3, 8, 5}, {3, 7, 6}};
    for (size_t i = 0; i < 4; i++) {
        /* Memory that was used before must not shine through. */
        void *dirt = malloc(32 * 32 * 3 * sizeof(double));
        assert_non_null(dirt);
        memset(dirt, 0xff, 32 * 32 * 3 * sizeof(double));
        free(dirt);
        vgg_image other = draw((size_t)numbers[i][0], 32, numbers[i][1], numbers[i][2]);
        assert_int_equal(memcmp(first.pixels, other.pixels, 32 * 32 * 3) == 0, i == 0);
        vgg_image_free(&other);
    }
    vgg_image_free(&first);
}

/* The ground and the shape differ, so that samples spread; no picture is of one colour. */
static void every_shape_stands_out(void **state) {
    (void)state;
    for (size_t c = 0; c < VGG_PICTOGRAM_CLASSES; c++) {
        for (uint64_t i = 0; i < 10; i++) {
            vgg_image image = draw(c, 48, 1, i);
            double sum = 0.0, squares = 0.0, n = 48 * 48 * 3;
            for (size_t k = 0; k < 48 * 48 * 3; k++) {
                sum += image.pixels[k];
                squares += (double)image.pixels[k] * image.pixels[k];
            }
            assert_true(squares / n - (sum / n) * (sum / n) > 8.0 * 8.0);
            vgg_image_free(&image);
        }
    }
}

static void names_and_wrong_numbers(void **state) {
    (void)state;
    vgg_image image = {0};
    vgg_error error;
    assert_string_equal(vgg_pictogram_name(0), "circle");
    assert_string_equal(vgg_pictogram_name(9), "house");
    assert_null(vgg_pictogram_name(10));
    assert_int_equal(vgg_pictogram_draw(10, 32, 0, 0, &image, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "class 10");
    assert_int_equal(vgg_pictogram_draw(0, 7, 0, 0, &image, &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_pictogram_draw(0, 4097, 0, 0, &image, &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_pictogram_write(at("w"), 0, 0, 32, 0, NULL, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_pictogram_write(at("w"), SIZE_MAX, 2, 32, 0, NULL, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    vgg_image_free(&image);
}

static bool count_to(void *user, size_t done, size_t total) {
    size_t *left = user;
    assert_true(done >= 1 && done <= total);
    return --*left > 0;
}

static void written_folders_open(void **state) {
    (void)state;
    vgg_error error;
    size_t left = 1000;
    assert_ok(vgg_pictogram_write(at("demo"), 3, 2, 16, 4, count_to, &left, &error), error);
    assert_int_equal(left, 1000 - 50);
    vgg_dataset *train, *validation;
    assert_ok(vgg_dataset_open(at("demo"), NULL, &train, &validation, &error), error);
    assert_int_equal(vgg_dataset_count(train), 30);
    assert_int_equal(vgg_dataset_count(validation), 20);
    assert_int_equal(vgg_dataset_class_count(train), 10);
    vgg_image a = {0}, b = {0};
    assert_ok(vgg_dataset_read(train, 0, &a, &error), error);
    assert_ok(vgg_dataset_read(validation, 0, &b, &error), error);
    assert_memory_not_equal(a.pixels, b.pixels, 16 * 16 * 3);
    vgg_image_free(&b);
    b = draw(7, 16, 4, 0); /* the first class by name is the arrow */
    assert_memory_equal(a.pixels, b.pixels, 16 * 16 * 3);
    vgg_image_free(&a);
    vgg_image_free(&b);
    vgg_dataset_free(train);
    vgg_dataset_free(validation);
}

static void writing_can_be_stopped(void **state) {
    (void)state;
    vgg_error error;
    size_t left = 7;
    assert_int_equal(vgg_pictogram_write(at("part"), 3, 2, 16, 4, count_to, &left, &error),
                     VGG_ERROR_STOPPED);
    assert_contains(error.message, "7 of 50");
    write_bytes("file", "x", 1);
    assert_int_equal(vgg_pictogram_write(at("file"), 1, 1, 16, 4, NULL, NULL, &error),
                     VGG_ERROR_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_is_a_function_of_its_numbers),
        cmocka_unit_test(every_shape_stands_out),
        cmocka_unit_test(names_and_wrong_numbers),
        cmocka_unit_test(written_folders_open),
        cmocka_unit_test(writing_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
