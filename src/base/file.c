#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

vgg_status vgg_file_fail(vgg_error *error, const char *path, const char *action) {
    vgg_status status = errno == ENOENT   ? VGG_ERROR_NOT_FOUND
                        : errno == ENOMEM ? VGG_ERROR_MEMORY
                                          : VGG_ERROR_IO;
    return vgg_fail(error, status, "%s: cannot %s: %s", path, action, strerror(errno));
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
    size_t done = 0;
    while (done < total) {
        ssize_t got = read(fd, bytes + done, total - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            status = got < 0 ? vgg_file_fail(error, path, "read")
                             : vgg_fail(error, VGG_ERROR_IO, "%s: ended at byte %zu of %zu", path,
                                        done, total);
            vgg_free(bytes);
            close(fd);
            return status;
        }
        done += (size_t)got;
    }
    close(fd);
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
                status = vgg_fail(error, VGG_ERROR_IO, "%s: cannot create the folder: %s", copy,
                                  strerror(errno));
            else if (stat(copy, &info) != 0 || !S_ISDIR(info.st_mode))
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
