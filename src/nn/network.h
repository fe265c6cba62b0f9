/* The network as the library itself sees it. */
#ifndef VGG_NN_NETWORK_H
#define VGG_NN_NETWORK_H

#include "base/elements.h"
#include "vgg/network.h"

/* Channels and spatial size of what flows between layers; after flattening (features, 1, 1). */
typedef struct vgg_extent {
    size_t channels, height, width;
} vgg_extent;

typedef struct vgg_layer {
    vgg_layer_type type;
    char name[VGG_LAYER_NAME];
    size_t kernel;            /* 3 or 1: convolution */
    vgg_extent input, output; /* of one image, at the network's own input size */
    bool flattens;            /* the layer sees its input as one row of features per image */
    double dropout;
    size_t first_tensor, tensors;
    bool frozen; /* not trained */
} vgg_layer;

/* The numbers of a tensor lie in memory of its own or of somebody else, as floats or, for weights
 * that a plan widens on the way, in 16 bits. */
typedef struct vgg_tensor {
    vgg_tensor_info info;
    const float *values; /* NULL while there are none, and for 16 bits */
    const void *halves;  /* NULL, or the numbers in 16 bits */
    vgg_element element; /* of the halves: float16 or bfloat16 */
    void *owned;         /* NULL, or the memory that values or halves are in */
} vgg_tensor;

/* Where a tensor's numbers are, whichever they are, and what they are. */
typedef struct vgg_numbers {
    const void *at; /* NULL while there are none */
    vgg_element element;
} vgg_numbers;

static inline vgg_numbers vgg_tensor_numbers(const vgg_tensor *tensor) {
    if (tensor->halves != NULL)
        return (vgg_numbers){tensor->halves, tensor->element};
    return (vgg_numbers){tensor->values, VGG_ELEMENT_FLOAT32};
}

struct vgg_network {
    vgg_network_options options; /* its arch string is the network's own copy */
    vgg_layer *layers;
    size_t layer_count;
    vgg_tensor *tensors;
    size_t tensor_count;
    unsigned long version; /* counts changes of values: plans look at it to repack weights */
};

/* Order of the tensors of a layer: convolution and linear have two, batch normalisation four. */
enum { VGG_TENSOR_WEIGHT = 0, VGG_TENSOR_BIAS = 1, VGG_TENSOR_MEAN = 2, VGG_TENSOR_VARIANCE = 3 };

/* The values for writing, as floats; takes the memory (cleared, or copied from what was borrowed or
 * stored in 16 bits) when there is none yet. NULL when memory ran out. The caller counts
 * network->version up after writing. */
float *vgg_network_own(vgg_network *network, size_t tensor);

/* Uses values that live elsewhere, such as in a mapped file, which must outlive the network. They
 * must be aligned to 4 bytes. */
void vgg_network_borrow(vgg_network *network, size_t tensor, const float *values);

/* The same of numbers of 16 bits, aligned to 2 bytes, for weights only. */
void vgg_network_borrow_halves(vgg_network *network, size_t tensor, vgg_element element,
                               const void *halves);

/* Extents of every layer's output for another input size: extents[0] is the input, extents[i + 1]
 * the output of layer i. Fails when a pool has nothing left to pool or a linear layer would see
 * another number of features than it was built for. */
vgg_status vgg_network_extents(const vgg_network *network, size_t height, size_t width,
                               vgg_extent *extents, vgg_error *error);

#endif
