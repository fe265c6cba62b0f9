/* Training: a model made better on pictures whose classes are known, with a log and checkpoints. */
#ifndef VGG_TRAIN_H
#define VGG_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgg/data.h"
#include "vgg/model.h"
#include "vgg/plan.h"
#include "vgg/predict.h"
#include "vgg/run.h"
#include "vgg/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- optimiser ---- */

typedef enum vgg_optimiser_kind {
    /* Stochastic gradient descent with momentum and weight decay as PyTorch defines it: g += decay
     * * w; v = momentum * v + g (v = g the first time); w -= rate * v. Weight decay applies to
     * every trained tensor. */
    VGG_OPTIMISER_SGD = 0,
    /* The same with Nesterov's momentum: w -= rate * (g + momentum * v). */
    VGG_OPTIMISER_NESTEROV = 1,
    /* AdamW as PyTorch defines it: w -= rate * decay * w; m = momentum * m + (1 - momentum) * g;
     * s = beta2 * s + (1 - beta2) * g^2; w -= rate * m' / (sqrt(s') + epsilon), where m' and s' are
     * m / (1 - momentum^t) and s / (1 - beta2^t) at step t. `momentum` is what is called beta1. */
    VGG_OPTIMISER_ADAMW = 2,
} vgg_optimiser_kind;

/* "sgd", "nesterov", "adamw"; NULL for any other value. */
VGG_API const char *vgg_optimiser_name(vgg_optimiser_kind kind);

typedef struct vgg_optimiser_options {
    size_t struct_size;      /* set by vgg_optimiser_options_init */
    vgg_optimiser_kind kind; /* default VGG_OPTIMISER_SGD */
    double momentum;         /* default 0.9 */
    double weight_decay;     /* default 5e-4 */
    double beta2, epsilon;   /* of AdamW, default 0.999 and 1e-8 */
    double clip; /* the gradients of all trained tensors taken as one vector are made shorter where
                  * it is longer than this, as torch.nn.utils.clip_grad_norm_ does it. Default 0: no
                  * limit */
    double ema;  /* of the weights and running statistics an average is kept: after each step
                  * average = ema * average + (1 - ema) * value, from the first values on (timm's
                  * ModelEmaV2). A trainer evaluates it and saves it as the best. Default 0: none */
    size_t lookahead; /* after each `lookahead` steps slow = keep * slow + (1 - keep) * value and
                       * value = slow, for weights and running statistics (Zhang et al. 2019).
                       * Default 0: never */
    double lookahead_keep; /* default 0.5 */
    bool lookahead_ramp;   /* keep grows from 0 to lookahead_keep with the cube of the share of the
                            * run that is done; a trainer knows it. Default false */
    bool no_decay_norm;    /* no weight decay for biases and batch normalisation; default false */
    bool fix_norm_scale;   /* batch normalisation's weights stay as they are; default false */
    double bias_rate; /* times the learning rate for biases of batch normalisation, or of all layers
                       * in a network without it; their weight decay is divided by it. Default 1 */
    double head_rate; /* times the learning rate for the last layer; default 1 */
    double logit_scale; /* the last layer learns as if what it gives were multiplied by this, which
                         * is part of its weights: its steps are those of weights that are so much
                         * larger. A trainer multiplies the first weights by it. Default 1 */
} vgg_optimiser_options;

VGG_API void vgg_optimiser_options_init(vgg_optimiser_options *options, size_t size);

typedef struct vgg_optimiser vgg_optimiser;

/* Optimises the network of a plan of vgg_plan_create_training with the plan's gradients; both must
 * outlive it. options may be NULL. */
VGG_API vgg_status vgg_optimiser_create(vgg_network *network, vgg_plan *plan,
                                        const vgg_optimiser_options *options,
                                        vgg_optimiser **optimiser, vgg_error *error);
VGG_API void vgg_optimiser_free(vgg_optimiser *optimiser);

/* Whether a plan with defer_linear serves an optimiser with these options (NULL: the default): its
 * linear layers then need no stored gradients. */
VGG_API bool vgg_optimiser_defers(const vgg_network *network, const vgg_optimiser_options *options);

/* One step with the gradients of the plan's last vgg_plan_backward, or of all since the last step
 * in a plan with micro_batches. The next backward pass begins the next step. A plan with
 * defer_linear needs at least one backward pass per step. In VGG_PRECISION_F16 a step whose
 * gradients are too large for it is left out, and the next backward passes have smaller ones
 * inside. */
