/* A data set in a tar archive. The archive is indexed once; a picture is then read at its offset,
 * by any thread at any time. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/memory.h"
#include "data/tree.h"
#include "data/unpack.h"

#define TAR_BLOCK ((size_t)512)
#define READ_BLOCK ((size_t)1 << 16)

/* ---- the source ---- */

typedef struct tar_source {
    vgg_source base;
    int descriptor;
} tar_source;

static vgg_status read_bytes(const tar_source *tar, const vgg_item *item, unsigned char *bytes,
                             vgg_error *error) {
    size_t got;
    vgg_status status = vgg_file_read_some(tar->descriptor, item->name, item->offset, bytes,
                                           item->size, &got, error);
    if (status == VGG_OK && got < item->size)
        status = vgg_fail(error, VGG_ERROR_IO, "%s: the archive ended at byte %zu of %zu",
                          item->name, got, item->size);
    return status;
}

static vgg_status read_picture(const vgg_source *source, const vgg_item *item, size_t least,
                               vgg_image *image, vgg_error *error) {
    if (item->offset == 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: is a link or a sparse file, which is not followed inside an archive",
                        item->name);
    if (item->size > VGG_LIMIT_PICTURE_BYTES)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: has %zu bytes, more than the limit of %zu", item->name, item->size,
                        VGG_LIMIT_PICTURE_BYTES);
    unsigned char *bytes = vgg_malloc(item->size + 1);
    if (bytes == NULL)
        return vgg_fail_memory(error, item->name, item->size);
    vgg_status status = read_bytes((const tar_source *)source, item, bytes, error);
    if (status == VGG_OK)
        status = vgg_image_decode_reduced(bytes, item->size, item->name, least, image, error);
    vgg_free(bytes);
    return status;
}

static void free_source(vgg_source *source) {
    close(((tar_source *)source)->descriptor);
    vgg_free(source);
}

static vgg_status open_source(const char *path, const char *compression, const char *temporary,
                              tar_source **out, vgg_error *error) {
    int fd = -1;
    size_t size;
    vgg_status status = compression != NULL ? vgg_unpack(path, compression, temporary, &fd, error)
                                            : vgg_file_open(path, &fd, &size, error);
    if (status != VGG_OK)
        return status;
    tar_source *tar = vgg_malloc(sizeof *tar);
    if (tar == NULL) {
        close(fd);
        return vgg_fail_memory(error, "an archive", sizeof *tar);
    }
    *tar = (tar_source){{.owners = 1, .read = read_picture, .free = free_source}, fd};
    *out = tar;
    return VGG_OK;
}

/* ---- the index ---- */

typedef struct entry {
    char *path;   /* without "./" and doubled slashes */
    char *target; /* of a hard link, like path; else NULL */
    bool folder;
    size_t offset, size;
    size_t number; /* in the archive: of two with the same path, the later one counts */
} entry;

typedef struct tar_index {
    entry *entries;
    size_t count, capacity;
} tar_index;

static void free_index(tar_index *list) {
    for (size_t i = 0; i < list->count; i++) {
        vgg_free(list->entries[i].path);
        vgg_free(list->entries[i].target);
    }
    vgg_free(list->entries);
}

