/* The table of calls by CUDA's libraries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/cuda.h"

/* ---- the device ---- */

/* The least that cuDNN and cuBLASLt do bfloat16 on. */
#define LEAST_MAJOR 8

/* Makes the device the thread's own, which CUDA remembers for each. */
static vgg_gpu_result enter(vgg_gpu *gpu) {
    return vgg_cuda_result(gpu, cudaSetDevice(gpu->device), "choosing a GPU");
}

/* Kernels are compiled for some GPUs, which others may not be able to run. */
static vgg_gpu_result check_kernels(vgg_gpu *gpu, const struct cudaDeviceProp *about) {
    vgg_gpu_result result = enter(gpu);
    cudaError_t found = result == VGG_GPU_OK ? vgg_cuda_find_kernels() : cudaSuccess;
    if (found == cudaErrorNoKernelImageForDevice || found == cudaErrorInvalidDeviceFunction) {
        snprintf(gpu->said, sizeof gpu->said,
                 "%.64s has compute capability %d.%d, and VGG_CUDA_ARCHITECTURES did not say so",
                 about->name, about->major, about->minor);
        return VGG_GPU_FAILED;
    }
    return result == VGG_GPU_OK ? vgg_cuda_result(gpu, found, "finding kernels") : result;
}

/* CUDA says the same of no driver and of one that is too old. */
static vgg_gpu_result look_for_device(vgg_gpu *gpu) {
    int count = 0, driver = 0, runtime = 0;
    cudaError_t found = cudaGetDeviceCount(&count);
    if (found != cudaErrorInsufficientDriver)
        return vgg_cuda_result(gpu, found, "looking for a GPU");
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    cudaGetLastError(); /* told here, and not again by the next call */
    vgg_cuda_describe_driver(driver, runtime, gpu->said, sizeof gpu->said);
    return VGG_GPU_FAILED;
}

static vgg_gpu_result check_device(vgg_gpu *gpu) {
    struct cudaDeviceProp about;
    vgg_gpu_result result = look_for_device(gpu);
    if (result == VGG_GPU_OK)
        result = vgg_cuda_result(gpu, cudaGetDeviceProperties(&about, gpu->device), "asking a GPU");
    if (result != VGG_GPU_OK)
        return result;
    snprintf(gpu->name, sizeof gpu->name, "%s", about.name);
    if (about.major >= LEAST_MAJOR)
        return check_kernels(gpu, &about);
    snprintf(gpu->said, sizeof gpu->said,
             "%.64s has compute capability %d.%d, expected %d.0 or more", about.name, about.major,
             about.minor, LEAST_MAJOR);
    return VGG_GPU_FAILED;
}

static vgg_gpu_result open_libraries(vgg_gpu *gpu) {
    vgg_gpu_result result = vgg_cuda_result(
        gpu, cudaStreamCreateWithFlags(&gpu->stream, cudaStreamNonBlocking), "making a stream");
    if (result == VGG_GPU_OK)
        result = vgg_cuda_result(gpu, cudaStreamCreateWithFlags(&gpu->sends, cudaStreamNonBlocking),
                                 "making a stream");
    if (result == VGG_GPU_OK)
        result = vgg_cuda_dnn_result(gpu, cudnnCreate(&gpu->dnn), "opening cuDNN");
    if (result == VGG_GPU_OK)
        result = vgg_cuda_dnn_result(gpu, cudnnSetStream(gpu->dnn, gpu->stream), "opening cuDNN");
    if (result == VGG_GPU_OK)
        result = vgg_cuda_lt_result(gpu, cublasLtCreate(&gpu->lt), "opening cuBLASLt");
    return result;
}

static void close_gpu(vgg_gpu *gpu) {
    if (gpu->lt != NULL)
        cublasLtDestroy(gpu->lt);
    if (gpu->dnn != NULL)
        cudnnDestroy(gpu->dnn);
    if (gpu->sends != NULL)
        cudaStreamDestroy(gpu->sends);
    if (gpu->stream != NULL)
        cudaStreamDestroy(gpu->stream);
    free(gpu);
}

