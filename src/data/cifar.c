/* CIFAR-10 and CIFAR-100 in their binary version (https://www.cs.toronto.edu/~kriz/cifar.html):
 * records of the label, in CIFAR-100 the coarse and the fine label, and 3 x 32 x 32 samples. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/pixels.h"

#define SIDE 32
#define PLANE ((size_t)SIDE * SIDE)
#define FILES_MAX 5
#define NAMES_BYTES_MAX ((size_t)1 << 20)
#define BATCH_BYTES_MAX ((size_t)1 << 30)

typedef struct cifar_kind {
    const char *name;
    size_t classes;
    size_t labels; /* bytes before the samples; the last one is the class */
    const char *names;
    const char *train[FILES_MAX], *test;
} cifar_kind;

static const cifar_kind kinds[] = {
    {"CIFAR-10",
     10,
     1,
     "batches.meta.txt",
     {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
      "data_batch_5.bin"},
     "test_batch.bin"},
    {"CIFAR-100", 100, 2, "fine_label_names.txt", {"train.bin"}, "test.bin"},
};

/* One file of records. */
typedef struct batch_file {
    char *path;
    unsigned char *bytes;
    size_t size;
} batch_file;

static size_t record_size(const cifar_kind *kind) {
    return kind->labels + 3 * PLANE;
}

static vgg_status read_file(const cifar_kind *kind, const char *folder, const char *name,
                            batch_file *file, vgg_error *error) {
    file->path = vgg_path_join(folder, name);
    if (file->path == NULL)
        return vgg_fail_memory(error, "a path", strlen(folder));
    vgg_status status =
        vgg_file_read(file->path, BATCH_BYTES_MAX, &file->bytes, &file->size, error);
    if (status != VGG_OK)
        return status;
    size_t over = file->size % record_size(kind);
    if (file->size == 0 || over != 0)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: ends at byte %zu, %zu bytes into record %zu; expected a multiple of "
                        "%zu bytes",
                        file->path, file->size, over, file->size / record_size(kind),
                        record_size(kind));
    return VGG_OK;
}

static void free_file(batch_file *file) {
    vgg_free(file->bytes);
    vgg_free(file->path);
}

/* Plane after plane becomes sample beside sample. */
static void interleave(const unsigned char *planes, uint8_t *picture) {
    for (size_t i = 0; i < PLANE; i++) {
        for (size_t c = 0; c < 3; c++) {
            picture[3 * i + c] = planes[c * PLANE + i];
        }
    }
}

static vgg_status add_records(const cifar_kind *kind, const batch_file *file, size_t first,
                              const vgg_pixels *pixels, vgg_dataset *part, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < file->size / record_size(kind); i++) {
        const unsigned char *record = file->bytes + i * record_size(kind);
        size_t label = record[kind->labels - 1];
        if (label >= kind->classes)
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: has label %zu at byte %zu (record %zu); expected 0 to %zu",
                            file->path, label, i * record_size(kind) + kind->labels - 1, i,
                            kind->classes - 1);
        interleave(record + kind->labels, vgg_pixels_picture(pixels, first + i));
        status = vgg_pixels_add(part, file->path, i, first + i, label, error);
    }
    return status;
}

/* The non-empty lines of the names file. */
static vgg_status name_from_file(const cifar_kind *kind, const char *path, vgg_dataset *part,
                                 vgg_error *error) {
    unsigned char *bytes;
    size_t size;
    vgg_status status = vgg_file_read(path, NAMES_BYTES_MAX, &bytes, &size, error);
    if (status != VGG_OK)
        return status;
    vgg_text text = {0};
    vgg_text_add_bytes(&text, (const char *)bytes, size);
    vgg_free(bytes);
    char *lines = vgg_text_take(&text), *rest = NULL;
    if (lines == NULL)
        return vgg_fail_memory(error, path, size);
    for (char *line = strtok_r(lines, "\r\n", &rest); status == VGG_OK && line != NULL;
         line = strtok_r(NULL, "\r\n", &rest)) {
        status = vgg_dataset_add_class(part, line, error);
    }
    vgg_free(lines);
    if (status == VGG_OK && part->class_count != kind->classes)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: has %zu names; expected %zu", path,
                          part->class_count, kind->classes);
    return status;
}

