/* DISTS: its blocks are networks of their own, as no plan has its pools. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "inside/distance.h"
#include "inside/floats.h"
#include "nn/network.h"

#define BLOCKS 5
/* DISTS's, of means and of variances. */
#define EPSILON 1e-6
/* Of an L2 pool, below the root. */
#define POOL_EPSILON 1e-12F

/* ---- pools ---- */

/* An L2 pool from what a block gives to the next one's input, or the gradient back. */
typedef struct pool_task {
    const float *given; /* (channels, height, width) */
    float *pooled;      /* (channels, half of each, rounded up) */
    const float *slope; /* backward: of `pooled` */
    float *gradient;    /* backward: of `given`, is added to */
    size_t height, width;
} pool_task;

static size_t half(size_t side) {
    return (side + 1) / 2;
}

/* Hanning's window of three: how much what lies that far away counts. */
static float share(size_t centre, size_t at) {
    return at == centre ? 0.5F : 0.25F;
}

/* The range of places that a window around `centre` has. */
static size_t window_begin(size_t centre) {
    return centre > 0 ? centre - 1 : 0;
}
static size_t window_end(size_t centre, size_t side) {
    return vgg_size_min(centre + 2, side);
}

static float pool_place(const float *plane, size_t height, size_t width, size_t y, size_t x) {
    float sum = 0;
    for (size_t v = window_begin(y); v < window_end(y, height); v++) {
        for (size_t u = window_begin(x); u < window_end(x, width); u++) {
            float value = plane[v * width + u];
            sum += share(y, v) * share(x, u) * value * value;
        }
    }
    return sqrtf(sum + POOL_EPSILON);
}

static void pool_channels(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const pool_task *t = context;
    size_t rows = half(t->height), columns = half(t->width);
    for (size_t c = begin; c < end; c++) {
        const float *plane = t->given + c * t->height * t->width;
        float *to = t->pooled + c * rows * columns;
        for (size_t i = 0; i < rows * columns; i++) {
            to[i] = pool_place(plane, t->height, t->width, 2 * (i / columns), 2 * (i % columns));
        }
    }
}

/* A place's share of what the pool around it gives is its window's, times value / given. */
static void spread_channels(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const pool_task *t = context;
    size_t rows = half(t->height), columns = half(t->width);
    for (size_t c = begin; c < end; c++) {
        const float *plane = t->given + c * t->height * t->width;
        float *gradient = t->gradient + c * t->height * t->width;
        for (size_t i = 0; i < rows * columns; i++) {
            size_t at = c * rows * columns + i, y = 2 * (i / columns), x = 2 * (i % columns);
            float slope = t->slope[at] / t->pooled[at];
            for (size_t v = window_begin(y); v < window_end(y, t->height); v++) {
                for (size_t u = window_begin(x); u < window_end(x, t->width); u++) {
                    gradient[v * t->width + u] +=
                        share(y, v) * share(x, u) * slope * plane[v * t->width + u];
                }
            }
        }
    }
}

/* ---- comparing ---- */

typedef struct channel_task {
    const vgg_distance_part *part;
    double *sums; /* of each channel */
    bool slopes;
} channel_task;

/* A quotient (2 u + e) / (v + e), and its derivatives by u and v. */
typedef struct likeness {
    double value, by_product, by_sum;
} likeness;

static likeness compare(double product, double sum) {
    double below = sum + EPSILON, above = 2 * product + EPSILON;
    return (likeness){above / below, 2 / below, -above / (below * below)};
}

static double mean_of(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)values[i];
    }
    return sum / (double)count;
}

/* The mean of (x - x_mean) (y - y_mean). */
static double covariance(const float *x, double x_mean, const float *y, double y_mean,
                         size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += ((double)x[i] - x_mean) * ((double)y[i] - y_mean);
    }
    return sum / (double)count;
}

