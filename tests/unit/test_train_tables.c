/* The tables of a training: names, numbers, and the state that rows leave in a checkpoint. */
#include "pictures.h"

#include <math.h>

#include "nets.h"
#include "nn/plan.h"
#include "train/checkpoint.h"

/* ---- names and numbers ---- */

static void names(void **state) {
    (void)state;
    assert_string_equal(vgg_optimiser_name(VGG_OPTIMISER_SGD), "sgd");
    assert_null(vgg_optimiser_name((vgg_optimiser_kind)9));
    assert_string_equal(vgg_schedule_name(VGG_SCHEDULE_CONSTANT), "constant");
    assert_string_equal(vgg_schedule_name(VGG_SCHEDULE_STEP), "step");
    assert_null(vgg_schedule_name((vgg_schedule)9));
    assert_string_equal(vgg_loss_name(VGG_LOSS_CROSS_ENTROPY), "cross-entropy");
    assert_string_equal(vgg_loss_name(VGG_LOSS_BINARY_CROSS_ENTROPY), "binary-cross-entropy");
    assert_null(vgg_loss_name((vgg_loss)9));
    assert_string_equal(vgg_view_name(0), "crop");
    assert_string_equal(vgg_view_name(1), "flip");
    assert_string_equal(vgg_view_name(9), "erase");
    assert_null(vgg_view_name(10));
}

typedef struct three_numbers {
    double positive, not_negative, fraction;
} three_numbers;

static void numbers(void **state) {
    (void)state;
    static const vgg_setting rows[] = {
        {"first", offsetof(three_numbers, positive), 1, VGG_RANGE_POSITIVE},
        {"second", offsetof(three_numbers, not_negative), 0, VGG_RANGE_NOT_NEGATIVE},
        {"third", offsetof(three_numbers, fraction), 0.5, VGG_RANGE_FRACTION},
    };
    static const struct {
        three_numbers values;
        const char *message; /* NULL: they are fine */
    } cases[] = {
        {{1, 0, 0.5}, NULL},
        {{1e300, 7, 0}, NULL},
        {{0, 0, 0}, "first 0, expected more than 0"},
        {{(double)INFINITY, 0, 0}, "first inf"},
        {{1, -1, 0}, "second -1, expected 0 or more"},
        {{1, (double)NAN, 0}, "second"},
        {{1, 0, 1}, "third 1, expected 0 or more and less than 1"},
        {{1, 0, (double)NAN}, "third"},
    };
    const vgg_setting_list list = {rows, 3};
    three_numbers defaults = {7, 7, 7};
    vgg_settings_init(list, &defaults);
    assert_true(defaults.positive == 1 && defaults.not_negative == 0 && defaults.fraction == 0.5);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vgg_error error = {0};
        vgg_status status = vgg_settings_check(list, &cases[i].values, &error);
        assert_int_equal(status, cases[i].message == NULL ? VGG_OK : VGG_ERROR_ARGUMENT);
        if (cases[i].message != NULL)
            assert_contains(error.message, cases[i].message);
    }
}

/* The options of a training carry the numbers of all tables. */
static void defaults(void **state) {
    (void)state;
    vgg_train_options options;
    vgg_optimiser_options optimiser;
    vgg_train_options_init(&options, sizeof options);
    vgg_optimiser_options_init(&optimiser, sizeof optimiser);
    assert_true(options.rate == 0.005 && options.gamma == 0.1);
    assert_true(options.momentum == 0.9 && options.weight_decay == 5e-4);
    assert_true(optimiser.momentum == 0.9 && optimiser.weight_decay == 5e-4);
    assert_int_equal(options.epochs, 10);
    assert_int_equal(options.batch, 32);
    assert_int_equal(options.parts, 1);
}

