/* A training step by step: on arrays and on data, evaluated, saved, resumed, and told to sinks. */
#include "pictures.h"

#include <math.h>
#include <unistd.h>

#include "base/random.h"
#include "nets.h"
#include "vgg/predict.h"

#define CLASSES ((size_t)3)
#define IMAGES ((size_t)24)
#define INPUT (3 * SIDE * SIDE)

/* Bright in the channel of its class, with noise. */
static void draw(float *inputs, size_t *classes) {
    for (size_t n = 0; n < IMAGES; n++) {
        classes[n] = n % CLASSES;
        for (size_t i = 0; i < INPUT; i++) {
            bool bright = i / (SIDE * SIDE) == classes[n];
            inputs[n * INPUT + i] =
                (float)(vgg_random_unit(5, n, i) - 0.5) + (bright ? 1.0f : 0.0f);
        }
    }
}

/* For arrays: without preprocessing. */
static vgg_model *array_model(bool batch_norm) {
    vgg_network_options options = net_options("8,M,8,M/16", CLASSES, 3, SIDE);
    options.batch_norm = batch_norm;
    options.dropout = 0.2;
    vgg_network *network = make_net(&options);
    initialise(network, "glorot", 3);
    vgg_model *model = NULL;
    vgg_error error;
    assert_ok(vgg_model_create(network, NULL, NULL, &model, &error), error);
    return model;
}

static vgg_train_options array_training(const char *folder) {
    vgg_train_options options = usual_training(folder);
    options.batch = 8;
    options.rate = 0.02;
    return options;
}

static vgg_trainer *make_trainer(vgg_model *model, const vgg_dataset *train,
                                 const vgg_dataset *validation, const vgg_train_options *options) {
    vgg_trainer *trainer = NULL;
    vgg_error error;
    assert_ok(vgg_trainer_create(model, train, validation, options, &trainer, &error), error);
    return trainer;
}

/* The three batches of an epoch, from step `first`; returns the last loss. */
static double array_epoch(vgg_trainer *trainer, const float *inputs, const size_t *classes,
                          size_t first) {
    double loss = (double)NAN;
    vgg_error error;
    for (size_t step = first; step < 3; step++) {
        assert_ok(vgg_trainer_step(trainer, inputs + 8 * step * INPUT, classes + 8 * step, 8, &loss,
                                   &error),
                  error);
    }
    return loss;
}

static void assert_same_values(vgg_model *one, vgg_model *other) {
    const vgg_network *left = vgg_model_network(one), *right = vgg_model_network(other);
    for (size_t t = 0; t < vgg_network_tensor_count(left); t++) {
        assert_memory_equal(vgg_network_values(left, t), vgg_network_values(right, t),
                            tensor_info(left, t).count * sizeof(float));
    }
}

/* ---- steps ---- */

static void arrays_are_learnt(void **state) {
    (void)state;
    static float inputs[IMAGES * INPUT];
    size_t classes[IMAGES];
    draw(inputs, classes);
    vgg_model *model = array_model(true);
    vgg_train_options options = array_training(NULL);
    vgg_trainer *trainer = make_trainer(model, NULL, NULL, &options);
    vgg_error error;
    double first = 0, last = 0;
    for (size_t epoch = 0; epoch < 8; epoch++) { /* more than the options have */
        last = array_epoch(trainer, inputs, classes, 0);
        first = epoch == 0 ? last : first;
        assert_ok(vgg_trainer_finish_epoch(trainer, &error), error);
    }
    assert_true(first > 0.2 && last < first / 4);
    vgg_eval_result result = {.struct_size = sizeof result};
    assert_ok(vgg_trainer_evaluate(trainer, inputs, classes, IMAGES, &result, &error), error);
    assert_int_equal(result.images, IMAGES);
    assert_true(result.top1 == 1 && result.top5 == 1 && result.loss < 0.2);
    vgg_train_result progress = {.struct_size = sizeof progress};
    assert_ok(vgg_trainer_result(trainer, &progress, &error), error);
    assert_int_equal(progress.epochs, 8);
    assert_true(progress.best_epoch > 0 && progress.best_top1 > 0.9);
    vgg_trainer_free(trainer);
    vgg_model_free(model);
}

