/* ONNX operators (github.com/onnx/onnx, docs/Operators.md) as layers of a VGG network. Whatever
 * would compute something else than such a network does is refused by the name of its node. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "formats/onnx/onnx.h"
#include "formats/transpose.h"
#include "nn/definition.h"

/* AdaptiveAvgPool2d(7) of torchvision's layout. */
#define POOLED 7

static bool close_to(double found, double expected) {
    return fabs(found - expected) <= 1e-6 * expected;
}

/* ---- tensors of a node ---- */

static vgg_status take_tensor(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, const char *name,
                              vgg_stored_tensor *tensor, bool *transposed, vgg_error *error) {
    const Vgg__Onnx__Tensor *stored = vgg_onnx_find_tensor(walk->onnx, name, transposed);
    if (stored == NULL)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "takes \"%.80s\", which is no stored tensor", name);
    return vgg_onnx_tensor(walk->onnx, stored, tensor, error);
}

/* A vector of `count` values, whose shape may have further sizes of 1. */
static vgg_status take_vector(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, const char *name,
                              size_t count, vgg_stored_tensor *vector, vgg_error *error) {
    bool transposed;
    vgg_status status = take_tensor(walk, node, name, vector, &transposed, error);
    if (status != VGG_OK)
        return status;
    if (vector->count != count) {
        char shape[VGG_SHAPE_TEXT];
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "takes \"%.80s\" of shape %s, expected %zu values", name,
                                  vgg_shape_text(shape, vector->shape, vector->dimensions), count);
    }
    vector->dimensions = 1;
    vector->shape[0] = count;
    return VGG_OK;
}

/* (in, out) -> (out, in) */
static vgg_status transpose(vgg_onnx_walk *walk, vgg_stored_tensor *matrix, vgg_error *error) {
    size_t rows = matrix->shape[0], columns = matrix->shape[1];
    const vgg_kernel_sizes sizes = {1, rows, columns, matrix->type->bytes};
    matrix->shape[0] = columns;
    matrix->shape[1] = rows;
    return vgg_transpose(walk->onnx->source, &sizes, matrix->bytes, &matrix->bytes, error);
}

/* ---- the order of layers ---- */

/* Appends the layer whose bias was waited for. */
static vgg_status flush(vgg_onnx_walk *walk, vgg_error *error) {
    vgg_onnx_pending kind = walk->pending;
    if (kind == VGG_ONNX_NOTHING)
        return VGG_OK;
    walk->pending = VGG_ONNX_NOTHING;
    walk->last = kind;
    walk->normalised = false;
    size_t outputs = walk->weight.shape[0];
    vgg_status status = VGG_OK;
    if (!walk->biased)
        status = vgg_tensor_source_vector(walk->onnx->source, outputs, 0, "a bias of zeros",
                                          &walk->bias, error);
    if (status != VGG_OK)
        return status;
    if (kind == VGG_ONNX_LINEAR) {
        if (walk->features > 0)
            vgg_text_add(&walk->hidden, walk->hidden.length == 0 ? "/%zu" : ",%zu", walk->features);
        walk->features = outputs;
        return vgg_sequence_linear(&walk->sequence, &walk->weight, &walk->bias, error);
    }
    walk->channels = outputs;
    vgg_text_add(&walk->trunk, walk->trunk.length > 0 ? "," : "");
    vgg_text_add(&walk->trunk, walk->weight.shape[2] == 1 ? "1x1:%zu" : "%zu", outputs);
    return vgg_sequence_convolution(&walk->sequence, &walk->weight, &walk->bias, error);
}

/* That the node may come now: every layer with weights but the last has its ReLU. */
static vgg_status check_order(const vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, bool flat,
                              vgg_error *error) {
    if (walk->last != VGG_ONNX_NOTHING)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "follows a %s that has no Relu, expected one between them",
                                  walk->last == VGG_ONNX_LINEAR ? "Gemm or MatMul" : "Conv");
    if (!flat && (walk->flat || walk->pooled))
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "stands behind the convolutions, where it is not expected");
    return VGG_OK;
}

