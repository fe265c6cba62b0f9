/* Data sets in folders: the rules of opening, classes, splits, descriptions. */
#include "data_files.h"

#include <math.h>

#include "data/dataset.h"

static void open_ok(const char *path, const vgg_dataset_options *options, vgg_dataset **train,
                    vgg_dataset **validation) {
    vgg_error error;
    *train = *validation = NULL;
    assert_ok(vgg_dataset_open(path, options, train, validation, &error), error);
}

static vgg_dataset_options default_options(void) {
    vgg_dataset_options options;
    vgg_dataset_options_init(&options, sizeof options);
    return options;
}

static void write_hats_and_shoes(const char *below) {
    char name[128];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/shoes/%d.png", below, i);
        write_picture(name, 8, 3, 10 + i);
        snprintf(name, sizeof name, "%s/hat/%d.png", below, i);
        write_picture(name, 8, 3, 20 + i);
    }
}

static void classes_and_files_are_sorted_by_bytes(void **state) {
    (void)state;
    write_picture("s/b/2.png", 8, 3, 1);
    write_picture("s/b/10.png", 8, 3, 2);
    write_picture("s/B/x.PNG", 8, 3, 3);
    write_picture("s/b/.hidden.png", 8, 3, 4);
    write_picture("s/b/deeper/z.png", 8, 3, 5);
    write_picture("s/.cache/z.png", 8, 3, 6);
    write_picture("s/stray.png", 8, 3, 7);
    write_bytes("s/b/notes.txt", "x", 1);
    vgg_dataset *train, *validation;
    open_ok(at("s"), NULL, &train, &validation);
    assert_null(validation);
    assert_int_equal(vgg_dataset_class_count(train), 2);
    assert_string_equal(vgg_dataset_class_name(train, 0), "B");
    assert_string_equal(vgg_dataset_class_name(train, 1), "b");
    assert_null(vgg_dataset_class_name(train, 2));
    assert_int_equal(vgg_dataset_count(train), 4);
    assert_string_equal(vgg_dataset_item_name(train, 0), at("s/B/x.PNG"));
    assert_string_equal(vgg_dataset_item_name(train, 1), at("s/b/10.png"));
    assert_string_equal(vgg_dataset_item_name(train, 2), at("s/b/2.png"));
    assert_string_equal(vgg_dataset_item_name(train, 3), at("s/b/deeper/z.png"));
    assert_null(vgg_dataset_item_name(train, 4));
    assert_int_equal(vgg_dataset_item_class(train, 0), 0);
    assert_int_equal(vgg_dataset_item_class(train, 2), 1);
    assert_int_equal(first_sample(train, 0), 3);
    assert_int_equal(first_sample(train, 1), 2);
    vgg_image image = {0};
    vgg_error error;
    assert_int_equal(vgg_dataset_read(train, 4, &image, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "no item 4");
    vgg_dataset_free(train);
}

static char warnings[4][512];
static size_t warning_count;

static void note(void *user, const char *message) {
    assert_ptr_equal(user, warnings);
    assert_true(warning_count < 4);
    snprintf(warnings[warning_count++], sizeof warnings[0], "%s", message);
}

static void what_is_passed_over_is_said(void **state) {
    (void)state;
    write_hats_and_shoes("w/train");
    write_hats_and_shoes("w/val");
    vgg_dataset_options options = default_options();
    options.warn = note;
    options.warn_user = warnings;
    vgg_dataset *train, *validation;
    open_ok(at("w"), &options, &train, &validation);
    vgg_dataset_free(train);
    vgg_dataset_free(validation);
    assert_int_equal(warning_count, 0);
    write_bytes("w/train/hat/photo.cr2", "x", 1);
    write_bytes("w/train/hat/more/photo.CR2", "x", 1);
    write_bytes("w/.DS_Store", "x", 1);
    write_bytes("w/README", "x", 1);
    write_picture("w/train/stray.png", 8, 3, 1);
    write_picture("w/train/@eaDir/hat.png", 8, 3, 1);
    write_picture("w/extra/1.png", 8, 3, 1);
    write_hats_and_shoes("w/valid");
    mkdir(at("w/val/coat"), 0777);
    mkdir(at("w/test"), 0777);
    open_ok(at("w"), &options, &train, &validation);
    vgg_dataset_free(train);
    vgg_dataset_free(validation);
    assert_int_equal(warning_count, 1);
    assert_contains(warnings[0],
                    "w: left out: 2 .cr2, 1 file without an ending, 1 hidden file, 1 picture "
                    "outside of the classes, folder train/@eaDir/, folder val/coat/ (no pictures), "
                    "folder test/ (no classes), folder extra/, folder valid/ (val/ is that part)");
}

static void links_are_followed(void **state) {
    (void)state;
    write_hats_and_shoes("original");
    mkdir(at("linked"), 0777);
    assert_int_equal(symlink("../original/hat", at("linked/hat")), 0);
    write_picture("linked/shoes/1.png", 8, 3, 5);
    assert_int_equal(symlink("../../original/shoes/0.png", at("linked/shoes/0.png")), 0);
    assert_int_equal(symlink("nowhere", at("linked/shoes/2.png")), 0);
    vgg_dataset *train, *validation;
    open_ok(at("linked"), NULL, &train, &validation);
    assert_int_equal(vgg_dataset_count(train), 6);
    assert_int_equal(first_sample(train, 0), 20);
    assert_int_equal(first_sample(train, 3), 10);
    vgg_image image = {0};
    vgg_error error;
    assert_int_not_equal(vgg_dataset_read(train, 5, &image, &error), VGG_OK);
    assert_contains(error.message, "linked/shoes/2.png");
    vgg_dataset_free(train);
}

static void parts_are_found(void **state) {
    (void)state;
    write_hats_and_shoes("p/train");
    write_picture("p/test/shoes/t.png", 8, 3, 99);
    vgg_dataset *train, *validation;
    vgg_dataset_parts parts = {.struct_size = sizeof parts};
    vgg_error ignored;
    assert_ok(vgg_dataset_open_parts(at("p"), NULL, &parts, &ignored), ignored);
    assert_int_equal(vgg_dataset_count(parts.train), 6);
    assert_null(parts.validation);
    assert_null(parts.split);
    assert_null(parts.left_out);
    assert_int_equal(vgg_dataset_count(parts.test), 1);
    assert_int_equal(vgg_dataset_class_count(parts.test), 2);
    assert_int_equal(vgg_dataset_item_class(parts.test, 0), 1);
    assert_int_equal(first_sample(parts.test, 0), 99);
    vgg_dataset_parts_free(&parts);
    assert_null(parts.test);
    open_ok(at("p"), NULL, &train, &validation);
    assert_null(validation);
    vgg_dataset_free(train);
    write_picture("p/validation/hat/v.png", 8, 3, 98);
    open_ok(at("p"), NULL, &train, &validation);
    assert_int_equal(first_sample(validation, 0), 98);
    vgg_dataset_free(train);
    vgg_dataset_free(validation);
    write_picture("p/val/hat/v.png", 8, 3, 97);
    vgg_error error;
    assert_ok(vgg_dataset_open(at("p"), NULL, NULL, &validation, &error), error);
    assert_int_equal(first_sample(validation, 0), 97);
    vgg_dataset_free(validation);
}

static void one_top_folder_and_a_part_alone(void **state) {
    (void)state;
    write_hats_and_shoes("top/only/train");
    vgg_dataset *train, *validation;
    open_ok(at("top"), NULL, &train, &validation);
    assert_int_equal(vgg_dataset_count(train), 6);
    assert_null(validation);
    vgg_dataset_free(train);
    write_hats_and_shoes("v/validation");
    open_ok(at("v"), NULL, &train, &validation);
    assert_null(train);
    assert_int_equal(vgg_dataset_count(validation), 6);
    assert_string_equal(vgg_dataset_class_name(validation, 0), "hat");
    vgg_dataset_free(validation);
    write_picture("vehicles/train/1.png", 8, 3, 1);
    write_picture("vehicles/plane/1.png", 8, 3, 1);
    open_ok(at("vehicles/"), NULL, &train, &validation);
    assert_string_equal(vgg_dataset_class_name(train, 1), "train");
    assert_string_equal(vgg_dataset_item_name(train, 0), at("vehicles/plane/1.png"));
    vgg_dataset_free(train);
}

static void given_classes_number_the_data(void **state) {
    (void)state;
    write_hats_and_shoes("g");
    const char *const names[] = {"shoes", "coat", "hat"};
    vgg_dataset_options options = default_options();
    options.classes = names;
    options.class_count = 3;
    vgg_dataset *train, *validation;
    open_ok(at("g"), &options, &train, &validation);
    assert_int_equal(vgg_dataset_class_count(train), 3);
    assert_string_equal(vgg_dataset_class_name(train, 1), "coat");
    assert_int_equal(vgg_dataset_item_class(train, 0), 2);
    assert_int_equal(vgg_dataset_item_class(train, 5), 0);
    vgg_dataset_free(train);
    write_picture("alone/hat/1.png", 8, 3, 1);
    open_ok(at("alone"), &options, &train, &validation);
    assert_int_equal(vgg_dataset_item_class(train, 0), 2);
    vgg_dataset_free(train);
    const char *const others[] = {"shoe", "hat"};
    options.classes = others;
    options.class_count = 2;
    expect_failure(at("g"), &options, VGG_ERROR_NOT_FOUND,
                   "has a class \"shoes\" that the given list of classes does not have (did you "
                   "mean \"shoe\"?)");
}

/* Classes a and b of ten pictures, with samples 0.. and 100.., c of one and d of two. */
static vgg_dataset_options write_for_split(const char *folder) {
    char name[64];
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "%s/a/%02d.png", folder, i);
        write_picture(name, 8, 3, i);
        snprintf(name, sizeof name, "%s/b/%02d.png", folder, i);
        write_picture(name, 8, 3, 100 + i);
    }
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/%s/%d.png", folder, i < 1 ? "c" : "d", i);
        write_picture(name, 8, 3, 200 + i);
    }
    vgg_dataset_options options = default_options();
    options.validation_split = 0.3;
    options.seed = 5;
    return options;
}

