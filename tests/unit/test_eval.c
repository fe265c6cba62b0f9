/* Predicting and measuring. */
#include "pictures.h"

#include <math.h>
#include <sys/stat.h>

#include "nets.h"
#include "vgg/predict.h"

#define assert_near(found, expected, bound)                                                        \
    do {                                                                                           \
        if (!(fabs((found) - (expected)) <= (bound)))                                              \
            fail_msg("%s is %.17g, expected %.17g", #found, (double)(found), (double)(expected));  \
    } while (0)

static vgg_predictor *make_predictor(const vgg_model *model, size_t threads) {
    vgg_predictor_options options;
    vgg_predictor_options_init(&options, sizeof options);
    options.threads = threads;
    vgg_predictor *predictor = NULL;
    vgg_error error;
    assert_ok(vgg_predictor_create(model, &options, &predictor, &error), error);
    return predictor;
}

static vgg_eval_options eval_options(size_t batch) {
    vgg_eval_options options;
    vgg_eval_options_init(&options, sizeof options);
    options.batch = batch;
    options.threads = 1;
    options.workers = 2;
    return options;
}

static vgg_eval_result evaluate(const vgg_model *model, const vgg_dataset *dataset,
                                const vgg_eval_options *options) {
    vgg_eval_result result = {.struct_size = sizeof result};
    vgg_error error;
    assert_ok(vgg_evaluate(model, dataset, options, &result, &error), error);
    return result;
}

/* The class `right` among all ten, and the picture's cross-entropy in double. */
static size_t rank_of(const vgg_prediction *best, size_t right, double *loss) {
    size_t rank = 10;
    double sum = 0, logit = 0;
    for (size_t k = 0; k < 10; k++) {
        sum += exp(best[k].logit);
        if (best[k].index == right) {
            rank = k;
            logit = best[k].logit;
        }
    }
    *loss = log(sum) - logit;
    return rank;
}

/* What vgg_evaluate should find, by predicting one picture after another. */
static vgg_eval_result predict_all(const vgg_model *model, const vgg_dataset *dataset) {
    vgg_predictor *predictor = make_predictor(model, 1);
    vgg_eval_result result = {.struct_size = sizeof result, .images = vgg_dataset_count(dataset)};
    double images = (double)result.images;
    vgg_error error;
    for (size_t i = 0; i < result.images; i++) {
        vgg_image image = {0};
        vgg_prediction best[10];
        size_t found = 0;
        assert_ok(vgg_dataset_read(dataset, i, &image, &error), error);
        assert_ok(vgg_predict_image(predictor, &image, 10, best, &found, &error), error);
        assert_int_equal(found, 10);
        double loss, sum = 0;
        size_t rank = rank_of(best, vgg_dataset_item_class(dataset, i), &loss);
        result.top1 += (rank < 1) / images;
        result.top5 += (rank < 5) / images;
        result.loss += loss / images;
        for (size_t k = 0; k < found; k++) {
            sum += best[k].probability;
            if (k > 0)
                assert_true(
                    best[k].logit < best[k - 1].logit ||
                    (best[k].logit <= best[k - 1].logit && best[k].index > best[k - 1].index));
        }
        assert_near(sum, 1, 1e-6);
        vgg_image_free(&image);
    }
    vgg_predictor_free(predictor);
    return result;
}

/* ---- measuring ---- */

static void as_predicted(void **state) {
    (void)state;
    for (int batch_norm = 0; batch_norm < 2; batch_norm++) {
        vgg_model *model = usual_model(batch_norm);
        vgg_eval_result expected = predict_all(model, train_part);
        vgg_eval_options options = eval_options(32);
        vgg_eval_result result = evaluate(model, train_part, &options);
        assert_int_equal(result.images, TRAIN_PICTURES);
        assert_int_equal(result.skipped, 0);
        assert_near(result.top1, expected.top1, 1e-12);
        assert_near(result.top5, expected.top5, 1e-12);
        assert_near(result.loss, expected.loss, 1e-9 * expected.loss);
        assert_true(result.top5 > 0 && result.top5 < 1);
        vgg_model_free(model);
    }
}

static void same_bits(void **state) {
    (void)state;
    vgg_model *model = usual_model(true);
    vgg_eval_options options = eval_options(1);
    vgg_eval_result expected = evaluate(model, train_part, &options);
    static const size_t batches[] = {7, 32, 60, 100}, threads[] = {1, 2, 3, 0};
    for (size_t i = 0; i < 4; i++) {
        options = eval_options(batches[i]);
        options.threads = threads[i];
        options.workers = i;
        vgg_eval_result result = evaluate(model, train_part, &options);
        assert_near(result.top1, expected.top1, 0);
        assert_near(result.top5, expected.top5, 0);
        assert_near(result.loss, expected.loss, 0);
    }
    vgg_model_free(model);
}

static bool stop_at_14(void *user, size_t done, size_t total) {
    size_t *last = user;
    assert_true(done > *last);
    assert_int_equal(total, TRAIN_PICTURES);
    *last = done;
    return done < 14;
}

static void stopped(void **state) {
    (void)state;
    vgg_model *model = usual_model(false);
    vgg_eval_options options = eval_options(7);
    vgg_eval_result result = {.struct_size = sizeof result, .images = 77};
    vgg_error error = {0};
    size_t last = 0;
    options.progress = stop_at_14;
    options.user = &last;
    assert_int_equal(vgg_evaluate(model, train_part, &options, &result, &error), VGG_ERROR_STOPPED);
    assert_int_equal(last, 14);
    assert_int_equal(result.images, 77);
    vgg_model_free(model);
}

static bool count_skipped(void *user, const char *name, const vgg_error *why) {
    size_t *count = user;
    assert_contains(name, "0001.png");
    assert_int_not_equal(why->status, VGG_OK);
    return ++*count < 3;
}

static void unreadable(void **state) {
    (void)state;
    vgg_error error = {0};
    vgg_dataset *some, *none;
    assert_ok(vgg_pictogram_write(in_folder("broken"), 2, 1, 20, 1, NULL, NULL, &error), error);
    write_text(in_folder("broken/train/heart/0001.png"), "no picture");
    write_text(in_folder("broken/train/star/0001.png"), "no picture");
    open_parts(in_folder("broken"), &some, &none);
    vgg_model *model = usual_model(false);
    vgg_eval_options options = eval_options(4);
    size_t skipped = 0;
    options.skipped = count_skipped;
    options.user = &skipped;
    vgg_eval_result result = evaluate(model, some, &options);
    assert_int_equal(result.images, 18);
    assert_int_equal(result.skipped, 2);
    assert_int_equal(skipped, 2);
    assert_int_not_equal(vgg_evaluate(model, some, &options, &result, &error), VGG_OK);
    assert_contains(error.message, "0001.png");
    vgg_model_free(model);
    vgg_dataset_free(some);
    vgg_dataset_free(none);
}

/* With two classes every class is among the five likeliest. */
static void few_classes(void **state) {
    (void)state;
    static const char *const two[] = {"circle", "star"};
    vgg_error error;
    vgg_image image = {0};
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "two/%s", two[i % 2]);
        (void)mkdir(in_folder("two"), 0777);
        (void)mkdir(in_folder(name), 0777);
        snprintf(name, sizeof name, "two/%s/%zu.png", two[i % 2], i);
        assert_ok(vgg_pictogram_draw(i % 2 * 5, 20, 1, i, &image, &error), error);
        assert_ok(vgg_image_save_png(&image, in_folder(name), &error), error);
        vgg_image_free(&image);
    }
    vgg_dataset *dataset = NULL;
    open_parts(in_folder("two"), &dataset, NULL);
    vgg_model *model = make_model("8,M", 2, false, 0);
    vgg_eval_options options = eval_options(3);
    vgg_eval_result result = evaluate(model, dataset, &options);
    assert_int_equal(result.images, 4);
    assert_near(result.top5, 1, 0);
    vgg_model_free(model);
    vgg_dataset_free(dataset);
}

