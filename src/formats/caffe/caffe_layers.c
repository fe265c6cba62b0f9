/* Layers of a Caffe model as layers of a VGG network. Whatever would compute something else than
 * such a network does is refused by the name of its layer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/caffe/caffe.h"

static bool is_type(const vgg_caffe_layer *layer, const char *type) {
    return strcmp(layer->type, type) == 0;
}

/* ---- the order of layers ---- */

static bool is_flow(const vgg_caffe_walk *walk, const char *name) {
    if (strcmp(walk->flow, name) == 0)
        return true;
    for (size_t i = 0; walk->split != NULL && i < walk->split->top_count; i++) {
        if (strcmp(walk->split->tops[i], name) == 0)
            return true;
    }
    return false;
}

/* That the layer takes what the one before gave. Files that were written by hand may leave the
 * names out, and those with some of the layers only have gaps. */
static vgg_status check_flow(const vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                             vgg_error *error) {
    if (walk->bare || walk->flow == NULL || layer->bottom_count == 0)
        return VGG_OK;
    if (layer->bottom_count == 1 && is_flow(walk, layer->bottoms[0]))
        return VGG_OK;
    return vgg_caffe_fail(
        walk->source, layer, error,
        "takes %zu inputs, the first of them \"%.80s\", expected \"%.80s\" alone, "
        "as in a network without branches",
        layer->bottom_count, layer->bottoms[0], walk->flow);
}

/* What stands between layers with weights in a file that has no others. */
static void add_gap(vgg_caffe_walk *walk, bool block_ends) {
    vgg_evidence *evidence = &walk->source->graph.evidence;
    evidence->blocks = true;
    vgg_evidence_gap(evidence, VGG_ANY_MODULES, block_ends);
}

/* The bias of a layer with weights, or zeros. */
static vgg_status take_bias(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, size_t outputs,
                            vgg_stored_tensor *bias, vgg_error *error) {
    if (layer->blob_count == 1)
        return vgg_tensor_source_vector(walk->source, outputs, 0, "a bias of zeros", bias, error);
    if (layer->blob_count > 2)
        return vgg_caffe_fail(walk->source, layer, error, "has %zu blobs, expected 2",
                              layer->blob_count);
    return vgg_caffe_vector(walk->source, layer, 1, outputs, bias, error);
}

/* ---- linear layers ---- */

/* The input's size, which the file does not say: the one that pools halve evenly down to what the
 * first linear layer takes. */
static void settle_size(vgg_caffe_walk *walk, size_t height, size_t width) {
    walk->height = height;
    walk->width = width;
    walk->source->graph.height = height << walk->pools;
    walk->source->graph.width = width << walk->pools;
    walk->source->graph.size_assumed = true;
}

static void settle_square(vgg_caffe_walk *walk, size_t inputs) {
    size_t area = inputs / walk->channels, side = (size_t)sqrt((double)area);
    if (area * walk->channels == inputs && side * side == area)
        settle_size(walk, side, side);
}

/* weight: (out, in), or (out, channels, height, width). */
static vgg_status add_linear(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                             const vgg_stored_tensor *weight, vgg_error *error) {
    vgg_stored_tensor bias;
    size_t outputs = weight->shape[0], inputs = weight->count / outputs;
    if (walk->channels == 0)
        return vgg_caffe_fail(walk->source, layer, error,
                              "is a linear layer before any Convolution");
    if (walk->bare && walk->features == 0) {
        walk->pools++;
        add_gap(walk, true);
    } else if (walk->bare) {
        vgg_sequence_layer(&walk->sequence, VGG_LAYER_RELU);
        walk->source->graph.evidence.relus_assumed = true;
    }
    if (!walk->flat)
        vgg_sequence_flatten(&walk->sequence);
    walk->flat = true;
    if (walk->features == 0 && walk->height == 0)
        settle_square(walk, inputs);
    size_t area, expected = 0;
    if (walk->features > 0)
        expected = walk->features;
    else if (vgg_size_mul(walk->height, walk->width, &area) &&
             !vgg_size_mul(area, walk->channels, &expected))
        expected = 0;
    if (inputs != expected)
        return vgg_caffe_fail(walk->source, layer, error,
                              "takes %zu values, expected %zu (%zu channels of %zux%zu; 0: not "
                              "known)",
                              inputs, expected, walk->channels, walk->height, walk->width);
    vgg_status status = take_bias(walk, layer, outputs, &bias, error);
    if (status != VGG_OK)
        return status;
    walk->features = outputs;
    walk->last = layer;
    return vgg_sequence_linear(&walk->sequence, weight, &bias, error);
}

