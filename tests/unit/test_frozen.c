/* Frozen layers: gradients of the others are what they are without, and less is kept. */
#include "nets.h"

#include <math.h>

#include "base/random.h"
#include "nn/plan.h"
#include "plan_modes.h"
#include "vgg/loss.h"

#define SIDE ((size_t)16)
#define IMAGE (3 * SIDE * SIDE)
#define IMAGES ((size_t)4)
#define CLASSES ((size_t)5)

#define USUAL "16,16,M,20,M,24,M/12"
#define RICH "B,16,R,P,c20v,R,B,D0,M,c24/B,f12,R,B"

static vgg_network *make_network(const char *arch, bool batch_norm) {
    vgg_network_options options = net_options(arch, CLASSES, 3, SIDE);
    options.batch_norm = batch_norm;
    options.dropout = 0;
    vgg_network *network = make_net(&options);
    initialise(network, "glorot", 3);
    return network;
}

static vgg_plan_options plan_options(vgg_mode mode) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = IMAGES;
    options.threads = 2;
    options.gradients = true;
    options.mode = mode;
    return options;
}

static vgg_plan *run(vgg_network *network, const vgg_plan_options *options, float *logits) {
    float inputs[IMAGES * IMAGE], gradient[IMAGES * CLASSES];
    static const size_t labels[IMAGES] = {0, 3, 1, 4};
    for (size_t i = 0; i < IMAGES * IMAGE; i++) {
        inputs[i] = (float)(2 * vgg_random_unit(9, 0, i) - 1);
    }
    vgg_plan *plan = NULL;
    vgg_error error;
    assert_ok(create_plan(network, options, &plan, &error), error);
    assert_ok(vgg_plan_forward(plan, inputs, IMAGES, logits, &error), error);
    vgg_cross_entropy(logits, labels, IMAGES, CLASSES, gradient);
    assert_ok(vgg_plan_backward(plan, gradient, NULL, &error), error);
    return plan;
}

/* Every tensor of a layer that is trained has the gradient of a plan that trains all; the others
 * have none. */
static void compare(vgg_network *network, const vgg_plan *all, const vgg_plan *some) {
    for (size_t l = 0; l < vgg_network_layer_count(network); l++) {
        vgg_layer_info layer = layer_info(network, l);
        for (size_t t = layer.first_tensor; t < layer.first_tensor + layer.tensors; t++) {
            const float *expected = vgg_plan_gradient(all, t), *found = vgg_plan_gradient(some, t);
            bool wanted = expected != NULL && vgg_network_trained(network, l);
            assert_int_equal(found != NULL, wanted);
            double size = 0, apart = 0;
            for (size_t i = 0; wanted && i < tensor_info(network, t).count; i++) {
                size = fmax(size, fabs((double)expected[i]));
                apart = fmax(apart, fabs((double)expected[i] - (double)found[i]));
            }
            if (!(apart <= 1e-4 * size))
                fail_msg("%s: %g apart", tensor_info(network, t).name, apart / size);
        }
    }
}

/* Whichever layers are frozen. In eval batch normalisation uses the running statistics in any case,
 * and in train a network without any is looked at. */
static void gradients_of_the_rest(void **state) {
    (void)state;
    for (uint64_t run_number = 0; run_number < 80; run_number++) {
        uint64_t trial = run_number / 2;
        bool rich = run_number % 2, batch_norm = trial % 2 || rich;
        vgg_network *network = make_network(rich ? RICH : USUAL, batch_norm);
        vgg_plan_options options = plan_options(batch_norm ? VGG_MODE_EVAL : VGG_MODE_TRAIN);
        float before[IMAGES * CLASSES], after[IMAGES * CLASSES];
        vgg_plan *all = run(network, &options, before);
        vgg_error error;
        size_t layers = vgg_network_layer_count(network);
        for (size_t l = 0; l < layers; l++) {
            assert_ok(vgg_network_set_trained(network, l,
                                              trial < 32 ? vgg_random_below(3, trial, 1, l) == 0
                                                         : l >= layers * (trial - 32) / 7,
                                              &error),
                      error);
        }
        vgg_plan *some = run(network, &options, after);
        for (size_t i = 0; i < IMAGES * CLASSES; i++) {
            assert_true(fabsf(before[i] - after[i]) <= 1e-5f);
        }
        compare(network, all, some);
        vgg_plan_free(some);
        vgg_plan_free(all);
        vgg_network_free(network);
    }
}

