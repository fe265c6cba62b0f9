/* Arrays of NumPy as tensors. */
#ifndef VGG_FORMATS_ARRAY_TENSOR_H
#define VGG_FORMATS_ARRAY_TENSOR_H

#include "formats/containers/pickle_array.h"
#include "formats/format.h"

/* Gives the tensor, which has its name, the type, shape and values of an array of numbers. Values
 * are used where they lie, unless they are written as letters or in Fortran's order: these are
 * copied into the source's memory. */
vgg_status vgg_array_take(vgg_tensor_source *source, const vgg_pickle_array *array,
                          vgg_stored_tensor *tensor, vgg_error *error);

#endif
