/* Scales of convolutions for int8 as tensors of a file. */
#ifndef VGG_MODEL_INT8_SCALES_H
#define VGG_MODEL_INT8_SCALES_H

#include "formats/format.h"
#include "model/bind.h"

/* The name of the first layer that is in int8; NULL when none is. */
const char *vgg_int8_scales_first(const vgg_network *network);

/* Adds the scales of all layers, three tensors for each, to a source with room for them. */
vgg_status vgg_int8_scales_add(const vgg_network *network, vgg_tensor_source *source,
                               vgg_error *error);

/* Marks them as used, where the file says that there are such. */
void vgg_int8_scales_mark(const vgg_network *network, vgg_named_tensors *names, vgg_bind_int8 told);

/* Gives them to the network; what is damaged or missing is an error that names it. */
vgg_status vgg_int8_scales_take(vgg_network *network, const vgg_named_tensors *names,
                                const char *path, vgg_bind_int8 told, vgg_error *error);

#endif
