/* The bodies of all kernels. */
#ifndef VGG_CUDA_BODIES_ALL_H
#define VGG_CUDA_BODIES_ALL_H

#include "cuda/bodies_layout.h"
#include "cuda/bodies_learn.h"
#include "cuda/bodies_norm.h"
#include "cuda/bodies_pool.h"
#include "cuda/bodies_values.h"

#endif
