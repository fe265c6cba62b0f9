/* A training run while it lasts. */
#ifndef VGG_TRAIN_RUN_H
#define VGG_TRAIN_RUN_H

#include <stdio.h>

#include "train/optimiser.h"
#include "vgg/plan.h"

/* How far a run has come: what is saved beside the weights and velocities, and nothing else is
 * needed to go on. */
typedef struct vgg_progress {
    uint64_t seed;
    size_t epoch;     /* the epoch under way, from 0 */
    size_t step;      /* batches of it that are done */
    uint64_t updates; /* steps of the optimiser so far: numbers the masks of dropout */
    size_t images;    /* of this epoch so far, and the sums over them */
    double loss;
    size_t hits;
    double best_top1;
    size_t best_epoch; /* from 1; 0: none yet */
} vgg_progress;

typedef struct vgg_run {
    vgg_model *model;
    vgg_network *network;
    const vgg_dataset *train, *validation;
    vgg_train_options options;
    vgg_augment augment;
    vgg_threads *threads, *own_threads; /* the latter NULL when they are shared */
    vgg_plan *plan;
    vgg_optimiser *optimiser;
    vgg_loader *loader;
    float *logits, *gradient; /* (micro-batch, classes) */
    FILE *log;                /* NULL: no folder */

    vgg_progress progress;
    double started, epoch_started; /* seconds of the monotonic clock */
    double fraction_before;        /* of the whole run that was done when it was resumed */
    double waited;                 /* seconds of this epoch that the network waited for data */
    size_t skipped;
    bool report_skipped; /* the first pass over the data names unreadable pictures */
    bool stop_asked;     /* the callback returned false */
} vgg_run;

/* Writes last.safetensors and state.safetensors, and best.safetensors when `best`. */
vgg_status vgg_run_save(const vgg_run *run, bool best, vgg_error *error);

/* Continues where the run in options.folder stopped. */
vgg_status vgg_run_resume(vgg_run *run, vgg_error *error);

/* Opens log.jsonl, from its beginning or at its end, and adds lines to it. */
vgg_status vgg_run_open_log(vgg_run *run, vgg_error *error);
vgg_status vgg_run_log_step(const vgg_run *run, const vgg_train_event *event, vgg_error *error);
vgg_status vgg_run_log_epoch(const vgg_run *run, const vgg_train_event *event, vgg_error *error);

#endif
