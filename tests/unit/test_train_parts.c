/* Training in micro-batches, and of some layers only. */
#include "pictures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- micro-batches ---- */

static double greatest_difference(const vgg_network *a, const vgg_network *b) {
    double most = 0;
    for (size_t t = 0; t < vgg_network_tensor_count(a); t++) {
        for (size_t i = 0; i < tensor_info(a, t).count; i++) {
            most = fmax(most, fabs((double)vgg_network_values(a, t)[i] -
                                   (double)vgg_network_values(b, t)[i]));
        }
    }
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

/* ---- frozen layers ---- */

/* Three blocks, of which two end with a max-pool. */
static vgg_model *blocks_model(void) {
    return make_model("8,8,M,20,M,20/16", 10, true, 0.2);
}

/* Whether a tensor of the first block: two convolutions, each with a batch norm. */
static bool in_first_block(const vgg_network *network, size_t tensor) {
    return atoi(tensor_info(network, tensor).name + strlen("features.")) < 6 &&
           strncmp(tensor_info(network, tensor).name, "features.", 9) == 0;
}

static void frozen_block(void **state) {
    (void)state;
    vgg_train_options options = usual_training(in_folder("frozen"));
    vgg_model *before = blocks_model(), *after = blocks_model();
    options.freeze = 1;
    train(after, &options);
    const vgg_network *old = vgg_model_network(before), *new = vgg_model_network(after);
    for (size_t t = 0; t < vgg_network_tensor_count(old); t++) {
        size_t bytes = tensor_info(old, t).count * sizeof(float);
        bool same = memcmp(vgg_network_values(old, t), vgg_network_values(new, t), bytes) == 0;
        if (same != in_first_block(old, t))
            fail_msg("%s %s", tensor_info(old, t).name, same ? "stays" : "changes");
    }
    vgg_model_free(before);
    vgg_model_free(after);
    for (size_t threads = 2; threads <= 3; threads++) {
        options = usual_training(in_folder("frozen-too"));
        options.freeze = 1;
        options.threads = threads;
        after = blocks_model();
        train(after, &options);
        vgg_model_free(after);
        assert_same_file(in_folder("frozen/last.safetensors"),
                         in_folder("frozen-too/last.safetensors"));
    }
}

static void resumed_frozen(void **state) {
    (void)state;
    vgg_train_options options = usual_training(in_folder("frozen-halves"));
    vgg_model *model = blocks_model();
    options.freeze = 1;
    options.epochs = 1;
    train(model, &options);
    vgg_model_free(model);
    options.epochs = 2;
    options.resume = true;
    options.freeze = 2;
    model = blocks_model();
    vgg_error error = {0};
    assert_int_equal(vgg_train(model, train_part, validation_part, &options, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "checkpoint.txt");
    assert_contains(error.message, "11110000");
    assert_contains(error.message, "11111100");
    options.freeze = 1;
    train(model, &options);
    vgg_model_free(model);
    assert_same_file(in_folder("frozen/last.safetensors"),
                     in_folder("frozen-halves/last.safetensors"));
}

static void nothing_to_train(void **state) {
    (void)state;
    vgg_train_options options = usual_training(NULL);
    vgg_model *model = blocks_model();
    vgg_error error = {0};
    options.freeze = 3;
    assert_int_equal(vgg_train(model, train_part, NULL, &options, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "0 to 2");
    options.freeze = 0;
    vgg_network *network = vgg_model_mutable_network(model);
    for (size_t l = 0; l < vgg_network_layer_count(network); l++) {
        assert_ok(vgg_network_set_trained(network, l, false, &error), error);
    }
    assert_int_equal(vgg_train(model, train_part, NULL, &options, NULL, &error),
                     VGG_ERROR_ARGUMENT);
    assert_contains(error.message, "nothing to train");
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(micro_batches),           cmocka_unit_test(same_bytes_in_micro_batches),
        cmocka_unit_test(memory_of_micro_batches), cmocka_unit_test(frozen_block),
        cmocka_unit_test(resumed_frozen),          cmocka_unit_test(nothing_to_train),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
