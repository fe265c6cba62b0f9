/* Networks: layers, tensors, names, counts and the summary. */
#include "nets.h"

#include <jansson.h>
#include <math.h>

/* ---- layers and names ---- */

/* The places of torchvision's modules in vgg16 and vgg16_bn; A with an LRN after the first ReLU. */
static const struct {
    const char *arch;
    bool batch_norm;
    size_t places[16], count, last_pool;
} modules[] = {
    {"D", false, {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28}, 13, 30},
    {"D", true, {0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40}, 13, 43},
    {"A", false, {0, 3, 6, 8, 11, 13, 16, 18}, 8, 20},
    {"A-LRN", false, {0, 4, 7, 9, 12, 14, 17, 19}, 8, 21},
};

static void check_convolutions(const vgg_network *network, size_t row) {
    size_t found = 0, last_pool = 0;
    char name[64];
    for (size_t i = 0; i < vgg_network_layer_count(network); i++) {
        vgg_layer_info layer = layer_info(network, i);
        snprintf(name, sizeof name, "features.%zu", i);
        if (layer.type == VGG_LAYER_CONVOLUTION) {
            assert_int_equal(i, modules[row].places[found++]);
            assert_string_equal(layer.name, name);
        } else if (layer.type == VGG_LAYER_MAX_POOL) {
            assert_string_equal(layer.name, name);
            last_pool = i;
        }
    }
    assert_int_equal(found, modules[row].count);
    assert_int_equal(last_pool, modules[row].last_pool);
}

static void module_names(void **state) {
    (void)state;
    for (size_t row = 0; row < sizeof modules / sizeof *modules; row++) {
        for (int layout = 0; layout < 2; layout++) {
            vgg_network_options options = net_options(modules[row].arch, 1000, 3, 224);
            options.batch_norm = modules[row].batch_norm;
            options.layout = (vgg_layout)layout;
            vgg_network *network = make_net(&options);
            check_convolutions(network, row);
            size_t next = modules[row].last_pool + 1;
            if (layout == VGG_LAYOUT_TORCHVISION)
                assert_string_equal(layer_info(network, next++).name, "avgpool");
            assert_int_equal(vgg_network_layer_count(network), next + 7);
            for (size_t i = 0; i < 7; i++) {
                char name[64];
                snprintf(name, sizeof name, "classifier.%zu", i);
                assert_string_equal(layer_info(network, next + i).name, name);
            }
            assert_int_not_equal(vgg_network_find_tensor(network, "classifier.6.bias"),
                                 vgg_network_tensor_count(network));
            vgg_network_free(network);
        }
    }
}

static void check_types(const vgg_network *network, const vgg_layer_type *types, size_t count) {
    assert_int_equal(vgg_network_layer_count(network), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(layer_info(network, i).type, types[i]);
    }
}

static void order_of_layers(void **state) {
    (void)state;
    static const vgg_layer_type paper[] = {
        VGG_LAYER_CONVOLUTION, VGG_LAYER_RELU,   VGG_LAYER_LOCAL_RESPONSE_NORM,
        VGG_LAYER_MAX_POOL,    VGG_LAYER_LINEAR, VGG_LAYER_DROPOUT,
        VGG_LAYER_RELU,        VGG_LAYER_LINEAR};
    static const vgg_layer_type torchvision[] = {
        VGG_LAYER_CONVOLUTION, VGG_LAYER_BATCH_NORM,   VGG_LAYER_RELU,
        VGG_LAYER_MAX_POOL,    VGG_LAYER_AVERAGE_POOL, VGG_LAYER_LINEAR,
        VGG_LAYER_RELU,        VGG_LAYER_DROPOUT,      VGG_LAYER_LINEAR};
    vgg_network *network = small_net("8,L,M/16", 4, 3, 9);
    check_types(network, paper, 8);
    assert_memory_equal(layer_info(network, 3).output, ((size_t[]){8, 4, 4}), 3 * sizeof(size_t));
    assert_int_equal(layer_info(network, 3).kernel, 2);
    assert_int_equal(layer_info(network, 3).dimensions, 3);
    assert_int_equal(layer_info(network, 5).dimensions, 1);
    assert_int_equal(layer_info(network, 5).output[0], 16);
    assert_int_equal(layer_info(network, 7).output[0], 4);
    vgg_error error = {0};
    assert_int_equal(vgg_network_layer(network, 8,
                                       &(vgg_layer_info){.struct_size = sizeof(vgg_layer_info)},
                                       &error),
                     VGG_ERROR_ARGUMENT);
    vgg_network_free(network);

    vgg_network_options options = net_options("8,M/16", 4, 3, 9);
    options.layout = VGG_LAYOUT_TORCHVISION;
    options.batch_norm = true;
    network = make_net(&options);
    check_types(network, torchvision, 9);
    assert_memory_equal(layer_info(network, 4).output, ((size_t[]){8, 7, 7}), 3 * sizeof(size_t));
    vgg_network_free(network);
}

