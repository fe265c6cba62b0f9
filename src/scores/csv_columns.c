#include "scores/csv_columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

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

/* What other columns are often called. */
static const char *const others[] = {"confidence", "loss",    "split", "part",  "rank",
                                     "fold",       "index",   "idx",   "id",    "seed",
                                     "epoch",      "correct", "width", "height"};
#define OTHERS (sizeof others / sizeof *others)

/* A choice under way. */
typedef struct choosing {
    vgg_score_columns *columns;
    const char **named; /* the classes that truths and predictions name, sorted */
    size_t named_count;
    bool numbers;         /* they all are */
    size_t *taken;        /* columns, `count` of them */
    const char **classes; /* what their classes are called */
    const char **sorted;  /* room for them */
    size_t count;
} choosing;

/* ---- names ---- */

static int compare_texts(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static vgg_status list_named(choosing *c, vgg_error *error) {
    const vgg_score_file *file = c->columns->file;
    size_t texts = 0, number;
    c->named = vgg_calloc(file->count + 1, 2 * sizeof *c->named);
    if (c->named == NULL)
        return vgg_fail_memory(error, "the class names", 2 * file->count * sizeof *c->named);
    for (size_t i = 0; i < file->count; i++) {
        c->named[texts++] = file->lines[i].truth;
        if (file->lines[i].predicted[0] != '\0')
            c->named[texts++] = file->lines[i].predicted;
    }
    qsort(c->named, texts, sizeof *c->named, compare_texts);
    c->numbers = true;
    for (size_t i = 0; i < texts; i++) {
        if (c->named_count == 0 || strcmp(c->named[c->named_count - 1], c->named[i]) != 0)
            c->named[c->named_count++] = c->named[i];
        c->numbers = c->numbers && vgg_score_number(c->named[i], &number);
    }
    return VGG_OK;
}

/* Whether a picture is of a class of that name, or classes are numbers and it is one. */
static bool is_named(const choosing *c, const char *name) {
    size_t number;
    return (c->numbers && vgg_score_number(name, &number)) ||
           bsearch(&name, c->named, c->named_count, sizeof *c->named, compare_texts) != NULL;
}

/* The class that a column's name has behind the prefix; NULL when it does not begin so. */
static const char *behind(const char *column, const char *prefix) {
    size_t length = strlen(prefix);
    if (strncasecmp(column, prefix, length) != 0 || column[length] == '\0' ||
        strchr(":_- ./", column[length]) == NULL || column[length + 1] == '\0')
        return NULL;
    return column + length + 1;
}

/* Whether each class that is named is that of a column that was taken, or the number of one. */
static bool covers(const choosing *c) {
    const char **sorted = c->sorted;
    size_t found = 0, number;
    memcpy(sorted, c->classes, c->count * sizeof *sorted);
    qsort(sorted, c->count, sizeof *sorted, compare_texts);
    for (size_t i = 0; i < c->named_count; i++) {
        found += bsearch(&c->named[i], sorted, c->count, sizeof *sorted, compare_texts) != NULL ||
                 (vgg_score_number(c->named[i], &number) && number < c->count);
    }
    return found == c->named_count;
}

/* ---- which ---- */

/* Takes the columns with the prefix. */
static void take_prefix(choosing *c, const char *prefix) {
    c->count = 0;
    for (size_t i = 0; i < c->columns->file->columns; i++) {
        const char *name = behind(c->columns->file->classes[i], prefix);
        if (name == NULL)
            continue;
        c->taken[c->count] = i;
        c->classes[c->count++] = name;
    }
}

/* Takes all columns whose names are those of classes, and with `all` those that may be, too. */
static void take_bare(choosing *c, bool all) {
    c->count = 0;
    for (size_t i = 0; i < c->columns->file->columns; i++) {
        const char *name = c->columns->file->classes[i];
        bool named = is_named(c, name);
        if (!named && (!all || vgg_text_find(name, others, OTHERS) < OTHERS))
            continue;
        c->taken[c->count] = i;
        c->classes[c->count++] = name;
    }
}

/* Whether the scores that were taken are probabilities of each picture: within 0 and 1, and 1
 * together. */
static bool sum_to_one(const choosing *c) {
    const vgg_score_file *file = c->columns->file;
    for (size_t i = 0; i < file->count; i++) {
        double sum = 0;
        size_t there = 0;
        for (size_t k = 0; k < c->count; k++) {
            size_t at = i * file->columns + c->taken[k];
            there += c->columns->fields[at] == VGG_FIELD_NUMBER;
            if (c->columns->fields[at] == VGG_FIELD_TEXT || file->rows[at] < 0 ||
                file->rows[at] > 1)
                return false;
            sum += (double)file->rows[at];
        }
        if (there > 0 && fabs(sum - 1) > 0.01)
            return false;
    }
    return true;
}

/* A column that was not taken and may be a score of a class: it has numbers only, and is not called
 * as other columns often are. NULL: there is none. */
static const char *doubtful(const choosing *c) {
    const vgg_score_columns *columns = c->columns;
    for (size_t i = 0, k = 0; i < columns->file->columns; i++) {
        const char *name = columns->file->classes[i];
        if (k < c->count && c->taken[k] == i)
            k++;
        else if (columns->texts[i] == NULL && vgg_text_find(name, others, OTHERS) == OTHERS)
            return name;
    }
    return NULL;
}

static vgg_status ask(const choosing *c, const char *column, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT,
                    "%s: its column \"%.60s\" may have scores of a class or not; expected all "
                    "columns of classes to be called probability:NAME or logit:NAME, or none to be "
                    "beside them",
                    c->columns->file->path, column);
}

