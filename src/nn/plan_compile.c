/* From layers to steps and buffers. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/plan.h"

/* How the values that flow at a place of the network lie in memory. */
typedef enum value_form { FORM_PLAIN, FORM_BLOCKED, FORM_ROWS } value_form;

typedef struct plan_compiler {
    vgg_plan *plan;
    const vgg_extent *extents; /* of the plan's input and every layer's output */
    vgg_extent extent;         /* what flows now */
    value_form form;
    size_t current; /* its buffer */
    bool overflow;  /* some size did not fit */
} plan_compiler;

/* ---- buffers
 * -------------------------------------------------------------------------------------------- */

/* A product of sizes, noting when it does not fit. */
static size_t product(plan_compiler *compiler, size_t a, size_t b) {
    size_t result = 0;
    if (!vgg_size_mul(a, b, &result) || result > SIZE_MAX / 64)
        compiler->overflow = true;
    return result;
}

static size_t add_buffer(plan_compiler *compiler, size_t bytes) {
    vgg_plan *plan = compiler->plan;
    plan->buffers[plan->buffer_count] =
        (vgg_buffer){.bytes = bytes, .first = SIZE_MAX, .last = 0, .offset = 0};
    return plan->buffer_count++;
}

static size_t add_caller_buffer(plan_compiler *compiler) {
    size_t buffer = add_buffer(compiler, 0);
    compiler->plan->buffers[buffer].offset = SIZE_MAX;
    return buffer;
}

/* Floats of the plan's batch of an extent in a form. */
static size_t floats_of(plan_compiler *compiler, vgg_extent extent, value_form form) {
    size_t channels =
        form == FORM_BLOCKED ? vgg_round_up(extent.channels, VGG_BLOCK) : extent.channels;
    size_t pixels = product(compiler, extent.height, extent.width);
    return product(compiler, product(compiler, channels, pixels), compiler->plan->options.batch);
}

static size_t add_values(plan_compiler *compiler, vgg_extent extent, value_form form) {
    return add_buffer(compiler,
                      product(compiler, floats_of(compiler, extent, form), sizeof(float)));
}

/* Floats of the plan's constants; returns where they begin. */
static size_t add_constants(plan_compiler *compiler, size_t count) {
    vgg_plan *plan = compiler->plan;
    size_t offset = plan->constant_count;
    plan->constant_count += vgg_round_up(count, VGG_BLOCK);
    return offset;
}

/* ---- steps
 * ---------------------------------------------------------------------------------------------- */

/* Appends a step that reads what flows and writes `out`. */
static vgg_step *add_step(plan_compiler *compiler, vgg_step_kind kind, size_t layer, vgg_extent out,
                          value_form form) {
    vgg_plan *plan = compiler->plan;
    vgg_step *step = &plan->steps[plan->step_count++];
    *step = (vgg_step){.kind = kind,
                       .layer = layer,
                       .folded = SIZE_MAX,
                       .in = compiler->extent,
                       .out = out,
                       .x = compiler->current,
                       .y = add_values(compiler, out, form),
                       .dx = VGG_NO_BUFFER,
                       .dy = VGG_NO_BUFFER,
                       .chosen = VGG_NO_BUFFER,
                       .scratch = VGG_NO_BUFFER,
                       .transformed = VGG_NO_BUFFER,
                       .back_transformed = VGG_NO_BUFFER,
                       .back_scratch = VGG_NO_BUFFER,
                       .partial = VGG_NO_BUFFER,
                       .blocked_dx = VGG_NO_BUFFER};
    compiler->extent = out;
    compiler->form = form;
    compiler->current = step->y;
    return step;
}

static void ensure_blocked(plan_compiler *compiler) {
    if (compiler->form == FORM_PLAIN)
        add_step(compiler, VGG_STEP_BLOCK, 0, compiler->extent, FORM_BLOCKED);
}

