/* Which epoch is the best where validation pictures are few: networks that give every picture the
 * same class, so that the accuracy is that class's share of the pictures. */
#include "pictures.h"

#include <unistd.h>

#include "nets.h"
#include "train/run.h"

#define EPOCHS ((size_t)4)

/* Of 20 validation pictures as many are of class 0, 1, 2 and 3. The standard errors of these
 * shares are 2.1, 2.0, 1.8 and 1.6 pictures: each is within that of the one before, and the third
 * is not within that of the first. */
static const size_t counts[VGG_PICTOGRAM_CLASSES] = {7, 6, 4, 3};

static vgg_dataset *few_train, *few_validation;

/* A network for one class: its logit, the others being 0. */
typedef struct answer {
    size_t class;
    float logit;
} answer;

/* From class to class the accuracy falls, and so does the loss: 2.75, 2.47, 2.40 and 2.31. */
static const answer falling[EPOCHS] = {{0, 4}, {1, 3}, {2, 2}, {3, 1}};
static const answer rising[EPOCHS] = {{3, 1}, {2, 2}, {1, 3}, {0, 4}};

/* ---- the pictures ---- */

static int open_few(void **state) {
    if (open_pictures(state) != 0 ||
        vgg_pictogram_write(in_folder("few"), 1, counts[0], 20, 1, NULL, NULL, NULL) != VGG_OK)
        return 1;
    vgg_dataset *all = NULL;
    open_parts(in_folder("few"), &few_train, &all);
    size_t seen[VGG_PICTOGRAM_CLASSES] = {0};
    for (size_t i = 0; i < vgg_dataset_count(all); i++) {
        size_t class = vgg_dataset_item_class(all, i);
        if (seen[class]++ >= counts[class])
            assert_int_equal(unlink(vgg_dataset_item_name(all, i)), 0);
    }
    vgg_dataset_free(all);
    vgg_dataset_free(few_train);
    open_parts(in_folder("few"), &few_train, &few_validation);
    return vgg_dataset_count(few_validation) != 20;
}

static int close_few(void **state) {
    vgg_dataset_free(few_train);
    vgg_dataset_free(few_validation);
    return close_pictures(state);
}

/* ---- epochs ---- */

/* Weights of 0, and the last bias. */
static void give(vgg_model *model, const answer *wanted) {
    vgg_network *network = vgg_model_mutable_network(model);
    size_t tensors = vgg_network_tensor_count(network);
    float biases[VGG_PICTOGRAM_CLASSES] = {0};
    vgg_error error;
    for (size_t t = 0; t < tensors; t++) {
        fill_tensor(model, tensor_info(network, t).name, 0);
    }
    biases[wanted->class] = wanted->logit;
    assert_ok(vgg_network_set_values(network, tensors - 1, biases, VGG_PICTOGRAM_CLASSES, &error),
              error);
}

/* What the epochs told. */
typedef struct story {
    size_t epochs;
    bool best[EPOCHS];
} story;

static bool listen(void *user, const vgg_train_event *event) {
    story *told = user;
    if (event->type == VGG_EVENT_EPOCH)
        told->best[told->epochs++] = event->best;
    return true;
}

/* Trains epochs `from` to `to`, the latter not, each of which ends with its answer. */
static vgg_train_result train(const char *folder, const answer *answers, size_t from, size_t to,
                              story *told) {
    vgg_train_options options = usual_training(folder == NULL ? NULL : in_folder(folder));
    options.epochs = EPOCHS;
    options.callback = listen;
    options.user = told;
    vgg_model *model = usual_model(false);
    vgg_trainer *trainer = NULL;
    vgg_train_result result = {.struct_size = sizeof result};
    vgg_error error;
    told->epochs = from;
    assert_ok(vgg_trainer_create(model, few_train, few_validation, &options, &trainer, &error),
              error);
    if (from > 0)
        assert_ok(vgg_trainer_resume(trainer, options.folder, &error), error);
    for (size_t epoch = from; epoch < to; epoch++) {
        for (bool more = true; more;) {
            assert_ok(vgg_trainer_step_data(trainer, &more, &error), error);
        }
        give(model, &answers[epoch]);
        assert_ok(vgg_trainer_finish_epoch(trainer, &error), error);
    }
    assert_ok(vgg_trainer_result(trainer, &result, &error), error);
    assert_int_equal(result.epochs, to);
    vgg_trainer_free(trainer);
    vgg_model_free(model);
    return result;
}

