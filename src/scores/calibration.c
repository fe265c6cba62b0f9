/* The temperature of a softmax. With b = 1 / temperature the mean cross-entropy of logits times b
 * is convex in b: its slope is the mean of E[z] - z_truth and its curvature the mean of Var[z],
 * under the probabilities at b. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "scores/scores.h"

#define LEAST 0.01
#define MOST 100.0

typedef struct slope {
    double first, second; /* derivatives of the mean cross-entropy */
} slope;

static void add_row(const float *row, size_t classes, size_t truth, double b, slope *sum) {
    double highest = (double)row[0], total = 0, mean = 0, square = 0;
    for (size_t c = 1; c < classes; c++) {
        highest = fmax(highest, (double)row[c]);
    }
    for (size_t c = 0; c < classes; c++) {
        double z = (double)row[c] - highest, p = exp(b * z);
        total += p;
        mean += p * z;
        square += p * z * z;
    }
    mean /= total;
    sum->first += mean - ((double)row[truth] - highest);
    sum->second += square / total - mean * mean;
}

static slope slope_at(const vgg_scores *scores, double b) {
    slope sum = {0, 0};
    for (size_t i = 0; i < scores->count; i++) {
        add_row(vgg_scores_row_at(scores, i), scores->classes, scores->items[i].truth, b, &sum);
    }
    return (slope){sum.first / (double)scores->count, sum.second / (double)scores->count};
}

/* Newton's method between bounds that close in, and the middle of them where it leaves them. */
static double find_b(const vgg_scores *scores) {
    double low = 1 / MOST, high = 1 / LEAST, b = 1;
    for (int i = 0; i < 200 && high - low > 1e-12 * low; i++) {
        slope at = slope_at(scores, b);
        if (at.first > 0)
            high = b;
        else
            low = b;
        double next = b - at.first / at.second;
        if (!(next > low && next < high))
            next = sqrt(low * high);
        if (fabs(next - b) <= 1e-12 * b)
            return next;
        b = next;
    }
    return b;
}

vgg_status vgg_scores_fit_temperature(const vgg_scores *scores, double *temperature,
                                      vgg_error *error) {
    vgg_status status = vgg_scores_need_logits(scores, "fitting a temperature", error);
    if (status == VGG_OK && scores->count == 0)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT, "no pictures to fit a temperature on");
    if (status != VGG_OK)
        return status;
    /* Where all is right the loss falls without end as logits grow; where most is wrong it falls as
     * they shrink. */
    bool too_small = slope_at(scores, 1 / LEAST).first <= 0;
    if (too_small || slope_at(scores, 1 / MOST).first >= 0)
        return vgg_fail(error, VGG_ERROR_NUMERIC,
                        "no temperature from %g to %g is the best for these %zu pictures, %s",
                        LEAST, MOST, scores->count,
                        too_small
                            ? "all of which are right, or whose logits hardly differ: it takes "
                              "more of them, harder ones, or a better network"
                            : "which are recognised no better than by guessing");
    *temperature = 1 / find_b(scores);
    return VGG_OK;
}

vgg_status vgg_scores_cool(vgg_scores *scores, double temperature, vgg_error *error) {
    vgg_status status = vgg_scores_need_logits(scores, "a temperature", error);
    if (status == VGG_OK && !(temperature > 0 && isfinite(temperature)))
        status = vgg_fail(error, VGG_ERROR_ARGUMENT, "temperature %g, expected more than 0",
                          temperature);
    if (status == VGG_OK)
        memset(scores->counts, 0, scores->classes * sizeof *scores->counts);
    for (size_t i = 0; status == VGG_OK && i < scores->count; i++) {
        float *row = vgg_scores_row_at(scores, i);
        for (size_t c = 0; c < scores->classes; c++) {
            row[c] = (float)((double)row[c] / temperature);
        }
        vgg_score_of_row(scores->kind, row, scores->classes, &scores->items[i]);
        vgg_score_count(scores, &scores->items[i]);
    }
    return status;
}
