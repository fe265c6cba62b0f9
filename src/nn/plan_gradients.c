/* What the ops need for the backward pass: buffers of gradients, and where gradients are kept. */
#include "base/memory.h"
#include "nn/compiler.h"

/* Where the derivative of each ReLU is taken: by the convolution above it while it writes the
 * gradient of its input, which is what the ReLU gave; where there is none that can, in a pass over
 * that gradient. A max-pool's is zero where it did not choose. Where somebody looks at the gradient
 * of what the ReLU gave, it has to be there before the derivative is taken. */
static void place_masks(vgg_plan *plan) {
    for (size_t s = plan->lowest; s < plan->op_count; s++) {
        vgg_planned_op *last = vgg_compiler_relu_end(plan, &plan->ops[s]);
        if (last == NULL)
            continue;
        vgg_planned_op *above = last + 1;
        bool whole = last->graph.tapped || plan->options.guided;
        if (last->viewed)
            continue;
        if (!whole && above < plan->ops + plan->op_count &&
            above->graph.kind == VGG_OP_CONVOLUTION && above->back_tile > 0)
            above->gate = true;
        else
            last->mask = true;
    }
}

/* Memory of the convolution that carries gradients back; returns floats of scratch per worker. */
static size_t reserve_turned(plan_compiler *compiler, vgg_planned_op *op) {
    vgg_plan *plan = compiler->plan;
    vgg_conv_shape shape = vgg_op_turned_shape(op, plan->options.batch);
    op->to_picture = op->plain && shape.outputs <= VGG_PICTURE_CHANNELS;
    if (op->to_picture) {
        op->packed_turned =
            vgg_compiler_add_constants(compiler, vgg_conv_picture_packed_size(&shape));
        return 0;
    }
    op->back_tile =
        plan->options.exact ? 0 : vgg_conv_fastest_tile(vgg_compiler_costs(plan), &shape);
    if (op->back_tile == 0) {
        op->packed_turned = vgg_compiler_add_constants(compiler, vgg_conv_packed_size(&shape));
        return vgg_conv_forward_partition(&shape).scratch;
    }
    vgg_winograd_partition cut = vgg_op_turned_partition(plan, op, &shape);
    op->packed_turned = vgg_compiler_add_constants(compiler, cut.filters);
    return cut.scratch;
}

/* Memory of the gradient of a convolution's weights; returns floats of scratch per worker. */
static size_t reserve_weights(plan_compiler *compiler, vgg_planned_op *op) {
    vgg_plan *plan = compiler->plan;
    vgg_conv_shape shape = vgg_op_conv_shape(op, plan->options.batch);
    op->weights_tile =
        plan->options.exact ? 0 : vgg_conv_weights_fastest_tile(vgg_compiler_costs(plan), &shape);
    size_t floats, scratch;
    if (op->weights_tile > 0) {
        vgg_winograd_weights_partition cut = vgg_op_weights_partition(plan, op, &shape);
        floats = cut.sums + cut.bias_sums;
        scratch = cut.scratch;
    } else {
        size_t lanes = vgg_round_up(shape.outputs, VGG_BLOCK);
        floats = vgg_compiler_product(compiler, vgg_conv_weights_partial(&shape) + lanes,
                                      vgg_conv_weights_groups(&shape));
        scratch = vgg_conv_weights_scratch(&shape);
    }
    op->partial =
        vgg_compiler_add_buffer(compiler, vgg_compiler_product(compiler, floats, sizeof(float)));
    return scratch;
}

/* The backward pass to the input of a linear layer reads floats; training makes them in the network
 * itself. */
static void widen_weights(plan_compiler *compiler, vgg_planned_op *op) {
    const vgg_tensor *weight = vgg_plan_tensor(compiler->plan, op, VGG_TENSOR_WEIGHT);
    if (compiler->plan->options.mode == VGG_MODE_EVAL && weight->narrow.at != NULL)
        op->widened = vgg_compiler_add_constants(compiler, weight->info.count);
}

