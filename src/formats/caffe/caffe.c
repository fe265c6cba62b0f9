/* Reading Caffe models (github.com/BVLC/caffe, src/caffe/proto/caffe.proto): protocol buffers that
 * hold the network's layers in the order in which they run, each with its weights, as V1 "layers"
 * (whose types are numbers) or as the newer "layer" (whose types are texts). */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/caffe/caffe.h"
#include "formats/containers/protobuf.h"
#include "formats/sniff.h"

/* LayerType of V1LayerParameter by its numbers, as newer files call it. */
static const char *const old_types[] = {"None",
                                        "Accuracy",
                                        "BNLL",
                                        "Concat",
                                        "Convolution",
                                        "Data",
                                        "Dropout",
                                        "EuclideanLoss",
                                        "Flatten",
                                        "HDF5Data",
                                        "HDF5Output",
                                        "Im2col",
                                        "ImageData",
                                        "InfogainLoss",
                                        "InnerProduct",
                                        "LRN",
                                        "MultinomialLogisticLoss",
                                        "Pooling",
                                        "ReLU",
                                        "Sigmoid",
                                        "Softmax",
                                        "SoftmaxWithLoss",
                                        "Split",
                                        "TanH",
                                        "WindowData",
                                        "Eltwise",
                                        "Power",
                                        "SigmoidCrossEntropyLoss",
                                        "HingeLoss",
                                        "MemoryData",
                                        "ArgMax",
                                        "Threshold",
                                        "DummyData",
                                        "Slice",
                                        "MVN",
                                        "AbsVal",
                                        "Silence",
                                        "ContrastiveLoss",
                                        "Exp",
                                        "Deconvolution"};
enum { OLD_TYPES = sizeof old_types / sizeof old_types[0] };

/* ---- layers ---- */

static const char *text(const char *string) {
    return string != NULL ? string : "";
}

static vgg_caffe_layer old_layer(const Vgg__Caffe__OldLayer *from) {
    return (vgg_caffe_layer){.name = text(from->name),
                             .type = from->type >= 0 && from->type < OLD_TYPES
                                         ? old_types[from->type]
                                         : "of a type that V1 layers do not have",
                             .bottoms = from->bottom,
                             .bottom_count = from->n_bottom,
                             .tops = from->top,
                             .top_count = from->n_top,
                             .blobs = from->blobs,
                             .blob_count = from->n_blobs,
                             .convolution = from->convolution_param,
                             .linear = from->inner_product_param,
                             .pooling = from->pooling_param,
                             .response_norm = from->lrn_param,
                             .relu = from->relu_param,
                             .dropout = from->dropout_param};
}

static vgg_caffe_layer new_layer(const Vgg__Caffe__Layer *from) {
    return (vgg_caffe_layer){.name = text(from->name),
                             .type = text(from->type),
                             .bottoms = from->bottom,
                             .bottom_count = from->n_bottom,
                             .tops = from->top,
                             .top_count = from->n_top,
                             .blobs = from->blobs,
                             .blob_count = from->n_blobs,
                             .convolution = from->convolution_param,
                             .linear = from->inner_product_param,
                             .pooling = from->pooling_param,
                             .response_norm = from->lrn_param,
                             .relu = from->relu_param,
                             .dropout = from->dropout_param,
                             .batch_norm = from->batch_norm_param,
                             .scale = from->scale_param,
                             .input = from->input_param};
}

/* Fills in the layers, of which there is room for both kinds together. */
static vgg_status list_layers(const vgg_tensor_source *source, const Vgg__Caffe__Net *net,
                              vgg_caffe_layer *layers, vgg_error *error) {
    if (net->n_layers > 0 && net->n_layer > 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: has %zu V1 layers (\"layers\") and %zu newer ones (\"layer\"), "
                        "expected one kind only",
                        source->path, net->n_layers, net->n_layer);
    for (size_t i = 0; i < net->n_layers; i++) {
        if (net->layers[i]->has_layer)
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "%s: layer %zu is of the oldest kind (V0), expected V1 \"layers\" or "
                            "\"layer\"; Caffe's upgrade_net_proto_binary makes them",
                            source->path, i);
        layers[i] = old_layer(net->layers[i]);
    }
    for (size_t i = 0; i < net->n_layer; i++) {
        layers[i] = new_layer(net->layer[i]);
    }
    return VGG_OK;
}