static vgg_status inner_product(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                                vgg_error *error) {
    vgg_status status = vgg_caffe_check_order(walk, layer, true, error);
    if (status != VGG_OK)
        return status;
    if (layer->linear != NULL && (layer->linear->transpose || layer->linear->axis != 1))
        return vgg_caffe_fail(walk->source, layer, error,
                              "is transposed or has axis %d, expected neither and axis 1",
                              (int)layer->linear->axis);
    vgg_stored_tensor weight;
    char shape[VGG_SHAPE_TEXT];
    status = vgg_caffe_blob(walk->source, layer, 0, &weight, error);
    if (status != VGG_OK)
        return status;
    /* Older files: 1 x 1 x out x in. */
    size_t ones = 0;
    while (weight.dimensions - ones > 2 && weight.shape[ones] == 1) {
        ones++;
    }
    if (weight.dimensions - ones != 2)
        return vgg_caffe_fail(walk->source, layer, error,
                              "has a weight of shape %s, expected two sizes, or four of which the "
                              "first two are 1",
                              vgg_shape_text(shape, weight.shape, weight.dimensions));
    weight.shape[0] = weight.shape[ones];
    weight.shape[1] = weight.shape[ones + 1];
    weight.dimensions = 2;
    return add_linear(walk, layer, &weight, error);
}

/* ---- convolutions ---- */

/* Whether all numbers that a parameter may be given by, for both axes, are `expected`. */
static bool all_are(size_t expected, size_t fallback, const uint32_t *list, size_t count,
                    const protobuf_c_boolean has[2], const uint32_t each[2]) {
    bool good = count > 0 || (has[0] && has[1]) || expected == fallback;
    for (size_t i = 0; i < count; i++) {
        good = good && list[i] == expected;
    }
    for (size_t i = 0; i < 2; i++) {
        good = good && (!has[i] || each[i] == expected);
    }
    return good;
}

static bool has_pads(const vgg_caffe_layer *layer, size_t pad) {
    const Vgg__Caffe__Convolution *p = layer->convolution;
    return all_are(pad, 0, p->pad, p->n_pad, (protobuf_c_boolean[2]){p->has_pad_h, p->has_pad_w},
                   (uint32_t[2]){p->pad_h, p->pad_w});
}

/* Stride 1, no dilation, one group. */
static bool is_plain(const vgg_caffe_layer *layer) {
    static const protobuf_c_boolean none[2];
    static const uint32_t zeros[2];
    const Vgg__Caffe__Convolution *p = layer->convolution;
    return p->group == 1 &&
           all_are(1, 1, p->stride, p->n_stride,
                   (protobuf_c_boolean[2]){p->has_stride_h, p->has_stride_w},
                   (uint32_t[2]){p->stride_h, p->stride_w}) &&
           all_are(1, 1, p->dilation, p->n_dilation, none, zeros);
}

/* A size as a file gives it: for height and width, or repeated, or not at all. Returns buffer. */
#define SIZES_TEXT 48
static const char *sizes_text(char buffer[SIZES_TEXT], uint32_t absent, const uint32_t *values,
                              size_t count, bool pair, uint32_t height, uint32_t width) {
    if (pair)
        snprintf(buffer, SIZES_TEXT, "%ux%u", height, width);
    else if (count > 1)
        snprintf(buffer, SIZES_TEXT, "%ux%u%s", values[0], values[1], count > 2 ? "x..." : "");
    else
        snprintf(buffer, SIZES_TEXT, "%u", count == 1 ? values[0] : absent);
    return buffer;
}

static vgg_status fail_kernel(const vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                              const vgg_stored_tensor *weight, vgg_error *error) {
    static const Vgg__Caffe__Convolution none = VGG__CAFFE__CONVOLUTION__INIT;
    const Vgg__Caffe__Convolution *p = layer->convolution != NULL ? layer->convolution : &none;
    char pad[SIZES_TEXT], stride[SIZES_TEXT], dilation[SIZES_TEXT];
    return vgg_caffe_fail(
        walk->source, layer, error,
        "has a kernel of %zux%zu, pad %s, stride %s, dilation %s and group %u, expected 3x3 with "
        "pad 1 or 0, or 1x1 with pad 0, stride 1, dilation 1 and group 1",
        weight->shape[2], weight->shape[3],
        sizes_text(pad, 0, p->pad, p->n_pad, p->has_pad_h || p->has_pad_w, p->pad_h, p->pad_w),
        sizes_text(stride, 1, p->stride, p->n_stride, p->has_stride_h || p->has_stride_w,
                   p->stride_h, p->stride_w),
        sizes_text(dilation, 1, p->dilation, p->n_dilation, false, 0, 0), p->group);
}

