/* `vgg train --find-rate`: which learning rate to begin with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/report/chart.h"
#include "cli/stop.h"
#include "cli/train.h"

typedef struct rate_search {
    vgg_cli_progress progress;
    size_t steps, count;
    double *rates, *losses, *smoothed; /* (steps) */
} rate_search;

static bool hear(void *user, const vgg_rate_trial *trial) {
    rate_search *search = user;
    search->rates[search->count] = trial->rate;
    search->losses[search->count] = trial->loss;
    search->smoothed[search->count++] = trial->smoothed;
    if (vgg_cli_progress_due(&search->progress)) {
        char right[2 * VGG_CLI_TEXT_SIZE];
        snprintf(right, sizeof right, "lr %.2e  loss %.3f", trial->rate, trial->smoothed);
        vgg_cli_progress_draw(&search->progress, "finding a rate",
                              (double)search->count / (double)search->steps, right);
    }
    return !vgg_cli_stop_asked();
}

/* ---- files ---- */

static bool write_table(const rate_search *search, const char *folder) {
    vgg_cli_output output;
    if (!vgg_cli_output_open(&output, "train", folder, "find-rate.csv"))
        return false;
    fputs("step,rate,loss,smoothed\n", output.stream);
    for (size_t i = 0; i < search->count; i++) {
        fprintf(output.stream, "%zu,%.12g,%.12g,%.12g\n", i + 1, search->rates[i],
                search->losses[i], search->smoothed[i]);
    }
    return vgg_cli_output_close(&output);
}

static double smoothed_at(const rate_search *search, double rate) {
    size_t i = 0;
    while (i + 1 < search->count && search->rates[i] < rate) {
        i++;
    }
    return search->smoothed[i];
}

/* The curve up to a little above where it began: what comes then is the blow-up. */
static double height_of(const rate_search *search) {
    double least = search->smoothed[0];
    for (size_t i = 0; i < search->count; i++) {
        least = search->smoothed[i] < least ? search->smoothed[i] : least;
    }
    return search->smoothed[0] + (search->smoothed[0] - least) / 2 + 0.1 * search->smoothed[0];
}

static bool write_chart(const rate_search *search, const vgg_rate_suggestion *found,
                        const char *folder) {
    const vgg_cli_series series[] = {
        {.name = "smoothed loss",
         .count = search->count,
         .x = search->rates,
         .y = search->smoothed},
    };
    char names[3][VGG_CLI_TEXT_SIZE];
    const vgg_cli_mark marks[] = {
        {.name = names[0], .x = found->valley, .y = smoothed_at(search, found->valley)},
        {.name = names[1], .x = found->steep, .y = smoothed_at(search, found->steep)},
        {.name = names[2], .x = found->minimum / 10, .y = smoothed_at(search, found->minimum / 10)},
    };
    snprintf(names[0], sizeof names[0], "valley %.2g", found->valley);
    snprintf(names[1], sizeof names[1], "steep %.2g", found->steep);
    snprintf(names[2], sizeof names[2], "minimum / 10 %.2g", found->minimum / 10);
    const vgg_cli_chart chart = {.title = "Loss at a rising learning rate",
                                 .x_name = "learning rate",
                                 .y_name = "loss",
                                 .log_x = true,
                                 .y_most = height_of(search),
                                 .series = series,
                                 .series_count = 1,
                                 .marks = marks,
                                 .mark_count = 3};
    vgg_cli_output output;
    if (!vgg_cli_output_open(&output, "train", folder, "find-rate.svg"))
        return false;
    vgg_cli_chart_svg_file(output.stream, &chart);
    return vgg_cli_output_close(&output);
}

/* Without a folder that was named there is none: a search is no run, and takes no run's name. */
static int write_files(const rate_search *search, const vgg_rate_suggestion *found,
                       const vgg_cli_training *training) {
    if (training->options.folder == NULL)
        return VGG_CLI_OK;
    const char *folder = training->options.folder;
    if (!write_table(search, folder) || !write_chart(search, found, folder))
        return VGG_CLI_FAILURE;
    if (!training->options.quiet)
        vgg_cli_print_line("wrote %s/find-rate.csv and %s/find-rate.svg", folder, folder);
    return VGG_CLI_OK;
}

/* ---- the search ---- */

static void print(const vgg_cli_train_options *o, const vgg_rate_suggestion *found) {
    vgg_cli_print_line("learning rates to begin with, after %zu steps", found->steps);
    vgg_cli_print_line("valley        %.2e   usually the best", found->valley);
    vgg_cli_print_line("steep         %.2e   where the loss falls fastest", found->steep);
    vgg_cli_print_line("minimum / 10  %.2e   a tenth of where the loss is least",
                       found->minimum / 10);
    /* A rate that is given is a recipe of one's own, unless the one that was measured is named. */
    bool named = o->recipe != NULL && strcmp(o->recipe, "none") != 0;
    vgg_cli_print_line("train with it: %s%s%s--lr %.2g", named ? "--recipe " : "",
                       named ? o->recipe : "", named ? " " : "", found->valley);
}

static int search_rates(vgg_cli_training *training, rate_search *search) {
    vgg_cli_method method;
    vgg_rate_options rates;
    vgg_rate_suggestion found = {.struct_size = sizeof found};
    vgg_error error;
    vgg_rate_options_init(&rates, sizeof rates);
    search->steps = rates.steps;
    double *room = calloc(3 * rates.steps, sizeof *room);
    if (room == NULL) {
        vgg_cli_complain("train", "out of memory for a curve");
        return VGG_CLI_FAILURE;
    }
    search->rates = room;
    search->losses = room + rates.steps;
    search->smoothed = room + 2 * rates.steps;
    rates.tell = hear;
    rates.user = search;
    vgg_cli_method_fill(&training->options, &method);
    vgg_cli_train_catch_signals();
    vgg_status status = vgg_train_find_rate(training->model, training->train, &method.training,
                                            &rates, &found, &error);
    vgg_cli_progress_clear(&search->progress);
    if (status != VGG_OK)
        vgg_cli_complain("train", "%s", error.message);
    if (status == VGG_OK && !training->options.quiet)
        print(&training->options, &found);
    int done = status == VGG_OK              ? write_files(search, &found, training)
               : status == VGG_ERROR_STOPPED ? VGG_CLI_STOPPED
                                             : VGG_CLI_FAILURE;
    free(room);
    return done;
}

int vgg_cli_train_find_rate(vgg_cli_training *training) {
    rate_search search = {.progress = vgg_cli_progress_on(stdout)};
    search.progress.live = search.progress.live && !training->options.quiet;
    int status = VGG_CLI_OK;
    if (training->options.folder != NULL)
        status = vgg_cli_train_make_folder(training);
    return status == VGG_CLI_OK ? search_rates(training, &search) : status;
}
