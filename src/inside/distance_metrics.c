/* What a layer adds to a distance, and the gradient of that. */
#include <math.h>
#include <string.h>

#include "inside/distance.h"
#include "inside/gram.h"

/* What LPIPS adds to lengths before it divides by them. */
#define LENGTH_EPSILON 1e-10

/* A unit is a number of places or values; each has a sum of its own, so that the whole does not
 * depend on threads. */
typedef struct part_task {
    const vgg_distance_part *part;
    double *sums;
    bool slopes; /* the gradient is wanted */
} part_task;

static double add_up(const double *sums, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += sums[i];
    }
    return sum;
}

/* ---- LPIPS ---- */

/* Of each place of a unit. */
typedef struct places {
    float inverse[VGG_DISTANCE_PLACES]; /* 1 / (length + epsilon) of what the picture gives; 0 where
                                         * all channels are */
    float pull[VGG_DISTANCE_PLACES];    /* what the gradient loses in the direction of the values */
} places;

static void add_squares(const float *restrict row, size_t count, float *restrict squares) {
    for (size_t i = 0; i < count; i++) {
        squares[i] += row[i] * row[i];
    }
}

/* lengths: of all channels at each place, and 1 / (length + epsilon), or 0 where that is 0. */
static void find_lengths(const vgg_distance_part *part, const float *values, size_t count,
                         float *lengths, float *inverse) {
    memset(lengths, 0, count * sizeof *lengths);
    for (size_t c = 0; c < part->channels; c++) {
        add_squares(values + c * part->places, count, lengths);
    }
    for (size_t i = 0; i < count; i++) {
        bool empty = fpclassify(lengths[i]) == FP_ZERO;
        lengths[i] = sqrtf(lengths[i]);
        inverse[i] = empty ? 0 : (float)(1 / ((double)lengths[i] + LENGTH_EPSILON));
    }
}

/* Where in the arrays of a part a unit lies. */
typedef struct unit_range {
    size_t first, count;
} unit_range;

static unit_range range_of(const vgg_distance_part *part, size_t unit) {
    size_t first = unit * VGG_DISTANCE_PLACES;
    return (unit_range){first, vgg_size_min(VGG_DISTANCE_PLACES, part->places - first)};
}

static void measure_reference(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const part_task *task = context;
    const vgg_distance_part *part = task->part;
    for (size_t unit = begin; unit < end; unit++) {
        unit_range at = range_of(part, unit);
        float lengths[VGG_DISTANCE_PLACES];
        find_lengths(part, part->reference + at.first, at.count, lengths, part->inverse + at.first);
    }
}

static float weight_of(const vgg_distance_part *part, size_t channel) {
    return part->weights != NULL ? part->weights[channel] : 1;
}

/* A channel: found += weight d^2 and along += 2 weight d a, with d the difference of unit vectors.
 */
static void compare_row(const float *restrict a, const float *restrict a_inverse,
                        const float *restrict b, const float *restrict b_inverse, float weight,
                        size_t count, float *restrict found, float *restrict along) {
    for (size_t i = 0; i < count; i++) {
        float difference = a[i] * a_inverse[i] - b[i] * b_inverse[i];
        found[i] += weight * difference * difference;
        along[i] += 2 * weight * difference * a[i];
    }
}

/* The sum over the unit; *at gets what the gradient needs. */
static double compare_lengths(const vgg_distance_part *part, unit_range range, places *at) {
    float found[VGG_DISTANCE_PLACES] = {0}, along[VGG_DISTANCE_PLACES] = {0};
    float lengths[VGG_DISTANCE_PLACES];
    find_lengths(part, part->given + range.first, range.count, lengths, at->inverse);
    for (size_t c = 0; c < part->channels; c++) {
        size_t row = c * part->places + range.first;
        compare_row(part->given + row, at->inverse, part->reference + row,
                    part->inverse + range.first, weight_of(part, c), range.count, found, along);
    }
    double sum = 0;
    for (size_t i = 0; i < range.count; i++) {
        double inverse = (double)at->inverse[i], length = (double)lengths[i];
        at->pull[i] = length > 0 ? (float)((double)along[i] * inverse * inverse / length) : 0;
        sum += (double)found[i];
    }
    return sum;
}

