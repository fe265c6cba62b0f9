/* What an archive holds, and the tree of folders that follows from its paths. */
#ifndef VGG_DATA_ARCHIVE_INDEX_H
#define VGG_DATA_ARCHIVE_INDEX_H

#include "data/tree.h"

struct archive_entry;

typedef struct vgg_entry {
    char *path;   /* without "./" and doubled slashes */
    char *target; /* of a hard link, like path; else NULL */
    bool folder;
    size_t offset; /* of its bytes in the file that pictures are read from; 0: they cannot be */
    size_t size;   /* SIZE_MAX: its bytes are not to be had, as those of a link */
    size_t number; /* in the archive: of two with the same path, the later one counts */
} vgg_entry;

/* Start with {0}. */
typedef struct vgg_archive_index {
    vgg_entry *entries;
    size_t count, capacity;
} vgg_archive_index;

void vgg_archive_index_clear(vgg_archive_index *list);

/* Adds what a header of libarchive says; `path` is that of the archive. */
vgg_status vgg_archive_index_add(vgg_archive_index *list, struct archive_entry *header,
                                 const char *path, vgg_error *error);

/* Makes the tree, and reorders the index. */
vgg_status vgg_archive_index_tree(vgg_archive_index *list, vgg_node *root, vgg_error *error);

/* ---- the kinds: each fills in the index ---- */

/* A tar archive, from its descriptor: pictures are read where they lie. */
vgg_status vgg_tar_index(int descriptor, const char *path, vgg_archive_index *list,
                         vgg_error *error);

/* A zip archive: its pictures and tables are unpacked, one behind the other, into a nameless
 * temporary file in `folder`, whose descriptor the caller closes. */
vgg_status vgg_zip_index(const char *path, const char *folder, int *descriptor,
                         vgg_archive_index *list, vgg_error *error);

#endif
