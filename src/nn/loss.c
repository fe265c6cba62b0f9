/* Softmax, sigmoid and cross-entropy. */
#include <math.h>

#include "nn/network.h"
#include "vgg/loss.h"

static double maximum(const float *values, size_t count) {
    double most = (double)values[0];
    for (size_t i = 1; i < count; i++) {
        most = (double)values[i] > most ? (double)values[i] : most;
    }
    return most;
}

/* log(sum(exp(values))), shifted by the maximum so that nothing overflows. */
static double log_sum_exp(const float *values, size_t count) {
    double most = maximum(values, count), sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += exp((double)values[i] - most);
    }
    return most + log(sum);
}

void vgg_softmax(const float *logits, size_t count, size_t class_count, float *probabilities) {
    for (size_t n = 0; n < count; n++) {
        const float *row = logits + n * class_count;
        double total = log_sum_exp(row, class_count);
        for (size_t c = 0; c < class_count; c++) {
            probabilities[n * class_count + c] = (float)exp((double)row[c] - total);
        }
    }
}

void vgg_sigmoid(const float *logits, size_t count, float *probabilities) {
    for (size_t i = 0; i < count; i++) {
        probabilities[i] = (float)(1 / (1 + exp(-(double)logits[i])));
    }
}

double vgg_binary_cross_entropy(const float *logits, const float *targets, size_t count,
                                size_t class_count, float *gradient) {
    size_t values = count * class_count;
    double loss = 0;
    for (size_t i = 0; i < values; i++) {
        double x = (double)logits[i], target = (double)targets[i];
        loss += fmax(x, 0) - x * target + log1p(exp(-fabs(x)));
        if (gradient != NULL)
            gradient[i] = (float)((1 / (1 + exp(-x)) - target) / (double)values);
    }
    return loss / (double)values;
}

double vgg_cross_entropy_part(const float *logits, const size_t *labels, size_t count,
                              size_t classes, size_t whole, float *gradient) {
    double loss = 0;
    for (size_t n = 0; n < count; n++) {
        const float *row = logits + n * classes;
        double total = log_sum_exp(row, classes);
        loss += total - (double)row[labels[n]];
        for (size_t c = 0; gradient != NULL && c < classes; c++) {
            double hit = c == labels[n] ? 1 : 0;
            gradient[n * classes + c] =
                (float)((exp((double)row[c] - total) - hit) / (double)whole);
        }
    }
    return loss / (double)whole;
}

double vgg_cross_entropy(const float *logits, const size_t *labels, size_t count, size_t classes,
                         float *gradient) {
    return vgg_cross_entropy_part(logits, labels, count, classes, count, gradient);
}
