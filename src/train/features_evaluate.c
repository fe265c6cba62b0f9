/* Evaluating on the validation part from its features, as src/eval does it from pictures. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/plan.h"
#include "train/trainer.h"

/* A batch on its way. */
typedef struct evaluation {
    vgg_plan *plan;
    size_t first_op;
    float *values, *logits; /* of a batch */
    size_t *classes, *items;
    vgg_hits hits;
} evaluation;

/* In the scores, where they are asked for. */
static vgg_status note_unreadable(const vgg_trainer *trainer, size_t item, vgg_error *error) {
    const vgg_dataset *dataset = trainer->features.validation.dataset;
    if (trainer->scores == NULL)
        return VGG_OK;
    return vgg_scores_add_unreadable(trainer->scores, vgg_dataset_item_name(dataset, item),
                                     vgg_dataset_item_class(dataset, item), error);
}

/* Logits that are no finite numbers fail the evaluation, which says so. */
static vgg_status note_scores(const vgg_trainer *trainer, const evaluation *e, size_t n,
                              const float *row, vgg_error *error) {
    const vgg_dataset *dataset = trainer->features.validation.dataset;
    if (trainer->several) {
        const size_t *labels = NULL;
        size_t count = vgg_dataset_item_classes(dataset, e->items[n], &labels);
        return vgg_label_scores_add(trainer->label_scores, row, labels, count, error);
    }
    if (trainer->scores == NULL)
        return VGG_OK;
    return vgg_scores_add(trainer->scores, vgg_dataset_item_name(dataset, e->items[n]),
                          e->classes[n], row, error);
}

/* Reads up to a batch of pictures from record *next on; `count` of them are readable. */
static vgg_status read_batch(const vgg_trainer *trainer, evaluation *e, size_t *next, size_t *count,
                             vgg_error *error) {
    const vgg_cached_part *part = &trainer->features.validation;
    size_t total = vgg_dataset_count(part->dataset);
    for (*count = 0; *count < trainer->most && *next < total; (*next)++) {
        vgg_status status = vgg_trainer_read_features(trainer, part, *next,
                                                      e->values + *count * part->values, error);
        if (status != VGG_OK && status != VGG_ERROR_FORMAT)
            return status;
        if (status == VGG_OK) {
            e->items[*count] = *next;
            e->classes[(*count)++] = vgg_dataset_item_class(part->dataset, *next);
            continue;
        }
        e->hits.skipped++;
        status = note_unreadable(trainer, *next, error);
        if (status != VGG_OK)
            return status;
    }
    return VGG_OK;
}

static vgg_status count_batch(const vgg_trainer *trainer, evaluation *e, size_t count,
                              vgg_error *error) {
    size_t class_count = trainer->network->options.classes;
    vgg_status status =
        vgg_plan_forward_from(e->plan, e->first_op, e->values, count, e->logits, error);
    for (size_t n = 0; status == VGG_OK && n < count; n++) {
        const float *row = e->logits + n * class_count;
        if (!trainer->several)
            vgg_hits_add(&e->hits, row, class_count, e->classes[n]);
        else
            e->hits.images++;
        status = note_scores(trainer, e, n, row, error);
    }
    return status;
}

static vgg_status run(vgg_trainer *trainer, evaluation *e, vgg_progress_callback *progress,
                      void *user, vgg_error *error) {
    size_t total = vgg_dataset_count(trainer->features.validation.dataset);
    vgg_status status = VGG_OK;
    for (size_t next = 0, count; status == VGG_OK && next < total;) {
        status = read_batch(trainer, e, &next, &count, error);
        if (status == VGG_OK && count > 0)
            status = count_batch(trainer, e, count, error);
        if (status == VGG_OK && !progress(user, next, total))
            status = vgg_fail(error, VGG_ERROR_STOPPED, "stopped after %zu of %zu pictures", next,
                              total);
    }
    return status;
}

static vgg_status begin(vgg_trainer *trainer, evaluation *e, vgg_error *error) {
    size_t most = trainer->most, classes = trainer->network->options.classes, bytes = 0;
    const vgg_cached_part *part = &trainer->features.validation;
    vgg_status status = vgg_trainer_eval_plan(trainer, &e->plan, error);
    if (status != VGG_OK)
        return status;
    e->first_op = vgg_plan_frozen_ops(e->plan);
    if (vgg_size_mul(part->values * sizeof *e->values, most, &bytes))
        e->values = vgg_aligned_alloc(bytes);
    e->logits = vgg_calloc(most, classes * sizeof *e->logits);
    e->classes = vgg_calloc(most, sizeof *e->classes);
    e->items = vgg_calloc(most, sizeof *e->items);
    if (e->values == NULL || e->logits == NULL || e->classes == NULL || e->items == NULL)
        return vgg_fail_memory(error, "the features of a batch", bytes);
    return VGG_OK;
}

vgg_status vgg_trainer_evaluate_features(vgg_trainer *trainer, vgg_progress_callback *progress,
                                         void *user, vgg_eval_result *result, vgg_error *error) {
    evaluation e = {0};
    vgg_status status = begin(trainer, &e, error);
    if (status == VGG_OK)
        status = run(trainer, &e, progress, user, error);
    if (status == VGG_OK && !isfinite(e.hits.loss))
        status = vgg_fail(error, VGG_ERROR_NUMERIC, "the model's results are not finite numbers");
    if (status == VGG_OK)
        status = vgg_trainer_eval_result(trainer, &e.hits, result, error);
    vgg_plan_free(e.plan);
    vgg_free(e.values);
    vgg_free(e.logits);
    vgg_free(e.classes);
    vgg_free(e.items);
    return status;
}
