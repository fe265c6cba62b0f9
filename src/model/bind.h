/* Giving a network the values of stored tensors. */
#ifndef VGG_MODEL_BIND_H
#define VGG_MODEL_BIND_H

#include "model/names.h"
#include "nn/network.h"

/* Whether a stored tensor has the shape. A linear layer may be stored as a convolution that sees
 * all of its input: the values are in the same order. */
bool vgg_bind_fits(const vgg_tensor_info *info, const vgg_stored_tensor *stored);

/* Whether the tensor of the network has the stored type: a weight's or, where the file says that
 * its int8 is ours, int8 for the weights of a linear layer, which then need a scale. */
bool vgg_bind_takes_type(const vgg_tensor_info *info, const vgg_stored_tensor *stored, bool int8);

/* What the scale of weights is called, "classifier.0.weight_scale", and its shape. */
vgg_tensor_info vgg_bind_scale_info(const vgg_tensor_info *weight);

/* Finds the scale of weights in the list, marks it as used and gives it to the weights; NULL when
 * there is none. */
const vgg_stored_tensor *vgg_bind_scale(const vgg_tensor_info *info, vgg_named_tensors *names,
                                        vgg_named_tensor *weight);

/* True for num_batches_tracked, which no network here needs. */
bool vgg_bind_passes_over(const char *name);

/* What of a file is in int8 as it is written here: weights of linear layers, convolutions. */
typedef struct vgg_bind_int8 {
    bool linear, convolutions;
} vgg_bind_int8;

/* Every tensor of the network gets the stored one with its name and shape; float32 values, and
 * weights of 16 or 8 bits, that are aligned are borrowed from the source's storage, others are
 * converted into memory of the network, and what was read of a mapped file for it is given back.
 * told: what the file says of int8. Stored tensors that the network does
 * not have are an error, except for num_batches_tracked. */
vgg_status vgg_bind_tensors(vgg_network *network, vgg_named_tensors *names,
                            const vgg_tensor_source *source, vgg_bind_int8 told, vgg_error *error);

#endif
