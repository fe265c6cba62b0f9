/* Training in micro-batches. */
#include "pictures.h"

#include <math.h>

#include "nets.h"

static void train(vgg_model *model, const vgg_train_options *options) {
    vgg_error error;
    assert_ok(vgg_train(model, train_part, validation_part, options, NULL, &error), error);
}

static void train_usual(bool batch_norm, const vgg_train_options *options) {
    vgg_model *model = usual_model(batch_norm);
    train(model, options);
    vgg_model_free(model);
}

/* ---- micro-batches -------------------------------------------------------------------------- */

static double greatest_difference(const vgg_network *a, const vgg_network *b) {
    double most = 0;
    for (size_t t = 0; t < vgg_network_tensor_count(a); t++)
        for (size_t i = 0; i < tensor_info(a, t).count; i++)
            most = fmax(most, fabs((double)vgg_network_values(a, t)[i] -
                                   (double)vgg_network_values(b, t)[i]));
    return most;
}

static void micro_batches(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 3, 4, 5, 1000};
    vgg_train_options options = usual_training(NULL);
    options.batch = 8; /* the last of an epoch has four */
    vgg_model *whole = make_model("8,M,12,M/16", 10, false, 0.3);
    train(whole, &options);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        vgg_model *parts = make_model("8,M,12,M/16", 10, false, 0.3);
        options.micro_batch = sizes[i];
        options.threads = 1 + i % 3;
        train(parts, &options);
        assert_true(greatest_difference(vgg_model_network(whole), vgg_model_network(parts)) <=
                    1e-4);
        vgg_model_free(parts);
    }
    vgg_model_free(whole);
}

/* With batch normalisation, and parts that would leave one picture alone. */
static void same_bytes_in_micro_batches(void **state) {
    (void)state;
    char name[32], file[64];
    for (size_t threads = 1; threads <= 3; threads++) {
        snprintf(name, sizeof name, "micro-%zu", threads);
        vgg_train_options options = usual_training(in_folder(name));
        options.threads = threads;
        options.micro_batch = 2;
        train_usual(true, &options);
        snprintf(file, sizeof file, "%s/last.safetensors", name);
        assert_same_file(in_folder(file), in_folder("micro-1/last.safetensors"));
    }
}

static bool note_memory(void *user, const vgg_train_event *event) {
    size_t *memory = user;
    if (event->type == VGG_EVENT_PLAN)
        *memory = event->memory;
    return true;
}

/* What a run with batches of 32 says that it takes. */
static size_t memory_for(size_t micro_batch) {
    size_t memory = 0;
    vgg_train_options options = usual_training(NULL);
    options.callback = note_memory;
    options.user = &memory;
    options.epochs = 1;
    options.batch = 32;
    options.micro_batch = micro_batch;
    train_usual(false, &options);
    return memory;
}

static void memory_of_micro_batches(void **state) {
    (void)state;
    assert_true(memory_for(0) == memory_for(32));
    assert_true(memory_for(8) < memory_for(16) && memory_for(16) < memory_for(0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(micro_batches),
        cmocka_unit_test(same_bytes_in_micro_batches),
        cmocka_unit_test(memory_of_micro_batches),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
