/* Pictures set aside for validation: the record of a split, and what it keeps when the data grows
 * or shrinks. */
#include "data_files.h"

#include "data/split.h"

/* `first` to `end` - 1 of a class, each with a sample of its own. */
static void write_class(const char *folder, const char *name, int first, int end) {
    char path[64];
    for (int i = first; i < end; i++) {
        snprintf(path, sizeof path, "%s/%s/%03d.png", folder, name, i);
        write_picture(path, 8, 3, i);
    }
}

static vgg_dataset_parts open_parts(const char *folder, double share, const char *split) {
    vgg_dataset_options options;
    vgg_dataset_options_init(&options, sizeof options);
    options.validation_split = share;
    options.seed = 3;
    options.split = split;
    vgg_dataset_parts parts = {.struct_size = sizeof parts};
    vgg_error error;
    assert_ok(vgg_dataset_open_parts(at(folder), &options, &parts, &error), error);
    return parts;
}

static bool has(const vgg_dataset *dataset, const char *name) {
    for (size_t i = 0; i < vgg_dataset_count(dataset); i++) {
        if (strcmp(vgg_dataset_item_name(dataset, i), name) == 0)
            return true;
    }
    return false;
}

/* No picture that is still there is on the other side. */
static void check_kept(const vgg_dataset_parts *before, const vgg_dataset_parts *after) {
    for (size_t i = 0; i < vgg_dataset_count(before->train); i++) {
        assert_false(has(after->validation, vgg_dataset_item_name(before->train, i)));
    }
    for (size_t i = 0; i < vgg_dataset_count(before->validation); i++) {
        assert_false(has(after->train, vgg_dataset_item_name(before->validation, i)));
    }
}

static void a_record_keeps_the_sides(void **state) {
    (void)state;
    write_class("grow", "a", 0, 10);
    write_class("grow", "b", 0, 40);
    write_class("grow", "c", 0, 1);
    vgg_dataset_parts before = open_parts("grow", 0.1, NULL);
    assert_int_equal(vgg_dataset_count(before.validation), 1 + 4);
    assert_contains(before.split, "names share=0.1 seed=3 below=");
    write_class("grow", "a", 10, 60);
    write_class("grow", "c", 1, 9);
    write_picture("grow/b/deeper/000.png", 8, 3, 1);
    vgg_dataset_parts after = open_parts("grow", 0.0, before.split);
    check_kept(&before, &after);
    assert_true(vgg_dataset_count(after.validation) > 5);
    assert_string_equal(before.split, after.split);
    vgg_dataset_parts_free(&after);
    for (int i = 0; i < 20; i++) {
        char path[64];
        snprintf(path, sizeof path, "grow/b/%03d.png", i);
        assert_int_equal(unlink(at(path)), 0);
    }
    after = open_parts("grow", 0.0, before.split);
    check_kept(&before, &after);
    vgg_dataset_parts_free(&after);
    vgg_dataset_parts_free(&before);
}

/* Wherever the data lies, and in parts or not. */
static void a_record_goes_by_names(void **state) {
    (void)state;
    write_class("here", "a", 0, 20);
    write_class("here", "b", 0, 20);
    write_class("there/train", "a", 0, 20);
    write_class("there/train", "b", 0, 20);
    vgg_dataset_parts here = open_parts("here", 0.25, NULL);
    vgg_dataset_parts there = open_parts("there", 0.25, NULL);
    assert_string_equal(here.split, there.split);
    for (size_t i = 0; i < 10; i++) {
        assert_string_equal(vgg_dataset_item_name(here.validation, i) + strlen(at("here")),
                            vgg_dataset_item_name(there.validation, i) + strlen(at("there/train")));
    }
    vgg_dataset_parts_free(&here);
    vgg_dataset_parts_free(&there);
}

/* Whoever measures other pictures than those that were split can tell. */
static void other_pictures_are_not_known(void **state) {
    (void)state;
    write_class("learnt", "a", 0, 20);
    write_class("learnt", "b", 0, 20);
    write_class("others", "a", 20, 60);
    write_class("others", "b", 20, 60);
    vgg_dataset_parts learnt = open_parts("learnt", 0.25, NULL);
    vgg_dataset_parts again = open_parts("learnt", 0.0, learnt.split);
    vgg_dataset_parts others = open_parts("others", 0.0, learnt.split);
    assert_int_equal(again.split_known, 2);
    assert_int_equal(others.split_known, 0);
    vgg_dataset_parts_free(&learnt);
    vgg_dataset_parts_free(&again);
    vgg_dataset_parts_free(&others);
}

