/* A plan: the ops of a network's graph, how this processor does each of them, and the memory that
 * they share.
 *
 * With S ops there are 2 S moments: op s runs forward at moment s and backward at moment
 * 2 S - 1 - s; moment 2 S is the update of deferred linear layers. A buffer lives from the moment
 * that writes it first to the moment that reads it last, and buffers whose lives do not overlap
 * share bytes of the arena. */
#ifndef VGG_NN_PLAN_H
#define VGG_NN_PLAN_H

#include "base/threads.h"
#include "kernels/conv_cost.h"
#include "kernels/kernels.h"
#include "nn/graph.h"
#include "nn/loss_scale.h"
#include "vgg/plan.h"

/* A buffer that no moment of the plan has: none. */
#define VGG_NO_BUFFER SIZE_MAX
/* Constants that there are none of. */
#define VGG_NO_CONSTANTS SIZE_MAX

typedef struct vgg_buffer {
    size_t bytes;
    size_t first, last; /* moments */
    size_t offset;      /* in the arena; SIZE_MAX for memory of the caller */
    bool placed;        /* by vgg_arena_place */
    bool bf16;          /* a map of numbers of bfloat16, not of floats */
    size_t row;         /* 0, or bytes of an image in a buffer of all images of a step */
} vgg_buffer;

/* An op of the graph, and how the device of the plan does it: what is of one kind of kernels alone
 * is so named. */
typedef struct vgg_planned_op {
    vgg_op graph;

    bool rows;           /* the output is rows of features; else it is blocked */
    bool reads_rows;     /* the input is, or the caller's plain one; else it is blocked */
    bool plain;          /* convolution: reads the caller's plain input */
    vgg_extent map;      /* and that map */
    size_t tile;         /* convolution: 2 or 4 by Winograd's transforms, 0 directly, and 1 directly
                          * with products of bfloat16 by AMX */
    size_t back_tile;    /* the same of its backward pass to the input */
    size_t weights_tile; /* and of the gradient of its weights */
    bool viewed;      /* the plan's viewer looks at its output, and takes its ReLU's derivative */
    bool pool_viewed; /* max-pool: the viewer of its input does it, and carries its gradient back */
    bool to_picture;  /* convolution: its backward pass writes the caller's plain gradient */
    bool windowed;    /* linear: reads a map, and sees windows of it by Winograd's transforms */
    bool int8;        /* convolution: products of int8; then tile is that of its layer's scales */
    bool x_numbers;   /* with tiles of 1: the input is numbers of 8 bits already */
    size_t y_numbers; /* convolution: the layer whose numbers it puts out, or VGG_NO_LAYER */
    bool bf16;        /* by Winograd's transforms: products of bfloat16; linear: such weights, or
                       * products */
    bool mask;        /* backward starts with the derivative of a ReLU, told by the sign of y */
    bool gate;        /* backward ends with that of the ReLU below, told by the sign of x */

    /* Buffers of activations and gradients; VGG_NO_BUFFER where there is none. */
    size_t x, y, dx, dy;
    size_t transformed;  /* linear that sees windows, or that multiplies matrices: its input */
    size_t chosen;       /* with a max-pool: which of the four */
    size_t scratch;      /* convolution forward, linear that sees windows: per worker */
    size_t back_scratch; /* convolution backward: per worker */
    size_t partial;      /* convolution backward: groups' sums for the weight gradient */
    size_t blocked_dx;   /* convolution of the caller's input: its gradient, blocked */

    /* Offsets in floats into the plan's constants. */
    size_t packed, packed_turned; /* Winograd: the stored filters, if any, in place of packed */
    size_t widened;               /* linear: a copy of narrow weights for the backward pass, or
                                   * VGG_NO_CONSTANTS */
    size_t rounded;            /* linear with bf16: the weights in bfloat16, or VGG_NO_CONSTANTS */
    size_t bias, scale, shift; /* per channel, rounded up to a block */
    size_t mean, inverse, from_dy, from_x, constant; /* batch norm */
    size_t sums;                                     /* batch norm: [N][C / 16][2][16] */

    double seconds;                       /* of the last forward pass */
    double data_seconds, weights_seconds; /* of the last backward pass: vgg_op_info */
} vgg_planned_op;

/* The gradient of what a tap gives, where something begins at it: `slopes` becomes the whole. What
 * comes from above is in it already (`add`), or in the gradient of the 2x2 max-pool behind, which
 * chose so, or there is none. */
