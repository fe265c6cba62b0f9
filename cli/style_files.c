/* The files that vgg style writes: which may be the same, and which may be replaced. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/output.h"
#include "cli/style.h"

/* The last word of a path. */
static const char *last_word(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* What is known of the folder that a path's last word is in; false when it cannot be looked at. */
static bool look_at_folder(const char *path, struct stat *info) {
    char *folder = NULL;
    int length = (int)(last_word(path) - path);
    bool found = asprintf(&folder, "%.*s.", length, path) >= 0 && stat(folder, info) == 0;
    free(folder);
    return found;
}

bool vgg_cli_style_same_file(const char *path, const char *other) {
    struct stat left, right;
    if (strcmp(last_word(path), last_word(other)) != 0)
        return false;
    return strcmp(path, other) == 0 ||
           (look_at_folder(path, &left) && look_at_folder(other, &right) &&
            left.st_dev == right.st_dev && left.st_ino == right.st_ino);
}

/* Whether what an ended run has left may be lost, or be gone on from; then *resumed. */
static bool check_part(const vgg_cli_style_options *o, const char *part, bool *resumed) {
    vgg_error error;
    size_t iteration;
    *resumed = false;
    if (access(part, F_OK) != 0)
        return true;
    if (vgg_style_saved(part, &iteration, &error) != VGG_OK) {
        vgg_cli_complain("style", "%s", error.message);
        return false;
    }
    *resumed = o->resume;
    bool beyond = o->resume && iteration > o->iterations;
    if (!o->resume && !o->overwrite)
        vgg_cli_complain("style",
                         "%s: an ended run has left it in iteration %zu: --resume goes on, and "
                         "--overwrite begins anew",
                         part, iteration);
    else if (beyond)
        vgg_cli_complain("style",
                         "%s: an ended run has left it in iteration %zu, expected --iterations %zu "
                         "or more",
                         part, iteration, iteration);
    return (o->resume || o->overwrite) && !beyond;
}

bool vgg_cli_style_may_write(const vgg_cli_style_options *o, const char *part) {
    bool resumed;
    return vgg_cli_may_write("style", o->out, o->overwrite) &&
           vgg_cli_output_check("style", o->out) && check_part(o, part, &resumed) &&
           (o->preview == NULL ||
            (vgg_cli_may_write("style", o->preview, o->overwrite || resumed) &&
             vgg_cli_output_check("style", o->preview)));
}
