/* vgg duplicates: pictures that others were made of. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/index_update.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/report/found.h"
#include "cli/shared_options.h"
#include "cli/unnamed_model.h"
#include "vgg/vgg.h"

typedef struct duplicates_options {
    vgg_cli_model_source source;
    vgg_cli_index_request request;
    const char *format, *page;
    bool overwrite;
    double likeness;
    size_t neighbours;
} duplicates_options;

typedef struct duplicates_state {
    const duplicates_options *options;
    const vgg_index *index;
    vgg_cli_found_page *page; /* NULL: none */
    size_t groups, pictures;
    bool lost; /* memory ran out */
} duplicates_state;

static bool parse(duplicates_options *o, int argc, char **argv, size_t *operands, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_option running[VGG_CLI_INDEX_RUN_OPTIONS];
    vgg_cli_unnamed_model_options(&o->source, model);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    vgg_cli_index_run_options(&o->request, running);
    vgg_cli_option found[VGG_CLI_FOUND_OPTIONS];
    vgg_cli_found_options(&o->page, &o->overwrite, found);
    const vgg_cli_option output[] = {
        {.type = VGG_CLI_NUMBER,
         .name = "likeness",
         .argument = "X",
         .value = &o->likeness,
         .minimum = 0,
         .maximum = 1,
         .help = "how much two pictures must be alike, 1 being files of the same bytes"},
        {.type = VGG_CLI_SIZE,
         .name = "neighbours",
         .argument = "N",
         .value = &o->neighbours,
         .minimum = 1,
         .maximum = 1000,
         .help = "pictures with the most similar features that each is compared with"},
        {.type = VGG_CLI_TEXT,
         .name = "index",
         .argument = "INDEX",
         .value = &o->request.path,
         .help = "keep features in this file, as vgg index does, so that the next time only "
                 "pictures that are new or changed are computed; refused when it has pictures "
                 "outside the FOLDERs, which it would lose"},
        vgg_cli_format_option(&o->format, "text, or json: [{\"pictures\", \"pairs\": [{\"first\", "
                                          "\"second\", \"likeness\"}]}]"),
        found[0],
        found[1],
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, VGG_CLI_MODEL_OPTIONS},
        {"PICTURES", pictures, VGG_CLI_PREPROCESS_OPTIONS},
        {"DUPLICATES", output, sizeof output / sizeof output[0]},
        {"RUNNING", running, VGG_CLI_INDEX_RUN_OPTIONS},
    };
    const vgg_cli_usage usage = {
        .command = "duplicates",
        .summary = "group pictures that were made of one another",
        .synopsis = "vgg duplicates FOLDER... [--page OUT.html] [options]",
        .description =
            "Lists groups of pictures in the FOLDERs and those beneath them that are the same but "
            "for size, compression, brightness or a margin that was cut off. Of each picture those "
            "with the most similar features are laid over it, small and grey, and must be alike "
            "there. A file that has several names, by links or because a FOLDER lies in another, "
            "is one picture. Nothing is changed or removed.",
        .groups = groups,
        .group_count = sizeof groups / sizeof groups[0],
        .statuses = "3    some pictures could not be read (1 when none could be)",
        .examples = "vgg duplicates photos/ --page duplicates.html",
        .operand = "FOLDER",
        .operands_least = 1,
        .operands_most = SIZE_MAX,
    };
    return vgg_cli_parse(&usage, argc, argv, operands, status);
}

/* ---- groups ---- */

/* The largest likeness of a picture with another of its group. */
static double best_of(const vgg_duplicate_group *group, size_t picture) {
    double best = 0;
    for (size_t i = 0; i < group->pair_count; i++) {
        const vgg_duplicate_pair *pair = &group->pairs[i];
        if ((pair->first == picture || pair->second == picture) && pair->likeness > best)
            best = pair->likeness;
    }
    return best;
}

static void print_text(const duplicates_state *state, const vgg_duplicate_group *group) {
    if (state->groups > 0)
        putchar('\n');
    vgg_cli_print_line("group %zu", state->groups + 1);
    for (size_t i = 0; i < group->count; i++) {
        vgg_cli_print_line("  %.3f  %s", best_of(group, group->pictures[i]),
                           vgg_index_name(state->index, group->pictures[i]));
    }
}

static bool print_json(const duplicates_state *state, const vgg_duplicate_group *group) {
    json_t *pictures = json_array(), *pairs = json_array();
    for (size_t i = 0; i < group->count; i++) {
        pictures = vgg_cli_json_appended(
            pictures, vgg_cli_json_text(vgg_index_name(state->index, group->pictures[i])));
    }
    for (size_t i = 0; i < group->pair_count; i++) {
        const vgg_duplicate_pair *pair = &group->pairs[i];
        pairs = vgg_cli_json_appended(
            pairs, json_pack("{s:o, s:o, s:o}", "first",
                             vgg_cli_json_text(vgg_index_name(state->index, pair->first)), "second",
                             vgg_cli_json_text(vgg_index_name(state->index, pair->second)),
                             "likeness", vgg_cli_json_number(pair->likeness)));
    }
    json_t *object = json_pack("{s:o, s:o}", "pictures", pictures, "pairs", pairs);
    fputs(state->groups == 0 ? "[\n" : ",\n", stdout);
    return vgg_cli_json_print(object, true, 2);
}