static void type_names(void **state) {
    (void)state;
    static const char *const names[] = {
        "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "LocalResponseNorm", "AdaptiveAvgPool2d",
        "Linear", "Dropout"};
    for (int type = 0; type < 8; type++) {
        assert_string_equal(vgg_layer_type_name((vgg_layer_type)type), names[type]);
    }
}

/* ---- tensors ---- */

/* The tensors of a layer: names, shapes, and what training changes. Returns how many there are. */
static size_t check_tensors(const vgg_network *network, const vgg_layer_info *layer) {
    static const char *const roles[] = {"weight", "bias", "running_mean", "running_var"};
    size_t trained = 0;
    for (size_t i = 0; i < layer->tensors; i++) {
        vgg_tensor_info info = tensor_info(network, layer->first_tensor + i);
        char name[64];
        snprintf(name, sizeof name, "%s.%s", layer->name, roles[i]);
        assert_string_equal(info.name, name);
        assert_int_equal(vgg_network_find_tensor(network, name), layer->first_tensor + i);
        assert_int_equal(info.shape[0], layer->output[0]);
        assert_int_equal(info.learnable, i < 2);
        size_t count = 1;
        for (size_t d = 0; d < info.dimensions; d++) {
            count *= info.shape[d];
        }
        assert_int_equal(info.count, count);
        trained += info.learnable ? count : 0;
        if (i > 0 || layer->type == VGG_LAYER_BATCH_NORM)
            assert_int_equal(info.dimensions, 1);
        else if (layer->type == VGG_LAYER_CONVOLUTION) {
            assert_int_equal(info.dimensions, 4);
            assert_int_equal(info.shape[2], layer->kernel);
            assert_int_equal(info.shape[3], layer->kernel);
            assert_int_equal(layer->multiply_adds, count * layer->output[1] * layer->output[2]);
        } else {
            assert_int_equal(info.dimensions, 2);
            assert_int_equal(layer->multiply_adds, count);
        }
    }
    assert_int_equal(layer->parameters, trained);
    return layer->tensors;
}

static size_t expected_tensors(vgg_layer_type type) {
    return type == VGG_LAYER_BATCH_NORM                                ? 4
           : type == VGG_LAYER_CONVOLUTION || type == VGG_LAYER_LINEAR ? 2
                                                                       : 0;
}

static void tensors_follow_layers(void **state) {
    (void)state;
    for (size_t row = 0; vgg_architecture_at(row) != NULL; row++) {
        for (int kind = 0; kind < 4; kind++) {
            vgg_network_options options = net_options(vgg_architecture_at(row)->name, 1000, 3, 224);
            options.batch_norm = kind & 1;
            options.layout = (vgg_layout)(kind >> 1);
            vgg_network *network = make_net(&options);
            size_t tensors = 0, parameters = 0, multiply_adds = 0;
            for (size_t i = 0; i < vgg_network_layer_count(network); i++) {
                vgg_layer_info layer = layer_info(network, i);
                assert_int_equal(layer.tensors, expected_tensors(layer.type));
                if (layer.tensors > 0)
                    assert_int_equal(layer.first_tensor, tensors);
                tensors += check_tensors(network, &layer);
                parameters += layer.parameters;
                multiply_adds += layer.multiply_adds;
            }
            assert_int_equal(tensors, vgg_network_tensor_count(network));
            assert_int_equal(parameters, vgg_network_parameters(network));
            assert_int_equal(multiply_adds, vgg_network_multiply_adds(network));
            vgg_network_free(network);
        }
    }
}

