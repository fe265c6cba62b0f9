/* Products of matrices by cuBLASLt. Its matrices lie in columns, ours in rows, so that it computes
 * the product of what it takes for the transposes, in the other order. */
#include <stdio.h>
#include <stdlib.h>

#include "cuda/cuda.h"

/* What it may use beside the operands; NVIDIA recommends 32 MiB for Hopper. */
#define MOST_WORKSPACE ((size_t)32 << 20)
/* Of the addresses of all operands. */
#define OPERAND_ALIGNMENT 16

struct vgg_gpu_product {
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulAlgo_t algorithm;
    size_t workspace;
};

static cudaDataType_t type_of(vgg_gpu_precision precision) {
    if (precision == VGG_GPU_BF16)
        return CUDA_R_16BF;
    return precision == VGG_GPU_F16 ? CUDA_R_16F : CUDA_R_32F;
}

static cublasStatus_t describe(vgg_gpu_product *product, const vgg_gpu_product_shape *s) {
    cublasComputeType_t compute =
        s->precision == VGG_GPU_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    cudaDataType_t type = type_of(s->precision);
    /* Its first operand is our second. */
    cublasOperation_t first = s->turned_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasOperation_t second = s->turned_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasStatus_t status = cublasLtMatmulDescCreate(&product->operation, compute, CUDA_R_32F);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatmulDescSetAttribute(product->operation, CUBLASLT_MATMUL_DESC_TRANSA,
                                                &first, sizeof first);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatmulDescSetAttribute(product->operation, CUBLASLT_MATMUL_DESC_TRANSB,
                                                &second, sizeof second);
    if (status == CUBLAS_STATUS_SUCCESS)
        status =
            cublasLtMatrixLayoutCreate(&product->b, type, s->turned_b ? s->depth : s->columns,
                                       s->turned_b ? s->columns : s->depth, (int64_t)s->b_stride);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatrixLayoutCreate(&product->a, type, s->turned_a ? s->rows : s->depth,
                                            s->turned_a ? s->depth : s->rows, (int64_t)s->a_stride);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatrixLayoutCreate(&product->c, s->wide ? CUDA_R_32F : type, s->columns,
                                            s->rows, (int64_t)s->c_stride);
    return status;
}

/* Only ways that give the same bits every time: parts of a sum are added in order, in float32. */
static cublasStatus_t prefer(cublasLtMatmulPreference_t preference) {
    const size_t workspace = MOST_WORKSPACE;
    const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const uint32_t alignment = OPERAND_ALIGNMENT;
    static const cublasLtMatmulPreferenceAttributes_t aligned[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    cublasStatus_t status = cublasLtMatmulPreferenceSetAttribute(
        preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = cublasLtMatmulPreferenceSetAttribute(
            preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions, sizeof reductions);
    for (size_t i = 0; i < sizeof aligned / sizeof *aligned; i++) {
        if (status == CUBLAS_STATUS_SUCCESS)
            status = cublasLtMatmulPreferenceSetAttribute(preference, aligned[i], &alignment,
                                                          sizeof alignment);
    }
    return status;
}

static cublasStatus_t choose(vgg_gpu *gpu, vgg_gpu_product *product) {
    cublasLtMatmulPreference_t preference = NULL;
    cublasLtMatmulHeuristicResult_t found = {0};
    int count = 0;
    cublasStatus_t status = cublasLtMatmulPreferenceCreate(&preference);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = prefer(preference);
    if (status == CUBLAS_STATUS_SUCCESS)
        status =
            cublasLtMatmulAlgoGetHeuristic(gpu->lt, product->operation, product->b, product->a,
                                           product->c, product->c, preference, 1, &found, &count);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = count == 0 ? CUBLAS_STATUS_NOT_SUPPORTED : found.state;
    product->algorithm = found.algo;
    product->workspace = found.workspaceSize;
    if (preference != NULL)
        cublasLtMatmulPreferenceDestroy(preference);
    return status;
}

vgg_gpu_result vgg_cuda_product_make(vgg_gpu *gpu, const vgg_gpu_product_shape *shape,
                                     vgg_gpu_product **out, size_t *workspace) {
    vgg_gpu_product *product = calloc(1, sizeof *product);
    if (product == NULL)
        return VGG_GPU_NO_MEMORY;
    cublasStatus_t status = describe(product, shape);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = choose(gpu, product);
    if (status != CUBLAS_STATUS_SUCCESS) {
        char what[96];
        snprintf(what, sizeof what, "a product of %zux%zu by %zux%zu", shape->rows, shape->depth,
                 shape->depth, shape->columns);
        vgg_cuda_product_free(gpu, product);
        return vgg_cuda_lt_result(gpu, status, what);
    }
    *out = product;
    *workspace = product->workspace + VGG_CUDA_ALIGNMENT;
    return VGG_GPU_OK;
}

vgg_gpu_result vgg_cuda_product_run(vgg_gpu *gpu, vgg_gpu_product *product,
                                    const vgg_gpu_product_task *task) {
    cublasStatus_t status = cublasLtMatmul(
        gpu->lt, product->operation, &task->factor, task->b, product->b, task->a, product->a,
        &task->keep, task->c, product->c, task->c, product->c, &product->algorithm,
        vgg_cuda_aligned(task->workspace), product->workspace, gpu->stream);
    return vgg_cuda_lt_result(gpu, status, "a product");
}

void vgg_cuda_product_free(vgg_gpu *gpu, vgg_gpu_product *product) {
    (void)gpu;
    cublasLtMatrixLayout_t const layouts[] = {product->a, product->b, product->c};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        if (layouts[i] != NULL)
            cublasLtMatrixLayoutDestroy(layouts[i]);
    }
    if (product->operation != NULL)
        cublasLtMatmulDescDestroy(product->operation);
    free(product);
}