/* A copy without empty and "." components; "" when a component is hidden. */
static char *clean_path(const char *path) {
    char *clean = vgg_malloc(strlen(path) + 1);
    if (clean == NULL)
        return NULL;
    size_t length = 0;
    while (*path != '\0') {
        size_t part = strcspn(path, "/");
        bool skip = part == 0 || (part == 1 && *path == '.');
        if (!skip && *path == '.') {
            length = 0;
            break;
        }
        if (!skip) {
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
static vgg_status check_path(const tar_index *list, const char *path, const char *name,
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

static vgg_status add_entry(tar_index *list, struct archive_entry *header, const char *path,
                            vgg_error *error) {
    const char *name =
        utf8_or_bytes(archive_entry_pathname_utf8(header), archive_entry_pathname(header));
    vgg_status status = check_path(list, path, name, error);
    if (status != VGG_OK)
        return status;
    if (list->count == list->capacity) {
        size_t wanted = vgg_size_max(list->capacity, 512) * 2;
        entry *larger = vgg_realloc(list->entries, wanted * sizeof *larger);
        if (larger == NULL)
            return vgg_fail_memory(error, "the index of an archive", wanted * sizeof *larger);
        list->entries = larger;
        list->capacity = wanted;
    }
    const char *link = archive_entry_hardlink_utf8(header);
    if (link == NULL)
        link = archive_entry_hardlink(header);
    entry *added = &list->entries[list->count];
    *added = (entry){
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

/* The data of a file ends, padded to whole blocks, at byte `end`, where the next header begins. */
static vgg_status place(entry *file, const char *path, size_t end, vgg_error *error) {
    if (file->size == SIZE_MAX) {
        file->size = 0;
        return VGG_OK;
    }
    if (file->size > end || vgg_round_up(file->size, TAR_BLOCK) > end)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: %s has %zu bytes, more than the archive",
                        path, file->path, file->size);
    file->offset = end - vgg_round_up(file->size, TAR_BLOCK);
    return VGG_OK;
}

/* Says why there is no header at byte `position`. */
static vgg_status fail_header(const tar_index *list, const char *path, size_t position,
                              size_t file_size, const char *reason, vgg_error *error) {
    if (position < file_size && file_size - position < TAR_BLOCK)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: ends at byte %zu, inside of the header at byte %zu, after %zu entries",
                        path, file_size, position, list->count);
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: damaged tar archive at byte %zu, after %zu entries: %s", path, position,
                    list->count, reason != NULL ? reason : "no header");
}

/* An archive ends with blocks of zeros, or with the file. */
static bool is_end(const tar_source *tar, size_t position, size_t file_size) {
    static const unsigned char zeros[TAR_BLOCK];
    unsigned char block[TAR_BLOCK];
    return position >= file_size ||
           (pread(tar->descriptor, block, sizeof block, (off_t)position) == sizeof block &&
            memcmp(block, zeros, sizeof zeros) == 0);
}

/* Passes over the bytes of a file; *position becomes that of the next header. */
static vgg_status skip_data(struct archive *archive, const entry *file, const char *path,
                            size_t file_size, size_t *position, vgg_error *error) {
    size_t start = (size_t)archive_filter_bytes(archive, 0);
    /* Asked first, since libarchive may seek beyond the end without a word. */
    if (file->size != SIZE_MAX && start <= file_size && file->size > file_size - start)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: ends at byte %zu, inside of %s, whose %zu bytes begin at byte %zu",
                        path, file_size, file->path, file->size, start);
    if (archive_read_data_skip(archive) != ARCHIVE_OK)
        return archive_errno(archive) == ENOMEM
                   ? vgg_fail_memory(error, path, VGG_ARCHIVE_MEMORY)
                   : vgg_fail(error, VGG_ERROR_FORMAT,
                              "%s: damaged tar archive at byte %zu, in %s: %s", path, start,
                              file->path, archive_error_string(archive));
    *position = (size_t)archive_filter_bytes(archive, 0);
    return VGG_OK;
}

static vgg_status read_headers(const tar_source *tar, struct archive *archive, const char *path,
                               size_t file_size, tar_index *list, vgg_error *error) {
    for (size_t position = 0;;) {
        struct archive_entry *header;
        if (!vgg_memory_fits(VGG_ARCHIVE_MEMORY))
            return vgg_fail_memory(error, path, VGG_ARCHIVE_MEMORY);
        int result = archive_read_next_header(archive, &header);
        if (result == ARCHIVE_EOF && is_end(tar, position, file_size))
            return VGG_OK;
        /* A warning is about a name or a date; all else is a header that cannot be trusted. */
        if (result != ARCHIVE_OK && archive_errno(archive) == ENOMEM)
            return vgg_fail_memory(error, path, VGG_ARCHIVE_MEMORY);
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
            return fail_header(list, path, position, file_size, archive_error_string(archive),
                               error);
        vgg_status status = add_entry(list, header, path, error);
        if (status != VGG_OK)
            return status;
        entry *last = &list->entries[list->count - 1];
        status = skip_data(archive, last, path, file_size, &position, error);
        if (status == VGG_OK)
            status = place(last, path, position, error);
        if (status != VGG_OK)
            return status;
    }
}

/* libarchive would say "unrecognised archive format" of what was unpacked. */
static vgg_status check_unpacked(const tar_source *tar, const char *path, const char *compression,
                                 vgg_error *error) {
    unsigned char block[TAR_BLOCK];
    if (compression == NULL || (pread(tar->descriptor, block, sizeof block, 0) == sizeof block &&
                                vgg_is_tar_header(block)))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: is a file compressed with %s but not a tar archive; expected one of "
                    "folders of pictures",
                    path, compression);
}

static vgg_status make_index(const tar_source *tar, const char *path, tar_index *list,
                             vgg_error *error) {
    struct stat info;
    struct archive *archive = vgg_memory_fits(VGG_ARCHIVE_MEMORY) ? archive_read_new() : NULL;
    if (archive == NULL)
        return vgg_fail_memory(error, path, VGG_ARCHIVE_MEMORY);
    archive_read_support_format_tar(archive);
    vgg_status status;
    if (lseek(tar->descriptor, 0, SEEK_SET) != 0 || fstat(tar->descriptor, &info) != 0)
        status = vgg_file_fail(error, path, "read");
    else if (archive_read_open_fd(archive, tar->descriptor, READ_BLOCK) != ARCHIVE_OK)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: cannot be read as a tar archive: %s", path,
                          archive_error_string(archive));
    else
        status = read_headers(tar, archive, path, (size_t)info.st_size, list, error);
    archive_read_free(archive);
    return status;
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
    const entry *x = a, *y = b;
    int order = compare_paths(x->path, y->path);
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

static int compare_path_to_entry(const void *path, const void *candidate) {
    return compare_paths(path, ((const entry *)candidate)->path);
}

/* A hard link is another name for bytes that came before. */
static void resolve_links(tar_index *list) {
    for (size_t i = 0; i < list->count; i++) {
        entry *link = &list->entries[i];
        if (link->target == NULL)
            continue;
        const entry *target = bsearch(link->target, list->entries, list->count,
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

static vgg_status add_to_tree(vgg_node *root, const entry *file, vgg_error *error) {
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

static vgg_status make_tree(tar_index *list, vgg_node *root, vgg_error *error) {
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

vgg_status vgg_tar_open(const char *path, const char *compression, const char *temporary,
                        vgg_parts *parts, vgg_error *error) {
    tar_source *tar = NULL;
    vgg_status status = open_source(path, compression, temporary, &tar, error);
    if (status != VGG_OK)
        return status;
    vgg_tree tree = {.root = {.folder = true},
                     .path = path,
                     .kind = "tar",
                     .archive = true,
                     .source = &tar->base};
    tar_index list = {0};
    status = check_unpacked(tar, path, compression, error);
    if (status == VGG_OK)
        status = make_index(tar, path, &list, error);
    if (status == VGG_OK)
        status = make_tree(&list, &tree.root, error);
    free_index(&list);
    if (status == VGG_OK)
        status = vgg_tree_parts(&tree, parts, error);
    vgg_node_clear(&tree.root);
    vgg_source_release(&tar->base);
    return status;
}
