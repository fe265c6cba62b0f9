/* The folder of a run: choosing one, and continuing the run that is in it. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/data_split.h"
#include "cli/habits.h"
#include "cli/message.h"
#include "cli/train.h"

/* What a run leaves in its folder, beside its log. */
static const char *const model_files[] = {"best.safetensors", "last.safetensors",
                                          "state.safetensors"};
#define MODEL_FILES (sizeof model_files / sizeof model_files[0])

static bool file_in(const char *folder, const char *name, char *path, size_t size) {
    return (size_t)snprintf(path, size, "%s/%s", folder, name) < size && access(path, F_OK) == 0;
}

/* Takes the first of vgg-run, vgg-run-2, ... that is free. */
static void choose_default(vgg_cli_training *training) {
    char *name = training->default_folder;
    size_t size = sizeof training->default_folder;
    snprintf(name, size, "vgg-run");
    for (unsigned number = 2; access(name, F_OK) == 0; number++) {
        snprintf(name, size, "vgg-run-%u", number);
    }
    training->options.folder = name;
}

int vgg_cli_train_choose_folder(vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    char path[4096];
    if (o->folder == NULL) {
        choose_default(training);
        return VGG_CLI_OK;
    }
    struct stat info;
    if (stat(o->folder, &info) == 0 && !S_ISDIR(info.st_mode)) {
        vgg_cli_complain("train", "%s: is there already and is not a folder", o->folder);
        return VGG_CLI_FAILURE;
    }
    for (size_t i = 0; i < MODEL_FILES && !o->resume && !o->overwrite; i++) {
        if (file_in(o->folder, model_files[i], path, sizeof path)) {
            vgg_cli_complain("train",
                             "%s: holds a run already; --resume continues it, --overwrite replaces "
                             "it, or name another folder",
                             o->folder);
            return VGG_CLI_FAILURE;
        }
    }
    return VGG_CLI_OK;
}

void vgg_cli_train_clear_folder(const vgg_cli_training *training) {
    char path[4096];
    for (size_t i = 0; i < MODEL_FILES; i++) {
        /* One that cannot be removed cannot be replaced either, which the training will say. */
        if (file_in(training->options.folder, model_files[i], path, sizeof path))
            unlink(path);
    }
}

static void note_key(const vgg_cli_option *option, char buffer[VGG_CLI_TEXT_SIZE]) {
    snprintf(buffer, VGG_CLI_TEXT_SIZE, "options.%s", option->name);
}

/* Of a run that an earlier version began the split is known without. */
static vgg_status note_split(const vgg_cli_training *training, vgg_error *error) {
    if (training->options.resume && vgg_model_note(training->model, VGG_CLI_SPLIT_NOTE) == NULL)
        return VGG_OK;
    return vgg_model_set_note(training->model, VGG_CLI_SPLIT_NOTE,
                              training->split != NULL ? training->split : "none", error);
}

/* The value as earlier versions note it too: the flip was a switch, and nothing frozen 0 blocks. */
static const char *noted_value(const vgg_cli_option *option, char buffer[VGG_CLI_VALUE_SIZE]) {
    const char *value = vgg_cli_option_text(option, buffer);
    if (value == NULL && strcmp(option->name, "freeze") == 0)
        return "0";
    if (value == NULL || strcmp(option->name, "flip") != 0 || strcmp(value, "alternate") == 0)
        return value;
    return strcmp(value, "random") == 0 ? "true" : "false";
}

int vgg_cli_train_note_options(vgg_cli_training *training) {
    vgg_error unnoted;
    if (note_split(training, &unnoted) != VGG_OK) {
        vgg_cli_complain("train", "%s", unnoted.message);
        return VGG_CLI_FAILURE;
    }
    vgg_cli_option options[VGG_CLI_LEARNING_OPTIONS];
    vgg_cli_learning_options(&training->options, options);
    for (size_t i = 0; i < VGG_CLI_LEARNING_OPTIONS; i++) {
        char key[VGG_CLI_TEXT_SIZE], buffer[VGG_CLI_VALUE_SIZE];
        vgg_error error;
        note_key(&options[i], key);
        const char *value = noted_value(&options[i], buffer);
        /* What came after version 0.1 is noted where it is used, so that other runs stay its. */
        if (i >= VGG_CLI_BASE_OPTIONS && !*options[i].given)
            continue;
        if (value != NULL && vgg_model_set_note(training->model, key, value, &error) != VGG_OK) {
            vgg_cli_complain("train", "%s", error.message);
            return VGG_CLI_FAILURE;
        }
    }
    return VGG_CLI_OK;
}

/* Options that the place where a run stopped depends on. */
static bool is_fixed(const char *name) {
    static const char *const fixed[] = {"batch", "seed", "shuffle", "init", "validation-split",
                                        "freeze"};
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

/* Gives an option the value that the run noted, unless the user gave another. */
static int take_note(const vgg_cli_training *training, const vgg_cli_option *option) {
    char key[VGG_CLI_TEXT_SIZE], buffer[VGG_CLI_VALUE_SIZE];
    note_key(option, key);
    const char *note = vgg_model_note(training->model, key);
    if (note == NULL)
        return VGG_CLI_OK;
    if (strcmp(option->name, "flip") == 0)
        note = flip_of(note);
    if (*option->given) {
        const char *given = vgg_cli_option_text(option, buffer);
        if (!is_fixed(option->name) || strcmp(note, given) == 0)
            return VGG_CLI_OK;
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
        vgg_cli_complain("train", "%s/last.safetensors: its %s is \"%s\", expected %s",
                         training->options.folder, key, note,
                         vgg_cli_option_expected(option, expected));
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

int vgg_cli_train_open_run(vgg_cli_training *training) {
    const char *folder = training->options.folder;
    char path[4096];
    if (!file_in(folder, "last.safetensors", path, sizeof path)) {
        vgg_cli_complain("train", "--resume: %s holds no run, expected %s", folder, path);
        return VGG_CLI_FAILURE;
    }
    vgg_error error;
    if (vgg_model_load(path, NULL, &training->model, &error) != VGG_OK) {
        vgg_cli_complain("train", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    vgg_cli_option options[VGG_CLI_LEARNING_OPTIONS];
    vgg_cli_learning_options(&training->options, options);
    int status = check_network(training) ? VGG_CLI_OK : VGG_CLI_FAILURE;
    for (size_t i = 0; i < VGG_CLI_LEARNING_OPTIONS && status == VGG_CLI_OK; i++) {
        status = take_note(training, &options[i]);
    }
    if (status == VGG_CLI_OK && training->options.freeze != NULL)
        status = keep_frozen(training);
    return status;
}
