/* The mirrored view: probabilities are the mean of those of the picture and of its mirror, by each
 * way to them. */
#include "pictures.h"

#include <math.h>

#include "vgg/predict.h"

#define CLASSES ((size_t)10)

static vgg_predictor *make_predictor(const vgg_model *model, vgg_protocol protocol) {
    vgg_predictor_options options;
    vgg_predictor_options_init(&options, sizeof options);
    options.protocol = protocol;
    options.batch = 4;
    vgg_predictor *predictor = NULL;
    vgg_error error;
    assert_ok(vgg_predictor_create(model, &options, &predictor, &error), error);
    return predictor;
}

/* Probabilities by class. */
static void predict(vgg_predictor *predictor, const vgg_image *image, double values[CLASSES]) {
    vgg_prediction best[CLASSES];
    size_t found = 0;
    vgg_error error;
    assert_ok(vgg_predict_image(predictor, image, CLASSES, best, &found, &error), error);
    assert_int_equal(found, CLASSES);
    for (size_t i = 0; i < CLASSES; i++) {
        values[best[i].index] = best[i].probability;
    }
}

#define PICTURES ((size_t)6)

typedef struct queue {
    vgg_picture picture;
    const vgg_image *images;
    size_t next;
    double values[PICTURES][CLASSES];
} queue;

static bool take_result(void *user, const vgg_predict_result *result) {
    queue *q = user;
    for (size_t i = 0; i < CLASSES; i++) {
        q->values[result->number][result->best[i].index] = result->best[i].probability;
    }
    return true;
}

static const vgg_picture *next_picture(void *user) {
    queue *q = user;
    vgg_picture_init(&q->picture, sizeof q->picture);
    q->picture.image = &q->images[q->next];
    return q->next++ < PICTURES ? &q->picture : NULL;
}

static void mean_of_both(vgg_output output) {
    vgg_model *model = usual_model(true);
    vgg_error error;
    assert_ok(vgg_model_set_output(model, output, &error), error);
    vgg_predictor *centre = make_predictor(model, VGG_PROTOCOL_CENTER);
    vgg_predictor *flip = make_predictor(model, VGG_PROTOCOL_FLIP);
    vgg_image images[PICTURES];
    double own[CLASSES], mirrored[CLASSES], both[CLASSES];
    for (size_t i = 0; i < PICTURES; i++) {
        assert_ok(vgg_dataset_read(validation_part, i, &images[i], &error), error);
    }
    queue all = {.images = images};
    assert_ok(vgg_predict_many(flip, next_picture, CLASSES, take_result, &all, &error), error);
    for (size_t i = 0; i < PICTURES; i++) {
        predict(centre, &images[i], own);
        predict(flip, &images[i], both);
        vgg_image_flip(&images[i]);
        predict(centre, &images[i], mirrored);
        bool different = false;
        for (size_t c = 0; c < CLASSES; c++) {
            assert_true(fabs(both[c] - (own[c] + mirrored[c]) / 2) < 1e-6);
            different = different || fabs(own[c] - mirrored[c]) > 1e-5;
        }
        assert_true(different);
        assert_memory_equal(both, all.values[i], sizeof both);
        vgg_image_free(&images[i]);
    }
    vgg_predictor_free(centre);
    vgg_predictor_free(flip);
    vgg_model_free(model);
}

static void one_of_the_classes(void **state) {
    (void)state;
    mean_of_both(VGG_OUTPUT_SOFTMAX);
}

static void each_class(void **state) {
    (void)state;
    mean_of_both(VGG_OUTPUT_SIGMOID);
}

/* The loss of an evaluation is that of the averaged probabilities. */
static void evaluated(void **state) {
    (void)state;
    vgg_model *model = usual_model(true);
    vgg_predictor *flip = make_predictor(model, VGG_PROTOCOL_FLIP);
    vgg_eval_options options;
    vgg_eval_options_init(&options, sizeof options);
    options.protocol = VGG_PROTOCOL_FLIP;
    options.batch = 3;
    vgg_eval_result result = {.struct_size = sizeof result};
    vgg_error error;
    assert_ok(vgg_evaluate(model, validation_part, &options, &result, &error), error);
    double loss = 0;
    for (size_t i = 0; i < VALIDATION_PICTURES; i++) {
        vgg_image image;
        double values[CLASSES];
        assert_ok(vgg_dataset_read(validation_part, i, &image, &error), error);
        predict(flip, &image, values);
        loss -= log(values[vgg_dataset_item_class(validation_part, i)]);
        vgg_image_free(&image);
    }
    assert_true(fabs(result.loss - loss / (double)VALIDATION_PICTURES) < 1e-5);
    options.protocol = (vgg_protocol)7;
    assert_int_equal(vgg_evaluate(model, validation_part, &options, &result, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "protocol 7, expected 0 to 1");
    vgg_predictor_free(flip);
    vgg_model_free(model);
}

static void protocol_names(void **state) {
    (void)state;
    assert_string_equal(vgg_protocol_name(VGG_PROTOCOL_FLIP), "flip");
    assert_null(vgg_protocol_name((vgg_protocol)2));
    assert_int_equal(vgg_protocol_named("flip"), VGG_PROTOCOL_FLIP);
    assert_int_equal(vgg_protocol_named("nothing"), VGG_PROTOCOL_CENTER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_the_classes),
        cmocka_unit_test(each_class),
        cmocka_unit_test(evaluated),
        cmocka_unit_test(protocol_names),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
