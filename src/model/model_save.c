#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "base/sink.h"
#include "base/text.h"
#include "formats/format.h"
#include "model/bind.h"
#include "model/cool.h"
#include "model/description.h"
#include "model/int8_scales.h"
#include "model/model.h"
#include "model/save_names.h"
#include "nn/network.h"

/* PyTorch's batch normalisation also counts the batches it has seen, and
 * load_state_dict(strict=True) asks for the count. With a fixed momentum nothing depends on it. */
static const int64_t no_batches = 0;

static bool add_tensor(vgg_tensor_source *source, const char *name, const char *type,
                       const size_t *shape, size_t dimensions, const void *values) {
    vgg_stored_tensor *tensor = &source->tensors[source->tensor_count++];
    *tensor = (vgg_stored_tensor){.name = vgg_text_copy(name),
                                  .type = vgg_element_type_named(type),
                                  .dimensions = dimensions,
                                  .count = 1,
                                  .bytes = values};
    for (size_t i = 0; i < dimensions; i++) {
        tensor->shape[i] = shape[i];
        tensor->count *= shape[i];
    }
    return tensor->name != NULL;
}

/* The counts come first, so that 8-byte numbers lie at multiples of 8. */
static vgg_status add_counts(const vgg_network *network, vgg_tensor_source *source,
                             vgg_error *error) {
    for (size_t i = 0; i < network->layer_count; i++) {
        const vgg_layer *layer = &network->layers[i];
        char name[VGG_LAYER_NAME + 24];
        if (layer->type != VGG_LAYER_BATCH_NORM)
            continue;
        snprintf(name, sizeof name, "%s.num_batches_tracked", layer->name);
        if (!add_tensor(source, name, "I64", NULL, 0, &no_batches))
            return vgg_fail_memory(error, "a tensor's name", sizeof name);
    }
    return VGG_OK;
}

/* The tensors with weights of int8, or all others, and the scales among them. */
static vgg_status add_some(const vgg_network *network, bool int8, vgg_tensor_source *source,
                           vgg_error *error) {
    for (size_t i = 0; i < network->tensor_count; i++) {
        const vgg_tensor_info *info = &network->tensors[i].info;
        vgg_numbers numbers = vgg_tensor_numbers(&network->tensors[i]);
        if (numbers.at == NULL)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "the model cannot be saved: its tensor \"%s\" has no values",
                            info->name);
        vgg_tensor_info scale = vgg_bind_scale_info(info);
        bool added = true;
        if (int8 == (numbers.scales != NULL))
            added = add_tensor(source, info->name, vgg_element_name(numbers.element), info->shape,
                               info->dimensions, numbers.at);
        else if (numbers.scales != NULL)
            added = add_tensor(source, scale.name, "F32", scale.shape, 1, numbers.scales);
        if (!added)
            return vgg_fail_memory(error, "a tensor's name", VGG_TENSOR_NAME);
    }
    return VGG_OK;
}

/* int8 comes last, so that floats lie at multiples of their size. */
static vgg_status add_values(const vgg_network *network, vgg_tensor_source *source,
                             vgg_error *error) {
    vgg_status status = vgg_network_settle(network, error);
    if (status == VGG_OK)
        status = add_some(network, false, source, error);
    if (status == VGG_OK)
        status = vgg_int8_scales_add(network, source, error);
    return status == VGG_OK ? add_some(network, true, source, error) : status;
}

/* The first tensor of int8; tensor_count when there is none. */
static size_t first_int8(const vgg_network *network) {
    size_t i = 0;
    while (i < network->tensor_count && network->tensors[i].narrow.scales == NULL) {
        i++;
    }
    return i;
}

static vgg_status check_int8(const vgg_network *network, const vgg_format *format,
                             const char *names_from, const char *path, vgg_error *error) {
    const char *layer = vgg_int8_scales_first(network);
    if (layer != NULL && !format->int8)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s cannot be written: %s files are not written with convolutions in int8, "
                        "such as layer %s",
                        path, format->name, layer);
    if (layer != NULL && names_from != NULL)
        return vgg_fail(
            error, VGG_ERROR_UNSUPPORTED,
            "%s cannot be written: with the names of %s there are none for convolutions "
            "in int8, such as layer %s",
            path, names_from, layer);
    size_t found = first_int8(network);
    if (format->int8 || found == network->tensor_count)
        return VGG_OK;
    return vgg_fail(
        error, VGG_ERROR_UNSUPPORTED,
        "%s cannot be written: tensor \"%s\" has type I8, which %s files are not written "
        "with, expected F32, F16 or BF16",
        path, network->tensors[found].info.name, format->name);
}

/* temperature: what is to be said of it. */
static vgg_status add_metadata(const vgg_model *model, double temperature,
                               vgg_tensor_source *source, vgg_error *error) {
    const vgg_notes *notes = &model->notes;
    bool complete =
        vgg_description_write(vgg_network_describe(model->network), model->output, temperature,
                              vgg_model_preprocess(model), &model->labels, &source->metadata);
    if (complete && first_int8(model->network) < model->network->tensor_count)
        complete = vgg_notes_set(&source->metadata, VGG_MODEL_INT8, VGG_MODEL_INT8_SCALES);
    if (complete && vgg_int8_scales_first(model->network) != NULL)
        complete =
            vgg_notes_set(&source->metadata, VGG_MODEL_INT8_CONVOLUTIONS, VGG_MODEL_INT8_POINTS) &&
            vgg_notes_set(&source->metadata, "vgg.format_version", "2");
    for (size_t i = 0; complete && i < notes->count; i++) {
        complete = vgg_notes_set(&source->metadata, notes->items[i].key, notes->items[i].value);
    }
    return complete ? VGG_OK : vgg_fail(error, VGG_ERROR_MEMORY, "no memory for the metadata");
}

