/* Linear layers that see windows of 7x7, by nested transforms.
 *
 * bound: ERROR * (|scale| sum |x w| + |bias|)
 *
 * The sum in parentheses is ref's result for the absolute values. How a tier transforms is its own
 * business, so that both kernels are run one after the other, as a plan runs them, and what comes
 * out is compared:
 * - with ref;
 * - bit by bit, when the units are done in random ranges by random workers, and when an image is
 *   alone;
 * - bit by bit, when weights are stored in fewer bits, with the same numbers as floats. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

/* The greatest errors of some 500 random shapes are 6 roundings; see test_winograd.c. */
#define ERROR (18 * VGG_ROUNDING)

enum { RANDOM_SHAPES = 12 };

/* Images, channels, outputs, height, width. */
static const size_t SHAPES[][5] = {{1, 1, 1, 7, 7},     {2, 16, 33, 8, 7},   {1, 33, 32, 9, 10},
                                   {3, 20, 70, 12, 16}, {2, 100, 40, 7, 18}, {1, 70, 17, 13, 9},
                                   {5, 31, 64, 10, 11}};

enum { FIXED_SHAPES = sizeof SHAPES / sizeof SHAPES[0] };

static const vgg_kernel_case NAMED = {.name = "window_linear"};

static size_t weights_of(const vgg_window_task *task) {
    return task->outputs * task->channels * VGG_WINDOW * VGG_WINDOW;
}

static size_t outputs_of(const vgg_window_task *task) {
    return (task->height - VGG_WINDOW + 1) * (task->width - VGG_WINDOW + 1) * task->outputs;
}

static size_t units_of(const vgg_window_task *task) {
    return (task->outputs + VGG_WINOGRAD_GROUP - 1) / VGG_WINOGRAD_GROUP;
}

static size_t tiles_of(const vgg_window_task *task) {
    return task->images * vgg_window_tiles(task->height, task->width);
}

static const float *draw_locked(size_t count) {
    float *values = vgg_draw_floats(count);
    vgg_guarded_lock(values);
    return values;
}

static vgg_window_task draw_task(size_t i) {
    const size_t *fixed = SHAPES[i % FIXED_SHAPES];
    bool random = i >= FIXED_SHAPES;
    vgg_window_task task = {.images = random ? vgg_draw(1, 3) : fixed[0],
                            .channels = random ? vgg_draw_channels() : fixed[1],
                            .outputs = random ? vgg_draw(1, 70) : fixed[2],
                            .height = random ? vgg_draw(7, 15) : fixed[3],
                            .width = random ? vgg_draw(7, 15) : fixed[4],
                            .relu = vgg_draw_chance(2)};
    vgg_describe("%zu images, %zu channels of %zu x %zu -> %zu", task.images, task.channels,
                 task.height, task.width, task.outputs);
    float *x = vgg_draw_blocked(task.images, task.channels, task.height * task.width);
    vgg_guarded_lock(x);
    task.x = x;
    task.weights = draw_locked(weights_of(&task));
    task.scales = vgg_draw_chance(3) ? draw_locked(task.outputs) : NULL;
    task.bias = draw_locked(task.outputs);
    task.y = vgg_guarded_floats(task.images * outputs_of(&task));
    task.v = vgg_guarded_floats(tiles_of(&task) * vgg_window_tile_floats(task.channels));
    task.scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * vgg_window_scratch(tiles_of(&task)));
    return task;
}

static void run_ranges(const char *name, const vgg_kernels *tier, vgg_work *kernel,
                       vgg_window_task *task, size_t units) {
    vgg_ranges ranges = vgg_draw_ranges(units, VGG_MOST_RANGES);
    vgg_running(name, tier->tier);
    for (size_t i = 0; i < ranges.count; i++) {
        kernel(task, ranges.begin[i], ranges.end[i], i % VGG_KERNEL_WORKERS);
    }
    vgg_running(NULL, NULL);
}

/* All that is written begins as poison. */
static void run(const vgg_kernels *tier, vgg_window_task *task) {
    vgg_poison(task->y, vgg_guarded_size(task->y), sizeof *task->y);
    vgg_poison(task->v, vgg_guarded_size(task->v), sizeof *task->v);
    vgg_poison(task->scratch, vgg_guarded_size(task->scratch), sizeof *task->scratch);
    run_ranges("window_inputs", tier, tier->window_inputs, task, vgg_blocks(task->channels));
    run_ranges("window_linear", tier, tier->window_linear, task, units_of(task));
    vgg_guarded_check();
}

static const float *result(const vgg_kernels *tier, vgg_window_task task) {
    run(tier, &task);
    return vgg_guarded_copy(task.y);
}

static const float *magnitude_of(vgg_window_task task) {
    task.x = vgg_guarded_absolute(task.x);
    task.weights = vgg_guarded_absolute(task.weights);
    task.scales = vgg_guarded_absolute(task.scales);
    task.bias = vgg_guarded_absolute(task.bias);
    return result(vgg_reference(), task);
}

static void check_near(const vgg_window_task *task, const vgg_kernels *tier, const float *found,
                       const float *expected, const float *magnitude) {
    for (size_t i = 0; i < task->images * outputs_of(task); i++) {
        double bound = ERROR * (double)magnitude[i];
        if (!(fabs((double)found[i] - (double)expected[i]) <= bound))
            vgg_kernel_fail(NAMED.name, tier->tier, "value %zu is %.9g instead of %.9g +- %.2g", i,
                            (double)found[i], (double)expected[i], bound);
    }
}

