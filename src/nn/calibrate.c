/* Calibrating a network for int8: scales from what its layers see of some pictures, and for each
 * layer the cheapest way whose errors, all together, are small enough. */
#include "vgg/calibrate.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/options.h"
#include "kernels/conv_cost.h"
#include "nn/calibrate.h"
#include "vgg/plan.h"

/* Pictures on which each layer's own error is measured. */
#define FEW_PICTURES 8
/* Fewer pictures than this are warned of. */
#define ENOUGH_PICTURES 32
/* The batch that costs are of. */
#define COST_BATCH 8

static const vgg_calibration_options defaults = {.struct_size = sizeof(vgg_calibration_options),
                                                 .max_drop = 0.01};

void vgg_calibration_options_init(vgg_calibration_options *options, size_t size) {
    vgg_options_init(options, size, &defaults, sizeof defaults);
}

/* A convolution that can be in int8. */
typedef struct candidate {
    size_t layer;
    vgg_int8_trial trials[VGG_INT8_TILES];
    size_t chosen; /* number of a trial, or VGG_INT8_TILES: float32 */
} candidate;

typedef struct calibrator {
    vgg_network *network;
    vgg_calibration_options options;
    vgg_threads *threads, *own;
    const vgg_conv_costs *costs; /* of int8 on this processor */
    const float *inputs;
    size_t count, input, classes; /* pictures, floats of one, and of its logits */
    candidate *candidates;
    size_t candidate_count;
    float *floats,
        *found; /* logits: of all pictures by the network in float32, and of one in int8 */
    const float *expected; /* logits of all pictures, which those in int8 are to be near */
    bool labels;           /* a logit's sign is what counts */
    size_t done, total;    /* passes of pictures */
} calibrator;

static vgg_status tell(calibrator *c, vgg_error *error) {
    c->done++;
    if (c->options.progress != NULL &&
        !c->options.progress(c->options.progress_user, c->done, c->total))
        return vgg_fail(error, VGG_ERROR_STOPPED, "calibrating: stopped, as was asked");
    return VGG_OK;
}

static const vgg_layer *layer_of(const calibrator *c, const candidate *of) {
    return &c->network->layers[of->layer];
}

/* ---- measuring ---- */

static vgg_status make_plan(const calibrator *c, const vgg_plan_options *with, vgg_plan **plan,
                            vgg_error *error) {
    vgg_plan_options options = *with;
    options.shared_threads = c->threads;
    return vgg_plan_create(c->network, &options, plan, error);
}

/* Runs so many pictures, spread over all, through the network as it is now. expected: logits of all
 * pictures. */
static vgg_status measure(calibrator *c, const float *expected, size_t pictures,
                          vgg_int8_outcome *sum, vgg_error *error) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    vgg_plan *plan;
    *sum = (vgg_int8_outcome){0};
    vgg_status status = make_plan(c, &options, &plan, error);
    if (status != VGG_OK)
        return status;
    for (size_t i = 0; status == VGG_OK && i < pictures; i++) {
        size_t at = i * c->count / pictures;
        status = vgg_plan_forward(plan, c->inputs + at * c->input, 1, c->found, error);
        if (status == VGG_OK)
            vgg_int8_compare(expected + at * c->classes, c->found, c->classes, c->labels, sum);
        if (status == VGG_OK)
            status = tell(c, error);
    }
    vgg_plan_free(plan);
    return status;
}

/* ---- what layers see ---- */

static vgg_status count_layers(calibrator *c, float *const *values, size_t picture,
                               vgg_error *error) {
    for (size_t i = 0; i < c->candidate_count; i++) {
        const vgg_layer *layer = layer_of(c, &c->candidates[i]);
        for (size_t t = 0; t < VGG_INT8_TILES; t++) {
            if (!vgg_int8_trial_count(&c->candidates[i].trials[t], layer, vgg_int8_tiles[t],
                                      values[i]))
                return vgg_fail(error, VGG_ERROR_NUMERIC,
                                "the input of layer %s is not finite for picture %zu", layer->name,
                                picture);
        }
    }
    return VGG_OK;
}

/* Runs all pictures through taps below the candidates, into values. */
static vgg_status run_taps(calibrator *c, const vgg_tap *taps, float *const *values,
                           vgg_error *error) {
    vgg_plan_options options;
    vgg_plan_options_init(&options, sizeof options);
    options.taps = taps;
    options.tap_count = c->candidate_count;
    vgg_plan *plan;
    vgg_status status = make_plan(c, &options, &plan, error);
    if (status != VGG_OK)
        return status;
    for (size_t i = 0; status == VGG_OK && i < c->count; i++) {
        status = vgg_plan_forward_taps(plan, c->inputs + i * c->input, 1, values,
                                       c->floats + i * c->classes, error);
        if (status == VGG_OK)
            status = count_layers(c, values, i, error);
        if (status == VGG_OK && !vgg_int8_finite(c->floats + i * c->classes, c->classes))
            status = vgg_fail(error, VGG_ERROR_NUMERIC,
                              "the logits of the network are not finite for picture %zu", i);
        if (status == VGG_OK)
            status = tell(c, error);
    }
    vgg_plan_free(plan);
    return status;
}

