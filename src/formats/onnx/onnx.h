/* What the parts of the ONNX reader share. */
#ifndef VGG_FORMATS_ONNX_ONNX_H
#define VGG_FORMATS_ONNX_ONNX_H

#include <onnx.pb-c.h>

#include "formats/format.h"
#include "formats/sequence.h"

/* Far above any VGG: names are looked up one by one. */
enum { VGG_ONNX_MOST = 4096 };

/* TensorProto.DataType */
enum {
    VGG_ONNX_FLOAT = 1,
    VGG_ONNX_FLOAT16 = 10,
    VGG_ONNX_DOUBLE = 11,
    VGG_ONNX_BFLOAT16 = 16,
    VGG_ONNX_INT64 = 7
};

/* A file named by a tensor's external_data. */
typedef struct vgg_onnx_external {
    char *location;
    vgg_mapped_file file;
} vgg_onnx_external;

typedef struct vgg_onnx {
    vgg_tensor_source *source;
    const Vgg__Onnx__Graph *graph;
    vgg_onnx_external *externals;
    size_t external_count;
} vgg_onnx;

/* Type, shape and values of a stored tensor; the name is the stored one's own. */
vgg_status vgg_onnx_tensor(vgg_onnx *onnx, const Vgg__Onnx__Tensor *stored,
                           vgg_stored_tensor *tensor, vgg_error *error);
void vgg_onnx_free(vgg_onnx *onnx);

/* Follows the graph from its input to its output and appends the tensors to the source. */
vgg_status vgg_onnx_read_graph(vgg_onnx *onnx, vgg_error *error);

/* The same for a file that has tensors but no nodes, by the tensors' names. */
vgg_status vgg_onnx_read_names(vgg_onnx *onnx, vgg_error *error);

/* Appends all stored tensors under their own names; types that no weight has are passed over. */
vgg_status vgg_onnx_read_tensors(vgg_onnx *onnx, vgg_error *error);

/* ---- nodes ---- */

/* "" for a text that the file leaves out. */
static inline const char *vgg_onnx_text(const char *text) {
    return text != NULL ? text : "";
}

/* The name of a node's input; "" beyond the last one. */
static inline const char *vgg_onnx_input(const Vgg__Onnx__Node *node, size_t input) {
    return input < node->n_input ? vgg_onnx_text(node->input[input]) : "";
}

/* An attribute, or `fallback` for one that is not there. */
int64_t vgg_onnx_int(const Vgg__Onnx__Node *node, const char *name, int64_t fallback);
double vgg_onnx_float(const Vgg__Onnx__Node *node, const char *name, double fallback);
const char *vgg_onnx_string(const Vgg__Onnx__Node *node, const char *name, const char *fallback);

/* Whether a list of numbers is `count` times `value`; `absent` for one that is not there. */
bool vgg_onnx_all(const Vgg__Onnx__Node *node, const char *name, size_t count, int64_t value,
                  bool absent);

/* Whether a list of numbers is a height and a width. */
bool vgg_onnx_pair(const Vgg__Onnx__Node *node, const char *name, size_t height, size_t width,
                   bool absent);

/* The numbers of a list, up to `most`; returns how many. */
size_t vgg_onnx_numbers(const Vgg__Onnx__Node *node, const char *name, int64_t *numbers,
                        size_t most);

/* Writes what a node says of itself, such as " with strides=2,2 pads=1,1,1,1"; returns buffer. */
#define VGG_ONNX_ATTRIBUTES 160
const char *vgg_onnx_attributes(char buffer[VGG_ONNX_ATTRIBUTES], const Vgg__Onnx__Node *node);

/* Fails with "FILE: node "NAME" (TYPE) <message>". */
vgg_status vgg_onnx_fail_node(const vgg_onnx *onnx, const Vgg__Onnx__Node *node, vgg_error *error,
                              const char *format, ...) __attribute__((format(printf, 4, 5)));

bool vgg_onnx_is_type(const Vgg__Onnx__Node *node, const char *type);

