/* What a GPU needs for the backward pass. */
#include "nn/gpu/gpu.h"

/* Each in a pass over the gradient of what the ReLU gave. */
static void place_masks(vgg_plan *plan) {
    for (size_t s = plan->lowest; s < plan->op_count; s++) {
        vgg_planned_op *last = vgg_compiler_relu_end(plan, &plan->ops[s]);
        if (last != NULL)
            last->mask = true;
    }
}

static size_t make_conv(plan_compiler *compiler, vgg_planned_op *op, vgg_gpu_pass pass) {
    size_t workspace = vgg_gpu_make_conv(compiler->plan, op, pass);
    if (pass != VGG_GPU_FILTER)
        return workspace;
    vgg_gpu_conv_shape shape = vgg_gpu_shape_of(compiler->plan, op, pass);
    size_t floats =
        vgg_compiler_product(compiler, shape.outputs * shape.kernel * shape.kernel, shape.inputs);
    op->partial =
        vgg_compiler_add_buffer(compiler, vgg_compiler_product(compiler, floats, sizeof(float)));
    return workspace;
}

static void add_convolution(plan_compiler *compiler, vgg_planned_op *op) {
    size_t workspace = 0;
    if (op->graph.trains)
        workspace = make_conv(compiler, op, VGG_GPU_FILTER);
    if (op->graph.need_dx)
        workspace = vgg_size_max(workspace, make_conv(compiler, op, VGG_GPU_DATA));
    op->back_scratch = vgg_compiler_add_buffer(compiler, workspace);
}

/* The gradient of a linear layer's weights, from so many rows. */
static vgg_gpu_product_shape weights_shape(const gpu_state *state, const vgg_op *op, size_t rows) {
    return (vgg_gpu_product_shape){.precision = state->precision,
                                   .rows = op->out.channels,
                                   .columns = op->in.channels,
                                   .depth = rows,
                                   .turned_a = true,
                                   .a_stride = vgg_gpu_lanes(op->out.channels),
                                   .b_stride = vgg_gpu_lanes(op->in.channels),
                                   .c_stride = op->in.channels,
                                   .wide = true};
}

static void add_linear(plan_compiler *compiler, vgg_planned_op *op) {
    vgg_plan *plan = compiler->plan;
    gpu_state *state = vgg_gpu_state(plan);
    gpu_op *own = vgg_gpu_op_of(plan, op);
    size_t weights = 0, data = 0;
    if (op->graph.trains && !plan->options.defer_linear) {
        vgg_gpu_product_shape shape = weights_shape(state, &op->graph, plan->options.batch);
        vgg_gpu_note(state,
                     state->calls->product_make(state->gpu, &shape, &own->weights, &weights));
    }
    if (op->graph.need_dx) {
        size_t lanes = vgg_gpu_lanes(op->graph.in.channels);
        const vgg_gpu_product_shape shape = {.precision = state->precision,
                                             .rows = plan->options.batch,
                                             .columns = lanes,
                                             .depth = op->graph.out.channels,
                                             .a_stride = vgg_gpu_lanes(op->graph.out.channels),
                                             .b_stride = lanes,
                                             .c_stride = lanes};
        vgg_gpu_note(state, state->calls->product_make(state->gpu, &shape, &own->data, &data));
    }
    own->back_workspace = vgg_size_max(weights, data);
    op->back_scratch = vgg_compiler_add_buffer(compiler, own->back_workspace);
}

/* Whether the gradient of the input may take the place of that of the output. */
static bool works_in_place(const vgg_planned_op *op) {
    return op->graph.kind == VGG_OP_BATCH_NORM || op->graph.kind == VGG_OP_RELU ||
           op->graph.kind == VGG_OP_DROPOUT;
}

static void add_gradient_buffers(plan_compiler *compiler, vgg_planned_op *op, size_t dy) {
    op->dy = dy;
    if (op->graph.kind == VGG_OP_CONVOLUTION)
        add_convolution(compiler, op);
    if (op->graph.kind == VGG_OP_LINEAR)
        add_linear(compiler, op);
    if (!op->graph.need_dx || op == compiler->plan->ops)
        return; /* the gradient of the input goes to the host by way of the staging buffer */
    op->dx = works_in_place(op)
                 ? dy
                 : vgg_gpu_add_map(compiler, op->graph.in, vgg_gpu_state(compiler->plan)->element);
}

/* ---- deferred linear layers ---- */

/* Room for the rows of all images of a step, and for those of a batch behind the last, since a pass
 * writes as many as the plan has. */
static void keep_rows(plan_compiler *compiler, size_t buffer, size_t features) {
    vgg_plan *plan = compiler->plan;
    vgg_buffer *b = &plan->buffers[buffer];
    size_t images = vgg_plan_step_images(plan) + plan->options.batch;
    b->row = vgg_compiler_product(compiler, vgg_gpu_lanes(features),
                                  vgg_gpu_element_bytes(vgg_gpu_state(plan)->element));
    b->bytes = vgg_compiler_product(compiler, b->row, images);
}

/* The gradient of one layer at a time lies in a buffer of its own. */
static void defer_linear(plan_compiler *compiler) {
    vgg_plan *plan = compiler->plan;
    gpu_state *state = vgg_gpu_state(plan);
    size_t most = 0;
    for (size_t s = plan->lowest; s < plan->op_count; s++) {
        const vgg_planned_op *op = &plan->ops[s];
        if (op->graph.kind != VGG_OP_LINEAR)
            continue;
        keep_rows(compiler, op->x, op->graph.in.channels);
        keep_rows(compiler, op->dy, op->graph.out.channels);
        if (!op->graph.trains)
            continue;
        vgg_gpu_product_shape shape = weights_shape(state, &op->graph, vgg_plan_step_images(plan));
        size_t workspace = 0;
        vgg_gpu_note(
            state, state->calls->product_make(state->gpu, &shape, &state->updates[s], &workspace));
        size_t floats = vgg_compiler_product(compiler, shape.rows, shape.columns);
        most = vgg_size_max(most, vgg_round_up(floats + shape.rows, VGG_BLOCK));
        state->update_workspace = vgg_size_max(state->update_workspace, workspace);
    }
    state->update_workspace = vgg_round_up(state->update_workspace, VGG_ALIGNMENT);
    size_t bytes = vgg_compiler_product(compiler, most, sizeof(float)) + state->update_workspace;
    state->update = plan->x_panels = vgg_compiler_add_buffer(compiler, bytes);
    plan->dy_panels = VGG_NO_BUFFER;
}

void vgg_gpu_compile_backward(plan_compiler *compiler) {
    vgg_plan *plan = compiler->plan;
    const vgg_planned_op *top = &plan->ops[plan->op_count - 1];
    size_t dy = vgg_gpu_add_map(compiler, top->graph.out, vgg_gpu_state(plan)->element);
    plan->logits_gradient = plan->kept_gradient = dy;
    plan->input_gradient = VGG_NO_BUFFER;
    for (size_t s = plan->op_count; s-- > plan->lowest;) {
        add_gradient_buffers(compiler, &plan->ops[s], dy);
        dy = plan->ops[s].dx;
    }
    place_masks(plan);
    if (plan->options.defer_linear)
        defer_linear(compiler);
    vgg_compiler_place_gradients(plan);
}
