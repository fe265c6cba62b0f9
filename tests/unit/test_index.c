/* Indexes: what an update keeps and computes, files and damage to them, and searching. */
#include "pictures.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "vgg/index.h"

static vgg_model *model;

/* The pictures of the validation part but for some, by number. */
typedef struct walk {
    size_t at, end;
    const char *more; /* one at the end, or NULL */
    size_t again;     /* how often all is given once more */
    vgg_picture picture;
} walk;

static const vgg_picture *next_picture(void *user) {
    walk *w = user;
    if (w->at < w->end) {
        w->picture.path = vgg_dataset_item_name(validation_part, w->at++);
        return &w->picture;
    }
    if (w->again > 0) {
        w->again--;
        w->at = 0;
        return next_picture(user);
    }
    w->picture.path = w->more;
    w->more = NULL;
    return w->picture.path != NULL ? &w->picture : NULL;
}

static vgg_status update(vgg_index *index, size_t begin, size_t end, const char *more,
                         const vgg_index_update_options *options, vgg_index_changes *changes,
                         vgg_error *error) {
    walk w = {.at = begin, .end = end, .more = more};
    vgg_picture_init(&w.picture, sizeof w.picture);
    *changes = (vgg_index_changes){.struct_size = sizeof *changes};
    return vgg_index_update(index, next_picture, &w, options, changes, error);
}

static vgg_index *make_index(size_t begin, size_t end) {
    vgg_index *index = NULL;
    vgg_index_changes changes;
    vgg_error error;
    assert_ok(vgg_index_create(model, NULL, &index, &error), error);
    assert_ok(update(index, begin, end, NULL, NULL, &changes, &error), error);
    assert_int_equal(changes.added, end - begin);
    return index;
}

