/* The training loop. */
#include "vgg/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "base/threads.h"
#include "nn/network.h"
#include "train/run.h"
#include "vgg/loss.h"
#include "vgg/plan.h"
#include "vgg/predict.h"

void vgg_train_options_init(vgg_train_options *options, size_t size) {
    const vgg_train_options defaults = {.struct_size = size,
                                        .epochs = 10,
                                        .batch = 32,
                                        .rate = 0.005,
                                        .momentum = 0.9,
                                        .weight_decay = 5e-4,
                                        .gamma = 0.1,
                                        .shuffle = true};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* ---- events ---- */

static void tell(vgg_run *run, vgg_train_event *event) {
    event->struct_size = sizeof *event;
    if (run->options.callback != NULL && !run->options.callback(run->options.user, event))
        run->stop_asked = true;
}

/* Share of the whole run that is done. */
static double fraction_done(const vgg_run *run, double epoch_fraction) {
    return ((double)run->progress.epoch + epoch_fraction) / (double)run->options.epochs;
}

static double seconds_left(const vgg_run *run, double epoch_fraction) {
    double done = fraction_done(run, epoch_fraction), here = done - run->fraction_before;
    return here > 0 ? (now() - run->started) * (1 - done) / here : 0;
}

static double rate_of(const vgg_train_options *options, size_t epoch) {
    if (options->schedule == VGG_SCHEDULE_CONSTANT)
        return options->rate;
    return options->rate * pow(options->gamma, (double)(epoch / options->step_epochs));
}

static vgg_train_event describe_epoch(const vgg_run *run, vgg_event_type type) {
    const vgg_progress *progress = &run->progress;
    double seconds = now() - run->epoch_started;
    double images = progress->images > 0 ? (double)progress->images : 1;
    return (vgg_train_event){.type = type,
                             .epoch = progress->epoch + 1,
                             .epochs = run->options.epochs,
                             .step = progress->step,
                             .steps = vgg_loader_batch_count(run->loader),
                             .images = progress->images,
                             .loss = progress->loss / images,
                             .accuracy = (double)progress->hits / images,
                             .rate = rate_of(&run->options, progress->epoch),
                             .images_per_second =
                                 seconds > 0 ? (double)progress->images / seconds : 0,
                             .waited = seconds > 0 ? run->waited / seconds : 0};
}

/* Called by the loader for a picture that cannot be read; every epoch meets it, the first reports
 * it. */
static bool picture_skipped(void *user, const char *name, const vgg_error *why) {
    vgg_run *run = user;
    if (!run->report_skipped)
        return true;
    run->skipped++;
    vgg_train_event event = {
        .struct_size = sizeof event, .type = VGG_EVENT_SKIPPED, .name = name, .why = why};
    return run->options.callback == NULL || run->options.callback(run->options.user, &event);
}

/* ---- one step ---- */

static size_t count_hits(const float *logits, const size_t *classes, size_t count,
                         size_t class_count) {
    size_t hits = 0;
    for (size_t n = 0; n < count; n++) {
        size_t best = 0;
        for (size_t c = 1; c < class_count; c++) {
            if (logits[n * class_count + c] > logits[n * class_count + best])
                best = c;
        }
        hits += best == classes[n];
    }
    return hits;
}

static vgg_status fail_not_finite(const vgg_run *run, const char *what, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_NUMERIC,
                    "%s not a finite number in epoch %zu, step %zu, with learning rate %g; a lower "
                    "rate, batch norm or another initialisation may help",
                    what, run->progress.epoch + 1, run->progress.step + 1,
                    rate_of(&run->options, run->progress.epoch));
}

/* The pictures of a batch that are learnt from. A batch norm cannot learn from one picture alone,
 * such as the last of an epoch, or of a batch whose parts have two: it is left out. */
static size_t learnt(const vgg_run *run, size_t count) {
    size_t most = run->options.micro_batch;
    if (!run->network->options.batch_norm || most == 1)
        return count;
    return count == 1 || (most == 2 && count % 2 == 1) ? count - 1 : count;
}

/* Adds what `count` pictures of a step of `whole` say to its gradients and to the progress. */
static vgg_status learn_part(vgg_run *run, const float *inputs, const size_t *labels, size_t count,
                             size_t whole, vgg_error *error) {
    vgg_progress *progress = &run->progress;
    size_t classes = run->network->options.classes;
    vgg_status status = vgg_plan_forward(run->plan, inputs, count, run->logits, error);
    if (status != VGG_OK)
        return status;
    double loss = vgg_cross_entropy_part(run->logits, labels, count, classes, whole, run->gradient);
    if (!isfinite(loss))
        return fail_not_finite(run, "the loss is", error);
    progress->loss += loss * (double)whole;
    progress->hits += count_hits(run->logits, labels, count, classes);
    return vgg_plan_backward(run->plan, run->gradient, NULL, error);
}

