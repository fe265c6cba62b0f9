/* Figures of all pictures: accuracy with its interval, losses, calibration. */
#include <math.h>

#include "base/error.h"
#include "base/options.h"
#include "scores/scores.h"

/* The normal distribution has 95 % between minus and plus this. */
#define Z95 1.959963984540054

void vgg_wilson_interval(size_t right, size_t of, double *low, double *high) {
    double n = (double)of, share = (double)right / n, square = Z95 * Z95;
    double middle = (share + square / (2 * n)) / (1 + square / n);
    double half = Z95 / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n * n));
    /* At its ends rounding must not leave anything of a half that is the whole. */
    *low = right == 0 && of > 0 ? 0 : middle - half;
    *high = right == of && of > 0 ? 1 : middle + half;
}

/* ---- reliability ---- */

/* The bin of (low, high] that a confidence lies in. */
static size_t bin_of(const vgg_reliability_bin *bins, size_t count, double confidence) {
    size_t bin = (size_t)fmin(fmax(confidence, 0) * (double)count, (double)(count - 1));
    while (bin > 0 && confidence <= bins[bin].low) {
        bin--;
    }
    return bin;
}

static void fill_bins(const vgg_scores *scores, size_t count, vgg_reliability_bin *bins) {
    for (size_t b = 0; b < count; b++) {
        bins[b] = (vgg_reliability_bin){.low = (double)b / (double)count,
                                        .high = (double)(b + 1) / (double)count};
    }
    for (size_t i = 0; i < scores->count; i++) {
        const vgg_score *score = &scores->items[i];
        vgg_reliability_bin *bin = &bins[bin_of(bins, count, score->confidence)];
        bin->pictures++;
        bin->confidence += score->confidence;
        bin->accuracy += vgg_score_is_right(score);
    }
    for (size_t b = 0; b < count; b++) {
        bins[b].confidence /= (double)bins[b].pictures;
        bins[b].accuracy /= (double)bins[b].pictures;
    }
}

vgg_status vgg_scores_reliability(const vgg_scores *scores, size_t count, vgg_reliability_bin *bins,
                                  vgg_error *error) {
    vgg_status status = vgg_scores_need_probabilities(scores, "calibration", error);
    if (status == VGG_OK && count == 0)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT, "0 bins of confidence, expected at least 1");
    if (status == VGG_OK)
        fill_bins(scores, count, bins);
    return status;
}

static double calibration_error(const vgg_scores *scores) {
    vgg_reliability_bin bins[VGG_RELIABILITY_BINS];
    double sum = 0;
    fill_bins(scores, VGG_RELIABILITY_BINS, bins);
    for (size_t b = 0; b < VGG_RELIABILITY_BINS; b++) {
        if (bins[b].pictures > 0)
            sum += (double)bins[b].pictures * fabs(bins[b].accuracy - bins[b].confidence);
    }
    return sum / (double)scores->count;
}

/* ---- means over classes ---- */

/* What counts of classes are summed up to. */
typedef struct class_means {
    size_t there, named; /* classes that there are pictures of; that truth or prediction names */
    double recall, precision, f1;
} class_means;

static void add_class(class_means *sum, double pictures, double predicted, double right) {
    sum->there += pictures > 0;
    sum->named += pictures + predicted > 0;
    sum->recall += pictures > 0 ? right / pictures : 0;
    sum->precision += predicted > 0 ? right / predicted : 0;
    sum->f1 += pictures + predicted > 0 ? 2 * right / (pictures + predicted) : 0;
}

static void average_classes(const vgg_scores *scores, vgg_score_figures *figures) {
    class_means sum = {0};
    for (size_t c = 0; c < scores->classes; c++) {
        const vgg_class_counts *counts = &scores->counts[c];
        add_class(&sum, (double)counts->pictures, (double)counts->predicted, (double)counts->right);
    }
    figures->balanced_accuracy = sum.recall / (double)sum.there;
    figures->recall = sum.recall / (double)sum.named;
    figures->precision = sum.precision / (double)sum.named;
    figures->f1 = sum.f1 / (double)sum.named;
}

/* ---- all pictures ---- */

static void add_pictures(const vgg_scores *scores, vgg_score_figures *f) {
    size_t right5 = 0;
    double count = (double)scores->count;
    for (size_t i = 0; i < scores->count; i++) {
        const vgg_score *score = &scores->items[i];
        f->right += vgg_score_is_right(score);
        right5 += score->rank < 5;
        f->loss += score->loss;
        f->brier += score->brier;
        f->confidence += score->confidence;
    }
    f->loss /= count;
    f->brier /= count;
    f->confidence /= count;
    f->accuracy = (double)f->right / count;
    vgg_wilson_interval(f->right, scores->count, &f->accuracy_low, &f->accuracy_high);
    f->top5 = f->top5_low = f->top5_high = f->calibration_error = (double)NAN;
    if (scores->kind == VGG_SCORE_PREDICTED)
        return;
    f->top5 = (double)right5 / count;
    vgg_wilson_interval(right5, scores->count, &f->top5_low, &f->top5_high);
    f->calibration_error = calibration_error(scores);
}

vgg_status vgg_scores_figures(const vgg_scores *scores, vgg_score_figures *figures,
                              vgg_error *error) {
    vgg_score_figures found = {
        .struct_size = sizeof found, .pictures = scores->count, .unreadable = scores->unread_count};
    average_classes(scores, &found);
    add_pictures(scores, &found);
    return vgg_result_write(figures, &found, sizeof found, "vgg_score_figures", error);
}
