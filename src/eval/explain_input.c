/* Maps of gradients with respect to the input. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "eval/explainer.h"

/* The largest magnitude of the channels at each place. */
static void take_largest(const vgg_explainer *explainer, const double *sums, double factor,
                         float *map) {
    size_t channels = explainer->input / explainer->pixels;
    for (size_t p = 0; p < explainer->pixels; p++) {
        double most = 0;
        for (size_t c = 0; c < channels; c++) {
            most = fmax(most, fabs(sums[c * explainer->pixels + p]));
        }
        map[p] = (float)(most * factor);
    }
}

static double *zeros(const vgg_explainer *explainer, vgg_error *error) {
    double *sums = vgg_calloc(explainer->input, sizeof *sums);
    if (sums == NULL)
        vgg_fail_memory(error, "a map", explainer->input * sizeof *sums);
    return sums;
}

/* Adds the gradients of `count` inputs, each times its weight. */
static void add_gradients(const vgg_explainer *explainer, size_t count, const double *weights,
                          double *sums) {
    for (size_t n = 0; n < count; n++) {
        const float *gradients = explainer->gradients + n * explainer->input;
        for (size_t i = 0; i < explainer->input; i++) {
            sums[i] += weights[n] * (double)gradients[i];
        }
    }
}

vgg_status vgg_explain_guided(vgg_explainer *explainer, size_t index, float *map,
                              vgg_error *error) {
    double *sums = zeros(explainer, error);
    if (sums == NULL)
        return VGG_ERROR_MEMORY;
    vgg_explain_begin(explainer, 1, index);
    vgg_status status =
        vgg_plan_backward(explainer->plan, explainer->logits_gradient, explainer->gradients, error);
    const double one = 1;
    if (status == VGG_OK)
        add_gradients(explainer, 1, &one, sums);
    take_largest(explainer, sums, 1, map);
    vgg_free(sums);
    return status;
}

/* ---- smoothgrad ---- */

/* Deviation of the noise. */
static double deviation_of(const vgg_explainer *explainer) {
    double least = (double)explainer->original[0], most = least;
    for (size_t i = 1; i < explainer->input; i++) {
        least = fmin(least, (double)explainer->original[i]);
        most = fmax(most, (double)explainer->original[i]);
    }
    return explainer->options.noise * (most - least);
}

static void make_noisy(vgg_explainer *explainer, size_t first, size_t count, double deviation) {
    for (size_t n = 0; n < count; n++) {
        float *input = explainer->inputs + n * explainer->input;
        for (size_t i = 0; i < explainer->input; i++) {
            double noise = vgg_random_normal(explainer->options.seed, first + n, i);
            input[i] = (float)((double)explainer->original[i] + deviation * noise);
        }
    }
}

vgg_status vgg_explain_smooth(vgg_explainer *explainer, size_t index, float *map,
                              vgg_error *error) {
    double *sums = zeros(explainer, error);
    if (sums == NULL)
        return VGG_ERROR_MEMORY;
    size_t samples = explainer->options.samples;
    double deviation = deviation_of(explainer), weights[VGG_EXPLAIN_BATCH];
    vgg_status status = VGG_OK;
    for (size_t done = 0; status == VGG_OK && done < samples; done += VGG_EXPLAIN_BATCH) {
        size_t count = vgg_size_min(samples - done, VGG_EXPLAIN_BATCH);
        make_noisy(explainer, done, count, deviation);
        status = vgg_explain_gradients(explainer, count, index, error);
        for (size_t n = 0; n < count; n++) {
            weights[n] = 1;
        }
        if (status == VGG_OK)
            add_gradients(explainer, count, weights, sums);
    }
    take_largest(explainer, sums, 1 / (double)samples, map);
    vgg_free(sums);
    return status;
}

/* ---- integrated gradients ---- */

/* Legendre's polynomial of degree n at x, and its derivative. */
static double legendre(size_t n, double x, double *slope) {
    double before = 1, value = x;
    for (size_t k = 2; k <= n; k++) {
        double next = ((double)(2 * k - 1) * x * value - (double)(k - 1) * before) / (double)k;
        before = value;
        value = next;
    }
    *slope = (double)n * (x * value - before) / (x * x - 1);
    return value;
}

/* Place and weight number i of Gauss and Legendre's rule with n places, on 0 to 1: zeros of the
 * polynomial, by Newton's method from an estimate of Abramowitz & Stegun's, 22.16.6. */
static void find_place(size_t n, size_t i, double *place, double *weight) {
    double x = cos(M_PI * ((double)i + 0.75) / ((double)n + 0.5)), slope = 1;
    for (int turn = 0; turn < 100; turn++) {
        double step = legendre(n, x, &slope) / slope;
        x -= step;
        if (fabs(step) < 1e-15)
            break;
    }
    *place = (1 - x) / 2;
    *weight = 1 / ((1 - x * x) * slope * slope);
}

vgg_status vgg_explain_integrated(vgg_explainer *explainer, size_t index, float *map,
                                  vgg_error *error) {
    double *sums = zeros(explainer, error);
    if (sums == NULL)
        return VGG_ERROR_MEMORY;
    size_t steps = explainer->options.samples;
    double weights[VGG_EXPLAIN_BATCH];
    vgg_status status = VGG_OK;
    for (size_t done = 0; status == VGG_OK && done < steps; done += VGG_EXPLAIN_BATCH) {
        size_t count = vgg_size_min(steps - done, VGG_EXPLAIN_BATCH);
        for (size_t n = 0; n < count; n++) {
            double place = 0.5;
            weights[n] = 1;
            if (steps > 1)
                find_place(steps, done + n, &place, &weights[n]);
            for (size_t i = 0; i < explainer->input; i++) {
                explainer->inputs[n * explainer->input + i] =
                    (float)(place * (double)explainer->original[i]);
            }
        }
        status = vgg_explain_gradients(explainer, count, index, error);
        if (status == VGG_OK)
            add_gradients(explainer, count, weights, sums);
    }
    for (size_t p = 0; p < explainer->pixels; p++) {
        double sum = 0;
        for (size_t i = p; i < explainer->input; i += explainer->pixels) {
            sum += sums[i] * (double)explainer->original[i];
        }
        map[p] = (float)sum;
    }
    vgg_free(sums);
    return status;
}
