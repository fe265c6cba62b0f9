/* Every options struct, from callers that know less of it or more than the library. */
#include "base/file.h"
#include "edge.h"
#include "nets.h"
#include "pictures.h"
#include "vgg/vgg.h"

static vgg_model *model;
static vgg_preprocess preprocess;
static vgg_image image;
static unsigned char *stored; /* the bytes of the model */
static size_t stored_size;

typedef struct options_case {
    const char *name;
    size_t size, least; /* of the whole struct, and of the shortest that makes sense */
    void (*init)(void *options, size_t size);
    vgg_status (*use)(const void *options, vgg_error *error);
} options_case;

#define INIT(type)                                                                                 \
    static void init_##type(void *options, size_t size) {                                          \
        vgg_##type##_init(options, size);                                                          \
    }

INIT(network_options)
INIT(plan_options)
INIT(model_options)
INIT(save_options)
INIT(dataset_options)
INIT(decode_options)
INIT(loader_options)
INIT(predictor_options)
INIT(eval_options)
INIT(scores_options)
INIT(scores_read_options)
INIT(train_options)
INIT(rate_options)
INIT(run_options)
INIT(optimiser_options)
INIT(augment)
INIT(preprocess_changes)
INIT(threads_options)
INIT(feature_file_options)
INIT(calibration_options)
INIT(explain_options)

static const vgg_tap first_tap = {0};

static void init_extractor_options(void *options, size_t size) {
    vgg_extractor_options_init(options, size);
    ((vgg_extractor_options *)options)->taps = &first_tap;
    ((vgg_extractor_options *)options)->tap_count = 1;
}

static void init_distance_options(void *options, size_t size) {
    vgg_distance_options_init(options, size);
    ((vgg_distance_options *)options)->metric = VGG_DISTANCE_FEATURES;
}

static void init_preprocess(void *options, size_t size) {
    vgg_preprocess *p = options;
    vgg_preprocess_init(p, size);
    p->width = SIDE;
    p->height = SIDE;
}

static bool read_model(void *user, size_t offset, void *buffer, size_t size) {
    (void)user;
    memcpy(buffer, stored + offset, size);
    return true;
}

static void init_reader(void *options, size_t size) {
    vgg_reader *reader = options;
    vgg_reader_init(reader, size);
    reader->size = stored_size;
    reader->read = read_model;
}

static vgg_status use_reader(const void *options, vgg_error *error) {
    vgg_model *loaded = NULL;
    vgg_status status = vgg_model_load_from(options, NULL, &loaded, error);
    vgg_model_free(loaded);
    return status;
}

static void init_picture(void *options, size_t size) {
    vgg_picture *picture = options;
    vgg_picture_init(picture, size);
    picture->image = &image;
}

static const vgg_picture *next_picture(void *user) {
    const vgg_picture **next = user, *given = *next;
    *next = NULL;
    return given;
}

static bool take_prediction(void *user, const vgg_predict_result *result) {
    (void)user;
    return result->error == NULL;
}

static vgg_status use_picture(const void *options, vgg_error *error) {
    const vgg_picture *only = options;
    vgg_predictor *predictor = NULL;
    vgg_status status = vgg_predictor_create(model, NULL, &predictor, error);
    if (status == VGG_OK)
        status = vgg_predict_many(predictor, next_picture, 1, take_prediction, &only, error);
    vgg_predictor_free(predictor);
    return status;
}

/* Makes what the options are of from the model, and frees it. */
#define USE(made)                                                                                  \
    static vgg_status use_##made(const void *options, vgg_error *error) {                          \
        vgg_##made *made = NULL;                                                                   \
        vgg_status status = vgg_##made##_create(model, options, &made, error);                     \
        vgg_##made##_free(made);                                                                   \
        return status;                                                                             \
    }

USE(predictor)
USE(extractor)
USE(explainer)
USE(distance)

static vgg_status use_feature_file(const void *options, vgg_error *error) {
    const char *const layers[] = {"first"};
    vgg_extractor_options extracting;
    init_extractor_options(&extracting, sizeof extracting);
    vgg_extractor *extractor = NULL;
    vgg_feature_file *file = NULL;
    if (*(const size_t *)options != 0) /* else there is no more of them */
        ((vgg_feature_file_options *)(uintptr_t)options)->layers = layers;
    vgg_status status = vgg_extractor_create(model, &extracting, &extractor, error);
    if (status == VGG_OK)
        status = vgg_feature_file_open(in_folder("a.npy"), extractor, options, &file, error);
    vgg_feature_file_free(file);
    vgg_extractor_free(extractor);
    return status;
}

