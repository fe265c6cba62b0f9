#include "formats/onnx/onnx_save_nodes.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/definition.h"
#include "nn/network.h"

/* A convolution's input, weight and bias; batch normalisation's input and four vectors. */
enum { MOST_INPUTS = 5, MOST_ATTRIBUTES = 4, MOST_INTS = 4 };

/* AttributeProto.AttributeType */
enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_INTS = 7 };

struct vgg_onnx_made_node {
    Vgg__Onnx__Node node;
    char *input[MOST_INPUTS], *output[1];
    Vgg__Onnx__Attribute attributes[MOST_ATTRIBUTES], *attribute_list[MOST_ATTRIBUTES];
    int64_t ints[MOST_ATTRIBUTES][MOST_INTS];
};

/* An input or output of the graph. */
typedef struct made_value {
    Vgg__Onnx__Value value, *list[1];
    Vgg__Onnx__Type type;
    Vgg__Onnx__TensorType tensor;
    Vgg__Onnx__Shape shape;
    Vgg__Onnx__Dimension dimensions[4], *dimension_list[4];
} made_value;

struct vgg_onnx_made_values {
    made_value input, output;
};

/* protobuf-c does not change what it packs, but has no const for texts. */
static char *text(const char *constant) {
    return (char *)(uintptr_t)constant;
}

/* ---- nodes ---- */

static vgg_onnx_made_node *add_node(vgg_onnx_nodes *nodes, const char *type, const char *name,
                                    const char *input) {
    vgg_onnx_made_node *made = &nodes->made[nodes->begin.n_node];
    vgg__onnx__node__init(&made->node);
    made->node.op_type = text(type);
    made->node.name = text(name);
    made->node.input = made->input;
    made->input[made->node.n_input++] = text(input);
    made->node.output = made->output;
    made->output[made->node.n_output++] = text(name);
    made->node.attribute = made->attribute_list;
    nodes->begin.node[nodes->begin.n_node++] = &made->node;
    return made;
}

static Vgg__Onnx__Attribute *add_attribute(vgg_onnx_made_node *made, const char *name, int type) {
    size_t index = made->node.n_attribute++;
    Vgg__Onnx__Attribute *attribute = &made->attributes[index];
    vgg__onnx__attribute__init(attribute);
    attribute->name = text(name);
    attribute->has_type = 1;
    attribute->type = type;
    attribute->ints = made->ints[index];
    made->attribute_list[index] = attribute;
    return attribute;
}

static void add_int(vgg_onnx_made_node *made, const char *name, int64_t value) {
    Vgg__Onnx__Attribute *attribute = add_attribute(made, name, TYPE_INT);
    attribute->has_i = 1;
    attribute->i = value;
}

static void add_float(vgg_onnx_made_node *made, const char *name, double value) {
    Vgg__Onnx__Attribute *attribute = add_attribute(made, name, TYPE_FLOAT);
    attribute->has_f = 1;
    attribute->f = (float)value;
}

/* `pairs` times a height and a width. */
static void add_sizes(vgg_onnx_made_node *made, const char *name, size_t pairs, size_t height,
                      size_t width) {
    Vgg__Onnx__Attribute *attribute = add_attribute(made, name, TYPE_INTS);
    for (size_t i = 0; i < pairs; i++) {
        attribute->ints[attribute->n_ints++] = (int64_t)height;
        attribute->ints[attribute->n_ints++] = (int64_t)width;
    }
}

static void add_tensors(vgg_onnx_made_node *made, const vgg_network *network,
                        const vgg_layer *layer) {
    for (size_t i = 0; i < layer->tensors; i++) {
        made->input[made->node.n_input++] =
            text(network->tensors[layer->first_tensor + i].info.name);
    }
}

/* ---- layers ---- */

/* torchvision's pool to 7 x 7 as one of equal windows. It is left out where it changes nothing; *at
 * is what the next node takes. */
