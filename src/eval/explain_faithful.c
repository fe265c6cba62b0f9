/* How faithful a map is: deletion and insertion. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/random.h"
#include "eval/explainer.h"

#define STEPS_MOST 1000
/* Of the blur: the reach to either side and the deviation, as its authors have them. */
#define BLUR_REACH 5
#define BLUR_DEVIATION 5.0

/* ---- orders ---- */

typedef struct ranked {
    float value;
    size_t pixel;
} ranked;

/* The highest first; equal ones in the order of their places. */
static int compare(const void *left, const void *right) {
    const ranked *a = left, *b = right;
    if (a->value > b->value || a->value < b->value)
        return a->value > b->value ? -1 : 1;
    return a->pixel < b->pixel ? -1 : 1;
}

static bool order_by_map(const float *map, size_t *order, size_t pixels) {
    ranked *all = vgg_calloc(pixels, sizeof *all);
    if (all == NULL)
        return false;
    for (size_t i = 0; i < pixels; i++) {
        all[i] = (ranked){map[i], i};
    }
    qsort(all, pixels, sizeof *all, compare);
    for (size_t i = 0; i < pixels; i++) {
        order[i] = all[i].pixel;
    }
    vgg_free(all);
    return true;
}

/* ---- blur ---- */

static size_t clamp(ptrdiff_t at, size_t length) {
    return at < 0 ? 0 : (size_t)at < length ? (size_t)at : length - 1;
}

/* Along one direction of a channel; `step` from a value to the next. */
static void blur_line(const float *from, float *to, size_t length, size_t step) {
    for (size_t i = 0; i < length; i++) {
        double sum = 0, weights = 0;
        for (ptrdiff_t d = -BLUR_REACH; d <= BLUR_REACH; d++) {
            double weight = exp(-(double)(d * d) / (2 * BLUR_DEVIATION * BLUR_DEVIATION));
            sum += weight * (double)from[clamp((ptrdiff_t)i + d, length) * step];
            weights += weight;
        }
        to[i * step] = (float)(sum / weights);
    }
}

static void blur(const vgg_preprocess *p, const float *from, float *between, float *to) {
    for (size_t row = 0; row < p->channels * p->height; row++) {
        blur_line(from + row * p->width, between + row * p->width, p->width, 1);
    }
    for (size_t c = 0; c < p->channels; c++) {
        size_t channel = c * p->height * p->width;
        for (size_t x = 0; x < p->width; x++) {
            blur_line(between + channel + x, to + channel + x, p->height, p->width);
        }
    }
}

/* ---- following ---- */

typedef struct following {
    vgg_explainer *explainer;
    size_t index, steps;
    const size_t *order;
    const float *from, *to; /* pixels of `from` are replaced by those of `to` */
} following;

static void replace(const following *f, size_t step, float *input) {
    const vgg_explainer *e = f->explainer;
    size_t end = e->pixels * step / f->steps;
    memcpy(input, f->from, e->input * sizeof *input);
    for (size_t i = 0; i < end; i++) {
        for (size_t at = f->order[i]; at < e->input; at += e->pixels) {
            input[at] = f->to[at];
        }
    }
}

/* The mean probability, by the rule of trapezia over the steps. */
static vgg_status follow(const following *f, double *mean, vgg_error *error) {
    vgg_explainer *e = f->explainer;
    vgg_status status = VGG_OK;
    *mean = 0;
    for (size_t done = 0; status == VGG_OK && done <= f->steps; done += VGG_EXPLAIN_BATCH) {
        size_t count = vgg_size_min(f->steps + 1 - done, VGG_EXPLAIN_BATCH);
        for (size_t n = 0; n < count; n++) {
            replace(f, done + n, e->inputs + n * e->input);
        }
        status = vgg_explain_watch(e, count, error);
        for (size_t n = 0; status == VGG_OK && n < count; n++) {
            bool end = done + n == 0 || done + n == f->steps;
            double probability = vgg_explain_probability(e, e->logits + n * e->classes, f->index);
            *mean += probability * (end ? 0.5 : 1) / (double)f->steps;
        }
    }
    return status;
}

static vgg_status follow_all(vgg_explainer *e, size_t index, const float *map, size_t steps,
                             float *others, size_t *order, vgg_faithfulness *found,
                             vgg_error *error) {
    const float *zeros = others, *blurred = others + e->input;
    if (!order_by_map(map, order, e->pixels))
        return vgg_fail_memory(error, "an order of pixels", e->pixels * sizeof(ranked));
    following f = {e, index, steps, order, e->original, zeros};
    vgg_status status = follow(&f, &found->deletion, error);
    f.from = blurred;
    f.to = e->original;
    if (status == VGG_OK)
        status = follow(&f, &found->insertion, error);
    vgg_random_permutation(order, e->pixels, e->options.seed, 0);
    if (status == VGG_OK)
        status = follow(&f, &found->random_insertion, error);
    f.from = e->original;
    f.to = zeros;
    return status == VGG_OK ? follow(&f, &found->random_deletion, error) : status;
}

vgg_status vgg_explain_faithfulness(vgg_explainer *explainer, const vgg_image *image, size_t index,
                                    const float *map, size_t steps, vgg_faithfulness *faithfulness,
                                    vgg_error *error) {
    if (steps == 0 || steps > STEPS_MOST || index >= explainer->classes)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%zu steps for class %zu, expected 1 to %d, for one of %zu", steps, index,
                        STEPS_MOST, explainer->classes);
    vgg_faithfulness found = {.struct_size = sizeof found};
    float *others = vgg_calloc(2 * explainer->input, sizeof *others);
    size_t *order = vgg_calloc(explainer->pixels, sizeof *order);
    vgg_status status = VGG_OK;
    if (others == NULL || order == NULL)
        status =
            vgg_fail_memory(error, "an order of pixels", 2 * explainer->input * sizeof *others);
    if (status == VGG_OK)
        status = vgg_preprocess_image(explainer->preprocess, image, explainer->original, error);
    if (status == VGG_OK) {
        blur(explainer->preprocess, explainer->original, explainer->inputs,
             others + explainer->input);
        status = follow_all(explainer, index, map, steps, others, order, &found, error);
    }
    vgg_free(order);
    vgg_free(others);
    if (status != VGG_OK)
        return status;
    return vgg_result_write(faithfulness, &found, sizeof found, "vgg_faithfulness", error);
}