/* Writes what a node says of itself, such as " with strides=2,2 pads=1,1,1,1"; returns buffer. */
#define ATTRIBUTES_TEXT 160
static const char *attributes_text(char buffer[ATTRIBUTES_TEXT], const Vgg__Onnx__Node *node) {
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < node->n_attribute && used < ATTRIBUTES_TEXT; i++) {
        const Vgg__Onnx__Attribute *attribute = node->attribute[i];
        for (size_t k = 0; k < attribute->n_ints && used < ATTRIBUTES_TEXT; k++) {
            const char *name = k == 0 ? vgg_onnx_text(attribute->name) : "";
            used += (size_t)snprintf(buffer + used, ATTRIBUTES_TEXT - used, "%s%.20s%s%lld",
                                     k > 0      ? ","
                                     : used > 0 ? " "
                                                : " with ",
                                     name, k == 0 ? "=" : "", (long long)attribute->ints[k]);
        }
    }
    return buffer;
}

/* ---- convolutions ---- */

/* Whether the edges are padded so that a kernel of that size keeps the picture's size. */
static bool keeps_size(const Vgg__Onnx__Node *node, size_t kernel) {
    const char *automatic = vgg_onnx_string(node, "auto_pad", "NOTSET");
    if (strncmp(automatic, "SAME_", 5) == 0)
        return true;
    if (strcmp(automatic, "VALID") == 0)
        return kernel == 1;
    return vgg_onnx_all(node, "pads", 4, kernel == 3, kernel == 1);
}

static bool has_no_pads(const Vgg__Onnx__Node *node) {
    const char *automatic = vgg_onnx_string(node, "auto_pad", "NOTSET");
    return strcmp(automatic, "VALID") == 0 ||
           (strcmp(automatic, "NOTSET") == 0 && vgg_onnx_all(node, "pads", 4, 0, true));
}

/* A linear layer may be written as a convolution that sees all of its input at once. */
static bool sees_all(const vgg_onnx_walk *walk, const Vgg__Onnx__Node *node,
                     const vgg_stored_tensor *weight) {
    if (walk->features > 0)
        return weight->shape[2] == 1 && weight->shape[3] == 1 && has_no_pads(node);
    return weight->shape[2] == walk->height && weight->shape[3] == walk->width &&
           walk->height > 1 && has_no_pads(node);
}

static vgg_status convolution(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    vgg_stored_tensor *weight = &walk->weight;
    bool transposed;
    vgg_status status =
        take_tensor(walk, node, vgg_onnx_input(node, 1), weight, &transposed, error);
    if (status != VGG_OK)
        return status;
    char shape[VGG_SHAPE_TEXT], attributes[ATTRIBUTES_TEXT];
    if (weight->dimensions != 4)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "has a weight of shape %s, expected four sizes",
                                  vgg_shape_text(shape, weight->shape, weight->dimensions));
    bool plain = vgg_onnx_all(node, "strides", 2, 1, true) &&
                 vgg_onnx_all(node, "dilations", 2, 1, true) && vgg_onnx_int(node, "group", 1) == 1;
    bool linear = plain && sees_all(walk, node, weight);
    bool ours = plain && weight->shape[2] == weight->shape[3] &&
                (weight->shape[2] == 3 || weight->shape[2] == 1) &&
                keeps_size(node, weight->shape[2]);
    if (!linear && !ours)
        return vgg_onnx_fail_node(
            walk->onnx, node, error,
            "has a kernel of %zux%zu%s, auto_pad %.20s and group %lld, expected 3x3 with "
            "pads of 1 or 1x1, stride 1, no dilation and one group",
            weight->shape[2], weight->shape[3], attributes_text(attributes, node),
            vgg_onnx_string(node, "auto_pad", "NOTSET"), (long long)vgg_onnx_int(node, "group", 1));
    status = check_order(walk, node, linear, error);
    if (status != VGG_OK)
        return status;
    walk->pending = linear ? VGG_ONNX_LINEAR : VGG_ONNX_CONVOLUTION;
    if (linear)
        walk->height = walk->width = 1;
    walk->biased = vgg_onnx_input(node, 2)[0] != '\0';
    if (walk->biased)
        status =
            take_vector(walk, node, vgg_onnx_input(node, 2), weight->shape[0], &walk->bias, error);
    return status;
}

