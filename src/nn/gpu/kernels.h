/* Kernels of our own on a GPU: the number of each and its task. A unit is what one thread does, and
 * depends on nothing but the task, so that the same bits come out however units are divided.
 *
 * Activations are (images, pixels, lanes): lanes are the channels rounded up to VGG_GPU_LANES, and
 * those beyond the last channel are zero. A row of features is a map of one pixel. Most units are
 * VGG_GPU_LANES neighbouring values, a group.
 *
 * This header is for C and for CUDA's compiler. */
#ifndef VGG_NN_GPU_KERNELS_H
#define VGG_NN_GPU_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define VGG_GPU_LANES 8
/* Groups of a number of channels. */
#define VGG_GPU_GROUPS(channels) (((channels) + VGG_GPU_LANES - 1) / VGG_GPU_LANES)
/* Channels of a block on the processor. */
#define VGG_GPU_BLOCK 16
/* Values of a sum of squares, which is that of a unit. */
#define VGG_GPU_SQUARES 16384
/* Most chunks of a batch norm's statistics, most units that sum, and how many of their sums are
 * added by a unit at a time. */
#define VGG_GPU_CHUNKS 1024
#define VGG_GPU_SUM_UNITS 131072
#define VGG_GPU_GATHER 32

/* How activations are stored. */
typedef enum vgg_gpu_element {
    VGG_GPU_FLOAT32,
    VGG_GPU_BFLOAT16,
    VGG_GPU_FLOAT16,
} vgg_gpu_element;

/* ---- between layouts ---- */

/* take_plain: plain floats (images, channels, pixels), or, blocked, (images, blocks, pixels, 16) in
 * blocks of 16 channels, * factor to a map, or (add) added to it. give_plain: back, with zeros in
 * the last block. Unit: a group of a pixel; of give_plain, blocked, of whole blocks. */
typedef struct vgg_gpu_plain_task {
    size_t images, channels, pixels;
    float *plain;
    void *map;
    vgg_gpu_element element;
    float factor;
    int add; /* take_plain */
    int blocked;
} vgg_gpu_plain_task;

/* flatten: a map (images, pixels, channels) to rows of features in the order (channel, pixel);
 * unflatten: back. Unit: a group of `to`. */
typedef struct vgg_gpu_flatten_task {
    size_t images, channels, pixels;
    const void *from;
    void *to;
    vgg_gpu_element element;
} vgg_gpu_flatten_task;

/* pack_filter: filters (outputs, inputs, points) as (whole outputs, points, whole inputs), zero
 * beyond. Unit: a group of inputs of a point. With scale (outputs) rows are multiplied by it, for a
 * batch norm that is folded in. */
typedef struct vgg_gpu_pack_filter_task {
    size_t outputs, inputs, points;
    const float *from;
    const float *scale; /* or NULL */
    void *to;
    vgg_gpu_element element;
} vgg_gpu_pack_filter_task;

/* unpack_filter: the gradient of filters back to (outputs, inputs, points), times the factor, added
 * to what is there or in its place. Unit: a weight of the result. */
typedef struct vgg_gpu_unpack_filter_task {
    size_t outputs, inputs, points;
    const void *from;
    vgg_gpu_element element;
    float *to;
    float factor;
    int add;
} vgg_gpu_unpack_filter_task;

/* pack_bias: bias (outputs) to whole outputs, zero beyond; with scale and shift bias * scale +
 * shift. Unit: a value of `to`. */
typedef struct vgg_gpu_pack_bias_task {
    size_t outputs;
    const float *from, *scale, *shift; /* scale, shift: or NULL */
    float *to;
} vgg_gpu_pack_bias_task;

/* pack_rows: floats (rows, columns) to rows of whole lanes, zero beyond. Unit: a group. */
typedef struct vgg_gpu_pack_rows_task {
    size_t rows, columns;
    const float *from;
    void *to;
    vgg_gpu_element element;
} vgg_gpu_pack_rows_task;

/* ---- value by value ---- */

/* Number first + i of the stream tells whether value i is dropped, where i counts as the
 * processor's layout does: of maps (blocked) in blocks of 16 channels, (image, block, pixel, lane),
 * of rows (image, channel). A value is dropped where the number, of 64 bits, shifted right by 11,
 * is below the bound; others are multiplied by `kept`. */
typedef struct vgg_gpu_dropout {
    uint64_t first, seed, stream, bound;
    float kept;
    int blocked;
} vgg_gpu_dropout;

/* bias_rows: rows of sums (images, whole columns; `to` may be they) plus bias (columns), ReLU,
 * dropout (bound 0: none). Unit: a group. */
typedef struct vgg_gpu_bias_rows_task {
    size_t images, columns;
    const void *sums;
    vgg_gpu_element sums_element;
    const float *bias;
    int relu;
    vgg_gpu_dropout dropout;
    void *to;
    vgg_gpu_element element;
} vgg_gpu_bias_rows_task;

