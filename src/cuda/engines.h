/* Which of cuDNN's engines runs a graph. */
#ifndef VGG_CUDA_ENGINES_H
#define VGG_CUDA_ENGINES_H

#include "cuda/cuda.h"

/* The plan of the first engine, in the order that cuDNN recommends, that gives the same bits every
 * time, multiplies in the precision and needs at most that much memory; *needed: how much it needs.
 * CUDNN_STATUS_NOT_SUPPORTED when there is none. The caller destroys the plan. */
cudnnStatus_t vgg_cuda_choose_engine(const vgg_gpu *gpu, cudnnBackendDescriptor_t graph,
                                     vgg_gpu_precision precision, size_t most,
                                     cudnnBackendDescriptor_t *plan, size_t *needed);

#endif