static vgg_status use_threads(const void *options, vgg_error *error) {
    vgg_threads *threads = NULL;
    vgg_status status = vgg_threads_create(options, &threads, error);
    vgg_threads_free(threads);
    return status;
}

static vgg_status use_network(const void *options, vgg_error *error) {
    vgg_network *network = NULL;
    vgg_status status = vgg_network_create(options, &network, error);
    vgg_network_free(network);
    return status;
}

static vgg_status use_plan(const void *options, vgg_error *error) {
    vgg_plan *plan = NULL;
    vgg_status status = vgg_plan_create(vgg_model_network(model), options, &plan, error);
    vgg_plan_free(plan);
    return status;
}

static vgg_status use_plan_training(const void *options, vgg_error *error) {
    vgg_plan *plan = NULL;
    vgg_status status =
        vgg_plan_create_training(vgg_model_mutable_network(model), options, &plan, error);
    vgg_plan_free(plan);
    return status;
}

static vgg_status use_plan_memory(const void *options, vgg_error *error) {
    size_t bytes;
    return vgg_plan_memory(vgg_model_network(model), options, &bytes, error);
}

static vgg_status use_load(const void *options, vgg_error *error) {
    vgg_model *loaded = NULL;
    vgg_status status = vgg_model_load(in_folder("model.safetensors"), options, &loaded, error);
    vgg_model_free(loaded);
    return status;
}

static vgg_status use_inspect(const void *options, vgg_error *error) {
    vgg_inspection *inspection = NULL;
    vgg_status status =
        vgg_inspect_file(in_folder("model.safetensors"), options, &inspection, error);
    vgg_inspection_free(inspection);
    return status;
}

static vgg_status use_save(const void *options, vgg_error *error) {
    return vgg_model_save_as(model, in_folder("saved.safetensors"), options, error);
}

static vgg_status use_decode(const void *options, vgg_error *error) {
    vgg_image read = {0};
    vgg_status status = vgg_image_decode_with("P2 1 1 1 0", 10, "made", options, &read, error);
    vgg_image_free(&read);
    return status;
}

static vgg_status use_dataset(const void *options, vgg_error *error) {
    vgg_dataset *train = NULL;
    vgg_status status = vgg_dataset_open(in_folder("data"), options, &train, NULL, error);
    vgg_dataset_free(train);
    return status;
}

static vgg_status make_loader(const vgg_preprocess *how, const vgg_loader_options *options,
                              vgg_error *error) {
    vgg_loader *loader = NULL;
    vgg_status status = vgg_loader_create(train_part, how, options, &loader, error);
    vgg_loader_free(loader);
    return status;
}

static vgg_status use_loader(const void *options, vgg_error *error) {
    return make_loader(&preprocess, options, error);
}

static vgg_status use_evaluate(const void *options, vgg_error *error) {
    vgg_eval_result result = {.struct_size = sizeof result};
    return vgg_evaluate(model, validation_part, options, &result, error);
}

static vgg_status train(const vgg_train_options *options, vgg_train_result *result,
                        vgg_error *error) {
    vgg_model *fresh = usual_model(false);
    vgg_status status = vgg_train(fresh, train_part, validation_part, options, result, error);
    vgg_model_free(fresh);
    return status;
}

static vgg_status use_train(const void *options, vgg_error *error) {
    return train(options, NULL, error);
}

static vgg_status use_find_rate(const void *options, vgg_error *error) {
    vgg_model *fresh = usual_model(false);
    vgg_rate_suggestion suggestion = {.struct_size = sizeof suggestion};
    vgg_train_options training = usual_training(NULL);
    vgg_status status =
        vgg_train_find_rate(fresh, train_part, &training, options, &suggestion, error);
    vgg_model_free(fresh);
    return status;
}

static vgg_status use_scores(const void *options, vgg_error *error) {
    vgg_scores *scores = NULL;
    vgg_status status = vgg_scores_create(NULL, 2, options, &scores, error);
    vgg_scores_free(scores);
    return status;
}

static vgg_status use_scores_read(const void *options, vgg_error *error) {
    vgg_scores *scores = NULL;
    write_text(in_folder("scores.csv"), "truth,predicted\nA,B\nB,B\n");
    vgg_status status = vgg_scores_read(in_folder("scores.csv"), options, &scores, error);
    vgg_scores_free(scores);
    return status;
}

static vgg_status use_run(const void *options, vgg_error *error) {
    vgg_run *run = NULL;
    vgg_status status = vgg_run_open(in_folder("run"), options, &run, error);
    vgg_run_close(run);
    return status;
}

