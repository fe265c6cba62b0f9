/* LPIPS: what a layer adds to a distance, and the gradient of that. Values are in blocks of 16
 * channels, (blocks, places, 16), as plans have them: a unit reads whole lines of memory, and
 * nothing is brought into another form. Lanes beyond the channels are zero. */
#include <math.h>
#include <string.h>

#include "inside/distance.h"
#include "kernels/blocks.h"

/* What is added to lengths before something is divided by them. */
#define LENGTH_EPSILON 1e-10

#define PLACES VGG_DISTANCE_PLACES
#define LANES (PLACES * VGG_BLOCK)

/* A unit is a number of places; each has a sum of its own, so that the whole does not depend on
 * threads. */
typedef struct part_task {
    const vgg_distance_part *part;
    double *sums;
    bool slopes; /* the gradient is wanted */
} part_task;

/* The places of a unit. */
typedef struct unit_range {
    size_t first, count;
} unit_range;

static size_t units_of(const vgg_distance_part *part) {
    return (part->places + PLACES - 1) / PLACES;
}

static unit_range range_of(const vgg_distance_part *part, size_t unit) {
    size_t first = unit * PLACES;
    return (unit_range){first, vgg_size_min(PLACES, part->places - first)};
}

/* Where a unit begins in a block. */
static size_t place_of(const vgg_distance_part *part, size_t block, unit_range range) {
    return (block * part->places + range.first) * VGG_BLOCK;
}

/* ---- lengths ---- */

static void add_squares(const float *restrict values, size_t count, float *restrict squares) {
    for (size_t i = 0; i < count; i++) {
        squares[i] += values[i] * values[i];
    }
}

static float sum_lanes(const float lanes[VGG_BLOCK]) {
    float sum = 0;
    for (size_t lane = 0; lane < VGG_BLOCK; lane++) {
        sum += lanes[lane];
    }
    return sum;
}

/* lengths: of all channels at each place, and 1 / (length + epsilon), or 0 where that is 0. */
static void find_lengths(const vgg_distance_part *part, const float *values, unit_range range,
                         float *lengths, float *inverse) {
    float squares[LANES];
    memset(squares, 0, range.count * VGG_BLOCK * sizeof *squares);
    for (size_t block = 0; block < vgg_blocks(part->channels); block++) {
        add_squares(values + place_of(part, block, range), range.count * VGG_BLOCK, squares);
    }
    for (size_t i = 0; i < range.count; i++) {
        float square = sum_lanes(squares + i * VGG_BLOCK);
        bool empty = fpclassify(square) == FP_ZERO;
        lengths[i] = sqrtf(square);
        inverse[i] = empty ? 0 : (float)(1 / ((double)lengths[i] + LENGTH_EPSILON));
    }
}

static void measure_reference(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const part_task *task = context;
    const vgg_distance_part *part = task->part;
    for (size_t unit = begin; unit < end; unit++) {
        unit_range range = range_of(part, unit);
        float lengths[PLACES];
        find_lengths(part, part->reference, range, lengths, part->inverse + range.first);
    }
}

/* ---- differences ---- */

/* A block of a unit: what the picture and the reference give, and what their lengths are divided
 * by.
 */
typedef struct block_pair {
    const float *a, *a_inverse, *b, *b_inverse;
    float weights[VGG_BLOCK]; /* 0 beyond the channels */
} block_pair;

static block_pair pair_of(const vgg_distance_part *part, size_t block, unit_range range,
                          const float *a_inverse) {
    size_t at = place_of(part, block, range);
    block_pair pair = {.a = part->given + at,
                       .a_inverse = a_inverse,
                       .b = part->reference + at,
                       .b_inverse = part->inverse + range.first};
    for (size_t lane = 0; lane < VGG_BLOCK; lane++) {
        size_t channel = block * VGG_BLOCK + lane;
        if (channel < part->channels)
            pair.weights[lane] = part->weights != NULL ? part->weights[channel] : 1;
    }
    return pair;
}

