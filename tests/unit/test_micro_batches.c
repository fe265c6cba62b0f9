/* Steps of several batches, and linear layers whose gradients are not stored: what
 * vgg_optimiser_step makes of them is what it makes of one batch with all gradients stored. */
#include "nets.h"

#include <math.h>

#include "base/random.h"
#include "nn/plan.h"
#include "plan_modes.h"
#include "vgg/loss.h"
#include "vgg/train.h"

#define SIDE ((size_t)12)
#define IMAGE (3 * SIDE * SIDE)
#define IMAGES ((size_t)12)
#define CLASSES ((size_t)7)
#define STEPS 3

static float *random_floats(size_t count, uint64_t seed) {
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) {
        values[i] = (float)(2 * vgg_random_unit(seed, 0, i) - 1);
    }
    return values;
}

/* Dropout on pictures and rows, with and without a ReLU beside it; pools of averages. */
#define RICH "8,P,D0.3,20,c20v,R/D0.2,33,f20,D0.4,f18,R"

static vgg_network *make_network(const char *arch, bool batch_norm, double dropout) {
    vgg_network_options options = net_options(arch, CLASSES, 3, SIDE);
    options.batch_norm = batch_norm;
    options.dropout = dropout;
    vgg_network *network = make_net(&options);
    initialise(network, "glorot", 5);
    return network;
}

static vgg_network *usual_net(bool batch_norm, double dropout) {
    return make_network("8,M,20,20,M/33,20", batch_norm, dropout);
}

/* How a network is trained: in `parts` batches per step. */
typedef struct manner {
    size_t parts, threads;
    bool defer, batch_norm;
    double dropout;
    vgg_mode mode;
    bool rich;
} manner;

static vgg_plan *make_plan(vgg_network *network, const manner *how) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = (IMAGES + how->parts - 1) / how->parts;
    options.micro_batches = how->parts;
    options.defer_linear = how->defer;
    options.gradients = true;
    options.mode = how->mode;
    options.threads = how->threads;
    vgg_plan *plan = NULL;
    vgg_error error;
    assert_ok(create_training_plan(network, &options, &plan, &error), error);
    return plan;
}

/* Both passes of a step; returns its loss. */
static double pass(vgg_plan *plan, const manner *how, const float *inputs) {
    size_t labels[IMAGES];
    float logits[IMAGES * CLASSES], gradient[IMAGES * CLASSES];
    double loss = 0;
    for (size_t n = 0; n < IMAGES; n++) {
        labels[n] = n * 5 % CLASSES;
    }
    for (size_t part = 0; part < how->parts; part++) {
        size_t begin = IMAGES * part / how->parts;
        size_t count = IMAGES * (part + 1) / how->parts - begin;
        vgg_error error;
        assert_ok(vgg_plan_forward(plan, inputs + begin * IMAGE, count, logits, &error), error);
        loss += vgg_cross_entropy_part(logits, labels + begin, count, CLASSES, IMAGES, gradient);
        assert_ok(vgg_plan_backward(plan, gradient, NULL, &error), error);
    }
    return loss;
}

/* The network after a few steps. */
static vgg_network *trained(const manner *how) {
    vgg_network *network = how->rich ? make_network(RICH, how->batch_norm, how->dropout)
                                     : usual_net(how->batch_norm, how->dropout);
    vgg_plan *plan = make_plan(network, how);
    vgg_optimiser *optimiser = NULL;
    vgg_error error;
    vgg_optimiser_options options;
    vgg_optimiser_options_init(&options, sizeof options);
    options.momentum = 0.9;
    options.weight_decay = 1e-2;
    assert_ok(vgg_optimiser_create(network, plan, &options, &optimiser, &error), error);
    for (uint64_t step = 0; step < STEPS; step++) {
        float *inputs = random_floats(IMAGES * IMAGE, 30 + step);
        vgg_plan_set_dropout(plan, 4, step);
        assert_true(isfinite(pass(plan, how, inputs)));
        assert_ok(vgg_optimiser_step(optimiser, 0.1, &error), error);
        free(inputs);
    }
    vgg_optimiser_free(optimiser);
    vgg_plan_free(plan);
    return network;
}