static vgg_gpu_result open_gpu(vgg_gpu **out, char *said, size_t size) {
    vgg_gpu *gpu = calloc(1, sizeof *gpu);
    if (gpu == NULL)
        return VGG_GPU_NO_MEMORY;
    vgg_gpu_result result = check_device(gpu);
    if (result == VGG_GPU_OK)
        result = open_libraries(gpu);
    if (result != VGG_GPU_OK) {
        snprintf(said, size, "%s", gpu->said);
        close_gpu(gpu);
        return result;
    }
    *out = gpu;
    return VGG_GPU_OK;
}

static const char *name(const vgg_gpu *gpu) {
    return gpu->name;
}

static const char *said(const vgg_gpu *gpu) {
    return gpu->said;
}

static vgg_gpu_result wait_for(vgg_gpu *gpu) {
    return vgg_cuda_result(gpu, cudaStreamSynchronize(gpu->stream), "waiting for the GPU");
}

/* ---- memory ---- */

static size_t left(vgg_gpu *gpu) {
    size_t available = 0, all = 0;
    vgg_gpu_result result = enter(gpu);
    if (result == VGG_GPU_OK)
        result = vgg_cuda_result(gpu, cudaMemGetInfo(&available, &all), "asking for memory");
    return result == VGG_GPU_OK ? available : 0;
}

static void *take(vgg_gpu *gpu, size_t bytes) {
    void *memory = NULL;
    vgg_gpu_result result = enter(gpu);
    if (result == VGG_GPU_OK)
        result = vgg_cuda_result(gpu, cudaMalloc(&memory, bytes), "taking memory");
    return result == VGG_GPU_OK ? memory : NULL;
}

/* cudaFree waits for what is under way. */
static void give_back(vgg_gpu *gpu, void *memory) {
    vgg_cuda_result(gpu, cudaFree(memory), "giving memory back");
}

static void *take_pinned(vgg_gpu *gpu, size_t bytes) {
    void *memory = NULL;
    vgg_gpu_result result = enter(gpu);
    if (result == VGG_GPU_OK)
        result = vgg_cuda_result(gpu, cudaMallocHost(&memory, bytes), "taking memory of the host");
    return result == VGG_GPU_OK ? memory : NULL;
}

static void give_back_pinned(vgg_gpu *gpu, void *memory) {
    vgg_cuda_result(gpu, cudaFreeHost(memory), "giving memory of the host back");
}

static vgg_gpu_result clear(vgg_gpu *gpu, void *memory, size_t bytes) {
    vgg_gpu_result result = enter(gpu);
    if (result != VGG_GPU_OK)
        return result;
    return vgg_cuda_result(gpu, cudaMemsetAsync(memory, 0, bytes, gpu->stream), "clearing memory");
}

static vgg_gpu_result copy_as(vgg_gpu *gpu, void *to, const void *from, size_t bytes,
                              enum cudaMemcpyKind kind) {
    vgg_gpu_result result = enter(gpu);
    if (result != VGG_GPU_OK)
        return result;
    return vgg_cuda_result(gpu, cudaMemcpyAsync(to, from, bytes, kind, gpu->stream),
                           "copying memory");
}

static vgg_gpu_result copy(vgg_gpu *gpu, void *to, const void *from, size_t bytes) {
    return copy_as(gpu, to, from, bytes, cudaMemcpyDeviceToDevice);
}

static vgg_gpu_result upload(vgg_gpu *gpu, void *to, const void *from, size_t bytes) {
    return copy_as(gpu, to, from, bytes, cudaMemcpyHostToDevice);
}

static vgg_gpu_result download(vgg_gpu *gpu, void *to, const void *from, size_t bytes) {
    vgg_gpu_result result = copy_as(gpu, to, from, bytes, cudaMemcpyDeviceToHost);
    return result == VGG_GPU_OK ? wait_for(gpu) : result;
}

