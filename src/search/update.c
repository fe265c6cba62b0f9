/* Updating an index: what is known of a picture whose file is as it was stays. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/options.h"
#include "search/index.h"

/* The index is saved on the way when so many seconds are over, and so many times as long as saving
 * took. */
#define PART_SECONDS 20
#define PART_SHARE 20
#define PIECE ((size_t)65536)

void vgg_index_update_options_init(vgg_index_update_options *options, size_t size) {
    const vgg_index_update_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

typedef struct update {
    vgg_index *index;
    const vgg_index_update_options *options;
    vgg_next_picture *next;
    void *next_user;
    vgg_index_table table; /* what the index becomes */
    bool *seen;            /* (pictures of before): it was given again */
    vgg_index_names added; /* those of the table that were not there before */
    vgg_picture picture;   /* to be computed */
    vgg_index_changes changes;
    vgg_status status; /* of what went wrong in a callback */
    vgg_error *error;
    double saved, saving; /* when it was saved last, and how long that took */
} update;

/* ---- files ---- */

static vgg_status sum_file(const char *path, uint64_t *sum, vgg_error *error) {
    unsigned char piece[PIECE];
    vgg_checksum all;
    vgg_checksum_begin(&all);
    int descriptor;
    size_t size, at = 0, got = 1;
    vgg_status status = vgg_file_open(path, &descriptor, &size, error);
    if (status != VGG_OK)
        return status;
    for (; status == VGG_OK && got > 0; at += got) {
        status = vgg_file_read_some(descriptor, path, at, piece, sizeof piece, &got, error);
        vgg_checksum_add(&all, piece, status == VGG_OK ? got : 0);
    }
    close(descriptor);
    *sum = vgg_checksum_end(&all);
    return status;
}

#define UNKNOWN UINT64_MAX

/* What the file is like now; of size UNKNOWN when nobody can say. */
static vgg_index_stamp stamp_of(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0)
        return (vgg_index_stamp){.size = UNKNOWN};
    return (vgg_index_stamp){.size = (uint64_t)info.st_size,
                             .seconds = (uint64_t)info.st_mtim.tv_sec,
                             .nanoseconds = (uint64_t)info.st_mtim.tv_nsec};
}

/* Whether the file of a picture that is known is what it was. */
static bool is_same(const update *u, const char *path, const vgg_index_stamp *before,
                    vgg_index_stamp *now) {
    if (now->size != before->size)
        return false;
    if (!u->options->contents) {
        now->sum = before->sum;
        return now->seconds == before->seconds && now->nanoseconds == before->nanoseconds;
    }
    return sum_file(path, &now->sum, NULL) == VGG_OK && now->sum == before->sum;
}

/* ---- pictures ---- */

static bool fail(update *u, vgg_status status) {
    u->status = status;
    return false;
}

static bool tell(update *u, const char *name, vgg_index_change change, const vgg_error *error,
                 const char *warning) {
    size_t *counts[] = {&u->changes.kept, &u->changes.added, &u->changes.changed,
                        &u->changes.unread};
    *counts[change] += 1;
    if (u->options->told == NULL)
        return true;
    const vgg_index_event event = {.struct_size = sizeof event,
                                   .name = name,
                                   .change = change,
                                   .error = error,
                                   .warning = warning};
    return u->options->told(u->options->user, &event)
               ? true
               : fail(u, vgg_fail(u->error, VGG_ERROR_STOPPED, "the update was stopped"));
}

/* Keeps what is known of a picture. */
static bool keep(update *u, size_t before, const vgg_index_stamp *stamp) {
    vgg_index *index = u->index;
    vgg_status status =
        vgg_index_table_copy(&u->table, &index->table, before, index->features, u->error);
    if (status != VGG_OK)
        return fail(u, status);
    u->table.entries[u->table.count - 1].stamp = *stamp;
    return tell(u, index->table.entries[before].name, VGG_INDEX_KEPT, NULL, NULL);
}

