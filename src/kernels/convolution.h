/* The kernels of convolutions: shapes, how they are cut into units, and what their tasks mean. A
 * part of kernels.h. */
#ifndef VGG_KERNELS_CONVOLUTION_H
#define VGG_KERNELS_CONVOLUTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/elements.h"
#include "base/memory.h"
#include "kernels/blocks.h"

#define VGG_MOST_TAPS 9

/* kernel x kernel (3 or 1), stride 1. */
typedef struct vgg_conv_shape {
    size_t images, inputs, outputs; /* N, C, K */
    size_t height, width, kernel;   /* height and width of the output */
    bool plain;     /* the input is plain (N, C, H, W): the first layer of a network */
    ptrdiff_t crop; /* what the output lacks of the input at each edge: 0, by padding; 1 for 3x3
                     * without padding; -1 for the way back from there to the input's gradient */
} vgg_conv_shape;

/* Height and width of the input, and the zeros around it. */
static inline size_t vgg_conv_in_height(const vgg_conv_shape *shape) {
    return shape->height + 2 * (size_t)shape->crop;
}

static inline size_t vgg_conv_in_width(const vgg_conv_shape *shape) {
    return shape->width + 2 * (size_t)shape->crop;
}

static inline size_t vgg_conv_border(const vgg_conv_shape *shape) {
    return shape->kernel / 2 - (size_t)shape->crop;
}

/* How activations become whole numbers from 0 to 255: times the factor, to nearest even, and the
 * zero added. What is beyond the numbers becomes the nearest, and NaN the least of them. */
typedef struct vgg_int8_numbers {
    float factor; /* finite and above 0 */
    int zero;     /* 0 where nothing is negative, else VGG_INT8_MIDDLE */
} vgg_int8_numbers;

#define VGG_INT8_MIDDLE 128
#define VGG_INT8_UNSIGNED_MOST 255

/* Activations between such convolutions lie in chunks of channels: (N, ceil(C / 64), H, W, 64)
 * bytes, those beyond C being the zero. */
#define VGG_INT8_CHUNK 64

static inline size_t vgg_int8_chunks(size_t channels) {
    return (channels + VGG_INT8_CHUNK - 1) / VGG_INT8_CHUNK;
}

static inline size_t vgg_int8_size(size_t images, size_t channels, size_t pixels) {
    return images * vgg_int8_chunks(channels) * pixels * VGG_INT8_CHUNK;
}

/* How a convolution is cut into units: a unit is `rows` output rows of one image, an even number
 * for the windows of a max-pool, and `blocks` output channel blocks. It depends on the shape alone.
 */
typedef struct vgg_conv_partition {
    size_t rows, row_units;
    size_t blocks, block_units;
    size_t units;   /* images * row_units * block_units */
    size_t scratch; /* floats per worker: the unit's input rows with a border of zeros */
} vgg_conv_partition;

vgg_conv_partition vgg_conv_forward_partition(const vgg_conv_shape *shape);

/* Packed weights are [K / 16][C / 16][kernel^2][16 c][16 k], or [K / 16][kernel^2][C][16 k] for
 * plain input; what lies beyond C or K is zero. Floats in a packed tensor: */
size_t vgg_conv_packed_size(const vgg_conv_shape *shape);

/* Packs weights. The backward pass to the input is a forward convolution from K to C channels with
 * the filters turned by 180 degrees: `turned` then, and `shape` is that convolution's. Unit: an
 * output block. */
typedef struct vgg_conv_pack_task {
    vgg_conv_shape shape;
    bool turned;
    const void *weights; /* (outputs, inputs, kernel, kernel); turned: (inputs, outputs, ...) */
    vgg_element element; /* of the weights: float32, float16 or bfloat16 */
    float *packed;
} vgg_conv_pack_task;

/* y = pool?(relu?((conv(x, w) + bias) * scale + shift)). The sum with the bias is rounded before it
 * is scaled, so that a batch norm behind a convolution gives the same bits on its own and folded
 * into it. Unit: as in the partition. */
