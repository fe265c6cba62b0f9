/* Convolution by F(4x4, 3x3) and F(2x2, 3x3).
 *
 * bound: error_of(tile) * ((sum |x w| + |bias|) |scale| + |shift|)
 *
 * The sum in parentheses is ref's result for the absolute values of all inputs; a max-pool takes
 * the greatest of a window and moves no numbers apart. How a tier stores filters is its own
 * business, so that both kernels are run as a plan runs them, and only what comes out is compared:
 * - with ref, and with zero beyond the channels;
 * - bit by bit, when the units are cut for another number of threads and done in random ranges by
 *   random workers, of which no two may write the same value;
 * - bit by bit, when an image is alone.
 * All memory that is written begins as poison, and everything else is read-only or checked. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"
#include "winograd_layers.h"

/* Rounding errors of the transformed values come out multiplied by sums of products of the three
 * transforms' coefficients, and what cancels in an output does not cancel in them. No number of
 * channels makes that more: the errors of n of them grow like the square root of n. The greatest
 * errors of some 500 random shapes are 12 roundings for tiles of 4x4 and 2.5 for those of 2x2, and
 * there is room for three times that; one wrong term of a sum of 4000 is still thirty times the
 * bound, as above vgg_sum_error(). */
static double error_of(size_t tile) {
    return (tile == 2 ? 8 : 36) * VGG_ROUNDING;
}

enum { RANDOM_SHAPES = 12 };

/* Images, channels in and out, height, width, kernel, plain. */
static const vgg_conv_shape SHAPES[] = {
    /* Fewer pixels than a tile has. */
    {3, 17, 16, 1, 1, 3, false, 0},
    {2, 16, 33, 2, 1, 3, false, 0},
    {1, 20, 16, 1, 9, 3, false, 0},
    {70, 140, 130, 2, 2, 3, false, 0},
    {3, 17, 50, 2, 2, 3, false, 0},
    /* One tile that is full, and tiles that hang over by all sizes. */
    {1, 16, 16, 4, 4, 3, false, 0},
    {2, 16, 17, 5, 8, 3, false, 0},
    {1, 31, 33, 6, 7, 3, false, 0},
    /* Units of some tiles of an image. */
    {2, 70, 20, 23, 22, 3, false, 0},
    {1, 16, 16, 9, 97, 3, false, 0},
    /* Filters just stored, and just not. */
    {2, 128, 128, 5, 5, 3, false, 0},
    {2, 129, 128, 5, 5, 3, false, 0},
    /* Units that end within an image, and filters made for some input channels at a time. */
    {65, 144, 130, 5, 5, 3, false, 0},
    {30, 420, 40, 9, 9, 3, false, 0},
};

enum { FIXED_SHAPES = sizeof SHAPES / sizeof SHAPES[0] };

/* ---- comparisons ---- */

static const vgg_kernel_case NAMED = {.name = "winograd"};

/* What ref makes of the absolute values. */
static const float *magnitude_of(const vgg_winograd_layer *l) {
    vgg_winograd_task absolute = l->few;
    absolute.x = vgg_guarded_absolute(l->few.x);
    absolute.weights = vgg_guarded_absolute(l->few.weights);
    absolute.bias = vgg_guarded_absolute(l->few.bias);
    absolute.scale = vgg_guarded_absolute(l->few.scale);
    absolute.shift = vgg_guarded_absolute(l->few.shift);
    absolute.y = vgg_guarded_copy(l->few.y);
    vgg_layer_run(vgg_reference(), &absolute, NULL);
    return absolute.y;
}

static void check_near(const vgg_winograd_layer *l, const vgg_kernels *tier, const float *expected,
                       const float *magnitude) {
    size_t size = vgg_layer_output(&l->task);
    for (size_t i = 0; i < l->task.shape.images * size; i++) {
        size_t at = l->source[i / size] * size + i % size;
        double found = (double)l->task.y[i], wanted = (double)expected[at];
        double bound = error_of(l->task.partition.tile) * (double)magnitude[at];
        if (!(fabs(found - wanted) <= bound))
            vgg_kernel_fail("winograd", tier->tier,
                            "value %zu of image %zu is %.9g instead of %.9g +- %.2g", i % size,
                            i / size, found, wanted, bound);
    }
}