static vgg_status batch_norm(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    if (walk->last != VGG_ONNX_CONVOLUTION || walk->normalised)
        return vgg_onnx_fail_node(walk->onnx, node, error, "does not follow a Conv");
    double epsilon = vgg_onnx_float(node, "epsilon", VGG_BATCH_NORM_EPSILON);
    if (!close_to(epsilon, VGG_BATCH_NORM_EPSILON))
        return vgg_onnx_fail_node(walk->onnx, node, error, "has epsilon %g, expected %g", epsilon,
                                  VGG_BATCH_NORM_EPSILON);
    if (vgg_onnx_int(node, "training_mode", 0) != 0 || vgg_onnx_int(node, "spatial", 1) != 1)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "is for training or not per channel, expected running statistics "
                                  "per channel");
    vgg_stored_tensor figures[4];
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < 4; i++) {
        status = take_vector(walk, node, vgg_onnx_input(node, i + 1), walk->channels, &figures[i],
                             error);
    }
    walk->normalised = true;
    return status == VGG_OK ? vgg_sequence_batch_norm(&walk->sequence, figures, error) : status;
}

static vgg_status relu(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    if (walk->last == VGG_ONNX_NOTHING)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "does not follow a layer with weights, as in a VGG network");
    walk->last = VGG_ONNX_NOTHING;
    return VGG_OK;
}

static vgg_status local_response_norm(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node,
                                      vgg_error *error) {
    vgg_status status = check_order(walk, node, false, error);
    if (status != VGG_OK)
        return status;
    int64_t size = vgg_onnx_int(node, "size", 0);
    double alpha = vgg_onnx_float(node, "alpha", 1e-4), beta = vgg_onnx_float(node, "beta", 0.75),
           bias = vgg_onnx_float(node, "bias", 1.0);
    int64_t expected = VGG_LRN_SIZE;
    if (size != expected || !close_to(alpha, VGG_LRN_ALPHA * (double)expected) ||
        !close_to(beta, VGG_LRN_BETA) || !close_to(bias, VGG_LRN_K))
        return vgg_onnx_fail_node(
            walk->onnx, node, error,
            "has size %lld, alpha %g, beta %g and bias %g, expected %lld, %g, "
            "%g and %g",
            (long long)size, alpha, beta, bias, (long long)expected,
            VGG_LRN_ALPHA * (double)expected, VGG_LRN_BETA, VGG_LRN_K);
    vgg_sequence_lrn(&walk->sequence);
    vgg_text_add(&walk->trunk, walk->trunk.length > 0 ? ",L" : "L");
    return VGG_OK;
}

/* ---- pools ---- */

static vgg_status max_pool(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    vgg_status status = check_order(walk, node, false, error);
    if (status != VGG_OK)
        return status;
    char attributes[ATTRIBUTES_TEXT];
    bool up = vgg_onnx_int(node, "ceil_mode", 0) != 0 ||
              strncmp(vgg_onnx_string(node, "auto_pad", ""), "SAME_", 5) == 0;
    if (!vgg_onnx_all(node, "kernel_shape", 2, 2, false) ||
        !vgg_onnx_all(node, "strides", 2, 2, false) ||
        !vgg_onnx_all(node, "dilations", 2, 1, true) || !vgg_onnx_all(node, "pads", 4, 0, true))
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "is a pool%s, expected one of 2x2 with stride 2 and without "
                                  "pads or dilation",
                                  attributes_text(attributes, node));
    /* Rounding up or down is the same for even sizes only. */
    bool even = walk->height > 0 && walk->height % 2 == 0 && walk->width % 2 == 0;
    if (up && !even)
        return vgg_onnx_fail_node(
            walk->onnx, node, error,
            "rounds the size of its output up, expected down, for an input of "
            "%zux%zu (0: unknown)",
            walk->height, walk->width);
    walk->height /= 2;
    walk->width /= 2;
    vgg_sequence_pool(&walk->sequence);
    vgg_text_add(&walk->trunk, walk->trunk.length > 0 ? ",M" : "M");
    return VGG_OK;
}

