/* The network as the library itself sees it. */
#ifndef VGG_NN_NETWORK_H
#define VGG_NN_NETWORK_H

#include "base/elements.h"
#include "nn/int8.h"
#include "nn/structure.h"
#include "vgg/network.h"

/* Channels and spatial size of what flows between layers; after flattening (features, 1, 1). */
typedef struct vgg_extent {
    size_t channels, height, width;
} vgg_extent;

typedef struct vgg_layer {
    vgg_layer_type type;
    char name[VGG_LAYER_NAME];
    char paper_name[VGG_LAYER_NAME]; /* empty: none */
    size_t kernel;                   /* 3 or 1: convolution */
    bool valid;                      /* convolution: without padding */
    vgg_extent input, output;        /* of one image, at the network's own input size */
    bool flattens;                   /* the layer sees its input as one row of features per image */
    double dropout;
    size_t first_tensor, tensors;
    bool frozen;    /* not trained */
    vgg_int8 *int8; /* convolution: how it is done in int8; NULL: in float32. Owned */
} vgg_layer;

/* Whether the layer is a pool of 2x2. */
static inline bool vgg_layer_halves(const vgg_layer *layer) {
    return layer->type == VGG_LAYER_MAX_POOL || layer->type == VGG_LAYER_AVERAGE_POOL_2X2;
}

/* Where a tensor's numbers are, and what they are. */
typedef struct vgg_numbers {
    const void *at; /* NULL while there are none */
    vgg_element element;
    const float *scales; /* of int8: (shape[0]), what the numbers of a row are times; else NULL */
} vgg_numbers;

/* The numbers of a tensor lie in memory of its own or of somebody else, as floats or, for weights
 * that a plan widens on the way, in 16 or 8 bits. */
typedef struct vgg_tensor {
    vgg_tensor_info info;
    const float *values; /* NULL while there are none, and for narrow numbers */
    vgg_numbers narrow;  /* float16, bfloat16 or int8; narrow.at is NULL for floats */
    void *owned;         /* NULL, or the memory that numbers or scales are in */
} vgg_tensor;

static inline vgg_numbers vgg_tensor_numbers(const vgg_tensor *tensor) {
    if (tensor->narrow.at != NULL)
        return tensor->narrow;
    return (vgg_numbers){tensor->values, VGG_ELEMENT_FLOAT32, NULL};
}

/* The numbers of a tensor as floats, zero where it has none. */
void vgg_tensor_widen(const vgg_tensor *tensor, float *values);

struct vgg_network {
    vgg_network_options options; /* its arch string is the network's own copy */
    vgg_layer *layers;
    size_t layer_count;
    vgg_tensor *tensors;
    size_t tensor_count;
    bool headless; /* its last two layers stand for a classifier that the file has not: no plan may
                    * run them */
    /* Plans make what follows from values anew when these have changed: counts of changes, of any
     * value, and of running statistics by training alone. */
    unsigned long version, statistics;
    struct vgg_plan *kept; /* the plan whose device trains a copy of the values, or NULL */
    bool ahead;            /* that copy is newer: vgg_network_settle */
    bool lost;             /* it was, and could not be fetched before it went */
};

/* Gives the layers their names by the paper's counting. */
void vgg_network_name_layers(vgg_network *network);

/* Order of the tensors of a layer: convolution and linear have two, batch normalisation four. */
enum { VGG_TENSOR_WEIGHT = 0, VGG_TENSOR_BIAS = 1, VGG_TENSOR_MEAN = 2, VGG_TENSOR_VARIANCE = 3 };

/* A network with the layers of a structure, for an input of that size; it is described by the words
 * that vgg_structure_write gives. VGG_ERROR_ARGUMENT when the structure is out of order. */
vgg_status vgg_network_create_from(const vgg_structure *structure, size_t channels, size_t height,
                                   size_t width, vgg_network **network, vgg_error *error);
/* The same for maps of any number of channels. */
vgg_status vgg_network_create_inner(const vgg_structure *structure, size_t channels, size_t height,
                                    size_t width, vgg_network **network, vgg_error *error);

/* network_part.c: adds layers `first` to `last` to a structure; false when memory ran out. */
bool vgg_network_copy_layers(const vgg_network *from, size_t first, size_t last,
                             vgg_structure *structure);
/* Layers `first` to `last` of another, which see maps, with copies of their values: a network
 * without a classifier whose input is what layer `first` sees, of that size. */
vgg_status vgg_network_create_part(const vgg_network *from, size_t first, size_t last,
                                   size_t height, size_t width, vgg_network **part,
                                   vgg_error *error);

/* The values for writing, as floats; takes the memory (cleared, or copied from what was borrowed or
 * stored in fewer bits) when there is none yet. NULL when memory ran out, or when a device failed
 * that has newer values. The caller counts network->version up after writing. */
float *vgg_network_own(vgg_network *network, size_t tensor);

/* settle.c: makes the values those of the device that has trained them, where one has since. */
vgg_status vgg_network_settle(const vgg_network *network, vgg_error *error);

/* Copies the values of a tensor of another network, which has as many, as floats; counts the
 * version up. */
vgg_status vgg_network_take_values(vgg_network *network, size_t tensor, const vgg_network *from,
                                   size_t from_tensor, vgg_error *error);

/* Uses values that live elsewhere, such as in a mapped file, which must outlive the network. They
 * must be aligned to 4 bytes. */
void vgg_network_borrow(vgg_network *network, size_t tensor, const float *values);

/* The same of weights of 16 or 8 bits, aligned to their size. */
void vgg_network_borrow_narrow(vgg_network *network, size_t tensor, vgg_numbers numbers);

/* Extents of the output of the first `layers` layers for another input size: extents[0] is the
 * input, extents[i + 1] the output of layer i. Fails when a pool has nothing left to pool or a
 * linear layer would see another number of features than it was built for. dense: linear layers see
 * windows of the size that they were built for, so that the extents are those of one place of the
 * window; fails when the map is smaller than it, and when an average pool would change the map. */
vgg_status vgg_network_extents(const vgg_network *network, size_t layers, size_t height,
                               size_t width, bool dense, vgg_extent *extents, vgg_error *error);

/* The extent that flows into a layer at the network's own input, before any flattening. */
vgg_extent vgg_network_map_at(const vgg_network *network, size_t layer);

#endif
