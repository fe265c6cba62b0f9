/* vgg summary: the layers of an architecture or a model file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/model_source.h"
#include "cli/options.h"
#include "vgg/vgg.h"

typedef struct summary_options {
    const char *arch, *layout, *format;
    bool batch_norm, batch_norm_given, classes_given;
    size_t classes, batch;
    vgg_cli_input input;
} summary_options;

static bool parse(summary_options *o, int argc, char **argv, size_t *operands, int *status) {
    const vgg_cli_option network[] = {
        {.type = VGG_CLI_TEXT,
         .name = "arch",
         .argument = "ARCH",
         .value = &o->arch,
         .help = "A, A-LRN, B, C, D, E, or written: output channels of 3x3 convolutions, 1x1:N for "
                 "1x1 ones, M for a max-pool, L for local response normalisation, and after a "
                 "slash the hidden linear layers, as in 32,32,M,64,64,M/256",
         .fallback = "D"},
        {.type = VGG_CLI_CHOICE,
         .name = "layout",
         .argument = "LAYOUT",
         .value = &o->layout,
         .choices = vgg_cli_layouts,
         .help = "paper (flatten; Linear, Dropout, ReLU) or torchvision (average-pool to 7x7; "
                 "Linear, ReLU, Dropout)",
         .fallback = "paper"},
        {.type = VGG_CLI_SWITCH,
         .name = "batch-norm",
         .value = &o->batch_norm,
         .given = &o->batch_norm_given,
         .help = "batch normalisation after every convolution",
         .fallback = "off"},
        {.type = VGG_CLI_SIZE,
         .name = "classes",
         .argument = "N",
         .value = &o->classes,
         .given = &o->classes_given,
         .minimum = 1,
         .maximum = 1e6,
         .help = "how many classes there are",
         .fallback = "1000"},
        {.type = VGG_CLI_INPUT,
         .name = "input",
         .argument = "SIZE",
         .value = &o->input,
         .help = "the input's size: CxHxW, HxW or N",
         .fallback = "3x224x224"},
    };
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_SIZE,
         .name = "batch",
         .argument = "N",
         .value = &o->batch,
         .minimum = 1,
         .maximum = 1e6,
         .help = "the batch size to print in place of -1; also counted in the MB"},
        {.type = VGG_CLI_CHOICE,
         .name = "format",
         .argument = "FORMAT",
         .value = &o->format,
         .choices = vgg_cli_formats,
         .help = "text, torchsummary's table, or json, which also has multiply-adds",
         .fallback = "text"},
    };
    const vgg_cli_group groups[] = {
        {"NETWORK", network, sizeof network / sizeof network[0]},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
    };
    const vgg_cli_usage usage = {
        .command = "summary",
        .summary = "list the layers of a network or a model file",
        .synopsis = "vgg summary [--arch ARCH | MODEL] [options]",
        .description = "Prints a row per layer, with the shape of its output and its parameters, "
                       "and the memory that one input takes. With the name of a safetensors file, "
                       "MODEL, its network is listed; --arch, --layout and --input then serve for "
                       "a file that does not say.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .examples = "vgg summary --arch D\n"
                    "vgg summary --arch E --batch-norm --layout torchvision --format json\n"
                    "vgg summary --arch 32,32,M,64,64,M/256 --input 1x28x28 --classes 10\n"
                    "vgg summary run/best.safetensors",
        .operand = "MODEL",
        .operands_most = 1,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

static int print_summary(const vgg_network *network, const summary_options *o) {
    char *text;
    vgg_error error;
    vgg_status status = strcmp(o->format, "json") == 0
                            ? vgg_network_summary_json(network, o->batch, &text, &error)
                            : vgg_network_summary(network, o->batch, &text, &error);
    if (status != VGG_OK) {
        vgg_cli_complain("summary", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    size_t length = strlen(text);
    fputs(text, stdout);
    if (length == 0 || text[length - 1] != '\n')
        putchar('\n');
    free(text);
    return VGG_CLI_OK;
}

static int summarise_arch(const summary_options *o) {
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    if (o->arch != NULL)
        options.arch = o->arch;
    if (o->layout != NULL && strcmp(o->layout, "torchvision") == 0)
        options.layout = VGG_LAYOUT_TORCHVISION;
    options.batch_norm = o->batch_norm;
    options.classes = o->classes;
    if (o->input.height != 0) {
        options.height = o->input.height;
        options.width = o->input.width;
    }
    if (o->input.channels != 0)
        options.channels = o->input.channels;
    vgg_network *network;
    vgg_error error;
    vgg_status made = vgg_network_create(&options, &network, &error);
    if (made != VGG_OK) {
        vgg_cli_complain("summary", "%s", error.message);
        bool usage = made == VGG_ERROR_ARGUMENT || made == VGG_ERROR_SHAPE;
        return usage ? VGG_CLI_USAGE : VGG_CLI_FAILURE;
    }
    int status = print_summary(network, o);
    vgg_network_free(network);
    return status;
}

static bool is_architecture(const char *name) {
    const vgg_architecture *row;
    for (size_t i = 0; (row = vgg_architecture_at(i)) != NULL; i++) {
        if (strcasecmp(row->name, name) == 0)
            return true;
    }
    return false;
}

static int summarise_file(const char *path, const summary_options *o) {
    if (is_architecture(path) && access(path, F_OK) != 0) {
        vgg_cli_complain("summary", "there is no file %s; did you mean --arch %s?", path, path);
        return VGG_CLI_USAGE;
    }
    if (o->batch_norm_given || o->classes_given) {
        vgg_cli_complain("summary", "--%s: cannot be chosen for %s, which has its own",
                         o->classes_given ? "classes" : "batch-norm", path);
        return VGG_CLI_USAGE;
    }
    vgg_model_options options;
    vgg_model_options_init(&options, sizeof options);
    options.arch = o->arch;
    options.layout = o->layout;
    options.height = o->input.height;
    options.width = o->input.width;
    vgg_model *model;
    vgg_error error;
    if (vgg_model_load(path, &options, &model, &error) != VGG_OK) {
        vgg_cli_complain("summary", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    int status = VGG_CLI_FAILURE;
    if (vgg_cli_model_is_usable("summary", path, model))
        status = print_summary(vgg_model_network(model), o);
    vgg_model_free(model);
    return status;
}

int vgg_cli_summary(int argc, char **argv) {
    summary_options o = {.format = "text", .classes = 1000};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    return operands == 1 ? summarise_file(argv[1], &o) : summarise_arch(&o);
}
