/* Opening: what is at the path. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/dataset.h"

typedef struct magic {
    size_t offset, length;
    const char *bytes, *looks;
} magic;

/* Files that people mistake for a data set. */
static const magic mistaken[] = {
    {0, 3, "\xff\xd8\xff", "a JPEG picture"},
    {0, 4, "\x89PNG", "a PNG picture"},
    {8, 4, "WEBP", "a WebP picture"},
    {0, 6, "7z\xbc\xaf\x27\x1c", "a 7z archive"},
    {0, 4, "\x28\xb5\x2f\xfd", "a file compressed with zstd"},
    {0, 4, "\0\0\x08\x03", "the pictures of MNIST (open the folder that holds the files)"},
    {0, 4, "\0\0\x08\x01", "the labels of MNIST (open the folder that holds the files)"},
    {0, 4, "PAR1", "a Parquet table"},
    {0, 4, "\x89HDF", "an HDF5 file"},
};

static const char *guess(const unsigned char *start, size_t length) {
    for (size_t i = 0; i < sizeof mistaken / sizeof *mistaken; i++) {
        const magic *m = &mistaken[i];
        if (length >= m->offset + m->length && memcmp(start + m->offset, m->bytes, m->length) == 0)
            return m->looks;
    }
    size_t printable = 0;
    for (size_t i = 0; i < length; i++) {
        printable += start[i] >= 0x20 ? start[i] != 0x7f : strchr("\t\n\r", start[i]) != NULL;
    }
    if (length == 0)
        return "an empty file";
    return printable == length ? "a text" : "no kind of file that is known here";
}

static const magic compressed[] = {
    {0, 3, "\x1f\x8b\x08", "gzip"},
    {0, 3, "BZh", "bzip2"},
    {0, 6,
     "\xfd"
     "7zXZ",
     "xz"},
};

/* Reads up to `most` bytes of a file; *length is how many. */
static vgg_status read_start(const char *path, unsigned char *start, size_t most, size_t *length,
                             vgg_error *error) {
    int descriptor;
    size_t size;
    vgg_status status = vgg_file_open(path, &descriptor, &size, error);
    if (status != VGG_OK)
        return status;
    status = vgg_file_read_some(descriptor, path, 0, start, most, length, error);
    close(descriptor);
    return status;
}

/* A table of labels is opened as its folder is. */
static vgg_status open_table(const char *path, vgg_parts *parts, vgg_error *error) {
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL   ? vgg_text_copy(".")
                   : slash == path ? vgg_text_copy("/")
                                   : vgg_text_copy(path);
    if (folder == NULL)
        return vgg_fail_memory(error, "a path", strlen(path));
    if (slash != NULL && slash != path)
        folder[slash - path] = '\0';
    vgg_status status = vgg_folder_open(folder, slash == NULL ? path : slash + 1, parts, error);
    vgg_free(folder);
    return status;
}

static bool is_table(const char *path) {
    const char *ending = strrchr(path, '.');
    return ending != NULL && strcasecmp(ending, ".csv") == 0;
}

static vgg_status open_file(const char *path, const char *temporary, vgg_parts *parts,
                            vgg_error *error) {
    unsigned char start[512] = {0};
    size_t length = 0;
    vgg_status status = read_start(path, start, sizeof start, &length, error);
    if (status != VGG_OK)
        return status;
    for (size_t i = 0; i < sizeof compressed / sizeof *compressed; i++) {
        if (length >= compressed[i].length &&
            memcmp(start, compressed[i].bytes, compressed[i].length) == 0)
            return vgg_archived_open(path, compressed[i].looks, temporary, parts, error);
    }
    if (length == sizeof start && vgg_is_tar_header(start))
        return vgg_archived_open(path, NULL, temporary, parts, error);
    if (length >= 4 && (memcmp(start, "PK\3\4", 4) == 0 || memcmp(start, "PK\5\6", 4) == 0))
        return vgg_archived_open(path, "zip", temporary, parts, error);
    if (is_table(path))
        return open_table(path, parts, error);
    return vgg_fail(
        error, VGG_ERROR_FORMAT,
        "%s: is no data set but %s; expected a folder with a folder of pictures per "
        "class, a tar or zip of one, a .csv of image,label, or a folder with the files of "
        "MNIST or CIFAR",
        path, guess(start, length));
}

/* Counts what is in a folder beside the files of MNIST or CIFAR, which `uses` tells. */
static vgg_status pass_beside(const char *path, bool (*uses)(const char *name), vgg_passed *passed,
                              vgg_error *error) {
    DIR *open = opendir(path);
    if (open == NULL)
        return vgg_file_fail(error, path, "list the folder");
    for (const struct dirent *entry; (entry = readdir(open)) != NULL;) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || uses(name))
            continue;
        if (entry->d_type == DT_DIR)
            vgg_passed_folder(passed, name, NULL);
        else if (name[0] == '.')
            vgg_passed_count(passed, VGG_PASSED_HIDDEN);
        else
            vgg_passed_file(passed, name);
    }
    closedir(open);
    return VGG_OK;
}

vgg_status vgg_parts_open(const char *path, const char *temporary, vgg_parts *parts,
                          vgg_error *error) {
    struct stat info;
    if (stat(path, &info) != 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? vgg_fail(error, VGG_ERROR_NOT_FOUND,
                              "%s: there is nothing at this path; expected a data set", path)
                   : vgg_file_fail(error, path, "open");
    if (S_ISREG(info.st_mode))
        return open_file(path, temporary, parts, error);
    if (!S_ISDIR(info.st_mode))
        return vgg_fail(error, VGG_ERROR_IO, "%s: is neither a file nor a folder", path);
    bool mnist = false, cifar = false;
    vgg_status status = vgg_idx_open(path, parts, &mnist, error);
    if (status == VGG_OK && !mnist)
        status = vgg_cifar_open(path, parts, &cifar, error);
    if (status != VGG_OK)
        return status;
    if (mnist || cifar)
        return pass_beside(path, mnist ? vgg_idx_uses : vgg_cifar_uses, &parts->passed, error);
    return vgg_folder_open(path, NULL, parts, error);
}
