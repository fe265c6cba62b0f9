/* ONNX operators that change the size of pictures: pools, and pads before convolutions. */
#include <string.h>

#include "formats/containers/protobuf.h"
#include "formats/containers/wire.h"
#include "formats/onnx/onnx.h"

/* AdaptiveAvgPool2d(7) of torchvision's layout. */
#define POOLED 7

void vgg_onnx_shrink(vgg_onnx_walk *walk) {
    walk->height = walk->height > 2 ? walk->height - 2 : 0;
    walk->width = walk->width > 2 ? walk->width - 2 : 0;
}

/* Whether the pool that was passed for the last one may as well be one of 2x2 among convolutions,
 * which it then becomes. */
static bool was_average(vgg_onnx_walk *walk) {
    vgg_evidence *evidence = &walk->onnx->source->graph.evidence;
    if (walk->halves == 0)
        return false;
    evidence->clues[walk->halves - 1].layer.type = VGG_LAYER_AVERAGE_POOL_2X2;
    walk->halves = 0;
    return true;
}

vgg_status vgg_onnx_check_order(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node,
                                vgg_error *error) {
    if (walk->flat || (walk->pooled && !was_average(walk)))
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "stands behind the convolutions, where it is not expected");
    walk->pooled = false;
    if (walk->channels_last)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "takes what has its channels last, expected (N, C, H, W)");
    if (walk->border > 0)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "follows a Pad, expected a Conv behind it");
    return VGG_OK;
}

/* ---- pools with a kernel ---- */

static vgg_status add_small(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_layer_type type,
                            vgg_error *error) {
    bool up = vgg_onnx_int(node, "ceil_mode", 0) != 0 ||
              strncmp(vgg_onnx_string(node, "auto_pad", ""), "SAME_", 5) == 0;
    /* Rounding up or down is the same for even sizes only. */
    bool even = walk->height > 0 && walk->height % 2 == 0 && walk->width % 2 == 0;
    if (up && !even)
        return vgg_onnx_fail_node(
            walk->onnx, node, error,
            "rounds the size of its output up, expected down, for an input of "
            "%zux%zu (0: unknown)",
            walk->height, walk->width);
    walk->height /= 2;
    walk->width /= 2;
    vgg_sequence_layer(&walk->sequence, type);
    return VGG_OK;
}

/* The pool of torchvision's layout, from whichever size evenly to 7 x 7. */
static bool pools_to_seven(const vgg_onnx_walk *walk, const Vgg__Onnx__Node *node) {
    size_t high = walk->height / POOLED, wide = walk->width / POOLED;
    return high > 0 && wide > 0 && walk->height == POOLED * high && walk->width == POOLED * wide &&
           vgg_onnx_pair(node, "kernel_shape", high, wide, false) &&
           vgg_onnx_pair(node, "strides", high, wide, high == 1 && wide == 1);
}

static bool has_pads(const Vgg__Onnx__Node *node) {
    return !vgg_onnx_all(node, "pads", 4, 0, true);
}

vgg_status vgg_onnx_pool(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    bool average = vgg_onnx_is_type(node, "AveragePool");
    /* One of a single value changes nothing, wherever it stands. */
    if (vgg_onnx_all(node, "kernel_shape", 2, 1, false) &&
        vgg_onnx_all(node, "strides", 2, 1, true) && !has_pads(node))
        return VGG_OK;
    vgg_status status = vgg_onnx_check_order(walk, node, error);
    if (status != VGG_OK)
        return status;
    bool plain = !has_pads(node) && vgg_onnx_all(node, "dilations", 2, 1, true);
    bool small = plain && vgg_onnx_all(node, "kernel_shape", 2, 2, false) &&
                 vgg_onnx_all(node, "strides", 2, 2, false);
    bool seven = plain && average && pools_to_seven(walk, node);
    bool all = plain && walk->height > 2 &&
               vgg_onnx_pair(node, "kernel_shape", walk->height, walk->width, false);
    if (seven) {
        vgg_sequence_layer(&walk->sequence, VGG_LAYER_AVERAGE_POOL);
        walk->halves = small ? walk->onnx->source->graph.evidence.count : 0;
        walk->pooled = true;
        walk->height = walk->width = POOLED;
        return VGG_OK;
    }
    if (all) {
        vgg_sequence_layer(&walk->sequence,
                           average ? VGG_LAYER_GLOBAL_AVERAGE_POOL : VGG_LAYER_GLOBAL_MAX_POOL);
        walk->pooled = true;
        walk->height = walk->width = 1;
        return VGG_OK;
    }
    char attributes[VGG_ONNX_ATTRIBUTES];
    if (!small)
        return vgg_onnx_fail_node(
            walk->onnx, node, error,
            "is a pool%s of an input of %zux%zu (0: unknown), expected one of 2x2 with stride 2 "
            "and without pads or dilation, one of the whole input, or an average evenly to %dx%d",
            vgg_onnx_attributes(attributes, node), walk->height, walk->width, POOLED, POOLED);
    return add_small(walk, node, average ? VGG_LAYER_AVERAGE_POOL_2X2 : VGG_LAYER_MAX_POOL, error);
}

/* ---- pools of the whole picture ---- */

