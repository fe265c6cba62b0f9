/* Plans in company: a row of logits does not depend on its neighbours, the size of the batch or the
 * threads, and two plans do not disturb one another. */
#include "plans.h"

#include <pthread.h>

#include "nn/plan.h"

#define IMAGE ((size_t)3 * 16 * 16)
#define IMAGES 5
#define CLASSES ((size_t)10)

static vgg_network *usual_net(void) {
    vgg_network_options described = net_options("16,24,M,40,M/48", CLASSES, 3, 16);
    described.batch_norm = true;
    vgg_network *network = make_net(&described);
    initialise(network, "glorot", 8);
    return network;
}

/* The logits of each image alone are those of any batch by any number of threads. */
static void check_rows(vgg_network *network, bool exact) {
    static const size_t threads[] = {0, 1, 2, 3, 4, 7};
    float *inputs = random_floats(IMAGES * IMAGE, 9);
    float alone[IMAGES * CLASSES], logits[IMAGES * CLASSES];
    vgg_error error;
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        vgg_plan_options options = plan_options(IMAGES, threads[t]);
        options.exact = exact;
        vgg_plan *plan = make_plan(network, &options);
        for (size_t n = 0; t == 0 && n < IMAGES; n++) {
            assert_ok(vgg_plan_forward(plan, inputs + n * IMAGE, 1, alone + n * CLASSES, &error),
                      error);
        }
        for (size_t count = 1; count <= IMAGES; count++) {
            const float *first = inputs + (IMAGES - count) * IMAGE;
            assert_ok(vgg_plan_forward(plan, first, count, logits, &error), error);
            assert_memory_equal(logits, alone + (IMAGES - count) * CLASSES,
                                count * CLASSES * sizeof *logits);
        }
        vgg_plan_free(plan);
    }
    free(inputs);
    vgg_network_free(network);
}

static void rows_stand_alone(void **state) {
    (void)state;
    check_rows(usual_net(), false);
    check_rows(usual_net(), true);
}

/* Channels whose Winograd filters are not stored, so that threads share out the output channels. */
static void rows_of_wide_layers(void **state) {
    (void)state;
    vgg_network *network = small_net("16,160,192,M,160,M/48", CLASSES, 3, 16);
    initialise(network, "glorot", 8);
    check_rows(network, false);
}

typedef struct runner {
    vgg_plan *plan;
    const float *inputs, *expected;
    size_t wrong;
} runner;

static void *run_often(void *argument) {
    runner *job = argument;
    for (size_t i = 0; i < 30; i++) {
        float logits[IMAGES * CLASSES];
        vgg_status status = vgg_plan_forward(job->plan, job->inputs, IMAGES, logits, NULL);
        job->wrong += status != VGG_OK || memcmp(logits, job->expected, sizeof logits) != 0;
    }
    return NULL;
}

static void two_at_once(void **state) {
    (void)state;
    vgg_network *network = usual_net();
    float *inputs[2], expected[2][IMAGES * CLASSES];
    vgg_plan_options options = plan_options(IMAGES, 2);
    vgg_plan *alone = make_plan(network, &options);
    runner jobs[2];
    pthread_t threads[2];
    vgg_error error;
    for (size_t i = 0; i < 2; i++) {
        inputs[i] = random_floats(IMAGES * IMAGE, 10 + i);
        assert_ok(vgg_plan_forward(alone, inputs[i], IMAGES, expected[i], &error), error);
        jobs[i] = (runner){make_plan(network, &options), inputs[i], expected[i], 0};
    }
    vgg_plan_free(alone);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_often, &jobs[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(jobs[i].wrong, 0);
        vgg_plan_free(jobs[i].plan);
        free(inputs[i]);
    }
    vgg_network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_stand_alone),
        cmocka_unit_test(rows_of_wide_layers),
        cmocka_unit_test(two_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
