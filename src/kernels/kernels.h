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
#include "kernels/blocks.h"
#include "kernels/convolution.h"

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
    float *operands; /* of bf16_linear: x rounded, [inputs / 32][images / 16] pieces of
                      * VGG_LINEAR_PIECE floats, each numbers of bfloat16, [16 pairs of inputs][16
                      * images][2], zero beyond the last input and image */
} vgg_linear_task;

/* With operands of bfloat16 by units of a processor that multiply matrices: x and the weights, of
 * any element, are rounded to nearest even. Sums start at 0 and take inputs in runs of 32, of which
 * those of even and of odd number are summed apart from 0 on, each product added as by a fused
 * multiply-add of float32, then both together; denormals are zeros. All else is in float32. First
 * `operands`, whose unit is a run, then `forward`, whose unit is that of linear_forward. */
typedef struct vgg_linear_kernels {
    vgg_work *operands, *forward;
} vgg_linear_kernels;

#define VGG_LINEAR_RUN 32
#define VGG_LINEAR_IMAGES 16
#define VGG_LINEAR_PIECE (VGG_LINEAR_RUN / 2 * VGG_LINEAR_IMAGES)

static inline size_t vgg_linear_runs(size_t inputs) {
    return (inputs + VGG_LINEAR_RUN - 1) / VGG_LINEAR_RUN;
}

/* Images in groups of VGG_LINEAR_IMAGES. */
static inline size_t vgg_linear_groups(size_t images) {
    return (images + VGG_LINEAR_IMAGES - 1) / VGG_LINEAR_IMAGES;
}

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

/* ---- linear layers at every place of a map ---- */

/* Rows of features from a blocked map: for each place of a window in it, in reading order, what is
 * in the window, (channels, window_height, window_width). Unit: a place of an image. */
typedef struct vgg_windows_task {
    size_t images, channels, height, width;
    size_t window_height, window_width;
    const float *x;
    float *y; /* (images, places, features) */
} vgg_windows_task;

/* A linear layer that sees windows of 7x7 of a map: a convolution of that size without padding,
 * whose outputs are the rows of places. It is done in tiles of 3x3 places by Winograd's transforms,
 * one of the taps 0 to 3 and one of the taps 4 to 6 in each dimension: F(3, 4) and F(3, 3), 11
 * points together, so that a tile takes 121 products per pair of an input channel and an output
 * instead of 441, with errors as small as those of the direct sum (F(3, 7) has 9 points, and twenty
 * times the errors).
 *
 * First window_inputs, whose unit is a block of channels, then window_linear, whose unit is a group
 * of VGG_WINOGRAD_GROUP outputs. */
#define VGG_WINDOW 7
#define VGG_WINDOW_TILE 3
#define VGG_WINDOW_POINTS 121

typedef struct vgg_window_task {
    size_t images, channels, height, width; /* of the map: height and width of 7 or more */
    size_t outputs;
    const float *x;      /* blocked */
    const void *weights; /* (outputs, channels, 7, 7) */
    vgg_element element; /* of the weights, and scales, as in vgg_linear_task */
    const float *scales;
    const float *bias; /* (outputs) */
    bool relu;
    float *y;       /* (images, places, outputs) */
    float *v;       /* vgg_window_tiles * vgg_window_tile_floats: the transformed input */
    float *scratch; /* vgg_window_scratch floats per worker */
} vgg_window_task;

/* Tiles of an image, and floats of a transformed tile. */
size_t vgg_window_tiles(size_t height, size_t width);
size_t vgg_window_tile_floats(size_t channels);
/* Of all images' tiles. */
size_t vgg_window_scratch(size_t tiles);
/* Whether it takes less time than multiplying rows, for so many images. */
bool vgg_window_pays(size_t images, size_t height, size_t width);

/* The mean of each column over the rows of an image, summed in double. Unit: VGG_MEAN_COLUMNS
 * columns of all images. */
#define VGG_MEAN_COLUMNS 64
typedef struct vgg_row_means_task {
    size_t images, rows, columns;
    const float *x; /* (images, rows, columns) */
    float *y;       /* (images, columns) */
} vgg_row_means_task;

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
    /* Maps in bfloat16, blocked alike, in place of those; NULL: those. What is stored is rounded to
     * nearest even, a denormal to zero. */
    const uint16_t *x_bf16, *dy_bf16;
    uint16_t *y_bf16, *dx_bf16;
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

/* y = x rounded to bfloat16, to nearest even; a denormal becomes a zero. Unit: VGG_CHUNK values. */
typedef struct vgg_bf16_task {
    size_t count;
    const float *x;
    uint16_t *y;
} vgg_bf16_task;

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

/* ---- LPIPS ---- */

/* LPIPS of what a layer gives: x for a picture and y for the reference, both of one image and
 * blocked. With the length |x| of all channels at a place and d = x / (|x| + epsilon) - y / (|y| +
 * epsilon), a place's distance is the sum over channels of w d^2, and the layer's their mean.
 *
 * First lpips_lengths for the reference as x, then lpips_compare, whose units are pairs of rows,
 * and which can do the 2x2 max-pool behind as well; then, for the gradient, lpips_slopes, whose
 * unit is a row of a block. */
#define VGG_LPIPS_EPSILON 1e-10

