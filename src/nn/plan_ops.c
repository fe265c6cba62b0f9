/* How this processor does the ops of a graph, forward. */
#include "base/memory.h"
#include "nn/compiler.h"

static vgg_planned_op *add_op(plan_compiler *compiler, const vgg_op *graph, value_form form) {
    size_t y = vgg_compiler_add_values(compiler, graph->out, form);
    vgg_planned_op *op = vgg_compiler_add_op(compiler, graph, form, y);
    op->viewed = graph->tapped && compiler->plan->viewer != NULL;
    if (op->viewed)
        compiler->plan->buffers[y].offset = SIZE_MAX; /* the viewer says where */
    return op;
}

/* What the reader reads in another form. */
static void move(plan_compiler *compiler, vgg_op_kind kind, const vgg_op *reader, value_form form) {
    const vgg_op op = vgg_compiler_moving(kind, reader);
    add_op(compiler, &op, form);
}

/* Puts the values in blocks, for an op that cannot read them otherwise. */
static void ensure_blocked(plan_compiler *compiler, const vgg_op *reader) {
    if (compiler->form != FORM_BLOCKED)
        move(compiler, VGG_OP_BLOCK, reader, FORM_BLOCKED);
}

/* And back in rows, for an op behind the flattening. */
static void ensure_rows(plan_compiler *compiler, const vgg_op *reader) {
    if (compiler->form == FORM_BLOCKED)
        move(compiler, VGG_OP_FLATTEN, reader, FORM_ROWS);
}

/* Memory of a convolution: weights as its algorithm wants them, and scratch. */
static void reserve_convolution(plan_compiler *compiler, vgg_planned_op *op) {
    vgg_plan *plan = compiler->plan;
    vgg_conv_shape shape = vgg_op_conv_shape(op, plan->options.tuned_batch);
    const vgg_int8 *int8 = plan->network->layers[op->graph.layer].int8;
    op->int8 = int8 != NULL && !plan->options.exact && !plan->options.gradients;
    op->tile = plan->options.exact ? 0 : vgg_conv_fastest_tile(vgg_compiler_costs(plan), &shape);
    op->tile = op->int8 ? int8->tile : op->tile;
    op->bf16 = vgg_plan_is_bf16(plan) && !op->int8 && op->tile > 0;
    shape.images = plan->options.batch;
    if (op->tile == 0) {
        op->packed = vgg_compiler_add_constants(compiler, vgg_conv_packed_size(&shape));
        op->scratch =
            vgg_compiler_add_worker_scratch(compiler, vgg_conv_forward_partition(&shape).scratch);
        return;
    }
    vgg_winograd_partition cut = vgg_op_partition(plan, op, &shape);
    op->packed = vgg_compiler_add_constants(compiler, cut.filters);
    op->scratch = vgg_compiler_add_worker_scratch(compiler, cut.scratch);
}

/* What a max-pool notes for the backward pass. */
static size_t add_choices(plan_compiler *compiler, vgg_extent pooled) {
    size_t blocks = vgg_compiler_floats(compiler, pooled, FORM_BLOCKED) / VGG_BLOCK;
    return vgg_compiler_add_buffer(compiler,
                                   vgg_compiler_product(compiler, blocks, sizeof(vgg_choice)));
}

/* Whether an op's kernels can do the max-pool behind it, and what its backward pass starts with:
 * batch norm's can, and those of Winograd's convolutions with padding; others only what needs no
 * backward pass. */
static bool can_pool(const vgg_plan *plan, const vgg_planned_op *op, bool backward) {
    if (op->graph.kind == VGG_OP_BATCH_NORM || !backward)
        return true;
    vgg_conv_shape shape = vgg_op_conv_shape(op, plan->options.batch);
    vgg_conv_shape turned = vgg_op_turned_shape(op, plan->options.batch);
    return op->tile > 0 && !op->graph.valid &&
           vgg_conv_fastest_tile(vgg_compiler_costs(plan), &turned) > 0 &&
           vgg_conv_weights_fastest_tile(vgg_compiler_costs(plan), &shape) > 0;
}

/* Has the op before a convolution put out the numbers that this one reads, where its kernels can
 * and nobody else looks. */
