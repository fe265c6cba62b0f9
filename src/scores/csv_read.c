/* Scores from CSV, of ours or of another program. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "scores/csv_columns.h"

#define NOWHERE SIZE_MAX

static const char *const name_words[] = {"name",    "image",     "file",       "filename",
                                         "path",    "file_name", "image_path", "filepath",
                                         "picture", "id",        "image_id",   "img"};
static const char *const truth_words[] = {"truth",  "true",   "label",       "target",
                                          "y_true", "actual", "true_label",  "class",
                                          "labels", "y",      "ground_truth"};
static const char *const predicted_words[] = {"predicted", "prediction", "pred", "y_pred",
                                              "predicted_label"};
#define WORDS(words) words, sizeof words / sizeof *words

typedef struct csv_reading {
    vgg_csv csv;
    vgg_score_file file;
    size_t fields; /* of each line */
    size_t name, truth, predicted;
    size_t *scores; /* where the columns stand that may be scores, file.columns of them */
    vgg_score_columns columns;
} csv_reading;

/* ---- the first line ---- */

static size_t find_column(const vgg_csv *csv, const char *const *words, size_t count) {
    for (size_t w = 0; w < count; w++) {
        for (size_t i = 0; i < csv->count; i++) {
            if (strcasecmp(csv->fields[i], words[w]) == 0)
                return i;
        }
    }
    return NOWHERE;
}

/* Whether a column may be one of scores; the first of pandas has the numbers of the rows. */
static bool may_be_scores(const csv_reading *r, size_t column) {
    const char *name = r->csv.fields[column];
    return column != r->name && column != r->truth && column != r->predicted && name[0] != '\0' &&
           strncasecmp(name, "Unnamed:", 8) != 0;
}

static vgg_status find_scores(csv_reading *r, vgg_error *error) {
    r->scores = vgg_calloc(r->csv.count + 1, sizeof *r->scores);
    r->file.classes = vgg_calloc(r->csv.count + 1, sizeof *r->file.classes);
    r->columns.texts = vgg_calloc(r->csv.count + 1, sizeof *r->columns.texts);
    if (r->scores == NULL || r->file.classes == NULL || r->columns.texts == NULL)
        return vgg_fail_memory(error, "the columns of scores", r->csv.count * sizeof *r->scores);
    for (size_t i = 0; i < r->csv.count; i++) {
        if (!may_be_scores(r, i))
            continue;
        r->scores[r->file.columns] = i;
        r->file.classes[r->file.columns++] = r->csv.fields[i];
    }
    return VGG_OK;
}

static vgg_status read_head(csv_reading *r, vgg_error *error) {
    bool more;
    vgg_status status = vgg_csv_next(&r->csv, &more, error);
    if (status != VGG_OK)
        return status;
    r->fields = r->csv.count;
    r->truth = find_column(&r->csv, WORDS(truth_words));
    r->predicted = find_column(&r->csv, WORDS(predicted_words));
    r->name = find_column(&r->csv, WORDS(name_words));
    if (r->truth == NOWHERE)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its first line calls no column truth; expected name,truth,predicted, "
                        "or name,truth and a column of scores for each class",
                        r->file.path);
    r->columns.predicted = r->predicted != NOWHERE;
    return find_scores(r, error);
}

/* ---- the others ---- */

/* Room for what the fields of one more line are. */
static vgg_status grow_fields(csv_reading *r, vgg_error *error) {
    vgg_score_columns *columns = &r->columns;
    size_t wanted = vgg_size_max(2 * columns->capacity, 64), bytes = SIZE_MAX;
    if (r->file.count <= columns->capacity)
        return VGG_OK;
    unsigned char *larger = NULL;
    if (vgg_size_mul(wanted, r->file.columns, &bytes))
        larger = vgg_realloc(columns->fields, bytes);
    if (larger == NULL)
        return vgg_fail_memory(error, "the scores of pictures", bytes);
    columns->fields = larger;
    columns->capacity = wanted;
    return VGG_OK;
}

/* Which of the fields are numbers, and those. */
static void read_row(csv_reading *r, float *row, unsigned char *fields) {
    for (size_t c = 0; c < r->file.columns; c++) {
        const char *text = r->csv.fields[r->scores[c]];
        char *end;
        row[c] = strtof(text, &end);
        bool number = end != text && end[strspn(end, " ")] == '\0';
        fields[c] = text[0] == '\0' ? VGG_FIELD_EMPTY : number ? VGG_FIELD_NUMBER : VGG_FIELD_TEXT;
        if (fields[c] == VGG_FIELD_TEXT && r->columns.texts[c] == NULL)
            r->columns.texts[c] = text;
    }
}

static vgg_status read_line(csv_reading *r, vgg_error *error) {
    char **fields = r->csv.fields;
    if (r->csv.count != r->fields)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: line %zu has %zu fields; expected %zu",
                        r->file.path, r->csv.line, r->csv.count, r->fields);
    const vgg_score_line line = {.name = r->name == NOWHERE ? NULL : fields[r->name],
                                 .truth = fields[r->truth],
                                 .predicted = r->predicted == NOWHERE ? "" : fields[r->predicted],
                                 .line = r->csv.line};
    if (*line.truth == '\0')
        return vgg_csv_fail(&r->csv, "does not say the class", error);
    vgg_status status = vgg_score_file_add(&r->file, &line, error);
    if (status == VGG_OK && r->file.columns > 0)
        status = grow_fields(r, error);
    if (status != VGG_OK || r->file.columns == 0)
        return status;
    size_t at = (r->file.count - 1) * r->file.columns;
    read_row(r, r->file.rows + at, r->columns.fields + at);
    return VGG_OK;
}

static vgg_status read_lines(csv_reading *r, vgg_error *error) {
    vgg_status status = read_head(r, error);
    for (bool more = true; status == VGG_OK && more;) {
        status = vgg_csv_next(&r->csv, &more, error);
        if (status == VGG_OK && more)
            status = read_line(r, error);
    }
    r->columns.file = &r->file;
    return status == VGG_OK ? vgg_score_columns_choose(&r->columns, error) : status;
}

vgg_status vgg_scores_read_csv(const char *path, const vgg_scores_read_options *options,
                               vgg_scores **scores, vgg_error *error) {
    unsigned char *text = NULL;
    size_t size;
    vgg_status status = vgg_file_read(path, VGG_SCORE_FILE_BYTES, &text, &size, error);
    if (status != VGG_OK)
        return status;
    text[size] = '\0'; /* vgg_file_read leaves room for it */
    csv_reading r = {.file = {.path = path, .unit = "line"}};
    status = vgg_csv_open(&r.csv, (char *)text, size, path, VGG_SCORE_CLASSES, error);
    if (status == VGG_OK)
        status = read_lines(&r, error);
    if (status == VGG_OK)
        status = vgg_score_file_take(&r.file, options, scores, error);
    vgg_csv_close(&r.csv);
    vgg_score_file_free(&r.file);
    vgg_free(r.columns.fields);
    vgg_free(r.columns.texts);
    vgg_free(r.scores);
    vgg_free(text);
    return status;
}