VGG_API vgg_status vgg_optimiser_step(vgg_optimiser *optimiser, double rate, vgg_error *error);
/* Steps that were left out so far. */
VGG_API size_t vgg_optimiser_skipped(const vgg_optimiser *optimiser);

/* ---- options ---- */

typedef enum vgg_schedule {
    VGG_SCHEDULE_CONSTANT = 0,
    VGG_SCHEDULE_STEP = 1, /* times `gamma` after every `step_epochs` epochs */
    /* Times `gamma` when `patience` epochs in a row and one more were not better than the best:
     * PyTorch's ReduceLROnPlateau on the validation loss, or the training loss where there is no
     * validation; not below `min_rate`. */
    VGG_SCHEDULE_PLATEAU = 2,
    /* From the rate to `min_rate` along half a cosine, step by step: PyTorch's CosineAnnealingLR
     * over all steps of the run. */
    VGG_SCHEDULE_COSINE = 3,
    /* PyTorch's OneCycleLR over all steps of the run: along half a cosine from rate / 25 to the
     * rate in three tenths of the run, then to rate / 250000. With cycle_momentum the momentum goes
     * from 0.95 to 0.85 and back. */
    VGG_SCHEDULE_ONE_CYCLE = 4,
    /* In straight lines from 0.2 times the rate to the rate at 0.23 of the run, then to 0.07 times
     * the rate at its end (airbench94). */
    VGG_SCHEDULE_TRIANGLE = 5,
} vgg_schedule;

/* "constant", "step", "plateau", "cosine", "one-cycle", "triangle"; NULL for any other value. */
VGG_API const char *vgg_schedule_name(vgg_schedule schedule);

typedef enum vgg_loss {
    VGG_LOSS_CROSS_ENTROPY = 0, /* of the softmax: vgg_cross_entropy */
    /* Of the sigmoid of each class, for several labels: vgg_binary_cross_entropy. */
    VGG_LOSS_BINARY_CROSS_ENTROPY = 1,
} vgg_loss;

/* "cross-entropy", "binary-cross-entropy"; NULL for any other value. */
VGG_API const char *vgg_loss_name(vgg_loss loss);

/* The random views that vgg_augment has, 0, 1, ...: "crop", "flip", "area", "scale", "translate",
 * "rotate", "policy", "colour", "pca", "erase"; NULL beyond. */
VGG_API const char *vgg_view_name(size_t view);

typedef enum vgg_event_type {
    VGG_EVENT_PLAN = 0, /* once, when all is set up, before the first step: what the run takes */
    VGG_EVENT_STEP = 1, /* after each step */
    VGG_EVENT_EVALUATED = 2, /* from time to time during the evaluation of an epoch */
    VGG_EVENT_EPOCH = 3,     /* after each epoch, its evaluation and its checkpoint */
    VGG_EVENT_SKIPPED = 4,   /* a picture could not be read; each is told once */
    VGG_EVENT_FEATURES = 5,  /* from time to time while features are computed that are cached */
    VGG_EVENT_CHECKED = 6,   /* check_data: after each picture that is read to be known again */
} vgg_event_type;

/* What a callback sees; only the members named for a type are set. */
typedef struct vgg_train_event {
    size_t struct_size; /* set by the library */
    vgg_event_type type;
    size_t epoch, epochs; /* STEP, EVALUATED, EPOCH: 1-based */
    size_t step, steps;   /* STEP, EVALUATED, FEATURES: within the epoch (or its evaluation, or the
                           * pictures whose features are computed), 1-based; steps is 0 for arrays,
                           * whose epochs have no known end. CHECKED: pictures */
    size_t images;        /* STEP, EVALUATED, EPOCH, FEATURES: pictures so far in this epoch or pass
                           */
    double loss, accuracy; /* STEP, EPOCH: running mean over the epoch's training pictures. Of
                            * several labels a picture is right when each class is, at 0.5 */
    double rate;           /* STEP, EPOCH: learning rate */
    double images_per_s;   /* STEP, EPOCH: since the epoch began, or since it was resumed */
    double waited;         /* STEP, EPOCH: share of the epoch's time spent waiting for data */
    double seconds_left;   /* STEP, EVALUATED: of the whole run, an estimate; 0 for arrays.
                            * FEATURES: until they are computed */
    bool validated;        /* EPOCH: whether the following three are set */
    double validation_loss, validation_top1, validation_top5; /* the latter two NaN of several
                                                               * labels */
    bool best;            /* EPOCH: this epoch's model was written to best.safetensors: it has the
                           * highest validation accuracy so far, or as high a one and less loss; of
                           * several labels the highest mean average precision. Of less than 100
                           * pictures, accuracies within a standard error of the highest of any
                           * epoch are as high */
    size_t memory;        /* PLAN: bytes of the plan, the gradients and the loader */
    const char *name;     /* SKIPPED: the picture */
    const vgg_error *why; /* SKIPPED */
    size_t feature_bytes; /* PLAN: bytes on the disk of the features that are cached, or 0 */
    const float *inputs;  /* STEP: of the pictures that were learnt from, `input_count` of them one
                           * after another; NULL when there were none. They belong to the trainer or
                           * its caller, until the callback returns */
    size_t input_count;
    const vgg_scores *scores; /* EPOCH: of the validation pictures, where they are asked for; NULL
                               * otherwise. They belong to the trainer, until the next epoch */
    /* EPOCH, validated: of several labels, else NaN. vgg_label_figures has them. */
    double validation_mean_average_precision, validation_exact_match;
    /* EPOCH: of the validation pictures of several labels, NULL otherwise. They belong to the
     * trainer, until the next epoch. */
    const vgg_label_scores *label_scores;
    size_t skipped_steps; /* PLAN, STEP, EPOCH: of the run, left out as their gradients were too
                           * large for VGG_PRECISION_F16 */
} vgg_train_event;

