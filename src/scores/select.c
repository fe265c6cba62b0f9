/* Pictures to look at: the hardest, the most confident mistakes, probable label errors. */
#include <stdlib.h>

#include "base/error.h"
#include "base/memory.h"
#include "scores/scores.h"

typedef struct candidate {
    double key; /* the highest comes first */
    size_t picture;
} candidate;

static int compare(const void *left, const void *right) {
    const candidate *a = left, *b = right;
    if (a->key > b->key || a->key < b->key)
        return a->key > b->key ? -1 : 1;
    return a->picture < b->picture ? -1 : a->picture > b->picture;
}

/* Whether the picture is one of those that are wanted, and its key. */
static bool takes(const vgg_scores *scores, vgg_score_order order, const vgg_score *score,
                  double *key) {
    bool wrong = !vgg_score_is_right(score), known = scores->kind != VGG_SCORE_PREDICTED;
    switch (order) {
    case VGG_SCORE_HARDEST:
        *key = known ? score->loss : 0;
        return known || wrong;
    case VGG_SCORE_MISTAKES:
        *key = known ? score->confidence : 0;
        return wrong;
    case VGG_SCORE_LABELS:
        *key = score->confidence - score->probability;
        return wrong && score->confidence >= vgg_scores_threshold(scores, score->predicted) &&
               score->probability < vgg_scores_threshold(scores, score->truth);
    }
    return false;
}

static size_t gather(const vgg_scores *scores, vgg_score_order order, candidate *candidates) {
    size_t count = 0;
    for (size_t i = 0; i < scores->count; i++) {
        double key;
        if (takes(scores, order, &scores->items[i], &key))
            candidates[count++] = (candidate){key, i};
    }
    qsort(candidates, count, sizeof *candidates, compare);
    return count;
}

vgg_status vgg_scores_select(const vgg_scores *scores, vgg_score_order order, size_t most,
                             size_t *pictures, size_t *found, size_t *all, vgg_error *error) {
    if ((unsigned)order > VGG_SCORE_LABELS)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "order %d of pictures, expected 0 to %d",
                        (int)order, (int)VGG_SCORE_LABELS);
    vgg_status status = VGG_OK;
    if (order == VGG_SCORE_LABELS)
        status = vgg_scores_need_probabilities(scores, "finding label errors", error);
    if (status != VGG_OK)
        return status;
    candidate *candidates = vgg_calloc(scores->count + 1, sizeof *candidates);
    if (candidates == NULL)
        return vgg_fail_memory(error, "choosing pictures", scores->count * sizeof *candidates);
    size_t count = gather(scores, order, candidates);
    *found = vgg_size_min(most, count);
    for (size_t i = 0; i < *found; i++) {
        pictures[i] = candidates[i].picture;
    }
    if (all != NULL)
        *all = count;
    vgg_free(candidates);
    return VGG_OK;
}
