/* What devices and precisions are called. */
#include <string.h>

#include "vgg/device.h"

static const char *const devices[] = {
    [VGG_DEVICE_CPU] = "cpu", [VGG_DEVICE_CUDA] = "cuda", [VGG_DEVICE_AUTO] = "auto"};
static const char *const precisions[] = {[VGG_PRECISION_F32] = "f32",
                                         [VGG_PRECISION_BF16] = "bf16",
                                         [VGG_PRECISION_TF32] = "tf32",
                                         [VGG_PRECISION_F16] = "f16"};

#define DEVICES (sizeof devices / sizeof *devices)
#define PRECISIONS (sizeof precisions / sizeof *precisions)

/* The place of a name; 0, what is used unless something else is asked for, when there is none. */
static size_t find(const char *const *names, size_t count, const char *name) {
    for (size_t i = 0; name != NULL && i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return 0;
}

const char *vgg_device_name(vgg_device_kind kind) {
    return (size_t)kind < DEVICES ? devices[kind] : NULL;
}

vgg_device_kind vgg_device_named(const char *name) {
    return (vgg_device_kind)find(devices, DEVICES, name);
}

const char *vgg_precision_name(vgg_precision precision) {
    return (size_t)precision < PRECISIONS ? precisions[precision] : NULL;
}

vgg_precision vgg_precision_named(const char *name) {
    return (vgg_precision)find(precisions, PRECISIONS, name);
}
