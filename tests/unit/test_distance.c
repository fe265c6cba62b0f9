/* What the functions of distances refuse, and models without a classifier elsewhere. */
#include <math.h>
#include <string.h>

#include "edge.h"
#include "nets.h"
#include "pictures.h"
#include "vgg/distance.h"
#include "vgg/explain.h"
#include "vgg/features.h"
#include "vgg/predict.h"

#define SAMPLES (3 * SIDE * SIDE)

static vgg_distance *make(const vgg_model *model, bool gradient) {
    vgg_error error;
    vgg_distance *distance = NULL;
    vgg_distance_options options;
    vgg_distance_options_init(&options, sizeof options);
    options.metric = VGG_DISTANCE_FEATURES;
    options.gradient = gradient;
    assert_ok(vgg_distance_create(model, &options, &distance, &error), error);
    return distance;
}

static void samples_of_another_range_are_refused(void **state) {
    (void)state;
    static const float wrong[] = {-1.0F, -0.51F, 1.51F, 255.0F, NAN, INFINITY};
    static const float right[] = {-0.5F, 0, 1, 1.5F};
    vgg_error error;
    vgg_model *model = usual_model(false);
    vgg_distance *distance = make(model, false);
    float picture[SAMPLES] = {0};
    double value;
    assert_ok(vgg_distance_set_reference(distance, picture, &error), error);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        picture[SAMPLES - 1] = wrong[i];
        assert_int_equal(vgg_distance_measure(distance, picture, &value, NULL, NULL, &error),
                         VGG_ERROR_ARGUMENT);
        assert_contains(error.message, "expected 0 to 1");
    }
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        picture[SAMPLES - 1] = right[i];
        assert_ok(vgg_distance_measure(distance, picture, &value, NULL, NULL, &error), error);
    }
    picture[0] = 255;
    assert_int_equal(vgg_distance_set_reference(distance, picture, &error), VGG_ERROR_ARGUMENT);
    picture[0] = 0;
    assert_int_equal(vgg_distance_measure(distance, picture, &value, NULL, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "no reference");
    vgg_distance_free(distance);
    vgg_model_free(model);
}

static void what_does_not_belong_together_is_refused(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = usual_model(false);
    const vgg_tap tap = {0};
    const vgg_distance_options wrong[] = {
        {.struct_size = sizeof *wrong, .metric = (vgg_distance_metric)7},
        {.struct_size = sizeof *wrong, .taps = &tap, .tap_count = 1},
        {.struct_size = sizeof *wrong, .average_pools = true},
        {.struct_size = sizeof *wrong, .metric = VGG_DISTANCE_GRAM, .weights = "lin.pth"},
        {.struct_size = sizeof *wrong, .metric = VGG_DISTANCE_GRAM, .taps = &tap, .tap_count = 0},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        vgg_distance *distance = NULL;
        vgg_status status = vgg_distance_create(model, &wrong[i], &distance, &error);
        /* No taps are the usual ones. */
        assert_int_equal(status, i == 4 ? VGG_OK : VGG_ERROR_ARGUMENT);
        vgg_distance_free(distance);
    }
    vgg_model_free(model);
}

static void gradients_are_asked_for_before(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = usual_model(false);
    float picture[SAMPLES] = {0}, gradient[SAMPLES];
    double value, parts[8], sum = 0;
    vgg_distance *distance = make(model, false);
    assert_ok(vgg_distance_set_reference(distance, picture, &error), error);
    assert_int_equal(vgg_distance_measure(distance, picture, &value, NULL, gradient, &error),
                     VGG_ERROR_ARGUMENT);
    vgg_distance_free(distance);
    distance = make(model, true);
    assert_ok(vgg_distance_set_reference(distance, picture, &error), error);
    picture[7] = 1;
    assert_ok(vgg_distance_measure(distance, picture, &value, parts, gradient, &error), error);
    for (size_t i = 0; i < vgg_distance_parts(distance); i++) {
        assert_non_null(vgg_distance_part_name(distance, i));
        sum += parts[i];
    }
    assert_true(value > 0 && fabs(sum - value) < 1e-12);
    assert_null(vgg_distance_part_name(distance, vgg_distance_parts(distance)));
    vgg_distance_free(distance);
    vgg_model_free(model);
}

