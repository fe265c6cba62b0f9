#include "inside/lbfgs.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* Values per unit of a sum, so that it does not depend on threads. */
#define UNIT ((size_t)16384)
/* PyTorch's: the least curvature of a pair that is kept, and the least slope that leads on. */
#define LEAST_CURVATURE 1e-10
#define LEAST_SLOPE 1e-9

/* ---- vectors ---- */

/* A product, or y = factor * x + share * y. */
typedef struct vector_task {
    size_t count;
    const float *x;
    const float *other;
    float *y;
    double factor, share;
    double *sums;
} vector_task;

static size_t units_of(size_t count) {
    return (count + UNIT - 1) / UNIT;
}

static void multiply_units(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vector_task *task = context;
    for (size_t unit = begin; unit < end; unit++) {
        size_t last = vgg_size_min((unit + 1) * UNIT, task->count);
        double lanes[8] = {0}, sum = 0;
        size_t i = unit * UNIT;
        for (; i + 8 <= last; i += 8) {
            for (size_t l = 0; l < 8; l++) {
                lanes[l] += (double)task->x[i + l] * (double)task->other[i + l];
            }
        }
        for (; i < last; i++) {
            sum += (double)task->x[i] * (double)task->other[i];
        }
        for (size_t l = 0; l < 8; l++) {
            sum += lanes[l];
        }
        task->sums[unit] = sum;
    }
}

static double dot(const vgg_lbfgs *l, const float *x, const float *y) {
    vector_task task = {.count = l->values, .x = x, .other = y, .sums = l->sums};
    vgg_threads_run(l->threads, units_of(l->values), multiply_units, &task);
    double sum = 0;
    for (size_t i = 0; i < units_of(l->values); i++) {
        sum += l->sums[i];
    }
    return sum;
}

static void add_units(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const vector_task *task = context;
    const float *restrict x = task->x;
    float *restrict y = task->y;
    float factor = (float)task->factor, share = (float)task->share;
    size_t last = vgg_size_min(end * UNIT, task->count);
    for (size_t i = begin * UNIT; i < last; i++) {
        y[i] = factor * x[i] + share * y[i];
    }
}

/* y = factor * x + share * y */
static void add(const vgg_lbfgs *l, double factor, const float *x, double share, float *y) {
    vector_task task = {.count = l->values, .x = x, .y = y, .factor = factor, .share = share};
    vgg_threads_run(l->threads, units_of(l->values), add_units, &task);
}

double vgg_lbfgs_largest(const vgg_lbfgs *l, const float *vector) {
    float most = 0;
    for (size_t i = 0; i < l->values; i++) {
        float magnitude = fabsf(vector[i]);
        most = magnitude <= most ? most : magnitude;
        if (isnan(most))
            break;
    }
    return (double)most;
}

double vgg_lbfgs_curvature(const vgg_lbfgs *l, const float *change, const float *move) {
    return dot(l, change, move);
}

static double sum_of_magnitudes(const vgg_lbfgs *l, const float *vector) {
    double sum = 0;
    for (size_t i = 0; i < l->values; i++) {
        sum += fabs((double)vector[i]);
    }
    return sum;
}

/* ---- memory ---- */

/* Bytes of all vectors; false when they do not fit a size. */
static bool count_bytes(size_t values, size_t history, size_t *bytes) {
    size_t vectors;
    return vgg_size_mul(history, 2, &vectors) && vgg_size_add(vectors, 2, &vectors) &&
           vgg_size_mul(vectors, values, bytes) && vgg_size_mul(*bytes, sizeof(float), bytes);
}

static float *make_vector(size_t values, bool *failed) {
    float *vector = vgg_aligned_alloc(values * sizeof *vector);
    *failed = *failed || vector == NULL;
    return vector;
}

