/* What an optimiser does on a GPU, against its definition in double.
 *
 * kernel              bound
 * sgd, adamw, blend   vgg_sum_error(4) * the sum of absolute terms
 * scale, add          equal
 * square_sums         equal: in double, in order */
#include "cuda/bodies_learn.h"

#include <math.h>

#include "bodies_test.h"

enum { RANDOM_SHAPES = 40 };

static size_t draw_count(void) {
    size_t count = vgg_draw(1, 300);
    vgg_describe("%zu values", count);
    return count;
}

static float draw_float(double low, double high) {
    return (float)vgg_draw_real(low, high);
}

static void test_sgd(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        size_t count = draw_count();
        vgg_gpu_sgd_task gpu = {.count = count,
                                .values = vgg_draw_floats(count),
                                .velocity = vgg_draw_floats(count),
                                .gradient = vgg_draw_floats(count),
                                .rate = draw_float(0, 1),
                                .momentum = draw_float(0, 1),
                                .decay = draw_float(0, 0.1),
                                .nesterov = i % 2};
        vgg_sgd_task cpu = {.count = count,
                            .values = vgg_guarded_copy(gpu.values),
                            .velocity = vgg_guarded_copy(gpu.velocity),
                            .gradient = gpu.gradient,
                            .rate = gpu.rate,
                            .momentum = gpu.momentum,
                            .decay = gpu.decay,
                            .nesterov = gpu.nesterov};
        VGG_RUN_BODY(sgd, &gpu, count);
        vgg_reference()->sgd(&cpu, 0, vgg_chunks(count), 0);
        for (size_t v = 0; v < count; v++) {
            /* No number is above 1; the step has at most four terms. */
            check_number("sgd", "velocity", v, (double)gpu.velocity[v], (double)cpu.velocity[v],
                         3 * vgg_sum_error(4));
            check_number("sgd", "value", v, (double)gpu.values[v], (double)cpu.values[v],
                         5 * vgg_sum_error(4));
        }
        vgg_guarded_check();
        vgg_guarded_free();
    }
}

static void test_adamw(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        size_t count = draw_count();
        vgg_gpu_adamw_task t = {.count = count,
                                .values = vgg_draw_floats(count),
                                .mean = vgg_draw_floats(count),
                                .square = vgg_guarded_absolute(vgg_draw_floats(count)),
                                .gradient = vgg_draw_floats(count),
                                .keep = draw_float(0.9, 1),
                                .beta1 = draw_float(0.5, 1),
                                .beta2 = draw_float(0.9, 1),
                                .step = draw_float(0, 1),
                                .root = draw_float(1, 3),
                                .epsilon = 1e-8F};
        t.rest1 = 1 - t.beta1;
        t.rest2 = 1 - t.beta2;
        float *values = vgg_guarded_copy(t.values), *means = vgg_guarded_copy(t.mean);
        float *squares = vgg_guarded_copy(t.square);
        VGG_RUN_BODY(adamw, &t, count);
        double error = vgg_sum_error(4);
        for (size_t v = 0; v < count; v++) {
            double g = (double)t.gradient[v];
            double mean = (double)t.beta1 * (double)means[v] + (double)t.rest1 * g;
            double square = (double)t.beta2 * (double)squares[v] + (double)t.rest2 * g * g;
            double part =
                (double)t.step * mean / (sqrt(square) * (double)t.root + (double)t.epsilon);
            check_number("adamw", "mean", v, (double)t.mean[v], mean, 2 * error);
            check_number("adamw", "square", v, (double)t.square[v], square, 2 * error);
            check_number("adamw", "value", v, (double)t.values[v],
                         (double)t.keep * (double)values[v] - part, 8 * error);
        }
        vgg_guarded_check();
        vgg_guarded_free();
    }
}

static void test_blend(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        size_t count = draw_count();
        vgg_gpu_blend_task t = {.count = count,
                                .kept = vgg_draw_floats(count),
                                .values = vgg_draw_floats(count),
                                .keep = draw_float(0, 1),
                                .back = i % 2};
        t.take = 1 - t.keep;
        float *kept = vgg_guarded_copy(t.kept), *values = vgg_guarded_copy(t.values);
        VGG_RUN_BODY(blend, &t, count);
        for (size_t v = 0; v < count; v++) {
            double blended = (double)t.keep * (double)kept[v] + (double)t.take * (double)values[v];
            check_number("blend", "kept", v, (double)t.kept[v], blended, 2 * vgg_sum_error(2));
            check_number("blend", "value", v, (double)t.values[v],
                         (double)(t.back ? t.kept[v] : values[v]), 0);
        }
        vgg_guarded_check();
        vgg_guarded_free();
    }
}

