/* A run that is stopped and continued ends in the bytes of one that was not. */
#include "pictures.h"

#include <unistd.h>

/* Stops at event number `count` of a type. */
typedef struct stop_at {
    vgg_event_type type;
    size_t count;
    size_t seen;
} stop_at;

static bool count_down(void *user, const vgg_train_event *event) {
    stop_at *stop = user;
    return event->type != stop->type || ++stop->seen != stop->count;
}

/* Four steps and a validation per epoch, three epochs. */
static vgg_train_options training(const char *folder) {
    vgg_train_options options = usual_training(folder);
    options.epochs = 3;
    options.batch = 16;
    options.micro_batch = 6;
    return options;
}

static vgg_status run(bool batch_norm, const vgg_train_options *options, vgg_train_result *result,
                      vgg_error *error) {
    vgg_model *model = usual_model(batch_norm);
    vgg_status status = vgg_train(model, train_part, validation_part, options, result, error);
    vgg_model_free(model);
    return status;
}

static size_t count_lines(const char *path) {
    char *text = read_text(path);
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    free(text);
    return lines;
}

static void assert_same_run(const char *whole, const char *parts) {
    static const char *const files[] = {"last.safetensors", "best.safetensors",
                                        "state.safetensors"};
    char left[256], right[256];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(left, sizeof left, "%s/%s", whole, files[i]);
        snprintf(right, sizeof right, "%s/%s", parts, files[i]);
        assert_same_file(in_folder(left), in_folder(right));
    }
    snprintf(left, sizeof left, "%s/log.jsonl", whole);
    snprintf(right, sizeof right, "%s/log.jsonl", parts);
    assert_int_equal(count_lines(in_folder(left)), count_lines(in_folder(right)));
}

/* The uninterrupted run, in the folder of that name. */
static vgg_train_result run_whole(bool batch_norm, const char *name) {
    vgg_train_options options = training(in_folder(name));
    vgg_train_result result = {.struct_size = sizeof result};
    vgg_error error;
    assert_ok(run(batch_norm, &options, &result, &error), error);
    return result;
}

static void assert_same_result(const vgg_train_result *one, const vgg_train_result *other) {
    assert_int_equal(one->epochs, other->epochs);
    assert_int_equal(one->best_epoch, other->best_epoch);
    assert_memory_equal(&one->best_top1, &other->best_top1, sizeof one->best_top1);
}

static void stopped_once(void **state) {
    (void)state;
    static const stop_at stops[] = {{VGG_EVENT_PLAN, 1, 0},      {VGG_EVENT_STEP, 1, 0},
                                    {VGG_EVENT_STEP, 3, 0},      {VGG_EVENT_STEP, 4, 0},
                                    {VGG_EVENT_EVALUATED, 1, 0}, {VGG_EVENT_EPOCH, 1, 0},
                                    {VGG_EVENT_STEP, 6, 0},      {VGG_EVENT_EVALUATED, 4, 0},
                                    {VGG_EVENT_EPOCH, 2, 0},     {VGG_EVENT_STEP, 12, 0}};
    char whole[32], parts[32], last[64];
    for (int batch_norm = 0; batch_norm < 2; batch_norm++) {
        snprintf(whole, sizeof whole, "whole-%d", batch_norm);
        vgg_train_result expected = run_whole(batch_norm, whole);
        for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
            snprintf(parts, sizeof parts, "parts-%d-%zu", batch_norm, i);
            snprintf(last, sizeof last, "%s/last.safetensors", parts);
            stop_at stop = stops[i];
            vgg_train_options options = training(in_folder(parts));
            options.callback = count_down;
            options.user = &stop;
            options.threads = 2;
            vgg_train_result result = {.struct_size = sizeof result};
            vgg_error error = {0};
            assert_int_equal(run(batch_norm, &options, NULL, &error), VGG_ERROR_STOPPED);
            assert_exists(in_folder(last), false);
            options.callback = NULL;
            options.resume = true;
            options.threads = 1;
            options.workers = 3;
            assert_ok(run(batch_norm, &options, &result, &error), error);
            assert_same_run(whole, parts);
            assert_same_result(&result, &expected);
        }
    }
}

