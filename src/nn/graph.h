/* The graph: what a network computes, as a list of ops.
 *
 * An op does one or several layers at once: a convolution with its ReLU, say. The graph says what
 * is computed and which gradients are wanted, and knows nothing of the device that computes it; a
 * plan adds how (plan.h). */
#ifndef VGG_NN_GRAPH_H
#define VGG_NN_GRAPH_H

#include "nn/network.h"

typedef enum vgg_op_kind {
    VGG_OP_CONVOLUTION, /* with bias; ReLU; when no gradients are wanted also batch norm */
    VGG_OP_BATCH_NORM,  /* with ReLU */
    VGG_OP_RELU,        /* where no op before does it */
    VGG_OP_DROPOUT,     /* the same */
    VGG_OP_MAX_POOL,
    VGG_OP_LRN,
    VGG_OP_AVERAGE_POOL_2X2,
    VGG_OP_AVERAGE_POOL,
    VGG_OP_GLOBAL_AVERAGE,
    VGG_OP_GLOBAL_MAX,
    VGG_OP_FLATTEN, /* (C, H, W) to a row of features in that order */
    VGG_OP_WINDOWS, /* (C, H, W) to such a row for each place of a window of the trained size */
    VGG_OP_LINEAR,  /* with bias; ReLU; behind a ReLU or before it dropout */
    VGG_OP_MEAN,    /* of the rows of an image */
    VGG_OP_BLOCK,   /* its input in the layout of this processor: in no graph, a plan adds it */
} vgg_op_kind;

/* No layer. */
#define VGG_NO_LAYER SIZE_MAX

typedef struct vgg_op {
    vgg_op_kind kind;
    size_t layer;       /* the first of the layers that it does, or VGG_NO_LAYER */
    size_t last;        /* the last of them, or VGG_NO_LAYER */
    bool tapped;        /* somebody looks at its output: it joins nothing that follows */
    size_t folded;      /* convolution: the batch norm layer folded into it, or VGG_NO_LAYER */
    vgg_extent in, out; /* of one image, or of one of its places */
    size_t places;     /* rows of an image that it works on: 1, or behind VGG_OP_WINDOWS, which puts
                        * out so many, the places of the window */
    vgg_extent window; /* VGG_OP_WINDOWS */
    size_t kernel;     /* convolution: 3 or 1 */
    bool valid;        /* convolution: without padding */
    bool pool;         /* convolution, batch norm: with the 2x2 max-pool behind it; `out` and the
                        * gradient of it are pooled */
    bool relu;         /* a ReLU follows */
    double dropout;    /* dropout, linear: probability, 0 without */
    bool reached;      /* backward passes reach it */
    bool trains;       /* they compute the gradients of its tensors */
    bool need_dx;      /* something below wants the gradient of its input */
} vgg_op;

typedef struct vgg_graph {
    vgg_op *ops;
    size_t count;
} vgg_graph;

/* What a graph is made for. */
typedef struct vgg_graph_purpose {
    size_t height, width; /* of the input */
    bool drops;           /* dropout may drop: else it is left out */
    bool gradients;       /* of what is trained */
    bool input_gradient;  /* and of the input */
    size_t layers;        /* so many layers run; the others are left out */
    const bool *tapped;   /* per layer, whether somebody looks at its output; NULL: at none. All
                           * layers are then frozen, and gradients are those of tapped outputs */
    bool average_pools;   /* 2x2 averages in place of maxima */
    bool dense;           /* linear layers at every place, as vgg_plan_options.dense says */
} vgg_graph_purpose;

/* The ops of a network; a max-pool is one of its own. The caller frees graph->ops, also after a
 * failure. Fails as vgg_network_extents does, and when memory ran out. */
vgg_status vgg_graph_make(const vgg_network *network, vgg_graph_purpose purpose, vgg_graph *graph,
                          vgg_error *error);

/* A convolution or batch norm and the max-pool that follows it at once as one op, for a device
 * whose kernels do both. */
vgg_op vgg_op_with_pool(const vgg_op *op, const vgg_op *pool);

#endif
