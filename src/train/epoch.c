/* A trainer's steps on arrays and on a data set, and the end of an epoch. */
#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "train/checkpoint.h"
#include "train/mix.h"

/* Of fewer validation pictures than this chance chooses between epochs that are alike. */
#define FEW_PICTURES 100

/* ---- steps ---- */

static vgg_status start_epoch(vgg_trainer *trainer, vgg_error *error) {
    vgg_status status = vgg_trainer_begin(trainer, error);
    if (status == VGG_OK)
        status = vgg_trainer_prepare_features(trainer, error);
    if (status != VGG_OK || trainer->in_epoch)
        return status;
    trainer->epoch_started = vgg_clock_seconds();
    trainer->waited = 0;
    trainer->images_before = trainer->progress.images;
    if (trainer->loader != NULL && !trainer->progress.ended) {
        size_t batches = vgg_loader_batch_count(trainer->loader), step = trainer->progress.step;
        if (trainer->data_changed) /* there may be fewer than the run has seen of this epoch */
            step = vgg_size_min(step, batches);
        status = vgg_loader_start(trainer->loader, trainer->progress.epoch, step, error);
    }
    trainer->in_epoch = status == VGG_OK;
    return status;
}

static vgg_status finish_step(vgg_trainer *trainer, vgg_error *error) {
    trainer->progress.step++;
    vgg_train_event event = vgg_trainer_describe(trainer, VGG_EVENT_STEP);
    vgg_status logged = vgg_trainer_log(trainer, &event, error);
    vgg_status told = vgg_trainer_tell(trainer, &event, logged == VGG_OK ? error : NULL);
    trainer->inputs = NULL;
    trainer->input_count = 0;
    return logged != VGG_OK ? logged : told;
}

static vgg_status check_arrays(const vgg_trainer *trainer, const size_t *classes, size_t count,
                               vgg_error *error) {
    size_t class_count = trainer->network->options.classes;
    for (size_t n = 0; n < count; n++) {
        if (classes[n] >= class_count)
            return vgg_fail(error, VGG_ERROR_ARGUMENT, "input %zu has class %zu, expected 0 to %zu",
                            n, classes[n], class_count - 1);
    }
    return VGG_OK;
}

vgg_status vgg_trainer_step(vgg_trainer *trainer, const float *inputs, const size_t *classes,
                            size_t count, double *loss, vgg_error *error) {
    if (trainer->loader != NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "this trainer was made for a data set; expected vgg_trainer_step_data");
    if (count > trainer->options.batch || vgg_trainer_divide(trainer, count).count != count ||
        count == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a step on %zu inputs, expected 1 to %zu, and with batch norm no input "
                        "that has to be computed alone",
                        count, trainer->options.batch);
    const vgg_lesson lesson = {
        .count = count, .inputs = inputs, .classes = classes, .targets = trainer->targets};
    vgg_status status = check_arrays(trainer, classes, count, error);
    if (status == VGG_OK)
        status = start_epoch(trainer, error);
    if (status == VGG_OK && trainer->several)
        vgg_trainer_set_targets(trainer, NULL, classes, count);
    if (status == VGG_OK)
        status = vgg_trainer_learn(trainer, &lesson, loss, error);
    return status == VGG_OK ? finish_step(trainer, error) : status;
}

/* Mixes the pictures of a batch, and makes the lesson theirs. */
static void mix(vgg_trainer *trainer, const vgg_batch *batch, vgg_lesson *lesson) {
    const vgg_network_options *network = &trainer->network->options;
    vgg_mix_task task = {.mixup = trainer->options.mixup,
                         .cutmix = trainer->options.cutmix,
                         .seed = trainer->options.seed,
                         .epoch = trainer->progress.epoch,
                         .channels = network->channels,
                         .height = network->height,
                         .width = network->width,
                         .batch = batch,
                         .inputs = trainer->mixed,
                         .others = trainer->others,
                         .shares = trainer->shares};
    vgg_threads_run(trainer->threads, batch->count, vgg_mix_pictures, &task);
    lesson->inputs = trainer->mixed;
    lesson->others = trainer->others;
    lesson->shares = trainer->shares;
}

/* Learns from the next batch, when there is one more. */
static vgg_status learn_next(vgg_trainer *trainer, bool *more, vgg_error *error) {
    const vgg_batch *batch = NULL;
    vgg_status status = vgg_loader_next(trainer->loader, &batch, error);
    *more = batch != NULL;
    if (status == VGG_OK && batch == NULL && trainer->progress.images == 0)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "not one picture of the data could be read");
    if (status != VGG_OK || batch == NULL)
        return status;
    trainer->waited += batch->waited;
    vgg_lesson lesson = {.count = batch->count,
                         .inputs = batch->inputs,
                         .classes = batch->classes,
                         .targets = trainer->targets};
    if (trainer->several)
        vgg_trainer_set_targets(trainer, batch->items, batch->classes, batch->count);
    if (trainer->mixed != NULL)
        mix(trainer, batch, &lesson);
    if (trainer->mixed != NULL && trainer->several)
        vgg_trainer_mix_targets(trainer, batch->count);
    return vgg_trainer_learn(trainer, &lesson, NULL, error);
}

