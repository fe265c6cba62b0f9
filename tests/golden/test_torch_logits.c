/* Logits against PyTorch in float64: all eleven variants, small and at 3 x 224 x 224. */
#include "golden.h"
#include "vgg/plan.h"
#include "vgg_test.h"

/* Ways to compute, and how far from float64 they may end, as a share of the largest logit. */
typedef struct way {
    const char *name;
    bool exact;
    const char *dtype;
    double bound, small_bound; /* at 3 x 224 x 224, and in small networks, whose sums of a few
                                * terms average fewer roundings of weights */
} way;

static const way WAYS[] = {
    {"winograd", false, "F32", 1e-5, 1e-5},
    {"exact", true, "F32", 2e-6, 2e-6},
    {"f16", false, "F16", 1e-3, 2e-3},
};
enum { WAY_COUNT = sizeof WAYS / sizeof WAYS[0] };

static double logits_difference(const vgg_golden_set *set, const vgg_golden_case *item,
                                const way *how) {
    vgg_error error;
    vgg_network *network = vgg_golden_network(item);
    assert_ok(vgg_network_set_dtype(network, how->dtype, &error), error);
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = item->batch;
    options.exact = how->exact;
    vgg_plan *plan = NULL;
    assert_ok(vgg_plan_create(network, &options, &plan, &error), error);
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

static size_t compare_case(const vgg_golden_set *set, const vgg_golden_case *item, bool small) {
    size_t failures = 0;
    print_message("%-20s max|difference| / max|logit|:", item->name);
    for (size_t w = 0; w < WAY_COUNT; w++) {
        double difference = logits_difference(set, item, &WAYS[w]);
        bool good = difference <= (small ? WAYS[w].small_bound : WAYS[w].bound);
        print_message(" %s %.1e%s", WAYS[w].name, difference, good ? "" : " TOO MUCH");
        failures += !good;
    }
    print_message("\n");
    return failures;
}

static void compare_set(const char *name, size_t least_cases, bool small) {
    vgg_golden_set set;
    vgg_golden_open(&set, name);
    assert_true(set.case_count >= least_cases);
    size_t failures = 0;
    for (size_t i = 0; i < set.case_count; i++) {
        failures += compare_case(&set, &set.cases[i], small);
    }
    vgg_golden_close(&set);
    if (failures > 0)
        fail_msg("%zu results of \"%s\" differ from PyTorch by more than their bounds", failures,
                 name);
}

static void test_small(void **state) {
    (void)state;
    compare_set("logits", 11, true);
}

static void test_full(void **state) {
    (void)state;
    if (getenv("VGG_TEST_QUICK") != NULL)
        skip();
    compare_set("logits-full", 11, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
