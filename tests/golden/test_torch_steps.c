/* The losses of 20 steps of SGD with momentum and weight decay against PyTorch's in float64,
 * however the steps are computed. */
#include <math.h>

#include "golden.h"
#include "plan_modes.h"
#include "test_device.h"
#include "vgg/loss.h"
#include "vgg/plan.h"
#include "vgg/train.h"
#include "vgg_test.h"

/* Of the loss, at every step. */
#define LOSS_BOUND 1e-4
/* The same with operands of bfloat16, of the first loss: batches of so few pictures make a rounding
 * grow from step to step. The greatest is 0.034. */
#define BF16_LOSS_BOUND 0.1
/* Of a GPU, which multiplies and stores everything in fewer bits: of 20 steps, as longer trainings
 * grow any difference. */
#define TF32_LOSS_BOUND 0.05

/* A step in `parts` micro-batches, with the gradients of linear layers stored or deferred. */
typedef struct manner {
    const char *name;
    size_t parts;
    bool defer;
    vgg_precision precision;
    double bound;
} manner;

static const manner MANNERS[] = {
    {"stored", 1, false, VGG_PRECISION_F32, LOSS_BOUND},
    {"deferred", 1, true, VGG_PRECISION_F32, LOSS_BOUND},
    {"two parts", 2, false, VGG_PRECISION_F32, LOSS_BOUND},
    {"two parts deferred", 2, true, VGG_PRECISION_F32, LOSS_BOUND},
    {"bf16", 1, true, VGG_PRECISION_BF16, BF16_LOSS_BOUND},
    {"tf32", 1, true, VGG_PRECISION_TF32, TF32_LOSS_BOUND},
    {"f16", 1, true, VGG_PRECISION_F16, TF32_LOSS_BOUND},
};
enum { MANNER_COUNT = sizeof MANNERS / sizeof *MANNERS };

static vgg_plan *make_plan(vgg_network *network, const vgg_golden_case *item, const manner *how) {
    vgg_error error;
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    assert_int_equal(item->batch % how->parts, 0);
    options.batch = item->batch / how->parts;
    options.micro_batches = how->parts;
    options.defer_linear = how->defer;
    options.mode = item->mode;
    options.precision = how->precision;
    options.device = test_device();
    vgg_plan *plan = NULL;
    assert_ok(create_training_plan(network, &options, &plan, &error), error);
    return plan;
}

static double train_step(const vgg_golden_case *item, const manner *how, vgg_plan *plan,
                         vgg_optimiser *optimiser, size_t step) {
    vgg_error error;
    float *pictures = vgg_golden_pictures(item, step);
    size_t *classes = vgg_golden_classes(item, step);
    size_t part = item->batch / how->parts;
    size_t pixels = item->channels * item->height * item->width;
    float *logits = vgg_golden_alloc(part * item->classes, sizeof *logits);
    float *gradient = vgg_golden_alloc(part * item->classes, sizeof *gradient);
    double loss = 0;
    for (size_t first = 0; first < item->batch; first += part) {
        assert_ok(vgg_plan_forward(plan, pictures + first * pixels, part, logits, &error), error);
        loss += vgg_cross_entropy_part(logits, classes + first, part, item->classes, item->batch,
                                       gradient);
        assert_ok(vgg_plan_backward(plan, gradient, NULL, &error), error);
    }
    assert_ok(vgg_optimiser_step(optimiser, item->rate, &error), error);
    free(gradient);
    free(logits);
    free(classes);
    free(pictures);
    return loss;
}

static double worst_difference(const vgg_golden_set *set, const vgg_golden_case *item,
                               const manner *how) {
    vgg_error error;
    const float *expected = vgg_golden_values(set, item, "losses", item->steps);
    vgg_network *network = vgg_golden_network(item);
    vgg_plan *plan = make_plan(network, item, how);
    vgg_optimiser *optimiser = NULL;
    vgg_optimiser_options options;
    vgg_optimiser_options_init(&options, sizeof options);
    options.momentum = 0.9;
    options.weight_decay = 5e-4;
    assert_ok(vgg_optimiser_create(network, plan, &options, &optimiser, &error), error);
    double worst = 0;
    for (size_t step = 0; step < item->steps; step++) {
        double loss = train_step(item, how, plan, optimiser, step);
        double size = (double)expected[how->precision == VGG_PRECISION_F32 ? step : 0];
        double difference = fabs(loss - (double)expected[step]) / size;
        worst = isfinite(difference) ? fmax(worst, difference) : INFINITY;
    }
    vgg_optimiser_free(optimiser);
    vgg_plan_free(plan);
    vgg_network_free(network);
    return worst;
}

static size_t compare_case(const vgg_golden_set *set, const vgg_golden_case *item) {
    size_t failures = 0;
    assert_true(item->steps >= 20);
    print_message("%-6s %zu losses, worst difference:", item->name, item->steps);
    for (size_t m = 0; m < MANNER_COUNT; m++) {
        /* Batch normalisation takes the statistics of each part alone, which is another network. */
        bool norm = item->batch_norm || strchr(item->arch, 'B') != NULL;
        if (norm && MANNERS[m].parts > 1)
            continue;
        bool gpu = test_device() != VGG_DEVICE_CPU;
        if (gpu ? MANNERS[m].bound > LOSS_BOUND && item->steps > 20
                : MANNERS[m].bound == TF32_LOSS_BOUND)
            continue;
        double worst = worst_difference(set, item, &MANNERS[m]);
        print_message(" %s %.1e", MANNERS[m].name, worst);
        failures += !(worst <= MANNERS[m].bound);
    }
    print_message("\n");
    return failures;
}

static void test_steps(void **state) {
    (void)state;
    vgg_golden_set set;
    vgg_golden_open(&set, "steps");
    size_t failures = 0;
    for (size_t i = 0; i < set.case_count; i++) {
        failures += compare_case(&set, &set.cases[i]);
    }
    vgg_golden_close(&set);
    if (failures > 0)
        fail_msg("%zu trainings differ from PyTorch's by more than %g, in bf16 %g", failures,
                 LOSS_BOUND, BF16_LOSS_BOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
