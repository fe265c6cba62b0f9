/* Continuing a training that was saved. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/device_find.h"
#include "nn/network.h"
#include "train/checkpoint.h"

/* Values however they are stored: a model of a run may have been converted since. */
static vgg_status copy_values(const vgg_network *from, vgg_network *to, vgg_error *error) {
    if (from->tensor_count != to->tensor_count)
        return vgg_fail(error, VGG_ERROR_SHAPE, "has %zu tensors, expected %zu", from->tensor_count,
                        to->tensor_count);
    for (size_t i = 0; i < to->tensor_count; i++) {
        const vgg_tensor_info *info = &to->tensors[i].info;
        if (to->tensors[i].values == NULL)
            continue; /* of a frozen layer */
        float *values = vgg_network_own(to, i);
        if (values == NULL)
            return vgg_fail_memory(error, info->name, info->count * sizeof *values);
        vgg_status status = vgg_network_copy_values(from, i, values, info->count, error);
        if (status != VGG_OK)
            return status;
    }
    to->version++;
    return VGG_OK;
}

/* Opens a model of the run. *same: it is the checkpoint's file, as far as its record says. */
static vgg_status open_model(const vgg_run *run, const char *name, vgg_model **model, bool *same,
                             vgg_error *error) {
    *model = NULL;
    *same = true;
    vgg_status status = run->record.count > 0 ? vgg_run_check_file(run, name, same, error) : VGG_OK;
    vgg_run_name path;
    if (status == VGG_OK)
        status = vgg_model_load(vgg_run_path(run, name, path), NULL, model, error);
    return status;
}

/* ---- the copies of the optimiser ---- */

/* Takes over copy `number`. In a version without a record its notes have the progress. */
static vgg_status load_copy(vgg_trainer *trainer, const vgg_run *run, size_t number,
                            const char *name, vgg_progress *progress, vgg_error *error) {
    vgg_model *model;
    bool same;
    vgg_status status = open_model(run, name, &model, &same, error);
    if (status != VGG_OK)
        return status;
    if (!same)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "is not the file that the checkpoint wrote");
    else if (run->record.count == 0)
        status = vgg_checkpoint_read_earlier(trainer, model, progress, error);
    if (status == VGG_OK)
        status = copy_values(vgg_model_network(model), trainer->optimiser->copies[number], error);
    vgg_model_free(model);
    if (status != VGG_OK)
        vgg_error_prefix(error, "%s/%s", run->folder, name);
    return status;
}

static vgg_status fail_mixed(const vgg_run *run, const char *one, uint64_t one_step,
                             const char *other, uint64_t other_step, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s/%s is of step %" PRIu64 " and %s/%s of step %" PRIu64
                    ": they are not of the same checkpoint",
                    run->folder, one, one_step, run->folder, other, other_step);
}

static vgg_status load_copies(vgg_trainer *trainer, const vgg_run *run, vgg_progress *progress,
                              vgg_error *error) {
    char name[VGG_CHECKPOINT_NAME];
    vgg_status status = VGG_OK;
    for (size_t i = 0;
         status == VGG_OK && vgg_checkpoint_copy_name(trainer->optimiser->row, i, name); i++) {
        vgg_progress own = *progress;
        status = load_copy(trainer, run, i, name, &own, error);
        if (status == VGG_OK && i > 0 && own.updates != progress->updates)
            status = fail_mixed(run, VGG_RUN_STATE, progress->updates, name, own.updates, error);
        *progress = i == 0 ? own : *progress;
    }
    return status;
}

/* ---- the weights ---- */

/* Takes over the weights, which must have seen the steps that the state counts. */
static vgg_status load_weights(vgg_trainer *trainer, vgg_run *run, const vgg_progress *progress,
                               vgg_error *error) {
    uint64_t updates = 0;
    vgg_model *model;
    bool same;
    vgg_status status = open_model(run, VGG_RUN_LAST, &model, &same, error);
    if (status != VGG_OK)
        return status;
    status = vgg_checkpoint_read_model(model, &updates, error);
    if (status == VGG_OK && updates != progress->updates)
        status = fail_mixed(run, VGG_RUN_STATE, progress->updates, VGG_RUN_LAST, updates, error);
    else if (status == VGG_OK)
        status = copy_values(vgg_model_network(model), trainer->network, error);
    vgg_model_free(model);
    if (status != VGG_OK)
        vgg_error_prefix(error, "%s/" VGG_RUN_LAST, run->folder);
    run->replaced = !same;
    if (status == VGG_OK && !same)
        vgg_warn(trainer->options.warn, trainer->options.warn_user,
                 "%s/" VGG_RUN_LAST
                 ": is not the file that the checkpoint wrote; the training goes "
                 "on from what it holds",
                 run->folder);
    return status;
}

/* ---- what changed ---- */

