/* Making and running graphs of cuDNN. */
#include "cuda/graph.h"

#include <string.h>

#define TENSOR_ALIGNMENT 16

/* ---- descriptors ---- */

/* A descriptor that is freed with the graph. */
static cudnnStatus_t add_part(vgg_cuda_graph *graph, cudnnBackendDescriptorType_t type,
                              cudnnBackendDescriptor_t *part) {
    if (graph->part_count == VGG_CUDA_GRAPH_PARTS)
        return CUDNN_STATUS_INTERNAL_ERROR;
    cudnnStatus_t status = cudnnBackendCreateDescriptor(type, part);
    if (status == CUDNN_STATUS_SUCCESS)
        graph->parts[graph->part_count++] = *part;
    return status;
}

/* An attribute to be set; a list of them ends with a count of 0. */
typedef struct setting {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    const void *values;
} setting;

static cudnnStatus_t set_all(cudnnBackendDescriptor_t part, const setting *settings) {
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    for (; status == CUDNN_STATUS_SUCCESS && settings->count > 0; settings++) {
        status = cudnnBackendSetAttribute(part, settings->name, settings->type, settings->count,
                                          settings->values);
    }
    return status == CUDNN_STATUS_SUCCESS ? cudnnBackendFinalize(part) : status;
}

/* ---- tensors ---- */

vgg_gpu_result vgg_cuda_graph_tensor(vgg_gpu *gpu, vgg_cuda_graph *graph,
                                     const vgg_cuda_tensor *tensor) {
    const int64_t *e = tensor->extents, alignment = TENSOR_ALIGNMENT;
    const int64_t strides[4] = {e[1] * e[2] * e[3], 1, e[1] * e[3], e[1]};
    const setting settings[] = {
        {CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &tensor->type},
        {CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, e},
        {CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides},
        {CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &tensor->id},
        {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment},
        {CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &tensor->virtual},
        {0}};
    cudnnBackendDescriptor_t *part = &graph->tensors[tensor->id];
    cudnnStatus_t status = add_part(graph, CUDNN_BACKEND_TENSOR_DESCRIPTOR, part);
    if (status == CUDNN_STATUS_SUCCESS)
        status = set_all(*part, settings);
    return vgg_cuda_dnn_result(gpu, status, "describing a tensor to cuDNN");
}

/* ---- operations ---- */

static cudnnStatus_t describe_convolution(vgg_cuda_graph *graph, int64_t padding,
                                          cudnnBackendDescriptor_t *part) {
    const int64_t dimensions = 2, ones[2] = {1, 1}, paddings[2] = {padding, padding};
    const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const setting settings[] = {
        {CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums},
        {CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode},
        {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dimensions},
        {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, ones},
        {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, ones},
        {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, paddings},
        {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, paddings},
        {0}};
    cudnnStatus_t status = add_part(graph, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, part);
    return status == CUDNN_STATUS_SUCCESS ? set_all(*part, settings) : status;
}

/* What a pass is called, and what its operands are. */
typedef struct pass_names {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
} pass_names;

