/* What a training tells its sinks. */
#include "base/clock.h"
#include "base/error.h"
#include "train/trainer.h"

static vgg_moment moment_of(const vgg_trainer *trainer, size_t step) {
    return (vgg_moment){.epoch = trainer->progress.epoch,
                        .step = step,
                        .steps =
                            trainer->loader == NULL ? 0 : vgg_loader_batch_count(trainer->loader),
                        .epochs = trainer->options.epochs};
}

double vgg_trainer_rate(const vgg_trainer *trainer) {
    if (trainer->fixed_rate > 0)
        return trainer->fixed_rate;
    return vgg_scheduler_rate(&trainer->scheduler, moment_of(trainer, trainer->progress.step));
}

double vgg_trainer_momentum(const vgg_trainer *trainer) {
    if (trainer->fixed_rate > 0)
        return trainer->options.momentum;
    return vgg_scheduler_momentum(&trainer->scheduler, moment_of(trainer, trainer->progress.step));
}

/* The rate of the last step that was done. */
static double last_rate(const vgg_trainer *trainer) {
    size_t step = trainer->progress.step;
    return vgg_scheduler_rate(&trainer->scheduler, moment_of(trainer, step > 0 ? step - 1 : 0));
}

double vgg_trainer_done(const vgg_trainer *trainer, double epoch_fraction) {
    return ((double)trainer->progress.epoch + epoch_fraction) / (double)trainer->options.epochs;
}

static double seconds_left(const vgg_trainer *trainer, double epoch_fraction) {
    double done = vgg_trainer_done(trainer, epoch_fraction);
    double here = done - trainer->fraction_before;
    return here > 0 ? (vgg_clock_seconds() - trainer->started) * (1 - done) / here : 0;
}

vgg_train_event vgg_trainer_describe(const vgg_trainer *trainer, vgg_event_type type) {
    const vgg_progress *progress = &trainer->progress;
    double seconds = vgg_clock_seconds() - trainer->epoch_started;
    double images = progress->images > 0 ? (double)progress->images : 1;
    double here = (double)(progress->images - trainer->images_before);
    vgg_train_event event = {.type = type,
                             .epoch = progress->epoch + 1,
                             .epochs = trainer->options.epochs,
                             .step = progress->step,
                             .images = progress->images,
                             .loss = progress->loss / images,
                             .accuracy = (double)progress->hits / images,
                             .rate = last_rate(trainer),
                             .skipped_steps = vgg_optimiser_skipped(trainer->optimiser),
                             .images_per_s = seconds > 0 ? here / seconds : 0,
                             .waited = seconds > 0 ? trainer->waited / seconds : 0};
    if (type == VGG_EVENT_STEP) {
        event.inputs = trainer->inputs;
        event.input_count = trainer->input_count;
    }
    if (trainer->loader != NULL)
        event.steps = vgg_loader_batch_count(trainer->loader);
    if (type == VGG_EVENT_STEP && event.steps > 0)
        event.seconds_left = seconds_left(trainer, (double)event.step / (double)event.steps);
    return event;
}

vgg_train_event vgg_trainer_describe_evaluation(const vgg_trainer *trainer, size_t done,
                                                size_t total) {
    return (vgg_train_event){.type = VGG_EVENT_EVALUATED,
                             .epoch = trainer->progress.epoch + 1,
                             .epochs = trainer->options.epochs,
                             .step = done,
                             .steps = total,
                             .images = done,
                             .seconds_left = seconds_left(trainer, 1)};
}

vgg_status vgg_trainer_log(const vgg_trainer *trainer, const vgg_train_event *event,
                           vgg_error *error) {
    vgg_status status = VGG_OK;
    if (trainer->log != NULL)
        status = vgg_event_log_write(trainer->log, event, error);
    if (status == VGG_OK && trainer->results != NULL)
        status = vgg_results_write(trainer->results, event, trainer->optimising.bias_rate, error);
    if (status == VGG_OK && trainer->board != NULL)
        status = vgg_board_tell(trainer->board, trainer, event, error);
    return status;
}

vgg_status vgg_trainer_tell(const vgg_trainer *trainer, vgg_train_event *event, vgg_error *error) {
    if (vgg_event_sinks_tell(&trainer->sinks, event) == VGG_OK)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_STOPPED, "stopped in epoch %zu of %zu, after step %zu",
                    trainer->progress.epoch + 1, trainer->options.epochs, trainer->progress.step);
}

bool vgg_trainer_checked(void *user, size_t done, size_t total) {
    const vgg_trainer *trainer = user;
    vgg_train_event event = {.type = VGG_EVENT_CHECKED, .step = done, .steps = total};
    return vgg_event_sinks_tell(&trainer->sinks, &event) == VGG_OK;
}

/* Each picture once, in whichever epoch it is found: it may have been readable before. */
bool vgg_trainer_skipped(void *user, const char *name, const vgg_error *why) {
    vgg_trainer *trainer = user;
    if (!vgg_named_add(&trainer->named, name))
        return true;
    trainer->skipped++;
    vgg_train_event event = {.type = VGG_EVENT_SKIPPED, .name = name, .why = why};
    return vgg_event_sinks_tell(&trainer->sinks, &event) == VGG_OK;
}

void vgg_trainer_warned(void *user, const char *message) {
    const vgg_trainer *trainer = user;
    if (trainer->report_warned)
        vgg_warn(trainer->options.warn, trainer->options.warn_user, "%s", message);
}
