/* The folder of a run: its record, who has it in hand, and what an evaluation that fails leaves. */
#include "pictures.h"

#include <stdlib.h>
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
        cmocka_unit_test(published_sums),      cmocka_unit_test(pieces_and_bits),
        cmocka_unit_test(any_words),           cmocka_unit_test(damaged_records),
        cmocka_unit_test(in_one_hand),         cmocka_unit_test(fresh_folders),
        cmocka_unit_test(failed_evaluation),   cmocka_unit_test(ruined_epoch),
        cmocka_unit_test(saved_at_every_step),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
