#include "formats/storage.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

/* Beyond the file's size. */
#define SPARE_BYTES ((size_t)64 << 20)

vgg_status vgg_storage_memory(vgg_storage *storage, const char *path, size_t bytes,
                              const char *what, void **memory, vgg_error *error) {
    size_t files = storage->size + storage->other_bytes;
    size_t left = files + SPARE_BYTES - storage->block_bytes;
    if (bytes > left)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: %s of %zu bytes is more than a file of %zu bytes can need", path, what,
                        bytes, files);
    void **blocks = realloc(storage->blocks, (storage->block_count + 1) * sizeof *blocks);
    if (blocks == NULL)
        return vgg_fail_memory(error, what, bytes);
    storage->blocks = blocks;
    void *block = vgg_aligned_alloc(bytes);
    if (block == NULL)
        return vgg_fail_memory(error, what, bytes);
    blocks[storage->block_count++] = block;
    storage->block_bytes += bytes;
    *memory = block;
    return VGG_OK;
}

vgg_status vgg_storage_map(vgg_storage *storage, const char *path, vgg_mapped_file *file,
                           vgg_error *error) {
    vgg_mapped_file *others = realloc(storage->others, (storage->other_count + 1) * sizeof *others);
    if (others == NULL)
        return vgg_fail_memory(error, path, (storage->other_count + 1) * sizeof *others);
    storage->others = others;
    vgg_status status = vgg_file_map(path, &file->map, &file->size, error);
    if (status != VGG_OK)
        return status;
    others[storage->other_count++] = *file;
    storage->other_bytes += file->size;
    return VGG_OK;
}

static bool is_within(const unsigned char *map, size_t map_size, const unsigned char *bytes,
                      size_t size) {
    uintptr_t first = (uintptr_t)map, at = (uintptr_t)bytes;
    return map != NULL && at >= first && at - first <= map_size && size <= map_size - (at - first);
}

void vgg_storage_drop(const vgg_storage *storage, const unsigned char *bytes, size_t size) {
    bool mapped = is_within(storage->map, storage->size, bytes, size);
    for (size_t i = 0; !mapped && i < storage->other_count; i++) {
        mapped = is_within(storage->others[i].map, storage->others[i].size, bytes, size);
    }
    if (mapped)
        vgg_file_drop(bytes, size);
}

void vgg_storage_free(vgg_storage *storage) {
    vgg_file_unmap(storage->map, storage->size);
    for (size_t i = 0; i < storage->other_count; i++) {
        vgg_file_unmap(storage->others[i].map, storage->others[i].size);
    }
    free(storage->others);
    for (size_t i = 0; i < storage->block_count; i++) {
        free(storage->blocks[i]);
    }
    free(storage->blocks);
    *storage = (vgg_storage){0};
}
