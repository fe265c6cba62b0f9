/* Plans on a device whose calls fail one after the other, and whose memory ends: statuses, and
 * nothing that is left behind; and that the same comes out every time. */
#include <stdlib.h>
#include <string.h>

#include "gpu_plans.h"
#include "nn/plan.h"
#include "vgg/loss.h"
#include "vgg/train.h"

#define PASSES 3

/* ---- what is done ---- */

/* Passes, of which the first is not recorded; the logits of each. */
static vgg_status infer(const vgg_network *network, float (*logits)[LOGITS], vgg_error *error) {
    vgg_plan_options options = gpu_options(VGG_PRECISION_BF16);
    vgg_plan *plan = NULL;
    float *inputs = random_floats(BATCH * 3 * SIDE * SIDE + PASSES, 1);
    vgg_status status = vgg_plan_create(network, &options, &plan, error);
    memset(logits, 0, PASSES * sizeof *logits);
    for (size_t pass = 0; status == VGG_OK && pass < PASSES; pass++) {
        status = vgg_plan_forward(plan, inputs + pass, pass == 1 ? 1 : BATCH, logits[pass], error);
    }
    vgg_plan_free(plan);
    free(inputs);
    return status;
}

static vgg_status learn(vgg_plan *plan, vgg_optimiser *optimiser, const float *inputs,
                        vgg_error *error) {
    static const size_t classes[BATCH] = {1, 0, 4};
    float logits[LOGITS], gradient[LOGITS];
    vgg_status status = VGG_OK;
    for (size_t part = 0; status == VGG_OK && part < 2; part++) {
        size_t count = BATCH - part;
        status = vgg_plan_forward(plan, inputs, count, logits, error);
        if (status != VGG_OK)
            break;
        vgg_cross_entropy(logits, classes, count, CLASSES, gradient);
        status = vgg_plan_backward(plan, gradient, NULL, error);
    }
    return status == VGG_OK ? vgg_optimiser_step(optimiser, 0.1, error) : status;
}

static vgg_status train(vgg_network *network, bool defer, vgg_error *error) {
    vgg_plan_options options = gpu_options(VGG_PRECISION_F16);
    vgg_optimiser_options optimising;
    vgg_optimiser_options_init(&optimising, sizeof optimising);
    options.micro_batches = 2;
    options.defer_linear = defer;
    optimising.clip = defer ? 0 : 1;
    optimising.ema = defer ? 0 : 0.9;
    float *inputs = random_floats(BATCH * 3 * SIDE * SIDE, 2);
    vgg_plan *plan = NULL;
    vgg_optimiser *optimiser = NULL;
    vgg_status status = vgg_plan_create_training(network, &options, &plan, error);
    if (status == VGG_OK)
        status = vgg_optimiser_create(network, plan, &optimising, &optimiser, error);
    for (size_t step = 0; status == VGG_OK && step < 2; step++) {
        status = learn(plan, optimiser, inputs, error);
    }
    if (status == VGG_OK)
        status = vgg_network_settle(network, error);
    vgg_optimiser_free(optimiser);
    vgg_plan_free(plan);
    free(inputs);
    return status;
}

/* ---- tests ---- */

static const char *const nets[] = {"8,B,R,M,16,L,M/12", "8,R,M,9,B,R,M/12,R,D0.5,12"};

/* Whatever call fails, the status says so, or it was one that can be done without. */
static void check_failure(vgg_gpu_result result, vgg_status status, const vgg_error *error) {
    if (status == VGG_OK)
        return;
    bool memory = status == VGG_ERROR_MEMORY; /* also where taking some fails for another reason */
    if (!memory && (status != VGG_ERROR_UNSUPPORTED || result == VGG_GPU_NO_MEMORY))
        fail_msg("status %d: %s", (int)status, error->message);
    assert_true(strlen(error->message) > 10);
    assert_null(strchr(error->message, '\n'));
}

