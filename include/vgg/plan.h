/* Plans: what runs a network.
 *
 * A plan is a network compiled for one input size, one batch size and one purpose; it owns all the
 * memory that running needs. Many plans may share one network, also from several threads, as long
 * as nobody changes the tensors meanwhile; one plan is used by one thread at a time. */
#ifndef VGG_PLAN_H
#define VGG_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/device.h"
#include "vgg/network.h"
#include "vgg/status.h"
#include "vgg/threads.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What dropout and batch normalisation do. In VGG_MODE_EVAL dropout passes everything and batch
 * normalisation uses the running statistics; in VGG_MODE_TRAIN dropout drops and rescales the rest
 * by 1 / (1 - p), and batch normalisation uses the batch's statistics and updates the running ones
 * (norm_momentum, unbiased variance). */
typedef enum vgg_mode {
    VGG_MODE_EVAL = 0,
    VGG_MODE_TRAIN = 1,
} vgg_mode;

/* A layer whose output is handed out. Frozen. */
typedef struct vgg_tap {
    size_t layer; /* its number: vgg_network_find_layer */
} vgg_tap;

typedef struct vgg_plan_options {
    size_t struct_size;   /* set by vgg_plan_options_init */
    size_t batch;         /* most images at once, default 1 */
    size_t height, width; /* of the input; default 0: the network's own */
    size_t threads;       /* default 0: as many as the machine leaves to this process */
    vgg_mode mode;       /* default VGG_MODE_EVAL; vgg_plan_memory tells plans for training by it */
    bool gradients;      /* keep what vgg_plan_backward needs, default false; a plan made for
                          * VGG_MODE_TRAIN always does */
    bool exact;          /* convolve directly, without Winograd's transforms: slower, and less than
                          * half of the rounding error; default false */
    bool input_gradient; /* vgg_plan_backward also computes the gradient of the input, default false
                          */
    bool softmax; /* vgg_plan_forward writes probabilities instead of logits, default false; not
                   * with gradients, which start at logits */
    size_t micro_batches; /* backward passes whose gradients are added up to those of one step, see
                           * vgg_plan_begin_step; default 0: one, whose gradients stand alone */
    bool defer_linear;    /* vgg_plan_backward leaves out the gradients of the weights and biases of
                           * linear layers, nearly all of a VGG's; it keeps what they follow from,
                           * and vgg_optimiser_step computes them on the way. Default false */
    vgg_threads *shared_threads; /* computes on these, which must outlive the plan; `threads` then
                                  * counts for nothing. Default NULL: on threads of its own */
    size_t tuned_batch; /* the algorithms are those that are fastest for so many images; default 0:
                         * for `batch`. They differ in rounding */
    double norm_momentum; /* in VGG_MODE_TRAIN a batch moves running statistics by this share of
                           * what is between: PyTorch's momentum of batch normalisation, from 0 to
                           * 1, default 0.1 */
    const vgg_tap *taps;  /* `tap_count` layers, in any order, whose outputs vgg_plan_forward_taps
                           * hands out; copied. What nobody looks at stays fused, and other values
                           * are the same to rounding. A plan with taps is for eval and treats all
                           * layers as frozen: it has no gradients of tensors. With `gradients`
                           * backward passes may start and end at any tap, with `input_gradient`
                           * they may end at the picture. Default NULL, 0 */
    size_t tap_count;
    bool ends_at_taps;  /* the plan ends at the highest tap and has no logits; then only layers up
                         * to there restrict height and width. Default false */
    bool average_pools; /* every max-pool of 2x2 takes the average in place of the maximum, as is
                         * usual where pictures are made from gradients. Default false */
    bool guided;        /* backward, a ReLU also stops gradients below 0: guided backpropagation
                         * (Springenberg et al. 2015). Default false */
    bool dense; /* for pictures larger than the network's own input: the linear layers are computed
                 * at every place of the map that they fit on, the first as a convolution of the
                 * size of the map at the network's own input, the others of 1x1, and the logits are
                 * the mean over all places (Simonyan & Zisserman, section 3.2). A global pool takes
                 * the whole map, as without. Not with gradients or taps. VGG_ERROR_UNSUPPORTED for
                 * the layout torchvision where its average pool changes the map: where the
                 * network's own input does not give it the 7x7 that it makes. Default false */
    vgg_precision precision; /* default VGG_PRECISION_F32 */
    vgg_device_kind device;  /* default VGG_DEVICE_CPU. On another device `threads` count for
                              * nothing, results differ by rounding, and what it cannot do is
                              * VGG_ERROR_UNSUPPORTED */
} vgg_plan_options;

VGG_API void vgg_plan_options_init(vgg_plan_options *options, size_t size);

typedef struct vgg_plan vgg_plan;

