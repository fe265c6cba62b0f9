/* Gradients of a convolution's weights and bias.
 *
 * result                     sums                                   bound
 * partial                    up to images * height * width          vgg_sum_error(terms) * sum |x
 * dy| bias_partial               the same                               vgg_sum_error(terms) * sum
 * |dy| dweights, dbias (reduce)   groups                                 vgg_sum_error(groups) *
 * sum |part|
 *
 * The sums of absolute values are ref's results for the absolute values of x and dy. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

static const vgg_conv_shape SHAPES[] = {
    {.images = 1, .inputs = 1, .outputs = 1, .height = 1, .width = 1, .kernel = 3},
    {.images = 3, .inputs = 1, .outputs = 1, .height = 1, .width = 1, .kernel = 1, .plain = true},
    {.images = 9, .inputs = 2, .outputs = 3, .height = 41, .width = 3, .kernel = 3},
    {.images = 2, .inputs = 17, .outputs = 18, .height = 2, .width = 83, .kernel = 3},
    {.images = 2,
     .inputs = 3,
     .outputs = 33,
     .height = 5,
     .width = 224,
     .kernel = 3,
     .plain = true},
    {.images = 2, .inputs = 40, .outputs = 40, .height = 14, .width = 14, .kernel = 3},
    {.images = 40, .inputs = 3, .outputs = 2, .height = 4, .width = 4, .kernel = 3},
};

enum { FIXED_SHAPES = sizeof SHAPES / sizeof SHAPES[0], RANDOM_SHAPES = 40 };

static vgg_conv_weights_task weights_task(const vgg_conv_shape *s) {
    size_t pixels = s->height * s->width, in_pixels = vgg_conv_in_pixels(s);
    vgg_conv_weights_task task = {
        .shape = *s, .groups = vgg_conv_weights_groups(s), .units = vgg_conv_weights_units(s)};
    float *x = s->plain ? vgg_draw_floats(s->images * s->inputs * in_pixels)
                        : vgg_draw_blocked(s->images, s->inputs, in_pixels);
    float *dy = vgg_draw_blocked(s->images, s->outputs, pixels);
    vgg_guarded_lock(x);
    vgg_guarded_lock(dy);
    task.x = x;
    task.dy = dy;
    task.partial = vgg_guarded_floats(task.groups * vgg_conv_weights_partial(s));
    task.bias_partial = vgg_guarded_floats(task.groups * vgg_blocks(s->outputs) * VGG_BLOCK);
    task.scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * vgg_conv_weights_scratch(s));
    return task;
}

static vgg_kernel_case weights_case(vgg_conv_weights_task *task) {
    vgg_kernel_case item = {
        VGG_KERNEL(conv_weights),  .task = task,
        .task_size = sizeof *task, .units = task->units,
        .scratch = task->scratch,  .scratch_size = vgg_conv_weights_scratch(&task->shape),
        .output_count = 2,         .images = task->shape.images};
    item.outputs[0] =
        (vgg_kernel_output){.name = "partial", .data = task->partial, .size = sizeof(float)};
    item.outputs[1] = (vgg_kernel_output){.name = "bias_partial",
                                          .data = task->bias_partial,
                                          .size = sizeof(float),
                                          .channels = task->shape.outputs,
                                          .pixels = 1};
    return item;
}

static void set_bounds(vgg_kernel_case *item, const vgg_conv_weights_task *task) {
    vgg_conv_weights_task absolute = *task;
    absolute.x = vgg_guarded_absolute(task->x);
    absolute.dy = vgg_guarded_absolute(task->dy);
    absolute.partial = vgg_guarded_copy(task->partial);
    absolute.bias_partial = vgg_guarded_copy(task->bias_partial);
    vgg_reference()->conv_weights(&absolute, 0, task->units, 0);
    item->outputs[0].magnitude = absolute.partial;
    item->outputs[1].magnitude = absolute.bias_partial;
    const vgg_conv_shape *s = &task->shape;
    for (size_t o = 0; o < item->output_count; o++) {
        item->outputs[o].error = vgg_sum_error(s->images * s->height * s->width);
    }
}

static void check_sizes(const vgg_conv_weights_task *task) {
    const vgg_conv_shape *s = &task->shape;
    size_t k_blocks = vgg_blocks(s->outputs), c_blocks = vgg_blocks(s->inputs);
    size_t channel_units = s->plain ? s->inputs : c_blocks;
    size_t channels = s->plain ? s->inputs : c_blocks * VGG_BLOCK;
    assert_in_range(task->groups, 1, s->images);
    assert_int_equal(task->units, task->groups * k_blocks * channel_units);
    assert_int_equal(vgg_conv_weights_partial(s),
                     k_blocks * VGG_BLOCK * channels * s->kernel * s->kernel);
}

static void test_weights(void **state) {
    (void)state;
    size_t several_groups = 0;
    for (size_t i = 0; i < FIXED_SHAPES + RANDOM_SHAPES; i++) {
        vgg_conv_shape shape = i < FIXED_SHAPES ? SHAPES[i] : vgg_draw_conv(9, 9, 15);
        if (i >= FIXED_SHAPES)
            vgg_draw_crop(&shape);
        vgg_describe_conv(&shape);
        vgg_conv_weights_task task = weights_task(&shape);
        check_sizes(&task);
        several_groups += task.groups > 1;
        vgg_kernel_case item = weights_case(&task);
        set_bounds(&item, &task);
        vgg_case_check(&item);
        vgg_guarded_free();
    }
    assert_true(several_groups > 0);
}

/* ---- reduce ---- */

