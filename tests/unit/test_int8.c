/* Weights of linear layers in int8, in a network, in a plan and in a file, and the types of single
 * tensors. */
#include <math.h>
#include <unistd.h>

#include "model_files.h"

#include "model/model.h"
#include "nn/network.h"
#include "vgg/plan.h"

/* An odd number of weights per layer, so that what lies behind them is not aligned by itself. */
enum { SIDE = 6, INPUT = SIDE * SIDE, CLASSES = 3 };

static const char arch[] = "5,M/7";

static vgg_network *draw_network(void) {
    vgg_error error;
    vgg_network *network = make_network(arch, VGG_LAYOUT_PAPER, true, CLASSES, 1, SIDE);
    assert_ok(vgg_network_initialise(network, "glorot", 5, &error), error);
    return network;
}

static void set_dtype(vgg_network *network, const char *dtype) {
    vgg_error error;
    assert_ok(vgg_network_set_dtype(network, dtype, &error), error);
}

static bool is_linear(const vgg_network *network, size_t tensor) {
    return network->tensors[tensor].info.dimensions == 2;
}

static float *copy_values(const vgg_network *network, size_t tensor) {
    vgg_error error;
    size_t count = network->tensors[tensor].info.count;
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    assert_ok(vgg_network_copy_values(network, tensor, values, count, &error), error);
    return values;
}

static void run(vgg_network *network, float logits[CLASSES]) {
    vgg_error error;
    vgg_plan *plan;
    float inputs[INPUT];
    for (size_t i = 0; i < INPUT; i++) {
        inputs[i] = (float)(i % 7) - 3;
    }
    assert_ok(vgg_plan_create(network, NULL, &plan, &error), error);
    assert_ok(vgg_plan_forward(plan, inputs, 1, logits, &error), error);
    vgg_plan_free(plan);
}

static vgg_model *save_and_load(vgg_network *network, const char *path) {
    vgg_error error;
    vgg_model *model, *again;
    assert_ok(vgg_model_create(network, NULL, NULL, &model, &error), error);
    assert_ok(vgg_model_save(model, path, &error), error);
    assert_ok(vgg_model_load(path, NULL, &again, &error), error);
    vgg_model_free(model);
    return again;
}

typedef struct told {
    size_t calls, last, total, most;
} told;

static bool hear(void *user, size_t done, size_t total) {
    told *t = user;
    assert_true(done >= t->last && done < total && (t->calls == 0 || total == t->total));
    *t = (told){t->calls + 1, done, total, t->most};
    return t->calls < t->most;
}

/* A callback hears of each linear layer; stopped, the network is of both types and still computes.
 */
static void test_told(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = draw_network();
    size_t linear = 0, bytes = 0;
    for (size_t t = 0; t < network->tensor_count; t++) {
        linear += is_linear(network, t);
        bytes += is_linear(network, t) ? network->tensors[t].info.count * sizeof(float) : 0;
    }
    told t = {.most = 2};
    assert_int_equal(vgg_network_set_dtype_told(network, "F16", hear, &t, &error),
                     VGG_ERROR_STOPPED);
    assert_contains(error.message, "as was asked");
    assert_int_equal(t.calls, 2);
    assert_int_equal(t.total, bytes);
    t = (told){.most = 100};
    assert_ok(vgg_network_set_dtype_told(network, "F16", hear, &t, &error), error);
    assert_int_equal(t.calls, linear - 1);
    for (size_t i = 0; i < network->tensor_count; i++) {
        assert_string_equal(vgg_network_dtype(network, i), is_linear(network, i) ? "F16" : "F32");
    }
    vgg_network_free(network);
}

/* Every weight is within half a scale, which is a 127th of its row's largest; all else stays. */
static void test_values(void **state) {
    (void)state;
    vgg_network *floats = draw_network(), *network = draw_network();
    set_dtype(network, "I8");
    for (size_t t = 0; t < network->tensor_count; t++) {
        bool linear = is_linear(network, t);
        const vgg_tensor_info *info = &network->tensors[t].info;
        assert_string_equal(vgg_network_dtype(network, t), linear ? "I8" : "F32");
        assert_true((vgg_network_values(network, t) == NULL) == linear);
        float *before = copy_values(floats, t), *after = copy_values(network, t);
        if (!linear)
            assert_memory_equal(before, after, info->count * sizeof *after);
        for (size_t o = 0; linear && o < info->shape[0]; o++) {
            const float *row = before + o * info->shape[1];
            float most = 0;
            for (size_t i = 0; i < info->shape[1]; i++) {
                most = fmaxf(most, fabsf(row[i]));
            }
            for (size_t i = 0; i < info->shape[1]; i++) {
                assert_true(fabsf(row[i] - after[o * info->shape[1] + i]) <= most * 0.501f / 127);
            }
        }
        free(before);
        free(after);
    }
    vgg_network_free(floats);
    vgg_network_free(network);
}

