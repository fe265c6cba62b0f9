/* What became of a call of each library. */
#include <stdio.h>

#include "cuda/cuda.h"

vgg_gpu_result vgg_cuda_result(vgg_gpu *gpu, cudaError_t error, const char *what) {
    if (error == cudaSuccess)
        return VGG_GPU_OK;
    cudaGetLastError(); /* told here, and not again by the next call */
    snprintf(gpu->said, sizeof gpu->said, "%s: %s", what, cudaGetErrorString(error));
    return error == cudaErrorMemoryAllocation ? VGG_GPU_NO_MEMORY : VGG_GPU_FAILED;
}

bool vgg_cuda_dnn_lacks_memory(cudnnStatus_t status) {
    return status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
           status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
}

vgg_gpu_result vgg_cuda_dnn_result(vgg_gpu *gpu, cudnnStatus_t status, const char *what) {
    if (status == CUDNN_STATUS_SUCCESS)
        return VGG_GPU_OK;
    snprintf(gpu->said, sizeof gpu->said, "%s: %s", what, cudnnGetErrorString(status));
    return vgg_cuda_dnn_lacks_memory(status) ? VGG_GPU_NO_MEMORY : VGG_GPU_FAILED;
}

vgg_gpu_result vgg_cuda_lt_result(vgg_gpu *gpu, cublasStatus_t status, const char *what) {
    if (status == CUBLAS_STATUS_SUCCESS)
        return VGG_GPU_OK;
    snprintf(gpu->said, sizeof gpu->said, "%s: %s", what, cublasLtGetStatusString(status));
    return status == CUBLAS_STATUS_ALLOC_FAILED ? VGG_GPU_NO_MEMORY : VGG_GPU_FAILED;
}

void vgg_cuda_describe_driver(int driver, int runtime, char *said, size_t size) {
    if (driver == 0)
        snprintf(said, size, "no NVIDIA driver is installed");
    else
        snprintf(said, size, "the NVIDIA driver is for CUDA %d.%d, expected one for %d.%d or newer",
                 driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}
