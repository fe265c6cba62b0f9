/* Training: events, files, schedules and refusals. */
#include "pictures.h"

#include <jansson.h>
#include <math.h>
#include <unistd.h>

#include "nets.h"
#include "vgg/predict.h"

#define assert_near(found, expected, bound)                                                        \
    do {                                                                                           \
        if (!(fabs((found) - (expected)) <= (bound)))                                              \
            fail_msg("%s is %.9g, expected %.9g", #found, (double)(found), (double)(expected));    \
    } while (0)

static vgg_train_result train(vgg_model *model, const vgg_train_options *options) {
    vgg_train_result result = {.struct_size = sizeof result};
    vgg_error error;
    assert_ok(vgg_train(model, train_part, validation_part, options, &result, &error), error);
    return result;
}

/* Trains a fresh model and throws it away. */
static vgg_train_result train_usual(bool batch_norm, const vgg_train_options *options) {
    vgg_model *model = usual_model(batch_norm);
    vgg_train_result result = train(model, options);
    vgg_model_free(model);
    return result;
}

static void expect_failure(vgg_model *model, const vgg_train_options *options, vgg_status status,
                           const char *text) {
    vgg_error error = {0};
    vgg_status found = vgg_train(model, train_part, validation_part, options, NULL, &error);
    if (found != status)
        fail_msg("%s instead of %s: %s", vgg_status_name(found), vgg_status_name(status),
                 error.message);
    assert_int_equal(error.status, status);
    assert_contains(error.message, text);
}

/* ---- events and the log ---- */

/* What a run told. */
typedef struct story {
    size_t plans, steps, evaluated, epochs, skipped, memory;
    double rates[8], losses[8], step_losses[64];
    vgg_train_event last;
    const char *stop_at; /* a skipped picture whose name contains this ends the run */
} story;

static bool listen(void *user, const vgg_train_event *event) {
    story *told = user;
    switch (event->type) {
    case VGG_EVENT_PLAN:
        assert_int_equal(told->steps, 0);
        told->plans++;
        told->memory = event->memory;
        break;
    case VGG_EVENT_STEP:
        assert_int_equal(event->epoch, told->epochs + 1);
        assert_int_equal(event->step, told->steps % event->steps + 1);
        assert_true(event->waited >= 0 && event->waited <= 1);
        assert_true(event->accuracy >= 0 && event->accuracy <= 1);
        assert_true(event->seconds_left >= 0 && event->images_per_s > 0);
        told->step_losses[told->steps++ % 64] = event->loss;
        break;
    case VGG_EVENT_EVALUATED:
        assert_int_equal(event->epoch, told->epochs + 1);
        told->evaluated++;
        break;
    case VGG_EVENT_EPOCH:
        assert_int_equal(event->epoch, told->epochs + 1);
        told->rates[told->epochs % 8] = event->rate;
        told->losses[told->epochs++ % 8] = event->loss;
        told->last = *event;
        break;
    case VGG_EVENT_CHECKED:
        break;
    case VGG_EVENT_SKIPPED:
        assert_non_null(event->why);
        told->skipped++;
        return told->stop_at == NULL || strstr(event->name, told->stop_at) == NULL;
    case VGG_EVENT_FEATURES:
        fail_msg("features of a training that caches none");
    }
    return true;
}

static vgg_train_options told_training(const char *folder, story *told) {
    vgg_train_options options = usual_training(folder);
    options.callback = listen;
    options.user = told;
    return options;
}

static void events_and_log(void **state) {
    (void)state;
    story told = {0};
    vgg_train_options options = told_training(in_folder("log"), &told);
    vgg_train_result result = train_usual(false, &options);
    assert_int_equal(told.plans, 1);
    assert_true(told.memory > 0);
    assert_int_equal(told.steps, 2 * TRAIN_PICTURES / 5);
    assert_true(told.evaluated >= 2);
    assert_int_equal(told.epochs, 2);
    assert_int_equal(told.last.images, TRAIN_PICTURES);
    assert_true(told.last.validated);
    assert_int_equal(result.epochs, 2);
    assert_true(result.best_epoch >= 1 && result.best_epoch <= 2);
    assert_true(result.seconds > 0);
    char *text = read_text(in_folder("log/log.jsonl"));
    size_t steps = 0, epochs = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        json_t *object = json_loads(line, 0, NULL);
        if (object == NULL)
            fail_msg("not JSON: %s", line);
        bool step = json_object_get(object, "step") != NULL;
        assert_int_equal(json_integer_value(json_object_get(object, "epoch")), epochs + 1);
        if (step)
            assert_near(json_number_value(json_object_get(object, "loss")),
                        told.step_losses[steps % 64], 1e-6);
        steps += step;
        epochs += !step;
        json_decref(object);
    }
    free(text);
    assert_int_equal(steps, told.steps);
    assert_int_equal(epochs, 2);
    assert_int_equal(count_entries(in_folder("log")), 7);
}

