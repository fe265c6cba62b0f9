/* Writing PyTorch's zip archives. The zip is written here, as libzip can neither place the bytes of
 * a record at a multiple of 64 nor leave them out of memory. All times are 1980-01-01, the first
 * that zip knows, so that the same tensors give the same bytes. Layout: PKWARE's APPNOTE.TXT, 4.3.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#include <zlib.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/pth/pth.h"

#define FOLDER "archive/"
#define RECORD_NAME 48
#define FIRST_DAY ((1u << 5) | 1u) /* month and day; the years count from 1980 */
#define UTF8_NAMES 0x800u
#define PADDING_ID 0x4246u /* "FB", as torch.save calls it */
#define ZIP64_ID 1u

typedef struct record {
    char name[RECORD_NAME];
    const void *bytes;
    size_t size, header; /* where its header lies */
    uint32_t crc;
} record;

typedef struct zip_writing {
    vgg_sink *sink;
    record *records;
    size_t count;
    char *pickle, *metadata;
    size_t pickle_size;
} zip_writing;

/* ---- numbers and texts of a growing block of bytes ---- */

static void add_number(vgg_text *text, uint64_t number, size_t width) {
    char bytes[8];
    memcpy(bytes, &number, sizeof number); /* little-endian, as this machine */
    vgg_text_add_bytes(text, bytes, width);
}

static void add_string(vgg_text *text, const char *string) {
    vgg_text_add_bytes(text, string, strlen(string));
}

static void pickle_string(vgg_text *text, const char *string) {
    add_string(text, "X"); /* BINUNICODE */
    add_number(text, strlen(string), 4);
    add_string(text, string);
}

static void pickle_integer(vgg_text *text, size_t number) {
    if (number <= INT32_MAX) {
        add_string(text, "J"); /* BININT */
        add_number(text, number, 4);
    } else {
        add_string(text, "\x8a\x08"); /* LONG1 */
        add_number(text, number, 8);
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

/* ---- the zip ---- */

static void add_record(zip_writing *w, const char *name, const void *bytes, size_t size) {
    record *r = &w->records[w->count++];
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
        char name[RECORD_NAME - sizeof FOLDER];
        snprintf(name, sizeof name, "data/%zu", i);
        add_record(w, name, tensor->bytes, tensor->count * tensor->type->bytes);
    }
    if (w->metadata != NULL)
        add_record(w, VGG_PTH_METADATA, w->metadata, strlen(w->metadata));
    add_record(w, "version", "3\n", 2);
    return VGG_OK;
}

static vgg_status write_text(zip_writing *w, vgg_text *text, vgg_error *error) {
    size_t size = text->length;
    char *bytes = vgg_text_take(text);
    if (bytes == NULL)
        return vgg_fail_memory(error, "a zip archive's list", size);
    vgg_status status = vgg_sink_write(w->sink, bytes, size, error);
    vgg_free(bytes);
    return status;
}

/* Numbers of more than 32 bits stand in an extra field of their own, and ones here. */
static bool is_large(size_t number) {
    return number >= UINT32_MAX;
}

static uint64_t in_32_bits(size_t number) {
    return is_large(number) ? UINT32_MAX : number;
}

/* From "version needed" to "length of the extra fields", which both headers of a record have. */
static void add_common(vgg_text *text, const record *r, size_t extra) {
    add_number(text, is_large(r->size) || is_large(r->header) ? 45 : 20, 2);
    add_number(text, UTF8_NAMES, 2);
    add_number(text, 0, 2); /* stored */
    add_number(text, 0, 2); /* midnight */
    add_number(text, FIRST_DAY, 2);
    add_number(text, r->crc, 4);
    add_number(text, in_32_bits(r->size), 4);
    add_number(text, in_32_bits(r->size), 4);
    add_number(text, strlen(r->name), 2);
    add_number(text, extra, 2);
}

static vgg_status write_record(zip_writing *w, record *r, vgg_error *error) {
    vgg_text text = {0};
    r->header = w->sink->position;
    r->crc = (uint32_t)crc32_z(0, r->bytes, r->size);
    size_t wide = is_large(r->size) ? 20 : 0;
    size_t begin = w->sink->position + 30 + strlen(r->name) + wide + 4;
    size_t padding = vgg_round_up(begin, VGG_ALIGNMENT) - begin;
    add_string(&text, "PK\x03\x04");
    add_common(&text, r, wide + 4 + padding);
    add_string(&text, r->name);
    if (wide > 0) {
        add_number(&text, ZIP64_ID, 2);
        add_number(&text, 16, 2);
        add_number(&text, r->size, 8);
        add_number(&text, r->size, 8);
    }
    add_number(&text, PADDING_ID, 2);
    add_number(&text, padding, 2);
    for (size_t i = 0; i < padding; i++) {
        add_number(&text, 0, 1);
    }
    vgg_status status = write_text(w, &text, error);
    return status == VGG_OK ? vgg_sink_write(w->sink, r->bytes, r->size, error) : status;
}

static void list_record(vgg_text *text, const record *r) {
    size_t wide = (is_large(r->size) ? 16u : 0u) + (is_large(r->header) ? 8u : 0u);
    add_string(text, "PK\x01\x02");
    add_number(text, 45, 2); /* the version that wrote it */
    add_common(text, r, wide > 0 ? 4 + wide : 0);
    add_number(text, 0, 2); /* length of a comment */
    add_number(text, 0, 2); /* number of the disk */
    add_number(text, 0, 2); /* attributes */
    add_number(text, 0, 4);
    add_number(text, in_32_bits(r->header), 4);
    add_string(text, r->name);
    if (wide == 0)
        return;
    add_number(text, ZIP64_ID, 2);
    add_number(text, wide, 2);
    if (is_large(r->size)) {
        add_number(text, r->size, 8);
        add_number(text, r->size, 8);
    }
    if (is_large(r->header))
        add_number(text, r->header, 8);
}

/* The ends: of the 64-bit list where it is needed, and of the 32-bit one. */
static void add_ends(vgg_text *text, size_t count, size_t list, size_t list_size) {
    if (is_large(list) || count >= UINT16_MAX) {
        add_string(text, "PK\x06\x06");
        add_number(text, 44, 8); /* bytes of this record from here on */
        add_number(text, 45, 2);
        add_number(text, 45, 2);
        add_number(text, 0, 8); /* disks */
        add_number(text, count, 8);
        add_number(text, count, 8);
        add_number(text, list_size, 8);
        add_number(text, list, 8);
        add_string(text, "PK\x06\x07");
        add_number(text, 0, 4);
        add_number(text, list + list_size, 8);
        add_number(text, 1, 4);
    }
    add_string(text, "PK\x05\x06");
    add_number(text, 0, 4); /* disks */
    add_number(text, vgg_size_min(count, UINT16_MAX), 2);
    add_number(text, vgg_size_min(count, UINT16_MAX), 2);
    add_number(text, in_32_bits(list_size), 4);
    add_number(text, in_32_bits(list), 4);
    add_number(text, 0, 2); /* length of a comment */
}

static vgg_status write_all(zip_writing *w, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < w->count; i++) {
        status = write_record(w, &w->records[i], error);
    }
    if (status != VGG_OK)
        return status;
    vgg_text list = {0};
    for (size_t i = 0; i < w->count; i++) {
        list_record(&list, &w->records[i]);
    }
    add_ends(&list, w->count, w->sink->position, list.length);
    return write_text(w, &list, error);
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
        status = write_all(&w, error);
    vgg_free(w.records);
    vgg_free(w.pickle);
    vgg_free(w.metadata);
    return status;
}