/* The pool between convolutions and linear layers: that of torchvision's layout, from whichever
 * size to 7 x 7, or one that changes nothing. */
static vgg_status last_pool(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, bool global,
                            vgg_error *error) {
    /* Linear layers that are written as convolutions may have a pool of one value behind them. */
    vgg_status status = walk->features > 0 ? VGG_OK : check_order(walk, node, false, error);
    if (status != VGG_OK)
        return status;
    walk->pooled = true;
    bool nothing = global ? walk->height == 1 && walk->width == 1
                          : vgg_onnx_all(node, "kernel_shape", 2, 1, false);
    bool known = walk->height > 0 && walk->width > 0;
    size_t high = walk->height / POOLED, wide = walk->width / POOLED;
    bool to_seven = !global && known && walk->height == POOLED * high &&
                    walk->width == POOLED * wide &&
                    vgg_onnx_pair(node, "kernel_shape", high, wide, false) &&
                    vgg_onnx_pair(node, "strides", high, wide, high == 1 && wide == 1);
    if (!global && !has_no_pads(node))
        to_seven = nothing = false;
    if (!to_seven && !(nothing && vgg_onnx_all(node, "strides", 2, 1, true)))
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "pools an input of %zux%zu (0: unknown) other than evenly to "
                                  "%dx%d, as expected",
                                  walk->height, walk->width, POOLED, POOLED);
    if (to_seven) {
        walk->onnx->source->graph.layout = VGG_LAYOUT_TORCHVISION;
        walk->height = walk->width = POOLED;
    }
    return VGG_OK;
}

/* ---- linear layers ---- */

static vgg_status flatten(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    int64_t axis = vgg_onnx_int(node, "axis", 1);
    if (strcmp(vgg_onnx_text(node->op_type), "Flatten") == 0 && axis != 1 && axis != -3)
        return vgg_onnx_fail_node(walk->onnx, node, error, "has axis %lld, expected 1",
                                  (long long)axis);
    /* A Reshape keeps the order of values, and a linear layer behind it asks for their number. */
    walk->flat = true;
    return VGG_OK;
}

/* weight: (in, out), or (out, in) when it is `outputs_first`. */
static vgg_status linear(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, bool outputs_first,
                         const char *bias, vgg_error *error) {
    vgg_stored_tensor *weight = &walk->weight;
    bool transposed;
    vgg_status status =
        take_tensor(walk, node, vgg_onnx_input(node, 1), weight, &transposed, error);
    if (status == VGG_OK)
        status = check_order(walk, node, true, error);
    if (status != VGG_OK)
        return status;
    char shape[VGG_SHAPE_TEXT];
    size_t inputs_at = outputs_first != transposed ? 1 : 0;
    size_t expected =
        walk->features > 0 ? walk->features : walk->channels * walk->height * walk->width;
    if (weight->dimensions != 2 || (expected > 0 && weight->shape[inputs_at] != expected))
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "has a weight of shape %s, expected two sizes, one of them %zu",
                                  vgg_shape_text(shape, weight->shape, weight->dimensions),
                                  expected);
    if (!walk->flat && walk->features == 0)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "follows convolutions without a Flatten between them");
    if (inputs_at == 0)
        status = transpose(walk, weight, error);
    walk->pending = VGG_ONNX_LINEAR;
    walk->biased = bias[0] != '\0';
    if (status == VGG_OK && walk->biased)
        status = take_vector(walk, node, bias, weight->shape[0], &walk->bias, error);
    return status;
}

static vgg_status gemm(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    const char *bias = vgg_onnx_input(node, 2);
    if (vgg_onnx_float(node, "alpha", 1) != 1 || vgg_onnx_int(node, "transA", 0) != 0 ||
        (bias[0] != '\0' && vgg_onnx_float(node, "beta", 1) != 1))
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "has alpha %g, beta %g and transA %lld, expected 1, 1 and 0",
                                  vgg_onnx_float(node, "alpha", 1), vgg_onnx_float(node, "beta", 1),
                                  (long long)vgg_onnx_int(node, "transA", 0));
    return linear(walk, node, vgg_onnx_int(node, "transB", 0) != 0, bias, error);
}

