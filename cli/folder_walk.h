/* The files in a folder and in those beneath it, in the order of their names. Links are followed; a
 * folder that they lead to as well comes once, under the first of its names. Hidden entries, and
 * what is neither a file nor a folder, are passed over. */
#ifndef VGG_CLI_FOLDER_WALK_H
#define VGG_CLI_FOLDER_WALK_H

#include <stddef.h>

#include "cli/visited.h"

typedef enum vgg_cli_found {
    VGG_CLI_FOUND_END = 0,
    VGG_CLI_FOUND_FILE,
    VGG_CLI_FOUND_FOLDER,   /* that cannot be read */
    VGG_CLI_FOUND_UNKNOWN,  /* something that cannot be asked what it is */
    VGG_CLI_FOUND_DANGLING, /* a link that leads nowhere */
} vgg_cli_found;

/* A folder that has been listed. */
typedef struct vgg_cli_listing {
    char *path;
    struct dirent **entries;
    int count, next;
} vgg_cli_listing;

/* Start with zeros, and with what is passed over. */
typedef struct vgg_cli_folder_walk {
    const char *passed; /* a folder that is not gone into, should there be one of that name; or NULL
                         */
    vgg_cli_listing *open; /* from the first folder to the one that is being walked */
    size_t depth, room;
    vgg_cli_visited visited;
    char *path; /* of what was found last */
} vgg_cli_folder_walk;

/* Begins with this folder. False, with errno, when it cannot be read. */
bool vgg_cli_folder_walk_begin(vgg_cli_folder_walk *walk, const char *folder);

/* What comes next; its path, valid until the next call; and for what cannot be read errno in
 * *reason. */
vgg_cli_found vgg_cli_folder_walk_next(vgg_cli_folder_walk *walk, const char **path, int *reason);

/* Ends it, wherever it is. */
void vgg_cli_folder_walk_end(vgg_cli_folder_walk *walk);

#endif
