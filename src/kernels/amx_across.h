/* The convolution by AMX across images. */
#ifndef VGG_KERNELS_AMX_ACROSS_H
#define VGG_KERNELS_AMX_ACROSS_H

#include "kernels/convolution.h"

/* Pixels of an output map at most whose images are multiplied across. */
#define VGG_ACROSS_PIXELS 64

/* A unit of a convolution that is cut so. */
void vgg_across_unit(const vgg_winograd_task *task, size_t index, float *scratch);

#endif
