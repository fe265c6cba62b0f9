/* Architectures: the paper's table, written ones, and what may not be built. */
#include "nets.h"

#include <math.h>

/* ---- the table ---- */

/* Table 1 of arXiv 1409.1556v6, and how many convolutions each column has. */
static const struct {
    const char *name, *common, *convolutions;
    size_t count;
} columns[] = {
    {"A", "VGG-11", "64,M,128,M,256,256,M,512,512,M,512,512,M", 8},
    {"A-LRN", NULL, "64,L,M,128,M,256,256,M,512,512,M,512,512,M", 8},
    {"B", "VGG-13", "64,64,M,128,128,M,256,256,M,512,512,M,512,512,M", 10},
    {"C", NULL, "64,64,M,128,128,M,256,256,1x1:256,M,512,512,1x1:512,M,512,512,1x1:512,M", 13},
    {"D", "VGG-16", "64,64,M,128,128,M,256,256,256,M,512,512,512,M,512,512,512,M", 13},
    {"E", "VGG-19", "64,64,M,128,128,M,256,256,256,256,M,512,512,512,512,M,512,512,512,512,M", 16},
};
#define COLUMNS (sizeof columns / sizeof *columns)

static size_t count_layers(const vgg_network *network, vgg_layer_type type) {
    size_t count = 0;
    for (size_t i = 0; i < vgg_network_layer_count(network); i++) {
        count += layer_info(network, i).type == type;
    }
    return count;
}

static void every_row(void **state) {
    (void)state;
    for (size_t row = 0; row < COLUMNS; row++) {
        const vgg_architecture *found = vgg_architecture_at(row);
        assert_non_null(found);
        assert_string_equal(found->name, columns[row].name);
        assert_string_equal(found->convolutions, columns[row].convolutions);
        assert_non_null(found->common_name);
        if (columns[row].common != NULL)
            assert_string_equal(found->common_name, columns[row].common);
        vgg_network *network = small_net(found->name, 1000, 3, 224);
        assert_int_equal(count_layers(network, VGG_LAYER_CONVOLUTION), columns[row].count);
        assert_int_equal(count_layers(network, VGG_LAYER_MAX_POOL), 5);
        assert_int_equal(count_layers(network, VGG_LAYER_LINEAR), 3);
        assert_string_equal(vgg_network_describe(network)->arch, found->name);
        vgg_network_free(network);
    }
    assert_null(vgg_architecture_at(COLUMNS));
    assert_null(vgg_architecture_at(SIZE_MAX));
}

/* Both must have the same layers and tensors. */
static void assert_same_net(const char *left, const char *right) {
    vgg_network *a = small_net(left, 10, 3, 32), *b = small_net(right, 10, 3, 32);
    assert_int_equal(vgg_network_layer_count(a), vgg_network_layer_count(b));
    for (size_t i = 0; i < vgg_network_layer_count(a); i++) {
        vgg_layer_info one = layer_info(a, i), other = layer_info(b, i);
        assert_int_equal(one.type, other.type);
        assert_int_equal(one.kernel, other.kernel);
        assert_string_equal(one.name, other.name);
        assert_memory_equal(one.output, other.output, sizeof one.output);
        assert_int_equal(one.parameters, other.parameters);
    }
    vgg_network_free(a);
    vgg_network_free(b);
}

static void rows_as_written(void **state) {
    (void)state;
    char written[256];
    for (size_t row = 0; row < COLUMNS; row++) {
        snprintf(written, sizeof written, "%s/4096,4096", columns[row].convolutions);
        assert_same_net(columns[row].name, written);
    }
    assert_same_net("d", "D");
    assert_same_net("a-lrn", "A-LRN");
}

static void written(void **state) {
    (void)state;
    assert_same_net("8,M,16,M/24", " 8 , m,16 ,M / 24 ");
    assert_same_net("8,L,M", "8,l,m");
    assert_same_net("8,M", "8,M/");
    vgg_network *network = small_net("8,1x1:12,M", 5, 1, 6);
    assert_int_equal(layer_info(network, 0).kernel, 3);
    assert_int_equal(layer_info(network, 2).kernel, 1);
    assert_int_equal(tensor_info(network, 2).count, 12 * 8);
    assert_int_equal(count_layers(network, VGG_LAYER_LINEAR), 1);
    vgg_network_free(network);
}

/* ---- what may not be built ---- */

static void expect_no_net(const vgg_network_options *options, vgg_status status, const char *text) {
    vgg_network *network = NULL;
    vgg_error error = {0};
    vgg_status found = vgg_network_create(options, &network, &error);
    if (found != status)
        fail_msg("\"%s\": %s instead of %s: %s", options->arch == NULL ? "" : options->arch,
                 vgg_status_name(found), vgg_status_name(status), error.message);
    assert_int_equal(error.status, status);
    assert_contains(error.message, text);
    assert_null(strchr(error.message, '\n'));
    assert_null(network);
}

