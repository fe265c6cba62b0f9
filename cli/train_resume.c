/* Continuing the run that is in a folder. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/data_split.h"
#include "cli/habits.h"
#include "cli/message.h"
#include "cli/train.h"

/* Options that the place where a run stopped depends on. */
static bool is_fixed(const char *name) {
    static const char *const fixed[] = {
        "batch",  "seed",      "shuffle", "init",     "validation-split",
        "freeze", "optimizer", "ema",     "lookahead"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (strcmp(fixed[i], name) == 0)
            return true;
    }
    return false;
}

/* The flip is noted as the switch that it was. */
static const char *flip_of(const char *note) {
    if (strcmp(note, "true") == 0)
        return "random";
    return strcmp(note, "false") == 0 ? "none" : note;
}

static void note_change(vgg_cli_training *training, const char *name, const char *given,
                        const char *note) {
    size_t used = strlen(training->changes);
    snprintf(training->changes + used, sizeof training->changes - used, "%s--%s %s (was %s)",
             used > 0 ? ", " : "", name, given, note);
}

/* Gives an option the value that the run noted, unless the user gave another. Earlier versions
 * noted it in the model only; what was not used was not noted, and had its default. */
static int take_note(vgg_cli_training *training, const vgg_cli_option *option,
                     const char *fallback) {
    char key[VGG_CLI_TEXT_SIZE], buffer[VGG_CLI_VALUE_SIZE];
    snprintf(key, sizeof key, "options.%s", option->name);
    const char *note = vgg_run_note(training->run, key);
    if (note == NULL)
        note = vgg_model_note(training->model, key);
    if (note == NULL && !*option->given)
        return VGG_CLI_OK;
    if (note == NULL)
        note = fallback != NULL ? fallback : "none";
    if (strcmp(option->name, "flip") == 0)
        note = flip_of(note);
    if (*option->given) {
        const char *given = vgg_cli_option_text(option, buffer);
        if (given == NULL || strcmp(note, given) == 0)
            return VGG_CLI_OK;
        if (!is_fixed(option->name)) {
            note_change(training, option->name, given, note);
            return VGG_CLI_OK;
        }
        vgg_cli_complain("train", "--%s: found %s, but the run in %s has %s, which cannot change",
                         option->name, given, training->options.folder, note);
        return VGG_CLI_FAILURE;
    }
    bool taken = true;
    if (option->type == VGG_CLI_SWITCH)
        *(bool *)option->value = strcmp(note, "true") == 0;
    else
        taken = vgg_cli_option_store(option, note);
    if (!taken) {
        char expected[VGG_CLI_EXPECTED_SIZE];
        vgg_cli_complain("train", "%s: its %s is \"%s\", expected %s", training->options.folder,
                         key, note, vgg_cli_option_expected(option, expected));
        return VGG_CLI_FAILURE;
    }
    /* The value is the run's own: nothing is chosen by looking at the data. */
    *option->given = true;
    return VGG_CLI_OK;
}

/* Whether the network of the run is what the user gave, which is complained about otherwise. */
static bool agrees(const vgg_cli_training *training, const char *option, const char *given,
                   const char *own) {
    if (strcmp(given, own) == 0)
        return true;
    vgg_cli_complain("train",
                     "--%s: found %s, but the network in %s has %s, which cannot change; leave "
                     "it out, or start another run",
                     option, given, training->options.folder, own);
    return false;
}

static const char *yes_or_no(bool answer) {
    return answer ? "on" : "off";
}

/* The input that was given, with the channels of the network when it does not say them. */
static bool agrees_on_input(const vgg_cli_training *training, const vgg_network_options *own) {
    vgg_cli_input given = training->options.input;
    vgg_cli_input theirs = {own->channels, own->height, own->width};
    const vgg_cli_option found = {.type = VGG_CLI_INPUT, .value = &given};
    const vgg_cli_option expected = {.type = VGG_CLI_INPUT, .value = &theirs};
    char text[2][VGG_CLI_VALUE_SIZE];
    if (given.channels == 0)
        given.channels = own->channels;
    return given.height == 0 || agrees(training, "input", vgg_cli_option_text(&found, text[0]),
                                       vgg_cli_option_text(&expected, text[1]));
}

static bool same_pictures(const vgg_preprocess *a, const vgg_preprocess *b) {
    bool same = strcmp(a->name, b->name) == 0 && a->resize == b->resize && a->filter == b->filter &&
                a->fit == b->fit && a->bgr == b->bgr && a->scale == b->scale;
    for (size_t c = 0; c < a->channels; c++) {
        same = same && a->mean[c] == b->mean[c] && a->deviation[c] == b->deviation[c];
    }
    return same;
}

