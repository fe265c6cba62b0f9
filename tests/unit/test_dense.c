/* Dense plans: the linear layers at every place of a map. Without padding the map of a crop is a
 * part of the map of the picture, so that the logits of a dense plan are the mean of those of all
 * crops, a stride apart. */
#include <math.h>

#include "plans.h"

#include "nn/plan.h"

enum { SIDE = 18, STRIDE = 4, CLASSES = 7 };

static vgg_network *valid_net(const char *arch, bool batch_norm) {
    vgg_network_options options = net_options(arch, CLASSES, 3, SIDE);
    options.padding = VGG_PADDING_VALID;
    options.batch_norm = batch_norm;
    vgg_network *network = make_net(&options);
    initialise(network, "glorot", 5);
    return network;
}

static vgg_plan *plan_for(vgg_network *network, size_t height, size_t width, size_t batch,
                          bool dense, size_t threads) {
    vgg_plan_options options = plan_options(batch, threads);
    options.height = height;
    options.width = width;
    options.dense = dense;
    return make_plan(network, &options);
}

static void forward(vgg_plan *plan, const float *inputs, size_t count, float *logits) {
    vgg_error error;
    assert_ok(vgg_plan_forward(plan, inputs, count, logits, &error), error);
}

static void crop(const float *image, size_t height, size_t width, size_t row, size_t column,
                 float *to) {
    for (size_t c = 0; c < 3; c++) {
        for (size_t y = 0; y < SIDE; y++) {
            memcpy(to + (c * SIDE + y) * SIDE, image + (c * height + row + y) * width + column,
                   SIDE * sizeof *to);
        }
    }
}

/* The mean logits of all crops of an image. */
static void mean_of_crops(vgg_network *network, const float *image, size_t height, size_t width,
                          double mean[CLASSES]) {
    static float input[3 * SIDE * SIDE];
    float logits[CLASSES];
    vgg_plan *plan = plan_for(network, 0, 0, 1, false, 1);
    size_t places = 0;
    memset(mean, 0, CLASSES * sizeof *mean);
    for (size_t row = 0; row + SIDE <= height; row += STRIDE) {
        for (size_t column = 0; column + SIDE <= width; column += STRIDE, places++) {
            crop(image, height, width, row, column, input);
            forward(plan, input, 1, logits);
            for (size_t c = 0; c < CLASSES; c++) {
                mean[c] += (double)logits[c];
            }
        }
    }
    for (size_t c = 0; c < CLASSES; c++) {
        mean[c] /= (double)places;
    }
    vgg_plan_free(plan);
}

static void is_mean_of_crops(const char *arch, bool batch_norm, size_t height, size_t width) {
    vgg_network *network = valid_net(arch, batch_norm);
    vgg_plan *plan = plan_for(network, height, width, 2, true, 2);
    vgg_plan *other = plan_for(network, height, width, 2, true, 3);
    size_t count = 3 * height * width;
    float *images = random_floats(2 * count, 9), logits[2 * CLASSES], again[2 * CLASSES];
    forward(plan, images, 2, logits);
    forward(other, images, 2, again);
    assert_memory_equal(logits, again, sizeof logits);
    forward(other, images + count, 1, again);
    assert_memory_equal(logits + CLASSES, again, CLASSES * sizeof *again);
    for (size_t n = 0; n < 2; n++) {
        double mean[CLASSES];
        mean_of_crops(network, images + n * count, height, width, mean);
        for (size_t c = 0; c < CLASSES; c++) {
            if (!(fabs((double)logits[n * CLASSES + c] - mean[c]) < 1e-5))
                fail_msg("%s, %zux%zu: %.9g, expected %.9g", arch, height, width,
                         (double)logits[n * CLASSES + c], mean[c]);
        }
    }
    free(images);
    vgg_plan_free(plan);
    vgg_plan_free(other);
    vgg_network_free(network);
}

