/* `vgg train --dry-run`: what a training would take, from a few of its steps. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/message.h"
#include "cli/train.h"

/* Steps that are measured, after one that is not, unless these seconds are over before. */
#define STEPS 4
#define SECONDS 20.0
/* What a picture of the validation part takes of one of training: the forward pass of three. */
#define VALIDATION_SHARE (1.0 / 3)

typedef struct dry_run {
    const vgg_cli_training *training;
    size_t memory, images; /* images: of the steps so far */
    size_t features;       /* bytes of those that would be cached */
} dry_run;

static bool listen(void *user, const vgg_train_event *event) {
    dry_run *run = user;
    if (event->type == VGG_EVENT_PLAN)
        run->memory = event->memory;
    if (event->type == VGG_EVENT_STEP)
        run->images = event->images;
    return true;
}

/* Pictures a second. */
static vgg_status measure(vgg_trainer *trainer, const dry_run *run, double *rate,
                          vgg_error *error) {
    bool more = true;
    double begun = vgg_cli_now();
    vgg_status status = vgg_trainer_step_data(trainer, &more, error);
    /* One batch may be all that there is. */
    *rate = (double)run->images / fmax(vgg_cli_now() - begun, 1e-6);
    size_t before = run->images;
    begun = vgg_cli_now();
    for (size_t step = 0; status == VGG_OK && step < STEPS && vgg_cli_now() - begun < SECONDS;
         step++) {
        status = vgg_trainer_step_data(trainer, &more, error);
        if (status != VGG_OK || !more)
            break;
        *rate = (double)(run->images - before) / fmax(vgg_cli_now() - begun, 1e-6);
    }
    return status;
}

/* Copies of the weights that a checkpoint has on disk: the last ones, and the optimiser's. The best
 * ones are another. */
static size_t files_of(const vgg_cli_train_options *o) {
    size_t files = 2;
    files += o->ema > 0 ? 1 : 0;
    files += o->lookahead > 0 ? 1 : 0;
    return files + (strcmp(o->optimizer, "adamw") == 0 ? 1 : 0);
}

/* With cached features an epoch has no frozen layers, which are computed once for each mirror image
 * and validation picture. The backward pass of a layer takes about twice its forward pass. *once:
 * seconds before the first epoch. */
static double cached_epoch(const vgg_cli_training *training, double epoch, double *once) {
    const vgg_network *network = vgg_model_network(training->model);
    size_t first = vgg_cli_frozen_layers(network);
    double frozen = 0, rest = 0;
    for (size_t l = 0; l < vgg_network_layer_count(network); l++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        if (vgg_network_layer(network, l, &info, NULL) == VGG_OK)
            *(l < first ? &frozen : &rest) += (double)info.multiply_adds;
    }
    double whole = fmax(frozen + 3 * rest, 1);
    size_t passes = strcmp(training->options.mirror, "none") == 0 ? 1 : 2;
    *once = epoch * (double)passes * frozen / whole;
    return epoch * 3 * rest / whole;
}

static void print_time(const vgg_cli_training *training, double epoch, double rate) {
    const vgg_cli_train_options *o = &training->options;
    char text[3][VGG_CLI_TEXT_SIZE];
    double once = 0;
    if (o->cache_features)
        epoch = cached_epoch(training, epoch, &once);
    char features[2 * VGG_CLI_TEXT_SIZE] = "";
    if (o->cache_features)
        snprintf(features, sizeof features, "%s for the features, ",
                 vgg_cli_duration_text(text[1], once));
    vgg_cli_print_line("time      about %s an epoch, %s%s in all, at %.*f images/s measured now%s",
                       vgg_cli_duration_text(text[0], epoch), features,
                       vgg_cli_duration_text(text[2], once + epoch * (double)o->epochs),
                       rate < 10 ? 1 : 0, rate, o->cache_features ? " without them" : "");
}

/* A checkpoint goes when the next one is whole; averages are a best model of their own. */
static void print_disk(const vgg_cli_train_options *o, size_t weights) {
    char kept[VGG_CLI_TEXT_SIZE], most[VGG_CLI_TEXT_SIZE];
    size_t files = files_of(o), bytes = weights * sizeof(float);
    vgg_cli_bytes_text(kept, (files + 1) * bytes);
    vgg_cli_bytes_text(most, (2 * files + 1 + (o->ema > 0 ? 1 : 0)) * bytes);
    vgg_cli_print_line("disk      %s, and %s while one checkpoint replaces another", kept, most);
}

static void print_costs(const dry_run *run, double rate) {
    const vgg_cli_training *training = run->training;
    const vgg_cli_train_options *o = &training->options;
    const vgg_network *network = vgg_model_network(training->model);
    char text[3][VGG_CLI_TEXT_SIZE];
    double pictures = (double)vgg_dataset_count(training->train);
    if (training->validation != NULL)
        pictures += VALIDATION_SHARE * (double)vgg_dataset_count(training->validation);
    double epoch = pictures / rate;
    size_t weights = vgg_network_parameters(network);
    printf("\nwould take\n");
    print_time(training, epoch, rate);
    vgg_cli_print_line("memory    %s, and the pictures that are being read",
                       vgg_cli_bytes_text(text[0], run->memory));
    print_disk(o, weights);
    if (o->cache_features)
        vgg_cli_print_line("features  %s more on the disk while it trains",
                           vgg_cli_bytes_text(text[0], run->features));
    printf("weights   %s parameters\n", vgg_cli_count_text(text[0], weights));
}

/* The size of what would be cached, of a trainer that makes no step and writes nothing. */
static vgg_status measure_features(const vgg_cli_training *training, const vgg_train_options *given,
                                   size_t *bytes, vgg_error *error) {
    vgg_train_options options = *given;
    vgg_trainer *trainer = NULL;
    if (!options.cache_features)
        return VGG_OK;
    options.folder = training->options.folder != NULL ? training->options.folder : "vgg-run";
    vgg_status status = vgg_trainer_create(training->model, training->train, training->validation,
                                           &options, &trainer, error);
    if (status == VGG_OK)
        *bytes = vgg_trainer_feature_bytes(trainer);
    vgg_trainer_free(trainer);
    return status;
}

int vgg_cli_train_dry_run(vgg_cli_training *training) {
    dry_run run = {.training = training};
    vgg_cli_method method;
    vgg_trainer *trainer = NULL;
    vgg_error error;
    double rate = 0;
    vgg_cli_method_fill(&training->options, &method);
    method.training.callback = listen;
    method.training.user = &run;
    vgg_cli_train_print_plan(training);
    vgg_status status = measure_features(training, &method.training, &run.features, &error);
    /* The rate is measured without them, which would have to be computed and written first. */
    method.training.cache_features = false;
    if (status == VGG_OK)
        status = vgg_trainer_create(training->model, training->train, training->validation,
                                    &method.training, &trainer, &error);
    if (status == VGG_OK)
        status = measure(trainer, &run, &rate, &error);
    vgg_trainer_free(trainer);
    if (status != VGG_OK) {
        vgg_cli_complain("train", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    print_costs(&run, rate);
    return VGG_CLI_OK;
}
