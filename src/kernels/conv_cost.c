/* The cost rule: how long a convolution takes by each algorithm, counted in multiply-adds per pair
 * of an input and an output channel that the processor would do in registers in that time. Each
 * tier has constants of its own, from
 *
 *   cmake --build build --target measure_costs && build/tests/kernels/measure_costs TIER
 *
 * which times one thread of an idle machine on maps from 1x1 to 56x56, in batches from 1 to 128
 * (bfloat16 by `measure_costs avx512 bf16`, int8 by `measure_costs TIER int8`). Those of inference
 * with AVX-512 are rounder, and were measured with `vgg bench` on two threads, whose table shows
 * predicted and measured times side by side; those of bfloat16 are on the same scale. Those of AMX,
 * and of int8 directly without VNNI, are rounded figures of `vgg bench` on an Emerald Rapids; how
 * fast its AMX is changes several times over with what neighbours leave of it, and bfloat16's are
 * of what lies between. Its gradients of weights by transforms are as those of float32: it does
 * half as many vdpbf16ps as multiply-adds. They are fixed, not measured anew on each machine, so
 * that all machines of a tier choose alike, for int8 those that have the same instructions.
 */
#include "kernels/conv_cost.h"

const vgg_conv_costs vgg_conv_costs_avx512 = {
    .piece_pixels = 14,
    .piece = 28.0,
    .pixel = 9.5,
    .plain = 2.0,
    .tile2 = {20.0, 1000.0, 400.0, 310.0},
    .tile4 = {48.0, 2350.0, 1000.0, 550.0},
    .weights_image = 35.0,
    .weights_pixel = 11.5,
    .weights_once = 1050.0,
    .weights2 = {21.5, 250.0, 150.0, 600.0, 200.0},
    .weights4 = {48.0, 550.0, 350.0, 1300.0, 400.0},
};

const vgg_conv_costs vgg_conv_costs_avx2 = {
    .piece_pixels = 6,
    .piece = 30.0,
    .pixel = 4.3,
    .plain = 1.5,
    .tile2 = {16.5, 570.0, 185.0, 210.0},
    .tile4 = {38.5, 2100.0, 520.0, 315.0},
    .weights_image = 23.0,
    .weights_pixel = 11.4,
    .weights_once = 935.0,
    .weights2 = {13.6, 335.0, 305.0, 385.0, 335.0},
    .weights4 = {24.0, 1300.0, 1195.0, 725.0, 540.0},
};

const vgg_conv_costs vgg_conv_costs_portable = {
    .piece_pixels = 2,
    .piece = 6.9,
    .pixel = 9.3,
    .plain = 1.7,
    .tile2 = {20.5, 430.0, 135.0, 125.0},
    .tile4 = {46.0, 1440.0, 450.0, 195.0},
    .weights_image = 22.0,
    .weights_pixel = 12.9,
    .weights_once = 385.0,
    .weights2 = {20.6, 140.0, 165.0, 140.0, 205.0},
    .weights4 = {43.5, 625.0, 610.0, 170.0, 360.0},
};

const vgg_conv_costs vgg_conv_costs_bf16 = {
    .piece_pixels = 14,
    .piece = 28.0,
    .pixel = 9.5,
    .plain = 2.0,
    .tile2 = {9.0, 430.0, 330.0, 170.0},
    .tile4 = {20.0, 1500.0, 1150.0, 170.0},
    .weights_image = 35.0,
    .weights_pixel = 11.5,
    .weights_once = 1050.0,
    .weights2 = {5.7, 270.0, 230.0, 415.0, 315.0},
    .weights4 = {8.1, 1000.0, 965.0, 690.0, 520.0},
};

const vgg_conv_costs vgg_conv_costs_amx = {
    .piece_pixels = 14,
    .piece = 28.0,
    .pixel = 9.5,
    .plain = 2.0,
    .plain1 = 0.9,
    .weights_plain1 = 0.9,
    .tile1 = {1.6, 25.0, 25.0, 20.0},
    .tile2 = {9.0, 500.0, 400.0, 120.0},
    .tile4 = {13.0, 550.0, 450.0, 250.0},
    .weights_image = 35.0,
    .weights_pixel = 11.5,
    .weights_once = 1050.0,
    .weights1 = {1.6, 25.0, 25.0, 30.0, 30.0},
    .weights2 = {21.5, 250.0, 150.0, 600.0, 200.0},
    .weights4 = {48.0, 550.0, 350.0, 1300.0, 400.0},
};

