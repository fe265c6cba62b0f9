/* The files that torch.save wrote before 1.6, and that it still writes when asked: a magic number,
 * a version, facts about the machine, the object and the list of its storages' keys, each a pickle;
 * then the storages, each a 64-bit count of values and the values (torch/serialization.py,
 * _legacy_save). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/pth/pth.h"

/* 0x1950a86a20f9469cfc6c, and the version that there is. */
static const unsigned char magic[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
#define VERSION 1001

typedef struct placed_storage {
    vgg_pth_storage storage;
    const unsigned char *bytes; /* NULL until its place is known */
} placed_storage;

typedef struct legacy_loading {
    vgg_tensor_source *source;
    size_t at; /* the byte behind what was read */
    vgg_pickle state, keys;
    placed_storage *storages; /* each key once, sorted */
    size_t count;
} legacy_loading;

static vgg_status read_pickle(legacy_loading *l, vgg_pickle *pickle, vgg_error *error) {
    vgg_pickle_input input = {.path = l->source->path,
                              .bytes = l->source->storage.map,
                              .size = l->source->storage.size,
                              .start = l->at};
    vgg_status status = vgg_pickle_read(&input, pickle, error);
    l->at = pickle->end;
    return status;
}

static vgg_status check_magic(const legacy_loading *l, const vgg_pickle *pickle, vgg_error *error) {
    const vgg_pickle_value *root = &pickle->values[pickle->root];
    if (root->kind == VGG_PICKLE_TEXT && root->text.length == sizeof magic &&
        memcmp(root->text.bytes, magic, sizeof magic) == 0)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: is a Python pickle, but not one of torch.save: it does not begin with the "
                    "number 0x1950a86a20f9469cfc6c",
                    l->source->path);
}

static vgg_status check_version(const legacy_loading *l, const vgg_pickle *pickle,
                                vgg_error *error) {
    const vgg_pickle_value *root = &pickle->values[pickle->root];
    if (root->kind == VGG_PICKLE_INTEGER && root->integer == VERSION)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: its version, a pickle that ends at byte %zu, is not %d", l->source->path,
                    pickle->end, VERSION);
}

static vgg_status check_machine(const legacy_loading *l, const vgg_pickle *pickle,
                                vgg_error *error) {
    const vgg_pickle_value *root = &pickle->values[pickle->root];
    if (root->kind != VGG_PICKLE_DICT)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: what it says of its machine, a pickle that ends at byte %zu, is no "
                        "dict",
                        l->source->path, pickle->end);
    for (uint32_t c = root->items.first; c != VGG_PICKLE_END;) {
        const vgg_pickle_cell *key = &pickle->cells[c], *value = &pickle->cells[key->next];
        const vgg_pickle_value *said = &pickle->values[value->value];
        if (vgg_pickle_is_text(&pickle->values[key->value], "little_endian") &&
            said->kind == VGG_PICKLE_BOOL && said->integer == 0)
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "%s: its values are big-endian, expected little-endian ones",
                            l->source->path);
        c = value->next;
    }
    return VGG_OK;
}

/* The three pickles before the object. */
static vgg_status read_prologue(legacy_loading *l, vgg_error *error) {
    vgg_status (*const checks[])(const legacy_loading *, const vgg_pickle *,
                                 vgg_error *) = {check_magic, check_version, check_machine};
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < sizeof checks / sizeof *checks; i++) {
        vgg_pickle pickle = {0};
        status = read_pickle(l, &pickle, error);
        if (status == VGG_OK)
            status = checks[i](l, &pickle, error);
        vgg_pickle_free(&pickle);
    }
    return status;
}

/* ---- storages ---- */

static int compare_keys(const void *a, const void *b) {
    const vgg_pth_storage *x = a, *y = b;
    size_t shorter = vgg_size_min(x->key_length, y->key_length);
    int order = memcmp(x->key, y->key, shorter);
    return order != 0 ? order : (x->key_length > y->key_length) - (x->key_length < y->key_length);
}

static placed_storage *find_key(const legacy_loading *l, const char *key, size_t length) {
    vgg_pth_storage wanted = {.key = key, .key_length = length};
    return bsearch(&wanted, l->storages, l->count, sizeof *l->storages, compare_keys);
}

