/* From layers to steps and buffers. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/compiler.h"

/* ---- buffers ---- */

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

/* Floats of the plan's batch of an extent in a form. */
static size_t floats_of(plan_compiler *compiler, vgg_extent extent, value_form form) {
    size_t channels =
        form == FORM_BLOCKED ? vgg_round_up(extent.channels, VGG_BLOCK) : extent.channels;
    size_t pixels = vgg_compiler_product(compiler, extent.height, extent.width);
    return vgg_compiler_product(compiler, vgg_compiler_product(compiler, channels, pixels),
                                compiler->plan->options.batch);
}

size_t vgg_compiler_add_values(plan_compiler *compiler, vgg_extent extent, value_form form) {
    return vgg_compiler_add_buffer(
        compiler, vgg_compiler_product(compiler, floats_of(compiler, extent, form), sizeof(float)));
}

size_t vgg_compiler_add_constants(plan_compiler *compiler, size_t count) {
    vgg_plan *plan = compiler->plan;
    size_t offset = plan->constant_count;
    plan->constant_count += vgg_round_up(count, VGG_BLOCK);
    return offset;
}

/* ---- steps ---- */

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
                       .y = vgg_compiler_add_values(compiler, out, form),
                       .dx = VGG_NO_BUFFER,
                       .dy = VGG_NO_BUFFER,
                       .chosen = VGG_NO_BUFFER,
                       .scratch = VGG_NO_BUFFER,
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
    if (compiler->plan->options.defer_linear)
        ensure_blocked(compiler); /* the caller's rows are not there any more at the update */
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

size_t vgg_compiler_add_worker_scratch(plan_compiler *compiler, size_t floats) {
    size_t threads = compiler->plan->options.threads;
    return vgg_compiler_add_buffer(
        compiler, vgg_compiler_product(compiler, vgg_compiler_product(compiler, floats, threads),
                                       sizeof(float)));
}

/* Memory of a convolution: weights as its algorithm wants them, and scratch. */
static void reserve_convolution(plan_compiler *compiler, vgg_step *step) {
    vgg_plan *plan = compiler->plan;
    vgg_conv_shape shape = vgg_step_conv_shape(step, plan->network, plan->options.tuned_batch);
    step->tile = plan->options.exact ? 0 : vgg_conv_fastest_tile(&shape);
    shape.images = plan->options.batch;
    if (step->tile == 0) {
        step->packed = vgg_compiler_add_constants(compiler, vgg_conv_packed_size(&shape));
        step->scratch =
            vgg_compiler_add_worker_scratch(compiler, vgg_conv_forward_partition(&shape).scratch);
        return;
    }
    vgg_winograd_partition cut =
        vgg_winograd_partition_of(&shape, step->tile, plan->options.threads);
    step->packed = vgg_compiler_add_constants(compiler, cut.filters);
    step->scratch = vgg_compiler_add_worker_scratch(compiler, cut.scratch);
}

/* What a max-pool notes for the backward pass. */
static size_t add_choices(plan_compiler *compiler, vgg_extent pooled) {
    size_t blocks = floats_of(compiler, pooled, FORM_BLOCKED) / VGG_BLOCK;
    return vgg_compiler_add_buffer(compiler,
                                   vgg_compiler_product(compiler, blocks, sizeof(vgg_choice)));
}

/* Whether a step's kernels can do the max-pool behind it, and what its backward pass starts with:
 * batch norm's and Winograd's can; the direct convolution's only what needs no backward pass. */
static bool can_pool(const vgg_plan *plan, const vgg_step *step, bool backward) {
    if (step->kind == VGG_STEP_BATCH_NORM || !backward)
        return true;
    vgg_conv_shape shape = vgg_step_conv_shape(step, plan->network, plan->options.batch);
    vgg_conv_shape turned = vgg_step_turned_shape(step, plan->network, plan->options.batch);
    return step->tile > 0 && vgg_conv_fastest_tile(&turned) > 0 &&
           vgg_conv_weights_fastest_tile(&shape) > 0;
}

/* Takes a max-pool that follows at once into a step; nobody needs what lies between. Returns the
 * last layer that was taken. */
static size_t take_pool(plan_compiler *compiler, vgg_step *step, size_t layer) {
    const vgg_plan *plan = compiler->plan;
    bool backward = vgg_plan_reaches(plan, layer + 1);
    if (layer + 1 >= plan->network->layer_count ||
        plan->network->layers[layer + 1].type != VGG_LAYER_MAX_POOL ||
        !can_pool(plan, step, backward))
        return layer;
    step->pool = true;
    step->out = compiler->extents[layer + 2];
    compiler->extent = step->out;
    compiler->plan->buffers[step->y].bytes =
        vgg_compiler_product(compiler, floats_of(compiler, step->out, FORM_BLOCKED), sizeof(float));
    if (backward)
        step->chosen = add_choices(compiler, step->out);
    return layer + 1;
}

static vgg_step *add_batch_norm(plan_compiler *compiler, size_t layer) {
    vgg_step *step =
        add_step(compiler, VGG_STEP_BATCH_NORM, layer, compiler->extents[layer + 1], FORM_BLOCKED);
    size_t lanes = vgg_round_up(step->out.channels, VGG_BLOCK);
    size_t *const figures[] = {&step->scale,  &step->shift,    &step->mean,     &step->from_dy,
                               &step->from_x, &step->constant, &step->deviation};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        *figures[i] = vgg_compiler_add_constants(compiler, lanes);
    }
    step->sums = vgg_compiler_add_constants(
        compiler, vgg_compiler_product(compiler, 2 * lanes, compiler->plan->options.batch));
    step->relu = true;
    return step;
}

