/* What a training of `vgg train` begins with: first weights, those of a trained model, and what of
 * them stays as it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/message.h"
#include "cli/model_source.h"
#include "cli/skipped.h"
#include "cli/train.h"

/* Pictures that a first layer is made from. */
#define WHITENED_PICTURES 5000

static int fail(const vgg_error *error) {
    vgg_cli_complain("train", "%s", error->message);
    return VGG_CLI_FAILURE;
}

/* ---- a trained model ---- */

int vgg_cli_train_open_start(vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    if (o->from == NULL)
        return VGG_CLI_OK;
    const struct {
        bool given;
        const char *name;
    } fixed[] = {{o->given.arch, "arch"},
                 {o->given.layout, "layout"},
                 {o->given.batch_norm, "batch-norm"},
                 {o->given.dropout, "dropout"},
                 {o->given.input, "input"},
                 {o->given.init, "init"}};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (fixed[i].given) {
            vgg_cli_complain("train", "--%s: cannot be chosen with --from, whose network it is",
                             fixed[i].name);
            return VGG_CLI_USAGE;
        }
    }
    const vgg_cli_model_source source = {.path = o->from, .preprocess = o->preprocess};
    return vgg_cli_model_open("train", &source, &training->start);
}

/* Whether the data has the classes of the start, in whatever order. */
static bool same_classes(const vgg_cli_training *training) {
    const char *const *names = vgg_model_class_names(training->start);
    size_t count = vgg_network_describe(vgg_model_network(training->start))->classes, found = 0;
    if (names == NULL || vgg_dataset_class_count(training->train) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            found += strcmp(names[i], vgg_dataset_class_name(training->train, j)) == 0;
        }
    }
    return found == count;
}

int vgg_cli_train_take_start(vgg_cli_training *training, const char *const *names) {
    vgg_error error;
    bool several = vgg_dataset_several_labels(training->train);
    if (same_classes(training)) {
        training->model = training->start;
        training->start = NULL;
        /* Again, in the order of the model's classes. */
        vgg_dataset_free(training->train);
        vgg_dataset_free(training->validation);
        training->train = training->validation = NULL;
        vgg_string_free(training->split);
        training->split = NULL;
        if (several && vgg_model_set_output(training->model, VGG_OUTPUT_SIGMOID, &error) != VGG_OK)
            return fail(&error);
        return vgg_cli_train_open_data(training);
    }
    training->new_head = true;
    vgg_status status =
        vgg_model_adapt(training->start, names, vgg_dataset_class_count(training->train),
                        training->options.seed, &training->model, &error);
    if (status == VGG_OK)
        status = vgg_model_set_output(training->model,
                                      several ? VGG_OUTPUT_SIGMOID : VGG_OUTPUT_SOFTMAX, &error);
    return status == VGG_OK ? VGG_CLI_OK : fail(&error);
}

static int take_ends(vgg_cli_training *training) {
    const vgg_cli_model_source source = {.path = training->options.init_from};
    vgg_model *from = NULL;
    int status = vgg_cli_model_load("train", &source, &from);
    if (status != VGG_CLI_OK)
        return status;
    vgg_error error;
    if (vgg_network_take_ends(vgg_model_mutable_network(training->model), vgg_model_network(from),
                              &training->taken, &error) != VGG_OK)
        status = fail(&error);
    else if (training->taken == 0)
        vgg_cli_complain("train",
                         "--init-from: no layer of %s has the shape of one of this "
                         "network",
                         training->options.init_from);
    vgg_model_free(from);
    return training->taken == 0 ? VGG_CLI_FAILURE : status;
}

/* ---- first weights ---- */

int vgg_cli_train_first_weights(vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    bool whiten = strcmp(o->init, "whiten") == 0;
    vgg_cli_skipped skipped = {.command = "train --init whiten", .strict = o->strict};
    vgg_error error;
    vgg_status status = vgg_network_initialise(vgg_model_mutable_network(training->model),
                                               whiten ? "dirac" : o->init, o->seed, &error);
    if (status == VGG_OK && whiten)
        status = vgg_train_whiten(training->model, training->train, WHITENED_PICTURES, o->seed,
                                  vgg_cli_skip, &skipped, &error);
    vgg_cli_skipped_sum(&skipped);
    training->skipped = skipped.count;
    if (status != VGG_OK)
        return fail(&error);
    return o->init_from != NULL ? take_ends(training) : VGG_CLI_OK;
}

