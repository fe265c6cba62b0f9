/* Optimisations of a picture: what is refused, structs of other sizes, and going on from a file. */
#include <math.h>

#include "edge.h"
#include "pictures.h"
#include "vgg/style.h"

#define WIDTH ((size_t)20)
#define HEIGHT ((size_t)18)

static vgg_model *model;
static uint8_t content_pixels[3 * WIDTH * HEIGHT], style_pixels[3 * WIDTH * HEIGHT];
static vgg_image content = {.width = WIDTH, .height = HEIGHT, .channels = 3};
static vgg_image wanted = {.width = WIDTH, .height = HEIGHT, .channels = 3};
static const vgg_style_source usual = {&wanted, 1};

static int set_up(void **state) {
    for (size_t i = 0; i < sizeof content_pixels; i++) {
        content_pixels[i] = (uint8_t)(i * 7 % 256);
        style_pixels[i] = (uint8_t)(i * i % 251);
    }
    content.pixels = content_pixels;
    wanted.pixels = style_pixels;
    model = usual_model(false);
    return open_pictures(state);
}

static int tear_down(void **state) {
    vgg_model_free(model);
    return close_pictures(state);
}

static vgg_style_options make_options(void) {
    vgg_style_options options;
    vgg_style_options_init(&options, sizeof options);
    options.content_layer = "relu2_1";
    options.style_layers = "relu1_1,relu2_1";
    return options;
}

static vgg_style *make(const vgg_style_options *options) {
    vgg_style *style = NULL;
    vgg_error error;
    assert_ok(vgg_style_create(model, &content, &usual, 1, options, &style, &error), error);
    return style;
}

static void iterate(vgg_style *style, size_t count) {
    vgg_error error;
    for (size_t i = 0; i < count; i++) {
        assert_ok(vgg_style_iterate(style, &error), error);
    }
}

static vgg_style_state now(const vgg_style *style) {
    vgg_error error;
    vgg_style_state found = {.struct_size = sizeof found};
    assert_ok(vgg_style_now(style, &found, &error), error);
    return found;
}

/* Fails unless both have the same loss and picture. */
static void assert_same(const vgg_style *style, const vgg_style *other) {
    vgg_image left = {0}, right = {0};
    vgg_error error;
    vgg_style_state a = now(style), b = now(other);
    assert_memory_equal(&a, &b, sizeof a);
    assert_ok(vgg_style_picture(style, &left, &error), error);
    assert_ok(vgg_style_picture(other, &right, &error), error);
    assert_int_equal(left.width * left.height * left.channels, sizeof content_pixels);
    assert_memory_equal(left.pixels, right.pixels, sizeof content_pixels);
    vgg_image_free(&left);
    vgg_image_free(&right);
}

