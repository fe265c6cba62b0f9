/* L-BFGS (Nocedal & Wright, Numerical Optimization, algorithm 7.5), with a line search that halves
 * the step. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "probe/problem.h"

#define MEMORY 12
#define ITERATIONS_MOST 3000
/* It ends when so many iterations have gained less than this share of the value. */
#define PATIENCE 20
#define LEAST_GAIN 1e-6
#define HALVINGS_MOST 30
/* Of the gain that the slope promises, a step must bring this share. */
#define ARMIJO 1e-4

typedef struct search {
    vgg_probe_problem *problem;
    size_t size;
    double *at, *gradient, *direction, *next, *next_gradient;
    double *steps[MEMORY], *turns[MEMORY]; /* differences of places and of gradients, in a ring */
    double curvature[MEMORY];              /* their products */
    size_t pairs;                          /* that there were so far */
} search;

static double product(const double *a, const double *b, size_t size) {
    double sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static void add_times(double *to, double factor, const double *from, size_t size) {
    for (size_t i = 0; i < size; i++) {
        to[i] += factor * from[i];
    }
}

/* The two loops over the pairs that are remembered. */
static void find_direction(search *s) {
    double factors[MEMORY];
    size_t first = s->pairs > MEMORY ? s->pairs - MEMORY : 0;
    for (size_t i = 0; i < s->size; i++) {
        s->direction[i] = -s->gradient[i];
    }
    for (size_t i = s->pairs; i-- > first;) {
        size_t m = i % MEMORY;
        factors[m] = product(s->steps[m], s->direction, s->size) / s->curvature[m];
        add_times(s->direction, -factors[m], s->turns[m], s->size);
    }
    if (s->pairs > 0) {
        size_t m = (s->pairs - 1) % MEMORY;
        double scale = s->curvature[m] / product(s->turns[m], s->turns[m], s->size);
        for (size_t i = 0; i < s->size; i++) {
            s->direction[i] *= scale;
        }
    }
    for (size_t i = first; i < s->pairs; i++) {
        size_t m = i % MEMORY;
        double factor = product(s->turns[m], s->direction, s->size) / s->curvature[m];
        add_times(s->direction, factors[m] - factor, s->steps[m], s->size);
    }
}

/* Takes a step that makes the value smaller; false when none does. */
static bool step(search *s, double *value) {
    double slope = product(s->gradient, s->direction, s->size);
    double length = s->pairs > 0 ? 1 : 1 / fmax(1, sqrt(-slope));
    for (int i = 0; slope < 0 && i < HALVINGS_MOST; i++, length /= 2) {
        memcpy(s->next, s->at, s->size * sizeof *s->next);
        add_times(s->next, length, s->direction, s->size);
        double found = vgg_probe_evaluate(s->problem, s->next, s->next_gradient);
        if (found <= *value + ARMIJO * length * slope) {
            *value = found;
            return true;
        }
    }
    return false;
}

/* Remembers the step from `at` to `next` in place of the oldest one, unless the slope hardly turned
 * on the way. */
static void remember(search *s) {
    double curvature = 0, turned = 0;
    for (size_t i = 0; i < s->size; i++) {
        double turn = s->next_gradient[i] - s->gradient[i];
        curvature += (s->next[i] - s->at[i]) * turn;
        turned += turn * turn;
    }
    if (!(curvature > 1e-12 * turned))
        return;
    size_t m = s->pairs++ % MEMORY;
    for (size_t i = 0; i < s->size; i++) {
        s->steps[m][i] = s->next[i] - s->at[i];
        s->turns[m][i] = s->next_gradient[i] - s->gradient[i];
    }
    s->curvature[m] = curvature;
}

/* Goes from `at` to `next`. */
static void move(search *s) {
    remember(s);
    memcpy(s->at, s->next, s->size * sizeof *s->at);
    memcpy(s->gradient, s->next_gradient, s->size * sizeof *s->gradient);
}

/* Whether rounding hides what the shortest step along the slope could gain. */
static bool is_flat(const search *s, double value) {
    double slope = product(s->gradient, s->gradient, s->size);
    return slope / fmax(1, sqrt(slope)) * ldexp(1, -HALVINGS_MOST) <= LEAST_GAIN * fabs(value);
}

static void run(search *s, vgg_probe_result *result) {
    double before = 0, *value = &result->objective;
    for (result->iterations = 0; result->iterations < ITERATIONS_MOST; result->iterations++) {
        if (result->iterations % PATIENCE == 0) {
            result->converged =
                result->iterations > 0 && before - *value < LEAST_GAIN * fabs(*value);
            before = *value;
        }
        if (result->converged)
            return;
        find_direction(s);
        bool stepped = step(s, value);
        /* What is remembered may be of no use here: once more down the slope. */
        if (!stepped && s->pairs == 0) {
            result->converged = is_flat(s, *value);
            return;
        }
        if (stepped)
            move(s);
        else
            s->pairs = 0;
    }
}

vgg_status vgg_probe_minimise(vgg_probe_problem *problem, double *at, vgg_probe_result *result,
                              vgg_error *error) {
    size_t size = vgg_probe_size(problem), vectors = 4 + 2 * MEMORY, bytes;
    double *room = NULL;
    if (vgg_size_mul(size, vectors * sizeof *room, &bytes))
        room = vgg_malloc(bytes);
    if (room == NULL)
        return vgg_fail_memory(error, "a classifier", SIZE_MAX);
    search s = {.problem = problem,
                .size = size,
                .at = at,
                .gradient = room,
                .direction = room + size,
                .next = room + 2 * size,
                .next_gradient = room + 3 * size};
    for (size_t m = 0; m < MEMORY; m++) {
        s.steps[m] = room + (4 + 2 * m) * size;
        s.turns[m] = room + (5 + 2 * m) * size;
    }
    result->converged = false;
    result->objective = vgg_probe_evaluate(problem, at, s.gradient);
    bool finite = isfinite(result->objective) && isfinite(product(s.gradient, s.gradient, size));
    if (finite)
        run(&s, result);
    vgg_free(room);
    if (!finite || (result->iterations == 0 && !result->converged))
        return vgg_fail(error, VGG_ERROR_NUMERIC,
                        "the features are so large that no step from 0 is a finite number");
    return VGG_OK;
}
