#include "model/inspect.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/bytes.h"
#include "nn/network.h"

/* ---- problems ---- */

/* The message without the path that it begins with. */
static const char *without_path(const vgg_inspection *in, const char *message) {
    size_t length = strlen(in->path);
    bool begins =
        strncmp(message, in->path, length) == 0 && strncmp(message + length, ": ", 2) == 0;
    return begins ? message + length + 2 : message;
}

static void add_reason(vgg_inspection *in, vgg_problem_kind kind, const vgg_error *reason) {
    vgg_inspection_add(in, kind, NULL, 0, "%s", without_path(in, reason->message));
}

/* ---- what is known ---- */

static vgg_status pass_on(const vgg_error *reason, vgg_error *error) {
    return vgg_fail(error, reason->status, "%s", reason->message);
}

static vgg_status read_description(vgg_inspection *in, vgg_error *error) {
    vgg_error reason;
    vgg_status status = vgg_loading_description(&in->loading, &reason);
    if (status == VGG_ERROR_MEMORY)
        return pass_on(&reason, error);
    if (status == VGG_OK)
        return VGG_OK;
    vgg_description_free(&in->loading.description);
    add_reason(in, VGG_PROBLEM_METADATA, &reason);
    return VGG_OK;
}

static vgg_status list_tensors(vgg_inspection *in, vgg_error *error) {
    const vgg_tensor_source *source = &in->loading.source;
    size_t count = source->tensor_count;
    in->tensors = vgg_calloc(count + 1, sizeof *in->tensors);
    in->zero_rows = vgg_calloc(count + 1, sizeof *in->zero_rows);
    if (in->tensors == NULL || in->zero_rows == NULL)
        return vgg_fail_memory(error, "the list of tensors", count * sizeof *in->tensors);
    for (size_t i = 0; i < count; i++) {
        const vgg_stored_tensor *stored = &source->tensors[i];
        vgg_inspected_tensor *tensor = &in->tensors[i];
        tensor->struct_size = sizeof *tensor;
        tensor->stored_name = stored->stored_as != NULL ? stored->stored_as : stored->name;
        tensor->dtype = stored->type->name;
        tensor->dimensions = stored->dimensions;
        memcpy(tensor->shape, stored->shape, sizeof tensor->shape);
        tensor->count = stored->count;
    }
    return VGG_OK;
}

/* A file of another network is inspected all the same, but an architecture that is none is a
 * mistake of the caller. */
static vgg_status read_network(vgg_inspection *in, vgg_error *error) {
    vgg_loading *l = &in->loading;
    vgg_error reason;
    vgg_status status = vgg_loading_network(l, &reason);
    /* By now the tensors that the file leaves out, such as biases of zero, are among its own. */
    vgg_status listed = status == VGG_ERROR_MEMORY ? VGG_OK : list_tensors(in, error);
    if (listed != VGG_OK)
        return listed;
    if (status == VGG_OK)
        return vgg_inspect_network(in, error);
    if (status == VGG_ERROR_MEMORY ||
        (status == VGG_ERROR_ARGUMENT && l->origin == VGG_ORIGIN_TOLD))
        return pass_on(&reason, error);
    in->network_reason = vgg_text_copy(without_path(in, reason.message));
    if (in->network_reason == NULL)
        return vgg_fail_memory(error, "a message", strlen(reason.message));
    add_reason(in, VGG_PROBLEM_NETWORK, &reason);
    return VGG_OK;
}

static vgg_status read_preprocess(vgg_inspection *in, vgg_error *error) {
    vgg_loading *l = &in->loading;
    vgg_error reason;
    vgg_status status = VGG_OK;
    if (l->network != NULL) {
        status = vgg_loading_preprocess(l, &reason);
    } else if (l->description.has_preprocess) {
        l->preprocess = l->description.preprocess;
        l->preprocess_origin = VGG_ORIGIN_FILE;
    }
    if (status == VGG_OK && l->preprocess_origin != VGG_ORIGIN_UNKNOWN)
        status = vgg_preprocess_check(&l->preprocess, &reason);
    if (status == VGG_OK)
        return VGG_OK;
    if (l->options.preprocess != NULL || l->options.changes != NULL)
        return pass_on(&reason, error);
    l->preprocess_origin = VGG_ORIGIN_UNKNOWN;
    add_reason(in, VGG_PROBLEM_METADATA, &reason);
    return VGG_OK;
}

