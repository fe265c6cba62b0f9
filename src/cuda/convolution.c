/* Convolutions by cuDNN's graphs: forward with bias and ReLU as one, with a bias of float32 or,
 * where no engine takes that, of the precision's element; and where none does it at all, followed
 * by a kernel of our own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/graph.h"

/* Of the most of an engine's work space. */
#define MOST_WORKSPACE ((size_t)2 << 30)

struct vgg_gpu_conv {
    vgg_gpu_conv_shape shape;
    vgg_cuda_graph graph;
    bool fused;  /* FORWARD: with bias and ReLU */
    bool narrow; /* FILTER: w in the precision's element; FORWARD: the bias is */
    char words[64];
};

/* The tensors of a graph. */
enum { X = 1, W, Y, BIAS, PRODUCT, SUM };

static cudnnDataType_t type_of(vgg_gpu_precision precision) {
    if (precision == VGG_GPU_BF16)
        return CUDNN_DATA_BFLOAT16;
    return precision == VGG_GPU_F16 ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT;
}

static vgg_cuda_tensor tensor_of(const vgg_gpu_conv *conv, int64_t which) {
    const vgg_gpu_conv_shape *s = &conv->shape;
    vgg_cuda_tensor tensor = {.id = which, .type = type_of(s->precision)};
    int64_t n = (int64_t)s->images, k = (int64_t)s->outputs, c = (int64_t)s->inputs;
    int64_t r = (int64_t)s->kernel;
    const int64_t x[4] = {n, c, (int64_t)s->height, (int64_t)s->width};
    const int64_t y[4] = {n, k, (int64_t)s->out_height, (int64_t)s->out_width};
    const int64_t w[4] = {k, c, r, r}, bias[4] = {1, k, 1, 1};
    const int64_t *extents = which == X ? x : which == W ? w : which == BIAS ? bias : y;
    memcpy(tensor.extents, extents, sizeof tensor.extents);
    tensor.virtual = which == PRODUCT || which == SUM;
    bool may_narrow = which == BIAS || (which == W && s->pass == VGG_GPU_FILTER);
    if (tensor.virtual || (may_narrow && !conv->narrow))
        tensor.type = CUDNN_DATA_FLOAT;
    return tensor;
}

static vgg_gpu_result add_tensor(vgg_gpu *gpu, vgg_gpu_conv *conv, int64_t which) {
    vgg_cuda_tensor tensor = tensor_of(conv, which);
    return vgg_cuda_graph_tensor(gpu, &conv->graph, &tensor);
}

/* The operations of the graph and the tensors between them. */
static vgg_gpu_result describe(vgg_gpu *gpu, vgg_gpu_conv *conv) {
    const vgg_gpu_conv_shape *s = &conv->shape;
    int64_t product = conv->fused ? PRODUCT : Y, sum = s->relu ? SUM : Y;
    vgg_gpu_result result = VGG_GPU_OK;
    for (int64_t which = X; result == VGG_GPU_OK && which <= SUM; which++) {
        bool wanted = which <= Y || (conv->fused && (which != SUM || s->relu));
        if (wanted)
            result = add_tensor(gpu, conv, which);
    }
    if (result == VGG_GPU_OK)
        result = vgg_cuda_graph_convolution(gpu, &conv->graph, s->pass, (int64_t)s->padding, X, W,
                                            product);
    if (result == VGG_GPU_OK && conv->fused)
        result =
            vgg_cuda_graph_pointwise(gpu, &conv->graph, CUDNN_POINTWISE_ADD, product, BIAS, sum);
    if (result == VGG_GPU_OK && conv->fused && s->relu)
        result = vgg_cuda_graph_pointwise(gpu, &conv->graph, CUDNN_POINTWISE_RELU_FWD, sum, 0, Y);
    return result;
}

/* A graph of that kind and an engine for it, or nothing. */
static vgg_gpu_result attempt(vgg_gpu *gpu, vgg_gpu_conv *conv, vgg_cuda_manner manner, bool fused,
                              bool narrow) {
    conv->fused = fused;
    conv->narrow = narrow;
    vgg_gpu_result result = describe(gpu, conv);
    if (result == VGG_GPU_OK)
        result =
            vgg_cuda_graph_plan(gpu, &conv->graph, conv->shape.precision, manner, MOST_WORKSPACE);
    if (result != VGG_GPU_OK)
        vgg_cuda_graph_free(&conv->graph);
    return result;
}

/* What cuDNN recommends for any kind of graph comes before what it falls back to for another. */
static vgg_gpu_result choose(vgg_gpu *gpu, vgg_gpu_conv *conv, vgg_cuda_manner *manner) {
    vgg_gpu_pass pass = conv->shape.pass;
    bool forward = pass == VGG_GPU_FORWARD;
    bool narrows = type_of(conv->shape.precision) != CUDNN_DATA_FLOAT && pass != VGG_GPU_DATA;
    vgg_gpu_result result = VGG_GPU_FAILED;
    for (int m = 0; result == VGG_GPU_FAILED && m < VGG_CUDA_MANNERS; m++) {
        *manner = (vgg_cuda_manner)m;
        result = attempt(gpu, conv, *manner, forward, false);
        if (result == VGG_GPU_FAILED && narrows)
            result = attempt(gpu, conv, *manner, forward, true);
        if (result == VGG_GPU_FAILED && forward)
            result = attempt(gpu, conv, *manner, false, false);
    }
    return result;
}

