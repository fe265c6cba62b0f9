/* The kernels: what runs on the processor, as one table of function pointers and their contracts.
 *
 * Inside a network activations are blocked by channels: (N, ceil(C / 16), H, W, 16) floats, where
 * the channels beyond C in the last block are zero. Every kernel keeps them zero as long as values
 * are finite. Where a network meets the outside, activations are plain: (N, C, H, W).
 *
 * A kernel is a vgg_work: it does the units begin..end-1 of a task that its argument struct
 * describes, and the struct says what a unit is and how many there are. The result of a unit
 * depends on nothing but the task, so that every division among threads gives the same bits; and
 * what belongs to one image depends on that image alone, so that every batch gives the same bits
 * too.
 *
 * Sums are in a fixed order within a tier; different tiers differ in the last bits. kernels/ref/ is
 * the specification: plain loops that accumulate in double. */
#ifndef VGG_KERNELS_KERNELS_H
#define VGG_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/elements.h"
#include "base/memory.h"
#include "base/threads.h"

#define VGG_BLOCK 16

static inline size_t vgg_blocks(size_t channels) {
    return (channels + VGG_BLOCK - 1) / VGG_BLOCK;
}

/* Floats of a blocked activation. */
static inline size_t vgg_blocked_size(size_t images, size_t channels, size_t pixels) {
    return images * vgg_blocks(channels) * pixels * VGG_BLOCK;
}

/* Which of each 2x2 window a max-pool took, for a block of channels at one place: bit c says the
 * column and the row within the window for channel c. */
typedef struct vgg_choice {
    uint16_t columns, rows;
} vgg_choice;

/* ---- convolution ---- */

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
    bool stream;    /* y is too large for the caches */
    bool pool;      /* 2x2 max-pool behind it: y is of half the height and width */
    float *y;       /* blocked */
    float *scratch; /* partition.scratch floats per worker */
} vgg_conv_forward_task;

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

/* Output channels whose products are made together. */
#define VGG_WINOGRAD_GROUP 32

/* A unit takes some tiles from input to output, for some groups of output channels. It shares
 * nothing with others: what one core writes and another reads costs more than doing it twice. */
typedef struct vgg_winograd_partition {
    size_t tile; /* outputs on a side of a tile: 2 or 4 */
    bool stored; /* the filters of all groups are stored; else a unit makes those that it needs */
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
} vgg_winograd_partition;

/* The units depend on the number of threads, too; the results do not. */
vgg_winograd_partition vgg_winograd_partition_of(const vgg_conv_shape *shape, size_t tile,
                                                 size_t threads);

/* y = pool?(relu?((conv(x, w) + bias) * scale + shift)). Unit: as in the partition. */
typedef struct vgg_winograd_task {
    vgg_conv_shape shape;
    vgg_winograd_partition partition;
    const float *x;
    const void *weights; /* (K, C, 3, 3); turned: (C, K, 3, 3), as in vgg_conv_pack_task */
    vgg_element element; /* of the weights: float32, float16 or bfloat16 */
    bool turned;
    float *filters; /* stored: [K / 32][points][filter_point], a point of which begins with
                     * [C][32]; written by the kernel `filters` */
    const float *bias, *scale, *shift; /* as in vgg_conv_forward_task */
    bool relu;
    bool pool;                /* 2x2 max-pool behind it: y is of half the height and width */
    vgg_choice *chosen;       /* pool: what it took, per block of y; NULL: not wanted */
    const vgg_choice *spread; /* x is the gradient of what a 2x2 max-pool gave, and has half the
                               * height and width: its values belong where these say; not with
                               * crop; else NULL */
    const float *gate; /* shaped as y, which becomes 0 where this is not > 0: the ReLU that gave it;
                        * not with pool; NULL: none */
    bool stream;       /* y is too large for the caches */
    float *y;
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
    const float *dy; /* blocked */
    float *partial, *bias_partial;
    float *scratch; /* vgg_conv_weights_scratch floats per worker */
} vgg_conv_weights_task;

