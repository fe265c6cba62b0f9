/* Files: whole reads with a limit, read-only maps, and writes that happen wholly or not at all. */
#ifndef VGG_BASE_FILE_H
#define VGG_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "vgg/status.h"

/* Opens a plain file for reading: *descriptor, which the caller closes, and *size, its size. What
 * is no plain file (a folder, a pipe, a device) is refused by name, and never waited for. All that
 * the library reads by name goes through here. */
vgg_status vgg_file_open(const char *path, int *descriptor, size_t *size, vgg_error *error);

/* Whether errno says that there is nothing of that name; after any other nobody knows. */
bool vgg_file_is_missing(int reason);

/* *there: whether there is something of that name. A link that leads nowhere is nothing. */
vgg_status vgg_file_exists(const char *path, bool *there, vgg_error *error);

/* "<path>: cannot <action>: <why>", with errno as the reason, which also decides on the status. */
vgg_status vgg_file_fail(vgg_error *error, const char *path, const char *action);

/* What stat says that there is: "a file", "a folder", "a pipe", "a socket", "a device" or
 * "something else". */
const char *vgg_file_kind(mode_t mode);

/* Reads up to `size` bytes from the offset on into `bytes`: *got of them, fewer when the file ends.
 * `name` is for messages. */
vgg_status vgg_file_read_some(int descriptor, const char *name, size_t offset, void *bytes,
                              size_t size, size_t *got, vgg_error *error);

/* Reads the file into *data (freed by the caller), in which there is room for one byte more, and
 * its size into *size. A file larger than `limit` bytes, a folder or a device is refused before
 * memory is taken. */
vgg_status vgg_file_read(const char *path, size_t limit, unsigned char **data, size_t *size,
                         vgg_error *error);

/* Maps a regular file read-only; an empty file maps to NULL with size 0. */
vgg_status vgg_file_map(const char *path, const unsigned char **data, size_t *size,
                        vgg_error *error);
void vgg_file_unmap(const unsigned char *data, size_t size);
/* Takes the whole pages within bytes of a map out of memory; reading them brings them back. */
void vgg_file_drop(const unsigned char *data, size_t size);

/* A file that appears under its name only when it is complete: bytes go to a temporary file in the
 * same folder, which vgg_file_commit flushes to disk and renames. After a failed write or commit,
 * or vgg_file_abandon, no trace is left and the file that was there before is as it was.
 *
 * A link is followed, and what it leads to is written. A file that is replaced hands its
 * permissions on; a folder, a device, a pipe or a socket is not replaced, but VGG_ERROR_IO. */
typedef struct vgg_file_writer {
    FILE *stream;
    char *path;   /* as it was given, for messages */
    char *target; /* the name that the complete file gets */
    char *temporary;
    size_t begun, waiting; /* bytes that the disk was asked to begin with, and those behind them */
} vgg_file_writer;

vgg_status vgg_file_create(vgg_file_writer *writer, const char *path, vgg_error *error);
vgg_status vgg_file_write(vgg_file_writer *writer, const void *data, size_t size, vgg_error *error);
vgg_status vgg_file_commit(vgg_file_writer *writer, vgg_error *error);
void vgg_file_abandon(vgg_file_writer *writer);

/* The same for a file that replaces nothing: a link of that name is not followed. mode: its
 * permissions. */
vgg_status vgg_file_create_new(vgg_file_writer *writer, const char *path, mode_t mode,
                               vgg_error *error);
/* *taken: something has the name by now; it is as it was, and the new file is gone. */
vgg_status vgg_file_commit_new(vgg_file_writer *writer, bool *taken, vgg_error *error);

/* Whether the path is that of a temporary file which nobody writes any more: the process of its
 * name is gone, or is this one, and nobody has it locked, as those who write one do. */
bool vgg_file_is_abandoned(const char *path);

/* Puts the names in a folder on the disk, as far as its file system does that. */
vgg_status vgg_folder_sync(const char *path, vgg_error *error);

/* Bytes that the file system of a folder has left for this process; SIZE_MAX where it does not say.
 */
size_t vgg_folder_space(const char *path);

/* Makes a folder and its missing parents; one that is there already is fine. */
vgg_status vgg_folder_create(const char *path, vgg_error *error);

/* "<folder>/<name>", freed by the caller; NULL when memory ran out. */
char *vgg_path_join(const char *folder, const char *name);

#endif
