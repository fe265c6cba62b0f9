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
    size_t places;             /* rows of an image */
    size_t lowest;             /* the first layer that backward passes reach; none: layer_count */
    vgg_graph *graph;
} graph_builder;

/* Whether a backward pass ends at a layer: with the gradients of its tensors or, where there are
 * taps, with that of what flows out of the layer below. */
static bool ends_backward(const vgg_network *network, vgg_graph_purpose purpose, size_t layer) {
    if (purpose.tapped != NULL)
        return layer > 0 && purpose.tapped[layer - 1];
    return !network->layers[layer].frozen && network->layers[layer].tensors > 0;
}

/* The lowest layer that backward passes reach, or all for the gradient of the input. */
static size_t lowest_layer(const vgg_network *network, vgg_graph_purpose purpose) {
    if (!purpose.gradients)
        return network->layer_count;
    size_t layer = 0;
    while (!purpose.input_gradient && layer < network->layer_count &&
           !ends_backward(network, purpose, layer)) {
        layer++;
    }
    return layer;
}

static bool is_tapped(const graph_builder *to, size_t layer) {
    return to->purpose.tapped != NULL && to->purpose.tapped[layer];
}

/* Appends an op that reads what flows and writes `out`. */
static vgg_op *add_op(graph_builder *to, vgg_op_kind kind, size_t layer, vgg_extent out) {
    bool has_layer = layer != VGG_NO_LAYER;
    const vgg_layer *of = has_layer ? &to->network->layers[layer] : NULL;
    vgg_op *op = &to->graph->ops[to->graph->count++];
    *op = (vgg_op){.kind = kind,
                   .layer = layer,
                   .last = layer,
                   .folded = VGG_NO_LAYER,
                   .in = to->extent,
                   .out = out,
                   .places = to->places,
                   .kernel = has_layer ? of->kernel : 0,
                   .trains = has_layer && to->purpose.gradients && to->purpose.tapped == NULL &&
                             !of->frozen && of->tensors > 0};
    to->extent = out;
    return op;
}

static bool is_type(const graph_builder *to, size_t layer, vgg_layer_type type) {
    return layer < to->purpose.layers && to->network->layers[layer].type == type;
}

/* Whether a layer behind one that sees pictures, whose output nobody looks at, is of that type, and
 * sees them too. */
static bool follows(const graph_builder *to, size_t layer, vgg_layer_type type) {
    return is_type(to, layer, type) && !to->network->layers[layer].flattens &&
           !is_tapped(to, layer - 1);
}

/* A convolution with the batch norm directly behind it, where no gradients are wanted, and with the
 * ReLU; returns the last layer that it took. */
static size_t add_convolution(graph_builder *to, size_t layer) {
    bool fold = follows(to, layer + 1, VGG_LAYER_BATCH_NORM) && layer + 1 < to->lowest;
    size_t last = layer + fold;
    vgg_op *op = add_op(to, VGG_OP_CONVOLUTION, layer, to->extents[layer + 1]);
    op->valid = to->network->layers[layer].valid;
    op->folded = fold ? last : VGG_NO_LAYER;
    op->relu = follows(to, last + 1, VGG_LAYER_RELU);
    return last + op->relu;
}

/* With the ReLU behind it. */
static size_t add_batch_norm(graph_builder *to, size_t layer) {
    vgg_op *op = add_op(to, VGG_OP_BATCH_NORM, layer, to->extent);
    bool flat = to->network->layers[layer].flattens;
    op->relu = is_type(to, layer + 1, VGG_LAYER_RELU) && !is_tapped(to, layer) &&
               to->network->layers[layer + 1].flattens == flat;
    return layer + op->relu;
}

/* Whether a layer of rows is of that type, and nobody looks at what it is given. */
static bool joins(const graph_builder *to, size_t layer, vgg_layer_type type) {
    return is_type(to, layer, type) && !is_tapped(to, layer - 1);
}

/* At the end, or before a linear layer that is the last: its mean output is that of its mean input,
 * and costs one place. */
static void average_places(graph_builder *to) {
    if (to->places > 1)
        add_op(to, VGG_OP_MEAN, VGG_NO_LAYER, to->extent);
    to->places = 1;
}

/* A linear layer with the ReLU behind it and the dropout on either side of that; the two commute,
 * so ReLU always comes first here. */
static size_t add_linear(graph_builder *to, size_t layer) {
    const vgg_layer *layers = to->network->layers;
    if (layer + 1 == to->purpose.layers)
        average_places(to);
    vgg_op *op = add_op(to, VGG_OP_LINEAR, layer, to->extents[layer + 1]);
    bool before = joins(to, layer + 1, VGG_LAYER_DROPOUT);
    op->relu = joins(to, layer + (before ? 2 : 1), VGG_LAYER_RELU);
    if (!op->relu)
        return layer; /* the sign of the output does not tell what was dropped */
    bool behind = !before && joins(to, layer + 2, VGG_LAYER_DROPOUT);
    if (before || behind)
        op->dropout = layers[layer + (before ? 1 : 2)].dropout;
    return layer + (before || behind ? 2 : 1);
}

static size_t add_dropout(graph_builder *to, size_t layer) {
    double probability = to->network->layers[layer].dropout;
    if ((to->purpose.drops && probability > 0) || is_tapped(to, layer))
        add_op(to, VGG_OP_DROPOUT, layer, to->extent)->dropout = probability;
    return layer;
}