static void ensure_rows(plan_compiler *compiler) {
    vgg_extent in = compiler->extent;
    vgg_extent rows = {in.channels * in.height * in.width, 1, 1};
    if (compiler->form == FORM_BLOCKED)
        add_step(compiler, VGG_STEP_FLATTEN, 0, rows, FORM_ROWS);
    compiler->form = FORM_ROWS; /* a plain image is a row already */
    compiler->extent = rows;
}

vgg_conv_shape vgg_step_conv_shape(const vgg_step *step, const vgg_network *network,
                                   size_t images) {
    return (vgg_conv_shape){.images = images,
                            .inputs = step->in.channels,
                            .outputs = step->out.channels,
                            .height = step->in.height,
                            .width = step->in.width,
                            .kernel = network->layers[step->layer].kernel,
                            .plain = step->plain};
}

vgg_conv_shape vgg_step_turned_shape(const vgg_step *step, const vgg_network *network,
                                     size_t images) {
    vgg_conv_shape shape = vgg_step_conv_shape(step, network, images);
    shape.inputs = step->out.channels;
    shape.outputs = step->in.channels;
    shape.plain = false;
    return shape;
}

static size_t add_worker_scratch(plan_compiler *compiler, size_t floats) {
    size_t threads = compiler->plan->options.threads;
    return add_buffer(compiler,
                      product(compiler, product(compiler, floats, threads), sizeof(float)));
}

/* Memory of a convolution: weights as its algorithm wants them, and scratch. */
static void reserve_convolution(plan_compiler *compiler, vgg_step *step) {
    vgg_plan *plan = compiler->plan;
    vgg_conv_shape shape = vgg_step_conv_shape(step, plan->network, plan->options.batch);
    step->winograd = !plan->options.exact && vgg_winograd_pays(&shape);
    if (!step->winograd) {
        step->packed = add_constants(compiler, vgg_conv_packed_size(&shape));
        step->scratch = add_worker_scratch(compiler, vgg_conv_forward_partition(&shape).scratch);
        return;
    }
    vgg_winograd_partition cut = vgg_winograd_partition_of(&shape);
    step->packed = add_constants(compiler, cut.filters);
    step->transformed = add_buffer(compiler, product(compiler, cut.inputs, sizeof(float)));
    step->scratch = add_worker_scratch(compiler, cut.scratch);
}

/* Takes a max-pool that follows at once into a Winograd convolution whose unpooled output nobody
 * needs: its tiles hold whole windows. Returns the last layer that was taken. */
static size_t take_pool(plan_compiler *compiler, vgg_step *step, size_t layer) {
    const vgg_plan *plan = compiler->plan;
    if (!step->winograd || plan->gradients || layer + 1 >= plan->network->layer_count ||
        plan->network->layers[layer + 1].type != VGG_LAYER_MAX_POOL)
        return layer;
    step->pool = true;
    step->out = compiler->extents[layer + 2];
    compiler->extent = step->out;
    compiler->plan->buffers[step->y].bytes =
        product(compiler, floats_of(compiler, step->out, FORM_BLOCKED), sizeof(float));
    return layer + 1;
}

static void add_batch_norm(plan_compiler *compiler, size_t layer) {
    vgg_step *step =
        add_step(compiler, VGG_STEP_BATCH_NORM, layer, compiler->extents[layer + 1], FORM_BLOCKED);
    size_t lanes = vgg_round_up(step->out.channels, VGG_BLOCK);
    size_t *const figures[] = {&step->scale,  &step->shift,    &step->mean,     &step->from_dy,
                               &step->from_x, &step->constant, &step->deviation};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        *figures[i] = add_constants(compiler, lanes);
    step->sums =
        add_constants(compiler, product(compiler, 2 * lanes, compiler->plan->options.batch));
    step->relu = true;
}

/* A convolution with the batch norm, ReLU and perhaps the max-pool behind it; returns the last
 * layer that it took. */
