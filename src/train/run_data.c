/* What the data of a run is: an entry "data.<part>.<class>" for each class with its number of
 * pictures, their fingerprint, and the one of their contents where that was asked for. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "train/run.h"

/* Classes that a message names. */
#define NAMED_MOST 4

static const char *const part_names[] = {"train", "validation"};
static const char *const part_words[] = {"training", "validation"};
#define PARTS 2

/* ---- noting ---- */

static vgg_status set_class(vgg_notes *record, const char *key, size_t count, const uint64_t *sum,
                            const uint64_t *contents, vgg_error *error) {
    char value[96];
    int length = snprintf(value, sizeof value, "%zu %016" PRIx64, count, *sum);
    if (contents != NULL)
        snprintf(value + length, sizeof value - (size_t)length, " %016" PRIx64, *contents);
    return vgg_run_record_set(record, key, value, error);
}

static vgg_status note_classes(vgg_notes *record, const vgg_dataset *dataset, const char *part,
                               const size_t *counts, const uint64_t *sums, const uint64_t *contents,
                               vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t c = 0; status == VGG_OK && c < vgg_dataset_class_count(dataset); c++) {
        if (counts[c] == 0)
            continue;
        vgg_text text = {0};
        vgg_text_add(&text, "data.%s.%s", part, vgg_dataset_class_name(dataset, c));
        char *key = vgg_text_take(&text);
        if (key == NULL)
            return vgg_fail_memory(error, "the names of classes", sizeof text);
        status = set_class(record, key, counts[c], &sums[c], contents == NULL ? NULL : &contents[c],
                           error);
        vgg_free(key);
    }
    return status;
}

/* How many pictures of both parts were read. */
typedef struct reading {
    const vgg_run_look *look;
    size_t before, total; /* before: those of the parts that are done */
} reading;

static bool tell(void *user, size_t done, size_t count) {
    (void)count;
    const reading *r = user;
    const vgg_run_look *look = r->look;
    return look->progress == NULL || look->progress(look->user, r->before + done, r->total);
}

static vgg_status note_part(vgg_notes *record, const vgg_dataset *dataset, const char *part,
                            reading *read, vgg_error *error) {
    bool contents = read->look->contents;
    size_t classes = vgg_dataset_class_count(dataset);
    size_t *counts = vgg_calloc(classes, sizeof *counts);
    uint64_t *sums = vgg_calloc(2 * classes, sizeof *sums);
    vgg_status status = VGG_OK;
    if (counts == NULL || sums == NULL)
        status = vgg_fail_memory(error, "the fingerprint of the data", classes * sizeof *sums);
    if (status == VGG_OK)
        status = vgg_dataset_fingerprint(dataset, false, counts, sums, NULL, NULL, error);
    if (status == VGG_OK && contents)
        status = vgg_dataset_fingerprint(dataset, true, counts, sums + classes, tell, read, error);
    if (status == VGG_OK)
        status = note_classes(record, dataset, part, counts, sums, contents ? sums + classes : NULL,
                              error);
    vgg_free(counts);
    vgg_free(sums);
    return status;
}

static vgg_status note_parts(vgg_notes *record, const vgg_dataset *train,
                             const vgg_dataset *validation, const vgg_run_look *look,
                             vgg_error *error) {
    vgg_status status = VGG_OK;
    size_t training = train == NULL ? 0 : vgg_dataset_count(train);
    reading read = {.look = look, .total = training};
    read.total += validation == NULL ? 0 : vgg_dataset_count(validation);
    if (train != NULL)
        status = note_part(record, train, part_names[0], &read, error);
    read.before = training;
    if (status == VGG_OK && validation != NULL)
        status = note_part(record, validation, part_names[1], &read, error);
    return status;
}

/* The record without entries of data. */
static vgg_status forget_data(vgg_notes *record, vgg_error *error) {
    vgg_notes kept = {0};
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < record->count; i++) {
        if (strncmp(record->items[i].key, "data.", 5) != 0)
            status = vgg_run_record_set(&kept, record->items[i].key, record->items[i].value, error);
    }
    if (status != VGG_OK) {
        vgg_notes_free(&kept);
        return status;
    }
    vgg_notes_free(record);
    *record = kept;
    return VGG_OK;
}

vgg_status vgg_run_note_data(vgg_run *run, const vgg_dataset *train, const vgg_dataset *validation,
                             const vgg_run_look *look, vgg_error *error) {
    vgg_status status = forget_data(&run->next, error);
    return status == VGG_OK ? note_parts(&run->next, train, validation, look, error) : status;
}

/* ---- comparing ---- */

/* Of a class in a part. */
typedef struct noted_class {
    uint64_t count, sum, contents;
    bool has_contents;
} noted_class;

