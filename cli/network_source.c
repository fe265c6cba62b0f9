#include "cli/network_source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/habits.h"
#include "cli/message.h"
#include "cli/model_source.h"
#include "cli/shared_options.h"

void vgg_cli_network_options(vgg_cli_network_source *source,
                             vgg_cli_option options[VGG_CLI_NETWORK_OPTIONS]) {
    const vgg_cli_option table[VGG_CLI_NETWORK_OPTIONS] = {
        {.type = VGG_CLI_TEXT,
         .name = "arch",
         .argument = "ARCH",
         .value = &source->arch,
         .given = &source->arch_given,
         .help = "A, A-LRN, B, C, D, E (vgg16, vgg16_bn and the like too), or a list: output "
                 "channels of 3x3 convolutions, 1x1:N for "
                 "1x1 convolutions, M for a max-pool, P for an average pool, L for local response "
                 "normalisation, and after a slash the hidden linear layers, as in "
                 "32,32,M,64,64,M/256; on either side B for a batch normalisation, R for a ReLU "
                 "and D0.5 for a dropout where none stands by itself, behind c64, a convolution, "
                 "and f256, a linear layer, that have nothing behind them; 64v is without padding"},
        {.type = VGG_CLI_CHOICE,
         .name = "layout",
         .argument = "LAYOUT",
         .value = &source->layout,
         .given = &source->layout_given,
         .choices = vgg_cli_layouts,
         .help = "paper (flatten; Linear, Dropout, ReLU), torchvision (average-pool to 7x7; "
                 "Linear, ReLU, Dropout), global or global-max (the average or the maximum of each "
                 "channel; Linear, ReLU, Dropout)"},
        {.type = VGG_CLI_CHOICE,
         .name = "padding",
         .argument = "PADDING",
         .value = &source->padding,
         .given = &source->padding_given,
         .choices = vgg_cli_paddings,
         .help = "same (3x3 convolutions keep the size) or valid (they cut off the edges)"},
        {.type = VGG_CLI_SWITCH,
         .name = "batch-norm",
         .value = &source->batch_norm,
         .given = &source->batch_norm_given,
         .help = "batch normalisation after every convolution"},
        {.type = VGG_CLI_SIZE,
         .name = "classes",
         .argument = "N",
         .value = &source->classes,
         .given = &source->classes_given,
         .minimum = 1,
         .maximum = 1e6,
         .help = "how many classes there are"},
        {.type = VGG_CLI_INPUT,
         .name = "input",
         .argument = "SIZE",
         .value = &source->input,
         .given = &source->input_given,
         .help = "the input's size: CxHxW, HxW or N"},
        vgg_cli_state_dict_option(&source->state_dict),
    };
    memcpy(options, table, sizeof table);
    vgg_network_options network;
    vgg_network_options_init(&network, sizeof network);
    *source = (vgg_cli_network_source){
        .arch = network.arch,
        .layout = vgg_layout_name(network.layout),
        .padding = vgg_padding_name(network.padding),
        .batch_norm = network.batch_norm,
        .classes = network.classes,
        .input = {network.channels, network.height, network.width},
    };
}

static int create_network(const char *command, const vgg_cli_network_source *source,
                          vgg_cli_network *opened) {
    vgg_network_options options;
    vgg_network_options_init(&options, sizeof options);
    options.arch = source->arch;
    options.layout = vgg_layout_named(source->layout);
    options.padding = vgg_padding_named(source->padding);
    options.batch_norm = source->batch_norm;
    options.classes = source->classes;
    options.height = source->input.height;
    options.width = source->input.width;
    if (source->input.channels != 0)
        options.channels = source->input.channels;
    vgg_error error;
    vgg_status made = vgg_network_create(&options, &opened->network, &error);
    if (made == VGG_OK)
        return VGG_CLI_OK;
    int status = vgg_cli_fail(command, made, &error);
    return made == VGG_ERROR_SHAPE ? VGG_CLI_USAGE : status;
}

static bool is_architecture(const char *name) {
    bool batch_norm = false;
    const char *known = vgg_cli_arch_name(name, &batch_norm);
    const vgg_architecture *row;
    for (size_t i = 0; (row = vgg_architecture_at(i)) != NULL; i++) {
        if (strcmp(row->name, known) == 0)
            return true;
    }
    return false;
}

/* Whether the command line can be meant for a file. */
static bool check_line(const char *command, const vgg_cli_network_source *source) {
    if (is_architecture(source->path) && access(source->path, F_OK) != 0 &&
        (errno == ENOENT || errno == ENOTDIR)) {
        vgg_cli_complain(command, "there is no file %s; did you mean --arch %s?", source->path,
                         source->path);
        return false;
    }
    if (source->classes_given) {
        vgg_cli_complain(command, "--classes: cannot be chosen for %s, which has its own",
                         source->path);
        return false;
    }
    return true;
}

static int load_model(const char *command, const vgg_cli_network_source *source,
                      vgg_cli_network *opened) {
    if (!check_line(command, source))
        return VGG_CLI_USAGE;
    /* Only what was given is told of a file; the rest it says itself. */
    const vgg_cli_model_source file = {
        .path = source->path,
        .state_dict = source->state_dict,
        .arch = source->arch_given ? source->arch : NULL,
        .layout = source->layout_given ? source->layout : NULL,
        .padding = source->padding_given ? source->padding : NULL,
        .batch_norm = source->batch_norm,
        .batch_norm_given = source->batch_norm_given,
        .input = source->input_given ? source->input : (vgg_cli_input){0},
        .headless = source->headless,
    };
    vgg_model *model;
    int status = vgg_cli_model_load(command, &file, &model);
    if (status != VGG_CLI_OK)
        return status;
    *opened = (vgg_cli_network){.network = vgg_model_mutable_network(model), .model = model};
    return VGG_CLI_OK;
}

int vgg_cli_network_open(const char *command, const vgg_cli_network_source *source,
                         vgg_cli_network *opened) {
    *opened = (vgg_cli_network){0};
    vgg_cli_network_source own = *source;
    own.arch = vgg_cli_arch_name(own.arch, &own.batch_norm);
    own.batch_norm_given = own.batch_norm_given || own.batch_norm != source->batch_norm;
    return own.path != NULL ? load_model(command, &own, opened)
                            : create_network(command, &own, opened);
}

void vgg_cli_network_close(vgg_cli_network *opened) {
    if (opened->model != NULL)
        vgg_model_free(opened->model);
    else
        vgg_network_free(opened->network);
}
