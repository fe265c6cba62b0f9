/* The rules by which folders of pictures are a data set: parts, then classes, then pictures. */
#include "data/tree.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

vgg_node *vgg_node_add(vgg_node *folder, const char *name, size_t length) {
    if (folder->count == folder->capacity) {
        size_t wanted, bytes;
        if (!vgg_size_mul(vgg_size_max(folder->capacity, 8), 2, &wanted) ||
            !vgg_size_mul(wanted, sizeof(vgg_node), &bytes))
            return NULL;
        vgg_node *larger = vgg_realloc(folder->children, bytes);
        if (larger == NULL)
            return NULL;
        folder->children = larger;
        folder->capacity = wanted;
    }
    char *copy = vgg_malloc(length + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, name, length);
    copy[length] = '\0';
    vgg_node *child = &folder->children[folder->count++];
    *child = (vgg_node){.name = copy};
    return child;
}

void vgg_node_clear(vgg_node *node) {
    /* Down to a last child and back up, without a call for each level. */
    for (vgg_node *at = node; at != NULL;) {
        if (at->count > 0) {
            vgg_node *child = &at->children[--at->count];
            child->above = at;
            at = child;
            continue;
        }
        vgg_node *above = at == node ? NULL : at->above;
        vgg_free(at->children);
        vgg_free(at->name);
        *at = (vgg_node){0};
        at = above;
    }
}

/* What the entry `name` of the folder called `where` is called; `where` may be the tree itself. */
static char *name_below(const vgg_tree *tree, const char *where, const char *name) {
    vgg_text text = {0};
    size_t length = strlen(where);
    const char *separator = "/";
    if (tree->archive && strcmp(where, tree->path) == 0)
        separator = ": ";
    else if (length > 0 && where[length - 1] == '/')
        separator = "";
    vgg_text_add(&text, "%s%s%s", where, separator, name);
    return vgg_text_take(&text);
}

static vgg_status list(const vgg_tree *tree, vgg_node *folder, const char *where,
                       vgg_error *error) {
    if (folder->listed || tree->list == NULL)
        return VGG_OK;
    folder->listed = true;
    return tree->list(folder, where, error);
}

static size_t count_folders(const vgg_node *folder) {
    size_t folders = 0;
    for (size_t i = 0; i < folder->count; i++) {
        folders += folder->children[i].folder;
    }
    return folders;
}

static bool is_picture(const vgg_node *node) {
    return !node->folder && vgg_image_name_is_picture(node->name);
}

static bool has_pictures(const vgg_node *folder) {
    for (size_t i = 0; i < folder->count; i++) {
        if (is_picture(&folder->children[i]))
            return true;
    }
    return false;
}

/* ---- one part: a folder per class ---- */

/* Counts what is in the folder of a class and is no picture, or the pictures beside such folders.
 */
static vgg_status count_passed(const vgg_tree *tree, const vgg_node *folder, const char *where,
                               bool in_class, vgg_parts *parts, vgg_error *error) {
    for (size_t i = 0; i < folder->count; i++) {
        const vgg_node *node = &folder->children[i];
        if (is_picture(node) == in_class)
            continue;
        if (parts->passed_over++ == 0)
            parts->first_passed = name_below(tree, where, node->name);
        if (parts->first_passed == NULL)
            return vgg_fail_memory(error, "a path", strlen(node->name));
    }
    return VGG_OK;
}

static vgg_status add_class(const vgg_tree *tree, vgg_node *folder, const char *where,
                            vgg_dataset *part, vgg_parts *parts, vgg_error *error) {
    vgg_status status = list(tree, folder, where, error);
    if (status != VGG_OK)
        return status;
    if (!has_pictures(folder))
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has %s; expected the pictures of a class",
                        where,
                        count_folders(folder) > 0 ? "folders but no pictures" : "no pictures");
    status = count_passed(tree, folder, where, true, parts, error);
    if (status == VGG_OK)
        status = vgg_dataset_add_class(part, folder->name, error);
    for (size_t i = 0; status == VGG_OK && i < folder->count; i++) {
        const vgg_node *file = &folder->children[i];
        if (is_picture(file))
            status = vgg_dataset_add_item(part,
                                          (vgg_item){.name = name_below(tree, where, file->name),
                                                     .class_index = part->class_count - 1,
                                                     .offset = file->offset,
                                                     .size = file->size},
                                          error);
    }
    return status;
}

static vgg_status add_classes(const vgg_tree *tree, const vgg_node *folder, vgg_dataset *part,
                              vgg_parts *parts, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < folder->count; i++) {
        vgg_node *child = &folder->children[i];
        if (!child->folder)
            continue;
        char *below = name_below(tree, part->name, child->name);
        status = below != NULL ? add_class(tree, child, below, part, parts, error)
                               : vgg_fail_memory(error, "a path", strlen(child->name));
        vgg_free(below);
    }
    return status;
}