typedef struct vgg_conv_forward_task {
    vgg_conv_shape shape;
    vgg_conv_partition partition;
    const float *x;
    const float *packed;
    const float *bias;          /* K rounded up to a block; NULL for 0 */
    const float *scale, *shift; /* the same; both NULL for 1 and 0 */
    bool relu;
    bool stream;             /* y is too large for the caches */
    bool pool;               /* 2x2 max-pool behind it: y is of half the height and width */
    float *y;                /* blocked */
    uint16_t *y_bf16;        /* the map in bfloat16, blocked alike, in place of y; NULL: y */
    uint8_t *y_numbers;      /* what is put out as whole numbers in place of y, as they lie for a
                              * convolution in int8 with tiles of 1; else NULL */
    vgg_int8_numbers y_form; /* of y_numbers; with relu its zero is 0 */
    float *scratch;          /* partition.scratch floats per worker */
} vgg_conv_forward_task;

/* ---- convolution to a picture ---- */

/* A convolution of blocked activations to few channels, which are plain (N, K, H, W): what carries
 * gradients back to a picture. Packed weights are [C / 16][kernel^2][K][16 c], zero beyond C. Unit:
 * a row of an image. */
#define VGG_PICTURE_CHANNELS 3

typedef struct vgg_conv_picture_task {
    vgg_conv_shape shape; /* up to VGG_PICTURE_CHANNELS outputs, not plain */
    const float *x;
    const float *packed;
    float *y;
} vgg_conv_picture_task;

/* Floats of its packed weights, for which vgg_conv_picture_pack takes a vgg_conv_pack_task. Unit: a
 * block of input channels. */
size_t vgg_conv_picture_packed_size(const vgg_conv_shape *shape);

/* ---- convolution by Winograd's F(4x4, 3x3) and F(2x2, 3x3) ---- */

/* A 3x3 convolution of blocked activations in tiles of 4x4 outputs (Lavin & Gray, "Fast algorithms
 * for convolutional neural networks", CVPR 2016): 36 products per tile and pair of channels instead
 * of 144. With input transform B, filter transform G and output transform A, and the interpolation
 * points 0, +-5/8, +-3/2 and infinity (smaller errors than 0, +-1, +-2: Barabasz, Anderson,
 * Soodhalter, Gregg, "Error analysis and improving the accuracy of Winograd convolution", 2020).
 *
 * Maps that would fill few of such tiles take tiles of 2x2 outputs: 16 products instead of 36, and
 * the points 0, +-1 and infinity. Where a tile size is a number, it is 2 or 4; 0 stands for the
 * direct convolution. */
static inline size_t vgg_winograd_points(size_t tile) {
    return (tile + 2) * (tile + 2);
}

/* Where a tile of 2x2 is all of a map with padding, four of the six products in each dimension are
 * with zeros: what two values are with three taps takes 3 products, instead of the 4 of a tile that
 * has neighbours, and a tile 9 instead of 16. */
#define VGG_WHOLE_POINTS 9
static inline bool vgg_winograd_is_whole(const vgg_conv_shape *shape, size_t tile) {
    return tile == 2 && shape->height == 2 && shape->width == 2 && shape->crop == 0;
}

/* Output channels whose products are made together. */
#define VGG_WINOGRAD_GROUP 32

/* A tile of 1 stands for the convolution itself, of 3x3 or 1x1 taps, with operands of bfloat16: no
 * transforms, one place to a tile, as many points as taps. It is done as a product of matrices,
 * [places][channels] by [channels][32 output channels] for each tap, by units of a processor that
 * multiply matrices: a tap is a distance between places in a patch of the input, whose rows share
 * their borders of zeros. Places of the patch that are none of the output are computed, too, and
 * left out. */
