/* Gradients of a convolution's weights by F(3x3, 4x4) and F(3x3, 2x2).
 *
 * result    bound
 * dweights  error_of(tile) * sum of |x dy| at the middle tap, through all pixels; with another
 *           padding, where no tap meets all of both, at the tap where it is largest
 * dbias     vgg_sum_error(pixels) * sum of |dy|
 *
 * The sums are ref's results for the absolute values of x and dy. The nine taps come from the same
 * transformed sums and share their rounding errors; the middle one has the most terms. What the
 * groups write is a tier's own business, so that the two kernels are run as a plan runs them, and
 * only the gradients are compared:
 * - with ref;
 * - bit by bit, when the units are done in random ranges by random workers, of which no two may
 *   write the same value;
 * - bit by bit with a sum, when they are added to what was there.
 * All memory that is written begins as poison, and everything else is read-only or checked.
 *
 * With operands of bfloat16 the same, within bounds of ref, which rounds the same operands, and of
 * the gradient in float32, and as a whole much nearer to ref than to that. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

/* As in test_winograd.c: sums of products of the transforms' coefficients multiply the rounding
 * errors. The greatest errors of 120 seeds' shapes, maps of 3x3 and fewer pixels whose taps see
 * little of what a tile sums, are 80 roundings for tiles of 4x4 and 12.2 for those of 2x2, and
 * there is room for half as much again; one wrong term of the sum of 4000 pixels is still five
 * times the bound. */
static double error_of(size_t tile) {
    return (tile == 2 ? 18 : 120) * VGG_ROUNDING;
}

/* Half a unit in the last place of a number of bfloat16 that is 1, times what the greatest errors
 * of random shapes leave room for. */
static double bf16_error_of(size_t tile, bool rounded) {
    double gradient = tile < 4 ? 8 : 105, ref = tile == 1 ? 0.002 : tile == 2 ? 0.7 : 5.5;
    return (rounded ? ref : gradient) / 512;
}

enum { MOST_RANGES = 5, RANDOM_SHAPES = 25, BF16_SHAPES = 10, OUTPUTS = 2 };

/* Images, channels in and out, height, width, kernel, plain. */
static const vgg_conv_shape SHAPES[] = {
    /* One pixel, one tile, and tiles that hang over by all sizes. */
    {1, 1, 1, 1, 1, 3, false, 0},
    {1, 16, 16, 4, 4, 3, false, 0},
    {2, 16, 17, 5, 8, 3, false, 0},
    {1, 31, 33, 6, 7, 3, false, 0},
    /* Tiles of several images in several pieces. */
    {3, 18, 20, 23, 23, 3, false, 0},
    /* Several groups, the last ones with pieces of their own. */
    {1, 17, 16, 9, 171, 3, false, 0},
    {150, 16, 3, 1, 1, 3, false, 0},
    {9, 16, 16, 26, 25, 3, false, 0},
    /* Several units on either side, with one and with two groups. */
    {2, 130, 20, 5, 6, 3, false, 0},
    {1, 20, 145, 3, 3, 3, false, 0},
    {2, 129, 130, 3, 3, 3, false, 0},
    {130, 132, 20, 2, 1, 3, false, 0},
    /* Tiles of 2x2 that are whole maps, in one group and in two. */
    {9, 33, 17, 2, 2, 3, false, 0},
    {130, 132, 20, 2, 2, 3, false, 0},
};

enum { FIXED_SHAPES = sizeof SHAPES / sizeof SHAPES[0] };

/* One of the two kernels at work. */
typedef struct stage {
    const char *name, *tier;
    vgg_work *work;
    size_t units;
} stage;

/* ---- tasks ---- */

static vgg_conv_shape draw_shape(void) {
    size_t images = vgg_draw(1, 5), height = vgg_draw(1, 13), width = vgg_draw(1, 13);
    return (vgg_conv_shape){
        images, vgg_draw_channels(), vgg_draw_channels(), height, width, 3, false, 0};
}

static size_t weights_of(const vgg_conv_shape *s) {
    return s->outputs * s->inputs * 9;
}

static vgg_winograd_weights_partition partition_of(const vgg_conv_shape *s, size_t tile,
                                                   bool bf16) {
    return bf16 ? vgg_winograd_weights_bf16_partition_of(s, tile)
                : vgg_winograd_weights_partition_of(s, tile);
}