/* A sink of events. Return false to stop: last.safetensors is then written, and vgg_train returns
 * VGG_ERROR_STOPPED, unless the last epoch was complete already. On VGG_EVENT_SKIPPED, false stops
 * with the picture's error; on VGG_EVENT_CHECKED, the run stays what it was. Called on the thread
 * that called vgg_train or the trainer. */
typedef bool vgg_train_callback(void *user, const vgg_train_event *event);

typedef struct vgg_train_options {
    size_t struct_size;         /* set by vgg_train_options_init */
    size_t epochs;              /* default 10 */
    size_t batch;               /* most pictures per step, default 32 */
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
    bool resume;                /* vgg_train continues the run in `folder` where it stopped, default
                                 * false; a trainer has vgg_trainer_resume */
    const char *folder;         /* where the files go that run.h lists; NULL: nothing is written */
    vgg_train_callback *callback; /* default NULL */
    void *user;
    size_t micro_batch; /* most pictures that are computed at once, which is what memory grows with;
                         * a step adds up the gradients of as many pieces of its batch as that
                         * takes. Default 0: the whole batch. Except for rounding and the statistics
                         * of batch normalisation the result is the same */
    size_t freeze; /* default 0: what the network says is trained; n: as vgg_network_freeze(network,
                    * n) leaves it. A run is resumed with what it froze */
    size_t parts;  /* default 1. n: a batch is divided into n parts of equal size, or nearly so, and
                    * the gradients of each are computed alone and added in a tree of pairs that
                    * depends on their number only, whoever computes which. Takes memory for further
                    * gradients, log2 n rounded up of them; batch normalisation sees each part alone
                    */
    vgg_optimiser_kind optimiser; /* default VGG_OPTIMISER_SGD */
    vgg_loss loss; /* default VGG_LOSS_CROSS_ENTROPY; that of a model for several labels is
                    * VGG_LOSS_BINARY_CROSS_ENTROPY in any case, and of no other */
    vgg_threads *shared_threads; /* as in vgg_plan_options, default NULL */
    /* What else an optimiser can be told, copied; its kind, momentum and weight decay are those
     * above. Default NULL: as vgg_optimiser_options_init has it. */
    const vgg_optimiser_options *optimising;
    double label_smoothing; /* the target is 1 - label_smoothing for the class and label_smoothing
                             * divided by the classes added for each: that of PyTorch's
                             * CrossEntropyLoss. Of several labels each target t is t (1 -
                             * label_smoothing) + label_smoothing / 2, as Keras's BinaryCrossentropy
                             * has it. Default 0 */
    bool balance_loss; /* a class counts the more the fewer pictures it has: pictures / (classes *
                        * its pictures), as the weights of PyTorch's CrossEntropyLoss. Of several
                        * labels the pictures that have a class count for it as much as those that
                        * do not: pictures without it / those with it, as the pos_weight of
                        * BCEWithLogitsLoss. Needs a data set, default false */
    bool balance_samples; /* as in vgg_loader_options, default false */
    double min_rate;      /* of the plateau and the cosine; default 0 */
    size_t warmup_epochs; /* the rate first grows in equal steps to the one that the schedule begins
                           * with, which then has the rest of the run (PyTorch's LinearLR from 1 / n
                           * in n steps). Default 0 */
    size_t patience;      /* of the plateau; default 10 */
    bool cycle_momentum;  /* of the one-cycle; default true */
    size_t early_stop; /* vgg_train ends after so many epochs without a new best; default 0: never
                        */
    double norm_momentum; /* as in vgg_plan_options, default 0.1 */
    /* Of training on a data set: each picture of a batch is mixed with another of it, in a share
     * from the distribution Beta(x, x) with x from 0 to 1; 0 is off, the default. mixup adds their
     * samples up, cutmix puts a rectangle of one into the other; with both it is one or the other
     * at random. The loss is that of both classes in the same shares, the accuracy that of the
     * picture's own. */
    double mixup, cutmix;
    vgg_run *run; /* the run that it is, in place of `folder`; it must outlive the trainer. Default
                   * NULL: `folder` is opened as one while the training lasts */
    double save_minutes; /* vgg_train saves when so many minutes have passed since the last
                          * checkpoint, default 10; 0: only at the ends of epochs */
    bool save_start;     /* the first weights are saved when the run begins, default false: where it
                          * ends before its first checkpoint, whoever resumes it makes them again */
    bool check_data; /* notes a sum over the bytes of all pictures when a run begins, for which they
                      * are read, and compares it when it is resumed, default false */
    bool allow_changed_data;    /* a run is resumed on other data than it began with, default false:
                                 * that is VGG_ERROR_CHANGED, and the message names the changes */
    vgg_warning_callback *warn; /* default NULL. Hears, when a run is resumed, what is not as it was
                                 * and does no harm or is allowed: the version, the instruction
                                 * tier, the data; and on the first pass over the data what
                                 * vgg_loader_options.warn hears */
    void *warn_user;
    bool cache_features; /* what the frozen layers at the beginning of the network give is computed
                          * once, kept in the run's features.cache, and trained on in place of the
                          * pictures, to the same bytes in less time. It takes
                          * vgg_train_event.feature_bytes on the disk; vgg_train removes the file
                          * when the last epoch is complete. Default false. VGG_ERROR_ARGUMENT
                          * without a folder, a data set or frozen layers, and with views that show
                          * a picture in more ways than it and its mirror image */
    /* Writes an event file into folder/tensorboard, which TensorBoard opens: loss, accuracy and
     * rate at up to 50 steps of an epoch, figures of the validation, and the first batch as the
     * network saw it. A resumed run gets a further file, which takes the place of what it trains
     * again. Default false. */
    bool tensorboard;
    bool histograms; /* the same with histograms of all weights, and of the gradients of the last
                      * step, after each epoch. Gradients of linear layers are then stored, which
                      * takes their memory and changes results by rounding. Default false */
    bool scores;     /* the end of an epoch tells the scores of its validation pictures, with rows
                      * where those take at most 64 MB. Default false */
    /* As in vgg_plan_options, of training and of the evaluations in it. With VGG_PRECISION_BF16 the
     * weights, their gradients, what the optimiser keeps, batch normalisation and the loss stay in
     * float32, and so do all files. Default VGG_PRECISION_F32 */
    vgg_precision precision;
    vgg_device_kind device; /* likewise, default VGG_DEVICE_CPU. A run may be resumed on another
                             * one, which `warn` hears of */
} vgg_train_options;

