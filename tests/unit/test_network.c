/* Networks: layers, tensors and names. */
#include "nets.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(module_names), cmocka_unit_test(order_of_layers),
        cmocka_unit_test(type_names),   cmocka_unit_test(tensors_follow_layers),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
