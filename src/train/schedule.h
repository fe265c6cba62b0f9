/* Schedules: the learning rate over a run, a row per kind. */
#ifndef VGG_TRAIN_SCHEDULE_H
#define VGG_TRAIN_SCHEDULE_H

#include "train/numbers.h"
#include "vgg/train.h"

/* Numbers that a schedule remembers, at most. */
#define VGG_SCHEDULE_STATE_MAX 4

/* Where a run is. */
typedef struct vgg_moment {
    size_t epoch;       /* from 0 */
    size_t step, steps; /* of the epoch, from 0; steps is 0 where the epoch's end is not known */
    size_t epochs;      /* of the run */
} vgg_moment;

typedef struct vgg_scheduler vgg_scheduler;

typedef struct vgg_schedule_row {
    const char *name;
    vgg_setting_list numbers; /* of vgg_train_options */
    /* What it remembers, by name: the state that a checkpoint keeps; unused ones are NULL. It is 0
     * at first. */
    const char *state[VGG_SCHEDULE_STATE_MAX];
    double (*rate)(const vgg_scheduler *scheduler, vgg_moment moment);
    /* Sees each epoch when it is complete. NULL for a schedule that depends on the moment alone. */
    void (*observe)(vgg_scheduler *scheduler, const vgg_train_event *epoch);
    /* The momentum at that moment. NULL for a schedule that leaves it as it is. */
    double (*momentum)(const vgg_scheduler *scheduler, vgg_moment moment);
} vgg_schedule_row;

/* The schedule of a run. */
struct vgg_scheduler {
    const vgg_schedule_row *row;
    const vgg_train_options *options;
    double state[VGG_SCHEDULE_STATE_MAX];
};

/* NULL for a schedule that there is not. */
const vgg_schedule_row *vgg_schedule_row_at(vgg_schedule schedule);

/* The rate and the momentum at a moment, with the warm-up. */
double vgg_scheduler_rate(const vgg_scheduler *scheduler, vgg_moment moment);
double vgg_scheduler_momentum(const vgg_scheduler *scheduler, vgg_moment moment);

/* Defaults of all rows, and the check of all, whichever is in use. */
void vgg_schedule_defaults(vgg_train_options *options);
vgg_status vgg_schedule_check(const vgg_train_options *options, vgg_error *error);

#endif
