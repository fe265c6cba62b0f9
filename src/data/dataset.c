/* The data set itself: making, asking, reading, describing. */
#include "data/dataset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "data/class_names.h"

/* Pictures decoded by vgg_dataset_describe to learn what a folder or a tar holds. */
#define SAMPLE 16

void vgg_source_release(vgg_source *source) {
    if (source != NULL && atomic_fetch_sub(&source->owners, 1) == 1)
        source->free(source);
}

vgg_status vgg_dataset_create(vgg_source *source, const char *kind, const char *name,
                              vgg_dataset **out, vgg_error *error) {
    vgg_dataset *dataset = vgg_calloc(1, sizeof *dataset);
    char *copy = vgg_text_copy(name);
    if (dataset == NULL || copy == NULL) {
        vgg_free(dataset);
        vgg_free(copy);
        return vgg_fail_memory(error, "a data set", sizeof *dataset);
    }
    dataset->source = source;
    dataset->kind = kind;
    dataset->name = copy;
    atomic_fetch_add(&source->owners, 1);
    *out = dataset;
    return VGG_OK;
}

void vgg_dataset_free(vgg_dataset *dataset) {
    if (dataset == NULL)
        return;
    for (size_t i = 0; i < dataset->class_count; i++) {
        vgg_free(dataset->classes[i]);
    }
    for (size_t i = 0; i < dataset->count; i++) {
        vgg_free(dataset->items[i].name);
        vgg_free(dataset->items[i].labels);
    }
    vgg_free(dataset->classes);
    vgg_free(dataset->items);
    vgg_free(dataset->name);
    vgg_source_release(dataset->source);
    vgg_free(dataset);
}

/* Makes room for one more element in an array of `size`-byte elements. */
static vgg_status grow(void **array, size_t count, size_t *capacity, size_t size,
                       vgg_error *error) {
    if (count < *capacity)
        return VGG_OK;
    size_t wanted, bytes;
    if (!vgg_size_mul(vgg_size_max(*capacity, 32), 2, &wanted) ||
        !vgg_size_mul(wanted, size, &bytes))
        return vgg_fail(error, VGG_ERROR_MEMORY, "a data set of more than %zu entries", count);
    void *larger = vgg_realloc(*array, bytes);
    if (larger == NULL)
        return vgg_fail_memory(error, "the list of a data set", bytes);
    *array = larger;
    *capacity = wanted;
    return VGG_OK;
}

vgg_status vgg_dataset_add_class(vgg_dataset *dataset, const char *name, vgg_error *error) {
    void *array = dataset->classes;
    vgg_status status =
        grow(&array, dataset->class_count, &dataset->class_capacity, sizeof(char *), error);
    dataset->classes = array;
    if (status != VGG_OK)
        return status;
    char *copy = vgg_text_copy(name);
    if (copy == NULL)
        return vgg_fail_memory(error, "a class name", strlen(name) + 1);
    dataset->classes[dataset->class_count++] = copy;
    return VGG_OK;
}

vgg_status vgg_dataset_add_item(vgg_dataset *dataset, vgg_item item, vgg_error *error) {
    if (item.name == NULL) {
        vgg_free(item.labels);
        return vgg_fail_memory(error, "the names of a data set", sizeof item);
    }
    void *array = dataset->items;
    vgg_status status = grow(&array, dataset->count, &dataset->capacity, sizeof item, error);
    dataset->items = array;
    if (status != VGG_OK) {
        vgg_free(item.name);
        vgg_free(item.labels);
        return status;
    }
    dataset->items[dataset->count++] = item;
    return VGG_OK;
}

static vgg_status fail_unknown_class(const vgg_dataset *dataset, const char *class_name,
                                     const char *const *names, size_t count, const char *owner,
                                     vgg_error *error) {
    const char *nearest = vgg_text_nearest(class_name, names, count);
    if (nearest != NULL)
        return vgg_fail(error, VGG_ERROR_NOT_FOUND,
                        "%s: has a class \"%s\" that %s does not have (did you mean \"%s\"?)",
                        dataset->name, class_name, owner, nearest);
    return vgg_fail(error, VGG_ERROR_NOT_FOUND,
                    "%s: has a class \"%s\" that %s does not have among its %zu", dataset->name,
                    class_name, owner, count);
}