/* Where the size stays, every window holds one value. */
static size_t add_average_pool(graph_builder *to, size_t layer) {
    vgg_extent out = to->extents[layer + 1];
    if (out.height != to->extent.height || out.width != to->extent.width || is_tapped(to, layer))
        add_op(to, VGG_OP_AVERAGE_POOL, layer, out);
    return layer;
}

/* A row of features for each place of a window that has the size of the map at the network's own
 * input. */
static void add_windows(graph_builder *to, vgg_extent window) {
    vgg_extent map = to->extent, rows = {window.channels * window.height * window.width, 1, 1};
    to->places = (map.height - window.height + 1) * (map.width - window.width + 1);
    add_op(to, VGG_OP_WINDOWS, VGG_NO_LAYER, rows)->window = window;
}

/* In front of a layer that sees rows of features. */
static void flatten(graph_builder *to, size_t layer) {
    vgg_extent in = to->extent, rows = {in.channels * in.height * in.width, 1, 1};
    vgg_extent window = vgg_network_map_at(to->network, layer);
    bool larger = window.height != in.height || window.width != in.width;
    if (!to->flat && larger)
        add_windows(to, window);
    else if (!to->flat)
        add_op(to, VGG_OP_FLATTEN, VGG_NO_LAYER, rows);
    to->flat = true;
}

/* Returns the last layer that was taken. */
static size_t add_layer(graph_builder *to, size_t layer) {
    vgg_extent out = to->extents[layer + 1];
    if (to->network->layers[layer].flattens)
        flatten(to, layer);
    switch (to->network->layers[layer].type) {
    case VGG_LAYER_CONVOLUTION:
        return add_convolution(to, layer);
    case VGG_LAYER_BATCH_NORM:
        return add_batch_norm(to, layer);
    case VGG_LAYER_LINEAR:
        return add_linear(to, layer);
    case VGG_LAYER_DROPOUT:
        return add_dropout(to, layer);
    case VGG_LAYER_AVERAGE_POOL:
        return add_average_pool(to, layer);
    case VGG_LAYER_RELU:
        add_op(to, VGG_OP_RELU, layer, out)->relu = true;
        break;
    case VGG_LAYER_MAX_POOL:
        add_op(to, to->purpose.average_pools ? VGG_OP_AVERAGE_POOL_2X2 : VGG_OP_MAX_POOL, layer,
               out);
        break;
    case VGG_LAYER_AVERAGE_POOL_2X2:
        add_op(to, VGG_OP_AVERAGE_POOL_2X2, layer, out);
        break;
    case VGG_LAYER_LOCAL_RESPONSE_NORM:
        add_op(to, VGG_OP_LRN, layer, out);
        break;
    case VGG_LAYER_GLOBAL_AVERAGE_POOL:
        add_op(to, VGG_OP_GLOBAL_AVERAGE, layer, out);
        break;
    case VGG_LAYER_GLOBAL_MAX_POOL:
        add_op(to, VGG_OP_GLOBAL_MAX, layer, out);
        break;
    }
    return layer;
}

/* Notes that what flows now is the output of that layer. A layer that is left out changes nothing
 * of it, and has no tap. */
static void note_last(graph_builder *to, size_t layer) {
    vgg_op *op = to->graph->count > 0 ? &to->graph->ops[to->graph->count - 1] : NULL;
    if (op == NULL || op->tapped)
        return;
    op->last = layer;
    op->tapped = is_tapped(to, layer);
}

/* Which ops backward passes reach: from the lowest whose tensors are trained or whose output has a
 * tap on, or all. */
static void find_reach(graph_builder *of) {
    bool input = of->purpose.input_gradient, reached = input;
    for (size_t i = 0; i < of->graph->count; i++) {
        vgg_op *op = &of->graph->ops[i];
        op->need_dx = reached;
        reached = reached || op->trains || (op->tapped && of->purpose.gradients);
        op->reached = reached;
    }
}

vgg_status vgg_graph_make(const vgg_network *network, vgg_graph_purpose purpose, vgg_graph *graph,
                          vgg_error *error) {
    /* A layer becomes one op at most, with another in front of the first flat one, and one behind
     * all. */
    size_t most = network->layer_count + 2;
    *graph = (vgg_graph){.ops = vgg_calloc(most, sizeof *graph->ops)};
    vgg_extent *extents = vgg_calloc(most, sizeof *extents);
    vgg_status status = VGG_OK;
    if (graph->ops == NULL || extents == NULL)
        status = vgg_fail_memory(error, "the ops of a plan", most * sizeof *graph->ops);
    if (status == VGG_OK)
        status = vgg_network_extents(network, purpose.layers, purpose.height, purpose.width,
                                     purpose.dense, extents, error);
    if (status == VGG_OK) {
        graph_builder builder = {.network = network,
                                 .purpose = purpose,
                                 .extents = extents,
                                 .extent = extents[0],
                                 .places = 1,
                                 .lowest = lowest_layer(network, purpose),
                                 .graph = graph};
        for (size_t layer = 0; layer < purpose.layers; layer++) {
            layer = add_layer(&builder, layer);
            note_last(&builder, layer);
        }
        average_places(&builder);
        find_reach(&builder);
    }
    vgg_free(extents);
    return status;
}

vgg_op vgg_op_with_pool(const vgg_op *op, const vgg_op *pool) {
    vgg_op both = *op;
    both.pool = true;
    both.out = pool->out;
    both.last = pool->last;
    both.tapped = pool->tapped;
    both.reached = op->reached || pool->reached;
    return both;
}