static void each_call_of_inference(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    for (size_t n = 0; n < sizeof nets / sizeof *nets; n++) {
        vgg_network *network = net_of(nets[n]);
        float logits[PASSES][LOGITS], expected[PASSES][LOGITS];
        vgg_error error;
        vgg_double_fail(0, VGG_GPU_OK);
        assert_ok(infer(network, expected, &error), error);
        size_t calls = vgg_double_fail(0, VGG_GPU_OK);
        assert_true(calls > 20);
        for (size_t call = 1; call <= 2 * calls; call++) {
            vgg_gpu_result result = call % 2 ? VGG_GPU_NO_MEMORY : VGG_GPU_FAILED;
            vgg_double_fail((call + 1) / 2, result);
            vgg_status status = infer(network, logits, &error);
            check_failure(result, status, &error);
            if (status == VGG_OK)
                assert_memory_equal(logits, expected, sizeof expected);
            assert_nothing_left();
        }
        vgg_network_free(network);
    }
    vgg_double_fail(0, VGG_GPU_OK);
}

static void each_call_of_training(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    for (size_t n = 0; n < sizeof nets / sizeof *nets; n++) {
        vgg_error error;
        vgg_network *network = net_of(nets[n]);
        vgg_double_fail(0, VGG_GPU_OK);
        assert_ok(train(network, n == 0, &error), error);
        size_t calls = vgg_double_fail(0, VGG_GPU_OK);
        vgg_network_free(network);
        for (size_t call = 1; call <= calls; call++) {
            vgg_gpu_result result = call % 2 ? VGG_GPU_NO_MEMORY : VGG_GPU_FAILED;
            network = net_of(nets[n]);
            vgg_double_fail(call, result);
            check_failure(result, train(network, n == 0, &error), &error);
            assert_nothing_left();
            vgg_network_free(network);
        }
    }
    vgg_double_fail(0, VGG_GPU_OK);
}

static void memory_ends(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    vgg_network *network = net_of(nets[0]);
    vgg_error error;
    float logits[PASSES][LOGITS];
    size_t needed = 0;
    vgg_status status = VGG_ERROR_MEMORY;
    for (size_t limit = 4096; status != VGG_OK; limit += 4096) {
        vgg_double_limit(limit);
        status = infer(network, logits, &error);
        assert_true(status == VGG_OK || status == VGG_ERROR_MEMORY);
        assert_nothing_left();
        needed = limit;
    }
    vgg_plan_options options = gpu_options(VGG_PRECISION_BF16);
    size_t bytes = 0;
    assert_ok(vgg_plan_memory(network, &options, &bytes, &error), error);
    assert_true(needed >= bytes && needed <= bytes + 5 * 4096);
    vgg_double_limit((size_t)8 << 30);
    vgg_network_free(network);
}

/* Also where the passes are recorded, and after a smaller batch. */
static void same_bits(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    for (size_t n = 0; n < sizeof nets / sizeof *nets; n++) {
        float first[PASSES][LOGITS], second[PASSES][LOGITS];
        vgg_error error;
        vgg_network *one = net_of(nets[n]), *other = net_of(nets[n]);
        assert_ok(infer(one, first, &error), error);
        assert_ok(infer(one, second, &error), error);
        assert_memory_equal(first, second, sizeof first);
        assert_ok(train(one, n == 0, &error), error);
        assert_ok(train(other, n == 0, &error), error);
        for (size_t t = 0; t < vgg_network_tensor_count(one); t++) {
            assert_memory_equal(vgg_network_values(one, t), vgg_network_values(other, t),
                                tensor_info(one, t).count * sizeof(float));
        }
        vgg_network_free(one);
        vgg_network_free(other);
    }
    assert_nothing_left();
}

/* What a plan trained is there when it is gone, and for plans on the processor before. */
static void values_come_back(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    vgg_network *network = net_of(nets[1]), *before = net_of(nets[1]);
    vgg_error error;
    assert_ok(train(network, true, &error), error);
    size_t bytes = tensor_info(network, 0).count * sizeof(float);
    assert_memory_not_equal(vgg_network_values(network, 0), vgg_network_values(before, 0), bytes);
    vgg_network_free(network);
    vgg_network_free(before);
}

