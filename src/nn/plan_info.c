/* Looking at a plan, op by op. */
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "kernels/conv_cost.h"
#include "nn/device.h"

size_t vgg_plan_op_count(const vgg_plan *plan) {
    return plan->op_count;
}

/* By tiles of 0, 1, 2 and 4, and whether they are of bfloat16; tiles of 1 always are. */
static const char *convolution_name(size_t tile, bool bf16) {
    static const char *const names[5][2] = {[0] = {"direct", "direct"},
                                            [1] = {"direct-bf16", "direct-bf16"},
                                            [2] = {"winograd2", "winograd2-bf16"},
                                            [4] = {"winograd", "winograd-bf16"}};
    return names[tile][bf16];
}

static const char *pooled_name(size_t tile, bool bf16) {
    static const char *const names[5][2] = {[0] = {"direct+pool", "direct+pool"},
                                            [1] = {"direct-bf16+pool", "direct-bf16+pool"},
                                            [2] = {"winograd2+pool", "winograd2-bf16+pool"},
                                            [4] = {"winograd+pool", "winograd-bf16+pool"}};
    return names[tile][bf16];
}

/* Those of int8. */
static const char *int8_name(const vgg_planned_op *op) {
    if (op->tile == 1)
        return op->graph.pool ? "direct-int8+pool" : "direct-int8";
    static const char *const names[2][2] = {{"winograd2-int8", "winograd-int8"},
                                            {"winograd2-int8+pool", "winograd-int8+pool"}};
    return names[op->graph.pool][op->tile == 4];
}

static const char *algorithm_of(const vgg_plan *plan, const vgg_planned_op *op) {
    static const char *const names[] = {[VGG_OP_BLOCK] = "block",
                                        [VGG_OP_BATCH_NORM] = "batch-norm",
                                        [VGG_OP_RELU] = "relu",
                                        [VGG_OP_DROPOUT] = "dropout",
                                        [VGG_OP_MAX_POOL] = "max-pool",
                                        [VGG_OP_LRN] = "lrn",
                                        [VGG_OP_AVERAGE_POOL_2X2] = "average-pool",
                                        [VGG_OP_AVERAGE_POOL] = "average-pool",
                                        [VGG_OP_GLOBAL_AVERAGE] = "global-average",
                                        [VGG_OP_GLOBAL_MAX] = "global-max",
                                        [VGG_OP_FLATTEN] = "flatten",
                                        [VGG_OP_WINDOWS] = "windows",
                                        [VGG_OP_LINEAR] = "linear",
                                        [VGG_OP_MEAN] = "mean"};
    const char *own = plan->device->algorithm(plan, op);
    if (own != NULL)
        return own;
    if (op->int8)
        return int8_name(op);
    if (op->windowed)
        return "winograd7";
    if (op->graph.kind == VGG_OP_LINEAR && op->bf16)
        return "linear-bf16";
    if (op->graph.kind == VGG_OP_CONVOLUTION && op->graph.pool)
        return pooled_name(op->tile, op->bf16);
    if (op->graph.kind == VGG_OP_CONVOLUTION)
        return convolution_name(op->tile, op->bf16);
    if (op->graph.kind == VGG_OP_BATCH_NORM && op->graph.pool)
        return "norm+pool";
    return names[op->graph.kind];
}

static const char *data_algorithm_of(const vgg_plan *plan, const vgg_planned_op *op) {
    if (!plan->options.gradients || !op->graph.need_dx)
        return NULL;
    if (op->graph.kind == VGG_OP_CONVOLUTION && plan->kernels == NULL)
        return algorithm_of(plan, op);
    if (op->graph.kind == VGG_OP_CONVOLUTION)
        return convolution_name(op->back_tile, vgg_plan_is_bf16(plan));
    return algorithm_of(plan, op);
}

