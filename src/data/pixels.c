#include "data/pixels.h"

#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

static size_t picture_bytes(const vgg_pixels *pixels) {
    return pixels->height * pixels->width * pixels->channels;
}

uint8_t *vgg_pixels_picture(const vgg_pixels *pixels, size_t i) {
    return pixels->samples + i * picture_bytes(pixels);
}

/* item->offset is the number of the picture. */
static vgg_status read_picture(const vgg_source *source, const vgg_item *item,
                               const vgg_decode_options *options, vgg_image *image,
                               vgg_error *error) {
    (void)options;
    const vgg_pixels *pixels = (const vgg_pixels *)source;
    size_t bytes = picture_bytes(pixels);
    uint8_t *copy = vgg_malloc(bytes);
    if (copy == NULL)
        return vgg_fail_memory(error, item->name, bytes);
    memcpy(copy, vgg_pixels_picture(pixels, item->offset), bytes);
    *image = (vgg_image){pixels->width, pixels->height, pixels->channels, copy};
    return VGG_OK;
}

static uint64_t sum_picture(const vgg_source *source, const vgg_item *item) {
    const vgg_pixels *pixels = (const vgg_pixels *)source;
    return vgg_checksum_of(vgg_pixels_picture(pixels, item->offset), picture_bytes(pixels));
}

static void free_source(vgg_source *source) {
    vgg_free(((vgg_pixels *)source)->samples);
    vgg_free(source);
}

vgg_status vgg_pixels_create(const char *name, size_t count, size_t height, size_t width,
                             size_t channels, vgg_pixels **out, vgg_error *error) {
    size_t bytes;
    if (!vgg_size_mul(count, height, &bytes) || !vgg_size_mul(bytes, width, &bytes) ||
        !vgg_size_mul(bytes, channels, &bytes) || bytes > vgg_memory_available())
        return vgg_fail(error, VGG_ERROR_MEMORY,
                        "out of memory: %s has %zu pictures of %zu x %zu x %zu", name, count,
                        channels, height, width);
    vgg_pixels *pixels = vgg_malloc(sizeof *pixels);
    uint8_t *samples = vgg_malloc(bytes + 1);
    if (pixels == NULL || samples == NULL) {
        vgg_free(pixels);
        vgg_free(samples);
        return vgg_fail_memory(error, name, bytes);
    }
    *pixels =
        (vgg_pixels){{.owners = 1, .read = read_picture, .free = free_source, .sum = sum_picture},
                     count,
                     width,
                     height,
                     channels,
                     samples};
    *out = pixels;
    return VGG_OK;
}

vgg_status vgg_pixels_dataset(vgg_pixels *pixels, const char *kind, const char *name,
                              vgg_dataset **dataset, vgg_error *error) {
    vgg_status status = vgg_dataset_create(&pixels->base, kind, name, dataset, error);
    if (status == VGG_OK) {
        (*dataset)->channels = pixels->channels;
        (*dataset)->width = pixels->width;
        (*dataset)->height = pixels->height;
    }
    return status;
}

vgg_status vgg_pixels_add(vgg_dataset *dataset, const char *file, size_t in_file, size_t number,
                          size_t class_index, vgg_error *error) {
    vgg_text name = {0};
    const char *slash = strrchr(file, '/');
    vgg_text_add(&name, "%s: picture %zu", file, in_file);
    return vgg_dataset_add_item(dataset,
                                (vgg_item){.name = vgg_text_take(&name),
                                           .key = slash != NULL ? (size_t)(slash + 1 - file) : 0,
                                           .class_index = class_index,
                                           .offset = number},
                                error);
}

vgg_status vgg_number_classes(vgg_dataset *dataset, size_t count, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", i);
        status = vgg_dataset_add_class(dataset, name, error);
    }
    return status;
}