VGG_API void vgg_train_options_init(vgg_train_options *options, size_t size);

/* ---- training on a data set ---- */

typedef struct vgg_train_result {
    size_t struct_size; /* set by the caller */
    size_t epochs;      /* completed, all runs taken together */
    size_t skipped;     /* pictures that could not be read, each counted once */
    double best_top1;   /* on the validation part; when there is none, of the last epoch on its
                         * training pictures. Of several labels the mean average precision, or, on
                         * training pictures, the share of which each class is right */
    size_t best_epoch;  /* 1-based; 0 when no epoch was completed */
    double seconds;
} vgg_train_result;

/* Trains the model, whose network has values and whose preprocessing is known, on `train`; after
 * each epoch evaluates it on `validation` (may be NULL). Data in which pictures have several labels
 * (vgg_dataset_several_labels) is for a model whose vgg_model_output is VGG_OUTPUT_SIGMOID;
 * pictures of other data have one label for such a model. Two runs with the same data, options,
 * model and instruction tier end in the same bytes, whatever `threads` and `workers` are.
 *
 * Fails with VGG_ERROR_NUMERIC when the loss is no longer finite, naming the step and what to try;
 * last.safetensors is then the model of the last epoch before. result may be NULL; it is set
 * however the run ends. */
VGG_API vgg_status vgg_train(vgg_model *model, const vgg_dataset *train,
                             const vgg_dataset *validation, const vgg_train_options *options,
                             vgg_train_result *result, vgg_error *error);