/* Makes a place for a picture that is to be computed. */
static bool expect(update *u, const char *name, size_t known, const vgg_index_stamp *stamp) {
    vgg_status status = vgg_index_table_add(&u->table, u->index->features, name, u->error);
    if (status != VGG_OK)
        return fail(u, status);
    vgg_index_entry *entry = &u->table.entries[u->table.count - 1];
    entry->stamp = *stamp;
    entry->unread = true;
    if (known < u->index->table.count) {
        entry->replaces = known + 1;
        return true;
    }
    status = vgg_index_names_add(&u->added, &u->table, u->error);
    return status == VGG_OK ? true : fail(u, status);
}

/* The next picture that is to be computed. */
static const vgg_picture *next_picture(void *user) {
    update *u = user;
    const vgg_picture *given;
    while (u->status == VGG_OK && (given = u->next(u->next_user)) != NULL) {
        if (given->path == NULL) {
            fail(u, vgg_fail(u->error, VGG_ERROR_ARGUMENT, "a picture of an index without a path"));
            return NULL;
        }
        const char *name = given->path;
        if (given->name != NULL && strcmp(given->name, name) != 0) {
            fail(u, vgg_fail(u->error, VGG_ERROR_ARGUMENT,
                             "%s: a name beside the path, %s; pictures of an index are named by "
                             "their paths",
                             given->name, name));
            return NULL;
        }
        size_t known = vgg_index_find(u->index, name), count = u->index->table.count;
        if (known < count ? u->seen[known] : vgg_index_names_have(&u->added, &u->table, name))
            continue;
        vgg_index_stamp stamp = stamp_of(given->path);
        if (known < count)
            u->seen[known] = true;
        if (known < count && is_same(u, given->path, &u->index->table.entries[known].stamp, &stamp))
            keep(u, known, &stamp);
        else if (expect(u, name, known, &stamp)) {
            u->picture = *given;
            u->picture.user = (void *)(uintptr_t)(u->table.count - 1);
            return &u->picture;
        }
    }
    return NULL;
}

/* Marks what was there of pictures that have come again; not of those that are still computed. */
static void mark_replaced(update *u) {
    vgg_index_entry *before = u->index->table.entries;
    for (size_t i = 0; i < u->index->table.count; i++) {
        before[i].unread = u->seen[i];
    }
    for (size_t i = 0; i < u->table.count; i++) {
        if (u->table.entries[i].replaces > 0)
            before[u->table.entries[i].replaces - 1].unread = false;
    }
}

/* Saves what there is by now, and what was there of pictures that have not come again yet. */
static bool save_part(update *u) {
    double begun = vgg_clock_seconds(), wait = u->saving * PART_SHARE;
    if (u->options->part == NULL || begun < u->saved + (wait > PART_SECONDS ? wait : PART_SECONDS))
        return true;
    mark_replaced(u);
    vgg_status status =
        vgg_index_write(u->index, &u->table, &u->index->table, u->options->part, u->error);
    u->saved = vgg_clock_seconds();
    u->saving = u->saved - begun;
    return status == VGG_OK ? true : fail(u, status);
}

static bool take_result(void *user, const vgg_extract_result *result) {
    update *u = user;
    size_t place = (size_t)(uintptr_t)result->user;
    vgg_index_entry *entry = &u->table.entries[place];
    bool replaces = entry->replaces > 0;
    entry->replaces = 0;
    vgg_error why;
    vgg_status status = VGG_OK;
    if (result->error == NULL && entry->stamp.size == UNKNOWN)
        status = vgg_fail(&why, VGG_ERROR_IO, "%s: nobody says how large it is", result->name);
    else if (result->error == NULL)
        status = sum_file(result->name, &entry->stamp.sum, &why);
    if (result->error != NULL || status != VGG_OK)
        return tell(u, result->name, VGG_INDEX_UNREAD, result->error != NULL ? result->error : &why,
                    result->warning);
    vgg_index_join(u->index, result->values, u->table.rows + place * u->index->features);
    memcpy(u->table.greys + place * VGG_INDEX_SAMPLES, result->thumbnail, VGG_INDEX_SAMPLES);
    entry->unread = false;
    return tell(u, result->name, replaces ? VGG_INDEX_CHANGED : VGG_INDEX_ADDED, NULL,
                result->warning) &&
           save_part(u);
}

/* ---- all ---- */

