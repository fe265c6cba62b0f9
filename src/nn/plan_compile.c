/* From the graph of a network to what this processor does. */

#include "nn/compiler.h"
#include "nn/cpu.h"

vgg_status vgg_cpu_compile(vgg_plan *plan, const vgg_graph *graph, vgg_error *error) {
    /* Two more ops may go in front of each; an op has at most ten buffers, and the plan eight of
     * its own. */
    size_t ops = 3 * graph->count + 2;
    vgg_status status = vgg_compiler_allocate(plan, ops, 10 * ops + 8, error);
    if (status == VGG_OK)
        status = vgg_kernels_get(&plan->kernels, error);
    if (status != VGG_OK)
        return status;
    plan_compiler compiler = {.plan = plan, .places = 1};
    plan->input = compiler.current = vgg_compiler_add_caller_buffer(&compiler);
    vgg_compile_forward(&compiler, graph);
    plan->lowest = vgg_compiler_lowest(plan);
    vgg_plan_find_taps(plan);
    plan->logits = VGG_NO_BUFFER;
    if (!plan->options.ends_at_taps) {
        plan->logits = compiler.current;
        plan->buffers[plan->logits].offset = SIZE_MAX;
    }
    if (plan->options.gradients)
        vgg_compile_backward(&compiler);
    vgg_compile_maps(plan);
    return vgg_compile_lives(&compiler, error);
}