/* The node that gives the value of that name; NULL when none does. */
const Vgg__Onnx__Node *vgg_onnx_producer(const Vgg__Onnx__Graph *graph, const char *name);

/* The stored tensor that a name stands for: an initialiser, a Constant, or one of those behind
 * Identity or a Transpose of two dimensions. NULL when it is none. */
const Vgg__Onnx__Tensor *vgg_onnx_find_tensor(const vgg_onnx *onnx, const char *name,
                                              bool *transposed);

/* ---- layers ---- */

typedef enum vgg_onnx_pending {
    VGG_ONNX_NOTHING = 0,
    VGG_ONNX_CONVOLUTION,
    VGG_ONNX_LINEAR,
} vgg_onnx_pending;

/* The network as far as the nodes have been followed. */
typedef struct vgg_onnx_walk {
    vgg_onnx *onnx;
    vgg_sequence sequence;
    size_t inputs;            /* channels of the network's input; 0 when unknown */
    size_t height, width;     /* of what flows; 0 when unknown */
    size_t channels;          /* 0 before the first convolution */
    size_t features;          /* outputs of the last linear layer; 0 before the first one */
    vgg_onnx_pending pending; /* a layer whose bias may still come, as an Add */
    vgg_stored_tensor weight, bias;
    bool biased;
    vgg_edges edges;       /* of the convolution that is waited for */
    size_t border;         /* of zeros, by a Pad before it */
    vgg_onnx_pending last; /* the layer with weights before this node, if nothing but its bias
                            * stands between */
    bool channels_last;    /* what flows is (N, H, W, C), and not (N, C, H, W) */
    bool flat;             /* what flows are rows of features */
    bool rows_last;        /* ... which were flattened with their channels last */
    bool pooled;           /* a pool of all of the picture, or to 7x7, was passed */
    bool ended;            /* by a softmax or the like */
    size_t halves;         /* the clue of a pool that may be one of 2x2 as well, from 1; 0: none */
} vgg_onnx_walk;

/* ---- nodes without weights (onnx_pools.c) ---- */

vgg_status vgg_onnx_pool(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error);
vgg_status vgg_onnx_global_pool(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error);
vgg_status vgg_onnx_pad(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error);
/* Makes a linear layer of a 1x1 convolution whose outputs are averaged over the picture, which is
 * the same as averaging first; false when the network ends in something else. */
bool vgg_onnx_end_in_average(vgg_onnx_walk *walk);
/* Whole numbers of a stored tensor; returns how many, 0 for what is none. */
size_t vgg_onnx_stored_numbers(const vgg_onnx *onnx, const char *name, int64_t *numbers,
                               size_t most);

/* ---- the order of axes (onnx_axes.c) ---- */

/* Looks whether the input has its channels last, and how large it is. */
void vgg_onnx_begin_axes(vgg_onnx_walk *walk, const Vgg__Onnx__Node *const *chain, size_t count,
                         const Vgg__Onnx__Value *input);
vgg_status vgg_onnx_transpose(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error);
vgg_status vgg_onnx_reshape(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error);
/* A linear layer's weight (in, out), whose inputs are in the order (row, column, channel), as (out,
 * in) with them in the order (channel, row, column). */
vgg_status vgg_onnx_turn_rows(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node,
                              vgg_stored_tensor *weight, vgg_error *error);

/* Arithmetic with constants on the input (onnx_input.c). */
vgg_status vgg_onnx_prepare(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error);

/* A convolution without padding was passed. */
void vgg_onnx_shrink(vgg_onnx_walk *walk);

/* That a node which sees a picture may come now. */
vgg_status vgg_onnx_check_order(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error);

/* Goes on with the node that takes what the last one gave. */
vgg_status vgg_onnx_layer(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error);
/* Behind the last node. */
vgg_status vgg_onnx_layers_end(vgg_onnx_walk *walk, vgg_error *error);

/* ---- writing ---- */

vgg_status vgg_onnx_save(const vgg_saving *saving, vgg_error *error);

#endif