static void check_same(const vgg_winograd_layer *l, const vgg_kernels *tier, const char *when,
                       size_t image, const float *expected, size_t images) {
    size_t size = vgg_layer_output(&l->task);
    vgg_case_same(&NAMED, tier, when, l->task.y + image * size, expected,
                  images * size * sizeof *expected, sizeof *expected);
}

static void check_shape(const vgg_conv_shape *shape, size_t tile) {
    vgg_winograd_layer l;
    vgg_draw_layer(&l, shape, tile);
    vgg_layer_run(vgg_reference(), &l.few, NULL);
    const float *expected = vgg_guarded_copy(l.few.y), *magnitude = magnitude_of(&l);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        vgg_layer_run(vgg_kernels_at(i), &l.task, NULL);
        check_near(&l, vgg_kernels_at(i), expected, magnitude);
        vgg_layer_check_cuts(&l, vgg_kernels_at(i));
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
            vgg_conv_shape shape = i % 5 == 0 ? vgg_draw_made_shape() : vgg_draw_stored_shape();
            assert_int_equal(vgg_winograd_partition_of(&shape, tile, 1).stored, i % 5 != 0);
            vgg_draw_crop(&shape);
            check_shape(&shape, tile);
        }
    }
}

/* ---- NaN ---- */

/* Fails unless all that has the input (row, column) of image n in reach is NaN. */
static void check_nan_spread(const vgg_winograd_task *t, const char *tier, size_t n, size_t row,
                             size_t column) {
    size_t side = t->pool ? 2 : 1, pixels = vgg_layer_pixels(t);
    size_t height = t->shape.height / side, width = t->shape.width / side;
    for (size_t k = 0; k < t->shape.outputs; k++) {
        for (size_t i = 0; i < 9; i++) {
            size_t y = row + i / 3, x = column + i % 3; /* one more than the output's */
            if (y == 0 || x == 0 || (y - 1) / side >= height || (x - 1) / side >= width)
                continue;
            size_t pixel = (y - 1) / side * width + (x - 1) / side;
            if (!isnan(t->y[vgg_blocked_at(t->shape.outputs, pixels, n, k, pixel)]))
                vgg_kernel_fail("winograd", tier, "(%zu, %zu, %zu) is not NaN", n, k, pixel);
        }
    }
}

/* A NaN in one image comes through ReLU and max-pool, and the other images have the same bits. */
static void check_nan_input(const vgg_conv_shape *s, size_t tile) {
    vgg_winograd_layer l;
    vgg_draw_layer(&l, s, tile);
    vgg_winograd_task task = l.few;
    float *x = vgg_guarded_copy(task.x);
    size_t n = vgg_draw(0, task.shape.images - 1), c = vgg_draw(0, s->inputs - 1);
    size_t row = vgg_draw(0, s->height - 1), column = vgg_draw(0, s->width - 1);
    x[vgg_blocked_at(s->inputs, s->height * s->width, n, c, row * s->width + column)] = (float)NAN;
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        task.x = l.few.x;
        vgg_layer_run(tier, &task, NULL);
        const float *finite = vgg_guarded_copy(task.y);
        task.x = x;
        vgg_layer_run(tier, &task, NULL);
        check_nan_spread(&task, tier->tier, n, row, column);
        for (size_t image = 0, size = vgg_layer_output(&task); image < task.shape.images; image++) {
            if (image != n)
                vgg_case_same(&NAMED, tier, "with a NaN in another image", task.y + image * size,
                              finite + image * size, size * sizeof *x, sizeof *x);
        }
    }
    vgg_guarded_free();
}

/* ---- what it has to agree with ---- */

static vgg_pool_task pool_task(const vgg_conv_shape *s, size_t channels) {
    return (vgg_pool_task){.images = s->images,
                           .channels = channels,
                           .height = s->height,
                           .width = s->width,
                           .out_height = s->height / 2,
                           .out_width = s->width / 2};
}

