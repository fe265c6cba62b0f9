/* The losses of 20 steps with each optimiser, schedule and addition that follows PyTorch (or timm)
 * against PyTorch's in float64, and the rates of the schedules, step by step. */
#include <math.h>

#include "base/memory.h"
#include "golden.h"
#include "test_device.h"
#include "train/trainer.h"
#include "vgg_test.h"

#define LOSS_BOUND 1e-4  /* relative, at every step */
#define RATE_BOUND 1e-13 /* relative: the 15 digits of a double, and what sums leave in them */

/* As in make_recipe_goldens.py. */
#define RUN_EPOCHS ((size_t)9)
#define RUN_STEPS ((size_t)7)
#define WARMUP ((size_t)2)
static const float CLASS_WEIGHTS[] = {0.5f, 1, 2, 1.5f, 0.25f};

/* The options of the case of that name. */
static vgg_train_options options_of(const char *recipe, const vgg_golden_case *item,
                                    vgg_optimiser_options *optimising) {
    vgg_train_options o;
    vgg_train_options_init(&o, sizeof o);
    o.device = test_device();
    vgg_optimiser_options_init(optimising, sizeof *optimising);
    bool adamw = strncmp(recipe, "adamw", 5) == 0;
    o.optimising = optimising;
    optimising->epsilon =
        1e-5; /* the default makes whole steps of gradients that are rounding errors */
    o.epochs = item->steps; /* of a step each */
    o.batch = item->batch;
    o.rate = item->rate;
    o.min_rate = item->rate / 50;
    o.threads = 2;
    o.weight_decay = adamw ? 0.05 : 5e-4;
    o.optimiser = adamw ? VGG_OPTIMISER_ADAMW : VGG_OPTIMISER_SGD;
    if (strcmp(recipe, "nesterov") == 0)
        o.optimiser = VGG_OPTIMISER_NESTEROV;
    if (strcmp(recipe, "smoothing") == 0)
        o.label_smoothing = 0.2;
    if (strcmp(recipe, "weights") == 0)
        o.label_smoothing = 0.1;
    if (strcmp(recipe, "norm-momentum") == 0)
        o.norm_momentum = 0.4;
    if (strcmp(recipe, "no-decay") == 0)
        o.weight_decay = 0.5;
    optimising->no_decay_norm = strcmp(recipe, "no-decay") == 0;
    optimising->fix_norm_scale = strcmp(recipe, "fixed-scale") == 0;
    optimising->clip = strcmp(recipe, "clip") == 0 ? 0.5 : 0;
    optimising->ema = strcmp(recipe, "ema") == 0 ? 0.8 : 0;
    optimising->lookahead = strcmp(recipe, "lookahead") == 0 ? 5 : 0;
    optimising->bias_rate = strcmp(recipe, "bias-rate") == 0 ? 8 : 1;
    optimising->logit_scale = strcmp(recipe, "logit-scale") == 0 ? 0.25 : 1;
    return o;
}

/* The schedule that a name ends in. */
static void choose_schedule(const char *recipe, vgg_train_options *o) {
    static const struct {
        const char *name;
        vgg_schedule schedule;
    } known[] = {{"plateau", VGG_SCHEDULE_PLATEAU},
                 {"cosine", VGG_SCHEDULE_COSINE},
                 {"one-cycle", VGG_SCHEDULE_ONE_CYCLE},
                 {"triangle", VGG_SCHEDULE_TRIANGLE},
                 {"warmup", VGG_SCHEDULE_COSINE}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strstr(recipe, known[i].name) != NULL)
            o->schedule = known[i].schedule;
    }
    if (strstr(recipe, "warmup") != NULL)
        o->warmup_epochs = WARMUP;
    if (strstr(recipe, "plateau") != NULL) {
        o->patience = 1;
        o->gamma = 0.5;
        o->min_rate = 0;
    }
}

/* What a training told. */
typedef struct told {
    double rate;
} told;

static bool listen(void *user, const vgg_train_event *event) {
    told *heard = user;
    if (event->type == VGG_EVENT_STEP)
        heard->rate = event->rate;
    return true;
}

/* Relative difference; infinite when the value is not finite. */
static double difference(double value, double expected) {
    double d = fabs(value - expected) / fabs(expected);
    return isfinite(d) ? d : (double)INFINITY;
}

static double golden_double(const vgg_golden_set *set, const vgg_golden_case *item,
                            const char *name, const char *rest, size_t i) {
    return (double)vgg_golden_values(set, item, name, item->steps)[i] +
           (double)vgg_golden_values(set, item, rest, item->steps)[i];
}

static double rate_difference(const vgg_golden_set *set, const vgg_golden_case *item, size_t i,
                              double rate, double momentum) {
    return fmax(difference(rate, golden_double(set, item, "rates", "rates-rest", i)),
                difference(momentum, golden_double(set, item, "momenta", "momenta-rest", i)));
}

static vgg_trainer *make_trainer(const char *recipe, const vgg_golden_case *item, vgg_model *model,
                                 told *heard) {
    vgg_optimiser_options optimising;
    vgg_train_options options = options_of(recipe, item, &optimising);
    choose_schedule(recipe, &options);
    options.callback = listen;
    options.user = heard;
    vgg_trainer *trainer = NULL;
    vgg_error error;
    assert_ok(vgg_trainer_create(model, NULL, NULL, &options, &trainer, &error), error);
    if (strcmp(recipe, "weights") == 0) {
        trainer->class_weights = vgg_malloc(sizeof CLASS_WEIGHTS);
        assert_non_null(trainer->class_weights);
        memcpy(trainer->class_weights, CLASS_WEIGHTS, sizeof CLASS_WEIGHTS);
    }
    return trainer;
}

