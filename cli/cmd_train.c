/* vgg train: a network trained on a data set. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "cli/message.h"
#include "cli/shared_options.h"
#include "cli/train.h"

static int check_options(const vgg_cli_train_options *o) {
    if (o->resume && o->overwrite) {
        vgg_cli_complain("train", "--resume and --overwrite: expected one of them");
        return VGG_CLI_USAGE;
    }
    if (o->dry_run && o->find_rate) {
        vgg_cli_complain("train", "--dry-run and --find-rate: expected one of them");
        return VGG_CLI_USAGE;
    }
    const char *start = o->recipe != NULL ? "recipe" : o->from != NULL ? "from" : "init-from";
    if (o->resume && (o->recipe != NULL || o->from != NULL || o->init_from != NULL)) {
        vgg_cli_complain("train", "--%s: is for a new run; one that is continued has its own",
                         start);
        return VGG_CLI_USAGE;
    }
    if (o->resume && o->find_rate) {
        vgg_cli_complain("train", "--find-rate: is for a new run; one that is continued has its "
                                  "learning rate");
        return VGG_CLI_USAGE;
    }
    if (o->resume && o->folder == NULL) {
        vgg_cli_complain("train", "--resume: has no run to continue; name its folder with -o RUN");
        return VGG_CLI_USAGE;
    }
    return VGG_CLI_OK;
}

/* A command that can be typed next: the model in the run's folder, and what it is used on. Prints
 * nothing when memory ran out. */
static void print_command(const char *command, const char *folder, const char *file,
                          const char *rest) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, file) < 0)
        return;
    char *quoted = vgg_cli_shell_quote(path);
    if (quoted != NULL)
        vgg_cli_print_command("  %s %s --model %s %s", program_invocation_name, command, quoted,
                              rest);
    free(quoted);
    free(path);
}

static void print_next(const vgg_cli_training *training, const char *file) {
    const vgg_cli_train_options *o = &training->options;
    const vgg_dataset *shown =
        training->validation != NULL ? training->validation : training->train;
    bool has_files = strcmp(training->info.kind, "folder") == 0;
    char *picture = vgg_cli_shell_quote(has_files ? vgg_dataset_item_name(shown, 0) : "photo.jpg");
    char *data = vgg_cli_shell_quote(o->data);
    if (data != NULL && picture != NULL) {
        printf("next:\n");
        print_command("eval", o->folder, file, data);
        print_command("predict", o->folder, file, picture);
    }
    free(picture);
    free(data);
}

static void print_end(const vgg_cli_training *training, const vgg_train_result *result) {
    const vgg_cli_train_options *o = &training->options;
    const char *file = result->best_epoch > 0 ? "best.safetensors" : "last.safetensors";
    char time[VGG_CLI_TEXT_SIZE];
    char best[2 * VGG_CLI_TEXT_SIZE] = "";
    bool several = vgg_model_output(training->model) == VGG_OUTPUT_SIGMOID;
    if (result->best_epoch > 0 && training->validation != NULL)
        snprintf(best, sizeof best, "; best after epoch %zu: %s%.1f %%%s", result->best_epoch,
                 several ? "mean average precision " : "", 100.0 * result->best_top1,
                 several ? "" : " of the validation pictures");
    vgg_cli_print_line("trained in %s%s", vgg_cli_duration_text(time, result->seconds), best);
    vgg_cli_print_line("wrote %s/%s", o->folder, file);
    print_next(training, file);
}

/* Before the first step nothing is saved, and the folder is what it was. */
static void print_not_begun(const vgg_cli_training *training, const vgg_error *where) {
    if (!training->options.resume) {
        vgg_cli_print_line("%s, before the first step; nothing is saved", where->message);
        return;
    }
    char *command = vgg_cli_train_resume_command(training);
    vgg_cli_print_line("%s, before the first step; %s is as it was", where->message,
                       training->options.folder);
    if (command != NULL) {
        printf("continue with:\n");
        vgg_cli_print_command("  %s", command);
    }
    free(command);
}

static void print_stopped(const vgg_cli_training *training, const vgg_error *where) {
    char *command = vgg_cli_train_resume_command(training);
    vgg_cli_print_line("%s; %s/last.safetensors is saved", where->message,
                       training->options.folder);
    if (command != NULL) {
        printf("continue with:\n");
        vgg_cli_print_command("  %s", command);
    }
    free(command);
}

static int fail(vgg_status status, const vgg_error *error) {
    vgg_cli_complain("train", "%s%s", error->message,
                     status == VGG_ERROR_CHANGED ? "; --allow-changed-data goes on with it" : "");
    return VGG_CLI_FAILURE;
}

/* Weights that come from elsewhere than from a scheme and the seed are not made again where the run
 * ends before its first checkpoint. */
static bool has_own_start(const vgg_cli_train_options *o) {
    return o->from != NULL || o->init_from != NULL || strcmp(o->init, "whiten") == 0;
}