/* ---- predicting ---- */

static vgg_image draw(void) {
    vgg_image image = {0};
    vgg_error error;
    assert_ok(vgg_pictogram_draw(2, 24, 5, 0, &image, &error), error);
    return image;
}

/* A model whose logits are its last biases, whatever the picture. */
static vgg_model *constant_model(const float *logits, const char *const *names) {
    vgg_model *inner = usual_model(false), *model = NULL;
    fill_tensor(inner, "classifier.3.weight", 0);
    vgg_network *network = vgg_model_mutable_network(inner),
                *copy = small_net("8,M,12,M/16", 10, 3, SIDE);
    vgg_error error;
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        assert_ok(vgg_network_set_values(copy, t, vgg_network_values(network, t),
                                         tensor_info(network, t).count, &error),
                  error);
    }
    assert_ok(vgg_network_set_values(copy, vgg_network_find_tensor(copy, "classifier.3.bias"),
                                     logits, 10, &error),
              error);
    assert_ok(vgg_model_create(copy, vgg_model_preprocess(inner), names, &model, &error), error);
    vgg_model_free(inner);
    return model;
}

static void equal_logits(void **state) {
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    static const float logits[10] = {1, 3, 1, -2, 3, 3, 0, 1, -2, 0};
    static const size_t order[10] = {1, 4, 5, 0, 2, 7, 6, 9, 3, 8};
    vgg_model *model = constant_model(logits, names);
    vgg_predictor *predictor = make_predictor(model, 2);
    vgg_image image = draw();
    vgg_prediction best[12];
    vgg_error error;
    for (size_t top = 0; top <= 12; top++) {
        memset(best, 0xa5, sizeof best);
        size_t found = 99, count = top < 10 ? top : 10;
        assert_ok(vgg_predict_image(predictor, &image, top, best, &found, &error), error);
        assert_int_equal(found, count);
        for (size_t k = 0; k < count; k++) {
            assert_int_equal(best[k].index, order[k]);
            assert_string_equal(best[k].label, names[order[k]]);
            assert_near(best[k].logit, (double)logits[order[k]], 0);
        }
        for (size_t i = 0; i < sizeof(vgg_prediction) * (12 - count); i++) {
            assert_int_equal(((unsigned char *)&best[count])[i], 0xa5);
        }
    }
    double sum = 3 * exp(1) + 3 * exp(3) + 2 * exp(-2) + 2;
    assert_near(best[0].probability, exp(3) / sum, 1e-7);
    vgg_image_free(&image);
    vgg_predictor_free(predictor);
    vgg_model_free(model);
}