static vgg_status replace_classes(vgg_dataset *dataset, const char *const *names, size_t count,
                                  vgg_error *error) {
    vgg_dataset named = {0};
    for (size_t i = 0; i < count; i++) {
        vgg_status status = vgg_dataset_add_class(&named, names[i], error);
        if (status != VGG_OK) {
            for (size_t j = 0; j < named.class_count; j++) {
                vgg_free(named.classes[j]);
            }
            vgg_free(named.classes);
            return status;
        }
    }
    for (size_t i = 0; i < dataset->class_count; i++) {
        vgg_free(dataset->classes[i]);
    }
    vgg_free(dataset->classes);
    dataset->classes = named.classes;
    dataset->class_count = named.class_count;
    dataset->class_capacity = named.class_capacity;
    return VGG_OK;
}

/* The number among the names that a class of a numbered data set is called by; count: it is none.
 */
static size_t number_of(const char *class_name, size_t count) {
    char *end;
    errno = 0;
    unsigned long number = strtoul(class_name, &end, 10);
    return errno == 0 && *end == '\0' && number < count ? number : count;
}

vgg_status vgg_dataset_use_classes(vgg_dataset *dataset, const char *const *names, size_t count,
                                   const char *owner, vgg_error *error) {
    size_t *number = vgg_calloc(vgg_size_max(dataset->class_count, 1), sizeof *number);
    if (number == NULL)
        return vgg_fail_memory(error, "class numbers", dataset->class_count * sizeof *number);
    vgg_class_names sorted;
    vgg_status status = vgg_class_names_sort(names, count, &sorted, error);
    for (size_t i = 0; status == VGG_OK && i < dataset->class_count; i++) {
        number[i] = vgg_class_names_find(&sorted, dataset->classes[i]);
        if (number[i] == count && dataset->numbered)
            number[i] = number_of(dataset->classes[i], count);
        if (number[i] == count)
            status = fail_unknown_class(dataset, dataset->classes[i], names, count, owner, error);
    }
    if (status == VGG_OK)
        status = replace_classes(dataset, names, count, error);
    for (size_t i = 0; status == VGG_OK && i < dataset->count; i++) {
        vgg_item *item = &dataset->items[i];
        item->class_index = number[item->class_index];
        for (size_t l = 0; item->labels != NULL && l < item->label_count; l++) {
            item->labels[l] = number[item->labels[l]];
        }
    }
    vgg_free(sorted.sorted);
    vgg_free(number);
    return status;
}

vgg_status vgg_dataset_rename_classes(vgg_dataset *dataset, const char *const *ids,
                                      const char *const *names, size_t count, vgg_error *error) {
    vgg_class_names by_id, by_name = {0};
    vgg_status status = vgg_class_names_sort(ids, count, &by_id, error);
    if (status == VGG_OK)
        status = vgg_class_names_sort(names, count, &by_name, error);
    for (size_t i = 0; status == VGG_OK && i < dataset->class_count; i++) {
        size_t number = vgg_class_names_find(&by_id, dataset->classes[i]);
        if (number == count || vgg_class_names_find(&by_name, dataset->classes[i]) < count)
            continue;
        char *copy = vgg_text_copy(names[number]);
        if (copy == NULL) {
            status = vgg_fail_memory(error, "a class name", strlen(names[number]) + 1);
            continue;
        }
        vgg_free(dataset->classes[i]);
        dataset->classes[i] = copy;
    }
    vgg_free(by_id.sorted);
    vgg_free(by_name.sorted);
    return status;
}

size_t vgg_dataset_count(const vgg_dataset *dataset) {
    return dataset->count;
}

size_t vgg_dataset_class_count(const vgg_dataset *dataset) {
    return dataset->class_count;
}

const char *vgg_dataset_class_name(const vgg_dataset *dataset, size_t class_index) {
    return class_index < dataset->class_count ? dataset->classes[class_index] : NULL;
}

const char *vgg_dataset_item_name(const vgg_dataset *dataset, size_t item) {
    return item < dataset->count ? dataset->items[item].name : NULL;
}

