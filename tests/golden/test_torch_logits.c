/* Logits against PyTorch in float64: all eleven variants, small and at 3 x 224 x 224. */
#include "golden.h"
#include "vgg_test.h"

#define LOGITS_BOUND 1e-5 /* of the largest logit */

static double logits_difference(const vgg_golden_set *set, const vgg_golden_case *item) {
    vgg_error error;
    vgg_network *network = vgg_golden_network(item);
    vgg_plan *plan = vgg_golden_plan(network, item, 0, false);
    float *pictures = vgg_golden_pictures(item, 0);
    size_t count = item->batch * item->classes;
    float *logits = vgg_golden_alloc(count, sizeof *logits);
    assert_ok(vgg_plan_forward(plan, pictures, item->batch, logits, &error), error);
    const float *expected = vgg_golden_values(set, item, "logits", count);
    double difference =
        vgg_golden_distance(logits, expected, count) / vgg_golden_size(expected, count);
    free(logits);
    free(pictures);
    vgg_plan_free(plan);
    vgg_network_free(network);
    return difference;
}

static void compare_set(const char *name, size_t least_cases) {
    vgg_golden_set set;
    vgg_golden_open(&set, name);
    assert_true(set.case_count >= least_cases);
    size_t failures = 0;
    for (size_t i = 0; i < set.case_count; i++) {
        double difference = logits_difference(&set, &set.cases[i]);
        bool good = difference <= LOGITS_BOUND;
        print_message("%-20s max|difference| = %.1e of max|logit|%s\n", set.cases[i].name,
                      difference, good ? "" : "  TOO MUCH");
        failures += !good;
    }
    vgg_golden_close(&set);
    if (failures > 0)
        fail_msg("%zu networks of \"%s\" differ from PyTorch by more than %g", failures, name,
                 LOGITS_BOUND);
}

static void test_small(void **state) {
    (void)state;
    compare_set("logits", 11);
}

static void test_full(void **state) {
    (void)state;
    if (getenv("VGG_TEST_QUICK") != NULL)
        skip();
    compare_set("logits-full", 11);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
