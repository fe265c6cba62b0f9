#include "data/table.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "vgg/image.h"

#define COLUMNS_MOST 64

void vgg_table_clear(vgg_table *table) {
    vgg_free(table->text);
    vgg_free(table->rows);
    *table = (vgg_table){0};
}

static vgg_status add_row(vgg_table *table, vgg_row row, const char *name, vgg_error *error) {
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

/* A zero would end the text early; in other encodings than UTF-8 every other byte is one. */
static vgg_status check_text(const char *text, size_t size, const char *name, vgg_error *error) {
    size_t length = strlen(text);
    if (length == size)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: byte %zu is 0; expected text in UTF-8", name,
                    length);
}

/* ---- CSV ---- */

typedef struct csv_reader {
    const char *name;
    char *at;
    size_t line; /* of the record, from 1 */
    size_t next_line;
    char *fields[COLUMNS_MOST];
    size_t count;
    size_t picture, label, part; /* columns; part may be COLUMNS_MOST */
    vgg_error *error;
} csv_reader;

static vgg_status fail_line(const csv_reader *csv, const char *what) {
    return vgg_fail(csv->error, VGG_ERROR_FORMAT, "%s: line %zu %s", csv->name, csv->line, what);
}

/* A field in quotes, whose doubled quotes become one, in place; csv->at is behind the first. */
static vgg_status read_quoted(csv_reader *csv) {
    char *to = csv->at;
    csv->fields[csv->count++] = to;
    for (;; csv->at++) {
        if (*csv->at == '\0')
            return fail_line(csv, "begins a field in quotes that does not end");
        if (*csv->at == '"' && csv->at[1] != '"')
            break;
        csv->at += *csv->at == '"';
        csv->next_line += *csv->at == '\n';
        *to++ = *csv->at;
    }
    csv->at++;
    bool ends = *csv->at == '\0' || strchr(",\r\n", *csv->at) != NULL;
    *to = '\0';
    return ends ? VGG_OK : fail_line(csv, "goes on behind the quotes of a field");
}

/* The fields of the next record, which end where csv->at then is: *more is false at the end. */
static vgg_status read_record(csv_reader *csv, bool *more) {
    csv->count = 0;
    csv->line = csv->next_line;
    *more = *csv->at != '\0';
    for (bool in_record = *more; in_record;) {
        vgg_status status = VGG_OK;
        if (csv->count == COLUMNS_MOST)
            return fail_line(csv, "has more than 64 fields");
        if (*csv->at == '"') {
            csv->at++;
            status = read_quoted(csv);
        } else {
            csv->fields[csv->count++] = csv->at;
            csv->at += strcspn(csv->at, ",\r\n");
        }
        if (status != VGG_OK)
            return status;
        char end = *csv->at;
        in_record = end == ',';
        *csv->at = '\0';
        csv->at += end != '\0';
        if (end == '\r' && *csv->at == '\n')
            csv->at++;
        csv->next_line += end == '\r' || end == '\n';
    }
    return VGG_OK;
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
static size_t find_column(const csv_reader *csv, const char *const *words) {
    for (size_t i = 0; i < csv->count; i++) {
        if (is_one_of(csv->fields[i], words))
            return i;
    }
    return COLUMNS_MOST;
}

/* Whether the record is a line of names, which then say the columns. */
static vgg_status read_names(csv_reader *csv, bool *names) {
    csv->picture = find_column(csv, picture_words);
    csv->label = find_column(csv, label_words);
    csv->part = find_column(csv, part_words);
    *names = !vgg_image_name_is_picture(csv->fields[0]) &&
             (csv->picture < COLUMNS_MOST || csv->label < COLUMNS_MOST);
    if (!*names)
        csv->part = csv->picture = csv->label = COLUMNS_MOST;
    if (csv->count == 2 && csv->picture == COLUMNS_MOST && csv->label == COLUMNS_MOST)
        csv->picture = 0;
    if (csv->count == 2 && csv->picture == COLUMNS_MOST)
        csv->picture = 1 - csv->label;
    if (csv->count == 2 && csv->label == COLUMNS_MOST)
        csv->label = 1 - csv->picture;
    if (csv->picture < COLUMNS_MOST && csv->label < COLUMNS_MOST)
        return VGG_OK;
    if (csv->count == 1)
        return fail_line(csv, "has one field; expected two, image,label, separated by a comma");
    return fail_line(csv,
                     "does not say which of its fields are the picture and the label; expected "
                     "image,label, or a first line that calls them image and label");
}

/* Several labels are separated by semicolons. */
static vgg_status check_labels(const csv_reader *csv, const char *label) {
    size_t labels = 1;
    for (const char *at = label; *at != '\0'; at++) {
        labels += *at == ';';
    }
    if (labels == 1)
        return *label != '\0' ? VGG_OK : fail_line(csv, "has no label");
    return vgg_fail(csv->error, VGG_ERROR_UNSUPPORTED,
                    "%s: line %zu gives the picture %.200s %zu labels (%.200s); expected one: "
                    "networks are trained and measured on one label for each picture",
                    csv->name, csv->line, csv->fields[csv->picture], labels, label);
}

static vgg_status take_record(csv_reader *csv, size_t columns, vgg_table *table) {
    if (csv->count != columns)
        return vgg_fail(csv->error, VGG_ERROR_FORMAT, "%s: line %zu has %zu fields; expected %zu",
                        csv->name, csv->line, csv->count, columns);
    vgg_row row = {
        .picture = csv->fields[csv->picture], .label = csv->fields[csv->label], .line = csv->line};
    vgg_status status = check_labels(csv, row.label);
    if (status == VGG_OK && *row.picture == '\0')
        status = fail_line(csv, "names no picture");
    if (status != VGG_OK)
        return status;
    if (csv->part < COLUMNS_MOST) {
        row.part = vgg_part_kind_of(csv->fields[csv->part]);
        if (row.part == VGG_PART_NONE)
            return vgg_fail(csv->error, VGG_ERROR_FORMAT,
                            "%s: line %zu says part \"%.60s\"; expected train, validation or test",
                            csv->name, csv->line, csv->fields[csv->part]);
    }
    return add_row(table, row, csv->name, csv->error);
}

vgg_status vgg_table_read_csv(char *text, size_t size, const char *name, vgg_table *table,
                              vgg_error *error) {
    table->text = text;
    csv_reader csv = {.name = name, .at = text, .next_line = 1, .error = error};
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        csv.at += 3;
    vgg_status status = check_text(text, size, name, error);
    size_t columns = 0;
    for (bool more = true; status == VGG_OK && more;) {
        status = read_record(&csv, &more);
        bool blank = csv.count <= 1 && (csv.count == 0 || csv.fields[0][0] == '\0');
        if (status != VGG_OK || blank)
            continue;
        bool names = false;
        if (columns == 0) {
            columns = csv.count;
            status = read_names(&csv, &names);
        }
        if (status == VGG_OK && !names)
            status = take_record(&csv, columns, table);
    }
    if (status == VGG_OK && table->count == 0)
        status = vgg_fail(error, VGG_ERROR_FORMAT,
                          "%s: names no pictures; expected lines of image,label", name);
    return status;
}

/* ---- annotations ---- */

vgg_status vgg_table_read_annotations(char *text, size_t size, const char *name, vgg_table *table,
                                      vgg_error *error) {
    table->text = text;
    vgg_status status = check_text(text, size, name, error);
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
        status =
            add_row(table, (vgg_row){.picture = at, .label = label, .line = line}, name, error);
    }
    if (status == VGG_OK && table->count == 0)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: names no pictures", name);
    return status;
}
