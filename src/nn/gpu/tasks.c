/* Tasks of ops that are the same forward and backward but for what is read and written. */
#include <math.h>

#include "base/random.h"
#include "nn/definition.h"
#include "nn/gpu/gpu.h"
#include "nn/ops.h"

vgg_gpu_pool_task vgg_gpu_pool_task_of(const vgg_plan *plan, const vgg_planned_op *op) {
    return (vgg_gpu_pool_task){.images = plan->count,
                               .channels = op->graph.in.channels,
                               .height = op->graph.in.height,
                               .width = op->graph.in.width,
                               .out_height = op->graph.out.height,
                               .out_width = op->graph.out.width,
                               .x = vgg_plan_buffer(plan, op->x),
                               .chosen = vgg_plan_buffer(plan, op->chosen),
                               .element = vgg_gpu_state(plan)->element};
}

vgg_gpu_lrn_task vgg_gpu_lrn_task_of(const vgg_plan *plan, const vgg_planned_op *op) {
    return (vgg_gpu_lrn_task){.images = plan->count,
                              .channels = op->graph.in.channels,
                              .pixels = vgg_extent_pixels(op->graph.in),
                              .x = vgg_plan_buffer(plan, op->x),
                              .element = vgg_gpu_state(plan)->element,
                              .k = (float)VGG_LRN_K,
                              .alpha = (float)VGG_LRN_ALPHA};
}

vgg_gpu_flatten_task vgg_gpu_flatten_task_of(const vgg_plan *plan, const vgg_planned_op *op) {
    return (vgg_gpu_flatten_task){.images = plan->count,
                                  .channels = op->graph.in.channels,
                                  .pixels = vgg_extent_pixels(op->graph.in),
                                  .element = vgg_gpu_state(plan)->element};
}

/* What the processor's dropout draws (nn/op_elementwise.c), whose numbers count the values of its
 * own layout. */
vgg_gpu_dropout vgg_gpu_dropout_of(const vgg_plan *plan, const vgg_planned_op *op) {
    if (!vgg_op_drops(plan, op))
        return (vgg_gpu_dropout){.kept = 1};
    return (vgg_gpu_dropout){
        .first = (uint64_t)(plan->first + plan->done) * vgg_op_outputs(op),
        .seed = vgg_random_u64(plan->dropout_seed, plan->dropout_step, op->graph.layer),
        .stream = op->graph.layer,
        .bound = (uint64_t)ceil(op->graph.dropout * 0x1p53),
        .kept = (float)(1.0 / (1.0 - op->graph.dropout)),
        .blocked = !op->rows};
}

vgg_gpu_dropout_task vgg_gpu_dropout_task_of(vgg_plan *plan, const vgg_planned_op *op, size_t from,
                                             size_t to) {
    return (vgg_gpu_dropout_task){.images = vgg_op_images(plan, op),
                                  .channels = op->graph.out.channels,
                                  .pixels = vgg_extent_pixels(op->graph.out),
                                  .from = vgg_plan_buffer(plan, from),
                                  .to = vgg_plan_buffer(plan, to),
                                  .element = vgg_gpu_state(plan)->element,
                                  .dropout = vgg_gpu_dropout_of(plan, op)};
}
