/* VGG networks: architectures, layers and tensors.
 *
 * A network is a list of layers and the tensors that they own. It says what is computed; plan.h has
 * what computes it. Any number of threads may read one network as long as nobody changes it. */
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
 * is written as in vgg_network_options; the hidden linear layers are 4096,4096. Frozen. */
typedef struct vgg_architecture {
    const char *name;        /* "A", "A-LRN", "B", "C", "D" or "E" */
    const char *common_name; /* "VGG-11" and the like */
    const char *convolutions;
} vgg_architecture;

/* The table's rows, 0..count-1; NULL beyond. */
VGG_API const vgg_architecture *vgg_architecture_at(size_t row);

/* How the convolutions are joined to the linear layers. */
typedef enum vgg_layout {
    VGG_LAYOUT_UNSAID = 0,      /* in options: left open */
    VGG_LAYOUT_PAPER = 1,       /* flatten; then Linear, Dropout, ReLU */
    VGG_LAYOUT_TORCHVISION = 2, /* average-pool to 7x7, flatten; then Linear, ReLU, Dropout */
    VGG_LAYOUT_GLOBAL = 3,      /* the average of each channel; then Linear, ReLU, Dropout */
    VGG_LAYOUT_GLOBAL_MAX = 4,  /* the maximum of each channel; then Linear, ReLU, Dropout */
} vgg_layout;

/* "paper", "torchvision", "global" or "global-max"; NULL for any other value. */
VGG_API const char *vgg_layout_name(vgg_layout layout);
/* The layout of that name; VGG_LAYOUT_UNSAID when there is none. */
VGG_API vgg_layout vgg_layout_named(const char *name);

/* What 3x3 convolutions do at the edges. */
typedef enum vgg_padding {
    VGG_PADDING_UNSAID = 0, /* in options: left open */
    VGG_PADDING_SAME = 1,   /* a border of zeros: height and width stay */
    VGG_PADDING_VALID = 2,  /* none: height and width lose 2 */
} vgg_padding;

/* "same" or "valid"; NULL for any other value. */
VGG_API const char *vgg_padding_name(vgg_padding padding);
/* The padding of that name; VGG_PADDING_UNSAID when there is none. */
VGG_API vgg_padding vgg_padding_named(const char *name);

/* In options: what the caller says of something that it may leave open. */
typedef enum vgg_answer {
    VGG_ANSWER_UNSAID = 0,
    VGG_ANSWER_YES = 1,
    VGG_ANSWER_NO = 2,
} vgg_answer;

/* Where something that is known of a network or a model comes from. The values are pinned. */
typedef enum vgg_origin {
    VGG_ORIGIN_UNKNOWN = 0,    /* it is not known */
    VGG_ORIGIN_TOLD = 1,       /* the caller said it */
    VGG_ORIGIN_FILE = 2,       /* the file's own description */
    VGG_ORIGIN_GRAPH = 3,      /* the graph of layers in the file */
    VGG_ORIGIN_SHAPES = 4,     /* the names and shapes of the file's tensors */
    VGG_ORIGIN_CONVENTION = 5, /* not in the file: what files of its format usually mean */
    VGG_ORIGIN_SIZE = 6,       /* the number of values in the file, which names none of them */
    VGG_ORIGIN_BESIDE = 7,     /* what stands beside the weights: in the checkpoint around them, or
                                * in a config.json in the file's folder */
    VGG_ORIGIN_ASSUMED = 8,    /* nothing shows it: what is usual was taken */
} vgg_origin;

/* "unknown", "told", "file", "graph", "shapes", "convention", "size", "beside" or "assumed";
 * "unknown" for any other value, too. */
VGG_API const char *vgg_origin_name(vgg_origin origin);