static void all_equal(void **state) {
    (void)state;
    static const float logits[10] = {0};
    vgg_model *model = constant_model(logits, NULL);
    vgg_predictor *predictor = make_predictor(model, 1);
    vgg_image image = draw();
    vgg_prediction best[10];
    size_t found = 0;
    vgg_error error;
    assert_ok(vgg_predict_image(predictor, &image, 10, best, &found, &error), error);
    for (size_t k = 0; k < 10; k++) {
        assert_int_equal(best[k].index, k);
        assert_null(best[k].label);
        assert_near(best[k].probability, 0.1, 1e-7);
    }
    vgg_eval_options options = eval_options(6);
    vgg_eval_result result = evaluate(model, validation_part, &options);
    assert_near(result.top1, 0.1, 1e-12);
    assert_near(result.top5, 0.5, 1e-12);
    assert_near(result.loss, log(10), 1e-12);
    vgg_image_free(&image);
    vgg_predictor_free(predictor);
    vgg_model_free(model);
}

static void from_a_file(void **state) {
    (void)state;
    vgg_model *model = usual_model(true);
    vgg_predictor *predictor = make_predictor(model, 1);
    vgg_image image = draw();
    vgg_prediction one[3], other[3];
    size_t found = 0;
    vgg_error error = {0};
    assert_ok(vgg_image_save_png(&image, in_folder("one.png"), &error), error);
    assert_ok(vgg_predict_image(predictor, &image, 3, one, &found, &error), error);
    assert_ok(vgg_predict_file(predictor, in_folder("one.png"), 3, other, &found, &error), error);
    assert_int_equal(found, 3);
    for (size_t k = 0; k < 3; k++) {
        assert_int_equal(one[k].index, other[k].index);
        assert_near(one[k].logit, other[k].logit, 0);
    }
    assert_int_equal(vgg_predict_file(predictor, in_folder("none.png"), 3, other, &found, &error),
                     VGG_ERROR_NOT_FOUND);
    assert_contains(error.message, "none.png");
    vgg_image_free(&image);
    vgg_predictor_free(predictor);
    vgg_predictor_free(NULL);
    vgg_model_free(model);
}

/* ---- what goes wrong ---- */

static void expect_no_result(const vgg_model *model, vgg_status status, const char *text) {
    vgg_eval_options options = eval_options(8);
    vgg_eval_result result = {.struct_size = sizeof result, .images = 77};
    vgg_error error = {0};
    assert_int_equal(vgg_evaluate(model, train_part, &options, &result, &error), status);
    assert_contains(error.message, text);
    assert_int_equal(result.images, 77);
}