/* Were each compared with each, this would take most of a minute. */
static void many_classes(void **state) {
    (void)state;
    enum { CLASSES = 100000 };
    static char names[CLASSES][16];
    static const char *list[CLASSES];
    for (size_t i = 0; i < CLASSES; i++) {
        snprintf(names[i], sizeof names[i], "class%06zu", i * 7919 % CLASSES);
        list[i] = names[i];
    }
    names[3][0] = 'C';
    write_hats_and_shoes("many");
    vgg_dataset_options options;
    vgg_dataset_options_init(&options, sizeof options);
    options.classes = list;
    options.class_count = CLASSES;
    list[5] = "hat";
    expect_failure(at("many"), &options, VGG_ERROR_NOT_FOUND, "has a class \"shoes\"");
    list[CLASSES - 2] = list[7];
    list[CLASSES - 1] = "shoes";
    char said[128];
    snprintf(said, sizeof said, "\"%s\" is given twice (7 and %d)", list[7], CLASSES - 2);
    expect_failure(at("many"), &options, VGG_ERROR_ARGUMENT, said);
    list[CLASSES - 2] = "another";
    vgg_dataset *train, *whole, *none;
    open_ok(at("many"), &options, &train, &none);
    assert_int_equal(vgg_dataset_class_count(train), CLASSES);
    assert_int_equal(vgg_dataset_item_class(train, 0), 5);
    assert_int_equal(vgg_dataset_item_class(train, vgg_dataset_count(train) - 1), CLASSES - 1);
    options.classes = NULL;
    open_ok(at("many"), &options, &whole, &none);
    vgg_error error;
    assert_ok(vgg_dataset_use_classes(whole, list, CLASSES, "the list", &error), error);
    vgg_dataset_free(train);
    vgg_dataset_free(whole);
}

