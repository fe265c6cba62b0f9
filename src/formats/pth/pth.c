/* PyTorch's files. Since 1.6 torch.save writes a zip archive: <name>/data.pkl is a pickle, and
 * <name>/data/<key> are the storages that it refers to, stored as they are at multiples of 64 bytes
 * (caffe2/serialize/inline_container.h). */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/containers/archive.h"
#include "formats/pth/pth.h"
#include "formats/sniff.h"

#define PICKLE_BYTES_MAX ((size_t)64 << 20)
#define METADATA_BYTES_MAX ((size_t)64 << 20)

/* A zip archive on its way to tensors. */
typedef struct zip_loading {
    vgg_tensor_source *source;
    vgg_archive *archive;
    char *folder; /* that all records lie in: "archive/" */
} zip_loading;

/* Looks for "<folder>/<name>", where the folder is one name. */
static bool find_by_tail(const vgg_archive *archive, const char *name, size_t *record) {
    size_t count = vgg_archive_count(archive);
    for (size_t i = 0; i < count; i++) {
        const char *slash = strchr(vgg_archive_name(archive, i), '/');
        if (slash != NULL && strcmp(slash + 1, name) == 0) {
            *record = i;
            return true;
        }
    }
    return false;
}

/* "<folder>/<name>". */
static vgg_status find_record(const zip_loading *l, const char *name, bool *found, size_t *record,
                              vgg_error *error) {
    vgg_text text = {0};
    vgg_text_add(&text, "%s%s", l->folder, name);
    char *path = vgg_text_take(&text);
    if (path == NULL)
        return vgg_fail_memory(error, "a record's name", strlen(name));
    vgg_status status = vgg_archive_find(l->archive, path, found, record, error);
    vgg_free(path);
    return status;
}

static vgg_status fail_other(const vgg_tensor_source *source, const char *what, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: is %s, expected a zip archive of torch.save with a state dict in "
                    "data.pkl",
                    source->path, what);
}

/* What the archive is when it is not torch.save's. */
static vgg_status check_kind(const zip_loading *l, size_t *pickle, vgg_error *error) {
    size_t record;
    bool found = find_by_tail(l->archive, "data.pkl", pickle);
    if (find_by_tail(l->archive, "constants.pkl", &record))
        return fail_other(l->source, "a TorchScript archive (it holds code)", error);
    if (!found)
        return fail_other(l->source, "a zip archive without data.pkl", error);
    return VGG_OK;
}

static vgg_status take_folder(zip_loading *l, size_t pickle, vgg_error *error) {
    const char *name = vgg_archive_name(l->archive, pickle);
    l->folder = vgg_text_copy(name);
    if (l->folder == NULL)
        return vgg_fail_memory(error, "a record's name", strlen(name));
    l->folder[strchr(name, '/') - name + 1] = '\0';
    return VGG_OK;
}

static vgg_status check_byte_order(const zip_loading *l, vgg_error *error) {
    size_t record, size;
    unsigned char *text;
    bool found;
    vgg_status status = find_record(l, "byteorder", &found, &record, error);
    if (status != VGG_OK || !found)
        return status;
    status = vgg_archive_read(l->archive, record, 64, &text, &size, error);
    if (status != VGG_OK)
        return status;
    if (strcmp((const char *)text, "little") != 0)
        status = vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                          "%s: its record \"%sbyteorder\" is \"%.20s\", expected \"little\"",
                          l->source->path, l->folder, (const char *)text);
    vgg_free(text);
    return status;
}

/* ---- metadata ---- */

static vgg_status take_metadata(vgg_tensor_source *source, json_t *notes, vgg_error *error) {
    const char *key;
    json_t *value;
    if (!json_is_object(notes))
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: its record %s is not an object of strings",
                        source->path, VGG_PTH_METADATA);
    json_object_foreach(notes, key, value) {
        if (!json_is_string(value))
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: \"%.80s\" of its record %s is not a string", source->path, key,
                            VGG_PTH_METADATA);
        if (!vgg_notes_set(&source->metadata, key, json_string_value(value)))
            return vgg_fail_memory(error, "the metadata", json_string_length(value));
    }
    return VGG_OK;
}

