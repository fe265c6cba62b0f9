/* What `vgg train` chooses by looking at the data, and what it says about that before it starts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/data_split.h"
#include "cli/environment.h"
#include "cli/message.h"
#include "cli/model_facts.h"
#include "cli/train.h"
#include "cli/wrap.h"

static int fail(const vgg_cli_training *training, const vgg_error *error) {
    vgg_cli_complain(training->command, "%s", error->message);
    return VGG_CLI_FAILURE;
}

/* The same for a network that cannot be. The input's size is the user's word or the data's: an
 * architecture that does not fit the data is no mistake of the command line. */
static int fail_network(const vgg_cli_training *training, vgg_status status,
                        const vgg_error *error) {
    fail(training, error);
    bool usage =
        status == VGG_ERROR_ARGUMENT || (status == VGG_ERROR_SHAPE && training->input_given);
    return usage ? VGG_CLI_USAGE : VGG_CLI_FAILURE;
}

static vgg_status open_parts(const vgg_cli_training *training, vgg_dataset_parts *parts,
                             vgg_error *error) {
    const vgg_cli_train_options *o = &training->options;
    vgg_dataset_options options;
    char split[VGG_CLI_SPLIT_SIZE];
    vgg_dataset_options_init(&options, sizeof options);
    options.validation_split = o->validation_split;
    options.seed = o->seed;
    options.temporary_folder = vgg_cli_temporary_folder();
    options.several_labels = true;
    options.warn = vgg_cli_note;
    options.warn_user = (void *)(uintptr_t)training->command;
    if (training->model != NULL) {
        options.classes = vgg_model_class_names(training->model);
        if (options.classes != NULL)
            options.class_count = vgg_network_describe(vgg_model_network(training->model))->classes;
    }
    /* A run goes on with the pictures that it set aside when it began. */
    if (o->resume && training->model != NULL)
        options.split = vgg_cli_recorded_split(training->model, true, split);
    return vgg_dataset_open_parts(o->data, &options, parts, error);
}

int vgg_cli_train_open_data(vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    vgg_dataset_parts parts = {.struct_size = sizeof parts};
    vgg_error error;
    if (open_parts(training, &parts, &error) != VGG_OK)
        return fail(training, &error);
    training->train = parts.train;
    training->validation = parts.validation;
    training->split = parts.split;
    training->test_pictures = parts.test != NULL ? vgg_dataset_count(parts.test) : 0;
    parts.train = parts.validation = NULL;
    parts.split = NULL;
    vgg_dataset_parts_free(&parts);
    if (training->train == NULL) {
        vgg_cli_complain(training->command,
                         "%s: has no train part, expected train/ or a folder per class", o->data);
        return VGG_CLI_FAILURE;
    }
    training->info.struct_size = sizeof training->info;
    if (vgg_dataset_describe(training->train, &training->info, &error) != VGG_OK)
        return fail(training, &error);
    return VGG_CLI_OK;
}

/* What follows from the number of epochs. */
static void complete_epochs(vgg_cli_train_options *o) {
    if (!o->given.step_epochs)
        o->step_epochs = (o->epochs + 2) / 3;
}

int vgg_cli_train_choose(vgg_cli_training *training) {
    vgg_cli_train_options *o = &training->options;
    if (training->model != NULL) {
        complete_epochs(o);
        return VGG_CLI_OK;
    }
    if (training->start != NULL) {
        const vgg_network_options *own = vgg_network_describe(vgg_model_network(training->start));
        o->input = (vgg_cli_input){own->channels, own->height, own->width};
    }
    vgg_suggestion suggestion = {.struct_size = sizeof suggestion};
    vgg_error error;
    if (vgg_train_suggest(&training->info, o->input.channels, o->input.height, o->input.width,
                          &suggestion, &error) != VGG_OK)
        return fail(training, &error);
    vgg_cli_recipe_choose(o, &suggestion, training->info.pictures);
    complete_epochs(o);
    o->input.channels = suggestion.channels;
    o->input.height = suggestion.height;
    o->input.width = suggestion.width;
    training->resize = suggestion.resize;
    if (o->preprocess == NULL)
        o->preprocess = suggestion.preprocess;
    if (!o->given.flip && !suggestion.flip)
        o->mirror = "none";
    if (!o->given.batch_norm)
        o->batch_norm = o->arch == NULL && suggestion.batch_norm;
    if (!o->given.dropout && o->arch == NULL)
        o->dropout = suggestion.dropout;
    if (!o->given.layout && o->arch == NULL)
        o->layout = vgg_layout_name(suggestion.layout);
    if (o->arch == NULL)
        o->arch = suggestion.arch;
    return VGG_CLI_OK;
}

vgg_status vgg_cli_train_preprocess(const vgg_cli_training *training, vgg_preprocess *preprocess,
                                    vgg_error *error) {
    const vgg_cli_input *input = &training->options.input;
    vgg_status status = vgg_preprocess_preset(training->options.preprocess, input->channels,
                                              input->height, input->width, preprocess, error);
    if (status == VGG_OK && training->resize > 0)
        preprocess->resize = training->resize;
    const vgg_preprocess_changes changes = vgg_cli_preprocess_changes(&training->options.pictures);
    return status == VGG_OK ? vgg_preprocess_change(preprocess, &changes, error) : status;
}

