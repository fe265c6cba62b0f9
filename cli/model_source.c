#include "cli/model_source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/habits.h"
#include "cli/message.h"
#include "cli/shared_options.h"
#include "cli/signals.h"

#define MODEL_HELP                                                                                 \
    "the model file, of any format that vgg inspect knows, or the folder of a run, whose "         \
    "best.safetensors it then is, or builtin, which is part of vgg and knows ten "                 \
    "garments; a file of that name is ./builtin"
const char vgg_cli_model_help[] = MODEL_HELP;

#define PREPROCESS_HELP                                                                            \
    "how pictures become inputs: torchvision, caffe (also Keras), paper, unit (0 to 1), signed "   \
    "(-1 to 1), cifar10, cifar100, mnist or clip; "

bool vgg_cli_is_builtin(const char *path) {
    return strcmp(path, VGG_CLI_BUILTIN) == 0;
}

bool vgg_cli_has_builtin(void) {
    const void *bytes;
    size_t size;
    return vgg_builtin_model(&bytes, &size, NULL) == VGG_OK;
}

void vgg_cli_model_options(vgg_cli_model_source *source,
                           vgg_cli_option options[VGG_CLI_MODEL_OPTIONS]) {
    const vgg_cli_option table[VGG_CLI_MODEL_OPTIONS] = {
        {.type = VGG_CLI_TEXT,
         .name = "model",
         .argument = "FILE",
         .value = &source->path,
         .help = MODEL_HELP "; required"},
        {.type = VGG_CLI_CHOICE,
         .name = "preprocess",
         .argument = "PRESET",
         .value = &source->preprocess,
         .choices = vgg_cli_presets,
         .help = source->any_preprocess
                     ? PREPROCESS_HELP "torchvision is taken for a file that does not say"
                     : PREPROCESS_HELP "required, or --mean and its like below, for a file that "
                                       "does not say",
         .fallback = "the file's"},
        {.type = VGG_CLI_TEXT,
         .name = "labels",
         .argument = "NAMES",
         .value = &source->labels,
         .help =
             "a file with one class name per line, or imagenet for the 1,000 names of ILSVRC 2012",
         .fallback = "the file's"},
        {.type = VGG_CLI_TEXT,
         .name = "arch",
         .argument = "ARCH",
         .value = &source->arch,
         .help = "the architecture, for a file that does not say it",
         .fallback = "what names and shapes of tensors show; asked for where several fit"},
        {.type = VGG_CLI_CHOICE,
         .name = "layout",
         .argument = "LAYOUT",
         .value = &source->layout,
         .choices = vgg_cli_layouts,
         .help = "paper, torchvision, global or global-max, for a file that does not say it",
         .fallback = "what fits; asked for where several do"},
        {.type = VGG_CLI_CHOICE,
         .name = "padding",
         .argument = "PADDING",
         .value = &source->padding,
         .choices = vgg_cli_paddings,
         .help = "same or valid, for a file that does not say it",
         .fallback = "what fits; asked for where both do"},
        {.type = VGG_CLI_SWITCH,
         .name = "multi-label",
         .value = &source->multi_label,
         .given = &source->multi_label_given,
         .help =
             "whether a picture may have several of the classes, each with a probability of its "
             "own, for a file that does not say it",
         .fallback = "one class"},
        {.type = VGG_CLI_SIZE,
         .name = "classes",
         .argument = "N",
         .value = &source->classes,
         .minimum = 1,
         .maximum = 1e6,
         .help = "how many classes the model must have; a file with another number is refused",
         .fallback = "any number"},
        {.type = VGG_CLI_SWITCH,
         .name = "batch-norm",
         .value = &source->batch_norm,
         .given = &source->batch_norm_given,
         .help = "whether there is batch normalisation; for Darknet files, which do not say",
         .fallback = "what the file shows"},
        {.type = VGG_CLI_INPUT,
         .name = "input",
         .argument = "SIZE",
         .value = &source->input,
         .help = "the input's size, HxW or N",
         .fallback = "the file's; asked for where it does not show it"},
        vgg_cli_state_dict_option(&source->state_dict),
    };
    memcpy(options, table, sizeof table);
}

/* False, which is complained about, for the state of a training run: it is written as a model is,
 * but holds velocities in place of weights. */
static bool is_usable(const char *command, const char *path, const vgg_model *model) {
    if (vgg_model_note(model, "state.copy") == NULL && vgg_model_note(model, "state.epoch") == NULL)
        return true;
    vgg_cli_complain(
        command,
        "%s: is the state of a training run, not a model; expected best.safetensors or "
        "last.safetensors beside it",
        path);
    return false;
}

/* False, which is complained about, when the model takes other channels than `input` says. */
static bool takes_input(const char *command, const char *path, const vgg_model *model,
                        const vgg_cli_input *input) {
    size_t channels = vgg_network_describe(vgg_model_network(model))->channels;
    if (input->channels == 0 || input->channels == channels)
        return true;
    vgg_cli_complain(command, "--input: found %zu channels, but %s takes %zu", input->channels,
                     path, channels);
    return false;
}

