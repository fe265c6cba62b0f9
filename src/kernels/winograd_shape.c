/* What is the same for every tier of F(4x4, 3x3) and F(2x2, 3x3): how they are cut into units. */
#include "kernels/kernels.h"

/* Transformed filters of up to this many pairs of channels are stored; they are read once per unit.
 * Those of more are made again by each unit, which reads a quarter of the memory, or half of it. */
#define STORED_PAIRS ((size_t)128 * 128)
/* Transformed input of a unit with stored filters: half of a small second-level cache. */
#define STORED_INPUTS (100 * 1024)
/* Tiles of a unit, in multiples of the register tile. */
#define TILE_STEP 14
#define MOST_STORED_TILES 56
/* Transformed input of a unit that makes its filters, in a third-level cache; of all threads
 * together. */
#define MOST_INPUTS ((size_t)2 << 20)
#define MOST_INPUTS_OF_ALL ((size_t)16 << 20)
/* Input channels whose filters are made at once: for 32 output channels they take half of a
 * second-level cache. */
#define MADE_CHANNELS 128
#define MADE_WHOLE 512 /* of a quarter of the points of F(4x4) */
/* The time of transforms beside the products of one tile and one group: of a tile's input, and of a
 * group's filters. With bf16 the products take half of the time, and filters are only read. */
#define INPUT_TIME 0.4
#define FILTER_TIME 6.5
#define BF16_INPUT_TIME 0.8
#define BF16_FILTER_TIME 3.0
/* And with int8 a quarter. */
#define INT8_INPUT_TIME 2.0
#define INT8_FILTER_TIME 3.0

/* Tiles of input behind the last one that products of int8 may read and leave out. */
#define TILES_BEHIND 32

static size_t ceiling(size_t a, size_t b) {
    return (a + b - 1) / b;
}

static size_t points_of(const vgg_winograd_partition *cut) {
    return cut->whole ? VGG_WHOLE_POINTS : vgg_winograd_points(cut->tile);
}

/* Channels in a word of 32 bits. */
static size_t word_channels(const vgg_winograd_partition *cut) {
    return cut->int8 ? 4 : cut->bf16 ? 2 : 1;
}

/* Words that so many channels take. */
static size_t words_of(const vgg_winograd_partition *cut, size_t channels) {
    return ceiling(channels, word_channels(cut));
}

static size_t filter_groups(const vgg_conv_shape *shape) {
    return ceiling(shape->outputs, VGG_WINOGRAD_GROUP);
}

static size_t all_tiles(const vgg_conv_shape *shape, const vgg_winograd_partition *cut) {
    return shape->images * cut->tile_rows * cut->tile_columns;
}

/* Floats between two points of the products of some tiles; a block more than they take, since what
 * is a power of two apart shares cache sets. */
static size_t product_point(size_t tiles) {
    return tiles * VGG_WINOGRAD_GROUP + VGG_BLOCK;
}

static void cut_stored(const vgg_conv_shape *shape, vgg_winograd_partition *cut) {
    size_t all = all_tiles(shape, cut);
    size_t fit = STORED_INPUTS / (points_of(cut) * cut->row) / TILE_STEP * TILE_STEP;
    cut->tiles = vgg_size_min(vgg_size_max(fit, TILE_STEP), MOST_STORED_TILES);
    cut->tile_units = ceiling(all, cut->tiles);
    cut->groups = filter_groups(shape);
    cut->group_units = 1;
    cut->scratch = points_of(cut) * (cut->tiles * cut->row + product_point(cut->tiles));
}

/* Stored filters of all groups. */
static void store_filters(const vgg_conv_shape *shape, vgg_winograd_partition *cut) {
    size_t more = cut->int8 ? 3 : 1; /* two of int8's sums, and one to lie in other cache sets */
    cut->filter_point = (words_of(cut, shape->inputs) + more) * VGG_WINOGRAD_GROUP;
    cut->filters = filter_groups(shape) * points_of(cut) * cut->filter_point;
}

/* Most tiles of a unit with large filters. With fewer bits as many as without: more would push
 * their products out of the second-level cache. */
