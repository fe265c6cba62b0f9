#include "data/table.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "vgg/image.h"

#define COLUMNS_MOST 64

void vgg_table_clear(vgg_table *table) {
    vgg_free(table->text);
    vgg_free(table->names);
    vgg_free(table->rows);
    *table = (vgg_table){0};
}

vgg_status vgg_table_add(vgg_table *table, vgg_row row, const char *name, vgg_error *error) {
    if (table->count == VGG_LIMIT_ENTRIES)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: has more than the limit of %zu lines",
                        name, VGG_LIMIT_ENTRIES);
    if (table->count == table->capacity) {
        size_t wanted = vgg_size_max(2 * table->capacity, 64);
        vgg_row *larger = vgg_realloc(table->rows, wanted * sizeof *larger);
        if (larger == NULL)
            return vgg_fail_memory(error, name, wanted * sizeof *larger);
        table->rows = larger;
        table->capacity = wanted;
    }
    table->rows[table->count++] = row;
    return VGG_OK;
}

/* ---- CSV ---- */

typedef struct table_reader {
    vgg_csv csv;
    size_t picture, label, part; /* columns; COLUMNS_MOST: there is none, of a part alone */
    bool allowed;                /* several labels of a picture, or none */
    size_t unlabelled;           /* the first line that has none; 0: each has one */
    vgg_error *error;
} table_reader;

static vgg_status fail_line(const table_reader *reader, const char *what) {
    return vgg_csv_fail(&reader->csv, what, reader->error);
}

static bool is_one_of(const char *word, const char *const *words) {
    for (; *words != NULL; words++) {
        if (strcasecmp(word, *words) == 0)
            return true;
    }
    return false;
}

static const char *const picture_words[] = {
    "image", "images",   "file",      "filename",   "file_name",  "file name",
    "path",  "filepath", "file_path", "image_path", "image_name", "image_id",
    "img",   "id",       "name",      "picture",    NULL};
static const char *const label_words[] = {
    "label",       "labels", "class",   "classes", "class_name", "category",   "target", "breed",
    "class_label", "tags",   "species", "y",       "answer",     "label_name", NULL};
static const char *const part_words[] = {"split",     "set",      "part",  "subset",
                                         "partition", "data set", "usage", NULL};

/* The first column that is called by one of the words; COLUMNS_MOST when none is. */
static size_t find_column(const vgg_csv *csv, const char *const *words) {
    for (size_t i = 0; i < csv->count; i++) {
        if (is_one_of(csv->fields[i], words))
            return i;
    }
    return COLUMNS_MOST;
}

/* Whether the record is a line of names, which then say the columns. */
static vgg_status read_names(table_reader *reader, bool *names) {
    const vgg_csv *csv = &reader->csv;
    reader->picture = find_column(csv, picture_words);
    reader->label = find_column(csv, label_words);
    reader->part = find_column(csv, part_words);
    *names = !vgg_image_name_is_picture(csv->fields[0]) &&
             (reader->picture < COLUMNS_MOST || reader->label < COLUMNS_MOST);
    if (!*names)
        reader->part = reader->picture = reader->label = COLUMNS_MOST;
    if (csv->count == 2 && reader->picture == COLUMNS_MOST && reader->label == COLUMNS_MOST)
        reader->picture = 0;
    if (csv->count == 2 && reader->picture == COLUMNS_MOST)
        reader->picture = 1 - reader->label;
    if (csv->count == 2 && reader->label == COLUMNS_MOST)
        reader->label = 1 - reader->picture;
    if (reader->picture < COLUMNS_MOST && reader->label < COLUMNS_MOST)
        return VGG_OK;
    if (csv->count == 1)
        return fail_line(reader, "has one field; expected two, image,label, separated by a comma");
    return fail_line(reader,
                     "does not say which of its fields are the picture and the label; expected "
                     "image,label, or a first line that calls them image and label");
}

/* Cuts a field into the labels that semicolons separate, without the blanks around them, one behind
 * the zero of another. */
static vgg_status cut_labels(const table_reader *reader, char *field, size_t *count) {
    char *to = field;
    *count = 0;
    for (char *at = field, *next; at != NULL; at = next) {
        next = strchr(at, ';');
        if (next != NULL)
            *next++ = '\0';
        at += strspn(at, " \t");
        size_t length = strlen(at);
        while (length > 0 && strchr(" \t", at[length - 1]) != NULL) {
            length--;
        }
        if (length == 0)
            return fail_line(reader, "has an empty label among those that semicolons separate");
        memmove(to, at, length);
        to[length] = '\0';
        to += length + 1;
        (*count)++;
    }
    return VGG_OK;
}

