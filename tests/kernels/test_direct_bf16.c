/* The convolution with operands of bfloat16 and no transforms, and its gradients of weights, by the
 * tiers that have them.
 *
 * - Within a bound of ref, which rounds the same operands and sums in double: as many roundings as
 *   a sum of so many products has.
 * - A sum has just the bits that kernels.h says.
 * - The same bits when units are divided, and when an image is alone. */
#include <math.h>

#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"
#include "winograd_layers.h"

enum { RANDOM_SHAPES = 40, EXACT_SHAPES = 24 };

static bool has_direct(const vgg_kernels *tier) {
    return tier->bf16_direct.forward != NULL;
}

/* ---- forward ---- */

static const vgg_conv_shape SHAPES[] = {
    /* Less than a register has: of places, channels, blocks of outputs. */
    {3, 17, 16, 1, 1, 3, false, 0},
    {1, 33, 17, 1, 9, 3, false, 0},
    {3, 33, 17, 2, 2, 3, false, 0},
    /* Many images in a part, several parts. */
    {80, 40, 50, 2, 3, 3, false, 0},
    {40, 16, 33, 4, 4, 3, false, 0},
    {9, 31, 33, 6, 7, 3, false, 0},
    /* Parts of some rows, of a width that is no multiple of anything. */
    {2, 40, 20, 43, 97, 3, false, 0},
    {1, 16, 16, 9, 700, 3, false, 0},
    /* More chunks of channels than are multiplied at once. */
    {2, 330, 40, 7, 7, 3, false, 0},
    /* 1x1. */
    {3, 40, 50, 5, 6, 1, false, 0},
    {70, 20, 33, 3, 3, 1, false, 0},
    {1, 100, 20, 21, 40, 1, false, 0},
};

enum { FIXED_SHAPES = sizeof SHAPES / sizeof SHAPES[0] };

static vgg_conv_shape draw_shape(void) {
    vgg_conv_shape shape = vgg_draw_stored_shape();
    shape.height = vgg_draw(1, 12);
    shape.kernel = vgg_draw_chance(4) ? 1 : 3;
    if (shape.kernel == 3)
        vgg_draw_crop(&shape);
    return shape;
}

static void check_shape(const vgg_conv_shape *shape) {
    vgg_winograd_layer l;
    vgg_draw_bf16_layer(&l, shape, 1);
    vgg_layer_run(vgg_reference(), &l.few, NULL);
    const float *expected = vgg_guarded_copy(l.few.y);
    vgg_winograd_task absolute = l.few;
    absolute.y = vgg_guarded_copy(l.few.y);
    vgg_layer_absolute(&absolute);
    vgg_layer_run(vgg_reference(), &absolute, NULL);
    double bound = vgg_sum_error(shape->inputs * shape->kernel * shape->kernel);
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        if (!has_direct(vgg_kernels_at(i)))
            continue;
        vgg_layer_run(vgg_kernels_at(i), &l.task, NULL);
        vgg_layer_distance(&l, vgg_kernels_at(i), bound, expected, absolute.y);
        vgg_layer_check_cuts(&l, vgg_kernels_at(i));
    }
    vgg_guarded_free();
}

static void test_shapes(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXED_SHAPES; i++) {
        check_shape(&SHAPES[i]);
    }
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_conv_shape shape = draw_shape();
        check_shape(&shape);
    }
}

/* ---- the way back: the gradient of a max-pool's output, and the ReLU below ---- */

