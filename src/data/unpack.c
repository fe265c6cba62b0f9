/* Compressed archives are unpacked once, so that any picture can be read at any time. */
#include "data/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/memory.h"
#include "data/archive_input.h"

typedef struct unpacking {
    const char *path, *compression, *folder;
    int packed; /* descriptor of the file */
    size_t size;
} unpacking;

vgg_status vgg_temporary_open(const char *folder, int *descriptor, vgg_error *error) {
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        char *name = vgg_path_join(folder, "vgg-XXXXXX");
        if (name == NULL)
            return vgg_fail_memory(error, "a path", strlen(folder));
        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0)
            unlink(name);
        vgg_free(name);
    }
    if (fd < 0)
        return vgg_file_fail(error, folder, "make a temporary file there");
    *descriptor = fd;
    return VGG_OK;
}

vgg_status vgg_temporary_write(int fd, const char *path, const char *folder,
                               const unsigned char *bytes, size_t size, vgg_error *error) {
    while (size > 0) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return vgg_fail(error, VGG_ERROR_IO,
                            "%s: cannot unpack into a temporary file in %s: %s", path, folder,
                            strerror(errno));
        bytes += put;
        size -= (size_t)put;
    }
    return VGG_OK;
}

size_t vgg_unpacked_limit(size_t packed) {
    size_t most = VGG_LIMIT_UNPACKED_BYTES;
    if (packed < most / VGG_LIMIT_UNPACKED_RATIO)
        most = packed * VGG_LIMIT_UNPACKED_RATIO + VGG_LIMIT_UNPACKED_SLACK;
    return vgg_size_min(most, VGG_LIMIT_UNPACKED_BYTES);
}

vgg_status vgg_fail_archive(struct archive *archive, const char *path, const char *what,
                            vgg_error *error) {
    const char *reason = archive_error_string(archive);
    /* Of damage it says what it is. */
    if (archive_errno(archive) == ENOMEM || reason == NULL)
        return vgg_fail_memory(error, path, VGG_UNPACK_MEMORY);
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: %s: %s", path, what, reason);
}

static vgg_status fail_damaged(struct archive *archive, const unpacking *u, size_t total,
                               vgg_error *error) {
    char what[96];
    snprintf(what, sizeof what, "damaged %s data after %zu unpacked bytes", u->compression, total);
    return vgg_fail_archive(archive, u->path, what, error);
}

static vgg_status copy_blocks(struct archive *archive, const unpacking *u, int fd,
                              vgg_error *error) {
    size_t limit = vgg_unpacked_limit(u->size), total = 0;
    for (;;) {
        const void *block;
        size_t size;
        la_int64_t offset;
        if (!vgg_memory_fits(VGG_UNPACK_MEMORY))
            return vgg_fail_memory(error, u->path, VGG_UNPACK_MEMORY);
        int result = archive_read_data_block(archive, &block, &size, &offset);
        if (result == ARCHIVE_EOF)
            return VGG_OK;
        if (result < ARCHIVE_WARN)
            return fail_damaged(archive, u, total, error);
        if (!vgg_size_add(total, size, &total) || total > limit)
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "%s: unpacks to more than %zu bytes, which is refused for a file of "
                            "its size",
                            u->path, limit);
        vgg_status status = vgg_temporary_write(fd, u->path, u->folder, block, size, error);
        if (status != VGG_OK)
            return status;
    }
}

static vgg_status unpack(const unpacking *u, vgg_archive_input *input, int *descriptor,
                         vgg_error *error) {
    struct archive *archive = input->archive;
    char what[64];
    snprintf(what, sizeof what, "cannot be unpacked as %s", u->compression);
    /* They fail for lack of memory alone. */
    if (archive_read_support_filter_gzip(archive) < ARCHIVE_WARN ||
        archive_read_support_filter_bzip2(archive) < ARCHIVE_WARN ||
        archive_read_support_filter_xz(archive) < ARCHIVE_WARN ||
        archive_read_support_format_raw(archive) < ARCHIVE_WARN)
        return vgg_fail_memory(error, u->path, VGG_UNPACK_MEMORY);
    if (!vgg_archive_input_begin(input) ||
        archive_read_next_header2(archive, input->entry) < ARCHIVE_WARN)
        return vgg_fail_archive(archive, u->path, what, error);
    int fd = -1;
    vgg_status status = vgg_temporary_open(u->folder, &fd, error);
    if (status != VGG_OK)
        return status;
    status = copy_blocks(archive, u, fd, error);
    if (status == VGG_OK)
        *descriptor = fd;
    else
        close(fd);
    return status;
}

vgg_status vgg_unpack(const char *path, const char *compression, const char *folder,
                      int *descriptor, vgg_error *error) {
    unpacking u = {.path = path, .compression = compression, .folder = folder};
    vgg_status status = vgg_file_open(path, &u.packed, &u.size, error);
    if (status != VGG_OK)
        return status;
    vgg_archive_input *input =
        vgg_memory_fits(VGG_UNPACK_MEMORY) ? vgg_archive_input_create(u.packed) : NULL;
    status = input != NULL ? unpack(&u, input, descriptor, error)
                           : vgg_fail_memory(error, path, VGG_UNPACK_MEMORY);
    vgg_archive_input_free(input);
    close(u.packed);
    return status;
}