static vgg_status add_average_pool(vgg_onnx_nodes *nodes, const vgg_layer *layer, const char **at,
                                   const char *path, vgg_error *error) {
    const vgg_extent *in = &layer->input, *out = &layer->output;
    if (in->height == out->height && in->width == out->width)
        return VGG_OK;
    if (in->height % out->height != 0 || in->width % out->width != 0)
        return vgg_fail(
            error, VGG_ERROR_UNSUPPORTED,
            "%s cannot be written: \"%s\" averages %zux%zu values to %zux%zu, which ONNX "
            "has no operator for; expected a multiple of %zu",
            path, layer->name, in->height, in->width, out->height, out->width, out->height);
    vgg_onnx_made_node *made = add_node(nodes, "AveragePool", layer->name, *at);
    add_sizes(made, "kernel_shape", 1, in->height / out->height, in->width / out->width);
    add_sizes(made, "strides", 1, in->height / out->height, in->width / out->width);
    *at = layer->name;
    return VGG_OK;
}

static void add_lrn(vgg_onnx_nodes *nodes, const vgg_layer *layer, const char *at) {
    vgg_onnx_made_node *made = add_node(nodes, "LRN", layer->name, at);
    add_float(made, "alpha", VGG_LRN_ALPHA * VGG_LRN_SIZE);
    add_float(made, "beta", VGG_LRN_BETA);
    add_float(made, "bias", VGG_LRN_K);
    add_int(made, "size", VGG_LRN_SIZE);
}

static void add_linear(vgg_onnx_nodes *nodes, const vgg_network *network, const vgg_layer *layer,
                       const char *at) {
    vgg_onnx_made_node *made = add_node(nodes, "Gemm", layer->name, at);
    add_tensors(made, network, layer);
    add_int(made, "transB", 1);
}

static vgg_status add_layer(vgg_onnx_nodes *nodes, const vgg_network *network,
                            const vgg_layer *layer, const char **at, const char *path,
                            vgg_error *error) {
    vgg_onnx_made_node *made;
    size_t border;
    switch (layer->type) {
    case VGG_LAYER_CONVOLUTION:
        made = add_node(nodes, "Conv", layer->name, *at);
        add_tensors(made, network, layer);
        add_sizes(made, "kernel_shape", 1, layer->kernel, layer->kernel);
        border = layer->valid ? 0 : layer->kernel / 2;
        add_sizes(made, "pads", 2, border, border);
        break;
    case VGG_LAYER_BATCH_NORM:
        made = add_node(nodes, "BatchNormalization", layer->name, *at);
        add_tensors(made, network, layer);
        add_float(made, "epsilon", VGG_BATCH_NORM_EPSILON);
        break;
    case VGG_LAYER_RELU:
        add_node(nodes, "Relu", layer->name, *at);
        break;
    case VGG_LAYER_MAX_POOL:
    case VGG_LAYER_AVERAGE_POOL_2X2:
        made = add_node(nodes, layer->type == VGG_LAYER_MAX_POOL ? "MaxPool" : "AveragePool",
                        layer->name, *at);
        add_sizes(made, "kernel_shape", 1, 2, 2);
        add_sizes(made, "strides", 1, 2, 2);
        break;
    case VGG_LAYER_LOCAL_RESPONSE_NORM:
        add_lrn(nodes, layer, *at);
        break;
    case VGG_LAYER_GLOBAL_AVERAGE_POOL:
        add_node(nodes, "GlobalAveragePool", layer->name, *at);
        break;
    case VGG_LAYER_GLOBAL_MAX_POOL:
        add_node(nodes, "GlobalMaxPool", layer->name, *at);
        break;
    case VGG_LAYER_AVERAGE_POOL:
        return add_average_pool(nodes, layer, at, path, error);
    case VGG_LAYER_LINEAR:
        add_linear(nodes, network, layer, *at);
        break;
    case VGG_LAYER_DROPOUT:
        return VGG_OK;
    }
    *at = layer->name;
    return VGG_OK;
}

