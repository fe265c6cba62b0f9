/* Files of features, by what lies beside them and what is written of it. */
#include "pictures.h"

#include <sys/stat.h>
#include <unistd.h>

#include "eval/extractor.h"
#include "vgg/features.h"

#define ROWS ((size_t)8)
/* So long that the list of pictures is longer than what is read of a file at once. */
#define NAME ((size_t)3000)

static vgg_model *model;
static vgg_extractor *extractor;
static float *row;

static int open_extractor(void **state) {
    static const vgg_tap first = {0};
    vgg_extractor_options options;
    vgg_error error;
    vgg_extractor_options_init(&options, sizeof options);
    options.taps = &first;
    options.tap_count = 1;
    options.pool = VGG_FEATURE_POOL_AVERAGE;
    if (open_pictures(state) != 0)
        return -1;
    model = usual_model(false);
    assert_ok(vgg_extractor_create(model, &options, &extractor, &error), error);
    vgg_tap_info info = {.struct_size = sizeof info};
    assert_ok(vgg_extractor_tap(extractor, 0, &info, &error), error);
    row = calloc(info.values, sizeof *row);
    return row == NULL ? -1 : 0;
}

static int close_extractor(void **state) {
    free(row);
    vgg_extractor_free(extractor);
    vgg_model_free(model);
    return close_pictures(state);
}

static const char *beside(const char *name, const char *ending) {
    char path[64];
    snprintf(path, sizeof path, "%s%s", name, ending);
    return in_folder(path);
}

static vgg_status open_file(const char *name, const char *layer, vgg_feature_file **file,
                            vgg_error *error) {
    vgg_feature_file_options options;
    vgg_feature_file_options_init(&options, sizeof options);
    options.layers = &layer;
    return vgg_feature_file_open(in_folder(name), extractor, &options, file, error);
}

static vgg_feature_file *filled(const char *name, const char *layer) {
    vgg_feature_file *file = NULL;
    vgg_error error;
    assert_ok(open_file(name, layer, &file, &error), error);
    const float *const rows[] = {row};
    for (size_t i = 0; i < ROWS; i++) {
        char picture[NAME + 1];
        memset(picture, 'a' + (int)i, NAME);
        picture[NAME] = '\0';
        row[0] = (float)i;
        assert_ok(vgg_feature_file_add(file, picture, rows, &error), error);
    }
    assert_ok(vgg_feature_file_flush(file, &error), error);
    return file;
}

static const char *const names[] = {"f.npy", "f.npz", "f.safetensors", "f.csv"};

/* A list of pictures that lost its end makes no file, and the rows stay. */
static void short_list(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        vgg_feature_file *file = filled(names[i], "first");
        vgg_error error = {0};
        assert_int_equal(truncate(beside(names[i], ".part"), 5 * NAME), 0);
        assert_int_equal(vgg_feature_file_finish(file, &error), VGG_ERROR_IO);
        assert_contains(error.message, ".part: ");
        assert_contains(error.message, "after 4 pictures with features, expected 8");
        vgg_feature_file_free(file);
        assert_exists(in_folder(names[i]), true);
        assert_exists(beside(names[i], ".part"), false);
        assert_exists(beside(names[i], ".0.part"), false);
        file = filled(names[i], "first");
        assert_ok(vgg_feature_file_finish(file, &error), error);
        vgg_feature_file_free(file);
        assert_exists(in_folder(names[i]), false);
        assert_exists(beside(names[i], ".0.part"), true);
    }
}

/* Names of layers that have commas and quotes are one field of a table. */
static void quoted_columns(void **state) {
    (void)state;
    vgg_feature_file *file = filled("quoted.csv", "a,\"b\"");
    vgg_error error;
    assert_ok(vgg_feature_file_finish(file, &error), error);
    vgg_feature_file_free(file);
    char *text = read_text(in_folder("quoted.csv"));
    static const char expected[] = "image,\"a,\"\"b\"\".0\",\"a,\"\"b\"\".1\",";
    text[sizeof expected - 1] = '\0';
    assert_string_equal(text, expected);
    free(text);
}

/* What somebody else keeps under the name of a part is refused before it is touched. */
static void part_of_others(void **state) {
    (void)state;
    static const char *const endings[] = {".part", ".0.part", ".names.part"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        vgg_feature_file *file = NULL;
        vgg_error error = {0};
        const char *path = beside("others.npz", endings[i]);
        write_text(path, "a letter");
        assert_int_equal(open_file("others.npz", "first", &file, &error), VGG_ERROR_FORMAT);
        assert_contains(error.message, endings[i]);
        assert_contains(error.message, "is no part of a file of features");
        char *text = read_text(path);
        assert_string_equal(text, "a letter");
        free(text);
        assert_int_equal(unlink(path), 0);
    }
}

/* The inputs are copied out of those of all scales only where there are several. */
static void staged_inputs(void **state) {
    (void)state;
    static const vgg_tap first = {0};
    vgg_extractor_options options;
    vgg_error error;
    vgg_extractor_options_init(&options, sizeof options);
    options.taps = &first;
    options.tap_count = 1;
    options.pool = VGG_FEATURE_POOL_AVERAGE;
    options.protocol = VGG_PROTOCOL_FLIP;
    for (size_t scales = 1; scales <= 2; scales++) {
        vgg_extractor *mirrored = NULL;
        options.scales = scales > 1 ? "16,20" : NULL;
        assert_ok(vgg_extractor_create(model, &options, &mirrored, &error), error);
        assert_true((mirrored->staged != NULL) == (scales > 1));
        vgg_extractor_free(mirrored);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_list),
        cmocka_unit_test(quoted_columns),
        cmocka_unit_test(part_of_others),
        cmocka_unit_test(staged_inputs),
    };
    return cmocka_run_group_tests(tests, open_extractor, close_extractor);
}
