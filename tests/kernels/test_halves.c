/* Weights of 16 bits: every tier makes of them, bit by bit, what it makes of the same numbers as
 * floats, since widening is exact. */
#include "buffers.h"
#include "tiers.h"
#include "vgg_test.h"

static const vgg_element HALVES[] = {VGG_ELEMENT_FLOAT16, VGG_ELEMENT_BFLOAT16};

enum { RANDOM_SHAPES = 10, TIERS_MOST = 8 };

/* The same weights twice. */
typedef struct weights {
    const void *halves;
    const float *floats;
} weights;

static weights draw_weights(vgg_element element, size_t count) {
    float *floats = vgg_draw_floats(count);
    unsigned char *halves = vgg_guarded_bytes(2 * count);
    vgg_elements_from_float(element, floats, count, halves);
    vgg_elements_to_float(element, halves, count, floats);
    vgg_guarded_lock(floats);
    vgg_guarded_lock(halves);
    return (weights){halves, floats};
}

static void check_same(const char *kernel, const char *tier, const float *a, const float *b,
                       size_t count) {
    vgg_guarded_check();
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&a[i], &b[i], sizeof *a) != 0)
            vgg_kernel_fail(kernel, tier, "value %zu of %zu is %g with halves, %g with floats", i,
                            count, (double)a[i], (double)b[i]);
    }
}

/* The reference knows floats only. */
static const vgg_kernels *tier_at(size_t index) {
    const vgg_kernels *tier = vgg_kernels_at(index);
    return tier == NULL || strcmp(tier->tier, "ref") == 0 ? NULL : tier;
}

static void check_linear(const vgg_kernels *tier, vgg_element element) {
    vgg_linear_task task = {.images = vgg_draw(1, 24),
                            .inputs = vgg_draw(1, 5000),
                            .outputs = vgg_draw(1, 40),
                            .relu = vgg_draw_chance(2)};
    weights w = draw_weights(element, task.inputs * task.outputs);
    vgg_describe("linear, %zu images, %zu -> %zu", task.images, task.inputs, task.outputs);
    task.x = vgg_draw_floats(task.images * task.inputs);
    task.bias = vgg_draw_floats(task.outputs);
    size_t units = (task.outputs + VGG_LINEAR_OUTPUTS - 1) / VGG_LINEAR_OUTPUTS;
    size_t count = task.images * task.outputs;
    float *from_halves = vgg_guarded_floats(count), *from_floats = vgg_guarded_floats(count);
    task.weights = w.halves;
    task.element = element;
    task.y = from_halves;
    tier->linear_forward(&task, 0, units, 0);
    task.weights = w.floats;
    task.element = VGG_ELEMENT_FLOAT32;
    task.y = from_floats;
    tier->linear_forward(&task, 0, units, 0);
    check_same("linear_forward", tier->tier, from_halves, from_floats, count);
}

static void run_winograd(const vgg_kernels *tier, vgg_winograd_task *task) {
    size_t groups = (task->shape.outputs + VGG_WINOGRAD_GROUP - 1) / VGG_WINOGRAD_GROUP;
    const vgg_winograd_kernels *kernels = vgg_winograd_kernels_for(tier, &task->partition);
    if (task->partition.stored)
        kernels->filters(task, 0, groups, 0);
    kernels->forward(task, 0, task->partition.units, 0);
}

static void check_winograd(const vgg_kernels *tier, vgg_element element, size_t tile) {
    size_t least = vgg_draw_chance(2) ? 16 : 130;
    vgg_winograd_task task = {.shape = {1, vgg_draw(least, least + 40), vgg_draw(least, least + 40),
                                        vgg_draw(5, 9), vgg_draw(5, 9), 3, false, 0},
                              .turned = vgg_draw_chance(2)};
    const vgg_conv_shape *s = &task.shape;
    task.partition = vgg_winograd_partition_of(s, tile, 1);
    vgg_describe("tiles of %zu, %zu -> %zu channels of %zu x %zu%s", tile, s->inputs, s->outputs,
                 s->height, s->width, task.turned ? ", turned" : "");
    weights w = draw_weights(element, s->inputs * s->outputs * 9);
    size_t count = vgg_blocked_size(1, s->outputs, s->height * s->width);
    float *from_halves = vgg_guarded_floats(count), *from_floats = vgg_guarded_floats(count);
    task.x = vgg_draw_blocked(1, s->inputs, s->height * s->width);
    task.filters = vgg_guarded_floats(vgg_size_max(task.partition.filters, 1));
    task.scratch = vgg_guarded_floats(task.partition.scratch);
    task.weights = w.halves;
    task.element = element;
    task.y = from_halves;
    run_winograd(tier, &task);
    task.weights = w.floats;
    task.element = VGG_ELEMENT_FLOAT32;
    task.y = from_floats;
    run_winograd(tier, &task);
    check_same("winograd", tier->tier, from_halves, from_floats, count);
}

