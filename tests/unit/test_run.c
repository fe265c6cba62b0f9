/* The folder of a run: its record, who has it in hand, and what an evaluation that fails leaves. */
#include "pictures.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/file.h"
#include "train/run.h"

/* ---- sums ---- */

/* The values of the algorithm's own program, xxhsum -H1. */
static void published_sums(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t sum;
    } cases[] = {{"", UINT64_C(0xef46db3751d8e999)},
                 {"abc", UINT64_C(0x44bc2cf5ad770999)},
                 {"Nobody inspects the spammish repetition", UINT64_C(0xfbcea83c8a378bf1)}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(vgg_checksum_of(cases[i].text, strlen(cases[i].text)) == cases[i].sum);
    }
}

/* The bytes in pieces of every length are the bytes at once; every bit counts. */
static void pieces_and_bits(void **state) {
    (void)state;
    unsigned char bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * i + 7 * i);
    }
    for (size_t size = 0; size <= sizeof bytes; size++) {
        uint64_t whole = vgg_checksum_of(bytes, size);
        for (size_t piece = 1; piece <= 70; piece++) {
            vgg_checksum sum;
            vgg_checksum_begin(&sum);
            for (size_t at = 0; at < size; at += piece) {
                vgg_checksum_add(&sum, bytes + at, size - at < piece ? size - at : piece);
            }
            assert_true(vgg_checksum_end(&sum) == whole);
        }
        for (size_t bit = 0; bit < 8 * size; bit += 5) {
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
            assert_true(vgg_checksum_of(bytes, size) != whole);
            bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
    }
}

/* ---- the record ---- */

static void any_words(void **state) {
    (void)state;
    static const char *const words[][2] = {{"a key", "a value with blanks "},
                                           {"data.train.ein\nname", "line\nbreaks\r\tand 100 %25"},
                                           {"%41", "%"},
                                           {"\xff\xfe", "\x01\x7f\xc3\xa4"},
                                           {"empty", ""}};
    enum { WORDS = sizeof words / sizeof *words };
    vgg_notes written = {0}, read = {0};
    vgg_error error;
    bool replaced;
    const char *path = in_folder("words.txt");
    for (size_t i = 0; i < WORDS; i++) {
        assert_ok(vgg_run_record_set(&written, words[i][0], words[i][1], &error), error);
    }
    assert_ok(vgg_run_record_write(path, in_folder("."), &written, &replaced, &error), error);
    assert_true(replaced);
    assert_ok(vgg_run_record_read(path, &read, &error), error);
    assert_int_equal(read.count, WORDS);
    for (size_t i = 0; i < WORDS; i++) {
        assert_string_equal(vgg_notes_find(&read, words[i][0]), words[i][1]);
    }
    vgg_notes_free(&read);
    vgg_notes_free(&written);
}

static void write_bytes(const char *path, const char *bytes, size_t size) {
    vgg_file_writer writer;
    vgg_error error;
    assert_ok(vgg_file_create(&writer, path, &error), error);
    assert_ok(vgg_file_write(&writer, bytes, size, &error), error);
    assert_ok(vgg_file_commit(&writer, &error), error);
}

/* Every bit of a record, and every beginning of it, is noticed. */
static void damaged_records(void **state) {
    (void)state;
    vgg_notes written = {0}, read = {0};
    vgg_error error = {0};
    bool replaced;
    const char *path = in_folder("good.txt"), *damaged = in_folder("damaged.txt");
    assert_ok(vgg_run_record_set(&written, "generation", "12", &error), error);
    assert_ok(vgg_run_record_set(&written, "state.loss", "0x1.8p+3", &error), error);
    assert_ok(vgg_run_record_write(path, in_folder("."), &written, &replaced, &error), error);
    char *text = read_text(path);
    size_t size = strlen(text);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        write_bytes(damaged, text, size);
        text[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(vgg_run_record_read(damaged, &read, &error), VGG_ERROR_FORMAT);
        assert_contains(error.message, "damaged.txt: ");
        assert_int_equal(read.count, 0);
    }
    for (size_t length = 0; length < size; length++) {
        write_bytes(damaged, text, length);
        assert_int_equal(vgg_run_record_read(damaged, &read, &error), VGG_ERROR_FORMAT);
    }
    free(text);
    vgg_notes_free(&written);
}

/* ---- whose it is ---- */