static double seconds_of(const vgg_plan *plan, bool backward) {
    double sum = 0;
    for (size_t op = 0; op < vgg_plan_op_count(plan); op++) {
        vgg_op_info info = {.struct_size = sizeof info};
        vgg_error error;
        assert_ok(vgg_plan_op(plan, op, &info, &error), error);
        double seconds = backward ? info.backward_data_seconds : info.seconds;
        assert_true(seconds >= 0);
        sum += seconds;
    }
    return sum;
}

/* Those of each pass anew, also of one that is repeated from a record, and of a backward pass. */
static void times_are_of_the_last_pass(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    vgg_network *network = net_of(nets[0]);
    float *inputs = random_floats(BATCH * 3 * SIDE * SIDE, 1);
    float logits[BATCH * CLASSES], gradient[BATCH * CLASSES] = {1};
    double last = 0;
    for (int gradients = 0; gradients < 2; gradients++) {
        vgg_plan_options options = gpu_options(VGG_PRECISION_BF16);
        vgg_plan *plan = NULL;
        vgg_error error;
        options.gradients = gradients;
        assert_ok(vgg_plan_create(network, &options, &plan, &error), error);
        for (size_t pass = 0; pass < 6; pass++) {
            assert_ok(vgg_plan_forward(plan, inputs, BATCH, logits, &error), error);
            double seconds = seconds_of(plan, false);
            assert_true(seconds > 0 && seconds != last);
            last = seconds;
            if (!gradients)
                continue;
            assert_ok(vgg_plan_backward(plan, gradient, NULL, &error), error);
            assert_true(seconds_of(plan, true) > 0);
        }
        vgg_plan_free(plan);
    }
    free(inputs);
    vgg_network_free(network);
    assert_nothing_left();
}

/* ---- what plans have in common ---- */

/* A second plan of the same shapes makes no convolution. */
static void convolutions_are_kept(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    vgg_network *network = net_of(nets[0]);
    float first[PASSES][LOGITS], second[PASSES][LOGITS];
    vgg_error error;
    size_t none = vgg_double_convs();
    assert_ok(infer(network, first, &error), error);
    size_t made = vgg_double_convs();
    assert_int_equal(made - none, 2);
    for (size_t i = 0; i < 3; i++) {
        assert_ok(infer(network, second, &error), error);
        assert_memory_equal(first, second, sizeof first);
    }
    assert_int_equal(vgg_double_convs(), made);
    vgg_network_free(network);
    assert_nothing_left();
}

/* Inputs of several pieces, in two places in turn, and without memory for them: the same bits. The
 * caller's own memory changes as soon as a pass is over. */
static void inputs_are_sent(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    const size_t side = 504, count = BATCH * 3 * side * side; /* floats: more than 8 MiB */
    vgg_network *network = small_net("M,M,M,8,R/", CLASSES, 3, side);
    initialise(network, "kaiming", 7);
    vgg_plan_options options = gpu_options(VGG_PRECISION_F32);
    options.height = options.width = side;
    float logits[3][2][LOGITS], *inputs = malloc(count * sizeof *inputs);
    float *drawn[2] = {random_floats(count, 1), random_floats(count, 2)};
    for (size_t way = 0; way < 3; way++) { /* undisturbed, without any place, without the second */
        vgg_plan *plan = NULL;
        vgg_error error;
        assert_ok(vgg_plan_create(network, &options, &plan, &error), error);
        size_t before = vgg_double_sends();
        for (size_t pass = 0; pass < 2; pass++) {
            memcpy(inputs, drawn[pass], count * sizeof *inputs);
            assert_ok(vgg_plan_forward(plan, inputs, BATCH, logits[way][pass], &error), error);
        }
        assert_int_equal(vgg_double_sends() - before, way == 0 ? 6 : 0);
        assert_memory_equal(logits[way], logits[0], sizeof logits[0]);
        vgg_plan_free(plan);
        vgg_double_refuse_pinned(way + 1);
    }
    vgg_double_refuse_pinned(0);
    assert_memory_not_equal(logits[0][0], logits[0][1], sizeof logits[0][0]);
    free(drawn[0]);
    free(drawn[1]);
    free(inputs);
    vgg_network_free(network);
    assert_nothing_left();
}

