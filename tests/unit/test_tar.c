/* Data sets in tar archives: what is read must be what libarchive reads, in every dialect of tar.
 */
#include "data_files.h"

#include <archive.h>
#include <archive_entry.h>

#include "data/tree.h"

typedef struct tar_writer {
    struct archive *archive;
} tar_writer;

static tar_writer begin_tar(const char *name, int format, int filter) {
    tar_writer writer = {archive_write_new()};
    assert_non_null(writer.archive);
    make_parents(at(name));
    assert_int_equal(archive_write_set_format(writer.archive, format), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter(writer.archive, filter), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(writer.archive, at(name)), ARCHIVE_OK);
    return writer;
}

static void end_tar(tar_writer *writer) {
    assert_int_equal(archive_write_close(writer->archive), ARCHIVE_OK);
    archive_write_free(writer->archive);
}

/* `kind` AE_IFREG with bytes, AE_IFDIR, or a link to `target`. */
static void add(tar_writer *writer, const char *path, mode_t kind, const void *bytes, size_t size,
                const char *hard, const char *soft) {
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, kind);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)size);
    if (hard != NULL)
        archive_entry_set_hardlink(entry, hard);
    if (soft != NULL)
        archive_entry_set_symlink(entry, soft);
    assert_true(archive_write_header(writer->archive, entry) >= ARCHIVE_WARN);
    if (size > 0)
        assert_int_equal(archive_write_data(writer->archive, bytes, size), size);
    archive_entry_free(entry);
}

/* A raw grey PGM picture of 1 row, `width` samples of `value`. */
static size_t make_pgm(char *bytes, size_t width, int value) {
    int header = snprintf(bytes, 32, "P5 %zu 1 255\n", width);
    memset(bytes + header, value, width);
    return (size_t)header + width;
}

static void add_picture(tar_writer *writer, const char *path, size_t width, int value) {
    char bytes[2048];
    add(writer, path, AE_IFREG, bytes, make_pgm(bytes, width, value), NULL, NULL);
}

static const char *long_name(void) {
    static char name[300];
    memset(name, 'n', 200);
    memcpy(name + 200, ".pgm", 5);
    return name;
}

/* Two classes; sizes around whole blocks of 512 bytes; a name too long for an old header and one
 * that is not ASCII. */
static void write_tar(const char *name, int format, int filter, const char *top) {
    tar_writer writer = begin_tar(name, format, filter);
    char path[512];
    const char *const names[] = {"b/2.pgm", "b/10.pgm", "b/._2.pgm", "a/z.pgm", "a/\xc3\xa9.pgm"};
    const size_t widths[] = {498, 499, 8, 500, 1010};
    snprintf(path, sizeof path, "%sa/", top);
    add(&writer, path, AE_IFDIR, NULL, 0, NULL, NULL);
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s%s", top, names[i]);
        add_picture(&writer, path, widths[i], (int)i + 1);
    }
    if (format != ARCHIVE_FORMAT_TAR_USTAR) {
        snprintf(path, sizeof path, "%sa/%s", top, long_name());
        add_picture(&writer, path, 20, 77);
    }
    end_tar(&writer);
}

static void check_tar(const char *name, bool with_long_name, const char *top) {
    vgg_dataset *train = NULL, *validation = NULL;
    vgg_error error;
    char expected[512];
    assert_ok(vgg_dataset_open(at(name), NULL, &train, &validation, &error), error);
    assert_null(validation);
    size_t first_b = with_long_name ? 3 : 2;
    assert_int_equal(vgg_dataset_count(train), first_b + 2);
    assert_string_equal(vgg_dataset_class_name(train, 0), "a");
    if (with_long_name)
        assert_int_equal(first_sample(train, 0), 77);
    snprintf(expected, sizeof expected, "%s: %sb/10.pgm", at(name), top);
    assert_string_equal(vgg_dataset_item_name(train, first_b), expected);
    assert_int_equal(vgg_dataset_item_class(train, first_b), 1);
    assert_int_equal(first_sample(train, first_b), 2);
    assert_int_equal(first_sample(train, first_b + 1), 1);
    assert_int_equal(first_sample(train, first_b - 2), 4);
    assert_int_equal(first_sample(train, first_b - 1), 5);
    assert_contains(vgg_dataset_item_name(train, first_b - 1), "a/\xc3\xa9.pgm");
    vgg_dataset_info info = {.struct_size = sizeof info};
    assert_ok(vgg_dataset_describe(train, &info, &error), error);
    assert_string_equal(info.kind, strstr(name, "z.") == name ? "zip" : "tar");
    assert_true(info.channels == 1 && info.width == 0);
    vgg_dataset_free(train);
}