static void values(void **state) {
    (void)state;
    vgg_network *network = small_net("2,M", 3, 1, 4);
    size_t tensors = vgg_network_tensor_count(network), bias;
    for (size_t i = 0; i < tensors; i++) {
        assert_null(vgg_network_values(network, i));
    }
    assert_int_equal(vgg_network_find_tensor(network, "features.0"), tensors);
    assert_int_equal(vgg_network_find_tensor(network, ""), tensors);
    bias = vgg_network_find_tensor(network, "features.0.bias");
    float given[3] = {1, -2, 3};
    vgg_error error = {0};
    assert_int_equal(vgg_network_set_values(network, bias, given, 3, &error), VGG_ERROR_SHAPE);
    assert_contains(error.message, "features.0.bias");
    assert_contains(error.message, "3");
    assert_contains(error.message, "2");
    assert_null(vgg_network_values(network, bias));
    assert_int_not_equal(vgg_network_set_values(network, bias, given, 1, NULL), VGG_OK);
    assert_int_equal(vgg_network_set_values(network, tensors, given, 1, &error),
                     VGG_ERROR_ARGUMENT);
    assert_int_equal(vgg_network_tensor(network, tensors,
                                        &(vgg_tensor_info){.struct_size = sizeof(vgg_tensor_info)},
                                        &error),
                     VGG_ERROR_ARGUMENT);
    assert_ok(vgg_network_set_values(network, bias, given, 2, &error), error);
    assert_memory_equal(vgg_network_values(network, bias), given, 2 * sizeof *given);
    assert_null(vgg_network_values(network, 0));
    vgg_network_free(network);
    vgg_network_free(NULL);
}

/* ---- counts and summary ---- */

/* The published networks at 3 x 224 x 224 with 1000 classes, in torchvision's layout. */
static const struct {
    const char *arch;
    bool batch_norm;
    size_t parameters;
    double giga_multiply_adds;
    size_t rows;
    double forward_backward_mb, parameters_mb, total_mb;
} figures[] = {
    {"A", false, 132863336, 7.609, 29, 125.37, 506.83, 632.78},
    {"A", true, 132868840, 7.609, 37, 182.03, 506.85, 689.46},
    {"B", false, 133047848, 11.308, 33, 198.87, 507.54, 706.99},
    {"B", true, 133053736, 11.308, 43, 292.28, 507.56, 800.42},
    {"C", false, 133638952, 11.771, 39, 218.78, 509.79, 729.15},
    {"D", false, 138357544, 15.470, 39, 218.78, 527.79, 747.15},
    {"D", true, 138365992, 15.470, 52, 322.14, 527.82, 850.54},
    {"E", false, 143667240, 19.632, 45, 238.69, 548.05, 787.31},
    {"E", true, 143678248, 19.632, 61, 352.00, 548.09, 900.66},
};

static json_t *summary_json(const vgg_network *network, size_t batch) {
    char *text = NULL;
    vgg_error error;
    json_error_t where;
    assert_ok(vgg_network_summary_json(network, batch, &text, &error), error);
    json_t *root = json_loads(text, 0, &where);
    if (root == NULL)
        fail_msg("%s: %s", where.text, text);
    vgg_string_free(text);
    return root;
}

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        fail_msg("%s is not a number", key);
    return json_number_value(value);
}

#define assert_near(found, expected, bound)                                                        \
    do {                                                                                           \
        if (!(fabs((found) - (expected)) <= (bound)))                                              \
            fail_msg("%s is %.9g, expected %.9g", #found, (double)(found), (double)(expected));    \
    } while (0)

static void published_figures(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        vgg_network_options options = net_options(figures[i].arch, 1000, 3, 224);
        options.batch_norm = figures[i].batch_norm;
        options.layout = VGG_LAYOUT_TORCHVISION;
        vgg_network *network = make_net(&options);
        assert_int_equal(vgg_network_parameters(network), figures[i].parameters);
        assert_near((double)vgg_network_multiply_adds(network) / 1e9, figures[i].giga_multiply_adds,
                    0.0005);
        assert_int_equal(vgg_network_layer_count(network), figures[i].rows);
        json_t *root = summary_json(network, 0);
        assert_near(number(root, "forward_backward_mb"), figures[i].forward_backward_mb, 0.00501);
        assert_near(number(root, "parameters_mb"), figures[i].parameters_mb, 0.00501);
        assert_near(number(root, "total_mb"), figures[i].total_mb, 0.00501);
        json_decref(root);
        vgg_network_free(network);
    }
}

