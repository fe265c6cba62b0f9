/* Making a trainer, and what it is asked. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "nn/plan.h"
#include "train/checkpoint.h"
#include "train/views.h"

/* ---- making ---- */

static vgg_status check_classes(const vgg_model *model, const vgg_dataset *dataset,
                                vgg_error *error) {
    size_t classes = vgg_network_describe(vgg_model_network(model))->classes;
    if (dataset == NULL || vgg_dataset_class_count(dataset) == classes)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_SHAPE, "the data has %zu classes, the model %zu",
                    vgg_dataset_class_count(dataset), classes);
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

static vgg_status freeze(vgg_trainer *trainer, vgg_error *error) {
    vgg_status status = VGG_OK;
    if (trainer->options.freeze > 0)
        status = vgg_network_freeze(trainer->network, trainer->options.freeze, error);
    if (status == VGG_OK && trained_parameters(trainer->network) == 0)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT, "every layer is frozen: nothing to train");
    return status;
}

/* Pictures that are computed at once: a part's, as far as the caller lets them, and two at least
 * for batch normalisation. */
static size_t pictures_at_once(const vgg_trainer *trainer) {
    const vgg_train_options *options = &trainer->options;
    size_t part = (options->batch + options->parts - 1) / options->parts;
    size_t least = trainer->network->options.batch_norm ? 2 : 1;
    return vgg_size_min(options->micro_batch, vgg_size_max(part, least));
}

/* The gradients of parts are added up, for which they have to be stored. */
static vgg_plan_options plan_options(const vgg_trainer *trainer) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.batch = trainer->most;
    options.micro_batches = (trainer->options.batch + trainer->most - 1) / trainer->most;
    options.defer_linear = trainer->options.parts == 1 && !trainer->options.histograms &&
                           vgg_optimiser_defers(trainer->network, &trainer->optimising);
    options.norm_momentum = trainer->options.norm_momentum;
    options.shared_threads = trainer->threads;
    options.precision = trainer->options.precision;
    options.device = trainer->options.device;
    options.mode = VGG_MODE_TRAIN;
    return options;
}

static vgg_status create_plan(vgg_trainer *trainer, vgg_error *error) {
    vgg_plan_options options = plan_options(trainer);
    vgg_status status = vgg_plan_create_training(trainer->network, &options, &trainer->plan, error);
    if (status != VGG_OK)
        return status;
    return vgg_part_sums_create(&trainer->sums, trainer->plan, trainer->options.parts,
                                trainer->plan->gradient_count, error);
}

/* Room for a batch of mixed pictures. */
static vgg_status create_mixed(vgg_trainer *trainer, vgg_error *error) {
    const vgg_network_options *network = &trainer->network->options;
    size_t batch = trainer->options.batch, bytes;
    if (trainer->train == NULL || (trainer->options.mixup == 0 && trainer->options.cutmix == 0))
        return VGG_OK;
    bool fits = vgg_size_mul(network->channels * network->height * network->width, batch, &bytes) &&
                vgg_size_mul(bytes, sizeof *trainer->mixed, &bytes) &&
                bytes <= vgg_memory_available();
    if (fits) {
        trainer->mixed = vgg_aligned_alloc(bytes);
        trainer->others = vgg_malloc(batch * sizeof *trainer->others);
        trainer->shares = vgg_malloc(batch * sizeof *trainer->shares);
    }
    if (trainer->mixed == NULL || trainer->others == NULL || trainer->shares == NULL)
        return vgg_fail_memory(error, "a batch of mixed pictures", fits ? bytes : SIZE_MAX);
    return VGG_OK;
}

static vgg_status create_optimiser(vgg_trainer *trainer, vgg_error *error) {
    return vgg_optimiser_create(trainer->network, trainer->plan, &trainer->optimising,
                                &trainer->optimiser, error);
}

