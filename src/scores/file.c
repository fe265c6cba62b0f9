/* From what a file says to scores. */
#include "scores/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

void vgg_score_file_free(vgg_score_file *file) {
    vgg_free(file->lines);
    vgg_free(file->classes);
    vgg_free(file->rows);
    *file = (vgg_score_file){0};
}

static vgg_status grow_rows(vgg_score_file *file, vgg_error *error) {
    size_t wanted = vgg_size_max(2 * file->row_capacity, 64), floats, bytes;
    if (!vgg_size_mul(wanted, file->columns, &floats) ||
        !vgg_size_mul(floats, sizeof *file->rows, &bytes))
        return vgg_fail_memory(error, "the scores of pictures", SIZE_MAX);
    float *larger = vgg_realloc(file->rows, bytes);
    if (larger == NULL)
        return vgg_fail_memory(error, "the scores of pictures", bytes);
    file->rows = larger;
    file->row_capacity = wanted;
    return VGG_OK;
}

vgg_status vgg_score_file_add(vgg_score_file *file, const vgg_score_line *line, vgg_error *error) {
    if (file->count == file->capacity) {
        size_t wanted = vgg_size_max(2 * file->capacity, 64);
        vgg_score_line *larger = vgg_realloc(file->lines, wanted * sizeof *larger);
        if (larger == NULL)
            return vgg_fail_memory(error, "the scores of pictures", wanted * sizeof *larger);
        file->lines = larger;
        file->capacity = wanted;
    }
    if (file->columns > 0 && file->count == file->row_capacity) {
        vgg_status status = grow_rows(file, error);
        if (status != VGG_OK)
            return status;
    }
    file->lines[file->count++] = *line;
    return VGG_OK;
}

/* ---- classes ---- */

static int compare_texts(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The different texts that truth and prediction have, sorted; freed by the caller. */
static vgg_status named_classes(const vgg_score_file *file, const char ***names, size_t *count,
                                vgg_error *error) {
    const char **all = vgg_calloc(file->count + 1, 2 * sizeof *all);
    if (all == NULL)
        return vgg_fail_memory(error, "the class names", file->count * 2 * sizeof *all);
    size_t texts = 0, different = 0;
    for (size_t i = 0; i < file->count; i++) {
        all[texts++] = file->lines[i].truth;
        if (!file->lines[i].unread)
            all[texts++] = file->lines[i].predicted;
    }
    qsort(all, texts, sizeof *all, compare_texts);
    for (size_t i = 0; i < texts; i++) {
        if (different == 0 || strcmp(all[different - 1], all[i]) != 0)
            all[different++] = all[i];
    }
    *names = all;
    *count = different;
    return VGG_OK;
}

/* Numbers alone are those of the classes 0 up to the highest, unless that is a large one. */
static bool are_numbers(const char *const *names, size_t count, size_t *classes) {
    *classes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t number;
        if (!vgg_score_number(names[i], &number) || number >= VGG_SCORE_NUMBERS)
            return false;
        *classes = vgg_size_max(*classes, number + 1);
    }
    return true;
}

/* "0" up to the last; each freed by the caller with vgg_score_labels_free. */
static vgg_status number_labels(size_t count, vgg_score_labels *labels, vgg_error *error) {
    char(*numbers)[24] = vgg_calloc(count + 1, sizeof *numbers);
    const char **names = vgg_calloc(count + 1, sizeof *names);
    vgg_status status = VGG_OK;
    if (numbers == NULL || names == NULL)
        status = vgg_fail_memory(error, "the class names", count * (24 + sizeof *names));
    for (size_t i = 0; status == VGG_OK && i < count; i++) {
        snprintf(numbers[i], sizeof *numbers, "%zu", i);
        names[i] = numbers[i];
    }
    if (status == VGG_OK)
        status = vgg_score_labels_make(names, count, labels, error);
    vgg_free(names);
    vgg_free(numbers);
    return status;
}

static vgg_status labels_of_names(const vgg_score_file *file, vgg_score_labels *labels,
                                  vgg_error *error) {
    const char **names = NULL;
    size_t count = 0, classes;
    vgg_status status = named_classes(file, &names, &count, error);
    if (status != VGG_OK)
        return status;
    if (are_numbers(names, count, &classes))
        status = number_labels(classes, labels, error);
    else
        status = vgg_score_labels_make(names, count, labels, error);
    labels->told = true;
    vgg_free(names);
    return status;
}

