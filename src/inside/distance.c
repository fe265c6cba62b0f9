/* Distances: making them, and measuring. */
#include "inside/distance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "inside/floats.h"
#include "kernels/blocks.h"

static const char *const metrics[] = {[VGG_DISTANCE_LPIPS] = "lpips",
                                      [VGG_DISTANCE_FEATURES] = "features",
                                      [VGG_DISTANCE_GRAM] = "gram",
                                      [VGG_DISTANCE_DISTS] = "dists"};
#define METRICS (sizeof metrics / sizeof *metrics)

/* The layers that LPIPS and DISTS are defined with. */
static const char *const own_layers[] = {"relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"};
#define OWN_LAYERS (sizeof own_layers / sizeof *own_layers)

/* Samples beyond these are those of another range. */
#define SAMPLE_LEAST (-0.5F)
#define SAMPLE_MOST 1.5F

const char *vgg_distance_metric_name(vgg_distance_metric metric) {
    return (size_t)metric < METRICS ? metrics[metric] : NULL;
}

vgg_distance_metric vgg_distance_metric_named(const char *name) {
    size_t found = vgg_text_find(name, metrics, METRICS);
    return found < METRICS ? (vgg_distance_metric)found : VGG_DISTANCE_LPIPS;
}

/* What a metric that has layers, pools and weights of its own is called; NULL for the others. */
static const char *own_name(vgg_distance_metric metric) {
    if (metric == VGG_DISTANCE_LPIPS)
        return "LPIPS";
    return metric == VGG_DISTANCE_DISTS ? "DISTS" : NULL;
}

void vgg_distance_options_init(vgg_distance_options *options, size_t size) {
    const vgg_distance_options defaults = {.struct_size = size};
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* ---- layers ---- */

static void take_tap(vgg_distance *d, size_t layer) {
    d->taps[d->options.tap_count++].layer = layer;
}

static vgg_status take_own_layers(vgg_distance *d, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < OWN_LAYERS; i++) {
        size_t layer;
        status = vgg_network_find_layer(vgg_model_network(d->model), own_layers[i], &layer, error);
        if (status == VGG_OK)
            take_tap(d, layer);
        else
            vgg_error_prefix(error, "%s is defined with VGG-16", own_name(d->options.metric));
    }
    return status;
}

/* The layer before each pool of 2x2, and the last that sees a map before what makes rows of it. */
static void take_usual_layers(vgg_distance *d) {
    const vgg_network *network = vgg_model_network(d->model);
    size_t layers = vgg_network_layer_count(network), last = SIZE_MAX;
    for (size_t i = 0; i < layers; i++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        vgg_network_layer(network, i, &info, NULL);
        bool pool = info.type == VGG_LAYER_MAX_POOL || info.type == VGG_LAYER_AVERAGE_POOL_2X2;
        bool convolves = info.type == VGG_LAYER_CONVOLUTION || info.type == VGG_LAYER_BATCH_NORM ||
                         info.type == VGG_LAYER_RELU;
        if (last != SIZE_MAX && (pool || info.dimensions != 3)) {
            take_tap(d, last);
            last = SIZE_MAX;
        }
        if (info.dimensions == 3 && convolves)
            last = i;
    }
}

static int compare_taps(const void *a, const void *b) {
    const vgg_tap *x = a, *y = b;
    return (x->layer > y->layer) - (x->layer < y->layer);
}

static vgg_status check_taps(const vgg_distance *d, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t t = 0; status == VGG_OK && t < d->options.tap_count; t++) {
        vgg_layer_info info = {.struct_size = sizeof info};
        status = vgg_network_layer(vgg_model_network(d->model), d->taps[t].layer, &info, error);
        if (status == VGG_OK && info.dimensions != 3)
            status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                              "%s gives rows of features, expected a layer of maps", info.name);
    }
    return status;
}