static vgg_status observe(calibrator *c, vgg_error *error) {
    vgg_tap *taps = vgg_calloc(c->candidate_count, sizeof *taps);
    float **values = vgg_calloc(c->candidate_count, sizeof *values);
    bool taken = taps != NULL && values != NULL;
    for (size_t i = 0; taken && i < c->candidate_count; i++) {
        vgg_extent in = layer_of(c, &c->candidates[i])->input;
        taps[i].layer = c->candidates[i].layer - 1;
        values[i] = vgg_aligned_alloc(in.channels * in.height * in.width * sizeof *values[i]);
        taken = values[i] != NULL;
    }
    vgg_status status = taken
                            ? run_taps(c, taps, values, error)
                            : vgg_fail_memory(error, "what layers see",
                                              c->candidate_count * (sizeof *taps + sizeof *values));
    for (size_t i = 0; values != NULL && i < c->candidate_count; i++) {
        vgg_free(values[i]);
    }
    vgg_free(values);
    vgg_free(taps);
    return status;
}

/* ---- scales ---- */

/* How long a layer takes by a trial, of its time in float32. */
static double cost_of(const calibrator *c, const vgg_layer *layer, size_t tile) {
    vgg_conv_shape shape = {.images = COST_BATCH,
                            .inputs = layer->input.channels,
                            .outputs = layer->output.channels,
                            .height = layer->output.height,
                            .width = layer->output.width,
                            .kernel = 3,
                            .crop = layer->valid ? 1 : 0};
    size_t fastest = vgg_conv_fastest_tile(&vgg_conv_costs_avx512, &shape);
    return vgg_conv_cost(c->costs, &shape, tile) /
           vgg_conv_cost(&vgg_conv_costs_avx512, &shape, fastest);
}

static vgg_status scale_layer(calibrator *c, candidate *of, float *weights, vgg_error *error) {
    const vgg_layer *layer = layer_of(c, of);
    const vgg_tensor *tensor = &c->network->tensors[layer->first_tensor + VGG_TENSOR_WEIGHT];
    bool dead = false;
    vgg_tensor_widen(tensor, weights);
    for (size_t i = 0; i < tensor->info.count; i++) {
        if (!isfinite(weights[i]))
            return vgg_fail(error, VGG_ERROR_NUMERIC, "weight %zu of %s is not finite", i,
                            tensor->info.name);
    }
    for (size_t t = 0; t < VGG_INT8_TILES; t++) {
        size_t tile = vgg_int8_tiles[t];
        if (!vgg_int8_trial_scale(&of->trials[t], layer, tile, weights, c->threads, &dead))
            return vgg_fail_memory(error, "scales",
                                   vgg_int8_trial_scratch(layer, tile, c->threads));
        of->trials[t].cost = cost_of(c, layer, tile);
    }
    if (dead)
        vgg_warn(c->options.warn, c->options.warn_user,
                 "the input of layer %s was 0 in all %zu pictures; other pictures are needed to "
                 "know how large it can be",
                 layer->name, c->count);
    return VGG_OK;
}

static vgg_status scale_layers(calibrator *c, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < c->candidate_count; i++) {
        const vgg_layer *layer = layer_of(c, &c->candidates[i]);
        size_t count = c->network->tensors[layer->first_tensor + VGG_TENSOR_WEIGHT].info.count;
        float *weights = vgg_aligned_alloc(count * sizeof *weights);
        if (weights == NULL)
            return vgg_fail_memory(error, layer->name, count * sizeof *weights);
        status = scale_layer(c, &c->candidates[i], weights, error);
        vgg_free(weights);
    }
    return status;
}

/* Has a layer done by a trial; by none where it is VGG_INT8_TILES. */
static vgg_status use(calibrator *c, candidate *of, size_t t, vgg_error *error) {
    if (t == VGG_INT8_TILES) {
        vgg_network_forget_int8(c->network, of->layer);
        return VGG_OK;
    }
    const vgg_int8_trial *trial = &of->trials[t];
    vgg_status status = vgg_network_take_int8(c->network, of->layer, vgg_int8_tiles[t],
                                              trial->inputs, trial->weights, error);
    if (status == VGG_OK) {
        c->network->layers[of->layer].int8->figures[0] = (float)trial->error;
        c->network->layers[of->layer].int8->figures[1] = (float)trial->cost;
    }
    return status;
}

