/* Folders of pictures, wherever they are: on the disk or in an archive. A tree that is listed
 * folder by folder as it is asked for, and the rules by which it is a data set: tree_parts.c finds
 * the parts, tree_class.c what is in a class, tree_files.c the files that say what pictures are,
 * and tree_table.c makes parts of what they say. */
#ifndef VGG_DATA_TREE_H
#define VGG_DATA_TREE_H

#include "data/dataset.h"
#include "data/table.h"

typedef struct vgg_node {
    char *name;
    bool folder;
    bool link;           /* a link to a folder */
    bool listed;         /* the children are known */
    bool used;           /* a file that said what pictures are: nothing that is left out */
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
    bool archive;      /* names are "path: a/b" instead of "path/a/b" */
    const char *table; /* the table of labels that was asked for by name; NULL */
    vgg_source *source;
    vgg_parts *parts; /* being made */
    /* Fills in the children of a folder, in the order of their names as bytes. NULL when every
     * folder is listed already. `where` is its path for messages. */
    vgg_status (*list)(vgg_node *folder, const char *where, vgg_error *error);
} vgg_tree;

/* Makes the parts that the tree holds. */
vgg_status vgg_tree_parts(vgg_tree *tree, vgg_parts *parts, vgg_error *error);

/* ---- tree.c: what the rules need ---- */

/* What the entry `name` of the folder called `where` is called, freed by the caller; `where` may be
 * the tree itself. */
vgg_status vgg_tree_name(const vgg_tree *tree, const char *where, const char *name, char **below,
                         vgg_error *error);
vgg_status vgg_tree_list(const vgg_tree *tree, vgg_node *folder, const char *where,
                         vgg_error *error);

/* Hidden entries, and what systems and programs leave behind: never a part, a class or a picture.
 */
bool vgg_node_is_leftover(const vgg_node *node);
bool vgg_node_is_picture(const vgg_node *node);
bool vgg_node_has_pictures(const vgg_node *folder);
/* Folders that are no leftovers. */
size_t vgg_node_count_folders(const vgg_node *folder);

/* Counts an entry of the folder `where` among what is left out; `why` may be NULL. */
vgg_status vgg_tree_pass(const vgg_tree *tree, const vgg_node *node, const char *where,
                         const char *why, vgg_error *error);
/* Counts leftovers, and files beside classes or parts. */
vgg_status vgg_tree_pass_files(const vgg_tree *tree, const vgg_node *folder, const char *where,
                               vgg_error *error);

/* ---- tree_class.c ---- */

/* Adds a class for each folder in `folder`, with all pictures below it. A class without pictures is
 * an error in a part to train on and passed over in others. */
vgg_status vgg_tree_add_classes(const vgg_tree *tree, const vgg_node *folder, vgg_part_kind kind,
                                vgg_dataset *part, vgg_error *error);

/* ---- tree_table.c ---- */

/* Makes parts of the pictures below the folder that a table names, which was read from the file
 * called `name`: those that its column of parts says, or `kind`. *found is false, and the parts are
 * as they were, when it names no picture that is there. */
vgg_status vgg_tree_use_table(const vgg_tree *tree, vgg_node *folder, const char *where,
                              const vgg_node *file, vgg_table *table, const char *name,
                              vgg_part_kind kind, bool *found, vgg_error *error);

/* ---- tree_files.c ---- */

/* The table of labels in a folder: "labels.csv" or Kaggle's "LOC_val_solution.csv" in any case, or
 * the one that was asked for; NULL. */
const vgg_node *vgg_tree_find_table(const vgg_tree *tree, const vgg_node *folder);

/* vgg_tree_use_table with a file of the folder. Fails for a table that was asked for and names no
 * picture. */
vgg_status vgg_tree_read_table(const vgg_tree *tree, vgg_node *folder, const char *where,
                               const vgg_node *file, vgg_part_kind kind, bool *found,
                               vgg_error *error);

/* The list of pictures and classes that Tiny ImageNet has beside the pictures of a part:
 * "val_annotations.txt"; NULL. */
const vgg_node *vgg_tree_find_annotations(const vgg_node *folder);
vgg_status vgg_tree_read_annotations(const vgg_tree *tree, vgg_node *folder, const char *where,
                                     const vgg_node *file, vgg_part_kind kind, vgg_error *error);

/* A list of the classes of ImageNet's validation pictures, in the folder `where`. */
typedef struct vgg_truth {
    vgg_node *file; /* NULL: there is none */
    const vgg_node *folder;
    const char *where;
} vgg_truth;

/* The file of such a list: "val.txt", or one that ends in "ground_truth.txt" or
 * "validation_synset_labels.txt"; NULL. */
vgg_node *vgg_tree_find_truth(const vgg_node *folder);
/* Makes a part of the pictures below the folder; fails unless the list is of them. */
vgg_status vgg_tree_read_truth(const vgg_tree *tree, vgg_node *folder, const char *where,
                               const vgg_truth *truth, vgg_part_kind kind, vgg_error *error);

#endif
