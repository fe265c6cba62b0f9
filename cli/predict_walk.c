#include "cli/predict_walk.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "vgg/image.h"

static int compare_names(const FTSENT **left, const FTSENT **right) {
    return strcmp((*left)->fts_name, (*right)->fts_name);
}

static bool is_unreadable(const FTSENT *entry) {
    return entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS ||
           entry->fts_info == FTS_SLNONE;
}

static void close_folder(vgg_cli_predict_walk *walk) {
    if (walk->folder != NULL)
        fts_close(walk->folder);
    walk->folder = NULL;
    vgg_cli_visited_clear(&walk->visited);
}

/* The next picture of the folder; NULL when something else comes first, or the folder ends. */
static const char *next_in_folder(vgg_cli_predict_walk *walk) {
    FTSENT *entry;
    while (errno = 0, (entry = fts_read(walk->folder)) != NULL) {
        bool hidden = entry->fts_level > 0 && entry->fts_name[0] == '.';
        if (entry->fts_info == FTS_D &&
            (hidden || !vgg_cli_visited_first(&walk->visited, entry->fts_statp))) {
            fts_set(walk->folder, entry, FTS_SKIP);
        } else if (!hidden && is_unreadable(entry)) {
            walk->pictures++;
            walk->entry = entry;
            return NULL;
        } else if (entry->fts_info == FTS_F && !hidden &&
                   vgg_image_name_is_picture(entry->fts_name)) {
            walk->pictures++;
            return entry->fts_path;
        }
    }
    int reason = errno; /* 0: that was all */
    close_folder(walk);
    if (reason != 0) {
        walk->unreadable = walk->operands[walk->next - 1];
        walk->why = reason;
    } else if (walk->pictures == 0)
        walk->empty = walk->operands[walk->next - 1];
    return NULL;
}

static void open_folder(vgg_cli_predict_walk *walk, char *path) {
    char *roots[] = {path, NULL};
    walk->pictures = 0;
    walk->folder = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, compare_names);
    if (walk->folder == NULL) {
        walk->unreadable = path;
        walk->why = errno;
    }
}

/* A picture that an operand names; NULL when it is a folder, or waits for somebody. */
static const char *next_operand(vgg_cli_predict_walk *walk) {
    char *path = walk->operands[walk->next++];
    struct stat info;
    if (strcmp(path, "-") == 0) {
        walk->alone = path;
        return NULL;
    }
    if (stat(path, &info) != 0 || S_ISREG(info.st_mode))
        return path;
    if (S_ISDIR(info.st_mode))
        open_folder(walk, path);
    else
        walk->alone = path;
    return NULL;
}

bool vgg_cli_predict_walk_paused(const vgg_cli_predict_walk *walk) {
    return walk->alone != NULL || walk->entry != NULL || walk->unreadable != NULL ||
           walk->empty != NULL;
}

const char *vgg_cli_predict_walk_next(vgg_cli_predict_walk *walk) {
    walk->alone = walk->unreadable = walk->empty = NULL;
    walk->entry = NULL;
    while (walk->folder != NULL || walk->next < walk->count) {
        const char *path = walk->folder != NULL ? next_in_folder(walk) : next_operand(walk);
        if (path != NULL || vgg_cli_predict_walk_paused(walk))
            return path;
    }
    return NULL;
}

void vgg_cli_predict_walk_end(vgg_cli_predict_walk *walk) {
    close_folder(walk);
}
