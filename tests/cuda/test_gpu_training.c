/* Training on a device of its own memory: steps in half precision, values that cannot be fetched,
 * and what is done to all tensors at once. */
#include <stdlib.h>
#include <string.h>

#include "gpu_plans.h"
#include "nn/loss_scale.h"
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

static bool same_values(const vgg_network *one, const vgg_network *other) {
    bool same = true;
    for (size_t t = 0; t < vgg_network_tensor_count(one); t++) {
        size_t bytes = tensor_info(one, t).count * sizeof(float);
        same = same && memcmp(vgg_network_values(one, t), vgg_network_values(other, t), bytes) == 0;
    }
    return same;
}

/* Steps from gradients that float16 does not hold leave the weights as they are, until the loss
 * scale is small enough. 65,536 * 100 is 2^7 times too much. */
static void gradients_of_f16(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    for (int defer = 0; defer < 2; defer++) {
        vgg_network *network = net_of("8,R,M/12,R"), *before = net_of("8,R,M/12,R");
        training made = training_of(network, defer != 0, VGG_PRECISION_F16);
        vgg_error error;
        for (size_t skipped = 1; skipped <= 7; skipped++) {
            assert_ok(step_from(&made, 100, &error), error);
            assert_int_equal(vgg_optimiser_skipped(made.optimiser), skipped);
            assert_true(same_values(network, before));
        }
        assert_ok(step_from(&made, 100, &error), error);
        assert_int_equal(vgg_optimiser_skipped(made.optimiser), 7);
        assert_false(same_values(network, before));
        vgg_status status = VGG_OK;
        for (size_t step = 0; step < 10; step++) {
            assert_int_equal(status, VGG_OK);
            status = step_from(&made, 1e6f, &error);
        }
        assert_int_equal(status, VGG_ERROR_UNSUPPORTED);
        assert_non_null(strstr(error.message, "too large for f16"));
        end_training(&made);
        made = training_of(before, defer != 0, VGG_PRECISION_BF16);
        assert_ok(step_from(&made, 100, &error), error);
        assert_int_equal(vgg_optimiser_skipped(made.optimiser), 0);
        end_training(&made);
        vgg_network_free(network);
        vgg_network_free(before);
    }
    assert_nothing_left();
}

static void loss_scale_moves(void **state) {
    (void)state;
    vgg_error error;
    vgg_loss_scale scale = vgg_loss_scale_of(false);
    vgg_loss_scale_begin(&scale);
    assert_true(!scale.moves && scale.factor == 1);
    scale = vgg_loss_scale_of(true);
    assert_true(!scale.moves && scale.factor == 1024);
    vgg_loss_scale_begin(&scale);
    assert_true(scale.moves && scale.factor == 65536);
    assert_ok(vgg_loss_scale_move(&scale, false, &error), error);
    assert_true(scale.factor == 32768 && scale.skipped == 1);
    for (size_t step = 1; step <= 4001; step++) {
        float factor = step < 2000 ? 32768 : step < 4000 ? 65536 : 131072;
        assert_ok(vgg_loss_scale_move(&scale, true, &error), error);
        assert_true(scale.factor == factor && scale.good == step % 2000);
    }
    assert_ok(vgg_loss_scale_move(&scale, false, &error), error);
    assert_true(scale.factor == 65536 && scale.good == 0 && scale.skipped == 2);
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

/* ---- updates ---- */

/* All tensors in a kernel, and the same bits where each has one of its own: where memory for their
 * table cannot be had. */
static void updates_are_one(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    static const vgg_optimiser_kind kinds[] = {VGG_OPTIMISER_SGD, VGG_OPTIMISER_ADAMW};
    static const vgg_gpu_kernel many[] = {vgg_gpu_kernel_sgd_many, vgg_gpu_kernel_adamw_many};
    static const vgg_gpu_kernel one[] = {vgg_gpu_kernel_sgd, vgg_gpu_kernel_adamw};
    for (size_t k = 0; k < 2; k++) {
        vgg_network *networks[2];
        for (size_t way = 0; way < 2; way++) {
            networks[way] = net_of("8,B,R,M,16,L,M/12");
            vgg_plan_options options = gpu_options(VGG_PRECISION_BF16);
            vgg_optimiser_options optimising;
            training made = {.inputs = random_floats(BATCH * 3 * SIDE * SIDE, 5)};
            vgg_error error;
            vgg_optimiser_options_init(&optimising, sizeof optimising);
            optimising.kind = kinds[k];
            assert_ok(vgg_plan_create_training(networks[way], &options, &made.plan, &error), error);
            assert_ok(vgg_optimiser_create(networks[way], made.plan, &optimising, &made.optimiser,
                                           &error),
                      error);
            if (way == 1)
                vgg_double_limit(vgg_double_bytes());
            size_t before = vgg_double_launches(one[k]), tables = vgg_double_launches(many[k]);
            assert_ok(step_from(&made, 1, &error), error);
            assert_true((vgg_double_launches(one[k]) > before) == (way == 1));
            assert_int_equal(vgg_double_launches(many[k]) - tables, way == 0);
            assert_ok(step_from(&made, 0.5f, &error), error);
            end_training(&made);
            vgg_double_limit((size_t)8 << 30);
        }
        assert_true(same_values(networks[0], networks[1]));
        vgg_network_free(networks[0]);
        vgg_network_free(networks[1]);
    }
    assert_nothing_left();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_f16),
        cmocka_unit_test(loss_scale_moves),
        cmocka_unit_test(values_are_lost),
        cmocka_unit_test(updates_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