size_t vgg_dataset_item_class(const vgg_dataset *dataset, size_t item) {
    const size_t *classes;
    return vgg_dataset_item_classes(dataset, item, &classes) > 0 ? classes[0] : SIZE_MAX;
}

size_t vgg_dataset_item_classes(const vgg_dataset *dataset, size_t item, const size_t **classes) {
    if (item >= dataset->count)
        return 0;
    const vgg_item *at = &dataset->items[item];
    *classes = at->labels != NULL ? at->labels : &at->class_index;
    return at->labels != NULL ? at->label_count : 1;
}

bool vgg_dataset_several_labels(const vgg_dataset *dataset) {
    return dataset->several;
}

vgg_status vgg_dataset_read_with(const vgg_dataset *dataset, size_t item,
                                 const vgg_decode_options *options, vgg_image *image,
                                 vgg_error *error) {
    if (item >= dataset->count)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s: has no item %zu, expected 0 to %zu",
                        dataset->name, item, dataset->count - 1);
    return dataset->source->read(dataset->source, &dataset->items[item], options, image, error);
}

vgg_status vgg_dataset_read_reduced(const vgg_dataset *dataset, size_t item, size_t least,
                                    vgg_image *image, vgg_error *error) {
    vgg_decode_options options;
    vgg_decode_options_init(&options, sizeof options);
    options.least = least;
    return vgg_dataset_read_with(dataset, item, &options, image, error);
}

vgg_status vgg_dataset_read(const vgg_dataset *dataset, size_t item, vgg_image *image,
                            vgg_error *error) {
    return vgg_dataset_read_reduced(dataset, item, 0, image, error);
}

/* Decodes up to SAMPLE pictures, evenly spread. */
static vgg_status describe_sample(const vgg_dataset *dataset, vgg_dataset_info *info,
                                  vgg_error *error) {
    size_t sample = vgg_size_min(dataset->count, SAMPLE);
    size_t step = dataset->count / vgg_size_max(sample, 1);
    vgg_error first = {0};
    bool same_size = true, any = false;
    for (size_t i = 0; i < sample; i++) {
        vgg_image image = {0};
        vgg_error why;
        if (vgg_dataset_read(dataset, i * step, &image, &why) != VGG_OK) {
            if (why.status == VGG_ERROR_MEMORY) /* the picture is as good as any */
                return vgg_fail(error, why.status, "%s", why.message);
            if (first.status == VGG_OK)
                first = why;
            continue;
        }
        same_size = same_size && (!any || (image.width == info->width && //
                                           image.height == info->height));
        info->width = image.width;
        info->height = image.height;
        info->channels = vgg_size_max(info->channels, image.channels);
        any = true;
        vgg_image_free(&image);
    }
    if (!any) {
        vgg_fail(error, first.status, "%s", first.message);
        vgg_error_prefix(error, "%s: none of %zu pictures tried can be read", dataset->name,
                         sample);
        return first.status;
    }
    if (!same_size)
        info->width = info->height = 0;
    return VGG_OK;
}

vgg_status vgg_dataset_describe(const vgg_dataset *dataset, vgg_dataset_info *info,
                                vgg_error *error) {
    vgg_dataset_info found = {.struct_size = sizeof found,
                              .kind = dataset->kind,
                              .channels = dataset->channels,
                              .width = dataset->width,
                              .height = dataset->height,
                              .pictures = dataset->count,
                              .classes = dataset->class_count};
    vgg_status status = vgg_result_check(info, "vgg_dataset_info", error);
    if (status == VGG_OK && found.channels == 0)
        status = describe_sample(dataset, &found, error);
    if (status != VGG_OK)
        return status;
    return vgg_result_write(info, &found, sizeof found, "vgg_dataset_info", error);
}

/* ---- parts ---- */

void vgg_parts_clear(vgg_parts *parts) {
    vgg_dataset_free(parts->train);
    vgg_dataset_free(parts->validation);
    vgg_dataset_free(parts->test);
    vgg_passed_clear(&parts->passed);
    *parts = (vgg_parts){0};
}

vgg_dataset **vgg_parts_part(vgg_parts *parts, vgg_part_kind kind) {
    return kind == VGG_PART_TRAIN        ? &parts->train
           : kind == VGG_PART_VALIDATION ? &parts->validation
                                         : &parts->test;
}