/* What a training with these options makes of a batch of that epoch by mixup and cutmix: `inputs`,
 * of the size of batch->inputs, of pictures with the channels, height and width of `shape`; the
 * class of what was mixed into each, and the share of the picture itself. */
VGG_API vgg_status vgg_train_mix(const vgg_train_options *options, uint64_t epoch,
                                 const vgg_batch *batch, const vgg_preprocess *shape, float *inputs,
                                 size_t *others, float *shares, vgg_error *error);

/* Makes the filters of the first convolution from up to `pictures` pictures of the data, chosen by
 * the seed: the eigenvectors of their patches' covariance divided by the roots of the eigenvalues,
 * the largest first and each with both signs. Filters that there are no more of keep their values.
 * `skipped` hears of pictures that cannot be read, as in vgg_loader_options; it may be NULL. */
VGG_API vgg_status vgg_train_whiten(vgg_model *model, const vgg_dataset *train, size_t pictures,
                                    uint64_t seed, vgg_skip_callback *skipped, void *user,
                                    vgg_error *error);

/* One step of a search for a learning rate. */
typedef struct vgg_rate_trial {
    size_t struct_size; /* set by the library */
    size_t step;        /* 1-based */
    double rate, loss;
    double smoothed; /* mean of the losses so far, each of which counts 0.98 times as much as the
                      * one after it */
} vgg_rate_trial;

/* Return false to stop: vgg_train_find_rate then fails with VGG_ERROR_STOPPED. */
typedef bool vgg_rate_callback(void *user, const vgg_rate_trial *trial);

typedef struct vgg_rate_options {
    size_t struct_size;      /* set by vgg_rate_options_init */
    double least, most;      /* learning rates, default 1e-7 and 10 */
    size_t steps;            /* default 100 */
    vgg_rate_callback *tell; /* called after each step, default NULL */
    void *user;
} vgg_rate_options;

VGG_API void vgg_rate_options_init(vgg_rate_options *options, size_t size);

/* Learning rates to begin with, from a curve of smoothed losses over the logarithm of the rate, of
 * which the first tenth and the last five steps are left out. */
typedef struct vgg_rate_suggestion {
    size_t struct_size; /* set by the caller */
    size_t steps;       /* that were done */
    double valley;      /* the middle of the longest decline: usually the best */
    double steep;       /* where the loss falls fastest */
    double minimum;     /* where it is least, a tenth of which is often taken */
} vgg_rate_suggestion;

/* Trains with rates that rise exponentially from `least` towards `most` until the smoothed loss is
 * four times its best, or no number, and gives the model its values back: Smith's range test with
 * fastai's conventions. The steps are those that a training with the options would begin with; its
 * schedule, folder, run and callback are not used, nothing is written or evaluated. rates may be
 * NULL. */
VGG_API vgg_status vgg_train_find_rate(vgg_model *model, const vgg_dataset *train,
                                       const vgg_train_options *options,
                                       const vgg_rate_options *rates,
                                       vgg_rate_suggestion *suggestion, vgg_error *error);

/* What to train on a data set when nothing else is known: a small VGG that learns from some hundred
 * pictures of a class within minutes. */
typedef struct vgg_suggestion {
    size_t struct_size;             /* set by the caller */
    size_t channels, height, width; /* of the input */
    const char *preprocess;         /* a preset: "torchvision", or "unit" for grey pictures */
    size_t resize; /* for vgg_preprocess: pictures that have the input's size already are not
                    * enlarged first; 0: as the preset has it */
    const char *arch;
    bool batch_norm;
    double dropout;
    bool flip;     /* of vgg_augment; false for MNIST's format: a mirrored digit is another sign */
    size_t epochs; /* that it takes to learn from so many pictures of a class, shown in random views
                    * with a rate that ends at nothing */
    bool few;      /* the pictures are few: they have to be shown in many views */
    vgg_layout layout; /* of the network, as the arch is written for it */
    bool policy;       /* the pictures are so few that views should have vgg_augment.policy */
} vgg_suggestion;

