/* Measuring a model on a data set. */
#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/threads.h"
#include "eval/protocol.h"
#include "eval/tally.h"
#include "eval/viewer.h"
#include "vgg/plan.h"
#include "vgg/predict.h"

/* Counts the batch, items `first` up to `end` of the data set, of which the batch has those that
 * could be read, in their order. */
static vgg_status take_batch(vgg_tally *tally, const float *logits, const vgg_batch *batch,
                             const vgg_dataset *dataset, const vgg_eval_options *options,
                             size_t first, size_t end, vgg_error *error) {
    size_t classes = vgg_dataset_class_count(dataset), n = 0;
    vgg_status status = VGG_OK;
    for (size_t item = first; status == VGG_OK && item < end; item++) {
        bool read = n < batch->count && batch->items[n] == item;
        const float *row = read ? logits + n * classes : NULL;
        status = vgg_tally_take(tally, dataset, options, item, row, error);
        n += read;
    }
    return status;
}

static vgg_status run_batches(vgg_plan *plan, vgg_loader *loader, float *logits,
                              const vgg_protocol_room *room, const vgg_dataset *dataset,
                              const vgg_eval_options *options, vgg_tally *tally, vgg_error *error) {
    size_t done = options->first;
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
        if (status == VGG_OK)
            status = vgg_tally_progress(dataset, options, done, error);
    }
    return status;
}

static vgg_status check(const vgg_model *model, const vgg_dataset *dataset,
                        const vgg_eval_options *options, vgg_error *error) {
    size_t classes = vgg_network_describe(vgg_model_network(model))->classes;
    if (options->batch == 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "batch of 0, expected at least 1");
    vgg_status status =
        vgg_tally_check_model(dataset, classes, vgg_model_output(model), options, error);
    if (status != VGG_OK)
        return status;
    if (vgg_model_preprocess(model) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the model does not say how its input is preprocessed; name a preset "
                        "(torchvision, caffe, paper, unit or signed) when loading it");
    return vgg_tally_check(dataset, options, options->batch, error);
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
    planning.device = options->device;
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
                          const vgg_eval_options *options, vgg_tally *tally, vgg_error *error) {
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

/* By a predictor: what takes more than one view of a batch. */
static vgg_status measure_views(const vgg_model *model, const vgg_dataset *dataset,
                                const vgg_eval_options *options,
                                const vgg_predictor_options *predicting, vgg_eval_result *result,
                                vgg_error *error) {
    vgg_predictor *predictor = NULL;
    vgg_status status = vgg_predictor_create(model, predicting, &predictor, error);
    if (status == VGG_OK)
        status = vgg_evaluate_with(predictor, dataset, options, result, error);
    vgg_predictor_free(predictor);
    return status;
}

static vgg_predictor_options predictor_options(const vgg_eval_options *options) {
    vgg_predictor_options predicting;
    vgg_predictor_options_init(&predicting, sizeof predicting);
    predicting.threads = options->threads;
    predicting.exact = options->exact;
    predicting.shared_threads = options->shared_threads;
    predicting.protocol = options->protocol;
    predicting.precision = options->precision;
    predicting.device = options->device;
    predicting.scales = options->scales;
    return predicting;
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
    if (status != VGG_OK)
        return status;
    const vgg_predictor_options predicting = predictor_options(&options);
    if (vgg_viewer_wanted(model, &predicting))
        return measure_views(model, dataset, &options, &predicting, result, error);
    vgg_tally tally = {0};
    status = vgg_tally_begin(&tally, model, &options, error);
    if (status == VGG_OK)
        status = measure(model, dataset, &options, &tally, error);
    if (status == VGG_OK)
        status = vgg_tally_result(&tally, &options, result, error);
    vgg_tally_end(&tally);
    return status;
}