/* Whether the gradient of the input may take the place of that of the output. */
static bool works_in_place(const vgg_planned_op *op) {
    return (op->graph.kind == VGG_OP_BATCH_NORM && !op->graph.pool) ||
           op->graph.kind == VGG_OP_RELU || op->graph.kind == VGG_OP_DROPOUT;
}

static void add_gradient_buffers(plan_compiler *compiler, vgg_planned_op *op, size_t dy) {
    vgg_plan *plan = compiler->plan;
    bool first = op == plan->ops;
    op->dy = dy;
    if (op->graph.kind == VGG_OP_CONVOLUTION) {
        size_t scratch = op->graph.trains ? reserve_weights(compiler, op) : 0;
        if (op->graph.need_dx)
            scratch = vgg_size_max(scratch, reserve_turned(compiler, op));
        op->back_scratch = vgg_compiler_add_worker_scratch(compiler, scratch);
    }
    if (!op->graph.need_dx)
        return;
    if (op->graph.kind == VGG_OP_LINEAR)
        widen_weights(compiler, op);
    if (first) {
        op->dx = plan->input_gradient;
        if (op->graph.kind == VGG_OP_CONVOLUTION && !op->to_picture)
            op->blocked_dx = vgg_compiler_add_values(compiler, op->graph.in, FORM_BLOCKED);
    } else if (works_in_place(op)) {
        op->dx = dy;
    } else {
        op->dx = vgg_compiler_add_values(compiler, op->graph.in,
                                         op->reads_rows ? FORM_ROWS : FORM_BLOCKED);
    }
}

/* Gives a buffer of rows room for all images of a step. */
static void keep_rows(plan_compiler *compiler, size_t buffer, size_t features) {
    vgg_buffer *b = &compiler->plan->buffers[buffer];
    b->row = vgg_compiler_product(compiler, features, sizeof(float));
    b->bytes = vgg_compiler_product(compiler, b->row, vgg_plan_step_images(compiler->plan));
}

static size_t add_panels(plan_compiler *compiler, size_t columns, size_t width) {
    size_t floats = vgg_compiler_product(compiler, vgg_round_up(columns, width),
                                         vgg_plan_step_images(compiler->plan));
    return vgg_compiler_add_buffer(compiler, vgg_compiler_product(compiler, floats, sizeof(float)));
}

/* Deferred linear layers: what their gradients follow from lasts until the update, which arranges
 * it in panels for one layer at a time. */
static void defer_linear(plan_compiler *compiler) {
    vgg_plan *plan = compiler->plan;
    size_t inputs = 0, outputs = 0;
    for (size_t s = plan->lowest; s < plan->op_count; s++) {
        const vgg_planned_op *op = &plan->ops[s];
        if (op->graph.kind != VGG_OP_LINEAR)
            continue;
        keep_rows(compiler, op->x, op->graph.in.channels);
        keep_rows(compiler, op->dy, op->graph.out.channels);
        inputs = vgg_size_max(inputs, op->graph.in.channels);
        outputs = vgg_size_max(outputs, op->graph.out.channels);
    }
    plan->x_panels = add_panels(compiler, inputs, VGG_LINEAR_X);
    plan->dy_panels = add_panels(compiler, outputs, VGG_LINEAR_DY);
}

void vgg_compile_backward(plan_compiler *compiler) {
    vgg_plan *plan = compiler->plan;
    plan->logits_gradient = vgg_compiler_add_caller_buffer(compiler);
    plan->input_gradient = vgg_compiler_add_caller_buffer(compiler);
    size_t dy = plan->logits_gradient;
    const vgg_planned_op *top = &plan->ops[plan->op_count - 1];
    if (plan->options.defer_linear)
        dy = plan->kept_gradient = vgg_compiler_add_buffer(compiler, 0);
    else if (plan->options.tap_count > 0)
        dy =
            vgg_compiler_add_values(compiler, top->graph.out, top->rows ? FORM_ROWS : FORM_BLOCKED);
    for (size_t s = plan->op_count; s-- > plan->lowest;) {
        add_gradient_buffers(compiler, &plan->ops[s], dy);
        dy = plan->ops[s].dx;
    }
    place_masks(plan);
    if (plan->options.defer_linear)
        defer_linear(compiler);
    vgg_compiler_place_gradients(plan);
}