static void show_group(const duplicates_state *state, const vgg_duplicate_group *group) {
    char heading[64], note[64];
    snprintf(heading, sizeof heading, "%zu pictures", group->count);
    vgg_cli_found_list_begin(state->page, state->groups + 1, heading,
                             "How much each is like the one that it is most like.");
    for (size_t i = 0; i < group->count; i++) {
        double best = best_of(group, group->pictures[i]);
        snprintf(note, sizeof note, best < 1 ? "%.3f" : "same bytes", best);
        vgg_cli_found_picture(state->page, vgg_index_name(state->index, group->pictures[i]), note);
    }
    vgg_cli_found_list_end(state->page);
}

static bool take_group(void *user, const vgg_duplicate_group *group) {
    duplicates_state *state = user;
    if (state->options->format[0] == 'j')
        state->lost = !print_json(state, group);
    else
        print_text(state, group);
    if (state->page != NULL)
        show_group(state, group);
    state->groups++;
    state->pictures += group->count;
    return !state->lost;
}

/* ---- all ---- */

static void print_totals(const duplicates_state *state) {
    if (state->groups > 0)
        putchar('\n');
    vgg_cli_print_line("%zu pictures in %zu group%s", state->pictures, state->groups,
                       state->groups == 1 ? "" : "s");
}

static int find(const duplicates_options *o, vgg_index *index, vgg_cli_found_page *page) {
    duplicates_state state = {.options = o, .index = index, .page = page};
    vgg_duplicate_options options;
    vgg_duplicate_options_init(&options, sizeof options);
    options.likeness = o->likeness;
    options.neighbours = o->neighbours;
    vgg_error error;
    vgg_status status = vgg_index_duplicates(index, &options, take_group, &state, &error);
    if (state.lost)
        vgg_cli_complain("duplicates", "out of memory for the JSON of a group");
    else if (status != VGG_OK)
        vgg_cli_complain("duplicates", "%s", error.message);
    if (o->format[0] == 'j')
        puts(state.groups > 0 ? "\n]" : "[]");
    else if (status == VGG_OK)
        print_totals(&state);
    return status == VGG_OK ? VGG_CLI_OK : VGG_CLI_FAILURE;
}

static int find_with_page(const duplicates_options *o, vgg_index *index, const char *title) {
    vgg_index_info info = {.struct_size = sizeof info};
    vgg_index_describe(index, &info, NULL);
    char pictures[VGG_CLI_TEXT_SIZE], likeness[VGG_CLI_TEXT_SIZE];
    const char *const cards[][2] = {
        {"Pictures", vgg_cli_count_text(pictures, info.pictures)},
        {"Likeness at least", vgg_cli_number_text(likeness, o->likeness)},
        {NULL, NULL}};
    vgg_cli_found_page page;
    if (o->page == NULL)
        return find(o, index, NULL);
    if (!vgg_cli_found_page_begin(&page, "duplicates", o->page, "Near-duplicates", title, cards))
        return VGG_CLI_FAILURE;
    int status = find(o, index, &page);
    if (status == VGG_CLI_OK)
        return vgg_cli_found_page_end(&page);
    vgg_cli_output_fail(&page.output);
    return status;
}

static void note_index(const char *path, const vgg_index *index, const vgg_index_changes *changes) {
    char *line = vgg_cli_index_line(path, index, changes);
    vgg_cli_complain("duplicates", "note: %s",
                     line != NULL ? line : "out of memory for a line on the index");
    free(line);
}

static int run(const duplicates_options *o, const vgg_model *model, char **folders, size_t count) {
    vgg_index *index = NULL;
    vgg_index_changes changes = {.struct_size = sizeof changes};
    int status = vgg_cli_index_update(&o->request, model, folders, count, &index, &changes);
    if (status == VGG_CLI_OK || status == VGG_CLI_SKIPPED) {
        if (o->request.path != NULL)
            note_index(o->request.path, index, &changes);
        int found = find_with_page(o, index, folders[0]);
        status = found != VGG_CLI_OK ? found : status;
    }
    vgg_index_free(index);
    return status;
}

int vgg_cli_duplicates(int argc, char **argv) {
    duplicates_options o = {
        .request = {.command = "duplicates", .keeps = true, .threads = vgg_cli_default_threads()},
        .format = vgg_cli_formats[0],
        .likeness = VGG_DUPLICATE_LIKENESS,
        .neighbours = 16};
    size_t operands;
    int status;
    if (!parse(&o, argc, argv, &operands, &status))
        return status;
    bool unnamed;
    if (!vgg_cli_unnamed_model_take("duplicates", &o.source, argv[1], &unnamed))
        return VGG_CLI_USAGE;
    status = vgg_cli_computing_settle("duplicates", &o.request.computing, false, false);
    if (status != VGG_CLI_OK)
        return status;
    if (!vgg_cli_found_page_may("duplicates", o.page, o.overwrite) ||
        (o.request.path != NULL && !vgg_cli_may_write("duplicates", o.request.path, true)))
        return VGG_CLI_FAILURE;
    vgg_model *model = NULL;
    status = vgg_cli_model_open("duplicates", &o.source, &model);
    if (status == VGG_CLI_OK)
        status = run(&o, model, argv + 1, operands);
    vgg_model_free(model);
    return status;
}
