/* What a data set consists of, in a number for each class. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/memory.h"
#include "data/dataset.h"

/* What is known of a picture's bytes. */
typedef struct measure {
    uint64_t size, sum;
} measure;

/* Of a picture whose bytes cannot be had; that is found out when it is read. */
static const measure unknown = {UINT64_MAX, 0};

/* The size of a picture that is a file of its own. One that is gone, or that nobody may look at,
 * has none; anything else that goes wrong would make another number of the same picture. */
static vgg_status measure_file(const char *path, measure *out, vgg_error *error) {
    struct stat info;
    *out = unknown;
    if (stat(path, &info) == 0)
        out->size = (uint64_t)info.st_size;
    else if (!vgg_file_is_missing(errno) && errno != EACCES && errno != ELOOP)
        return vgg_file_fail(error, path, "look at");
    return VGG_OK;
}

static vgg_status measure_contents(const vgg_source *source, const vgg_item *item, measure *out,
                                   vgg_error *error) {
    if (source->load == NULL) {
        out->sum = source->sum(source, item);
        return VGG_OK;
    }
    unsigned char *bytes = NULL;
    size_t size = 0;
    vgg_status status = source->load(source, item, VGG_LIMIT_PICTURE_BYTES, &bytes, &size, error);
    if (status != VGG_OK) {
        *out = unknown;
        return status == VGG_ERROR_MEMORY ? status : VGG_OK;
    }
    *out = (measure){size, vgg_checksum_of(bytes, size)};
    vgg_free(bytes);
    return VGG_OK;
}

/* Adds a picture to the sum over those of its class before it. */
static uint64_t chain(uint64_t before, const char *name, const measure *bytes) {
    vgg_checksum sum;
    vgg_checksum_begin(&sum);
    vgg_checksum_add(&sum, &before, sizeof before);
    vgg_checksum_add(&sum, &bytes->size, sizeof bytes->size);
    vgg_checksum_add(&sum, &bytes->sum, sizeof bytes->sum);
    vgg_checksum_add(&sum, name, strlen(name));
    return vgg_checksum_end(&sum);
}

/* Adds the labels of a picture that may have several. */
static uint64_t chain_labels(uint64_t before, const vgg_item *item) {
    vgg_checksum sum;
    vgg_checksum_begin(&sum);
    vgg_checksum_add(&sum, &before, sizeof before);
    for (size_t i = 0; i < item->label_count; i++) {
        uint64_t label = item->labels[i];
        vgg_checksum_add(&sum, &label, sizeof label);
    }
    return vgg_checksum_end(&sum);
}

vgg_status vgg_dataset_fingerprint(const vgg_dataset *dataset, bool contents, size_t *counts,
                                   uint64_t *sums, vgg_progress_callback *progress, void *user,
                                   vgg_error *error) {
    bool files = strcmp(dataset->kind, "folder") == 0;
    for (size_t c = 0; c < dataset->class_count; c++) {
        counts[c] = 0;
        sums[c] = 0;
    }
    for (size_t i = 0; i < dataset->count; i++) {
        const vgg_item *item = &dataset->items[i];
        measure bytes = {.size = item->size};
        vgg_status status = VGG_OK;
        if (contents)
            status = measure_contents(dataset->source, item, &bytes, error);
        else if (files)
            status = measure_file(item->name, &bytes, error);
        if (status != VGG_OK)
            return status;
        counts[item->class_index]++;
        uint64_t *sum = &sums[item->class_index];
        *sum = chain(*sum, item->name + item->key, &bytes);
        if (item->labels != NULL)
            *sum = chain_labels(*sum, item);
        if (progress != NULL && !progress(user, i + 1, dataset->count))
            return vgg_fail(error, VGG_ERROR_STOPPED, "stopped while %s was checked",
                            dataset->name);
    }
    return VGG_OK;
}
