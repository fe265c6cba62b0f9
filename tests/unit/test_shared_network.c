/* Plans that share a network: what one leaves as it is, and what another sees of its changes. */
#include <math.h>

#include "nn/network.h"
#include "plans.h"
#include "vgg/loss.h"
#include "vgg/train.h"

enum { SIDE = 8, IMAGE = SIDE * SIDE, IMAGES = 3, CLASSES = 4 };

static const char *const narrow[] = {"F16", "BF16", "I8"};
enum { NARROW = sizeof narrow / sizeof *narrow };

static vgg_network *normed_net(void) {
    vgg_network_options options = net_options("17,M,16,M/11,9", CLASSES, 1, SIDE);
    options.batch_norm = true;
    vgg_network *network = make_net(&options);
    initialise(network, "glorot", 4);
    return network;
}

/* A network of floats that are the values of another. */
static vgg_network *as_floats(const vgg_network *network) {
    vgg_network *floats = normed_net();
    vgg_error error;
    for (size_t t = 0; t < network->tensor_count; t++) {
        size_t count = network->tensors[t].info.count;
        float *values = malloc(count * sizeof *values);
        assert_non_null(values);
        assert_ok(vgg_network_copy_values(network, t, values, count, &error), error);
        assert_ok(vgg_network_set_values(floats, t, values, count, &error), error);
        free(values);
    }
    return floats;
}

static vgg_plan_options with_gradients(void) {
    vgg_plan_options options = plan_options(IMAGES, 2);
    options.gradients = true;
    options.input_gradient = true;
    return options;
}

static void pass(vgg_plan *plan, float input_gradient[IMAGES * IMAGE]) {
    static const size_t labels[IMAGES] = {1, 3, 0};
    float *inputs = random_floats(IMAGES * IMAGE, 6);
    float logits[IMAGES * CLASSES], gradient[IMAGES * CLASSES];
    vgg_error error;
    assert_ok(vgg_plan_forward(plan, inputs, IMAGES, logits, &error), error);
    vgg_cross_entropy(logits, labels, IMAGES, CLASSES, gradient);
    assert_ok(vgg_plan_backward(plan, gradient, input_gradient, &error), error);
    free(inputs);
}

static void assert_same(const char *name, const float *found, const float *expected, size_t count) {
    double size = 0, apart = 0;
    for (size_t i = 0; i < count; i++) {
        size = fmax(size, fabs((double)expected[i]));
        apart = fmax(apart, fabs((double)expected[i] - (double)found[i]));
    }
    if (!(size > 0 && apart <= 1e-5 * size))
        fail_msg("%s: %g apart, the largest is %g", name, apart, size);
}

static void assert_same_gradients(const vgg_plan *found, const float *found_input,
                                  const vgg_plan *expected, const float *expected_input,
                                  const vgg_network *network) {
    assert_same("input", found_input, expected_input, IMAGES * IMAGE);
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        vgg_tensor_info info = tensor_info(network, t);
        assert_int_equal(vgg_plan_gradient(found, t) != NULL, info.learnable);
        if (info.learnable)
            assert_same(info.name, vgg_plan_gradient(found, t), vgg_plan_gradient(expected, t),
                        info.count);
    }
}

static void assert_stored(const vgg_network *network, const char *dtype) {
    for (size_t t = 0; t < network->tensor_count; t++) {
        bool linear = network->tensors[t].info.dimensions == 2;
        assert_string_equal(vgg_network_dtype(network, t), linear ? dtype : "F32");
    }
}

