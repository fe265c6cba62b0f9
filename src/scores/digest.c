/* What is kept of a picture's row of scores. */
#include <float.h>
#include <math.h>

#include "nn/rank.h"
#include "scores/scores.h"
#include "vgg/loss.h"

static size_t likeliest(const float *row, size_t classes) {
    size_t best = 0;
    for (size_t c = 1; c < classes; c++) {
        best = row[c] > row[best] ? c : best;
    }
    return best;
}

/* The sum over the classes of (probability - truth) squared. The probability of class c is
 * exp(row[c] - total) or, for probabilities, row[c] / total. */
static double brier_score(vgg_score_kind kind, const float *row, size_t classes, double total,
                          size_t truth) {
    double sum = 0;
    for (size_t c = 0; c < classes; c++) {
        double p = kind == VGG_SCORE_LOGITS ? exp((double)row[c] - total) : (double)row[c] / total;
        double distance = p - (c == truth ? 1 : 0);
        sum += distance * distance;
    }
    return sum;
}

static void digest_logits(const float *row, size_t classes, vgg_score *score) {
    size_t truth = score->truth;
    score->loss = vgg_cross_entropy(row, &truth, 1, classes, NULL);
    double total = score->loss + (double)row[truth];
    score->probability = exp(-score->loss);
    score->confidence = exp((double)row[score->predicted] - total);
    score->brier = brier_score(VGG_SCORE_LOGITS, row, classes, total, truth);
}

static void digest_probabilities(const float *row, size_t classes, vgg_score *score) {
    double total = 0;
    for (size_t c = 0; c < classes; c++) {
        total += (double)row[c];
    }
    score->probability = (double)row[score->truth] / total;
    score->confidence = (double)row[score->predicted] / total;
    score->loss = -log(fmax(score->probability, (double)FLT_MIN));
    score->brier = brier_score(VGG_SCORE_PROBABILITIES, row, classes, total, score->truth);
}

void vgg_score_of_row(vgg_score_kind kind, const float *row, size_t classes, vgg_score *score) {
    score->predicted = (uint32_t)likeliest(row, classes);
    score->rank = (uint32_t)vgg_rank(row, classes, score->truth);
    if (kind == VGG_SCORE_LOGITS)
        digest_logits(row, classes, score);
    else
        digest_probabilities(row, classes, score);
}

void vgg_score_count(vgg_scores *scores, const vgg_score *score) {
    vgg_class_counts *truth = &scores->counts[score->truth];
    truth->pictures++;
    truth->right += vgg_score_is_right(score);
    truth->probability += score->probability;
    scores->counts[score->predicted].predicted++;
}
