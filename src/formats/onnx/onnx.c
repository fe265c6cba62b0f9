/* Reading ONNX models (github.com/onnx/onnx, docs/IR.md): protocol buffers that hold the tensors
 * and the graph of nodes that use them. The graph is followed from the network's input to its
 * output, and says which layer a tensor belongs to. */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "formats/containers/protobuf.h"
#include "formats/onnx/onnx.h"
#include "formats/sniff.h"

static vgg_status read_metadata(vgg_tensor_source *source, const Vgg__Onnx__Model *model,
                                vgg_error *error) {
    for (size_t i = 0; i < model->n_metadata_props; i++) {
        const char *key = vgg_onnx_text(model->metadata_props[i]->key);
        const char *value = vgg_onnx_text(model->metadata_props[i]->value);
        if (!vgg_utf8_valid(key) || !vgg_utf8_valid(value))
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: entry %zu of its metadata_props is not UTF-8 text", source->path,
                            i);
        if (!vgg_notes_set(&source->metadata, key, value))
            return vgg_fail_memory(error, "the metadata", strlen(value));
    }
    return VGG_OK;
}

static vgg_status check_count(const vgg_tensor_source *source, const char *what, size_t count,
                              vgg_error *error) {
    if (count <= VGG_ONNX_MOST)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: has %zu %s, expected at most %d",
                    source->path, count, what, VGG_ONNX_MOST);
}

/* Leaves the tensors of what is no network here, and the reason. */
static vgg_status read_tensors(vgg_onnx *onnx, vgg_error *error) {
    vgg_error reason;
    vgg_status status = onnx->graph->n_node > 0 ? vgg_onnx_read_graph(onnx, &reason)
                                                : vgg_onnx_read_names(onnx, &reason);
    if (status == VGG_OK)
        return VGG_OK;
    vgg_tensor_source_forget(onnx->source);
    if (status == VGG_ERROR_UNSUPPORTED && vgg_onnx_read_tensors(onnx, NULL) == VGG_OK) {
        onnx->source->refusal = reason;
        return VGG_OK;
    }
    return vgg_fail(error, status, "%s", reason.message);
}

static vgg_status read_model(vgg_tensor_source *source, const Vgg__Onnx__Model *model,
                             vgg_error *error) {
    const Vgg__Onnx__Graph *graph = model->graph;
    if (graph == NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is an ONNX model without a graph",
                        source->path);
    vgg_status status = check_count(source, "nodes", graph->n_node, error);
    if (status == VGG_OK)
        status = check_count(source, "tensors", graph->n_initializer, error);
    if (status == VGG_OK)
        status = check_count(source, "inputs", graph->n_input, error);
    if (status == VGG_OK)
        status = check_count(source, "entries of metadata", model->n_metadata_props, error);
    if (status == VGG_OK)
        status = read_metadata(source, model, error);
    if (status != VGG_OK)
        return status;
    vgg_onnx onnx = {.source = source, .graph = graph};
    status = read_tensors(&onnx, error);
    vgg_onnx_free(&onnx);
    return status;
}

static vgg_status load(vgg_tensor_source *source, vgg_error *error) {
    vgg_protobuf protobuf;
    vgg_status status =
        vgg_protobuf_read(&protobuf, &vgg__onnx__model__descriptor, source->storage.map,
                          source->storage.size, source->path, false, error);
    if (status == VGG_OK)
        status = read_model(source, (const Vgg__Onnx__Model *)protobuf.message, error);
    vgg_protobuf_free(&protobuf);
    return status;
}

const vgg_format vgg_format_onnx = {
    .name = "onnx",
    .endings = ".onnx",
    .sniff = vgg_onnx_sniff,
    .load = load,
    .save = vgg_onnx_save,
    .graph = true,
};
