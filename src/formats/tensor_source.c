/* What the readers of formats fill in. */
#include <stdio.h>

#include <jansson.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/format.h"

vgg_status vgg_tensor_source_memory(vgg_tensor_source *source, size_t bytes, const char *what,
                                    void **memory, vgg_error *error) {
    return vgg_storage_memory(&source->storage, source->path, bytes, what, memory, error);
}

vgg_status vgg_tensor_source_vector(vgg_tensor_source *source, size_t count, float value,
                                    const char *what, vgg_stored_tensor *vector, vgg_error *error) {
    void *memory;
    size_t bytes;
    if (!vgg_size_mul(count, sizeof value, &bytes))
        return vgg_fail_memory(error, what, count);
    vgg_status status = vgg_tensor_source_memory(source, bytes, what, &memory, error);
    if (status != VGG_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        ((float *)memory)[i] = value;
    }
    *vector = (vgg_stored_tensor){.type = vgg_element_type_named("F32"),
                                  .dimensions = 1,
                                  .shape = {count},
                                  .count = count,
                                  .bytes = memory};
    return VGG_OK;
}

void vgg_tensor_source_free(vgg_tensor_source *source) {
    vgg_storage_free(&source->storage);
    vgg_tensor_source_forget(source);
    vgg_free(source->path);
    vgg_evidence_free(&source->graph.evidence);
    vgg_listed_free(&source->listed);
    vgg_notes_free(&source->metadata);
    json_decref(source->beside);
    vgg_remarks_free(&source->remarks);
    *source = (vgg_tensor_source){0};
}

void vgg_tensor_source_forget(vgg_tensor_source *source) {
    for (size_t i = 0; i < source->tensor_count; i++) {
        vgg_free(source->tensors[i].name);
        vgg_free(source->tensors[i].stored_as);
    }
    vgg_free(source->tensors);
    source->tensors = NULL;
    source->tensor_count = 0;
}

vgg_status vgg_tensor_source_reserve(vgg_tensor_source *source, size_t count, vgg_error *error) {
    source->tensors = vgg_calloc(vgg_size_max(count, 1), sizeof *source->tensors);
    if (source->tensors == NULL)
        return vgg_fail_memory(error, "the list of tensors", count * sizeof *source->tensors);
    source->tensor_count = count;
    return VGG_OK;
}

const char *vgg_shape_text(char buffer[VGG_SHAPE_TEXT], const size_t *shape, size_t dimensions) {
    snprintf(buffer, VGG_SHAPE_TEXT, "scalar");
    size_t used = 0;
    for (size_t i = 0; i < dimensions && used < VGG_SHAPE_TEXT; i++) {
        used += (size_t)snprintf(buffer + used, VGG_SHAPE_TEXT - used, "%s%zu", i == 0 ? "" : "x",
                                 shape[i]);
    }
    return buffer;
}
