#include "data/archive_index.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"

void vgg_archive_index_clear(vgg_archive_index *list) {
    for (size_t i = 0; i < list->count; i++) {
        vgg_free(list->entries[i].path);
        vgg_free(list->entries[i].target);
    }
    vgg_free(list->entries);
}

/* A copy without empty and "." components. */
static char *clean_path(const char *path) {
    char *clean = vgg_malloc(strlen(path) + 1);
    if (clean == NULL)
        return NULL;
    size_t length = 0;
    while (*path != '\0') {
        size_t part = strcspn(path, "/");
        if (part != 0 && (part != 1 || *path != '.')) {
            if (length > 0)
                clean[length++] = '/';
            memcpy(clean + length, path, part);
            length += part;
        }
        path += part;
        path += *path == '/';
    }
    clean[length] = '\0';
    return clean;
}

/* Names in an archive are UTF-8 or bytes of unknown meaning; the locale of the process is neither
 * here nor there. */
static const char *utf8_or_bytes(const char *utf8, const char *bytes) {
    return utf8 != NULL ? utf8 : bytes != NULL ? bytes : "";
}

/* The path of an entry is checked before a folder is made for each of its parts. */
static vgg_status check_path(const vgg_archive_index *list, const char *path, const char *name,
                             vgg_error *error) {
    size_t depth = 0, length = strlen(name);
    for (const char *at = name; *at != '\0'; at++) {
        depth += *at == '/';
    }
    if (length > VGG_LIMIT_PATH_BYTES || depth > VGG_LIMIT_DEPTH)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: the path of entry %zu has %zu bytes and %zu folders, more than the "
                        "limits of %zu and %zu",
                        path, list->count, length, depth, VGG_LIMIT_PATH_BYTES, VGG_LIMIT_DEPTH);
    if (list->count >= VGG_LIMIT_ENTRIES)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: has more than the limit of %zu entries",
                        path, VGG_LIMIT_ENTRIES);
    return VGG_OK;
}

vgg_status vgg_archive_index_add(vgg_archive_index *list, struct archive_entry *header,
                                 const char *path, vgg_error *error) {
    const char *name =
        utf8_or_bytes(archive_entry_pathname_utf8(header), archive_entry_pathname(header));
    vgg_status status = check_path(list, path, name, error);
    if (status != VGG_OK)
        return status;
    if (list->count == list->capacity) {
        size_t wanted = vgg_size_max(list->capacity, 512) * 2;
        vgg_entry *larger = vgg_realloc(list->entries, wanted * sizeof *larger);
        if (larger == NULL)
            return vgg_fail_memory(error, "the index of an archive", wanted * sizeof *larger);
        list->entries = larger;
        list->capacity = wanted;
    }
    const char *link = archive_entry_hardlink_utf8(header);
    if (link == NULL)
        link = archive_entry_hardlink(header);
    vgg_entry *added = &list->entries[list->count];
    *added = (vgg_entry){
        .path = clean_path(name),
        .target = link != NULL ? clean_path(link) : NULL,
        .folder = archive_entry_filetype(header) == AE_IFDIR,
        .number = list->count,
    };
    list->count++;
    if (added->path == NULL || (link != NULL && added->target == NULL))
        return vgg_fail_memory(error, "the index of an archive", 0);
    if (link == NULL && archive_entry_filetype(header) == AE_IFREG &&
        archive_entry_sparse_count(header) == 0)
        added->size = (size_t)archive_entry_size(header);
    else
        added->size = SIZE_MAX;
    return VGG_OK;
}

/* ---- from the index to the tree ---- */

/* As bytes, but with "/" before all others: a folder comes right before what it holds, and the
 * names in a folder are in the order of their bytes. */
static int compare_paths(const char *a, const char *b) {
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    int x = *a == '\0' ? 0 : *a == '/' ? 1 : 1 + (unsigned char)*a;
    int y = *b == '\0' ? 0 : *b == '/' ? 1 : 1 + (unsigned char)*b;
    return x - y;
}

static int compare_entries(const void *a, const void *b) {
    const vgg_entry *x = a, *y = b;
    int order = compare_paths(x->path, y->path);
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

static int compare_path_to_entry(const void *path, const void *candidate) {
    return compare_paths(path, ((const vgg_entry *)candidate)->path);
}

/* A hard link is another name for bytes that came before. */
static void resolve_links(vgg_archive_index *list) {
    for (size_t i = 0; i < list->count; i++) {
        vgg_entry *link = &list->entries[i];
        if (link->target == NULL)
            continue;
        const vgg_entry *target = bsearch(link->target, list->entries, list->count,
                                          sizeof *list->entries, compare_path_to_entry);
        if (target != NULL && target->target == NULL) {
            link->offset = target->offset;
            link->size = target->size;
        }
    }
}

/* The child that the sorted paths have reached; a new one when the name is new. */
static vgg_node *last_child(vgg_node *folder, const char *name, size_t length) {
    if (folder->count > 0) {
        vgg_node *last = &folder->children[folder->count - 1];
        if (strlen(last->name) == length && memcmp(last->name, name, length) == 0)
            return last;
    }
    return vgg_node_add(folder, name, length);
}

static vgg_status add_to_tree(vgg_node *root, const vgg_entry *file, vgg_error *error) {
    vgg_node *node = root;
    for (const char *part = file->path; *part != '\0';) {
        size_t length = strcspn(part, "/");
        node->folder = true;
        node = last_child(node, part, length);
        if (node == NULL)
            return vgg_fail_memory(error, "the index of an archive", sizeof *node);
        part += length;
        part += *part == '/';
    }
    node->folder = node->folder || file->folder;
    node->offset = file->offset;
    node->size = file->size;
    return VGG_OK;
}

vgg_status vgg_archive_index_tree(vgg_archive_index *list, vgg_node *root, vgg_error *error) {
    if (list->count > 0)
        qsort(list->entries, list->count, sizeof *list->entries, compare_entries);
    resolve_links(list);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < list->count; i++) {
        if (list->entries[i].path[0] != '\0')
            status = add_to_tree(root, &list->entries[i], error);
    }
    return status;
}
