/* Pictograms as a data set on the disk. */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "vgg/data.h"

/* Pictures for validation have numbers that no training picture has, and the same ones whatever
 * the number of training pictures is. */
#define VALIDATION_FIRST ((uint64_t)1 << 40)

typedef struct writing {
    size_t size, done, total;
    uint64_t seed;
    bool (*progress)(void *user, size_t done, size_t total);
    void *user;
} writing;

static vgg_status write_picture(const writing *job, size_t class_index, uint64_t index,
                                const char *path, vgg_error *error) {
    vgg_image image = {0};
    vgg_status status = vgg_pictogram_draw(class_index, job->size, job->seed, index, &image, error);
    if (status == VGG_OK)
        status = vgg_image_save_png(&image, path, error);
    vgg_image_free(&image);
    return status;
}

static vgg_status report(writing *job, vgg_error *error) {
    job->done++;
    if (job->progress == NULL || job->progress(job->user, job->done, job->total))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_STOPPED, "stopped after %zu of %zu pictograms", job->done,
                    job->total);
}

static vgg_status write_class(writing *job, const char *folder, size_t class_index, size_t count,
                              uint64_t first, vgg_error *error) {
    vgg_status status = vgg_folder_create(folder, error);
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        vgg_text path = {0};
        vgg_text_add(&path, "%s/%04zu.png", folder, i);
        char *name = vgg_text_take(&path);
        if (name == NULL)
            return vgg_fail_memory(error, "a path", strlen(folder));
        status = write_picture(job, class_index, first + i, name, error);
        vgg_free(name);
        if (status == VGG_OK)
            status = report(job, error);
    }
    return status;
}

static vgg_status write_part(writing *job, const char *folder, const char *part, size_t count,
                             uint64_t first, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t c = 0; status == VGG_OK && count > 0 && c < VGG_PICTOGRAM_CLASSES; c++) {
        vgg_text path = {0};
        vgg_text_add(&path, "%s/%s/%s", folder, part, vgg_pictogram_name(c));
        char *name = vgg_text_take(&path);
        if (name == NULL)
            return vgg_fail_memory(error, "a path", strlen(folder));
        status = write_class(job, name, c, count, first, error);
        vgg_free(name);
    }
    return status;
}

vgg_status vgg_pictogram_write(const char *folder, size_t train_per_class,
                               size_t validation_per_class, size_t size, uint64_t seed,
                               bool (*progress)(void *user, size_t done, size_t total), void *user,
                               vgg_error *error) {
    writing job = {.size = size, .seed = seed, .progress = progress, .user = user};
    if (!vgg_size_add(train_per_class, validation_per_class, &job.total) ||
        !vgg_size_mul(job.total, VGG_PICTOGRAM_CLASSES, &job.total) || job.total == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%zu and %zu pictograms per class asked for; expected at least one",
                        train_per_class, validation_per_class);
    vgg_status status = write_part(&job, folder, "train", train_per_class, 0, error);
    if (status == VGG_OK)
        status =
            write_part(&job, folder, "validation", validation_per_class, VALIDATION_FIRST, error);
    return status;
}
