/* Structures: reading written architectures, writing them, and what is no structure. */
#include "nets.h"

#include "base/memory.h"
#include "nn/network.h"
#include "nn/structure.h"

static bool same_layer(const vgg_structure_layer *a, const vgg_structure_layer *b) {
    bool same_dropout = !(a->dropout < b->dropout) && !(a->dropout > b->dropout);
    return a->type == b->type && a->flat == b->flat && a->outputs == b->outputs &&
           a->kernel == b->kernel && a->valid == b->valid && same_dropout;
}

static bool same_structure(const vgg_structure *a, const vgg_structure *b) {
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = same_layer(&a->layers[i], &b->layers[i]);
    }
    return equal;
}

/* ---- random structures ---- */

static uint64_t state_of_random = 1;

static size_t draw(size_t below) {
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state_of_random >> 33) % below;
}

static void add(vgg_structure *s, vgg_structure_layer layer) {
    assert_true(vgg_structure_add(s, layer));
}

static void add_type(vgg_structure *s, vgg_layer_type type, bool flat) {
    add(s, (vgg_structure_layer){.type = type, .flat = flat});
}

static void add_dropout(vgg_structure *s, bool flat) {
    static const double probabilities[] = {0, 0.5, 0.25, 0.1, 1.0 / 3, 0.999, 0.0625};
    add(s, (vgg_structure_layer){
               .type = VGG_LAYER_DROPOUT, .flat = flat, .dropout = probabilities[draw(7)]});
}

static void add_some(vgg_structure *s, bool flat) {
    switch (draw(3)) {
    case 0:
        add_type(s, VGG_LAYER_BATCH_NORM, flat);
        break;
    case 1:
        add_type(s, VGG_LAYER_RELU, flat);
        break;
    default:
        add_dropout(s, flat);
    }
}

static void add_feature(vgg_structure *s, size_t habit) {
    static const vgg_layer_type pools[] = {VGG_LAYER_MAX_POOL, VGG_LAYER_AVERAGE_POOL_2X2,
                                           VGG_LAYER_LOCAL_RESPONSE_NORM};
    if (draw(4) == 0) {
        add_type(s, pools[draw(3)], false);
    } else if (draw(5) == 0) {
        add_some(s, false);
    } else {
        add(s, (vgg_structure_layer){.type = VGG_LAYER_CONVOLUTION,
                                     .outputs = 1 + draw(70),
                                     .kernel = draw(4) == 0 ? 1 : 3,
                                     .valid = draw(3) < habit % 3});
        if (habit >= 3)
            add_type(s, VGG_LAYER_BATCH_NORM, false);
        if (draw(6) > 0)
            add_type(s, VGG_LAYER_RELU, false);
    }
}

static void add_hidden(vgg_structure *s, size_t habit) {
    add(s, (vgg_structure_layer){.type = VGG_LAYER_LINEAR, .outputs = 1 + draw(90)});
    if (habit == 0)
        return;
    if (habit == 1)
        add_dropout(s, true);
    add_type(s, VGG_LAYER_RELU, true);
    if (habit >= 2)
        add_dropout(s, true);
    if (draw(4) == 0)
        add_some(s, true);
}

static vgg_structure random_structure(void) {
    static const vgg_layer_type heads[] = {VGG_LAYER_AVERAGE_POOL, VGG_LAYER_GLOBAL_AVERAGE_POOL,
                                           VGG_LAYER_GLOBAL_MAX_POOL};
    vgg_structure s = {0};
    size_t habit = draw(6), head = draw(4);
    for (size_t i = draw(9); i > 0; i--) {
        add_feature(&s, habit);
    }
    if (head < 3)
        add_type(&s, heads[head], false);
    for (size_t i = draw(6) == 0; i > 0; i--) {
        add_some(&s, true);
    }
    for (size_t i = draw(3); i > 0; i--) {
        add_hidden(&s, habit % 4);
    }
    add(&s, (vgg_structure_layer){.type = VGG_LAYER_LINEAR, .outputs = 1 + draw(1000)});
    return s;
}