typedef struct vgg_tap_slopes {
    float *slopes;
    bool add;
    const float *pooled; /* or NULL */
    const vgg_choice *chosen;
} vgg_tap_slopes;

/* The 2x2 max-pool behind a tap that its viewer does as well. */
typedef struct vgg_tap_pool {
    float *y;           /* or NULL */
    vgg_choice *chosen; /* or NULL: not wanted */
} vgg_tap_pool;

/* Who looks at taps where they lie, in blocks, and not at copies of them: a plan on the processor
 * calls it between its ops. */
typedef struct vgg_tap_viewer {
    void *context;
    /* Where the plan puts what a tap gives in the forward pass that begins, which stays there until
     * a backward pass is done. */
    float *(*place)(void *context, size_t tap);
    /* It is there; the pool is to be made of it. */
    void (*see)(void *context, size_t tap, const vgg_tap_pool *pool);
    /* Completes its gradient, which becomes 0 where what a ReLU gave is not above 0. */
    void (*slope)(void *context, size_t tap, const vgg_tap_slopes *slopes);
} vgg_tap_viewer;

struct vgg_plan {
    const struct vgg_device_row *device; /* what computes it: device.h */
    const struct vgg_gpu_calls *calls;   /* of a GPU */
    void *state;                         /* that the device keeps for it, or NULL */
    const vgg_network *network;
    vgg_network *training; /* the same of a plan that trains it, else NULL */
    vgg_plan_options options;
    const vgg_kernels *kernels;
    vgg_threads *threads, *own_threads; /* the latter NULL when they are shared */
    vgg_mode mode;
    uint64_t dropout_seed, dropout_step;

    vgg_planned_op *ops;
    size_t op_count;
    size_t lowest; /* the first op that backward passes reach; none: op_count */
    vgg_buffer *buffers;
    size_t buffer_count;
    size_t input, logits, logits_gradient, input_gradient; /* buffers of the caller; logits:
                                                            * VGG_NO_BUFFER in a plan that ends at
                                                            * its taps */
    bool *tapped;                 /* per layer, whether it has a tap; NULL in a plan without */
    vgg_tap *taps;                /* options.tap_count layers: options.taps is this copy */
    size_t *tap_ops;              /* and the ops whose outputs they are */
    const vgg_tap_viewer *viewer; /* of all taps, or NULL */
    bool blocked_taps;            /* the caller's maps are in blocks, as the plan's are */
    size_t kept_gradient;         /* deferred: of the logits, of all images of a step */
    size_t x_panels, dy_panels;   /* deferred: for the update of one linear layer */

    size_t arena_bytes, constant_count, gradient_count; /* the latter two in floats */
    char *arena;
    float *constants;         /* packed weights and figures per channel */
    float *gradients_of;      /* gradients of all learnable tensors */
    size_t *gradient_offsets; /* per tensor, in floats; SIZE_MAX for one that has none */
    void **caller;            /* per buffer: memory of the caller during a call */

    unsigned long version;     /* of the network when the constants were made */
    unsigned long statistics;  /* of its running statistics then */
    bool fresh;                /* whether they were made at all */
    size_t count;              /* images of the last forward pass */
    bool ready;                /* its activations are there for a backward pass */
    size_t passes, done;       /* backward passes of this step so far, and their images */
    size_t first;              /* images of the step that come before those of the plan */
    vgg_loss_scale loss_scale; /* of a device that has one */
};

/* Like vgg_plan_begin_step, for a part of a step whose gradients stand alone: `first` images of the
 * step come before it, and dropout counts them. */
void vgg_plan_begin_part(vgg_plan *plan, size_t first);

/* Gives every buffer its place; returns the size of the arena. */
size_t vgg_arena_place(vgg_buffer *buffers, size_t count);

/* Most images of a step, all its micro-batches taken together. */
static inline size_t vgg_plan_step_images(const vgg_plan *plan) {
    return plan->options.batch * plan->options.micro_batches;
}

/* Whether the backward pass under way adds to the gradients of those before it. */
static inline bool vgg_plan_accumulates(const vgg_plan *plan) {
    return plan->passes > 0;
}

/* A layer that put out values that are not finite, or grew most. */
typedef struct vgg_blown {
    size_t layer; /* or VGG_NO_LAYER */
    double most;  /* the largest magnitude */
} vgg_blown;

/* Runs the plan forward again, as vgg_plan_forward_from does, and looks at what each op puts out.
 */
