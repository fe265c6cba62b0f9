/* Figures of classes, and of pairs of them. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "scores/scores.h"

vgg_status vgg_scores_class(const vgg_scores *scores, size_t class_index,
                            vgg_class_figures *figures, vgg_error *error) {
    if (class_index >= scores->classes)
        return vgg_fail(error, VGG_ERROR_NOT_FOUND, "there are %zu classes, none has number %zu",
                        scores->classes, class_index);
    const vgg_class_counts *counts = &scores->counts[class_index];
    double pictures = (double)counts->pictures, right = (double)counts->right;
    double predicted = (double)counts->predicted;
    vgg_class_figures f = {.struct_size = sizeof f,
                           .name = scores->class_names[class_index],
                           .pictures = counts->pictures,
                           .predicted = counts->predicted,
                           .right = counts->right,
                           .recall = right / pictures,
                           .precision = right / predicted,
                           .f1 = 2 * right / (pictures + predicted),
                           .threshold = vgg_scores_threshold(scores, class_index)};
    vgg_wilson_interval(f.right, f.pictures, &f.recall_low, &f.recall_high);
    return vgg_result_write(figures, &f, sizeof f, "vgg_class_figures", error);
}

vgg_status vgg_scores_confusion(const vgg_scores *scores, size_t *matrix, vgg_error *error) {
    size_t cells, bytes;
    if (!vgg_size_mul(scores->classes, scores->classes, &cells) ||
        !vgg_size_mul(cells, sizeof *matrix, &bytes))
        return vgg_fail_memory(error, "the confusion matrix", SIZE_MAX);
    memset(matrix, 0, bytes);
    for (size_t i = 0; i < scores->count; i++) {
        const vgg_score *score = &scores->items[i];
        matrix[score->truth * scores->classes + score->predicted]++;
    }
    return VGG_OK;
}

/* ---- confused pairs ---- */

/* By the numbers of the classes. */
static int compare_classes(const void *left, const void *right) {
    const vgg_confused_pair *a = left, *b = right;
    if (a->truth != b->truth)
        return a->truth < b->truth ? -1 : 1;
    return a->predicted < b->predicted ? -1 : a->predicted > b->predicted;
}

static int compare_pictures(const void *left, const void *right) {
    const vgg_confused_pair *a = left, *b = right;
    if (a->pictures != b->pictures)
        return a->pictures > b->pictures ? -1 : 1;
    return compare_classes(left, right);
}

/* Sorted by classes, equal ones become one. Returns how many there are then. */
static size_t join(vgg_confused_pair *pairs, size_t count) {
    size_t joined = 0;
    for (size_t i = 0; i < count; i++) {
        if (joined > 0 && compare_classes(&pairs[joined - 1], &pairs[i]) == 0)
            pairs[joined - 1].pictures++;
        else
            pairs[joined++] = pairs[i];
    }
    return joined;
}

vgg_status vgg_scores_confused(const vgg_scores *scores, size_t most, vgg_confused_pair *pairs,
                               size_t *found, vgg_error *error) {
    size_t wrong = 0;
    for (size_t i = 0; i < scores->count; i++) {
        wrong += !vgg_score_is_right(&scores->items[i]);
    }
    vgg_confused_pair *all = vgg_calloc(wrong + 1, sizeof *all);
    if (all == NULL)
        return vgg_fail_memory(error, "confused pairs", (wrong + 1) * sizeof *all);
    wrong = 0;
    for (size_t i = 0; i < scores->count; i++) {
        const vgg_score *score = &scores->items[i];
        if (!vgg_score_is_right(score))
            all[wrong++] = (vgg_confused_pair){score->truth, score->predicted, 1};
    }
    qsort(all, wrong, sizeof *all, compare_classes);
    size_t count = join(all, wrong);
    qsort(all, count, sizeof *all, compare_pictures);
    *found = vgg_size_min(most, count);
    if (*found > 0)
        memcpy(pairs, all, *found * sizeof *all);
    vgg_free(all);
    return VGG_OK;
}
