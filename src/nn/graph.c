/* From layers to ops. */
#include "nn/graph.h"

#include "base/error.h"
#include "base/memory.h"

/* A graph while ops are appended to it. */
typedef struct graph_builder {
    const vgg_network *network;
    vgg_graph_purpose purpose;
    const vgg_extent *extents; /* of the input and every layer's output */
    vgg_extent extent;         /* what flows now */
    bool flat;                 /* as rows of features */
    size_t lowest;             /* the first layer that backward passes reach; none: layer_count */
    vgg_graph *graph;
} graph_builder;

/* The lowest layer that is trained, or all for the gradient of the input. */
static size_t lowest_layer(const vgg_network *network, vgg_graph_purpose purpose) {
    if (!purpose.gradients)
        return network->layer_count;
    size_t layer = 0;
    while (!purpose.input_gradient && layer < network->layer_count &&
           (network->layers[layer].frozen || network->layers[layer].tensors == 0)) {
        layer++;
    }
    return layer;
}

/* Appends an op that reads what flows and writes `out`. */
static vgg_op *add_op(graph_builder *to, vgg_op_kind kind, size_t layer, vgg_extent out) {
    bool has_layer = layer != VGG_NO_LAYER;
    const vgg_layer *of = has_layer ? &to->network->layers[layer] : NULL;
    vgg_op *op = &to->graph->ops[to->graph->count++];
    *op = (vgg_op){.kind = kind,
                   .layer = layer,
                   .folded = VGG_NO_LAYER,
                   .in = to->extent,
                   .out = out,
                   .kernel = has_layer ? of->kernel : 0,
                   .trains = has_layer && to->purpose.gradients && !of->frozen && of->tensors > 0};
    to->extent = out;
    return op;
}

/* A convolution with the batch norm and the ReLU behind it, the former folded into it where no
 * gradients are wanted; returns the last layer that it took. */
static size_t add_convolution(graph_builder *to, size_t layer) {
    bool norm = to->network->layers[layer + 1].type == VGG_LAYER_BATCH_NORM;
    bool fold = norm && layer + 1 < to->lowest;
    vgg_op *op = add_op(to, VGG_OP_CONVOLUTION, layer, to->extents[layer + 1]);
    op->relu = !norm || fold;
    op->folded = fold ? layer + 1 : VGG_NO_LAYER;
    if (norm && !fold)
        add_op(to, VGG_OP_BATCH_NORM, layer + 1, to->extents[layer + 2])->relu = true;
    return layer + (norm ? 2 : 1);
}

static void flatten(graph_builder *to) {
    vgg_extent in = to->extent, rows = {in.channels * in.height * in.width, 1, 1};
    if (!to->flat)
        add_op(to, VGG_OP_FLATTEN, VGG_NO_LAYER, rows);
    to->flat = true;
}

/* A linear layer with the ReLU and dropout behind it, in either order; the two commute, so ReLU
 * always comes first here. Returns the last layer that it took. */
static size_t add_linear(graph_builder *to, size_t layer) {
    const vgg_network *network = to->network;
    flatten(to);
    vgg_op *op = add_op(to, VGG_OP_LINEAR, layer, to->extents[layer + 1]);
    while (layer + 1 < network->layer_count &&
           network->layers[layer + 1].type != VGG_LAYER_LINEAR) {
        layer++;
        if (network->layers[layer].type == VGG_LAYER_RELU)
            op->relu = true;
        else
            op->dropout = network->layers[layer].dropout;
    }
    return layer;
}

/* Returns the last layer that was taken. */
static size_t add_layer(graph_builder *to, size_t layer) {
    vgg_extent out = to->extents[layer + 1];
    switch (to->network->layers[layer].type) {
    case VGG_LAYER_CONVOLUTION:
        return add_convolution(to, layer);
    case VGG_LAYER_LINEAR:
        return add_linear(to, layer);
    case VGG_LAYER_MAX_POOL:
        add_op(to, VGG_OP_MAX_POOL, layer, out);
        break;
    case VGG_LAYER_LOCAL_RESPONSE_NORM:
        add_op(to, VGG_OP_LRN, layer, out);
        break;
    case VGG_LAYER_AVERAGE_POOL_2X2:
    case VGG_LAYER_GLOBAL_AVERAGE_POOL:
    case VGG_LAYER_GLOBAL_MAX_POOL:
    case VGG_LAYER_AVERAGE_POOL:
        /* Where the size stays, every window holds one value. */
        if (out.height != to->extent.height || out.width != to->extent.width)
            add_op(to, VGG_OP_AVERAGE_POOL, layer, out);
        break;
    case VGG_LAYER_BATCH_NORM:
    case VGG_LAYER_RELU:
    case VGG_LAYER_DROPOUT:
        break; /* taken by the op before */
    }
    return layer;
}

/* Which ops backward passes reach: from the lowest whose tensors are trained on, or all. */
static void find_reach(graph_builder *of) {
    bool input = of->purpose.input_gradient, reached = input;
    for (size_t i = 0; i < of->graph->count; i++) {
        vgg_op *op = &of->graph->ops[i];
        op->need_dx = reached;
        reached = reached || op->trains;
        op->reached = reached;
    }
}

vgg_status vgg_graph_make(const vgg_network *network, vgg_graph_purpose purpose, vgg_graph *graph,
                          vgg_error *error) {
    /* A layer becomes one op at most, with another in front of the first linear one. */
    size_t most = network->layer_count + 1;
    *graph = (vgg_graph){.ops = vgg_calloc(most, sizeof *graph->ops)};
    vgg_extent *extents = vgg_calloc(most, sizeof *extents);
    vgg_status status = VGG_OK;
    if (graph->ops == NULL || extents == NULL)
        status = vgg_fail_memory(error, "the ops of a plan", most * sizeof *graph->ops);
    if (status == VGG_OK)
        status = vgg_network_extents(network, purpose.height, purpose.width, extents, error);
    if (status == VGG_OK) {
        graph_builder builder = {.network = network,
                                 .purpose = purpose,
                                 .extents = extents,
                                 .extent = extents[0],
                                 .lowest = lowest_layer(network, purpose),
                                 .graph = graph};
        for (size_t layer = 0; layer < network->layer_count; layer++) {
            layer = add_layer(&builder, layer);
        }
        find_reach(&builder);
    }
    vgg_free(extents);
    return status;
}

vgg_op vgg_op_with_pool(const vgg_op *op, const vgg_op *pool) {
    vgg_op both = *op;
    both.pool = true;
    both.out = pool->out;
    return both;
}