/* An image on its own, with the memory of all. */
static void check_alone(vgg_window_task task, const vgg_kernels *tier, const float *found) {
    size_t image = vgg_draw(0, task.images - 1), size = outputs_of(&task);
    size_t floats = vgg_blocks(task.channels) * task.height * task.width * VGG_BLOCK;
    task.images = 1;
    task.x += image * floats;
    run(tier, &task);
    vgg_case_same(&NAMED, tier, "when an image is alone", task.y, found + image * size,
                  size * sizeof *found, sizeof *found);
}

static void test_shapes(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SHAPES + RANDOM_SHAPES; i++) {
        vgg_window_task task = draw_task(i);
        const float *expected = result(vgg_reference(), task), *magnitude = magnitude_of(task);
        for (size_t t = 0; vgg_kernels_at(t) != vgg_reference(); t++) {
            const vgg_kernels *tier = vgg_kernels_at(t);
            const float *found = result(tier, task), *again = result(tier, task);
            check_near(&task, tier, found, expected, magnitude);
            vgg_case_same(&NAMED, tier, "in other ranges", again, found, vgg_guarded_size(found),
                          sizeof *found);
            check_alone(task, tier, found);
        }
        vgg_guarded_free();
    }
}

/* Weights of so few bits that every element type has them. */
static void *draw_narrow(vgg_element element, const float *floats, size_t count) {
    unsigned char *bytes = vgg_guarded_bytes(count * vgg_element_bytes(element));
    for (size_t i = 0; i < count && element == VGG_ELEMENT_INT8; i++) {
        bytes[i] = (unsigned char)(signed char)floats[i];
    }
    if (element != VGG_ELEMENT_INT8)
        vgg_elements_from_float(element, floats, count, bytes);
    vgg_guarded_lock(bytes);
    return bytes;
}

static void test_elements(void **state) {
    (void)state;
    static const vgg_element ELEMENTS[] = {VGG_ELEMENT_FLOAT16, VGG_ELEMENT_BFLOAT16,
                                           VGG_ELEMENT_INT8};
    for (size_t i = 0; i < FIXED_SHAPES; i++) {
        vgg_window_task task = draw_task(i);
        float *floats = vgg_guarded_floats(weights_of(&task));
        for (size_t w = 0; w < weights_of(&task); w++) {
            floats[w] = (float)vgg_draw(0, 254) - 127;
        }
        for (size_t e = 0; e < sizeof ELEMENTS / sizeof *ELEMENTS; e++) {
            vgg_window_task narrow = task;
            task.weights = floats;
            narrow.element = ELEMENTS[e];
            narrow.weights = draw_narrow(ELEMENTS[e], floats, weights_of(&task));
            for (size_t t = 0; vgg_kernels_at(t) != NULL; t++) {
                const float *found = result(vgg_kernels_at(t), narrow);
                const float *expected = result(vgg_kernels_at(t), task);
                vgg_case_same(&NAMED, vgg_kernels_at(t), "with narrow weights", found, expected,
                              vgg_guarded_size(found), sizeof *found);
            }
        }
        vgg_guarded_free();
    }
}

/* ref is the linear layer of rows, on the windows of a map. */
static void test_definition(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SHAPES; i++) {
        vgg_window_task task = draw_task(i);
        size_t places = outputs_of(&task) / task.outputs * task.images;
        vgg_windows_task windows = {.images = task.images,
                                    .channels = task.channels,
                                    .height = task.height,
                                    .width = task.width,
                                    .window_height = VGG_WINDOW,
                                    .window_width = VGG_WINDOW,
                                    .x = task.x};
        size_t inputs = task.channels * VGG_WINDOW * VGG_WINDOW;
        windows.y = vgg_guarded_floats(places * inputs);
        vgg_windows(&windows, 0, places, 0);
        vgg_linear_task linear = {.images = places,
                                  .inputs = inputs,
                                  .outputs = task.outputs,
                                  .x = windows.y,
                                  .weights = task.weights,
                                  .scales = task.scales,
                                  .bias = task.bias,
                                  .relu = task.relu,
                                  .y = vgg_guarded_copy(task.y)};
        vgg_reference()->linear_forward(
            &linear, 0, (task.outputs + VGG_LINEAR_OUTPUTS - 1) / VGG_LINEAR_OUTPUTS, 0);
        vgg_case_same(&NAMED, vgg_reference(), "as rows", result(vgg_reference(), task), linear.y,
                      vgg_guarded_size(linear.y), sizeof *linear.y);
        vgg_guarded_free();
    }
}

/* Tiles are chosen where they take less time: for many places, or many images of few. */
static void test_choice(void **state) {
    (void)state;
    assert_false(vgg_window_pays(1, 8, 8));
    assert_false(vgg_window_pays(1, 7, 16));
    assert_true(vgg_window_pays(2, 12, 12));
    assert_true(vgg_window_pays(1, 12, 16));
    assert_true(vgg_window_pays(30, 8, 8));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_shapes, vgg_teardown),
        cmocka_unit_test_teardown(test_elements, vgg_teardown),
        cmocka_unit_test_teardown(test_definition, vgg_teardown),
        cmocka_unit_test_teardown(test_choice, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