/* All zero when there is no such entry. */
static noted_class read_class(const vgg_notes *record, const char *key) {
    noted_class out = {0};
    const char *value = vgg_notes_find(record, key);
    if (value != NULL)
        out.has_contents = sscanf(value, "%" SCNu64 " %" SCNx64 " %" SCNx64, &out.count, &out.sum,
                                  &out.contents) == 3;
    return out;
}

/* What a line about changes says. */
typedef struct account {
    vgg_text text;
    size_t named, unnamed; /* classes that changed */
    uint64_t more, fewer;  /* pictures */
    size_t others;         /* classes with as many pictures, but others */
} account;

static void name_class(account *a, const char *part, const char *class_name, const noted_class *was,
                       const noted_class *is) {
    if (a->named == NAMED_MOST) {
        a->unnamed++;
        return;
    }
    vgg_text_add(&a->text, "%s", a->named++ > 0 ? "; " : "");
    if (is->count == 0)
        vgg_text_add(&a->text,
                     "class \"%s\" has no %s pictures any more, of %" PRIu64 " when the run began",
                     class_name, part, was->count);
    else if (is->count != was->count)
        vgg_text_add(&a->text,
                     "class \"%s\" has %" PRIu64 " %s pictures, %" PRIu64 " when the run began",
                     class_name, is->count, part, was->count);
    else
        vgg_text_add(&a->text, "class \"%s\" has other %s pictures", class_name, part);
}

static void compare_class(account *a, const char *part, const char *class_name,
                          const noted_class *was, const noted_class *is) {
    bool both = was->has_contents && is->has_contents;
    if (was->count == is->count && was->sum == is->sum && (!both || was->contents == is->contents))
        return;
    if (is->count > was->count)
        a->more += is->count - was->count;
    else if (is->count < was->count)
        a->fewer += was->count - is->count;
    else
        a->others++;
    name_class(a, part, class_name, was, is);
}

/* Classes of a part that either record has; those of both are compared once. */
static void compare_part(account *a, const vgg_notes *was, const vgg_notes *is, size_t part) {
    char start[32];
    size_t length = (size_t)snprintf(start, sizeof start, "data.%s.", part_names[part]);
    const vgg_notes *const both[] = {was, is};
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < both[side]->count; i++) {
            const char *key = both[side]->items[i].key;
            if (strncmp(key, start, length) != 0 || (side == 1 && vgg_notes_find(was, key) != NULL))
                continue;
            noted_class before = read_class(was, key), now = read_class(is, key);
            compare_class(a, part_words[part], key + length, &before, &now);
        }
    }
}

static const char *plural(uint64_t count) {
    return count == 1 ? "" : "s";
}

/* "3 pictures more, 1 picture fewer: class ..." */
static char *account_text(account *a) {
    vgg_text text = {0};
    const char *between = "";
    char *classes = vgg_text_take(&a->text);
    if (a->more > 0) {
        vgg_text_add(&text, "%" PRIu64 " picture%s more", a->more, plural(a->more));
        between = ", ";
    }
    if (a->fewer > 0) {
        vgg_text_add(&text, "%s%" PRIu64 " picture%s fewer", between, a->fewer, plural(a->fewer));
        between = ", ";
    }
    if (a->others > 0)
        vgg_text_add(&text, "%sother pictures in %zu class%s", between, a->others,
                     a->others == 1 ? "" : "es");
    vgg_text_add(&text, ": %s", classes == NULL ? "" : classes);
    if (a->unnamed > 0)
        vgg_text_add(&text, "; and %zu more of this kind", a->unnamed);
    text.failed = text.failed || classes == NULL;
    vgg_free(classes);
    return vgg_text_take(&text);
}

static bool knows_data(const vgg_notes *record) {
    for (size_t i = 0; i < record->count; i++) {
        if (strncmp(record->items[i].key, "data.", 5) == 0)
            return true;
    }
    return false;
}

vgg_status vgg_run_compare_data(vgg_run *run, const vgg_dataset *train,
                                const vgg_dataset *validation, const vgg_run_look *look,
                                char **changes, vgg_error *error) {
    *changes = NULL;
    if (!knows_data(&run->record) || (train == NULL && validation == NULL))
        return VGG_OK;
    vgg_notes now = {0};
    account found = {0};
    vgg_status status = note_parts(&now, train, validation, look, error);
    for (size_t part = 0; status == VGG_OK && part < PARTS; part++) {
        compare_part(&found, &run->record, &now, part);
    }
    bool changed = found.named > 0;
    if (status == VGG_OK && changed && (*changes = account_text(&found)) == NULL)
        status = vgg_fail_memory(error, "the changes of the data", sizeof found);
    vgg_text_free(&found.text);
    vgg_notes_free(&now);
    return status;
}

bool vgg_run_knows_contents(const vgg_run *run) {
    for (size_t i = 0; i < run->record.count; i++) {
        if (strncmp(run->record.items[i].key, "data.", 5) == 0 &&
            read_class(&run->record, run->record.items[i].key).has_contents)
            return true;
    }
    return false;
}