/* From and to every other type; int8 of the floats that it stands for is the same again. */
static void test_other_types(void **state) {
    (void)state;
    vgg_network *network = draw_network();
    static const char *const dtypes[] = {"F16", "I8", "F32", "I8", "BF16", "I8"};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        set_dtype(network, dtypes[i]);
        for (size_t t = 0; t < network->tensor_count; t++) {
            if (is_linear(network, t))
                assert_string_equal(vgg_network_dtype(network, t), dtypes[i]);
        }
    }
    size_t weight = vgg_network_find_tensor(network, "classifier.0.weight");
    size_t count = network->tensors[weight].info.count;
    signed char *numbers = malloc(count);
    assert_non_null(numbers);
    memcpy(numbers, network->tensors[weight].narrow.at, count);
    set_dtype(network, "F32");
    set_dtype(network, "I8");
    assert_memory_equal(numbers, network->tensors[weight].narrow.at, count);
    free(numbers);
    vgg_error error;
    assert_int_equal(vgg_network_set_dtype(network, "I16", &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "expected F32, F16, BF16 or I8");
    vgg_network_free(network);
}

static void test_not_finite(void **state) {
    (void)state;
    vgg_network *network = draw_network();
    size_t weight = vgg_network_find_tensor(network, "classifier.0.weight");
    const vgg_tensor_info *info = &network->tensors[weight].info;
    float *values = copy_values(network, weight);
    values[2 * info->shape[1] + 3] = (float)NAN;
    vgg_error error;
    assert_ok(vgg_network_set_values(network, weight, values, info->count, &error), error);
    assert_int_equal(vgg_network_set_dtype(network, "I8", &error), VGG_ERROR_NUMERIC);
    assert_contains(error.message, "classifier.0.weight");
    assert_contains(error.message, "row 2");
    assert_string_equal(vgg_network_dtype(network, weight), "F32");
    free(values);
    vgg_network_free(network);
}

