/* Writing ONNX: IR version 7 and operator set 13 (github.com/onnx/onnx, docs/Versioning.md). A
 * model is packed in pieces, since messages with parts of the fields, one behind the other, are a
 * message with all of them: so the values go from where they lie to the file. The same model gives
 * the same bytes. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/containers/protobuf.h"
#include "formats/containers/wire.h"
#include "formats/onnx/onnx.h"
#include "formats/onnx/onnx_save_nodes.h"
#include "nn/network.h"

/* Keys of the fields that are written by hand: number times eight plus 2, for "with a length". */
enum { GRAPH_KEY = 7 << 3 | 2, INITIALIZER_KEY = 5 << 3 | 2, RAW_DATA_KEY = 9 << 3 | 2 };

enum { IR_VERSION = 7, OPERATOR_SET = 13 };

/* Readers of protocol buffers take messages of up to 2 GB. */
#define MOST_BYTES ((size_t)INT32_MAX)
#define ALIGNMENT sizeof(float)

/* A part of the file that is packed before it is written. */
typedef struct piece {
    unsigned char *bytes;
    size_t size;
} piece;

typedef struct initializer {
    const vgg_stored_tensor *stored;
    const vgg_tensor_info *info;
    size_t padding; /* bytes of doc_string, key and length included, for ALIGNMENT */
    size_t header;  /* bytes of all fields but raw_data */
    size_t size;    /* of the message */
} initializer;

typedef struct onnx_file {
    const vgg_saving *saving;
    piece begin, nodes, ends, rest; /* of the model; of the graph, twice; of the model */
    initializer *initializers;
    size_t graph_size;
    vgg_sink *sink;
} onnx_file;

static size_t varint_size(size_t value) {
    unsigned char bytes[VGG_WIRE_MOST];
    return vgg_wire_put_varint(bytes, value);
}

static vgg_status pack(const ProtobufCMessage *message, piece *part, vgg_error *error) {
    part->size = protobuf_c_message_get_packed_size(message);
    part->bytes = vgg_malloc(part->size + 1);
    if (part->bytes == NULL)
        return vgg_fail_memory(error, "a part of an ONNX file", part->size);
    protobuf_c_message_pack(message, part->bytes);
    return VGG_OK;
}

/* ---- the model around the graph ---- */

static vgg_status pack_begin(onnx_file *f, vgg_error *error) {
    char name[] = "libvgg", version[] = VGG_VERSION;
    Vgg__Onnx__Model model = VGG__ONNX__MODEL__INIT;
    model.has_ir_version = 1;
    model.ir_version = IR_VERSION;
    model.producer_name = name;
    model.producer_version = version;
    return pack(&model.base, &f->begin, error);
}

/* Operator set and metadata; "format" is safetensors' own. */
static vgg_status pack_rest(onnx_file *f, vgg_error *error) {
    const vgg_notes *notes = &f->saving->source->metadata;
    Vgg__Onnx__Entry *entries = vgg_calloc(notes->count + 1, sizeof *entries);
    Vgg__Onnx__Entry **list = vgg_calloc(notes->count + 1, sizeof(Vgg__Onnx__Entry *));
    vgg_status status = entries != NULL && list != NULL
                            ? VGG_OK
                            : vgg_fail_memory(error, "the metadata",
                                              notes->count * (sizeof *entries + sizeof *list));
    Vgg__Onnx__OperatorSet set = VGG__ONNX__OPERATOR_SET__INIT, *sets[] = {&set};
    set.has_version = 1;
    set.version = OPERATOR_SET;
    Vgg__Onnx__Model model = VGG__ONNX__MODEL__INIT;
    model.n_opset_import = 1;
    model.opset_import = sets;
    model.metadata_props = list;
    for (size_t i = 0; status == VGG_OK && i < notes->count; i++) {
        if (strcmp(notes->items[i].key, "format") == 0)
            continue;
        Vgg__Onnx__Entry *entry = &entries[model.n_metadata_props];
        vgg__onnx__entry__init(entry);
        entry->key = notes->items[i].key;
        entry->value = notes->items[i].value;
        list[model.n_metadata_props++] = entry;
    }
    if (status == VGG_OK)
        status = pack(&model.base, &f->rest, error);
    vgg_free(entries);
    vgg_free(list);
    return status;
}