/* Values smaller than this are made of rounding: those of a bias before a batch normalisation,
 * whose gradient would be 0, are of 1e-8. */
#define SMALLEST 1e-3

/* The greatest difference of a value, relative to the greatest of its tensor. */
static double distance(const vgg_network *a, const vgg_network *b) {
    double worst = 0;
    for (size_t t = 0; t < vgg_network_tensor_count(a); t++) {
        const float *left = vgg_network_values(a, t), *right = vgg_network_values(b, t);
        double most = SMALLEST, apart = 0;
        for (size_t i = 0; i < tensor_info(a, t).count; i++) {
            most = fmax(most, fabs((double)left[i]));
            apart = fmax(apart, fabs((double)left[i] - (double)right[i]));
        }
        worst = isfinite(apart) ? fmax(worst, apart / most) : INFINITY;
    }
    return worst;
}

static void assert_same_training(const manner *one, const manner *other, double bound) {
    vgg_network *a = trained(one), *b = trained(other);
    double apart = distance(a, b);
    if (!(apart <= bound))
        fail_msg("%zu parts%s differ from %zu by %g", other->parts,
                 other->defer ? ", deferred," : "", one->parts, apart);
    vgg_network_free(a);
    vgg_network_free(b);
}

/* Rounding: a few steps of a loss whose gradients are sums of hundreds of terms. */
#define ROUNDING 2e-5

static void same_as_whole(void **state) {
    (void)state;
    static const size_t parts[] = {1, 2, 3, 5, 12};
    for (size_t i = 0; i < 2 * sizeof parts / sizeof *parts; i++) {
        manner whole = {.parts = 1, .threads = 1, .dropout = 0.4, .mode = VGG_MODE_TRAIN};
        manner other = whole;
        other.parts = parts[i / 2];
        other.defer = i % 2;
        other.threads = 2;
        assert_same_training(&whole, &other, ROUNDING);
        whole.rich = other.rich = true;
        assert_same_training(&whole, &other, ROUNDING);
    }
}

/* Batch normalisation's statistics are each micro-batch's own, so that only those of eval, which do
 * not depend on the batch, give the same. */
static void batch_norm(void **state) {
    (void)state;
    manner whole = {.parts = 1, .threads = 1, .batch_norm = true, .mode = VGG_MODE_EVAL};
    manner parts = {.parts = 4, .threads = 2, .batch_norm = true, .defer = true};
    assert_same_training(&whole, &parts, ROUNDING);
    whole.mode = VGG_MODE_TRAIN;
    manner deferred = whole;
    deferred.defer = true;
    assert_same_training(&whole, &deferred, ROUNDING);
}

static void same_bits_for_any_threads(void **state) {
    (void)state;
    manner one = {.parts = 3,
                  .threads = 1,
                  .batch_norm = true,
                  .defer = true,
                  .dropout = 0.3,
                  .mode = VGG_MODE_TRAIN};
    for (size_t threads = 2; threads <= 4; threads++) {
        manner other = one;
        other.threads = threads;
        assert_same_training(&one, &other, 0);
        manner rich = one;
        rich.rich = other.rich = true;
        assert_same_training(&rich, &other, 0);
    }
}

