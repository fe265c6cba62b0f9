/* Linear layers with operands of bfloat16, by the tiers that multiply matrices.
 *
 * - ref has the bits of linear_forward of operands that were rounded before.
 * - Within vgg_sum_error of ref, relative to the sum of absolute values, for weights of each type.
 * - A sum has just the bits that kernels.h says.
 * - The same bits when units are divided, and when an image is alone. */
#include <math.h>

#include "bf16.h"
#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SIZES = 40, MOST_RANGES = 5 };

static const size_t FIXED[][3] = {{1, 1, 1},      {9, 1, 17},    {2, 5000, 19}, {7, 2049, 33},
                                  {16, 512, 32},  {17, 513, 15}, {33, 31, 47},  {130, 100, 40},
                                  {300, 1030, 5}, {8, 3, 1100}};

enum { FIXED_SIZES = sizeof FIXED / sizeof FIXED[0] };

static size_t units_of(const vgg_linear_task *task) {
    return (task->outputs + VGG_LINEAR_OUTPUTS - 1) / VGG_LINEAR_OUTPUTS;
}

static size_t operands_of(const vgg_linear_task *task) {
    return vgg_linear_runs(task->inputs) * vgg_linear_groups(task->images) * VGG_LINEAR_PIECE;
}

/* ---- running ---- */

static void run_units(const vgg_kernels *tier, vgg_work *work, vgg_linear_task *task, size_t units,
                      size_t most) {
    vgg_ranges ranges = vgg_draw_ranges(units, most);
    for (size_t r = 0; r < ranges.count; r++) {
        vgg_running("linear_bf16", tier->tier);
        work(task, ranges.begin[r], ranges.end[r], vgg_draw(0, VGG_KERNEL_WORKERS - 1));
        vgg_guarded_check();
        vgg_running(NULL, NULL);
    }
}

static void run(const vgg_kernels *tier, vgg_linear_task *task, size_t most) {
    vgg_poison(task->y, task->images * task->outputs * sizeof *task->y, sizeof *task->y);
    run_units(tier, tier->bf16_linear.operands, task, vgg_linear_runs(task->inputs), most);
    run_units(tier, tier->bf16_linear.forward, task, units_of(task), most);
}

static void take_memory(vgg_linear_task *task) {
    task->operands = vgg_guarded_floats(operands_of(task));
    task->y = vgg_guarded_floats(task->images * task->outputs);
}

/* ---- against ref ---- */

/* Weights as a type, of int8 with scales. */
static void draw_weights(vgg_linear_task *task, vgg_element element) {
    size_t count = task->outputs * task->inputs;
    const float *values = vgg_draw_floats(count);
    task->element = element;
    task->weights = values;
    if (element == VGG_ELEMENT_INT8) {
        signed char *numbers = (signed char *)vgg_guarded_bytes(count);
        float *scales = vgg_guarded_floats(task->outputs);
        for (size_t i = 0; i < count; i++) {
            numbers[i] = (signed char)(VGG_INT8_MOST * values[i]);
        }
        for (size_t o = 0; o < task->outputs; o++) {
            scales[o] = (float)vgg_draw_real(0x1p-7, 0x1p-6);
        }
        task->weights = numbers;
        task->scales = scales;
    } else if (element != VGG_ELEMENT_FLOAT32) {
        unsigned char *numbers = vgg_guarded_bytes(2 * count);
        vgg_elements_from_float(element, values, count, numbers);
        task->weights = numbers;
    }
    vgg_guarded_lock(task->weights);
}

static void draw_task(vgg_linear_task *task, size_t i) {
    static const vgg_element elements[] = {VGG_ELEMENT_FLOAT32, VGG_ELEMENT_FLOAT16,
                                           VGG_ELEMENT_BFLOAT16, VGG_ELEMENT_INT8};
    *task = (vgg_linear_task){.images = i < FIXED_SIZES ? FIXED[i][0] : vgg_draw(1, 40),
                              .inputs = i < FIXED_SIZES ? FIXED[i][1] : vgg_draw(1, 300),
                              .outputs = i < FIXED_SIZES ? FIXED[i][2] : vgg_draw(1, 300),
                              .relu = vgg_draw_chance(2)};
    vgg_describe("%zu images, %zu -> %zu, weights number %zu", task->images, task->inputs,
                 task->outputs, i % 4);
    task->x = vgg_draw_floats(task->images * task->inputs);
    task->bias = vgg_draw_floats(task->outputs);
    vgg_guarded_lock(task->x);
    vgg_guarded_lock(task->bias);
    draw_weights(task, elements[i % 4]);
    take_memory(task);
}

/* The weights as floats of bfloat16. */
static const float *rounded_weights(const vgg_linear_task *task) {
    float *values = vgg_guarded_floats(task->outputs * task->inputs);
    vgg_elements_to_float(task->element, task->weights, task->outputs * task->inputs, values);
    return vgg_rounded(values);
}