/* Compiles the network for VGG_MODE_EVAL; nothing that the plan does changes it, and it must
 * outlive the plan. All memory that the plan will ever use is taken here; when the machine has less
 * than that, the error says how much is needed for what, and how much there is. When the network's
 * tensors change, the next run of the plan sees the new values. `options` may be NULL;
 * VGG_ERROR_ARGUMENT when they ask for VGG_MODE_TRAIN.
 *
 * Weights in 16 or 8 bits stay so. A plan with gradients keeps a copy as floats of those that a
 * gradient is carried back through. */
VGG_API vgg_status vgg_plan_create(const vgg_network *network, const vgg_plan_options *options,
                                   vgg_plan **plan, vgg_error *error);

/* The same for training the network: a plan with gradients that starts in VGG_MODE_TRAIN, whatever
 * options->mode says. Its weights become float32 here, and running in VGG_MODE_TRAIN changes the
 * running statistics. */
VGG_API vgg_status vgg_plan_create_training(vgg_network *network, const vgg_plan_options *options,
                                            vgg_plan **plan, vgg_error *error);

/* What a plan of vgg_plan_create_training has learnt on a device with memory of its own comes to
 * the network on the host, as it does when somebody asks for values. It may fail, and be tried
 * again.
 */
VGG_API vgg_status vgg_plan_settle(const vgg_plan *plan, vgg_error *error);

/* Does the same first, where there is anything. When that fails, the network's values are lost:
 * whoever asks for them from there on gets no values or VGG_ERROR_UNSUPPORTED, and it is good for
 * nothing but to be freed. */
VGG_API void vgg_plan_free(vgg_plan *plan);

/* Bytes that a plan with these options takes, without making it: with VGG_MODE_TRAIN one of
 * vgg_plan_create_training. What a network takes to become float32 is not part of it. */
VGG_API vgg_status vgg_plan_memory(const vgg_network *network, const vgg_plan_options *options,
                                   size_t *bytes, vgg_error *error);

/* Switches between train and eval, like PyTorch's model.train() and model.eval(). Switching to
 * VGG_MODE_TRAIN needs a plan of vgg_plan_create_training. */
VGG_API vgg_status vgg_plan_set_mode(vgg_plan *plan, vgg_mode mode, vgg_error *error);
VGG_API vgg_mode vgg_plan_mode(const vgg_plan *plan);

/* inputs: (count, channels, height, width) floats, 1 <= count <= batch. logits: (count, classes),
 * the values before softmax. A row of logits is the same bits whatever the other images, the count
 * and the number of threads are, in plans with the same options; `batch` may differ where
 * tuned_batch is the same (in VGG_MODE_TRAIN: except for batch normalisation and dropout, which
 * depend on the batch by their definition). Allocates nothing. */
VGG_API vgg_status vgg_plan_forward(vgg_plan *plan, const float *inputs, size_t count,
                                    float *logits, vgg_error *error);

/* After vgg_plan_forward, once for each: from the gradient of a loss with respect to the logits,
 * (count, classes), the gradients of every learnable tensor (read them with vgg_plan_gradient) and,
 * when the plan was made for it and input_gradient is not NULL, of the input, (count, channels,
 * height, width). */
VGG_API vgg_status vgg_plan_backward(vgg_plan *plan, const float *logits_gradient,
                                     float *input_gradient, vgg_error *error);

/* ---- taps ---- */

/* What a tap hands out. */
typedef struct vgg_tap_info {
    size_t struct_size; /* set by the caller */
    size_t layer;       /* whose output it is */
    size_t dimensions;  /* of the output of one image: 3 (C, H, W) or 1 (features) */
    size_t shape[3];    /* at this plan's height and width; 0 beyond `dimensions` */
    size_t values;      /* their product */
} vgg_tap_info;

/* Of tap 0..tap_count-1 in the order of the options. The caller sets info->struct_size to
 * sizeof *info before the call. */
VGG_API vgg_status vgg_plan_tap(const vgg_plan *plan, size_t tap, vgg_tap_info *info,
                                vgg_error *error);

/* vgg_plan_forward that also copies out what the tapped layers give: values[t] has room for count
 * times the values of tap t, (count, C, H, W) or (count, features), or is NULL where they are not
 * wanted. `values` may be NULL. logits is NULL in a plan with ends_at_taps, and only there.
 * Allocates nothing. */
VGG_API vgg_status vgg_plan_forward_taps(vgg_plan *plan, const float *inputs, size_t count,
                                         float *const *values, float *logits, vgg_error *error);

/* After a forward pass of a plan with taps and gradients, once for each: carries gradients of a
 * loss back. It starts with that of the logits (NULL: 0) and adds, at each tap, given[t], the
 * gradient with respect to its values (NULL: 0). It hands out the gradient with respect to the
 * values of the taps in wanted[t] (NULL: not wanted), with given[t] in it, and, when the plan was
 * made for it and input_gradient is not NULL, that of the input. `given` and `wanted` may be NULL;
 * a pointer may be in both. Nothing is computed above the highest gradient that is given or below
 * the lowest that is wanted. VGG_ERROR_ARGUMENT when nothing is given. Allocates nothing. */
