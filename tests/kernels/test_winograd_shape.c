/* When a convolution and its weights' gradients take tiles of 2x2 or 4x4, and how these are cut
 * into units. */
#include "kernels/conv_cost.h"
#include "vgg_test.h"

/* What the cost rule chooses: tiles of 2 or 4, or 0 for the direct convolution. */
typedef struct choice {
    vgg_conv_shape shape;
    size_t tile;
} choice;

static void test_choice(void **state) {
    (void)state;
    static const choice choices[] = {
        {{1, 64, 64, 224, 224, 3, false, 0}, 4}, {{1, 64, 64, 56, 56, 3, false, 0}, 4},
        {{1, 512, 512, 14, 14, 3, false, 0}, 4}, {{128, 512, 512, 4, 4, 3, false, 0}, 4},
        {{128, 512, 512, 3, 3, 3, false, 0}, 4}, {{128, 512, 512, 6, 6, 3, false, 0}, 2},
        {{128, 512, 512, 2, 2, 3, false, 0}, 2}, {{128, 512, 512, 2, 8, 3, false, 0}, 2},
        {{128, 512, 512, 1, 1, 3, false, 0}, 2}, {{8, 512, 512, 2, 2, 3, false, 0}, 2},
        {{3, 512, 512, 2, 2, 3, false, 0}, 2},   {{3, 512, 512, 2, 3, 3, false, 0}, 0},
        {{1, 512, 512, 1, 1, 3, false, 0}, 0},   {{1, 512, 512, 2, 2, 3, false, 0}, 0},
        {{1, 512, 512, 4, 4, 3, false, 0}, 0},   {{1, 512, 512, 5, 5, 3, false, 0}, 0},
        {{1, 64, 64, 56, 56, 1, false, 0}, 0},   {{1, 64, 64, 56, 56, 3, true, 0}, 0},
        {{1, 3, 64, 56, 56, 3, false, 0}, 0},    {{1, 64, 3, 56, 56, 3, false, 0}, 0},
    };
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        assert_int_equal(vgg_conv_fastest_tile(&vgg_conv_costs_avx512, &choices[i].shape),
                         choices[i].tile);
    }
}

/* Images, channels in and out, height, width, kernel, plain: those of the kernel's own test and
 * those of VGG. */
static const vgg_conv_shape SHAPES[] = {
    {1, 16, 16, 5, 5, 3, false, 0},      {2, 128, 128, 5, 5, 3, false, 0},
    {2, 129, 128, 5, 5, 3, false, 0},    {65, 144, 130, 5, 5, 3, false, 0},
    {30, 420, 40, 9, 9, 3, false, 0},    {8, 64, 64, 224, 224, 3, false, 0},
    {8, 256, 256, 56, 56, 3, false, 0},  {8, 512, 512, 28, 28, 3, false, 0},
    {32, 512, 512, 14, 14, 3, false, 0}, {2, 256, 256, 5, 2000, 3, false, 0},
    {128, 512, 512, 2, 2, 3, false, 0},  {600, 512, 512, 2, 3, 3, false, 0},
};

static const size_t THREADS[] = {1, 2, 3, 7, 64, 256};
enum { THREAD_COUNTS = sizeof THREADS / sizeof THREADS[0] };

typedef vgg_winograd_partition cut_rule(const vgg_conv_shape *shape, size_t tile, size_t threads);

static cut_rule *const RULES[] = {vgg_winograd_partition_of, vgg_winograd_bf16_partition_of,
                                  vgg_winograd_matrices_partition_of,
                                  vgg_winograd_int8_partition_of};
enum { RULE_COUNT = sizeof RULES / sizeof RULES[0] };

/* Of a tile; one that is a whole map has fewer. */
static size_t points_of(const vgg_conv_shape *s, size_t tile) {
    bool whole = tile == 2 && s->height == 2 && s->width == 2 && s->crop == 0;
    return whole ? 9 : (tile + 2) * (tile + 2);
}

/* What products of matrices read: whole chunks of 32 channels, and of 32 tiles. */
static void check_chunks(const vgg_winograd_partition *p, const vgg_conv_shape *s, size_t scratch) {
    size_t words = (s->inputs + 31) / 32 * 16;
    assert_true(p->row >= words);
    assert_true(p->filter_point >= words * VGG_WINOGRAD_GROUP);
    assert_true(scratch + 31 * p->row <= p->scratch);
}

