/* Files that are written or put into folders, whole or not at all. */
#ifndef VGG_FILE_H
#define VGG_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "vgg/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes a file. It gets its name when it is complete and on the disk, in place of a file that has
 * the name, which hands its permissions on and which until then, and where this fails, is as it
 * was; a process that is ended before leaves none (vgg_unfinished_files_remove). A link is
 * followed, and what it leads to is written. VGG_ERROR_IO where a folder, a device, a pipe or a
 * socket has the name. */
VGG_API vgg_status vgg_file_replace(const char *path, const void *bytes, size_t size,
                                    vgg_error *error);

/* How a file comes into another folder. The values are pinned. */
typedef enum vgg_put {
    VGG_PUT_COPY = 0, /* its bytes, permissions and times */
    VGG_PUT_LINK = 1, /* a symbolic link that leads to it from wherever */
} vgg_put;

/* Puts a file into a folder, under its own name; the folder is made, with its missing parents, when
 * it is not there. Nothing is ever replaced: where something else has the name, "photo.jpg" becomes
 * "photo-2.jpg", and so on up to 99, and then "photo-<a sum of what it is>.jpg". Where a file of
 * one of these names has the same bytes, or, for a link, leads to the same file, it is left as it
 * is, and *already is true. A copy gets its name when it is complete; a process that is ended
 * before leaves none (vgg_unfinished_files_remove). Both results may be NULL; *name, the path that
 * it has there, is freed with vgg_string_free. Any number of threads may put files into the same
 * folder. */
VGG_API vgg_status vgg_file_put(const char *path, const char *folder, vgg_put how, bool *already,
                                char **name, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
