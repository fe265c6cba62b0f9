/* The cost rule: how long a convolution takes by each algorithm, counted in multiply-adds per pair
 * of an input and an output channel that the processor would do in registers in that time. The
 * constants were measured with `vgg bench` (AVX-512, 512 channels, maps from 1x1 to 56x56, batches
 * from 1 to 128); a step's predicted and measured time stand side by side in its table. They are
 * fixed, not measured anew on each machine, so that every machine chooses alike. */
#include "kernels/kernels.h"

/* Direct: a row is done in pieces of this many pixels, each of which has a cost of its own beside
 * that of its 9 products per pixel. */
#define PIECE_PIXELS 14
#define PIECE_COST 28.0
#define PIXEL_COST 9.5
/* Of plain input, per product: the few channels of the first layer. */
#define PLAIN_COST 2.0

/* Winograd: the products of a tile at three quarters of the peak; its transforms, which the
 * channels on the other side share; filters that are not stored, each time that they are made. */
typedef struct tile_costs {
    double tile, input, output, filter;
} tile_costs;

static const tile_costs COSTS_2 = {20.0, 1000.0, 400.0, 310.0};
static const tile_costs COSTS_4 = {48.0, 2350.0, 1000.0, 550.0};

/* The gradient of weights, measured the same way. Direct: per image, per pixel, and once. */
#define WEIGHTS_IMAGE_COST 35.0
#define WEIGHTS_PIXEL_COST 11.5
#define WEIGHTS_COST 1050.0
/* Winograd: the products of a tile and its transforms, which the channels of a unit on the other
 * side share; the sums of a group, if there are several; what is made of them. */
typedef struct weights_costs {
    double tile, input, gradient, group, sum;
} weights_costs;

static const weights_costs WEIGHTS_2 = {21.5, 250.0, 150.0, 600.0, 200.0};
static const weights_costs WEIGHTS_4 = {48.0, 550.0, 350.0, 1300.0, 400.0};

/* Fewer channels than this would fill no block. */
#define LEAST_CHANNELS VGG_BLOCK

static double pairs(const vgg_conv_shape *shape) {
    return (double)shape->inputs * (double)shape->outputs;
}

static double direct_cost(const vgg_conv_shape *shape) {
    if (shape->plain)
        return PLAIN_COST * (double)vgg_conv_products(shape, 0);
    double pieces = (double)((shape->width + PIECE_PIXELS - 1) / PIECE_PIXELS);
    double row = PIECE_COST * pieces + PIXEL_COST * (double)shape->width;
    double taps = (double)(shape->kernel * shape->kernel);
    return pairs(shape) * (double)(shape->images * shape->height) * row * taps / VGG_MOST_TAPS;
}

static size_t tiles_of(const vgg_conv_shape *shape, size_t tile) {
    size_t rows = (shape->height + tile - 1) / tile, columns = (shape->width + tile - 1) / tile;
    return shape->images * rows * columns;
}

double vgg_conv_cost(const vgg_conv_shape *shape, size_t tile) {
    if (tile == 0)
        return direct_cost(shape);
    const tile_costs *costs = tile == 2 ? &COSTS_2 : &COSTS_4;
    vgg_winograd_partition cut = vgg_winograd_partition_of(shape, tile, 1);
    double each =
        costs->tile + costs->input / (double)shape->outputs + costs->output / (double)shape->inputs;
    double units = cut.stored ? 0 : (double)cut.tile_units;
    return pairs(shape) * ((double)tiles_of(shape, tile) * each + units * costs->filter);
}

size_t vgg_conv_products(const vgg_conv_shape *shape, size_t tile) {
    size_t channels = shape->inputs * shape->outputs;
    if (tile > 0)
        return tiles_of(shape, tile) * vgg_winograd_points(tile) * channels;
    return shape->images * channels * shape->height * shape->width * shape->kernel * shape->kernel;
}

static double direct_weights_cost(const vgg_conv_shape *shape) {
    if (shape->plain)
        return PLAIN_COST * (double)vgg_conv_products(shape, 0);
    double pixels = (double)(shape->height * shape->width);
    double image = WEIGHTS_IMAGE_COST + WEIGHTS_PIXEL_COST * pixels;
    double taps = (double)(shape->kernel * shape->kernel);
    return pairs(shape) * ((double)shape->images * image + WEIGHTS_COST) * taps / VGG_MOST_TAPS;
}

double vgg_conv_weights_cost(const vgg_conv_shape *shape, size_t tile) {
    if (tile == 0)
        return direct_weights_cost(shape);
    const weights_costs *costs = tile == 2 ? &WEIGHTS_2 : &WEIGHTS_4;
    vgg_winograd_weights_partition cut = vgg_winograd_weights_partition_of(shape, tile);
    double each = costs->tile + costs->input / (double)(cut.k_blocks * VGG_BLOCK) +
                  costs->gradient / (double)(cut.c_blocks * VGG_BLOCK);
    double sums = cut.groups > 1 ? costs->group * (double)cut.groups : 0;
    return pairs(shape) * ((double)tiles_of(shape, tile) * each + sums + costs->sum);
}

/* The tile size of the least cost; the first one of equal costs. */
static size_t fastest_tile(const vgg_conv_shape *shape,
                           double (*cost)(const vgg_conv_shape *shape, size_t tile)) {
    size_t best = 0;
    bool can_be_winograd = shape->kernel == 3 && !shape->plain && shape->inputs >= LEAST_CHANNELS &&
                           shape->outputs >= LEAST_CHANNELS;
    for (size_t tile = 4; can_be_winograd && tile >= 2; tile -= 2) {
        if (cost(shape, tile) < cost(shape, best))
            best = tile;
    }
    return best;
}

size_t vgg_conv_fastest_tile(const vgg_conv_shape *shape) {
    return fastest_tile(shape, vgg_conv_cost);
}

size_t vgg_conv_weights_fastest_tile(const vgg_conv_shape *shape) {
    return fastest_tile(shape, vgg_conv_weights_cost);
}