/* dropout: from one map to another, which may be the same. Unit: a group. */
typedef struct vgg_gpu_dropout_task {
    size_t images, channels, pixels;
    const void *from;
    void *to;
    vgg_gpu_element element;
    vgg_gpu_dropout dropout;
} vgg_gpu_dropout_task;

/* relu: to = from < 0 ? 0 : from. relu_backward: to = y > 0 ? from * factor : 0. `to` may be
 * `from`. Unit: one of `groups`. */
typedef struct vgg_gpu_relu_task {
    size_t groups;
    const void *from, *y;
    void *to;
    vgg_gpu_element element;
    float factor;
} vgg_gpu_relu_task;

/* largest: the largest magnitude among VGG_GPU_SQUARES values (infinite when one is not finite).
 * Unit: so many. */
typedef struct vgg_gpu_largest_task {
    size_t count;
    const void *from;
    vgg_gpu_element element;
    float *to;
} vgg_gpu_largest_task;

/* ---- sums over a map ---- */

/* sums: each of `chunks` runs of pixels of all images (chunk i: positions * i / chunks, ...) gives
 * a sum per lane, to (chunks, lanes). Unit: a group of lanes of a chunk. */
typedef struct vgg_gpu_sums_task {
    size_t positions, lanes, chunks;
    const void *from;
    vgg_gpu_element element;
    float *to;
} vgg_gpu_sums_task;

/* gather: adds up to VGG_GPU_GATHER rows of (rows, width) each, in order, to fewer rows. Unit: a
 * column of a row of `to`. */
typedef struct vgg_gpu_gather_task {
    size_t rows, width;
    const float *from;
    float *to;
} vgg_gpu_gather_task;

/* finish: to (count) = (add ? to : 0) + factor * from. Unit: a value. */
typedef struct vgg_gpu_finish_task {
    size_t count;
    const float *from;
    float *to;
    float factor;
    int add;
} vgg_gpu_finish_task;

/* ---- pools and LRN ---- */

/* max_pool, max_pool_backward, average_pool_2x2 and _backward: windows of 2x2, rows and columns
 * left over are not seen; average_pool and _backward: window i of n is floor(i in / n) to ceil((i +
 * 1) in / n); global_average, global_max and _backward: out is 1x1. Forward a unit is a group of y,
 * backward of dx, all of which is written. `chosen` has a byte per value of y: which of the four.
 * max_pool_backward with y not NULL: dy counts where y > 0. global_max_backward: the first x that
 * equals y has the gradient. */
typedef struct vgg_gpu_pool_task {
    size_t images, channels, height, width, out_height, out_width;
    const void *x, *y, *dy;
    void *to; /* y or dx */
    uint8_t *chosen;
    vgg_gpu_element element;
} vgg_gpu_pool_task;

/* lrn, lrn_backward: as vgg_lrn_task. Unit: a group of a pixel. */
typedef struct vgg_gpu_lrn_task {
    size_t images, channels, pixels;
    const void *x, *dy;
    void *to;
    vgg_gpu_element element;
    float k, alpha;
} vgg_gpu_lrn_task;

/* windows: as vgg_windows_task, rows of features in the order (channel, row, column). Unit: a group
 * of a row. */
typedef struct vgg_gpu_windows_task {
    size_t images, channels, height, width, window_height, window_width;
    const void *x;
    void *y;
    vgg_gpu_element element;
} vgg_gpu_windows_task;

/* row_means: the mean of `rows` rows of an image. Unit: a group of a row of y. */
typedef struct vgg_gpu_row_means_task {
    size_t images, rows, columns;
    const void *x;
    void *y;
    vgg_gpu_element element;
} vgg_gpu_row_means_task;

/* ---- batch normalisation ---- */

/* norm_statistics: of each chunk of positions (as in vgg_gpu_sums_task) the mean per lane and the
 * sum of squared distances from it, to sums (chunks, 2, lanes). norm_sums: the same two places have
 * the sums of dy where the ReLU let the value pass, and of that dy times (x - mean). Unit: a group
 * of lanes of a chunk.
 *
 * norm_apply: y = x * scale + shift, with ReLU. norm_backward: dx = dy' * from_dy + (x - mean) *
 * from_x
 * + constant, where dy' is dy where the ReLU let x * scale + shift > 0 pass; lanes beyond the last
 * channel become zero. Unit: a group. */
typedef struct vgg_gpu_norm_task {
    size_t positions, channels, chunks; /* positions: pixels of all images */
    const void *x, *dy;
    void *to; /* y or dx */
    vgg_gpu_element element;
    int relu;
    const float *scale, *shift, *mean, *from_dy, *from_x, *constant; /* (lanes) */
    float *sums;
} vgg_gpu_norm_task;

/* Per channel, as vgg_norm_channels_task. norm_batch: the chunks' statistics become those of the
 * batch (in double, in order), scale, shift, mean and inverse follow, and the moved statistics
 * move. norm_running: scale and shift of the running statistics; mean and inverse too where they
 * are not NULL. norm_gradients: from norm_sums' sums dgamma and dbeta (times gradient_factor, added
 * or put in place; where not NULL), and from_dy, from_x, constant; without batch_statistics from_x
 * and constant are zero. Unit: a channel. What is per lane has zeros beyond the last channel:
 * nobody writes there.
 */
