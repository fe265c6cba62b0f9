/* The gradients of every tensor of configuration D, with and without batch normalisation, at
 * 3 x 224 x 224 against PyTorch in float64. The golden has no whole gradients but digests of them:
 * the RMS, sums of all values with signs, and some of the values. */
#include <math.h>

#include "golden.h"
#include "plan_modes.h"
#include "vgg/loss.h"
#include "vgg/plan.h"
#include "vgg_test.h"

#define PROJECTIONS ((size_t)16)
#define SAMPLES ((size_t)256)
#define DIGEST (1 + PROJECTIONS + SAMPLES)

#define GRADIENT_BOUND 1e-4 /* RMS of the error of a tensor, as a share of its RMS */

/* The loss, and the logits as a share of the largest. Batch normalisation by two pictures divides
 * some channels by little. */
#define LOGITS_BOUND 1e-5
#define NORMED_LOGITS_BOUND 5e-5

/* The sums of all values, each with a sign of its own in each sum. Values with the same signs are
 * added up first. */
static void project(const vgg_golden_case *item, const char *name, const float *values,
                    size_t count, double *sums) {
    char what[VGG_TENSOR_NAME + 8];
    snprintf(what, sizeof what, "%s/signs", name);
    uint64_t key = vgg_golden_key(item->seed, what);
    double *bins = vgg_golden_alloc((size_t)1 << PROJECTIONS, sizeof *bins);
    for (size_t i = 0; i < count; i++) {
        bins[vgg_golden_bits(key, i) & ((1u << PROJECTIONS) - 1)] += (double)values[i];
    }
    for (size_t p = 0; p < PROJECTIONS; p++) {
        sums[p] = 0;
        for (size_t signs = 0; signs >> PROJECTIONS == 0; signs++) {
            sums[p] += (signs >> p & 1) != 0 ? -bins[signs] : bins[signs];
        }
    }
    free(bins);
}

static double sampled_value(const vgg_golden_case *item, const char *name, const float *values,
                            size_t count, size_t sample) {
    char what[VGG_TENSOR_NAME + 8];
    snprintf(what, sizeof what, "%s/samples", name);
    uint64_t key = vgg_golden_key(item->seed, what);
    uint64_t high = vgg_golden_bits(key, 2 * sample), low = vgg_golden_bits(key, 2 * sample + 1);
    return (double)values[(high << 24 | low) % count];
}

static double root_mean_square(const float *values, size_t count) {
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        squares += (double)values[i] * (double)values[i];
    }
    return sqrt(squares / (double)count);
}

/* The RMS of the difference between the values and those of the digest. A sum of n differences with
 * random signs has, as a mean of its square, n times their mean square: so the sums see the whole
 * tensor, and together tell its error to within a fifth or so. */
static double digest_distance(const vgg_golden_case *item, const char *name, const float *values,
                              size_t count, const float *digest) {
    double of_rms = fabs(root_mean_square(values, count) - (double)digest[0]);
    double sums[PROJECTIONS], of_sums = 0, of_samples = 0;
    project(item, name, values, count, sums);
    for (size_t p = 0; p < PROJECTIONS; p++) {
        of_sums += pow(sums[p] - (double)digest[1 + p], 2) / (double)(PROJECTIONS * count);
    }
    for (size_t s = 0; s < SAMPLES; s++) {
        of_samples +=
            pow(sampled_value(item, name, values, count, s) - (double)digest[1 + PROJECTIONS + s],
                2) /
            (double)SAMPLES;
    }
    double distance = fmax(of_rms, sqrt(fmax(of_sums, of_samples)));
    return isfinite(of_rms + of_sums + of_samples) ? distance : INFINITY;
}

/* What a pass over the batch gave. */
typedef struct result {
    double loss;
    float *logits, *input_gradient;
} result;

