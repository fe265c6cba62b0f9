/* What there is to compute on. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "kernels/kernels.h"
#include "nn/device_find.h"
#include "nn/gpu/measure.h"
#include "nn/gpu/plugin.h"

const char *vgg_cpu_tier(void) {
    const vgg_kernels *kernels;
    return vgg_kernels_get(&kernels, NULL) == VGG_OK ? kernels->tier : "none";
}

const char *vgg_tier_rounding(const char *tier, vgg_precision precision) {
    return precision == VGG_PRECISION_F32 && strcmp(tier, "amx") == 0 ? "avx512" : tier;
}

bool vgg_precision_is_native(vgg_precision precision) {
    const vgg_kernels *kernels;
    return precision == VGG_PRECISION_F32 ||
           (precision == VGG_PRECISION_BF16 && vgg_kernels_get(&kernels, NULL) == VGG_OK &&
            (kernels->rates.direct > 1 || kernels->rates.bf16 > 1));
}

vgg_status vgg_device_find(vgg_device_kind kind, vgg_device_info *info, vgg_error *error) {
    vgg_device_found found;
    vgg_status status = vgg_result_check(info, "vgg_device_info", error);
    if (status == VGG_OK)
        status = vgg_device_choose(kind, &found, error);
    if (status != VGG_OK)
        return status;
    vgg_device_info own = {.kind = found.kind};
    if (found.kind == VGG_DEVICE_CUDA) {
        own.precision = VGG_PRECISION_BF16;
        vgg_gpu_name(own.name);
    } else {
        snprintf(own.name, sizeof own.name, "%s", vgg_cpu_tier());
    }
    snprintf(own.missing, sizeof own.missing, "%s", found.missing.message);
    return vgg_result_write(info, &own, sizeof own, "vgg_device_info", error);
}

vgg_status vgg_device_measure(vgg_device_kind device, vgg_precision precision, size_t threads,
                              vgg_machine *machine, vgg_error *error) {
    vgg_machine found = {0};
    vgg_status status = vgg_device_settle(&device, error);
    if (status == VGG_OK && device == VGG_DEVICE_CPU)
        return vgg_machine_measure(threads, machine, error);
    if (status == VGG_OK)
        status = vgg_result_check(machine, "vgg_machine", error);
    if (status == VGG_OK && vgg_precision_name(precision) == NULL)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "precision %d, expected f32, bf16, tf32 or f16", (int)precision);
    if (status == VGG_OK)
        status = vgg_gpu_measure(precision, &found, error);
    return status == VGG_OK ? vgg_result_write(machine, &found, sizeof found, "vgg_machine", error)
                            : status;
}