static vgg_status create_loader(vgg_trainer *trainer, vgg_error *error) {
    if (trainer->train == NULL)
        return VGG_OK;
    vgg_loader_options options;
    vgg_loader_options_init(&options, sizeof options);
    options.batch = trainer->options.batch;
    options.workers = trainer->options.workers;
    options.shared_threads = trainer->threads;
    options.shuffle = trainer->options.shuffle;
    options.balance = trainer->options.balance_samples;
    options.seed = trainer->options.seed;
    options.augment = vgg_views_random(&trainer->augment) ? &trainer->augment : NULL;
    options.skipped = vgg_trainer_skipped;
    options.user = trainer;
    options.warn = vgg_trainer_warned;
    options.warn_user = trainer;
    if (trainer->features.wanted) {
        options.fill = vgg_trainer_fill_features;
        options.fill_user = trainer;
        options.values = trainer->input;
    }
    return vgg_loader_create(trainer->train, vgg_model_preprocess(trainer->model), &options,
                             &trainer->loader, error);
}

/* What the optimiser is told, from both places of the options. */
static vgg_status read_optimising(vgg_trainer *trainer, vgg_error *error) {
    vgg_optimiser_options *own = &trainer->optimising;
    const vgg_optimiser_row *row;
    vgg_optimiser_options_init(own, sizeof *own);
    vgg_status status = vgg_options_read(own, sizeof *own, trainer->options.optimising,
                                         "vgg_optimiser_options", error);
    if (status != VGG_OK)
        return status;
    own->kind = trainer->options.optimiser;
    own->momentum = trainer->options.momentum;
    own->weight_decay = trainer->options.weight_decay;
    trainer->options.optimising = own;
    return vgg_optimiser_find(own->kind, &row, error);
}

/* What the options point to need not outlive the making. */
static vgg_status copy_options(vgg_trainer *trainer, const vgg_train_options *given,
                               vgg_error *error) {
    vgg_train_options *own = &trainer->options;
    vgg_augment_init(&trainer->augment, sizeof trainer->augment);
    vgg_status status = vgg_train_options_read(given, own, error);
    if (status == VGG_OK)
        status = vgg_options_read(&trainer->augment, sizeof trainer->augment, own->augment,
                                  "vgg_augment", error);
    if (status != VGG_OK)
        return status;
    own->augment = &trainer->augment;
    status = read_optimising(trainer, error);
    if (status != VGG_OK)
        return status;
    if (own->run != NULL)
        own->folder = vgg_run_folder(own->run);
    if (own->folder != NULL && (trainer->folder = vgg_text_copy(own->folder)) == NULL)
        return vgg_fail_memory(error, "the folder's name", strlen(own->folder));
    own->folder = trainer->folder;
    return VGG_OK;
}

static vgg_status set_up(vgg_trainer *trainer, vgg_error *error) {
    trainer->most = pictures_at_once(trainer);
    size_t values = trainer->most * trainer->network->options.classes;
    trainer->logits = vgg_malloc(values * sizeof *trainer->logits);
    trainer->gradient = vgg_malloc(values * sizeof *trainer->gradient);
    vgg_status status = VGG_OK;
    if (trainer->logits == NULL || trainer->gradient == NULL)
        status = vgg_fail_memory(error, "the logits", 2 * values * sizeof *trainer->logits);
    if (status == VGG_OK)
        status = vgg_threads_obtain(trainer->options.shared_threads, trainer->options.threads,
                                    &trainer->threads, &trainer->own_threads, error);
    if (status == VGG_OK)
        status = vgg_trainer_weigh_classes(trainer, error);
    if (status == VGG_OK)
        status = create_mixed(trainer, error);
    if (status == VGG_OK)
        status = vgg_trainer_create_targets(trainer, error);
    if (status == VGG_OK)
        status = create_plan(trainer, error);
    if (status == VGG_OK)
        status = vgg_trainer_plan_features(trainer, error);
    if (status == VGG_OK)
        status = create_optimiser(trainer, error);
    if (status == VGG_OK)
        status = create_loader(trainer, error);
    if (status == VGG_OK && trainer->options.callback != NULL)
        status =
            vgg_trainer_add_sink(trainer, trainer->options.callback, trainer->options.user, error);
    return status;
}