static void what_makes_no_sense_is_refused(void **state) {
    (void)state;
    const struct {
        vgg_style_options options;
        vgg_status status;
        const char *says;
    } cases[] = {
        {{.content_weight = -1}, VGG_ERROR_ARGUMENT, "a weight of -1"},
        {{.style_weight = NAN}, VGG_ERROR_ARGUMENT, "a weight of"},
        {{.variation_weight = INFINITY}, VGG_ERROR_ARGUMENT, "a weight of"},
        {{.history = 1001}, VGG_ERROR_ARGUMENT, "a history of 1001"},
        {{.start = (vgg_style_start)9}, VGG_ERROR_ARGUMENT, "start 9"},
        {{.start = VGG_STYLE_START_IMAGE}, VGG_ERROR_ARGUMENT, "is missing"},
        {{.start_image = &wanted}, VGG_ERROR_ARGUMENT, "does not name"},
        {{.style_side = 30001}, VGG_ERROR_ARGUMENT, "a side of 30001"},
        {{.content_layer = "relu9_1"}, VGG_ERROR_NOT_FOUND, "relu9_1"},
        {{.style_layers = "relu1_1,"}, VGG_ERROR_NOT_FOUND, ""},
        {{.content_layer = "fc3"}, VGG_ERROR_ARGUMENT, "expected a layer of maps"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const vgg_style_options *wrong = &cases[i].options;
        vgg_style_options options = make_options();
        options.content_weight += wrong->content_weight;
        options.style_weight += wrong->style_weight;
        options.variation_weight += wrong->variation_weight;
        options.content_weight = wrong->content_weight < 0 ? -1 : options.content_weight;
        options.history = wrong->history > 0 ? wrong->history : options.history;
        options.start = wrong->start;
        options.start_image = wrong->start_image;
        options.style_side = wrong->style_side;
        options.content_layer =
            wrong->content_layer != NULL ? wrong->content_layer : options.content_layer;
        options.style_layers =
            wrong->style_layers != NULL ? wrong->style_layers : options.style_layers;
        vgg_style *style = NULL;
        vgg_error error;
        assert_int_equal(vgg_style_create(model, &content, &usual, 1, &options, &style, &error),
                         cases[i].status);
        assert_contains(error.message, cases[i].says);
        assert_null(style);
    }
}

static void sources_have_pictures_and_weights(void **state) {
    (void)state;
    const vgg_style_source wrong[] = {{&wanted, 0}, {&wanted, -1}, {&wanted, NAN}, {NULL, 1}};
    vgg_style_options options = make_options();
    vgg_style *style = NULL;
    vgg_error error;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(vgg_style_create(model, &content, &wrong[i], 1, &options, &style, &error),
                         VGG_ERROR_ARGUMENT);
        assert_contains(error.message, "picture of style 0");
    }
    assert_int_equal(vgg_style_create(model, &content, NULL, 0, &options, &style, &error),
                     VGG_ERROR_ARGUMENT);
}

static void structs_of_other_sizes(void **state) {
    (void)state;
    const size_t sizes[] = {offsetof(vgg_style_options, content_weight), sizeof(vgg_style_options),
                            sizeof(vgg_style_options) + TAIL};
    size_t nothing = 0, bytes;
    vgg_error error;
    vgg_style *style = NULL;
    for (size_t i = 0; i < 3; i++) {
        unsigned char *bytes_at = edge(sizes[i]);
        vgg_style_options *options = (vgg_style_options *)(void *)bytes_at, known = make_options();
        vgg_style_options_init(options, sizes[i]);
        options->content_layer = known.content_layer;
        options->style_layers = known.style_layers;
        vgg_style_free(make(options));
        unmap(bytes_at, sizes[i]);
    }
    assert_int_equal(vgg_style_create(model, &content, &usual, 1,
                                      (const vgg_style_options *)(const void *)&nothing, &style,
                                      &error),
                     VGG_ERROR_ARGUMENT);
    vgg_style_options options = make_options();
    assert_int_equal(vgg_style_memory(model, &options, &bytes, &error), VGG_ERROR_ARGUMENT);
    options.height = HEIGHT;
    options.width = WIDTH;
    assert_ok(vgg_style_memory(model, &options, &bytes, &error), error);
    assert_true(bytes > 200 * sizeof content_pixels * sizeof(float));
    style = make(&options);
    vgg_style_state found = {.struct_size = 2 * sizeof(size_t), .loss = -1};
    assert_ok(vgg_style_now(style, &found, &error), error);
    assert_true(found.loss < 0); /* beyond the size */
    found.struct_size = 0;
    assert_int_equal(vgg_style_now(style, &found, &error), VGG_ERROR_ARGUMENT);
    vgg_style_free(style);
}

static void losses_fall_alike_on_any_threads(void **state) {
    (void)state;
    vgg_style_options options = make_options();
    options.threads = 1;
    vgg_style *style = make(&options);
    options.threads = 3;
    vgg_style *other = make(&options);
    double first = now(style).loss;
    iterate(style, 15);
    iterate(other, 15);
    assert_same(style, other);
    assert_true(now(style).loss < first / 2);
    vgg_style_free(style);
    vgg_style_free(other);
}

