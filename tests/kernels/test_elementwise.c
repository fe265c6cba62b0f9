/* Elementwise kernels.
 *
 * kernel          bound
 * relu            equal
 * relu_backward   equal: one multiplication
 * sgd: velocity   vgg_sum_error(0) * (|momentum v| + |gradient| + |decay w|)
 * sgd: values     vgg_sum_error(1) * (|w| + rate * the same), with Nesterov's momentum
 *                 (|w| + rate * (|g| + momentum * the same))
 * bf16            equal bits
 * dropout         2 roundings: a division, or a product with a quotient */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

static const size_t COUNTS[] = {1,
                                2,
                                15,
                                16,
                                17,
                                63,
                                VGG_CHUNK - 1,
                                VGG_CHUNK,
                                VGG_CHUNK + 1,
                                2 * VGG_CHUNK,
                                2 * VGG_CHUNK + 33};

enum { FIXED_COUNTS = sizeof COUNTS / sizeof COUNTS[0], RANDOM_COUNTS = 10 };

static size_t draw_count(size_t i) {
    size_t count = i < FIXED_COUNTS ? COUNTS[i] : vgg_draw(1, 3 * VGG_CHUNK);
    vgg_describe("%zu values", count);
    return count;
}

/* ---- relu ---- */

/* Some values are zeros of both signs, infinite and NaN. */
static float *draw_special(size_t count) {
    static const float special[] = {0, -0.0f, (float)NAN, (float)INFINITY, -(float)INFINITY};
    float *values = vgg_draw_floats(count);
    for (size_t i = 0; i < count; i++) {
        if (vgg_draw_chance(8))
            values[i] = special[vgg_draw(0, sizeof special / sizeof special[0] - 1)];
    }
    return values;
}

static void test_relu(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_COUNTS + RANDOM_COUNTS; i++) {
        size_t count = draw_count(i);
        float *y = draw_special(count), *before = draw_special(count);
        vgg_guarded_lock(y);
        vgg_guarded_lock(before);
        vgg_relu_task task = {.count = count,
                              .y = y,
                              .dy = vgg_guarded_copy(before),
                              .factor = i % 3 == 0 ? 1 : vgg_draw_value()};
        vgg_kernel_case item = {
            VGG_KERNEL(relu_backward),
            .task = &task,
            .task_size = sizeof task,
            .units = vgg_chunks(count),
            .output_count = 1,
            .outputs = {{.name = "dy", .data = task.dy, .size = sizeof(float), .initial = before}}};
        vgg_case_run(&item, vgg_reference());
        for (size_t v = 0; v < count; v++) {
            float wanted = y[v] > 0 ? before[v] * task.factor : 0;
            if (!(isnan(wanted) ? isnan(task.dy[v]) : task.dy[v] == wanted))
                vgg_kernel_fail(item.name, "ref", "%g, where y is %g, becomes %g",
                                (double)before[v], (double)y[v], (double)task.dy[v]);
        }
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

static void test_relu_forward(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_COUNTS + RANDOM_COUNTS; i++) {
        size_t count = draw_count(i);
        float *x = draw_special(count);
        vgg_guarded_lock(x);
        vgg_relu_forward_task task = {.count = count, .x = x, .y = vgg_guarded_floats(count)};
        vgg_kernel_case item = {VGG_KERNEL(relu),
                                .task = &task,
                                .task_size = sizeof task,
                                .units = vgg_chunks(count),
                                .output_count = 1,
                                .outputs = {{.name = "y", .data = task.y, .size = sizeof(float)}}};
        vgg_case_run(&item, vgg_reference());
        for (size_t v = 0; v < count; v++) {
            if (!(isnan(x[v]) ? isnan(task.y[v]) : task.y[v] == (x[v] > 0 ? x[v] : 0)))
                vgg_kernel_fail(item.name, "ref", "%g becomes %g", (double)x[v], (double)task.y[v]);
        }
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

/* ---- bf16 ---- */

/* The number of bfloat16 that is nearest; of two as near, the one whose last bit is 0. */
static uint16_t nearest_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t below = bits & 0xffff0000u, rest = bits & 0xffffu;
    bool up = rest > 0x8000u || (rest == 0x8000u && (below >> 16 & 1u) != 0);
    return (uint16_t)((below >> 16) + (up ? 1 : 0));
}

/* Values of every size, some half way between two numbers of bfloat16, and special ones. */
static float *draw_all_sizes(size_t count) {
    float *values = draw_special(count);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)vgg_draw(0, 0xffff) << 16 | (uint32_t)vgg_draw(0, 0xffff);
        if (vgg_draw_chance(4))
            bits = (bits & 0xffff0000u) | 0x8000u;
        if (!vgg_draw_chance(4))
            memcpy(&values[i], &bits, sizeof bits);
    }
    return values;
}

