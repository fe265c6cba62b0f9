/* The notes of a checkpoint: how far the training has come, what is frozen, and what the rows in
 * use remember beside tensors. They stand in the run's record; versions before it had them in
 * state.safetensors. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "train/checkpoint.h"

/* ---- numbers in notes ---- */

static vgg_status note_count(vgg_model *model, const char *key, uint64_t value, vgg_error *error) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return vgg_model_set_note(model, key, text, error);
}

/* As a hexadecimal fraction, so that the very same number is read back. */
static vgg_status set_real(vgg_notes *notes, const char *key, double value, vgg_error *error) {
    char text[64];
    snprintf(text, sizeof text, "%a", value);
    return vgg_run_record_set(notes, key, text, error);
}

static vgg_status fail_note(const char *key, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT, "the note \"%s\" is missing or is no number", key);
}

static vgg_status read_count(const vgg_notes *notes, const char *key, uint64_t *value,
                             vgg_error *error) {
    const char *text = vgg_notes_find(notes, key);
    char *end;
    if (text == NULL || *text == '\0')
        return fail_note(key, error);
    *value = strtoull(text, &end, 10);
    return *end == '\0' ? VGG_OK : fail_note(key, error);
}

static vgg_status read_real(const vgg_notes *notes, const char *key, double *value,
                            vgg_error *error) {
    const char *text = vgg_notes_find(notes, key);
    char *end;
    if (text == NULL || *text == '\0')
        return fail_note(key, error);
    *value = strtod(text, &end);
    return *end == '\0' ? VGG_OK : fail_note(key, error);
}

/* ---- writing ---- */

/* Which layers that have tensors are frozen, as a digit for each; freed by the caller. */
static char *frozen_text(const vgg_network *network) {
    char *text = vgg_calloc(network->layer_count + 1, 1);
    for (size_t l = 0, at = 0; text != NULL && l < network->layer_count; l++) {
        if (network->layers[l].tensors > 0)
            text[at++] = network->layers[l].frozen ? '1' : '0';
    }
    return text;
}

static vgg_status note_frozen(const vgg_network *network, vgg_notes *notes, vgg_error *error) {
    char *text = frozen_text(network);
    if (text == NULL)
        return vgg_fail_memory(error, "the note \"state.frozen\"", network->layer_count);
    vgg_status status = vgg_run_record_set(notes, "state.frozen", text, error);
    vgg_free(text);
    return status;
}

static vgg_status describe_progress(vgg_notes *notes, const vgg_progress *progress,
                                    vgg_error *error) {
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {
        {"state.seed", progress->seed},       {"state.epoch", progress->epoch},
        {"state.step", progress->step},       {"state.ended", progress->ended},
        {"state.updates", progress->updates}, {"state.images", progress->images},
        {"state.hits", progress->hits},       {"state.best_epoch", progress->best_epoch},
    };
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < sizeof counts / sizeof *counts; i++) {
        status = vgg_run_record_set_count(notes, counts[i].key, counts[i].value, error);
    }
    if (status == VGG_OK)
        status = set_real(notes, "state.loss", progress->loss, error);
    if (status == VGG_OK)
        status = set_real(notes, "state.best_top1", progress->best_top1, error);
    if (status == VGG_OK)
        status = set_real(notes, "state.best_loss", progress->best_loss, error);
    if (status == VGG_OK)
        status = set_real(notes, "state.highest_top1", progress->highest_top1, error);
    return status;
}

/* The key of a number that the schedule remembers. */
static void schedule_key(const char *name, char key[VGG_CHECKPOINT_NAME]) {
    snprintf(key, VGG_CHECKPOINT_NAME, "state.schedule.%s", name);
}

static vgg_status describe_loss_scale(vgg_notes *notes, const vgg_loss_scale *scale,
                                      vgg_error *error) {
    if (!scale->moves)
        return VGG_OK;
    vgg_status status = set_real(notes, "state.loss_scale", (double)scale->factor, error);
    if (status == VGG_OK)
        status = vgg_run_record_set_count(notes, "state.loss_scale_good", scale->good, error);
    if (status == VGG_OK)
        status = vgg_run_record_set_count(notes, "state.skipped_steps", scale->skipped, error);
    return status;
}

/* What the rows in use remember beside tensors. The optimiser is named where it is not the first of
 * the table. */
