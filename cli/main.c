/* The program: a table of subcommands. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/environment.h"
#include "cli/message.h"
#include "cli/signals.h"
#include "vgg/network.h"
#include "vgg/plan.h"
#include "vgg/status.h"

static const vgg_cli_command commands[] = {
    {"train", "train a network on labelled pictures", vgg_cli_train},
    {"eval", "measure a model on labelled pictures", vgg_cli_eval},
    {"score", "report from stored scores of pictures", vgg_cli_score},
    {"report", "write a page about a training", vgg_cli_report},
    {"predict", "say what is in pictures", vgg_cli_predict},
    {"summary", "list the layers of a network or a model file", vgg_cli_summary},
    {"inspect", "say what is in a weight file and what is wrong with it", vgg_cli_inspect},
    {"convert", "write a model file in another format or with smaller weights", vgg_cli_convert},
    {"bench", "measure how fast a network runs here", vgg_cli_bench},
    {"augment", "draw what a network sees in training", vgg_cli_augment},
    {"generate", "draw a data set of pictograms to try things on", vgg_cli_generate},
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static const vgg_cli_command *find_command(const char *name) {
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int unknown_command(const char *name) {
    static const char *const others[] = {"help", "--help", "--version"};
    const char *nearest = NULL;
    size_t best = (size_t)-1;
    for (size_t i = 0; i < COMMAND_COUNT + sizeof others / sizeof others[0]; i++) {
        const char *candidate = i < COMMAND_COUNT ? commands[i].name : others[i - COMMAND_COUNT];
        size_t distance = vgg_cli_distance(name, candidate);
        if (distance < best && vgg_cli_is_slip(name, distance)) {
            best = distance;
            nearest = candidate;
        }
    }
    const char *kind = name[0] == '-' ? "option" : "command";
    if (nearest != NULL)
        vgg_cli_complain(NULL, "unknown %s %s; did you mean vgg %s?", kind, name, nearest);
    else
        vgg_cli_complain(NULL, "unknown %s %s; vgg help lists the commands", kind, name);
    return VGG_CLI_USAGE;
}

static void print_commands(FILE *stream) {
    fprintf(stream, "vgg - VGG networks for image classification\n"
                    "\n"
                    "USAGE\n"
                    "  vgg COMMAND [options]\n"
                    "\n"
                    "COMMANDS\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(stream, "  %-10s%s\n", commands[i].name, commands[i].summary);
    }
    fprintf(stream,
            "\n"
            "  vgg COMMAND --help prints the manual of a command, vgg --version the version.\n"
            "\n"
            "ENVIRONMENT\n"
            "  OMP_NUM_THREADS  the default of --threads\n"
            "  TMPDIR           where compressed archives are unpacked, in place of /tmp\n"
            "  VGG_CPU          the instruction tier to use: ref, portable, avx2 or avx512\n"
            "\n"
            "EXAMPLES\n"
            "  vgg generate pictograms\n"
            "  vgg train pictograms -o run\n"
            "  vgg predict --model run/best.safetensors photo.jpg\n"
            "  vgg summary --arch D\n");
}

/* With the instruction tier, unless VGG_CPU asks for one that there is not. */
static void print_version(void) {
    const char *tier = vgg_cpu_tier();
    if (strcmp(tier, "none") == 0)
        printf("vgg %s\n", vgg_version());
    else
        printf("vgg %s (%s)\n", vgg_version(), tier);
}

static int run(int argc, char **argv) {
    if (argc < 2) {
        print_commands(stderr);
        return VGG_CLI_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        print_version();
        return VGG_CLI_OK;
    }
    if (strcmp(name, "help") == 0 && argc > 2) {
        const vgg_cli_command *command = find_command(argv[2]);
        char *line[] = {argv[2], (char[]){"--help"}, NULL};
        return command != NULL ? command->run(2, line) : unknown_command(argv[2]);
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_commands(stdout);
        return VGG_CLI_OK;
    }
    const vgg_cli_command *command = find_command(name);
    return command != NULL ? command->run(argc - 1, argv + 1) : unknown_command(name);
}

int main(int argc, char **argv) {
    if (!vgg_cli_hold_standard_streams())
        return VGG_CLI_FAILURE;
    /* A file that would grow beyond the limit of the process is an error of writing like others. */
    signal(SIGXFSZ, SIG_IGN);
    /* Only which letters there are; numbers keep their point. */
    setlocale(LC_CTYPE, "");
    const char *command = argc > 1 && find_command(argv[1]) != NULL ? argv[1] : NULL;
    vgg_cli_signals_catch(command);
    return vgg_cli_finish_output(command, run(argc, argv));
}