vgg_status vgg_trainer_step_data(vgg_trainer *trainer, bool *more, vgg_error *error) {
    if (trainer->loader == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "this trainer was made without a data set; expected vgg_trainer_step");
    *more = false;
    vgg_status status = start_epoch(trainer, error);
    if (status != VGG_OK || trainer->progress.ended)
        return status;
    status = learn_next(trainer, more, error);
    if (status != VGG_OK)
        trainer->in_epoch = false; /* the loader starts again at the batch that failed */
    if (status != VGG_OK || !*more)
        return status;
    return finish_step(trainer, error);
}

/* ---- evaluating ---- */

/* What an evaluation tells of its progress, and how that ended. */
typedef struct eval_listener {
    vgg_trainer *trainer;
    vgg_status status;
    vgg_error error;
} eval_listener;

static bool tell_progress(void *user, size_t done, size_t total) {
    eval_listener *listener = user;
    vgg_train_event event = vgg_trainer_describe_evaluation(listener->trainer, done, total);
    listener->status = vgg_trainer_tell(listener->trainer, &event, &listener->error);
    return listener->status == VGG_OK;
}

static bool tell_skipped(void *user, const char *name, const vgg_error *why) {
    const eval_listener *listener = user;
    return vgg_trainer_skipped(listener->trainer, name, why);
}

/* listener: NULL when nothing is told. */
static vgg_status evaluate(vgg_trainer *trainer, const vgg_dataset *dataset,
                           eval_listener *listener, vgg_eval_result *result, vgg_error *error) {
    vgg_eval_options options;
    vgg_eval_options_init(&options, sizeof options);
    options.batch = trainer->most;
    options.shared_threads = trainer->threads;
    options.precision = trainer->options.precision;
    options.device = trainer->options.device;
    options.workers = trainer->options.workers;
    if (listener != NULL) {
        options.scores = trainer->scores;
        options.label_scores = trainer->several ? trainer->label_scores : NULL;
        options.skipped = tell_skipped;
        options.progress = tell_progress;
        options.user = listener;
        options.warn = vgg_trainer_warned;
        options.warn_user = trainer;
    }
    return vgg_evaluate(trainer->model, dataset, &options, result, error);
}

vgg_status vgg_trainer_evaluate_data(vgg_trainer *trainer, const vgg_dataset *dataset,
                                     vgg_eval_result *result, vgg_error *error) {
    return evaluate(trainer, dataset, NULL, result, error);
}

/* Adds `count` inputs, at most what is computed at once. */
static vgg_status evaluate_some(vgg_trainer *trainer, const float *inputs, const size_t *classes,
                                size_t count, vgg_hits *hits, vgg_error *error) {
    size_t class_count = trainer->network->options.classes;
    vgg_status status = vgg_plan_forward(trainer->plan, inputs, count, trainer->logits, error);
    for (size_t n = 0; status == VGG_OK && n < count; n++) {
        const float *row = trainer->logits + n * class_count;
        if (trainer->several)
            status = vgg_label_scores_add(trainer->label_scores, row, &classes[n], 1, error);
        vgg_hits_add(hits, row, class_count, classes[n]);
    }
    return status;
}

vgg_status vgg_trainer_evaluate(vgg_trainer *trainer, const float *inputs, const size_t *classes,
                                size_t count, vgg_eval_result *result, vgg_error *error) {
    const vgg_network_options *network = &trainer->network->options;
    size_t image = network->channels * network->height * network->width;
    if (count == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "no inputs to evaluate on");
    vgg_status status = vgg_result_check(result, "vgg_eval_result", error);
    if (status == VGG_OK)
        status = check_arrays(trainer, classes, count, error);
    if (status != VGG_OK)
        return status;
    vgg_hits hits = {0};
    status = vgg_trainer_renew_label_scores(trainer, error);
    if (status != VGG_OK)
        return status;
    vgg_plan_set_mode(trainer->plan, VGG_MODE_EVAL, NULL);
    for (size_t done = 0, some; status == VGG_OK && done < count; done += some) {
        some = vgg_size_min(count - done, trainer->most);
        vgg_plan_begin_step(trainer->plan);
        status = evaluate_some(trainer, inputs + done * image, classes + done, some, &hits, error);
    }
    vgg_plan_set_mode(trainer->plan, VGG_MODE_TRAIN, NULL);
    bool finite = status != VGG_ERROR_NUMERIC && isfinite(hits.loss);
    if ((status == VGG_OK || status == VGG_ERROR_NUMERIC) && !finite)
        status = vgg_trainer_fail_not_finite(trainer, "a result of the evaluation is", error);
    return status == VGG_OK ? vgg_trainer_eval_result(trainer, &hits, result, error) : status;
}

