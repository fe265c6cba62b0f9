/* The index of a zip archive, and its pictures in a file where each lies by itself. */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/memory.h"
#include "data/archive_index.h"
#include "data/archive_input.h"
#include "data/unpack.h"

/* Small pictures are written together. */
#define TOGETHER ((size_t)64 << 10)

typedef struct unzipping {
    const char *path, *folder;
    struct archive *archive;
    int to;    /* descriptor of the temporary file */
    size_t at; /* bytes in it, and in: */
    unsigned char *waiting;
    size_t waiting_count;
    size_t limit; /* of them */
    vgg_error *error;
} unzipping;

/* What may be read again later: all else is only counted. */
static bool is_wanted(const vgg_entry *file) {
    const char *ending = strrchr(file->path, '.');
    return vgg_image_name_is_picture(file->path) ||
           (ending != NULL && (strcasecmp(ending, ".csv") == 0 || strcasecmp(ending, ".txt") == 0));
}

static vgg_status fail_damaged(const unzipping *zip, const char *where) {
    char what[VGG_LIMIT_PATH_BYTES + 64];
    snprintf(what, sizeof what, "damaged zip archive, in %s", where);
    return vgg_fail_archive(zip->archive, zip->path, what, zip->error);
}

static vgg_status fail_encrypted(const unzipping *zip, const vgg_entry *file) {
    return vgg_fail(zip->error, VGG_ERROR_UNSUPPORTED,
                    "%s: %s is encrypted; expected an archive without a password", zip->path,
                    file->path);
}

static vgg_status write_waiting(unzipping *zip) {
    size_t count = zip->waiting_count;
    zip->waiting_count = 0;
    return vgg_temporary_write(zip->to, zip->path, zip->folder, zip->waiting, count, zip->error);
}

/* Appends bytes to the temporary file. */
static vgg_status put(unzipping *zip, const void *bytes, size_t size) {
    vgg_status status = VGG_OK;
    if (size > TOGETHER - zip->waiting_count)
        status = write_waiting(zip);
    if (status != VGG_OK)
        return status;
    if (size > TOGETHER)
        return vgg_temporary_write(zip->to, zip->path, zip->folder, bytes, size, zip->error);
    memcpy(zip->waiting + zip->waiting_count, bytes, size);
    zip->waiting_count += size;
    return VGG_OK;
}

/* Appends the bytes of a file to the temporary one. */
static vgg_status copy_file(unzipping *zip, vgg_entry *file) {
    size_t begin = zip->at;
    for (;;) {
        const void *block;
        size_t size;
        la_int64_t offset;
        if (!vgg_memory_fits(VGG_UNPACK_MEMORY))
            return vgg_fail_memory(zip->error, zip->path, VGG_UNPACK_MEMORY);
        int result = archive_read_data_block(zip->archive, &block, &size, &offset);
        if (result == ARCHIVE_EOF)
            break;
        if (result < ARCHIVE_WARN)
            return fail_damaged(zip, file->path);
        if (!vgg_size_add(zip->at, size, &zip->at) || zip->at > zip->limit)
            return vgg_fail(zip->error, VGG_ERROR_UNSUPPORTED,
                            "%s: unpacks to more than %zu bytes, which is refused for a file of "
                            "its size",
                            zip->path, zip->limit);
        vgg_status status = size > 0 ? put(zip, block, size) : VGG_OK;
        if (status != VGG_OK)
            return status;
    }
    file->offset = begin;
    file->size = zip->at - begin;
    return VGG_OK;
}

static vgg_status read_entries(unzipping *zip, struct archive_entry *header,
                               vgg_archive_index *list) {
    for (;;) {
        if (!vgg_memory_fits(VGG_ARCHIVE_MEMORY))
            return vgg_fail_memory(zip->error, zip->path, VGG_ARCHIVE_MEMORY);
        int result = archive_read_next_header2(zip->archive, header);
        if (result == ARCHIVE_EOF)
            return VGG_OK;
        if (result < ARCHIVE_WARN)
            return fail_damaged(zip, "a header");
        vgg_status status = vgg_archive_index_add(list, header, zip->path, zip->error);
        if (status != VGG_OK)
            return status;
        vgg_entry *file = &list->entries[list->count - 1];
        bool regular = archive_entry_filetype(header) == AE_IFREG;
        file->size = 0;
        if (!regular || !is_wanted(file))
            continue;
        if (archive_entry_is_encrypted(header))
            return fail_encrypted(zip, file);
        status = copy_file(zip, file);
        if (status != VGG_OK)
            return status;
    }
}

static vgg_status unzip(unzipping *zip, vgg_archive_input *input, vgg_archive_index *list) {
    static const unsigned char first[1] = {0}; /* no picture is at byte 0 */
    zip->archive = input->archive;
    if (archive_read_support_format_zip_seekable(zip->archive) < ARCHIVE_WARN)
        return vgg_fail_memory(zip->error, zip->path, VGG_UNPACK_MEMORY);
    if (!vgg_archive_input_begin(input))
        return vgg_fail_archive(zip->archive, zip->path, "cannot be read as a zip archive",
                                zip->error);
    vgg_status status = vgg_temporary_open(zip->folder, &zip->to, zip->error);
    if (status != VGG_OK)
        return status;
    zip->waiting = vgg_malloc(TOGETHER);
    if (zip->waiting == NULL)
        return vgg_fail_memory(zip->error, zip->path, TOGETHER);
    status = put(zip, first, sizeof first);
    zip->at = sizeof first;
    if (status == VGG_OK)
        status = read_entries(zip, input->entry, list);
    return status == VGG_OK ? write_waiting(zip) : status;
}

vgg_status vgg_zip_index(const char *path, const char *folder, int *descriptor,
                         vgg_archive_index *list, vgg_error *error) {
    unzipping zip = {.path = path, .folder = folder, .to = -1, .error = error};
    int from;
    size_t size;
    vgg_status status = vgg_file_open(path, &from, &size, error);
    if (status != VGG_OK)
        return status;
    zip.limit = vgg_unpacked_limit(size);
    vgg_archive_input *input =
        vgg_memory_fits(VGG_UNPACK_MEMORY) ? vgg_archive_input_create(from) : NULL;
    status =
        input != NULL ? unzip(&zip, input, list) : vgg_fail_memory(error, path, VGG_UNPACK_MEMORY);
    vgg_archive_input_free(input);
    vgg_free(zip.waiting);
    close(from);
    *descriptor = zip.to;
    return status;
}
