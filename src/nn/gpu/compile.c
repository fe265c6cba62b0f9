/* From the graph of a network to what a GPU does, forward. Every op of the graph is one of the
 * plan; before the first stands one that lays out the host's floats. */
#include "base/error.h"
#include "nn/gpu/gpu.h"

/* ---- the ops ---- */

static vgg_planned_op *add_op(plan_compiler *compiler, const vgg_op *graph, bool rows,
                              vgg_gpu_element element) {
    size_t y = vgg_gpu_add_map(compiler, graph->out, element);
    vgg_planned_op *op = vgg_compiler_add_op(compiler, graph, rows ? FORM_ROWS : FORM_BLOCKED, y);
    vgg_gpu_op_of(compiler->plan, op)->element = element;
    return op;
}

/* A network may begin with rows: the picture is flattened in the order that it comes in. */
static void add_layout(plan_compiler *compiler, const vgg_op *first) {
    vgg_op op = vgg_compiler_moving(VGG_OP_BLOCK, first);
    op.places = 1;
    add_op(compiler, &op, false, vgg_gpu_state(compiler->plan)->element);
}

/* Numbers in the plan's element among its constants. */
static size_t add_numbers(plan_compiler *compiler, size_t count) {
    size_t bytes = vgg_gpu_element_bytes(vgg_gpu_state(compiler->plan)->element);
    size_t all = vgg_compiler_product(compiler, count, bytes);
    return vgg_compiler_add_constants(compiler, (all + sizeof(float) - 1) / sizeof(float));
}

static void add_convolution(plan_compiler *compiler, const vgg_op *graph) {
    vgg_plan *plan = compiler->plan;
    gpu_state *state = vgg_gpu_state(plan);
    bool fold = graph->folded != VGG_NO_LAYER;
    vgg_planned_op *op = add_op(compiler, graph, false, state->element);
    vgg_gpu_conv_shape shape = vgg_gpu_shape_of(plan, op, VGG_GPU_FORWARD);
    op->scratch = vgg_compiler_add_buffer(compiler, vgg_gpu_make_conv(plan, op, VGG_GPU_FORWARD));
    size_t points = shape.kernel * shape.kernel;
    op->packed =
        add_numbers(compiler, vgg_compiler_product(compiler, shape.outputs * points, shape.inputs));
    op->bias = vgg_compiler_add_constants(compiler, shape.outputs);
    op->scale = vgg_compiler_add_constants(compiler, fold ? shape.outputs : 0);
    op->shift = vgg_compiler_add_constants(compiler, fold ? shape.outputs : 0);
}

static void add_batch_norm(plan_compiler *compiler, const vgg_op *graph) {
    bool rows = compiler->form == FORM_ROWS;
    vgg_planned_op *op = add_op(compiler, graph, rows, vgg_gpu_state(compiler->plan)->element);
    size_t lanes = vgg_gpu_lanes(graph->out.channels);
    size_t *const figures[] = {&op->scale,  &op->shift,    &op->mean,   &op->from_dy,
                               &op->from_x, &op->constant, &op->inverse};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        *figures[i] = vgg_compiler_add_constants(compiler, lanes);
    }
}

static void add_max_pool(plan_compiler *compiler, const vgg_op *graph) {
    vgg_planned_op *op = add_op(compiler, graph, false, vgg_gpu_state(compiler->plan)->element);
    size_t pixels = vgg_compiler_product(compiler, graph->out.height, graph->out.width);
    if (graph->reached)
        op->chosen = vgg_compiler_add_buffer(
            compiler, vgg_gpu_values(compiler, vgg_gpu_lanes(graph->out.channels), pixels));
}