/* What can be said before memory is taken. */
static vgg_status check(vgg_trainer *trainer, vgg_error *error) {
    const vgg_dataset *data = trainer->train != NULL ? trainer->train : trainer->validation;
    if (!trainer->several && data != NULL && vgg_dataset_several_labels(data))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "pictures of the data have several labels, and the model is for one class "
                        "of each: its output is softmax, expected sigmoid");
    if (!trainer->several && trainer->options.loss == VGG_LOSS_BINARY_CROSS_ENTROPY)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "the loss is binary cross-entropy, that of several labels, and the model "
                        "is for one class of each picture: its output is softmax, expected "
                        "sigmoid");
    vgg_status status = check_classes(trainer->model, trainer->train, error);
    if (status == VGG_OK)
        status = check_classes(trainer->model, trainer->validation, error);
    bool pictures = trainer->train != NULL || trainer->validation != NULL;
    if (status == VGG_OK && pictures && vgg_model_preprocess(trainer->model) == NULL)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT, "the model's preprocessing is not known");
    return status == VGG_OK ? freeze(trainer, error) : status;
}

vgg_status vgg_trainer_create(vgg_model *model, const vgg_dataset *train,
                              const vgg_dataset *validation, const vgg_train_options *options,
                              vgg_trainer **out, vgg_error *error) {
    vgg_trainer *trainer = vgg_calloc(1, sizeof *trainer);
    if (trainer == NULL)
        return vgg_fail_memory(error, "a trainer", sizeof *trainer);
    trainer->model = model;
    trainer->network = vgg_model_mutable_network(model);
    trainer->train = train;
    trainer->validation = validation;
    trainer->created = vgg_clock_seconds();
    trainer->report_warned = trainer->unsaved = true;
    trainer->several = vgg_model_output(model) == VGG_OUTPUT_SIGMOID;
    vgg_status status = copy_options(trainer, options, error);
    if (status == VGG_OK)
        status = check(trainer, error);
    if (status == VGG_OK) {
        trainer->progress.seed = trainer->options.seed;
        trainer->loss = vgg_loss_row_at(trainer->several ? VGG_LOSS_BINARY_CROSS_ENTROPY
                                                         : trainer->options.loss);
        trainer->scheduler = (vgg_scheduler){.row = vgg_schedule_row_at(trainer->options.schedule),
                                             .options = &trainer->options};
        status = set_up(trainer, error);
    }
    if (status == VGG_OK)
        status = vgg_model_set_temperature(model, 1, error);
    if (status != VGG_OK) {
        vgg_trainer_free(trainer);
        return status;
    }
    *out = trainer;
    return VGG_OK;
}

void vgg_trainer_free(vgg_trainer *trainer) {
    if (trainer == NULL)
        return;
    vgg_event_sinks_free(&trainer->sinks);
    vgg_event_log_close(trainer->log);
    vgg_results_close(trainer->results);
    vgg_scores_free(trainer->scores);
    vgg_label_scores_free(trainer->label_scores);
    vgg_board_close(trainer->board);
    vgg_loader_free(trainer->loader);
    vgg_records_free(&trainer->features.file);
    vgg_run_close(trainer->own_run);
    vgg_optimiser_free(trainer->optimiser);
    vgg_part_sums_free(&trainer->sums);
    vgg_named_free(&trainer->named);
    vgg_plan_free(trainer->plan);
    vgg_threads_free(trainer->own_threads);
    vgg_free(trainer->folder);
    vgg_free(trainer->mixed);
    vgg_free(trainer->others);
    vgg_free(trainer->shares);
    vgg_free(trainer->targets);
    vgg_free(trainer->class_weights);
    vgg_free(trainer->logits);
    vgg_free(trainer->gradient);
    vgg_free(trainer);
}

vgg_status vgg_trainer_add_sink(vgg_trainer *trainer, vgg_train_callback *callback, void *user,
                                vgg_error *error) {
    return vgg_event_sinks_add(&trainer->sinks, (vgg_event_sink){.tell = callback, .user = user},
                               error);
}

/* ---- beginning ---- */

/* Bytes of the plan for training, of the one for evaluation after each epoch, of weights and of
 * what the optimiser keeps for them, of the sums of parts and of the batches that are read ahead.
 */