static void pass_numbers(plan_compiler *compiler, vgg_planned_op *op) {
    vgg_plan *plan = compiler->plan;
    if (!op->int8 || op->tile != 1 || op == plan->ops || op[-1].y != op->x)
        return;
    vgg_planned_op *before = op - 1;
    if (before->graph.kind != VGG_OP_CONVOLUTION || before->graph.tapped ||
        (before->tile > 0 && !(before->int8 && before->tile == 1)))
        return;
    op->x_numbers = true;
    before->y_numbers = op->graph.layer;
    vgg_extent in = op->graph.in;
    size_t place = vgg_int8_chunks(in.channels) * VGG_INT8_CHUNK;
    size_t pixels = vgg_compiler_product(compiler, in.height, in.width);
    plan->buffers[op->x].bytes = vgg_compiler_product(
        compiler, vgg_compiler_product(compiler, pixels, plan->options.batch), place);
}

static void add_convolution(plan_compiler *compiler, const vgg_op *graph) {
    bool plain = compiler->form == FORM_PLAIN, fold = graph->folded != VGG_NO_LAYER;
    vgg_planned_op *op = add_op(compiler, graph, FORM_BLOCKED);
    size_t lanes = vgg_round_up(graph->out.channels, VGG_BLOCK);
    op->plain = plain;
    op->bias = vgg_compiler_add_constants(compiler, lanes);
    op->scale = vgg_compiler_add_constants(compiler, fold ? lanes : 0);
    op->shift = vgg_compiler_add_constants(compiler, fold ? lanes : 0);
    reserve_convolution(compiler, op);
    pass_numbers(compiler, op);
}

static void add_batch_norm(plan_compiler *compiler, const vgg_op *graph) {
    ensure_blocked(compiler, graph);
    vgg_planned_op *op = add_op(compiler, graph, FORM_BLOCKED);
    size_t lanes = vgg_round_up(graph->out.channels, VGG_BLOCK);
    size_t *const figures[] = {&op->scale,  &op->shift,    &op->mean,   &op->from_dy,
                               &op->from_x, &op->constant, &op->inverse};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        *figures[i] = vgg_compiler_add_constants(compiler, lanes);
    }
    op->sums = vgg_compiler_add_constants(
        compiler, vgg_compiler_product(compiler, 2 * lanes, compiler->plan->options.batch));
}

/* Takes a max-pool into the op before it where that op's kernels can; nobody needs what lies
 * between. */
static bool take_pool(plan_compiler *compiler, const vgg_op *pool) {
    vgg_plan *plan = compiler->plan;
    vgg_planned_op *op = plan->op_count > 0 ? &plan->ops[plan->op_count - 1] : NULL;
    bool joins = op != NULL && !op->graph.pool && !op->graph.tapped &&
                 (op->graph.kind == VGG_OP_CONVOLUTION || op->graph.kind == VGG_OP_BATCH_NORM);
    if (!joins || !can_pool(plan, op, pool->reached))
        return false;
    op->graph = vgg_op_with_pool(&op->graph, pool);
    plan->buffers[op->y].bytes = vgg_compiler_product(
        compiler, vgg_compiler_floats(compiler, pool->out, FORM_BLOCKED), sizeof(float));
    if (pool->reached)
        op->chosen = add_choices(compiler, pool->out);
    return true;
}

static void add_max_pool(plan_compiler *compiler, const vgg_op *graph) {
    if (take_pool(compiler, graph))
        return;
    ensure_blocked(compiler, graph);
    vgg_planned_op *op = add_op(compiler, graph, FORM_BLOCKED);
    op->pool_viewed = op > compiler->plan->ops && op[-1].viewed && !graph->tapped;
    if (graph->reached)
        op->chosen = add_choices(compiler, graph->out);
}

static void add_flatten(plan_compiler *compiler, const vgg_op *graph) {
    if (compiler->plan->options.defer_linear)
        ensure_blocked(compiler, graph); /* the caller's rows are gone at the update */
    if (compiler->form == FORM_BLOCKED)
        add_op(compiler, graph, FORM_ROWS);
    compiler->form = FORM_ROWS; /* a plain image is a row already */
}

/* Whether the windows of a map are not to be laid out as rows: the linear layer behind them sees
 * them faster by transforms. */
static bool sees_windows(const vgg_plan *plan, const vgg_op *windows, const vgg_op *reader) {
    const vgg_plan_options *options = &plan->options;
    return !options->exact && reader->kind == VGG_OP_LINEAR &&
           windows->window.height == VGG_WINDOW && windows->window.width == VGG_WINDOW &&
           vgg_window_pays(options->tuned_batch, windows->in.height, windows->in.width);
}