static void test_bf16(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_COUNTS + RANDOM_COUNTS; i++) {
        size_t count = draw_count(i);
        float *x = draw_all_sizes(count);
        vgg_guarded_lock(x);
        uint8_t *y = vgg_guarded_bytes(2 * count), *before = vgg_guarded_bytes(2 * count);
        vgg_guarded_lock(before);
        vgg_bf16_task task = {.count = count, .x = x, .y = (uint16_t *)(void *)y};
        vgg_kernel_case item = {
            VGG_KERNEL(bf16),
            .task = &task,
            .task_size = sizeof task,
            .units = vgg_chunks(count),
            .output_count = 1,
            .outputs = {{.name = "y", .data = y, .size = 1, .initial = before}}};
        vgg_case_run(&item, vgg_reference());
        for (size_t v = 0; v < count; v++) {
            uint16_t found = task.y[v];
            uint16_t wanted = fpclassify(x[v]) == FP_SUBNORMAL ? (signbit(x[v]) ? 0x8000u : 0)
                                                               : nearest_bf16(x[v]);
            bool nan = (found & 0x7fffu) > 0x7f80u;
            if (isnan(x[v]) ? !nan : found != wanted)
                vgg_kernel_fail(item.name, "ref", "%a becomes %#x", (double)x[v], found);
        }
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

/* ---- sgd ---- */

/* The bounds' magnitudes; fails when ref's step is not the definition's. */
static void check_step(const vgg_sgd_task *task, const float *values, const float *velocity,
                       float *value_size, float *velocity_size) {
    double rate = (double)task->rate, momentum = (double)task->momentum;
    double decay = (double)task->decay;
    for (size_t i = 0; i < task->count; i++) {
        double w = (double)values[i], v = (double)velocity[i], g = (double)task->gradient[i];
        double size = fabs(momentum * v) + fabs(g) + fabs(decay * w);
        g += decay * w;
        v = momentum * v + g;
        w -= rate * (task->nesterov ? g + momentum * v : v);
        double step_size = task->nesterov ? fabs(g) + momentum * size : size;
        velocity_size[i] = (float)size;
        value_size[i] = (float)(fabs((double)values[i]) + rate * step_size);
        if (!(fabs((double)task->velocity[i] - v) <= vgg_sum_error(0) * size) ||
            !(fabs((double)task->values[i] - w) <= vgg_sum_error(1) * (double)value_size[i]))
            vgg_kernel_fail("sgd", "ref", "%g with velocity %g instead of %g, %g",
                            (double)task->values[i], (double)task->velocity[i], w, v);
    }
}

static void check_sgd(vgg_sgd_task *task) {
    float *values = vgg_draw_floats(task->count), *velocity = vgg_draw_floats(task->count);
    float *gradient = vgg_draw_floats(task->count);
    vgg_guarded_lock(values);
    vgg_guarded_lock(velocity);
    vgg_guarded_lock(gradient);
    task->values = vgg_guarded_copy(values);
    task->velocity = vgg_guarded_copy(velocity);
    task->gradient = gradient;
    float *value_size = vgg_guarded_floats(task->count);
    float *velocity_size = vgg_guarded_floats(task->count);
    vgg_kernel_case item = {VGG_KERNEL(sgd),
                            .task = task,
                            .task_size = sizeof *task,
                            .units = vgg_chunks(task->count),
                            .output_count = 2,
                            .outputs = {{.name = "values",
                                         .data = task->values,
                                         .size = sizeof(float),
                                         .magnitude = value_size,
                                         .error = vgg_sum_error(1),
                                         .initial = values},
                                        {.name = "velocity",
                                         .data = task->velocity,
                                         .size = sizeof(float),
                                         .magnitude = velocity_size,
                                         .error = vgg_sum_error(0),
                                         .initial = velocity}}};
    vgg_case_run(&item, vgg_reference());
    check_step(task, values, velocity, value_size, velocity_size);
    vgg_case_check(&item);
}

static void test_sgd(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_COUNTS + RANDOM_COUNTS; i++) {
        vgg_sgd_task task = {.count = draw_count(i),
                             .rate = (float)vgg_draw_real(0.01, 1),
                             .momentum = i % 4 == 0 ? 0 : 0.9f,
                             .decay = i % 3 == 0 ? 0 : 5e-4f,
                             .nesterov = i % 2 == 1};
        check_sgd(&task);
        vgg_guarded_free();
    }
}

/* ---- dropout ---- */