static vgg_status choose_layers(vgg_distance *d, vgg_error *error) {
    vgg_distance_options *options = &d->options;
    const vgg_tap *given = options->taps;
    size_t count = given != NULL ? options->tap_count : 0;
    size_t most = vgg_size_max(vgg_network_layer_count(vgg_model_network(d->model)), count);
    d->taps = vgg_calloc(vgg_size_max(most, OWN_LAYERS), sizeof *d->taps);
    options->taps = d->taps;
    options->tap_count = 0;
    if (d->taps == NULL)
        return vgg_fail_memory(error, "a distance", most * sizeof *d->taps);
    if (own_name(options->metric) != NULL)
        return take_own_layers(d, error);
    for (size_t i = 0; i < count; i++) {
        take_tap(d, given[i].layer);
    }
    if (count == 0)
        take_usual_layers(d);
    qsort(d->taps, options->tap_count, sizeof *d->taps, compare_taps);
    return check_taps(d, error);
}

/* ---- options ---- */

static vgg_status check_options(const vgg_distance_options *options, vgg_error *error) {
    const char *own = own_name(options->metric);
    if (vgg_distance_metric_name(options->metric) == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "metric %d, expected 0 to %zu",
                        (int)options->metric, METRICS - 1);
    if (own != NULL && (options->taps != NULL || options->average_pools))
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s has layers and pools of its own, expected none", own);
    if (own == NULL && options->weights != NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "%s: weights are for LPIPS and DISTS, and the metric is %s",
                        options->weights, vgg_distance_metric_name(options->metric));
    return VGG_OK;
}

/* The model's figures for pictures of another size. */
static vgg_status choose_preprocess(vgg_distance *d, vgg_error *error) {
    const vgg_network_options *network = vgg_network_describe(vgg_model_network(d->model));
    const vgg_preprocess *own = vgg_model_preprocess(d->model);
    vgg_distance_options *options = &d->options;
    if (options->height == 0 || options->width == 0) {
        options->height = network->height;
        options->width = network->width;
    }
    d->preprocess.struct_size = sizeof d->preprocess;
    d->channels = network->channels;
    if (own != NULL) {
        d->preprocess = *own;
        return VGG_OK;
    }
    return vgg_preprocess_preset("torchvision", d->channels, network->height, network->width,
                                 &d->preprocess, error);
}

/* ---- memory ---- */

static vgg_status make_plan(vgg_distance *d, vgg_error *error) {
    const vgg_distance_options *options = &d->options;
    vgg_plan_options planning;
    vgg_plan_options_init(&planning, sizeof planning);
    planning.height = options->height;
    planning.width = options->width;
    planning.shared_threads = d->threads;
    planning.exact = options->exact;
    planning.precision = options->precision;
    planning.device = options->device;
    planning.average_pools = options->average_pools;
    planning.gradients = planning.input_gradient = options->gradient;
    planning.taps = d->taps;
    planning.tap_count = options->tap_count;
    planning.ends_at_taps = true;
    if (options->metric != VGG_DISTANCE_LPIPS)
        return vgg_plan_create(vgg_model_network(d->model), &planning, &d->plan, error);
    d->viewer = (vgg_tap_viewer){d, vgg_lpips_place, vgg_lpips_see, vgg_lpips_slope};
    vgg_status status =
        vgg_plan_create_viewed(vgg_model_network(d->model), &planning, &d->viewer, &d->plan, error);
    if (status == VGG_OK)
        vgg_plan_block_taps(d->plan);
    return status;
}

/* Whether a part has a gradient to hand to the plan, whose viewer completes its own. */
static bool takes_gradient(const vgg_distance *d) {
    return d->options.gradient && d->plan->viewer == NULL;
}

/* Floats of what a part's layer gives. */
static size_t part_floats(const vgg_distance *d, const vgg_distance_part *part) {
    bool blocked = d->options.metric == VGG_DISTANCE_LPIPS;
    return blocked ? vgg_blocked_size(1, part->channels, part->places) : part->values;
}

