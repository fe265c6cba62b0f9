#include "scores/scores.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "vgg/loss.h"

void vgg_scores_options_init(vgg_scores_options *options, size_t size) {
    const vgg_scores_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- making ---- */

char *vgg_scores_copy_class_name(const char *const *names, size_t c) {
    char number[24];
    snprintf(number, sizeof number, "%zu", c);
    return vgg_text_copy(names != NULL && names[c] != NULL ? names[c] : number);
}

static vgg_status copy_class_names(vgg_scores *scores, const char *const *names, size_t classes,
                                   vgg_error *error) {
    scores->class_names = vgg_calloc(classes, sizeof *scores->class_names);
    scores->counts = vgg_calloc(classes, sizeof *scores->counts);
    bool complete = scores->class_names != NULL && scores->counts != NULL;
    for (size_t c = 0; complete && c < classes; c++) {
        scores->class_names[c] = vgg_scores_copy_class_name(names, c);
        scores->classes = c + 1;
        complete = scores->class_names[c] != NULL;
    }
    return complete ? VGG_OK : vgg_fail_memory(error, "the class names", classes * sizeof(char *));
}

vgg_status vgg_scores_create(const char *const *class_names, size_t classes,
                             const vgg_scores_options *given, vgg_scores **scores,
                             vgg_error *error) {
    vgg_scores_options options;
    vgg_scores_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_scores_options", error);
    if (status != VGG_OK)
        return status;
    if (classes == 0 || classes > INT32_MAX)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "scores of %zu classes, expected at least one",
                        classes);
    if ((unsigned)options.kind > VGG_SCORE_PREDICTED)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "scores of kind %d, expected 0 to %d",
                        (int)options.kind, (int)VGG_SCORE_PREDICTED);
    vgg_scores *made = vgg_calloc(1, sizeof *made);
    if (made == NULL)
        return vgg_fail_memory(error, "scores", sizeof *made);
    made->kind = options.kind;
    made->rows = options.rows && options.kind != VGG_SCORE_PREDICTED;
    status = copy_class_names(made, class_names, classes, error);
    if (status != VGG_OK) {
        vgg_scores_free(made);
        return status;
    }
    *scores = made;
    return VGG_OK;
}

void vgg_scores_free(vgg_scores *scores) {
    if (scores == NULL)
        return;
    for (size_t c = 0; c < scores->classes; c++) {
        vgg_free(scores->class_names[c]);
    }
    for (size_t i = 0; i < scores->block_count; i++) {
        vgg_free(scores->blocks[i]);
    }
    vgg_free(scores->class_names);
    vgg_free(scores->counts);
    vgg_free(scores->blocks);
    vgg_free(scores->items);
    vgg_free(scores->unread);
    vgg_text_free(&scores->names);
    vgg_free(scores);
}

/* ---- adding ---- */

/* Room for one more element; false when memory ran out. */
static bool grow(void *items, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity)
        return true;
    size_t wanted = *capacity < 64 ? 64 : 2 * *capacity, bytes;
    void *old, *grown;
    memcpy(&old, items, sizeof old);
    if (!vgg_size_mul(wanted, size, &bytes) || (grown = vgg_realloc(old, bytes)) == NULL)
        return false;
    memcpy(items, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

static vgg_status add_name(vgg_scores *scores, const char *name, size_t *at, vgg_error *error) {
    *at = scores->names.length;
    vgg_text_add_bytes(&scores->names, name, strlen(name) + 1);
    if (!scores->names.failed)
        return VGG_OK;
    scores->names.failed = false; /* the names that there are stay */
    return vgg_fail_memory(error, "the names of pictures", 2 * scores->names.capacity);
}

/* Room for a picture's row, of which there is one block for each VGG_SCORE_BLOCK pictures. */
static vgg_status add_block(vgg_scores *scores, vgg_error *error) {
    size_t bytes;
    if (!scores->rows || scores->count < scores->block_count * VGG_SCORE_BLOCK)
        return VGG_OK;
    if (!vgg_size_mul(scores->classes, VGG_SCORE_BLOCK * sizeof(float), &bytes))
        bytes = SIZE_MAX;
    float *block =
        grow(&scores->blocks, scores->block_count, &scores->block_capacity, sizeof *scores->blocks)
            ? vgg_malloc(bytes)
            : NULL;
    if (block == NULL)
        return vgg_fail_memory(error, "the scores of pictures", bytes);
    scores->blocks[scores->block_count++] = block;
    return VGG_OK;
}

static vgg_status check_class(const vgg_scores *scores, const char *name, const char *what,
                              size_t class_index, vgg_error *error) {
    if (class_index < scores->classes)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT, "%s: its %s is class %zu, expected 0 to %zu", name,
                    what, class_index, scores->classes - 1);
}

