/* VGG networks: architectures, layers, tensors, and plans that run them.
 *
 * A network is a list of layers and the tensors that they own. It says what is computed. A plan is
 * a network compiled for one input size, one batch size and one purpose; it owns all the memory
 * that running needs. Many plans may share one network, also from several threads, as long as
 * nobody changes the tensors meanwhile; one plan is used by one thread at a time. */
#ifndef VGG_NETWORK_H
#define VGG_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- architectures ---- */

/* A configuration of the paper (Simonyan & Zisserman, arXiv 1409.1556v6, table 1). `convolutions`
 * is written as in `--arch`: output channels of 3x3 convolutions, "1x1:N" for 1x1 ones, M for a 2x2
 * max-pool, L for local response normalisation; the hidden linear layers are 4096,4096. */
typedef struct vgg_architecture {
    const char *name;        /* "A", "A-LRN", "B", "C", "D" or "E" */
    const char *common_name; /* "VGG-11" and the like */
    const char *convolutions;
} vgg_architecture;

/* The table's rows, 0..count-1; NULL beyond. */
VGG_API const vgg_architecture *vgg_architecture_at(size_t row);

/* How the convolutions are joined to the linear layers. */
typedef enum vgg_layout {
    VGG_LAYOUT_PAPER = 0,       /* flatten; then Linear, Dropout, ReLU */
    VGG_LAYOUT_TORCHVISION = 1, /* average-pool to 7x7, flatten; then Linear, ReLU, Dropout */
} vgg_layout;

typedef struct vgg_network_options {
    size_t struct_size; /* set by vgg_network_options_init */
    const char *arch;   /* a name of the table, or written: "32,32,M,64,64,M/256". After the slash
                         * come the widths of the hidden linear layers; none may be given ("64,M/"),
                         * and without a slash there are none. Default "D" */
    vgg_layout layout;  /* default VGG_LAYOUT_PAPER */
    bool batch_norm;    /* a batch normalisation after every convolution, default false */
    size_t classes;     /* default 1000 */
    size_t channels, height, width; /* of the input, default 3 x 224 x 224; channels: 1 or 3 */
    double dropout;                 /* probability to drop, in [0, 1), default 0.5 */
} vgg_network_options;

VGG_API void vgg_network_options_init(vgg_network_options *options, size_t size);

typedef struct vgg_network vgg_network;

/* Builds the list of layers and the shapes of the tensors. The tensors have no values, and take no
 * memory, until vgg_network_initialise or a model file gives them some. */
VGG_API vgg_status vgg_network_create(const vgg_network_options *options, vgg_network **network,
                                      vgg_error *error);
VGG_API void vgg_network_free(vgg_network *network);

/* The options it was built with; the strings belong to the network. */
VGG_API const vgg_network_options *vgg_network_describe(const vgg_network *network);

/* ---- layers and tensors ---- */

typedef enum vgg_layer_type {
    VGG_LAYER_CONVOLUTION = 0,
    VGG_LAYER_BATCH_NORM = 1,
    VGG_LAYER_RELU = 2,
    VGG_LAYER_MAX_POOL = 3,
    VGG_LAYER_LOCAL_RESPONSE_NORM = 4,
    VGG_LAYER_AVERAGE_POOL = 5,
    VGG_LAYER_LINEAR = 6,
    VGG_LAYER_DROPOUT = 7,
} vgg_layer_type;

/* PyTorch's class name: "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "LocalResponseNorm",
 * "AdaptiveAvgPool2d", "Linear", "Dropout". */
VGG_API const char *vgg_layer_type_name(vgg_layer_type type);

/* Where torchvision's modules put the layer: "features.0", "avgpool", "classifier.3". */
#define VGG_LAYER_NAME 32

typedef struct vgg_layer_info {
    vgg_layer_type type;
    char name[VGG_LAYER_NAME];
    size_t kernel;     /* 3 or 1 for a convolution, 2 for a max-pool, else 0 */
    size_t dimensions; /* of the output of one image: 3 (C, H, W) or 1 (features) */
    size_t output[3];
    size_t parameters;    /* values that training changes */
    size_t multiply_adds; /* for one image; convolutions and linear layers only, as is usual */
    size_t first_tensor, tensors; /* its tensors are first_tensor .. first_tensor + tensors - 1 */
} vgg_layer_info;