static void round_trip(void **state) {
    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        vgg_structure s = random_structure(), again;
        vgg_error error;
        assert_ok(vgg_structure_check(&s, &error), error);
        vgg_network_options options;
        vgg_network_options_init(&options, sizeof options);
        assert_ok(vgg_structure_write(&s, &options, &error), error);
        assert_ok(vgg_structure_read(&options, &again, &error), error);
        if (!same_structure(&s, &again))
            fail_msg("structure %zu is not \"%s\" with layout %s", i, options.arch,
                     vgg_layout_name(options.layout));
        vgg_free((char *)(uintptr_t)options.arch);
        vgg_structure_free(&s);
        vgg_structure_free(&again);
    }
}

/* ---- words ---- */

static vgg_structure read_arch(const char *arch, vgg_layout layout, bool batch_norm,
                               vgg_padding padding) {
    vgg_network_options options = net_options(arch, 10, 3, 32);
    options.layout = layout;
    options.batch_norm = batch_norm;
    options.padding = padding;
    vgg_structure s;
    vgg_error error;
    assert_ok(vgg_structure_read(&options, &s, &error), error);
    return s;
}

/* The words that the structure of an architecture is written with. */
static void assert_written(const char *arch, vgg_layout layout, bool batch_norm,
                           const char *expected) {
    vgg_structure s = read_arch(arch, layout, batch_norm, VGG_PADDING_SAME);
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    vgg_error error;
    assert_ok(vgg_structure_write(&s, &options, &error), error);
    assert_string_equal(options.arch, expected);
    assert_int_equal(options.layout, layout);
    vgg_free((char *)(uintptr_t)options.arch);
    vgg_structure_free(&s);
}

static void simplest_words(void **state) {
    (void)state;
    assert_written("D", VGG_LAYOUT_TORCHVISION, true, "D");
    assert_written("64,M,128,M,256,256,M,512,512,M,512,512,M/4096,4096", VGG_LAYOUT_PAPER, false,
                   "A");
    assert_written("c8,B,R,M/f16,R,D0.5", VGG_LAYOUT_GLOBAL, false, "8,M/16");
    assert_written("c8,R,16,P/f16,D0.5,R", VGG_LAYOUT_PAPER, false, "8,16,P/16");
    assert_written("8,c1x1:4,M/f16,R", VGG_LAYOUT_GLOBAL_MAX, false, "8,c1x1:4,M/f16,R");
    assert_written("8v,16v,8/D0.25,f8", VGG_LAYOUT_PAPER, false, "8,16,8s/D0.25,f8");
    assert_written("8,M/", VGG_LAYOUT_PAPER, false, "8,M");
    assert_written("B/", VGG_LAYOUT_PAPER, false, "B/");
    assert_written("/", VGG_LAYOUT_PAPER, false, "/");
    assert_written("/B,D0.1,16", VGG_LAYOUT_GLOBAL, false, "/B,D0.1,16");
}

static void same(const char *left, vgg_padding padding, bool batch_norm, const char *right) {
    vgg_structure a = read_arch(left, VGG_LAYOUT_PAPER, batch_norm, padding);
    vgg_structure b = read_arch(right, VGG_LAYOUT_PAPER, false, VGG_PADDING_SAME);
    if (!same_structure(&a, &b))
        fail_msg("%s is not %s", left, right);
    vgg_structure_free(&a);
    vgg_structure_free(&b);
}

static void words(void **state) {
    (void)state;
    same("8", VGG_PADDING_VALID, false, "8v");
    same("8s,1x1:4", VGG_PADDING_VALID, false, "8,1x1:4");
    same("1x1:4v", VGG_PADDING_SAME, false, "1x1:4");
    same(" C8 , p ,b, d.50 / F4 , r", VGG_PADDING_SAME, false, "c8,P,B,D0.5/f4,R");
    same("8,c4", VGG_PADDING_SAME, true, "c8,B,R,c4");
    same("16/8", VGG_PADDING_SAME, false, "c16,R/f8,D0.5,R");
}

static void probabilities(void **state) {
    (void)state;
    char text[VGG_PROBABILITY_TEXT];
    double found;
    for (size_t i = 0; i < 10000; i++) {
        double p = (double)i / 10000;
        assert_true(vgg_probability_read(vgg_probability_write(p, text), &found));
        assert_true(found >= p && found <= p);
        assert_true(strlen(text) <= 6);
        p = 1 / (2 + (double)i / 37);
        assert_true(vgg_probability_read(vgg_probability_write(p, text), &found));
        assert_true(found >= p && found <= p);
    }
    static const char *const none[] = {"",    "1",   "1.0",  ".",   "0.",    "5",  "0.5x",
                                       "-.5", "+.5", "0x.5", "0,5", "0.5 5", "e5", "00.5"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        if (vgg_probability_read(none[i], &found))
            fail_msg("\"%s\" is read as %g", none[i], found);
    }
    assert_true(vgg_probability_read("0", &found) && found <= 0);
    assert_true(vgg_probability_read("0.9999999999999999999", &found) == (found < 1));
}

