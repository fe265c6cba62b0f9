/* Where the parts of a data set are in a tree of folders. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/tree.h"

/* How far the data may lie below what is opened, each time in the only folder there is. */
#define WRAPPERS_MOST 8

/* ---- one part: a folder per class ---- */

static bool is_flat(const vgg_node *folder) {
    return vgg_node_count_folders(folder) == 0;
}

/* The only folder of a folder without pictures, such as the top folder of most archives. */
static vgg_node *only_folder(const vgg_node *folder) {
    vgg_node *only = NULL;
    for (size_t i = 0; i < folder->count; i++) {
        vgg_node *child = &folder->children[i];
        if (child->folder && !vgg_node_is_leftover(child))
            only = child;
    }
    return vgg_node_count_folders(folder) == 1 && !vgg_node_has_pictures(folder) ? only : NULL;
}

/* `folder` has been listed, and a table that it has names nothing in it. */
static vgg_status make_classes(const vgg_tree *tree, vgg_node *folder, const char *where,
                               vgg_part_kind kind, vgg_error *error) {
    vgg_dataset **part = vgg_parts_part(tree->parts, kind);
    if (is_flat(folder))
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: %s; expected a folder per class with its pictures inside", where,
                        vgg_node_has_pictures(folder) ? "has pictures but no folders"
                                                      : "has no folders");
    vgg_status status = vgg_dataset_create(tree->source, tree->kind, where, part, error);
    if (status == VGG_OK)
        status = vgg_tree_pass_files(tree, folder, where, error);
    if (status == VGG_OK)
        status = vgg_tree_add_classes(tree, folder, kind, *part, error);
    if (status == VGG_OK && (*part)->count == 0)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: has no pictures in its folders", where);
    return status;
}

static vgg_status make_named_part(const vgg_tree *tree, vgg_node *folder, const char *above,
                                  const vgg_truth *truth, vgg_part_kind kind, vgg_error *error);

/* A list in the folder, or the one above. */
static vgg_truth truth_of(const vgg_node *folder, const char *where, const vgg_truth *above) {
    vgg_node *own = vgg_tree_find_truth(folder);
    return own != NULL ? (vgg_truth){own, folder, where} : *above;
}

/* `folder`, called `where`, is in the folder `above` and has been listed; `beside` is a list that
 * lies there. */
static vgg_status fill_part(const vgg_tree *tree, vgg_node *folder, const char *above,
                            const char *where, const vgg_truth *beside, vgg_part_kind kind,
                            vgg_error *error) {
    const vgg_truth truth = truth_of(folder, where, beside);
    vgg_node *only = only_folder(folder);
    const vgg_node *table = vgg_tree_find_table(tree, folder);
    const vgg_node *annotations = vgg_tree_find_annotations(folder);
    bool found = false;
    vgg_status status = VGG_OK;
    if (table != NULL)
        status = vgg_tree_read_table(tree, folder, where, table, kind, &found, error);
    if (status != VGG_OK || found)
        return status;
    if (annotations != NULL)
        return vgg_tree_read_annotations(tree, folder, where, annotations, kind, error);
    if (kind == VGG_PART_VALIDATION && is_flat(folder) && truth.file != NULL)
        return vgg_tree_read_truth(tree, folder, where, &truth, kind, error);
    if (kind == VGG_PART_TEST && is_flat(folder))
        return vgg_tree_pass(tree, folder, above, "no classes", error);
    if (only == NULL || vgg_part_kind_of(only->name) != kind)
        return make_classes(tree, folder, where, kind, error);
    status = vgg_tree_pass_files(tree, folder, where, error);
    return status == VGG_OK ? make_named_part(tree, only, where, &truth, kind, error) : status;
}

/* A folder that is called like a part: what it holds, what holds the only folder in it where that
 * is called like the part again ("seg_train/seg_train"), or what a list beside its pictures says.
 */
static vgg_status make_named_part(const vgg_tree *tree, vgg_node *folder, const char *above,
                                  const vgg_truth *truth, vgg_part_kind kind, vgg_error *error) {
    char *where;
    vgg_status status = vgg_tree_name(tree, above, folder->name, &where, error);
    if (status != VGG_OK)
        return status;
    status = vgg_tree_list(tree, folder, where, error);
    if (status == VGG_OK)
        status = fill_part(tree, folder, above, where, truth, kind, error);
    vgg_free(where);
    return status;
}

/* ---- parts ---- */

static vgg_part_kind part_kind(const vgg_node *node) {
    return node->folder && !vgg_node_is_leftover(node) ? vgg_part_kind_of(node->name)
                                                       : VGG_PART_NONE;
}

/* Lists the child folders that are called like parts, to see what they hold. */
static vgg_status list_parts(const vgg_tree *tree, vgg_node *folder, const char *where,
                             vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < folder->count; i++) {
        vgg_node *child = &folder->children[i];
        char *below;
        if (part_kind(child) == VGG_PART_NONE)
            continue;
        status = vgg_tree_name(tree, where, child->name, &below, error);
        if (status != VGG_OK)
            return status;
        status = vgg_tree_list(tree, child, below, error);
        vgg_free(below);
    }
    return status;
}

