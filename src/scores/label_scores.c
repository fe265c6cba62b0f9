/* What a network said of pictures with several labels: a probability of each class by itself, and
 * the figures that follow. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "scores/scores.h"
#include "vgg/loss.h"

struct vgg_label_scores {
    size_t classes;
    char **class_names;
    float *rows;     /* (count, classes) logits */
    uint8_t *truths; /* (count, classes): 1 where the picture has the label */
    float *targets;  /* (classes): of the picture that is added */
    size_t count, capacity;
    double loss; /* the sum over pictures */
};

/* ---- making and adding ---- */

vgg_status vgg_label_scores_create(const char *const *class_names, size_t classes,
                                   vgg_label_scores **scores, vgg_error *error) {
    if (classes == 0 || classes > INT32_MAX)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "scores of %zu classes, expected at least one",
                        classes);
    vgg_label_scores *made = vgg_calloc(1, sizeof *made);
    bool complete = made != NULL;
    if (complete) {
        made->class_names = vgg_calloc(classes, sizeof *made->class_names);
        made->targets = vgg_calloc(classes, sizeof *made->targets);
        complete = made->class_names != NULL && made->targets != NULL;
    }
    for (size_t c = 0; complete && c < classes; c++) {
        made->class_names[c] = vgg_scores_copy_class_name(class_names, c);
        made->classes = c + 1;
        complete = made->class_names[c] != NULL;
    }
    if (!complete) {
        vgg_label_scores_free(made);
        return vgg_fail_memory(error, "scores", classes * sizeof(char *));
    }
    *scores = made;
    return VGG_OK;
}

void vgg_label_scores_free(vgg_label_scores *scores) {
    if (scores == NULL)
        return;
    for (size_t c = 0; c < scores->classes; c++) {
        vgg_free(scores->class_names[c]);
    }
    vgg_free(scores->class_names);
    vgg_free(scores->targets);
    vgg_free(scores->rows);
    vgg_free(scores->truths);
    vgg_free(scores);
}

/* Room for one more picture. */
static vgg_status grow(vgg_label_scores *scores, vgg_error *error) {
    size_t wanted = vgg_size_max(2 * scores->capacity, 64), values, bytes = SIZE_MAX;
    if (scores->count < scores->capacity)
        return VGG_OK;
    float *rows = NULL;
    uint8_t *truths = NULL;
    if (vgg_size_mul(wanted, scores->classes, &values) &&
        vgg_size_mul(values, sizeof *rows, &bytes)) {
        rows = vgg_realloc(scores->rows, bytes);
        scores->rows = rows != NULL ? rows : scores->rows;
        truths = rows != NULL ? vgg_realloc(scores->truths, values) : NULL;
        scores->truths = truths != NULL ? truths : scores->truths;
    }
    if (truths == NULL)
        return vgg_fail_memory(error, "the scores of pictures", bytes);
    scores->capacity = wanted;
    return VGG_OK;
}

static vgg_status check(const vgg_label_scores *scores, const float *row, const size_t *labels,
                        size_t count, vgg_error *error) {
    for (size_t c = 0; c < scores->classes; c++) {
        if (!isfinite(row[c]))
            return vgg_fail(error, VGG_ERROR_NUMERIC,
                            "picture %zu: the logit of class %zu is not a finite number",
                            scores->count, c);
    }
    for (size_t i = 0; i < count; i++) {
        if (labels[i] >= scores->classes)
            return vgg_fail(error, VGG_ERROR_ARGUMENT,
                            "picture %zu: has label %zu, expected 0 to %zu", scores->count,
                            labels[i], scores->classes - 1);
    }
    return VGG_OK;
}

vgg_status vgg_label_scores_add(vgg_label_scores *scores, const float *row, const size_t *labels,
                                size_t count, vgg_error *error) {
    vgg_status status = check(scores, row, labels, count, error);
    if (status == VGG_OK)
        status = grow(scores, error);
    if (status != VGG_OK)
        return status;
    size_t classes = scores->classes, at = scores->count++ * classes;
    memset(scores->targets, 0, classes * sizeof *scores->targets);
    memset(scores->truths + at, 0, classes);
    memcpy(scores->rows + at, row, classes * sizeof *row);
    for (size_t i = 0; i < count; i++) {
        scores->targets[labels[i]] = 1;
        scores->truths[at + labels[i]] = 1;
    }
    scores->loss += vgg_binary_cross_entropy(row, scores->targets, 1, classes, NULL);
    return VGG_OK;
}

size_t vgg_label_scores_count(const vgg_label_scores *scores) {
    return scores->count;
}

size_t vgg_label_scores_class_count(const vgg_label_scores *scores) {
    return scores->classes;
}

/* ---- figures ---- */

/* A picture by what is said of one class. */
typedef struct judged {
    float logit;
    uint8_t truth;
} judged;