/* ---- tensors ---- */

static vgg_status find_values(onnx_file *f, const vgg_tensor_info *info, initializer *made,
                              vgg_error *error) {
    const vgg_tensor_source *source = f->saving->source;
    for (size_t i = 0; i < source->tensor_count; i++) {
        const vgg_stored_tensor *stored = &source->tensors[i];
        if (strcmp(stored->name, info->name) != 0)
            continue;
        if (stored->count != info->count || !vgg_element_is_weight(stored->type->element))
            return vgg_fail(
                error, VGG_ERROR_SHAPE,
                "%s cannot be written: tensor \"%s\" has %zu values of %s, expected %zu "
                "floating-point values",
                f->sink->name, info->name, stored->count, stored->type->name, info->count);
        *made = (initializer){.stored = stored, .info = info};
        return VGG_OK;
    }
    return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s cannot be written: there is no tensor \"%s\"",
                    f->sink->name, info->name);
}

static vgg_status collect_values(onnx_file *f, vgg_error *error) {
    const vgg_network *network = f->saving->network;
    f->initializers = vgg_calloc(network->tensor_count + 1, sizeof *f->initializers);
    if (f->initializers == NULL)
        return vgg_fail_memory(error, "the list of tensors",
                               network->tensor_count * sizeof *f->initializers);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < network->tensor_count; i++) {
        status = find_values(f, &network->tensors[i].info, &f->initializers[i], error);
    }
    return status;
}

/* All fields but raw_data. The documentation of a tensor is as many blanks as put its values at a
 * multiple of four bytes, where a reader that maps the file can use them as they lie. */
static vgg_status pack_header(const initializer *made, piece *header, vgg_error *error) {
    char name[VGG_TENSOR_NAME], blanks[] = "        ";
    memcpy(name, made->info->name, sizeof name);
    int64_t dims[4];
    for (size_t i = 0; i < made->info->dimensions; i++) {
        dims[i] = (int64_t)made->info->shape[i];
    }
    Vgg__Onnx__Tensor tensor = VGG__ONNX__TENSOR__INIT;
    tensor.n_dims = made->info->dimensions;
    tensor.dims = dims;
    tensor.has_data_type = 1;
    tensor.data_type = VGG_ONNX_FLOAT;
    tensor.name = name;
    if (made->padding >= 2)
        tensor.doc_string = blanks + sizeof blanks - 1 - (made->padding - 2);
    return pack(&tensor.base, header, error);
}

/* Fills in the sizes of a message whose key is at `position`; returns where its values begin. */
static size_t measure(initializer *made, size_t plain_header, size_t padding, size_t position) {
    size_t bytes = made->info->count * sizeof(float);
    made->padding = padding;
    made->header = plain_header + padding;
    made->size = made->header + 1 + varint_size(bytes) + bytes;
    return position + 1 + varint_size(made->size) + made->size - bytes;
}

/* Chooses the padding of each tensor. The graph's length stands before it, in `length_bytes` bytes;
 * sets graph_size, which may turn out to have another number of them. */
static vgg_status place_values(onnx_file *f, size_t length_bytes, vgg_error *error) {
    size_t begin = f->begin.size + 1 + length_bytes, position = begin + f->nodes.size;
    for (size_t i = 0; i < f->saving->network->tensor_count; i++) {
        initializer *made = &f->initializers[i];
        made->padding = 0;
        piece header = {0};
        vgg_status status = pack_header(made, &header, error);
        if (status != VGG_OK)
            return status;
        vgg_free(header.bytes);
        /* One byte alone is no field. */
        size_t padding = 0, values;
        while ((values = measure(made, header.size, padding, position)) % ALIGNMENT != 0) {
            padding = padding == 0 ? 2 : padding + 1;
        }
        if (values > MOST_BYTES || made->info->count > (MOST_BYTES - values) / sizeof(float))
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "%s cannot be written: an ONNX file has at most %zu bytes",
                            f->sink->name, MOST_BYTES);
        position = values + made->info->count * sizeof(float);
    }
    f->graph_size = position + f->ends.size - begin;
    return VGG_OK;
}

