/* Scores from CSV, of ours or of another program. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "scores/file.h"

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

/* What a column of scores begins with. */
static const struct {
    const char *word;
    bool said;
    vgg_score_kind kind;
} prefixes[] = {
    {"logit", true, VGG_SCORE_LOGITS},        {"probability", true, VGG_SCORE_PROBABILITIES},
    {"proba", true, VGG_SCORE_PROBABILITIES}, {"prob", true, VGG_SCORE_PROBABILITIES},
    {"score", false, VGG_SCORE_LOGITS},       {"p", false, VGG_SCORE_LOGITS},
};
#define PREFIXES (sizeof prefixes / sizeof *prefixes)

typedef struct csv_reading {
    vgg_csv csv;
    vgg_score_file file;
    size_t fields; /* of each line */
    size_t name, truth, predicted;
    size_t *scores; /* columns of the classes, file.columns of them */
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

/* The class that a column's name has behind the prefix; NULL when it does not begin so. */
static const char *behind(const char *column, const char *prefix) {
    size_t length = strlen(prefix);
    if (strncasecmp(column, prefix, length) != 0 || column[length] == '\0' ||
        strchr(":_- ./", column[length]) == NULL || column[length + 1] == '\0')
        return NULL;
    return column + length + 1;
}

static bool is_other(const csv_reading *r, size_t column) {
    static const char *const others[] = {"confidence", "loss", "split", "part", "rank"};
    if (column == r->name || column == r->truth || column == r->predicted)
        return false;
    /* The numbers of the rows, as pandas writes them. */
    if (r->csv.fields[column][0] == '\0' || strncasecmp(r->csv.fields[column], "Unnamed:", 8) == 0)
        return false;
    return vgg_text_find(r->csv.fields[column], others, sizeof others / sizeof *others) ==
           sizeof others / sizeof *others;
}

/* Takes the columns that have the prefix, or, without one, all that are left. */
static void take_columns(csv_reading *r, const char *prefix) {
    for (size_t i = 0; i < r->csv.count; i++) {
        const char *column = r->csv.fields[i];
        const char *name = prefix != NULL ? behind(column, prefix) : column;
        if (name == NULL || !is_other(r, i))
            continue;
        r->scores[r->file.columns] = i;
        r->file.classes[r->file.columns++] = name;
    }
}

static vgg_status find_scores(csv_reading *r, vgg_error *error) {
    r->scores = vgg_calloc(r->csv.count + 1, sizeof *r->scores);
    r->file.classes = vgg_calloc(r->csv.count + 1, sizeof *r->file.classes);
    if (r->scores == NULL || r->file.classes == NULL)
        return vgg_fail_memory(error, "the columns of scores", r->csv.count * sizeof *r->scores);
    for (size_t p = 0; p < PREFIXES && r->file.columns < 2; p++) {
        r->file.columns = 0;
        take_columns(r, prefixes[p].word);
        r->file.kind_said = prefixes[p].said;
        r->file.kind = prefixes[p].kind;
    }
    if (r->file.columns < 2) {
        r->file.columns = 0;
        r->file.kind_said = false;
        if (r->predicted == NOWHERE)
            take_columns(r, NULL);
    }
    r->file.class_count = r->file.columns;
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
    status = find_scores(r, error);
    if (status == VGG_OK && r->predicted == NOWHERE && r->file.columns < 2)
        status = vgg_fail(error, VGG_ERROR_FORMAT,
                          "%s: its first line has neither a column called predicted nor one of "
                          "scores for each of two classes or more",
                          r->file.path);
    return status;
}

/* ---- the others ---- */

/* Whether there is nothing but the name and the class of the picture. */
static bool is_unread(const csv_reading *r) {
    bool empty = r->predicted == NOWHERE || *r->csv.fields[r->predicted] == '\0';
    for (size_t c = 0; empty && c < r->file.columns; c++) {
        empty = *r->csv.fields[r->scores[c]] == '\0';
    }
    return empty;
}

static vgg_status read_row(csv_reading *r, float *row, vgg_error *error) {
    for (size_t c = 0; c < r->file.columns; c++) {
        const char *text = r->csv.fields[r->scores[c]];
        char *end;
        row[c] = strtof(text, &end);
        if (end == text || end[strspn(end, " ")] != '\0')
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: line %zu has \"%.40s\" as the score of \"%.80s\", expected a "
                            "number",
                            r->file.path, r->csv.line, text, r->file.classes[c]);
    }
    return VGG_OK;
}

static vgg_status read_line(csv_reading *r, vgg_error *error) {
    char **fields = r->csv.fields;
    if (r->csv.count != r->fields)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: line %zu has %zu fields; expected %zu",
                        r->file.path, r->csv.line, r->csv.count, r->fields);
    const vgg_score_line line = {.name = r->name == NOWHERE ? NULL : fields[r->name],
                                 .truth = fields[r->truth],
                                 .predicted = r->predicted == NOWHERE ? "" : fields[r->predicted],
                                 .line = r->csv.line,
                                 .unread = is_unread(r)};
    if (*line.truth == '\0')
        return vgg_csv_fail(&r->csv, "does not say the class", error);
    vgg_status status = vgg_score_file_add(&r->file, &line, error);
    if (status != VGG_OK || r->file.columns == 0)
        return status;
    float *row = r->file.rows + (r->file.count - 1) * r->file.columns;
    if (!line.unread)
        return read_row(r, row, error);
    memset(row, 0, r->file.columns * sizeof *row);
    return VGG_OK;
}

static vgg_status read_lines(csv_reading *r, vgg_error *error) {
    vgg_status status = read_head(r, error);
    for (bool more = true; status == VGG_OK && more;) {
        status = vgg_csv_next(&r->csv, &more, error);
        if (status == VGG_OK && more)
            status = read_line(r, error);
    }
    return status;
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
    vgg_free(r.scores);
    vgg_free(text);
    return status;
}