/* Rows of windows: from here on an image has several. */
static void add_windows(plan_compiler *compiler, const vgg_op *graph, const vgg_op *reader) {
    ensure_blocked(compiler, graph);
    compiler->places = graph->places;
    if (sees_windows(compiler->plan, graph, reader))
        compiler->map = graph->in;
    else
        add_op(compiler, graph, FORM_ROWS);
}

/* Of a linear layer that sees windows of a map. */
static void reserve_windows(plan_compiler *compiler, vgg_planned_op *op) {
    vgg_extent map = compiler->map;
    size_t tiles = vgg_compiler_product(compiler, compiler->plan->options.batch,
                                        vgg_window_tiles(map.height, map.width));
    size_t floats = vgg_compiler_product(compiler, tiles, vgg_window_tile_floats(map.channels));
    op->windowed = true;
    op->map = map;
    op->transformed =
        vgg_compiler_add_buffer(compiler, vgg_compiler_product(compiler, floats, sizeof(float)));
    op->scratch = vgg_compiler_add_worker_scratch(compiler, vgg_window_scratch(tiles));
    compiler->map = (vgg_extent){0};
}

/* And here one again. */
static void add_mean(plan_compiler *compiler, const vgg_op *graph) {
    ensure_rows(compiler, graph);
    compiler->places = 1;
    add_op(compiler, graph, FORM_ROWS);
}

/* Of a linear layer whose operands a processor multiplies as matrices of bfloat16: its input. */
static void reserve_operands(plan_compiler *compiler, vgg_planned_op *op) {
    size_t images = vgg_compiler_product(compiler, compiler->plan->options.batch, op->graph.places);
    size_t pieces = vgg_compiler_product(compiler, vgg_linear_runs(op->graph.in.channels),
                                         vgg_linear_groups(images));
    op->bf16 = true;
    op->transformed = vgg_compiler_add_buffer(
        compiler, vgg_compiler_product(compiler, pieces, VGG_LINEAR_PIECE * sizeof(float)));
}

/* Weights of bfloat16 are made for forward passes that repeat: with gradients they change with
 * every step, and making them takes as long as they save. Linear layers stay in float32 there. */
static void add_linear(plan_compiler *compiler, const vgg_op *graph) {
    if (compiler->map.height == 0)
        ensure_rows(compiler, graph);
    vgg_planned_op *op = add_op(compiler, graph, FORM_ROWS);
    if (compiler->map.height > 0)
        reserve_windows(compiler, op);
    if (!vgg_plan_is_bf16(compiler->plan) || compiler->plan->options.gradients)
        return;
    if (!op->windowed && compiler->plan->kernels->bf16_linear.forward != NULL)
        reserve_operands(compiler, op);
    if (vgg_plan_tensor(compiler->plan, op, VGG_TENSOR_WEIGHT)->narrow.at != NULL)
        return;
    op->bf16 = true;
    size_t weights = vgg_compiler_product(compiler, graph->in.channels, graph->out.channels);
    op->rounded = vgg_compiler_add_constants(compiler, (weights + 1) / 2);
}

/* ReLU or dropout: of any form but the caller's input, whose gradient is not where theirs may be.
 */
static void add_elementwise(plan_compiler *compiler, const vgg_op *graph) {
    if (compiler->current == compiler->plan->input)
        ensure_blocked(compiler, graph);
    add_op(compiler, graph, compiler->form);
}

void vgg_compile_forward(plan_compiler *compiler, const vgg_graph *graph) {
    for (size_t i = 0; i < graph->count; i++) {
        const vgg_op *op = &graph->ops[i];
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
        case VGG_OP_FLATTEN:
            add_flatten(compiler, op);
            break;
        case VGG_OP_LINEAR:
            add_linear(compiler, op);
            break;
        case VGG_OP_WINDOWS:
            add_windows(compiler, op, op + 1); /* at least the mean is behind it */
            break;
        case VGG_OP_MEAN:
            add_mean(compiler, op);
            break;
        case VGG_OP_RELU:
        case VGG_OP_DROPOUT:
            add_elementwise(compiler, op);
            break;
        case VGG_OP_LRN:
        case VGG_OP_AVERAGE_POOL_2X2:
        case VGG_OP_AVERAGE_POOL:
        case VGG_OP_GLOBAL_AVERAGE:
        case VGG_OP_GLOBAL_MAX:
            ensure_blocked(compiler, op);
            add_op(compiler, op, FORM_BLOCKED);
            break;
        case VGG_OP_BLOCK:
            break; /* a plan's own */
        }
    }
}