/* The direct convolution of float32, which costs of int8 have in common. */
#define INT8_COSTS .int8 = true, .piece_pixels = 14, .piece = 28.0, .pixel = 9.5, .plain = 2.0

const vgg_conv_costs vgg_conv_costs_int8 = {
    INT8_COSTS,
    .tile1 = {10.0, 15.0, 15.0, 25.0},
    .tile2 = {5.0, 430.0, 330.0, 85.0},
    .tile4 = {11.0, 1500.0, 1150.0, 85.0},
};

const vgg_conv_costs vgg_conv_costs_int8_vnni = {
    INT8_COSTS,
    .tile1 = {1.7, 38.0, 38.0, 16.0},
    .tile2 = {3.4, 230.0, 230.0, 30.0},
    .tile4 = {6.6, 660.0, 890.0, 70.0},
};

const vgg_conv_costs vgg_conv_costs_int8_amx = {
    INT8_COSTS,
    .tile1 = {0.5, 25.0, 25.0, 25.0},
    .tile2 = {5.0, 430.0, 330.0, 85.0},
    .tile4 = {11.0, 1500.0, 1150.0, 85.0},
};

/* Fewer channels than this would fill no block. */
#define LEAST_CHANNELS VGG_BLOCK

static double pairs(const vgg_conv_shape *shape) {
    return (double)shape->inputs * (double)shape->outputs;
}

static double direct_cost(const vgg_conv_costs *costs, const vgg_conv_shape *shape) {
    if (shape->plain)
        return costs->plain * (double)vgg_conv_products(costs, shape, 0);
    double pieces = (double)((shape->width + costs->piece_pixels - 1) / costs->piece_pixels);
    double row = costs->piece * pieces + costs->pixel * (double)shape->width;
    double taps = (double)(shape->kernel * shape->kernel);
    return pairs(shape) * (double)(shape->images * shape->height) * row * taps / VGG_MOST_TAPS;
}

static size_t tiles_of(const vgg_conv_shape *shape, size_t tile) {
    size_t rows = (shape->height + tile - 1) / tile, columns = (shape->width + tile - 1) / tile;
    return shape->images * rows * columns;
}

static size_t points_of(const vgg_conv_costs *costs, const vgg_conv_shape *shape, size_t tile) {
    bool whole = !costs->int8 && vgg_winograd_is_whole(shape, tile);
    return whole ? VGG_WHOLE_POINTS : vgg_winograd_points(tile);
}

/* What a tile of 2x2 takes where it is a whole map, and has so much fewer points. */
static double share_of_points(const vgg_conv_costs *costs, const vgg_conv_shape *shape,
                              size_t tile) {
    return (double)points_of(costs, shape, tile) / (double)vgg_winograd_points(tile);
}

static double tile1_cost(const vgg_conv_costs *costs, const vgg_conv_shape *shape) {
    if (shape->plain)
        return costs->plain1 * (double)vgg_conv_products(costs, shape, 1);
    const vgg_tile_costs *of = &costs->tile1;
    vgg_winograd_partition cut =
        costs->int8 ? vgg_direct_int8_partition_of(shape, 1) : vgg_direct_partition_of(shape, 1);
    double each =
        of->tile + of->input / (double)shape->outputs + of->output / (double)shape->inputs;
    return pairs(shape) *
           (vgg_direct_places(shape, &cut.direct) * each + (double)cut.units * of->filter);
}

double vgg_conv_cost(const vgg_conv_costs *costs, const vgg_conv_shape *shape, size_t tile) {
    if (tile == 0)
        return direct_cost(costs, shape);
    if (tile == 1)
        return tile1_cost(costs, shape);
    const vgg_tile_costs *of = tile == 2 ? &costs->tile2 : &costs->tile4;
    double each =
        of->tile + of->input / (double)shape->outputs + of->output / (double)shape->inputs;
    double units = (double)vgg_winograd_filter_units(shape, tile);
    return pairs(shape) * share_of_points(costs, shape, tile) *
           ((double)tiles_of(shape, tile) * each + units * of->filter);
}

