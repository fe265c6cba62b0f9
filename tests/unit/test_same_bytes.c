/* Trained models are the same bytes whatever the number of threads and workers is. */
#include "pictures.h"

#include "nets.h"
#include "vgg/plan.h"

#define STEPS_PER_EPOCH 5
#define EPOCHS 10
#define BATCH (TRAIN_PICTURES / STEPS_PER_EPOCH)
#define MICRO_BATCH ((size_t)5) /* so that a step has parts of different sizes */

/* Wide enough for Winograd's algorithm in all three passes of the second convolution, and in
 * bfloat16 for maps of such numbers. */
static vgg_model *wide_model(bool batch_norm, double dropout, vgg_precision precision) {
    const char *arch =
        precision == VGG_PRECISION_BF16 ? "64,64,M,20,1x1:40,M/48,32" : "24,24,M,20,1x1:40,M/48,32";
    return make_model(arch, 10, batch_norm, dropout);
}

static void assert_tiles(vgg_model *model, vgg_precision precision) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = MICRO_BATCH;
    options.precision = precision;
    vgg_plan *plan = NULL;
    vgg_error error;
    assert_ok(vgg_plan_create_training(vgg_model_mutable_network(model), &options, &plan, &error),
              error);
    assert_true(uses_tiles(plan));
    vgg_plan_free(plan);
}

/* Fifty steps, whose files are in the folder afterwards. */
static void train_into(const char *name, bool batch_norm, double dropout, vgg_precision precision,
                       size_t threads, size_t workers) {
    vgg_train_options options = usual_training(in_folder(name));
    options.epochs = EPOCHS;
    options.batch = BATCH;
    options.micro_batch = MICRO_BATCH;
    options.threads = threads;
    options.workers = workers;
    options.precision = precision;
    vgg_model *model = wide_model(batch_norm, dropout, precision);
    assert_tiles(model, precision);
    vgg_error error;
    assert_ok(vgg_train(model, train_part, validation_part, &options, NULL, &error), error);
    vgg_model_free(model);
}

static void assert_same_files(const char *left, const char *right) {
    static const char *const files[] = {"last.safetensors", "best.safetensors",
                                        "state.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char one[64], other[64];
        snprintf(one, sizeof one, "%s/%s", left, files[i]);
        snprintf(other, sizeof other, "%s/%s", right, files[i]);
        assert_same_file(in_folder(one), in_folder(other));
    }
}

static void same_for_any_threads(bool batch_norm, double dropout, vgg_precision precision) {
    static const size_t threads[] = {1, 2, 3, 0}, workers[] = {4, 1, 3, 0};
    char first[32], other[32];
    snprintf(first, sizeof first, "one-%d-%d", batch_norm, (int)precision);
    train_into(first, batch_norm, dropout, precision, 1, 1);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        snprintf(other, sizeof other, "other-%d-%d-%zu", batch_norm, (int)precision, i);
        train_into(other, batch_norm, dropout, precision, threads[i], workers[i]);
        assert_same_files(first, other);
    }
}

static void plain(void **state) {
    (void)state;
    same_for_any_threads(false, 0, VGG_PRECISION_F32);
}

static void with_batch_norm_and_dropout(void **state) {
    (void)state;
    same_for_any_threads(true, 0.5, VGG_PRECISION_F32);
}

static void in_bfloat16(void **state) {
    (void)state;
    same_for_any_threads(true, 0.5, VGG_PRECISION_BF16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(with_batch_norm_and_dropout),
        cmocka_unit_test(in_bfloat16),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