VGG_API vgg_status vgg_plan_backward_taps(vgg_plan *plan, const float *logits_gradient,
                                          const float *const *given, float *const *wanted,
                                          float *input_gradient, vgg_error *error);

/* ---- steps ---- */

/* A step in several batches: in a plan with micro_batches of n > 1, the gradients of up to n pairs
 * of vgg_plan_forward and vgg_plan_backward are added up, from the first after the plan was made,
 * this function or vgg_optimiser_step was called. They are those of one batch of all the images, to
 * rounding, when the losses add up too (vgg_cross_entropy_part). Dropout drops what it would drop
 * in that batch; only batch normalisation in VGG_MODE_TRAIN sees each micro-batch alone. */
VGG_API void vgg_plan_begin_step(vgg_plan *plan);

/* The gradient of a tensor after vgg_plan_backward, in the tensor's shape; NULL for a tensor that
 * is not learnable or frozen, a plan without gradients and, with defer_linear, the tensors of
 * linear layers. Belongs to the plan. */
VGG_API const float *vgg_plan_gradient(const vgg_plan *plan, size_t tensor);

/* Numbers the random choices of dropout; a forward pass in VGG_MODE_TRAIN draws them as a function
 * of (seed, step) and of the image's place among those of the step. Default 0, 0. */
VGG_API void vgg_plan_set_dropout(vgg_plan *plan, uint64_t seed, uint64_t step);

/* The instruction tier that plans use on this processor: "amx", "avx512", "avx2", "portable" or
 * "ref". It is chosen once, at the first plan, and can be forced with the environment variable
 * VGG_CPU; a value that is unknown or that the processor cannot run is an error of vgg_plan_create.
 * Linux gives a process the registers of AMX when it asks, which the first plan in bfloat16 or int8
 * does: docs/threads.md. */
VGG_API const char *vgg_cpu_tier(void);

/* What a plan does, op by op. An op may do several layers at once. */
typedef struct vgg_op_info {
    size_t struct_size;        /* set by the caller */
    char name[VGG_LAYER_NAME]; /* of the layer that gives it its weights or its kind; empty for an
                                * op that only moves values */
    const char *algorithm;     /* "direct", "winograd", "winograd2", "linear", "max-pool", ...; with
                                * bfloat16 "winograd-bf16", with int8 "winograd-int8",
                                * "direct-int8" and so on */
    size_t multiply_adds; /* of one image, as the layer is defined: what `algorithm` saves is not
                           * subtracted */
    size_t weight_bytes;  /* read from the network's tensors */
    /* Of the plan's whole batch: multiply-adds that the algorithm does, counting as one as many of
     * bfloat16 or int8 as the tier's instructions do while AVX-512's or others' do one of float32
     * (two and four, with AMX 16 and 32); the plan's prediction of its time, in multiply-adds that
     * registers would do meanwhile (0 for ops that move memory only); bytes of weights, input and
     * output. */
    size_t products;
    double cost;
    size_t bytes;
    double seconds; /* that the last vgg_plan_forward took for it */
    /* Of a plan with gradients: how the op computes the gradient of its input and those of its
     * weights, NULL where it does not; and the seconds that the last vgg_plan_backward took for the
     * latter and for all else. Batch normalisation computes both at once. With defer_linear the
     * weights of linear layers have the seconds of the last vgg_optimiser_step, their update in
     * them. */
    const char *backward_data, *backward_weights;
    double backward_data_seconds, backward_weights_seconds;
} vgg_op_info;

VGG_API size_t vgg_plan_op_count(const vgg_plan *plan);
/* Of op 0..count-1. The caller sets info->struct_size to sizeof *info before the call. */
VGG_API vgg_status vgg_plan_op(const vgg_plan *plan, size_t op, vgg_op_info *info,
                               vgg_error *error);

/* ---- the machine ---- */

/* The most that this processor does with `threads` threads (0: vgg_threads_default) in the tier in
 * use: float32 multiply-adds in registers, counted as two operations each, and reading memory that
 * no cache holds. Takes about a second and 256 MB. */
typedef struct vgg_machine {
    size_t struct_size; /* set by the caller */
    double peak_gflops, read_gbps;
} vgg_machine;

VGG_API vgg_status vgg_machine_measure(size_t threads, vgg_machine *machine, vgg_error *error);

/* The same of a device. Of a GPU: multiply-adds of products of large matrices in that precision,
 * and the bytes that a copy in its memory reads and writes; takes a second or two. The processor is
 * measured as above, whatever the precision. */
VGG_API vgg_status vgg_device_measure(vgg_device_kind device, vgg_precision precision,
                                      size_t threads, vgg_machine *machine, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