/* Folders called train, val... are parts when one of them has folders itself, or when there are no
 * others; else "train" is a class of vehicles. */
static bool has_parts(const vgg_node *folder) {
    bool nested = false, others = false, any = false;
    for (size_t i = 0; i < folder->count; i++) {
        const vgg_node *child = &folder->children[i];
        if (part_kind(child) != VGG_PART_NONE) {
            any = true;
            nested = nested || !is_flat(child);
        } else {
            others = others || (child->folder && !vgg_node_is_leftover(child));
        }
    }
    return any && (nested || !others);
}

/* Of several folders that are called like one part the shortest name counts. */
static vgg_node *choose_folder(const vgg_node *folder, vgg_part_kind kind) {
    vgg_node *chosen = NULL;
    for (size_t i = 0; i < folder->count; i++) {
        vgg_node *child = &folder->children[i];
        if (part_kind(child) == kind &&
            (chosen == NULL || strlen(child->name) < strlen(chosen->name)))
            chosen = child;
    }
    return chosen;
}

static vgg_status make_parts(const vgg_tree *tree, const vgg_node *folder, const char *where,
                             vgg_error *error) {
    vgg_node *chosen[VGG_PART_KINDS] = {NULL};
    const vgg_truth truth = {vgg_tree_find_truth(folder), folder, where};
    vgg_status status = VGG_OK;
    for (size_t i = VGG_PART_TRAIN; status == VGG_OK && i < VGG_PART_KINDS; i++) {
        vgg_part_kind kind = (vgg_part_kind)i;
        chosen[kind] = choose_folder(folder, kind);
        if (chosen[kind] != NULL)
            status = make_named_part(tree, chosen[kind], where, &truth, kind, error);
    }
    if (status == VGG_OK)
        status = vgg_tree_pass_files(tree, folder, where, error);
    for (size_t i = 0; status == VGG_OK && i < folder->count; i++) {
        const vgg_node *child = &folder->children[i];
        vgg_part_kind kind = part_kind(child);
        if (!child->folder || vgg_node_is_leftover(child) || child == chosen[kind])
            continue;
        char why[96] = "";
        if (kind != VGG_PART_NONE)
            snprintf(why, sizeof why, "%.60s/ is that part", chosen[kind]->name);
        status = vgg_tree_pass(tree, child, where, why[0] != '\0' ? why : NULL, error);
    }
    return status;
}

static vgg_status parts_below(const vgg_tree *tree, vgg_node *folder, const char *where,
                              size_t wrappers, vgg_error *error);

/* The data is in the only folder of `folder`, unless that is a class. */
static vgg_status parts_in_only(const vgg_tree *tree, vgg_node *folder, const char *where,
                                vgg_node *only, size_t wrappers, vgg_error *error) {
    char *below;
    vgg_status status = vgg_tree_name(tree, where, only->name, &below, error);
    if (status != VGG_OK)
        return status;
    status = vgg_tree_list(tree, only, below, error);
    bool wraps =
        vgg_tree_find_table(tree, only) != NULL || (!is_flat(only) && !vgg_node_has_pictures(only));
    if (status == VGG_OK && wraps) {
        status = vgg_tree_pass_files(tree, folder, where, error);
        if (status == VGG_OK)
            status = parts_below(tree, only, below, wrappers + 1, error);
    } else if (status == VGG_OK) {
        status = make_classes(tree, folder, where, VGG_PART_TRAIN, error);
    }
    vgg_free(below);
    return status;
}

static vgg_status parts_below(const vgg_tree *tree, vgg_node *folder, const char *where,
                              size_t wrappers, vgg_error *error) {
    vgg_status status = vgg_tree_list(tree, folder, where, error);
    if (status == VGG_OK)
        status = list_parts(tree, folder, where, error);
    if (status != VGG_OK)
        return status;
    bool found = false;
    const vgg_node *table = vgg_tree_find_table(tree, folder);
    if (table != NULL)
        status = vgg_tree_read_table(tree, folder, where, table, VGG_PART_TRAIN, &found, error);
    if (status != VGG_OK || found)
        return status;
    const vgg_truth truth = {vgg_tree_find_truth(folder), folder, where};
    if (truth.file != NULL && is_flat(folder) && vgg_node_has_pictures(folder))
        return vgg_tree_read_truth(tree, folder, where, &truth, VGG_PART_VALIDATION, error);
    const vgg_node *validation = choose_folder(folder, VGG_PART_VALIDATION);
    bool listed =
        validation != NULL && (truth.file != NULL || vgg_tree_find_truth(validation) != NULL);
    if (has_parts(folder) || listed)
        return make_parts(tree, folder, where, error);
    vgg_node *only = wrappers < WRAPPERS_MOST ? only_folder(folder) : NULL;
    return only != NULL ? parts_in_only(tree, folder, where, only, wrappers, error)
                        : make_classes(tree, folder, where, VGG_PART_TRAIN, error);
}

vgg_status vgg_tree_parts(vgg_tree *tree, vgg_parts *parts, vgg_error *error) {
    tree->parts = parts;
    return parts_below(tree, &tree->root, tree->path, 0, error);
}