/* In eval mode, gradients leave narrow weights as they are stored. */
static void gradients_of_narrow_weights(void **state) {
    (void)state;
    vgg_plan_options options = with_gradients();
    for (size_t i = 0; i < NARROW; i++) {
        vgg_error error;
        vgg_network *network = normed_net();
        assert_ok(vgg_network_set_dtype(network, narrow[i], &error), error);
        vgg_network *floats = as_floats(network);
        unsigned long version = network->version;
        vgg_plan *plan = make_plan(network, &options), *expected = make_plan(floats, &options);
        float found_input[IMAGES * IMAGE], expected_input[IMAGES * IMAGE];
        pass(plan, found_input);
        pass(expected, expected_input);
        assert_same_gradients(plan, found_input, expected, expected_input, network);
        assert_stored(network, narrow[i]);
        assert_int_equal(network->version, version);
        vgg_plan_free(expected);
        vgg_plan_free(plan);
        vgg_network_free(floats);
        vgg_network_free(network);
    }
}

/* New values are seen, narrow or not. */
static void new_values(void **state) {
    (void)state;
    vgg_error error;
    vgg_plan_options options = with_gradients();
    vgg_network *network = normed_net();
    assert_ok(vgg_network_set_dtype(network, "I8", &error), error);
    vgg_plan *plan = make_plan(network, &options);
    float found_input[IMAGES * IMAGE], expected_input[IMAGES * IMAGE];
    pass(plan, found_input);
    for (int narrows = 0; narrows < 2; narrows++) {
        initialise(network, "kaiming", 8);
        if (narrows)
            assert_ok(vgg_network_set_dtype(network, "BF16", &error), error);
        vgg_network *floats = as_floats(network);
        vgg_plan *expected = make_plan(floats, &options);
        pass(plan, found_input);
        pass(expected, expected_input);
        assert_same_gradients(plan, found_input, expected, expected_input, network);
        vgg_plan_free(expected);
        vgg_network_free(floats);
    }
    vgg_plan_free(plan);
    vgg_network_free(network);
}

static size_t memory_of(const vgg_network *network, const vgg_plan_options *options) {
    size_t bytes = 0;
    vgg_error error;
    assert_ok(vgg_plan_memory(network, options, &bytes, &error), error);
    return bytes;
}

/* The copies are counted: all three linear layers carry the gradient of the input on. */
static void copies_are_counted(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = normed_net();
    vgg_plan_options options = with_gradients(), eval = plan_options(IMAGES, 2);
    size_t before = memory_of(network, &options), without = memory_of(network, &eval);
    options.mode = VGG_MODE_TRAIN;
    size_t training = memory_of(network, &options);
    assert_ok(vgg_network_set_dtype(network, "I8", &error), error);
    assert_int_equal(memory_of(network, &options), training);
    assert_int_equal(memory_of(network, &eval), without);
    options.mode = VGG_MODE_EVAL;
    size_t weights = 64 * 11 + 11 * 9 + 9 * CLASSES;
    size_t after = memory_of(network, &options);
    assert_in_range(after - before, weights * sizeof(float), (weights + 3 * 15) * sizeof(float));
    vgg_network_free(network);
}

/* A plan that was made for floats says so when they are gone. */
static void narrowed_afterwards(void **state) {
    (void)state;
    for (int trains = 0; trains < 2; trains++) {
        vgg_network *network = normed_net();
        vgg_plan_options options = with_gradients();
        options.mode = trains ? VGG_MODE_TRAIN : VGG_MODE_EVAL;
        vgg_plan *plan = make_plan(network, &options);
        float gradient[IMAGES * IMAGE], logits[IMAGES * CLASSES], inputs[IMAGES * IMAGE] = {0};
        pass(plan, gradient);
        vgg_error error;
        assert_ok(vgg_network_set_dtype(network, "F16", &error), error);
        assert_int_equal(vgg_plan_forward(plan, inputs, IMAGES, logits, &error),
                         VGG_ERROR_ARGUMENT);
        assert_contains(error.message, "classifier.0.weight");
        assert_ok(vgg_network_set_dtype(network, "F32", &error), error);
        pass(plan, gradient);
        vgg_plan_free(plan);
        vgg_network_free(network);
    }
}