static void test_weight_bytes(void **state) {
    (void)state;
    vgg_network *network = draw_network();
    set_dtype(network, "I8");
    vgg_error error;
    vgg_plan *plan;
    assert_ok(vgg_plan_create(network, NULL, &plan, &error), error);
    bool seen = false;
    for (size_t i = 0; i < vgg_plan_op_count(plan); i++) {
        vgg_op_info info = {.struct_size = sizeof info};
        assert_ok(vgg_plan_op(plan, i, &info, &error), error);
        if (strcmp(info.name, "classifier.0") != 0)
            continue;
        seen = true;
        assert_int_equal(info.weight_bytes, 7 * 5 * 9 + 7 * sizeof(float));
    }
    assert_true(seen);
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* The numbers and the scales are used where they lie in the file, and give the same bits. */
static void test_file(void **state) {
    (void)state;
    char first[256];
    snprintf(first, sizeof first, "%s", in_folder("int8.safetensors"));
    float before[CLASSES], after[CLASSES];
    vgg_network *made = draw_network();
    set_dtype(made, "I8");
    run(made, before);
    vgg_model *model = save_and_load(made, first);
    vgg_network *network = vgg_model_mutable_network(model);
    const unsigned char *map = model->storage.map;
    for (size_t t = 0; t < network->tensor_count; t++) {
        const vgg_tensor *tensor = &network->tensors[t];
        vgg_numbers numbers = vgg_tensor_numbers(tensor);
        assert_null(tensor->owned);
        assert_in_range((uintptr_t)numbers.at, (uintptr_t)map,
                        (uintptr_t)(map + model->storage.size));
        if (is_linear(network, t))
            assert_in_range((uintptr_t)numbers.scales, (uintptr_t)map,
                            (uintptr_t)(map + model->storage.size));
    }
    run(network, after);
    assert_memory_equal(before, after, sizeof before);
    vgg_model_free(model);
    unlink(first);
}

/* A header of any length: where the scales are not aligned, they are copied. */
static void test_unaligned(void **state) {
    (void)state;
    static const float scale = 0.25f;
    static const char format[] =
        "{\"__metadata__\":{\"vgg.format_version\":\"1\",\"vgg.arch\":\"1\",\"vgg.layout\":"
        "\"paper\",\"vgg.batch_norm\":\"false\",\"vgg.input\":\"1x1x1\",\"vgg.dropout\":\"0.5\","
        "\"vgg.int8\":\"per-output\"},"
        "\"features.0.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,3,3],\"data_offsets\":[0,36]},"
        "\"features.0.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[36,40]},"
        "\"classifier.0.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[40,44]},"
        "\"classifier.0.weight_scale\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[44,48]},"
        "\"classifier.0.weight\":{\"dtype\":\"I8\",\"shape\":[1,1],\"data_offsets\":[48,49]}}";
    char header[1024], data[49] = {0};
    memcpy(data + 44, &scale, sizeof scale);
    data[48] = -100;
    for (size_t pad = 0; pad < 8; pad++) {
        snprintf(header, sizeof header, "%s%.*s", format, (int)pad, "       ");
        const char *path = in_folder("unaligned.safetensors");
        write_safetensors(path, header, data, sizeof data);
        vgg_model *model;
        vgg_error error;
        assert_ok(vgg_model_load(path, NULL, &model, &error), error);
        vgg_network *network = vgg_model_mutable_network(model);
        size_t weight = vgg_network_find_tensor(network, "classifier.0.weight");
        float *values = copy_values(network, weight);
        assert_string_equal(vgg_network_dtype(network, weight), "I8");
        assert_true(values[0] == -25);
        free(values);
        vgg_model_free(model);
        unlink(path);
    }
}

static void test_other_formats(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = draw_network();
    set_dtype(network, "I8");
    vgg_model *model;
    assert_ok(vgg_model_create(network, NULL, NULL, &model, &error), error);
    static const char *const files[][2] = {{"int8.pth", "pth"}, {"int8.onnx", "onnx"}};
    for (size_t i = 0; i < 2; i++) {
        const char *path = in_folder(files[i][0]);
        assert_int_equal(vgg_model_save_as(model, path, NULL, &error), VGG_ERROR_UNSUPPORTED);
        assert_contains(error.message, path);
        assert_contains(error.message, "\"classifier.0.weight\" has type I8, which ");
        assert_contains(error.message, files[i][1]);
        assert_int_equal(access(path, F_OK), -1);
    }
    vgg_model_free(model);
}

static void test_single_tensors(void **state) {
    (void)state;
    vgg_error error;
    vgg_network *network = make_network(arch, VGG_LAYOUT_PAPER, true, CLASSES, 1, SIDE);
    /* Without values there is nothing to store. */
    assert_ok(vgg_network_set_tensor_dtype(network, 0, "F16", &error), error);
    assert_ok(vgg_network_initialise(network, "glorot", 5, &error), error);
    assert_false(is_linear(network, 0));
    assert_ok(vgg_network_set_tensor_dtype(network, 0, "F16", &error), error);
    assert_string_equal(vgg_network_dtype(network, 0), "F16");
    assert_string_equal(vgg_network_dtype(network, 1), "F32");
    assert_ok(vgg_network_set_tensor_dtype(network, 0, "F32", &error), error);
    assert_string_equal(vgg_network_dtype(network, 0), "F32");
    assert_int_equal(vgg_network_set_tensor_dtype(network, 0, "I8", &error), VGG_ERROR_UNSUPPORTED);
    assert_contains(error.message, "features.0.weight cannot be stored as I8");
    assert_int_equal(vgg_network_set_tensor_dtype(network, 0, "I64", &error), VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_network_set_tensor_dtype(network, 999, "F16", &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "tensor 999 of a network with ");
    vgg_network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told),           cmocka_unit_test(test_values),
        cmocka_unit_test(test_other_types),    cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_weight_bytes),   cmocka_unit_test(test_file),
        cmocka_unit_test(test_unaligned),      cmocka_unit_test(test_other_formats),
        cmocka_unit_test(test_single_tensors),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
