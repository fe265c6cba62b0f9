/* vgg score: figures of stored scores, without a network. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/scores_shown.h"
#include "vgg/scores.h"

typedef struct score_options {
    const char *format;
    size_t hardest;
} score_options;

static bool parse(score_options *o, int argc, char **argv, size_t *operands, int *status) {
    const vgg_cli_option report[] = {
        {.type = VGG_CLI_CHOICE,
         .name = "format",
         .argument = "FORMAT",
         .value = &o->format,
         .choices = vgg_cli_score_formats,
         .help = "text, or json or csv as of vgg eval"},
        vgg_cli_hardest_option(&o->hardest),
    };
    const vgg_cli_group groups[] = {{"REPORT", report, sizeof report / sizeof *report}};
    const vgg_cli_usage usage = {
        .command = "score",
        .summary = "report from stored scores of pictures",
        .synopsis = "vgg score FILE [OTHER] [options]",
        .description =
            "Prints what vgg eval prints, from a file that it wrote with --predictions or that "
            "another program wrote, without running a network. Of two files, the networks are "
            "compared.\n"
            "A CSV file has a line of names, among them truth (or label, target, y_true) and "
            "predicted, or a column for each class, which may begin with prob: or logit:, and "
            "perhaps name. An .npz file of NumPy has labels, and logits, probabilities, scores or "
            "predicted, and perhaps names and classes.",
        .groups = groups,
        .group_count = sizeof groups / sizeof *groups,
        .statuses = "3    the file names pictures that could not be read",
        .examples = "vgg eval --model run photos --predictions photos.csv\n"
                    "vgg score photos.csv --hardest 20\n"
                    "vgg score old.npz new.npz",
        .operand = "FILE",
        .operands_least = 1,
        .operands_most = 2,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

/* names: the classes that the file must have; NULL: its own. */
static bool read_scores(const char *path, const char *const *names, size_t count,
                        vgg_scores **scores) {
    vgg_scores_read_options options;
    vgg_error error;
    vgg_scores_read_options_init(&options, sizeof options);
    options.class_names = names;
    options.classes = count;
    if (vgg_scores_read(path, &options, scores, &error) == VGG_OK)
        return true;
    vgg_cli_complain("score", "%s", error.message);
    return false;
}

/* ---- two files of predictions alone ---- */

static int compare_names(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The names of the first, and those that only the second has; `sorted` has room for the former. */
static size_t join_names(vgg_scores *const *scores, const char **sorted, const char **names) {
    size_t first = vgg_scores_class_count(scores[0]), count = 0;
    for (; count < first; count++) {
        names[count] = sorted[count] = vgg_scores_class_name(scores[0], count);
    }
    qsort(sorted, first, sizeof *sorted, compare_names);
    for (size_t c = 0; c < vgg_scores_class_count(scores[1]); c++) {
        const char *name = vgg_scores_class_name(scores[1], c);
        if (bsearch(&name, sorted, first, sizeof *sorted, compare_names) == NULL)
            names[count++] = name;
    }
    return count;
}

/* Such files have the classes that truth and prediction happen to name: both are read again with
 * those of both. */
static bool agree_on_classes(char *const *paths, vgg_scores **scores) {
    if (vgg_scores_kind(scores[0]) != VGG_SCORE_PREDICTED ||
        vgg_scores_kind(scores[1]) != VGG_SCORE_PREDICTED)
        return true;
    size_t most = vgg_scores_class_count(scores[0]) + vgg_scores_class_count(scores[1]);
    const char **names = calloc(most, 2 * sizeof *names);
    vgg_scores *own[2] = {scores[0], scores[1]};
    bool fine = names != NULL;
    scores[0] = scores[1] = NULL;
    if (!fine)
        vgg_cli_complain("score", "out of memory for the class names");
    size_t count = fine ? join_names(own, names + most, names) : 0;
    for (size_t i = 0; fine && i < 2; i++) {
        fine = read_scores(paths[i], names, count, &scores[i]);
    }
    vgg_scores_free(own[0]);
    vgg_scores_free(own[1]);
    free(names);
    return fine;
}

static bool show_one(const score_options *o, const vgg_scores *scores) {
    const vgg_cli_scores_shown shown = {
        .command = "score", .scores = scores, .noted = "", .hardest = o->hardest};
    return vgg_cli_scores_show(&shown, o->format);
}

static bool compare(const score_options *o, char *const *paths, vgg_scores *const *scores) {
    const vgg_cli_compared compared = {.command = "score",
                                       .names = {paths[0], paths[1]},
                                       .scores = {scores[0], scores[1]},
                                       .pictures = o->hardest};
    return vgg_cli_compared_show(&compared, o->format);
}

int vgg_cli_score(int argc, char **argv) {
    score_options o = {.format = vgg_cli_score_formats[0]};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    vgg_scores *scores[2] = {NULL, NULL};
    bool fine = true;
    for (size_t i = 0; fine && i < operands; i++) {
        fine = read_scores(argv[1 + i], NULL, 0, &scores[i]);
    }
    if (fine && operands == 2)
        fine = agree_on_classes(argv + 1, scores);
    if (fine)
        fine = operands == 1 ? show_one(&o, scores[0]) : compare(&o, argv + 1, scores);
    bool skipped = false;
    for (size_t i = 0; fine && i < operands; i++) {
        skipped |= vgg_scores_unreadable_count(scores[i]) > 0;
    }
    vgg_scores_free(scores[0]);
    vgg_scores_free(scores[1]);
    return !fine ? VGG_CLI_FAILURE : skipped ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}
