/* The cost rule: which algorithm a convolution takes. */
#ifndef VGG_KERNELS_CONV_COST_H
#define VGG_KERNELS_CONV_COST_H

#include "kernels/kernels.h"

/* By Winograd's: the products of a tile; its transforms, which the channels on the other side
 * share; filters that are not stored, each time that they are made. */
typedef struct vgg_tile_costs {
    double tile, input, output, filter;
} vgg_tile_costs;

/* Their gradients of weights: the products of a tile and its transforms, which the channels of a
 * unit on the other side share; the sums of a group, if there are several; what is made of them. */
typedef struct vgg_weights_tile_costs {
    double tile, input, gradient, group, sum;
} vgg_weights_tile_costs;

/* The constants of the cost rule of a tier. Direct: a row is done in pieces of some pixels, each of
 * which has a cost of its own beside that of its 9 products per pixel; of plain input, per product.
 * The gradient of weights directly: per image, per pixel and once. */
typedef struct vgg_conv_costs {
    bool int8; /* operands of int8: a tile that is a whole map takes all points, too */
    size_t piece_pixels;
    double piece, pixel, plain;
    double plain1, weights_plain1; /* of plain input with tiles of 1, per product; 0: none of it */
    vgg_tile_costs tile1, tile2, tile4; /* tile1.tile 0: none of it */
    double weights_image, weights_pixel, weights_once;
    vgg_weights_tile_costs weights1, weights2, weights4;
} vgg_conv_costs;

/* The tiers'; ref chooses as avx512 does. */
extern const vgg_conv_costs vgg_conv_costs_avx512, vgg_conv_costs_avx2, vgg_conv_costs_portable;
/* With operands of int8: without an instruction for bytes, by AVX512-VNNI, and by AMX. */
extern const vgg_conv_costs vgg_conv_costs_int8, vgg_conv_costs_int8_vnni, vgg_conv_costs_int8_amx;
/* With operands of bfloat16; the direct convolution is that of float32. They are AVX512-BF16's in
 * every tier but AMX's, so that all choose alike: elsewhere bfloat16 is for having the same
 * results. All filters are stored, and `filter` is what reading them takes. */
extern const vgg_conv_costs vgg_conv_costs_bf16;
/* The same where AMX multiplies matrices, which has tiles of 1, too. */
extern const vgg_conv_costs vgg_conv_costs_amx;

/* Whether those of bfloat16 are of a tier that multiplies matrices. */
static inline bool vgg_conv_has_matrices(const vgg_conv_costs *costs) {
    return costs->tile1.tile > 0;
}

/* For the whole batch: how long a convolution takes directly (tile 0) or with tiles of 1, 2 or 4,
 * in multiply-adds that registers would do meanwhile; how many multiply-adds it does; and which of
 * the three is the fastest that can be used. Small maps change sides with the size of the batch,
 * for which filters are transformed once. */
double vgg_conv_cost(const vgg_conv_costs *costs, const vgg_conv_shape *shape, size_t tile);
size_t vgg_conv_products(const vgg_conv_costs *costs, const vgg_conv_shape *shape, size_t tile);
size_t vgg_conv_fastest_tile(const vgg_conv_costs *costs, const vgg_conv_shape *shape);

/* The last of these for the gradient of weights. */
size_t vgg_conv_weights_fastest_tile(const vgg_conv_costs *costs, const vgg_conv_shape *shape);

#endif
