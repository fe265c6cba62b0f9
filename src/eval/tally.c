#include "eval/tally.h"

#include <math.h>

#include "base/error.h"
#include "base/options.h"

void vgg_eval_options_init(vgg_eval_options *options, size_t size) {
    const vgg_eval_options defaults = {.struct_size = size, .batch = 32};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- before ---- */

vgg_status vgg_tally_check(const vgg_dataset *dataset, const vgg_eval_options *options,
                           size_t batch, vgg_error *error) {
    const vgg_scores *scores = options->scores;
    if (options->first % batch != 0 || options->first > vgg_dataset_count(dataset))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "picture %zu of %zu as the first, expected a multiple of the batch, %zu",
                        options->first, vgg_dataset_count(dataset), batch);
    if (scores != NULL && vgg_scores_kind(scores) != VGG_SCORE_LOGITS)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "the scores are of kind %d, expected logits",
                        (int)vgg_scores_kind(scores));
    if (scores != NULL && vgg_scores_class_count(scores) != vgg_dataset_class_count(dataset))
        return vgg_fail(error, VGG_ERROR_SHAPE, "the scores have %zu classes, the data %zu",
                        vgg_scores_class_count(scores), vgg_dataset_class_count(dataset));
    const vgg_label_scores *labels = options->label_scores;
    if (labels != NULL && vgg_label_scores_class_count(labels) != vgg_dataset_class_count(dataset))
        return vgg_fail(error, VGG_ERROR_SHAPE, "the label scores have %zu classes, the data %zu",
                        vgg_label_scores_class_count(labels), vgg_dataset_class_count(dataset));
    return VGG_OK;
}

vgg_status vgg_tally_check_model(const vgg_dataset *dataset, size_t classes, vgg_output output,
                                 const vgg_eval_options *options, vgg_error *error) {
    bool several = output == VGG_OUTPUT_SIGMOID;
    if (vgg_dataset_class_count(dataset) != classes)
        return vgg_fail(error, VGG_ERROR_SHAPE, "the data has %zu classes, the model %zu",
                        vgg_dataset_class_count(dataset), classes);
    if (!several && vgg_dataset_several_labels(dataset))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "pictures of the data have several labels, and the model is for one class "
                        "of each: its output is softmax, expected sigmoid");
    if (several ? options->scores != NULL : options->label_scores != NULL)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "scores of %s labels were given for a model of %s; expected vgg_%s",
                        several ? "single" : "several", several ? "several" : "single ones",
                        several ? "label_scores" : "scores");
    return VGG_OK;
}

vgg_status vgg_tally_begin(vgg_tally *tally, const vgg_model *model,
                           const vgg_eval_options *options, vgg_error *error) {
    size_t classes = vgg_network_describe(vgg_model_network(model))->classes;
    *tally = (vgg_tally){0};
    if (vgg_model_output(model) != VGG_OUTPUT_SIGMOID)
        return VGG_OK;
    if (options->label_scores != NULL && vgg_label_scores_count(options->label_scores) == 0) {
        tally->labels = options->label_scores;
        return VGG_OK;
    }
    vgg_status status = vgg_label_scores_create(NULL, classes, &tally->own, error);
    tally->labels = tally->own;
    return status;
}

void vgg_tally_end(vgg_tally *tally) {
    vgg_label_scores_free(tally->own);
}

/* ---- picture by picture ---- */

static vgg_status fail_not_finite(vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_NUMERIC,
                    "the model's results are not finite numbers; its weights may be damaged");
}

static vgg_status count(vgg_tally *tally, const vgg_dataset *dataset, size_t item, const float *row,
                        vgg_error *error) {
    size_t classes = vgg_dataset_class_count(dataset);
    const size_t *labels = NULL;
    size_t label_count = vgg_dataset_item_classes(dataset, item, &labels);
    if (tally->labels == NULL) {
        vgg_hits_add(&tally->hits, row, classes, labels[0]);
        return VGG_OK;
    }
    tally->hits.images++;
    return vgg_label_scores_add(tally->labels, row, labels, label_count, error);
}

