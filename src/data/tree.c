/* The tree of folders, and what the rules ask of it. */
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

vgg_status vgg_tree_name(const vgg_tree *tree, const char *where, const char *name, char **below,
                         vgg_error *error) {
    vgg_text text = {0};
    size_t length = strlen(where);
    const char *separator = "/";
    if (tree->archive && strcmp(where, tree->path) == 0)
        separator = ": ";
    else if (length > 0 && where[length - 1] == '/')
        separator = "";
    vgg_text_add(&text, "%s%s%s", where, separator, name);
    *below = vgg_text_take(&text);
    return *below != NULL ? VGG_OK : vgg_fail_memory(error, "a path", length + strlen(name));
}

/* The path `where` without that of the tree. */
static const char *relative(const vgg_tree *tree, const char *where) {
    const char *rest = where + strlen(tree->path);
    return rest + strspn(rest, tree->archive ? ": " : "/");
}

vgg_status vgg_tree_list(const vgg_tree *tree, vgg_node *folder, const char *where,
                         vgg_error *error) {
    if (folder->listed || tree->list == NULL)
        return VGG_OK;
    folder->listed = true;
    return tree->list(folder, where, error);
}

bool vgg_node_is_leftover(const vgg_node *node) {
    static const char *const names[] = {"@eaDir",     "__MACOSX",     "__pycache__",
                                        "lost+found", "$RECYCLE.BIN", "System Volume Information"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(node->name, names[i]) == 0)
            return true;
    }
    return node->name[0] == '.';
}

bool vgg_node_is_picture(const vgg_node *node) {
    return !node->folder && vgg_image_name_is_picture(node->name) && !vgg_node_is_leftover(node);
}

bool vgg_node_has_pictures(const vgg_node *folder) {
    for (size_t i = 0; i < folder->count; i++) {
        if (vgg_node_is_picture(&folder->children[i]))
            return true;
    }
    return false;
}

size_t vgg_node_count_folders(const vgg_node *folder) {
    size_t folders = 0;
    for (size_t i = 0; i < folder->count; i++) {
        const vgg_node *child = &folder->children[i];
        folders += child->folder && !vgg_node_is_leftover(child);
    }
    return folders;
}

vgg_status vgg_tree_pass(const vgg_tree *tree, const vgg_node *node, const char *where,
                         const char *why, vgg_error *error) {
    vgg_passed *passed = &tree->parts->passed;
    char *below;
    if (node->used)
        return VGG_OK;
    if (!node->folder && node->name[0] == '.')
        vgg_passed_count(passed, VGG_PASSED_HIDDEN);
    else if (vgg_node_is_picture(node))
        vgg_passed_count(passed, VGG_PASSED_LOOSE);
    else if (!node->folder)
        vgg_passed_file(passed, node->name);
    if (!node->folder)
        return VGG_OK;
    vgg_status status = vgg_tree_name(tree, where, node->name, &below, error);
    if (status != VGG_OK)
        return status;
    vgg_passed_folder(passed, relative(tree, below), why);
    vgg_free(below);
    return VGG_OK;
}

vgg_status vgg_tree_pass_files(const vgg_tree *tree, const vgg_node *folder, const char *where,
                               vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < folder->count; i++) {
        const vgg_node *child = &folder->children[i];
        if (!child->folder || vgg_node_is_leftover(child))
            status = vgg_tree_pass(tree, child, where, NULL, error);
    }
    return status;
}
