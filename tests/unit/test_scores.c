/* Scores and their figures. Those of scikit-learn and SciPy are compared with in
 * tests/cli/test_figures.py. */
#include "vgg_test.h"

#include <math.h>

#include "vgg/loss.h"
#include "vgg/scores.h"

#define assert_near(found, expected) check_near(#found, found, expected)

static void check_near(const char *what, double found, double expected) {
    if (!(fabs(found - expected) <= 1e-12 * (1 + fabs(expected))))
        fail_msg("%s is %.17g, expected %.17g", what, found, expected);
}

static const char *const names[] = {"cat", "dog", "owl"};

static vgg_scores *make(vgg_score_kind kind, bool rows) {
    vgg_scores_options options;
    vgg_scores_options_init(&options, sizeof options);
    options.kind = kind;
    options.rows = rows;
    vgg_scores *scores = NULL;
    vgg_error error;
    assert_ok(vgg_scores_create(names, 3, &options, &scores, &error), error);
    return scores;
}

static void add(vgg_scores *scores, const char *name, size_t truth, float cat, float dog,
                float owl) {
    const float row[] = {cat, dog, owl};
    vgg_error error;
    assert_ok(vgg_scores_add(scores, name, truth, row, &error), error);
}

/* Two cats of three are right, the dog is, and there is no owl. */
static vgg_scores *four_pictures(void) {
    vgg_scores *scores = make(VGG_SCORE_PROBABILITIES, true);
    add(scores, "a", 0, 0.5f, 0.25f, 0.25f);
    add(scores, "b", 0, 0.75f, 0.25f, 0);
    add(scores, "c", 0, 0, 0.125f, 0.875f);
    add(scores, "d", 1, 0.25f, 0.5f, 0.25f);
    return scores;
}

static vgg_score_figures figures_of(const vgg_scores *scores) {
    vgg_score_figures figures = {.struct_size = sizeof figures};
    vgg_error error;
    assert_ok(vgg_scores_figures(scores, &figures, &error), error);
    return figures;
}

static void figures_of_few_pictures(void **state) {
    (void)state;
    vgg_scores *scores = four_pictures();
    vgg_score_figures f = figures_of(scores);
    assert_int_equal(f.pictures, 4);
    assert_int_equal(f.right, 3);
    assert_near(f.accuracy, 0.75);
    assert_near(f.top5, 1);
    assert_near(f.loss, (log(2) - log(0.75) + 126 * log(2) + log(2)) / 4);
    assert_near(f.brier, (0.375 + 0.125 + (1 + 0.015625 + 0.765625) + 0.375) / 4);
    assert_near(f.confidence, 2.625 / 4);
    assert_near(f.balanced_accuracy, (2.0 / 3 + 1) / 2);
    assert_near(f.precision, 2.0 / 3);
    assert_near(f.recall, (2.0 / 3 + 1) / 3);
    assert_near(f.f1, (0.8 + 1) / 3);
    /* Two of 0.5, one of 0.75 and one of 0.875 that is wrong. */
    assert_near(f.calibration_error, (2 * 0.5 + 0.25 + 0.875) / 4);
    vgg_scores_free(scores);
}

static void figures_of_classes(void **state) {
    (void)state;
    vgg_scores *scores = four_pictures();
    vgg_class_figures f = {.struct_size = sizeof f};
    vgg_error error;
    assert_ok(vgg_scores_class(scores, 0, &f, &error), error);
    assert_string_equal(f.name, "cat");
    assert_int_equal(f.pictures, 3);
    assert_int_equal(f.predicted, 2);
    assert_near(f.recall, 2.0 / 3);
    assert_near(f.precision, 1);
    assert_near(f.f1, 0.8);
    assert_near(f.threshold, 1.25 / 3);
    assert_ok(vgg_scores_class(scores, 2, &f, &error), error);
    assert_true(isnan(f.recall) && isnan(f.recall_low) && isnan(f.threshold));
    assert_near(f.precision, 0);
    assert_int_equal(vgg_scores_class(scores, 3, &f, &error), VGG_ERROR_NOT_FOUND);
    size_t matrix[9];
    static const size_t expected[9] = {2, 0, 1, 0, 1, 0, 0, 0, 0};
    assert_ok(vgg_scores_confusion(scores, matrix, &error), error);
    assert_memory_equal(matrix, expected, sizeof matrix);
    vgg_scores_free(scores);
}

