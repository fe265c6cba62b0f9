/* Files: reading, mapping, and writing them wholly or not at all. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "vgg_test.h"

static int make_folder(void **state) {
    char name[] = "/tmp/vgg-file-XXXXXX";
    *state = mkdtemp(name) == NULL ? NULL : vgg_text_copy(name);
    return *state == NULL;
}

static int remove_folder(void **state) {
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    int failed = system(command);
    free(*state);
    return failed;
}

static void test_files(void **state) {
    vgg_error error;
    char *path = vgg_path_join(*state, "a"), *deep = vgg_path_join(*state, "x/y/z");
    vgg_file_writer writer;
    assert_ok(vgg_file_create(&writer, path, &error), error);
    assert_ok(vgg_file_write(&writer, "hello", 5, &error), error);
    assert_int_equal(access(path, F_OK), -1);
    assert_ok(vgg_file_commit(&writer, &error), error);

    unsigned char *data;
    size_t size;
    assert_ok(vgg_file_read(path, 5, &data, &size, &error), error);
    assert_int_equal(size, 5);
    assert_memory_equal(data, "hello", 5);
    free(data);
    assert_int_equal(vgg_file_read(path, 4, &data, &size, &error), VGG_ERROR_UNSUPPORTED);
    assert_contains(error.message, "5 bytes, more than the limit of 4");

    const unsigned char *map;
    assert_ok(vgg_file_map(path, &map, &size, &error), error);
    assert_memory_equal(map, "hello", 5);
    vgg_file_unmap(map, size);

    /* A file that is given up leaves the former one and nothing beside it. */
    assert_ok(vgg_file_create(&writer, path, &error), error);
    assert_ok(vgg_file_write(&writer, "other", 5, &error), error);
    vgg_file_abandon(&writer);
    assert_ok(vgg_file_read(path, 5, &data, &size, &error), error);
    assert_memory_equal(data, "hello", 5);
    free(data);

    assert_ok(vgg_folder_create(deep, &error), error);
    assert_ok(vgg_folder_create(deep, &error), error);
    assert_int_equal(vgg_file_read(deep, 5, &data, &size, &error), VGG_ERROR_IO);
    assert_contains(error.message, "is a folder");
    assert_int_equal(vgg_folder_create(path, &error), VGG_ERROR_IO);
    assert_contains(error.message, "is not a folder");
    free(path);
    free(deep);
}

/* Bytes of a mapping that are in memory, as the system counts them. */
static size_t resident(const void *map) {
    FILE *file = fopen("/proc/self/smaps", "re");
    assert_non_null(file);
    char line[512];
    size_t kilobytes = 0;
    bool found = false, done = false;
    while (!done && fgets(line, sizeof line, file) != NULL) {
        if (strtoull(line, NULL, 16) == (uintptr_t)map)
            found = true;
        done = found && sscanf(line, "Rss: %zu", &kilobytes) == 1;
    }
    fclose(file);
    assert_true(done);
    return kilobytes * 1024;
}

static void test_dropped_pages(void **state) {
    enum { SIZE = 1 << 20, EDGE = 3 };
    static unsigned char data[SIZE];
    char *path = vgg_path_join(*state, "dropped");
    vgg_error error;
    vgg_file_writer writer;
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = (unsigned char)(i * 31 >> 3);
    }
    assert_ok(vgg_file_create(&writer, path, &error), error);
    assert_ok(vgg_file_write(&writer, data, SIZE, &error), error);
    assert_ok(vgg_file_commit(&writer, &error), error);
    const unsigned char *map;
    size_t size;
    assert_ok(vgg_file_map(path, &map, &size, &error), error);
    assert_memory_equal(map, data, SIZE);
    assert_int_equal(resident(map), SIZE);
    vgg_file_drop(map + EDGE, 1); /* no whole page */
    assert_int_equal(resident(map), SIZE);
    vgg_file_drop(map + EDGE, SIZE - 2 * EDGE); /* all but the first and the last page */
    assert_true(resident(map) > 0 && resident(map) <= 2 * (size_t)sysconf(_SC_PAGESIZE));
    assert_memory_equal(map, data, SIZE);
    vgg_file_unmap(map, size);
    free(path);
}

