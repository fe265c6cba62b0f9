/* The parts of `vgg train`: its options, the choices made from the data, the run's folder, and what
 * is said while it trains. */
#ifndef VGG_CLI_TRAIN_H
#define VGG_CLI_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/options.h"
#include "cli/preprocess_options.h"
#include "cli/shared_options.h"
#include "cli/skipped.h"
#include "cli/terminal.h"
#include "vgg/vgg.h"

/* Rows of train_more_options.c: how it is learnt, and the views. */
#define VGG_CLI_METHOD_OPTIONS 23
#define VGG_CLI_VIEW_OPTIONS 10

typedef struct vgg_cli_train_options {
    const char *data, *folder;
    const char *recipe, *from, *init_from, *freeze;
    bool recipe_chosen; /* by looking at the data */
    const char *optimizer, *class_weights, *mirror, *policy;
    vgg_cli_computing computing;
    bool balanced_sampling, decay_norm, fix_norm_scale, cycle_momentum, lookahead_ramp, dry_run;
    bool cache_features;
    double min_rate, label_smoothing, clip, ema, lookahead_keep, bias_rate, head_rate, logit_scale,
        norm_momentum;
    size_t warmup_epochs, patience, lookahead, early_stop;
    double resized_crop, scale_jitter, rotate, colour, pca, erase, mixup, cutmix;
    size_t translate;
    const char *arch, *layout, *padding, *init, *preprocess, *schedule;
    bool batch_norm, augment, crop, shuffle;
    bool tensorboard, histograms, find_rate, page;
    bool strict, resume, overwrite, quiet, check_data, allow_changed_data;
    double save_minutes;
    double dropout, rate, momentum, weight_decay, gamma, validation_split;
    size_t epochs, batch, micro_batch, step_epochs, threads, workers;
    uint64_t seed;
    vgg_cli_input input;
    vgg_cli_preprocess pictures;
    struct {
        bool layout, padding, batch_norm, dropout;
        bool epochs, batch, micro_batch, freeze, rate, momentum, weight_decay, schedule,
            step_epochs, gamma, init, seed, augment, crop, flip, shuffle, validation_split;
        bool arch, input, preprocess;
        bool method[VGG_CLI_METHOD_OPTIONS], views[VGG_CLI_VIEW_OPTIONS];
    } given;
} vgg_cli_train_options;

/* Everything that a training needs. */
typedef struct vgg_cli_training {
    const char *command; /* in messages */
    vgg_cli_train_options options;
    char *line; /* the command line, as a shell would have to be told it */
    char default_folder[32];
    vgg_dataset *train, *validation;
    bool input_given;
    char *split; /* what was set aside for validation; NULL: the data's own part validates, or
                  * nothing */
    size_t test_pictures; /* in the data, which are not used */
    vgg_dataset_info info;
    size_t resize; /* the pictures' short side before the cut-out; 0: as the preset has it */
    vgg_model *model;
    vgg_model *start;   /* of --from, until its weights are taken */
    bool new_head;      /* the start had other classes */
    size_t taken;       /* layers of --init-from */
    size_t skipped;     /* pictures that could not be read for --init whiten */
    char *frozen;       /* the text of --freeze, when it is the run's */
    vgg_run *run;       /* the folder, once it is in hand */
    char changes[1024]; /* options of the run that it goes on without: "--lr 0.01 (was 0.1)" */
} vgg_cli_training;

/* ---- train_options.c ---- */

/* The options that decide, with the data and the network, what is learnt. They travel with the
 * model as notes "options.<name>", and a resumed run takes them from there. */
#define VGG_CLI_BASE_OPTIONS 17
#define VGG_CLI_LEARNING_OPTIONS                                                                   \
    (VGG_CLI_BASE_OPTIONS + VGG_CLI_METHOD_OPTIONS + VGG_CLI_VIEW_OPTIONS)
void vgg_cli_learning_options(vgg_cli_train_options *o,
                              vgg_cli_option options[VGG_CLI_LEARNING_OPTIONS]);

/* Those of the network, which a recipe may choose too. */
#define VGG_CLI_TRAIN_NETWORK_OPTIONS 7
void vgg_cli_train_network_options(vgg_cli_train_options *o,
                                   vgg_cli_option options[VGG_CLI_TRAIN_NETWORK_OPTIONS]);

void vgg_cli_train_defaults(vgg_cli_train_options *o);
/* vgg_cli_parse with the options of `vgg train`. */
bool vgg_cli_train_parse(vgg_cli_train_options *o, int argc, char **argv, int *status);

/* --flip and --no-flip were a switch once: words of them become an option with a value. */
void vgg_cli_take_old_flip(int argc, char **argv);

/* ---- train_more_options.c ---- */

void vgg_cli_method_defaults(vgg_cli_train_options *o);
void vgg_cli_method_options(vgg_cli_train_options *o,
                            vgg_cli_option options[VGG_CLI_METHOD_OPTIONS]);
void vgg_cli_view_options(vgg_cli_train_options *o, vgg_cli_option options[VGG_CLI_VIEW_OPTIONS]);

/* What the options say to the library. All pointers are to the other structs or to the options. */
typedef struct vgg_cli_method {
    vgg_train_options training;
    vgg_optimiser_options optimising;
    vgg_augment views;
} vgg_cli_method;

void vgg_cli_method_fill(const vgg_cli_train_options *o, vgg_cli_method *method);

/* Of --cache-features: turns off views that make more than a picture and its mirror image of it. An
 * exit status; when it is not VGG_CLI_OK, such a view was asked for, and that was complained about.
 */
