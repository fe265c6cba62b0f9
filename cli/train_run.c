/* The folder of a run: taking one in hand, and noting there what it is told. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/data_split.h"
#include "cli/message.h"
#include "cli/train.h"

static int fail(const vgg_error *error) {
    vgg_cli_complain("train", "%s", error->message);
    return VGG_CLI_FAILURE;
}

static int fail_empty(const vgg_cli_train_options *o) {
    vgg_cli_complain("train", "--resume: %s holds no run, expected %s/last.safetensors", o->folder,
                     o->folder);
    return VGG_CLI_FAILURE;
}

/* What the folder holds must be what is asked for. */
static int check_content(const vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    vgg_run_content content = vgg_run_holds(training->run);
    if (o->resume && content == VGG_RUN_NOTHING)
        return fail_empty(o);
    if (o->resume || o->overwrite || o->find_rate || content == VGG_RUN_NOTHING ||
        content == VGG_RUN_BEGUN)
        return VGG_CLI_OK;
    vgg_cli_complain("train",
                     "%s: holds a run already; --resume continues it, --overwrite replaces it, or "
                     "name another folder",
                     o->folder);
    return VGG_CLI_FAILURE;
}

int vgg_cli_train_take_folder(vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    struct stat info;
    vgg_error error;
    if (o->folder == NULL)
        return VGG_CLI_OK;
    bool there = stat(o->folder, &info) == 0;
    if (!there && errno != ENOENT && errno != ENOTDIR) {
        vgg_cli_complain("train", "%s: cannot look at: %s", o->folder, strerror(errno));
        return VGG_CLI_FAILURE;
    }
    if (there && !S_ISDIR(info.st_mode)) {
        vgg_cli_complain("train", "%s: is there already and is not a folder", o->folder);
        return VGG_CLI_FAILURE;
    }
    if (!there)
        return o->resume ? fail_empty(o) : VGG_CLI_OK;
    vgg_run_options options;
    vgg_run_options_init(&options, sizeof options);
    options.read_only = o->dry_run;
    if (vgg_run_open(o->folder, &options, &training->run, &error) != VGG_OK)
        return fail(&error);
    return check_content(training);
}

/* Of two that look for a name at once, one makes the folder, and the other looks on. */
static int make_default(vgg_cli_training *training) {
    char *name = training->default_folder;
    size_t size = sizeof training->default_folder;
    vgg_run_options options;
    vgg_error error;
    vgg_run_options_init(&options, sizeof options);
    options.fresh = true;
    snprintf(name, size, "vgg-run");
    for (unsigned number = 2;; number++) {
        if (access(name, F_OK) != 0) {
            if (vgg_run_open(name, &options, &training->run, &error) == VGG_OK)
                break;
            if (access(name, F_OK) != 0)
                return fail(&error);
        }
        snprintf(name, size, "vgg-run-%u", number);
    }
    training->options.folder = name;
    return VGG_CLI_OK;
}

int vgg_cli_train_make_folder(vgg_cli_training *training) {
    vgg_error error;
    if (training->run != NULL)
        return VGG_CLI_OK;
    if (training->options.folder == NULL)
        return make_default(training);
    if (vgg_run_open(training->options.folder, NULL, &training->run, &error) != VGG_OK)
        return fail(&error);
    return check_content(training); /* somebody may have been faster */
}

/* Of a run that an earlier version began the split is known without. */
static vgg_status note_split(const vgg_cli_training *training, vgg_error *error) {
    if (training->options.resume && vgg_model_note(training->model, VGG_CLI_SPLIT_NOTE) == NULL)
        return VGG_OK;
    const char *split = training->split != NULL ? training->split : "none";
    vgg_status status = vgg_model_set_note(training->model, VGG_CLI_SPLIT_NOTE, split, error);
    if (status == VGG_OK)
        status = vgg_run_set_note(training->run, VGG_CLI_SPLIT_NOTE, split, error);
    return status;
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

static vgg_status note_option(const vgg_cli_training *training, const vgg_cli_option *option,
                              vgg_error *error) {
    char key[VGG_CLI_TEXT_SIZE], buffer[VGG_CLI_VALUE_SIZE];
    snprintf(key, sizeof key, "options.%s", option->name);
    const char *value = noted_value(option, buffer);
    if (value == NULL)
        return VGG_OK;
    vgg_status status = vgg_model_set_note(training->model, key, value, error);
    return status == VGG_OK ? vgg_run_set_note(training->run, key, value, error) : status;
}

int vgg_cli_train_note_options(vgg_cli_training *training) {
    vgg_cli_option options[VGG_CLI_LEARNING_OPTIONS];
    vgg_cli_learning_options(&training->options, options);
    vgg_error error;
    vgg_status status = note_split(training, &error);
    for (size_t i = 0; status == VGG_OK && i < VGG_CLI_LEARNING_OPTIONS; i++) {
        /* What came after version 0.1 is noted where it is used, so that other runs stay its. */
        if (i < VGG_CLI_BASE_OPTIONS || *options[i].given)
            status = note_option(training, &options[i], &error);
    }
    return status == VGG_OK ? VGG_CLI_OK : fail(&error);
}
