/* What goes wrong while a network is trained: pictures that are spoilt on the way, memory that runs
 * out; and what is said of a training that another process began. */
#include "pictures.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "allocations.h"
#include "nets.h"

/* ---- pictures that are spoilt on the way ---- */

typedef struct spoiling {
    size_t epoch;                  /* at whose end they are spoilt */
    size_t skipped, skipped_in[4]; /* epoch from 0 */
    size_t epochs;
} spoiling;

static bool spoil(void *user, const vgg_train_event *event) {
    spoiling *told = user;
    if (event->type == VGG_EVENT_SKIPPED) {
        assert_contains(event->name, "/moon/0000.png");
        assert_int_not_equal(event->why->status, VGG_ERROR_MEMORY);
        told->skipped++;
        told->skipped_in[told->epochs]++;
    }
    if (event->type == VGG_EVENT_EPOCH && ++told->epochs == told->epoch) {
        write_text(in_folder("spoilt/train/moon/0000.png"), "no picture");
        assert_int_equal(unlink(in_folder("spoilt/validation/moon/0000.png")), 0);
    }
    return true;
}

/* Each is told once, when it is met, in whichever epoch that is. */
static void spoilt_pictures(void **state) {
    (void)state;
    vgg_dataset *train, *validation;
    vgg_error error;
    vgg_train_result result = {.struct_size = sizeof result};
    spoiling told = {.epoch = 2};
    assert_ok(vgg_pictogram_write(in_folder("spoilt"), 2, 1, 20, 1, NULL, NULL, &error), error);
    open_parts(in_folder("spoilt"), &train, &validation);
    vgg_train_options options = usual_training(NULL);
    options.epochs = 4;
    options.callback = spoil;
    options.user = &told;
    vgg_model *model = usual_model(false);
    assert_ok(vgg_train(model, train, validation, &options, &result, &error), error);
    assert_int_equal(told.skipped, 2);
    assert_int_equal(told.skipped_in[2], 2);
    assert_int_equal(result.skipped, 2);
    vgg_model_free(model);
    vgg_dataset_free(train);
    vgg_dataset_free(validation);
}

/* ---- a training that another process began ---- */

#define PAUSE_MS 30

/* Stops behind step 6 of the first epoch; or looks at the speed of the rest of it, of which no step
 * takes less than the pause. */
static bool pause_or_stop(void *user, const vgg_train_event *event) {
    const bool *resumed = user;
    if (event->type != VGG_EVENT_STEP)
        return event->type != VGG_EVENT_EPOCH;
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    if (!*resumed)
        return event->step < 6;
    if (event->step > 7) {
        double steps = (double)event->step - 6;
        assert_true(event->images_per_s <= 5 * steps / ((steps - 1) * PAUSE_MS * 1e-3));
    }
    nanosleep(&pause, NULL);
    return true;
}

static void speed_after_resuming(void **state) {
    (void)state;
    bool resumed = false;
    vgg_error error;
    vgg_train_options options = usual_training(in_folder("speed"));
    options.callback = pause_or_stop;
    options.user = &resumed;
    for (int i = 0; i < 2; i++) {
        vgg_model *model = usual_model(false);
        assert_int_equal(vgg_train(model, train_part, NULL, &options, NULL, &error),
                         VGG_ERROR_STOPPED);
        vgg_model_free(model);
        options.resume = resumed = true;
    }
}

/* ---- saved before the first step ---- */

/* A checkpoint in another folder has the first weights as the training begins with them. */
static void scale_saved_elsewhere(void **state) {
    (void)state;
    vgg_optimiser_options optimising;
    vgg_optimiser_options_init(&optimising, sizeof optimising);
    optimising.logit_scale = 0.25;
    optimising.ema = 0.9;
    vgg_train_options options = usual_training(in_folder("scaled"));
    options.optimising = &optimising;
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        vgg_trainer *trainer = NULL;
        vgg_error error;
        vgg_model *model = usual_model(false);
        assert_ok(vgg_trainer_create(model, train_part, NULL, &options, &trainer, &error), error);
        for (int times = 0; times < 2; times++) {
            const char *folder = elsewhere ? in_folder("scaled-elsewhere") : NULL;
            assert_ok(vgg_trainer_save(trainer, folder, &error), error);
        }
        vgg_trainer_free(trainer);
        vgg_model_free(model);
    }
    static const char *const files[] = {"last.safetensors", "state.safetensors",
                                        "state-average.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char own[64], other[64];
        snprintf(own, sizeof own, "scaled/%s", files[i]);
        snprintf(other, sizeof other, "scaled-elsewhere/%s", files[i]);
        assert_same_file(in_folder(own), in_folder(other));
    }
}

