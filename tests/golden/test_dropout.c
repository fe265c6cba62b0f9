/* Dropout in a network whose last linear layer is the identity and whose hidden values are all
 * positive, so that the logits are the hidden layer after dropout. */
#include <math.h>

#include "golden.h"
#include "vgg/plan.h"
#include "vgg_test.h"

enum { HIDDEN = 300, BATCH = 6, VALUES = BATCH * HIDDEN };

static const vgg_golden_case MASKED = {.name = "masked",
                                       .seed = "masked",
                                       .arch = "8,M/300",
                                       .layout = VGG_LAYOUT_PAPER,
                                       .classes = HIDDEN,
                                       .channels = 3,
                                       .height = 6,
                                       .width = 7,
                                       .batch = BATCH,
                                       .mode = VGG_MODE_TRAIN,
                                       .gain = 1,
                                       .dropout = 0.25};

typedef struct fixture {
    vgg_golden_case item;
    vgg_network *network;
    vgg_plan *plan;
    float *pictures;
    float hidden[VALUES]; /* what dropout sees */
} fixture;

static void set_values(vgg_network *network, const char *name, const float *values, size_t count) {
    vgg_error error;
    size_t tensor = vgg_network_find_tensor(network, name);
    assert_ok(vgg_network_set_values(network, tensor, values, count, &error), error);
}

static void run(fixture *f, vgg_mode mode, float logits[VALUES]) {
    vgg_error error;
    assert_ok(vgg_plan_set_mode(f->plan, mode, &error), error);
    assert_ok(vgg_plan_forward(f->plan, f->pictures, BATCH, logits, &error), error);
}

static void open_fixture(fixture *f, vgg_layout layout, double dropout, size_t threads) {
    f->item = MASKED;
    f->item.layout = layout;
    f->item.dropout = dropout;
    f->network = vgg_golden_network(&f->item);
    float *identity = vgg_golden_alloc((size_t)HIDDEN * HIDDEN, sizeof *identity);
    float bias[HIDDEN];
    for (size_t i = 0; i < HIDDEN; i++) {
        identity[i * HIDDEN + i] = 1;
        bias[i] = 100;
    }
    set_values(f->network, "classifier.0.bias", bias, HIDDEN);
    set_values(f->network, "classifier.3.weight", identity, (size_t)HIDDEN * HIDDEN);
    memset(bias, 0, sizeof bias);
    set_values(f->network, "classifier.3.bias", bias, HIDDEN);
    free(identity);
    f->plan = vgg_golden_plan(f->network, &f->item, threads, true);
    f->pictures = vgg_golden_pictures(&f->item, 0);
    run(f, VGG_MODE_EVAL, f->hidden);
    for (size_t i = 0; i < VALUES; i++) {
        assert_true(f->hidden[i] > 50);
    }
}

static void close_fixture(fixture *f) {
    free(f->pictures);
    vgg_plan_free(f->plan);
    vgg_network_free(f->network);
}

static size_t differences(const float *a, const float *b, size_t count) {
    size_t different = 0;
    for (size_t i = 0; i < count; i++) {
        different += (a[i] > 0) != (b[i] > 0);
    }
    return different;
}

/* Each value is dropped or scaled by 1 / (1 - p), and about 1 - p of them are kept. */
static void test_scaling(void **state) {
    (void)state;
    static const double probabilities[] = {0.5, 0.25, 0.9};
    for (size_t i = 0; i < sizeof probabilities / sizeof probabilities[0]; i++) {
        double p = probabilities[i], kept = 0;
        const size_t steps = 10;
        fixture f;
        open_fixture(&f, i == 1 ? VGG_LAYOUT_TORCHVISION : VGG_LAYOUT_PAPER, p, 2);
        for (size_t step = 0; step < steps; step++) {
            float logits[VALUES];
            vgg_plan_set_dropout(f.plan, 1, step);
            run(&f, VGG_MODE_TRAIN, logits);
            for (size_t v = 0; v < VALUES; v++) {
                double expected = (double)f.hidden[v] / (1 - p), found = (double)logits[v];
                assert_true(found == 0 || fabs(found - expected) <= 1e-6 * expected);
                kept += found > 0;
            }
        }
        double draws = (double)(steps * VALUES);
        double deviation = (kept - draws * (1 - p)) / sqrt(draws * p * (1 - p));
        if (fabs(deviation) > 4.5)
            fail_msg("dropout %g kept %g of %g values, %g standard deviations off", p, kept, draws,
                     deviation);
        close_fixture(&f);
    }
}

/* The mask is a function of seed and step, not of the threads, and differs between the images. */
static void test_mask(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, VGG_LAYOUT_PAPER, 0.5, 1);
    float first[VALUES], again[VALUES], logits[VALUES];
    vgg_plan_set_dropout(f.plan, 7, 5);
    run(&f, VGG_MODE_TRAIN, first);
    static const uint64_t others[][2] = {{7, 6}, {8, 5}, {5, 7}, {0, 0}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        vgg_plan_set_dropout(f.plan, others[i][0], others[i][1]);
        run(&f, VGG_MODE_TRAIN, logits);
        assert_true(differences(first, logits, VALUES) > VALUES / 3);
    }
    vgg_plan_set_dropout(f.plan, 7, 5);
    run(&f, VGG_MODE_TRAIN, again);
    assert_memory_equal(first, again, sizeof first);
    for (size_t n = 1; n < BATCH; n++) {
        assert_true(differences(first, first + n * HIDDEN, HIDDEN) > HIDDEN / 3);
    }
    close_fixture(&f);

    open_fixture(&f, VGG_LAYOUT_PAPER, 0.5, 3);
    vgg_plan_set_dropout(f.plan, 7, 5);
    run(&f, VGG_MODE_TRAIN, again);
    assert_memory_equal(first, again, sizeof first);
    close_fixture(&f);
}

/* The gradient is zero where the value was dropped and 1 / (1 - p) where it was kept: with
 * gradients of one for the logits, the hidden biases' gradients are sums of these over the images.
 */
static void test_backward(void **state) {
    (void)state;
    vgg_error error;
    static const vgg_layout layouts[] = {VGG_LAYOUT_PAPER, VGG_LAYOUT_TORCHVISION};
    for (size_t l = 0; l < 2; l++) {
        fixture f;
        open_fixture(&f, layouts[l], 0.25, 2);
        float logits[VALUES], ones[VALUES];
        for (size_t i = 0; i < VALUES; i++) {
            ones[i] = 1;
        }
        vgg_plan_set_dropout(f.plan, 2, 9);
        run(&f, VGG_MODE_TRAIN, logits);
        assert_ok(vgg_plan_backward(f.plan, ones, NULL, &error), error);
        const float *found =
            vgg_plan_gradient(f.plan, vgg_network_find_tensor(f.network, "classifier.0.bias"));
        size_t dropped = 0;
        for (size_t h = 0; h < HIDDEN; h++) {
            double expected = 0;
            for (size_t n = 0; n < BATCH; n++) {
                expected += logits[n * HIDDEN + h] > 0 ? 1 / 0.75 : 0;
            }
            dropped += expected < 7.9;
            assert_true(fabs((double)found[h] - expected) < 1e-5);
        }
        assert_true(dropped > HIDDEN / 2);
        close_fixture(&f);
    }
}

static void test_nothing_dropped(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, VGG_LAYOUT_PAPER, 0, 2);
    float logits[VALUES];
    run(&f, VGG_MODE_TRAIN, logits);
    assert_memory_equal(logits, f.hidden, sizeof logits);
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scaling),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_backward),
        cmocka_unit_test(test_nothing_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
