/* The gradients of a step in parts: the tree of their sum, and trainings with it. */
#include "pictures.h"

#include <math.h>

#include "nets.h"
#include "nn/device.h"
#include "plans.h"
#include "train/parts.h"
#include "vgg/loss.h"

#define FLOATS ((size_t)5000) /* more than one chunk */

/* ---- the tree ---- */

/* By its definition: pairs of neighbours, then pairs of those. Consumes the rows. */
static void sum_by_pairs(float (*rows)[FLOATS], size_t count) {
    for (size_t apart = 1; apart < count; apart *= 2) {
        for (size_t i = 0; i + apart < count; i += 2 * apart) {
            for (size_t k = 0; k < FLOATS; k++) {
                rows[i][k] += rows[i + apart][k];
            }
        }
    }
}

static void tree(void **state) {
    (void)state;
    static float rows[20][FLOATS], given[FLOATS];
    vgg_error error;
    vgg_threads *threads = NULL;
    vgg_threads_options options;
    vgg_threads_options_init(&options, sizeof options);
    options.count = 2;
    assert_ok(vgg_threads_create(&options, &threads, &error), error);
    vgg_plan plan = {.device = &vgg_device_cpu, .threads = threads};
    for (size_t parts = 1; parts <= 20; parts++) {
        vgg_part_sums sums;
        assert_ok(vgg_part_sums_create(&sums, &plan, 20, FLOATS, &error), error);
        for (size_t p = 0; p < parts; p++) {
            for (size_t k = 0; k < FLOATS; k++) {
                rows[p][k] = (float)vgg_random_normal(parts, p, k);
            }
            memcpy(given, rows[p], sizeof given);
            vgg_part_sums_add(&sums, given, p, parts);
        }
        sum_by_pairs(rows, parts);
        assert_memory_equal(given, rows[0], sizeof given);
        vgg_part_sums_free(&sums);
    }
    vgg_threads_free(threads);
}

static void memory_of_sums(void **state) {
    (void)state;
    static const size_t levels[] = {0, 0, 1, 2, 2, 3, 3, 3, 3, 4};
    for (size_t parts = 1; parts < sizeof levels / sizeof *levels; parts++) {
        assert_int_equal(vgg_part_sums_bytes(parts, 10), levels[parts] * 10 * sizeof(float));
    }
    assert_int_equal(vgg_part_sums_bytes(3, SIZE_MAX / 4), SIZE_MAX);
    vgg_plan plan = {.device = &vgg_device_cpu};
    vgg_part_sums sums;
    vgg_error error = {0};
    assert_int_equal(vgg_part_sums_create(&sums, &plan, 2, SIZE_MAX / 16, &error),
                     VGG_ERROR_MEMORY);
    vgg_part_sums_free(&sums);
}

/* ---- one step ---- */

#define IMAGES ((size_t)8)
#define PARTS ((size_t)4)
#define INPUT (3 * SIDE * SIDE)

/* With a rate of 1 and nothing else, a step takes the gradient itself off the weights. */
static vgg_train_options plain_step(size_t parts, size_t threads) {
    vgg_train_options options = usual_training(NULL);
    options.batch = IMAGES;
    options.rate = 1;
    options.momentum = 0;
    options.weight_decay = 0;
    options.parts = parts;
    options.threads = threads;
    return options;
}

static void step_once(vgg_model *model, const vgg_train_options *options, const float *inputs,
                      const size_t *classes, double *loss) {
    vgg_trainer *trainer = NULL;
    vgg_error error;
    assert_ok(vgg_trainer_create(model, NULL, NULL, options, &trainer, &error), error);
    assert_ok(vgg_trainer_step(trainer, inputs, classes, IMAGES, loss, &error), error);
    vgg_trainer_free(trainer);
}

