/* Layers of a Caffe model as layers of a VGG network. Whatever would compute something else than
 * such a network does is refused by the name of its layer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/caffe/caffe.h"
#include "nn/definition.h"

/* More pools than this leave nothing of any input. */
enum { MOST_POOLS = 16 };

static bool close_to(double found, double expected) {
    return fabs(found - expected) <= 1e-6 * expected;
}

static bool is_type(const vgg_caffe_layer *layer, const char *type) {
    return strcmp(layer->type, type) == 0;
}

/* ---- the order of layers ---- */

/* That the layer may come now: every layer with weights but the last has its ReLU. */
static vgg_status check_order(const vgg_caffe_walk *walk, const vgg_caffe_layer *layer, bool linear,
                              vgg_error *error) {
    if (walk->ended)
        return vgg_caffe_fail(walk->source, layer, error,
                              "follows the Softmax, expected nothing behind it");
    if (walk->last != NULL && !walk->bare)
        return vgg_caffe_fail(walk->source, layer, error,
                              "follows \"%.80s\", which has no ReLU, expected one between them",
                              walk->last->name);
    if (!linear && walk->features > 0)
        return vgg_caffe_fail(walk->source, layer, error,
                              "stands behind the linear layers, where it is not expected");
    return VGG_OK;
}

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

static void add_word(vgg_caffe_walk *walk, const char *word) {
    vgg_text_add(&walk->trunk, "%s%s", walk->trunk.length > 0 ? "," : "", word);
}

static void add_pool(vgg_caffe_walk *walk) {
    walk->height /= 2;
    walk->width /= 2;
    walk->pools++;
    vgg_sequence_pool(&walk->sequence);
    add_word(walk, "M");
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
    if (walk->bare && walk->features == 0)
        add_pool(walk);
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
    if (walk->features > 0)
        vgg_text_add(&walk->hidden, walk->hidden.length == 0 ? "/%zu" : ",%zu", walk->features);
    walk->features = outputs;
    walk->last = layer;
    return vgg_sequence_linear(&walk->sequence, weight, &bias, error);
}

static vgg_status inner_product(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                                vgg_error *error) {
    vgg_status status = check_order(walk, layer, true, error);
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
        "pad 1 or 1x1 with pad 0, stride 1, dilation 1 and group 1",
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
    if (sscanf(name, "conv%2u_%2u%n", &b, &n, &end) != 2 || name[end] != '\0' || b > MOST_POOLS)
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
    if (!first && block != walk->block)
        add_pool(walk);
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
    walk->normalised = false;
    char word[32];
    snprintf(word, sizeof word, "%s%zu", weight->shape[2] == 1 ? "1x1:" : "", outputs);
    add_word(walk, word);
    return vgg_sequence_convolution(&walk->sequence, weight, &bias, error);
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
    bool padded = layer->convolution == NULL ? walk->bare : has_pads(layer, kernel / 2);
    bool ours = plain && padded && kernel == weight.shape[3] && (kernel == 3 || kernel == 1);
    if (!linear && !ours)
        return fail_kernel(walk, layer, &weight, error);
    status = check_order(walk, layer, linear, error);
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
    if (walk->last == NULL)
        return vgg_caffe_fail(walk->source, layer, error,
                              "does not follow a layer with weights, as in a VGG network");
    walk->last = NULL;
    return VGG_OK;
}

static const char *method_of(const Vgg__Caffe__Pooling *p) {
    if (p->global_pooling)
        return "global";
    return p->pool == 0 ? "MAX" : p->pool == 1 ? "AVE" : "STOCHASTIC";
}

static vgg_status pooling(vgg_caffe_walk *walk, const vgg_caffe_layer *layer, vgg_error *error) {
    static const Vgg__Caffe__Pooling none = VGG__CAFFE__POOLING__INIT;
    const Vgg__Caffe__Pooling *p = layer->pooling != NULL ? layer->pooling : &none;
    vgg_status status = check_order(walk, layer, false, error);
    if (status != VGG_OK)
        return status;
    size_t kernel_h = p->has_kernel_h ? p->kernel_h : p->kernel_size;
    size_t kernel_w = p->has_kernel_w ? p->kernel_w : p->kernel_size;
    size_t stride_h = p->has_stride_h ? p->stride_h : p->stride;
    size_t stride_w = p->has_stride_w ? p->stride_w : p->stride;
    if (p->pool != 0 || p->global_pooling || kernel_h != 2 || kernel_w != 2 || stride_h != 2 ||
        stride_w != 2 || p->pad != 0 || p->pad_h != 0 || p->pad_w != 0)
        return vgg_caffe_fail(walk->source, layer, error,
                              "is a pool of %zux%zu with stride %zux%zu, pad %ux%u and method %s, "
                              "expected 2x2 with stride 2, pad 0 and method MAX",
                              kernel_h, kernel_w, stride_h, stride_w,
                              p->pad > 0 ? p->pad : p->pad_h, p->pad > 0 ? p->pad : p->pad_w,
                              method_of(p));
    if (walk->pools == MOST_POOLS)
        return vgg_caffe_fail(walk->source, layer, error, "is one more than %d pools", MOST_POOLS);
    /* Caffe rounds up; a network here rounds down. */
    if (p->round_mode == 0 && (walk->height % 2 != 0 || walk->width % 2 != 0))
        return vgg_caffe_fail(walk->source, layer, error,
                              "rounds the size of its output up, expected down, for an input of "
                              "%zux%zu",
                              walk->height, walk->width);
    add_pool(walk);
    return VGG_OK;
}

static vgg_status response_norm(vgg_caffe_walk *walk, const vgg_caffe_layer *layer,
                                vgg_error *error) {
    static const Vgg__Caffe__ResponseNorm none = VGG__CAFFE__RESPONSE_NORM__INIT;
    const Vgg__Caffe__ResponseNorm *p = layer->response_norm != NULL ? layer->response_norm : &none;
    vgg_status status = check_order(walk, layer, false, error);
    if (status != VGG_OK)
        return status;
    const unsigned size = VGG_LRN_SIZE;
    double alpha = VGG_LRN_ALPHA * size;
    if (p->local_size != size || p->norm_region != 0 || !close_to((double)p->alpha, alpha) ||
        !close_to((double)p->beta, VGG_LRN_BETA) || !close_to((double)p->k, VGG_LRN_K))
        return vgg_caffe_fail(walk->source, layer, error,
                              "has local_size %u, alpha %g, beta %g and k %g, expected %u, %g, %g "
                              "and %g across channels",
                              p->local_size, (double)p->alpha, (double)p->beta, (double)p->k, size,
                              alpha, VGG_LRN_BETA, VGG_LRN_K);
    vgg_sequence_lrn(&walk->sequence);
    add_word(walk, "L");
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
    {"Pooling", FLOWS, pooling},
    {"LRN", FLOWS, response_norm},
    {"Softmax", FLOWS, softmax},
    {"Dropout", FLOWS, pass},
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