/* ---- the choice ---- */

/* A layer's own error by a trial. */
static vgg_status try_layer(calibrator *c, candidate *of, size_t t, vgg_error *error) {
    if (!vgg_network_can_int8_by(c->network, of->layer, vgg_int8_tiles[t])) {
        of->trials[t].error = HUGE_VAL;
        return VGG_OK;
    }
    vgg_int8_outcome sum;
    vgg_status status = use(c, of, t, error);
    if (status == VGG_OK)
        status = measure(c, c->floats, vgg_size_min(c->count, FEW_PICTURES), &sum, error);
    if (status == VGG_OK)
        of->trials[t].error = vgg_int8_error(&sum);
    return status;
}

/* Of each layer by each trial. */
static vgg_status try_layers(calibrator *c, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < c->candidate_count; i++) {
        for (size_t t = 0; status == VGG_OK && t < VGG_INT8_TILES; t++) {
            status = try_layer(c, &c->candidates[i], t, error);
        }
        vgg_network_forget_int8(c->network, c->candidates[i].layer);
    }
    return status;
}

static double error_by(const candidate *of, size_t t) {
    return t == VGG_INT8_TILES ? 0 : of->trials[t].error;
}

static double cost_by(const candidate *of, size_t t) {
    return t == VGG_INT8_TILES ? 1 : of->trials[t].cost;
}

/* Not where it cannot be, where logits came out that are not finite, or that the figures of a layer
 * cannot hold. */
static bool is_possible(const candidate *of, size_t t) {
    return isfinite((float)error_by(of, t));
}

static vgg_status use_cheapest(calibrator *c, vgg_error *error) {
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < c->candidate_count; i++) {
        candidate *of = &c->candidates[i];
        of->chosen = VGG_INT8_TILES;
        for (size_t t = VGG_INT8_TILES; t-- > 0;) {
            if (is_possible(of, t) && cost_by(of, t) <= cost_by(of, of->chosen))
                of->chosen = t;
        }
        status = use(c, of, of->chosen, error);
    }
    return status;
}

/* The layer that takes most of the error away for what it costs more, and by what; NULL when all
 * are in float32. */
static candidate *most_worth(const calibrator *c, size_t *by) {
    candidate *best = NULL;
    double most = -1;
    for (size_t i = 0; i < c->candidate_count; i++) {
        candidate *of = &c->candidates[i];
        for (size_t t = of->chosen + 1; t <= VGG_INT8_TILES; t++) {
            if (!is_possible(of, t))
                continue;
            double before = error_by(of, of->chosen), after = error_by(of, t);
            double gain = before * before - after * after;
            double worth = gain / fmax(cost_by(of, t) - cost_by(of, of->chosen), 1e-3);
            if (worth <= most || (gain <= 0 && t < VGG_INT8_TILES))
                continue;
            most = worth;
            best = of;
            *by = t;
        }
    }
    return best;
}

static vgg_status choose(calibrator *c, vgg_int8_outcome *sum, vgg_error *error) {
    vgg_status status = use_cheapest(c, error);
    if (status == VGG_OK)
        status = measure(c, c->expected, c->count, sum, error);
    while (status == VGG_OK &&
           (sum->drop > c->options.max_drop * (double)c->count || !isfinite(sum->noise))) {
        size_t by;
        candidate *of = most_worth(c, &by);
        if (of == NULL)
            break;
        of->chosen = by;
        status = use(c, of, by, error);
        if (status == VGG_OK)
            status = measure(c, c->expected, c->count, sum, error);
    }
    return status;
}

/* ---- all of it ---- */

static vgg_status begin_layer(calibrator *c, size_t layer, vgg_error *error) {
    candidate *of = &c->candidates[c->candidate_count++];
    bool negative = vgg_network_int8_zero(c->network, layer) > 0;
    of->layer = layer;
    for (size_t t = 0; t < VGG_INT8_TILES; t++) {
        size_t tile = vgg_int8_tiles[t];
        float most = tile == 1 && !negative ? VGG_INT8_UNSIGNED_MOST : VGG_INT8_MOST;
        if (!vgg_int8_trial_begin(&of->trials[t], &c->network->layers[layer], tile, most))
            return vgg_fail_memory(error, "what layers see",
                                   vgg_int8_points(tile) * sizeof(*of->trials[t].counts));
    }
    return VGG_OK;
}

