/* vgg summary: the layers of an architecture or a model file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/network_source.h"
#include "cli/options.h"
#include "cli/shared_options.h"
#include "vgg/vgg.h"

typedef struct summary_options {
    vgg_cli_network_source source;
    const char *format;
    size_t batch;
} summary_options;

static bool parse(summary_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option network[VGG_CLI_NETWORK_OPTIONS];
    vgg_cli_network_options(&o->source, network);
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_SIZE,
         .name = "batch",
         .argument = "N",
         .value = &o->batch,
         .minimum = 1,
         .maximum = 1e6,
         .help = "a batch size to print in place of -1, and to count in the memory"},
        vgg_cli_format_option(
            &o->format, "text (the table of torchsummary), or json, which also has multiply-adds"),
    };
    const vgg_cli_group groups[] = {
        {"NETWORK", network, VGG_CLI_NETWORK_OPTIONS},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
    };
    const vgg_cli_usage usage = {
        .command = "summary",
        .summary = "list the layers of a network or a model file",
        .synopsis = "vgg summary [--arch ARCH | MODEL] [options]",
        .description =
            "Prints a row per layer, with the shape of its output and its parameters, "
            "and the memory that one input takes. Weights of 16 or 8 bits count as they "
            "are stored, and the line Params size then says how many values are of "
            "which type. With MODEL, a model file or builtin, its network is listed; --arch, "
            "--layout and --input then say what the file does not.",
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
    vgg_string_free(text);
    return VGG_CLI_OK;
}

int vgg_cli_summary(int argc, char **argv) {
    summary_options o = {.format = vgg_cli_formats[0]};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    if (operands == 1)
        o.source.path = argv[1];
    vgg_cli_network opened;
    status = vgg_cli_network_open("summary", &o.source, &opened);
    if (status != VGG_CLI_OK)
        return status;
    status = print_summary(opened.network, &o);
    vgg_cli_network_close(&opened);
    return status;
}
