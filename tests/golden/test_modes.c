/* What the modes of a plan promise: rows that do not depend on their neighbours, results that do
 * not depend on the threads, and running statistics that change in train mode only. */
#include <math.h>

#include "golden.h"
#include "vgg/loss.h"
#include "vgg/plan.h"
#include "vgg_test.h"

static const vgg_golden_case NETWORKS[] = {
    {.name = "D-like",
     .seed = "modes",
     .arch = "9,9,M,17,17,M,33,33,33,M/40,24",
     .layout = VGG_LAYOUT_PAPER,
     .classes = 11,
     .channels = 3,
     .height = 25,
     .width = 24,
     .batch = 7,
     .gain = 1,
     .dropout = 0.5},
    {.name = "D-like-bn",
     .seed = "modes",
     .arch = "9,9,M,17,17,M,33,33,33,M/40,24",
     .layout = VGG_LAYOUT_TORCHVISION,
     .batch_norm = true,
     .classes = 11,
     .channels = 3,
     .height = 25,
     .width = 24,
     .batch = 7,
     .gain = 1,
     .dropout = 0.5},
    {.name = "mixed",
     .seed = "modes",
     .arch = "16,L,M,24,1x1:20,M/",
     .layout = VGG_LAYOUT_PAPER,
     .classes = 5,
     .channels = 1,
     .height = 9,
     .width = 30,
     .batch = 7,
     .gain = 16,
     .dropout = 0.5},
};

enum { NETWORK_COUNT = sizeof NETWORKS / sizeof NETWORKS[0] };

static size_t picture_size(const vgg_golden_case *item) {
    return item->channels * item->height * item->width;
}

/* Logits of `count` pictures of the case from `first` on. */
static float *forward(vgg_plan *plan, const vgg_golden_case *item, size_t first, size_t count) {
    vgg_error error;
    float *pictures = vgg_golden_pictures(item, 0);
    float *logits = vgg_golden_alloc(count * item->classes, sizeof *logits);
    assert_ok(vgg_plan_forward(plan, pictures + first * picture_size(item), count, logits, &error),
              error);
    free(pictures);
    return logits;
}

/* ---- rows ---- */

/* Runs all pictures in parts of at most `part` and compares each row with `expected`. */
static void compare_parts(vgg_network *network, const vgg_golden_case *item, size_t part,
                          size_t threads, const float *expected) {
    vgg_golden_case smaller = *item;
    smaller.batch = part;
    vgg_plan *plan = vgg_golden_plan(network, &smaller, threads, false);
    for (size_t first = 0; first < item->batch; first += part) {
        size_t count = item->batch - first < part ? item->batch - first : part;
        float *rows = forward(plan, item, first, count);
        if (memcmp(rows, expected + first * item->classes, count * item->classes * sizeof *rows) !=
            0)
            fail_msg("%s: pictures %zu to %zu with %zu threads differ from the batch of %zu",
                     item->name, first, first + count - 1, threads, item->batch);
        free(rows);
    }
    vgg_plan_free(plan);
}

static void test_rows_alone(void **state) {
    (void)state;
    for (size_t i = 0; i < NETWORK_COUNT; i++) {
        const vgg_golden_case *item = &NETWORKS[i];
        vgg_network *network = vgg_golden_network(item);
        vgg_plan *plan = vgg_golden_plan(network, item, 1, false);
        float *all = forward(plan, item, 0, item->batch);
        assert_true(vgg_golden_distance(all, all + item->classes, item->classes) > 1e-3);
        for (size_t threads = 1; threads <= 3; threads++) {
            compare_parts(network, item, 1, threads, all);
            compare_parts(network, item, 2, threads, all);
            compare_parts(network, item, item->batch, threads, all);
        }
        free(all);
        vgg_plan_free(plan);
        vgg_network_free(network);
    }
}

