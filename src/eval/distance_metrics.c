/* What a layer adds to a distance, and the gradient of that. */
#include <math.h>
#include <string.h>

#include "eval/distance.h"
#include "eval/gram.h"

/* What LPIPS adds to lengths before it divides by them. */
#define LENGTH_EPSILON 1e-10

/* A unit is a number of places or values; each has a sum of its own, so that the whole does not
 * depend on threads. */
typedef struct part_task {
    const vgg_distance_part *part;
    double *sums;
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
    float inverse[VGG_DISTANCE_PLACES];   /* 1 / (length + epsilon) of what the picture gives */
    float reference[VGG_DISTANCE_PLACES]; /* the same of the reference */
    float pull[VGG_DISTANCE_PLACES]; /* what the gradient loses in the direction of the values */
    bool empty[VGG_DISTANCE_PLACES]; /* all channels are 0 */
} places;

/* Squares of lengths: sums over channels. */
static void square_lengths(const float *values, const vgg_distance_part *part, size_t count,
                           float *squares) {
    memset(squares, 0, count * sizeof *squares);
    for (size_t c = 0; c < part->channels; c++) {
        const float *row = values + c * part->places;
        for (size_t i = 0; i < count; i++) {
            squares[i] += row[i] * row[i];
        }
    }
}

static void invert(float *squares, size_t count) {
    for (size_t i = 0; i < count; i++) {
        squares[i] = (float)(1 / (sqrt((double)squares[i]) + LENGTH_EPSILON));
    }
}

static float weight_of(const vgg_distance_part *part, size_t channel) {
    return part->weights != NULL ? part->weights[channel] : 1;
}

/* The sum over the unit; *at gets what the gradient needs. */
static double compare_lengths(const vgg_distance_part *part, size_t first, size_t count,
                              places *at) {
    float found[VGG_DISTANCE_PLACES] = {0}, along[VGG_DISTANCE_PLACES] = {0};
    square_lengths(part->given + first, part, count, at->inverse);
    square_lengths(part->reference + first, part, count, at->reference);
    for (size_t i = 0; i < count; i++) {
        at->empty[i] = !(at->inverse[i] > 0);
        at->pull[i] = at->inverse[i];
    }
    invert(at->inverse, count);
    invert(at->reference, count);
    for (size_t c = 0; c < part->channels; c++) {
        const float *a = part->given + c * part->places + first;
        const float *b = part->reference + c * part->places + first;
        float weight = weight_of(part, c);
        for (size_t i = 0; i < count; i++) {
            float difference = a[i] * at->inverse[i] - b[i] * at->reference[i];
            found[i] += weight * difference * difference;
            along[i] += 2 * weight * difference * a[i];
        }
    }
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double inverse = (double)at->inverse[i], length = sqrt((double)at->pull[i]);
        at->pull[i] = at->empty[i] ? 0 : (float)((double)along[i] * inverse * inverse / length);
        sum += (double)found[i];
    }
    return sum;
}

static void write_gradient(const vgg_distance_part *part, size_t first, size_t count,
                           const places *at) {
    float share = 1 / (float)part->places;
    float inverse[VGG_DISTANCE_PLACES];
    for (size_t i = 0; i < count; i++) {
        inverse[i] = at->empty[i] ? 0 : at->inverse[i];
    }
    for (size_t c = 0; c < part->channels; c++) {
        size_t row = c * part->places + first;
        const float *a = part->given + row, *b = part->reference + row;
        float *gradient = part->gradient + row, weight = 2 * weight_of(part, c);
        for (size_t i = 0; i < count; i++) {
            float difference = a[i] * at->inverse[i] - b[i] * at->reference[i];
            gradient[i] = share * (weight * difference * inverse[i] - a[i] * at->pull[i]);
        }
    }
}

static void compare_places(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const part_task *task = context;
    const vgg_distance_part *part = task->part;
    for (size_t unit = begin; unit < end; unit++) {
        size_t first = unit * VGG_DISTANCE_PLACES;
        size_t count = vgg_size_min(VGG_DISTANCE_PLACES, part->places - first);
        places at;
        task->sums[unit] = compare_lengths(part, first, count, &at);
        if (part->gradient != NULL)
            write_gradient(part, first, count, &at);
    }
}

static double compare_lpips(vgg_distance *distance, const vgg_distance_part *part) {
    part_task task = {part, distance->sums};
    size_t units = (part->places + VGG_DISTANCE_PLACES - 1) / VGG_DISTANCE_PLACES;
    vgg_threads_run(distance->threads, units, compare_places, &task);
    return add_up(distance->sums, units) / (double)part->places;
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
            if (part->gradient != NULL)
                part->gradient[i] = twice * difference;
        }
        task->sums[unit] = sum;
    }
}

static double compare_features(vgg_distance *distance, const vgg_distance_part *part) {
    part_task task = {part, distance->sums};
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

static double compare_grams(vgg_distance *distance, const vgg_distance_part *part) {
    vgg_gram_task task = gram_task(distance, part);
    float *difference = distance->grams;
    double sum = 0, scale = 1 / (double)part->values;
    vgg_gram(&task, part->given, difference);
    for (size_t i = 0; i < part->channels * part->channels; i++) {
        double d = ((double)difference[i] - (double)part->gram[i]) * scale;
        sum += d * d;
        difference[i] = (float)(4 * d * scale);
    }
    if (part->gradient != NULL)
        vgg_gram_gradient(&task, difference, part->given, part->gradient);
    return sum;
}

/* ---- all of them ---- */

void vgg_distance_prepare(vgg_distance *distance, vgg_distance_part *part) {
    vgg_gram_task task = gram_task(distance, part);
    if (part->gram != NULL)
        vgg_gram(&task, part->reference, part->gram);
}

double vgg_distance_compare(vgg_distance *distance, vgg_distance_part *part) {
    switch (distance->options.metric) {
    case VGG_DISTANCE_LPIPS:
        return compare_lpips(distance, part);
    case VGG_DISTANCE_FEATURES:
        return compare_features(distance, part);
    case VGG_DISTANCE_GRAM:
        break;
    }
    return compare_grams(distance, part);
}
