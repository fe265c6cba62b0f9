/* A training while it lasts. */
#ifndef VGG_TRAIN_TRAINER_H
#define VGG_TRAIN_TRAINER_H

#include "nn/hits.h"
#include "train/features.h"
#include "train/loss.h"
#include "train/named.h"
#include "train/optimiser.h"
#include "train/parts.h"
#include "train/schedule.h"
#include "train/sinks.h"
#include "vgg/plan.h"

/* How far a training has come: what is saved beside the weights and the rows' own state, and
 * nothing else is needed to go on. */
typedef struct vgg_progress {
    uint64_t seed;
    size_t epoch;     /* the epoch under way, from 0 */
    size_t step;      /* batches of it that are done */
    uint64_t updates; /* steps of the optimiser so far: numbers the masks of dropout */
    size_t images;    /* of this epoch so far, and the sums over them */
    double loss;
    size_t hits;
    double best_top1, best_loss; /* of the best epoch */
    double highest_top1;         /* of any epoch; the best one's may be lower by less than chance */
    size_t best_epoch;           /* from 1; 0: none yet */
    bool ended; /* the epoch under way has had its last step, and waits for its evaluation */
} vgg_progress;

typedef struct vgg_board vgg_board;

struct vgg_trainer {
    vgg_model *model;
    vgg_network *network;
    const vgg_dataset *train, *validation; /* NULL: arrays; none */
    vgg_train_options options;
    char *folder; /* a copy of the options', or NULL */
    vgg_augment augment;
    vgg_optimiser_options optimising; /* complete */
    float *class_weights;             /* of the loss, or NULL */
    bool several;                     /* labels of a picture: the model's output is sigmoid */
    float *targets;                   /* (batch, classes): with several, of a step; or NULL */

    vgg_threads *threads, *own_threads; /* the latter NULL when they are shared */
    const vgg_loss_row *loss;
    vgg_scheduler scheduler;
    vgg_optimiser *optimiser;
    vgg_plan *plan;
    size_t most;     /* pictures that are computed at once */
    size_t first_op; /* where forward passes begin; not 0 with cached features */
    size_t input;    /* floats of an input, which are features when they are cached */
    vgg_features features;
    vgg_part_sums sums;       /* of a step's parts */
    vgg_loader *loader;       /* of `train`, or NULL */
    float *logits, *gradient; /* (most, classes) */
    float *mixed;             /* a batch of inputs after mixup or cutmix, or NULL */
    size_t *others;           /* (batch): with mixed */
    float *shares;
    vgg_run *run,
        *own_run;       /* where it is saved, or NULL; the latter NULL when it is the caller's */
    vgg_event_log *log; /* of the run, once it has begun, as the following two */
    vgg_results *results;
    vgg_board *board; /* NULL: nothing is told to TensorBoard */
    vgg_event_sinks sinks;
    vgg_scores *scores;             /* of the last validation, where they are asked for */
    vgg_label_scores *label_scores; /* the same of several labels, always */
    double fixed_rate;              /* in place of the schedule's; 0: the schedule decides */
    const float *inputs;            /* of the step that is told of, `input_count` of them */
    size_t input_count;

    vgg_progress progress;
    double created, started, epoch_started; /* seconds of the monotonic clock */
    double fraction_before;                 /* of the run that was done when it was resumed */
    double waited;                          /* seconds of this epoch spent waiting for data */
    size_t images_before; /* of this epoch, trained by the process that this one goes on from */
    size_t skipped;
    vgg_named named;    /* pictures that could not be read */
    bool report_warned; /* the first pass over the data says what is odd about pictures */
    bool resumed;       /* from its own run */
    bool loaded;        /* weights and state are a checkpoint's, or have begun */
    bool moved;         /* resumed from another folder, and not yet saved in its own */
    bool data_changed;  /* since the run that is resumed began */
    bool unsaved;       /* something was learnt, or is new to its run */
    double saved_at;    /* seconds of the clock */
    bool begun;         /* the run is there, the log is open, and the plan is told */
    bool stepped;       /* the plan has the gradients of a step */
    bool in_epoch;      /* the epoch's clock runs, and the loader */
};

