/* Which op of a plan is the first to put out values that are not finite, or far larger than what it
 * was given: for messages about a training that went wrong. */
#include <math.h>

#include "nn/ops.h"

/* The largest magnitude; infinite when a value is not finite. */
static double largest(const float *values, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        double size = fabs((double)values[i]);
        if (!(size <= (double)INFINITY) || isinf(size))
            return (double)INFINITY;
        most = size > most ? size : most;
    }
    return most;
}

vgg_blown vgg_plan_find_blown(vgg_plan *plan, size_t first, const float *values, size_t count,
                              float *logits) {
    vgg_blown found = {.layer = VGG_NO_LAYER};
    double before = largest(values, count * vgg_plan_values_at(plan, first));
    double growth = 0;
    plan->count = count;
    plan->ready = false;
    vgg_plan_take_values(plan, first, values);
    plan->caller[plan->logits] = logits;
    for (size_t s = first; s < plan->op_count; s++) {
        const vgg_cpu_op *op = &plan->ops[s];
        vgg_op_forward(plan, op);
        double most = largest(vgg_plan_buffer(plan, op->y), count * vgg_op_outputs(op));
        bool grows = before > 0 && most / before > growth;
        if (op->graph.layer != VGG_NO_LAYER && (isinf(most) || grows)) {
            growth = most / before;
            found = (vgg_blown){.layer = op->graph.layer, .most = most};
        }
        if (isinf(most))
            break;
        before = most;
    }
    return found;
}
