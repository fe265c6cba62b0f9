/* Plans that multiply in bfloat16: near those in float32, the same bits for any threads and batch,
 * and what they refuse. How exact the kernels are, tests/kernels/test_winograd_bf16.c says. */
#include <math.h>
#include <signal.h>
#include <string.h>

#include "nn/network.h"
#include "plans.h"

enum { SIDE = 20, CLASSES = 7, IMAGES = 5, VALUES = IMAGES * CLASSES, INPUT = 3 * SIDE * SIDE };

static const char arch[] = "16,24,M,33,M/40,40";

static vgg_network *draw_network(bool norm) {
    vgg_network_options options = net_options(arch, CLASSES, 3, SIDE);
    options.batch_norm = norm;
    vgg_network *network = make_net(&options);
    initialise(network, "kaiming", 3);
    return network;
}

/* IMAGES pictures in batches of `batch`. */
static void run(vgg_network *network, vgg_precision precision, size_t batch, size_t threads,
                float logits[VALUES]) {
    vgg_error error;
    vgg_plan_options options = plan_options(batch, threads);
    options.precision = precision;
    options.tuned_batch = IMAGES;
    vgg_plan *plan = make_plan(network, &options);
    float *inputs = random_floats(IMAGES * INPUT, 9);
    for (size_t n = 0; n < IMAGES; n += batch) {
        size_t count = n + batch <= IMAGES ? batch : IMAGES - n;
        assert_ok(vgg_plan_forward(plan, inputs + n * INPUT, count, logits + n * CLASSES, &error),
                  error);
    }
    free(inputs);
    vgg_plan_free(plan);
}

/* Largest difference, as a share of the largest value. */
static double difference(const float *a, const float *b) {
    float most = 0, far = 0;
    for (size_t i = 0; i < VALUES; i++) {
        most = fmaxf(most, fabsf(a[i]));
        far = fmaxf(far, fabsf(a[i] - b[i]));
    }
    return (double)(far / most);
}

static void test_near(void **state) {
    (void)state;
    for (int norm = 0; norm < 2; norm++) {
        vgg_network *network = draw_network(norm == 1);
        float floats[VALUES], rounded[VALUES], again[VALUES];
        run(network, VGG_PRECISION_F32, IMAGES, 1, floats);
        run(network, VGG_PRECISION_BF16, IMAGES, 1, rounded);
        assert_in_range((size_t)(1e6 * difference(floats, rounded)), 10, 30000);
        for (size_t threads = 1; threads <= 3; threads++) {
            for (size_t batch = 1; batch <= IMAGES; batch += 2) {
                run(network, VGG_PRECISION_BF16, batch, threads, again);
                assert_memory_equal(rounded, again, sizeof again);
            }
        }
        vgg_network_free(network);
    }
}

/* The values that a network has at a run, not those it had when the plan was made; and weights that
 * are narrow by then, as they are. */
static void test_new_values(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = draw_network(false);
    vgg_plan_options options = plan_options(IMAGES, 1);
    options.precision = VGG_PRECISION_BF16;
    vgg_plan *plan = make_plan(network, &options);
    float *inputs = random_floats(IMAGES * INPUT, 9), logits[VALUES], fresh[VALUES];
    static const char *const dtypes[] = {"F32", "BF16", "F16", "I8"};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        initialise(network, "kaiming", 20 + i);
        assert_ok(vgg_network_set_dtype(network, dtypes[i], &error), error);
        assert_ok(vgg_plan_forward(plan, inputs, IMAGES, logits, &error), error);
        run(network, VGG_PRECISION_BF16, IMAGES, 1, fresh);
        assert_memory_equal(logits, fresh, sizeof fresh);
    }
    free(inputs);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* Weights of linear layers that are of bfloat16 already give what rounding them gives. */
static void test_narrow_weights(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = draw_network(false);
    float rounded[VALUES], narrow[VALUES];
    run(network, VGG_PRECISION_BF16, IMAGES, 1, rounded);
    assert_ok(vgg_network_set_dtype(network, "BF16", &error), error);
    run(network, VGG_PRECISION_BF16, IMAGES, 1, narrow);
    assert_memory_equal(rounded, narrow, sizeof narrow);
    vgg_network_free(network);
}

static void refuse_as(vgg_status status, const vgg_plan_options *options, const char *message) {
    vgg_error error;
    vgg_plan *plan;
    vgg_network *network = draw_network(false);
    assert_int_equal(vgg_plan_create(network, options, &plan, &error), status);
    assert_contains(error.message, message);
    vgg_network_free(network);
}

static void refuse(const vgg_plan_options *options, const char *message) {
    refuse_as(VGG_ERROR_ARGUMENT, options, message);
}