static void check_spread(void) {
    vgg_conv_shape s = draw_shape();
    s.kernel = 3;
    s.crop = 0;
    s.height = vgg_size_max(s.height, 2);
    vgg_winograd_layer l;
    vgg_draw_bf16_layer(&l, &s, 1);
    vgg_winograd_task *t = &l.task;
    size_t windows = (s.height / 2) * (s.width / 2);
    t->x = vgg_draw_blocked(s.images, s.inputs, windows);
    t->spread = vgg_draw_choices(s.images, s.inputs, windows);
    t->gate = vgg_draw_blocked(s.images, s.outputs, s.height * s.width);
    t->pool = false;
    t->y = vgg_guarded_floats(vgg_blocked_size(s.images, s.outputs, s.height * s.width));
    t->scale = t->shift = t->bias = NULL;
    t->relu = false;
    vgg_layer_run(vgg_reference(), t, NULL);
    const float *expected = vgg_guarded_copy(t->y);
    double bound = vgg_sum_error(s.inputs * 9) * (double)s.inputs * 9;
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        if (!has_direct(vgg_kernels_at(i)))
            continue;
        vgg_layer_run(vgg_kernels_at(i), t, NULL);
        for (size_t v = 0; v < vgg_guarded_size(t->y) / sizeof(float); v++) {
            if (!(fabs((double)t->y[v] - (double)expected[v]) <= bound))
                vgg_kernel_fail("direct", vgg_kernels_at(i)->tier, "value %zu is %g instead of %g",
                                v, (double)t->y[v], (double)expected[v]);
        }
    }
    vgg_guarded_free();
}

static void test_spread(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        check_spread();
    }
}

/* ---- bits ---- */

static float flushed(float value) {
    return fpclassify(value) == FP_SUBNORMAL ? copysignf(0, value) : value;
}

/* What is added to a sum for 32 channels: those of even and of odd number summed apart from 0 on,
 * and then together. */
static float chunk_sum(const float *x, const float *w, size_t channels) {
    float sums[2] = {0, 0};
    for (size_t c = 0; c < channels; c++) {
        sums[c % 2] = flushed(fmaf(x[c], w[c], sums[c % 2]));
    }
    return flushed(sums[0] + sums[1]);
}

/* A number of bfloat16, of any size but the largest and the smallest; or a special one. */
static float draw_number(bool special) {
    static const float specials[] = {0, -0.0f, (float)NAN, (float)INFINITY, -(float)INFINITY};
    if (special && vgg_draw_chance(40))
        return specials[vgg_draw(0, sizeof specials / sizeof specials[0] - 1)];
    uint32_t bits =
        (uint32_t)(vgg_draw(0, 1) << 31 | vgg_draw(90, 160) << 23 | vgg_draw(0, 127) << 16);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void check_exact(bool special) {
    size_t inputs = vgg_draw(1, 100), outputs = vgg_draw(1, 40);
    vgg_conv_shape shape = {1, inputs, outputs, 1, 1, 1, false, 0};
    vgg_describe("sums of %zu products%s", inputs, special ? ", some not finite" : "");
    float *x = vgg_guarded_floats(vgg_blocked_size(1, inputs, 1));
    float *weights = vgg_guarded_floats(outputs * inputs);
    memset(x, 0, vgg_guarded_size(x));
    for (size_t c = 0; c < inputs; c++) {
        x[c] = draw_number(special);
    }
    for (size_t i = 0; i < outputs * inputs; i++) {
        weights[i] = draw_number(false);
    }
    vgg_winograd_task task = {.shape = shape, .x = x, .weights = weights};
    task.partition = vgg_winograd_bf16_partition_of(&shape, 1, 1);
    task.filters = vgg_guarded_floats(task.partition.filters);
    task.scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * task.partition.scratch);
    task.y = vgg_guarded_floats(vgg_blocked_size(1, outputs, 1));
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        if (!has_direct(vgg_kernels_at(i)))
            continue;
        vgg_layer_run(vgg_kernels_at(i), &task, NULL);
        for (size_t k = 0; k < outputs; k++) {
            float wanted = 0, found = task.y[k];
            for (size_t c = 0; c < inputs; c += 32) {
                wanted = flushed(wanted + chunk_sum(x + c, weights + k * inputs + c,
                                                    vgg_size_min(32, inputs - c)));
            }
            wanted = wanted == 0 ? 0 : wanted;
            found = found == 0 ? 0 : found;
            if (isnan(wanted) ? !isnan(found) : memcmp(&found, &wanted, sizeof found) != 0)
                vgg_kernel_fail("direct", vgg_kernels_at(i)->tier, "output %zu is %a instead of %a",
                                k, (double)found, (double)wanted);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_shapes, vgg_teardown),
        cmocka_unit_test_teardown(test_spread, vgg_teardown),
        cmocka_unit_test_teardown(test_exact_sums, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
