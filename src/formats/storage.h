/* What the bytes of stored tensors lie in. A container (zip, HDF5, pickle, protocol buffers) sees
 * this of the formats, and nothing else. */
#ifndef VGG_FORMATS_STORAGE_H
#define VGG_FORMATS_STORAGE_H

#include <stddef.h>

#include "base/meter.h"
#include "vgg/status.h"
#include "vgg/stream.h"

#define VGG_STORED_DIMENSIONS 8

/* The bytes of a file. */
typedef struct vgg_mapped_file {
    const unsigned char *map;
    size_t size;
} vgg_mapped_file;

typedef enum vgg_bytes_kind {
    VGG_BYTES_FILE = 0, /* mapped */
    VGG_BYTES_COPY,     /* a file, copied into memory of the storage, as are those it refers to */
    VGG_BYTES_MEMORY,   /* the caller's, used where it is */
    VGG_BYTES_READER,   /* copied into memory of the storage */
} vgg_bytes_kind;

/* Where a weight file is. */
typedef struct vgg_bytes {
    vgg_bytes_kind kind;
    const char *name; /* the path of a file, or what messages call the bytes */
    const void *bytes;
    size_t size;              /* both of memory */
    const vgg_reader *reader; /* NULL for the others */
} vgg_bytes;

/* The bytes of a weight file, other files that it refers to, and memory for values that the files
 * do not have in their final form (compressed, transposed). A model keeps it for its network. Start
 * with {0}. */
typedef struct vgg_storage {
    vgg_bytes_kind kind;
    const unsigned char *map; /* the bytes, whatever their kind */
    size_t size;
    vgg_mapped_file *others;
    size_t other_count, other_bytes;
    void **blocks;
    size_t block_count, block_bytes;
    vgg_meter *meter; /* of the loading: NULL when there is none, or when it is over */
} vgg_storage;

/* Maps, borrows or reads the bytes, which then are the meter's total; without any the map is NULL.
 * A meter goes through the bytes three times when they are read, and twice otherwise: when they are
 * read, when the tensors are made, and when something is done with them. */
vgg_status vgg_storage_open(vgg_storage *storage, const vgg_bytes *input, vgg_error *error);

/* Memory for `bytes` bytes of values, aligned for vectors, which lives as long as the storage. All
 * blocks together may have the size of the files and 64 MB more: a header that asks for more is
 * refused, which is what `what` names. `path` is that of the file, for messages. */
vgg_status vgg_storage_memory(vgg_storage *storage, const char *path, size_t bytes,
                              const char *what, void **memory, vgg_error *error);

/* Maps another file, or copies it where the first one is copied, for as long as the storage. */
vgg_status vgg_storage_map(vgg_storage *storage, const char *path, vgg_mapped_file *file,
                           vgg_error *error);

/* Gives back the memory of mapped pages within the bytes, which were copied; they may be read
 * again. Bytes that lie in memory of the storage stay. */
void vgg_storage_drop(const vgg_storage *storage, const unsigned char *bytes, size_t size);

/* Unmaps and frees; *storage is {0} then. */
void vgg_storage_free(vgg_storage *storage);

#endif