/* An architecture is a name of the table, or written as words between commas: those of the layers
 * that see pictures, a slash, and those of the layers that see rows of features, as in
 * "32,32,M,64,64,M/256". Either list may be empty; without a slash there is only the first. The
 * last linear layer, whose outputs are the classes, is not written.
 *
 *   before the slash
 *   64         a 3x3 convolution of 64 channels, with batch_norm a batch normalisation, a ReLU
 *   1x1:64     the same with a 1x1 convolution
 *   c64        a convolution with nothing behind it; c1x1:64 as well
 *   64v, 64s   without a padding, and with one that keeps the size: where it differs from `padding`
 *   M, P       a max-pool, an average pool: 2x2, stride 2, rounding down
 *   L          local response normalisation
 *   after the slash
 *   256        a linear layer of 256 features, a ReLU and a dropout, in the order of the layout
 *   f256       a linear layer with nothing behind it
 *   on both sides
 *   B, R       a batch normalisation, a ReLU
 *   D0.25      a dropout of that probability
 */
typedef struct vgg_network_options {
    size_t struct_size; /* set by vgg_network_options_init */
    const char *arch;   /* default "D" */
    vgg_layout layout;  /* default, also when unsaid, VGG_LAYOUT_PAPER */
    bool batch_norm; /* a batch normalisation after every convolution that is written as a number,
                      * default false */
    size_t classes;  /* default 1000 */
    size_t channels, height, width; /* of the input, default 3 x 224 x 224; channels: 1 or 3 */
    double dropout; /* probability to drop behind linear layers that are written as a number, in [0,
                     * 1), default 0.5 */
    vgg_padding padding; /* default, also when unsaid, VGG_PADDING_SAME */
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
    VGG_LAYER_AVERAGE_POOL = 5, /* torchvision's, to 7x7 */
    VGG_LAYER_LINEAR = 6,
    VGG_LAYER_DROPOUT = 7,
    VGG_LAYER_AVERAGE_POOL_2X2 = 8,
    VGG_LAYER_GLOBAL_AVERAGE_POOL = 9,
    VGG_LAYER_GLOBAL_MAX_POOL = 10,
} vgg_layer_type;

/* PyTorch's class name: "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "LocalResponseNorm",
 * "AdaptiveAvgPool2d", "Linear", "Dropout", "AvgPool2d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d".
 * The batch normalisation of a row of features is PyTorch's BatchNorm1d, as summaries call it. */
VGG_API const char *vgg_layer_type_name(vgg_layer_type type);

/* Room for a layer's name, which says where torchvision's modules put it: "features.0", "avgpool",
 * "classifier.3". */
#define VGG_LAYER_NAME 32

typedef struct vgg_layer_info {
    size_t struct_size; /* set by the caller */
    vgg_layer_type type;
    char name[VGG_LAYER_NAME];
    size_t kernel;     /* 3 or 1 for a convolution, 2 for a pool of 2x2, else 0 */
    size_t dimensions; /* of the output of one image: 3 (C, H, W) or 1 (features) */
    size_t output[3];
    size_t parameters;    /* values that training changes */
    size_t multiply_adds; /* for one image; convolutions and linear layers only, as is usual */
    size_t first_tensor, tensors; /* its tensors are first_tensor .. first_tensor + tensors - 1 */
    size_t padding;               /* of a convolution: 1, or 0 without; else 0 */
    double dropout;               /* of a dropout: the probability; else 0 */
    char paper_name[VGG_LAYER_NAME]; /* by the paper's counting, see vgg_network_find_layer; empty
                                      * for a layer that has none */
} vgg_layer_info;

/* Layers are numbered in the order in which they are executed; each is a row of the summary. */
VGG_API size_t vgg_network_layer_count(const vgg_network *network);
VGG_API vgg_status vgg_network_layer(const vgg_network *network, size_t layer, vgg_layer_info *info,
                                     vgg_error *error);

/* The number of the layer with that name, which is torchvision's, as in vgg_layer_info
 * ("features.29", "avgpool", "classifier.3"), or, in any case, one by the paper's counting: blocks
 * of convolutions end at pools of 2x2, and convolutions are counted in their block.
 *
 *   conv5_3, bn5_3, relu5_3   the third convolution of the fifth block as it is, normalised, and
 *                             behind its ReLU
 *   pool5                     the pool behind the fifth block
 *   fc6, bn6, relu6, drop6    the first linear layer as it is, and what stands behind it: linear
 *                             layers go on with the blocks' numbers
 *   logits                    the last layer
 *
 * Caffe's files compute ReLUs in place, so that what it calls conv5_3 or fc7 is relu5_3 or relu7
 * here. VGG_ERROR_NOT_FOUND, saying what the network has, for any other name. */
