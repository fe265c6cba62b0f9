/* A device opened through CUDA. */
#ifndef VGG_CUDA_CUDA_H
#define VGG_CUDA_CUDA_H

#include <cublasLt.h>
#include <cuda_runtime.h>
#include <cudnn.h>

#include "nn/gpu/calls.h"

struct vgg_gpu {
    int device;                 /* CUDA's number of it */
    cudaStream_t stream, sends; /* the queue, and what is sent beside it */
    cudnnHandle_t dnn;
    cudnnBackendDescriptor_t properties; /* in tests, of a device that is not there: dnn is NULL */
    cublasLtHandle_t lt;
    char name[256], said[160];
};

/* Pointers of work spaces are rounded up to so many bytes, and the spaces are larger by them. */
#define VGG_CUDA_ALIGNMENT 256

static inline void *vgg_cuda_aligned(void *memory) {
    uintptr_t address = (uintptr_t)memory + (VGG_CUDA_ALIGNMENT - 1);
    return (void *)(address / VGG_CUDA_ALIGNMENT * VGG_CUDA_ALIGNMENT);
}

/* ---- result.c ---- */

/* What became of a call of each library, noting why it failed; `what` is the call in words. */
vgg_gpu_result vgg_cuda_result(vgg_gpu *gpu, cudaError_t error, const char *what);
vgg_gpu_result vgg_cuda_dnn_result(vgg_gpu *gpu, cudnnStatus_t status, const char *what);
/* Of the host or of the device. */
bool vgg_cuda_dnn_lacks_memory(cudnnStatus_t status);
vgg_gpu_result vgg_cuda_lt_result(vgg_gpu *gpu, cublasStatus_t status, const char *what);
/* What is wrong with a driver that CUDA refuses: its version and CUDA's own, as CUDA counts them, 0
 * for none. */
void vgg_cuda_describe_driver(int driver, int runtime, char *said, size_t size);

/* ---- convolution.c ---- */

vgg_gpu_result vgg_cuda_conv_make(vgg_gpu *gpu, const vgg_gpu_conv_shape *shape,
                                  vgg_gpu_conv **conv, vgg_gpu_conv_needs *needs);
vgg_gpu_result vgg_cuda_conv_run(vgg_gpu *gpu, vgg_gpu_conv *conv, const vgg_gpu_conv_task *task);
void vgg_cuda_conv_free(vgg_gpu *gpu, vgg_gpu_conv *conv);

/* ---- product.c ---- */

vgg_gpu_result vgg_cuda_product_make(vgg_gpu *gpu, const vgg_gpu_product_shape *shape,
                                     vgg_gpu_product **product, size_t *workspace);
vgg_gpu_result vgg_cuda_product_run(vgg_gpu *gpu, vgg_gpu_product *product,
                                    const vgg_gpu_product_task *task);
void vgg_cuda_product_free(vgg_gpu *gpu, vgg_gpu_product *product);

/* ---- kernels.cu ---- */

#ifdef __cplusplus
extern "C"
#endif
    cudaError_t
    vgg_cuda_launch(cudaStream_t stream, vgg_gpu_kernel kernel, const void *task, size_t units);

/* An error where the current device cannot run the kernels that are here. */
#ifdef __cplusplus
extern "C"
#endif
    cudaError_t
    vgg_cuda_find_kernels(void);

#endif