enum { MANY = 7 };

/* Several tensors at once have the bits of one after the other. */
static void test_many(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        size_t count = vgg_draw(1, MANY), ends[MANY], all = 0;
        vgg_gpu_sgd_task sgd[MANY], alone[MANY];
        vgg_gpu_blend_task blend[MANY], apart[MANY];
        for (size_t t = 0; t < count; t++) {
            size_t values = draw_count();
            sgd[t] = (vgg_gpu_sgd_task){.count = values,
                                        .values = vgg_draw_floats(values),
                                        .velocity = vgg_draw_floats(values),
                                        .gradient = vgg_draw_floats(values),
                                        .rate = draw_float(0, 1),
                                        .momentum = 0.9F,
                                        .nesterov = t % 2};
            alone[t] = sgd[t];
            alone[t].values = vgg_guarded_copy(sgd[t].values);
            alone[t].velocity = vgg_guarded_copy(sgd[t].velocity);
            blend[t] = (vgg_gpu_blend_task){.count = values,
                                            .kept = sgd[t].velocity,
                                            .values = sgd[t].values,
                                            .keep = 0.7F,
                                            .take = 0.3F,
                                            .back = 1};
            apart[t] = blend[t];
            apart[t].kept = alone[t].velocity;
            apart[t].values = alone[t].values;
            ends[t] = all += values;
        }
        vgg_gpu_many_task many = {.count = count, .ends = ends, .tasks = sgd};
        VGG_RUN_BODY(sgd_many, &many, all);
        many.tasks = blend;
        VGG_RUN_BODY(blend_many, &many, all);
        for (size_t t = 0; t < count; t++) {
            size_t bytes = sgd[t].count * sizeof(float);
            VGG_RUN_BODY(sgd, &alone[t], alone[t].count);
            VGG_RUN_BODY(blend, &apart[t], apart[t].count);
            assert_memory_equal(sgd[t].values, alone[t].values, bytes);
            assert_memory_equal(sgd[t].velocity, alone[t].velocity, bytes);
        }
        vgg_guarded_check();
        vgg_guarded_free();
    }
}

static void test_arrays(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        size_t count = draw_count();
        vgg_gpu_array_task t = {.count = count,
                                .from = vgg_draw_floats(count),
                                .to = vgg_draw_floats(count),
                                .factor = draw_float(-2, 2)};
        float *before = vgg_guarded_copy(t.to);
        VGG_RUN_BODY(add, &t, count);
        VGG_RUN_BODY(scale, &t, count);
        for (size_t v = 0; v < count; v++) {
            float sum = before[v] + t.from[v];
            check_number("add and scale", "value", v, (double)t.to[v], (double)(sum * t.factor), 0);
        }
        vgg_guarded_check();
        vgg_guarded_free();
    }
}

static void test_square_sums(void **state) {
    (void)state;
    static const size_t counts[] = {1, VGG_GPU_SQUARES - 1, VGG_GPU_SQUARES,
                                    2 * VGG_GPU_SQUARES + 77};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        size_t units = (counts[i] + VGG_GPU_SQUARES - 1) / VGG_GPU_SQUARES;
        vgg_describe("%zu values", counts[i]);
        double sums[3];
        vgg_gpu_squares_task t = {
            .count = counts[i], .from = vgg_draw_floats(counts[i]), .to = sums};
        VGG_RUN_BODY(square_sums, &t, units);
        for (size_t unit = 0; unit < units; unit++) {
            size_t end = vgg_size_min((unit + 1) * VGG_GPU_SQUARES, counts[i]);
            double sum = 0;
            for (size_t v = unit * VGG_GPU_SQUARES; v < end; v++) {
                sum += (double)t.from[v] * (double)t.from[v];
            }
            check_number("square_sums", "sum", unit, sums[unit], sum, 0);
        }
        vgg_guarded_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_sgd, vgg_teardown),
        cmocka_unit_test_teardown(test_adamw, vgg_teardown),
        cmocka_unit_test_teardown(test_blend, vgg_teardown),
        cmocka_unit_test_teardown(test_many, vgg_teardown),
        cmocka_unit_test_teardown(test_arrays, vgg_teardown),
        cmocka_unit_test_teardown(test_square_sums, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