static const pass_names passes[] = {
    [VGG_GPU_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [VGG_GPU_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [VGG_GPU_FILTER] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

vgg_gpu_result vgg_cuda_graph_convolution(vgg_gpu *gpu, vgg_cuda_graph *graph, vgg_gpu_pass pass,
                                          int64_t padding, int64_t x, int64_t w, int64_t y) {
    const pass_names *names = &passes[pass];
    const float one = 1, zero = 0;
    cudnnBackendDescriptor_t convolution = NULL, *part = &graph->operations[graph->operation_count];
    cudnnStatus_t status = describe_convolution(graph, padding, &convolution);
    const setting settings[] = {
        {names->convolution, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &convolution},
        {names->x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph->tensors[x]},
        {names->w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph->tensors[w]},
        {names->y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph->tensors[y]},
        {names->alpha, CUDNN_TYPE_FLOAT, 1, &one},
        {names->beta, CUDNN_TYPE_FLOAT, 1, &zero},
        {0}};
    if (status == CUDNN_STATUS_SUCCESS)
        status = add_part(graph, names->type, part);
    if (status == CUDNN_STATUS_SUCCESS)
        status = set_all(*part, settings);
    graph->operation_count++;
    return vgg_cuda_dnn_result(gpu, status, "describing a convolution to cuDNN");
}

vgg_gpu_result vgg_cuda_graph_pointwise(vgg_gpu *gpu, vgg_cuda_graph *graph,
                                        cudnnPointwiseMode_t mode, int64_t x, int64_t other,
                                        int64_t y) {
    const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    /* No number stays none in a ReLU. */
    const cudnnNanPropagation_t propagation = CUDNN_PROPAGATE_NAN;
    const double lower = 0;
    const int64_t clips = mode == CUDNN_POINTWISE_RELU_FWD;
    const setting kind[] = {
        {CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode},
        {CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &sums},
        {CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, clips, &propagation},
        {CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, CUDNN_TYPE_DOUBLE, clips, &lower},
        {0}};
    cudnnBackendDescriptor_t pointwise = NULL, *part = &graph->operations[graph->operation_count];
    cudnnStatus_t status = add_part(graph, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, &pointwise);
    if (status == CUDNN_STATUS_SUCCESS)
        status = set_all(pointwise, kind);
    const setting settings[] = {{CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &pointwise},
                                {CUDNN_ATTR_OPERATION_POINTWISE_XDESC,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph->tensors[x]},
                                {CUDNN_ATTR_OPERATION_POINTWISE_YDESC,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph->tensors[y]},
                                {CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, other != 0, &graph->tensors[other]},
                                {0}};
    if (status == CUDNN_STATUS_SUCCESS)
        status = add_part(graph, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, part);
    if (status == CUDNN_STATUS_SUCCESS)
        status = set_all(*part, settings);
    graph->operation_count++;
    return vgg_cuda_dnn_result(gpu, status, "describing an operation to cuDNN");
}

/* ---- the plan ---- */

vgg_gpu_result vgg_cuda_graph_plan(vgg_gpu *gpu, vgg_cuda_graph *graph, vgg_gpu_precision precision,
                                   vgg_cuda_manner manner, size_t workspace) {
    cudnnBackendDescriptor_t operations = NULL;
    cudnnStatus_t status = add_part(graph, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &operations);
    const setting settings[] = {
        {CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
         (int64_t)graph->operation_count, graph->operations},
        {CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, gpu->properties == NULL, &gpu->dnn},
        {0}};
    if (status == CUDNN_STATUS_SUCCESS)
        status = set_all(operations, settings);
    if (status == CUDNN_STATUS_SUCCESS)
        status =
            vgg_cuda_choose_engine(gpu, operations, precision, manner, workspace, &graph->engine);
    return vgg_cuda_dnn_result(gpu, status, "cuDNN has no engine for a convolution");
}

/* ---- running ---- */

static bool same_memory(const vgg_cuda_graph *graph, size_t count, void *const *memory,
                        const void *workspace) {
    return graph->pack != NULL && graph->memory[count] == workspace &&
           memcmp(graph->memory, memory, count * sizeof *memory) == 0;
}

/* What a run reads and writes stays where it was as long as a plan lives, but in deferred layers.
 */
static cudnnStatus_t pack_memory(vgg_cuda_graph *graph, size_t count, const int64_t *ids,
                                 void *const *memory, void *workspace) {
    if (same_memory(graph, count, memory, workspace))
        return CUDNN_STATUS_SUCCESS;
    if (graph->pack != NULL)
        cudnnBackendDestroyDescriptor(graph->pack);
    graph->pack = NULL;
    cudnnStatus_t status =
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &graph->pack);
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    memcpy(graph->memory, memory, count * sizeof *memory);
    graph->memory[count] = workspace;
    const setting settings[] = {
        {CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, (int64_t)count, ids},
        {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, (int64_t)count, graph->memory},
        {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace},
        {0}};
    status = set_all(graph->pack, settings);
    if (status == CUDNN_STATUS_SUCCESS)
        return status;
    cudnnBackendDestroyDescriptor(graph->pack);
    graph->pack = NULL;
    return status;
}

vgg_gpu_result vgg_cuda_graph_run(vgg_gpu *gpu, vgg_cuda_graph *graph, size_t count,
                                  const int64_t *ids, void *const *memory, void *workspace) {
    cudnnStatus_t status = pack_memory(graph, count, ids, memory, workspace);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendExecute(gpu->dnn, graph->engine.plan, graph->pack);
    return vgg_cuda_dnn_result(gpu, status, "a convolution");
}

void vgg_cuda_graph_free(vgg_cuda_graph *graph) {
    if (graph->pack != NULL)
        cudnnBackendDestroyDescriptor(graph->pack);
    if (graph->engine.plan != NULL)
        cudnnBackendDestroyDescriptor(graph->engine.plan);
    while (graph->part_count > 0) {
        cudnnBackendDestroyDescriptor(graph->parts[--graph->part_count]);
    }
    *graph = (vgg_cuda_graph){0};
}