static void pairs_that_are_confused(void **state) {
    (void)state;
    vgg_scores *scores = make(VGG_SCORE_PREDICTED, false);
    static const size_t pairs[][2] = {{2, 1}, {1, 2}, {0, 0}, {0, 1}, {1, 2}, {0, 1}, {1, 0}};
    vgg_error error;
    for (size_t i = 0; i < 7; i++) {
        assert_ok(vgg_scores_add_predicted(scores, "p", pairs[i][0], pairs[i][1], &error), error);
    }
    vgg_confused_pair found[9];
    size_t count;
    assert_ok(vgg_scores_confused(scores, 9, found, &count, &error), error);
    static const vgg_confused_pair expected[] = {{0, 1, 2}, {1, 2, 2}, {1, 0, 1}, {2, 1, 1}};
    assert_int_equal(count, 4);
    assert_memory_equal(found, expected, sizeof expected);
    assert_ok(vgg_scores_confused(scores, 1, found, &count, &error), error);
    assert_int_equal(count, 1);
    vgg_score_figures f = figures_of(scores);
    assert_near(f.accuracy, 1.0 / 7);
    assert_true(isnan(f.top5) && isnan(f.loss) && isnan(f.calibration_error) && isnan(f.brier));
    vgg_reliability_bin bin;
    assert_int_equal(vgg_scores_reliability(scores, 1, &bin, &error), VGG_ERROR_UNSUPPORTED);
    vgg_scores_free(scores);
}

static void wilson(void **state) {
    (void)state;
    double low, high;
    vgg_wilson_interval(8, 10, &low, &high);
    assert_true(fabs(low - 0.4901625) < 1e-7 && fabs(high - 0.9433178) < 1e-7);
    vgg_wilson_interval(0, 10, &low, &high);
    assert_true(low >= 0 && low <= 0 && fabs(high - 0.2775328) < 1e-7);
    vgg_wilson_interval(10, 10, &low, &high);
    assert_true(high >= 1 && high <= 1 && fabs(low - 0.7224672) < 1e-7);
    vgg_wilson_interval(0, 0, &low, &high);
    assert_true(isnan(low) && isnan(high));
}

/* A confidence on the edge of a bin belongs to the lower one, as in (low, high]. */
static void edges_of_bins(void **state) {
    (void)state;
    vgg_scores *scores = make(VGG_SCORE_PROBABILITIES, false);
    add(scores, "half", 0, 0.5f, 0.25f, 0.25f);
    add(scores, "all", 0, 1, 0, 0);
    vgg_reliability_bin bins[4];
    vgg_error error;
    assert_ok(vgg_scores_reliability(scores, 4, bins, &error), error);
    assert_int_equal(bins[0].pictures, 0);
    assert_int_equal(bins[1].pictures, 1);
    assert_int_equal(bins[3].pictures, 1);
    assert_true(isnan(bins[0].accuracy));
    assert_near(bins[1].high, 0.5);
    vgg_scores_free(scores);
}

static void assert_selected(const vgg_scores *scores, vgg_score_order order, const char *expected) {
    size_t pictures[8], found, all;
    char text[64] = "";
    vgg_error error;
    assert_ok(vgg_scores_select(scores, order, 8, pictures, &found, &all, &error), error);
    assert_int_equal(found, all);
    for (size_t i = 0; i < found; i++) {
        vgg_scored_picture info = {.struct_size = sizeof info};
        assert_ok(vgg_scores_picture(scores, pictures[i], &info, &error), error);
        strcat(text, info.name);
    }
    assert_string_equal(text, expected);
}