static vgg_status check_row(const vgg_scores *scores, const char *name, const float *row,
                            vgg_error *error) {
    double sum = 0;
    for (size_t c = 0; c < scores->classes; c++) {
        if (!isfinite(row[c]))
            return vgg_fail(error, VGG_ERROR_NUMERIC,
                            "%s: its score of class %zu is not a finite number", name, c);
        if (scores->kind == VGG_SCORE_PROBABILITIES && row[c] < 0)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "%s: its probability of class %zu is %g, expected 0 to 1", name, c,
                            (double)row[c]);
        sum += (double)row[c];
    }
    if (scores->kind == VGG_SCORE_PROBABILITIES && fabs(sum - 1) > 0.01)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s: its probabilities are %g together, expected 1", name, sum);
    return VGG_OK;
}

static vgg_status check_kind(const vgg_scores *scores, bool rows, vgg_error *error) {
    if (rows == (scores->kind != VGG_SCORE_PREDICTED))
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT, "the scores are %s",
                    rows ? "predicted classes alone, but one of each class is given"
                         : "of each class, but a predicted class alone is given");
}

/* A picture with its name and class alone. */
static vgg_status add(vgg_scores *scores, const char *name, size_t truth, vgg_score **added,
                      vgg_error *error) {
    vgg_score score = {.truth = (uint32_t)truth};
    if (!grow(&scores->items, scores->count, &scores->capacity, sizeof *scores->items))
        return vgg_fail_memory(error, "the scores of pictures",
                               2 * scores->capacity * sizeof *scores->items);
    vgg_status status = add_block(scores, error);
    if (status == VGG_OK)
        status = add_name(scores, name, &score.name, error);
    if (status != VGG_OK)
        return status;
    *added = &scores->items[scores->count++];
    **added = score;
    return VGG_OK;
}

vgg_status vgg_scores_add(vgg_scores *scores, const char *name, size_t truth, const float *row,
                          vgg_error *error) {
    vgg_score *score;
    vgg_status status = check_kind(scores, true, error);
    if (status == VGG_OK)
        status = check_class(scores, name, "class", truth, error);
    if (status == VGG_OK)
        status = check_row(scores, name, row, error);
    if (status == VGG_OK)
        status = add(scores, name, truth, &score, error);
    if (status != VGG_OK)
        return status;
    vgg_score_of_row(scores->kind, row, scores->classes, score);
    vgg_score_count(scores, score);
    if (scores->rows)
        memcpy(vgg_scores_row_at(scores, scores->count - 1), row, scores->classes * sizeof *row);
    return VGG_OK;
}

vgg_status vgg_scores_add_predicted(vgg_scores *scores, const char *name, size_t truth,
                                    size_t predicted, vgg_error *error) {
    vgg_score *score;
    vgg_status status = check_kind(scores, false, error);
    if (status == VGG_OK)
        status = check_class(scores, name, "class", truth, error);
    if (status == VGG_OK)
        status = check_class(scores, name, "predicted class", predicted, error);
    if (status == VGG_OK)
        status = add(scores, name, truth, &score, error);
    if (status != VGG_OK)
        return status;
    score->predicted = (uint32_t)predicted;
    score->rank = truth == predicted ? 0 : UINT32_MAX;
    score->confidence = score->probability = score->loss = score->brier = (double)NAN;
    vgg_score_count(scores, score);
    return VGG_OK;
}

