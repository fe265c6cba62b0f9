#include "cli/distance_pairs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/folder_walk.h"
#include "cli/message.h"
#include "vgg/image.h"

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool fail_memory(void) {
    vgg_cli_complain("distance", "out of memory for a list of pictures");
    return false;
}

static bool add_pair(vgg_cli_pairs *pairs, const char *left, const char *right) {
    if (pairs->count == pairs->room) {
        size_t room = pairs->room == 0 ? 64 : 2 * pairs->room;
        vgg_cli_pair *items = realloc(pairs->items, room * sizeof *items);
        if (items == NULL)
            return fail_memory();
        pairs->items = items;
        pairs->room = room;
    }
    vgg_cli_pair *pair = &pairs->items[pairs->count++];
    pair->left = strdup(left);
    pair->right = strdup(right);
    return (pair->left != NULL && pair->right != NULL) || fail_memory();
}

/* What becomes of a picture of a folder. */
typedef bool found_picture(vgg_cli_pairs *pairs, const char *path, const char *name,
                           const char *other);

/* Calls back for each picture of the folder with its path and its name in the folder. */
static bool each_picture(vgg_cli_pairs *pairs, const char *folder, found_picture *tell,
                         const char *other) {
    vgg_cli_folder_walk walk = {0};
    const char *path;
    int reason = 0;
    bool good = true;
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') {
        length--;
    }
    if (!vgg_cli_folder_walk_begin(&walk, folder)) {
        vgg_cli_complain("distance", "%s: cannot read the folder: %s", folder, strerror(errno));
        return false;
    }
    vgg_cli_found found;
    while (good && (found = vgg_cli_folder_walk_next(&walk, &path, &reason)) != VGG_CLI_FOUND_END) {
        if (found != VGG_CLI_FOUND_FILE) {
            vgg_cli_complain("distance", "%s: cannot read: %s", path, strerror(reason));
            pairs->unreadable++;
        } else if (vgg_image_name_is_picture(path))
            good = tell(pairs, path, path + length + strspn(path + length, "/"), other);
    }
    vgg_cli_folder_walk_end(&walk);
    return good;
}

static bool pair_with_picture(vgg_cli_pairs *pairs, const char *path, const char *name,
                              const char *other) {
    (void)name;
    return pairs->left_folder ? add_pair(pairs, path, other) : add_pair(pairs, other, path);
}

static bool pair_by_name(vgg_cli_pairs *pairs, const char *path, const char *name,
                         const char *other) {
    char *namesake;
    if (asprintf(&namesake, "%s/%s", other, name) < 0)
        return fail_memory();
    bool there = access(namesake, F_OK) == 0, good = !there || add_pair(pairs, path, namesake);
    if (!there)
        vgg_cli_complain("distance", "%s: left out: there is no %s", path, namesake);
    free(namesake);
    return good;
}

/* Of the second folder only what the first has not. */
static bool look_for_namesake(vgg_cli_pairs *pairs, const char *path, const char *name,
                              const char *other) {
    char *namesake;
    (void)pairs;
    if (asprintf(&namesake, "%s/%s", other, name) < 0)
        return fail_memory();
    if (access(namesake, F_OK) != 0)
        vgg_cli_complain("distance", "%s: left out: there is no %s", path, namesake);
    free(namesake);
    return true;
}

bool vgg_cli_pairs_find(vgg_cli_pairs *pairs, const char *left, const char *right) {
    pairs->left_folder = is_folder(left);
    pairs->right_folder = is_folder(right);
    pairs->folders = pairs->left_folder || pairs->right_folder;
    bool good;
    if (pairs->left_folder && pairs->right_folder)
        good = each_picture(pairs, left, pair_by_name, right) &&
               each_picture(pairs, right, look_for_namesake, left);
    else if (pairs->right_folder)
        good = each_picture(pairs, right, pair_with_picture, left);
    else if (pairs->left_folder)
        good = each_picture(pairs, left, pair_with_picture, right);
    else
        good = add_pair(pairs, left, right);
    if (good && pairs->count == 0)
        vgg_cli_complain("distance", "%s and %s: have no pictures to compare", left, right);
    return good && pairs->count > 0;
}

void vgg_cli_pairs_free(vgg_cli_pairs *pairs) {
    for (size_t i = 0; i < pairs->count; i++) {
        free(pairs->items[i].left);
        free(pairs->items[i].right);
    }
    free(pairs->items);
    *pairs = (vgg_cli_pairs){0};
}