static void in_one_hand(void **state) {
    (void)state;
    vgg_run *run = NULL, *other = NULL;
    vgg_error error = {0};
    assert_ok(vgg_run_open(in_folder("hand/deep"), NULL, &run, &error), error);
    assert_int_equal(vgg_run_holds(run), VGG_RUN_NOTHING);
    assert_int_equal(vgg_run_open(in_folder("hand/deep"), NULL, &other, &error), VGG_ERROR_IO);
    assert_contains(error.message, "hand/deep: is in use by this process already");
    vgg_train_options options = usual_training(in_folder("hand/deep"));
    vgg_model *model = usual_model(false);
    assert_int_equal(vgg_train(model, train_part, NULL, &options, NULL, &error), VGG_ERROR_IO);
    assert_contains(error.message, "is in use");
    options.folder = NULL;
    options.run = run;
    options.epochs = 1;
    assert_ok(vgg_run_set_note(run, "who", "me", &error), error);
    assert_ok(vgg_train(model, train_part, NULL, &options, NULL, &error), error);
    assert_int_equal(vgg_run_holds(run), VGG_RUN_SAVED);
    vgg_run_close(run);
    vgg_model_free(model);

    assert_ok(vgg_run_open(in_folder("hand/deep"), NULL, &run, &error), error);
    assert_string_equal(vgg_run_note(run, "who"), "me");
    assert_null(vgg_run_note(run, "what"));
    assert_ok(vgg_run_check(run, &error), error);
    vgg_run_close(run);
}

static void fresh_folders(void **state) {
    (void)state;
    vgg_run *run = NULL;
    vgg_run_options options;
    vgg_error error = {0};
    vgg_run_options_init(&options, sizeof options);
    options.fresh = true;
    assert_ok(vgg_run_open(in_folder("fresh"), &options, &run, &error), error);
    assert_string_equal(vgg_run_folder(run), in_folder("fresh"));
    assert_exists(in_folder("fresh"), false);
    vgg_run_close(run);
    assert_exists(in_folder("fresh"), true);
    assert_ok(vgg_folder_create(in_folder("fresh"), &error), error);
    assert_int_equal(vgg_run_open(in_folder("fresh"), &options, &run, &error), VGG_ERROR_IO);
    assert_ok(vgg_run_open(in_folder("fresh"), NULL, &run, &error), error);
    vgg_run_close(run);
    assert_exists(in_folder("fresh"), false);
}