static vgg_status begin(calibrator *c, vgg_error *error) {
    const vgg_network_options *of = &c->network->options;
    c->input = of->channels * of->height * of->width;
    c->classes = of->classes;
    c->floats = vgg_calloc(c->count, c->classes * sizeof *c->floats);
    c->expected = c->options.expected != NULL ? c->options.expected : c->floats;
    c->labels = c->options.several_labels || c->classes == 1;
    c->found = vgg_calloc(c->classes, sizeof *c->found);
    c->candidates = vgg_calloc(c->network->layer_count, sizeof *c->candidates);
    if (c->floats == NULL || c->found == NULL || c->candidates == NULL)
        return vgg_fail_memory(error, "logits", c->count * c->classes * sizeof *c->floats);
    vgg_status status = VGG_OK;
    for (size_t i = 0; status == VGG_OK && i < c->network->layer_count; i++) {
        if (vgg_network_can_int8(c->network, i))
            status = begin_layer(c, i, error);
    }
    size_t few = vgg_size_min(c->count, FEW_PICTURES), trials = VGG_INT8_TILES * c->candidate_count;
    c->total = c->count + trials * few + (trials + 1) * c->count;
    return status;
}

static void end(calibrator *c) {
    for (size_t i = 0; c->candidates != NULL && i < c->candidate_count; i++) {
        for (size_t t = 0; t < VGG_INT8_TILES; t++) {
            vgg_int8_trial_free(&c->candidates[i].trials[t]);
        }
    }
    vgg_free(c->candidates);
    vgg_free(c->floats);
    vgg_free(c->found);
    vgg_threads_free(c->own);
}

static vgg_status run(calibrator *c, vgg_int8_outcome *sum, vgg_error *error) {
    const vgg_kernels *kernels;
    vgg_status status = vgg_kernels_get(&kernels, error);
    if (status != VGG_OK)
        return status;
    c->costs = kernels->int8_costs;
    status = vgg_threads_obtain(NULL, c->options.threads, &c->threads, &c->own, error);
    if (status == VGG_OK)
        status = begin(c, error);
    if (status == VGG_OK && c->candidate_count == 0)
        return vgg_fail(error, VGG_ERROR_UNSUPPORTED,
                        "no layer of \"%s\" can be in int8: that takes a 3x3 convolution after the "
                        "first layer, with %d channels or more on both sides",
                        c->network->options.arch, VGG_BLOCK);
    if (status == VGG_OK)
        status = observe(c, error);
    if (status == VGG_OK)
        status = scale_layers(c, error);
    if (status == VGG_OK)
        status = try_layers(c, error);
    if (status == VGG_OK)
        status = choose(c, sum, error);
    return status;
}

static size_t layers_in_int8(const vgg_network *network) {
    size_t count = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        count += network->layers[i].int8 != NULL;
    }
    return count;
}

vgg_status vgg_network_calibrate(vgg_network *network, const float *inputs, size_t count,
                                 const vgg_calibration_options *options, vgg_calibration *result,
                                 vgg_error *error) {
    calibrator c = {.network = network, .inputs = inputs, .count = count, .options = defaults};
    vgg_int8_outcome sum = {0};
    vgg_status status =
        vgg_options_read(&c.options, sizeof c.options, options, "vgg_calibration_options", error);
    if (status != VGG_OK)
        return status;
    if (count == 0 || inputs == NULL)
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a calibration needs at least one picture");
    if (!(c.options.max_drop >= 0 && c.options.max_drop <= 1))
        return vgg_fail(error, VGG_ERROR_ARGUMENT, "a drop of %g, expected a share from 0 to 1",
                        c.options.max_drop);
    if (result != NULL)
        status = vgg_result_check(result, "vgg_calibration", error);
    if (status == VGG_OK && c.options.expected != NULL &&
        !vgg_int8_finite(c.options.expected, count * network->options.classes))
        status = vgg_fail(error, VGG_ERROR_NUMERIC, "the logits that are expected are not finite");
    if (status != VGG_OK)
        return status;
    vgg_network_forget_all_int8(network);
    status = run(&c, &sum, error);
    if (status == VGG_OK && count < ENOUGH_PICTURES)
        vgg_warn(c.options.warn, c.options.warn_user,
                 "calibrated with %zu pictures: with fewer than %d, rare values are cut off that "
                 "were not seen, and what int8 costs is a rough estimate",
                 count, ENOUGH_PICTURES);
    end(&c);
    vgg_calibration found = {.struct_size = sizeof found,
                             .convolutions = layers_in_int8(network),
                             .pictures = count,
                             .changed = sum.changed,
                             .drop = sum.drop / (double)count,
                             .error = vgg_int8_error(&sum)};
    if (status == VGG_OK && result != NULL)
        status = vgg_result_write(result, &found, sizeof found, "vgg_calibration", error);
    if (status != VGG_OK)
        vgg_network_forget_all_int8(network);
    return status;
}
