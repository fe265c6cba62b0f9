/* Files that replace others, and files that are put into folders: copies and links, and names that
 * are taken. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/file.h"
#include "base/text.h"
#include "vgg/file.h"
#include "vgg_test.h"

static char *root; /* a fresh folder of each test */

static int make_folder(void **state) {
    (void)state;
    char name[] = "/tmp/vgg-put-XXXXXX";
    root = mkdtemp(name) == NULL ? NULL : vgg_text_copy(name);
    return root == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    int failed = system(command);
    free(root);
    return failed;
}

/* "<root>/<name>"; valid until the fourth call after it. */
static const char *in(const char *name) {
    static char paths[4][300];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", root, name);
    return paths[next];
}

static void write_text(const char *name, const char *text) {
    vgg_error error;
    vgg_file_writer writer;
    assert_ok(vgg_file_create(&writer, in(name), &error), error);
    assert_ok(vgg_file_write(&writer, text, strlen(text), &error), error);
    assert_ok(vgg_file_commit(&writer, &error), error);
}

static void assert_text(const char *name, const char *text) {
    vgg_error error;
    unsigned char *data;
    size_t size;
    assert_ok(vgg_file_read(in(name), 1 << 20, &data, &size, &error), error);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(data, text, size);
    free(data);
}

/* Puts the file and checks the name that it got, and whether it was there. */
static void put(const char *name, const char *folder, vgg_put how, const char *expected,
                bool expected_already) {
    vgg_error error;
    char *there;
    bool already = !expected_already;
    assert_ok(vgg_file_put(in(name), in(folder), how, &already, &there, &error), error);
    assert_string_equal(there, in(expected));
    assert_int_equal(already, expected_already);
    vgg_string_free(there);
}

static size_t count_entries(const char *folder) {
    DIR *open = opendir(in(folder));
    assert_non_null(open);
    size_t count = 0;
    struct dirent *entry;
    while ((entry = readdir(open)) != NULL) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(open);
    return count;
}

static void copies_keep_what_the_file_has(void **state) {
    (void)state;
    write_text("a.jpg", "picture");
    const struct timespec times[] = {{1000000000, 5000}, {1100000000, 7000}};
    assert_int_equal(utimensat(AT_FDCWD, in("a.jpg"), times, 0), 0);
    mode_t mask = umask(077);
    for (mode_t mode = 0444; mode <= 0664; mode += 0220) {
        assert_int_equal(chmod(in("a.jpg"), mode), 0);
        char folder[32];
        snprintf(folder, sizeof folder, "to/%o", mode);
        vgg_error error;
        assert_ok(vgg_file_put(in("a.jpg"), in(folder), VGG_PUT_COPY, NULL, NULL, &error), error);
        struct stat info;
        snprintf(folder, sizeof folder, "to/%o/a.jpg", mode);
        assert_int_equal(stat(in(folder), &info), 0);
        assert_int_equal(info.st_mode & 07777, mode);
        assert_int_equal(info.st_mtim.tv_sec, 1100000000);
        assert_int_equal(info.st_mtim.tv_nsec, 7000);
        assert_text(folder, "picture");
    }
    umask(mask);
}

static void names_that_are_taken_get_a_number(void **state) {
    (void)state;
    vgg_error error;
    static const char *const folders[] = {"one", "two", "three", "into"};
    for (size_t i = 0; i < 4; i++) {
        assert_ok(vgg_folder_create(in(folders[i]), &error), error);
    }
    write_text("one/a.b.jpg", "one");
    write_text("two/a.b.jpg", "two");
    write_text("three/a.b.jpg", "one");
    put("one/a.b.jpg", "into", VGG_PUT_COPY, "into/a.b.jpg", false);
    put("two/a.b.jpg", "into", VGG_PUT_COPY, "into/a.b-2.jpg", false);
    put("three/a.b.jpg", "into", VGG_PUT_COPY, "into/a.b.jpg", true);
    put("two/a.b.jpg", "into", VGG_PUT_COPY, "into/a.b-2.jpg", true);
    put("into/a.b.jpg", "into", VGG_PUT_COPY, "into/a.b.jpg", true);
    assert_text("into/a.b.jpg", "one");
    assert_text("into/a.b-2.jpg", "two");
    /* Folders and links that lead nowhere have their names, too. */
    write_text("one/plain", "p");
    write_text("one/.hidden", "h");
    assert_ok(vgg_folder_create(in("into/plain"), &error), error);
    assert_int_equal(symlink("nowhere", in("into/.hidden")), 0);
    put("one/plain", "into", VGG_PUT_COPY, "into/plain-2", false);
    put("one/.hidden", "into", VGG_PUT_COPY, "into/.hidden-2", false);
    assert_int_equal(access(in("into/nowhere"), F_OK), -1);
    assert_int_equal(count_entries("into"), 6);
}