VGG_API vgg_status vgg_network_find_layer(const vgg_network *network, const char *name,
                                          size_t *layer, vgg_error *error);

/* Room for a tensor's name. */
#define VGG_TENSOR_NAME 48

typedef struct vgg_tensor_info {
    size_t struct_size;          /* set by the caller */
    char name[VGG_TENSOR_NAME];  /* torchvision's: "features.0.weight", "features.1.running_mean" */
    size_t dimensions, shape[4]; /* (K, C, R, S), (out, in) or (channels) */
    size_t count;                /* the product of shape */
    bool learnable;              /* false for running statistics */
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

/* Stores one tensor so, such as the weights of a convolution, which vgg_network_set_dtype leaves as
 * they are: those are the smaller part of most VGGs, and computing from them takes the same time.
 * VGG_ERROR_UNSUPPORTED: I8 is for the weights of linear layers alone. Stored anew as another type
 * than I8, the scales of convolutions in int8 are forgotten; see vgg_network_calibrate. */
VGG_API vgg_status vgg_network_set_tensor_dtype(vgg_network *network, size_t tensor,
                                                const char *dtype, vgg_error *error);

/* The same, telling a callback, which may be NULL, how many bytes of floats are stored of how many.
 * Stopped, it leaves some tensors as they were, and the others stored as asked. */
VGG_API vgg_status vgg_network_set_dtype_told(vgg_network *network, const char *dtype,
                                              vgg_progress_callback *progress, void *user,
                                              vgg_error *error);

/* Copies `count` values in, which must be the tensor's count. No plan of this network may be
 * running. */
VGG_API vgg_status vgg_network_set_values(vgg_network *network, size_t tensor, const float *values,
                                          size_t count, vgg_error *error);

/* Gives every tensor random values, a function of the seed:
 *   "kaiming"  convolutions N(0, 2 / (K R S)) (fan-out, He et al. 2015), linear N(0, 0.01^2), zero
 *              biases: torchvision's scheme
 *   "glorot"   uniform +-sqrt(6 / (fan in + fan out)) (Glorot & Bengio 2010), zero biases
 *   "paper"    N(0, 1e-2 variance), zero biases (section 3.1; meant for configuration A)
 *   "dirac"    kaiming, but the first filters of a convolution pass a channel each on as it is
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

/* Freezes the first `blocks` blocks of convolutions, each of which ends with a pool of 2x2, and
 * trains all other layers. */
VGG_API vgg_status vgg_network_freeze(vgg_network *network, size_t blocks, vgg_error *error);

/* Totals of all layers. */
VGG_API size_t vgg_network_parameters(const vgg_network *network);
VGG_API size_t vgg_network_multiply_adds(const vgg_network *network);

/* torchsummary 1.5.1's table as text; batch 0 prints -1 for the batch, as torchsummary does by
 * default. Parameters take the bytes that they are stored in, and where not all are float32 the
 * line of their size says how many are of which type. The caller frees *text with vgg_string_free.
 */
VGG_API vgg_status vgg_network_summary(const vgg_network *network, size_t batch, char **text,
                                       vgg_error *error);

/* The same as JSON: {"arch", "layout", "batch_norm", "padding", "input", "classes", "batch",
 * "layers": [{"name", "type", "output_shape", "parameters", "multiply_adds"}], "parameters",
 * "trainable_parameters", "multiply_adds", "parameters_by_type": {"F32": ...}, "input_mb",
 * "forward_backward_mb", "parameters_mb", "total_mb"}. The caller frees *text with
 * vgg_string_free. */
VGG_API vgg_status vgg_network_summary_json(const vgg_network *network, size_t batch, char **text,
                                            vgg_error *error);

/* The shape that is left of `dimensions` sizes when those from start_dim on are flattened into one,
 * like torch.flatten(x, start_dim): (N, C, H, W) with start_dim 1 becomes (N, C*H*W), so that
 * images are never mixed. out has room for `dimensions` sizes; *out_dimensions is how many there
 * are. */
VGG_API vgg_status vgg_flatten_shape(const size_t *shape, size_t dimensions, size_t start_dim,
                                     size_t *out, size_t *out_dimensions, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
