/* The index of a tar archive. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/archive_index.h"
#include "data/archive_input.h"
#include "data/unpack.h"

#define TAR_BLOCK ((size_t)512)

/* The data of a file ends, padded to whole blocks, at byte `end`, where the next header begins. */
static vgg_status place(vgg_entry *file, const char *path, size_t end, vgg_error *error) {
    if (file->size == SIZE_MAX) {
        file->size = 0;
        return VGG_OK;
    }
    if (file->size > end || vgg_round_up(file->size, TAR_BLOCK) > end)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: %s has %zu bytes, more than the archive",
                        path, file->path, file->size);
    file->offset = end - vgg_round_up(file->size, TAR_BLOCK);
    return VGG_OK;
}

/* Says why there is no header at byte `position`. */
static vgg_status fail_header(const vgg_archive_index *list, const char *path, size_t position,
                              size_t file_size, const char *reason, vgg_error *error) {
    if (position < file_size && file_size - position < TAR_BLOCK)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: ends at byte %zu, inside of the header at byte %zu, after %zu entries",
                        path, file_size, position, list->count);
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: damaged tar archive at byte %zu, after %zu entries: %s", path, position,
                    list->count, reason != NULL ? reason : "no header");
}

/* An archive ends with blocks of zeros, or with the file. */
static bool is_end(int descriptor, size_t position, size_t file_size) {
    static const unsigned char zeros[TAR_BLOCK];
    unsigned char block[TAR_BLOCK];
    return position >= file_size ||
           (pread(descriptor, block, sizeof block, (off_t)position) == sizeof block &&
            memcmp(block, zeros, sizeof zeros) == 0);
}

/* Passes over the bytes of a file; *position becomes that of the next header. */
static vgg_status skip_data(struct archive *archive, const vgg_entry *file, const char *path,
                            size_t file_size, size_t *position, vgg_error *error) {
    size_t start = (size_t)archive_filter_bytes(archive, 0);
    /* Asked first, since libarchive may seek beyond the end without a word. */
    if (file->size != SIZE_MAX && start <= file_size && file->size > file_size - start)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: ends at byte %zu, inside of %s, whose %zu bytes begin at byte %zu",
                        path, file_size, file->path, file->size, start);
    if (archive_read_data_skip(archive) != ARCHIVE_OK)
        return archive_errno(archive) == ENOMEM
                   ? vgg_fail_memory(error, path, VGG_ARCHIVE_MEMORY)
                   : vgg_fail(error, VGG_ERROR_FORMAT,
                              "%s: damaged tar archive at byte %zu, in %s: %s", path, start,
                              file->path, archive_error_string(archive));
    *position = (size_t)archive_filter_bytes(archive, 0);
    return VGG_OK;
}

static vgg_status read_headers(const vgg_archive_input *input, const char *path, size_t file_size,
                               vgg_archive_index *list, vgg_error *error) {
    struct archive *archive = input->archive;
    struct archive_entry *header = input->entry;
    for (size_t position = 0;;) {
        if (!vgg_memory_fits(VGG_ARCHIVE_MEMORY))
            return vgg_fail_memory(error, path, VGG_ARCHIVE_MEMORY);
        int result = archive_read_next_header2(archive, header);
        if (result == ARCHIVE_EOF && is_end(input->descriptor, position, file_size))
            return VGG_OK;
        /* A warning is about a name or a date; all else is a header that cannot be trusted. */
        if (result != ARCHIVE_OK && archive_errno(archive) == ENOMEM)
            return vgg_fail_memory(error, path, VGG_ARCHIVE_MEMORY);
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
            return fail_header(list, path, position, file_size, archive_error_string(archive),
                               error);
        vgg_status status = vgg_archive_index_add(list, header, path, error);
        if (status != VGG_OK)
            return status;
        vgg_entry *last = &list->entries[list->count - 1];
        status = skip_data(archive, last, path, file_size, &position, error);
        if (status == VGG_OK)
            status = place(last, path, position, error);
        if (status != VGG_OK)
            return status;
    }
}

vgg_status vgg_tar_index(int descriptor, const char *path, vgg_archive_index *list,
                         vgg_error *error) {
    struct stat info;
    vgg_archive_input *input =
        vgg_memory_fits(VGG_ARCHIVE_MEMORY) ? vgg_archive_input_create(descriptor) : NULL;
    vgg_status status;
    if (input == NULL || archive_read_support_format_tar(input->archive) < ARCHIVE_WARN)
        status = vgg_fail_memory(error, path, VGG_ARCHIVE_MEMORY);
    else if (lseek(descriptor, 0, SEEK_SET) != 0 || fstat(descriptor, &info) != 0)
        status = vgg_file_fail(error, path, "read");
    else if (!vgg_archive_input_begin(input))
        status = vgg_fail_archive(input->archive, path, "cannot be read as a tar archive", error);
    else
        status = read_headers(input, path, (size_t)info.st_size, list, error);
    vgg_archive_input_free(input);
    return status;
}
