/* The graph of an ONNX model: its nodes' attributes, the tensors that names stand for, and the
 * chain of nodes that leads from the input to the output. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "formats/onnx/onnx.h"
#include "nn/architecture.h"

/* Nodes between an initialiser and its use. */
#define MOST_ALIASES 8

/* ---- nodes ---- */

static const Vgg__Onnx__Attribute *find_attribute(const Vgg__Onnx__Node *node, const char *name) {
    for (size_t i = 0; i < node->n_attribute; i++) {
        if (strcmp(vgg_onnx_text(node->attribute[i]->name), name) == 0)
            return node->attribute[i];
    }
    return NULL;
}

int64_t vgg_onnx_int(const Vgg__Onnx__Node *node, const char *name, int64_t fallback) {
    const Vgg__Onnx__Attribute *attribute = find_attribute(node, name);
    return attribute != NULL ? attribute->i : fallback;
}

double vgg_onnx_float(const Vgg__Onnx__Node *node, const char *name, double fallback) {
    const Vgg__Onnx__Attribute *attribute = find_attribute(node, name);
    return attribute != NULL ? (double)attribute->f : fallback;
}

const char *vgg_onnx_string(const Vgg__Onnx__Node *node, const char *name, const char *fallback) {
    const Vgg__Onnx__Attribute *attribute = find_attribute(node, name);
    return attribute != NULL ? vgg_onnx_text(attribute->s) : fallback;
}

bool vgg_onnx_all(const Vgg__Onnx__Node *node, const char *name, size_t count, int64_t value,
                  bool absent) {
    const Vgg__Onnx__Attribute *attribute = find_attribute(node, name);
    if (attribute == NULL)
        return absent;
    for (size_t i = 0; i < attribute->n_ints; i++) {
        if (attribute->ints[i] != value)
            return false;
    }
    return attribute->n_ints == count;
}

bool vgg_onnx_pair(const Vgg__Onnx__Node *node, const char *name, size_t height, size_t width,
                   bool absent) {
    const Vgg__Onnx__Attribute *attribute = find_attribute(node, name);
    if (attribute == NULL)
        return absent;
    return attribute->n_ints == 2 && attribute->ints[0] == (int64_t)height &&
           attribute->ints[1] == (int64_t)width;
}

static bool is_type(const Vgg__Onnx__Node *node, const char *type) {
    return strcmp(vgg_onnx_text(node->op_type), type) == 0;
}

vgg_status vgg_onnx_fail_node(const vgg_onnx *onnx, const Vgg__Onnx__Node *node, vgg_error *error,
                              const char *format, ...) {
    char what[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    const char *name = vgg_onnx_text(node->name);
    if (name[0] == '\0' && node->n_output > 0)
        name = node->output[0];
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: node \"%.80s\" (%.40s) %s",
                    onnx->source->path, name, vgg_onnx_text(node->op_type), what);
}

/* The node that gives the value of that name; NULL when none does. */
static const Vgg__Onnx__Node *find_producer(const Vgg__Onnx__Graph *graph, const char *name) {
    for (size_t i = 0; i < graph->n_node; i++) {
        const Vgg__Onnx__Node *node = graph->node[i];
        if (node->n_output > 0 && strcmp(node->output[0], name) == 0)
            return node;
    }
    return NULL;
}

/* ---- tensors ---- */

static const Vgg__Onnx__Tensor *find_initializer(const Vgg__Onnx__Graph *graph, const char *name) {
    for (size_t i = 0; i < graph->n_initializer; i++) {
        if (strcmp(vgg_onnx_text(graph->initializer[i]->name), name) == 0)
            return graph->initializer[i];
    }
    return NULL;
}

static bool swaps_two(const Vgg__Onnx__Node *node) {
    const Vgg__Onnx__Attribute *order = find_attribute(node, "perm");
    return order == NULL || (order->n_ints == 2 && order->ints[0] == 1 && order->ints[1] == 0);
}

const Vgg__Onnx__Tensor *vgg_onnx_find_tensor(const vgg_onnx *onnx, const char *name,
                                              bool *transposed) {
    *transposed = false;
    for (size_t i = 0; i < MOST_ALIASES && name[0] != '\0'; i++) {
        const Vgg__Onnx__Tensor *tensor = find_initializer(onnx->graph, name);
        if (tensor != NULL)
            return tensor;
        const Vgg__Onnx__Node *node = find_producer(onnx->graph, name);
        if (node == NULL)
            return NULL;
        if (is_type(node, "Constant")) {
            const Vgg__Onnx__Attribute *value = find_attribute(node, "value");
            return value != NULL ? value->t : NULL;
        }
        if (is_type(node, "Transpose") && swaps_two(node))
            *transposed = !*transposed;
        else if (!is_type(node, "Identity"))
            return NULL;
        name = vgg_onnx_input(node, 0);
    }
    return NULL;
}

