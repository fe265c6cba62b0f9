/* Networks calibrated for int8: near those in float32, the same bits for any threads and batch,
 * whatever the pictures hold; and when scales are forgotten or refused. */
#include <math.h>

#include "nn/network.h"
#include "plans.h"
#include "vgg/calibrate.h"

enum { SIDE = 20, CLASSES = 7, IMAGES = 40, FEW = 5, INPUT = 3 * SIDE * SIDE };

static const char arch[] = "16,24,M,33,M/40";

static vgg_network *draw_network(void) {
    vgg_network_options options = net_options(arch, CLASSES, 3, SIDE);
    options.batch_norm = true;
    vgg_network *network = make_net(&options);
    initialise(network, "kaiming", 3);
    return network;
}

static void hear(void *user, const char *message) {
    (void)message;
    ++*(size_t *)user;
}

/* Calibrates on so many pictures, and counts warnings. */
static vgg_calibration calibrate(vgg_network *network, size_t pictures, double max_drop,
                                 size_t *warnings) {
    vgg_error error;
    vgg_calibration_options options;
    vgg_calibration_options_init(&options, sizeof options);
    options.max_drop = max_drop;
    options.warn = hear;
    options.warn_user = warnings;
    vgg_calibration result = {.struct_size = sizeof result};
    float *inputs = random_floats(pictures * INPUT, 9);
    *warnings = 0;
    assert_ok(vgg_network_calibrate(network, inputs, pictures, &options, &result, &error), error);
    free(inputs);
    return result;
}

/* FEW pictures in batches of `batch`. */
static void run(vgg_network *network, const float *inputs, size_t batch, size_t threads,
                float logits[FEW * CLASSES]) {
    vgg_error error;
    vgg_plan_options options = plan_options(batch, threads);
    options.tuned_batch = FEW;
    vgg_plan *plan = make_plan(network, &options);
    for (size_t n = 0; n < FEW; n += batch) {
        size_t count = n + batch <= FEW ? batch : FEW - n;
        assert_ok(vgg_plan_forward(plan, inputs + n * INPUT, count, logits + n * CLASSES, &error),
                  error);
    }
    vgg_plan_free(plan);
}

static void test_near_and_the_same_bits(void **state) {
    (void)state;
    vgg_network *network = draw_network();
    float *inputs = random_floats(FEW * INPUT, 5);
    float floats[FEW * CLASSES], whole[FEW * CLASSES], again[FEW * CLASSES];
    run(network, inputs, FEW, 1, floats);
    size_t warnings;
    vgg_calibration found = calibrate(network, IMAGES, 1, &warnings);
    assert_int_equal(found.convolutions, 2);
    assert_int_equal(found.pictures, IMAGES);
    assert_int_equal(warnings, 0);
    assert_true(found.error > 0 && found.error < 0.1);
    run(network, inputs, FEW, 1, whole);
    double noise = 0, signal = 0;
    for (size_t i = 0; i < FEW * CLASSES; i++) {
        noise += pow((double)(whole[i] - floats[i]), 2);
        signal += pow((double)floats[i], 2);
    }
    assert_true(noise > 0 && noise < 0.01 * signal);
    for (size_t threads = 1; threads <= 3; threads++) {
        for (size_t batch = 1; batch <= FEW; batch += 2) {
            run(network, inputs, batch, threads, again);
            assert_memory_equal(whole, again, sizeof again);
        }
    }
    free(inputs);
    vgg_network_free(network);
}

/* Far beyond the calibration, all zero and not finite: numbers saturate, and logits are finite
 * where the first layer, which is in float32, puts out numbers. */
static void test_other_pictures(void **state) {
    (void)state;
    vgg_network *network = draw_network();
    size_t warnings;
    calibrate(network, IMAGES, 1, &warnings);
    const float values[FEW] = {0, 1e6f, -1e30f, (float)NAN, (float)INFINITY};
    float *inputs = random_floats(FEW * INPUT, 5), logits[FEW * CLASSES];
    for (size_t i = 0; i < FEW; i++) {
        inputs[i * INPUT + 7] = values[i];
        inputs[i * INPUT + INPUT / 2] = values[i];
    }
    run(network, inputs, FEW, 2, logits);
    for (size_t i = 0; i < FEW * CLASSES; i++) {
        assert_true(isfinite(logits[i]));
    }
    free(inputs);
    vgg_network_free(network);
}