static vgg_status make_network(const vgg_cli_training *training, vgg_network **network,
                               vgg_error *error) {
    const vgg_cli_train_options *o = &training->options;
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = o->arch;
    options.layout = vgg_layout_named(o->layout);
    options.padding = vgg_padding_named(o->padding);
    options.batch_norm = o->batch_norm;
    options.classes = vgg_dataset_class_count(training->train);
    options.channels = o->input.channels;
    options.height = o->input.height;
    options.width = o->input.width;
    options.dropout = o->dropout;
    return vgg_network_create(&options, network, error);
}

/* The names of the data's classes; freed by the caller, NULL when memory ran out. */
static const char **class_names(const vgg_dataset *dataset) {
    size_t count = vgg_dataset_class_count(dataset);
    const char **names = calloc(count, sizeof *names);
    for (size_t i = 0; names != NULL && i < count; i++) {
        names[i] = vgg_dataset_class_name(dataset, i);
    }
    return names;
}

/* A new model with its first weights. */
static int make_new(vgg_cli_training *training, const char *const *names) {
    vgg_error error;
    vgg_network *network = NULL;
    vgg_preprocess preprocess = {.struct_size = sizeof preprocess};
    vgg_status status = vgg_cli_train_preprocess(training, &preprocess, &error);
    if (status == VGG_OK)
        status = make_network(training, &network, &error);
    if (status != VGG_OK)
        return fail_network(training, status, &error);
    status = vgg_model_create(network, &preprocess, names, &training->model, &error);
    if (status != VGG_OK) {
        vgg_network_free(network);
        return fail_network(training, status, &error);
    }
    if (vgg_dataset_several_labels(training->train) &&
        vgg_model_set_output(training->model, VGG_OUTPUT_SIGMOID, &error) != VGG_OK)
        return fail(training, &error);
    return vgg_cli_train_first_weights(training);
}

int vgg_cli_train_make_model(vgg_cli_training *training) {
    const char **names = class_names(training->train);
    if (names == NULL) {
        vgg_cli_complain("train", "out of memory for the names of the classes");
        return VGG_CLI_FAILURE;
    }
    int status = training->start != NULL ? vgg_cli_train_take_start(training, names)
                                         : make_new(training, names);
    free(names);
    return status;
}

size_t vgg_cli_count_labels(const vgg_dataset *dataset, size_t item, size_t *counts) {
    const size_t *labels = NULL;
    size_t found = vgg_dataset_item_classes(dataset, item, &labels);
    for (size_t l = 0; l < found; l++) {
        counts[labels[l]]++;
    }
    return found;
}

static void print_data(const vgg_cli_training *training) {
    const vgg_dataset *train = training->train;
    size_t classes = vgg_dataset_class_count(train), pictures = vgg_dataset_count(train);
    size_t *counts = calloc(classes, sizeof *counts);
    char text[3][VGG_CLI_TEXT_SIZE], test[2 * VGG_CLI_TEXT_SIZE] = "";
    if (training->test_pictures > 0)
        snprintf(test, sizeof test, "; %s test pictures, not used",
                 vgg_cli_count_text(text[0], training->test_pictures));
    vgg_cli_print_line("data      %s (%s): %s training pictures, %s validation pictures%s%s",
                       training->options.data, training->info.kind,
                       vgg_cli_count_text(text[0], pictures),
                       training->validation != NULL
                           ? vgg_cli_count_text(text[1], vgg_dataset_count(training->validation))
                           : "no",
                       training->split != NULL ? ", set aside at random" : "", test);
    if (counts == NULL)
        return;
    size_t least = pictures, most = 0, bare = 0, labels = 0;
    for (size_t i = 0; i < pictures; i++) {
        size_t found = vgg_cli_count_labels(train, i, counts);
        bare += found == 0;
        labels += found;
    }
    for (size_t c = 0; c < classes; c++) {
        least = counts[c] < least ? counts[c] : least;
        most = counts[c] > most ? counts[c] : most;
    }
    free(counts);
    vgg_cli_print_line("classes   %s, with %s%s%s pictures each",
                       vgg_cli_count_text(text[0], classes), vgg_cli_count_text(text[1], least),
                       most != least ? " to " : "",
                       most != least ? vgg_cli_count_text(text[2], most) : "");
    if (vgg_model_output(training->model) == VGG_OUTPUT_SIGMOID)
        vgg_cli_print_line(
            "labels    several of a picture, %.2f on average, %s pictures have none; "
            "each class has a probability of its own",
            (double)labels / (double)(pictures > 0 ? pictures : 1),
            bare > 0 ? vgg_cli_count_text(text[0], bare) : "no");
}

