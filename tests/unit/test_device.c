/* Finding devices. */
#include "vgg_test.h"

#include "nn/gpu/plugin.h"
#include "nn/gpu/pool.h"
#include "vgg/plan.h"

struct vgg_gpu {
    int open;
};

static vgg_gpu only;
static const char *broken; /* why no GPU can be opened; NULL: it can */

static vgg_gpu_result open_gpu(vgg_gpu **gpu, char *said, size_t size) {
    if (broken != NULL) {
        snprintf(said, size, "%s", broken);
        return VGG_GPU_FAILED;
    }
    only.open++;
    *gpu = &only;
    return VGG_GPU_OK;
}

static void close_gpu(vgg_gpu *gpu) {
    gpu->open--;
}

static const char *name(const vgg_gpu *gpu) {
    (void)gpu;
    return "a GPU of tests";
}

static const vgg_gpu_calls calls = {
    .version = VGG_GPU_CALLS_VERSION, .open = open_gpu, .close = close_gpu, .name = name};

static int set_up(void **state) {
    (void)state;
    unsetenv("VGG_CUDA_PLUGIN");
    broken = NULL;
    vgg_gpu_calls_use(NULL);
    return 0;
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(vgg_device_name(VGG_DEVICE_CPU), "cpu");
    assert_string_equal(vgg_device_name(VGG_DEVICE_CUDA), "cuda");
    assert_string_equal(vgg_device_name(VGG_DEVICE_AUTO), "auto");
    assert_null(vgg_device_name((vgg_device_kind)3));
    assert_int_equal(vgg_device_named("cuda"), VGG_DEVICE_CUDA);
    assert_int_equal(vgg_device_named("auto"), VGG_DEVICE_AUTO);
    assert_int_equal(vgg_device_named("gpu"), VGG_DEVICE_CPU);
    assert_int_equal(vgg_device_named(NULL), VGG_DEVICE_CPU);
}

static void test_processor(void **state) {
    (void)state;
    vgg_device_info info = {.struct_size = sizeof info};
    vgg_error error;
    assert_ok(vgg_device_find(VGG_DEVICE_CPU, &info, &error), error);
    assert_int_equal(info.kind, VGG_DEVICE_CPU);
    assert_int_equal(info.precision, VGG_PRECISION_F32);
    assert_string_equal(info.name, vgg_cpu_tier());
    assert_string_equal(info.missing, "");
}

static void refuse(vgg_device_kind kind, vgg_status status, const char *message) {
    vgg_device_info info = {.struct_size = sizeof info};
    vgg_error error;
    assert_int_equal(vgg_device_find(kind, &info, &error), status);
    assert_contains(error.message, message);
}

/* Each is said of what was asked for, and by `auto`, which takes the processor. */
static void miss(const char *message) {
    vgg_device_info info = {.struct_size = sizeof info};
    vgg_error error;
    refuse(VGG_DEVICE_CUDA, VGG_ERROR_UNSUPPORTED, message);
    assert_ok(vgg_device_find(VGG_DEVICE_AUTO, &info, &error), error);
    assert_int_equal(info.kind, VGG_DEVICE_CPU);
    assert_contains(info.missing, message);
    assert_null(strchr(info.missing, '\n'));
}

static void test_missing(void **state) {
    (void)state;
    refuse((vgg_device_kind)3, VGG_ERROR_ARGUMENT, "device 3, expected cpu, cuda or auto");
    miss("no libvgg-cuda.so beside the program or library in /");
    setenv("VGG_CUDA_PLUGIN", "/nowhere/at-all.so", 1);
    miss("VGG_CUDA_PLUGIN names /nowhere/at-all.so: No such file or directory");
    setenv("VGG_CUDA_PLUGIN", "/dev/null", 1);
    miss("no GPU support: /dev/null: ");
}

static void test_a_gpu(void **state) {
    (void)state;
    vgg_device_info info = {.struct_size = sizeof info};
    vgg_error error;
    broken = "cudaGetDeviceCount: no CUDA-capable device is detected";
    vgg_gpu_calls_use(&calls);
    miss("no GPU: cudaGetDeviceCount: no CUDA-capable device is detected");
    /* It may come later. */
    broken = NULL;
    const vgg_device_kind kinds[] = {VGG_DEVICE_CUDA, VGG_DEVICE_AUTO};
    for (size_t i = 0; i < 2; i++) {
        assert_ok(vgg_device_find(kinds[i], &info, &error), error);
        assert_int_equal(info.kind, VGG_DEVICE_CUDA);
        assert_int_equal(info.precision, VGG_PRECISION_BF16);
        assert_string_equal(info.name, "a GPU of tests");
        assert_string_equal(info.missing, "");
    }
    vgg_gpu_pool_clear();
    assert_int_equal(only.open, 0);
    const vgg_gpu_calls *found;
    assert_ok(vgg_gpu_calls_find(&found, &error), error);
    assert_ptr_equal(found, &calls);
}

static void test_a_plan(void **state) {
    (void)state;
    vgg_network *network = NULL;
    vgg_network_options shape;
    vgg_plan_options options;
    vgg_plan *plan = NULL;
    vgg_error error;
    vgg_network_options_init(&shape, sizeof shape);
    shape.arch = "4,M/8";
    shape.height = shape.width = 8;
    assert_ok(vgg_network_create(&shape, &network, &error), error);
    vgg_plan_options_init(&options, sizeof options);
    options.device = VGG_DEVICE_CUDA;
    assert_int_equal(vgg_plan_create(network, &options, &plan, &error), VGG_ERROR_UNSUPPORTED);
    assert_contains(error.message, "this build has no support for GPUs");
    options.device = (vgg_device_kind)7;
    assert_int_equal(vgg_plan_create(network, &options, &plan, &error), VGG_ERROR_ARGUMENT);
    vgg_gpu_calls_use(&calls);
    options.device = VGG_DEVICE_CUDA;
    options.exact = true;
    assert_int_equal(vgg_plan_create(network, &options, &plan, &error), VGG_ERROR_UNSUPPORTED);
    assert_contains(error.message, "a plan that is exact is for the processor");
    options.device = VGG_DEVICE_AUTO; /* which takes what can be exact */
    assert_ok(vgg_plan_create(network, &options, &plan, &error), error);
    vgg_plan_free(plan);
    vgg_gpu_calls_use(NULL);
    options.exact = false;
    assert_ok(vgg_plan_create(network, &options, &plan, &error), error);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_names, set_up),
        cmocka_unit_test_setup(test_processor, set_up),
        cmocka_unit_test_setup(test_missing, set_up),
        cmocka_unit_test_setup(test_a_gpu, set_up),
        cmocka_unit_test_setup(test_a_plan, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