/* Room for what the layers of all parts give: one block, whose pages are large where it is. */
static vgg_status take_values(vgg_distance *d, vgg_error *error) {
    size_t each = takes_gradient(d) ? 3 : 2, floats = 0;
    for (size_t i = 0; i < d->part_count; i++) {
        floats += each * vgg_round_up(part_floats(d, &d->parts[i]), VGG_BLOCK);
    }
    bool failed = false;
    float *next = d->values = vgg_take_floats(floats, &failed);
    for (size_t i = 0; !failed && i < d->part_count; i++) {
        vgg_distance_part *part = &d->parts[i];
        float **const rooms[] = {&part->reference, &part->given, &part->gradient};
        for (size_t r = 0; r < each; r++) {
            *rooms[r] = next;
            next += vgg_round_up(part_floats(d, part), VGG_BLOCK);
        }
    }
    return failed ? vgg_fail_memory(error, "what layers give", floats * sizeof(float)) : VGG_OK;
}

/* What LPIPS needs of a part besides values; its weights are ones. */
static void take_lpips(vgg_distance_part *part, bool *failed) {
    part->inverse = vgg_take_floats(part->places, failed);
    part->own_inverse = vgg_take_floats(part->places, failed);
    part->distances = vgg_take_floats(part->places, failed);
    part->pull = vgg_take_floats(part->places, failed);
    part->weights = vgg_take_floats(vgg_round_up(part->channels, VGG_BLOCK), failed);
    for (size_t c = 0; part->weights != NULL && c < part->channels; c++) {
        part->weights[c] = 1;
    }
}

static vgg_status make_part(vgg_distance *d, size_t number, vgg_error *error) {
    vgg_distance_part *part = &d->parts[number];
    vgg_tap_info tap = {.struct_size = sizeof tap};
    vgg_layer_info layer = {.struct_size = sizeof layer};
    vgg_status status = vgg_plan_tap(d->plan, number, &tap, error);
    if (status == VGG_OK)
        status = vgg_network_layer(vgg_model_network(d->model), tap.layer, &layer, error);
    if (status != VGG_OK)
        return status;
    memcpy(part->name, layer.name, sizeof part->name);
    part->channels = tap.shape[0];
    part->height = tap.shape[1];
    part->width = tap.shape[2];
    part->places = tap.shape[1] * tap.shape[2];
    part->values = tap.values;
    bool failed = false, gram = d->options.metric == VGG_DISTANCE_GRAM;
    size_t pairs = gram ? part->channels * part->channels : 0;
    if (d->options.metric == VGG_DISTANCE_LPIPS)
        take_lpips(part, &failed);
    if (gram)
        part->gram = vgg_take_floats(pairs, &failed);
    return failed ? vgg_fail_memory(error, "a distance", (4 * part->places + pairs) * sizeof(float))
                  : VGG_OK;
}

/* What all parts share: room for the largest. */
static vgg_status make_shared(vgg_distance *d, vgg_error *error) {
    size_t channels = 0, units = 0;
    for (size_t i = 0; i < d->part_count; i++) {
        const vgg_distance_part *part = &d->parts[i];
        channels = vgg_size_max(channels, part->channels);
        units = vgg_size_max(units, part->values / VGG_DISTANCE_VALUES + 1);
    }
    bool failed = false;
    d->input = vgg_take_floats(d->channels * d->pixels, &failed);
    d->zeros = vgg_take_floats(channels, &failed);
    if (d->options.metric == VGG_DISTANCE_GRAM)
        d->grams = vgg_take_floats(channels * channels, &failed);
    d->sums = vgg_calloc(units, sizeof *d->sums);
    d->rows = vgg_calloc(d->part_count, sizeof *d->rows);
    if (failed || d->sums == NULL || d->rows == NULL)
        return vgg_fail_memory(error, "a distance", d->channels * d->pixels * sizeof(float));
    return VGG_OK;
}

static vgg_status make_parts(vgg_distance *d, vgg_error *error) {
    size_t count = d->options.tap_count;
    d->parts = vgg_calloc(count, sizeof *d->parts);
    d->part_room = count;
    if (d->parts == NULL)
        return vgg_fail_memory(error, "a distance", count * sizeof *d->parts);
    vgg_status status = VGG_OK;
    for (; status == VGG_OK && d->part_count < count; d->part_count++) {
        status = make_part(d, d->part_count, error);
    }
    if (status == VGG_OK)
        status = take_values(d, error);
    return status == VGG_OK ? make_shared(d, error) : status;
}