static void without_preprocessing(void **state) {
    (void)state;
    vgg_network *network = small_net("8,M", 10, 3, SIDE);
    vgg_model *model = NULL;
    vgg_predictor *predictor = NULL;
    vgg_error error = {0};
    initialise(network, "glorot", 1);
    assert_ok(vgg_model_create(network, NULL, NULL, &model, &error), error);
    assert_int_equal(vgg_predictor_create(model, NULL, &predictor, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "preprocess");
    assert_contains(error.message, "torchvision");
    assert_null(predictor);
    expect_no_result(model, VGG_ERROR_ARGUMENT, "preprocess");
    vgg_model_free(model);
}

static void not_finite(void **state) {
    (void)state;
    static const struct {
        const char *tensor;
        double value;
    } cases[] = {
        {"classifier.3.bias", NAN}, {"classifier.3.bias", INFINITY}, {"classifier.3.weight", NAN},
        {"features.0.weight", NAN}, {"features.3.bias", INFINITY},
    };
    vgg_image image = draw();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vgg_model *model = usual_model(false);
        fill_tensor(model, cases[i].tensor, (float)cases[i].value);
        vgg_predictor *predictor = make_predictor(model, 1);
        vgg_prediction best[10] = {{.index = 55}};
        size_t found = 77;
        vgg_error error = {0};
        if (vgg_predict_image(predictor, &image, 5, best, &found, &error) != VGG_ERROR_NUMERIC)
            fail_msg("%s of %g is predicted with", cases[i].tensor, cases[i].value);
        assert_contains(error.message, "finite");
        assert_int_equal(found, 77);
        assert_int_equal(best[0].index, 55);
        expect_no_result(model, VGG_ERROR_NUMERIC, "finite");
        vgg_predictor_free(predictor);
        vgg_model_free(model);
    }
    vgg_image_free(&image);
}

static void refused(void **state) {
    (void)state;
    vgg_model *model = make_model("8,M", 9, false, 0);
    expect_no_result(model, VGG_ERROR_SHAPE, "10 classes");
    expect_no_result(model, VGG_ERROR_SHAPE, "9");
    vgg_model_free(model);
    model = usual_model(false);
    vgg_eval_options options = eval_options(0);
    vgg_error error = {0};
    assert_int_equal(vgg_evaluate(model, train_part, &options,
                                  &(vgg_eval_result){.struct_size = sizeof(vgg_eval_result)},
                                  &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "batch");
    vgg_model_free(model);
}

static vgg_label_scores *make_label_scores(size_t classes) {
    vgg_label_scores *scores = NULL;
    vgg_error error;
    assert_ok(vgg_label_scores_create(NULL, classes, &scores, &error), error);
    return scores;
}

/* Scores that other pictures are in already take more, and the figures are of the latter alone. */
static void two_parts_into_one(void **state) {
    (void)state;
    vgg_model *model = usual_model(true);
    vgg_error error;
    assert_ok(vgg_model_set_output(model, VGG_OUTPUT_SIGMOID, &error), error);
    vgg_eval_options options = eval_options(7);
    vgg_eval_result alone = evaluate(model, validation_part, &options);
    options.label_scores = make_label_scores(10);
    evaluate(model, train_part, &options);
    assert_int_equal(vgg_label_scores_count(options.label_scores), TRAIN_PICTURES);
    vgg_eval_result second = evaluate(model, validation_part, &options);
    assert_int_equal(vgg_label_scores_count(options.label_scores),
                     TRAIN_PICTURES + VALIDATION_PICTURES);
    assert_int_equal(second.images, alone.images);
    assert_near(second.loss, alone.loss, 0);
    assert_near(second.mean_average_precision, alone.mean_average_precision, 0);
    assert_near(second.exact_match, alone.exact_match, 0);
    vgg_label_scores_free(options.label_scores);
    options.label_scores = make_label_scores(11);
    assert_int_equal(vgg_evaluate(model, validation_part, &options, &second, &error),
                     VGG_ERROR_SHAPE);
    assert_contains(error.message, "the label scores have 11 classes, the data 10");
    vgg_label_scores_free(options.label_scores);
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_predicted),
        cmocka_unit_test(same_bits),
        cmocka_unit_test(stopped),
        cmocka_unit_test(unreadable),
        cmocka_unit_test(few_classes),
        cmocka_unit_test(equal_logits),
        cmocka_unit_test(all_equal),
        cmocka_unit_test(from_a_file),
        cmocka_unit_test(without_preprocessing),
        cmocka_unit_test(not_finite),
        cmocka_unit_test(refused),
        cmocka_unit_test(two_parts_into_one),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
