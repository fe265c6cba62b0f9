/* Zip archives in a mapped file, read by libzip. */
#ifndef VGG_FORMATS_CONTAINERS_ARCHIVE_H
#define VGG_FORMATS_CONTAINERS_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "formats/storage.h"

typedef struct vgg_archive vgg_archive;

/* The storage's file, which must be mapped as long as the archive is open; so must the path live.
 */
vgg_status vgg_archive_open(vgg_storage *storage, const char *path, vgg_archive **archive,
                            vgg_error *error);
void vgg_archive_close(vgg_archive *archive);

size_t vgg_archive_count(const vgg_archive *archive);

/* The name of a record, which belongs to the archive; "" when it has none. */
const char *vgg_archive_name(const vgg_archive *archive, size_t record);

/* Whether a record has that name, and which one. */
vgg_status vgg_archive_find(const vgg_archive *archive, const char *name, bool *found,
                            size_t *record, vgg_error *error);

/* The whole record, its checksum compared, in memory that the caller frees, with a zero behind it.
 * More than `limit` bytes are refused. */
vgg_status vgg_archive_read(vgg_archive *archive, size_t record, size_t limit,
                            unsigned char **bytes, size_t *size, vgg_error *error);

/* The record as it lies in the map when it is stored as it is: no byte of it is read, and its
 * checksum is not compared. A compressed one is unpacked into memory of the storage, once. */
vgg_status vgg_archive_use(vgg_archive *archive, size_t record, const unsigned char **bytes,
                           size_t *size, vgg_error *error);

#endif
