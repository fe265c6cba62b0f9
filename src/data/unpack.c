/* Compressed archives are unpacked once, so that any picture can be read at any time. */
#include "data/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

/* No honest archive of pictures grows beyond these when it is unpacked. */
#define UNPACKED_MAX ((size_t)64 << 30)
#define UNPACKED_RATIO 1000
#define UNPACKED_SLACK ((size_t)64 << 20)
#define READ_BLOCK ((size_t)1 << 16)

typedef struct unpacking {
    const char *path, *compression, *folder;
} unpacking;

static vgg_status open_temporary(const char *folder, int *descriptor, vgg_error *error) {
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        char *name = vgg_path_join(folder, "vgg-XXXXXX");
        if (name == NULL)
            return vgg_fail_memory(error, "a path", strlen(folder));
        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0)
            unlink(name);
        free(name);
    }
    if (fd < 0)
        return vgg_fail(error, VGG_ERROR_IO, "%s: cannot make a temporary file there: %s", folder,
                        strerror(errno));
    *descriptor = fd;
    return VGG_OK;
}

static vgg_status write_all(int fd, const unpacking *u, const unsigned char *bytes, size_t size,
                            vgg_error *error) {
    while (size > 0) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return vgg_fail(error, VGG_ERROR_IO,
                            "%s: cannot unpack into a temporary file in %s: %s", u->path, u->folder,
                            strerror(errno));
        bytes += put;
        size -= (size_t)put;
    }
    return VGG_OK;
}

static size_t unpacked_limit(const char *path) {
    struct stat info;
    size_t limit = UNPACKED_MAX;
    if (stat(path, &info) == 0 && (size_t)info.st_size < UNPACKED_MAX / UNPACKED_RATIO)
        limit = vgg_size_min(limit, (size_t)info.st_size * UNPACKED_RATIO + UNPACKED_SLACK);
    return limit;
}

static vgg_status copy_blocks(struct archive *archive, const unpacking *u, int fd,
                              vgg_error *error) {
    size_t limit = unpacked_limit(u->path), total = 0;
    for (;;) {
        const void *block;
        size_t size;
        la_int64_t offset;
        int result = archive_read_data_block(archive, &block, &size, &offset);
        if (result == ARCHIVE_EOF)
            return VGG_OK;
        if (result < ARCHIVE_WARN)
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: damaged %s data after %zu unpacked bytes: %s", u->path,
                            u->compression, total, archive_error_string(archive));
        if (!vgg_size_add(total, size, &total) || total > limit)
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "%s: unpacks to more than %zu bytes, which is refused for a file of "
                            "its size",
                            u->path, limit);
        vgg_status status = write_all(fd, u, block, size, error);
        if (status != VGG_OK)
            return status;
    }
}

vgg_status vgg_unpack(const char *path, const char *compression, const char *folder,
                      int *descriptor, vgg_error *error) {
    const unpacking u = {path, compression, folder};
    struct archive *archive = archive_read_new();
    if (archive == NULL)
        return vgg_fail_memory(error, "an archive reader", 0);
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_bzip2(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_format_raw(archive);
    struct archive_entry *entry;
    int fd = -1;
    vgg_status status = VGG_OK;
    if (archive_read_open_filename(archive, path, READ_BLOCK) != ARCHIVE_OK ||
        archive_read_next_header(archive, &entry) < ARCHIVE_WARN)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: cannot be unpacked as %s: %s", path,
                          compression, archive_error_string(archive));
    if (status == VGG_OK)
        status = open_temporary(folder, &fd, error);
    if (status == VGG_OK)
        status = copy_blocks(archive, &u, fd, error);
    archive_read_free(archive);
    if (status != VGG_OK && fd >= 0)
        close(fd);
    if (status == VGG_OK)
        *descriptor = fd;
    return status;
}
