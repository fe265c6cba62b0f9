/* Every result and info, from callers that know less of it or more than the library, and the sizes
 * of what the library hands out. */
#include "edge.h"
#include "nets.h"
#include "pictures.h"
#include "vgg/explain.h"
#include "vgg/features.h"
#include "vgg/inspect.h"
#include "vgg/predict.h"
#include "vgg/scores.h"

static vgg_model *model;
static vgg_scores *scores; /* of two classes and two pictures */
static vgg_label_scores *label_scores;

static vgg_status train(const vgg_train_options *options, vgg_train_result *result,
                        vgg_error *error) {
    vgg_model *fresh = usual_model(false);
    vgg_status status = vgg_train(fresh, train_part, validation_part, options, result, error);
    vgg_model_free(fresh);
    return status;
}

static vgg_status ask_rate(void *result, vgg_error *error) {
    vgg_train_options options = usual_training(NULL);
    vgg_model *fresh = usual_model(false);
    vgg_status status = vgg_train_find_rate(fresh, train_part, &options, NULL, result, error);
    vgg_model_free(fresh);
    return status;
}

static vgg_status ask_int8(void *result, vgg_error *error) {
    return vgg_network_int8(vgg_model_network(model), 0, result, error);
}

static vgg_status ask_calibration(void *result, vgg_error *error) {
    return calibrate_small(NULL, result, error);
}

typedef struct result_case {
    const char *name;
    size_t size, same; /* of the whole struct, and up to what is not the same each time */
    vgg_status (*ask)(void *result, vgg_error *error);
} result_case;

static vgg_status ask_device(void *result, vgg_error *error) {
    return vgg_device_find(VGG_DEVICE_CPU, result, error);
}

static vgg_status ask_layer(void *result, vgg_error *error) {
    return vgg_network_layer(vgg_model_network(model), 0, result, error);
}

static vgg_status ask_tensor(void *result, vgg_error *error) {
    return vgg_network_tensor(vgg_model_network(model), 0, result, error);
}

static vgg_status ask_dataset(void *result, vgg_error *error) {
    return vgg_dataset_describe(train_part, result, error);
}

static vgg_status ask_parts(void *result, vgg_error *error) {
    vgg_status status = vgg_dataset_open_parts(in_folder("data"), NULL, result, error);
    if (status == VGG_OK)
        vgg_dataset_parts_free(result);
    return status;
}

static vgg_status ask_evaluate(void *result, vgg_error *error) {
    return vgg_evaluate(model, validation_part, NULL, result, error);
}

static vgg_status ask_train(void *result, vgg_error *error) {
    vgg_train_options options = usual_training(NULL);
    return train(&options, result, error);
}

static vgg_status ask_progress(void *result, vgg_error *error) {
    vgg_train_options options = usual_training(NULL);
    vgg_model *fresh = usual_model(false);
    vgg_trainer *trainer = NULL;
    vgg_status status = vgg_trainer_create(fresh, train_part, NULL, &options, &trainer, error);
    if (status == VGG_OK)
        status = vgg_trainer_result(trainer, result, error);
    vgg_trainer_free(trainer);
    vgg_model_free(fresh);
    return status;
}

static vgg_status ask_suggestion(void *result, vgg_error *error) {
    const vgg_dataset_info info = {.struct_size = sizeof info, .kind = "folder", .channels = 3};
    return vgg_train_suggest(&info, 0, 0, 0, result, error);
}

static vgg_status ask_preset(void *result, vgg_error *error) {
    return vgg_preprocess_preset("paper", 3, SIDE, SIDE, result, error);
}

static vgg_status ask_op(void *result, vgg_error *error) {
    vgg_plan *plan = NULL;
    vgg_status status = vgg_plan_create(vgg_model_network(model), NULL, &plan, error);
    if (status == VGG_OK)
        status = vgg_plan_op(plan, 0, result, error);
    vgg_plan_free(plan);
    return status;
}

static vgg_status ask_tap(void *result, vgg_error *error) {
    const vgg_tap first = {0};
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.taps = &first;
    options.tap_count = 1;
    vgg_plan *plan = NULL;
    vgg_status status = vgg_plan_create(vgg_model_network(model), &options, &plan, error);
    if (status == VGG_OK)
        status = vgg_plan_tap(plan, 0, result, error);
    vgg_plan_free(plan);
    return status;
}