/* The classes that were asked for are those of the columns. */
static vgg_status check_asked(const vgg_score_file *file, const vgg_score_labels *labels,
                              vgg_error *error) {
    if (file->columns == 0)
        return VGG_OK;
    if (labels->count != file->columns)
        return vgg_fail(error, VGG_ERROR_SHAPE, "%s: has scores of %zu classes, expected %zu",
                        file->path, file->columns, labels->count);
    for (size_t c = 0; file->class_count > 0 && c < labels->count; c++) {
        if (strcmp(labels->texts[c], file->classes[c]) != 0)
            return vgg_fail(error, VGG_ERROR_SHAPE,
                            "%s: its class %zu is \"%.80s\", expected \"%.80s\"", file->path, c,
                            file->classes[c], labels->texts[c]);
    }
    return VGG_OK;
}

static vgg_status make_labels(const vgg_score_file *file, const vgg_scores_read_options *options,
                              vgg_score_labels *labels, vgg_error *error) {
    if (options->class_names != NULL) {
        vgg_status status =
            vgg_score_labels_make(options->class_names, options->classes, labels, error);
        return status == VGG_OK ? check_asked(file, labels, error) : status;
    }
    if (file->class_count > 0)
        return vgg_score_labels_make(file->classes, file->class_count, labels, error);
    if (file->columns > 0)
        return number_labels(file->columns, labels, error);
    return labels_of_names(file, labels, error);
}

/* ---- pictures ---- */

/* Whether each picture's scores are within 0 and 1 and 1 together. */
static bool are_probabilities(const vgg_score_file *file) {
    for (size_t i = 0; i < file->count; i++) {
        const float *row = file->rows + i * file->columns;
        double sum = 0;
        bool within = true;
        for (size_t c = 0; c < file->columns; c++) {
            within &= row[c] >= 0 && row[c] <= 1;
            sum += (double)row[c];
        }
        if (!file->lines[i].unread && (!within || fabs(sum - 1) > 0.01))
            return false;
    }
    return true;
}

static vgg_score_kind kind_of(const vgg_score_file *file) {
    if (file->columns == 0)
        return VGG_SCORE_PREDICTED;
    if (file->kind_said)
        return file->kind;
    return are_probabilities(file) ? VGG_SCORE_PROBABILITIES : VGG_SCORE_LOGITS;
}

static vgg_status find_class(const vgg_score_file *file, const vgg_score_labels *labels,
                             const vgg_score_line *line, const char *text, size_t *class_index,
                             vgg_error *error) {
    bool numbered = file->numbered && !labels->told;
    if (numbered && vgg_score_number(text, class_index) && *class_index < labels->count)
        return VGG_OK;
    *class_index = vgg_score_labels_find(labels, text);
    if (*class_index < labels->count)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: %s %zu says class \"%.80s\", which %s",
                    file->path, file->unit, line->line, text,
                    file->columns > 0 ? "none of its columns is called" : "is not known");
}

static vgg_status add_line(const vgg_score_file *file, const vgg_score_labels *labels, size_t i,
                           vgg_scores *scores, vgg_error *error) {
    const vgg_score_line *line = &file->lines[i];
    size_t truth = 0, predicted = 0;
    char number[40];
    snprintf(number, sizeof number, "picture %zu", i);
    const char *name = line->name != NULL ? line->name : number;
    vgg_status status = find_class(file, labels, line, line->truth, &truth, error);
    if (status != VGG_OK)
        return status;
    if (line->unread)
        return vgg_scores_add_unreadable(scores, name, truth, error);
    if (file->columns > 0)
        status = vgg_scores_add(scores, name, truth, file->rows + i * file->columns, error);
    else
        status = find_class(file, labels, line, line->predicted, &predicted, error);
    if (status == VGG_OK && file->columns == 0)
        status = vgg_scores_add_predicted(scores, name, truth, predicted, error);
    else if (status != VGG_OK && file->columns > 0)
        vgg_error_prefix(error, "%s: %s %zu", file->path, file->unit, line->line);
    return status;
}

vgg_status vgg_score_file_take(const vgg_score_file *file, const vgg_scores_read_options *options,
                               vgg_scores **scores, vgg_error *error) {
    vgg_score_labels labels = {0};
    vgg_scores_options making;
    vgg_scores_options_init(&making, sizeof making);
    making.kind = kind_of(file);
    making.rows = options->rows;
    if (file->count == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has no pictures", file->path);
    vgg_scores *made = NULL;
    vgg_status status = make_labels(file, options, &labels, error);
    const char *const *names =
        options->class_names != NULL ? options->class_names : (const char *const *)labels.texts;
    if (status == VGG_OK)
        status = vgg_scores_create(names, labels.count, &making, &made, error);
    for (size_t i = 0; status == VGG_OK && i < file->count; i++) {
        status = add_line(file, &labels, i, made, error);
    }
    vgg_score_labels_free(&labels);
    if (status != VGG_OK) {
        vgg_scores_free(made);
        return status;
    }
    *scores = made;
    return VGG_OK;
}
