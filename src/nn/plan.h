/* A plan: the steps that a network became, and the memory that they share.
 *
 * A step does one or several layers at once (a convolution with its ReLU, say). With S steps there
 * are 2 S moments: step s runs forward at moment s and backward at moment 2 S - 1 - s; moment 2 S
 * is the update of deferred linear layers. A buffer lives from the moment that writes it first to
 * the moment that reads it last, and buffers whose lives do not overlap share bytes of the arena.
 */
#ifndef VGG_NN_PLAN_H
#define VGG_NN_PLAN_H

#include "base/threads.h"
#include "kernels/kernels.h"
#include "nn/network.h"
#include "vgg/plan.h"

typedef enum vgg_step_kind {
    VGG_STEP_BLOCK,       /* plain to blocked */
    VGG_STEP_CONVOLUTION, /* with bias; ReLU; when no gradients are wanted also batch norm */
    VGG_STEP_BATCH_NORM,  /* with ReLU */
    VGG_STEP_MAX_POOL,
    VGG_STEP_LRN,
    VGG_STEP_AVERAGE_POOL,
    VGG_STEP_FLATTEN, /* blocked to rows in the order (C, H, W) */
    VGG_STEP_LINEAR,  /* with bias; ReLU; dropout */
} vgg_step_kind;

/* A buffer that no moment of the plan has: none. */
#define VGG_NO_BUFFER SIZE_MAX

typedef struct vgg_buffer {
    size_t bytes;
    size_t first, last; /* moments */
    size_t offset;      /* in the arena; SIZE_MAX for memory of the caller */
    size_t row;         /* 0, or bytes of an image in a buffer of all images of a step */
} vgg_buffer;

typedef struct vgg_step {
    vgg_step_kind kind;
    size_t layer;        /* the convolution, batch norm, pool or linear layer */
    size_t folded;       /* convolution: the batch norm layer folded into it, or SIZE_MAX */
    vgg_extent in, out;  /* of one image */
    bool plain;          /* convolution: reads the caller's plain input */
    size_t tile;         /* convolution: 2 or 4 by Winograd's transforms, 0 directly */
    size_t back_tile;    /* the same of its backward pass to the input */
    size_t weights_tile; /* and of the gradient of its weights */
    bool pool;           /* convolution, batch norm: with the 2x2 max-pool behind it; `out` and the
                          * gradient of it are pooled */
    bool relu;           /* a ReLU follows */
    bool mask;           /* backward starts with the derivative of a ReLU, told by the sign of y */
    bool gate;           /* backward ends with that of the ReLU below, told by the sign of x */
    double dropout;      /* linear: probability, 0 without */
    bool need_dx;        /* something below wants the gradient */

    /* Buffers of activations and gradients; VGG_NO_BUFFER where there is none. */
    size_t x, y, dx, dy;
    size_t chosen;       /* with a max-pool: which of the four */
    size_t scratch;      /* convolution forward: per worker */
    size_t back_scratch; /* convolution backward: per worker */
    size_t partial;      /* convolution backward: groups' sums for the weight gradient */
    size_t blocked_dx;   /* convolution of the caller's input: its gradient, blocked */

    /* Offsets in floats into the plan's constants. */
    size_t packed, packed_turned; /* Winograd: the stored filters, if any, in place of packed */
    size_t bias, scale, shift;    /* per channel, rounded up to a block */
    size_t mean, from_dy, from_x, constant, deviation; /* batch norm */
    size_t sums;                                       /* batch norm: [N][C / 16][2][16] */

    double seconds;                       /* of the last forward pass */
    double data_seconds, weights_seconds; /* of the last backward pass: vgg_step_info */
} vgg_step;

struct vgg_plan {
    vgg_network *network;
    vgg_plan_options options;
    const vgg_kernels *kernels;
    vgg_threads *threads, *own_threads; /* the latter NULL when they are shared */
    vgg_mode mode;
    bool gradients;
    uint64_t dropout_seed, dropout_step;

    vgg_step *steps;
    size_t step_count;
    size_t lowest;      /* the first layer that backward passes reach; none: layer_count */
    size_t lowest_step; /* the same of the steps */
    vgg_buffer *buffers;
    size_t buffer_count;
    size_t input, logits, logits_gradient, input_gradient; /* buffers of the caller */
    size_t kept_gradient;       /* deferred: of the logits, of all images of a step */
    size_t x_panels, dy_panels; /* deferred: for the update of one linear layer */

