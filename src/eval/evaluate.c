/* Measuring a model on a data set. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/threads.h"
#include "eval/protocol.h"
#include "nn/rank.h"
#include "vgg/loss.h"
#include "vgg/plan.h"
#include "vgg/predict.h"
#include "vgg/scores.h"

void vgg_eval_options_init(vgg_eval_options *options, size_t size) {
    const vgg_eval_options defaults = {.struct_size = size, .batch = 32};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* What has been counted so far. */
typedef struct eval_tally {
    size_t images, skipped, top1, top5;
    double loss;
    vgg_label_scores *labels; /* of several labels, in place of the latter three; or NULL */
} eval_tally;

static vgg_status count_picture(eval_tally *tally, const vgg_dataset *dataset, size_t item,
                                const float *row, vgg_error *error) {
    size_t classes = vgg_dataset_class_count(dataset);
    const size_t *labels = NULL;
    size_t count = vgg_dataset_item_classes(dataset, item, &labels);
    if (tally->labels != NULL)
        return vgg_label_scores_add(tally->labels, row, labels, count, error);
    size_t truth = labels[0], rank = vgg_rank(row, classes, truth);
    tally->top1 += rank < 1;
    tally->top5 += rank < 5;
    /* Picture by picture, so that the sum does not depend on the batch. */
    tally->loss += vgg_cross_entropy(row, &truth, 1, classes, NULL);
    return VGG_OK;
}

static vgg_status fail_not_finite(vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_NUMERIC,
                    "the model's results are not finite numbers; its weights may be damaged");
}

/* Tells of a picture; its row is NULL when it could not be read. */
static vgg_status tell(const vgg_dataset *dataset, const vgg_eval_options *options, size_t item,
                       const float *row, vgg_error *error) {
    const char *name = vgg_dataset_item_name(dataset, item);
    size_t truth = vgg_dataset_item_class(dataset, item);
    vgg_status status = VGG_OK;
    if (options->scores != NULL && row != NULL)
        status = vgg_scores_add(options->scores, name, truth, row, error);
    else if (options->scores != NULL)
        status = vgg_scores_add_unreadable(options->scores, name, truth, error);
    if (status == VGG_ERROR_NUMERIC)
        return fail_not_finite(error);
    if (status == VGG_OK && options->scored != NULL &&
        !options->scored(options->scored_user, name, truth, row))
        status = vgg_fail(error, VGG_ERROR_STOPPED, "stopped at %s", name);
    return status;
}

/* Counts the batch, and tells of its pictures: items `first` up to `end` of the data set, of which
 * the batch has those that could be read, in their order. */
static vgg_status take_batch(eval_tally *tally, const float *logits, const vgg_batch *batch,
                             const vgg_dataset *dataset, const vgg_eval_options *options,
                             size_t first, size_t end, vgg_error *error) {
    size_t classes = vgg_dataset_class_count(dataset), n = 0;
    vgg_status status = VGG_OK;
    for (size_t item = first; status == VGG_OK && item < end; item++) {
        const float *row = NULL;
        if (n < batch->count && batch->items[n] == item) {
            row = logits + n * classes;
            status = count_picture(tally, dataset, item, row, error);
            n++;
        }
        if (status == VGG_ERROR_NUMERIC)
            return fail_not_finite(error);
        if (status == VGG_OK)
            status = tell(dataset, options, item, row, error);
    }
    tally->images += batch->count;
    tally->skipped += batch->skipped;
    return status;
}

static vgg_status run_batches(vgg_plan *plan, vgg_loader *loader, float *logits,
                              const vgg_protocol_room *room, const vgg_dataset *dataset,
                              const vgg_eval_options *options, eval_tally *tally,
                              vgg_error *error) {
    size_t done = options->first, total = vgg_dataset_count(dataset);
    vgg_status status = vgg_loader_start(loader, 0, done / options->batch, error);
    while (status == VGG_OK) {
        const vgg_batch *batch;
        status = vgg_loader_next(loader, &batch, error);
        if (status != VGG_OK || batch == NULL)
            break;
        if (batch->count > 0)
            status = vgg_protocol_forward(plan, options->protocol, room, batch->inputs,
                                          batch->count, logits, error);
        size_t end = done + batch->count + batch->skipped;
        if (status == VGG_OK)
            status = take_batch(tally, logits, batch, dataset, options, done, end, error);
        done = end;
        if (status == VGG_OK && options->progress != NULL &&
            !options->progress(options->user, done, total))
            status = vgg_fail(error, VGG_ERROR_STOPPED, "stopped after %zu of %zu pictures", done,
                              total);
    }
    return status;
}