/* ---- options.c ---- */

/* The caller's options, complete and checked. */
vgg_status vgg_train_options_read(const vgg_train_options *given, vgg_train_options *options,
                                  vgg_error *error);

/* ---- trainer.c ---- */

/* Begins the run, opens the log and tells VGG_EVENT_PLAN, once: all that can fail before the first
 * step has gone well then. */
vgg_status vgg_trainer_begin(vgg_trainer *trainer, vgg_error *error);

/* ---- features.c ---- */

/* Finds the size of what is cached, and where forward passes begin. VGG_ERROR_ARGUMENT when there
 * is nothing that stays the same from epoch to epoch. */
vgg_status vgg_trainer_plan_features(vgg_trainer *trainer, vgg_error *error);
/* A plan like that of vgg_evaluate. */
vgg_status vgg_trainer_eval_plan(const vgg_trainer *trainer, vgg_plan **plan, vgg_error *error);
/* Opens the file of the run, which is ready when it is there, complete, and follows from what the
 * trainer has; *origin becomes what stands for that in any case. */
vgg_status vgg_trainer_open_features(vgg_trainer *trainer, uint64_t *origin, vgg_error *error);
/* Reads the record of a picture of a part, which is checked: VGG_ERROR_FORMAT when the picture
 * could not be read. */
vgg_status vgg_trainer_read_features(const vgg_trainer *trainer, const vgg_cached_part *part,
                                     size_t record, float *values, vgg_error *error);
/* A vgg_loader_fill; user is the trainer. */
vgg_status vgg_trainer_fill_features(void *user, size_t item, uint64_t epoch, uint64_t view,
                                     float *values, vgg_error *error);
/* The run has no need of them any more. */
void vgg_trainer_remove_features(vgg_trainer *trainer);

/* ---- features_make.c ---- */

/* Has the features ready, which may mean to compute them. VGG_ERROR_STOPPED: asked to stop
 * meanwhile. */
vgg_status vgg_trainer_prepare_features(vgg_trainer *trainer, vgg_error *error);

/* ---- features_evaluate.c ---- */

/* What vgg_evaluate says of the validation part, from its features. */
vgg_status vgg_trainer_evaluate_features(vgg_trainer *trainer, vgg_progress_callback *progress,
                                         void *user, vgg_eval_result *result, vgg_error *error);

/* ---- places.c ---- */

/* Whether the files of a new run beside its checkpoint can be written where they are to be: found
 * out while the run that it replaces is still there. */
vgg_status vgg_trainer_check_places(const vgg_trainer *trainer, vgg_error *error);

/* ---- labels.c: classes, and several labels of a picture ---- */

/* Weights of the classes that make up for their sizes, where they are asked for. */
vgg_status vgg_trainer_weigh_classes(vgg_trainer *trainer, vgg_error *error);

/* Room for the targets of a step, where the model is for several labels. */
vgg_status vgg_trainer_create_targets(vgg_trainer *trainer, vgg_error *error);
/* Sets targets[n] of `count` pictures to their labels: those of items of the data set, or, where
 * items is NULL, their classes. */
void vgg_trainer_set_targets(vgg_trainer *trainer, const size_t *items, const size_t *classes,
                             size_t count);
/* Mixes the targets as the trainer's shares say the pictures are. */
void vgg_trainer_mix_targets(vgg_trainer *trainer, size_t count);
/* Whether each class of a picture is on the side of 0.5 that its target is on. */
bool vgg_trainer_labels_are_right(const float *logits, const float *targets, size_t classes);
/* Empty scores for an evaluation. */
vgg_status vgg_trainer_renew_label_scores(vgg_trainer *trainer, vgg_error *error);
/* The result of an evaluation: shares of the hits, or of several labels the figures of the
 * trainer's scores. VGG_ERROR_FORMAT where not one picture could be read. */
vgg_status vgg_trainer_eval_result(const vgg_trainer *trainer, const vgg_hits *hits,
                                   vgg_eval_result *result, vgg_error *error);

