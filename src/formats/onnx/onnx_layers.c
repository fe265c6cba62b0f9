/* ONNX operators (github.com/onnx/onnx, docs/Operators.md) as layers of a VGG network. Whatever
 * would compute something else than such a network does is refused by the name of its node. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "formats/norm_fold.h"
#include "formats/onnx/onnx.h"
#include "formats/transpose.h"
#include "nn/definition.h"

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
    size_t outputs = walk->weight.shape[0];
    vgg_status status = VGG_OK;
    if (!walk->biased)
        status = vgg_tensor_source_vector(walk->onnx->source, outputs, 0, "a bias of zeros",
                                          &walk->bias, error);
    if (status != VGG_OK)
        return status;
    if (kind == VGG_ONNX_LINEAR) {
        if (walk->features == 0)
            vgg_sequence_flatten(&walk->sequence);
        walk->features = outputs;
        return vgg_sequence_linear(&walk->sequence, &walk->weight, &walk->bias, error);
    }
    walk->channels = outputs;
    return vgg_sequence_convolution(&walk->sequence, &walk->weight, &walk->bias, walk->edges,
                                    error);
}

/* ---- convolutions ---- */

/* What the node does at the edges of a picture; false when that is neither of the two. */
static bool find_edges(const vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, size_t kernel,
                       vgg_edges *edges) {
    const char *automatic = vgg_onnx_string(node, "auto_pad", "NOTSET");
    bool none = strcmp(automatic, "VALID") == 0 || vgg_onnx_all(node, "pads", 4, 0, true);
    bool one = vgg_onnx_all(node, "pads", 4, 1, false);
    if (strncmp(automatic, "SAME_", 5) == 0) {
        none = false;
        one = true;
    }
    *edges = one || walk->border == 1 || kernel == 1 ? VGG_EDGES_SAME : VGG_EDGES_VALID;
    if (kernel == 1)
        return (none || strncmp(automatic, "SAME_", 5) == 0) && walk->border == 0;
    return walk->border == 0 ? none || one : walk->border == 1 && none;
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
           walk->height > 1 && !walk->channels_last && has_no_pads(node);
}

static vgg_status convolution(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    vgg_stored_tensor *weight = &walk->weight;
    bool transposed;
    vgg_status status =
        take_tensor(walk, node, vgg_onnx_input(node, 1), weight, &transposed, error);
    if (status != VGG_OK)
        return status;
    char shape[VGG_SHAPE_TEXT], attributes[VGG_ONNX_ATTRIBUTES];
    if (weight->dimensions != 4)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "has a weight of shape %s, expected four sizes",
                                  vgg_shape_text(shape, weight->shape, weight->dimensions));
    if (walk->channels == 0 && walk->inputs > 0 && weight->shape[1] != walk->inputs)
        return vgg_onnx_fail_node(walk->onnx, node, error, "takes %zu channels of an input of %zu",
                                  weight->shape[1], walk->inputs);
    bool plain = vgg_onnx_all(node, "strides", 2, 1, true) &&
                 vgg_onnx_all(node, "dilations", 2, 1, true) && vgg_onnx_int(node, "group", 1) == 1;
    bool linear = plain && sees_all(walk, node, weight);
    bool ours = plain && weight->shape[2] == weight->shape[3] &&
                (weight->shape[2] == 3 || weight->shape[2] == 1) &&
                find_edges(walk, node, weight->shape[2], &walk->edges);
    size_t border = walk->border;
    walk->border = 0;
    if (!linear && !ours)
        return vgg_onnx_fail_node(
            walk->onnx, node, error,
            "has a kernel of %zux%zu%s, auto_pad %.20s, group %lld and a Pad of %zu before it, "
            "expected 3x3 with pads of 1 or 0, or 1x1 without, stride 1, no dilation and one group",
            weight->shape[2], weight->shape[3], vgg_onnx_attributes(attributes, node),
            vgg_onnx_string(node, "auto_pad", "NOTSET"), (long long)vgg_onnx_int(node, "group", 1),
            border);
    status = linear ? VGG_OK : vgg_onnx_check_order(walk, node, error);
    if (status != VGG_OK)
        return status;
    walk->pending = linear ? VGG_ONNX_LINEAR : VGG_ONNX_CONVOLUTION;
    if (linear)
        walk->height = walk->width = 1;
    else if (walk->edges == VGG_EDGES_VALID)
        vgg_onnx_shrink(walk);
    walk->flat = walk->flat || linear;
    walk->biased = vgg_onnx_input(node, 2)[0] != '\0';
    if (walk->biased)
        status =
            take_vector(walk, node, vgg_onnx_input(node, 2), weight->shape[0], &walk->bias, error);
    return status;
}

/* Channels, or features, of what flows; 0 before the first convolution, or where they are not
 * known.
 */
static size_t width_of(const vgg_onnx_walk *walk) {
    if (walk->features > 0)
        return walk->features;
    return walk->flat ? walk->channels * walk->height * walk->width : walk->channels;
}

