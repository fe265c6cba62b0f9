/* ONNX models that hold tensors but no nodes, so that only names and shapes tell what a tensor is
 * for: all are listed, and what they are is found elsewhere, as for any other list of tensors. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"

static bool is_counter(const char *name) {
    static const char ending[] = ".num_batches_tracked";
    size_t length = strlen(name), tail = sizeof ending - 1;
    return length >= tail && strcmp(name + length - tail, ending) == 0;
}

/* Types that no weight has are an error, or passed over. */
static vgg_status keep_names(vgg_onnx *onnx, bool pass_over, vgg_error *error) {
    const Vgg__Onnx__Graph *graph = onnx->graph;
    vgg_tensor_source *source = onnx->source;
    vgg_status status = vgg_tensor_source_reserve(source, graph->n_initializer, error);
    source->tensor_count = 0;
    for (size_t i = 0; status == VGG_OK && i < graph->n_initializer; i++) {
        const char *name = vgg_onnx_text(graph->initializer[i]->name);
        if (is_counter(name))
            continue;
        vgg_stored_tensor *tensor = &source->tensors[source->tensor_count];
        status = vgg_onnx_tensor(onnx, graph->initializer[i], tensor, error);
        if (status == VGG_ERROR_UNSUPPORTED && pass_over) {
            status = VGG_OK;
            continue;
        }
        if (status != VGG_OK)
            break;
        tensor->name = vgg_text_copy(name);
        if (tensor->name == NULL)
            return vgg_fail_memory(error, "a tensor's name", strlen(name));
        source->tensor_count++;
    }
    return status;
}

vgg_status vgg_onnx_read_tensors(vgg_onnx *onnx, vgg_error *error) {
    vgg_error reason;
    vgg_status status = keep_names(onnx, true, &reason);
    return status == VGG_OK ? VGG_OK : vgg_fail(error, status, "%s", reason.message);
}

vgg_status vgg_onnx_read_names(vgg_onnx *onnx, vgg_error *error) {
    return keep_names(onnx, false, error);
}