/* Statistics move without a step, and plans of the same device and of others see them. */
static void statistics_are_seen(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    for (size_t way = 0; way < 2; way++) {
        vgg_network *network = net_of(nets[0]);
        vgg_plan_options options = gpu_options(VGG_PRECISION_F32), moving = options;
        moving.device = way == 0 ? VGG_DEVICE_CUDA : VGG_DEVICE_CPU;
        float *inputs = random_floats(BATCH * 3 * SIDE * SIDE, 3);
        float before[LOGITS], after[LOGITS], expected[LOGITS], ignored[LOGITS];
        vgg_plan *reads = NULL, *moves = NULL, *fresh = NULL;
        vgg_error error;
        assert_ok(vgg_plan_create(network, &options, &reads, &error), error);
        assert_ok(vgg_plan_forward(reads, inputs, BATCH, before, &error), error);
        assert_ok(vgg_plan_create_training(network, &moving, &moves, &error), error);
        assert_ok(vgg_plan_forward(moves, inputs, BATCH, ignored, &error), error);
        assert_ok(vgg_plan_forward(reads, inputs, BATCH, after, &error), error);
        assert_memory_not_equal(after, before, sizeof after);
        assert_ok(vgg_plan_create(network, &options, &fresh, &error), error);
        assert_ok(vgg_plan_forward(fresh, inputs, BATCH, expected, &error), error);
        assert_memory_equal(after, expected, sizeof expected);
        vgg_plan_free(reads);
        vgg_plan_free(moves);
        vgg_plan_free(fresh);
        free(inputs);
        vgg_network_free(network);
    }
    assert_nothing_left();
}

/* The linear layers at every place of a larger map, and a mean over them. */
static void dense_as_on_the_processor(void **state) {
    (void)state;
    static const char *const dense[] = {"8,R,M/12,R", "8,R,M/"};
    vgg_gpu_calls_use(vgg_double_calls());
    for (size_t n = 0; n < sizeof dense / sizeof *dense; n++) {
        vgg_network *network = net_of(dense[n]);
        vgg_plan_options options = gpu_options(VGG_PRECISION_F32);
        options.height = options.width = SIDE + 4;
        options.dense = true;
        float *inputs = random_floats(BATCH * 3 * (SIDE + 4) * (SIDE + 4), 4);
        float logits[2][LOGITS];
        for (size_t device = 0; device < 2; device++) {
            vgg_plan *plan = NULL;
            vgg_error error;
            options.device = device == 0 ? VGG_DEVICE_CPU : VGG_DEVICE_CUDA;
            assert_ok(vgg_plan_create(network, &options, &plan, &error), error);
            assert_ok(vgg_plan_forward(plan, inputs, BATCH, logits[device], &error), error);
            vgg_plan_free(plan);
        }
        for (size_t i = 0; i < LOGITS; i++) {
            assert_float_equal(logits[0][i], logits[1][i], 1e-5);
        }
        free(inputs);
        vgg_network_free(network);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_of_inference),
        cmocka_unit_test(each_call_of_training),
        cmocka_unit_test(memory_ends),
        cmocka_unit_test(times_are_of_the_last_pass),
        cmocka_unit_test(same_bits),
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(convolutions_are_kept),
        cmocka_unit_test(inputs_are_sent),
        cmocka_unit_test(statistics_are_seen),
        cmocka_unit_test(dense_as_on_the_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
