/* The pairs of pictures that two operands mean: two pictures, a picture and each of a folder, or
 * those of two folders that have one name. */
#ifndef VGG_CLI_DISTANCE_PAIRS_H
#define VGG_CLI_DISTANCE_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct vgg_cli_pair {
    char *left, *right;
} vgg_cli_pair;

/* Start with {0}. */
typedef struct vgg_cli_pairs {
    vgg_cli_pair *items;
    size_t count, room;
    size_t unreadable;              /* complained about */
    bool left_folder, right_folder; /* which operands are folders */
    bool folders;                   /* one of them is */
} vgg_cli_pairs;

/* Pictures of two folders that have no namesake are complained about, and left out. False, which is
 * complained about, when there is no pair. */
bool vgg_cli_pairs_find(vgg_cli_pairs *pairs, const char *left, const char *right);
void vgg_cli_pairs_free(vgg_cli_pairs *pairs);

#endif