/* ---- the end of an epoch ---- */

/* Bytes of rows that are kept. */
#define ROW_BYTES_MOST ((size_t)64 << 20)

/* Empty scores for the validation that comes. */
static vgg_status renew_scores(vgg_trainer *trainer, vgg_error *error) {
    size_t classes = trainer->network->options.classes, bytes;
    vgg_scores_options options;
    vgg_scores_free(trainer->scores);
    trainer->scores = NULL;
    if (trainer->several)
        return vgg_trainer_renew_label_scores(trainer, error);
    if (!trainer->options.scores)
        return VGG_OK;
    vgg_scores_options_init(&options, sizeof options);
    options.rows = vgg_size_mul(vgg_dataset_count(trainer->validation), classes, &bytes) &&
                   bytes <= ROW_BYTES_MOST / sizeof(float);
    return vgg_scores_create(vgg_model_class_names(trainer->model), classes, &options,
                             &trainer->scores, error);
}

/* Sets the validation figures of the event. */
static vgg_status validate(vgg_trainer *trainer, vgg_train_event *event, vgg_error *error) {
    if (trainer->validation == NULL)
        return VGG_OK;
    eval_listener listener = {.trainer = trainer};
    vgg_eval_result result = {.struct_size = sizeof result};
    vgg_status status = renew_scores(trainer, error);
    if (status == VGG_OK)
        status =
            trainer->features.validation.values > 0
                ? vgg_trainer_evaluate_features(trainer, tell_progress, &listener, &result, error)
                : evaluate(trainer, trainer->validation, &listener, &result, error);
    if (listener.status != VGG_OK)
        return vgg_fail(error, listener.status, "%s", listener.error.message);
    if (status == VGG_ERROR_NUMERIC)
        return vgg_trainer_fail_not_finite(trainer, "a result on the validation pictures is",
                                           error);
    if (status != VGG_OK)
        return status;
    event->validated = true;
    event->scores = trainer->scores;
    event->validation_loss = result.loss;
    event->validation_top1 = result.top1;
    event->validation_top5 = result.top5;
    event->validation_mean_average_precision = result.mean_average_precision;
    event->validation_exact_match = result.exact_match;
    event->label_scores = trainer->label_scores;
    return VGG_OK;
}

/* The same with the average of the weights, where there is one. */
static vgg_status validate_average(vgg_trainer *trainer, vgg_train_event *event, vgg_error *error) {
    vgg_status status = vgg_averages_swap(trainer->optimiser, error);
    if (status != VGG_OK)
        return status;
    status = validate(trainer, event, error);
    vgg_averages_swap(trainer->optimiser, NULL);
    return status;
}

vgg_status vgg_trainer_check_weights(const vgg_trainer *trainer, vgg_error *error) {
    vgg_status status = vgg_optimiser_settle(trainer->optimiser, error);
    if (status != VGG_OK)
        return status;
    for (size_t i = 0; i < trainer->network->tensor_count; i++) {
        const vgg_tensor *tensor = &trainer->network->tensors[i];
        for (size_t j = 0; j < tensor->info.count; j++) {
            if (!isfinite(tensor->values[j]))
                return vgg_trainer_fail_not_finite(trainer, "a weight is", error);
        }
    }
    return VGG_OK;
}

/* What the best is chosen by; no validation picture may have a label. */
static double figure_of(const vgg_trainer *trainer, const vgg_train_event *event) {
    if (!event->validated)
        return event->accuracy;
    if (!trainer->several)
        return event->validation_top1;
    double mean = event->validation_mean_average_precision;
    return isfinite(mean) ? mean : 0;
}

/* By how much an accuracy differs from `share` by chance, where pictures are so few that this
 * decides: its standard error. That of a mean average precision is not known. */
static double chance_of(const vgg_trainer *trainer, double share) {
    size_t pictures = vgg_dataset_count(trainer->validation);
    bool few = pictures < FEW_PICTURES && !trainer->several;
    return few ? sqrt(share * (1 - share) / (double)pictures) : 0;
}

/* The best is the one with the highest accuracy, or mean average precision of several labels, and
 * the lowest loss among several whose accuracies are the highest but for chance: some dozen
 * pictures have few accuracies. Chance is measured from the highest of all epochs, which need not
 * be the best one's: otherwise each best epoch might be a little worse than the one before. Where
 * nothing validates it is the last one. */