static vgg_status describe_rows(vgg_notes *notes, const vgg_trainer *trainer, vgg_error *error) {
    const vgg_scheduler *scheduler = &trainer->scheduler;
    const char *optimiser = trainer->optimiser->row->name;
    vgg_status status = VGG_OK;
    if (strcmp(optimiser, vgg_optimiser_name(VGG_OPTIMISER_SGD)) != 0)
        status = vgg_run_record_set(notes, "state.optimiser", optimiser, error);
    for (size_t i = 0; i < VGG_SCHEDULE_STATE_MAX && scheduler->row->state[i] != NULL; i++) {
        char key[VGG_CHECKPOINT_NAME];
        schedule_key(scheduler->row->state[i], key);
        if (status == VGG_OK)
            status = set_real(notes, key, scheduler->state[i], error);
    }
    return status;
}

vgg_status vgg_checkpoint_describe(const vgg_trainer *trainer, vgg_notes *notes, vgg_error *error) {
    vgg_status status = describe_progress(notes, &trainer->progress, error);
    if (status == VGG_OK)
        status = describe_rows(notes, trainer, error);
    if (status == VGG_OK)
        status = describe_loss_scale(notes, &trainer->plan->loss_scale, error);
    if (status == VGG_OK)
        status = note_frozen(trainer->network, notes, error);
    if (status == VGG_OK)
        status = vgg_run_record_set(notes, "made.version", vgg_version(), error);
    if (status == VGG_OK)
        status = vgg_run_record_set(notes, "made.tier", vgg_cpu_tier(), error);
    if (status == VGG_OK)
        status = vgg_run_record_set(notes, "made.precision",
                                    vgg_precision_name(trainer->options.precision), error);
    if (status == VGG_OK)
        status = vgg_run_record_set(notes, "made.device", vgg_device_name(trainer->options.device),
                                    error);
    return status;
}

vgg_status vgg_checkpoint_describe_model(const vgg_trainer *trainer, vgg_error *error) {
    vgg_model *model = trainer->model;
    size_t epochs = trainer->progress.epoch + (trainer->progress.ended ? 1 : 0);
    vgg_status status = note_count(model, "training.seed", trainer->progress.seed, error);
    if (status == VGG_OK)
        status = note_count(model, "training.epochs", epochs, error);
    if (status == VGG_OK)
        status = note_count(model, "training.steps", trainer->progress.updates, error);
    return status;
}

/* ---- reading ---- */

static vgg_status read_progress(const vgg_notes *notes, vgg_progress *progress, vgg_error *error) {
    uint64_t epoch, step, images, hits, best_epoch;
    const char *ended = vgg_notes_find(notes, "state.ended");
    const struct {
        const char *key;
        uint64_t *value;
    } counts[] = {
        {"state.seed", &progress->seed},       {"state.epoch", &epoch},   {"state.step", &step},
        {"state.updates", &progress->updates}, {"state.images", &images}, {"state.hits", &hits},
        {"state.best_epoch", &best_epoch},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        vgg_status status = read_count(notes, counts[i].key, counts[i].value, error);
        if (status != VGG_OK)
            return status;
    }
    progress->epoch = epoch;
    progress->step = step;
    progress->images = images;
    progress->hits = hits;
    progress->best_epoch = best_epoch;
    progress->ended = ended != NULL && strcmp(ended, "1") == 0;
    vgg_status status = read_real(notes, "state.loss", &progress->loss, error);
    if (status == VGG_OK)
        status = read_real(notes, "state.best_top1", &progress->best_top1, error);
    /* Versions that do not note the loss keep the earlier of two alike. */
    progress->best_loss = -INFINITY;
    if (status == VGG_OK && vgg_notes_find(notes, "state.best_loss") != NULL)
        status = read_real(notes, "state.best_loss", &progress->best_loss, error);
    /* Nor the highest accuracy, if it is not the best epoch's. */
    progress->highest_top1 = progress->best_top1;
    if (status == VGG_OK && vgg_notes_find(notes, "state.highest_top1") != NULL)
        status = read_real(notes, "state.highest_top1", &progress->highest_top1, error);
    return status;
}

/* The same layers must be frozen as in the run that is continued. */
static vgg_status check_frozen(const vgg_network *network, const vgg_notes *notes,
                               vgg_error *error) {
    const char *note = vgg_notes_find(notes, "state.frozen");
    char *text = frozen_text(network);
    if (text == NULL)
        return vgg_fail_memory(error, "the note \"state.frozen\"", network->layer_count);
    vgg_status status = VGG_OK;
    if (note != NULL && strlen(note) != strlen(text))
        status = vgg_fail(error, VGG_ERROR_SHAPE,
                          "is of another network, with weights in %zu layers, expected %zu",
                          strlen(note), strlen(text));
    else if (note == NULL || strcmp(note, text) != 0)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "the run froze the layers marked in %s, expected %s",
                          note == NULL ? "(no note)" : note, text);
    vgg_free(text);
    return status;
}

