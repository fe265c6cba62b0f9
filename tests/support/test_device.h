/* The device that tests of plans run on: VGG_TEST_DEVICE in the environment, or the processor. */
#ifndef TEST_DEVICE_H
#define TEST_DEVICE_H

#include <stdlib.h>

#include "vgg/device.h"

static inline vgg_device_kind test_device(void) {
    const char *name = getenv("VGG_TEST_DEVICE");
    return name == NULL ? VGG_DEVICE_CPU : vgg_device_named(name);
}

#endif
