/* Saving a training.
 *
 * A checkpoint is a file for the model, one for each copy that the optimiser keeps (the first in
 * state.safetensors, a further one in state-<name>.safetensors), and the run's record, which has
 * the progress and the sums of these files. It is one change of the run (run.h). */
#include <stdio.h>

#include "base/error.h"
#include "base/memory.h"
#include "nn/network.h"
#include "train/checkpoint.h"

bool vgg_checkpoint_copy_name(const vgg_optimiser_row *row, size_t number,
                              char name[VGG_CHECKPOINT_NAME]) {
    if (number >= VGG_COPIES_MAX || row->copies[number] == NULL)
        return false;
    if (number == 0)
        snprintf(name, VGG_CHECKPOINT_NAME, "%s", VGG_RUN_STATE);
    else
        snprintf(name, VGG_CHECKPOINT_NAME, "state-%s.safetensors", row->copies[number]);
    return true;
}

/* A network with the values of a copy, which stay where they are; zeros for frozen layers. */
static vgg_status borrow_copy(const vgg_network *copy, vgg_network **out, vgg_error *error) {
    vgg_status status = vgg_network_create(vgg_network_describe(copy), out, error);
    for (size_t i = 0; status == VGG_OK && i < copy->tensor_count; i++) {
        const vgg_tensor *tensor = &copy->tensors[i];
        if (tensor->values != NULL)
            vgg_network_borrow(*out, i, tensor->values);
        else if (vgg_network_own(*out, i) == NULL)
            status = vgg_fail_memory(error, tensor->info.name, tensor->info.count * sizeof(float));
    }
    if (status != VGG_OK) {
        vgg_network_free(*out);
        *out = NULL;
    }
    return status;
}

static vgg_status write_copy(const vgg_trainer *trainer, vgg_run *run, size_t number,
                             const char *name, vgg_error *error) {
    vgg_network *network = NULL;
    vgg_model *model;
    vgg_status status = borrow_copy(trainer->optimiser->copies[number], &network, error);
    if (status != VGG_OK)
        return status;
    status = vgg_model_create(network, NULL, NULL, &model, error);
    if (status != VGG_OK) {
        vgg_network_free(network);
        return status;
    }
    /* It holds no weights, though it looks as if it did. */
    status =
        vgg_model_set_note(model, "state.copy", trainer->optimiser->row->copies[number], error);
    if (status == VGG_OK)
        status = vgg_run_write(run, model, name, error);
    vgg_model_free(model);
    return status;
}

static vgg_status write_files(const vgg_trainer *trainer, vgg_run *run, vgg_error *error) {
    char name[VGG_CHECKPOINT_NAME];
    vgg_status status = vgg_checkpoint_describe_model(trainer, error);
    for (size_t i = 0;
         status == VGG_OK && vgg_checkpoint_copy_name(trainer->optimiser->row, i, name); i++) {
        status = write_copy(trainer, run, i, name, error);
    }
    return status == VGG_OK ? vgg_run_write(run, trainer->model, VGG_RUN_LAST, error) : status;
}

/* The model, which is saved as the last one, as it was evaluated: with the average of the weights,
 * where there is one. */
static vgg_status make_best(const vgg_trainer *trainer, vgg_run *run, vgg_error *error) {
    bool average = trainer->optimiser->average != VGG_NO_COPY;
    if (!average && vgg_run_link_best(run, error))
        return VGG_OK;
    vgg_status status = vgg_averages_swap(trainer->optimiser, error);
    if (status != VGG_OK)
        return status;
    status = vgg_run_write(run, trainer->model, VGG_RUN_BEST, error);
    vgg_averages_swap(trainer->optimiser, NULL);
    return status;
}

/* The rest of the record: how far the training and its log have come. */
static vgg_status describe(const vgg_trainer *trainer, vgg_run *run, vgg_error *error) {
    vgg_status status = vgg_checkpoint_describe(trainer, &run->next, error);
    if (status != VGG_OK || run != trainer->run)
        return status;
    if (trainer->log != NULL)
        status = vgg_event_log_sync(trainer->log, error);
    if (status == VGG_OK && trainer->log != NULL)
        status =
            vgg_run_record_set_count(&run->next, "log", vgg_event_log_bytes(trainer->log), error);
    return status;
}

static vgg_status commit(vgg_run *run, vgg_status status, bool hold, vgg_error *error) {
    if (status == VGG_OK)
        return vgg_run_commit(run, hold, error);
    vgg_run_abandon(run);
    return status;
}