static void compare_channels(void *context, size_t begin, size_t end, size_t worker) {
    (void)worker;
    const channel_task *task = context;
    const vgg_distance_part *part = task->part;
    size_t count = part->places;
    for (size_t c = begin; c < end; c++) {
        const float *x = part->given + c * count, *y = part->reference + c * count;
        double alpha = (double)part->weights[c];
        double beta = (double)part->weights[part->channels + c];
        double x_mean = mean_of(x, count), y_mean = mean_of(y, count);
        double x_variance = covariance(x, x_mean, x, x_mean, count);
        double y_variance = covariance(y, y_mean, y, y_mean, count);
        double both = covariance(x, x_mean, y, y_mean, count);
        likeness texture = compare(x_mean * y_mean, x_mean * x_mean + y_mean * y_mean);
        likeness structure = compare(both, x_variance + y_variance);
        task->sums[c] = alpha * (1 - texture.value) + beta * (1 - structure.value);
        if (!task->slopes)
            continue;
        double even =
            -alpha * (texture.by_product * y_mean + 2 * texture.by_sum * x_mean) / (double)count;
        double along_y = -beta * structure.by_product / (double)count;
        double along_x = -beta * 2 * structure.by_sum / (double)count;
        for (size_t i = 0; i < count; i++) {
            part->gradient[c * count + i] = (float)(even + along_y * ((double)y[i] - y_mean) +
                                                    along_x * ((double)x[i] - x_mean));
        }
    }
}

double vgg_dists_compare(vgg_distance *d, vgg_distance_part *part, bool slopes) {
    channel_task task = {part, d->sums, slopes};
    vgg_threads_run(d->threads, part->channels, compare_channels, &task);
    double sum = 0;
    for (size_t c = 0; c < part->channels; c++) {
        sum += d->sums[c];
    }
    return sum;
}

/* ---- looking ---- */

static pool_task pool_into(const vgg_distance *d, size_t number) {
    const vgg_distance_block *block = &d->blocks[number], *before = block - 1;
    return (pool_task){.height = before->height, .width = before->width, .pooled = block->input};
}

vgg_status vgg_dists_look(vgg_distance *d, const float *picture, bool reference, vgg_error *error) {
    vgg_status status = VGG_OK;
    const float *given = NULL;
    for (size_t b = 0; status == VGG_OK && b < d->block_count; b++) {
        vgg_distance_part *part = &d->parts[b + 1];
        pool_task pool = b > 0 ? pool_into(d, b) : (pool_task){0};
        pool.given = given;
        if (b > 0)
            vgg_threads_run(d->threads, d->blocks[b].channels, pool_channels, &pool);
        float *row = reference ? part->reference : part->given;
        status = vgg_plan_forward_taps(d->blocks[b].plan, b > 0 ? d->blocks[b].input : d->input, 1,
                                       &row, NULL, error);
        given = row;
    }
    memcpy(reference ? d->parts[0].reference : d->parts[0].given, picture,
           d->parts[0].values * sizeof *picture);
    return status;
}

vgg_status vgg_dists_carry_back(vgg_distance *d, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t b = d->block_count; status == VGG_OK && b-- > 0;) {
        vgg_distance_block *block = &d->blocks[b];
        const float *row = d->parts[b + 1].gradient;
        status = vgg_plan_backward_taps(block->plan, NULL, &row, NULL,
                                        b > 0 ? block->slope : d->input, error);
        if (status != VGG_OK || b == 0)
            return status;
        pool_task pool = pool_into(d, b);
        pool.given = d->parts[b].given;
        pool.slope = block->slope;
        pool.gradient = d->parts[b].gradient;
        vgg_threads_run(d->threads, block->channels, spread_channels, &pool);
    }
    return status;
}

/* ---- making ---- */

/* A part of so many channels and places, with the weights of all channels alike. */
static vgg_status make_part(vgg_distance *d, const char *name, size_t channels, size_t places,
                            vgg_error *error) {
    vgg_distance_part *part = &d->parts[d->part_count++];
    snprintf(part->name, sizeof part->name, "%s", name);
    part->channels = channels;
    part->places = places;
    part->values = channels * places;
    bool failed = false;
    part->reference = vgg_take_floats(part->values, &failed);
    part->given = vgg_take_floats(part->values, &failed);
    part->weights = vgg_take_floats(2 * channels, &failed);
    if (d->options.gradient)
        part->gradient = vgg_take_floats(part->values, &failed);
    return failed ? vgg_fail_memory(error, "what a layer gives", 3 * part->values * sizeof(float))
                  : VGG_OK;
}

