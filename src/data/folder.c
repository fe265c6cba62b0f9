/* A data set in folders on the disk. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/tree.h"

static vgg_status read_picture(const vgg_source *source, const vgg_item *item,
                               const vgg_decode_options *options, vgg_image *image,
                               vgg_error *error) {
    (void)source;
    return vgg_image_load_with(item->name, options, image, error);
}

static vgg_status load_file(const vgg_source *source, const vgg_item *item, size_t limit,
                            unsigned char **bytes, size_t *size, vgg_error *error) {
    (void)source;
    return vgg_file_read(item->name, limit, bytes, size, error);
}

static void free_source(vgg_source *source) {
    vgg_free(source);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const vgg_node *)a)->name, ((const vgg_node *)b)->name);
}

/* Links are followed. What cannot be asked counts as a file, so that reading it tells why. */
static void tell_kind(DIR *folder, const struct dirent *entry, vgg_node *node) {
    struct stat info;
    node->folder = entry->d_type == DT_DIR;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return;
    node->folder = fstatat(dirfd(folder), entry->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode);
    node->link = node->folder &&
                 fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                 S_ISLNK(info.st_mode);
}

static vgg_status fail_listing(const char *where, vgg_error *error) {
    return vgg_file_fail(error, where, "list the folder");
}

static vgg_status list_folder(vgg_node *folder, const char *where, vgg_error *error) {
    DIR *open = opendir(where);
    if (open == NULL)
        return fail_listing(where, error);
    vgg_status status = VGG_OK;
    const struct dirent *entry;
    while (status == VGG_OK && (errno = 0, entry = readdir(open)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        vgg_node *child = vgg_node_add(folder, entry->d_name, strlen(entry->d_name));
        if (child != NULL)
            tell_kind(open, entry, child);
        else
            status = vgg_fail_memory(error, where, folder->count * sizeof *child);
    }
    if (status == VGG_OK && errno != 0)
        status = fail_listing(where, error);
    closedir(open);
    if (folder->count > 0)
        qsort(folder->children, folder->count, sizeof *folder->children, compare_names);
    return status;
}

/* The binary version has other names; people fetch this one by accident. */
static vgg_status check_python_cifar(const char *path, const vgg_node *root, vgg_error *error) {
    for (size_t i = 0; i < root->count; i++) {
        if (strcmp(root->children[i].name, "data_batch_1") == 0)
            return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                            "%s: holds the Python version of CIFAR (data_batch_1); expected the "
                            "binary version (data_batch_1.bin)",
                            path);
    }
    return VGG_OK;
}

vgg_status vgg_folder_open(const char *path, const char *table, vgg_parts *parts,
                           vgg_error *error) {
    vgg_source *source = vgg_malloc(sizeof *source);
    if (source == NULL)
        return vgg_fail_memory(error, "a data set", sizeof *source);
    *source =
        (vgg_source){.owners = 1, .read = read_picture, .load = load_file, .free = free_source};
    vgg_tree tree = {.root = {.folder = true, .listed = true},
                     .path = path,
                     .kind = "folder",
                     .table = table,
                     .source = source,
                     .list = list_folder};
    vgg_status status = list_folder(&tree.root, path, error);
    if (status == VGG_OK)
        status = check_python_cifar(path, &tree.root, error);
    if (status == VGG_OK)
        status = vgg_tree_parts(&tree, parts, error);
    vgg_node_clear(&tree.root);
    vgg_source_release(source);
    return status;
}