static void bad_words(void **state) {
    (void)state;
    static const struct {
        const char *arch, *word;
    } cases[] = {
        {"8,c", "\"c\""},
        {"8w", "\"8w\""},
        {"v8", "\"v8\""},
        {"8vs", "\"8vs\""},
        {"c8,D1", "\"D1\""},
        {"8,D", "\"D\""},
        {"8,f8", "\"f8\""},
        {"8/P", "\"P\""},
        {"8/c8", "\"c8\""},
        {"8/8v", "\"8v\""},
        {"8/D", "\"D\""},
        {"8/f", "\"f\""},
        {"0000000000000000000000000000000000000000064",
         "\"000000000000000000000000000000000000...\""},
        {"8,000000000000000000000000000064XYZ", "64XYZ\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vgg_network_options options = net_options(cases[i].arch, 10, 3, 32);
        vgg_network *network;
        vgg_error error;
        assert_int_equal(vgg_network_create(&options, &network, &error), VGG_ERROR_ARGUMENT);
        assert_contains(error.message, cases[i].word);
    }
}

static void plain(void **state) {
    (void)state;
    assert_true(vgg_arch_is_plain("VGG-16"));
    assert_true(vgg_arch_is_plain("8, l,m,1x1:4 / 16"));
    static const char *const rich[] = {"8,P", "c8", "8v", "8s", "8,B", "8/D0.5,4", "8/f4", "8/R,4"};
    for (size_t i = 0; i < sizeof rich / sizeof *rich; i++) {
        assert_false(vgg_arch_is_plain(rich[i]));
    }
}

/* ---- networks ---- */

/* What is built from a structure is what is built from its words. */
static void assert_same_network(const vgg_network *a, const vgg_network *b) {
    assert_int_equal(vgg_network_layer_count(a), vgg_network_layer_count(b));
    for (size_t i = 0; i < vgg_network_layer_count(a); i++) {
        vgg_layer_info one = layer_info(a, i), other = layer_info(b, i);
        assert_int_equal(one.type, other.type);
        assert_string_equal(one.name, other.name);
        assert_int_equal(one.kernel, other.kernel);
        assert_int_equal(one.padding, other.padding);
        assert_memory_equal(one.output, other.output, sizeof one.output);
        assert_int_equal(one.parameters, other.parameters);
    }
}

static void built(void **state) {
    (void)state;
    size_t made = 0;
    for (size_t i = 0; i < 500; i++) {
        vgg_structure s = random_structure();
        vgg_network *network, *again;
        vgg_error error;
        vgg_status status = vgg_network_create_from(&s, 3, 30, 34, &network, &error);
        vgg_structure_free(&s);
        if (status == VGG_ERROR_SHAPE) /* too many pools for the size */
            continue;
        assert_ok(status, error);
        assert_ok(vgg_network_create(vgg_network_describe(network), &again, &error), error);
        assert_same_network(network, again);
        vgg_network_free(network);
        vgg_network_free(again);
        made++;
    }
    assert_true(made > 250);
}

static void names(void **state) {
    (void)state;
    vgg_network_options options = net_options("c8v,R,B,P,D0.1/B,f6,16", 5, 1, 12);
    options.layout = VGG_LAYOUT_GLOBAL_MAX;
    vgg_network *network = make_net(&options);
    static const struct {
        const char *name;
        vgg_layer_type type;
        size_t output[3], parameters;
    } expected[] = {
        {"features.0", VGG_LAYER_CONVOLUTION, {8, 10, 10}, 80},
        {"features.1", VGG_LAYER_RELU, {8, 10, 10}, 0},
        {"features.2", VGG_LAYER_BATCH_NORM, {8, 10, 10}, 16},
        {"features.3", VGG_LAYER_AVERAGE_POOL_2X2, {8, 5, 5}, 0},
        {"features.4", VGG_LAYER_DROPOUT, {8, 5, 5}, 0},
        {"maxpool", VGG_LAYER_GLOBAL_MAX_POOL, {8, 1, 1}, 0},
        {"classifier.0", VGG_LAYER_BATCH_NORM, {8, 1, 1}, 16},
        {"classifier.1", VGG_LAYER_LINEAR, {6, 1, 1}, 54},
        {"classifier.2", VGG_LAYER_LINEAR, {16, 1, 1}, 112},
        {"classifier.3", VGG_LAYER_RELU, {16, 1, 1}, 0},
        {"classifier.4", VGG_LAYER_DROPOUT, {16, 1, 1}, 0},
        {"classifier.5", VGG_LAYER_LINEAR, {5, 1, 1}, 85},
    };
    assert_int_equal(vgg_network_layer_count(network), sizeof expected / sizeof *expected);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        vgg_layer_info info = layer_info(network, i);
        assert_string_equal(info.name, expected[i].name);
        assert_int_equal(info.type, expected[i].type);
        assert_memory_equal(info.output, expected[i].output, sizeof info.output);
        assert_int_equal(info.parameters, expected[i].parameters);
    }
    assert_true(layer_info(network, 4).dropout > 0.09 && layer_info(network, 4).dropout < 0.11);
    vgg_network_free(network);
}

