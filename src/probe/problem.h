/* A linear classifier as a function to be minimised. */
#ifndef VGG_PROBE_PROBLEM_H
#define VGG_PROBE_PROBLEM_H

#include "base/threads.h"
#include "kernels/kernels.h"
#include "vgg/probe.h"

typedef struct vgg_probe_problem {
    vgg_probe_kind kind;
    double c;
    size_t count, features, classes;
    const float *rows;   /* (count, features) */
    const size_t *truth; /* (count) */
    const size_t *folds; /* (count): which fold each row is in */
    size_t left_out;     /* the fold whose rows are not looked at; SIZE_MAX: none */
    vgg_threads *threads;
    const vgg_kernels *kernels;
    /* Room: */
    float *weights, *biases;                   /* (classes, features), (classes) */
    float *scores, *slopes;                    /* (count, classes) */
    float *weights_gradient, *biases_gradient; /* as weights and biases */
} vgg_probe_problem;

/* Numbers that are looked for: weights, then biases. */
static inline size_t vgg_probe_size(const vgg_probe_problem *problem) {
    return problem->classes * (problem->features + 1);
}

/* The value at `at`, and its gradient. */
double vgg_probe_evaluate(vgg_probe_problem *problem, const double *at, double *gradient);

/* Moves `at` to the minimum; the result's objective is what it is there, beside the iterations that
 * took and whether they were enough. VGG_ERROR_NUMERIC where nothing finite is to be minimised. */
vgg_status vgg_probe_minimise(vgg_probe_problem *problem, double *at, vgg_probe_result *result,
                              vgg_error *error);

#endif