static vgg_plan *run(vgg_network *network, const vgg_golden_case *item, bool exact, result *out) {
    vgg_error error;
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = item->batch;
    options.mode = item->mode;
    options.exact = exact;
    options.gradients = true;
    options.input_gradient = true;
    vgg_plan *plan = NULL;
    assert_ok(create_plan(network, &options, &plan, &error), error);
    float *pictures = vgg_golden_pictures(item, 0);
    size_t *classes = vgg_golden_classes(item, 0);
    size_t count = item->batch * item->classes;
    float *gradient = vgg_golden_alloc(count, sizeof *gradient);
    out->logits = vgg_golden_alloc(count, sizeof *out->logits);
    out->input_gradient =
        vgg_golden_alloc(item->batch * item->channels * item->height * item->width, sizeof(float));
    assert_ok(vgg_plan_forward(plan, pictures, item->batch, out->logits, &error), error);
    out->loss = vgg_cross_entropy(out->logits, classes, item->batch, item->classes, gradient);
    assert_ok(vgg_plan_backward(plan, gradient, out->input_gradient, &error), error);
    free(gradient);
    free(classes);
    free(pictures);
    return plan;
}

/* Compares the gradients of all trained tensors, or all running statistics. */
static vgg_golden_worst compare_tensors(const vgg_golden_set *set, const vgg_golden_case *item,
                                        const vgg_network *network, const vgg_plan *plan,
                                        bool trained) {
    vgg_golden_worst worst = {0};
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        vgg_error error;
        assert_ok(vgg_network_tensor(network, t, &info, &error), error);
        if (info.learnable != trained)
            continue;
        const float *digest = vgg_golden_values(set, item, info.name, DIGEST);
        const float *found = trained ? vgg_plan_gradient(plan, t) : vgg_network_values(network, t);
        assert_non_null(found);
        vgg_golden_note(&worst, info.name,
                        digest_distance(item, info.name, found, info.count, digest),
                        (double)digest[0]);
    }
    return worst;
}

static bool compare_case(const vgg_golden_set *set, const vgg_golden_case *item, bool exact) {
    vgg_network *network = vgg_golden_network(item);
    vgg_golden_fit(set, item, network);
    result found;
    vgg_plan *plan = run(network, item, exact, &found);
    size_t count = item->batch * item->classes;
    const float *logits = vgg_golden_values(set, item, "logits", count);
    double of_logits =
        vgg_golden_distance(found.logits, logits, count) / vgg_golden_size(logits, count);
    double loss = (double)*vgg_golden_values(set, item, "loss", 1);
    double of_loss = fabs(found.loss - loss) / loss;
    vgg_golden_worst worst = compare_tensors(set, item, network, plan, true);
    const float *digest = vgg_golden_values(set, item, "input", DIGEST);
    worst.size_before = 0; /* the input is no neighbour of the tensors */
    vgg_golden_note(&worst, "input",
                    digest_distance(item, "input", found.input_gradient,
                                    item->batch * item->channels * item->height * item->width,
                                    digest),
                    (double)digest[0]);
    vgg_golden_worst statistics = compare_tensors(set, item, network, plan, false);
    print_message(
        "%-14s %-8s logits %.1e  loss %.1e  statistics %.1e  gradients %.1e (worst: %s)\n",
        item->name, exact ? "exact" : "winograd", of_logits, of_loss, statistics.difference,
        worst.difference, worst.name);
    free(found.input_gradient);
    free(found.logits);
    vgg_plan_free(plan);
    vgg_network_free(network);
    double bound = item->batch_norm ? NORMED_LOGITS_BOUND : LOGITS_BOUND;
    return of_logits <= bound && of_loss <= bound && statistics.difference <= GRADIENT_BOUND &&
           worst.difference <= GRADIENT_BOUND;
}

static void test_full(void **state) {
    (void)state;
    if (getenv("VGG_TEST_QUICK") != NULL)
        skip();
    vgg_golden_set set;
    vgg_golden_open(&set, "gradients-full");
    assert_int_equal(set.case_count, 2);
    size_t failures = 0;
    for (size_t i = 0; i < 2 * set.case_count; i++) {
        failures += !compare_case(&set, &set.cases[i / 2], i % 2);
    }
    vgg_golden_close(&set);
    if (failures > 0)
        fail_msg("%zu results differ from PyTorch by more than their bounds", failures);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
