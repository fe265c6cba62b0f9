#include "cli/convert_int8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/file_progress.h"
#include "cli/message.h"
#include "cli/predict_walk.h"

/* Pictures that are taken, evenly of all that are found. */
#define MOST_PICTURES 128

typedef struct names {
    char **items;
    size_t count, room;
} names;

static void free_names(names *n) {
    for (size_t i = 0; i < n->count; i++) {
        free(n->items[i]);
    }
    free(n->items);
}

static bool add_name(names *n, const char *name) {
    if (n->count == n->room) {
        size_t room = n->room == 0 ? 64 : 2 * n->room;
        char **items = realloc(n->items, room * sizeof *items);
        if (items == NULL)
            return false;
        n->items = items;
        n->room = room;
    }
    n->items[n->count] = strdup(name);
    return n->items[n->count++] != NULL;
}

/* All pictures; what cannot be read is said and ends it. */
static bool find(const char *pictures, names *found) {
    char *operand = (char *)(uintptr_t)pictures;
    vgg_cli_predict_walk walk = {.operands = &operand, .count = 1};
    bool taken = true, good = true;
    const char *name;
    while (taken && good) {
        name = vgg_cli_predict_walk_next(&walk);
        if (name != NULL) {
            taken = add_name(found, name);
        } else if (vgg_cli_predict_walk_paused(&walk)) {
            vgg_cli_predict_walk_complain(&walk, "convert");
            good = walk.unreadable == NULL && walk.empty == NULL;
        } else {
            break;
        }
    }
    vgg_cli_predict_walk_end(&walk);
    if (!taken)
        vgg_cli_complain("convert", "no memory for the names of the pictures of --calibrate");
    return taken && good;
}

/* Reads some of them as inputs of the model; pictures that cannot be decoded are an error. */
static bool read_inputs(const vgg_model *model, const names *found, size_t count, float *inputs) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(model);
    size_t input = preprocess->channels * preprocess->height * preprocess->width;
    for (size_t i = 0; i < count; i++) {
        vgg_image image;
        vgg_error error;
        vgg_status status = vgg_image_load(found->items[i * found->count / count], &image, &error);
        if (status == VGG_OK) {
            status = vgg_preprocess_image(preprocess, &image, inputs + i * input, &error);
            vgg_image_free(&image);
        }
        if (status != VGG_OK) {
            vgg_cli_complain("convert", "--calibrate: %s", error.message);
            return false;
        }
    }
    return true;
}

static void hear(void *user, const char *message) {
    (void)user;
    vgg_cli_complain("convert", "warning: %s", message);
}

/* The logits of IN in float32: (count, classes), which the caller frees; NULL when they could not
 * be had. */
static float *expected_logits(const vgg_network *network, const float *inputs, size_t count,
                              vgg_error *error) {
    const vgg_network_options *of = vgg_network_describe(network);
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.exact = vgg_cli_has_int8(network); /* its convolutions are in float32 then, and slow */
    float *logits = calloc(count, of->classes * sizeof *logits);
    vgg_plan *plan = NULL;
    if (logits == NULL) {
        *error = (vgg_error){.status = VGG_ERROR_MEMORY};
        snprintf(error->message, sizeof error->message, "no memory for the logits of %zu pictures",
                 count);
        return NULL;
    }
    vgg_status status = vgg_plan_create(network, &options, &plan, error);
    size_t input = of->channels * of->height * of->width;
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        status = vgg_plan_forward(plan, inputs + i * input, 1, logits + i * of->classes, error);
    }
    vgg_plan_free(plan);
    if (status == VGG_OK)
        return logits;
    free(logits);
    return NULL;
}

/* Stores weights as OUT has them: those of convolutions but the first as F16, and of linear layers
 * as I8. */
static vgg_status round_weights(vgg_network *network, vgg_error *error) {
    vgg_tensor_info info = {.struct_size = sizeof info};
    vgg_status status = VGG_OK;
    for (size_t i = 1; status == VGG_OK && vgg_network_tensor(network, i, &info, NULL) == VGG_OK;
         i++) {
        if (info.dimensions == 4)
            status = vgg_network_set_tensor_dtype(network, i, "F16", error);
    }
    return status == VGG_OK ? vgg_network_set_dtype(network, "I8", error) : status;
}

