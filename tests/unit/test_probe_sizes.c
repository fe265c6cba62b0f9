/* The options and the result of a probe, from callers that know less of them or more than the
 * library. */
#include <math.h>

#include "edge.h"
#include "vgg/probe.h"
#include "vgg_test.h"

static const float rows[] = {0, 1, 2, 3, 4, 5};
static const size_t classes[] = {0, 0, 0, 1, 1, 1};

static vgg_status fit(const void *options, void *result, vgg_error *error) {
    float weights[2], biases[2];
    return vgg_probe_fit(rows, classes, 6, 1, 2, options, weights, biases, result, error);
}

static void options_of_other_sizes(void **state) {
    (void)state;
    const size_t sizes[] = {sizeof(size_t), offsetof(vgg_probe_options, seed),
                            sizeof(vgg_probe_options), sizeof(vgg_probe_options) + 64};
    vgg_error error = {0};
    size_t nothing = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned char *options = edge(sizes[i]);
        vgg_probe_options_init((vgg_probe_options *)(void *)options, sizes[i]);
        assert_ok(fit(options, NULL, &error), error);
        if (i == 3) {
            options[sizes[i] - 1] = 1;
            assert_int_equal(fit(options, NULL, &error), VGG_ERROR_ARGUMENT);
            assert_contains(error.message, "is not zero");
        }
        unmap(options, sizes[i]);
    }
    assert_int_equal(fit(&nothing, NULL, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "vgg_probe_options");
}

static void results_of_other_sizes(void **state) {
    (void)state;
    const size_t sizes[] = {2 * sizeof(size_t), sizeof(vgg_probe_result),
                            sizeof(vgg_probe_result) + 64};
    for (size_t i = 0; i < 3; i++) {
        unsigned char *result = edge(sizes[i]);
        vgg_error error = {0};
        double c;
        set_size(result, sizes[i]);
        assert_ok(fit(NULL, result, &error), error);
        assert_int_equal(size_of(result), sizes[i]);
        memcpy(&c, result + sizeof(size_t), sizeof c);
        assert_true(c > 0);
        set_size(result, 0);
        assert_int_equal(fit(NULL, result, &error), VGG_ERROR_ARGUMENT);
        assert_contains(error.message, "vgg_probe_result");
        unmap(result, sizes[i]);
    }
}

static void what_makes_no_sense_is_refused(void **state) {
    (void)state;
    const size_t far[] = {0, 0, 0, 0, 0, 2}, lonely[] = {0, 0, 0, 0, 0, 0};
    const float broken[] = {0, 1, 2, 3, 4, NAN};
    float weights[2], biases[2];
    vgg_error error;
    assert_int_equal(vgg_probe_fit(rows, far, 6, 1, 2, NULL, weights, biases, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "row 5 is of class 2, expected 0 to 1");
    assert_int_equal(vgg_probe_fit(rows, lonely, 6, 1, 2, NULL, weights, biases, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "class 1 has no rows");
    assert_int_equal(vgg_probe_fit(broken, classes, 6, 1, 2, NULL, weights, biases, NULL, &error),
                     VGG_ERROR_NUMERIC);
    assert_contains(error.message, "row 5");
}

static void what_is_too_large_to_square_is_told(void **state) {
    (void)state;
    const float huge[] = {1e30F, 2e30F, 3e30F, 4e30F, 5e30F, 3e38F};
    float weights[2], biases[2];
    vgg_probe_options options;
    vgg_probe_result result = {.struct_size = sizeof result};
    vgg_error error;
    vgg_probe_options_init(&options, sizeof options);
    options.c = 1e-3;
    assert_ok(vgg_probe_fit(rows, classes, 6, 1, 2, &options, weights, biases, &result, &error),
              error);
    assert_true(result.converged);
    options.standardise = false;
    assert_int_equal(
        vgg_probe_fit(huge, classes, 6, 1, 2, &options, weights, biases, &result, &error),
        VGG_ERROR_NUMERIC);
    assert_contains(error.message, "so large");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_of_other_sizes),
        cmocka_unit_test(results_of_other_sizes),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(what_is_too_large_to_square_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
