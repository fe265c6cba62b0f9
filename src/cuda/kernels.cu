// The kernels of our own: a thread for each unit of a body.
#include "cuda/bodies_all.h"
#include "cuda/cuda.h"

namespace {

const unsigned BLOCK = 256;
const size_t MOST_BLOCKS = 1u << 30;

#define KERNEL(kernel, task)                                                                       \
    __global__ void run_##kernel(const vgg_gpu_##task##_task given, size_t units) {                \
        size_t step = (size_t)gridDim.x * blockDim.x;                                              \
        for (size_t unit = (size_t)blockIdx.x * blockDim.x + threadIdx.x; unit < units;            \
             unit += step) {                                                                       \
            vgg_body_##kernel(&given, unit);                                                       \
        }                                                                                          \
    }
VGG_GPU_KERNELS(KERNEL)

} // namespace

#define LAUNCH(kernel, task)                                                                       \
    case vgg_gpu_kernel_##kernel:                                                                  \
        run_##kernel<<<(unsigned)blocks, BLOCK, 0, stream>>>(                                      \
            *static_cast<const vgg_gpu_##task##_task *>(given), units);                            \
        break;

cudaError_t vgg_cuda_launch(cudaStream_t stream, vgg_gpu_kernel kernel, const void *given,
                            size_t units) {
    size_t blocks = (units + BLOCK - 1) / BLOCK;
    blocks = blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS;
    switch (kernel) {
        VGG_GPU_KERNELS(LAUNCH)
    case vgg_gpu_kernel_count:
        return cudaErrorInvalidValue;
    }
    return cudaGetLastError();
}

cudaError_t vgg_cuda_find_kernels(void) {
    struct cudaFuncAttributes about;
    cudaError_t error = cudaFuncGetAttributes(&about, run_relu);
    cudaGetLastError();
    return error;
}
