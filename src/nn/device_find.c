/* Which row of the table of devices computes a plan. */
#include "nn/device_find.h"

#include "base/error.h"
#include "nn/gpu/plugin.h"

static vgg_status choose_gpu(vgg_device_found *found, vgg_error *error) {
    vgg_status status = vgg_gpu_calls_find(&found->calls, error);
    if (status != VGG_OK)
        return status;
    found->kind = VGG_DEVICE_CUDA;
    found->row = &vgg_device_gpu;
    return VGG_OK;
}

vgg_status vgg_device_choose(vgg_device_kind kind, vgg_device_found *found, vgg_error *error) {
    *found = (vgg_device_found){.kind = VGG_DEVICE_CPU, .row = &vgg_device_cpu};
    switch (kind) {
    case VGG_DEVICE_CPU:
        return VGG_OK;
    case VGG_DEVICE_CUDA:
        return choose_gpu(found, error);
    case VGG_DEVICE_AUTO:
        choose_gpu(found, &found->missing);
        return VGG_OK;
    default:
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "device %d, expected cpu, cuda or auto",
                        (int)kind);
    }
}

vgg_status vgg_device_settle(vgg_device_kind *kind, vgg_error *error) {
    vgg_device_found found;
    vgg_status status = vgg_device_choose(*kind, &found, error);
    if (status == VGG_OK)
        *kind = found.kind;
    return status;
}
