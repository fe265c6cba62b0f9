/* Linear layers with weights of int8 and a scale per output.
 *
 * against                   bound
 * ref                       vgg_sum_error(inputs) * (scale sum |x q| + |bias|)
 * the same tier with        twice that, as both are rounded, and VGG_ROUNDING of each product, as
 * weights scale * q         scale * q is rounded to a float
 *
 * and each weight differs from scale * q by half a scale at most. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SIZES = 40 };

static const size_t FIXED[][3] = {{1, 1, 1},     {9, 1, 17},    {2, 5000, 19},
                                  {7, 2049, 33}, {1, 2048, 16}, {3, 1023, 5},
                                  {8, 3, 1100},  {40, 33, 20},  {21, 2055, 67}};

enum { FIXED_SIZES = sizeof FIXED / sizeof FIXED[0] };

static size_t units_of(const vgg_linear_task *task) {
    return (task->outputs + VGG_LINEAR_OUTPUTS - 1) / VGG_LINEAR_OUTPUTS;
}

/* 64..127 or -127..-64, for scales of 1/128 to 1/64: products with values of vgg_draw_value are at
 * least 1/4. */
static signed char *draw_numbers(size_t count) {
    signed char *numbers = (signed char *)vgg_guarded_bytes(count);
    for (size_t i = 0; i < count; i++) {
        int size = (int)vgg_draw(64, VGG_INT8_MOST);
        numbers[i] = (signed char)(vgg_draw_chance(2) ? -size : size);
    }
    vgg_guarded_lock(numbers);
    return numbers;
}

static float *draw_scales(size_t count) {
    float *scales = vgg_guarded_floats(count);
    for (size_t i = 0; i < count; i++) {
        scales[i] = (float)vgg_draw_real(0x1p-7, 0x1p-6);
    }
    vgg_guarded_lock(scales);
    return scales;
}

static void draw_task(vgg_linear_task *task, size_t i) {
    *task = (vgg_linear_task){.images = i < FIXED_SIZES ? FIXED[i][0] : vgg_draw(1, 9),
                              .inputs = i < FIXED_SIZES ? FIXED[i][1] : vgg_draw(1, 300),
                              .outputs = i < FIXED_SIZES ? FIXED[i][2] : vgg_draw(1, 300),
                              .element = VGG_ELEMENT_INT8,
                              .relu = vgg_draw_chance(2)};
    vgg_describe("%zu images, %zu -> %zu", task->images, task->inputs, task->outputs);
    task->x = vgg_draw_floats(task->images * task->inputs);
    vgg_guarded_lock(task->x);
    task->weights = draw_numbers(task->outputs * task->inputs);
    task->scales = draw_scales(task->outputs);
    task->bias = vgg_draw_floats(task->outputs);
    vgg_guarded_lock(task->bias);
    task->y = vgg_guarded_floats(task->images * task->outputs);
}

/* scale sum |x q| + |bias| */
static const float *magnitudes(const vgg_linear_task *task) {
    vgg_linear_task absolute = *task;
    signed char *numbers = vgg_guarded_copy(task->weights);
    for (size_t i = 0; i < task->outputs * task->inputs; i++) {
        numbers[i] = (signed char)abs(numbers[i]);
    }
    absolute.x = vgg_guarded_absolute(task->x);
    absolute.weights = numbers;
    absolute.bias = vgg_guarded_absolute(task->bias);
    absolute.y = vgg_guarded_copy(task->y);
    vgg_reference()->linear_forward(&absolute, 0, units_of(task), 0);
    return absolute.y;
}

static size_t one_image(void *task, size_t image) {
    vgg_linear_task *t = task;
    t->images = 1;
    t->x += image * t->inputs;
    t->y += image * t->outputs;
    return units_of(t);
}

static void test_against_ref(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SIZES + RANDOM_SIZES; i++) {
        vgg_linear_task task;
        draw_task(&task, i);
        vgg_kernel_output y = {.name = "y",
                               .data = task.y,
                               .size = sizeof(float),
                               .magnitude = magnitudes(&task),
                               .error = vgg_sum_error(task.inputs)};
        vgg_kernel_case item = {VGG_KERNEL(linear_forward), .task = &task,
                                .task_size = sizeof task,   .units = units_of(&task),
                                .output_count = 1,          .outputs = {y},
                                .images = task.images,      .one_image = one_image};
        vgg_case_check(&item);
        vgg_guarded_free();
    }
}