static void a_split_is_per_class(void **state) {
    (void)state;
    vgg_dataset_options options = write_for_split("split");
    vgg_dataset *train, *validation;
    open_ok(at("split"), &options, &train, &validation);
    assert_int_equal(vgg_dataset_count(train), 7 + 7 + 1 + 1);
    assert_int_equal(vgg_dataset_count(validation), 3 + 3 + 1);
    int seen[256] = {0};
    for (size_t i = 0; i < vgg_dataset_count(train); i++) {
        seen[first_sample(train, i)]++;
    }
    for (size_t i = 0; i < vgg_dataset_count(validation); i++) {
        seen[first_sample(validation, i)]++;
        if (i > 0)
            assert_true(strcmp(vgg_dataset_item_name(validation, i - 1),
                               vgg_dataset_item_name(validation, i)) < 0);
    }
    for (int i = 0; i < 10; i++) {
        assert_true(seen[i] == 1 && seen[100 + i] == 1);
    }
    /* A part outlives the other. */
    vgg_dataset_free(train);
    assert_true(first_sample(validation, 0) < 10);
    vgg_dataset_free(validation);
}

/* How many of the pictures set aside differ from those that the options set aside. */
static int count_differing(const vgg_dataset *validation, const vgg_dataset_options *options) {
    vgg_dataset *train, *other;
    open_ok(at("again"), options, &train, &other);
    assert_int_equal(vgg_dataset_count(validation), vgg_dataset_count(other));
    int differing = 0;
    for (size_t i = 0; i < vgg_dataset_count(other); i++) {
        differing +=
            strcmp(vgg_dataset_item_name(validation, i), vgg_dataset_item_name(other, i)) != 0;
    }
    vgg_dataset_free(train);
    vgg_dataset_free(other);
    return differing;
}

