/* Writing PyTorch's zip archives. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/containers/zip_writer.h"
#include "formats/pth/pth.h"

#define FOLDER "archive/"

typedef struct zip_writing {
    vgg_sink *sink;
    vgg_zip_record *records;
    size_t count;
    char *pickle, *metadata;
    size_t pickle_size;
} zip_writing;

static void add_string(vgg_text *text, const char *string) {
    vgg_text_add_bytes(text, string, strlen(string));
}

static void pickle_string(vgg_text *text, const char *string) {
    add_string(text, "X"); /* BINUNICODE */
    vgg_zip_add_number(text, strlen(string), 4);
    add_string(text, string);
}

static void pickle_integer(vgg_text *text, size_t number) {
    if (number <= INT32_MAX) {
        add_string(text, "J"); /* BININT */
        vgg_zip_add_number(text, number, 4);
    } else {
        add_string(text, "\x8a\x08"); /* LONG1 */
        vgg_zip_add_number(text, number, 8);
    }
}

static void pickle_sizes(vgg_text *text, const size_t *sizes, size_t count) {
    add_string(text, "("); /* MARK ... TUPLE */
    for (size_t i = 0; i < count; i++) {
        pickle_integer(text, sizes[i]);
    }
    add_string(text, "t");
}

/* ---- the pickle ---- */

#define NEW_DICT "ccollections\nOrderedDict\n)R" /* GLOBAL, EMPTY_TUPLE, REDUCE */

static void pickle_tensor(vgg_text *text, const vgg_stored_tensor *tensor, size_t number) {
    char key[24];
    snprintf(key, sizeof key, "%zu", number);
    size_t strides[VGG_STORED_DIMENSIONS], stride = 1;
    for (size_t i = tensor->dimensions; i-- > 0;) {
        strides[i] = stride;
        stride *= vgg_size_max(tensor->shape[i], 1);
    }
    pickle_string(text, tensor->name);
    add_string(text, "ctorch._utils\n_rebuild_tensor_v2\n((");
    pickle_string(text, "storage");
    vgg_text_add(text, "ctorch\n%s\n", vgg_pickle_storage_name(tensor->type->name));
    pickle_string(text, key);
    pickle_string(text, "cpu");
    pickle_integer(text, tensor->count);
    add_string(text, "tQ"); /* TUPLE, BINPERSID: the storage */
    pickle_integer(text, 0);
    pickle_sizes(text, tensor->shape, tensor->dimensions);
    pickle_sizes(text, strides, tensor->dimensions);
    add_string(text, "\x89" NEW_DICT "tR"); /* needs no gradient and has no hooks */
}

static vgg_status make_pickle(zip_writing *w, const vgg_tensor_source *source, vgg_error *error) {
    vgg_text text = {0};
    add_string(&text, "\x80\x02" NEW_DICT "("); /* PROTO 2, the dict, MARK */
    for (size_t i = 0; i < source->tensor_count; i++) {
        const vgg_stored_tensor *tensor = &source->tensors[i];
        if (vgg_pickle_storage_name(tensor->type->name) == NULL) {
            vgg_text_free(&text);
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "tensor \"%s\" has type %s, which .pth files are not written with",
                            tensor->name, tensor->type->name);
        }
        pickle_tensor(&text, tensor, i);
    }
    add_string(&text, "u."); /* SETITEMS, STOP */
    w->pickle_size = text.length;
    w->pickle = vgg_text_take(&text);
    return w->pickle != NULL ? VGG_OK : vgg_fail_memory(error, "a pickle", w->pickle_size);
}

static vgg_status make_metadata(zip_writing *w, const vgg_notes *notes, vgg_error *error) {
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < notes->count; i++) {
        object = vgg_json_with(object, notes->items[i].key, json_string(notes->items[i].value));
    }
    w->metadata = object != NULL ? vgg_json_text(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return w->metadata != NULL ? VGG_OK : vgg_fail_memory(error, "the metadata", notes->count);
}

/* ---- the records ---- */

static void add_record(zip_writing *w, const char *name, const void *bytes, size_t size) {
    vgg_zip_record *r = &w->records[w->count++];
    snprintf(r->name, sizeof r->name, FOLDER "%s", name);
    r->bytes = bytes;
    r->size = size;
}

static vgg_status list_records(zip_writing *w, const vgg_tensor_source *source, vgg_error *error) {
    w->records = vgg_calloc(source->tensor_count + 4, sizeof *w->records);
    if (w->records == NULL)
        return vgg_fail_memory(error, "the list of records", source->tensor_count);
    add_record(w, "data.pkl", w->pickle, w->pickle_size);
    add_record(w, "byteorder", "little", 6);
    for (size_t i = 0; i < source->tensor_count; i++) {
        const vgg_stored_tensor *tensor = &source->tensors[i];
        char name[VGG_ZIP_NAME - sizeof FOLDER];
        snprintf(name, sizeof name, "data/%zu", i);
        add_record(w, name, tensor->bytes, tensor->count * tensor->type->bytes);
    }
    if (w->metadata != NULL)
        add_record(w, VGG_PTH_METADATA, w->metadata, strlen(w->metadata));
    add_record(w, "version", "3\n", 2);
    return VGG_OK;
}

vgg_status vgg_pth_save(const vgg_saving *saving, vgg_error *error) {
    const vgg_tensor_source *source = saving->source;
    zip_writing w = {.sink = saving->sink};
    vgg_status status = make_pickle(&w, source, error);
    if (status == VGG_OK && source->metadata.count > 0)
        status = make_metadata(&w, &source->metadata, error);
    if (status == VGG_OK)
        status = list_records(&w, source, error);
    if (status == VGG_OK)
        status = vgg_zip_write(w.sink, w.records, w.count, error);
    vgg_free(w.records);
    vgg_free(w.pickle);
    vgg_free(w.metadata);
    return status;
}