/* Adds a picture to the caller's label scores, unless those are the tally's. */
static vgg_status tell_labels(const vgg_tally *tally, const vgg_dataset *dataset,
                              const vgg_eval_options *options, size_t item, const float *row,
                              vgg_error *error) {
    if (options->label_scores == NULL || options->label_scores == tally->labels || row == NULL)
        return VGG_OK;
    const size_t *labels = NULL;
    size_t count = vgg_dataset_item_classes(dataset, item, &labels);
    return vgg_label_scores_add(options->label_scores, row, labels, count, error);
}

static vgg_status tell(const vgg_tally *tally, const vgg_dataset *dataset,
                       const vgg_eval_options *options, size_t item, const float *row,
                       vgg_error *error) {
    const char *name = vgg_dataset_item_name(dataset, item);
    size_t truth = vgg_dataset_item_class(dataset, item);
    vgg_status status = tell_labels(tally, dataset, options, item, row, error);
    if (status != VGG_OK)
        return status;
    if (options->scores != NULL && row != NULL)
        status = vgg_scores_add(options->scores, name, truth, row, error);
    else if (options->scores != NULL)
        status = vgg_scores_add_unreadable(options->scores, name, truth, error);
    if (status == VGG_OK && options->scored != NULL &&
        !options->scored(options->scored_user, name, truth, row))
        status = vgg_fail(error, VGG_ERROR_STOPPED, "stopped at %s", name);
    return status;
}

vgg_status vgg_tally_take(vgg_tally *tally, const vgg_dataset *dataset,
                          const vgg_eval_options *options, size_t item, const float *row,
                          vgg_error *error) {
    vgg_status status = VGG_OK;
    if (row != NULL)
        status = count(tally, dataset, item, row, error);
    else
        tally->hits.skipped++;
    if (status == VGG_OK)
        status = tell(tally, dataset, options, item, row, error);
    return status == VGG_ERROR_NUMERIC ? fail_not_finite(error) : status;
}

vgg_status vgg_tally_progress(const vgg_dataset *dataset, const vgg_eval_options *options,
                              size_t done, vgg_error *error) {
    size_t total = vgg_dataset_count(dataset);
    if (options->progress == NULL || options->progress(options->user, done, total))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_STOPPED, "stopped after %zu of %zu pictures", done, total);
}

/* ---- after ---- */

/* What was counted of several labels. */
static vgg_status add_labels(const vgg_tally *tally, vgg_eval_result *found, vgg_error *error) {
    vgg_label_figures figures = {.struct_size = sizeof figures};
    vgg_status status = vgg_label_scores_figures(tally->labels, &figures, error);
    found->top1 = found->top5 = (double)NAN;
    found->loss = figures.loss;
    found->mean_average_precision = figures.mean_average_precision;
    found->exact_match = figures.exact_match;
    return status;
}

vgg_status vgg_tally_result(const vgg_tally *tally, const vgg_eval_options *options,
                            vgg_eval_result *result, vgg_error *error) {
    const vgg_hits *hits = &tally->hits;
    double images = (double)hits->images;
    if (hits->images == 0 && options->first == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT, "not one of the %zu pictures could be read",
                        hits->skipped);
    if (!isfinite(hits->loss))
        return fail_not_finite(error);
    vgg_eval_result found = {.struct_size = sizeof found,
                             .images = hits->images,
                             .skipped = hits->skipped,
                             .top1 = (double)hits->top1 / images,
                             .top5 = (double)hits->top5 / images,
                             .loss = hits->loss / images,
                             .mean_average_precision = (double)NAN,
                             .exact_match = (double)NAN};
    vgg_status status = tally->labels != NULL ? add_labels(tally, &found, error) : VGG_OK;
    if (status != VGG_OK)
        return status;
    return vgg_result_write(result, &found, sizeof found, "vgg_eval_result", error);
}
