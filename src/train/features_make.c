/* Computing the features of a training's pictures, and writing their file. */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "nn/plan.h"
#include "train/trainer.h"
#include "train/views.h"

/* The file on its way. */
typedef struct maker {
    vgg_trainer *trainer;
    vgg_records *file;
    float *values; /* of a batch */
    double begun;  /* seconds of the clock */
} maker;

static vgg_status tell(const maker *m, vgg_error *error) {
    size_t total = m->file->count;
    double left = m->file->next > 0 ? (vgg_clock_seconds() - m->begun) / (double)m->file->next : 0;
    vgg_train_event event = {.type = VGG_EVENT_FEATURES,
                             .step = m->file->next,
                             .steps = total,
                             .images = m->file->next,
                             .seconds_left = left * (double)(total - m->file->next)};
    return vgg_trainer_tell(m->trainer, &event, error);
}

/* The records up to that of an item of the pass that begins with record `first`. */
static vgg_status write_gap(maker *m, const vgg_cached_part *part, size_t first, size_t item,
                            vgg_error *error) {
    vgg_status status = VGG_OK;
    while (status == VGG_OK && m->file->next < first + item) {
        status = vgg_records_add(m->file, NULL, part->values, error);
    }
    return status;
}

static vgg_status write_batch(maker *m, const vgg_cached_part *part, vgg_plan *plan, size_t first,
                              const vgg_batch *batch, vgg_error *error) {
    vgg_status status = VGG_OK;
    if (batch->count > 0)
        status = vgg_plan_forward_to(plan, vgg_plan_frozen_ops(plan), batch->inputs, batch->count,
                                     m->values, error);
    for (size_t n = 0; status == VGG_OK && n < batch->count; n++) {
        status = write_gap(m, part, first, batch->items[n], error);
        if (status == VGG_OK)
            status = vgg_records_add(m->file, m->values + n * part->values, part->values, error);
    }
    return status == VGG_OK ? tell(m, error) : status;
}

/* Each picture once, in the order of the data. */
static vgg_status write_pass(maker *m, const vgg_cached_part *part, vgg_plan *plan,
                             vgg_loader *loader, size_t pass, vgg_error *error) {
    size_t first = m->file->next;
    vgg_status status = vgg_loader_start(loader, pass, 0, error);
    while (status == VGG_OK) {
        const vgg_batch *batch;
        status = vgg_loader_next(loader, &batch, error);
        if (status != VGG_OK || batch == NULL)
            break;
        status = write_batch(m, part, plan, first, batch, error);
    }
    if (status == VGG_OK)
        status = write_gap(m, part, first, vgg_dataset_count(part->dataset), error);
    return status;
}

/* Pictures as the training shows them, or (views NULL) an evaluation. */
static vgg_status create_loader(const maker *m, const vgg_cached_part *part,
                                const vgg_augment *views, vgg_loader **loader, vgg_error *error) {
    vgg_trainer *trainer = m->trainer;
    vgg_loader_options options;
    vgg_loader_options_init(&options, sizeof options);
    options.batch = trainer->most;
    options.workers = trainer->options.workers;
    options.shared_threads = trainer->threads;
    options.seed = trainer->options.seed;
    options.augment = views;
    options.skipped = vgg_trainer_skipped;
    options.user = trainer;
    options.warn = vgg_trainer_warned;
    options.warn_user = trainer;
    return vgg_loader_create(part->dataset, vgg_model_preprocess(trainer->model), &options, loader,
                             error);
}

static vgg_status write_part(maker *m, const vgg_cached_part *part, vgg_plan *plan,
                             const vgg_augment *views, vgg_error *error) {
    size_t bytes;
    vgg_loader *loader = NULL;
    bool report = m->trainer->report_warned;
    if (part->values == 0)
        return VGG_OK;
    if (!vgg_size_mul(part->values * sizeof *m->values, m->trainer->most, &bytes) ||
        (m->values = vgg_aligned_alloc(bytes)) == NULL)
        return vgg_fail_memory(error, "the features of a batch", part->values);
    vgg_status status = create_loader(m, part, views, &loader, error);
    for (size_t pass = 0; status == VGG_OK && pass < part->passes; pass++) {
        m->trainer->report_warned = report && pass == 0;
        status = write_pass(m, part, plan, loader, pass, error);
    }
    m->trainer->report_warned = report;
    vgg_loader_free(loader);
    vgg_free(m->values);
    m->values = NULL;
    return status;
}

static vgg_status write_validation(maker *m, vgg_error *error) {
    vgg_trainer *trainer = m->trainer;
    vgg_plan *plan = NULL;
    if (trainer->validation == NULL)
        return VGG_OK;
    vgg_status status = vgg_trainer_eval_plan(trainer, &plan, error);
    if (status == VGG_OK)
        status = write_part(m, &trainer->features.validation, plan, NULL, error);
    vgg_plan_free(plan);
    return status;
}

/* Of a training with flips both images are shown, one after the other; the decoding is that of the
 * training in any case. */
static vgg_status write_parts(maker *m, vgg_error *error) {
    vgg_trainer *trainer = m->trainer;
    const vgg_augment *views = NULL;
    if (vgg_views_random(&trainer->augment))
        views = trainer->features.train.passes > 1 ? &trainer->features.both : &trainer->augment;
    vgg_status status = write_part(m, &trainer->features.train, trainer->plan, views, error);
    return status == VGG_OK ? write_validation(m, error) : status;
}

/* What failed to be written has left nothing, and neither does what was stopped. */
static vgg_status write_file(maker *m, uint64_t origin, vgg_error *error) {
    vgg_status status = vgg_records_create(m->file, error);
    if (status != VGG_OK)
        return status;
    return vgg_records_finish(m->file, origin, write_parts(m, error), error);
}

vgg_status vgg_trainer_prepare_features(vgg_trainer *trainer, vgg_error *error) {
    vgg_records *file = &trainer->features.file;
    uint64_t origin = 0;
    if (!trainer->features.wanted || file->ready)
        return VGG_OK;
    vgg_status status = vgg_trainer_open_features(trainer, &origin, error);
    if (status != VGG_OK || file->ready)
        return status;
    maker m = {.trainer = trainer, .file = file, .begun = vgg_clock_seconds()};
    vgg_trainer_remove_features(trainer); /* those of another training, which take room as well */
    status = write_file(&m, origin, error);
    if (status == VGG_OK)
        status = vgg_trainer_open_features(trainer, &origin, error);
    if (status == VGG_OK && !file->ready)
        status = vgg_fail(error, VGG_ERROR_IO, "%s: is not what was written", file->path);
    /* What is odd about the pictures has been said. */
    trainer->report_warned = trainer->report_warned && status != VGG_OK;
    return status;
}