typedef struct vgg_direct_cut {
    size_t images, rows; /* of a part, at most: whole images, or an even number of rows of one */
    size_t row_parts;    /* parts of an image; 1 where a part has several */
    size_t parts;        /* of the batch */
    size_t period;       /* rows of a patch from one image to the next */
    size_t width;        /* places in a row of a patch */
    size_t plane;        /* places of a patch, with some more that its last products read */
    size_t strip;        /* rows of a patch whose products wait together to be stored */
    bool across;         /* the places of an operand are one place of several images, and taps that
                          * see no map are left out: no patch */
} vgg_direct_cut;

/* Products of a place of a patch, of all that are computed for the batch: those of 9 taps are 1. */
double vgg_direct_places(const vgg_conv_shape *shape, const vgg_direct_cut *cut);

/* Input channels of a place of a patch that lie together. */
#define VGG_DIRECT_CHANNELS 32

static inline size_t vgg_direct_chunks(size_t channels) {
    return (channels + VGG_DIRECT_CHANNELS - 1) / VGG_DIRECT_CHANNELS;
}

/* With plain input, of so many channels at most, a tile of 1 reads all that an output needs as a
 * row of one operand: three columns of the values of all channels in three rows, which a zero makes
 * an even number of. */
#define VGG_PLAIN_CHANNELS 3

static inline size_t vgg_plain_column(size_t channels) {
    return (3 * channels + 1) / 2 * 2;
}

/* Places that the gradient of its weights takes at once, and the registers of 16 rows that all taps
 * of so many channels are. */
#define VGG_PLAIN_STEP 32

static inline size_t vgg_plain_halves(size_t channels) {
    return (channels * VGG_MOST_TAPS + VGG_BLOCK - 1) / VGG_BLOCK;
}

/* A unit takes some tiles from input to output, for some groups of output channels. It shares
 * nothing with others: what one core writes and another reads costs more than doing it twice. */
typedef struct vgg_winograd_partition {
    size_t tile; /* outputs on a side of a tile: 2 or 4 */
    bool bf16;   /* the operands of the products are bfloat16, two input channels in the place of a
                  * float */
    bool matrices; /* and are multiplied as matrices */
    bool int8;     /* they are whole numbers of 8 bits, four input channels in that place */
    bool whole;    /* a tile is all of a map: VGG_WHOLE_POINTS */
    bool stored;   /* the filters of all groups are stored; else a unit makes those that it needs */
    bool ahead; /* stored filters are fetched into the second-level cache ahead of the products */
    bool plain; /* a tile of 1 of plain input */
    size_t tile_rows, tile_columns; /* of an image */
    size_t tiles, tile_units;       /* tiles of a unit, counted through all images */
    size_t groups, group_units;     /* groups of output channels of a unit */
    size_t units;                   /* tile_units * group_units, those of the same tiles together */
    size_t channels;                /* not stored: input channels whose filters are made at once */
    size_t row;                     /* floats between two tiles of transformed input */
    size_t filter_point;            /* floats between two points of the filters of a group */
    size_t product_point;           /* floats between two points of the products of a unit */
    size_t filters;                 /* floats of the stored filters, else 0 */
    size_t scratch;                 /* floats per worker, for this and any smaller batch */
    vgg_direct_cut direct;          /* of a tile of 1, whose tile_units are the parts; then filters
                                     * are [K / 32][C / 32][taps][2] pieces of bfloat16, [16 pairs
                                     * of channels][16 k][2], zero beyond C and K; of plain input
                                     * [K / 16][2] pieces, pairs of what an operand's row has,
                                     * rounded, and then of what rounding left; of
                                     * int8 [K / 32][C / 64][taps][2] pieces, [16][16 k][4], behind
                                     * the pieces of a group what its 32 sums begin with, and what
                                     * they are worth: filter_point words a group */
} vgg_winograd_partition;

/* Of one thread and float32, for the cost rule: units that make filters. Filters of up to 256 by
 * 256 channels are counted so, too, as reading them where they are stored takes about as long as
 * making them once; of up to 128 by 128, which are in a near cache, none. */