/* ---- time ---- */

struct vgg_gpu_moment {
    cudaEvent_t event;
};

static vgg_gpu_result moment_make(vgg_gpu *gpu, vgg_gpu_moment **out) {
    vgg_gpu_moment *moment = calloc(1, sizeof *moment);
    if (moment == NULL)
        return VGG_GPU_NO_MEMORY;
    vgg_gpu_result result = enter(gpu);
    if (result == VGG_GPU_OK)
        result = vgg_cuda_result(gpu, cudaEventCreate(&moment->event), "making an event");
    if (result == VGG_GPU_OK)
        *out = moment;
    else
        free(moment);
    return result;
}

static vgg_gpu_result moment_note(vgg_gpu *gpu, vgg_gpu_moment *moment) {
    enum cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
    vgg_gpu_result result = enter(gpu);
    if (result == VGG_GPU_OK)
        result = vgg_cuda_result(gpu, cudaStreamIsCapturing(gpu->stream, &recording),
                                 "asking for what is recorded");
    if (result != VGG_GPU_OK)
        return result;
    unsigned how = recording == cudaStreamCaptureStatusActive ? cudaEventRecordExternal
                                                              : cudaEventRecordDefault;
    return vgg_cuda_result(gpu, cudaEventRecordWithFlags(moment->event, gpu->stream, how),
                           "noting an event");
}

static vgg_gpu_result moment_between(vgg_gpu *gpu, vgg_gpu_moment *from, vgg_gpu_moment *to,
                                     double *seconds) {
    float milliseconds = 0;
    vgg_gpu_result result = vgg_cuda_result(
        gpu, cudaEventElapsedTime(&milliseconds, from->event, to->event), "reading events");
    *seconds = (double)milliseconds / 1000;
    return result;
}

static void moment_free(vgg_gpu *gpu, vgg_gpu_moment *moment) {
    vgg_cuda_result(gpu, cudaEventDestroy(moment->event), "freeing an event");
    free(moment);
}

/* ---- beside the queue ---- */

static vgg_gpu_result send(vgg_gpu *gpu, void *to, const void *from, size_t bytes,
                           vgg_gpu_moment *sent) {
    vgg_gpu_result result = enter(gpu);
    if (result == VGG_GPU_OK)
        result = vgg_cuda_result(
            gpu, cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, gpu->sends),
            "sending memory");
    if (result == VGG_GPU_OK)
        result = vgg_cuda_result(gpu, cudaEventRecord(sent->event, gpu->sends), "noting an event");
    return result;
}

static vgg_gpu_result queue_after(vgg_gpu *gpu, vgg_gpu_moment *sent) {
    vgg_gpu_result result = enter(gpu);
    if (result != VGG_GPU_OK)
        return result;
    return vgg_cuda_result(gpu, cudaStreamWaitEvent(gpu->stream, sent->event, 0),
                           "waiting for an event");
}

static vgg_gpu_result sent_wait(vgg_gpu *gpu, vgg_gpu_moment *sent) {
    return vgg_cuda_result(gpu, cudaEventSynchronize(sent->event), "waiting for an event");
}

/* ---- repeating ---- */

struct vgg_gpu_record {
    cudaGraphExec_t graph;
};

static vgg_gpu_result record_begin(vgg_gpu *gpu) {
    vgg_gpu_result result = enter(gpu);
    if (result != VGG_GPU_OK)
        return result;
    return vgg_cuda_result(
        gpu, cudaStreamBeginCapture(gpu->stream, cudaStreamCaptureModeThreadLocal), "recording");
}

