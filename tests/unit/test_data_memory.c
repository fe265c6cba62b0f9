/* Data sets that are opened and read while there is too little memory: it is said, and nothing
 * else happens. */
#include "allocations.h"
#include "data_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

#include "base/text.h"

enum { CLASSES = 3, EACH = 4 };

static void add_file(struct archive *archive, const char *path, const char *bytes) {
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_size(entry, (la_int64_t)strlen(bytes));
    assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(archive, bytes, strlen(bytes)), strlen(bytes));
    archive_entry_free(entry);
}

static void write_archive(const char *name, int format, int filter) {
    struct archive *archive = archive_write_new();
    assert_non_null(archive);
    assert_int_equal(archive_write_set_format(archive, format), 0);
    assert_int_equal(archive_write_add_filter(archive, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(archive, at(name)), ARCHIVE_OK);
    for (int c = 0; c < CLASSES; c++) {
        for (int i = 0; i < EACH; i++) {
            char path[256];
            snprintf(path, sizeof path, "class%d/%0100d.pgm", c, i);
            add_file(archive, path, "P2 2 1 255 7 9");
        }
    }
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
}

static void write_folders(const char *below) {
    for (int c = 0; c < CLASSES; c++) {
        for (int i = 0; i < EACH; i++) {
            char path[256];
            snprintf(path, sizeof path, "%s/class%d/%d.pgm", below, c, i);
            write_bytes(path, "P2 2 1 255 7 9", 14);
        }
    }
}

static void write_mnist(const char *below) {
    unsigned char pictures[16 + CLASSES * EACH] = {0, 0, 8, 3, 0, 0, 0, CLASSES * EACH, 0, 0, 0, 1};
    unsigned char labels[8 + CLASSES * EACH] = {0, 0, 8, 1, 0, 0, 0, CLASSES * EACH};
    pictures[15] = 1;
    for (int i = 0; i < CLASSES * EACH; i++) {
        labels[8 + i] = (unsigned char)(i % CLASSES);
    }
    char path[256];
    snprintf(path, sizeof path, "%s/train-labels-idx1-ubyte", below);
    write_bytes(path, labels, sizeof labels);
    snprintf(path, sizeof path, "%s/train-images-idx3-ubyte.gz", below);
    gzFile file = gzopen(at(path), "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, pictures, sizeof pictures), sizeof pictures);
    assert_int_equal(gzclose(file), Z_OK);
}

/* A table of the pictures in the folders. */
static void write_table(const char *below) {
    vgg_text text = {0};
    char path[256];
    write_folders(below);
    for (int i = 0; i < CLASSES * EACH; i++) {
        vgg_text_add(&text, "class%d/%d.pgm,\"label %d\"\n", i % CLASSES, i / CLASSES, i % CLASSES);
    }
    snprintf(path, sizeof path, "%s/labels.csv", below);
    write_bytes(path, text.data, text.length);
    vgg_text_free(&text);
}

/* Parts with much beside them that is left out. */
static void write_parts(const char *below) {
    char path[256];
    write_folders(below);
    for (int i = 0; i < 12; i++) {
        snprintf(path, sizeof path, "%s/../extra%d/1.pgm", below, i);
        write_bytes(path, "x", 1);
        snprintf(path, sizeof path, "%s/class0/.hidden%d", below, i);
        write_bytes(path, "x", 1);
        snprintf(path, sizeof path, "%s/class0/deeper/x.%d", below, i);
        write_bytes(path, "x", 1);
    }
}

/* Opens the data set and reads a picture after `begin` was called with n. */
static bool open_failing(const char *path, void begin(size_t n), size_t n) {
    vgg_dataset_options options;
    vgg_dataset_options_init(&options, sizeof options);
    options.validation_split = 0.5;
    vgg_dataset *train = NULL, *validation = NULL;
    vgg_image image = {0};
    vgg_error error = {0};
    begin(n);
    vgg_status status = vgg_dataset_open(path, &options, &train, &validation, &error);
    if (status == VGG_OK)
        status = vgg_dataset_read(train, 0, &image, &error);
    vgg_dataset_info info = {.struct_size = sizeof info};
    if (status == VGG_OK)
        status = vgg_dataset_describe(train, &info, &error);
    allocations used = allocations_end();
    if (status == VGG_OK)
        assert_int_equal(vgg_dataset_count(train) + vgg_dataset_count(validation), CLASSES * EACH);
    else if (status != VGG_ERROR_MEMORY)
        fail_msg("%s, %zu: %s: %s", path, n, vgg_status_name(status), error.message);
    assert_true(status == VGG_OK || used.failed);
    vgg_image_free(&image);
    vgg_dataset_free(train);
    vgg_dataset_free(validation);
    return used.failed;
}

static void begin_one(size_t n) {
    allocations_begin(n, false);
}

static void begin_lasting(size_t n) {
    allocations_begin(n, true);
}

static void failing_allocations_are_called_so(void **state) {
    (void)state;
    write_folders("folders");
    write_mnist("mnist");
    write_table("table");
    write_parts("parts/train");
    const char *paths[] = {at("folders"), at("mnist"), at("table"), at("parts")};
    for (size_t i = 0; allocations_work() && i < 4; i++) {
        size_t n = 1;
        while (open_failing(paths[i], begin_one, n) && open_failing(paths[i], begin_lasting, n)) {
            n++;
        }
        assert_true(n > 1);
    }
}

/* libarchive ends the process when a small allocation fails; memory that runs out, it survives. */
static void too_little_memory_for_archives_is_called_so(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int format, filter;
    } archives[] = {{"m.tar", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_NONE},
                    {"m.tar.gz", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_GZIP},
                    {"m.tar.bz2", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_BZIP2},
                    {"m.tar.xz", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_XZ},
                    {"m.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE}};
    for (size_t i = 0; allocations_work() && i < 5; i++) {
        write_archive(archives[i].name, archives[i].format, archives[i].filter);
        size_t room = 0;
        while (open_failing(at(archives[i].name), allocations_begin_within, room)) {
            room += 16384;
        }
        assert_true(room > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failing_allocations_are_called_so),
        cmocka_unit_test(too_little_memory_for_archives_is_called_so),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
