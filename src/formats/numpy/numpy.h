/* What the sources of NumPy's formats share. */
#ifndef VGG_FORMATS_NUMPY_NUMPY_H
#define VGG_FORMATS_NUMPY_NUMPY_H

#include "formats/array_tensor.h"

/* Takes the header of an .npy file apart. An array of objects has no type, and its bytes are a
 * pickle. `name` is for messages. */
vgg_status vgg_npy_read(const char *name, const unsigned char *bytes, size_t size,
                        vgg_pickle_array *array, vgg_error *error);

/* Adds the tensor of that name, which is copied. */
vgg_status vgg_numpy_add(vgg_tensor_source *source, const char *name, const vgg_pickle_array *array,
                         vgg_error *error);

/* Brings the tensors into the order of their names, weights with outputs last into PyTorch's
 * layout, and the names conv1_1 and fc6 to torchvision's. */
vgg_status vgg_numpy_arrange(vgg_tensor_source *source, vgg_error *error);

#endif
