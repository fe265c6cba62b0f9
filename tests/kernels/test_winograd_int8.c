/* Convolution by F(4x4, 3x3) and F(2x2, 3x3) with operands of int8.
 *
 * - Where the transforms are exact, every tier and ref have the same bits: those of the sums of the
 *   same whole numbers, at and beyond the largest numbers, and with values that are not finite.
 * - Elsewhere within a bound of ref, which rounds the same operands; as a whole much nearer to ref
 *   than to the convolution, since a tier's transforms are in float32, ref's in double, so that
 *   they round a few operands to different neighbours and not more.
 * - The same bits when units are divided, and when an image is alone. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"
#include "winograd_layers.h"

/* Half a step of whole numbers whose largest is 1. */
#define ROUNDING_TO_INT8 (1.0 / 254)

/* The greatest error of some 150 random shapes against ref is 0.7 and 0.08 for tiles of 4x4 and
 * 2x2; there is room for three times that. */
static double bound_of(size_t tile) {
    return (tile == 2 ? 0.3 : 2.4) * ROUNDING_TO_INT8;
}

enum { RANDOM_SHAPES = 8, EXACT_SHAPES = 24 };

static const vgg_conv_shape SHAPES[] = {
    /* Fewer pixels than a tile has; an odd number of channels. */
    {3, 17, 16, 1, 1, 3, false, 0},
    {1, 33, 17, 1, 9, 3, false, 0},
    /* Tiles that are full, that hang over, and units of some tiles of an image. */
    {1, 16, 16, 4, 4, 3, false, 0},
    {2, 31, 33, 6, 7, 3, false, 0},
    {1, 16, 16, 9, 97, 3, false, 0},
    /* Filters that are many. */
    {2, 129, 130, 5, 5, 3, false, 0},
    {40, 300, 60, 5, 5, 3, false, 0},
};

enum { FIXED_SHAPES = sizeof SHAPES / sizeof SHAPES[0] };

/* ---- near ---- */

static void check_shape(const vgg_conv_shape *shape, size_t tile) {
    vgg_winograd_layer l;
    vgg_draw_int8_layer(&l, shape, tile);
    vgg_layer_run(vgg_reference(), &l.few, NULL);
    const float *rounded = vgg_guarded_copy(l.few.y);
    const float *exact = vgg_layer_convolved(&l, false), *magnitude = vgg_layer_convolved(&l, true);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        vgg_layer_run(tier, &l.task, NULL);
        double far = vgg_layer_distance(&l, tier, HUGE_VAL, exact, magnitude);
        double near = vgg_layer_distance(&l, tier, bound_of(tile), rounded, magnitude);
        if (!(near <= far / 4))
            vgg_kernel_fail("winograd", tier->tier, "%g from ref, and %g from the convolution",
                            near, far);
        vgg_layer_check_cuts(&l, tier);
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
            vgg_conv_shape shape = vgg_draw_stored_shape();
            shape.images = vgg_size_min(shape.images, 2);
            shape.height = vgg_size_min(shape.height, 9);
            vgg_draw_crop(&shape);
            check_shape(&shape, tile);
        }
    }
}

/* ---- the same bits ---- */

/* A task whose numbers are all whole, with scales that are powers of 2. */
typedef struct whole_layer {
    vgg_winograd_task task;
    float *x, *weights, *factors, *scales;
} whole_layer;

static void take_whole(whole_layer *l, const vgg_conv_shape *shape) {
    size_t points = vgg_winograd_points(2), pixels = vgg_conv_in_pixels(shape);
    l->x = vgg_guarded_floats(vgg_blocked_size(shape->images, shape->inputs, pixels));
    l->weights = vgg_guarded_floats(shape->outputs * shape->inputs * 9);
    l->factors = vgg_guarded_floats(points);
    l->scales = vgg_guarded_floats(points * shape->outputs);
    memset(l->x, 0, vgg_guarded_size(l->x));
    l->task = (vgg_winograd_task){.shape = *shape,
                                  .x = l->x,
                                  .weights = l->weights,
                                  .factors = l->factors,
                                  .scales = l->scales};
    l->task.partition = vgg_winograd_int8_partition_of(shape, 2, 1);
    l->task.filters = vgg_guarded_floats(l->task.partition.filters);
    l->task.scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * l->task.partition.scratch);
    l->task.y = vgg_guarded_floats(
        vgg_blocked_size(shape->images, shape->outputs, vgg_layer_pixels(&l->task)));
}

static void lock_whole(const whole_layer *l) {
    vgg_guarded_lock(l->x);
    vgg_guarded_lock(l->weights);
    vgg_guarded_lock(l->factors);
    vgg_guarded_lock(l->scales);
}