vgg_run_look vgg_checkpoint_look(const vgg_trainer *trainer) {
    return (vgg_run_look){.contents = trainer->options.check_data,
                          .progress = vgg_trainer_checked,
                          .user = (void *)(uintptr_t)trainer};
}

static vgg_status note_data(const vgg_trainer *trainer, vgg_run *run, vgg_error *error) {
    if (trainer->train == NULL)
        return VGG_OK;
    const vgg_run_look look = vgg_checkpoint_look(trainer);
    return vgg_run_note_data(run, trainer->train, trainer->validation, &look, error);
}

/* What vgg_run_model makes again. */
static vgg_status note_model(const vgg_trainer *trainer, vgg_run *run, vgg_error *error) {
    char *text = NULL;
    vgg_status status = vgg_model_describe(trainer->model, &text, error);
    if (status == VGG_OK)
        status = vgg_run_record_set(&run->next, "model", text, error);
    vgg_string_free(text);
    return status;
}

vgg_status vgg_checkpoint_begin(const vgg_trainer *trainer, vgg_error *error) {
    vgg_run *run = trainer->run;
    vgg_status status = vgg_run_change(run, true, error);
    if (status == VGG_OK)
        status = describe(trainer, run, error);
    if (status == VGG_OK)
        status = vgg_run_record_set_count(&run->next, "log", 0, error);
    if (status == VGG_OK)
        status = note_model(trainer, run, error);
    if (status == VGG_OK)
        status = note_data(trainer, run, error);
    if (status == VGG_OK && trainer->options.save_start)
        status = write_files(trainer, run, error);
    return commit(run, status, false, error);
}

/* Lists the files of a version without a record, whose sums are made now. */
static vgg_status adopt_files(const vgg_trainer *trainer, vgg_run *run, vgg_error *error) {
    char name[VGG_CHECKPOINT_NAME];
    vgg_status status = vgg_run_adopt(run, VGG_RUN_LAST, error);
    for (size_t i = 0;
         status == VGG_OK && vgg_checkpoint_copy_name(trainer->optimiser->row, i, name); i++) {
        status = vgg_run_adopt(run, name, error);
    }
    if (status == VGG_OK && trainer->progress.best_epoch > 0) {
        status = vgg_run_adopt(run, VGG_RUN_BEST, error);
        status = status == VGG_ERROR_NOT_FOUND ? VGG_OK : status;
    }
    return status;
}

vgg_status vgg_checkpoint_continue(const vgg_trainer *trainer, vgg_error *error) {
    vgg_run *run = trainer->run;
    bool earlier = run->earlier;
    if (!earlier && !trainer->data_changed)
        return VGG_OK;
    vgg_status status = vgg_run_change(run, false, error);
    if (status == VGG_OK && earlier)
        status = adopt_files(trainer, run, error);
    if (status == VGG_OK && earlier)
        status = describe(trainer, run, error);
    if (status == VGG_OK)
        status = note_data(trainer, run, error);
    return commit(run, status, false, error);
}

/* A checkpoint in another folder than the run's has no best model and no log. */
static vgg_status begin_elsewhere(const vgg_trainer *trainer, vgg_run *run, vgg_error *error) {
    vgg_status status = vgg_run_change(run, true, error);
    return status == VGG_OK ? note_data(trainer, run, error) : status;
}

vgg_status vgg_checkpoint_save(const vgg_trainer *trainer, vgg_run *run, bool best, bool hold,
                               vgg_error *error) {
    bool elsewhere = run != trainer->run || trainer->moved;
    vgg_status status =
        elsewhere ? begin_elsewhere(trainer, run, error) : vgg_run_change(run, false, error);
    if (status == VGG_OK)
        status = vgg_optimiser_settle(trainer->optimiser, error);
    if (status == VGG_OK)
        status = write_files(trainer, run, error);
    if (status == VGG_OK && best)
        status = make_best(trainer, run, error);
    if (status == VGG_OK)
        status = describe(trainer, run, error);
    return commit(run, status, hold, error);
}

vgg_status vgg_checkpoint_end_epoch(const vgg_trainer *trainer, bool best, vgg_error *error) {
    vgg_run *run = trainer->run;
    vgg_status status = vgg_run_change(run, false, error);
    if (status == VGG_OK && best)
        status = make_best(trainer, run, error);
    if (status == VGG_OK)
        status = describe(trainer, run, error);
    return commit(run, status, false, error);
}
