/* Plans: what they take and what they refuse, unusual networks and sizes. */
#include "plans.h"

#include <malloc.h>
#include <math.h>

#include "base/text.h"
#include "nn/plan.h"

static void set_values(vgg_network *network, const char *name, const float *values, size_t count) {
    vgg_error error;
    assert_ok(vgg_network_set_values(network, vgg_network_find_tensor(network, name), values, count,
                                     &error),
              error);
}

#define assert_near(found, expected, bound)                                                        \
    do {                                                                                           \
        if (!(fabs((double)(found) - (double)(expected)) <= (bound)))                              \
            fail_msg("%s is %.9g, expected %.9g", #found, (double)(found), (double)(expected));    \
    } while (0)

/* ---- memory ---- */

static size_t memory_of(vgg_network *network, const vgg_plan_options *options) {
    size_t bytes = 0;
    vgg_error error;
    assert_ok(vgg_plan_memory(network, options, &bytes, &error), error);
    return bytes;
}

static size_t weights_of(const vgg_network *network, size_t dimensions) {
    size_t count = 0;
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        if (tensor_info(network, t).dimensions == dimensions)
            count += tensor_info(network, t).count;
    }
    return count;
}

static void memory(void **state) {
    (void)state;
    vgg_network *network = small_net("16,32,M,64,M/64", 10, 3, 32);
    size_t before[2] = {0};
    for (size_t batch = 1; batch <= 16; batch *= 4) {
        for (int gradients = 0; gradients < 2; gradients++) {
            vgg_plan_options options = plan_options(batch, 2);
            options.gradients = gradients;
            size_t bytes = memory_of(network, &options);
            assert_true(bytes > before[gradients]);
            before[gradients] = bytes;
            assert_true(!gradients || bytes > before[0]);
            size_t least = weights_of(network, 4) * sizeof(float);
            if (gradients)
                least += vgg_network_parameters(network) * sizeof(float);
            assert_true(bytes >= least);
            vgg_plan *plan = make_plan(network, &options);
            size_t taken = malloc_usable_size(plan->arena) + malloc_usable_size(plan->constants) +
                           malloc_usable_size(plan->gradients_of);
            assert_true(taken >= bytes && taken <= bytes + bytes / 50 + 4096);
            vgg_plan_free(plan);
        }
    }
    vgg_network_free(network);
    vgg_plan_free(NULL);
}

static void too_little_memory(void **state) {
    (void)state;
    vgg_network *network = small_net("E", 1000, 3, 224);
    vgg_plan_options options = plan_options(65536, 1);
    options.mode = VGG_MODE_TRAIN;
    vgg_plan *plan = NULL;
    vgg_error error = {0};
    char needed[VGG_SIZE_TEXT];
    vgg_size_text(needed, memory_of(network, &options));
    assert_int_equal(vgg_plan_create_training(network, &options, &plan, &error), VGG_ERROR_MEMORY);
    assert_null(plan);
    assert_contains(error.message, needed);
    assert_contains(error.message, "left");
    assert_contains(error.message, "65536");
    vgg_network_free(network);
}

static void bad_options(void **state) {
    (void)state;
    vgg_network *network = small_net("8,M", 4, 3, 8);
    const vgg_plan_options usual = plan_options(2, 1);
    vgg_plan_options cases[] = {usual, usual, usual, usual, usual, usual};
    cases[0].batch = 0;
    cases[1].batch = SIZE_MAX;
    cases[2].threads = SIZE_MAX;
    cases[3].height = SIZE_MAX;
    cases[4].mode = (vgg_mode)5;
    cases[5].width = SIZE_MAX / 2;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vgg_plan *plan = NULL;
        size_t bytes = 77;
        vgg_error error = {0};
        assert_int_equal(vgg_plan_create(network, &cases[i], &plan, &error), VGG_ERROR_ARGUMENT);
        assert_int_equal(error.status, VGG_ERROR_ARGUMENT);
        assert_null(plan);
        assert_int_equal(vgg_plan_memory(network, &cases[i], &bytes, NULL), VGG_ERROR_ARGUMENT);
        assert_int_equal(bytes, 77);
    }
    vgg_network_free(network);
}

