/* Taking a run in hand and letting it go. */
#include "train/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"

#define LOCK ".lock"

void vgg_run_options_init(vgg_run_options *options, size_t size) {
    const vgg_run_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- the lock ---- */

static vgg_status fail_taken(const vgg_run *run, int lock, vgg_error *error) {
    char text[32] = "";
    ssize_t length = pread(lock, text, sizeof text - 1, 0);
    long process = length > 0 ? strtol(text, NULL, 10) : 0;
    if (process == (long)getpid())
        return vgg_fail(error, VGG_ERROR_IO, "%s: is in use by this process already", run->folder);
    if (process > 0)
        return vgg_fail(error, VGG_ERROR_IO, "%s: is in use by process %ld, which trains in it",
                        run->folder, process);
    return vgg_fail(error, VGG_ERROR_IO, "%s: is in use by another process, which trains in it",
                    run->folder);
}

/* Whether the open file still has its name: whoever lets a new folder go removes it. An error when
 * that cannot be seen. */
static vgg_status look_at_name(int lock, const char *path, bool *has_name, vgg_error *error) {
    struct stat own, named;
    *has_name = false;
    if (fstat(lock, &own) != 0)
        return vgg_file_fail(error, path, "look at");
    if (stat(path, &named) != 0)
        return errno == ENOENT ? VGG_OK : vgg_file_fail(error, path, "look at");
    *has_name = own.st_ino == named.st_ino && own.st_dev == named.st_dev;
    return VGG_OK;
}

/* Locks the file, as far as the file system can. False, with errno, when another has it. */
static bool lock_file(int lock) {
    int locked;
    do {
        locked = flock(lock, LOCK_EX | LOCK_NB);
    } while (locked != 0 && errno == EINTR);
    return locked == 0 || errno != EWOULDBLOCK;
}

static vgg_status take_lock(vgg_run *run, const char *path, vgg_error *error) {
    for (;;) {
        int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
        if (lock < 0)
            return vgg_file_fail(error, path, "create");
        if (!lock_file(lock)) {
            vgg_status status = fail_taken(run, lock, error);
            close(lock);
            return status;
        }
        bool has_name;
        vgg_status status = look_at_name(lock, path, &has_name, error);
        if (status == VGG_OK && has_name) {
            run->lock = lock;
            return VGG_OK;
        }
        close(lock);
        if (status != VGG_OK)
            return status;
    }
}

/* For whoever comes next; not being able to say it is no reason not to train. */
static void sign_lock(const vgg_run *run) {
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(run->lock, 0) == 0 && pwrite(run->lock, text, (size_t)length, 0) != length)
        ftruncate(run->lock, 0);
}

/* ---- opening ---- */

/* A run of a version that kept no record has models. */
static vgg_status find_models(const vgg_run *run, bool *found, vgg_error *error) {
    static const char *const names[] = {VGG_RUN_LAST, VGG_RUN_BEST, VGG_RUN_STATE};
    vgg_status status = VGG_OK;
    *found = false;
    for (size_t i = 0; status == VGG_OK && !*found && i < sizeof names / sizeof *names; i++) {
        vgg_run_name path;
        status = vgg_file_exists(vgg_run_path(run, names[i], path), found, error);
    }
    return status;
}

static vgg_status read_folder(vgg_run *run, vgg_error *error) {
    vgg_status status = vgg_run_record_read(run->record_path, &run->record, &run->damage);
    if (status == VGG_ERROR_MEMORY)
        return vgg_fail(error, status, "%s", run->damage.message);
    run->damaged = status != VGG_OK;
    if (run->damaged)
        return VGG_OK; /* nothing is touched until somebody replaces the run */
    if (run->record.count == 0)
        status = find_models(run, &run->earlier, error);
    if (status != VGG_OK || run->read_only)
        return status;
    status = vgg_run_find_held(run, error);
    if (status == VGG_OK)
        status = vgg_run_settle(run, error);
    if (status == VGG_OK && run->earlier)
        status = vgg_run_settle_earlier(run, error);
    return status;
}

/* Makes the folder; run->made when it was not there. */
static vgg_status make_folder(vgg_run *run, bool fresh, vgg_error *error) {
    struct stat info;
    const char *slash = strrchr(run->folder, '/');
    bool there = stat(run->folder, &info) == 0;
    if (!there && !vgg_file_is_missing(errno))
        return vgg_file_fail(error, run->folder, "look at");
    if (!fresh && there && S_ISDIR(info.st_mode))
        return VGG_OK;
    vgg_status status = VGG_OK;
    if (slash != NULL && slash != run->folder) {
        char *parent = vgg_text_copy(run->folder);
        if (parent == NULL)
            return vgg_fail_memory(error, "file names", strlen(run->folder));
        parent[slash - run->folder] = '\0';
        status = vgg_folder_create(parent, error);
        vgg_free(parent);
    }
    if (status != VGG_OK)
        return status;
    run->made = mkdir(run->folder, 0777) == 0;
    if (!run->made && (fresh || errno != EEXIST))
        return vgg_fail(error, VGG_ERROR_IO, "%s: cannot create the folder: %s", run->folder,
                        strerror(errno));
    return run->made ? VGG_OK : vgg_folder_create(run->folder, error);
}

