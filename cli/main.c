/* The program: a table of subcommands. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/environment.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/wrap.h"
#include "vgg/network.h"
#include "vgg/plan.h"
#include "vgg/status.h"

static const vgg_cli_command commands[] = {
    {"train", "train a network on labelled pictures", vgg_cli_train},
    {"eval", "measure a model on labelled pictures", vgg_cli_eval},
    {"score", "report from stored scores of pictures", vgg_cli_score},
    {"report", "write a page about a training", vgg_cli_report},
    {"predict", "say what is in pictures", vgg_cli_predict},
    {"serve", "say what is in pictures that others send over HTTP", vgg_cli_serve},
    {"explain", "show what in a picture speaks for a class", vgg_cli_explain},
    {"show", "draw filters of a network and what its layers give", vgg_cli_show},
    {"features", "write what layers of a network give for pictures", vgg_cli_features},
    {"distance", "measure how far apart pictures are to a network", vgg_cli_distance},
    {"index", "collect the features of pictures in a file to search in", vgg_cli_index},
    {"search", "find the pictures of an index that look most like others", vgg_cli_search},
    {"duplicates", "group pictures that were made of one another", vgg_cli_duplicates},
    {"style", "paint a picture in the style of others", vgg_cli_style},
    {"probe", "fit a linear classifier to what a layer gives", vgg_cli_probe},
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
        size_t distance = vgg_cli_word_distance(name, candidate);
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

static void print_heading(FILE *stream, const char *text) {
    fprintf(stream, "\n%s%s%s\n", vgg_cli_accent(stream), text, vgg_cli_accent_end(stream));
}

static void print_lines(FILE *stream, const char *const *lines) {
    for (size_t i = 0; lines[i] != NULL; i++) {
        vgg_cli_wrap_line(stream, lines[i]);
    }
}

static void print_commands(FILE *stream) {
    static const char *const variables[] = {
        "  NO_COLOR         set to anything: no colour on a terminal",
        "  OMP_NUM_THREADS  the default of --threads",
        "  TMPDIR           where compressed archives are unpacked, in place of /tmp",
        "  VGG_CPU          the instruction tier to use: ref, portable, avx2, avx512 or amx",
        "  VGG_CUDA_PLUGIN  the file of the plugin for GPUs, in place of libvgg-cuda.so",
        NULL,
    };
    static const char *const examples[] = {
        "  vgg generate pictograms",
        "  vgg train pictograms -o run",
        "  vgg predict --model run/best.safetensors photo.jpg",
        "  vgg summary --arch D",
        NULL,
    };
    vgg_cli_wrap_line(stream, "vgg - VGG networks for image classification");
    print_heading(stream, "USAGE");
    vgg_cli_wrap_line(stream, "  vgg COMMAND [options]");
    print_heading(stream, "COMMANDS");
    int column = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        int width = (int)strlen(commands[i].name) + 2;
        column = width > column ? width : column;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char line[256];
        snprintf(line, sizeof line, "  %-*s%s", column, commands[i].name, commands[i].summary);
        vgg_cli_wrap_line(stream, line);
    }
    fputc('\n', stream);
    vgg_cli_wrap_line(stream,
                      "  vgg COMMAND --help prints the manual of a command, vgg --version the "
                      "version.");
    print_heading(stream, "ENVIRONMENT");
    print_lines(stream, variables);
    print_heading(stream, "EXAMPLES");
    print_lines(stream, examples);
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
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
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
    /* The same zone as without it, in which libarchive tells the time of each file of a zip; but
     * then the C library looks at the zone's file once, and not twice for each of them. */
    setenv("TZ", ":/etc/localtime", 0);
    const char *command = argc > 1 && find_command(argv[1]) != NULL ? argv[1] : NULL;
    vgg_cli_json_begin();
    vgg_cli_signals_catch(command);
    return vgg_cli_finish_output(command, run(argc, argv));
}