/* Where the header's layout has the weight from channel c to k at a tap. */
static size_t partial_at(const vgg_conv_shape *s, size_t k, size_t c, size_t tap) {
    size_t taps = s->kernel * s->kernel, k_block = k / VGG_BLOCK, lane = k % VGG_BLOCK;
    if (s->plain)
        return ((k_block * s->inputs + c) * taps + tap) * VGG_BLOCK + lane;
    size_t block = k_block * vgg_blocks(s->inputs) + c / VGG_BLOCK;
    return ((block * taps + tap) * VGG_BLOCK + c % VGG_BLOCK) * VGG_BLOCK + lane;
}

/* The sum over the groups of a value at `at`, which the reduction shall find. */
static void check_sum(const float *part, size_t stride, size_t groups, size_t at, float found) {
    double sum = 0, size = 0;
    for (size_t g = 0; g < groups; g++) {
        double value = (double)part[g * stride + at];
        sum += value;
        size += fabs(value);
    }
    if (!(fabs((double)found - sum) <= vgg_sum_error(groups) * size))
        vgg_kernel_fail("conv_reduce", "all", "the sum at %zu is %g instead of %g", at,
                        (double)found, sum);
}

static void check_reduced(const vgg_conv_reduce_task *task) {
    const vgg_conv_shape *s = &task->shape;
    size_t taps = s->kernel * s->kernel, part = vgg_conv_weights_partial(s);
    size_t bias_part = vgg_blocks(s->outputs) * VGG_BLOCK;
    for (size_t k = 0; k < s->outputs; k++) {
        check_sum(task->bias_partial, bias_part, task->groups, k, task->dbias[k]);
        for (size_t c = 0; c < s->inputs; c++) {
            for (size_t tap = 0; tap < taps; tap++) {
                check_sum(task->partial, part, task->groups, partial_at(s, k, c, tap),
                          task->dweights[(k * s->inputs + c) * taps + tap]);
            }
        }
    }
}

/* A reduction that adds to an earlier one: twice the sums, to rounding. */
static void check_accumulated(vgg_conv_reduce_task *task, const float *dweights,
                              const float *dbias) {
    const vgg_conv_shape *s = &task->shape;
    size_t weights = s->outputs * s->inputs * s->kernel * s->kernel;
    double error = 2 * vgg_sum_error(task->groups) * (double)task->groups;
    task->accumulate = true;
    vgg_conv_reduce(task, 0, vgg_blocks(s->outputs), 0);
    vgg_guarded_check();
    for (size_t i = 0; i < weights; i++) {
        if (!(fabs((double)task->dweights[i] - 2 * (double)dweights[i]) <= error))
            vgg_kernel_fail("conv_reduce", "all", "%g is added to make %g", (double)dweights[i],
                            (double)task->dweights[i]);
    }
    for (size_t k = 0; k < s->outputs; k++) {
        if (!(fabs((double)task->dbias[k] - 2 * (double)dbias[k]) <= error))
            vgg_kernel_fail("conv_reduce", "all", "%g is added to make %g", (double)dbias[k],
                            (double)task->dbias[k]);
    }
}

