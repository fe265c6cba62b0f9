/* Models whose files are shortened: mapped ones are the caller's affair, private copies are whole
 * or an error. */
#include <unistd.h>

#include "model_files.h"

static char path[4096];
static size_t whole;

static int write_model(void **state) {
    make_folder(state);
    vgg_error error;
    vgg_model *model;
    vgg_network *network = make_network("8,M/64", VGG_LAYOUT_PAPER, false, 3, 3, 16);
    assert_ok(vgg_network_initialise(network, "kaiming", 1, &error), error);
    assert_ok(vgg_model_create(network, NULL, NULL, &model, &error), error);
    snprintf(path, sizeof path, "%s", in_folder("model.safetensors"));
    assert_ok(vgg_model_save(model, path, &error), error);
    vgg_model_free(model);
    free(read_bytes(path, &whole));
    return 0;
}

static vgg_model_options private_options(void) {
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    assert_false(options.private_copy);
    options.private_copy = true;
    return options;
}

/* Nothing that becomes of the file reaches the model. */
static void test_shortened_afterwards(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model, *mapped;
    vgg_model_options options = private_options();
    assert_ok(vgg_model_load(path, &options, &model, &error), error);
    assert_ok(vgg_model_load(path, NULL, &mapped, &error), error);
    const char *again = in_folder("again.safetensors");
    assert_ok(vgg_model_save(mapped, again, &error), error);
    vgg_model_free(mapped);
    size_t size;
    char *expected = read_bytes(again, &size);
    assert_int_equal(truncate(path, 10), 0);
    assert_ok(vgg_model_save(model, again, &error), error);
    char *found = read_bytes(again, &size);
    assert_int_equal(size, whole);
    assert_memory_equal(found, expected, whole);
    free(found);
    free(expected);
    vgg_model_free(model);
    unlink(again);
}

/* A file of more bytes than threads read at once is what it is when it is mapped. */
static void test_large(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *made, *copied;
    vgg_model_options options = private_options();
    vgg_network *network = make_network("8,M/4096,700", VGG_LAYOUT_PAPER, false, 3, 3, 16);
    assert_ok(vgg_network_initialise(network, "kaiming", 2, &error), error);
    assert_ok(vgg_model_create(network, NULL, NULL, &made, &error), error);
    char *large = strdup(in_folder("large.safetensors"));
    assert_ok(vgg_model_save(made, large, &error), error);
    vgg_model_free(made);
    assert_ok(vgg_model_load(large, &options, &copied, &error), error);
    size_t size, again_size;
    char *expected = read_bytes(large, &size);
    assert_true(size > (size_t)16 << 20);
    assert_ok(vgg_model_save(copied, large, &error), error);
    vgg_model_free(copied);
    char *found = read_bytes(large, &again_size);
    assert_int_equal(again_size, size);
    assert_memory_equal(found, expected, size);
    free(found);
    free(expected);
    unlink(large);
    free(large);
}

/* The length to which the file is cut when the first piece has been read. */
static const off_t left = (off_t)20 << 20;

static bool shorten(void *user, size_t done, size_t total) {
    (void)done;
    (void)total;
    return truncate(user, left) == 0;
}

/* Between looking at the size and reading the last of it. */
static void test_shortened_meanwhile(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model;
    vgg_model_options options = private_options();
    char *large = strdup(in_folder("large.safetensors"));
    write_safetensors(large,
                      "{\"t\":{\"dtype\":\"F32\",\"shape\":[10485760],"
                      "\"data_offsets\":[0,41943040]}}",
                      NULL, 41943040);
    options.progress = shorten;
    options.progress_user = large;
    assert_int_equal(vgg_model_load(large, &options, &model, &error), VGG_ERROR_IO);
    assert_contains(error.message, "large.safetensors: ended at byte 20971520 of 41943");
    unlink(large);
    free(large);
}

static int remove_model(void **state) {
    unlink(path);
    return remove_folder(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shortened_afterwards),
        cmocka_unit_test(test_shortened_meanwhile),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, write_model, remove_model);
}