/* One step of the optimiser, from parts of the batch that differ by at most one picture. */
static vgg_status learn(vgg_run *run, const vgg_batch *batch, vgg_error *error) {
    vgg_progress *progress = &run->progress;
    const vgg_network_options *network = &run->network->options;
    size_t image = network->channels * network->height * network->width;
    size_t count = learnt(run, batch->count), most = run->options.micro_batch;
    if (count == 0)
        return VGG_OK;
    size_t parts = (count + most - 1) / most;
    vgg_plan_set_dropout(run->plan, run->options.seed, progress->updates);
    vgg_status status = VGG_OK;
    for (size_t part = 0; status == VGG_OK && part < parts; part++) {
        size_t begin = count * part / parts, end = count * (part + 1) / parts;
        status = learn_part(run, batch->inputs + begin * image, batch->classes + begin, end - begin,
                            count, error);
    }
    if (status != VGG_OK)
        return status;
    progress->images += count;
    progress->updates++;
    return vgg_optimiser_step(run->optimiser, rate_of(&run->options, progress->epoch), error);
}

/* ---- one epoch ---- */

static vgg_status train_epoch(vgg_run *run, vgg_error *error) {
    vgg_progress *progress = &run->progress;
    run->epoch_started = now();
    run->waited = 0;
    vgg_status status = vgg_loader_start(run->loader, progress->epoch, progress->step, error);
    while (status == VGG_OK && !run->stop_asked) {
        const vgg_batch *batch;
        status = vgg_loader_next(run->loader, &batch, error);
        if (status != VGG_OK || batch == NULL)
            break;
        run->waited += batch->waited;
        status = learn(run, batch, error);
        if (status != VGG_OK)
            break;
        progress->step++;
        vgg_train_event event = describe_epoch(run, VGG_EVENT_STEP);
        event.seconds_left = seconds_left(run, (double)event.step / (double)event.steps);
        status = vgg_run_log_step(run, &event, error);
        tell(run, &event);
    }
    if (status == VGG_OK && !run->stop_asked && progress->images == 0)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "not one picture of the data could be read");
    return status;
}

static bool evaluation_progress(void *user, size_t done, size_t total) {
    vgg_run *run = user;
    vgg_train_event event = {.type = VGG_EVENT_EVALUATED,
                             .epoch = run->progress.epoch + 1,
                             .epochs = run->options.epochs,
                             .step = done,
                             .steps = total,
                             .images = done,
                             .seconds_left = seconds_left(run, 1)};
    tell(run, &event);
    return !run->stop_asked;
}

/* Sets the validation figures of the event. A stop during the evaluation is no error here. */
static vgg_status validate(vgg_run *run, vgg_train_event *event, vgg_error *error) {
    if (run->validation == NULL)
        return VGG_OK;
    vgg_eval_options options;
    vgg_eval_options_init(&options, sizeof options);
    options.batch = run->options.micro_batch;
    options.shared_threads = run->threads;
    options.workers = run->options.workers;
    options.skipped = picture_skipped;
    options.progress = evaluation_progress;
    options.user = run;
    vgg_eval_result result = {.struct_size = sizeof result};
    vgg_status status = vgg_evaluate(run->model, run->validation, &options, &result, error);
    if (status == VGG_ERROR_STOPPED)
        return VGG_OK;
    if (status == VGG_ERROR_NUMERIC)
        return fail_not_finite(run, "a result on the validation pictures is", error);
    if (status != VGG_OK)
        return status;
    event->validated = true;
    event->validation_loss = result.loss;
    event->validation_top1 = result.top1;
    event->validation_top5 = result.top5;
    return VGG_OK;
}

/* Weights that were ruined by the last step of an epoch show in no loss of it. */
static vgg_status check_weights(const vgg_run *run, vgg_error *error) {
    for (size_t i = 0; i < run->network->tensor_count; i++) {
        const vgg_tensor *tensor = &run->network->tensors[i];
        for (size_t j = 0; j < tensor->info.count; j++) {
            if (!isfinite(tensor->values[j]))
                return fail_not_finite(run, "a weight is", error);
        }
    }
    return VGG_OK;
}

/* Evaluates, saves and reports the epoch whose training is complete. */
static vgg_status finish_epoch(vgg_run *run, vgg_error *error) {
    vgg_progress *progress = &run->progress;
    vgg_train_event event = describe_epoch(run, VGG_EVENT_EPOCH);
    vgg_status status = check_weights(run, error);
    if (status == VGG_OK)
        status = validate(run, &event, error);
    if (status != VGG_OK || run->stop_asked)
        return status;
    double top1 = event.validated ? event.validation_top1 : event.accuracy;
    event.best = progress->best_epoch == 0 || top1 > progress->best_top1;
    if (event.best) {
        progress->best_top1 = top1;
        progress->best_epoch = progress->epoch + 1;
    }
    progress->epoch++;
    progress->step = 0;
    progress->images = 0;
    progress->hits = 0;
    progress->loss = 0;
    status = vgg_run_save(run, event.best, error);
    if (status == VGG_OK)
        status = vgg_run_log_epoch(run, &event, error);
    run->report_skipped = false;
    if (status == VGG_OK)
        tell(run, &event);
    return status;
}

