/* Explaining that the caller ends before it is done, whatever the method. */
#include "edge.h"
#include "nets.h"
#include "pictures.h"
#include "vgg/explain.h"

/* Counts down to the call that says no. */
static bool count_down(void *left) {
    size_t *calls = left;
    return (*calls)-- > 0;
}

static vgg_status explain(const vgg_model *model, vgg_explain_method method, size_t *left,
                          vgg_error *error) {
    uint8_t pixels[3 * SIDE * SIDE] = {0};
    const vgg_image image = {.width = SIDE, .height = SIDE, .channels = 3, .pixels = pixels};
    float map[SIDE * SIDE] = {0};
    vgg_explainer *explainer = NULL;
    vgg_explanation found = {.struct_size = sizeof found};
    vgg_explain_options options;
    vgg_explain_options_init(&options, sizeof options);
    options.method = method;
    options.go_on = count_down;
    options.user = left;
    vgg_status status = vgg_explainer_create(model, &options, &explainer, error);
    if (status == VGG_OK)
        status = vgg_explain_image(explainer, &image, 0, map, &found, error);
    vgg_explainer_free(explainer);
    return status;
}

static void each_method_stops_at_each_call(void **state) {
    (void)state;
    vgg_error error;
    vgg_model *model = usual_model(false);
    for (int method = VGG_EXPLAIN_GRADCAM; method <= VGG_EXPLAIN_OCCLUSION; method++) {
        size_t left = 1000;
        assert_ok(explain(model, (vgg_explain_method)method, &left, &error), error);
        size_t calls = 1000 - left;
        assert_true(calls >= (method > VGG_EXPLAIN_GUIDED ? 3 : 1));
        for (size_t go = 0; go < calls; go++) {
            left = go;
            assert_int_equal(explain(model, (vgg_explain_method)method, &left, &error),
                             VGG_ERROR_STOPPED);
        }
    }
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_method_stops_at_each_call)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
