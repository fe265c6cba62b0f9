/* Networks whose convolutions are directly in int8: near those in float32, the same bits for any
 * threads and batch and whoever looks in between, numbers of 8 bits between such layers, and what
 * is refused. */
#include <math.h>

#include "kernels/kernels.h"
#include "nn/int8.h"
#include "nn/network.h"
#include "plans.h"

enum { SIDE = 20, CLASSES = 7, FEW = 5, INPUT = 3 * SIDE * SIDE, MOST_OUTPUTS = 80 };

static const char arch[] = "16,24,M,33,80,M,17/40";

/* The scale at which an output's largest weight is the largest number. */
static float weight_scale(const float *weights, size_t count) {
    float most = 0;
    for (size_t i = 0; i < count; i++) {
        most = fmaxf(most, fabsf(weights[i]));
    }
    return most / VGG_INT8_MOST;
}

/* Has all convolutions but the first done directly, whose inputs are up to 8. */
static size_t take_int8(vgg_network *network) {
    vgg_error error;
    size_t taken = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        const vgg_layer *layer = &network->layers[i];
        if (!vgg_network_can_int8(network, i))
            continue;
        float input = 8.0f / VGG_INT8_UNSIGNED_MOST, scales[MOST_OUTPUTS];
        size_t row = layer->input.channels * VGG_MOST_TAPS;
        const float *weights = vgg_network_values(network, layer->first_tensor);
        for (size_t k = 0; k < layer->output.channels; k++) {
            scales[k] = weight_scale(weights + k * row, row);
        }
        assert_ok(vgg_network_take_int8(network, i, 1, &input, scales, &error), error);
        taken++;
    }
    return taken;
}

static vgg_network *draw_network(bool batch_norm) {
    vgg_network_options options = net_options(arch, CLASSES, 3, SIDE);
    options.batch_norm = batch_norm;
    vgg_network *network = make_net(&options);
    initialise(network, "kaiming", 3);
    return network;
}

/* FEW pictures in batches of `batch`. */
static void run(vgg_network *network, const float *inputs, const vgg_plan_options *options,
                float logits[FEW * CLASSES]) {
    vgg_error error;
    vgg_plan *plan = make_plan(network, options);
    for (size_t n = 0; n < FEW; n += options->batch) {
        size_t count = n + options->batch <= FEW ? options->batch : FEW - n;
        assert_ok(vgg_plan_forward(plan, inputs + n * INPUT, count, logits + n * CLASSES, &error),
                  error);
    }
    vgg_plan_free(plan);
}

static void check_near_and_the_same_bits(bool batch_norm) {
    vgg_network *network = draw_network(batch_norm);
    float *inputs = random_floats(FEW * INPUT, 5);
    float floats[FEW * CLASSES], whole[FEW * CLASSES], again[FEW * CLASSES];
    vgg_plan_options options = plan_options(FEW, 1);
    run(network, inputs, &options, floats);
    assert_int_equal(take_int8(network), 4);
    run(network, inputs, &options, whole);
    double noise = 0, signal = 0;
    for (size_t i = 0; i < FEW * CLASSES; i++) {
        noise += pow((double)(whole[i] - floats[i]), 2);
        signal += pow((double)floats[i], 2);
    }
    assert_true(noise > 0 && noise < 0.01 * signal);
    for (size_t threads = 1; threads <= 3; threads++) {
        for (size_t batch = 1; batch <= FEW; batch += 2) {
            options = plan_options(batch, threads);
            run(network, inputs, &options, again);
            assert_memory_equal(whole, again, sizeof again);
        }
    }
    free(inputs);
    vgg_network_free(network);
}

static void test_near_and_the_same_bits(void **state) {
    (void)state;
    check_near_and_the_same_bits(false);
    check_near_and_the_same_bits(true);
}

