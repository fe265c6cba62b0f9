/* Folders of pictures, wherever they are: on the disk or in an archive. A tree that is listed
 * folder by folder as it is asked for, and the rules by which it is a data set. */
#ifndef VGG_DATA_TREE_H
#define VGG_DATA_TREE_H

#include "data/dataset.h"

typedef struct vgg_node {
    char *name;
    bool folder;
    bool listed;         /* the children are known */
    size_t offset, size; /* bytes of a file in an archive */
    struct vgg_node *children;
    struct vgg_node *above; /* while the tree is being freed */
    size_t count, capacity;
} vgg_node;

/* Adds a child by copy of `length` bytes of its name; NULL when memory ran out. Pointers to the
 * other children of the folder end here. */
vgg_node *vgg_node_add(vgg_node *folder, const char *name, size_t length);
/* Frees everything below the node and its name. */
void vgg_node_clear(vgg_node *node);

typedef struct vgg_tree {
    vgg_node root;
    const char *path; /* of the folder or the archive */
    const char *kind;
    bool archive; /* names are "path: a/b" instead of "path/a/b" */
    vgg_source *source;
    /* Fills in the children of a folder, in the order of their names as bytes, hidden ones left
     * out. NULL when every folder is listed already. `where` is its path for messages. */
    vgg_status (*list)(vgg_node *folder, const char *where, vgg_error *error);
} vgg_tree;

/* Makes the parts that the tree holds. */
vgg_status vgg_tree_parts(vgg_tree *tree, vgg_parts *parts, vgg_error *error);

#endif
