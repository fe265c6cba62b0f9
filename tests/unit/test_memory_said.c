/* What explainers and indexes say that they take. */
#include "allocations.h"
#include "nets.h"
#include "pictures.h"
#include "vgg/explain.h"
#include "vgg/index.h"

/* Bytes of what is small: options, lists of ops, names. */
#define SMALL 65536

static void explain(const vgg_model *model, const vgg_explain_options *options) {
    uint8_t pixels[3 * SIDE * SIDE] = {0};
    const vgg_image image = {.width = SIDE, .height = SIDE, .channels = 3, .pixels = pixels};
    float map[SIDE * SIDE] = {0};
    vgg_explainer *explainer = NULL;
    vgg_explanation found = {.struct_size = sizeof found};
    vgg_error error;
    assert_ok(vgg_explainer_create(model, options, &explainer, &error), error);
    assert_ok(vgg_explain_image(explainer, &image, 0, map, &found, &error), error);
    vgg_explainer_free(explainer);
}

static void each_method_takes_what_it_says(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = make_model("32,64,M,128,M/256", 10, false, 0);
    vgg_threads *threads = NULL;
    assert_ok(vgg_threads_create(NULL, &threads, &error), error);
    vgg_explain_options options;
    vgg_explain_options_init(&options, sizeof options);
    options.shared_threads = threads;
    for (int method = VGG_EXPLAIN_GRADCAM; method <= VGG_EXPLAIN_OCCLUSION; method++) {
        for (size_t layer = 0; layer < (method <= VGG_EXPLAIN_LAYERCAM ? 2 : 1); layer++) {
            size_t bytes = 0;
            options.method = (vgg_explain_method)method;
            options.layer = layer == 0 ? VGG_EXPLAIN_USUAL : 0;
            assert_ok(vgg_explainer_memory(model, &options, &bytes, &error), error);
            allocations_begin(0, false);
            explain(model, &options);
            allocations used = allocations_end();
            if (allocations_work())
                assert_in_range(used.peak, bytes / 2, bytes + bytes / 50 + SMALL);
        }
    }
    options.layer = 1000;
    size_t bytes;
    assert_int_not_equal(vgg_explainer_memory(model, &options, &bytes, &error), VGG_OK);
    vgg_threads_free(threads);
    vgg_model_free(model);
}

static const vgg_picture *next_picture(void *user) {
    static size_t given;
    vgg_picture *picture = user;
    if (given == VALIDATION_PICTURES)
        return NULL;
    picture->path = vgg_dataset_item_name(validation_part, given++);
    return picture;
}

static void indexes_take_what_they_say(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = make_model("32,64,M,128,M/256", 10, false, 0);
    vgg_index *index = NULL;
    vgg_index_options options;
    vgg_index_options_init(&options, sizeof options);
    options.batch = 1;
    options.pool = VGG_FEATURE_POOL_NONE;
    assert_ok(vgg_index_create(model, &options, &index, &error), error);
    vgg_picture picture;
    vgg_picture_init(&picture, sizeof picture);
    assert_ok(vgg_index_update(index, next_picture, &picture, NULL, NULL, &error), error);
    assert_ok(vgg_index_save(index, in_folder("i.index"), &error), error);
    vgg_index_free(index);
    allocations_begin(0, false);
    assert_ok(vgg_index_open(in_folder("i.index"), model, &options, &index, &error), error);
    size_t bytes = vgg_index_memory(index);
    vgg_index_match match;
    size_t found;
    assert_ok(vgg_index_search_file(index, vgg_dataset_item_name(validation_part, 0), 1, &match,
                                    &found, &error),
              error);
    allocations used = allocations_end();
    if (allocations_work())
        assert_in_range(used.held, bytes / 2, bytes + bytes / 50 + SMALL);
    vgg_index_free(index);
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_method_takes_what_it_says),
                                       cmocka_unit_test(indexes_take_what_they_say)};
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