static vgg_status open_run(vgg_run *run, const char *folder, bool fresh, vgg_error *error) {
    run->folder = vgg_text_copy(folder);
    run->record_path = vgg_path_join(folder, "checkpoint.txt");
    vgg_status status = VGG_OK;
    if (run->folder == NULL || run->record_path == NULL)
        return vgg_fail_memory(error, "file names", strlen(folder));
    for (size_t end = strlen(folder); end > 1 && run->folder[end - 1] == '/'; end--) {
        run->folder[end - 1] = '\0';
    }
    if (run->read_only)
        return read_folder(run, error);
    status = make_folder(run, fresh, error);
    vgg_run_name lock;
    if (status == VGG_OK)
        status = take_lock(run, vgg_run_path(run, LOCK, lock), error);
    if (status == VGG_OK) {
        sign_lock(run);
        status = read_folder(run, error);
    }
    return status;
}

vgg_status vgg_run_open(const char *folder, const vgg_run_options *given, vgg_run **out,
                        vgg_error *error) {
    vgg_run_options options;
    vgg_run_options_init(&options, sizeof options);
    vgg_status status = vgg_options_read(&options, sizeof options, given, "vgg_run_options", error);
    if (status != VGG_OK)
        return status;
    vgg_run *run = vgg_calloc(1, sizeof *run);
    if (run == NULL)
        return vgg_fail_memory(error, "a run", sizeof *run);
    run->lock = -1;
    run->read_only = options.read_only;
    status = open_run(run, folder, options.fresh, error);
    if (status != VGG_OK) {
        vgg_run_close(run);
        return status;
    }
    *out = run;
    return VGG_OK;
}

void vgg_run_close(vgg_run *run) {
    if (run == NULL)
        return;
    if (run->lock >= 0 && run->made && vgg_run_holds(run) == VGG_RUN_NOTHING) {
        vgg_run_name lock;
        if (unlink(vgg_run_path(run, LOCK, lock)) == 0)
            rmdir(run->folder);
    }
    if (run->lock < 0 && run->made)
        rmdir(run->folder); /* it is empty, or somebody else's by now and stays */
    if (run->lock >= 0) {
        ftruncate(run->lock, 0);
        close(run->lock);
    }
    vgg_notes_free(&run->record);
    vgg_notes_free(&run->next);
    vgg_notes_free(&run->notes);
    vgg_free(run->record_path);
    vgg_free(run->folder);
    vgg_free(run);
}

/* ---- asking ---- */

const char *vgg_run_folder(const vgg_run *run) {
    return run->folder;
}

vgg_run_content vgg_run_holds(const vgg_run *run) {
    if (run->damaged)
        return VGG_RUN_DAMAGED;
    if (run->record.count == 0)
        return run->earlier ? VGG_RUN_SAVED : VGG_RUN_NOTHING;
    vgg_run_file last;
    return vgg_run_record_file(&run->record, VGG_RUN_LAST, &last) ? VGG_RUN_SAVED : VGG_RUN_BEGUN;
}

vgg_status vgg_run_check(vgg_run *run, vgg_error *error) {
    if (run->damaged)
        return vgg_fail(error, run->damage.status, "%s", run->damage.message);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && !run->checked && i < run->record.count; i++) {
        const char *key = run->record.items[i].key;
        bool same;
        if (strncmp(key, "file.", 5) != 0)
            continue;
        status = vgg_run_check_file(run, key + 5, &same, error);
        if (status == VGG_ERROR_NOT_FOUND)
            status = VGG_OK; /* whoever reads it finds out; the best model is read by nobody */
        if (status == VGG_OK && strcmp(key + 5, VGG_RUN_LAST) == 0)
            run->replaced = !same;
    }
    run->checked = status == VGG_OK;
    return status;
}

const char *vgg_run_note(const vgg_run *run, const char *key) {
    static const size_t prefix = sizeof VGG_RUN_NOTED - 1;
    const char *value = vgg_notes_find(&run->notes, key);
    for (size_t i = 0; value == NULL && i < run->record.count; i++) {
        const vgg_note *note = &run->record.items[i];
        if (strncmp(note->key, VGG_RUN_NOTED, prefix) == 0 && strcmp(note->key + prefix, key) == 0)
            value = note->value;
    }
    return value;
}

vgg_status vgg_run_set_note(vgg_run *run, const char *key, const char *value, vgg_error *error) {
    return vgg_run_record_set(&run->notes, key, value, error);
}

vgg_status vgg_run_model(const vgg_run *run, vgg_model **model, vgg_error *error) {
    const char *text = vgg_notes_find(&run->record, "model");
    if (text == NULL)
        return vgg_fail(error, VGG_ERROR_NOT_FOUND, "%s: does not say which model the run has",
                        run->record_path);
    return vgg_model_create_described(text, model, error);
}
