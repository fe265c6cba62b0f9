/* What can be added to a training: each addition ends in the same bytes whatever the number of
 * threads, and when the run was stopped and continued. */
#include "pictures.h"

#include <math.h>

#include "nets.h"
#include "train/trainer.h"

/* An addition sets options; the optimiser's are those that they point to. */
typedef struct addition {
    const char *name;
    void (*set)(vgg_train_options *options, vgg_optimiser_options *optimising);
    const char *state; /* a file of its own in the checkpoint, or NULL */
} addition;

static void nesterov(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)optimising;
    options->optimiser = VGG_OPTIMISER_NESTEROV;
}

static void adamw(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)optimising;
    options->optimiser = VGG_OPTIMISER_ADAMW;
    options->rate = 0.002;
}

static void smoothing(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)optimising;
    options->label_smoothing = 0.2;
}

static void clip(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)options;
    optimising->clip = 0.5;
}

static void ema(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)options;
    optimising->ema = 0.8;
}

static void lookahead(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)options;
    optimising->lookahead = 3;
    optimising->lookahead_ramp = true;
    optimising->lookahead_keep = 0.8;
}

static void plateau(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)optimising;
    options->schedule = VGG_SCHEDULE_PLATEAU;
    options->patience = 0;
    options->rate = 0.05;
}

static void cosine(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)optimising;
    options->schedule = VGG_SCHEDULE_COSINE;
    options->warmup_epochs = 1;
}

static void one_cycle(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)optimising;
    options->schedule = VGG_SCHEDULE_ONE_CYCLE;
}

static void triangle(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)optimising;
    options->schedule = VGG_SCHEDULE_TRIANGLE;
}

static void balance(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)optimising;
    options->balance_loss = true;
    options->balance_samples = true;
}

static void rates(vgg_train_options *options, vgg_optimiser_options *optimising) {
    options->norm_momentum = 0.4;
    optimising->no_decay_norm = true;
    optimising->fix_norm_scale = true;
    optimising->bias_rate = 8;
    optimising->head_rate = 2;
    optimising->logit_scale = 0.5;
}

static const vgg_augment *every_view(void) {
    static vgg_augment views;
    vgg_augment_init(&views, sizeof views);
    views.alternate = true;
    views.scale = 1.5;
    views.translate = 2;
    views.rotate = 15;
    views.policy = true;
    views.colour = 0.4;
    views.pca = 0.1;
    views.erase = 0.5;
    return &views;
}

static void views(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)optimising;
    options->augment = every_view();
}

static void mixing(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)optimising;
    options->mixup = 0.4;
    options->cutmix = 1;
}

static void everything(vgg_train_options *options, vgg_optimiser_options *optimising) {
    adamw(options, optimising);
    smoothing(options, optimising);
    clip(options, optimising);
    ema(options, optimising);
    lookahead(options, optimising);
    one_cycle(options, optimising);
    balance(options, optimising);
    views(options, optimising);
    mixing(options, optimising);
    rates(options, optimising);
}

static const addition additions[] = {
    {"nesterov", nesterov, NULL},
    {"adamw", adamw, "state-square.safetensors"},
    {"smoothing", smoothing, NULL},
    {"clip", clip, NULL},
    {"ema", ema, "state-average.safetensors"},
    {"lookahead", lookahead, "state-slow.safetensors"},
    {"plateau", plateau, NULL},
    {"cosine", cosine, NULL},
    {"one-cycle", one_cycle, NULL},
    {"triangle", triangle, NULL},
    {"balance", balance, NULL},
    {"rates", rates, NULL},
    {"views", views, NULL},
    {"mixing", mixing, NULL},
    {"everything", everything, "state-average.safetensors"},
};
enum { ADDITIONS = sizeof additions / sizeof *additions };

static bool count_down(void *user, const vgg_train_event *event) {
    size_t *left = user;
    return event->type != VGG_EVENT_STEP || --*left > 0;
}

/* Three epochs of four steps, stopped after `stop` steps, which is none when it is 0. */
static vgg_status run(const addition *with, const char *folder, bool resume, size_t threads,
                      size_t stop, vgg_error *error) {
    vgg_train_options options = usual_training(in_folder(folder));
    vgg_optimiser_options optimising;
    vgg_optimiser_options_init(&optimising, sizeof optimising);
    options.epochs = 3;
    options.batch = 16;
    options.micro_batch = 6;
    options.threads = threads;
    options.resume = resume;
    options.optimising = &optimising;
    with->set(&options, &optimising);
    if (stop > 0) {
        options.callback = count_down;
        options.user = &stop;
    }
    vgg_model *model = usual_model(true);
    vgg_status status = vgg_train(model, train_part, validation_part, &options, NULL, error);
    vgg_model_free(model);
    return status;
}

static void assert_same_files(const addition *with, const char *left, const char *right) {
    const char *const files[] = {"last.safetensors", "best.safetensors", "state.safetensors",
                                 with->state};
    char one[96], other[96];
    for (size_t i = 0; i < 4 && files[i] != NULL; i++) {
        snprintf(one, sizeof one, "%s/%s", left, files[i]);
        snprintf(other, sizeof other, "%s/%s", right, files[i]);
        assert_same_file(in_folder(one), in_folder(other));
    }
}

