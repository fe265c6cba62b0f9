/* Reading JSON: what is JSON and what is not, against Jansson's own reader, and without memory. */
#include <string.h>

#include "allocations.h"
#include "base/json_text.h"
#include "base/memory.h"
#include "vgg_test.h"

static json_t *read_text(const char *text, vgg_json_fault *fault) {
    return vgg_json_read(text, strlen(text), fault);
}

static void test_values(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{}",
        " [ ] ",
        "null",
        "true",
        "-0",
        "0.5e-3",
        "1E+2",
        "9223372036854775807",
        "-9223372036854775808",
        "\"a\\u00e9\\ud83d\\ude00\\n\\/\\\"\"",
        "\"\xc3\xa9\xf0\x9f\x98\x80\"",
        "{\"a\":[1,2.5,{\"b\":null}],\"c\" : \"d\" ,\t\"\":false}",
        "[[[[[[[[1]]]]]]]]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        vgg_json_fault fault;
        json_t *found = read_text(texts[i], &fault);
        json_t *expected = json_loads(texts[i], JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(expected);
        if (found == NULL || !json_equal(found, expected))
            fail_msg("%s is read wrongly: %s", texts[i], found == NULL ? fault.what : "");
        json_decref(found);
        json_decref(expected);
    }
}

typedef struct wrong {
    const char *text;
    size_t byte;
    const char *what;
} wrong;

static void test_wrong(void **state) {
    (void)state;
    static const wrong cases[] = {
        {"", 0, "the end"},
        {"nan", 0, "\"nan\""},
        {"{", 1, "name"},
        {"{\"a\"", 4, "colon"},
        {"{\"a\":1,}", 7, "name"},
        {"{\"a\":1,\"a\":2}", 10, "duplicate"},
        {"[1,]", 3, "no value"},
        {"[1 2]", 3, "comma"},
        {"[1", 2, "end before"},
        {"{} {}", 3, "behind"},
        {"01", 1, "behind"},
        {"-", 1, "digits"},
        {"1.", 2, "digits"},
        {"1e", 2, "digits"},
        {"9223372036854775808", 19, "too big"},
        {"1e999", 5, "too large"},
        {"\"a", 2, "without an end"},
        {"\"a\\", 3, "escape"},
        {"\"\\x41\"", 2, "escape"},
        {"\"\\u00g0\"", 5, "letter"},
        {"\"\\u0000\"", 7, "letter"},
        {"\"\\ud800\"", 7, "letter"},
        {"\"\\udc00\"", 7, "letter"},
        {"\"a\nb\"", 2, "control"},
        {"\"\xff\"", 2, "UTF-8"},
        {"\"\xed\xa0\x80\"", 4, "UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vgg_json_fault fault = {0};
        assert_null(json_loads(cases[i].text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL));
        assert_null(read_text(cases[i].text, &fault));
        assert_false(fault.memory);
        if (fault.byte != cases[i].byte || strstr(fault.what, cases[i].what) == NULL)
            fail_msg("%s: \"%s\" at byte %zu", cases[i].text, fault.what, fault.byte);
    }
}

/* Nothing behind the given size is looked at. */
static void test_size(void **state) {
    (void)state;
    const char *text = "{\"abc\":[1.25,true,\"x\\n\"]}";
    for (size_t size = 0; size <= strlen(text); size++) {
        char *copy = vgg_malloc(size + 1);
        memcpy(copy, text, size);
        vgg_json_fault fault;
        json_t *value = vgg_json_read(copy, size, &fault);
        assert_true((value != NULL) == (size == strlen(text)));
        json_decref(value);
        vgg_free(copy);
    }
}

static void test_depth(void **state) {
    (void)state;
    char text[1200];
    for (size_t depth = 511; depth <= 513; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        vgg_json_fault fault = {0};
        json_t *value = vgg_json_read(text, 2 * depth, &fault);
        assert_true((value != NULL) == (depth <= 512));
        assert_true(value != NULL || strstr(fault.what, "limit of 512") != NULL);
        json_decref(value);
    }
}

/* Each allocation failing, once and from then on: the value, or that there was no memory. */
static void test_memory(void **state) {
    (void)state;
    const char *text = "{\"a\":[1,2.5,{\"b\":null}],\"c\":\"d\",\"e\":{},\"\\u0041\":[[],true]}";
    vgg_json_fault fault = {0};
    json_decref(read_text(text, &fault)); /* Jansson's first value seeds its tables */
    if (!allocations_work())
        skip();
    for (size_t lasting = 0; lasting < 2; lasting++) {
        bool failed = true;
        for (size_t at = 1; failed; at++) {
            fault = (vgg_json_fault){0};
            allocations_begin(at, lasting == 1);
            json_t *value = read_text(text, &fault);
            failed = allocations_end().failed;
            assert_true((value == NULL) == failed);
            assert_true(fault.memory == failed);
            json_decref(value);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_wrong),  cmocka_unit_test(test_size),
        cmocka_unit_test(test_depth),  cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