static void check_floats(const vgg_kernels *tier, vgg_linear_task *task, const float *magnitude) {
    size_t count = task->images * task->outputs;
    float *weights = vgg_guarded_floats(task->outputs * task->inputs);
    vgg_elements_to_float(VGG_ELEMENT_INT8, task->weights, task->outputs * task->inputs, weights);
    for (size_t i = 0; i < task->outputs * task->inputs; i++) {
        weights[i] *= task->scales[i / task->inputs];
    }
    tier->linear_forward(task, 0, units_of(task), 0);
    vgg_linear_task floats = *task;
    floats.weights = weights;
    floats.element = VGG_ELEMENT_FLOAT32;
    floats.scales = NULL;
    floats.y = vgg_guarded_floats(count);
    tier->linear_forward(&floats, 0, units_of(task), 0);
    double error = 2 * vgg_sum_error(task->inputs) + VGG_ROUNDING;
    for (size_t i = 0; i < count; i++) {
        if (!(fabs((double)task->y[i] - (double)floats.y[i]) <= error * (double)magnitude[i]))
            vgg_kernel_fail("linear_forward", tier->tier, "value %zu of %zu is %g, with floats %g",
                            i, count, (double)task->y[i], (double)floats.y[i]);
    }
}

static void test_against_floats(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SIZES; i++) {
        vgg_linear_task task;
        draw_task(&task, i);
        const float *magnitude = magnitudes(&task);
        for (size_t t = 0; vgg_kernels_at(t) != NULL; t++) {
            check_floats(vgg_kernels_at(t), &task, magnitude);
        }
        vgg_guarded_free();
    }
}

/* ---- rounding ---- */

static void test_every_weight_is_near(void **state) {
    (void)state;
    for (size_t round = 0; round < 100; round++) {
        size_t count = vgg_draw(1, 500);
        float *values = vgg_guarded_floats(count), size = ldexpf(1, (int)vgg_draw(0, 200) - 100);
        for (size_t i = 0; i < count; i++) {
            values[i] = (float)vgg_draw_real(-1, 1) * size;
        }
        signed char *numbers = (signed char *)vgg_guarded_bytes(count);
        float scale = vgg_elements_to_int8(values, count, numbers);
        int most = 0;
        for (size_t i = 0; i < count; i++) {
            double error = fabs((double)values[i] - (double)scale * numbers[i]);
            assert_true(error <= 0.5 * (double)scale * (1 + 0x1p-20));
            most = abs(numbers[i]) > most ? abs(numbers[i]) : most;
        }
        assert_int_equal(most, VGG_INT8_MOST);
        vgg_guarded_check();
        vgg_guarded_free();
    }
}

static void test_rounding(void **state) {
    (void)state;
    signed char numbers[7];
    const float ties[7] = {127, 0.5f, 1.5f, -2.5f, -3.5f, -127, 126.5f};
    const signed char even[7] = {127, 0, 2, -2, -4, -127, 126};
    assert_true(vgg_elements_to_int8(ties, 7, numbers) == 1.0f);
    assert_memory_equal(numbers, even, sizeof even);
    const float zeros[3] = {0, -0.0f, 0};
    assert_true(vgg_elements_to_int8(zeros, 3, numbers) == 0.0f);
    assert_memory_equal(numbers, "\0\0\0", 3);
    /* The scale is rounded down, from 1.42 times the smallest number to one. */
    const float smallest[2] = {180 * 0x1p-149f, -180 * 0x1p-149f};
    assert_true(vgg_elements_to_int8(smallest, 2, numbers) == 0x1p-149f);
    assert_memory_equal(numbers, "\x7f\x81", 2);
}

static void test_what_is_not_finite(void **state) {
    (void)state;
    const float values[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        for (size_t at = 0; at < 3; at++) {
            float row[3] = {1, 2, 3};
            signed char numbers[3];
            row[at] = values[i];
            float scale = vgg_elements_to_int8(row, 3, numbers);
            assert_true(scale != scale || scale == (float)INFINITY);
            assert_memory_equal(numbers, "\0\0\0", 3);
        }
    }
}

/* What ref is compared with: 2 inputs, 2 outputs, by hand. */
static void test_definition(void **state) {
    (void)state;
    static const float x[] = {3, -1}, scales[] = {0.5f, 2}, bias[] = {1, -10};
    static const signed char w[] = {127, 1, -2, -127};
    float y[2];
    vgg_linear_task task = {.images = 1,
                            .inputs = 2,
                            .outputs = 2,
                            .x = x,
                            .weights = w,
                            .element = VGG_ELEMENT_INT8,
                            .scales = scales,
                            .bias = bias,
                            .y = y};
    vgg_reference()->linear_forward(&task, 0, 1, 0);
    assert_true(y[0] == 191 && y[1] == 232);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_definition, vgg_teardown),
        cmocka_unit_test_teardown(test_against_ref, vgg_teardown),
        cmocka_unit_test_teardown(test_against_floats, vgg_teardown),
        cmocka_unit_test_teardown(test_every_weight_is_near, vgg_teardown),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_what_is_not_finite),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
