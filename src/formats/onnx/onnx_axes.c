/* Graphs of programs that keep channels last: Transposes between (N, H, W, C) and (N, C, H, W),
 * Reshapes that stand in their place for one channel, and rows that were flattened so. */
#include "formats/onnx/onnx.h"
#include "formats/transpose.h"

/* ---- the input ---- */

static size_t size_at(const Vgg__Onnx__Value *input, size_t axis) {
    const Vgg__Onnx__Type *type = input->type;
    if (type == NULL || type->tensor_type == NULL || type->tensor_type->shape == NULL ||
        type->tensor_type->shape->n_dim != 4)
        return 0;
    int64_t size = type->tensor_type->shape->dim[axis]->dim_value;
    return size > 0 ? (size_t)size : 0;
}

static bool has_order(const Vgg__Onnx__Node *node, int64_t second, int64_t third, int64_t fourth) {
    int64_t order[5];
    return vgg_onnx_numbers(node, "perm", order, 5) == 4 && order[0] == 0 && order[1] == second &&
           order[2] == third && order[3] == fourth;
}

/* Whether a Reshape of pictures of one channel, (N, H, W, 1), does what a Transpose would do. */
static bool turns_one_channel(const vgg_onnx *onnx, const Vgg__Onnx__Node *node,
                              const Vgg__Onnx__Value *input) {
    int64_t shape[5];
    size_t height = size_at(input, 1), width = size_at(input, 2);
    return vgg_onnx_is_type(node, "Reshape") && size_at(input, 3) == 1 && height > 0 && width > 0 &&
           vgg_onnx_stored_numbers(onnx, vgg_onnx_input(node, 1), shape, 5) == 4 && shape[1] == 1 &&
           shape[2] == (int64_t)height && shape[3] == (int64_t)width;
}

void vgg_onnx_begin_axes(vgg_onnx_walk *walk, const Vgg__Onnx__Node *const *chain, size_t count,
                         const Vgg__Onnx__Value *input) {
    for (size_t i = 0; i < count && !vgg_onnx_is_type(chain[i], "Conv"); i++) {
        if (turns_one_channel(walk->onnx, chain[i], input) ||
            (vgg_onnx_is_type(chain[i], "Transpose") && has_order(chain[i], 3, 1, 2)))
            walk->channels_last = true;
    }
    walk->inputs = size_at(input, walk->channels_last ? 3 : 1);
    size_t height = size_at(input, walk->channels_last ? 1 : 2);
    size_t width = size_at(input, walk->channels_last ? 2 : 3);
    if (height == 0 || width == 0)
        return;
    vgg_graph_facts *facts = &walk->onnx->source->graph;
    facts->height = walk->height = height;
    facts->width = walk->width = width;
}

/* ---- nodes ---- */

vgg_status vgg_onnx_transpose(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    bool there = !walk->channels_last && has_order(node, 2, 3, 1);
    bool back = walk->channels_last && has_order(node, 3, 1, 2);
    if (walk->flat || !(there || back))
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "changes the order of the axes other than from (N, H, W, C) to "
                                  "(N, C, H, W) or back");
    walk->channels_last = there;
    return VGG_OK;
}

/* Before the first convolution it only turns pictures of one channel; behind it it flattens. */
vgg_status vgg_onnx_reshape(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    int64_t shape[5];
    if (walk->channels > 0) {
        walk->rows_last = walk->rows_last || (walk->channels_last && !walk->flat);
        walk->flat = true;
        return VGG_OK;
    }
    bool four = vgg_onnx_stored_numbers(walk->onnx, vgg_onnx_input(node, 1), shape, 5) == 4 &&
                walk->height > 0;
    bool first = four && shape[1] == 1 && shape[2] == (int64_t)walk->height &&
                 shape[3] == (int64_t)walk->width;
    bool last = four && shape[3] == 1 && shape[1] == (int64_t)walk->height &&
                shape[2] == (int64_t)walk->width;
    if (!(first || (last && walk->channels_last)))
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "changes the shape of the input, expected pictures of the shape "
                                  "that the first Conv takes");
    walk->channels_last = !first;
    return VGG_OK;
}

/* ---- weights ---- */

vgg_status vgg_onnx_turn_rows(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node,
                              vgg_stored_tensor *weight, vgg_error *error) {
    size_t inputs = weight->shape[0], outputs = weight->shape[1];
    if (inputs % walk->channels != 0)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "takes %zu values, expected a multiple of the last Conv's "
                                  "outputs, %zu",
                                  inputs, walk->channels);
    const vgg_kernel_sizes sizes = {inputs / walk->channels, walk->channels, outputs,
                                    weight->type->bytes};
    weight->shape[0] = outputs;
    weight->shape[1] = inputs;
    return vgg_transpose(walk->onnx->source, &sizes, weight->bytes, &weight->bytes, error);
}
