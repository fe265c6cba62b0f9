/* When each buffer is in use, and where all lie. */
#include "base/error.h"
#include "base/memory.h"
#include "nn/compiler.h"

/* Whether the op needs its input again in the backward pass. */
static bool keeps_x(const vgg_planned_op *op) {
    bool multiplies = op->graph.kind == VGG_OP_CONVOLUTION || op->graph.kind == VGG_OP_LINEAR;
    return (multiplies && op->graph.trains) || op->gate || op->graph.kind == VGG_OP_BATCH_NORM ||
           op->graph.kind == VGG_OP_LRN || op->graph.kind == VGG_OP_GLOBAL_MAX;
}

/* And its output. */
static bool keeps_y(const vgg_planned_op *op) {
    return op->mask || op->graph.kind == VGG_OP_GLOBAL_MAX;
}

static void use(vgg_plan *plan, size_t buffer, size_t moment) {
    if (buffer == VGG_NO_BUFFER)
        return;
    vgg_buffer *b = &plan->buffers[buffer];
    b->first = vgg_size_min(b->first, moment);
    b->last = vgg_size_max(b->last, moment);
}

/* What the update of deferred linear layers reads lives from the first pass of a step to the update
 * after the last. */
static void find_kept_lives(vgg_plan *plan) {
    size_t update = 2 * plan->op_count;
    for (size_t i = 0; i < plan->buffer_count; i++) {
        if (plan->buffers[i].row == 0)
            continue;
        use(plan, i, 0);
        use(plan, i, update);
    }
    use(plan, plan->x_panels, update);
    use(plan, plan->dy_panels, update);
}

static void find_lives(vgg_plan *plan) {
    for (size_t s = 0; s < plan->op_count; s++) {
        const vgg_planned_op *op = &plan->ops[s];
        size_t early = op->pool_viewed ? s - 1 : s;
        use(plan, op->x, s);
        use(plan, op->y, early);
        use(plan, op->chosen, early);
        use(plan, op->scratch, s);
        use(plan, op->transformed, s);
        if (!plan->options.gradients || s < plan->lowest)
            continue;
        size_t back = 2 * plan->op_count - 1 - s, whole = back + (op->pool_viewed ? 1 : 0);
        use(plan, op->dy, whole);
        use(plan, op->chosen, whole);
        const size_t used[] = {op->dy,
                               op->dx,
                               op->chosen,
                               op->back_scratch,
                               op->partial,
                               op->blocked_dx,
                               keeps_x(op) ? op->x : VGG_NO_BUFFER,
                               keeps_y(op) ? op->y : VGG_NO_BUFFER};
        for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
            use(plan, used[i], back);
        }
    }
    if (plan->options.defer_linear)
        find_kept_lives(plan);
}

static vgg_status fail_size(const vgg_plan *plan, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_MEMORY,
                    "an input of %zux%zu in batches of %zu needs more memory than a processor can "
                    "address",
                    plan->options.height, plan->options.width, plan->options.batch);
}

vgg_status vgg_compile_lives(plan_compiler *compiler, vgg_error *error) {
    vgg_plan *plan = compiler->plan;
    find_lives(plan);
    size_t sum = 0;
    for (size_t i = 0; i < plan->buffer_count; i++) {
        if (!vgg_size_add(sum, plan->buffers[i].bytes, &sum))
            compiler->overflow = true;
    }
    plan->arena_bytes =
        compiler->overflow ? SIZE_MAX : vgg_arena_place(plan->buffers, plan->buffer_count);
    return plan->arena_bytes == SIZE_MAX ? fail_size(plan, error) : VGG_OK;
}
