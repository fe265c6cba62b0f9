/* The schemes that give a network its first values, flattening, softmax and cross-entropy. */
#include "nets.h"
#include "vgg/loss.h"

#include <math.h>

#define assert_near(found, expected, bound)                                                        \
    do {                                                                                           \
        if (!(fabs((found) - (expected)) <= (bound)))                                              \
            fail_msg("%s is %.9g, expected %.9g", #found, (double)(found), (double)(expected));    \
    } while (0)

static bool ends_in(const char *name, const char *end) {
    return strlen(name) >= strlen(end) && strcmp(name + strlen(name) - strlen(end), end) == 0;
}

/* ---- distributions ---- */

/* What a scheme says about a weight: the variance, and whether it is uniform. */
static double expected_variance(const char *scheme, const vgg_tensor_info *info) {
    double taps = info->dimensions == 4 ? (double)(info->shape[2] * info->shape[3]) : 1;
    double out = (double)info->shape[0] * taps, in = (double)info->shape[1] * taps;
    if (strcmp(scheme, "kaiming") == 0)
        return info->dimensions == 4 ? 2 / out : 1e-4;
    return strcmp(scheme, "glorot") == 0 ? 2 / (in + out) : 1e-2;
}

/* Mean, variance, fourth moment and the correlation of neighbours, each within 5 standard errors.
 */
static void check_moments(const vgg_tensor_info *info, const float *values, double variance,
                          bool uniform) {
    double n = (double)info->count, sums[4] = {0}, most = 0;
    for (size_t i = 0; i < info->count; i++) {
        double x = (double)values[i] / sqrt(variance);
        sums[0] += x;
        sums[1] += x * x;
        sums[2] += x * x * x * x;
        sums[3] += i > 0 ? x * (double)values[i - 1] / sqrt(variance) : 0;
        most = fmax(most, fabs(x));
    }
    double fourth = uniform ? 1.8 : 3, eighth = uniform ? 9 : 105;
    assert_near(sums[0] / n, 0, 5 / sqrt(n));
    assert_near(sums[1] / n, 1, 5 * sqrt((fourth - 1) / n));
    assert_near(sums[2] / n, fourth, 5 * sqrt((eighth - fourth * fourth) / n));
    assert_near(sums[3] / n, 0, 5 / sqrt(n));
    if (uniform)
        assert_near(most, sqrt(3), 10 * sqrt(3) / n);
}

static void check_scheme(const char *scheme, uint64_t seed) {
    vgg_network_options options = net_options("32,1x1:64,M,64/128", 100, 3, 8);
    options.batch_norm = true;
    vgg_network *network = make_net(&options);
    initialise(network, scheme, seed);
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        vgg_tensor_info info = tensor_info(network, t);
        const float *values = vgg_network_values(network, t);
        assert_non_null(values);
        if (info.dimensions > 1) {
            check_moments(&info, values, expected_variance(scheme, &info),
                          strcmp(scheme, "glorot") == 0);
            continue;
        }
        bool one = ends_in(info.name, ".weight") || ends_in(info.name, ".running_var");
        for (size_t i = 0; i < info.count; i++) {
            assert_near((double)values[i], one ? 1 : 0, 0);
        }
    }
    vgg_network_free(network);
}

static void moments(void **state) {
    (void)state;
    static const char *const schemes[] = {"kaiming", "glorot", "paper"};
    for (size_t i = 0; i < 3; i++) {
        for (uint64_t seed = 0; seed < 3; seed++) {
            check_scheme(schemes[i], seed == 2 ? UINT64_MAX : seed);
        }
    }
}

/* ---- seeds ---- */

static void function_of_the_seed(void **state) {
    (void)state;
    vgg_network *one = small_net("8,8,M/8", 4, 3, 8), *two = small_net("8,8,M/8", 4, 3, 8);
    initialise(one, "kaiming", 5);
    initialise(two, "glorot", 6);
    initialise(two, "kaiming", 5);
    for (size_t t = 0; t < vgg_network_tensor_count(one); t++) {
        assert_memory_equal(vgg_network_values(one, t), vgg_network_values(two, t),
                            tensor_info(one, t).count * sizeof(float));
    }
    initialise(two, "kaiming", 6);
    for (size_t t = 0; t < vgg_network_tensor_count(one); t++) {
        vgg_tensor_info info = tensor_info(one, t);
        if (info.dimensions == 1)
            continue;
        size_t same = 0;
        for (size_t i = 0; i < info.count; i++) {
            same += memcmp(vgg_network_values(one, t) + i, vgg_network_values(two, t) + i,
                           sizeof(float)) == 0;
        }
        assert_int_equal(same, 0);
    }
    vgg_network_free(one);
    vgg_network_free(two);
}

static void unknown_scheme(void **state) {
    (void)state;
    vgg_network *network = small_net("8,M", 4, 3, 8);
    vgg_error error = {0};
    assert_int_not_equal(vgg_network_initialise(network, "xavier", 1, &error), VGG_OK);
    assert_contains(error.message, "xavier");
    assert_contains(error.message, "kaiming");
    assert_contains(error.message, "glorot");
    assert_contains(error.message, "paper");
    assert_null(vgg_network_values(network, 0));
    vgg_network_free(network);
}

