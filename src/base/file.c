#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

/* What errno means: VGG_ERROR_NOT_FOUND, VGG_ERROR_MEMORY where the machine is short of something
 * (memory, descriptors), which is not the file's fault, or VGG_ERROR_IO. */
static vgg_status status_of(int reason) {
    if (reason == ENOENT)
        return VGG_ERROR_NOT_FOUND;
    /* Whatever is wanted is as good as any, and may be had another time. */
    bool short_of = reason == ENOMEM || reason == EMFILE || reason == ENFILE;
    return short_of ? VGG_ERROR_MEMORY : VGG_ERROR_IO;
}

bool vgg_file_is_missing(int reason) {
    return reason == ENOENT || reason == ENOTDIR;
}

vgg_status vgg_file_exists(const char *path, bool *there, vgg_error *error) {
    struct stat info;
    *there = stat(path, &info) == 0;
    return *there || vgg_file_is_missing(errno) ? VGG_OK : vgg_file_fail(error, path, "look at");
}

vgg_status vgg_file_fail(vgg_error *error, const char *path, const char *action) {
    int reason = errno;
    return vgg_fail(error, status_of(reason), "%s: cannot %s: %s", path, action, strerror(reason));
}

const char *vgg_file_kind(mode_t mode) {
    if (S_ISREG(mode))
        return "a file";
    if (S_ISDIR(mode))
        return "a folder";
    if (S_ISFIFO(mode))
        return "a pipe";
    if (S_ISSOCK(mode))
        return "a socket";
    return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "something else";
}

vgg_status vgg_file_open(const char *path, int *descriptor, size_t *size, vgg_error *error) {
    /* Without O_NONBLOCK opening a pipe would wait for somebody to write into it. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return vgg_file_fail(error, path, "open");
    struct stat info;
    vgg_status status = VGG_OK;
    if (fstat(fd, &info) != 0)
        status = vgg_file_fail(error, path, "open");
    else if (!S_ISREG(info.st_mode))
        status = vgg_fail(error, VGG_ERROR_IO, "%s: is %s, expected a file", path,
                          vgg_file_kind(info.st_mode));
    if (status != VGG_OK) {
        close(fd);
        return status;
    }
    *descriptor = fd;
    *size = (size_t)info.st_size;
    return VGG_OK;
}

vgg_status vgg_file_read_some(int descriptor, const char *name, size_t offset, void *bytes,
                              size_t size, size_t *got, vgg_error *error) {
    *got = 0;
    while (*got < size) {
        ssize_t count =
            pread(descriptor, (unsigned char *)bytes + *got, size - *got, (off_t)(offset + *got));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return vgg_file_fail(error, name, "read");
        if (count == 0)
            break;
        *got += (size_t)count;
    }
    return VGG_OK;
}

vgg_status vgg_file_read(const char *path, size_t limit, unsigned char **data, size_t *size,
                         vgg_error *error) {
    int fd = -1;
    size_t total = 0;
    vgg_status status = vgg_file_open(path, &fd, &total, error);
    if (status != VGG_OK)
        return status;
    if (total > limit) {
        close(fd);
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: has %zu bytes, more than the limit of %zu", path, total, limit);
    }
    unsigned char *bytes = vgg_malloc(total + 1);
    if (bytes == NULL) {
        close(fd);
        return vgg_fail_memory(error, path, total);
    }
    size_t got;
    status = vgg_file_read_some(fd, path, 0, bytes, total, &got, error);
    close(fd);
    if (status == VGG_OK && got < total)
        status = vgg_fail(error, VGG_ERROR_IO, "%s: ended at byte %zu of %zu", path, got, total);
    if (status != VGG_OK) {
        vgg_free(bytes);
        return status;
    }
    *data = bytes;
    *size = total;
    return VGG_OK;
}

vgg_status vgg_file_map(const char *path, const unsigned char **data, size_t *size,
                        vgg_error *error) {
    int fd = -1;
    size_t total = 0;
    vgg_status status = vgg_file_open(path, &fd, &total, error);
    if (status != VGG_OK)
        return status;
    void *map = NULL;
    if (total > 0) {
        map = mmap(NULL, total, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            status = vgg_fail(error, VGG_ERROR_MEMORY, "%s: cannot map its %zu bytes: %s", path,
                              total, strerror(errno));
            close(fd);
            return status;
        }
    }
    close(fd);
    *data = map;
    *size = total;
    return VGG_OK;
}

void vgg_file_unmap(const unsigned char *data, size_t size) {
    if (data != NULL)
        munmap((void *)(uintptr_t)data, size);
}

void vgg_file_drop(const unsigned char *data, size_t size) {
    long page_size = sysconf(_SC_PAGESIZE);
    if (page_size <= 0)
        return;
    uintptr_t page = (uintptr_t)page_size, at = (uintptr_t)data;
    uintptr_t first = (at + page - 1) / page * page, end = (at + size) / page * page;
    if (first < end) /* a wish, as far as the caller goes: the values are the same */
        madvise((void *)first, end - first, MADV_DONTNEED);
}

vgg_status vgg_folder_sync(const char *path, vgg_error *error) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return vgg_file_fail(error, path, "open");
    vgg_status status = VGG_OK;
    if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        status = vgg_file_fail(error, path, "write");
    close(fd);
    return status;
}

size_t vgg_folder_space(const char *path) {
    struct statvfs info;
    size_t bytes;
    if (statvfs(path, &info) != 0 || info.f_blocks == 0 ||
        !vgg_size_mul(info.f_bavail, info.f_frsize, &bytes))
        return SIZE_MAX;
    return bytes;
}

vgg_status vgg_folder_create(const char *path, vgg_error *error) {
    char *copy = vgg_text_copy(path);
    if (copy == NULL)
        return vgg_fail_memory(error, path, strlen(path));
    vgg_status status = VGG_OK;
    for (char *slash = copy + 1; status == VGG_OK && *copy != '\0'; slash++) {
        if (*slash != '/' && *slash != '\0')
            continue;
        char saved = *slash;
        *slash = '\0';
        struct stat info;
        if (mkdir(copy, 0777) != 0) {
            if (errno != EEXIST)
                status = vgg_file_fail(error, copy, "create the folder");
            else if (stat(copy, &info) != 0)
                status = vgg_file_fail(error, copy, "look at");
            else if (!S_ISDIR(info.st_mode))
                status =
                    vgg_fail(error, VGG_ERROR_IO, "%s: is there already and is not a folder", copy);
        }
        *slash = saved;
        if (saved == '\0')
            break;
    }
    vgg_free(copy);
    return status;
}

char *vgg_path_join(const char *folder, const char *name) {
    vgg_text path = {0};
    size_t length = strlen(folder);
    const char *separator = length > 0 && folder[length - 1] == '/' ? "" : "/";
    vgg_text_add(&path, "%s%s%s", folder, separator, name);
    return vgg_text_take(&path);
}
