/* Saving a training, and continuing one.
 *
 * A checkpoint is a file for the model and one for each copy that the optimiser keeps: the first in
 * state.safetensors, whose notes say how far the training has come, a further one in
 * state-<name>.safetensors. They are written under other names first and then renamed together, so
 * that they belong to the same step. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "nn/network.h"
#include "train/checkpoint.h"

/* ---- saving ---- */

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

/* Copy `number` of the optimiser with its notes. */
static vgg_status save_copy(const vgg_trainer *trainer, size_t number, const char *path,
                            vgg_error *error) {
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
    status = vgg_checkpoint_describe(trainer, model, error);
    if (status == VGG_OK)
        status = vgg_model_save(model, path, error);
    vgg_model_free(model);
    return status;
}

/* ---- files ---- */

/* A file, and its name until all are complete. */
typedef struct checkpoint_file {
    char *path, *fresh;
} checkpoint_file;

typedef struct checkpoint {
    char *best;
    checkpoint_file files[VGG_COPIES_MAX + 1]; /* the copies, then the model */
    size_t copies;
} checkpoint;

static void free_names(checkpoint *names) {
    vgg_free(names->best);
    for (size_t i = 0; i <= names->copies; i++) {
        vgg_free(names->files[i].path);
        vgg_free(names->files[i].fresh);
    }
}

/* False when memory ran out. */
static bool name_file(const char *folder, const char *name, checkpoint_file *file) {
    char fresh[VGG_CHECKPOINT_NAME];
    snprintf(fresh, sizeof fresh, "%s.new", name);
    file->path = vgg_path_join(folder, name);
    file->fresh = vgg_path_join(folder, fresh);
    return file->path != NULL && file->fresh != NULL;
}

static vgg_status make_names(const vgg_trainer *trainer, const char *folder, checkpoint *names,
                             vgg_error *error) {
    const vgg_optimiser_row *row = trainer->optimiser->row;
    *names = (checkpoint){.best = vgg_path_join(folder, "best.safetensors")};
    bool made = names->best != NULL;
    for (; names->copies < VGG_COPIES_MAX && row->copies[names->copies] != NULL; names->copies++) {
        char name[VGG_CHECKPOINT_NAME] = "state.safetensors";
        if (names->copies > 0)
            snprintf(name, sizeof name, "state-%s.safetensors", row->copies[names->copies]);
        made = name_file(folder, name, &names->files[names->copies]) && made;
    }
    made = name_file(folder, "last.safetensors", &names->files[names->copies]) && made;
    if (made)
        return VGG_OK;
    free_names(names);
    return vgg_fail_memory(error, "file names", strlen(folder));
}

static vgg_status rename_file(const checkpoint_file *file, vgg_error *error) {
    if (rename(file->fresh, file->path) == 0)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_IO, "%s: cannot rename to %s: %s", file->fresh, file->path,
                    strerror(errno));
}

/* The model as it was evaluated: with the average of the weights, where there is one. */
static vgg_status save_best(const vgg_trainer *trainer, const char *path, vgg_error *error) {
    vgg_averages_swap(trainer->optimiser);
    vgg_status status = vgg_model_save(trainer->model, path, error);
    vgg_averages_swap(trainer->optimiser);
    return status;
}

static vgg_status save_files(const vgg_trainer *trainer, const checkpoint *names, bool best,
                             vgg_error *error) {
    vgg_status status = vgg_checkpoint_describe_model(trainer, error);
    if (status == VGG_OK && best)
        status = save_best(trainer, names->best, error);
    for (size_t i = 0; status == VGG_OK && i < names->copies; i++) {
        status = save_copy(trainer, i, names->files[i].fresh, error);
    }
    if (status == VGG_OK)
        status = vgg_model_save(trainer->model, names->files[names->copies].fresh, error);
    for (size_t i = 0; status == VGG_OK && i <= names->copies; i++) {
        status = rename_file(&names->files[i], error);
    }
    for (size_t i = 0; status != VGG_OK && i <= names->copies; i++) {
        unlink(names->files[i].fresh);
    }
    return status;
}

vgg_status vgg_checkpoint_save(const vgg_trainer *trainer, const char *folder, bool best,
                               vgg_error *error) {
    checkpoint names;
    vgg_status status = make_names(trainer, folder, &names, error);
    if (status != VGG_OK)
        return status;
    status = save_files(trainer, &names, best, error);
    free_names(&names);
    return status;
}

/* ---- resuming ---- */

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

/* Takes over copy `number` and what its notes say, which must belong to the layers that are
 * trained. */
static vgg_status load_copy(vgg_trainer *trainer, size_t number, const char *path,
                            vgg_progress *progress, vgg_error *error) {
    vgg_model *model;
    vgg_status status = vgg_model_load(path, NULL, &model, error);
    if (status != VGG_OK)
        return status;
    status = vgg_checkpoint_read(trainer, model, progress, error);
    if (status == VGG_OK)
        status = copy_values(vgg_model_network(model), trainer->optimiser->copies[number], error);
    vgg_model_free(model);
    if (status != VGG_OK)
        vgg_error_prefix(error, "%s", path);
    return status;
}

static vgg_status fail_mixed(const char *one, uint64_t one_step, const char *other,
                             uint64_t other_step, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s is of step %" PRIu64 " and %s of step %" PRIu64
                    ": they are not of the same checkpoint",
                    one, one_step, other, other_step);
}

/* Takes over the weights, which must have seen the steps that `state` counts. */
static vgg_status load_weights(vgg_trainer *trainer, const char *path, const char *state,
                               const vgg_progress *progress, vgg_error *error) {
    uint64_t updates = 0;
    vgg_model *model;
    vgg_status status = vgg_model_load(path, NULL, &model, error);
    if (status != VGG_OK)
        return status;
    status = vgg_checkpoint_read_model(model, &updates, error);
    if (status == VGG_OK && updates != progress->updates)
        status = fail_mixed(state, progress->updates, path, updates, error);
    else if (status == VGG_OK)
        status = copy_values(vgg_model_network(model), trainer->network, error);
    vgg_model_free(model);
    if (status != VGG_OK)
        vgg_error_prefix(error, "%s", path);
    return status;
}

static vgg_status load_files(vgg_trainer *trainer, const checkpoint *names, vgg_error *error) {
    vgg_progress progress = {0};
    const char *state = names->files[0].path, *last = names->files[names->copies].path;
    vgg_status status = load_copy(trainer, 0, state, &progress, error);
    for (size_t i = 1; status == VGG_OK && i < names->copies; i++) {
        vgg_progress other = {0};
        status = load_copy(trainer, i, names->files[i].path, &other, error);
        if (status == VGG_OK && other.updates != progress.updates)
            status =
                fail_mixed(state, progress.updates, names->files[i].path, other.updates, error);
    }
    if (status == VGG_OK && progress.seed != trainer->options.seed)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "%s was made with seed %" PRIu64 ", and %" PRIu64 " is given", state,
                          progress.seed, trainer->options.seed);
    if (status == VGG_OK)
        status = load_weights(trainer, last, state, &progress, error);
    if (status == VGG_OK)
        trainer->progress = progress;
    return status;
}

vgg_status vgg_checkpoint_resume(vgg_trainer *trainer, const char *folder, vgg_error *error) {
    checkpoint names;
    vgg_status status = make_names(trainer, folder, &names, error);
    if (status != VGG_OK)
        return status;
    status = load_files(trainer, &names, error);
    free_names(&names);
    return status;
}
