/* Changes of a run: files under names of their own, the record that lists them, and then their
 * names. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "train/run.h"

static const char listing[] = "file.";

static uint64_t generation_of(const vgg_notes *record) {
    const char *value = vgg_notes_find(record, "generation");
    return value == NULL ? 0 : strtoull(value, NULL, 10);
}

static bool begins_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* Without what it says of the record before it. */
static vgg_status copy_record(const vgg_notes *from, vgg_notes *to, vgg_error *error) {
    vgg_status status = VGG_OK;
    vgg_notes_free(to);
    for (size_t i = 0; status == VGG_OK && i < from->count; i++) {
        if (!begins_with(from->items[i].key, VGG_RUN_FORMER))
            status = vgg_run_record_set(to, from->items[i].key, from->items[i].value, error);
    }
    return status;
}

/* Whether an entry says how far the training has come: what is taken back with a change. What the
 * data, the model and the options are stays. */
static bool is_progress(const char *key) {
    return begins_with(key, listing) || begins_with(key, "state.") || strcmp(key, "log") == 0;
}

/* Adds the record before to the change on its way: that before the last change, where that can be
 * taken back as well. */
static vgg_status keep_former(vgg_run *run, vgg_error *error) {
    vgg_status status = vgg_run_record_set(&run->next, VGG_RUN_FORMER, "", error);
    for (size_t i = 0; status == VGG_OK && i < run->record.count; i++) {
        const vgg_note *note = &run->record.items[i];
        bool kept = run->held ? begins_with(note->key, VGG_RUN_FORMER) : is_progress(note->key);
        if (!kept)
            continue;
        vgg_text text = {0};
        vgg_text_add(&text, "%s%s", run->held ? "" : VGG_RUN_FORMER, note->key);
        char *key = vgg_text_take(&text);
        status = key == NULL ? vgg_fail_memory(error, "the record of a run", strlen(note->key))
                             : vgg_run_record_set(&run->next, key, note->value, error);
        vgg_free(key);
    }
    return status;
}

/* Makes the next record of the former one. */
static vgg_status restore_former(vgg_run *run, vgg_error *error) {
    vgg_status status = VGG_OK;
    vgg_notes_free(&run->next);
    for (size_t i = 0; status == VGG_OK && i < run->record.count; i++) {
        const char *key = run->record.items[i].key;
        bool former = begins_with(key, VGG_RUN_FORMER);
        if (former)
            key += sizeof VGG_RUN_FORMER - 1;
        if (*key != '\0' && (former || !is_progress(key)))
            status = vgg_run_record_set(&run->next, key, run->record.items[i].value, error);
    }
    return status;
}

/* What the program noted since the opening. */
static vgg_status add_notes(vgg_run *run, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < run->notes.count; i++) {
        vgg_text text = {0};
        vgg_text_add(&text, "%s%s", VGG_RUN_NOTED, run->notes.items[i].key);
        char *key = vgg_text_take(&text);
        status = key == NULL
                     ? vgg_fail_memory(error, "a note", strlen(run->notes.items[i].key))
                     : vgg_run_record_set(&run->next, key, run->notes.items[i].value, error);
        vgg_free(key);
    }
    return status;
}

vgg_status vgg_run_change(vgg_run *run, bool anew, vgg_error *error) {
    vgg_status status = run->unnamed ? vgg_run_settle(run, error) : VGG_OK;
    vgg_notes_free(&run->next);
    if (run->read_only)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s: was opened for reading only", run->folder);
    if (status == VGG_OK && !anew)
        status = copy_record(&run->record, &run->next, error);
    if (status == VGG_OK)
        status = add_notes(run, error);
    if (status == VGG_OK)
        status = vgg_run_record_set_count(&run->next, "generation", generation_of(&run->record) + 1,
                                          error);
    return status;
}

/* ---- files ---- */

static vgg_status list_file(vgg_run *run, const char *name, const vgg_run_file *file,
                            vgg_error *error) {
    char key[128], value[96];
    snprintf(key, sizeof key, "%s%s", listing, name);
    snprintf(value, sizeof value, "%" PRIu64 " %" PRIu64 " %016" PRIx64, file->generation,
             file->bytes, file->sum);
    return vgg_run_record_set(&run->next, key, value, error);
}

/* A model on its way to a file. */
typedef struct summed_file {
    vgg_file_writer writer;
    vgg_checksum sum;
    vgg_status status;
    vgg_error error;
} summed_file;

/* A part at a time, which the processor still has at hand when it is written. */
static bool write_summed(void *user, const void *bytes, size_t size) {
    const size_t most = (size_t)256 << 10;
    summed_file *file = user;
    while (size > 0 && file->status == VGG_OK) {
        size_t part = vgg_size_min(size, most);
        vgg_checksum_add(&file->sum, bytes, part);
        file->status = vgg_file_write(&file->writer, bytes, part, &file->error);
        bytes = (const unsigned char *)bytes + part;
        size -= part;
    }
    return file->status == VGG_OK;
}

