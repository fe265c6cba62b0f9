/* The inspection of files: its figures, what it knows, and its problems. */
#include <math.h>
#include <unistd.h>

#include "model_files.h"

#include "vgg/inspect.h"

/* Arch "1" for inputs of 1x1x1: nine weights and a bias, one linear layer with two classes. */
enum { COUNT = 9 + 1 + 2 + 2 };

static const float healthy[COUNT] = {1, -2, 3, -4, 5, -6, 7, -8, 0, 0.5f, 1, -1, 0, 0};

static const char *write_net(const float *values) {
    static const char header[] =
        "{\"__metadata__\":{\"who\":\"me\"},"
        "\"features.0.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,3,3],\"data_offsets\":[0,36]},"
        "\"features.0.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[36,40]},"
        "\"classifier.0.weight\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[40,48]},"
        "\"classifier.0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[48,56]}}";
    const char *path = in_folder("net.safetensors");
    write_safetensors(path, header, values, COUNT * sizeof *values);
    return path;
}

static vgg_model_options told(void) {
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.layout = VGG_LAYOUT_PAPER;
    options.height = options.width = 1;
    return options;
}

static vgg_inspection *inspect(const float *values) {
    vgg_model_options options = told();
    const char *path = write_net(values);
    vgg_inspection *inspection = NULL;
    vgg_error error;
    assert_ok(vgg_inspect_file(path, &options, &inspection, &error), error);
    unlink(path);
    return inspection;
}

static void test_healthy(void **state) {
    (void)state;
    vgg_inspection *inspection = inspect(healthy);
    const vgg_inspected_file *file = vgg_inspection_file(inspection);
    assert_string_equal(file->format, "safetensors");
    assert_int_equal(file->tensors, 4);
    assert_int_equal(file->values, COUNT);
    assert_non_null(file->network);
    assert_string_equal(file->network->arch, "1");
    assert_int_equal(file->network->classes, 2);
    assert_int_equal(file->network_origin, VGG_ORIGIN_SHAPES);
    assert_null(file->network_reason);
    assert_null(file->preprocess);
    assert_null(file->class_names);
    assert_int_equal(file->preprocess_origin, VGG_ORIGIN_UNKNOWN);
    assert_false(file->graph || file->softmax);
    assert_int_equal(vgg_inspection_problem_count(inspection), 0);
    assert_null(vgg_inspection_problem(inspection, 0));
    const char *key, *value;
    assert_int_equal(file->notes, 1);
    assert_true(vgg_inspection_note(inspection, 0, &key, &value));
    assert_string_equal(key, "who");
    assert_string_equal(value, "me");
    assert_false(vgg_inspection_note(inspection, 1, &key, &value));
    vgg_inspection_free(inspection);
}

static void test_figures(void **state) {
    (void)state;
    vgg_inspection *inspection = inspect(healthy);
    const vgg_inspected_tensor *weight = vgg_inspection_tensor(inspection, 0);
    assert_string_equal(weight->stored_name, "features.0.weight");
    assert_string_equal(weight->name, "features.0.weight");
    assert_string_equal(weight->dtype, "F32");
    assert_int_equal(weight->dimensions, 4);
    assert_int_equal(weight->shape[3], 3);
    assert_int_equal(weight->count, 9);
    assert_true(weight->measured);
    assert_int_equal(weight->zeros, 1);
    assert_true(weight->least == -8 && weight->most == 7);
    assert_true(fabs(weight->mean + 4.0 / 9) < 1e-15);
    assert_true(fabs(weight->rms - sqrt(204.0 / 9)) < 1e-14);
    assert_null(vgg_inspection_tensor(inspection, 4));
    vgg_inspection_free(inspection);
}

static void assert_problem(const float *values, vgg_problem_kind kind, const char *tensor,
                           size_t count, const char *part) {
    vgg_inspection *inspection = inspect(values);
    assert_int_equal(vgg_inspection_problem_count(inspection), 1);
    const vgg_problem *problem = vgg_inspection_problem(inspection, 0);
    assert_string_equal(vgg_problem_name(problem->kind), vgg_problem_name(kind));
    assert_string_equal(problem->tensor, tensor);
    assert_int_equal(problem->count, count);
    assert_contains(problem->message, part);
    vgg_inspection_free(inspection);
}

static void test_problems(void **state) {
    (void)state;
    float values[COUNT];
    memcpy(values, healthy, sizeof values);
    values[4] = NAN;
    values[7] = -INFINITY;
    assert_problem(values, VGG_PROBLEM_NOT_FINITE, "features.0.weight", 2,
                   "1 NaN and 1 infinite of 9 values, the first at index 4");
    memcpy(values, healthy, sizeof values);
    values[11] = -0.0f;
    assert_problem(values, VGG_PROBLEM_DEAD, "classifier.0.weight", 1,
                   "1 of 2 outputs that are the same for every input, the first is 1");
    memcpy(values, healthy, sizeof values);
    memset(values, 0, 9 * sizeof *values);
    assert_problem(values, VGG_PROBLEM_DEAD, "features.0.weight", 1, "all of its 9 weights");
    memcpy(values, healthy, sizeof values);
    values[10] = 3e4f;
    assert_problem(values, VGG_PROBLEM_SCALE, "classifier.0.weight", 0, "root mean square");
}

