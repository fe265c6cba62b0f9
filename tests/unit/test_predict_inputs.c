/* Inputs that are preprocessed already have the bits of the pictures that they are made of, and a
 * predictor of any batch those of another that is tuned for the same. */
#include "pictures.h"

#include "vgg/predict.h"

#define CLASSES 10
#define PICTURES ((size_t)9)
#define TOP ((size_t)3)
#define TUNED 32

static vgg_model *model;
static vgg_image images[PICTURES];
static float *inputs[PICTURES];
static vgg_prediction right[PICTURES][TOP];

static vgg_predictor *make(size_t batch, vgg_protocol protocol) {
    vgg_predictor_options options;
    vgg_predictor *predictor = NULL;
    vgg_error error;
    vgg_predictor_options_init(&options, sizeof options);
    options.batch = batch;
    options.tuned_batch = batch == 0 ? 0 : TUNED;
    options.protocol = protocol;
    assert_ok(vgg_predictor_create(model, &options, &predictor, &error), error);
    return predictor;
}

static int set_up(void **state) {
    vgg_error error;
    (void)state;
    /* A plan for one picture would choose other algorithms here than one for many. */
    model = make_model("16,M,256,M,256,256/16", CLASSES, false, 0);
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

static bool compare(void *user, const vgg_predict_result *result) {
    run *now = user;
    now->wrong += result->number != now->answered || result->name != NULL;
    if (result->error != NULL) {
        now->failed += result->error->status == VGG_ERROR_NUMERIC;
    } else {
        now->wrong += result->found != TOP;
        for (size_t i = 0; i < TOP; i++) {
            const vgg_prediction *found = &result->best[i], *wanted = &right[now->answered][i];
            now->wrong += found->index != wanted->index || found->logit != wanted->logit ||
                          found->probability != wanted->probability ||
                          (double)result->logits[found->index] != found->logit;
        }
    }
    return ++now->answered != now->stop_at;
}

static vgg_status predict(vgg_predictor *predictor, size_t count, run *now, vgg_error *error) {
    return vgg_predict_inputs(predictor, (const float *const *)inputs, count, TOP, compare, now,
                              error);
}

static void check(vgg_predictor *predictor) {
    static const size_t counts[] = {1, PICTURES, 2, 0, 5};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        run now = {0};
        vgg_error error;
        assert_ok(predict(predictor, counts[i], &now, &error), error);
        assert_int_equal(now.answered, counts[i]);
        assert_int_equal(now.wrong + now.failed, 0);
    }
}

static void as_pictures(void **state) {
    (void)state;
    static const vgg_protocol protocols[] = {VGG_PROTOCOL_CENTER, VGG_PROTOCOL_FLIP};
    static const size_t batches[] = {1, 2, 4, 8, 20, 0};
    vgg_error error;
    for (size_t p = 0; p < 2; p++) {
        vgg_predictor *usual = make(0, protocols[p]);
        for (size_t i = 0; i < PICTURES; i++) {
            size_t found;
            assert_ok(vgg_predict_image(usual, &images[i], TOP, right[i], &found, &error), error);
        }
        vgg_predictor_free(usual);
        for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
            vgg_predictor *predictor = make(batches[i], protocols[p]);
            check(predictor);
            vgg_predictor_free(predictor);
        }
    }
}

static void stopped_and_damaged(void **state) {
    (void)state;
    vgg_error error;
    vgg_predictor *predictor = make(4, VGG_PROTOCOL_FLIP);
    run now = {.stop_at = 6};
    assert_int_equal(predict(predictor, PICTURES, &now, &error), VGG_ERROR_STOPPED);
    assert_int_equal(now.answered, 6);
    fill_tensor(model, "classifier.3.bias", (float)(0.0 / 0.0));
    now = (run){0};
    assert_ok(predict(predictor, PICTURES, &now, &error), error);
    assert_int_equal(now.failed, PICTURES);
    vgg_predictor_free(predictor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_pictures),
        cmocka_unit_test(stopped_and_damaged),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
