#include "formats/storage.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

/* Beyond the file's size. */
#define SPARE_BYTES ((size_t)64 << 20)

/* Bytes that a reader is asked for at a time. */
#define READ_STEP ((size_t)16 << 20)

static vgg_status read_all(const char *name, const vgg_reader *reader, vgg_meter *meter,
                           unsigned char *bytes, vgg_error *error) {
    for (size_t done = 0, count; done < reader->size; done += count) {
        count = vgg_size_min(reader->size - done, READ_STEP);
        if (!reader->read(reader->user, done, bytes + done, count))
            return vgg_fail(error, VGG_ERROR_IO,
                            "%s: the function that reads it failed at byte %zu of %zu", name, done,
                            reader->size);
        vgg_status status = vgg_meter_add(meter, count, error);
        if (status != VGG_OK)
            return status;
    }
    return vgg_meter_next(meter, error);
}

static vgg_status copy_all(vgg_storage *storage, const vgg_bytes *input, vgg_error *error) {
    const vgg_reader *reader = input->reader;
    if (reader->size == 0)
        return VGG_OK;
    unsigned char *bytes =
        reader->size <= vgg_memory_available() ? vgg_aligned_alloc(reader->size) : NULL;
    if (bytes == NULL)
        return vgg_fail_memory(error, input->name, reader->size);
    vgg_status status = read_all(input->name, reader, storage->meter, bytes, error);
    if (status != VGG_OK) {
        vgg_free(bytes);
        return status;
    }
    storage->map = bytes;
    storage->size = reader->size;
    return VGG_OK;
}

vgg_status vgg_storage_open(vgg_storage *storage, const vgg_bytes *input, vgg_error *error) {
    vgg_meter *meter = storage->meter;
    vgg_status status = VGG_OK;
    storage->kind = input->kind;
    if (meter != NULL) {
        meter->total = input->kind == VGG_BYTES_READER ? input->reader->size : input->size;
        meter->passes = input->kind == VGG_BYTES_READER ? 3 : 2;
    }
    if (input->kind == VGG_BYTES_READER)
        return copy_all(storage, input, error);
    storage->map = input->bytes;
    storage->size = input->size;
    if (input->kind == VGG_BYTES_FILE)
        status = vgg_file_map(input->name, &storage->map, &storage->size, error);
    if (meter != NULL)
        meter->total = storage->size;
    return status;
}

vgg_status vgg_storage_memory(vgg_storage *storage, const char *path, size_t bytes,
                              const char *what, void **memory, vgg_error *error) {
    size_t files = storage->size + storage->other_bytes;
    size_t left = files + SPARE_BYTES - storage->block_bytes;
    if (bytes > left)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: %s of %zu bytes is more than a file of %zu bytes can need", path, what,
                        bytes, files);
    vgg_status status = vgg_meter_add(storage->meter, 0, error);
    if (status != VGG_OK)
        return status;
    void **blocks = vgg_realloc(storage->blocks, (storage->block_count + 1) * sizeof *blocks);
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
    vgg_mapped_file *others =
        vgg_realloc(storage->others, (storage->other_count + 1) * sizeof *others);
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
    bool mapped =
        storage->kind == VGG_BYTES_FILE && is_within(storage->map, storage->size, bytes, size);
    for (size_t i = 0; !mapped && i < storage->other_count; i++) {
        mapped = is_within(storage->others[i].map, storage->others[i].size, bytes, size);
    }
    if (mapped)
        vgg_file_drop(bytes, size);
}

void vgg_storage_free(vgg_storage *storage) {
    if (storage->kind == VGG_BYTES_FILE)
        vgg_file_unmap(storage->map, storage->size);
    else if (storage->kind == VGG_BYTES_READER)
        vgg_free((void *)(uintptr_t)storage->map);
    for (size_t i = 0; i < storage->other_count; i++) {
        vgg_file_unmap(storage->others[i].map, storage->others[i].size);
    }
    vgg_free(storage->others);
    for (size_t i = 0; i < storage->block_count; i++) {
        vgg_free(storage->blocks[i]);
    }
    vgg_free(storage->blocks);
    *storage = (vgg_storage){0};
}