size_t vgg_onnx_stored_numbers(const vgg_onnx *onnx, const char *name, int64_t *numbers,
                               size_t most) {
    bool transposed;
    const Vgg__Onnx__Tensor *stored = vgg_onnx_find_tensor(onnx, name, &transposed);
    size_t size = 0, count = 0;
    if (stored == NULL || stored->data_type != VGG_ONNX_INT64)
        return 0;
    const unsigned char *map = onnx->source->storage.map, *at, *end;
    if (stored->n_raw_data > 0) {
        at = vgg_protobuf_bytes(map, &stored->raw_data[stored->n_raw_data - 1], &size);
        for (; count < most && 8 * (count + 1) <= size; count++) {
            uint64_t value = 0;
            for (size_t byte = 8; byte-- > 0;) {
                value = value << 8 | at[8 * count + byte];
            }
            numbers[count] = (int64_t)value;
        }
        return count;
    }
    for (size_t i = 0; i < stored->n_int64_data; i++) {
        at = vgg_protobuf_bytes(map, &stored->int64_data[i], &size);
        for (end = at + size; at != NULL && at < end && count < most; count++) {
            numbers[count] = (int64_t)vgg_wire_varint(&at, end);
        }
    }
    return count;
}

/* Whether a Reduce goes over height and width, and nothing else. */
static bool reduces_pictures(const vgg_onnx_walk *walk, const Vgg__Onnx__Node *node) {
    const vgg_onnx *onnx = walk->onnx;
    int64_t axes[5], height = walk->channels_last ? 1 : 2;
    size_t count = vgg_onnx_numbers(node, "axes", axes, 5);
    if (count == 0)
        count = vgg_onnx_stored_numbers(onnx, vgg_onnx_input(node, 1), axes, 5);
    if (count != 2)
        return false;
    int64_t first = axes[0] < 0 ? axes[0] + 4 : axes[0];
    int64_t second = axes[1] < 0 ? axes[1] + 4 : axes[1];
    return (first == height && second == height + 1) || (first == height + 1 && second == height);
}

vgg_status vgg_onnx_global_pool(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node,
                                vgg_error *error) {
    bool reduces = strncmp(vgg_onnx_text(node->op_type), "Reduce", 6) == 0;
    bool maximum = vgg_onnx_is_type(node, "GlobalMaxPool") || vgg_onnx_is_type(node, "ReduceMax");
    if (reduces && !reduces_pictures(walk, node))
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "goes over other axes than height and width");
    /* Behind linear layers that are written as convolutions there is one value. */
    if (walk->features > 0)
        return VGG_OK;
    bool last = walk->channels_last;
    walk->channels_last = last && !reduces;
    vgg_status status = vgg_onnx_check_order(walk, node, error);
    walk->channels_last = last;
    if (status != VGG_OK)
        return status;
    vgg_sequence_layer(&walk->sequence,
                       maximum ? VGG_LAYER_GLOBAL_MAX_POOL : VGG_LAYER_GLOBAL_AVERAGE_POOL);
    walk->pooled = true;
    walk->height = walk->width = 1;
    if (reduces && vgg_onnx_int(node, "keepdims", 1) == 0)
        walk->flat = true;
    return VGG_OK;
}

bool vgg_onnx_end_in_average(vgg_onnx_walk *walk) {
    vgg_tensor_source *source = walk->onnx->source;
    vgg_evidence *evidence = &source->graph.evidence;
    size_t count = evidence->count;
    if (walk->features > 0 || count < 2 || walk->height != 1 || walk->width != 1)
        return false;
    vgg_clue *convolution = &evidence->clues[count - 2], *pool = convolution + 1;
    bool average = pool->layer.type == VGG_LAYER_GLOBAL_AVERAGE_POOL ||
                   pool->layer.type == VGG_LAYER_AVERAGE_POOL_2X2;
    if (!average || convolution->layer.type != VGG_LAYER_CONVOLUTION ||
        convolution->layer.kernel != 1)
        return false;
    const vgg_clue linear = {
        .layer = {.type = VGG_LAYER_LINEAR, .outputs = convolution->layer.outputs}};
    *convolution = *pool;
    evidence->count--;
    vgg_evidence_flatten(evidence);
    vgg_evidence_add(evidence, linear);
    source->tensors[source->tensor_count - 2].dimensions = 2;
    walk->features = linear.layer.outputs;
    walk->last = VGG_ONNX_LINEAR;
    return true;
}

/* ---- pads ---- */

vgg_status vgg_onnx_pad(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    int64_t pads[9];
    size_t count = vgg_onnx_numbers(node, "pads", pads, 9);
    if (count == 0)
        count = vgg_onnx_stored_numbers(walk->onnx, vgg_onnx_input(node, 1), pads, 9);
    bool zeros = strcmp(vgg_onnx_string(node, "mode", "constant"), "constant") == 0 &&
                 vgg_onnx_float(node, "value", 0) == 0 && vgg_onnx_input(node, 2)[0] == '\0';
    bool even = count == 8 && pads[0] == 0 && pads[1] == 0 && pads[4] == 0 && pads[5] == 0 &&
                pads[2] == pads[3] && pads[2] == pads[6] && pads[2] == pads[7];
    if (even && pads[2] == 0)
        return VGG_OK;
    if (!zeros || !even || pads[2] != 1 || walk->border > 0)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "is no border of one zero around each picture, as a convolution "
                                  "has it");
    walk->border = 1;
    return VGG_OK;
}