static vgg_status read_metadata(const zip_loading *l, vgg_error *error) {
    size_t record, size;
    unsigned char *text;
    bool found;
    vgg_status status = find_record(l, VGG_PTH_METADATA, &found, &record, error);
    if (status != VGG_OK || !found)
        return status;
    status = vgg_archive_read(l->archive, record, METADATA_BYTES_MAX, &text, &size, error);
    if (status != VGG_OK)
        return status;
    vgg_json_fault fault;
    json_t *notes = vgg_json_read((const char *)text, size, &fault);
    if (notes == NULL && fault.memory)
        status = vgg_fail_memory(error, l->source->path, size);
    else if (notes == NULL)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: its record %s goes wrong at byte %zu: %s",
                          l->source->path, VGG_PTH_METADATA, fault.byte, fault.what);
    else
        status = take_metadata(l->source, notes, error);
    json_decref(notes);
    vgg_free(text);
    return status;
}

/* ---- tensors ---- */

static vgg_status find_storage(void *context, const vgg_pth_storage *storage,
                               const unsigned char **bytes, vgg_error *error) {
    const zip_loading *l = context;
    char name[96];
    int length = snprintf(name, sizeof name, "data/%.*s",
                          storage->key_length < 64 ? (int)storage->key_length : 64, storage->key);
    size_t record, size, expected = storage->count * storage->type->bytes;
    bool found = false;
    vgg_status status = VGG_OK;
    if (length >= 0)
        status = find_record(l, name, &found, &record, error);
    if (status != VGG_OK)
        return status;
    if (!found)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: lacks the record \"%s%s\" that its pickle refers to", l->source->path,
                        l->folder, name);
    status = vgg_archive_use(l->archive, record, bytes, &size, error);
    if (status == VGG_OK && size != expected)
        status = vgg_fail(
            error, VGG_ERROR_FORMAT,
            "%s: its record \"%s%s\" has %zu bytes, expected %zu for %zu values of %s",
            l->source->path, l->folder, name, size, expected, storage->count, storage->type->name);
    return status;
}

static vgg_status read_state(zip_loading *l, size_t record, vgg_error *error) {
    unsigned char *bytes;
    size_t size;
    vgg_status status =
        vgg_archive_read(l->archive, record, PICKLE_BYTES_MAX, &bytes, &size, error);
    if (status != VGG_OK)
        return status;
    vgg_pickle_input input = {.path = l->source->path,
                              .record = vgg_archive_name(l->archive, record),
                              .bytes = bytes,
                              .size = size};
    vgg_pickle pickle = {0};
    status = vgg_pickle_read(&input, &pickle, error);
    if (status == VGG_OK)
        status = vgg_pth_take_tensors(
            l->source, &pickle, &(vgg_pth_storages){.context = l, .find = find_storage}, error);
    vgg_pickle_free(&pickle);
    vgg_free(bytes);
    return status;
}

static vgg_status load_zip(vgg_tensor_source *source, vgg_error *error) {
    zip_loading l = {.source = source};
    size_t pickle = 0;
    vgg_status status = vgg_archive_open(&source->storage, source->path, &l.archive, error);
    if (status == VGG_OK)
        status = check_kind(&l, &pickle, error);
    if (status == VGG_OK)
        status = take_folder(&l, pickle, error);
    if (status == VGG_OK)
        status = check_byte_order(&l, error);
    if (status == VGG_OK)
        status = read_metadata(&l, error);
    if (status == VGG_OK)
        status = read_state(&l, pickle, error);
    vgg_archive_close(l.archive);
    vgg_free(l.folder);
    return status;
}

static vgg_status load(vgg_tensor_source *source, vgg_error *error) {
    if (vgg_is_zip(source->storage.map, source->storage.size))
        return load_zip(source, error);
    return vgg_pth_load_legacy(source, error);
}

const vgg_format vgg_format_pth = {
    .name = "pth",
    .endings = ".pth .pt",
    .sniff = vgg_pth_sniff,
    .load = load,
    .save = vgg_pth_save,
};
