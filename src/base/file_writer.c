/* Files that appear under their name when they are complete. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/unfinished.h"
#include "vgg/file.h"

/* As many links as Linux follows in a path. */
#define LINKS_MOST 40
/* What temporary files are called: the process and a number. */
#define TEMPORARY ".vgg-%ld-%u"
/* After so many bytes the disk begins with them, while more are made. */
#define BEGIN_BYTES ((size_t)8 << 20)
/* How many names are tried before there is one that nobody has. */
#define NAMES_MOST 10000

/* The name beside `path`, in the same folder; an absolute one stays as it is. NULL when memory ran
 * out. */
static char *beside(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    vgg_text text = {0};
    if (slash != NULL && name[0] != '/')
        vgg_text_add(&text, "%.*s", (int)(slash + 1 - path), path);
    vgg_text_add(&text, "%s", name);
    return vgg_text_take(&text);
}

/* Where writing to `path` ends up: what a link at that place leads to, which need not be there. */
static vgg_status follow_links(const char *path, char **target, vgg_error *error) {
    char *at = vgg_text_copy(path);
    for (int links = 0; at != NULL; links++) {
        char name[4096];
        ssize_t length = readlink(at, name, sizeof name - 1);
        if (length < 0) {
            *target = at;
            return VGG_OK;
        }
        name[length] = '\0';
        char *next = beside(at, name);
        vgg_free(at);
        at = next;
        if (at != NULL && links == LINKS_MOST) {
            vgg_free(at);
            errno = ELOOP;
            return vgg_file_fail(error, path, "create");
        }
    }
    return vgg_fail_memory(error, path, strlen(path));
}

/* Looks at what stands in the target's place: *replaced when that is a file, whose permissions are
 * *mode; only a file may be replaced. */
static vgg_status look_at(const char *path, const char *target, bool *replaced, mode_t *mode,
                          vgg_error *error) {
    struct stat info;
    *replaced = stat(target, &info) == 0;
    if (!*replaced)
        return errno == ENOENT ? VGG_OK : vgg_file_fail(error, path, "create");
    *mode = info.st_mode & 0777;
    if (!S_ISREG(info.st_mode))
        return vgg_fail(error, VGG_ERROR_IO, "%s: is %s, expected a file or a new name", path,
                        vgg_file_kind(info.st_mode));
    return VGG_OK;
}

static void forget_temporary(vgg_file_writer *writer) {
    if (writer->temporary != NULL)
        vgg_unfinished_forget(writer->temporary);
    vgg_free(writer->temporary);
    writer->temporary = NULL;
}

/* For as long as it is open, so that nobody takes it for something that was left; whether it still
 * has its name. */
static bool lock_temporary(int fd) {
    struct stat info;
    return (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) &&
           (fstat(fd, &info) != 0 || info.st_nlink > 0);
}

bool vgg_file_is_abandoned(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    long process;
    unsigned number;
    char more;
    if (sscanf(name, TEMPORARY "%c", &process, &number, &more) != 2)
        return false;
    /* A number may be that of a process which is gone, or of one in another container. */
    bool own = process == (long)getpid();
    if (!own && (kill((pid_t)process, 0) == 0 || errno != ESRCH))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0, taken = !locked && errno == EWOULDBLOCK;
    close(fd);
    return own ? locked : !taken;
}

/* Makes a file that nobody has in the folder of the target, under a name so short that it fits
 * where the target's does. The system takes the process's mask off a new file's permissions. */
static int open_temporary(vgg_file_writer *writer, mode_t permissions) {
    for (unsigned number = 0; number < NAMES_MOST; number++) {
        vgg_text name = {0};
        vgg_text_add(&name, TEMPORARY, (long)getpid(), number);
        char *last = vgg_text_take(&name);
        writer->temporary = last != NULL ? beside(writer->target, last) : NULL;
        vgg_free(last);
        if (writer->temporary == NULL) {
            errno = ENOMEM;
            return -1;
        }
        /* Noted before it is there, so that no signal comes between; the name has our number, so
         * that a file that has it already was left by a process that is gone. */
        vgg_unfinished_note(writer->temporary);
        int fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, permissions);
        if (fd >= 0 && lock_temporary(fd))
            return fd;
        int reason = fd >= 0 ? EEXIST : errno;
        if (fd >= 0)
            close(fd);
        forget_temporary(writer);
        errno = reason;
        if (reason != EEXIST)
            return -1;
    }
    return -1;
}

/* Fails after a call of the system, leaving nothing. */
static vgg_status give_up(vgg_file_writer *writer, const char *action, vgg_error *error) {
    vgg_status status = vgg_file_fail(error, writer->path, action);
    vgg_file_abandon(writer);
    return status;
}

