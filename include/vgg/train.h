/* Training: stochastic gradient descent on a model and a data set, with a log and checkpoints. */
#ifndef VGG_TRAIN_H
#define VGG_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/data.h"
#include "vgg/model.h"
#include "vgg/plan.h"
#include "vgg/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- optimiser ---- */

/* SGD with momentum and weight decay as PyTorch defines it: g += decay * w; v = momentum * v + g (v
 * = g the first time); w -= rate * v. Weight decay applies to every trained tensor. */
typedef struct vgg_optimiser vgg_optimiser;

/* Optimises the network of the plan with the plan's gradients; both must outlive it. */
VGG_API vgg_status vgg_optimiser_create(vgg_network *network, vgg_plan *plan, double momentum,
                                        double weight_decay, vgg_optimiser **optimiser,
                                        vgg_error *error);
VGG_API void vgg_optimiser_free(vgg_optimiser *optimiser);

/* One step with the gradients of the plan's last vgg_plan_backward, or of all since the last step
 * in a plan with micro_batches. The next backward pass begins the next step. A plan with
 * defer_linear needs at least one backward pass per step. */
VGG_API vgg_status vgg_optimiser_step(vgg_optimiser *optimiser, double rate, vgg_error *error);

/* ---- the training loop ---- */

typedef enum vgg_schedule {
    VGG_SCHEDULE_CONSTANT = 0,
    VGG_SCHEDULE_STEP = 1, /* times `gamma` after every `step_epochs` epochs */
} vgg_schedule;

typedef enum vgg_event_type {
    VGG_EVENT_PLAN = 0, /* once, when all is set up, before the first step: what the run takes */
    VGG_EVENT_STEP = 1, /* after each step */
    VGG_EVENT_EVALUATED = 2, /* from time to time during the evaluation of an epoch */
    VGG_EVENT_EPOCH = 3,     /* after each epoch, its evaluation and its checkpoint */
    VGG_EVENT_SKIPPED = 4,   /* a picture could not be read */
} vgg_event_type;

/* What the callback sees; only the members named for a type are set. */
typedef struct vgg_train_event {
    size_t struct_size; /* set by the library */
    vgg_event_type type;
    size_t epoch, epochs;     /* STEP, EVALUATED, EPOCH: 1-based */
    size_t step, steps;       /* STEP, EVALUATED: within the epoch (or its evaluation), 1-based */
    size_t images;            /* STEP, EVALUATED, EPOCH: pictures so far in this epoch or pass */
    double loss, accuracy;    /* STEP, EPOCH: running mean over the epoch's training pictures */
    double rate;              /* STEP, EPOCH: learning rate */
    double images_per_second; /* STEP, EPOCH */
    double waited;            /* STEP, EPOCH: share of the epoch's time spent waiting for data */
    double seconds_left;      /* STEP, EVALUATED: of the whole run, an estimate */
    bool validated;           /* EPOCH: whether the following three are set */
    double validation_loss, validation_top1, validation_top5;
    bool best;            /* EPOCH: this epoch's model was written to best.safetensors */
    size_t memory;        /* PLAN: bytes of the plan, the gradients and the loader */
    const char *name;     /* SKIPPED: the picture */
    const vgg_error *why; /* SKIPPED */
} vgg_train_event;

/* Return false to stop: last.safetensors is then written, and vgg_train returns VGG_ERROR_STOPPED,
 * unless the last epoch was complete already. On VGG_EVENT_SKIPPED, false stops with the picture's
 * error. Called on the thread that called vgg_train. */
typedef bool vgg_train_callback(void *user, const vgg_train_event *event);

typedef struct vgg_train_options {
    size_t struct_size;         /* set by vgg_train_options_init */
    size_t epochs;              /* default 10 */
    size_t batch;               /* pictures per step, default 32 */
    double rate;                /* learning rate, default 0.005 */
    double momentum;            /* default 0.9 */
    double weight_decay;        /* default 5e-4 */
    vgg_schedule schedule;      /* default VGG_SCHEDULE_CONSTANT */
    size_t step_epochs;         /* default: a third of the epochs, rounded up */
    double gamma;               /* default 0.1 */
    uint64_t seed;              /* default 0: order, views and dropout are a function of it */
    size_t threads;             /* default 0: as many as the machine leaves to this process */
    size_t workers;             /* as in vgg_loader_options, default 0 */
    bool shuffle;               /* default true */
    const vgg_augment *augment; /* copied; default NULL: those of vgg_augment_init */
    bool resume;                /* continue the run in `folder` where it stopped, default false */
    const char *folder; /* where log.jsonl, best.safetensors, last.safetensors and state.safetensors
                         * go; NULL: nothing is written */
    vgg_train_callback *callback; /* default NULL */
    void *user;
    size_t micro_batch; /* most pictures that are computed at once, which is what memory grows with;
                         * a step adds up the gradients of as many parts of its batch as that takes.
                         * Default 0: the whole batch. Except for rounding and the statistics of
                         * batch normalisation the result is the same */
    size_t freeze; /* default 0: what the network says is trained; n: as vgg_network_freeze(network,
                    * n) leaves it. A run is resumed with what it froze */
    vgg_threads *shared_threads; /* as in vgg_plan_options, default NULL */
} vgg_train_options;

VGG_API void vgg_train_options_init(vgg_train_options *options, size_t size);

typedef struct vgg_train_result {
    size_t struct_size; /* set by the caller */
    size_t epochs;      /* completed, all runs taken together */
    size_t skipped;     /* pictures that could not be read, each counted once */
    double best_top1;   /* on the validation part, or on training pictures when there is none */
    size_t best_epoch;  /* 1-based; 0 when no epoch was completed */
    double seconds;
} vgg_train_result;

/* Trains the model, whose network has values and whose preprocessing is known, on `train`; after
 * each epoch evaluates it on `validation` (may be NULL). Two runs with the same data, options,
 * model and instruction tier end in the same bytes, whatever `threads` and `workers` are.
 *
 * Fails with VGG_ERROR_NUMERIC when the loss is no longer finite, naming the step and what to try;
 * last.safetensors is then the model of the last epoch before. result may be NULL; it is set
 * however the run ends. */
VGG_API vgg_status vgg_train(vgg_model *model, const vgg_dataset *train,
                             const vgg_dataset *validation, const vgg_train_options *options,
                             vgg_train_result *result, vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
