/* Reading Keras's files: weights or whole models in HDF5, and the .keras archives of Keras 3, which
 * are a zip of config.json and model.weights.h5. */
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/containers/archive.h"
#include "formats/keras/keras.h"
#include "formats/sniff.h"

#define CONFIG_BYTES_MAX ((size_t)16 << 20)

static const char config_record[] = "config.json";
static const char weights_record[] = "model.weights.h5";

/* ---- the description of the model ---- */

static vgg_status parse_config(const vgg_tensor_source *source, const char *text, size_t size,
                               json_t **config, vgg_error *error) {
    vgg_json_fault fault;
    *config = vgg_json_read(text, size, &fault);
    if (*config == NULL && fault.memory)
        return vgg_fail_memory(error, source->path, size);
    if (*config == NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its description of the model goes wrong at byte %zu: %s", source->path,
                        fault.byte, fault.what);
    return VGG_OK;
}

/* A whole model has the description as an attribute; weights alone have none. */
static vgg_status read_attribute(vgg_keras *k, json_t **config, vgg_error *error) {
    bool found;
    vgg_hdf5_array array;
    char *text = NULL;
    vgg_status status =
        vgg_hdf5_attribute(&k->file, k->file.root, "model_config", &found, &array, error);
    if (status != VGG_OK || !found || !array.text || array.count != 1)
        return status;
    status = vgg_hdf5_text(&k->file, &array, 0, &text, error);
    if (status == VGG_OK)
        status = parse_config(k->source, text, strlen(text), config, error);
    vgg_free(text);
    return status;
}

/* ---- reading ---- */

/* keras.applications has these names, and its networks want pictures as Caffe's do. */
static void choose_preset(const vgg_keras *k) {
    for (size_t i = 0; i < k->group_count; i++) {
        if (strcmp(k->groups[i].name, "block1_conv1") == 0)
            k->source->preset = "caffe";
    }
}

static void free_keras(vgg_keras *k) {
    for (size_t i = 0; i < k->tensor_count; i++) {
        vgg_free(k->tensors[i].name);
    }
    for (size_t i = 0; i < k->group_count; i++) {
        vgg_free(k->groups[i].name);
        vgg_free(k->groups[i].place);
    }
    for (size_t i = 0; i < k->step_count; i++) {
        vgg_free(k->steps[i].name);
    }
    vgg_free(k->tensors);
    vgg_free(k->groups);
    vgg_free(k->layers);
    vgg_free(k->steps);
}

/* The network, with the description or, when that is NULL, the order of names. */
static vgg_status follow(vgg_keras *k, const json_t *config, vgg_error *error) {
    vgg_status status = vgg_keras_read_layers(k, error);
    if (status == VGG_OK)
        status = config != NULL ? vgg_keras_read_config(k, config, error)
                                : vgg_keras_read_names(k, error);
    return status == VGG_OK ? vgg_keras_place(k, error) : status;
}

/* Leaves the tensors of what is no network here, and the reason. */
static vgg_status follow_or_list(vgg_keras *k, const json_t *config, vgg_error *error) {
    vgg_error reason;
    vgg_status status = follow(k, config, &reason);
    if (status == VGG_OK)
        return VGG_OK;
    vgg_tensor_source_forget(k->source);
    if (status == VGG_ERROR_UNSUPPORTED && vgg_keras_list(k, NULL) == VGG_OK) {
        k->source->refusal = reason;
        return VGG_OK;
    }
    return vgg_fail(error, status, "%s", reason.message);
}

/* Reads weights that lie in the bytes, with the description or, when that is NULL, the one beside
 * them. */
static vgg_status read_weights(vgg_tensor_source *source, const char *path,
                               const unsigned char *bytes, size_t size, const json_t *config,
                               vgg_error *error) {
    vgg_keras k = {.source = source};
    json_t *own = NULL;
    vgg_status status = vgg_hdf5_open(&k.file, path, bytes, size, error);
    if (status == VGG_OK && config == NULL)
        status = read_attribute(&k, &own, error);
    if (status == VGG_OK)
        status = vgg_keras_read_tree(&k, error);
    if (status == VGG_OK) {
        choose_preset(&k);
        status = follow_or_list(&k, config != NULL ? config : own, error);
    }
    json_decref(own);
    free_keras(&k);
    return status;
}

static vgg_status read_config(const vgg_tensor_source *source, vgg_archive *archive, size_t record,
                              json_t **config, vgg_error *error) {
    unsigned char *text;
    size_t size;
    vgg_status status = vgg_archive_read(archive, record, CONFIG_BYTES_MAX, &text, &size, error);
    if (status != VGG_OK)
        return status;
    status = parse_config(source, (const char *)text, size, config, error);
    vgg_free(text);
    return status;
}

static vgg_status read_archive(vgg_tensor_source *source, vgg_archive *archive, json_t **config,
                               vgg_error *error) {
    size_t record, weights, size;
    const unsigned char *bytes;
    bool described, weighed = false;
    vgg_status status = vgg_archive_find(archive, config_record, &described, &record, error);
    if (status == VGG_OK)
        status = vgg_archive_find(archive, weights_record, &weighed, &weights, error);
    if (status != VGG_OK)
        return status;
    if (!described || !weighed)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is a .keras archive without %s and %s",
                        source->path, config_record, weights_record);
    status = read_config(source, archive, record, config, error);
    if (status == VGG_OK)
        status = vgg_archive_use(archive, weights, &bytes, &size, error);
    if (status != VGG_OK)
        return status;
    vgg_text text = {0};
    vgg_text_add(&text, "%s: %s", source->path, weights_record);
    char *path = vgg_text_take(&text);
    if (path == NULL)
        return vgg_fail_memory(error, "a record's name", sizeof weights_record);
    status = read_weights(source, path, bytes, size, *config, error);
    vgg_free(path);
    return status;
}

static vgg_status load(vgg_tensor_source *source, vgg_error *error) {
    const vgg_storage *storage = &source->storage;
    if (!vgg_keras_is_archive(storage->map, storage->size))
        return read_weights(source, source->path, storage->map, storage->size, NULL, error);
    json_t *config = NULL;
    vgg_archive *archive = NULL;
    vgg_status status = vgg_archive_open(&source->storage, source->path, &archive, error);
    if (status == VGG_OK)
        status = read_archive(source, archive, &config, error);
    json_decref(config);
    vgg_archive_close(archive);
    return status;
}

const vgg_format vgg_format_keras = {
    .name = "keras",
    .endings = ".h5 .hdf5 .keras",
    .sniff = vgg_keras_sniff,
    .load = load,
};