static vgg_status batch_norm(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    const vgg_norm_rule rule = {.scale = 1,
                                .inside = vgg_onnx_float(node, "epsilon", VGG_BATCH_NORM_EPSILON)};
    vgg_norm_rule exact = rule;
    size_t width = width_of(walk);
    if (walk->channels == 0 || width == 0)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "does not follow a Conv or a linear layer");
    if (walk->features == 0 && (walk->flat ? walk->rows_last : walk->channels_last))
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "takes what has its channels last, expected (N, C, H, W)");
    if (!(rule.inside >= 0 && rule.inside < 1))
        return vgg_onnx_fail_node(walk->onnx, node, error, "has epsilon %g, expected 0 to 1",
                                  rule.inside);
    if (vgg_onnx_int(node, "training_mode", 0) != 0 || vgg_onnx_int(node, "spatial", 1) != 1)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "is for training or not per channel, expected running statistics "
                                  "per channel");
    if (close_to(rule.inside, VGG_BATCH_NORM_EPSILON))
        exact.inside = VGG_BATCH_NORM_EPSILON;
    vgg_stored_tensor figures[4];
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < 4; i++) {
        status = take_vector(walk, node, vgg_onnx_input(node, i + 1), width, &figures[i], error);
    }
    if (walk->flat && walk->features == 0)
        vgg_sequence_flatten(&walk->sequence);
    if (status == VGG_OK)
        status =
            vgg_norm_fold(walk->onnx->source, vgg_onnx_text(node->name), &exact, figures, error);
    walk->last = VGG_ONNX_NOTHING;
    return status == VGG_OK ? vgg_sequence_batch_norm(&walk->sequence, figures, error) : status;
}

static vgg_status relu(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    if (walk->channels == 0)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "does not follow a layer with weights, as in a VGG network");
    walk->last = VGG_ONNX_NOTHING;
    vgg_sequence_layer(&walk->sequence, VGG_LAYER_RELU);
    return VGG_OK;
}

static vgg_status local_response_norm(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node,
                                      vgg_error *error) {
    vgg_status status = vgg_onnx_check_order(walk, node, error);
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
    vgg_sequence_layer(&walk->sequence, VGG_LAYER_LOCAL_RESPONSE_NORM);
    return VGG_OK;
}

/* ---- linear layers ---- */

static vgg_status flatten(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    int64_t axis = vgg_onnx_int(node, "axis", 1);
    if (strcmp(vgg_onnx_text(node->op_type), "Flatten") == 0 && axis != 1 && axis != -3)
        return vgg_onnx_fail_node(walk->onnx, node, error, "has axis %lld, expected 1",
                                  (long long)axis);
    /* A linear layer behind it asks for the number of values. */
    walk->rows_last = walk->rows_last || (walk->channels_last && !walk->flat);
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
    bool rows_last = walk->rows_last && walk->features == 0;
    if (inputs_at == (rows_last ? 1 : 0))
        status = transpose(walk, weight, error);
    if (status == VGG_OK && rows_last)
        status = vgg_onnx_turn_rows(walk, node, weight, error);
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
    if (walk->channels == 0 && walk->pending == VGG_ONNX_NOTHING)
        return vgg_onnx_prepare(walk, node, error);
    if (walk->pending == VGG_ONNX_NOTHING || walk->biased)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "does not follow a layer that lacks a bias");
    walk->biased = true;
    return take_vector(walk, node, name, walk->weight.shape[0], &walk->bias, error);
}

/* ---- the table ---- */

/* What turns logits into probabilities. */
static vgg_status end(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, bool *found,
                      vgg_error *error) {
    int64_t axis = vgg_onnx_int(node, "axis", 1);
    bool linear = walk->last == VGG_ONNX_LINEAR || vgg_onnx_end_in_average(walk);
    if (!linear || (axis != 1 && axis != -1))
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "is not over the outputs of the last linear layer, as expected");
    *found = true;
    walk->ended = true;
    return VGG_OK;
}

static vgg_status softmax(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    return end(walk, node, &walk->onnx->source->softmax, error);
}

static vgg_status sigmoid(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    return end(walk, node, &walk->onnx->source->sigmoid, error);
}

static vgg_status dropout(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    double ratio = vgg_onnx_float(node, "ratio", 0.5);
    (void)error;
    if (walk->channels > 0 && ratio >= 0 && ratio < 1) {
        if (walk->flat && walk->features == 0)
            vgg_sequence_flatten(&walk->sequence);
        vgg_sequence_dropout(&walk->sequence, ratio);
    }
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

static const struct {
    const char *type;
    vgg_status (*read)(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error);
} operators[] = {
    {"Conv", convolution},
    {"BatchNormalization", batch_norm},
    {"Relu", relu},
    {"LRN", local_response_norm},
    {"MaxPool", vgg_onnx_pool},
    {"AveragePool", vgg_onnx_pool},
    {"GlobalAveragePool", vgg_onnx_global_pool},
    {"GlobalMaxPool", vgg_onnx_global_pool},
    {"ReduceMean", vgg_onnx_global_pool},
    {"ReduceMax", vgg_onnx_global_pool},
    {"Pad", vgg_onnx_pad},
    {"Sub", vgg_onnx_prepare},
    {"Mul", vgg_onnx_prepare},
    {"Div", vgg_onnx_prepare},
    {"Flatten", flatten},
    {"Reshape", vgg_onnx_reshape},
    {"Squeeze", flatten},
    {"Gemm", gemm},
    {"MatMul", mat_mul},
    {"Add", add},
    {"Softmax", softmax},
    {"LogSoftmax", softmax},
    {"Sigmoid", sigmoid},
    {"Dropout", dropout},
    {"Identity", pass},
    {"Cast", cast},
    {"Transpose", vgg_onnx_transpose},
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
                                  "follows the Softmax or Sigmoid, expected nothing behind it");
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
    if (status == VGG_OK && walk->last != VGG_ONNX_LINEAR && !vgg_onnx_end_in_average(walk))
        status =
            vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                     "%s: its graph does not end in a linear layer (Gemm), as a VGG network does",
                     walk->onnx->source->path);
    return status;
}
