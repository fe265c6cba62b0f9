/* What is the same for every tier of F(4x4, 3x3) and F(2x2, 3x3): how they are cut into units. */
#include "kernels/kernels.h"

/* Transformed filters of up to this many pairs of channels are stored; they are read once per unit.
 * Those of more are made again by each unit, which reads a quarter of the memory, or half of it. */
#define STORED_PAIRS ((size_t)256 * 256)
/* Those of up to so many take next to no time to read. */
#define SMALL_PAIRS ((size_t)128 * 128)
/* Filters of more floats are not in a second-level cache beside all else: they are fetched there
 * ahead. */
#define NEAR_FILTERS ((size_t)512 << 10)
/* Transformed input of a unit with stored filters: half of a small second-level cache. */
#define STORED_INPUTS (100 * 1024)
/* Tiles of a unit, in multiples of the register tile. */
#define TILE_STEP 14
#define MOST_STORED_TILES 56
/* Up to so many tiles may be taken by all threads, which then share out the stored filters: these
 * take longer to read than tiles to transform. */
#define FEW_TILES (2 * TILE_STEP)
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

/* Transformed input of a unit where matrices are multiplied: three quarters of a large second-level
 * cache; tiles that are multiplied together, and words of a row of a register. */
#define MATRIX_INPUTS ((size_t)384 << 10)
#define MATRIX_TILES 32
#define CHUNK_WORDS 16

/* Tiles of input behind the last one that products by AMX may read and leave out. */
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