static void test_rows_of_a_larger_plan(void **state) {
    (void)state;
    const vgg_golden_case *item = &NETWORKS[1];
    vgg_network *network = vgg_golden_network(item);
    vgg_plan *plan = vgg_golden_plan(network, item, 2, false);
    float *all = forward(plan, item, 0, item->batch);
    for (size_t count = 1; count < item->batch; count++) {
        float *rows = forward(plan, item, item->batch - count, count);
        assert_memory_equal(rows, all + (item->batch - count) * item->classes,
                            count * item->classes * sizeof *rows);
        free(rows);
    }
    free(all);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* ---- threads ---- */

static void append(float **end, const float *values, size_t count) {
    memcpy(*end, values, count * sizeof *values);
    *end += count;
}

/* A forward and a backward pass of the first `count` pictures; returns the logits. The pictures
 * stay until both are done: the backward pass reads them too. */
static float *forward_backward(vgg_plan *plan, const vgg_golden_case *item, size_t count,
                               float *input_gradient) {
    vgg_error error;
    float *pictures = vgg_golden_pictures(item, 0);
    size_t *classes = vgg_golden_classes(item, 0);
    float *logits = vgg_golden_alloc(count * item->classes, sizeof *logits);
    float *gradient = vgg_golden_alloc(count * item->classes, sizeof *gradient);
    assert_ok(vgg_plan_forward(plan, pictures, count, logits, &error), error);
    vgg_cross_entropy(logits, classes, count, item->classes, gradient);
    assert_ok(vgg_plan_backward(plan, gradient, input_gradient, &error), error);
    free(gradient);
    free(classes);
    free(pictures);
    return logits;
}

/* Everything that a training step leaves: logits, gradients of the input and of the parameters, and
 * the values of all tensors, one after the other; their number in *count. */
static float *train_once(const vgg_golden_case *item, size_t threads, size_t *count) {
    vgg_error error;
    vgg_golden_case training = *item;
    training.mode = VGG_MODE_TRAIN;
    vgg_network *network = vgg_golden_network(&training);
    vgg_plan *plan = vgg_golden_plan(network, &training, threads, true);
    size_t logit_count = item->batch * item->classes;
    size_t input_count = item->batch * picture_size(item);
    /* Running statistics are fewer than parameters. */
    size_t most = logit_count + input_count + 3 * vgg_network_parameters(network);
    float *result = vgg_golden_alloc(most, sizeof *result);
    vgg_plan_set_dropout(plan, 3, 4);
    float *logits = forward_backward(plan, &training, item->batch, result + logit_count);
    memcpy(result, logits, logit_count * sizeof *logits);
    free(logits);
    float *end = result + logit_count + input_count;
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        assert_ok(vgg_network_tensor(network, t, &info, &error), error);
        append(&end, vgg_network_values(network, t), info.count);
        if (info.learnable)
            append(&end, vgg_plan_gradient(plan, t), info.count);
    }
    *count = (size_t)(end - result);
    vgg_plan_free(plan);
    vgg_network_free(network);
    return result;
}

static void test_threads_in_training(void **state) {
    (void)state;
    for (size_t i = 0; i < NETWORK_COUNT; i++) {
        size_t count, other_count;
        float *one = train_once(&NETWORKS[i], 1, &count);
        for (size_t threads = 1; threads <= 3; threads++) {
            float *other = train_once(&NETWORKS[i], threads, &other_count);
            assert_int_equal(count, other_count);
            if (memcmp(one, other, count * sizeof *one) != 0)
                fail_msg("%s: a training step with %zu threads leaves other bits than with one",
                         NETWORKS[i].name, threads);
            free(other);
        }
        free(one);
    }
}

