/* Training on a device of its own memory: steps in half precision, values that cannot be fetched,
 * and what is done to all tensors at once. */
#include <stdlib.h>
#include <string.h>

#include "gpu_plans.h"
#include "vgg/train.h"

/* A plan that trains, with its optimiser, and a batch. */
typedef struct training {
    vgg_plan *plan;
    vgg_optimiser *optimiser;
    float *inputs;
} training;

static training training_of(vgg_network *network, bool defer, vgg_precision precision) {
    vgg_plan_options options = gpu_options(precision);
    training made = {.inputs = random_floats(BATCH * 3 * SIDE * SIDE, 5)};
    vgg_error error;
    options.defer_linear = defer;
    assert_ok(vgg_plan_create_training(network, &options, &made.plan, &error), error);
    assert_ok(vgg_optimiser_create(network, made.plan, NULL, &made.optimiser, &error), error);
    return made;
}

static void end_training(training *made) {
    vgg_optimiser_free(made->optimiser);
    vgg_plan_free(made->plan);
    free(made->inputs);
}

/* One step from a gradient of the logits of so much everywhere. */
static vgg_status step_from(const training *made, float size, vgg_error *error) {
    float logits[LOGITS], gradient[LOGITS];
    for (size_t i = 0; i < LOGITS; i++) {
        gradient[i] = size;
    }
    vgg_status status = vgg_plan_forward(made->plan, made->inputs, BATCH, logits, error);
    if (status == VGG_OK)
        status = vgg_plan_backward(made->plan, gradient, NULL, error);
    return status == VGG_OK ? vgg_optimiser_step(made->optimiser, 0.001, error) : status;
}

/* ---- values that cannot be fetched ---- */

/* At the latest as the plan is freed; which call of that it is is found by trying. */
static void values_are_lost(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    vgg_network *network = net_of("8,R,M/12,R");
    training made = training_of(network, false, VGG_PRECISION_F32);
    vgg_error error;
    assert_ok(step_from(&made, 1, &error), error);
    vgg_double_fail(1, VGG_GPU_FAILED);
    assert_int_equal(vgg_plan_settle(made.plan, &error), VGG_ERROR_UNSUPPORTED);
    assert_ok(vgg_plan_settle(made.plan, &error), error);
    assert_non_null(vgg_network_values(network, 0));
    bool lost = false;
    for (size_t call = 1; !lost && call < 20; call++) {
        assert_ok(step_from(&made, 1, &error), error);
        vgg_double_fail(call, VGG_GPU_FAILED);
        end_training(&made);
        vgg_double_fail(0, VGG_GPU_OK);
        size_t count = tensor_info(network, 0).count;
        float *values = malloc(count * sizeof *values);
        vgg_status status = vgg_network_copy_values(network, 0, values, count, &error);
        free(values);
        lost = status != VGG_OK;
        if (lost) {
            assert_int_equal(status, VGG_ERROR_UNSUPPORTED);
            assert_non_null(strstr(error.message, "are lost"));
            assert_null(vgg_network_values(network, 0));
        } else {
            made = training_of(network, false, VGG_PRECISION_F32);
        }
    }
    assert_true(lost);
    vgg_network_free(network);
    assert_nothing_left();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