static void pictures_to_look_at(void **state) {
    (void)state;
    vgg_scores *scores = four_pictures();
    add(scores, "e", 2, 0, 0, 1);
    add(scores, "f", 2, 0.5f, 0, 0.5f);
    add(scores, "g", 1, 0, 0.25f, 0.75f);
    assert_selected(scores, VGG_SCORE_HARDEST, "cgadfbe");
    assert_selected(scores, VGG_SCORE_MISTAKES, "cgf");
    /* On their own pictures cats have 0.4167 on average, dogs 0.375 and owls 0.75. */
    assert_selected(scores, VGG_SCORE_LABELS, "cgf");
    size_t found, all;
    vgg_error error;
    assert_ok(vgg_scores_select(scores, VGG_SCORE_HARDEST, 0, NULL, &found, &all, &error), error);
    assert_true(found == 0 && all == 7);
    vgg_scores_free(scores);
}

static void rows_and_probabilities(void **state) {
    (void)state;
    vgg_scores *scores = make(VGG_SCORE_LOGITS, true);
    char name[16];
    for (size_t i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "%zu", i);
        add(scores, name, i % 3, (float)(i % 7), (float)(i % 11), (float)(i % 5));
    }
    vgg_error error;
    for (size_t i = 0; i < 3000; i += 71) {
        const float expected[] = {(float)(i % 7), (float)(i % 11), (float)(i % 5)};
        const size_t truth = i % 3;
        vgg_scored_picture info = {.struct_size = sizeof info};
        float probabilities[3], softmax[3];
        assert_memory_equal(vgg_scores_row(scores, i), expected, sizeof expected);
        assert_ok(vgg_scores_picture(scores, i, &info, &error), error);
        snprintf(name, sizeof name, "%zu", i);
        assert_string_equal(info.name, name);
        assert_near(info.loss, vgg_cross_entropy(expected, &truth, 1, 3, NULL));
        assert_ok(vgg_scores_probabilities(scores, i, probabilities, &error), error);
        vgg_softmax(expected, 1, 3, softmax);
        assert_memory_equal(probabilities, softmax, sizeof softmax);
        assert_near(info.probability, exp(-info.loss));
    }
    assert_null(vgg_scores_row(scores, 3000));
    vgg_scores_free(scores);
}

/* The slope of the loss is zero there, and it is the least: both sides are worse. */
static void temperature_is_the_best(void **state) {
    (void)state;
    vgg_scores *scores = make(VGG_SCORE_LOGITS, true);
    for (size_t i = 0; i < 200; i++) {
        size_t truth = i % 10 < 7 ? i % 3 : (i + 1) % 3;
        float row[3] = {(float)(i % 4), (float)(i % 3), 0};
        row[i % 3] += 6;
        add(scores, "p", truth, row[0], row[1], row[2]);
    }
    vgg_error error;
    double temperature, again, before = figures_of(scores).loss;
    assert_ok(vgg_scores_fit_temperature(scores, &temperature, &error), error);
    assert_true(temperature > 1);
    assert_ok(vgg_scores_cool(scores, temperature, &error), error);
    double least = figures_of(scores).loss;
    assert_true(least < before);
    assert_ok(vgg_scores_fit_temperature(scores, &again, &error), error);
    assert_true(fabs(again - 1) < 1e-6);
    for (int side = 0; side < 2; side++) {
        assert_ok(vgg_scores_cool(scores, side == 0 ? 1.05 : 1 / 1.05 / 1.05, &error), error);
        assert_true(figures_of(scores).loss > least);
    }
    vgg_class_figures f = {.struct_size = sizeof f};
    assert_ok(vgg_scores_class(scores, 0, &f, &error), error);
    assert_true(f.pictures > 60 && f.pictures < 75);
    vgg_scores_free(scores);
}

static void no_temperature_is_best_where_all_is_right(void **state) {
    (void)state;
    vgg_scores *right = make(VGG_SCORE_LOGITS, true), *wrong = make(VGG_SCORE_LOGITS, true);
    vgg_error error;
    double temperature = 7;
    add(right, "p", 0, 3, 0, 0);
    add(wrong, "p", 1, 3, 0, 0);
    assert_int_equal(vgg_scores_fit_temperature(right, &temperature, &error), VGG_ERROR_NUMERIC);
    assert_contains(error.message,
                    "no temperature from 0.01 to 100 is the best for these 1 pictures");
    assert_int_equal(vgg_scores_fit_temperature(wrong, &temperature, &error), VGG_ERROR_NUMERIC);
    assert_true(temperature == 7);
    vgg_scores_free(right);
    vgg_scores_free(wrong);
}

