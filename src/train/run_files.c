/* The files of a run: their names, what an ended process left, and whether they are whole. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
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

/* A file that is not there has its name already. */
static vgg_status rename_to(const char *path, const char *target, vgg_error *error) {
    if (rename(path, target) != 0)
        return errno == ENOENT ? VGG_OK
                               : vgg_fail(error, VGG_ERROR_IO, "%s: cannot rename to %s: %s", path,
                                          target, strerror(errno));
    unlink(path); /* two names of one file are left as they are by rename */
    return VGG_OK;
}

/* Where the file of that name is: under its name, or still under that of its generation. */
static vgg_status locate(const vgg_run *run, const char *name, vgg_run_name path,
                         vgg_error *error) {
    vgg_run_file listed;
    bool fresh = false;
    vgg_status status = VGG_OK;
    if (vgg_run_record_file(&run->record, name, &listed))
        status =
            vgg_file_exists(vgg_run_path_of(run, name, listed.generation, path), &fresh, error);
    if (!fresh)
        vgg_run_path(run, name, path);
    return status;
}

/* Where a newer file waits for its name, puts that of the former record out of its way. */
static vgg_status set_aside(const vgg_run *run, const char *name, uint64_t generation,
                            vgg_error *error) {
    vgg_run_name path, aside;
    vgg_run_file former;
    bool fresh, there = true;
    if (!run->held || !vgg_run_record_former(&run->record, name, &former) ||
        former.generation == generation)
        return VGG_OK;
    vgg_status status =
        vgg_file_exists(vgg_run_path_of(run, name, generation, path), &fresh, error);
    vgg_run_path_of(run, name, former.generation, aside);
    if (status == VGG_OK && fresh)
        status = vgg_file_exists(aside, &there, error);
    if (status == VGG_OK && !there)
        status = rename_to(vgg_run_path(run, name, path), aside, error);
    return status;
}

/* Gives the files of the last change their names. Those before it have got that of their generation
 * when the change is held. */
static vgg_status give_names(vgg_run *run, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < run->record.count; i++) {
        vgg_run_name path, target;
        vgg_run_file listed;
        const char *name = vgg_run_record_listed(&run->record, i, &listed);
        if (name == NULL)
            continue;
        status = set_aside(run, name, listed.generation, error);
        vgg_run_path_of(run, name, listed.generation, path);
        if (status == VGG_OK)
            status = rename_to(path, vgg_run_path(run, name, target), error);
    }
    run->unnamed = run->unnamed && status != VGG_OK;
    return status;
}

/* Whether the file of the former record is still there: the same as now, set aside, or under its
 * name, which the newer one has not got yet. */
static vgg_status find_former(const vgg_run *run, const char *name, bool *there, vgg_error *error) {
    vgg_run_name path;
    vgg_run_file former, listed;
    bool named, fresh = false;
    *there = false;
    if (!vgg_run_record_former(&run->record, name, &former) ||
        !vgg_run_record_file(&run->record, name, &listed))
        return VGG_OK;
    vgg_status status = vgg_file_exists(vgg_run_path(run, name, path), &named, error);
    if (status == VGG_OK)
        status =
            vgg_file_exists(vgg_run_path_of(run, name, listed.generation, path), &fresh, error);
    if (status == VGG_OK)
        status = vgg_file_exists(vgg_run_path_of(run, name, former.generation, path), there, error);
    *there = *there || (named && (fresh || former.generation == listed.generation));
    return status;
}

vgg_status vgg_run_find_held(vgg_run *run, vgg_error *error) {
    static const char prefix[] = VGG_RUN_FORMER "file.";
    vgg_status status = VGG_OK;
    run->held = vgg_notes_find(&run->record, VGG_RUN_FORMER) != NULL;
    for (size_t i = 0; status == VGG_OK && run->held && i < run->record.count; i++) {
        const char *key = run->record.items[i].key;
        if (strncmp(key, prefix, sizeof prefix - 1) == 0)
            status = find_former(run, key + sizeof prefix - 1, &run->held, error);
    }
    return status;
}

/* ---- leftovers ---- */

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

/* A file of a checkpoint: on its way, and the run's when the record lists its generation; or set
 * aside for as long as the last change can be taken back. */
static vgg_status settle_fresh(const vgg_run *run, const char *name, const char *path,
                               vgg_error *error) {
    uint64_t generation;
    int begins = 0;
    vgg_run_file listed;
    if (sscanf(name, FRESH "%" SCNu64 "-%n", &generation, &begins) != 1 || begins == 0)
        return VGG_OK;
    const char *own = name + begins;
    if (run->held && vgg_run_record_former(&run->record, own, &listed) &&
        listed.generation == generation)
        return VGG_OK;
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
    vgg_run_name path;
    vgg_run_path(run, name, path);
    if (fresh)
        return settle_fresh(run, name, path, error);
    if (unlisted || vgg_file_is_abandoned(path))
        unlink(path); /* what cannot be removed does no harm */
    return VGG_OK;
}

/* Looks at all that is in the folder. */
static vgg_status tidy(const vgg_run *run, vgg_error *error) {
    vgg_status status = VGG_OK;
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

vgg_status vgg_run_settle(vgg_run *run, vgg_error *error) {
    vgg_status named = give_names(run, error);
    vgg_status status = tidy(run, named == VGG_OK ? error : NULL);
    return named == VGG_OK ? status : named;
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
    bool fresh_there, other_there = true;
    vgg_status status = vgg_file_exists(fresh, &fresh_there, error);
    if (status == VGG_OK)
        status = vgg_file_exists(other, &other_there, error);
    if (status == VGG_OK && fresh_there && !other_there &&
        read_steps(fresh, "training.steps", &waiting) &&
        read_steps(state, "state.updates", &seen) && waiting == seen)
        status = rename_to(fresh, last, error);
    return status;
}

/* ---- sums ---- */

vgg_status vgg_run_check_file(const vgg_run *run, const char *name, bool *same, vgg_error *error) {
    vgg_run_file listed;
    *same = true;
    if (!vgg_run_record_file(&run->record, name, &listed))
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: does not list %s", run->record_path, name);
    vgg_run_name path;
    const unsigned char *bytes = NULL;
    size_t size = 0;
    vgg_status status = locate(run, name, path, error);
    if (status == VGG_OK)
        status = vgg_file_map(path, &bytes, &size, error);
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
