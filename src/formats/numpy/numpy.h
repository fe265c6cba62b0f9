/* What the sources of NumPy's formats share. */
#ifndef VGG_FORMATS_NUMPY_NUMPY_H
#define VGG_FORMATS_NUMPY_NUMPY_H

#include "formats/array_tensor.h"

/* What the header of an .npy file says. */
typedef struct vgg_npy {
    char type[24]; /* NumPy's: "<f4", "<U12"; "" for one that is no single type */
    bool columns;  /* the first index runs fastest: Fortran's order */
    size_t dimensions, shape[VGG_STORED_DIMENSIONS];
    size_t count;
    const unsigned char *bytes; /* the values, `length` bytes of them */
    size_t length;
} vgg_npy;

/* `name` is for messages. */
vgg_status vgg_npy_open(const char *name, const unsigned char *bytes, size_t size, vgg_npy *npy,
                        vgg_error *error);

/* Takes the header of an .npy file apart. An array of objects has no type, and its bytes are a
 * pickle. `name` is for messages. */
vgg_status vgg_npy_read(const char *name, const unsigned char *bytes, size_t size,
                        vgg_pickle_array *array, vgg_error *error);

/* Brings the tensors into the order of their names, weights with outputs last into PyTorch's
 * layout, and the names conv1_1 and fc6 to torchvision's. */
vgg_status vgg_numpy_arrange(vgg_tensor_source *source, vgg_error *error);

#endif
