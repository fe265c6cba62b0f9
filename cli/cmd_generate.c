/* vgg generate: a data set of pictograms. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "vgg/data.h"

typedef struct generate_options {
    size_t train, validation, size;
    uint64_t seed;
} generate_options;

static bool parse(generate_options *o, int argc, char **argv, size_t *operands, int *status) {
    const vgg_cli_option options[] = {
        {.type = VGG_CLI_SIZE,
         .name = "train",
         .argument = "N",
         .value = &o->train,
         .minimum = 1,
         .maximum = 1e6,
         .help = "training pictures per class"},
        {.type = VGG_CLI_SIZE,
         .name = "validation",
         .argument = "N",
         .value = &o->validation,
         .minimum = 0,
         .maximum = 1e6,
         .help = "validation pictures per class"},
        {.type = VGG_CLI_SIZE,
         .name = "size",
         .argument = "S",
         .value = &o->size,
         .minimum = 16,
         .maximum = 1024,
         .help = "height and width of the pictures"},
        {.type = VGG_CLI_SEED,
         .name = "seed",
         .argument = "K",
         .value = &o->seed,
         .help = "chooses the pictures; the same number gives the same ones"},
    };
    const vgg_cli_group groups[] = {{"OPTIONS", options, sizeof options / sizeof options[0]}};
    const vgg_cli_usage usage = {
        .command = "generate",
        .summary = "draw a data set of pictograms to try things on",
        .synopsis = "vgg generate FOLDER [options]",
        .description = "Draws ten kinds of pictogram (circle, square, triangle, ring, cross, star, "
                       "heart, arrow, moon, house) under random colour, place, size, rotation, "
                       "clutter and noise, and writes them as PNG files, one folder per class, "
                       "under FOLDER/train and FOLDER/validation. FOLDER must be new or empty.",
        .groups = groups,
        .group_count = 1,
        .examples = "vgg generate pictograms\n"
                    "vgg generate pictograms --train 1000 --size 96 --seed 7",
        .operand = "FOLDER",
        .operands_least = 1,
        .operands_most = 1,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

/* Pictures of two makings must not mix. */
static bool is_free(const char *folder) {
    DIR *open = opendir(folder);
    if (open == NULL) {
        if (errno == ENOENT)
            return true;
        vgg_cli_complain("generate", "%s: %s, expected a new or empty folder", folder,
                         strerror(errno));
        return false;
    }
    const struct dirent *entry;
    bool empty = true;
    while (empty && (entry = readdir(open)) != NULL) {
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    }
    closedir(open);
    if (!empty)
        vgg_cli_complain("generate", "%s: is not empty, expected a new or empty folder", folder);
    return empty;
}

static bool show_progress(void *user, size_t done, size_t total) {
    vgg_cli_progress *progress = user;
    if (vgg_cli_progress_due(progress)) {
        char right[2 * VGG_CLI_TEXT_SIZE], count[2][VGG_CLI_TEXT_SIZE];
        snprintf(right, sizeof right, "%s of %s pictures", vgg_cli_count_text(count[0], done),
                 vgg_cli_count_text(count[1], total));
        vgg_cli_progress_draw(progress, "drawing", (double)done / (double)total, right);
    }
    return true;
}

int vgg_cli_generate(int argc, char **argv) {
    generate_options o = {.train = 300, .validation = 50, .size = 64};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    const char *folder = argv[1];
    if (!is_free(folder))
        return VGG_CLI_FAILURE;
    vgg_cli_progress progress = vgg_cli_progress_on(stderr);
    vgg_error error;
    vgg_status written = vgg_pictogram_write(folder, o.train, o.validation, o.size, o.seed,
                                             show_progress, &progress, &error);
    vgg_cli_progress_clear(&progress);
    if (written != VGG_OK) {
        vgg_cli_complain("generate", "%s", error.message);
        return VGG_CLI_FAILURE;
    }
    char *quoted = vgg_cli_shell_quote(folder);
    if (quoted == NULL) {
        vgg_cli_complain("generate", "out of memory for the output");
        return VGG_CLI_FAILURE;
    }
    char count[2][VGG_CLI_TEXT_SIZE];
    vgg_cli_print_line("drew %s training and %s validation pictures: %d classes, %zux%zu, in %s",
                       vgg_cli_count_text(count[0], o.train * VGG_PICTOGRAM_CLASSES),
                       vgg_cli_count_text(count[1], o.validation * VGG_PICTOGRAM_CLASSES),
                       VGG_PICTOGRAM_CLASSES, o.size, o.size, folder);
    vgg_cli_print_command("next: %s train %s", program_invocation_name, quoted);
    free(quoted);
    return VGG_CLI_OK;
}