/* Saves what there is when a run is stopped on the way. */
static vgg_status stop(vgg_run *run, vgg_error *error) {
    vgg_status status = vgg_run_save(run, false, error);
    if (status != VGG_OK)
        return status;
    return vgg_fail(error, VGG_ERROR_STOPPED, "stopped in epoch %zu of %zu, after step %zu",
                    run->progress.epoch + 1, run->options.epochs, run->progress.step);
}

static vgg_status train_epochs(vgg_run *run, vgg_error *error) {
    run->started = now();
    run->fraction_before = fraction_done(run, (double)run->progress.step /
                                                  (double)vgg_loader_batch_count(run->loader));
    run->report_skipped = true;
    while (run->progress.epoch < run->options.epochs) {
        vgg_status status = train_epoch(run, error);
        if (status == VGG_OK && !run->stop_asked)
            status = finish_epoch(run, error);
        if (status != VGG_OK)
            return status;
        if (run->stop_asked && run->progress.epoch < run->options.epochs)
            return stop(run, error);
    }
    return VGG_OK;
}

/* ---- setting up ---- */

static vgg_status check_options(const vgg_train_options *options, vgg_error *error) {
    if (options->epochs == 0 || options->batch == 0 || options->batch > 65536)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%zu epochs of batches of %zu, expected at least 1 of 1 to 65536",
                        options->epochs, options->batch);
    if (!(options->rate > 0 && isfinite(options->rate)))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "learning rate %g, expected more than 0",
                        options->rate);
    if (!(options->gamma > 0 && isfinite(options->gamma)))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "gamma %g, expected more than 0",
                        options->gamma);
    if (options->schedule != VGG_SCHEDULE_CONSTANT && options->schedule != VGG_SCHEDULE_STEP)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "schedule %d, expected constant or step",
                        (int)options->schedule);
    if (options->resume && options->folder == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "nothing to resume: no folder is given");
    return VGG_OK;
}

static vgg_status check_classes(const vgg_model *model, const vgg_dataset *dataset,
                                vgg_error *error) {
    size_t classes = vgg_network_describe(vgg_model_network(model))->classes;
    if (dataset == NULL || vgg_dataset_class_count(dataset) == classes)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_SHAPE, "the data has %zu classes, the model %zu",
                    vgg_dataset_class_count(dataset), classes);
}

static vgg_plan_options plan_options(const vgg_run *run) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = run->options.micro_batch;
    options.micro_batches =
        (run->options.batch + run->options.micro_batch - 1) / run->options.micro_batch;
    options.defer_linear = true;
    options.shared_threads = run->threads;
    options.mode = VGG_MODE_TRAIN;
    return options;
}

static vgg_status create_loader(vgg_run *run, vgg_error *error) {
    const vgg_preprocess *preprocess = vgg_model_preprocess(run->model);
    if (preprocess == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "the model's preprocessing is not known");
    vgg_loader_options options;
    vgg_loader_options_init(&options, sizeof options);
    options.batch = run->options.batch;
    options.workers = run->options.workers;
    options.shared_threads = run->threads;
    options.shuffle = run->options.shuffle;
    options.seed = run->options.seed;
    options.augment = run->augment.crop || run->augment.flip ? &run->augment : NULL;
    options.skipped = picture_skipped;
    options.user = run;
    return vgg_loader_create(run->train, preprocess, &options, &run->loader, error);
}

/* Parameters of the layers that are trained. */
static size_t trained_parameters(const vgg_network *network) {
    size_t count = 0;
    vgg_layer_info info = {.struct_size = sizeof info};
    for (size_t l = 0; l < network->layer_count; l++) {
        if (vgg_network_trained(network, l) && vgg_network_layer(network, l, &info, NULL) == VGG_OK)
            count += info.parameters;
    }
    return count;
}

static vgg_status freeze(vgg_run *run, vgg_error *error) {
    vgg_status status = VGG_OK;
    if (run->options.freeze > 0)
        status = vgg_network_freeze(run->network, run->options.freeze, error);
    if (status == VGG_OK && trained_parameters(run->network) == 0)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT, "every layer is frozen: nothing to train");
    return status;
}

/* Bytes of the plan for training, of the one for evaluation after each epoch, of weights and
 * velocities, and of the batches that are read ahead. */
