/* Scores of pictures with several labels. Figures of scikit-learn are compared with in
 * tests/cli/test_several_labels.py. */
#include "vgg_test.h"

#include <math.h>

#include "vgg/loss.h"
#include "vgg/scores.h"

#define assert_near(found, expected, within) check_near(#found, found, expected, within)

static void check_near(const char *what, double found, double expected, double within) {
    if (!(fabs(found - expected) <= within))
        fail_msg("%s is %.17g, expected %.17g", what, found, expected);
}

static const char *const names[] = {"cat", "dog", "owl"};

static vgg_label_scores *make(void) {
    vgg_label_scores *scores = NULL;
    vgg_error error;
    assert_ok(vgg_label_scores_create(names, 3, &scores, &error), error);
    return scores;
}

static void add(vgg_label_scores *scores, const size_t *labels, size_t count, float cat, float dog,
                float owl) {
    const float row[] = {cat, dog, owl};
    vgg_error error;
    assert_ok(vgg_label_scores_add(scores, row, labels, count, &error), error);
}

/* Four pictures: both; the dog; none; the cat, which is missed. Nobody has the owl. */
static vgg_label_scores *four_pictures(void) {
    vgg_label_scores *scores = make();
    add(scores, (const size_t[]){0, 1}, 2, 2, 1, -1);
    add(scores, (const size_t[]){1}, 1, 1, 3, -2);
    add(scores, NULL, 0, -1, -2, -3);
    add(scores, (const size_t[]){0}, 1, -1, 0, -1);
    return scores;
}

static void figures_of_classes(void **state) {
    (void)state;
    vgg_label_scores *scores = four_pictures();
    vgg_label_class_figures cat = {.struct_size = sizeof cat}, dog = cat, owl = cat;
    vgg_error error;
    assert_ok(vgg_label_scores_class(scores, 0, &cat, &error), error);
    assert_ok(vgg_label_scores_class(scores, 1, &dog, &error), error);
    assert_ok(vgg_label_scores_class(scores, 2, &owl, &error), error);
    assert_string_equal(cat.name, "cat");
    assert_int_equal(cat.pictures, 2);
    assert_int_equal(cat.predicted, 2);
    assert_int_equal(cat.right, 1);
    /* At the threshold 2: precision 1, recall 1/2; at -1 two pictures tie: precision 2/4. */
    assert_near(cat.average_precision, 0.5 + 0.5 * 0.5, 1e-12);
    /* A probability of one half is enough. */
    assert_int_equal(dog.predicted, 3);
    assert_near(dog.precision, 2.0 / 3, 1e-12);
    assert_near(dog.recall, 1, 1e-12);
    assert_near(dog.f1, 0.8, 1e-12);
    assert_near(dog.average_precision, 1, 1e-12);
    assert_true(isnan(owl.average_precision) && isnan(owl.precision) && isnan(owl.recall));
    assert_true(isnan(owl.f1));
    assert_int_equal(vgg_label_scores_class(scores, 3, &cat, &error), VGG_ERROR_NOT_FOUND);
    vgg_label_scores_free(scores);
}

static void figures_of_all(void **state) {
    (void)state;
    vgg_label_scores *scores = four_pictures();
    vgg_label_figures f = {.struct_size = sizeof f};
    vgg_error error;
    assert_ok(vgg_label_scores_figures(scores, &f, &error), error);
    assert_int_equal(vgg_label_scores_count(scores), 4);
    assert_int_equal(f.pictures, 4);
    assert_int_equal(f.labels, 4);
    assert_int_equal(f.labelled_classes, 2);
    assert_near(f.mean_average_precision, (0.75 + 1) / 2, 1e-12);
    assert_int_equal(f.exact, 2);
    assert_near(f.exact_match, 0.5, 1e-12);
    assert_near(f.recall, (0.5 + 1) / 2, 1e-12);
    const float rows[] = {2, 1, -1, 1, 3, -2, -1, -2, -3, -1, 0, -1};
    const float targets[] = {1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0};
    assert_near(f.loss, vgg_binary_cross_entropy(rows, targets, 4, 3, NULL), 1e-12);
    vgg_label_scores_free(scores);
    scores = make();
    assert_ok(vgg_label_scores_figures(scores, &f, &error), error);
    assert_true(isnan(f.mean_average_precision) && isnan(f.exact_match) && isnan(f.loss));
    vgg_label_scores_free(scores);
}

static void loss_and_gradient(void **state) {
    (void)state;
    const float logits[] = {0, 1000, -1000, 0.5f}, targets[] = {0.25f, 1, 0, 0};
    float gradient[4];
    double loss = vgg_binary_cross_entropy(logits, targets, 2, 2, gradient);
    assert_near(loss, (log(2) + log1p(exp(0.5))) / 4, 1e-12);
    assert_near((double)gradient[0], 0.25 / 4, 1e-7);
    assert_near((double)gradient[1], 0, 1e-7);
    assert_near((double)gradient[2], 0, 1e-7);
    assert_near((double)gradient[3], 1 / (1 + exp(-0.5)) / 4, 1e-7);
}

static void what_is_refused(void **state) {
    (void)state;
    vgg_label_scores *scores = make(), *none = NULL;
    const float fine[] = {0, 0, 0}, broken[] = {0, INFINITY, 0};
    vgg_error error;
    assert_int_equal(vgg_label_scores_create(NULL, 0, &none, &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_label_scores_add(scores, broken, NULL, 0, &error), VGG_ERROR_NUMERIC);
    const size_t wrong[] = {3};
    assert_int_equal(vgg_label_scores_add(scores, fine, wrong, 1, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "label 3, expected 0 to 2");
    assert_int_equal(vgg_label_scores_count(scores), 0);
    vgg_label_scores_free(scores);
}

/* More pictures than there is room for at first, and classes without names. */
static void many_pictures(void **state) {
    (void)state;
    vgg_label_scores *scores = NULL;
    vgg_label_class_figures f = {.struct_size = sizeof f};
    vgg_error error;
    assert_ok(vgg_label_scores_create(NULL, 2, &scores, &error), error);
    for (size_t i = 0; i < 300; i++) {
        const float row[] = {(float)i, -1};
        const size_t label = 0;
        assert_ok(vgg_label_scores_add(scores, row, &label, i >= 200, &error), error);
    }
    assert_ok(vgg_label_scores_class(scores, 0, &f, &error), error);
    assert_string_equal(f.name, "0");
    assert_int_equal(f.pictures, 100);
    assert_int_equal(f.predicted, 300);
    assert_near(f.average_precision, 1, 1e-12);
    vgg_label_scores_free(scores);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_of_classes), cmocka_unit_test(figures_of_all),
        cmocka_unit_test(loss_and_gradient),  cmocka_unit_test(what_is_refused),
        cmocka_unit_test(many_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
