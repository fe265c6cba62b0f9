/* The part of a plan that gives the same for a picture however often it runs, and running without
 * it. */
#include <string.h>

#include "nn/device.h"
#include "nn/ops.h"

static bool trains(const vgg_plan *plan, size_t layer) {
    const vgg_network *network = plan->network;
    return layer != VGG_NO_LAYER && !network->layers[layer].frozen &&
           network->layers[layer].tensors > 0;
}

size_t vgg_plan_frozen_ops(const vgg_plan *plan) {
    size_t end = 0;
    for (; end < plan->op_count; end++) {
        const vgg_op *op = &plan->ops[end].graph;
        bool drops = plan->options.mode == VGG_MODE_TRAIN && op->dropout > 0;
        if (trains(plan, op->layer) || trains(plan, op->folded) || drops)
            break;
    }
    /* An op that only moves values, such as the caller's, saves nothing. */
    bool computes = false;
    for (size_t s = 0; s < end; s++) {
        computes = computes || plan->ops[s].graph.layer != VGG_NO_LAYER;
    }
    return computes && end < plan->op_count ? end : 0;
}

size_t vgg_plan_values_at(const vgg_plan *plan, size_t op) {
    const vgg_planned_op *at = &plan->ops[op];
    size_t channels = at->graph.in.channels;
    if (!at->reads_rows)
        channels = vgg_round_up(channels, plan->device->lanes);
    return channels * vgg_extent_pixels(at->graph.in);
}

void vgg_plan_take_values(vgg_plan *plan, size_t first, const float *values) {
    if (first == 0)
        plan->caller[plan->input] = (void *)(uintptr_t)values;
    else
        memcpy(vgg_plan_buffer(plan, plan->ops[first].x), values,
               plan->count * vgg_plan_values_at(plan, first) * sizeof *values);
}