vgg_blown vgg_plan_find_blown(vgg_plan *plan, size_t first, const float *values, size_t count,
                              float *logits);

/* vgg_plan_create of a plan with taps and a viewer, which must outlive it. On a device other than
 * the processor the plan has none. */
vgg_status vgg_plan_create_viewed(const vgg_network *network, const vgg_plan_options *options,
                                  const vgg_tap_viewer *viewer, vgg_plan **plan, vgg_error *error);

/* ---- plan_taps.c ---- */

/* Copies the taps of the options, and checks them. */
vgg_status vgg_plan_take_taps(vgg_plan *plan, vgg_error *error);
/* How many layers of the network the plan runs. */
size_t vgg_plan_layers(const vgg_plan *plan);
/* Finds the op of each tap when the ops are known. */
void vgg_plan_find_taps(vgg_plan *plan);
/* From now on maps are handed out and taken in blocks, (blocks, pixels, 16), as blocks.h has them.
 */
void vgg_plan_block_taps(vgg_plan *plan);
/* Before a forward pass: asks the viewer where taps are to be. */
void vgg_plan_place_taps(vgg_plan *plan);
/* Hands out what an op has put out, where the caller wants it: one pointer per tap, or NULL; or has
 * the viewer look. */
void vgg_plan_give_taps(vgg_plan *plan, size_t op, float *const *values);
/* The same of the gradient of what it has put out. */
void vgg_plan_give_gradients(vgg_plan *plan, size_t op, float *const *wanted);
/* Makes the gradient of the logits that of the last op. */
void vgg_plan_start_gradient(vgg_plan *plan, const float *logits_gradient);
/* Adds the gradients that the caller gives for the output of an op, or, when the pass has not
 * started above it, begins with them; or has the viewer do so. Returns whether it has started now.
 */
bool vgg_plan_take_gradients(vgg_plan *plan, size_t op, const float *const *given, bool started);

/* What vgg_plan_backward_taps was given. */
typedef struct vgg_tap_pass {
    const float *logits_gradient;
    const float *const *given;
    float *const *wanted;
    float *input_gradient;
} vgg_tap_pass;

/* The op that such a pass begins with and the one that it ends with; wanted gradients of what lies
 * above become zero. */
vgg_status vgg_plan_find_reach(const vgg_plan *plan, const vgg_tap_pass *pass, size_t *first,
                               size_t *end, vgg_error *error);

/* ---- plan_frozen.c ---- */

/* How many ops at the beginning give the same for a picture as long as it trains: they belong to
 * frozen layers, or have no tensors, and draw nothing. 0 where they compute nothing, or where all
 * do. */
size_t vgg_plan_frozen_ops(const vgg_plan *plan);
/* Floats of an image that flow into an op, in the form that it reads. */
size_t vgg_plan_values_at(const vgg_plan *plan, size_t op);
/* Makes the values of plan->count images what flows into op `first`; those of op 0 are the
 * caller's, and stay where they are. */
void vgg_plan_take_values(vgg_plan *plan, size_t first, const float *values);
/* What vgg_plan_values_at would say of the first op that is not frozen, in a plan with these
 * options; 0 when there are no frozen ones. Takes no memory for running. */
vgg_status vgg_plan_measure_frozen(const vgg_network *network, const vgg_plan_options *options,
                                   size_t *values, vgg_error *error);

/* ---- plan_run.c ---- */

/* Runs the ops before number `end` on pictures, and copies out what flows into it. */
vgg_status vgg_plan_forward_to(vgg_plan *plan, size_t end, const float *inputs, size_t count,
                               float *values, vgg_error *error);
/* vgg_plan_forward, beginning with op `first` on what flows into it. A backward pass may follow as
 * long as it reaches none before. */
vgg_status vgg_plan_forward_from(vgg_plan *plan, size_t first, const float *values, size_t count,
                                 float *logits, vgg_error *error);

/* Numbers of SGD, as in vgg_sgd_task. */
typedef struct vgg_sgd_rates {
    float rate, momentum, decay;
    bool nesterov;
} vgg_sgd_rates;

/* Where a buffer lies, and in one of all images of a step the next image; NULL for VGG_NO_BUFFER.
 */
static inline void *vgg_plan_buffer(const vgg_plan *plan, size_t buffer) {
    if (buffer == VGG_NO_BUFFER)
        return NULL;
    const vgg_buffer *b = &plan->buffers[buffer];
    return b->offset == SIZE_MAX ? plan->caller[buffer]
                                 : plan->arena + b->offset + plan->done * b->row;
}

