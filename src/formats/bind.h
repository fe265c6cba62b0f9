/* Giving a network the values of stored tensors. */
#ifndef VGG_FORMATS_BIND_H
#define VGG_FORMATS_BIND_H

#include "formats/names.h"
#include "nn/network.h"

/* Whether a stored tensor has the shape. A linear layer may be stored as a convolution that sees
 * all of its input: the values are in the same order. */
bool vgg_bind_fits(const vgg_tensor_info *info, const vgg_stored_tensor *stored);

/* True for num_batches_tracked, which no network here needs. */
bool vgg_bind_passes_over(const char *name);

/* Every tensor of the network gets the stored one with its name and shape; float32 values, and
 * weights of 16 bits, that are aligned are borrowed from the source's storage, others are converted
 * into memory of the network, and what was read of a mapped file for it is given back.
 * Stored tensors that the network does not have are an error, except for num_batches_tracked. */
vgg_status vgg_bind_tensors(vgg_network *network, vgg_named_tensors *names,
                            const vgg_tensor_source *source, vgg_error *error);

#endif
