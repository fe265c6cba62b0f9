/* A network that a file describes layer by layer, in the order in which data flows: what formats
 * that hold a graph (Keras, Caffe, Darknet, ONNX) leave in a source. Each layer becomes a clue of
 * its evidence, and its tensors are appended to its list in the same order. */
#ifndef VGG_FORMATS_SEQUENCE_H
#define VGG_FORMATS_SEQUENCE_H

#include "formats/format.h"

typedef struct vgg_sequence {
    vgg_tensor_source *source;
    size_t capacity;            /* of the source's list of tensors */
    size_t feature, classifier; /* the number of the next layer in torchvision's two Sequentials */
    size_t channels;            /* of the last convolution; 0 before the first */
    size_t features;            /* of the last linear layer; 0 before the first */
} vgg_sequence;

/* Begins with an empty list of tensors and without evidence. */
vgg_sequence vgg_sequence_begin(vgg_tensor_source *source);

/* What a file says of the edges of a convolution. */
typedef enum vgg_edges { VGG_EDGES_UNKNOWN = 0, VGG_EDGES_SAME, VGG_EDGES_VALID } vgg_edges;

/* Those with tensors append them; their `name`, the file's or NULL, stays the caller's and is kept
 * as `stored_as`; other members are taken as they are. Weights are already in PyTorch's layout. */
vgg_status vgg_sequence_convolution(vgg_sequence *sequence, const vgg_stored_tensor *weight,
                                    const vgg_stored_tensor *bias, vgg_edges edges,
                                    vgg_error *error);
/* Weight (gamma), bias (beta), running mean and variance. */
vgg_status vgg_sequence_batch_norm(vgg_sequence *sequence, const vgg_stored_tensor figures[4],
                                   vgg_error *error);
vgg_status vgg_sequence_linear(vgg_sequence *sequence, const vgg_stored_tensor *weight,
                               const vgg_stored_tensor *bias, vgg_error *error);
/* A layer without tensors. */
void vgg_sequence_layer(vgg_sequence *sequence, vgg_layer_type type);
void vgg_sequence_dropout(vgg_sequence *sequence, double probability);
void vgg_sequence_flatten(vgg_sequence *sequence);

/* VGG_ERROR_MEMORY when memory ran out for a clue. */
vgg_status vgg_sequence_end(const vgg_sequence *sequence, vgg_error *error);

#endif
