/* vgg_train: a loop over a trainer. */
#include "base/clock.h"
#include "base/error.h"
#include "base/options.h"
#include "train/trainer.h"

/* Saves what was learnt since the last checkpoint, which is as good as the end of an epoch. */
static vgg_status save(vgg_trainer *trainer, vgg_error *error) {
    vgg_status status = vgg_trainer_check_weights(trainer, error);
    return status == VGG_OK ? vgg_trainer_save(trainer, NULL, error) : status;
}

/* The last step of an epoch is saved at its end. */
static bool is_due(const vgg_trainer *trainer) {
    double minutes = trainer->options.save_minutes;
    return trainer->run != NULL && minutes > 0 &&
           vgg_clock_seconds() - trainer->saved_at >= 60 * minutes &&
           trainer->progress.step < vgg_loader_batch_count(trainer->loader);
}

static vgg_status train_epoch(vgg_trainer *trainer, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (bool more = true; status == VGG_OK && more;) {
        status = vgg_trainer_step_data(trainer, &more, error);
        if (status == VGG_OK && more && is_due(trainer))
            status = save(trainer, error);
    }
    return status == VGG_OK ? vgg_trainer_finish_epoch(trainer, error) : status;
}

static bool complete(const vgg_trainer *trainer) {
    const vgg_progress *progress = &trainer->progress;
    size_t patience = trainer->options.early_stop;
    bool stuck = patience > 0 && progress->epoch >= progress->best_epoch + patience;
    return progress->epoch >= trainer->options.epochs || stuck;
}

/* Saves what there is when a run is stopped on the way. */
static vgg_status stop(vgg_trainer *trainer, vgg_error *error) {
    if (complete(trainer))
        return VGG_OK;
    if (!trainer->begun)
        return VGG_ERROR_STOPPED;
    bool wanted = trainer->run != NULL && trainer->unsaved;
    vgg_error failure;
    vgg_status status = wanted ? save(trainer, &failure) : VGG_OK;
    return status == VGG_OK ? VGG_ERROR_STOPPED : vgg_fail(error, status, "%s", failure.message);
}

static vgg_status run(vgg_trainer *trainer, vgg_error *error) {
    vgg_status status = VGG_OK;
    if (trainer->options.resume)
        status = vgg_trainer_resume(trainer, NULL, error);
    if (status == VGG_OK)
        status = vgg_trainer_begin(trainer, error);
    while (status == VGG_OK && !complete(trainer)) {
        status = train_epoch(trainer, error);
    }
    if (status == VGG_ERROR_STOPPED)
        status = stop(trainer, error);
    if (status == VGG_OK)
        vgg_trainer_remove_features(trainer);
    return status;
}

vgg_status vgg_train(vgg_model *model, const vgg_dataset *train, const vgg_dataset *validation,
                     const vgg_train_options *options, vgg_train_result *result, vgg_error *error) {
    static const vgg_train_result nothing = {.struct_size = sizeof nothing};
    vgg_trainer *trainer = NULL;
    vgg_status status = VGG_OK;
    if (result != NULL)
        status = vgg_result_write(result, &nothing, sizeof nothing, "vgg_train_result", error);
    if (status == VGG_OK && train == NULL)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT, "no data to train on");
    if (status == VGG_OK)
        status = vgg_trainer_create(model, train, validation, options, &trainer, error);
    if (status != VGG_OK)
        return status;
    status = run(trainer, error);
    if (status == VGG_OK)
        status = vgg_plan_settle(trainer->plan, error);
    if (result != NULL)
        vgg_trainer_result(trainer, result, NULL);
    vgg_trainer_free(trainer);
    return status;
}