size_t vgg_conv_weights_groups(const vgg_conv_shape *shape);
size_t vgg_conv_weights_units(const vgg_conv_shape *shape);
size_t vgg_conv_weights_scratch(const vgg_conv_shape *shape);
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
    size_t tile_rows, tile_columns;     /* of an image */
    size_t groups;                      /* of tiles */
    size_t tiles;                       /* of a group that are transformed at once, at most */
    size_t c_blocks, k_blocks;          /* channel blocks of a unit, at most */
    size_t c_units, k_units;            /* into which the channels are cut */
    size_t units;                       /* groups * k_units * c_units, the latter fastest */
    size_t input_point, gradient_point; /* floats between two points of the transformed x and dy */
    size_t sum_point;                   /* the same of a unit's sums */
    size_t sums;                        /* floats of all units' sums; 0 for one group */
    size_t bias_sums;                   /* floats of all groups' sums of dy; 0 for one group */
    size_t scratch;                     /* floats per worker */
} vgg_winograd_weights_partition;

vgg_winograd_weights_partition vgg_winograd_weights_partition_of(const vgg_conv_shape *shape,
                                                                 size_t tile);

/* With one group, the units of the kernel `weights` write the gradients. With several they write
 * their sums, which `weights_finish` then adds in order. */
typedef struct vgg_winograd_weights_task {
    vgg_conv_shape shape; /* kernel 3, not plain */
    vgg_winograd_weights_partition partition;
    const float *x, *dy;      /* blocked */
    const vgg_choice *spread; /* dy is that of a 2x2 max-pool's output, as in vgg_winograd_task */
    float *sums;              /* [units][points][sum_point] */
    float *bias_sums;         /* [groups][K / 16][16] */
    bool accumulate;          /* adds to what dweights and dbias hold */
    float *dweights, *dbias;  /* (K, C, 3, 3) and (K) */
    float *scratch;
} vgg_winograd_weights_task;

/* Units of weights_finish: a block of output and a block of input channels. */
static inline size_t vgg_winograd_weights_finish_units(const vgg_conv_shape *shape) {
    return vgg_blocks(shape->outputs) * vgg_blocks(shape->inputs);
}

/* ---- linear ---- */

/* Weights are row-major (outputs, inputs) as they are in files. */
typedef struct vgg_linear_task {
    size_t images, inputs, outputs;
    const float *x; /* (images, inputs) */
    const void *weights;
    vgg_element element; /* of the weights: float32, and for linear_forward also float16, bfloat16
                          * and int8, which are widened on the way */
    const float *scales; /* (outputs): what the int8 numbers of a row are times; else NULL */
    const float *bias;   /* (outputs) */
    bool relu;
    float *y; /* (images, outputs) */
    const float *dy;
    float *dx, *dweights, *dbias;
    bool accumulate; /* linear_weights adds to dweights and dbias instead of writing them */
} vgg_linear_task;

/* Outputs per unit of linear_forward and linear_weights; inputs per unit of linear_input. */
#define VGG_LINEAR_OUTPUTS 32
#define VGG_LINEAR_INPUTS 512

/* A step of SGD of a linear layer whose gradients are never stored: from dw = dy^T x and db = the
 * sums of dy over all images, what vgg_sgd_task does, in one pass over the weights. Unit:
 * VGG_LINEAR_UPDATE outputs. */
typedef struct vgg_linear_update_task {
    size_t images, inputs, outputs;
    const float *x_panels;             /* of VGG_LINEAR_X columns of x (images, inputs) */
    const float *dy_panels;            /* of VGG_LINEAR_DY columns of dy (images, outputs) */
    float *weights, *weights_velocity; /* (outputs, inputs) */
    float *bias, *bias_velocity;       /* (outputs) */
    float rate, momentum, decay;
    bool nesterov;
} vgg_linear_update_task;

/* A register tile of linear_update. */
#define VGG_LINEAR_X 64
#define VGG_LINEAR_DY 6
#define VGG_LINEAR_UPDATE (4 * VGG_LINEAR_DY)

/* Rows of a matrix (rows, columns) in panels of `width` columns, [columns / width][rows][width],
 * zero beyond the last column. Unit: a panel. */
typedef struct vgg_panel_task {
    size_t rows, columns, width;
    const float *from;
    float *to;
} vgg_panel_task;

static inline size_t vgg_panel_count(size_t columns, size_t width) {
    return (columns + width - 1) / width;
}

/* ---- pooling ---- */

/* Blocked in and out; unit: one channel block of one image. Max-pooling is 2x2 with stride 2, the
 * last row or column of an odd size left out; ties go to the first in reading order, and NaN wins,
 * as in PyTorch. So is average_pool_2x2. Average pooling has a fixed output size with PyTorch's
 * adaptive windows: from floor(i * in / out) to ceil((i + 1) * in / out). The global pools have one
 * window, and an output of 1x1; global_max_backward finds in x what gave y, the first of equal
 * values. */