/* ---- making ---- */

static vgg_status set_up(vgg_distance *d, const vgg_distance_options *given, vgg_error *error) {
    vgg_distance_options *options = &d->options;
    vgg_distance_options_init(options, sizeof *options);
    vgg_status status =
        vgg_options_read(options, sizeof *options, given, "vgg_distance_options", error);
    if (status == VGG_OK)
        status = check_options(options, error);
    if (status == VGG_OK)
        status = choose_layers(d, error);
    if (status == VGG_OK)
        status = choose_preprocess(d, error);
    if (status == VGG_OK)
        status = vgg_kernels_get(&d->kernels, error);
    if (status == VGG_OK)
        status = vgg_threads_obtain(options->shared_threads, options->threads, &d->threads,
                                    &d->own_threads, error);
    d->pixels = options->height * options->width;
    if (status == VGG_OK && options->metric == VGG_DISTANCE_DISTS)
        status = vgg_dists_create(d, error);
    else if (status == VGG_OK)
        status = make_plan(d, error);
    if (status == VGG_OK && options->metric != VGG_DISTANCE_DISTS)
        status = make_parts(d, error);
    if (status == VGG_OK && options->weights != NULL)
        status = vgg_distance_read_weights(d, error);
    options->weights = NULL; /* the caller's */
    return status;
}

vgg_status vgg_distance_create(const vgg_model *model, const vgg_distance_options *options,
                               vgg_distance **out, vgg_error *error) {
    vgg_distance *d = vgg_calloc(1, sizeof *d);
    if (d == NULL)
        return vgg_fail_memory(error, "a distance", sizeof *d);
    d->model = model;
    vgg_status status = set_up(d, options, error);
    if (status == VGG_OK)
        *out = d;
    else
        vgg_distance_free(d);
    return status;
}

void vgg_distance_free(vgg_distance *d) {
    if (d == NULL)
        return;
    vgg_plan_free(d->plan);
    vgg_dists_free(d);
    vgg_threads_free(d->own_threads);
    for (size_t i = 0; d->parts != NULL && i < d->part_room; i++) {
        vgg_distance_part *part = &d->parts[i];
        if (d->values == NULL) {
            vgg_free(part->reference);
            vgg_free(part->given);
            vgg_free(part->gradient);
        }
        vgg_free(part->weights);
        vgg_free(part->inverse);
        vgg_free(part->own_inverse);
        vgg_free(part->distances);
        vgg_free(part->pull);
        vgg_free(part->gram);
    }
    vgg_free(d->values);
    vgg_free(d->taps);
    vgg_free(d->parts);
    vgg_free(d->rows);
    vgg_free(d->input);
    vgg_free(d->grams);
    vgg_free(d->zeros);
    vgg_free(d->sums);
    vgg_free(d);
}

size_t vgg_distance_parts(const vgg_distance *d) {
    return d->part_count;
}

const char *vgg_distance_part_name(const vgg_distance *d, size_t part) {
    return part < d->part_count ? d->parts[part].name : NULL;
}

/* ---- measuring ---- */

vgg_status vgg_distance_picture(const vgg_distance *d, const vgg_image *image, float *picture,
                                vgg_error *error) {
    const vgg_distance_options *options = &d->options;
    if (image->height != options->height || image->width != options->width)
        return vgg_fail(error, VGG_ERROR_SHAPE, "a picture of %zux%zu, expected %zux%zu",
                        image->width, image->height, options->width, options->height);
    vgg_image converted = {0};
    vgg_status status = vgg_image_convert(image, d->channels, &converted, error);
    if (status != VGG_OK)
        return status;
    for (size_t c = 0; c < d->channels; c++) {
        for (size_t i = 0; i < d->pixels; i++) {
            picture[c * d->pixels + i] = (float)converted.pixels[i * d->channels + c] / 255;
        }
    }
    vgg_image_free(&converted);
    return VGG_OK;
}

/* The plane of the picture that a channel of the input is of. */
static size_t plane_of(const vgg_distance *d, size_t channel) {
    return d->preprocess.bgr ? d->channels - 1 - channel : channel;
}

