/* Features of the pictures of a data set: those of the pictures, from a file that keeps them too;
 * and its options and result, from callers that know less of them or more than the library. */
#include <sys/stat.h>
#include <unistd.h>

#include "edge.h"
#include "pictures.h"

#include "vgg/features.h"

static vgg_model *model;
static vgg_extractor *extractor;
static size_t features;
static float *rows, *right;
static size_t items[TRAIN_PICTURES];

static vgg_extractor *make(size_t layer) {
    const vgg_tap taps[] = {{layer}, {1}};
    vgg_extractor_options options;
    vgg_extractor *made = NULL;
    vgg_error error;
    vgg_extractor_options_init(&options, sizeof options);
    options.taps = taps;
    options.tap_count = 2;
    options.pool = VGG_FEATURE_POOL_AVERAGE;
    options.batch = 7;
    assert_ok(vgg_extractor_create(model, &options, &made, &error), error);
    return made;
}

static int set_up(void **state) {
    if (open_pictures(state) != 0)
        return 1;
    model = usual_model(false);
    extractor = make(4);
    for (size_t t = 0; t < 2; t++) {
        vgg_tap_info info = {.struct_size = sizeof info};
        vgg_extractor_tap(extractor, t, &info, NULL);
        features += info.values;
    }
    rows = calloc(TRAIN_PICTURES * features, sizeof *rows);
    right = calloc(TRAIN_PICTURES * features, sizeof *right);
    return rows == NULL || right == NULL;
}

static int tear_down(void **state) {
    vgg_extractor_free(extractor);
    vgg_model_free(model);
    free(rows);
    free(right);
    return close_pictures(state);
}

static vgg_extract_dataset_options keeping(const char *name) {
    vgg_extract_dataset_options options;
    vgg_extract_dataset_options_init(&options, sizeof options);
    options.cache = in_folder(name);
    return options;
}

static vgg_extract_dataset_result extract(vgg_extractor *by,
                                          const vgg_extract_dataset_options *options) {
    vgg_extract_dataset_result result = {.struct_size = sizeof result};
    vgg_error error;
    memset(rows, 0, TRAIN_PICTURES * features * sizeof *rows);
    assert_ok(vgg_extract_dataset(by, train_part, options, rows, items, &result, &error), error);
    return result;
}

static void find_right(void) {
    for (size_t i = 0; i < TRAIN_PICTURES; i++) {
        vgg_image image = {0};
        vgg_error error;
        vgg_tap_info info = {.struct_size = sizeof info};
        vgg_extractor_tap(extractor, 0, &info, NULL);
        float *const values[] = {right + i * features, right + i * features + info.values};
        assert_ok(vgg_dataset_read(train_part, i, &image, &error), error);
        assert_ok(vgg_extract_image(extractor, &image, values, &error), error);
        vgg_image_free(&image);
    }
}

static void assert_right(const vgg_extract_dataset_result *result, bool cached) {
    assert_int_equal(result->rows, TRAIN_PICTURES);
    assert_int_equal(result->skipped, 0);
    assert_int_equal(result->cached, cached);
    assert_memory_equal(rows, right, TRAIN_PICTURES * features * sizeof *rows);
    for (size_t i = 0; i < TRAIN_PICTURES; i++) {
        assert_int_equal(items[i], i);
    }
}

static void those_of_the_pictures(void **state) {
    (void)state;
    vgg_extract_dataset_options options = keeping("a.cache");
    find_right();
    vgg_extract_dataset_result result = extract(extractor, NULL);
    assert_right(&result, false);
    for (size_t time = 0; time < 3; time++) {
        result = extract(extractor, &options);
        assert_right(&result, time > 0);
    }
}

static void those_of_another_layer_are_computed(void **state) {
    (void)state;
    vgg_extract_dataset_options options = keeping("b.cache");
    vgg_extractor *other = make(3);
    extract(other, &options);
    vgg_extract_dataset_result result = extract(extractor, &options);
    assert_right(&result, false);
    result = extract(extractor, &options);
    assert_right(&result, true);
    vgg_extractor_free(other);
}

static void somebody_elses_file_stays(void **state) {
    (void)state;
    vgg_extract_dataset_options options = keeping("notes.txt");
    vgg_error error;
    write_text(options.cache, "notes");
    assert_int_equal(
        vgg_extract_dataset(extractor, train_part, &options, rows, items, NULL, &error),
        VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "is no file of cached features");
    char *text = read_text(options.cache);
    assert_string_equal(text, "notes");
    free(text);
}

static void change_byte(const char *path, long offset) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 1, file), byte ^ 1);
    assert_int_equal(fclose(file), 0);
}

static void damage_is_told(void **state) {
    (void)state;
    vgg_extract_dataset_options options = keeping("c.cache");
    vgg_error error;
    extract(extractor, &options);
    change_byte(options.cache, 100);
    assert_int_equal(
        vgg_extract_dataset(extractor, train_part, &options, rows, items, NULL, &error),
        VGG_ERROR_IO);
    assert_contains(error.message, "has other bytes than were written");
}

static bool stop_soon(void *user, size_t done, size_t total) {
    (void)user;
    assert_int_equal(total, TRAIN_PICTURES);
    return done < 9;
}

static void a_stop_leaves_no_file(void **state) {
    (void)state;
    vgg_extract_dataset_options options = keeping("d.cache");
    vgg_error error;
    options.progress = stop_soon;
    assert_int_equal(
        vgg_extract_dataset(extractor, train_part, &options, rows, items, NULL, &error),
        VGG_ERROR_STOPPED);
    assert_contains(error.message, "stopped after 9 of 60 pictures");
    assert_exists(options.cache, true);
}

