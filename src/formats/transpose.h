/* Weights of programs that keep outputs last. */
#ifndef VGG_FORMATS_TRANSPOSE_H
#define VGG_FORMATS_TRANSPOSE_H

#include "formats/format.h"

/* A kernel with channels last. */
typedef struct vgg_kernel_sizes {
    size_t positions, channels, outputs; /* from the slowest to the fastest; a matrix of inputs and
                                          * outputs has one position */
    size_t item;                         /* bytes of a value: 2, 4 or 8 */
} vgg_kernel_sizes;

/* Copies values at `from`, (positions, channels, outputs), into memory of the source as (outputs,
 * channels, positions). What was read of a mapped file does not stay in memory. */
vgg_status vgg_transpose(vgg_tensor_source *source, const vgg_kernel_sizes *sizes,
                         const unsigned char *from, const unsigned char **to, vgg_error *error);

#endif