static vgg_winograd_weights_task draw_task(const vgg_conv_shape *s, size_t tile, bool bf16) {
    size_t pixels = s->height * s->width;
    vgg_winograd_weights_partition cut = partition_of(s, tile, bf16);
    vgg_describe("%stiles of %zu, %zu images, %zu -> %zu channels, %zu x %zu, crop %td, %zu groups",
                 bf16 ? "bfloat16, " : "", tile, s->images, s->inputs, s->outputs, s->height,
                 s->width, s->crop, cut.groups);
    float *x = vgg_draw_blocked(s->images, s->inputs, vgg_conv_in_pixels(s));
    float *dy = vgg_draw_blocked(s->images, s->outputs, pixels);
    vgg_guarded_lock(x);
    vgg_guarded_lock(dy);
    return (vgg_winograd_weights_task){
        .shape = *s,
        .partition = cut,
        .x = x,
        .dy = dy,
        .sums = cut.groups > 1 ? vgg_guarded_floats(cut.sums) : NULL,
        .bias_sums = cut.groups > 1 ? vgg_guarded_floats(cut.bias_sums) : NULL,
        .dweights = vgg_guarded_floats(weights_of(s)),
        .dbias = vgg_guarded_floats(s->outputs),
        .scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * cut.scratch)};
}

static void poison(float *values) {
    if (values != NULL)
        vgg_poison(values, vgg_guarded_size(values), sizeof *values);
}

/* ---- running ---- */

/* One call, with all that must not change checked afterwards. */
static void call(const stage *s, const vgg_winograd_weights_task *task, size_t begin, size_t end,
                 size_t worker) {
    vgg_winograd_weights_task argument = *task;
    poison(task->scratch);
    vgg_running(s->name, s->tier);
    s->work(&argument, begin, end, worker);
    vgg_guarded_check();
    vgg_running(NULL, NULL);
    vgg_check_scratch(s->name, s->tier, task->scratch, task->partition.scratch, worker);
}

/* All units in ranges in random order by random workers; data: what they write. */
static void run_ranges(const stage *s, const vgg_winograd_weights_task *task,
                       float *const data[OUTPUTS]) {
    vgg_ranges ranges = vgg_draw_ranges(s->units, MOST_RANGES);
    float *merged[OUTPUTS];
    for (size_t o = 0; o < OUTPUTS; o++) {
        merged[o] = vgg_guarded_copy(data[o]);
    }
    for (size_t r = 0; r < ranges.count; r++) {
        call(s, task, ranges.begin[r], ranges.end[r], vgg_draw(0, VGG_KERNEL_WORKERS - 1));
        for (size_t o = 0; o < OUTPUTS; o++) {
            vgg_collect(s->name, s->tier, "an output", data[o], merged[o],
                        vgg_guarded_size(data[o]), sizeof(float));
        }
    }
    for (size_t o = 0; o < OUTPUTS; o++) {
        memcpy(data[o], merged[o], vgg_guarded_size(data[o]));
    }
}

static void run(const vgg_kernels *tier, const vgg_winograd_weights_task *task, bool divided) {
    bool several = task->partition.groups > 1;
    const vgg_winograd_kernels *kernels = vgg_winograd_weights_kernels_for(tier, &task->partition);
    const stage stages[] = {
        {"winograd_weights", tier->tier, kernels->weights, task->partition.units},
        {"winograd_weights_finish", tier->tier, kernels->weights_finish,
         vgg_winograd_weights_finish_units(&task->shape)}};
    float *const outputs[OUTPUTS] = {task->dweights, task->dbias};
    float *const sums[OUTPUTS] = {task->sums, task->bias_sums};
    poison(task->sums);
    poison(task->bias_sums);
    for (size_t o = 0; o < OUTPUTS && !task->accumulate; o++) {
        poison(outputs[o]);
    }
    for (size_t i = 0; i < (several ? 2 : 1); i++) {
        if (divided)
            run_ranges(&stages[i], task, several && i == 0 ? sums : outputs);
        else
            call(&stages[i], task, 0, stages[i].units, 0);
    }
}

/* ---- comparisons ---- */

/* Gradients, or their magnitudes. */
typedef struct gradients {
    const float *weights, *bias;
} gradients;

