/* Which maps a plan keeps in bfloat16, of one that multiplies such numbers: those that are written
 * and read by nothing but convolutions that round what they multiply anyway, batch norm, and a
 * first layer in float32. Half of the memory, and of the time that it takes to read it. */
#include "nn/compiler.h"
#include "nn/device.h"

/* What an op does with a buffer, and whether it can with numbers of bfloat16. */
typedef struct map_use {
    size_t buffer;
    bool can;
} map_use;

enum { USES = 5 };

/* Maps of fewer numbers an image stay in caches: transforms would read them in as much time, and
 * round once more than without. What multiplies matrices rounds just what it reads. */
#define LEAST_NUMBERS 16384

/* The gate is told by the sign. A first layer that is done directly, in float32, reads the caller's
 * input. */
static void find_convolution_uses(const vgg_planned_op *op, map_use uses[USES]) {
    bool learns = !op->graph.trains || op->weights_tile > 0;
    bool goes_back = !op->graph.need_dx || op->back_tile > 0;
    bool forward = op->bf16 && op->tile > 0;
    bool first = op->plain && op->tile == 0 && op->y_numbers == VGG_NO_LAYER;
    uses[0] = (map_use){op->x, forward && learns && !op->plain};
    uses[1] = (map_use){op->y, forward || first};
    uses[2] = (map_use){op->dy, (learns || first) && goes_back};
    uses[3] = (map_use){op->dx, goes_back};
    uses[4] = (map_use){op->blocked_dx, false};
}

static void find_uses(const vgg_plan *plan, const vgg_planned_op *op, map_use uses[USES]) {
    const size_t buffers[USES] = {op->x, op->y, op->dy, op->dx, op->blocked_dx};
    for (size_t i = 0; i < USES; i++) {
        uses[i] = (map_use){buffers[i], op->graph.kind == VGG_OP_BATCH_NORM};
    }
    if (op->graph.kind == VGG_OP_CONVOLUTION)
        find_convolution_uses(op, uses);
    if (op->graph.tapped || op->mask || plan->options.guided)
        uses[1].can = uses[2].can = false;
}

static void mark(vgg_plan *plan, size_t buffer, bool bf16) {
    if (buffer != VGG_NO_BUFFER)
        plan->buffers[buffer].bf16 = bf16 && plan->buffers[buffer].offset != SIZE_MAX;
}

/* By the size of an image's, with its whole blocks of channels, so that plans of any batch that
 * have the same algorithms have the same maps. */
static bool is_worth(const vgg_plan *plan, size_t buffer) {
    return vgg_conv_has_matrices(plan->kernels->bf16_costs) ||
           plan->buffers[buffer].bytes / sizeof(float) >= LEAST_NUMBERS * plan->options.batch;
}

void vgg_compile_maps(vgg_plan *plan) {
    map_use uses[USES];
    bool can = vgg_plan_is_bf16(plan);
    for (size_t i = 0; i < USES * plan->op_count; i++) {
        find_uses(plan, &plan->ops[i / USES], uses);
        mark(plan, uses[i % USES].buffer, can);
    }
    for (size_t i = 0; i < USES * plan->op_count; i++) {
        find_uses(plan, &plan->ops[i / USES], uses);
        if (!uses[i % USES].can)
            mark(plan, uses[i % USES].buffer, false);
    }
    /* What flows into the first op that is not frozen is handed out, and taken in, as floats. */
    size_t frozen = vgg_plan_frozen_ops(plan);
    if (frozen > 0)
        mark(plan, plan->ops[frozen].x, false);
    for (size_t i = 0; i < plan->buffer_count; i++) {
        plan->buffers[i].bf16 = plan->buffers[i].bf16 && is_worth(plan, i);
        if (plan->buffers[i].bf16)
            plan->buffers[i].bytes /= 2;
    }
}