/* Every tile and every group of output channels is in exactly one unit. */
static void check_partition(cut_rule *rule, const vgg_conv_shape *s, size_t tile, size_t threads) {
    vgg_winograd_partition p = rule(s, tile, threads);
    size_t channels = p.int8 ? 4 : p.bf16 ? 2 : 1; /* of a word */
    bool matrices = rule == vgg_winograd_matrices_partition_of;
    assert_int_equal(p.matrices, matrices);
    assert_int_equal(p.bf16, matrices || rule == vgg_winograd_bf16_partition_of);
    assert_int_equal(p.int8, rule == vgg_winograd_int8_partition_of);
    assert_true(p.row * channels >= s->inputs);
    assert_int_equal(p.tile, tile);
    size_t all = s->images * p.tile_rows * p.tile_columns;
    size_t groups = (s->outputs + VGG_WINOGRAD_GROUP - 1) / VGG_WINOGRAD_GROUP;
    assert_int_equal(p.stored, p.int8 || p.bf16 || s->inputs * s->outputs <= 256 * 256);
    if (p.stored)
        assert_true(p.filters >= points_of(s, tile) * groups * VGG_WINOGRAD_GROUP *
                                     ((s->inputs + channels - 1) / channels));
    assert_true(p.tile_rows * tile >= s->height);
    assert_true(p.tile_columns * tile >= s->width);
    assert_in_range(all, (p.tile_units - 1) * p.tiles + 1, p.tile_units * p.tiles);
    assert_in_range(groups, (p.group_units - 1) * p.groups + 1, p.group_units * p.groups);
    assert_int_equal(p.units, p.tile_units * p.group_units);
    if (!p.stored)
        assert_in_range(p.channels, 1, s->inputs);
    size_t scratch =
        points_of(s, tile) * (p.tiles * p.row + p.product_point + (p.stored ? 0 : p.filter_point));
    assert_true(scratch <= p.scratch);
    if (p.bf16)
        check_chunks(&p, s, scratch);
}

static void test_partition(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        for (size_t j = 0; j < THREAD_COUNTS; j++) {
            for (size_t tile = 2; tile <= 4; tile += 2) {
                for (size_t r = 0; r < RULE_COUNT; r++) {
                    check_partition(RULES[r], &SHAPES[i], tile, THREADS[j]);
                }
            }
        }
    }
}

/* As many threads as there are units to share out have something to do. */
static void test_threads(void **state) {
    (void)state;
    vgg_conv_shape deep = {1, 512, 512, 14, 14, 3, false, 0},
                   wide = {1, 256, 256, 56, 56, 3, false, 0};
    for (size_t threads = 1; threads <= 16; threads *= 2) {
        for (size_t r = 0; r < RULE_COUNT; r++) {
            assert_true(RULES[r](&deep, 4, threads).units >= threads);
            assert_true(RULES[r](&wide, 4, threads).units >= threads);
        }
    }
}

static void check_smaller_batches(cut_rule *rule, vgg_conv_shape s, size_t tile, size_t threads) {
    vgg_winograd_partition largest = rule(&s, tile, threads);
    while (s.images-- > 1) {
        vgg_winograd_partition p = rule(&s, tile, threads);
        assert_int_equal(p.filters, largest.filters);
        assert_true(p.scratch <= largest.scratch);
    }
}

/* A plan takes memory for its largest batch and runs smaller ones in it. */
static void test_smaller_batches(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        for (size_t j = 0; j < THREAD_COUNTS; j++) {
            for (size_t tile = 2; tile <= 4; tile += 2) {
                for (size_t r = 0; r < RULE_COUNT; r++) {
                    check_smaller_batches(RULES[r], SHAPES[i], tile, THREADS[j]);
                }
            }
        }
    }
}

/* ---- tiles of 1 ---- */

/* Parts are all images and rows, and what a part has fits its patch, which fits the scratch. */
static void check_direct(const vgg_conv_shape *s, const vgg_direct_cut *cut) {
    size_t around = s->kernel - 1, border = vgg_conv_border(s);
    if (cut->across) {
        assert_in_range(s->images, (cut->parts - 1) * cut->images + 1, cut->parts * cut->images);
        assert_int_equal(cut->row_parts, 1);
        assert_int_equal(cut->plane, cut->images * vgg_conv_in_height(s) * vgg_conv_in_width(s));
        return;
    }
    assert_int_equal(cut->width, vgg_conv_in_width(s) + border);
    if (cut->images > 1) {
        assert_int_equal(cut->row_parts, 1);
        assert_in_range(s->images, (cut->parts - 1) * cut->images + 1, cut->parts * cut->images);
        assert_int_equal(cut->strip % cut->period, 0);
        assert_true(cut->plane >= (cut->images * cut->period + border) * cut->width + around + 31);
        return;
    }
    assert_int_equal(cut->parts, s->images * cut->row_parts);
    assert_in_range(s->height, (cut->row_parts - 1) * cut->rows + 1, cut->row_parts * cut->rows);
    assert_true(cut->rows % 2 == 0 && cut->strip % 2 == 0 && cut->strip > 0);
    assert_true(cut->plane >= (cut->rows + around) * cut->width + around + 31);
}