/* An output channel whose weights are all 0 gives its bias, as in float32. */
static void test_zero_channels(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = draw_network();
    size_t tensor = vgg_network_find_tensor(network, "features.3.weight");
    size_t count = 24 * 16 * 9;
    float *weights = vgg_network_own(network, tensor);
    memset(weights, 0, 3 * 16 * 9 * sizeof *weights);
    size_t warnings;
    assert_true(tensor < vgg_network_tensor_count(network));
    assert_int_equal(calibrate(network, IMAGES, 1, &warnings).convolutions, 2);
    /* Where every weight is 0, int8 is exact. */
    float *zeros = calloc(count, sizeof *zeros);
    assert_non_null(zeros);
    assert_ok(vgg_network_set_values(network, tensor, zeros, count, &error), error);
    free(zeros);
    vgg_network_free(network);
}

static void test_thin(void **state) {
    (void)state;
    vgg_network *network = draw_network();
    size_t warnings;
    calibrate(network, 7, 1, &warnings);
    assert_int_equal(warnings, 1);
    vgg_network_free(network);
}

static void test_max_drop(void **state) {
    (void)state;
    vgg_network *network = draw_network();
    size_t warnings;
    vgg_calibration found = calibrate(network, IMAGES, 0, &warnings);
    assert_int_equal(found.convolutions, 0);
    assert_true(found.drop <= 0 && found.error <= 0);
    vgg_network_free(network);
}

static size_t in_int8(const vgg_network *network) {
    vgg_error error;
    size_t count = 0;
    for (size_t i = 0; i < vgg_network_layer_count(network); i++) {
        vgg_int8_info info = {.struct_size = sizeof info};
        assert_ok(vgg_network_int8(network, i, &info, &error), error);
        count += info.tile > 0;
    }
    return count;
}

static void test_forgotten(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = draw_network();
    size_t warnings;
    calibrate(network, 7, 1, &warnings);
    assert_int_equal(in_int8(network), 2);
    assert_ok(vgg_network_set_dtype(network, "I8", &error), error);
    assert_int_equal(in_int8(network), 2);
    vgg_plan_options options = plan_options(1, 1);
    vgg_plan *plan = make_plan(network, &options);
    assert_ok(vgg_network_set_dtype(network, "F32", &error), error);
    assert_int_equal(in_int8(network), 0);
    float *inputs = random_floats(INPUT, 5), logits[CLASSES];
    assert_int_equal(vgg_plan_forward(plan, inputs, 1, logits, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "calibrated");
    free(inputs);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* A layer's bias that is not a number shows in the logits alone. */
static void test_logits_not_finite(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = draw_network();
    size_t bias = vgg_network_tensor_count(network) - 1;
    float *inputs = random_floats(INPUT, 5);
    vgg_network_own(network, bias)[0] = (float)NAN;
    assert_int_equal(vgg_network_calibrate(network, inputs, 1, NULL, NULL, &error),
                     VGG_ERROR_NUMERIC);
    assert_contains(error.message, "logits");
    free(inputs);
    vgg_network_free(network);
}

/* Weights of convolutions that are stored anew, and a step of a plan for training. */
static void test_forgotten_later(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = draw_network();
    vgg_plan_options options = plan_options(1, 1);
    vgg_plan *plan;
    size_t warnings;
    assert_ok(vgg_plan_create_training(network, &options, &plan, &error), error);
    calibrate(network, 7, 1, &warnings);
    assert_int_equal(in_int8(network), 2);
    size_t weight = vgg_network_find_tensor(network, "features.3.weight");
    assert_int_equal(vgg_network_set_tensor_dtype(network, weight, "I8", &error),
                     VGG_ERROR_UNSUPPORTED);
    assert_int_equal(in_int8(network), 2);
    float *inputs = random_floats(INPUT, 5), logits[CLASSES];
    assert_ok(vgg_plan_forward(plan, inputs, 1, logits, &error), error);
    assert_int_equal(in_int8(network), 0);
    vgg_plan_free(plan);
    calibrate(network, 7, 1, &warnings);
    assert_ok(vgg_network_set_tensor_dtype(network, weight, "F16", &error), error);
    assert_int_equal(in_int8(network), 0);
    free(inputs);
    vgg_network_free(network);
}

static void test_refused(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = draw_network();
    float *inputs = random_floats(2 * INPUT, 5);
    assert_int_equal(vgg_network_calibrate(network, inputs, 0, NULL, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    inputs[3] = (float)NAN;
    assert_int_equal(vgg_network_calibrate(network, inputs, 2, NULL, NULL, &error),
                     VGG_ERROR_NUMERIC);
    assert_contains(error.message, "not finite");
    assert_int_equal(in_int8(network), 0);
    free(inputs);
    vgg_network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_and_the_same_bits),
        cmocka_unit_test(test_other_pictures),
        cmocka_unit_test(test_zero_channels),
        cmocka_unit_test(test_thin),
        cmocka_unit_test(test_max_drop),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_logits_not_finite),
        cmocka_unit_test(test_forgotten_later),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