static vgg_status read_labels(vgg_inspection *in, vgg_error *error) {
    vgg_loading *l = &in->loading;
    if (l->network != NULL) {
        vgg_status status = vgg_loading_labels(l, error);
        return status == VGG_OK ? vgg_loading_remarks(l, error) : status;
    }
    l->labels = l->description.labels;
    l->labels_origin = VGG_ORIGIN_FILE;
    l->description.labels = (vgg_labels){0};
    return VGG_OK;
}

static void state_facts(vgg_inspection *in) {
    const vgg_loading *l = &in->loading;
    const vgg_tensor_source *source = &l->source;
    vgg_inspected_file *file = &in->file;
    file->struct_size = sizeof *file;
    file->format = source->format->name;
    file->bytes = source->storage.size + source->storage.other_bytes;
    file->tensors = source->tensor_count;
    for (size_t i = 0; i < source->tensor_count; i++) {
        file->values += source->tensors[i].count;
    }
    if (l->network != NULL) {
        file->network = &l->network->options;
        file->network_origin = l->origin;
        file->output = l->output;
    }
    for (size_t i = 0; i < l->fact_count; i++) {
        in->facts[i] = (vgg_inspected_fact){.struct_size = sizeof in->facts[i],
                                            .fact = l->facts[i].what,
                                            .value = l->facts[i].value,
                                            .origin = l->facts[i].origin};
    }
    file->network_reason = in->network_reason;
    file->preprocess_origin = l->preprocess_origin;
    file->preprocess = l->preprocess_origin != VGG_ORIGIN_UNKNOWN ? &l->preprocess : NULL;
    file->class_names = (const char *const *)l->labels.names;
    file->class_count = l->labels.count;
    if (l->labels.count > 0)
        file->class_names_origin = l->labels_origin;
    file->graph = source->graph.origin == VGG_ORIGIN_GRAPH;
    file->graph_refused = file->graph && source->refusal.status != VGG_OK;
    file->softmax = source->softmax && !file->graph_refused;
    file->notes = source->metadata.count;
}

/* ---- tensors ---- */

/* Rows are looked at where they are the outputs of a layer. */
static vgg_status reserve_rows(vgg_inspection *in, vgg_error *error) {
    const vgg_network *network = in->loading.network;
    for (size_t i = 0; network != NULL && i < network->tensor_count; i++) {
        const vgg_tensor_info *info = &network->tensors[i].info;
        if (info->dimensions < 2 || in->matches[i] == VGG_NOT_STORED)
            continue;
        bool *rows = vgg_calloc(info->shape[0], sizeof *rows);
        if (rows == NULL)
            return vgg_fail_memory(error, "a list of rows", info->shape[0]);
        in->zero_rows[in->matches[i]] = rows;
    }
    return VGG_OK;
}

static vgg_status measure(vgg_inspection *in, vgg_error *error) {
    vgg_status status = reserve_rows(in, error);
    if (status != VGG_OK)
        return status;
    vgg_meter *meter = &in->loading.meter;
    for (size_t i = 0; status == VGG_OK && i < in->loading.source.tensor_count; i++) {
        status =
            vgg_inspect_values(&in->loading.source.tensors[i], in->loading.names.items[i].scale,
                               meter, in->zero_rows[i], &in->tensors[i], error);
    }
    if (status == VGG_OK)
        status = vgg_meter_next(meter, error);
    if (status != VGG_OK)
        return status;
    vgg_inspect_health(in);
    return VGG_OK;
}

/* ---- the inspection ---- */

_Static_assert(VGG_INSPECTED_DIMENSIONS == VGG_STORED_DIMENSIONS, "shapes are copied whole");