static vgg_status use_optimiser(const void *options, vgg_error *error) {
    vgg_network *network = vgg_model_mutable_network(model);
    vgg_plan *plan = NULL;
    vgg_optimiser *optimiser = NULL;
    vgg_status status = vgg_plan_create_training(network, NULL, &plan, error);
    if (status == VGG_OK)
        status = vgg_optimiser_create(network, plan, options, &optimiser, error);
    vgg_optimiser_free(optimiser);
    vgg_plan_free(plan);
    return status;
}

static vgg_status use_trainer(const void *options, vgg_error *error) {
    vgg_model *fresh = usual_model(false);
    vgg_trainer *trainer = NULL;
    vgg_status status = vgg_trainer_create(fresh, NULL, NULL, options, &trainer, error);
    vgg_trainer_free(trainer);
    vgg_model_free(fresh);
    return status;
}

static vgg_status use_preprocess_check(const void *options, vgg_error *error) {
    return vgg_preprocess_check(options, error);
}

static vgg_status use_changes(const void *options, vgg_error *error) {
    vgg_preprocess changed = preprocess;
    return vgg_preprocess_change(&changed, options, error);
}

static vgg_status use_changes_load(const void *options, vgg_error *error) {
    vgg_model_options loading;
    vgg_model_options_init(&loading, sizeof loading);
    loading.changes = options;
    return use_load(&loading, error);
}

static vgg_status use_preprocess_image(const void *options, vgg_error *error) {
    float input[3 * SIDE * SIDE];
    return vgg_preprocess_image(options, &image, input, error);
}

static vgg_status use_preprocess_normalise(const void *options, vgg_error *error) {
    float input[3 * SIDE * SIDE];
    return vgg_preprocess_normalise(options, &image, input, error);
}

static vgg_status use_preprocess_augmented(const void *options, vgg_error *error) {
    float input[3 * SIDE * SIDE];
    return vgg_preprocess_augmented(options, NULL, &image, 1, 2, 3, input, error);
}

static vgg_status use_preprocess_loader(const void *options, vgg_error *error) {
    return make_loader(options, NULL, error);
}

static vgg_status use_preprocess_model(const void *options, vgg_error *error) {
    vgg_network *network = small_net("8,M", 10, 3, SIDE);
    vgg_model *made = NULL;
    vgg_status status = vgg_model_create(network, options, NULL, &made, error);
    if (status != VGG_OK)
        vgg_network_free(network);
    vgg_model_free(made);
    return status;
}

static vgg_status use_augment_view(const void *options, vgg_error *error) {
    float input[3 * SIDE * SIDE];
    return vgg_preprocess_augmented(&preprocess, options, &image, 1, 2, 3, input, error);
}

static vgg_status use_augment_loader(const void *options, vgg_error *error) {
    vgg_loader_options loading;
    vgg_loader_options_init(&loading, sizeof loading);
    loading.augment = options;
    return make_loader(&preprocess, &loading, error);
}

static vgg_status use_augment_train(const void *options, vgg_error *error) {
    vgg_train_options training = usual_training(NULL);
    training.epochs = 1;
    training.augment = options;
    return train(&training, NULL, error);
}