/* Scores and the picture to begin with. */
static vgg_status check_scoring(const vgg_dataset *dataset, const vgg_eval_options *options,
                                vgg_error *error) {
    const vgg_scores *scores = options->scores;
    if (options->first % options->batch != 0 || options->first > vgg_dataset_count(dataset))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "picture %zu of %zu as the first, expected a multiple of the batch, %zu",
                        options->first, vgg_dataset_count(dataset), options->batch);
    if (scores != NULL && vgg_scores_kind(scores) != VGG_SCORE_LOGITS)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "the scores are of kind %d, expected logits",
                        (int)vgg_scores_kind(scores));
    if (scores != NULL && vgg_scores_class_count(scores) != vgg_dataset_class_count(dataset))
        return vgg_fail(error, VGG_ERROR_SHAPE, "the scores have %zu classes, the data %zu",
                        vgg_scores_class_count(scores), vgg_dataset_class_count(dataset));
    return VGG_OK;
}

static vgg_status check(const vgg_model *model, const vgg_dataset *dataset,
                        const vgg_eval_options *options, vgg_error *error) {
    size_t classes = vgg_network_describe(vgg_model_network(model))->classes;
    if (options->batch == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "batch of 0, expected at least 1");
    if (vgg_dataset_class_count(dataset) != classes)
        return vgg_fail(error, VGG_ERROR_SHAPE, "the data has %zu classes, the model %zu",
                        vgg_dataset_class_count(dataset), classes);
    bool several = vgg_model_output(model) == VGG_OUTPUT_SIGMOID;
    if (!several && vgg_dataset_several_labels(dataset))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "pictures of the data have several labels, and the model is for one class "
                        "of each: its output is softmax, expected sigmoid");
    if (several ? options->scores != NULL : options->label_scores != NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "scores of %s labels were given for a model of %s; expected vgg_%s",
                        several ? "single" : "several", several ? "several" : "single ones",
                        several ? "label_scores" : "scores");
    if (vgg_model_preprocess(model) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the model does not say how its input is preprocessed; name a preset "
                        "(torchvision, caffe, paper, unit or signed) when loading it");
    return check_scoring(dataset, options, error);
}

static vgg_status create_loader(const vgg_model *model, const vgg_dataset *dataset,
                                const vgg_eval_options *options, vgg_threads *threads,
                                vgg_loader **loader, vgg_error *error) {
    vgg_loader_options loading;
    vgg_loader_options_init(&loading, sizeof loading);
    loading.batch = options->batch;
    loading.workers = options->workers;
    loading.skipped = options->skipped;
    loading.warn = options->warn;
    loading.warn_user = options->warn_user;
    loading.user = options->user;
    loading.shared_threads = threads;
    return vgg_loader_create(dataset, vgg_model_preprocess(model), &loading, loader, error);
}

static vgg_status create_plan(const vgg_model *model, const vgg_eval_options *options,
                              vgg_threads *threads, vgg_plan **plan, vgg_error *error) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(model);
    vgg_plan_options planning;
    vgg_plan_options_init(&planning, sizeof planning);
    planning.batch = options->batch;
    planning.shared_threads = threads;
    planning.exact = options->exact;
    planning.precision = options->precision;
    planning.height = preprocess->height;
    planning.width = preprocess->width;
    return vgg_plan_create(vgg_model_network(model), &planning, plan, error);
}

/* Memory for the mirrored view. */
static vgg_status make_room(const vgg_model *model, const vgg_eval_options *options,
                            vgg_protocol_room *room, vgg_error *error) {
    const vgg_preprocess *shape = vgg_model_preprocess(model);
    *room = (vgg_protocol_room){.input = shape->channels * shape->height * shape->width,
                                .width = shape->width,
                                .temperature = vgg_model_temperature(model),
                                .each = vgg_model_output(model) == VGG_OUTPUT_SIGMOID,
                                .classes = vgg_network_describe(vgg_model_network(model))->classes};
    if (options->protocol == VGG_PROTOCOL_CENTER)
        return VGG_OK;
    room->mirrored = vgg_calloc(options->batch, room->input * sizeof *room->mirrored);
    room->logits = vgg_calloc(options->batch, room->classes * sizeof *room->logits);
    if (room->mirrored != NULL && room->logits != NULL)
        return VGG_OK;
    return vgg_fail_memory(error, "the mirrored pictures",
                           options->batch * room->input * sizeof *room->mirrored);
}