static void every_dialect(void **state) {
    (void)state;
    write_tar("ustar.tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, "");
    check_tar("ustar.tar", false, "");
    write_tar("gnu.tar", ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_NONE, "./");
    check_tar("gnu.tar", true, "");
    write_tar("pax.tar", ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_NONE, "top/");
    check_tar("pax.tar", true, "top/");
}

static void every_compression(void **state) {
    (void)state;
    write_tar("t.tar.gz", ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_GZIP, "");
    check_tar("t.tar.gz", true, "");
    write_tar("t.tar.bz2", ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_BZIP2, "");
    check_tar("t.tar.bz2", true, "");
    write_tar("t.tar.xz", ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_XZ, "");
    check_tar("t.tar.xz", true, "");
}

static void zip_archives(void **state) {
    (void)state;
    write_tar("z.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, "");
    check_tar("z.zip", true, "");
    write_tar("z.dat", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, "./top/");
    check_tar("z.dat", true, "top/");
    tar_writer writer = begin_tar("table.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE);
    static const char table[] = "image,label\nsome/1.pgm,owl\n2.pgm,cat\n";
    add_picture(&writer, "x/some/1.pgm", 9, 1);
    add_picture(&writer, "x/some/2.pgm", 9, 2);
    add(&writer, "x/labels.csv", AE_IFREG, table, sizeof table - 1, NULL, NULL);
    add(&writer, "__MACOSX/x/._labels.csv", AE_IFREG, table, 4, NULL, NULL);
    end_tar(&writer);
    vgg_dataset_parts parts = {.struct_size = sizeof parts};
    vgg_error error;
    assert_ok(vgg_dataset_open_parts(at("table.zip"), NULL, &parts, &error), error);
    assert_string_equal(vgg_dataset_class_name(parts.train, 1), "owl");
    assert_int_equal(vgg_dataset_item_class(parts.train, 0), 1);
    assert_int_equal(first_sample(parts.train, 1), 2);
    assert_string_equal(parts.left_out, "left out: folder __MACOSX/");
    vgg_dataset_parts_free(&parts);
}

static void parts_links_and_doubles(void **state) {
    (void)state;
    tar_writer writer = begin_tar("p.tar", ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_NONE);
    add_picture(&writer, "./x/train/a/1.pgm", 9, 1);
    add_picture(&writer, "./x/train/b/1.pgm", 9, 2);
    add_picture(&writer, "./x/train/a.b/1.pgm", 9, 3);
    add_picture(&writer, "./x/train/a/1.pgm", 9, 4);
    add_picture(&writer, "./x/val/b/1.pgm", 9, 5);
    add(&writer, "./x/val/b/2.pgm", AE_IFREG, NULL, 0, "./x/train/a/1.pgm", NULL);
    add(&writer, "./x/val/b/3.pgm", AE_IFLNK, NULL, 0, NULL, "1.pgm");
    end_tar(&writer);
    vgg_dataset *train = NULL, *validation = NULL;
    vgg_error error;
    assert_ok(vgg_dataset_open(at("p.tar"), NULL, &train, &validation, &error), error);
    assert_int_equal(vgg_dataset_count(train), 3);
    assert_string_equal(vgg_dataset_class_name(train, 0), "a");
    assert_string_equal(vgg_dataset_class_name(train, 1), "a.b");
    assert_int_equal(first_sample(train, 0), 4);
    vgg_dataset_free(train);
    assert_int_equal(vgg_dataset_count(validation), 3);
    assert_int_equal(vgg_dataset_item_class(validation, 0), 2);
    assert_int_equal(first_sample(validation, 0), 5);
    assert_true(first_sample(validation, 1) == 1 || first_sample(validation, 1) == 4);
    vgg_image image = {0};
    assert_int_equal(vgg_dataset_read(validation, 2, &image, &error), VGG_ERROR_UNSUPPORTED);
    assert_contains(error.message, "p.tar: x/val/b/3.pgm: is a link");
    vgg_dataset_free(validation);
}

/* Changes a byte of the file. */
static void spoil_byte(const char *name, long offset) {
    FILE *file = fopen(at(name), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 1, file), byte ^ 1);
    assert_int_equal(fclose(file), 0);
}

/* The folder a/ at byte 0, the header of b/2.pgm at 512, its 511 bytes at 1024, the header of
 * b/10.pgm at 1536. */
static void damage_is_placed(void **state) {
    (void)state;
    write_tar("sum.tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, "");
    spoil_byte("sum.tar", 1536 + 2);
    expect_failure(at("sum.tar"), NULL, VGG_ERROR_FORMAT,
                   "sum.tar: damaged tar archive at byte 1536, after 2 entries: ");
    write_tar("data.tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, "");
    assert_int_equal(truncate(at("data.tar"), 1100), 0);
    expect_failure(at("data.tar"), NULL, VGG_ERROR_FORMAT,
                   "data.tar: ends at byte 1100, inside of b/2.pgm");
    /* Cut where libarchive, which seeks in steps of 64 KiB, sees nothing of it. */
    size_t large = (size_t)4 << 16;
    char *bytes = calloc(1, large);
    assert_non_null(bytes);
    tar_writer writer = begin_tar("large.tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
    add_picture(&writer, "a/1.pgm", 9, 1);
    add(&writer, "b/1.pgm", AE_IFREG, bytes, large, NULL, NULL);
    end_tar(&writer);
    free(bytes);
    assert_int_equal(truncate(at("large.tar"), 1 << 16), 0);
    expect_failure(at("large.tar"), NULL, VGG_ERROR_FORMAT,
                   "large.tar: ends at byte 65536, inside of b/1.pgm, whose 262144 bytes begin at "
                   "byte 1536");
    write_tar("header.tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, "");
    assert_int_equal(truncate(at("header.tar"), 1600), 0);
    expect_failure(at("header.tar"), NULL, VGG_ERROR_FORMAT,
                   "header.tar: ends at byte 1600, inside of the header at byte 1536");
    /* Without the blocks of zeros an archive is as good. */
    write_tar("bare.tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, "");
    struct stat info;
    assert_int_equal(stat(at("bare.tar"), &info), 0);
    /* a/, then five headers with 1, 1, 1, 2 and 2 blocks of data */
    off_t end = 512 * (1 + 5 + 1 + 1 + 1 + 2 + 2);
    assert_true(info.st_size > end);
    assert_int_equal(truncate(at("bare.tar"), end), 0);
    check_tar("bare.tar", false, "");
}

static void damaged_archives_are_named(void **state) {
    (void)state;
    write_tar("short.tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, "");
    assert_int_equal(truncate(at("short.tar"), 512 * 2 + 100), 0);
    expect_failure(at("short.tar"), NULL, VGG_ERROR_FORMAT, "short.tar: ");
    write_tar("short.tar.gz", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP, "");
    assert_int_equal(truncate(at("short.tar.gz"), 100), 0);
    expect_failure(at("short.tar.gz"), NULL, VGG_ERROR_FORMAT,
                   "short.tar.gz: cannot be unpacked as gzip");
    write_bytes("noise.tar.xz",
                "\xfd"
                "7zXZ\0 and then noise",
                21);
    expect_failure(at("noise.tar.xz"), NULL, VGG_ERROR_FORMAT, "noise.tar.xz: ");
    tar_writer writer = begin_tar("flat.tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
    add_picture(&writer, "1.pgm", 9, 1);
    end_tar(&writer);
    expect_failure(at("flat.tar"), NULL, VGG_ERROR_FORMAT, "flat.tar: has pictures but no folders");
    writer = begin_tar("gap.tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
    add_picture(&writer, "a/1.pgm", 9, 1);
    add(&writer, "hat/", AE_IFDIR, NULL, 0, NULL, NULL);
    end_tar(&writer);
    expect_failure(at("gap.tar"), NULL, VGG_ERROR_FORMAT, "gap.tar: hat: has no pictures");
}

/* A path of many folders would otherwise become as many nodes of a tree. */
static void paths_have_limits(void **state) {
    (void)state;
    static char path[1000003];
    for (size_t depth = 63; depth < 66; depth++) {
        size_t at_byte = 0;
        for (size_t i = 0; i < depth; i++) {
            at_byte += (size_t)sprintf(path + at_byte, "%c/", i == 0 ? 'a' : 'd');
        }
        memcpy(path + at_byte, "p.pgm", 6);
        tar_writer writer =
            begin_tar("deep.tar", ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_NONE);
        add_picture(&writer, "a/1.pgm", 9, 1);
        add_picture(&writer, path, 9, 1);
        add_picture(&writer, "b/1.pgm", 9, 1);
        end_tar(&writer);
        if (depth == 65) {
            expect_failure(at("deep.tar"), NULL, VGG_ERROR_UNSUPPORTED,
                           "deep.tar: the path of entry 1 has 135 bytes and 65 folders, more than");
            continue;
        }
        vgg_dataset *train = NULL;
        vgg_error error;
        assert_ok(vgg_dataset_open(at("deep.tar"), NULL, &train, NULL, &error), error);
        vgg_dataset_free(train);
    }
    for (size_t i = 0; i < 1000000; i++) {
        path[i] = i % 2 == 0 ? 'd' : '/';
    }
    memcpy(path + 1000000, "x", 2);
    tar_writer writer = begin_tar("deeper.tar.gz", ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_GZIP);
    add_picture(&writer, path, 9, 1);
    end_tar(&writer);
    expect_failure(at("deeper.tar.gz"), NULL, VGG_ERROR_UNSUPPORTED, "and 500000 folders");
}

static void trees_of_any_depth_are_freed(void **state) {
    (void)state;
    vgg_node root = {.folder = true};
    vgg_node *node = &root;
    for (size_t i = 0; i < 500000; i++) {
        node = vgg_node_add(node, "d", 1);
        assert_non_null(node);
    }
    vgg_node_clear(&root);
    assert_null(root.children);
    for (size_t i = 0; i < 9; i++) {
        node = vgg_node_add(&root, "class", 5);
        assert_non_null(node);
        assert_non_null(vgg_node_add(node, "picture", 7));
        assert_non_null(vgg_node_add(node, "picture", 7));
    }
    vgg_node_clear(&root);
    assert_int_equal(root.count, 0);
}

static void write_compressed(const char *name, const void *bytes, size_t size, size_t times) {
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    archive_write_set_format_raw(archive);
    archive_write_add_filter_bzip2(archive);
    assert_int_equal(archive_write_open_filename(archive, at(name)), ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_pathname(entry, "raw");
    assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
    for (size_t i = 0; i < times; i++) {
        assert_int_equal(archive_write_data(archive, bytes, size), size);
    }
    archive_entry_free(entry);
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
}

static void what_is_no_archive_inside(void **state) {
    (void)state;
    write_compressed("text.bz2", "hello hello hello", 17, 100);
    expect_failure(at("text.bz2"), NULL, VGG_ERROR_FORMAT,
                   "text.bz2: is a file compressed with bzip2 but not a tar archive");
    /* Zeros pack by far more than any archive of pictures. */
    size_t chunk = (size_t)1 << 20;
    char *zeros = calloc(1, chunk);
    assert_non_null(zeros);
    write_compressed("bomb.bz2", zeros, chunk, 70);
    free(zeros);
    expect_failure(at("bomb.bz2"), NULL, VGG_ERROR_UNSUPPORTED, "bomb.bz2: unpacks to more than");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_have_limits),
        cmocka_unit_test(trees_of_any_depth_are_freed),
        cmocka_unit_test(every_dialect),
        cmocka_unit_test(every_compression),
        cmocka_unit_test(zip_archives),
        cmocka_unit_test(parts_links_and_doubles),
        cmocka_unit_test(damage_is_placed),
        cmocka_unit_test(damaged_archives_are_named),
        cmocka_unit_test(what_is_no_archive_inside),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