static size_t compile_convolution(plan_compiler *compiler, size_t layer) {
    vgg_plan *plan = compiler->plan;
    bool norm = plan->network->layers[layer + 1].type == VGG_LAYER_BATCH_NORM;
    bool fold = norm && !plan->gradients;
    bool plain = compiler->form == FORM_PLAIN;
    vgg_step *step =
        add_step(compiler, VGG_STEP_CONVOLUTION, layer, compiler->extents[layer + 1], FORM_BLOCKED);
    size_t lanes = vgg_round_up(step->out.channels, VGG_BLOCK);
    step->plain = plain;
    step->relu = !norm || fold;
    step->folded = fold ? layer + 1 : SIZE_MAX;
    step->bias = add_constants(compiler, lanes);
    step->scale = add_constants(compiler, fold ? lanes : 0);
    step->shift = add_constants(compiler, fold ? lanes : 0);
    reserve_convolution(compiler, step);
    if (norm && !fold)
        add_batch_norm(compiler, layer + 1);
    return take_pool(compiler, step, layer + (norm ? 2 : 1));
}

/* A linear layer with the ReLU and dropout behind it, in either order; the two commute, so ReLU
 * always comes first here. Returns the last layer that it took. */
static size_t compile_linear(plan_compiler *compiler, size_t layer) {
    const vgg_network *network = compiler->plan->network;
    ensure_rows(compiler);
    vgg_step *step =
        add_step(compiler, VGG_STEP_LINEAR, layer, compiler->extents[layer + 1], FORM_ROWS);
    while (layer + 1 < network->layer_count &&
           network->layers[layer + 1].type != VGG_LAYER_LINEAR) {
        layer++;
        if (network->layers[layer].type == VGG_LAYER_RELU)
            step->relu = true;
        else if (compiler->plan->gradients)
            step->dropout = network->layers[layer].dropout;
    }
    return layer;
}

static size_t compile_layer(plan_compiler *compiler, size_t layer) {
    vgg_extent out = compiler->extents[layer + 1];
    vgg_step *step;
    switch (compiler->plan->network->layers[layer].type) {
    case VGG_LAYER_CONVOLUTION:
        return compile_convolution(compiler, layer);
    case VGG_LAYER_LINEAR:
        return compile_linear(compiler, layer);
    case VGG_LAYER_MAX_POOL:
        ensure_blocked(compiler);
        step = add_step(compiler, VGG_STEP_MAX_POOL, layer, out, FORM_BLOCKED);
        if (compiler->plan->gradients)
            step->chosen = add_buffer(compiler, floats_of(compiler, out, FORM_BLOCKED));
        return layer;
    case VGG_LAYER_LOCAL_RESPONSE_NORM:
        ensure_blocked(compiler);
        add_step(compiler, VGG_STEP_LRN, layer, out, FORM_BLOCKED);
        return layer;
    case VGG_LAYER_AVERAGE_POOL:
        if (out.height == compiler->extent.height && out.width == compiler->extent.width)
            return layer; /* every window holds one value */
        ensure_blocked(compiler);
        add_step(compiler, VGG_STEP_AVERAGE_POOL, layer, out, FORM_BLOCKED);
        return layer;
    case VGG_LAYER_BATCH_NORM:
    case VGG_LAYER_RELU:
    case VGG_LAYER_DROPOUT:
        break; /* taken by the step before */
    }
    return layer;
}

/* ---- gradients
 * ------------------------------------------------------------------------------------------- */

/* Whether the step needs its input again in the backward pass. */
static bool keeps_x(const vgg_step *step) {
    return step->kind == VGG_STEP_CONVOLUTION || step->kind == VGG_STEP_LINEAR ||
           step->kind == VGG_STEP_BATCH_NORM || step->kind == VGG_STEP_LRN;
}

/* Where the sign of a ReLU's output is looked up: at the ReLU, or, when a max-pool follows, at the
 * pooled values, since the gradient is zero everywhere else. Batch norm finds it from its input. */
static void place_masks(vgg_plan *plan) {
    for (size_t s = 0; s < plan->step_count; s++) {
        vgg_step *step = &plan->steps[s];
        bool pooled = s + 1 < plan->step_count && plan->steps[s + 1].kind == VGG_STEP_MAX_POOL;
        if (!step->relu || step->kind == VGG_STEP_BATCH_NORM)
            continue;
        if (pooled)
            plan->steps[s + 1].mask = true;
        else
            step->mask = true;
    }
}

