/* Pictures for the tests of src/image: files of tests/golden/data/image, and expected pixels read
 * without the library under test. */
#ifndef VGG_IMAGE_GOLDEN_H
#define VGG_IMAGE_GOLDEN_H

#include "vgg_test.h"

#include "vgg/image.h"

/* The whole file; the caller frees it. The test fails when it cannot be read. */
static inline unsigned char *golden_bytes(const char *name, size_t *size) {
    char path[1024];
    snprintf(path, sizeof path, "%s/image/%s", VGG_TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s: cannot open", path);
    unsigned char *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

/* A raw PGM or PPM as make_image_goldens.py writes them. */
static inline vgg_image golden_picture(const char *name) {
    size_t size;
    unsigned char *bytes = golden_bytes(name, &size);
    int kind = 0, header = 0;
    size_t width = 0, height = 0;
    char text[64] = "";
    memcpy(text, bytes, size < 63 ? size : 63);
    assert_int_equal(sscanf(text, "P%d\n%zu %zu\n255%*c%n", &kind, &width, &height, &header), 3);
    vgg_image image = {.width = width, .height = height, .channels = kind == 5 ? 1 : 3};
    size_t count = width * height * image.channels;
    assert_int_equal(size, (size_t)header + count);
    image.pixels = malloc(count);
    assert_non_null(image.pixels);
    memcpy(image.pixels, bytes + header, count);
    free(bytes);
    return image;
}

/* Fails unless both have the same shape and no sample differs by more than `tolerance`. */
static inline void assert_same_picture(const char *name, const vgg_image *found,
                                       const vgg_image *expected, int tolerance) {
    if (found->width != expected->width || found->height != expected->height ||
        found->channels != expected->channels)
        fail_msg("%s: is %zu x %zu x %zu, expected %zu x %zu x %zu", name, found->width,
                 found->height, found->channels, expected->width, expected->height,
                 expected->channels);
    for (size_t i = 0; i < found->width * found->height * found->channels; i++) {
        if (abs(found->pixels[i] - expected->pixels[i]) > tolerance)
            fail_msg("%s: sample %zu is %d, expected %d", name, i, found->pixels[i],
                     expected->pixels[i]);
    }
}

#endif
