/* The files of a run: their names, what an ended process left, and whether they are whole. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "train/run.h"

#define FRESH ".checkpoint-"

const char *vgg_run_path(const vgg_run *run, const char *name, vgg_run_name path) {
    snprintf(path, sizeof(vgg_run_name), "%s/%s", run->folder, name);
    return path;
}

const char *vgg_run_path_of(const vgg_run *run, const char *name, uint64_t generation,
                            vgg_run_name path) {
    snprintf(path, sizeof(vgg_run_name), "%s/" FRESH "%" PRIu64 "-%s", run->folder, generation,
             name);
    return path;
}

static vgg_status rename_to(const char *path, const char *target, vgg_error *error) {
    if (rename(path, target) != 0)
        return vgg_fail(error, VGG_ERROR_IO, "%s: cannot rename to %s: %s", path, target,
                        strerror(errno));
    unlink(path); /* two names of one file are left as they are by rename */
    return VGG_OK;
}

vgg_status vgg_run_give_names(vgg_run *run, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < run->record.count; i++) {
        vgg_run_name path, target;
        vgg_run_file listed;
        const char *name = vgg_run_record_listed(&run->record, i, &listed);
        if (name == NULL)
            continue;
        vgg_run_path_of(run, name, listed.generation, path);
        if (access(path, F_OK) == 0)
            status = rename_to(path, vgg_run_path(run, name, target), error);
    }
    run->held = run->held && status != VGG_OK;
    return status;
}

/* ---- leftovers ---- */

/* Whether the name is that of a model on its way which no process writes any more. */
static bool is_abandoned(const vgg_run *run, const char *name) {
    long process;
    unsigned number;
    char more;
    if (sscanf(name, ".vgg-%ld-%u%c", &process, &number, &more) != 2)
        return false;
    if (process == (long)getpid())
        return run->opening;
    return kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

/* Whether only runs have files of that name: the models, and the copies of every optimiser. */
static bool is_model(const char *name) {
    static const char *const names[] = {
        VGG_RUN_LAST,
        VGG_RUN_BEST,
        VGG_RUN_STATE,
        "state-square.safetensors",
        "state-slow.safetensors",
        "state-average.safetensors",
    };
    const size_t count = sizeof names / sizeof *names;
    return vgg_text_find(name, names, count) < count;
}

/* A file of a checkpoint on its way: the run's when the record lists its generation. */
static vgg_status settle_fresh(const vgg_run *run, const char *name, const char *path,
                               vgg_error *error) {
    uint64_t generation;
    int begins = 0;
    vgg_run_file listed;
    if (sscanf(name, FRESH "%" SCNu64 "-%n", &generation, &begins) != 1 || begins == 0)
        return VGG_OK;
    const char *own = name + begins;
    if (!vgg_run_record_file(&run->record, own, &listed) || listed.generation != generation) {
        unlink(path);
        return VGG_OK;
    }
    vgg_run_name target;
    return rename_to(path, vgg_run_path(run, own, target), error);
}

static vgg_status settle_entry(const vgg_run *run, const char *name, vgg_error *error) {
    bool fresh = strncmp(name, FRESH, sizeof FRESH - 1) == 0;
    vgg_run_file listed;
    bool unlisted = run->record.count > 0 && is_model(name) &&
                    !vgg_run_record_file(&run->record, name, &listed);
    if (!fresh && !unlisted && !is_abandoned(run, name))
        return VGG_OK;
    vgg_run_name path;
    vgg_run_path(run, name, path);
    if (fresh)
        return settle_fresh(run, name, path, error);
    unlink(path); /* what cannot be removed does no harm */
    return VGG_OK;
}

vgg_status vgg_run_settle(vgg_run *run, vgg_error *error) {
    vgg_status status = vgg_run_give_names(run, error);
    if (status != VGG_OK)
        return status;
    DIR *folder = opendir(run->folder);
    if (folder == NULL)
        return vgg_file_fail(error, run->folder, "list");
    const struct dirent *entry;
    while (status == VGG_OK && (errno = 0, entry = readdir(folder)) != NULL) {
        status = settle_entry(run, entry->d_name, error);
    }
    if (status == VGG_OK && errno != 0)
        status = vgg_file_fail(error, run->folder, "list");
    closedir(folder);
    return status;
}

/* ---- versions without a record ---- */

/* How many steps a model or a state of such a version has seen. */
static bool read_steps(const char *path, const char *key, uint64_t *steps) {
    vgg_model *model;
    if (vgg_model_load(path, NULL, &model, NULL) != VGG_OK)
        return false;
    const char *note = vgg_model_note(model, key);
    bool read = note != NULL && sscanf(note, "%" SCNu64, steps) == 1;
    vgg_model_free(model);
    return read;
}

/* They renamed the state first and the model then: where a model waits that has seen the steps of
 * the state, only its renaming is missing. */
vgg_status vgg_run_settle_earlier(vgg_run *run, vgg_error *error) {
    vgg_run_name fresh, last, state, other;
    vgg_run_path(run, VGG_RUN_LAST ".new", fresh);
    vgg_run_path(run, VGG_RUN_LAST, last);
    vgg_run_path(run, VGG_RUN_STATE, state);
    vgg_run_path(run, VGG_RUN_STATE ".new", other);
    uint64_t waiting, seen;
    if (access(fresh, F_OK) == 0 && access(other, F_OK) != 0 &&
        read_steps(fresh, "training.steps", &waiting) &&
        read_steps(state, "state.updates", &seen) && waiting == seen)
        return rename_to(fresh, last, error);
    return VGG_OK;
}

/* ---- sums ---- */

vgg_status vgg_run_check_file(const vgg_run *run, const char *name, bool *same, vgg_error *error) {
    vgg_run_file listed;
    *same = true;
    if (!vgg_run_record_file(&run->record, name, &listed))
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: does not list %s", run->record_path, name);
    vgg_run_name path;
    vgg_run_path(run, name, path);
    const unsigned char *bytes = NULL;
    size_t size = 0;
    vgg_status status = vgg_file_map(path, &bytes, &size, error);
    if (status == VGG_OK) {
        *same = size == listed.bytes;
        uint64_t sum = *same ? vgg_checksum_of(bytes, size) : 0;
        if (*same && sum != listed.sum)
            status = vgg_fail(error, VGG_ERROR_FORMAT,
                              "%s: is damaged: its sum is %016" PRIx64 ", expected %016" PRIx64,
                              path, sum, listed.sum);
        vgg_file_unmap(bytes, size);
    }
    return status;
}