/* A linear layer may be written as a convolution that sees all of its input at once. */
static bool sees_all(const vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                     const vgg_stored_tensor *weight) {
    size_t height = weight->shape[2], width = weight->shape[3];
    if (layer->convolution == NULL || !has_pads(layer, 0) || walk->channels == 0)
        return false;
    if (walk->features > 0)
        return height == 1 && width == 1;
    bool known = walk->height > 0 && walk->width > 0;
    return height > 1 && (known ? height == walk->height && width == walk->width
                                : walk->pools > 0 && height == width);
}

/* Block and number of "conv3_1"; false for another name. */
static bool read_place(const char *name, size_t *block, size_t *number) {
    int end = 0;
    unsigned b, n;
    if (sscanf(name, "conv%2u_%2u%n", &b, &n, &end) != 2 || name[end] != '\0' ||
        b > VGG_CAFFE_MOST_POOLS)
        return false;
    *block = b;
    *number = n;
    return true;
}

/* In a file with some of the layers only, a pool stands before each block but the first. */
static vgg_status follow_blocks(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                                vgg_error *error) {
    size_t block, number;
    bool first = walk->channels == 0;
    if (!read_place(layer->name, &block, &number) ||
        (first ? block != 1 : block != walk->block && block != walk->block + 1))
        return vgg_caffe_fail(walk->source, layer, error,
                              "stands in a file without pools and ReLUs, where names such as "
                              "conv1_1, conv1_2 and conv2_1, in this order, were expected");
    if (!first)
        add_gap(walk, block != walk->block);
    walk->pools += !first && block != walk->block;
    walk->block = block;
    return VGG_OK;
}

static vgg_status add_convolution(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                                  const vgg_stored_tensor *weight, vgg_error *error) {
    vgg_stored_tensor bias;
    size_t outputs = weight->shape[0];
    vgg_status status = walk->bare ? follow_blocks(walk, layer, error) : VGG_OK;
    if (status == VGG_OK && walk->channels > 0 && weight->shape[1] != walk->channels)
        status = vgg_caffe_fail(walk->source, layer, error,
                                "takes %zu channels, expected the %zu that the one before gives",
                                weight->shape[1], walk->channels);
    if (status == VGG_OK)
        status = take_bias(walk, layer, outputs, &bias, error);
    if (status != VGG_OK)
        return status;
    walk->channels = outputs;
    walk->last = layer;
    if (walk->edges == VGG_EDGES_VALID && walk->height > 0 && weight->shape[2] == 3) {
        walk->height = walk->height > 2 ? walk->height - 2 : 0;
        walk->width = walk->width > 2 ? walk->width - 2 : 0;
    }
    return vgg_sequence_convolution(&walk->sequence, weight, &bias, walk->edges, error);
}

static vgg_status convolution(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                              vgg_error *error) {
    vgg_stored_tensor weight;
    char shape[VGG_SHAPE_TEXT];
    vgg_status status = vgg_caffe_blob(walk->source, layer, 0, &weight, error);
    if (status != VGG_OK)
        return status;
    if (weight.dimensions != 4)
        return vgg_caffe_fail(walk->source, layer, error,
                              "has a weight of shape %s, expected four sizes",
                              vgg_shape_text(shape, weight.shape, weight.dimensions));
    size_t kernel = weight.shape[2];
    bool plain = layer->convolution == NULL || is_plain(layer);
    bool linear = plain && sees_all(walk, layer, &weight);
    bool bare = layer->convolution == NULL && walk->bare;
    bool padded = layer->convolution != NULL && has_pads(layer, kernel / 2);
    bool valid = layer->convolution == NULL || has_pads(layer, 0);
    bool ours = plain && (bare || padded || valid) && kernel == weight.shape[3] &&
                (kernel == 3 || kernel == 1);
    walk->edges = bare ? VGG_EDGES_UNKNOWN : padded ? VGG_EDGES_SAME : VGG_EDGES_VALID;
    if (!linear && !ours)
        return fail_kernel(walk, layer, &weight, error);
    status = vgg_caffe_check_order(walk, layer, linear, error);
    if (status != VGG_OK)
        return status;
    if (!linear)
        return add_convolution(walk, layer, &weight, error);
    if (walk->features == 0 && walk->height == 0 && !walk->bare)
        settle_size(walk, weight.shape[2], weight.shape[3]);
    return add_linear(walk, layer, &weight, error);
}

/* ---- layers without weights ---- */

static vgg_status relu(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, vgg_error *error) {
    if (layer->relu != NULL && layer->relu->negative_slope != 0)
        return vgg_caffe_fail(walk->source, layer, error, "has a negative_slope of %g, expected 0",
                              (double)layer->relu->negative_slope);
    vgg_sequence_layer(&walk->sequence, VGG_LAYER_RELU);
    walk->last = NULL;
    return VGG_OK;
}

static vgg_status softmax(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, vgg_error *error) {
    if (walk->last == NULL || walk->features == 0)
        return vgg_caffe_fail(walk->source, layer, error,
                              "is not over the outputs of the last linear layer, as expected");
    walk->source->softmax = true;
    walk->ended = true;
    return VGG_OK;
}