/* ---- epoch.c ---- */

/* VGG_ERROR_NUMERIC when a weight is no finite number. Weights that were ruined by the last step
 * show in no loss before the next. */
vgg_status vgg_trainer_check_weights(const vgg_trainer *trainer, vgg_error *error);

/* ---- step.c ---- */

/* The division of a step of `count` pictures into parts, each of which is computed alone. */
typedef struct vgg_division {
    size_t count; /* pictures that are learnt from */
    size_t parts;
    size_t grain; /* pictures that stay together */
} vgg_division;

vgg_division vgg_trainer_divide(const vgg_trainer *trainer, size_t count);

/* The pictures of a step. */
typedef struct vgg_lesson {
    size_t count;
    const float *inputs;
    const size_t *classes;
    const size_t *others; /* what was mixed in, and the share of what was not, as in vgg_loss_task;
                           * or NULL */
    const float *shares;
    const float *targets; /* of several labels, as in vgg_loss_task; or NULL */
    double weight;        /* in the loss, all together; set by vgg_trainer_learn */
} vgg_lesson;

/* One step of the optimiser. *loss (unless NULL) becomes the mean loss of the pictures. */
vgg_status vgg_trainer_learn(vgg_trainer *trainer, const vgg_lesson *lesson, double *loss,
                             vgg_error *error);

/* ---- blame.c ---- */

/* VGG_ERROR_NUMERIC: "<what> not a finite number in epoch ...". */
vgg_status vgg_trainer_fail_not_finite(const vgg_trainer *trainer, const char *what,
                                       vgg_error *error);
/* The same of the loss of these pictures, at most those that are computed at once, naming the layer
 * that blew up first. */
vgg_status vgg_trainer_fail_loss(vgg_trainer *trainer, const float *inputs, size_t count,
                                 vgg_error *error);
/* The same when the loss of the epoch is far above that of guessing. */
vgg_status vgg_trainer_check_loss(vgg_trainer *trainer, const float *inputs, size_t count,
                                  vgg_error *error);

/* ---- board.c: what TensorBoard shows ---- */

/* In the folder "tensorboard" of the trainer's run, from where it stands. */
vgg_status vgg_board_open(const vgg_trainer *trainer, vgg_board **board, vgg_error *error);
void vgg_board_close(vgg_board *board);
/* Writes what there is to show of the event. */
vgg_status vgg_board_tell(vgg_board *board, const vgg_trainer *trainer,
                          const vgg_train_event *event, vgg_error *error);

/* ---- events.c ---- */

/* The learning rate of the step under way, and the momentum. */
double vgg_trainer_rate(const vgg_trainer *trainer);
double vgg_trainer_momentum(const vgg_trainer *trainer);

/* Share of the whole run that is done. */
double vgg_trainer_done(const vgg_trainer *trainer, double epoch_fraction);

/* VGG_EVENT_STEP or VGG_EVENT_EPOCH, of the epoch so far. */
vgg_train_event vgg_trainer_describe(const vgg_trainer *trainer, vgg_event_type type);

/* VGG_EVENT_EVALUATED. */
vgg_train_event vgg_trainer_describe_evaluation(const vgg_trainer *trainer, size_t done,
                                                size_t total);

/* Writes the event to the files of the run, if there is one: log, table of results, TensorBoard's.
 */
vgg_status vgg_trainer_log(const vgg_trainer *trainer, const vgg_train_event *event,
                           vgg_error *error);

/* Tells all sinks. VGG_ERROR_STOPPED, saying where, when one asked for an end. */
vgg_status vgg_trainer_tell(const vgg_trainer *trainer, vgg_train_event *event, vgg_error *error);

/* A vgg_progress_callback: tells VGG_EVENT_CHECKED; user is the trainer. */
bool vgg_trainer_checked(void *user, size_t done, size_t total);

/* A vgg_skip_callback; user is the trainer. */
bool vgg_trainer_skipped(void *user, const char *name, const vgg_error *why);
/* Passes a warning of a picture on; user is the trainer. */
void vgg_trainer_warned(void *user, const char *message);

#endif