static bool count_skipped(void *user, const char *name, const vgg_error *why) {
    assert_contains(why->message, name);
    return ++*(size_t *)user < 2;
}

static void pictures_that_cannot_be_read(void **state) {
    (void)state;
    vgg_dataset *train = NULL, *validation = NULL;
    vgg_extract_dataset_result result = {.struct_size = sizeof result};
    vgg_error error;
    size_t skipped = 0;
    assert_ok(vgg_pictogram_write(in_folder("spoilt"), 1, 1, 20, 1, NULL, NULL, &error), error);
    open_parts(in_folder("spoilt"), &train, &validation);
    write_text(vgg_dataset_item_name(train, 0), "no picture");
    write_text(vgg_dataset_item_name(train, 9), "no picture");
    vgg_extract_dataset_options options = keeping("e.cache");
    options.skipped = count_skipped;
    options.user = &skipped;
    assert_int_equal(vgg_extract_dataset(extractor, train, &options, rows, items, &result, &error),
                     VGG_ERROR_FORMAT);
    assert_exists(options.cache, true);
    options.skipped = NULL;
    for (size_t time = 0; time < 2; time++) {
        assert_ok(vgg_extract_dataset(extractor, train, &options, rows, items, &result, &error),
                  error);
        assert_int_equal(result.rows, 8);
        assert_int_equal(result.skipped, 2);
        assert_int_equal(result.cached, time > 0);
        assert_int_equal(items[0], 1);
        assert_int_equal(items[7], 8);
    }
    skipped = 0;
    options.skipped = count_skipped;
    assert_int_equal(vgg_extract_dataset(extractor, train, &options, rows, items, &result, &error),
                     VGG_ERROR_FORMAT);
    assert_contains(error.message, "could not be read when");
    vgg_dataset_free(train);
    vgg_dataset_free(validation);
}

/* Where a picture is there but cannot be read now, the file would say so for ever. */
static void failures_that_may_pass_are_not_kept(void **state) {
    (void)state;
    vgg_dataset *train = NULL, *validation = NULL;
    vgg_extract_dataset_result result = {.struct_size = sizeof result};
    vgg_error error;
    assert_ok(vgg_pictogram_write(in_folder("passing"), 1, 1, 20, 1, NULL, NULL, &error), error);
    open_parts(in_folder("passing"), &train, &validation);
    const char *name = vgg_dataset_item_name(train, 3);
    vgg_extract_dataset_options options = keeping("f.cache");
    assert_int_equal(remove(name), 0);
    assert_int_equal(mkdir(name, 0777), 0);
    for (size_t time = 0; time < 2; time++) {
        assert_ok(vgg_extract_dataset(extractor, train, &options, rows, items, &result, &error),
                  error);
        assert_int_equal(result.rows, 9);
        assert_int_equal(result.skipped, 1);
        assert_false(result.cached);
        assert_false(result.kept);
        assert_exists(options.cache, true);
    }
    assert_int_equal(rmdir(name), 0);
    write_text(name, "no picture");
    assert_ok(vgg_extract_dataset(extractor, train, &options, rows, items, &result, &error), error);
    assert_true(result.kept);
    assert_exists(options.cache, false);
    vgg_dataset_free(train);
    vgg_dataset_free(validation);
}

static void structs_of_other_sizes(void **state) {
    (void)state;
    const size_t known[] = {sizeof(size_t), offsetof(vgg_extract_dataset_options, skipped),
                            sizeof(vgg_extract_dataset_options),
                            sizeof(vgg_extract_dataset_options) + TAIL};
    const size_t written[] = {2 * sizeof(size_t), sizeof(vgg_extract_dataset_result),
                              sizeof(vgg_extract_dataset_result) + TAIL};
    vgg_error error;
    for (size_t i = 0; i < 4; i++) {
        unsigned char *options = edge(known[i]);
        vgg_extract_dataset_options_init((vgg_extract_dataset_options *)(void *)options, known[i]);
        vgg_extract_dataset_result result =
            extract(extractor, (const vgg_extract_dataset_options *)(const void *)options);
        assert_int_equal(result.rows, TRAIN_PICTURES);
        unmap(options, known[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        unsigned char *result = edge(written[i]);
        size_t count;
        set_size(result, written[i]);
        assert_ok(vgg_extract_dataset(extractor, train_part, NULL, rows, items,
                                      (vgg_extract_dataset_result *)(void *)result, &error),
                  error);
        memcpy(&count, result + sizeof count, sizeof count);
        assert_int_equal(count, TRAIN_PICTURES);
        set_size(result, 0);
        assert_int_equal(vgg_extract_dataset(extractor, train_part, NULL, rows, items,
                                             (vgg_extract_dataset_result *)(void *)result, &error),
                         VGG_ERROR_ARGUMENT);
        assert_contains(error.message, "vgg_extract_dataset_result");
        unmap(result, written[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_of_the_pictures),
        cmocka_unit_test(those_of_another_layer_are_computed),
        cmocka_unit_test(somebody_elses_file_stays),
        cmocka_unit_test(damage_is_told),
        cmocka_unit_test(a_stop_leaves_no_file),
        cmocka_unit_test(pictures_that_cannot_be_read),
        cmocka_unit_test(failures_that_may_pass_are_not_kept),
        cmocka_unit_test(structs_of_other_sizes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
