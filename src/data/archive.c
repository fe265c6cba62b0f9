/* A data set in a tar or zip archive. The archive is indexed once; a picture is then read at its
 * offset, by any thread at any time. */
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/memory.h"
#include "data/archive_index.h"
#include "data/unpack.h"

typedef struct archive_source {
    vgg_source base;
    int descriptor;
} archive_source;

static vgg_status read_bytes(const archive_source *archive, const vgg_item *item,
                             unsigned char *bytes, vgg_error *error) {
    size_t got;
    vgg_status status = vgg_file_read_some(archive->descriptor, item->name, item->offset, bytes,
                                           item->size, &got, error);
    if (status == VGG_OK && got < item->size)
        status = vgg_fail(error, VGG_ERROR_IO, "%s: the archive ended at byte %zu of %zu",
                          item->name, got, item->size);
    return status;
}

static vgg_status load_file(const vgg_source *source, const vgg_item *item, size_t limit,
                            unsigned char **bytes, size_t *size, vgg_error *error) {
    if (item->offset == 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: is a link or a sparse file, which is not followed inside an archive",
                        item->name);
    if (item->size > limit)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: has %zu bytes, more than the limit of %zu", item->name, item->size,
                        limit);
    unsigned char *read = vgg_malloc(item->size + 1);
    if (read == NULL)
        return vgg_fail_memory(error, item->name, item->size);
    vgg_status status = read_bytes((const archive_source *)source, item, read, error);
    if (status != VGG_OK) {
        vgg_free(read);
        return status;
    }
    *bytes = read;
    *size = item->size;
    return VGG_OK;
}

static vgg_status read_picture(const vgg_source *source, const vgg_item *item,
                               const vgg_decode_options *options, vgg_image *image,
                               vgg_error *error) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    vgg_status status = load_file(source, item, VGG_LIMIT_PICTURE_BYTES, &bytes, &size, error);
    if (status != VGG_OK)
        return status;
    status = vgg_image_decode_with(bytes, size, item->name, options, image, error);
    vgg_free(bytes);
    return status;
}

static void free_source(vgg_source *source) {
    close(((archive_source *)source)->descriptor);
    vgg_free(source);
}

/* libarchive would say "unrecognised archive format" of what was unpacked. */
static vgg_status check_unpacked(int descriptor, const char *path, const char *compression,
                                 vgg_error *error) {
    unsigned char block[512];
    if (compression == NULL ||
        (pread(descriptor, block, sizeof block, 0) == sizeof block && vgg_is_tar_header(block)))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: is a file compressed with %s but not a tar archive; expected one of "
                    "folders of pictures",
                    path, compression);
}

/* Indexes the archive; pictures are to be read from *descriptor, -1 when there is none. */
static vgg_status index_archive(const char *path, const char *compression, const char *temporary,
                                int *descriptor, vgg_archive_index *list, vgg_error *error) {
    size_t size;
    if (compression != NULL && strcmp(compression, "zip") == 0)
        return vgg_zip_index(path, temporary, descriptor, list, error);
    vgg_status status = compression != NULL
                            ? vgg_unpack(path, compression, temporary, descriptor, error)
                            : vgg_file_open(path, descriptor, &size, error);
    if (status == VGG_OK)
        status = check_unpacked(*descriptor, path, compression, error);
    return status == VGG_OK ? vgg_tar_index(*descriptor, path, list, error) : status;
}

/* Takes over the descriptor. */
static vgg_status open_source(int descriptor, archive_source **out, vgg_error *error) {
    archive_source *archive = vgg_malloc(sizeof *archive);
    if (archive == NULL) {
        close(descriptor);
        return vgg_fail_memory(error, "an archive", sizeof *archive);
    }
    *archive = (archive_source){
        {.owners = 1, .read = read_picture, .load = load_file, .free = free_source}, descriptor};
    *out = archive;
    return VGG_OK;
}

vgg_status vgg_archived_open(const char *path, const char *compression, const char *temporary,
                             vgg_parts *parts, vgg_error *error) {
    bool zip = compression != NULL && strcmp(compression, "zip") == 0;
    vgg_tree tree = {
        .root = {.folder = true}, .path = path, .kind = zip ? "zip" : "tar", .archive = true};
    vgg_archive_index list = {0};
    archive_source *archive = NULL;
    int descriptor = -1;
    vgg_status status = index_archive(path, compression, temporary, &descriptor, &list, error);
    if (status == VGG_OK)
        status = vgg_archive_index_tree(&list, &tree.root, error);
    vgg_archive_index_clear(&list);
    if (status == VGG_OK)
        status = open_source(descriptor, &archive, error);
    else if (descriptor >= 0)
        close(descriptor);
    if (status == VGG_OK) {
        tree.source = &archive->base;
        status = vgg_tree_parts(&tree, parts, error);
        vgg_source_release(&archive->base);
    }
    vgg_node_clear(&tree.root);
    return status;
}
