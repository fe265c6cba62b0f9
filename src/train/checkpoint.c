/* Saving a run, and continuing one. The velocities are saved as a model whose notes say how far the
 * run has come. The two files of a checkpoint are written under other names first and then renamed
 * together, so that they belong to the same step. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "nn/network.h"
#include "train/run.h"

/* ---- numbers in notes ---- */

static vgg_status note_count(vgg_model *model, const char *key, uint64_t value, vgg_error *error) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return vgg_model_set_note(model, key, text, error);
}

/* As a hexadecimal fraction, so that the very same number is read back. */
static vgg_status note_real(vgg_model *model, const char *key, double value, vgg_error *error) {
    char text[64];
    snprintf(text, sizeof text, "%a", value);
    return vgg_model_set_note(model, key, text, error);
}

static vgg_status fail_note(const char *key, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT, "the note \"%s\" is missing or is no number", key);
}

static vgg_status read_count(const vgg_model *model, const char *key, uint64_t *value,
                             vgg_error *error) {
    const char *text = vgg_model_note(model, key);
    char *end;
    if (text == NULL || *text == '\0')
        return fail_note(key, error);
    *value = strtoull(text, &end, 10);
    return *end == '\0' ? VGG_OK : fail_note(key, error);
}

static vgg_status read_real(const vgg_model *model, const char *key, double *value,
                            vgg_error *error) {
    const char *text = vgg_model_note(model, key);
    char *end;
    if (text == NULL || *text == '\0')
        return fail_note(key, error);
    *value = strtod(text, &end);
    return *end == '\0' ? VGG_OK : fail_note(key, error);
}

/* ---- saving ---- */

/* Which layers that have tensors are frozen, as a digit for each; freed by the caller. */
static char *frozen_text(const vgg_network *network) {
    char *text = calloc(network->layer_count + 1, 1);
    for (size_t l = 0, at = 0; text != NULL && l < network->layer_count; l++) {
        if (network->layers[l].tensors > 0)
            text[at++] = network->layers[l].frozen ? '1' : '0';
    }
    return text;
}

static vgg_status note_frozen(const vgg_network *network, vgg_model *model, vgg_error *error) {
    char *text = frozen_text(network);
    if (text == NULL)
        return vgg_fail_memory(error, "the note \"state.frozen\"", network->layer_count);
    vgg_status status = vgg_model_set_note(model, "state.frozen", text, error);
    free(text);
    return status;
}

/* The same layers must be frozen as in the run that is continued. */
static vgg_status check_frozen(const vgg_network *network, const vgg_model *model,
                               vgg_error *error) {
    const char *note = vgg_model_note(model, "state.frozen");
    char *text = frozen_text(network);
    if (text == NULL)
        return vgg_fail_memory(error, "the note \"state.frozen\"", network->layer_count);
    vgg_status status = VGG_OK;
    if (note == NULL || strcmp(note, text) != 0)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "the run froze the layers marked in %s, expected %s",
                          note == NULL ? "(no note)" : note, text);
    free(text);
    return status;
}

static vgg_status describe_progress(vgg_model *model, const vgg_progress *progress,
                                    vgg_error *error) {
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {
        {"state.seed", progress->seed},
        {"state.epoch", progress->epoch},
        {"state.step", progress->step},
        {"state.updates", progress->updates},
        {"state.images", progress->images},
        {"state.hits", progress->hits},
        {"state.best_epoch", progress->best_epoch},
    };
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < sizeof counts / sizeof *counts; i++) {
        status = note_count(model, counts[i].key, counts[i].value, error);
    }
    if (status == VGG_OK)
        status = note_real(model, "state.loss", progress->loss, error);
    if (status == VGG_OK)
        status = note_real(model, "state.best_top1", progress->best_top1, error);
    return status;
}