static gradients copy_of(const vgg_winograd_weights_task *task) {
    return (gradients){vgg_guarded_copy(task->dweights), vgg_guarded_copy(task->dbias)};
}

static gradients magnitudes_of(const vgg_winograd_weights_task *task) {
    vgg_winograd_weights_task absolute = *task;
    absolute.x = vgg_guarded_absolute(task->x);
    absolute.dy = vgg_guarded_absolute(task->dy);
    run(vgg_reference(), &absolute, false);
    return copy_of(task);
}

static void check_value(const char *tier, const char *name, size_t at, float found, float expected,
                        double bound) {
    if (!(fabs((double)found - (double)expected) <= bound))
        vgg_kernel_fail("winograd_weights", tier, "%s %zu is %.9g instead of %.9g +- %.2g", name,
                        at, (double)found, (double)expected, bound);
}

/* What bounds the errors of a filter's nine taps. */
static double size_of_taps(const vgg_conv_shape *s, const float taps[9]) {
    double size = (double)taps[4];
    for (size_t i = 0; s->crop != 0 && i < 9; i++) {
        size = fmax(size, (double)taps[i]);
    }
    return size;
}

static void check_near(const vgg_winograd_weights_task *task, const char *tier,
                       const gradients *expected, const gradients *magnitude, double error) {
    const vgg_conv_shape *s = &task->shape;
    for (size_t i = 0; i < weights_of(s); i++) {
        check_value(tier, "weight", i, task->dweights[i], expected->weights[i],
                    error * size_of_taps(s, magnitude->weights + i / 9 * 9));
    }
    for (size_t k = 0; k < s->outputs; k++) {
        check_value(tier, "bias", k, task->dbias[k], expected->bias[k],
                    vgg_sum_error(s->images * s->height * s->width) * (double)magnitude->bias[k]);
    }
}

static const vgg_kernel_case NAMED = {.name = "winograd_weights"};

static void check_same(const vgg_winograd_weights_task *task, const vgg_kernels *tier,
                       const char *when, const gradients *expected) {
    vgg_case_same(&NAMED, tier, when, task->dweights, expected->weights,
                  vgg_guarded_size(task->dweights), sizeof(float));
    vgg_case_same(&NAMED, tier, when, task->dbias, expected->bias, vgg_guarded_size(task->dbias),
                  sizeof(float));
}

/* Adds the gradients to numbers of their own size. */
static void check_accumulated(const vgg_winograd_weights_task *task, const vgg_kernels *tier,
                              const gradients *whole) {
    vgg_winograd_weights_task added = *task;
    float *weights = vgg_guarded_copy(whole->weights), *bias = vgg_guarded_copy(whole->bias);
    added.accumulate = true;
    for (size_t i = 0; i < weights_of(&task->shape); i++) {
        added.dweights[i] = vgg_draw_value();
        weights[i] += added.dweights[i];
    }
    for (size_t k = 0; k < task->shape.outputs; k++) {
        added.dbias[k] = vgg_draw_value();
        bias[k] += added.dbias[k];
    }
    run(tier, &added, false);
    check_same(&added, tier, "when added to what was there", &(gradients){weights, bias});
}

/* A NaN in one input channel makes its own gradients NaN, and all others have the same bits. */
static void check_nan(const vgg_winograd_weights_task *task, const vgg_kernels *tier,
                      const gradients *whole) {
    const vgg_conv_shape *s = &task->shape;
    size_t pixels = vgg_conv_in_pixels(s), c = vgg_draw(0, s->inputs - 1);
    size_t image = vgg_draw(0, s->images - 1), pixel = vgg_draw(0, pixels - 1);
    float *x = vgg_guarded_copy(task->x);
    x[vgg_blocked_at(s->inputs, pixels, image, c, pixel)] = (float)NAN;
    vgg_winograd_weights_task spoilt = *task;
    spoilt.x = x;
    run(tier, &spoilt, false);
    for (size_t i = 0; i < weights_of(s); i++) {
        /* Without padding the tap in the middle does not meet every value. */
        bool own = i / 9 % s->inputs == c, meets = i % 9 == 4 && s->crop <= 0;
        if (own ? meets && !isnan(task->dweights[i])
                : memcmp(task->dweights + i, whole->weights + i, sizeof(float)) != 0)
            vgg_kernel_fail("winograd_weights", tier->tier, "weight %zu is %g with NaN in %zu", i,
                            (double)task->dweights[i], c);
    }
}