int vgg_cli_cached_views(vgg_cli_train_options *o);

/* ---- recipes.c ---- */

extern const char *const vgg_cli_recipes[];
/* Gives the options that were not given the recipe's values. */
void vgg_cli_recipe_apply(vgg_cli_train_options *o);
/* Chooses the recipe for data with few pictures where the user chose nothing, and what a recipe
 * leaves to the data, of which an epoch shows so many pictures. */
void vgg_cli_recipe_choose(vgg_cli_train_options *o, const vgg_suggestion *suggestion,
                           size_t pictures);
/* Prints the recipe as a command line. */
void vgg_cli_recipe_print(const vgg_cli_train_options *o);

/* Each of the following returns an exit status; when it is not VGG_CLI_OK that was complained
 * about. */

/* ---- train_start.c: what it begins with ---- */

/* Opens the model of --from. */
int vgg_cli_train_open_start(vgg_cli_training *training);
/* Makes the model from it, for the classes of the data. */
int vgg_cli_train_take_start(vgg_cli_training *training, const char *const *names);
/* Gives the model its first weights. */
int vgg_cli_train_first_weights(vgg_cli_training *training);
int vgg_cli_train_freeze(vgg_cli_training *training);
/* How many layers come before the first that is trained; 0 when none of them has weights. */
size_t vgg_cli_frozen_layers(const vgg_network *network);
void vgg_cli_train_print_start(const vgg_cli_training *training);

/* ---- find_rate.c ---- */

/* Tries learning rates in place of a training. */
int vgg_cli_train_find_rate(vgg_cli_training *training);

/* ---- dry_run.c, train_warnings.c: before it begins ---- */

/* Says what the training would take, and writes nothing. */
int vgg_cli_train_dry_run(vgg_cli_training *training);
/* Notes what will spoil the training or its results. */
void vgg_cli_train_warn(const vgg_cli_training *training);

/* ---- train_setup.c: choices ---- */

int vgg_cli_train_open_data(vgg_cli_training *training);
/* Adds an item to the counts of its classes, and returns how many those are. */
size_t vgg_cli_count_labels(const vgg_dataset *dataset, size_t item, size_t *counts);
/* Chooses the options that were not given by looking at the data. */
int vgg_cli_train_choose(vgg_cli_training *training);
/* The preset for the input, with what is said of it. */
vgg_status vgg_cli_train_preprocess(const vgg_cli_training *training, vgg_preprocess *preprocess,
                                    vgg_error *error);
/* Makes the model with its first weights. */
int vgg_cli_train_make_model(vgg_cli_training *training);
/* Says what will be trained on what. */
void vgg_cli_train_print_plan(const vgg_cli_training *training);

/* ---- train_run.c: the run's folder ---- */

/* Takes a folder that is there already in hand, and refuses one that holds a model which would be
 * lost, or nothing to continue. */
int vgg_cli_train_take_folder(vgg_cli_training *training);
/* Makes the folder that is not there yet; without a name the first of vgg-run, vgg-run-2, ... that
 * is free. */
int vgg_cli_train_make_folder(vgg_cli_training *training);
/* Writes the options into the notes of the model and of the run. */
int vgg_cli_train_note_options(vgg_cli_training *training);

/* ---- train_resume.c: continuing a run ---- */

/* Opens the model of the run to continue, or makes it again where none was saved, and takes over
 * the options that were not given. */
int vgg_cli_train_open_run(vgg_cli_training *training);

/* ---- train_page.c: the run's page ---- */

/* Writes run.json, views.png and report.html into the run's folder. */
typedef struct vgg_cli_train_page vgg_cli_train_page;

/* NULL when memory ran out, which was complained about. */
vgg_cli_train_page *vgg_cli_train_page_begin(const vgg_cli_training *training);
/* Takes about 1.2 % of the time of the training, or some tenths of a second, and never ends it:
 * that a page cannot be written is complained about, once. */
void vgg_cli_train_page_hear(vgg_cli_train_page *page, const vgg_train_event *event);
/* trained: the training ended well or was stopped, and its page is brought up to date. False when a
 * page could not be written. */
bool vgg_cli_train_page_end(vgg_cli_train_page *page, bool trained);

/* ---- train_report.c: while it runs ---- */

typedef struct vgg_cli_train_report {
    const vgg_cli_training *training;
    bool quiet, show_rate;
    bool begun;
    bool advised;      /* that the network does not learn */
    double least_loss; /* of the validations so far; 0: there was none */
    size_t threads, classes;
    vgg_cli_progress progress;
    vgg_cli_skipped skipped;
    size_t skipped_steps;     /* that are known of */
    vgg_cli_train_page *page; /* NULL: none is wanted */
    double epoch_started, latest_line;
} vgg_cli_train_report;

vgg_cli_train_report vgg_cli_train_report_init(const vgg_cli_training *training);
/* A vgg_train_callback; user is the report. Says what will be trained when all that can fail before
 * the first step has gone well. Asks for an end after Ctrl-C. */
bool vgg_cli_train_event(void *user, const vgg_train_event *event);
/* A vgg_warning_callback, likewise. */
void vgg_cli_train_warned(void *user, const char *message);

/* ---- train_signals.c ---- */

/* As vgg_cli_stop_catch. */
void vgg_cli_train_catch_signals(void);
/* The run can be continued from now on: the second signal says how. */
void vgg_cli_train_say_begun(const vgg_cli_training *training);
/* "vgg train DATA -o RUN --resume"; freed by the caller, NULL when memory ran out. */
char *vgg_cli_train_resume_command(const vgg_cli_training *training);

#endif
