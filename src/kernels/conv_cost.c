/* The cost rule: how long a convolution takes by either algorithm, counted in multiply-adds per
 * pair of an input and an output channel that the processor would do in registers in that time. The
 * constants were measured with `vgg bench` (AVX-512, 512 channels, maps from 2x2 to 56x56, batches
 * of 1, 32 and 128); a step's predicted and measured time stand side by side in its table. They are
 * fixed, not measured anew on each machine, so that every machine chooses alike. */
#include "kernels/kernels.h"

/* Direct: a row is done in pieces of this many pixels, each of which has a cost of its own beside
 * that of its 9 products per pixel. */
#define PIECE_PIXELS 14
#define PIECE_COST 60.0
#define PIXEL_COST 7.0
/* Of plain input, per product: the few channels of the first layer. */
#define PLAIN_COST 2.0

/* Winograd: the 36 products of a tile at three quarters of the peak; its transforms, which the
 * channels on the other side share; filters that are not stored, each time that they are made. */
#define TILE_COST 48.0
#define INPUT_COST 2350.0
#define OUTPUT_COST 1000.0
#define FILTER_COST 550.0

/* The gradient of weights, measured the same way. Direct: per image, per pixel, and once. */
#define WEIGHTS_IMAGE_COST 35.0
#define WEIGHTS_PIXEL_COST 11.5
#define WEIGHTS_COST 1050.0
/* Winograd: the 36 products of a tile and its transforms, which the channels of a unit on the other
 * side share; the sums of a group, if there are several; what is made of them. */
#define WEIGHTS_TILE_COST 48.0
#define WEIGHTS_INPUT_COST 550.0
#define WEIGHTS_GRADIENT_COST 350.0
#define WEIGHTS_GROUP_COST 1300.0
#define WEIGHTS_SUM_COST 400.0

/* Fewer channels than this would fill no block. */
#define LEAST_CHANNELS VGG_BLOCK

static double pairs(const vgg_conv_shape *shape) {
    return (double)shape->inputs * (double)shape->outputs;
}

double vgg_conv_cost(const vgg_conv_shape *shape) {
    double products = (double)vgg_conv_products(shape);
    if (shape->plain)
        return PLAIN_COST * products;
    double pieces = (double)((shape->width + PIECE_PIXELS - 1) / PIECE_PIXELS);
    double row = PIECE_COST * pieces + PIXEL_COST * (double)shape->width;
    double taps = (double)(shape->kernel * shape->kernel);
    return pairs(shape) * (double)(shape->images * shape->height) * row * taps / VGG_MOST_TAPS;
}

size_t vgg_conv_products(const vgg_conv_shape *shape) {
    return shape->images * shape->inputs * shape->outputs * shape->height * shape->width *
           shape->kernel * shape->kernel;
}

static size_t tiles_of(const vgg_conv_shape *shape) {
    size_t rows = (shape->height + VGG_WINOGRAD_TILE - 1) / VGG_WINOGRAD_TILE;
    size_t columns = (shape->width + VGG_WINOGRAD_TILE - 1) / VGG_WINOGRAD_TILE;
    return shape->images * rows * columns;
}

double vgg_winograd_cost(const vgg_conv_shape *shape) {
    vgg_winograd_partition cut = vgg_winograd_partition_of(shape, 1);
    double tile =
        TILE_COST + INPUT_COST / (double)shape->outputs + OUTPUT_COST / (double)shape->inputs;
    double units = cut.stored ? 0 : (double)cut.tile_units;
    return pairs(shape) * ((double)tiles_of(shape) * tile + units * FILTER_COST);
}

size_t vgg_winograd_products(const vgg_conv_shape *shape) {
    return tiles_of(shape) * VGG_WINOGRAD_POINTS * shape->inputs * shape->outputs;
}

static bool can_be_winograd(const vgg_conv_shape *shape) {
    return shape->kernel == 3 && !shape->plain && shape->inputs >= LEAST_CHANNELS &&
           shape->outputs >= LEAST_CHANNELS;
}

bool vgg_winograd_pays(const vgg_conv_shape *shape) {
    return can_be_winograd(shape) && vgg_winograd_cost(shape) < vgg_conv_cost(shape);
}

double vgg_conv_weights_cost(const vgg_conv_shape *shape) {
    if (shape->plain)
        return PLAIN_COST * (double)vgg_conv_products(shape);
    double pixels = (double)(shape->height * shape->width);
    double image = WEIGHTS_IMAGE_COST + WEIGHTS_PIXEL_COST * pixels;
    double taps = (double)(shape->kernel * shape->kernel);
    return pairs(shape) * ((double)shape->images * image + WEIGHTS_COST) * taps / VGG_MOST_TAPS;
}

double vgg_winograd_weights_cost(const vgg_conv_shape *shape) {
    vgg_winograd_weights_partition cut = vgg_winograd_weights_partition_of(shape);
    double tile = WEIGHTS_TILE_COST + WEIGHTS_INPUT_COST / (double)(cut.k_blocks * VGG_BLOCK) +
                  WEIGHTS_GRADIENT_COST / (double)(cut.c_blocks * VGG_BLOCK);
    double sums = cut.groups > 1 ? WEIGHTS_GROUP_COST * (double)cut.groups : 0;
    return pairs(shape) * ((double)tiles_of(shape) * tile + sums + WEIGHTS_SUM_COST);
}

bool vgg_winograd_weights_pays(const vgg_conv_shape *shape) {
    return can_be_winograd(shape) &&
           vgg_winograd_weights_cost(shape) < vgg_conv_weights_cost(shape);
}