static void assert_best(const story *told, const bool expected[EPOCHS]) {
    for (size_t i = 0; i < EPOCHS; i++) {
        if (told->best[i] != expected[i])
            fail_msg("epoch %zu is%s the best so far", i + 1, told->best[i] ? "" : " not");
    }
}

/* However slowly: what is a standard error below the highest accuracy is worse. */
static void does_not_sink(void **state) {
    (void)state;
    story told;
    vgg_train_result result = train(NULL, falling, 0, EPOCHS, &told);
    assert_best(&told, (const bool[EPOCHS]){true, true, false, false});
    assert_int_equal(result.best_epoch, 2);
    assert_true(result.best_top1 == 6.0 / 20);
}

/* Better by chance is not better, but what is left behind by more is no longer the best, whatever
 * its loss. */
static void is_not_left_behind(void **state) {
    (void)state;
    story told;
    vgg_train_result result = train(NULL, rising, 0, EPOCHS, &told);
    assert_best(&told, (const bool[EPOCHS]){true, false, true, false});
    assert_int_equal(result.best_epoch, 3);
}

/* ---- runs that are continued ---- */

static const char *const files[] = {"last.safetensors", "best.safetensors", "state.safetensors"};

static void assert_same_run(const char *whole, const char *parts) {
    char left[64], right[64];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(left, sizeof left, "%s/%s", whole, files[i]);
        snprintf(right, sizeof right, "%s/%s", parts, files[i]);
        assert_same_file(in_folder(left), in_folder(right));
    }
}

/* The record knows the highest accuracy, which is not that of the best epoch here. */
static void resumed_at_every_epoch(void **state) {
    (void)state;
    story told, parts;
    vgg_train_result expected = train("whole", falling, 0, EPOCHS, &told);
    for (size_t epoch = 0; epoch < EPOCHS; epoch++) {
        vgg_train_result result = train("parts", falling, epoch, epoch + 1, &parts);
        assert_int_equal(parts.best[epoch], told.best[epoch]);
        if (epoch + 1 == EPOCHS)
            assert_int_equal(result.best_epoch, expected.best_epoch);
    }
    assert_int_equal(expected.best_epoch, 2);
    assert_same_run("whole", "parts");
}

/* Writes the record of a run anew, without a key that has to be there. */
static void take_out(const char *folder, const char *path, const char *key) {
    vgg_notes record = {0}, rest = {0};
    vgg_error error;
    bool replaced;
    assert_ok(vgg_run_record_read(path, &record, &error), error);
    for (size_t i = 0; i < record.count; i++) {
        if (strcmp(record.items[i].key, key) != 0)
            assert_true(vgg_notes_set(&rest, record.items[i].key, record.items[i].value));
    }
    assert_int_equal(rest.count + 1, record.count);
    assert_ok(vgg_run_record_write(path, folder, &rest, &replaced, &error), error);
    vgg_notes_free(&record);
    vgg_notes_free(&rest);
}

/* Versions before have only the best epoch's accuracy in their record. */
static void resumed_without_the_highest(void **state) {
    (void)state;
    story told;
    vgg_train_result result = train("earlier", falling, 0, 2, &told);
    assert_int_equal(result.best_epoch, 2);
    take_out(in_folder("earlier"), in_folder("earlier/checkpoint.txt"), "state.highest_top1");
    result = train("earlier", falling, 2, EPOCHS, &told);
    assert_best(&told, (const bool[EPOCHS]){true, true, true, false});
    assert_int_equal(result.best_epoch, 3);
    assert_true(result.best_top1 == 4.0 / 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(does_not_sink),
        cmocka_unit_test(is_not_left_behind),
        cmocka_unit_test(resumed_at_every_epoch),
        cmocka_unit_test(resumed_without_the_highest),
    };
    return cmocka_run_group_tests(tests, open_few, close_few);
}
