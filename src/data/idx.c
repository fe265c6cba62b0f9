/* MNIST and its kin: IDX files of pictures and labels, as http://yann.lecun.com/exdb/mnist/
 * describes them. Numbers are big-endian; the pictures' header is the magic number, the count, the
 * rows and the columns, the labels' the magic number and the count. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/memory.h"
#include "data/gzip.h"
#include "data/pixels.h"

#define PICTURES_MAGIC 0x00000803u
#define LABELS_MAGIC 0x00000801u

/* One file, plain or gzip, read from the start. */
typedef struct idx_file {
    vgg_gzip gzip;
    size_t bound; /* bytes that it has; when packed, that it cannot have more of */
} idx_file;

static vgg_status open_idx(idx_file *file, const char *path, vgg_error *error) {
    vgg_status status = vgg_gzip_open(&file->gzip, path, error);
    if (status != VGG_OK)
        return status;
    if (!vgg_size_mul(file->gzip.size, file->gzip.packed ? VGG_LIMIT_DEFLATE_RATIO : 1,
                      &file->bound))
        file->bound = SIZE_MAX;
    return VGG_OK;
}

/* Reads exactly `size` bytes; `what` says what they are for. */
static vgg_status read_exactly(idx_file *file, void *to, size_t size, const char *what,
                               vgg_error *error) {
    size_t done;
    vgg_status status = vgg_gzip_read(&file->gzip, to, size, &done, error);
    if (status != VGG_OK || done == size)
        return status;
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: ends at byte %zu; expected %zu for %s",
                    file->gzip.path, file->gzip.at, file->gzip.at - done + size, what);
}

static vgg_status expect_end(idx_file *file, vgg_error *error) {
    char extra;
    size_t at = file->gzip.at, got;
    vgg_status status = vgg_gzip_read(&file->gzip, &extra, 1, &got, error);
    if (status == VGG_OK && got > 0)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: goes on after byte %zu, where its header says that it ends",
                        file->gzip.path, at);
    return status;
}

/* The magic number and `count` sizes after it. */
static vgg_status read_header(idx_file *file, uint32_t magic, size_t *sizes, size_t count,
                              vgg_error *error) {
    unsigned char bytes[16];
    vgg_status status = read_exactly(file, bytes, 4 * (count + 1), "its header", error);
    if (status != VGG_OK)
        return status;
    for (size_t i = 0; i <= count; i++) {
        const unsigned char *b = bytes + 4 * i;
        uint32_t number = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        if (i > 0)
            sizes[i - 1] = number;
        else if (number != magic)
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: starts with 0x%08x; expected 0x%08x for IDX %s", file->gzip.path,
                            number, magic, magic == PICTURES_MAGIC ? "pictures" : "labels");
    }
    return VGG_OK;
}

static vgg_status check_picture_sizes(const idx_file *file, const size_t sizes[3],
                                      vgg_error *error) {
    if (sizes[0] == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: holds 0 pictures; expected at least 1",
                        file->gzip.path);
    for (size_t i = 1; i < 3; i++) {
        if (sizes[i] == 0 || sizes[i] > VGG_IMAGE_MAX_SIDE)
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: has pictures of %zu x %zu; expected sides from 1 to %d",
                            file->gzip.path, sizes[2], sizes[1], VGG_IMAGE_MAX_SIDE);
    }
    if (sizes[1] * sizes[2] > VGG_IMAGE_MAX_PIXELS)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "%s: has pictures of %zu x %zu, more than the limit of %d pixels in all",
                        file->gzip.path, sizes[2], sizes[1], VGG_IMAGE_MAX_PIXELS);
    size_t bytes;
    if (!vgg_size_mul(sizes[0], sizes[1] * sizes[2], &bytes) || bytes > file->bound)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: ends at byte %zu%s; its header says that it has %zu pictures of %zu x "
                        "%zu",
                        file->gzip.path, file->bound, file->gzip.packed ? " at the latest" : "",
                        sizes[0], sizes[2], sizes[1]);
    return VGG_OK;
}

static vgg_status read_pictures(idx_file *file, vgg_pixels **pixels, vgg_error *error) {
    size_t sizes[3]; /* count, rows, columns */
    vgg_status status = read_header(file, PICTURES_MAGIC, sizes, 3, error);
    if (status == VGG_OK)
        status = check_picture_sizes(file, sizes, error);
    if (status == VGG_OK)
        status = vgg_pixels_create(file->gzip.path, sizes[0], sizes[1], sizes[2], 1, pixels, error);
    if (status != VGG_OK)
        return status;
    char what[96];
    snprintf(what, sizeof what, "%zu pictures of %zu x %zu", sizes[0], sizes[2], sizes[1]);
    status = read_exactly(file, (*pixels)->samples, sizes[0] * sizes[1] * sizes[2], what, error);
    return status == VGG_OK ? expect_end(file, error) : status;
}