static vgg_gpu_result record_end(vgg_gpu *gpu, vgg_gpu_record **out) {
    cudaGraph_t graph = NULL;
    vgg_gpu_result result =
        vgg_cuda_result(gpu, cudaStreamEndCapture(gpu->stream, &graph), "recording");
    vgg_gpu_record *record = result == VGG_GPU_OK ? calloc(1, sizeof *record) : NULL;
    if (result == VGG_GPU_OK && record == NULL)
        result = VGG_GPU_NO_MEMORY;
    if (result == VGG_GPU_OK)
        result = vgg_cuda_result(gpu, cudaGraphInstantiate(&record->graph, graph, 0),
                                 "making a graph of what was recorded");
    if (graph != NULL)
        cudaGraphDestroy(graph);
    if (result == VGG_GPU_OK)
        *out = record;
    else
        free(record);
    return result;
}

static vgg_gpu_result record_run(vgg_gpu *gpu, vgg_gpu_record *record) {
    vgg_gpu_result result = enter(gpu);
    if (result != VGG_GPU_OK)
        return result;
    return vgg_cuda_result(gpu, cudaGraphLaunch(record->graph, gpu->stream), "running a graph");
}

static void record_free(vgg_gpu *gpu, vgg_gpu_record *record) {
    vgg_cuda_result(gpu, cudaGraphExecDestroy(record->graph), "freeing a graph");
    free(record);
}

/* ---- computing ---- */

static vgg_gpu_result conv_make(vgg_gpu *gpu, const vgg_gpu_conv_shape *shape, vgg_gpu_conv **conv,
                                vgg_gpu_conv_needs *needs) {
    vgg_gpu_result result = enter(gpu);
    return result == VGG_GPU_OK ? vgg_cuda_conv_make(gpu, shape, conv, needs) : result;
}

static vgg_gpu_result conv_run(vgg_gpu *gpu, vgg_gpu_conv *conv, const vgg_gpu_conv_task *task) {
    vgg_gpu_result result = enter(gpu);
    return result == VGG_GPU_OK ? vgg_cuda_conv_run(gpu, conv, task) : result;
}

static vgg_gpu_result product_make(vgg_gpu *gpu, const vgg_gpu_product_shape *shape,
                                   vgg_gpu_product **product, size_t *workspace) {
    vgg_gpu_result result = enter(gpu);
    return result == VGG_GPU_OK ? vgg_cuda_product_make(gpu, shape, product, workspace) : result;
}

static vgg_gpu_result product_run(vgg_gpu *gpu, vgg_gpu_product *product,
                                  const vgg_gpu_product_task *task) {
    vgg_gpu_result result = enter(gpu);
    return result == VGG_GPU_OK ? vgg_cuda_product_run(gpu, product, task) : result;
}

static vgg_gpu_result launch(vgg_gpu *gpu, vgg_gpu_kernel kernel, const void *task, size_t units) {
    vgg_gpu_result result = enter(gpu);
    if (result != VGG_GPU_OK)
        return result;
    return vgg_cuda_result(gpu, vgg_cuda_launch(gpu->stream, kernel, task, units),
                           "running a kernel");
}

/* ---- all ---- */

static const vgg_gpu_calls table = {
    .version = VGG_GPU_CALLS_VERSION,
    .open = open_gpu,
    .close = close_gpu,
    .name = name,
    .said = said,
    .wait = wait_for,
    .left = left,
    .take = take,
    .give_back = give_back,
    .take_pinned = take_pinned,
    .give_back_pinned = give_back_pinned,
    .send = send,
    .queue_after = queue_after,
    .sent_wait = sent_wait,
    .clear = clear,
    .copy = copy,
    .upload = upload,
    .download = download,
    .moment_make = moment_make,
    .moment_note = moment_note,
    .moment_between = moment_between,
    .moment_free = moment_free,
    .record_begin = record_begin,
    .record_end = record_end,
    .record_run = record_run,
    .record_free = record_free,
    .conv_make = conv_make,
    .conv_run = conv_run,
    .conv_free = vgg_cuda_conv_free,
    .product_make = product_make,
    .product_run = product_run,
    .product_free = vgg_cuda_product_free,
    .launch = launch,
};

__attribute__((visibility("default"))) const vgg_gpu_calls *vgg_cuda_plugin(void);

const vgg_gpu_calls *vgg_cuda_plugin(void) {
    return &table;
}