/* ---- wrong use ---- */

static void without_values(void **state) {
    (void)state;
    vgg_network *network = small_net("8,M", 4, 1, 4);
    vgg_plan_options options = plan_options(2, 1);
    vgg_plan *plan = make_plan(network, &options);
    float input[16] = {0}, logits[4] = {5, 5, 5, 5};
    vgg_error error = {0};
    assert_int_equal(vgg_plan_forward(plan, input, 1, logits, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "features.0.weight");
    float *weights = random_floats(8 * 9, 1);
    set_values(network, "features.0.weight", weights, 8 * 9);
    free(weights);
    assert_int_equal(vgg_plan_forward(plan, input, 1, logits, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "features.0.bias");
    assert_near(logits[0], 5, 0);
    initialise(network, "glorot", 1);
    assert_ok(vgg_plan_forward(plan, input, 1, logits, &error), error);
    for (int c = 0; c < 4; c++) {
        assert_near(logits[c], 0, 0);
    }
    vgg_plan_free(plan);
    vgg_network_free(network);
}

static void wrong_counts(void **state) {
    (void)state;
    vgg_network *network = small_net("8,M", 4, 1, 4);
    initialise(network, "glorot", 1);
    vgg_plan_options options = plan_options(2, 1);
    vgg_plan *plan = make_plan(network, &options);
    float input[48] = {0}, logits[12];
    vgg_error error = {0};
    assert_int_equal(vgg_plan_forward(plan, input, 0, logits, &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_plan_forward(plan, input, 3, logits, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "3");
    assert_contains(error.message, "2");
    assert_int_equal(vgg_plan_forward(plan, input, 2, logits, NULL), VGG_OK);
    assert_int_equal(vgg_plan_backward(plan, logits, NULL, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "gradients");
    assert_null(vgg_plan_gradient(plan, 0));
    assert_int_equal(vgg_plan_set_mode(plan, VGG_MODE_TRAIN, &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_plan_mode(plan), VGG_MODE_EVAL);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

static void backward_once(void **state) {
    (void)state;
    vgg_network_options described = net_options("8,M", 4, 1, 4);
    described.batch_norm = true;
    vgg_network *network = make_net(&described);
    initialise(network, "glorot", 1);
    vgg_plan_options options = plan_options(2, 1);
    options.gradients = true;
    vgg_plan *plan = make_plan(network, &options);
    float input[32] = {1}, logits[8], of_input[32];
    const float gradient[8] = {1, -1, 0, 0, 0, 1, -1, 0};
    vgg_error error = {0};
    assert_int_equal(vgg_plan_backward(plan, gradient, NULL, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "forward");
    assert_ok(vgg_plan_forward(plan, input, 2, logits, &error), error);
    assert_int_equal(vgg_plan_backward(plan, gradient, of_input, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "input");
    assert_ok(vgg_plan_backward(plan, gradient, NULL, &error), error);
    assert_int_equal(vgg_plan_backward(plan, gradient, NULL, &error), VGG_ERROR_ARGUMENT);
    assert_ok(vgg_plan_forward(plan, input, 2, logits, &error), error);
    assert_int_equal(vgg_plan_forward(plan, input, 3, logits, NULL), VGG_ERROR_ARGUMENT);
    for (size_t t = 0; t <= vgg_network_tensor_count(network); t++) {
        bool trained = t < vgg_network_tensor_count(network) && tensor_info(network, t).learnable;
        assert_int_equal(vgg_plan_gradient(plan, t) != NULL, trained);
    }
    const float *bias =
        vgg_plan_gradient(plan, vgg_network_find_tensor(network, "classifier.0.bias"));
    for (int c = 0; c < 4; c++) {
        assert_near(bias[c], gradient[c] + gradient[4 + c], 0);
    }
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* ---- unusual networks ---- */

/* A last linear layer that passes its `count` inputs on. */
static void pass_on(vgg_network *network, size_t count) {
    float *identity = calloc(count * count + count, sizeof *identity);
    assert_non_null(identity);
    set_values(network, "classifier.0.bias", identity, count);
    for (size_t i = 0; i < count; i++) {
        identity[i * count + i] = 1;
    }
    set_values(network, "classifier.0.weight", identity, count * count);
    free(identity);
}

static void pool_alone(void **state) {
    (void)state;
    vgg_network *network = small_net("M", 12, 3, 5);
    pass_on(network, 12);
    vgg_plan_options options = plan_options(2, 2);
    options.input_gradient = true;
    vgg_plan *plan = make_plan(network, &options);
    float *input = random_floats(2 * 75, 3), logits[24], gradient[24], of_input[150];
    vgg_error error;
    assert_ok(vgg_plan_forward(plan, input, 2, logits, &error), error);
    for (int i = 0; i < 24; i++) {
        gradient[i] = (float)(i + 1);
    }
    assert_ok(vgg_plan_backward(plan, gradient, of_input, &error), error);
    for (size_t i = 0; i < 24; i++) {
        size_t corner = i / 4 * 25 + i / 2 % 2 * 10 + i % 2 * 2, most = corner;
        for (size_t k = 1; k < 4; k++) {
            size_t other = corner + k / 2 * 5 + k % 2;
            most = input[other] > input[most] ? other : most;
        }
        assert_near(logits[i], input[most], 0);
        assert_near(of_input[most], gradient[i], 0);
        of_input[most] = 0;
    }
    for (size_t i = 0; i < 150; i++) {
        assert_near(of_input[i], 0, 0);
    }
    free(input);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* y = x / (2 + 1e-4 * sum of squares of five channels)^0.75, of which three are there. */
static void local_response_norm_alone(void **state) {
    (void)state;
    vgg_network *network = small_net("L", 12, 3, 2);
    pass_on(network, 12);
    vgg_plan_options options = plan_options(1, 1);
    vgg_plan *plan = make_plan(network, &options);
    float *input = random_floats(12, 4), logits[12];
    for (size_t i = 0; i < 12; i++) {
        input[i] *= 300;
    }
    vgg_error error;
    assert_ok(vgg_plan_forward(plan, input, 1, logits, &error), error);
    for (size_t i = 0; i < 12; i++) {
        double sum = 0;
        for (size_t c = 0; c < 3; c++) {
            sum += (double)input[c * 4 + i % 4] * (double)input[c * 4 + i % 4];
        }
        double expected = (double)input[i] / pow(2 + 1e-4 * sum, 0.75);
        assert_near(logits[i], expected, 1e-5 * fabs(expected));
    }
    free(input);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

static void one_by_one_first(void **state) {
    (void)state;
    vgg_network *network = small_net("1x1:2", 2 * 9, 3, 3);
    pass_on(network, 18);
    const float weights[6] = {1, -2, 3, -1, 0.5f, 0.25f}, bias[2] = {0.5f, -0.25f};
    set_values(network, "features.0.weight", weights, 6);
    set_values(network, "features.0.bias", bias, 2);
    vgg_plan_options options = plan_options(1, 1);
    vgg_plan *plan = make_plan(network, &options);
    float *input = random_floats(27, 5), logits[18];
    vgg_error error;
    assert_ok(vgg_plan_forward(plan, input, 1, logits, &error), error);
    for (size_t k = 0; k < 2; k++) {
        for (size_t p = 0; p < 9; p++) {
            double sum = (double)bias[k];
            for (size_t c = 0; c < 3; c++) {
                sum += (double)weights[k * 3 + c] * (double)input[c * 9 + p];
            }
            assert_near(logits[k * 9 + p], fmax(sum, 0), 1e-6);
        }
    }
    free(input);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* ---- other input sizes ---- */

static void other_sizes(void **state) {
    (void)state;
    vgg_network_options described = net_options("8,M,8,M/16", 5, 3, 32);
    described.layout = VGG_LAYOUT_TORCHVISION;
    vgg_network *network = make_net(&described);
    initialise(network, "glorot", 2);
    static const size_t sizes[][2] = {{32, 32}, {4, 4}, {5, 40}, {33, 28}, {57, 30}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        vgg_plan_options options = plan_options(1, 1);
        options.height = sizes[i][0];
        options.width = sizes[i][1];
        vgg_plan *plan = make_plan(network, &options);
        float *input = random_floats(3 * sizes[i][0] * sizes[i][1], 6), logits[5];
        vgg_error error;
        assert_ok(vgg_plan_forward(plan, input, 1, logits, &error), error);
        for (int c = 0; c < 5; c++) {
            assert_true(isfinite(logits[c]));
        }
        free(input);
        vgg_plan_free(plan);
    }
    vgg_plan_options options = plan_options(1, 1);
    vgg_plan *plan = NULL;
    vgg_error error = {0};
    options.width = 3;
    assert_int_equal(vgg_plan_create(network, &options, &plan, &error), VGG_ERROR_SHAPE);
    assert_contains(error.message, "32x3");
    assert_contains(error.message, "at least 4");
    assert_null(plan);
    vgg_network_free(network);
}

static void other_features(void **state) {
    (void)state;
    vgg_network *network = small_net("8,M/16", 5, 3, 8);
    vgg_plan_options options = plan_options(1, 1);
    vgg_plan *plan = NULL;
    vgg_error error = {0};
    options.height = 10;
    assert_int_equal(vgg_plan_create(network, &options, &plan, &error), VGG_ERROR_SHAPE);
    assert_null(plan);
    assert_contains(error.message, "10x8");
    assert_contains(error.message, "160");
    assert_contains(error.message, "128");
    options.height = 9; /* the pool leaves as many features as of 8 */
    plan = make_plan(network, &options);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* ---- new values ---- */

static void new_values_are_seen(void **state) {
    (void)state;
    enum { CLASSES = 10 };
    vgg_network *network = small_net("16,24,M,40,M/48", CLASSES, 3, 16);
    initialise(network, "glorot", 8);
    vgg_plan_options options = plan_options(1, 1);
    vgg_plan *plan = make_plan(network, &options);
    float *input = random_floats((size_t)3 * 16 * 16, 12);
    float before[CLASSES], after[CLASSES], bias[CLASSES] = {0};
    vgg_error error;
    assert_ok(vgg_plan_forward(plan, input, 1, before, &error), error);
    bias[3] = 2;
    set_values(network, "classifier.3.bias", bias, CLASSES);
    assert_ok(vgg_plan_forward(plan, input, 1, after, &error), error);
    assert_near(after[3], before[3] + 2, 1e-5);
    initialise(network, "glorot", 9);
    assert_ok(vgg_plan_forward(plan, input, 1, after, &error), error);
    assert_memory_not_equal(after, before, sizeof after);
    initialise(network, "glorot", 8);
    assert_ok(vgg_plan_forward(plan, input, 1, after, &error), error);
    assert_memory_equal(after, before, sizeof after);
    free(input);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

static void cpu_tier(void **state) {
    (void)state;
    const char *tier = vgg_cpu_tier();
    assert_true(strcmp(tier, "amx") == 0 || strcmp(tier, "avx512") == 0 ||
                strcmp(tier, "avx2") == 0 || strcmp(tier, "portable") == 0 ||
                strcmp(tier, "ref") == 0);
    const char *wanted = getenv("VGG_CPU");
    if (wanted != NULL && *wanted != '\0')
        assert_string_equal(tier, wanted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory),           cmocka_unit_test(too_little_memory),
        cmocka_unit_test(bad_options),      cmocka_unit_test(without_values),
        cmocka_unit_test(wrong_counts),     cmocka_unit_test(backward_once),
        cmocka_unit_test(pool_alone),       cmocka_unit_test(local_response_norm_alone),
        cmocka_unit_test(one_by_one_first), cmocka_unit_test(other_sizes),
        cmocka_unit_test(other_features),   cmocka_unit_test(new_values_are_seen),
        cmocka_unit_test(cpu_tier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