static void saved_model(void **state) {
    (void)state;
    vgg_train_options options = usual_training(in_folder("saved"));
    vgg_model *model = usual_model(true), *loaded = NULL;
    train(model, &options);
    vgg_error error;
    assert_ok(vgg_model_load(in_folder("saved/last.safetensors"), NULL, &loaded, &error), error);
    const vgg_network *kept = vgg_model_network(model), *read = vgg_model_network(loaded);
    for (size_t t = 0; t < vgg_network_tensor_count(kept); t++) {
        assert_memory_equal(vgg_network_values(kept, t), vgg_network_values(read, t),
                            tensor_info(kept, t).count * sizeof(float));
    }
    assert_non_null(vgg_model_preprocess(loaded));
    vgg_model_free(loaded);
    vgg_model_free(model);
}

static void schedules(void **state) {
    (void)state;
    static const struct {
        vgg_schedule schedule;
        size_t step_epochs;
        double rates[5];
    } cases[] = {
        {VGG_SCHEDULE_CONSTANT, 1, {1, 1, 1, 1, 1}},
        {VGG_SCHEDULE_STEP, 1, {1, 0.5, 0.25, 0.125, 0.0625}},
        {VGG_SCHEDULE_STEP, 3, {1, 1, 1, 0.5, 0.5}},
        {VGG_SCHEDULE_STEP, 0, {1, 1, 0.5, 0.5, 0.25}}, /* a third of five, rounded up */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        story told = {0};
        vgg_train_options options = told_training(NULL, &told);
        options.epochs = 5;
        options.batch = 30;
        options.schedule = cases[i].schedule;
        options.step_epochs = cases[i].step_epochs;
        options.gamma = 0.5;
        train_usual(false, &options);
        assert_int_equal(told.epochs, 5);
        for (size_t e = 0; e < 5; e++) {
            assert_near(told.rates[e], 0.005 * cases[i].rates[e], 1e-12);
        }
    }
}

/* The mean cross-entropy of the first pictures of the data, one by one. */
static double loss_of_first(vgg_model *model, size_t count) {
    vgg_predictor *predictor = NULL;
    vgg_error error;
    assert_ok(vgg_predictor_create(model, NULL, &predictor, &error), error);
    double loss = 0;
    for (size_t i = 0; i < count; i++) {
        vgg_image image = {0};
        vgg_prediction best[10];
        size_t found = 0;
        assert_ok(vgg_dataset_read(train_part, i, &image, &error), error);
        assert_ok(vgg_predict_image(predictor, &image, 10, best, &found, &error), error);
        for (size_t k = 0; k < found; k++) {
            if (best[k].index == vgg_dataset_item_class(train_part, i))
                loss -= log(best[k].probability) / (double)count;
        }
        vgg_image_free(&image);
    }
    vgg_predictor_free(predictor);
    return loss;
}

