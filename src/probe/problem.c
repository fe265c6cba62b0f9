/* The value and the gradient of a linear classifier's objective. */
#include "probe/problem.h"

#include <math.h>

#include "base/memory.h"

static size_t units(size_t count, size_t per_unit) {
    return (count + per_unit - 1) / per_unit;
}

static void compute_scores(vgg_probe_problem *p, const double *at) {
    size_t weights = p->classes * p->features;
    for (size_t i = 0; i < weights; i++) {
        p->weights[i] = (float)at[i];
    }
    for (size_t k = 0; k < p->classes; k++) {
        p->biases[k] = (float)at[weights + k];
    }
    vgg_linear_task task = {.images = p->count,
                            .inputs = p->features,
                            .outputs = p->classes,
                            .x = p->rows,
                            .weights = p->weights,
                            .element = VGG_ELEMENT_FLOAT32,
                            .bias = p->biases,
                            .y = p->scores};
    vgg_threads_run(p->threads, units(p->classes, VGG_LINEAR_OUTPUTS), p->kernels->linear_forward,
                    &task);
}

/* The squared hinge losses of a row, each class against the rest. */
static double hinge_row(const vgg_probe_problem *p, size_t row) {
    const float *scores = p->scores + row * p->classes;
    float *slopes = p->slopes + row * p->classes;
    double loss = 0;
    for (size_t k = 0; k < p->classes; k++) {
        double sign = p->truth[row] == k ? 1 : -1, gap = 1 - sign * (double)scores[k];
        gap = gap > 0 ? gap : 0;
        loss += gap * gap;
        slopes[k] = (float)(-2 * p->c * sign * gap);
    }
    return loss;
}

static double softmax_row(const vgg_probe_problem *p, size_t row) {
    const float *scores = p->scores + row * p->classes;
    float *slopes = p->slopes + row * p->classes;
    double most = (double)scores[0], sum = 0;
    for (size_t k = 1; k < p->classes; k++) {
        most = fmax(most, (double)scores[k]);
    }
    for (size_t k = 0; k < p->classes; k++) {
        sum += exp((double)scores[k] - most);
    }
    for (size_t k = 0; k < p->classes; k++) {
        double probability = exp((double)scores[k] - most) / sum;
        slopes[k] = (float)(p->c * (probability - (p->truth[row] == k ? 1 : 0)));
    }
    return log(sum) + most - (double)scores[p->truth[row]];
}

/* The sum of the losses of all rows that are looked at, and its slopes. */
static double add_losses(const vgg_probe_problem *p) {
    double loss = 0;
    for (size_t row = 0; row < p->count; row++) {
        bool seen = p->left_out == SIZE_MAX || p->folds[row] != p->left_out;
        for (size_t k = 0; !seen && k < p->classes; k++) {
            p->slopes[row * p->classes + k] = 0;
        }
        if (seen)
            loss += p->kind == VGG_PROBE_SVM ? hinge_row(p, row) : softmax_row(p, row);
    }
    return loss;
}

double vgg_probe_evaluate(vgg_probe_problem *p, const double *at, double *gradient) {
    size_t weights = p->classes * p->features;
    compute_scores(p, at);
    double loss = add_losses(p), length = 0;
    vgg_linear_task task = {.images = p->count,
                            .inputs = p->features,
                            .outputs = p->classes,
                            .x = p->rows,
                            .element = VGG_ELEMENT_FLOAT32,
                            .dy = p->slopes,
                            .dweights = p->weights_gradient,
                            .dbias = p->biases_gradient};
    vgg_threads_run(p->threads, units(p->classes, VGG_LINEAR_OUTPUTS), p->kernels->linear_weights,
                    &task);
    for (size_t i = 0; i < weights; i++) {
        length += at[i] * at[i];
        gradient[i] = at[i] + (double)p->weights_gradient[i];
    }
    for (size_t k = 0; k < p->classes; k++) {
        double pull = p->kind == VGG_PROBE_SVM ? at[weights + k] : 0;
        length += pull * pull;
        gradient[weights + k] = pull + (double)p->biases_gradient[k];
    }
    return length / 2 + p->c * loss;
}
