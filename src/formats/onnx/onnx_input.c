/* What an ONNX graph does with its input before the first convolution: arithmetic with constants,
 * which becomes part of the preprocessing. */
#include <math.h>

#include "formats/onnx/onnx.h"

/* The constant for each channel; one value is for all. */
static vgg_status take_constants(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, const char *name,
                                 double values[3], vgg_error *error) {
    bool transposed;
    const Vgg__Onnx__Tensor *stored = vgg_onnx_find_tensor(walk->onnx, name, &transposed);
    if (stored == NULL)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "takes \"%.80s\", which is no stored tensor", name);
    vgg_stored_tensor tensor;
    vgg_status status = vgg_onnx_tensor(walk->onnx, stored, &tensor, error);
    if (status != VGG_OK)
        return status;
    size_t channels = 1;
    for (size_t i = 0; i < tensor.dimensions; i++) {
        bool is_channel = i + (walk->channels_last ? 1 : 3) == tensor.dimensions;
        if (tensor.shape[i] != 1 && !(is_channel && tensor.shape[i] == 3))
            channels = 0;
    }
    if (channels > 0)
        channels = tensor.count;
    float found[3] = {0, 0, 0};
    if (channels == 1 || channels == 3)
        vgg_elements_to_float(tensor.type->element, tensor.bytes, channels, found);
    else
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "takes \"%.80s\", expected one value or one for each channel",
                                  name);
    for (size_t c = 0; c < 3; c++) {
        values[c] = (double)found[channels == 3 ? c : 0];
        if (!isfinite(values[c]))
            return vgg_onnx_fail_node(walk->onnx, node, error, "takes numbers that are not finite");
    }
    return VGG_OK;
}

vgg_status vgg_onnx_prepare(vgg_onnx_walk *walk, const Vgg__Onnx__Node *node, vgg_error *error) {
    vgg_graph_input *input = &walk->onnx->source->graph.input;
    bool subtracts = vgg_onnx_is_type(node, "Sub"), divides = vgg_onnx_is_type(node, "Div");
    bool adds = vgg_onnx_is_type(node, "Add"), transposed;
    if (walk->channels > 0 || walk->pending != VGG_ONNX_NOTHING)
        return vgg_onnx_fail_node(walk->onnx, node, error,
                                  "stands behind a convolution, where arithmetic is not expected");
    bool first = vgg_onnx_find_tensor(walk->onnx, vgg_onnx_input(node, 0), &transposed) != NULL;
    double values[3];
    if (first && (subtracts || divides))
        return vgg_onnx_fail_node(walk->onnx, node, error, "has the input on its right side");
    vgg_status status =
        take_constants(walk, node, vgg_onnx_input(node, first ? 0 : 1), values, error);
    if (status != VGG_OK)
        return status;
    for (size_t c = 0; c < 3; c++) {
        if (!input->present)
            input->factor[c] = 1;
        if (divides && !(fabs(values[c]) > 0))
            return vgg_onnx_fail_node(walk->onnx, node, error, "divides by zero");
        double factor = divides ? 1 / values[c] : !adds && !subtracts ? values[c] : 1;
        input->factor[c] *= factor;
        input->offset[c] = input->offset[c] * factor + (adds        ? values[c]
                                                        : subtracts ? -values[c]
                                                                    : 0);
    }
    input->present = true;
    return VGG_OK;
}