/* The loss in evaluation after a step, with the average of the weights where there is one. */
static double loss_after(vgg_trainer *trainer, const float *pictures, const size_t *classes,
                         size_t count) {
    vgg_eval_result result = {.struct_size = sizeof result};
    vgg_error error;
    assert_ok(vgg_averages_swap(trainer->optimiser, &error), error);
    assert_ok(vgg_trainer_evaluate(trainer, pictures, classes, count, &result, &error), error);
    assert_ok(vgg_averages_swap(trainer->optimiser, &error), error);
    return result.loss;
}

static bool has_array(const vgg_golden_set *set, const vgg_golden_case *item, const char *name) {
    bool has = false;
    for (size_t i = item->first_array; i < item->first_array + item->arrays; i++) {
        has = has || strcmp(set->arrays[i].name, name) == 0;
    }
    return has;
}

typedef struct worst {
    double loss, rate;
} worst;

/* One step, which is an epoch, since the schedules go by the epoch where a step's number is not
 * known. */
static void take_step(const vgg_golden_set *set, const vgg_golden_case *item, vgg_trainer *trainer,
                      size_t step, const told *heard, worst *w) {
    float *pictures = vgg_golden_pictures(item, step);
    size_t *classes = vgg_golden_classes(item, step);
    double loss = 0, momentum = vgg_trainer_momentum(trainer);
    vgg_error error;
    assert_ok(vgg_trainer_step(trainer, pictures, classes, item->batch, &loss, &error), error);
    double expected = (double)vgg_golden_values(set, item, "losses", item->steps)[step];
    w->loss = fmax(w->loss, difference(loss, expected));
    w->rate = fmax(w->rate, rate_difference(set, item, step, heard->rate, momentum));
    if (has_array(set, item, "after")) {
        loss = loss_after(trainer, pictures, classes, item->batch);
        expected = (double)vgg_golden_values(set, item, "after", item->steps)[step];
        w->loss = fmax(w->loss, difference(loss, expected));
    }
    assert_ok(vgg_trainer_finish_epoch(trainer, &error), error);
    free(pictures);
    free(classes);
}

static void recipe_of(const vgg_golden_case *item, char recipe[sizeof item->name]) {
    memcpy(recipe, item->name, sizeof item->name);
    recipe[strcspn(recipe, "/")] = '\0';
}

static size_t compare_training(const vgg_golden_set *set, const vgg_golden_case *item) {
    char recipe[sizeof item->name];
    vgg_model *model = NULL;
    vgg_error error;
    told heard = {0};
    worst w = {0};
    recipe_of(item, recipe);
    assert_ok(vgg_model_create(vgg_golden_network(item), NULL, NULL, &model, &error), error);
    vgg_trainer *trainer = make_trainer(recipe, item, model, &heard);
    assert_true(item->steps >= 20);
    for (size_t step = 0; step < item->steps; step++) {
        take_step(set, item, trainer, step, &heard, &w);
    }
    vgg_trainer_free(trainer);
    vgg_model_free(model);
    print_message("%-24s losses %.1e, rates %.1e\n", item->name, w.loss, w.rate);
    return (size_t) !(w.loss <= LOSS_BOUND) + (size_t) !(w.rate <= RATE_BOUND);
}

/* The rates of a run whose steps are known. */
static size_t compare_run(const vgg_golden_set *set, const vgg_golden_case *item) {
    vgg_optimiser_options optimising;
    vgg_train_options options = options_of(item->name, item, &optimising);
    choose_schedule(item->name, &options);
    options.epochs = RUN_EPOCHS;
    vgg_scheduler scheduler = {.row = vgg_schedule_row_at(options.schedule), .options = &options};
    assert_int_equal(item->steps, RUN_EPOCHS * RUN_STEPS);
    double difference = 0;
    for (size_t step = 0; step < item->steps; step++) {
        vgg_moment moment = {step / RUN_STEPS, step % RUN_STEPS, RUN_STEPS, RUN_EPOCHS};
        difference = fmax(difference,
                          rate_difference(set, item, step, vgg_scheduler_rate(&scheduler, moment),
                                          vgg_scheduler_momentum(&scheduler, moment)));
    }
    print_message("%-24s rates %.1e\n", item->name, difference);
    return !(difference <= RATE_BOUND);
}

static void test_recipes(void **state) {
    (void)state;
    vgg_golden_set set;
    vgg_golden_open(&set, "recipes");
    size_t failures = 0;
    for (size_t i = 0; i < set.case_count; i++) {
        bool run = strncmp(set.cases[i].name, "run-", 4) == 0;
        failures += run ? compare_run(&set, &set.cases[i]) : compare_training(&set, &set.cases[i]);
    }
    vgg_golden_close(&set);
    if (failures > 0)
        fail_msg("%zu of losses and rates differ from PyTorch's by more than %g and %g", failures,
                 LOSS_BOUND, RATE_BOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
