/* Passes on the processor: the ops of a plan one after the other, each timed. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "nn/cpu.h"
#include "nn/ops.h"

/* ---- forward ---- */

static void begin(vgg_plan *plan, const vgg_forward_pass *pass) {
    vgg_plan_take_values(plan, pass->first, pass->values);
    vgg_plan_place_taps(plan);
    if (pass->logits != NULL)
        plan->caller[plan->logits] = pass->logits;
}

vgg_status vgg_cpu_forward(vgg_plan *plan, const vgg_forward_pass *pass, vgg_error *error) {
    (void)error;
    begin(plan, pass);
    double begun = vgg_clock_seconds();
    for (size_t s = pass->first; s < pass->end; s++) {
        vgg_op_forward(plan, &plan->ops[s]);
        vgg_plan_give_taps(plan, s, pass->taps);
        double ended = vgg_clock_seconds();
        plan->ops[s].seconds = ended - begun;
        begun = ended;
    }
    if (pass->reached != NULL)
        memcpy(pass->reached, vgg_plan_buffer(plan, plan->ops[pass->end].x),
               plan->count * vgg_plan_values_at(plan, pass->end) * sizeof *pass->reached);
    return VGG_OK;
}

/* The largest magnitude of values, or of numbers where there are some; infinite when one is not
 * finite. */
static double largest(const float *values, const uint16_t *numbers, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        float value = 0;
        if (numbers == NULL)
            value = values[i];
        else
            vgg_elements_to_float(VGG_ELEMENT_BFLOAT16, (const unsigned char *)(numbers + i), 1,
                                  &value);
        double size = fabs((double)value);
        if (!(size <= (double)INFINITY) || isinf(size))
            return (double)INFINITY;
        most = size > most ? size : most;
    }
    return most;
}

vgg_blown vgg_cpu_find_blown(vgg_plan *plan, const vgg_forward_pass *pass) {
    vgg_blown found = {.layer = VGG_NO_LAYER};
    double before =
        largest(pass->values, NULL, plan->count * vgg_plan_values_at(plan, pass->first));
    double growth = 0;
    begin(plan, pass);
    for (size_t s = pass->first; s < pass->end; s++) {
        const vgg_planned_op *op = &plan->ops[s];
        vgg_op_forward(plan, op);
        double most = largest(vgg_plan_floats(plan, op->y), vgg_plan_numbers(plan, op->y),
                              plan->count * vgg_op_outputs(op));
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

/* ---- backward ---- */

static void backward_op(vgg_plan *plan, vgg_planned_op *op) {
    double begun = vgg_clock_seconds();
    op->weights_seconds = 0;
    vgg_op_backward(plan, op);
    op->data_seconds = vgg_clock_seconds() - begun - op->weights_seconds;
}

static void backward_taps(vgg_plan *plan, const vgg_tap_pass *pass, size_t first, size_t end) {
    bool started = pass->logits_gradient != NULL;
    if (started)
        vgg_plan_start_gradient(plan, pass->logits_gradient);
    for (size_t s = first + 1; s-- > end;) {
        started = vgg_plan_take_gradients(plan, s, pass->given, started);
        vgg_plan_give_gradients(plan, s, pass->wanted);
        if (s > end || pass->input_gradient != NULL)
            backward_op(plan, &plan->ops[s]);
    }
}

vgg_status vgg_cpu_backward(vgg_plan *plan, const vgg_tap_pass *pass, size_t first, size_t end,
                            vgg_error *error) {
    (void)error;
    plan->caller[plan->input_gradient] = pass->input_gradient;
    if (plan->options.tap_count > 0) {
        backward_taps(plan, pass, first, end);
        return VGG_OK;
    }
    plan->caller[plan->logits_gradient] = (void *)(uintptr_t)pass->logits_gradient;
    if (plan->options.defer_linear && plan->buffers[plan->kept_gradient].row > 0)
        memcpy(vgg_plan_buffer(plan, plan->kept_gradient), pass->logits_gradient,
               plan->count * plan->buffers[plan->kept_gradient].row);
    for (size_t s = first + 1; s-- > end;) {
        backward_op(plan, &plan->ops[s]);
    }
    return VGG_OK;
}