/* ---- the log ---- */

static size_t count_of(const char *path, const char *word) {
    char *text = read_text(path);
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++) {
        count++;
    }
    free(text);
    return count;
}

static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* From step 4 on there is room for a part of a line. */
static bool make_short(void *user, const vgg_train_event *event) {
    struct stat info;
    const char *log = user;
    if (event->type == VGG_EVENT_STEP && event->step == 4 && stat(log, &info) == 0)
        limit_files((rlim_t)info.st_size + 20);
    return true;
}

/* A line stands in the log wholly or not at all. */
static void line_cut_off(void **state) {
    (void)state;
    const char *log = in_folder("cut/log.jsonl");
    vgg_train_options options = usual_training(in_folder("cut"));
    vgg_error error;
    options.callback = make_short;
    options.user = (void *)(uintptr_t)log;
    vgg_model *model = usual_model(false);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(vgg_train(model, train_part, NULL, &options, NULL, &error), VGG_ERROR_IO);
    limit_files(RLIM_INFINITY);
    assert_contains(error.message, "log.jsonl: cannot write: File too large");
    assert_int_equal(count_of(log, "{"), 4);
    assert_int_equal(count_of(log, "}\n"), 4);
    vgg_model_free(model);
}

/* ---- memory ---- */

/* Of the allocations of a training so many fail, one in each. */
#define TRIES 150

static bool skips_nothing(void *user, const vgg_train_event *event) {
    (void)user;
    return event->type != VGG_EVENT_SKIPPED;
}

static vgg_status train_short(const char *folder, vgg_error *error) {
    vgg_optimiser_options optimising;
    vgg_optimiser_options_init(&optimising, sizeof optimising);
    optimising.ema = 0.9;
    vgg_train_options options = usual_training(folder);
    options.optimising = &optimising;
    options.epochs = 1;
    options.batch = 30;
    options.workers = 0;
    options.callback = skips_nothing;
    options.mixup = 0.5;
    options.balance_samples = options.balance_loss = true;
    vgg_model *model = NULL;
    vgg_status status = vgg_model_load(in_folder("first.safetensors"), NULL, &model, error);
    if (status == VGG_OK)
        status = vgg_train(model, train_part, validation_part, &options, NULL, error);
    vgg_model_free(model);
    return status;
}

/* It is said, it is no fault of a picture, and nothing that was taken stays. */
static void short_of_memory(void **state) {
    (void)state;
    if (!allocations_work())
        skip();
    vgg_error error;
    vgg_model *model = usual_model(true);
    assert_ok(vgg_model_save(model, in_folder("first.safetensors"), &error), error);
    vgg_model_free(model);
    allocations_begin(0, false);
    assert_ok(train_short(in_folder("enough"), &error), error);
    allocations whole = allocations_end();
    assert_true(whole.count > TRIES);
    size_t members = count_of(in_folder("enough/log.jsonl"), "\":");
    for (size_t i = 0; i < TRIES; i++) {
        char name[32];
        snprintf(name, sizeof name, "short-%zu", i);
        const char *folder = in_folder(name);
        allocations_begin(1 + i * whole.count / TRIES, i % 2 == 1);
        vgg_status status = train_short(folder, &error);
        allocations done = allocations_end();
        if (status != VGG_OK && status != VGG_ERROR_MEMORY)
            fail_msg("allocation %zu: %s", 1 + i * whole.count / TRIES, error.message);
        snprintf(name, sizeof name, "short-%zu/last.safetensors", i);
        if (status == VGG_OK)
            assert_same_file(in_folder(name), in_folder("enough/last.safetensors"));
        snprintf(name, sizeof name, "short-%zu/log.jsonl", i);
        if (status == VGG_OK)
            assert_int_equal(count_of(in_folder(name), "\":"), members);
        assert_int_equal(done.held, whole.held);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spoilt_pictures),       cmocka_unit_test(speed_after_resuming),
        cmocka_unit_test(scale_saved_elsewhere), cmocka_unit_test(line_cut_off),
        cmocka_unit_test(short_of_memory),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
