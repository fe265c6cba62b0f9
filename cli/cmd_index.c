/* vgg index: the features of the pictures of folders, for vgg search. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/index_update.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/unnamed_model.h"
#include "vgg/vgg.h"

typedef struct index_options {
    vgg_cli_model_source source;
    vgg_cli_index_request request;
} index_options;

static bool parse(index_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_option rows[VGG_CLI_INDEX_ROW_OPTIONS];
    vgg_cli_option running[VGG_CLI_INDEX_RUN_OPTIONS];
    vgg_cli_unnamed_model_options(&o->source, model);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    vgg_cli_index_row_options(&o->request, rows);
    vgg_cli_index_run_options(&o->request, running);
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_TEXT,
         .letter = 'o',
         .name = "out",
         .argument = "INDEX",
         .value = &o->request.path,
         .help = "the file; where it is there, it is brought up to date"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &o->request.overwrite,
         .help = "begin anew where INDEX, or what an ended run left of it, is there"},
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, VGG_CLI_MODEL_OPTIONS},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
        {"ROWS", rows, VGG_CLI_INDEX_ROW_OPTIONS},
        {"OUTPUT", output, sizeof output / sizeof output[0]},
        {"RUNNING", running, VGG_CLI_INDEX_RUN_OPTIONS},
    };
    const vgg_cli_usage usage = {
        .command = "index",
        .summary = "collect the features of pictures in a file to search in",
        .synopsis = "vgg index FOLDER... -o INDEX [--model FILE] [options]",
        .description =
            "Makes INDEX of the pictures in the FOLDERs and those beneath them: a row of features "
            "for each, which vgg search and vgg duplicates compare. Where INDEX is there, only "
            "pictures that are new or whose files have changed are computed, and those that are "
            "gone are forgotten. INDEX belongs to the model that it was made with. While it runs, "
            "INDEX.part has what was computed by then, and a run that was ended goes on from it; "
            "INDEX itself is replaced at the end.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "3    some pictures could not be read (1 when none could be)",
        .examples = "vgg index photos/ -o photos.index\n"
                    "vgg search photos.index holiday.jpg",
        .operand = "FOLDER",
        .operands_least = 1,
        .operands_most = SIZE_MAX,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

static int run(const index_options *o, const vgg_model *model, char **folders, size_t count) {
    vgg_index *index = NULL;
    vgg_index_changes changes = {.struct_size = sizeof changes};
    int status = vgg_cli_index_update(&o->request, model, folders, count, &index, &changes);
    bool updated = status == VGG_CLI_OK || status == VGG_CLI_SKIPPED;
    char *line = updated ? vgg_cli_index_line(o->request.path, index, &changes) : NULL;
    if (line != NULL)
        vgg_cli_print_line("%s", line);
    else if (updated) {
        vgg_cli_complain("index", "out of memory for a line");
        status = VGG_CLI_FAILURE;
    }
    free(line);
    vgg_index_free(index);
    return status;
}

int vgg_cli_index(int argc, char **argv) {
    index_options o = {.request = {.command = "index", .threads = vgg_cli_default_threads()}};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    if (o.request.path == NULL) {
        vgg_cli_complain("index", "-o INDEX is missing");
        return VGG_CLI_USAGE;
    }
    if (!vgg_cli_may_write("index", o.request.path, true))
        return VGG_CLI_FAILURE;
    bool unnamed;
    if (!vgg_cli_unnamed_model_take("index", &o.source, argv[1], &unnamed))
        return VGG_CLI_USAGE;
    status = vgg_cli_computing_settle("index", &o.request.computing, false, false);
    if (status != VGG_CLI_OK)
        return status;
    vgg_model *model = NULL;
    status = vgg_cli_model_open("index", &o.source, &model);
    if (status == VGG_CLI_OK && unnamed)
        vgg_cli_unnamed_model_note("index", model);
    if (status == VGG_CLI_OK)
        status = run(&o, model, argv + 1, operands);
    vgg_model_free(model);
    return status;
}