static void print_network(const vgg_cli_training *training) {
    const vgg_network *network = vgg_model_network(training->model);
    const vgg_network_options *options = vgg_network_describe(network);
    const vgg_preprocess *preprocess = vgg_model_preprocess(training->model);
    char count[VGG_CLI_TEXT_SIZE];
    vgg_cli_print_line("network   %s", options->arch);
    vgg_cli_print_line("          %s batch normalisation, layout %s%s",
                       options->batch_norm ? "with" : "without", vgg_layout_name(options->layout),
                       options->padding == VGG_PADDING_VALID ? ", padding valid" : "");
    /* A multiply-add is two floating-point operations. */
    double operations = 2.0 * (double)vgg_network_multiply_adds(network);
    bool giga = operations >= 1e8;
    vgg_cli_print_line("          %s parameters, %.*f %s per picture",
                       vgg_cli_count_text(count, vgg_network_parameters(network)), giga ? 2 : 1,
                       operations / (giga ? 1e9 : 1e6), giga ? "GFLOP" : "MFLOP");
    char fit[VGG_CLI_FIT_SIZE];
    bool told = strcmp(preprocess->name, "custom") == 0;
    vgg_cli_print_line("input     %zux%zux%zu, %s, %s%s", options->channels, options->height,
                       options->width, vgg_cli_fit_text(fit, preprocess),
                       told ? "with the figures given" : "preset ", told ? "" : preprocess->name);
}

/* The views that are on, by name. */
static void print_views(const vgg_cli_train_options *o) {
    char text[512] = "";
    const struct {
        bool on;
        const char *name;
    } views[] = {
        {o->crop && o->resized_crop == 0, "random crop"},
        {o->resized_crop > 0, "random part, resized"},
        {o->scale_jitter > 1 && o->resized_crop == 0, "random scale"},
        {strcmp(o->mirror, "random") == 0, "random flip"},
        {strcmp(o->mirror, "alternate") == 0, "flip every other epoch"},
        {o->translate > 0, "moved"},
        {o->rotate > 0, "turned"},
        {strcmp(o->policy, "none") != 0, "a trivial change"},
        {o->colour > 0, "colours"},
        {o->pca > 0, "colours along ImageNet's"},
        {o->erase > 0, "erased"},
        {o->mixup > 0, "mixup"},
        {o->cutmix > 0, "cutmix"},
    };
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        size_t used = strlen(text);
        if (o->augment && views[i].on)
            snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? ", " : "", views[i].name);
    }
    if (text[0] == '\0')
        snprintf(text, sizeof text, "the centre");
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, "; %s order", o->shuffle ? "random" : "fixed");
    printf("views     ");
    vgg_cli_print_wrapped(text, 10, 10);
}

static void print_method(const vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    char text[4][VGG_CLI_TEXT_SIZE], at_once[VGG_CLI_TEXT_SIZE] = "";
    char schedule[2 * VGG_CLI_TEXT_SIZE] = "";
    if (o->micro_batch > 0 && o->micro_batch < o->batch)
        snprintf(at_once, sizeof at_once, " (%zu at once)", o->micro_batch);
    if (strcmp(o->schedule, "step") == 0)
        snprintf(schedule, sizeof schedule, " (times %s every %zu epoch%s)",
                 vgg_cli_number_text(text[1], o->gamma), o->step_epochs,
                 o->step_epochs == 1 ? "" : "s");
    else if (strcmp(o->schedule, "constant") != 0)
        snprintf(schedule, sizeof schedule, " (%s)", o->schedule);
    char steps[8 * VGG_CLI_TEXT_SIZE], decay[8 * VGG_CLI_TEXT_SIZE];
    snprintf(steps, sizeof steps, "%zu epoch%s in batches of %zu%s, learning rate %s%s,", o->epochs,
             o->epochs == 1 ? "" : "s", o->batch, at_once, vgg_cli_number_text(text[0], o->rate),
             schedule);
    double dropout = vgg_network_describe(vgg_model_network(training->model))->dropout;
    bool rounded = vgg_precision_named(o->computing.precision) != VGG_PRECISION_F32;
    snprintf(decay, sizeof decay, "momentum %s, weight decay %s, dropout %s, seed %llu%s%s",
             vgg_cli_number_text(text[1], o->momentum),
             vgg_cli_number_text(text[2], o->weight_decay), vgg_cli_number_text(text[3], dropout),
             (unsigned long long)o->seed, rounded ? ", in " : "",
             rounded ? o->computing.precision : "");
    /* Two lines where nobody looks; else as many as the terminal takes. */
    if (vgg_cli_is_screen(stdout))
        vgg_cli_print_line("training  %s %s", steps, decay);
    else
        printf("training  %s\n          %s\n", steps, decay);
}

void vgg_cli_train_print_plan(const vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    vgg_cli_recipe_print(o);
    print_data(training);
    print_network(training);
    print_views(o);
    print_method(training);
    vgg_cli_train_print_start(training);
    const char *how = !o->resume ? ""
                      : vgg_run_holds(training->run) == VGG_RUN_BEGUN
                          ? ", begun again: nothing of it was saved"
                          : ", continued";
    /* A dry run has no folder. */
    vgg_cli_print_line("run       %s%s", o->folder != NULL ? o->folder : "vgg-run or the next free",
                       how);
    if (training->changes[0] != '\0')
        vgg_cli_print_line("changed   %s", training->changes);
    fflush(stdout);
}