static void order_of_pictures(void **state) {
    (void)state;
    story plain = {0}, shuffled = {0};
    vgg_train_options options = told_training(NULL, &plain);
    options.shuffle = false;
    options.augment = &(vgg_augment){.struct_size = sizeof(vgg_augment)};
    options.rate = 1e-30; /* every step sees the same network */
    vgg_model *model = usual_model(false);
    double expected = loss_of_first(model, 5);
    train(model, &options);
    assert_near(plain.step_losses[0], expected, 1e-5);
    for (size_t i = 0; i < 12; i++) {
        assert_near(plain.step_losses[12 + i], plain.step_losses[i], 1e-9);
    }
    options.shuffle = true;
    options.user = &shuffled;
    train(model, &options);
    assert_true(fabs(shuffled.step_losses[0] - expected) > 1e-4);
    assert_true(fabs(shuffled.step_losses[12] - shuffled.step_losses[0]) > 1e-4);
    assert_near(shuffled.losses[0], plain.losses[0], 1e-5);
    assert_near(shuffled.losses[1], plain.losses[0], 1e-5);
    vgg_model_free(model);
}

/* A network of this size learns sixty pictures by heart, when it always sees them in the same view.
 */
static void loss_falls(void **state) {
    (void)state;
    story told = {0};
    vgg_train_options options = told_training(NULL, &told);
    options.epochs = 24;
    options.batch = 10;
    options.rate = 0.02;
    options.augment = &(vgg_augment){.struct_size = sizeof(vgg_augment)};
    vgg_model *model = make_model("16,M,24,M/32", 10, true, 0);
    train(model, &options);
    assert_true(told.last.loss < 0.5);
    assert_true(told.last.accuracy > 0.85);
    vgg_model_free(model);
}

/* The epochs of a training, of which several have the same accuracy; `chance`: whether it is the
 * same within a standard error, too. */
typedef struct epochs_seen {
    size_t count, best, ties, pictures;
    bool chance;
    double highest, top1, loss;
} epochs_seen;

static bool see_epoch(void *user, const vgg_train_event *event) {
    epochs_seen *seen = user;
    if (event->type != VGG_EVENT_EPOCH)
        return true;
    double top1 = event->validation_top1, highest = fmax(seen->highest, top1);
    double error = sqrt(highest * (1 - highest) / (double)seen->pictures);
    double least = highest - (seen->chance ? error : 0);
    bool tie = seen->count > 0 && top1 >= least && seen->top1 >= least;
    bool better =
        seen->count == 0 || (top1 >= least && !tie) || (tie && event->validation_loss < seen->loss);
    assert_int_equal(event->best, better);
    seen->count++;
    seen->highest = highest;
    seen->ties += tie && better;
    if (better) {
        seen->best = seen->count;
        seen->top1 = top1;
        seen->loss = event->validation_loss;
    }
    return true;
}

/* Of a training that is validated on what it learns by heart: soon all of it is right. */
static void check_best(const vgg_dataset *part, bool chance) {
    epochs_seen seen = {.pictures = vgg_dataset_count(part), .chance = chance};
    vgg_train_options options = usual_training(NULL);
    options.epochs = 24;
    options.callback = see_epoch;
    options.user = &seen;
    vgg_train_result result = {.struct_size = sizeof result};
    vgg_model *model = usual_model(false);
    vgg_error error;
    assert_ok(vgg_train(model, part, part, &options, &result, &error), error);
    vgg_model_free(model);
    assert_int_equal(seen.count, 24);
    assert_true(seen.ties > 0);
    assert_int_equal(result.best_epoch, seen.best);
}

static void of_the_same_accuracy_the_least_loss_is_best(void **state) {
    (void)state;
    vgg_dataset *more = NULL;
    vgg_error error;
    check_best(train_part, true);
    assert_ok(vgg_pictogram_write(in_folder("more"), 10, 1, 20, 1, NULL, NULL, &error), error);
    assert_ok(vgg_dataset_open(in_folder("more"), NULL, &more, NULL, &error), error);
    check_best(more, false);
    vgg_dataset_free(more);
}