/* The preset and the figures that were given, over what the run has. */
static bool agrees_on_pictures(const vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    const vgg_preprocess_changes changes = vgg_cli_preprocess_changes(&o->pictures);
    const vgg_preprocess *own = vgg_model_preprocess(training->model);
    if (own == NULL || (o->preprocess == NULL && changes.parts == 0))
        return true;
    if (o->preprocess != NULL && changes.parts == 0)
        return agrees(training, "preprocess", o->preprocess, own->name);
    vgg_preprocess given = *own;
    vgg_error error;
    vgg_status status = VGG_OK;
    if (o->preprocess != NULL)
        status = vgg_preprocess_preset(o->preprocess, own->channels, own->height, own->width,
                                       &given, &error);
    given.resize = own->fit == given.fit ? own->resize : given.resize;
    if (status == VGG_OK)
        status = vgg_preprocess_change(&given, &changes, &error);
    if (status != VGG_OK)
        vgg_cli_complain("train", "%s", error.message);
    else if (!same_pictures(&given, own))
        vgg_cli_complain("train",
                         "--resume: what is given of how pictures become inputs is not as in %s, "
                         "which cannot change; leave it out, or start another run",
                         training->options.folder);
    return status == VGG_OK && same_pictures(&given, own);
}

/* The network and the input are the model's; what is given about them must agree. */
static bool check_network(const vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    const vgg_network_options *own = vgg_network_describe(vgg_model_network(training->model));
    char given[VGG_CLI_TEXT_SIZE], dropout[VGG_CLI_TEXT_SIZE];
    bool unused = false;
    const char *arch = vgg_cli_arch_name(own->arch, &unused);
    return (o->arch == NULL || agrees(training, "arch", o->arch, arch)) &&
           (!o->given.layout ||
            agrees(training, "layout", o->layout, vgg_layout_name(own->layout))) &&
           (!o->given.padding ||
            agrees(training, "padding", o->padding, vgg_padding_name(own->padding))) &&
           (!o->given.batch_norm ||
            agrees(training, "batch-norm", yes_or_no(o->batch_norm), yes_or_no(own->batch_norm))) &&
           (!o->given.dropout || agrees(training, "dropout", vgg_cli_number_text(given, o->dropout),
                                        vgg_cli_number_text(dropout, own->dropout))) &&
           agrees_on_input(training, own) && agrees_on_pictures(training);
}

/* The note that the text stands in is written anew. */
static int keep_frozen(vgg_cli_training *training) {
    training->frozen = strdup(training->options.freeze);
    training->options.freeze = training->frozen;
    if (training->frozen != NULL)
        return VGG_CLI_OK;
    vgg_cli_complain("train", "out of memory for the names of frozen layers");
    return VGG_CLI_FAILURE;
}

static int fail(const vgg_error *error) {
    vgg_cli_complain("train", "%s", error->message);
    return VGG_CLI_FAILURE;
}

/* The model of a run of which nothing was saved, with what it would have noted of its data. */
static vgg_status make_model(vgg_cli_training *training, vgg_error *error) {
    const char *split = vgg_run_note(training->run, VGG_CLI_SPLIT_NOTE);
    vgg_status status = vgg_run_model(training->run, &training->model, error);
    if (status == VGG_OK && split != NULL)
        status = vgg_model_set_note(training->model, VGG_CLI_SPLIT_NOTE, split, error);
    return status;
}

static int open_model(vgg_cli_training *training) {
    char path[4096];
    vgg_error error;
    vgg_status status = vgg_run_check(training->run, &error);
    snprintf(path, sizeof path, "%s/last.safetensors", training->options.folder);
    if (status == VGG_OK && vgg_run_holds(training->run) == VGG_RUN_BEGUN)
        status = make_model(training, &error);
    else if (status == VGG_OK)
        status = vgg_model_load(path, NULL, &training->model, &error);
    return status == VGG_OK ? VGG_CLI_OK : fail(&error);
}

int vgg_cli_train_open_run(vgg_cli_training *training) {
    vgg_cli_train_options defaults;
    vgg_cli_option options[VGG_CLI_LEARNING_OPTIONS], unsaid[VGG_CLI_LEARNING_OPTIONS];
    int status = open_model(training);
    if (status == VGG_CLI_OK && !check_network(training))
        status = VGG_CLI_FAILURE;
    vgg_cli_train_defaults(&defaults);
    /* As versions computed that note neither. */
    defaults.computing.device = vgg_device_name(VGG_DEVICE_CPU);
    defaults.computing.precision = vgg_precision_name(VGG_PRECISION_F32);
    vgg_cli_learning_options(&defaults, unsaid);
    vgg_cli_learning_options(&training->options, options);
    for (size_t i = 0; i < VGG_CLI_LEARNING_OPTIONS && status == VGG_CLI_OK; i++) {
        char fallback[VGG_CLI_VALUE_SIZE];
        status = take_note(training, &options[i], vgg_cli_option_text(&unsaid[i], fallback));
    }
    if (status == VGG_CLI_OK && training->options.freeze != NULL)
        status = keep_frozen(training);
    return status;
}