/* vgg_train, the same with a trainer, and with a trainer that is given its batches. */
static void same_bytes_as_vgg_train(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *models[3];
    for (size_t i = 0; i < 3; i++) {
        models[i] = usual_model(true);
    }
    vgg_train_options options = usual_training(in_folder("trained"));
    options.micro_batch = 3;
    assert_ok(vgg_train(models[0], train_part, NULL, &options, NULL, &error), error);

    options.folder = in_folder("by-steps");
    vgg_trainer *trainer = make_trainer(models[1], train_part, NULL, &options);
    for (size_t epoch = 0; epoch < 2; epoch++) {
        for (bool more = true; more;) {
            assert_ok(vgg_trainer_step_data(trainer, &more, &error), error);
        }
        assert_ok(vgg_trainer_finish_epoch(trainer, &error), error);
    }
    vgg_trainer_free(trainer);

    options.folder = in_folder("by-arrays");
    trainer = make_trainer(models[2], NULL, NULL, &options);
    vgg_augment augment;
    vgg_augment_init(&augment, sizeof augment);
    vgg_loader_options loading;
    vgg_loader_options_init(&loading, sizeof loading);
    loading.batch = options.batch;
    loading.shuffle = true;
    loading.seed = options.seed;
    loading.augment = &augment;
    vgg_loader *loader = NULL;
    assert_ok(
        vgg_loader_create(train_part, vgg_model_preprocess(models[2]), &loading, &loader, &error),
        error);
    for (size_t epoch = 0; epoch < 2; epoch++) {
        const vgg_batch *batch;
        assert_ok(vgg_loader_start(loader, epoch, 0, &error), error);
        while (vgg_loader_next(loader, &batch, &error) == VGG_OK && batch != NULL) {
            assert_ok(vgg_trainer_step(trainer, batch->inputs, batch->classes, batch->count, NULL,
                                       &error),
                      error);
        }
        assert_ok(vgg_trainer_finish_epoch(trainer, &error), error);
    }
    vgg_loader_free(loader);
    vgg_trainer_free(trainer);

    static const char *const files[] = {"best.safetensors", "last.safetensors",
                                        "state.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char names[3][64];
        snprintf(names[0], sizeof names[0], "trained/%s", files[i]);
        snprintf(names[1], sizeof names[1], "by-steps/%s", files[i]);
        snprintf(names[2], sizeof names[2], "by-arrays/%s", files[i]);
        assert_same_file(in_folder(names[0]), in_folder(names[1]));
        assert_same_file(in_folder(names[0]), in_folder(names[2]));
    }
    for (size_t i = 0; i < 3; i++) {
        vgg_model_free(models[i]);
    }
}

/* ---- evaluating and saving ---- */