static void check_pack(vgg_element element) {
    vgg_conv_pack_task task = {.shape = {.inputs = vgg_draw(1, 40),
                                         .outputs = vgg_draw(1, 40),
                                         .kernel = vgg_draw_chance(2) ? 1 : 3}};
    const vgg_conv_shape *s = &task.shape;
    vgg_describe("packing %zu -> %zu", s->inputs, s->outputs);
    weights w = draw_weights(element, s->inputs * s->outputs * s->kernel * s->kernel);
    size_t count = vgg_conv_packed_size(s), blocks = vgg_blocks(s->outputs);
    float *from_halves = vgg_guarded_floats(count), *from_floats = vgg_guarded_floats(count);
    task.weights = w.halves;
    task.element = element;
    task.packed = from_halves;
    vgg_conv_pack(&task, 0, blocks, 0);
    task.weights = w.floats;
    task.element = VGG_ELEMENT_FLOAT32;
    task.packed = from_floats;
    vgg_conv_pack(&task, 0, blocks, 0);
    check_same("conv_pack", "any", from_halves, from_floats, count);
}

static void test_halves(void **state) {
    (void)state;
    for (size_t i = 0; tier_at(i) != NULL; i++) {
        for (size_t e = 0; e < sizeof HALVES / sizeof *HALVES; e++) {
            for (size_t shape = 0; shape < RANDOM_SHAPES; shape++) {
                check_linear(tier_at(i), HALVES[e]);
                check_winograd(tier_at(i), HALVES[e], 2);
                check_winograd(tier_at(i), HALVES[e], 4);
                check_pack(HALVES[e]);
                vgg_guarded_free();
            }
        }
    }
}

/* Every 16-bit number survives widening and narrowing, NaN as some NaN. */
static void test_every_half(void **state) {
    (void)state;
    for (size_t e = 0; e < sizeof HALVES / sizeof *HALVES; e++) {
        for (uint32_t bits = 0; bits <= UINT16_MAX; bits++) {
            uint16_t before = (uint16_t)bits, after;
            float value;
            vgg_elements_to_float(HALVES[e], (const unsigned char *)&before, 1, &value);
            vgg_elements_from_float(HALVES[e], &value, 1, (unsigned char *)&after);
            if (value == value)
                assert_int_equal(after, before);
            else
                assert_int_equal(after & (e == 0 ? 0x7c00 : 0x7f80), e == 0 ? 0x7c00 : 0x7f80);
        }
    }
}

static uint16_t narrow(vgg_element element, float value) {
    uint16_t bits;
    vgg_elements_from_float(element, &value, 1, (unsigned char *)&bits);
    return bits;
}

/* Ties go to even, the largest and smallest numbers round as IEEE 754 says. */
static void test_rounding(void **state) {
    (void)state;
    static const struct {
        float value;
        uint16_t half;
    } cases[] = {{1.0f + 0x1p-11f, 0x3c00}, {1.0f + 0x3p-11f, 0x3c02}, {65504.0f, 0x7bff},
                 {65519.0f, 0x7bff},        {65520.0f, 0x7c00},        {-1e9f, 0xfc00},
                 {0x1p-24f, 0x0001},        {0x1p-25f, 0x0000},        {0x1.8p-25f, 0x0001},
                 {0x1.ff8p-15f, 0x03ff},    {0x1.ffep-15f, 0x0400},    {-0x1p-30f, 0x8000},
                 {0x1.ffffp-1f, 0x3c00}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(narrow(VGG_ELEMENT_FLOAT16, cases[i].value), cases[i].half);
    }
    assert_int_equal(narrow(VGG_ELEMENT_BFLOAT16, 1.0f + 0x1p-8f), 0x3f80);
    assert_int_equal(narrow(VGG_ELEMENT_BFLOAT16, 1.0f + 0x3p-8f), 0x3f82);
    assert_int_equal(narrow(VGG_ELEMENT_BFLOAT16, 3.4e38f), 0x7f80);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_halves, vgg_teardown),
        cmocka_unit_test(test_every_half),
        cmocka_unit_test(test_rounding),
    };
    vgg_draw_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