/* What the tier just made of the task, with the units divided, added to gradients and with NaN. */
static void check_other_ways(vgg_winograd_weights_task *task, const vgg_kernels *tier) {
    gradients whole = copy_of(task);
    run(tier, task, true);
    check_same(task, tier, "when the units are divided", &whole);
    check_accumulated(task, tier, &whole);
    check_nan(task, tier, &whole);
}

static void check_shape(const vgg_conv_shape *shape, size_t tile) {
    vgg_winograd_weights_task task = draw_task(shape, tile, false);
    run(vgg_reference(), &task, false);
    gradients expected = copy_of(&task), magnitude = magnitudes_of(&task);
    check_accumulated(&task, vgg_reference(), &expected);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        run(tier, &task, false);
        check_near(&task, tier->tier, &expected, &magnitude, error_of(tile));
        check_other_ways(&task, tier);
    }
    vgg_guarded_free();
}

static void test_shapes(void **state) {
    (void)state;
    for (size_t tile = 2; tile <= 4; tile += 2) {
        for (size_t i = 0; i < FIXED_SHAPES; i++) {
            check_shape(&SHAPES[i], tile);
        }
        for (size_t i = 0; i < RANDOM_SHAPES; i++) {
            vgg_conv_shape shape = draw_shape();
            vgg_draw_crop(&shape);
            check_shape(&shape, tile);
        }
    }
}

/* ---- bfloat16 ---- */

/* What ref makes of a task in float32. */
static gradients exact_of(const vgg_winograd_weights_task *task, gradients *magnitude) {
    vgg_winograd_weights_task exact = *task;
    exact.partition = partition_of(&task->shape, vgg_size_max(task->partition.tile, 2), false);
    exact.sums = exact.bias_sums = NULL;
    exact.partition.groups = 1;
    exact.partition.units = exact.partition.c_units * exact.partition.k_units;
    exact.scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * exact.partition.scratch);
    run(vgg_reference(), &exact, false);
    gradients found = copy_of(&exact);
    *magnitude = magnitudes_of(&exact);
    return found;
}

/* Root of the sum of squared differences. */
static double distance(const vgg_winograd_weights_task *task, const gradients *expected) {
    double sum = 0;
    for (size_t i = 0; i < weights_of(&task->shape); i++) {
        sum += pow((double)task->dweights[i] - (double)expected->weights[i], 2);
    }
    return sqrt(sum);
}

static void check_bf16_shape(const vgg_conv_shape *shape, size_t tile) {
    vgg_winograd_weights_task task = draw_task(shape, tile, true);
    gradients magnitude, exact = exact_of(&task, &magnitude);
    run(vgg_reference(), &task, false);
    gradients rounded = copy_of(&task);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        if (tile == 1 && tier->bf16_direct.weights == NULL)
            continue;
        run(tier, &task, false);
        check_near(&task, tier->tier, &exact, &magnitude, bf16_error_of(tile, false));
        check_near(&task, tier->tier, &rounded, &magnitude, bf16_error_of(tile, true));
        double far = distance(&task, &exact), near = distance(&task, &rounded);
        if (!(near <= far / (tile == 4 ? 2.5 : 4)))
            vgg_kernel_fail("winograd_weights", tier->tier, "%g from ref, and %g from float32",
                            near, far);
        check_other_ways(&task, tier);
    }
    vgg_guarded_free();
}

static void test_bf16_shapes(void **state) {
    (void)state;
    static const vgg_conv_shape shapes[] = {
        /* An odd number of tiles, several images in a pair, groups of odd numbers. */
        {1, 16, 16, 4, 4, 3, false, 0},
        {3, 5, 17, 5, 8, 3, false, 0},
        {131, 7, 3, 2, 2, 3, false, 0},
        {2, 130, 3, 3, 2, 3, false, 0},
        /* Several pieces. */
        {3, 2, 3, 43, 43, 3, false, 0},
    };
    static const size_t tiles[] = {1, 2, 4};
    for (size_t t = 0; t < sizeof tiles / sizeof *tiles; t++) {
        size_t tile = tiles[t];
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            check_bf16_shape(&shapes[i], tile);
        }
        for (size_t i = 0; i < BF16_SHAPES; i++) {
            vgg_conv_shape shape = draw_shape();
            shape.images = vgg_size_min(shape.images, 2);
            shape.inputs = vgg_size_min(shape.inputs, 20);
            shape.outputs = vgg_size_min(shape.outputs, 20);
            vgg_draw_crop(&shape);
            check_bf16_shape(&shape, tile);
        }
    }
}