static vgg_status tell_plan(vgg_run *run, vgg_error *error) {
    vgg_plan_options options = plan_options(run);
    size_t training, evaluation = 0;
    vgg_status status = vgg_plan_memory(run->network, &options, &training, error);
    options.mode = VGG_MODE_EVAL;
    options.gradients = false;
    if (status == VGG_OK && run->validation != NULL)
        status = vgg_plan_memory(run->network, &options, &evaluation, error);
    if (status != VGG_OK)
        return status;
    vgg_loader_options loader;
    vgg_loader_options_init(&loader, sizeof loader);
    const vgg_network_options *network = &run->network->options;
    size_t input = network->channels * network->height * network->width * sizeof(float);
    vgg_train_event event = {.type = VGG_EVENT_PLAN,
                             .memory = training + evaluation +
                                       sizeof(float) * (vgg_network_parameters(run->network) +
                                                        trained_parameters(run->network)) +
                                       loader.ahead * run->options.batch * input};
    tell(run, &event);
    return VGG_OK;
}

static vgg_status set_up(vgg_run *run, vgg_error *error) {
    vgg_plan_options options;
    size_t values = run->options.micro_batch * run->network->options.classes;
    run->logits = malloc(values * sizeof *run->logits);
    run->gradient = malloc(values * sizeof *run->gradient);
    vgg_status status = VGG_OK;
    if (run->logits == NULL || run->gradient == NULL)
        status = vgg_fail_memory(error, "the logits", 2 * values * sizeof *run->logits);
    if (status == VGG_OK)
        status = vgg_threads_obtain(run->options.shared_threads, run->options.threads,
                                    &run->threads, &run->own_threads, error);
    options = plan_options(run);
    if (status == VGG_OK)
        status = vgg_plan_create(run->network, &options, &run->plan, error);
    if (status == VGG_OK)
        status = vgg_optimiser_create(run->network, run->plan, run->options.momentum,
                                      run->options.weight_decay, &run->optimiser, error);
    if (status == VGG_OK)
        status = create_loader(run, error);
    if (status == VGG_OK && run->options.folder != NULL)
        status = vgg_folder_create(run->options.folder, error);
    if (status == VGG_OK && run->options.resume)
        status = vgg_run_resume(run, error);
    if (status == VGG_OK)
        status = vgg_run_open_log(run, error);
    if (status == VGG_OK)
        status = tell_plan(run, error);
    return status;
}

static void tear_down(vgg_run *run) {
    vgg_loader_free(run->loader);
    vgg_optimiser_free(run->optimiser);
    vgg_plan_free(run->plan);
    vgg_threads_free(run->own_threads);
    free(run->logits);
    free(run->gradient);
    if (run->log != NULL)
        fclose(run->log);
}

vgg_status vgg_train(vgg_model *model, const vgg_dataset *train, const vgg_dataset *validation,
                     const vgg_train_options *given, vgg_train_result *result, vgg_error *error) {
    vgg_run run = {.model = model,
                   .network = vgg_model_mutable_network(model),
                   .train = train,
                   .validation = validation};
    vgg_train_options_init(&run.options, sizeof run.options);
    vgg_status status =
        vgg_options_read(&run.options, sizeof run.options, given, "vgg_train_options", error);
    vgg_augment_init(&run.augment, sizeof run.augment);
    if (status == VGG_OK)
        status = vgg_options_read(&run.augment, sizeof run.augment, run.options.augment,
                                  "vgg_augment", error);
    if (status == VGG_OK && result != NULL)
        status = vgg_result_check(result, "vgg_train_result", error);
    if (run.options.step_epochs == 0)
        run.options.step_epochs = (run.options.epochs + 2) / 3;
    if (run.options.micro_batch == 0 || run.options.micro_batch > run.options.batch)
        run.options.micro_batch = run.options.batch;
    run.progress.seed = run.options.seed;

    double started = now();
    if (status == VGG_OK)
        status = check_options(&run.options, error);
    if (status == VGG_OK)
        status = check_classes(model, train, error);
    if (status == VGG_OK)
        status = check_classes(model, validation, error);
    if (status == VGG_OK)
        status = freeze(&run, error);
    if (status == VGG_OK)
        status = set_up(&run, error);
    if (status == VGG_OK)
        status = train_epochs(&run, error);
    const vgg_train_result found = {.struct_size = sizeof found,
                                    .epochs = run.progress.epoch,
                                    .skipped = run.skipped,
                                    .best_top1 = run.progress.best_top1,
                                    .best_epoch = run.progress.best_epoch,
                                    .seconds = now() - started};
    if (result != NULL)
        vgg_result_write(result, &found, sizeof found, "vgg_train_result", NULL);
    tear_down(&run);
    return status;
}