vgg_model_options vgg_cli_model_told(const vgg_cli_model_source *source,
                                     vgg_preprocess_changes *changes) {
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    bool named_norm = false;
    options.arch = vgg_cli_arch_name(source->arch, &named_norm);
    if (named_norm)
        options.batch_norm = VGG_ANSWER_YES;
    options.state_dict = source->state_dict;
    if (source->layout != NULL)
        options.layout = vgg_layout_named(source->layout);
    if (source->padding != NULL)
        options.padding = vgg_padding_named(source->padding);
    if (source->multi_label_given)
        options.output = source->multi_label ? VGG_OUTPUT_SIGMOID : VGG_OUTPUT_SOFTMAX;
    options.preprocess = source->preprocess;
    *changes = vgg_cli_preprocess_changes(&source->pictures);
    options.changes = changes;
    options.labels = source->labels;
    options.height = source->input.height;
    options.width = source->input.width;
    if (source->batch_norm_given)
        options.batch_norm = source->batch_norm ? VGG_ANSWER_YES : VGG_ANSWER_NO;
    options.classes = source->classes;
    options.private_copy = source->private_copy;
    options.without_classifier = source->without_classifier;
    if (source->progress != NULL) {
        options.progress = vgg_cli_file_progress_tell;
        options.progress_user = source->progress;
    }
    return options;
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

const char *vgg_cli_model_file(const char *path) {
    static const char *const files[] = {"best.safetensors", "last.safetensors"};
    static char file[4096]; /* signals may have to name it */
    if (vgg_cli_is_builtin(path) || !is_folder(path))
        return path;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        int length = snprintf(file, sizeof file, "%s/%s", path, files[i]);
        if (length <= 0 || (size_t)length >= sizeof file)
            continue;
        /* Where nobody may look, opening it says so. */
        if (access(file, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR))
            return file;
    }
    return path;
}

bool vgg_cli_model_stat(const char *path, struct stat *found) {
    *found = (struct stat){0};
    return !vgg_cli_is_builtin(path) && stat(vgg_cli_model_file(path), found) == 0;
}

bool vgg_cli_looks_like_model(const char *path) {
    static const char *const endings[] = {".safetensors", ".pth",        ".pt",      ".onnx",
                                          ".h5",          ".keras",      ".hdf5",    ".npz",
                                          ".npy",         ".caffemodel", ".weights", ".ckpt"};
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t own = strlen(endings[i]);
        if (length > own && strcasecmp(path + length - own, endings[i]) == 0)
            return true;
    }
    return is_folder(path) && vgg_cli_model_file(path) != path;
}

bool vgg_cli_model_is_given(const char *command, const vgg_cli_model_source *source,
                            const char *operand) {
    if (source->path != NULL)
        return true;
    bool meant = operand != NULL && vgg_cli_looks_like_model(operand);
    vgg_cli_complain(command, "--model FILE is missing: the model file to use%s%s%s",
                     meant ? "; did you mean --model " : "", meant ? operand : "",
                     meant ? "?" : "");
    return false;
}

static vgg_status load_file(const char *path, const vgg_model_options *options, vgg_model **model,
                            vgg_error *error) {
    const void *bytes;
    size_t size;
    if (!vgg_cli_is_builtin(path))
        return vgg_model_load(path, options, model, error);
    vgg_status status = vgg_builtin_model(&bytes, &size, error);
    return status == VGG_OK
               ? vgg_model_load_memory(bytes, size, VGG_CLI_BUILTIN, options, model, error)
               : status;
}

static int load(const char *command, const vgg_cli_model_source *given, vgg_warning_callback *warn,
                vgg_model **model) {
    vgg_error error;
    vgg_cli_model_source own = *given;
    const vgg_cli_model_source *source = &own;
    own.path = vgg_cli_model_file(given->path);
    vgg_preprocess_changes changes;
    vgg_model_options options = vgg_cli_model_told(source, &changes);
    options.warn = warn;
    options.warn_user = (void *)command;
    vgg_model *loaded;
    vgg_cli_signals_model(source->path);
    vgg_status status = load_file(source->path, &options, &loaded, &error);
    if (source->progress != NULL)
        vgg_cli_file_progress_end(source->progress);
    if (status != VGG_OK) {
        bool headless = source->headless != NULL && status == VGG_ERROR_UNSUPPORTED &&
                        strstr(error.message, "has no classifier") != NULL;
        if (headless)
            *source->headless = true;
        vgg_cli_complain(command, "%s%s", headless ? "note: " : "", error.message);
        return VGG_CLI_FAILURE;
    }
    /* What the library cannot say, because it does not know the names of our options. */
    if (!is_usable(command, source->path, loaded) ||
        !takes_input(command, source->path, loaded, &source->input)) {
        vgg_model_free(loaded);
        return VGG_CLI_FAILURE;
    }
    *model = loaded;
    return VGG_CLI_OK;
}

int vgg_cli_model_load(const char *command, const vgg_cli_model_source *source, vgg_model **model) {
    return load(command, source, NULL, model);
}

int vgg_cli_model_open(const char *command, const vgg_cli_model_source *source, vgg_model **model) {
    if (!vgg_cli_model_is_given(command, source, NULL))
        return VGG_CLI_USAGE;
    vgg_model *loaded;
    int status = load(command, source, vgg_cli_note, &loaded);
    if (status != VGG_CLI_OK)
        return status;
    if (vgg_model_preprocess(loaded) == NULL && !source->any_preprocess) {
        vgg_cli_complain(command,
                         "%s: does not say how pictures become its inputs; give the preprocessing "
                         "that it was trained with: --preprocess torchvision (or caffe, paper, "
                         "unit, signed, cifar10, cifar100, mnist, clip), or --mean and --std",
                         source->path);
        vgg_model_free(loaded);
        return VGG_CLI_FAILURE;
    }
    *model = loaded;
    return VGG_CLI_OK;
}