static vgg_status count_memory(const vgg_trainer *trainer, size_t *bytes, vgg_error *error) {
    const vgg_optimiser_row *row = trainer->optimiser->row;
    vgg_plan_options options = plan_options(trainer);
    size_t training, evaluation = 0;
    vgg_status status = vgg_plan_memory(trainer->network, &options, &training, error);
    options.mode = VGG_MODE_EVAL;
    if (status == VGG_OK && trainer->validation != NULL)
        status = vgg_plan_memory(trainer->network, &options, &evaluation, error);
    if (status != VGG_OK)
        return status;
    *bytes = training + evaluation + sizeof(float) * vgg_network_parameters(trainer->network) +
             vgg_optimiser_bytes(row) * trained_parameters(trainer->network) +
             vgg_part_sums_bytes(trainer->options.parts, trainer->plan->gradient_count);
    if (trainer->loader != NULL) {
        vgg_loader_options loader;
        vgg_loader_options_init(&loader, sizeof loader);
        size_t input = trainer->input * sizeof(float);
        size_t batches = loader.ahead + 1 + (trainer->mixed != NULL);
        *bytes += batches * trainer->options.batch * input;
    }
    return VGG_OK;
}

/* ---- the run ---- */

/* The caller's, or that of the folder, which nobody else may have in hand. */
static vgg_status obtain_run(vgg_trainer *trainer, vgg_error *error) {
    if (trainer->run != NULL || trainer->folder == NULL)
        return VGG_OK;
    vgg_status status = VGG_OK;
    if (trainer->options.run == NULL)
        status = vgg_run_open(trainer->folder, NULL, &trainer->own_run, error);
    if (status == VGG_OK)
        trainer->run = trainer->options.run != NULL ? trainer->options.run : trainer->own_run;
    return status;
}

/* How much of the log a resumed run keeps: the lines that its checkpoint knows. */
static uint64_t logged_bytes(const vgg_run *run) {
    const char *noted = vgg_notes_find(&run->record, "log");
    return noted == NULL ? UINT64_MAX : strtoull(noted, NULL, 10);
}

/* Steps that are trained again are logged again: what the run's checkpoint does not know goes. */
static vgg_status begin_run(vgg_trainer *trainer, vgg_error *error) {
    vgg_status status = obtain_run(trainer, error);
    if (status != VGG_OK || trainer->run == NULL)
        return status;
    status = vgg_trainer_check_places(trainer, error);
    if (status == VGG_OK && !trainer->resumed && !trainer->moved)
        status = vgg_checkpoint_begin(trainer, error);
    uint64_t keep = trainer->moved ? UINT64_MAX : logged_bytes(trainer->run);
    if (status == VGG_OK)
        status = vgg_event_log_open(trainer->run->folder, keep, &trainer->log, error);
    if (status == VGG_OK)
        status = vgg_results_open(trainer->run->folder, trainer->progress.epoch, trainer->several,
                                  &trainer->results, error);
    if (status == VGG_OK && (trainer->options.tensorboard || trainer->options.histograms))
        status = vgg_board_open(trainer, &trainer->board, error);
    if (status == VGG_OK && trainer->resumed)
        status = vgg_checkpoint_continue(trainer, error);
    if (status == VGG_OK && trainer->moved)
        status = vgg_checkpoint_save(trainer, trainer->run, false, false, error);
    trainer->moved = trainer->moved && status != VGG_OK;
    return status;
}

/* The first weights of a run, once: those of the last layer have its scale in them, and what is
 * kept beside the weights starts with them. */
static vgg_status begin_weights(vgg_trainer *trainer, vgg_error *error) {
    vgg_status status = trainer->loaded ? VGG_OK : vgg_optimiser_settle(trainer->optimiser, error);
    if (trainer->loaded || status != VGG_OK)
        return status;
    trainer->loaded = true;
    vgg_network *network = trainer->network;
    size_t last = 0;
    for (size_t l = 0; l < network->layer_count; l++) {
        last = network->layers[l].tensors > 0 ? l : last;
    }
    const vgg_layer *head = &network->layers[last];
    for (size_t t = head->first_tensor; t < head->first_tensor + head->tensors; t++) {
        float *values = network->tensors[t].owned;
        for (size_t i = 0; values != NULL && i < network->tensors[t].info.count; i++) {
            values[i] *= (float)trainer->optimising.logit_scale;
        }
    }
    network->version++;
    vgg_optimiser_begin(trainer->optimiser);
    return VGG_OK;
}

