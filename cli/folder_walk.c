#include "cli/folder_walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int compare_names(const struct dirent **left, const struct dirent **right) {
    return strcmp((*left)->d_name, (*right)->d_name);
}

static void close_listing(vgg_cli_listing *listing) {
    for (int i = 0; i < listing->count; i++) {
        free(listing->entries[i]);
    }
    free(listing->entries);
    free(listing->path);
}

/* Lists the folder on top of the others; takes over the path. False with errno. */
static bool open_listing(vgg_cli_folder_walk *walk, char *path) {
    if (walk->depth == walk->room) {
        size_t room = walk->room == 0 ? 8 : 2 * walk->room;
        vgg_cli_listing *moved = realloc(walk->open, room * sizeof *moved);
        if (moved == NULL) {
            free(path);
            return false;
        }
        walk->open = moved;
        walk->room = room;
    }
    vgg_cli_listing listing = {.path = path};
    listing.count = scandir(path, &listing.entries, is_shown, compare_names);
    if (listing.count < 0) {
        int reason = errno;
        free(path);
        errno = reason;
        return false;
    }
    walk->open[walk->depth++] = listing;
    return true;
}

bool vgg_cli_folder_walk_begin(vgg_cli_folder_walk *walk, const char *folder) {
    struct stat info;
    char *path = strdup(folder);
    if (path == NULL || stat(folder, &info) != 0 ||
        vgg_cli_visited_note(&walk->visited, &info) == VGG_CLI_VISIT_FAILED) {
        int reason = errno;
        free(path);
        errno = reason;
        return false;
    }
    return open_listing(walk, path);
}

/* "<folder>/<name>"; NULL when memory ran out. */
static char *join(const char *folder, const char *name) {
    size_t length = strlen(folder);
    const char *separator = length > 0 && folder[length - 1] == '/' ? "" : "/";
    char *path;
    return asprintf(&path, "%s%s%s", folder, separator, name) < 0 ? NULL : path;
}

/* Asked each time: the folder may be made while others are walked. */
static bool is_passed(const vgg_cli_folder_walk *walk, const struct stat *info) {
    struct stat passed;
    return walk->passed != NULL && stat(walk->passed, &passed) == 0 &&
           passed.st_dev == info->st_dev && passed.st_ino == info->st_ino;
}

/* Goes into the folder `walk->path`, unless it has been there. False with errno. */
static bool enter(vgg_cli_folder_walk *walk, const struct stat *info) {
    if (is_passed(walk, info))
        return true;
    vgg_cli_visit visit = vgg_cli_visited_note(&walk->visited, info);
    if (visit != VGG_CLI_VISIT_FIRST)
        return visit == VGG_CLI_VISIT_AGAIN;
    char *path = strdup(walk->path);
    return path != NULL && open_listing(walk, path);
}

/* What the entry is; VGG_CLI_FOUND_END for one that is passed over or gone into. */
static vgg_cli_found look_at(vgg_cli_folder_walk *walk, const struct dirent *entry, int *reason) {
    struct stat info;
    walk->path = join(walk->open[walk->depth - 1].path, entry->d_name);
    *reason = ENOMEM;
    if (walk->path == NULL)
        return VGG_CLI_FOUND_UNKNOWN;
    if (stat(walk->path, &info) != 0) {
        *reason = errno;
        bool dangling = (errno == ENOENT || errno == ELOOP) && lstat(walk->path, &info) == 0;
        return dangling ? VGG_CLI_FOUND_DANGLING : VGG_CLI_FOUND_UNKNOWN;
    }
    if (S_ISREG(info.st_mode))
        return VGG_CLI_FOUND_FILE;
    if (!S_ISDIR(info.st_mode) || enter(walk, &info))
        return VGG_CLI_FOUND_END;
    *reason = errno;
    return VGG_CLI_FOUND_FOLDER;
}

vgg_cli_found vgg_cli_folder_walk_next(vgg_cli_folder_walk *walk, const char **path, int *reason) {
    vgg_cli_found found = VGG_CLI_FOUND_END;
    while (found == VGG_CLI_FOUND_END && walk->depth > 0) {
        vgg_cli_listing *listing = &walk->open[walk->depth - 1];
        free(walk->path);
        walk->path = NULL;
        if (listing->next < listing->count) {
            const struct dirent *entry = listing->entries[listing->next++];
            found = look_at(walk, entry, reason);
            *path = walk->path != NULL ? walk->path : entry->d_name;
        } else {
            close_listing(listing);
            walk->depth--;
        }
    }
    return found;
}

void vgg_cli_folder_walk_end(vgg_cli_folder_walk *walk) {
    while (walk->depth > 0) {
        close_listing(&walk->open[--walk->depth]);
    }
    free(walk->open);
    free(walk->path);
    vgg_cli_visited_clear(&walk->visited);
    *walk = (vgg_cli_folder_walk){0};
}