typedef struct vgg_pool_task {
    size_t images, channels, height, width; /* of the input */
    size_t out_height, out_width;
    const float *x;
    float *y;
    vgg_choice *chosen; /* max-pool: per block of y; NULL: not wanted */
    const float *dy;
    float *dx; /* backward writes all of it */
    bool relu; /* max_pool_backward: dy counts only where y > 0, for a ReLU before the pool */
} vgg_pool_task;

/* ---- normalisation ---- */

/* Batch normalisation of blocked activations. Unit: one channel block of one image. */
typedef struct vgg_batch_norm_task {
    size_t images, channels, pixels;
    size_t width; /* _pool_: pixels in a row of x; y and dy are of half the height and width */
    vgg_choice *chosen; /* _pool_: what was taken, per block of y; batch_norm_pool: NULL: not wanted
                         */
    const float *x;     /* the input, which is the convolution's output */
    const float *scale; /* gamma / sqrt(variance + eps), per channel, zero beyond C */
    const float *shift; /* beta - mean * scale */
    bool relu;
    bool stream; /* batch_norm's y, batch_norm_pool_backward's dx is too large for the caches */
    float *y;
    float *sums; /* statistics: [N][C / 16][2][16]: mean and sum of squared distances from it
                  * gradient sums: the same with sum of dy and sum of dy * (x - mean) */
    const float *mean;
    const float *dy;      /* where relu: counts only where x * scale + shift > 0 */
    const float *from_dy; /* dx = dy * from_dy + (x - mean) * from_x + constant, per channel */
    const float *from_x;
    const float *constant;
    float *dx; /* may be dy, but not in batch_norm_pool_backward */
} vgg_batch_norm_task;

/* What batch normalisation does per channel, in double and in the order of the images. Unit: a
 * block of channels. All arrays are per channel, and what lies beyond C is left alone. */
typedef struct vgg_norm_channels_task {
    size_t images, channels, pixels;
    double epsilon, momentum;
    const float *gamma, *beta;
    const float *running_mean, *running_variance; /* for batch_norm_running */
    float *moved_mean, *moved_variance;           /* batch_norm_batch moves these by the momentum */
    const float *sums;                            /* of the kernel before */
    float *mean, *inverse; /* 1 / sqrt(variance + epsilon); _running: both may be NULL */
    float *scale, *shift;
    /* batch_norm_gradients, from inverse, scale and sums: */
    bool batch_statistics; /* dx goes through the mean and the variance, too */
    bool accumulate;       /* adds to what dgamma and dbeta hold */
    float *dgamma, *dbeta; /* both NULL: not wanted, and sums is not read */
    float *from_dy, *from_x, *constant;
} vgg_norm_channels_task;

/* y = x / (k + alpha * sum of x^2 over the channels within VGG_LRN_REACH)^(3/4) (Krizhevsky et al.
 * 2012, section 3.3). Blocked; unit: one row of one image. */
typedef struct vgg_lrn_task {
    size_t images, channels, height, width;
    double k, alpha;
    const float *x;
    float *y;
    const float *dy;
    float *dx;
} vgg_lrn_task;

#define VGG_LRN_REACH 2 /* channels on either side */
#define VGG_LRN_POWER 0.75

/* ---- elementwise ---- */

/* Units of VGG_CHUNK values of an array, the last one shorter. */
#define VGG_CHUNK 16384

static inline size_t vgg_chunks(size_t count) {
    return (count + VGG_CHUNK - 1) / VGG_CHUNK;
}

/* y = max(x, 0). */
typedef struct vgg_relu_forward_task {
    size_t count;
    const float *x;
    float *y;
} vgg_relu_forward_task;

/* dy becomes dy * factor where y > 0 and 0 elsewhere. */
typedef struct vgg_relu_task {
    size_t count;
    const float *y;
    float *dy;
    float factor;
} vgg_relu_task;

/* Stochastic gradient descent: g = gradient + decay * w; v = momentum * v + g; w -= rate * v, or
 * with Nesterov's momentum w -= rate * (g + momentum * v). */
typedef struct vgg_sgd_task {
    size_t count;
    float *values, *velocity;
    const float *gradient;
    float rate, momentum, decay;
    bool nesterov;
} vgg_sgd_task;

/* Plain (N, C, H, W) to blocked and back. Unit: one channel block of one image. */
typedef struct vgg_block_task {
    size_t images, channels, pixels;
    const float *x;
    float *y;
} vgg_block_task;