/* Several labels are separated by semicolons. */
static vgg_status take_labels(table_reader *reader, char *field, vgg_row *row, bool *several) {
    const vgg_csv *csv = &reader->csv;
    size_t labels = 1;
    for (const char *at = field; *at != '\0'; at++) {
        labels += *at == ';';
    }
    row->label = field;
    row->labels = *field == '\0' ? 0 : 1;
    if (row->labels == 0 && !reader->allowed)
        return fail_line(reader, "has no label");
    if (row->labels == 0 && reader->unlabelled == 0)
        reader->unlabelled = csv->line;
    if (labels == 1)
        return VGG_OK;
    *several = true;
    if (reader->allowed)
        return cut_labels(reader, field, &row->labels);
    return vgg_fail(reader->error, VGG_ERROR_UNSUPPORTED,
                    "%s: line %zu gives the picture %.200s %zu labels (%.200s); expected one, "
                    "where a picture is to have one class",
                    csv->name, csv->line, csv->fields[reader->picture], labels, field);
}

const char *vgg_table_next_label(const char *label) {
    return label + strlen(label) + 1;
}

static vgg_status take_record(table_reader *reader, size_t columns, vgg_table *table) {
    const vgg_csv *csv = &reader->csv;
    if (csv->count != columns)
        return vgg_fail(reader->error, VGG_ERROR_FORMAT,
                        "%s: line %zu has %zu fields; expected %zu", csv->name, csv->line,
                        csv->count, columns);
    vgg_row row = {.picture = csv->fields[reader->picture], .line = csv->line};
    vgg_status status = take_labels(reader, csv->fields[reader->label], &row, &table->several);
    if (status == VGG_OK && *row.picture == '\0')
        status = fail_line(reader, "names no picture");
    if (status != VGG_OK)
        return status;
    if (reader->part < COLUMNS_MOST) {
        row.part = vgg_part_kind_of(csv->fields[reader->part]);
        if (row.part == VGG_PART_NONE)
            return vgg_fail(reader->error, VGG_ERROR_FORMAT,
                            "%s: line %zu says part \"%.60s\"; expected train, validation or test",
                            csv->name, csv->line, csv->fields[reader->part]);
    }
    return vgg_table_add(table, row, csv->name, reader->error);
}

vgg_status vgg_table_read_csv(char *text, size_t size, const char *name, bool allowed,
                              vgg_table *table, vgg_error *error) {
    table->text = text;
    table_reader reader = {.error = error, .allowed = allowed};
    vgg_status status = vgg_csv_open(&reader.csv, text, size, name, COLUMNS_MOST, error);
    size_t columns = 0;
    for (;;) {
        bool more = false, names = false;
        if (status == VGG_OK)
            status = vgg_csv_next(&reader.csv, &more, error);
        if (!more)
            break;
        if (status == VGG_OK && columns == 0) {
            columns = reader.csv.count;
            status = read_names(&reader, &names);
        }
        if (status == VGG_OK && !names)
            status = take_record(&reader, columns, table);
    }
    vgg_csv_close(&reader.csv);
    if (status == VGG_OK && reader.unlabelled > 0 && !table->several)
        status =
            vgg_fail(error, VGG_ERROR_FORMAT, "%s: line %zu has no label", name, reader.unlabelled);
    if (status == VGG_OK && table->count == 0)
        status = vgg_fail(error, VGG_ERROR_FORMAT,
                          "%s: names no pictures; expected lines of image,label", name);
    return status;
}

/* ---- annotations ---- */

vgg_status vgg_table_read_annotations(char *text, size_t size, const char *name, bool allowed,
                                      vgg_table *table, vgg_error *error) {
    (void)allowed;
    table->text = text;
    vgg_status status = vgg_csv_check(text, size, name, error);
    size_t line = 0;
    char *rest = text;
    while (status == VGG_OK && *rest != '\0') {
        char *at = rest;
        size_t length = strcspn(at, "\r\n");
        rest = at + length + strspn(at + length, "\r");
        rest += *rest == '\n';
        at[length] = '\0';
        line++;
        if (length == 0)
            continue;
        char *label = strchr(at, '\t');
        if (label == NULL || label[1] == '\0' || label[1] == '\t')
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: line %zu is not a picture, a tab and its class", name, line);
        *label++ = '\0';
        label[strcspn(label, "\t")] = '\0';
        status = vgg_table_add(table,
                               (vgg_row){.picture = at, .label = label, .labels = 1, .line = line},
                               name, error);
    }
    if (status == VGG_OK && table->count == 0)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: names no pictures", name);
    return status;
}