static void unknown_kinds(void **state) {
    (void)state;
    vgg_model *model = usual_model(false);
    vgg_trainer *trainer = NULL;
    vgg_error error = {0};
    vgg_train_options options = usual_training(NULL);
    options.loss = (vgg_loss)9;
    assert_int_equal(vgg_trainer_create(model, NULL, NULL, &options, &trainer, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "loss 9");
    options = usual_training(NULL);
    options.optimiser = (vgg_optimiser_kind)9;
    assert_int_equal(vgg_trainer_create(model, NULL, NULL, &options, &trainer, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "optimiser 9");
    vgg_model_free(model);
}

/* ---- what a network is suggested for ---- */

static void suggestions(void **state) {
    (void)state;
    static const struct {
        vgg_dataset_info info;
        size_t channels, height, width; /* given */
        size_t input[3], resize;
        const char *preprocess;
        bool small, flip;
    } cases[] = {
        {{.kind = "folder", .channels = 3}, 0, 0, 0, {3, 96, 96}, 0, "torchvision", 0, 1},
        {{.kind = "CIFAR-10", .channels = 3, .width = 32, .height = 32},
         0,
         0,
         0,
         {3, 32, 32},
         32,
         "torchvision",
         1,
         1},
        {{.kind = "MNIST IDX", .channels = 1, .width = 28, .height = 28},
         0,
         0,
         0,
         {1, 28, 28},
         28,
         "unit",
         1,
         0},
        {{.kind = "MNIST IDX", .channels = 1, .width = 28, .height = 28},
         3,
         0,
         0,
         {3, 28, 28},
         28,
         "torchvision",
         1,
         0},
        {{.kind = "tar", .channels = 3, .width = 64, .height = 48},
         0,
         0,
         0,
         {3, 48, 64},
         48,
         "torchvision",
         0,
         1},
        {{.kind = "tar", .channels = 3, .width = 65, .height = 48},
         0,
         0,
         0,
         {3, 96, 96},
         0,
         "torchvision",
         0,
         1},
        {{.kind = "folder", .channels = 3, .width = 20, .height = 20},
         0,
         16,
         24,
         {3, 16, 24},
         0,
         "torchvision",
         1,
         1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vgg_dataset_info info = cases[i].info;
        info.struct_size = sizeof info;
        vgg_suggestion found = {.struct_size = sizeof found};
        vgg_error error;
        assert_ok(vgg_train_suggest(&info, cases[i].channels, cases[i].height, cases[i].width,
                                    &found, &error),
                  error);
        assert_int_equal(found.channels, cases[i].input[0]);
        assert_int_equal(found.height, cases[i].input[1]);
        assert_int_equal(found.width, cases[i].input[2]);
        assert_int_equal(found.resize, cases[i].resize);
        assert_string_equal(found.preprocess, cases[i].preprocess);
        assert_int_equal(found.flip, cases[i].flip);
        assert_int_equal(found.batch_norm, true);
        assert_int_equal(found.layout == VGG_LAYOUT_PAPER, cases[i].small);
        vgg_network_options options = net_options(found.arch, 10, found.channels, found.height);
        options.width = found.width;
        options.dropout = found.dropout;
        options.layout = found.layout;
        vgg_network_free(make_net(&options));
    }
}

/* There is a network for every input, however flat; it has few weights however long. */
static void suggested_for_flat_inputs(void **state) {
    (void)state;
    static const size_t sides[][2] = {{1, 1},  {1, 3000}, {3, 3},   {2, 90}, {300, 4},
                                      {7, 63}, {8, 1000}, {96, 15}, {15, 15}};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        vgg_dataset_info info = {
            .struct_size = sizeof info, .kind = "folder", .pictures = 300, .classes = 5};
        vgg_suggestion found = {.struct_size = sizeof found};
        vgg_error error;
        assert_ok(vgg_train_suggest(&info, 3, sides[i][0], sides[i][1], &found, &error), error);
        vgg_network_options options = net_options(found.arch, 5, 3, found.height);
        options.width = found.width;
        options.layout = found.layout;
        vgg_network *network = make_net(&options);
        assert_true(vgg_network_parameters(network) < 2500000);
        vgg_network_free(network);
    }
}

/* The fewer pictures a class has, the more often they are shown. */
static void suggested_epochs(void **state) {
    (void)state;
    static const size_t sides[] = {32, 200}, each[] = {10, 100, 101, 500, 2000, 5000};
    for (size_t s = 0; s < 2; s++) {
        size_t before = SIZE_MAX;
        for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
            vgg_dataset_info info = {.struct_size = sizeof info,
                                     .kind = "folder",
                                     .channels = 3,
                                     .width = sides[s],
                                     .height = sides[s],
                                     .pictures = 5 * each[i],
                                     .classes = 5};
            vgg_suggestion found = {.struct_size = sizeof found};
            vgg_error error;
            assert_ok(vgg_train_suggest(&info, 0, 0, 0, &found, &error), error);
            assert_true(found.epochs >= 10 && found.epochs <= before);
            assert_int_equal(found.few, each[i] < 4000);
            assert_int_equal(found.policy, sides[s] == 200 && each[i] <= 100);
            before = found.epochs;
        }
    }
}

/* ---- rows with state of their own ---- */

/* An optimiser that keeps two copies: the sum of the gradients and that of their squares. */
static void keep_sums(const vgg_optimiser *optimiser, size_t tensor, const float *gradient,
                      double rate) {
    float *values = optimiser->network->tensors[tensor].owned;
    float *sum = optimiser->copies[0]->tensors[tensor].owned;
    float *squares = optimiser->copies[1]->tensors[tensor].owned;
    for (size_t i = 0; i < optimiser->network->tensors[tensor].info.count; i++) {
        sum[i] += gradient[i];
        squares[i] += gradient[i] * gradient[i];
        values[i] -= (float)rate * sum[i] / (sqrtf(squares[i]) + 1e-3f);
    }
}

static const vgg_optimiser_row sums_row = {
    .name = "sums", .copies = {"sum", "square"}, .update = keep_sums};

/* A schedule that halves the rate after each epoch that is not better than the best. */
enum { BEST, BAD };

static double plateau_rate(const vgg_scheduler *scheduler, vgg_moment moment) {
    (void)moment;
    return scheduler->options->rate * pow(0.5, scheduler->state[BAD]);
}

static void plateau_observe(vgg_scheduler *scheduler, const vgg_train_event *epoch) {
    bool better = scheduler->state[BEST] == 0 || epoch->loss < scheduler->state[BEST] - 0.01;
    scheduler->state[BEST] = better ? epoch->loss : scheduler->state[BEST];
    scheduler->state[BAD] += better ? 0 : 1;
}

static const vgg_schedule_row plateau_row = {
    .name = "plateau", .state = {"best", "bad"}, .rate = plateau_rate, .observe = plateau_observe};

/* A trainer with the two rows, as a kind of the tables would make it. */
static vgg_trainer *make_trainer(vgg_model *model) {
    vgg_train_options options = usual_training(NULL);
    options.parts = 2; /* stored gradients */
    options.batch = 20;
    options.rate = 0.01;
    vgg_trainer *trainer = NULL;
    vgg_error error;
    assert_ok(vgg_trainer_create(model, train_part, validation_part, &options, &trainer, &error),
              error);
    vgg_optimiser_free(trainer->optimiser);
    vgg_optimiser_options optimising;
    vgg_optimiser_options_init(&optimising, sizeof optimising);
    assert_ok(vgg_optimiser_of_row(&sums_row, &optimising, trainer->network, trainer->plan,
                                   &trainer->optimiser, &error),
              error);
    trainer->scheduler.row = &plateau_row;
    return trainer;
}

static void train_epoch(vgg_trainer *trainer) {
    vgg_error error;
    for (bool more = true; more;) {
        assert_ok(vgg_trainer_step_data(trainer, &more, &error), error);
    }
    assert_ok(vgg_trainer_finish_epoch(trainer, &error), error);
}

static void state_of_rows(void **state) {
    (void)state;
    vgg_error error = {0};
    vgg_model *whole = usual_model(true), *rest = usual_model(true);
    vgg_trainer *trainer = make_trainer(whole);
    train_epoch(trainer);
    trainer->scheduler.state[BEST] = 1e-9; /* no epoch is better than that */
    train_epoch(trainer);
    assert_true(trainer->scheduler.state[BAD] == 1);
    assert_true(fabs(vgg_trainer_rate(trainer) - 0.005) < 1e-12);
    assert_ok(vgg_trainer_save(trainer, in_folder("rows"), &error), error);
    assert_int_equal(count_entries(in_folder("rows")), 5);
    assert_exists(in_folder("rows/state-square.safetensors"), false);
    train_epoch(trainer);

    vgg_trainer *second = make_trainer(rest);
    assert_ok(vgg_trainer_resume(second, in_folder("rows"), &error), error);
    assert_memory_equal(second->scheduler.state, ((const double[]){1e-9, 1}), 2 * sizeof(double));
    train_epoch(second);
    for (size_t t = 0; t < vgg_network_tensor_count(second->network); t++) {
        assert_memory_equal(vgg_network_values(second->network, t),
                            vgg_network_values(trainer->network, t),
                            tensor_info(second->network, t).count * sizeof(float));
    }
    vgg_trainer_free(trainer);
    vgg_trainer_free(second);
    vgg_model_free(whole);
    vgg_model_free(rest);
}

/* A state of another row, and copies of different steps, are refused. */
static void foreign_state(void **state) {
    (void)state;
    vgg_error error = {0};
    vgg_model *model = usual_model(true);
    vgg_trainer *trainer = make_trainer(model);
    train_epoch(trainer);
    assert_ok(vgg_trainer_save(trainer, in_folder("early"), &error), error);
    train_epoch(trainer);
    assert_ok(vgg_trainer_save(trainer, in_folder("late"), &error), error);
    vgg_trainer_free(trainer);

    vgg_train_options options = usual_training(NULL);
    assert_ok(vgg_trainer_create(model, train_part, NULL, &options, &trainer, &error), error);
    assert_int_equal(vgg_trainer_resume(trainer, in_folder("late"), &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "late/checkpoint.txt: is the state of sums, expected sgd");
    vgg_trainer_free(trainer);

    trainer = make_trainer(model);
    assert_int_equal(rename(in_folder("early/state-square.safetensors"),
                            in_folder("late/state-square.safetensors")),
                     0);
    assert_int_equal(vgg_trainer_resume(trainer, in_folder("late"), &error), VGG_ERROR_FORMAT);
    assert_contains(error.message, "late/state-square.safetensors: is damaged: its sum is");
    vgg_trainer_free(trainer);
    vgg_model_free(model);
}

/* Without stored gradients such an optimiser cannot work. */
static void deferred_gradients(void **state) {
    (void)state;
    vgg_error error = {0};
    vgg_network *network = small_net("8,M/16", 10, 3, SIDE);
    initialise(network, "glorot", 1);
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.defer_linear = true;
    vgg_plan *plan = NULL;
    vgg_optimiser *optimiser = NULL;
    vgg_optimiser_options optimising;
    vgg_optimiser_options_init(&optimising, sizeof optimising);
    assert_ok(vgg_plan_create_training(network, &options, &plan, &error), error);
    assert_int_equal(
        vgg_optimiser_of_row(&sums_row, &optimising, network, plan, &optimiser, &error),
        VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "stored gradients");
    vgg_plan_free(plan);
    vgg_network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(numbers),
        cmocka_unit_test(defaults),
        cmocka_unit_test(unknown_kinds),
        cmocka_unit_test(suggestions),
        cmocka_unit_test(suggested_for_flat_inputs),
        cmocka_unit_test(suggested_epochs),
        cmocka_unit_test(state_of_rows),
        cmocka_unit_test(foreign_state),
        cmocka_unit_test(deferred_gradients),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