static void report(const vgg_calibration *found, bool labels, double max_drop) {
    const char *first = labels ? "label" : "first class";
    printf("int8      %zu convolutions, calibrated on %zu pictures: logits move by %.1f %%; "
           "%zu pictures have another %s, %.1f %% are expected to\n",
           found->convolutions, found->pictures, 100 * found->error, found->changed, first,
           100 * found->drop);
    if (found->drop > max_drop)
        vgg_cli_complain("convert",
                         "warning: %.1f %% of the pictures are expected to have another %s, more "
                         "than --max-drop allows: rounding the weights alone does that",
                         100 * found->drop, first);
}

static bool calibrate(vgg_model *model, const float *inputs, size_t count, double max_drop) {
    vgg_error error;
    vgg_network *network = vgg_model_mutable_network(model);
    float *expected = expected_logits(network, inputs, count, &error);
    vgg_status status = expected == NULL ? error.status : round_weights(network, &error);
    vgg_calibration_options options;
    vgg_calibration_options_init(&options, sizeof options);
    vgg_cli_file_progress progress = vgg_cli_file_progress_begin("calibrating");
    options.max_drop = max_drop;
    options.progress = vgg_cli_file_progress_tell;
    options.progress_user = &progress;
    options.warn = hear;
    options.expected = expected;
    options.several_labels = vgg_model_output(model) == VGG_OUTPUT_SIGMOID;
    vgg_calibration found = {.struct_size = sizeof found};
    if (status == VGG_OK)
        status = vgg_network_calibrate(network, inputs, count, &options, &found, &error);
    vgg_cli_file_progress_end(&progress);
    free(expected);
    if (status == VGG_OK) {
        report(&found, options.several_labels, max_drop);
        return true;
    }
    vgg_cli_complain("convert", "%s", error.message);
    return false;
}

bool vgg_cli_convert_int8(vgg_model *model, const char *pictures, double max_drop) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(model);
    if (preprocess == NULL) {
        vgg_cli_complain("convert", "--calibrate: the model does not say how pictures become its "
                                    "inputs; --preprocess does");
        return false;
    }
    names found = {0};
    bool good = find(pictures, &found);
    if (good && found.count == 0) {
        vgg_cli_complain("convert", "--calibrate: %s: no pictures are there", pictures);
        good = false;
    }
    size_t count = found.count < MOST_PICTURES ? found.count : MOST_PICTURES;
    size_t input = preprocess->channels * preprocess->height * preprocess->width;
    float *inputs = good ? calloc(count, input * sizeof *inputs) : NULL;
    if (good && inputs == NULL)
        vgg_cli_complain("convert", "--calibrate: no memory for %zu pictures", count);
    good = inputs != NULL && read_inputs(model, &found, count, inputs) &&
           calibrate(model, inputs, count, max_drop);
    free(inputs);
    free_names(&found);
    return good;
}

bool vgg_cli_has_int8(const vgg_network *network) {
    vgg_int8_info info = {.struct_size = sizeof info};
    for (size_t i = 0; vgg_network_int8(network, i, &info, NULL) == VGG_OK; i++) {
        if (info.tile > 0)
            return true;
    }
    return false;
}

void vgg_cli_print_int8(const vgg_network *network) {
    bool first = true, direct = false;
    for (size_t i = 0; i < vgg_network_layer_count(network); i++) {
        vgg_layer_info layer = {.struct_size = sizeof layer};
        vgg_int8_info info = {.struct_size = sizeof info};
        if (vgg_network_layer(network, i, &layer, NULL) != VGG_OK ||
            vgg_network_int8(network, i, &info, NULL) != VGG_OK || info.tile == 0)
            continue;
        char how[64] = "directly";
        if (info.tile > 1)
            snprintf(how, sizeof how, "in tiles of %zux%zu", info.tile, info.tile);
        vgg_cli_print_line("%-10s%s %s: moves logits by %.2f %%, %.2f of the time",
                           first ? "in int8" : "", layer.name, how, 100 * info.error, info.cost);
        first = false;
        direct = direct || info.tile == 1;
    }
    if (direct)
        vgg_cli_print_line("          directly is slow without AMX: for processors that have none, "
                           "convert with VGG_CPU=avx512");
}