/* y is x with probability 1 - p, divided by 1 - p, else 0. Value i draws number first + i of the
 * stream (seed, step, layer), so that the mask depends on nothing else. */
typedef struct vgg_dropout_task {
    size_t count;
    uint64_t first;
    const float *x;
    float *y; /* may be x */
    double probability;
    uint64_t seed, stream;
} vgg_dropout_task;

/* ---- the machine ---- */

/* Measures rates: machine_multiply does VGG_MACHINE_ROUNDS rounds of multiply-adds in registers per
 * unit, machine_read reads VGG_MACHINE_FLOATS values per unit. */
#define VGG_MACHINE_ROUNDS 20000
#define VGG_MACHINE_FLOATS 65536

typedef struct vgg_machine_task {
    float *values;
    float *results; /* per unit, so that no work can be left out */
} vgg_machine_task;

/* ---- the table ---- */

/* Those of a tile size. */
typedef struct vgg_winograd_kernels {
    vgg_work *filters; /* vgg_winograd_task: unit = group of output channels */
    vgg_work *forward; /* unit as in the partition */
    vgg_work *weights; /* vgg_winograd_weights_task */
    vgg_work *weights_finish;
} vgg_winograd_kernels;

typedef struct vgg_kernels {
    const char *tier;
    const struct vgg_conv_costs *costs; /* of the cost rule: conv_cost.h */
    vgg_work *conv_pack;                /* vgg_conv_pack_task */
    vgg_work *conv_forward;             /* vgg_conv_forward_task */
    vgg_work *conv_weights;             /* vgg_conv_weights_task */
    vgg_work *conv_reduce;              /* vgg_conv_reduce_task */
    vgg_winograd_kernels winograd2, winograd4;
    vgg_work *linear_forward; /* vgg_linear_task: y = relu?(scales? x w^T + bias) */
    vgg_work *linear_input;   /* dx = dy w */
    vgg_work *linear_weights; /* dweights = dy^T x, dbias = sums of dy */
    vgg_work *linear_update;  /* vgg_linear_update_task */
    vgg_work *panels;         /* vgg_panel_task */
    vgg_work *max_pool;       /* vgg_pool_task */
    vgg_work *max_pool_backward;
    vgg_work *average_pool;
    vgg_work *average_pool_backward;
    vgg_work *average_pool_2x2;
    vgg_work *average_pool_2x2_backward;
    vgg_work *global_average, *global_average_backward;
    vgg_work *global_max, *global_max_backward;
    vgg_work *batch_norm_statistics; /* vgg_batch_norm_task: x -> sums */
    vgg_work *batch_norm;            /* x -> y */
    vgg_work *batch_norm_sums;       /* x, dy -> sums */
    vgg_work *batch_norm_backward;   /* x, dy -> dx */
    vgg_work *batch_norm_pool;       /* the same with a 2x2 max-pool behind it: x -> y, chosen */
    vgg_work *batch_norm_pool_sums;
    vgg_work *batch_norm_pool_backward;
    vgg_work *batch_norm_running;   /* vgg_norm_channels_task: running statistics -> scale, shift */
    vgg_work *batch_norm_batch;     /* sums -> mean, inverse, scale, shift, moved statistics */
    vgg_work *batch_norm_gradients; /* sums -> dgamma, dbeta, from_dy, from_x, constant */
    vgg_work *lrn;                  /* vgg_lrn_task */
    vgg_work *lrn_backward;
    vgg_work *relu;             /* vgg_relu_forward_task */
    vgg_work *relu_backward;    /* vgg_relu_task */
    vgg_work *sgd;              /* vgg_sgd_task */
    vgg_work *dropout;          /* vgg_dropout_task */
    vgg_work *block, *unblock;  /* vgg_block_task */
    vgg_work *machine_multiply; /* vgg_machine_task */
    vgg_work *machine_read;
    size_t (*machine_operations)(
        void); /* floating-point operations of a unit of machine_multiply */
} vgg_kernels;

static inline const vgg_winograd_kernels *vgg_winograd_kernels_of(const vgg_kernels *kernels,
                                                                  size_t tile) {
    return tile == 2 ? &kernels->winograd2 : &kernels->winograd4;
}

/* The tiers that this build has and this processor can run, best first; NULL beyond. */
const vgg_kernels *vgg_kernels_at(size_t index);

/* The table in use: the best, or the one that VGG_CPU names. Chosen at the first call. */
vgg_status vgg_kernels_get(const vgg_kernels **kernels, vgg_error *error);

#endif