static void test_files_that_cannot_be_read(void **state) {
    vgg_error error;
    unsigned char *data;
    size_t size;
    char *pipe = vgg_path_join(*state, "pipe"), *none = vgg_path_join(*state, "none");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(vgg_file_read(pipe, 5, &data, &size, &error), VGG_ERROR_IO);
    assert_contains(error.message, "/pipe: is a pipe, expected a file");
    assert_int_equal(vgg_file_read(none, 5, &data, &size, &error), VGG_ERROR_NOT_FOUND);
    assert_contains(error.message, "No such file");
    vgg_file_writer writer;
    char *missing = vgg_path_join(none, "file");
    assert_int_equal(vgg_file_create(&writer, missing, &error), VGG_ERROR_NOT_FOUND);
    free(missing);
    free(pipe);
    free(none);
}

/* ---- the writer ---- */

static char *in_folder(void **state, const char *name) {
    char *path = vgg_path_join(*state, name);
    assert_non_null(path);
    return path;
}

static void write_file(const char *path, const char *text) {
    vgg_error error;
    vgg_file_writer writer;
    assert_ok(vgg_file_create(&writer, path, &error), error);
    assert_ok(vgg_file_write(&writer, text, strlen(text), &error), error);
    assert_ok(vgg_file_commit(&writer, &error), error);
}

/* Only "there is no such thing" is that; anything else is said. */
static void what_is_there(void **state) {
    char name[400], *is = in_folder(state, "is-there"), *below = in_folder(state, "is-there/below");
    bool there;
    vgg_error error;
    write_file(is, "");
    assert_ok(vgg_file_exists(is, &there, &error), error);
    assert_true(there);
    assert_ok(vgg_file_exists(below, &there, &error), error);
    assert_false(there);
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    char *longest = in_folder(state, name);
    assert_int_equal(vgg_file_exists(longest, &there, &error), VGG_ERROR_IO);
    assert_contains(error.message, "cannot look at: File name too long");
    free(longest);
    free(below);
    free(is);
}

static void assert_file(const char *path, const char *text) {
    vgg_error error;
    unsigned char *data;
    size_t size;
    assert_ok(vgg_file_read(path, 100, &data, &size, &error), error);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(data, text, size);
    free(data);
}

static mode_t permissions(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 07777;
}

static size_t files_in(const char *folder) {
    size_t count = 0;
    DIR *open = opendir(folder);
    assert_non_null(open);
    while (readdir(open) != NULL) {
        count++;
    }
    closedir(open);
    return count - 2; /* without "." and ".." */
}

static void new_files_have_the_permissions_of_the_mask(void **state) {
    char *path = in_folder(state, "new");
    mode_t mask = umask(027);
    write_file(path, "a");
    umask(mask);
    assert_int_equal(permissions(path), 0640);
    free(path);
}

static void replaced_files_keep_their_permissions(void **state) {
    static const mode_t modes[] = {0600, 0640, 0666, 0755, 0400};
    char *path = in_folder(state, "kept");
    write_file(path, "a");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        write_file(path, "b");
        assert_int_equal(permissions(path), modes[i]);
    }
    assert_int_equal(chmod(path, 0600), 0);
    assert_file(path, "b");
    assert_int_equal(files_in(*state), 1);
    free(path);
}

static void private_files_are_private_from_the_start(void **state) {
    char *path = in_folder(state, "private");
    write_file(path, "a");
    assert_int_equal(chmod(path, 0600), 0);
    vgg_error error;
    vgg_file_writer writer;
    assert_ok(vgg_file_create(&writer, path, &error), error);
    assert_int_equal(permissions(writer.temporary), 0600);
    vgg_file_abandon(&writer);
    free(path);
}