size_t vgg_winograd_filter_units(const vgg_conv_shape *shape, size_t tile);

/* The units depend on the number of threads, too; the results do not. */
vgg_winograd_partition vgg_winograd_partition_of(const vgg_conv_shape *shape, size_t tile,
                                                 size_t threads);
/* With operands of bfloat16. All filters are stored then: they take half of the time to read, and
 * the products half of the time in which they could be made. */
vgg_winograd_partition vgg_winograd_bf16_partition_of(const vgg_conv_shape *shape, size_t tile,
                                                      size_t threads);
/* The same where a processor multiplies matrices of them. */
vgg_winograd_partition vgg_winograd_matrices_partition_of(const vgg_conv_shape *shape, size_t tile,
                                                          size_t threads);
/* The same with whole numbers of 8 bits. */
vgg_winograd_partition vgg_winograd_int8_partition_of(const vgg_conv_shape *shape, size_t tile,
                                                      size_t threads);

/* With tiles of 1, for kernels of 3x3 and 1x1, and for plain input for 3x3; of int8 not for plain
 * input. */
vgg_winograd_partition vgg_direct_partition_of(const vgg_conv_shape *shape, size_t threads);
vgg_winograd_partition vgg_direct_int8_partition_of(const vgg_conv_shape *shape, size_t threads);

/* Floats of a line of plain input: columns of numbers of bfloat16, and what is written behind. */
static inline size_t vgg_plain_line(const vgg_conv_shape *shape, const vgg_direct_cut *cut) {
    size_t numbers = cut->plane * vgg_plain_column(shape->inputs) + VGG_BLOCK;
    return vgg_round_up(numbers, 2 * VGG_BLOCK) / 2;
}

/* G of the transform of filters, whose points are G w G^T: tile + 2 rows. */
typedef float vgg_filter_row[3];
const vgg_filter_row *vgg_winograd_filter_matrix(size_t tile);

/* Most input channels whose sums of products of 8 bits fit in 32, by transforms and with tiles
 * of 1.
 */
#define VGG_INT8_CHANNELS ((size_t)1 << 16)
#define VGG_INT8_DIRECT_CHANNELS ((size_t)7 << 10)

/* y = pool?(relu?((conv(x, w) + bias) * scale + shift)). Unit: as in the partition.
 *
 * With bf16 the transformed input and the transformed filters are rounded to bfloat16, to nearest
 * even, and denormals are zeros. The sum of a point's products starts at 0 and takes the input
 * channels in pairs (0, 1), (2, 3) and so on, of each pair the odd one first; each product is added
 * as by a fused multiply-add of float32. Units of a processor that multiply matrices take 32
 * channels at a time, as vgg_linear_kernels says of them. All else is in float32.
 *
 * With int8 a point of the transformed input is multiplied by its factor and rounded to a whole
 * number, to nearest even, at most 127 and at least -127, and NaN becomes 0; a point of a filter is
 * divided by its scale of the point and output channel, and rounded likewise. The sums of their
 * products are exact, and become floats, rounded, that are multiplied by what a product is worth:
 * the scale over the factor. All else is in float32.
 *
 * With int8 and tiles of 1, of task->numbers the input's whole numbers are from 0 to 255, and what
 * lies around the input is the zero; weights become -127 to 127, divided by their output channel's
 * scale. The sums of the products of numbers less their zero are exact, and rounded to floats; y =
 * pool?(relu?(sum * a + b)) with a = scale / factor * batch norm's scale, b = bias * scale + shift,
 * all of float32, each product and sum rounded by itself, so that every tier has the same bits. */