/* From a picture to what the layers give for it. */
static vgg_status look_at(vgg_distance *d, const float *picture, bool reference, vgg_error *error) {
    const vgg_preprocess *p = &d->preprocess;
    for (size_t i = 0; i < d->channels * d->pixels; i++) {
        if (!(picture[i] >= SAMPLE_LEAST && picture[i] <= SAMPLE_MOST))
            return vgg_fail(error, VGG_ERROR_ARGUMENT, "a sample of %g, expected 0 to 1",
                            (double)picture[i]);
    }
    for (size_t c = 0; c < d->channels; c++) {
        const float *from = picture + plane_of(d, c) * d->pixels;
        double scale = 255 * p->scale / p->deviation[c], shift = p->mean[c] / p->deviation[c];
        for (size_t i = 0; i < d->pixels; i++) {
            d->input[c * d->pixels + i] = (float)((double)from[i] * scale - shift);
        }
    }
    if (d->blocks != NULL)
        return vgg_dists_look(d, picture, reference, error);
    for (size_t i = 0; i < d->part_count; i++) {
        d->rows[i] = reference ? d->parts[i].reference : d->parts[i].given;
    }
    d->sees_reference = reference;
    return vgg_plan_forward_taps(d->plan, d->input, 1, d->plan->viewer == NULL ? d->rows : NULL,
                                 NULL, error);
}

vgg_status vgg_distance_set_reference(vgg_distance *d, const float *picture, vgg_error *error) {
    d->has_reference = false;
    vgg_status status = look_at(d, picture, true, error);
    for (size_t i = 0; status == VGG_OK && i < d->part_count; i++) {
        vgg_distance_prepare(d, &d->parts[i]);
    }
    d->has_reference = status == VGG_OK;
    return status;
}

/* From the gradients of the parts to that of d->input. */
static vgg_status carry_back(vgg_distance *d, vgg_error *error) {
    if (d->blocks != NULL)
        return vgg_dists_carry_back(d, error);
    for (size_t i = 0; i < d->part_count; i++) {
        d->rows[i] = d->parts[i].gradient;
    }
    return vgg_plan_backward_taps(d->plan, NULL, (const float *const *)d->rows, NULL, d->input,
                                  error);
}

static vgg_status find_gradient(vgg_distance *d, float *gradient, vgg_error *error) {
    vgg_status status = carry_back(d, error);
    for (size_t c = 0; status == VGG_OK && c < d->channels; c++) {
        float scale = (float)(255 * d->preprocess.scale / d->preprocess.deviation[c]);
        size_t first = plane_of(d, c) * d->pixels;
        for (size_t i = 0; i < d->pixels; i++) {
            float slope = scale * d->input[c * d->pixels + i];
            if (d->blocks != NULL) /* the picture is a part, too */
                slope += d->parts[0].gradient[first + i];
            if (!isfinite(slope))
                return vgg_fail(error, VGG_ERROR_NUMERIC,
                                "the gradient of the distance is not a finite number; the model's "
                                "weights may be damaged");
            gradient[first + i] = slope;
        }
    }
    return status;
}

vgg_status vgg_distance_measure(vgg_distance *d, const float *picture, double *value, double *parts,
                                float *gradient, vgg_error *error) {
    if (!d->has_reference)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a distance from no reference, expected one");
    if (gradient != NULL && !d->options.gradient)
        return vgg_fail(error, VGG_ERROR_ARGUMENT,
                        "a gradient of a distance that was made without");
    vgg_status status = look_at(d, picture, false, error);
    *value = 0;
    for (size_t i = 0; status == VGG_OK && i < d->part_count; i++) {
        double part = vgg_distance_compare(d, &d->parts[i], gradient != NULL);
        *value += part;
        if (parts != NULL)
            parts[i] = part;
    }
    if (status == VGG_OK && !isfinite(*value))
        return vgg_fail(error, VGG_ERROR_NUMERIC,
                        "the distance is not a finite number; the model's weights may be damaged");
    return status == VGG_OK && gradient != NULL ? find_gradient(d, gradient, error) : status;
}