/* Once over all k blocks and once one by one, from the last: the same bits. */
static void test_reduce(void **state) {
    (void)state;
    for (size_t i = 0; i < 60; i++) {
        vgg_conv_shape s = i < FIXED_SHAPES ? SHAPES[i] : vgg_draw_conv(9, 9, 15);
        vgg_describe_conv(&s);
        size_t groups = vgg_draw(1, 5), weights = s.outputs * s.inputs * s.kernel * s.kernel;
        size_t blocks = vgg_blocks(s.outputs);
        vgg_conv_reduce_task task = {.shape = s,
                                     .groups = groups,
                                     .partial =
                                         vgg_draw_floats(groups * vgg_conv_weights_partial(&s)),
                                     .bias_partial = vgg_draw_floats(groups * blocks * VGG_BLOCK),
                                     .dweights = vgg_guarded_floats(weights),
                                     .dbias = vgg_guarded_floats(s.outputs)};
        vgg_guarded_lock(task.partial);
        vgg_guarded_lock(task.bias_partial);
        vgg_running("conv_reduce", "all");
        vgg_conv_reduce(&task, 0, blocks, 0);
        vgg_guarded_check();
        check_reduced(&task);
        float *dweights = vgg_guarded_copy(task.dweights), *dbias = vgg_guarded_copy(task.dbias);
        vgg_poison(task.dweights, weights * sizeof(float), sizeof(float));
        vgg_poison(task.dbias, s.outputs * sizeof(float), sizeof(float));
        for (size_t block = blocks; block-- > 0;) {
            vgg_conv_reduce(&task, block, block + 1, block % 3);
        }
        vgg_guarded_check();
        vgg_running(NULL, NULL);
        assert_memory_equal(task.dweights, dweights, weights * sizeof(float));
        assert_memory_equal(task.dbias, dbias, s.outputs * sizeof(float));
        check_accumulated(&task, dweights, dbias);
        vgg_guarded_free();
    }
}

/* ---- what ref is compared with ---- */

static double input_at(const vgg_conv_weights_task *t, size_t n, size_t c, size_t pixel) {
    const vgg_conv_shape *s = &t->shape;
    size_t pixels = vgg_conv_in_pixels(s);
    return (double)t->x[s->plain ? (n * s->inputs + c) * pixels + pixel
                                 : vgg_blocked_at(s->inputs, pixels, n, c, pixel)];
}

/* The gradient of one weight over all images, by its definition. */
static double defined(const vgg_conv_weights_task *t, size_t k, size_t c, size_t tap) {
    const vgg_conv_shape *s = &t->shape;
    size_t reach = vgg_conv_border(s), pixels = s->height * s->width;
    size_t in_height = vgg_conv_in_height(s), in_width = vgg_conv_in_width(s);
    double sum = 0;
    for (size_t n = 0; n < s->images; n++) {
        for (size_t pixel = 0; pixel < pixels; pixel++) {
            size_t row = pixel / s->width + tap / s->kernel;
            size_t column = pixel % s->width + tap % s->kernel;
            if (row < reach || row - reach >= in_height || column < reach ||
                column - reach >= in_width)
                continue;
            double dy = (double)t->dy[vgg_blocked_at(s->outputs, pixels, n, k, pixel)];
            sum += dy * input_at(t, n, c, (row - reach) * in_width + column - reach);
        }
    }
    return sum;
}

static double defined_bias(const vgg_conv_weights_task *t, size_t k) {
    size_t pixels = t->shape.height * t->shape.width;
    double sum = 0;
    for (size_t n = 0; n < t->shape.images; n++) {
        for (size_t p = 0; p < pixels; p++) {
            sum += (double)t->dy[vgg_blocked_at(t->shape.outputs, pixels, n, k, p)];
        }
    }
    return sum;
}

static void test_definition(void **state) {
    (void)state;
    for (size_t i = 0; i < 20; i++) {
        vgg_conv_shape s = vgg_draw_conv(9, 9, 15);
        vgg_draw_crop(&s);
        vgg_describe_conv(&s);
        size_t taps = s.kernel * s.kernel;
        vgg_conv_weights_task task = weights_task(&s);
        vgg_kernel_case item = weights_case(&task);
        vgg_case_run(&item, vgg_reference());
        vgg_conv_reduce_task reduce = {.shape = s,
                                       .groups = task.groups,
                                       .partial = task.partial,
                                       .bias_partial = task.bias_partial,
                                       .dweights = vgg_guarded_floats(s.outputs * s.inputs * taps),
                                       .dbias = vgg_guarded_floats(s.outputs)};
        vgg_conv_reduce(&reduce, 0, vgg_blocks(s.outputs), 0);
        for (size_t sample = 0; sample < 50; sample++) {
            size_t k = vgg_draw(0, s.outputs - 1), c = vgg_draw(0, s.inputs - 1);
            size_t tap = vgg_draw(0, taps - 1);
            double found = (double)reduce.dweights[(k * s.inputs + c) * taps + tap];
            double bias = (double)reduce.dbias[k];
            if (fabs(found - defined(&task, k, c, tap)) > 1e-3 ||
                fabs(bias - defined_bias(&task, k)) > 1e-3)
                vgg_kernel_fail("conv_weights", "ref", "(%zu, %zu, tap %zu) is %g, bias %g", k, c,
                                tap, found, bias);
        }
        vgg_guarded_free();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_definition, vgg_teardown),
        cmocka_unit_test_teardown(test_weights, vgg_teardown),
        cmocka_unit_test_teardown(test_reduce, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
