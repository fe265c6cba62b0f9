/* Folders that a walk has been to, or files, whatever links led there. */
#ifndef VGG_CLI_VISITED_H
#define VGG_CLI_VISITED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

typedef struct vgg_cli_file_id {
    dev_t device;
    ino_t inode;
    bool used;
} vgg_cli_file_id;

/* Start with {0}. A table of twice as many places as they are, or more. */
typedef struct vgg_cli_visited {
    vgg_cli_file_id *places;
    size_t capacity, count;
} vgg_cli_visited;

typedef enum vgg_cli_visit {
    VGG_CLI_VISIT_FIRST = 0,
    VGG_CLI_VISIT_AGAIN,
    VGG_CLI_VISIT_FAILED, /* there is no memory to note it */
} vgg_cli_visit;

/* Notes the folder or file, and whether it was noted before. */
vgg_cli_visit vgg_cli_visited_note(vgg_cli_visited *visited, const struct stat *found);

/* Forgets all. */
void vgg_cli_visited_clear(vgg_cli_visited *visited);

#endif
