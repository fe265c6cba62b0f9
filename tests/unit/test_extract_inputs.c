/* Features of inputs that are preprocessed already have the bits of those of the pictures that they
 * are made of, and an extractor of any batch those of another that is tuned for the same. */
#include "pictures.h"

#include "vgg/features.h"

#define PICTURES ((size_t)9)
#define TAPS ((size_t)2)
#define TUNED 32

static vgg_model *model;
static vgg_image images[PICTURES];
static float *inputs[PICTURES];
static float *right[PICTURES][TAPS];
static size_t values[TAPS];

static vgg_extractor *make(size_t batch, const char *scales, vgg_feature_pool pool) {
    static const vgg_tap taps[TAPS] = {{6}, {1}};
    vgg_extractor_options options;
    vgg_extractor *extractor = NULL;
    vgg_error error;
    vgg_extractor_options_init(&options, sizeof options);
    options.taps = taps;
    options.tap_count = TAPS;
    options.batch = batch;
    options.tuned_batch = batch == 0 ? 0 : TUNED;
    options.scales = scales;
    options.pool = pool;
    if (pool != VGG_FEATURE_POOL_NONE && scales == NULL)
        options.protocol = VGG_PROTOCOL_FLIP;
    assert_ok(vgg_extractor_create(model, &options, &extractor, &error), error);
    return extractor;
}

static int set_up(void **state) {
    vgg_error error;
    (void)state;
    model = make_model("16,M,64,M,32/16", 10, false, 0);
    for (size_t i = 0; i < PICTURES; i++) {
        inputs[i] = calloc(3 * SIDE * SIDE, sizeof **inputs);
        assert_non_null(inputs[i]);
        assert_ok(vgg_pictogram_draw(i, 20 + i, 5, 0, &images[i], &error), error);
        assert_ok(vgg_preprocess_image(vgg_model_preprocess(model), &images[i], inputs[i], &error),
                  error);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < PICTURES; i++) {
        vgg_image_free(&images[i]);
        free(inputs[i]);
    }
    vgg_model_free(model);
    return 0;
}

typedef struct run {
    size_t answered, stop_at, wrong, failed;
} run;

static bool compare(void *user, const vgg_extract_result *result) {
    run *now = user;
    now->wrong += result->number != now->answered || result->name != NULL;
    if (result->error != NULL)
        now->failed += result->error->status == VGG_ERROR_NUMERIC;
    for (size_t t = 0; result->error == NULL && t < TAPS; t++) {
        now->wrong +=
            memcmp(result->values[t], right[now->answered][t], values[t] * sizeof(float)) != 0;
    }
    return ++now->answered != now->stop_at;
}

static vgg_status extract(vgg_extractor *extractor, size_t count, run *now, vgg_error *error) {
    return vgg_extract_inputs(extractor, (const float *const *)inputs, count, compare, now, error);
}

/* Fills in what pictures give. */
static void find_right(vgg_feature_pool pool) {
    vgg_extractor *usual = make(0, NULL, pool);
    vgg_error error;
    for (size_t t = 0; t < TAPS; t++) {
        vgg_tap_info info = {.struct_size = sizeof info};
        assert_ok(vgg_extractor_tap(usual, t, &info, &error), error);
        values[t] = info.values;
    }
    for (size_t i = 0; i < PICTURES; i++) {
        for (size_t t = 0; t < TAPS; t++) {
            right[i][t] = calloc(values[t], sizeof(float));
            assert_non_null(right[i][t]);
        }
        assert_ok(vgg_extract_image(usual, &images[i], right[i], &error), error);
    }
    vgg_extractor_free(usual);
}

static void free_right(void) {
    for (size_t i = 0; i < PICTURES; i++) {
        for (size_t t = 0; t < TAPS; t++) {
            free(right[i][t]);
        }
    }
}

static void as_pictures(void **state) {
    (void)state;
    static const vgg_feature_pool pools[] = {VGG_FEATURE_POOL_NONE, VGG_FEATURE_POOL_AVERAGE};
    static const size_t batches[] = {1, 4, 20, 0}, counts[] = {1, PICTURES, 2, 0, 5};
    vgg_error error;
    for (size_t p = 0; p < 2; p++) {
        find_right(pools[p]);
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
            vgg_extractor *extractor = make(batches[b], NULL, pools[p]);
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
                run now = {0};
                assert_ok(extract(extractor, counts[c], &now, &error), error);
                assert_int_equal(now.answered, counts[c]);
                assert_int_equal(now.wrong + now.failed, 0);
            }
            vgg_extractor_free(extractor);
        }
        free_right();
    }
}

static void stopped_refused_and_damaged(void **state) {
    (void)state;
    vgg_error error;
    vgg_extractor *extractor = make(4, NULL, VGG_FEATURE_POOL_NONE);
    vgg_extractor *scaled = make(4, "24,32", VGG_FEATURE_POOL_MAX);
    run now = {.stop_at = 6};
    find_right(VGG_FEATURE_POOL_NONE);
    assert_int_equal(extract(extractor, PICTURES, &now, &error), VGG_ERROR_STOPPED);
    assert_int_equal(now.answered, 6);
    assert_int_equal(extract(scaled, 1, &now, &error), VGG_ERROR_UNSUPPORTED);
    fill_tensor(model, "features.0.bias", (float)(0.0 / 0.0));
    now = (run){0};
    assert_ok(extract(extractor, PICTURES, &now, &error), error);
    assert_int_equal(now.failed, PICTURES);
    free_right();
    vgg_extractor_free(extractor);
    vgg_extractor_free(scaled);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_pictures),
        cmocka_unit_test(stopped_refused_and_damaged),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