static size_t most_tiles(const vgg_winograd_partition *cut, size_t threads) {
    size_t floats = vgg_size_min(MOST_INPUTS, MOST_INPUTS_OF_ALL / threads);
    size_t tile = points_of(cut) * cut->row * word_channels(cut);
    return vgg_size_max(floats / tile, TILE_STEP);
}

/* Units that share tiles make the same input, units that share output channels make or read the
 * same filters: takes the cut that ends first. */
static void cut_large(const vgg_conv_shape *shape, size_t threads, vgg_winograd_partition *cut) {
    size_t all = all_tiles(shape, cut), groups = filter_groups(shape);
    size_t most = vgg_size_min(most_tiles(cut, threads), all), least_units = ceiling(all, most);
    double input_time = cut->int8 ? INT8_INPUT_TIME : cut->bf16 ? BF16_INPUT_TIME : INPUT_TIME;
    double filter_time = cut->int8 ? INT8_FILTER_TIME : cut->bf16 ? BF16_FILTER_TIME : FILTER_TIME;
    double best = 0;
    for (size_t i = least_units; i < least_units + threads && i <= all; i++) {
        for (size_t j = 1; j <= vgg_size_min(groups, threads); j++) {
            double tiles = (double)ceiling(all, i), part = (double)ceiling(groups, j);
            double time = (double)ceiling(i * j, threads) *
                          (tiles * part + input_time * tiles + filter_time * part);
            if (best > 0 && time >= best)
                continue;
            best = time;
            cut->tile_units = i;
            cut->group_units = j;
        }
    }
    cut->tiles = ceiling(all, cut->tile_units);
    cut->tile_units = ceiling(all, cut->tiles);
    cut->groups = ceiling(groups, cut->group_units);
    cut->group_units = ceiling(groups, cut->groups);
    cut->scratch = points_of(cut) * (most * cut->row + product_point(most));
}

/* Filters that a unit makes, some input channels at a time. */
static void make_filters(const vgg_conv_shape *shape, vgg_winograd_partition *cut) {
    cut->channels = vgg_size_min(cut->whole ? MADE_WHOLE : MADE_CHANNELS, shape->inputs);
    cut->filter_point = (cut->channels + 1) * VGG_WINOGRAD_GROUP;
    cut->scratch += points_of(cut) * cut->filter_point;
}

static vgg_winograd_partition partition_of(const vgg_conv_shape *shape, size_t tile, bool bf16,
                                           bool int8, size_t threads) {
    bool small = shape->inputs * shape->outputs <= STORED_PAIRS;
    vgg_winograd_partition cut = {.tile = tile,
                                  .bf16 = bf16,
                                  .whole = !int8 && vgg_winograd_is_whole(shape, tile),
                                  .int8 = int8,
                                  .stored = small || bf16 || int8,
                                  .tile_rows = ceiling(shape->height, tile),
                                  .tile_columns = ceiling(shape->width, tile)};
    /* A block more than the channels, as in product_point. */
    cut.row = words_of(&cut, (vgg_blocks(shape->inputs) + 1) * VGG_BLOCK);
    if (small)
        cut_stored(shape, &cut);
    else
        cut_large(shape, threads, &cut);
    if (cut.stored)
        store_filters(shape, &cut);
    else
        make_filters(shape, &cut);
    cut.units = cut.tile_units * cut.group_units;
    cut.product_point = product_point(cut.tiles);
    if (int8)
        cut.scratch += TILES_BEHIND * cut.row;
    cut.scratch = vgg_round_up(cut.scratch, VGG_BLOCK);
    return cut;
}

vgg_winograd_partition vgg_winograd_partition_of(const vgg_conv_shape *shape, size_t tile,
                                                 size_t threads) {
    return partition_of(shape, tile, false, false, threads);
}

vgg_winograd_partition vgg_winograd_bf16_partition_of(const vgg_conv_shape *shape, size_t tile,
                                                      size_t threads) {
    if (tile == 1)
        return vgg_direct_partition_of(shape, threads);
    return partition_of(shape, tile, true, false, threads);
}

vgg_winograd_partition vgg_winograd_int8_partition_of(const vgg_conv_shape *shape, size_t tile,
                                                      size_t threads) {
    if (tile == 1)
        return vgg_direct_int8_partition_of(shape, threads);
    return partition_of(shape, tile, false, true, threads);
}