/* Of each lane: found += weight d^2 and along += 2 weight d a, with d the difference of unit
 * vectors. */
static void compare_block(const block_pair *pair, size_t count, float *restrict found,
                          float *restrict along) {
    for (size_t i = 0; i < count; i++) {
        const float *a = pair->a + i * VGG_BLOCK, *b = pair->b + i * VGG_BLOCK;
        float a_inverse = pair->a_inverse[i], b_inverse = pair->b_inverse[i];
        for (size_t lane = 0; lane < VGG_BLOCK; lane++) {
            float difference = a[lane] * a_inverse - b[lane] * b_inverse;
            float weighted = pair->weights[lane] * difference;
            found[i * VGG_BLOCK + lane] += weighted * difference;
            along[i * VGG_BLOCK + lane] += 2 * weighted * a[lane];
        }
    }
}

/* The sum over the unit; pull: what the gradient loses in the direction of the values. */
static double compare_lengths(const vgg_distance_part *part, unit_range range, float *inverse,
                              float *pull) {
    float found[LANES] = {0}, along[LANES] = {0}, lengths[PLACES];
    find_lengths(part, part->given, range, lengths, inverse);
    for (size_t block = 0; block < vgg_blocks(part->channels); block++) {
        block_pair pair = pair_of(part, block, range, inverse);
        compare_block(&pair, range.count, found, along);
    }
    double sum = 0;
    for (size_t i = 0; i < range.count; i++) {
        double each = (double)inverse[i], length = (double)lengths[i];
        double towards = (double)sum_lanes(along + i * VGG_BLOCK);
        pull[i] = length > 0 ? (float)(towards * each * each / length) : 0;
        sum += (double)sum_lanes(found + i * VGG_BLOCK);
    }
    return sum;
}

/* share: 1 / places. */
static void slope_block(const block_pair *pair, const float *pull, float share, size_t count,
                        float *restrict gradient) {
    for (size_t i = 0; i < count; i++) {
        const float *a = pair->a + i * VGG_BLOCK, *b = pair->b + i * VGG_BLOCK;
        float a_inverse = pair->a_inverse[i], b_inverse = pair->b_inverse[i], pulled = pull[i];
        for (size_t lane = 0; lane < VGG_BLOCK; lane++) {
            float difference = a[lane] * a_inverse - b[lane] * b_inverse;
            gradient[i * VGG_BLOCK + lane] =
                share * (2 * pair->weights[lane] * difference * a_inverse - a[lane] * pulled);
        }
    }
}

static void write_gradient(const vgg_distance_part *part, unit_range range, const float *inverse,
                           const float *pull) {
    for (size_t block = 0; block < vgg_blocks(part->channels); block++) {
        block_pair pair = pair_of(part, block, range, inverse);
        slope_block(&pair, pull, 1 / (float)part->places, range.count,
                    part->gradient + place_of(part, block, range));
    }
}

static void compare_places(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const part_task *task = context;
    for (size_t unit = begin; unit < end; unit++) {
        unit_range range = range_of(task->part, unit);
        float inverse[PLACES], pull[PLACES];
        task->sums[unit] = compare_lengths(task->part, range, inverse, pull);
        if (task->slopes)
            write_gradient(task->part, range, inverse, pull);
    }
}

void vgg_lpips_prepare(vgg_distance *distance, vgg_distance_part *part) {
    part_task task = {.part = part};
    vgg_threads_run(distance->threads, units_of(part), measure_reference, &task);
}

double vgg_lpips_compare(vgg_distance *distance, vgg_distance_part *part, bool slopes) {
    part_task task = {part, distance->sums, slopes};
    vgg_threads_run(distance->threads, units_of(part), compare_places, &task);
    return vgg_distance_add_up(distance, units_of(part)) / (double)part->places;
}