static vgg_status mat_mul(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    return linear(walk, node, false, "", error);
}

/* The bias of the layer before. */
static vgg_status add(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    bool transposed;
    const char *name = vgg_onnx_input(node, 1);
    if (vgg_onnx_find_tensor(walk->onnx, name, &transposed) == NULL)
        name = vgg_onnx_input(node, 0);
    if (walk->pending == VGG_ONNX_NOTHING || walk->biased)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "does not follow a layer that lacks a bias");
    walk->biased = true;
    return take_vector(walk, node, name, walk->weight.shape[0], &walk->bias, error);
}

/* ---- the table ---- */

static vgg_status average_pool(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    return last_pool(walk, node, false, error);
}

static vgg_status global_average_pool(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node,
                                      vgg_error *error) {
    return last_pool(walk, node, true, error);
}

static vgg_status softmax(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    int64_t axis = vgg_onnx_int(node, "axis", 1);
    if (walk->last != VGG_ONNX_LINEAR || (axis != 1 && axis != -1))
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "is not over the outputs of the last linear layer, as expected");
    walk->onnx->source->softmax = true;
    walk->ended = true;
    return VGG_OK;
}

static vgg_status pass(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    (void)walk;
    (void)node;
    (void)error;
    return VGG_OK;
}

static vgg_status cast(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    switch (vgg_onnx_int(node, "to", 0)) {
    case VGG_ONNX_FLOAT:
    case VGG_ONNX_FLOAT16:
    case VGG_ONNX_DOUBLE:
    case VGG_ONNX_BFLOAT16:
        return VGG_OK;
    default:
        return vgg_onnx_fail_node(walk->onnx, node, error, "does not give floating-point numbers");
    }
}

static vgg_status refuse_transpose(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node,
                                   vgg_error *error) {
    return vgg_onnx_fail_node(walk->onnx, node, error,
                              "changes the order of the axes, as exports with channels last (NHWC) "
                              "do; export the model with channels first (NCHW)");
}

static const struct {
    const char *type;
    vgg_status (*read)(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error);
} operators[] = {
    {"Conv", convolution},
    {"BatchNormalization", batch_norm},
    {"Relu", relu},
    {"LRN", local_response_norm},
    {"MaxPool", max_pool},
    {"AveragePool", average_pool},
    {"GlobalAveragePool", global_average_pool},
    {"Flatten", flatten},
    {"Reshape", flatten},
    {"Squeeze", flatten},
    {"Gemm", gemm},
    {"MatMul", mat_mul},
    {"Add", add},
    {"Softmax", softmax},
    {"Dropout", pass},
    {"Identity", pass},
    {"Cast", cast},
    {"Transpose", refuse_transpose},
};

vgg_status vgg_onnx_layer(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    const char *type = vgg_onnx_text(node->op_type), *domain = vgg_onnx_text(node->domain);
    vgg_status status = VGG_OK;
    if (domain[0] != '\0' && strcmp(domain, "ai.onnx") != 0)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "is an operator of \"%.80s\", expected ONNX's own", domain);
    if (strcmp(type, "Add") != 0)
        status = flush(walk, error);
    if (status == VGG_OK && walk->ended && strcmp(type, "Identity") != 0)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "follows the Softmax, expected nothing behind it");
    for (size_t i = 0; status == VGG_OK && i < sizeof operators / sizeof *operators; i++) {
        if (strcmp(type, operators[i].type) == 0)
            return operators[i].read(walk, node, error);
    }
    if (status == VGG_OK)
        status = vgg_onnx_fail_node(walk->onnx, node, error, "is no layer of a VGG network");
    return status;
}

vgg_status vgg_onnx_layers_end(vgg_onnx_walk *walk, vgg_error *error) {
    vgg_status status = flush(walk, error);
    if (status == VGG_OK && walk->last != VGG_ONNX_LINEAR)
        status =
            vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                     "%s: its graph does not end in a linear layer (Gemm), as a VGG network does",
                     walk->onnx->source->path);
    return status;
}
