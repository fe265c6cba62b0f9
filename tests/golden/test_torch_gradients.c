/* Loss, gradients of every parameter and of the input, and running statistics against PyTorch in
 * float64. */
#include <math.h>

#include "golden.h"
#include "test_device.h"
#include "vgg/loss.h"
#include "vgg/plan.h"
#include "vgg_test.h"

#define GRADIENT_BOUND 1e-4 /* of the largest gradient of the tensor */
#define LOGITS_BOUND 1e-5
#define LOSS_BOUND 1e-5

/* Of a GPU, which multiplies and stores everything in fewer bits; where a ReLU or a pool takes
 * another branch for it, gradients differ by whole values. */
static const struct bounds {
    vgg_precision precision;
    double logits, loss, gradients;
} GPU_BOUNDS[] = {{VGG_PRECISION_TF32, 1e-2, 5e-3, 2},
                  {VGG_PRECISION_F16, 1e-2, 5e-3, 2},
                  {VGG_PRECISION_BF16, 6e-2, 2e-2, 2}};

/* Compares the gradients, or for running statistics the values, of all tensors. */
static void compare_tensors(const vgg_golden_set *set, const vgg_golden_case *item,
                            const vgg_network *network, const vgg_plan *plan,
                            vgg_golden_worst *worst) {
    size_t tensors = vgg_network_tensor_count(network);
    assert_int_equal(item->arrays, tensors + 3); /* logits, loss, input */
    for (size_t t = 0; t < tensors; t++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        vgg_error error;
        assert_ok(vgg_network_tensor(network, t, &info, &error), error);
        const float *expected = vgg_golden_values(set, item, info.name, info.count);
        const float *found = vgg_plan_gradient(plan, t);
        assert_int_equal(found != NULL, info.learnable);
        if (!info.learnable)
            found = vgg_network_values(network, t);
        vgg_golden_note(worst, info.name, vgg_golden_distance(found, expected, info.count),
                        vgg_golden_size(expected, info.count));
    }
}

/* What a plan without gradients, in which more is done at once, makes of the same pictures. */
static double infer(const vgg_golden_set *set, const vgg_golden_case *item, vgg_network *network,
                    const float *pictures) {
    vgg_error error;
    size_t count = item->batch * item->classes;
    vgg_plan *plan = vgg_golden_plan(network, item, 0, false);
    float *logits = vgg_golden_alloc(count, sizeof *logits);
    assert_ok(vgg_plan_forward(plan, pictures, item->batch, logits, &error), error);
    const float *expected = vgg_golden_values(set, item, "logits", count);
    double difference =
        vgg_golden_distance(logits, expected, count) / vgg_golden_size(expected, count);
    free(logits);
    vgg_plan_free(plan);
    return difference;
}

static bool compare_case(const vgg_golden_set *set, const vgg_golden_case *item,
                         struct bounds bounds) {
    vgg_error error;
    vgg_network *network = vgg_golden_network(item);
    vgg_plan *plan = vgg_golden_plan(network, item, 0, true);
    float *pictures = vgg_golden_pictures(item, 0);
    size_t *classes = vgg_golden_classes(item, 0);
    size_t count = item->batch * item->classes;
    size_t values = item->batch * item->channels * item->height * item->width;
    float *logits = vgg_golden_alloc(count, sizeof *logits);
    float *logits_gradient = vgg_golden_alloc(count, sizeof *logits_gradient);
    float *input_gradient = vgg_golden_alloc(values, sizeof *input_gradient);

    assert_ok(vgg_plan_forward(plan, pictures, item->batch, logits, &error), error);
    double loss = vgg_cross_entropy(logits, classes, item->batch, item->classes, logits_gradient);
    assert_ok(vgg_plan_backward(plan, logits_gradient, input_gradient, &error), error);

    const float *expected = vgg_golden_values(set, item, "logits", count);
    double logits_difference =
        vgg_golden_distance(logits, expected, count) / vgg_golden_size(expected, count);
    if (item->mode == VGG_MODE_EVAL)
        logits_difference = fmax(logits_difference, infer(set, item, network, pictures));
    double expected_loss = (double)*vgg_golden_values(set, item, "loss", 1);
    double loss_difference = fabs(loss - expected_loss) / expected_loss;
    expected = vgg_golden_values(set, item, "input", values);
    vgg_golden_worst worst = {0};
    compare_tensors(set, item, network, plan, &worst);
    worst.size_before = 0; /* the input is no neighbour of the tensors */
    vgg_golden_note(&worst, "input", vgg_golden_distance(input_gradient, expected, values),
                    vgg_golden_size(expected, values));
    print_message("%-16s %-4s logits %.1e  loss %.1e  gradients %.1e (worst: %s)\n", item->name,
                  vgg_precision_name(item->precision), logits_difference, loss_difference,
                  worst.difference, worst.name);

    free(input_gradient);
    free(logits_gradient);
    free(logits);
    free(classes);
    free(pictures);
    vgg_plan_free(plan);
    vgg_network_free(network);
    return logits_difference <= bounds.logits && loss_difference <= bounds.loss &&
           worst.difference <= bounds.gradients;
}

static void test_gradients(void **state) {
    (void)state;
    vgg_golden_set set;
    vgg_golden_open(&set, "gradients");
    assert_true(set.case_count >= 10);
    size_t failures = 0;
    for (size_t i = 0; i < set.case_count; i++) {
        const struct bounds exact = {VGG_PRECISION_F32, LOGITS_BOUND, LOSS_BOUND, GRADIENT_BOUND};
        failures += !compare_case(&set, &set.cases[i], exact);
    }
    size_t narrow = test_device() == VGG_DEVICE_CPU ? 0 : sizeof GPU_BOUNDS / sizeof *GPU_BOUNDS;
    for (size_t i = 0; i < narrow * set.case_count; i++) {
        vgg_golden_case item = set.cases[i % set.case_count];
        const struct bounds bounds = GPU_BOUNDS[i / set.case_count];
        item.precision = bounds.precision;
        failures += !compare_case(&set, &item, bounds);
    }
    vgg_golden_close(&set);
    if (failures > 0)
        fail_msg("%zu networks differ from PyTorch by more than %g", failures, GRADIENT_BOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