static int run(vgg_cli_training *training) {
    const vgg_cli_train_options *o = &training->options;
    vgg_cli_train_report report = vgg_cli_train_report_init(training);
    vgg_cli_method method;
    vgg_cli_method_fill(o, &method);
    vgg_train_options *options = &method.training;
    options->resume = o->resume;
    options->run = training->run;
    options->save_minutes = o->save_minutes;
    options->save_start = has_own_start(o);
    options->check_data = o->check_data;
    options->tensorboard = o->tensorboard;
    options->histograms = o->histograms;
    options->scores = o->page;
    report.page = o->page ? vgg_cli_train_page_begin(training) : NULL;
    if (o->page && report.page == NULL)
        return VGG_CLI_FAILURE;
    options->allow_changed_data = o->allow_changed_data;
    options->callback = vgg_cli_train_event;
    options->user = &report;
    options->warn = vgg_cli_train_warned;
    options->warn_user = &report;
    vgg_train_result result = {.struct_size = sizeof result};
    vgg_error error;
    vgg_cli_train_catch_signals();
    vgg_status trained =
        vgg_train(training->model, training->train, training->validation, options, &result, &error);
    vgg_cli_progress_clear(&report.progress);
    bool written =
        vgg_cli_train_page_end(report.page, trained == VGG_OK || trained == VGG_ERROR_STOPPED);
    vgg_cli_skipped_sum(&report.skipped);
    if (trained == VGG_ERROR_STOPPED) {
        if (!o->quiet && report.begun)
            print_stopped(training, &error);
        else if (!o->quiet)
            print_not_begun(training, &error);
        return VGG_CLI_STOPPED;
    }
    if (trained != VGG_OK)
        return fail(trained, &error);
    if (!o->quiet)
        print_end(training, &result);
    if (!written)
        return VGG_CLI_FAILURE;
    return result.skipped + training->skipped > 0 ? VGG_CLI_SKIPPED : VGG_CLI_OK;
}

/* What is cached is what layers give that are frozen. */
static int check_cache(const vgg_cli_training *training) {
    const vgg_network *network = vgg_model_network(training->model);
    size_t frozen = vgg_cli_frozen_layers(network);
    if (!training->options.cache_features || frozen > 0)
        return VGG_CLI_OK;
    vgg_cli_complain("train",
                     "--cache-features: has nothing to keep, as the first layer is trained; "
                     "give --freeze with it");
    return VGG_CLI_USAGE;
}

static int train(vgg_cli_training *training) {
    training->input_given = training->options.input.height != 0;
    int status = vgg_cli_train_take_folder(training);
    if (status == VGG_CLI_OK && training->options.resume)
        status = vgg_cli_train_open_run(training);
    if (status == VGG_CLI_OK)
        status = vgg_cli_computing_settle("train", &training->options.computing, false,
                                          training->options.quiet);
    if (status == VGG_CLI_OK && training->model == NULL)
        status = vgg_cli_train_open_start(training);
    if (status == VGG_CLI_OK)
        status = vgg_cli_cached_views(&training->options);
    if (status == VGG_CLI_OK && training->model == NULL)
        vgg_cli_recipe_apply(&training->options);
    if (status == VGG_CLI_OK)
        status = vgg_cli_train_open_data(training);
    if (status == VGG_CLI_OK)
        status = vgg_cli_train_choose(training);
    if (status == VGG_CLI_OK && training->model == NULL)
        status = vgg_cli_train_make_model(training);
    else if (status == VGG_CLI_OK && vgg_run_holds(training->run) == VGG_RUN_BEGUN)
        status = vgg_cli_train_first_weights(training);
    if (status == VGG_CLI_OK)
        status = vgg_cli_train_freeze(training);
    if (status == VGG_CLI_OK)
        status = check_cache(training);
    if (status == VGG_CLI_OK && !training->options.resume && !training->options.quiet)
        vgg_cli_train_warn(training);
    if (status == VGG_CLI_OK && training->options.find_rate)
        return vgg_cli_train_find_rate(training);
    if (status == VGG_CLI_OK && training->options.dry_run)
        return vgg_cli_train_dry_run(training);
    if (status == VGG_CLI_OK)
        status = vgg_cli_train_make_folder(training);
    if (status == VGG_CLI_OK)
        status = vgg_cli_train_note_options(training);
    return status == VGG_CLI_OK ? run(training) : status;
}

int vgg_cli_train(int argc, char **argv) {
    vgg_cli_training training = {.command = "train"};
    vgg_cli_train_defaults(&training.options);
    training.line = vgg_cli_command_line("train", argc, argv);
    int status;
    if (!vgg_cli_train_parse(&training.options, argc, argv, &status)) {
        free(training.line);
        return status;
    }
    status = check_options(&training.options);
    if (status == VGG_CLI_OK)
        status = train(&training);
    vgg_run_close(training.run);
    free(training.frozen);
    free(training.line);
    vgg_model_free(training.start);
    vgg_model_free(training.model);
    vgg_dataset_free(training.validation);
    vgg_dataset_free(training.train);
    vgg_string_free(training.split);
    return status;
}