/* Rows of registers that they take, which are multiplied as a whole. */
static size_t chunks_of(const vgg_winograd_partition *cut, size_t channels) {
    return ceiling(words_of(cut, channels), CHUNK_WORDS);
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

/* As many tiles for each thread, none of which has more in a unit than stay in its cache. */
static void cut_stored(const vgg_conv_shape *shape, size_t threads, vgg_winograd_partition *cut) {
    size_t all = all_tiles(shape, cut);
    size_t fit = STORED_INPUTS / (points_of(cut) * cut->row) / TILE_STEP * TILE_STEP;
    size_t most = vgg_size_min(vgg_size_max(fit, TILE_STEP), MOST_STORED_TILES);
    size_t units = vgg_size_min(vgg_round_up(ceiling(all, most), threads), all);
    cut->tiles = ceiling(all, units);
    cut->tile_units = ceiling(all, cut->tiles);
    cut->groups = filter_groups(shape);
    cut->group_units = 1;
    size_t room = vgg_size_max(most, FEW_TILES); /* fewer images may be cut the other way */
    cut->scratch = points_of(cut) * (room * cut->row + product_point(room));
}

/* Stored filters of all groups. */
static void store_filters(const vgg_conv_shape *shape, vgg_winograd_partition *cut) {
    size_t words =
        cut->bf16 ? chunks_of(cut, shape->inputs) * CHUNK_WORDS : words_of(cut, shape->inputs);
    size_t more = cut->int8 ? 3 : 1; /* two of int8's sums, and one to lie in other cache sets */
    cut->filter_point = (words + more) * VGG_WINOGRAD_GROUP;
    cut->filters = filter_groups(shape) * points_of(cut) * cut->filter_point;
}

/* Most tiles of a unit with large filters. With fewer bits as many as without: more would push
 * their products out of the second-level cache. Where matrices are multiplied, the transformed
 * input is to stay there, too: they would wait for it. */
static size_t most_tiles(const vgg_winograd_partition *cut, size_t threads) {
    if (cut->matrices) {
        size_t fit = MATRIX_INPUTS / (points_of(cut) * cut->row);
        return vgg_size_max(fit / MATRIX_TILES, 1) * MATRIX_TILES;
    }
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
    cut->groups = ceiling(groups, cut->group_units);
    cut->group_units = ceiling(groups, cut->groups);
    size_t full = vgg_size_min(vgg_round_up(cut->tiles, MATRIX_TILES), most);
    if (cut->matrices && ceiling(all, full) * cut->group_units >= threads)
        cut->tiles = full;
    cut->tile_units = ceiling(all, cut->tiles);
    cut->scratch = points_of(cut) * (most * cut->row + product_point(most));
}

/* Filters that a unit makes, some input channels at a time. */
static void make_filters(const vgg_conv_shape *shape, vgg_winograd_partition *cut) {
    cut->channels = vgg_size_min(cut->whole ? MADE_WHOLE : MADE_CHANNELS, shape->inputs);
    cut->filter_point = (cut->channels + 1) * VGG_WINOGRAD_GROUP;
    cut->scratch += points_of(cut) * cut->filter_point;
}

/* Of a cut that says what the operands are and whether filters are stored. */
static vgg_winograd_partition cut_units(const vgg_conv_shape *shape, size_t tile,
                                        vgg_winograd_partition cut, size_t threads) {
    size_t pairs = shape->inputs * shape->outputs;
    bool few_bits = cut.bf16 || cut.int8;
    cut.tile = tile;
    cut.whole = !cut.int8 && vgg_winograd_is_whole(shape, tile);
    cut.tile_rows = ceiling(shape->height, tile);
    cut.tile_columns = ceiling(shape->width, tile);
    /* More than the channels, as in product_point. */
    cut.row = cut.bf16 ? (chunks_of(&cut, shape->inputs) + 1) * CHUNK_WORDS
                       : words_of(&cut, (vgg_blocks(shape->inputs) + 1) * VGG_BLOCK);
    bool apart = few_bits ? pairs <= SMALL_PAIRS : cut.stored;
    if (apart && all_tiles(shape, &cut) > FEW_TILES)
        cut_stored(shape, threads, &cut);
    else
        cut_large(shape, threads, &cut);
    if (cut.stored)
        store_filters(shape, &cut);
    else
        make_filters(shape, &cut);
    cut.ahead = (!few_bits || cut.matrices) && cut.filters > NEAR_FILTERS;
    cut.units = cut.tile_units * cut.group_units;
    cut.product_point = product_point(cut.tiles);
    if (few_bits)
        cut.scratch += TILES_BEHIND * cut.row;
    cut.scratch = vgg_round_up(cut.scratch, VGG_BLOCK);
    return cut;
}

static vgg_winograd_partition partition_of(const vgg_conv_shape *shape, size_t tile,
                                           vgg_winograd_partition cut, size_t threads) {
    cut.stored = cut.bf16 || cut.int8 || shape->inputs * shape->outputs <= STORED_PAIRS;
    return cut_units(shape, tile, cut, threads);
}

size_t vgg_winograd_filter_units(const vgg_conv_shape *shape, size_t tile) {
    if (shape->inputs * shape->outputs <= SMALL_PAIRS)
        return 0;
    return cut_units(shape, tile, (vgg_winograd_partition){0}, 1).tile_units;
}

vgg_winograd_partition vgg_winograd_partition_of(const vgg_conv_shape *shape, size_t tile,
                                                 size_t threads) {
    return partition_of(shape, tile, (vgg_winograd_partition){0}, threads);
}

vgg_winograd_partition vgg_winograd_bf16_partition_of(const vgg_conv_shape *shape, size_t tile,
                                                      size_t threads) {
    if (tile == 1)
        return vgg_direct_partition_of(shape, threads);
    return partition_of(shape, tile, (vgg_winograd_partition){.bf16 = true}, threads);
}

vgg_winograd_partition vgg_winograd_matrices_partition_of(const vgg_conv_shape *shape, size_t tile,
                                                          size_t threads) {
    if (tile == 1)
        return vgg_direct_partition_of(shape, threads);
    const vgg_winograd_partition cut = {.bf16 = true, .matrices = true};
    return partition_of(shape, tile, cut, threads);
}

vgg_winograd_partition vgg_winograd_int8_partition_of(const vgg_conv_shape *shape, size_t tile,
                                                      size_t threads) {
    if (tile == 1)
        return vgg_direct_int8_partition_of(shape, threads);
    return partition_of(shape, tile, (vgg_winograd_partition){.int8 = true}, threads);
}
