/* Structs of callers that know less or more than the library. */
#include <string.h>

#include "base/options.h"
#include "vgg_test.h"

typedef struct short_struct {
    size_t struct_size;
    int first;
    int second;
} short_struct;

typedef struct own_struct {
    size_t struct_size;
    int first;
    int second;
    double third;
} own_struct;

typedef struct long_struct {
    own_struct known;
    double fourth;
    char fifth;
} long_struct;

static const own_struct defaults = {sizeof defaults, 1, 2, 3};

/* ---- options ---- */

static void defaults_are_cut_off_or_filled_up(void **state) {
    (void)state;
    short_struct little;
    vgg_options_init(&little, sizeof little, &defaults, sizeof defaults);
    assert_int_equal(little.struct_size, sizeof little);
    assert_int_equal(little.second, 2);
    long_struct large;
    memset(&large, 0xff, sizeof large);
    vgg_options_init(&large, sizeof large, &defaults, sizeof defaults);
    assert_int_equal(large.known.struct_size, sizeof large);
    assert_true(large.known.third == 3 && large.fourth == 0);
    assert_int_equal(large.fifth, 0);
}

static void shorter_options_leave_defaults(void **state) {
    (void)state;
    own_struct own = defaults;
    short_struct given = {sizeof given, 10, 20};
    vgg_error error;
    assert_ok(vgg_options_read(&own, sizeof own, &given, "vgg_x_options", &error), error);
    assert_int_equal(own.struct_size, sizeof own);
    assert_int_equal(own.second, 20);
    assert_true(own.third == 3);
    assert_ok(vgg_options_read(&own, sizeof own, NULL, "vgg_x_options", &error), error);
    assert_int_equal(own.second, 20);
}

static void longer_options_must_end_in_zeros(void **state) {
    (void)state;
    own_struct own = defaults;
    long_struct given = {.known = {sizeof given, 10, 20, 30}};
    vgg_error error;
    assert_ok(vgg_options_read(&own, sizeof own, &given, "vgg_x_options", &error), error);
    assert_int_equal(own.struct_size, sizeof own);
    assert_true(own.third == 30);
    for (size_t at = sizeof own; at < sizeof given; at++) {
        unsigned char bytes[sizeof given];
        memcpy(bytes, &given, sizeof given);
        bytes[at] = 1;
        own = defaults;
        assert_int_equal(vgg_options_read(&own, sizeof own, bytes, "vgg_x_options", &error),
                         VGG_ERROR_ARGUMENT);
        assert_int_equal(own.first, 1);
    }
    assert_string_equal(error.message,
                        "vgg_x_options of 40 bytes have something set that is not "
                        "zero behind the first 24 bytes, which are all that libvgg " VGG_VERSION
                        " knows");
}

static void options_that_were_not_set_up(void **state) {
    (void)state;
    static const size_t wrong[] = {0, 1, sizeof(size_t) - 1, 65537, (size_t)-1};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        own_struct own = defaults, given = {.struct_size = wrong[i]};
        vgg_error error;
        assert_int_equal(vgg_options_read(&own, sizeof own, &given, "vgg_x_options", &error),
                         VGG_ERROR_ARGUMENT);
        assert_string_equal(error.message, "vgg_x_options were not set up with vgg_x_options_init");
    }
}

/* ---- results ---- */

static void results_keep_the_callers_size(void **state) {
    (void)state;
    vgg_error error;
    struct {
        short_struct known;
        int behind;
    } little = {{.struct_size = sizeof little.known}, 77};
    assert_ok(vgg_result_write(&little, &defaults, sizeof defaults, "vgg_x_info", &error), error);
    assert_int_equal(little.known.struct_size, sizeof little.known);
    assert_int_equal(little.known.second, 2);
    assert_int_equal(little.behind, 77);
    long_struct large;
    memset(&large, 0xff, sizeof large);
    large.known.struct_size = sizeof large;
    assert_ok(vgg_result_write(&large, &defaults, sizeof defaults, "vgg_x_info", &error), error);
    assert_int_equal(large.known.struct_size, sizeof large);
    assert_true(large.known.third == 3 && large.fourth == 0);
    assert_int_equal(large.fifth, 0);
}

static void results_without_a_size(void **state) {
    (void)state;
    static const size_t wrong[] = {0, sizeof(size_t) - 1, 65537, (size_t)-1};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        own_struct given = {wrong[i], 5, 6, 7};
        vgg_error error;
        assert_int_equal(vgg_result_write(&given, &defaults, sizeof defaults, "vgg_x_info", &error),
                         VGG_ERROR_ARGUMENT);
        assert_contains(error.message, "struct_size of vgg_x_info is ");
        assert_contains(error.message, "expected its size, sizeof(vgg_x_info)");
        assert_true(given.struct_size == wrong[i] && given.first == 5 && given.third == 7);
    }
}

/* ---- copies ---- */

static void copies_fit_their_place(void **state) {
    (void)state;
    short_struct little;
    vgg_struct_copy(&little, sizeof little, &defaults);
    assert_int_equal(little.struct_size, sizeof little);
    assert_int_equal(little.second, 2);
    long_struct large;
    memset(&large, 0xff, sizeof large);
    vgg_struct_copy(&large, sizeof large, &defaults);
    assert_int_equal(large.known.struct_size, sizeof large);
    assert_true(large.known.third == 3 && large.fourth == 0);
    assert_int_equal(large.fifth, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_cut_off_or_filled_up),
        cmocka_unit_test(shorter_options_leave_defaults),
        cmocka_unit_test(longer_options_must_end_in_zeros),
        cmocka_unit_test(options_that_were_not_set_up),
        cmocka_unit_test(results_keep_the_callers_size),
        cmocka_unit_test(results_without_a_size),
        cmocka_unit_test(copies_fit_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
