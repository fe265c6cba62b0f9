/* A folder per class: all pictures below it, however deep. */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "data/tree.h"

/* The class that is being filled. */
typedef struct class_walk {
    const vgg_tree *tree;
    vgg_dataset *part;
    size_t class_index;
    size_t above; /* bytes of the path of the class's folder and the separator behind it */
    size_t pictures;
} class_walk;

static vgg_status add_picture(class_walk *walk, const vgg_node *file, const char *where,
                              vgg_error *error) {
    vgg_item item = {.key = walk->above,
                     .class_index = walk->class_index,
                     .offset = file->offset,
                     .size = file->size};
    vgg_status status = vgg_tree_name(walk->tree, where, file->name, &item.name, error);
    walk->pictures++;
    return status == VGG_OK ? vgg_dataset_add_item(walk->part, item, error) : status;
}

static vgg_status add_below(class_walk *walk, vgg_node *folder, const char *where, size_t depth,
                            vgg_error *error);

/* A folder inside of a class. Links to folders are not followed, since they may lead in circles. */
static vgg_status add_inner(class_walk *walk, vgg_node *folder, const char *where, size_t depth,
                            vgg_error *error) {
    if (folder->link || depth == VGG_LIMIT_DEPTH)
        return vgg_tree_pass(walk->tree, folder, where, folder->link ? "a link" : "too deep",
                             error);
    char *below;
    vgg_status status = vgg_tree_name(walk->tree, where, folder->name, &below, error);
    if (status != VGG_OK)
        return status;
    status = vgg_tree_list(walk->tree, folder, below, error);
    if (status == VGG_OK && folder->count == 0)
        status = vgg_tree_pass(walk->tree, folder, where, "empty", error);
    else if (status == VGG_OK)
        status = add_below(walk, folder, below, depth + 1, error);
    vgg_free(below);
    return status;
}

static vgg_status add_below(class_walk *walk, vgg_node *folder, const char *where, size_t depth,
                            vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < folder->count; i++) {
        vgg_node *child = &folder->children[i];
        if (vgg_node_is_picture(child))
            status = add_picture(walk, child, where, error);
        else if (child->folder && !vgg_node_is_leftover(child))
            status = add_inner(walk, child, where, depth, error);
        else
            status = vgg_tree_pass(walk->tree, child, where, NULL, error);
    }
    return status;
}

/* A class in which nothing was found to train on. */
static vgg_status fail_empty(const vgg_node *folder, const char *where, vgg_error *error) {
    const char *missing = NULL;
    for (size_t i = 0; missing == NULL && i < folder->count; i++) {
        missing = vgg_image_name_missing(folder->children[i].name);
    }
    if (missing != NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: has pictures of formats only that need %s, which this libvgg was "
                        "built without",
                        where, missing);
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has no pictures; expected those of a class",
                    where);
}

static vgg_status add_class(const vgg_tree *tree, vgg_node *folder, const char *above,
                            const char *where, vgg_part_kind kind, vgg_dataset *part,
                            vgg_error *error) {
    class_walk walk = {
        .tree = tree, .part = part, .class_index = part->class_count, .above = strlen(where) + 1};
    vgg_status status = vgg_tree_list(tree, folder, where, error);
    if (status == VGG_OK)
        status = add_below(&walk, folder, where, 0, error);
    if (status != VGG_OK || walk.pictures > 0)
        return status == VGG_OK ? vgg_dataset_add_class(part, folder->name, error) : status;
    if (kind == VGG_PART_TRAIN)
        return fail_empty(folder, where, error);
    return vgg_tree_pass(tree, folder, above, "no pictures", error);
}

vgg_status vgg_tree_add_classes(const vgg_tree *tree, const vgg_node *folder, vgg_part_kind kind,
                                vgg_dataset *part, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < folder->count; i++) {
        vgg_node *child = &folder->children[i];
        if (!child->folder || vgg_node_is_leftover(child))
            continue;
        char *below;
        status = vgg_tree_name(tree, part->name, child->name, &below, error);
        if (status != VGG_OK)
            return status;
        status = add_class(tree, child, part->name, below, kind, part, error);
        vgg_free(below);
    }
    return status;
}