static void check_direct_forward(vgg_conv_shape s, size_t threads) {
    vgg_winograd_partition largest = vgg_direct_partition_of(&s, threads);
    for (; s.images > 0; s.images--) {
        vgg_winograd_partition p = vgg_direct_partition_of(&s, threads);
        size_t groups = (s.outputs + VGG_WINOGRAD_GROUP - 1) / VGG_WINOGRAD_GROUP;
        check_direct(&s, &p.direct);
        assert_in_range(groups, (p.group_units - 1) * p.groups + 1, p.group_units * p.groups);
        assert_int_equal(p.units, p.direct.parts * p.group_units);
        size_t strip = vgg_size_min(p.direct.strip, p.direct.period * p.direct.images);
        size_t sums = vgg_round_up(strip * p.direct.width, 32) * VGG_WINOGRAD_GROUP;
        size_t patch = p.direct.plane * vgg_direct_chunks(s.inputs) * VGG_BLOCK;
        assert_true(patch + sums <= p.scratch);
        assert_true(p.scratch <= largest.scratch && p.filters == largest.filters);
    }
}

static void check_direct_weights(vgg_conv_shape s) {
    vgg_winograd_weights_partition largest = vgg_direct_weights_partition_of(&s);
    for (; s.images > 0; s.images--) {
        vgg_winograd_weights_partition p = vgg_direct_weights_partition_of(&s);
        check_direct(&s, &p.direct);
        assert_in_range(p.groups, 1, p.direct.parts);
        assert_int_equal(p.units, p.groups * p.c_units * p.k_units);
        size_t square = VGG_BLOCK * VGG_BLOCK * s.kernel * s.kernel;
        size_t sums = p.c_blocks * p.k_blocks * square;
        assert_true(p.c_blocks * p.input_point + p.k_blocks * (p.gradient_point + VGG_BLOCK) +
                        sums <=
                    p.scratch);
        assert_true(p.groups == 1 || p.units * sums <= p.sums);
        assert_true(p.scratch <= largest.scratch && p.sums <= largest.sums);
        assert_true(p.bias_sums <= largest.bias_sums);
    }
}

static void test_direct(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        for (ptrdiff_t crop = -1; crop <= 1; crop++) {
            vgg_conv_shape shape = SHAPES[i];
            shape.crop = crop;
            if (crop < 0 && (shape.height <= 2 || shape.width <= 2))
                continue;
            check_direct_weights(shape);
            for (size_t j = 0; j < THREAD_COUNTS; j++) {
                check_direct_forward(shape, THREADS[j]);
            }
        }
        vgg_conv_shape point = SHAPES[i];
        point.kernel = 1;
        check_direct_weights(point);
        check_direct_forward(point, 2);
    }
}

/* ---- gradients of weights ---- */

static void test_weights_choice(void **state) {
    (void)state;
    static const choice choices[] = {
        {{8, 64, 64, 224, 224, 3, false, 0}, 4}, {{1, 512, 512, 14, 14, 3, false, 0}, 4},
        {{1, 16, 16, 32, 32, 3, false, 0}, 4},   {{128, 512, 512, 4, 4, 3, false, 0}, 4},
        {{128, 512, 512, 2, 2, 3, false, 0}, 2}, {{128, 512, 512, 1, 1, 3, false, 0}, 2},
        {{1, 512, 512, 2, 2, 3, false, 0}, 2},   {{8, 64, 64, 56, 56, 1, false, 0}, 0},
        {{8, 64, 64, 56, 56, 3, true, 0}, 0},    {{8, 3, 64, 56, 56, 3, false, 0}, 0},
        {{8, 64, 3, 56, 56, 3, false, 0}, 0},
    };
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        assert_int_equal(vgg_conv_weights_fastest_tile(&vgg_conv_costs_avx512, &choices[i].shape),
                         choices[i].tile);
    }
}

/* All channels are in one unit of a group, and a smaller batch needs no more memory. */
static void check_weights_partition(vgg_conv_shape s, size_t tile) {
    vgg_winograd_weights_partition largest = vgg_winograd_weights_partition_of(&s, tile);
    for (; s.images > 0; s.images--) {
        vgg_winograd_weights_partition p = vgg_winograd_weights_partition_of(&s, tile);
        assert_int_equal(p.tile, tile);
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

static void test_weights_partition(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        for (size_t tile = 2; tile <= 4; tile += 2) {
            check_weights_partition(SHAPES[i], tile);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_partition),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_smaller_batches),
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_weights_choice),
        cmocka_unit_test(test_weights_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