static void means(void **state) {
    (void)state;
    is_mean_of_crops("5,M,18,M/", false, 22, 18);
    is_mean_of_crops("5,M,18,M/33", false, 36, 28);
    is_mean_of_crops("6,M,17,M/12,40", true, 18, 48);
    is_mean_of_crops("16,M,32,M/24,9,70", true, 31, 25); /* what is left of a stride is not seen */
    is_mean_of_crops("4,M,8,M/B,D0.2,12,B,R,9", false, 32, 24);
}

/* One place is what every plan has. */
static void own_size(void **state) {
    (void)state;
    vgg_network *network = valid_net("6,M,17,M/12", true);
    vgg_plan *dense = plan_for(network, SIDE + STRIDE - 1, SIDE, 1, true, 1);
    vgg_plan *whole = plan_for(network, 0, 0, 1, true, 1);
    vgg_plan *plain = plan_for(network, 0, 0, 1, false, 1);
    float *image = random_floats(3 * SIDE * SIDE, 4), logits[CLASSES], expected[CLASSES];
    forward(whole, image, 1, logits);
    forward(plain, image, 1, expected);
    assert_memory_equal(logits, expected, sizeof logits);
    assert_int_equal(vgg_plan_op_count(dense), vgg_plan_op_count(plain));
    free(image);
    vgg_plan_free(dense);
    vgg_plan_free(whole);
    vgg_plan_free(plain);
    vgg_network_free(network);
}

/* A network that ends in a global pool takes any size anyway. */
static void global_pool(void **state) {
    (void)state;
    vgg_network_options options = net_options("8,M,16", CLASSES, 3, SIDE);
    options.layout = VGG_LAYOUT_GLOBAL;
    vgg_network *network = make_net(&options);
    initialise(network, "glorot", 6);
    vgg_plan *dense = plan_for(network, 33, 47, 1, true, 1);
    vgg_plan *plain = plan_for(network, 33, 47, 1, false, 1);
    float *image = random_floats((size_t)3 * 33 * 47, 4), logits[CLASSES], expected[CLASSES];
    forward(dense, image, 1, logits);
    forward(plain, image, 1, expected);
    assert_memory_equal(logits, expected, sizeof logits);
    free(image);
    vgg_plan_free(dense);
    vgg_plan_free(plain);
    vgg_network_free(network);
}

/* The ops of a plan say that they are there, and their products. */
static void ops(void **state) {
    (void)state;
    vgg_network *network = valid_net("5,M,18,M/33", false);
    vgg_plan *plan = plan_for(network, SIDE + STRIDE, SIDE + 2 * STRIDE, 2, true, 1);
    vgg_error error;
    size_t windows = 0, means = 0, products = 0;
    for (size_t i = 0; i < vgg_plan_op_count(plan); i++) {
        vgg_op_info info = {.struct_size = sizeof info};
        assert_ok(vgg_plan_op(plan, i, &info, &error), error);
        windows += strcmp(info.algorithm, "windows") == 0;
        means += strcmp(info.algorithm, "mean") == 0;
        products += strcmp(info.algorithm, "linear") == 0 ? info.products : 0;
    }
    assert_int_equal(windows, 1);
    assert_int_equal(means, 1);
    assert_int_equal(products, 2 * (6 * 18 * 9 * 33 + 33 * CLASSES));
    vgg_plan_free(plan);
    vgg_network_free(network);
}

/* Number of ops of an algorithm. */
static size_t count_ops(const vgg_plan *plan, const char *algorithm) {
    vgg_error error;
    size_t found = 0;
    for (size_t i = 0; i < vgg_plan_op_count(plan); i++) {
        vgg_op_info info = {.struct_size = sizeof info};
        assert_ok(vgg_plan_op(plan, i, &info, &error), error);
        found += strcmp(info.algorithm, algorithm) == 0;
    }
    return found;
}

