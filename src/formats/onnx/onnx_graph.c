/* The graph of an ONNX model: the chain of nodes that leads from the input to the output. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/onnx/onnx.h"

/* The node's input that comes from the network's own. */
static const char *data_input(const vgg_onnx *onnx, const Vgg__Onnx__Node *node) {
    bool transposed;
    bool either = vgg_onnx_is_type(node, "Add") || vgg_onnx_is_type(node, "Mul");
    bool second =
        either && vgg_onnx_find_tensor(onnx, vgg_onnx_input(node, 0), &transposed) != NULL;
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
    while ((node = vgg_onnx_producer(graph, name)) != NULL) {
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

static vgg_status read_chain(vgg_onnx *onnx, const Vgg__Onnx__Node **chain, vgg_error *error) {
    size_t count = 0;
    const Vgg__Onnx__Value *input = NULL;
    vgg_status status = follow(onnx, chain, &count, &input, error);
    if (status != VGG_OK)
        return status;
    vgg_onnx_walk walk = {.onnx = onnx, .sequence = vgg_sequence_begin(onnx->source)};
    vgg_onnx_begin_axes(&walk, chain, count, input);
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        status = vgg_onnx_layer(&walk, chain[i], error);
    }
    if (status == VGG_OK)
        status = vgg_onnx_layers_end(&walk, error);
    if (status == VGG_OK)
        status = vgg_sequence_end(&walk.sequence, error);
    return status;
}

vgg_status vgg_onnx_read_graph(vgg_onnx *onnx, vgg_error *error) {
    onnx->source->graph.origin = VGG_ORIGIN_GRAPH;
    const Vgg__Onnx__Node **chain = vgg_calloc(onnx->graph->n_node, sizeof *chain);
    if (chain == NULL)
        return vgg_fail_memory(error, "the list of nodes", onnx->graph->n_node * sizeof *chain);
    vgg_status status = read_chain(onnx, chain, error);
    vgg_free(chain);
    return status;
}