static vgg_status dropout(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, vgg_error *error) {
    double ratio = layer->dropout != NULL ? (double)layer->dropout->dropout_ratio : 0.5;
    if (!(ratio >= 0 && ratio < 1))
        return vgg_caffe_fail(walk->source, layer, error,
                              "has a dropout_ratio of %g, expected 0 to below 1", ratio);
    if (walk->flat || walk->channels > 0)
        vgg_sequence_dropout(&walk->sequence, ratio);
    return VGG_OK;
}

static vgg_status sigmoid(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, vgg_error *error) {
    if (walk->last == NULL || walk->features == 0)
        return vgg_caffe_fail(walk->source, layer, error,
                              "is not over the outputs of the last linear layer, as expected");
    walk->source->sigmoid = true;
    walk->ended = true;
    return VGG_OK;
}

static vgg_status pass(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, vgg_error *error) {
    (void)walk;
    (void)layer;
    (void)error;
    return VGG_OK;
}

/* ---- the table ---- */

typedef enum kind {
    FLOWS = 0, /* takes what flows, and gives what flows on */
    BEGINS,    /* gives what flows at first */
    SPLITS,    /* gives what flows other names */
    ASIDE,     /* only looks at what flows */
} kind;

static const struct {
    const char *type;
    kind kind;
    vgg_status (*read)(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, vgg_error *error);
} types[] = {
    {"Convolution", FLOWS, convolution},
    {"InnerProduct", FLOWS, inner_product},
    {"BatchNorm", FLOWS, vgg_caffe_batch_norm},
    {"Scale", FLOWS, vgg_caffe_scale},
    {"ReLU", FLOWS, relu},
    {"Pooling", FLOWS, vgg_caffe_pooling},
    {"LRN", FLOWS, vgg_caffe_response_norm},
    {"Softmax", FLOWS, softmax},
    {"Sigmoid", FLOWS, sigmoid},
    {"Dropout", FLOWS, dropout},
    {"Flatten", FLOWS, pass},
    {"Split", SPLITS, NULL},
    {"Input", BEGINS, NULL},
    {"Data", BEGINS, NULL},
    {"ImageData", BEGINS, NULL},
    {"MemoryData", BEGINS, NULL},
    {"HDF5Data", BEGINS, NULL},
    {"DummyData", BEGINS, NULL},
    {"WindowData", BEGINS, NULL},
    {"SoftmaxWithLoss", ASIDE, NULL},
    {"MultinomialLogisticLoss", ASIDE, NULL},
    {"Accuracy", ASIDE, NULL},
    {"ArgMax", ASIDE, NULL},
    {"Silence", ASIDE, NULL},
};

/* A layer that data come from; an Input has their shape, (N, C, H, W). */
static void begin(vgg_caffe_walk *walk, const vgg_caffe_layer *layer) {
    if (walk->flow != NULL || layer->top_count == 0)
        return;
    walk->flow = layer->tops[0];
    if (layer->input == NULL || layer->input->n_shape == 0 || layer->input->shape[0]->n_dim != 4)
        return;
    const int64_t *sizes = layer->input->shape[0]->dim;
    if (sizes[2] > 0 && sizes[3] > 0) {
        walk->source->graph.height = walk->height = (size_t)sizes[2];
        walk->source->graph.width = walk->width = (size_t)sizes[3];
    }
}

vgg_status vgg_caffe_layer_read(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                                vgg_error *error) {
    size_t row = 0, rows = sizeof types / sizeof *types;
    while (row < rows && !is_type(layer, types[row].type)) {
        row++;
    }
    if (row == rows)
        return vgg_caffe_fail(walk->source, layer, error, "is no layer of a VGG network");
    if (types[row].kind == BEGINS)
        begin(walk, layer);
    if (types[row].kind == SPLITS && layer->bottom_count == 1 && walk->flow != NULL &&
        is_flow(walk, layer->bottoms[0]))
        walk->split = layer;
    if (types[row].kind != FLOWS)
        return VGG_OK;
    vgg_status status = check_flow(walk, layer, error);
    if (status == VGG_OK && walk->norm != NULL && !is_type(layer, "Scale"))
        status = vgg_caffe_norm_end(walk, NULL, error);
    if (status == VGG_OK)
        status = types[row].read(walk, layer, error);
    if (layer->top_count > 0)
        walk->flow = layer->tops[0];
    walk->split = NULL;
    return status;
}

vgg_status vgg_caffe_layers_end(vgg_caffe_walk *walk, vgg_error *error) {
    if (walk->last != NULL && walk->features > 0)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: its layers do not end in a linear layer (InnerProduct), as those of a VGG "
                    "network do",
                    walk->source->path);
}