/* Opens the temporary file. With *mode it gets these permissions, whatever the process's mask;
 * until then only its owner reads it. */
static vgg_status open_stream(vgg_file_writer *writer, const mode_t *mode, vgg_error *error) {
    int fd = open_temporary(writer, mode != NULL ? 0600 : 0666);
    if (fd < 0)
        return give_up(writer, "create", error);
    if (mode != NULL)
        fchmod(fd, *mode); /* where a file system has no permissions, there are none to keep */
    writer->stream = fdopen(fd, "wb");
    if (writer->stream == NULL) {
        int reason = errno;
        close(fd);
        errno = reason;
        return give_up(writer, "create", error);
    }
    return VGG_OK;
}

vgg_status vgg_file_create(vgg_file_writer *writer, const char *path, vgg_error *error) {
    bool replaced = false;
    mode_t mode = 0;
    *writer = (vgg_file_writer){.path = vgg_text_copy(path)};
    if (writer->path == NULL)
        return vgg_fail_memory(error, path, strlen(path));
    vgg_status status = follow_links(path, &writer->target, error);
    if (status == VGG_OK)
        status = look_at(path, writer->target, &replaced, &mode, error);
    if (status != VGG_OK) {
        vgg_file_abandon(writer);
        return status;
    }
    return open_stream(writer, replaced ? &mode : NULL, error);
}

vgg_status vgg_file_create_new(vgg_file_writer *writer, const char *path, mode_t mode,
                               vgg_error *error) {
    *writer = (vgg_file_writer){.path = vgg_text_copy(path), .target = vgg_text_copy(path)};
    if (writer->path == NULL || writer->target == NULL) {
        vgg_file_abandon(writer);
        return vgg_fail_memory(error, path, strlen(path));
    }
    return open_stream(writer, &mode, error);
}

void vgg_file_abandon(vgg_file_writer *writer) {
    if (writer->stream != NULL)
        fclose(writer->stream);
    if (writer->temporary != NULL)
        unlink(writer->temporary);
    vgg_free(writer->path);
    vgg_free(writer->target);
    forget_temporary(writer);
    *writer = (vgg_file_writer){0};
}

/* Has the disk begin with what was written since the last time. It need not: all of it is waited
 * for at the end, and what goes wrong is told there. */
static void begin_disk(vgg_file_writer *writer) {
#ifdef SYNC_FILE_RANGE_WRITE
    sync_file_range(fileno(writer->stream), (off_t)writer->begun, (off_t)writer->waiting,
                    SYNC_FILE_RANGE_WRITE);
#endif
    writer->begun += writer->waiting;
    writer->waiting = 0;
}

vgg_status vgg_file_write(vgg_file_writer *writer, const void *data, size_t size,
                          vgg_error *error) {
    const unsigned char *bytes = data;
    while (size > 0) {
        size_t part = vgg_size_min(size, BEGIN_BYTES - writer->waiting);
        if (fwrite(bytes, 1, part, writer->stream) != part)
            return give_up(writer, "write", error);
        bytes += part;
        size -= part;
        writer->waiting += part;
        if (writer->waiting == BEGIN_BYTES)
            begin_disk(writer);
    }
    return VGG_OK;
}

/* As rename, but fails with EEXIST where something has the name. Not all file systems can do that
 * in one call; those have hard links. */
static int rename_new(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(from, to) == 0 ? unlink(from) : -1;
}

/* With `taken` nothing is replaced. */
static vgg_status commit(vgg_file_writer *writer, bool *taken, vgg_error *error) {
    int (*name_it)(const char *, const char *) = taken != NULL ? rename_new : rename;
    /* It is closed afterwards: until then it is locked, and all is on the disk already. */
    bool written = fflush(writer->stream) == 0 && fsync(fileno(writer->stream)) == 0;
    bool named = written && name_it(writer->temporary, writer->target) == 0;
    if (taken != NULL)
        *taken = written && !named && errno == EEXIST;
    if (!named && (taken == NULL || !*taken))
        return give_up(writer, "write", error);
    if (named)
        forget_temporary(writer);
    vgg_file_abandon(writer);
    return VGG_OK;
}

vgg_status vgg_file_commit(vgg_file_writer *writer, vgg_error *error) {
    return commit(writer, NULL, error);
}

vgg_status vgg_file_commit_new(vgg_file_writer *writer, bool *taken, vgg_error *error) {
    return commit(writer, taken, error);
}

vgg_status vgg_file_replace(const char *path, const void *bytes, size_t size, vgg_error *error) {
    vgg_file_writer writer;
    vgg_status status = vgg_file_create(&writer, path, error);
    if (status == VGG_OK)
        status = vgg_file_write(&writer, bytes, size, error);
    if (status == VGG_OK)
        status = vgg_file_commit(&writer, error);
    return status;
}
