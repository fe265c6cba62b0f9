/* From the graph of a network to what this processor does. */

#include "base/error.h"
#include "base/memory.h"
#include "nn/compiler.h"
#include "nn/cpu.h"

static vgg_status allocate_lists(vgg_plan *plan, size_t graph_ops, vgg_error *error) {
    /* Two more ops may go in front of each; an op has at most ten buffers, and the plan eight of
     * its own. */
    size_t ops = 3 * graph_ops + 2, buffers = 10 * ops + 8;
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

static size_t lowest_op(const vgg_plan *plan) {
    size_t lowest = 0;
    while (lowest < plan->op_count && !plan->ops[lowest].graph.reached) {
        lowest++;
    }
    return lowest;
}

vgg_status vgg_cpu_compile(vgg_plan *plan, const vgg_graph *graph, vgg_error *error) {
    vgg_status status = allocate_lists(plan, graph->count, error);
    if (status == VGG_OK)
        status = vgg_kernels_get(&plan->kernels, error);
    if (status != VGG_OK)
        return status;
    plan_compiler compiler = {.plan = plan, .places = 1};
    plan->input = compiler.current = vgg_compiler_add_caller_buffer(&compiler);
    vgg_compile_forward(&compiler, graph);
    plan->lowest = lowest_op(plan);
    vgg_plan_find_taps(plan);
    plan->logits = VGG_NO_BUFFER;
    if (!plan->options.ends_at_taps) {
        plan->logits = compiler.current;
        plan->buffers[plan->logits].offset = SIZE_MAX;
    }
    if (plan->options.gradients)
        vgg_compile_backward(&compiler);
    return vgg_compile_lives(&compiler, error);
}
