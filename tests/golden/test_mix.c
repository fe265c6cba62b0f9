/* Mixed batches against those that make_view_goldens.py makes with NumPy from the same random
 * numbers. Sums of two products may differ in their last bit. */
#include <math.h>

#include "base/file.h"
#include "vgg/train.h"
#include "vgg_test.h"

/* As in make_view_goldens.py. */
#define CHANNELS ((size_t)2)
#define HEIGHT ((size_t)7)
#define WIDTH ((size_t)9)
#define FLOATS (CHANNELS * HEIGHT * WIDTH)
#define MOST ((size_t)8) /* pictures of a batch */

#define BOUND 1e-4 /* of values up to 250 */

static unsigned char *read_file(const char *name, size_t *size) {
    char path[4096];
    unsigned char *bytes = NULL;
    vgg_error error;
    snprintf(path, sizeof path, "%s/views/%s", VGG_TEST_DATA, name);
    assert_ok(vgg_file_read(path, (size_t)1 << 20, &bytes, size, &error), error);
    return bytes;
}

static float golden_value(const unsigned char *b) {
    uint32_t bits =
        (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Reads a line; returns the number of items. */
static size_t read_line(const char *line, vgg_train_options *options, uint64_t *epoch,
                        size_t items[MOST]) {
    char *at;
    vgg_train_options_init(options, sizeof *options);
    options->mixup = strtod(line, &at);
    options->cutmix = strtod(at, &at);
    options->seed = strtoull(at, &at, 10);
    *epoch = strtoull(at, &at, 10);
    size_t count = 0;
    while (*at != '\0') {
        assert_true(count < MOST);
        items[count++] = (size_t)strtoull(at, &at, 10);
    }
    return count;
}

/* Compares the batch of a line; returns the values that it has in the golden. */
static size_t compare(const char *line, const unsigned char *expected) {
    float inputs[MOST * FLOATS], mixed[MOST * FLOATS], shares[MOST];
    size_t items[MOST], classes[MOST], others[MOST];
    vgg_train_options options;
    uint64_t epoch;
    vgg_error error;
    size_t count = read_line(line, &options, &epoch, items);
    for (size_t i = 0; i < count * FLOATS; i++) {
        inputs[i] = (float)(i % 251);
    }
    for (size_t i = 0; i < count; i++) {
        classes[i] = 100 + i;
    }
    const vgg_batch batch = {.struct_size = sizeof batch,
                             .count = count,
                             .inputs = inputs,
                             .classes = classes,
                             .items = items};
    vgg_preprocess shape;
    vgg_preprocess_init(&shape, sizeof shape);
    shape.channels = CHANNELS;
    shape.height = HEIGHT;
    shape.width = WIDTH;
    assert_ok(vgg_train_mix(&options, epoch, &batch, &shape, mixed, others, shares, &error), error);
    double worst = 0;
    for (size_t i = 0; i < count * FLOATS; i++) {
        worst = fmax(worst, fabs((double)mixed[i] - (double)golden_value(expected + 4 * i)));
    }
    for (size_t i = 0; i < count; i++) {
        const unsigned char *at = expected + 4 * (count * FLOATS + i);
        worst = fmax(worst, fabs((double)shares[i] - (double)golden_value(at)));
        assert_int_equal(others[i], classes[count - 1 - i]);
    }
    print_message("%s: differs by %.1e\n", line, worst);
    assert_true(worst <= BOUND);
    return count * (FLOATS + 1);
}

static void mixes(void **state) {
    (void)state;
    size_t size, text_size, at = 0;
    char *text = (char *)read_file("mix.txt", &text_size), *rest = text;
    text[text_size - 1] = '\0';
    unsigned char *expected = read_file("mix.bin", &size);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        at += 4 * compare(line, expected + at);
        assert_true(at <= size);
    }
    assert_int_equal(at, size);
    free(text);
    free(expected);
}

/* For an alpha of next to nothing a share is next to 0 or 1, as often the one as the other. */
static void small_alphas(void **state) {
    (void)state;
    static const double alphas[] = {1e-2, 1e-3, 1e-5, 1e-300};
    float inputs[MOST * FLOATS] = {0}, mixed[MOST * FLOATS], shares[MOST];
    size_t items[MOST], classes[MOST] = {0}, others[MOST];
    vgg_train_options options;
    vgg_preprocess shape;
    vgg_error error;
    vgg_train_options_init(&options, sizeof options);
    vgg_preprocess_init(&shape, sizeof shape);
    shape.channels = CHANNELS;
    shape.height = HEIGHT;
    shape.width = WIDTH;
    const vgg_batch batch = {.struct_size = sizeof batch,
                             .count = MOST,
                             .inputs = inputs,
                             .classes = classes,
                             .items = items};
    for (size_t i = 0; i < MOST; i++) {
        items[i] = i;
    }
    for (size_t a = 0; a < sizeof alphas / sizeof *alphas; a++) {
        size_t near = 0, whole = 0;
        options.mixup = alphas[a];
        for (uint64_t epoch = 0; epoch < 64; epoch++) {
            assert_ok(vgg_train_mix(&options, epoch, &batch, &shape, mixed, others, shares, &error),
                      error);
            for (size_t i = 0; i < MOST; i++) {
                assert_true(shares[i] >= 0 && shares[i] <= 1);
                near += shares[i] < 1e-3F || shares[i] > 1 - 1e-3F;
                whole += shares[i] > 0.5F;
            }
        }
        assert_true(near > 64 * MOST * 9 / 10);
        assert_in_range(whole, 64 * MOST * 4 / 10, 64 * MOST * 6 / 10);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixes),
        cmocka_unit_test(small_alphas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