static void copy_file(const char *from, const char *to) {
    unsigned char *bytes;
    size_t size;
    vgg_error error;
    assert_ok(vgg_file_read(from, 1 << 20, &bytes, &size, &error), error);
    FILE *file = fopen(to, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

static void updates_end_in_the_same_bytes(void **state) {
    (void)state;
    vgg_error error;
    vgg_index_changes changes;
    vgg_index *index = make_index(3, 12), *at_once = make_index(0, 10);
    assert_ok(update(index, 0, 10, NULL, NULL, &changes, &error), error);
    assert_int_equal(changes.kept, 7);
    assert_int_equal(changes.added, 3);
    assert_int_equal(changes.removed, 2);
    assert_int_equal(changes.changed, 0);
    assert_ok(vgg_index_save(index, in_folder("a.index"), &error), error);
    assert_ok(vgg_index_save(at_once, in_folder("b.index"), &error), error);
    assert_same_file(in_folder("a.index"), in_folder("b.index"));
    vgg_index *again = NULL;
    assert_ok(vgg_index_open(in_folder("a.index"), model, NULL, &again, &error), error);
    assert_ok(vgg_index_save(again, in_folder("b.index"), &error), error);
    assert_same_file(in_folder("a.index"), in_folder("b.index"));
    vgg_index_free(index);
    vgg_index_free(at_once);
    vgg_index_free(again);
}

static void names_that_come_twice_count_once(void **state) {
    (void)state;
    vgg_error error;
    vgg_index_changes changes = {.struct_size = sizeof changes};
    vgg_index *index = make_index(0, 2), *once = make_index(0, VALIDATION_PICTURES);
    walk w = {.end = VALIDATION_PICTURES, .again = 2};
    vgg_picture_init(&w.picture, sizeof w.picture);
    assert_ok(vgg_index_update(index, next_picture, &w, NULL, &changes, &error), error);
    assert_int_equal(changes.kept, 2);
    assert_int_equal(changes.added, VALIDATION_PICTURES - 2);
    assert_ok(vgg_index_save(index, in_folder("a.index"), &error), error);
    assert_ok(vgg_index_save(once, in_folder("b.index"), &error), error);
    assert_same_file(in_folder("a.index"), in_folder("b.index"));
    vgg_index_free(index);
    vgg_index_free(once);
}

static void files_that_change_are_computed_again(void **state) {
    (void)state;
    vgg_error error;
    vgg_index_changes changes;
    vgg_index_update_options by_contents;
    const char *path = in_folder("moving.png");
    copy_file(vgg_dataset_item_name(validation_part, 0), path);
    vgg_index *index = make_index(0, 0);
    vgg_index_update_options_init(&by_contents, sizeof by_contents);
    by_contents.contents = true;
    assert_ok(update(index, 0, 0, path, NULL, &changes, &error), error);
    assert_int_equal(changes.added, 1);
    float before = vgg_index_row(index, 0)[0];
    /* Touched, it counts as another by its time, and not by its contents. */
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_ok(update(index, 0, 0, path, &by_contents, &changes, &error), error);
    assert_int_equal(changes.kept, 1);
    assert_ok(update(index, 0, 0, path, NULL, &changes, &error), error);
    assert_int_equal(changes.kept, 1);
    copy_file(vgg_dataset_item_name(validation_part, 7), path);
    assert_ok(update(index, 0, 0, path, NULL, &changes, &error), error);
    assert_int_equal(changes.changed, 1);
    assert_true(before < vgg_index_row(index, 0)[0] || before > vgg_index_row(index, 0)[0]);
    /* One that cannot be read any more is none of the index. */
    write_text(path, "no picture");
    assert_ok(update(index, 0, 2, path, NULL, &changes, &error), error);
    assert_int_equal(changes.unread, 1);
    assert_int_equal(changes.added, 2);
    assert_int_equal(vgg_index_find(index, path), 2);
    vgg_index_free(index);
}

static bool stop_at_once(void *user, const vgg_index_event *event) {
    (void)event;
    return ++*(size_t *)user < 3;
}

static void a_stopped_update_keeps_what_there_is(void **state) {
    (void)state;
    vgg_error error;
    vgg_index_changes changes;
    vgg_index_update_options options;
    vgg_index_info info = {.struct_size = sizeof info};
    size_t told = 0;
    vgg_index *index = make_index(10, 15);
    vgg_index_update_options_init(&options, sizeof options);
    options.told = stop_at_once;
    options.user = &told;
    assert_int_equal(update(index, 0, 15, NULL, &options, &changes, &error), VGG_ERROR_STOPPED);
    assert_ok(vgg_index_describe(index, &info, &error), error);
    assert_in_range(info.pictures, 6, 14);
    assert_ok(update(index, 0, 15, NULL, NULL, &changes, &error), error);
    assert_int_equal(changes.kept + changes.added, 15);
    assert_true(changes.kept > 5);
    vgg_index_free(index);
}

/* Pictures that were to be read anew when an update stopped are there as they were. */
static void a_stopped_update_loses_nothing(void **state) {
    (void)state;
    vgg_error error;
    vgg_index_changes changes;
    vgg_index_update_options options;
    vgg_index_info info = {.struct_size = sizeof info};
    const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    size_t told = 0;
    vgg_index *index = make_index(0, 15);
    for (size_t i = 0; i < 15; i++) {
        const char *name = vgg_dataset_item_name(validation_part, i);
        assert_int_equal(utimensat(AT_FDCWD, name, times, 0), 0);
    }
    vgg_index_update_options_init(&options, sizeof options);
    options.told = stop_at_once;
    options.user = &told;
    assert_int_equal(update(index, 0, 15, NULL, &options, &changes, &error), VGG_ERROR_STOPPED);
    assert_ok(vgg_index_describe(index, &info, &error), error);
    assert_int_equal(info.pictures, 15);
    vgg_index_free(index);
}

static void a_name_beside_the_path_is_refused(void **state) {
    (void)state;
    vgg_error error;
    vgg_index_changes changes = {.struct_size = sizeof changes};
    vgg_index *index = make_index(0, 2);
    walk w = {.end = 1};
    vgg_picture_init(&w.picture, sizeof w.picture);
    w.picture.name = "another";
    assert_int_equal(vgg_index_update(index, next_picture, &w, NULL, &changes, &error),
                     VGG_ERROR_ARGUMENT);
    vgg_index_free(index);
}

static void a_picture_finds_itself(void **state) {
    (void)state;
    vgg_error error;
    vgg_index *index = make_index(0, VALIDATION_PICTURES);
    for (size_t i = 0; i < VALIDATION_PICTURES; i++) {
        vgg_index_match matches[VALIDATION_PICTURES + 1];
        size_t found;
        const char *name = vgg_dataset_item_name(validation_part, i);
        assert_ok(
            vgg_index_search_file(index, name, VALIDATION_PICTURES + 1, matches, &found, &error),
            error);
        assert_int_equal(found, VALIDATION_PICTURES);
        assert_string_equal(matches[0].name, name);
        assert_true(fabs(matches[0].similarity - 1) < 1e-6);
        for (size_t m = 0; m < found; m++) {
            const float *a = vgg_index_row(index, i), *b = vgg_index_row(index, matches[m].picture);
            double sum = 0;
            for (size_t k = 0; k < 20; k++) {
                sum += (double)a[k] * (double)b[k];
            }
            assert_true(fabs(sum - matches[m].similarity) < 1e-6);
            assert_true(m == 0 || matches[m].similarity <= matches[m - 1].similarity);
        }
        assert_ok(vgg_index_search(index, vgg_index_row(index, i), 1, matches, &found, &error),
                  error);
        assert_int_equal(found, 1);
        assert_int_equal(matches[0].picture, i);
    }
    vgg_index_free(index);
}

static void damage_is_found(void **state) {
    (void)state;
    vgg_error error;
    vgg_index *index = make_index(0, 2);
    const char *path = in_folder("whole.index");
    assert_ok(vgg_index_save(index, path, &error), error);
    vgg_index_free(index);
    unsigned char *bytes;
    size_t size;
    assert_ok(vgg_file_read(path, 1 << 20, &bytes, &size, &error), error);
    for (size_t i = 0; i < size; i += i < 400 ? 1 : 97) {
        bytes[i] ^= 4;
        FILE *file = fopen(path, "wb");
        assert_int_equal(fwrite(bytes, 1, size, file), size);
        assert_int_equal(fclose(file), 0);
        bytes[i] ^= 4;
        if (vgg_index_open(path, model, NULL, &index, &error) != VGG_ERROR_FORMAT)
            fail_msg("byte %zu is not missed", i);
    }
    for (size_t end = 0; end < size; end += 31) {
        FILE *file = fopen(path, "wb");
        assert_int_equal(fwrite(bytes, 1, end, file), end);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(vgg_index_open(path, model, NULL, &index, &error), VGG_ERROR_FORMAT);
        assert_contains(error.message, path);
    }
    free(bytes);
}

static void another_model_is_refused(void **state) {
    (void)state;
    vgg_error error;
    vgg_index *index = make_index(0, 2);
    assert_ok(vgg_index_save(index, in_folder("c.index"), &error), error);
    vgg_index_free(index);
    vgg_model *other = usual_model(false);
    fill_tensor(other, "features.0.bias", 0.25f);
    assert_int_equal(vgg_index_open(in_folder("c.index"), other, NULL, &index, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "another model");
    vgg_model_free(other);
    /* Without the layers that the rows are made of. */
    other = make_model("8,M/16", 10, false, 0);
    assert_int_equal(vgg_index_open(in_folder("c.index"), other, NULL, &index, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "another model");
    vgg_model_free(other);
}

/* ---- near-duplicates ---- */

static bool count_group(void *user, const vgg_duplicate_group *group) {
    size_t *sizes = user;
    sizes[0]++;
    sizes[1] += group->count;
    return group->count == 2 && group->pair_count == 1 && group->pairs[0].first == 0 &&
           group->pairs[0].second == 3 && group->pairs[0].likeness >= 1;
}

static void copies_are_found(void **state) {
    (void)state;
    vgg_error error;
    vgg_index_changes changes;
    size_t sizes[2] = {0};
    const char *path = in_folder("copy.png");
    copy_file(vgg_dataset_item_name(validation_part, 0), path);
    vgg_index *index = make_index(0, 3);
    assert_ok(update(index, 0, 3, path, NULL, &changes, &error), error);
    assert_ok(vgg_index_duplicates(index, NULL, count_group, sizes, &error), error);
    assert_int_equal(sizes[0], 1);
    assert_int_equal(sizes[1], 2);
    vgg_index_free(index);
}

static int set_up(void **state) {
    if (open_pictures(state) != 0)
        return 1;
    model = usual_model(false);
    return 0;
}

static int tear_down(void **state) {
    vgg_model_free(model);
    return close_pictures(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_end_in_the_same_bytes),
        cmocka_unit_test(names_that_come_twice_count_once),
        cmocka_unit_test(files_that_change_are_computed_again),
        cmocka_unit_test(a_stopped_update_keeps_what_there_is),
        cmocka_unit_test(a_stopped_update_loses_nothing),
        cmocka_unit_test(a_name_beside_the_path_is_refused),
        cmocka_unit_test(a_picture_finds_itself),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(another_model_is_refused),
        cmocka_unit_test(copies_are_found),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
