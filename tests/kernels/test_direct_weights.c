/* Gradients of a convolution's weights with operands of bfloat16 and no transforms, of 1x1 and 3x3
 * taps and of plain input, also from the gradient of a max-pool's output.
 *
 * - ref has the bits of the direct gradients of float32 of operands that were rounded before, and
 * of dbias those of dy itself.
 * - The tiers that have them are within vgg_sum_error of ref, relative to the sum of absolute
 *   values, and have the same bits when units are divided.
 * How these are added to what was there, test_winograd_weights.c tests. */
#include <math.h>

#include "bf16.h"
#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

enum { RANDOM_SHAPES = 24, MOST_RANGES = 5 };

static const vgg_conv_shape SHAPES[] = {
    /* 1x1 of one place, of blocks that are not full, of several units on either side. */
    {1, 1, 1, 1, 1, 1, false, 0},
    {3, 31, 33, 5, 7, 1, false, 0},
    {2, 150, 140, 3, 3, 1, false, 0},
    /* Several groups, of images and of rows. */
    {40, 17, 16, 9, 9, 1, false, 0},
    {40, 17, 16, 9, 9, 3, false, 0},
    {1, 5, 18, 60, 70, 1, false, 0},
    {1, 5, 18, 60, 70, 3, false, 0},
    /* Across images: fewer than a register has, several registers, several parts. */
    {40, 17, 16, 4, 4, 3, false, 0},
    {130, 33, 18, 2, 2, 3, false, 0},
    {70, 40, 150, 3, 5, 3, false, 0},
    {100, 18, 17, 8, 8, 3, false, 0},
    {64, 20, 20, 4, 3, 3, false, 1},
    /* Plain input: rows and channels that are no multiple of anything, without padding, several
     * strips, several groups. */
    {1, 1, 16, 1, 1, 3, true, 0},
    {2, 3, 33, 17, 30, 3, true, 0},
    {3, 2, 50, 6, 47, 3, true, 1},
    {1, 3, 64, 70, 33, 3, true, 0},
    {40, 3, 17, 5, 9, 3, true, 0},
};

enum { FIXED_SHAPES = sizeof SHAPES / sizeof SHAPES[0] };

static size_t taps_of(const vgg_conv_shape *s) {
    return s->kernel * s->kernel;
}

/* spread: dy is the gradient of what a max-pool gave. */
static vgg_winograd_weights_task draw_task(const vgg_conv_shape *s, bool spread) {
    vgg_winograd_weights_partition cut = vgg_winograd_weights_bf16_partition_of(s, 1);
    size_t pixels = spread ? (s->height / 2) * (s->width / 2) : s->height * s->width;
    vgg_describe("%zux%zu, %zu images, %zu -> %zu channels, %zu x %zu, crop %td, %zu groups%s",
                 s->kernel, s->kernel, s->images, s->inputs, s->outputs, s->height, s->width,
                 s->crop, cut.groups, spread ? ", spread" : "");
    return (vgg_winograd_weights_task){
        .shape = *s,
        .partition = cut,
        .x = s->plain ? vgg_draw_floats(s->images * s->inputs * vgg_conv_in_pixels(s))
                      : vgg_draw_blocked(s->images, s->inputs, vgg_conv_in_pixels(s)),
        .dy = vgg_draw_blocked(s->images, s->outputs, pixels),
        .spread = spread ? vgg_draw_choices(s->images, s->outputs, pixels) : NULL,
        .sums = cut.groups > 1 ? vgg_guarded_floats(cut.sums) : NULL,
        .bias_sums = cut.groups > 1 ? vgg_guarded_floats(cut.bias_sums) : NULL,
        .dweights = vgg_guarded_floats(s->outputs * s->inputs * taps_of(s)),
        .dbias = vgg_guarded_floats(s->outputs),
        .scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * cut.scratch)};
}

/* ---- running ---- */

static void run_units(const vgg_kernels *tier, vgg_work *work, vgg_winograd_weights_task *task,
                      size_t units, size_t most) {
    vgg_ranges ranges = vgg_draw_ranges(units, most);
    for (size_t r = 0; r < ranges.count; r++) {
        size_t worker = vgg_draw(0, VGG_KERNEL_WORKERS - 1);
        vgg_poison(task->scratch, vgg_guarded_size(task->scratch), sizeof(float));
        vgg_running("direct_weights", tier->tier);
        work(task, ranges.begin[r], ranges.end[r], worker);
        vgg_guarded_check();
        vgg_running(NULL, NULL);
        vgg_check_scratch("direct_weights", tier->tier, task->scratch, task->partition.scratch,
                          worker);
    }
}

/* The units in at most `most` ranges. */
static void run(const vgg_kernels *tier, vgg_winograd_weights_task *task, size_t most) {
    vgg_poison(task->dweights, vgg_guarded_size(task->dweights), sizeof(float));
    vgg_poison(task->dbias, vgg_guarded_size(task->dbias), sizeof(float));
    const vgg_winograd_kernels *of = vgg_winograd_weights_kernels_for(tier, &task->partition);
    run_units(tier, of->weights, task, task->partition.units, most);
    if (task->partition.groups > 1)
        run_units(tier, of->weights_finish, task, vgg_winograd_weights_finish_units(&task->shape),
                  most);
}

/* ---- ref ---- */

