/* Unpacking compressed files into nameless temporary ones. */
#ifndef VGG_DATA_UNPACK_H
#define VGG_DATA_UNPACK_H

#include <stddef.h>

#include "vgg/status.h"

struct archive;

/* What must be at hand before a call into libarchive, which ends the process when there is no
 * memory for a name (docs/reliability.md), and before one that unpacks: bzip2 takes this much, and
 * without it says that its data are damaged. */
#define VGG_ARCHIVE_MEMORY ((size_t)1 << 20)
#define VGG_UNPACK_MEMORY ((size_t)6 << 20)

/* Unpacks a compressed file (gzip, bzip2 or xz) into a nameless temporary file in `folder`. The
 * caller closes *descriptor. Output out of all proportion to the input is refused. */
vgg_status vgg_unpack(const char *path, const char *compression, const char *folder,
                      int *descriptor, vgg_error *error);

/* Opens a nameless file in the folder; the caller closes *descriptor. */
vgg_status vgg_temporary_open(const char *folder, int *descriptor, vgg_error *error);

/* Writes bytes of `path` behind what is in that file of `folder`. */
vgg_status vgg_temporary_write(int descriptor, const char *path, const char *folder,
                               const unsigned char *bytes, size_t size, vgg_error *error);

/* What a compressed file of so many bytes may unpack to. */
size_t vgg_unpacked_limit(size_t packed);

/* "<path>: <what>: <libarchive's reason>", or VGG_ERROR_MEMORY when that is the reason. */
vgg_status vgg_fail_archive(struct archive *archive, const char *path, const char *what,
                            vgg_error *error);

#endif
