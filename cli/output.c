#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/memory_stream.h"
#include "cli/message.h"
#include "vgg/file.h"

bool vgg_cli_ends_in(const char *path, const char *ending) {
    size_t length = strlen(path), end = strlen(ending);
    return length > end && strcasecmp(path + length - end, ending) == 0;
}

/* The folder of a file, with its slash; NULL when memory ran out. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? strdup("./") : strndup(path, (size_t)(slash - path) + 1);
}

/* What stat says of the folder that a path leads to. */
static bool look_at_folder(const char *path, struct stat *info) {
    char *folder = folder_of(path);
    bool found = folder != NULL && stat(folder, info) == 0;
    free(folder);
    return found;
}

/* What is no file, such as /dev/null, is written as it is. */
static bool is_special(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

/* Why there can be no new file of that name, as errno says it; 0: there can, as far as looking
 * shows. A link is looked at where it leads. */
static int why_not(const char *path) {
    if (is_special(path))
        return access(path, W_OK) == 0 ? 0 : errno;
    char *target = realpath(path, NULL);
    char *folder = folder_of(target != NULL ? target : path);
    int reason = folder == NULL ? ENOMEM : access(folder, W_OK | X_OK) == 0 ? 0 : errno;
    free(folder);
    free(target);
    return reason;
}

bool vgg_cli_may_write(const char *command, const char *path, bool overwrite) {
    struct stat info;
    bool there = stat(path, &info) == 0;
    const char *is = there && S_ISDIR(info.st_mode) ? "a folder, expected a file or a new name"
                     : there && S_ISREG(info.st_mode) && !overwrite
                         ? "there already; --overwrite replaces it"
                         : NULL;
    int reason = is == NULL ? why_not(path) : 0;
    if (is != NULL)
        vgg_cli_complain(command, "%s: is %s", path, is);
    else if (reason != 0)
        vgg_cli_complain(command, "%s: cannot write: %s", path, strerror(reason));
    return is == NULL && reason == 0;
}

static bool same_entry(const struct stat *left, const struct stat *right) {
    return left->st_dev == right->st_dev && left->st_ino == right->st_ino;
}

bool vgg_cli_same_file(const char *left, const char *right) {
    struct stat one, other;
    if (strcmp(left, right) == 0)
        return true;
    if (stat(left, &one) == 0 && stat(right, &other) == 0)
        return same_entry(&one, &other);
    const char *left_slash = strrchr(left, '/'), *right_slash = strrchr(right, '/');
    return strcmp(left_slash != NULL ? left_slash + 1 : left,
                  right_slash != NULL ? right_slash + 1 : right) == 0 &&
           look_at_folder(left, &one) && look_at_folder(right, &other) && same_entry(&one, &other);
}

bool vgg_cli_model_ending_check(const char *command, const char *path, const char *more) {
    static const char *const endings[] = {".safetensors", ".pth", ".pt", ".onnx"};
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    const char *ending = strrchr(name, '.');
    bool known = ending == NULL || ending == name;
    for (size_t i = 0; !known && i < sizeof endings / sizeof endings[0]; i++) {
        known = strcasecmp(ending, endings[i]) == 0;
    }
    if (!known)
        vgg_cli_complain(command,
                         "%s: its ending %s is of no format that is written; expected "
                         ".safetensors, .pth, .pt or .onnx%s",
                         path, ending, more);
    return known;
}

static bool fail_memory(const vgg_cli_output *output, const char *name) {
    vgg_cli_complain(output->command, "out of memory for %s", name);
    return false;
}

bool vgg_cli_output_open(vgg_cli_output *output, const char *command, const char *folder,
                         const char *name) {
    *output = (vgg_cli_output){.command = command};
    if (asprintf(&output->path, "%s%s%s", folder != NULL ? folder : "", folder != NULL ? "/" : "",
                 name) < 0) {
        output->path = NULL;
        return fail_memory(output, name);
    }
    output->stream = vgg_cli_memory_stream(&output->text, &output->size);
    if (output->stream != NULL)
        return true;
    free(output->path);
    return fail_memory(output, name);
}

static bool write_all(int fd, const char *text, size_t size) {
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        size -= (size_t)written;
    }
    return true;
}

/* A pipe is written when somebody reads it, and not waited for: ENXIO. False with errno. */
static bool write_special(const char *path, const char *text, size_t size) {
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    fcntl(fd, F_SETFL, O_WRONLY);
    bool done = write_all(fd, text, size);
    int reason = errno;
    if (close(fd) != 0 && done)
        return false;
    errno = reason;
    return done;
}

static bool write_file(const vgg_cli_output *output) {
    vgg_error error;
    if (!is_special(output->path)) {
        bool done = vgg_file_replace(output->path, output->text, output->size, &error) == VGG_OK;
        if (!done)
            vgg_cli_complain(output->command, "%s", error.message);
        return done;
    }
    bool done = write_special(output->path, output->text, output->size);
    if (!done)
        vgg_cli_complain(output->command, "%s: cannot write: %s", output->path,
                         errno == ENXIO ? "nobody reads this pipe" : strerror(errno));
    return done;
}

bool vgg_cli_output_fail(vgg_cli_output *output) {
    fclose(output->stream);
    fail_memory(output, output->path);
    free(output->text);
    free(output->path);
    return false;
}

bool vgg_cli_output_close(vgg_cli_output *output) {
    bool whole = !ferror(output->stream);
    whole = fclose(output->stream) == 0 && whole;
    bool done = whole ? write_file(output) : fail_memory(output, output->path);
    free(output->text);
    free(output->path);
    return done;
}