/* ---- the chain ---- */

/* The node's input that comes from the network's own. */
static const char *data_input(const vgg_onnx *onnx, const Vgg__Onnx__Node *node) {
    bool transposed;
    bool second = is_type(node, "Add") &&
                  vgg_onnx_find_tensor(onnx, vgg_onnx_input(node, 0), &transposed) != NULL;
    return vgg_onnx_input(node, second ? 1 : 0);
}

static const Vgg__Onnx__Value *find_input(const Vgg__Onnx__Graph *graph, const char *name) {
    for (size_t i = 0; i < graph->n_input; i++) {
        if (strcmp(vgg_onnx_text(graph->input[i]->name), name) == 0)
            return graph->input[i];
    }
    return NULL;
}

/* Goes from the output back to the input and leaves the nodes in the order in which data flows. */
static vgg_status follow(const vgg_onnx *onnx, const Vgg__Onnx__Node **chain, size_t *count,
                         const Vgg__Onnx__Value **input, vgg_error *error) {
    const Vgg__Onnx__Graph *graph = onnx->graph;
    const char *path = onnx->source->path;
    if (graph->n_output != 1)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: its graph has %zu outputs, expected one",
                        path, graph->n_output);
    const char *name = vgg_onnx_text(graph->output[0]->name);
    const Vgg__Onnx__Node *node;
    size_t used = 0;
    while ((node = find_producer(graph, name)) != NULL) {
        if (used == graph->n_node)
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: its graph goes round in a circle at \"%.80s\"", path, name);
        chain[used++] = node;
        name = data_input(onnx, node);
    }
    *input = find_input(graph, name);
    if (*input == NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its graph's \"%.80s\" is neither an input nor the output of a node",
                        path, name);
    for (size_t i = 0; i < used / 2; i++) {
        node = chain[i];
        chain[i] = chain[used - 1 - i];
        chain[used - 1 - i] = node;
    }
    *count = used;
    return VGG_OK;
}

/* Height and width of an input of shape (N, C, H, W), where the file gives them. */
static void read_input_size(const Vgg__Onnx__Value *input, vgg_graph_facts *facts) {
    const Vgg__Onnx__Type *type = input->type;
    if (type == NULL || type->tensor_type == NULL || type->tensor_type->shape == NULL ||
        type->tensor_type->shape->n_dim != 4)
        return;
    int64_t height = type->tensor_type->shape->dim[2]->dim_value;
    int64_t width = type->tensor_type->shape->dim[3]->dim_value;
    if (height > 0 && width > 0) {
        facts->height = (size_t)height;
        facts->width = (size_t)width;
    }
}

static vgg_status finish(vgg_onnx_walk *walk, vgg_error *error) {
    vgg_tensor_source *source = walk->onnx->source;
    char *trunk = vgg_text_take(&walk->trunk);
    char *hidden = vgg_text_take(&walk->hidden);
    if (trunk != NULL && hidden != NULL)
        source->graph.arch = vgg_arch_join(trunk, hidden);
    free(trunk);
    free(hidden);
    return source->graph.arch != NULL ? VGG_OK : vgg_fail_memory(error, "an architecture", 1);
}

static vgg_status read_chain(vgg_onnx *onnx, const Vgg__Onnx__Node **chain, vgg_error *error) {
    size_t count = 0;
    const Vgg__Onnx__Value *input = NULL;
    vgg_status status = follow(onnx, chain, &count, &input, error);
    if (status != VGG_OK)
        return status;
    vgg_graph_facts *facts = &onnx->source->graph;
    facts->layout = VGG_LAYOUT_PAPER;
    read_input_size(input, facts);
    vgg_onnx_walk walk = {.onnx = onnx,
                          .sequence = vgg_sequence_begin(onnx->source),
                          .height = facts->height,
                          .width = facts->width};
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        status = vgg_onnx_layer(&walk, chain[i], error);
    }
    if (status == VGG_OK)
        status = vgg_onnx_layers_end(&walk, error);
    if (status == VGG_OK)
        status = finish(&walk, error);
    vgg_text_free(&walk.trunk);
    vgg_text_free(&walk.hidden);
    return status;
}

vgg_status vgg_onnx_read_graph(vgg_onnx *onnx, vgg_error *error) {
    onnx->source->graph.origin = VGG_ORIGIN_GRAPH;
    const Vgg__Onnx__Node **chain = calloc(onnx->graph->n_node, sizeof *chain);
    if (chain == NULL)
        return vgg_fail_memory(error, "the list of nodes", onnx->graph->n_node * sizeof *chain);
    vgg_status status = read_chain(onnx, chain, error);
    free(chain);
    return status;
}
