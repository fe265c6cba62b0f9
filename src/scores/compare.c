/* Two networks on the same pictures. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "scores/scores.h"

/* ---- matching ---- */

typedef struct named {
    const char *name;
    size_t picture;
} named;

static int compare_names(const void *left, const void *right) {
    const named *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : a->picture < b->picture ? -1 : a->picture > b->picture;
}

static named *sort_names(const vgg_scores *scores) {
    named *names = vgg_calloc(scores->count + 1, sizeof *names);
    for (size_t i = 0; names != NULL && i < scores->count; i++) {
        names[i] = (named){vgg_scores_name(scores, scores->items[i].name), i};
    }
    if (names != NULL)
        qsort(names, scores->count, sizeof *names, compare_names);
    return names;
}

static bool same_names(const vgg_scores *first, const vgg_scores *second) {
    bool same = first->count == second->count;
    for (size_t i = 0; same && i < first->count; i++) {
        same = strcmp(vgg_scores_name(first, first->items[i].name),
                      vgg_scores_name(second, second->items[i].name)) == 0;
    }
    return same;
}

/* Walks through both in the order of their names. Of several with the same name each finds its
 * own. */
static vgg_status match_names(const vgg_scores *first, const vgg_scores *second, size_t *partner,
                              vgg_error *error) {
    named *left = sort_names(first), *right = sort_names(second);
    vgg_status status = VGG_OK;
    if (left == NULL || right == NULL)
        status = vgg_fail_memory(error, "matching pictures",
                                 (first->count + second->count) * sizeof(named));
    for (size_t i = 0, j = 0; status == VGG_OK && i < first->count; i++) {
        while (j < second->count && strcmp(right[j].name, left[i].name) < 0) {
            j++;
        }
        bool found = j < second->count && strcmp(right[j].name, left[i].name) == 0;
        partner[left[i].picture] = found ? right[j++].picture : SIZE_MAX;
    }
    vgg_free(left);
    vgg_free(right);
    return status;
}

static vgg_status check_classes(const vgg_scores *first, const vgg_scores *second,
                                vgg_error *error) {
    if (first->classes != second->classes)
        return vgg_fail(error, VGG_ERROR_SHAPE, "the first has %zu classes, the second %zu",
                        first->classes, second->classes);
    for (size_t c = 0; c < first->classes; c++) {
        if (strcmp(first->class_names[c], second->class_names[c]) != 0)
            return vgg_fail(error, VGG_ERROR_SHAPE,
                            "class %zu is \"%.80s\" of the first and \"%.80s\" of the second", c,
                            first->class_names[c], second->class_names[c]);
    }
    return VGG_OK;
}

/* The matches belong to the same classes, and there are some. */
static vgg_status check_matches(const vgg_scores *first, const vgg_scores *second,
                                const size_t *partner, vgg_error *error) {
    size_t common = 0;
    for (size_t i = 0; i < first->count; i++) {
        const vgg_score *a = &first->items[i];
        if (partner[i] == SIZE_MAX)
            continue;
        common++;
        const vgg_score *b = &second->items[partner[i]];
        if (a->truth != b->truth)
            return vgg_fail(error, VGG_ERROR_CHANGED,
                            "%s: belongs to \"%.80s\" in the first and to \"%.80s\" in the second",
                            vgg_scores_name(first, a->name), first->class_names[a->truth],
                            first->class_names[b->truth]);
    }
    if (common > 0)
        return VGG_OK;
    return vgg_fail(error, VGG_ERROR_NOT_FOUND, "no picture has scores in both");
}

vgg_status vgg_scores_match(const vgg_scores *first, const vgg_scores *second, size_t *partner,
                            vgg_error *error) {
    vgg_status status = check_classes(first, second, error);
    if (status != VGG_OK)
        return status;
    if (same_names(first, second)) {
        for (size_t i = 0; i < first->count; i++) {
            partner[i] = i;
        }
    } else {
        status = match_names(first, second, partner, error);
    }
    return status == VGG_OK ? check_matches(first, second, partner, error) : status;
}

/* ---- McNemar's test ---- */

/* How likely it is that of n coins, each falling on either side, one side has at most k or at least
 * n - k, for k <= n / 2. */
static double two_sided(size_t k, size_t n) {
    double log_term = -(double)n * log(2), sum = 1, term = 1;
    if (2 * k >= n)
        return 1;
    for (size_t i = 1; i <= k; i++) {
        log_term += log((double)(n - k + i) / (double)i);
    }
    /* The terms below C(n, k), as parts of it. */
    for (size_t i = k; i > 0; i--) {
        term *= (double)i / (double)(n - i + 1);
        sum += term;
    }
    return fmin(1, 2 * exp(log_term) * sum);
}

static void test(vgg_score_comparison *c) {
    size_t n = c->first_right + c->second_right;
    size_t fewer = vgg_size_min(c->first_right, c->second_right);
    double apart = fabs((double)c->first_right - (double)c->second_right);
    double distance = fmax(apart - 1, 0);
    c->p_exact = two_sided(fewer, n);
    c->chi_square = n == 0 ? 0 : distance * distance / (double)n;
    c->p_chi_square = n == 0 ? 1 : erfc(sqrt(c->chi_square / 2));
}

static void count(const vgg_scores *first, const vgg_scores *second, const size_t *partner,
                  vgg_score_comparison *c) {
    for (size_t i = 0; i < first->count; i++) {
        if (partner[i] == SIZE_MAX)
            continue;
        const vgg_score *a = &first->items[i], *b = &second->items[partner[i]];
        bool left = vgg_score_is_right(a), right = vgg_score_is_right(b);
        c->pictures++;
        c->both_right += left && right;
        c->both_wrong += !left && !right;
        c->first_right += left && !right;
        c->second_right += !left && right;
        c->disagree += a->predicted != b->predicted;
    }
}

vgg_status vgg_scores_compare(const vgg_scores *first, const vgg_scores *second,
                              vgg_score_comparison *comparison, vgg_error *error) {
    vgg_status status = vgg_result_check(comparison, "vgg_score_comparison", error);
    size_t *partner = vgg_calloc(first->count + 1, sizeof *partner);
    if (status == VGG_OK && partner == NULL)
        status = vgg_fail_memory(error, "matching pictures", first->count * sizeof *partner);
    if (status == VGG_OK)
        status = vgg_scores_match(first, second, partner, error);
    vgg_score_comparison found = {.struct_size = sizeof found};
    if (status == VGG_OK) {
        count(first, second, partner, &found);
        test(&found);
        status = vgg_result_write(comparison, &found, sizeof found, "vgg_score_comparison", error);
    }
    vgg_free(partner);
    return status;
}