static const char summary_text[] =
    "----------------------------------------------------------------\n"
    "        Layer (type)               Output Shape         Param #\n"
    "================================================================\n"
    "            Conv2d-1              [%s, 8, 8, 8]             224\n"
    "              ReLU-2              [%s, 8, 8, 8]               0\n"
    "         MaxPool2d-3              [%s, 8, 4, 4]               0\n"
    "            Linear-4                   [%s, 16]           2,064\n"
    "           Dropout-5                   [%s, 16]               0\n"
    "              ReLU-6                   [%s, 16]               0\n"
    "            Linear-7                    [%s, 4]              68\n"
    "================================================================\n"
    "Total params: 2,356\n"
    "Trainable params: 2,356\n"
    "Non-trainable params: 0\n"
    "----------------------------------------------------------------\n"
    "Input size (MB): %s\n"
    "Forward/backward pass size (MB): %s\n"
    "Params size (MB): 0.01\n"
    "Estimated Total Size (MB): %s\n"
    "----------------------------------------------------------------\n";

static void check_summary(const vgg_network *network, size_t batch, const char *expected) {
    char *text = NULL;
    vgg_error error;
    assert_ok(vgg_network_summary(network, batch, &text, &error), error);
    assert_string_equal(text, expected);
    vgg_string_free(text);
}

/* 192 inputs, 1204 outputs and 2356 parameters of 4 bytes; outputs count twice. */
static void summary(void **state) {
    (void)state;
    vgg_network *network = small_net("8,M/16", 4, 3, 8);
    char expected[4096];
    const char *n = "-1";
    snprintf(expected, sizeof expected, summary_text, n, n, n, n, n, n, n, "0.00", "0.01", "0.02");
    check_summary(network, 0, expected);
    n = "64";
    snprintf(expected, sizeof expected, summary_text, n, n, n, n, n, n, n, "0.05", "0.59", "0.64");
    check_summary(network, 64, expected);
    vgg_network_free(network);
}

static void json_adds_up(void **state) {
    (void)state;
    vgg_network_options options = net_options("8,1x1:8,M,16,L/16", 4, 1, 10);
    options.height = 12;
    options.batch_norm = true;
    vgg_network *network = make_net(&options);
    json_t *root = summary_json(network, 3);
    double parameters = 0, multiply_adds = 0, outputs = 0;
    size_t row, axis;
    json_t *layer, *size;
    json_array_foreach(json_object_get(root, "layers"), row, layer) {
        vgg_layer_info info = layer_info(network, row);
        assert_string_equal(json_string_value(json_object_get(layer, "name")), info.name);
        assert_string_equal(json_string_value(json_object_get(layer, "type")),
                            vgg_layer_type_name(info.type));
        parameters += number(layer, "parameters");
        multiply_adds += number(layer, "multiply_adds");
        json_t *shape = json_object_get(layer, "output_shape");
        assert_int_equal(json_array_size(shape), info.dimensions + 1);
        double count = 1;
        json_array_foreach(shape, axis, size) count *= json_number_value(size);
        outputs += count;
    }
    assert_int_equal(row, vgg_network_layer_count(network));
    assert_near(number(root, "parameters"), parameters, 0);
    assert_near(number(root, "trainable_parameters"), parameters, 0);
    assert_near(number(root, "multiply_adds"), multiply_adds, 0);
    assert_near(number(root, "batch"), 3, 0);
    assert_near(number(root, "classes"), 4, 0);
    assert_near(number(root, "input_mb"), 3 * 120 * 4 / 1048576.0, 1e-9);
    assert_near(number(root, "forward_backward_mb"), outputs * 8 / 1048576.0, 1e-9);
    assert_near(number(root, "parameters_mb"), parameters * 4 / 1048576.0, 1e-9);
    assert_near(number(root, "total_mb"),
                number(root, "input_mb") + number(root, "forward_backward_mb") +
                    number(root, "parameters_mb"),
                1e-9);
    assert_string_equal(json_string_value(json_object_get(root, "arch")), "8,1x1:8,M,16,L/16");
    assert_string_equal(json_string_value(json_object_get(root, "layout")), "paper");
    assert_true(json_is_true(json_object_get(root, "batch_norm")));
    json_t *input = json_object_get(root, "input");
    assert_int_equal(json_integer_value(json_array_get(input, 1)), 12);
    assert_int_equal(json_integer_value(json_array_get(input, 2)), 10);
    json_decref(root);
    vgg_network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(module_names), cmocka_unit_test(order_of_layers),
        cmocka_unit_test(type_names),   cmocka_unit_test(tensors_follow_layers),
        cmocka_unit_test(values),       cmocka_unit_test(published_figures),
        cmocka_unit_test(summary),      cmocka_unit_test(json_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