/* Memory of the convolution that carries gradients back; returns floats of scratch per worker. */
static size_t reserve_turned(plan_compiler *compiler, vgg_step *step) {
    vgg_plan *plan = compiler->plan;
    vgg_conv_shape shape = vgg_step_turned_shape(step, plan->network, plan->options.batch);
    step->back_winograd = !plan->options.exact && vgg_winograd_pays(&shape);
    if (!step->back_winograd) {
        step->packed_turned = add_constants(compiler, vgg_conv_packed_size(&shape));
        return vgg_conv_forward_partition(&shape).scratch;
    }
    vgg_winograd_partition cut = vgg_winograd_partition_of(&shape);
    step->packed_turned = add_constants(compiler, cut.filters);
    step->back_transformed = add_buffer(compiler, product(compiler, cut.inputs, sizeof(float)));
    return cut.scratch;
}

/* Memory of the gradient of a convolution's weights; returns floats of scratch per worker. */
static size_t reserve_weights(plan_compiler *compiler, vgg_step *step) {
    vgg_plan *plan = compiler->plan;
    vgg_conv_shape shape = vgg_step_conv_shape(step, plan->network, plan->options.batch);
    step->weights_winograd = !plan->options.exact && vgg_winograd_weights_pays(&shape);
    if (step->weights_winograd) {
        vgg_winograd_weights_partition cut = vgg_winograd_weights_partition_of(&shape);
        step->partial =
            add_buffer(compiler, product(compiler, cut.sums + cut.bias_sums, sizeof(float)));
        return cut.scratch;
    }
    size_t partial = vgg_conv_weights_partial(&shape) + vgg_round_up(shape.outputs, VGG_BLOCK);
    step->partial = add_buffer(
        compiler, product(compiler, partial * sizeof(float), vgg_conv_weights_groups(&shape)));
    return vgg_conv_weights_scratch(&shape);
}

static void add_gradient_buffers(plan_compiler *compiler, vgg_step *step, size_t dy) {
    vgg_plan *plan = compiler->plan;
    bool first = step == plan->steps;
    step->dy = dy;
    step->need_dx = !first || plan->options.input_gradient;
    if (step->kind == VGG_STEP_CONVOLUTION) {
        size_t scratch = reserve_weights(compiler, step);
        if (step->need_dx)
            scratch = vgg_size_max(scratch, reserve_turned(compiler, step));
        step->back_scratch = add_worker_scratch(compiler, scratch);
    }
    if (!step->need_dx)
        return;
    if (first) {
        step->dx = plan->input_gradient;
        if (step->kind == VGG_STEP_CONVOLUTION)
            step->blocked_dx = add_values(compiler, step->in, FORM_BLOCKED);
    } else if (step->kind == VGG_STEP_BATCH_NORM) {
        step->dx = dy; /* in place */
    } else {
        bool rows = step->kind == VGG_STEP_LINEAR;
        step->dx = add_values(compiler, step->in, rows ? FORM_ROWS : FORM_BLOCKED);
    }
}

static void compile_backward(plan_compiler *compiler) {
    vgg_plan *plan = compiler->plan;
    place_masks(plan);
    plan->logits_gradient = add_caller_buffer(compiler);
    plan->input_gradient = add_caller_buffer(compiler);
    size_t dy = plan->logits_gradient;
    for (size_t s = plan->step_count; s-- > 0;) {
        add_gradient_buffers(compiler, &plan->steps[s], dy);
        dy = plan->steps[s].dx;
    }
    for (size_t t = 0; t < plan->network->tensor_count; t++) {
        const vgg_tensor_info *info = &plan->network->tensors[t].info;
        plan->gradient_offsets[t] = info->trained ? plan->gradient_count : SIZE_MAX;
        plan->gradient_count += info->trained ? vgg_round_up(info->count, VGG_BLOCK) : 0;
    }
}

/* ---- lives
 * -------------------------------------------------------------------------------------------------
 */

