/* Measuring a GPU, by its double. */
#include "vgg_test.h"

#include "double.h"
#include "nn/gpu/plugin.h"
#include "nn/gpu/pool.h"
#include "vgg/plan.h"

static vgg_status measure(vgg_precision precision, vgg_machine *machine, vgg_error *error) {
    *machine = (vgg_machine){.struct_size = sizeof *machine};
    vgg_status status = vgg_device_measure(VGG_DEVICE_CUDA, precision, 0, machine, error);
    vgg_gpu_pool_clear();
    assert_int_equal(vgg_double_blocks(), 0);
    assert_int_equal(vgg_double_things(), 0);
    return status;
}

static void each_precision(void **state) {
    (void)state;
    vgg_gpu_calls_use(vgg_double_calls());
    for (int i = 0; vgg_precision_name((vgg_precision)i) != NULL; i++) {
        vgg_machine machine;
        vgg_error error;
        assert_ok(measure((vgg_precision)i, &machine, &error), error);
        assert_true(machine.peak_gflops > 0 && machine.read_gbps > 0);
    }
}

static void what_cannot_be(void **state) {
    (void)state;
    vgg_machine machine;
    vgg_error error;
    vgg_gpu_calls_use(vgg_double_calls());
    assert_int_equal(measure((vgg_precision)9, &machine, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "precision 9, expected f32, bf16, tf32 or f16");
    machine.struct_size = 0;
    assert_int_equal(vgg_device_measure(VGG_DEVICE_CUDA, VGG_PRECISION_F32, 0, &machine, &error),
                     VGG_ERROR_ARGUMENT);
    vgg_double_limit(65536);
    assert_int_equal(measure(VGG_PRECISION_BF16, &machine, &error), VGG_ERROR_MEMORY);
    vgg_double_limit((size_t)8 << 30);
}

/* Nothing is left, whichever fails. */
static void each_call_fails(void **state) {
    (void)state;
    vgg_machine machine;
    vgg_error error;
    vgg_gpu_calls_use(vgg_double_calls());
    vgg_double_fail(0, VGG_GPU_OK);
    assert_ok(measure(VGG_PRECISION_F16, &machine, &error), error);
    size_t calls = vgg_double_fail(0, VGG_GPU_OK);
    /* Uploads are many, and alike. */
    for (size_t call = 1; call <= calls; call += call < 12 || call + 40 > calls ? 1 : 7) {
        vgg_double_fail(call, call % 2 ? VGG_GPU_NO_MEMORY : VGG_GPU_FAILED);
        vgg_status status = measure(VGG_PRECISION_F16, &machine, &error);
        assert_true(status == VGG_OK || status == VGG_ERROR_MEMORY ||
                    status == VGG_ERROR_UNSUPPORTED);
        assert_true(status == VGG_OK || strchr(error.message, '\n') == NULL);
    }
    vgg_double_fail(0, VGG_GPU_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_precision),
        cmocka_unit_test(what_cannot_be),
        cmocka_unit_test(each_call_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