/* ---- what is no structure ---- */

static void expect_refused(vgg_structure *s, const char *text) {
    vgg_network *network;
    vgg_error error;
    assert_int_equal(vgg_network_create_from(s, 3, 32, 32, &network, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, text);
    vgg_structure_free(s);
}

static void out_of_order(void **state) {
    (void)state;
    const vgg_structure_layer linear = {.type = VGG_LAYER_LINEAR, .outputs = 4};
    vgg_structure s = {0};
    expect_refused(&s, "linear layer");
    add_type(&s, VGG_LAYER_RELU, true);
    expect_refused(&s, "linear layer");
    add(&s, linear);
    add_type(&s, VGG_LAYER_MAX_POOL, false);
    add(&s, linear);
    expect_refused(&s, "layer 2, MaxPool2d");
    add_type(&s, VGG_LAYER_GLOBAL_MAX_POOL, false);
    add_type(&s, VGG_LAYER_GLOBAL_AVERAGE_POOL, false);
    add(&s, linear);
    expect_refused(&s, "layer 2, AdaptiveAvgPool2d");
    add_type(&s, VGG_LAYER_MAX_POOL, true);
    add(&s, linear);
    expect_refused(&s, "layer 1, MaxPool2d");
    add(&s, (vgg_structure_layer){.type = VGG_LAYER_CONVOLUTION, .outputs = 4, .kernel = 5});
    add(&s, linear);
    expect_refused(&s, "kernel of 5");
    add(&s, (vgg_structure_layer){.type = VGG_LAYER_LINEAR, .outputs = 70000});
    add(&s, linear);
    expect_refused(&s, "70000 outputs");
    add(&s, (vgg_structure_layer){.type = VGG_LAYER_DROPOUT, .dropout = 1});
    add(&s, linear);
    expect_refused(&s, "dropout of 1");
    for (size_t i = 0; i < VGG_MOST_WORDS; i++) {
        add_type(&s, VGG_LAYER_RELU, false);
    }
    add(&s, linear);
    expect_refused(&s, "513 layers");
}

static void too_small(void **state) {
    (void)state;
    vgg_network_options options = net_options("8,M,8,P,8", 4, 3, 17);
    options.padding = VGG_PADDING_VALID;
    vgg_network *network;
    vgg_error error;
    assert_int_equal(vgg_network_create(&options, &network, &error), VGG_ERROR_SHAPE);
    assert_contains(error.message, "features.6 has 2x2 to convolve without padding");
    assert_contains(error.message, "at least 18");
    options.height = options.width = 18;
    vgg_network_free(make_net(&options));
    options.padding = (vgg_padding)3;
    assert_int_equal(vgg_network_create(&options, &network, &error), VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "same or valid");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),   cmocka_unit_test(simplest_words),
        cmocka_unit_test(words),        cmocka_unit_test(probabilities),
        cmocka_unit_test(bad_words),    cmocka_unit_test(plain),
        cmocka_unit_test(built),        cmocka_unit_test(names),
        cmocka_unit_test(out_of_order), cmocka_unit_test(too_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