static vgg_status lay_out(onnx_file *f, vgg_error *error) {
    for (size_t length_bytes = 1; length_bytes <= VGG_WIRE_MOST; length_bytes++) {
        vgg_status status = place_values(f, length_bytes, error);
        if (status != VGG_OK || varint_size(f->graph_size) <= length_bytes)
            return status;
    }
    return VGG_OK;
}

/* ---- writing ---- */

static vgg_status write_piece(onnx_file *f, const piece *part, vgg_error *error) {
    return vgg_sink_write(f->sink, part->bytes, part->size, error);
}

/* A key below 128 and a length. */
static vgg_status write_key(onnx_file *f, unsigned char key, size_t length, vgg_error *error) {
    unsigned char bytes[1 + VGG_WIRE_MOST] = {key};
    return vgg_sink_write(f->sink, bytes, 1 + vgg_wire_put_varint(bytes + 1, length), error);
}

static vgg_status write_values(onnx_file *f, const vgg_stored_tensor *stored, vgg_error *error) {
    if (stored->type->element == VGG_ELEMENT_FLOAT32)
        return vgg_sink_write(f->sink, stored->bytes, stored->count * sizeof(float), error);
    float values[2048];
    size_t most = sizeof values / sizeof *values;
    vgg_status status = VGG_OK;
    for (size_t done = 0, count; status == VGG_OK && done < stored->count; done += count) {
        count = vgg_size_min(most, stored->count - done);
        vgg_elements_to_float(stored->type->element, stored->bytes + done * stored->type->bytes,
                              count, values);
        status = vgg_sink_write(f->sink, values, count * sizeof *values, error);
    }
    return status;
}

static vgg_status write_initializer(onnx_file *f, const initializer *made, vgg_error *error) {
    piece header = {0};
    vgg_status status = pack_header(made, &header, error);
    if (status != VGG_OK)
        return status;
    status = write_key(f, INITIALIZER_KEY, made->size, error);
    if (status == VGG_OK)
        status = write_piece(f, &header, error);
    vgg_free(header.bytes);
    if (status == VGG_OK)
        status = write_key(f, RAW_DATA_KEY, made->info->count * sizeof(float), error);
    return status == VGG_OK ? write_values(f, made->stored, error) : status;
}

static vgg_status write_file(onnx_file *f, vgg_error *error) {
    vgg_status status = write_piece(f, &f->begin, error);
    if (status == VGG_OK)
        status = write_key(f, GRAPH_KEY, f->graph_size, error);
    if (status == VGG_OK)
        status = write_piece(f, &f->nodes, error);
    for (size_t i = 0; status == VGG_OK && i < f->saving->network->tensor_count; i++) {
        status = write_initializer(f, &f->initializers[i], error);
    }
    if (status == VGG_OK)
        status = write_piece(f, &f->ends, error);
    if (status == VGG_OK)
        status = write_piece(f, &f->rest, error);
    return status;
}

vgg_status vgg_onnx_save(const vgg_saving *saving, vgg_error *error) {
    onnx_file f = {.saving = saving, .sink = saving->sink};
    vgg_onnx_nodes nodes = {0};
    vgg_status status = vgg_onnx_nodes_make(&nodes, saving, saving->sink->name, error);
    if (status == VGG_OK)
        status = pack(&nodes.begin.base, &f.nodes, error);
    if (status == VGG_OK)
        status = pack(&nodes.end.base, &f.ends, error);
    if (status == VGG_OK)
        status = pack_begin(&f, error);
    if (status == VGG_OK)
        status = pack_rest(&f, error);
    if (status == VGG_OK)
        status = collect_values(&f, error);
    if (status == VGG_OK)
        status = lay_out(&f, error);
    if (status == VGG_OK)
        status = write_file(&f, error);
    vgg_onnx_nodes_free(&nodes);
    vgg_free(f.begin.bytes);
    vgg_free(f.nodes.bytes);
    vgg_free(f.ends.bytes);
    vgg_free(f.rest.bytes);
    vgg_free(f.initializers);
    return status;
}