/* Every step in a run of its own. */
static void stopped_at_every_step(void **state) {
    (void)state;
    vgg_train_result expected = run_whole(true, "whole"), result = {.struct_size = sizeof result};
    vgg_train_options options = training(in_folder("steps"));
    stop_at stop;
    options.callback = count_down;
    options.user = &stop;
    vgg_status status = VGG_ERROR_STOPPED;
    vgg_error error = {0};
    size_t runs = 0;
    for (; status == VGG_ERROR_STOPPED && runs < 100; runs++) {
        stop = (stop_at){VGG_EVENT_STEP, 1, 0};
        status = run(true, &options, &result, &error);
        options.resume = true;
    }
    assert_ok(status, error);
    assert_int_equal(runs, 3 * 4 + 1);
    assert_same_run("whole", "steps");
    assert_same_result(&result, &expected);
}

/* Asking for more epochs later is as good as asking for them at once. */
static void more_epochs(void **state) {
    (void)state;
    vgg_train_result expected = run_whole(false, "three"), result = {.struct_size = sizeof result};
    vgg_train_options options = training(in_folder("one-and-two"));
    vgg_error error;
    options.epochs = 1;
    assert_ok(run(false, &options, NULL, &error), error);
    options.epochs = 3;
    options.resume = true;
    assert_ok(run(false, &options, &result, &error), error);
    assert_same_run("three", "one-and-two");
    assert_same_result(&result, &expected);
    assert_ok(run(false, &options, &result, &error), error);
    assert_same_run("three", "one-and-two");
    assert_same_result(&result, &expected);
}

/* ---- what cannot be resumed ---- */

static void expect_no_resume(vgg_model *model, const vgg_train_options *options, const char *first,
                             const char *second) {
    vgg_error error = {0};
    assert_int_not_equal(vgg_train(model, train_part, validation_part, options, NULL, &error),
                         VGG_OK);
    assert_contains(error.message, first);
    assert_contains(error.message, second);
    vgg_model_free(model);
}

static void wrong_state(void **state) {
    (void)state;
    run_whole(false, "ended");
    vgg_train_options options = training(in_folder("ended"));
    options.resume = true;
    options.epochs = 4;
    options.seed = 12345;
    expect_no_resume(usual_model(false), &options, "12345", "11");
    options.seed = 11;
    expect_no_resume(make_model("8,M,20,M/16", 10, false, 0), &options, "state.safetensors",
                     "features.3");
    expect_no_resume(usual_model(true), &options, "checkpoint.txt", "another network");
    assert_same_file(in_folder("ended/last.safetensors"), in_folder("ended/last.safetensors"));
    options.folder = in_folder("empty");
    expect_no_resume(usual_model(false), &options, "empty/state.safetensors", "");
    options.folder = in_folder("ended");
    assert_int_equal(unlink(in_folder("ended/last.safetensors")), 0);
    expect_no_resume(usual_model(false), &options, "last.safetensors", "");
    write_text(in_folder("ended/state.safetensors"), "cut short");
    expect_no_resume(usual_model(false), &options, "state.safetensors", "");
}

/* A model and a state of different checkpoints are not one. */
static void mixed_checkpoints(void **state) {
    (void)state;
    run_whole(false, "mixed");
    vgg_train_options options = training(in_folder("short"));
    vgg_error error;
    options.epochs = 1;
    assert_ok(run(false, &options, NULL, &error), error);
    assert_int_equal(
        rename(in_folder("short/state.safetensors"), in_folder("mixed/state.safetensors")), 0);
    options = training(in_folder("mixed"));
    options.resume = true;
    expect_no_resume(usual_model(false), &options, "mixed/state.safetensors: is damaged",
                     "its sum is");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_once),      cmocka_unit_test(stopped_at_every_step),
        cmocka_unit_test(more_epochs),       cmocka_unit_test(wrong_state),
        cmocka_unit_test(mixed_checkpoints),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