static const char *weights_algorithm_of(const vgg_plan *plan, const vgg_planned_op *op) {
    if (!op->graph.trains)
        return NULL;
    if (op->graph.kind == VGG_OP_CONVOLUTION && plan->kernels == NULL)
        return algorithm_of(plan, op);
    if (op->graph.kind == VGG_OP_CONVOLUTION)
        return convolution_name(op->weights_tile, vgg_plan_is_bf16(plan));
    if (op->graph.kind == VGG_OP_LINEAR)
        return plan->options.defer_linear ? "linear+update" : "linear";
    return NULL;
}

static size_t values_in(vgg_extent extent) {
    return extent.channels * extent.height * extent.width;
}

/* Products of an op's numbers in the time of one of float32. */
static size_t rate_of(const vgg_kernels *kernels, const vgg_planned_op *op) {
    if (op->int8)
        return kernels->rates.int8;
    if (op->bf16)
        return op->tile == 1 ? kernels->rates.direct : kernels->rates.bf16;
    return 1;
}

static void describe_products(const vgg_plan *plan, const vgg_planned_op *op, vgg_op_info *info) {
    const vgg_tensor *weight = vgg_plan_tensor(plan, op, VGG_TENSOR_WEIGHT);
    size_t weights = weight->info.count;
    vgg_numbers numbers = vgg_tensor_numbers(weight);
    info->weight_bytes = weights * vgg_element_bytes(numbers.element) +
                         (numbers.scales != NULL ? weight->info.shape[0] * sizeof(float) : 0);
    if (op->graph.kind == VGG_OP_LINEAR) {
        info->multiply_adds = weights * op->graph.places;
        info->products = info->multiply_adds * plan->options.batch;
        if (op->windowed)
            info->products = plan->options.batch * VGG_WINDOW_POINTS * op->map.channels *
                             vgg_window_tiles(op->map.height, op->map.width) *
                             op->graph.out.channels;
        info->cost = (double)info->products;
        return;
    }
    vgg_conv_shape shape = vgg_op_conv_shape(op, plan->options.batch);
    info->multiply_adds = weights * shape.height * shape.width;
    if (plan->kernels == NULL) { /* another device's */
        info->products = info->multiply_adds * plan->options.batch;
        info->cost = (double)info->products;
        return;
    }
    const vgg_conv_costs *costs = op->int8   ? plan->kernels->int8_costs
                                  : op->bf16 ? plan->kernels->bf16_costs
                                             : plan->kernels->costs;
    info->products = vgg_conv_products(costs, &shape, op->tile) / rate_of(plan->kernels, op);
    info->cost = vgg_conv_cost(costs, &shape, op->tile);
}

vgg_status vgg_plan_op(const vgg_plan *plan, size_t index, vgg_op_info *info, vgg_error *error) {
    if (index >= plan->op_count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "op %zu of a plan with %zu", index,
                        plan->op_count);
    const vgg_planned_op *op = &plan->ops[index];
    plan->device->know_times(plan);
    vgg_op_info found = {.struct_size = sizeof found,
                         .algorithm = algorithm_of(plan, op),
                         .seconds = op->seconds,
                         .backward_data = data_algorithm_of(plan, op),
                         .backward_weights = weights_algorithm_of(plan, op),
                         .backward_data_seconds = op->data_seconds,
                         .backward_weights_seconds = op->weights_seconds};
    if (op->graph.layer != VGG_NO_LAYER)
        memcpy(found.name, plan->network->layers[op->graph.layer].name, sizeof found.name);
    if (op->graph.kind == VGG_OP_CONVOLUTION || op->graph.kind == VGG_OP_LINEAR)
        describe_products(plan, op, &found);
    size_t x = op->x_numbers ? 1 : sizeof(float);
    size_t y = op->y_numbers != VGG_NO_LAYER ? 1 : sizeof(float);
    found.bytes = found.weight_bytes + plan->options.batch * (x * values_in(op->graph.in) +
                                                              y * values_in(op->graph.out));
    return vgg_result_write(info, &found, sizeof found, "vgg_op_info", error);
}