/* ---- what ref is compared with ---- */

/* ref's gradients are those of conv_weights, which has tests of its own. */
static void check_reference(const vgg_conv_shape *s, size_t tile) {
    vgg_winograd_weights_task task = draw_task(s, tile, false);
    run(vgg_reference(), &task, false);
    vgg_conv_weights_task direct = {.shape = *s, .groups = 1, .x = task.x, .dy = task.dy};
    size_t pairs = vgg_blocks(s->outputs) * vgg_blocks(s->inputs);
    direct.partial = vgg_guarded_floats(vgg_conv_weights_partial(s));
    direct.bias_partial = vgg_guarded_floats(vgg_blocks(s->outputs) * VGG_BLOCK);
    vgg_reference()->conv_weights(&direct, 0, pairs, 0);
    vgg_conv_reduce_task reduce = {.shape = *s,
                                   .groups = 1,
                                   .partial = direct.partial,
                                   .bias_partial = direct.bias_partial,
                                   .dweights = vgg_guarded_floats(weights_of(s)),
                                   .dbias = vgg_guarded_floats(s->outputs)};
    vgg_conv_reduce(&reduce, 0, vgg_blocks(s->outputs), 0);
    check_same(&task, vgg_reference(), "in the direct reference",
               &(gradients){reduce.dweights, reduce.dbias});
    vgg_guarded_free();
}

/* From the gradient of a max-pool's output: near ref, which gives the same bits as from that of its
 * input. */
static void check_spread(const vgg_conv_shape *s, size_t tile) {
    vgg_winograd_weights_task task = draw_task(s, tile, false);
    vgg_pool_task pool = {.images = s->images,
                          .channels = s->outputs,
                          .height = s->height,
                          .width = s->width,
                          .out_height = s->height / 2,
                          .out_width = s->width / 2};
    size_t windows = pool.out_height * pool.out_width;
    pool.chosen = vgg_draw_choices(s->images, s->outputs, windows);
    pool.dy = vgg_draw_blocked(s->images, s->outputs, windows);
    pool.dx = vgg_guarded_copy(task.dy);
    vgg_guarded_lock(pool.chosen);
    vgg_guarded_lock(pool.dy);
    vgg_reference()->max_pool_backward(&pool, 0, s->images * vgg_blocks(s->outputs), 0);
    task.dy = pool.dx;
    run(vgg_reference(), &task, false);
    gradients expected = copy_of(&task), magnitude = magnitudes_of(&task);
    task.dy = pool.dy;
    task.spread = pool.chosen;
    run(vgg_reference(), &task, false);
    check_same(&task, vgg_reference(), "with the max-pool on its own", &expected);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        run(vgg_kernels_at(i), &task, false);
        check_near(&task, vgg_kernels_at(i)->tier, &expected, &magnitude, error_of(tile));
    }
    vgg_guarded_free();
}

static void test_spread(void **state) {
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        vgg_conv_shape shape = i < 4 ? SHAPES[i + 2] : draw_shape();
        shape.height = vgg_size_max(shape.height, 2);
        shape.width = vgg_size_max(shape.width, 2);
        if (i == 4 || i == 6)
            shape.height = shape.width = 2;
        check_spread(&shape, i % 2 == 0 ? 2 : 4);
    }
}

static void test_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        vgg_conv_shape shape = i < 8 ? SHAPES[i / 2 * 3] : draw_shape();
        if (i >= 8)
            vgg_draw_crop(&shape);
        check_reference(&shape, i % 2 == 0 ? 2 : 4);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_shapes, vgg_teardown),
        cmocka_unit_test_teardown(test_bf16_shapes, vgg_teardown),
        cmocka_unit_test_teardown(test_reference, vgg_teardown),
        cmocka_unit_test_teardown(test_spread, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
