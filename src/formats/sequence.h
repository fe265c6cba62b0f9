/* A network that a file describes layer by layer, in the order in which data flows: what formats
 * with names of their own (Keras, Caffe, Darknet, ONNX) are brought to torchvision's names with.
 *
 * torchvision's features are one Sequential: a convolution and its ReLU take two indices, with
 * batch normalisation between them three, a max-pool and an LRN one each. The linear layers are
 * classifier.0, .3, .6 and so on. */
#ifndef VGG_FORMATS_SEQUENCE_H
#define VGG_FORMATS_SEQUENCE_H

#include "formats/format.h"

typedef struct vgg_sequence {
    vgg_tensor_source *source; /* the tensors are appended to its list */
    size_t capacity;           /* of that list */
    size_t feature;            /* index of the next layer in `features` */
    size_t convolution;        /* index of the last convolution */
    size_t linears;
} vgg_sequence;

/* Begins with an empty list of tensors. */
vgg_sequence vgg_sequence_begin(vgg_tensor_source *source);

/* Each appends tensors, whose `name`, the file's or NULL, stays the caller's and is kept as
 * `stored_as`; other members are taken as they are. Weights are already in PyTorch's layout. */
vgg_status vgg_sequence_convolution(vgg_sequence *sequence, const vgg_stored_tensor *weight,
                                    const vgg_stored_tensor *bias, vgg_error *error);
/* Behind the last convolution: weight (gamma), bias (beta), running mean and variance. */
vgg_status vgg_sequence_batch_norm(vgg_sequence *sequence, const vgg_stored_tensor figures[4],
                                   vgg_error *error);
void vgg_sequence_pool(vgg_sequence *sequence);
void vgg_sequence_lrn(vgg_sequence *sequence);
vgg_status vgg_sequence_linear(vgg_sequence *sequence, const vgg_stored_tensor *weight,
                               const vgg_stored_tensor *bias, vgg_error *error);

#endif