/* conv's result in task's place: normalised and pooled by kernels of their own. */
static void finish_apart(const vgg_kernels *tier, const vgg_winograd_task *task, float *conv) {
    const vgg_conv_shape *s = &task->shape;
    size_t pixels = s->height * s->width, blocks = s->images * vgg_blocks(s->outputs);
    float *normed = vgg_guarded_floats(blocks * pixels * VGG_BLOCK);
    vgg_batch_norm_task norm = {.images = s->images,
                                .channels = s->outputs,
                                .pixels = pixels,
                                .x = conv,
                                .scale = task->scale,
                                .shift = task->shift,
                                .relu = task->relu,
                                .y = normed};
    tier->batch_norm(&norm, 0, blocks, 0);
    vgg_pool_task pool = pool_task(s, s->outputs);
    pool.x = normed;
    pool.y = task->y;
    pool.chosen = task->chosen;
    memcpy(task->y, normed, vgg_guarded_size(task->y));
    if (task->pool)
        tier->max_pool(&pool, 0, blocks, 0);
}

/* A batch norm and a max-pool behind the convolution and within it give the same bits, and the
 * max-pool chooses the same. */
static void check_fold(const vgg_conv_shape *shape, size_t tile) {
    vgg_winograd_layer l;
    vgg_draw_layer(&l, shape, tile);
    vgg_winograd_task task = l.task;
    task.scale = vgg_draw_vector(shape->outputs);
    task.shift = vgg_draw_vector(shape->outputs);
    if (task.pool)
        task.chosen = vgg_guarded_choices(task.shape.images * vgg_layer_output(&task) / VGG_BLOCK);
    for (size_t i = 0; vgg_kernels_at(i) != NULL; i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        vgg_layer_run(tier, &task, NULL);
        const float *folded = vgg_guarded_copy(task.y);
        const vgg_choice *chosen = vgg_guarded_copy(task.chosen);
        vgg_winograd_task bare = task;
        bare.scale = bare.shift = NULL;
        bare.relu = bare.pool = false;
        bare.y = vgg_guarded_floats(bare.shape.images * vgg_layer_output(&bare));
        vgg_layer_run(tier, &bare, NULL);
        finish_apart(tier, &task, bare.y);
        check_same(&l, tier, "with what follows on its own", 0, folded, task.shape.images);
        if (task.pool && memcmp(chosen, task.chosen, vgg_guarded_size(chosen)) != 0)
            vgg_kernel_fail("winograd", tier->tier, "the max-pool chose otherwise");
    }
    vgg_guarded_free();
}

/* A task as backward passes have them: x is the gradient of a max-pool's output, and behind the
 * convolution is the derivative of a ReLU. */
static vgg_winograd_task draw_backward(const vgg_winograd_layer *l) {
    const vgg_conv_shape *s = &l->few.shape;
    size_t windows = (s->height / 2) * (s->width / 2), pixels = s->height * s->width;
    vgg_winograd_task task = l->few;
    float *gate = vgg_draw_blocked(s->images, s->outputs, pixels);
    gate[vgg_draw(0, VGG_BLOCK - 1)] = (float)NAN;
    vgg_guarded_lock(gate);
    task.bias = task.scale = task.shift = NULL;
    task.relu = task.pool = false;
    task.x = vgg_draw_blocked(s->images, s->inputs, windows);
    task.spread = vgg_draw_choices(s->images, s->inputs, windows);
    task.gate = gate;
    task.y = vgg_guarded_floats(s->images * vgg_layer_output(&task));
    vgg_guarded_lock(task.x);
    vgg_guarded_lock(task.spread);
    return task;
}

/* In ref: the same bits as with the max-pool and the ReLU on their own. */
static void check_backward_reference(const vgg_winograd_task *task) {
    vgg_winograd_task apart = *task;
    vgg_pool_task pool = pool_task(&task->shape, task->shape.inputs);
    pool.chosen = (vgg_choice *)task->spread;
    pool.dy = task->x;
    pool.dx = vgg_guarded_floats(task->shape.images * vgg_layer_input(task));
    vgg_reference()->max_pool_backward(&pool, 0, pool.images * vgg_blocks(pool.channels), 0);
    apart.x = pool.dx;
    apart.spread = NULL;
    apart.gate = NULL;
    apart.y = vgg_guarded_copy(task->y);
    vgg_layer_run(vgg_reference(), &apart, NULL);
    for (size_t v = 0; v < vgg_guarded_size(apart.y) / sizeof *apart.y; v++) {
        apart.y[v] = task->gate[v] > 0 ? apart.y[v] : 0;
    }
    vgg_case_same(&NAMED, vgg_reference(), "with the max-pool and the ReLU on their own", task->y,
                  apart.y, vgg_guarded_size(apart.y), sizeof *apart.y);
}