/* A history of 4 is forgotten from within 15 moves. */
static void goes_on_to_the_same_bits(void **state) {
    (void)state;
    const size_t histories[] = {4, 100}, moments[] = {0, 1, 2, 9};
    const char *path = in_folder("style.part");
    vgg_error error;
    for (size_t h = 0; h < 2; h++) {
        vgg_style_options options = make_options();
        options.history = histories[h];
        vgg_style *whole = make(&options);
        iterate(whole, 15);
        for (size_t m = 0; m < sizeof moments / sizeof *moments; m++) {
            size_t found;
            vgg_style *first = make(&options), *second = make(&options);
            iterate(first, moments[m]);
            assert_ok(vgg_style_save(first, path, &error), error);
            vgg_style_free(first);
            assert_ok(vgg_style_saved(path, &found, &error), error);
            assert_int_equal(found, moments[m]);
            iterate(second, 3); /* what it was before is gone */
            assert_ok(vgg_style_resume(second, path, &error), error);
            iterate(second, 15 - moments[m]);
            assert_same(second, whole);
            vgg_style_free(second);
        }
        vgg_style_free(whole);
    }
}

static void files_of_others_are_refused(void **state) {
    (void)state;
    const char *path = in_folder("other.part");
    vgg_style_options options = make_options();
    options.history = 4;
    vgg_error error;
    size_t found;
    vgg_style *style = make(&options);
    iterate(style, 6);
    assert_ok(vgg_style_save(style, path, &error), error);
    vgg_style_state before = now(style);
    options.style_weight = 99;
    vgg_style *other = make(&options);
    double loss = now(other).loss;
    assert_int_equal(vgg_style_resume(other, path, &error), VGG_ERROR_CHANGED);
    assert_true(now(other).iteration == 0 && now(other).loss <= loss && now(other).loss >= loss);
    vgg_style_free(other);
    options = make_options(); /* has a history of 100, while the oldest of 4 is gone */
    other = make(&options);
    assert_int_equal(vgg_style_resume(other, path, &error), VGG_ERROR_CHANGED);
    assert_contains(error.message, "a history of 4");
    vgg_style_free(other);
    assert_ok(vgg_model_save(model, in_folder("model.safetensors"), &error), error);
    assert_int_equal(vgg_style_resume(style, in_folder("model.safetensors"), &error),
                     VGG_ERROR_FORMAT);
    assert_int_equal(vgg_style_saved(in_folder("model.safetensors"), &found, &error),
                     VGG_ERROR_FORMAT);
    assert_contains(error.message, "is not the state of a style");
    vgg_style_state after = now(style);
    assert_memory_equal(&before, &after, sizeof before);
    vgg_style_free(style);
}

/* A history that is smaller than the file's is another one, whatever the file holds. */
static void smaller_histories_are_others(void **state) {
    (void)state;
    const char *path = in_folder("longer.part");
    vgg_style_options options = make_options();
    vgg_error error;
    vgg_style *style = make(&options);
    iterate(style, 9);
    assert_ok(vgg_style_save(style, path, &error), error);
    vgg_style_free(style);
    options.history = 3;
    style = make(&options);
    assert_int_equal(vgg_style_resume(style, path, &error), VGG_ERROR_CHANGED);
    assert_contains(error.message, "a history of 100, expected 3");
    vgg_style_free(style);
}

/* Bytes at `back` from the end of the file, where its last tensor is. */
static void write_near_end(const char *path, long back, const float *values, size_t count) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -back, SEEK_END), 0);
    assert_int_equal(fwrite(values, sizeof *values, count, file), count);
    assert_int_equal(fclose(file), 0);
}

