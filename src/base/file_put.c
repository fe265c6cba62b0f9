/* Files that are copied or linked into folders, beside what is there. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "vgg/file.h"

#define PIECE 65536
/* The names that are tried: with numbers up to this, and then one that a sum of the contents makes,
 * so that thousands of files of one name are not each compared with all before it. */
#define NUMBERS_MOST 99

/* A file that is put somewhere. */
typedef struct putting {
    const char *path; /* as it was given, for messages */
    vgg_put how;
    int fd;
    struct stat info;
    char *whole;           /* where a link leads */
    unsigned char *pieces; /* room for two, one of each file that is compared */
} putting;

static vgg_status begin(putting *p, const char *path, vgg_put how, vgg_error *error) {
    size_t size;
    *p = (putting){.path = path, .how = how, .fd = -1};
    vgg_status status = vgg_file_open(path, &p->fd, &size, error);
    if (status != VGG_OK)
        return status;
    if (fstat(p->fd, &p->info) != 0)
        return vgg_file_fail(error, path, "open");
    char whole[PATH_MAX];
    if (realpath(path, whole) == NULL)
        return vgg_file_fail(error, path, "open");
    p->whole = vgg_text_copy(whole);
    p->pieces = vgg_malloc(2 * PIECE);
    if (p->whole == NULL || p->pieces == NULL)
        return vgg_fail_memory(error, path, 2 * PIECE);
    return VGG_OK;
}

static void end(putting *p) {
    if (p->fd >= 0)
        close(p->fd);
    vgg_free(p->whole);
    vgg_free(p->pieces);
}

/* "<folder>/photo.jpg", or with something behind the stem "<folder>/photo-2.jpg"; NULL when memory
 * ran out. */
static char *named(const char *folder, const char *path, const char *behind) {
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    const char *ending = strrchr(name, '.');
    size_t stem = ending != NULL && ending != name ? (size_t)(ending - name) : strlen(name);
    vgg_text text = {0};
    vgg_text_add(&text, "%.*s%s%s", (int)stem, name, behind, name + stem);
    char *last = vgg_text_take(&text);
    char *joined = last != NULL ? vgg_path_join(folder, last) : NULL;
    vgg_free(last);
    return joined;
}

/* ---- whether it is there already ---- */

static vgg_status has_same_bytes(const putting *p, const char *there, bool *same,
                                 vgg_error *error) {
    int fd = -1;
    size_t size, offset = 0, got = PIECE, other = PIECE;
    unsigned char *piece = p->pieces, *theirs = p->pieces + PIECE;
    vgg_status status = vgg_file_open(there, &fd, &size, error);
    *same = status == VGG_OK && size == (size_t)p->info.st_size;
    while (status == VGG_OK && *same && got == PIECE) {
        status = vgg_file_read_some(p->fd, p->path, offset, piece, PIECE, &got, error);
        if (status == VGG_OK)
            status = vgg_file_read_some(fd, there, offset, theirs, PIECE, &other, error);
        *same = status == VGG_OK && got == other && memcmp(piece, theirs, got) == 0;
        offset += got;
    }
    if (fd >= 0)
        close(fd);
    return status;
}

/* What has the name already: nothing (*taken is false), the same (*same), or something else. */
static vgg_status look_at(const putting *p, const char *there, bool *taken, bool *same,
                          vgg_error *error) {
    struct stat own, led_to;
    *same = false;
    *taken = lstat(there, &own) == 0;
    if (!*taken)
        return errno == ENOENT ? VGG_OK : vgg_file_fail(error, there, "open");
    bool leads = stat(there, &led_to) == 0;
    if (leads && led_to.st_dev == p->info.st_dev && led_to.st_ino == p->info.st_ino)
        *same = p->how == VGG_PUT_LINK || !S_ISLNK(own.st_mode);
    else if (leads && p->how == VGG_PUT_COPY && S_ISREG(own.st_mode))
        return has_same_bytes(p, there, same, error);
    return VGG_OK;
}

/* ---- putting it there ---- */

static vgg_status copy_bytes(const putting *p, vgg_file_writer *writer, vgg_error *error) {
    size_t offset = 0, got = PIECE;
    while (got == PIECE) {
        vgg_status status =
            vgg_file_read_some(p->fd, p->path, offset, p->pieces, PIECE, &got, error);
        if (status != VGG_OK) {
            vgg_file_abandon(writer);
            return status;
        }
        status = vgg_file_write(writer, p->pieces, got, error);
        if (status != VGG_OK)
            return status;
        offset += got;
    }
    return VGG_OK;
}