size_t vgg_conv_products(const vgg_conv_costs *costs, const vgg_conv_shape *shape, size_t tile) {
    size_t channels = shape->inputs * shape->outputs;
    if (tile > 1)
        return tiles_of(shape, tile) * channels * points_of(costs, shape, tile);
    return shape->images * channels * shape->height * shape->width * shape->kernel * shape->kernel;
}

static double direct_weights_cost(const vgg_conv_costs *costs, const vgg_conv_shape *shape) {
    if (shape->plain)
        return costs->plain * (double)vgg_conv_products(costs, shape, 0);
    double pixels = (double)(shape->height * shape->width);
    double image = costs->weights_image + costs->weights_pixel * pixels;
    double taps = (double)(shape->kernel * shape->kernel);
    return pairs(shape) * ((double)shape->images * image + costs->weights_once) * taps /
           VGG_MOST_TAPS;
}

static double weights1_cost(const vgg_conv_costs *costs, const vgg_conv_shape *shape) {
    if (shape->plain)
        return costs->weights_plain1 * (double)vgg_conv_products(costs, shape, 1);
    const vgg_weights_tile_costs *of = &costs->weights1;
    vgg_winograd_weights_partition cut = vgg_direct_weights_partition_of(shape);
    double each = of->tile + of->input / (double)(cut.k_blocks * VGG_BLOCK) +
                  of->gradient / (double)(cut.c_blocks * VGG_BLOCK);
    double sums = cut.groups > 1 ? of->group * (double)cut.groups : 0;
    return pairs(shape) * (vgg_direct_places(shape, &cut.direct) * each + sums + of->sum);
}

static double weights_cost(const vgg_conv_costs *costs, const vgg_conv_shape *shape, size_t tile) {
    if (tile == 0)
        return direct_weights_cost(costs, shape);
    if (tile == 1)
        return weights1_cost(costs, shape);
    const vgg_weights_tile_costs *of = tile == 2 ? &costs->weights2 : &costs->weights4;
    vgg_winograd_weights_partition cut = vgg_winograd_weights_partition_of(shape, tile);
    double each = of->tile + of->input / (double)(cut.k_blocks * VGG_BLOCK) +
                  of->gradient / (double)(cut.c_blocks * VGG_BLOCK);
    double sums = cut.groups > 1 ? of->group * (double)cut.groups : 0;
    return pairs(shape) * share_of_points(costs, shape, tile) *
           ((double)tiles_of(shape, tile) * each + sums + of->sum);
}

typedef double cost_rule(const vgg_conv_costs *costs, const vgg_conv_shape *shape, size_t tile);

/* The tile size of the least cost; the first one of equal costs. */
static size_t fastest_tile(const vgg_conv_costs *costs, const vgg_conv_shape *shape,
                           cost_rule *cost) {
    static const size_t tiles[] = {4, 2, 1};
    bool blocked =
        !shape->plain && shape->inputs >= LEAST_CHANNELS && shape->outputs >= LEAST_CHANNELS;
    size_t best = 0;
    for (size_t i = 0; blocked && i < sizeof tiles / sizeof *tiles; i++) {
        bool can = tiles[i] == 1 ? costs->tile1.tile > 0 : shape->kernel == 3;
        if (can && cost(costs, shape, tiles[i]) < cost(costs, shape, best))
            best = tiles[i];
    }
    return best;
}

/* Of plain input, where it can be of tiles of 1. */
static size_t fastest_plain_tile(const vgg_conv_costs *costs, const vgg_conv_shape *shape) {
    return costs->plain1 > 0 && shape->kernel == 3 && shape->inputs <= VGG_PLAIN_CHANNELS &&
           shape->outputs >= LEAST_CHANNELS;
}

size_t vgg_conv_fastest_tile(const vgg_conv_costs *costs, const vgg_conv_shape *shape) {
    return shape->plain ? fastest_plain_tile(costs, shape)
                        : fastest_tile(costs, shape, vgg_conv_cost);
}

size_t vgg_conv_weights_fastest_tile(const vgg_conv_costs *costs, const vgg_conv_shape *shape) {
    return shape->plain ? fastest_plain_tile(costs, shape)
                        : fastest_tile(costs, shape, weights_cost);
}