/* On failure nothing is left of the file. */
static vgg_status write_model(const vgg_model *model, const char *path, vgg_run_file *listed,
                              vgg_error *error) {
    vgg_save_options options;
    vgg_save_options_init(&options, sizeof options);
    options.format = "safetensors";
    summed_file file = {.status = VGG_OK};
    vgg_checksum_begin(&file.sum);
    vgg_status status = vgg_file_create(&file.writer, path, error);
    if (status != VGG_OK)
        return status;
    status = vgg_model_write(model, &options, write_summed, &file, error);
    if (file.status != VGG_OK)
        return vgg_fail(error, file.status, "%s", file.error.message);
    if (status != VGG_OK) {
        vgg_file_abandon(&file.writer);
        return status;
    }
    listed->bytes = file.sum.length;
    listed->sum = vgg_checksum_end(&file.sum);
    return vgg_file_commit(&file.writer, error);
}

vgg_status vgg_run_write(vgg_run *run, const vgg_model *model, const char *name, vgg_error *error) {
    vgg_run_file file = {.generation = generation_of(&run->next)};
    vgg_run_name path;
    vgg_run_path_of(run, name, file.generation, path);
    vgg_status status = write_model(model, path, &file, error);
    if (status != VGG_OK)
        return status;
    if (strcmp(name, VGG_RUN_LAST) == 0)
        run->replaced = false;
    status = list_file(run, name, &file, error);
    if (status != VGG_OK)
        unlink(path);
    return status;
}

vgg_status vgg_run_adopt(vgg_run *run, const char *name, vgg_error *error) {
    vgg_run_name path;
    const unsigned char *bytes = NULL;
    size_t size = 0;
    vgg_status status = vgg_file_map(vgg_run_path(run, name, path), &bytes, &size, error);
    if (status != VGG_OK)
        return status;
    const vgg_run_file file = {.bytes = size, .sum = vgg_checksum_of(bytes, size)};
    vgg_file_unmap(bytes, size);
    return list_file(run, name, &file, error);
}

bool vgg_run_link_best(vgg_run *run, vgg_error *error) {
    vgg_run_file file;
    if (run->replaced || !vgg_run_record_file(&run->next, VGG_RUN_LAST, &file))
        return false;
    uint64_t generation = generation_of(&run->next);
    vgg_run_name last, best;
    if (file.generation == generation)
        vgg_run_path_of(run, VGG_RUN_LAST, generation, last);
    else
        vgg_run_path(run, VGG_RUN_LAST, last);
    if (link(last, vgg_run_path_of(run, VGG_RUN_BEST, generation, best)) != 0)
        return false;
    file.generation = generation;
    bool listed = list_file(run, VGG_RUN_BEST, &file, error) == VGG_OK;
    if (!listed)
        unlink(best);
    return listed;
}

/* ---- ending ---- */

/* Removes the files of the change on its way. */
static void remove_files(const vgg_run *run) {
    uint64_t generation = generation_of(&run->next);
    for (size_t i = 0; i < run->next.count; i++) {
        vgg_run_name path;
        vgg_run_file listed;
        const char *name = vgg_run_record_listed(&run->next, i, &listed);
        if (name != NULL && listed.generation == generation)
            unlink(vgg_run_path_of(run, name, generation, path));
    }
}

void vgg_run_abandon(vgg_run *run) {
    remove_files(run);
    vgg_notes_free(&run->next);
}

/* Removes what was set aside of the record before the given one, but for what is listed now. */
static void remove_former(const vgg_run *run, const vgg_notes *given) {
    static const char prefix[] = VGG_RUN_FORMER "file.";
    for (size_t i = 0; i < given->count; i++) {
        const char *name = given->items[i].key + sizeof prefix - 1;
        vgg_run_name path;
        vgg_run_file former, listed;
        if (!begins_with(given->items[i].key, prefix) ||
            !vgg_run_record_former(given, name, &former) ||
            (vgg_run_record_file(&run->record, name, &listed) &&
             listed.generation == former.generation))
            continue;
        unlink(vgg_run_path_of(run, name, former.generation, path));
    }
}

vgg_status vgg_run_commit(vgg_run *run, bool hold, vgg_error *error) {
    bool replaced = false;
    vgg_status status = hold ? keep_former(run, error) : VGG_OK;
    if (status == VGG_OK)
        status = vgg_run_record_write(run->record_path, run->folder, &run->next, &replaced, error);
    if (!replaced) {
        vgg_run_abandon(run);
        return status;
    }
    vgg_notes before = run->record;
    run->record = run->next;
    run->next = (vgg_notes){0};
    if (!hold)
        remove_former(run, &before);
    vgg_notes_free(&before);
    run->damaged = run->earlier = false;
    run->held = hold;
    run->unnamed = true;
    if (status == VGG_OK)
        return vgg_run_settle(run, error);
    vgg_run_settle(run, NULL); /* the record counts, however long the disk keeps it */
    return status;
}

vgg_status vgg_run_take_back(vgg_run *run, vgg_error *error) {
    if (!run->held)
        return VGG_OK;
    uint64_t generation = generation_of(&run->record) + 1;
    vgg_status status = restore_former(run, error);
    if (status == VGG_OK)
        status = vgg_run_record_set_count(&run->next, "generation", generation, error);
    if (status != VGG_OK) {
        vgg_notes_free(&run->next);
        return status;
    }
    return vgg_run_commit(run, false, error);
}