/* Others may look at a run that somebody has in hand, without a trace. */
static void looking_on(void **state) {
    (void)state;
    vgg_run *run = NULL, *looked = NULL;
    vgg_error error = {0};
    vgg_run_options options;
    vgg_run_options_init(&options, sizeof options);
    options.read_only = true;
    assert_ok(vgg_run_open(in_folder("looked"), &options, &looked, &error), error);
    assert_int_equal(vgg_run_holds(looked), VGG_RUN_NOTHING);
    vgg_run_close(looked);
    assert_exists(in_folder("looked"), true);

    vgg_train_options training = usual_training(in_folder("looked"));
    training.epochs = 1;
    vgg_model *model = usual_model(false);
    assert_ok(vgg_train(model, train_part, NULL, &training, NULL, &error), error);
    assert_ok(vgg_run_open(in_folder("looked"), NULL, &run, &error), error);
    write_text(in_folder("looked/.checkpoint-99-last.safetensors"), "left");
    assert_ok(vgg_run_open(in_folder("looked"), &options, &looked, &error), error);
    assert_int_equal(vgg_run_holds(looked), VGG_RUN_SAVED);
    assert_ok(vgg_run_check(looked, &error), error);
    assert_exists(in_folder("looked/.checkpoint-99-last.safetensors"), false);
    training.run = looked;
    training.folder = NULL;
    assert_int_equal(vgg_train(model, train_part, NULL, &training, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "looked: was opened for reading only");
    vgg_run_close(looked);
    vgg_run_close(run);
    vgg_model_free(model);
}

/* What another thread of this process writes into the folder is no leftover of one that had its
 * number. */
static void own_temporary(void **state) {
    (void)state;
    vgg_run *run = NULL;
    vgg_error error;
    vgg_file_writer writer;
    char left[64];
    assert_ok(vgg_folder_create(in_folder("shared"), &error), error);
    snprintf(left, sizeof left, "shared/.vgg-%ld-77", (long)getpid());
    write_text(in_folder(left), "of a process long ago");
    assert_ok(vgg_file_create(&writer, in_folder("shared/model"), &error), error);
    assert_ok(vgg_file_write(&writer, "whole", 5, &error), error);
    assert_ok(vgg_run_open(in_folder("shared"), NULL, &run, &error), error);
    assert_exists(in_folder(left), true);
    assert_ok(vgg_file_commit(&writer, &error), error);
    char *text = read_text(in_folder("shared/model"));
    assert_string_equal(text, "whole");
    free(text);
    vgg_run_close(run);
}

/* ---- the data is checked ---- */

typedef struct checking {
    size_t seen, stop_at;
} checking;

static bool stop_checking(void *user, const vgg_train_event *event) {
    checking *c = user;
    if (event->type != VGG_EVENT_CHECKED)
        return true;
    assert_int_equal(event->step, ++c->seen);
    assert_int_equal(event->steps, TRAIN_PICTURES + VALIDATION_PICTURES);
    return c->seen != c->stop_at;
}

/* Whoever stops it has what was there before: nothing, or the run. */
static void stopped_checking(void **state) {
    (void)state;
    checking told = {.stop_at = TRAIN_PICTURES + 3};
    vgg_train_options options = usual_training(in_folder("checked"));
    vgg_error error;
    options.check_data = true;
    options.callback = stop_checking;
    options.user = &told;
    vgg_model *model = usual_model(false);
    assert_int_equal(vgg_train(model, train_part, validation_part, &options, NULL, &error),
                     VGG_ERROR_STOPPED);
    assert_contains(error.message, "was checked");
    assert_int_equal(told.seen, told.stop_at);
    assert_exists(in_folder("checked"), true);

    told = (checking){.seen = 0};
    options.epochs = 1;
    assert_ok(vgg_train(model, train_part, validation_part, &options, NULL, &error), error);
    assert_int_equal(told.seen, TRAIN_PICTURES + VALIDATION_PICTURES);
    vgg_model_free(model);
    assert_int_equal(link(in_folder("checked/last.safetensors"), in_folder("kept-checked")), 0);
    told = (checking){.stop_at = 1};
    options.resume = true;
    options.epochs = 2;
    model = usual_model(false);
    assert_int_equal(vgg_train(model, train_part, validation_part, &options, NULL, &error),
                     VGG_ERROR_STOPPED);
    vgg_model_free(model);
    assert_same_file(in_folder("checked/last.safetensors"), in_folder("kept-checked"));
}

/* ---- evaluations that fail ---- */

/* Takes a picture away when the first epoch has begun, and stops where it is missed. */
static bool take_away(void *user, const vgg_train_event *event) {
    (void)user;
    if (event->type == VGG_EVENT_STEP && event->epoch == 1 && event->step == 1)
        assert_int_equal(
            rename(in_folder("some/validation/moon/0000.png"), in_folder("some/kept.png")), 0);
    return event->type != VGG_EVENT_SKIPPED;
}

/* The epoch that could not be evaluated is not lost: what resumes the run evaluates it. */
static void failed_evaluation(void **state) {
    (void)state;
    vgg_dataset *train, *validation;
    vgg_error error = {0};
    assert_ok(vgg_pictogram_write(in_folder("some"), 3, 1, 20, 1, NULL, NULL, &error), error);
    open_parts(in_folder("some"), &train, &validation);
    vgg_train_options options = usual_training(in_folder("never-failed"));
    vgg_model *model = usual_model(false);
    assert_ok(vgg_train(model, train, validation, &options, NULL, &error), error);
    vgg_model_free(model);

    options.folder = in_folder("failed");
    options.callback = take_away;
    model = usual_model(false);
    assert_int_equal(vgg_train(model, train, validation, &options, NULL, &error),
                     VGG_ERROR_NOT_FOUND);
    vgg_model_free(model);
    assert_exists(in_folder("failed/last.safetensors"), false);
    assert_exists(in_folder("failed/best.safetensors"), true);
    assert_int_equal(rename(in_folder("some/kept.png"), in_folder("some/validation/moon/0000.png")),
                     0);
    options.callback = NULL;
    options.resume = true;
    model = usual_model(false);
    assert_ok(vgg_train(model, train, validation, &options, NULL, &error), error);
    vgg_model_free(model);
    assert_same_file(in_folder("failed/last.safetensors"),
                     in_folder("never-failed/last.safetensors"));
    assert_same_file(in_folder("failed/best.safetensors"),
                     in_folder("never-failed/best.safetensors"));
    vgg_dataset_free(train);
    vgg_dataset_free(validation);
}

/* An epoch that ruined the network is not kept: the run goes on from the one before. */
static void ruined_epoch(void **state) {
    (void)state;
    vgg_train_options options = usual_training(in_folder("ruined"));
    vgg_model *model = usual_model(false);
    vgg_error error = {0};
    options.epochs = 1;
    assert_ok(vgg_train(model, train_part, validation_part, &options, NULL, &error), error);
    vgg_model_free(model);
    assert_int_equal(link(in_folder("ruined/last.safetensors"), in_folder("kept-model")), 0);
    options.epochs = 2;
    options.resume = true;
    options.batch = TRAIN_PICTURES;
    options.rate = 1e38;
    model = usual_model(false);
    assert_int_equal(vgg_train(model, train_part, validation_part, &options, NULL, &error),
                     VGG_ERROR_NUMERIC);
    assert_contains(error.message, "validation");
    vgg_model_free(model);
    assert_same_file(in_folder("ruined/last.safetensors"), in_folder("kept-model"));
    options.batch = 5;
    options.rate = 0.005;
    model = usual_model(false);
    assert_ok(vgg_train(model, train_part, validation_part, &options, NULL, &error), error);
    vgg_model_free(model);
}

/* Ends the process while the second epoch is evaluated. */
static bool die_evaluating(void *user, const vgg_train_event *event) {
    (void)user;
    if (event->type == VGG_EVENT_EVALUATED && event->epoch == 2)
        _exit(EXIT_SUCCESS);
    return true;
}

static vgg_status train_further(vgg_train_options options, vgg_error *error) {
    options.resume = true;
    vgg_model *model = usual_model(false);
    vgg_status status = vgg_train(model, train_part, validation_part, &options, NULL, error);
    vgg_model_free(model);
    return status;
}

/* The same when the process ended before the evaluation showed it: whoever resumes the run sees it,
 * and has the epoch before. */
static void ruined_and_killed(void **state) {
    (void)state;
    const char *folder = in_folder("killed");
    vgg_train_options options = usual_training(folder), ruining;
    vgg_error error;
    vgg_model *model = usual_model(false);
    options.epochs = 1;
    assert_ok(vgg_train(model, train_part, validation_part, &options, NULL, &error), error);
    vgg_model_free(model);
    assert_int_equal(link(in_folder("killed/last.safetensors"), in_folder("kept-killed")), 0);
    size_t entries = count_entries(folder);
    options.epochs = 2;
    ruining = options;
    ruining.batch = TRAIN_PICTURES;
    ruining.rate = 1e38;
    for (int kills = 0; kills < 2; kills++) {
        pid_t child = fork();
        ruining.callback = die_evaluating;
        if (child == 0)
            _exit(train_further(ruining, NULL) == VGG_OK ? 2 : 3);
        int ended;
        assert_int_equal(waitpid(child, &ended, 0), child);
        assert_int_equal(ended, EXIT_SUCCESS);
    }
    ruining.callback = NULL;
    assert_int_equal(train_further(ruining, &error), VGG_ERROR_NUMERIC);
    assert_same_file(in_folder("killed/last.safetensors"), in_folder("kept-killed"));
    assert_int_equal(count_entries(folder), entries);
    assert_ok(train_further(options, &error), error);
    assert_int_equal(count_entries(folder), entries);
}

/* Checkpoints between epochs, after every step, leave no trace in the result. */
static void saved_at_every_step(void **state) {
    (void)state;
    static const char *const files[] = {"best.safetensors", "last.safetensors",
                                        "state.safetensors"};
    char names[2][64];
    for (int always = 0; always < 2; always++) {
        vgg_train_options options = usual_training(in_folder(always ? "always" : "seldom"));
        options.save_minutes = always ? 1e-12 : 0;
        vgg_model *model = usual_model(true);
        vgg_error error;
        assert_ok(vgg_train(model, train_part, validation_part, &options, NULL, &error), error);
        vgg_model_free(model);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(names[0], sizeof names[0], "always/%s", files[i]);
        snprintf(names[1], sizeof names[1], "seldom/%s", files[i]);
        assert_same_file(in_folder(names[0]), in_folder(names[1]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_sums),    cmocka_unit_test(pieces_and_bits),
        cmocka_unit_test(any_words),         cmocka_unit_test(damaged_records),
        cmocka_unit_test(in_one_hand),       cmocka_unit_test(fresh_folders),
        cmocka_unit_test(failed_evaluation), cmocka_unit_test(ruined_epoch),
        cmocka_unit_test(ruined_and_killed), cmocka_unit_test(saved_at_every_step),
        cmocka_unit_test(looking_on),        cmocka_unit_test(own_temporary),
        cmocka_unit_test(stopped_checking),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