static void check_backward(const vgg_conv_shape *shape, size_t tile) {
    vgg_winograd_layer l;
    vgg_draw_layer(&l, shape, tile);
    vgg_winograd_task task = draw_backward(&l), absolute = task;
    vgg_layer_run(vgg_reference(), &task, NULL);
    const float *expected = vgg_guarded_copy(task.y);
    check_backward_reference(&task);
    absolute.x = vgg_guarded_absolute(task.x);
    absolute.weights = vgg_guarded_absolute(task.weights);
    vgg_layer_run(vgg_reference(), &absolute, NULL);
    const float *magnitude = vgg_guarded_copy(task.y);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        vgg_layer_run(vgg_kernels_at(i), &task, NULL);
        for (size_t v = 0; v < vgg_guarded_size(expected) / sizeof *expected; v++) {
            double bound = error_of(tile) * (double)magnitude[v];
            if (!(fabs((double)task.y[v] - (double)expected[v]) <= bound))
                vgg_kernel_fail("winograd", vgg_kernels_at(i)->tier,
                                "backward value %zu is %.9g instead of %.9g +- %.2g", v,
                                (double)task.y[v], (double)expected[v], bound);
        }
    }
    vgg_guarded_free();
}

/* ref without a pool is the convolution of conv_forward, which has tests of its own. */
static void check_reference(const vgg_conv_shape *s, size_t tile) {
    vgg_winograd_layer l;
    vgg_draw_layer(&l, s, tile);
    vgg_winograd_task *task = &l.few;
    task->pool = false;
    task->y = vgg_guarded_floats(task->shape.images * vgg_layer_output(task));
    vgg_layer_run(vgg_reference(), task, NULL);
    vgg_conv_forward_task direct = {.shape = task->shape, .x = task->x, .relu = task->relu};
    direct.partition = vgg_conv_forward_partition(&direct.shape);
    float *packed = vgg_guarded_floats(vgg_conv_packed_size(s));
    vgg_conv_pack_task pack = {
        .shape = *s, .turned = task->turned, .weights = task->weights, .packed = packed};
    vgg_conv_pack(&pack, 0, vgg_blocks(s->outputs), 0);
    direct.packed = packed;
    direct.bias = task->bias;
    direct.scale = task->scale;
    direct.shift = task->shift;
    direct.y = vgg_guarded_copy(task->y);
    direct.scratch = vgg_guarded_floats(direct.partition.scratch);
    vgg_reference()->conv_forward(&direct, 0, direct.partition.units, 0);
    for (size_t i = 0; i < task->shape.images * vgg_layer_output(task); i++) {
        if (!(fabsf(task->y[i] - direct.y[i]) <= 1e-5F * fmaxf(1, fabsf(direct.y[i]))))
            vgg_kernel_fail("winograd", "ref", "value %zu is %g instead of %g", i,
                            (double)task->y[i], (double)direct.y[i]);
    }
    vgg_guarded_free();
}

static void test_agreement(void **state) {
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        vgg_conv_shape shape = vgg_draw_stored_shape();
        size_t tile = i % 2 == 0 ? 2 : 4;
        shape.height = vgg_draw(2, 9);
        if (i % 8 >= 6)
            shape = (vgg_conv_shape){3, 140, 120, 5, 6, 3, false, 0};
        vgg_conv_shape cropped = shape;
        vgg_draw_crop(&cropped);
        check_reference(&cropped, tile);
        check_nan_input(&shape, tile);
        check_fold(&shape, tile);
        check_backward(&shape, tile);
    }
    for (size_t i = 0; i < 4; i++) {
        vgg_conv_shape whole = vgg_draw_stored_shape();
        whole.height = whole.width = 2;
        check_nan_input(&whole, 2);
        check_fold(&whole, 2);
        check_backward(&whole, 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_shapes, vgg_teardown),
        cmocka_unit_test_teardown(test_agreement, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