/* In place; or, when `backwards`, in ranges of chunks from the last to the first. */
static float *drop(const float *before, size_t count, double probability, uint64_t seed,
                   uint64_t stream, bool backwards) {
    float *y = vgg_guarded_floats(count);
    memcpy(y, before, count * sizeof *y);
    vgg_dropout_task task = {.count = count,
                             .x = backwards ? before : y,
                             .y = y,
                             .probability = probability,
                             .seed = seed,
                             .stream = stream};
    vgg_running("dropout", "all");
    if (!backwards)
        vgg_dropout(&task, 0, vgg_chunks(count), 0);
    for (size_t chunk = backwards ? vgg_chunks(count) : 0; chunk-- > 0;) {
        vgg_dropout(&task, chunk, chunk + 1, chunk % 3);
    }
    vgg_guarded_check();
    vgg_running(NULL, NULL);
    return y;
}

static size_t differences(const float *a, const float *b, size_t count) {
    size_t different = 0;
    for (size_t i = 0; i < count; i++) {
        different += (a[i] != 0) != (b[i] != 0);
    }
    return different;
}

/* Each value is 0 or divided by 1 - p, and as many are kept as chance has it, also among each 16
 * lanes and in each chunk. */
static void test_dropout(void **state) {
    (void)state;
    static const double probabilities[] = {0.5, 0.1, 0.9, 0.25};
    for (size_t i = 0; i < 4 * (FIXED_COUNTS + RANDOM_COUNTS); i++) {
        size_t count = draw_count(i / 4), kept = 0, lanes[VGG_BLOCK] = {0};
        double p = probabilities[i % 4];
        float *before = vgg_draw_floats(count);
        vgg_guarded_lock(before);
        const float *y = drop(before, count, p, i, 3, false);
        for (size_t v = 0; v < count; v++) {
            double wanted = (double)before[v] / (1 - p), found = (double)y[v];
            if (found != 0 && fabs(found - wanted) > 2 * VGG_ROUNDING * fabs(wanted))
                vgg_kernel_fail("dropout", "all", "%g becomes %g at %g", (double)before[v], found,
                                p);
            kept += found != 0;
            lanes[v % VGG_BLOCK] += found != 0;
        }
        double spread = sqrt((double)count * p * (1 - p));
        if (fabs((double)kept - (double)count * (1 - p)) > 5.5 * spread + 1)
            vgg_kernel_fail("dropout", "all", "keeps %zu at %g", kept, p);
        for (size_t lane = 0; lane < VGG_BLOCK; lane++) {
            if (fabs((double)lanes[lane] - (double)count / 16 * (1 - p)) > 5.5 * spread / 4 + 2)
                vgg_kernel_fail("dropout", "all", "keeps %zu of lane %zu at %g", lanes[lane], lane,
                                p);
        }
        vgg_guarded_free();
    }
}

/* The mask is a function of seed, stream and place, and of nothing else. */
static void test_dropout_mask(void **state) {
    (void)state;
    const size_t count = 2 * VGG_CHUNK + 33;
    float *before = vgg_draw_floats(count), *others = vgg_draw_floats(count);
    vgg_guarded_lock(before);
    vgg_guarded_lock(others);
    vgg_describe("%zu values", count);
    const float *y = drop(before, count, 0.5, 7, 5, false);
    assert_memory_equal(y, drop(before, count, 0.5, 7, 5, true), count * sizeof *y);
    assert_int_equal(differences(y, drop(others, count, 0.5, 7, 5, false), count), 0);
    for (size_t i = 0; i < FIXED_COUNTS; i++) {
        assert_memory_equal(y, drop(before, COUNTS[i], 0.5, 7, 5, false), COUNTS[i] * sizeof *y);
    }
    static const uint64_t streams[][2] = {{8, 5}, {7, 6}, {5, 7}, {0, 0}};
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        const float *z = drop(before, count, 0.5, streams[i][0], streams[i][1], false);
        assert_in_range(differences(y, z, count), count * 9 / 20, count * 11 / 20);
    }
    assert_in_range(differences(y, y + VGG_CHUNK, VGG_CHUNK), VGG_CHUNK * 9 / 20,
                    VGG_CHUNK * 11 / 20);
    assert_memory_equal(before, drop(before, count, 0, 7, 5, false), count * sizeof *before);
    /* The rest of an array, told where it begins, is dropped as in the whole. */
    float *rest = vgg_guarded_floats(count - 1000);
    memcpy(rest, before + 1000, (count - 1000) * sizeof *rest);
    vgg_dropout_task task = {.count = count - 1000,
                             .first = 1000,
                             .x = rest,
                             .y = rest,
                             .probability = 0.5,
                             .seed = 7,
                             .stream = 5};
    vgg_dropout(&task, 0, vgg_chunks(task.count), 0);
    assert_memory_equal(rest, y + 1000, task.count * sizeof *rest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_relu, vgg_teardown),
        cmocka_unit_test_teardown(test_bf16, vgg_teardown),
        cmocka_unit_test_teardown(test_relu_forward, vgg_teardown),
        cmocka_unit_test_teardown(test_sgd, vgg_teardown),
        cmocka_unit_test_teardown(test_dropout, vgg_teardown),
        cmocka_unit_test_teardown(test_dropout_mask, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