static void a_record_without_one_class_is_refused(void **state) {
    (void)state;
    write_class("two", "a", 0, 4);
    write_class("two", "b", 0, 4);
    vgg_dataset_parts parts = open_parts("two", 0.25, NULL);
    write_class("two", "c", 0, 4);
    vgg_dataset_options options;
    vgg_dataset_options_init(&options, sizeof options);
    options.split = parts.split;
    expect_failure(at("two"), &options, VGG_ERROR_ARGUMENT,
                   "has 3 classes; the split that is recorded is one of 2");
    vgg_dataset_parts_free(&parts);
}

/* What libvgg 0.1.0 set aside of these names, with share 0.3 and seed 5. */
static void the_order_of_version_0_1_0(void **state) {
    (void)state;
    write_class("old", "a", 0, 10);
    write_class("old", "b", 0, 10);
    vgg_dataset_parts parts = open_parts("old", 0.0, "order share=0.3 seed=5");
    const char *const aside[] = {"old/a/001.png", "old/a/002.png", "old/a/009.png",
                                 "old/b/002.png", "old/b/003.png", "old/b/007.png"};
    assert_int_equal(vgg_dataset_count(parts.validation), sizeof aside / sizeof *aside);
    for (size_t i = 0; i < sizeof aside / sizeof *aside; i++) {
        assert_true(has(parts.validation, at(aside[i])));
    }
    assert_string_equal(parts.split, "order share=0.3 seed=5");
    vgg_dataset_parts_free(&parts);
    write_class("tested/train", "a", 0, 4);
    write_class("tested/train", "b", 0, 4);
    write_class("tested/test", "b", 0, 4);
    parts = open_parts("tested", 0.0, "order share=0.3 seed=5");
    assert_true(parts.validation == NULL && vgg_dataset_count(parts.test) == 4);
    vgg_dataset_parts_free(&parts);
    parts = open_parts("tested", 0.0, "order share=0.3 seed=5 test=validation");
    assert_true(parts.test == NULL && vgg_dataset_count(parts.validation) == 4);
    vgg_dataset_parts_free(&parts);
}

static void records_are_read(void **state) {
    (void)state;
    vgg_split split;
    vgg_error error;
    assert_ok(vgg_split_read("none", &split, &error), error);
    assert_int_equal(split.rule, VGG_SPLIT_NONE);
    assert_ok(vgg_split_read("order share=0.25 seed=18446744073709551615", &split, &error), error);
    assert_true(split.rule == VGG_SPLIT_ORDER && split.share == 0.25 && split.seed == UINT64_MAX);
    assert_ok(vgg_split_read("names share=0 seed=7 below=0123abcdffffffff", &split, &error), error);
    assert_true(split.rule == VGG_SPLIT_NAMES && split.seed == 7 && strlen(split.below) == 16);
    const char *const wrong[] = {"",
                                 "names",
                                 "names share=0.1",
                                 "names share=1.5 seed=3",
                                 "names share=0.1 seed=-3",
                                 "names share=0.1 seed=3 below=0123",
                                 "names share=0.1 seed=3 below=0123ABCD",
                                 "order share=0.1 seed=3 below=01234567",
                                 "order share=0.1 seed=3 ",
                                 "other share=0.1 seed=3"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(vgg_split_read(wrong[i], &split, &error), VGG_ERROR_ARGUMENT);
        assert_contains(error.message, "is none of libvgg's");
    }
}

/* Shares that have no short decimals come back as the numbers that they are. */
static void shares_are_written_whole(void **state) {
    (void)state;
    const double shares[] = {0.1, 0.125, 1e-6, 1.0 / 3.0, 0.999};
    write_class("shares", "a", 0, 4);
    write_class("shares", "b", 0, 4);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        vgg_dataset_parts parts = open_parts("shares", shares[i], NULL);
        vgg_split split;
        vgg_error error;
        assert_ok(vgg_split_read(parts.split, &split, &error), error);
        assert_true(split.share > shares[i] * (1 - 1e-14) && split.share < shares[i] * (1 + 1e-14));
        vgg_dataset_parts_free(&parts);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_keeps_the_sides),
        cmocka_unit_test(a_record_goes_by_names),
        cmocka_unit_test(other_pictures_are_not_known),
        cmocka_unit_test(a_record_without_one_class_is_refused),
        cmocka_unit_test(the_order_of_version_0_1_0),
        cmocka_unit_test(records_are_read),
        cmocka_unit_test(shares_are_written_whole),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