/* A whole number up to `most`, or now and then the largest, or one that is far beyond it. */
static float draw_whole(int most, bool special) {
    static const float specials[] = {1048576, -1048576, (float)NAN, (float)INFINITY,
                                     -(float)INFINITY};
    if (special && vgg_draw_chance(30))
        return specials[vgg_draw(0, sizeof specials / sizeof specials[0] - 1)];
    float sign = vgg_draw_chance(2) ? 1 : -1;
    return sign * (float)(vgg_draw_chance(3) ? (size_t)most : vgg_draw(0, (size_t)most));
}

/* In a tile of 2x2 the transforms of such numbers only add, and halve. Sums of up to 40 products
 * are so small that all that comes out is exact, whatever the order. */
static void check_exact(bool special) {
    vgg_conv_shape shape = {vgg_draw(1, 2),
                            vgg_draw(16, 40),
                            vgg_draw(16, 40),
                            vgg_draw(1, 7),
                            vgg_draw(1, 7),
                            3,
                            false,
                            0};
    whole_layer l;
    vgg_describe("whole numbers, %zu images, %zu -> %zu channels, %zu x %zu%s", shape.images,
                 shape.inputs, shape.outputs, shape.height, shape.width,
                 special ? ", some not finite" : "");
    take_whole(&l, &shape);
    size_t pixels = shape.height * shape.width;
    for (size_t i = 0; i < shape.images * shape.inputs * pixels; i++) {
        size_t n = i / pixels / shape.inputs, c = i / pixels % shape.inputs, at = i % pixels;
        l.x[vgg_blocked_at(shape.inputs, pixels, n, c, at)] = draw_whole(60, special);
    }
    for (size_t i = 0; i < shape.outputs * shape.inputs * 9; i++) {
        l.weights[i] = draw_whole(64, false);
    }
    for (size_t i = 0; i < vgg_winograd_points(2); i++) {
        l.factors[i] = vgg_draw_chance(2) ? 1 : 0.5f;
    }
    for (size_t i = 0; i < vgg_winograd_points(2) * shape.outputs; i++) {
        l.scales[i] = 1;
    }
    lock_whole(&l);
    vgg_layer_run(vgg_reference(), &l.task, NULL);
    const float *expected = vgg_guarded_copy(l.task.y);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        vgg_layer_run(vgg_kernels_at(i), &l.task, NULL);
        for (size_t at = 0; at < vgg_guarded_size(expected) / sizeof *expected; at++) {
            if (memcmp(&l.task.y[at], &expected[at], sizeof *expected) != 0 ||
                !isfinite(expected[at]))
                vgg_kernel_fail("winograd", vgg_kernels_at(i)->tier,
                                "value %zu is %a instead of %a", at, (double)l.task.y[at],
                                (double)expected[at]);
        }
    }
    vgg_guarded_free();
}

static void test_exact_sums(void **state) {
    (void)state;
    for (size_t i = 0; i < EXACT_SHAPES; i++) {
        check_exact(i % 4 == 3);
    }
}

/* The most products of the largest numbers that a sum can have. */
static void test_largest_sums(void **state) {
    (void)state;
    vgg_conv_shape shape = {1, VGG_INT8_CHANNELS, 16, 1, 1, 3, false, 0};
    whole_layer l;
    vgg_describe("sums of %zu of the largest products", shape.inputs);
    take_whole(&l, &shape);
    for (size_t c = 0; c < shape.inputs; c++) {
        l.x[c] = 1000;
    }
    memset(l.weights, 0, vgg_guarded_size(l.weights));
    for (size_t i = 0; i < shape.outputs * shape.inputs; i++) {
        l.weights[9 * i + 4] = i / shape.inputs % 2 == 0 ? 1000 : -1000;
    }
    for (size_t i = 0; i < vgg_winograd_points(2); i++) {
        l.factors[i] = 1;
    }
    for (size_t i = 0; i < vgg_winograd_points(2) * shape.outputs; i++) {
        l.scales[i] = 1;
    }
    lock_whole(&l);
    /* Four points have the pixel, and all saturate at the same numbers. */
    float most = 4.0f * VGG_INT8_MOST * VGG_INT8_MOST * (float)shape.inputs;
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        vgg_layer_run(vgg_kernels_at(i), &l.task, NULL);
        for (size_t k = 0; k < shape.outputs; k++) {
            float wanted = k % 2 == 0 ? most : -most;
            if (l.task.y[k] < wanted || l.task.y[k] > wanted)
                vgg_kernel_fail("winograd", vgg_kernels_at(i)->tier,
                                "output %zu is %a instead of %a", k, (double)l.task.y[k],
                                (double)wanted);
        }
    }
    vgg_guarded_free();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_shapes, vgg_teardown),
        cmocka_unit_test_teardown(test_exact_sums, vgg_teardown),
        cmocka_unit_test_teardown(test_largest_sums, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