static vgg_status add_layers(vgg_onnx_nodes *nodes, const vgg_saving *saving, const char *path,
                             vgg_error *error) {
    const vgg_network *network = saving->network;
    const char *at = "input";
    bool flat = false;
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < network->layer_count; i++) {
        const vgg_layer *layer = &network->layers[i];
        if (layer->flattens && !flat) {
            add_int(add_node(nodes, "Flatten", "flatten", at), "axis", 1);
            at = "flatten";
            flat = true;
        }
        status = add_layer(nodes, network, layer, &at, path, error);
    }
    if (status != VGG_OK)
        return status;
    nodes->made[nodes->begin.n_node - 1].output[0] = text("logits");
    if (!saving->softmax && !saving->sigmoid)
        return VGG_OK;
    vgg_onnx_made_node *made;
    if (saving->sigmoid)
        made = add_node(nodes, "Sigmoid", "sigmoid", "logits");
    else
        made = add_node(nodes, "Softmax", "softmax", "logits");
    if (saving->softmax)
        add_int(made, "axis", 1);
    made->output[0] = text("probabilities");
    return VGG_OK;
}

/* ---- inputs and outputs ---- */

/* Floats of shape (N, sizes...), for any N. */
static void make_value(made_value *made, const char *name, const size_t *sizes, size_t count) {
    vgg__onnx__value__init(&made->value);
    vgg__onnx__type__init(&made->type);
    vgg__onnx__tensor_type__init(&made->tensor);
    vgg__onnx__shape__init(&made->shape);
    made->list[0] = &made->value;
    made->value.name = text(name);
    made->value.type = &made->type;
    made->type.tensor_type = &made->tensor;
    made->tensor.has_elem_type = 1;
    made->tensor.elem_type = VGG_ONNX_FLOAT;
    made->tensor.shape = &made->shape;
    made->shape.n_dim = count + 1;
    made->shape.dim = made->dimension_list;
    for (size_t i = 0; i < count + 1; i++) {
        Vgg__Onnx__Dimension *dimension = &made->dimensions[i];
        vgg__onnx__dimension__init(dimension);
        made->dimension_list[i] = dimension;
        if (i == 0) {
            dimension->dim_param = text("N");
            continue;
        }
        dimension->has_dim_value = 1;
        dimension->dim_value = (int64_t)sizes[i - 1];
    }
}

static void make_values(vgg_onnx_nodes *nodes, const vgg_saving *saving) {
    const vgg_network_options *options = vgg_network_describe(saving->network);
    struct vgg_onnx_made_values *values = nodes->values;
    make_value(&values->input, "input",
               (const size_t[]){options->channels, options->height, options->width}, 3);
    make_value(&values->output, saving->softmax || saving->sigmoid ? "probabilities" : "logits",
               &options->classes, 1);
    nodes->end.n_input = 1;
    nodes->end.input = values->input.list;
    nodes->end.n_output = 1;
    nodes->end.output = values->output.list;
}

vgg_status vgg_onnx_nodes_make(vgg_onnx_nodes *nodes, const vgg_saving *saving, const char *path,
                               vgg_error *error) {
    vgg__onnx__graph__init(&nodes->begin);
    vgg__onnx__graph__init(&nodes->end);
    nodes->begin.name = text("vgg");
    /* A node per layer, the Flatten and the Softmax. */
    size_t most = saving->network->layer_count + 2;
    nodes->made = vgg_calloc(most, sizeof *nodes->made);
    nodes->begin.node = vgg_calloc(most, sizeof(Vgg__Onnx__Node *));
    nodes->values = vgg_calloc(1, sizeof *nodes->values);
    if (nodes->made == NULL || nodes->begin.node == NULL || nodes->values == NULL)
        return vgg_fail_memory(error, "a graph", most * sizeof *nodes->made);
    make_values(nodes, saving);
    return add_layers(nodes, saving, path, error);
}

void vgg_onnx_nodes_free(vgg_onnx_nodes *nodes) {
    vgg_free(nodes->made);
    vgg_free(nodes->begin.node);
    vgg_free(nodes->values);
    *nodes = (vgg_onnx_nodes){0};
}
