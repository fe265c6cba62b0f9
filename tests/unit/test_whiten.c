/* The first layer made from the data: what its filters give is uncorrelated, of variance 1, and
 * there with both signs. */
#include "pictures.h"

#include <math.h>

#include "nets.h"

#define PATCH ((size_t)27)
#define FILTERS ((size_t)40)
#define PAIRS (FILTERS / 2)
#define STEP ((size_t)2) /* between patches of a picture of this size */

/* Response of a filter at a place of a picture. */
static double response(const float *filter, const float *picture, size_t y, size_t x) {
    double sum = 0;
    for (size_t i = 0; i < PATCH; i++) {
        size_t c = i / 9, row = y + i / 3 % 3, column = x + i % 3;
        sum += (double)filter[i] * (double)picture[(c * SIDE + row) * SIDE + column];
    }
    return sum;
}

/* Adds the products of all pairs of filters, at all places of a picture. */
static void add_products(const float *weights, const float *picture,
                         double products[PAIRS][PAIRS]) {
    for (size_t y = 0; y + 3 <= SIDE; y += STEP) {
        for (size_t x = 0; x + 3 <= SIDE; x += STEP) {
            double values[PAIRS];
            for (size_t f = 0; f < PAIRS; f++) {
                values[f] = response(weights + f * PATCH, picture, y, x);
            }
            for (size_t f = 0; f < PAIRS * PAIRS; f++) {
                products[f / PAIRS][f % PAIRS] += values[f / PAIRS] * values[f % PAIRS];
            }
        }
    }
}

static void uncorrelated(void **state) {
    (void)state;
    vgg_model *model = make_model("40,M/16", 10, false, 0);
    vgg_error error;
    assert_ok(vgg_train_whiten(model, train_part, TRAIN_PICTURES, 1, NULL, NULL, &error), error);
    const float *weights = vgg_network_values(vgg_model_network(model), 0);
    vgg_loader *loader = NULL;
    assert_ok(vgg_loader_create(train_part, vgg_model_preprocess(model), NULL, &loader, &error),
              error);
    assert_ok(vgg_loader_start(loader, 0, 0, &error), error);
    double products[PAIRS][PAIRS] = {{0}}, places = 0;
    for (const vgg_batch *batch;;) {
        assert_ok(vgg_loader_next(loader, &batch, &error), error);
        if (batch == NULL)
            break;
        for (size_t n = 0; n < batch->count; n++) {
            add_products(weights, batch->inputs + n * 3 * SIDE * SIDE, products);
            places += (double)(((SIDE - 1) / STEP) * ((SIDE - 1) / STEP));
        }
    }
    for (size_t f = 0; f < PAIRS * PAIRS; f++) {
        size_t row = f / PAIRS, column = f % PAIRS;
        double found = products[row][column] / places;
        /* The variance that is added takes from directions that have hardly any. */
        if (row == column)
            assert_true(found < 1.001 && found > (row < 5 ? 0.9 : 0));
        else
            assert_true(fabs(found) < 1e-3);
    }
    for (size_t i = 0; i < PAIRS * PATCH; i++) {
        assert_true(weights[i] == -weights[PAIRS * PATCH + i]);
    }
    vgg_loader_free(loader);
    vgg_model_free(model);
}

static bool count_skipped(void *user, const char *name, const vgg_error *why) {
    assert_non_null(strstr(name, "heart"));
    assert_non_null(strstr(why->message, "heart"));
    ++*(size_t *)user;
    return true;
}

/* A picture that cannot be read is told. */
static void unreadable(void **state) {
    (void)state;
    vgg_dataset *train = NULL, *validation = NULL;
    vgg_error error;
    assert_int_equal(vgg_pictogram_write(in_folder("broken"), 2, 1, 20, 1, NULL, NULL, NULL),
                     VGG_OK);
    open_parts(in_folder("broken"), &train, &validation);
    write_text(in_folder("broken/train/heart/0000.png"), "not a picture");
    vgg_model *model = make_model("40,M/16", 10, false, 0);
    size_t skipped = 0;
    assert_ok(vgg_train_whiten(model, train, SIZE_MAX, 1, count_skipped, &skipped, &error), error);
    assert_int_equal(skipped, 1);
    vgg_model_free(model);
    vgg_dataset_free(train);
    vgg_dataset_free(validation);
}

static void not_a_convolution(void **state) {
    (void)state;
    vgg_model *model = make_model("M,8,M/16", 10, false, 0);
    vgg_error error = {0};
    assert_int_equal(vgg_train_whiten(model, train_part, 10, 1, NULL, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "does not begin with a convolution");
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uncorrelated),
        cmocka_unit_test(unreadable),
        cmocka_unit_test(not_a_convolution),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