static vgg_status name_classes(const cifar_kind *kind, const char *folder, vgg_dataset *part,
                               vgg_error *error) {
    char *path = vgg_path_join(folder, kind->names);
    if (path == NULL)
        return vgg_fail_memory(error, "a path", strlen(folder));
    bool there;
    vgg_status status = vgg_file_exists(path, &there, error);
    if (status == VGG_OK)
        status = there ? name_from_file(kind, path, part, error)
                       : vgg_number_classes(part, kind->classes, error);
    vgg_free(path);
    return status;
}

static vgg_status fill_part(const cifar_kind *kind, const char *folder, const batch_file *files,
                            size_t count, vgg_dataset **part, vgg_error *error) {
    size_t records = 0, first = 0;
    for (size_t i = 0; i < count; i++) {
        records += files[i].size / record_size(kind);
    }
    vgg_pixels *pixels = NULL;
    vgg_status status = vgg_pixels_create(folder, records, SIDE, SIDE, 3, &pixels, error);
    if (status != VGG_OK)
        return status;
    status = vgg_pixels_dataset(pixels, kind->name, folder, part, error);
    if (status == VGG_OK)
        status = name_classes(kind, folder, *part, error);
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        status = add_records(kind, &files[i], first, pixels, *part, error);
        first += files[i].size / record_size(kind);
    }
    vgg_source_release(&pixels->base);
    return status;
}

static vgg_status load_part(const cifar_kind *kind, const char *folder, const char *const *names,
                            size_t count, vgg_dataset **part, vgg_error *error) {
    batch_file files[FILES_MAX] = {{0}};
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        status = read_file(kind, folder, names[i], &files[i], error);
    }
    if (status == VGG_OK)
        status = fill_part(kind, folder, files, count, part, error);
    for (size_t i = 0; i < count; i++) {
        free_file(&files[i]);
    }
    return status;
}

bool vgg_cifar_uses(const char *name) {
    bool used = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        used = used || strcmp(name, kinds[i].names) == 0 || strcmp(name, kinds[i].test) == 0;
        for (size_t j = 0; j < FILES_MAX && kinds[i].train[j] != NULL; j++) {
            used = used || strcmp(name, kinds[i].train[j]) == 0;
        }
    }
    return used;
}

static bool is_there(int folder, const char *name) {
    return name != NULL && faccessat(folder, name, F_OK, 0) == 0;
}

/* `open_folder` is the folder's descriptor. */
static vgg_status open_kind(const cifar_kind *kind, const char *folder, int open_folder,
                            vgg_parts *parts, bool *found, vgg_error *error) {
    size_t files = 0;
    while (files < FILES_MAX && is_there(open_folder, kind->train[files])) {
        files++;
    }
    for (size_t i = files; i < FILES_MAX; i++) {
        if (is_there(open_folder, kind->train[i]))
            return vgg_fail(error, VGG_ERROR_NOT_FOUND, "%s: has no %s beside %s", folder,
                            kind->train[files], kind->train[i]);
    }
    bool test = is_there(open_folder, kind->test);
    vgg_status status = VGG_OK;
    if (files > 0)
        status = load_part(kind, folder, kind->train, files, &parts->train, error);
    if (status == VGG_OK && test)
        status = load_part(kind, folder, &kind->test, 1, &parts->test, error);
    *found = files > 0 || test;
    return status;
}

vgg_status vgg_cifar_open(const char *folder, vgg_parts *parts, bool *found, vgg_error *error) {
    int open_folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (open_folder < 0)
        return vgg_file_fail(error, folder, "open");
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && !*found && i < sizeof kinds / sizeof *kinds; i++) {
        status = open_kind(&kinds[i], folder, open_folder, parts, found, error);
    }
    close(open_folder);
    return status;
}