/* Running a plan again starts afresh, also after a smaller batch: gradients do not add up. */
static void test_backward_again(void **state) {
    (void)state;
    for (size_t i = 0; i < NETWORK_COUNT; i++) {
        const vgg_golden_case *item = &NETWORKS[i];
        vgg_error error;
        vgg_tensor_info info = {.struct_size = sizeof info};
        vgg_network *network = vgg_golden_network(item);
        vgg_plan *plan = vgg_golden_plan(network, item, 2, true);
        assert_ok(vgg_network_tensor(network, 0, &info, &error), error);
        const float *gradient = vgg_plan_gradient(plan, 0);
        float *first = vgg_golden_alloc(info.count, sizeof *first);
        free(forward_backward(plan, item, item->batch, NULL));
        memcpy(first, gradient, info.count * sizeof *first);
        assert_true(vgg_golden_size(first, info.count) > 1e-6);
        free(forward_backward(plan, item, 1, NULL));
        assert_true(vgg_golden_distance(gradient, first, info.count) > 1e-6);
        free(forward_backward(plan, item, item->batch, NULL));
        assert_memory_equal(first, gradient, info.count * sizeof *first);
        free(first);
        vgg_plan_free(plan);
        vgg_network_free(network);
    }
}

/* ---- switching ---- */

static void test_switch_to_eval(void **state) {
    (void)state;
    vgg_error error;
    for (size_t i = 0; i < NETWORK_COUNT; i++) {
        vgg_golden_case item = NETWORKS[i];
        vgg_network *network = vgg_golden_network(&item);
        vgg_plan *plan = vgg_golden_plan(network, &item, 1, false);
        float *expected = forward(plan, &item, 0, item.batch);
        vgg_plan_free(plan);
        item.mode = VGG_MODE_TRAIN;
        plan = vgg_golden_plan(network, &item, 2, false);
        assert_int_equal(vgg_plan_mode(plan), VGG_MODE_TRAIN);
        assert_ok(vgg_plan_set_mode(plan, VGG_MODE_EVAL, &error), error);
        assert_int_equal(vgg_plan_mode(plan), VGG_MODE_EVAL);
        size_t count = item.batch * item.classes;
        float *logits = forward(plan, &item, 0, item.batch);
        if (memcmp(logits, expected, count * sizeof *logits) != 0)
            fail_msg("%s: a plan switched to eval differs by %g", item.name,
                     vgg_golden_distance(logits, expected, count));
        free(logits);
        free(expected);
        vgg_plan_free(plan);
        vgg_network_free(network);
    }
}

/* All running statistics, 2 * (9 + 9 + 17 + 17 + 3 * 33) values. */
enum { STATISTICS = 302 };

static void read_statistics(const vgg_network *network, float values[STATISTICS]) {
    float *end = values;
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        vgg_error error;
        assert_ok(vgg_network_tensor(network, t, &info, &error), error);
        if (!info.learnable)
            append(&end, vgg_network_values(network, t), info.count);
    }
    assert_int_equal(end - values, STATISTICS);
}

static void test_running_statistics(void **state) {
    (void)state;
    vgg_error error;
    vgg_golden_case item = NETWORKS[1];
    item.mode = VGG_MODE_TRAIN;
    vgg_network *network = vgg_golden_network(&item);
    vgg_plan *plan = vgg_golden_plan(network, &item, 2, true);
    float before[STATISTICS], after[STATISTICS];
    read_statistics(network, before);
    assert_ok(vgg_plan_set_mode(plan, VGG_MODE_EVAL, &error), error);
    float *logits = forward(plan, &item, 0, item.batch);
    read_statistics(network, after);
    assert_memory_equal(before, after, sizeof before);

    assert_ok(vgg_plan_set_mode(plan, VGG_MODE_TRAIN, &error), error);
    free(forward(plan, &item, 0, item.batch));
    read_statistics(network, after);
    for (size_t i = 0; i < STATISTICS; i++) {
        assert_true(before[i] < after[i] || before[i] > after[i]);
    }

    /* and the next eval uses the new ones */
    assert_ok(vgg_plan_set_mode(plan, VGG_MODE_EVAL, &error), error);
    float *later = forward(plan, &item, 0, item.batch);
    size_t count = item.batch * item.classes;
    assert_true(vgg_golden_distance(later, logits, count) > 1e-3 * vgg_golden_size(logits, count));
    free(later);
    free(logits);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

static void test_new_values_are_seen(void **state) {
    (void)state;
    vgg_error error;
    vgg_golden_case item = NETWORKS[0], other = NETWORKS[0];
    snprintf(other.seed, sizeof other.seed, "other");
    vgg_network *network = vgg_golden_network(&item), *source = vgg_golden_network(&other);
    vgg_plan *plan = vgg_golden_plan(network, &item, 2, false);
    vgg_plan *source_plan = vgg_golden_plan(source, &item, 2, false);
    free(forward(plan, &item, 0, item.batch));
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        assert_ok(vgg_network_tensor(network, t, &info, &error), error);
        assert_ok(
            vgg_network_set_values(network, t, vgg_network_values(source, t), info.count, &error),
            error);
    }
    float *logits = forward(plan, &item, 0, item.batch);
    float *expected = forward(source_plan, &item, 0, item.batch);
    assert_memory_equal(logits, expected, item.batch * item.classes * sizeof *logits);
    free(expected);
    free(logits);
    vgg_plan_free(source_plan);
    vgg_plan_free(plan);
    vgg_network_free(source);
    vgg_network_free(network);
}