static vgg_status read_rows(const vgg_notes *notes, vgg_trainer *trainer, vgg_error *error) {
    vgg_scheduler *scheduler = &trainer->scheduler;
    const char *expected = trainer->optimiser->row->name;
    const char *found = vgg_notes_find(notes, "state.optimiser");
    if (found == NULL)
        found = vgg_optimiser_name(VGG_OPTIMISER_SGD);
    if (strcmp(found, expected) != 0)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "is the state of %s, expected %s", found,
                        expected);
    vgg_status status = VGG_OK;
    for (size_t i = 0; i < VGG_SCHEDULE_STATE_MAX && scheduler->row->state[i] != NULL; i++) {
        char key[VGG_CHECKPOINT_NAME];
        schedule_key(scheduler->row->state[i], key);
        /* Another schedule than before begins here. */
        if (status == VGG_OK && vgg_notes_find(notes, key) != NULL)
            status = read_real(notes, key, &scheduler->state[i], error);
    }
    return status;
}

/* One that was saved without it begins with its own. */
static vgg_status read_loss_scale(const vgg_notes *notes, vgg_loss_scale *scale, vgg_error *error) {
    double factor = 0;
    if (!scale->moves || vgg_notes_find(notes, "state.loss_scale") == NULL)
        return VGG_OK;
    vgg_status status = read_real(notes, "state.loss_scale", &factor, error);
    if (status == VGG_OK && !(factor >= 1 && factor <= FLT_MAX))
        status = fail_note("state.loss_scale", error);
    if (status == VGG_OK)
        status = read_count(notes, "state.loss_scale_good", &scale->good, error);
    if (status == VGG_OK)
        status = read_count(notes, "state.skipped_steps", &scale->skipped, error);
    if (status == VGG_OK)
        scale->factor = (float)factor;
    return status;
}

vgg_status vgg_checkpoint_read(vgg_trainer *trainer, const vgg_notes *notes, vgg_progress *progress,
                               vgg_error *error) {
    vgg_status status = read_progress(notes, progress, error);
    if (status == VGG_OK)
        status = read_rows(notes, trainer, error);
    if (status == VGG_OK)
        status = read_loss_scale(notes, &trainer->plan->loss_scale, error);
    return status == VGG_OK ? check_frozen(trainer->network, notes, error) : status;
}

/* ---- what versions without a record have in their models ---- */

static vgg_status copy_note(const vgg_model *model, const char *key, vgg_notes *notes,
                            vgg_error *error) {
    const char *value = vgg_model_note(model, key);
    return value == NULL ? VGG_OK : vgg_run_record_set(notes, key, value, error);
}

vgg_status vgg_checkpoint_read_earlier(vgg_trainer *trainer, const vgg_model *state,
                                       vgg_progress *progress, vgg_error *error) {
    static const char *const keys[] = {"state.seed",       "state.epoch",  "state.step",
                                       "state.updates",    "state.images", "state.hits",
                                       "state.best_epoch", "state.loss",   "state.best_top1",
                                       "state.optimiser",  "state.frozen"};
    const char *const *names = trainer->scheduler.row->state;
    vgg_notes notes = {0};
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < sizeof keys / sizeof *keys; i++) {
        status = copy_note(state, keys[i], &notes, error);
    }
    for (size_t i = 0; i < VGG_SCHEDULE_STATE_MAX && names[i] != NULL && status == VGG_OK; i++) {
        char key[VGG_CHECKPOINT_NAME];
        schedule_key(names[i], key);
        status = copy_note(state, key, &notes, error);
    }
    if (status == VGG_OK)
        status = vgg_checkpoint_read(trainer, &notes, progress, error);
    vgg_notes_free(&notes);
    return status;
}

vgg_status vgg_checkpoint_read_model(const vgg_model *model, uint64_t *updates, vgg_error *error) {
    static const char key[] = "training.steps";
    vgg_notes notes = {0};
    vgg_status status = copy_note(model, key, &notes, error);
    if (status == VGG_OK)
        status = read_count(&notes, key, updates, error);
    vgg_notes_free(&notes);
    return status;
}