    size_t arena_bytes, constant_count, gradient_count; /* the latter two in floats */
    char *arena;
    float *constants;         /* packed weights and figures per channel */
    float *gradients_of;      /* gradients of all trained tensors */
    size_t *gradient_offsets; /* per tensor, in floats; SIZE_MAX for one that is not trained */
    void **caller;            /* per buffer: memory of the caller during a call */

    unsigned long version; /* of the network when the constants were made */
    bool fresh;            /* whether they were made at all */
    size_t count;          /* images of the last forward pass */
    bool ready;            /* its activations are there for a backward pass */
    size_t passes, done;   /* backward passes of this step so far, and their images */
    size_t first;          /* images of the step that come before those of the plan */
};

/* Turns the network into steps and buffers; takes no memory for running. */
vgg_status vgg_plan_compile(vgg_plan *plan, vgg_error *error);

/* Like vgg_plan_begin_step, for a part of a step whose gradients stand alone: `first` images of the
 * step come before it, and dropout counts them. */
void vgg_plan_begin_part(vgg_plan *plan, size_t first);

/* Gives every buffer its place; returns the size of the arena. */
size_t vgg_arena_place(vgg_buffer *buffers, size_t count);

/* Makes the constants anew when the network's values have changed. */
vgg_status vgg_plan_refresh(vgg_plan *plan, vgg_error *error);

void vgg_step_forward(vgg_plan *plan, const vgg_step *step);
/* Notes the seconds that the weights' gradients took. */
void vgg_step_backward(vgg_plan *plan, vgg_step *step);

/* Seconds since some moment in the past. */
double vgg_plan_now(void);

/* Whether backward passes reach a layer. */
static inline bool vgg_plan_reaches(const vgg_plan *plan, size_t layer) {
    return plan->gradients && layer >= plan->lowest;
}

/* Whether the tensors of a step are trained. */
static inline bool vgg_plan_trains(const vgg_plan *plan, const vgg_step *step) {
    return plan->gradients && !plan->network->layers[step->layer].frozen;
}

/* Most images of a step, all its micro-batches taken together. */
static inline size_t vgg_plan_step_images(const vgg_plan *plan) {
    return plan->options.batch * plan->options.micro_batches;
}

/* Whether the backward pass under way adds to the gradients of those before it. */
static inline bool vgg_plan_accumulates(const vgg_plan *plan) {
    return plan->passes > 0;
}

/* Numbers of SGD, as in vgg_sgd_task. */
typedef struct vgg_sgd_rates {
    float rate, momentum, decay;
} vgg_sgd_rates;

/* The step of SGD for the linear layers of a deferred plan, from all images of the step. */
void vgg_plan_update_linear(vgg_plan *plan, const vgg_network *velocity, vgg_sgd_rates rates);

/* Where a buffer lies, and in one of all images of a step the next image; NULL for VGG_NO_BUFFER.
 */
static inline void *vgg_plan_buffer(const vgg_plan *plan, size_t buffer) {
    if (buffer == VGG_NO_BUFFER)
        return NULL;
    const vgg_buffer *b = &plan->buffers[buffer];
    return b->offset == SIZE_MAX ? plan->caller[buffer]
                                 : plan->arena + b->offset + plan->done * b->row;
}

/* Activations that would push everything else out of a third-level cache, and themselves too. */
#define VGG_STREAM_BYTES ((size_t)24 << 20)

static inline bool vgg_plan_streams(const vgg_plan *plan, size_t buffer) {
    return buffer != VGG_NO_BUFFER && plan->buffers[buffer].bytes > VGG_STREAM_BYTES;
}

/* The batch norm part of a plan (plan_norm.c). */
void vgg_batch_norm_from_running(vgg_plan *plan, size_t layer, float *scale, float *shift);
void vgg_batch_norm_forward(vgg_plan *plan, const vgg_step *step);
void vgg_batch_norm_backward(vgg_plan *plan, const vgg_step *step);

/* A convolution by Winograd's transforms, forward or (turned) backward to its input. */
vgg_winograd_task vgg_step_winograd_task(const vgg_plan *plan, const vgg_step *step, bool turned,
                                         size_t images);

/* The convolution of a step, and the one that carries gradients back to its input. */
vgg_conv_shape vgg_step_conv_shape(const vgg_step *step, const vgg_network *network, size_t images);
vgg_conv_shape vgg_step_turned_shape(const vgg_step *step, const vgg_network *network,
                                     size_t images);

#endif