/* Windows of 7x7 at many places are seen by transforms, which give what rows give. */
static void transforms(void **state) {
    (void)state;
    enum { HEIGHT = 30, WIDTH = 26, FLOATS = 3 * HEIGHT * WIDTH };
    vgg_network_options options = net_options("20,M/40,9", CLASSES, 3, 14);
    vgg_network *network = make_net(&options);
    initialise(network, "glorot", 8);
    vgg_plan_options exact = plan_options(2, 1);
    exact.height = HEIGHT;
    exact.width = WIDTH;
    exact.dense = exact.exact = true;
    vgg_plan *rows = make_plan(network, &exact);
    vgg_plan *tiles = plan_for(network, HEIGHT, WIDTH, 2, true, 1);
    vgg_plan *other = plan_for(network, HEIGHT, WIDTH, 2, true, 3);
    float *images = random_floats(2 * FLOATS, 4);
    float logits[2 * CLASSES], again[2 * CLASSES], expected[2 * CLASSES];
    assert_int_equal(count_ops(rows, "windows"), 1);
    assert_int_equal(count_ops(tiles, "windows"), 0);
    assert_int_equal(count_ops(tiles, "winograd7"), 1);
    forward(rows, images, 2, expected);
    forward(tiles, images, 2, logits);
    forward(other, images, 2, again);
    assert_memory_equal(logits, again, sizeof logits);
    forward(other, images + FLOATS, 1, again);
    assert_memory_equal(logits + CLASSES, again, CLASSES * sizeof *again);
    for (size_t i = 0; i < 2 * CLASSES; i++) {
        assert_true(fabsf(logits[i] - expected[i]) < 1e-5F);
    }
    free(images);
    vgg_plan_free(rows);
    vgg_plan_free(tiles);
    vgg_plan_free(other);
    vgg_network_free(network);
}

static void refused(vgg_network *network, vgg_plan_options *options, vgg_status status,
                    const char *message) {
    vgg_plan *plan = NULL;
    vgg_error error = {0};
    options->dense = true;
    assert_int_equal(vgg_plan_create(network, options, &plan, &error), status);
    assert_null(plan);
    assert_contains(error.message, message);
    vgg_network_free(network);
}

static void refusals(void **state) {
    (void)state;
    vgg_plan_options options = plan_options(1, 1);
    options.height = SIDE - STRIDE;
    options.width = 4 * SIDE;
    refused(valid_net("5,M,18,M/33", false), &options, VGG_ERROR_SHAPE,
            "classifier.0 a map of 2x16, expected at least the 3x3 of an input of 18x18");
    options = plan_options(1, 1);
    vgg_network_options small = net_options("8,M", CLASSES, 3, 16);
    small.layout = VGG_LAYOUT_TORCHVISION;
    refused(make_net(&small), &options, VGG_ERROR_UNSUPPORTED,
            "the layout torchvision with an input of 16x16 cannot be evaluated densely");
    options.gradients = true;
    refused(valid_net("5,M,18,M/33", false), &options, VGG_ERROR_ARGUMENT, "cannot be dense");
    options = plan_options(1, 1);
    options.height = 65536;
    options.width = 65536;
    refused(valid_net("5,M,18,M/33", false), &options, VGG_ERROR_MEMORY, "needs");
}

/* Where the average pool makes 7x7 of 7x7 it is nothing. */
static void torchvision(void **state) {
    (void)state;
    vgg_network_options options = net_options("8,M/12", CLASSES, 3, 14);
    vgg_network *paper = make_net(&options);
    options.layout = VGG_LAYOUT_TORCHVISION;
    vgg_network *pooled = make_net(&options);
    initialise(paper, "glorot", 8);
    initialise(pooled, "glorot", 8);
    vgg_plan *first = plan_for(paper, 18, 23, 1, true, 1);
    vgg_plan *second = plan_for(pooled, 18, 23, 1, true, 1);
    float *image = random_floats((size_t)3 * 18 * 23, 4), logits[CLASSES], expected[CLASSES];
    forward(first, image, 1, expected);
    forward(second, image, 1, logits);
    assert_memory_equal(logits, expected, sizeof logits);
    free(image);
    vgg_plan_free(first);
    vgg_plan_free(second);
    vgg_network_free(paper);
    vgg_network_free(pooled);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means),      cmocka_unit_test(own_size), cmocka_unit_test(global_pool),
        cmocka_unit_test(ops),        cmocka_unit_test(refusals), cmocka_unit_test(torchvision),
        cmocka_unit_test(transforms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
