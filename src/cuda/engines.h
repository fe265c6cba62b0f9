/* Which of cuDNN's engines runs a graph. */
#ifndef VGG_CUDA_ENGINES_H
#define VGG_CUDA_ENGINES_H

#include "cuda/cuda.h"

/* How cuDNN is asked for engines, in the order in which that is done. */
typedef enum vgg_cuda_manner {
    VGG_CUDA_RECOMMENDED, /* by what it knows of the device */
    VGG_CUDA_FALLBACK,    /* those that do anything, slowly */
    VGG_CUDA_MANNERS,
} vgg_cuda_manner;

typedef struct vgg_cuda_engine {
    cudnnBackendDescriptor_t plan; /* who asks destroys it */
    size_t workspace;              /* bytes that it needs */
    int64_t number;                /* its index in cuDNN */
} vgg_cuda_engine;

/* The first engine, in the order that cuDNN gives, that gives the same bits every time, multiplies
 * in the precision and needs at most that much memory. CUDNN_STATUS_NOT_SUPPORTED when there is
 * none. */
cudnnStatus_t vgg_cuda_choose_engine(const vgg_gpu *gpu, cudnnBackendDescriptor_t graph,
                                     vgg_gpu_precision precision, vgg_cuda_manner manner,
                                     size_t most, vgg_cuda_engine *engine);

#endif