/* *taken: somebody was faster, and nothing was done. */
static vgg_status copy(const putting *p, const char *there, bool *taken, vgg_error *error) {
    vgg_file_writer writer;
    vgg_status status = vgg_file_create_new(&writer, there, p->info.st_mode & 0777, error);
    if (status == VGG_OK)
        status = copy_bytes(p, &writer, error);
    if (status != VGG_OK)
        return status;
    if (fflush(writer.stream) != 0) {
        status = vgg_file_fail(error, there, "write");
        vgg_file_abandon(&writer);
        return status;
    }
    /* Where a file system has no times, there are none to keep. */
    const struct timespec times[] = {p->info.st_atim, p->info.st_mtim};
    futimens(fileno(writer.stream), times);
    return vgg_file_commit_new(&writer, taken, error);
}

static vgg_status link_to(const putting *p, const char *there, bool *taken, vgg_error *error) {
    *taken = false;
    if (symlink(p->whole, there) == 0)
        return VGG_OK;
    *taken = errno == EEXIST;
    return *taken ? VGG_OK : vgg_file_fail(error, there, "make the link");
}

/* Tries one name. */
static vgg_status try_name(const putting *p, const char *there, bool *taken, bool *same,
                           vgg_error *error) {
    vgg_status status = look_at(p, there, taken, same, error);
    if (status != VGG_OK || *taken)
        return status;
    return p->how == VGG_PUT_LINK ? link_to(p, there, taken, error) : copy(p, there, taken, error);
}

/* Of what is put: the bytes, or where the link leads. */
static vgg_status sum_of(const putting *p, uint64_t *sum, vgg_error *error) {
    vgg_checksum bytes;
    size_t offset = 0, got = PIECE;
    if (p->how == VGG_PUT_LINK) {
        *sum = vgg_checksum_of(p->whole, strlen(p->whole));
        return VGG_OK;
    }
    vgg_checksum_begin(&bytes);
    while (got == PIECE) {
        vgg_status status =
            vgg_file_read_some(p->fd, p->path, offset, p->pieces, PIECE, &got, error);
        if (status != VGG_OK)
            return status;
        vgg_checksum_add(&bytes, p->pieces, got);
        offset += got;
    }
    *sum = vgg_checksum_end(&bytes);
    return VGG_OK;
}

/* What stands behind the stem in the `number`th name. */
static vgg_status write_behind(const putting *p, size_t number, char *behind, size_t size,
                               vgg_error *error) {
    uint64_t sum;
    behind[0] = '\0';
    if (number > 1 && number <= NUMBERS_MOST)
        snprintf(behind, size, "-%zu", number);
    if (number <= NUMBERS_MOST)
        return VGG_OK;
    vgg_status status = sum_of(p, &sum, error);
    if (status == VGG_OK)
        snprintf(behind, size, "-%016" PRIx64, sum);
    return status;
}

static vgg_status place(const putting *p, const char *folder, char **there, bool *same,
                        vgg_error *error) {
    char behind[32];
    for (size_t number = 1; number <= NUMBERS_MOST + 1; number++) {
        bool taken;
        vgg_status status = write_behind(p, number, behind, sizeof behind, error);
        if (status != VGG_OK)
            return status;
        *there = named(folder, p->path, behind);
        if (*there == NULL)
            return vgg_fail_memory(error, p->path, strlen(folder) + strlen(p->path));
        status = try_name(p, *there, &taken, same, error);
        if (status == VGG_OK && (!taken || *same))
            return VGG_OK;
        vgg_free(*there);
        if (status != VGG_OK)
            return status;
    }
    return vgg_fail(error, VGG_ERROR_IO, "%s: found no free name in %s, tried numbers up to %d",
                    p->path, folder, NUMBERS_MOST);
}

vgg_status vgg_file_put(const char *path, const char *folder, vgg_put how, bool *already,
                        char **name, vgg_error *error) {
    if (how != VGG_PUT_COPY && how != VGG_PUT_LINK)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s: found %d for how it is put, expected VGG_PUT_COPY or VGG_PUT_LINK",
                        path, (int)how);
    putting p;
    char *there = NULL;
    bool same = false;
    vgg_status status = begin(&p, path, how, error);
    if (status == VGG_OK)
        status = vgg_folder_create(folder, error);
    if (status == VGG_OK)
        status = place(&p, folder, &there, &same, error);
    end(&p);
    if (status != VGG_OK)
        return status;
    if (already != NULL)
        *already = same;
    if (name != NULL)
        *name = there;
    else
        vgg_free(there);
    return VGG_OK;
}