/* Explains a picture and asks how faithful that is; either result may be NULL. */
static vgg_status explain(void *explanation, void *faithfulness, vgg_error *error) {
    uint8_t pixels[3 * SIDE * SIDE] = {0};
    const vgg_image image = {.width = SIDE, .height = SIDE, .channels = 3, .pixels = pixels};
    float map[SIDE * SIDE] = {0};
    vgg_explainer *explainer = NULL;
    vgg_explanation own = {.struct_size = sizeof own};
    vgg_status status = vgg_explainer_create(model, NULL, &explainer, error);
    if (status == VGG_OK)
        status = vgg_explain_image(explainer, &image, 0, map,
                                   explanation != NULL ? explanation : &own, error);
    if (status == VGG_OK && faithfulness != NULL)
        status = vgg_explain_faithfulness(explainer, &image, 0, map, 2, faithfulness, error);
    vgg_explainer_free(explainer);
    return status;
}

static vgg_status ask_explanation(void *result, vgg_error *error) {
    return explain(result, NULL, error);
}

static vgg_status ask_faithfulness(void *result, vgg_error *error) {
    return explain(NULL, result, error);
}

static vgg_status ask_figures(void *result, vgg_error *error) {
    return vgg_scores_figures(scores, result, error);
}

static vgg_status ask_class(void *result, vgg_error *error) {
    return vgg_scores_class(scores, 1, result, error);
}

static vgg_status ask_scored(void *result, vgg_error *error) {
    return vgg_scores_picture(scores, 0, result, error);
}

static vgg_status ask_comparison(void *result, vgg_error *error) {
    return vgg_scores_compare(scores, scores, result, error);
}

static vgg_status ask_label_figures(void *result, vgg_error *error) {
    return vgg_label_scores_figures(label_scores, result, error);
}

static vgg_status ask_label_class(void *result, vgg_error *error) {
    return vgg_label_scores_class(label_scores, 1, result, error);
}