/* A row of the summary is a layer that is executed and owns the tensors that are saved. */
VGG_API size_t vgg_network_layer_count(const vgg_network *network);
VGG_API vgg_status vgg_network_layer(const vgg_network *network, size_t layer, vgg_layer_info *info,
                                     vgg_error *error);

#define VGG_TENSOR_NAME 48

typedef struct vgg_tensor_info {
    char name[VGG_TENSOR_NAME];  /* torchvision's: "features.0.weight", "features.1.running_mean" */
    size_t dimensions, shape[4]; /* (K, C, R, S), (out, in) or (channels) */
    size_t count;                /* the product of shape */
    bool trained;                /* false for running statistics */
} vgg_tensor_info;

VGG_API size_t vgg_network_tensor_count(const vgg_network *network);
VGG_API vgg_status vgg_network_tensor(const vgg_network *network, size_t tensor,
                                      vgg_tensor_info *info, vgg_error *error);
/* The number of the tensor with that name, or vgg_network_tensor_count when there is none. */
VGG_API size_t vgg_network_find_tensor(const vgg_network *network, const char *name);

/* The values in row-major order, read-only; NULL while the tensor has none, and for one that is
 * stored in 16 or 8 bits. */
VGG_API const float *vgg_network_values(const vgg_network *network, size_t tensor);

/* How a tensor is stored: "F32", "F16" (IEEE 754 binary16), "BF16" (the upper half of a float),
 * "I8" (whole numbers times a float per output); NULL while it has no values. */
VGG_API const char *vgg_network_dtype(const vgg_network *network, size_t tensor);

/* Copies the values out as floats, however they are stored; `count` must be the tensor's count. */
VGG_API vgg_status vgg_network_copy_values(const vgg_network *network, size_t tensor, float *values,
                                           size_t count, vgg_error *error);

/* Stores the weights of linear layers, which are nearly all that a VGG has, as "F16", "BF16" or
 * "I8", rounded to nearest, ties to even; or everything as "F32". I8: from -127 to 127, times the
 * 127th of the largest absolute weight of the output; VGG_ERROR_NUMERIC for weights that are not
 * finite. Plans compute from them with the arithmetic of 32 bits and read a half or a quarter of
 * the memory, for which large linear layers wait. Training widens them again. No plan of this
 * network may be running. */
VGG_API vgg_status vgg_network_set_dtype(vgg_network *network, const char *dtype, vgg_error *error);

/* Copies `count` values in, which must be the tensor's count. No plan of this network may be
 * running. */
VGG_API vgg_status vgg_network_set_values(vgg_network *network, size_t tensor, const float *values,
                                          size_t count, vgg_error *error);

/* Gives every tensor random values, a function of the seed:
 *   "kaiming"  convolutions N(0, 2 / (K R S)) (fan-out, He et al. 2015), linear N(0, 0.01^2), zero
 *              biases: torchvision's scheme
 *   "glorot"   uniform +-sqrt(6 / (fan in + fan out)) (Glorot & Bengio 2010), zero biases
 *   "paper"    N(0, 1e-2 variance), zero biases (section 3.1; meant for configuration A)
 * Batch normalisation starts with weight 1, bias 0, mean 0, variance 1. */
VGG_API vgg_status vgg_network_initialise(vgg_network *network, const char *scheme, uint64_t seed,
                                          vgg_error *error);

/* Freezes a layer, or trains it again: what belongs to a frozen layer has no gradient and does not
 * change; its batch normalisation uses the running statistics in either mode, and leaves them
 * alone. Below the lowest layer that is trained nothing is kept for backward passes, and forward
 * passes are those of a plan without gradients. Plans and optimisers made from now on see it; it is
 * not saved. All layers are trained at first. */
VGG_API vgg_status vgg_network_set_trained(vgg_network *network, size_t layer, bool trained,
                                           vgg_error *error);
VGG_API bool vgg_network_trained(const vgg_network *network, size_t layer);

/* Freezes the first `blocks` blocks of convolutions, each of which ends with a max-pool, and trains
 * all other layers. */
VGG_API vgg_status vgg_network_freeze(vgg_network *network, size_t blocks, vgg_error *error);

/* Totals of all layers. */
VGG_API size_t vgg_network_parameters(const vgg_network *network);
VGG_API size_t vgg_network_multiply_adds(const vgg_network *network);

/* torchsummary 1.5.1's table as text; batch 0 prints -1 for the batch, as torchsummary does by
 * default. Parameters take the bytes that they are stored in, and where not all are float32 the
 * line of their size says how many are of which type. The caller frees *text with free(). */