static vgg_score_comparison compared(const vgg_scores *first, const vgg_scores *second) {
    vgg_score_comparison c = {.struct_size = sizeof c};
    vgg_error error;
    assert_ok(vgg_scores_compare(first, second, &c, &error), error);
    return c;
}

/* Of `both` pictures each is right, and of the others only the one. */
static void add_right(vgg_scores *first, vgg_scores *second, size_t both, size_t one,
                      size_t other) {
    vgg_error error;
    char name[16];
    for (size_t i = 0; i < both + one + other; i++) {
        size_t left = i < both + one ? 0 : 1, right = i < both || i >= both + one ? 0 : 1;
        snprintf(name, sizeof name, "%zu", i);
        assert_ok(vgg_scores_add_predicted(first, name, 0, left, &error), error);
        assert_ok(vgg_scores_add_predicted(second, name, 0, right, &error), error);
    }
}

static void mcnemar(void **state) {
    (void)state;
    vgg_scores *first = make(VGG_SCORE_PREDICTED, false);
    vgg_scores *second = make(VGG_SCORE_PREDICTED, false);
    add_right(first, second, 50, 5, 15);
    vgg_score_comparison c = compared(first, second);
    assert_int_equal(c.pictures, 70);
    assert_int_equal(c.both_right, 50);
    assert_int_equal(c.first_right, 5);
    assert_int_equal(c.second_right, 15);
    assert_int_equal(c.disagree, 20);
    assert_near(c.p_exact, 0.04138946533203125); /* 43400 / 2^20 */
    assert_near(c.chi_square, 81.0 / 20);
    assert_true(fabs(c.p_chi_square - 0.0441713449) < 1e-9);
    c = compared(first, first);
    assert_near(c.p_exact, 1);
    assert_near(c.chi_square, 0);
    vgg_scores_free(first);
    vgg_scores_free(second);
}

static void matching_by_name(void **state) {
    (void)state;
    vgg_scores *first = make(VGG_SCORE_LOGITS, false), *second = make(VGG_SCORE_LOGITS, false);
    add(first, "b", 0, 1, 0, 0);
    add(first, "a", 1, 1, 0, 0);
    add(first, "b", 2, 1, 0, 0);
    add(first, "z", 2, 1, 0, 0);
    add(second, "a", 1, 1, 0, 0);
    add(second, "x", 1, 1, 0, 0);
    add(second, "b", 0, 1, 0, 0);
    add(second, "b", 2, 1, 0, 0);
    size_t partner[4];
    vgg_error error;
    assert_ok(vgg_scores_match(first, second, partner, &error), error);
    static const size_t expected[] = {2, 0, 3, SIZE_MAX};
    assert_memory_equal(partner, expected, sizeof partner);
    vgg_scores *other = make(VGG_SCORE_LOGITS, false);
    assert_int_equal(vgg_scores_match(first, other, partner, &error), VGG_ERROR_NOT_FOUND);
    add(other, "a", 2, 1, 0, 0);
    assert_int_equal(vgg_scores_match(first, other, partner, &error), VGG_ERROR_CHANGED);
    assert_contains(error.message, "a: belongs to \"dog\" in the first and to \"owl\"");
    vgg_scores_free(first);
    vgg_scores_free(second);
    vgg_scores_free(other);
}