static bool is_best(const vgg_trainer *trainer, const vgg_train_event *event) {
    const vgg_progress *progress = &trainer->progress;
    if (!event->validated || progress->best_epoch == 0)
        return true;
    double highest = progress->highest_top1, least = highest - chance_of(trainer, highest);
    if (figure_of(trainer, event) < least)
        return false;
    return progress->best_top1 < least || event->validation_loss < progress->best_loss;
}

/* Goes on to the next epoch, noting whether this one is the best so far. */
static void count_epoch(vgg_trainer *trainer, vgg_train_event *event) {
    vgg_progress *progress = &trainer->progress;
    double figure = figure_of(trainer, event);
    bool compared = event->validated && progress->best_epoch > 0;
    progress->highest_top1 = compared ? fmax(progress->highest_top1, figure) : figure;
    event->best = is_best(trainer, event);
    if (event->best) {
        progress->best_top1 = figure;
        progress->best_loss = event->validated ? event->validation_loss : event->loss;
        progress->best_epoch = progress->epoch + 1;
    }
    if (trainer->scheduler.row->observe != NULL)
        trainer->scheduler.row->observe(&trainer->scheduler, event);
    progress->epoch++;
    progress->step = 0;
    progress->images = 0;
    progress->hits = 0;
    progress->loss = 0;
    progress->ended = false;
    trainer->in_epoch = false;
}

/* Saves an epoch of a data set before it is evaluated: the evaluation may fail, and is repeated
 * when the run is resumed. Programs that train on arrays begin such an epoch again, so that theirs
 * is saved afterwards. *saved: its model is. */
static vgg_status save_trained(vgg_trainer *trainer, bool *saved, vgg_error *error) {
    *saved = trainer->run != NULL && trainer->loader != NULL && trainer->validation != NULL;
    if (!*saved)
        return VGG_OK;
    bool before = trainer->progress.ended;
    trainer->progress.ended = true;
    vgg_status status = VGG_OK;
    if (trainer->unsaved || !before)
        status = vgg_checkpoint_save(trainer, trainer->run, false, true, error);
    trainer->progress.ended = status == VGG_OK || before;
    trainer->unsaved = trainer->unsaved && status != VGG_OK;
    trainer->saved_at = vgg_clock_seconds();
    return status;
}

/* Evaluates. Where the results show that the last steps ruined the network, the checkpoint before
 * them counts again. */
static vgg_status evaluate_epoch(vgg_trainer *trainer, vgg_train_event *event, vgg_error *error) {
    vgg_status status = validate_average(trainer, event, error);
    if (status != VGG_ERROR_NUMERIC || trainer->run == NULL || !trainer->run->held)
        return status;
    trainer->unsaved = true;
    vgg_run_take_back(trainer->run, NULL); /* whoever resumes the run would come here again */
    return status;
}

/* The end of the epoch in the log and in the run, as one: a line that no checkpoint knows is
 * removed when the run is resumed. */
static vgg_status note_epoch(vgg_trainer *trainer, const vgg_train_event *event, bool saved,
                             vgg_error *error) {
    vgg_error later;
    vgg_status logged = vgg_trainer_log(trainer, event, error);
    vgg_status status = VGG_OK;
    if (saved)
        status = vgg_checkpoint_end_epoch(trainer, event->best, &later);
    else if (trainer->run != NULL)
        status = vgg_checkpoint_save(trainer, trainer->run, event->best, false, &later);
    trainer->unsaved = trainer->unsaved && status != VGG_OK;
    trainer->saved_at = vgg_clock_seconds();
    if (logged != VGG_OK || status == VGG_OK)
        return logged;
    return vgg_fail(error, status, "%s", later.message);
}

vgg_status vgg_trainer_finish_epoch(vgg_trainer *trainer, vgg_error *error) {
    if (trainer->progress.images == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "the end of an epoch without a step");
    bool saved = false;
    vgg_status status = start_epoch(trainer, error); /* of a run that was stopped here */
    vgg_train_event event = vgg_trainer_describe(trainer, VGG_EVENT_EPOCH);
    if (status == VGG_OK)
        status = vgg_trainer_check_weights(trainer, error);
    if (status == VGG_OK)
        status = save_trained(trainer, &saved, error);
    if (status == VGG_OK)
        status = evaluate_epoch(trainer, &event, error);
    if (status != VGG_OK)
        return status;
    count_epoch(trainer, &event);
    status = note_epoch(trainer, &event, saved, error);
    if (status == VGG_OK)
        trainer->report_warned = false;
    return status == VGG_OK ? vgg_trainer_tell(trainer, &event, error) : status;
}
