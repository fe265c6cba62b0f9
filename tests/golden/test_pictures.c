/* D at 3 x 224 x 224 on pictures, whose flat areas make half of all activations zero: the ways to
 * compute against the direct convolution, and the same bits however the work is divided. */
#include "golden.h"
#include "vgg/data.h"
#include "vgg/image.h"
#include "vgg/plan.h"
#include "vgg_test.h"

enum { PICTURES = 3, SIDE = 224, INPUT = 3 * SIDE * SIDE, CLASSES = 1000 };

static vgg_network *make_network(void) {
    vgg_error error;
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    vgg_network *network;
    assert_ok(vgg_network_create(&options, &network, &error), error);
    assert_ok(vgg_network_initialise(network, "kaiming", 7, &error), error);
    return network;
}

static float *draw_pictures(void) {
    vgg_error error;
    vgg_preprocess preprocess = {.struct_size = sizeof preprocess};
    assert_ok(vgg_preprocess_preset("torchvision", 3, SIDE, SIDE, &preprocess, &error), error);
    float *inputs = vgg_golden_alloc(PICTURES * INPUT, sizeof *inputs);
    for (size_t i = 0; i < PICTURES; i++) {
        vgg_image image;
        assert_ok(vgg_pictogram_draw(3 * i, 300, 1, i, &image, &error), error);
        assert_ok(vgg_preprocess_image(&preprocess, &image, inputs + i * INPUT, &error), error);
        vgg_image_free(&image);
    }
    return inputs;
}

/* How a plan computes. */
typedef enum way { EXACT, FAST, ROUNDED } way;

/* logits: (count, CLASSES) */
static void run(vgg_network *network, size_t threads, way how, const float *inputs, size_t count,
                float *logits) {
    vgg_error error;
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = PICTURES;
    options.threads = threads;
    options.exact = how == EXACT;
    options.precision = how == ROUNDED ? VGG_PRECISION_BF16 : VGG_PRECISION_F32;
    vgg_plan *plan;
    assert_ok(vgg_plan_create(network, &options, &plan, &error), error);
    assert_ok(vgg_plan_forward(plan, inputs, count, logits, &error), error);
    vgg_plan_free(plan);
}

static void skip_when_quick(void) {
    if (getenv("VGG_TEST_QUICK") != NULL)
        skip();
}

static void test_errors(void **state) {
    (void)state;
    skip_when_quick();
    vgg_network *network = make_network();
    float *inputs = draw_pictures();
    static float exact[PICTURES * CLASSES], winograd[PICTURES * CLASSES], f16[PICTURES * CLASSES],
        int8[PICTURES * CLASSES], bf16[PICTURES * CLASSES];
    vgg_error error;
    run(network, 0, EXACT, inputs, PICTURES, exact);
    run(network, 0, FAST, inputs, PICTURES, winograd);
    run(network, 0, ROUNDED, inputs, PICTURES, bf16);
    assert_ok(vgg_network_set_dtype(network, "F16", &error), error);
    run(network, 0, FAST, inputs, PICTURES, f16);
    assert_ok(vgg_network_initialise(network, "kaiming", 7, &error), error);
    assert_ok(vgg_network_set_dtype(network, "I8", &error), error);
    run(network, 0, FAST, inputs, PICTURES, int8);
    double size = vgg_golden_size(exact, PICTURES * CLASSES);
    double of_winograd = vgg_golden_distance(winograd, exact, PICTURES * CLASSES) / size;
    double of_f16 = vgg_golden_distance(f16, exact, PICTURES * CLASSES) / size;
    double of_int8 = vgg_golden_distance(int8, exact, PICTURES * CLASSES) / size;
    double of_bf16 = vgg_golden_distance(bf16, exact, PICTURES * CLASSES) / size;
    print_message("from exact: winograd %.1e, f16 %.1e, int8 %.1e, bf16 %.1e of max|logit|\n",
                  of_winograd, of_f16, of_int8, of_bf16);
    assert_true(of_winograd <= 2e-5);
    assert_true(of_f16 <= 1e-3);
    assert_true(of_int8 <= 2e-2);
    assert_true(of_bf16 <= 3e-2);
    free(inputs);
    vgg_network_free(network);
}

static void test_same_bits(void **state) {
    (void)state;
    skip_when_quick();
    static const size_t threads[] = {2, 3, 4, 7};
    vgg_network *network = make_network();
    float *inputs = draw_pictures();
    static float one[PICTURES * CLASSES], other[PICTURES * CLASSES];
    run(network, 1, FAST, inputs, PICTURES, one);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        run(network, threads[i], FAST, inputs, PICTURES, other);
        assert_memory_equal(one, other, sizeof one);
    }
    /* Each picture alone, where it was in any place of the batch before. */
    for (size_t i = 0; i < PICTURES; i++) {
        run(network, 0, FAST, inputs + i * INPUT, 1, other);
        assert_memory_equal(one + i * CLASSES, other, CLASSES * sizeof *one);
    }
    run(network, 1, ROUNDED, inputs, PICTURES, one);
    run(network, 3, ROUNDED, inputs + INPUT, 1, other);
    assert_memory_equal(one + CLASSES, other, CLASSES * sizeof *one);
    free(inputs);
    vgg_network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
