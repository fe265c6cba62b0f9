/* Buffers, scratch and constants, with every size checked. */
#include "nn/compiler.h"

#include "base/error.h"
#include "base/memory.h"

vgg_status vgg_compiler_allocate(vgg_plan *plan, size_t ops, size_t buffers, vgg_error *error) {
    plan->ops = vgg_calloc(ops, sizeof *plan->ops);
    plan->buffers = vgg_calloc(buffers, sizeof *plan->buffers);
    plan->caller = vgg_calloc(buffers, sizeof *plan->caller);
    plan->gradient_offsets =
        vgg_calloc(plan->network->tensor_count, sizeof *plan->gradient_offsets);
    if (plan->ops == NULL || plan->buffers == NULL || plan->caller == NULL ||
        plan->gradient_offsets == NULL)
        return vgg_fail_memory(error, "the ops of a plan", buffers * sizeof *plan->buffers);
    return VGG_OK;
}

size_t vgg_compiler_lowest(const vgg_plan *plan) {
    size_t lowest = 0;
    while (lowest < plan->op_count && !plan->ops[lowest].graph.reached) {
        lowest++;
    }
    return lowest;
}

void vgg_compiler_place_gradients(vgg_plan *plan) {
    const vgg_network *network = plan->network;
    for (size_t l = 0; l < network->layer_count; l++) {
        const vgg_layer *layer = &network->layers[l];
        bool deferred = plan->options.defer_linear && layer->type == VGG_LAYER_LINEAR;
        for (size_t t = layer->first_tensor; t < layer->first_tensor + layer->tensors; t++) {
            const vgg_tensor_info *info = &network->tensors[t].info;
            bool has = info->learnable && !deferred && !layer->frozen;
            plan->gradient_offsets[t] = has ? plan->gradient_count : SIZE_MAX;
            plan->gradient_count += has ? vgg_round_up(info->count, VGG_BLOCK) : 0;
        }
    }
}

vgg_op vgg_compiler_moving(vgg_op_kind kind, const vgg_op *reader) {
    return (vgg_op){.kind = kind,
                    .layer = VGG_NO_LAYER,
                    .last = VGG_NO_LAYER,
                    .folded = VGG_NO_LAYER,
                    .in = reader->in,
                    .out = reader->in,
                    .places = reader->places,
                    .reached = reader->need_dx,
                    .need_dx = reader->need_dx};
}

vgg_planned_op *vgg_compiler_add_op(plan_compiler *compiler, const vgg_op *graph, value_form form,
                                    size_t y) {
    vgg_plan *plan = compiler->plan;
    vgg_planned_op *op = &plan->ops[plan->op_count++];
    *op = (vgg_planned_op){.graph = *graph,
                           .rows = form == FORM_ROWS,
                           .reads_rows = compiler->form != FORM_BLOCKED,
                           .x = compiler->current,
                           .y = y,
                           .y_numbers = VGG_NO_LAYER,
                           .dx = VGG_NO_BUFFER,
                           .dy = VGG_NO_BUFFER,
                           .chosen = VGG_NO_BUFFER,
                           .transformed = VGG_NO_BUFFER,
                           .scratch = VGG_NO_BUFFER,
                           .back_scratch = VGG_NO_BUFFER,
                           .partial = VGG_NO_BUFFER,
                           .blocked_dx = VGG_NO_BUFFER,
                           .widened = VGG_NO_CONSTANTS,
                           .rounded = VGG_NO_CONSTANTS};
    compiler->form = form;
    compiler->current = y;
    return op;
}

vgg_planned_op *vgg_compiler_relu_end(vgg_plan *plan, vgg_planned_op *op) {
    bool used = op->graph.need_dx || op->graph.trains;
    if (!op->graph.relu || op->graph.kind == VGG_OP_BATCH_NORM || !used)
        return NULL;
    bool pooled = op + 1 < plan->ops + plan->op_count && op[1].graph.kind == VGG_OP_MAX_POOL &&
                  !op->graph.tapped;
    return pooled ? op + 1 : op;
}

size_t vgg_compiler_product(plan_compiler *compiler, size_t a, size_t b) {
    size_t result = 0;
    if (!vgg_size_mul(a, b, &result) || result > SIZE_MAX / 64)
        compiler->overflow = true;
    return result;
}

size_t vgg_compiler_add_buffer(plan_compiler *compiler, size_t bytes) {
    vgg_plan *plan = compiler->plan;
    plan->buffers[plan->buffer_count] =
        (vgg_buffer){.bytes = bytes, .first = SIZE_MAX, .last = 0, .offset = 0};
    return plan->buffer_count++;
}

size_t vgg_compiler_add_caller_buffer(plan_compiler *compiler) {
    size_t buffer = vgg_compiler_add_buffer(compiler, 0);
    compiler->plan->buffers[buffer].offset = SIZE_MAX;
    return buffer;
}

size_t vgg_compiler_floats(plan_compiler *compiler, vgg_extent extent, value_form form) {
    size_t channels =
        form == FORM_BLOCKED ? vgg_round_up(extent.channels, VGG_BLOCK) : extent.channels;
    size_t pixels = vgg_compiler_product(compiler, extent.height, extent.width);
    size_t rows = vgg_compiler_product(compiler, compiler->plan->options.batch, compiler->places);
    return vgg_compiler_product(compiler, vgg_compiler_product(compiler, channels, pixels), rows);
}

size_t vgg_compiler_add_values(plan_compiler *compiler, vgg_extent extent, value_form form) {
    return vgg_compiler_add_buffer(
        compiler,
        vgg_compiler_product(compiler, vgg_compiler_floats(compiler, extent, form), sizeof(float)));
}

size_t vgg_compiler_add_constants(plan_compiler *compiler, size_t count) {
    vgg_plan *plan = compiler->plan;
    size_t offset = plan->constant_count;
    plan->constant_count += vgg_round_up(count, VGG_BLOCK);
    return offset;
}

size_t vgg_compiler_add_worker_scratch(plan_compiler *compiler, size_t floats) {
    size_t threads = compiler->plan->options.threads;
    return vgg_compiler_add_buffer(
        compiler, vgg_compiler_product(compiler, vgg_compiler_product(compiler, floats, threads),
                                       sizeof(float)));
}

const vgg_conv_costs *vgg_compiler_costs(const vgg_plan *plan) {
    return vgg_plan_is_bf16(plan) ? plan->kernels->bf16_costs : plan->kernels->costs;
}