static void test_every_place_in_a_block(void **state) {
    (void)state;
    /* One linear tensor over several blocks of the reader, with a part of one at the end. */
    enum { VALUES = 2 * 1024 + 13 };
    static float values[VALUES];
    const char header[] = "{\"t\":{\"dtype\":\"F32\",\"shape\":[2061],\"data_offsets\":[0,8244]}}";
    const char *path = in_folder("blocks.safetensors");
    static const size_t places[] = {0, 1, 7, 8, 1023, 1024, 2047, 2048, 2060};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        for (size_t v = 0; v < VALUES; v++) {
            values[v] = 1;
        }
        values[places[i]] = NAN;
        values[VALUES - 2] = -3;
        write_safetensors(path, header, values, sizeof values);
        vgg_inspection *inspection;
        vgg_error error;
        assert_ok(vgg_inspect_file(path, NULL, &inspection, &error), error);
        const vgg_inspected_tensor *tensor = vgg_inspection_tensor(inspection, 0);
        assert_int_equal(tensor->nans, 1);
        assert_int_equal(tensor->first_not_finite, places[i]);
        assert_true(tensor->least == -3 && tensor->most == 1);
        assert_true(fabs(tensor->mean - (VALUES - 2 - 3.0) / (VALUES - 1)) < 1e-12);
        vgg_inspection_free(inspection);
    }
    unlink(path);
}

static void test_no_network(void **state) {
    (void)state;
    const char *path = in_folder("other.safetensors");
    write_safetensors(path, "{\"t\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}", NULL,
                      8);
    vgg_inspection *inspection;
    vgg_error error;
    assert_ok(vgg_inspect_file(path, NULL, &inspection, &error), error);
    const vgg_inspected_file *file = vgg_inspection_file(inspection);
    assert_null(file->network);
    assert_contains(file->network_reason, "is not a VGG network");
    assert_int_equal(vgg_inspection_problem_count(inspection), 1);
    const vgg_problem *problem = vgg_inspection_problem(inspection, 0);
    assert_int_equal(problem->kind, VGG_PROBLEM_NETWORK);
    assert_null(problem->tensor);
    const vgg_inspected_tensor *tensor = vgg_inspection_tensor(inspection, 0);
    assert_null(tensor->name);
    assert_false(tensor->measured);
    vgg_inspection_free(inspection);
    unlink(path);
}

static void assert_fails(const char *path, const vgg_model_options *options, vgg_status status,
                         const char *part) {
    vgg_inspection *inspection = NULL;
    vgg_error error;
    assert_int_equal(vgg_inspect_file(path, options, &inspection, &error), status);
    assert_contains(error.message, part);
    assert_null(inspection);
}

static void test_failures(void **state) {
    (void)state;
    assert_fails(in_folder("nothing"), NULL, VGG_ERROR_NOT_FOUND, "cannot open");
    const char *path = write_net(healthy);
    vgg_model_options options = told();
    options.arch = "1,,2";
    assert_fails(path, &options, VGG_ERROR_ARGUMENT, "1,,2");
    options = told();
    options.preprocess = "magic";
    assert_fails(path, &options, VGG_ERROR_NOT_FOUND, "magic");
    options = told();
    options.struct_size = 0;
    assert_fails(path, &options, VGG_ERROR_ARGUMENT, "vgg_model_options");
    unlink(path);
    vgg_inspection_free(NULL);
}

/* What the caller expects is compared with what the file has, by the inspection and the loader. */
static void test_classes(void **state) {
    (void)state;
    const char *path = write_net(healthy);
    vgg_model_options options = told();
    vgg_model *model = NULL;
    vgg_error error;
    options.classes = 2;
    assert_ok(vgg_model_load(path, &options, &model, &error), error);
    assert_false(vgg_model_softmax(model));
    assert_int_equal(vgg_model_preprocess_origin(model), VGG_ORIGIN_UNKNOWN);
    vgg_model_free(model);
    options.classes = 3;
    assert_int_equal(vgg_model_load(path, &options, &model, &error), VGG_ERROR_SHAPE);
    assert_contains(error.message,
                    "has 2 classes, by its tensor \"classifier.0.weight\", expected 3");
    options.classes = 0;
    options.preprocess = "unit";
    assert_ok(vgg_model_load(path, &options, &model, &error), error);
    assert_string_equal(vgg_origin_name(vgg_model_preprocess_origin(model)), "told");
    vgg_model_free(model);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_healthy),    cmocka_unit_test(test_figures),
        cmocka_unit_test(test_problems),   cmocka_unit_test(test_every_place_in_a_block),
        cmocka_unit_test(test_no_network), cmocka_unit_test(test_failures),
        cmocka_unit_test(test_classes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