/* linear_forward's y of rounded operands, or of their absolute values. */
static const float *forward(const vgg_linear_task *task, bool absolute) {
    vgg_linear_task of = *task;
    of.x = vgg_rounded(task->x);
    of.weights = rounded_weights(task);
    of.element = VGG_ELEMENT_FLOAT32;
    of.y = vgg_guarded_floats(task->images * task->outputs);
    if (absolute) {
        of.x = vgg_guarded_absolute(of.x);
        of.weights = vgg_guarded_absolute(of.weights);
        of.bias = vgg_guarded_absolute(of.bias);
    }
    vgg_reference()->linear_forward(&of, 0, units_of(&of), 0);
    return of.y;
}

static void check_same(const vgg_kernels *tier, const char *when, const float *found,
                       const float *expected, size_t count) {
    static const vgg_kernel_case named = {.name = "linear_bf16"};
    vgg_case_same(&named, tier, when, found, expected, count * sizeof *found, sizeof *found);
}

static void test_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SIZES; i++) {
        vgg_linear_task task;
        draw_task(&task, FIXED_SIZES + i);
        run(vgg_reference(), &task, 1);
        check_same(vgg_reference(), "in float32", task.y, forward(&task, false),
                   task.images * task.outputs);
        vgg_guarded_free();
    }
}

static void check_cuts(const vgg_kernels *tier, vgg_linear_task *task) {
    const float *whole = vgg_guarded_copy(task->y);
    size_t count = task->images * task->outputs;
    run(tier, task, MOST_RANGES);
    check_same(tier, "when the units are divided", task->y, whole, count);
    size_t image = vgg_draw(0, task->images - 1);
    vgg_linear_task alone = *task;
    alone.images = 1;
    alone.x += image * task->inputs;
    take_memory(&alone);
    run(tier, &alone, 1);
    check_same(tier, "when an image is alone", alone.y, whole + image * task->outputs,
               task->outputs);
}

static void check_tiers(vgg_linear_task *task) {
    const float *expected = forward(task, false), *most = forward(task, true);
    double bound = vgg_sum_error(task->inputs);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        if (!vgg_has_matrices(tier))
            continue;
        run(tier, task, 1);
        for (size_t v = 0; v < task->images * task->outputs; v++) {
            double error = fabs((double)task->y[v] - (double)expected[v]);
            if (!(error <= bound * (double)most[v]))
                vgg_kernel_fail("linear_bf16", tier->tier, "value %zu is %.9g instead of %.9g", v,
                                (double)task->y[v], (double)expected[v]);
        }
        check_cuts(tier, task);
    }
}

static void test_tiers(void **state) {
    (void)state;
    vgg_need_matrices();
    for (size_t i = 0; i < FIXED_SIZES + RANDOM_SIZES; i++) {
        vgg_linear_task task;
        draw_task(&task, i);
        check_tiers(&task);
        vgg_guarded_free();
    }
}

/* ---- bits ---- */

static float exact_sum(const vgg_linear_task *task, size_t image, size_t output) {
    const float *x = task->x + image * task->inputs;
    const float *w = (const float *)task->weights + output * task->inputs;
    float sum = 0;
    for (size_t i = 0; i < task->inputs; i += VGG_LINEAR_RUN) {
        sum = vgg_run_add(
            sum, vgg_run_sum(x + i, w + i, vgg_size_min(VGG_LINEAR_RUN, task->inputs - i)));
    }
    return sum;
}

static void check_exact(bool special) {
    vgg_linear_task task = {
        .images = vgg_draw(1, 20), .inputs = vgg_draw(1, 700), .outputs = vgg_draw(1, 40)};
    float *x = vgg_guarded_floats(task.images * task.inputs);
    float *weights = vgg_guarded_floats(task.outputs * task.inputs);
    float *bias = vgg_guarded_floats(task.outputs);
    for (size_t i = 0; i < task.images * task.inputs; i++) {
        x[i] = vgg_draw_bf16(special);
    }
    for (size_t i = 0; i < task.outputs * task.inputs; i++) {
        weights[i] = vgg_draw_bf16(false);
    }
    memset(bias, 0, task.outputs * sizeof *bias);
    task.x = x;
    task.weights = weights;
    task.bias = bias;
    take_memory(&task);
    vgg_describe("sums of %zu products%s", task.inputs, special ? ", some not finite" : "");
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        if (!vgg_has_matrices(vgg_kernels_at(i)))
            continue;
        run(vgg_kernels_at(i), &task, 1);
        for (size_t v = 0; v < task.images * task.outputs; v++) {
            vgg_check_bits("linear_bf16", vgg_kernels_at(i), v, task.y[v],
                           exact_sum(&task, v / task.outputs, v % task.outputs));
        }
    }
    vgg_guarded_free();
}

static void test_exact_sums(void **state) {
    (void)state;
    vgg_need_matrices();
    for (size_t i = 0; i < RANDOM_SIZES; i++) {
        check_exact(i % 4 == 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_reference, vgg_teardown),
        cmocka_unit_test_teardown(test_tiers, vgg_teardown),
        cmocka_unit_test_teardown(test_exact_sums, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
