/* Writing safetensors; the format is described in safetensors.c. */
#include <stdint.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "formats/safetensors/safetensors.h"

static json_t *describe_tensor(const vgg_stored_tensor *tensor, size_t begin, size_t end) {
    json_t *shape = json_array();
    for (size_t i = 0; i < tensor->dimensions; i++) {
        shape = vgg_json_appended(shape, json_integer((json_int_t)tensor->shape[i]));
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor->type->name, "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)end);
}

static json_t *describe_metadata(const vgg_notes *notes) {
    json_t *metadata = json_object();
    for (size_t i = 0; i < notes->count; i++) {
        metadata = vgg_json_with(metadata, notes->items[i].key, json_string(notes->items[i].value));
    }
    return metadata;
}

/* NULL when memory ran out. jansson keeps the order in which keys were added. */
static char *describe(const vgg_tensor_source *source) {
    json_t *header = json_object();
    if (source->metadata.count > 0)
        header = vgg_json_with(header, "__metadata__", describe_metadata(&source->metadata));
    size_t begin = 0;
    for (size_t i = 0; header != NULL && i < source->tensor_count; i++) {
        const vgg_stored_tensor *tensor = &source->tensors[i];
        size_t end = begin + tensor->count * tensor->type->bytes;
        header = vgg_json_with(header, tensor->name, describe_tensor(tensor, begin, end));
        begin = end;
    }
    char *text = header != NULL ? vgg_json_text(header, JSON_COMPACT) : NULL;
    json_decref(header);
    return text;
}

static vgg_status write_all(vgg_sink *sink, const vgg_tensor_source *source, const char *header,
                            vgg_error *error) {
    size_t used = strlen(header);
    size_t padding = vgg_round_up(used, 8) - used;
    uint64_t length = used + padding;
    vgg_status status = vgg_sink_write(sink, &length, sizeof length, error);
    if (status == VGG_OK)
        status = vgg_sink_write(sink, header, used, error);
    if (status == VGG_OK)
        status = vgg_sink_write(sink, "       ", padding, error);
    for (size_t i = 0; status == VGG_OK && i < source->tensor_count; i++) {
        const vgg_stored_tensor *tensor = &source->tensors[i];
        status = vgg_sink_write(sink, tensor->bytes, tensor->count * tensor->type->bytes, error);
    }
    return status;
}

vgg_status vgg_safetensors_save(const vgg_saving *saving, vgg_error *error) {
    char *header = describe(saving->source);
    if (header == NULL)
        return vgg_fail(error, VGG_ERROR_MEMORY, "%s: no memory to write its header",
                        saving->sink->name);
    vgg_status status = write_all(saving->sink, saving->source, header, error);
    vgg_free(header);
    return status;
}
