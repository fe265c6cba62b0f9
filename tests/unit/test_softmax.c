/* A plan with softmax: probabilities of the same logits; and sigmoids. */
#include <math.h>

#include "nets.h"
#include "vgg/loss.h"
#include "vgg/plan.h"

enum { IMAGES = 3, CLASSES = 5, CHANNELS = 3, SIDE = 8, IMAGE = CHANNELS * SIDE * SIDE };

static void run(vgg_network *network, bool softmax, const float *inputs, float *values) {
    vgg_error error;
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = IMAGES;
    options.softmax = softmax;
    vgg_plan *plan;
    assert_ok(vgg_plan_create(network, &options, &plan, &error), error);
    assert_ok(vgg_plan_forward(plan, inputs, IMAGES, values, &error), error);
    vgg_plan_free(plan);
}

static void test_probabilities(void **state) {
    (void)state;
    vgg_network *network = small_net("16,M/8", CLASSES, CHANNELS, SIDE);
    initialise(network, "glorot", 8);
    float inputs[IMAGES * IMAGE], logits[IMAGES * CLASSES], expected[IMAGES * CLASSES];
    float found[IMAGES * CLASSES];
    for (size_t i = 0; i < IMAGES * IMAGE; i++) {
        inputs[i] = (float)(i % 17) / 8 - 1;
    }
    run(network, false, inputs, logits);
    run(network, true, inputs, found);
    vgg_softmax(logits, IMAGES, CLASSES, expected);
    assert_memory_equal(found, expected, sizeof found);
    vgg_network_free(network);
}

static void test_not_with_gradients(void **state) {
    (void)state;
    vgg_network *network = small_net("16,M/8", CLASSES, CHANNELS, SIDE);
    initialise(network, "glorot", 8);
    vgg_error error;
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.softmax = options.gradients = true;
    vgg_plan *plan;
    assert_int_equal(vgg_plan_create(network, &options, &plan, &error), VGG_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "softmax"));
    vgg_network_free(network);
}

/* Each class on its own, whatever its size. */
static void test_sigmoid(void **state) {
    (void)state;
    const float logits[] = {0, 2, -2, 1000, -1000};
    const double expected[] = {0.5, 0.88079707797788, 0.11920292202212, 1, 0};
    float found[5];
    vgg_sigmoid(logits, 5, found);
    for (size_t i = 0; i < 5; i++) {
        assert_true(fabs((double)found[i] - expected[i]) < 1e-7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probabilities),
        cmocka_unit_test(test_not_with_gradients),
        cmocka_unit_test(test_sigmoid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