static vgg_status run(vgg_inspection *in, vgg_bytes input, const vgg_model_options *options,
                      vgg_error *error) {
    in->path = vgg_text_copy(input.name);
    if (in->path == NULL)
        return vgg_fail_memory(error, "a path", strlen(input.name));
    input.name = in->path;
    vgg_status status = vgg_loading_begin(&in->loading, &input, options, error);
    if (status == VGG_OK)
        status = vgg_loading_open(&in->loading, error);
    if (status == VGG_OK)
        status = read_description(in, error);
    if (status == VGG_OK)
        status = read_network(in, error);
    if (status == VGG_OK)
        status = read_preprocess(in, error);
    if (status == VGG_OK)
        status = read_labels(in, error);
    if (status == VGG_OK)
        status = measure(in, error);
    if (status == VGG_OK && in->failed)
        status = vgg_fail_memory(error, "the list of problems",
                                 in->problem_count * sizeof *in->problems);
    if (status == VGG_OK)
        state_facts(in);
    return status;
}

static vgg_status inspect(const vgg_bytes *input, const vgg_model_options *options,
                          vgg_inspection **inspection, vgg_error *error) {
    vgg_inspection *in = vgg_calloc(1, sizeof *in);
    if (in == NULL)
        return vgg_fail_memory(error, "an inspection", sizeof *in);
    vgg_status status = run(in, *input, options, error);
    if (status == VGG_OK)
        *inspection = in;
    else
        vgg_inspection_free(in);
    return status;
}

vgg_status vgg_inspect_file(const char *path, const vgg_model_options *options,
                            vgg_inspection **inspection, vgg_error *error) {
    vgg_bytes input = vgg_bytes_of_file(path);
    return inspect(&input, options, inspection, error);
}

vgg_status vgg_inspect_memory(const void *bytes, size_t size, const char *name,
                              const vgg_model_options *options, vgg_inspection **inspection,
                              vgg_error *error) {
    vgg_bytes input;
    vgg_status status = vgg_bytes_in_memory(bytes, size, name, &input, error);
    return status == VGG_OK ? inspect(&input, options, inspection, error) : status;
}

vgg_status vgg_inspect_from(const vgg_reader *reader, const vgg_model_options *options,
                            vgg_inspection **inspection, vgg_error *error) {
    vgg_reader own;
    vgg_bytes input;
    vgg_status status = vgg_bytes_of_reader(reader, &own, &input, error);
    return status == VGG_OK ? inspect(&input, options, inspection, error) : status;
}

void vgg_inspection_free(vgg_inspection *in) {
    if (in == NULL)
        return;
    for (size_t i = 0; i < in->problem_count; i++) {
        vgg_free(in->problems[i].message);
        vgg_free(in->problems[i].tensor);
    }
    vgg_free(in->problems);
    for (size_t i = 0; in->zero_rows != NULL && i < in->loading.source.tensor_count; i++) {
        vgg_free(in->zero_rows[i]);
    }
    vgg_free(in->zero_rows);
    vgg_free(in->tensors);
    vgg_free(in->matches);
    vgg_free(in->network_reason);
    vgg_loading_free(&in->loading);
    vgg_free(in->path);
    vgg_free(in);
}

const vgg_inspected_file *vgg_inspection_file(const vgg_inspection *in) {
    return &in->file;
}

bool vgg_inspection_note(const vgg_inspection *in, size_t note, const char **key,
                         const char **value) {
    const vgg_notes *metadata = &in->loading.source.metadata;
    if (note >= metadata->count)
        return false;
    *key = metadata->items[note].key;
    *value = metadata->items[note].value;
    return true;
}

const char *vgg_inspection_remark(const vgg_inspection *in, size_t remark) {
    const vgg_remarks *remarks = &in->loading.source.remarks;
    return remark < remarks->count ? remarks->lines[remark] : NULL;
}

const vgg_network *vgg_inspection_network(const vgg_inspection *in) {
    return in->loading.network;
}

const vgg_inspected_fact *vgg_inspection_fact(const vgg_inspection *in, size_t fact) {
    return fact < in->loading.fact_count ? &in->facts[fact] : NULL;
}

const vgg_inspected_tensor *vgg_inspection_tensor(const vgg_inspection *in, size_t tensor) {
    return tensor < in->file.tensors ? &in->tensors[tensor] : NULL;
}

size_t vgg_inspection_problem_count(const vgg_inspection *in) {
    return in->problem_count;
}

const vgg_problem *vgg_inspection_problem(const vgg_inspection *in, size_t problem) {
    return problem < in->problem_count ? &in->problems[problem].shown : NULL;
}