static const char *noted(const vgg_run *run, const char *key, const char *otherwise) {
    const char *value = vgg_notes_find(&run->record, key);
    return value != NULL ? value : otherwise;
}

/* A device as a sentence has it. */
static const char *device_text(const char *name) {
    return strcmp(name, vgg_device_name(VGG_DEVICE_CPU)) == 0 ? "the processor" : "a GPU";
}

/* Says what may change the last bits from here on. */
static void warn_of_changes(const vgg_trainer *trainer, const vgg_run *run) {
    const vgg_train_options *options = &trainer->options;
    const char *version = noted(run, "made.version", NULL), *tier = noted(run, "made.tier", NULL);
    if (run->record.count == 0)
        vgg_warn(options->warn, options->warn_user,
                 "%s: was written by a version that noted neither its data nor sums of its files; "
                 "whether they changed is not known",
                 run->folder);
    if (version != NULL && strcmp(version, vgg_version()) != 0)
        vgg_warn(options->warn, options->warn_user,
                 "%s: was saved by version %s and goes on with version %s, which may round "
                 "otherwise",
                 run->folder, version, vgg_version());
    if (tier != NULL && strcmp(vgg_tier_rounding(tier, options->precision),
                               vgg_tier_rounding(vgg_cpu_tier(), options->precision)) != 0)
        vgg_warn(options->warn, options->warn_user,
                 "%s: was computed with the instructions of %s and goes on with those of %s, which "
                 "round otherwise",
                 run->folder, tier, vgg_cpu_tier());
    const char *precision = noted(run, "made.precision", vgg_precision_name(VGG_PRECISION_F32));
    if (strcmp(precision, vgg_precision_name(options->precision)) != 0)
        vgg_warn(options->warn, options->warn_user,
                 "%s: was computed in %s and goes on in %s, which rounds otherwise", run->folder,
                 precision, vgg_precision_name(options->precision));
    const char *device = noted(run, "made.device", vgg_device_name(VGG_DEVICE_CPU));
    if (strcmp(device, vgg_device_name(options->device)) != 0)
        vgg_warn(options->warn, options->warn_user,
                 "%s: was computed on %s and goes on with %s, which rounds otherwise", run->folder,
                 device_text(device), device_text(vgg_device_name(options->device)));
}

static vgg_status check_data(vgg_trainer *trainer, vgg_run *run, vgg_error *error) {
    const vgg_train_options *options = &trainer->options;
    char *changes = NULL;
    if (trainer->train == NULL)
        return VGG_OK;
    const vgg_run_look look = vgg_checkpoint_look(trainer);
    vgg_status status =
        vgg_run_compare_data(run, trainer->train, trainer->validation, &look, &changes, error);
    trainer->data_changed = changes != NULL;
    if (changes != NULL && !options->allow_changed_data)
        status =
            vgg_fail(error, VGG_ERROR_CHANGED, "the data is not what the run in %s began with: %s",
                     run->folder, changes);
    else if (changes != NULL)
        vgg_warn(options->warn, options->warn_user,
                 "the data is not what the run in %s began with: %s", run->folder, changes);
    vgg_string_free(changes);
    if (status == VGG_OK && options->check_data && !vgg_run_knows_contents(run)) {
        vgg_warn(options->warn, options->warn_user,
                 "%s: has no sums over the pictures' bytes, which are noted from here on",
                 run->folder);
        trainer->data_changed = true;
    }
    return status;
}

vgg_status vgg_checkpoint_resume(vgg_trainer *trainer, vgg_run *run, vgg_error *error) {
    vgg_progress progress = {0};
    bool recorded = run->record.count > 0;
    vgg_status status = vgg_run_check(run, error);
    if (status == VGG_OK && recorded) {
        status = vgg_checkpoint_read(trainer, &run->record, &progress, error);
        if (status != VGG_OK)
            vgg_error_prefix(error, "%s", run->record_path);
    }
    if (status == VGG_OK)
        status = check_data(trainer, run, error);
    if (status == VGG_OK && (!recorded || vgg_run_holds(run) == VGG_RUN_SAVED))
        status = load_copies(trainer, run, &progress, error);
    if (status == VGG_OK && progress.seed != trainer->options.seed)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "%s was made with seed %" PRIu64 ", and %" PRIu64 " is given",
                          run->folder, progress.seed, trainer->options.seed);
    if (status == VGG_OK && (!recorded || vgg_run_holds(run) == VGG_RUN_SAVED))
        status = load_weights(trainer, run, &progress, error);
    if (status != VGG_OK)
        return status;
    warn_of_changes(trainer, run);
    trainer->progress = progress;
    trainer->loaded = trainer->loaded || !recorded || vgg_run_holds(run) == VGG_RUN_SAVED;
    return VGG_OK;
}
