/* From steps to those of the backward pass: buffers of gradients, and where gradients are kept. */
#include "base/memory.h"
#include "nn/compiler.h"

/* Where the derivative of each ReLU is taken: by the convolution above it while it writes the
 * gradient of its input, which is what the ReLU gave; where there is none that can, in a pass over
 * that gradient. A max-pool in between passes signs on, and the gradient is zero where it did not
 * choose. Batch norm finds the sign from its input. */
static void place_masks(vgg_plan *plan) {
    for (size_t s = plan->lowest_step; s < plan->step_count; s++) {
        vgg_step *step = &plan->steps[s];
        if (!step->relu || step->kind == VGG_STEP_BATCH_NORM)
            continue;
        bool pooled = s + 1 < plan->step_count && step[1].kind == VGG_STEP_MAX_POOL;
        vgg_step *last = pooled ? step + 1 : step, *above = last + 1;
        if (above < plan->steps + plan->step_count && above->kind == VGG_STEP_CONVOLUTION &&
            above->back_tile > 0)
            above->gate = true;
        else
            last->mask = true;
    }
}

/* Memory of the convolution that carries gradients back; returns floats of scratch per worker. */
static size_t reserve_turned(plan_compiler *compiler, vgg_step *step) {
    vgg_plan *plan = compiler->plan;
    vgg_conv_shape shape = vgg_step_turned_shape(step, plan->network, plan->options.batch);
    step->back_tile = plan->options.exact ? 0 : vgg_conv_fastest_tile(&shape);
    if (step->back_tile == 0) {
        step->packed_turned = vgg_compiler_add_constants(compiler, vgg_conv_packed_size(&shape));
        return vgg_conv_forward_partition(&shape).scratch;
    }
    vgg_winograd_partition cut =
        vgg_winograd_partition_of(&shape, step->back_tile, plan->options.threads);
    step->packed_turned = vgg_compiler_add_constants(compiler, cut.filters);
    return cut.scratch;
}

/* Memory of the gradient of a convolution's weights; returns floats of scratch per worker. */
static size_t reserve_weights(plan_compiler *compiler, vgg_step *step) {
    vgg_plan *plan = compiler->plan;
    vgg_conv_shape shape = vgg_step_conv_shape(step, plan->network, plan->options.batch);
    step->weights_tile = plan->options.exact ? 0 : vgg_conv_weights_fastest_tile(&shape);
    size_t floats, scratch;
    if (step->weights_tile > 0) {
        vgg_winograd_weights_partition cut =
            vgg_winograd_weights_partition_of(&shape, step->weights_tile);
        floats = cut.sums + cut.bias_sums;
        scratch = cut.scratch;
    } else {
        size_t lanes = vgg_round_up(shape.outputs, VGG_BLOCK);
        floats = vgg_compiler_product(compiler, vgg_conv_weights_partial(&shape) + lanes,
                                      vgg_conv_weights_groups(&shape));
        scratch = vgg_conv_weights_scratch(&shape);
    }
    step->partial =
        vgg_compiler_add_buffer(compiler, vgg_compiler_product(compiler, floats, sizeof(float)));
    return scratch;
}

static void add_gradient_buffers(plan_compiler *compiler, vgg_step *step, size_t dy) {
    vgg_plan *plan = compiler->plan;
    bool first = step == plan->steps;
    step->dy = dy;
    step->need_dx = step > plan->steps + plan->lowest_step || plan->options.input_gradient;
    if (step->kind == VGG_STEP_CONVOLUTION) {
        size_t scratch = vgg_plan_trains(plan, step) ? reserve_weights(compiler, step) : 0;
        if (step->need_dx)
            scratch = vgg_size_max(scratch, reserve_turned(compiler, step));
        step->back_scratch = vgg_compiler_add_worker_scratch(compiler, scratch);
    }
    if (!step->need_dx)
        return;
    if (first) {
        step->dx = plan->input_gradient;
        if (step->kind == VGG_STEP_CONVOLUTION)
            step->blocked_dx = vgg_compiler_add_values(compiler, step->in, FORM_BLOCKED);
    } else if (step->kind == VGG_STEP_BATCH_NORM && !step->pool) {
        step->dx = dy; /* in place */
    } else {
        bool rows = step->kind == VGG_STEP_LINEAR;
        step->dx = vgg_compiler_add_values(compiler, step->in, rows ? FORM_ROWS : FORM_BLOCKED);
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
    for (size_t s = plan->lowest_step; s < plan->step_count; s++) {
        const vgg_step *step = &plan->steps[s];
        if (step->kind != VGG_STEP_LINEAR)
            continue;
        keep_rows(compiler, step->x, step->in.channels);
        keep_rows(compiler, step->dy, step->out.channels);
        inputs = vgg_size_max(inputs, step->in.channels);
        outputs = vgg_size_max(outputs, step->out.channels);
    }
    plan->x_panels = add_panels(compiler, inputs, VGG_LINEAR_X);
    plan->dy_panels = add_panels(compiler, outputs, VGG_LINEAR_DY);
}

/* Every tensor that is trained has a gradient, but those of deferred linear layers and of frozen
 * ones. */
static void place_gradients(vgg_plan *plan) {
    const vgg_network *network = plan->network;
    for (size_t l = 0; l < network->layer_count; l++) {
        const vgg_layer *layer = &network->layers[l];
        bool deferred = plan->options.defer_linear && layer->type == VGG_LAYER_LINEAR;
        for (size_t t = layer->first_tensor; t < layer->first_tensor + layer->tensors; t++) {
            const vgg_tensor_info *info = &network->tensors[t].info;
            bool has = info->trained && !deferred && !layer->frozen;
            plan->gradient_offsets[t] = has ? plan->gradient_count : SIZE_MAX;
            plan->gradient_count += has ? vgg_round_up(info->count, VGG_BLOCK) : 0;
        }
    }
}

void vgg_compile_backward(plan_compiler *compiler) {
    vgg_plan *plan = compiler->plan;
    plan->logits_gradient = vgg_compiler_add_caller_buffer(compiler);
    plan->input_gradient = vgg_compiler_add_caller_buffer(compiler);
    size_t dy = plan->logits_gradient;
    if (plan->options.defer_linear)
        dy = plan->kept_gradient = vgg_compiler_add_buffer(compiler, 0);
    for (size_t s = plan->step_count; s-- > plan->lowest_step;) {
        add_gradient_buffers(compiler, &plan->steps[s], dy);
        dy = plan->steps[s].dx;
    }
    place_masks(plan);
    if (plan->options.defer_linear)
        defer_linear(compiler);
    place_gradients(plan);
}
