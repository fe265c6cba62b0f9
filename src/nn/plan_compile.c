/* From a network to a plan. */

#include "base/error.h"
#include "base/memory.h"
#include "nn/compiler.h"

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

static vgg_status compile(vgg_plan *plan, const vgg_graph *graph, vgg_error *error) {
    vgg_status status = allocate_lists(plan, graph->count, error);
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

/* A network without a classifier ends before the pool that stands for one. */
static vgg_status check_end(const vgg_plan *plan, vgg_error *error) {
    const vgg_network *network = plan->network;
    size_t own = network->layer_count - (network->headless ? 2 : 0);
    if (vgg_plan_layers(plan) <= own)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "the network has no classifier: its file holds convolutions and no linear "
                    "layer, and its last layer is %s",
                    network->layers[own - 1].name);
}

vgg_status vgg_plan_compile(vgg_plan *plan, vgg_error *error) {
    const vgg_plan_options *options = &plan->options;
    vgg_status status = vgg_plan_take_taps(plan, error);
    if (status == VGG_OK)
        status = check_end(plan, error);
    if (status != VGG_OK)
        return status;
    vgg_graph_purpose purpose = {.height = options->height,
                                 .width = options->width,
                                 .drops = options->mode == VGG_MODE_TRAIN,
                                 .gradients = plan->options.gradients,
                                 .input_gradient = options->input_gradient,
                                 .layers = vgg_plan_layers(plan),
                                 .tapped = plan->tapped,
                                 .average_pools = options->average_pools,
                                 .dense = options->dense};
    vgg_graph graph;
    status = vgg_graph_make(plan->network, purpose, &graph, error);
    if (status == VGG_OK)
        status = compile(plan, &graph, error);
    vgg_free(graph.ops);
    return status;
}
