/* The model in the box. */
#include <stdint.h>
#include <stdlib.h>

#include "model_files.h"

#include "vgg/inspect.h"
#include "vgg/plan.h"

static void the_box_opens(void **state) {
    (void)state;
    vgg_error error;
    const void *bytes = NULL, *again = NULL;
    size_t size = 0, same = 0;
    assert_ok(vgg_builtin_model(&bytes, &size, &error), error);
    assert_ok(vgg_builtin_model(&again, &same, NULL), error);
    assert_ptr_equal(again, bytes);
    assert_int_equal(same, size);
    assert_int_equal((uintptr_t)bytes % 64, 0);
    vgg_model *model;
    assert_ok(vgg_model_load_memory(bytes, size, "builtin", NULL, &model, &error), error);
    assert_non_null(vgg_model_preprocess(model));
    assert_non_null(vgg_model_class_names(model));
    vgg_plan *plan;
    assert_ok(vgg_plan_create(vgg_model_network(model), NULL, &plan, &error), error);
    vgg_plan_free(plan);
    vgg_model_free(model);
    vgg_inspection *inspection;
    assert_ok(vgg_inspect_memory(bytes, size, "builtin", NULL, &inspection, &error), error);
    assert_int_equal(vgg_inspection_problem_count(inspection), 0);
    vgg_inspection_free(inspection);
}

/* The box's bytes are constants: whoever changes a weight has a copy of it. */
static void the_box_is_not_written_to(void **state) {
    (void)state;
    vgg_error error;
    const void *bytes = NULL;
    size_t size = 0;
    assert_ok(vgg_builtin_model(&bytes, &size, &error), error);
    vgg_model *model;
    assert_ok(vgg_model_load_memory(bytes, size, NULL, NULL, &model, &error), error);
    vgg_network *network = vgg_model_mutable_network(model);
    assert_ok(vgg_network_initialise(network, "glorot", 5, &error), error);
    vgg_tensor_info info = {.struct_size = sizeof info};
    assert_ok(vgg_network_tensor(network, 0, &info, &error), error);
    float *drawn = malloc(info.count * sizeof *drawn), *boxed = malloc(info.count * sizeof *boxed);
    assert_true(drawn != NULL && boxed != NULL);
    assert_ok(vgg_network_copy_values(network, 0, drawn, info.count, &error), error);
    vgg_model_free(model);
    assert_ok(vgg_model_load_memory(bytes, size, NULL, NULL, &model, &error), error);
    network = vgg_model_mutable_network(model);
    assert_ok(vgg_network_copy_values(network, 0, boxed, info.count, &error), error);
    assert_memory_not_equal(drawn, boxed, info.count * sizeof *drawn);
    free(drawn);
    free(boxed);
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_box_opens),
        cmocka_unit_test(the_box_is_not_written_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
