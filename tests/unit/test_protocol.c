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

/* Logits whose probabilities are 0 and 1 in double stay what they are. */
static void far_from_zero(void **state) {
    (void)state;
    static const float logits[] = {-800, 800};
    for (size_t l = 0; l < sizeof logits / sizeof *logits; l++) {
        vgg_model *model = usual_model(true);
        vgg_error error;
        assert_ok(vgg_model_set_output(model, VGG_OUTPUT_SIGMOID, &error), error);
        fill_tensor(model, "classifier.3.weight", 0);
        fill_tensor(model, "classifier.3.bias", logits[l]);
        vgg_predictor *flip = make_predictor(model, VGG_PROTOCOL_FLIP);
        vgg_image image;
        vgg_prediction best[CLASSES];
        size_t found = 0;
        assert_ok(vgg_dataset_read(validation_part, 0, &image, &error), error);
        assert_ok(vgg_predict_image(flip, &image, CLASSES, best, &found, &error), error);
        assert_int_equal(found, CLASSES);
        for (size_t i = 0; i < CLASSES; i++) {
            assert_true(fabs((double)(best[i].logit - logits[l])) < 1e-3);
        }
        vgg_image_free(&image);
        vgg_predictor_free(flip);
        vgg_model_free(model);
    }
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
    assert_contains(error.message, "protocol 7, expected 0 to 4");
    vgg_predictor_free(flip);
    vgg_model_free(model);
}

/* ---- views of a picture at a time ---- */

static vgg_predictor_options view_options(vgg_protocol protocol, const char *scales) {
    vgg_predictor_options options;
    vgg_predictor_options_init(&options, sizeof options);
    options.protocol = protocol;
    options.scales = scales;
    options.threads = 2;
    return options;
}

/* One picture alone, among others and in an evaluation gives the same, whatever the batch; two of
 * the same network give what one gives. */
static void views(void **state) {
    (void)state;
    for (vgg_protocol protocol = VGG_PROTOCOL_CENTER; protocol <= VGG_PROTOCOL_DENSE_CROPS;
         protocol++) {
        vgg_model *model = usual_model(true);
        vgg_predictor_options options = view_options(protocol, "20,16,33"), few = options;
        vgg_predictor *one = NULL, *two = NULL;
        vgg_image images[PICTURES];
        vgg_error error;
        few.batch = 2;
        assert_ok(vgg_predictor_create(model, &options, &one, &error), error);
        assert_ok(vgg_predictor_create(model, &few, &two, &error), error);
        assert_int_equal(vgg_predictor_batch(one), 1);
        assert_true(vgg_predictor_memory(one) > 0);
        for (size_t i = 0; i < PICTURES; i++) {
            assert_ok(vgg_dataset_read(validation_part, i, &images[i], &error), error);
        }
        queue all = {.images = images};
        assert_ok(vgg_predict_many(one, next_picture, CLASSES, take_result, &all, &error), error);
        for (size_t i = 0; i < PICTURES; i++) {
            double values[CLASSES];
            predict(two, &images[i], values);
            assert_memory_equal(values, all.values[i], sizeof values);
        }
        assert_ok(vgg_predictor_add(two, model, &options, &error), error);
        for (size_t i = 0; i < PICTURES; i++) {
            double values[CLASSES];
            predict(two, &images[i], values);
            for (size_t c = 0; c < CLASSES; c++) {
                assert_true(fabs(values[c] - all.values[i][c]) < 1e-7);
            }
            vgg_image_free(&images[i]);
        }
        vgg_predictor_free(one);
        vgg_predictor_free(two);
        vgg_model_free(model);
    }
}

/* An evaluation with scales, and the same by a predictor that had begun with batches. */
static void evaluated_views(void **state) {
    (void)state;
    vgg_model *model = usual_model(true);
    vgg_eval_options options;
    vgg_eval_options_init(&options, sizeof options);
    options.protocol = VGG_PROTOCOL_DENSE;
    options.scales = "24";
    vgg_eval_result first = {.struct_size = sizeof first}, second = first, third = first;
    vgg_error error;
    assert_ok(vgg_evaluate(model, validation_part, &options, &first, &error), error);
    vgg_predictor_options predicting = view_options(VGG_PROTOCOL_DENSE, "24");
    vgg_predictor *predictor = NULL;
    assert_ok(vgg_predictor_create(model, &predicting, &predictor, &error), error);
    assert_ok(vgg_evaluate_with(predictor, validation_part, NULL, &second, &error), error);
    assert_memory_equal(&first, &second, sizeof first);
    vgg_predictor_free(predictor);
    predictor = make_predictor(model, VGG_PROTOCOL_CENTER);
    assert_ok(vgg_evaluate_with(predictor, validation_part, NULL, &second, &error), error);
    options.protocol = VGG_PROTOCOL_CENTER;
    options.scales = NULL;
    assert_ok(vgg_evaluate(model, validation_part, &options, &third, &error), error);
    assert_true(second.images == third.images && fabs(second.loss - third.loss) < 1e-5);
    assert_ok(vgg_predictor_add(predictor, model, NULL, &error), error);
    assert_ok(vgg_evaluate_with(predictor, validation_part, NULL, &third, &error), error);
    assert_true(fabs(second.loss - third.loss) < 1e-5);
    vgg_predictor_free(predictor);
    vgg_model_free(model);
}

static void refused_views(void **state) {
    (void)state;
    vgg_model *model = usual_model(true);
    vgg_predictor *predictor = NULL;
    vgg_error error;
    vgg_predictor_options options = view_options(VGG_PROTOCOL_CROPS, "8");
    assert_int_equal(vgg_predictor_create(model, &options, &predictor, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "a short side of 8, expected 16 to 30000");
    static const char *const wrong[] = {
        "", "24,", "x", "0", "99999", "-5", "24;30", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        options = view_options(VGG_PROTOCOL_CENTER, wrong[i]);
        assert_int_equal(vgg_predictor_create(model, &options, &predictor, &error),
                         VGG_ERROR_ARGUMENT);
        assert_contains(error.message, "expected up to 16 sizes from 1 to 30000");
    }
    predictor = make_predictor(model, VGG_PROTOCOL_FLIP);
    assert_ok(vgg_model_set_output(model, VGG_OUTPUT_SIGMOID, &error), error);
    vgg_model *other = usual_model(true);
    assert_int_equal(vgg_predictor_add(predictor, other, NULL, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "several labels per picture");
    vgg_predictor_free(predictor);
    vgg_model_free(model);
    vgg_model_free(other);
}

static void protocol_names(void **state) {
    (void)state;
    assert_string_equal(vgg_protocol_name(VGG_PROTOCOL_FLIP), "flip");
    assert_null(vgg_protocol_name((vgg_protocol)5));
    assert_int_equal(vgg_protocol_named("flip"), VGG_PROTOCOL_FLIP);
    assert_int_equal(vgg_protocol_named("dense+crops"), VGG_PROTOCOL_DENSE_CROPS);
    assert_int_equal(vgg_protocol_named("nothing"), VGG_PROTOCOL_CENTER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_the_classes), cmocka_unit_test(each_class),
        cmocka_unit_test(evaluated),          cmocka_unit_test(views),
        cmocka_unit_test(evaluated_views),    cmocka_unit_test(refused_views),
        cmocka_unit_test(protocol_names),     cmocka_unit_test(far_from_zero),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