static void drop_unread(vgg_index *index) {
    vgg_index_table *table = &index->table;
    size_t kept = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (table->entries[i].unread) {
            vgg_free(table->entries[i].name);
            continue;
        }
        if (kept < i) {
            table->entries[kept] = table->entries[i];
            memcpy(table->rows + kept * index->features, table->rows + i * index->features,
                   index->features * sizeof *table->rows);
            memcpy(table->greys + kept * VGG_INDEX_SAMPLES, table->greys + i * VGG_INDEX_SAMPLES,
                   VGG_INDEX_SAMPLES);
        }
        kept++;
    }
    table->count = kept;
}

/* Leaves out what could not be read, and then what came twice: of a picture that was to be read
 * anew when an update stopped there are an unread entry and the one of before. */
static vgg_status compact(update *u, vgg_error *error) {
    vgg_index *index = u->index;
    size_t most = index->table.count > u->table.count ? index->table.count : u->table.count;
    vgg_status status = vgg_index_reserve_names(index, most, error);
    if (status != VGG_OK)
        return status;
    vgg_index_table_free(&index->table);
    index->table = u->table;
    u->table = (vgg_index_table){0};
    drop_unread(index);
    vgg_index_sort(index);
    for (size_t i = 1; i < index->table.count; i++) {
        size_t before = index->by_name[i - 1], at = index->by_name[i];
        vgg_index_entry *entries = index->table.entries;
        if (strcmp(entries[before].name, entries[at].name) == 0)
            entries[at].unread = true;
    }
    drop_unread(index);
    vgg_index_sort(index);
    return VGG_OK;
}

/* After an end before the end: what has not come again stays. */
static vgg_status keep_rest(update *u, vgg_error *error) {
    vgg_status status = VGG_OK;
    vgg_index *index = u->index;
    mark_replaced(u);
    for (size_t i = 0; status == VGG_OK && i < index->table.count; i++) {
        if (!index->table.entries[i].unread)
            status = vgg_index_table_copy(&u->table, &index->table, i, index->features, error);
    }
    return status;
}

static vgg_status run(update *u, vgg_error *error) {
    vgg_index *index = u->index;
    size_t before = index->table.count;
    u->seen = vgg_calloc(before + 1, sizeof *u->seen);
    if (u->seen == NULL)
        return vgg_fail_memory(error, "an index", before + 1);
    u->saved = vgg_clock_seconds();
    vgg_status status = vgg_extract_many(index->extractor, next_picture, take_result, u, error);
    if (u->status != VGG_OK)
        status = u->status;
    vgg_error ignored;
    vgg_status kept = VGG_OK;
    if (status != VGG_OK)
        kept = keep_rest(u, &ignored);
    for (size_t i = 0; status == VGG_OK && i < before; i++) {
        u->changes.removed += !u->seen[i];
    }
    if (kept == VGG_OK) {
        kept = compact(u, status == VGG_OK ? error : &ignored);
        status = status == VGG_OK ? kept : status;
    }
    /* Nothing was exchanged: all that there was stays. */
    for (size_t i = 0; kept != VGG_OK && i < index->table.count; i++) {
        index->table.entries[i].unread = false;
    }
    vgg_index_table_free(&u->table);
    vgg_index_names_free(&u->added);
    vgg_free(u->seen);
    return status;
}

vgg_status vgg_index_update(vgg_index *index, vgg_next_picture *next, void *next_user,
                            const vgg_index_update_options *given, vgg_index_changes *changes,
                            vgg_error *error) {
    vgg_index_update_options options;
    vgg_index_update_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_index_update_options", error);
    if (status == VGG_OK && changes != NULL)
        status = vgg_result_check(changes, "vgg_index_changes", error);
    if (status != VGG_OK)
        return status;
    vgg_error own;
    update u = {.index = index,
                .options = &options,
                .next = next,
                .next_user = next_user,
                .changes = {.struct_size = sizeof u.changes},
                .error = error != NULL ? error : &own};
    status = run(&u, u.error);
    if (changes != NULL)
        vgg_result_write(changes, &u.changes, sizeof u.changes, "vgg_index_changes", NULL);
    return status;
}