static void use(vgg_plan *plan, size_t buffer, size_t moment) {
    if (buffer == VGG_NO_BUFFER)
        return;
    vgg_buffer *b = &plan->buffers[buffer];
    b->first = vgg_size_min(b->first, moment);
    b->last = vgg_size_max(b->last, moment);
}

static void find_lives(vgg_plan *plan) {
    for (size_t s = 0; s < plan->step_count; s++) {
        const vgg_step *step = &plan->steps[s];
        use(plan, step->x, s);
        use(plan, step->y, s);
        use(plan, step->chosen, s);
        use(plan, step->scratch, s);
        use(plan, step->transformed, s);
        if (!plan->gradients)
            continue;
        size_t back = 2 * plan->step_count - 1 - s;
        const size_t used[] = {step->dy,
                               step->dx,
                               step->chosen,
                               step->back_scratch,
                               step->partial,
                               step->blocked_dx,
                               step->back_transformed,
                               keeps_x(step) ? step->x : VGG_NO_BUFFER,
                               step->mask ? step->y : VGG_NO_BUFFER};
        for (size_t i = 0; i < sizeof used / sizeof *used; i++)
            use(plan, used[i], back);
    }
}

/* ---- the whole
 * ------------------------------------------------------------------------------------------------
 */

static vgg_status allocate_lists(vgg_plan *plan, vgg_error *error) {
    /* A layer becomes at most two steps, with one more in front of the first and of the first
     * linear one; a step has at most ten buffers. */
    size_t steps = 2 * plan->network->layer_count + 2, buffers = 10 * steps + 4;
    plan->steps = calloc(steps, sizeof *plan->steps);
    plan->buffers = calloc(buffers, sizeof *plan->buffers);
    plan->caller = calloc(buffers, sizeof *plan->caller);
    plan->gradient_offsets = calloc(plan->network->tensor_count, sizeof *plan->gradient_offsets);
    if (plan->steps == NULL || plan->buffers == NULL || plan->caller == NULL ||
        plan->gradient_offsets == NULL)
        return vgg_fail_memory(error, "the steps of a plan", buffers * sizeof *plan->buffers);
    return VGG_OK;
}

static vgg_status compile_steps(plan_compiler *compiler, vgg_error *error) {
    vgg_plan *plan = compiler->plan;
    plan->input = compiler->current = add_caller_buffer(compiler);
    for (size_t layer = 0; layer < plan->network->layer_count; layer++)
        layer = compile_layer(compiler, layer);
    plan->logits = compiler->current;
    plan->buffers[plan->logits].offset = SIZE_MAX;
    if (plan->gradients)
        compile_backward(compiler);
    find_lives(plan);
    size_t sum = 0;
    for (size_t i = 0; i < plan->buffer_count; i++)
        if (!vgg_size_add(sum, plan->buffers[i].bytes, &sum))
            compiler->overflow = true;
    plan->arena_bytes =
        compiler->overflow ? SIZE_MAX : vgg_arena_place(plan->buffers, plan->buffer_count);
    if (plan->arena_bytes == SIZE_MAX)
        return vgg_fail(
            error, VGG_ERROR_MEMORY,
            "an input of %zux%zu in batches of %zu needs more memory than a processor can "
            "address",
            plan->options.height, plan->options.width, plan->options.batch);
    return VGG_OK;
}

vgg_status vgg_plan_compile(vgg_plan *plan, vgg_error *error) {
    vgg_status status = allocate_lists(plan, error);
    vgg_extent *extents = calloc(plan->network->layer_count + 1, sizeof *extents);
    if (status == VGG_OK && extents == NULL)
        status = vgg_fail_memory(error, "the shapes of a plan", plan->network->layer_count);
    if (status == VGG_OK)
        status = vgg_network_extents(plan->network, plan->options.height, plan->options.width,
                                     extents, error);
    if (status == VGG_OK) {
        plan_compiler compiler = {.plan = plan, .extents = extents, .extent = extents[0]};
        status = compile_steps(&compiler, error);
    }
    free(extents);
    return status;
}