typedef struct vgg_winograd_task {
    vgg_conv_shape shape;
    vgg_winograd_partition partition;
    const float *x;
    const uint16_t *x_bf16; /* bf16: the map in bfloat16, blocked alike, in place of x; NULL:
                             * x. So are the others that are named so */
    const void *weights;    /* (K, C, 3, 3); turned: (C, K, 3, 3), as in vgg_conv_pack_task */
    vgg_element element;    /* of the weights: float32, float16 or bfloat16 */
    bool turned;
    float *filters;       /* stored: [K / 32][points][filter_point], a point of which begins with
                           * [C][32], with bf16 [ceil(C / 2)][32][2], with int8
                           * [ceil(C / 4)][32][4], what 32 sums begin with, what they are times;
                           * written by the kernel `filters` */
    const float *factors; /* int8: per point, finite and above 0 */
    const float *scales;  /* int8: (K, points), likewise; tiles of 1: (K) */
    vgg_int8_numbers numbers; /* int8 with tiles of 1: of the input */
    const uint8_t *x_numbers; /* the same: the input where it is numbers already; else NULL */
    vgg_int8_numbers y_form;  /* of y_numbers; with relu its zero is 0 */
    uint8_t *y_numbers;       /* the same: what is put out as numbers in place of y; else NULL */
    int offset;               /* int8, of the table: for `filters` */
    const float *bias, *scale, *shift; /* as in vgg_conv_forward_task */
    bool relu;
    bool pool;                /* 2x2 max-pool behind it: y is of half the height and width */
    vgg_choice *chosen;       /* pool: what it took, per block of y; NULL: not wanted */
    const vgg_choice *spread; /* x is the gradient of what a 2x2 max-pool gave, and has half the
                               * height and width: its values belong where these say; not with
                               * crop; else NULL */
    const float *gate; /* shaped as y, which becomes 0 where this is not > 0: the ReLU that gave it;
                        * not with pool; NULL: none */
    const uint16_t *gate_bf16;
    bool stream; /* y is too large for the caches */
    float *y;
    uint16_t *y_bf16; /* rounded to nearest even, a denormal to zero */
    float *scratch;
} vgg_winograd_task;

/* Gradients of weights and bias from x and dy. The images are cut into `groups` of neighbours; unit
 * (group, k block, c block), the c block fastest, writes its own part of `partial`, which is
 * [groups][K / 16][C / 16][kernel^2][16 c][16 k] ([groups][K / 16][C][kernel^2][16 k] for plain
 * input, where a unit is one channel) and sums in order over the images and rows of its group. The
 * units with c block 0 also write bias_partial, [groups][K / 16][16]. */
typedef struct vgg_conv_weights_task {
    vgg_conv_shape shape;
    size_t groups;
    size_t units;
    const float *x;
    const float *dy;         /* blocked */
    const uint16_t *dy_bf16; /* the map in bfloat16, blocked alike, in place of dy; NULL: dy */
    float *partial, *bias_partial;
    float *scratch; /* vgg_conv_weights_scratch floats per worker */
} vgg_conv_weights_task;

size_t vgg_conv_weights_groups(const vgg_conv_shape *shape);
size_t vgg_conv_weights_units(const vgg_conv_shape *shape);
/* Pixels whose products are summed in registers before they are added to the sums in memory, which
 * keeps rounding errors small: a tree of two levels within an image. */
#define VGG_CONV_CHUNK 128
size_t vgg_conv_weights_scratch(const vgg_conv_shape *shape);
/* Of which the first floats are the input with a border of zeros. */
size_t vgg_conv_weights_patch(const vgg_conv_shape *shape);
/* Floats of one group's part of `partial`. */
size_t vgg_conv_weights_partial(const vgg_conv_shape *shape);

/* Adds the groups in order and writes the gradient as (K, C, kernel, kernel) and (K). Unit: a k
 * block. */
typedef struct vgg_conv_reduce_task {
    vgg_conv_shape shape;
    size_t groups;
    const float *partial, *bias_partial;
    float *dweights, *dbias;
    bool accumulate; /* adds to what dweights and dbias hold */
} vgg_conv_reduce_task;

/* ---- gradients of weights by Winograd's F(3x3, 4x4) and F(3x3, 2x2) ---- */