static const vgg_save_options defaults = {.struct_size = sizeof(vgg_save_options)};

void vgg_save_options_init(vgg_save_options *options, size_t size) {
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* A saving on its way: what is written, in which format. */
typedef struct saving {
    vgg_save_options options;
    const vgg_format *format;
    vgg_tensor_source source;
    vgg_tensor_source theirs; /* the file that names are taken from */
    vgg_cooled cooled;
} saving;

static void free_saving(saving *s) {
    vgg_cooled_free(&s->cooled);
    vgg_tensor_source_free(&s->source);
    vgg_tensor_source_free(&s->theirs);
}

static vgg_status save_names(saving *s, const vgg_model *model, vgg_error *error) {
    vgg_status status =
        vgg_save_names(model->network, s->options.names_from, &s->theirs, &s->source, error);
    if (status == VGG_OK)
        status = vgg_cool(model->network, model->temperature, &s->source, &s->cooled, error);
    return status;
}

/* path: of the file; NULL: it is no file. name: what messages call what is written. The caller
 * frees the source whatever the outcome. */
static vgg_status prepare(saving *s, const vgg_model *model, const char *path, const char *name,
                          const vgg_save_options *told, vgg_error *error) {
    const vgg_network *network = model->network;
    *s = (saving){.options = defaults};
    vgg_status status =
        vgg_options_read(&s->options, sizeof s->options, told, "vgg_save_options", error);
    if (status == VGG_OK)
        status = vgg_format_to_write(s->options.format, path, &s->format, error);
    if (status == VGG_OK && network->headless)
        status = vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                          "%s cannot be written: the model has no classifier", name);
    if (status == VGG_OK)
        status = check_int8(network, s->format, s->options.names_from, name, error);
    if (status == VGG_OK && s->options.names_from != NULL)
        return save_names(s, model, error);
    if (status == VGG_OK)
        status = vgg_tensor_source_reserve(
            &s->source, 4 * network->layer_count + 2 * network->tensor_count, error);
    if (status != VGG_OK)
        return status;
    s->source.tensor_count = 0;
    status = add_counts(network, &s->source, error);
    if (status == VGG_OK)
        status = add_values(network, &s->source, error);
    double temperature = model->temperature;
    if (status == VGG_OK && s->format->graph) {
        status = vgg_cool(network, temperature, &s->source, &s->cooled, error);
        temperature = 1;
    }
    return status == VGG_OK ? add_metadata(model, temperature, &s->source, error) : status;
}

static vgg_status write(const saving *s, const vgg_model *model, vgg_sink *sink, vgg_error *error) {
    const vgg_saving what = {.source = &s->source,
                             .network = model->network,
                             .softmax = s->options.softmax && model->output == VGG_OUTPUT_SOFTMAX,
                             .sigmoid = s->options.softmax && model->output == VGG_OUTPUT_SIGMOID,
                             .sink = sink};
    vgg_meter meter = {.tell = s->options.progress,
                       .user = s->options.progress_user,
                       .name = sink->name,
                       .passes = 1};
    for (size_t i = 0; i < s->source.tensor_count; i++) {
        meter.total += s->source.tensors[i].count * s->source.tensors[i].type->bytes;
    }
    sink->meter = &meter;
    vgg_status status = s->format->save(&what, error);
    if (status == VGG_OK)
        status = vgg_meter_next(&meter, error);
    return vgg_sink_close(sink, status, error);
}

vgg_status vgg_model_save_as(const vgg_model *model, const char *path, const vgg_save_options *told,
                             vgg_error *error) {
    saving s;
    vgg_sink sink;
    vgg_status status = prepare(&s, model, path, path, told, error);
    if (status == VGG_OK)
        status = vgg_sink_open_file(&sink, path, error);
    if (status == VGG_OK)
        status = write(&s, model, &sink, error);
    free_saving(&s);
    return status;
}

vgg_status vgg_model_write(const vgg_model *model, const vgg_save_options *told,
                           vgg_write_callback *function, void *user, vgg_error *error) {
    static const char name[] = "the model";
    saving s;
    vgg_sink sink;
    if (function == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s: there is no function to write it with",
                        name);
    vgg_status status = prepare(&s, model, NULL, name, told, error);
    if (status == VGG_OK) {
        vgg_sink_open_callback(&sink, name, function, user);
        status = write(&s, model, &sink, error);
    }
    free_saving(&s);
    return status;
}

vgg_status vgg_model_save(const vgg_model *model, const char *path, vgg_error *error) {
    vgg_save_options options = defaults;
    options.format = vgg_format_safetensors.name;
    return vgg_model_save_as(model, path, &options, error);
}