/* A convolution with the batch norm, ReLU and perhaps the max-pool behind it; returns the last
 * layer that it took. */
static size_t compile_convolution(plan_compiler *compiler, size_t layer) {
    vgg_plan *plan = compiler->plan;
    bool norm = plan->network->layers[layer + 1].type == VGG_LAYER_BATCH_NORM;
    bool fold = norm && !vgg_plan_reaches(plan, layer + 1);
    bool plain = compiler->form == FORM_PLAIN;
    vgg_step *step =
        add_step(compiler, VGG_STEP_CONVOLUTION, layer, compiler->extents[layer + 1], FORM_BLOCKED);
    size_t lanes = vgg_round_up(step->out.channels, VGG_BLOCK);
    step->plain = plain;
    step->relu = !norm || fold;
    step->folded = fold ? layer + 1 : SIZE_MAX;
    step->bias = vgg_compiler_add_constants(compiler, lanes);
    step->scale = vgg_compiler_add_constants(compiler, fold ? lanes : 0);
    step->shift = vgg_compiler_add_constants(compiler, fold ? lanes : 0);
    reserve_convolution(compiler, step);
    if (norm && !fold)
        step = add_batch_norm(compiler, layer + 1);
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
        if (vgg_plan_reaches(compiler->plan, layer))
            step->chosen = add_choices(compiler, out);
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

/* ---- lives ---- */

/* Whether the step needs its input again in the backward pass. */
static bool keeps_x(const vgg_plan *plan, const vgg_step *step) {
    bool multiplies = step->kind == VGG_STEP_CONVOLUTION || step->kind == VGG_STEP_LINEAR;
    return (multiplies && vgg_plan_trains(plan, step)) || step->gate ||
           step->kind == VGG_STEP_BATCH_NORM || step->kind == VGG_STEP_LRN;
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
    size_t update = 2 * plan->step_count;
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
    for (size_t s = 0; s < plan->step_count; s++) {
        const vgg_step *step = &plan->steps[s];
        use(plan, step->x, s);
        use(plan, step->y, s);
        use(plan, step->chosen, s);
        use(plan, step->scratch, s);
        if (!plan->gradients || s < plan->lowest_step)
            continue;
        size_t back = 2 * plan->step_count - 1 - s;
        const size_t used[] = {step->dy,
                               step->dx,
                               step->chosen,
                               step->back_scratch,
                               step->partial,
                               step->blocked_dx,
                               keeps_x(plan, step) ? step->x : VGG_NO_BUFFER,
                               step->mask ? step->y : VGG_NO_BUFFER};
        for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
            use(plan, used[i], back);
        }
    }
    if (plan->options.defer_linear)
        find_kept_lives(plan);
}

/* ---- the whole ---- */

static vgg_status allocate_lists(vgg_plan *plan, vgg_error *error) {
    /* A layer becomes at most two steps, with one more in front of the first and of the first
     * linear one; a step has at most ten buffers, and the plan seven of its own. */
    size_t steps = 2 * plan->network->layer_count + 2, buffers = 10 * steps + 7;
    plan->steps = calloc(steps, sizeof *plan->steps);
    plan->buffers = calloc(buffers, sizeof *plan->buffers);
    plan->caller = calloc(buffers, sizeof *plan->caller);
    plan->gradient_offsets = calloc(plan->network->tensor_count, sizeof *plan->gradient_offsets);
    if (plan->steps == NULL || plan->buffers == NULL || plan->caller == NULL ||
        plan->gradient_offsets == NULL)
        return vgg_fail_memory(error, "the steps of a plan", buffers * sizeof *plan->buffers);
    return VGG_OK;
}

/* The lowest layer that is trained, or all for the gradient of the input. */
static size_t lowest_layer(const vgg_plan *plan) {
    const vgg_network *network = plan->network;
    size_t layer = 0;
    while (!plan->options.input_gradient && layer < network->layer_count &&
           (network->layers[layer].frozen || network->layers[layer].tensors == 0)) {
        layer++;
    }
    return layer;
}

static size_t lowest_step(const vgg_plan *plan) {
    size_t s = 0;
    while (!plan->options.input_gradient && s < plan->step_count &&
           !(plan->steps[s].layer == plan->lowest && plan->steps[s].kind != VGG_STEP_BLOCK &&
             plan->steps[s].kind != VGG_STEP_FLATTEN)) {
        s++;
    }
    return s;
}

static vgg_status compile_steps(plan_compiler *compiler, vgg_error *error) {
    vgg_plan *plan = compiler->plan;
    plan->lowest = lowest_layer(plan);
    plan->input = compiler->current = vgg_compiler_add_caller_buffer(compiler);
    for (size_t layer = 0; layer < plan->network->layer_count; layer++) {
        layer = compile_layer(compiler, layer);
    }
    plan->lowest_step = lowest_step(plan);
    plan->logits = compiler->current;
    plan->buffers[plan->logits].offset = SIZE_MAX;
    if (plan->gradients)
        vgg_compile_backward(compiler);
    find_lives(plan);
    size_t sum = 0;
    for (size_t i = 0; i < plan->buffer_count; i++) {
        if (!vgg_size_add(sum, plan->buffers[i].bytes, &sum))
            compiler->overflow = true;
    }
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
