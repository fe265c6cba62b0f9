/* Weights that are not stored themselves, but as what they are made of: those of
 * torch.nn.utils.prune (weight_orig and weight_mask), weight_norm (weight_g and weight_v, since
 * PyTorch 2 parametrizations.weight.original0 and 1) and spectral_norm (weight_orig, weight_u and
 * weight_v). */
#ifndef VGG_FORMATS_DERIVED_H
#define VGG_FORMATS_DERIVED_H

#include "formats/format.h"

/* Puts the weight in the place of its parts, under its own name, as float32, and remarks it. The
 * list is left with the tensors that remain. */
vgg_status vgg_derive_weights(vgg_tensor_source *source, vgg_error *error);

#endif