static int compare_judged(const void *a, const void *b) {
    float x = ((const judged *)a)->logit, y = ((const judged *)b)->logit;
    return (x < y) - (x > y);
}

/* The sum over thresholds, from the highest, of the precision there times what is gained of the
 * recall; pictures with equal logits are above a threshold together. */
static double average_precision(const judged *sorted, size_t count, size_t pictures) {
    size_t found = 0;
    double sum = 0;
    for (size_t i = 0; i < count;) {
        size_t end = i, before = found;
        for (; end < count && sorted[end].logit >= sorted[i].logit; end++) {
            found += sorted[end].truth;
        }
        sum += (double)found / (double)end * (double)(found - before);
        i = end;
    }
    return sum / (double)pictures;
}

/* Of one class; `sorted` has room for all pictures. */
static vgg_label_class_figures of_class(const vgg_label_scores *scores, size_t c, judged *sorted) {
    vgg_label_class_figures f = {.struct_size = sizeof f, .name = scores->class_names[c]};
    for (size_t i = 0; i < scores->count; i++) {
        size_t at = i * scores->classes + c;
        bool predicted = scores->rows[at] >= 0;
        sorted[i] = (judged){scores->rows[at], scores->truths[at]};
        f.pictures += scores->truths[at];
        f.predicted += predicted;
        f.right += predicted && scores->truths[at];
    }
    if (scores->count > 0)
        qsort(sorted, scores->count, sizeof *sorted, compare_judged);
    double right = (double)f.right;
    f.average_precision = average_precision(sorted, scores->count, f.pictures);
    f.recall = right / (double)f.pictures;
    f.precision = right / (double)f.predicted;
    f.f1 = 2 * right / (double)(f.pictures + f.predicted);
    return f;
}

static vgg_status make_room(const vgg_label_scores *scores, judged **sorted, vgg_error *error) {
    *sorted = vgg_calloc(vgg_size_max(scores->count, 1), sizeof **sorted);
    return *sorted != NULL
               ? VGG_OK
               : vgg_fail_memory(error, "figures of pictures", scores->count * sizeof **sorted);
}

vgg_status vgg_label_scores_class(const vgg_label_scores *scores, size_t class_index,
                                  vgg_label_class_figures *figures, vgg_error *error) {
    judged *sorted = NULL;
    if (class_index >= scores->classes)
        return vgg_fail(error, VGG_ERROR_NOT_FOUND,
                        "there are scores of %zu classes, none has number %zu", scores->classes,
                        class_index);
    vgg_status status = make_room(scores, &sorted, error);
    if (status != VGG_OK)
        return status;
    const vgg_label_class_figures found = of_class(scores, class_index, sorted);
    vgg_free(sorted);
    return vgg_result_write(figures, &found, sizeof found, "vgg_label_class_figures", error);
}

/* Pictures of which each class is right. */
static size_t count_exact(const vgg_label_scores *scores) {
    size_t exact = 0;
    for (size_t i = 0; i < scores->count; i++) {
        const float *row = scores->rows + i * scores->classes;
        const uint8_t *truths = scores->truths + i * scores->classes;
        size_t c = 0;
        while (c < scores->classes && (row[c] >= 0) == (truths[c] != 0)) {
            c++;
        }
        exact += c == scores->classes;
    }
    return exact;
}

static void average_classes(const vgg_label_scores *scores, judged *sorted, vgg_label_figures *f) {
    size_t named = 0;
    for (size_t c = 0; c < scores->classes; c++) {
        const vgg_label_class_figures class = of_class(scores, c, sorted);
        f->labelled_classes += class.pictures > 0;
        f->mean_average_precision += class.pictures > 0 ? class.average_precision : 0;
        named += class.pictures + class.predicted > 0;
        f->recall += class.pictures > 0 ? class.recall : 0;
        f->precision += class.predicted > 0 ? class.precision : 0;
        f->f1 += class.pictures + class.predicted > 0 ? class.f1 : 0;
        f->labels += class.pictures;
    }
    f->mean_average_precision /= (double)f->labelled_classes;
    f->recall /= (double)named;
    f->precision /= (double)named;
    f->f1 /= (double)named;
}

vgg_status vgg_label_scores_figures(const vgg_label_scores *scores, vgg_label_figures *figures,
                                    vgg_error *error) {
    vgg_label_figures found = {.struct_size = sizeof found, .pictures = scores->count};
    judged *sorted = NULL;
    vgg_status status = make_room(scores, &sorted, error);
    if (status != VGG_OK)
        return status;
    average_classes(scores, sorted, &found);
    vgg_free(sorted);
    found.exact = count_exact(scores);
    found.exact_match = (double)found.exact / (double)scores->count;
    vgg_wilson_interval(found.exact, scores->count, &found.exact_low, &found.exact_high);
    found.loss = scores->loss / (double)scores->count;
    return vgg_result_write(figures, &found, sizeof found, "vgg_label_figures", error);
}