/* Without any ReLU or pool: a file that keeps only the layers that have weights. */
static bool is_bare(const vgg_caffe_layer *layers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(layers[i].type, "ReLU") == 0 || strcmp(layers[i].type, "Pooling") == 0)
            return false;
    }
    return true;
}

/* The size that the file gives its input outside of its layers: (N, C, H, W). */
static void read_input(const Vgg__Caffe__Net *net, vgg_caffe_walk *walk) {
    int64_t height = 0, width = 0;
    if (net->n_input_dim == 4) {
        height = net->input_dim[2];
        width = net->input_dim[3];
    } else if (net->n_input_shape == 1 && net->input_shape[0]->n_dim == 4) {
        height = net->input_shape[0]->dim[2];
        width = net->input_shape[0]->dim[3];
    }
    if (height > 0 && width > 0) {
        walk->source->graph.height = walk->height = (size_t)height;
        walk->source->graph.width = walk->width = (size_t)width;
    }
    if (net->n_input == 1)
        walk->flow = net->input[0];
}

static vgg_status follow_layers(vgg_tensor_source *source, const Vgg__Caffe__Net *net,
                                const vgg_caffe_layer *layers, size_t count, vgg_error *error) {
    vgg_caffe_walk walk = {
        .source = source, .bare = is_bare(layers, count), .sequence = vgg_sequence_begin(source)};
    read_input(net, &walk);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        status = vgg_caffe_layer_read(&walk, &layers[i], error);
    }
    if (status == VGG_OK)
        status = vgg_caffe_layers_end(&walk, error);
    if (status == VGG_OK)
        status = vgg_sequence_end(&walk.sequence, error);
    return status;
}

/* Leaves the tensors of what is no network here, and the reason. */
static vgg_status read_layers(vgg_tensor_source *source, const Vgg__Caffe__Net *net,
                              vgg_caffe_layer *layers, size_t count, vgg_error *error) {
    vgg_error reason;
    vgg_status status = list_layers(source, net, layers, error);
    if (status != VGG_OK)
        return status;
    status = follow_layers(source, net, layers, count, &reason);
    if (status == VGG_OK)
        return VGG_OK;
    vgg_tensor_source_forget(source);
    if (status == VGG_ERROR_UNSUPPORTED &&
        vgg_caffe_read_tensors(source, layers, count, NULL) == VGG_OK) {
        source->refusal = reason;
        return VGG_OK;
    }
    return vgg_fail(error, status, "%s", reason.message);
}

static vgg_status read_net(vgg_tensor_source *source, const Vgg__Caffe__Net *net,
                           vgg_error *error) {
    size_t count = net->n_layers + net->n_layer;
    if (count == 0 || count > VGG_CAFFE_MOST_LAYERS)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: has %zu layers, expected 1 to %d",
                        source->path, count, VGG_CAFFE_MOST_LAYERS);
    vgg_caffe_layer *layers = vgg_calloc(count, sizeof *layers);
    if (layers == NULL)
        return vgg_fail_memory(error, "the list of layers", count * sizeof *layers);
    source->preset = "caffe";
    source->graph.origin = VGG_ORIGIN_GRAPH;
    vgg_status status = read_layers(source, net, layers, count, error);
    vgg_free(layers);
    return status;
}

static vgg_status load(vgg_tensor_source *source, vgg_error *error) {
    vgg_protobuf protobuf;
    vgg_status status =
        vgg_protobuf_read(&protobuf, &vgg__caffe__net__descriptor, source->storage.map,
                          source->storage.size, source->path, true, error);
    if (status == VGG_OK)
        status = read_net(source, (const Vgg__Caffe__Net *)protobuf.message, error);
    vgg_protobuf_free(&protobuf);
    return status;
}

const vgg_format vgg_format_caffe = {
    .name = "caffe",
    .endings = ".caffemodel",
    .sniff = vgg_caffe_sniff,
    .load = load,
};
