/* Convolution by F(4x4, 3x3) and F(2x2, 3x3) with operands of bfloat16.
 *
 * - Within a bound of ref, which rounds the same operands, and of the convolution in double. Both
 *   bounds are multiples of half a unit in the last place of bfloat16, 2^-9, times the sum of
 *   absolute values that bounds the errors of test_winograd.c.
 * - As a whole much nearer to ref than to the convolution: a tier's transforms are in float32,
 * ref's in double, so that they round a few operands to different neighbours and not more.
 * - Where the transforms are exact, the sums have just the bits that kernels.h says.
 * - The same bits when units are divided, and when an image is alone. */
#include <math.h>

#include "bf16.h"
#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"
#include "winograd_layers.h"

/* Half a unit in the last place of a number of bfloat16 that is 1. */
#define ROUNDING_TO_BF16 (1.0 / 512)

/* The greatest errors of some 150 random shapes are 17 and 1.5 against the convolution, for tiles
 * of 4x4 and 2x2, and 0.8 and 0.14 against ref; there is room for three times that. */
static double bound_of(size_t tile, bool rounded) {
    double convolution = tile == 2 ? 5 : 51, ref = tile == 2 ? 0.5 : 2.4;
    return (rounded ? ref : convolution) * ROUNDING_TO_BF16;
}

enum { RANDOM_SHAPES = 8, EXACT_SHAPES = 24 };