vgg_status vgg_trainer_begin(vgg_trainer *trainer, vgg_error *error) {
    if (trainer->begun)
        return VGG_OK;
    vgg_train_event event = {.type = VGG_EVENT_PLAN,
                             .feature_bytes = trainer->features.file.bytes,
                             .skipped_steps = vgg_optimiser_skipped(trainer->optimiser)};
    vgg_status status = count_memory(trainer, &event.memory, error);
    if (status == VGG_OK)
        status = begin_weights(trainer, error);
    if (status == VGG_OK)
        status = begin_run(trainer, error);
    if (status != VGG_OK)
        return status;
    trainer->begun = true;
    status = vgg_trainer_tell(trainer, &event, error);
    trainer->started = trainer->saved_at = vgg_clock_seconds();
    double batches = trainer->loader == NULL ? 0 : (double)vgg_loader_batch_count(trainer->loader);
    trainer->fraction_before =
        vgg_trainer_done(trainer, batches > 0 ? (double)trainer->progress.step / batches : 0);
    return status;
}

/* ---- saving ---- */

static vgg_status folder_of(const vgg_trainer *trainer, const char *given, const char **folder,
                            vgg_error *error) {
    *folder = given != NULL ? given : trainer->folder;
    if (*folder == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "no folder is given for the checkpoint");
    return VGG_OK;
}

/* Whether it is the trainer's folder, however it is spelled. */
static bool is_own(const vgg_trainer *trainer, const char *folder) {
    struct stat own, other;
    if (trainer->folder == NULL || strcmp(folder, trainer->folder) == 0)
        return trainer->folder != NULL;
    return stat(trainer->folder, &own) == 0 && stat(folder, &other) == 0 &&
           own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

static vgg_status save_own(vgg_trainer *trainer, vgg_error *error) {
    vgg_status status = vgg_trainer_begin(trainer, error);
    if (trainer->begun && (status == VGG_OK || status == VGG_ERROR_STOPPED))
        status = vgg_checkpoint_save(trainer, trainer->run, false, false, error);
    trainer->unsaved = trainer->unsaved && status != VGG_OK;
    trainer->saved_at = vgg_clock_seconds();
    return status;
}

vgg_status vgg_trainer_save(vgg_trainer *trainer, const char *given, vgg_error *error) {
    const char *folder;
    vgg_status status = folder_of(trainer, given, &folder, error);
    if (status != VGG_OK || is_own(trainer, folder))
        return status == VGG_OK ? save_own(trainer, error) : status;
    vgg_run *run = NULL;
    status = vgg_run_open(folder, NULL, &run, error);
    if (status == VGG_OK)
        status = begin_weights(trainer, error);
    if (status == VGG_OK)
        status = vgg_checkpoint_save(trainer, run, false, false, error);
    vgg_run_close(run);
    return status;
}

static vgg_status resume_own(vgg_trainer *trainer, vgg_error *error) {
    vgg_status status = obtain_run(trainer, error);
    if (status == VGG_OK)
        status = vgg_checkpoint_resume(trainer, trainer->run, error);
    trainer->resumed = status == VGG_OK;
    trainer->unsaved = trainer->unsaved && (status != VGG_OK || trainer->progress.updates == 0);
    return status;
}

vgg_status vgg_trainer_resume(vgg_trainer *trainer, const char *given, vgg_error *error) {
    const char *folder;
    vgg_status status = folder_of(trainer, given, &folder, error);
    if (status == VGG_OK && trainer->begun)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "the training has begun already; a run is resumed before its first step");
    if (status != VGG_OK || is_own(trainer, folder))
        return status == VGG_OK ? resume_own(trainer, error) : status;
    vgg_run *run = NULL;
    status = vgg_run_open(folder, NULL, &run, error);
    if (status == VGG_OK)
        status = vgg_checkpoint_resume(trainer, run, error);
    vgg_run_close(run);
    trainer->moved = status == VGG_OK && trainer->folder != NULL;
    return status;
}

vgg_status vgg_trainer_result(const vgg_trainer *trainer, vgg_train_result *result,
                              vgg_error *error) {
    const vgg_train_result own = {.struct_size = sizeof own,
                                  .epochs = trainer->progress.epoch,
                                  .skipped = trainer->skipped,
                                  .best_top1 = trainer->progress.best_top1,
                                  .best_epoch = trainer->progress.best_epoch,
                                  .seconds = vgg_clock_seconds() - trainer->created};
    return vgg_result_write(result, &own, sizeof own, "vgg_train_result", error);
}
