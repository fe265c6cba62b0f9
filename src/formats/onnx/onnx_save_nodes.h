/* A network as an ONNX graph, without the values of its tensors. */
#ifndef VGG_FORMATS_ONNX_ONNX_SAVE_NODES_H
#define VGG_FORMATS_ONNX_ONNX_SAVE_NODES_H

#include "formats/onnx/onnx.h"

typedef struct vgg_onnx_made_node vgg_onnx_made_node;

/* The graph in two messages: what stands before its initialisers, and what behind. Start with {0}.
 */
typedef struct vgg_onnx_nodes {
    Vgg__Onnx__Graph begin, end; /* nodes and name; inputs and outputs */
    vgg_onnx_made_node *made;
    struct vgg_onnx_made_values *values;
} vgg_onnx_nodes;

/* The messages refer to the network. The caller frees *nodes whatever the outcome. */
vgg_status vgg_onnx_nodes_make(vgg_onnx_nodes *nodes, const vgg_saving *saving, const char *path,
                               vgg_error *error);
void vgg_onnx_nodes_free(vgg_onnx_nodes *nodes);

#endif