vgg_status vgg_lbfgs_create(vgg_lbfgs *l, vgg_threads *threads, size_t values, size_t history,
                            vgg_error *error) {
    *l = (vgg_lbfgs){.threads = threads, .values = values, .history = history, .diagonal = 1};
    size_t bytes = SIZE_MAX;
    bool failed = !count_bytes(values, history, &bytes);
    l->moves = vgg_calloc(history, sizeof *l->moves);
    l->changes = vgg_calloc(history, sizeof *l->changes);
    l->curvature = vgg_calloc(history, sizeof *l->curvature);
    l->shares = vgg_calloc(history, sizeof *l->shares);
    l->sums = vgg_calloc(units_of(values), sizeof *l->sums);
    if (failed || l->moves == NULL || l->changes == NULL || l->curvature == NULL ||
        l->shares == NULL || l->sums == NULL)
        return vgg_fail_memory(error, "an optimiser's history", bytes);
    l->before = make_vector(values, &failed);
    l->move = make_vector(values, &failed);
    for (size_t i = 0; !failed && i < history; i++) {
        l->moves[i] = make_vector(values, &failed);
        l->changes[i] = make_vector(values, &failed);
    }
    return failed ? vgg_fail_memory(error, "an optimiser's history", bytes) : VGG_OK;
}

void vgg_lbfgs_free(vgg_lbfgs *l) {
    for (size_t i = 0; i < l->history; i++) {
        if (l->moves != NULL)
            vgg_free(l->moves[i]);
        if (l->changes != NULL)
            vgg_free(l->changes[i]);
    }
    vgg_free(l->moves);
    vgg_free(l->changes);
    vgg_free(l->curvature);
    vgg_free(l->shares);
    vgg_free(l->sums);
    vgg_free(l->before);
    vgg_free(l->move);
    *l = (vgg_lbfgs){0};
}

/* ---- moving ---- */

size_t vgg_lbfgs_pair(const vgg_lbfgs *l, size_t age) {
    return (l->oldest + age) % l->history;
}

/* Keeps the last move and the change of the gradient that it made, in place of the oldest pair when
 * there is no room. */
static void keep_pair(vgg_lbfgs *l, const float *gradient) {
    add(l, 1, gradient, -1, l->before);
    double curvature = vgg_lbfgs_curvature(l, l->before, l->move);
    if (!(curvature > LEAST_CURVATURE))
        return;
    bool full = l->count == l->history;
    size_t pair = vgg_lbfgs_pair(l, full ? 0 : l->count);
    l->oldest = full ? (l->oldest + 1) % l->history : l->oldest;
    l->count += full ? 0 : 1;
    float *change = l->changes[pair];
    l->changes[pair] = l->before;
    l->before = change;
    memcpy(l->moves[pair], l->move, l->values * sizeof *l->move);
    l->curvature[pair] = 1 / curvature;
    l->diagonal = curvature / dot(l, l->changes[pair], l->changes[pair]);
}

/* The direction, in l->move: minus the guessed inverse Hessian times the gradient. */
static void find_direction(vgg_lbfgs *l, const float *gradient) {
    float *direction = l->move;
    add(l, -1, gradient, 0, direction);
    for (size_t age = l->count; age-- > 0;) {
        size_t pair = vgg_lbfgs_pair(l, age);
        l->shares[pair] = dot(l, l->moves[pair], direction) * l->curvature[pair];
        add(l, -l->shares[pair], l->changes[pair], 1, direction);
    }
    add(l, 0, gradient, l->diagonal, direction);
    for (size_t age = 0; age < l->count; age++) {
        size_t pair = vgg_lbfgs_pair(l, age);
        double share = dot(l, l->changes[pair], direction) * l->curvature[pair];
        add(l, l->shares[pair] - share, l->moves[pair], 1, direction);
    }
}

bool vgg_lbfgs_move(vgg_lbfgs *l, float *at, const float *gradient) {
    if (l->iteration > 0)
        keep_pair(l, gradient);
    else
        memset(l->move, 0, l->values * sizeof *l->move);
    find_direction(l, gradient);
    double slope = dot(l, gradient, l->move), sum = sum_of_magnitudes(l, gradient);
    memcpy(l->before, gradient, l->values * sizeof *l->before);
    if (!(slope <= -LEAST_SLOPE))
        return false;
    if (l->iteration == 0 && sum > 1)
        add(l, 0, gradient, 1 / sum, l->move);
    add(l, 1, l->move, 1, at);
    l->iteration++;
    return true;
}

void vgg_lbfgs_restore(vgg_lbfgs *l, size_t count, size_t iteration) {
    l->count = count;
    l->oldest = 0;
    l->iteration = iteration;
    l->diagonal = 1;
    for (size_t i = 0; i < count; i++) {
        double curvature = vgg_lbfgs_curvature(l, l->changes[i], l->moves[i]);
        l->curvature[i] = 1 / curvature;
        l->diagonal = curvature / dot(l, l->changes[i], l->changes[i]);
    }
}
