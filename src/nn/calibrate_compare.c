/* What int8 does to logits. */
#include <math.h>

#include "nn/calibrate.h"

/* The first class, and by how much it is ahead of the next. */
static size_t first_class(const float *logits, size_t count, double *margin) {
    size_t best = 0;
    *margin = HUGE_VAL;
    for (size_t i = 1; i < count; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    for (size_t i = 0; i < count; i++) {
        if (i != best)
            *margin = fmin(*margin, (double)logits[best] - (double)logits[i]);
    }
    return best;
}

/* How likely it is that what moves by so much, root of the mean of squares, crosses a distance. */
static double crossing(double distance, double spread) {
    return spread > 0 ? 0.5 * erfc(distance / (sqrt(2) * spread)) : 0;
}

/* The difference of two logits moves by the square root of 2 times what one does, and the first
 * class changes when that is more than its margin. */
static void compare_classes(const float *expected, const float *found, size_t count, double spread,
                            vgg_int8_outcome *sum) {
    double margin, ignored;
    size_t first = first_class(expected, count, &margin);
    sum->changed += first_class(found, count, &ignored) != first;
    sum->drop += crossing(margin, sqrt(2) * spread);
}

/* The picture changes when a label does: when its logit becomes one of the other sign. */
static void compare_labels(const float *expected, const float *found, size_t count, double spread,
                           vgg_int8_outcome *sum) {
    double kept = 1;
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        changed = changed || (expected[i] > 0) != (found[i] > 0);
        kept *= 1 - crossing(fabs((double)expected[i]), spread);
    }
    sum->changed += changed;
    sum->drop += 1 - kept;
}

bool vgg_int8_finite(const float *logits, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(logits[i]))
            return false;
    }
    return true;
}

void vgg_int8_compare(const float *expected, const float *found, size_t count, bool labels,
                      vgg_int8_outcome *sum) {
    double mean = 0, noise = 0;
    sum->pictures++;
    for (size_t i = 0; i < count; i++) {
        sum->signal += (double)expected[i] * (double)expected[i];
    }
    if (!vgg_int8_finite(found, count)) {
        sum->noise = HUGE_VAL;
        sum->changed++;
        sum->drop++;
        return;
    }
    /* Logits of classes that all move alike change nothing. */
    for (size_t i = 0; !labels && i < count; i++) {
        mean += ((double)found[i] - (double)expected[i]) / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        double difference = (double)found[i] - (double)expected[i] - mean;
        noise += difference * difference;
    }
    sum->noise += noise;
    if (labels)
        compare_labels(expected, found, count, sqrt(noise / (double)count), sum);
    else
        compare_classes(expected, found, count, sqrt(noise / (double)count), sum);
}

double vgg_int8_error(const vgg_int8_outcome *of) {
    return of->signal > 0 ? sqrt(of->noise / of->signal) : 0;
}