/* The same gradients with 36 products per tile and pair of channels instead of 144, or 16 instead
 * of
 * 36. With forward's transforms, y = A^T ((G w G^T) . (B^T x B)) A per tile, the gradient is dw =
 * G^T (sum over tiles of (B^T x B) . (A dy A^T)) G; what lies outside of the picture counts as
 * zero.
 *
 * A unit does some input with some output channels, for one group of neighbouring tiles, counted
 * through all images. It shares nothing with others, even if they make the same transforms again:
 * what one core wrote is slow to read and slower to write for another. */
typedef struct vgg_winograd_weights_partition {
    size_t tile;                        /* values of dy on a side of a tile: 2 or 4 */
    bool bf16;                          /* the operands of the products are bfloat16, two tiles in
                                         * the place of a float */
    bool whole;                         /* a tile is all of a map: VGG_WHOLE_POINTS */
    bool plain;                         /* a tile of 1 of plain input */
    size_t tile_rows, tile_columns;     /* of an image */
    size_t groups;                      /* of tiles */
    size_t words;                       /* of tiles that are transformed at once, at most: of one
                                         * tile each, with bf16 of two */
    size_t c_blocks, k_blocks;          /* channel blocks of a unit, at most */
    size_t c_units, k_units;            /* into which the channels are cut */
    size_t units;                       /* groups * k_units * c_units, the latter fastest */
    size_t input_point, gradient_point; /* words between two points of the transformed x and dy */
    size_t sum_point;                   /* the same of a unit's sums */
    size_t sums;           /* floats of all units' parts of dweights; 0 for one group */
    size_t bias_sums;      /* floats of all groups' sums of dy; 0 for one group */
    size_t scratch;        /* floats per worker */
    vgg_direct_cut direct; /* of a tile of 1: a group is some of its parts */
} vgg_winograd_weights_partition;

vgg_winograd_weights_partition vgg_winograd_weights_partition_of(const vgg_conv_shape *shape,
                                                                 size_t tile);
/* With operands of bfloat16. */
vgg_winograd_weights_partition vgg_winograd_weights_bf16_partition_of(const vgg_conv_shape *shape,
                                                                      size_t tile);

/* With tiles of 1, also of plain input, whose groups are of whole images. */
vgg_winograd_weights_partition vgg_direct_weights_partition_of(const vgg_conv_shape *shape);

/* With one group, the units of the kernel `weights` write the gradients. With several they write
 * what they would be of their tiles alone, which `weights_finish` then adds in order.
 *
 * With bf16 the transformed x and dy are rounded to bfloat16 as in vgg_winograd_task. A group's sum
 * at a point takes its tiles in pairs from its first one on, of each pair the odd one first, as
 * vgg_winograd_task does channels; pieces of at most `words` pairs, as equal as possible, are
 * summed from 0 on each and then added in order. All else is in float32. */
typedef struct vgg_winograd_weights_task {
    vgg_conv_shape shape; /* kernel 3; plain with a tile of 1 alone */
    vgg_winograd_weights_partition partition;
    const float *x, *dy;              /* blocked */
    const uint16_t *x_bf16, *dy_bf16; /* as in vgg_winograd_task */
    const vgg_choice *spread; /* dy is that of a 2x2 max-pool's output, as in vgg_winograd_task */
    float *sums;              /* [units][k_blocks][c_blocks], a pair of blocks as a tier likes it */
    float *bias_sums;         /* [groups][K / 16][16] */
    bool accumulate;          /* adds to what dweights and dbias hold */
    float *dweights, *dbias;  /* (K, C, 3, 3) and (K) */
    float *scratch;
} vgg_winograd_weights_task;

/* Units of weights_finish: a block of output and a block of input channels. */
static inline size_t vgg_winograd_weights_finish_units(const vgg_conv_shape *shape) {
    return vgg_blocks(shape->outputs) * vgg_blocks(shape->inputs);
}

#endif