static void test_refused(void **state) {
    (void)state;
    vgg_plan_options options = plan_options(1, 1);
    options.precision = VGG_PRECISION_BF16;
    options.exact = true;
    refuse(&options, "a plan that is exact is for f32, not bf16");
    options.exact = false;
    options.precision = (vgg_precision)4;
    refuse(&options, "precision 4, expected f32, bf16, tf32 or f16");
    options.precision = VGG_PRECISION_TF32;
    refuse_as(VGG_ERROR_UNSUPPORTED, &options,
              "precision tf32 is for a GPU, expected f32 or bf16 on the processor");
    options.precision = VGG_PRECISION_F16;
    refuse_as(VGG_ERROR_UNSUPPORTED, &options,
              "precision f16 is for a GPU, expected f32 or bf16 on the processor");
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(vgg_precision_name(VGG_PRECISION_F32), "f32");
    assert_string_equal(vgg_precision_name(VGG_PRECISION_BF16), "bf16");
    assert_string_equal(vgg_precision_name(VGG_PRECISION_TF32), "tf32");
    assert_string_equal(vgg_precision_name(VGG_PRECISION_F16), "f16");
    assert_null(vgg_precision_name((vgg_precision)4));
    assert_null(vgg_precision_name((vgg_precision)-1));
    assert_int_equal(vgg_precision_named("bf16"), VGG_PRECISION_BF16);
    assert_int_equal(vgg_precision_named("tf32"), VGG_PRECISION_TF32);
    assert_int_equal(vgg_precision_named("f16"), VGG_PRECISION_F16);
    assert_int_equal(vgg_precision_named("fp16"), VGG_PRECISION_F32);
    assert_int_equal(vgg_precision_named(NULL), VGG_PRECISION_F32);
    assert_true(vgg_precision_is_native(VGG_PRECISION_F32));
    assert_false(vgg_precision_is_native(VGG_PRECISION_TF32));
    assert_false(vgg_precision_is_native(VGG_PRECISION_F16));
}

/* ---- gradients ---- */

/* Without ReLUs and max-pools, in which a rounding may decide otherwise. */
static const char straight[] = "c16,c24,c33,P,c40/f30";
/* The same with maps that are kept in bfloat16. */
static const char straight_wide[] = "c48,c48,c48,P,c40/f30";

/* Gradients of the input, if it is wanted, or zeros, and of all tensors. */
static float *gradients(vgg_network *network, vgg_precision precision, size_t threads, bool input,
                        size_t *count) {
    vgg_error error;
    vgg_plan_options options = plan_options(IMAGES, threads);
    options.precision = precision;
    options.gradients = true;
    options.input_gradient = input;
    vgg_plan *plan = make_plan(network, &options);
    float *inputs = random_floats(IMAGES * INPUT, 9), logits[VALUES];
    float *logits_gradient = random_floats(VALUES, 10);
    size_t tensors = vgg_network_tensor_count(network);
    *count = vgg_network_parameters(network) + IMAGES * INPUT;
    float *all = calloc(*count, sizeof *all);
    assert_non_null(all);
    assert_ok(vgg_plan_forward(plan, inputs, IMAGES, logits, &error), error);
    assert_ok(vgg_plan_backward(plan, logits_gradient, input ? all : NULL, &error), error);
    size_t at = IMAGES * INPUT;
    for (size_t t = 0; t < tensors; t++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        assert_ok(vgg_network_tensor(network, t, &info, &error), error);
        memcpy(all + at, vgg_plan_gradient(plan, t), info.count * sizeof *all);
        at += info.count;
    }
    assert_int_equal(at, *count);
    free(logits_gradient);
    free(inputs);
    vgg_plan_free(plan);
    return all;
}

/* Root of the mean of squared differences, as a share of that of squares. */
static double distance(const float *a, const float *b, size_t count) {
    double differences = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        differences += pow((double)a[i] - (double)b[i], 2);
        squares += pow((double)a[i], 2);
    }
    return sqrt(differences / squares);
}

/* The gradients of each tensor and, if it is there, of the input. */
static void compare_gradients(vgg_network *network, bool input, const float *floats,
                              const float *rounded) {
    if (input)
        assert_in_range((size_t)(1e6 * distance(floats, rounded, IMAGES * INPUT)), 10, 40000);
    size_t at = IMAGES * INPUT;
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        vgg_error error;
        vgg_tensor_info info = {.struct_size = sizeof info};
        assert_ok(vgg_network_tensor(network, t, &info, &error), error);
        assert_in_range((size_t)(1e6 * distance(floats + at, rounded + at, info.count)), 0, 40000);
        at += info.count;
    }
}