/* Where somebody looks, floats are put out, which become the same numbers. */
static void test_taps(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = draw_network(false);
    float *inputs = random_floats(FEW * INPUT, 5);
    float whole[FEW * CLASSES], tapped[FEW * CLASSES];
    take_int8(network);
    vgg_plan_options options = plan_options(FEW, 2);
    run(network, inputs, &options, whole);
    for (size_t layer = 0; layer < 10; layer++) {
        const vgg_tap tap = {.layer = layer};
        vgg_extent out = network->layers[layer].output;
        float *values = malloc(FEW * out.channels * out.height * out.width * sizeof *values);
        assert_non_null(values);
        options.taps = &tap;
        options.tap_count = 1;
        vgg_plan *plan = make_plan(network, &options);
        assert_ok(vgg_plan_forward_taps(plan, inputs, FEW, &values, tapped, &error), error);
        assert_memory_equal(whole, tapped, sizeof whole);
        vgg_plan_free(plan);
        free(values);
    }
    free(inputs);
    vgg_network_free(network);
}

/* Bytes of what goes in and comes out of convolution number `which`. */
static size_t bytes_of(const vgg_plan *plan, const char *name) {
    vgg_error error;
    for (size_t i = 0; i < vgg_plan_op_count(plan); i++) {
        vgg_op_info info = {.struct_size = sizeof info};
        assert_ok(vgg_plan_op(plan, i, &info, &error), error);
        if (strcmp(info.name, name) != 0)
            continue;
        assert_true(strncmp(info.algorithm, "direct-int8", 11) == 0);
        return info.bytes - info.weight_bytes;
    }
    fail_msg("no op %s", name);
    return 0;
}

static void test_numbers_between(void **state) {
    (void)state;
    vgg_network *network = draw_network(false);
    take_int8(network);
    vgg_plan_options options = plan_options(1, 1);
    vgg_plan *plan = make_plan(network, &options);
    size_t half = SIDE * SIDE / 4, quarter = half / 4;
    assert_int_equal(bytes_of(plan, "features.2"), 16 * SIDE * SIDE + 24 * half);
    assert_int_equal(bytes_of(plan, "features.7"), 33 * half + 80 * quarter);
    assert_int_equal(bytes_of(plan, "features.10"), 80 * quarter + 4 * 17 * quarter);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* What is not finite, and far beyond the largest number. */
static void test_other_pictures(void **state) {
    (void)state;
    vgg_network *network = draw_network(true);
    take_int8(network);
    const float values[FEW] = {0, 1e6f, -1e30f, (float)NAN, (float)INFINITY};
    float *inputs = random_floats(FEW * INPUT, 5), logits[FEW * CLASSES];
    for (size_t i = 0; i < FEW; i++) {
        inputs[i * INPUT + 7] = values[i];
        inputs[i * INPUT + INPUT / 2] = values[i];
    }
    vgg_plan_options options = plan_options(FEW, 2);
    run(network, inputs, &options, logits);
    for (size_t i = 0; i < FEW * CLASSES; i++) {
        assert_true(isfinite(logits[i]));
    }
    free(inputs);
    vgg_network_free(network);
}

static void test_zero(void **state) {
    (void)state;
    vgg_network *network = draw_network(true);
    for (size_t i = 0; i < network->layer_count; i++) {
        if (vgg_network_can_int8(network, i))
            assert_int_equal(vgg_network_int8_zero(network, i), 0);
    }
    /* The pictures, and what a batch norm puts out. */
    assert_int_equal(vgg_network_int8_zero(network, 0), VGG_INT8_MIDDLE);
    assert_int_equal(vgg_network_int8_zero(network, 2), VGG_INT8_MIDDLE);
    vgg_network_free(network);
}

static void test_too_many_channels(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = small_net("7169,16/", 2, 1, 2);
    float inputs[16], weights[16 * 16];
    for (size_t i = 0; i < 16 * 16; i++) {
        inputs[i % 16] = weights[i] = 1;
    }
    assert_false(vgg_network_can_int8_by(network, 2, 1));
    assert_int_equal(vgg_network_take_int8(network, 2, 1, inputs, weights, &error),
                     VGG_ERROR_NUMERIC);
    assert_contains(error.message, "7169 input channels of features.2");
    assert_ok(vgg_network_take_int8(network, 2, 2, inputs, weights, &error), error);
    vgg_network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_and_the_same_bits),
        cmocka_unit_test(test_taps),
        cmocka_unit_test(test_numbers_between),
        cmocka_unit_test(test_other_pictures),
        cmocka_unit_test(test_zero),
        cmocka_unit_test(test_too_many_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