#define RESULT(type, ask)                                                                          \
    { #type, sizeof(type), sizeof(type), ask }

static const result_case result_cases[] = {
    RESULT(vgg_layer_info, ask_layer),
    RESULT(vgg_device_info, ask_device),
    RESULT(vgg_int8_info, ask_int8),
    RESULT(vgg_calibration, ask_calibration),
    RESULT(vgg_tensor_info, ask_tensor),
    RESULT(vgg_op_info, ask_op),
    RESULT(vgg_tap_info, ask_tap),
    RESULT(vgg_explanation, ask_explanation),
    RESULT(vgg_faithfulness, ask_faithfulness),
    RESULT(vgg_dataset_info, ask_dataset),
    {"vgg_dataset_parts", sizeof(vgg_dataset_parts), sizeof(size_t), ask_parts},
    RESULT(vgg_eval_result, ask_evaluate),
    {"vgg_train_result", sizeof(vgg_train_result), offsetof(vgg_train_result, seconds), ask_train},
    {"vgg_train_result", sizeof(vgg_train_result), offsetof(vgg_train_result, seconds),
     ask_progress},
    RESULT(vgg_suggestion, ask_suggestion),
    RESULT(vgg_rate_suggestion, ask_rate),
    RESULT(vgg_preprocess, ask_preset),
    RESULT(vgg_score_figures, ask_figures),
    RESULT(vgg_class_figures, ask_class),
    RESULT(vgg_scored_picture, ask_scored),
    RESULT(vgg_score_comparison, ask_comparison),
    RESULT(vgg_label_figures, ask_label_figures),
    RESULT(vgg_label_class_figures, ask_label_class),
};
enum { RESULT_CASES = sizeof result_cases / sizeof *result_cases };

/* A result of that size, to be unmapped. */
static unsigned char *get_result(const result_case *c, size_t size) {
    unsigned char *result = edge(size);
    set_size(result, size);
    vgg_error error;
    if (c->ask(result, &error) != VGG_OK)
        fail_msg("%s of %zu bytes: %s", c->name, size, error.message);
    assert_int_equal(size_of(result), size);
    return result;
}

static void shorter_results_are_filled(void **state) {
    (void)state;
    for (size_t i = 0; i < RESULT_CASES; i++) {
        const result_case *c = &result_cases[i];
        unsigned char *whole = get_result(c, c->size);
        for (size_t size = sizeof size; size < c->size; size += 8 * (1 + (c->size - 9) / 24)) {
            unsigned char *result = get_result(c, size);
            size_t same = size < c->same ? size : c->same;
            assert_memory_equal(result + sizeof size, whole + sizeof size, same - sizeof size);
            unmap(result, size);
        }
        unmap(whole, c->size);
    }
}

static void longer_results_end_in_zeros(void **state) {
    (void)state;
    static const unsigned char zeros[TAIL];
    for (size_t i = 0; i < RESULT_CASES; i++) {
        const result_case *c = &result_cases[i];
        unsigned char *whole = get_result(c, c->size), *result = get_result(c, c->size + TAIL);
        assert_memory_equal(result + sizeof(size_t), whole + sizeof(size_t),
                            c->same - sizeof(size_t));
        assert_memory_equal(result + c->size, zeros, TAIL);
        unmap(result, c->size + TAIL);
        unmap(whole, c->size);
    }
}

static vgg_status ask_machine(void *result, vgg_error *error) {
    return vgg_machine_measure(1, result, error);
}

static void results_without_a_size_are_refused(void **state) {
    (void)state;
    static const result_case machine = {"vgg_machine", sizeof(vgg_machine), 8, ask_machine};
    for (size_t i = 0; i <= RESULT_CASES; i++) {
        const result_case *c = i < RESULT_CASES ? &result_cases[i] : &machine;
        unsigned char *result = edge(c->size);
        set_size(result, 0);
        vgg_error error = {0};
        assert_int_equal(c->ask(result, &error), VGG_ERROR_ARGUMENT);
        assert_contains(error.message, c->name);
        assert_int_equal(size_of(result), 0);
        assert_int_equal(result[sizeof(size_t)], 0xff);
        unmap(result, c->size);
    }
}

/* ---- what the library hands out ---- */

static bool check_event(void *user, const vgg_train_event *event) {
    (*(size_t *)user)++;
    return event->struct_size == sizeof *event;
}

static bool check_trial(void *user, const vgg_rate_trial *trial) {
    (*(size_t *)user)++;
    return trial->struct_size == sizeof *trial;
}

static void check_rates(void) {
    size_t trials = 0;
    vgg_train_options options = usual_training(NULL);
    vgg_rate_options rates;
    vgg_rate_suggestion found = {.struct_size = sizeof found};
    vgg_model *fresh = usual_model(false);
    vgg_error error;
    vgg_rate_options_init(&rates, sizeof rates);
    rates.tell = check_trial;
    rates.user = &trials;
    assert_ok(vgg_train_find_rate(fresh, train_part, &options, &rates, &found, &error), error);
    assert_int_equal(trials, found.steps);
    vgg_model_free(fresh);
}

static void check_batch(void) {
    vgg_loader *loader = NULL;
    const vgg_batch *batch = NULL;
    vgg_error error;
    assert_ok(vgg_loader_create(train_part, vgg_model_preprocess(model), NULL, &loader, &error),
              error);
    assert_ok(vgg_loader_start(loader, 0, 0, &error), error);
    assert_ok(vgg_loader_next(loader, &batch, &error), error);
    assert_int_equal(batch->struct_size, sizeof *batch);
    vgg_loader_free(loader);
}

static const vgg_picture *next_picture(void *user) {
    vgg_picture *picture = user;
    if (picture->path != NULL)
        return NULL;
    picture->path = vgg_dataset_item_name(validation_part, 0);
    return picture;
}

static bool check_prediction(void *user, const vgg_predict_result *result) {
    (void)user;
    return result->struct_size == sizeof *result;
}

static void check_predict_result(void) {
    vgg_predictor *predictor = NULL;
    vgg_picture picture;
    vgg_error error;
    vgg_picture_init(&picture, sizeof picture);
    assert_ok(vgg_predictor_create(model, NULL, &predictor, &error), error);
    assert_ok(vgg_predict_many(predictor, next_picture, 1, check_prediction, &picture, &error),
              error);
    assert_non_null(picture.path);
    vgg_predictor_free(predictor);
}

static bool check_extraction(void *user, const vgg_extract_result *result) {
    (void)user;
    return result->struct_size == sizeof *result;
}

static void check_extract_result(void) {
    const vgg_tap first = {0};
    vgg_extractor *extractor = NULL;
    vgg_extractor_options options;
    vgg_picture picture;
    vgg_error error;
    vgg_picture_init(&picture, sizeof picture);
    vgg_extractor_options_init(&options, sizeof options);
    options.taps = &first;
    options.tap_count = 1;
    assert_ok(vgg_extractor_create(model, &options, &extractor, &error), error);
    assert_ok(vgg_extract_many(extractor, next_picture, check_extraction, &picture, &error), error);
    assert_non_null(picture.path);
    vgg_extractor_free(extractor);
}

static void the_librarys_own_have_their_size(void **state) {
    (void)state;
    vgg_error error;
    assert_int_equal(vgg_network_describe(vgg_model_network(model))->struct_size,
                     sizeof(vgg_network_options));
    assert_int_equal(vgg_model_preprocess(model)->struct_size, sizeof(vgg_preprocess));
    vgg_inspection *inspection = NULL;
    assert_ok(vgg_inspect_file(in_folder("broken.safetensors"), NULL, &inspection, &error), error);
    const vgg_inspected_file *file = vgg_inspection_file(inspection);
    assert_int_equal(file->struct_size, sizeof *file);
    assert_int_equal(file->preprocess->struct_size, sizeof *file->preprocess);
    assert_int_equal(file->network->struct_size, sizeof *file->network);
    assert_int_equal(vgg_inspection_tensor(inspection, 1)->struct_size,
                     sizeof(vgg_inspected_tensor));
    assert_non_null(vgg_inspection_fact(inspection, 0));
    assert_int_equal(vgg_inspection_fact(inspection, 0)->struct_size, sizeof(vgg_inspected_fact));
    assert_non_null(vgg_inspection_problem(inspection, 0));
    assert_int_equal(vgg_inspection_problem(inspection, 0)->struct_size, sizeof(vgg_problem));
    vgg_inspection_free(inspection);
    check_batch();
    check_rates();
    check_predict_result();
    check_extract_result();
    size_t events = 0;
    vgg_train_options options = usual_training(NULL);
    options.epochs = 1;
    options.callback = check_event;
    options.user = &events;
    assert_ok(train(&options, NULL, &error), error);
    assert_true(events > 0);
}

/* A caller whose options were shorter gets the whole of them back. */
static void described_options_are_whole(void **state) {
    (void)state;
    vgg_network_options options = net_options("8,M", 10, 3, SIDE);
    options.struct_size = offsetof(vgg_network_options, dropout);
    vgg_network *network = make_net(&options);
    const vgg_network_options *whole = vgg_network_describe(network);
    assert_int_equal(whole->struct_size, sizeof *whole);
    assert_true(whole->dropout > 0.49 && whole->dropout < 0.51);
    vgg_network_free(network);
}

/* ---- what they are used on ---- */

static int set_up(void **state) {
    if (open_pictures(state) != 0)
        return 1;
    vgg_error error;
    model = usual_model(false);
    vgg_model *broken = usual_model(false);
    fill_tensor(broken, "features.0.weight", 0);
    assert_ok(vgg_model_save(broken, in_folder("broken.safetensors"), &error), error);
    vgg_model_free(broken);
    const float row[] = {1, 2};
    assert_ok(vgg_scores_create(NULL, 2, NULL, &scores, &error), error);
    assert_ok(vgg_scores_add(scores, "a", 0, row, &error), error);
    assert_ok(vgg_scores_add(scores, "b", 1, row, &error), error);
    const size_t label = 1;
    assert_ok(vgg_label_scores_create(NULL, 2, &label_scores, &error), error);
    assert_ok(vgg_label_scores_add(label_scores, row, &label, 1, &error), error);
    return 0;
}

static int tear_down(void **state) {
    vgg_scores_free(scores);
    vgg_label_scores_free(label_scores);
    vgg_model_free(model);
    return close_pictures(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shorter_results_are_filled),
        cmocka_unit_test(longer_results_end_in_zeros),
        cmocka_unit_test(results_without_a_size_are_refused),
        cmocka_unit_test(the_librarys_own_have_their_size),
        cmocka_unit_test(described_options_are_whole),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