static void damaged_values_are_refused(void **state) {
    (void)state;
    const char *path = in_folder("damaged.part");
    static const float zeros[sizeof content_pixels];
    const float wrong[] = {NAN, INFINITY};
    vgg_style_options options = make_options();
    vgg_error error;
    vgg_style *style = make(&options), *other = make(&options);
    iterate(style, 4);
    for (size_t moves = 0; moves < 2; moves++) { /* the picture alone, and pairs */
        for (size_t i = 0; i < 2; i++) {
            assert_ok(vgg_style_save(moves > 0 ? style : other, path, &error), error);
            write_near_end(path, 40, &wrong[i], 1);
            assert_int_equal(vgg_style_resume(other, path, &error), VGG_ERROR_FORMAT);
            assert_contains(error.message, "not finite");
        }
    }
    assert_ok(vgg_style_save(style, path, &error), error);
    write_near_end(path, sizeof zeros, zeros, sizeof content_pixels);
    assert_int_equal(vgg_style_resume(other, path, &error), VGG_ERROR_FORMAT);
    assert_contains(error.message, "no curvature above 0");
    iterate(other, 4); /* what it was has stayed */
    assert_same(other, style);
    vgg_style_free(style);
    vgg_style_free(other);
}

/* One that has come to its least stays there when it is gone on from. */
static void finished_ones_are_gone_on_from(void **state) {
    (void)state;
    const char *path = in_folder("finished.part");
    vgg_style_options options = make_options();
    options.content_weight = options.style_weight = 0;
    options.variation_weight = 1e-9;
    vgg_error error;
    vgg_style *style = make(&options), *other = make(&options);
    for (size_t i = 0; i < 1000 && !now(style).finished; i++) {
        iterate(style, 1);
    }
    assert_true(now(style).finished && now(style).iteration > 0);
    assert_ok(vgg_style_save(style, path, &error), error);
    assert_ok(vgg_style_resume(other, path, &error), error);
    assert_same(style, other);
    iterate(other, 1);
    assert_same(style, other);
    vgg_style_free(style);
    vgg_style_free(other);
}

/* Where there is nothing to gain, no move is made. */
static void the_least_is_noticed(void **state) {
    (void)state;
    vgg_style_options options = make_options();
    options.style_weight = options.variation_weight = 0;
    vgg_style *style = make(&options);
    iterate(style, 3);
    assert_true(now(style).finished && now(style).iteration == 0);
    vgg_style_free(style);
}

static void starts(void **state) {
    (void)state;
    vgg_style_options options = make_options();
    vgg_image image = {0};
    vgg_error error;
    options.start = VGG_STYLE_START_IMAGE;
    options.start_image = &wanted;
    vgg_style *style = make(&options);
    assert_ok(vgg_style_picture(style, &image, &error), error);
    assert_memory_equal(image.pixels, style_pixels, sizeof style_pixels);
    vgg_image_free(&image);
    assert_true(now(style).style < now(style).content);
    vgg_style_free(style);
    options.start_image = NULL;
    options.start = VGG_STYLE_START_NOISE;
    options.seed = 5;
    style = make(&options);
    vgg_style *same = make(&options);
    options.seed = 6;
    vgg_style *other = make(&options);
    assert_same(style, same);
    assert_true(fabs(now(style).loss - now(other).loss) > 0);
    vgg_style_free(style);
    vgg_style_free(same);
    vgg_style_free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(sources_have_pictures_and_weights),
        cmocka_unit_test(structs_of_other_sizes),
        cmocka_unit_test(losses_fall_alike_on_any_threads),
        cmocka_unit_test(goes_on_to_the_same_bits),
        cmocka_unit_test(files_of_others_are_refused),
        cmocka_unit_test(smaller_histories_are_others),
        cmocka_unit_test(damaged_values_are_refused),
        cmocka_unit_test(finished_ones_are_gone_on_from),
        cmocka_unit_test(the_least_is_noticed),
        cmocka_unit_test(starts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
