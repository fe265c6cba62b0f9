/* The losses of 20 steps of SGD with momentum and weight decay against PyTorch's in float64. */
#include <math.h>

#include "golden.h"
#include "vgg/train.h"
#include "vgg_test.h"

#define LOSS_BOUND 1e-4 /* relative, at every step */

static double train_step(const vgg_golden_case *item, vgg_plan *plan, vgg_optimiser *optimiser,
                         size_t step) {
    vgg_error error;
    float *pictures = vgg_golden_pictures(item, step);
    size_t *classes = vgg_golden_classes(item, step);
    size_t count = item->batch * item->classes;
    float *logits = vgg_golden_alloc(count, sizeof *logits);
    float *gradient = vgg_golden_alloc(count, sizeof *gradient);
    assert_ok(vgg_plan_forward(plan, pictures, item->batch, logits, &error), error);
    double loss = vgg_cross_entropy(logits, classes, item->batch, item->classes, gradient);
    assert_ok(vgg_plan_backward(plan, gradient, NULL, &error), error);
    assert_ok(vgg_optimiser_step(optimiser, item->rate, &error), error);
    free(gradient);
    free(logits);
    free(classes);
    free(pictures);
    return loss;
}

static double worst_difference(const vgg_golden_set *set, const vgg_golden_case *item) {
    vgg_error error;
    const float *expected = vgg_golden_values(set, item, "losses", item->steps);
    vgg_network *network = vgg_golden_network(item);
    vgg_plan *plan = vgg_golden_plan(network, item, 0, true);
    vgg_optimiser *optimiser = NULL;
    assert_ok(vgg_optimiser_create(network, plan, 0.9, 5e-4, &optimiser, &error), error);
    double worst = 0;
    for (size_t step = 0; step < item->steps; step++) {
        double loss = train_step(item, plan, optimiser, step);
        double difference = fabs(loss - (double)expected[step]) / (double)expected[step];
        worst = isfinite(difference) ? fmax(worst, difference) : INFINITY;
    }
    vgg_optimiser_free(optimiser);
    vgg_plan_free(plan);
    vgg_network_free(network);
    return worst;
}

static void test_steps(void **state) {
    (void)state;
    vgg_golden_set set;
    vgg_golden_open(&set, "steps");
    size_t failures = 0;
    for (size_t i = 0; i < set.case_count; i++) {
        assert_true(set.cases[i].steps >= 20);
        double worst = worst_difference(&set, &set.cases[i]);
        print_message("%-16s %zu losses, worst difference %.1e\n", set.cases[i].name,
                      set.cases[i].steps, worst);
        failures += !(worst <= LOSS_BOUND);
    }
    vgg_golden_close(&set);
    if (failures > 0)
        fail_msg("%zu trainings differ from PyTorch's by more than %g", failures, LOSS_BOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