/* All storages that the object's pickle refers to; how large they are stands only there. */
static vgg_status list_storages(legacy_loading *l, vgg_error *error) {
    const vgg_pickle *pickle = &l->state;
    size_t count = 0;
    for (size_t i = 0; i < pickle->value_count; i++) {
        count += pickle->values[i].kind == VGG_PICKLE_STORAGE;
    }
    l->storages = vgg_calloc(count + 1, sizeof *l->storages);
    if (l->storages == NULL)
        return vgg_fail_memory(error, "the list of storages", count * sizeof *l->storages);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < pickle->value_count; i++) {
        if (pickle->values[i].kind == VGG_PICKLE_STORAGE)
            status = vgg_pth_storage_read(l->source, pickle, &pickle->values[i],
                                          &l->storages[l->count++].storage, error);
    }
    if (status != VGG_OK)
        return status;
    qsort(l->storages, count, sizeof *l->storages, compare_keys);
    l->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (l->count == 0 || compare_keys(&l->storages[l->count - 1], &l->storages[i]) != 0)
            l->storages[l->count++] = l->storages[i];
    }
    return VGG_OK;
}

static vgg_status place_storage(legacy_loading *l, const vgg_pickle_value *key, vgg_error *error) {
    placed_storage *placed =
        key->kind == VGG_PICKLE_TEXT ? find_key(l, key->text.bytes, key->text.length) : NULL;
    if (placed == NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its list of storages, which ends at byte %zu, has one that its pickle "
                        "does not use",
                        l->source->path, l->keys.end);
    const vgg_storage *file = &l->source->storage;
    size_t left = file->size - l->at;
    uint64_t count;
    if (left < sizeof count)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: is truncated at byte %zu, expected the size of a storage at byte %zu",
                        l->source->path, file->size, l->at);
    memcpy(&count, file->map + l->at, sizeof count);
    left -= sizeof count;
    if (count != placed->storage.count)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: byte %zu gives a storage %llu values, expected %zu as in its pickle",
                        l->source->path, l->at, (unsigned long long)count, placed->storage.count);
    size_t bytes = placed->storage.count * placed->storage.type->bytes;
    l->at += sizeof count;
    if (bytes > left)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: is truncated at byte %zu, expected %zu bytes of a storage from byte "
                        "%zu on",
                        l->source->path, file->size, bytes, l->at);
    placed->bytes = file->map + l->at;
    l->at += bytes;
    return VGG_OK;
}

static vgg_status place_storages(legacy_loading *l, vgg_error *error) {
    const vgg_pickle_value *root = &l->keys.values[l->keys.root];
    if (root->kind != VGG_PICKLE_LIST)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: the pickle that ends at byte %zu is no list of storages",
                        l->source->path, l->keys.end);
    vgg_status status = VGG_OK;
    for (uint32_t c = root->items.first; status == VGG_OK && c != VGG_PICKLE_END;
         c = l->keys.cells[c].next) {
        status = place_storage(l, &l->keys.values[l->keys.cells[c].value], error);
    }
    if (status == VGG_OK && l->at < l->source->storage.size)
        status = vgg_fail(error, VGG_ERROR_FORMAT,
                          "%s: has %zu bytes, expected %zu: %zu bytes follow the last storage",
                          l->source->path, l->source->storage.size, l->at,
                          l->source->storage.size - l->at);
    return status;
}

static vgg_status find_storage(void *context, const vgg_pth_storage *storage,
                               const unsigned char **bytes, vgg_error *error) {
    const legacy_loading *l = context;
    const placed_storage *placed = find_key(l, storage->key, storage->key_length);
    if (placed == NULL || placed->bytes == NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: lacks the storage \"%.*s\" that its pickle refers to", l->source->path,
                        (int)vgg_size_min(storage->key_length, 40), storage->key);
    if (placed->storage.count != storage->count || placed->storage.type != storage->type)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its pickle describes the storage \"%.*s\" in two ways",
                        l->source->path, (int)vgg_size_min(storage->key_length, 40), storage->key);
    *bytes = placed->bytes;
    return VGG_OK;
}

vgg_status vgg_pth_load_legacy(vgg_tensor_source *source, vgg_error *error) {
    legacy_loading l = {.source = source};
    vgg_status status = read_prologue(&l, error);
    if (status == VGG_OK)
        status = read_pickle(&l, &l.state, error);
    if (status == VGG_OK)
        status = list_storages(&l, error);
    if (status == VGG_OK)
        status = read_pickle(&l, &l.keys, error);
    if (status == VGG_OK)
        status = place_storages(&l, error);
    if (status == VGG_OK)
        status = vgg_pth_take_tensors(
            source, &l.state, &(vgg_pth_storages){.context = &l, .find = find_storage}, error);
    vgg_free(l.storages);
    vgg_pickle_free(&l.state);
    vgg_pickle_free(&l.keys);
    return status;
}
