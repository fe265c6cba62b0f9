#include "cli/predict_walk.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/message.h"
#include "vgg/image.h"

static void end_folder(vgg_cli_predict_walk *walk) {
    vgg_cli_folder_walk_end(&walk->folder);
    walk->inside = false;
}

/* The next picture of the folder; NULL when something else comes first, or the folder ends. */
static const char *next_in_folder(vgg_cli_predict_walk *walk) {
    const char *path;
    int reason;
    vgg_cli_found found;
    while ((found = vgg_cli_folder_walk_next(&walk->folder, &path, &reason)) != VGG_CLI_FOUND_END) {
        if (found == VGG_CLI_FOUND_FILE && !vgg_image_name_is_picture(path)) {
            vgg_cli_left_out_add(&walk->left_out, path);
            continue;
        }
        walk->pictures++;
        if (found == VGG_CLI_FOUND_FILE)
            return path;
        walk->unreadable = path;
        walk->kind = found;
        walk->why = reason;
        return NULL;
    }
    end_folder(walk);
    if (walk->pictures == 0) {
        walk->empty = walk->operands[walk->next - 1];
        walk->left_out = walk->left_out_before; /* to be complained of at once */
    }
    return NULL;
}

static void open_folder(vgg_cli_predict_walk *walk, const char *path) {
    walk->pictures = 0;
    walk->left_out_before = walk->left_out;
    walk->folder.passed = walk->passed;
    walk->inside = vgg_cli_folder_walk_begin(&walk->folder, path);
    if (walk->inside)
        return;
    walk->unreadable = path;
    walk->kind = VGG_CLI_FOUND_FOLDER;
    walk->why = errno;
    end_folder(walk);
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
    return walk->alone != NULL || walk->unreadable != NULL || walk->empty != NULL;
}

/* By links, or because folders lie in one another. What cannot be noted is taken for new. */
static bool came_before(vgg_cli_predict_walk *walk, const char *path) {
    struct stat info;
    return walk->marks && path != NULL && stat(path, &info) == 0 &&
           vgg_cli_visited_note(&walk->files, &info) == VGG_CLI_VISIT_AGAIN;
}

const char *vgg_cli_predict_walk_next(vgg_cli_predict_walk *walk) {
    walk->alone = walk->unreadable = walk->empty = NULL;
    walk->again = false;
    while (walk->inside || walk->next < walk->count) {
        const char *path = walk->inside ? next_in_folder(walk) : next_operand(walk);
        if (path != NULL || vgg_cli_predict_walk_paused(walk)) {
            walk->again = came_before(walk, path);
            return path;
        }
    }
    return NULL;
}

void vgg_cli_predict_walk_complain(const vgg_cli_predict_walk *walk, const char *command) {
    if (walk->unreadable == NULL)
        vgg_cli_complain(command,
                         "%s: has no pictures, expected .jpg, .png, .webp, .gif, .tiff or the like",
                         walk->empty);
    else if (walk->kind == VGG_CLI_FOUND_DANGLING)
        vgg_cli_complain(command, "%s: is a link that leads nowhere", walk->unreadable);
    else
        vgg_cli_complain(command, "%s: cannot read%s: %s", walk->unreadable,
                         walk->kind == VGG_CLI_FOUND_FOLDER ? " the folder" : "",
                         strerror(walk->why));
}

void vgg_cli_predict_walk_end(vgg_cli_predict_walk *walk) {
    end_folder(walk);
    vgg_cli_visited_clear(&walk->files);
}

size_t vgg_cli_predict_walk_count(char **operands, size_t count, const char *command) {
    vgg_cli_predict_walk walk = {.operands = operands, .count = count};
    size_t total = 0;
    do {
        while (vgg_cli_predict_walk_next(&walk) != NULL) {
            total++;
        }
    } while (vgg_cli_predict_walk_paused(&walk));
    vgg_cli_left_out_note(&walk.left_out, command);
    vgg_cli_predict_walk_end(&walk);
    return total;
}