#define ROW(type, least, use)                                                                      \
    { "vgg_" #type, sizeof(vgg_##type), least, init_##type, use }

/* A preprocessing without the size of its input makes no sense. */
#define SIZED offsetof(vgg_preprocess, resize)

static const options_case options_cases[] = {
    ROW(network_options, sizeof(size_t), use_network),
    ROW(plan_options, sizeof(size_t), use_plan),
    ROW(plan_options, sizeof(size_t), use_plan_training),
    ROW(plan_options, sizeof(size_t), use_plan_memory),
    ROW(model_options, sizeof(size_t), use_load),
    ROW(model_options, sizeof(size_t), use_inspect),
    ROW(save_options, sizeof(size_t), use_save),
    ROW(dataset_options, sizeof(size_t), use_dataset),
    ROW(decode_options, sizeof(size_t), use_decode),
    ROW(loader_options, sizeof(size_t), use_loader),
    ROW(predictor_options, sizeof(size_t), use_predictor),
    ROW(extractor_options, offsetof(vgg_extractor_options, pool), use_extractor),
    ROW(calibration_options, sizeof(size_t), use_calibration),
    ROW(explain_options, offsetof(vgg_explain_options, samples), use_explainer),
    ROW(distance_options, offsetof(vgg_distance_options, weights), use_distance),
    ROW(feature_file_options, offsetof(vgg_feature_file_options, facts), use_feature_file),
    ROW(eval_options, sizeof(size_t), use_evaluate),
    ROW(scores_options, sizeof(size_t), use_scores),
    ROW(scores_read_options, sizeof(size_t), use_scores_read),
    ROW(train_options, sizeof(size_t), use_train),
    ROW(train_options, sizeof(size_t), use_trainer),
    ROW(rate_options, sizeof(size_t), use_find_rate),
    ROW(run_options, sizeof(size_t), use_run),
    ROW(optimiser_options, sizeof(size_t), use_optimiser),
    ROW(threads_options, sizeof(size_t), use_threads),
    ROW(picture, offsetof(vgg_picture, name), use_picture),
    ROW(reader, offsetof(vgg_reader, user), use_reader),
    ROW(augment, sizeof(size_t), use_augment_view),
    ROW(augment, sizeof(size_t), use_augment_loader),
    ROW(augment, sizeof(size_t), use_augment_train),
    ROW(preprocess_changes, sizeof(size_t), use_changes),
    ROW(preprocess_changes, sizeof(size_t), use_changes_load),
    ROW(preprocess, SIZED, use_preprocess_check),
    ROW(preprocess, SIZED, use_preprocess_image),
    ROW(preprocess, SIZED, use_preprocess_normalise),
    ROW(preprocess, SIZED, use_preprocess_augmented),
    ROW(preprocess, SIZED, use_preprocess_loader),
    ROW(preprocess, SIZED, use_preprocess_model),
};
enum { OPTIONS_CASES = sizeof options_cases / sizeof *options_cases };

/* Sets up options of that size, with a byte of the tail set unless it is 0, and uses them. */
static vgg_status try_options(const options_case *c, size_t size, size_t tail, vgg_error *error) {
    unsigned char *options = edge(size);
    c->init(options, size);
    assert_int_equal(size_of(options), size);
    if (tail > 0)
        options[tail] = 1;
    vgg_status status = c->use(options, error);
    unmap(options, size);
    return status;
}

static void shorter_options_work(void **state) {
    (void)state;
    for (size_t i = 0; i < OPTIONS_CASES; i++) {
        const options_case *c = &options_cases[i];
        size_t half = (c->least + c->size) / 16 * 8;
        for (size_t size = c->least; size <= c->size;) {
            vgg_error error;
            if (try_options(c, size, 0, &error) != VGG_OK)
                fail_msg("%s of %zu bytes, case %zu: %s", c->name, size, i, error.message);
            size = size < half ? half : size < c->size ? c->size : c->size + 1;
        }
    }
}

static void longer_options_work_with_a_tail_of_zeros(void **state) {
    (void)state;
    for (size_t i = 0; i < OPTIONS_CASES; i++) {
        const options_case *c = &options_cases[i];
        vgg_error error;
        if (try_options(c, c->size + TAIL, 0, &error) != VGG_OK)
            fail_msg("%s, case %zu: %s", c->name, i, error.message);
    }
}

static void a_tail_that_is_set_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < OPTIONS_CASES; i++) {
        const options_case *c = &options_cases[i];
        size_t tails[] = {c->size, c->size + TAIL / 2, c->size + TAIL - 1};
        for (size_t t = 0; t < 3; t++) {
            vgg_error error = {0};
            vgg_status status = try_options(c, c->size + TAIL, tails[t], &error);
            if (status != VGG_ERROR_ARGUMENT)
                fail_msg("%s with byte %zu set, case %zu: status %d", c->name, tails[t], i, status);
            assert_contains(error.message, c->name);
            assert_contains(error.message, "is not zero");
            assert_contains(error.message, vgg_version());
        }
    }
}

static void options_that_were_not_set_up_are_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < OPTIONS_CASES; i++) {
        const options_case *c = &options_cases[i];
        vgg_error error = {0};
        size_t nothing = 0;
        assert_int_equal(c->use(&nothing, &error), VGG_ERROR_ARGUMENT);
        assert_contains(error.message, c->name);
    }
}

/* ---- what they are used on ---- */

static int set_up(void **state) {
    if (open_pictures(state) != 0)
        return 1;
    vgg_error error;
    model = usual_model(false);
    vgg_struct_copy(&preprocess, sizeof preprocess, vgg_model_preprocess(model));
    assert_ok(vgg_model_save(model, in_folder("model.safetensors"), &error), error);
    assert_ok(vgg_file_read(in_folder("model.safetensors"), 1 << 20, &stored, &stored_size, &error),
              error);
    assert_ok(vgg_pictogram_draw(0, SIDE, 1, 1, &image, &error), error);
    return 0;
}

static int tear_down(void **state) {
    free(stored);
    vgg_image_free(&image);
    vgg_model_free(model);
    return close_pictures(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shorter_options_work),
        cmocka_unit_test(longer_options_work_with_a_tail_of_zeros),
        cmocka_unit_test(a_tail_that_is_set_is_refused),
        cmocka_unit_test(options_that_were_not_set_up_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
