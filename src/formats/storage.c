#include "formats/storage.h"

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"

/* Beyond the file's size. */
#define SPARE_BYTES ((size_t)64 << 20)

/* Bytes that a reader is asked for at a time. */
#define READ_STEP ((size_t)16 << 20)

/* Pieces that threads read of a step of a file: one alone is no match for the page cache. */
#define PIECES 4
#define PIECE (READ_STEP / PIECES)

/* Whether the bytes lie in memory of the storage. */
static bool is_own(const vgg_storage *storage) {
    return storage->kind == VGG_BYTES_COPY || storage->kind == VGG_BYTES_READER;
}

/* Bytes that are copied. */
typedef struct copying {
    const char *name;
    const vgg_reader *reader; /* NULL: they are read from the descriptor */
    int descriptor;
    size_t size;
    vgg_meter *meter; /* may be NULL */
} copying;

static vgg_status read_piece(const copying *from, size_t at, unsigned char *bytes, size_t count,
                             vgg_error *error) {
    if (from->reader != NULL && from->reader->read(from->reader->user, at, bytes, count))
        return VGG_OK;
    if (from->reader != NULL)
        return vgg_fail(error, VGG_ERROR_IO,
                        "%s: the function that reads it failed at byte %zu of %zu", from->name, at,
                        from->size);
    size_t got;
    vgg_status status =
        vgg_file_read_some(from->descriptor, from->name, at, bytes, count, &got, error);
    if (status == VGG_OK && got < count)
        status = vgg_fail(error, VGG_ERROR_IO, "%s: ended at byte %zu of %zu", from->name, at + got,
                          from->size);
    return status;
}

/* A step of `count` bytes from `first` on. */
typedef struct pieces {
    const copying *from;
    size_t first, count;
    unsigned char *bytes; /* of the whole file */
    vgg_status status[PIECES];
    vgg_error errors[PIECES];
} pieces;

/* Unit: a piece. */
static void read_pieces(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    pieces *step = context;
    for (size_t i = begin; i < end; i++) {
        size_t at = step->first + i * PIECE;
        size_t count = vgg_size_min(step->count - i * PIECE, PIECE);
        step->status[i] = read_piece(step->from, at, step->bytes + at, count, &step->errors[i]);
    }
}

/* threads: NULL for the caller's alone. The error is the first piece's that has one. */
static vgg_status read_step(vgg_threads *threads, const copying *from, size_t first, size_t count,
                            unsigned char *bytes, vgg_error *error) {
    if (threads == NULL)
        return read_piece(from, first, bytes + first, count, error);
    pieces step = {.from = from, .first = first, .count = count, .bytes = bytes};
    size_t units = (count + PIECE - 1) / PIECE;
    vgg_threads_run(threads, units, read_pieces, &step);
    for (size_t i = 0; i < units; i++) {
        if (step.status[i] != VGG_OK)
            return vgg_fail(error, step.status[i], "%s", step.errors[i].message);
    }
    return VGG_OK;
}

static vgg_status read_steps(vgg_threads *threads, const copying *from, unsigned char *bytes,
                             vgg_error *error) {
    for (size_t done = 0, count; done < from->size; done += count) {
        count = vgg_size_min(from->size - done, READ_STEP);
        vgg_status status = read_step(threads, from, done, count, bytes, error);
        if (status == VGG_OK)
            status = vgg_meter_add(from->meter, count, error);
        if (status != VGG_OK)
            return status;
    }
    return vgg_meter_next(from->meter, error);
}

/* A large file is read by threads, where they are to be had; a function by the caller's. */
static vgg_status read_all(const copying *from, unsigned char *bytes, vgg_error *error) {
    vgg_threads *threads = NULL;
    if (from->reader == NULL && from->size > READ_STEP)
        (void)vgg_threads_create(NULL, &threads, NULL);
    vgg_status status = read_steps(threads, from, bytes, error);
    vgg_threads_free(threads);
    return status;
}

/* *copy stays as it is when there are no bytes. */
static vgg_status copy_all(const copying *from, const unsigned char **copy, vgg_error *error) {
    if (from->size == 0)
        return VGG_OK;
    unsigned char *bytes =
        from->size <= vgg_memory_available() ? vgg_aligned_alloc(from->size) : NULL;
    if (bytes == NULL)
        return vgg_fail_memory(error, from->name, from->size);
    vgg_status status = read_all(from, bytes, error);
    if (status == VGG_OK)
        *copy = bytes;
    else
        vgg_free(bytes);
    return status;
}

static vgg_status copy_file(const char *path, vgg_meter *meter, vgg_mapped_file *file,
                            vgg_error *error) {
    copying from = {.name = path, .meter = meter};
    vgg_status status = vgg_file_open(path, &from.descriptor, &from.size, error);
    if (status != VGG_OK)
        return status;
    if (meter != NULL)
        meter->total = from.size;
    *file = (vgg_mapped_file){.size = from.size};
    status = copy_all(&from, &file->map, error);
    close(from.descriptor);
    return status;
}

vgg_status vgg_storage_open(vgg_storage *storage, const vgg_bytes *input, vgg_error *error) {
    vgg_meter *meter = storage->meter;
    vgg_mapped_file file = {.map = input->bytes, .size = input->size};
    vgg_status status = VGG_OK;
    storage->kind = input->kind;
    if (input->kind == VGG_BYTES_READER)
        file.size = input->reader->size;
    if (meter != NULL) {
        meter->total = file.size;
        meter->passes = is_own(storage) ? 3 : 2;
    }
    if (input->kind == VGG_BYTES_FILE)
        status = vgg_file_map(input->name, &file.map, &file.size, error);
    else if (input->kind == VGG_BYTES_COPY)
        status = copy_file(input->name, meter, &file, error);
    else if (input->kind == VGG_BYTES_READER) {
        copying from = {input->name, input->reader, -1, file.size, meter};
        status = copy_all(&from, &file.map, error);
    }
    if (status != VGG_OK)
        return status;
    storage->map = file.map;
    storage->size = file.size;
    if (meter != NULL)
        meter->total = file.size;
    return VGG_OK;
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
    vgg_status status = storage->kind == VGG_BYTES_COPY
                            ? copy_file(path, NULL, file, error)
                            : vgg_file_map(path, &file->map, &file->size, error);
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

/* What a file's bytes lie in is given back as it was got. */
static void release(const vgg_storage *storage, const unsigned char *map, size_t size) {
    if (storage->kind == VGG_BYTES_FILE)
        vgg_file_unmap(map, size);
    else if (is_own(storage))
        vgg_free((void *)(uintptr_t)map);
}

void vgg_storage_drop(const vgg_storage *storage, const unsigned char *bytes, size_t size) {
    bool mapped =
        storage->kind == VGG_BYTES_FILE && is_within(storage->map, storage->size, bytes, size);
    for (size_t i = 0; storage->kind == VGG_BYTES_FILE && !mapped && i < storage->other_count;
         i++) {
        mapped = is_within(storage->others[i].map, storage->others[i].size, bytes, size);
    }
    if (mapped)
        vgg_file_drop(bytes, size);
}

void vgg_storage_free(vgg_storage *storage) {
    release(storage, storage->map, storage->size);
    for (size_t i = 0; i < storage->other_count; i++) {
        release(storage, storage->others[i].map, storage->others[i].size);
    }
    vgg_free(storage->others);
    for (size_t i = 0; i < storage->block_count; i++) {
        vgg_free(storage->blocks[i]);
    }
    vgg_free(storage->blocks);
    *storage = (vgg_storage){0};
}
