/* The files that torch.save wrote before 1.6, and that it still writes when asked: a magic number,
 * a version, facts about the machine, the object and the list of its storages' keys, each a pickle;
 * then the storages, each a 64-bit count of values and the values (torch/serialization.py,
 * _legacy_save). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/pth/pth_series.h"

/* 0x1950a86a20f9469cfc6c, and the version that there is. */
static const unsigned char magic[10] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
#define VERSION 1001

/* Those before the values of one storage; more tensors than bytes may refer to the same series. */
#define PICKLES_OF_STORAGE 2048

static vgg_status read_one(vgg_pth_series *l, vgg_pickle *pickle, vgg_error *error) {
    vgg_pickle_input input = {
        .path = l->source->path, .bytes = l->bytes, .size = l->pickles, .start = l->at};
    vgg_status status = vgg_pickle_read(&input, pickle, error);
    l->at = pickle->end;
    return status;
}

static vgg_status check_magic(const vgg_pth_series *l, const vgg_pickle *pickle, vgg_error *error) {
    const vgg_pickle_value *root = &pickle->values[pickle->root];
    if (root->kind == VGG_PICKLE_TEXT && root->text.length == sizeof magic &&
        memcmp(root->text.bytes, magic, sizeof magic) == 0)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: is a Python pickle, but not one of torch.save: it does not begin with the "
                    "number 0x1950a86a20f9469cfc6c",
                    l->source->path);
}

static vgg_status check_version(const vgg_pth_series *l, const vgg_pickle *pickle,
                                vgg_error *error) {
    const vgg_pickle_value *root = &pickle->values[pickle->root];
    if (root->kind == VGG_PICKLE_INTEGER && root->integer == VERSION)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "%s: its version, a pickle that ends at byte %zu, is not %d", l->source->path,
                    pickle->end, VERSION);
}

static vgg_status check_machine(const vgg_pth_series *l, const vgg_pickle *pickle,
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
static vgg_status read_prologue(vgg_pth_series *l, vgg_error *error) {
    vgg_status (*const checks[])(const vgg_pth_series *, const vgg_pickle *,
                                 vgg_error *) = {check_magic, check_version, check_machine};
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < sizeof checks / sizeof *checks; i++) {
        vgg_pickle pickle = {0};
        status = read_one(l, &pickle, error);
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

static vgg_pth_placed_storage *find_key(const vgg_pth_series *l, const char *key, size_t length) {
    vgg_pth_storage wanted = {.key = key, .key_length = length};
    return bsearch(&wanted, l->storages, l->count, sizeof *l->storages, compare_keys);
}

/* A storage that the pickle refers to, and not one that it holds itself. */
static bool is_listed(const vgg_pickle_value *value) {
    return value->kind == VGG_PICKLE_STORAGE && value->global == NULL;
}

/* All storages that the object's pickle refers to; how large they are stands only there. */
static vgg_status list_storages(vgg_pth_series *l, vgg_error *error) {
    const vgg_pickle *pickle = &l->state;
    size_t count = 0;
    for (size_t i = 0; i < pickle->value_count; i++) {
        count += is_listed(&pickle->values[i]);
    }
    l->storages = vgg_calloc(count + 1, sizeof *l->storages);
    if (l->storages == NULL)
        return vgg_fail_memory(error, "the list of storages", count * sizeof *l->storages);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < pickle->value_count; i++) {
        if (is_listed(&pickle->values[i]))
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

static vgg_status place_storage(vgg_pth_series *l, const vgg_pickle_value *key, vgg_error *error) {
    vgg_pth_placed_storage *placed =
        key->kind == VGG_PICKLE_TEXT ? find_key(l, key->text.bytes, key->text.length) : NULL;
    if (placed == NULL)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its list of storages, which ends at byte %zu, has one that its pickle "
                        "does not use",
                        l->source->path, l->keys.end);
    size_t left = l->size - l->at;
    uint64_t count;
    if (left < sizeof count)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: is truncated at byte %zu, expected the size of a storage at byte %zu",
                        l->source->path, l->size, l->at);
    memcpy(&count, l->bytes + l->at, sizeof count);
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
                        l->source->path, l->size, bytes, l->at);
    placed->bytes = l->bytes + l->at;
    l->at += bytes;
    return VGG_OK;
}

static vgg_status place_storages(vgg_pth_series *l, vgg_error *error) {
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
    if (status == VGG_OK && l->at < l->size)
        status = vgg_fail(error, VGG_ERROR_FORMAT,
                          "%s: has %zu bytes, expected %zu: %zu bytes follow the last storage",
                          l->source->path, l->size, l->at, l->size - l->at);
    return status;
}

vgg_status vgg_pth_series_find(void *context, const vgg_pth_storage *storage,
                               const unsigned char **bytes, vgg_error *error) {
    const vgg_pth_series *l = context;
    const vgg_pth_placed_storage *placed = find_key(l, storage->key, storage->key_length);
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

bool vgg_pth_series_begins(const vgg_pickle *pickle) {
    const vgg_pickle_value *root = &pickle->values[pickle->root];
    return root->kind == VGG_PICKLE_TEXT && root->text.length == sizeof magic &&
           memcmp(root->text.bytes, magic, sizeof magic) == 0;
}

vgg_status vgg_pth_series_read(vgg_pth_series *l, vgg_error *error) {
    vgg_status status = read_prologue(l, error);
    if (status == VGG_OK)
        status = read_one(l, &l->state, error);
    if (status == VGG_OK)
        status = list_storages(l, error);
    if (status == VGG_OK)
        status = read_one(l, &l->keys, error);
    return status == VGG_OK ? place_storages(l, error) : status;
}

void vgg_pth_series_free(vgg_pth_series *l) {
    vgg_free(l->storages);
    vgg_pickle_free(&l->state);
    vgg_pickle_free(&l->keys);
}

vgg_status vgg_pth_series_storage(const vgg_tensor_source *source, const unsigned char *bytes,
                                  size_t size, vgg_pth_storage *storage,
                                  const unsigned char **values, vgg_error *error) {
    vgg_pth_series l = {.source = source,
                        .bytes = bytes,
                        .size = size,
                        .pickles = vgg_size_min(size, PICKLES_OF_STORAGE)};
    vgg_status status = vgg_pth_series_read(&l, error);
    if (status == VGG_OK && l.state.values[l.state.root].kind != VGG_PICKLE_STORAGE)
        status = vgg_fail(error, VGG_ERROR_FORMAT,
                          "%s: what torch.storage._load_from_bytes is given holds no storage",
                          source->path);
    if (status == VGG_OK)
        status =
            vgg_pth_storage_read(source, &l.state, &l.state.values[l.state.root], storage, error);
    if (status == VGG_OK)
        status = vgg_pth_series_find(&l, storage, values, error);
    vgg_pth_series_free(&l);
    return status;
}