/* Validation may be left out: the best epoch is then the best on training pictures. */
static void without_validation(void **state) {
    (void)state;
    story told = {0};
    vgg_train_options options = told_training(in_folder("alone"), &told);
    vgg_model *model = usual_model(false);
    vgg_train_result result = {.struct_size = sizeof result};
    vgg_error error;
    assert_ok(vgg_train(model, train_part, NULL, &options, &result, &error), error);
    assert_false(told.last.validated);
    assert_int_equal(told.evaluated, 0);
    if (result.best_epoch == 2)
        assert_near(result.best_top1, told.last.accuracy, 1e-12);
    assert_exists(in_folder("alone/best.safetensors"), false);
    vgg_model_free(model);
}

static void nothing_written(void **state) {
    (void)state;
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    size_t before = count_entries(in_folder("."));
    vgg_train_options options = usual_training(NULL);
    assert_int_equal(chdir(in_folder(".")), 0);
    train_usual(false, &options);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(count_entries(in_folder(".")), before);
}

/* ---- what goes wrong ---- */

static void not_finite(void **state) {
    (void)state;
    vgg_train_options options = usual_training(in_folder("nan"));
    options.epochs = 1;
    train_usual(false, &options);
    char *kept = read_text(in_folder("nan/last.safetensors"));
    free(kept);
    assert_int_equal(rename(in_folder("nan/best.safetensors"), in_folder("nan/first")), 0);
    vgg_model *model = usual_model(false);
    options.epochs = 3;
    options.resume = true;
    options.rate = 1e10;
    expect_failure(model, &options, VGG_ERROR_NUMERIC, "step");
    assert_same_file(in_folder("nan/last.safetensors"), in_folder("nan/first"));
    vgg_model_free(model);

    options = usual_training(in_folder("nan-at-once"));
    options.rate = 1e10;
    model = usual_model(false);
    expect_failure(model, &options, VGG_ERROR_NUMERIC, "rate");
    assert_exists(in_folder("nan-at-once/last.safetensors"), true);
    vgg_model_free(model);
}

/* One step per epoch ruins the network; the validation is the first to see it. */
static void not_finite_when_validated(void **state) {
    (void)state;
    vgg_train_options options = usual_training(in_folder("nan-late"));
    options.batch = TRAIN_PICTURES;
    options.rate = 1e38;
    vgg_model *model = usual_model(false);
    expect_failure(model, &options, VGG_ERROR_NUMERIC, "finite");
    assert_exists(in_folder("nan-late/last.safetensors"), true);
    vgg_model_free(model);
}

static void unreadable_pictures(void **state) {
    (void)state;
    vgg_error error;
    vgg_dataset *some, *others;
    assert_ok(vgg_pictogram_write(in_folder("broken"), 3, 1, 20, 1, NULL, NULL, &error), error);
    write_text(in_folder("broken/train/heart/0001.png"), "no picture");
    write_text(in_folder("broken/train/star/0002.png"), "");
    write_text(in_folder("broken/validation/moon/0000.png"), "no picture either");
    open_parts(in_folder("broken"), &some, &others);
    story told = {0};
    vgg_train_options options = told_training(in_folder("skipping"), &told);
    options.epochs = 3;
    options.workers = 3;
    vgg_model *model = usual_model(true);
    vgg_train_result result = {.struct_size = sizeof result};
    assert_ok(vgg_train(model, some, others, &options, &result, &error), error);
    assert_int_equal(told.skipped, 3);
    assert_int_equal(result.skipped, 3);
    assert_int_equal(told.last.images, 28);
    vgg_model_free(model);

    told = (story){.stop_at = "heart/0001.png"};
    model = usual_model(true);
    vgg_image image = {0};
    vgg_status why = vgg_image_load(in_folder("broken/train/heart/0001.png"), &image, &error);
    assert_int_equal(vgg_train(model, some, others, &options, NULL, &error), why);
    assert_contains(error.message, "heart/0001.png");
    vgg_model_free(model);
    vgg_dataset_free(some);
    vgg_dataset_free(others);
}