/* A frozen batch normalisation does in train mode what it does in eval mode. */
static void frozen_statistics(void **state) {
    (void)state;
    vgg_network *network = make_network(USUAL, true);
    float train[IMAGES * CLASSES], eval[IMAGES * CLASSES];
    vgg_plan_options options = plan_options(VGG_MODE_EVAL);
    vgg_plan_free(run(network, &options, eval));
    vgg_error error;
    for (size_t l = 0; l < vgg_network_layer_count(network); l++) {
        if (layer_info(network, l).type == VGG_LAYER_BATCH_NORM)
            assert_ok(vgg_network_set_trained(network, l, false, &error), error);
    }
    options.mode = VGG_MODE_TRAIN;
    vgg_plan_free(run(network, &options, train));
    assert_memory_equal(train, eval, sizeof eval);
    const float *mean =
        vgg_network_values(network, vgg_network_find_tensor(network, "features.1.running_mean"));
    for (size_t c = 0; c < 16; c++) {
        assert_true(mean[c] == 0);
    }
    vgg_network_free(network);
}

/* What flows into the first layer that is trained, as a plan hands it out. */
static float *handed(vgg_plan *plan, const float *inputs) {
    vgg_error error;
    size_t frozen = vgg_plan_frozen_ops(plan);
    assert_true(frozen > 0);
    float *values = malloc(IMAGES * vgg_plan_values_at(plan, frozen) * sizeof *values);
    assert_non_null(values);
    assert_ok(vgg_plan_forward_to(plan, frozen, inputs, IMAGES, values, &error), error);
    return values;
}

/* It is floats, also where a plan keeps such maps in bfloat16, and taken in again it gives the same
 * bits. */
static void handed_out(void **state) {
    (void)state;
    vgg_network *network = make_network("64,64,64,M/12", false);
    vgg_error error;
    assert_ok(vgg_network_set_trained(network, 0, false, &error), error);
    vgg_plan_options options = plan_options(VGG_MODE_TRAIN);
    float expected[IMAGES * CLASSES], found[IMAGES * CLASSES], inputs[IMAGES * IMAGE];
    for (size_t i = 0; i < IMAGES * IMAGE; i++) {
        inputs[i] = (float)(2 * vgg_random_unit(9, 0, i) - 1);
    }
    vgg_plan *exact = run(network, &options, expected);
    options.precision = VGG_PRECISION_BF16;
    vgg_plan *plan = run(network, &options, expected);
    float *floats = handed(exact, inputs), *values = handed(plan, inputs);
    size_t frozen = vgg_plan_frozen_ops(plan);
    for (size_t i = 0; i < IMAGES * vgg_plan_values_at(plan, frozen); i++) {
        assert_true(fabsf(values[i] - floats[i]) <= 0.01f * (1 + fabsf(floats[i])));
    }
    assert_ok(vgg_plan_forward_from(plan, frozen, values, IMAGES, found, &error), error);
    assert_memory_equal(expected, found, sizeof expected);
    free(values);
    free(floats);
    vgg_plan_free(plan);
    vgg_plan_free(exact);
    vgg_network_free(network);
}

static void memory(void **state) {
    (void)state;
    vgg_network *network = small_net("D", 1000, 3, 224);
    vgg_plan_options options = plan_options(VGG_MODE_TRAIN);
    options.defer_linear = true;
    vgg_error error;
    size_t before = SIZE_MAX, bytes;
    for (size_t blocks = 0; blocks <= 5; blocks++) {
        assert_ok(vgg_network_freeze(network, blocks, &error), error);
        assert_ok(vgg_plan_memory(network, &options, &bytes, &error), error);
        assert_true(bytes < before);
        before = bytes;
    }
    options.gradients = false;
    options.defer_linear = false;
    options.mode = VGG_MODE_EVAL;
    assert_ok(vgg_plan_memory(network, &options, &bytes, &error), error);
    assert_true(before < bytes + bytes / 4);
    assert_int_equal(vgg_network_freeze(network, 6, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "0 to 5");
    size_t layers = vgg_network_layer_count(network);
    assert_int_equal(vgg_network_set_trained(network, layers, true, &error), VGG_ERROR_ARGUMENT);
    assert_true(vgg_network_trained(network, layers - 1) && !vgg_network_trained(network, 0));
    assert_false(vgg_network_trained(network, layers));
    vgg_network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_the_rest),
        cmocka_unit_test(frozen_statistics),
        cmocka_unit_test(handed_out),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