static void names_may_be_as_long_as_the_system_allows(void **state) {
    vgg_error error;
    vgg_file_writer writer;
    char name[257];
    memset(name, 'x', sizeof name);
    for (size_t length = 240; length <= 255; length++) {
        name[length] = '\0';
        char *path = in_folder(state, name);
        write_file(path, "long");
        assert_file(path, "long");
        free(path);
        name[length] = 'x';
    }
    name[256] = '\0';
    char *path = in_folder(state, name);
    assert_int_equal(vgg_file_create(&writer, path, &error), VGG_ERROR_IO);
    assert_contains(error.message, "name too long");
    assert_int_equal(files_in(*state), 16);
    free(path);
}

static void links_are_followed(void **state) {
    char *target = in_folder(state, "target"), *link = in_folder(state, "link");
    char *further = in_folder(state, "further"), *new = in_folder(state, "new");
    char *to_new = in_folder(state, "to-new");
    struct stat info;
    write_file(target, "a");
    assert_int_equal(symlink("target", link), 0);
    assert_int_equal(symlink(link, further), 0);
    write_file(further, "b");
    assert_file(target, "b");
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(lstat(further, &info), 0);
    assert_true(S_ISLNK(info.st_mode));

    /* One that leads nowhere makes the file that it names. */
    assert_int_equal(symlink("new", to_new), 0);
    write_file(to_new, "c");
    assert_file(new, "c");
    assert_int_equal(files_in(*state), 5);
    free(target);
    free(link);
    free(further);
    free(new);
    free(to_new);
}

static void a_circle_of_links_is_an_error(void **state) {
    char *one = in_folder(state, "one"), *two = in_folder(state, "two");
    vgg_error error;
    vgg_file_writer writer;
    assert_int_equal(symlink("two", one), 0);
    assert_int_equal(symlink("one", two), 0);
    assert_int_equal(vgg_file_create(&writer, one, &error), VGG_ERROR_IO);
    assert_contains(error.message, "/one: cannot create: Too many levels of symbolic links");
    free(one);
    free(two);
}

static void what_is_no_file_is_not_replaced(void **state) {
    char *pipe = in_folder(state, "pipe"), *folder = in_folder(state, "folder");
    char *link = in_folder(state, "null");
    vgg_error error;
    vgg_file_writer writer;
    struct stat info;
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(symlink("/dev/null", link), 0);
    assert_int_equal(vgg_file_create(&writer, pipe, &error), VGG_ERROR_IO);
    assert_contains(error.message, "/pipe: is a pipe, expected a file or a new name");
    assert_int_equal(vgg_file_create(&writer, folder, &error), VGG_ERROR_IO);
    assert_contains(error.message, "/folder: is a folder, expected a file or a new name");
    assert_int_equal(vgg_file_create(&writer, link, &error), VGG_ERROR_IO);
    assert_contains(error.message, "/null: is a device, expected a file or a new name");
    assert_int_equal(lstat(pipe, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    assert_int_equal(files_in(*state), 3);
    free(pipe);
    free(folder);
    free(link);
}

static void two_writers_do_not_meet(void **state) {
    char *path = in_folder(state, "both");
    vgg_error error;
    vgg_file_writer one, two;
    assert_ok(vgg_file_create(&one, path, &error), error);
    assert_ok(vgg_file_create(&two, path, &error), error);
    assert_ok(vgg_file_write(&one, "one", 3, &error), error);
    assert_ok(vgg_file_write(&two, "two", 3, &error), error);
    assert_ok(vgg_file_commit(&two, &error), error);
    assert_file(path, "two");
    assert_ok(vgg_file_commit(&one, &error), error);
    assert_file(path, "one");
    assert_int_equal(files_in(*state), 1);
    free(path);
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        FILE_TEST(test_files),
        FILE_TEST(test_dropped_pages),
        FILE_TEST(what_is_there),
        FILE_TEST(test_files_that_cannot_be_read),
        FILE_TEST(new_files_have_the_permissions_of_the_mask),
        FILE_TEST(replaced_files_keep_their_permissions),
        FILE_TEST(private_files_are_private_from_the_start),
        FILE_TEST(names_may_be_as_long_as_the_system_allows),
        FILE_TEST(links_are_followed),
        FILE_TEST(a_circle_of_links_is_an_error),
        FILE_TEST(what_is_no_file_is_not_replaced),
        FILE_TEST(two_writers_do_not_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