static void describe_in_words(vgg_gpu_conv *conv, vgg_cuda_manner manner) {
    const char *kind = !conv->fused ? "" : conv->narrow ? "+narrow bias" : "+bias";
    snprintf(conv->words, sizeof conv->words, "cudnn %lld%s%s",
             (long long)conv->graph.engine.number, manner == VGG_CUDA_FALLBACK ? " fallback" : "",
             kind);
}

/* At the beginning of the work space, for a bias of fewer bits. */
static size_t bias_bytes(const vgg_gpu_conv *conv) {
    size_t bytes = conv->fused && conv->narrow ? conv->shape.outputs * sizeof(uint16_t) : 0;
    return (bytes + VGG_CUDA_ALIGNMENT - 1) / VGG_CUDA_ALIGNMENT * VGG_CUDA_ALIGNMENT;
}

static vgg_gpu_element element_of(vgg_gpu_precision precision) {
    if (precision == VGG_GPU_BF16)
        return VGG_GPU_BFLOAT16;
    return precision == VGG_GPU_F16 ? VGG_GPU_FLOAT16 : VGG_GPU_FLOAT32;
}

vgg_gpu_result vgg_cuda_conv_make(vgg_gpu *gpu, const vgg_gpu_conv_shape *shape, vgg_gpu_conv **out,
                                  vgg_gpu_conv_needs *needs) {
    vgg_gpu_conv *conv = calloc(1, sizeof *conv);
    if (conv == NULL)
        return VGG_GPU_NO_MEMORY;
    conv->shape = *shape;
    vgg_cuda_manner manner = VGG_CUDA_RECOMMENDED;
    vgg_gpu_result result = choose(gpu, conv, &manner);
    if (result != VGG_GPU_OK) {
        vgg_cuda_conv_free(gpu, conv);
        return result;
    }
    describe_in_words(conv, manner);
    *out = conv;
    *needs = (vgg_gpu_conv_needs){.workspace = conv->graph.engine.workspace + bias_bytes(conv) +
                                               VGG_CUDA_ALIGNMENT,
                                  .narrow = shape->pass == VGG_GPU_FILTER && conv->narrow,
                                  .words = conv->words};
    return VGG_GPU_OK;
}

static vgg_gpu_result narrow_bias(vgg_gpu *gpu, const vgg_gpu_conv *conv, const float *bias,
                                  void *to) {
    const vgg_gpu_pack_rows_task task = {.rows = 1,
                                         .columns = conv->shape.outputs,
                                         .from = bias,
                                         .to = to,
                                         .element = element_of(conv->shape.precision)};
    return vgg_cuda_result(
        gpu,
        vgg_cuda_launch(gpu->stream, vgg_gpu_kernel_pack_rows, &task, task.columns / VGG_GPU_LANES),
        "rounding a bias");
}

/* In place, of an output without it. */
static vgg_gpu_result add_bias(vgg_gpu *gpu, const vgg_gpu_conv *conv,
                               const vgg_gpu_conv_task *task) {
    const vgg_gpu_conv_shape *s = &conv->shape;
    vgg_gpu_element element = element_of(s->precision);
    const vgg_gpu_bias_rows_task bias = {.images = s->images * s->out_height * s->out_width,
                                         .columns = s->outputs,
                                         .sums = task->y,
                                         .sums_element = element,
                                         .bias = task->bias,
                                         .relu = s->relu,
                                         .to = task->y,
                                         .element = element};
    return vgg_cuda_result(gpu,
                           vgg_cuda_launch(gpu->stream, vgg_gpu_kernel_bias_rows, &bias,
                                           bias.images * s->outputs / VGG_GPU_LANES),
                           "adding a bias");
}

vgg_gpu_result vgg_cuda_conv_run(vgg_gpu *gpu, vgg_gpu_conv *conv, const vgg_gpu_conv_task *task) {
    const int64_t ids[] = {X, W, Y, BIAS};
    char *workspace = vgg_cuda_aligned(task->workspace);
    void *bias = conv->narrow ? workspace : (void *)(uintptr_t)task->bias;
    void *const memory[] = {task->x, task->w, task->y, bias};
    vgg_gpu_result result = VGG_GPU_OK;
    if (conv->fused && conv->narrow)
        result = narrow_bias(gpu, conv, task->bias, workspace);
    if (result == VGG_GPU_OK)
        result = vgg_cuda_graph_run(gpu, &conv->graph, conv->fused ? 4 : 3, ids, memory,
                                    workspace + bias_bytes(conv));
    if (result == VGG_GPU_OK && conv->shape.pass == VGG_GPU_FORWARD && !conv->fused)
        result = add_bias(gpu, conv, task);
    return result;
}

void vgg_cuda_conv_free(vgg_gpu *gpu, vgg_gpu_conv *conv) {
    (void)gpu;
    vgg_cuda_graph_free(&conv->graph);
    free(conv);
}
