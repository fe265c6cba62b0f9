/* Occlusion: what is missed where something is covered. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "eval/explainer.h"

/* Squares, from left to right and from top to bottom. The last ones are cut off at the edge. */
typedef struct squares {
    size_t rows, columns, side, stride;
} squares;

static size_t count_along(size_t length, const squares *s) {
    size_t rest = length - s->side;
    return 1 + (rest + s->stride - 1) / s->stride;
}

typedef struct square {
    size_t top, bottom, left, right;
} square;

static square find_square(const vgg_preprocess *p, const squares *s, size_t number) {
    size_t top = number / s->columns * s->stride, left = number % s->columns * s->stride;
    return (square){top, vgg_size_min(top + s->side, p->height), left,
                    vgg_size_min(left + s->side, p->width)};
}

static void cover(const vgg_explainer *explainer, square at, float *input) {
    const vgg_preprocess *p = explainer->preprocess;
    memcpy(input, explainer->original, explainer->input * sizeof *input);
    for (size_t c = 0; c < p->channels; c++) {
        for (size_t y = at.top; y < at.bottom; y++) {
            memset(input + (c * p->height + y) * p->width + at.left, 0,
                   (at.right - at.left) * sizeof *input);
        }
    }
}

/* Spreads what was missed over the places of a square. */
static void spread(const vgg_preprocess *p, square at, double missed, double *sums,
                   double *counts) {
    for (size_t y = at.top; y < at.bottom; y++) {
        for (size_t x = at.left; x < at.right; x++) {
            sums[y * p->width + x] += missed;
            counts[y * p->width + x] += 1;
        }
    }
}

static vgg_status cover_all(vgg_explainer *explainer, const squares *s, size_t index, double *sums,
                            double *counts, vgg_error *error) {
    const vgg_preprocess *p = explainer->preprocess;
    memcpy(explainer->inputs, explainer->original, explainer->input * sizeof(float));
    vgg_status status = vgg_explain_watch(explainer, 1, error);
    double whole = (double)explainer->logits[index];
    size_t all = s->rows * s->columns;
    for (size_t done = 0; status == VGG_OK && done < all; done += VGG_EXPLAIN_BATCH) {
        size_t count = vgg_size_min(all - done, VGG_EXPLAIN_BATCH);
        for (size_t n = 0; n < count; n++) {
            cover(explainer, find_square(p, s, done + n), explainer->inputs + n * explainer->input);
        }
        status = vgg_explain_watch(explainer, count, error);
        for (size_t n = 0; status == VGG_OK && n < count; n++) {
            double left = (double)explainer->logits[n * explainer->classes + index];
            spread(p, find_square(p, s, done + n), whole - left, sums, counts);
        }
    }
    return status;
}

vgg_status vgg_explain_occlusion(vgg_explainer *explainer, size_t index, float *map,
                                 vgg_error *error) {
    squares s = {.side = explainer->options.window, .stride = explainer->options.stride};
    s.rows = count_along(explainer->preprocess->height, &s);
    s.columns = count_along(explainer->preprocess->width, &s);
    double *sums = vgg_calloc(2 * explainer->pixels, sizeof *sums);
    if (sums == NULL)
        return vgg_fail_memory(error, "a map", 2 * explainer->pixels * sizeof *sums);
    double *counts = sums + explainer->pixels;
    vgg_status status = cover_all(explainer, &s, index, sums, counts, error);
    for (size_t i = 0; i < explainer->pixels; i++) {
        map[i] = (float)(sums[i] / counts[i]);
    }
    vgg_free(sums);
    return status;
}
