/* The losses of optimising a picture for content and style, against those that PyTorch's L-BFGS
 * comes to in float64 from the same start. */
#include <math.h>

#include "golden.h"
#include "vgg/style.h"
#include "vgg_test.h"

/* Relative, after each of the iterations: L-BFGS carries rounding errors on. */
#define LOSS_BOUND 0.02
/* At the start, where nothing has been carried on yet. */
#define START_BOUND 1e-5

/* As in make_style_goldens.py. */
#define STYLE_WEIGHT 1
#define STYLES 2
static const double WEIGHTS[STYLES] = {1, 3};
typedef struct style_case {
    const char *name, *content, *styles;
    bool average;
} style_case;
static const style_case CASES[] = {
    {"max", "relu3_2", "relu1_1,relu2_1,relu3_1,relu4_1", false},
    {"average", "relu2_2", "relu1_2,relu3_1", true},
    {"norms", "relu3_1", "relu1_1,relu2_1,relu3_1", false},
};

/* The picture of that name, whose ramp is of these steps. */
static vgg_image make_picture(const vgg_golden_case *item, const char *name,
                              const size_t steps[3]) {
    vgg_image image = {.width = item->width,
                       .height = item->height,
                       .channels = item->channels,
                       .pixels = vgg_golden_alloc(item->channels, item->height * item->width)};
    uint64_t key = vgg_golden_key(item->seed, name);
    for (size_t c = 0; c < image.channels; c++) {
        for (size_t i = 0; i < image.height * image.width; i++) {
            size_t y = i / image.width, x = i % image.width;
            size_t ramp = (steps[0] * y + steps[1] * x + steps[2] * c) % 256;
            size_t noise = vgg_golden_bits(key, c * image.height * image.width + i) >> 16;
            image.pixels[i * image.channels + c] = (uint8_t)((3 * ramp + noise) / 4);
        }
    }
    return image;
}

static vgg_style *make_style(const vgg_golden_case *item, const style_case *row,
                             const vgg_model *model, size_t threads) {
    static const size_t content_steps[] = {5, 3, 40};
    static const size_t style_steps[STYLES][3] = {{16, 1, 90}, {1, 32, 150}};
    static const char *const names[STYLES] = {"style0", "style1"};
    vgg_image content = make_picture(item, "content", content_steps), images[STYLES];
    vgg_style_source sources[STYLES];
    for (size_t i = 0; i < STYLES; i++) {
        images[i] = make_picture(item, names[i], style_steps[i]);
        sources[i] = (vgg_style_source){&images[i], WEIGHTS[i]};
    }
    vgg_style_options options;
    vgg_style_options_init(&options, sizeof options);
    options.content_layer = row->content;
    options.style_layers = row->styles;
    options.style_weight = STYLE_WEIGHT;
    options.average_pools = row->average;
    options.threads = threads;
    vgg_style *style = NULL;
    vgg_error error;
    assert_ok(vgg_style_create(model, &content, sources, STYLES, &options, &style, &error), error);
    for (size_t i = 0; i < STYLES; i++) {
        free(images[i].pixels);
    }
    free(content.pixels);
    return style;
}

static double apart(double value, double expected) {
    double difference = fabs(value - expected) / fabs(expected);
    return isfinite(difference) ? difference : (double)INFINITY;
}

static size_t compare_case(const vgg_golden_set *set, const vgg_golden_case *item,
                           const style_case *row) {
    vgg_model *model = NULL;
    vgg_error error;
    vgg_style_state state = {.struct_size = sizeof state};
    const float *losses = vgg_golden_values(set, item, "losses", item->steps + 1);
    const float *parts = vgg_golden_values(set, item, "parts", 3);
    assert_int_equal(item->steps, 50);
    assert_string_equal(item->name, row->name);
    assert_ok(vgg_model_create(vgg_golden_network(item), NULL, NULL, &model, &error), error);
    vgg_style *style = make_style(item, row, model, 2);
    double start = INFINITY, worst = 0;
    for (size_t step = 0; step <= item->steps; step++) {
        assert_ok(vgg_style_now(style, &state, &error), error);
        assert_int_equal(state.iteration, step);
        double difference = apart(state.loss, (double)losses[step]);
        start = step == 0 ? difference : start;
        worst = fmax(worst, difference);
        if (step < item->steps)
            assert_ok(vgg_style_iterate(style, &error), error);
    }
    double last = fabs(state.content - (double)parts[0]) + fabs(state.style - (double)parts[1]) +
                  fabs(state.variation - (double)parts[2]);
    last /= state.loss;
    vgg_style_free(style);
    vgg_model_free(model);
    print_message("%-10s losses apart by %.1e, first %.1e, parts of the last %.1e\n", item->name,
                  worst, start, last);
    return !(worst <= LOSS_BOUND && last <= LOSS_BOUND && start <= START_BOUND);
}

static void losses_are_those_of_pytorch(void **state) {
    (void)state;
    vgg_golden_set set;
    vgg_golden_open(&set, "style");
    size_t failures = 0;
    assert_int_equal(set.case_count, sizeof CASES / sizeof *CASES);
    for (size_t i = 0; i < set.case_count; i++) {
        failures += compare_case(&set, &set.cases[i], &CASES[i]);
    }
    vgg_golden_close(&set);
    if (failures > 0)
        fail_msg("%zu cases differ from PyTorch's by more than %g", failures, LOSS_BOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_are_those_of_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
