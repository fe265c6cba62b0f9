/* What is the same for every tier of F(3x3, 4x4) and F(3x3, 2x2): how they are cut into units. */
#include "kernels/kernels.h"

/* Words of tiles that are transformed at once: their values of some blocks of channels are read
 * again and again, and shall stay in the first-level cache. */
#define PIECE_WORDS 112
/* Channel blocks of a unit at most. Fewer would make the same transforms more often, more would
 * leave too little of the third-level cache to other threads. */
#define UNIT_BLOCKS 8
/* Units to cut into, if a group then has enough tiles: each has sums of its own to be written and
 * read. A few threads should have work even when these take a while. */
#define FEW_UNITS 4
#define FEW_UNITS_TILES 64
#define MANY_UNITS 16
#define MANY_UNITS_TILES 200

static size_t quotient_up(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/* Groups that make `wanted` units from `units`, of at least `least` tiles each. */
static size_t groups_of(size_t wanted, size_t units, size_t tiles, size_t least) {
    return vgg_size_min(quotient_up(wanted, units), tiles / least);
}

static vgg_winograd_weights_partition partition_of(const vgg_conv_shape *shape, size_t tile,
                                                   bool bf16) {
    size_t inputs = vgg_blocks(shape->inputs), outputs = vgg_blocks(shape->outputs);
    vgg_winograd_weights_partition cut = {.tile = tile,
                                          .bf16 = bf16,
                                          .whole = vgg_winograd_is_whole(shape, tile),
                                          .tile_rows = quotient_up(shape->height, tile),
                                          .tile_columns = quotient_up(shape->width, tile)};
    size_t points = cut.whole ? VGG_WHOLE_POINTS : vgg_winograd_points(tile);
    cut.c_blocks = quotient_up(inputs, quotient_up(inputs, UNIT_BLOCKS));
    cut.k_blocks = quotient_up(outputs, quotient_up(outputs, UNIT_BLOCKS));
    cut.c_units = quotient_up(inputs, cut.c_blocks);
    cut.k_units = quotient_up(outputs, cut.k_blocks);
    size_t all = shape->images * cut.tile_rows * cut.tile_columns;
    size_t units = cut.c_units * cut.k_units;
    cut.groups = vgg_size_max(groups_of(FEW_UNITS, units, all, FEW_UNITS_TILES),
                              groups_of(MANY_UNITS, units, all, MANY_UNITS_TILES));
    cut.groups = vgg_size_max(cut.groups, 1);
    cut.units = cut.groups * units;
    cut.words = vgg_size_min(PIECE_WORDS, bf16 ? quotient_up(all, 2) : all);

    /* A block more each: what is a power of two apart shares cache sets. */
    cut.input_point = (cut.c_blocks * cut.words + 1) * VGG_BLOCK;
    cut.gradient_point = (cut.k_blocks * cut.words + 1) * VGG_BLOCK;
    cut.sum_point = (cut.k_blocks * cut.c_blocks * VGG_BLOCK + 1) * VGG_BLOCK;
    size_t sums = points * cut.sum_point;
    size_t taps = cut.k_blocks * cut.c_blocks * VGG_BLOCK * VGG_BLOCK * VGG_MOST_TAPS;
    cut.sums = cut.groups > 1 ? cut.units * taps : 0;
    cut.bias_sums = cut.groups > 1 ? cut.groups * outputs * VGG_BLOCK : 0;
    cut.scratch = points * (cut.input_point + cut.gradient_point) + cut.k_blocks * VGG_BLOCK + sums;
    return cut;
}

vgg_winograd_weights_partition vgg_winograd_weights_partition_of(const vgg_conv_shape *shape,
                                                                 size_t tile) {
    return partition_of(shape, tile, false);
}

vgg_winograd_weights_partition vgg_winograd_weights_bf16_partition_of(const vgg_conv_shape *shape,
                                                                      size_t tile) {
    if (tile == 1)
        return vgg_direct_weights_partition_of(shape);
    return partition_of(shape, tile, true);
}