static vgg_status read_labels(idx_file *file, size_t pictures, unsigned char **labels,
                              vgg_error *error) {
    size_t count;
    vgg_status status = read_header(file, LABELS_MAGIC, &count, 1, error);
    if (status != VGG_OK)
        return status;
    if (count != pictures)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: has %zu labels; expected %zu, one for each picture", file->gzip.path,
                        count, pictures);
    *labels = vgg_malloc(count);
    if (*labels == NULL)
        return vgg_fail_memory(error, file->gzip.path, count);
    status = read_exactly(file, *labels, count, "its labels", error);
    return status == VGG_OK ? expect_end(file, error) : status;
}

static vgg_status add_items(vgg_dataset *part, const char *path, const unsigned char *labels,
                            size_t count, vgg_error *error) {
    size_t highest = 0;
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        highest = vgg_size_max(highest, labels[i]);
        status = vgg_pixels_add(part, path, i, i, labels[i], error);
    }
    return status == VGG_OK ? vgg_number_classes(part, highest + 1, error) : status;
}

static vgg_status load_part(const char *pictures_path, const char *labels_path, vgg_dataset **part,
                            vgg_error *error) {
    idx_file file;
    vgg_pixels *pixels = NULL;
    unsigned char *labels = NULL;
    vgg_status status = open_idx(&file, pictures_path, error);
    if (status != VGG_OK)
        return status;
    status = read_pictures(&file, &pixels, error);
    vgg_gzip_close(&file.gzip);
    if (status == VGG_OK)
        status = open_idx(&file, labels_path, error);
    if (status == VGG_OK) {
        status = read_labels(&file, pixels->count, &labels, error);
        vgg_gzip_close(&file.gzip);
    }
    if (status == VGG_OK)
        status = vgg_pixels_dataset(pixels, "MNIST IDX", labels_path, part, error);
    if (status == VGG_OK)
        status = add_items(*part, pictures_path, labels, pixels->count, error);
    vgg_free(labels);
    if (pixels != NULL)
        vgg_source_release(&pixels->base);
    return status;
}

/* "<folder>/<part>-<what>-ubyte" in the spellings that are about; *path is NULL when none is there.
 */
static vgg_status find_file(const char *folder, const char *part, const char *what, char **path,
                            vgg_error *error) {
    *path = NULL;
    for (int spelling = 0; spelling < 4; spelling++) {
        char name[64];
        snprintf(name, sizeof name, "%s-%.6s%c%s-ubyte%s", part, what, spelling & 2 ? '.' : '-',
                 what + 7, spelling & 1 ? ".gz" : "");
        *path = vgg_path_join(folder, name);
        if (*path == NULL)
            return vgg_fail_memory(error, "a path", strlen(folder));
        bool there;
        vgg_status status = vgg_file_exists(*path, &there, error);
        if (status == VGG_OK && there)
            return VGG_OK;
        vgg_free(*path);
        *path = NULL;
        if (status != VGG_OK)
            return status;
    }
    return VGG_OK;
}

static vgg_status open_part(const char *folder, const char *name, vgg_dataset **part, bool *found,
                            vgg_error *error) {
    char *pictures = NULL, *labels = NULL;
    vgg_status status = find_file(folder, name, "images-idx3", &pictures, error);
    if (status == VGG_OK)
        status = find_file(folder, name, "labels-idx1", &labels, error);
    if (status == VGG_OK && (pictures == NULL) != (labels == NULL))
        status = vgg_fail(error, VGG_ERROR_NOT_FOUND, "%s: has no %s-%s-ubyte beside %s", folder,
                          name, pictures == NULL ? "images-idx3" : "labels-idx1",
                          pictures == NULL ? labels : pictures);
    if (status == VGG_OK && pictures != NULL) {
        *found = true;
        status = load_part(pictures, labels, part, error);
    }
    vgg_free(pictures);
    vgg_free(labels);
    return status;
}

bool vgg_idx_uses(const char *name) {
    return strncmp(name, "train-", 6) == 0 || strncmp(name, "t10k-", 5) == 0;
}

/* The highest label of the part to learn from decides how many classes there are; a test part may
 * happen to lack the last ones. */
vgg_status vgg_idx_open(const char *folder, vgg_parts *parts, bool *found, vgg_error *error) {
    vgg_status status = open_part(folder, "train", &parts->train, found, error);
    if (status == VGG_OK)
        status = open_part(folder, "t10k", &parts->test, found, error);
    return status;
}