static void a_split_is_a_function_of_the_seed(void **state) {
    (void)state;
    vgg_dataset_options options = write_for_split("again");
    vgg_dataset *train, *validation;
    open_ok(at("again"), &options, &train, &validation);
    vgg_dataset_free(train);
    const char *const reversed[] = {"d", "c", "b", "a"};
    options.classes = reversed;
    options.class_count = 4;
    assert_int_equal(count_differing(validation, &options), 0);
    int differing = 0;
    for (options.seed = 6; options.seed < 10; options.seed++) {
        differing += count_differing(validation, &options);
    }
    assert_true(differing > 0);
    vgg_dataset_free(validation);
}

static void descriptions(void **state) {
    (void)state;
    write_picture("d/a/1.png", 8, 1, 1);
    write_picture("d/b/1.png", 8, 1, 1);
    vgg_dataset *train, *validation;
    vgg_dataset_info info = {.struct_size = sizeof info};
    vgg_error error;
    open_ok(at("d"), NULL, &train, &validation);
    assert_ok(vgg_dataset_describe(train, &info, &error), error);
    assert_string_equal(info.kind, "folder");
    assert_true(info.channels == 1 && info.width == 8 && info.height == 8);
    vgg_dataset_free(train);
    write_picture("d/b/2.png", 9, 3, 1);
    write_bytes("d/b/3.png", "broken", 6);
    open_ok(at("d"), NULL, &train, &validation);
    assert_ok(vgg_dataset_describe(train, &info, &error), error);
    assert_true(info.channels == 3 && info.width == 0 && info.height == 0);
    vgg_dataset_free(train);
    write_bytes("broken/a/1.png", "x", 1);
    write_bytes("broken/b/1.png", "x", 1);
    open_ok(at("broken"), NULL, &train, &validation);
    assert_int_not_equal(vgg_dataset_describe(train, &info, &error), VGG_OK);
    assert_contains(error.message, "none of 2 pictures tried can be read");
    vgg_dataset_free(train);
}

static void wrong_paths_are_named(void **state) {
    (void)state;
    expect_failure(at("nowhere"), NULL, VGG_ERROR_NOT_FOUND, "nowhere: there is nothing");
    write_picture("cat.png", 8, 3, 1);
    expect_failure(at("cat.png"), NULL, VGG_ERROR_FORMAT, "cat.png: is no data set but a PNG");
    write_bytes("a.zip", "PK\3\4 and so on", 14);
    expect_failure(at("a.zip"), NULL, VGG_ERROR_FORMAT, "a.zip: ");
    write_bytes("a.txt", "hello\n", 6);
    expect_failure(at("a.txt"), NULL, VGG_ERROR_FORMAT, "but a text");
    write_bytes("empty", "", 0);
    expect_failure(at("empty"), NULL, VGG_ERROR_FORMAT, "an empty file");
    write_bytes("strange", "\x01\x02\x03", 3);
    expect_failure(at("strange"), NULL, VGG_ERROR_FORMAT, "no kind of file that is known");
    expect_failure("/dev/null", NULL, VGG_ERROR_IO, "neither a file nor a folder");
}

