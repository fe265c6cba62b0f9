/* When F(4x4, 3x3) and F(3x3, 4x4) are chosen, and how they are cut into units. */
#include "kernels/kernels.h"
#include "vgg_test.h"

static void test_pays(void **state) {
    (void)state;
    static const vgg_conv_shape yes[] = {{1, 64, 64, 224, 224, 3, false},
                                         {1, 64, 64, 56, 56, 3, false},
                                         {1, 512, 512, 14, 14, 3, false},
                                         {128, 512, 512, 2, 2, 3, false},
                                         {128, 512, 512, 4, 4, 3, false}};
    static const vgg_conv_shape no[] = {
        {1, 64, 64, 56, 56, 1, false}, {1, 64, 64, 56, 56, 3, true},  {1, 3, 64, 56, 56, 3, false},
        {1, 64, 3, 56, 56, 3, false},  {1, 512, 512, 1, 1, 3, false}, {1, 512, 512, 2, 2, 3, false},
        {1, 512, 512, 4, 4, 3, false}, {1, 512, 512, 5, 5, 3, false}};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        assert_true(vgg_winograd_pays(&yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_false(vgg_winograd_pays(&no[i]));
}

/* Images, channels in and out, height, width, kernel, plain: those of the kernel's own test and
 * those of VGG. */
static const vgg_conv_shape SHAPES[] = {
    {1, 16, 16, 5, 5, 3, false},      {2, 128, 128, 5, 5, 3, false},
    {2, 129, 128, 5, 5, 3, false},    {65, 144, 130, 5, 5, 3, false},
    {30, 420, 40, 9, 9, 3, false},    {8, 64, 64, 224, 224, 3, false},
    {8, 256, 256, 56, 56, 3, false},  {8, 512, 512, 28, 28, 3, false},
    {32, 512, 512, 14, 14, 3, false}, {2, 256, 256, 5, 2000, 3, false},
};

static const size_t THREADS[] = {1, 2, 3, 7, 64, 256};
enum { THREAD_COUNTS = sizeof THREADS / sizeof THREADS[0] };

/* Every tile and every group of output channels is in exactly one unit. */
static void check_partition(const vgg_conv_shape *s, size_t threads) {
    vgg_winograd_partition p = vgg_winograd_partition_of(s, threads);
    size_t all = s->images * p.tile_rows * p.tile_columns;
    size_t groups = (s->outputs + VGG_WINOGRAD_GROUP - 1) / VGG_WINOGRAD_GROUP;
    assert_int_equal(p.stored, s->inputs * s->outputs <= 128 * 128);
    assert_true(p.tile_rows * VGG_WINOGRAD_TILE >= s->height);
    assert_true(p.tile_columns * VGG_WINOGRAD_TILE >= s->width);
    assert_in_range(all, (p.tile_units - 1) * p.tiles + 1, p.tile_units * p.tiles);
    assert_in_range(groups, (p.group_units - 1) * p.groups + 1, p.group_units * p.groups);
    assert_int_equal(p.units, p.tile_units * p.group_units);
    if (!p.stored)
        assert_in_range(p.channels, 1, s->inputs);
    size_t scratch = 36 * (p.tiles * p.row + p.product_point + (p.stored ? 0 : p.filter_point));
    assert_true(scratch <= p.scratch);
}

static void test_partition(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++)
        for (size_t j = 0; j < THREAD_COUNTS; j++)
            check_partition(&SHAPES[i], THREADS[j]);
}

/* As many threads as there are units to share out have something to do. */
static void test_threads(void **state) {
    (void)state;
    vgg_conv_shape deep = {1, 512, 512, 14, 14, 3, false}, wide = {1, 256, 256, 56, 56, 3, false};
    for (size_t threads = 1; threads <= 16; threads *= 2) {
        assert_true(vgg_winograd_partition_of(&deep, threads).units >= threads);
        assert_true(vgg_winograd_partition_of(&wide, threads).units >= threads);
    }
}

/* A plan takes memory for its largest batch and runs smaller ones in it. */
static void test_smaller_batches(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++)
        for (size_t j = 0; j < THREAD_COUNTS; j++) {
            vgg_conv_shape s = SHAPES[i];
            vgg_winograd_partition largest = vgg_winograd_partition_of(&s, THREADS[j]);
            while (s.images-- > 1) {
                vgg_winograd_partition p = vgg_winograd_partition_of(&s, THREADS[j]);
                assert_int_equal(p.filters, largest.filters);
                assert_true(p.scratch <= largest.scratch);
            }
        }
}

/* ---- gradients of weights -------------------------------------------------------------------- */

static void test_weights_pay(void **state) {
    (void)state;
    static const vgg_conv_shape yes[] = {{8, 64, 64, 224, 224, 3, false},
                                         {1, 512, 512, 14, 14, 3, false},
                                         {1, 16, 16, 32, 32, 3, false},
                                         {128, 512, 512, 2, 2, 3, false}};
    static const vgg_conv_shape no[] = {{8, 64, 64, 56, 56, 1, false},
                                        {8, 64, 64, 56, 56, 3, true},
                                        {8, 3, 64, 56, 56, 3, false},
                                        {8, 64, 3, 56, 56, 3, false},
                                        {128, 512, 512, 1, 1, 3, false}};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        assert_true(vgg_winograd_weights_pays(&yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_false(vgg_winograd_weights_pays(&no[i]));
}

/* All channels are in one unit of a group, and a smaller batch needs no more memory. */
static void test_weights_partition(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        vgg_conv_shape s = SHAPES[i];
        vgg_winograd_weights_partition largest = vgg_winograd_weights_partition_of(&s);
        for (; s.images > 0; s.images--) {
            vgg_winograd_weights_partition p = vgg_winograd_weights_partition_of(&s);
            assert_in_range(vgg_blocks(s.inputs), (p.c_units - 1) * p.c_blocks + 1,
                            p.c_units * p.c_blocks);
            assert_in_range(vgg_blocks(s.outputs), (p.k_units - 1) * p.k_blocks + 1,
                            p.k_units * p.k_blocks);
            assert_in_range(p.groups, 1, s.images * p.tile_rows * p.tile_columns);
            assert_int_equal(p.units, p.groups * p.c_units * p.k_units);
            assert_true(p.sums <= largest.sums);
            assert_true(p.bias_sums <= largest.bias_sums);
            assert_true(p.scratch <= largest.scratch);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pays),        cmocka_unit_test(test_partition),
        cmocka_unit_test(test_threads),     cmocka_unit_test(test_smaller_batches),
        cmocka_unit_test(test_weights_pay), cmocka_unit_test(test_weights_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