VGG_API vgg_status vgg_network_summary(const vgg_network *network, size_t batch, char **text,
                                       vgg_error *error);

/* The same as JSON: {"arch", "layout", "batch_norm", "input", "classes", "batch", "layers":
 * [{"name", "type", "output_shape", "parameters", "multiply_adds"}], "parameters",
 * "trainable_parameters", "multiply_adds", "parameters_by_type": {"F32": ...}, "input_mb",
 * "forward_backward_mb", "parameters_mb", "total_mb"}. */
VGG_API vgg_status vgg_network_summary_json(const vgg_network *network, size_t batch, char **text,
                                            vgg_error *error);

/* The shape that is left of `dimensions` sizes when those from start_dim on are flattened into one,
 * like torch.flatten(x, start_dim): (N, C, H, W) with start_dim 1 becomes (N, C*H*W), so that
 * images are never mixed. out has room for `dimensions` sizes; *out_dimensions is how many there
 * are. */
VGG_API vgg_status vgg_flatten_shape(const size_t *shape, size_t dimensions, size_t start_dim,
                                     size_t *out, size_t *out_dimensions, vgg_error *error);

/* ---- plans ---- */

/* What dropout and batch normalisation do. In VGG_MODE_EVAL dropout passes everything and batch
 * normalisation uses the running statistics; in VGG_MODE_TRAIN dropout drops and rescales the rest
 * by 1 / (1 - p), and batch normalisation uses the batch's statistics and updates the running ones
 * (momentum 0.1, unbiased variance). */
typedef enum vgg_mode {
    VGG_MODE_EVAL = 0,
    VGG_MODE_TRAIN = 1,
} vgg_mode;