/* The gradients of one part alone, in memory of the caller: a row per tensor. */
static void gradients_of_part(vgg_network *network, const float *inputs, const size_t *classes,
                              float **rows) {
    vgg_plan_options options = plan_options(IMAGES / PARTS, 1);
    options.mode = VGG_MODE_TRAIN;
    vgg_plan *plan = make_plan(network, &options);
    float logits[IMAGES / PARTS * 10], gradient[IMAGES / PARTS * 10];
    vgg_error error;
    assert_ok(vgg_plan_forward(plan, inputs, IMAGES / PARTS, logits, &error), error);
    vgg_cross_entropy_part(logits, classes, IMAGES / PARTS, 10, IMAGES, gradient);
    assert_ok(vgg_plan_backward(plan, gradient, NULL, &error), error);
    for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
        size_t count = tensor_info(network, t).count;
        rows[t] = malloc(count * sizeof **rows);
        assert_non_null(rows[t]);
        assert_non_null(vgg_plan_gradient(plan, t));
        memcpy(rows[t], vgg_plan_gradient(plan, t), count * sizeof **rows);
    }
    vgg_plan_free(plan);
}

/* Without zeros, whose sign would depend on that of a gradient of zero. */
static vgg_model *model_with_biases(void) {
    static const char *const names[] = {"features.0.bias", "features.3.bias", "classifier.0.bias",
                                        "classifier.3.bias"};
    vgg_model *model = usual_model(false);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fill_tensor(model, names[i], 0.125f);
    }
    return model;
}

static void sum_of_separate_parts(void **state) {
    (void)state;
    size_t classes[IMAGES];
    float *inputs = random_floats(IMAGES * INPUT, 9);
    for (size_t n = 0; n < IMAGES; n++) {
        classes[n] = n * 7 % 10;
    }
    vgg_model *before = model_with_biases();
    vgg_network *network = vgg_model_mutable_network(before);
    float *rows[PARTS][16];
    assert_true(vgg_network_tensor_count(network) <= 16);
    for (size_t p = 0; p < PARTS; p++) {
        size_t first = p * (IMAGES / PARTS);
        gradients_of_part(network, inputs + first * INPUT, classes + first, rows[p]);
    }
    for (size_t threads = 1; threads <= 3; threads++) {
        vgg_model *after = model_with_biases();
        vgg_train_options options = plain_step(PARTS, threads);
        step_once(after, &options, inputs, classes, NULL);
        for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
            const float *old = vgg_network_values(network, t);
            const float *new = vgg_network_values(vgg_model_network(after), t);
            for (size_t i = 0; i < tensor_info(network, t).count; i++) {
                float sum = (rows[0][t][i] + rows[1][t][i]) + (rows[2][t][i] + rows[3][t][i]);
                float expected = old[i] - sum;
                if (memcmp(&expected, &new[i], sizeof expected) != 0)
                    fail_msg("%s[%zu] is %.9g, expected %.9g", tensor_info(network, t).name, i,
                             (double)new[i], (double)expected);
            }
        }
        vgg_model_free(after);
    }
    for (size_t p = 0; p < PARTS; p++) {
        for (size_t t = 0; t < vgg_network_tensor_count(network); t++) {
            free(rows[p][t]);
        }
    }
    vgg_model_free(before);
    free(inputs);
}

/* Dropout drops what it drops in the whole batch, in whichever part an image is. */
static void same_masks(void **state) {
    (void)state;
    size_t classes[IMAGES] = {0, 1, 2, 3, 4, 5, 6, 7};
    float *inputs = random_floats(IMAGES * INPUT, 12);
    double whole = 0;
    for (size_t parts = 1; parts <= IMAGES; parts++) {
        double loss = 0;
        vgg_model *model = make_model("8,M,12,M/16,16", 10, false, 0.5);
        vgg_train_options options = plain_step(parts, 2);
        step_once(model, &options, inputs, classes, &loss);
        whole = parts == 1 ? loss : whole;
        assert_true(fabs(loss - whole) < 1e-6);
        vgg_model_free(model);
    }
    free(inputs);
}

/* ---- whole trainings ---- */