static void check_gradients(const char *structure, bool input) {
    vgg_network_options options = net_options(structure, CLASSES, 3, SIDE);
    vgg_network *network = make_net(&options);
    initialise(network, "kaiming", 3);
    size_t count;
    float *floats = gradients(network, VGG_PRECISION_F32, 1, input, &count);
    float *rounded = gradients(network, VGG_PRECISION_BF16, 1, input, &count);
    compare_gradients(network, input, floats, rounded);
    for (size_t threads = 2; threads <= 3; threads++) {
        float *again = gradients(network, VGG_PRECISION_BF16, threads, input, &count);
        assert_memory_equal(rounded, again, count * sizeof *again);
        free(again);
    }
    free(rounded);
    free(floats);
    vgg_network_free(network);
}

static void test_gradients(void **state) {
    (void)state;
    for (int input = 0; input < 2; input++) {
        check_gradients(straight, input == 1);
        check_gradients(straight_wide, input == 1);
    }
}

/* Where matrices are multiplied gradients of weights take less time without transforms. */
static const char *weights_algorithm(void) {
    return strcmp(vgg_cpu_tier(), "amx") == 0 ? "direct-bf16" : "winograd-bf16";
}

/* The first layer's. */
static const char *first_layer(void) {
    return strcmp(vgg_cpu_tier(), "amx") == 0 ? "direct-bf16" : "direct";
}

/* Which passes of which layers are rounded in a plan with gradients: not those of linear layers. */
static void test_gradient_ops(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = draw_network(false);
    vgg_plan_options options = plan_options(IMAGES, 1);
    options.precision = VGG_PRECISION_BF16;
    options.gradients = true;
    vgg_plan *plan = make_plan(network, &options);
    size_t found = 0;
    for (size_t s = 0; s < vgg_plan_op_count(plan); s++) {
        vgg_op_info info = {.struct_size = sizeof info};
        assert_ok(vgg_plan_op(plan, s, &info, &error), error);
        bool second = strcmp(info.name, "features.2") == 0;
        if (second) {
            assert_string_equal(info.algorithm, "winograd-bf16+pool");
            assert_string_equal(info.backward_data, "winograd-bf16");
            assert_string_equal(info.backward_weights, weights_algorithm());
        } else if (strcmp(info.name, "classifier.0") == 0) {
            assert_string_equal(info.algorithm, "linear");
        } else {
            continue;
        }
        found++;
    }
    assert_int_equal(found, 2);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* What is neither Winograd's nor AMX's stays in float32: the first layer, and few channels. */
static void test_ops(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = draw_network(false);
    vgg_plan_options options = plan_options(IMAGES, 1);
    options.precision = VGG_PRECISION_BF16;
    vgg_plan *plan = make_plan(network, &options);
    const struct {
        const char *layer, *algorithm;
    } ops[] = {{"features.0", first_layer()},
               {"features.2", "winograd-bf16+pool"},
               {"classifier.0", "linear-bf16"},
               {"classifier.3", "linear-bf16"}};
    size_t found = 0;
    for (size_t s = 0; s < vgg_plan_op_count(plan); s++) {
        vgg_op_info info = {.struct_size = sizeof info};
        assert_ok(vgg_plan_op(plan, s, &info, &error), error);
        for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
            if (strcmp(info.name, ops[i].layer) != 0)
                continue;
            assert_string_equal(info.algorithm, ops[i].algorithm);
            assert_true(info.cost > 0 && info.products > 0);
            found++;
        }
    }
    assert_int_equal(found, sizeof ops / sizeof *ops);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* ---- stacks for signals ---- */

/* Too small a one for the tiles of AMX, which no plan of float32 asks for. The system gives them
 * for good, so that this comes first. */
static void test_small_signal_stack(void **state) {
    (void)state;
    if (strcmp(vgg_cpu_tier(), "amx") != 0)
        skip();
    enum { SMALL = 8192 };
    static char memory[SMALL];
    const stack_t small = {.ss_sp = memory, .ss_size = SMALL};
    stack_t former;
    float logits[VALUES];
    vgg_error error;
    vgg_plan *plan = NULL;
    vgg_network *network = draw_network(false);
    vgg_plan_options options = plan_options(1, 1);
    options.precision = VGG_PRECISION_BF16;
    run(network, VGG_PRECISION_F32, 1, 1, logits);
    assert_int_equal(sigaltstack(&small, &former), 0);
    assert_int_equal(vgg_plan_create(network, &options, &plan, &error), VGG_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "a thread has too small a stack for signals"));
    run(network, VGG_PRECISION_F32, 1, 1, logits);
    assert_int_equal(sigaltstack(&former, NULL), 0);
    run(network, VGG_PRECISION_BF16, 1, 1, logits);
    vgg_network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_signal_stack),
        cmocka_unit_test(test_near),
        cmocka_unit_test(test_new_values),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_narrow_weights),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_ops),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_gradient_ops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