/* part: one of the parts. */
static vgg_status make_part(const vgg_tree *tree, vgg_node *folder, const char *where,
                            vgg_dataset **part, vgg_parts *parts, vgg_error *error) {
    vgg_status status = list(tree, folder, where, error);
    if (status != VGG_OK)
        return status;
    if (count_folders(folder) == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: %s; expected a folder per class with its pictures inside", where,
                        has_pictures(folder) ? "has pictures but no folders" : "has no folders");
    status = vgg_dataset_create(tree->source, tree->kind, where, part, error);
    if (status == VGG_OK)
        status = count_passed(tree, folder, where, false, parts, error);
    return status == VGG_OK ? add_classes(tree, folder, *part, parts, error) : status;
}

/* ---- parts ---- */

static const char *const part_names[] = {"train", "val", "validation", "test"};
#define PART_NAMES (sizeof part_names / sizeof *part_names)

static bool is_part_name(const char *name) {
    for (size_t i = 0; i < PART_NAMES; i++) {
        if (strcmp(name, part_names[i]) == 0)
            return true;
    }
    return false;
}

/* Lists the child folders that are called like parts, to see what they hold. */
static vgg_status list_parts(const vgg_tree *tree, vgg_node *folder, const char *where,
                             vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < folder->count; i++) {
        vgg_node *child = &folder->children[i];
        if (!child->folder || !is_part_name(child->name))
            continue;
        char *below = name_below(tree, where, child->name);
        status = below != NULL ? list(tree, child, below, error)
                               : vgg_fail_memory(error, "a path", strlen(child->name));
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
        if (child->folder && is_part_name(child->name)) {
            any = true;
            nested = nested || count_folders(child) > 0;
        } else {
            others = others || child->folder;
        }
    }
    return any && (nested || !others);
}

/* A part to validate with that stands behind another. */
static vgg_status note_spare(const vgg_tree *tree, const char *where, const vgg_node *folder,
                             vgg_parts *parts, vgg_error *error) {
    if (parts->spare_part == NULL)
        parts->spare_part = name_below(tree, where, folder->name);
    return parts->spare_part != NULL ? VGG_OK
                                     : vgg_fail_memory(error, "a path", strlen(folder->name));
}

static vgg_status make_parts(const vgg_tree *tree, const vgg_node *folder, const char *where,
                             vgg_parts *parts, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t p = 0; p < PART_NAMES; p++) {
        vgg_dataset **part = p == 0 ? &parts->train : &parts->validation;
        for (size_t i = 0; status == VGG_OK && i < folder->count; i++) {
            vgg_node *child = &folder->children[i];
            if (!child->folder || strcmp(child->name, part_names[p]) != 0)
                continue;
            if (*part != NULL) {
                status = note_spare(tree, where, child, parts, error);
                continue;
            }
            char *below = name_below(tree, where, child->name);
            status = below != NULL ? make_part(tree, child, below, part, parts, error)
                                   : vgg_fail_memory(error, "a path", strlen(child->name));
            vgg_free(below);
        }
    }
    return status;
}

/* The only folder of a folder without pictures, such as the top folder of most archives. */
static vgg_node *only_folder(const vgg_node *folder) {
    vgg_node *only = NULL;
    for (size_t i = 0; i < folder->count; i++) {
        if (folder->children[i].folder)
            only = &folder->children[i];
    }
    return count_folders(folder) == 1 && !has_pictures(folder) ? only : NULL;
}

static vgg_status parts_below(const vgg_tree *tree, vgg_node *folder, const char *where,
                              bool at_top, vgg_parts *parts, vgg_error *error) {
    vgg_status status = list(tree, folder, where, error);
    if (status == VGG_OK)
        status = list_parts(tree, folder, where, error);
    if (status != VGG_OK)
        return status;
    if (has_parts(folder))
        return make_parts(tree, folder, where, parts, error);
    vgg_node *only = at_top ? only_folder(folder) : NULL;
    if (only == NULL)
        return make_part(tree, folder, where, &parts->train, parts, error);
    char *below = name_below(tree, where, only->name);
    if (below == NULL)
        return vgg_fail_memory(error, "a path", strlen(only->name));
    status = list(tree, only, below, error);
    if (status == VGG_OK)
        status = count_folders(only) > 0 && !has_pictures(only)
                     ? parts_below(tree, only, below, false, parts, error)
                     : make_part(tree, folder, where, &parts->train, parts, error);
    vgg_free(below);
    return status;
}

vgg_status vgg_tree_parts(vgg_tree *tree, vgg_parts *parts, vgg_error *error) {
    return parts_below(tree, &tree->root, tree->path, true, parts, error);
}