/* A network with the velocities' values, which stay where they are; zeros for frozen layers. */
static vgg_status borrow_velocity(const vgg_network *velocity, vgg_network **out,
                                  vgg_error *error) {
    vgg_status status = vgg_network_create(vgg_network_describe(velocity), out, error);
    for (size_t i = 0; status == VGG_OK && i < velocity->tensor_count; i++) {
        const vgg_tensor *tensor = &velocity->tensors[i];
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

static vgg_status save_state(const vgg_run *run, const char *path, vgg_error *error) {
    vgg_network *network = NULL;
    vgg_model *model;
    vgg_status status = borrow_velocity(vgg_optimiser_velocity(run->optimiser), &network, error);
    if (status != VGG_OK)
        return status;
    status = vgg_model_create(network, NULL, NULL, &model, error);
    if (status != VGG_OK) {
        vgg_network_free(network);
        return status;
    }
    status = describe_progress(model, &run->progress, error);
    if (status == VGG_OK)
        status = note_frozen(run->network, model, error);
    if (status == VGG_OK)
        status = vgg_model_save(model, path, error);
    vgg_model_free(model);
    return status;
}

static vgg_status describe_training(const vgg_run *run, vgg_error *error) {
    vgg_model *model = run->model;
    vgg_status status = note_count(model, "training.seed", run->progress.seed, error);
    if (status == VGG_OK)
        status = note_count(model, "training.epochs", run->progress.epoch, error);
    if (status == VGG_OK)
        status = note_count(model, "training.steps", run->progress.updates, error);
    return status;
}

static vgg_status rename_file(const char *from, const char *to, vgg_error *error) {
    if (rename(from, to) == 0)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_IO, "%s: cannot rename to %s: %s", from, to, strerror(errno));
}

/* The names of a checkpoint's files. */
typedef struct checkpoint_names {
    char *best, *last, *new_last, *state, *new_state;
} checkpoint_names;

static void free_names(checkpoint_names *names) {
    free(names->best);
    free(names->last);
    free(names->new_last);
    free(names->state);
    free(names->new_state);
}

static vgg_status make_names(const char *folder, checkpoint_names *names, vgg_error *error) {
    names->best = vgg_path_join(folder, "best.safetensors");
    names->last = vgg_path_join(folder, "last.safetensors");
    names->new_last = vgg_path_join(folder, "last.safetensors.new");
    names->state = vgg_path_join(folder, "state.safetensors");
    names->new_state = vgg_path_join(folder, "state.safetensors.new");
    if (names->best != NULL && names->last != NULL && names->new_last != NULL &&
        names->state != NULL && names->new_state != NULL)
        return VGG_OK;
    free_names(names);
    return vgg_fail_memory(error, "file names", strlen(folder));
}

static vgg_status save_files(const vgg_run *run, const checkpoint_names *names, bool best,
                             vgg_error *error) {
    vgg_status status = describe_training(run, error);
    if (status == VGG_OK && best)
        status = vgg_model_save(run->model, names->best, error);
    if (status == VGG_OK)
        status = save_state(run, names->new_state, error);
    if (status == VGG_OK)
        status = vgg_model_save(run->model, names->new_last, error);
    if (status == VGG_OK)
        status = rename_file(names->new_state, names->state, error);
    if (status == VGG_OK)
        status = rename_file(names->new_last, names->last, error);
    if (status != VGG_OK) {
        unlink(names->new_state);
        unlink(names->new_last);
    }
    return status;
}

vgg_status vgg_run_save(const vgg_run *run, bool best, vgg_error *error) {
    if (run->options.folder == NULL)
        return VGG_OK;
    checkpoint_names names;
    vgg_status status = make_names(run->options.folder, &names, error);
    if (status != VGG_OK)
        return status;
    status = save_files(run, &names, best, error);
    free_names(&names);
    return status;
}

/* ---- resuming ---- */

static vgg_status read_progress(const vgg_model *model, vgg_progress *progress, vgg_error *error) {
    uint64_t epoch, step, images, hits, best_epoch;
    const struct {
        const char *key;
        uint64_t *value;
    } counts[] = {
        {"state.seed", &progress->seed},       {"state.epoch", &epoch},   {"state.step", &step},
        {"state.updates", &progress->updates}, {"state.images", &images}, {"state.hits", &hits},
        {"state.best_epoch", &best_epoch},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        vgg_status status = read_count(model, counts[i].key, counts[i].value, error);
        if (status != VGG_OK)
            return status;
    }
    progress->epoch = epoch;
    progress->step = step;
    progress->images = images;
    progress->hits = hits;
    progress->best_epoch = best_epoch;
    vgg_status status = read_real(model, "state.loss", &progress->loss, error);
    return status != VGG_OK ? status
                            : read_real(model, "state.best_top1", &progress->best_top1, error);
}

static vgg_status copy_values(const vgg_network *from, vgg_network *to, vgg_error *error) {
    if (from->tensor_count != to->tensor_count)
        return vgg_fail(error, VGG_ERROR_SHAPE, "has %zu tensors, expected %zu", from->tensor_count,
                        to->tensor_count);
    for (size_t i = 0; i < to->tensor_count; i++) {
        const vgg_tensor *tensor = &from->tensors[i];
        if (to->tensors[i].values == NULL)
            continue; /* the velocity of a frozen layer */
        vgg_status status =
            vgg_network_set_values(to, i, tensor->values, tensor->info.count, error);
        if (status != VGG_OK)
            return status;
    }
    return VGG_OK;
}

/* Loads one of the two files into `network`; progress, unless NULL, from its notes, which must say
 * that the layers are frozen that are in `trained`. */
static vgg_status load_into(const char *path, vgg_network *network, const vgg_network *trained,
                            vgg_progress *progress, uint64_t *updates, vgg_error *error) {
    vgg_model *model;
    vgg_status status = vgg_model_load(path, NULL, &model, error);
    if (status != VGG_OK)
        return status;
    status = copy_values(vgg_model_network(model), network, error);
    if (status == VGG_OK && progress != NULL)
        status = read_progress(model, progress, error);
    if (status == VGG_OK && progress != NULL)
        status = check_frozen(trained, model, error);
    if (status == VGG_OK && updates != NULL)
        status = read_count(model, "training.steps", updates, error);
    vgg_model_free(model);
    if (status != VGG_OK)
        vgg_error_prefix(error, "%s", path);
    return status;
}

vgg_status vgg_run_resume(vgg_run *run, vgg_error *error) {
    checkpoint_names names;
    vgg_status status = make_names(run->options.folder, &names, error);
    if (status != VGG_OK)
        return status;
    vgg_progress progress = {0};
    uint64_t updates = 0;
    status = load_into(names.state, vgg_optimiser_velocity(run->optimiser), run->network, &progress,
                       NULL, error);
    if (status == VGG_OK)
        status = load_into(names.last, run->network, run->network, NULL, &updates, error);
    if (status == VGG_OK && updates != progress.updates)
        status = vgg_fail(error, VGG_ERROR_FORMAT,
                          "%s is of step %" PRIu64 " and %s of step %" PRIu64
                          ": they are not of the same checkpoint",
                          names.state, progress.updates, names.last, updates);
    if (status == VGG_OK && progress.seed != run->options.seed)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "%s was made with seed %" PRIu64 ", and %" PRIu64 " is given",
                          names.state, progress.seed, run->options.seed);
    if (status == VGG_OK)
        run->progress = progress;
    free_names(&names);
    return status;
}
