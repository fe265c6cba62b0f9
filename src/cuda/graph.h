/* A graph of cuDNN's operations with the plan that runs it. */
#ifndef VGG_CUDA_GRAPH_H
#define VGG_CUDA_GRAPH_H

#include "cuda/engines.h"

#define VGG_CUDA_GRAPH_TENSORS 8
#define VGG_CUDA_GRAPH_OPERATIONS 3
#define VGG_CUDA_GRAPH_PARTS 24
#define VGG_CUDA_GRAPH_MEMORY 4

typedef struct vgg_cuda_graph {
    cudnnBackendDescriptor_t parts[VGG_CUDA_GRAPH_PARTS]; /* all that is to be freed */
    size_t part_count;
    cudnnBackendDescriptor_t tensors[VGG_CUDA_GRAPH_TENSORS]; /* by id */
    cudnnBackendDescriptor_t operations[VGG_CUDA_GRAPH_OPERATIONS];
    size_t operation_count;
    vgg_cuda_engine engine;
    /* What the last run was given, made into what cuDNN wants. */
    cudnnBackendDescriptor_t pack;
    void *memory[VGG_CUDA_GRAPH_MEMORY + 1];
} vgg_cuda_graph;

/* (N, C, H, W) with the channels innermost in memory; or filters (K, C, R, S) likewise. */
typedef struct vgg_cuda_tensor {
    int64_t id; /* 1 and more */
    cudnnDataType_t type;
    int64_t extents[4];
    bool virtual; /* never in memory */
} vgg_cuda_tensor;

vgg_gpu_result vgg_cuda_graph_tensor(vgg_gpu *gpu, vgg_cuda_graph *graph,
                                     const vgg_cuda_tensor *tensor);
/* A pass of a convolution with steps of 1; x, w and y are ids. */
vgg_gpu_result vgg_cuda_graph_convolution(vgg_gpu *gpu, vgg_cuda_graph *graph, vgg_gpu_pass pass,
                                          int64_t padding, int64_t x, int64_t w, int64_t y);
/* y = mode(x, other); other is 0 for a mode of one operand. */
vgg_gpu_result vgg_cuda_graph_pointwise(vgg_gpu *gpu, vgg_cuda_graph *graph,
                                        cudnnPointwiseMode_t mode, int64_t x, int64_t other,
                                        int64_t y);
/* The first engine of that manner that gives the same bits every time, in the precision and that
 * much memory; VGG_GPU_FAILED when there is none. */
vgg_gpu_result vgg_cuda_graph_plan(vgg_gpu *gpu, vgg_cuda_graph *graph, vgg_gpu_precision precision,
                                   vgg_cuda_manner manner, size_t workspace);
/* The memory of `count` tensors with these ids. */
vgg_gpu_result vgg_cuda_graph_run(vgg_gpu *gpu, vgg_cuda_graph *graph, size_t count,
                                  const int64_t *ids, void *const *memory, void *workspace);
/* Frees what is in it; it is empty then. */
void vgg_cuda_graph_free(vgg_cuda_graph *graph);

#endif