/* A buffer of floats, and one of numbers of bfloat16; NULL for one of the other kind. */
static inline float *vgg_plan_floats(const vgg_plan *plan, size_t buffer) {
    bool other = buffer != VGG_NO_BUFFER && plan->buffers[buffer].bf16;
    return other ? NULL : vgg_plan_buffer(plan, buffer);
}

static inline uint16_t *vgg_plan_numbers(const vgg_plan *plan, size_t buffer) {
    bool has = buffer != VGG_NO_BUFFER && plan->buffers[buffer].bf16;
    return has ? vgg_plan_buffer(plan, buffer) : NULL;
}

/* Activations that would push everything else out of a third-level cache, and themselves too. */
#define VGG_STREAM_BYTES ((size_t)24 << 20)

static inline bool vgg_plan_streams(const vgg_plan *plan, size_t buffer) {
    return buffer != VGG_NO_BUFFER && plan->buffers[buffer].bytes > VGG_STREAM_BYTES;
}

/* A tensor of an op's layer: VGG_TENSOR_WEIGHT and the like. */
static inline const vgg_tensor *vgg_plan_tensor(const vgg_plan *plan, const vgg_planned_op *op,
                                                size_t which) {
    return &plan->network->tensors[plan->network->layers[op->graph.layer].first_tensor + which];
}

/* Whether the products of Winograd's transforms are of bfloat16. */
static inline bool vgg_plan_is_bf16(const vgg_plan *plan) {
    return plan->options.precision == VGG_PRECISION_BF16;
}

/* A convolution with operands of bfloat16, in units. */
static inline vgg_winograd_partition vgg_bf16_partition(const vgg_plan *plan,
                                                        const vgg_conv_shape *shape, size_t tile) {
    size_t threads = plan->options.threads;
    return vgg_conv_has_matrices(plan->kernels->bf16_costs)
               ? vgg_winograd_matrices_partition_of(shape, tile, threads)
               : vgg_winograd_bf16_partition_of(shape, tile, threads);
}

/* The passes of an op by Winograd's transforms, in units: forward, ... */
static inline vgg_winograd_partition
vgg_op_partition(const vgg_plan *plan, const vgg_planned_op *op, const vgg_conv_shape *shape) {
    size_t threads = plan->options.threads;
    if (op->int8)
        return vgg_winograd_int8_partition_of(shape, op->tile, threads);
    return op->bf16 ? vgg_bf16_partition(plan, shape, op->tile)
                    : vgg_winograd_partition_of(shape, op->tile, threads);
}

/* ... to its input, ... */
static inline vgg_winograd_partition vgg_op_turned_partition(const vgg_plan *plan,
                                                             const vgg_planned_op *op,
                                                             const vgg_conv_shape *shape) {
    return vgg_plan_is_bf16(plan)
               ? vgg_bf16_partition(plan, shape, op->back_tile)
               : vgg_winograd_partition_of(shape, op->back_tile, plan->options.threads);
}

/* ... and to its weights. */
static inline vgg_winograd_weights_partition vgg_op_weights_partition(const vgg_plan *plan,
                                                                      const vgg_planned_op *op,
                                                                      const vgg_conv_shape *shape) {
    return vgg_plan_is_bf16(plan) ? vgg_winograd_weights_bf16_partition_of(shape, op->weights_tile)
                                  : vgg_winograd_weights_partition_of(shape, op->weights_tile);
}

/* The convolution of an op, and the one that carries gradients back to its input. */
static inline vgg_conv_shape vgg_op_conv_shape(const vgg_planned_op *op, size_t images) {
    return (vgg_conv_shape){.images = images,
                            .inputs = op->graph.in.channels,
                            .outputs = op->graph.out.channels,
                            .height = op->graph.in.height - (op->graph.valid ? 2 : 0),
                            .width = op->graph.in.width - (op->graph.valid ? 2 : 0),
                            .kernel = op->graph.kernel,
                            .plain = op->plain,
                            .crop = op->graph.valid ? 1 : 0};
}

static inline vgg_conv_shape vgg_op_turned_shape(const vgg_planned_op *op, size_t images) {
    vgg_conv_shape shape = vgg_op_conv_shape(op, images);
    shape.inputs = op->graph.out.channels;
    shape.outputs = op->graph.in.channels;
    shape.height = op->graph.in.height;
    shape.width = op->graph.in.width;
    shape.crop = -shape.crop;
    shape.plain = false;
    return shape;
}

#endif