/* On data as vgg_evaluate, on the same pictures as arrays likewise, and without a trace. */
static void evaluations(void **state) {
    (void)state;
    vgg_error error;
    vgg_train_options options = usual_training(NULL);
    vgg_model *model = usual_model(true), *other = usual_model(true);
    vgg_trainer *trainer = make_trainer(model, train_part, NULL, &options);
    vgg_trainer *quiet = make_trainer(other, train_part, NULL, &options);
    static float inputs[VALIDATION_PICTURES * INPUT];
    size_t classes[VALIDATION_PICTURES];
    for (size_t i = 0; i < VALIDATION_PICTURES; i++) {
        vgg_image image = {0};
        assert_ok(vgg_dataset_read(validation_part, i, &image, &error), error);
        assert_ok(
            vgg_preprocess_image(vgg_model_preprocess(model), &image, inputs + i * INPUT, &error),
            error);
        classes[i] = vgg_dataset_item_class(validation_part, i);
        vgg_image_free(&image);
    }
    vgg_eval_result expected = {.struct_size = sizeof expected};
    vgg_eval_result data = {.struct_size = sizeof data}, arrays = {.struct_size = sizeof arrays};
    for (size_t step = 0; step < 4; step++) {
        bool more;
        assert_ok(vgg_trainer_step_data(trainer, &more, &error), error);
        assert_ok(vgg_trainer_step_data(quiet, &more, &error), error);
        assert_ok(vgg_evaluate(model, validation_part, NULL, &expected, &error), error);
        assert_ok(vgg_trainer_evaluate_data(trainer, validation_part, &data, &error), error);
        assert_memory_equal(&data, &expected, sizeof data);
        assert_ok(
            vgg_trainer_evaluate(trainer, inputs, classes, VALIDATION_PICTURES, &arrays, &error),
            error);
        assert_int_equal(arrays.images, VALIDATION_PICTURES);
        assert_true(fabs(arrays.loss - expected.loss) < 1e-5);
        assert_true(arrays.top1 == expected.top1 && arrays.top5 == expected.top5);
    }
    assert_same_values(model, other);
    vgg_trainer_free(trainer);
    vgg_trainer_free(quiet);
    vgg_model_free(model);
    vgg_model_free(other);
}