vgg_status vgg_scores_add_unreadable(vgg_scores *scores, const char *name, size_t truth,
                                     vgg_error *error) {
    vgg_unread unread = {.truth = truth, .before = scores->count};
    vgg_status status = check_class(scores, name, "class", truth, error);
    if (status == VGG_OK && !grow(&scores->unread, scores->unread_count, &scores->unread_capacity,
                                  sizeof *scores->unread))
        status = vgg_fail_memory(error, "the unreadable pictures",
                                 2 * scores->unread_capacity * sizeof *scores->unread);
    if (status == VGG_OK)
        status = add_name(scores, name, &unread.name, error);
    if (status == VGG_OK)
        scores->unread[scores->unread_count++] = unread;
    return status;
}

/* ---- asking ---- */

size_t vgg_scores_count(const vgg_scores *scores) {
    return scores->count;
}

size_t vgg_scores_class_count(const vgg_scores *scores) {
    return scores->classes;
}

vgg_score_kind vgg_scores_kind(const vgg_scores *scores) {
    return scores->kind;
}

const char *vgg_scores_class_name(const vgg_scores *scores, size_t class_index) {
    return class_index < scores->classes ? scores->class_names[class_index] : NULL;
}

float *vgg_scores_row_at(const vgg_scores *scores, size_t picture) {
    return scores->blocks[picture / VGG_SCORE_BLOCK] + picture % VGG_SCORE_BLOCK * scores->classes;
}

const float *vgg_scores_row(const vgg_scores *scores, size_t picture) {
    return scores->rows && picture < scores->count ? vgg_scores_row_at(scores, picture) : NULL;
}

size_t vgg_scores_unreadable_count(const vgg_scores *scores) {
    return scores->unread_count;
}

const char *vgg_scores_unreadable_name(const vgg_scores *scores, size_t unreadable) {
    return unreadable < scores->unread_count
               ? vgg_scores_name(scores, scores->unread[unreadable].name)
               : NULL;
}

static vgg_status check_picture(const vgg_scores *scores, size_t picture, vgg_error *error) {
    if (picture < scores->count)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_NOT_FOUND,
                    "there are scores of %zu pictures, none has number "
                    "%zu",
                    scores->count, picture);
}

vgg_status vgg_scores_picture(const vgg_scores *scores, size_t picture, vgg_scored_picture *info,
                              vgg_error *error) {
    vgg_status status = check_picture(scores, picture, error);
    if (status != VGG_OK)
        return status;
    const vgg_score *score = &scores->items[picture];
    const vgg_scored_picture found = {.struct_size = sizeof found,
                                      .name = vgg_scores_name(scores, score->name),
                                      .truth = score->truth,
                                      .predicted = score->predicted,
                                      .rank = score->rank == UINT32_MAX ? SIZE_MAX : score->rank,
                                      .confidence = score->confidence,
                                      .probability = score->probability,
                                      .loss = score->loss};
    return vgg_result_write(info, &found, sizeof found, "vgg_scored_picture", error);
}

vgg_status vgg_scores_need_probabilities(const vgg_scores *scores, const char *what,
                                         vgg_error *error) {
    if (scores->kind != VGG_SCORE_PREDICTED)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                    "the scores are predicted classes alone: %s needs probabilities", what);
}

static vgg_status need_rows(const vgg_scores *scores, const char *what, vgg_error *error) {
    if (scores->rows)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_ARGUMENT, "no rows of scores are kept, which %s needs", what);
}

vgg_status vgg_scores_need_logits(const vgg_scores *scores, const char *what, vgg_error *error) {
    if (scores->kind == VGG_SCORE_LOGITS)
        return need_rows(scores, what, error);
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "the scores are no logits, which %s needs", what);
}

vgg_status vgg_scores_probabilities(const vgg_scores *scores, size_t picture, float *probabilities,
                                    vgg_error *error) {
    vgg_status status = check_picture(scores, picture, error);
    if (status == VGG_OK)
        status = need_rows(scores, "the probability of each class", error);
    if (status != VGG_OK)
        return status;
    const float *row = vgg_scores_row_at(scores, picture);
    if (scores->kind == VGG_SCORE_LOGITS)
        vgg_softmax(row, 1, scores->classes, probabilities);
    else
        memcpy(probabilities, row, scores->classes * sizeof *row);
    return VGG_OK;
}
