/* The convolution with operands of bfloat16 and no transforms, by the tiers that have it; its
 * gradients of weights have test_direct_weights.c.
 *
 * - ref has the bits of the direct convolution of float32 of operands that were rounded before.
 * - Of plain input, whose operands are two numbers each, ref is as near to float32's as these.
 * - Within a bound of ref, which rounds the same operands and sums in double: as many roundings as
 *   a sum of so many products has.
 * - A sum has just the bits that kernels.h says.
 * - The same bits when units are divided, and when an image is alone. */
#include <math.h>

#include "bf16.h"
#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"
#include "winograd_layers.h"

enum { RANDOM_SHAPES = 40, EXACT_SHAPES = 24 };

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
    /* Plain input, of rows that are no multiple of anything, with and without padding. */
    {1, 1, 16, 1, 1, 3, true, 0},
    {3, 3, 64, 30, 37, 3, true, 0},
    {2, 2, 33, 7, 17, 3, true, 0},
    {1, 3, 50, 6, 48, 3, true, 1},
    {2, 3, 16, 2, 300, 3, true, 0},
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
    shape.plain = shape.kernel == 3 && vgg_draw_chance(4);
    shape.inputs = shape.plain ? vgg_draw(1, VGG_PLAIN_CHANNELS) : shape.inputs;
    if (shape.plain)
        shape.crop = vgg_draw_chance(2) ? 1 : 0;
    else if (shape.kernel == 3)
        vgg_draw_crop(&shape);
    return shape;
}

/* What the reference of float32 makes of a task's shape and of these operands. */
static const float *convolved(const vgg_winograd_task *t, const float *x, const float *weights) {
    vgg_conv_pack_task pack = {.shape = t->shape,
                               .turned = t->turned,
                               .weights = weights,
                               .packed = vgg_guarded_floats(vgg_conv_packed_size(&t->shape))};
    vgg_conv_pack(&pack, 0, vgg_blocks(t->shape.outputs), 0);
    vgg_conv_forward_task task = {.shape = t->shape,
                                  .partition = vgg_conv_forward_partition(&t->shape),
                                  .x = x,
                                  .packed = pack.packed,
                                  .bias = t->bias,
                                  .scale = t->scale,
                                  .shift = t->shift,
                                  .relu = t->relu,
                                  .pool = t->pool,
                                  .y = vgg_guarded_copy(t->y)};
    vgg_reference()->conv_forward(&task, 0, task.partition.units, 0);
    return task.y;
}

static void check_reference(const vgg_conv_shape *shape) {
    vgg_winograd_layer l;
    vgg_draw_bf16_layer(&l, shape, 1);
    vgg_winograd_task *t = &l.few;
    const float *x = vgg_rounded(t->x), *weights = vgg_rounded(t->weights);
    if (shape->plain) { /* rounding leaves nothing of these */
        t->x = x;
        t->weights = weights;
    }
    vgg_layer_run(vgg_reference(), t, NULL);
    static const vgg_kernel_case named = {.name = "direct"};
    vgg_case_same(&named, vgg_reference(), "in the convolution of float32", t->y,
                  convolved(t, x, weights), vgg_guarded_size(t->y), sizeof(float));
    vgg_guarded_free();
}

/* Both rests are rounded, and their product is missing: three times (2^-9)^2 of each product. */
static void check_plain(const vgg_conv_shape *shape) {
    vgg_winograd_layer l;
    vgg_draw_bf16_layer(&l, shape, 1);
    vgg_layer_run(vgg_reference(), &l.few, NULL);
    const float *found = vgg_guarded_copy(l.few.y);
    const float *expected = convolved(&l.few, l.few.x, l.few.weights);
    vgg_layer_absolute(&l.few);
    vgg_layer_run(vgg_reference(), &l.few, NULL);
    for (size_t i = 0; i < vgg_guarded_size(found) / sizeof *found; i++) {
        double bound = 3.1 / (512.0 * 512.0) * (double)l.few.y[i];
        if (!(fabs((double)found[i] - (double)expected[i]) <= bound))
            vgg_kernel_fail("direct", vgg_reference()->tier, "value %zu is %g instead of %g", i,
                            (double)found[i], (double)expected[i]);
    }
    vgg_guarded_free();
}