/* Of pictures whose classes are numbers, columns that are called by names. */
static vgg_status choose_by_number(choosing *c, vgg_error *error) {
    size_t most = 0, number;
    for (size_t i = 0; i < c->named_count; i++) {
        if (vgg_score_number(c->named[i], &number))
            most = vgg_size_max(most, number);
    }
    take_bare(c, true);
    bool fits = c->count > most && c->count >= 2;
    if (fits && (sum_to_one(c) || (!c->columns->predicted && c->count == most + 1)))
        return VGG_OK;
    if (fits && !c->columns->predicted)
        return ask(c, c->classes[c->count - 1], error);
    c->count = c->columns->predicted ? 0 : c->count;
    return VGG_OK;
}

/* Columns that are called by classes alone. */
static vgg_status choose_bare(choosing *c, vgg_error *error) {
    take_bare(c, false);
    if (c->numbers && c->count == 0)
        return choose_by_number(c, error);
    size_t named = c->count;
    bool whole = named > 0 && covers(c), all_named;
    const char *first = named > 0 ? c->classes[0] : NULL;
    if (named == 0 && c->columns->predicted)
        return VGG_OK; /* they are something else */
    if (!whole && c->columns->predicted)
        return ask(c, first, error);
    take_bare(c, true);
    all_named = c->count == named;
    if (all_named || !whole || sum_to_one(c))
        return VGG_OK;
    take_bare(c, false);
    const char *other = doubtful(c);
    bool certain = named >= 2 && (other == NULL || sum_to_one(c));
    return certain ? VGG_OK : ask(c, other != NULL ? other : first, error);
}

static vgg_status choose(choosing *c, vgg_error *error) {
    vgg_score_file *file = c->columns->file;
    take_bare(c, false);
    bool bare = c->count >= 2 && covers(c);
    for (size_t p = 0; p < PREFIXES; p++) {
        take_prefix(c, prefixes[p].word);
        if (c->count < 2 || (bare && !covers(c)))
            continue;
        file->kind_said = prefixes[p].said;
        file->kind = prefixes[p].kind;
        const char *other = doubtful(c);
        return file->kind_said || other == NULL || sum_to_one(c) ? VGG_OK : ask(c, other, error);
    }
    file->kind_said = false;
    vgg_status status = choose_bare(c, error);
    if (status != VGG_OK || c->count >= 2)
        return status;
    c->count = 0;
    if (!c->columns->predicted)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: its first line has neither a column called predicted nor one of "
                        "scores for each of two classes or more",
                        file->path);
    return VGG_OK;
}

/* ---- what was chosen ---- */

/* Whether there is nothing but the name and the class of the picture. */
static bool is_unread(const choosing *c, size_t line) {
    const vgg_score_file *file = c->columns->file;
    bool empty = file->lines[line].predicted[0] == '\0';
    for (size_t k = 0; empty && k < c->count; k++) {
        empty = c->columns->fields[line * file->columns + c->taken[k]] == VGG_FIELD_EMPTY;
    }
    return empty;
}

static vgg_status check_line(const choosing *c, size_t line, vgg_error *error) {
    const vgg_score_file *file = c->columns->file;
    for (size_t k = 0; k < c->count && !file->lines[line].unread; k++) {
        size_t column = c->taken[k];
        vgg_score_field field = c->columns->fields[line * file->columns + column];
        if (field != VGG_FIELD_NUMBER)
            return vgg_fail(error, VGG_ERROR_FORMAT,
                            "%s: line %zu has \"%.40s\" as the score of \"%.80s\", expected a "
                            "number",
                            file->path, file->lines[line].line,
                            field == VGG_FIELD_TEXT ? c->columns->texts[column] : "",
                            c->classes[k]);
    }
    return VGG_OK;
}

static vgg_status keep_taken(choosing *c, vgg_error *error) {
    vgg_score_file *file = c->columns->file;
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < file->count; i++) {
        file->lines[i].unread = is_unread(c, i);
        status = check_line(c, i, error);
        for (size_t k = 0; k < c->count; k++) {
            file->rows[i * c->count + k] = file->rows[i * file->columns + c->taken[k]];
        }
    }
    memcpy(file->classes, c->classes, c->count * sizeof *file->classes);
    file->columns = file->class_count = c->count;
    return status;
}

vgg_status vgg_score_columns_choose(vgg_score_columns *columns, vgg_error *error) {
    size_t count = columns->file->columns;
    choosing c = {.columns = columns,
                  .taken = vgg_calloc(count + 1, sizeof *c.taken),
                  .classes = vgg_calloc(count + 1, sizeof *c.classes),
                  .sorted = vgg_calloc(count + 1, sizeof *c.sorted)};
    vgg_status status = VGG_OK;
    if (c.taken == NULL || c.classes == NULL || c.sorted == NULL)
        status = vgg_fail_memory(error, "the columns of scores", count * sizeof *c.taken);
    if (status == VGG_OK)
        status = list_named(&c, error);
    if (status == VGG_OK)
        status = choose(&c, error);
    if (status == VGG_OK)
        status = keep_taken(&c, error);
    vgg_free(c.named);
    vgg_free(c.taken);
    vgg_free(c.classes);
    vgg_free(c.sorted);
    return status;
}