typedef struct vgg_lpips_task {
    size_t channels, height, width;
    const float *x, *y;
    float *inverse;         /* (H, W): becomes 1 / (|x| + epsilon), or 0 where |x| is 0 */
    const float *y_inverse; /* the same of y */
    const float *weights;   /* per channel, zero beyond C */
    float *distances;       /* (H, W): lpips_compare's */
    float *pull;            /* (H, W): lpips_compare's: the sum over channels of 2 w d x inverse^2 /
                             * |x|, or 0 where |x| is 0, what the gradient loses towards x */
    float *slopes;       /* (2 w d inverse - x pull) / (H W), and the gradient of x that comes from
                          * above, where x > 0, for a ReLU that gave x; else 0 */
    bool add;            /* from above: slopes hold it; or */
    const float *pooled; /* it is that of the 2x2 max-pool of x, which chose so; NULL: neither */
    const vgg_choice *chose;
    float *pool; /* lpips_lengths and lpips_compare: becomes that max-pool; NULL: not wanted */
    vgg_choice *chosen; /* and what it chooses; NULL: not wanted */
} vgg_lpips_task;

static inline size_t vgg_lpips_units(size_t height) {
    return (height + 1) / 2;
}

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

/* Those of a tile size. With operands of int8 there are none for the gradient of weights. */
typedef struct vgg_winograd_kernels {
    vgg_work *filters; /* vgg_winograd_task: unit = group of output channels */
    vgg_work *forward; /* unit as in the partition */
    vgg_work *weights; /* vgg_winograd_weights_task */
    vgg_work *weights_finish;
} vgg_winograd_kernels;

/* Products that registers do while they do one of float32. */
typedef struct vgg_product_rates {
    size_t direct, bf16, int8; /* of bfloat16 with tiles of 1 and by transforms; of int8 */
} vgg_product_rates;

typedef struct vgg_kernels {
    const char *tier;
    const struct vgg_conv_costs *costs; /* of the cost rule: conv_cost.h */
    const struct vgg_conv_costs *bf16_costs;
    /* Where bf16_costs knows tiles of 1: they, those of plain input, and linear layers. */
    vgg_winograd_kernels bf16_direct, bf16_plain;
    vgg_linear_kernels bf16_linear;
    vgg_product_rates rates;
    int int8_offset; /* what is added to the numbers of the input, whose sums are exact anyway */
    const struct vgg_conv_costs *int8_costs;
    vgg_winograd_kernels int8_winograd2, int8_winograd4, int8_direct;
    /* From here on kernels alone, of which no tier lacks one. */
    vgg_work *conv_pack;    /* vgg_conv_pack_task */
    vgg_work *conv_forward; /* vgg_conv_forward_task */
    vgg_work *conv_picture_pack;
    vgg_work *conv_picture; /* vgg_conv_picture_task */
    vgg_work *conv_weights; /* vgg_conv_weights_task */
    vgg_work *conv_reduce;  /* vgg_conv_reduce_task */
    vgg_winograd_kernels winograd2, winograd4;
    vgg_winograd_kernels bf16_winograd2, bf16_winograd4;
    vgg_winograd_kernels whole_winograd2, bf16_whole_winograd2; /* of maps of 2x2 with padding */
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
    vgg_work *bf16;             /* vgg_bf16_task */
    vgg_work *dropout;          /* vgg_dropout_task */
    vgg_work *block, *unblock;  /* vgg_block_task */
    vgg_work *windows;          /* vgg_windows_task */
    vgg_work *window_inputs;    /* vgg_window_task: x -> v */
    vgg_work *window_linear;    /* v -> y */
    vgg_work *row_means;        /* vgg_row_means_task */
    vgg_work *machine_multiply; /* vgg_machine_task */
    vgg_work *machine_read;
    size_t (*machine_operations)(
        void); /* floating-point operations of a unit of machine_multiply */
    /* vgg_lpips_task */
    vgg_work *lpips_lengths, *lpips_compare, *lpips_slopes;
} vgg_kernels;

static inline const vgg_winograd_kernels *vgg_winograd_kernels_of(const vgg_kernels *kernels,
                                                                  size_t tile, bool bf16) {
    if (tile == 1)
        return &kernels->bf16_direct;
    if (bf16)
        return tile == 2 ? &kernels->bf16_winograd2 : &kernels->bf16_winograd4;
    return tile == 2 ? &kernels->winograd2 : &kernels->winograd4;
}

/* Those that a forward pass cut like this has. */
static inline const vgg_winograd_kernels *
vgg_winograd_kernels_for(const vgg_kernels *kernels, const vgg_winograd_partition *cut) {
    if (cut->int8 && cut->tile == 1)
        return &kernels->int8_direct;
    if (cut->int8)
        return cut->tile == 2 ? &kernels->int8_winograd2 : &kernels->int8_winograd4;
    if (cut->whole)
        return cut->bf16 ? &kernels->bf16_whole_winograd2 : &kernels->whole_winograd2;
    if (cut->plain)
        return &kernels->bf16_plain;
    return vgg_winograd_kernels_of(kernels, cut->tile, cut->bf16);
}

/* And those of a gradient of weights. */
static inline const vgg_winograd_kernels *
vgg_winograd_weights_kernels_for(const vgg_kernels *kernels,
                                 const vgg_winograd_weights_partition *cut) {
    if (cut->whole)
        return cut->bf16 ? &kernels->bf16_whole_winograd2 : &kernels->whole_winograd2;
    if (cut->plain)
        return &kernels->bf16_plain;
    return vgg_winograd_kernels_of(kernels, cut->tile, cut->bf16);
}

/* The tiers that this build has and this processor can run, best first; NULL beyond. */
const vgg_kernels *vgg_kernels_at(size_t index);

/* Asks the operating system for what a tier multiplies bfloat16 and int8 with, before any of those
 * kernels runs: with AMX for tiles, which the process then has for good, so that no other work asks
 * for them. VGG_ERROR_UNSUPPORTED where it gives none. */
vgg_status vgg_kernels_permit(const vgg_kernels *kernels, vgg_error *error);

/* The table in use: the best, or the one that VGG_CPU names. Chosen at the first call. */
vgg_status vgg_kernels_get(const vgg_kernels **kernels, vgg_error *error);

#endif
