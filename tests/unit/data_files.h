/* Small data sets for the tests of src/data, in a fresh folder that is removed with all it holds.
 */
#ifndef DATA_FILES_H
#define DATA_FILES_H

#include "vgg_test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vgg/data.h"

static char test_folder[] = "/tmp/vgg-data-XXXXXX";

static int make_test_folder(void **state) {
    (void)state;
    memcpy(test_folder + strlen(test_folder) - 6, "XXXXXX", 6);
    return mkdtemp(test_folder) == NULL;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static int remove_test_folder(void **state) {
    (void)state;
    return nftw(test_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* "<test folder>/<name>", in one of a few buffers. */
static inline const char *at(const char *name) {
    static char buffers[8][512];
    static int next;
    char *buffer = buffers[next++ % 8];
    snprintf(buffer, sizeof buffers[0], "%s/%s", test_folder, name);
    return buffer;
}

static inline void make_parents(const char *path) {
    char copy[512];
    snprintf(copy, sizeof copy, "%s", path);
    for (char *slash = copy + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(copy, 0777);
        *slash = '/';
    }
}

static inline void write_bytes(const char *name, const void *bytes, size_t size) {
    const char *path = at(name);
    make_parents(path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* A picture all of whose samples are `value`. */
static inline void write_picture(const char *name, size_t side, size_t channels, int value) {
    uint8_t pixels[64 * 64 * 3];
    memset(pixels, value, sizeof pixels);
    vgg_error error;
    make_parents(at(name));
    assert_ok(vgg_image_save_png(&(vgg_image){side, side, channels, pixels}, at(name), &error),
              error);
}

/* Opening must fail with this status and with this text in the message. */
static inline void expect_failure(const char *path, const vgg_dataset_options *options,
                                  vgg_status status, const char *text) {
    vgg_dataset *train = NULL, *validation = NULL;
    vgg_error error = {0};
    vgg_status found = vgg_dataset_open(path, options, &train, &validation, &error);
    if (found != status)
        fail_msg("%s: %s instead of %s: %s", path, vgg_status_name(found), vgg_status_name(status),
                 error.message);
    assert_contains(error.message, text);
    assert_int_equal(error.status, status);
    assert_null(train);
    assert_null(validation);
}

/* The value that write_picture gave to the picture of an item. */
static inline int first_sample(const vgg_dataset *dataset, size_t item) {
    vgg_image image = {0};
    vgg_error error;
    assert_ok(vgg_dataset_read(dataset, item, &image, &error), error);
    int sample = image.pixels[0];
    vgg_image_free(&image);
    return sample;
}

#endif