/* After a hundred of one name the next are told apart by what they are, found again, too. */
static void names_after_many(void **state) {
    (void)state;
    vgg_error error;
    assert_ok(vgg_folder_create(in("from"), &error), error);
    for (int round = 0; round < 2; round++) {
        for (int i = 1; i <= 102; i++) {
            char text[16], expected[64];
            snprintf(text, sizeof text, "%d", i);
            write_text("from/a.jpg", text);
            snprintf(expected, sizeof expected, i == 1 ? "into/a.jpg" : "into/a-%d.jpg", i);
            if (i > 99)
                snprintf(expected, sizeof expected, "into/a-%016" PRIx64 ".jpg",
                         vgg_checksum_of(text, strlen(text)));
            put("from/a.jpg", "into", VGG_PUT_COPY, expected, round == 1);
        }
    }
    put("from/a.jpg", "links", VGG_PUT_LINK, "links/a.jpg", false);
    assert_int_equal(count_entries("into"), 102);
    /* Something else with such a name is left as it is. */
    write_text("from/a.jpg", "103");
    char taken[64];
    snprintf(taken, sizeof taken, "into/a-%016" PRIx64 ".jpg", vgg_checksum_of("103", 3));
    write_text(taken, "other");
    assert_int_equal(vgg_file_put(in("from/a.jpg"), in("into"), VGG_PUT_COPY, NULL, NULL, &error),
                     VGG_ERROR_IO);
    assert_contains(error.message, "found no free name in ");
    assert_text(taken, "other");
}

static void links_lead_to_the_file_from_wherever(void **state) {
    (void)state;
    vgg_error error;
    write_text("a.jpg", "picture");
    assert_ok(vgg_folder_create(in("other"), &error), error);
    write_text("other/a.jpg", "picture");
    assert_int_equal(symlink("a.jpg", in("b.jpg")), 0);
    put("a.jpg", "into", VGG_PUT_LINK, "into/a.jpg", false);
    put("a.jpg", "into", VGG_PUT_LINK, "into/a.jpg", true);
    put("other/a.jpg", "into", VGG_PUT_LINK, "into/a-2.jpg", false);
    put("b.jpg", "into", VGG_PUT_LINK, "into/b.jpg", false);
    /* A copy is none of the links. */
    put("a.jpg", "into", VGG_PUT_COPY, "into/a-3.jpg", false);
    char whole[4096], led[4096];
    assert_non_null(realpath(in("a.jpg"), whole));
    ssize_t length = readlink(in("into/b.jpg"), led, sizeof led - 1);
    assert_true(length > 0);
    led[length] = '\0';
    assert_string_equal(led, whole);
    assert_text("into/a-2.jpg", "picture");
    assert_int_equal(count_entries("into"), 4);
}

static void what_cannot_be_put_is_named(void **state) {
    (void)state;
    vgg_error error;
    write_text("a.jpg", "picture");
    assert_int_equal(vgg_file_put(in("none.jpg"), in("into"), VGG_PUT_COPY, NULL, NULL, &error),
                     VGG_ERROR_NOT_FOUND);
    assert_contains(error.message, "none.jpg: cannot open: ");
    assert_int_equal(access(in("into"), F_OK), -1);
    assert_int_equal(vgg_file_put(in("a.jpg"), in("a.jpg/x"), VGG_PUT_COPY, NULL, NULL, &error),
                     VGG_ERROR_IO);
    assert_contains(error.message, "a.jpg");
    assert_int_equal(vgg_file_put(root, in("into"), VGG_PUT_COPY, NULL, NULL, &error),
                     VGG_ERROR_IO);
    assert_contains(error.message, "is a folder");
    assert_int_equal(vgg_file_put(in("a.jpg"), in("into"), (vgg_put)7, NULL, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "found 7");
}

/* What is larger than the pieces that files are read in, and differs in its last byte. */
static void long_files(void **state) {
    (void)state;
    enum { SIZE = 3 * 65536 };
    static char bytes[SIZE + 1];
    vgg_error error;
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (char)('a' + i * 31 % 26);
    }
    assert_ok(vgg_folder_create(in("one"), &error), error);
    assert_ok(vgg_folder_create(in("two"), &error), error);
    write_text("one/a", bytes);
    put("one/a", "into", VGG_PUT_COPY, "into/a", false);
    assert_text("into/a", bytes);
    bytes[SIZE - 1] = '!';
    write_text("two/a", bytes);
    put("two/a", "into", VGG_PUT_COPY, "into/a-2", false);
    assert_text("into/a-2", bytes);
    put("one/a", "into", VGG_PUT_COPY, "into/a", true);
}

/* Through a link, and with its permissions, whatever the mask; nothing else is left. */
static void files_are_replaced_whole(void **state) {
    (void)state;
    vgg_error error;
    struct stat info;
    write_text("a.txt", "before");
    assert_int_equal(chmod(in("a.txt"), 0640), 0);
    assert_int_equal(symlink("a.txt", in("b.txt")), 0);
    mode_t mask = umask(077);
    assert_ok(vgg_file_replace(in("b.txt"), "after", 5, &error), error);
    assert_ok(vgg_file_replace(in("c.txt"), "", 0, &error), error);
    umask(mask);
    assert_int_equal(lstat(in("b.txt"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(in("a.txt"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_text("a.txt", "after");
    assert_text("c.txt", "");
    assert_int_equal(vgg_file_replace(root, "x", 1, &error), VGG_ERROR_IO);
    assert_contains(error.message, "is a folder");
    assert_int_equal(vgg_file_replace(in("none/a.txt"), "x", 1, &error), VGG_ERROR_NOT_FOUND);
    assert_contains(error.message, "none/a.txt: cannot create: ");
    assert_int_equal(count_entries("."), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_replaced_whole, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(copies_keep_what_the_file_has, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(names_that_are_taken_get_a_number, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(names_after_many, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(links_lead_to_the_file_from_wherever, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_cannot_be_put_is_named, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(long_files, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