/* A training on arrays that is saved in the middle of its second epoch, and one that goes on. */
static void saved_and_resumed(void **state) {
    (void)state;
    static float inputs[IMAGES * INPUT];
    size_t classes[IMAGES];
    draw(inputs, classes);
    vgg_error error;
    vgg_train_options options = array_training(NULL);
    vgg_model *whole = array_model(true), *rest = array_model(true);
    vgg_trainer *trainer = make_trainer(whole, NULL, NULL, &options);
    array_epoch(trainer, inputs, classes, 0);
    assert_ok(vgg_trainer_finish_epoch(trainer, &error), error);
    assert_ok(vgg_trainer_step(trainer, inputs, classes, 8, NULL, &error), error);
    assert_ok(vgg_trainer_save(trainer, in_folder("kept/deep"), &error), error);
    array_epoch(trainer, inputs, classes, 1);
    assert_ok(vgg_trainer_finish_epoch(trainer, &error), error);
    assert_ok(vgg_trainer_save(trainer, in_folder("one"), &error), error);
    vgg_trainer_free(trainer);

    trainer = make_trainer(rest, NULL, NULL, &options);
    assert_ok(vgg_trainer_resume(trainer, in_folder("kept/deep"), &error), error);
    vgg_train_result result = {.struct_size = sizeof result};
    assert_ok(vgg_trainer_result(trainer, &result, &error), error);
    assert_int_equal(result.epochs, 1);
    array_epoch(trainer, inputs, classes, 1);
    assert_ok(vgg_trainer_finish_epoch(trainer, &error), error);
    assert_ok(vgg_trainer_save(trainer, in_folder("other"), &error), error);
    assert_int_equal(vgg_trainer_resume(trainer, in_folder("one"), &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "before its first step");
    vgg_trainer_free(trainer);
    assert_same_values(whole, rest);
    assert_same_file(in_folder("one/state.safetensors"), in_folder("other/state.safetensors"));
    assert_same_file(in_folder("one/last.safetensors"), in_folder("other/last.safetensors"));
    vgg_model_free(whole);
    vgg_model_free(rest);
}

/* ---- sinks ---- */

/* What all sinks saw, in their order: a letter for the sink and one for the event. */
typedef struct diary {
    char text[256];
    char stop[3]; /* after this entry */
    size_t lines; /* of the log when the last step was told */
} diary;

typedef struct writer {
    diary *shared;
    char letter;
} writer;

static bool note(void *user, const vgg_train_event *event) {
    static const char letters[] = {[VGG_EVENT_PLAN] = 'p',
                                   [VGG_EVENT_STEP] = 's',
                                   [VGG_EVENT_EVALUATED] = 'v',
                                   [VGG_EVENT_EPOCH] = 'e',
                                   [VGG_EVENT_SKIPPED] = 'k'};
    const writer *own = user;
    const char entry[3] = {own->letter, letters[event->type], '\0'};
    assert_int_equal(event->struct_size, sizeof *event);
    assert_true(strlen(own->shared->text) + 3 < sizeof own->shared->text);
    strcat(own->shared->text, entry);
    if (event->type == VGG_EVENT_STEP) {
        char *log = read_text(in_folder("sinks/log.jsonl"));
        own->shared->lines = 0;
        for (const char *at = log; (at = strchr(at, '\n')) != NULL; at++) {
            own->shared->lines++;
        }
        free(log);
    }
    return strcmp(entry, own->shared->stop) != 0;
}

static void sinks(void **state) {
    (void)state;
    static float inputs[IMAGES * INPUT];
    size_t classes[IMAGES];
    draw(inputs, classes);
    vgg_error error = {0};
    diary shared = {.stop = "bs"};
    writer writers[] = {{&shared, 'a'}, {&shared, 'b'}, {&shared, 'c'}};
    vgg_train_options options = array_training(in_folder("sinks"));
    options.callback = note;
    options.user = &writers[0];
    vgg_model *model = array_model(false);
    vgg_trainer *trainer = make_trainer(model, NULL, NULL, &options);
    assert_ok(vgg_trainer_add_sink(trainer, note, &writers[1], &error), error);
    assert_ok(vgg_trainer_add_sink(trainer, note, &writers[2], &error), error);
    assert_int_equal(vgg_trainer_step(trainer, inputs, classes, 8, NULL, &error),
                     VGG_ERROR_STOPPED);
    assert_contains(error.message, "stopped in epoch 1 of 2, after step 1");
    assert_string_equal(shared.text, "apbpcpasbscs");
    assert_int_equal(shared.lines, 1); /* the log is the first to know */

    /* It goes on when it is called again. */
    memset(&shared, 0, sizeof shared);
    assert_ok(vgg_trainer_step(trainer, inputs, classes, 8, NULL, &error), error);
    assert_int_equal(shared.lines, 2);
    assert_ok(vgg_trainer_finish_epoch(trainer, &error), error);
    assert_string_equal(shared.text, "asbscsaebece");
    vgg_trainer_free(trainer);
    vgg_model_free(model);
}

static bool no_stop(void *user, const vgg_train_event *event) {
    *(size_t *)user += event->type == VGG_EVENT_STEP;
    return true;
}

/* A full disk stops the training with what the log says of it; the other sinks have been told. */
static void log_that_fails(void **state) {
    (void)state;
    static float inputs[IMAGES * INPUT];
    size_t classes[IMAGES], steps = 0;
    draw(inputs, classes);
    vgg_error error = {0};
    assert_ok(vgg_pictogram_write(in_folder("full"), 1, 1, 16, 1, NULL, NULL, &error), error);
    assert_int_equal(symlink("/dev/full", in_folder("full/log.jsonl")), 0);
    vgg_train_options options = array_training(in_folder("full"));
    vgg_model *model = array_model(false);
    vgg_trainer *trainer = make_trainer(model, NULL, NULL, &options);
    assert_ok(vgg_trainer_add_sink(trainer, no_stop, &steps, &error), error);
    assert_int_equal(vgg_trainer_step(trainer, inputs, classes, 8, NULL, &error), VGG_ERROR_IO);
    assert_contains(error.message, "full/log.jsonl: cannot write");
    assert_int_equal(steps, 1);
    vgg_trainer_free(trainer);
    vgg_model_free(model);
}

/* ---- what goes wrong ---- */

static void refusals(void **state) {
    (void)state;
    static float inputs[IMAGES * INPUT];
    size_t classes[IMAGES];
    draw(inputs, classes);
    vgg_error error = {0};
    vgg_train_options options = array_training(NULL);
    vgg_model *model = array_model(true), *untouched = array_model(true);
    vgg_model *pictures = usual_model(false);
    vgg_trainer *arrays = make_trainer(model, NULL, NULL, &options);
    vgg_trainer *data = make_trainer(pictures, train_part, NULL, &options);
    bool more;
    assert_int_equal(vgg_trainer_step(arrays, inputs, classes, 0, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_trainer_step(arrays, inputs, classes, 9, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "1 to 8");
    assert_int_equal(vgg_trainer_step(arrays, inputs, classes, 1, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "batch norm");
    classes[3] = CLASSES;
    assert_int_equal(vgg_trainer_step(arrays, inputs, classes, 8, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "input 3 has class 3, expected 0 to 2");
    assert_int_equal(vgg_trainer_step_data(arrays, &more, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "without a data set");
    assert_int_equal(vgg_trainer_step(data, inputs, classes, 3, NULL, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "vgg_trainer_step_data");
    assert_int_equal(vgg_trainer_finish_epoch(arrays, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "without a step");
    assert_int_equal(vgg_trainer_save(arrays, NULL, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "folder");
    assert_same_values(model, untouched);
    vgg_trainer_free(arrays);
    vgg_trainer_free(data);

    /* A data set needs the preprocessing, and vgg_train a data set. */
    vgg_trainer *none = NULL;
    vgg_dataset *three = NULL;
    assert_ok(vgg_pictogram_write(in_folder("three/all"), 1, 1, 16, 1, NULL, NULL, &error), error);
    for (size_t c = CLASSES; c < 10; c++) {
        char name[64];
        snprintf(name, sizeof name, "three/all/train/%s/0000.png", vgg_pictogram_name(c));
        assert_int_equal(unlink(in_folder(name)), 0);
        *strrchr(name, '/') = '\0';
        assert_int_equal(rmdir(in_folder(name)), 0);
    }
    assert_ok(vgg_dataset_open(in_folder("three/all/train"), NULL, &three, NULL, &error), error);
    assert_int_equal(vgg_trainer_create(model, three, NULL, &options, &none, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "preprocessing");
    vgg_dataset_free(three);
    assert_int_equal(vgg_train(pictures, NULL, NULL, &options, NULL, &error), VGG_ERROR_ARGUMENT);
    vgg_model_free(model);
    vgg_model_free(untouched);
    vgg_model_free(pictures);
}

/* Weights that are ruined after a step. */
static void not_finite(void **state) {
    (void)state;
    static float inputs[IMAGES * INPUT];
    size_t classes[IMAGES];
    draw(inputs, classes);
    vgg_error error = {0};
    vgg_train_options options = array_training(NULL);
    vgg_model *model = array_model(false);
    vgg_trainer *trainer = make_trainer(model, NULL, NULL, &options);
    assert_ok(vgg_trainer_step(trainer, inputs, classes, 8, NULL, &error), error);
    fill_tensor(model, "classifier.3.weight", INFINITY);
    assert_int_equal(vgg_trainer_step(trainer, inputs, classes, 8, NULL, &error),
                     VGG_ERROR_NUMERIC);
    assert_contains(error.message, "epoch 1, step 2");
    vgg_eval_result result = {.struct_size = sizeof result};
    assert_int_equal(vgg_trainer_evaluate(trainer, inputs, classes, 8, &result, &error),
                     VGG_ERROR_NUMERIC);
    assert_int_equal(vgg_trainer_finish_epoch(trainer, &error), VGG_ERROR_NUMERIC);
    vgg_trainer_free(trainer);
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_learnt),
        cmocka_unit_test(same_bytes_as_vgg_train),
        cmocka_unit_test(evaluations),
        cmocka_unit_test(saved_and_resumed),
        cmocka_unit_test(sinks),
        cmocka_unit_test(log_that_fails),
        cmocka_unit_test(refusals),
        cmocka_unit_test(not_finite),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