/* ---- flattening ---- */

static void flatten(void **state) {
    (void)state;
    size_t out[4] = {0}, dimensions = 0;
    vgg_error error = {0};
    assert_ok(vgg_flatten_shape((size_t[]){2, 3, 4, 5}, 4, 1, out, &dimensions, &error), error);
    assert_int_equal(dimensions, 2);
    assert_memory_equal(out, ((size_t[]){2, 60}), 2 * sizeof *out);
    assert_ok(vgg_flatten_shape((size_t[]){2, 3, 4, 5}, 4, 0, out, &dimensions, &error), error);
    assert_int_equal(dimensions, 1);
    assert_int_equal(out[0], 120);
    assert_ok(vgg_flatten_shape((size_t[]){2, 3}, 2, 1, out, &dimensions, &error), error);
    assert_int_equal(dimensions, 2);
    assert_memory_equal(out, ((size_t[]){2, 3}), 2 * sizeof *out);
    assert_int_equal(vgg_flatten_shape((size_t[]){2, 3}, 2, 2, out, &dimensions, &error),
                     VGG_ERROR_ARGUMENT);
    assert_int_not_equal(
        vgg_flatten_shape((size_t[]){2, SIZE_MAX / 2, 3}, 3, 1, out, &dimensions, &error), VGG_OK);
    assert_int_equal(dimensions, 2);
}

/* ---- softmax and cross-entropy ---- */

static void softmax(void **state) {
    (void)state;
    float logits[] = {0.5f, -1, 2, 1e4f, -1e4f, 1e4f, -3e38f, 3e38f, 0, -1e4f, -1e4f, -1e4f};
    float found[12];
    vgg_softmax(logits, 4, 3, found);
    for (size_t n = 0; n < 4; n++) {
        double sum = 0;
        for (size_t c = 0; c < 3; c++) {
            assert_true(found[3 * n + c] >= 0 && found[3 * n + c] <= 1);
            sum += (double)found[3 * n + c];
        }
        assert_near(sum, 1, 3e-7);
    }
    double total = exp(0.5) + exp(-1) + exp(2);
    assert_near((double)found[0], exp(0.5) / total, 1e-7);
    assert_near((double)found[2], exp(2) / total, 1e-7);
    assert_near((double)found[3], 0.5, 1e-7);
    assert_near((double)found[7], 1, 0);
    assert_near((double)found[9], 1.0 / 3, 1e-7);
    vgg_softmax(logits, 4, 3, logits); /* in place */
    assert_memory_equal(logits, found, sizeof found);
}

static void cross_entropy(void **state) {
    (void)state;
    const float equal[10] = {7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
    assert_near(vgg_cross_entropy(equal, (size_t[]){3}, 1, 10, NULL), log(10), 1e-12);
    const float pair[4] = {0, 1, 1e4f, -1e4f};
    assert_near(vgg_cross_entropy(pair, (size_t[]){1}, 1, 2, NULL), log1p(exp(-1)), 1e-12);
    assert_near(vgg_cross_entropy(pair, (size_t[]){0}, 1, 2, NULL), 1 + log1p(exp(-1)), 1e-12);
    assert_near(vgg_cross_entropy(pair + 2, (size_t[]){0}, 1, 2, NULL), 0, 1e-12);
    assert_near(vgg_cross_entropy(pair + 2, (size_t[]){1}, 1, 2, NULL), 2e4, 1e-9);
    assert_near(vgg_cross_entropy(pair, (size_t[]){1, 1}, 2, 2, NULL), (2e4 + log1p(exp(-1))) / 2,
                1e-9);
}

/* The mean loss in double, straight from the definition. */
static double reference_loss(const double *logits, const size_t *classes, size_t count,
                             size_t width) {
    double loss = 0;
    for (size_t n = 0; n < count; n++) {
        double sum = 0;
        for (size_t c = 0; c < width; c++) {
            sum += exp(logits[n * width + c]);
        }
        loss += log(sum) - logits[n * width + classes[n]];
    }
    return loss / (double)count;
}

static void gradient_by_differences(void **state) {
    (void)state;
    enum { N = 3, C = 4 };
    const size_t classes[N] = {2, 0, 3};
    float logits[N * C], gradient[N * C];
    double exact[N * C];
    for (int i = 0; i < N * C; i++) {
        exact[i] = (double)(logits[i] = (float)(i * 37 % 11) / 4 - 1);
    }
    double loss = vgg_cross_entropy(logits, classes, N, C, gradient);
    assert_near(loss, reference_loss(exact, classes, N, C), 1e-12);
    for (int i = 0; i < N * C; i++) {
        const double step = 1e-5;
        double at = exact[i];
        exact[i] = at + step;
        double above = reference_loss(exact, classes, N, C);
        exact[i] = at - step;
        double below = reference_loss(exact, classes, N, C);
        exact[i] = at;
        assert_near((double)gradient[i], (above - below) / (2 * step), 1e-7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments),
        cmocka_unit_test(function_of_the_seed),
        cmocka_unit_test(unknown_scheme),
        cmocka_unit_test(flatten),
        cmocka_unit_test(softmax),
        cmocka_unit_test(cross_entropy),
        cmocka_unit_test(gradient_by_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
