/* Plans on the double of a device, for tests. */
#ifndef VGG_TESTS_GPU_PLANS_H
#define VGG_TESTS_GPU_PLANS_H

#include "double.h"
#include "nn/gpu/plugin.h"
#include "nn/gpu/pool.h"
#include "plans.h"

#define BATCH 3
#define CLASSES 5
#define SIDE 8
#define LOGITS (BATCH * CLASSES)

static inline vgg_network *net_of(const char *words) {
    vgg_network *network = small_net(words, CLASSES, 3, SIDE);
    initialise(network, "kaiming", 7);
    return network;
}

static inline vgg_plan_options gpu_options(vgg_precision precision) {
    vgg_plan_options options = plan_options(BATCH, 1);
    options.device = VGG_DEVICE_CUDA;
    options.precision = precision;
    return options;
}

static inline void assert_nothing_left(void) {
    vgg_gpu_pool_clear();
    assert_int_equal(vgg_double_blocks(), 0);
    assert_int_equal(vgg_double_things(), 0);
}

#endif