static void training_widens(void **state) {
    (void)state;
    for (size_t i = 0; i < NARROW; i++) {
        vgg_error error;
        vgg_network *network = normed_net();
        assert_ok(vgg_network_set_dtype(network, narrow[i], &error), error);
        vgg_network *floats = as_floats(network);
        vgg_plan *plan = NULL;
        assert_ok(vgg_plan_create_training(network, NULL, &plan, &error), error);
        assert_int_equal(vgg_plan_mode(plan), VGG_MODE_TRAIN);
        assert_stored(network, "F32");
        for (size_t t = 0; t < network->tensor_count; t++) {
            assert_memory_equal(network->tensors[t].values, floats->tensors[t].values,
                                network->tensors[t].info.count * sizeof(float));
        }
        vgg_plan_free(plan);
        vgg_network_free(floats);
        vgg_network_free(network);
    }
}

static void only_plans_for_training_train(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = normed_net();
    vgg_plan_options options = with_gradients();
    vgg_plan *plan = NULL;
    options.mode = VGG_MODE_TRAIN;
    assert_int_equal(vgg_plan_create(network, &options, &plan, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "vgg_plan_create_training");
    assert_null(plan);
    options.mode = VGG_MODE_EVAL;
    plan = make_plan(network, &options);
    assert_int_equal(vgg_plan_set_mode(plan, VGG_MODE_TRAIN, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "vgg_plan_create_training");
    assert_int_equal(vgg_plan_mode(plan), VGG_MODE_EVAL);
    vgg_optimiser *optimiser = NULL;
    assert_int_equal(vgg_optimiser_create(network, plan, NULL, &optimiser, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "vgg_plan_create_training");
    vgg_plan_free(plan);
    /* One that trains another network is no good either. */
    vgg_network *other = normed_net();
    assert_ok(vgg_plan_create_training(other, NULL, &plan, &error), error);
    assert_int_equal(vgg_optimiser_create(network, plan, NULL, &optimiser, &error),
                     VGG_ERROR_ARGUMENT);
    assert_null(optimiser);
    vgg_plan_free(plan);
    vgg_network_free(other);
    vgg_network_free(network);
}

static void logits_of(vgg_plan *plan, float logits[IMAGES * CLASSES]) {
    float *inputs = random_floats(IMAGES * IMAGE, 7);
    vgg_error error;
    assert_ok(vgg_plan_forward(plan, inputs, IMAGES, logits, &error), error);
    free(inputs);
}

/* A forward pass that trains moves the running statistics; a plan that has them folded into its
 * convolutions sees it, as does one that has folded those of frozen layers alone. */
static void moved_statistics(void **state) {
    (void)state;
    vgg_network *network = normed_net();
    vgg_plan_options options = plan_options(IMAGES, 2), training = options;
    training.mode = VGG_MODE_TRAIN;
    vgg_plan *folded = make_plan(network, &options), *trains = make_plan(network, &training);
    vgg_error error;
    assert_ok(vgg_network_freeze(network, 1, &error), error);
    vgg_plan *half = make_plan(network, &training);
    assert_ok(vgg_plan_set_mode(half, VGG_MODE_EVAL, &error), error);
    float before[IMAGES * CLASSES], found[IMAGES * CLASSES], expected[IMAGES * CLASSES];
    logits_of(folded, before);
    logits_of(half, before);
    for (int step = 0; step < 3; step++) {
        logits_of(trains, found);
        vgg_plan *fresh = make_plan(network, &options);
        logits_of(fresh, expected);
        assert_memory_not_equal(expected, before, sizeof expected);
        logits_of(folded, found);
        assert_memory_equal(found, expected, sizeof expected);
        logits_of(half, found);
        assert_same("half", found, expected, IMAGES * CLASSES);
        memcpy(before, expected, sizeof before);
        vgg_plan_free(fresh);
    }
    vgg_plan_free(half);
    vgg_plan_free(trains);
    vgg_plan_free(folded);
    vgg_network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_narrow_weights),
        cmocka_unit_test(new_values),
        cmocka_unit_test(copies_are_counted),
        cmocka_unit_test(narrowed_afterwards),
        cmocka_unit_test(training_widens),
        cmocka_unit_test(only_plans_for_training_train),
        cmocka_unit_test(moved_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