typedef struct losses {
    double epochs[4];
    size_t count, memory;
} losses;

static bool note(void *user, const vgg_train_event *event) {
    losses *found = user;
    if (event->type == VGG_EVENT_PLAN)
        found->memory = event->memory;
    if (event->type == VGG_EVENT_EPOCH)
        found->epochs[found->count++] = event->loss;
    return true;
}

static losses train(vgg_model *model, vgg_train_options *options) {
    losses found = {0};
    vgg_error error;
    options->callback = note;
    options->user = &found;
    assert_ok(vgg_train(model, train_part, NULL, options, NULL, &error), error);
    return found;
}

/* To rounding, whatever the parts and the micro-batches within them are; the last batch of an epoch
 * has fewer pictures than parts. */
static void equal_to_one_part(void **state) {
    (void)state;
    static const size_t parts[][2] = {{2, 0}, {3, 0}, {4, 0}, {4, 1}, {5, 3}, {8, 0}, {64, 0}};
    vgg_train_options options = usual_training(NULL);
    options.batch = 19; /* 60 pictures: 19, 19, 19, 3 */
    vgg_model *whole = make_model("8,M,12,M/16", 10, false, 0.3);
    losses expected = train(whole, &options);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        vgg_model *model = make_model("8,M,12,M/16", 10, false, 0.3);
        options.parts = parts[i][0];
        options.micro_batch = parts[i][1];
        options.threads = 1 + i % 3;
        losses found = train(model, &options);
        assert_true(fabs(found.epochs[0] - expected.epochs[0]) < 1e-5);
        assert_true(fabs(found.epochs[1] - expected.epochs[1]) < 1e-5);
        vgg_model_free(model);
    }
    vgg_model_free(whole);
}

/* With batch normalisation, no part has a picture alone, and an odd one may be left out. */
static void same_bytes_for_any_threads(void **state) {
    (void)state;
    static const size_t cases[][3] = {{19, 4, 0}, {19, 16, 0}, {19, 4, 2}, {16, 4, 3}, {5, 2, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t threads = 1; threads <= 3; threads++) {
            char name[64], file[128], first[128];
            snprintf(name, sizeof name, "parts-%zu-%zu", i, threads);
            vgg_train_options options = usual_training(in_folder(name));
            options.batch = cases[i][0];
            options.parts = cases[i][1];
            options.micro_batch = cases[i][2];
            options.threads = threads;
            vgg_model *model = usual_model(true);
            train(model, &options);
            vgg_model_free(model);
            snprintf(file, sizeof file, "%s/state.safetensors", name);
            snprintf(first, sizeof first, "parts-%zu-1/state.safetensors", i);
            assert_same_file(in_folder(file), in_folder(first));
        }
    }
}

/* What the parts' gradients take is told. */
static void memory_is_told(void **state) {
    (void)state;
    size_t memory[4] = {0};
    vgg_model *model = usual_model(false);
    size_t values = vgg_network_parameters(vgg_model_network(model));
    vgg_train_options options = usual_training(NULL);
    options.epochs = 1;
    options.batch = 32;
    options.micro_batch = 2; /* the same activations for all */
    for (size_t i = 0; i < 4; i++) {
        options.parts = (size_t)2 << i;
        memory[i] = train(model, &options).memory;
    }
    for (size_t i = 1; i < 4; i++) {
        assert_true(memory[i] - memory[i - 1] >= values * sizeof(float));
        assert_int_equal(memory[i] - memory[i - 1], memory[1] - memory[0]);
    }
    vgg_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree),
        cmocka_unit_test(memory_of_sums),
        cmocka_unit_test(sum_of_separate_parts),
        cmocka_unit_test(same_masks),
        cmocka_unit_test(equal_to_one_part),
        cmocka_unit_test(same_bytes_for_any_threads),
        cmocka_unit_test(memory_is_told),
    };
    return cmocka_run_group_tests(tests, open_pictures, close_pictures);
}
