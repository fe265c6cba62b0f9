/* Taps: outputs of layers that are handed out, and gradients that enter or leave a backward pass
 * there. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "nn/ops.h"

/* ---- which there are ---- */

static vgg_status check_taps(const vgg_plan *plan, vgg_error *error) {
    const vgg_plan_options *options = &plan->options;
    if (options->taps == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%zu taps of a plan, but no layers for them",
                        options->tap_count);
    for (size_t t = 0; t < options->tap_count; t++) {
        if (options->taps[t].layer >= plan->network->layer_count)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "a tap of layer %zu, expected one of the %zu of the network",
                            options->taps[t].layer, plan->network->layer_count);
    }
    return VGG_OK;
}

vgg_status vgg_plan_take_taps(vgg_plan *plan, vgg_error *error) {
    vgg_plan_options *options = &plan->options;
    if (options->tap_count == 0)
        return VGG_OK;
    vgg_status status = check_taps(plan, error);
    if (status != VGG_OK)
        return status;
    plan->tapped = vgg_calloc(plan->network->layer_count, sizeof *plan->tapped);
    plan->taps = vgg_calloc(options->tap_count, sizeof *plan->taps);
    plan->tap_ops = vgg_calloc(options->tap_count, sizeof *plan->tap_ops);
    if (plan->tapped == NULL || plan->taps == NULL || plan->tap_ops == NULL)
        return vgg_fail_memory(error, "the taps of a plan",
                               options->tap_count * sizeof *plan->taps);
    for (size_t t = 0; t < options->tap_count; t++) {
        plan->taps[t] = options->taps[t];
        plan->tapped[options->taps[t].layer] = true;
    }
    options->taps = plan->taps;
    return VGG_OK;
}

size_t vgg_plan_layers(const vgg_plan *plan) {
    if (!plan->options.ends_at_taps)
        return plan->network->layer_count;
    size_t highest = 0;
    for (size_t t = 0; t < plan->options.tap_count; t++) {
        highest = vgg_size_max(highest, plan->taps[t].layer);
    }
    return highest + 1;
}

void vgg_plan_find_taps(vgg_plan *plan) {
    for (size_t t = 0; t < plan->options.tap_count; t++) {
        size_t s = 0;
        while (!plan->ops[s].graph.tapped || plan->ops[s].graph.last != plan->taps[t].layer) {
            s++;
        }
        plan->tap_ops[t] = s;
    }
}

static vgg_extent extent_of(const vgg_plan *plan, size_t tap) {
    return plan->ops[plan->tap_ops[tap]].graph.out;
}

static size_t values_of(const vgg_plan *plan, size_t tap) {
    return extent_of(plan, tap).channels * vgg_extent_pixels(extent_of(plan, tap));
}

vgg_status vgg_plan_tap(const vgg_plan *plan, size_t tap, vgg_tap_info *info, vgg_error *error) {
    if (tap >= plan->options.tap_count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "tap %zu of a plan with %zu", tap,
                        plan->options.tap_count);
    vgg_extent extent = extent_of(plan, tap);
    bool rows = plan->network->layers[plan->taps[tap].layer].flattens;
    vgg_tap_info found = {
        .struct_size = sizeof found,
        .layer = plan->taps[tap].layer,
        .dimensions = rows ? 1 : 3,
        .shape = {extent.channels, rows ? 0 : extent.height, rows ? 0 : extent.width},
        .values = values_of(plan, tap)};
    return vgg_result_write(info, &found, sizeof found, "vgg_tap_info", error);
}

void vgg_plan_block_taps(vgg_plan *plan) {
    plan->blocked_taps = true;
}

/* ---- blocks that stay blocks ---- */

/* A unit is a block of channels of an image. */
typedef struct blocks_task {
    size_t floats; /* of a unit */
    const float *from;
    float *to;
    bool add;
} blocks_task;

static void move_blocks(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const blocks_task *task = context;
    size_t first = begin * task->floats, last = end * task->floats;
    if (!task->add)
        memcpy(task->to + first, task->from + first, (last - first) * sizeof *task->to);
    for (size_t i = first; task->add && i < last; i++) {
        task->to[i] += task->from[i];
    }
}

