/* What needs CUDA's libraries and no GPU. What cuDNN would do on a Hopper GPU, asked by such a
 * device's properties where none is: there is an engine for every pass and precision, and the plan
 * of each can be made. And what is said where there is no driver. */
#include <stdio.h>
#include <string.h>

#include "cuda/cuda.h"
#include "vgg_test.h"

/* In the form that cuDNN 9 writes them in; of an H200. */
static const char properties[] =
    "{\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],"
    "\"deviceVer\":900,\"driverVer\":13000,\"multiProcessorCount\":132,"
    "\"smClockRateKHz\":1980000,\"memClockRateKHz\":2619000,\"l2CacheSize\":52428800,"
    "\"warpSize\":32,\"maxSharedMemoryPerBlock\":49152,"
    "\"maxSharedMemoryPerBlockOptin\":232448,\"reservedSharedMemoryPerBlock\":1024,"
    "\"regsPerBlock\":65536,\"maxRegistersPerSM\":65536,\"pciDeviceId\":0,"
    "\"maxCtasPerSM\":32,\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,"
    "\"isTccDriver\":0,\"supportCoopLaunch\":1,\"cudaDeviceId\":0,"
    "\"totalGlobalMem\":141000000000,\"deviceName\":\"NVIDIA H200\"}";

/* In place of the kernels, which nothing here runs. */
cudaError_t vgg_cuda_launch(cudaStream_t stream, vgg_gpu_kernel kernel, const void *task,
                            size_t units) {
    (void)stream, (void)kernel, (void)task, (void)units;
    return cudaErrorNotSupported;
}

/* False where this cuDNN knows no properties of devices. */
static bool describe_device(vgg_gpu *gpu) {
    cudnnStatus_t status =
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &gpu->properties);
    if (status == CUDNN_STATUS_SUCCESS)
        status =
            cudnnBackendSetAttribute(gpu->properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                     CUDNN_TYPE_CHAR, (int64_t)strlen(properties), properties);
    return status == CUDNN_STATUS_SUCCESS &&
           cudnnBackendFinalize(gpu->properties) == CUDNN_STATUS_SUCCESS;
}

typedef struct layer {
    size_t images, side, inputs, outputs, kernel, padding;
} layer;

/* The first of VGG, one in its middle, its last; and small ones of other networks. */
static const layer layers[] = {{256, 224, 8, 64, 3, 1},   {128, 56, 256, 256, 3, 1},
                               {256, 14, 512, 512, 3, 1}, {1, 14, 512, 512, 3, 1},
                               {7, 28, 256, 256, 1, 0},   {3, 9, 16, 24, 3, 0}};

static void make(vgg_gpu *gpu, const layer *of, vgg_gpu_pass pass, vgg_gpu_precision precision) {
    static const char *const names[] = {"f32", "tf32", "bf16", "f16"};
    static const char *const passes[] = {"forward", "data", "filter"};
    size_t out = of->side + 2 * of->padding - of->kernel + 1;
    const vgg_gpu_conv_shape shape = {.pass = pass,
                                      .precision = precision,
                                      .images = of->images,
                                      .height = of->side,
                                      .width = of->side,
                                      .out_height = out,
                                      .out_width = out,
                                      .inputs = of->inputs,
                                      .outputs = of->outputs,
                                      .kernel = of->kernel,
                                      .padding = of->padding,
                                      .relu = true};
    vgg_gpu_conv *conv = NULL;
    vgg_gpu_conv_needs needs;
    vgg_gpu_result result = vgg_cuda_conv_make(gpu, &shape, &conv, &needs);
    if (result != VGG_GPU_OK)
        fail_msg("%zu x %zu x %zu x %zu to %zu, %s, %s: %s", of->images, of->inputs, of->side,
                 of->side, of->outputs, passes[pass], names[precision], gpu->said);
    print_message("%3zu x %3zu x %3zu to %3zu  %-7s %-4s  %s%s, %zu bytes\n", of->images,
                  of->inputs, of->side, of->outputs, passes[pass], names[precision], needs.words,
                  needs.narrow ? ", narrow" : "", needs.workspace);
    vgg_cuda_conv_free(gpu, conv);
}

static void engines(void **state) {
    (void)state;
    vgg_gpu gpu = {0};
    if (!describe_device(&gpu)) {
        print_message("this cuDNN does not take the properties of a device\n");
        skip();
    }
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        for (int pass = VGG_GPU_FORWARD; pass <= VGG_GPU_FILTER; pass++) {
            for (int precision = VGG_GPU_F32; precision <= VGG_GPU_F16; precision++) {
                make(&gpu, &layers[i], (vgg_gpu_pass)pass, (vgg_gpu_precision)precision);
            }
        }
    }
    cudnnBackendDestroyDescriptor(gpu.properties);
}

static void drivers(void **state) {
    (void)state;
    char said[160];
    vgg_cuda_describe_driver(0, 13000, said, sizeof said);
    assert_string_equal(said, "no NVIDIA driver is installed");
    vgg_cuda_describe_driver(11080, 12060, said, sizeof said);
    assert_string_equal(said, "the NVIDIA driver is for CUDA 11.8, expected one for 12.6 or newer");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(engines), cmocka_unit_test(drivers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