/* The suggestion for a data set of which vgg_dataset_describe said `info`. channels, height and
 * width: what is decided of the input already, or 0; its size is otherwise the pictures' own when
 * all have the same of at most 64, else 96. The strings are constant. */
VGG_API vgg_status vgg_train_suggest(const vgg_dataset_info *info, size_t channels, size_t height,
                                     size_t width, vgg_suggestion *suggestion, vgg_error *error);

/* ---- a training step by step ---- */

/* What vgg_train is made of, for programs that have their own arrays or their own loop. One thread
 * at a time may use a trainer. Where a sink asks for an end, the function that told it finishes
 * what it does and returns VGG_ERROR_STOPPED; the trainer can be saved, and goes on when it is
 * called again. */
typedef struct vgg_trainer vgg_trainer;

/* A trainer of the model, which has values and must outlive it, as the data sets must. With `train`
 * NULL it is driven on arrays with vgg_trainer_step, else with vgg_trainer_step_data; `validation`,
 * which vgg_trainer_finish_epoch evaluates on, may be NULL in either case. The model needs its
 * preprocessing where there is a data set. options may be NULL. */
VGG_API vgg_status vgg_trainer_create(vgg_model *model, const vgg_dataset *train,
                                      const vgg_dataset *validation,
                                      const vgg_train_options *options, vgg_trainer **trainer,
                                      vgg_error *error);
VGG_API void vgg_trainer_free(vgg_trainer *trainer);

/* Tells all events from now on to `callback` too. Each event goes to log.jsonl first, then to the
 * callback of the options, then to those added here in their order; all are told before a false of
 * any of them stops. `user` must outlive the trainer. */
VGG_API vgg_status vgg_trainer_add_sink(vgg_trainer *trainer, vgg_train_callback *callback,
                                        void *user, vgg_error *error);

/* Continues where the checkpoint in `folder` (NULL: that of the options) stopped; before the first
 * step. The options must be those of the run with its seed and frozen layers. */
VGG_API vgg_status vgg_trainer_resume(vgg_trainer *trainer, const char *folder, vgg_error *error);

/* Bytes that features.cache has on the disk with vgg_train_options.cache_features; 0 without. */
VGG_API size_t vgg_trainer_feature_bytes(const vgg_trainer *trainer);

/* One step on arrays: inputs, (count, channels, height, width) floats, preprocessed, and their
 * class numbers, with 1 <= count <= batch; a model for several labels learns that each has this
 * one. *loss (unless NULL) becomes the mean loss of the step.
 * With batch normalisation count is at least 2, unless micro_batch is 1. */
VGG_API vgg_status vgg_trainer_step(vgg_trainer *trainer, const float *inputs,
                                    const size_t *classes, size_t count, double *loss,
                                    vgg_error *error);

/* One step on the next batch of the epoch of `train`; *more becomes false, and nothing is done,
 * when the epoch has no more. */
VGG_API vgg_status vgg_trainer_step_data(vgg_trainer *trainer, bool *more, vgg_error *error);

/* Ends an epoch that had steps: evaluates, decides whether it is the best, writes the checkpoint
 * and tells VGG_EVENT_EPOCH. The next step belongs to the next epoch, to which the schedule gives
 * its rate. More epochs than the options have may follow. */
VGG_API vgg_status vgg_trainer_finish_epoch(vgg_trainer *trainer, vgg_error *error);

/* Evaluates on arrays of any count, in VGG_MODE_EVAL and in the trainer's own memory. */
VGG_API vgg_status vgg_trainer_evaluate(vgg_trainer *trainer, const float *inputs,
                                        const size_t *classes, size_t count,
                                        vgg_eval_result *result, vgg_error *error);
/* Evaluates as vgg_evaluate does, to which it is equal. Tells no events. */
VGG_API vgg_status vgg_trainer_evaluate_data(vgg_trainer *trainer, const vgg_dataset *dataset,
                                             vgg_eval_result *result, vgg_error *error);

/* Writes a checkpoint, which is all that vgg_trainer_resume needs, to `folder` (NULL: that of the
 * options), which is made when it is not there; run.h lists its files. In a folder other than the
 * trainer's own it takes the place of the run that lies there, with its best.safetensors. */
VGG_API vgg_status vgg_trainer_save(vgg_trainer *trainer, const char *folder, vgg_error *error);

/* How far the training has come. */
VGG_API vgg_status vgg_trainer_result(const vgg_trainer *trainer, vgg_train_result *result,
                                      vgg_error *error);

#ifdef __cplusplus
}
#endif
#endif
