/* L-BFGS (Nocedal & Wright, algorithm 7.4) as PyTorch's torch.optim.LBFGS does it without a line
 * search and with a rate of 1. */
#ifndef VGG_INSIDE_LBFGS_H
#define VGG_INSIDE_LBFGS_H

#include "base/threads.h"
#include "vgg/status.h"

/* Pairs of a move and of how it changed the gradient, the oldest first. */
typedef struct vgg_lbfgs {
    vgg_threads *threads;
    size_t values, history; /* of a vector; most pairs */
    size_t count, oldest;   /* pairs that there are, and where the first is */
    float **moves, **changes;
    double *curvature; /* per pair: 1 / (move . change) */
    double *shares;    /* per pair, on the way */
    float *before;     /* the gradient before the last move */
    float *move;       /* the last */
    double diagonal;   /* of the first guess at the inverse Hessian */
    double *sums;      /* of each unit of a product */
    size_t iteration;  /* moves made */
} vgg_lbfgs;

/* Takes all memory; the caller frees it whatever the outcome. */
vgg_status vgg_lbfgs_create(vgg_lbfgs *lbfgs, vgg_threads *threads, size_t values, size_t history,
                            vgg_error *error);
void vgg_lbfgs_free(vgg_lbfgs *lbfgs);

/* Moves `at` by what follows from the gradient there; false, without a move, where it leads no
 * further down. */
bool vgg_lbfgs_move(vgg_lbfgs *lbfgs, float *at, const float *gradient);

/* The pair of that age, 0 the oldest. */
size_t vgg_lbfgs_pair(const vgg_lbfgs *lbfgs, size_t age);

/* The largest magnitude; NaN where a value is. */
double vgg_lbfgs_largest(const vgg_lbfgs *lbfgs, const float *vector);

/* Along a move that changed the gradient by that; above 0 in each pair. */
double vgg_lbfgs_curvature(const vgg_lbfgs *lbfgs, const float *change, const float *move);

/* After the arrays of the first `count` pairs were filled in, which then are the oldest first: what
 * follows from them. */
void vgg_lbfgs_restore(vgg_lbfgs *lbfgs, size_t count, size_t iteration);

#endif