/* The direct gradients of float32. */
static vgg_conv_reduce_task direct_gradients(const vgg_conv_shape *s, const float *x,
                                             const float *dy) {
    vgg_conv_weights_task direct = {.shape = *s, .groups = 1, .x = x, .dy = dy};
    direct.partial = vgg_guarded_floats(vgg_conv_weights_partial(s));
    direct.bias_partial = vgg_guarded_floats(vgg_blocks(s->outputs) * VGG_BLOCK);
    vgg_reference()->conv_weights(&direct, 0, vgg_blocks(s->outputs) * vgg_blocks(s->inputs), 0);
    vgg_conv_reduce_task reduce = {.shape = *s,
                                   .groups = 1,
                                   .partial = direct.partial,
                                   .bias_partial = direct.bias_partial,
                                   .dweights =
                                       vgg_guarded_floats(s->outputs * s->inputs * taps_of(s)),
                                   .dbias = vgg_guarded_floats(s->outputs)};
    vgg_conv_reduce(&reduce, 0, vgg_blocks(s->outputs), 0);
    return reduce;
}

static void check_same(const vgg_kernels *tier, const char *when, const float *found,
                       const float *expected) {
    static const vgg_kernel_case named = {.name = "direct_weights"};
    vgg_case_same(&named, tier, when, found, expected, vgg_guarded_size(found), sizeof *found);
}

static void check_reference(const vgg_conv_shape *shape) {
    vgg_winograd_weights_task task = draw_task(shape, false);
    run(vgg_reference(), &task, 1);
    const char *when = "in the direct reference";
    check_same(vgg_reference(), when, task.dweights,
               direct_gradients(shape, vgg_rounded(task.x), vgg_rounded(task.dy)).dweights);
    check_same(vgg_reference(), when, task.dbias, direct_gradients(shape, task.x, task.dy).dbias);
    vgg_guarded_free();
}

static vgg_conv_shape draw_shape(size_t kernel) {
    vgg_conv_shape shape = {vgg_draw(1, 5),
                            vgg_draw_channels(),
                            vgg_draw_channels(),
                            vgg_draw(1, 13),
                            vgg_draw(1, 13),
                            kernel,
                            false,
                            0};
    if (kernel == 3)
        vgg_draw_crop(&shape);
    return shape;
}

static void test_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES / 2; i++) {
        vgg_conv_shape shape = draw_shape(i % 2 == 0 ? 1 : 3);
        check_reference(&shape);
    }
}

/* ---- tiers ---- */

static void check_near(const vgg_kernels *tier, const char *name, const float *found,
                       const float *expected, const float *magnitude, double error) {
    for (size_t i = 0; i < vgg_guarded_size(found) / sizeof *found; i++) {
        double bound = error * (double)magnitude[i];
        if (!(fabs((double)found[i] - (double)expected[i]) <= bound))
            vgg_kernel_fail("direct_weights", tier->tier, "%s %zu is %.9g instead of %.9g +- %.2g",
                            name, i, (double)found[i], (double)expected[i], bound);
    }
}

static void check_tiers(const vgg_conv_shape *s, bool spread) {
    vgg_winograd_weights_task task = draw_task(s, spread), absolute = task;
    run(vgg_reference(), &task, 1);
    const float *weights = vgg_guarded_copy(task.dweights), *bias = vgg_guarded_copy(task.dbias);
    absolute.x = vgg_guarded_absolute(task.x);
    absolute.dy = vgg_guarded_absolute(task.dy);
    run(vgg_reference(), &absolute, 1);
    const float *most = vgg_guarded_copy(task.dweights), *most_bias = vgg_guarded_copy(task.dbias);
    double error = vgg_sum_error(s->images * s->height * s->width);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        if (!vgg_has_matrices(tier))
            continue;
        run(tier, &task, 1);
        check_near(tier, "weight", task.dweights, weights, most, error);
        check_near(tier, "bias", task.dbias, bias, most_bias, error);
        const float *whole = vgg_guarded_copy(task.dweights), *sums = vgg_guarded_copy(task.dbias);
        run(tier, &task, MOST_RANGES);
        check_same(tier, "when the units are divided", task.dweights, whole);
        check_same(tier, "when the units are divided", task.dbias, sums);
    }
    vgg_guarded_free();
}

static void test_tiers(void **state) {
    (void)state;
    vgg_need_matrices();
    for (size_t i = 0; i < FIXED_SHAPES; i++) {
        check_tiers(&SHAPES[i], false);
    }
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_conv_shape shape = draw_shape(i % 2 == 0 ? 1 : 3);
        check_tiers(&shape, false);
    }
}

static void test_spread(void **state) {
    (void)state;
    vgg_need_matrices();
    for (size_t i = 0; i < FIXED_SHAPES + RANDOM_SHAPES; i++) {
        vgg_conv_shape shape = i < FIXED_SHAPES ? SHAPES[i] : draw_shape(i % 2 == 0 ? 1 : 3);
        shape.crop = 0;
        shape.height = vgg_size_max(shape.height, 2);
        shape.width = vgg_size_max(shape.width, 2);
        check_tiers(&shape, true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_reference, vgg_teardown),
        cmocka_unit_test_teardown(test_tiers, vgg_teardown),
        cmocka_unit_test_teardown(test_spread, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