static vgg_status make_plan(vgg_distance *d, vgg_distance_block *block, vgg_error *error) {
    const vgg_tap tap = {.layer = block->last - block->first};
    vgg_plan_options planning;
    vgg_plan_options_init(&planning, sizeof planning);
    planning.shared_threads = d->threads;
    planning.exact = d->options.exact;
    planning.precision = d->options.precision;
    planning.device = d->options.device;
    planning.gradients = planning.input_gradient = d->options.gradient;
    planning.taps = &tap;
    planning.tap_count = 1;
    planning.ends_at_taps = true;
    return vgg_plan_create(block->network, &planning, &block->plan, error);
}

static vgg_status make_block(vgg_distance *d, size_t number, vgg_error *error) {
    const vgg_network *network = vgg_model_network(d->model);
    vgg_distance_block *block = &d->blocks[number];
    const vgg_distance_block *before = block - 1;
    block->first = number > 0 ? before->last + 2 : 0; /* behind a pool */
    block->last = d->taps[number].layer;
    block->height = number > 0 ? half(before->height) : d->options.height;
    block->width = number > 0 ? half(before->width) : d->options.width;
    if (block->first > block->last ||
        (number > 0 && network->layers[block->first - 1].type != VGG_LAYER_MAX_POOL))
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "DISTS is defined with VGG-16, and behind %s of this network stands no "
                        "max-pool",
                        network->layers[number > 0 ? before->last : 0].name);
    const vgg_layer *last = &network->layers[block->last];
    block->channels = network->layers[block->first].input.channels;
    bool failed = false;
    size_t values = block->channels * block->height * block->width;
    block->input = number > 0 ? vgg_take_floats(values, &failed) : NULL;
    block->slope = number > 0 && d->options.gradient ? vgg_take_floats(values, &failed) : NULL;
    vgg_status status =
        failed ? vgg_fail_memory(error, "what a layer gives", values * sizeof(float)) : VGG_OK;
    if (status == VGG_OK)
        status = vgg_network_create_part(network, block->first, block->last, block->height,
                                         block->width, &block->network, error);
    if (status == VGG_OK)
        status = make_plan(d, block, error);
    if (status == VGG_OK)
        status =
            make_part(d, last->name, last->output.channels, block->height * block->width, error);
    return status;
}

/* As long as no file says others: all channels count alike. */
static void weigh_alike(vgg_distance *d) {
    size_t channels = 0;
    for (size_t i = 0; i < d->part_count; i++) {
        channels += d->parts[i].channels;
    }
    for (size_t i = 0; i < d->part_count; i++) {
        for (size_t c = 0; c < 2 * d->parts[i].channels; c++) {
            d->parts[i].weights[c] = 0.5F / (float)channels;
        }
    }
}

vgg_status vgg_dists_create(vgg_distance *d, vgg_error *error) {
    size_t most = d->channels;
    d->blocks = vgg_calloc(BLOCKS, sizeof *d->blocks);
    d->parts = vgg_calloc(BLOCKS + 1, sizeof *d->parts);
    d->part_room = BLOCKS + 1;
    if (d->blocks == NULL || d->parts == NULL)
        return vgg_fail_memory(error, "a distance", (BLOCKS + 1) * sizeof *d->parts);
    vgg_status status = make_part(d, "picture", d->channels, d->pixels, error);
    for (; status == VGG_OK && d->block_count < BLOCKS; d->block_count++) {
        status = make_block(d, d->block_count, error);
    }
    for (size_t i = 0; i < d->part_count; i++) {
        most = vgg_size_max(most, d->parts[i].channels);
    }
    bool failed = false;
    d->input = vgg_take_floats(d->channels * d->pixels, &failed);
    d->sums = vgg_calloc(most, sizeof *d->sums);
    if (status == VGG_OK && (failed || d->sums == NULL))
        status = vgg_fail_memory(error, "a distance", d->channels * d->pixels * sizeof(float));
    if (status == VGG_OK)
        weigh_alike(d);
    return status;
}

void vgg_dists_free(vgg_distance *d) {
    for (size_t b = 0; d->blocks != NULL && b < BLOCKS; b++) {
        vgg_plan_free(d->blocks[b].plan);
        vgg_network_free(d->blocks[b].network);
        vgg_free(d->blocks[b].input);
        vgg_free(d->blocks[b].slope);
    }
    vgg_free(d->blocks);
}