static void pictures_of_another_size_are_refused(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = usual_model(false);
    vgg_distance *distance = make(model, false);
    uint8_t pixels[SIDE * SIDE] = {255};
    vgg_image image = {.width = SIDE, .height = SIDE, .channels = 1, .pixels = pixels};
    float picture[SAMPLES];
    assert_ok(vgg_distance_picture(distance, &image, picture, &error), error);
    for (size_t c = 0; c < 3; c++) { /* grey in each */
        assert_true(picture[c * SIDE * SIDE] == 1 && picture[c * SIDE * SIDE + 1] == 0);
    }
    image.height--;
    assert_int_equal(vgg_distance_picture(distance, &image, picture, &error), VGG_ERROR_SHAPE);
    vgg_distance_free(distance);
    vgg_model_free(model);
}

/* ---- without a classifier ---- */

/* A safetensors file of one convolution of three channels. */
static size_t write_trunk(unsigned char *bytes) {
    static const char header[] =
        "{\"features.0.weight\":{\"dtype\":\"F32\",\"shape\":[3,3,3,3],\"data_offsets\":[0,324]},"
        "\"features.0.bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[324,336]}}      ";
    size_t length = (sizeof header - 1) / 8 * 8;
    memset(bytes, 0, 8 + length + 336);
    bytes[0] = (unsigned char)length;
    memcpy(bytes + 8, header, length);
    return 8 + length + 336;
}

static void models_without_a_classifier_name_no_classes(void **state) {
    (void)state;
    _Alignas(64) unsigned char bytes[1024];
    size_t size = write_trunk(bytes);
    vgg_error error;
    vgg_model *model = NULL;
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.preprocess = "unit";
    assert_int_equal(vgg_model_load_memory(bytes, size, NULL, &options, &model, &error),
                     VGG_ERROR_UNSUPPORTED);
    options.without_classifier = true;
    assert_ok(vgg_model_load_memory(bytes, size, NULL, &options, &model, &error), error);
    assert_false(vgg_model_has_classifier(model));

    vgg_predictor *predictor = NULL;
    assert_int_equal(vgg_predictor_create(model, NULL, &predictor, &error), VGG_ERROR_UNSUPPORTED);
    assert_contains(error.message, "has no classifier");
    vgg_explainer *explainer = NULL;
    assert_int_equal(vgg_explainer_create(model, NULL, &explainer, &error), VGG_ERROR_UNSUPPORTED);
    assert_int_equal(vgg_model_save(model, in_folder("trunk.safetensors"), &error),
                     VGG_ERROR_UNSUPPORTED);
    vgg_tap tap = {0};
    vgg_extractor_options extracting;
    vgg_extractor_options_init(&extracting, sizeof extracting);
    extracting.taps = &tap;
    extracting.tap_count = 1;
    size_t layers = vgg_network_layer_count(vgg_model_network(model));
    for (; tap.layer < layers; tap.layer++) {
        vgg_extractor *extractor = NULL;
        vgg_status status = vgg_extractor_create(model, &extracting, &extractor, &error);
        assert_int_equal(status, tap.layer + 2 < layers ? VGG_OK : VGG_ERROR_UNSUPPORTED);
        vgg_extractor_free(extractor);
    }
    const char *const names[] = {"a", "b"};
    vgg_model *adapted = NULL;
    assert_ok(vgg_model_adapt(model, names, 2, 1, &adapted, &error), error);
    assert_true(vgg_model_has_classifier(adapted));
    vgg_model_free(adapted);
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_of_another_range_are_refused),
        cmocka_unit_test(what_does_not_belong_together_is_refused),
        cmocka_unit_test(gradients_are_asked_for_before),
        cmocka_unit_test(pictures_of_another_size_are_refused),
        cmocka_unit_test(models_without_a_classifier_name_no_classes),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