static void what_is_refused(void **state) {
    (void)state;
    vgg_scores *scores = make(VGG_SCORE_PROBABILITIES, false);
    const float negative[] = {1.5f, -0.5f, 0}, half[] = {0.5f, 0, 0}, odd[] = {1, NAN, 0};
    const float fine[] = {1, 0, 0};
    vgg_error error;
    double temperature;
    float row[3];
    assert_int_equal(vgg_scores_add(scores, "a", 3, fine, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "a: its class is class 3, expected 0 to 2");
    assert_int_equal(vgg_scores_add(scores, "a", 0, negative, &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_scores_add(scores, "a", 0, half, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "0.5 together");
    assert_int_equal(vgg_scores_add(scores, "a", 0, odd, &error), VGG_ERROR_NUMERIC);
    assert_int_equal(vgg_scores_add_predicted(scores, "a", 0, 0, &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_scores_count(scores), 0);
    assert_true(isnan(figures_of(scores).accuracy) && isnan(figures_of(scores).loss));
    assert_ok(vgg_scores_add(scores, "a", 0, fine, &error), error);
    assert_int_equal(vgg_scores_fit_temperature(scores, &temperature, &error),
                     VGG_ERROR_UNSUPPORTED);
    assert_int_equal(vgg_scores_probabilities(scores, 0, row, &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_scores_probabilities(scores, 1, row, &error), VGG_ERROR_NOT_FOUND);
    vgg_scores_free(scores);
}

/* The mean of probabilities, of kinds of any sort, and of pictures that are the same. */
static void fused(void **state) {
    (void)state;
    vgg_scores_options options;
    vgg_scores_options_init(&options, sizeof options);
    options.rows = true;
    vgg_scores *members[2] = {NULL, NULL}, *all = NULL;
    const float logits[] = {1, 2, 3}, shares[] = {0.5f, 0.25f, 0.25f};
    float row[3];
    vgg_error error;
    assert_ok(vgg_scores_create(NULL, 3, &options, &members[0], &error), error);
    options.kind = VGG_SCORE_PROBABILITIES;
    assert_ok(vgg_scores_create(NULL, 3, &options, &members[1], &error), error);
    assert_ok(vgg_scores_add_unreadable(members[0], "u", 1, &error), error);
    assert_ok(vgg_scores_add(members[0], "a", 0, logits, &error), error);
    assert_ok(vgg_scores_add_unreadable(members[0], "v", 2, &error), error);
    const vgg_scores *const both[] = {members[0], members[1]};
    assert_int_equal(vgg_scores_fuse(both, 2, &all, &error), VGG_ERROR_SHAPE);
    assert_contains(error.message, "scores of 1 pictures and of 0");
    assert_ok(vgg_scores_add(members[1], "a", 0, shares, &error), error);
    assert_ok(vgg_scores_fuse(both, 2, &all, &error), error);
    assert_int_equal(vgg_scores_count(all), 1);
    assert_int_equal(vgg_scores_unreadable_count(all), 2);
    assert_string_equal(vgg_scores_unreadable_name(all, 1), "v");
    assert_ok(vgg_scores_probabilities(all, 0, row, &error), error);
    double sum = exp(1) + exp(2) + exp(3);
    for (size_t c = 0; c < 3; c++) {
        double mean = (exp((double)logits[c]) / sum + (double)shares[c]) / 2;
        assert_true(fabs((double)row[c] - mean) < 1e-6);
    }
    vgg_scores_free(all);
    all = NULL;
    assert_ok(vgg_scores_add(members[0], "b", 0, logits, &error), error);
    assert_ok(vgg_scores_add(members[1], "c", 0, shares, &error), error);
    assert_int_equal(vgg_scores_fuse(both, 2, &all, &error), VGG_ERROR_CHANGED);
    assert_contains(error.message, "picture 1 is b in some scores and c in others");
    assert_int_equal(vgg_scores_fuse(both, 0, &all, &error), VGG_ERROR_ARGUMENT);
    vgg_scores *few = make(VGG_SCORE_LOGITS, false);
    const vgg_scores *const bare[] = {few};
    assert_int_equal(vgg_scores_fuse(bare, 1, &all, &error), VGG_ERROR_ARGUMENT);
    assert_null(all);
    vgg_scores_free(few);
    vgg_scores_free(members[0]);
    vgg_scores_free(members[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_of_few_pictures),
        cmocka_unit_test(figures_of_classes),
        cmocka_unit_test(pairs_that_are_confused),
        cmocka_unit_test(wilson),
        cmocka_unit_test(edges_of_bins),
        cmocka_unit_test(pictures_to_look_at),
        cmocka_unit_test(rows_and_probabilities),
        cmocka_unit_test(temperature_is_the_best),
        cmocka_unit_test(no_temperature_is_best_where_all_is_right),
        cmocka_unit_test(mcnemar),
        cmocka_unit_test(matching_by_name),
        cmocka_unit_test(fused),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
