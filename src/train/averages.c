/* Weights beside those that are trained: Lookahead's slow ones, and their average over the steps.
 * Running statistics go with them. */
#include "nn/device.h"
#include "train/optimiser.h"

/* All tensors of a copy, which are those of the layers that are trained. */
static void blend(const vgg_optimiser *optimiser, size_t copy, double keep, bool back) {
    vgg_plan *plan = optimiser->plan;
    for (size_t t = 0; t < optimiser->network->tensor_count; t++) {
        vgg_blend_task task = {.count = optimiser->network->tensors[t].info.count,
                               .kept = plan->device->place(plan, optimiser->copies[copy], t),
                               .values = plan->device->place(plan, optimiser->network, t),
                               .keep = (float)keep,
                               .take = (float)(1 - keep),
                               .back = back};
        if (task.kept != NULL)
            plan->device->blend(plan, &task);
    }
    vgg_optimiser_finish_updates(optimiser);
}

void vgg_averages_step(vgg_optimiser *optimiser) {
    const vgg_optimiser_options *options = &optimiser->options;
    if (optimiser->slow != VGG_NO_COPY && optimiser->steps % options->lookahead == 0) {
        double done = options->lookahead_ramp ? optimiser->done : 1;
        blend(optimiser, optimiser->slow, options->lookahead_keep * done * done * done, true);
    }
    if (optimiser->average != VGG_NO_COPY)
        blend(optimiser, optimiser->average, options->ema, false);
}

vgg_status vgg_optimiser_settle(const vgg_optimiser *optimiser, vgg_error *error) {
    vgg_status status = vgg_network_settle(optimiser->network, error);
    for (size_t k = 0; status == VGG_OK && k < VGG_COPIES_MAX; k++) {
        if (optimiser->copies[k] != NULL)
            status = vgg_network_settle(optimiser->copies[k], error);
    }
    return status;
}

vgg_status vgg_averages_swap(vgg_optimiser *optimiser, vgg_error *error) {
    if (optimiser->average == VGG_NO_COPY)
        return VGG_OK;
    vgg_status status = vgg_optimiser_settle(optimiser, error);
    if (status != VGG_OK)
        return status;
    for (size_t t = 0; t < optimiser->network->tensor_count; t++) {
        vgg_tensor *value = &optimiser->network->tensors[t];
        vgg_tensor *average = &optimiser->copies[optimiser->average]->tensors[t];
        if (average->owned == NULL)
            continue;
        void *owned = value->owned;
        value->owned = average->owned;
        value->values = average->owned;
        average->owned = owned;
        average->values = owned;
    }
    optimiser->copies[optimiser->average]->version++;
    vgg_network_forget_all_int8(optimiser->network);
    optimiser->network->version++;
    return VGG_OK;
}

void vgg_optimiser_begin(vgg_optimiser *optimiser) {
    if (optimiser->slow != VGG_NO_COPY)
        blend(optimiser, optimiser->slow, 0, false);
    if (optimiser->average != VGG_NO_COPY)
        blend(optimiser, optimiser->average, 0, false);
}
