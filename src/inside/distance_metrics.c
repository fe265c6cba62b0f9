/* What a layer adds to a distance, and the gradient of that. */

#include "inside/distance.h"
#include "inside/gram.h"

/* A unit is a number of values; each has a sum of its own, so that the whole does not depend on
 * threads. */
typedef struct part_task {
    const vgg_distance_part *part;
    double *sums;
    bool slopes; /* the gradient is wanted */
} part_task;

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
    return vgg_distance_add_up(distance, units) / (double)part->values;
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
    vgg_gram_task product = gram_task(distance, part);
    if (part->inverse != NULL)
        vgg_lpips_prepare(distance, part);
    if (part->gram != NULL)
        vgg_gram(&product, part->reference, part->gram);
}

double vgg_distance_compare(vgg_distance *distance, vgg_distance_part *part, bool slopes) {
    switch (distance->options.metric) {
    case VGG_DISTANCE_LPIPS:
        return vgg_lpips_compare(distance, part, slopes);
    case VGG_DISTANCE_FEATURES:
        return compare_features(distance, part, slopes);
    case VGG_DISTANCE_DISTS:
        return vgg_dists_compare(distance, part, slopes);
    case VGG_DISTANCE_GRAM:
        break;
    }
    return compare_grams(distance, part, slopes);
}
