/* vgg report: a page about runs. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/report/picture.h"
#include "cli/report/report.h"

typedef struct report_options {
    const char *output;
    bool overwrite;
} report_options;

static bool parse(report_options *o, int argc, char **argv, size_t *operands, int *status) {
    const vgg_cli_option options[] = {
        {.type = VGG_CLI_TEXT,
         .letter = 'o',
         .name = "output",
         .argument = "OUT.html",
         .value = &o->output,
         .help = "the page to write",
         .fallback = "RUN/report.html; with several runs it must be given"},
        {.type = VGG_CLI_FLAG,
         .name = "overwrite",
         .value = &o->overwrite,
         .help = "replace OUT.html when it is there; RUN/report.html is replaced without it"},
    };
    const vgg_cli_group groups[] = {{"OUTPUT", options, sizeof options / sizeof options[0]}};
    const vgg_cli_usage usage = {
        .command = "report",
        .summary = "write a page about a training",
        .synopsis = "vgg report RUN... [-o OUT.html] [--overwrite]",
        .description =
            "Writes a page of HTML with the curves of a run, the confusion matrix with the "
            "pictures behind it, mistakes, views, filters and configuration. Of several runs it "
            "shows the curves over each other and what differs. The page is one file that loads "
            "nothing, and runs that go on may be asked for. vgg train writes it at the ends of "
            "epochs by itself, and vgg eval --report writes one about an evaluation.",
        .groups = groups,
        .group_count = 1,
        .examples = "vgg report vgg-run\n"
                    "vgg report vgg-run vgg-run-2 -o compared.html",
        .operand = "RUN",
        .operands_least = 1,
        .operands_most = VGG_CLI_RUNS_MOST,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

/* The best model of the run, for its filters; NULL when there is none yet, or a damaged one, which
 * is noted. False when that was complained about. */
static bool open_model(const char *folder, vgg_model **model) {
    char *path = NULL;
    vgg_error error;
    *model = NULL;
    if (asprintf(&path, "%s/best.safetensors", folder) < 0) {
        vgg_cli_complain("report", "out of memory for %s/best.safetensors", folder);
        return false;
    }
    vgg_status status = vgg_model_load(path, NULL, model, &error);
    free(path);
    bool lacking = status == VGG_ERROR_MEMORY || status == VGG_ERROR_IO;
    if (status != VGG_OK && status != VGG_ERROR_NOT_FOUND)
        vgg_cli_complain("report", "%s%s%s", lacking ? "" : "note: ", error.message,
                         lacking ? "" : "; the page is without its filters");
    return !lacking;
}

static bool write_page(const char *path, const vgg_cli_run_facts *const *runs, size_t count) {
    vgg_cli_rendered rendered = {0};
    vgg_model *model = NULL;
    bool done = count > 1 || (vgg_cli_rendered_read(&rendered, "report", runs[0]->folder) &&
                              open_model(runs[0]->folder, &model));
    done = done && vgg_cli_report_runs("report", path, runs, count, model, &rendered);
    vgg_cli_rendered_free(&rendered);
    vgg_model_free(model);
    return done;
}

static int report(const report_options *o, char **folders, size_t count) {
    vgg_cli_run_facts facts[VGG_CLI_RUNS_MOST] = {0};
    const vgg_cli_run_facts *runs[VGG_CLI_RUNS_MOST];
    bool done = true;
    char *own = NULL;
    for (size_t i = 0; i < count; i++) {
        runs[i] = &facts[i];
        done = done && vgg_cli_run_facts_read(&facts[i], "report", folders[i]);
    }
    if (done && o->output == NULL && asprintf(&own, "%s/report.html", folders[0]) < 0) {
        vgg_cli_complain("report", "out of memory for %s/report.html", folders[0]);
        done = false;
    }
    const char *path = own != NULL ? own : o->output;
    done = done && write_page(path, runs, count);
    if (done && count == 1)
        vgg_cli_results_picture(runs[0], folders[0]);
    if (done)
        vgg_cli_print_line("wrote %s", path);
    for (size_t i = 0; i < count; i++) {
        vgg_cli_run_facts_free(&facts[i]);
    }
    free(own);
    return done ? VGG_CLI_OK : VGG_CLI_FAILURE;
}

int vgg_cli_report(int argc, char **argv) {
    report_options o = {0};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    if (operands > 1 && o.output == NULL) {
        vgg_cli_complain("report", "several runs: expected -o OUT.html, the page to write");
        return VGG_CLI_USAGE;
    }
    if (o.output != NULL && !vgg_cli_may_write("report", o.output, o.overwrite))
        return VGG_CLI_FAILURE;
    for (size_t i = 1; i <= operands; i++) {
        size_t length = strlen(argv[i]);
        while (length > 1 && argv[i][length - 1] == '/') {
            argv[i][--length] = '\0';
        }
    }
    return report(&o, argv + 1, operands);
}
