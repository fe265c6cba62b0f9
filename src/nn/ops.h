/* Running ops: each function fills in the argument struct of a kernel and hands it to the threads.
 * Nothing here takes memory. */
#ifndef VGG_NN_OPS_H
#define VGG_NN_OPS_H

#include "nn/plan.h"

/* One op of any kind. Backward notes the seconds that the weights' gradients took. */
void vgg_op_forward(vgg_plan *plan, const vgg_planned_op *op);
void vgg_op_backward(vgg_plan *plan, vgg_planned_op *op);

void vgg_op_convolution_forward(vgg_plan *plan, const vgg_planned_op *op);
void vgg_op_convolution_backward(vgg_plan *plan, vgg_planned_op *op);
/* The stored filters or packed weights of the forward pass, or (turned) of the one to the input. */
void vgg_op_pack(vgg_plan *plan, const vgg_planned_op *op, bool turned);

void vgg_op_norm_forward(vgg_plan *plan, const vgg_planned_op *op);
void vgg_op_norm_backward(vgg_plan *plan, const vgg_planned_op *op);
/* Scale and shift of the batch norm that is folded into a convolution. */
void vgg_op_fold_norm(vgg_plan *plan, const vgg_planned_op *op);

void vgg_op_relu_forward(vgg_plan *plan, const vgg_planned_op *op);
/* dy *= derivative of the ReLU; what dropout let pass was also rescaled by it. */
void vgg_op_mask(vgg_plan *plan, const vgg_planned_op *op);
/* Guided: dy below 0 becomes 0, where the op ends in a ReLU whose derivative it takes. */
void vgg_op_guide(vgg_plan *plan, const vgg_planned_op *op);
/* From x to y, of which `values` belong to an image: drops in VGG_MODE_TRAIN, else copies. x may be
 * y. */
void vgg_op_drop(vgg_plan *plan, const vgg_planned_op *op, size_t values, const float *x, float *y);
/* Values of an image of what an op puts out. */
size_t vgg_op_outputs(const vgg_planned_op *op);

void vgg_op_linear_forward(vgg_plan *plan, const vgg_planned_op *op);
void vgg_op_linear_backward(vgg_plan *plan, vgg_planned_op *op);
/* What the linear layers see at each place of a map, and the mean of what they say there. */
void vgg_op_windows(vgg_plan *plan, const vgg_planned_op *op);
void vgg_op_mean(vgg_plan *plan, const vgg_planned_op *op);

/* Whether batch norm uses the statistics of the batch, and moves the running ones towards them. */
static inline bool vgg_op_uses_batch(const vgg_plan *plan, const vgg_planned_op *op) {
    return plan->mode == VGG_MODE_TRAIN && op->graph.kind == VGG_OP_BATCH_NORM && op->graph.trains;
}

/* Whether dropout drops in this forward pass. */
static inline bool vgg_op_drops(const vgg_plan *plan, const vgg_planned_op *op) {
    return plan->mode == VGG_MODE_TRAIN && op->graph.dropout > 0;
}

/* Images of an op's kernel, which takes the rows of an image for images of their own. */
static inline size_t vgg_op_images(const vgg_plan *plan, const vgg_planned_op *op) {
    return plan->count * op->graph.places;
}

static inline size_t vgg_extent_pixels(vgg_extent extent) {
    return extent.height * extent.width;
}

/* Where the gradient of a tensor of an op's layer goes. */
static inline float *vgg_op_gradient(const vgg_plan *plan, const vgg_planned_op *op, size_t which) {
    size_t tensor = plan->network->layers[op->graph.layer].first_tensor + which;
    return plan->gradients_of + plan->gradient_offsets[tensor];
}

/* Values between plain (N, C, H, W) and blocked. */
static inline void vgg_op_move(vgg_plan *plan, const vgg_planned_op *op, vgg_extent extent,
                               vgg_work *kernel, const float *from, float *to) {
    vgg_block_task task = {.images = vgg_op_images(plan, op),
                           .channels = extent.channels,
                           .pixels = vgg_extent_pixels(extent),
                           .x = from,
                           .y = to};
    vgg_threads_run(plan->threads, task.images * vgg_blocks(task.channels), kernel, &task);
}

#endif
