/* Plans of small networks, and inputs for them. */
#ifndef PLANS_H
#define PLANS_H

#include <stdlib.h>

#include "base/random.h"
#include "nets.h"
#include "plan_modes.h"
#include "test_device.h"
#include "vgg/plan.h"

static inline vgg_plan_options plan_options(size_t batch, size_t threads) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = batch;
    options.threads = threads;
    options.device = test_device();
    return options;
}

static inline vgg_plan *make_plan(vgg_network *network, const vgg_plan_options *options) {
    vgg_plan *plan = NULL;
    vgg_error error;
    assert_ok(create_plan(network, options, &plan, &error), error);
    return plan;
}

/* Values in [-1, 1). */
static inline float *random_floats(size_t count, uint64_t seed) {
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) {
        values[i] = (float)(2 * vgg_random_unit(seed, 0, i) - 1);
    }
    return values;
}

#endif
