/* The search for a learning rate: the rates that it tries, the model that it leaves as it was, and
 * what it suggests. */
#include "pictures.h"

#include <math.h>
#include <string.h>

#include "nets.h"

#define STEPS ((size_t)100)

typedef struct curve {
    size_t count, stop_after;
    vgg_rate_trial trials[STEPS];
} curve;

static bool note(void *user, const vgg_rate_trial *trial) {
    curve *c = user;
    c->trials[c->count++] = *trial;
    return c->count != c->stop_after;
}

static vgg_status find(vgg_model *model, const vgg_train_options *options, curve *c,
                       vgg_rate_suggestion *found, vgg_error *error) {
    vgg_rate_options rates;
    vgg_rate_options_init(&rates, sizeof rates);
    rates.tell = note;
    rates.user = c;
    *found = (vgg_rate_suggestion){.struct_size = sizeof *found};
    return vgg_train_find_rate(model, train_part, options, &rates, found, error);
}

/* All values of the model, one tensor after the other. */
static size_t copy_values(const vgg_model *model, float *values, size_t most) {
    const vgg_network *network = vgg_model_network(model);
    size_t count = 0;
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        vgg_tensor_info info = {.struct_size = sizeof info};
        assert_int_equal(vgg_network_tensor(network, t, &info, NULL), VGG_OK);
        assert_true(count + info.count <= most);
        memcpy(values + count, vgg_network_values(network, t), info.count * sizeof *values);
        count += info.count;
    }
    return count;
}

static void the_model_stays_as_it_was(void **state) {
    (void)state;
    static float before[100000], after[100000];
    vgg_model *model = usual_model(true);
    vgg_train_options options = usual_training(NULL);
    curve c = {0};
    vgg_rate_suggestion found;
    vgg_error error;
    size_t count = copy_values(model, before, 100000);
    assert_ok(find(model, &options, &c, &found, &error), error);
    assert_int_equal(copy_values(model, after, 100000), count);
    assert_memory_equal(before, after, count * sizeof *before);
    c = (curve){.stop_after = 7};
    assert_int_equal(find(model, &options, &c, &found, &error), VGG_ERROR_STOPPED);
    assert_int_equal(c.count, 7);
    copy_values(model, after, 100000);
    assert_memory_equal(before, after, count * sizeof *before);
    vgg_model_free(model);
}

/* fastai's: rates rise by the same factor; the smoothed loss is a mean whose weights fall by 0.98.
 */
static void rates_rise_and_losses_are_smoothed(void **state) {
    (void)state;
    vgg_model *model = usual_model(false);
    vgg_train_options options = usual_training(NULL);
    curve c = {0};
    vgg_rate_suggestion found;
    vgg_error error;
    assert_ok(find(model, &options, &c, &found, &error), error);
    assert_true(c.count >= 50 && c.count == found.steps);
    double best = HUGE_VAL;
    for (size_t i = 0; i < c.count; i++) {
        double sum = 0, weights = 0, rate = 1e-7 * pow(1e8, (double)i / 100);
        for (size_t j = 0; j <= i; j++) {
            sum += pow(0.98, (double)(i - j)) * c.trials[j].loss;
            weights += pow(0.98, (double)(i - j));
        }
        assert_int_equal(c.trials[i].step, i + 1);
        assert_true(fabs(c.trials[i].rate - rate) < 1e-9 * rate);
        assert_true(fabs(c.trials[i].smoothed - sum / weights) < 1e-9 * sum);
        assert_true(i + 1 == c.count ||
                    c.trials[i].smoothed <= 4 * fmin(best, c.trials[i].smoothed));
        best = fmin(best, c.trials[i].smoothed);
    }
    vgg_model_free(model);
}

static void wrong_options(void **state) {
    (void)state;
    vgg_model *model = usual_model(false);
    vgg_train_options options = usual_training(NULL);
    vgg_rate_suggestion found = {.struct_size = sizeof found};
    vgg_rate_options rates;
    vgg_error error;
    vgg_rate_options_init(&rates, sizeof rates);
    rates.most = rates.least;
    assert_int_equal(vgg_train_find_rate(model, train_part, &options, &rates, &found, &error),
                     VGG_ERROR_ARGUMENT);
    vgg_rate_options_init(&rates, sizeof rates);
    rates.steps = 1;
    assert_int_equal(vgg_train_find_rate(model, train_part, &options, &rates, &found, &error),
                     VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_train_find_rate(model, NULL, &options, NULL, &found, &error),
                     VGG_ERROR_ARGUMENT);
    vgg_rate_options_init(&rates, sizeof rates);
    rates.least = 1e20;
    rates.most = 1e30;
    assert_int_equal(vgg_train_find_rate(model, train_part, &options, &rates, &found, &error),
                     VGG_ERROR_NUMERIC);
    assert_contains(error.message, "begin lower");
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_stays_as_it_was),
        cmocka_unit_test(rates_rise_and_losses_are_smoothed),
        cmocka_unit_test(wrong_options),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
