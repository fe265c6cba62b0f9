/* The summary of a network, as text and as JSON. */
#include "nets.h"

#include <jansson.h>
#include <math.h>

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
        cmocka_unit_test(published_figures),
        cmocka_unit_test(summary),
        cmocka_unit_test(json_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
