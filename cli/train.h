/* The parts of `vgg train`: its options, the choices made from the data, the run's folder, and what
 * is said while it trains. */
#ifndef VGG_CLI_TRAIN_H
#define VGG_CLI_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/options.h"
#include "cli/preprocess_options.h"
#include "cli/skipped.h"
#include "cli/terminal.h"
#include "vgg/vgg.h"

typedef struct vgg_cli_train_options {
    const char *data, *folder;
    const char *arch, *layout, *padding, *init, *preprocess, *schedule;
    bool batch_norm, augment, crop, flip, shuffle;
    bool strict, resume, overwrite, quiet;
    double dropout, rate, momentum, weight_decay, gamma, validation_split;
    size_t epochs, batch, micro_batch, freeze, step_epochs, threads, workers;
    uint64_t seed;
    vgg_cli_input input;
    vgg_cli_preprocess pictures;
    struct {
        bool layout, padding, batch_norm, dropout;
        bool epochs, batch, micro_batch, freeze, rate, momentum, weight_decay, schedule,
            step_epochs, gamma, init, seed, augment, crop, flip, shuffle, validation_split;
    } given;
} vgg_cli_train_options;

/* Everything that a training needs. */
typedef struct vgg_cli_training {
    vgg_cli_train_options options;
    char default_folder[32];
    vgg_dataset *train, *validation;
    bool input_given;
    char *split; /* what was set aside for validation; NULL: the data's own part validates, or
                  * nothing */
    size_t test_pictures; /* in the data, which are not used */
    vgg_dataset_info info;
    size_t resize; /* the pictures' short side before the cut-out; 0: as the preset has it */
    vgg_model *model;
} vgg_cli_training;

/* ---- train_options.c ---- */

/* The options that decide, with the data and the network, what is learnt. They travel with the
 * model as notes "options.<name>", and a resumed run takes them from there. */
#define VGG_CLI_LEARNING_OPTIONS 17
void vgg_cli_learning_options(vgg_cli_train_options *o,
                              vgg_cli_option options[VGG_CLI_LEARNING_OPTIONS]);

void vgg_cli_train_defaults(vgg_cli_train_options *o);
/* vgg_cli_parse with the options of `vgg train`. */
bool vgg_cli_train_parse(vgg_cli_train_options *o, int argc, char **argv, int *status);

/* Each of the following returns an exit status; when it is not VGG_CLI_OK that was complained
 * about. */

/* ---- train_setup.c: choices ---- */

int vgg_cli_train_open_data(vgg_cli_training *training);
/* Chooses the options that were not given by looking at the data. */
int vgg_cli_train_choose(vgg_cli_training *training);
/* Makes the model with its first weights. */
int vgg_cli_train_make_model(vgg_cli_training *training);
/* Says what will be trained on what. */
void vgg_cli_train_print_plan(const vgg_cli_training *training);

/* ---- train_resume.c: the run's folder ---- */

/* Chooses the folder, and refuses one that holds a model which would be lost. */
int vgg_cli_train_choose_folder(vgg_cli_training *training);
/* Forgets the models of the run that --overwrite allows to replace. */
void vgg_cli_train_clear_folder(const vgg_cli_training *training);
/* Opens the model of the run to continue, and takes over the options that were not given. */
int vgg_cli_train_open_run(vgg_cli_training *training);
/* Writes the options into the model's notes. */
int vgg_cli_train_note_options(vgg_cli_training *training);

/* ---- train_report.c: while it runs ---- */

typedef struct vgg_cli_train_report {
    const vgg_cli_training *training;
    bool quiet, show_rate;
    bool advised; /* that the network does not learn */
    size_t threads, classes;
    vgg_cli_progress progress;
    vgg_cli_skipped skipped;
    double epoch_started, latest_line;
} vgg_cli_train_report;

vgg_cli_train_report vgg_cli_train_report_init(const vgg_cli_training *training);
/* A vgg_train_callback; user is the report. Says what will be trained, and lets the former run go,
 * when all that can fail before the first step has gone well. Asks for an end after Ctrl-C. */
bool vgg_cli_train_event(void *user, const vgg_train_event *event);
/* From now on Ctrl-C and SIGTERM only ask for an end; the second of a kind ends the process. */
void vgg_cli_train_catch_signals(void);

#endif