/* Gradients add up until the step ends, and stand alone without micro-batches. */
static void accumulated_gradients(void **state) {
    (void)state;
    manner how = {.parts = 2, .threads = 1};
    vgg_network *network = usual_net(false, 0);
    vgg_plan *plan = make_plan(network, &how);
    float *inputs = random_floats(IMAGES * IMAGE, 1);
    size_t bias = vgg_network_find_tensor(network, "classifier.6.bias");
    size_t filter = vgg_network_find_tensor(network, "features.0.weight");
    const float *of_bias = vgg_plan_gradient(plan, bias);
    const float *of_filter = vgg_plan_gradient(plan, filter);
    pass(plan, &how, inputs);
    double first = (double)of_bias[2], filter_first = (double)of_filter[5];
    vgg_error error;
    float logits[IMAGES * CLASSES];
    assert_int_equal(vgg_plan_forward(plan, inputs, 1, logits, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "2 micro-batches");
    assert_contains(error.message, "vgg_plan_begin_step");
    vgg_plan_begin_step(plan);
    pass(plan, &how, inputs);
    assert_true((double)of_bias[2] == first && (double)of_filter[5] == filter_first);
    vgg_plan_free(plan);
    how.parts = 1;
    plan = make_plan(network, &how);
    for (int i = 0; i < 2; i++) {
        pass(plan, &how, inputs);
        assert_true(fabs((double)vgg_plan_gradient(plan, bias)[2] - first) <= 1e-6);
        assert_true(fabs((double)vgg_plan_gradient(plan, filter)[5] - filter_first) <= 1e-6);
    }
    free(inputs);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

static void deferred_tensors(void **state) {
    (void)state;
    manner how = {
        .parts = 1, .threads = 1, .defer = true, .batch_norm = true, .mode = VGG_MODE_TRAIN};
    vgg_network *network = usual_net(true, 0);
    vgg_plan *plan = make_plan(network, &how);
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        vgg_tensor_info info = tensor_info(network, t);
        bool linear = strncmp(info.name, "classifier", 10) == 0;
        assert_int_equal(vgg_plan_gradient(plan, t) != NULL, info.learnable && !linear);
    }
    vgg_optimiser *optimiser = NULL;
    vgg_error error;
    assert_ok(vgg_optimiser_create(network, plan, NULL, &optimiser, &error), error);
    assert_int_equal(vgg_optimiser_step(optimiser, 0.1, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "backward");
    vgg_optimiser_free(optimiser);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

static size_t memory_of(vgg_network *network, size_t batch, size_t parts, bool defer) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = batch;
    options.micro_batches = parts;
    options.defer_linear = defer;
    options.mode = VGG_MODE_TRAIN;
    size_t bytes = 0;
    vgg_error error;
    assert_ok(vgg_plan_memory(network, &options, &bytes, &error), error);
    return bytes;
}

static void memory(void **state) {
    (void)state;
    vgg_network *network = small_net("D", 1000, 3, 224);
    size_t stored = memory_of(network, 8, 1, false), deferred = memory_of(network, 8, 1, true);
    size_t rows = 8 * (25088 + 4096 + 4096) * sizeof(float);
    size_t linear =
        ((size_t)25088 * 4096 + (size_t)4096 * 4096 + (size_t)4096 * 1000 + 9192) * sizeof(float);
    assert_true(deferred + linear <= stored + 3 * rows);
    assert_true(memory_of(network, 2, 4, true) < deferred / 2);
    vgg_network_free(network);
    network = small_net("8,M/16", 4, 3, 8);
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.micro_batches = SIZE_MAX;
    vgg_error error;
    size_t bytes;
    assert_int_equal(vgg_plan_memory(network, &options, &bytes, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "micro-batches");
    vgg_network_free(network);
}

/* A loss in parts is the whole loss, with the very gradients. */
static void loss_in_parts(void **state) {
    (void)state;
    float *logits = random_floats(IMAGES * CLASSES, 3);
    float whole[IMAGES * CLASSES], parts[IMAGES * CLASSES];
    size_t labels[IMAGES];
    for (size_t n = 0; n < IMAGES; n++) {
        labels[n] = n % CLASSES;
    }
    double expected = vgg_cross_entropy(logits, labels, IMAGES, CLASSES, whole), found = 0;
    for (size_t n = 0; n < IMAGES; n += 4) {
        found += vgg_cross_entropy_part(logits + n * CLASSES, labels + n, 4, CLASSES, IMAGES,
                                        parts + n * CLASSES);
    }
    assert_true(fabs(found - expected) <= 1e-12);
    assert_memory_equal(parts, whole, sizeof whole);
    free(logits);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_whole),
        cmocka_unit_test(batch_norm),
        cmocka_unit_test(same_bits_for_any_threads),
        cmocka_unit_test(accumulated_gradients),
        cmocka_unit_test(deferred_tensors),
        cmocka_unit_test(memory),
        cmocka_unit_test(loss_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