static void run_blocks(vgg_plan *plan, const vgg_planned_op *op, const float *from, float *to,
                       bool add) {
    blocks_task task = {vgg_extent_pixels(op->graph.out) * VGG_BLOCK, from, to, add};
    vgg_threads_run(plan->threads, plan->count * vgg_blocks(op->graph.out.channels), move_blocks,
                    &task);
}

/* ---- handing out ---- */

/* From the form that an op puts out, or has the gradient of it in, to the caller's. */
static void give(vgg_plan *plan, const vgg_planned_op *op, size_t buffer, float *values) {
    const float *from = vgg_plan_buffer(plan, buffer);
    if (op->rows)
        memcpy(values, from, plan->count * op->graph.out.channels * sizeof *values);
    else if (plan->blocked_taps)
        run_blocks(plan, op, from, values, false);
    else
        vgg_op_move(plan, op, op->graph.out, plan->kernels->unblock, from, values);
}

static void give_all(vgg_plan *plan, size_t s, size_t buffer, float *const *values) {
    for (size_t t = 0; values != NULL && t < plan->options.tap_count; t++) {
        if (plan->tap_ops[t] == s && values[t] != NULL)
            give(plan, &plan->ops[s], buffer, values[t]);
    }
}

void vgg_plan_place_taps(vgg_plan *plan) {
    for (size_t t = 0; plan->viewer != NULL && t < plan->options.tap_count; t++) {
        size_t buffer = plan->ops[plan->tap_ops[t]].y;
        plan->caller[buffer] = plan->viewer->place(plan->viewer->context, t);
    }
}

/* The max-pool behind an op, if its viewer does that, too. */
static const vgg_planned_op *viewed_pool(const vgg_plan *plan, size_t op) {
    bool follows = op + 1 < plan->op_count && plan->ops[op + 1].pool_viewed;
    return follows ? &plan->ops[op + 1] : NULL;
}

static void see(vgg_plan *plan, size_t op) {
    const vgg_planned_op *above = viewed_pool(plan, op);
    vgg_tap_pool pool = {0};
    if (above != NULL)
        pool =
            (vgg_tap_pool){vgg_plan_buffer(plan, above->y), vgg_plan_buffer(plan, above->chosen)};
    for (size_t t = 0; t < plan->options.tap_count; t++) {
        if (plan->tap_ops[t] == op)
            plan->viewer->see(plan->viewer->context, t, &pool);
    }
}

void vgg_plan_give_taps(vgg_plan *plan, size_t op, float *const *values) {
    if (plan->ops[op].viewed)
        see(plan, op);
    give_all(plan, op, plan->ops[op].y, values);
}

void vgg_plan_give_gradients(vgg_plan *plan, size_t op, float *const *wanted) {
    give_all(plan, op, plan->ops[op].dy, wanted);
}

/* ---- taking in ---- */

/* Pixels of all lanes that are added together and stay in the first cache. */
#define ADDED_PIXELS 64

/* Plain values that are added to blocked ones. A unit is a block of channels of an image. */
typedef struct add_task {
    size_t channels, pixels;
    const float *plain;
    float *blocked;
} add_task;

static void add_pixels(const float *restrict from, size_t plane, size_t lanes, size_t first,
                       size_t last, float *restrict to) {
    for (size_t lane = 0; lane < lanes; lane++) {
        for (size_t p = first; p < last; p++) {
            to[p * VGG_BLOCK + lane] += from[lane * plane + p];
        }
    }
}

static void add_blocked(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const add_task *task = context;
    size_t blocks = vgg_blocks(task->channels), pixels = task->pixels;
    for (size_t unit = begin; unit < end; unit++) {
        size_t image = unit / blocks, first = unit % blocks * VGG_BLOCK;
        size_t lanes = vgg_size_min(task->channels - first, VGG_BLOCK);
        const float *from = task->plain + (image * task->channels + first) * pixels;
        float *to = task->blocked + unit * pixels * VGG_BLOCK;
        for (size_t p = 0; p < pixels; p += ADDED_PIXELS) {
            size_t last = vgg_size_min(pixels, p + ADDED_PIXELS);
            add_pixels(from, pixels, lanes, p, last, to);
        }
    }
}