static void test_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < RANDOM_SHAPES / 2; i++) {
        vgg_conv_shape shape = draw_shape();
        check_reference(&shape);
    }
    for (size_t i = 0; i < FIXED_SHAPES; i++) {
        if (SHAPES[i].plain)
            check_plain(&SHAPES[i]);
    }
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
        if (!vgg_has_matrices(vgg_kernels_at(i)))
            continue;
        vgg_layer_run(vgg_kernels_at(i), &l.task, NULL);
        vgg_layer_distance(&l, vgg_kernels_at(i), bound, expected, absolute.y);
        vgg_layer_check_cuts(&l, vgg_kernels_at(i));
    }
    vgg_guarded_free();
}

static void test_shapes(void **state) {
    (void)state;
    vgg_need_matrices();
    for (size_t i = 0; i < FIXED_SHAPES; i++) {
        check_shape(&SHAPES[i]);
    }
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        vgg_conv_shape shape = draw_shape();
        check_shape(&shape);
    }
}

/* ---- the way back: the gradient of a max-pool's output, and the ReLU below ---- */

static void check_backward(bool spread) {
    vgg_conv_shape s = draw_shape();
    s.crop = spread || s.plain ? 0 : s.crop;
    s.plain = false;
    s.height = vgg_size_max(s.height, 2);
    vgg_winograd_layer l;
    vgg_draw_bf16_layer(&l, &s, 1);
    vgg_winograd_task *t = &l.task;
    size_t windows = (s.height / 2) * (s.width / 2), terms = s.inputs * s.kernel * s.kernel;
    if (spread) {
        t->x = vgg_draw_blocked(s.images, s.inputs, windows);
        t->spread = vgg_draw_choices(s.images, s.inputs, windows);
    }
    t->gate = vgg_draw_blocked(s.images, s.outputs, s.height * s.width);
    t->pool = false;
    t->y = vgg_guarded_floats(vgg_blocked_size(s.images, s.outputs, s.height * s.width));
    t->scale = t->shift = t->bias = NULL;
    t->relu = false;
    vgg_layer_run(vgg_reference(), t, NULL);
    const float *expected = vgg_guarded_copy(t->y);
    double bound = vgg_sum_error(terms) * (double)terms;
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        if (!vgg_has_matrices(vgg_kernels_at(i)))
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

static void test_backward(void **state) {
    (void)state;
    vgg_need_matrices();
    for (size_t i = 0; i < RANDOM_SHAPES; i++) {
        check_backward(i % 4 != 0);
    }
}

/* ---- bits ---- */

enum { SIDE = 3, CHUNK = 32 };

/* The sum of an output of a map of SIDE x SIDE: chunk by chunk, and in a chunk tap by tap. */
static float exact_sum(const vgg_winograd_task *task, size_t k, size_t row, size_t column) {
    const vgg_conv_shape *s = &task->shape;
    const float *x = task->x, *weights = task->weights;
    size_t taps = s->kernel * s->kernel, border = vgg_conv_border(s);
    float sum = 0, values[CHUNK], factors[CHUNK];
    for (size_t first = 0; first < s->inputs; first += CHUNK) {
        size_t channels = vgg_size_min(CHUNK, s->inputs - first);
        for (size_t tap = 0; tap < taps; tap++) {
            size_t y = row + tap / s->kernel - border, at = column + tap % s->kernel - border;
            bool inside = y < SIDE && at < SIDE;
            for (size_t c = 0; c < channels; c++) {
                size_t from = vgg_blocked_at(s->inputs, SIDE * SIDE, 0, first + c, y * SIDE + at);
                values[c] = inside ? x[from] : 0;
                factors[c] = weights[(k * s->inputs + first + c) * taps + tap];
            }
            sum = vgg_run_add(sum, vgg_run_sum(values, factors, channels));
        }
    }
    return sum;
}

/* A number and what rounding it left, both of bfloat16. */
static void take_apart(float value, float *part, float *rest) {
    unsigned char number[2];
    vgg_elements_from_float(VGG_ELEMENT_BFLOAT16, &value, 1, number);
    vgg_elements_to_float(VGG_ELEMENT_BFLOAT16, number, 1, part);
    value -= *part;
    vgg_elements_from_float(VGG_ELEMENT_BFLOAT16, &value, 1, number);
    vgg_elements_to_float(VGG_ELEMENT_BFLOAT16, number, 1, rest);
}

/* Of plain input, which is one run for each of three products: column by column of the taps, of
 * each channel by channel. */
static float plain_sum(const vgg_winograd_task *task, size_t k, size_t row, size_t column) {
    const float *weights = task->weights;
    float values[2][CHUNK] = {{0}}, factors[2][CHUNK] = {{0}};
    size_t channels = task->shape.inputs;
    for (size_t i = 0; i < channels * VGG_MOST_TAPS; i++) {
        size_t c = i / VGG_MOST_TAPS, tap = i % VGG_MOST_TAPS;
        size_t at = tap % 3 * vgg_plain_column(channels) + 3 * c + tap / 3;
        size_t y = row + tap / 3 - 1, x = column + tap % 3 - 1;
        take_apart(y < SIDE && x < SIDE ? task->x[(c * SIDE + y) * SIDE + x] : 0, &values[0][at],
                   &values[1][at]);
        take_apart(weights[(k * channels + c) * VGG_MOST_TAPS + tap], &factors[0][at],
                   &factors[1][at]);
    }
    float sum = vgg_run_sum(values[0], factors[0], CHUNK);
    sum = vgg_run_add(sum, vgg_run_sum(values[1], factors[0], CHUNK));
    return vgg_run_add(sum, vgg_run_sum(values[0], factors[1], CHUNK));
}

typedef float exact_rule(const vgg_winograd_task *task, size_t k, size_t row, size_t column);

static void check_bits(const vgg_winograd_task *task, const vgg_kernels *tier) {
    for (size_t i = 0; i < task->shape.outputs * SIDE * SIDE; i++) {
        size_t k = i / (SIDE * SIDE), pixel = i % (SIDE * SIDE);
        exact_rule *sum_of = task->shape.plain ? plain_sum : exact_sum;
        vgg_check_bits("direct", tier, i,
                       task->y[vgg_blocked_at(task->shape.outputs, SIDE * SIDE, 0, k, pixel)],
                       sum_of(task, k, pixel / SIDE, pixel % SIDE));
    }
}

/* Of plain input with more digits than bfloat16 has. */
static float draw_number(bool plain, bool special) {
    float value = vgg_draw_bf16(special);
    return plain ? value * (1 + (float)vgg_draw(0, 255) / 65536) : value;
}

static const float *draw_input(const vgg_conv_shape *s, bool special) {
    size_t count = s->plain ? s->inputs * SIDE * SIDE : vgg_blocked_size(1, s->inputs, SIDE * SIDE);
    float *x = vgg_guarded_floats(count);
    memset(x, 0, vgg_guarded_size(x));
    for (size_t i = 0; i < s->inputs * SIDE * SIDE; i++) {
        size_t at = s->plain ? i
                             : vgg_blocked_at(s->inputs, SIDE * SIDE, 0, i / (SIDE * SIDE),
                                              i % (SIDE * SIDE));
        x[at] = draw_number(s->plain, special);
    }
    return x;
}

static void check_exact(bool plain, bool special) {
    size_t inputs = vgg_draw(1, plain ? VGG_PLAIN_CHANNELS : 200), outputs = vgg_draw(1, 40);
    size_t kernel = !plain && vgg_draw_chance(2) ? 1 : 3, taps = kernel * kernel;
    vgg_conv_shape shape = {1, inputs, outputs, SIDE, SIDE, kernel, plain, 0};
    vgg_describe("sums of %zu products%s%s", inputs * taps, plain ? ", plain" : "",
                 special ? ", some not finite" : "");
    const float *x = draw_input(&shape, special);
    float *weights = vgg_guarded_floats(outputs * inputs * taps);
    for (size_t i = 0; i < outputs * inputs * taps; i++) {
        weights[i] = draw_number(plain, false);
    }
    vgg_winograd_task task = {.shape = shape, .x = x, .weights = weights};
    task.partition = vgg_winograd_bf16_partition_of(&shape, 1, 1);
    task.filters = vgg_guarded_floats(task.partition.filters);
    task.scratch = vgg_guarded_floats(VGG_KERNEL_WORKERS * task.partition.scratch);
    task.y = vgg_guarded_floats(vgg_blocked_size(1, outputs, SIDE * SIDE));
    for (size_t i = 0; vgg_kernels_at(i) != vgg_reference(); i++) {
        if (!vgg_has_matrices(vgg_kernels_at(i)))
            continue;
        vgg_layer_run(vgg_kernels_at(i), &task, NULL);
        check_bits(&task, vgg_kernels_at(i));
    }
    vgg_guarded_free();
}

static void test_exact_sums(void **state) {
    (void)state;
    vgg_need_matrices();
    for (size_t i = 0; i < EXACT_SHAPES; i++) {
        check_exact(i % 3 == 1, i % 4 == 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_reference, vgg_teardown),
        cmocka_unit_test_teardown(test_shapes, vgg_teardown),
        cmocka_unit_test_teardown(test_backward, vgg_teardown),
        cmocka_unit_test_teardown(test_exact_sums, vgg_teardown),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
