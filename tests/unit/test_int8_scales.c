/* Scales of convolutions in int8 in files, and what numbers a model has by them. */
#include <math.h>
#include <unistd.h>

#include "model_files.h"

#include "model/model.h"
#include "nn/network.h"
#include "vgg/calibrate.h"

enum { SIDE = 8, PICTURES = 3, INPUT = 3 * SIDE * SIDE };

/* A model with a convolution in int8. */
static vgg_model *make_model(void) {
    vgg_error error;
    vgg_network *network = make_network("16,16,M/4", VGG_LAYOUT_PAPER, false, 3, 3, SIDE);
    assert_ok(vgg_network_initialise(network, "kaiming", 5, &error), error);
    float inputs[PICTURES * INPUT];
    for (size_t i = 0; i < PICTURES * INPUT; i++) {
        inputs[i] = (float)(i % 7) - 3;
    }
    vgg_calibration_options options;
    vgg_calibration_options_init(&options, sizeof options);
    options.max_drop = 1;
    assert_ok(vgg_network_calibrate(network, inputs, PICTURES, &options, NULL, &error), error);
    vgg_model *model;
    assert_ok(vgg_model_create(network, NULL, NULL, &model, &error), error);
    return model;
}

static vgg_int8 *int8_of(vgg_model *model) {
    vgg_network *network = vgg_model_mutable_network(model);
    for (size_t i = 0; i < network->layer_count; i++) {
        if (network->layers[i].int8 != NULL)
            return network->layers[i].int8;
    }
    fail();
    return NULL;
}

/* Loads with and without a vgg_error. */
static void refuse(const vgg_model *model, const char *says) {
    vgg_error error;
    vgg_model *again = NULL;
    const char *path = in_folder("scales.safetensors");
    assert_ok(vgg_model_save(model, path, &error), error);
    assert_int_equal(vgg_model_load(path, NULL, &again, NULL), VGG_ERROR_FORMAT);
    assert_int_equal(vgg_model_load(path, NULL, &again, &error), VGG_ERROR_FORMAT);
    assert_int_equal(error.status, VGG_ERROR_FORMAT);
    assert_contains(error.message, path);
    assert_contains(error.message, says);
    unlink(path);
}

static void test_damaged(void **state) {
    (void)state;
    vgg_model *model = make_model();
    vgg_int8 *int8 = int8_of(model);
    float input = int8->inputs[0], weight = int8->weights[0], figure = int8->figures[1];
    int8->inputs[0] = 0;
    refuse(model, "scale 0 of the input");
    int8->inputs[0] = 1e30f;
    int8->weights[0] = 1e30f;
    refuse(model, "times scale 0 of its weights is inf");
    int8->inputs[0] = input;
    int8->weights[0] = weight;
    int8->figures[1] = -1;
    refuse(model, "int8_figures\" of ");
    int8->figures[1] = (float)NAN;
    refuse(model, "has value 1 of nan");
    int8->figures[1] = figure;
    vgg_model_free(model);
}

static uint64_t number_of(const vgg_model *model) {
    vgg_error error;
    uint64_t number;
    assert_ok(vgg_model_fingerprint(model, &number, &error), error);
    return number;
}

static void test_fingerprint(void **state) {
    (void)state;
    vgg_model *model = make_model();
    vgg_int8 *int8 = int8_of(model);
    uint64_t first = number_of(model);
    int8->inputs[0] *= 2;
    uint64_t second = number_of(model);
    int8->weights[5] *= 2;
    uint64_t third = number_of(model);
    assert_true(first != second && second != third && first != third);
    vgg_network_forget_all_int8(vgg_model_mutable_network(model));
    assert_true(number_of(model) != first);
    vgg_model_free(model);
}

/* Other names have none for scales. */
static void test_names(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = make_model();
    vgg_save_options options;
    vgg_save_options_init(&options, sizeof options);
    options.names_from = "theirs.pth";
    const char *path = in_folder("named.safetensors");
    assert_int_equal(vgg_model_save_as(model, path, &options, &error), VGG_ERROR_UNSUPPORTED);
    assert_contains(error.message, "theirs.pth");
    assert_contains(error.message, "int8");
    assert_int_equal(access(path, F_OK), -1);
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