static void take(vgg_plan *plan, const vgg_planned_op *op, const float *gradient, bool add) {
    float *dy = vgg_plan_buffer(plan, op->dy);
    size_t channels = op->graph.out.channels, values = plan->count * channels;
    if (op->rows && !add) {
        memcpy(dy, gradient, values * sizeof *dy);
    } else if (op->rows) {
        for (size_t i = 0; i < values; i++) {
            dy[i] += gradient[i];
        }
    } else if (plan->blocked_taps) {
        run_blocks(plan, op, gradient, dy, add);
    } else if (!add) {
        vgg_op_move(plan, op, op->graph.out, plan->kernels->block, gradient, dy);
    } else {
        add_task task = {channels, vgg_extent_pixels(op->graph.out), gradient, dy};
        vgg_threads_run(plan->threads, plan->count * vgg_blocks(channels), add_blocked, &task);
    }
}

void vgg_plan_start_gradient(vgg_plan *plan, const float *logits_gradient) {
    take(plan, &plan->ops[plan->op_count - 1], logits_gradient, false);
}

/* What begins at the taps of an op that the viewer looks at. */
static void take_slopes(vgg_plan *plan, size_t s, bool started) {
    const vgg_planned_op *op = &plan->ops[s];
    const vgg_planned_op *above = started ? viewed_pool(plan, s) : NULL;
    vgg_tap_slopes slopes = {.slopes = vgg_plan_buffer(plan, op->dy),
                             .add = started && above == NULL,
                             .pooled = above != NULL ? vgg_plan_buffer(plan, above->dy) : NULL,
                             .chosen = above != NULL ? vgg_plan_buffer(plan, above->chosen) : NULL};
    for (size_t t = 0; t < plan->options.tap_count; t++) {
        if (plan->tap_ops[t] != s)
            continue;
        plan->viewer->slope(plan->viewer->context, t, &slopes);
        slopes = (vgg_tap_slopes){.slopes = slopes.slopes, .add = true};
    }
}

bool vgg_plan_take_gradients(vgg_plan *plan, size_t op, const float *const *given, bool started) {
    if (plan->ops[op].viewed) {
        take_slopes(plan, op, started);
        return true;
    }
    for (size_t t = 0; given != NULL && t < plan->options.tap_count; t++) {
        if (plan->tap_ops[t] != op || given[t] == NULL)
            continue;
        take(plan, &plan->ops[op], given[t], started);
        started = true;
    }
    return started;
}

/* Above the op that the pass begins with gradients are zero. */
static void give_zeros(const vgg_plan *plan, size_t first, float *const *wanted) {
    for (size_t t = 0; wanted != NULL && t < plan->options.tap_count; t++) {
        if (wanted[t] != NULL && plan->tap_ops[t] > first)
            memset(wanted[t], 0, plan->count * values_of(plan, t) * sizeof(float));
    }
}

vgg_status vgg_plan_find_reach(const vgg_plan *plan, const vgg_tap_pass *pass, size_t *first,
                               size_t *end, vgg_error *error) {
    bool from_logits = pass->logits_gradient != NULL;
    if (from_logits && plan->options.ends_at_taps)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a plan that ends at its taps has no logits to begin a backward pass with");
    bool any = from_logits;
    *first = from_logits ? plan->op_count - 1 : 0;
    *end = pass->input_gradient != NULL ? 0 : plan->op_count;
    for (size_t t = 0; t < plan->options.tap_count; t++) {
        bool given = plan->viewer != NULL || (pass->given != NULL && pass->given[t] != NULL);
        any = any || given;
        if (given)
            *first = vgg_size_max(*first, plan->tap_ops[t]);
        if (pass->wanted != NULL && pass->wanted[t] != NULL)
            *end = vgg_size_min(*end, plan->tap_ops[t]);
    }
    if (!any)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a backward pass begins with the gradient of the logits or of a tap, and "
                        "there is neither");
    give_zeros(plan, *first, pass->wanted);
    return VGG_OK;
}
