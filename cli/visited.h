/* Folders that a walk has been to, whatever links led there. */
#ifndef VGG_CLI_VISITED_H
#define VGG_CLI_VISITED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

typedef struct vgg_cli_folder_id {
    dev_t device;
    ino_t inode;
    bool used;
} vgg_cli_folder_id;

/* Start with {0}. A table of twice as many places as folders, or more. */
typedef struct vgg_cli_visited {
    vgg_cli_folder_id *places;
    size_t capacity, count;
} vgg_cli_visited;

/* Notes the folder; false when it was noted before. When memory runs out a folder may be taken for
 * a new one. */
bool vgg_cli_visited_first(vgg_cli_visited *visited, const struct stat *folder);

/* Forgets all folders. */
void vgg_cli_visited_clear(vgg_cli_visited *visited);

#endif