static void wrong_folders_are_named(void **state) {
    (void)state;
    mkdir(at("nothing"), 0777);
    expect_failure(at("nothing"), NULL, VGG_ERROR_FORMAT, "nothing: has no folders; expected");
    write_picture("flat/1.png", 8, 3, 1);
    expect_failure(at("flat"), NULL, VGG_ERROR_FORMAT,
                   "flat: has pictures but no folders; expected a folder per class");
    write_picture("flatparts/train/1.png", 8, 3, 1);
    write_picture("flatparts/val/1.png", 8, 3, 1);
    expect_failure(at("flatparts"), NULL, VGG_ERROR_FORMAT,
                   "flatparts/train: has pictures but no folders");
    write_picture("gap/coat/1.png", 8, 3, 1);
    mkdir(at("gap/hat"), 0777);
    expect_failure(at("gap"), NULL, VGG_ERROR_FORMAT, "gap/hat: has no pictures");
    write_picture("deep/2019/hat/1.png", 8, 3, 1);
    mkdir(at("deep/2020"), 0777);
    mkdir(at("deep/2020/hat"), 0777);
    expect_failure(at("deep"), NULL, VGG_ERROR_FORMAT,
                   "deep/2020: has no pictures; expected those of a class");
    write_picture("tested/test/hat/1.png", 8, 3, 1);
    write_picture("tested/test/coat/1.png", 8, 3, 1);
    expect_failure(at("tested"), NULL, VGG_ERROR_NOT_FOUND, "tested: has a test part only");
    write_picture("single/hat/1.png", 8, 3, 1);
    expect_failure(at("single"), NULL, VGG_ERROR_FORMAT,
                   "single: has one class only (hat); expected at least two");
    write_hats_and_shoes("differ/train");
    write_picture("differ/val/shoe/1.png", 8, 3, 1);
    expect_failure(at("differ"), NULL, VGG_ERROR_NOT_FOUND,
                   "differ/val: has a class \"shoe\" that the part to train on does not have (did "
                   "you mean \"shoes\"?)");
    write_bytes("python/data_batch_1", "x", 1);
    expect_failure(at("python"), NULL, VGG_ERROR_UNSUPPORTED, "Python version of CIFAR");
}

static void wrong_options_are_named(void **state) {
    (void)state;
    write_hats_and_shoes("options");
    const double splits[] = {-0.1, 1.0, 7.0, (double)NAN};
    for (size_t i = 0; i < 4; i++) {
        vgg_dataset_options options = default_options();
        options.validation_split = splits[i];
        expect_failure(at("options"), &options, VGG_ERROR_ARGUMENT, "validation_split");
    }
    const char *const twice[] = {"hat", "shoes", "hat"};
    vgg_dataset_options options = default_options();
    options.classes = twice;
    options.class_count = 3;
    expect_failure(at("options"), &options, VGG_ERROR_ARGUMENT, "\"hat\" is given twice");
    options.class_count = 0;
    expect_failure(at("options"), &options, VGG_ERROR_ARGUMENT, "0 class names");
    memset(&options, 0, sizeof options);
    expect_failure(at("options"), &options, VGG_ERROR_ARGUMENT, "vgg_dataset_options_init");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_and_files_are_sorted_by_bytes),
        cmocka_unit_test(what_is_passed_over_is_said),
        cmocka_unit_test(links_are_followed),
        cmocka_unit_test(parts_are_found),
        cmocka_unit_test(one_top_folder_and_a_part_alone),
        cmocka_unit_test(given_classes_number_the_data),
        cmocka_unit_test(many_classes),
        cmocka_unit_test(a_split_is_per_class),
        cmocka_unit_test(a_split_is_a_function_of_the_seed),
        cmocka_unit_test(descriptions),
        cmocka_unit_test(wrong_paths_are_named),
        cmocka_unit_test(wrong_folders_are_named),
        cmocka_unit_test(wrong_options_are_named),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