/* The logits are floats. */
static void add_linear(plan_compiler *compiler, const vgg_op *graph, bool last) {
    vgg_plan *plan = compiler->plan;
    gpu_state *state = vgg_gpu_state(plan);
    bool wide = last && !graph->relu;
    vgg_planned_op *op = add_op(compiler, graph, true, wide ? VGG_GPU_FLOAT32 : state->element);
    gpu_op *own = vgg_gpu_op_of(plan, op);
    size_t inputs = graph->in.channels, outputs = graph->out.channels;
    own->columns = vgg_gpu_lanes(outputs);
    own->packs = state->element != VGG_GPU_FLOAT32 || inputs % VGG_GPU_LANES != 0;
    if (own->packs)
        op->packed =
            add_numbers(compiler, vgg_compiler_product(compiler, outputs, vgg_gpu_lanes(inputs)));
    const vgg_gpu_product_shape shape = {.precision = state->precision,
                                         .rows = plan->options.batch * graph->places,
                                         .columns = outputs,
                                         .depth = inputs,
                                         .turned_b = true,
                                         .a_stride = vgg_gpu_lanes(inputs),
                                         .b_stride = vgg_gpu_lanes(inputs),
                                         .c_stride = own->columns,
                                         .wide = true};
    vgg_gpu_note(state,
                 state->calls->product_make(state->gpu, &shape, &own->forward, &own->workspace));
    size_t sums = vgg_compiler_product(
        compiler, vgg_compiler_product(compiler, shape.rows, own->columns), sizeof(float));
    op->scratch = vgg_compiler_add_buffer(compiler, sums + own->workspace);
}

static void compile_op(plan_compiler *compiler, const vgg_op *op, bool last) {
    vgg_gpu_element element = vgg_gpu_state(compiler->plan)->element;
    switch (op->kind) {
    case VGG_OP_CONVOLUTION:
        add_convolution(compiler, op);
        break;
    case VGG_OP_BATCH_NORM:
        add_batch_norm(compiler, op);
        break;
    case VGG_OP_MAX_POOL:
        add_max_pool(compiler, op);
        break;
    case VGG_OP_LINEAR:
        add_linear(compiler, op, last);
        break;
    case VGG_OP_FLATTEN:
        add_op(compiler, op, true, element);
        break;
    case VGG_OP_WINDOWS:
        compiler->places = op->places;
        add_op(compiler, op, true, element);
        break;
    case VGG_OP_MEAN:
        compiler->places = 1;
        add_op(compiler, op, true, element);
        break;
    case VGG_OP_RELU:
    case VGG_OP_DROPOUT:
        add_op(compiler, op, compiler->form == FORM_ROWS, element);
        break;
    case VGG_OP_LRN:
    case VGG_OP_AVERAGE_POOL_2X2:
    case VGG_OP_AVERAGE_POOL:
    case VGG_OP_GLOBAL_AVERAGE:
    case VGG_OP_GLOBAL_MAX:
        add_op(compiler, op, false, element);
        break;
    case VGG_OP_BLOCK:
        break; /* a plan's own */
    }
}

/* ---- what all ops share ---- */

static void add_values(plan_compiler *compiler) {
    vgg_plan *plan = compiler->plan;
    gpu_state *state = vgg_gpu_state(plan);
    size_t layers = vgg_plan_layers(plan);
    for (size_t t = 0; t < plan->network->tensor_count; t++) {
        state->values[t] = VGG_NO_CONSTANTS;
    }
    for (size_t l = 0; l < layers; l++) {
        const vgg_layer *layer = &plan->network->layers[l];
        for (size_t t = layer->first_tensor; t < layer->first_tensor + layer->tensors; t++) {
            state->values[t] =
                vgg_compiler_add_constants(compiler, plan->network->tensors[t].info.count);
        }
    }
}

/* A buffer that nothing else shares. */
static size_t add_lasting(plan_compiler *compiler, size_t floats) {
    size_t buffer =
        vgg_compiler_add_buffer(compiler, vgg_compiler_product(compiler, floats, sizeof(float)));
    compiler->plan->buffers[buffer].first = 0;
    compiler->plan->buffers[buffer].last = 2 * compiler->plan->op_count;
    return buffer;
}

/* Floats between the host and the device: what is tapped, the logits and their gradient, the
 * gradient of the input, and what flows where frozen ops end. */