#define EXPECT_REFUSED(change, text)                                                               \
    do {                                                                                           \
        vgg_train_options refused_ = usual_training(in_folder("refused"));                         \
        refused_.change;                                                                           \
        expect_failure(model, &refused_, VGG_ERROR_ARGUMENT, text);                                \
    } while (0)

static void bad_options(void **state) {
    (void)state;
    vgg_model *model = usual_model(false);
    EXPECT_REFUSED(epochs = 0, "epoch");
    EXPECT_REFUSED(batch = 0, "batch");
    EXPECT_REFUSED(rate = (double)NAN, "rate");
    EXPECT_REFUSED(rate = 0, "rate");
    EXPECT_REFUSED(rate = -1, "rate");
    EXPECT_REFUSED(rate = (double)INFINITY, "rate");
    EXPECT_REFUSED(momentum = 1, "momentum");
    EXPECT_REFUSED(momentum = -0.1, "momentum");
    EXPECT_REFUSED(momentum = (double)NAN, "momentum");
    EXPECT_REFUSED(weight_decay = -1, "weight decay");
    EXPECT_REFUSED(gamma = (double)NAN, "gamma");
    vgg_train_options options = usual_training(NULL);
    options.resume = true;
    expect_failure(model, &options, VGG_ERROR_ARGUMENT, "folder");
    options = usual_training(NULL);
    for (size_t shift = 1; shift < 5; shift++) {
        options.batch = SIZE_MAX >> shift;
        assert_int_not_equal(vgg_train(model, train_part, NULL, &options, NULL, NULL), VGG_OK);
    }
    assert_exists(in_folder("refused/last.safetensors"), true);
    vgg_model_free(model);
}

static void unknown_schedule(void **state) {
    (void)state;
    vgg_model *model = usual_model(false);
    EXPECT_REFUSED(schedule = (vgg_schedule)9, "schedule");
    vgg_model_free(model);
}

static void other_classes(void **state) {
    (void)state;
    vgg_train_options options = usual_training(NULL);
    vgg_model *model = make_model("8,M", 9, false, 0);
    expect_failure(model, &options, VGG_ERROR_SHAPE, "10 classes");
    expect_failure(model, &options, VGG_ERROR_SHAPE, "9");
    vgg_model_free(model);
    vgg_network *network = small_net("8,M", 10, 3, SIDE);
    vgg_error error;
    initialise(network, "glorot", 1);
    assert_ok(vgg_model_create(network, NULL, NULL, &model, &error), error);
    expect_failure(model, &options, VGG_ERROR_ARGUMENT, "preprocess");
    vgg_model_free(model);
}

/* The folder cannot be made, because a file is in its place. */
static void folder_in_the_way(void **state) {
    (void)state;
    write_text(in_folder("file"), "");
    vgg_train_options options = usual_training(in_folder("file"));
    vgg_model *model = usual_model(false);
    expect_failure(model, &options, VGG_ERROR_IO, "file");
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_and_log),
        cmocka_unit_test(saved_model),
        cmocka_unit_test(schedules),
        cmocka_unit_test(order_of_pictures),
        cmocka_unit_test(loss_falls),
        cmocka_unit_test(of_the_same_accuracy_the_least_loss_is_best),
        cmocka_unit_test(without_validation),
        cmocka_unit_test(nothing_written),
        cmocka_unit_test(not_finite),
        cmocka_unit_test(not_finite_when_validated),
        cmocka_unit_test(unreadable_pictures),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(unknown_schedule),
        cmocka_unit_test(other_classes),
        cmocka_unit_test(folder_in_the_way),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
