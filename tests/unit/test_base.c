/* The base room: messages, text, memory, random numbers. */
#include <math.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "vgg_test.h"

/* ---- errors and text ---- */

static void test_fail(void **state) {
    (void)state;
    vgg_error error;
    assert_int_equal(vgg_fail(&error, VGG_ERROR_SHAPE, "%s: %d\n", "a\tb", 3), VGG_ERROR_SHAPE);
    assert_int_equal(error.status, VGG_ERROR_SHAPE);
    assert_string_equal(error.message, "a?b: 3?");
    assert_int_equal(vgg_fail(NULL, VGG_ERROR_IO, "nobody listens"), VGG_ERROR_IO);
    vgg_error_prefix(&error, "%s", "file");
    assert_string_equal(error.message, "file: a?b: 3?");
    vgg_error_prefix(NULL, "nobody");
    vgg_fail_memory(&error, "a thing", 20 << 20);
    assert_string_equal(error.message, "out of memory: a thing needs 20.0 MB");
}

static void test_long_messages_keep_both_ends(void **state) {
    (void)state;
    vgg_error error;
    char path[3000];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    vgg_fail(&error, VGG_ERROR_IO, "begin %s: no such file", path);
    assert_contains(error.message, "begin xxx");
    assert_contains(error.message, "xxx: no such file");
    assert_true(strlen(error.message) < VGG_ERROR_TEXT);
    vgg_error_prefix(&error, "%s", path);
    assert_true(strlen(error.message) < VGG_ERROR_TEXT);
}

static void test_status_names(void **state) {
    (void)state;
    assert_string_equal(vgg_status_name(VGG_OK), "VGG_OK");
    assert_string_equal(vgg_status_name(VGG_ERROR_NUMERIC), "VGG_ERROR_NUMERIC");
    assert_string_equal(vgg_status_name(VGG_ERROR_CHANGED), "VGG_ERROR_CHANGED");
    assert_string_equal(vgg_status_name((vgg_status)77), "VGG_ERROR_UNKNOWN");
}

static void test_text(void **state) {
    (void)state;
    vgg_text text = {0};
    for (int i = 0; i < 100; i++) {
        vgg_text_add(&text, "%d,", i);
    }
    vgg_text_add_bytes(&text, "end", 3);
    char *whole = vgg_text_take(&text);
    assert_int_equal(strlen(whole), 10 * 2 + 90 * 3 + 3);
    assert_string_equal(whole + strlen(whole) - 6, "99,end");
    free(whole);
    char buffer[VGG_SIZE_TEXT];
    assert_string_equal(vgg_size_text(buffer, 812), "812 bytes");
    assert_string_equal(vgg_size_text(buffer, (size_t)3 << 29), "1.5 GB");
}

static void test_nearest(void **state) {
    (void)state;
    static const char *const names[] = {"epochs", "batch", "batch-norm"};
    assert_string_equal(vgg_text_nearest("epoch", names, 3), "epochs");
    assert_string_equal(vgg_text_nearest("bacth", names, 3), "batch");
    assert_null(vgg_text_nearest("zzzzzz", names, 3));
    const char *const sparse[] = {NULL, "flip", "crop"};
    assert_int_equal(vgg_text_find("crop", sparse, 3), 2);
    assert_int_equal(vgg_text_find("Crop", sparse, 3), 3);
}

/* ---- memory and random numbers ---- */

static void test_sizes(void **state) {
    (void)state;
    size_t result = 1;
    assert_true(vgg_size_mul(6, 7, &result));
    assert_int_equal(result, 42);
    assert_false(vgg_size_mul(SIZE_MAX / 2, 3, &result));
    assert_false(vgg_size_add(SIZE_MAX, 1, &result));
    assert_int_equal(result, 42);
    void *block = vgg_aligned_alloc(1);
    assert_int_equal((uintptr_t)block % VGG_ALIGNMENT, 0);
    free(block);
    assert_null(vgg_aligned_alloc(SIZE_MAX));
    assert_true(vgg_memory_available() > 1 << 20);
}

static void test_random(void **state) {
    (void)state;
    assert_int_equal(vgg_random_u64(1, 2, 3), vgg_random_u64(1, 2, 3));
    assert_true(vgg_random_u64(1, 2, 3) != vgg_random_u64(1, 2, 4));
    assert_true(vgg_random_u64(1, 2, 3) != vgg_random_u64(1, 3, 3));
    assert_true(vgg_random_u64(1, 2, 3) != vgg_random_u64(2, 2, 3));
    double sum = 0, square = 0, units = 0;
    enum { DRAWS = 100000 };
    for (uint64_t i = 0; i < DRAWS; i++) {
        double normal = vgg_random_normal(7, 1, i);
        sum += normal;
        square += normal * normal;
        units += vgg_random_unit(7, 2, i);
        assert_true(vgg_random_below(10, 7, 3, i) < 10);
    }
    /* Five standard errors. */
    assert_true(sum / DRAWS < 5 / sqrt(DRAWS) && sum / DRAWS > -5 / sqrt(DRAWS));
    assert_true(square / DRAWS > 0.97 && square / DRAWS < 1.03);
    assert_true(units / DRAWS > 0.495 && units / DRAWS < 0.505);
}

static void test_permutation(void **state) {
    (void)state;
    size_t order[50], again[50], seen = 0, fixed = 0;
    vgg_random_permutation(order, 50, 9, 4);
    vgg_random_permutation(again, 50, 9, 4);
    assert_memory_equal(order, again, sizeof order);
    for (size_t i = 0; i < 50; i++) {
        seen |= (size_t)1 << order[i];
        fixed += order[i] == i;
    }
    assert_int_equal(seen, ((size_t)1 << 50) - 1);
    assert_true(fixed < 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail),         cmocka_unit_test(test_long_messages_keep_both_ends),
        cmocka_unit_test(test_status_names), cmocka_unit_test(test_text),
        cmocka_unit_test(test_nearest),      cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_random),       cmocka_unit_test(test_permutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