static const vgg_conv_shape SHAPES[] = {
    /* Fewer pixels than a tile has; an odd number of channels. */
    {3, 17, 16, 1, 1, 3, false, 0},
    {1, 33, 17, 1, 9, 3, false, 0},
    /* Tiles of 2x2 that are whole maps. */
    {3, 33, 17, 2, 2, 3, false, 0},
    {5, 140, 130, 2, 2, 3, false, 0},
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
    vgg_draw_bf16_layer(&l, shape, tile);
    vgg_layer_run(vgg_reference(), &l.few, NULL);
    const float *rounded = vgg_guarded_copy(l.few.y);
    const float *exact = vgg_layer_convolved(&l, false), *magnitude = vgg_layer_convolved(&l, true);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        const vgg_kernels *tier = vgg_kernels_at(i);
        vgg_layer_run(tier, &l.task, NULL);
        double far = vgg_layer_distance(&l, tier, bound_of(tile, false), exact, magnitude);
        double near = vgg_layer_distance(&l, tier, bound_of(tile, true), rounded, magnitude);
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

static float bf16_to_float(uint16_t number) {
    uint32_t bits = (uint32_t)number << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float flushed(float value) {
    return fpclassify(value) == FP_SUBNORMAL ? copysignf(0, value) : value;
}

/* A number of bfloat16: of any size, or of those whose products are neither too large nor too small
 * for normal floats; and a special one now and then. */
static float draw_number(bool special) {
    static const float specials[] = {0, -0.0f, (float)NAN, (float)INFINITY, -(float)INFINITY};
    if (special && vgg_draw_chance(40))
        return specials[vgg_draw(0, sizeof specials / sizeof specials[0] - 1)];
    uint16_t exponent = (uint16_t)vgg_draw(90, 160);
    return bf16_to_float(
        (uint16_t)(vgg_draw(0, 1) << 15 | (size_t)exponent << 7 | vgg_draw(0, 127)));
}

/* The sum of the products of x with a quarter of each filter's middle tap: pair by pair, ... */
static float sum_of_pairs(const float *x, const float *taps, size_t inputs) {
    float sum = 0;
    for (size_t pair = 0; pair < inputs; pair += 2) {
        for (size_t c = vgg_size_min(pair + 2, inputs); c-- > pair;) {
            sum = flushed(fmaf(x[c], 0.25f * taps[c * 9 + 4], sum));
        }
    }
    return sum;
}

/* ... and where matrices are multiplied. */
static float sum_of_runs(const float *x, const float *taps, size_t inputs) {
    float sum = 0;
    for (size_t c = 0; c < inputs; c += VGG_LINEAR_RUN) {
        float middle[VGG_LINEAR_RUN];
        size_t count = vgg_size_min(VGG_LINEAR_RUN, inputs - c);
        for (size_t i = 0; i < count; i++) {
            middle[i] = 0.25f * taps[(c + i) * 9 + 4];
        }
        sum = vgg_run_add(sum, vgg_run_sum(x + c, middle, count));
    }
    return sum;
}

/* A 3x3 convolution of one pixel has one tap that counts. In a tile of 2x2, its transforms only
 * change signs and exponents, and all that comes out are multiples by powers of two of the same
 * sum: the four of a point. */
static void check_exact(bool special) {
    size_t inputs = vgg_draw(16, 70), outputs = vgg_draw(16, 40);
    vgg_conv_shape shape = {1, inputs, outputs, 1, 1, 3, false, 0};
    vgg_describe("sums of %zu products%s", inputs, special ? ", some not finite" : "");
    float *x = vgg_guarded_floats(vgg_blocked_size(1, inputs, 1));
    float *weights = vgg_guarded_floats(outputs * inputs * 9);
    memset(x, 0, vgg_guarded_size(x));
    memset(weights, 0, vgg_guarded_size(weights));
    for (size_t c = 0; c < inputs; c++) {
        x[c] = draw_number(special);
    }
    for (size_t i = 0; i < outputs * inputs; i++) {
        weights[9 * i + 4] = draw_number(false);
    }
    vgg_winograd_task task = {.shape = shape, .x = x, .weights = weights};
    task.partition = vgg_winograd_bf16_partition_of(&shape, 2, 1);
    task.filters = vgg_guarded_floats(task.partition.filters);
    task.scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * task.partition.scratch);
    task.y = vgg_guarded_floats(vgg_blocked_size(1, outputs, 1));
    vgg_guarded_lock(x);
    vgg_guarded_lock(weights);
    for (size_t i = 0; vgg_kernels_at(i) != NULL; i++) {
        const char *tier = vgg_kernels_at(i)->tier;
        vgg_layer_run(vgg_kernels_at(i), &task, NULL);
        bool matrices = vgg_has_matrices(vgg_kernels_at(i)) && vgg_kernels_at(i) != vgg_reference();
        for (size_t k = 0; k < outputs; k++) {
            const float *taps = weights + k * inputs * 9;
            float sum = matrices ? sum_of_runs(x, taps, inputs) : sum_of_pairs(x, taps, inputs);
            float wanted = 4 * sum, found = task.y[k];
            if (isnan(wanted) || isinf(wanted) ? isfinite(found)
                                               : memcmp(&found, &wanted, sizeof found) != 0)
                vgg_kernel_fail("winograd", tier, "output %zu is %a instead of %a", k,
                                (double)found, (double)wanted);
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

/* The gradient of weights from images of one pixel, tiles of one value: in a tile of 2x2 its
 * transforms only change signs, and all sums that the tap in the middle is made of are the same one
 * but for its sign. */
static void check_exact_weights(void) {
    vgg_conv_shape s = {vgg_draw(1, 60), vgg_draw(1, 20), vgg_draw(1, 40), 1, 1, 3, false, 0};
    vgg_describe("sums of %zu products of gradients", s.images);
    vgg_winograd_weights_partition cut = vgg_winograd_weights_bf16_partition_of(&s, 2);
    float *x = vgg_guarded_floats(vgg_blocked_size(s.images, s.inputs, 1));
    float *dy = vgg_guarded_floats(vgg_blocked_size(s.images, s.outputs, 1));
    memset(x, 0, vgg_guarded_size(x));
    memset(dy, 0, vgg_guarded_size(dy));
    for (size_t n = 0; n < s.images; n++) {
        for (size_t c = 0; c < s.inputs; c++) {
            x[vgg_blocked_at(s.inputs, 1, n, c, 0)] = draw_number(false);
        }
        for (size_t k = 0; k < s.outputs; k++) {
            dy[vgg_blocked_at(s.outputs, 1, n, k, 0)] = draw_number(false);
        }
    }
    vgg_guarded_lock(x);
    vgg_guarded_lock(dy);
    assert_int_equal(cut.groups, 1);
    vgg_winograd_weights_task task = {.shape = s,
                                      .partition = cut,
                                      .x = x,
                                      .dy = dy,
                                      .dweights = vgg_guarded_floats(s.outputs * s.inputs * 9),
                                      .dbias = vgg_guarded_floats(s.outputs),
                                      .scratch = vgg_guarded_floats(cut.scratch)};
    for (size_t i = 0; vgg_kernels_at(i) != NULL; i++) {
        vgg_winograd_kernels_of(vgg_kernels_at(i), 2, true)->weights(&task, 0, cut.units, 0);
        for (size_t w = 0; w < s.outputs * s.inputs; w++) {
            float sum = 0, found = task.dweights[9 * w + 4];
            for (size_t pair = 0; pair < s.images; pair += 2) {
                for (size_t n = vgg_size_min(pair + 2, s.images); n-- > pair;) {
                    sum = fmaf(x[vgg_blocked_at(s.inputs, 1, n, w % s.inputs, 0)],
                               dy[vgg_blocked_at(s.outputs, 1, n, w / s.inputs, 0)], sum);
                }
            }
            if (memcmp(&found, &sum, sizeof sum) != 0)
                vgg_kernel_fail("winograd_weights", vgg_kernels_at(i)->tier,
                                "weight %zu is %a instead of %a", w, (double)found, (double)sum);
        }
    }
    vgg_guarded_free();
}

static void test_exact_weights(void **state) {
    (void)state;
    for (size_t i = 0; i < EXACT_SHAPES; i++) {
        check_exact_weights();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_shapes, vgg_teardown),
        cmocka_unit_test_teardown(test_exact_sums, vgg_teardown),
        cmocka_unit_test_teardown(test_exact_weights, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
