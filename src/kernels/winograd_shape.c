/* What is the same for every tier of F(4x4, 3x3): how it is cut into units. */
#include "kernels/kernels.h"

/* Transformed filters up to this size are stored; they are read once per unit. Larger ones are made
 * again for each group of output channels, which reads a quarter of the memory. */
#define STORED_FILTERS (36 * 128 * 128)
/* Transformed input of a fused unit: half of a small second-level cache. */
#define FUSED_INPUTS (100 * 1024)
/* Tiles of a unit, in multiples of the register tile. */
#define TILE_STEP 14
#define MOST_FUSED_TILES 56
/* Tiles of a pass at most, unless one row has more: its transformed input stays in a third-level
 * cache. */
#define PASS_TILES 256
/* Input channels whose filters are made at once: for 32 output channels they take half of a
 * second-level cache. */
#define PASS_CHANNELS 128

static size_t filter_groups(const vgg_conv_shape *shape) {
    return (shape->outputs + VGG_WINOGRAD_GROUP - 1) / VGG_WINOGRAD_GROUP;
}

static size_t product_point(size_t tiles) {
    return tiles * VGG_WINOGRAD_GROUP + VGG_BLOCK;
}

static void cut_fused(const vgg_conv_shape *shape, vgg_winograd_partition *cut) {
    size_t all = cut->tile_rows * cut->tile_columns;
    size_t fit = FUSED_INPUTS / (VGG_WINOGRAD_POINTS * cut->row) / TILE_STEP * TILE_STEP;
    cut->tiles = vgg_size_min(vgg_size_max(fit, TILE_STEP), MOST_FUSED_TILES);
    cut->tiles = vgg_size_min(cut->tiles, all);
    cut->units = shape->images * ((all + cut->tiles - 1) / cut->tiles);
    cut->filters = filter_groups(shape) * VGG_WINOGRAD_POINTS * cut->filter_point;
    cut->product_point = product_point(cut->tiles);
    cut->scratch = VGG_WINOGRAD_POINTS * (cut->tiles * cut->row + cut->product_point);
}

static void cut_split(const vgg_conv_shape *shape, vgg_winograd_partition *cut) {
    cut->rows = vgg_size_min(vgg_size_max(PASS_TILES / cut->tile_columns, 1),
                             shape->images * cut->tile_rows);
    cut->tiles = cut->rows * cut->tile_columns;
    cut->channels = vgg_size_min(PASS_CHANNELS, shape->inputs);
    cut->filter_point = (cut->channels + 1) * VGG_WINOGRAD_GROUP;
    cut->units = filter_groups(shape);
    cut->inputs = VGG_WINOGRAD_POINTS * cut->tiles * cut->row;
    cut->product_point = product_point(cut->tiles);
    cut->scratch = VGG_WINOGRAD_POINTS * (cut->product_point + cut->filter_point);
}

vgg_winograd_partition vgg_winograd_partition_of(const vgg_conv_shape *shape) {
    vgg_winograd_partition cut = {
        .fused = shape->inputs * shape->outputs <= STORED_FILTERS / VGG_WINOGRAD_POINTS,
        .tile_rows = (shape->height + VGG_WINOGRAD_TILE - 1) / VGG_WINOGRAD_TILE,
        .tile_columns = (shape->width + VGG_WINOGRAD_TILE - 1) / VGG_WINOGRAD_TILE,
        /* A block more than the channels: what is a power of two apart shares cache sets. The same
         * holds for the points of filters and products. */
        .row = (vgg_blocks(shape->inputs) + 1) * VGG_BLOCK,
        .filter_point = (shape->inputs + 1) * VGG_WINOGRAD_GROUP};
    if (cut.fused)
        cut_fused(shape, &cut);
    else
        cut_split(shape, &cut);
    cut.scratch = vgg_round_up(cut.scratch, VGG_BLOCK);
    return cut;
}