static void bad_words(void **state) {
    (void)state;
    static const struct {
        const char *arch, *number, *word;
    } cases[] = {
        {"64,x,M", "word 2", "\"x\""},
        {"64,,M", "word 2", "\"\""},
        {"0", "word 1", "\"0\""},
        {"64,M,1x1:0", "word 3", "\"1x1:0\""},
        {"1x1:", "word 1", "\"1x1:\""},
        {"64,2x2:8", "word 2", "\"2x2:8\""},
        {"64,-3", "word 2", "\"-3\""},
        {"64,+3", "word 2", "\"+3\""},
        {"64,3.5", "word 2", "\"3.5\""},
        {"64 64", "word 1", "\"64 64\""},
        {"64,MM", "word 2", "\"MM\""},
        {"64,99999999", "word 2", "\"99999999\""},
        {"64,18446744073709551617", "word 2", "\"18446744073709551617\""},
        {"F", "word 1", "\"F\""},
        {"64,M/abc", "word 3", "\"abc\""},
        {"64,M/16,0", "word 4", "\"0\""},
        {"64,M/M", "word 3", "\"M\""},
        {"64,M/16/8", "word 3", "\"16/8\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vgg_network_options options = net_options(cases[i].arch, 10, 3, 32);
        expect_no_net(&options, VGG_ERROR_ARGUMENT, cases[i].number);
        expect_no_net(&options, VGG_ERROR_ARGUMENT, cases[i].word);
    }
}

static void too_many_words(void **state) {
    (void)state;
    enum { WORDS = 20000 };
    char *arch = calloc(1, 2 * WORDS + 2);
    assert_non_null(arch);
    for (size_t i = 0; i < WORDS; i++) {
        memcpy(arch + 2 * i, "8,", 2);
    }
    arch[2 * WORDS - 1] = '\0';
    vgg_network_options options = net_options(arch, 10, 3, 32);
    expect_no_net(&options, VGG_ERROR_ARGUMENT, "words");
    arch[1] = '/';
    expect_no_net(&options, VGG_ERROR_ARGUMENT, "hidden");
    free(arch);
}

/* Fails to create after one change of sound options. */
#define EXPECT_REFUSED(change, status, text)                                                       \
    do {                                                                                           \
        vgg_network_options refused_ = net_options("8,M", 10, 3, 8);                               \
        refused_.change;                                                                           \
        expect_no_net(&refused_, status, text);                                                    \
    } while (0)

static void bad_options(void **state) {
    (void)state;
    EXPECT_REFUSED(classes = 0, VGG_ERROR_ARGUMENT, "classes");
    EXPECT_REFUSED(classes = SIZE_MAX, VGG_ERROR_ARGUMENT, "classes");
    EXPECT_REFUSED(channels = 0, VGG_ERROR_ARGUMENT, "channels");
    EXPECT_REFUSED(channels = 2, VGG_ERROR_ARGUMENT, "2");
    EXPECT_REFUSED(channels = 4, VGG_ERROR_ARGUMENT, "1 or 3");
    EXPECT_REFUSED(height = 0, VGG_ERROR_ARGUMENT, "0x8");
    EXPECT_REFUSED(width = SIZE_MAX, VGG_ERROR_ARGUMENT, "input");
    EXPECT_REFUSED(dropout = 1, VGG_ERROR_ARGUMENT, "dropout");
    EXPECT_REFUSED(dropout = -0.1, VGG_ERROR_ARGUMENT, "dropout");
    EXPECT_REFUSED(dropout = (double)NAN, VGG_ERROR_ARGUMENT, "dropout");
    EXPECT_REFUSED(layout = (vgg_layout)7, VGG_ERROR_ARGUMENT, "layout");
    EXPECT_REFUSED(arch = NULL, VGG_ERROR_ARGUMENT, "architecture");
}

static void input_too_small(void **state) {
    (void)state;
    EXPECT_REFUSED(arch = "D", VGG_ERROR_SHAPE, "at least 32");
    EXPECT_REFUSED(width = 1, VGG_ERROR_SHAPE, "at least 2");
    vgg_network_options options = net_options("D", 10, 3, 31);
    expect_no_net(&options, VGG_ERROR_SHAPE, "31x31");
    options.height = 400;
    options.layout = VGG_LAYOUT_TORCHVISION;
    expect_no_net(&options, VGG_ERROR_SHAPE, "at least 32");
    vgg_network_free(small_net("D", 10, 3, 32));
    char arch[2 * 80 + 1] = "";
    for (size_t i = 0; i < 80; i++) {
        strcat(arch, "M,");
    }
    EXPECT_REFUSED(arch = arch, VGG_ERROR_SHAPE, "too small");
}

/* A layer of this size cannot be numbered, and says so instead of wrapping around. */
static void huge(void **state) {
    (void)state;
    vgg_network_options options = net_options("65536/65536", 10, 3, 65536);
    vgg_network *network = NULL;
    vgg_error error = {0};
    vgg_status status = vgg_network_create(&options, &network, &error);
    assert_int_equal(status, VGG_ERROR_SHAPE);
    assert_contains(error.message, "classifier.0");
    assert_null(network);
}

static void shorter_options(void **state) {
    (void)state;
    vgg_network_options options = net_options("8,M", 7, 1, 8);
    options.dropout = 5; /* beyond what struct_size says the caller knows */
    options.struct_size = offsetof(vgg_network_options, dropout);
    vgg_network *network = make_net(&options);
    assert_int_equal(vgg_network_describe(network)->classes, 7);
    assert_true(fabs(vgg_network_describe(network)->dropout - 0.5) < 1e-12);
    vgg_network_free(network);
    network = make_net(NULL);
    assert_string_equal(vgg_network_describe(network)->arch, "D");
    vgg_network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),       cmocka_unit_test(rows_as_written),
        cmocka_unit_test(written),         cmocka_unit_test(bad_words),
        cmocka_unit_test(too_many_words),  cmocka_unit_test(bad_options),
        cmocka_unit_test(input_too_small), cmocka_unit_test(huge),
        cmocka_unit_test(shorter_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