typedef struct vgg_gpu_norm_channels_task {
    size_t channels, positions, chunks;
    double epsilon, momentum;
    const float *gamma, *beta, *running_mean, *running_variance;
    float *moved_mean, *moved_variance; /* norm_batch */
    float *scale, *shift, *mean, *inverse;
    const float *sums;
    int batch_statistics, add;
    float gradient_factor;
    float *dgamma, *dbeta;
    float *from_dy, *from_x, *constant;
} vgg_gpu_norm_channels_task;

/* ---- learning ---- */

/* What vgg_sgd_task says. Unit: a value. */
typedef struct vgg_gpu_sgd_task {
    size_t count;
    float *values, *velocity;
    const float *gradient;
    float rate, momentum, decay;
    int nesterov;
} vgg_gpu_sgd_task;

/* vgg_adamw_task. Unit: a value. */
typedef struct vgg_gpu_adamw_task {
    size_t count;
    float *values, *mean, *square;
    const float *gradient;
    float keep, beta1, rest1, beta2, rest2, step, root, epsilon;
} vgg_gpu_adamw_task;

/* vgg_blend_task. Unit: a value. */
typedef struct vgg_gpu_blend_task {
    size_t count;
    float *kept, *values;
    float keep, take;
    int back;
} vgg_gpu_blend_task;

/* sgd_many, adamw_many, blend_many: tasks of the kernel of that name, one behind the other in the
 * device's memory. Values are counted through all of them: those of task i end before number
 * ends[i]. Unit: a value. */
typedef struct vgg_gpu_many_task {
    size_t count; /* tasks */
    const size_t *ends;
    const void *tasks;
} vgg_gpu_many_task;

/* scale: to *= factor. add: to += from. Unit: a value. */
typedef struct vgg_gpu_array_task {
    size_t count;
    const float *from;
    float *to;
    float factor;
} vgg_gpu_array_task;

/* square_sums: of each VGG_GPU_SQUARES values. Unit: so many. */
typedef struct vgg_gpu_squares_task {
    size_t count;
    const float *from;
    double *to;
} vgg_gpu_squares_task;

/* ---- all ---- */

/* X(kernel, the word in the name of its task's struct) */
#define VGG_GPU_KERNELS(X)                                                                         \
    X(take_plain, plain)                                                                           \
    X(give_plain, plain)                                                                           \
    X(flatten, flatten)                                                                            \
    X(unflatten, flatten)                                                                          \
    X(pack_filter, pack_filter)                                                                    \
    X(unpack_filter, unpack_filter)                                                                \
    X(pack_bias, pack_bias)                                                                        \
    X(pack_rows, pack_rows)                                                                        \
    X(bias_rows, bias_rows)                                                                        \
    X(dropout, dropout)                                                                            \
    X(relu, relu)                                                                                  \
    X(relu_backward, relu)                                                                         \
    X(largest, largest)                                                                            \
    X(sums, sums)                                                                                  \
    X(gather, gather)                                                                              \
    X(finish, finish)                                                                              \
    X(max_pool, pool)                                                                              \
    X(max_pool_backward, pool)                                                                     \
    X(average_pool_2x2, pool)                                                                      \
    X(average_pool_2x2_backward, pool)                                                             \
    X(average_pool, pool)                                                                          \
    X(average_pool_backward, pool)                                                                 \
    X(global_average, pool)                                                                        \
    X(global_average_backward, pool)                                                               \
    X(global_max, pool)                                                                            \
    X(global_max_backward, pool)                                                                   \
    X(lrn, lrn)                                                                                    \
    X(lrn_backward, lrn)                                                                           \
    X(windows, windows)                                                                            \
    X(row_means, row_means)                                                                        \
    X(norm_statistics, norm)                                                                       \
    X(norm_sums, norm)                                                                             \
    X(norm_apply, norm)                                                                            \
    X(norm_backward, norm)                                                                         \
    X(norm_batch, norm_channels)                                                                   \
    X(norm_running, norm_channels)                                                                 \
    X(norm_gradients, norm_channels)                                                               \
    X(sgd, sgd)                                                                                    \
    X(adamw, adamw)                                                                                \
    X(blend, blend)                                                                                \
    X(sgd_many, many)                                                                              \
    X(adamw_many, many)                                                                            \
    X(blend_many, many)                                                                            \
    X(scale, array)                                                                                \
    X(add, array)                                                                                  \
    X(square_sums, squares)

#define VGG_GPU_KERNEL_NUMBER(kernel, task) vgg_gpu_kernel_##kernel,
typedef enum vgg_gpu_kernel {
    VGG_GPU_KERNELS(VGG_GPU_KERNEL_NUMBER) vgg_gpu_kernel_count
} vgg_gpu_kernel;
#undef VGG_GPU_KERNEL_NUMBER

#endif