/* share: 1 / places. */
static void slope_row(const float *restrict a, const float *restrict b,
                      const float *restrict b_inverse, const places *restrict at, float weight,
                      float share, size_t count, float *restrict gradient) {
    for (size_t i = 0; i < count; i++) {
        float inverse = at->inverse[i], difference = a[i] * inverse - b[i] * b_inverse[i];
        gradient[i] = share * (weight * difference * inverse - a[i] * at->pull[i]);
    }
}

static void write_gradient(const vgg_distance_part *part, unit_range range, const places *at) {
    for (size_t c = 0; c < part->channels; c++) {
        size_t row = c * part->places + range.first;
        slope_row(part->given + row, part->reference + row, part->inverse + range.first, at,
                  2 * weight_of(part, c), 1 / (float)part->places, range.count,
                  part->gradient + row);
    }
}

static void compare_places(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const part_task *task = context;
    const vgg_distance_part *part = task->part;
    for (size_t unit = begin; unit < end; unit++) {
        unit_range range = range_of(part, unit);
        places at;
        task->sums[unit] = compare_lengths(part, range, &at);
        if (task->slopes)
            write_gradient(part, range, &at);
    }
}

static size_t units_of(const vgg_distance_part *part) {
    return (part->places + VGG_DISTANCE_PLACES - 1) / VGG_DISTANCE_PLACES;
}

static double compare_lpips(vgg_distance *distance, const vgg_distance_part *part, bool slopes) {
    part_task task = {part, distance->sums, slopes};
    vgg_threads_run(distance->threads, units_of(part), compare_places, &task);
    return add_up(distance->sums, units_of(part)) / (double)part->places;
}

/* ---- features ---- */

static void compare_values(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const part_task *task = context;
    const vgg_distance_part *part = task->part;
    float twice = 2 / (float)part->values;
    for (size_t unit = begin; unit < end; unit++) {
        size_t first = unit * VGG_DISTANCE_VALUES;
        size_t last = vgg_size_min(first + VGG_DISTANCE_VALUES, part->values);
        double sum = 0;
        for (size_t i = first; i < last; i++) {
            float difference = part->given[i] - part->reference[i];
            sum += (double)difference * (double)difference;
            if (task->slopes)
                part->gradient[i] = twice * difference;
        }
        task->sums[unit] = sum;
    }
}

static double compare_features(vgg_distance *distance, const vgg_distance_part *part, bool slopes) {
    part_task task = {part, distance->sums, slopes};
    size_t units = (part->values + VGG_DISTANCE_VALUES - 1) / VGG_DISTANCE_VALUES;
    vgg_threads_run(distance->threads, units, compare_values, &task);
    return add_up(distance->sums, units) / (double)part->values;
}

/* ---- gram ---- */

static vgg_gram_task gram_task(const vgg_distance *distance, const vgg_distance_part *part) {
    return (vgg_gram_task){.threads = distance->threads,
                           .kernels = distance->kernels,
                           .zeros = distance->zeros,
                           .channels = part->channels,
                           .places = part->places};
}

static double compare_grams(vgg_distance *distance, const vgg_distance_part *part, bool slopes) {
    vgg_gram_task task = gram_task(distance, part);
    float *difference = distance->grams;
    double sum = 0, scale = 1 / (double)part->values;
    vgg_gram(&task, part->given, difference);
    for (size_t i = 0; i < part->channels * part->channels; i++) {
        double d = ((double)difference[i] - (double)part->gram[i]) * scale;
        sum += d * d;
        difference[i] = (float)(4 * d * scale);
    }
    if (slopes)
        vgg_gram_gradient(&task, difference, part->given, part->gradient);
    return sum;
}

/* ---- all of them ---- */

void vgg_distance_prepare(vgg_distance *distance, vgg_distance_part *part) {
    part_task task = {.part = part};
    vgg_gram_task product = gram_task(distance, part);
    if (part->inverse != NULL)
        vgg_threads_run(distance->threads, units_of(part), measure_reference, &task);
    if (part->gram != NULL)
        vgg_gram(&product, part->reference, part->gram);
}

double vgg_distance_compare(vgg_distance *distance, vgg_distance_part *part, bool slopes) {
    switch (distance->options.metric) {
    case VGG_DISTANCE_LPIPS:
        return compare_lpips(distance, part, slopes);
    case VGG_DISTANCE_FEATURES:
        return compare_features(distance, part, slopes);
    case VGG_DISTANCE_DISTS:
        return vgg_dists_compare(distance, part, slopes);
    case VGG_DISTANCE_GRAM:
        break;
    }
    return compare_grams(distance, part, slopes);
}