static void test_refusals(void **state) {
    (void)state;
    vgg_error error;
    vgg_golden_case item = NETWORKS[0];
    vgg_network *network = vgg_golden_network(&item);
    vgg_plan *plan = vgg_golden_plan(network, &item, 1, false);
    float *pictures = vgg_golden_pictures(&item, 0);
    float *logits = vgg_golden_alloc((item.batch + 1) * item.classes, sizeof *logits);
    assert_int_equal(vgg_plan_forward(plan, pictures, 0, logits, &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_plan_forward(plan, pictures, item.batch + 1, logits, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "8");
    assert_contains(error.message, "7");
    assert_int_equal(vgg_plan_set_mode(plan, VGG_MODE_TRAIN, &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_plan_mode(plan), VGG_MODE_EVAL);
    assert_ok(vgg_plan_forward(plan, pictures, item.batch, logits, &error), error);
    assert_int_not_equal(vgg_plan_backward(plan, logits, NULL, &error), VGG_OK);
    assert_null(vgg_plan_gradient(plan, 0));
    free(logits);
    free(pictures);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* ---- flatten ---- */

static void test_flatten_shape(void **state) {
    (void)state;
    static const struct {
        size_t start, dimensions, shape[4];
    } cases[] = {
        {0, 1, {2 * 3 * 5 * 7}},
        {1, 2, {2, 3 * 5 * 7}},
        {2, 3, {2, 3, 5 * 7}},
        {3, 4, {2, 3, 5, 7}},
    };
    const size_t shape[4] = {2, 3, 5, 7};
    vgg_error error;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t out[4] = {0}, dimensions = 0;
        assert_ok(vgg_flatten_shape(shape, 4, cases[i].start, out, &dimensions, &error), error);
        assert_int_equal(dimensions, cases[i].dimensions);
        assert_memory_equal(out, cases[i].shape, dimensions * sizeof *out);
    }
    size_t out[4] = {0}, dimensions = 9;
    assert_int_equal(vgg_flatten_shape(shape, 4, 4, out, &dimensions, &error), VGG_ERROR_ARGUMENT);
    const size_t vast[3] = {2, SIZE_MAX / 2, 3};
    assert_int_not_equal(vgg_flatten_shape(vast, 3, 1, out, &dimensions, &error), VGG_OK);
    assert_int_equal(dimensions, 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_alone),          cmocka_unit_test(test_rows_of_a_larger_plan),
        cmocka_unit_test(test_threads_in_training), cmocka_unit_test(test_backward_again),
        cmocka_unit_test(test_switch_to_eval),      cmocka_unit_test(test_running_statistics),
        cmocka_unit_test(test_new_values_are_seen), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_flatten_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