typedef struct vgg_plan_options {
    size_t struct_size;   /* set by vgg_plan_options_init */
    size_t batch;         /* most images at once, default 1 */
    size_t height, width; /* of the input; default 0: the network's own */
    size_t threads;       /* default 0: as many as the machine leaves to this process */
    vgg_mode mode;        /* default VGG_MODE_EVAL */
    bool gradients;       /* keep what vgg_plan_backward needs, default false; a plan made for
                           * VGG_MODE_TRAIN always does */
    bool exact;           /* convolve directly, without Winograd's transforms: slower, and less than
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
} vgg_plan_options;

VGG_API void vgg_plan_options_init(vgg_plan_options *options, size_t size);

typedef struct vgg_plan vgg_plan;

/* Compiles the network. All memory that the plan will ever use is taken here; when the machine has
 * less than that, the error says how much is needed for what, and how much there is. The network
 * must outlive the plan. When its tensors change, the next run of the plan sees the new values.
 * Running in VGG_MODE_TRAIN changes the network's running statistics; nothing else does. */
VGG_API vgg_status vgg_plan_create(vgg_network *network, const vgg_plan_options *options,
                                   vgg_plan **plan, vgg_error *error);
VGG_API void vgg_plan_free(vgg_plan *plan);

/* Bytes that a plan with these options takes, without making it. */
VGG_API vgg_status vgg_plan_memory(vgg_network *network, const vgg_plan_options *options,
                                   size_t *bytes, vgg_error *error);

/* Switches between train and eval, like PyTorch's model.train() and model.eval(). Switching to
 * VGG_MODE_TRAIN needs a plan that keeps gradients. */
VGG_API vgg_status vgg_plan_set_mode(vgg_plan *plan, vgg_mode mode, vgg_error *error);
VGG_API vgg_mode vgg_plan_mode(const vgg_plan *plan);

/* inputs: (count, channels, height, width) floats, 1 <= count <= batch. logits: (count, classes),
 * the values before softmax. A row of logits is the same bits whatever the other images, the count
 * and the number of threads are, in plans with the same options (in VGG_MODE_TRAIN: except for
 * batch normalisation and dropout, which depend on the batch by their definition). Allocates
 * nothing. */
VGG_API vgg_status vgg_plan_forward(vgg_plan *plan, const float *inputs, size_t count,
                                    float *logits, vgg_error *error);

/* After vgg_plan_forward, once for each: from the gradient of a loss with respect to the logits,
 * (count, classes), the gradients of every trained tensor (read them with vgg_plan_gradient) and,
 * when the plan was made for it and input_gradient is not NULL, of the input, (count, channels,
 * height, width). */
VGG_API vgg_status vgg_plan_backward(vgg_plan *plan, const float *logits_gradient,
                                     float *input_gradient, vgg_error *error);

/* A step in several batches: in a plan with micro_batches of n > 1, the gradients of up to n pairs
 * of vgg_plan_forward and vgg_plan_backward are added up, from the first after the plan was made,
 * this function or vgg_optimiser_step was called. They are those of one batch of all the images, to
 * rounding, when the losses add up too (vgg_cross_entropy_part). Dropout drops what it would drop
 * in that batch; only batch normalisation in VGG_MODE_TRAIN sees each micro-batch alone. */
VGG_API void vgg_plan_begin_step(vgg_plan *plan);

/* The gradient of a tensor after vgg_plan_backward, in the tensor's shape; NULL for a tensor that
 * is not trained or frozen, a plan without gradients and, with defer_linear, the tensors of linear
 * layers. Belongs to the plan. */
VGG_API const float *vgg_plan_gradient(const vgg_plan *plan, size_t tensor);

/* Numbers the random choices of dropout; a forward pass in VGG_MODE_TRAIN draws them as a function
 * of (seed, step) and of the image's place among those of the step. Default 0, 0. */
VGG_API void vgg_plan_set_dropout(vgg_plan *plan, uint64_t seed, uint64_t step);

/* The instruction tier that plans use on this processor: "avx512", "avx2", "portable" or "ref". It
 * is chosen once, at the first plan, and can be forced with the environment variable VGG_CPU; a
 * value that is unknown or that the processor cannot run is an error of vgg_plan_create. */
VGG_API const char *vgg_cpu_tier(void);

/* What a plan does, step by step. A step may do several layers at once. */
typedef struct vgg_step_info {
    char name[VGG_LAYER_NAME]; /* of the layer that gives it its weights or its kind */
    const char *algorithm;     /* "direct", "winograd", "winograd2", "linear", "max-pool", ... */
    size_t multiply_adds; /* of one image, as the layer is defined: what `algorithm` saves is not
                           * subtracted */
    size_t weight_bytes;  /* read from the network's tensors */
    /* Of the plan's whole batch: multiply-adds that the algorithm does; the plan's prediction of
     * its time, in multiply-adds that registers would do meanwhile (0 for steps that move memory
     * only); bytes of weights, input and output. */
    size_t products;
    double cost;
    size_t bytes;
    double seconds; /* that the last vgg_plan_forward took for it */
    /* Of a plan with gradients: how the step computes the gradient of its input and those of its
     * weights, NULL where it does not; and the seconds that the last vgg_plan_backward took for the
     * latter and for all else. Batch normalisation computes both at once. With defer_linear the
     * weights of linear layers have the seconds of the last vgg_optimiser_step, their update in
     * them. */
    const char *backward_data, *backward_weights;
    double backward_data_seconds, backward_weights_seconds;
} vgg_step_info;

VGG_API size_t vgg_plan_step_count(const vgg_plan *plan);
VGG_API vgg_status vgg_plan_step(const vgg_plan *plan, size_t step, vgg_step_info *info,
                                 vgg_error *error);

/* ---- the machine ---- */

/* The most that this processor does with `threads` threads (0: vgg_threads_default) in the tier in
 * use: float32 multiply-adds in registers, counted as two operations each, and reading memory that
 * no cache holds. Takes about a second and 256 MB. */
typedef struct vgg_machine {
    double peak_gflops, read_gbps;
} vgg_machine;

VGG_API vgg_status vgg_machine_measure(size_t threads, vgg_machine *machine, vgg_error *error);

/* ---- loss ---- */

/* Probabilities from logits, (count, classes) each; may be in place. Stable for any finite logits.
 */
VGG_API void vgg_softmax(const float *logits, size_t count, size_t classes, float *probabilities);

/* Cross-entropy of the softmax of logits with class numbers, averaged over count images. gradient,
 * if not NULL, receives (softmax - one-hot) / count, the derivative with respect to the logits. */
VGG_API double vgg_cross_entropy(const float *logits, const size_t *classes, size_t count,
                                 size_t class_count, float *gradient);

/* The share of `count` images in the loss of `whole` images, of which they are a part: their sum
 * and gradients are divided by `whole`, so that the shares of all parts add up. */
VGG_API double vgg_cross_entropy_part(const float *logits, const size_t *classes, size_t count,
                                      size_t class_count, size_t whole, float *gradient);

#ifdef __cplusplus
}
#endif
#endif