static vgg_status measure(const vgg_model *model, const vgg_dataset *dataset,
                          const vgg_eval_options *options, eval_tally *tally, vgg_error *error) {
    size_t classes = vgg_network_describe(vgg_model_network(model))->classes;
    vgg_threads *threads, *own_threads = NULL;
    vgg_plan *plan = NULL;
    vgg_loader *loader = NULL;
    float *logits = vgg_calloc(options->batch, classes * sizeof *logits);
    vgg_protocol_room room = {0};
    vgg_status status = VGG_OK;
    if (logits == NULL)
        status = vgg_fail_memory(error, "the logits", options->batch * classes * sizeof *logits);
    if (status == VGG_OK)
        status = make_room(model, options, &room, error);
    if (status == VGG_OK)
        status = vgg_threads_obtain(options->shared_threads, options->threads, &threads,
                                    &own_threads, error);
    if (status == VGG_OK)
        status = create_plan(model, options, threads, &plan, error);
    if (status == VGG_OK)
        status = create_loader(model, dataset, options, threads, &loader, error);
    if (status == VGG_OK)
        status = run_batches(plan, loader, logits, &room, dataset, options, tally, error);
    vgg_loader_free(loader);
    vgg_plan_free(plan);
    vgg_threads_free(own_threads);
    vgg_free(room.mirrored);
    vgg_free(room.logits);
    vgg_free(logits);
    return status;
}

/* The scores that several labels are counted in: the caller's, or *own, which is made. */
static vgg_status obtain_labels(const vgg_model *model, const vgg_eval_options *options,
                                eval_tally *tally, vgg_label_scores **own, vgg_error *error) {
    size_t classes = vgg_network_describe(vgg_model_network(model))->classes;
    tally->labels = options->label_scores;
    if (vgg_model_output(model) != VGG_OUTPUT_SIGMOID || tally->labels != NULL)
        return VGG_OK;
    vgg_status status = vgg_label_scores_create(NULL, classes, own, error);
    tally->labels = *own;
    return status;
}

/* What was counted, as a result. */
static vgg_status finish(const eval_tally *tally, vgg_eval_result *found, vgg_error *error) {
    double images = (double)tally->images;
    *found = (vgg_eval_result){.struct_size = sizeof *found,
                               .images = tally->images,
                               .skipped = tally->skipped,
                               .top1 = (double)tally->top1 / images,
                               .top5 = (double)tally->top5 / images,
                               .loss = tally->loss / images,
                               .mean_average_precision = (double)NAN,
                               .exact_match = (double)NAN};
    if (tally->labels == NULL)
        return VGG_OK;
    vgg_label_figures figures = {.struct_size = sizeof figures};
    vgg_status status = vgg_label_scores_figures(tally->labels, &figures, error);
    found->top1 = found->top5 = (double)NAN;
    found->loss = figures.loss;
    found->mean_average_precision = figures.mean_average_precision;
    found->exact_match = figures.exact_match;
    return status;
}

vgg_status vgg_evaluate(const vgg_model *model, const vgg_dataset *dataset,
                        const vgg_eval_options *given, vgg_eval_result *result, vgg_error *error) {
    vgg_eval_options options;
    vgg_eval_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_eval_options", error);
    if (status == VGG_OK)
        status = vgg_result_check(result, "vgg_eval_result", error);
    if (status == VGG_OK)
        status = check(model, dataset, &options, error);
    if (status == VGG_OK)
        status = vgg_protocol_check(options.protocol, error);
    eval_tally tally = {0};
    vgg_label_scores *own = NULL;
    vgg_eval_result found;
    if (status == VGG_OK)
        status = obtain_labels(model, &options, &tally, &own, error);
    if (status == VGG_OK)
        status = measure(model, dataset, &options, &tally, error);
    if (status == VGG_OK && tally.images == 0 && options.first == 0)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "not one of the %zu pictures could be read",
                          tally.skipped);
    if (status == VGG_OK && tally.images > 0 && !isfinite(tally.loss))
        status = fail_not_finite(error);
    if (status == VGG_OK)
        status = finish(&tally, &found, error);
    vgg_label_scores_free(own);
    if (status != VGG_OK)
        return status;
    return vgg_result_write(result, &found, sizeof found, "vgg_eval_result", error);
}