/* ---- what is frozen ---- */

/* The number of the layer of that name which has weights; the number of layers: there is none. */
static size_t find_layer(const vgg_network *network, const char *name, size_t length) {
    size_t count = vgg_network_layer_count(network);
    for (size_t l = 0; l < count; l++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        if (vgg_network_layer(network, l, &info, NULL) == VGG_OK && info.tensors > 0 &&
            strlen(info.name) == length && memcmp(info.name, name, length) == 0)
            return l;
    }
    return count;
}

static int freeze_names(vgg_network *network, const char *names) {
    for (const char *name = names; *name != '\0';) {
        size_t length = strcspn(name, ",");
        size_t layer = find_layer(network, name, length);
        if (layer == vgg_network_layer_count(network)) {
            vgg_cli_complain("train",
                             "--freeze: found \"%.*s\", expected a number of blocks or names of "
                             "layers with weights, which vgg summary lists as tensors' first words",
                             (int)length, name);
            return VGG_CLI_USAGE;
        }
        vgg_network_set_trained(network, layer, false, NULL);
        name += length;
        name += *name == ',';
    }
    return VGG_CLI_OK;
}

/* Whether a layer is frozen whose weights are nothing but a beginning. */
static bool freezes_beginnings(const vgg_cli_training *training, const vgg_network *network) {
    bool whitened = strcmp(training->options.init, "whiten") == 0;
    for (size_t l = whitened ? 1 : 0; l < vgg_network_layer_count(network); l++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        if (vgg_network_layer(network, l, &info, NULL) == VGG_OK && info.tensors > 0 &&
            !vgg_network_trained(network, l))
            return true;
    }
    return false;
}

int vgg_cli_train_freeze(vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    vgg_network *network = vgg_model_mutable_network(training->model);
    if (o->freeze == NULL)
        return VGG_CLI_OK;
    vgg_error error;
    char *end;
    unsigned long long blocks = strtoull(o->freeze, &end, 10);
    int status = VGG_CLI_OK;
    if (*end != '\0')
        status = freeze_names(network, o->freeze);
    else if (vgg_network_freeze(network, (size_t)blocks, &error) != VGG_OK) {
        vgg_cli_complain("train", "--freeze: %s", error.message);
        status = VGG_CLI_USAGE;
    }
    if (status == VGG_CLI_OK && !o->resume && o->from == NULL && o->init_from == NULL &&
        freezes_beginnings(training, network)) {
        vgg_cli_complain("train", "--freeze: would leave layers at random weights; give a trained "
                                  "start with --from");
        return VGG_CLI_USAGE;
    }
    return status;
}

size_t vgg_cli_frozen_layers(const vgg_network *network) {
    size_t layer = 0, frozen = 0;
    for (; layer < vgg_network_layer_count(network); layer++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        bool known = vgg_network_layer(network, layer, &info, NULL) == VGG_OK;
        if (!known || (info.tensors > 0 && vgg_network_trained(network, layer)))
            break;
        frozen += info.tensors > 0;
    }
    return frozen > 0 ? layer : 0;
}

void vgg_cli_train_print_start(const vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    if (o->from != NULL && training->new_head)
        vgg_cli_print_line("start     %s; its last layer is new, for %zu classes", o->from,
                           vgg_dataset_class_count(training->train));
    else if (o->from != NULL && !o->resume)
        vgg_cli_print_line("start     %s, which has these classes", o->from);
    if (training->taken > 0)
        vgg_cli_print_line("start     %zu layers of %s", training->taken, o->init_from);
    bool blocks = o->freeze != NULL && strspn(o->freeze, "0123456789") == strlen(o->freeze);
    if (blocks && strcmp(o->freeze, "0") != 0)
        vgg_cli_print_line("frozen    the first %s block%s of convolutions", o->freeze,
                           strcmp(o->freeze, "1") == 0 ? "" : "s");
    else if (o->freeze != NULL && !blocks)
        vgg_cli_print_line("frozen    %s", o->freeze);
}