static void same_bytes(void **state) {
    (void)state;
    static const size_t stops[] = {2, 4, 7};
    vgg_error error = {0};
    for (size_t a = 0; a < ADDITIONS; a++) {
        const addition *with = &additions[a];
        char whole[48], parts[48];
        print_message("%s\n", with->name);
        snprintf(whole, sizeof whole, "%s-whole", with->name);
        assert_ok(run(with, whole, false, 1, 0, &error), error);
        for (size_t s = 0; s < sizeof stops / sizeof *stops; s++) {
            snprintf(parts, sizeof parts, "%s-%zu", with->name, s);
            assert_int_equal(run(with, parts, false, 2 + s, stops[s], &error), VGG_ERROR_STOPPED);
            assert_ok(run(with, parts, true, 3 - s, 0, &error), error);
            assert_same_files(with, whole, parts);
        }
    }
}

static void nothing(vgg_train_options *options, vgg_optimiser_options *optimising) {
    (void)options;
    (void)optimising;
}

/* Whether two runs ended with the same first weights. */
static bool same_weights(const char *left, const char *right) {
    vgg_model *one = NULL, *other = NULL;
    vgg_error error;
    assert_ok(vgg_model_load(in_folder(left), NULL, &one, &error), error);
    assert_ok(vgg_model_load(in_folder(right), NULL, &other, &error), error);
    size_t bytes = tensor_info(vgg_model_network(one), 0).count * sizeof(float);
    bool same = memcmp(vgg_network_values(vgg_model_network(one), 0),
                       vgg_network_values(vgg_model_network(other), 0), bytes) == 0;
    vgg_model_free(one);
    vgg_model_free(other);
    return same;
}

/* No addition is without effect; the average leaves the weights that are trained alone. */
static void different_weights(void **state) {
    (void)state;
    static const addition plain = {"plain", nothing, NULL};
    vgg_error error = {0};
    assert_ok(run(&plain, "plain", false, 1, 0, &error), error);
    for (size_t a = 0; a < ADDITIONS; a++) {
        char other[64];
        snprintf(other, sizeof other, "%s-whole/last.safetensors", additions[a].name);
        assert_int_equal(same_weights("plain/last.safetensors", other),
                         strcmp(additions[a].name, "ema") == 0);
    }
}

/* The average is what is evaluated and saved as the best. */
static void average_is_best(void **state) {
    (void)state;
    vgg_error error = {0};
    vgg_model *average = NULL, *best = NULL, *last = NULL;
    assert_ok(
        vgg_model_load(in_folder("ema-whole/state-average.safetensors"), NULL, &average, &error),
        error);
    assert_ok(vgg_model_load(in_folder("ema-whole/best.safetensors"), NULL, &best, &error), error);
    assert_ok(vgg_model_load(in_folder("ema-whole/last.safetensors"), NULL, &last, &error), error);
    bool is_best = strcmp(vgg_model_note(best, "training.epochs"),
                          vgg_model_note(last, "training.epochs")) == 0;
    const vgg_network *network = vgg_model_network(best);
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        size_t bytes = tensor_info(network, t).count * sizeof(float);
        const float *values = vgg_network_values(network, t);
        const float *mean = vgg_network_values(vgg_model_network(average), t);
        const float *now = vgg_network_values(vgg_model_network(last), t);
        if (is_best)
            assert_memory_equal(values, mean, bytes);
        assert_memory_not_equal(mean, now, bytes);
    }
    vgg_model_free(average);
    vgg_model_free(best);
    vgg_model_free(last);
}

/* A run that does not get better ends early, and again when it is continued. */
static void early_stop(void **state) {
    (void)state;
    vgg_error error = {0};
    for (int resume = 0; resume < 2; resume++) {
        vgg_train_options options = usual_training(in_folder("early"));
        options.epochs = 30;
        options.rate = 1e-12; /* the same figures after each epoch */
        options.early_stop = 3;
        options.resume = resume == 1;
        vgg_train_result result = {.struct_size = sizeof result};
        vgg_model *model = usual_model(false);
        assert_ok(vgg_train(model, train_part, validation_part, &options, &result, &error), error);
        assert_int_equal(result.best_epoch, 1);
        assert_int_equal(result.epochs, 4);
        vgg_model_free(model);
    }
}

static void impossible(void **state) {
    (void)state;
    static const struct {
        size_t offset;
        double value;
        const char *message;
    } cases[] = {
        {offsetof(vgg_optimiser_options, clip), -1, "clip -1, expected 0 or more"},
        {offsetof(vgg_optimiser_options, ema), 1, "ema 1, expected"},
        {offsetof(vgg_optimiser_options, lookahead_keep), 1, "lookahead keep 1"},
        {offsetof(vgg_optimiser_options, bias_rate), 0, "bias rate 0"},
        {offsetof(vgg_optimiser_options, head_rate), (double)NAN, "head rate"},
        {offsetof(vgg_optimiser_options, logit_scale), 0, "logit scale 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vgg_train_options options = usual_training(NULL);
        vgg_optimiser_options optimising;
        vgg_optimiser_options_init(&optimising, sizeof optimising);
        memcpy((char *)&optimising + cases[i].offset, &cases[i].value, sizeof(double));
        options.optimising = &optimising;
        vgg_model *model = usual_model(true);
        vgg_trainer *trainer = NULL;
        vgg_error error = {0};
        assert_int_equal(vgg_trainer_create(model, NULL, NULL, &options, &trainer, &error),
                         VGG_ERROR_ARGUMENT);
        assert_contains(error.message, cases[i].message);
        vgg_model_free(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes),      cmocka_unit_test(different_weights),
        cmocka_unit_test(average_is_best), cmocka_unit_test(early_stop),
        cmocka_unit_test(impossible),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
