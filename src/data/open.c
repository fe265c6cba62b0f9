/* Opening: what is at the path, and what every kind of data set has in common afterwards. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "data/class_names.h"
#include "data/dataset.h"

void vgg_dataset_options_init(vgg_dataset_options *options, size_t size) {
    vgg_dataset_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

static vgg_status check_options(const vgg_dataset_options *options, vgg_error *error) {
    double split = options->validation_split;
    if (!(split >= 0.0 && split < 1.0))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "validation_split is %g, expected at least 0 and less than 1", split);
    if (options->classes == NULL)
        return VGG_OK;
    if (options->class_count == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a list of 0 class names, expected at least 1");
    vgg_class_names names;
    vgg_status status = vgg_class_names_sort(options->classes, options->class_count, &names, error);
    for (size_t i = 0; status == VGG_OK && i < options->class_count; i++) {
        size_t first = vgg_class_names_find(&names, options->classes[i]);
        if (first < i)
            status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                              "the class name \"%s\" is given twice (%zu and %zu)",
                              options->classes[i], first, i);
    }
    vgg_free(names.sorted);
    return status;
}

/* The caller's struct may be older and shorter than ours. */
static vgg_status full_options(const vgg_dataset_options *given, vgg_dataset_options *options,
                               vgg_error *error) {
    vgg_dataset_options_init(options, sizeof *options);
    vgg_status status =
        vgg_options_read(options, sizeof *options, given, "vgg_dataset_options", error);
    if (options->temporary_folder == NULL)
        options->temporary_folder = "/tmp";
    return status != VGG_OK ? status : check_options(options, error);
}

typedef struct magic {
    size_t offset, length;
    const char *bytes, *looks;
} magic;

/* Files that people mistake for a data set. */
static const magic mistaken[] = {
    {0, 3, "\xff\xd8\xff", "a JPEG picture"},
    {0, 4, "\x89PNG", "a PNG picture"},
    {8, 4, "WEBP", "a WebP picture"},
    {0, 4, "PK\3\4", "a zip archive"},
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
            return vgg_tar_open(path, compressed[i].looks, temporary, parts, error);
    }
    if (length == sizeof start && vgg_is_tar_header(start))
        return vgg_tar_open(path, NULL, temporary, parts, error);
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: is no data set but %s; expected a folder with a folder of pictures per "
                    "class, a tar of one, or a folder with the files of MNIST or CIFAR",
                    path, guess(start, length));
}

static vgg_status open_any(const char *path, const char *temporary, vgg_parts *parts,
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
    bool found = false;
    vgg_status status = vgg_idx_open(path, parts, &found, error);
    if (status == VGG_OK && !found)
        status = vgg_cifar_open(path, parts, &found, error);
    if (status == VGG_OK && !found)
        status = vgg_folder_open(path, parts, error);
    return status;
}

/* Both parts number their classes alike: as the caller says, or as the part to learn from does. */
static vgg_status agree_on_classes(const vgg_dataset_options *options, vgg_parts *parts,
                                   vgg_error *error) {
    vgg_dataset *leading = parts->train != NULL ? parts->train : parts->validation;
    if (options->classes == NULL && leading->class_count < 2)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: has one class only (%s); expected at least two", leading->name,
                        leading->classes[0]);
    vgg_status status = VGG_OK;
    if (parts->train != NULL && parts->validation != NULL)
        status =
            vgg_dataset_use_classes(parts->validation, (const char *const *)parts->train->classes,
                                    parts->train->class_count, "the part to train on", error);
    if (options->classes == NULL)
        return status;
    vgg_dataset *each[] = {parts->train, parts->validation};
    for (size_t i = 0; i < 2; i++) {
        if (status == VGG_OK && each[i] != NULL)
            status = vgg_dataset_use_classes(each[i], options->classes, options->class_count,
                                             "the given list of classes", error);
    }
    return status;
}

static void warn_of(const vgg_parts *parts, const char *path, const vgg_dataset_options *told) {
    static const char what_counts[] = "what counts are pictures in the folder of a class";
    if (parts->passed_over == 1)
        vgg_warn(told->warn, told->warn_user, "%.400s is passed over: %s", parts->first_passed,
                 what_counts);
    else if (parts->passed_over > 1)
        vgg_warn(told->warn, told->warn_user,
                 "%.400s: %zu files or folders are passed over, such as %.400s: %s", path,
                 parts->passed_over, parts->first_passed, what_counts);
    if (parts->spare_part != NULL)
        vgg_warn(told->warn, told->warn_user,
                 "%.400s is passed over: %.400s is the part to validate with", parts->spare_part,
                 parts->validation->name);
}

vgg_status vgg_dataset_open(const char *path, const vgg_dataset_options *given, vgg_dataset **train,
                            vgg_dataset **validation, vgg_error *error) {
    vgg_dataset_options options;
    vgg_parts parts = {0};
    vgg_status status = full_options(given, &options, error);
    if (status == VGG_OK)
        status = open_any(path, options.temporary_folder, &parts, error);
    /* Before the classes are renumbered, so that a model's list of classes leaves the split as it
     * was when the model was trained. */
    if (status == VGG_OK && options.validation_split > 0.0 && parts.validation == NULL)
        status = vgg_parts_split(&parts, options.validation_split, options.seed, error);
    if (status == VGG_OK)
        status = agree_on_classes(&options, &parts, error);
    if (status == VGG_OK)
        warn_of(&parts, path, &options);
    if (status == VGG_OK && train != NULL) {
        *train = parts.train;
        parts.train = NULL;
    }
    if (status == VGG_OK && validation != NULL) {
        *validation = parts.validation;
        parts.validation = NULL;
    }
    vgg_dataset_free(parts.train);
    vgg_dataset_free(parts.validation);
    vgg_free(parts.first_passed);
    vgg_free(parts.spare_part);
    return status;
}