static size_t most_staged(plan_compiler *compiler) {
    const vgg_plan *plan = compiler->plan;
    size_t batch = plan->options.batch, frozen = vgg_plan_frozen_ops(plan);
    size_t inputs = plan->buffers[plan->input].bytes / sizeof(float);
    size_t floats = plan->options.input_gradient ? inputs : 1;
    for (size_t s = 0; s < plan->op_count; s++) {
        const vgg_op *op = &plan->ops[s].graph;
        bool given = op->tapped || s + 1 == plan->op_count;
        size_t channels = op->tapped ? vgg_gpu_whole_blocks(op->out.channels) : op->out.channels;
        size_t values = channels * op->out.height * op->out.width;
        if (given)
            floats = vgg_size_max(floats, vgg_compiler_product(compiler, batch, values));
        if (s > 0 && s == frozen)
            floats = vgg_size_max(
                floats, vgg_compiler_product(compiler, batch, vgg_plan_values_at(plan, s)));
    }
    return floats;
}

/* The next inputs may come while a backward pass runs. */
static void keep_inputs(vgg_plan *plan) {
    vgg_buffer *inputs = &plan->buffers[plan->input];
    if (!plan->options.gradients)
        return;
    inputs->first = 0;
    inputs->last = 2 * plan->op_count;
}

static size_t most_sums(const vgg_plan *plan) {
    size_t most = 0;
    for (size_t s = 0; s < plan->op_count; s++) {
        const vgg_op *op = &plan->ops[s].graph;
        bool norm = op->kind == VGG_OP_BATCH_NORM;
        bool biased = op->kind == VGG_OP_CONVOLUTION || op->kind == VGG_OP_LINEAR;
        size_t images = vgg_size_max(plan->options.batch, vgg_plan_step_images(plan));
        size_t channels = op->out.channels, pixels = op->out.height * op->out.width;
        if (plan->options.gradients) /* where what blew up is looked for */
            most =
                vgg_size_max(most, images * pixels * vgg_gpu_lanes(channels) / VGG_GPU_SQUARES + 1);
        if (norm)
            most = vgg_size_max(most, 2 * VGG_GPU_CHUNKS * vgg_gpu_lanes(channels));
        if (biased && op->trains)
            most = vgg_size_max(most, vgg_gpu_sums_floats(images * pixels, channels));
    }
    return most;
}

vgg_status vgg_gpu_compile(vgg_plan *plan, const vgg_graph *graph, vgg_error *error) {
    size_t ops = graph->count + 1;
    /* An op has at most eight buffers, and the plan eight of its own. */
    vgg_status status = vgg_compiler_allocate(plan, ops, 8 * ops + 8, error);
    if (status == VGG_OK)
        status = vgg_gpu_open_state(plan, ops, error);
    if (status != VGG_OK)
        return status;
    plan_compiler compiler = {.plan = plan, .places = 1, .form = FORM_PLAIN};
    const vgg_extent in = graph->ops[0].in;
    size_t picture = vgg_compiler_product(
        &compiler, vgg_compiler_product(&compiler, in.height, in.width), in.channels);
    plan->input = compiler.current = vgg_compiler_add_buffer(
        &compiler,
        vgg_compiler_product(&compiler, vgg_gpu_values(&compiler, picture, 1), sizeof(float)));
    add_layout(&compiler, &graph->ops[0]);
    for (size_t i = 0; i < graph->count; i++) {
        compile_op(&compiler, &graph->ops[i], i + 1 == graph->count);
    }
    plan->lowest = vgg_compiler_lowest(plan);
    vgg_plan_find_taps(plan);
    plan->logits = plan->options.ends_at_taps ? VGG_NO_BUFFER : compiler.current;
    add_values(&compiler);
    keep_inputs(plan);
    vgg_gpu_state(plan)->staging = add_lasting(&compiler, most_staged(&compiler));
    vgg_gpu_state(plan)->sums = add_lasting(&compiler, most_sums(plan));
    if (plan->options.gradients)
        vgg_gpu_compile_backward(&compiler);
    status = vgg_gpu_tell(plan, error);
    return status == VGG_OK ? vgg_compile_lives(&compiler, error) : status;
}
